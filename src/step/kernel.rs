//! The computations of a device on ring elements.
//!
//! This is the whole arithmetic of the engine: protocols emit these, devices run them, and each has one WGSL file
//! under `shaders/`, one Rust twin under `device/cpu/` and one test under `kernels-tests/` of the same stem.
//! A kernel is pure data, generic over how buffers and keys are named (`B`, `K`): numbers in a plan, references
//! on a device. A row of the table below has its stem, its formula and its fields; the words behind a field say how the
//! kernel uses it. Stems, accesses, draws and renaming are made from the row.
//!
//! **Rules for all kernels.** Elements are row-major and contiguous from the start of their buffer. All arithmetic
//! is modulo 2^k. The output is a buffer of its own, never one of the operands; with `accumulate` the product is
//! added to what it holds, otherwise it is overwritten. An operand of an elementwise kernel may have one row or
//! one column where the output has more: it is repeated. Shapes with no element are allowed and do nothing.

use super::bits::{Lanes, Level, Predicate};
use super::rows::{Operands, kernels};
use crate::ring::{Axis, Shape};
use serde::Serialize;

/// A row-major matrix at the start of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Matrix<B> {
    /// The buffer that holds the elements.
    pub buffer: B,
    /// Rows and columns.
    pub shape: Shape,
}

impl<B> Matrix<B> {
    /// The matrix of `shape` at the start of `buffer`.
    pub const fn new(buffer: B, shape: Shape) -> Matrix<B> {
        Matrix { buffer, shape }
    }
}

/// Loops of an affine copy at most.
pub const MOST_LOOPS: usize = 6;

/// One of the loops of an affine copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Loop {
    /// The number of its turns.
    pub count: usize,
    /// The distance of two turns in the operand, in elements.
    pub from: usize,
    /// The distance of two turns in the output, in elements.
    pub to: usize,
}

/// The use of one of a kernel's matrices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Only read.
    Read,
    /// Overwritten whole.
    Write,
    /// Read and written.
    Update,
}

// `read`, `write` and `update` are those of [`Access`]; `update_if` names the field that says so; `draw` names the stream.
// What is read comes first.
kernels! {
    /// out = Σ coefficient · operand + constant, one or two terms: addition, subtraction, negation, scaling,
    /// a broadcast copy, and adding a public constant are its special cases.
    Linear = "linear" {
        /// One or two operands, each with its public factor.
        terms: Vec<(u64, Matrix<B>)> => read,
        /// Written.
        out: Matrix<B> => write,
        /// Added to every element.
        constant: u64,
    }
    /// out (+)= Σ left ∘ right, elementwise, one or two pairs; two pairs with `accumulate` are Beaver's
    /// recombination e ∘ y + a ∘ f + c.
    Hadamard = "hadamard" {
        /// One or two pairs of factors.
        terms: Vec<(Matrix<B>, Matrix<B>)> => read,
        /// Written, or added to.
        out: Matrix<B> => update_if accumulate,
        /// `out` keeps what it held, and the result is added to it.
        accumulate: bool,
    }
    /// out (+)= Σ left · right, matrix products of inner sizes that may differ, one or two pairs: with two pairs
    /// one product of inner size k₁ + k₂ whose operands lie in four places.
    Gemm = "gemm" {
        /// One or two pairs of factors, (m, k) and (k, n).
        terms: Vec<(Matrix<B>, Matrix<B>)> => read,
        /// Written, or added to.
        out: Matrix<B> => update_if accumulate,
        /// `out` keeps what it held, and the result is added to it.
        accumulate: bool,
    }
    /// out = operandᵀ.
    Transpose = "transpose" {
        /// Read.
        operand: Matrix<B> => read,
        /// Written.
        out: Matrix<B> => write,
    }
    /// `out[i, j] = operand[r, column + j]`, where r is what the low 32 bits of `index[i]` are modulo the operand's rows: rows of
    /// a matrix, by public numbers.
    Rows = "rows" {
        /// Read; it has a row at least.
        operand: Matrix<B> => read,
        /// A column with the number of a row for each row of `out`.
        index: Matrix<B> => read,
        /// Written.
        out: Matrix<B> => write,
        /// The operand's first column that is read.
        column: usize,
    }
    /// Sums over one axis; over no element the sum is zero.
    Sum = "sum" {
        /// Read.
        operand: Matrix<B> => read,
        /// Written: (1, cols) or (rows, 1).
        out: Matrix<B> => write,
        /// The axis that is summed.
        axis: Axis,
    }
    /// out = ⌊operand / 2^bits⌋ of signed elements: truncation of a value that one party holds alone.
    Shift = "shift" {
        /// Read, of the shape of `out`.
        operand: Matrix<B> => read,
        /// Written.
        out: Matrix<B> => write,
        /// The distance, at least 1 and below k.
        bits: u32,
    }
    /// The generator's bytes (see [`crate::ring::prg`]) as elements.
    Fill = "fill" {
        /// Written.
        out: Matrix<B> => write,
        /// The generator's key.
        key: K => draw stream,
        /// The stream under that key.
        stream: u64,
        /// The 64-byte block at which to begin.
        block: u64,
    }
    /// out = factor · operand + mask_factor · F + constant, where F is what [`Kernel::Fill`] would write: a value under a
    /// mask that is needed nowhere else, and never lies in memory.
    Mask = "mask" {
        /// Read, of the shape of `out`.
        operand: Matrix<B> => read,
        /// Written.
        out: Matrix<B> => write,
        /// The operand's public factor.
        factor: u64,
        /// The mask's public factor.
        mask_factor: u64,
        /// The generator's key.
        key: K => draw stream,
        /// The stream under that key.
        stream: u64,
        /// The 64-byte block at which to begin.
        block: u64,
        /// Added to every element.
        constant: u64,
    }
    /// out = Σ left ∘ right + F, elementwise, one or two pairs, where F is what [`Kernel::Fill`] would write: products over
    /// a share that is needed nowhere else, and never lies in memory.
    HadamardMask = "hadamard_mask" {
        /// One or two pairs of factors, of the shape of `out`.
        terms: Vec<(Matrix<B>, Matrix<B>)> => read,
        /// Written.
        out: Matrix<B> => write,
        /// The generator's key.
        key: K => draw stream,
        /// The stream under that key.
        stream: u64,
        /// The 64-byte block at which to begin.
        block: u64,
    }
    /// out = the low `width` bits of each element, one element behind the other (see [`super::bits`]).
    Pack = "pack" {
        /// Read.
        operand: Matrix<B> => read,
        /// Written: `packed(ring, width, …)`.
        out: Matrix<B> => write,
        /// w, at least 1 and below k.
        width: u32,
    }
    /// out (+)= the elements below 2^width that were packed.
    Unpack = "unpack" {
        /// Read: `packed(ring, width, …)`.
        operand: Matrix<B> => read,
        /// Written, or added to.
        out: Matrix<B> => update_if accumulate,
        /// w, at least 1 and below k.
        width: u32,
        /// `out` keeps what it held, and the result is added to it.
        accumulate: bool,
    }
    /// The dealer's half of a truncation pair. With r = (mask₀ + mask₁) mod 2^w, w = `width`:
    /// top = (r ≫ (w−1)) − top and high = ((r mod 2^(w−1)) ≫ bits) − high, in place.
    TruncPair = "trunc_pair" {
        /// The two parts of the mask.
        masks: [Matrix<B>; 2] => read,
        /// In: party 0's share of r's top bit. Out: party 1's.
        top: Matrix<B> => update,
        /// In: party 0's share of r's middle bits. Out: party 1's.
        high: Matrix<B> => update,
        /// By how many bits the pair truncates, at least 1 and at most w − 2.
        bits: u32,
        /// w, at most k.
        width: u32,
    }
    /// One party's share of the truncated value, from the opened c = (x + 2^(w−2) + r) mod 2^w, w = `width`. With
    /// t = c ≫ (w−1), and `leader` read as 0 or 1:
    /// out = leader · (((c mod 2^(w−1)) ≫ bits) − 2^(w−2−bits)) − high + (top · (1 − 2t) + leader · t) · 2^(w−1−bits).
    TruncFinish = "trunc_finish" {
        /// The opened masked value, or two parts whose sum it is; only the low w bits count.
        opened: Vec<Matrix<B>> => read,
        /// The share of the mask's top bit.
        top: Matrix<B> => read,
        /// The share of the mask's middle bits.
        high: Matrix<B> => read,
        /// Written.
        out: Matrix<B> => write,
        /// By how many bits, at least 1 and at most w − 2.
        bits: u32,
        /// w, at most k.
        width: u32,
        /// This party adds the public terms.
        leader: bool,
    }
    /// The dealer's half of a truth table (see [`super::bits`]): out = out ⊕ the table of the mask's low bits, in place.
    TruthTable = "truth_table" {
        /// r.
        mask: Matrix<B> => read,
        /// In: party 0's share, planes. Out: party 1's.
        out: Matrix<B> => update,
        /// The number of low bits that have digits.
        bits: u32,
        /// The plane of bit number `bits` follows.
        top: bool,
    }
    /// One party's shares of a first level's planes, which the public c looks up in the shared table of r. With q = c to
    /// ask for a borrow, q = −1 − c for a sign and q = −c for zero, digit by digit lt = (q < r) and eq = (q = r); the
    /// sign's top bits, c's from the leader and r's, are added to the first lt.
    LookupShares = "lookup_shares" {
        /// c.
        opened: Matrix<B> => read,
        /// The share of the table.
        table: Matrix<B> => read,
        /// Written: the planes of `predicate.level(bits)`, or of `lanes.level()`.
        out: Matrix<B> => write,
        /// The number of low bits that have digits.
        bits: u32,
        /// The comparison.
        predicate: Predicate,
        /// These lanes, for a sign, in place of all digits of c: of a digit beyond `bits` lt is 0 and eq is 1.
        lanes: Option<Lanes>,
        /// This party adds the public terms.
        leader: bool,
    }
    /// out = left ⊕ right, and every bit negated with `flip`.
    Xor = "xor" {
        /// Read, of the shape of `out`.
        left: Matrix<B> => read,
        /// Read, of the shape of `out`.
        right: Matrix<B> => read,
        /// Written.
        out: Matrix<B> => write,
        /// Every bit is negated.
        flip: bool,
    }
    /// out = (left ∧ right) ⊕ addend.
    And = "and" {
        /// Read, of the shape of `out`.
        left: Matrix<B> => read,
        /// Read, of the shape of `out`.
        right: Matrix<B> => read,
        /// Read, of the shape of `out`.
        addend: Matrix<B> => read,
        /// Written.
        out: Matrix<B> => write,
    }
    /// Bits of elements as planes (see [`super::bits`]): plane j has bit number `top` − j of each element.
    BitPlanes = "bit_planes" {
        /// The elements.
        operand: Matrix<B> => read,
        /// Written: as many planes as are wanted, at most `top` + 1.
        out: Matrix<B> => write,
        /// The bit of the first plane, below k.
        top: u32,
    }
    /// The dealer's half of a level's products of masks: out = out ⊕ the products of the masks mask₀ ⊕ mask₁, in place.
    MaskProducts = "mask_products" {
        /// The two parts of the factors' masks, planes.
        masks: [Matrix<B>; 2] => read,
        /// In: party 0's share, planes. Out: party 1's.
        out: Matrix<B> => update,
        /// The level, which says what products it needs.
        level: Level,
    }
    /// One level of a tree of ANDs: one party's shares of the next level's planes, from the opened masked factors.
    AndTree = "and_tree" {
        /// Its shares of this level's planes.
        planes: Matrix<B> => read,
        /// The factors under their masks, opened.
        opened: Matrix<B> => read,
        /// Its parts of the masks.
        masks: Matrix<B> => read,
        /// Its shares of the masks' products.
        monomials: Matrix<B> => read,
        /// Written: the planes of `level.next()`.
        out: Matrix<B> => write,
        /// This level.
        level: Level,
        /// This party adds the public terms.
        leader: bool,
    }
    /// One party's shares of the last level of a comparison of c + r with 2^e: of each lane, from the most significant on, the
    /// results that the public c picks (see [`super::bits`]).
    PickLanes = "pick_lanes" {
        /// c.
        opened: Matrix<B> => read,
        /// Its shares of the results of `Lanes::base(lanes, rising)`.
        base: Matrix<B> => read,
        /// Its shares of the results of the groups among which is the one of e.
        own: Matrix<B> => read,
        /// Written: the planes of a level of so many digits.
        out: Matrix<B> => write,
        /// The number of lanes, from 2 to 4.
        lanes: u32,
        /// e.
        exponent: u32,
        /// The power is added to c, otherwise subtracted.
        rising: bool,
        /// The number of e's group.
        group: u32,
    }
    /// out (+)= bit · value + (1 − 2·bit) · hidden: a public bit selects a value or zero, or takes the mask off a shared
    /// bit.
    Mux = "mux" {
        /// One plane.
        bits: Matrix<B> => read,
        /// The value; without one it is `constant` for every element.
        value: Option<Matrix<B>> => read,
        /// The other value; without one it is zero.
        hidden: Option<Matrix<B>> => read,
        /// Written, or added to.
        out: Matrix<B> => update_if accumulate,
        /// See `value`.
        constant: u64,
        /// `out` keeps what it held, and the result is added to it.
        accumulate: bool,
    }
    /// Copies what nested loops reach in the operand to what they reach in the output, counted from the first
    /// elements `from` and `to`. No place of the output is reached twice.
    Affine = "affine" {
        /// Read.
        operand: Matrix<B> => read,
        /// Written: zero where no loop reaches, unless kept.
        out: Matrix<B> => update_if keep,
        /// At most [`MOST_LOOPS`], the outermost first.
        loops: Vec<Loop>,
        /// The first element that is read.
        from: usize,
        /// The first element that is written.
        to: usize,
        /// `out` keeps what it held where no loop reaches.
        keep: bool,
    }
}
