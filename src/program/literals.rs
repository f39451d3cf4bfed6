//! Public tensors: numbers that the program's text says.
//!
//! A public tensor of a text is the sum of zeros, which are a public scalar of which no element is kept with zeros around it,
//! and public constants; so no party brings it, and everybody [knows](Program::known) it. Whole numbers are integers beside
//! fixed-point numbers, as results of comparisons are: products with them are exact.

use super::build::whole;
use super::range::Interval;
use super::{Dims, Number, Op, Program, ProgramError, Span, Stride, ValueId};
use crate::ring::Shape;

/// A list has at most so many numbers: each is an op of its own.
pub const MOST_LISTED: usize = 4096;

impl Program {
    /// Zeros.
    ///
    /// # Errors
    /// Where the program has no value yet, or the extents are too large.
    pub fn zeros(&mut self, dims: Dims) -> Result<ValueId, ProgramError> {
        self.zeros_of(dims, 0)
    }

    /// One public number in every element.
    ///
    /// # Errors
    /// As [`Program::zeros`], and where the number cannot be written in the ring.
    pub fn filled(&mut self, dims: Dims, number: Number) -> Result<ValueId, ProgramError> {
        self.filled_as(dims, number, whole(number).is_some())
    }

    /// The identity matrix.
    ///
    /// # Errors
    /// As [`Program::zeros`].
    pub fn identity(&mut self, extent: usize) -> Result<ValueId, ProgramError> {
        let too_large = || ProgramError::TooLarge {
            label: format!("eye({extent})"),
            shape: Dims::from(Shape::new(extent, extent)),
        };
        let dims = Dims::from(Shape::new(extent, extent));
        if extent < 2 {
            return self.filled(dims, Number::Integer(1));
        }
        let longer = extent.checked_mul(extent + 1).ok_or_else(too_large)?;
        let one = self.filled(Dims::from(Shape::SCALAR), Number::Integer(1))?;
        let row = self.pad(one, (0, 0), Shape::new(1, extent + 1))?;
        // A period of one more than the extent: each row begins one place later in it.
        let turn = |count, step| super::Loop { count, step };
        let rows = self.by_turns(row, 0, &[turn(extent, 0), turn(extent + 1, 1)])?;
        let all = self.reshape_to(rows, Dims::new(&[longer]).expect("one axis"))?;
        let square = self.slice_axes(all, &[Stride::range(0, extent * extent)])?;
        let result = self.reshape_to(square, dims)?;
        self.called(result, format!("eye({extent})"), Some(Interval::new(0.0, 1.0)))
    }

    /// The numbers `start`, `start` + `step`, … as a vector.
    ///
    /// *Error:* none for whole numbers, otherwise one unit and a half at most.
    ///
    /// # Errors
    /// As [`Program::zeros`], and where a number cannot be written in the ring.
    pub fn progression(
        &mut self,
        start: Number,
        step: Number,
        count: usize,
    ) -> Result<ValueId, ProgramError> {
        let vector = |count| Dims::new(&[count]).expect("one axis");
        if count == 0 {
            return self.zeros(vector(0));
        }
        let (Some(first), Some(apart)) = (whole(start), whole(step)) else {
            if count <= MOST_LISTED {
                let number = |index| Number::Real(start.value() + index as f64 * step.value());
                return self.listed(&(0..count).map(number).collect::<Vec<_>>(), vector(count));
            }
            let indices = self.progression(Number::Integer(0), Number::Integer(1), count)?;
            let steps = self.scale(indices, step)?;
            return self.add_constant(steps, start);
        };
        let (mut all, mut width) = (self.filled(vector(1), Number::Integer(first))?, 1);
        while width < count {
            let more = width.min(count - width);
            let part = self.slice_axes(all, &[Stride::range(0, more)])?;
            let further = apart.saturating_mul(width as i128);
            let next = self.add_constant(part, Number::Integer(further))?;
            all = self.concat_along(all, next, 0)?;
            width += more;
        }
        let label = format!("arange({count})");
        self.called(all, label, None)
    }

    /// These numbers, row by row, as a tensor. They are integers where all are whole.
    ///
    /// *Error:* half a unit of each.
    ///
    /// # Errors
    /// As [`Program::filled`], and where there are more than [`MOST_LISTED`].
    ///
    /// # Panics
    /// Where the extents have another number of elements.
    pub fn listed(&mut self, numbers: &[Number], dims: Dims) -> Result<ValueId, ProgramError> {
        assert_eq!(dims.checked_len(), Some(numbers.len()), "as many elements as numbers");
        if numbers.len() > MOST_LISTED {
            return Err(ProgramError::TooLarge { label: "a list".to_owned(), shape: dims });
        }
        let integers = numbers.iter().all(|&number| whole(number).is_some());
        let mut parts = Vec::new();
        for run in numbers.chunk_by(|a, b| a == b) {
            let vector = Dims::new(&[run.len()]).expect("one axis");
            parts.push(self.filled_as(vector, run[0], integers)?);
        }
        if parts.is_empty() {
            return self.zeros(dims);
        }
        let all = self.joined_all(parts, 0)?;
        self.reshape_to(all, dims)
    }

    /// Values one after the other along an axis, neighbours first, so that every element is moved a logarithmic number of
    /// times.
    ///
    /// # Errors
    /// Where they differ along another axis.
    ///
    /// # Panics
    /// Where there is none.
    pub(super) fn joined_all(
        &mut self,
        mut parts: Vec<ValueId>,
        axis: usize,
    ) -> Result<ValueId, ProgramError> {
        while parts.len() > 1 {
            let mut joined = Vec::new();
            for pair in parts.chunks(2) {
                joined.push(match *pair {
                    [left, right] => self.concat_along(left, right, axis)?,
                    _ => pair[0],
                });
            }
            parts = joined;
        }
        Ok(parts[0])
    }

    /// Values of the same extents beside each other along a new axis.
    ///
    /// # Errors
    /// Where their extents differ, or there would be more than four axes.
    ///
    /// # Panics
    /// Where there is none.
    pub fn stack(&mut self, values: &[ValueId], axis: usize) -> Result<ValueId, ProgramError> {
        let dims = self.dims(values[0]);
        if axis > dims.rank() {
            let what = format!("place for a new axis {axis}");
            return Err(ProgramError::OutOfRange { label: self.short(values[0]), shape: dims, what });
        }
        if let Some(&other) = values.iter().find(|&&value| self.dims(value) != dims) {
            return Err(ProgramError::Unequal(self.operands(values[0], other)));
        }
        let mut extents = dims.extents().to_vec();
        extents.insert(axis, 1);
        let longer = Dims::new(&extents).map_err(|_| {
            let what = "room for a fifth axis".to_owned();
            ProgramError::OutOfRange { label: self.short(values[0]), shape: dims, what }
        })?;
        let parts: Result<Vec<ValueId>, ProgramError> =
            values.iter().map(|&value| self.reshape_to(value, longer)).collect();
        let parts = parts?;
        self.joined_all(parts, axis)
    }

    /// A number in every element, as an integer or at the scale of the program's numbers.
    pub(super) fn filled_as(
        &mut self,
        dims: Dims,
        number: Number,
        integer: bool,
    ) -> Result<ValueId, ProgramError> {
        let bits = if integer { 0 } else { self.codec().fraction_bits() };
        let zeros = self.zeros_of(dims, bits)?;
        // Less than half a unit is none.
        if (number.value() * f64::from(bits).exp2()).abs() < 0.5 {
            return Ok(zeros);
        }
        let result = self.add_constant(zeros, number)?;
        self.called(result, number.value().to_string(), None)
    }

    /// Zeros with so many fraction bits.
    fn zeros_of(&mut self, dims: Dims, bits: u32) -> Result<ValueId, ProgramError> {
        let label = "0".to_owned();
        let dims = self.bearable(&label, dims)?;
        if self.values.is_empty() {
            return Err(ProgramError::Public);
        }
        let any = self.public_zero()?;
        let nothing = self.slice(any, Stride::range(0, 0), Stride::range(0, 0))?;
        let zeros = self.push_scaled(Op::Pad(nothing, (0, 0)), dims.folded(), bits, label)?;
        self.values[zeros.index()].interval = (!self.counts()).then_some(Interval::at(0.0));
        self.settle(zeros, Span::at(0), &[]);
        Ok(self.with_dims(zeros, dims))
    }

    /// Whether an op keeps no element of a value that has some: what is computed of that depends on nothing.
    pub(super) fn keeps_nothing(&self, op: Op) -> bool {
        match op {
            Op::Slice(a, rows, cols) => {
                (rows.count == 0 || cols.count == 0) && !self.value(a).shape.is_empty()
            }
            _ => false,
        }
    }
}
