//! Micro-kernels with AVX2: 4 rows by 1 or 2 vectors.
//!
//! There is no 64-bit product. With a = a₀ + 2³²·a₁ and b likewise, a·b = a₀·b₀ + 2³²·(a₀·b₁ + a₁·b₀) modulo 2⁶⁴.
//! The two parts are summed apart: a₀·b₀ in 64 bits, and in the two 32-bit lanes of another register a₁·b₀ and a₀·b₁,
//! of which only 32 bits count. These are added and shifted once for a whole slab.

use super::tile::{Left, MOST_ELEMENTS, Right, Tile};
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
pub(super) const U64: Tile<u64> = Tile { rows: 4, lanes: 4, functions: functions!(u64_tile) };

/// For Z_2^32.
pub(super) const U32: Tile<u32> = Tile { rows: 4, lanes: 8, functions: functions!(u32_tile) };

/// The safe face of a micro-kernel for elements of one width.
macro_rules! checked {
    ($name:ident, $inner:ident, $element:ty) => {
        fn $name<const ROWS: usize, const VECTORS: usize>(
            depth: usize,
            left: Left<'_, $element>,
            right: Right<'_, $element>,
            out: &mut [$element; MOST_ELEMENTS],
        ) {
            const LANES: usize = 32 / size_of::<$element>();
            left.check(ROWS, depth);
            right.check(VECTORS * LANES, depth);
            assert!(ROWS * VECTORS * LANES <= MOST_ELEMENTS);
            // SAFETY: the table with this function is only used at a level that the processor was found to have;
            // all loads and stores are within what was just checked.
            unsafe { $inner::<ROWS, VECTORS>(depth, left, right, out) };
        }
    };
}
checked!(u64_tile, u64_sums, u64);
checked!(u32_tile, u32_sums, u32);

/// # Safety
/// The parts and `out` hold ROWS × VECTORS vectors for `depth` steps.
#[target_feature(enable = "avx2")]
unsafe fn u64_sums<const ROWS: usize, const VECTORS: usize>(
    depth: usize,
    left: Left<'_, u64>,
    right: Right<'_, u64>,
    out: &mut [u64; MOST_ELEMENTS],
) {
    // One vector at a time: the sums of two would not fit into the registers.
    for vector in 0..VECTORS {
        let mut low = [_mm256_setzero_si256(); ROWS];
        let mut cross = [_mm256_setzero_si256(); ROWS];
        let mut left_at = left.elements.as_ptr();
        let mut right_at = right.elements.as_ptr().wrapping_add(vector * 4);
        for _ in 0..depth {
            // SAFETY: the vector at `right_at` is in bounds, as the caller checked.
            let b = unsafe { _mm256_loadu_si256(right_at.cast()) };
            for row in 0..ROWS {
                // SAFETY: ROWS elements from `left_at` on, a row step apart, are in bounds.
                let a = _mm256_set1_epi64x(unsafe { *left_at.add(row * left.row_step) } as i64);
                let a_swapped = _mm256_shuffle_epi32::<0b10_11_00_01>(a);
                low[row] = _mm256_add_epi64(low[row], _mm256_mul_epu32(a, b));
                cross[row] = _mm256_add_epi32(cross[row], _mm256_mullo_epi32(a_swapped, b));
            }
            left_at = left_at.wrapping_add(left.inner_step);
            right_at = right_at.wrapping_add(right.inner_step);
        }
        for row in 0..ROWS {
            let both = _mm256_add_epi64(cross[row], _mm256_srli_epi64::<32>(cross[row]));
            let sum = _mm256_add_epi64(low[row], _mm256_slli_epi64::<32>(both));
            let at = (row * VECTORS + vector) * 4;
            // SAFETY: the caller checked that all vectors fit into `out`.
            unsafe { _mm256_storeu_si256(out.as_mut_ptr().add(at).cast::<__m256i>(), sum) };
        }
    }
}

/// # Safety
/// The parts and `out` hold ROWS × VECTORS vectors for `depth` steps.
#[target_feature(enable = "avx2")]
unsafe fn u32_sums<const ROWS: usize, const VECTORS: usize>(
    depth: usize,
    left: Left<'_, u32>,
    right: Right<'_, u32>,
    out: &mut [u32; MOST_ELEMENTS],
) {
    let mut sums = [[_mm256_setzero_si256(); VECTORS]; ROWS];
    let (mut left_at, mut right_at) = (left.elements.as_ptr(), right.elements.as_ptr());
    for _ in 0..depth {
        let mut vectors = [_mm256_setzero_si256(); VECTORS];
        for (index, vector) in vectors.iter_mut().enumerate() {
            // SAFETY: VECTORS vectors of the row at `right_at` are in bounds, as the caller checked.
            *vector = unsafe { _mm256_loadu_si256(right_at.add(index * 8).cast()) };
        }
        for (row, sums) in sums.iter_mut().enumerate() {
            // SAFETY: ROWS elements from `left_at` on, a row step apart, are in bounds.
            let factor = _mm256_set1_epi32(unsafe { *left_at.add(row * left.row_step) } as i32);
            for (sum, &vector) in sums.iter_mut().zip(&vectors) {
                *sum = _mm256_add_epi32(*sum, _mm256_mullo_epi32(factor, vector));
            }
        }
        left_at = left_at.wrapping_add(left.inner_step);
        right_at = right_at.wrapping_add(right.inner_step);
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
