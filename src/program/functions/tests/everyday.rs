//! Numbers as people have them: prices, salaries, counts. Nothing is declared unless a case says so.

use crate::program::expression::{Names, add_step};
use crate::program::range::{reaches, warnings};
use crate::program::{Dims, Program, ProgramError, Truncation, oracle};
use crate::ring::{Elements, FixedPoint, Ring};
use crate::share::{Parties, PartyId};
use std::f64::consts::{LN_2, SQRT_2};

/// An input: its name, its numbers and its bound.
type Given<'a> = (&'a str, Vec<f64>, Option<f64>);

fn program(codec: FixedPoint, inputs: &[Given], steps: &[&str]) -> Result<Program, ProgramError> {
    let mut program = Program::new(2, codec).with_truncation(Truncation::Exact);
    let mut names = Names::new();
    for (name, numbers, bound) in inputs {
        let dims = Dims::new(&[numbers.len()]).expect("one axis");
        names.insert((*name).to_owned(), program.input(name, PartyId(0), dims, *bound)?);
    }
    let mut last = None;
    for (number, step) in (1..).zip(steps) {
        last =
            Some(add_step(&mut program, &mut names, number, step).unwrap_or_else(|error| panic!("{error}")));
    }
    program.output("z", last.expect("a step"), Parties::first(1))?;
    reaches(&program)?;
    Ok(program)
}

/// The result of the last step, of which nothing must be warned.
fn result(codec: FixedPoint, inputs: &[Given], steps: &[&str]) -> Vec<f64> {
    let program = program(codec, inputs, steps).unwrap_or_else(|error| panic!("{steps:?}: {error}"));
    assert_eq!(warnings(&program), [], "{steps:?}");
    let data: Vec<Elements> = inputs
        .iter()
        .map(|(_, numbers, _)| Elements::encode(codec, numbers).expect("numbers in range"))
        .collect();
    oracle::evaluate(&program, &data)[0].elements.decode(codec)
}

fn hold(codec: FixedPoint, inputs: &[Given], steps: &[&str], expected: &[f64], relative: f64) {
    let found = result(codec, inputs, steps);
    assert_eq!(found.len(), expected.len(), "{steps:?}");
    for (found, expected) in found.iter().zip(expected) {
        let most = relative * expected.abs() + 4.0 * codec.resolution();
        assert!((found - expected).abs() <= most, "{steps:?}: {found} for {expected}");
    }
}

fn codec() -> FixedPoint {
    FixedPoint::new(Ring::Z64, 16).expect("a codec")
}

/// Numbers about `middle` that are spread by `width`.
fn spread(count: usize, middle: f64, width: f64) -> Vec<f64> {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    (0..count)
        .map(|at| middle + width * (((at as f64 * GOLDEN).fract() - 0.5) * 12.0).round() / 4.0)
        .collect()
}

fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

fn variance(x: &[f64]) -> f64 {
    let middle = mean(x);
    mean(&x.iter().map(|element| (element - middle).powi(2)).collect::<Vec<_>>())
}

#[test]
fn public_factors_have_the_bits_that_their_products_need() {
    let x = |numbers: &[f64]| vec![("x", numbers.to_vec(), None)];
    let cases: [(&str, &[f64], &[f64]); 7] = [
        ("y = x * 0.00001", &[1e6, 123_456.0, 1000.0], &[10.0, 1.23456, 0.01]),
        ("y = x / 100000", &[1e6, 123_456.0, 1000.0], &[10.0, 1.23456, 0.01]),
        ("y = x * 0.0001", &[1e6], &[100.0]),
        ("y = x / 3", &[1e6, 1e7, 7e12], &[333_333.333_333, 3_333_333.333_333, 7e12 / 3.0]),
        ("y = x / 1000", &[1e5, -1e5], &[100.0, -100.0]),
        ("y = x / 10", &[1_234_567.890_014_65], &[123_456.789_001_465]),
        ("y = x * 0.000001", &[1e6, 7e12], &[1.0, 7e6]),
    ];
    for (step, numbers, expected) in cases {
        hold(codec(), &x(numbers), &[step], expected, 1e-9);
        let bounded = [("x", numbers.to_vec(), Some(1e13))];
        hold(codec(), &bounded, &[step], expected, 1e-9);
    }
}

#[test]
fn means_and_variances_do_not_wrap_on_their_way() {
    let prices = spread(10_000, 500_000.0, 1000.0);
    hold(codec(), &[("x", prices.clone(), None)], &["m = mean(x)"], &[mean(&prices)], 1e-9);
    let prices = spread(1000, 2e5, 1e4);
    let given = [("x", prices.clone(), None)];
    hold(codec(), &given, &["v = var(x, axis=0)"], &[variance(&prices)], 1e-7);
    hold(codec(), &given, &["s = sqrt(var(x, axis=0))"], &[variance(&prices).sqrt()], 1e-6);
    let salaries = [31e3, 45e3, 52e3, 61e3, 98e3, 12e4];
    let deviation = variance(&salaries).sqrt();
    for bound in [None, Some(2e5)] {
        hold(codec(), &[("x", salaries.to_vec(), bound)], &["s = sqrt(var(x, axis=0))"], &[deviation], 1e-6);
    }
}

#[test]
fn bounds_of_a_mean_are_those_of_its_elements() {
    let numbers = spread(100_000, 0.0, 80.0);
    let given = [("x", numbers.clone(), Some(250.0))];
    hold(codec(), &given, &["v = var(x, axis=0)"], &[variance(&numbers)], 1e-7);
    // Their sum leaves the ring.
    let large = spread(100, 1e13, 1e12);
    hold(codec(), &[("x", large.clone(), Some(2e13))], &["m = mean(x)"], &[mean(&large)], 1e-7);
}

#[test]
fn quotients_are_right_as_far_as_they_can_be_written() {
    let given = |a: &[f64], b: &[f64], bound| vec![("a", a.to_vec(), None), ("b", b.to_vec(), bound)];
    hold(
        codec(),
        &given(&[1e8, 1e7, 9e8, -9e8], &[2.0, 1.0, 1.0, 1.0], None),
        &["y = a / b"],
        &[5e7, 1e7, 9e8, -9e8],
        3e-5,
    );
    let large = given(&[3e6, 3e7, 3e5], &[1e6, 1e6, 1e5], Some(2e6));
    hold(codec(), &large, &["y = a / b"], &[3.0, 30.0, 3.0], 3e-5);
    let narrow = FixedPoint::new(Ring::Z32, 8).expect("a codec");
    let small = given(&[60.0, 60.0, 60.0, 1000.0], &[255.0, 256.0, 400.0, 350.0], None);
    hold(narrow, &small, &["y = a / b"], &[0.2353, 0.2344, 0.15, 2.857], 2e-2);
    for bound in [None, Some(8.0)] {
        let x = [("x", vec![1.0, 2.0, 5.0], bound)];
        hold(codec(), &x, &["y = 100000 / x"], &[100_000.0, 50_000.0, 20_000.0], 1e-5);
    }
}

#[test]
fn roots_and_logarithms_are_right_up_to_the_bound() {
    for bound in [None, Some(1e7)] {
        let x = [("x", vec![1e7, 1e5, 2.0], bound)];
        let raised = "y = max(x, 0)";
        hold(codec(), &x, &[raised, "s = sqrt(y)"], &[3_162.277_66, 316.227_766, SQRT_2], 2e-6);
        let positive = "y = assume(x, 0.001, 100000000)";
        hold(codec(), &x, &[positive, "l = log(y)"], &[16.118_095_65, 11.512_925_46, LN_2], 0.0);
    }
    let z = [("z", vec![1e4, -3.0, 1e7], None)];
    hold(codec(), &z, &["s = sqrt(clip(z, 1, 1000000))"], &[100.0, 1.0, 1000.0], 2e-6);
    hold(codec(), &z, &["r = sqrt(clip(z, 1, 400))"], &[20.0, 1.0, 20.0], 2e-6);
}

#[test]
fn correlations_are_right_whatever_their_sums_are() {
    let x = spread(100, 0.0, 1.0);
    let y: Vec<f64> =
        x.iter().zip(spread(101, 0.0, 1.0).iter().skip(1)).map(|(x, e)| 0.75 * x + 0.5 * e).collect();
    let centred = |x: &[f64]| {
        let middle = mean(x);
        x.iter().map(|element| element - middle).collect::<Vec<_>>()
    };
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let (a, b) = (centred(&x), centred(&y));
    let expected = product(&a, &b) / (product(&a, &a) * product(&b, &b)).sqrt();
    let steps = ["a = x - mean(x)", "b = y - mean(y)", "r = sum(a * b) / sqrt(sum(a * a) * sum(b * b))"];
    for bound in [None, Some(4.0), Some(16.0)] {
        let given = [("x", x.clone(), bound), ("y", y.clone(), bound)];
        let program = program(codec(), &given, &steps).unwrap_or_else(|error| panic!("{bound:?}: {error}"));
        let data = [&x, &y].map(|numbers| Elements::encode(codec(), numbers).expect("numbers in range"));
        let found = oracle::evaluate(&program, &data)[0].elements.decode(codec())[0];
        assert!((found - expected).abs() < 1e-3, "{found} for {expected} with bounds {bound:?}");
    }
}

#[test]
fn products_that_bounds_show_to_be_large_are_right() {
    let given = [("x", vec![4e6, -4e6, 3.25], Some(4e6)), ("y", vec![4e6, 7.5, -1.5], Some(5e6))];
    hold(codec(), &given, &["z = x * y"], &[1.6e13, -3e7, -4.875], 1e-9);
    hold(codec(), &given[..1], &["z = x * x"], &[1.6e13, 1.6e13, 10.5625], 1e-9);
}

#[test]
fn a_row_with_an_outlier_is_normalised() {
    let mut row = spread(384, 0.0, 0.25);
    row[17] = 3000.0;
    let (middle, deviation) = (mean(&row), (variance(&row) + 1e-5).sqrt());
    let expected: Vec<f64> = row.iter().map(|element| (element - middle) / deviation).collect();
    hold(codec(), &[("x", row, None)], &["y = layernorm(x)"], &expected, 1e-5);
}

#[test]
fn a_condition_is_compared_with_zero() {
    let integers = FixedPoint::new(Ring::Z64, 0).expect("a codec");
    let given = [("c", vec![0.0, 1.0, 2.0, -7.0], None), ("x", vec![5.0, 6.0, 7.0, 8.0], None)];
    hold(integers, &given, &["y = select(c, x, -x)"], &[-5.0, 6.0, 7.0, 8.0], 0.0);
    let votes = ["v = (c > 0) + (x > 6)", "y = select(v, x, -x)"];
    hold(codec(), &given, &votes, &[-5.0, 6.0, 7.0, 8.0], 0.0);
}

#[test]
fn refusals_say_what_would_do() {
    let x = [("x", vec![1.0], None)];
    let message = program(codec(), &x, &["y = clip(x, -10000000, 10000000)", "z = y * y"])
        .expect_err("an overflow")
        .to_string();
    assert!(
        message
            .starts_with("y * y can overflow: as far as is known, its magnitude may reach 1.000000e14, but"),
        "{message}"
    );
    assert!(message.contains("state a range by assume(x, low, high)"), "{message}");
    let stated = ["y = clip(x, -1, 1)", "z = assume(y, 2, 3)"];
    let mut other = Program::new(2, codec());
    let mut names = Names::new();
    names.insert("x".into(), other.input("x", PartyId(0), Dims::SCALAR, None).expect("x"));
    add_step(&mut other, &mut names, 1, stated[0]).expect("a step");
    let message = add_step(&mut other, &mut names, 2, stated[1]).expect_err("a contradiction").to_string();
    assert!(
        message.contains(
            "assume(clip(x, -1, 1), 2, 3) names no number that clip(x, -1, 1) can be: it is -1 to 1"
        ),
        "{message}"
    );
}
