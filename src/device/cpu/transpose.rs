//! out = operandᵀ, in square tiles that stay in the first-level cache.

use super::SimdLevel;
use super::square;
use super::view::{View, ViewMut};
use super::workers::Workers;
use crate::ring::Element;

/// Rows and columns of a tile: whole cache lines on either side.
const TILE: usize = 64;

/// How many times the cost of a copy a transposed element is, roughly.
const COST: usize = 2;

pub(super) fn run<E: Element>(workers: &Workers, out: ViewMut<'_, E>, operand: View<'_, E>) {
    let (rows, cols) = (out.shape.rows, out.shape.cols);
    if rows == 0 || cols == 0 {
        return;
    }
    let level = workers.level();
    if rows == 1 || cols == 1 {
        workers.split(out.elements, 8, 1, |start, piece| {
            piece.copy_from_slice(&operand.elements[start..start + piece.len()]);
        });
        return;
    }
    workers.split(out.elements, TILE * cols, COST, |start, band| {
        tiles(level, band, &operand.elements[start / cols..], cols, rows);
    });
}

/// `out` is a band of whole rows of length `cols`; `operand` begins at the band's first column and has rows of length
/// `stride`.
fn tiles<E: Element>(level: SimdLevel, out: &mut [E], operand: &[E], cols: usize, stride: usize) {
    // A tile's own copy: rows come in as they lie, and leave as columns.
    let mut tile = [E::ZERO; TILE * TILE];
    for (index, band) in out.chunks_mut(TILE * cols).enumerate() {
        let (from, rows) = (index * TILE, band.len() / cols);
        for col in (0..cols).step_by(TILE) {
            let width = TILE.min(cols - col);
            for (y, row) in tile.chunks_exact_mut(TILE).take(width).enumerate() {
                let at = (col + y) * stride + from;
                row[..rows].copy_from_slice(&operand[at..at + rows]);
            }
            square::transpose(level, (&tile, TILE), (&mut band[col..], cols), (width, rows));
        }
    }
}
