//! Functions that move elements, and look them up.

use super::{Function, LARGE, LARGEST, of_images, of_matrices, sample};
use crate::program::{Number, Stride};

/// Elements moved.
pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        forms: &["transpose(x)", "transpose(x, 0, 2, 1, …) with the axes in their new order"],
        result: "the axes in the opposite order, or in the given one",
        apply: |p, c| match c.count() {
            1 => Ok(p.transpose(c.matrix(0)?)?),
            _ => Ok(p.permute(c.matrix(0)?, &c.whole_from(1)?)?),
        },
        samples: &[of_images("transpose(x, 0, 2, 3, 1)")],
        accuracy: &[],
    },
    Function {
        forms: &["reshape(x, rows, cols, …) with one to four extents, of which one may be -1"],
        result: "the same elements, row by row, with other extents",
        apply: |p, c| {
            let a = c.matrix(0)?;
            Ok(p.reshape_to(a, c.extents(p, a)?)?)
        },
        samples: &[sample("reshape(sum(x), 1, 1, -1) * 2", LARGE)],
        accuracy: &[],
    },
    Function {
        forms: &["squeeze(x, axis=1) of an axis of extent 1"],
        result: "the same elements without the axis",
        apply: |p, c| {
            let a = c.matrix(0)?;
            Ok(p.squeeze(a, c.axis(p, a)?)?)
        },
        samples: &[of_matrices("squeeze(x[:, :1], axis=1)")],
        accuracy: &[],
    },
    Function {
        forms: &["concat(x, y, …, axis=0)"],
        result: "the values one after the other along an axis",
        apply: |p, c| {
            let first = c.matrix(0)?;
            let axis = c.axis(p, first)?;
            (1..c.count()).try_fold(first, |all, index| Ok(p.concat_along(all, c.matrix(index)?, axis)?))
        },
        samples: &[sample("concat(x, y, axis=-1)", LARGEST), of_matrices("concat(x, y, axis=0)")],
        accuracy: &[],
    },
    Function {
        forms: &["gather(x, [2, 0, 1], axis=0)"],
        result: "the elements at public indices along an axis, of which negative ones count from the end",
        apply: |p, c| {
            let a = c.matrix(0)?;
            let axis = c.axis(p, a)?;
            let indices = c.indices(p.dims(a).extents()[axis])?;
            Ok(p.take(a, &indices, axis)?)
        },
        samples: &[sample("gather(x, [0, 0], axis=-1)", LARGEST)],
        accuracy: &[],
    },
    Function {
        forms: &["one_hot(index, 10)"],
        result: "for each shared index so many integers along a new last axis: 1 at the index, 0 elsewhere",
        apply: |p, c| Ok(p.one_hot(c.matrix(0)?, c.whole(1)?)?),
        samples: &[sample("one_hot(argmax(x, axis=-1), 2)", LARGEST)],
        accuracy: &[],
    },
    Function {
        forms: &["lookup(table, index)"],
        result: "for each shared index the row of `table` that it names",
        apply: |p, c| Ok(p.lookup(c.matrix(0)?, c.matrix(1)?)?),
        samples: &[of_matrices("lookup(x.T, argmax(y, axis=1))")],
        accuracy: &[],
    },
    Function {
        forms: &["flip(x)", "flip(x, axis=0)"],
        result: "the elements along an axis, or along each one, in the opposite order",
        apply: |p, c| {
            let mut a = c.matrix(0)?;
            for axis in c.axes(p, a)? {
                a = p.reversed(a, axis)?;
            }
            Ok(a)
        },
        samples: &[sample("flip(x, axis=-1)", LARGEST), of_images("flip(x)")],
        accuracy: &[],
    },
    Function {
        forms: &["stack(x, y, …, axis=0)"],
        result: "values of the same shape beside each other along a new axis",
        apply: |p, c| {
            let values = c.values_from(0)?;
            let &first = values.first().ok_or_else(|| c.wrong("the values are missing"))?;
            let axis = c.one("axis")?.unwrap_or(Number::Integer(0));
            let axis =
                c.axis_of_rank(&p.value(first).label, p.dims(first), p.dims(first).rank() + 1, axis)?;
            Ok(p.stack(&values, axis)?)
        },
        samples: &[sample("stack(x, y, axis=-1)", LARGEST)],
        accuracy: &[],
    },
    Function {
        forms: &["repeat(x, count, axis=0) with a constant count"],
        result: "every element along an axis so many times, one after the other",
        apply: |p, c| {
            let a = c.matrix(0)?;
            Ok(p.repeated(a, c.whole(1)?, c.axis(p, a)?)?)
        },
        samples: &[sample("repeat(x, 2, axis=-1)", LARGEST), of_matrices("repeat(x, 3, axis=0)")],
        accuracy: &[],
    },
    Function {
        forms: &["tile(x, count, axis=0) with a constant count"],
        result: "the whole of an axis so many times",
        apply: |p, c| {
            let a = c.matrix(0)?;
            Ok(p.tiled(a, c.whole(1)?, c.axis(p, a)?)?)
        },
        samples: &[sample("tile(x, 2, axis=-1)", LARGEST), of_matrices("tile(x, 3, axis=0)")],
        accuracy: &[],
    },
    Function {
        forms: &["split(x, parts, index, axis=0) with constants parts and index"],
        result: "of so many equal parts of an axis the one with this index, counted from 0",
        apply: |p, c| {
            let a = c.matrix(0)?;
            let (parts, index, axis) = (c.whole(1)?, c.whole(2)?, c.axis(p, a)?);
            let dims = p.dims(a);
            let extent = dims.extents()[axis];
            if parts == 0 || extent % parts != 0 || index >= parts {
                return Err(c.wrong(&format!("{extent} indices have no part {index} of {parts} equal ones")));
            }
            let mut strides: Vec<Stride> =
                dims.extents().iter().map(|&extent| Stride::range(0, extent)).collect();
            strides[axis] = Stride::range(index * (extent / parts), (index + 1) * (extent / parts));
            Ok(p.slice_axes(a, &strides)?)
        },
        samples: &[sample("split(concat(x, y, axis=-1), 2, 1, axis=-1)", LARGEST)],
        accuracy: &[],
    },
    Function {
        forms: &[
            "pad(x, before, after, value=0) with constants before and after",
            "pad(x, before, after, axis=0, value=0) along one axis or several",
        ],
        result: "`x` with so many elements before and after its own along an axis, or along each one, all of one constant",
        apply: |p, c| {
            let (mut a, ends) = (c.matrix(0)?, (c.whole(1)?, c.whole(2)?));
            let number = c.one("value")?.unwrap_or(Number::Integer(0));
            for axis in c.axes(p, a)? {
                a = p.surrounded(a, ends, axis, number)?;
            }
            Ok(a)
        },
        samples: &[sample("pad(x, 1, 2, axis=-1)", LARGE), of_matrices("pad(x, 1, 0, value=0.5)")],
        accuracy: &[],
    },
    Function {
        forms: &["diagonal(x) of a matrix"],
        result: "the elements whose row and column are equal",
        apply: |p, c| Ok(p.diagonal(c.matrix(0)?)?),
        samples: &[of_matrices("diagonal(x)")],
        accuracy: &[],
    },
];
