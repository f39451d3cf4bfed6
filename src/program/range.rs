//! The ranges of a program's values.
//!
//! Truncation is safe while the product it divides stays below 2^(k−2) in magnitude, and a smooth function
//! approximates only arguments of its domain. Where owners declare bounds on their inputs, intervals pass through every
//! op as it is built. They hold of the elements themselves, with all roundings and errors of approximation, as long as
//! arguments lie in their domains. What they prove is acted upon: truncations and comparisons open no more bits; a program that can
//! leave the range of truncation is refused, and so is a function of arguments that all lie outside its domain. Where
//! they do not prove that a function's arguments lie inside, [`warnings`] says so, and the user answers for it. Integer
//! programs wrap by definition: which integers a value can be, and where it wraps, [`super::Integers`] says.

pub use super::interval::Interval;
use super::{Op, Program, ProgramError, Value, ValueId};
use crate::ring::Axis;
use std::fmt;

/// Where a function is right, as far as that is not everywhere.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Domain {
    /// The function's result, whose label is the call.
    pub(super) result: ValueId,
    /// The value that should lie in the interval.
    pub(super) asked: Asked,
    /// Where it should lie.
    pub(super) interval: Interval,
}

/// The argument that should lie in a function's domain.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Asked {
    /// An argument.
    Value {
        value: ValueId,
        /// Whether it may lie in the interval's mirror image as well.
        either_sign: bool,
    },
    /// The result, of which nothing is proven.
    Result,
}

/// A function's search for the power of two of an argument, by comparisons that share an opening.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Search {
    /// What is computed of what it finds; its label is the call.
    pub value: ValueId,
    /// The least magnitude that it tells from zero.
    pub low: f64,
    /// All magnitudes are below.
    pub high: f64,
    /// The number of comparisons.
    pub comparisons: usize,
}

/// The searches of a program's functions, in its order.
pub fn searches(program: &Program) -> Vec<Search> {
    let needed = program.needed();
    let compares = |search: &&Search| search.comparisons > 0 && needed[search.value.index()];
    program.searches.iter().filter(compares).copied().collect()
}

impl Search {
    /// In words.
    pub fn text(&self, program: &Program) -> String {
        let (low, high) = (self.low, self.high);
        format!(
            "{}: {} comparisons for a magnitude from {low:.1e} to {high:.1e}",
            program.value(self.value).label,
            self.comparisons
        )
    }
}

/// A function that nothing proves to be right.
#[derive(Clone, Debug, PartialEq)]
pub struct Warning {
    /// The call.
    pub function: String,
    /// The name of its argument.
    pub argument: String,
    /// Where the argument should lie.
    pub domain: Interval,
    /// Whether the mirror image of that belongs to the domain.
    pub either_sign: bool,
    /// Where it lies as far as is known; nothing where nothing is.
    pub proven: Option<Interval>,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.claim(f)?;
        match self.proven {
            Some(proven) => write!(f, "as far as is known, it is {proven}"),
            None => f.write_str("nothing is known of it"),
        }?;
        f.write_str(" (a bound on the inputs or assume(x, low, high) says more)")
    }
}

impl Warning {
    /// Where the function is right.
    fn claim(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Warning { function, argument, domain, either_sign, .. } = self;
        let sign = if *either_sign { " in magnitude" } else { "" };
        write!(f, "{function} is right only where {argument} is {domain}{sign}; ")
    }
}

/// A function that is provably wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Outside(pub Warning);

impl fmt::Display for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.claim(f)?;
        match self.0.proven {
            Some(proven) => write!(f, "it is {proven}, all of it outside"),
            None => f.write_str("all of it is outside"),
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
    if let Some(domain) = program.domains.iter().find(|domain| !domain.reaches(program)) {
        return Err(ProgramError::OutsideDomain(Outside(domain.warning(program))));
    }
    for value in program.values() {
        let limit = (f64::from(ring_bits - 2) - f64::from(value.fraction_bits)).exp2();
        if let Some(interval) = value.interval
            && let reach = interval.reach()
            && reach.is_finite()
            && reach >= limit
        {
            let label = value.label.clone();
            return Err(ProgramError::Overflow { label, reach, limit, ring_bits, fraction_bits });
        }
    }
    let finite = |value: &Value| value.interval.map(Interval::reach).filter(|reach| reach.is_finite());
    Ok(program.values().iter().map(finite).collect())
}

/// The functions whose arguments are not proven to lie in their domains, in the order of the program.
pub fn warnings(program: &Program) -> Vec<Warning> {
    let needed = program.needed();
    let open =
        program.domains.iter().filter(|domain| needed[domain.result.index()] && !domain.holds(program));
    open.map(|domain| domain.warning(program)).collect()
}

/// Whether a warning is about this value.
#[cfg(test)]
pub(crate) fn warnings_of(program: &Program, value: ValueId) -> bool {
    let open = program.domains.iter().filter(|domain| !domain.holds(program));
    open.into_iter().any(|domain| domain.result == value)
}

/// How far an argument that was rounded may lie beyond an end of a domain.
const UNITS: f64 = 4.0;

impl Domain {
    /// The argument and the parts of its domain.
    fn parts(&self, program: &Program) -> Option<(Interval, Vec<Interval>)> {
        let Asked::Value { value, either_sign } = self.asked else { return None };
        let mirror = either_sign.then_some(self.interval.times(-1.0));
        Some((program.any_or_known(value), std::iter::once(self.interval).chain(mirror).collect()))
    }

    /// An argument, and where it may lie: some units beyond the domain's ends where functions allow for what is rounded.
    pub(super) fn argument(&self, program: &Program) -> Option<(ValueId, bool, Interval)> {
        let Asked::Value { value, either_sign } = self.asked else { return None };
        let units = if either_sign { 0.0 } else { UNITS };
        Some((value, either_sign, self.interval.widened(units * program.value(value).unit())))
    }

    /// The same of other values.
    pub(super) fn map(&self, new: impl Fn(&ValueId) -> ValueId) -> Domain {
        let asked = match self.asked {
            Asked::Value { value, either_sign } => Asked::Value { value: new(&value), either_sign },
            Asked::Result => Asked::Result,
        };
        Domain { result: new(&self.result), asked, interval: self.interval }
    }

    /// Whether the argument is known to be in the domain. One that was rounded may lie some units beyond an end, which
    /// functions allow for.
    pub(super) fn holds(&self, program: &Program) -> bool {
        let Asked::Value { value, .. } = self.asked else { return false };
        let slack = UNITS * program.value(value).unit();
        self.parts(program)
            .is_some_and(|(known, parts)| parts.iter().any(|part| part.widened(slack).holds(known)))
    }

    /// Whether the argument can be in the domain.
    fn reaches(&self, program: &Program) -> bool {
        self.parts(program).is_none_or(|(known, parts)| {
            parts.iter().any(|part| part.low.max(known.low) <= part.high.min(known.high))
        })
    }

    fn warning(&self, program: &Program) -> Warning {
        let (argument, either_sign, proven) = match self.asked {
            Asked::Value { value, either_sign } => {
                let Value { label, interval, .. } = program.value(value);
                (label.clone(), either_sign, *interval)
            }
            Asked::Result => ("the result".to_owned(), false, None),
        };
        let function = program.value(self.result).label.clone();
        Warning { function, argument, domain: self.interval, either_sign, proven }
    }
}

/// What the results are called that may leave the ring, and so wrap modulo 2^k, in a program on integers: outputs by their
/// names, other values by their expressions. Sums and products do that; what comparisons choose does not.
pub fn wrapping(program: &Program) -> Vec<String> {
    let needed = program.needed();
    let mut names: Vec<String> = Vec::new();
    for (id, value) in (0..).map(ValueId).zip(program.values()) {
        if !needed[id.index()] || !value.integers.is_some_and(|integers| integers.wraps) {
            continue;
        }
        let output = program.outputs().iter().find(|output| output.value == id);
        let name = output.map_or(&value.label, |output| &output.name);
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

/// For each value a number of bits t with |element| < 2^t, as far as the declared bounds say; no more than k − 1.
pub fn magnitude_bits(program: &Program) -> Vec<u32> {
    let most = program.ring().bits() - 1;
    let bits = |value: &Value| {
        if let Some(integers) = value.integers {
            return integers.magnitude_bits(program.ring());
        }
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

/// Quotients must stay below this where bounds are not declared: as products, but for leaving a quarter of the ring's bits
/// for the inverse.
pub fn quotient_limit(program: &Program) -> f64 {
    let (ring_bits, fraction_bits) = (program.ring().bits(), program.codec().fraction_bits());
    f64::from(ring_bits - 2 - fraction_bits - fraction_bits.max(ring_bits / 4)).exp2()
}

/// Where numbers within a bound lie that are rounded to the nearest element.
pub(super) fn bounded(bound: f64, unit: f64) -> Interval {
    Interval::symmetric(bound).widened(unit / 2.0).multiples(unit)
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
    let interval = match op {
        Op::Input(index) => bounded(program.inputs()[index].bound?, unit),
        Op::State(index) => bounded(program.states()[index].bound?, unit),
        Op::Public(public) => program.interval_of_tensor(public),
        Op::Add(a, b) => of(a)?.plus(of(b)?),
        Op::Sub(a, b) => of(a)?.plus(of(b)?.times(-1.0)),
        Op::Neg(a) => of(a)?.times(-1.0),
        Op::Transpose(a) | Op::Slice(a, ..) | Op::Gather(a, _) | Op::RowsByRun(a, _) => of(a)?,
        Op::Pad(a, _) => of(a)?.hull(Interval::at(0.0)),
        Op::AddConstant(a, constant) => of(a)?.plus(element(constant, unit)),
        Op::Scale(a, factor) => of(a)?.product(element(factor, units(a))),
        Op::ScaleByRun(a, by) => of(a)?.product(program.interval_of_numbers(by)),
        Op::Mul(a, b) if a == b => of(a).unwrap_or(Interval::ANY).square(),
        Op::Mul(a, b) => of(a)?.product(of(b)?),
        Op::MatMul(a, b) => sum(program.value(a).shape.cols, of(a)?.product(of(b)?)),
        Op::Sum(a, Axis::Rows) => sum(program.value(a).shape.rows, of(a)?),
        Op::Sum(a, Axis::Cols) => sum(program.value(a).shape.cols, of(a)?),
        Op::Truncate(a, bits, _) => of(a)?.times(units(a) * (-f64::from(bits)).exp2()).rounded(unit),
        Op::Compare(..) => Interval::new(0.0, 1.0),
    };
    (interval.low.is_finite() || interval.high.is_finite()).then_some(interval)
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
