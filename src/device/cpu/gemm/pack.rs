//! Copies of parts of the factors in the order in which the tiles read them.
//!
//! A packed panel holds, for one inner index after the other, an element of each of its rows or columns, its width.
//! Then comes a line of pair sums: for each row or column the sum of the products of its elements two by two, which
//! tiles in pairs have too much (see [`super::tile`]); zero for other tiles.

use super::Slab;
use super::tile::{MOST_COLS, RegisterTile};
use crate::device::cpu::SimdLevel;
use crate::device::cpu::level::simd;
use crate::device::cpu::square::{self, Caches};
use crate::ring::Element;

/// Panels that are packed together: so many tiles' worth of a row of the right factor is read at once.
pub(super) const PANELS: usize = 8;

/// Packs columns `from_col..from_col + cols` of a slab's right factor into at most [`PANELS`] panels, `panel_len`
/// elements apart, each as wide as a tile; missing columns are zero.
pub(super) fn right_panels<E: Element>(
    level: SimdLevel,
    slab: &Slab<'_, E>,
    (from_col, cols): (usize, usize),
    tile: &RegisterTile<E>,
    panel_len: usize,
    panels: &mut [E],
) {
    let stride = slab.right.shape.cols;
    let row = |inner: usize| &slab.right.elements[(slab.from + inner) * stride + from_col..][..cols];
    let mut pair_sums = [E::ZERO; PANELS * MOST_COLS];
    for inner in 0..slab.depth {
        spread(level, row(inner), tile, panels, (panel_len, inner));
        if tile.pairs && inner % 2 == 1 {
            add_products(level, &mut pair_sums[..cols], row(inner - 1), row(inner));
        }
    }
    spread(level, &pair_sums[..cols], tile, panels, (panel_len, slab.depth));
}

/// Packs `width` rows of a slab's left factor from `from_row` on.
pub(super) fn left_panel<E: Element>(
    level: SimdLevel,
    slab: &Slab<'_, E>,
    from_row: usize,
    tile: &RegisterTile<E>,
    width: usize,
    panel: &mut [E],
) {
    let stride = slab.left.shape.cols;
    let rows = &slab.left.elements[from_row * stride + slab.from..];
    let (lines, pair_sums) = panel.split_at_mut(slab.depth * width);
    square::transpose(level, (rows, stride), (lines, width), (width, slab.depth), Caches::Keep);
    pair_sums.fill(E::ZERO);
    if tile.pairs {
        for (sum, row) in pair_sums.iter_mut().zip(rows.chunks(stride)) {
            sum_pairs(level, sum, &row[..slab.depth]);
        }
    }
}

/// Writes a row of several panels as line `line` of each, zeros where it ends in mid-panel.
fn spread<E: Element>(
    level: SimdLevel,
    row: &[E],
    tile: &RegisterTile<E>,
    panels: &mut [E],
    (panel_len, line): (usize, usize),
) {
    let whole = row.len() / tile.cols();
    spread_whole(level, row, tile.cols(), panels, (panel_len, line));
    if let Some(panel) = panels.chunks_mut(panel_len).nth(whole) {
        let rest = &row[whole * tile.cols()..];
        let width = tile.width_for(rest.len());
        let packed = &mut panel[line * width..(line + 1) * width];
        packed[..rest.len()].copy_from_slice(rest);
        packed[rest.len()..].fill(E::ZERO);
    }
}

simd! {
    /// The whole lines of [`spread`], by constant width.
    fn spread_whole<E: Element>(row: &[E], width: usize, panels: &mut [E], place: (usize, usize)) {
        match width {
            4 => spread_lines::<E, 4>(row, panels, place),
            8 => spread_lines::<E, 8>(row, panels, place),
            16 => spread_lines::<E, 16>(row, panels, place),
            MOST_COLS => spread_lines::<E, MOST_COLS>(row, panels, place),
            width => unreachable!("no tile is {width} wide"),
        }
    }

    fn add_products<E: Element>(sums: &mut [E], even: &[E], odd: &[E]) {
        for ((sum, &x), &y) in sums.iter_mut().zip(even).zip(odd) {
            *sum = sum.add(x.mul(y));
        }
    }

    /// Sums up the products of elements two by two; an odd last one counts for nothing.
    fn sum_pairs<E: Element>(sum: &mut E, elements: &[E]) {
        let mut total = E::ZERO;
        for &[x, y] in elements.as_chunks().0 {
            total = total.add(x.mul(y));
        }
        *sum = total;
    }
}

#[inline(always)]
fn spread_lines<E: Element, const WIDTH: usize>(
    row: &[E],
    panels: &mut [E],
    (panel_len, line): (usize, usize),
) {
    for (piece, panel) in row.as_chunks::<WIDTH>().0.iter().zip(panels.chunks_mut(panel_len)) {
        panel.as_chunks_mut::<WIDTH>().0[line] = *piece;
    }
}
