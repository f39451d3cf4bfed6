//! Variances and what divides by them.

use super::super::range::Interval;
use super::super::{Dims, Program, ProgramError, ValueId};

impl Program {
    /// The mean of the squared distances from the mean along an axis, which keeps extent 1 (NumPy's `var`). Squares are
    /// summed before they are truncated.
    ///
    /// *Error:* at most 2·10⁻⁵ and 2·10⁻⁵ of the result; that of the mean counts with its square alone. In 32 bits:
    /// 4·10⁻³. *Rounds:* 4.
    ///
    /// # Errors
    /// In integer programs, and where there is no such axis or no element along it.
    pub fn var_along(&mut self, a: ValueId, axis: usize) -> Result<ValueId, ProgramError> {
        let (first, label) = (self.values().len(), format!("var({})", self.short(a)));
        let a = self.argument(a, &label)?;
        let (_, variance) = self.variance(a, axis, self.codec().fraction_bits())?;
        self.parts_of(first, &label);
        self.called(variance, label, None)
    }

    /// (a − mean)/√(variance + epsilon) along an axis, times `scale`, plus `offset`, which broadcast (Ba, Kiros and
    /// Hinton, "Layer Normalization", 2016). The variance has g fraction bits; its domain begins at epsilon.
    ///
    /// *Error:* at most 10⁻⁴ for epsilon = 10⁻⁵ and variances from 2⁻⁸ on. In 32 bits: 4·10⁻³. *Rounds:* 21, and 2 with
    /// a scale.
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
        let deviation = self.inverse_deviation(variance, epsilon)?;
        let mut result = self.product(distance, deviation.inverse, bits)?;
        if let Some((scale, offset)) = affine {
            let scaled = self.mul(result, scale)?;
            result = self.add(scaled, offset)?;
        }
        self.parts_of(first, &label);
        self.demand(result, deviation.variance, deviation.domain, false);
        self.set_label(deviation.variance, "its variance");
        self.called(result, label, None)
    }

    /// (a − mean)/√(variance + epsilon) · scale + offset with one number of each for a channel, of given statistics
    /// (Ioffe and Szegedy, "Batch Normalization", 2015, at inference). Channels are the columns of a matrix, and the
    /// second axis of a tensor. What does not depend on `a` is computed a channel at a time.
    ///
    /// *Error:* at most 10⁻⁴ of the larger of the result and 1, for epsilon = 10⁻⁵ and variances from 2⁻⁸ on. In 32
    /// bits: 6.3·10⁻³. *Rounds:* 19; all but 2 of them before `a` is there, and none but those where the other operands
    /// are one party's own.
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
        // One number a channel: (c) for matrices, (c, 1) and (c, 1, 1) for tensors.
        let mut extents = vec![1; dims.rank() - 1];
        let channels = if dims.rank() == 2 { dims.cols() } else { dims.extents()[1] };
        extents[0] = channels;
        let channel = Dims::new(&extents).expect("fewer axes");
        let mut of_channels = |value| self.reshape_to(value, channel);
        let [mean, variance, scale, offset] =
            [of_channels(mean)?, of_channels(variance)?, of_channels(scale)?, of_channels(offset)?];
        let variance = self.rescaled(variance, 0, fine.max(self.value(variance).fraction_bits))?;
        let deviation = self.inverse_deviation(variance, epsilon)?;
        let factor = self.product(scale, deviation.inverse, fine)?;
        let distance = self.sub(a, mean)?;
        let scaled = self.product(distance, factor, bits)?;
        let result = self.add(scaled, offset)?;
        self.parts_of(first, &label);
        self.demand(result, deviation.variance, deviation.domain, false);
        self.set_label(deviation.variance, "its variance");
        self.called(result, label, None)
    }

    /// The distances from the mean along an axis, and the mean of their squares with `bits` fraction bits.
    fn variance(&mut self, a: ValueId, axis: usize, bits: u32) -> Result<(ValueId, ValueId), ProgramError> {
        let mean = self.mean_along(a, axis)?;
        let distance = self.sub(a, mean)?;
        let squares = self.raw_product(distance, distance)?;
        let sum = self.sum_along(squares, axis)?;
        let sum = self.rescaled(sum, 0, bits)?;
        let count = self.dims(a).extents()[axis];
        let variance = self.portion_at(sum, 1.0 / count as f64, bits)?;
        let low = Interval::new(0.0, f64::INFINITY);
        self.refine(variance, self.interval(variance).map(|known| known.intersection(low)));
        Ok((distance, variance))
    }

    /// 1/√(variance + epsilon) with g fraction bits, of a variance with as many.
    fn inverse_deviation(&mut self, variance: ValueId, epsilon: f64) -> Result<Deviation, ProgramError> {
        let fine = self.value(variance).fraction_bits;
        let least = (-f64::from(fine)).exp2();
        if !(least..1.0).contains(&epsilon) {
            return Err(ProgramError::Epsilon { epsilon, least });
        }
        let sum = self.offset(variance, epsilon)?;
        let least = Interval::new(self.nearest(epsilon, fine), f64::INFINITY);
        self.refine(sum, self.interval(sum).map(|known| known.intersection(least)));
        let exponents = self.exponents_from(sum, epsilon);
        let inverse = self.inverse_root(sum, exponents, self.fine_bits())?;
        let domain = Interval::new(0.0, exponents.domain().high - epsilon);
        Ok(Deviation { variance, inverse, domain })
    }
}

/// What is divided by.
struct Deviation {
    variance: ValueId,
    inverse: ValueId,
    /// Where the variance should lie.
    domain: Interval,
}
