//! out = operandᵀ.
//!
//! Every element is read once and written once, as by a copy, so a copy's rate is the bound. What keeps it is the order:
//! a band of sixteen cache lines' rows of the operand is walked from its one end to the other, so that so many places are
//! read in sequence, and each line of the output that a square gives is written whole. Where both matrices are more
//! than the caches hold, lines go past them: otherwise each would be read before it is written, a half more traffic.

use super::square::{self, Caches, LINE_BYTES};
use super::view::{View, ViewMut};
use super::workers::Workers;
use crate::ring::Element;

/// The side of a tile, in cache lines.
const TILE_LINES: usize = 16;

/// Bytes of output from which it goes past the caches: what a core's part of them hardly holds beside the operand.
const PASS_BYTES: usize = 8 << 20;

/// How many times the cost of a copy a transposed element is, roughly.
const COST: usize = 2;

pub(super) fn run<E: Element>(workers: &Workers, out: ViewMut<'_, E>, operand: View<'_, E>) {
    let (rows, cols) = (out.shape.rows, out.shape.cols);
    if rows == 0 || cols == 0 {
        return;
    }
    if rows == 1 || cols == 1 {
        workers.split(out.elements, 8, 1, |start, piece| {
            piece.copy_from_slice(&operand.elements[start..start + piece.len()]);
        });
        return;
    }
    let level = workers.level();
    let line = LINE_BYTES / size_of::<E>();
    let is_large = size_of_val(out.elements) >= PASS_BYTES;
    let passes = is_large && cols.is_multiple_of(line) && square::is_aligned(out.elements);
    let caches = if passes { Caches::Pass } else { Caches::Keep };
    workers.split(out.elements, line * cols, COST, |start, band| {
        let band_rows = band.len() / cols;
        let operand = &operand.elements[start / cols..];
        let tile = TILE_LINES * line;
        for col in (0..cols).step_by(tile) {
            for row in (0..band_rows).step_by(tile) {
                let part = (tile.min(cols - col), tile.min(band_rows - row));
                let (from, to) = (&operand[col * rows + row..], &mut band[row * cols + col..]);
                square::transpose(level, (from, rows), (to, cols), part, caches);
            }
        }
    });
}
