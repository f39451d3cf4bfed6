//! Functions that sort, divide and eliminate, over the ranges that they state and in both rings, against true values.

use super::{Draw, Tensor};
use crate::program::expression::{Names, add_step};
use crate::program::{Dims, Program, Truncation, oracle, range};
use crate::ring::{Elements, FixedPoint, Ring};
use crate::share::{Parties, PartyId};

/// What a step on a matrix x should give.
type Truth = fn(&Tensor) -> Tensor;

fn rising(x: &[f64]) -> Vec<f64> {
    let mut sorted = x.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

fn places(x: &[f64]) -> Vec<f64> {
    let mut places: Vec<usize> = (0..x.len()).collect();
    places.sort_by(|&a, &b| x[a].total_cmp(&x[b]));
    places.into_iter().map(|place| place as f64).collect()
}

fn quantile(x: &[f64], part: f64) -> f64 {
    let (sorted, place) = (rising(x), part * (x.len() - 1) as f64);
    let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    low + (high - low) * place.fract()
}

fn histogram(x: &Tensor) -> Tensor {
    let between = |low: f64, high: f64, last: bool| {
        x.data.iter().filter(|&&x| x >= low && (x < high || last && x == high)).count() as f64
    };
    Tensor::new(&[3], vec![between(-3.0, 0.0, false), between(0.0, 0.5, false), between(0.5, 4.0, true)])
}

/// Steps, what they should give, and how many units they may be off.
const EXACT: [(&str, Truth, f64); 18] = [
    ("sort(x, axis=-1)", |x| x.through(1, rising), 0.0),
    ("sort(x, axis=0)", |x| x.through(0, rising), 0.0),
    ("argsort(x, axis=1)", |x| x.through(1, places), 0.0),
    ("argsort(x, axis=0)", |x| x.through(0, places), 0.0),
    ("argsort(x * 1, axis=0)", |x| x.through(0, places), 0.0),
    ("topk(x, 3)", |x| x.through(1, |x| rising(x).into_iter().rev().collect()).taken(1, &[0, 1, 2]), 0.0),
    ("median(x, axis=1)", |x| x.along(1, false, |x| quantile(x, 0.5)), 1.0),
    ("quantile(x, 0.3, axis=0)", |x| x.along(0, false, |x| quantile(x, 0.3)), 2.0),
    ("histogram(x, [-3, 0, 0.5, 4])", histogram, 0.0),
    ("floor(x)", |x| x.each(f64::floor), 0.0),
    ("round(x)", |x| x.each(|x| (x + 0.5).floor()), 0.0),
    ("x // 7", |x| x.each(|x| (x / 7.0).floor()), 0.0),
    ("x // 0.5", |x| x.each(|x| (x / 0.5).floor()), 0.0),
    ("x % 7", |x| x.each(|x| x.rem_euclid(7.0)), 0.0),
    ("x % 0.75", |x| x.each(|x| x.rem_euclid(0.75)), 0.0),
    (
        "take(x, argmax(x, axis=1), axis=1)[0]",
        |x| {
            let places = x.along(1, false, |x| places(x)[x.len() - 1]);
            let first = x.taken(0, &[0]);
            Tensor::of(&places.dims, |place| first.at(&[0, places.at(place) as usize]))
        },
        0.0,
    ),
    (
        "cumsum(x, axis=1)",
        |x| {
            x.through(1, |x| {
                x.iter()
                    .scan(0.0, |sum, x| {
                        *sum += x;
                        Some(*sum)
                    })
                    .collect()
            })
        },
        0.0,
    ),
    ("x[::-1, -2::-2]", |x| x.taken(0, &[5, 4, 3, 2, 1, 0]).taken(1, &[5, 3, 1]), 0.0),
];

/// A number of few values, so that some are equal, or of many.
fn number(draw: &mut Draw, most: f64, unit: f64) -> f64 {
    let number = match draw.below(3) {
        0 => draw.below(5) as f64 * 0.25 - 0.5,
        _ => draw.real(-most, most),
    };
    (number / unit).round() * unit
}

fn held(step: &str, truth: Truth, units: f64, codec: FixedPoint, most: f64, bound: Option<f64>) {
    let mut program = Program::new(2, codec).with_truncation(Truncation::Stochastic);
    let x = program.input("x", PartyId(0), Dims::new(&[6, 7]).expect("a matrix"), bound).expect("x");
    let mut names = Names::from([("x".to_owned(), x)]);
    let value = add_step(&mut program, &mut names, 1, &format!("z = {step}")).expect("a step");
    range::reaches(&program).expect("small numbers");
    program.output("z", value, Parties::first(1)).expect("an output");
    let mut draw = Draw(step.len() as u64 + most as u64);
    let mut numbers: Vec<f64> = (0..42).map(|_| number(&mut draw, most, codec.resolution())).collect();
    if step.contains("argmax") {
        // No two are equal: of those the first is the largest, and not the last one.
        numbers = numbers
            .iter()
            .enumerate()
            .map(|(place, x)| x + place as f64 * codec.resolution() * 64.0)
            .collect();
    }
    let data = [Elements::encode(codec, &numbers).expect("numbers in range")];
    let due = truth(&Tensor::new(&[6, 7], numbers));
    let values = oracle::rounded_values(&program, &data, || draw.chance(50));
    let output = program.outputs()[0].value;
    let dims = program.dims(output);
    assert_eq!(dims.extents(), due.dims, "{step}");
    for (element, due) in values[output.index()].iter().zip(&due.data) {
        let found = codec.ring().signed(*element) as f64 * codec.resolution();
        let apart = (found - due).abs();
        assert!(apart <= units * codec.resolution(), "{step} in {codec:?} up to {most}: {found} for {due}");
    }
}

#[test]
fn sorting_and_dividing_is_right_over_its_range() {
    for (step, truth, units) in EXACT {
        for (ring, bits, most) in [(Ring::Z64, 16, 1000.0), (Ring::Z64, 24, 8.0), (Ring::Z32, 8, 60.0)] {
            let codec = FixedPoint::new(ring, bits).expect("a codec");
            held(step, truth, units, codec, most, None);
            held(step, truth, units, codec, most, Some(most + 1.0));
        }
    }
}

#[test]
fn integers_are_sorted_and_divided_over_all_of_their_kinds() {
    let codec = FixedPoint::new(Ring::Z64, 0).expect("integers");
    let numbers: Vec<i64> = vec![i64::MIN, 3, i64::MAX, -7, 3, 0, -1];
    let evaluate = |step: &str, bound: Option<f64>, numbers: &[i64]| {
        let mut program = Program::new(2, codec);
        let x = program.input("x", PartyId(0), Dims::new(&[7]).expect("an axis"), bound).expect("x");
        let mut names = Names::from([("x".to_owned(), x)]);
        let value = add_step(&mut program, &mut names, 1, &format!("z = {step}"))?;
        program.output("z", value, Parties::first(1)).expect("an output");
        let data = [Elements::from_integers(Ring::Z64, numbers.iter().map(|&x| x as u64))];
        let found = oracle::evaluate(&program, &data)[0].elements.to_u64();
        Ok::<_, crate::program::expression::StepError>(
            found.into_iter().map(|x| x as i64).collect::<Vec<_>>(),
        )
    };
    assert_eq!(evaluate("sort(x)", None, &numbers), Ok(vec![i64::MIN, -7, -1, 0, 3, 3, i64::MAX]));
    assert_eq!(evaluate("argsort(x)", None, &numbers), Ok(vec![0, 3, 6, 5, 1, 4, 2]));
    let small = [-100, 3, 99, -7, 3, 0, -1];
    let due = |of: fn(i64) -> i64| Ok(small.iter().map(|&x| of(x)).collect::<Vec<_>>());
    assert_eq!(evaluate("x // 7", Some(100.0), &small), due(|x| x.div_euclid(7)));
    assert_eq!(evaluate("x % 7", Some(100.0), &small), due(|x| x.rem_euclid(7)));
    assert_eq!(evaluate("x % 8 + x // 8 * 8", Some(100.0), &small), due(|x| x));
    assert_eq!(evaluate("argsort(x)", Some(100.0), &small), Ok(vec![0, 3, 6, 5, 1, 4, 2]));
    let message = evaluate("x // 7", None, &numbers).expect_err("too large").to_string();
    assert!(message.contains("magnitudes must be below") && message.contains("declare a bound"), "{message}");
    assert!(message.contains("or a power of two as divisor"), "{message}");
    let message = evaluate("x // 8", None, &numbers).expect_err("too large").to_string();
    assert!(message.contains("declare a bound") && !message.contains("power of two"), "{message}");
    let message = evaluate("x // x", None, &numbers).expect_err("a private divisor").to_string();
    assert!(message.contains("the divisor behind '//' and '%' is a public number"), "{message}");
}

/// Elimination by rows in floats.
fn solved(a: &[Vec<f64>], b: &[f64]) -> Vec<f64> {
    let mut all: Vec<Vec<f64>> = a.iter().zip(b).map(|(row, b)| [&row[..], &[*b]].concat()).collect();
    for row in 0..all.len() {
        let pivot = all[row][row];
        all[row].iter_mut().for_each(|x| *x /= pivot);
        let top = all[row].clone();
        for other in (0..all.len()).filter(|&other| other != row) {
            let factor = all[other][row];
            all[other].iter_mut().zip(&top).for_each(|(x, top)| *x -= factor * top);
        }
    }
    all.iter().map(|row| row[row.len() - 1]).collect()
}

#[test]
fn systems_of_equations_are_solved_and_small_pivots_are_warned_of() {
    let codec = FixedPoint::new(Ring::Z64, 16).expect("a codec");
    for seed in 0..20 {
        let mut draw = Draw(seed);
        let n = 1 + draw.below(5);
        let g: Vec<Vec<f64>> = (0..n).map(|_| (0..n).map(|_| draw.real(-2.0, 2.0)).collect()).collect();
        let product =
            |i: usize, j: usize| (0..n).map(|k| g[i][k] * g[j][k]).sum::<f64>() + f64::from(u8::from(i == j));
        let rounded = |x: f64| (x * 65536.0).round() / 65536.0;
        let a: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| rounded(product(i, j))).collect()).collect();
        let b: Vec<f64> = (0..n).map(|_| rounded(draw.real(-10.0, 10.0))).collect();
        let mut program = Program::new(2, codec);
        let of = |extents: &[usize]| Dims::new(extents).expect("few axes");
        let ids = [("a", of(&[n, n])), ("b", of(&[n]))].map(|(name, dims)| {
            (name.to_owned(), program.input(name, PartyId(0), dims, None).expect("an input"))
        });
        let mut names = Names::from(ids);
        for (number, step) in [(1, "z = solve(a, b)"), (2, "y = inverse(a) @ b")] {
            let value = add_step(&mut program, &mut names, number, step).expect("a step");
            program.output(&step[..1], value, Parties::first(1)).expect("an output");
        }
        let warnings: Vec<String> = range::warnings(&program).iter().map(ToString::to_string).collect();
        assert!(warnings.iter().any(|text| text.contains("each pivot of solve(a, b)")), "{warnings:?}");
        let data = [a.concat(), b.clone()].map(|numbers| Elements::encode(codec, &numbers).expect("numbers"));
        let due = solved(&a, &b);
        for output in oracle::evaluate(&program, &data) {
            for (found, due) in output.elements.decode(codec).iter().zip(&due) {
                assert!((found - due).abs() < 1e-2, "seed {seed}: {found} for {due} of {n} rows");
            }
        }
    }
}
