//! Steps that are not linear give by garbled circuits what the oracle gives, in two rounds for each product before them.

use super::nonlinear::recipe;
use super::{World, known, numbers, on_gpus, world};
use crate::plan::{PlanError, PlanOptions, Plans};
use crate::program::{Number, Program, ProgramError, Truncation, ValueId, oracle};
use crate::protocol::Protocol;
use crate::ring::{Axis, Elements, FixedPoint, Ring, Shape};
use crate::share::{Parties, PartyId, Role};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

const GARBLED: Protocol = Protocol::BeaverGarbled;

/// A network with a hidden layer, and the place of its largest score.
fn network(protocol: Protocol, ring: Ring, fraction_bits: u32) -> Program {
    let codec = FixedPoint::new(ring, fraction_bits).expect("a codec");
    let mut program = Program::new(protocol.parties(), codec).with_truncation(Truncation::Exact);
    let mut input = |name: &str, owner, rows, cols| {
        program.input(name, PartyId(owner), Shape::new(rows, cols), Some(1.0)).expect("an input")
    };
    let x = input("x", 0, 1, 5);
    let [w1, b1] = [input("w1", 1, 5, 4), input("b1", 1, 1, 4)];
    let [w2, b2] = [input("w2", 1, 4, 3), input("b2", 1, 1, 3)];
    let mut layer = |x, w, b| -> ValueId {
        let product = program.matmul(x, w).expect("shapes that fit");
        program.add(product, b).expect("a sum")
    };
    let sum = layer(x, w1, b1);
    let hidden = program.relu(sum).expect("a value");
    let mut layer = |x, w, b| -> ValueId {
        let product = program.matmul(x, w).expect("shapes that fit");
        program.add(product, b).expect("a sum")
    };
    let scores = layer(hidden, w2, b2);
    let label = program.argmax(scores, Axis::Cols).expect("a place");
    program.output("hidden", hidden, Parties::first(2)).expect("an output");
    program.output("label", label, PartyId(0).alone()).expect("an output");
    program
}

/// Holds what a run gives against the oracle, and what it sends against its plan; returns its rounds.
fn hold(world: &World, program: &Program, inputs: &[Elements]) -> u32 {
    let outcomes = world.run(program, inputs).expect("a run without faults");
    let plans = Plans::new(GARBLED, program, PlanOptions::default()).expect("a plan");
    let expected = oracle::evaluate(program, inputs);
    for (party, outcome) in Parties::first(2).iter().zip(&outcomes) {
        for (output, expected) in program.outputs().iter().zip(&expected) {
            let actual = outcome.outputs.get(&output.name);
            let difference = actual.and_then(|actual| expected.first_difference(actual));
            assert_eq!(difference, None, "{} at {party} differs from the oracle", output.name);
        }
        let planned = plans.traffic.of(Role::from(party));
        assert_eq!(outcome.report.tally.sent_bytes, planned.sent_bytes, "bytes sent by {party}");
    }
    outcomes.iter().map(|outcome| outcome.report.tally.rounds).max().expect("two parties")
}

fn data(program: &Program) -> Vec<Elements> {
    let inputs = program.inputs().iter().zip(3..);
    inputs.map(|(input, seed)| numbers(program.codec(), input.shape.len(), 1.0, seed)).collect()
}

#[test]
fn a_network_takes_fewer_rounds_than_by_tables() {
    for (ring, fraction_bits) in [(Ring::Z64, 16), (Ring::Z32, 8)] {
        let program = network(GARBLED, ring, fraction_bits);
        let rounds = hold(&world(GARBLED, 5), &program, &data(&program));
        let plan = |protocol| Plans::new(protocol, &program, PlanOptions::default()).expect("a plan");
        assert_eq!(rounds, plan(GARBLED).traffic.rounds, "rounds of the run and of the plan");
        let tables = plan(Protocol::Beaver).traffic.rounds;
        assert!(rounds < tables, "{rounds} rounds where tables take {tables}");
    }
}

/// A function of what two parties own together.
type Function = fn(&mut Program, [ValueId; 2]) -> Result<ValueId, ProgramError>;

const FUNCTIONS: [(&str, Function); 5] = [
    ("quotient", |program, [x, y]| program.div(x, y)),
    ("exponential", |program, [x, _]| program.exp(x)),
    ("inverse root", |program, [_, y]| program.rsqrt(y)),
    ("softmax", |program, [x, _]| program.softmax(x, 1)),
    ("logarithm", |program, [_, y]| program.log(y)),
];

/// A function of x = a + b within (−2, 2), and y = c + d within (1, 3), three numbers each.
fn smooth(protocol: Protocol, truncation: Truncation, function: Function) -> Program {
    let codec = FixedPoint::new(Ring::Z32, 8).expect("a codec");
    let mut program = Program::new(protocol.parties(), codec).with_truncation(truncation);
    let mut input = |name: &str, owner| {
        program.input(name, PartyId(owner), Shape::new(1, 3), Some(1.0)).expect("an input")
    };
    let [[a, b], [c, d]] = [["a", "b"], ["c", "d"]].map(|names| [0, 1].map(|at| input(names[at], at as u8)));
    let x = program.add(a, b).expect("a sum");
    let y = program.add(c, d).expect("a sum");
    let y = program.add_constant(y, Number::Real(3.5)).expect("a sum");
    let y = program.assume(y, 1.0, 6.0).expect("a range");
    let result = function(&mut program, [x, y]).expect("a value");
    program.output("result", result, Parties::first(2)).expect("an output");
    program
}

#[test]
fn functions_have_the_oracles_bits_in_as_many_rounds_as_a_comparison() {
    for (name, function) in FUNCTIONS {
        let program = smooth(GARBLED, Truncation::Exact, function);
        let rounds = hold(&world(GARBLED, 9), &program, &data(&program));
        let tables =
            Plans::new(Protocol::Beaver, &program, PlanOptions::default()).expect("a plan").traffic.rounds;
        assert_eq!(rounds, 3, "corrections, tables and the output of a {name}; tables take {tables}");
        assert!(tables > 9, "a {name} by tables takes {tables} rounds");
    }
}

/// A product below half a unit of the last place is rounded to none of it or to one, and never to the other side.
#[test]
fn truncations_of_small_products_keep_their_sign_in_circuits() {
    const COUNT: usize = 200;
    let codec = FixedPoint::new(Ring::Z32, 8).expect("a codec");
    for sign in [1.0, -1.0] {
        let mut program = Program::new(2, codec).with_truncation(Truncation::Stochastic);
        let shape = Shape::new(1, COUNT);
        let [x, y] = [("x", 0), ("y", 1)]
            .map(|(name, owner)| program.input(name, PartyId(owner), shape, Some(0.04)).expect("an input"));
        let product = program.mul(x, y).expect("a product");
        let product = program.scale(product, Number::Real(sign)).expect("a multiple");
        let result = program.relu(product).expect("its positive part");
        program.output("result", result, Parties::first(2)).expect("an output");
        let inputs = [0, 1].map(|_| Elements::encode(codec, &[0.04; COUNT]).expect("numbers"));
        let outcomes = world(GARBLED, 11).run(&program, &inputs).expect("a run without faults");
        let units =
            outcomes[0].outputs["result"].decode(codec).iter().map(|value| value * 256.0).sum::<f64>();
        // 100 of 65536ths are 0.39 of a unit: six standard deviations are 42 of 200.
        let expected = if sign > 0.0 { 36.0..=120.0 } else { 0.0..=0.0 };
        assert!(
            expected.contains(&units),
            "{units} of {COUNT} products of sign {sign} are rounded to a unit"
        );
    }
}

#[test]
fn truncations_that_are_not_exact_round_to_a_neighbour_in_circuits() {
    for (name, function) in FUNCTIONS {
        let [program, exact] =
            [Truncation::Stochastic, Truncation::Exact].map(|by| smooth(GARBLED, by, function));
        let inputs = data(&program);
        let outcomes = world(GARBLED, 10).run(&program, &inputs).expect("a run without faults");
        let expected = oracle::evaluate(&exact, &inputs)[0].elements.decode(exact.codec());
        let actual = outcomes[0].outputs["result"].decode(program.codec());
        for (expected, actual) in expected.iter().zip(&actual) {
            assert!(
                (expected - actual).abs() < 0.05,
                "{name}: {actual} where exact truncation gives {expected}"
            );
        }
        let again = world(GARBLED, 11).run(&program, &inputs).expect("a run without faults");
        assert_eq!(again[0].report.tally.rounds, 3, "rounds of a {name}");
    }
}

#[test]
fn correlations_of_two_parties_do_as_well_as_those_of_a_dealer() {
    let program = network(GARBLED, Ring::Z64, 16);
    hold(&world(GARBLED, 6).with_pair(), &program, &data(&program));
}

/// The host memory of circuits is no device's, but the budget covers it.
#[test]
fn a_budget_covers_the_host_memory_of_circuits() {
    let program = network(GARBLED, Ring::Z64, 16);
    let plans = |budget_bytes| {
        let options = PlanOptions { budget_bytes: Some(budget_bytes), ..PlanOptions::default() };
        Plans::new(GARBLED, &program, options).expect("a plan")
    };
    let refusal = plans(0).check_budget(0, Some(0)).expect_err("no plan takes nothing");
    let PlanError::OverBudget { needed_bytes, garbled_bytes, ref classes, .. } = refusal else {
        panic!("{refusal}")
    };
    let device: u64 = classes.values().sum();
    assert!(garbled_bytes > 0 && device + garbled_bytes == needed_bytes, "{refusal}");
    assert_eq!(plans(needed_bytes).check_budget(0, Some(needed_bytes)), Ok(()));
    let less = needed_bytes - 1;
    assert!(plans(less).check_budget(0, Some(less)).is_err(), "{needed_bytes} bytes are needed");
}

#[test]
fn the_device_does_not_matter() {
    let program = network(GARBLED, Ring::Z32, 8);
    on_gpus(|name, on| {
        let rounds = hold(&on(world(GARBLED, 7)), &program, &data(&program));
        println!("{rounds} rounds on {name}");
    });
}

#[test]
fn public_tensors_go_into_circuits_as_everybody_knows_them() {
    for steps in known::STEPS.chunks(1).chain([&known::STEPS[..]]) {
        let program = known::program(GARBLED, 16, steps);
        hold(&world(GARBLED, 8), &program, &known::inputs(&program));
    }
}

#[test]
fn what_is_not_linear_equals_the_oracle() {
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 6, failure_persistence: None, ..Default::default() });
    let recipes = recipe().prop_filter("two parties", |recipe| recipe.protocol.parties() == 2);
    let held = runner.run(&recipes, |recipe| {
        let program = recipe.program();
        // Rounding to either side is not the oracle's.
        if recipe.is_exact() {
            hold(&world(GARBLED, recipe.seed), &program, &recipe.data(&program));
        }
        Ok(())
    });
    held.unwrap_or_else(|error| panic!("{error}"));
}
