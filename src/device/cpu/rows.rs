//! out = rows of the operand, by public numbers.

use super::view::{View, ViewMut};
use super::workers::Workers;
use crate::ring::Element;

pub(super) fn run<E: Element>(
    workers: &Workers,
    out: ViewMut<'_, E>,
    operand: View<'_, E>,
    index: View<'_, E>,
    column: usize,
) {
    let cols = out.shape.cols;
    if out.elements.is_empty() {
        return;
    }
    let (rows, width) = (operand.shape.rows, operand.shape.cols);
    workers.split(out.elements, cols, 1, |start, piece| {
        for (number, row) in index.elements[start / cols..].iter().zip(piece.chunks_mut(cols)) {
            let from = number.to_u64() as u32 as usize % rows * width + column;
            row.copy_from_slice(&operand.elements[from..from + cols]);
        }
    });
}
