//! How large a program's values can become.
//!
//! Truncation is safe while the product it divides stays below 2^(k−2) in magnitude. Where owners declare bounds on
//! their inputs, this propagates them through every op and refuses a program that can leave that range; where they do
//! not, it says so, and the user answers for it. Integer programs wrap by definition and have no range.

use super::{Op, Program, ProgramError, Value, ValueId};
use crate::ring::Axis;

/// Propagates the declared bounds: for each value the largest magnitude that it can reach, in the units of the
/// inputs, or `None` where an input that it depends on declares no bound or the program computes on integers.
///
/// # Errors
/// Where the bounds allow a value whose element leaves the range below 2^(k−2).
pub fn reaches(program: &Program) -> Result<Vec<Option<f64>>, ProgramError> {
    let fraction_bits = program.codec().fraction_bits();
    let ring_bits = program.ring().bits();
    let mut reaches = vec![None; program.values().len()];
    if fraction_bits == 0 {
        return Ok(reaches);
    }
    for (index, value) in program.values().iter().enumerate() {
        reaches[index] = reach_of(program, value, &reaches).map(|reach| within(value, &reaches, reach));
        let limit = f64::from(ring_bits - 2 - value.fraction_bits).exp2();
        if let Some(reach) = reaches[index]
            && reach >= limit
        {
            let label = value.label.clone();
            return Err(ProgramError::Overflow { label, reach, limit, ring_bits, fraction_bits });
        }
    }
    Ok(reaches)
}

/// For each value a number of bits t with |element| < 2^t, as far as the declared bounds say; no more than k − 1.
pub fn magnitude_bits(program: &Program) -> Vec<u32> {
    let most = program.ring().bits() - 1;
    let Ok(reaches) = reaches(program) else { return vec![most; program.values().len()] };
    let bits = |(value, reach): (&Value, Option<f64>)| {
        let Some(reach) = reach else { return most };
        // One unit more than there can be, and by more than all roundings: 2^e ≤ largest < 2^(e+1).
        let largest = reach * f64::from(value.fraction_bits).exp2() * (1.0 + 1e-9) + 1.0;
        let exponent = (largest.to_bits() >> 52) as u32 - 1023;
        (exponent + 1).min(most)
    };
    program.values().iter().zip(reaches).map(bits).collect()
}

/// Magnitudes of products must stay below this where bounds are not declared: 2^(k−2−2f).
pub fn product_limit(program: &Program) -> f64 {
    f64::from(program.ring().bits() - 2 - 2 * program.codec().fraction_bits()).exp2()
}

/// The reach, or the larger of those of the two values that bound this one, if it is smaller.
fn within(value: &Value, reaches: &[Option<f64>], reach: f64) -> f64 {
    let bounds = value.within.and_then(|(a, b)| reaches[a.index()].zip(reaches[b.index()]));
    bounds.map_or(reach, |(a, b)| reach.min(a.max(b)))
}

fn reach_of(program: &Program, value: &Value, reaches: &[Option<f64>]) -> Option<f64> {
    let of = |operand: ValueId| reaches[operand.index()];
    let element = |element: u64, fraction_bits: u32| {
        (program.ring().signed(element) as f64).abs() * (-f64::from(fraction_bits)).exp2()
    };
    Some(match value.op {
        // Encoding rounds to the nearest element.
        Op::Input(index) => program.inputs()[index].bound? + program.codec().resolution() / 2.0,
        Op::Add(a, b) | Op::Sub(a, b) => of(a)? + of(b)?,
        Op::Neg(a) | Op::Transpose(a) => of(a)?,
        Op::AddConstant(a, constant) => of(a)? + element(constant, value.fraction_bits),
        Op::Scale(a, factor) => {
            let more_bits = f64::from(value.fraction_bits) - f64::from(program.value(a).fraction_bits);
            of(a)? * element(factor, 0) * (-more_bits).exp2()
        }
        Op::Mul(a, b) => of(a)? * of(b)?,
        Op::MatMul(a, b) => of(a)? * of(b)? * program.value(a).shape.cols as f64,
        Op::Sum(a, Axis::Rows) => of(a)? * program.value(a).shape.rows as f64,
        Op::Sum(a, Axis::Cols) => of(a)? * program.value(a).shape.cols as f64,
        Op::Truncate(a, ..) => of(a)? + program.codec().resolution(),
        Op::Test(..) => 1.0,
        Op::Slice(a, ..) | Op::Place(a, _) | Op::Gather(a, _) => of(a)?,
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
