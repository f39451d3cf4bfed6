//! Reductions over an axis: sums, means, and tournaments for the largest, the smallest and where they stand.
//!
//! A tournament halves the axis each round: neighbours meet, the winner goes on, and one without a neighbour waits. So
//! n elements take ⌈log₂ n⌉ rounds of comparisons, n − 1 in all.
//!
//! What reduces a matrix takes an [`Axis`]; what is called *along* reduces a tensor along an axis, which keeps extent 1,
//! so that the result broadcasts with what was reduced: [`Program::squeeze`] drops it. The last axis is that of the
//! matrix which the tensor lies in; for another one the tensor is gathered into a matrix with a row for each of its
//! indices.

use super::gradient::{Adjoint, Composite};
use super::range::Interval;
use super::{Gather, Loop, Meaning, Number, Program, ProgramError, Stride, Term, Test, ValueId};
use crate::ring::{Axis, Shape};

impl Program {
    /// Means over one axis, or over both: the sums times 1/n. Where bounds would let the sums leave the ring, each
    /// element is cut in two first, and the mean is that of both parts.
    ///
    /// *Error:* that of [`Program::scale`], twice where elements are cut.
    ///
    /// # Errors
    /// Where there is no element, and in integer programs.
    pub fn mean(&mut self, a: ValueId, axis: Option<Axis>) -> Result<ValueId, ProgramError> {
        let (shape, label) = (self.value(a).shape, self.short(a));
        let count = match axis {
            Some(axis) => extent(shape, axis),
            None => shape.len(),
        };
        if count == 0 {
            return Err(ProgramError::NoElement { label, shape: shape.into() });
        }
        let (first, label) = (self.values.len(), format!("mean({label})"));
        let result = self.mean_of(a, axis, count as f64)?;
        self.parts_of(first, &label);
        self.called(result, label, None)
    }

    /// The sums over one axis, or over both, divided by a number that is no less than the number of summands that are not
    /// zero; see [`Program::mean`] for the method.
    pub(super) fn mean_of(
        &mut self,
        a: ValueId,
        axis: Option<Axis>,
        count: f64,
    ) -> Result<ValueId, ProgramError> {
        let (first, label) = (self.values.len(), format!("mean({})", self.short(a)));
        let a = self.argument(a, &label)?;
        let bits = self.codec().fraction_bits();
        let most = f64::from(self.ring().bits() - 2 - self.value(a).fraction_bits).exp2();
        let known = self.interval(a).filter(|known| known.reach().is_finite());
        let result = if known.is_some_and(|known| known.reach() < most && known.reach() * count >= most) {
            let cut = count.log2().ceil() + 1.0;
            let (high, low) = self.cut(a, cut as u32)?;
            let (high, low) = (self.sum(high, axis)?, self.sum(low, axis)?);
            let high = self.multiple(high, cut.exp2() / count, bits)?;
            let low = self.multiple(low, 1.0 / count, bits)?;
            self.add(high, low)?
        } else {
            let start = self.values.len();
            let sum = self.sum(a, axis)?;
            self.need_from(start);
            self.multiple(sum, 1.0 / count, bits)?
        };
        self.composed(first, result, Composite::Mean(a, axis, count));
        Ok(result)
    }

    /// g/n to each element.
    pub(super) fn passed_by_mean(
        &mut self,
        a: ValueId,
        axis: Option<Axis>,
        count: f64,
        adjoint: Adjoint,
    ) -> Result<Adjoint, ProgramError> {
        let shape = self.value(a).shape;
        let adjoint = adjoint.times(1.0 / count);
        match axis {
            Some(axis) => self.spread(adjoint, axis, shape),
            None => {
                let row = self.spread(adjoint, Axis::Cols, Shape::new(1, shape.cols))?;
                self.spread(row, Axis::Rows, shape)
            }
        }
    }

    /// The largest element along an axis.
    ///
    /// # Errors
    /// Where there is none.
    pub fn max_over(&mut self, a: ValueId, axis: Axis) -> Result<ValueId, ProgramError> {
        let label = format!("max({})", self.short(a));
        let result = self.tournament(a, axis, |program, left, right| program.max(left, right))?;
        self.called(result, label, self.interval(a))
    }

    /// The smallest element along an axis.
    ///
    /// # Errors
    /// Where there is none.
    pub fn min_over(&mut self, a: ValueId, axis: Axis) -> Result<ValueId, ProgramError> {
        let label = format!("min({})", self.short(a));
        let result = self.tournament(a, axis, |program, left, right| program.min(left, right))?;
        self.called(result, label, self.interval(a))
    }

    /// The index along an axis of the largest element, an integer; of equal ones the first.
    ///
    /// # Errors
    /// Where there is none.
    pub fn argmax(&mut self, a: ValueId, axis: Axis) -> Result<ValueId, ProgramError> {
        self.arg(a, axis, true)
    }

    /// The index along an axis of the smallest element, an integer; of equal ones the first.
    ///
    /// # Errors
    /// Where there is none.
    pub fn argmin(&mut self, a: ValueId, axis: Axis) -> Result<ValueId, ProgramError> {
        self.arg(a, axis, false)
    }

    /// Sums along an axis.
    ///
    /// # Errors
    /// Where there is no such axis.
    pub fn sum_along(&mut self, a: ValueId, axis: usize) -> Result<ValueId, ProgramError> {
        self.along_axis(a, axis, |program, a, axis| program.sum(a, Some(axis)))
    }

    /// Means along an axis; see [`Program::mean`].
    ///
    /// # Errors
    /// Where there is no such axis, and as [`Program::mean`].
    pub fn mean_along(&mut self, a: ValueId, axis: usize) -> Result<ValueId, ProgramError> {
        self.along_axis(a, axis, |program, a, axis| program.mean(a, Some(axis)))
    }

    /// The largest element along an axis.
    ///
    /// # Errors
    /// Where there is no such axis, or no element along it.
    pub fn max_along(&mut self, a: ValueId, axis: usize) -> Result<ValueId, ProgramError> {
        self.along_axis(a, axis, Program::max_over)
    }

    /// The smallest element along an axis.
    ///
    /// # Errors
    /// Where there is no such axis, or no element along it.
    pub fn min_along(&mut self, a: ValueId, axis: usize) -> Result<ValueId, ProgramError> {
        self.along_axis(a, axis, Program::min_over)
    }

    /// The index along an axis of the largest element; see [`Program::argmax`].
    ///
    /// # Errors
    /// Where there is no such axis, or no element along it.
    pub fn argmax_along(&mut self, a: ValueId, axis: usize) -> Result<ValueId, ProgramError> {
        self.along_axis(a, axis, Program::argmax)
    }

    /// The index along an axis of the smallest element; see [`Program::argmin`].
    ///
    /// # Errors
    /// Where there is no such axis, or no element along it.
    pub fn argmin_along(&mut self, a: ValueId, axis: usize) -> Result<ValueId, ProgramError> {
        self.along_axis(a, axis, Program::argmin)
    }

    /// The same elements without an axis of extent 1.
    ///
    /// # Errors
    /// Where there is no such axis, or it has another extent.
    pub fn squeeze(&mut self, a: ValueId, axis: usize) -> Result<ValueId, ProgramError> {
        self.check_axis(a, axis)?;
        let dims = self.dims(a);
        if dims.extents()[axis] != 1 {
            let what = format!("axis {axis} of extent 1");
            return Err(ProgramError::OutOfRange { label: self.short(a), shape: dims, what });
        }
        self.reshape_to(a, dims.without(axis))
    }

    /// A reduction of matrices, applied along an axis of a tensor.
    pub(super) fn along_axis(
        &mut self,
        a: ValueId,
        axis: usize,
        reduce: impl FnOnce(&mut Program, ValueId, Axis) -> Result<ValueId, ProgramError>,
    ) -> Result<ValueId, ProgramError> {
        self.check_axis(a, axis)?;
        let dims = self.dims(a);
        let reduced = dims.with(axis, 1);
        if dims.rank() == 2 {
            return reduce(self, a, if axis == 0 { Axis::Rows } else { Axis::Cols });
        }
        if axis + 1 == dims.rank() {
            let first = self.values.len();
            let result = reduce(self, a, Axis::Cols)?;
            // One element alone is its own largest: the same value, of the same extents.
            return Ok(if result.index() < first { result } else { self.with_dims(result, reduced) });
        }
        let (count, inner) = (dims.extents()[axis], dims.stride(axis));
        let outer = dims.extents()[..axis].iter().product();
        let turn = |count, step| Loop { count, step };
        let gather = Gather {
            start: 0,
            rows: [Loop::ONCE, Loop::ONCE, turn(count, inner)],
            cols: [Loop::ONCE, turn(outer, count * inner), turn(inner, 1)],
        };
        let label = self.value(a).label.clone();
        let matrix = self.gather_from(a, gather)?;
        self.set_label(matrix, &label);
        let row = reduce(self, matrix, Axis::Rows)?;
        self.reshape_to(row, reduced)
    }

    /// The winners of the first round, and the winners' of those, until one is left.
    fn tournament(
        &mut self,
        mut a: ValueId,
        axis: Axis,
        mut winner: impl FnMut(&mut Program, ValueId, ValueId) -> Result<ValueId, ProgramError>,
    ) -> Result<ValueId, ProgramError> {
        self.check_elements(a, axis)?;
        while extent(self.value(a).shape, axis) > 1 {
            let (left, right, alone) = self.pairs(a, axis)?;
            let won = winner(self, left, right)?;
            a = self.with_alone(won, alone, axis)?;
        }
        Ok(a)
    }

    /// The tournament of elements with their indices. An index is counted from where the winner's block begins, so that
    /// it is zero before the first round, and a block's width more where the right one wins.
    fn arg(&mut self, a: ValueId, axis: Axis, largest: bool) -> Result<ValueId, ProgramError> {
        let (name, of) = if largest { ("argmax", "max") } else { ("argmin", "min") };
        let (first, mut best, label) = (self.values.len(), a, format!("{name}({})", self.short(a)));
        self.check_elements(a, axis)?;
        let mut index = None;
        let mut width = 1;
        while extent(self.value(best).shape, axis) > 1 {
            let (left, right, alone) = self.pairs(best, axis)?;
            let round = self.values.len();
            let (lesser, greater) = if largest { (left, right) } else { (right, left) };
            let lead = self.sub(lesser, greater)?;
            let right_wins = match self.is_read(lead) {
                true => self.decided(lesser, Test::Negative, Term::Value(greater), lead)?,
                false => self.raw_test(lead, Test::Negative)?,
            };
            let moved = self.mul(right_wins, lead)?;
            let best_of_two = if largest { self.sub(left, moved)? } else { self.add(left, moved)? };
            let other = Term::Value(right);
            let meaning = if largest { Meaning::Larger(left, other) } else { Meaning::Smaller(left, other) };
            let between = if largest { Interval::larger } else { Interval::smaller };
            let won = self.means(round, best_of_two, meaning)?;
            let known = self.intervals((left, right), between);
            let won = self.called(won, format!("{of}({})", self.short(best)), known)?;
            best = self.with_alone(won, alone, axis)?;
            index = Some(match index {
                None => {
                    let waits = alone.map(|alone| self.place_zero(alone)).transpose()?;
                    self.with_alone(right_wins, waits, axis)?
                }
                Some(index) => {
                    let (of_left, of_right, waits) = self.pairs(index, axis)?;
                    let further = self.sub(of_right, of_left)?;
                    let further = self.add_constant(further, Number::Integer(width))?;
                    let moved = self.mul(right_wins, further)?;
                    let moved = self.add(of_left, moved)?;
                    self.with_alone(moved, waits, axis)?
                }
            });
            width *= 2;
        }
        let index = match index {
            Some(index) => index,
            None => self.place_zero(best)?,
        };
        self.see_to(first);
        let meaning = if largest { Meaning::Largest(a, axis) } else { Meaning::Smallest(a, axis) };
        self.means(first, index, meaning)?;
        let last = extent(self.value(a).shape, axis) - 1;
        self.called(index, label, Some(Interval::new(0.0, last as f64)))
    }

    /// Zero as a place, for each element.
    fn place_zero(&mut self, like: ValueId) -> Result<ValueId, ProgramError> {
        let zeros = self.everywhere(like, 0)?;
        self.unread(zeros);
        Ok(zeros)
    }

    /// The elements at even places, those at odd ones, and the last if it has no neighbour.
    fn pairs(&mut self, a: ValueId, axis: Axis) -> Result<(ValueId, ValueId, Option<ValueId>), ProgramError> {
        let count = extent(self.value(a).shape, axis);
        let every_other = |start| Stride { start, step: 2, count: count / 2 };
        let alone =
            if count % 2 == 1 { Some(self.along(a, axis, Stride::range(count - 1, count))?) } else { None };
        let left = self.along(a, axis, every_other(0))?;
        let right = self.along(a, axis, every_other(1))?;
        Ok((left, right, alone))
    }

    pub(super) fn along(&mut self, a: ValueId, axis: Axis, stride: Stride) -> Result<ValueId, ProgramError> {
        let shape = self.value(a).shape;
        match axis {
            Axis::Rows => self.slice(a, stride, Stride::range(0, shape.cols)),
            Axis::Cols => self.slice(a, Stride::range(0, shape.rows), stride),
        }
    }

    fn with_alone(
        &mut self,
        won: ValueId,
        alone: Option<ValueId>,
        axis: Axis,
    ) -> Result<ValueId, ProgramError> {
        alone.map_or(Ok(won), |alone| self.concat(won, alone, axis))
    }

    fn check_elements(&self, a: ValueId, axis: Axis) -> Result<(), ProgramError> {
        let shape = self.value(a).shape;
        if extent(shape, axis) > 0 {
            return Ok(());
        }
        Err(ProgramError::NoElement { label: self.value(a).label.clone(), shape: self.dims(a) })
    }
}

/// What a reduction over the axis runs over.
fn extent(shape: Shape, axis: Axis) -> usize {
    match axis {
        Axis::Rows => shape.rows,
        Axis::Cols => shape.cols,
    }
}
