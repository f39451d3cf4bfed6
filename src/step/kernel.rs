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

use crate::ring::{Axis, Ring, Shape};
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
    /// The dealer's half of a truncation pair. With r = mask₀ + mask₁:
    /// top = (r ≫ (k−1)) − top and high = ((r mod 2^(k−1)) ≫ bits) − high, in place.
    TruncPair {
        /// The two parts of the mask.
        masks: [Matrix<B>; 2],
        /// In: party 0's share of r's top bit. Out: party 1's.
        top: Matrix<B>,
        /// In: party 0's share of r's middle bits. Out: party 1's.
        high: Matrix<B>,
        /// By how many bits the pair truncates, at least 1 and at most k − 2.
        bits: u32,
    },
    /// One party's share of the truncated value, from the opened c = x + 2^(k−2) + r. With t = c ≫ (k−1), and
    /// `leader` read as 0 or 1:
    /// out = leader · (((c mod 2^(k−1)) ≫ bits) − 2^(k−2−bits)) − high + (top · (1 − 2t) + leader · t) · 2^(k−1−bits).
    TruncFinish {
        /// Written.
        out: Matrix<B>,
        /// The opened masked value.
        opened: Matrix<B>,
        /// The share of the mask's top bit.
        top: Matrix<B>,
        /// The share of the mask's middle bits.
        high: Matrix<B>,
        /// By how many bits, at least 1 and at most k − 2.
        bits: u32,
        /// Whether this party adds the public terms.
        leader: bool,
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
            Kernel::TruncPair { .. } => "trunc_pair",
            Kernel::TruncFinish { .. } => "trunc_finish",
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
            | Kernel::Shift { out, operand, .. } => {
                visit(operand, Access::Read);
                visit(out, Access::Write);
            }
            Kernel::Fill { out, .. } => visit(out, Access::Write),
            Kernel::TruncPair { masks, top, high, .. } => {
                masks.iter().for_each(|mask| visit(mask, Access::Read));
                visit(top, Access::Update);
                visit(high, Access::Update);
            }
            Kernel::TruncFinish { out, opened, top, high, .. } => {
                [opened, top, high].into_iter().for_each(|operand| visit(operand, Access::Read));
                visit(out, Access::Write);
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
            Kernel::TruncPair { masks: [first, second], top, high, bits } => Kernel::TruncPair {
                masks: [at(first), at(second)],
                top: at(top),
                high: at(high),
                bits: *bits,
            },
            Kernel::TruncFinish { out, opened, top, high, bits, leader } => Kernel::TruncFinish {
                out: at(out),
                opened: at(opened),
                top: at(top),
                high: at(high),
                bits: *bits,
                leader: *leader,
            },
        }
    }

    /// Checks that the shapes fit together and numbers of bits are within the ring, as every device relies on.
    ///
    /// # Panics
    /// Where they are not: such a kernel is a fault of the lowering that made it.
    pub fn check(&self, ring: Ring) {
        let (name, k) = (self.name(), ring.bits());
        match self {
            Kernel::Linear { out, terms, .. } => {
                assert!(matches!(terms.len(), 1 | 2), "{name}: one or two terms");
                for (_, operand) in terms {
                    assert!(
                        operand.shape.broadcasts_to(out.shape),
                        "{name}: {} into {}",
                        operand.shape,
                        out.shape
                    );
                }
            }
            Kernel::Hadamard { out, terms, .. } => {
                assert!(matches!(terms.len(), 1 | 2), "{name}: one or two terms");
                for operand in terms.iter().flat_map(|(left, right)| [left, right]) {
                    assert!(
                        operand.shape.broadcasts_to(out.shape),
                        "{name}: {} into {}",
                        operand.shape,
                        out.shape
                    );
                }
            }
            Kernel::Gemm { out, terms, .. } => {
                assert!(matches!(terms.len(), 1 | 2), "{name}: one or two terms");
                for (left, right) in terms {
                    let (l, r) = (left.shape, right.shape);
                    assert!(
                        l.rows == out.shape.rows && l.cols == r.rows && r.cols == out.shape.cols,
                        "{name}: {l} by {r} into {}",
                        out.shape
                    );
                }
            }
            Kernel::Transpose { out, operand } => {
                assert_eq!(out.shape, operand.shape.transposed(), "{name}: transposed shape");
            }
            Kernel::Sum { out, operand, axis } => {
                assert_eq!(out.shape, operand.shape.summed(*axis), "{name}: shape of the sums");
            }
            Kernel::Shift { out, operand, bits } => {
                assert_eq!(out.shape, operand.shape, "{name}: one shape");
                assert!((1..k).contains(bits), "{name}: by {bits} bits of {k}");
            }
            Kernel::Fill { .. } => {}
            Kernel::TruncPair { masks, top, high, bits } => {
                assert!((1..=k - 2).contains(bits), "{name}: by {bits} bits of {k}");
                for operand in [&masks[0], &masks[1], high] {
                    assert_eq!(operand.shape, top.shape, "{name}: one shape");
                }
            }
            Kernel::TruncFinish { out, opened, top, high, bits, .. } => {
                assert!((1..=k - 2).contains(bits), "{name}: by {bits} bits of {k}");
                for operand in [opened, top, high] {
                    assert_eq!(operand.shape, out.shape, "{name}: one shape");
                }
            }
        }
    }
}
