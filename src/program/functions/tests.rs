//! The functions' errors, their ranges, and the warnings about their arguments.

mod compositions;
mod everyday;
mod magnitudes;
mod ranges;

use crate::program::range::{reaches, warnings};
use crate::program::{Dims, Program, ProgramError, Truncation, ValueId, oracle};
use crate::ring::{Elements, FixedPoint, Ring, Shape};
use crate::share::{Parties, PartyId};

type Build = fn(&mut Program, ValueId) -> Result<ValueId, ProgramError>;

fn codec() -> FixedPoint {
    FixedPoint::new(Ring::Z64, 16).expect("a codec")
}

/// The function of an input with this bound.
fn program(build: Build, cols: usize, bound: Option<f64>) -> Program {
    let mut program = Program::new(2, codec()).with_truncation(Truncation::Exact);
    let x = program.input("x", PartyId(0), Shape::new(1, cols), bound).expect("x");
    let y = build(&mut program, x).expect("a function");
    program.output("y", y, Parties::first(1)).expect("an output");
    program
}

/// The function's values at `points`.
fn values(build: Build, points: &[f64]) -> Vec<f64> {
    let program = program(build, points.len(), None);
    let data = Elements::encode(codec(), points).expect("points in range");
    oracle::evaluate(&program, &[data])[0].elements.decode(codec())
}

/// A function, the true one, its range, and the largest error that it may have.
type Case = (&'static str, Build, fn(f64) -> f64, (f64, f64), f64);

/// The largest error over the range, each divided by the true value where that is above 1.
fn worst(build: Build, truth: fn(f64) -> f64, (low, high): (f64, f64)) -> f64 {
    let count = 4000;
    let point = |index: usize| low + (high - low) * index as f64 / count as f64;
    // Points that the numbers hold exactly.
    let points: Vec<f64> = (0..=count).map(|index| (point(index) * 65536.0).round() / 65536.0).collect();
    let found = values(build, &points);
    let errors = points.iter().zip(found).map(|(&x, y)| (y - truth(x)).abs() / truth(x).abs().max(1.0));
    errors.fold(0.0, f64::max)
}

#[test]
fn errors_are_no_larger_than_said() {
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let cases: [Case; 14] = [
        ("exp", |p, x| p.exp(x), f64::exp, (-20.0, 20.0), 7e-5),
        ("log", |p, x| p.log(x), f64::ln, (1.0 / 256.0, 511.0), 3e-5),
        ("log near 0", |p, x| p.log(x), f64::ln, (1.0 / 256.0, 1.0), 3e-5),
        ("reciprocal", |p, x| p.reciprocal(x), |x| 1.0 / x, (1.0 / 256.0, 511.0), 2e-5),
        ("reciprocal near 0", |p, x| p.reciprocal(x), |x| 1.0 / x, (1.0 / 256.0, 1.0), 2e-5),
        ("reciprocal below 0", |p, x| p.reciprocal(x), |x| 1.0 / x, (-511.0, -1.0 / 256.0), 2e-5),
        ("sqrt", |p, x| p.sqrt(x), f64::sqrt, (1.0 / 256.0, 511.0), 2e-5),
        ("rsqrt", |p, x| p.rsqrt(x), |x| 1.0 / x.sqrt(), (1.0 / 256.0, 511.0), 2e-5),
        ("rsqrt near 0", |p, x| p.rsqrt(x), |x| 1.0 / x.sqrt(), (1.0 / 256.0, 1.0), 2e-5),
        ("sigmoid", |p, x| p.sigmoid(x), sigmoid, (-20.0, 20.0), 3e-5),
        ("tanh", |p, x| p.tanh(x), f64::tanh, (-20.0, 20.0), 6e-5),
        ("gelu", |p, x| p.gelu(x), gelu, (-12.0, 12.0), 4e-5),
        ("silu", |p, x| p.silu(x), |x| x / (1.0 + (-x).exp()), (-20.0, 20.0), 7e-5),
        ("silu far away", |p, x| p.silu(x), |x| x / (1.0 + (-x).exp()), (-1e6, 1e6), 7e-5),
    ];
    for (name, build, truth, range, most) in cases {
        let worst = worst(build, truth, range);
        println!("{name}: {worst:.2e}");
        assert!(worst <= most, "{name}: the worst error is {worst}");
    }
}

/// x·Φ(x), by the series of Φ.
fn gelu(x: f64) -> f64 {
    let density = (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    if x.abs() > 6.0 {
        return x.max(0.0);
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        term *= x * x / f64::from(2 * n + 1);
        sum += term;
    }
    x * (0.5 + density * sum)
}

/// In 32 bits as well, where no number within functions is as small as their powers of two.
#[test]
fn large_arguments_are_scaled() {
    let codec = FixedPoint::new(Ring::Z32, 10).expect("a codec");
    let log = (Program::log as Build, f64::ln as fn(f64) -> f64);
    let sqrt = (Program::sqrt as Build, f64::sqrt as fn(f64) -> f64);
    for (build, truth) in [log, sqrt] {
        let points = [1.5, 3000.25, 5000.0, 9000.5, 70_000.0, 120_000.0];
        let mut program = Program::new(2, codec).with_truncation(Truncation::Exact);
        let x = program.input("x", PartyId(0), Shape::new(1, points.len()), Some(130_000.0)).expect("x");
        let y = build(&mut program, x).expect("a function");
        program.output("y", y, Parties::first(1)).expect("an output");
        reaches(&program).expect("no overflow");
        let data = Elements::encode(codec, &points).expect("points in range");
        let found = oracle::evaluate(&program, &[data])[0].elements.decode(codec);
        for (x, found) in points.into_iter().zip(found) {
            let truth = truth(x);
            assert!((found - truth).abs() < 4e-3 * truth.max(1.0), "{found} for {truth}");
        }
    }
}

/// Where products round to the nearest none is off by more than half a unit, and none is rounded down on average.
#[test]
fn the_nearest_is_half_a_unit_away_at_most() {
    let mut program = Program::new(2, codec()).with_truncation(Truncation::Nearest);
    let count = 2000;
    let x = program.input("x", PartyId(0), Shape::new(1, count), None).expect("x");
    let square = program.mul(x, x).expect("squares");
    let multiple = program.scale(x, crate::program::Number::Real(0.375)).expect("multiples");
    for (name, value) in [("square", square), ("multiple", multiple)] {
        program.output(name, value, Parties::first(1)).expect("an output");
    }
    let unit = codec().resolution();
    let points: Vec<f64> = (0..count).map(|index| (index as f64 * 0.618_034).fract() - 0.5).collect();
    let data = Elements::encode(codec(), &points).expect("points in range");
    let points = data.decode(codec());
    let truths: [fn(f64) -> f64; 2] = [|x| x * x, |x| x * 0.375];
    for (output, truth) in oracle::evaluate(&program, &[data]).iter().zip(truths) {
        let found = output.elements.decode(codec());
        let errors: Vec<f64> = found.iter().zip(&points).map(|(y, &x)| (y - truth(x)) / unit).collect();
        let mean = errors.iter().sum::<f64>() / count as f64;
        assert!(errors.iter().all(|error| error.abs() <= 0.5), "half a unit");
        assert!(mean.abs() < 0.1, "the mean error is {mean} units");
    }
}

#[test]
fn a_softmax_adds_up_to_one() {
    let found = values(|p, x| p.softmax(x, 1), &[1.0, 2.0, 3.0, -40.0, 2.5]);
    let powers = [1.0f64, 2.0, 3.0, -40.0, 2.5].map(f64::exp);
    let sum: f64 = powers.iter().sum();
    for (found, power) in found.iter().zip(powers) {
        assert!((found - power / sum).abs() < 3e-5, "{found} for {}", power / sum);
    }
}

/// Rows of images, and tensors of them, whose channels have statistics of their own.
#[test]
fn a_batchnorm_is_that_of_its_channels() {
    let extents = [4, 5, 6, 7];
    let len: usize = extents.iter().product();
    let noise = |at: usize, low: f64, high: f64| {
        ((low + (high - low) * (at as f64 * 0.618_034).fract()) * 65536.0).round() / 65536.0
    };
    for (extents, channel) in [(vec![len / 5, 5], 1), (extents.to_vec(), 6 * 7)] {
        let mut program = Program::new(2, codec()).with_truncation(Truncation::Exact);
        let mut input = |name, extents: &[usize]| {
            program.input(name, PartyId(0), Dims::new(extents).expect("few axes"), None).expect("an input")
        };
        let x = input("x", &extents);
        let statistics = ["mean", "variance", "scale", "offset"].map(|name| input(name, &[5]));
        let z = program.batchnorm(x, statistics, 1e-5).expect("a normalisation");
        program.output("z", z, Parties::first(1)).expect("an output");
        let drawn = |len: usize, low, high| (0..len).map(|at| noise(at, low, high)).collect::<Vec<f64>>();
        let data = [
            drawn(len, -16.0, 16.0),
            drawn(5, -3.0, 3.0),
            drawn(5, 1.0 / 256.0, 4.0),
            drawn(5, -2.0, 2.0),
            drawn(5, -9.0, 9.0),
        ];
        let encoded: Vec<Elements> = data
            .iter()
            .map(|numbers| Elements::encode(codec(), numbers).expect("numbers in range"))
            .collect();
        let found = oracle::evaluate(&program, &encoded)[0].elements.decode(codec());
        let [x, mean, variance, scale, offset] = &data;
        let mut worst: f64 = 0.0;
        for (at, found) in found.into_iter().enumerate() {
            let c = at / channel % 5;
            let truth = (x[at] - mean[c]) / (variance[c] + 1e-5).sqrt() * scale[c] + offset[c];
            worst = worst.max((found - truth).abs() / truth.abs().max(1.0));
        }
        assert!(worst <= 1e-4, "of shape {extents:?}: {worst}");
    }
}

#[test]
fn a_quotient_has_the_signs_of_both() {
    let build: Build = |p, x| {
        let [a, b] = [0, 4].map(|from| {
            let cols = crate::program::Stride::range(from, from + 4);
            p.slice(x, crate::program::Stride::range(0, 1), cols).expect("a half")
        });
        p.div(a, b)
    };
    let found = values(build, &[6.0, -6.0, 6.0, -1000.0, 2.0, 2.0, -0.25, -500.0]);
    for (found, truth) in found.iter().zip([3.0, -3.0, -24.0, 2.0]) {
        assert!((found - truth).abs() < 1e-4 * truth.abs(), "{found} for {truth}");
    }
}

#[test]
fn what_bounds_do_not_prove_is_said() {
    let open = |build: Build, bound| {
        let program = program(build, 3, bound);
        reaches(&program).expect("no overflow is proven");
        warnings(&program).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let none: [String; 0] = [];
    assert_eq!(open(|p, x| p.sigmoid(x), None), none, "right everywhere");
    assert_eq!(open(|p, x| p.reciprocal(x), Some(3.0)), none, "and zero has a stated value");
    assert_eq!(open(|p, x| p.assume(x, 0.0, 1e6).and_then(|x| p.sqrt(x)), None), none);
    assert_eq!(
        open(|p, x| p.var_along(x, 1).and_then(|x| p.sqrt(x)), None),
        none,
        "variances are not negative"
    );
    assert_eq!(open(|p, x| p.exp(x), Some(8.0)), none);
    assert_eq!(
        open(|p, x| p.exp(x), None),
        [
            "exp(x) is right only where x is at most 20; nothing is known of it (a bound on the inputs or assume(x, low, high) says more)"
        ]
    );
    assert_eq!(
        open(|p, x| p.log(x), Some(3.0)),
        [
            "log(x) is right only where x is at least 0; as far as is known, it is -3 to 3 (a bound on the inputs or assume(x, low, high) says more)"
        ]
    );
    let shifted: Build = |p, x| {
        let above = p.add_constant(x, crate::program::Number::Integer(5))?;
        let root = p.sqrt(above)?;
        p.log(root)
    };
    assert_eq!(open(shifted, Some(4.0)).len(), 0, "x + 5 is at least 1, and its root too");
}

#[test]
fn arguments_that_are_all_wrong_are_refused() {
    let program = program(
        |p, x| {
            let below = p.add_constant(x, crate::program::Number::Integer(-5))?;
            p.log(below)
        },
        3,
        Some(4.0),
    );
    let message = reaches(&program).expect_err("no logarithm").to_string();
    assert!(
        message.ends_with(
            "log((x + -5)) is right only where (x + -5) is at least 0; it is -9 to -1, all of it outside"
        ),
        "{message}"
    );
}
