//! Every op, composed at random, gives what the oracle gives, and takes what the plan says.

use super::recipe::recipe;
use super::{elements, gpus, numbers, on_gpus, product, protocol_of, world};
use crate::plan::{PlanOptions, Plans};
use crate::program::{Program, ValueId, oracle};
use crate::protocol::Protocol;
use crate::ring::{Elements, FixedPoint, Ring, Shape};
use crate::session::{SessionOutcome, World};
use crate::share::{Parties, PartyId, Role};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

/// Runs the program in a world of CPU devices; see [`check_in`].
pub(super) fn check(program: &Program, inputs: &[Elements], seed: u64) {
    check_in(&world(protocol_of(program), seed), PlanOptions::default(), program, inputs, seed);
}

/// Runs the program in a world and holds everything it gives and takes against oracle and plan.
pub(super) fn check_in(world: &World, plan: PlanOptions, program: &Program, inputs: &[Elements], seed: u64) {
    let world = &world.clone().with_plan(plan);
    let outcomes = world.run(program, inputs).expect("a run without faults");
    let plans = Plans::new(protocol_of(program), program, plan).expect("a plan");
    check_run(&plans, program, inputs, &outcomes.iter().collect::<Vec<_>>(), seed);
}

/// Holds all that a run gave and took, by party, against oracle and plan.
pub(super) fn check_run(
    plans: &Plans,
    program: &Program,
    inputs: &[Elements],
    outcomes: &[&SessionOutcome],
    seed: u64,
) {
    let expected = oracle::evaluate(program, inputs);
    let protocol = protocol_of(program);
    for (party, outcome) in Parties::first(protocol.parties()).iter().zip(outcomes) {
        for (output, expected) in program.outputs().iter().zip(&expected) {
            let actual = outcome.outputs.get(&output.name);
            assert_eq!(
                actual.is_some(),
                output.to.contains(party),
                "{party} learns {} if it may",
                output.name
            );
            let difference = actual.and_then(|actual| expected.first_difference(actual));
            assert_eq!(difference, None, "{} at {party} differs from the oracle; seed {seed}", output.name);
        }
        let (tally, planned) = (&outcome.report.tally, plans.traffic.of(Role::from(party)));
        assert_eq!(tally.sent_bytes, planned.sent_bytes, "bytes sent by {party} against its plan");
        assert_eq!(
            tally.received_bytes, planned.received_bytes,
            "bytes received by {party} against its plan"
        );
        assert_eq!(tally.offline_received_bytes, planned.offline_received_bytes, "offline bytes of {party}");
        let of_ops = plans.cost.sent_elements(party) * program.ring().element_bytes() as u64;
        assert_eq!(tally.sent_bytes, of_ops, "bytes sent by {party} against those of its ops");
        assert_eq!(
            outcome.report.peak().by_class,
            outcome.report.planned(),
            "memory of {party} against its plan"
        );
    }
    let rounds = outcomes.iter().map(|outcome| outcome.report.tally.rounds).max().expect("parties");
    assert_eq!(rounds, plans.traffic.rounds, "rounds against the plan");
    let dealer = plans.source.dealer().expect("somebody deals");
    assert_eq!(plans.traffic.of(dealer).offline_sent_bytes, plans.demand.correction_bytes());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]
    #[test]
    fn any_program_equals_the_oracle(recipe in recipe()) {
        let program = recipe.program();
        check_in(&world(recipe.protocol, recipe.seed), recipe.plan, &program, &recipe.data(&program), recipe.seed);
    }
}

/// The same on every adapter that there is. A machine without one shows it by a line; that the kernels themselves are
/// tested is up to their own tests.
#[test]
fn any_program_equals_the_oracle_on_gpus() {
    if gpus().is_empty() {
        eprintln!("no GPU adapter was found: programs are NOT run on GPUs");
    }
    on_gpus(|name, in_devices| {
        let mut runner = TestRunner::new(ProptestConfig { cases: 12, ..ProptestConfig::default() });
        let result = runner.run(&recipe(), |recipe| {
            let world = in_devices(world(recipe.protocol, recipe.seed));
            let program = recipe.program();
            check_in(&world, recipe.plan, &program, &recipe.data(&program), recipe.seed);
            Ok(())
        });
        result.unwrap_or_else(|failure| panic!("on {name}: {failure}"));
    });
}

/// The sum of a matrix of each party in `holders`.
fn held_by(program: &mut Program, name: &str, holders: u8) -> ValueId {
    let parties = (0..3).map(PartyId).filter(|party| holders & (1 << party.0) != 0);
    let parts: Vec<ValueId> = parties
        .map(|party| {
            program
                .input(&format!("{name}{}", party.0), party, Shape::new(4, 4), Some(1.5))
                .expect("an input")
        })
        .collect();
    parts.into_iter().reduce(|sum, part| program.add(sum, part).expect("a sum")).expect("a holder")
}

#[test]
fn products_hold_for_every_combination_of_holders() {
    let combinations = Protocol::ALL.into_iter().flat_map(|protocol| {
        let sets = 1..1u8 << protocol.parties();
        sets.clone().flat_map(move |x| sets.clone().map(move |y| (protocol, x, y)))
    });
    for ((protocol, x_holders, y_holders), fraction_bits) in combinations.flat_map(|it| [(it, 0), (it, 8)]) {
        let codec = FixedPoint::new(Ring::Z64, fraction_bits).expect("a codec");
        let mut program = Program::new(protocol.parties(), codec);
        let x = held_by(&mut program, "x", x_holders);
        let y = held_by(&mut program, "y", y_holders);
        let turned = program.transpose(x).expect("a transpose");
        let pairs = [(x, y), (y, x), (x, turned), (y, y)];
        let products = pairs.map(|(a, b)| [program.matmul(a, b), program.mul(a, b)]);
        for (index, product) in products.into_iter().flatten().enumerate() {
            program
                .output(&format!("z{index}"), product.expect("a product"), Parties::first(protocol.parties()))
                .expect("an output");
        }
        let data = program.inputs().iter().zip(1..);
        let data: Vec<Elements> =
            data.map(|(input, seed)| numbers(program.codec(), input.shape.len(), 1.4, seed)).collect();
        check(&program, &data, 7);
    }
}

#[test]
fn an_integer_product_is_exact_in_both_rings() {
    for (protocol, ring) in
        Protocol::ALL.into_iter().flat_map(|protocol| Ring::ALL.map(|ring| (protocol, ring)))
    {
        let program = product(protocol, ring, 0, (33, 65, 17));
        let inputs = [elements(ring, 33 * 65, 1), elements(ring, 65 * 17, 2)];
        check(&program, &inputs, 3);
    }
}

#[test]
fn shared_operands_cost_both_parties_both_matrices() {
    let (m, k, n) = (5, 7, 3);
    let mut program = Program::new(2, FixedPoint::new(Ring::Z64, 0).expect("a codec"));
    let owners = [PartyId(0), PartyId(1)];
    let [x0, x1] = owners.map(|owner| program.input(&format!("x{}", owner.0), owner, Shape::new(m, k), None));
    let [y0, y1] = owners.map(|owner| program.input(&format!("y{}", owner.0), owner, Shape::new(k, n), None));
    let x = program.add(x0.expect("x0"), x1.expect("x1")).expect("x");
    let y = program.add(y0.expect("y0"), y1.expect("y1")).expect("y");
    let z = program.matmul(x, y).expect("z");
    program.output("z", z, Parties::from_iter([PartyId(1)])).expect("an output");
    let inputs: Vec<Elements> = program
        .inputs()
        .iter()
        .zip(5..)
        .map(|(input, seed)| elements(Ring::Z64, input.shape.len(), seed))
        .collect();
    check(&program, &inputs, 9);
    let plans = Plans::new(Protocol::Beaver, &program, PlanOptions::default()).expect("a plan");
    let opened = ((m * k + k * n) * 8) as u64;
    assert_eq!(plans.traffic.of(Role::party(1)).sent_bytes, opened, "E and F");
    assert_eq!(
        plans.traffic.of(Role::party(0)).sent_bytes,
        opened + (m * n * 8) as u64,
        "E, F and the output"
    );
    assert_eq!(plans.traffic.rounds, 2);
}

/// Truncation takes values up to the stated bound, of either sign, and errs by one unit at most; local truncation
/// of shares would fail on half of these.
#[test]
fn truncation_holds_at_the_bound() {
    for protocol in Protocol::ALL {
        let codec = FixedPoint::new(Ring::Z64, 16).expect("a codec");
        let mut program = Program::new(protocol.parties(), codec);
        let x = program.input("x", PartyId(0), Shape::new(1, 2000), None).expect("x");
        let y = program.input("y", PartyId(1), Shape::SCALAR, None).expect("y");
        let z = program.mul(x, y).expect("z");
        program.output("z", z, Parties::first(2)).expect("an output");
        let largest = (1u64 << 62) - 1;
        let extremes = [largest, largest.wrapping_neg(), largest - 1, 0, 1, u64::MAX];
        let inputs = [
            Elements::Z64((0..2000).map(|index| extremes[index % extremes.len()]).collect()),
            Elements::Z64(vec![1]),
        ];
        check(&program, &inputs, 4);
    }
}

/// Between three parties a product takes the sharing of what is not shared yet, and a truncation one element of
/// parties 0 and 1 and two of party 2, or of a large product one of parties 0 and 2 and a bit of party 1, whatever the inner
/// size; a product of the result shares it again.
#[test]
fn replicated_products_cost_their_sharing_and_truncation() {
    let (m, k, n) = (5, 700, 3);
    let mut program = Program::new(3, FixedPoint::new(Ring::Z64, 16).expect("a codec"));
    let x = program.input("x", PartyId(0), Shape::new(m, k), None).expect("x");
    let y = program.input("y", PartyId(2), Shape::new(k, n), None).expect("y");
    let z = program.matmul(x, y).expect("z");
    let v = program.input("v", PartyId(1), Shape::new(n, k), None).expect("v");
    let w = program.matmul(z, v).expect("w");
    program.output("w", w, Parties::from_iter([PartyId(2)])).expect("an output");
    let inputs: Vec<Elements> = program
        .inputs()
        .iter()
        .zip(5..)
        .map(|(input, seed)| numbers(program.codec(), input.shape.len(), 0.9, seed))
        .collect();
    check(&program, &inputs, 9);
    let plans = Plans::new(Protocol::Replicated, &program, PlanOptions::default()).expect("a plan");
    let sent = |party: u8| plans.traffic.of(Role::party(party)).sent_bytes / 8;
    let (opened, revealed) = ((m * n + m * k) as u64, (m * k) as u64);
    assert_eq!(
        sent(0),
        (m * k + m * n) as u64 + opened + revealed,
        "x, its part of z, two openings, the output"
    );
    assert_eq!(
        sent(1),
        (n * k + 2 * m * n + (m * k).div_ceil(64)) as u64 + revealed,
        "v, its part of z, an opening and the top bits of another, the output"
    );
    assert_eq!(
        sent(2),
        (k * n + 2 * m * n + m * k) as u64,
        "y, its part of the first product to both, and of the second, which is large, to one"
    );
    assert_eq!(plans.traffic.rounds, 5, "x and y, c, z, the top bits of the second c, the output");
}

#[test]
fn a_session_runs_more_than_once_with_fresh_masks() {
    for protocol in Protocol::ALL {
        let program = product(protocol, Ring::Z64, 16, (3, 4, 2));
        let inputs = [numbers(program.codec(), 12, 2.0, 1), numbers(program.codec(), 8, 2.0, 2)];
        let expected = &oracle::evaluate(&program, &inputs)[0];
        let world = world(protocol, 5);
        let outcomes = world.run_repeatedly(&program, &inputs, 3).expect("three runs without faults");
        for outcome in outcomes.iter().flatten() {
            for found in outcome.outputs.values() {
                assert_eq!(expected.first_difference(found), None);
            }
        }
    }
}
