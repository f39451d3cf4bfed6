//! Variances and what divides by them.

use super::super::gradient::{Adjoint, Composite};
use super::super::range::{Interval, Outside, Warning};
use super::super::{Dims, Program, ProgramError, ValueId};

/// More than all roundings of a variance, as a factor of it.
const SQUARES_ROUND: f64 = 1.0001;

/// More fraction bits than the inverse of a deviation needs.
const MOST_INVERSE_BITS: u32 = 40;

/// Fraction bits in which the parts of a variance are added, beyond its own.
pub(super) const GUARD_BITS: u32 = 3;

impl Program {
    /// The mean of the squared distances from the mean along an axis, which keeps extent 1 (NumPy's `var`). Squares are
    /// summed before they are truncated.
    ///
    /// *Error:* at most 4·10⁻⁵ of the larger of the result and 1; that of the mean counts with its square alone. In 32
    /// bits: 10⁻². *Rounds:* 4 where bounds show the squares to be small, otherwise 9.
    ///
    /// # Errors
    /// In integer programs, and where there is no such axis or no element along it.
    pub fn var_along(&mut self, a: ValueId, axis: usize) -> Result<ValueId, ProgramError> {
        let (first, label) = (self.values().len(), format!("var({})", self.short(a)));
        let a = self.argument(a, &label)?;
        let (distance, variance) = self.variance(a, axis, self.codec().fraction_bits())?;
        self.parts_of(first, &label);
        self.composed(first, variance, Composite::Variance { of: a, distance, axis });
        self.called(variance, label, None)
    }

    /// 2/n of the distance from the mean.
    pub(in crate::program) fn passed_by_variance(
        &mut self,
        (a, distance): (ValueId, ValueId),
        axis: usize,
        adjoint: Adjoint,
    ) -> Result<Adjoint, ProgramError> {
        let dims = self.dims(a);
        let adjoint = self.redimmed(adjoint.times(2.0 / dims.extents()[axis] as f64), dims.with(axis, 1))?;
        match adjoint.value {
            None => Ok(adjoint.with(distance)),
            Some(g) => Ok(adjoint.with(self.mul(g, distance)?)),
        }
    }

    /// (a − mean)/√(variance + epsilon) along an axis, times `scale`, plus `offset`, which broadcast (Ba, Kiros and
    /// Hinton, "Layer Normalization", 2016). The variance has g fraction bits.
    ///
    /// *Error:* at most 10⁻⁴ for epsilon = 10⁻⁵ and variances from 2⁻⁸ on. In 32 bits: 6·10⁻³ for variances from 1 on.
    /// *Rounds:* 21 where bounds show the squares to be small, otherwise 28, and 2 with a scale.
    ///
    /// # Errors
    /// In integer programs, where epsilon is not positive, and where shapes or axis do not fit.
    pub fn layernorm(
        &mut self,
        a: ValueId,
        affine: Option<(ValueId, ValueId)>,
        axis: usize,
        epsilon: f64,
    ) -> Result<ValueId, ProgramError> {
        let (first, label) = (self.values().len(), format!("layernorm({})", self.short(a)));
        let a = self.argument(a, &label)?;
        let (bits, fine) = (self.codec().fraction_bits(), self.fine_bits());
        let (distance, variance) = self.variance(a, axis, fine)?;
        // What the mean's rounding leaves would count as much more as the deviation is less than 1.
        let count = self.dims(a).extents()[axis] as f64;
        let guarded = self.value(distance).fraction_bits.max(self.ring().bits() * 3 / 8 - 2);
        let total = self.sum_along(distance, axis)?;
        let rest = self.multiple(total, 1.0 / count, guarded)?;
        let distance = self.rescaled(distance, 0, guarded)?;
        let distance = self.sub(distance, rest)?;
        // No distance is above √n times the deviation, and roundings add less than as much again.
        let reach = 2.0 * count.sqrt();
        let room = self.ring().bits() - 3 - guarded - reach.log2().ceil() as u32;
        let inverse = self.inverse_deviation(variance, epsilon, room.min(MOST_INVERSE_BITS))?;
        let mut result = self.product_within(distance, inverse, bits, Some(Interval::symmetric(reach)))?;
        self.composed(first, result, Composite::Normal { of: a, inverse, axis, centred: true });
        if let Some((scale, offset)) = affine {
            let start = self.values().len();
            let scaled = self.mul(result, scale)?;
            result = self.add(scaled, offset)?;
            self.need_from(start);
        }
        self.parts_of(first, &label);
        // Squares may be larger where there are so few fraction bits.
        let squares = fine + GUARD_BITS;
        if self.codec().fraction_bits() * 2 < squares {
            let most = f64::from(self.ring().bits() - 2 - squares).exp2();
            self.demand(result, variance, Interval::new(0.0, most));
            self.set_label(variance, "its variance");
        }
        self.called(result, label, None)
    }

    /// (g − mean(g) − y·mean(g·y)) times the inverse deviation; without the mean of g where the mean of the elements is not
    /// subtracted.
    pub(in crate::program) fn passed_by_normal(
        &mut self,
        (y, inverse): (ValueId, ValueId),
        (axis, centred): (usize, bool),
        adjoint: Adjoint,
    ) -> Result<Adjoint, ProgramError> {
        let (bits, count) = (self.codec().fraction_bits(), self.dims(y).extents()[axis] as f64);
        let g = self.elements_of(adjoint, y)?;
        let products = self.raw_product(g, y)?;
        let sum = self.sum_along(products, axis)?;
        let slope = self.multiple(sum, 1.0 / count, bits)?;
        let along = self.mul(y, slope)?;
        let level = if centred {
            let mean = self.mean_along(g, axis)?;
            self.sub(g, mean)?
        } else {
            g
        };
        let rest = self.sub(level, along)?;
        // Beside what the distances had room for nothing is known of the adjoint.
        let fine = self.fine_bits().min(self.value(inverse).fraction_bits);
        let inverse = self.rescaled(inverse, 0, fine)?;
        Ok(adjoint.with(self.any_product(rest, inverse, bits)?))
    }

    /// (a − mean)/√(variance + epsilon) · scale + offset with one number of each for a channel, of given statistics
    /// (Ioffe and Szegedy, "Batch Normalization", 2015, at inference). Channels are the columns of a matrix, and the
    /// second axis of a tensor. What does not depend on `a` is computed a channel at a time.
    ///
    /// *Error:* at most 10⁻⁴ of the larger of the result and 1, for epsilon = 10⁻⁵ and variances from 2⁻⁸ on, and 2⁻²⁴ of
    /// the distance from the mean. In 32 bits: 6.3·10⁻³, for variances from 1 on. *Rounds:* 21, or 19 of a known range;
    /// all but 3 of them before `a` is there (2 where bounds show the products to be small), and none but those where the
    /// other operands are one party's own.
    ///
    /// # Errors
    /// In integer programs, where epsilon is not positive, and where shapes do not fit.
    pub fn batchnorm(
        &mut self,
        a: ValueId,
        [mean, variance, scale, offset]: [ValueId; 4],
        epsilon: f64,
    ) -> Result<ValueId, ProgramError> {
        let (first, label) = (self.values().len(), format!("batchnorm({})", self.short(a)));
        let (a, variance) = (self.argument(a, &label)?, self.argument(variance, &label)?);
        let (bits, fine, dims) = (self.codec().fraction_bits(), self.fine_bits(), self.dims(a));
        self.check_axis(a, 1)?;
        // Beyond it the inverse has too few bits.
        let domain = Interval::new(0.0, f64::from(fine - fine / 6).exp2());
        let proven = self.interval(variance);
        if let Some(known) = proven.filter(|known| known.high < domain.low || known.low > domain.high) {
            let argument = self.short(variance);
            let proven = Some(known);
            let warning = Warning { function: label, argument, domain, either_sign: false, proven };
            return Err(ProgramError::OutsideDomain(Outside(warning)));
        }
        // One number a channel: (c) for matrices, (c, 1) and (c, 1, 1) for tensors.
        let mut extents = vec![1; dims.rank() - 1];
        let channels = if dims.rank() == 2 { dims.cols() } else { dims.extents()[1] };
        extents[0] = channels;
        let channel = Dims::new(&extents).expect("fewer axes");
        let mut of_channels = |value| self.reshape_to(value, channel);
        let [mean, variance, scale, offset] =
            [of_channels(mean)?, of_channels(variance)?, of_channels(scale)?, of_channels(offset)?];
        let variance = self.rescaled(variance, 0, fine.max(self.value(variance).fraction_bits))?;
        let inverse = self.inverse_deviation(variance, epsilon, fine)?;
        let start = self.values().len();
        let factor = self.any_product(scale, inverse, fine)?;
        let distance = self.sub(a, mean)?;
        let scaled = self.any_product(distance, factor, bits)?;
        let result = self.add(scaled, offset)?;
        self.need_from(start);
        self.parts_of(first, &label);
        self.demand(result, variance, domain);
        self.set_label(variance, "its variance");
        self.called(result, label, None)
    }

    /// The distances from the mean along an axis, and the mean of their squares with `bits` fraction bits.
    pub(super) fn variance(
        &mut self,
        a: ValueId,
        axis: usize,
        bits: u32,
    ) -> Result<(ValueId, ValueId), ProgramError> {
        let mean = self.mean_along(a, axis)?;
        let mut distance = self.sub(a, mean)?;
        let (known, of_mean) = (self.any_or_known(a), (2.0 - f64::from(self.ring().bits()) / 2.0).exp2());
        let unit = self.value(a).unit();
        if known.reach() * of_mean > unit {
            // The mean of large numbers is right to a part of itself: once more, to a part of what that leaves.
            let rest = self.mean_along(distance, axis)?;
            distance = self.sub(distance, rest)?;
            let apart = Interval::symmetric(known.high - known.low);
            self.refine(distance, Some(apart.widened(4.0 * (known.reach() * of_mean + unit))));
        }
        let variance = self.mean_square_along(distance, axis, bits)?;
        Ok((distance, variance))
    }

    /// The mean of the squares along an axis with `bits` fraction bits, which may be two units too small. Where nothing says
    /// that their sum stays in the ring, each number is cut into high · 2^s + low, so that the sums of high², high · low and
    /// low² do.
    pub(in crate::program) fn mean_square_along(
        &mut self,
        distance: ValueId,
        axis: usize,
        bits: u32,
    ) -> Result<ValueId, ProgramError> {
        let count = self.dims(distance).extents()[axis] as f64;
        let room = f64::from(self.ring().bits() - 2 - 2 * self.value(distance).fraction_bits).exp2();
        let (reach, unit) = (self.any_or_known(distance).reach(), (-f64::from(bits)).exp2());
        let total = |program: &mut Self, a, b| {
            let products = program.raw_product(a, b)?;
            program.sum_along(products, axis)
        };
        if count * reach * reach * SQUARES_ROUND < room {
            let sum = total(self, distance, distance)?;
            let variance = self.multiple(sum, 1.0 / count, bits)?;
            self.refine(variance, Some(Interval::new(-2.0 * unit, f64::INFINITY)));
            return Ok(variance);
        }
        // The least s that keeps the sum of high² in the ring wherever the variance is: so low² is small, and rounds to
        // little where distances are.
        let wide = (count.log2().ceil() as u32 + 2 * self.value(distance).fraction_bits).div_ceil(2) + 1;
        let cut = wide.saturating_sub((bits + GUARD_BITS) / 2).clamp(1, self.ring().bits() / 2 - 2);
        let (high, low) = self.cut(distance, cut)?;
        let power = f64::from(cut).exp2();
        let parts = [(high, high, power * power), (high, low, 2.0 * power), (low, low, 1.0)];
        let mut sum = None;
        for (a, b, factor) in parts {
            let start = self.values().len();
            let part = total(self, a, b)?;
            // What it is multiplied by makes it half of what the ring holds at most.
            let own = self.value(part).fraction_bits;
            let ratio = factor / count * (f64::from(bits + GUARD_BITS) - f64::from(own)).exp2();
            self.need_at_most(start, f64::from(self.ring().bits() - 3).exp2() / ratio);
            let part = self.multiple(part, factor / count, bits + GUARD_BITS)?;
            sum = Some(match sum {
                None => part,
                Some(sum) => self.add(sum, part)?,
            });
        }
        let sum = sum.expect("three parts");
        self.refine(sum, Some(Interval::new(-unit, reach * reach * SQUARES_ROUND + 2.0 * unit)));
        let variance = self.rescaled(sum, 0, bits)?;
        self.refine(variance, Some(Interval::new(-2.0 * unit, f64::INFINITY)));
        Ok(variance)
    }

    /// 1/√(variance + epsilon) with `bits` fraction bits.
    pub(super) fn inverse_deviation(
        &mut self,
        variance: ValueId,
        epsilon: f64,
        bits: u32,
    ) -> Result<ValueId, ProgramError> {
        let fine = self.value(variance).fraction_bits;
        // The variance may be two units too small, and epsilon rounded by half of one: the sum stays positive.
        let least = 3.0 * (-f64::from(fine)).exp2();
        if !(least..1.0).contains(&epsilon) {
            return Err(ProgramError::Epsilon { epsilon, least });
        }
        let sum = self.offset(variance, epsilon)?;
        let least = self.nearest(epsilon, fine) - 2.0 * self.value(sum).unit();
        self.refine(sum, Some(Interval::new(least, f64::INFINITY)));
        let exponents = self.exponents_from(sum, epsilon);
        let first = self.values.len();
        let result = self.inverse_root(sum, exponents, bits)?;
        self.composed(first, result, Composite::InverseDeviation(variance, epsilon));
        Ok(result)
    }
}
