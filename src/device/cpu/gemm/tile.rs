//! The register tile: a few rows by a few vectors of the output, for one slab.

use crate::device::cpu::SimdLevel;
use crate::ring::Element;

/// Elements of the largest tile.
pub(super) const MOST_ELEMENTS: usize = 256;

/// Part of the left factor: element (row, inner) lies at `row · row_step + inner · inner_step`.
#[derive(Clone, Copy)]
pub(super) struct Left<'a, E> {
    pub(super) elements: &'a [E],
    pub(super) row_step: usize,
    pub(super) inner_step: usize,
}

/// Part of the right factor: element (inner, column) lies at `inner · inner_step + column`.
#[derive(Clone, Copy)]
pub(super) struct Right<'a, E> {
    pub(super) elements: &'a [E],
    pub(super) inner_step: usize,
}

#[cfg(target_arch = "x86_64")]
impl<E> Left<'_, E> {
    /// The micro-kernels' loads stay in bounds.
    #[inline(always)]
    pub(super) fn check(&self, rows: usize, depth: usize) {
        assert!((rows - 1) * self.row_step + (depth - 1) * self.inner_step < self.elements.len());
    }
}

#[cfg(target_arch = "x86_64")]
impl<E> Right<'_, E> {
    /// The micro-kernels' loads stay in bounds.
    #[inline(always)]
    pub(super) fn check(&self, cols: usize, depth: usize) {
        assert!((depth - 1) * self.inner_step + cols <= self.elements.len());
    }
}

/// Asks for the cache lines of `elements`, which are needed a tile later.
#[inline(always)]
pub(super) fn prefetch<E>(elements: &[E]) {
    #[cfg(target_arch = "x86_64")]
    for line in elements.chunks(64 / size_of::<E>()) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint, and within the slice; SSE is part of x86-64.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
    }
    let _ = elements;
}

/// The product of `depth` columns of the left part and as many rows of the right one, row-major into the first
/// elements of the last argument.
pub(super) type TileFunction<E> = fn(usize, Left<'_, E>, Right<'_, E>, &mut [E; MOST_ELEMENTS]);

/// A family of micro-kernels: one for each number of rows up to `rows` and of vectors up to two.
#[derive(Clone, Copy)]
pub(in crate::device::cpu) struct Tile<E: Element> {
    /// Rows of the largest tile.
    pub(super) rows: usize,
    /// Elements of a vector.
    pub(super) lanes: usize,
    /// By vectors − 1 and rows − 1.
    pub(super) functions: [&'static [TileFunction<E>]; 2],
}

impl<E: Element> Tile<E> {
    /// Columns of the widest tile.
    pub(super) fn cols(&self) -> usize {
        2 * self.lanes
    }

    /// Columns of the narrowest tile that holds `cols`, at most [`Tile::cols`].
    pub(super) fn width_for(&self, cols: usize) -> usize {
        if cols <= self.lanes { self.lanes } else { self.cols() }
    }

    /// The micro-kernel for a tile.
    pub(super) fn function(&self, rows: usize, width: usize) -> TileFunction<E> {
        self.functions[width / self.lanes - 1][rows - 1]
    }
}

/// The micro-kernels in plain Rust, for vectors of so many lanes.
macro_rules! functions {
    ($lanes:literal) => {
        [
            &[
                portable::<_, 1, $lanes>,
                portable::<_, 2, $lanes>,
                portable::<_, 3, $lanes>,
                portable::<_, 4, $lanes>,
            ],
            &[
                portable::<_, 1, { 2 * $lanes }>,
                portable::<_, 2, { 2 * $lanes }>,
                portable::<_, 3, { 2 * $lanes }>,
                portable::<_, 4, { 2 * $lanes }>,
            ],
        ]
    };
}

/// Elements that have micro-kernels.
pub(in crate::device::cpu) trait Tiled: Element {
    /// The micro-kernels of a level that this processor has.
    fn tile(level: SimdLevel) -> Tile<Self>;
}

impl Tiled for u64 {
    fn tile(level: SimdLevel) -> Tile<u64> {
        match level {
            #[cfg(target_arch = "x86_64")]
            SimdLevel::Avx512 => super::avx512::U64,
            #[cfg(target_arch = "x86_64")]
            SimdLevel::Avx2 => super::avx2::U64,
            _ => Tile { rows: 4, lanes: 2, functions: functions!(2) },
        }
    }
}

impl Tiled for u32 {
    fn tile(level: SimdLevel) -> Tile<u32> {
        match level {
            #[cfg(target_arch = "x86_64")]
            SimdLevel::Avx512 => super::avx512::U32,
            #[cfg(target_arch = "x86_64")]
            SimdLevel::Avx2 => super::avx2::U32,
            _ => Tile { rows: 4, lanes: 4, functions: functions!(4) },
        }
    }
}

fn portable<E: Element, const ROWS: usize, const COLS: usize>(
    depth: usize,
    left: Left<'_, E>,
    right: Right<'_, E>,
    out: &mut [E; MOST_ELEMENTS],
) {
    let mut sums = [[E::ZERO; COLS]; ROWS];
    let rights = right.elements.chunks(right.inner_step).take(depth);
    if left.row_step == 1 && left.inner_step == ROWS {
        for (factors, right) in left.elements.as_chunks::<ROWS>().0.iter().zip(rights) {
            step(&mut sums, *factors, right);
        }
    } else {
        assert_eq!(left.inner_step, 1, "what is not packed lies as it lies in the matrix");
        let rows: [&[E]; ROWS] = std::array::from_fn(|row| &left.elements[row * left.row_step..][..depth]);
        for (inner, right) in rights.enumerate() {
            step(&mut sums, rows.map(|row| row[inner]), right);
        }
    }
    for (out, sums) in out.chunks_exact_mut(COLS).zip(&sums) {
        out.copy_from_slice(sums);
    }
}

/// Adds the products of one inner index.
#[inline(always)]
fn step<E: Element, const ROWS: usize, const COLS: usize>(
    sums: &mut [[E; COLS]; ROWS],
    factors: [E; ROWS],
    right: &[E],
) {
    let row: &[E; COLS] = right.first_chunk().expect("a tile's columns");
    for (sums, factor) in sums.iter_mut().zip(factors) {
        for (sum, &element) in sums.iter_mut().zip(row) {
            *sum = sum.add(factor.mul(element));
        }
    }
}
