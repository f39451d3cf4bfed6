//! How many multiply-adds a core can do at most: the GEMM kernels' inner operations on registers alone.
//!
//! The loops are written in assembly, so that nothing is folded away and nothing is loaded.

use crate::support::{best_of, giga};

/// Passes of a loop: a fraction of a millisecond, so that a measurement beside it sees the same machine.
const PASSES: usize = 60_000;

/// A loop of eight independent multiply-adds of vectors a pass.
pub struct Bound {
    /// The instructions it is made of.
    pub instructions: &'static str,
    lanes: usize,
    run: fn(usize),
}

impl Bound {
    /// The loop of the micro-kernels for elements of `bits` bits; `None` where none is written for this processor.
    pub fn of(bits: u32) -> Option<Bound> {
        #[cfg(target_arch = "x86_64")]
        {
            let avx512 = std::arch::is_x86_feature_detected!("avx512dq");
            let avx2 = std::arch::is_x86_feature_detected!("avx2");
            match bits {
                64 if avx512 => {
                    let instructions = "vpmullq + vpaddq, 512 bits";
                    return Some(Bound { instructions, lanes: 8, run: x86::avx512_u64 });
                }
                32 if avx512 => {
                    let instructions = "vpmulld + vpaddd, 512 bits";
                    return Some(Bound { instructions, lanes: 16, run: x86::avx512_u32 });
                }
                32 if avx2 => {
                    let instructions = "vpmulld + vpaddd, 256 bits";
                    return Some(Bound { instructions, lanes: 8, run: x86::avx2_u32 });
                }
                _ => {}
            }
        }
        let _ = bits;
        None
    }

    /// 10⁹ multiply-adds per second of one core, now.
    pub fn rate(&self) -> f64 {
        giga(PASSES * 8 * self.lanes, best_of(1, || (self.run)(PASSES)))
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::asm;

    /// A loop of eight independent multiply-adds: sums in registers 0 to 7, products in 8 to 15, factors in 8 and 9
    /// of the first pass. What the registers hold does not matter to the time.
    macro_rules! bound {
        ($name:ident, $feature:tt, $mul:literal, $add:literal, $v:literal) => {
            #[doc = concat!("`passes` times eight ", $mul, " and ", $add, ".")]
            pub fn $name(passes: usize) {
                assert!(std::arch::is_x86_feature_detected!($feature));
                // SAFETY: the processor has the instructions, and all registers that change are named.
                unsafe {
                    asm!(
                        "2:",
                        bound!(@one $mul, $add, $v, "0", "8"),
                        bound!(@one $mul, $add, $v, "1", "9"),
                        bound!(@one $mul, $add, $v, "2", "10"),
                        bound!(@one $mul, $add, $v, "3", "11"),
                        bound!(@one $mul, $add, $v, "4", "12"),
                        bound!(@one $mul, $add, $v, "5", "13"),
                        bound!(@one $mul, $add, $v, "6", "8"),
                        bound!(@one $mul, $add, $v, "7", "9"),
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
        // The factors are never written, so no product waits for another.
        (@one $mul:literal, $add:literal, $v:literal, $sum:literal, $product:literal) => {
            concat!(
                $mul, " ", $v, "mm", $product, ", ", $v, "mm14, ", $v, "mm15\n",
                $add, " ", $v, "mm", $sum, ", ", $v, "mm", $sum, ", ", $v, "mm", $product,
            )
        };
    }

    bound!(avx512_u64, "avx512dq", "vpmullq", "vpaddq", "z");
    bound!(avx512_u32, "avx512f", "vpmulld", "vpaddd", "z");
    bound!(avx2_u32, "avx2", "vpmulld", "vpaddd", "y");
}
