//! Exponentials, logarithms, reciprocals and roots.
//!
//! All but the exponential take a polynomial of their argument's mantissa (see [`super::exponents`]): of degree 7 where
//! the argument is known to lie within 32 powers of two, otherwise of degree 15. So they are right for every number that
//! the ring holds, and cheaper where declared bounds or earlier ops leave fewer.

use super::super::gradient::{Adjoint, Composite};
use super::super::range::Interval;
use super::super::{Number, Program, ProgramError, ValueId};
use super::coefficients::{
    EXP_BELOW_ZERO, EXP_HALF, EXP_QUARTER, LOG, RSQRT, SQRT, WIDE_LOG, WIDE_RSQRT, WIDE_SQRT,
};
use super::exponents::Exponents;
use super::polynomial::Rounded;
use std::f64::consts::LN_2;

/// Where roots and logarithms are.
const NOT_NEGATIVE: Interval = Interval::new(0.0, f64::INFINITY);

/// e^x counts as e^−16 below this.
const LEAST_EXPONENT: f64 = -16.0;

/// e^x is right up to this.
const MOST_EXPONENT: f64 = 8.0;

/// In 64 bits with this many fraction bits at most, it is right up to this.
const FAR_EXPONENT: f64 = 20.0;
const FAR_BITS: u32 = 16;

impl Program {
    /// e^a for a ≤ 20, or 8 in 32 bits and with more than 16 fraction bits, and e^−16 below −16. Method: the square of a
    /// polynomial of degree 15 for e^(a/2), or where a can be above 8 the square of the square of one for e^(a/4).
    ///
    /// *Error:* at most 7·10⁻⁵ of the larger of the result and 1. In 32 bits: 2.2·10⁻². *Rounds:* 18, or 16 where a is
    /// known to be 8 at most.
    ///
    /// # Errors
    /// In integer programs.
    pub fn exp(&mut self, a: ValueId) -> Result<ValueId, ProgramError> {
        let (first, label) = (self.values().len(), format!("exp({})", self.short(a)));
        let a = self.argument(a, &label)?;
        let (fine, bits) = (self.fine_bits(), self.codec().fraction_bits());
        let clipped = self.max_constant(a, Number::Integer(LEAST_EXPONENT as i128))?;
        let is_far = self.ring().bits() == 64
            && bits <= FAR_BITS
            && self.any_or_known(a).high > MOST_EXPONENT + self.value(a).unit();
        let most = if is_far { FAR_EXPONENT } else { MOST_EXPONENT };
        self.refine(clipped, Some(Interval::new(LEAST_EXPONENT, most + self.value(a).unit())));
        // t = (a/2 + 2)/6, or (a/4 − 1/2)/(9/2).
        let (factor, middle) = if is_far { (1.0 / 18.0, -1.0 / 9.0) } else { (1.0 / 12.0, 1.0 / 3.0) };
        let ratio = self.weighted(clipped, factor, bits + fine)?;
        let shifted = self.offset(ratio, middle)?;
        let t = self.rescaled(shifted, 0, fine)?;
        // A root's bits leave room for its square.
        let root_bits = |program: &Self, square: f64| (program.room(square.exp()) / 2).min(fine);
        let half_bits = root_bits(self, most);
        let root = if is_far {
            let quarter = self.polynomial(t, &EXP_QUARTER, root_bits(self, most / 2.0))?.value;
            self.product(quarter, quarter, half_bits)?
        } else {
            self.polynomial(t, &EXP_HALF, half_bits)?.value
        };
        let result = self.product(root, root, bits)?;
        self.parts_of(first, &label);
        self.composed(first, result, Composite::Exp(a));
        self.demand(result, a, Interval::new(f64::NEG_INFINITY, most));
        self.called(result, label, None)
    }

    /// e^a for a ≤ 0 with g fraction bits, and e^−16 below −16: a polynomial of degree 15. The error is that where a = 0.
    pub(super) fn exp_below_zero(&mut self, a: ValueId) -> Result<Rounded, ProgramError> {
        let fine = self.fine_bits();
        let clipped = self.max_constant(a, Number::Integer(LEAST_EXPONENT as i128))?;
        self.refine(clipped, Some(Interval::new(LEAST_EXPONENT, 0.0)));
        // t = a/8 + 1
        let eighth = self.rescaled(clipped, -3, fine)?;
        let t = self.offset(eighth, 1.0)?;
        let Rounded { value, error } = self.polynomial(t, &EXP_BELOW_ZERO, fine)?;
        // The polynomial's own error where t = 1.
        let own = (EXP_BELOW_ZERO.iter().sum::<f64>() - 1.0).abs();
        Ok(Rounded { value, error: error + own })
    }

    /// ln a. Method: the exponent times ln 2, and a polynomial for ln u. Of zero, and below, it is that of one unit.
    ///
    /// *Error:* at most 3·10⁻⁵. In 32 bits: 6.5·10⁻³. *Rounds:* 13, or 15 of a wide range.
    ///
    /// # Errors
    /// In integer programs.
    pub fn log(&mut self, a: ValueId) -> Result<ValueId, ProgramError> {
        let (first, label) = (self.values().len(), format!("log({})", self.short(a)));
        let a = self.argument(a, &label)?;
        let result = self.logarithm(a, self.exponents(a, false))?;
        self.parts_of(first, &label);
        self.composed(first, result, Composite::Log(a));
        self.demand(result, a, NOT_NEGATIVE);
        self.called(result, label, None)
    }

    /// ln a, where a lies in these brackets.
    pub(super) fn logarithm(&mut self, a: ValueId, exponents: Exponents) -> Result<ValueId, ProgramError> {
        let normal = self.normal(a, exponents, false)?;
        let bits = self.codec().fraction_bits();
        let mantissa = self.polynomial(normal.t, exponents.either(&LOG, &WIDE_LOG), bits)?.value;
        let least = exponents.tops().next().expect("there is a bracket");
        let above = |top: i32| f64::from(top - least) * LN_2;
        let above = self.by_power(&normal, above, bits, false)?;
        let power = self.offset(above, f64::from(least) * LN_2)?;
        self.add(mantissa, power)
    }

    /// 1/a, by the comparisons of the logarithm; 0 for zero and below.
    pub(in crate::program) fn passed_by_log(
        &mut self,
        a: ValueId,
        adjoint: Adjoint,
    ) -> Result<Adjoint, ProgramError> {
        let inverse = self.positive_inverse(a)?;
        self.scaled_by(adjoint, inverse)
    }

    /// √a, and 0 below zero. Method: a polynomial for √u, times the root of the power of two.
    ///
    /// *Error:* at most 3·10⁻⁵, and 10⁻⁶ of the result. In 32 bits: 4.1·10⁻³ of the larger of the result and 1.
    /// *Rounds:* 15, or 17 of a wide range.
    ///
    /// # Errors
    /// In integer programs.
    pub fn sqrt(&mut self, a: ValueId) -> Result<ValueId, ProgramError> {
        let (first, label) = (self.values().len(), format!("sqrt({})", self.short(a)));
        let a = self.argument(a, &label)?;
        let exponents = self.exponents(a, false);
        let polynomial = exponents.either(&SQRT, &WIDE_SQRT);
        let result = self.root(a, exponents, polynomial, 0.5, self.codec().fraction_bits())?;
        self.parts_of(first, &label);
        self.composed(first, result, Composite::Sqrt(a));
        self.demand(result, a, NOT_NEGATIVE);
        self.called(result, label, None)
    }

    /// 1/(2√a), by the comparisons of the root; 0 for zero and below.
    pub(in crate::program) fn passed_by_sqrt(
        &mut self,
        a: ValueId,
        adjoint: Adjoint,
    ) -> Result<Adjoint, ProgramError> {
        let first = self.values.len();
        let inverse = self.inverse_root(a, self.exponents(a, false), self.codec().fraction_bits())?;
        self.composed(first, inverse, Composite::Rsqrt(a));
        self.scaled_by(adjoint.times(0.5), inverse)
    }

    /// 1/√a, and 0 of zero and below. Method: a polynomial for 1/√u, times the root of the power of two.
    ///
    /// *Error:* at most 3·10⁻⁵, and 10⁻⁶ of the result. In 32 bits: 4.2·10⁻³ of the larger of the result and 1.
    /// *Rounds:* 15, or 17 of a wide range.
    ///
    /// # Errors
    /// In integer programs.
    pub fn rsqrt(&mut self, a: ValueId) -> Result<ValueId, ProgramError> {
        let (first, label) = (self.values().len(), format!("rsqrt({})", self.short(a)));
        let a = self.argument(a, &label)?;
        let exponents = self.exponents(a, false);
        let result = self.inverse_root(a, exponents, self.codec().fraction_bits())?;
        self.parts_of(first, &label);
        self.composed(first, result, Composite::Rsqrt(a));
        self.demand(result, a, NOT_NEGATIVE);
        self.called(result, label, None)
    }

    /// −y³/2.
    pub(in crate::program) fn passed_by_inverse_root(
        &mut self,
        y: ValueId,
        adjoint: Adjoint,
    ) -> Result<Adjoint, ProgramError> {
        let y = self.rescaled(y, 0, self.codec().fraction_bits())?;
        let square = self.mul(y, y)?;
        let cube = self.mul(square, y)?;
        self.scaled_by(adjoint.times(-0.5), cube)
    }

    /// 1/√a with `bits` fraction bits, of a value that is `low` at least but for an error.
    pub(in crate::program) fn inverse_root_from(
        &mut self,
        a: ValueId,
        low: f64,
        bits: u32,
    ) -> Result<ValueId, ProgramError> {
        let first = self.values.len();
        let result = self.inverse_root(a, self.exponents_from(a, low), bits)?;
        self.composed(first, result, Composite::Rsqrt(a));
        Ok(result)
    }

    /// 1/√a with `bits` fraction bits.
    pub(super) fn inverse_root(
        &mut self,
        a: ValueId,
        exponents: Exponents,
        bits: u32,
    ) -> Result<ValueId, ProgramError> {
        self.root(a, exponents, exponents.either(&RSQRT, &WIDE_RSQRT), -0.5, bits)
    }

    /// a^power with `bits` fraction bits, by the polynomial for u^power.
    fn root(
        &mut self,
        a: ValueId,
        exponents: Exponents,
        polynomial: &[f64],
        power: f64,
        bits: u32,
    ) -> Result<ValueId, ProgramError> {
        let normal = self.normal(a, exponents, false)?;
        let root = self.polynomial(normal.t, polynomial, self.fine_bits())?.value;
        self.powered(root, &normal, |top| (f64::from(top) * power).exp2(), bits)
    }
}
