//! Copies of parts of the factors in the order in which the tiles read them.

use super::Slab;
use super::tile::Tile;
use crate::ring::Element;

/// Packs columns `from_col..from_col + cols` of a slab's right factor into panels `panel_len` elements apart: each
/// holds, for one inner index after the other, as many columns as a tile has, missing ones zero.
pub(super) fn right_panels<E: Element>(
    slab: &Slab<'_, E>,
    from_col: usize,
    cols: usize,
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
}

/// Packs `rows` rows of a slab's left factor from `from_row` on, one inner index after the other.
pub(super) fn left_panel<E: Element>(slab: &Slab<'_, E>, from_row: usize, rows: usize, panel: &mut [E]) {
    let stride = slab.left.shape.cols;
    for row in 0..rows {
        let at = (from_row + row) * stride + slab.from;
        let elements = &slab.left.elements[at..at + slab.depth];
        for (packed, &element) in panel[row..].iter_mut().step_by(rows).zip(elements) {
            *packed = element;
        }
    }
}
