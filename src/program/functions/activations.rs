//! Functions of neural networks.

use super::super::{Number, Program, ProgramError, Test, ValueId};
use crate::ring::Axis;

impl Program {
    /// 1/(1 + e^−a), for any a. Of |a| first, so that the exponential is of a negative number and the divisor in
    /// [1, 2]; then reflected. Error: below 10⁻³.
    ///
    /// # Errors
    /// In integer programs, and where there are too few fraction bits.
    pub fn sigmoid(&mut self, a: ValueId) -> Result<ValueId, ProgramError> {
        let label = format!("sigmoid({})", self.short(a));
        let positive = self.test(a, Test::NonNegative)?;
        let part = self.mul(positive, a)?;
        let twice = self.scale(part, Number::Integer(-2))?;
        // a − 2·max(a, 0) = −|a|
        let negative = self.add(a, twice)?;
        let power = self.exp(negative)?;
        let divisor = self.add_constant(power, Number::Integer(1))?;
        let unit = self.scale(divisor, Number::Real(0.5))?;
        let inverse = self.reciprocal_of_unit(unit)?;
        // s = 1/(1 + e^−|a|); the result is s or 1 − s.
        let s = self.scale(inverse, Number::Real(0.5))?;
        let negated = self.neg(s)?;
        let reflected = self.add_constant(negated, Number::Integer(1))?;
        let result = self.select(positive, s, reflected)?;
        self.called(result, label, None)
    }

    /// tanh(a) = 2·sigmoid(2a) − 1, for any a. Error: below 2·10⁻³.
    ///
    /// # Errors
    /// As [`Program::sigmoid`].
    pub fn tanh(&mut self, a: ValueId) -> Result<ValueId, ProgramError> {
        let label = format!("tanh({})", self.short(a));
        let twice = self.scale(a, Number::Integer(2))?;
        let sigmoid = self.sigmoid(twice)?;
        let doubled = self.scale(sigmoid, Number::Integer(2))?;
        let result = self.add_constant(doubled, Number::Integer(-1))?;
        self.called(result, label, None)
    }

    /// The Gaussian error linear unit as a·sigmoid(2·√(2/π)·(a + 0.044715·a³)) (Hendrycks and Gimpel, "Gaussian Error
    /// Linear Units", 2016), for any a whose cube stays in range. Error to that formula: below 2·10⁻³ of the larger of
    /// the result and 1.
    ///
    /// # Errors
    /// As [`Program::sigmoid`].
    pub fn gelu(&mut self, a: ValueId) -> Result<ValueId, ProgramError> {
        let label = format!("gelu({})", self.short(a));
        let square = self.mul(a, a)?;
        let bent = self.scale(square, Number::Real(0.044_715))?;
        let factor = self.add_constant(bent, Number::Integer(1))?;
        let inner = self.mul(a, factor)?;
        let scaled = self.scale(inner, Number::Real(1.595_769_121_605_730_7))?;
        let gate = self.sigmoid(scaled)?;
        let result = self.mul(a, gate)?;
        self.called(result, label, None)
    }

    /// e^a over its sum along the axis, for up to 511 elements along it; their largest is subtracted first, so that
    /// any are in range. Error: below 10⁻³ of one.
    ///
    /// # Errors
    /// Where there is no element along the axis, and as [`Program::exp`].
    pub fn softmax(&mut self, a: ValueId, axis: Axis) -> Result<ValueId, ProgramError> {
        let label = format!("softmax({})", self.short(a));
        let largest = self.max_over(a, axis)?;
        let below = self.sub(a, largest)?;
        let powers = self.exp(below)?;
        let sum = self.sum(powers, Some(axis))?;
        let inverse = self.reciprocal(sum)?;
        let result = self.mul(powers, inverse)?;
        self.called(result, label, None)
    }
}
