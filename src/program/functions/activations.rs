//! Functions of neural networks.
//!
//! Sigmoids and linear units are right for any argument: outside the polynomial's range, which comparisons find, they
//! are constant or linear to within the stated error.

use super::super::gradient::{Adjoint, Composite};
use super::super::range::Interval;
use super::super::{Program, ProgramError, ValueId};
use super::coefficients::{GELU_REST, GELU_SLOPE, SIGMOID, SILU_REST, SILU_SLOPE};

/// An argument folded about zero.
pub(super) struct Folded {
    /// Whether it is zero or above.
    pub(super) positive: ValueId,
    /// Its magnitude, but no more than the limit.
    pub(super) magnitude: ValueId,
}

/// What a softmax divides.
pub(super) struct Powers {
    /// The elements less the largest one.
    pub(super) below: ValueId,
    /// e to the powers of these.
    powers: ValueId,
    /// Their sum.
    pub(super) sum: ValueId,
}

impl Program {
    /// 1/(1 + e^−a), for any a. Method: a polynomial of degree 15 in min(|a|, 16), reflected where a is negative.
    ///
    /// *Error:* at most 3·10⁻⁵. In 32 bits: 5·10⁻³. *Rounds:* 14.
    ///
    /// # Errors
    /// In integer programs.
    pub fn sigmoid(&mut self, a: ValueId) -> Result<ValueId, ProgramError> {
        let (first, label) = (self.values().len(), format!("sigmoid({})", self.short(a)));
        let a = self.argument(a, &label)?;
        let bits = self.codec().fraction_bits();
        let folded = self.folded(a, 16.0)?;
        // t = min(|a|, 16)/8 − 1
        let eighth = self.rescaled(folded.magnitude, -3, self.fine_bits())?;
        let t = self.offset(eighth, -1.0)?;
        let upper = self.polynomial(t, &SIGMOID, bits)?.value;
        // s where a is positive, 1 − s where it is negative.
        let negated = self.neg(upper)?;
        let lower = self.offset(negated, 1.0)?;
        let result = self.select(folded.positive, upper, lower)?;
        self.parts_of(first, &label);
        self.composed(first, result, Composite::Sigmoid(a));
        self.called(result, label, None)
    }

    /// y·(1 − y).
    pub(in crate::program) fn passed_by_sigmoid(
        &mut self,
        y: ValueId,
        adjoint: Adjoint,
    ) -> Result<Adjoint, ProgramError> {
        let square = self.mul(y, y)?;
        let slope = self.sub(y, square)?;
        self.scaled_by(adjoint, slope)
    }

    /// tanh(a) = 2·sigmoid(2a) − 1, for any a.
    ///
    /// *Error:* at most 6·10⁻⁵. In 32 bits: 10⁻². *Rounds:* 14.
    ///
    /// # Errors
    /// In integer programs.
    pub fn tanh(&mut self, a: ValueId) -> Result<ValueId, ProgramError> {
        let (first, label) = (self.values().len(), format!("tanh({})", self.short(a)));
        let a = self.argument(a, &label)?;
        let bits = self.value(a).fraction_bits;
        let twice = self.rescaled(a, 1, bits)?;
        let sigmoid = self.sigmoid(twice)?;
        let doubled = self.rescaled(sigmoid, 1, bits)?;
        let result = self.offset(doubled, -1.0)?;
        self.parts_of(first, &label);
        self.composed(first, result, Composite::Tanh(a));
        self.called(result, label, None)
    }

    /// 1 − y².
    pub(in crate::program) fn passed_by_tanh(
        &mut self,
        y: ValueId,
        adjoint: Adjoint,
    ) -> Result<Adjoint, ProgramError> {
        let square = self.mul(y, y)?;
        let negated = self.neg(square)?;
        let slope = self.offset(negated, 1.0)?;
        self.scaled_by(adjoint, slope)
    }

    /// The Gaussian error linear unit a·Φ(a), with the normal distribution's Φ (Hendrycks and Gimpel, "Gaussian Error
    /// Linear Units", 2016), for any a. Method: max(a, 0) less a polynomial of degree 15 in min(|a|, 8) for
    /// |a|·Φ(−|a|).
    ///
    /// *Error:* at most 4·10⁻⁵. In 32 bits: 6·10⁻³. *Rounds:* 13.
    ///
    /// # Errors
    /// In integer programs.
    pub fn gelu(&mut self, a: ValueId) -> Result<ValueId, ProgramError> {
        let (first, label) = (self.values().len(), format!("gelu({})", self.short(a)));
        let a = self.argument(a, &label)?;
        let (folded, t) = self.gelu_argument(a)?;
        let result = self.linear_unit(a, &folded, t, &GELU_REST)?;
        self.parts_of(first, &label);
        self.composed(first, result, Composite::Gelu(a));
        self.called(result, label, None)
    }

    /// The argument folded, and t = min(|a|, 8)/4 − 1.
    fn gelu_argument(&mut self, a: ValueId) -> Result<(Folded, ValueId), ProgramError> {
        let folded = self.folded(a, 8.0)?;
        let quarter = self.rescaled(folded.magnitude, -2, self.fine_bits())?;
        let t = self.offset(quarter, -1.0)?;
        Ok((folded, t))
    }

    /// Φ(a) + a·φ(a): a polynomial of degree 15 in what the function's is in.
    pub(in crate::program) fn passed_by_gelu(
        &mut self,
        a: ValueId,
        adjoint: Adjoint,
    ) -> Result<Adjoint, ProgramError> {
        let (folded, t) = self.gelu_argument(a)?;
        self.passed_by_linear_unit(&folded, t, &GELU_SLOPE, adjoint)
    }

    /// a·sigmoid(a), for any a. Method: max(a, 0) less a polynomial of degree 15 in min(|a|, 13) for |a|·sigmoid(−|a|).
    ///
    /// *Error:* at most 7·10⁻⁵. In 32 bits: 5.7·10⁻³. *Rounds:* 14.
    ///
    /// # Errors
    /// In integer programs.
    pub fn silu(&mut self, a: ValueId) -> Result<ValueId, ProgramError> {
        let (first, label) = (self.values().len(), format!("silu({})", self.short(a)));
        let a = self.argument(a, &label)?;
        let (folded, t) = self.silu_argument(a)?;
        let result = self.linear_unit(a, &folded, t, &SILU_REST)?;
        self.parts_of(first, &label);
        self.composed(first, result, Composite::Silu(a));
        self.called(result, label, None)
    }

    /// The argument folded, and t = 2·min(|a|, 13)/13 − 1.
    fn silu_argument(&mut self, a: ValueId) -> Result<(Folded, ValueId), ProgramError> {
        let fine = self.fine_bits();
        let folded = self.folded(a, 13.0)?;
        let ratio = self.weighted(folded.magnitude, 2.0 / 13.0, self.value(a).fraction_bits + fine)?;
        let shifted = self.offset(ratio, -1.0)?;
        let t = self.rescaled(shifted, 0, fine)?;
        Ok((folded, t))
    }

    /// s·(1 + a·(1 − s)) for s = sigmoid(a): a polynomial of degree 15 in what the function's is in.
    pub(in crate::program) fn passed_by_silu(
        &mut self,
        a: ValueId,
        adjoint: Adjoint,
    ) -> Result<Adjoint, ProgramError> {
        let (folded, t) = self.silu_argument(a)?;
        self.passed_by_linear_unit(&folded, t, &SILU_SLOPE, adjoint)
    }

    /// Of max(a, 0) less a function of |a|: 1 less the derivative of that where a is positive, and the derivative where it is
    /// negative.
    fn passed_by_linear_unit(
        &mut self,
        folded: &Folded,
        t: ValueId,
        slope: &[f64],
        adjoint: Adjoint,
    ) -> Result<Adjoint, ProgramError> {
        let lower = self.polynomial(t, slope, self.codec().fraction_bits())?.value;
        let negated = self.neg(lower)?;
        let upper = self.offset(negated, 1.0)?;
        let slope = self.select(folded.positive, upper, lower)?;
        self.scaled_by(adjoint, slope)
    }

    /// e^a over its sum along the axis, for any a whose differences stay in range. Method: their largest is subtracted
    /// first; then a polynomial of degree 15 for e^x with −16 ≤ x ≤ 0, and the reciprocal of a sum between 1 and the
    /// number of elements n.
    ///
    /// *Error:* at most 3·10⁻⁵. In 32 bits: 6·10⁻³. *Rounds:* 30 beside those of the largest element, four of which are
    /// spared where n = 1.
    ///
    /// # Errors
    /// In integer programs, and where there is no such axis or no element along it.
    pub fn softmax(&mut self, a: ValueId, axis: usize) -> Result<ValueId, ProgramError> {
        let (first, label) = (self.values().len(), format!("softmax({})", self.short(a)));
        let a = self.argument(a, &label)?;
        let Powers { powers, sum, .. } = self.powers_along(a, axis)?;
        let exponents = self.exponents_from(sum, 1.0);
        let result = self.ratio(powers, sum, exponents)?;
        self.parts_of(first, &label);
        self.composed(first, result, Composite::Softmax(a, axis));
        self.called(result, label, None)
    }

    /// y·(g − Σ g·y), truncated once.
    pub(in crate::program) fn passed_by_softmax(
        &mut self,
        y: ValueId,
        axis: usize,
        adjoint: Adjoint,
    ) -> Result<Adjoint, ProgramError> {
        let g = self.elements_of(adjoint, y)?;
        let products = self.raw_product(g, y)?;
        let sum = self.sum_along(products, axis)?;
        let sum = self.truncated(sum, String::new())?;
        let less = self.raw_product(y, sum)?;
        let difference = self.sub(products, less)?;
        Ok(adjoint.with(self.truncated(difference, String::new())?))
    }

    /// The elements less the largest along the axis, and the logarithm of the sum of e to the powers of these.
    pub(super) fn log_powers(&mut self, a: ValueId, axis: usize) -> Result<(ValueId, ValueId), ProgramError> {
        let Powers { below, sum, .. } = self.powers_along(a, axis)?;
        Ok((below, self.logarithm(sum, self.exponents_from(sum, 1.0))?))
    }

    /// g − softmax · Σ g.
    pub(in crate::program) fn passed_by_log_softmax(
        &mut self,
        a: ValueId,
        axis: usize,
        adjoint: Adjoint,
    ) -> Result<Adjoint, ProgramError> {
        let likely = self.softmax(a, axis)?;
        let g = self.elements_of(adjoint, likely)?;
        let sum = self.sum_along(g, axis)?;
        let part = self.mul(likely, sum)?;
        Ok(adjoint.with(self.sub(g, part)?))
    }

    /// The elements less the largest along the axis, e to the powers of these, and the sum of the powers, which is 1 at
    /// least.
    pub(super) fn powers_along(&mut self, a: ValueId, axis: usize) -> Result<Powers, ProgramError> {
        let largest = self.max_along(a, axis)?;
        let below = self.sub(a, largest)?;
        self.refine(below, Some(self.any_or_known(below).smaller(Interval::at(0.0))));
        let powers = self.exp_below_zero(below)?;
        let sum = self.sum_along(powers.value, axis)?;
        // That of the largest element is one, but for its error.
        let others = self.dims(a).extents()[axis] - 1;
        let known = self.interval(powers.value).map(|known| {
            let one = Interval::at(1.0).widened(powers.error);
            Interval::new(known.times(others as f64).plus(one).low, f64::INFINITY)
        });
        self.refine(sum, known);
        Ok(Powers { below, powers: powers.value, sum })
    }

    /// max(a, 0) less a polynomial.
    fn linear_unit(
        &mut self,
        a: ValueId,
        folded: &Folded,
        t: ValueId,
        rest: &[f64],
    ) -> Result<ValueId, ProgramError> {
        let positive = self.mul(folded.positive, a)?;
        self.refine(positive, Some(self.any_or_known(a).positive()));
        let rest = self.polynomial(t, rest, self.value(a).fraction_bits)?;
        self.sub(positive, rest.value)
    }

    /// min(|a|, limit), by three comparisons at once and by one opening.
    pub(super) fn folded(&mut self, a: ValueId, limit: f64) -> Result<Folded, ProgramError> {
        let bits = self.value(a).fraction_bits;
        let positive = self.reaches_constant(a, 0.0)?;
        let beyond = self.reaches_constant(a, limit)?;
        let negative = self.neg(a)?;
        let below = self.falls_to_constant(a, limit)?;
        // −a + 2·[a ≥ 0]·a is |a|; less a where it is above the limit, and plus a where −a is, nothing is left, and the
        // limit itself is added.
        let upper = self.mul(positive, a)?;
        self.refine(upper, Some(self.any_or_known(a).positive()));
        let doubled = self.rescaled(upper, 1, bits)?;
        let mut sum = self.add(negative, doubled)?;
        self.refine(sum, Some(self.any_or_known(a).magnitude()));
        let over = self.mul(beyond, a)?;
        sum = self.sub(sum, over)?;
        let under = self.mul(below, a)?;
        sum = self.add(sum, under)?;
        let outside = self.add(beyond, below)?;
        let limits = self.weighted(outside, limit, bits)?;
        sum = self.add(sum, limits)?;
        let known = self.any_or_known(a).magnitude().smaller(Interval::at(limit));
        self.refine(sum, Some(known));
        Ok(Folded { positive, magnitude: sum })
    }
}
