//! Every op of the language under every protocol, on the CPU and on every Vulkan adapter, equals the oracle bit for bit:
//! on empty, single and prime-sized axes, at both ends of what it takes and between them.

use super::equivalence::check_in;
use super::tensors::parts;
use super::{on_gpus, world};
use crate::plan::PlanOptions;
use crate::program::expression::{Names, add_step};
use crate::program::{Dims, Program, Truncation};
use crate::protocol::Protocol;
use crate::ring::{Elements, FixedPoint, Ring};
use crate::share::{Parties, PartyId};

/// Ops on shared `x` and `y` between two numbers, of as many axes at least, and a shared `v` of positive numbers along
/// their last axis.
struct Group {
    range: (f64, f64),
    axes: usize,
    steps: &'static [&'static str],
}

/// The largest numbers that may be compared with each other.
const LARGEST: f64 = 7.0e13;

/// Where functions that scale by powers of two are right.
const POWERS: (f64, f64) = (1.0 / 256.0, 511.9);

const OPS: [Group; 7] = [
    Group {
        range: (-LARGEST, LARGEST),
        axes: 1,
        steps: &[
            "x < y",
            "x <= y",
            "x > y",
            "x >= y",
            "x == y",
            "x != y",
            "select(x < y, x, y)",
            "abs(x)",
            "min(x, y)",
            "max(x, y)",
            "max(x, axis=-1)",
            "min(x, axis=-1, keepdims=1)",
            "argmax(x, axis=-1)",
            "argmin(x, axis=-1)",
            "relu(x)",
            "clip(x, -1, 1)",
            "one_hot(argmax(x, axis=-1), 2)",
            "x + y - v",
            "concat(x, y, axis=-1)",
            "x[::2]",
            "gather(x, [0, 0], axis=-1)",
        ],
    },
    Group {
        range: (-1e6, 1e6),
        axes: 1,
        steps: &[
            "leaky_relu(x, 0.01)",
            "sigmoid(x)",
            "tanh(x)",
            "gelu(x)",
            "silu(x)",
            "softmax(x, axis=-1)",
            "mean(x, axis=-1)",
            "sum(x, axis=-1)",
            "sum(x)",
            "x / 7",
        ],
    },
    Group {
        range: (-16.0, 16.0),
        axes: 1,
        steps: &["x * y", "var(x, axis=-1)", "layernorm(x)", "layernorm(x, v, v)", "x * 0.3 @ v"],
    },
    Group { range: (-1e6, 8.0), axes: 1, steps: &["exp(x)"] },
    Group { range: (-511.9, -1.0 / 256.0), axes: 1, steps: &["reciprocal(assume(x, -512, -0.003))"] },
    Group {
        range: POWERS,
        axes: 1,
        steps: &[
            "log(assume(x, 0.003, 512))",
            "1 / assume(x, 0.003, 512)",
            "x / assume(y, 0.003, 512)",
            "sqrt(x)",
            "rsqrt(assume(x, 0.003, 512))",
        ],
    },
    Group {
        range: (-16.0, 16.0),
        axes: 2,
        steps: &[
            "batchnorm(x, v, v, v, v)",
            "x @ y.T",
            "x.T @ y",
            "v @ x.T",
            "sum(x, axis=0)",
            "concat(x, y, axis=0)",
            "x[:, -1]",
            "squeeze(x[:, :1], axis=1)",
            "lookup(x.T, argmax(y, axis=1))",
        ],
    },
];

/// Ops on images (n, 2, 5, 3).
const IMAGES: [Group; 1] = [Group {
    range: (-16.0, 16.0),
    axes: 4,
    steps: &[
        "conv2d(x, reshape(concat(v, v, v, v, axis=0), 3, 2, 1, 2), v, stride=2, padding=1)",
        "maxpool2d(x, size=2, stride=1)",
        "avgpool2d(x, size=2)",
        "batchnorm(x, v[:2], v[:2], v[1:], v[:2])",
        "layernorm(x)",
        "softmax(x, axis=1)",
        "argmax(x, axis=2)",
        "var(x, axis=1)",
        "x @ y[:, :1, :3]",
        "x @ v",
        "x * y[:, :1, :, 1:2]",
        "transpose(x, 0, 2, 3, 1)",
        "x[:, 1, ::2]",
    ],
}];

/// A program of these ops on values of these extents, which all are outputs, and its data.
fn program(protocol: Protocol, groups: &[Group], extents: &[usize]) -> (Program, Vec<Elements>) {
    let codec = FixedPoint::new(Ring::Z64, 16).expect("a codec");
    let mut program = Program::new(protocol.parties(), codec).with_truncation(Truncation::Exact);
    let mut data = Vec::new();
    for (index, group) in groups.iter().enumerate().filter(|(_, group)| group.axes <= extents.len()) {
        let (low, high) = group.range;
        let last = &extents[extents.len() - 1..];
        let operands =
            [("x", extents, (low, high)), ("y", extents, (high, low)), ("v", last, (1.0 / 256.0, 4.0))];
        let mut names = Names::new();
        for (name, extents, range) in operands {
            let dims = Dims::new(extents).expect("few axes");
            let parts_of = [0, 1].map(|party| {
                let name = format!("{name}{index} of {party}");
                program.input(&name, PartyId(party), dims, None).expect("an input")
            });
            data.extend(parts(codec, dims.folded().len(), range));
            names.insert(name.into(), program.add(parts_of[0], parts_of[1]).expect("a sum"));
        }
        for (number, text) in (1..).zip(group.steps) {
            let step = format!("z{number} = {text}");
            let value =
                add_step(&mut program, &mut names, number, &step).unwrap_or_else(|error| panic!("{error}"));
            let name = format!("{text} for x of shape {}", Dims::new(extents).expect("few axes"));
            program.output(&format!("{name} up to {high}"), value, Parties::first(2)).expect("an output");
        }
    }
    (program, data)
}

/// Extents, and what is computed on them.
const CASES: [(&[usize], &[Group]); 7] = [
    (&[7, 3], &OPS),
    (&[0, 3], &OPS),
    (&[1, 1], &OPS),
    (&[5], &OPS),
    (&[1], &OPS),
    (&[2, 2, 5, 3], &IMAGES),
    (&[0, 2, 5, 3], &IMAGES),
];

fn hold(cases: &[(&[usize], &[Group])], on: &dyn Fn(super::World) -> super::World) {
    for protocol in Protocol::ALL {
        for (extents, groups) in cases {
            println!("ops on {extents:?} by {protocol}");
            let (program, data) = program(protocol, groups, extents);
            check_in(&on(world(protocol, 29)), PlanOptions::default(), &program, &data, 29);
        }
    }
}

#[test]
fn every_op_equals_the_oracle() {
    hold(&CASES, &|world| world);
}

#[test]
fn every_op_equals_the_oracle_on_gpus() {
    on_gpus(|name, in_devices| {
        println!("on {name}");
        hold(&CASES[..2], in_devices);
        hold(&CASES[5..], in_devices);
    });
}
