//! Smooth functions.

use super::{
    ALL, ALL_NARROW, FEW, Function, LARGE, LARGEST, LARGEST_NARROW, POWERS, SMALL, of_images, sample,
};
use crate::program::expression::accuracy::{case, each, normal, sigmoid, softmax};

/// Smooth functions.
pub(super) const FUNCTIONS: &[Function] = &[
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
    Function {
        forms: &["log_softmax(x, axis=1)"],
        result: "the natural logarithm of `softmax` along an axis",
        apply: |p, c| {
            let a = c.matrix(0)?;
            Ok(p.log_softmax(a, c.axis(p, a)?)?)
        },
        samples: &[sample("log_softmax(x, axis=-1)", LARGE), of_images("log_softmax(x, axis=1)")],
        accuracy: &[case("log_softmax(x, axis=1)", (-7.0, 7.0), [1e-4, 2e-2], |x, _| {
            each(&softmax(x), f64::ln)
        })],
    },
    Function {
        forms: &["sin(x)"],
        result: "the sine of each element",
        apply: |p, c| Ok(p.sin(c.matrix(0)?)?),
        samples: &[sample("sin(x)", SMALL)],
        accuracy: &[case("sin(x)", (-4000.0, 4000.0), [3e-5, 2e-2], |x, _| each(x, f64::sin))
            .narrow("sin(x)", (-60.0, 60.0))],
    },
    Function {
        forms: &["cos(x)"],
        result: "the cosine of each element",
        apply: |p, c| Ok(p.cos(c.matrix(0)?)?),
        samples: &[sample("cos(x)", SMALL)],
        accuracy: &[case("cos(x)", (-4000.0, 4000.0), [3e-5, 2e-2], |x, _| each(x, f64::cos))
            .narrow("cos(x)", (-60.0, 60.0))],
    },
];
