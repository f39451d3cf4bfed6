//! Multiples by public real numbers, as exact as the ring allows.
//!
//! A multiple of an element is its product with an integer, divided by a power of two: element · κ ≈ (element · C) / 2^t
//! with C = round(κ · 2^t). The larger t is, the nearer C/2^t lies to κ, and the smaller must the element be, since the
//! product stays below 2^(k−2). Where the element is known to be small enough, one truncation gives the multiple to a
//! unit. Otherwise the element is cut by another truncation into high · 2^s + low, so that either part leaves room for a
//! constant of its own: low · κ is right to half a unit, and high · (κ · 2^s) to a relative 2^−(k/2 − 2), whatever the
//! element is.

use super::super::gradient::Composite;
use super::super::range::Interval;
use super::super::{Op, Program, ProgramError, ValueId};

/// κ as C/2^t.
#[derive(Clone, Copy)]
struct Ratio {
    /// C.
    element: i64,
    /// t.
    bits: u32,
    /// |κ − C/2^t|.
    error: f64,
}

impl Ratio {
    /// The one with this t, if C is below 2^(k−2).
    fn new(ratio: f64, bits: u32, ring_bits: u32) -> Option<Ratio> {
        let exact = ratio * f64::from(bits).exp2();
        let rounded = exact.round_ties_even();
        let error = (exact - rounded).abs() * (-f64::from(bits)).exp2();
        let fits = rounded.abs() < f64::from(ring_bits - 2).exp2();
        fits.then_some(Ratio { element: rounded as i64, bits, error })
    }

    /// Whether no element is too large for it, or hardly one: C is a power of two, or t at most two.
    fn is_simple(self) -> bool {
        self.error == 0.0 && (self.bits <= 2 || self.element.unsigned_abs().is_power_of_two())
    }
}

impl Program {
    /// a · factor with `to` fraction bits: to one unit, or in two stages to two units and a relative 2^−(k/2 − 2) where
    /// nothing says that `a` is small enough for one.
    ///
    /// *Rounds:* one, or two in two stages; none where the multiple is exact.
    ///
    /// # Errors
    /// Where the multiple would be zero whatever `a` is, or `factor` is beyond all numbers.
    pub(in crate::program) fn multiple(
        &mut self,
        a: ValueId,
        factor: f64,
        to: u32,
    ) -> Result<ValueId, ProgramError> {
        let (ring_bits, own) = (self.ring().bits(), self.value(a).fraction_bits);
        let ratio = factor * (f64::from(to) - f64::from(own)).exp2();
        let largest = f64::from(ring_bits - 2).exp2();
        if ratio.abs() >= largest || factor.abs() >= self.codec().limit() {
            return Err(self.too_large(factor));
        }
        let reach = self.interval(a).map(Interval::reach).filter(|reach| reach.is_finite());
        let elements = reach.map(|reach| reach * f64::from(own).exp2());
        if factor != 0.0 && largest * ratio.abs() < 0.5 {
            return Err(ProgramError::VanishingMultiple { label: self.short(a), factor, ring_bits });
        }
        let all = (0..ring_bits - 1).map_while(|bits| Ratio::new(ratio, bits, ring_bits));
        let in_one = |ratio: &Ratio| match elements {
            Some(elements) => {
                let product = elements * ratio.element.unsigned_abs() as f64;
                let error = if ratio.bits == 0 { 0.5 } else { 0.25 };
                product < largest && elements * ratio.error <= error
            }
            None => ratio.is_simple(),
        };
        let first = self.values.len();
        let result = match all.clone().find(in_one) {
            Some(ratio) => self.in_one_stage(a, factor, ratio, to),
            None => self.in_two_stages(a, factor, (ratio, elements.unwrap_or(largest)), to),
        }?;
        self.composed(first, result, Composite::Multiple(a, factor));
        Ok(result)
    }

    fn in_one_stage(
        &mut self,
        a: ValueId,
        factor: f64,
        ratio: Ratio,
        to: u32,
    ) -> Result<ValueId, ProgramError> {
        let (shape, label) = (self.value(a).shape, format!("({} * {factor})", self.short(a)));
        let element = self.ring().reduce(ratio.element as u64);
        let product = self.push_scaled(Op::Scale(a, element), shape, to + ratio.bits, label)?;
        self.rescaled(product, 0, to)
    }

    /// Where an element may be as large as `elements`.
    fn in_two_stages(
        &mut self,
        a: ValueId,
        factor: f64,
        (ratio, elements): (f64, f64),
        to: u32,
    ) -> Result<ValueId, ProgramError> {
        let ring_bits = self.ring().bits();
        let room = f64::from(ring_bits - 2);
        let magnitude = ratio.abs().log2();
        // 2^s · |κ| · 2^t stays below 2^(k−2), and 2^s · 2^−(t+1), the error of the low part, below one half.
        let cut = (((room - magnitude) / 2.0).floor() as i32).clamp(1, ring_bits as i32 - 3) as u32;
        let low_bits = ((room - f64::from(cut) - magnitude).floor() as u32).min(ring_bits - 2);
        // So many bits of the high part's constant count; where it has fewer, a truncation makes room for more.
        let significant = f64::from(ring_bits / 2 - 1) - (f64::from(cut) + magnitude);
        let high_bits = significant.ceil().clamp(0.0, (-magnitude).floor().max(0.0)) as u32;
        let of = |ratio: f64, bits: u32| {
            (0..=bits).rev().find_map(|bits| Ratio::new(ratio, bits, ring_bits)).ok_or(factor)
        };
        let scaled = ratio * f64::from(cut).exp2();
        let (low_ratio, high_ratio) = (of(ratio, low_bits), of(scaled, high_bits));
        let low_ratio = low_ratio.map_err(|factor| self.too_large(factor))?;
        let high_ratio = high_ratio.map_err(|factor| self.too_large(factor))?;

        let (high, low) = self.cut(a, cut)?;
        let high = self.in_one_stage(high, factor * f64::from(cut).exp2(), high_ratio, to)?;
        let low = self.in_one_stage(low, factor, low_ratio, to)?;
        let sum = self.add(high, low)?;
        let units = (elements * (-f64::from(cut)).exp2() + 1.0) * high_ratio.error
            + f64::from(cut).exp2() * low_ratio.error
            + 2.0;
        let error = units * (-f64::from(to)).exp2();
        let known = self.interval(a).map(|known| known.times(factor).widened(error));
        self.refine(sum, known);
        Ok(sum)
    }

    /// high and low with a = high · 2^bits + low, exactly: high is `a` truncated, of as many fraction bits and so
    /// standing for a · 2^−bits, and low is less than 2^bits units in magnitude.
    pub(in crate::program) fn cut(
        &mut self,
        a: ValueId,
        bits: u32,
    ) -> Result<(ValueId, ValueId), ProgramError> {
        let own = self.value(a).fraction_bits;
        let high = self.rescaled(a, -(bits as i32), own)?;
        let back = self.rescaled(high, bits as i32, own)?;
        let low = self.sub(a, back)?;
        let most = (f64::from(bits).exp2() - 1.0) * self.value(a).unit();
        self.refine(low, Some(Interval::symmetric(most)));
        Ok((high, low))
    }

    /// By how many bits the product of two numbers is too large to be truncated, as far as is known, where cutting one of
    /// them in two helps.
    pub(in crate::program) fn excess_bits(&self, a: ValueId, b: ValueId) -> u32 {
        let bits = [a, b].map(|value| self.value(value).fraction_bits);
        let most = f64::from(self.ring().bits() - 2 - bits[0] - bits[1]).exp2();
        let reach = self.any_or_known(a).product(self.any_or_known(b)).reach();
        let excess = (reach / most).log2();
        let program_bits = self.codec().fraction_bits();
        let helps = bits == [program_bits; 2]
            && excess.is_finite()
            && (0.0..f64::from(program_bits)).contains(&excess);
        if helps { excess as u32 + 1 } else { 0 }
    }

    /// a ∘ b of numbers of one shape, by the products of b with a · 2^−excess and with what that leaves.
    pub(in crate::program) fn large_product(
        &mut self,
        a: ValueId,
        b: ValueId,
        excess: u32,
    ) -> Result<ValueId, ProgramError> {
        let bits = self.codec().fraction_bits();
        let known = self.intervals((a, b), Interval::product);
        let (high, low) = self.cut(a, excess)?;
        let high = self.raw_product(high, b)?;
        let high = self.rescaled(high, excess as i32, bits)?;
        let low = self.product(low, b, bits)?;
        let sum = self.add(high, low)?;
        let slack = 2.0 * self.codec().resolution();
        self.refine(sum, known.map(|known| known.widened(slack)));
        Ok(sum)
    }

    /// a ∘ b with `bits` fraction bits, of numbers with f fraction bits or more. Where nothing says that the product of all
    /// of these is small enough to be truncated, `a` is cut in two, so that the limits are those of numbers with f.
    pub(super) fn any_product(&mut self, a: ValueId, b: ValueId, bits: u32) -> Result<ValueId, ProgramError> {
        let both = self.value(a).fraction_bits + self.value(b).fraction_bits;
        let excess = both.saturating_sub(2 * self.codec().fraction_bits());
        let most = f64::from(self.ring().bits() - 2 - both).exp2();
        let reach = self.any_or_known(a).product(self.any_or_known(b)).reach();
        if excess == 0 || reach < most {
            return self.product(a, b, bits);
        }
        let (a, b, _) = self.broadcast(a, b)?;
        let first = self.values.len();
        let (high, low) = self.cut(a, excess)?;
        let high = self.raw_product(high, b)?;
        let high = self.rescaled(high, excess as i32, bits)?;
        let low = self.product(low, b, bits)?;
        let sum = self.add(high, low)?;
        self.composed(first, sum, Composite::Product(a, b));
        Ok(sum)
    }

    /// The error of a constant that is too large.
    pub(super) fn too_large(&self, value: f64) -> ProgramError {
        let codec = self.codec();
        ProgramError::ConstantRange {
            value,
            limit: codec.limit(),
            ring_bits: codec.ring().bits(),
            fraction_bits: codec.fraction_bits(),
        }
    }
}
