//! Functions of neural networks.
//!
//! Sigmoids and linear units are right for any argument: outside the polynomial's range, which comparisons find, they
//! are constant or linear to within the stated error.

use super::super::range::Interval;
use super::super::{Program, ProgramError, ValueId};
use super::coefficients::{GELU_REST, SIGMOID, SILU_REST};

/// An argument folded about zero.
struct Folded {
    /// Whether it is zero or above.
    positive: ValueId,
    /// Its magnitude, but no more than the limit.
    magnitude: ValueId,
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
        self.called(result, label, None)
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
        self.called(result, label, None)
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
        let folded = self.folded(a, 8.0)?;
        // t = min(|a|, 8)/4 − 1
        let quarter = self.rescaled(folded.magnitude, -2, self.fine_bits())?;
        let t = self.offset(quarter, -1.0)?;
        let result = self.linear_unit(a, &folded, t, &GELU_REST)?;
        self.parts_of(first, &label);
        self.called(result, label, None)
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
        let fine = self.fine_bits();
        let folded = self.folded(a, 13.0)?;
        // t = 2·min(|a|, 13)/13 − 1
        let ratio = self.weighted(folded.magnitude, 2.0 / 13.0, self.value(a).fraction_bits + fine)?;
        let shifted = self.offset(ratio, -1.0)?;
        let t = self.rescaled(shifted, 0, fine)?;
        let result = self.linear_unit(a, &folded, t, &SILU_REST)?;
        self.parts_of(first, &label);
        self.called(result, label, None)
    }

    /// e^a over its sum along the axis, for any a whose differences stay in range. Method: their largest is subtracted
    /// first; then a polynomial of degree 15 for e^x with −16 ≤ x ≤ 0, and the reciprocal of a sum between 1 and the
    /// number of elements n.
    ///
    /// *Error:* at most 3·10⁻⁵. In 32 bits: 4.5·10⁻³. *Rounds:* 30 beside those of the largest element, four of which are
    /// spared where n = 1.
    ///
    /// # Errors
    /// In integer programs, and where there is no such axis or no element along it.
    pub fn softmax(&mut self, a: ValueId, axis: usize) -> Result<ValueId, ProgramError> {
        let (first, label) = (self.values().len(), format!("softmax({})", self.short(a)));
        let a = self.argument(a, &label)?;
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
        let exponents = self.exponents_from(sum, 1.0);
        let result = self.ratio(powers.value, sum, exponents)?;
        self.parts_of(first, &label);
        self.called(result, label, None)
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
    fn folded(&mut self, a: ValueId, limit: f64) -> Result<Folded, ProgramError> {
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
