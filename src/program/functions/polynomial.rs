//! Polynomials in fixed point, and where their results lie.
//!
//! A result is the real polynomial's value for the argument's element, and what roundings on the way add to it. Both are
//! bounded here, for whatever ring, fraction bits and argument: so the interval of every function that is made of a
//! polynomial holds its elements, not just the numbers that it approximates. Nothing else may narrow it.

use super::super::range::Interval;
use super::super::{Program, ProgramError, ValueId};

/// A value, and how far its elements can lie from the numbers that they stand for, in the units of the inputs.
#[derive(Clone, Copy)]
pub(super) struct Rounded {
    pub(super) value: ValueId,
    pub(super) error: f64,
}

impl Program {
    /// Σ coefficients[i] · t^i for a t about [−1, 1] of g fraction bits, with `bits` fraction bits; 4,
    /// 8 or 16 coefficients. Halves are evaluated side by side (Estrin, "Organization of computer systems", 1960), so
    /// 2^n coefficients take n products one after the other.
    pub(super) fn polynomial(
        &mut self,
        t: ValueId,
        coefficients: &[f64],
        bits: u32,
    ) -> Result<Rounded, ProgramError> {
        let fine = self.value(t).fraction_bits;
        let t = Rounded { value: t, error: 0.0 };
        let square = self.rounded_product(t, t, fine)?;
        let cube = self.rounded_product(square, t, fine)?;
        let mut powers = Vec::new();
        let mut last = square;
        while (4 << powers.len()) < coefficients.len() {
            last = self.rounded_product(last, last, fine)?;
            powers.push(last);
        }
        let sum = self.halves(&[t, square, cube], &powers, coefficients)?;
        self.rounded(sum, bits)
    }

    /// A polynomial with 2g fraction bits: t, t² and t³ are `low`, t^4, t^8 and so on `powers`.
    fn halves(
        &mut self,
        low: &[Rounded; 3],
        powers: &[Rounded],
        coefficients: &[f64],
    ) -> Result<Rounded, ProgramError> {
        let t = low[0].value;
        let fine = self.value(t).fraction_bits;
        let sum = match powers.split_last() {
            None => {
                let mut sum = self.rounded_multiple(low[0], coefficients[1], 2 * fine)?;
                for (&power, &coefficient) in low.iter().zip(&coefficients[1..]).skip(1) {
                    let term = self.rounded_multiple(power, coefficient, 2 * fine)?;
                    sum = self.rounded_sum(sum, term)?;
                }
                let error = (coefficients[0] - self.nearest(coefficients[0], 2 * fine)).abs();
                let value = self.offset(sum.value, coefficients[0])?;
                Rounded { value, error: sum.error + error }
            }
            Some((&power, powers)) => {
                let (lower, upper) = coefficients.split_at(coefficients.len() / 2);
                let upper = self.halves(low, powers, upper)?;
                let upper = self.rounded(upper, fine)?;
                let product = self.rounded_product(power, upper, 2 * fine)?;
                let lower = self.halves(low, powers, lower)?;
                self.rounded_sum(product, lower)?
            }
        };
        let known = self.interval(t).map(|t| values(coefficients, t).widened(sum.error));
        self.refine(sum.value, known);
        Ok(sum)
    }

    /// a ∘ b with `bits` fraction bits.
    fn rounded_product(&mut self, a: Rounded, b: Rounded, bits: u32) -> Result<Rounded, ProgramError> {
        let value = self.raw_product(a.value, b.value)?;
        let error = a.error * (self.reach(b.value) + b.error) + b.error * self.reach(a.value);
        self.rounded(Rounded { value, error }, bits)
    }

    /// a · constant with `bits` fraction bits, those that the value has not its own being the constant's.
    fn rounded_multiple(&mut self, a: Rounded, constant: f64, bits: u32) -> Result<Rounded, ProgramError> {
        let nearest = self.nearest(constant, bits - self.value(a.value).fraction_bits);
        let error = nearest.abs() * a.error + (constant - nearest).abs() * (self.reach(a.value) + a.error);
        Ok(Rounded { value: self.weighted(a.value, constant, bits)?, error })
    }

    fn rounded_sum(&mut self, a: Rounded, b: Rounded) -> Result<Rounded, ProgramError> {
        Ok(Rounded { value: self.add(a.value, b.value)?, error: a.error + b.error })
    }

    /// The value with `bits` fraction bits.
    fn rounded(&mut self, a: Rounded, bits: u32) -> Result<Rounded, ProgramError> {
        let value = self.rescaled(a.value, 0, bits)?;
        let rounding = if bits < self.value(a.value).fraction_bits { self.value(value).unit() } else { 0.0 };
        Ok(Rounded { value, error: a.error + rounding })
    }

    fn reach(&self, a: ValueId) -> f64 {
        self.interval(a).map_or(f64::INFINITY, Interval::reach)
    }
}

/// Where the values of Σ coefficients[i] · t^i lie. On each of the pieces that t's interval is cut into, they lie between
/// the least and the greatest of the coefficients in the Bernstein basis, of which the outer ones are the values at the
/// ends (Farouki, "The Bernstein polynomial basis: a centennial retrospective", 2012, section 3.2).
fn values(coefficients: &[f64], t: Interval) -> Interval {
    const PIECES: usize = 128;
    /// More than all roundings of floats, as a part of Σ |coefficients[i] · t^i|.
    const ROUNDINGS: f64 = 1e-13;
    let degree = coefficients.len() - 1;
    let width = (t.high - t.low) / PIECES as f64;
    let mut all: Option<Interval> = None;
    for piece in 0..PIECES {
        // In powers of s from 0 to 1, by repeated synthetic division: t = begin + width · s.
        let begin = t.low + width * piece as f64;
        let mut taylor = coefficients.to_vec();
        for from in 0..degree {
            for at in (from..degree).rev() {
                taylor[at] += begin * taylor[at + 1];
            }
        }
        let mut scale = 1.0;
        for coefficient in &mut taylor {
            *coefficient *= scale;
            scale *= width;
        }
        for place in 0..=degree {
            // Σ taylor[i] · C(place, i) / C(degree, i)
            let (mut ratio, mut sum) = (1.0, 0.0);
            for (index, coefficient) in taylor[..=place].iter().enumerate() {
                sum += ratio * coefficient;
                ratio *= (place - index) as f64 / (degree - index).max(1) as f64;
            }
            all = Some(all.map_or(Interval::at(sum), |all| all.hull(Interval::at(sum))));
        }
    }
    let reach = t.reach() + width;
    let magnitudes = coefficients.iter().rev().fold(0.0, |sum, coefficient| sum * reach + coefficient.abs());
    all.expect("there are pieces").widened(ROUNDINGS * magnitudes)
}

#[cfg(test)]
mod tests {
    use super::super::coefficients::{EXP_HALF, GELU_REST, RECIPROCAL, SIGMOID, SILU_REST};
    use super::*;

    #[test]
    fn values_are_within_and_the_ends_are_near() {
        let polynomials: [&[f64]; 5] = [&EXP_HALF, &GELU_REST, &RECIPROCAL, &SIGMOID, &SILU_REST];
        let intervals = [(-1.0, 1.0), (-0.3, 0.2), (0.7, 1.01), (-1.0, -1.0)];
        for (coefficients, (low, high)) in
            polynomials.into_iter().flat_map(|polynomial| intervals.map(|interval| (polynomial, interval)))
        {
            let found = values(coefficients, Interval::new(low, high));
            let value =
                |t: f64| coefficients.iter().rev().fold(0.0, |sum, coefficient| sum * t + coefficient);
            let points = (0..=20_000).map(|index| value(low + (high - low) * f64::from(index) / 20_000.0));
            let (least, most) =
                points.fold((f64::MAX, f64::MIN), |(least, most), x| (least.min(x), most.max(x)));
            assert!(found.low <= least && most <= found.high, "{found:?} for {least} to {most}");
            assert!(least - found.low < 1e-4 && found.high - most < 1e-4, "{found:?} for {least} to {most}");
        }
    }
}
