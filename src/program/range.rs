//! How large a program's values can become.
//!
//! Truncation is safe while the product it divides stays below 2^(k−2) in magnitude, and a smooth function
//! approximates only arguments of its domain. Where owners declare bounds on their inputs, intervals pass through every
//! op as it is built, and what they prove is acted upon: a program that can leave the range of truncation is refused,
//! and so is a function of arguments that all lie outside its domain. Where they do not prove that a function's
//! arguments lie inside, [`warnings`] says so, and the user answers for it. Integer programs wrap by definition and have
//! no range.

use super::{Op, Program, ProgramError, Value, ValueId};
use crate::ring::Axis;
use std::fmt;

/// Between which two numbers all elements of a value lie, in the units of the inputs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// None is below.
    pub low: f64,
    /// None is above.
    pub high: f64,
}

/// The arguments that a function approximates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Domain {
    /// The function's result, whose label is the call.
    pub(super) result: ValueId,
    /// Its argument.
    pub(super) argument: ValueId,
    /// Where the argument should lie.
    pub(super) interval: Interval,
    /// Whether it may lie in the interval's mirror image as well.
    pub(super) either_sign: bool,
}

/// A function whose arguments are not proven to lie in its domain.
#[derive(Clone, Debug, PartialEq)]
pub struct Warning {
    /// The call.
    pub function: String,
    /// What its argument is called.
    pub argument: String,
    /// Where the argument should lie.
    pub domain: Interval,
    /// Whether the mirror image of that belongs to the domain.
    pub either_sign: bool,
    /// Where it lies as far as declared bounds say; nothing where an input that it depends on has none.
    pub proven: Option<Interval>,
}

impl Interval {
    /// Both ends.
    pub const fn new(low: f64, high: f64) -> Interval {
        Interval { low, high }
    }

    /// −bound to bound.
    pub const fn symmetric(bound: f64) -> Interval {
        Interval { low: -bound, high: bound }
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
        self.larger(Interval::new(0.0, 0.0))
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

    pub(super) fn plus(self, other: Interval) -> Interval {
        Interval::new(self.low + other.low, self.high + other.high)
    }

    pub(super) fn times(self, factor: f64) -> Interval {
        // Zero times what has no end is zero.
        let product = |end: f64| if end == 0.0 || factor == 0.0 { 0.0 } else { end * factor };
        let (a, b) = (product(self.low), product(self.high));
        Interval::new(a.min(b), a.max(b))
    }

    fn product(self, other: Interval) -> Interval {
        self.times(other.low).hull(self.times(other.high))
    }

    fn square(self) -> Interval {
        let magnitude = self.magnitude();
        Interval::new(magnitude.low * magnitude.low, magnitude.high * magnitude.high)
    }

    fn widened(self, by: f64) -> Interval {
        Interval::new(self.low - by, self.high + by)
    }
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

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Warning { function, argument, domain, either_sign, proven } = self;
        let sign = if *either_sign { " in magnitude" } else { "" };
        write!(f, "{function} is right only where {argument} is {domain}{sign}; ")?;
        match proven {
            Some(proven) => write!(f, "the declared bounds allow {proven}"),
            None => f.write_str("no declared bounds prove it"),
        }
    }
}

/// For each value the largest magnitude that it can reach as far as the declared bounds say, in the units of the
/// inputs, or `None` where an input that it depends on declares no bound or the program computes on integers.
///
/// # Errors
/// Where the bounds allow a value whose element leaves the range below 2^(k−2), or prove that a function's arguments
/// all lie outside its domain.
pub fn reaches(program: &Program) -> Result<Vec<Option<f64>>, ProgramError> {
    let fraction_bits = program.codec().fraction_bits();
    let ring_bits = program.ring().bits();
    for value in program.values() {
        let limit = (f64::from(ring_bits - 2) - f64::from(value.fraction_bits)).exp2();
        if let Some(reach) = value.interval.map(Interval::reach)
            && reach >= limit
        {
            let label = value.label.clone();
            return Err(ProgramError::Overflow { label, reach, limit, ring_bits, fraction_bits });
        }
    }
    for domain in &program.domains {
        let proven = program.value(domain.argument).interval;
        if proven.is_some_and(|proven| !domain.reaches(proven)) {
            return Err(ProgramError::OutsideDomain(domain.warning(program)));
        }
    }
    Ok(program.values().iter().map(|value| value.interval.map(Interval::reach)).collect())
}

/// The functions whose arguments are not proven to lie in their domains, in the order of the program.
pub fn warnings(program: &Program) -> Vec<Warning> {
    let needed = program.needed();
    let open = program.domains.iter().filter(|domain| {
        let proven = program.value(domain.argument).interval;
        // Bounds are those of numbers before they were rounded to elements.
        let proven = proven.map(|proven| proven.widened(-program.codec().resolution()));
        needed[domain.result.index()] && !proven.is_some_and(|proven| domain.holds(proven))
    });
    open.map(|domain| domain.warning(program)).collect()
}

impl Domain {
    fn mirrored(&self) -> Interval {
        self.interval.times(-1.0)
    }

    /// Whether all of the interval is in the domain.
    fn holds(&self, proven: Interval) -> bool {
        self.interval.holds(proven) || self.either_sign && self.mirrored().holds(proven)
    }

    /// Whether any of the interval is.
    fn reaches(&self, proven: Interval) -> bool {
        let meets = |own: Interval| own.low.max(proven.low) <= own.high.min(proven.high);
        meets(self.interval) || self.either_sign && meets(self.mirrored())
    }

    fn warning(&self, program: &Program) -> Warning {
        Warning {
            function: program.value(self.result).label.clone(),
            argument: program.value(self.argument).label.clone(),
            domain: self.interval,
            either_sign: self.either_sign,
            proven: program.value(self.argument).interval,
        }
    }
}

/// For each value a number of bits t with |element| < 2^t, as far as the declared bounds say; no more than k − 1.
pub fn magnitude_bits(program: &Program) -> Vec<u32> {
    let most = program.ring().bits() - 1;
    let bits = |value: &Value| {
        let Some(interval) = value.interval else { return most };
        // One unit more than there can be, and by more than all roundings: 2^e ≤ largest < 2^(e+1).
        let largest = interval.reach() * f64::from(value.fraction_bits).exp2() * (1.0 + 1e-9) + 1.0;
        let exponent = (largest.to_bits() >> 52) as u32 - 1023;
        (exponent + 1).min(most)
    };
    program.values().iter().map(bits).collect()
}

/// Magnitudes of products must stay below this where bounds are not declared: 2^(k−2−2f).
pub fn product_limit(program: &Program) -> f64 {
    f64::from(program.ring().bits() - 2 - 2 * program.codec().fraction_bits()).exp2()
}

/// Where the elements of an op's result lie as far as the declared bounds say.
pub(super) fn interval_of(program: &Program, op: Op, fraction_bits: u32) -> Option<Interval> {
    if program.codec().fraction_bits() == 0 {
        return None;
    }
    let of = |operand: ValueId| program.value(operand).interval;
    let unit = (-f64::from(fraction_bits)).exp2();
    // What a unit of the result is worth in units of the operand.
    let units = |operand: ValueId| (f64::from(program.value(operand).fraction_bits)).exp2() * unit;
    let element = |element: u64| program.ring().signed(element) as f64;
    let sum = |count: usize, term: Interval| {
        if count == 0 { Interval::new(0.0, 0.0) } else { term.times(count as f64) }
    };
    Some(match op {
        // Encoding rounds to the nearest element.
        Op::Input(index) => Interval::symmetric(program.inputs()[index].bound? + unit / 2.0),
        Op::Add(a, b) => of(a)?.plus(of(b)?),
        Op::Sub(a, b) => of(a)?.plus(of(b)?.times(-1.0)),
        Op::Neg(a) => of(a)?.times(-1.0),
        Op::Transpose(a) | Op::Slice(a, ..) | Op::Gather(a, _) => of(a)?,
        Op::Place(a, _) => of(a)?.hull(Interval::new(0.0, 0.0)),
        Op::AddConstant(a, constant) => {
            let constant = element(constant) * unit;
            of(a)?.plus(Interval::new(constant, constant))
        }
        Op::Scale(a, factor) => of(a)?.times(element(factor) * units(a)),
        Op::Mul(a, b) if a == b => of(a)?.square(),
        Op::Mul(a, b) => of(a)?.product(of(b)?),
        Op::MatMul(a, b) => sum(program.value(a).shape.cols, of(a)?.product(of(b)?)),
        Op::Sum(a, Axis::Rows) => sum(program.value(a).shape.rows, of(a)?),
        Op::Sum(a, Axis::Cols) => sum(program.value(a).shape.cols, of(a)?),
        Op::Truncate(a, bits, _) => of(a)?.times(units(a) * (-f64::from(bits)).exp2()).widened(unit),
        Op::Test(..) => Interval::new(0.0, 1.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::{FixedPoint, Ring, Shape};
    use crate::share::{Parties, PartyId};

    fn product(bound: Option<f64>) -> Result<Vec<Option<f64>>, ProgramError> {
        let mut program = Program::new(2, FixedPoint::new(Ring::Z64, 16).unwrap());
        let x = program.input("x", PartyId(0), Shape::new(3, 100), bound)?;
        let w = program.input("w", PartyId(1), Shape::new(100, 2), Some(2.0))?;
        let z = program.matmul(x, w)?;
        program.output("z", z, Parties::first(2))?;
        reaches(&program)
    }

    #[test]
    fn bounds_pass_through_a_product() {
        let reaches = product(Some(4.0)).unwrap();
        let rounding = (-17f64).exp2();
        let expected = (4.0 + rounding) * (2.0 + rounding) * 100.0;
        assert!((reaches.last().unwrap().unwrap() - expected).abs() < 0.001);
    }

    #[test]
    fn without_a_bound_nothing_is_claimed() {
        assert_eq!(product(None).unwrap().last(), Some(&None));
    }

    #[test]
    fn a_product_that_can_overflow_is_refused() {
        let message = product(Some(1e7)).unwrap_err().to_string();
        assert!(message.starts_with("(x @ w) can overflow: "), "{message}");
    }
}
