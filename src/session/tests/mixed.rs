//! Integers beside numbers with fractions in one program: what is computed of integers alone is exact over all of their
//! kinds, what chooses by them goes with both, and nothing mixes them without being told to.

use super::equivalence::check_in;
use super::integers::add_outputs;
use super::recipe::plan;
use super::{on_gpus, world};
use crate::plan::PlanOptions;
use crate::program::expression::{Names, add_step};
use crate::program::{Kind, Program, oracle, range};
use crate::protocol::Protocol;
use crate::ring::{Elements, FixedPoint, Ring, Shape};
use crate::share::{Parties, PartyId};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

/// Steps on integers `a` and `b` of two parties and `k` of both, and numbers with fractions `x` and `y`; all are columns.
const STEPS: [&str; 40] = [
    "a < b",
    "k >= a",
    "k == b",
    "a != 3000000000",
    "max(k, b)",
    "min(a, 3)",
    "clip(k, -1, 70000)",
    "relu(a)",
    "abs(k)",
    "k + b * 3 - 7",
    "a * b + sum(k)",
    "k @ [[2, -1]]",
    "argmax(k, axis=0)",
    "argmin(a, axis=0) + floor(x)[0]",
    "argsort(k, axis=0) * x",
    "sort(b, axis=0)",
    "one_hot(a, 3) * y",
    "select(a < b, x, y)",
    "select(k == a, a, k)",
    "select(a, x, 0)",
    "(k > 2) * x",
    "(a == b) @ [[0.5, 2]] + y",
    "not a",
    "k and b",
    "join(a, b, x)",
    "join(k, a, b)",
    "join(round(x), a, y)",
    "isin(a, k)",
    "unique(k)",
    "group_sum(x, k)",
    "group_sum(a, k)",
    "group_count(a) * x",
    "histogram(a, [0, 1, 70000])",
    "a + floor(x)",
    "round(y) == b",
    "k - (x > y)",
    "real(assume(min(max(a, 0), 9), 0, 9)) * x + 0.5",
    "sum((a < 3) * y) / 4",
    "concat(k, a, axis=1)",
    "a % 5 + b // 4",
];

/// A program of some of these, with the elements of its inputs.
#[derive(Clone, Debug)]
struct Recipe {
    protocol: Protocol,
    kinds: [Kind; 2],
    bound: Option<f64>,
    steps: Vec<prop::sample::Index>,
    elements: Vec<prop::sample::Index>,
    seed: u64,
    plan: PlanOptions,
}

fn recipe() -> impl Strategy<Value = Recipe> {
    let kind = || prop::sample::select(&[Kind::Integer, Kind::I32, Kind::U32, Kind::I64, Kind::U64][..]);
    let index = any::<prop::sample::Index>;
    (
        prop::sample::select(&Protocol::ALL[..]),
        [kind(), kind()],
        prop::sample::select(&[None, Some(3.0), Some(70_000.0)][..]),
        prop::collection::vec(index(), 1..5),
        prop::collection::vec(index(), 20),
        any::<u64>(),
        plan(),
    )
        .prop_map(|(protocol, kinds, bound, steps, elements, seed, plan)| Recipe {
            protocol,
            kinds,
            bound,
            steps,
            elements,
            seed,
            plan,
        })
}

const ROWS: usize = 5;

fn codec() -> FixedPoint {
    FixedPoint::new(Ring::Z64, 16).expect("a codec")
}

fn encoded(numbers: [f64; ROWS]) -> Elements {
    Elements::encode(codec(), &numbers).expect("numbers in range")
}

/// A program for so many parties with inputs of these kinds, and their names.
fn inputs(parties: usize, kinds: [Kind; 2], bound: Option<f64>) -> (Program, Names) {
    let mut program = Program::new(parties, codec());
    let mut names = Names::new();
    for (name, owner, kind) in
        [("a", 0, kinds[0]), ("b", 1, kinds[1]), ("x", 0, Kind::Real), ("y", 1, Kind::Real)]
    {
        let bound = if kind == Kind::Real { Some(1000.0) } else { bound };
        let input = program.input(name, PartyId(owner), Shape::new(ROWS, 1), bound).expect("an input");
        program.hold(input, kind).expect("a kind");
        names.insert(name.to_owned(), input);
    }
    (program, names)
}

/// Integers with which much goes wrong: around zero, the powers of two, and the ends.
fn extremes(low: i128, high: i128) -> Vec<i128> {
    let near = [0i128, 2, 1 << 31, 1 << 62, 1 << 63, -(1 << 62), low, high];
    let around = near.into_iter().flat_map(|integer| [integer - 1, integer, integer + 1]);
    around.filter(|integer| (low..=high).contains(integer)).collect()
}

impl Recipe {
    fn program(&self) -> (Program, Vec<Elements>) {
        let (mut program, mut names) = inputs(self.protocol.parties(), self.kinds, self.bound);
        let mut drawn = self.elements.iter();
        let mut elements = Vec::new();
        for input in &program.inputs()[..2] {
            let span = input.span(Ring::Z64);
            let choice = extremes(span.low, span.high);
            let integers = drawn.by_ref().take(ROWS).map(|index| *index.get(&choice) as u64);
            elements.push(Elements::from_integers(Ring::Z64, integers));
        }
        elements.push(encoded([1.5, -2.25, 0.0, 7.0, 3.0]));
        elements.push(encoded([-0.5, 2.0, 999.0, -1000.0, 3.0]));
        // Integers that no party holds alone.
        let whole = if self.kinds[0].is_signed() == self.kinds[1].is_signed() {
            "a + (x > y) * (b - a)"
        } else {
            "a + 1"
        };
        add_step(&mut program, &mut names, 1, &format!("k = {whole}")).expect("a step");
        add_outputs(&mut program, &names, self.steps.iter().map(|index| *index.get(&STEPS)));
        program.output("k", names["k"], Parties::first(1)).expect("an output");
        (program, elements)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]
    #[test]
    fn integers_beside_numbers_with_fractions_are_what_the_oracle_says(recipe in recipe()) {
        let (program, elements) = recipe.program();
        check_in(&world(recipe.protocol, recipe.seed), recipe.plan, &program, &elements, recipe.seed);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]
    #[test]
    fn integers_lie_within_their_spans_and_numbers_within_their_intervals(recipe in recipe()) {
        let (program, elements) = recipe.program();
        let evaluated = oracle::rounded_values(&program, &elements, || false);
        // Rows that a function drops may be anything.
        for (value, elements) in program.values().iter().zip(evaluated).filter(|(value, _)| !value.is_part()) {
            for element in elements {
                match (value.integers, value.interval) {
                    (Some(integers), _) => {
                        let integer = integers.read(Ring::Z64, element);
                        let inside = integers.span.low <= integer && integer <= integers.span.high;
                        prop_assert!(inside, "{} is {integer}, and should be within {integers:?}", value.label);
                    }
                    (None, Some(known)) => {
                        let number = Ring::Z64.signed(element) as f64 * value.unit();
                        let inside = known.low <= number && number <= known.high;
                        prop_assert!(inside, "{} is {number}, and should be {known}", value.label);
                    }
                    (None, None) => {}
                }
            }
        }
    }
}

#[test]
fn integers_beside_numbers_with_fractions_are_what_the_oracle_says_on_gpus() {
    on_gpus(|name, in_devices| {
        let mut runner = TestRunner::new(ProptestConfig { cases: 6, ..ProptestConfig::default() });
        let result = runner.run(&recipe(), |recipe| {
            let (world, (program, elements)) =
                (in_devices(world(recipe.protocol, recipe.seed)), recipe.program());
            check_in(&world, recipe.plan, &program, &elements, recipe.seed);
            Ok(())
        });
        result.unwrap_or_else(|failure| panic!("on {name}: {failure}"));
    });
}

/// Every step is right by itself, in integers and floats that Rust computes, whatever the oracle says.
#[test]
fn full_width_keys_choose_among_numbers_with_fractions() {
    let keys = [u64::MAX, 1 << 63, 0, u64::MAX, 5];
    let others = [5, u64::MAX, (1 << 63) - 1, 7, 1 << 63];
    let (x, y) = ([1.5, -2.25, 0.5, 7.0, 3.0], [-0.5, 2.0, 9.0, -10.0, 3.0]);
    let matched = keys.map(|key| others.iter().rposition(|&other| other == key).map_or(0.0, |at| y[at]));
    let expected: [(&str, [f64; ROWS]); 5] = [
        ("join(a, b, y)", matched),
        ("isin(a, b) * x", std::array::from_fn(|at| if others.contains(&keys[at]) { x[at] } else { 0.0 })),
        ("select(a < b, x, y)", std::array::from_fn(|at| if keys[at] < others[at] { x[at] } else { y[at] })),
        // The groups 0, 5, 2^63 and 2^64 − 1.
        ("group_sum(x, a)", [0.5, 3.0, -2.25, 8.5, 0.0]),
        ("group_count(a) * 0.5", [0.5, 0.5, 0.5, 1.0, 0.0]),
    ];
    for protocol in Protocol::ALL {
        let (mut program, mut names) = inputs(protocol.parties(), [Kind::U64; 2], None);
        for (number, (step, _)) in (1..).zip(&expected) {
            let value = add_step(&mut program, &mut names, number, &format!("z{number} = {step}"));
            program.output(step, value.expect("a step"), PartyId(0).alone()).expect("an output");
        }
        let same = add_step(&mut program, &mut names, 9, "top = max(a, b)").expect("a step");
        program.output("top", same, PartyId(0).alone()).expect("an output");
        assert_eq!(range::wrapping(&program), Vec::<String>::new(), "nothing here leaves the ring");
        let data = [Elements::Z64(keys.to_vec()), Elements::Z64(others.to_vec()), encoded(x), encoded(y)];
        let outcomes = world(protocol, 3).run(&program, &data).expect("a run");
        let outputs = &outcomes[0].outputs;
        for (step, numbers) in &expected {
            let found = outputs[*step].decode(codec());
            let close = found.iter().zip(numbers).all(|(found, number)| (found - number).abs() < 1e-4);
            assert!(close, "{step} by {protocol}: {found:?}, and not {numbers:?}");
        }
        let larger = keys.iter().zip(others).map(|(&key, other)| key.max(other));
        assert_eq!(outputs["top"].to_u64(), larger.collect::<Vec<_>>(), "integers are revealed as they are");
    }
}

#[test]
fn nothing_is_mixed_without_a_word() {
    let steps = [
        "a + x",
        "x - a",
        "a * x",
        "a.T @ x",
        "a < x",
        "x == a",
        "max(a, x)",
        "min(x, a)",
        "a * 0.5",
        "a + 0.25",
        "a / 2",
        "1 / a",
        "mean(a)",
        "std(a)",
        "exp(a)",
        "sqrt(a)",
        "sigmoid(a)",
        "concat(a, x, axis=1)",
        "stack(a, x, axis=0)",
        "select(x > 0, a, x)",
        "select(x > 0, x, a)",
        "[a, x]",
        "join(x, a, x)",
        "isin(a, x)",
        "softmax(a, axis=1)",
        "norm(a)",
        "median(concat(a, a, axis=0))",
        "leaky_relu(a, 0.1)",
        "group_mean(a, a)",
        "a ** 0.5",
        "einsum('ij,ij->i', a, x)",
        "sum(a) * mean(x)",
        "layernorm(a.T)",
    ];
    let mut wrong = Vec::new();
    for kind in [Kind::Integer, Kind::I32, Kind::U32, Kind::U64] {
        for step in steps {
            let (mut program, mut names) = inputs(2, [kind; 2], None);
            let value = add_step(&mut program, &mut names, 1, &format!("z = {step}"));
            let line = value.map_or_else(|error| error.to_string(), |_| "is taken".to_owned());
            let says = ["is an integer, and would be mixed", "not an integer"];
            if says.iter().all(|says| !line.contains(says)) {
                wrong.push(format!("{step} of {kind}: {line}"));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new(), "these are refused as mixtures");
}

#[test]
fn integers_become_numbers_with_fractions_where_they_fit() {
    let real = |kind, bound| {
        let (mut program, mut names) = inputs(2, [kind; 2], bound);
        add_step(&mut program, &mut names, 1, "z = real(a) * x").map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(real(Kind::I32, None), Ok(()), "32 bits have room above 16 fraction bits");
    assert_eq!(real(Kind::U64, Some(1e9)), Ok(()), "a bound says that they fit");
    let line = real(Kind::I64, None).expect_err("it may be too large");
    assert!(line.contains("stay below 2^46: declare a bound, or write assume"), "{line}");
}

#[test]
fn sums_of_integers_that_leave_the_ring_are_named() {
    let (mut program, mut names) = inputs(2, [Kind::I64, Kind::I32], None);
    for (number, step) in (1..).zip(["wide = a + b", "narrow = b * b", "z = x * y"]) {
        let value = add_step(&mut program, &mut names, number, step).expect("a step");
        program.output(step, value, PartyId(0).alone()).expect("an output");
    }
    assert_eq!(range::wrapping(&program), ["wide = a + b"]);
}

#[test]
fn states_hold_no_integers_beside_numbers_with_fractions() {
    let (mut program, names) = inputs(2, [Kind::I32; 2], None);
    let first = || crate::program::Init::Value(names["a"]);
    assert!(program.state("s", Shape::new(ROWS, 1), Kind::Real, first()).is_err(), "it would be mixed");
    let line = program.state("s", Shape::new(ROWS, 1), Kind::Integer, first()).expect_err("refused");
    assert_eq!(
        line.to_string(),
        "state 's' cannot hold integer: in this program states hold numbers with fractions"
    );
}
