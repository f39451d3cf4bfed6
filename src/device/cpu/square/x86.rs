//! Squares in the registers of AVX-512 and AVX2. A row of a square is a register.

use super::{Caches, LINE_BYTES, SimdLevel};
use std::arch::x86_64::{
    __m256i, __m512i, _MM_HINT_T0, _mm_prefetch, _mm_sfence, _mm256_loadu_si256, _mm256_permute2x128_si256,
    _mm256_storeu_si256, _mm256_stream_si256, _mm256_unpackhi_epi32, _mm256_unpackhi_epi64,
    _mm256_unpacklo_epi32, _mm256_unpacklo_epi64, _mm512_loadu_si512, _mm512_shuffle_i32x4,
    _mm512_shuffle_i64x2, _mm512_storeu_si512, _mm512_stream_si512, _mm512_unpackhi_epi32,
    _mm512_unpackhi_epi64, _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
};

/// After so many bytes the first cache's sets repeat.
const PAGE_BYTES: usize = 4096;

/// A part of a matrix, and where its transpose goes.
#[derive(Clone, Copy)]
pub(super) struct Part<E> {
    pub(super) from: *const E,
    pub(super) from_stride: usize,
    pub(super) to: *mut E,
    pub(super) to_stride: usize,
    /// A multiple of the squares' side, as are the columns.
    pub(super) rows: usize,
    pub(super) cols: usize,
}

impl<E> Part<E> {
    /// Transposes all of it, by squares of `side`.
    ///
    /// # Safety
    /// The processor has the level, which has squares of that side; all of the part is in bounds; and where lines pass
    /// the caches, they begin at whole ones.
    pub(super) unsafe fn squares(self, level: SimdLevel, side: usize, caches: Caches) {
        // SAFETY: as the caller promises; elements are as wide as their size says.
        unsafe {
            match (level, size_of::<E>(), side, caches) {
                (SimdLevel::Avx512, 4, 16, Caches::Keep) => self.cast::<u32>().sixteen_u32::<false>(),
                (SimdLevel::Avx512, 4, 16, Caches::Pass) => self.cast::<u32>().sixteen_u32::<true>(),
                (SimdLevel::Avx512, 8, 8, Caches::Keep) => self.cast::<u64>().eight_u64::<false>(),
                (SimdLevel::Avx512, 8, 8, Caches::Pass) => self.cast::<u64>().eight_u64::<true>(),
                (_, 4, _, Caches::Keep) => self.cast::<u32>().eight_u32::<false>(),
                (_, 4, _, Caches::Pass) => self.cast::<u32>().eight_u32::<true>(),
                (_, _, _, Caches::Keep) => self.cast::<u64>().four_u64::<false>(),
                (_, _, _, Caches::Pass) => self.cast::<u64>().four_u64::<true>(),
            }
        }
    }

    fn cast<T>(self) -> Part<T> {
        let Part { from, from_stride, to, to_stride, rows, cols } = self;
        Part { from: from.cast(), from_stride, to: to.cast(), to_stride, rows, cols }
    }

    /// Where row `row` of a square goes to or comes from.
    ///
    /// # Safety
    /// It is in bounds.
    #[inline]
    unsafe fn source(&self, row: usize, col: usize) -> *const E {
        // SAFETY: as the caller promises.
        unsafe { self.from.add(row * self.from_stride + col) }
    }

    /// # Safety
    /// As [`Part::source`].
    #[inline]
    unsafe fn line(&self, col: usize, row: usize) -> *mut E {
        // SAFETY: as the caller promises.
        unsafe { self.to.add(col * self.to_stride + row) }
    }

    /// Fetches the next line along a row; whether it is there does not matter.
    #[inline]
    fn fetch_ahead(&self, row: usize, col: usize) {
        let ahead = self.from.wrapping_add(row * self.from_stride + col + LINE_BYTES / size_of::<E>());
        // SAFETY: fetching reads nothing that the program sees, and faults nowhere.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(ahead.cast()) };
    }
}

/// The loops over a part's squares. Those of the same columns come one after the other: so lines are written from one
/// end to the other.
macro_rules! squares {
    ($name:ident, $element:ty, $side:literal, $features:literal, $turn:ident, $load:ident, $store:ident, $stream:ident) => {
        impl Part<$element> {
            /// # Safety
            /// See [`Part::squares`].
            #[target_feature(enable = $features)]
            unsafe fn $name<const PASS: bool>(&self) {
                // Rows that lie whole pages apart share sets of the first cache: lines that are fetched ahead would
                // drive each other out.
                let fetches = PASS && !(self.from_stride * size_of::<$element>()).is_multiple_of(PAGE_BYTES);
                for col in (0..self.cols).step_by($side) {
                    for row in (0..self.rows).step_by($side) {
                        let rows = std::array::from_fn(|index| {
                            if fetches {
                                self.fetch_ahead(row + index, col);
                            }
                            // SAFETY: all rows of the square are in bounds.
                            unsafe { $load(self.source(row + index, col).cast()) }
                        });
                        for (index, line) in $turn(rows).into_iter().enumerate() {
                            // SAFETY: all lines of the square are in bounds, and aligned where they pass the caches.
                            unsafe {
                                let to = self.line(col + index, row);
                                if PASS { $stream(to.cast(), line) } else { $store(to.cast(), line) }
                            }
                        }
                    }
                }
                if PASS {
                    // Other threads see these lines no later than what is written from here on.
                    _mm_sfence();
                }
            }
        }
    };
}

squares!(
    sixteen_u32,
    u32,
    16,
    "avx512f",
    turn_sixteen_u32,
    _mm512_loadu_si512,
    _mm512_storeu_si512,
    _mm512_stream_si512
);
squares!(
    eight_u64,
    u64,
    8,
    "avx512f",
    turn_eight_u64,
    _mm512_loadu_si512,
    _mm512_storeu_si512,
    _mm512_stream_si512
);
squares!(
    eight_u32,
    u32,
    8,
    "avx2",
    turn_eight_u32,
    _mm256_loadu_si256,
    _mm256_storeu_si256,
    _mm256_stream_si256
);
squares!(
    four_u64,
    u64,
    4,
    "avx2",
    turn_four_u64,
    _mm256_loadu_si256,
    _mm256_storeu_si256,
    _mm256_stream_si256
);

/// The transpose of 16 rows of 16 elements.
#[target_feature(enable = "avx512f")]
#[inline]
pub(in crate::device::cpu) fn turn_sixteen_u32(rows: [__m512i; 16]) -> [__m512i; 16] {
    // Of each four rows, columns 0, 4, 8, 12 in the first vector, 1, 5, 9, 13 in the second, and so on.
    let fours: [[__m512i; 4]; 4] = std::array::from_fn(|four| {
        let [a, b, c, d] = [rows[4 * four], rows[4 * four + 1], rows[4 * four + 2], rows[4 * four + 3]];
        let (ab, cd) = (_mm512_unpacklo_epi32(a, b), _mm512_unpacklo_epi32(c, d));
        let (ab_high, cd_high) = (_mm512_unpackhi_epi32(a, b), _mm512_unpackhi_epi32(c, d));
        [
            _mm512_unpacklo_epi64(ab, cd),
            _mm512_unpackhi_epi64(ab, cd),
            _mm512_unpacklo_epi64(ab_high, cd_high),
            _mm512_unpackhi_epi64(ab_high, cd_high),
        ]
    });
    let mut lines = rows;
    for first in 0..4 {
        let [a, b, c, d] = [fours[0][first], fours[1][first], fours[2][first], fours[3][first]];
        let (ab, cd) = (_mm512_shuffle_i32x4::<0x88>(a, b), _mm512_shuffle_i32x4::<0x88>(c, d));
        let (ab_odd, cd_odd) = (_mm512_shuffle_i32x4::<0xdd>(a, b), _mm512_shuffle_i32x4::<0xdd>(c, d));
        lines[first] = _mm512_shuffle_i32x4::<0x88>(ab, cd);
        lines[4 + first] = _mm512_shuffle_i32x4::<0x88>(ab_odd, cd_odd);
        lines[8 + first] = _mm512_shuffle_i32x4::<0xdd>(ab, cd);
        lines[12 + first] = _mm512_shuffle_i32x4::<0xdd>(ab_odd, cd_odd);
    }
    lines
}

/// The transpose of 8 rows of 8 elements.
#[target_feature(enable = "avx512f")]
#[inline]
fn turn_eight_u64(rows: [__m512i; 8]) -> [__m512i; 8] {
    // Pairs of rows: even columns in one, odd ones in the other.
    let pairs: [[__m512i; 2]; 4] = std::array::from_fn(|pair| {
        let (first, second) = (rows[2 * pair], rows[2 * pair + 1]);
        [_mm512_unpacklo_epi64(first, second), _mm512_unpackhi_epi64(first, second)]
    });
    let mut lines = rows;
    for odd in 0..2 {
        let [a, b, c, d] = [pairs[0][odd], pairs[1][odd], pairs[2][odd], pairs[3][odd]];
        let low = [_mm512_shuffle_i64x2::<0x88>(a, b), _mm512_shuffle_i64x2::<0x88>(c, d)];
        let high = [_mm512_shuffle_i64x2::<0xdd>(a, b), _mm512_shuffle_i64x2::<0xdd>(c, d)];
        lines[odd] = _mm512_shuffle_i64x2::<0x88>(low[0], low[1]);
        lines[2 + odd] = _mm512_shuffle_i64x2::<0x88>(high[0], high[1]);
        lines[4 + odd] = _mm512_shuffle_i64x2::<0xdd>(low[0], low[1]);
        lines[6 + odd] = _mm512_shuffle_i64x2::<0xdd>(high[0], high[1]);
    }
    lines
}

/// The transpose of 8 rows of 8 elements.
#[target_feature(enable = "avx2")]
#[inline]
pub(in crate::device::cpu) fn turn_eight_u32(rows: [__m256i; 8]) -> [__m256i; 8] {
    // Of four rows: columns c and c + 4, for c from 0 to 3.
    let halves: [[__m256i; 4]; 2] = std::array::from_fn(|half| {
        let [a, b, c, d] = [rows[4 * half], rows[4 * half + 1], rows[4 * half + 2], rows[4 * half + 3]];
        let (ab, cd) = (_mm256_unpacklo_epi32(a, b), _mm256_unpacklo_epi32(c, d));
        let (ab_high, cd_high) = (_mm256_unpackhi_epi32(a, b), _mm256_unpackhi_epi32(c, d));
        [
            _mm256_unpacklo_epi64(ab, cd),
            _mm256_unpackhi_epi64(ab, cd),
            _mm256_unpacklo_epi64(ab_high, cd_high),
            _mm256_unpackhi_epi64(ab_high, cd_high),
        ]
    });
    let mut lines = rows;
    for (index, (&upper, &lower)) in halves[0].iter().zip(&halves[1]).enumerate() {
        lines[index] = _mm256_permute2x128_si256::<0x20>(upper, lower);
        lines[4 + index] = _mm256_permute2x128_si256::<0x31>(upper, lower);
    }
    lines
}

/// The transpose of 4 rows of 4 elements.
#[target_feature(enable = "avx2")]
#[inline]
fn turn_four_u64(rows: [__m256i; 4]) -> [__m256i; 4] {
    let [a, b, c, d] = rows;
    let even = [_mm256_unpacklo_epi64(a, b), _mm256_unpacklo_epi64(c, d)];
    let odd = [_mm256_unpackhi_epi64(a, b), _mm256_unpackhi_epi64(c, d)];
    [
        _mm256_permute2x128_si256::<0x20>(even[0], even[1]),
        _mm256_permute2x128_si256::<0x20>(odd[0], odd[1]),
        _mm256_permute2x128_si256::<0x31>(even[0], even[1]),
        _mm256_permute2x128_si256::<0x31>(odd[0], odd[1]),
    ]
}
