//! Intervals hold every element of every value, whichever way truncations round.

use crate::program::expression::{Names, add_step};
use crate::program::range::{magnitude_bits, reaches, warnings};
use crate::program::{Program, Truncation, oracle};
use crate::ring::{Elements, FixedPoint, Ring, Shape};
use crate::share::{Parties, PartyId};

/// All functions, and what they are composed of, of x and y with the same bounds.
const CALLS: [&str; 40] = [
    "exp(x)",
    "exp(-abs(x))",
    "exp(min(x, 0) - 0.75)",
    "exp(exp(min(x, 2)) / 2)",
    "log(abs(x) + 0.25)",
    "log(exp(x - 1) + 0.5)",
    "sqrt(abs(x) + 0.25)",
    "rsqrt(abs(x) + 0.25)",
    "reciprocal(abs(x) + 0.25)",
    EITHER_SIGN,
    "x / (abs(y) + 0.25)",
    "3 / (abs(y) + 0.25)",
    "x / 7",
    "sigmoid(x)",
    "tanh(x)",
    "gelu(x)",
    "gelu(abs(x) + 1)",
    "gelu(gelu(x))",
    "silu(x)",
    "silu(silu(x) + y)",
    "silu(-abs(x) - 9)",
    "softmax(x, axis=1)",
    "softmax(x[:, :1], axis=1)",
    "softmax(x, axis=0)",
    "layernorm(x, eps=0.125)",
    "batchnorm(x, x[0, :], abs(y[1, :]), y[0, :], y[1, :], eps=0.125)",
    "var(x, axis=1)",
    "mean(x, axis=1)",
    "relu(x)",
    "leaky_relu(x, 0.3)",
    "abs(x)",
    "clip(x, -1.3, 0.7)",
    "max(x, y)",
    "min(x, axis=1)",
    "select(x < y, x, y)",
    "select((x < 0) + (y < 0), x, y)",
    "argmax(x, axis=1)",
    "x * y",
    "x @ y.T",
    "sum(x * x, axis=1) * 0.3",
];

const EITHER_SIGN: &str = "reciprocal(select(x < 0, x - 0.5, x + 0.5))";

const CODECS: [(Ring, u32); 10] = [
    (Ring::Z64, 8),
    (Ring::Z64, 16),
    (Ring::Z64, 20),
    (Ring::Z64, 24),
    (Ring::Z64, 27),
    (Ring::Z32, 5),
    (Ring::Z32, 8),
    (Ring::Z32, 10),
    (Ring::Z32, 12),
    (Ring::Z32, 13),
];

/// What two owners vouch for, each for a part of an operand.
const BOUNDS: [(f64, f64); 7] =
    [(0.3, 0.2), (1.0, 1.0), (4.0, 4.0), (4.0, 3.99999), (8.0, 5.3), (32.0, 31.99999), (100.0, 411.9)];

const SHAPE: Shape = Shape::new(9, 7);

fn program(codec: FixedPoint, call: &str, bounds: (f64, f64)) -> Option<Program> {
    let mut program = Program::new(2, codec).with_truncation(Truncation::Stochastic);
    let mut names = Names::new();
    for name in ["x", "y"] {
        let mut part = |owner, bound| {
            program.input(&format!("{name}{owner}"), PartyId(owner), SHAPE, Some(bound)).expect("an input")
        };
        let (first, second) = (part(0, bounds.0), part(1, bounds.1));
        names.insert(name.to_owned(), program.add(first, second).expect("a sum"));
    }
    // What so few bits do not hold is left out.
    let result = add_step(&mut program, &mut names, 1, &format!("z = {call}")).ok()?;
    program.output("z", result, Parties::first(2)).expect("an output");
    // No bound proves that a number of either sign is not near zero.
    let is_proven = warnings(&program).is_empty() || call == EITHER_SIGN;
    (is_proven && reaches(&program).is_ok()).then_some(program)
}

/// Numbers within a bound: both ends, zero, what is next to these, and others.
fn numbers(bound: f64, unit: f64, seed: u64) -> Vec<f64> {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    let near = |number: f64| [number, (number.abs() - unit).max(0.0).copysign(number)];
    let special = [near(bound), near(-bound), near(0.0)].concat();
    let drawn = |index: usize| bound * (2.0 * ((index as f64 + seed as f64 * 0.37) * GOLDEN).fract() - 1.0);
    (0..SHAPE.len())
        .map(|index| match index % 3 {
            // The first elements are the ends, for all operands at once.
            _ if index < 2 * SHAPE.cols => bound.copysign(index as f64 - SHAPE.cols as f64 + 0.5),
            0 => special[(index / 3 + seed as usize) % special.len()],
            _ => drawn(index),
        })
        .collect()
}

fn inputs(program: &Program, seed: u64) -> Vec<Elements> {
    let codec = program.codec();
    let bounds = program.inputs().iter().map(|input| input.bound.expect("a bound"));
    let data = |bound: f64| Elements::encode(codec, &numbers(bound, codec.resolution(), seed));
    bounds.map(|bound| data(bound).expect("numbers in range")).collect()
}

/// Holds every element of every value against what is said of it.
fn hold(program: &Program, rounding: &str, values: &[Vec<u64>], call: &str) {
    let ring = program.ring();
    for ((value, bits), elements) in program.values().iter().zip(magnitude_bits(program)).zip(values) {
        let interval = value.interval.expect("all inputs are bounded");
        for &element in elements {
            let element = ring.signed(element);
            let number = element as f64 * value.unit();
            let codec = program.codec();
            assert!(
                interval.low <= number && number <= interval.high && element.unsigned_abs() < 1 << bits,
                "{call}, rounded {rounding}, with {codec:?} and bounds {:?}: {:?} of '{}' is {number}, said to be {interval:?}, \
                 {} of {} units",
                program.inputs().iter().filter_map(|input| input.bound).collect::<Vec<_>>(),
                value.op,
                value.label,
                (number - interval.high).max(interval.low - number) / value.unit(),
                number / value.unit(),
            );
        }
    }
}

#[test]
fn every_element_is_where_its_interval_says() {
    for call in CALLS {
        let mut programs = 0;
        for (ring, fraction_bits) in CODECS {
            let codec = FixedPoint::new(ring, fraction_bits).expect("a codec");
            for program in BOUNDS.into_iter().filter_map(|bounds| program(codec, call, bounds)) {
                programs += 1;
                for seed in 0..2 {
                    let data = inputs(&program, seed);
                    let mut state = seed;
                    let mut either = || {
                        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
                        state >> 63 == 1
                    };
                    hold(&program, "down", &oracle::rounded_values(&program, &data, || false), call);
                    hold(&program, "up", &oracle::rounded_values(&program, &data, || true), call);
                    hold(&program, "either way", &oracle::rounded_values(&program, &data, &mut either), call);
                }
            }
        }
        println!("{call}: {programs} programs");
        assert!(programs > 10, "{call} is computed at {programs} of the bounds");
    }
}

/// What a function cannot be is not said of it either: bounds stay as tight as comparisons want them.
#[test]
fn intervals_are_no_wider_than_errors() {
    let codec = FixedPoint::new(Ring::Z64, 16).expect("a codec");
    let interval = |call, bounds| {
        let program = program(codec, call, bounds).expect("a program");
        program.value(program.outputs()[0].value).interval.expect("bounded inputs")
    };
    let cases = [
        ("gelu(x)", (60.0, 4.0), (-0.17, 64.0)),
        ("silu(x)", (60.0, 4.0), (-0.2785, 64.0)),
        ("sigmoid(x)", (60.0, 4.0), (0.0, 1.0)),
        ("tanh(x)", (60.0, 4.0), (-1.0, 1.0)),
        ("exp(x)", (7.0, 1.0), (0.0, 2980.96)),
        ("exp(min(x, 0))", (7.0, 1.0), (0.0, 1.0)),
        ("softmax(x, axis=1)", (7.0, 1.0), (0.0, 1.0)),
        ("log(abs(x) + 1)", (5.9, 1.0), (0.0, 8f64.ln())),
    ];
    for (call, bounds, (low, high)) in cases {
        let found = interval(call, bounds);
        let slack = 1e-3 * high.max(1.0);
        assert!(low - slack < found.low && found.high < high + slack, "{call} is {found:?}");
    }
}
