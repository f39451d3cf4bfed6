//! Functions that sort, count and choose by place.

use super::{Function, LARGE, LARGEST, SMALL, of_images, of_matrices, sample};
use crate::program::Program;
use crate::program::expression::call::{Applied, Call};

/// The axis and a part of the elements along it; of all elements, where no axis is given.
fn quantile(program: &mut Program, call: &Call, part: f64) -> Applied {
    let first = program.values().len();
    let a = call.matrix(0)?;
    if call.is_given("axis") {
        let axis = call.axis(program, a)?;
        let kept = program.quantile_along(a, part, axis)?;
        return Ok(program.without_axes(kept, &[axis], first)?);
    }
    let axes = call.axes(program, a)?;
    let row = program.merged_axes(a, &axes)?;
    let one = program.quantile_along(row, part, 0)?;
    Ok(program.without_axes(one, &[0], first)?)
}

/// Sorting.
pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        forms: &["sort(x, axis=-1)"],
        result: "the elements along an axis in rising order",
        apply: |p, c| {
            let a = c.matrix(0)?;
            Ok(p.sort_along(a, c.last_axis(p, a)?)?)
        },
        samples: &[
            sample("sort(x, axis=-1)", LARGEST),
            of_matrices("sort(x, axis=0)"),
            of_images("sort(x, axis=2)"),
        ],
        accuracy: &[],
    },
    Function {
        forms: &["argsort(x, axis=-1)"],
        result: "the places along an axis of its elements in rising order; of equal ones the first comes first",
        apply: |p, c| {
            let a = c.matrix(0)?;
            Ok(p.argsort_along(a, c.last_axis(p, a)?)?)
        },
        samples: &[
            sample("argsort(x, axis=-1)", LARGEST),
            of_matrices("argsort(assume(x, -16, 16), axis=0)"),
        ],
        accuracy: &[],
    },
    Function {
        forms: &["topk(x, count, axis=-1) with a constant count"],
        result: "so many largest elements along an axis, in falling order",
        apply: |p, c| {
            let a = c.matrix(0)?;
            Ok(p.largest_along(a, c.whole(1)?, c.last_axis(p, a)?)?)
        },
        samples: &[sample("topk(x, 1, axis=-1)", LARGEST)],
        accuracy: &[],
    },
    Function {
        forms: &["median(x)", "median(x, axis=-1)"],
        result: "the middle element of all, or along an axis, or the mean of both in the middle",
        apply: |p, c| quantile(p, c, 0.5),
        samples: &[sample("median(x, axis=-1)", LARGE)],
        accuracy: &[],
    },
    Function {
        forms: &["quantile(x, part)", "quantile(x, part, axis=-1) with a constant part from 0 to 1"],
        result: "the element of all, or along an axis, below which such a part of them lies; between two elements on the \
                 line that joins them",
        apply: |p, c| quantile(p, c, c.constant(1)?.value()),
        samples: &[sample("quantile(x, 0.3, axis=-1)", LARGE)],
        accuracy: &[],
    },
    Function {
        forms: &["histogram(x, [0, 0.5, 1])"],
        result: "how many elements lie between each two of the public edges, the last of which belongs to the last bin",
        apply: |p, c| Ok(p.histogram(c.matrix(0)?, c.list("the edges are missing, such as [0, 0.5, 1]")?)?),
        samples: &[sample("histogram(x, [-8, 0, 0.5, 16])", SMALL)],
        accuracy: &[],
    },
    Function {
        forms: &["take(x, index, axis=0)"],
        result: "the elements along an axis at shared indices, whose axes take its place; zeros for an index that is not \
                 there",
        apply: |p, c| {
            let a = c.matrix(0)?;
            Ok(p.take_shared(a, c.matrix(1)?, c.axis(p, a)?)?)
        },
        samples: &[
            of_matrices("take(x, argmax(y, axis=1), axis=-1)"),
            of_images("take(x, argmax(v, axis=0), axis=2)"),
        ],
        accuracy: &[],
    },
];
