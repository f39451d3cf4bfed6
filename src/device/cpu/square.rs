//! Transposition of a part of a matrix, by squares that fit into registers.
//!
//! The compiler does not find the shuffles by itself, so they are written out where they matter: 8 by 8 elements with
//! AVX-512 (64 bits) and AVX2 (32 bits), 4 by 4 with AVX2 (64 bits). What is left over at the edges, and other
//! processors, go element by element.

use super::SimdLevel;
use crate::ring::Element;
use std::ops::Range;

/// Writes the transpose of the `rows` × `cols` elements at the start of `from`: element (row, col) goes to line `col`
/// of `to`, place `row`. Rows and lines lie as far apart as is said beside them.
///
/// # Panics
/// Where either does not hold as many.
pub(super) fn transpose<E: Element>(
    level: SimdLevel,
    (from, from_stride): (&[E], usize),
    (to, to_stride): (&mut [E], usize),
    (rows, cols): (usize, usize),
) {
    if rows == 0 || cols == 0 {
        return;
    }
    assert!((rows - 1) * from_stride + cols <= from.len() && (cols - 1) * to_stride + rows <= to.len());
    let side = side::<E>(level);
    if side == 1 {
        return each((from, from_stride), (to, to_stride), (0..rows, 0..cols));
    }
    let (whole_rows, whole_cols) = (rows / side * side, cols / side * side);
    for row in (0..whole_rows).step_by(side) {
        #[cfg(target_arch = "x86_64")]
        if whole_cols > 0 {
            let from = from[row * from_stride..].as_ptr();
            // SAFETY: `side` rows of `whole_cols` elements from `row` on and as many places of `whole_cols` lines are in
            // bounds, as was just checked; the level is one that the processor has.
            unsafe {
                x86::squares(level, (from, from_stride), (to[row..].as_mut_ptr(), to_stride), whole_cols)
            };
        }
        each((from, from_stride), (to, to_stride), (row..row + side, whole_cols..cols));
    }
    each((from, from_stride), (to, to_stride), (whole_rows..rows, 0..cols));
}

/// The side of the squares; 1 where there are none.
fn side<E: Element>(level: SimdLevel) -> usize {
    match (level, size_of::<E>()) {
        (SimdLevel::Avx512, _) | (SimdLevel::Avx2, 4) => 8,
        (SimdLevel::Avx2, _) => 4,
        _ => 1,
    }
}

/// Element by element.
fn each<E: Element>(
    (from, from_stride): (&[E], usize),
    (to, to_stride): (&mut [E], usize),
    (rows, cols): (Range<usize>, Range<usize>),
) {
    for row in rows {
        for col in cols.clone() {
            to[col * to_stride + row] = from[row * from_stride + col];
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::SimdLevel;
    use std::arch::x86_64::{
        _mm256_loadu_si256, _mm256_permute2x128_si256, _mm256_storeu_si256, _mm256_unpackhi_epi32,
        _mm256_unpackhi_epi64, _mm256_unpacklo_epi32, _mm256_unpacklo_epi64, _mm512_loadu_si512,
        _mm512_shuffle_i64x2, _mm512_storeu_si512, _mm512_unpackhi_epi64, _mm512_unpacklo_epi64,
    };

    /// Transposes squares side by side, over `cols` columns.
    ///
    /// # Safety
    /// The processor has the level, `cols` is a multiple of the side, and all of it is in bounds.
    pub(super) unsafe fn squares<E>(
        level: SimdLevel,
        (from, from_stride): (*const E, usize),
        (to, to_stride): (*mut E, usize),
        cols: usize,
    ) {
        let (from64, to64) = ((from.cast::<u64>(), from_stride), (to.cast::<u64>(), to_stride));
        let (from32, to32) = ((from.cast::<u32>(), from_stride), (to.cast::<u32>(), to_stride));
        // SAFETY: as the caller promises; elements are as wide as their size says.
        unsafe {
            match (level, size_of::<E>()) {
                (SimdLevel::Avx512, 8) => eight_u64(from64, to64, cols),
                (_, 8) => four_u64(from64, to64, cols),
                _ => eight_u32(from32, to32, cols),
            }
        }
    }

    /// # Safety
    /// See [`squares`].
    #[target_feature(enable = "avx512f")]
    unsafe fn eight_u64(from: (*const u64, usize), to: (*mut u64, usize), cols: usize) {
        for col in (0..cols).step_by(8) {
            // SAFETY: eight rows of eight elements at `col` are in bounds.
            let row = |row| unsafe { _mm512_loadu_si512(from.0.add(row * from.1 + col).cast()) };
            // Pairs of rows: even columns in one, odd ones in the other.
            let pairs: [_; 4] = std::array::from_fn(|pair| {
                let (first, second) = (row(2 * pair), row(2 * pair + 1));
                [_mm512_unpacklo_epi64(first, second), _mm512_unpackhi_epi64(first, second)]
            });
            for odd in 0..2 {
                let [a, b, c, d] = pairs.map(|pair| pair[odd]);
                let low = [_mm512_shuffle_i64x2::<0x88>(a, b), _mm512_shuffle_i64x2::<0x88>(c, d)];
                let high = [_mm512_shuffle_i64x2::<0xdd>(a, b), _mm512_shuffle_i64x2::<0xdd>(c, d)];
                let lines = [
                    (0, _mm512_shuffle_i64x2::<0x88>(low[0], low[1])),
                    (2, _mm512_shuffle_i64x2::<0x88>(high[0], high[1])),
                    (4, _mm512_shuffle_i64x2::<0xdd>(low[0], low[1])),
                    (6, _mm512_shuffle_i64x2::<0xdd>(high[0], high[1])),
                ];
                for (line, elements) in lines {
                    // SAFETY: eight elements of each of eight lines from `col` on are in bounds.
                    unsafe { _mm512_storeu_si512(to.0.add((col + line + odd) * to.1).cast(), elements) };
                }
            }
        }
    }

    /// # Safety
    /// See [`squares`].
    #[target_feature(enable = "avx2")]
    unsafe fn four_u64(from: (*const u64, usize), to: (*mut u64, usize), cols: usize) {
        for col in (0..cols).step_by(4) {
            // SAFETY: four rows of four elements at `col` are in bounds.
            let row = |row| unsafe { _mm256_loadu_si256(from.0.add(row * from.1 + col).cast()) };
            let rows = [row(0), row(1), row(2), row(3)];
            let even = [_mm256_unpacklo_epi64(rows[0], rows[1]), _mm256_unpacklo_epi64(rows[2], rows[3])];
            let odd = [_mm256_unpackhi_epi64(rows[0], rows[1]), _mm256_unpackhi_epi64(rows[2], rows[3])];
            let lines = [
                _mm256_permute2x128_si256::<0x20>(even[0], even[1]),
                _mm256_permute2x128_si256::<0x20>(odd[0], odd[1]),
                _mm256_permute2x128_si256::<0x31>(even[0], even[1]),
                _mm256_permute2x128_si256::<0x31>(odd[0], odd[1]),
            ];
            for (line, elements) in lines.into_iter().enumerate() {
                // SAFETY: four elements of each of four lines from `col` on are in bounds.
                unsafe { _mm256_storeu_si256(to.0.add((col + line) * to.1).cast(), elements) };
            }
        }
    }

    /// # Safety
    /// See [`squares`].
    #[target_feature(enable = "avx2")]
    unsafe fn eight_u32(from: (*const u32, usize), to: (*mut u32, usize), cols: usize) {
        for col in (0..cols).step_by(8) {
            // SAFETY: eight rows of eight elements at `col` are in bounds.
            let row = |row| unsafe { _mm256_loadu_si256(from.0.add(row * from.1 + col).cast()) };
            // Of four rows: columns c and c + 4, for c from 0 to 3.
            let halves: [_; 2] = std::array::from_fn(|half| {
                let [a, b, c, d] = [row(4 * half), row(4 * half + 1), row(4 * half + 2), row(4 * half + 3)];
                let (ab, cd) = (_mm256_unpacklo_epi32(a, b), _mm256_unpacklo_epi32(c, d));
                let (ab_high, cd_high) = (_mm256_unpackhi_epi32(a, b), _mm256_unpackhi_epi32(c, d));
                [
                    _mm256_unpacklo_epi64(ab, cd),
                    _mm256_unpackhi_epi64(ab, cd),
                    _mm256_unpacklo_epi64(ab_high, cd_high),
                    _mm256_unpackhi_epi64(ab_high, cd_high),
                ]
            });
            for (line, (&upper, &lower)) in halves[0].iter().zip(&halves[1]).enumerate() {
                let first = _mm256_permute2x128_si256::<0x20>(upper, lower);
                let second = _mm256_permute2x128_si256::<0x31>(upper, lower);
                // SAFETY: eight elements of each of eight lines from `col` on are in bounds.
                unsafe {
                    _mm256_storeu_si256(to.0.add((col + line) * to.1).cast(), first);
                    _mm256_storeu_si256(to.0.add((col + line + 4) * to.1).cast(), second);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<E: Element>() {
        for level in SimdLevel::available() {
            for (rows, cols) in [(0, 3), (1, 1), (3, 9), (4, 4), (8, 8), (8, 30), (9, 17), (31, 8), (16, 23)]
            {
                let (from_stride, to_stride) = (cols + 3, rows + 2);
                let from: Vec<E> = (0..(rows * from_stride) as u64).map(E::from_u64).collect();
                let mut to = vec![E::ZERO; cols * to_stride];
                transpose(level, (&from, from_stride), (&mut to, to_stride), (rows, cols));
                for (index, &element) in to.iter().enumerate() {
                    let (col, row) = (index / to_stride, index % to_stride);
                    let expected = if row < rows { from[row * from_stride + col] } else { E::ZERO };
                    assert_eq!(
                        element,
                        expected,
                        "({rows}, {cols}) at line {col}, place {row}, {}",
                        level.name()
                    );
                }
            }
        }
    }

    #[test]
    fn every_element_goes_to_its_place_and_no_other_is_touched() {
        check::<u32>();
        check::<u64>();
    }
}
