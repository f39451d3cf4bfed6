//! Roots of sums of squares, and what divides by them.

use super::super::gradient::Composite;
use super::super::range::Interval;
use super::super::{Dims, Program, ProgramError, ValueId};

/// More fraction bits than the inverse of a root needs.
const MOST_INVERSE_BITS: u32 = 40;

impl Program {
    /// The root of the mean squared distance from the mean along an axis, which keeps extent 1 (NumPy's `std`). The
    /// variance has g fraction bits.
    ///
    /// *Error:* at most 5·10⁻⁴, and 3·10⁻⁵ of the larger of the result and 1 for deviations from 0.05 on. In 32 bits:
    /// 5·10⁻². *Rounds:* 19 where bounds show the squares to be small, otherwise 26.
    ///
    /// # Errors
    /// In integer programs, and where there is no such axis or no element along it.
    pub fn std_along(&mut self, a: ValueId, axis: usize) -> Result<ValueId, ProgramError> {
        let (first, label) = (self.values().len(), format!("std({})", self.short(a)));
        let a = self.argument(a, &label)?;
        let (distance, variance) = self.variance(a, axis, self.fine_bits())?;
        self.parts_of(first, &label);
        self.composed(first, variance, Composite::Variance { of: a, distance, axis });
        let result = self.sqrt(variance)?;
        self.called(result, label, None)
    }

    /// The root of the sum of all squares, a single number. The sum must stay below 2^(k−2−2f), as products must.
    ///
    /// *Error:* at most 5·10⁻⁴, and 10⁻⁵ of the result. In 32 bits: 5·10⁻². *Rounds:* 18.
    ///
    /// # Errors
    /// In integer programs.
    pub fn norm(&mut self, a: ValueId) -> Result<ValueId, ProgramError> {
        let row = Dims::new(&[self.value(a).shape.len()]).expect("one axis");
        let row = self.reshape_to(a, row)?;
        let length = self.norm_along(row, 0)?;
        self.reshape_to(length, Dims::SCALAR)
    }

    /// The same along an axis, which keeps extent 1.
    ///
    /// # Errors
    /// As [`Program::norm`], and where there is no such axis.
    pub fn norm_along(&mut self, a: ValueId, axis: usize) -> Result<ValueId, ProgramError> {
        let (first, label) = (self.values().len(), format!("norm({})", self.short(a)));
        let a = self.argument(a, &label)?;
        let start = self.values().len();
        let squares = self.raw_product(a, a)?;
        let sum = self.sum_along(squares, axis)?;
        self.need_from(start);
        // As many fraction bits as there are, so that small roots are as right as large ones.
        let bits = self.value(sum).fraction_bits.min(self.fine_bits());
        let sum = self.rescaled(sum, 0, bits)?;
        self.refine(sum, Some(Interval::new(0.0, f64::INFINITY)));
        let result = self.sqrt(sum)?;
        self.parts_of(first, &label);
        self.called(result, label, None)
    }

    /// a/√(mean of squares + epsilon) along an axis, times `scale`, which broadcasts (Zhang and Sennrich, "Root Mean Square
    /// Layer Normalization", 2019). The mean has g fraction bits.
    ///
    /// *Error:* at most 10⁻⁴ for epsilon = 10⁻⁵ and means of squares from 2⁻⁸ on. In 32 bits: 6·10⁻³ for those from 1 on.
    /// *Rounds:* 21 where bounds show the squares to be small, otherwise 28, and 2 with a scale.
    ///
    /// # Errors
    /// In integer programs, where epsilon is not positive, and where shapes or axis do not fit.
    pub fn rmsnorm(
        &mut self,
        a: ValueId,
        scale: Option<ValueId>,
        axis: usize,
        epsilon: f64,
    ) -> Result<ValueId, ProgramError> {
        let (first, label) = (self.values().len(), format!("rmsnorm({})", self.short(a)));
        self.check_axis(a, axis)?;
        let a = self.argument(a, &label)?;
        let (bits, fine, count) =
            (self.codec().fraction_bits(), self.fine_bits(), self.dims(a).extents()[axis]);
        if count == 0 {
            return Err(ProgramError::NoElement { label: self.short(a), shape: self.dims(a) });
        }
        let mean = self.mean_square_along(a, axis, fine)?;
        // No element is above √n times the root, and roundings add less than as much again.
        let reach = 2.0 * (count as f64).sqrt();
        let own = self.value(a).fraction_bits;
        let room = (self.ring().bits() - 3 - own).saturating_sub(reach.log2().ceil() as u32);
        let inverse = self.inverse_deviation(mean, epsilon, room.min(MOST_INVERSE_BITS))?;
        let mut result = self.product_within(a, inverse, bits, Some(Interval::symmetric(reach)))?;
        self.composed(first, result, Composite::Normal { of: a, inverse, axis, centred: false });
        if let Some(scale) = scale {
            let start = self.values().len();
            result = self.mul(result, scale)?;
            self.need_from(start);
        }
        self.parts_of(first, &label);
        if bits * 2 < fine + super::statistics::GUARD_BITS {
            let most = f64::from(self.ring().bits() - 2 - fine - super::statistics::GUARD_BITS).exp2();
            self.demand(result, mean, Interval::new(0.0, most));
            self.set_label(mean, "its mean square");
        }
        self.called(result, label, None)
    }

    /// ln softmax along an axis: the distance from the largest element, less the logarithm of the sum of powers of these.
    ///
    /// *Error:* at most 10⁻⁴, where elements are less than 16 apart, below which powers count as e^−16. In 32 bits: 2·10⁻².
    /// *Rounds:* 23 beside those of the largest element.
    ///
    /// # Errors
    /// In integer programs, and where there is no such axis or no element along it.
    pub fn log_softmax(&mut self, a: ValueId, axis: usize) -> Result<ValueId, ProgramError> {
        let (first, label) = (self.values().len(), format!("log_softmax({})", self.short(a)));
        let a = self.argument(a, &label)?;
        let (below, logarithm) = self.log_powers(a, axis)?;
        let result = self.sub(below, logarithm)?;
        self.parts_of(first, &label);
        self.composed(first, result, Composite::LogSoftmax(a, axis));
        self.called(result, label, None)
    }
}
