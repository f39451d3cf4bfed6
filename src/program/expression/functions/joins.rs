//! Functions that join rows by keys and take rows of a key together.

use super::{Function, LARGE, LARGEST, SMALL, Sample, of_matrices, sample};
use crate::program::Sorted;
use crate::program::expression::StepErrorKind;
use crate::program::expression::accuracy::{case, mean};
use crate::program::expression::call::Call;

/// A step on vectors.
const fn of_vectors(step: &'static str) -> Sample {
    Sample { step, ends: SMALL, axes: (1, 1), rounds: None }
}

fn sorted(call: &Call) -> Result<Sorted, StepErrorKind> {
    let both = call.flag("sorted")?;
    Ok(Sorted { left: both || call.flag("left_sorted")?, right: both || call.flag("right_sorted")? })
}

/// Joins and groups.
pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        forms: &[
            "join(left_keys, right_keys, right_values, sorted=False, left_sorted=False, right_sorted=False)",
        ],
        result: "for each left key the right values of the row with this key, of several the last, and zeros where there is \
                 none; with `sorted=True` both keys are in rising order, and a merge does; one side's alone are not \
                 sorted again",
        apply: |p, c| Ok(p.join(c.matrix(0)?, c.matrix(1)?, c.matrix(2)?, sorted(c)?)?),
        samples: &[
            of_matrices("join(assume(x[:, 0], -16, 16) // 8, assume(y[:, 0], -16, 16) // 8, y)"),
            of_matrices("join(x[:, 0] // 8, y[:, :1] // 8, concat(y, x, axis=1))"),
            of_vectors("join(sort(x // 8), sort(y // 8), v, sorted=True)"),
            of_vectors("join(sort(x // 8), y // 8, v, left_sorted=True)"),
            of_vectors("join(x // 8, sort(y // 8), v, right_sorted=True)"),
        ],
        accuracy: &[],
    },
    Function {
        forms: &["isin(x, among, sorted=False, left_sorted=False, right_sorted=False)"],
        result: "1 where an element is one of those of `among`, 0 elsewhere: whether `join` finds a row",
        apply: |p, c| Ok(p.is_in(c.matrix(0)?, c.matrix(1)?, sorted(c)?)?),
        samples: &[sample("isin(x, concat(x, y, axis=0))", LARGEST), sample("isin(x // 8, y // 8)", SMALL)],
        accuracy: &[],
    },
    Function {
        forms: &["unique(keys)"],
        result: "the different keys in rising order, with zeros behind the last: as many rows as there are keys",
        apply: |p, c| Ok(p.unique(c.matrix(0)?)?),
        samples: &[of_matrices("unique(x[:, 0] // 8)"), of_vectors("unique(x)")],
        accuracy: &[],
    },
    Function {
        forms: &["group_count(keys)"],
        result: "the number of rows of each different key, in rising order of these; 0 behind the last",
        apply: |p, c| Ok(p.group_count(c.matrix(0)?)?),
        samples: &[of_matrices("group_count(x[:, :1] // 8)")],
        accuracy: &[],
    },
    Function {
        forms: &["group_sum(x, [0, 1, 0], axis=0)", "group_sum(x, keys)"],
        result: "the sums of the groups along an axis whose numbers are listed, from 0 on; the axis has as many as there \
                 are groups; or the sums of the rows of each different key, in rising order of these, with zeros behind \
                 the last",
        apply: |p, c| {
            let a = c.matrix(0)?;
            if c.count() > 1 {
                return Ok(p.group_sum(a, c.matrix(1)?)?);
            }
            let axis = c.axis(p, a)?;
            Ok(p.group_sums(a, &c.indices(0)?, axis)?)
        },
        samples: &[
            sample("group_sum(stack(x, y, x), [1, 3, 1], axis=0)", LARGE),
            of_matrices("group_sum(y, x[:, 0] // 8)"),
        ],
        accuracy: &[],
    },
    Function {
        forms: &["group_mean(x, keys)"],
        result: "the means of the rows of each different key, in rising order of these; zeros behind the last",
        apply: |p, c| Ok(p.group_mean(c.matrix(0)?, c.matrix(1)?)?),
        samples: &[of_matrices("group_mean(y, assume(x, -16, 16)[:, 0] // 8)")],
        accuracy: &[case("group_mean(x.T, zeros(16)).T[:, :1]", (-100.0, 100.0), [1e-4, 3e-2], |x, _| {
            vec![mean(x)]
        })],
    },
];
