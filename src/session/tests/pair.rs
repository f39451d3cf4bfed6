//! Two parties make their correlations between themselves: results are those of the oracle, and what a peer spoils is named.

use super::equivalence::{check_in, check_run};
use super::recipe::recipe;
use super::{elements, numbers, on_gpus, product, world};
use crate::correlation::Source;
use crate::correlation::pair::{Pricer, first_turn};
use crate::net::{Frame, NetError};
use crate::plan::{PlanOptions, Plans};
use crate::program::expression::{Names, add_step};
use crate::program::{Program, Test, Truncation, oracle};
use crate::protocol::Protocol;
use crate::ring::{Elements, FixedPoint, Ring, Shape};
use crate::session::{SessionError, World, WorldError};
use crate::share::{Parties, PartyId, Role};
use crate::testing::Verdict;
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

const ZERO: Role = Role::party(0);
const ONE: Role = Role::party(1);

/// The topic of the messages.
const PAIR: u32 = 12;

fn by_pair(plan: PlanOptions) -> PlanOptions {
    PlanOptions { source: Some(Source::Pair), ..plan }
}

#[test]
fn what_takes_every_kind_of_correlation_equals_the_oracle() {
    let steps = [
        "z1 = x @ y.T",
        "z2 = x * y + x",
        "z3 = relu(x - y)",
        "z4 = x < y",
        "z5 = x == y",
        "z6 = x * (x > 0)",
        "z7 = sum(x * x)",
    ];
    for (ring, fraction_bits) in [(Ring::Z64, 16), (Ring::Z32, 6)] {
        for truncation in [Truncation::Exact, Truncation::Stochastic] {
            let codec = FixedPoint::new(ring, fraction_bits).expect("a codec");
            let mut program = Program::new(2, codec).with_truncation(truncation);
            let mut names = Names::new();
            for (name, owner) in [("x", 0), ("y", 1)] {
                let parts = [owner, 1 - owner].map(|party| {
                    let input = format!("{name} of {party}");
                    program.input(&input, PartyId(party), Shape::new(9, 12), Some(2.0)).expect("an input")
                });
                names.insert(name.into(), program.add(parts[0], parts[1]).expect("a sum"));
            }
            for (number, step) in (1..).zip(steps) {
                let value = add_step(&mut program, &mut names, number, step).expect("a step");
                program.output(&step[..2], value, Parties::first(2)).expect("an output");
            }
            let data: Vec<Elements> = (1..=4).map(|seed| numbers(codec, 9 * 12, 1.9, seed)).collect();
            let plan = by_pair(PlanOptions::default());
            check_in(&world(Protocol::Beaver, 3).with_pair(), plan, &program, &data, 3);
        }
    }
}

/// A sign of 64 bits, by hand: one round for the products of 63 bits, six for 181 bits of factors, and one for the answer.
#[test]
fn a_sign_of_a_pair_takes_245_bits_each_in_eight_rounds() {
    let codec = FixedPoint::new(Ring::Z64, 0).expect("a codec");
    let mut program = Program::new(2, codec);
    let inputs = [0, 1].map(|owner| {
        let name = format!("x{owner}");
        program.input(&name, PartyId(owner), Shape::new(1, 640), None).expect("an input")
    });
    let sum = program.add(inputs[0], inputs[1]).expect("a sum");
    let sign = program.test(sum, Test::Negative).expect("a test");
    program.output("z", sign, Parties::first(1)).expect("an output");
    let plans = Plans::new(Protocol::Beaver, &program, by_pair(PlanOptions::default())).expect("a plan");
    assert_eq!(plans.traffic.of(ZERO).sent_bytes, (63 + 181 + 1) * 640 / 8);
    assert_eq!(plans.traffic.rounds, 8 + 1, "the comparison, and the output");
}

#[test]
fn comparisons_of_a_pair_equal_the_oracle_on_gpus() {
    on_gpus(|_, in_devices| {
        for ring in Ring::ALL {
            let codec = FixedPoint::new(ring, 7).expect("a codec");
            let mut program = Program::new(2, codec).with_truncation(Truncation::Exact);
            let inputs = [0, 1].map(|owner| {
                let name = format!("x{owner}");
                program.input(&name, PartyId(owner), Shape::new(9, 15), Some(2.0)).expect("an input")
            });
            let x = program.add(inputs[0], inputs[1]).expect("a sum");
            let (positive, zero) =
                (program.relu(x).expect("a choice"), program.test(x, Test::Zero).expect("a test"));
            let square = program.mul(x, positive).expect("a product");
            for (name, value) in [("positive", positive), ("zero", zero), ("square", square)] {
                program.output(name, value, Parties::first(2)).expect("an output");
            }
            let mut data: Vec<Elements> = (1..=2).map(|seed| numbers(codec, 9 * 15, 1.9, seed)).collect();
            let firsts = data[0].to_u64().into_iter().enumerate();
            // Every third sum is zero.
            let other = data[1].to_u64();
            let negated = firsts.map(|(at, x)| if at % 3 == 0 { x.wrapping_neg() } else { other[at] });
            data[1] = Elements::from_integers(ring, negated);
            let world = in_devices(world(Protocol::Beaver, 3)).with_pair();
            check_in(&world, by_pair(PlanOptions::default()), &program, &data, 3);
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]
    #[test]
    fn any_program_equals_the_oracle_with_a_pair(
        recipe in recipe().prop_filter("of two parties", |recipe| recipe.protocol.check_source(Source::Pair).is_ok())
    ) {
        let program = recipe.program();
        let world = world(recipe.protocol, recipe.seed).with_pair();
        check_in(&world, by_pair(recipe.plan), &program, &recipe.data(&program), recipe.seed);
    }
}

fn small() -> (Program, [Elements; 2]) {
    let program = product(Protocol::Beaver, Ring::Z64, 16, (3, 4, 2));
    let codec = program.codec();
    (program, [numbers(codec, 12, 3.0, 1), numbers(codec, 8, 3.0, 2)])
}

#[test]
fn a_prepared_program_takes_fresh_correlations_for_each_run() {
    let (program, inputs) = small();
    let batches = vec![inputs.to_vec(); 3];
    let runs = world(Protocol::Beaver, 5).with_pair().run_batches(&program, &batches).expect("three runs");
    assert_eq!(runs.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3], "each party has three outcomes");
    assert!(runs[0].iter().all(|outcome| !outcome.report.offline.is_zero()), "the offline phase is told");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]
    /// Where inputs are resident, later runs make less, and fit what stays.
    #[test]
    fn every_batch_equals_the_oracle_with_a_pair(
        recipe in recipe().prop_filter("of two parties", |recipe| recipe.protocol.check_source(Source::Pair).is_ok())
    ) {
        let program = recipe.program();
        let batches: Vec<Vec<Elements>> = (0..3).map(|batch| recipe.batch(&program, batch)).collect();
        let plan = by_pair(recipe.plan);
        let world = world(recipe.protocol, recipe.seed).with_pair().with_plan(plan);
        let outcomes = world.run_batches(&program, &batches).expect("runs without faults");
        let plans = Plans::new(recipe.protocol, &program, plan).expect("a plan");
        for (run, batch) in batches.iter().enumerate() {
            let outcomes: Vec<_> = outcomes.iter().map(|runs| &runs[run]).collect();
            let plans = plans.again.as_deref().filter(|_| run > 0).unwrap_or(&plans);
            check_run(plans, &program, batch, &outcomes, recipe.seed);
        }
    }
}

/// z = x @ w with w resident: of integers, so that nothing else is made.
fn inference(ring: Ring, (m, k, n): (usize, usize, usize)) -> Program {
    let mut program = Program::new(2, FixedPoint::new(ring, 0).expect("a codec"));
    let x = program.input("x", PartyId(0), Shape::new(m, k), None).expect("an input");
    let w = program.input("w", PartyId(1), Shape::new(k, n), None).expect("an input");
    program.reside(w).expect("an input");
    let z = program.matmul(x, w).expect("a product");
    program.output("z", z, Parties::first(2)).expect("an output");
    program
}

#[test]
fn products_by_lattices_equal_the_oracle_in_every_run() {
    for ring in Ring::ALL {
        let (m, k, n) = (64, 24, 40);
        let program = inference(ring, (m, k, n));
        let batches: Vec<Vec<Elements>> =
            (0..2).map(|run| vec![elements(ring, m * k, run), elements(ring, k * n, 9)]).collect();
        let runs = world(Protocol::Beaver, 5).with_pair().run_batches(&program, &batches).expect("two runs");
        let plans = Plans::new(Protocol::Beaver, &program, by_pair(PlanOptions::default())).expect("a plan");
        assert_eq!(Pricer::new(&plans.demand, true).choice().by_lattices(), (1, 0), "{ring:?}");
        for (run, batch) in batches.iter().enumerate() {
            let expected = oracle::evaluate(&program, batch);
            for outcomes in &runs {
                let difference = expected[0].first_difference(&outcomes[run].outputs["z"]);
                assert_eq!(difference, None, "{ring:?}, run {run}");
            }
        }
        let offline = |run: usize| runs[0][run].planned.offline_bytes;
        assert!(offline(0) > offline(1), "{ring:?}: keys go over once, {} and {}", offline(0), offline(1));
    }
}

#[test]
fn a_peer_that_spoils_a_message_of_lattices_is_named_with_the_step() {
    let program = inference(Ring::Z64, (64, 24, 40));
    let inputs = [elements(Ring::Z64, 64 * 24, 1), elements(Ring::Z64, 24 * 40, 2)];
    let cut = |payload: &mut Vec<u8>| payload.truncate(payload.len() - 1);
    let large = |payload: &mut Vec<u8>| payload[68..].fill(0xff);
    let other = |payload: &mut Vec<u8>| payload[3] ^= 1;
    type Change = fn(&mut Vec<u8>);
    type Case = (u32, Role, Change, &'static str);
    // Who holds the key sends it, and a query; the other answers.
    let cases: [Case; 4] = [
        (0, ZERO, cut, "the keys of lattices has "),
        (0, ZERO, large, " of the keys of lattices is not below its modulus"),
        (1, ZERO, other, "the query of lattices is of another kind, ring, dimension or layout"),
        (0, ONE, cut, "the answer of lattices has "),
    ];
    for (number, sender, change, expected) in cases {
        let sent = AtomicU32::new(0);
        let rule = move |from: Role, _: Role, frame: &Frame| match frame {
            Frame::Control { topic: PAIR, payload } if from == sender => {
                match sent.fetch_add(1, Ordering::Relaxed) == number {
                    true => altered(payload, change),
                    false => Verdict::Pass,
                }
            }
            _ => Verdict::Pass,
        };
        let world: World = world(Protocol::Beaver, 7).with_pair().with_rule(Arc::new(rule));
        let failed = world.run(&program, &inputs).expect_err("a run that is spoilt");
        assert_eq!(failed.failures.len(), 2, "both end: {failed}");
        assert!(failed.failures.iter().all(|(_, error)| error.to_string().contains(expected)), "{failed}");
    }
}

#[test]
fn a_protocol_of_three_parties_says_that_no_pair_serves_it() {
    let program = product(Protocol::Replicated, Ring::Z64, 0, (2, 2, 2));
    let inputs = [elements(Ring::Z64, 4, 1), elements(Ring::Z64, 4, 2)];
    let failed = world(Protocol::Replicated, 5).with_pair().run(&program, &inputs).expect_err("refused");
    assert!(failed.to_string().contains("takes no correlations from the two parties themselves"), "{failed}");
}

/// Runs a small product while a rule decides on the sender's messages of the transfers, by their number.
fn spoilt(sender: Role, rule: fn(u32, &[u8]) -> Verdict) -> WorldError {
    let (program, inputs) = small();
    let sent = AtomicU32::new(0);
    let rule = move |from: Role, _: Role, frame: &Frame| match frame {
        Frame::Control { topic: PAIR, payload } if from == sender => {
            rule(sent.fetch_add(1, Ordering::Relaxed), payload)
        }
        _ => Verdict::Pass,
    };
    let world: World = world(Protocol::Beaver, 7).with_pair().with_rule(Arc::new(rule));
    world.run(&program, &inputs).expect_err("a run that is spoilt")
}

fn altered(payload: &[u8], change: impl Fn(&mut Vec<u8>)) -> Verdict {
    let mut payload = payload.to_vec();
    change(&mut payload);
    Verdict::Replace(Frame::Control { topic: PAIR, payload: payload.into() })
}

#[test]
fn a_peer_that_spoils_a_message_is_named_with_the_step() {
    let identity = |number, payload: &[u8]| match number {
        0 => altered(payload, |payload| payload[..32].fill(0)),
        _ => Verdict::Pass,
    };
    let wrong_corrections = |number, payload: &[u8]| match number {
        1 => altered(payload, |payload| payload.iter_mut().for_each(|byte| *byte ^= 0x5a)),
        _ => Verdict::Pass,
    };
    let cut_table = |number, payload: &[u8]| match number {
        2 => altered(payload, |payload| payload.truncate(payload.len() - 1)),
        _ => Verdict::Pass,
    };
    type Case = (Role, Role, fn(u32, &[u8]) -> Verdict, &'static str);
    let cases: [Case; 4] = [
        (ZERO, ONE, identity, "the receiver's points of the base transfers: number 0 is no valid point"),
        (ONE, ZERO, identity, "the sender's points of the base transfers: number 0 is no valid point"),
        (ONE, ZERO, wrong_corrections, "the answer to the extension's check: the check does not hold"),
        (ZERO, ONE, cut_table, "bytes, where "),
    ];
    for (sender, receiver, rule, expected) in cases {
        let failed = spoilt(sender, rule);
        let of = |role: Role| &failed.failures.iter().find(|(other, _)| *other == role).expect("both fail").1;
        let error = of(receiver).to_string();
        assert!(error.starts_with(&format!("the correlations with {sender} cannot be made: ")), "{error}");
        assert!(error.contains(expected), "{error}");
        // The one that is to blame is told.
        assert!(of(sender).to_string().contains(expected), "{}", of(sender));
    }
}

#[test]
fn a_peer_that_is_cut_off_is_named() {
    let failed = spoilt(ONE, |number, _| if number == 2 { Verdict::Cut } else { Verdict::Pass });
    let error = &failed.failures.iter().find(|(role, _)| *role == ZERO).expect("party 0 fails").1;
    assert!(matches!(error, SessionError::Net(NetError::Closed { peer: ONE, .. })), "{error}");
}

#[test]
fn the_price_of_a_plan_grows_with_its_demand() {
    let price = |shape| {
        let program = product(Protocol::Beaver, Ring::Z64, 0, shape);
        let plans = Plans::new(Protocol::Beaver, &program, by_pair(PlanOptions::default())).expect("a plan");
        assert_eq!(plans.source, Source::Pair);
        Pricer::new(&plans.demand, false).run(&first_turn())
    };
    let (small, large) = (price((8, 8, 8)), price((16, 8, 8)));
    // Party 1's factor has as many elements, of which each multiplies a vector twice as long.
    assert_eq!((small.transfers, large.transfers), (64 * 64, 64 * 64));
    assert_eq!(large.first_bytes, 2 * small.first_bytes);
    assert_eq!(
        small.first_bytes,
        64 * 8 * 36 * 8 + 64 * 8,
        "36 bytes a vector's element for each bit's eighth"
    );
}
