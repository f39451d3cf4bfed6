//! The peak rate of a core: a product's inner operations on registers alone.
//!
//! The loops are written in assembly, so that nothing is folded away and nothing is loaded. There are two for each
//! level: plain multiply-adds, and Winograd's pairs as the micro-kernels compute them (see `gemm`). The greater of the
//! two is what a product can come near.

use super::SimdLevel;
use crate::ring::{Element, Elements, Ring};
use std::sync::OnceLock;
use std::time::Instant;

/// Passes of a loop: a fraction of a millisecond, so that a measurement beside it sees the same machine.
const PASSES: usize = 40_000;

/// Independent operations of a pass: enough to hide their latency.
const STEPS: usize = 8;

/// The product of two square matrices by the textbook's three loops, in the order that a compiler can vectorise: products
/// are measured beside it. `out` becomes left · right.
///
/// # Panics
/// Where the matrices are of several rings, or have not side² elements.
pub fn naive_product(left: &Elements, right: &Elements, out: &mut Elements, side: usize) {
    match (left, right, out) {
        (Elements::Z32(left), Elements::Z32(right), Elements::Z32(out)) => naive(left, right, out, side),
        (Elements::Z64(left), Elements::Z64(right), Elements::Z64(out)) => naive(left, right, out, side),
        _ => panic!("matrices of one ring"),
    }
}

fn naive<E: Element>(left: &[E], right: &[E], out: &mut [E], side: usize) {
    assert!([left.len(), right.len(), out.len()].iter().all(|&len| len == side * side), "square matrices");
    out.fill(E::ZERO);
    for (out, left) in out.chunks_exact_mut(side).zip(left.chunks_exact(side)) {
        for (&factor, right) in left.iter().zip(right.chunks_exact(side)) {
            for (out, &element) in out.iter_mut().zip(right) {
                *out = out.add(factor.mul(element));
            }
        }
    }
}

/// A loop on registers.
#[derive(Clone, Copy)]
pub struct MultiplyPeak {
    /// The instructions it is made of.
    pub instructions: &'static str,
    /// Multiply-adds that one pass stands for.
    products: usize,
    run: fn(usize),
}

impl MultiplyPeak {
    /// The loops for a ring at a level that this processor has: plain multiply-adds, then pairs. None where none are
    /// written.
    pub fn all(level: SimdLevel, ring: Ring) -> Vec<MultiplyPeak> {
        assert!(level.is_available(), "this processor has no {}", level.name());
        #[cfg(target_arch = "x86_64")]
        {
            let peak = |instructions, lanes, run| MultiplyPeak { instructions, products: STEPS * lanes, run };
            match (level, ring) {
                (SimdLevel::Avx512, Ring::Z64) => {
                    return vec![
                        peak("vpmullq, vpaddq", 8, x86::avx512_u64),
                        peak("vpmullq, 3 vpaddq", 16, x86::avx512_u64_pairs),
                    ];
                }
                (SimdLevel::Avx512, Ring::Z32) => {
                    return vec![
                        peak("vpmulld, vpaddd", 16, x86::avx512_u32),
                        peak("vpmulld, 3 vpaddd", 32, x86::avx512_u32_pairs),
                    ];
                }
                (SimdLevel::Avx2, Ring::Z64) => {
                    return vec![
                        peak("vpmuludq, vpmulld, vpaddq, vpaddd", 4, x86::avx2_u64),
                        peak("vpmuludq, vpmulld, vpshufd, 3 vpaddq, vpaddd", 8, x86::avx2_u64_pairs),
                    ];
                }
                (SimdLevel::Avx2, Ring::Z32) => {
                    return vec![
                        peak("vpmulld, vpaddd", 8, x86::avx2_u32),
                        peak("vpmulld, 3 vpaddd", 16, x86::avx2_u32_pairs),
                    ];
                }
                _ => {}
            }
        }
        let _ = ring;
        Vec::new()
    }

    /// Multiply-adds per second of one core, now: the best of a few passes.
    pub fn rate(&self) -> f64 {
        let once = |_| {
            let begin = Instant::now();
            (self.run)(PASSES);
            begin.elapsed().as_secs_f64()
        };
        (PASSES * self.products) as f64 / (0..3).map(once).fold(f64::INFINITY, f64::min)
    }
}

/// A narrower level is taken for products only where it is faster by so much: what is less is noise.
const WORTHWHILE: f64 = 1.1;

/// The level at which this processor multiplies fastest in a ring, by the loops above: on some, `vpmullq` is several
/// operations, and what takes its place at a narrower level may be fewer. Measured once, in a few milliseconds.
pub(super) fn fastest_products(ring: Ring) -> SimdLevel {
    static FASTEST: [OnceLock<SimdLevel>; 2] = [const { OnceLock::new() }; 2];
    let index = Ring::ALL.iter().position(|&other| other == ring).expect("all rings are listed");
    *FASTEST[index].get_or_init(|| {
        let rate = |level| MultiplyPeak::all(level, ring).iter().map(MultiplyPeak::rate).fold(0.0, f64::max);
        let rates = SimdLevel::available().into_iter().map(|level| (level, rate(level))).collect::<Vec<_>>();
        fastest(&rates)
    })
}

/// Of levels, narrowest first, and their rates, zero where no loop is written.
fn fastest(rates: &[(SimdLevel, f64)]) -> SimdLevel {
    let widest_first = rates.iter().copied().rev();
    let faster = |best: (SimdLevel, f64), next: (SimdLevel, f64)| {
        if next.1 > WORTHWHILE * best.1 && next.1 > 0.0 { next } else { best }
    };
    widest_first.reduce(faster).expect("one level is always there").0
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::asm;

    /// `passes` times eight steps: sums in registers 0 to 3 (and 4 to 7), products in 8 to 11, other intermediate
    /// results in 12 and 13, factors in 14 and 15. What the registers hold does not matter to the time, and a step
    /// waits for no other but through its sum.
    macro_rules! peak {
        ($name:ident, $step:ident($($operation:tt)*)) => {
            pub(super) fn $name(passes: usize) {
                // SAFETY: only called at a level that the processor was found to have; all registers that change are
                // named.
                unsafe {
                    asm!(
                        "2:",
                        $step!("0", "4", "8", $($operation)*),
                        $step!("1", "5", "9", $($operation)*),
                        $step!("2", "6", "10", $($operation)*),
                        $step!("3", "7", "11", $($operation)*),
                        $step!("0", "4", "8", $($operation)*),
                        $step!("1", "5", "9", $($operation)*),
                        $step!("2", "6", "10", $($operation)*),
                        $step!("3", "7", "11", $($operation)*),
                        "sub {passes}, 1",
                        "jnz 2b",
                        passes = inout(reg) passes => _,
                        out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
                        out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _,
                        out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
                        out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
                        options(nomem, nostack),
                    );
                }
            }
        };
    }

    /// A multiply-add.
    macro_rules! single {
        ($sum:literal, $cross:literal, $product:literal, $mul:literal, $add:literal, $v:literal) => {
            concat!(
                $mul, " ", $v, $product, ", ", $v, "14, ", $v, "15\n", $add, " ", $v, $sum, ", ", $v, $sum,
                ", ", $v, $product,
            )
        };
    }

    /// Two inner indices in one product.
    macro_rules! pair {
        ($sum:literal, $cross:literal, $product:literal, $mul:literal, $add:literal, $v:literal) => {
            concat!(
                $add, " ", $v, $product, ", ", $v, "14, ", $v, "15\n", $add, " ", $v, "12, ", $v, "14, ", $v,
                "14\n", $mul, " ", $v, $product, ", ", $v, $product, ", ", $v, "12\n", $add, " ", $v, $sum,
                ", ", $v, $sum, ", ", $v, $product,
            )
        };
    }

    /// A multiply-add of 64 bits from products of 32.
    macro_rules! single_u64 {
        ($sum:literal, $cross:literal, $product:literal,) => {
            concat!(
                "vpmuludq ymm",
                $product,
                ", ymm14, ymm15\n",
                "vpmulld ymm13, ymm14, ymm15\n",
                "vpaddq ymm",
                $sum,
                ", ymm",
                $sum,
                ", ymm",
                $product,
                "\n",
                "vpaddd ymm",
                $cross,
                ", ymm",
                $cross,
                ", ymm13",
            )
        };
    }

    /// Two inner indices in one such product.
    macro_rules! pair_u64 {
        ($sum:literal, $cross:literal, $product:literal,) => {
            concat!(
                "vpaddq ymm",
                $product,
                ", ymm14, ymm15\n",
                "vpaddq ymm12, ymm14, ymm14\n",
                "vpshufd ymm13, ymm",
                $product,
                ", 177\n",
                "vpmuludq ymm",
                $product,
                ", ymm",
                $product,
                ", ymm12\n",
                "vpmulld ymm13, ymm13, ymm12\n",
                "vpaddq ymm",
                $sum,
                ", ymm",
                $sum,
                ", ymm",
                $product,
                "\n",
                "vpaddd ymm",
                $cross,
                ", ymm",
                $cross,
                ", ymm13",
            )
        };
    }

    peak!(avx512_u64, single("vpmullq", "vpaddq", "zmm"));
    peak!(avx512_u64_pairs, pair("vpmullq", "vpaddq", "zmm"));
    peak!(avx512_u32, single("vpmulld", "vpaddd", "zmm"));
    peak!(avx512_u32_pairs, pair("vpmulld", "vpaddd", "zmm"));
    peak!(avx2_u64, single_u64());
    peak!(avx2_u64_pairs, pair_u64());
    peak!(avx2_u32, single("vpmulld", "vpaddd", "ymm"));
    peak!(avx2_u32_pairs, pair("vpmulld", "vpaddd", "ymm"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_textbooks_loops_multiply() {
        let matrix = |ring, integers: [u64; 4]| Elements::from_integers(ring, integers);
        for ring in Ring::ALL {
            let (left, right) = (matrix(ring, [1, 2, 3, u64::MAX]), matrix(ring, [5, 0, 7, 1]));
            let mut out = matrix(ring, [9; 4]);
            naive_product(&left, &right, &mut out, 2);
            assert_eq!(out, matrix(ring, [19, 2, 8, u64::MAX]));
        }
    }

    #[test]
    fn a_narrower_level_is_taken_where_it_is_clearly_faster() {
        let rates = |portable, avx2, avx512| {
            fastest(&[(SimdLevel::Portable, portable), (SimdLevel::Avx2, avx2), (SimdLevel::Avx512, avx512)])
        };
        assert_eq!(rates(0.0, 17e9, 30e9), SimdLevel::Avx512);
        assert_eq!(rates(0.0, 17e9, 12e9), SimdLevel::Avx2);
        assert_eq!(rates(0.0, 17e9, 16.5e9), SimdLevel::Avx512, "as fast, but for noise");
        assert_eq!(fastest(&[(SimdLevel::Portable, 0.0)]), SimdLevel::Portable);
    }

    #[test]
    fn products_take_a_level_of_this_processor() {
        for ring in Ring::ALL {
            assert!(fastest_products(ring).is_available(), "{ring:?}");
        }
    }

    #[test]
    fn every_loop_ends() {
        for level in SimdLevel::available() {
            for ring in Ring::ALL {
                for peak in MultiplyPeak::all(level, ring) {
                    assert!(peak.rate() > 0.0, "{} in {ring:?}: {}", level.name(), peak.instructions);
                }
            }
        }
    }
}
