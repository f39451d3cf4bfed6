//! Functions of arguments of all magnitudes, of which nothing is declared: as near to the true ones as they say.

use crate::program::expression::{Names, add_step};
use crate::program::range::{reaches, warnings};
use crate::program::{Program, Truncation, oracle};
use crate::ring::{Elements, FixedPoint, Ring, Shape};
use crate::share::{Parties, PartyId};

const SHAPE: Shape = Shape::new(24, 20);

/// A call, between which powers of two x and y lie, whether they have either sign, the true function of a row of each,
/// and the largest absolute and relative error.
struct Case {
    call: &'static str,
    x: (f64, f64),
    y: (f64, f64),
    signed: bool,
    truth: fn(&[f64], &[f64]) -> Vec<f64>,
    errors: (f64, f64),
}

fn each(x: &[f64], of: impl Fn(f64) -> f64) -> Vec<f64> {
    x.iter().map(|&x| of(x)).collect()
}

fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

fn variance(x: &[f64]) -> f64 {
    mean(&each(x, |element| (element - mean(x)).powi(2)))
}

const fn case(
    call: &'static str,
    x: (f64, f64),
    truth: fn(&[f64], &[f64]) -> Vec<f64>,
    errors: (f64, f64),
) -> Case {
    Case { call, x, y: (-12.0, 10.0), signed: true, truth, errors }
}

impl Case {
    const fn positive(mut self) -> Case {
        self.signed = false;
        self
    }

    const fn by(mut self, y: (f64, f64)) -> Case {
        self.y = y;
        self
    }
}

const UNIT: f64 = 1.0 / 65536.0;

const CASES: [Case; 32] = [
    case("x * 0.00001", (-12.0, 45.0), |x, _| each(x, |x| x * 0.00001), (3.0 * UNIT, 1e-9)),
    case("x * 0.3", (-12.0, 45.0), |x, _| each(x, |x| x * 0.3), (3.0 * UNIT, 1e-8)),
    case("x * 1e-9", (-12.0, 45.0), |x, _| each(x, |x| x * 1e-9), (3.0 * UNIT, 1e-8)),
    case("x * 1234.567", (-12.0, 34.0), |x, _| each(x, |x| x * 1234.567), (3.0 * UNIT, 1e-9)),
    case("x / 3", (-12.0, 45.0), |x, _| each(x, |x| x / 3.0), (3.0 * UNIT, 1e-9)),
    case("x / 7000", (-12.0, 45.0), |x, _| each(x, |x| x / 7000.0), (3.0 * UNIT, 1e-8)),
    case("x / 0.001", (-12.0, 35.0), |x, _| each(x, |x| x / 0.001), (UNIT, 1e-12)),
    case("x * 1.5", (-12.0, 44.0), |x, _| each(x, |x| x * 1.5), (UNIT, 1e-12)),
    case(
        "leaky_relu(x, 0.01)",
        (-12.0, 45.0),
        |x, _| each(x, |x| if x < 0.0 { x * 0.01 } else { x }),
        (3.0 * UNIT, 1e-8),
    ),
    case("mean(x, axis=1)", (-12.0, 40.0), |x, _| vec![mean(x)], (3.0 * UNIT, 1e-8)),
    case("var(x, axis=1)", (-12.0, 20.0), |x, _| vec![variance(x)], (4.0 * UNIT, 1e-7)),
    case("sqrt(x)", (-16.0, 45.9), |x, _| each(x, f64::sqrt), (3e-5, 1e-6)).positive(),
    case("sqrt(assume(x, 0, 2000000))", (-16.0, 20.0), |x, _| each(x, f64::sqrt), (3e-5, 1e-6)).positive(),
    case(
        "sqrt(clip(x, 1, 1000000))",
        (-16.0, 45.9),
        |x, _| each(x, |x| x.clamp(1.0, 1e6).sqrt()),
        (3e-5, 1e-6),
    ),
    case("rsqrt(x)", (-16.0, 45.9), |x, _| each(x, |x| 1.0 / x.sqrt()), (3e-5, 1e-6)).positive(),
    case("log(x)", (-16.0, 45.9), |x, _| each(x, f64::ln), (3e-5, 0.0)).positive(),
    case(
        "log(sigmoid(x) + 1)",
        (-16.0, 45.9),
        |x, _| each(x, |x| (1.0 / (1.0 + (-x).exp())).ln_1p()),
        (6e-5, 0.0),
    ),
    case("exp(x)", (-4.0, 4.32), |x, _| each(x, f64::exp), (6e-5, 3e-5)),
    case("exp(min(x, 8))", (-4.0, 3.0), |x, _| each(x, f64::exp), (5e-5, 3e-5)),
    case("reciprocal(x)", (-16.0, 45.9), |x, _| each(x, |x| 1.0 / x), (3e-5, 3e-6)),
    case("100000 / x", (-16.0, 45.9), |x, _| each(x, |x| 1e5 / x), (4e-5, 3e-6)),
    case("3e8 / x", (-10.0, 45.9), |x, _| each(x, |x| 3e8 / x), (6e-5, 3e-6)),
    case("x / y", (-12.0, 29.9), quotient, (8e-5, 3e-5)).by((-0.0, 45.9)),
    case("x / y", (-12.0, 17.9), quotient, (8e-5, 3e-5)).by((-12.0, 20.0)),
    case("x / y", (-12.0, 13.9), quotient, (8e-5, 3e-5)).by((-16.0, 45.9)),
    case("x / assume(y, 1, 2000000)", (-12.0, 29.9), quotient, (8e-5, 3e-5)).by((0.0, 20.9)).positive(),
    case("assume(x, -5000, 5000) / y", (-12.0, 12.2), quotient, (8e-5, 3e-5)).by((-16.0, 45.9)),
    case("assume(x, -5000, 5000) / assume(y, 0.5, 500)", (-12.0, 12.2), quotient, (6e-5, 3e-5))
        .by((-1.0, 8.9))
        .positive(),
    case("softmax(x, axis=1)", (-12.0, 6.0), softmax, (4e-5, 0.0)),
    case("layernorm(x)", (-4.0, 17.0), normalised, (1e-4, 1e-4)),
    case("layernorm(x)", (-4.0, 2.0), normalised, (1e-4, 1e-4)),
    case(
        "sum(x * y, axis=1) / sqrt(sum(x * x, axis=1) * sum(y * y, axis=1))",
        (-4.0, 4.0),
        correlation,
        (2e-3, 1e-3),
    )
    .by((-4.0, 4.0)),
];

fn quotient(x: &[f64], y: &[f64]) -> Vec<f64> {
    x.iter().zip(y).map(|(x, y)| x / y).collect()
}

fn softmax(x: &[f64], _: &[f64]) -> Vec<f64> {
    let largest = x.iter().copied().fold(f64::MIN, f64::max);
    let powers = each(x, |x| (x - largest).exp());
    let sum: f64 = powers.iter().sum();
    each(&powers, |power| power / sum)
}

fn normalised(x: &[f64], _: &[f64]) -> Vec<f64> {
    each(x, |element| (element - mean(x)) / (variance(x) + 1e-5).sqrt())
}

fn correlation(x: &[f64], y: &[f64]) -> Vec<f64> {
    let sum = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    vec![sum(x, y) / (sum(x, x) * sum(y, y)).sqrt()]
}

/// Numbers of all magnitudes between two powers of two; a row's are near each other, but for one in eight.
fn numbers(codec: FixedPoint, (low, high): (f64, f64), signed: bool, seed: u64) -> Vec<f64> {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    let drawn = |at: usize| ((at as f64 + 0.37 * seed as f64) * GOLDEN).fract();
    (0..SHAPE.len())
        .map(|at| {
            let row = drawn(at / SHAPE.cols * 7 + 3);
            let part = if at % 8 == 5 { drawn(at) } else { (row + 0.1 * drawn(at)).min(1.0) };
            let magnitude = (low + (high - low) * part).exp2();
            let number = if signed && drawn(at * 3 + 1) < 0.5 { -magnitude } else { magnitude };
            (number / codec.resolution()).round() * codec.resolution()
        })
        .collect()
}

fn program(codec: FixedPoint, call: &str, truncation: Truncation) -> Program {
    let mut program = Program::new(2, codec).with_truncation(truncation);
    let mut names = Names::new();
    for name in ["x", "y"] {
        names.insert(name.to_owned(), program.input(name, PartyId(0), SHAPE, None).expect("an input"));
    }
    let result = add_step(&mut program, &mut names, 1, &format!("z = {call}")).expect("a step");
    program.output("z", result, Parties::first(2)).expect("an output");
    reaches(&program).unwrap_or_else(|error| panic!("{call} in {codec:?}: {error}"));
    program
}

/// The largest error beyond what is allowed relative to the true value, and where.
fn worst(codec: FixedPoint, case: &Case, relative: f64, truncation: Truncation, seed: u64) -> (f64, String) {
    let program = program(codec, case.call, truncation);
    let x = numbers(codec, case.x, case.signed, seed);
    let y = numbers(codec, case.y, case.signed, seed + 1);
    let data = [&x, &y].map(|numbers| Elements::encode(codec, numbers).expect("numbers in range"));
    let mut state = seed;
    let rounds_up = || {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        truncation == Truncation::Stochastic && state >> 63 == 1
    };
    let values = oracle::rounded_values(&program, &data, rounds_up);
    let found =
        Elements::from_integers(codec.ring(), values[program.outputs()[0].value.index()].iter().copied());
    let found = found.decode(codec);
    let rows = x.chunks(SHAPE.cols).zip(y.chunks(SHAPE.cols));
    let expected: Vec<f64> = rows.flat_map(|(x, y)| (case.truth)(x, y)).collect();
    assert_eq!(found.len(), expected.len(), "{}", case.call);
    let mut worst = (0.0, String::new());
    let per_row = expected.len() / SHAPE.rows;
    for (at, (found, truth)) in found.into_iter().zip(expected).enumerate() {
        let error = (found - truth).abs() - relative * truth.abs();
        if error > worst.0 {
            let first = if per_row == 1 { at * SHAPE.cols } else { at };
            worst = (error, format!("{found} for {truth} of {} and {}", x[first], y[first]));
        }
    }
    worst
}

#[test]
fn functions_are_right_for_all_numbers() {
    let codec = FixedPoint::new(Ring::Z64, 16).expect("a codec");
    let mut wrong = Vec::new();
    for case in &CASES {
        for truncation in [Truncation::Exact, Truncation::Stochastic] {
            let all = (0..6).map(|seed| worst(codec, case, case.errors.1, truncation, seed));
            let (error, text) = all.max_by(|a, b| a.0.total_cmp(&b.0)).expect("seeds");
            println!("{} {truncation:?}: {error:.2e} {text}", case.call);
            if error > case.errors.0 {
                wrong.push(format!("{} {truncation:?}: {error:.2e} {text}", case.call));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn functions_in_32_bits_are_right_for_all_numbers() {
    let codec = FixedPoint::new(Ring::Z32, 8).expect("a codec");
    let unit = 1.0 / 256.0;
    let cases = [
        case("x * 0.001", (-4.0, 21.5), |x, _| each(x, |x| x * 0.001), (3.0 * unit, 2e-4)),
        case("x / 3", (-4.0, 21.5), |x, _| each(x, |x| x / 3.0), (3.0 * unit, 2e-4)),
        case("mean(x, axis=1)", (-4.0, 17.0), |x, _| vec![mean(x)], (3.0 * unit, 2e-4)),
        case("var(x, axis=1)", (-4.0, 8.0), |x, _| vec![variance(x)], (4.0 * unit, 1e-3)),
        case("sqrt(x)", (-8.0, 21.9), |x, _| each(x, f64::sqrt), (3.0 * unit, 4e-3)).positive(),
        case("rsqrt(x)", (-8.0, 21.9), |x, _| each(x, |x| 1.0 / x.sqrt()), (3.0 * unit, 4e-3)).positive(),
        case("log(x)", (-8.0, 21.9), |x, _| each(x, f64::ln), (4.0 * unit, 0.0)).positive(),
        case("reciprocal(x)", (-8.0, 21.9), |x, _| each(x, |x| 1.0 / x), (3.0 * unit, 4e-3)),
        case("x / y", (-4.0, 13.9), quotient, (5.0 * unit, 2e-2)).by((0.0, 21.9)),
        case("x / y", (-4.0, 5.9), quotient, (5.0 * unit, 2e-2)).by((-7.9, 21.9)),
        case(
            "layernorm(x, eps=0.001)",
            (-2.0, 5.0),
            |x, _| each(x, |element| (element - mean(x)) / (variance(x) + 1e-3).sqrt()),
            (4.0 * unit, 1e-2),
        ),
    ];
    let mut wrong = Vec::new();
    for case in &cases {
        for truncation in [Truncation::Exact, Truncation::Stochastic] {
            let all = (0..6).map(|seed| worst(codec, case, case.errors.1, truncation, seed));
            let (error, text) = all.max_by(|a, b| a.0.total_cmp(&b.0)).expect("seeds");
            println!("{} {truncation:?}: {error:.2e} {text}", case.call);
            if error > case.errors.0 {
                wrong.push(format!("{} {truncation:?}: {error:.2e} {text}", case.call));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Whatever the fraction bits, and over all that is left beside them.
#[test]
fn functions_are_right_with_any_fraction_bits() {
    let rings = [(Ring::Z64, [1, 4, 12, 20, 24, 27, 30]), (Ring::Z32, [1, 4, 5, 9, 12, 13, 14])];
    let mut wrong = Vec::new();
    for (ring, all_bits) in rings {
        for fraction_bits in all_bits {
            let codec = FixedPoint::new(ring, fraction_bits).expect("a codec");
            let (low, high) = (-f64::from(fraction_bits), f64::from(ring.bits() - 2 - fraction_bits) - 0.1);
            let products = high - f64::from(fraction_bits);
            let quotients = high - f64::from(fraction_bits.max(ring.bits() / 4));
            let fine = f64::from((ring.bits() - 8) / 2).min(24.0).max(f64::from(fraction_bits));
            let deviations = products.min(high + f64::from(fraction_bits) - fine - 3.0) / 2.0 - 3.0;
            let cases = [
                case("x * 0.3", (low, high), |x, _| each(x, |x| x * 0.3), (3.0, 0.0)),
                case("x / 70", (low, high), |x, _| each(x, |x| x / 70.0), (3.0, 0.0)),
                case("mean(x, axis=1)", (low, high - 5.0), |x, _| vec![mean(x)], (3.0, 0.0)),
                case("var(x, axis=1)", (low, products / 2.0 - 1.0), |x, _| vec![variance(x)], (4.0, 0.0)),
                case("sqrt(x)", (low, high), |x, _| each(x, f64::sqrt), (4.0, 0.0)).positive(),
                case("rsqrt(x)", (low, high), |x, _| each(x, |x| 1.0 / x.sqrt()), (4.0, 0.0)).positive(),
                case("log(x)", (low, high), |x, _| each(x, f64::ln), (4.0, 0.0)).positive(),
                case("reciprocal(x)", (low, high), |x, _| each(x, |x| 1.0 / x), (4.0, 0.0)),
                case("x / y", (low, quotients), quotient, (6.0, 0.0)).by((0.0, high)),
                case("x / y", (low, quotients + low), quotient, (6.0, 0.0)).by((low, high)),
                case(
                    "layernorm(x, eps=0.125)",
                    (low.max(-4.0), deviations),
                    |x, _| each(x, |element| (element - mean(x)) / (variance(x) + 0.125).sqrt()),
                    (6.0, 0.0),
                ),
            ];
            // What the polynomials and the bits within functions leave: half of a ring of 32 bits is few.
            let relative = (3.0 - 0.75 * fine).exp2().max(5e-6);
            for case in cases.iter().filter(|case| case.x.1 > case.x.0 + 2.0) {
                for truncation in [Truncation::Exact, Truncation::Stochastic] {
                    let (error, text) = worst(codec, case, relative, truncation, 3);
                    if error > (case.errors.0 + 4.0 * relative / codec.resolution()) * codec.resolution() {
                        wrong.push(format!("{} in {codec:?} {truncation:?}: {error:.2e} {text}", case.call));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Where a function has no value, it has a stated one.
#[test]
fn zero_has_stated_values() {
    let codec = FixedPoint::new(Ring::Z64, 16).expect("a codec");
    let of_zero = |call: &str| {
        let program = program(codec, call, Truncation::Exact);
        let zeros = Elements::zeros(Ring::Z64, SHAPE.len());
        oracle::evaluate(&program, &[zeros.clone(), zeros])[0].elements.decode(codec)[0]
    };
    for call in
        ["sqrt(x)", "rsqrt(x)", "reciprocal(x)", "7 / x", "(x + 7) / y", "sqrt(x - 5)", "var(x, axis=1)"]
    {
        assert_eq!(of_zero(call), 0.0, "{call} of zero");
    }
    assert!(
        (of_zero("log(x)") - UNIT.ln()).abs() < 1e-3,
        "log(0) is that of one unit, {}",
        of_zero("log(x)")
    );
}

/// What earlier ops say of a number is enough, whatever is known of their operands.
#[test]
fn what_is_right_everywhere_is_not_warned_of() {
    let codec = FixedPoint::new(Ring::Z64, 16).expect("a codec");
    for call in [
        "sqrt(clip(x, 1, 400))",
        "log(sigmoid(x) + 1)",
        "sqrt(x * x + 1)",
        "sqrt(var(x, axis=1))",
        "1 / (1 + abs(x))",
        "x / y",
        "layernorm(x)",
        "softmax(x, axis=1)",
        "log(1 + relu(x))",
        "sqrt(max(x, 0))",
        "sum(x * y) / sqrt(sum(x * x) * sum(y * y))",
    ] {
        let found = warnings(&program(codec, call, Truncation::Stochastic));
        assert!(found.is_empty(), "{call}: {}", found[0]);
    }
}
