//! Exponentials, logarithms, reciprocals and roots.
//!
//! All but the exponential scale their argument by a power of two to u in [1/2, 1), which comparisons with the powers
//! of two of the domain find, all at once and by one opening, and take a polynomial in t = 4u − 3. Where no bound is declared the domain
//! is 2^−8 to 2^9; declared bounds narrow or widen it to what they allow.

use super::super::range::Interval;
use super::super::{Number, Program, ProgramError, ValueId};
use super::coefficients::{EXP_BELOW_ZERO, EXP_HALF, LOG, RECIPROCAL, RSQRT, SQRT};
use super::polynomial::Rounded;

/// e^x counts as e^−16 below this.
const LEAST_EXPONENT: f64 = -16.0;

/// e^x is right up to this.
const MOST_EXPONENT: f64 = 8.0;

/// The exponents of a domain where nothing is known: from 2^−8 to 2^8, so that arguments stay below 2^9.
const USUAL_LEAST: i32 = -8;
const USUAL_MOST: i32 = 8;

/// The exponents between which declared bounds can widen a domain.
const LEAST: i32 = -12;
const MOST: i32 = 20;

/// Arguments from 2^least, or somewhat less, to 2^(most + 1).
#[derive(Clone, Copy)]
pub(super) struct Exponents {
    least: i32,
    most: i32,
    /// The least argument.
    low: f64,
}

/// An argument a scaled by a power of two.
struct Normal {
    /// t = 4u − 3 for u = |a| · 2^−(e+1) in [1/2, 1), with g fraction bits.
    t: ValueId,
    exponents: Exponents,
    /// For each exponent but the first one, whether |a| reaches that power of two: 0 or 1, or −1 where a is negative.
    reached: Vec<ValueId>,
}

impl Program {
    /// e^a for a ≤ 8, and e^−16 below −16. Method: the square of a polynomial of degree 15 for e^(a/2).
    ///
    /// *Error:* at most 5·10⁻⁵ of the larger of the result and 1. In 32 bits: 2.1·10⁻². *Rounds:* 16.
    ///
    /// # Errors
    /// In integer programs.
    pub fn exp(&mut self, a: ValueId) -> Result<ValueId, ProgramError> {
        let (first, label) = (self.values().len(), format!("exp({})", self.short(a)));
        let a = self.argument(a, &label)?;
        let (fine, bits) = (self.fine_bits(), self.codec().fraction_bits());
        let clipped = self.max_constant(a, Number::Integer(LEAST_EXPONENT as i128))?;
        let domain = Interval::new(LEAST_EXPONENT, MOST_EXPONENT + self.value(a).unit());
        self.refine(clipped, Some(domain));
        // t = (a/2 + 2)/6
        let ratio = self.weighted(clipped, 1.0 / 12.0, bits + fine)?;
        let shifted = self.offset(ratio, 1.0 / 3.0)?;
        let t = self.rescaled(shifted, 0, fine)?;
        // The root's bits leave room for its square.
        let root_bits = (self.room(MOST_EXPONENT.exp()) / 2).min(fine);
        let root = self.polynomial(t, &EXP_HALF, &[], root_bits)?.value;
        let result = self.product(root, root, bits)?;
        self.parts_of(first, &label);
        self.demand(result, a, Interval::new(f64::NEG_INFINITY, MOST_EXPONENT), false);
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
        let Rounded { value, error } = self.polynomial(t, &EXP_BELOW_ZERO, &[], fine)?;
        // The polynomial's own error where t = 1.
        let own = (EXP_BELOW_ZERO.iter().sum::<f64>() - 1.0).abs();
        Ok(Rounded { value, error: error + own })
    }

    /// ln a, by default for 2^−8 ≤ a < 2^9. Method: (e + 1)·ln 2 and a polynomial of degree 7 for ln u.
    ///
    /// *Error:* at most 3·10⁻⁵. In 32 bits: 4·10⁻³. *Rounds:* 13.
    ///
    /// # Errors
    /// In integer programs.
    pub fn log(&mut self, a: ValueId) -> Result<ValueId, ProgramError> {
        let (first, label) = (self.values().len(), format!("log({})", self.short(a)));
        let a = self.argument(a, &label)?;
        let normal = self.normal(a, self.exponents(a, false), false)?;
        let terms: Vec<_> = normal.reached.iter().map(|&reached| (reached, std::f64::consts::LN_2)).collect();
        let mut polynomial = LOG;
        polynomial[0] += f64::from(normal.exponents.least + 1) * std::f64::consts::LN_2;
        let bits = self.codec().fraction_bits();
        let result = self.polynomial(normal.t, &polynomial, &terms, bits)?.value;
        self.parts_of(first, &label);
        self.demand(result, a, normal.exponents.domain(), false);
        self.called(result, label, None)
    }

    /// 1/a, by default for 2^−8 ≤ |a| < 2^9. Method: a polynomial of degree 7 for 1/u, scaled back. Where declared
    /// bounds leave the sign open, a is compared with the powers of two and −a as well.
    ///
    /// *Error:* at most 2·10⁻⁵ and 3·10⁻⁶ of the result. In 32 bits: 4.1·10⁻³. *Rounds:* 15.
    ///
    /// # Errors
    /// In integer programs.
    pub fn reciprocal(&mut self, a: ValueId) -> Result<ValueId, ProgramError> {
        let (first, label) = (self.values().len(), format!("reciprocal({})", self.short(a)));
        let a = self.argument(a, &label)?;
        let exponents = self.exponents(a, true);
        let result = self.inverse(a, exponents, self.is_signed(a), self.codec().fraction_bits())?;
        self.parts_of(first, &label);
        self.demand(result, a, exponents.domain(), true);
        self.called(result, label, None)
    }

    /// a/b, broadcasting, by default for 2^−8 ≤ |b| < 2^9: a times the reciprocal, which has g fraction bits, so that
    /// in 64 bits with 16 fraction bits the quotient must stay below 2^22.
    ///
    /// *Error:* at most 3·10⁻⁵ and 3·10⁻⁵ of the quotient. In 32 bits: 4.4·10⁻³. *Rounds:* 17.
    ///
    /// # Errors
    /// In integer programs, and where the shapes do not broadcast.
    pub fn div(&mut self, a: ValueId, b: ValueId) -> Result<ValueId, ProgramError> {
        let (first, label) = (self.values().len(), self.infix(a, "/", b));
        self.dims(a).broadcast(self.dims(b)).ok_or_else(|| self.unbroadcast(a, b))?;
        let (a, b) = (self.argument(a, &label)?, self.argument(b, &label)?);
        let (exponents, bits) = (self.exponents(b, true), self.codec().fraction_bits());
        let inverse = self.inverse(b, exponents, self.is_signed(b), self.fine_bits())?;
        let result = self.product(a, inverse, bits)?;
        self.parts_of(first, &label);
        self.demand(result, b, exponents.domain(), true);
        self.called(result, label, None)
    }

    /// constant/a, by default for 2^−8 ≤ |a| < 2^9; see [`Program::reciprocal`].
    ///
    /// *Error:* at most 3·10⁻⁵ and 3·10⁻⁶ of the result. *Rounds:* 16.
    ///
    /// # Errors
    /// In integer programs, and where the constant cannot be written in the ring.
    pub fn constant_over(&mut self, constant: Number, a: ValueId) -> Result<ValueId, ProgramError> {
        let (first, label) = (self.values().len(), format!("({} / {})", constant.value(), self.short(a)));
        let a = self.argument(a, &label)?;
        self.element(constant)?;
        let (exponents, bits, fine) =
            (self.exponents(a, true), self.codec().fraction_bits(), self.fine_bits());
        let inverse = self.inverse(a, exponents, self.is_signed(a), fine)?;
        let product = self.weighted(inverse, constant.value(), fine + bits)?;
        let result = self.rescaled(product, 0, bits)?;
        self.parts_of(first, &label);
        self.demand(result, a, exponents.domain(), true);
        self.called(result, label, None)
    }

    /// a/constant: a times the reciprocal, which has f significant bits at least, however small it is.
    ///
    /// *Error:* at most one unit and 2^−f of the result. In 32 bits: 5.4·10⁻³. *Rounds:* 1.
    ///
    /// # Errors
    /// In integer programs, and where the constant is zero or its reciprocal cannot be written in the ring.
    pub fn div_constant(&mut self, a: ValueId, constant: Number) -> Result<ValueId, ProgramError> {
        let label = format!("({} / {})", self.short(a), constant.value());
        if constant.value() == 0.0 {
            return Err(ProgramError::DivisionByZero { label });
        }
        let a = self.argument(a, &label)?;
        let result = self.portion(a, 1.0 / constant.value())?;
        self.called(result, label, None)
    }

    /// √a, by default for 2^−8 ≤ a < 2^9. Method: a polynomial of degree 7 for √u, times 2^((e+1)/2).
    ///
    /// *Error:* at most 2·10⁻⁵. In 32 bits: 4.1·10⁻³. *Rounds:* 15.
    ///
    /// # Errors
    /// In integer programs.
    pub fn sqrt(&mut self, a: ValueId) -> Result<ValueId, ProgramError> {
        let (first, label) = (self.values().len(), format!("sqrt({})", self.short(a)));
        let a = self.argument(a, &label)?;
        let exponents = self.exponents(a, false);
        let result = self.root(a, exponents, &SQRT, 0.5, self.codec().fraction_bits())?;
        self.parts_of(first, &label);
        self.demand(result, a, exponents.domain(), false);
        self.called(result, label, None)
    }

    /// 1/√a, by default for 2^−8 ≤ a < 2^9. Method: a polynomial of degree 7 for 1/√u, times 2^−((e+1)/2).
    ///
    /// *Error:* at most 2·10⁻⁵. In 32 bits: 4.2·10⁻³. *Rounds:* 15.
    ///
    /// # Errors
    /// In integer programs.
    pub fn rsqrt(&mut self, a: ValueId) -> Result<ValueId, ProgramError> {
        let (first, label) = (self.values().len(), format!("rsqrt({})", self.short(a)));
        let a = self.argument(a, &label)?;
        let exponents = self.exponents(a, false);
        let result = self.inverse_root(a, exponents, self.codec().fraction_bits())?;
        self.parts_of(first, &label);
        self.demand(result, a, exponents.domain(), false);
        self.called(result, label, None)
    }

    /// 1/√a with `bits` fraction bits.
    pub(super) fn inverse_root(
        &mut self,
        a: ValueId,
        exponents: Exponents,
        bits: u32,
    ) -> Result<ValueId, ProgramError> {
        self.root(a, exponents, &RSQRT, -0.5, bits)
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
        let fine = self.fine_bits();
        let normal = self.normal(a, exponents, false)?;
        let root = self.polynomial(normal.t, polynomial, &[], fine)?.value;
        let scale = |exponent: i32| (f64::from(exponent + 1) * power).exp2();
        let largest = scale(exponents.least).max(scale(exponents.most));
        let scale_bits = self.room(2.0 * largest).saturating_sub(fine).min(fine);
        let scale = self.by_power(&normal, scale, scale_bits)?;
        self.product(root, scale, bits)
    }

    /// 1/a with `bits` fraction bits.
    pub(super) fn inverse(
        &mut self,
        a: ValueId,
        exponents: Exponents,
        signed: bool,
        bits: u32,
    ) -> Result<ValueId, ProgramError> {
        let fine = self.fine_bits();
        let normal = self.normal(a, exponents, signed)?;
        let inverse = self.polynomial(normal.t, &RECIPROCAL, &[], fine)?.value;
        let largest = 2.0 * (-f64::from(exponents.least)).exp2();
        let scale_bits = self.room(largest).saturating_sub(fine).min(fine);
        let scale = self.by_power(&normal, halving, scale_bits)?;
        self.product(inverse, scale, bits)
    }

    /// Finds the largest of the domain's powers of two that |a| reaches, and scales a by it.
    fn normal(&mut self, a: ValueId, exponents: Exponents, signed: bool) -> Result<Normal, ProgramError> {
        let fine = self.fine_bits();
        let mut reached = Vec::new();
        // Of numbers of either sign the least power says which sign they have.
        let first = if signed { exponents.least } else { exponents.least + 1 };
        for exponent in first..=exponents.most {
            let power = f64::from(exponent).exp2();
            let above = self.reaches_constant(a, power)?;
            reached.push(if signed {
                let below = self.falls_to_constant(a, power)?;
                self.sub(above, below)?
            } else {
                above
            });
        }
        let mut normal = Normal { t: a, exponents, reached };
        // All of the powers can be written.
        let scale_bits = fine.max((exponents.most + 1).max(0) as u32);
        let scale = self.by_power(&normal, halving, scale_bits)?;
        // Of arguments of the domain; those rounded to one unit above it count as well.
        let highest = exponents.domain().high + self.value(a).unit();
        let ends = Interval::new(exponents.low * halving(exponents.least), highest * halving(exponents.most));
        let scaled = self.product_within(a, scale, fine, Some(ends.hull(Interval::new(0.5, 1.0))))?;
        let quadruple = self.rescaled(scaled, 2, fine)?;
        normal.t = self.offset(quadruple, -3.0)?;
        Ok(normal)
    }

    /// value(e) with `bits` fraction bits, where 2^e is the largest of the domain's powers that |a| reaches; −value(e)
    /// where a is negative.
    fn by_power(
        &mut self,
        normal: &Normal,
        value: impl Fn(i32) -> f64,
        bits: u32,
    ) -> Result<ValueId, ProgramError> {
        let Exponents { least, most, .. } = normal.exponents;
        let count = (most - least + 1) as usize;
        let signed = normal.reached.len() == count;
        // What an argument of the first exponent is scaled by: its sign alone says so, or no comparison.
        let first = self.nearest(value(least), bits);
        let (mut sum, mut reached, mut ends) = (None, first, Interval::at(first));
        for (&power, exponent) in normal.reached.iter().zip(most + 1 - normal.reached.len() as i32..) {
            let difference =
                if exponent == least { value(least) } else { value(exponent) - value(exponent - 1) };
            let term = self.weighted(power, difference, bits)?;
            sum = Some(match sum {
                None => term,
                Some(sum) => self.add(sum, term)?,
            });
            if exponent > least {
                reached += self.nearest(difference, bits);
                ends = ends.hull(Interval::at(reached));
            }
        }
        let Some(sum) = sum else {
            // One power alone: a constant, in the shape of the argument.
            let zero = self.weighted(normal.t, 0.0, bits.max(self.value(normal.t).fraction_bits))?;
            let constant = self.offset(zero, value(least))?;
            return self.rescaled(constant, 0, bits);
        };
        let sum = if signed { sum } else { self.offset(sum, value(least))? };
        self.refine(sum, Some(if signed { Interval::symmetric(ends.reach()) } else { ends }));
        Ok(sum)
    }

    /// The domain of a function of `a`: what the declared bounds allow, as far as there are numbers for it.
    fn exponents(&self, a: ValueId, either_sign: bool) -> Exponents {
        let smallest = -(self.value(a).fraction_bits as i32);
        let known = self.interval(a);
        let known = if either_sign { known.map(Interval::magnitude) } else { known };
        let low = known.map_or(0.0, |known| known.low);
        let least = if low > 0.0 { exponent(low).max(LEAST) } else { USUAL_LEAST };
        self.between(a, least.max(smallest), known.map(|known| known.high))
    }

    /// The domain of a function of `a`, which is known to be `low` at least but for an error.
    pub(super) fn exponents_from(&self, a: ValueId, low: f64) -> Exponents {
        let known = self.interval(a);
        let exponents = self.between(a, exponent(low), known.map(|known| known.high));
        Exponents { low: known.map_or(low, |known| known.low.min(exponents.low)), ..exponents }
    }

    /// From 2^least to what `a` can reach, as far as it can be scaled: the product has room for its fraction bits.
    fn between(&self, a: ValueId, least: i32, high: Option<f64>) -> Exponents {
        let room = self.ring().bits() as i32 - 4 - self.value(a).fraction_bits as i32;
        let most = high.filter(|&high| high > 0.0).map_or(USUAL_MOST, exponent);
        Exponents { least, most: most.min(MOST).min(room).max(least), low: f64::from(least).exp2() }
    }

    /// Whether nothing says that `a` is positive.
    fn is_signed(&self, a: ValueId) -> bool {
        self.interval(a).is_none_or(|known| known.low <= 0.0)
    }
}

impl Exponents {
    pub(super) fn domain(self) -> Interval {
        Interval::new(self.low, f64::from(self.most + 1).exp2())
    }
}

/// That of the largest power of two that a number reaches.
fn exponent(number: f64) -> i32 {
    number.log2().floor() as i32
}

/// What brings a number from 2^e on into [1/2, 1).
fn halving(exponent: i32) -> f64 {
    (-f64::from(exponent + 1)).exp2()
}
