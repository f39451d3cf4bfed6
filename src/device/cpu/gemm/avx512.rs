//! Micro-kernels with AVX-512: up to 8 rows by 2 vectors, whose 16 sums stay in registers.
//!
//! A step of the inner loop loads the right factor's vectors once and multiplies them by each row's broadcast
//! element. The products bound it (`vpmullq` is three operations on Intel): more sums would not make it faster,
//! and a narrow tile wastes less at the edges.

use super::tile::{Left, MOST_ELEMENTS, Right, Tile};
use std::arch::x86_64::{
    __m512i, _mm512_add_epi32, _mm512_add_epi64, _mm512_loadu_si512, _mm512_mullo_epi32, _mm512_mullo_epi64,
    _mm512_set1_epi32, _mm512_set1_epi64, _mm512_setzero_si512, _mm512_storeu_si512,
};

/// One function for each number of vectors and rows.
macro_rules! functions {
    ($name:ident) => {
        [
            &[
                $name::<1, 1>,
                $name::<2, 1>,
                $name::<3, 1>,
                $name::<4, 1>,
                $name::<5, 1>,
                $name::<6, 1>,
                $name::<7, 1>,
                $name::<8, 1>,
            ],
            &[
                $name::<1, 2>,
                $name::<2, 2>,
                $name::<3, 2>,
                $name::<4, 2>,
                $name::<5, 2>,
                $name::<6, 2>,
                $name::<7, 2>,
                $name::<8, 2>,
            ],
        ]
    };
}

/// For Z_2^64.
pub(super) const U64: Tile<u64> = Tile { rows: 8, lanes: 8, functions: functions!(u64_tile) };

/// For Z_2^32.
pub(super) const U32: Tile<u32> = Tile { rows: 8, lanes: 16, functions: functions!(u32_tile) };

/// A micro-kernel for elements of one width.
macro_rules! tile {
    ($name:ident, $inner:ident, $element:ty, $signed:ty, $set:ident, $mul:ident, $add:ident) => {
        fn $name<const ROWS: usize, const VECTORS: usize>(
            depth: usize,
            left: Left<'_, $element>,
            right: Right<'_, $element>,
            out: &mut [$element; MOST_ELEMENTS],
        ) {
            const LANES: usize = 64 / size_of::<$element>();
            left.check(ROWS, depth);
            right.check(VECTORS * LANES, depth);
            assert!(ROWS * VECTORS * LANES <= MOST_ELEMENTS);
            let packed = left.row_step == 1 && left.inner_step == ROWS;
            // SAFETY: the table with this function is only used at a level that the processor was found to have;
            // all loads and stores are within what was just checked.
            unsafe {
                if packed {
                    $inner::<ROWS, VECTORS, true>(depth, left, right, out);
                } else {
                    $inner::<ROWS, VECTORS, false>(depth, left, right, out);
                }
            }
        }

        /// # Safety
        /// The parts and `out` hold ROWS × VECTORS vectors for `depth` steps; under PACKED the left part is packed.
        #[target_feature(enable = "avx512f,avx512dq")]
        unsafe fn $inner<const ROWS: usize, const VECTORS: usize, const PACKED: bool>(
            depth: usize,
            left: Left<'_, $element>,
            right: Right<'_, $element>,
            out: &mut [$element; MOST_ELEMENTS],
        ) {
            const LANES: usize = 64 / size_of::<$element>();
            // Known steps become constant offsets: scalar additions would take turns from the products.
            let (row_step, inner_step) = if PACKED { (1, ROWS) } else { (left.row_step, left.inner_step) };
            let mut sums = [[_mm512_setzero_si512(); VECTORS]; ROWS];
            let (mut left_at, mut right_at) = (left.elements.as_ptr(), right.elements.as_ptr());
            for _ in 0..depth {
                let mut vectors = [_mm512_setzero_si512(); VECTORS];
                for (index, vector) in vectors.iter_mut().enumerate() {
                    // SAFETY: VECTORS vectors of the row at `right_at` are in bounds, as the caller checked.
                    *vector = unsafe { _mm512_loadu_si512(right_at.add(index * LANES).cast()) };
                }
                for (row, sums) in sums.iter_mut().enumerate() {
                    // SAFETY: ROWS elements from `left_at` on, a row step apart, are in bounds.
                    let factor = $set(unsafe { *left_at.add(row * row_step) } as $signed);
                    for (sum, &vector) in sums.iter_mut().zip(&vectors) {
                        *sum = $add(*sum, $mul(factor, vector));
                    }
                }
                left_at = left_at.wrapping_add(inner_step);
                right_at = right_at.wrapping_add(right.inner_step);
            }
            // Nested, so that both bounds are constant: an index known only at run time would keep the sums in memory.
            for (row, sums) in sums.iter().enumerate() {
                for (vector, &sum) in sums.iter().enumerate() {
                    let at = (row * VECTORS + vector) * LANES;
                    // SAFETY: the caller checked that all vectors fit into `out`.
                    unsafe { _mm512_storeu_si512(out.as_mut_ptr().add(at).cast::<__m512i>(), sum) };
                }
            }
        }
    };
}

tile!(u64_tile, u64_sums, u64, i64, _mm512_set1_epi64, _mm512_mullo_epi64, _mm512_add_epi64);
tile!(u32_tile, u32_sums, u32, i32, _mm512_set1_epi32, _mm512_mullo_epi32, _mm512_add_epi32);
