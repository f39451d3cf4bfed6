//! Random programs: what each step gives is right for what the steps before it gave, whatever these are.

use crate::program::expression::{Names, add_step};
use crate::program::range::{product_limit, quotient_limit, reaches};
use crate::program::{Dims, Program, Truncation, oracle};
use crate::ring::{Elements, FixedPoint, Ring};
use crate::share::{Parties, PartyId};
use proptest::prelude::*;

const COLS: usize = 4;
const ROWS: usize = 3;

/// The true function of a row of x and one of y.
type Truth = fn(&[f64], &[f64]) -> Vec<f64>;

/// A call on x and y, and the true function.
type Step = (&'static str, Truth);

/// What a step's products and quotients reach; it is not held to anything beyond the program's limits.
type Limit = fn(&[f64], &[f64]) -> Reach;

/// What a step reaches on its way.
#[derive(Clone, Copy, Default)]
struct Reach {
    product: f64,
    quotient: f64,
}

fn each(x: &[f64], of: impl Fn(f64) -> f64) -> Vec<f64> {
    x.iter().map(|&x| of(x)).collect()
}

fn both(x: &[f64], y: &[f64], of: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    x.iter().zip(y).map(|(&x, &y)| of(x, y)).collect()
}

fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

fn variance(x: &[f64]) -> f64 {
    let middle = mean(x);
    mean(&each(x, |element| (element - middle).powi(2)))
}

fn largest(numbers: impl IntoIterator<Item = f64>) -> f64 {
    numbers.into_iter().map(f64::abs).fold(0.0, f64::max)
}

const NOTHING: Limit = |_, _| Reach::default();
const QUOTIENT: Limit = |x, y| Reach { product: 0.0, quotient: largest(both(x, y, |x, y| x / y)) };

const STEPS: [(Step, Limit); 27] = [
    (("x * 0.37", |x, _| each(x, |x| x * 0.37)), NOTHING),
    (("x * 0.00021", |x, _| each(x, |x| x * 0.00021)), NOTHING),
    (("x / 3", |x, _| each(x, |x| x / 3.0)), NOTHING),
    (("x / 7000", |x, _| each(x, |x| x / 7000.0)), NOTHING),
    (("x * 13.5", |x, _| each(x, |x| x * 13.5)), NOTHING),
    (("abs(x)", |x, _| each(x, f64::abs)), NOTHING),
    (("leaky_relu(x, 0.01)", |x, _| each(x, |x| if x < 0.0 { x * 0.01 } else { x })), NOTHING),
    (("sqrt(abs(x))", |x, _| each(x, |x| x.abs().sqrt())), NOTHING),
    (("rsqrt(abs(x) + 0.5)", |x, _| each(x, |x| 1.0 / (x.abs() + 0.5).sqrt())), NOTHING),
    (("log(abs(x) + 0.125)", |x, _| each(x, |x| (x.abs() + 0.125).ln())), NOTHING),
    (("reciprocal(x)", |x, _| each(x, f64::recip)), NOTHING),
    (("1000 / x", |x, _| each(x, |x| 1000.0 / x)), NOTHING),
    (("sigmoid(x)", |x, _| each(x, |x| 1.0 / (1.0 + (-x).exp()))), NOTHING),
    (("tanh(x)", |x, _| each(x, f64::tanh)), NOTHING),
    (("exp(min(x, 9))", |x, _| each(x, |x| x.min(9.0).exp())), NOTHING),
    (("exp(-abs(x))", |x, _| each(x, |x| (-x.abs()).exp())), NOTHING),
    (("clip(x, -3, 50)", |x, _| each(x, |x| x.clamp(-3.0, 50.0))), NOTHING),
    (("x - mean(x, axis=1, keepdims=1)", |x, _| each(x, |element| element - mean(x))), NOTHING),
    (("x * 0 + var(x, axis=1, keepdims=1)", |x, _| vec![variance(x); x.len()]), |x, _| Reach {
        product: variance(x),
        quotient: 0.0,
    }),
    (
        ("softmax(x / 1024, axis=1)", |x, _| {
            let top = x.iter().copied().fold(f64::MIN, f64::max);
            let powers = each(x, |x| ((x - top) / 1024.0).exp());
            each(&powers, |power| power / powers.iter().sum::<f64>())
        }),
        NOTHING,
    ),
    (("x + y", |x, y| both(x, y, |x, y| x + y)), NOTHING),
    (("x - y", |x, y| both(x, y, |x, y| x - y)), NOTHING),
    (("x * y", |x, y| both(x, y, |x, y| x * y)), |x, y| Reach {
        product: largest(both(x, y, |x, y| x * y)),
        quotient: 0.0,
    }),
    (("x / y", |x, y| both(x, y, |x, y| x / y)), QUOTIENT),
    (("x / (abs(y) + 0.25)", |x, y| both(x, y, |x, y| x / (y.abs() + 0.25))), |x, y| Reach {
        product: 0.0,
        quotient: largest(both(x, y, |x, y| x / (y.abs() + 0.25))),
    }),
    (("max(x, y)", |x, y| both(x, y, f64::max)), NOTHING),
    (("select(x < y, x, y)", |x, y| both(x, y, f64::min)), NOTHING),
];

#[derive(Clone, Debug)]
struct Recipe {
    exact: bool,
    bounded: bool,
    magnitudes: Vec<(f64, bool)>,
    steps: Vec<(prop::sample::Index, prop::sample::Index, prop::sample::Index)>,
}

fn recipe() -> impl Strategy<Value = Recipe> {
    let index = any::<prop::sample::Index>;
    let number = (-12.0..20.0, any::<bool>());
    (
        any::<bool>(),
        any::<bool>(),
        prop::collection::vec(number, 2 * ROWS * COLS),
        prop::collection::vec((index(), index(), index()), 1..9),
    )
        .prop_map(|(exact, bounded, magnitudes, steps)| Recipe { exact, bounded, magnitudes, steps })
}

/// Holds each step to the true function of what it was given, until one leaves the limits.
fn hold(codec: FixedPoint, recipe: &Recipe) {
    let truncation = if recipe.exact { Truncation::Exact } else { Truncation::Stochastic };
    let mut program = Program::new(2, codec).with_truncation(truncation);
    let mut values = Vec::new();
    for name in ["a", "b"] {
        let bound = recipe.bounded.then_some(1_048_577.0);
        let dims = Dims::new(&[ROWS, COLS]).expect("two axes");
        values.push(program.input(name, PartyId(0), dims, bound).expect("an input"));
    }
    let mut taken = Vec::new();
    for (number, (step, x, y)) in (1..).zip(&recipe.steps) {
        let (((call, truth), limit), x, y) = (step.get(&STEPS), x.index(values.len()), y.index(values.len()));
        let mut names = Names::from([("x".to_owned(), values[x]), ("y".to_owned(), values[y])]);
        let mut extended = program.clone();
        let added = add_step(&mut extended, &mut names, number, &format!("z = {call}"));
        // What bounds show to be too large is refused.
        let Some(value) = added.ok().filter(|_| reaches(&extended).is_ok()) else { continue };
        program = extended;
        values.push(value);
        taken.push((*call, *truth, *limit, x, y));
    }
    for (index, &value) in values.iter().enumerate() {
        program.output(&format!("z{index}"), value, Parties::first(1)).expect("an output");
    }
    let number = |&(magnitude, negative): &(f64, bool)| {
        let number = (magnitude.exp2() / codec.resolution()).round() * codec.resolution();
        if negative { -number } else { number }
    };
    let numbers: Vec<f64> = recipe.magnitudes.iter().map(number).collect();
    let data: Vec<Elements> = numbers
        .chunks(ROWS * COLS)
        .map(|numbers| Elements::encode(codec, numbers).expect("numbers in range"))
        .collect();
    let found: Vec<Vec<f64>> =
        oracle::evaluate(&program, &data).iter().map(|output| output.elements.decode(codec)).collect();
    let (products, quotients, all) = (product_limit(&program), quotient_limit(&program), codec.limit());
    for (at, &(call, truth, limit, x, y)) in (2..).zip(&taken) {
        let rows = found[x].chunks(COLS).zip(found[y].chunks(COLS)).zip(found[at].chunks(COLS));
        for ((x, y), found) in rows {
            let (expected, reach) = (truth(x, y), limit(x, y));
            if expected.iter().any(|number| !number.is_finite() || number.abs() > all / 8.0)
                || reach.product > products / 2.0
                || reach.quotient > quotients / 2.0
            {
                return;
            }
            for (found, expected) in found.iter().zip(expected) {
                assert!(
                    (found - expected).abs() <= 2e-4 + 1e-4 * expected.abs(),
                    "{call} of {x:?} and {y:?} gives {found} for {expected} in {:?}",
                    taken.iter().map(|(call, .., x, y)| (call, x, y)).collect::<Vec<_>>()
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn every_step_of_a_random_program_is_right(recipe in recipe()) {
        hold(FixedPoint::new(Ring::Z64, 16).expect("a codec"), &recipe);
    }
}
