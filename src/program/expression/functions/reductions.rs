//! Functions that reduce axes: sums, means, extremes and where they stand.

use super::{Function, LARGE, LARGEST, SMALL, of_images, of_matrices, sample};
use crate::program::Program;
use crate::program::expression::accuracy::{case, mean, variance};

fn squares(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum()
}

/// Reductions.
pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        forms: &["sum(x)", "sum(x, axis=1, keepdims=False)"],
        result: "the sum of all elements, or the sums along an axis",
        apply: |p, c| c.reduce(p, Program::sum_along, Some(|p, a| p.sum(a, None))),
        samples: &[
            sample("sum(x)", LARGE),
            sample("sum(x, axis=-1)", LARGE),
            of_images("sum(x, axis=(-1, 1))"),
            of_matrices("sum(x, axis=0)"),
        ],
        accuracy: &[],
    },
    Function {
        forms: &["mean(x)", "mean(x, axis=1, keepdims=False)"],
        result: "the mean of all elements, or the means along an axis",
        apply: |p, c| c.reduce(p, Program::mean_along, Some(|p, a| p.mean(a, None))),
        samples: &[sample("mean(x, axis=-1)", LARGE)],
        accuracy: &[
            case("mean(x, axis=1)", (-100.0, 100.0), [2e-5, 5e-3], |x, _| vec![mean(x)]),
            case("mean(x, axis=1)", (-4e12, 4e12), [5e-5, 1.2e-2], |x, _| vec![mean(x)])
                .narrow("mean(x, axis=1)", (-2.6e5, 2.6e5))
                .undeclared(),
        ],
    },
    Function {
        forms: &["var(x)", "var(x, axis=1, keepdims=False)"],
        result: "the mean squared distance from the mean of all elements, or along an axis",
        apply: |p, c| c.reduce(p, Program::var_along, None),
        samples: &[
            sample("var(x, axis=-1)", (-1e5, 1e5)).taking(9),
            sample("var(assume(x, -100, 100), axis=-1)", (-99.0, 99.0)).taking(4),
            of_images("var(x, axis=1)"),
        ],
        accuracy: &[
            case("var(x, axis=1)", (-100.0, 100.0), [4e-5, 5e-3], |x, _| vec![variance(x)])
                .narrow("var(x, axis=1)", (-15.0, 15.0)),
            case("var(x, axis=1)", (-1e6, 1e6), [4e-5, 1e-2], |x, _| vec![variance(x)])
                .narrow("var(x, axis=1)", (-200.0, 200.0))
                .undeclared(),
        ],
    },
    Function {
        forms: &["max(x, y)", "max(x)", "max(x, axis=1, keepdims=False)"],
        result: "the larger of each two elements, of which one may be a constant, or the largest of all, or along an axis",
        apply: |p, c| match c.count() {
            1 => c.reduce(p, Program::max_along, None),
            _ => c.extreme(p, Program::max, Program::max_constant),
        },
        samples: &[
            sample("max(x, y)", LARGEST),
            sample("max(x, axis=-1)", LARGEST),
            of_images("max(x, axis=(1, 3), keepdims=True)"),
        ],
        accuracy: &[case("max(x, axis=1)", (-100.0, 100.0), [0.0, 0.0], |x, _| {
            vec![x.iter().copied().fold(f64::MIN, f64::max)]
        })],
    },
    Function {
        forms: &["min(x, y)", "min(x)", "min(x, axis=1, keepdims=False)"],
        result: "the smaller of each two elements, of which one may be a constant, or the smallest of all, or along an axis",
        apply: |p, c| match c.count() {
            1 => c.reduce(p, Program::min_along, None),
            _ => c.extreme(p, Program::min, Program::min_constant),
        },
        samples: &[sample("min(x, y)", LARGEST), sample("min(x, axis=-1, keepdims=True)", LARGEST)],
        accuracy: &[],
    },
    Function {
        forms: &["argmax(x)", "argmax(x, axis=1, keepdims=False)"],
        result: "the index of the largest element of all, counted row by row, or along an axis; of equal ones the first",
        apply: |p, c| c.reduce(p, Program::argmax_along, None),
        samples: &[sample("argmax(x, axis=-1)", LARGEST), of_images("argmax(x, axis=2)")],
        accuracy: &[],
    },
    Function {
        forms: &["argmin(x)", "argmin(x, axis=1, keepdims=False)"],
        result: "the index of the smallest element of all, counted row by row, or along an axis; of equal ones the first",
        apply: |p, c| c.reduce(p, Program::argmin_along, None),
        samples: &[sample("argmin(x, axis=-1)", LARGEST)],
        accuracy: &[],
    },
    Function {
        forms: &["std(x)", "std(x, axis=1, keepdims=False)"],
        result: "the root of the mean squared distance from the mean of all elements, or along an axis",
        apply: |p, c| c.reduce(p, Program::std_along, None),
        samples: &[sample("std(x, axis=-1)", SMALL)],
        accuracy: &[
            case("std(x, axis=1)", (-100.0, 100.0), [4e-5, 6e-3], |x, _| vec![variance(x).sqrt()])
                .narrow("std(x, axis=1)", (-15.0, 15.0)),
            case("std(x, axis=1)", (-0.5, 0.5), [1e-4, 5e-2], |x, _| vec![variance(x).sqrt()]),
        ],
    },
    Function {
        forms: &["norm(x)", "norm(x, axis=1, keepdims=False)"],
        result: "the root of the sum of squares of all elements, or along an axis",
        apply: |p, c| c.reduce(p, Program::norm_along, Some(|p, a| p.norm(a))),
        samples: &[sample("norm(x, axis=-1)", SMALL), sample("norm(x)", SMALL)],
        accuracy: &[
            case("norm(x, axis=1)", (-100.0, 100.0), [4e-5, 6e-3], |x, _| vec![squares(x).sqrt()])
                .narrow("norm(x, axis=1)", (-15.0, 15.0)),
            case("norm(x, axis=1)", (-0.5, 0.5), [1e-4, 5e-2], |x, _| vec![squares(x).sqrt()]),
        ],
    },
    Function {
        forms: &["any(x)", "any(x, axis=1, keepdims=False)"],
        result: "1 where an element of all, or along an axis, is not zero, 0 otherwise",
        apply: |p, c| c.reduce(p, Program::any_along, None),
        samples: &[sample("any(x < y, axis=-1)", LARGEST), of_images("any(x == y, axis=(0, 2))")],
        accuracy: &[],
    },
    Function {
        forms: &["all(x)", "all(x, axis=1, keepdims=False)"],
        result: "1 where no element of all, or along an axis, is zero, 0 otherwise",
        apply: |p, c| c.reduce(p, Program::all_along, None),
        samples: &[sample("all(x < y, axis=-1)", LARGEST), sample("all(x)", LARGEST)],
        accuracy: &[],
    },
    Function {
        forms: &["cumsum(x, axis=0)"],
        result: "the sums of the elements up to each one along an axis",
        apply: |p, c| {
            let a = c.matrix(0)?;
            Ok(p.running_sum(a, c.axis(p, a)?)?)
        },
        samples: &[sample("cumsum(x, axis=-1)", LARGE), of_images("cumsum(x, axis=2)")],
        accuracy: &[],
    },
    Function {
        forms: &["cumprod(x, axis=0)"],
        result: "the products of the elements up to each one along an axis",
        apply: |p, c| {
            let a = c.matrix(0)?;
            Ok(p.running_product(a, c.axis(p, a)?)?)
        },
        samples: &[sample("cumprod(x, axis=-1)", SMALL)],
        accuracy: &[case("cumprod(x, axis=1)", (-1.0, 1.0), [4e-4, 0.1], |x, _| {
            x.iter()
                .scan(1.0, |product, x| {
                    *product *= x;
                    Some(*product)
                })
                .collect()
        })],
    },
];
