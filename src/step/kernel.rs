//! What a device can compute on ring elements.
//!
//! This is the whole arithmetic of the engine: protocols emit these, devices run them, and each has one WGSL file
//! under `shaders/`, one Rust twin under `device/cpu/` and one test under `kernels-tests/` of the same stem.
//! A kernel is pure data, generic over how buffers and keys are named (`B`, `K`): numbers in a plan, references
//! on a device.
//!
//! **Rules for all kernels.** Elements are row-major and contiguous from the start of their buffer. All arithmetic
//! is modulo 2^k. The output is a buffer of its own, never one of the operands; with `accumulate` the product is
//! added to what it holds, otherwise it is overwritten. An operand of an elementwise kernel may have one row or
//! one column where the output has more: it is repeated. Shapes with no element are allowed and do nothing.

use super::bits::{Level, Question};
use crate::ring::{Axis, Shape};
use serde::Serialize;

/// A row-major matrix at the start of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Matrix<B> {
    /// Where the elements are.
    pub buffer: B,
    /// How they form a matrix.
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
    /// How often it runs.
    pub count: usize,
    /// How far a turn moves in the operand, in elements.
    pub from: usize,
    /// How far a turn moves in the output, in elements.
    pub to: usize,
}

/// One computation on a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Kernel<B, K> {
    /// out = Σ coefficient · operand + constant, one or two terms: addition, subtraction, negation, scaling,
    /// a broadcast copy, and adding a public constant are its special cases.
    Linear {
        /// Written.
        out: Matrix<B>,
        /// One or two operands, each with its public factor.
        terms: Vec<(u64, Matrix<B>)>,
        /// Added to every element.
        constant: u64,
    },
    /// out (+)= Σ left ∘ right, elementwise, one or two pairs; two pairs with `accumulate` are Beaver's
    /// recombination e ∘ y + a ∘ f + c.
    Hadamard {
        /// Written, or added to.
        out: Matrix<B>,
        /// One or two pairs of factors.
        terms: Vec<(Matrix<B>, Matrix<B>)>,
        /// Whether `out` keeps what it held.
        accumulate: bool,
    },
    /// out (+)= Σ left · right, matrix products of inner sizes that may differ, one or two pairs: with two pairs
    /// one product of inner size k₁ + k₂ whose operands lie in four places.
    Gemm {
        /// Written, or added to.
        out: Matrix<B>,
        /// One or two pairs of factors, (m, k) and (k, n).
        terms: Vec<(Matrix<B>, Matrix<B>)>,
        /// Whether `out` keeps what it held.
        accumulate: bool,
    },
    /// out = operandᵀ.
    Transpose {
        /// Written.
        out: Matrix<B>,
        /// Read.
        operand: Matrix<B>,
    },
    /// Sums over one axis; over no element the sum is zero.
    Sum {
        /// Written: (1, cols) or (rows, 1).
        out: Matrix<B>,
        /// Read.
        operand: Matrix<B>,
        /// What the sum runs over.
        axis: Axis,
    },
    /// out = ⌊operand / 2^bits⌋ of signed elements: truncation of a value that one party holds alone.
    Shift {
        /// Written.
        out: Matrix<B>,
        /// Read, same shape.
        operand: Matrix<B>,
        /// How far, at least 1 and below k.
        bits: u32,
    },
    /// The generator's bytes (see [`crate::ring::prg`]) as elements.
    Fill {
        /// Written.
        out: Matrix<B>,
        /// The generator's key.
        key: K,
        /// The stream under that key.
        stream: u64,
        /// The 64-byte block at which to begin.
        block: u64,
    },
    /// out = factor · operand + mask_factor · F + constant, where F is what [`Kernel::Fill`] would write: a value under a
    /// mask that is needed nowhere else, and never lies in memory.
    Mask {
        /// Written.
        out: Matrix<B>,
        /// The operand's public factor.
        factor: u64,
        /// Read, same shape.
        operand: Matrix<B>,
        /// The mask's public factor.
        mask_factor: u64,
        /// As of a fill.
        key: K,
        /// As of a fill.
        stream: u64,
        /// As of a fill.
        block: u64,
        /// Added to every element.
        constant: u64,
    },
    /// out = the low `width` bits of each element, one element behind the other (see [`super::bits`]).
    Pack {
        /// Written: `packed(ring, width, …)`.
        out: Matrix<B>,
        /// Read.
        operand: Matrix<B>,
        /// w, at least 1 and below k.
        width: u32,
    },
    /// out (+)= the elements below 2^width that were packed.
    Unpack {
        /// Written, or added to.
        out: Matrix<B>,
        /// Read: `packed(ring, width, …)`.
        operand: Matrix<B>,
        /// w, at least 1 and below k.
        width: u32,
        /// Whether `out` keeps what it held.
        accumulate: bool,
    },
    /// The dealer's half of a truncation pair. With r = (mask₀ + mask₁) mod 2^w, w = `width`:
    /// top = (r ≫ (w−1)) − top and high = ((r mod 2^(w−1)) ≫ bits) − high, in place.
    TruncPair {
        /// The two parts of the mask.
        masks: [Matrix<B>; 2],
        /// In: party 0's share of r's top bit. Out: party 1's.
        top: Matrix<B>,
        /// In: party 0's share of r's middle bits. Out: party 1's.
        high: Matrix<B>,
        /// By how many bits the pair truncates, at least 1 and at most w − 2.
        bits: u32,
        /// w, at most k.
        width: u32,
    },
    /// One party's share of the truncated value, from the opened c = (x + 2^(w−2) + r) mod 2^w, w = `width`. With
    /// t = c ≫ (w−1), and `leader` read as 0 or 1:
    /// out = leader · (((c mod 2^(w−1)) ≫ bits) − 2^(w−2−bits)) − high + (top · (1 − 2t) + leader · t) · 2^(w−1−bits).
    TruncFinish {
        /// Written.
        out: Matrix<B>,
        /// The opened masked value, or two parts whose sum it is; only the low w bits count.
        opened: Vec<Matrix<B>>,
        /// The share of the mask's top bit.
        top: Matrix<B>,
        /// The share of the mask's middle bits.
        high: Matrix<B>,
        /// By how many bits, at least 1 and at most w − 2.
        bits: u32,
        /// w, at most k.
        width: u32,
        /// Whether this party adds the public terms.
        leader: bool,
    },
    /// The dealer's half of a table (see [`super::bits`]): out = out ⊕ the table of the mask's low bits, in place.
    Table {
        /// In: party 0's share, planes. Out: party 1's.
        out: Matrix<B>,
        /// r.
        mask: Matrix<B>,
        /// How many low bits have digits.
        bits: u32,
        /// Whether the plane of bit number `bits` follows.
        top: bool,
    },
    /// One party's shares of a first level's planes: what the public c picks from the shared table of r. With q = c to
    /// ask for a borrow, q = −1 − c for a sign and q = −c for zero, digit by digit lt = (q < r) and eq = (q = r); the
    /// sign's top bits, c's from the leader and r's, are added to the first lt.
    Pick {
        /// Written: the planes of `question.level(bits)`.
        out: Matrix<B>,
        /// c.
        opened: Matrix<B>,
        /// The share of the table.
        table: Matrix<B>,
        /// How many low bits have digits.
        bits: u32,
        /// What is asked.
        question: Question,
        /// Whether this party adds the public terms.
        leader: bool,
    },
    /// out = left ⊕ right, and every bit negated with `flip`.
    Xor {
        /// Written.
        out: Matrix<B>,
        /// Same shape.
        left: Matrix<B>,
        /// Same shape.
        right: Matrix<B>,
        /// Whether to negate.
        flip: bool,
    },
    /// The dealer's half of a level's monomials: out = out ⊕ the products of the masks mask₀ ⊕ mask₁, in place.
    Monomials {
        /// In: party 0's share, planes. Out: party 1's.
        out: Matrix<B>,
        /// The two parts of the factors' masks, planes.
        masks: [Matrix<B>; 2],
        /// Which products.
        level: Level,
    },
    /// One party's shares of the next level's planes, from the opened masked factors.
    Join {
        /// Written: the planes of `level.next()`.
        out: Matrix<B>,
        /// Its shares of this level's planes.
        planes: Matrix<B>,
        /// The factors under their masks, opened.
        opened: Matrix<B>,
        /// Its parts of the masks.
        masks: Matrix<B>,
        /// Its shares of the masks' products.
        monomials: Matrix<B>,
        /// This level.
        level: Level,
        /// Whether this party adds the public terms.
        leader: bool,
    },
    /// out (+)= bit · value + (1 − 2·bit) · hidden: what a public bit leaves of a value, or of a shared bit under a
    /// mask.
    Choose {
        /// Written, or added to.
        out: Matrix<B>,
        /// One plane.
        bits: Matrix<B>,
        /// The value; without one it is `constant` for every element.
        value: Option<Matrix<B>>,
        /// See `value`.
        constant: u64,
        /// The other value; without one it is zero.
        hidden: Option<Matrix<B>>,
        /// Whether `out` keeps what it held.
        accumulate: bool,
    },
    /// Copies what nested loops reach in the operand to what they reach in the output, counted from the first
    /// elements `from` and `to`. No place of the output is reached twice.
    Affine {
        /// Written: zero where no loop reaches, unless kept.
        out: Matrix<B>,
        /// Read.
        operand: Matrix<B>,
        /// At most [`MOST_LOOPS`], the outermost first.
        loops: Vec<Loop>,
        /// Where the operand's first element is.
        from: usize,
        /// Where the output's first element is.
        to: usize,
        /// Whether `out` keeps what it held where no loop reaches.
        keep: bool,
    },
}

/// How a kernel uses one of its matrices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Only read.
    Read,
    /// Overwritten whole.
    Write,
    /// Read and written.
    Update,
}

impl<B, K> Kernel<B, K> {
    /// The stem of the kernel's files.
    pub const fn name(&self) -> &'static str {
        match self {
            Kernel::Linear { .. } => "linear",
            Kernel::Hadamard { .. } => "hadamard",
            Kernel::Gemm { .. } => "gemm",
            Kernel::Transpose { .. } => "transpose",
            Kernel::Sum { .. } => "sum",
            Kernel::Shift { .. } => "shift",
            Kernel::Fill { .. } => "fill",
            Kernel::Mask { .. } => "mask",
            Kernel::Pack { .. } => "pack",
            Kernel::Unpack { .. } => "unpack",
            Kernel::TruncPair { .. } => "trunc_pair",
            Kernel::TruncFinish { .. } => "trunc_finish",
            Kernel::Table { .. } => "table",
            Kernel::Pick { .. } => "pick",
            Kernel::Xor { .. } => "xor",
            Kernel::Monomials { .. } => "monomials",
            Kernel::Join { .. } => "join",
            Kernel::Choose { .. } => "choose",
            Kernel::Affine { .. } => "affine",
        }
    }

    /// The key and the stream that it draws from, if it does.
    pub const fn draws(&self) -> Option<(&K, u64)> {
        match self {
            Kernel::Fill { key, stream, .. } | Kernel::Mask { key, stream, .. } => Some((key, *stream)),
            _ => None,
        }
    }

    /// Calls `visit` with each matrix and how it is used.
    pub fn visit<'a>(&'a self, mut visit: impl FnMut(&'a Matrix<B>, Access)) {
        let written = |accumulate: &bool| if *accumulate { Access::Update } else { Access::Write };
        match self {
            Kernel::Linear { out, terms, .. } => {
                terms.iter().for_each(|(_, operand)| visit(operand, Access::Read));
                visit(out, Access::Write);
            }
            Kernel::Hadamard { out, terms, accumulate } | Kernel::Gemm { out, terms, accumulate } => {
                for (left, right) in terms {
                    visit(left, Access::Read);
                    visit(right, Access::Read);
                }
                visit(out, written(accumulate));
            }
            Kernel::Transpose { out, operand }
            | Kernel::Sum { out, operand, .. }
            | Kernel::Shift { out, operand, .. }
            | Kernel::Pack { out, operand, .. }
            | Kernel::Mask { out, operand, .. } => {
                visit(operand, Access::Read);
                visit(out, Access::Write);
            }
            Kernel::Unpack { out, operand, accumulate, .. } => {
                visit(operand, Access::Read);
                visit(out, written(accumulate));
            }
            Kernel::Fill { out, .. } => visit(out, Access::Write),
            Kernel::TruncPair { masks, top, high, .. } => {
                masks.iter().for_each(|mask| visit(mask, Access::Read));
                visit(top, Access::Update);
                visit(high, Access::Update);
            }
            Kernel::TruncFinish { out, opened, top, high, .. } => {
                opened.iter().chain([top, high]).for_each(|operand| visit(operand, Access::Read));
                visit(out, Access::Write);
            }
            Kernel::Table { out, mask, .. } => {
                visit(mask, Access::Read);
                visit(out, Access::Update);
            }
            Kernel::Pick { out, opened: left, table: right, .. } | Kernel::Xor { out, left, right, .. } => {
                [left, right].into_iter().for_each(|operand| visit(operand, Access::Read));
                visit(out, Access::Write);
            }
            Kernel::Monomials { out, masks, .. } => {
                masks.iter().for_each(|mask| visit(mask, Access::Read));
                visit(out, Access::Update);
            }
            Kernel::Join { out, planes, opened, masks, monomials, .. } => {
                let operands = [planes, opened, masks, monomials];
                operands.into_iter().for_each(|operand| visit(operand, Access::Read));
                visit(out, Access::Write);
            }
            Kernel::Choose { out, bits, value, hidden, accumulate, .. } => {
                let operands = [Some(bits), value.as_ref(), hidden.as_ref()];
                operands.into_iter().flatten().for_each(|operand| visit(operand, Access::Read));
                visit(out, written(accumulate));
            }
            Kernel::Affine { out, operand, keep, .. } => {
                visit(operand, Access::Read);
                visit(out, written(keep));
            }
        }
    }

    /// The same computation with buffers and keys named another way.
    pub fn map<C, L>(&self, mut buffer: impl FnMut(&B) -> C, mut key: impl FnMut(&K) -> L) -> Kernel<C, L> {
        let mut at = |matrix: &Matrix<B>| Matrix::new(buffer(&matrix.buffer), matrix.shape);
        match self {
            Kernel::Linear { out, terms, constant } => Kernel::Linear {
                out: at(out),
                terms: terms.iter().map(|(factor, operand)| (*factor, at(operand))).collect(),
                constant: *constant,
            },
            Kernel::Hadamard { out, terms, accumulate } => Kernel::Hadamard {
                out: at(out),
                terms: terms.iter().map(|(left, right)| (at(left), at(right))).collect(),
                accumulate: *accumulate,
            },
            Kernel::Gemm { out, terms, accumulate } => Kernel::Gemm {
                out: at(out),
                terms: terms.iter().map(|(left, right)| (at(left), at(right))).collect(),
                accumulate: *accumulate,
            },
            Kernel::Transpose { out, operand } => Kernel::Transpose { out: at(out), operand: at(operand) },
            Kernel::Sum { out, operand, axis } => {
                Kernel::Sum { out: at(out), operand: at(operand), axis: *axis }
            }
            Kernel::Shift { out, operand, bits } => {
                Kernel::Shift { out: at(out), operand: at(operand), bits: *bits }
            }
            Kernel::Fill { out, key: name, stream, block } => {
                Kernel::Fill { out: at(out), key: key(name), stream: *stream, block: *block }
            }
            Kernel::Mask { out, factor, operand, mask_factor, key: name, stream, block, constant } => {
                Kernel::Mask {
                    out: at(out),
                    factor: *factor,
                    operand: at(operand),
                    mask_factor: *mask_factor,
                    key: key(name),
                    stream: *stream,
                    block: *block,
                    constant: *constant,
                }
            }
            Kernel::Pack { out, operand, width } => {
                Kernel::Pack { out: at(out), operand: at(operand), width: *width }
            }
            Kernel::Unpack { out, operand, width, accumulate } => {
                Kernel::Unpack { out: at(out), operand: at(operand), width: *width, accumulate: *accumulate }
            }
            Kernel::TruncPair { masks: [first, second], top, high, bits, width } => Kernel::TruncPair {
                masks: [at(first), at(second)],
                top: at(top),
                high: at(high),
                bits: *bits,
                width: *width,
            },
            Kernel::TruncFinish { out, opened, top, high, bits, width, leader } => Kernel::TruncFinish {
                out: at(out),
                opened: opened.iter().map(&mut at).collect(),
                top: at(top),
                high: at(high),
                bits: *bits,
                width: *width,
                leader: *leader,
            },
            Kernel::Table { out, mask, bits, top } => {
                Kernel::Table { out: at(out), mask: at(mask), bits: *bits, top: *top }
            }
            Kernel::Pick { out, opened, table, bits, question, leader } => Kernel::Pick {
                out: at(out),
                opened: at(opened),
                table: at(table),
                bits: *bits,
                question: *question,
                leader: *leader,
            },
            Kernel::Xor { out, left, right, flip } => {
                Kernel::Xor { out: at(out), left: at(left), right: at(right), flip: *flip }
            }
            Kernel::Monomials { out, masks: [first, second], level } => {
                Kernel::Monomials { out: at(out), masks: [at(first), at(second)], level: *level }
            }
            Kernel::Join { out, planes, opened, masks, monomials, level, leader } => Kernel::Join {
                out: at(out),
                planes: at(planes),
                opened: at(opened),
                masks: at(masks),
                monomials: at(monomials),
                level: *level,
                leader: *leader,
            },
            Kernel::Choose { out, bits, value, constant, hidden, accumulate } => Kernel::Choose {
                out: at(out),
                bits: at(bits),
                value: value.as_ref().map(&mut at),
                constant: *constant,
                hidden: hidden.as_ref().map(&mut at),
                accumulate: *accumulate,
            },
            Kernel::Affine { out, operand, loops, from, to, keep } => Kernel::Affine {
                out: at(out),
                operand: at(operand),
                loops: loops.clone(),
                from: *from,
                to: *to,
                keep: *keep,
            },
        }
    }
}
