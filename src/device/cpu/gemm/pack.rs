//! Copies of parts of the factors in the order in which the tiles read them.
//!
//! A packed panel holds, for one inner index after the other, an element of each of its rows or columns, its width.
//! Then comes a line of pair sums: for each row or column the sum of the products of its elements two by two, which
//! tiles in pairs have too much (see [`super::tile`]); zero for other tiles.

use super::Slab;
use super::tile::{MOST_COLS, MOST_ROWS, Tile};
use crate::device::cpu::level::simd;
use crate::device::cpu::{SimdLevel, view::View};
use crate::ring::Element;

/// Packs columns `from_col..from_col + cols` of a slab's right factor into panels `panel_len` elements apart, each as
/// wide as a tile; missing columns are zero.
pub(super) fn right_panels<E: Element>(
    level: SimdLevel,
    slab: &Slab<'_, E>,
    (from_col, cols): (usize, usize),
    tile: &Tile<E>,
    panel_len: usize,
    panels: &mut [E],
) {
    let stride = slab.right.shape.cols;
    for inner in 0..slab.depth {
        let at = (slab.from + inner) * stride + from_col;
        let pieces = slab.right.elements[at..at + cols].chunks(tile.cols());
        for (piece, panel) in pieces.zip(panels.chunks_mut(panel_len)) {
            let width = tile.width_for(piece.len());
            let packed = &mut panel[inner * width..(inner + 1) * width];
            packed[..piece.len()].copy_from_slice(piece);
            packed[piece.len()..].fill(E::ZERO);
        }
    }
    for (index, panel) in panels.chunks_mut(panel_len).enumerate() {
        let width = tile.width_for(cols - index * tile.cols());
        finish(level, tile, &mut panel[..(slab.depth + 1) * width], width);
    }
}

/// Packs as many rows of a slab's left factor as the panel is wide, from `from_row` on.
pub(super) fn left_panel<E: Element>(
    level: SimdLevel,
    slab: &Slab<'_, E>,
    from_row: usize,
    tile: &Tile<E>,
    width: usize,
    panel: &mut [E],
) {
    let lines = &mut panel[..slab.depth * width];
    transpose(level, slab.left, (from_row, slab.from), width, lines);
    finish(level, tile, panel, width);
}

/// Writes the pair sums at the end of a panel.
fn finish<E: Element>(level: SimdLevel, tile: &Tile<E>, panel: &mut [E], width: usize) {
    let (lines, sums) = panel.split_at_mut(panel.len() - width);
    if tile.pairs {
        pair_sums(level, lines, sums);
    } else {
        sums.fill(E::ZERO);
    }
}

simd! {
    /// Writes `width` rows of a matrix from `(row, inner)` on, one inner index after the other.
    fn transpose<E: Element>(matrix: View<'_, E>, from: (usize, usize), width: usize, lines: &mut [E]) {
        match width {
            4 => transpose_rows::<E, 4>(matrix, from, lines),
            MOST_ROWS => transpose_rows::<E, MOST_ROWS>(matrix, from, lines),
            _ => {
                let depth = lines.len() / width;
                for row in 0..width {
                    let at = (from.0 + row) * matrix.shape.cols + from.1;
                    let elements = &matrix.elements[at..at + depth];
                    for (packed, &element) in lines[row..].iter_mut().step_by(width).zip(elements) {
                        *packed = element;
                    }
                }
            }
        }
    }

    /// Sums up the products of two lines after each other, as long as `sums`; an odd last line counts for nothing.
    fn pair_sums<E: Element>(lines: &[E], sums: &mut [E]) {
        match sums.len() {
            1 => pair_sums_of::<E, 1>(lines, sums),
            2 => pair_sums_of::<E, 2>(lines, sums),
            3 => pair_sums_of::<E, 3>(lines, sums),
            4 => pair_sums_of::<E, 4>(lines, sums),
            5 => pair_sums_of::<E, 5>(lines, sums),
            6 => pair_sums_of::<E, 6>(lines, sums),
            7 => pair_sums_of::<E, 7>(lines, sums),
            8 => pair_sums_of::<E, 8>(lines, sums),
            16 => pair_sums_of::<E, 16>(lines, sums),
            MOST_COLS => pair_sums_of::<E, MOST_COLS>(lines, sums),
            width => unreachable!("no panel is {width} wide"),
        }
    }
}

/// Square blocks, so that each row is read and each line is written several elements at a time.
#[inline(always)]
fn transpose_rows<E: Element, const ROWS: usize>(
    matrix: View<'_, E>,
    (from_row, from): (usize, usize),
    lines: &mut [E],
) {
    let depth = lines.len() / ROWS;
    let rows: [&[E]; ROWS] = std::array::from_fn(|row| {
        let at = (from_row + row) * matrix.shape.cols + from;
        &matrix.elements[at..at + depth]
    });
    let (blocks, rest) = lines.as_chunks_mut::<ROWS>().0.as_chunks_mut::<ROWS>();
    for (index, block) in blocks.iter_mut().enumerate() {
        let square: [[E; ROWS]; ROWS] = std::array::from_fn(|row| {
            *rows[row][index * ROWS..].first_chunk().expect("rows are as long as the blocks")
        });
        *block = std::array::from_fn(|inner| std::array::from_fn(|row| square[row][inner]));
    }
    for (index, line) in rest.iter_mut().enumerate() {
        *line = rows.map(|row| row[depth / ROWS * ROWS + index]);
    }
}

#[inline(always)]
fn pair_sums_of<E: Element, const WIDTH: usize>(lines: &[E], sums: &mut [E]) {
    let mut total = [E::ZERO; WIDTH];
    for [even, odd] in lines.as_chunks::<WIDTH>().0.as_chunks().0 {
        for ((total, &even), &odd) in total.iter_mut().zip(even).zip(odd) {
            *total = total.add(even.mul(odd));
        }
    }
    sums.copy_from_slice(&total);
}
