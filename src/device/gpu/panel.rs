//! Cutting kernels to what one binding holds.
//!
//! A buffer can be larger than what a shader may see of it at once, and a dispatch should not run for seconds.
//! This module only computes: which rows and columns one dispatch works on, such that the *span* of each matrix,
//! from the first element it touches to the last, fits. Such a part that has more than one row has rows less than
//! 2^30 elements apart, so that every distance a shader is told fits in `u32`.

use crate::ring::Shape;

/// Most elements a shader addresses: it counts them in `u32`, with room for a workgroup more.
const MOST_ELEMENTS: u64 = 1 << 30;

/// Multiply-adds of one dispatch at most, so that a display driver's watchdog, at some seconds, does not fire on a
/// small GPU. A large one does this many in a fraction of a second, and is kept busy by what is queued behind.
const MOST_GEMM_WORK: u128 = 1 << 38;

/// Inner elements of one term that a workgroup multiplies at most. Debian 12's llvmpipe ends a shader in silence after 65,535 turns
/// of its loops, all of them together; the tiles of a product take up to 1.5 turns an inner element, and one dispatch has
/// up to two terms.
pub const MOST_INNER: usize = 1 << 14;

/// Elements that one thread sums in a dispatch at most, for the same reason.
pub const MOST_SUMMED: usize = 1 << 13;

/// The side of a square tile of the matrix product, in elements: panels are multiples of it.
const GEMM_TILE: usize = 64;

/// The side of a tile of the transposition, in elements.
pub const TRANSPOSE_TILE: usize = 32;

/// Workgroups that one dimension of a dispatch holds, on every adapter.
pub const MOST_GROUPS_ACROSS: u32 = 65_535;

/// What one binding and one dispatch hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that a binding spans at most.
    pub binding_bytes: u64,
    /// Bytes that its offset is a multiple of; a power of two.
    pub alignment_bytes: u64,
    /// Workgroups in a row of a dispatch at most.
    pub groups_across: u32,
    /// Bytes of memory for partial results.
    pub scratch_bytes: u64,
}

impl Limits {
    /// Elements that a span can have wherever in the buffer it begins.
    pub fn elements(self, element_bytes: usize) -> usize {
        let elements = (self.binding_bytes - self.alignment_bytes) / element_bytes as u64;
        elements.min(MOST_ELEMENTS) as usize
    }

    /// Elements of partial results that there is room for.
    pub fn scratch_elements(self, element_bytes: usize) -> usize {
        self.elements(element_bytes).min(self.scratch_bytes as usize / element_bytes)
    }

    /// `groups` workgroups in two dimensions, with less than a row too many.
    pub fn grid(self, groups: usize) -> [u32; 2] {
        let rows = groups.div_ceil(self.groups_across as usize).max(1);
        [groups.div_ceil(rows), rows]
            .map(|extent| u32::try_from(extent).expect("panels bound every dispatch"))
    }
}

/// Some rows and columns of a matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// The first row.
    pub first_row: usize,
    /// The number of rows.
    pub rows: usize,
    /// The first column.
    pub first_col: usize,
    /// The number of columns.
    pub cols: usize,
}

/// The matrix in blocks that are contiguous and of at most `most` elements: some whole rows, or a part of one.
pub fn contiguous_blocks(shape: Shape, most: usize) -> impl Iterator<Item = Block> {
    let (part_rows, part_cols) = match shape.cols {
        0 => (shape.rows.max(1), 1),
        cols if cols <= most => (most / cols, cols),
        // A multiple of 64 elements keeps the offsets of bindings aligned.
        _ if most >= 64 => (1, most - most % 64),
        _ => (1, most),
    };
    cuts(shape.rows, part_rows).flat_map(move |(first_row, rows)| {
        cuts(shape.cols, part_cols).map(move |(first_col, cols)| Block { first_row, rows, first_col, cols })
    })
}

/// Extents of the parts of a matrix product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GemmPanel {
    /// Rows of the left matrix and of the result.
    pub rows: usize,
    /// Inner size.
    pub inner: usize,
    /// Columns of the right matrix and of the result.
    pub cols: usize,
}

/// The largest panel, by halving, of an (m, k) × (k, n) product whose spans have at most `most` elements, and whose
/// inner size is at most `most_inner`.
pub fn gemm_panel((m, k, n): (usize, usize, usize), most: usize, most_inner: usize) -> GemmPanel {
    let mut panel = GemmPanel { rows: m, inner: k.min(most_inner), cols: n };
    loop {
        let GemmPanel { rows, inner, cols } = panel;
        let work = rows as u128 * inner as u128 * cols as u128;
        // A span has as many whole rows as the panel has, less one: fewer rows shorten it most.
        if span(rows, k, inner) > most {
            halve_first_of([&mut panel.rows, &mut panel.inner], GEMM_TILE);
        } else if span(inner, n, cols) > most {
            halve_first_of([&mut panel.inner, &mut panel.cols], GEMM_TILE);
        } else if span(rows, n, cols) > most || work > MOST_GEMM_WORK {
            halve_first_of([&mut panel.rows, &mut panel.cols], GEMM_TILE);
        } else {
            return panel;
        }
    }
}

/// Rows and columns of the parts of a matrix to be transposed. Fewer rows shorten the operand's span, fewer columns
/// the output's; where a part is down to one of them, the other is what is left of the span.
pub fn transpose_panel(shape: Shape, most: usize) -> (usize, usize) {
    let (mut rows, mut cols) = (shape.rows, shape.cols);
    while span(rows, shape.cols, cols) > most {
        halve_first_of([&mut rows, &mut cols], TRANSPOSE_TILE);
    }
    while span(cols, shape.rows, rows) > most {
        halve_first_of([&mut cols, &mut rows], TRANSPOSE_TILE);
    }
    (rows, cols)
}

/// Elements from the first to the last of `rows` rows of `cols` elements that lie `stride` apart.
pub fn span(rows: usize, stride: usize, cols: usize) -> usize {
    (rows - 1).saturating_mul(stride).saturating_add(cols)
}

/// The parts of `0..extent` of at most `part` each: their starts and lengths.
pub fn cuts(extent: usize, part: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..extent).step_by(part).map(move |start| (start, part.min(extent - start)))
}

fn halve_first_of([first, second]: [&mut usize; 2], tile: usize) {
    let longer_than_one = if *first > 1 { first } else { second };
    *longer_than_one = half(*longer_than_one, tile);
}

/// Half of an extent above one, rounded up to whole tiles where it is longer than a tile.
fn half(extent: usize, tile: usize) -> usize {
    if extent > tile { (extent / 2).next_multiple_of(tile) } else { extent.div_ceil(2) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn blocks_cover_a_matrix_in_order(rows in 0usize..40, cols in 0usize..400, most in 1usize..500) {
            let mut next = 0;
            for block in contiguous_blocks(Shape::new(rows, cols), most) {
                prop_assert_eq!(block.first_row * cols + block.first_col, next);
                prop_assert!(block.rows == 1 || block.cols == cols);
                prop_assert!(block.rows * block.cols <= most);
                next += block.rows * block.cols;
            }
            prop_assert_eq!(next, rows * cols);
        }

        #[test]
        fn gemm_panels_fit(m in 1usize..3000, k in 1usize..3000, n in 1usize..3000, most in 1usize..100_000) {
            let panel = gemm_panel((m, k, n), most, MOST_INNER);
            prop_assert!(span(panel.rows, k, panel.inner) <= most);
            prop_assert!(span(panel.inner, n, panel.cols) <= most);
            prop_assert!(span(panel.rows, n, panel.cols) <= most);
        }

        #[test]
        fn transpose_panels_fit(rows in 1usize..3000, cols in 1usize..3000, most in 1usize..100_000) {
            let shape = Shape::new(rows, cols);
            let (r, c) = transpose_panel(shape, most);
            prop_assert!(span(r, cols, c) <= most && span(c, rows, r) <= most);
        }
    }

    #[test]
    fn what_fits_is_not_cut() {
        assert_eq!(
            gemm_panel((100, 200, 300), 60_000, MOST_INNER),
            GemmPanel { rows: 100, inner: 200, cols: 300 }
        );
        assert_eq!(transpose_panel(Shape::new(100, 200), 20_000), (100, 200));
        assert_eq!(contiguous_blocks(Shape::new(100, 200), 20_000).count(), 1);
        assert_eq!(contiguous_blocks(Shape::new(100, 0), 20_000).count(), 0);
    }

    /// A matrix of n spans is cut into about n rows of panels for the operand and n columns for the output, where it
    /// has as many; halving may overshoot by two either way.
    #[test]
    fn transpositions_have_few_panels() {
        let most = (128 << 20) / 8;
        for (rows, cols) in [(2, 1 << 28), (1 << 28, 2), (3, 1 << 30), (100, 1 << 20), (1 << 20, 100)] {
            let (r, c) = transpose_panel(Shape::new(rows, cols), most);
            let panels = rows.div_ceil(r) * cols.div_ceil(c);
            let spans = (rows * cols).div_ceil(most);
            let least = rows.min(spans) * cols.min(spans);
            assert!(panels <= 4 * least, "{rows} by {cols} in {panels} panels of {r} by {c}");
        }
    }

    #[test]
    fn a_long_grid_is_folded() {
        let limits = |groups_across| Limits {
            binding_bytes: 4096,
            alignment_bytes: 256,
            groups_across,
            scratch_bytes: 0,
        };
        assert_eq!(limits(MOST_GROUPS_ACROSS).grid(65_535), [65_535, 1]);
        assert_eq!(limits(MOST_GROUPS_ACROSS).grid(65_536), [32_768, 2]);
        for (groups, across) in [(1, 1), (65_537, 65_535), (1_000_003, 65_535), (1 << 24, 65_535), (17, 3)] {
            let [x, y] = limits(across).grid(groups);
            assert!(x <= across && (x * y) as usize >= groups && (x * y) as usize - groups < y as usize);
        }
    }

    #[test]
    fn a_long_product_is_cut_to_the_watchdog() {
        let panel = gemm_panel((1 << 14, 1 << 14, 1 << 14), 1 << 29, MOST_INNER);
        assert_eq!(panel, GemmPanel { rows: 1 << 10, inner: MOST_INNER, cols: 1 << 14 });
    }
}
