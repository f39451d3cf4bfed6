//! Numbers as a mantissa and a power of two.
//!
//! The magnitudes that a number can have are cut into brackets between powers of two, of a factor two each, or four where
//! there are many. Comparisons with all of these powers, by one opening, say in which bracket it lies; so every function
//! of the bracket is a sum of their results, computed by each party for itself. One of these scales the number to a
//! mantissa u in [1/2, 1) or [1/4, 1), of which a polynomial is taken, and others scale the polynomial back. Where nothing
//! is known the brackets reach from one unit to the largest number of the ring. A number that is zero lies in none: its
//! mantissa is that of one unit, and all that is scaled back by it is zero.

use super::super::range::{Interval, Search};
use super::super::{Program, ProgramError, ValueId};

/// More brackets than this have a factor four.
const MOST_NARROW_BRACKETS: i32 = 32;

/// The brackets of a number's magnitude. Bracket i ends at 2^(first_top + step · i), where the next one begins.
#[derive(Clone, Copy)]
pub(super) struct Exponents {
    /// The first bracket begins at 2^least.
    least: i32,
    first_top: i32,
    step: i32,
    count: i32,
    /// The least magnitude, but for zero.
    low: f64,
    /// Whether the number can be zero.
    zero: bool,
}

impl Exponents {
    /// From 2^least to 2^top; of a factor four, if so many are better and can be.
    fn between((least, top): (i32, i32), low: f64, zero: bool, can_be_wide: bool) -> Exponents {
        let width = (top - least).max(1);
        let step = if can_be_wide && width > MOST_NARROW_BRACKETS { 2 } else { 1 };
        let count = (width + step - 1) / step;
        Exponents { least, first_top: least + width - step * (count - 1), step, count, low, zero }
    }

    /// The exponents of the brackets' upper ends.
    pub(super) fn tops(self) -> impl DoubleEndedIterator<Item = i32> {
        (0..self.count).map(move |index| self.first_top + self.step * index)
    }

    /// That of the last one.
    pub(super) fn last_top(self) -> i32 {
        self.first_top + self.step * (self.count - 1)
    }

    /// The least magnitude, but for zero.
    pub(super) fn low(self) -> f64 {
        self.low
    }

    /// The exponents of the powers of two that the number is compared with.
    fn thresholds(self) -> impl Iterator<Item = i32> {
        std::iter::once(self.least).chain(self.tops().take(self.count as usize - 1))
    }

    /// The polynomial of the mantissa: `narrow` for mantissas from 1/2 on, `wide` from 1/4 on.
    pub(super) fn either<'a>(self, narrow: &'a [f64; 8], wide: &'a [f64; 16]) -> &'a [f64] {
        if self.step == 1 { narrow } else { wide }
    }
}

/// A number and its bracket.
pub(super) struct Normal {
    /// What the polynomials take for the mantissa u, with g fraction bits: 4u − 3, or 2u − 5/4 of wide brackets.
    pub(super) t: ValueId,
    pub(super) exponents: Exponents,
    /// For each bracket whether |a| reaches its lower end, an integer 0 or 1; where no comparison is needed with the first
    /// one's, that is left out.
    reached: Vec<ValueId>,
    /// The same with the sign of a, where it can have either.
    signed: Option<Vec<ValueId>>,
}

impl Program {
    /// The brackets of `a`, or of |a|, as far as they are known.
    pub(super) fn exponents(&self, a: ValueId, either_sign: bool) -> Exponents {
        let known = self.any_or_known(a);
        let known = if either_sign { known.magnitude() } else { known };
        let smallest = -(self.value(a).fraction_bits as i32);
        let least = if known.low > 0.0 { exponent(known.low).max(smallest) } else { smallest };
        let low = known.low.max(f64::from(least).exp2());
        Exponents::between((least, self.top(a, known.high)), low, known.low <= 0.0, self.can_be_wide())
    }

    /// The brackets of `a`, which is known to be `low` at least but for an error.
    pub(super) fn exponents_from(&self, a: ValueId, low: f64) -> Exponents {
        let known = self.any_or_known(a);
        let least = exponent(low);
        let low = if known.low > 0.0 { known.low.min(low) } else { low };
        let (low, ends) = (low.min(f64::from(least).exp2()), (least, self.top(a, known.high)));
        Exponents::between(ends, low, false, self.can_be_wide())
    }

    /// Whether the ring holds the polynomials of wide brackets, which reach 4 with 2g fraction bits.
    fn can_be_wide(&self) -> bool {
        self.ring().bits() >= 2 * self.fine_bits() + 6
    }

    /// The exponent of the power of two below which `a` stays.
    fn top(&self, a: ValueId, high: f64) -> i32 {
        let room = self.ring().bits() as i32 - 2 - self.value(a).fraction_bits as i32;
        if high > 0.0 && high.is_finite() { (exponent(high) + 1).min(room) } else { room }
    }

    /// Whether nothing says that `a` is positive.
    pub(super) fn is_signed(&self, a: ValueId) -> bool {
        self.any_or_known(a).low < 0.0
    }

    /// Finds the bracket of `a`, and scales it.
    pub(super) fn normal(
        &mut self,
        a: ValueId,
        exponents: Exponents,
        signed: bool,
    ) -> Result<Normal, ProgramError> {
        let fine = self.fine_bits();
        let (mut reached, mut signs) = (Vec::new(), Vec::new());
        // The first power says of which sign a number is, or whether it is zero.
        let first = usize::from(!signed && !exponents.zero);
        for exponent in exponents.thresholds().skip(first) {
            let power = f64::from(exponent).exp2();
            let above = self.reaches_constant(a, power)?;
            reached.push(if signed {
                let below = self.falls_to_constant(a, power)?;
                signs.push(self.sub(above, below)?);
                let either = self.add(above, below)?;
                self.refine(either, Some(Interval::new(0.0, 1.0)));
                either
            } else {
                above
            });
        }
        let mut normal = Normal { t: a, exponents, reached, signed: signed.then_some(signs) };
        // All of the powers can be written, and the product stays below 2^(k−2).
        let own = self.value(a).fraction_bits;
        let room = self.ring().bits() - 2 - own;
        let scale_bits = fine.min(room).max(exponents.last_top().max(0) as u32);
        let scale = self.by_power(&normal, halving, scale_bits, true)?;
        let least = exponents.low * halving(exponents.first_top);
        let least = if exponents.zero || signed { 0.0 } else { least.min(halving(exponents.step)) };
        let mantissa = self.product_within(a, scale, fine, Some(Interval::new(least, 1f64.next_down())))?;
        let (power, middle) = if exponents.step == 1 { (2, 3.0) } else { (1, 1.25) };
        let multiple = self.rescaled(mantissa, power, fine)?;
        normal.t = self.offset(multiple, -middle)?;
        if exponents.zero || signed {
            // Zero has the mantissa of the first bracket's lower end.
            let unit = halving(exponents.first_top - exponents.least) * f64::from(power).exp2();
            let present = self.weighted(normal.reached[0], unit, fine)?;
            let shifted = self.offset(normal.t, unit)?;
            normal.t = self.sub(shifted, present)?;
            let end = f64::from(power).exp2();
            let ends = Interval::new(end * halving(exponents.step) - middle, end - middle);
            self.refine(normal.t, Some(ends));
        }
        self.searches.push(Search {
            value: normal.t,
            low: exponents.low,
            high: f64::from(exponents.last_top()).exp2(),
            comparisons: normal.reached.len() * if signed { 2 } else { 1 },
        });
        Ok(normal)
    }

    /// value(top) with `bits` fraction bits for the bracket's end 2^top, and zero for zero; with the sign of a, if it
    /// can have either and `with_sign` says so.
    pub(super) fn by_power(
        &mut self,
        normal: &Normal,
        value: impl Fn(i32) -> f64,
        bits: u32,
        with_sign: bool,
    ) -> Result<ValueId, ProgramError> {
        let exponents = normal.exponents;
        let values: Vec<f64> = exponents.tops().map(|top| self.nearest(value(top), bits)).collect();
        let signed = normal.signed.as_ref().filter(|_| with_sign);
        let reached = signed.unwrap_or(&normal.reached);
        let from_zero = reached.len() == values.len();
        let mut ends = Interval::at(if from_zero { 0.0 } else { values[0] });
        let (start, mut last) = (ends.low, ends.low);
        let known = |ends: Interval| if signed.is_some() { Interval::symmetric(ends.reach()) } else { ends };
        let mut sum = None;
        for (&reached, &value) in reached.iter().zip(&values[values.len() - reached.len()..]) {
            let term = self.weighted(reached, value - last, bits)?;
            (last, ends) = (value, ends.hull(Interval::at(value)));
            let next = match sum {
                None => term,
                Some(sum) => self.add(sum, term)?,
            };
            // The powers that a number reaches are the first ones, so what is added up is the value of one of them.
            self.refine(next, Some(known(ends.plus(Interval::at(-start)))));
            sum = Some(next);
        }
        let Some(sum) = sum else {
            // One bracket alone: a constant, in the shape of the argument.
            let zero = self.weighted(normal.t, 0.0, bits.max(self.value(normal.t).fraction_bits))?;
            let constant = self.offset(zero, values[0])?;
            return self.rescaled(constant, 0, bits);
        };
        let sum = if from_zero { sum } else { self.offset(sum, values[0])? };
        self.refine(sum, Some(known(ends)));
        Ok(sum)
    }

    /// mantissa · value(top) with `bits` fraction bits for the bracket's end 2^top, with the sign of a if it can have
    /// either: one product, or several where no table holds both the largest values and enough bits of the smallest.
    pub(super) fn powered(
        &mut self,
        mantissa: ValueId,
        normal: &Normal,
        value: impl Fn(i32) -> f64,
        bits: u32,
    ) -> Result<ValueId, ProgramError> {
        let mut tops: Vec<i32> = normal.exponents.tops().collect();
        tops.sort_by(|&a, &b| value(b).abs().total_cmp(&value(a).abs()));
        let (mut rest, mut sum) = (&tops[..], None);
        while !rest.is_empty() {
            let table = self.table(mantissa, rest, &value, bits);
            let (group, others) = rest.split_at(table.count);
            rest = others;
            let down = (-f64::from(table.power)).exp2();
            let of_group = |top: i32| if group.contains(&top) { value(top) * down } else { 0.0 };
            let factor = self.by_power(normal, of_group, table.bits, true)?;
            let product = self.raw_product(mantissa, factor)?;
            let part = self.rescaled(product, table.power, bits)?;
            sum = Some(match sum {
                None => part,
                Some(sum) => self.add(sum, part)?,
            });
        }
        Ok(sum.expect("there is a bracket"))
    }

    /// How to write as many as possible of the values at `tops`, the largest first.
    fn table(&self, mantissa: ValueId, tops: &[i32], value: impl Fn(i32) -> f64, to: u32) -> Table {
        let (reach, own) = (self.any_or_known(mantissa).reach(), self.value(mantissa).fraction_bits);
        let room = f64::from(self.ring().bits() - 2 - own);
        let largest = value(tops[0]).abs().max(f64::MIN_POSITIVE);
        // The product of the largest stays below 2^(k−2), and one bit is left for what rounding adds.
        let bits = (room - 1.0 - (reach.max(1.0) * largest).log2()).floor();
        let (bits, power) = (bits.clamp(0.0, room) as u32, (-bits).max(0.0) as i32);
        let units = f64::from(to).exp2();
        let least_relative = (2.0 - f64::from(self.fine_bits())).exp2();
        let is_near = |&&top: &&i32| {
            let scaled = value(top) * (-f64::from(power)).exp2();
            let error = (scaled - self.nearest(scaled, bits)).abs() * f64::from(power).exp2();
            reach * error * units <= 0.5 || error <= value(top).abs() * least_relative
        };
        let count = tops.iter().take_while(is_near).count().max(1);
        Table { count, bits, power }
    }
}

/// A table of values by bracket.
struct Table {
    /// The number of the values that it has.
    count: usize,
    /// Its fraction bits.
    bits: u32,
    /// What stands there is to be multiplied by 2^power.
    power: i32,
}

/// That of the largest power of two that a number reaches.
fn exponent(number: f64) -> i32 {
    number.log2().floor() as i32
}

/// What brings a number below 2^top below 1.
pub(super) fn halving(top: i32) -> f64 {
    (-f64::from(top)).exp2()
}
