//! Systems of linear equations, by elimination.

use super::super::range::Interval;
use super::super::{Program, ProgramError, Stride, ValueId};

impl Program {
    /// The x with a·x = b, for a square matrix and as many rows of right sides, or a vector. Method: Gauss–Jordan elimination
    /// without exchanges of rows, which would tell of the elements, so that the pivots must not be small: they are the
    /// ratios of leading minors. Of a symmetric positive definite matrix (a covariance, a Gram matrix with a ridge) all are
    /// at least the smallest eigenvalue.
    ///
    /// *Error:* about the condition number times 10⁻⁴, for pivots from 1 to 100 and elements up to 100; with pivots from
    /// 2^(1−f/2) on it is more the smaller these are. Smaller pivots are outside the function's domain. *Rounds:* 20 for
    /// each row.
    ///
    /// # Errors
    /// In integer programs, and where the shapes do not fit.
    pub fn solve(&mut self, a: ValueId, b: ValueId) -> Result<ValueId, ProgramError> {
        let (first, label) = (self.values().len(), format!("solve({}, {})", self.short(a), self.short(b)));
        let (dims, own) = (self.dims(a), self.dims(b));
        let right_rows = if own.rank() == 1 { own.cols() } else { own.rows() };
        let is_square = dims.rank() == 2 && dims.rows() == dims.cols() && dims.rows() > 0;
        if !is_square || !(1..=2).contains(&own.rank()) || right_rows != dims.rows() {
            return Err(ProgramError::Inner(self.operands(a, b)));
        }
        let (a, b) = (self.argument(a, &label)?, self.argument(b, &label)?);
        let rows = dims.rows();
        let columns = own.checked_len().unwrap_or(0) / rows;
        let right = self.reshape_to(b, super::super::Dims::from(crate::ring::Shape::new(rows, columns)))?;
        let (mut all, mut pivots) = (self.concat_along(a, right, 1)?, Vec::new());
        // The first row is eliminated from the others, and becomes the last one; its column is done with.
        for row in 0..rows {
            let width = rows + columns - row;
            let (whole, rest) = (Stride::range(0, width), Stride::range(1, width));
            let top = self.slice(all, Stride::range(0, 1), whole)?;
            let others = self.slice(all, Stride::range(1, rows), whole)?;
            let pivot = self.slice(top, Stride::range(0, 1), Stride::range(0, 1))?;
            pivots.push(pivot);
            let inverse = self.reciprocal(pivot)?;
            let behind = self.slice(top, Stride::range(0, 1), rest)?;
            let scaled = self.mul(behind, inverse)?;
            let factors = self.slice(others, Stride::range(0, rows - 1), Stride::range(0, 1))?;
            let left = self.slice(others, Stride::range(0, rows - 1), rest)?;
            let taken = self.mul(factors, scaled)?;
            let less = self.sub(left, taken)?;
            all = self.concat_along(less, scaled, 0)?;
        }
        let result = self.reshape_to(all, own)?;
        let pivots = self.joined_all(pivots, 1)?;
        self.set_label(pivots, &format!("each pivot of {label}"));
        let least = (1.0 - f64::from(self.codec().fraction_bits()) / 2.0).exp2();
        self.demand(result, pivots, Interval::new(least, f64::INFINITY));
        for value in first..self.values.len() {
            let value = ValueId(value as u32);
            if value != pivots {
                self.set_label(value, &label);
            }
        }
        self.called(result, label, None)
    }

    /// The inverse of a square matrix: see [`Program::solve`].
    ///
    /// # Errors
    /// As [`Program::solve`].
    pub fn inverse(&mut self, a: ValueId) -> Result<ValueId, ProgramError> {
        let (label, rows) = (format!("inverse({})", self.short(a)), self.dims(a).rows());
        let identity = self.identity(rows)?;
        let result = self.solve(a, identity)?;
        self.called(result, label, None)
    }
}
