//! Functions that choose by comparisons, and what is stated of values.

use super::{Function, LARGE, LARGEST, POWERS, sample};
use crate::program::Program;
use crate::program::expression::accuracy::{case, each};
use crate::program::expression::call::{Applied, Call};

fn select(program: &mut Program, call: &Call) -> Applied {
    let (condition, x) = (call.matrix(0)?, call.value(program, 1)?);
    let y = call.value(program, 2)?;
    Ok(program.select(condition, x, y)?)
}

/// Choices by comparisons.
pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        forms: &["select(condition, x, y)"],
        result: "`x` where the comparison `condition` holds, `y` where it does not; either may be a constant",
        apply: select,
        samples: &[sample("select(x < y, x, y)", LARGEST), sample("select(x < 0, x, 1)", LARGEST)],
        accuracy: &[],
    },
    Function {
        forms: &["where(condition, x, y)"],
        result: "the same as `select`",
        apply: select,
        samples: &[sample("where(x < y, x, y)", LARGEST)],
        accuracy: &[],
    },
    Function {
        forms: &["sign(x)"],
        result: "-1, 0 or 1 as each element is negative, zero or positive",
        apply: |p, c| Ok(p.sign(c.matrix(0)?)?),
        samples: &[sample("sign(x)", LARGEST)],
        accuracy: &[],
    },
    Function {
        forms: &["relu(x)"],
        result: "each element where it is positive, 0 elsewhere",
        apply: |p, c| Ok(p.relu(c.matrix(0)?)?),
        samples: &[sample("relu(x)", LARGEST)],
        accuracy: &[case("relu(x)", (-100.0, 100.0), [0.0, 0.0], |x, _| each(x, |x| x.max(0.0)))],
    },
    Function {
        forms: &["leaky_relu(x, slope) with a constant slope"],
        result: "each element where it is positive, `slope` times it elsewhere",
        apply: |p, c| Ok(p.leaky_relu(c.matrix(0)?, c.constant(1)?)?),
        samples: &[sample("leaky_relu(x, 0.01)", LARGE)],
        accuracy: &[case("leaky_relu(x, 0.01)", (-100.0, 100.0), [2e-5, 5e-3], |x, _| {
            each(x, |x| if x < 0.0 { x * 0.01 } else { x })
        })],
    },
    Function {
        forms: &["abs(x)"],
        result: "the magnitude of each element",
        apply: |p, c| Ok(p.abs(c.matrix(0)?)?),
        samples: &[sample("abs(x)", LARGEST)],
        accuracy: &[],
    },
    Function {
        forms: &["clip(x, low, high) with constants low and high"],
        result: "each element, or `low` where it is below, or `high` where it is above",
        apply: |p, c| Ok(p.clip(c.matrix(0)?, c.constant(1)?, c.constant(2)?)?),
        samples: &[sample("clip(x, -1, 1)", LARGEST)],
        accuracy: &[],
    },
    Function {
        forms: &["assume(x, low, high) with constants low and high"],
        result: "`x`, of which the author states that all elements lie between the two constants",
        apply: |p, c| Ok(p.assume(c.matrix(0)?, c.constant(1)?, c.constant(2)?)?),
        samples: &[sample("x - assume(x, 0.003, 512)", POWERS)],
        accuracy: &[],
    },
    Function {
        forms: &["real(x)"],
        result: "integers of an input with `kind = \"integer\"`, and what is computed of them, as numbers with fractions",
        apply: |p, c| Ok(p.real(c.matrix(0)?)?),
        samples: &[sample("real(x > y)", LARGE)],
        accuracy: &[],
    },
    Function {
        forms: &["floor(x)"],
        result: "the largest whole number that is not above each element",
        apply: |p, c| Ok(p.floor(c.matrix(0)?)?),
        samples: &[sample("floor(x)", LARGE)],
        accuracy: &[],
    },
    Function {
        forms: &["round(x)"],
        result: "the whole number nearest to each element; halves are rounded up",
        apply: |p, c| Ok(p.round(c.matrix(0)?)?),
        samples: &[sample("round(x)", LARGE)],
        accuracy: &[],
    },
    Function {
        forms: &["mod(x, divisor) with a positive constant divisor"],
        result: "what `x // divisor` leaves of each element, from 0 to below the divisor: `x % divisor`",
        apply: |p, c| Ok(p.remainder(c.matrix(0)?, c.constant(1)?)?),
        samples: &[sample("mod(x, 7)", LARGE), sample("mod(x, 0.5)", LARGE)],
        accuracy: &[],
    },
];
