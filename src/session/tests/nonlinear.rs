//! Comparisons, choices, exact truncation and moved elements give what the oracle gives, and cost what is said.

use super::equivalence::{check, check_in};
use super::recipe::plan;
use super::{elements, numbers, on_gpus, world};
use crate::correlation::Source;
use crate::plan::{PlanOptions, Plans};
use crate::program::expression::{Names, add_step};
use crate::program::{Gather, Loop, Number, Program, ProgramError, Stride, Test, Truncation, ValueId};
use crate::protocol::Protocol;
use crate::ring::{Axis, Elements, FixedPoint, Ring, Shape};
use crate::share::{Parties, PartyId, Role};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

const BOUND: f64 = 3.0;

/// A program of any ops on shared and private values.
#[derive(Clone, Debug)]
pub(super) struct Recipe {
    pub(super) protocol: Protocol,
    ring: Ring,
    fraction_bits: u32,
    truncation: Truncation,
    bounded: bool,
    shape: (usize, usize),
    ops: Vec<(u8, prop::sample::Index, prop::sample::Index)>,
    pub(super) seed: u64,
    pub(super) plan: PlanOptions,
}

pub(super) fn recipe() -> impl Strategy<Value = Recipe> {
    let number = prop_oneof![
        Just((Ring::Z64, 0)),
        Just((Ring::Z32, 0)),
        Just((Ring::Z64, 13)),
        Just((Ring::Z64, 16)),
        Just((Ring::Z32, 5))
    ];
    let extent = prop_oneof![2 => Just(1usize), 2 => Just(3), 2 => Just(7), 1 => Just(0), 1 => Just(13), 1 => Just(67)];
    let op = (0..18u8, any::<prop::sample::Index>(), any::<prop::sample::Index>());
    (
        (prop::sample::select(&Protocol::ALL[..]), number),
        any::<bool>(),
        any::<bool>(),
        // Two long sides in tiles of two are more steps than a plan may have.
        (extent.clone(), extent).prop_map(|(rows, cols)| (rows, if rows > 13 { cols.min(13) } else { cols })),
        prop::collection::vec(op, 1..5),
        any::<u64>(),
        plan(),
    )
        .prop_map(|((protocol, (ring, fraction_bits)), exact, bounded, shape, ops, seed, plan)| Recipe {
            protocol,
            ring,
            fraction_bits,
            truncation: if exact { Truncation::Exact } else { Truncation::Stochastic },
            bounded,
            shape,
            ops,
            seed,
            plan,
        })
}

impl Recipe {
    pub(super) fn program(&self) -> Program {
        let codec = FixedPoint::new(self.ring, self.fraction_bits).expect("a codec");
        let last = PartyId(self.protocol.parties() as u8 - 1);
        let mut program = Program::new(self.protocol.parties(), codec).with_truncation(self.truncation);
        let (shape, bound) = (Shape::new(self.shape.0, self.shape.1), self.bounded.then_some(BOUND));
        let bound = bound.filter(|_| self.fraction_bits > 0);
        let x = program.input("x", PartyId(0), shape, bound).expect("an input");
        let y = program.input("y", PartyId(1), shape, bound).expect("an input");
        let row = program.input("row", last, Shape::new(1, shape.cols), bound).expect("an input");
        let sum = program.add(x, y).expect("a sum");
        let with_row = program.add(x, row).expect("a sum");
        let mut values = vec![sum, x, row, with_row];
        for (op, a, b) in &self.ops {
            let (a, b) = (*a.get(&values), *b.get(&values));
            let mut extended = program.clone();
            // What does not fit or could overflow is left out.
            if let Ok(value) = apply(&mut extended, *op, a, b)
                && crate::program::range::reaches(&extended).is_ok()
            {
                program = extended;
                values.push(value);
            }
        }
        for (index, value) in values.iter().skip(4).enumerate() {
            program
                .output(&format!("o{index}"), *value, Parties::first(last.index() + 1))
                .expect("an output");
        }
        program.output("sum", sum, Parties::first(1)).expect("an output");
        program
    }

    /// True where nothing rounds to either side.
    pub(super) fn is_exact(&self) -> bool {
        self.truncation == Truncation::Exact
    }

    pub(super) fn data(&self, program: &Program) -> Vec<Elements> {
        let inputs = program.inputs().iter().zip(self.seed..);
        let data = |(input, seed): (&crate::program::Input, u64)| match self.fraction_bits {
            // Small integers meet, so that some are equal.
            0 if seed % 2 == 0 => {
                let small = elements(self.ring, input.shape.len(), seed).to_u64();
                Elements::from_integers(self.ring, small.into_iter().map(|x| (x % 5).wrapping_sub(2)))
            }
            0 => elements(self.ring, input.shape.len(), seed),
            _ => numbers(program.codec(), input.shape.len(), BOUND, seed),
        };
        inputs.map(data).collect()
    }
}

fn apply(program: &mut Program, op: u8, a: ValueId, b: ValueId) -> Result<ValueId, ProgramError> {
    let shape = program.value(a).shape;
    match op {
        0 => program.less(a, b),
        1 => program.at_least(a, b),
        2 => program.equal(a, b),
        3 => program.not_equal(b, a),
        4 => program.relu(a),
        5 => program.max(a, b),
        6 => program.min(a, b),
        7 => program.abs(a),
        8 => program.clip(a, Number::Integer(-1), Number::Integer(1)),
        9 => program.argmax(a, Axis::Cols),
        10 => program.max_over(a, Axis::Rows),
        11 => program.concat(a, b, Axis::Rows),
        12 => program.concat(a, b, Axis::Cols),
        13 => {
            let every_other = |extent: usize| Stride { start: extent.min(1), step: 2, count: extent / 2 };
            program.slice(a, every_other(shape.rows), every_other(shape.cols))
        }
        14 => program.reshape(a, shape.transposed()),
        15 => program.mul(a, b),
        16 => {
            let condition = program.less(a, b)?;
            program.select(condition, b, a)
        }
        _ => {
            // Windows of two columns.
            let windows = shape.cols.saturating_sub(1);
            let turn = |count, step| Loop { count, step };
            let rows = [Loop::ONCE, turn(shape.rows, shape.cols), turn(windows, 1)];
            program.gather(a, Gather { start: 0, rows, cols: [Loop::ONCE, Loop::ONCE, turn(2, 1)] })
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]
    #[test]
    fn any_nonlinear_program_equals_the_oracle(recipe in recipe()) {
        let program = recipe.program();
        check_in(&world(recipe.protocol, recipe.seed), recipe.plan, &program, &recipe.data(&program), recipe.seed);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]
    #[test]
    fn any_nonlinear_program_equals_the_oracle_with_a_pair(
        recipe in recipe().prop_filter("of two parties", |recipe| recipe.protocol.check_source(Source::Pair).is_ok())
    ) {
        let (program, plan) = (recipe.program(), PlanOptions { source: Some(Source::Pair), ..recipe.plan });
        let world = world(recipe.protocol, recipe.seed).with_pair();
        check_in(&world, plan, &program, &recipe.data(&program), recipe.seed);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]
    #[test]
    fn every_message_is_masked_by_a_mask_of_its_own(recipe in recipe()) {
        super::masks::check(&recipe.program(), recipe.plan.side);
    }
}

#[test]
fn any_nonlinear_program_equals_the_oracle_on_gpus() {
    on_gpus(|name, in_devices| {
        let mut runner = TestRunner::new(ProptestConfig { cases: 12, ..ProptestConfig::default() });
        let result = runner.run(&recipe(), |recipe| {
            let (world, program) = (in_devices(world(recipe.protocol, recipe.seed)), recipe.program());
            check_in(&world, recipe.plan, &program, &recipe.data(&program), recipe.seed);
            Ok(())
        });
        result.unwrap_or_else(|failure| panic!("on {name}: {failure}"));
    });
}

/// Every test on the numbers around zero and around the ends of the range, shared and private.
#[test]
fn tests_hold_for_extreme_numbers() {
    for (protocol, ring) in
        Protocol::ALL.into_iter().flat_map(|protocol| Ring::ALL.map(|ring| (protocol, ring)))
    {
        let top = 1u64 << (ring.bits() - 1);
        let extremes =
            [0, 1, 2, u64::MAX, u64::MAX - 1, top, top - 1, top + 1, top / 2, top / 2 - 1, top + top / 2];
        let shape = Shape::new(1, extremes.len());
        let codec = FixedPoint::new(ring, 0).expect("a codec");
        let mut program = Program::new(protocol.parties(), codec);
        let x = program.input("x", PartyId(0), shape, None).expect("x");
        let y = program.input("y", PartyId(1), shape, None).expect("y");
        let sum = program.add(x, y).expect("a sum");
        for (name, value) in [("shared", sum), ("private", x)] {
            for test in [Test::Negative, Test::NonNegative, Test::Zero, Test::NonZero] {
                let answer = program.test(value, test).expect("a test");
                program.output(&format!("{name} {test:?}"), answer, Parties::first(2)).expect("an output");
            }
        }
        let x = elements(ring, extremes.len(), 3);
        let rest = extremes.iter().zip(x.to_u64()).map(|(extreme, x)| extreme.wrapping_sub(x));
        let y = Elements::from_integers(ring, rest);
        let of_first = [Elements::from_integers(ring, extremes), Elements::zeros(ring, extremes.len())];
        for data in [[x, y], of_first] {
            check(&program, &data, 5);
            check_with_pair(protocol, &program, &data);
        }
    }
}

/// The same where two parties make their correlations, if the protocol allows it.
fn check_with_pair(protocol: Protocol, program: &Program, data: &[Elements]) {
    if protocol.check_source(Source::Pair).is_ok() {
        let plan = PlanOptions { source: Some(Source::Pair), ..PlanOptions::default() };
        check_in(&world(protocol, 7).with_pair(), plan, program, data, 7);
    }
}

/// Exact truncation is the oracle's, up to the stated bound and for every remainder.
#[test]
fn exact_truncation_rounds_down() {
    let cases = [(Ring::Z64, 16), (Ring::Z64, 1), (Ring::Z64, 20), (Ring::Z32, 7), (Ring::Z32, 10)];
    let cases = Protocol::ALL.into_iter().flat_map(|protocol| cases.map(|case| (protocol, case)));
    for (protocol, (ring, fraction_bits)) in cases {
        let codec = FixedPoint::new(ring, fraction_bits).expect("a codec");
        let mut program = Program::new(protocol.parties(), codec).with_truncation(Truncation::Exact);
        let x = program.input("x", PartyId(0), Shape::new(1, 2000), None).expect("x");
        let y = program.input("y", PartyId(1), Shape::SCALAR, None).expect("y");
        let z = program.mul(x, y).expect("z");
        program.output("z", z, Parties::first(2)).expect("an output");
        let largest = (1u64 << (ring.bits() - 2)) - 1;
        let extremes = [largest, largest.wrapping_neg(), largest - 1, 0, 1, u64::MAX, 1 << fraction_bits];
        let number = |index: usize| match extremes.get(index) {
            Some(extreme) => *extreme,
            None => (index as u64).wrapping_mul(0x9e37_79b9).wrapping_sub(1 << 30) % largest,
        };
        let inputs =
            [Elements::from_integers(ring, (0..2000).map(number)), Elements::from_integers(ring, [1])];
        check(&program, &inputs, 4);
        check_with_pair(protocol, &program, &inputs);
    }
}

/// Bytes and rounds of relu(x) for a shared x of 64 bits, by hand.
#[test]
fn relu_costs_one_opening_and_34_bits_in_four_rounds() {
    for protocol in Protocol::ALL {
        let codec = FixedPoint::new(Ring::Z64, 16).expect("a codec");
        let mut program = Program::new(protocol.parties(), codec);
        let inputs = [0, 1].map(|party| {
            program.input(&format!("x{party}"), PartyId(party), Shape::new(64, 10), None).expect("an input")
        });
        let x = program.add(inputs[0], inputs[1]).expect("a sum");
        let y = program.relu(x).expect("a relu");
        program.output("y", y, Parties::first(1)).expect("an output");
        let plans = Plans::new(protocol, &program, PlanOptions::default()).expect("a plan");
        let sent = plans.traffic.of(Role::party(0)).sent_bytes;
        assert_eq!(sent, 640 * 8 + 34 * 640 / 8, "x under its mask, and 33 + 1 bits");
        assert_eq!(plans.traffic.rounds, 4 + 1, "and the output");
        assert_eq!(
            plans.demand.correction_bytes(),
            640 * (233 + 81 + 15) / 8 + 640 * 2 * 8,
            "table, monomials, bits"
        );
        if let Some(third) = plans.source.dealing_party() {
            let third = plans.traffic.of(third.into());
            assert_eq!((third.sent_bytes, third.received_bytes), (0, 0), "who deals sees nothing");
        }
        let data = [1, 2].map(|seed| numbers(program.codec(), 640, 2.0, seed));
        check(&program, &data, 8);
    }
}

/// Bytes and rounds of x ≥ v for three public v, by hand: one opening and one table, and what every comparison takes for
/// itself. Where x is one party's own, nothing is opened.
#[test]
fn comparisons_of_a_value_with_constants_share_its_opening() {
    for protocol in Protocol::ALL {
        let codec = FixedPoint::new(Ring::Z64, 16).expect("a codec");
        let mut program = Program::new(protocol.parties(), codec);
        let inputs = [0, 1].map(|party| {
            program.input(&format!("x{party}"), PartyId(party), Shape::new(64, 10), None).expect("an input")
        });
        let x = program.add(inputs[0], inputs[1]).expect("a sum");
        for constant in [-1.5, 0.0, 0.25] {
            for (name, value) in [("shared", x), ("private", inputs[1])] {
                let below = program.add_constant(value, Number::Real(-constant)).expect("a sum");
                let reached = program.test(below, Test::NonNegative).expect("a comparison");
                let name = format!("{name} reaches {constant}");
                program.output(&name, reached, Parties::first(1)).expect("an output");
            }
        }
        let plans = Plans::new(protocol, &program, PlanOptions::default()).expect("a plan");
        let sent = plans.traffic.of(Role::party(0)).sent_bytes;
        assert_eq!(sent, 640 * 8 + 3 * 34 * 640 / 8, "x under its mask, and three times 33 + 1 bits");
        assert_eq!(plans.traffic.rounds, 4 + 1, "and the output");
        let corrections = 640 * (233 + 3 * (81 + 15)) / 8 + 640 * 3 * 8;
        assert_eq!(plans.demand.correction_bytes(), corrections, "one table, three times monomials and bits");
        let data = [1, 2].map(|seed| numbers(program.codec(), 640, 2.0, seed));
        check(&program, &data, 8);
    }
}

/// Where bounds say so, a comparison looks at fewer bits.
#[test]
fn declared_bounds_make_comparisons_cheaper() {
    let corrections = |bound: Option<f64>| {
        let mut program = Program::new(2, FixedPoint::new(Ring::Z64, 16).expect("a codec"));
        let inputs = [0, 1].map(|party| {
            program.input(&format!("x{party}"), PartyId(party), Shape::new(64, 1), bound).expect("an input")
        });
        let less = program.less(inputs[0], inputs[1]).expect("a comparison");
        program.output("less", less, Parties::first(2)).expect("an output");
        let data = [1, 2].map(|seed| numbers(program.codec(), 64, 0.99, seed));
        check(&program, &data, 9);
        Plans::new(Protocol::Beaver, &program, PlanOptions::default())
            .expect("a plan")
            .demand
            .correction_bytes()
    };
    // |x − y| ≤ 2 + 2^−16: 18 bits, that is five digits.
    assert_eq!(corrections(Some(1.0)), 64 * (4 * 15 + 3 + 1 + 22 + 1) / 8 + 64 * 8);
    assert!(corrections(Some(1.0)) < corrections(None) / 2);
}

#[test]
fn ties_go_to_the_first() {
    let mut program = Program::new(2, FixedPoint::new(Ring::Z64, 8).expect("a codec"));
    let shape = Shape::new(3, 5);
    let x = program.input("x", PartyId(0), shape, None).expect("x");
    let y = program.input("y", PartyId(1), shape, None).expect("y");
    let sum = program.add(x, y).expect("a sum");
    for (name, axis) in [("cols", Axis::Cols), ("rows", Axis::Rows)] {
        let largest = program.argmax(sum, axis).expect("an index");
        program.output(name, largest, Parties::first(1)).expect("an output");
        let smallest = program.argmin(sum, axis).expect("an index");
        program.output(&format!("least of {name}"), smallest, Parties::first(1)).expect("an output");
    }
    let values = [1, 7, 7, 2, 7, 3, 3, 3, 3, 3, 0, 1, 2, 3, 4];
    let inputs = [Elements::from_integers(Ring::Z64, values), Elements::zeros(Ring::Z64, 15)];
    check(&program, &inputs, 3);
    let outcome = &world(Protocol::Beaver, 3).run(&program, &inputs).expect("a run")[0];
    let decoded = |name: &str| outcome.outputs[name].decode(program.codec());
    assert_eq!(decoded("cols"), [1.0, 0.0, 4.0]);
    assert_eq!(decoded("rows"), [1.0, 0.0, 0.0, 1.0, 0.0]);
}

/// What is computed of a function's result is right where bounds allow no more than a power of two, and the function's
/// error goes beyond.
#[test]
fn functions_at_the_ends_of_their_ranges_are_compared_right() {
    let cases = [
        (Ring::Z64, 20, (32.0, 31.99999), "gelu(x)", 0.25),
        (Ring::Z64, 24, (32.0, 31.99999), "gelu(x)", 63.75),
        (Ring::Z64, 16, (32.0, 32.0), "silu(x)", 63.75),
        (Ring::Z32, 12, (16.0, 15.999), "silu(x)", 1.5),
        (Ring::Z32, 10, (0.25, 0.75), "exp(x - 1.703)", 0.25),
        (Ring::Z32, 8, (4.0, 3.99), "sigmoid(x)", 0.5),
        (Ring::Z64, 16, (8.0, 8.0), "tanh(x)", 0.5),
        (Ring::Z64, 16, (4.0, 4.0), "softmax(x, axis=1)", 0.125),
    ];
    for (ring, fraction_bits, (first, second), function, threshold) in cases {
        let codec = FixedPoint::new(ring, fraction_bits).expect("a codec");
        for (protocol, truncation) in Protocol::ALL
            .into_iter()
            .flat_map(|protocol| [Truncation::Stochastic, Truncation::Exact].map(|method| (protocol, method)))
        {
            println!("{function} by {protocol}, {truncation:?}");
            let mut program = Program::new(protocol.parties(), codec).with_truncation(truncation);
            let shape = Shape::new(5, 7);
            let inputs = [first, second].into_iter().enumerate().map(|(owner, bound)| {
                let name = format!("x{owner}");
                program.input(&name, PartyId(owner as u8), shape, Some(bound)).expect("an input")
            });
            let inputs: Vec<ValueId> = inputs.collect();
            let x = program.add(inputs[0], inputs[1]).expect("a sum");
            let mut names = Names::from([("x".to_owned(), x)]);
            for (number, call) in
                [function, "relu(f)", &format!("f > {threshold}"), "abs(f)"].iter().enumerate()
            {
                let name = if number == 0 { "f".to_owned() } else { format!("z{number}") };
                let value = add_step(&mut program, &mut names, number + 1, &format!("{name} = {call}"))
                    .unwrap_or_else(|error| panic!("{error}"));
                program.output(call, value, Parties::first(2)).expect("an output");
            }
            let data = [first, second].map(|bound| {
                let ends = [bound, -bound, bound - codec.resolution(), bound];
                let numbers: Vec<f64> = ends.into_iter().cycle().take(shape.len()).collect();
                Elements::encode(codec, &numbers).expect("numbers in range")
            });
            check(&program, &data, 41);
        }
    }
}

/// A choice by what is no bit reaches beyond what it chooses from.
#[test]
fn a_choice_by_a_count_is_compared_right() {
    let mut program = Program::new(2, FixedPoint::new(Ring::Z64, 16).expect("a codec"));
    let inputs = [0, 1].map(|owner| {
        program.input(&format!("x{owner}"), PartyId(owner), Shape::new(1, 2), Some(4.0)).expect("an input")
    });
    let mut names = Names::from([("x".to_owned(), inputs[0]), ("y".to_owned(), inputs[1])]);
    let steps = ["n = (x > 0) + (y < 0)", "c = select(n, x - y, y - x)", "z = relu(c)"];
    for (number, step) in (1..).zip(steps) {
        add_step(&mut program, &mut names, number, step).expect("a step");
    }
    program.output("z", names["z"], Parties::first(2)).expect("an output");
    let data = [[4.0, -4.0], [-4.0, 4.0]].map(|numbers| Elements::encode(program.codec(), &numbers));
    check(&program, &data.map(|numbers| numbers.expect("numbers in range")), 43);
}
