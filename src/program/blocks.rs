//! Ops that only move elements: slices, places, reshaping, gathering by nested loops.

use super::range::Interval;
use super::{Op, Program, ProgramError, ValueId};
use crate::ring::{Axis, Shape};
use serde::Serialize;

/// Some indices along an axis: `count` of them from `start` on, `step` apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Stride {
    /// The first.
    pub start: usize,
    /// The distance, at least 1.
    pub step: usize,
    /// The number of them.
    pub count: usize,
}

impl Stride {
    /// The indices `start..end`.
    pub const fn range(start: usize, end: usize) -> Stride {
        Stride { start, step: 1, count: end.saturating_sub(start) }
    }

    /// Whether all of them are below `extent`.
    pub fn fits(self, extent: usize) -> bool {
        let last = self.count.checked_sub(1).and_then(|turns| turns.checked_mul(self.step));
        match last.and_then(|reach| reach.checked_add(self.start)) {
            Some(last) => last < extent && self.step > 0,
            None => self.count == 0,
        }
    }
}

/// One of nested loops: how often it runs, and how far a turn moves in the operand, in elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Loop {
    /// The number of its turns.
    pub count: usize,
    /// The distance of two turns, in elements.
    pub step: usize,
}

impl Loop {
    /// A loop that does not move.
    pub const ONCE: Loop = Loop { count: 1, step: 0 };
}

/// Which element of an operand, by its place in row-major order, stands where: that at `start`, moved by the loops over
/// rows and those over columns, each with the outermost first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Gather {
    /// The first element.
    pub start: usize,
    /// The rows, counted by nested loops.
    pub rows: [Loop; 3],
    /// The columns, likewise.
    pub cols: [Loop; 3],
}

impl Gather {
    /// All elements in row-major order, as a matrix of this shape.
    pub const fn in_order(shape: Shape) -> Gather {
        const fn along(count: usize, step: usize) -> [Loop; 3] {
            [Loop::ONCE, Loop::ONCE, Loop { count, step }]
        }
        Gather { start: 0, rows: along(shape.rows, shape.cols), cols: along(shape.cols, 1) }
    }

    /// The shape of the result.
    ///
    /// # Panics
    /// If it has more rows or columns than an address can name.
    pub fn shape(&self) -> Shape {
        let extent = |turns: &[Loop; 3]| turns.iter().map(|turn| turn.count).product();
        Shape::new(extent(&self.rows), extent(&self.cols))
    }

    /// The place of the element that stands at a row and a column.
    pub fn place(&self, row: usize, col: usize) -> usize {
        let moved = |turns: &[Loop; 3], index: usize| {
            turns.iter().rev().fold((index, 0), |(rest, sum), turn| {
                (rest / turn.count.max(1), sum + rest % turn.count.max(1) * turn.step)
            })
        };
        self.start + moved(&self.rows, row).1 + moved(&self.cols, col).1
    }
}

impl Program {
    /// Some rows and columns.
    ///
    /// # Errors
    /// If the value has not all of them.
    pub fn slice(&mut self, a: ValueId, rows: Stride, cols: Stride) -> Result<ValueId, ProgramError> {
        let (shape, label) = (self.value(a).shape, self.short(a));
        for (stride, extent, axis) in [(rows, shape.rows, "rows"), (cols, shape.cols, "columns")] {
            if !stride.fits(extent) {
                let Stride { start, step, count } = stride;
                let what = format!("{axis} {start}, {start} + {step}, …, {count} of them");
                return Err(ProgramError::OutOfRange { label, shape: shape.into(), what });
            }
        }
        let label = format!("{label}[…]");
        self.push_like(a, Op::Slice(a, rows, cols), Shape::new(rows.count, cols.count), label)
    }

    /// The value with its first element at row and column `at` of a matrix of `shape` that is zero around it.
    ///
    /// # Errors
    /// If it does not lie within the matrix.
    pub fn pad(&mut self, a: ValueId, at: (usize, usize), shape: Shape) -> Result<ValueId, ProgramError> {
        let (own, label) = (self.value(a).shape, self.short(a));
        let fits =
            |at: usize, own: usize, extent: usize| at.checked_add(own).is_some_and(|end| end <= extent);
        if !fits(at.0, own.rows, shape.rows) || !fits(at.1, own.cols, shape.cols) {
            let what = format!("place at row {} and column {} of a matrix of shape {shape}", at.0, at.1);
            return Err(ProgramError::OutOfRange { label, shape: own.into(), what });
        }
        self.push_like(a, Op::Pad(a, at), shape, format!("pad({label})"))
    }

    /// `a` and `b` one after the other: below each other along [`Axis::Rows`], beside each other along
    /// [`Axis::Cols`].
    ///
    /// # Errors
    /// If they differ in the other extent, or mix signed and unsigned integers that no reading of elements holds.
    pub fn concat(&mut self, a: ValueId, b: ValueId, axis: Axis) -> Result<ValueId, ProgramError> {
        let (a, b) = self.aligned(a, b)?;
        let result = self.joined(a, b, axis)?;
        self.mixed(result, &[a, b], None)
    }

    /// `a` and `b` one after the other, whichever integers they stand for.
    pub(super) fn joined(&mut self, a: ValueId, b: ValueId, axis: Axis) -> Result<ValueId, ProgramError> {
        let label = format!("concat({}, {})", self.short(a), self.short(b));
        let (first, second) = (self.value(a).shape, self.value(b).shape);
        let (fits, shape, at) = match axis {
            Axis::Rows => {
                let rows = first.rows.saturating_add(second.rows);
                (first.cols == second.cols, Shape::new(rows, first.cols), (first.rows, 0))
            }
            Axis::Cols => {
                let cols = first.cols.saturating_add(second.cols);
                (first.rows == second.rows, Shape::new(first.rows, cols), (0, first.cols))
            }
        };
        if !fits {
            let axis = usize::from(axis == Axis::Cols);
            return Err(ProgramError::Joined { operands: self.operands(a, b), axis });
        }
        let left = self.pad(a, (0, 0), shape)?;
        let right = self.pad(b, at, shape)?;
        let result = self.add(left, right)?;
        self.called(result, label, self.intervals((a, b), Interval::hull))
    }

    /// The same elements in row-major order as a matrix of another shape.
    ///
    /// # Errors
    /// If the shape has another number of elements.
    pub fn reshape(&mut self, a: ValueId, to: Shape) -> Result<ValueId, ProgramError> {
        let from = self.value(a).shape;
        if to.checked_len() != Some(from.len()) {
            return Err(ProgramError::Reshape {
                label: self.value(a).label.clone(),
                from: self.dims(a),
                to: Box::new(to.into()),
            });
        }
        let label = format!("reshape({}, {}, {})", self.short(a), to.rows, to.cols);
        self.push_like(a, Op::Gather(a, Gather::in_order(to)), to, label)
    }

    /// Elements in another order, some of them repeatedly.
    ///
    /// # Errors
    /// If a place lies beyond the value, or the result is too large.
    pub fn gather(&mut self, a: ValueId, gather: Gather) -> Result<ValueId, ProgramError> {
        let (from, label) = (self.value(a).shape, self.short(a));
        let turns = || gather.rows.iter().chain(&gather.cols);
        let extent =
            |turns: &[Loop; 3]| turns.iter().try_fold(1usize, |sum, turn| sum.checked_mul(turn.count));
        let (Some(rows), Some(cols)) = (extent(&gather.rows), extent(&gather.cols)) else {
            return Err(ProgramError::TooLarge { label, shape: Shape::new(usize::MAX, usize::MAX).into() });
        };
        let reach = turns().try_fold(gather.start, |sum, turn| {
            turn.count.saturating_sub(1).checked_mul(turn.step).and_then(|moved| sum.checked_add(moved))
        });
        if rows > 0 && cols > 0 && reach.is_none_or(|last| last >= from.len()) {
            let what = "place that far behind its first".to_owned();
            return Err(ProgramError::OutOfRange { label, shape: from.into(), what });
        }
        self.push_like(a, Op::Gather(a, gather), Shape::new(rows, cols), format!("gather({label})"))
    }
}
