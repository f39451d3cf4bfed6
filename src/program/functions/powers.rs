//! Exponentials, reciprocals and roots.
//!
//! Reciprocals and roots scale their argument into [1/2, 1) or [1/4, 1) by a power of two, which comparisons with the
//! powers of two of the range find, all at once; then Newton's iteration takes over.

use super::super::{Number, Program, ProgramError, Test, ValueId};

/// Squarings of the exponential.
const SQUARINGS: u32 = 5;

/// exp is zero below this, as far as numbers of up to 20 fraction bits say.
const LEAST_EXPONENT: i128 = -16;

/// The Taylor coefficients of exp.
const EXP: [f64; 7] = [1.0, 1.0, 0.5, 1.0 / 6.0, 1.0 / 24.0, 1.0 / 120.0, 1.0 / 720.0];

/// Powers of two below 2^−RANGE or above 2^RANGE are beyond a reciprocal's or a root's arguments.
const RANGE: i32 = 8;

impl Program {
    /// e^a for a ≤ 8; below −16, where it clips, the result is that at −16. The Taylor polynomial of degree 6 at
    /// a/32, squared five times. Error: below 2·10⁻³ of the larger of the result and 1.
    ///
    /// # Errors
    /// In integer programs, and where there are too few fraction bits for the coefficients.
    pub fn exp(&mut self, a: ValueId) -> Result<ValueId, ProgramError> {
        let label = format!("exp({})", self.short(a));
        let clipped = self.max_constant(a, Number::Integer(LEAST_EXPONENT))?;
        let small = self.scale(clipped, Number::Real((-f64::from(SQUARINGS)).exp2()))?;
        let mut power = self.polynomial(small, &EXP)?;
        for _ in 0..SQUARINGS {
            power = self.mul(power, power)?;
        }
        self.called(power, label, None)
    }

    /// 1/a for 2^−8 ≤ a < 2^9. Error: below 10⁻³ of the larger of the result and 1.
    ///
    /// # Errors
    /// In integer programs, and with fewer than ten fraction bits.
    pub fn reciprocal(&mut self, a: ValueId) -> Result<ValueId, ProgramError> {
        let label = format!("reciprocal({})", self.short(a));
        // 2^−(e+1) for a in [2^e, 2^(e+1)).
        let scale = self.by_power(a, 1, |exponent| (-f64::from(exponent + 1)).exp2())?;
        let unit = self.mul(a, scale)?;
        let inverse = self.reciprocal_of_unit(unit)?;
        let result = self.mul(inverse, scale)?;
        self.called(result, label, None)
    }

    /// √a for 2^−8 ≤ a < 2^10. Error: below 10⁻³ of the larger of the result and 1.
    ///
    /// # Errors
    /// In integer programs, and with fewer than twelve fraction bits.
    pub fn sqrt(&mut self, a: ValueId) -> Result<ValueId, ProgramError> {
        let label = format!("sqrt({})", self.short(a));
        // For a in [2^e, 2^(e+2)), e even: 2^−(e+2) makes it a u in [1/4, 1), and √a = √u · 2^(e/2+1).
        let scale = self.by_power(a, 2, |exponent| (-f64::from(exponent + 2)).exp2())?;
        let root_scale = self.by_power(a, 2, |exponent| f64::from(exponent / 2 + 1).exp2())?;
        let unit = self.mul(a, scale)?;
        // y ← y·(3 − u·y²)/2 from a line that is off by at most 12 %.
        let mut y = self.line(unit, 2.2, -1.2)?;
        for _ in 0..3 {
            let square = self.mul(y, y)?;
            let product = self.mul(unit, square)?;
            let rest = self.line(product, 1.5, -0.5)?;
            y = self.mul(y, rest)?;
        }
        let root = self.mul(unit, y)?;
        let result = self.mul(root, root_scale)?;
        self.called(result, label, None)
    }

    /// 1/u for u in [1/2, 1]: y ← y·(2 − u·y) from a line that is off by at most 9 %.
    pub(super) fn reciprocal_of_unit(&mut self, unit: ValueId) -> Result<ValueId, ProgramError> {
        let mut y = self.line(unit, 2.9142, -2.0)?;
        for _ in 0..3 {
            let product = self.mul(unit, y)?;
            let rest = self.line(product, 2.0, -1.0)?;
            y = self.mul(y, rest)?;
        }
        Ok(y)
    }

    /// value(e) where 2^e is the largest of the range's powers of two, `step` apart, that `a` is not below.
    fn by_power(
        &mut self,
        a: ValueId,
        step: i32,
        value: impl Fn(i32) -> f64,
    ) -> Result<ValueId, ProgramError> {
        let zero = self.scale(a, Number::Integer(0))?;
        let mut sum = self.add_constant(zero, Number::Real(value(-RANGE)))?;
        let mut exponent = -RANGE + step;
        while exponent <= RANGE {
            let above = self.add_constant(a, Number::Real(-f64::from(exponent).exp2()))?;
            let reached = self.test(above, Test::NonNegative)?;
            let change = self.scale(reached, Number::Real(value(exponent) - value(exponent - step)))?;
            sum = self.add(sum, change)?;
            exponent += step;
        }
        Ok(sum)
    }

    /// constant + slope · a
    fn line(&mut self, a: ValueId, constant: f64, slope: f64) -> Result<ValueId, ProgramError> {
        let scaled = self.scale(a, Number::Real(slope))?;
        self.add_constant(scaled, Number::Real(constant))
    }
}
