//! Matrices in memory, and the walk over them that elementwise kernels share.
//!
//! An operand with one row or one column where the output has more is repeated. [`elementwise`] hides that: it
//! walks the output in flat pieces and hands out as many elements of each operand, straight from memory where they
//! lie there, otherwise from a small buffer. So a kernel's arithmetic is a loop over equal slices.

use super::workers::Workers;
use crate::ring::{Element, Shape};

/// Elements in a piece when an operand is repeated: four operands' buffers stay in the first-level cache.
const PIECE: usize = 1024;

/// A matrix to be read.
#[derive(Clone, Copy)]
pub(super) struct View<'a, E> {
    /// Row-major, exactly as many as the shape has.
    pub(super) elements: &'a [E],
    /// The matrix's shape.
    pub(super) shape: Shape,
}

/// A matrix to be written.
pub(super) struct ViewMut<'a, E> {
    /// Row-major, exactly as many as the shape has.
    pub(super) elements: &'a mut [E],
    /// The matrix's shape.
    pub(super) shape: Shape,
}

/// How an operand is laid over the output.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Spread {
    Whole,
    /// One row, the same for every row of the output.
    Row,
    /// One column, the same for every column of the output.
    Column,
    Scalar,
}

impl Spread {
    fn of(operand: Shape, out: Shape) -> Spread {
        match (operand.rows == out.rows, operand.cols == out.cols) {
            (true, true) => Spread::Whole,
            _ if operand == Shape::SCALAR => Spread::Scalar,
            (false, true) => Spread::Row,
            (true, false) => Spread::Column,
            (false, false) => unreachable!("Kernel::check: {operand} over {out}"),
        }
    }
}

/// Calls `work` with pieces of `out` and, for each piece, the elements of every operand that stand over it.
pub(super) fn elementwise<E: Element, const N: usize>(
    workers: &Workers,
    out: ViewMut<'_, E>,
    operands: [View<'_, E>; N],
    work: impl Fn(&mut [E], [&[E]; N]) + Sync,
) {
    if out.elements.is_empty() {
        return;
    }
    let spreads = operands.map(|operand| Spread::of(operand.shape, out.shape));
    if spreads.iter().all(|&spread| spread == Spread::Whole) {
        workers.split(out.elements, 8, 1, |start, piece| {
            let len = piece.len();
            work(piece, operands.map(|operand| &operand.elements[start..start + len]));
        });
        return;
    }
    let flat = spreads.iter().all(|&spread| matches!(spread, Spread::Whole | Spread::Scalar));
    let cols = if flat { out.elements.len() } else { out.shape.cols };
    // A piece is some whole rows where they are short, a part of one row where they are long.
    let piece = if cols < PIECE { PIECE / cols * cols } else { PIECE };
    workers.split(out.elements, piece, 1, |start, part| {
        let mut buffers = [[E::ZERO; PIECE]; N];
        let mut repeaters: [_; N] = {
            let mut rest = buffers.iter_mut();
            std::array::from_fn(|index| Repeater {
                operand: operands[index],
                spread: spreads[index],
                cols,
                buffer: rest.next().expect("a buffer for each operand"),
                ready: false,
            })
        };
        let (mut at, end) = (start, start + part.len());
        while at < end {
            let to_row_end = if cols < PIECE { piece } else { cols - at % cols };
            let len = piece.min(to_row_end).min(end - at);
            let mut rest = repeaters.iter_mut();
            let slices = std::array::from_fn(|_| rest.next().expect("each operand").at(at, len));
            work(&mut part[at - start..at - start + len], slices);
            at += len;
        }
    });
}

/// One operand and a buffer to repeat it in.
struct Repeater<'a, E> {
    operand: View<'a, E>,
    spread: Spread,
    cols: usize,
    buffer: &'a mut [E; PIECE],
    /// Whether the buffer holds what every piece needs.
    ready: bool,
}

impl<E: Element> Repeater<'_, E> {
    /// The operand's elements over `len` elements of the output from `at` on.
    fn at(&mut self, at: usize, len: usize) -> &[E] {
        let elements = self.operand.elements;
        let (row, col) = (at / self.cols, at % self.cols);
        match self.spread {
            Spread::Whole => return &elements[at..at + len],
            Spread::Row if self.cols >= PIECE => return &elements[col..col + len],
            Spread::Row if !self.ready => {
                self.buffer.chunks_exact_mut(self.cols).for_each(|copy| copy.copy_from_slice(elements));
            }
            Spread::Scalar if !self.ready => self.buffer.fill(elements[0]),
            Spread::Column if self.cols >= PIECE => self.buffer[..len].fill(elements[row]),
            Spread::Column => {
                let rows = self.buffer[..len].chunks_mut(self.cols).zip(&elements[row..]);
                rows.for_each(|(copies, &element)| copies.fill(element));
            }
            Spread::Row | Spread::Scalar => {}
        }
        self.ready = true;
        &self.buffer[..len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::cpu::SimdLevel;

    /// Every kind of operand over shapes with short, long and piece-sized rows.
    #[test]
    fn operands_are_repeated_as_numpy_repeats_them() {
        for (rows, cols) in [(1, 1), (5, 3), (3000, 7), (3, 1023), (4, 1024), (5, 2500), (1, 9000), (9000, 1)]
        {
            let out_shape = Shape::new(rows, cols);
            let shapes = [out_shape, Shape::new(1, cols), Shape::new(rows, 1), Shape::SCALAR];
            let data = shapes.map(|shape| (0..shape.len() as u64).collect::<Vec<_>>());
            for threads in [1, 2] {
                let workers = Workers::new(SimdLevel::best(), threads).unwrap();
                let mut out = vec![0u64; out_shape.len()];
                let operands =
                    std::array::from_fn(|index| View { elements: &data[index][..], shape: shapes[index] });
                let view = ViewMut { elements: &mut out, shape: out_shape };
                elementwise(&workers, view, operands, |out, [whole, row, column, scalar]: [&[u64]; 4]| {
                    for (index, out) in out.iter_mut().enumerate() {
                        *out =
                            whole[index] + (row[index] << 20) + (column[index] << 40) + (scalar[index] + 1);
                    }
                });
                for (index, out) in out.into_iter().enumerate() {
                    let (row, col) = ((index / cols) as u64, (index % cols) as u64);
                    assert_eq!(out, index as u64 + (col << 20) + (row << 40) + 1, "{out_shape} at {index}");
                }
            }
        }
    }
}
