//! Floors, and quotients and remainders by public divisors. All of them are exact.
//!
//! A floor is a truncation by all fraction bits that rounds down. A quotient by D elements is one of the product with
//! C = ⌊2^m / D⌋, which is right or next to it where elements are below 2^m; what it leaves says which.

use super::range::Interval;
use super::{Number, Op, Program, ProgramError, Span, Test, Truncation, ValueId};

impl Program {
    /// The largest whole number that is not above each element, as an integer.
    ///
    /// *Error:* none. *Rounds:* those of an exact truncation.
    ///
    /// # Errors
    /// None as yet.
    pub fn floor(&mut self, a: ValueId) -> Result<ValueId, ProgramError> {
        let label = format!("floor({})", self.short(a));
        self.floored(a, self.value(a).fraction_bits, label)
    }

    /// The whole number nearest to each element, as an integer; halves are rounded up.
    ///
    /// *Error:* none. *Rounds:* those of an exact truncation.
    ///
    /// # Errors
    /// None as yet.
    pub fn round(&mut self, a: ValueId) -> Result<ValueId, ProgramError> {
        let label = format!("round({})", self.short(a));
        let bits = self.value(a).fraction_bits;
        let raised = if bits == 0 { a } else { self.plus(a, 1 << (bits - 1))? };
        self.floored(raised, bits, label)
    }

    /// ⌊a / divisor⌋ for a positive public divisor, as an integer (Python's `//`).
    ///
    /// *Error:* none. *Rounds:* those of an exact truncation and a comparison; of a power of two none of the comparison.
    ///
    /// # Errors
    /// Where no element stands for the divisor, or a program's integers may be too large for it.
    pub fn floor_div(&mut self, a: ValueId, divisor: Number) -> Result<ValueId, ProgramError> {
        let label = format!("({} // {})", self.short(a), divisor.value());
        Ok(self.whole_quotient(a, divisor, label)?.0)
    }

    /// a − divisor · ⌊a / divisor⌋ for a positive public divisor: from 0 to below it (Python's `%`).
    ///
    /// *Error:* none. *Rounds:* as [`Program::floor_div`].
    ///
    /// # Errors
    /// As [`Program::floor_div`].
    pub fn remainder(&mut self, a: ValueId, divisor: Number) -> Result<ValueId, ProgramError> {
        let label = format!("({} % {})", self.short(a), divisor.value());
        Ok(self.whole_quotient(a, divisor, label)?.1)
    }

    /// a / 2^by rounded down, as an integer.
    fn floored(&mut self, a: ValueId, by: u32, label: String) -> Result<ValueId, ProgramError> {
        if by == 0 {
            return self.copied(a, &label);
        }
        let shape = self.value(a).shape;
        let (known, part) = (self.interval(a), self.value(a).unit() * f64::from(by).exp2());
        let result = self.push_scaled(Op::Truncate(a, by, Truncation::Exact), shape, 0, label.clone())?;
        let down = |end: f64| (end / part).floor();
        self.called(result, label, known.map(|known| Interval::new(down(known.low), down(known.high))))
    }

    /// A value and so many of its units.
    fn plus(&mut self, a: ValueId, element: u64) -> Result<ValueId, ProgramError> {
        let (shape, label) = (self.value(a).shape, self.value(a).label.clone());
        self.push_like(a, Op::AddConstant(a, self.ring().reduce(element)), shape, label)
    }

    /// So many times an integer, at the scale of another value.
    fn times_at(&mut self, a: ValueId, element: u64, like: ValueId) -> Result<ValueId, ProgramError> {
        let (shape, label) = (self.value(a).shape, self.value(a).label.clone());
        self.push_scaled(Op::Scale(a, element), shape, self.value(like).fraction_bits, label)
    }

    /// ⌊a / divisor⌋, and what it leaves.
    pub(super) fn whole_quotient(
        &mut self,
        a: ValueId,
        divisor: Number,
        label: String,
    ) -> Result<(ValueId, ValueId), ProgramError> {
        let (first, ring_bits, bits) = (self.values.len(), self.ring().bits(), self.value(a).fraction_bits);
        let (unit, elements) = (self.value(a).unit(), divisor.value() / self.value(a).unit());
        let most = f64::from(ring_bits / 2).exp2();
        if !(1.0..most).contains(&elements) || elements.fract() != 0.0 {
            return Err(ProgramError::Divisor { label, least: unit, most: most * unit });
        }
        let d = elements as u64;
        // The largest m with 2^m · C below 2^(k−2).
        let m = (((f64::from(ring_bits - 2) + elements.log2()) / 2.0).ceil() as u32 - 1).min(ring_bits - 3);
        let is_power = d.is_power_of_two();
        let limit = f64::from(if is_power { ring_bits - 2 } else { m }).exp2();
        if self.is_read(a) && self.integers(a).span.magnitude().high as f64 >= limit {
            return Err(ProgramError::Dividend { label, limit, is_power });
        }
        let quotient = match is_power {
            true => self.floored(a, d.trailing_zeros(), label.clone())?,
            false => {
                let (shape, scale) = (self.value(a).shape, if self.is_read(a) { 0 } else { m });
                let c = (1 << m) / d;
                let product = self.push_scaled(Op::Scale(a, c), shape, scale, label.clone())?;
                self.push_scaled(Op::Truncate(product, m, Truncation::Exact), shape, 0, label.clone())?
            }
        };
        let known = self.any_or_known(a);
        let is_signed = if self.is_read(a) { self.integers(a).span.low < 0 } else { known.low < 0.0 };
        let back = self.times_at(quotient, d, a)?;
        let mut rest = self.sub(a, back)?;
        let mut result = quotient;
        if !is_power {
            self.refine(rest, Some(Interval::new(-divisor.value(), 2.0 * divisor.value())));
            self.settle(rest, Span::new(-i128::from(d), 2 * i128::from(d)), &[a]);
            let beyond = self.plus(rest, (d as i64).wrapping_neg() as u64)?;
            let above = self.raw_test(beyond, Test::NonNegative)?;
            let below = if is_signed { Some(self.raw_test(rest, Test::Negative)?) } else { None };
            result = self.add(result, above)?;
            let taken = self.times_at(above, d, a)?;
            rest = self.sub(rest, taken)?;
            if let Some(below) = below {
                result = self.sub(result, below)?;
                let given = self.times_at(below, d, a)?;
                rest = self.add(rest, given)?;
            }
        }
        self.settle_parts(first);
        self.parts_of(first, &label);
        if self.is_read(a) {
            let (span, d) = (self.integers(a).span, i128::from(d));
            self.settle(result, Span::new(span.low.div_euclid(d), span.high.div_euclid(d)), &[a]);
            self.settle(rest, Span::new(0, d - 1), &[]);
        } else if !is_power {
            let most = f64::from(m).exp2() * unit;
            self.demand(result, a, Interval::symmetric(most));
            self.demand(rest, a, Interval::symmetric(most));
        }
        let down = |end: f64| (end / divisor.value()).floor();
        self.refine(result, Some(Interval::new(down(known.low), down(known.high))));
        self.refine(rest, Some(Interval::new(0.0, divisor.value() - unit)));
        debug_assert_eq!(self.value(rest).fraction_bits, bits, "a remainder has the scale of its dividend");
        Ok((result, rest))
    }
}
