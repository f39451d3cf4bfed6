//! The register tile: a few rows by a few vectors of the output, for one slab.
//!
//! Most micro-kernels halve the multiplications (S. Winograd, "A New Algorithm for Inner Product", 1968): two inner
//! indices at a time,
//!
//! ```text
//! a₀·b₀ + a₁·b₁ = (a₀ + b₁)·(a₁ + b₀) − a₀·a₁ − b₀·b₁
//! ```
//!
//! of which a micro-kernel sums the product on the right. What is subtracted depends on the row alone and on the
//! column alone; [`super::pack`] sums it up once for a panel. It is an identity of commutative rings, so the bits are
//! the same, and it pays where a product costs more than two additions.

use crate::device::cpu::SimdLevel;
use crate::ring::Element;

/// Elements of the largest tile.
pub(super) const MOST_ELEMENTS: usize = 256;

/// Columns of the widest tile.
pub(super) const MOST_COLS: usize = 32;

/// The sums of a tile for `depth` inner indices, row-major into the first elements of the last argument. The factors
/// are packed panels: for one inner index after the other, an element of each row, and one of each column. In pairs, an
/// odd last index adds its plain product.
pub(super) type TileFunction<E> = fn(usize, &[E], &[E], &mut [E; MOST_ELEMENTS]);

/// A family of micro-kernels: one for each number of rows up to `rows` and of vectors up to two.
#[derive(Clone, Copy)]
pub(in crate::device::cpu) struct RegisterTile<E: Element> {
    /// Rows of the largest tile.
    pub(super) rows: usize,
    /// Elements of a vector.
    pub(super) lanes: usize,
    /// Whether the sums are Winograd's, so that sums of each row's and each column's pairs are to be subtracted.
    pub(super) pairs: bool,
    /// By vectors − 1 and rows − 1.
    pub(super) functions: [&'static [TileFunction<E>]; 2],
}

impl<E: Element> RegisterTile<E> {
    /// Columns of the widest tile.
    pub(super) fn cols(&self) -> usize {
        2 * self.lanes
    }

    /// Columns of the narrowest tile that holds `cols`, at most [`RegisterTile::cols`].
    pub(super) fn width_for(&self, cols: usize) -> usize {
        if cols <= self.lanes { self.lanes } else { self.cols() }
    }

    /// The micro-kernel for a tile.
    pub(super) fn function(&self, rows: usize, width: usize) -> TileFunction<E> {
        self.functions[width / self.lanes - 1][rows - 1]
    }
}

/// Elements that have micro-kernels.
pub(in crate::device::cpu) trait Tiled: Element {
    /// The micro-kernels of a level that this processor has.
    fn tile(level: SimdLevel) -> RegisterTile<Self>;
}

impl Tiled for u64 {
    fn tile(level: SimdLevel) -> RegisterTile<u64> {
        match level {
            #[cfg(target_arch = "x86_64")]
            SimdLevel::Avx512 => super::avx512::U64,
            #[cfg(target_arch = "x86_64")]
            SimdLevel::Avx2 => super::avx2::U64,
            _ => super::portable::U64,
        }
    }
}

impl Tiled for u32 {
    fn tile(level: SimdLevel) -> RegisterTile<u32> {
        match level {
            #[cfg(target_arch = "x86_64")]
            SimdLevel::Avx512 => super::avx512::U32,
            #[cfg(target_arch = "x86_64")]
            SimdLevel::Avx2 => super::avx2::U32,
            _ => super::portable::U32,
        }
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
