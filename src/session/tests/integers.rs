//! Integers over all of their kinds: comparisons and what chooses by them give what the oracle, which compares the integers
//! themselves, says that they give.

use super::equivalence::{check, check_in};
use super::recipe::plan;
use super::{on_gpus, world};
use crate::plan::{PlanOptions, Plans};
use crate::program::expression::{Names, add_step};
use crate::program::{Kind, Program, oracle};
use crate::protocol::{Protocol, garbled};
use crate::ring::{Elements, FixedPoint, Ring, Shape};
use crate::share::{Parties, PartyId, Role};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

/// Expressions of a value `x` of both parties, their own values `a` and `b`, and a row `r`.
const EXPRESSIONS: [&str; 35] = [
    "x < b",
    "a <= x",
    "x > r",
    "x >= a",
    "a == x",
    "x != b",
    "x < 3",
    "3000000000 <= x",
    "x > -2",
    "a <= 2147483647",
    "x == 2147483648",
    "max(x, b)",
    "min(a, x)",
    "max(x, r)",
    "max(x, 1)",
    "min(3000000000, x)",
    "clip(x, 1, 2147483647)",
    "relu(x)",
    "relu(a - b)",
    "abs(x)",
    "leaky_relu(x, 3)",
    "argmax(x, axis=1)",
    "argmin(x, axis=0)",
    "max(x, axis=1)",
    "min(x, axis=0)",
    "select(a < x, b, a)",
    "select(x < b, x, a)",
    "select(x, b, a)",
    "concat(a, x, axis=1)",
    "(a - b) < (b - a)",
    "(a + b) * (x > r)",
    "abs(x) - abs(b)",
    "maxpool2d(x, channels=1, height=1, width=4, size=2, stride=1)",
    "one_hot(x, 3)",
    "x * b - a @ r[0]",
];

/// A program of some of these, with the elements of its inputs.
#[derive(Clone, Debug)]
struct Recipe {
    protocol: Protocol,
    ring: Ring,
    kinds: [Kind; 3],
    bounded: bool,
    expressions: Vec<prop::sample::Index>,
    elements: Vec<prop::sample::Index>,
    seed: u64,
    plan: PlanOptions,
}

fn recipe() -> impl Strategy<Value = Recipe> {
    let kind = || prop::sample::select(&[Kind::Real, Kind::I32, Kind::U32, Kind::I64, Kind::U64][..]);
    let index = any::<prop::sample::Index>;
    (
        (prop::sample::select(&Protocol::ALL[..]), prop::sample::select(&Ring::ALL[..])),
        [kind(), kind(), kind()],
        prop::bool::weighted(0.2),
        prop::collection::vec(index(), 1..5),
        prop::collection::vec(index(), 28),
        any::<u64>(),
        plan(),
    )
        .prop_map(|((protocol, ring), kinds, bounded, expressions, elements, seed, plan)| Recipe {
            protocol,
            ring,
            kinds: kinds.map(|kind| kind.within(ring)),
            bounded,
            expressions,
            elements,
            seed,
            plan,
        })
}

/// The integers around zero, the powers of two and the ends of a kind.
fn extremes(lowest: i128, highest: i128) -> Vec<i128> {
    let near = [0i128, 1 << 31, 1 << 32, 1 << 63, -(1 << 31), -(1 << 63), lowest, highest];
    let around = near.into_iter().flat_map(|integer| [integer - 1, integer, integer + 1]);
    around.filter(|integer| (lowest..=highest).contains(integer)).collect()
}

/// Adds steps and has their results as outputs for two parties, but for those that are refused: what would mix integers that
/// no reading holds.
pub(super) fn add_outputs<'a>(
    program: &mut Program,
    names: &Names,
    expressions: impl IntoIterator<Item = &'a str>,
) {
    for (number, expression) in expressions.into_iter().enumerate() {
        let (mut extended, output) = (program.clone(), format!("z{number}"));
        // Behind the two steps at most that there are.
        let line = number + 3;
        if let Ok(value) =
            add_step(&mut extended, &mut names.clone(), line, &format!("{output} = {expression}"))
        {
            extended.output(&output, value, Parties::first(2)).expect("an output");
            *program = extended;
        }
    }
}

impl Recipe {
    fn program(&self) -> (Program, Vec<Elements>) {
        let codec = FixedPoint::new(self.ring, 0).expect("integers");
        let mut program = Program::new(self.protocol.parties(), codec);
        let mut names = Names::new();
        let mut elements = Vec::new();
        let mut drawn = self.elements.iter();
        let last = self.protocol.parties() as u8 - 1;
        for ((name, owner), (rows, kind)) in
            [("a", 0), ("b", 1), ("r", last)].into_iter().zip([3, 3, 1].into_iter().zip(self.kinds))
        {
            let (shape, bound) = (Shape::new(rows, 4), self.bounded.then_some(2_147_483_647.0));
            let input = program.input(name, PartyId(owner), shape, bound).expect("an input");
            program.hold(input, kind).expect("a kind of the ring");
            let span = program.inputs().last().expect("the input").span(self.ring);
            let choice = extremes(span.low, span.high);
            let integers = drawn.by_ref().take(shape.len()).map(|index| *index.get(&choice) as u64);
            elements.push(Elements::from_integers(self.ring, integers));
            names.insert(name.to_owned(), input);
        }
        // A value that no party holds alone; it is b or a again.
        for (number, step) in ["c = b != a", "x = b + c * (a - b)"].into_iter().enumerate() {
            add_step(&mut program, &mut names, number + 1, step).expect("a step");
        }
        let expressions = self.expressions.iter().map(|index| index.get(&EXPRESSIONS));
        add_outputs(&mut program, &names, expressions.copied());
        program.output("x", names["x"], Parties::first(1)).expect("an output");
        (program, elements)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]
    #[test]
    fn extreme_integers_are_compared_as_the_oracle_does(recipe in recipe()) {
        let (program, elements) = recipe.program();
        check_in(&world(recipe.protocol, recipe.seed), recipe.plan, &program, &elements, recipe.seed);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]
    #[test]
    fn every_integer_lies_within_its_span(recipe in recipe()) {
        let (program, elements) = recipe.program();
        for (value, elements) in program.values().iter().zip(oracle::rounded_values(&program, &elements, || false)) {
            let integers = value.integers.expect("a program on integers");
            for element in elements {
                let integer = integers.read(recipe.ring, element);
                let inside = integers.span.low <= integer && integer <= integers.span.high;
                prop_assert!(inside, "{} is {integer}, and should be within {integers:?}", value.label);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(debug_assertions) { 24 } else { 96 }, ..ProptestConfig::default() })]
    #[test]
    fn the_circuit_of_a_program_gives_what_the_oracle_gives(recipe in recipe()) {
        let recipe = Recipe { protocol: Protocol::Beaver, ..recipe };
        let (program, elements) = recipe.program();
        let lowered = garbled::lower(&program, &[]).expect("a circuit");
        let mut bits = Vec::new();
        for (elements, numbers) in elements.iter().zip(lowered.inputs.iter().flatten()) {
            let each = |element: u64| (0..numbers.bits).map(move |at| element >> at & 1 != 0);
            bits.extend(elements.to_u64().into_iter().flat_map(each));
        }
        let mut found = lowered.circuit.evaluate(&bits).into_iter();
        for ((output, expected), numbers) in
            program.outputs().iter().zip(oracle::evaluate(&program, &elements)).zip(&lowered.outputs)
        {
            let mut bit = |at| u64::from(found.next().expect("a bit")) << at;
            let integers: Vec<u64> =
                (0..numbers.count).map(|_| numbers.extended((0..numbers.bits).map(&mut bit).sum())).collect();
            let found = Elements::from_integers(recipe.ring, integers);
            let label = &program.value(output.value).label;
            prop_assert_eq!(expected.first_difference(&found), None, "{} of {:?}", label, recipe.kinds);
        }
    }
}

#[test]
fn extreme_integers_are_compared_as_the_oracle_does_on_gpus() {
    on_gpus(|name, in_devices| {
        let mut runner = TestRunner::new(ProptestConfig { cases: 8, ..ProptestConfig::default() });
        let result = runner.run(&recipe(), |recipe| {
            let (world, (program, elements)) =
                (in_devices(world(recipe.protocol, recipe.seed)), recipe.program());
            check_in(&world, recipe.plan, &program, &elements, recipe.seed);
            Ok(())
        });
        result.unwrap_or_else(|failure| panic!("on {name}: {failure}"));
    });
}

/// What an expression is of two integers.
type OfTwo = fn(i128, i128) -> i128;

/// Every relation of every two extreme integers of every two kinds, against the integers themselves.
#[test]
fn the_oracle_compares_the_integers_themselves() {
    let kinds = [Kind::I32, Kind::U32, Kind::I64, Kind::U64];
    let rings = Ring::ALL.into_iter().flat_map(|ring| kinds.map(|a| (ring, a)));
    for (ring, a, b) in rings.flat_map(|(ring, a)| kinds.map(|b| (ring, a.within(ring), b.within(ring)))) {
        let [left, right] = [a, b].map(|kind| kind.span(ring)).map(|span| extremes(span.low, span.high));
        let mut program = Program::new(2, FixedPoint::new(ring, 0).expect("integers"));
        let mut names = Names::new();
        for (name, kind, shape) in [("a", a, Shape::new(left.len(), 1)), ("b", b, Shape::new(1, right.len()))]
        {
            let owner = PartyId((name == "b").into());
            let input = program.input(name, owner, shape, None).expect("an input");
            program.hold(input, kind).expect("a kind of the ring");
            names.insert(name.to_owned(), input);
        }
        let relations: [(&str, OfTwo); 8] = [
            ("a < b", |a, b| (a < b).into()),
            ("a <= b", |a, b| (a <= b).into()),
            ("a > b", |a, b| (a > b).into()),
            ("a >= b", |a, b| (a >= b).into()),
            ("a == b", |a, b| (a == b).into()),
            ("a != b", |a, b| (a != b).into()),
            ("max(a, b)", i128::max),
            ("min(a, b)", i128::min),
        ];
        for (number, (expression, _)) in relations.iter().enumerate() {
            let step = format!("z{number} = {expression}");
            let value = add_step(&mut program, &mut names, number + 1, &step).expect("a step");
            program.output(&format!("z{number}"), value, Parties::first(2)).expect("an output");
        }
        let inputs = [&left, &right]
            .map(|integers| Elements::from_integers(ring, integers.iter().map(|&integer| integer as u64)));
        for (expected, (expression, of)) in oracle::evaluate(&program, &inputs).iter().zip(relations) {
            let integers = left.iter().flat_map(|&a| right.iter().map(move |&b| of(a, b) as u64));
            assert_eq!(expected.elements, Elements::from_integers(ring, integers), "{expression}: {a}, {b}");
        }
        check(&program, &inputs, 17);
    }
}

#[test]
fn an_integer_outside_its_kind_or_bound_is_refused() {
    let cases = [
        (Kind::U32, None, 1 << 32, "holds u32 from 0 to 4294967295"),
        (Kind::I64, Some(7.5), u64::MAX - 7, "has -8, but holds i64 from -7 to 7"),
        (Kind::U64, Some(9_007_199_254_740_992.0), (1 << 53) + 1, "from 0 to 9007199254740992"),
    ];
    for (kind, bound, element, reason) in cases {
        let mut program = Program::new(2, FixedPoint::new(Ring::Z64, 0).expect("integers"));
        let x = program.input("x", PartyId(0), Shape::SCALAR, bound).expect("an input");
        program.hold(x, kind).expect("a kind of the ring");
        program.output("x", x, Parties::first(2)).expect("an output");
        let inputs = [Elements::from_integers(Ring::Z64, [element])];
        let error = world(Protocol::Beaver, 5).run(&program, &inputs).expect_err("an integer outside");
        assert!(error.to_string().contains(reason), "{error}");
    }
}

/// Rounds of x < y for shared integers: four where their difference fits, and two more where three bits decide.
#[test]
fn integers_that_may_lie_far_apart_take_two_rounds_more() {
    let plans = |bound: Option<f64>| {
        let mut program = Program::new(2, FixedPoint::new(Ring::Z64, 0).expect("integers"));
        let mut names = Names::new();
        for (name, owner) in [("a", 0), ("b", 1)] {
            let input = program.input(name, PartyId(owner), Shape::new(64, 10), bound).expect("an input");
            names.insert(name.to_owned(), input);
        }
        for (number, step) in ["x = a + b", "y = a - b", "less = x < y"].into_iter().enumerate() {
            add_step(&mut program, &mut names, number + 1, step).expect("a step");
        }
        program.output("less", names["less"], Parties::first(2)).expect("an output");
        Plans::new(Protocol::Beaver, &program, PlanOptions::default()).expect("a plan")
    };
    let sent = |plans: &Plans| plans.traffic.of(Role::party(0)).sent_bytes;
    let (far, near) = (plans(None), plans(Some(1e6)));
    assert_eq!((far.traffic.rounds, near.traffic.rounds), (6 + 1, 4 + 1), "and the output");
    assert!(sent(&far) > 2 * sent(&near), "a bound makes it cheaper: {} and {}", sent(&far), sent(&near));
}
