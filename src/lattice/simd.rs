//! The macro that compiles one body for each vector instruction set, and the set that is used.

/// Vector instructions of x86-64.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// Those that every such processor has.
    Baseline,
    /// AVX2.
    Avx2,
    /// AVX-512 F, BW, DQ and VL.
    Avx512,
}

#[cfg(target_arch = "x86_64")]
impl Level {
    /// The highest level that this processor has: a few loads, since the library remembers what it has found.
    pub fn of_processor() -> Level {
        if std::arch::is_x86_feature_detected!("avx512f")
            && std::arch::is_x86_feature_detected!("avx512bw")
            && std::arch::is_x86_feature_detected!("avx512dq")
            && std::arch::is_x86_feature_detected!("avx512vl")
        {
            Level::Avx512
        } else if std::arch::is_x86_feature_detected!("avx2") {
            Level::Avx2
        } else {
            Level::Baseline
        }
    }

    /// The level that is used.
    #[cfg(not(test))]
    pub fn used() -> Level {
        Level::of_processor()
    }

    /// The level that is used: at most the one that a test allows its thread.
    #[cfg(test)]
    pub fn used() -> Level {
        ALLOWED.get().min(Level::of_processor())
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
thread_local! {
    /// The highest level that this thread may use.
    pub(super) static ALLOWED: std::cell::Cell<Level> = const { std::cell::Cell::new(Level::Avx512) };
}

/// Defines a function whose body is compiled for AVX-512, for AVX2 and for the target's baseline, and vectorised by the
/// compiler each time. All of them compute the same numbers.
macro_rules! vectorised {
    ($(
        $(#[$meta:meta])*
        $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $block:block
    )*) => {$(
        $(#[$meta])*
        $visibility fn $name($($argument: $type),*) {
            #[inline(always)]
            fn body($($argument: $type),*) $block

            #[cfg(target_arch = "x86_64")]
            {
                use $crate::lattice::simd::Level;

                #[target_feature(enable = "avx2")]
                fn avx2($($argument: $type),*) {
                    body($($argument),*);
                }
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
                fn avx512($($argument: $type),*) {
                    body($($argument),*);
                }
                match Level::used() {
                    // SAFETY: the processor was found to have these instructions.
                    Level::Avx512 => return unsafe { avx512($($argument),*) },
                    // SAFETY: as above.
                    Level::Avx2 => return unsafe { avx2($($argument),*) },
                    Level::Baseline => {}
                }
            }
            body($($argument),*);
        }
    )*};
}
pub(super) use vectorised;
