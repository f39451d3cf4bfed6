//! Micro-kernels with AVX-512: up to 8 rows by 2 vectors, whose 16 sums stay in registers.
//!
//! Two inner indices are one product and three additions (see [`super::tile`]). On Zen 4 a product occupies two of the
//! four vector pipes for as long as an addition occupies one, so all four are full: one cycle a vector and inner
//! index, where plain multiply-adds take 1.36. With 52-bit products (IFMA) it would take four of them.

use super::tile::{MOST_ELEMENTS, RegisterTile};
use std::arch::x86_64::{
    __m512i, _mm512_add_epi32, _mm512_add_epi64, _mm512_loadu_si512, _mm512_mullo_epi32, _mm512_mullo_epi64,
    _mm512_set1_epi32, _mm512_set1_epi64, _mm512_setzero_si512, _mm512_storeu_si512,
};

/// One function for each number of vectors and rows.
macro_rules! functions {
    ($name:ident) => {
        [functions!($name, 1), functions!($name, 2)]
    };
    ($name:ident, $vectors:literal) => {
        &[
            $name::<1, $vectors>,
            $name::<2, $vectors>,
            $name::<3, $vectors>,
            $name::<4, $vectors>,
            $name::<5, $vectors>,
            $name::<6, $vectors>,
            $name::<7, $vectors>,
            $name::<8, $vectors>,
        ]
    };
}

/// For Z_2^64.
pub(super) const U64: RegisterTile<u64> =
    RegisterTile { rows: 8, lanes: 8, pairs: true, functions: functions!(u64_tile) };

/// For Z_2^32.
pub(super) const U32: RegisterTile<u32> =
    RegisterTile { rows: 8, lanes: 16, pairs: true, functions: functions!(u32_tile) };

/// A micro-kernel for elements of one width.
macro_rules! tile {
    ($name:ident, $inner:ident, $element:ty, $signed:ty, $set:ident, $mul:ident, $add:ident) => {
        fn $name<const ROWS: usize, const VECTORS: usize>(
            depth: usize,
            left: &[$element],
            right: &[$element],
            out: &mut [$element; MOST_ELEMENTS],
        ) {
            const LANES: usize = 64 / size_of::<$element>();
            assert!(depth * ROWS <= left.len() && depth * VECTORS * LANES <= right.len());
            assert!(ROWS * VECTORS * LANES <= MOST_ELEMENTS);
            // SAFETY: the table with this function is only used at a level that the processor was found to have;
            // all loads and stores are within what was just checked.
            unsafe { $inner::<ROWS, VECTORS>(depth, left.as_ptr(), right.as_ptr(), out) };
        }

        /// # Safety
        /// The panels and `out` hold ROWS × VECTORS vectors for `depth` inner indices.
        #[target_feature(enable = "avx512f,avx512dq")]
        unsafe fn $inner<const ROWS: usize, const VECTORS: usize>(
            depth: usize,
            mut left: *const $element,
            mut right: *const $element,
            out: &mut [$element; MOST_ELEMENTS],
        ) {
            const LANES: usize = 64 / size_of::<$element>();
            // SAFETY: the caller checked that all `depth` indices of both panels are in bounds.
            let broadcast = |at: *const $element| $set(unsafe { *at } as $signed);
            // SAFETY: as above.
            let load = |at: *const $element| unsafe { _mm512_loadu_si512(at.cast()) };
            let mut sums = [[_mm512_setzero_si512(); VECTORS]; ROWS];
            for _ in 0..depth / 2 {
                let mut vectors = [[_mm512_setzero_si512(); 2]; VECTORS];
                for (index, pair) in vectors.iter_mut().enumerate() {
                    let at = right.wrapping_add(index * LANES);
                    *pair = [load(at), load(at.wrapping_add(VECTORS * LANES))];
                }
                for (row, sums) in sums.iter_mut().enumerate() {
                    let at = left.wrapping_add(row);
                    let (first, second) = (broadcast(at), broadcast(at.wrapping_add(ROWS)));
                    for (sum, &[even, odd]) in sums.iter_mut().zip(&vectors) {
                        *sum = $add(*sum, $mul($add(first, odd), $add(second, even)));
                    }
                }
                left = left.wrapping_add(2 * ROWS);
                right = right.wrapping_add(2 * VECTORS * LANES);
            }
            if depth % 2 == 1 {
                for (row, sums) in sums.iter_mut().enumerate() {
                    let factor = broadcast(left.wrapping_add(row));
                    for (index, sum) in sums.iter_mut().enumerate() {
                        *sum = $add(*sum, $mul(factor, load(right.wrapping_add(index * LANES))));
                    }
                }
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
