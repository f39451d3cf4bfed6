//! Public tensors, which no party brings.

use super::{Function, LARGE, sample};
use crate::program::Number;
use crate::program::expression::StepErrorKind;
use crate::program::expression::call::Call;

/// The beginning, the distance and the number of an `arange`.
fn progression(call: &Call) -> Result<(Number, Number, usize), StepErrorKind> {
    let (zero, one) = (Number::Integer(0), Number::Integer(1));
    let (start, end, step) = match call.count() {
        1 => (zero, call.constant(0)?, one),
        2 => (call.constant(0)?, call.constant(1)?, one),
        _ => (call.constant(0)?, call.constant(1)?, call.constant(2)?),
    };
    let count = ((end.value() - start.value()) / step.value()).ceil();
    if count.is_nan() || count > MOST_COUNTED {
        return Err(call.wrong("there is no end to these numbers"));
    }
    Ok((start, step, count.max(0.0) as usize))
}

/// More numbers than a tensor may have.
const MOST_COUNTED: f64 = 1e10;

/// Public tensors.
pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        forms: &["zeros(rows, cols, …) with one to four extents"],
        result: "public zeros",
        apply: |p, c| Ok(p.zeros(c.shape()?)?),
        samples: &[sample("zeros(2, 3) + sum(x)", LARGE)],
        accuracy: &[],
    },
    Function {
        forms: &["ones(rows, cols, …) with one to four extents"],
        result: "public ones",
        apply: |p, c| Ok(p.filled(c.shape()?, Number::Integer(1))?),
        samples: &[sample("ones(3) * sum(x)", LARGE)],
        accuracy: &[],
    },
    Function {
        forms: &["eye(n)"],
        result: "the public identity matrix with n rows",
        apply: |p, c| Ok(p.identity(c.whole(0)?)?),
        samples: &[sample("eye(3) * sum(x)", LARGE), sample("eye(1) + sum(x)", LARGE)],
        accuracy: &[],
    },
    Function {
        forms: &["arange(end)", "arange(start, end)", "arange(start, end, step)"],
        result: "public numbers from `start`, or 0, to before `end`, `step`, or 1, apart",
        apply: |p, c| {
            let (start, step, count) = progression(c)?;
            Ok(p.progression(start, step, count)?)
        },
        samples: &[sample("arange(5) * sum(x)", LARGE), sample("arange(1, -1, -0.25) + sum(x)", LARGE)],
        accuracy: &[],
    },
    Function {
        forms: &["linspace(start, end, count)"],
        result: "so many public numbers from `start` to `end`, evenly spaced",
        apply: |p, c| {
            let (start, end, count) = (c.constant(0)?, c.constant(1)?, c.whole(2)?);
            let step = (end.value() - start.value()) / count.saturating_sub(1).max(1) as f64;
            Ok(p.progression(start, Number::Real(step), count)?)
        },
        samples: &[sample("linspace(0, 1, 5) + sum(x)", LARGE)],
        accuracy: &[],
    },
];
