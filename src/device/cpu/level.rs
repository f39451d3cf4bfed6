//! SIMD levels, and the macro that compiles one body for each of them.
//!
//! A level is checked once, when a device is opened ([`SimdLevel::is_available`]); from then on it is only passed
//! along. That is what the `unsafe` calls that [`simd`] generates rest on.

/// The instruction set of the kernels. Every level computes the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SimdLevel {
    /// The target's baseline, vectorised by the compiler: SSE2 on x86-64.
    Portable,
    /// The baseline of aarch64: the portable code, which the compiler turns into NEON there.
    Neon,
    /// AVX2; 64-bit products from three 32-bit ones.
    Avx2,
    /// AVX-512 F, BW, DQ and VL; 64-bit products by `vpmullq`.
    Avx512,
}

impl SimdLevel {
    /// The levels of this processor, slowest first. There is at least one.
    pub fn available() -> Vec<SimdLevel> {
        let all = [SimdLevel::Portable, SimdLevel::Neon, SimdLevel::Avx2, SimdLevel::Avx512];
        all.into_iter().filter(|level| level.is_available()).collect()
    }

    /// The fastest level of this processor.
    pub fn best() -> SimdLevel {
        *SimdLevel::available().last().expect("one level is always there")
    }

    /// Whether this processor has the level.
    pub fn is_available(self) -> bool {
        match self {
            // On aarch64 the portable code is the NEON code: it is listed once.
            SimdLevel::Portable => cfg!(not(target_arch = "aarch64")),
            SimdLevel::Neon => cfg!(target_arch = "aarch64"),
            #[cfg(target_arch = "x86_64")]
            SimdLevel::Avx2 => std::arch::is_x86_feature_detected!("avx2"),
            #[cfg(target_arch = "x86_64")]
            SimdLevel::Avx512 => {
                std::arch::is_x86_feature_detected!("avx512f")
                    && std::arch::is_x86_feature_detected!("avx512bw")
                    && std::arch::is_x86_feature_detected!("avx512dq")
                    && std::arch::is_x86_feature_detected!("avx512vl")
            }
            #[cfg(not(target_arch = "x86_64"))]
            SimdLevel::Avx2 | SimdLevel::Avx512 => false,
        }
    }

    /// The name used in reports.
    pub const fn name(self) -> &'static str {
        match self {
            SimdLevel::Portable => "portable",
            SimdLevel::Neon => "neon",
            SimdLevel::Avx2 => "avx2",
            SimdLevel::Avx512 => "avx512",
        }
    }
}

/// Defines a function whose body is compiled once per SIMD level and vectorised by the compiler.
///
/// `fn name<E: Bound>(arguments) { body }` becomes `fn name<E: Bound>(level: SimdLevel, arguments)`. The level has
/// to be one that this processor has.
macro_rules! simd {
    ($(
        $(#[$meta:meta])*
        $visibility:vis fn $name:ident<$element:ident: $bound:path>($($argument:ident: $type:ty),* $(,)?) $block:block
    )*) => {$(
        $(#[$meta])*
        $visibility fn $name<$element: $bound>(level: $crate::device::cpu::SimdLevel, $($argument: $type),*) {
            #[inline(always)]
            fn body<$element: $bound>($($argument: $type),*) $block

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2")]
            fn avx2<$element: $bound>($($argument: $type),*) {
                body::<$element>($($argument),*);
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
            fn avx512<$element: $bound>($($argument: $type),*) {
                body::<$element>($($argument),*);
            }

            match level {
                #[cfg(target_arch = "x86_64")]
                // SAFETY: a device is only opened at a level that the processor was found to have.
                $crate::device::cpu::SimdLevel::Avx2 => unsafe { avx2::<$element>($($argument),*) },
                #[cfg(target_arch = "x86_64")]
                // SAFETY: as above.
                $crate::device::cpu::SimdLevel::Avx512 => unsafe { avx512::<$element>($($argument),*) },
                _ => body::<$element>($($argument),*),
            }
        }
    )*};
}
pub(super) use simd;
