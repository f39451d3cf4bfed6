//! Choosing by a shared index.

use super::super::{Number, Program, ProgramError, Span, Test, ValueId};
use crate::ring::Axis;

impl Program {
    /// `count` integers for each index, along one more axis behind its own: 1 where the index is the place along it, 0
    /// elsewhere, and everywhere if it is none of them. Method: the index is compared with all places at once.
    ///
    /// *Error:* none. *Rounds:* those of one comparison, 4 at most: fewer where the index is known to be small.
    ///
    /// # Errors
    /// Where there are four axes already, or `count` is zero.
    pub fn one_hot(&mut self, index: ValueId, count: usize) -> Result<ValueId, ProgramError> {
        let (first, label) = (self.values().len(), format!("one_hot({}, {count})", self.short(index)));
        let dims = self.dims(index);
        let Some(column) = dims.followed_by(1).ok().filter(|_| count > 0) else {
            let what = format!("room for an axis of {count} places");
            return Err(ProgramError::OutOfRange { label: self.short(index), shape: dims, what });
        };
        let axis = dims.rank();
        // Differences to 0, then to 0 and 1, to 0..4 and so on, as many as there are places.
        let (mut all, mut width) = (self.reshape_to(index, column)?, 1);
        while width < count {
            let more = width.min(count - width);
            let part = self.along(all, Axis::Cols, super::super::Stride::range(0, more))?;
            let lower = self.add_constant(part, Number::Integer(-(width as i128)))?;
            let next = self.joined(all, lower, Axis::Cols)?;
            all = self.with_dims(next, column.with(axis, width + more));
            width += more;
        }
        let result = self.raw_test(all, Test::Zero)?;
        self.settle_parts(first);
        self.parts_of(first, &label);
        self.called(result, label, None)
    }

    /// For each index, the row of `table` that it names, along one more axis, or zeros if it names none: the product of
    /// [`Program::one_hot`] and the table, which needs no truncation.
    ///
    /// *Error:* none. *Rounds:* one more than [`Program::one_hot`].
    ///
    /// # Errors
    /// As [`Program::one_hot`], and where the table is not a matrix.
    pub fn lookup(&mut self, table: ValueId, index: ValueId) -> Result<ValueId, ProgramError> {
        let label = format!("lookup({}, {})", self.short(table), self.short(index));
        let dims = self.dims(table);
        if dims.rank() != 2 {
            let what = "rows to look up: it is no matrix".to_owned();
            return Err(ProgramError::OutOfRange { label: self.short(table), shape: dims, what });
        }
        let chosen = self.one_hot(index, dims.rows())?;
        let first = self.values().len();
        let result = self.matmul(chosen, table)?;
        self.settle_parts(first);
        self.see_to(first);
        if self.is_read(result) {
            let exact = self.integers(table).span.hull(Span::at(0));
            self.settle(result, exact, &[table]);
        }
        let known =
            self.interval(table).map(|known| known.hull(super::super::range::Interval::new(0.0, 0.0)));
        self.called(result, label, known)
    }
}
