//! The functions of steps, one row each: the parser, the error texts, the guide's list, the tests against the oracle and
//! `symbolon bench accuracy` are made from it.

use super::accuracy::{Accuracy, case, each, mean, normal, sigmoid, softmax, variance};
use super::call::{Applied, Call};
use crate::program::{Dims, Program};

mod training;

/// A function that steps can call.
pub struct Function {
    /// The forms of its call. The names before `=` are all that the form takes, and `…` stands for more values; a note may
    /// follow the closing parenthesis.
    pub forms: &'static [&'static str],
    /// The result, in a sentence.
    pub result: &'static str,
    /// Adds a call to a program; the arguments are those of one of the forms.
    pub(super) apply: fn(&mut Program, &Call) -> Applied,
    /// Steps that tests hold against the oracle.
    pub samples: &'static [Sample],
    /// Calls whose error `symbolon bench accuracy` measures.
    pub accuracy: &'static [Accuracy],
}

impl Function {
    /// The function of this name.
    pub fn of(name: &str) -> Option<&'static Function> {
        functions().find(|function| function.name() == name)
    }

    /// Its name in steps.
    pub fn name(&self) -> &'static str {
        self.forms[0].split('(').next().expect("a name")
    }

    /// All names, in alphabetical order, for an error.
    pub(super) fn names() -> String {
        let mut names: Vec<&str> = functions().map(Function::name).collect();
        names.sort_unstable();
        names.join(", ")
    }
}

/// A step on values of which all parties hold parts. Tests run it under every protocol, and hold it against the oracle.
#[derive(Clone, Copy)]
pub struct Sample {
    /// The expression, of `x` and `y`, and a vector `v` of positive numbers as long as their last axis.
    pub step: &'static str,
    /// `x` and `y` have elements between these, and both of them among them.
    pub ends: (f64, f64),
    /// The fewest and the most axes that `x` and `y` have.
    pub axes: (usize, usize),
    /// The rounds that it takes under `beaver` with stochastic truncation, of `x` and `y` with shape (7, 3), where it
    /// states them.
    pub rounds: Option<u32>,
}

/// A step on vectors and matrices.
pub const fn sample(step: &'static str, ends: (f64, f64)) -> Sample {
    Sample { step, ends, axes: (1, 2), rounds: None }
}

/// A step on matrices.
pub const fn of_matrices(step: &'static str) -> Sample {
    Sample { step, ends: SMALL, axes: (2, 2), rounds: None }
}

/// A step on images (n, 2, 5, 3).
pub const fn of_images(step: &'static str) -> Sample {
    Sample { step, ends: SMALL, axes: (4, 4), rounds: None }
}

impl Sample {
    /// The same, which takes so many rounds.
    #[must_use]
    pub const fn taking(mut self, rounds: u32) -> Sample {
        self.rounds = Some(rounds);
        self
    }
}

/// The largest numbers that may be compared with each other.
pub const LARGEST: (f64, f64) = (-7e13, 7e13);

/// Numbers of which functions may have sums and products with constants.
pub const LARGE: (f64, f64) = (-1e6, 1e6);

/// Numbers whose products may be added.
pub const SMALL: (f64, f64) = (-16.0, 16.0);

/// Numbers for which declared bounds leave few powers of two to functions that scale by them.
pub const POWERS: (f64, f64) = (1.0 / 256.0, 511.9);
const FEW: (f64, f64) = (1.0 / 256.0, 511.0);

/// All positive numbers that the rings hold.
const ALL: (f64, f64) = (1.0 / 65536.0, 7e13);
const ALL_NARROW: (f64, f64) = (1.0 / 256.0, 4.1e6);

/// The numbers of 32 bits that may be compared with each other.
const LARGEST_NARROW: (f64, f64) = (-4e6, 4e6);

/// A layernorm, whose epsilon does not show.
fn normalised(x: &[f64], _: &[f64]) -> Vec<f64> {
    each(x, |element| (element - mean(x)) / (variance(x) + 1e-5).sqrt())
}

/// A row of `x` for each channel, and of `y` with its statistics.
const BATCHNORM: &str = "batchnorm(reshape(x, 1, 256, 16), y[:, 0], abs(y[:, 1]) + 1, y[:, 2], y[:, 3])";
const BATCHNORM_NARROW: &str =
    "batchnorm(reshape(x, 1, 256, 16), y[:, 0], abs(y[:, 1]) + 1, y[:, 2], y[:, 3], eps=0.001)";

/// Every function.
pub fn functions() -> impl Iterator<Item = &'static Function> {
    FUNCTIONS.iter().chain(training::FUNCTIONS)
}

/// The functions that any job may use; those of training stand in a module of their own.
const FUNCTIONS: &[Function] = &[
    // Reductions.
    Function {
        forms: &["sum(x)", "sum(x, axis=1, keepdims=0)"],
        result: "the sum of all elements, or the sums along an axis",
        apply: |p, c| c.reduce(p, Program::sum_along, Some(|p, a| p.sum(a, None))),
        samples: &[sample("sum(x)", LARGE), sample("sum(x, axis=-1)", LARGE), of_matrices("sum(x, axis=0)")],
        accuracy: &[],
    },
    Function {
        forms: &["mean(x)", "mean(x, axis=1, keepdims=0)"],
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
        forms: &["var(x, axis=1, keepdims=0)"],
        result: "the mean squared distance from the mean along an axis",
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
        forms: &["max(x, y)", "max(x, axis=1, keepdims=0)"],
        result: "the larger of each two elements, of which one may be a constant, or the largest along an axis",
        apply: |p, c| match c.count() {
            1 => c.reduce(p, Program::max_along, None),
            _ => c.extreme(p, Program::max, Program::max_constant),
        },
        samples: &[sample("max(x, y)", LARGEST), sample("max(x, axis=-1)", LARGEST)],
        accuracy: &[case("max(x, axis=1)", (-100.0, 100.0), [0.0, 0.0], |x, _| {
            vec![x.iter().copied().fold(f64::MIN, f64::max)]
        })],
    },
    Function {
        forms: &["min(x, y)", "min(x, axis=1, keepdims=0)"],
        result: "the smaller of each two elements, of which one may be a constant, or the smallest along an axis",
        apply: |p, c| match c.count() {
            1 => c.reduce(p, Program::min_along, None),
            _ => c.extreme(p, Program::min, Program::min_constant),
        },
        samples: &[sample("min(x, y)", LARGEST), sample("min(x, axis=-1, keepdims=1)", LARGEST)],
        accuracy: &[],
    },
    Function {
        forms: &["argmax(x, axis=1, keepdims=0)"],
        result: "the index of the largest element along an axis, and of equal ones the first",
        apply: |p, c| c.reduce(p, Program::argmax_along, None),
        samples: &[sample("argmax(x, axis=-1)", LARGEST), of_images("argmax(x, axis=2)")],
        accuracy: &[],
    },
    Function {
        forms: &["argmin(x, axis=1, keepdims=0)"],
        result: "the index of the smallest element along an axis, and of equal ones the first",
        apply: |p, c| c.reduce(p, Program::argmin_along, None),
        samples: &[sample("argmin(x, axis=-1)", LARGEST)],
        accuracy: &[],
    },
    // Choices by comparisons.
    Function {
        forms: &["select(condition, x, y)"],
        result: "`x` where the comparison `condition` holds, `y` where it does not",
        apply: |p, c| Ok(p.select(c.matrix(0)?, c.matrix(1)?, c.matrix(2)?)?),
        samples: &[sample("select(x < y, x, y)", LARGEST)],
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
        apply: |p, c| Ok(p.assume(c.matrix(0)?, c.constant(1)?.value(), c.constant(2)?.value())?),
        samples: &[sample("x - assume(x, 0.003, 512)", POWERS)],
        accuracy: &[],
    },
    // Elements moved.
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
        forms: &["reshape(x, rows, cols, …) with one to four extents"],
        result: "the same elements, row by row, with other extents",
        apply: |p, c| {
            let (a, extents) = (c.matrix(0)?, c.whole_from(1)?);
            let dims = Dims::new(&extents).map_err(|error| c.wrong(&error.to_string()))?;
            if extents.is_empty() {
                Err(c.wrong("the extents are missing"))
            } else {
                Ok(p.reshape_to(a, dims)?)
            }
        },
        samples: &[sample("reshape(sum(x), 1, 1, 1) * 2", LARGE)],
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
    // Smooth functions.
    Function {
        forms: &["exp(x)"],
        result: "e to the power of each element",
        apply: |p, c| Ok(p.exp(c.matrix(0)?)?),
        samples: &[
            sample("exp(x)", (-1e6, 20.0)).taking(18),
            sample("exp(assume(x, -100, 8))", (-99.0, 8.0)),
        ],
        accuracy: &[case("exp(x)", (-20.0, 20.0), [7e-5, 2.2e-2], |x, _| each(x, f64::exp))
            .narrow("exp(x)", (-20.0, 8.0))],
    },
    Function {
        forms: &["log(x)"],
        result: "the natural logarithm of each element",
        apply: |p, c| Ok(p.log(c.matrix(0)?)?),
        samples: &[
            sample("log(x)", (1.0 / 256.0, 1e13)).taking(15),
            sample("log(assume(x, 0.003, 512))", POWERS).taking(13),
        ],
        accuracy: &[
            case("log(x)", FEW, [3e-5, 6.5e-3], |x, _| each(x, f64::ln)),
            case("log(x)", ALL, [3e-5, 6.5e-3], |x, _| each(x, f64::ln))
                .narrow("log(x)", ALL_NARROW)
                .undeclared(),
        ],
    },
    Function {
        forms: &["reciprocal(x)"],
        result: "1 divided by each element, and 0 for 0",
        apply: |p, c| Ok(p.reciprocal(c.matrix(0)?)?),
        samples: &[
            sample("reciprocal(x)", (-1e13, -1.0 / 4096.0)).taking(17),
            sample("reciprocal(assume(x, -512, -0.003))", (-511.9, -1.0 / 256.0)).taking(15),
        ],
        accuracy: &[
            case("reciprocal(x)", FEW, [3e-5, 4.1e-3], |x, _| each(x, |x| 1.0 / x)),
            case("reciprocal(x)", ALL, [3e-5, 4.1e-3], |x, _| each(x, |x| 1.0 / x))
                .narrow("reciprocal(x)", ALL_NARROW)
                .undeclared(),
        ],
    },
    Function {
        forms: &["sqrt(x)"],
        result: "the square root of each element",
        apply: |p, c| Ok(p.sqrt(c.matrix(0)?)?),
        samples: &[
            sample("sqrt(x)", (0.0, 1e13)).taking(17),
            sample("sqrt(assume(x, 0.003, 512))", POWERS).taking(15),
        ],
        accuracy: &[
            case("sqrt(x)", FEW, [3e-5, 4.1e-3], |x, _| each(x, f64::sqrt)),
            case("sqrt(x)", ALL, [3e-5, 4.1e-3], |x, _| each(x, f64::sqrt))
                .narrow("sqrt(x)", ALL_NARROW)
                .undeclared(),
        ],
    },
    Function {
        forms: &["rsqrt(x)"],
        result: "1 divided by the square root of each element",
        apply: |p, c| Ok(p.rsqrt(c.matrix(0)?)?),
        samples: &[
            sample("rsqrt(x)", (1.0 / 4096.0, 1e13)).taking(17),
            sample("rsqrt(assume(x, 0.003, 512))", POWERS),
        ],
        accuracy: &[
            case("rsqrt(x)", FEW, [3e-5, 4.2e-3], |x, _| each(x, |x| 1.0 / x.sqrt())),
            case("rsqrt(x)", ALL, [3e-5, 4.2e-3], |x, _| each(x, |x| 1.0 / x.sqrt()))
                .narrow("rsqrt(x)", ALL_NARROW)
                .undeclared(),
        ],
    },
    Function {
        forms: &["sigmoid(x)"],
        result: "1/(1 + e^−x) of each element",
        apply: |p, c| Ok(p.sigmoid(c.matrix(0)?)?),
        samples: &[sample("sigmoid(x)", LARGE).taking(14)],
        accuracy: &[
            case("sigmoid(x)", (-20.0, 20.0), [3e-5, 5e-3], |x, _| each(x, sigmoid)),
            case("sigmoid(x)", LARGEST, [3e-5, 5e-3], |x, _| each(x, sigmoid))
                .narrow("sigmoid(x)", LARGEST_NARROW)
                .undeclared(),
        ],
    },
    Function {
        forms: &["tanh(x)"],
        result: "the hyperbolic tangent of each element",
        apply: |p, c| Ok(p.tanh(c.matrix(0)?)?),
        samples: &[sample("tanh(x)", LARGE).taking(14)],
        accuracy: &[
            case("tanh(x)", (-20.0, 20.0), [6e-5, 1e-2], |x, _| each(x, f64::tanh)),
            case("tanh(x)", LARGEST, [6e-5, 1e-2], |x, _| each(x, f64::tanh))
                .narrow("tanh(x)", LARGEST_NARROW)
                .undeclared(),
        ],
    },
    Function {
        forms: &["gelu(x)"],
        result: "each element times the normal distribution function of it",
        apply: |p, c| Ok(p.gelu(c.matrix(0)?)?),
        samples: &[sample("gelu(x)", LARGE).taking(13)],
        accuracy: &[
            case("gelu(x)", (-12.0, 12.0), [4e-5, 6e-3], |x, _| each(x, |x| x * normal(x))),
            case("gelu(x)", LARGEST, [4e-5, 6e-3], |x, _| each(x, |x| x * normal(x)))
                .narrow("gelu(x)", LARGEST_NARROW)
                .undeclared(),
        ],
    },
    Function {
        forms: &["silu(x)"],
        result: "each element times its sigmoid",
        apply: |p, c| Ok(p.silu(c.matrix(0)?)?),
        samples: &[sample("silu(x)", LARGE).taking(14)],
        accuracy: &[
            case("silu(x)", (-20.0, 20.0), [7e-5, 5.7e-3], |x, _| each(x, |x| x * sigmoid(x))),
            case("silu(x)", LARGEST, [7e-5, 5.7e-3], |x, _| each(x, |x| x * sigmoid(x)))
                .narrow("silu(x)", LARGEST_NARROW)
                .undeclared(),
        ],
    },
    Function {
        forms: &["softmax(x, axis=1)"],
        result: "e to the power of each element, divided by the sum of these along an axis",
        apply: |p, c| {
            let a = c.matrix(0)?;
            Ok(p.softmax(a, c.axis(p, a)?)?)
        },
        samples: &[sample("softmax(x, axis=-1)", LARGE).taking(8 + 30), of_images("softmax(x, axis=1)")],
        accuracy: &[
            case("softmax(x, axis=1)", (-20.0, 20.0), [3e-5, 6e-3], |x, _| softmax(x)),
            case("softmax(x, axis=1)", (-3.5e13, 3.5e13), [3e-5, 6e-3], |x, _| softmax(x))
                .narrow("softmax(x, axis=1)", (-2e6, 2e6))
                .undeclared(),
        ],
    },
    // Layers of networks.
    Function {
        forms: &["layernorm(x, axis=-1, eps=1e-5)", "layernorm(x, scale, offset, axis=-1, eps=1e-5)"],
        result: "the distances from the mean along an axis, divided by the root of variance + `eps`, and then times \
                 `scale` plus `offset`",
        apply: |p, c| {
            let a = c.matrix(0)?;
            let affine = if c.count() == 1 { None } else { Some((c.matrix(1)?, c.matrix(2)?)) };
            Ok(p.layernorm(a, affine, c.last_axis(p, a)?, c.epsilon())?)
        },
        samples: &[
            sample("layernorm(x)", (-3000.0, 16.0)).taking(28),
            sample("layernorm(assume(x, -16, 16))", (-15.0, 15.0)).taking(21),
            sample("layernorm(x, v, v)", SMALL),
            of_images("layernorm(x)"),
        ],
        accuracy: &[
            case("layernorm(x)", (-16.0, 16.0), [1e-4, 6e-3], normalised)
                .narrow("layernorm(x, eps=0.001)", (-5.0, 5.0)),
            case("layernorm(x)", (-3e4, 3e4), [1e-4, 6e-3], normalised)
                .narrow("layernorm(x, eps=0.001)", (-100.0, 100.0))
                .undeclared(),
        ],
    },
    Function {
        forms: &["batchnorm(x, mean, var, scale, offset, eps=1e-5)"],
        result: "the distances from the given mean of each channel, divided by the root of its given variance + `eps`, \
                 times `scale` plus `offset`; channels are the columns of a matrix, and the second axis of a tensor",
        apply: |p, c| {
            let statistics = [c.matrix(1)?, c.matrix(2)?, c.matrix(3)?, c.matrix(4)?];
            Ok(p.batchnorm(c.matrix(0)?, statistics, c.epsilon())?)
        },
        samples: &[
            of_matrices("batchnorm(x, v, v, v, v)"),
            of_images("batchnorm(x, v[:2], v[:2], v[1:], v[:2])"),
        ],
        accuracy: &[case(BATCHNORM, (-16.0, 16.0), [1e-4, 1.1e-2], |x, y| {
            each(x, |element| (element - y[0]) / (y[1].abs() + 1.0 + 1e-5).sqrt() * y[2] + y[3])
        })
        .narrow(BATCHNORM_NARROW, (-3.0, 3.0))],
    },
    Function {
        forms: &[
            "conv2d(x, w, b, stride=1, padding=0) with x of shape (n, c, h, w), w of shape (o, c, height, width) and o \
             numbers b, which may be left out",
            "conv2d(x, w, b, channels=1, height=8, width=8, kernel=3, stride=1, padding=0) with a row for each image",
        ],
        result: "the products of the kernels `w` with each window of each image, plus `b`, as PyTorch's `conv2d`",
        apply: |p, c| {
            let kernels = (c.matrix(1)?, if c.count() == 2 { None } else { Some(c.matrix(2)?) });
            c.conv2d(p, c.matrix(0)?, kernels)
        },
        samples: &[of_images(
            "conv2d(x, reshape(concat(v, v, v, v, axis=0), 3, 2, 1, 2), v, stride=2, padding=1)",
        )],
        accuracy: &[],
    },
    Function {
        forms: &[
            "maxpool2d(x, size=2, stride=2) with x of shape (n, c, h, w)",
            "maxpool2d(x, channels=1, height=8, width=8, size=2, stride=2) with a row for each image",
        ],
        result: "the largest element of each window of each channel",
        apply: |p, c| c.pool(p, Program::maxpool2d_tensor, Program::maxpool2d),
        samples: &[of_images("maxpool2d(x, size=2, stride=1)")],
        accuracy: &[],
    },
    Function {
        forms: &[
            "avgpool2d(x, size=2, stride=2) with x of shape (n, c, h, w)",
            "avgpool2d(x, channels=1, height=8, width=8, size=2, stride=2) with a row for each image",
        ],
        result: "the mean of each window of each channel",
        apply: |p, c| c.pool(p, Program::avgpool2d_tensor, Program::avgpool2d),
        samples: &[of_images("avgpool2d(x, size=2)")],
        accuracy: &[],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of functions in the guide.
    fn table() -> String {
        let shown = |form: &&str| {
            let (call, note) = form.split_once(')').expect("a call");
            format!("`{call})`{note}")
        };
        let row = |function: &Function| {
            let forms: Vec<String> = function.forms.iter().map(shown).collect();
            format!("| {} | {} |\n", forms.join("; "), function.result)
        };
        functions().map(row).collect()
    }

    /// With `SYMBOLON_UPDATE_GUIDE=1` the guide's list is written anew.
    #[test]
    fn the_guide_lists_the_functions() {
        const START: &str = "| function | result |\n|---|---|\n";
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/guide/jobs.md");
        let guide = std::fs::read_to_string(path).expect("the guide");
        let (before, after) = guide.split_once(START).expect("the list");
        let end = after.find("\n\n").expect("the end of the list") + 1;
        let (listed, rest) = after.split_at(end);
        if std::env::var("SYMBOLON_UPDATE_GUIDE").is_ok_and(|value| value == "1") {
            std::fs::write(path, format!("{before}{START}{}{rest}", table())).expect("the guide");
        } else {
            assert!(
                listed == table(),
                "src/guide/jobs.md lists other functions: test with SYMBOLON_UPDATE_GUIDE=1"
            );
        }
    }
}
