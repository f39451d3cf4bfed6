//! Intervals that hold all elements of a value.
//!
//! Arithmetic rounds outwards: an end that no float holds exactly becomes the next one beyond, so that the result holds
//! whatever an exact interval would. Ends that are exact stay exact.

use crate::ring::Ring;
use std::fmt;

/// Between which two numbers all elements of a value lie, in the units of the inputs; an end can be infinite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// None is below.
    pub low: f64,
    /// None is above.
    pub high: f64,
}

impl Interval {
    /// Both ends.
    pub const fn new(low: f64, high: f64) -> Interval {
        Interval { low, high }
    }

    /// One number alone.
    pub const fn at(number: f64) -> Interval {
        Interval { low: number, high: number }
    }

    /// −bound to bound.
    pub const fn symmetric(bound: f64) -> Interval {
        Interval { low: -bound, high: bound }
    }

    /// All numbers.
    pub const ANY: Interval = Interval { low: f64::NEG_INFINITY, high: f64::INFINITY };

    /// Whether both ends are numbers.
    pub fn is_finite(self) -> bool {
        self.low.is_finite() && self.high.is_finite()
    }

    /// The largest magnitude in it.
    pub fn reach(self) -> f64 {
        self.low.abs().max(self.high.abs())
    }

    /// The least interval that holds both.
    pub fn hull(self, other: Interval) -> Interval {
        Interval::new(self.low.min(other.low), self.high.max(other.high))
    }

    /// What is in both; where nothing is, what `self` says.
    pub fn intersection(self, other: Interval) -> Interval {
        let both = Interval::new(self.low.max(other.low), self.high.min(other.high));
        if both.low <= both.high { both } else { self }
    }

    /// Whether all of `other` is in it.
    pub fn holds(self, other: Interval) -> bool {
        self.low <= other.low && other.high <= self.high
    }

    /// The larger of each element and zero.
    pub fn positive(self) -> Interval {
        self.larger(Interval::at(0.0))
    }

    /// The larger of an element of each.
    pub fn larger(self, other: Interval) -> Interval {
        Interval::new(self.low.max(other.low), self.high.max(other.high))
    }

    /// The smaller of an element of each.
    pub fn smaller(self, other: Interval) -> Interval {
        Interval::new(self.low.min(other.low), self.high.min(other.high))
    }

    /// The magnitudes.
    pub fn magnitude(self) -> Interval {
        Interval::new(self.low.max(-self.high).max(0.0), self.reach())
    }

    /// The number that an element stands for at the scale of `unit`, a power of two.
    pub(super) fn of_element(ring: Ring, element: u64, unit: f64) -> Interval {
        let exact = i128::from(ring.signed(element));
        Interval::of_integers(exact, exact).times(unit)
    }

    /// The integers from `low` to `high`.
    pub(super) fn of_integers(low: i128, high: i128) -> Interval {
        let end = |exact: i128, beyond: fn(f64) -> f64| {
            let near = exact as f64;
            if near as i128 == exact { near } else { beyond(near) }
        };
        Interval::new(end(low, f64::next_down), end(high, f64::next_up))
    }

    pub(super) fn plus(self, other: Interval) -> Interval {
        Interval::new(sum(self.low, other.low).0, sum(self.high, other.high).1)
    }

    pub(super) fn times(self, factor: f64) -> Interval {
        let ends = [product(self.low, factor), product(self.high, factor)];
        let (low, high) = (ends[0].0.min(ends[1].0), ends[0].1.max(ends[1].1));
        Interval::new(low, high)
    }

    pub(super) fn product(self, other: Interval) -> Interval {
        self.times(other.low).hull(self.times(other.high))
    }

    pub(super) fn square(self) -> Interval {
        let magnitude = self.magnitude();
        Interval::new(product(magnitude.low, magnitude.low).0, product(magnitude.high, magnitude.high).1)
    }

    pub(super) fn widened(self, by: f64) -> Interval {
        self.plus(Interval::symmetric(by))
    }

    /// The multiples of `unit`, a power of two, that numbers in the interval round to, up or down.
    pub(super) fn rounded(self, unit: f64) -> Interval {
        Interval::new((self.low / unit).floor() * unit, (self.high / unit).ceil() * unit)
    }

    /// The multiples of `unit`, a power of two, in a symmetric interval.
    pub(super) fn multiples(self, unit: f64) -> Interval {
        Interval::symmetric((self.high / unit).floor() * unit)
    }
}

/// The floats next to a + b on either side; the sum itself where it is one (Knuth, "The Art of Computer Programming",
/// volume 2, section 4.2.2).
fn sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let second = sum - a;
    around(sum, (a - (sum - second)) + (b - second))
}

/// The floats next to a · b on either side; the product itself where it is one. Zero times what has no end is zero.
fn product(a: f64, b: f64) -> (f64, f64) {
    if a == 0.0 || b == 0.0 {
        return (0.0, 0.0);
    }
    let product = a * b;
    around(product, a.mul_add(b, -product))
}

/// What lies around near + error.
fn around(near: f64, error: f64) -> (f64, f64) {
    (if error < 0.0 { near.next_down() } else { near }, if error > 0.0 { near.next_up() } else { near })
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.low.is_finite(), self.high.is_finite()) {
            (true, true) => write!(f, "{:.6} to {:.6}", Short(self.low), Short(self.high)),
            (true, false) => write!(f, "at least {:.6}", Short(self.low)),
            (false, true) => write!(f, "at most {:.6}", Short(self.high)),
            (false, false) => f.write_str("any number"),
        }
    }
}

/// A number with few digits.
struct Short(f64);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = 7 - (self.0.abs().max(1e-9).log10().floor() as i32).clamp(-9, 6);
        let scale = 10f64.powi(digits);
        let rounded = (self.0 * scale).round() / scale;
        if self.0.abs() >= 1e7 { write!(f, "{:e}", self.0) } else { write!(f, "{rounded}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_floats_hold_stays_exact() {
        let interval = Interval::new(-0.5, 3.0);
        assert_eq!(interval.plus(Interval::new(0.25, 1.0)), Interval::new(-0.25, 4.0));
        assert_eq!(interval.times(-2.0), Interval::new(-6.0, 1.0));
        assert_eq!(interval.product(Interval::new(-1.0, 2.0)), Interval::new(-3.0, 6.0));
        assert_eq!(interval.square(), Interval::new(0.0, 9.0));
        assert_eq!(Interval::new(0.0, f64::INFINITY).times(0.0), Interval::at(0.0));
    }

    #[test]
    fn what_they_do_not_hold_is_rounded_outwards() {
        let large = Interval::symmetric(1e17);
        let sum = large.plus(Interval::symmetric(1.0));
        assert!(sum.low < -1e17 && sum.high > 1e17);
        let back = sum.plus(Interval::at(-1e17));
        assert!(back.high >= 1.0, "what was lost is not below {}", back.high);
        assert!(Interval::at(0.1).square().high > 0.1 * 0.1 - 1e-18);
        let third = Interval::at(1.0 / 3.0).times(1.0 / 3.0);
        assert!(third.low < third.high);
        let element = Interval::of_element(Ring::Z64, (1 << 60) + 1, 1.0);
        assert!(element.low <= (1u64 << 60) as f64 && element.high > (1u64 << 60) as f64);
    }

    #[test]
    fn truncation_keeps_multiples_and_rounds_others_either_way() {
        assert_eq!(Interval::new(0.0, 1.0).rounded(0.25), Interval::new(0.0, 1.0));
        assert_eq!(Interval::new(-0.1, 0.9).rounded(0.25), Interval::new(-0.25, 1.0));
    }
}
