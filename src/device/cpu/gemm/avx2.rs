//! Micro-kernels with AVX2: 4 rows by 1 or 2 vectors, two inner indices at a time (see [`super::tile`]).
//!
//! There is no 64-bit product. With a = a₀ + 2³²·a₁ and b likewise, a·b = a₀·b₀ + 2³²·(a₀·b₁ + a₁·b₀) modulo 2⁶⁴.
//! The two parts are summed apart: a₀·b₀ in 64 bits, and in the two 32-bit lanes of another register a₁·b₀ and a₀·b₁,
//! of which only 32 bits count. These are added and shifted once for a whole slab.

use super::tile::{MOST_ELEMENTS, RegisterTile};
use std::arch::x86_64::{
    __m256i, _mm256_add_epi32, _mm256_add_epi64, _mm256_loadu_si256, _mm256_mul_epu32, _mm256_mullo_epi32,
    _mm256_set1_epi32, _mm256_set1_epi64x, _mm256_setzero_si256, _mm256_shuffle_epi32, _mm256_slli_epi64,
    _mm256_srli_epi64, _mm256_storeu_si256,
};

/// One function for each number of vectors and rows.
macro_rules! functions {
    ($name:ident) => {
        [
            &[$name::<1, 1>, $name::<2, 1>, $name::<3, 1>, $name::<4, 1>],
            &[$name::<1, 2>, $name::<2, 2>, $name::<3, 2>, $name::<4, 2>],
        ]
    };
}

/// For Z_2^64.
pub(super) const U64: RegisterTile<u64> =
    RegisterTile { rows: 4, lanes: 4, pairs: true, functions: functions!(u64_tile) };

/// For Z_2^32.
pub(super) const U32: RegisterTile<u32> =
    RegisterTile { rows: 4, lanes: 8, pairs: true, functions: functions!(u32_tile) };

/// The safe face of a micro-kernel for elements of one width.
macro_rules! checked {
    ($name:ident, $inner:ident, $element:ty) => {
        fn $name<const ROWS: usize, const VECTORS: usize>(
            depth: usize,
            left: &[$element],
            right: &[$element],
            out: &mut [$element; MOST_ELEMENTS],
        ) {
            const LANES: usize = 32 / size_of::<$element>();
            assert!(depth * ROWS <= left.len() && depth * VECTORS * LANES <= right.len());
            assert!(ROWS * VECTORS * LANES <= MOST_ELEMENTS);
            // SAFETY: the table with this function is only used at a level that the processor was found to have;
            // all loads and stores are within what was just checked.
            unsafe { $inner::<ROWS, VECTORS>(depth, left.as_ptr(), right.as_ptr(), out) };
        }
    };
}
checked!(u64_tile, u64_sums, u64);
checked!(u32_tile, u32_sums, u32);

/// The two parts of a sum of 64-bit products.
#[derive(Clone, Copy)]
struct Parts {
    low: __m256i,
    cross: __m256i,
}

impl Parts {
    #[target_feature(enable = "avx2")]
    fn zero() -> Parts {
        Parts { low: _mm256_setzero_si256(), cross: _mm256_setzero_si256() }
    }

    #[target_feature(enable = "avx2")]
    fn add_product(&mut self, x: __m256i, y: __m256i) {
        let x_swapped = _mm256_shuffle_epi32::<0b10_11_00_01>(x);
        self.low = _mm256_add_epi64(self.low, _mm256_mul_epu32(x, y));
        self.cross = _mm256_add_epi32(self.cross, _mm256_mullo_epi32(x_swapped, y));
    }

    #[target_feature(enable = "avx2")]
    fn sum(self) -> __m256i {
        let both = _mm256_add_epi64(self.cross, _mm256_srli_epi64::<32>(self.cross));
        _mm256_add_epi64(self.low, _mm256_slli_epi64::<32>(both))
    }
}

/// # Safety
/// The panels and `out` hold ROWS × VECTORS vectors for `depth` inner indices.
#[target_feature(enable = "avx2")]
unsafe fn u64_sums<const ROWS: usize, const VECTORS: usize>(
    depth: usize,
    left: *const u64,
    right: *const u64,
    out: &mut [u64; MOST_ELEMENTS],
) {
    // SAFETY: the caller checked that all `depth` indices of both panels are in bounds.
    let broadcast = |at: *const u64| _mm256_set1_epi64x(unsafe { *at } as i64);
    // SAFETY: as above.
    let load = |at: *const u64| unsafe { _mm256_loadu_si256(at.cast()) };
    // One vector at a time: the sums of two would not fit into the registers.
    for vector in 0..VECTORS {
        let mut sums = [Parts::zero(); ROWS];
        let (mut left, mut right) = (left, right.wrapping_add(vector * 4));
        for _ in 0..depth / 2 {
            let (even, odd) = (load(right), load(right.wrapping_add(VECTORS * 4)));
            for (row, sum) in sums.iter_mut().enumerate() {
                let at = left.wrapping_add(row);
                let (first, second) = (broadcast(at), broadcast(at.wrapping_add(ROWS)));
                sum.add_product(_mm256_add_epi64(first, odd), _mm256_add_epi64(second, even));
            }
            left = left.wrapping_add(2 * ROWS);
            right = right.wrapping_add(2 * VECTORS * 4);
        }
        if depth % 2 == 1 {
            for (row, sum) in sums.iter_mut().enumerate() {
                sum.add_product(broadcast(left.wrapping_add(row)), load(right));
            }
        }
        for (row, sum) in sums.into_iter().enumerate() {
            let at = (row * VECTORS + vector) * 4;
            // SAFETY: the caller checked that all vectors fit into `out`.
            unsafe { _mm256_storeu_si256(out.as_mut_ptr().add(at).cast::<__m256i>(), sum.sum()) };
        }
    }
}

/// # Safety
/// The panels and `out` hold ROWS × VECTORS vectors for `depth` inner indices.
#[target_feature(enable = "avx2")]
unsafe fn u32_sums<const ROWS: usize, const VECTORS: usize>(
    depth: usize,
    mut left: *const u32,
    mut right: *const u32,
    out: &mut [u32; MOST_ELEMENTS],
) {
    // SAFETY: the caller checked that all `depth` indices of both panels are in bounds.
    let broadcast = |at: *const u32| _mm256_set1_epi32(unsafe { *at } as i32);
    // SAFETY: as above.
    let load = |at: *const u32| unsafe { _mm256_loadu_si256(at.cast()) };
    let mut sums = [[_mm256_setzero_si256(); VECTORS]; ROWS];
    for _ in 0..depth / 2 {
        let mut vectors = [[_mm256_setzero_si256(); 2]; VECTORS];
        for (index, pair) in vectors.iter_mut().enumerate() {
            let at = right.wrapping_add(index * 8);
            *pair = [load(at), load(at.wrapping_add(VECTORS * 8))];
        }
        for (row, sums) in sums.iter_mut().enumerate() {
            let at = left.wrapping_add(row);
            let (first, second) = (broadcast(at), broadcast(at.wrapping_add(ROWS)));
            for (sum, &[even, odd]) in sums.iter_mut().zip(&vectors) {
                let product =
                    _mm256_mullo_epi32(_mm256_add_epi32(first, odd), _mm256_add_epi32(second, even));
                *sum = _mm256_add_epi32(*sum, product);
            }
        }
        left = left.wrapping_add(2 * ROWS);
        right = right.wrapping_add(2 * VECTORS * 8);
    }
    if depth % 2 == 1 {
        for (row, sums) in sums.iter_mut().enumerate() {
            let factor = broadcast(left.wrapping_add(row));
            for (index, sum) in sums.iter_mut().enumerate() {
                let product = _mm256_mullo_epi32(factor, load(right.wrapping_add(index * 8)));
                *sum = _mm256_add_epi32(*sum, product);
            }
        }
    }
    // Nested, so that both bounds are constant: an index known only at run time would keep the sums in memory.
    for (row, sums) in sums.iter().enumerate() {
        for (vector, &sum) in sums.iter().enumerate() {
            let at = (row * VECTORS + vector) * 8;
            // SAFETY: the caller checked that all vectors fit into `out`.
            unsafe { _mm256_storeu_si256(out.as_mut_ptr().add(at).cast::<__m256i>(), sum) };
        }
    }
}
