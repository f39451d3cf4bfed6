//! Quotients.
//!
//! a/b is a · 2^−e · p(u) for the mantissa u and the exponent e of b, and a polynomial p for 1/u. Where a and b are known
//! well enough, 2^−e · p(u) is written with as many fraction bits as the product with a leaves room for. Otherwise a is
//! scaled first, by so many powers of two at once as there is room for, and then multiplied by p(u): what a scaling
//! rounds is less than a unit of the quotient, however large b is.

use super::super::gradient::{Adjoint, Composite};
use super::super::range::{Interval, quotient_limit};
use super::super::{Number, Program, ProgramError, ValueId};
use super::coefficients::{RECIPROCAL, WIDE_RECIPROCAL};
use super::exponents::{Exponents, Normal, halving};

/// More fraction bits than an inverse needs.
const MOST_INVERSE_BITS: f64 = 40.0;

/// What approximation and rounding add to a quotient, as a factor of it.
const QUOTIENT_ROUNDS: f64 = 1.01;

/// Guard bits of a scaled dividend, where there is room.
const GUARD_BITS: u32 = 4;

/// How large a quotient can be.
#[derive(Clone, Copy)]
struct Quotient {
    /// Its largest magnitude.
    reach: f64,
    /// Whether what is known of its operands proves it.
    is_proven: bool,
}

impl Program {
    /// 1/a, and 0 of zero. Method: a polynomial for 1/u, scaled back. Where the sign is open, a is compared with the
    /// powers of two and −a as well.
    ///
    /// *Error:* at most 3·10⁻⁵, and 3·10⁻⁶ of the result. In 32 bits: 4.1·10⁻³ of the larger of the result and 1.
    /// *Rounds:* 15, or 17 of a wide range.
    ///
    /// # Errors
    /// In integer programs.
    pub fn reciprocal(&mut self, a: ValueId) -> Result<ValueId, ProgramError> {
        let label = format!("reciprocal({})", self.short(a));
        self.constant_quotient(1.0, a, label)
    }

    /// constant/a, and 0 where a is zero; see [`Program::reciprocal`].
    ///
    /// *Error:* at most 3·10⁻⁵, and 3·10⁻⁶ of the result. In 32 bits: 6·10⁻³ of the larger of the result and 1.
    /// *Rounds:* as [`Program::reciprocal`].
    ///
    /// # Errors
    /// In integer programs, and where the constant cannot be written in the ring.
    pub fn constant_over(&mut self, constant: Number, a: ValueId) -> Result<ValueId, ProgramError> {
        let label = format!("({} / {})", constant.value(), self.short(a));
        if self.codec().fraction_bits() > 0 && constant.value().abs() >= self.codec().limit() {
            return Err(self.too_large(constant.value()));
        }
        self.constant_quotient(constant.value(), a, label)
    }

    fn constant_quotient(
        &mut self,
        constant: f64,
        a: ValueId,
        label: String,
    ) -> Result<ValueId, ProgramError> {
        let first = self.values().len();
        let a = self.argument(a, &label)?;
        let exponents = self.exponents(a, true);
        let normal = self.normal(a, exponents, self.is_signed(a))?;
        let inverse = self.inverse_of_mantissa(&normal, self.fine_bits())?;
        // Divisors by which the quotient would leave the ring count as zero.
        let most = self.codec().limit() / 2.0 / self.any_or_known(inverse).reach();
        let fits = |top: i32| constant.abs() * halving(top) < most;
        let value = |top: i32| if fits(top) { constant * halving(top) } else { 0.0 };
        let result = self.powered(inverse, &normal, value, self.codec().fraction_bits())?;
        self.parts_of(first, &label);
        self.composed(first, result, Composite::ConstantOver(constant, a));
        if let Some(last) = exponents.tops().rev().find(|&top| !fits(top)) {
            let least = f64::from(last).exp2();
            self.demand_either_sign(result, a, Interval::new(least, f64::INFINITY));
        }
        self.called(result, label, None)
    }

    /// −y/a for y = constant/a: the product of y and the inverse.
    pub(in crate::program) fn passed_by_constant_over(
        &mut self,
        (constant, a): (f64, ValueId),
        y: ValueId,
        adjoint: Adjoint,
    ) -> Result<Adjoint, ProgramError> {
        let inverse = if constant == 1.0 { y } else { self.reciprocal(a)? };
        let slope = self.mul(y, inverse)?;
        self.scaled_by(adjoint.times(-1.0), slope)
    }

    /// 1/a of a number that counts as zero where it is not positive.
    pub(super) fn positive_inverse(&mut self, a: ValueId) -> Result<ValueId, ProgramError> {
        let normal = self.normal(a, self.exponents(a, false), false)?;
        let inverse = self.inverse_of_mantissa(&normal, self.fine_bits())?;
        let most = self.codec().limit() / 2.0 / self.any_or_known(inverse).reach();
        let value = |top: i32| if halving(top) < most { halving(top) } else { 0.0 };
        let first = self.values.len();
        let result = self.powered(inverse, &normal, value, self.codec().fraction_bits())?;
        self.composed(first, result, Composite::ConstantOver(1.0, a));
        Ok(result)
    }

    /// a/b, broadcasting, and 0 where b is zero. Unless bounds prove that it stays below some other magnitude, the
    /// quotient must stay below [`quotient_limit`].
    ///
    /// *Error:* at most 8·10⁻⁵ and 4·10⁻⁵ of the quotient. In 32 bits: 2·10⁻² of the larger of the quotient and 1.
    /// *Rounds:* 17.
    ///
    /// # Errors
    /// In integer programs, and where the shapes do not broadcast.
    pub fn div(&mut self, a: ValueId, b: ValueId) -> Result<ValueId, ProgramError> {
        let (first, label) = (self.values().len(), self.infix(a, "/", b));
        self.dims(a).broadcast(self.dims(b)).ok_or_else(|| self.unbroadcast(a, b))?;
        let (a, b) = (self.argument(a, &label)?, self.argument(b, &label)?);
        let exponents = self.exponents(b, true);
        let (result, quotient) = self.quotient(a, b, exponents)?;
        self.parts_of(first, &label);
        self.composed(first, result, Composite::Quotient(a, b));
        let is_bounded = |value| self.any_or_known(value).is_finite();
        if !quotient.is_proven && is_bounded(a) && is_bounded(b) {
            self.demand_of_result(result, quotient.reach);
        }
        self.called(result, label, None)
    }

    /// g/b to a, and −(g/b)·(a/b) to b, by the comparisons of the quotient.
    pub(in crate::program) fn passed_by_quotient(
        &mut self,
        [a, b]: [ValueId; 2],
        y: ValueId,
        adjoint: Adjoint,
        to: ValueId,
    ) -> Result<Vec<Adjoint>, ProgramError> {
        let dims = self.dims(y);
        let divided = match adjoint.value {
            None => self.reciprocal(b)?,
            Some(g) => self.div(g, b)?,
        };
        let mut all = Vec::new();
        if a == to {
            all.push(match adjoint.value {
                None => self.product_summed(adjoint, divided, dims, self.dims(a))?,
                Some(_) => self.summed_to(adjoint.with(divided), dims, self.dims(a))?,
            });
        }
        if b == to {
            let negated = adjoint.with(divided).times(-1.0);
            all.push(self.product_summed(negated, y, dims, self.dims(b))?);
        }
        Ok(all)
    }

    /// a/constant: a times the inverse.
    ///
    /// *Error:* that of [`Program::scale`]. *Rounds:* 1 or 2.
    ///
    /// # Errors
    /// In integer programs, and where the constant is zero or its inverse cannot be written in the ring.
    pub fn div_constant(&mut self, a: ValueId, constant: Number) -> Result<ValueId, ProgramError> {
        let label = format!("({} / {})", self.short(a), constant.value());
        if constant.value() == 0.0 {
            return Err(ProgramError::DivisionByZero { label });
        }
        let a = self.argument(a, &label)?;
        let exact = 1.0 / constant.value();
        // That of 0.00001 is 100000, although floats say less.
        let is_whole = (exact.round() * constant.value() - 1.0).abs() <= 2.0 * f64::EPSILON;
        let inverse = if is_whole { exact.round() } else { exact };
        let result = self.multiple(a, inverse, self.codec().fraction_bits())?;
        self.called(result, label, None)
    }

    /// a/b with the program's fraction bits, where b lies in these brackets; and how large it can be.
    pub(super) fn ratio(
        &mut self,
        a: ValueId,
        b: ValueId,
        exponents: Exponents,
    ) -> Result<ValueId, ProgramError> {
        Ok(self.quotient(a, b, exponents)?.0)
    }

    fn quotient(
        &mut self,
        a: ValueId,
        b: ValueId,
        exponents: Exponents,
    ) -> Result<(ValueId, Quotient), ProgramError> {
        let (own, bits) = (self.value(a).fraction_bits, self.codec().fraction_bits());
        let normal = self.normal(b, exponents, self.is_signed(b))?;
        let room = f64::from(self.ring().bits() - 2 - own);
        let largest = self.any_or_known(a).reach() / exponents.low() * QUOTIENT_ROUNDS;
        let most = quotient_limit(self);
        let quotient = if largest < most {
            Quotient { reach: largest.max(16.0 * self.codec().resolution()), is_proven: true }
        } else {
            Quotient { reach: most, is_proven: false }
        };
        // Of the product's bits so many are left for the inverse.
        let spare = f64::from(u8::from(quotient.is_proven));
        let free = (room - spare - quotient.reach.log2().ceil()).min(MOST_INVERSE_BITS) as u32;
        let limits = (quotient.is_proven || self.interval(a).is_some())
            .then_some(Interval::symmetric(quotient.reach * (1.0 - f64::from(f32::EPSILON))));
        let is_precise = exponents.last_top() + self.relative_bits() as i32 <= free as i32;
        let result = if quotient.is_proven && is_precise {
            let inverse = self.inverse_of_mantissa(&normal, self.fine_bits())?;
            let inverse = self.powered(inverse, &normal, halving, free)?;
            self.product_within(a, inverse, bits, limits)?
        } else {
            let scaled = self.scaled_down(a, &normal, free, limits)?;
            let guard = self.value(scaled).fraction_bits - own;
            let inverse = self.inverse_of_mantissa(&normal, (free - guard).min(self.fine_bits()))?;
            let start = self.values().len();
            let result = self.product_within(scaled, inverse, bits, limits)?;
            self.need_from(start);
            result
        };
        Ok((result, quotient))
    }

    /// a · 2^−top for the bracket's end 2^top of another number, with its sign, in stages of `free` powers of two at
    /// most; with guard bits, as far as there is room beside as many for the mantissa's inverse.
    fn scaled_down(
        &mut self,
        a: ValueId,
        normal: &Normal,
        free: u32,
        limits: Option<Interval>,
    ) -> Result<ValueId, ProgramError> {
        let own = self.value(a).fraction_bits;
        let (stage_bits, last) = (free as i32, normal.exponents.last_top());
        let stages = (last.max(1) + stage_bits - 1) / stage_bits;
        let guard = (free.saturating_sub(self.relative_bits()) / 2).min(GUARD_BITS);
        let mut scaled = a;
        for stage in 0..stages {
            let done = stage * stage_bits;
            let least = if stage == 0 { i32::MIN } else { 0 };
            let factor = |top: i32| halving(top.saturating_sub(done).clamp(least, stage_bits));
            let power = self.by_power(normal, factor, free, stage == 0)?;
            let bits = if stage + 1 == stages { own + guard } else { own };
            let start = self.values().len();
            scaled = self.product_within(scaled, power, bits, limits)?;
            self.need_from(start);
        }
        Ok(scaled)
    }

    /// So many bits of a quotient count.
    fn relative_bits(&self) -> u32 {
        self.fine_bits() * 3 / 4
    }

    /// 1/u for the mantissa u with `bits` fraction bits.
    fn inverse_of_mantissa(&mut self, normal: &Normal, bits: u32) -> Result<ValueId, ProgramError> {
        let polynomial = normal.exponents.either(&RECIPROCAL, &WIDE_RECIPROCAL);
        Ok(self.polynomial(normal.t, polynomial, bits)?.value)
    }
}
