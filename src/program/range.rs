//! How large a program's values can become.
//!
//! Truncation is safe while the product it divides stays below 2^(k−2) in magnitude, and a smooth function
//! approximates only arguments of its domain. Where owners declare bounds on their inputs, intervals pass through every
//! op as it is built. They hold of the elements themselves, with all roundings and errors of approximation, as long as
//! arguments lie in their domains. What they prove is acted upon: truncations and comparisons open no more bits; a program that can
//! leave the range of truncation is refused, and so is a function of arguments that all lie outside its domain. Where
//! they do not prove that a function's arguments lie inside, [`warnings`] says so, and the user answers for it. Integer
//! programs wrap by definition and have no range.

pub use super::interval::Interval;
use super::{Op, Program, ProgramError, Value, ValueId};
use crate::ring::Axis;
use std::fmt;

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
    for domain in &program.domains {
        let proven = program.value(domain.argument).interval;
        if proven.is_some_and(|proven| !domain.reaches(proven)) {
            return Err(ProgramError::OutsideDomain(domain.warning(program)));
        }
    }
    for value in program.values() {
        let limit = (f64::from(ring_bits - 2) - f64::from(value.fraction_bits)).exp2();
        if let Some(reach) = value.interval.map(Interval::reach)
            && reach >= limit
        {
            let label = value.label.clone();
            return Err(ProgramError::Overflow { label, reach, limit, ring_bits, fraction_bits });
        }
    }
    Ok(program.values().iter().map(|value| value.interval.map(Interval::reach)).collect())
}

/// The functions whose arguments are not proven to lie in their domains, in the order of the program.
pub fn warnings(program: &Program) -> Vec<Warning> {
    let needed = program.needed();
    let open = program.domains.iter().filter(|domain| {
        let argument = program.value(domain.argument);
        needed[domain.result.index()]
            && !argument.interval.is_some_and(|proven| domain.holds(proven, argument))
    });
    open.map(|domain| domain.warning(program)).collect()
}

impl Domain {
    /// Whether all of the interval is in the domain. An argument that was rounded may lie a unit beyond its far end,
    /// which functions allow for.
    fn holds(&self, proven: Interval, argument: &Value) -> bool {
        let Interval { low, high } = self.interval;
        let rounded = Interval::new(low, high + argument.unit());
        rounded.holds(proven) || self.either_sign && rounded.times(-1.0).holds(proven)
    }

    /// Whether any of the interval is.
    fn reaches(&self, proven: Interval) -> bool {
        let meets = |own: Interval| own.low.max(proven.low) <= own.high.min(proven.high);
        meets(self.interval) || self.either_sign && meets(self.interval.times(-1.0))
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
    let element = |element: u64, unit: f64| Interval::of_element(program.ring(), element, unit);
    // What a unit of the result is worth in units of the operand.
    let units = |operand: ValueId| unit / program.value(operand).unit();
    let sum = |count: usize, term: Interval| term.times(count as f64);
    Some(match op {
        // An owner's numbers are rounded to the nearest element.
        Op::Input(index) => {
            Interval::symmetric(program.inputs()[index].bound?).widened(unit / 2.0).multiples(unit)
        }
        Op::Add(a, b) => of(a)?.plus(of(b)?),
        Op::Sub(a, b) => of(a)?.plus(of(b)?.times(-1.0)),
        Op::Neg(a) => of(a)?.times(-1.0),
        Op::Transpose(a) | Op::Slice(a, ..) | Op::Gather(a, _) => of(a)?,
        Op::Place(a, _) => of(a)?.hull(Interval::at(0.0)),
        Op::AddConstant(a, constant) => of(a)?.plus(element(constant, unit)),
        Op::Scale(a, factor) => of(a)?.product(element(factor, units(a))),
        Op::Mul(a, b) if a == b => of(a)?.square(),
        Op::Mul(a, b) => of(a)?.product(of(b)?),
        Op::MatMul(a, b) => sum(program.value(a).shape.cols, of(a)?.product(of(b)?)),
        Op::Sum(a, Axis::Rows) => sum(program.value(a).shape.rows, of(a)?),
        Op::Sum(a, Axis::Cols) => sum(program.value(a).shape.cols, of(a)?),
        Op::Truncate(a, bits, _) => of(a)?.times(units(a) * (-f64::from(bits)).exp2()).rounded(unit),
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
        assert_eq!(reaches.last(), Some(&Some(4.0 * 2.0 * 100.0)), "both bounds are elements");
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
