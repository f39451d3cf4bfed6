//! Layers of networks.

use super::{Function, SMALL, of_images, of_matrices, sample};
use crate::program::expression::accuracy::{case, each, mean, variance};
use crate::program::expression::call::{Applied, Call};
use crate::program::{Dims, Program, ProgramError, ValueId};

/// A layernorm, whose epsilon does not show.
fn normalised(x: &[f64], _: &[f64]) -> Vec<f64> {
    each(x, |element| (element - mean(x)) / (variance(x) + 1e-5).sqrt())
}

/// A normalisation by the root mean square, whose epsilon does not show.
fn root_mean_square(x: &[f64], _: &[f64]) -> Vec<f64> {
    let squares = mean(&each(x, |x| x * x));
    each(x, |x| x / (squares + 1e-5).sqrt())
}

/// A row of `x` for each channel, and of `y` with its statistics.
const BATCHNORM: &str = "batchnorm(reshape(x, 1, 256, 16), y[:, 0], abs(y[:, 1]) + 1, y[:, 2], y[:, 3])";
const BATCHNORM_NARROW: &str =
    "batchnorm(reshape(x, 1, 256, 16), y[:, 0], abs(y[:, 1]) + 1, y[:, 2], y[:, 3], eps=0.001)";

/// A reduction of all of each channel.
fn global(program: &mut Program, call: &Call, along: Along) -> Applied {
    let a = call.matrix(0)?;
    let dims = program.dims(a);
    let &[count, channels, height, width] = dims.extents() else {
        return Err(call.wrong(&format!("{} of shape {dims} is no tensor of images", program.value(a).label)));
    };
    let of = |extents: &[usize]| Dims::new(extents).expect("few axes");
    let planes = program.reshape_to(a, of(&[count, channels, height * width]))?;
    let reduced = along(program, planes, 2)?;
    Ok(program.reshape_to(reduced, of(&[count, channels]))?)
}

/// What reduces an axis.
type Along = fn(&mut Program, ValueId, usize) -> Result<ValueId, ProgramError>;

/// Layers of networks.
pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        forms: &["layernorm(x, axis=-1, eps=1e-5)", "layernorm(x, scale, offset, axis=-1, eps=1e-5)"],
        result: "the distances from the mean along an axis, divided by the root of variance + `eps`, and then times \
                 `scale` plus `offset`",
        apply: |p, c| {
            let a = c.matrix(0)?;
            let affine = if c.count() == 1 { None } else { Some((c.matrix(1)?, c.matrix(2)?)) };
            Ok(p.layernorm(a, affine, c.last_axis(p, a)?, c.epsilon()?)?)
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
        forms: &["rmsnorm(x, axis=-1, eps=1e-5)", "rmsnorm(x, scale, axis=-1, eps=1e-5)"],
        result: "the elements divided by the root of the mean of squares along an axis + `eps`, and then times `scale`",
        apply: |p, c| {
            let a = c.matrix(0)?;
            let scale = if c.count() == 1 { None } else { Some(c.matrix(1)?) };
            Ok(p.rmsnorm(a, scale, c.last_axis(p, a)?, c.epsilon()?)?)
        },
        samples: &[sample("rmsnorm(x)", SMALL), sample("rmsnorm(assume(x, -16, 16), v)", SMALL)],
        accuracy: &[
            case("rmsnorm(x)", (-16.0, 16.0), [1e-4, 6e-3], root_mean_square)
                .narrow("rmsnorm(x, eps=0.001)", (-5.0, 5.0)),
            case("rmsnorm(x)", (-3e4, 3e4), [1e-4, 6e-3], root_mean_square)
                .narrow("rmsnorm(x, eps=0.001)", (-100.0, 100.0))
                .undeclared(),
        ],
    },
    Function {
        forms: &["batchnorm(x, mean, var, scale, offset, eps=1e-5)"],
        result: "the distances from the given mean of each channel, divided by the root of its given variance + `eps`, \
                 times `scale` plus `offset`; channels are the columns of a matrix, and the second axis of a tensor",
        apply: |p, c| {
            let statistics = [c.matrix(1)?, c.matrix(2)?, c.matrix(3)?, c.matrix(4)?];
            Ok(p.batchnorm(c.matrix(0)?, statistics, c.epsilon()?)?)
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
            "conv2d(x, w, b, stride=1, padding=0, dilation=1, groups=1) with x of shape (n, c, h, w), w of shape (o, \
             c/groups, height, width) and o numbers b, which may be left out",
            "conv2d(x, w, b, channels=1, height=8, width=8, kernel=3, stride=1, padding=0, dilation=1, groups=1) with a \
             row for each image",
        ],
        result: "the products of the kernels `w` with each window of each image, plus `b`, as PyTorch's `conv2d`; a number \
                 stands for both axes, two for height and width, and four of `padding` for top, bottom, left and right",
        apply: |p, c| c.conv2d(p),
        samples: &[
            of_images("conv2d(x, reshape(concat(v, v, v, v, axis=0), 3, 2, 1, 2), v, stride=2, padding=1)"),
            of_images(
                "conv2d(x, reshape(concat(v, v, v, v, axis=0), 4, 1, 3, 1), stride=(2, 1), padding=(2, 0, 1, 1), \
                 dilation=(2, 1), groups=2)",
            ),
        ],
        accuracy: &[],
    },
    Function {
        forms: &[
            "conv1d(x, w, b, stride=1, padding=0, dilation=1, groups=1) with x of shape (n, c, l), w of shape (o, \
             c/groups, length) and o numbers b, which may be left out",
        ],
        result: "the products of the kernels `w` with each window of each sequence, plus `b`, as PyTorch's `conv1d`; two \
                 numbers of `padding` are before and behind",
        apply: |p, c| c.conv1d(p),
        samples: &[of_images(
            "conv1d(x[:, :, 0], reshape(concat(v, v, v, v, axis=0), 3, 2, 2), v, stride=2, padding=(0, 1))",
        )],
        accuracy: &[],
    },
    Function {
        forms: &[
            "conv_transpose2d(x, w, b, stride=1, padding=0, output_padding=0, dilation=1, groups=1) with x of shape \
             (n, c, h, w), w of shape (c, o/groups, height, width) and o numbers b, which may be left out",
        ],
        result: "each element times the kernels `w` of its channel, added at the places of their window, plus `b`, as \
                 PyTorch's `conv_transpose2d`; `padding` is cut off the result, as for `conv2d`",
        apply: |p, c| c.conv_transpose2d(p),
        samples: &[
            of_images(
                "conv_transpose2d(x, reshape(concat(v, v, v, v, axis=0), 2, 3, 2, 1), v, stride=(2, 1), \
                 padding=(0, 1, 0, 0), output_padding=(1, 0))",
            ),
            of_images("conv_transpose2d(x, reshape(concat(v, v, axis=0), 2, 1, 1, 3), dilation=2, groups=2)"),
        ],
        accuracy: &[],
    },
    Function {
        forms: &[
            "conv_transpose1d(x, w, b, stride=1, padding=0, output_padding=0, dilation=1, groups=1) with x of shape \
             (n, c, l), w of shape (c, o/groups, length) and o numbers b, which may be left out",
        ],
        result: "each element times the kernels `w` of its channel, added at the places of their window, plus `b`, as \
                 PyTorch's `conv_transpose1d`; two numbers of `padding` are before and behind",
        apply: |p, c| c.conv_transpose1d(p),
        samples: &[of_images(
            "conv_transpose1d(x[:, :, 0], reshape(concat(v, v, axis=0), 2, 1, 3), stride=2, padding=1, groups=2)",
        )],
        accuracy: &[],
    },
    Function {
        forms: &[
            "maxpool2d(x, size=2, stride=2, padding=0, dilation=1, ceil_mode=False) with x of shape (n, c, h, w)",
            "maxpool2d(x, channels=1, height=8, width=8, size=2, stride=2, padding=0, dilation=1, ceil_mode=False) with a \
             row for each image",
        ],
        result: "the largest element of each window of each channel, of which `padding` is none, as PyTorch's \
                 `max_pool2d`; numbers as for `conv2d`",
        apply: |p, c| c.pool(p, Program::maxpool2d_tensor, Program::maxpool2d),
        samples: &[
            of_images("maxpool2d(x, size=2, stride=1)"),
            of_images("maxpool2d(x, size=(3, 2), stride=2, padding=1, ceil_mode=True)"),
            of_images("maxpool2d(x, size=2, stride=1, padding=(1, 0, 1, 1), dilation=(2, 1))"),
        ],
        accuracy: &[],
    },
    Function {
        forms: &[
            "avgpool2d(x, size=2, stride=2, padding=0, dilation=1, ceil_mode=False, count_include_pad=True) with x of \
             shape (n, c, h, w)",
            "avgpool2d(x, channels=1, height=8, width=8, size=2, stride=2, padding=0, dilation=1, ceil_mode=False, \
             count_include_pad=True) with a row for each image",
        ],
        result: "the mean of each window of each channel, as PyTorch's `avg_pool2d`: elements of `padding` are zeros that \
                 count, or with `count_include_pad=False` do not; numbers as for `conv2d`",
        apply: |p, c| {
            let counts = c.flag_or("count_include_pad", true)?;
            c.pool(
                p,
                |p, a, window| p.avgpool2d_tensor(a, window, counts),
                |p, a, image, window| p.avgpool2d(a, image, window, counts),
            )
        },
        samples: &[
            of_images("avgpool2d(x, size=2)"),
            of_images(
                "avgpool2d(x, size=(3, 2), stride=(2, 1), padding=(1, 1, 0, 1), count_include_pad=False)",
            ),
            of_images("avgpool2d(x, size=2, padding=1, ceil_mode=True)"),
        ],
        accuracy: &[],
    },
    Function {
        forms: &["global_avgpool2d(x) with x of shape (n, c, h, w)"],
        result: "the mean of each channel of each image, of shape (n, c)",
        apply: |p, c| global(p, c, Program::mean_along),
        samples: &[of_images("global_avgpool2d(x)")],
        accuracy: &[],
    },
    Function {
        forms: &["global_maxpool2d(x) with x of shape (n, c, h, w)"],
        result: "the largest element of each channel of each image, of shape (n, c)",
        apply: |p, c| global(p, c, Program::max_along),
        samples: &[of_images("global_maxpool2d(x)")],
        accuracy: &[],
    },
];
