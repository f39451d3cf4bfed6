//! Sums over one axis.
//!
//! Row sums are independent; a few long rows are summed one after the other, each as a column. Column sums are split
//! over the columns where there are many, otherwise over the rows, with one row of partial sums a piece.

use super::level::simd;
use super::memory::Block;
use super::view::{View, ViewMut};
use super::workers::Workers;
use crate::ring::Element;
use crate::step::Axis;

/// Columns in a piece of column sums: the running sums stay in the first-level cache.
const COLUMNS: usize = 512;

/// Elements that a piece of rows has at least, roughly, when column sums are split over the rows.
const ROW_PIECE: usize = 64 << 10;

pub(super) fn run<E: Element>(workers: &Workers, out: ViewMut<'_, E>, operand: View<'_, E>, axis: Axis) {
    let cols = operand.shape.cols;
    if operand.shape.is_empty() {
        out.elements.fill(E::ZERO);
        return;
    }
    let level = workers.level();
    match axis {
        Axis::Cols if operand.shape.rows < workers.threads() && cols > ROW_PIECE => {
            for (out, row) in out.elements.chunks_mut(1).zip(operand.elements.chunks(cols)) {
                by_rows(workers, out, row, 1);
            }
        }
        Axis::Cols => workers.split(out.elements, 1, cols, |start, piece| {
            let len = piece.len() * cols;
            row_sums(level, piece, &operand.elements[start * cols..][..len], cols);
        }),
        Axis::Rows if cols >= COLUMNS * workers.threads() => {
            let pieces: Vec<_> = out.elements.chunks_mut(COLUMNS).enumerate().collect();
            workers.each(pieces, |(index, piece)| {
                column_sums(level, piece, &operand.elements[index * COLUMNS..], cols);
            });
        }
        Axis::Rows => by_rows(workers, out.elements, operand.elements, cols),
    }
}

fn by_rows<E: Element>(workers: &Workers, out: &mut [E], elements: &[E], cols: usize) {
    let level = workers.level();
    // As many pieces as keep every thread at work: their sums are added up by one.
    let rows = (elements.len() / cols).div_ceil(workers.pieces());
    let piece = rows.max(ROW_PIECE / cols) * cols;
    let count = elements.len().div_ceil(piece);
    // Partial sums are as secret as the elements: a block is wiped when it is dropped.
    let mut partial = Block::default();
    let sums = partial.elements_of::<E>(count * cols);
    let tasks = sums.chunks_mut(cols).zip(elements.chunks(piece)).collect();
    workers.each(tasks, |(sums, rows)| narrow_column_sums(level, sums, rows));
    column_sums(level, out, sums, cols);
}

simd! {
    /// `operand` holds whole rows of length `cols`, one for each sum.
    fn row_sums<E: Element>(out: &mut [E], operand: &[E], cols: usize) {
        for (out, row) in out.iter_mut().zip(operand.chunks_exact(cols)) {
            let mut sum = E::ZERO;
            for &x in row {
                sum = sum.add(x);
            }
            *out = sum;
        }
    }

    /// Sums the first `out.len()` columns of rows of length `stride`.
    fn column_sums<E: Element>(out: &mut [E], operand: &[E], stride: usize) {
        let cols = out.len();
        out.fill(E::ZERO);
        // Four rows at a time: their sums are read and written once for all four.
        let mut groups = operand.chunks_exact(4 * stride);
        for group in &mut groups {
            let [a, b, c, d] = [0, 1, 2, 3].map(|row| &group[row * stride..][..cols]);
            for ((((out, &a), &b), &c), &d) in out.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                *out = out.add(a.add(b).add(c.add(d)));
            }
        }
        for row in groups.remainder().chunks(stride) {
            for (out, &x) in out.iter_mut().zip(row) {
                *out = out.add(x);
            }
        }
    }

    /// Sums whole rows as long as `out`. Short rows are summed several side by side, so that vectors are full.
    fn narrow_column_sums<E: Element>(out: &mut [E], rows: &[E]) {
        let cols = out.len();
        let mut sums = [E::ZERO; COLUMNS];
        let abreast = COLUMNS / cols;
        out.fill(E::ZERO);
        if abreast < 2 {
            for row in rows.chunks_exact(cols) {
                for (out, &x) in out.iter_mut().zip(row) {
                    *out = out.add(x);
                }
            }
            return;
        }
        for group in rows.chunks(abreast * cols) {
            for (sum, &x) in sums.iter_mut().zip(group) {
                *sum = sum.add(x);
            }
        }
        for copy in sums[..abreast * cols].chunks_exact(cols) {
            for (out, &x) in out.iter_mut().zip(copy) {
                *out = out.add(x);
            }
        }
    }
}
