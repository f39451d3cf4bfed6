//! Resident inputs: later runs send and order only what is new, in memory that stays where it is.

use super::equivalence::check_run;
use super::recipe::recipe;
use super::{elements, world};
use crate::correlation::Correlation;
use crate::device::Device;
use crate::device::cpu::Cpu;
use crate::net::Frame;
use crate::plan::{Plan, PlanOptions, Plans};
use crate::program::Program;
use crate::program::tiling::TileSide;
use crate::protocol::Protocol;
use crate::ring::{Elements, FixedPoint, Ring, Shape};
use crate::session::{SessionError, SessionOutcome, World};
use crate::share::{Parties, PartyId, Role};
use crate::step::{Action, Kernel};
use crate::testing::Verdict;
use proptest::prelude::*;
use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};

const ROLES: [Role; 3] = [Role::party(0), Role::party(1), Role::Dealer];

/// A world whose devices' ledgers can be read.
fn world_on_devices(seed: u64) -> (World, [Arc<Cpu>; 3]) {
    let devices = ROLES.map(|_| Arc::new(Cpu::open(Some(1), None).expect("the CPU device opens")));
    let place = |world: World, (role, device): (Role, &Arc<Cpu>)| world.with_device(role, device.clone());
    (ROLES.into_iter().zip(&devices).fold(world(Protocol::Beaver, seed), place), devices)
}

/// z = x @ w for party 0, with x party 0's and w party 1's weights.
fn inference(m: usize, k: usize, n: usize) -> Program {
    let mut program = Program::new(2, FixedPoint::new(Ring::Z64, 0).expect("a codec"));
    let x = program.input("x", PartyId(0), Shape::new(m, k), None).expect("x");
    let w = program.input("w", PartyId(1), Shape::new(k, n), None).expect("w");
    program.reside(w).expect("an input");
    let z = program.matmul(x, w).expect("a product");
    program.output("z", z, Parties::from_iter([PartyId(0)])).expect("an output");
    program
}

/// The outcomes of each run, by party.
fn by_run(outcomes: &[Vec<SessionOutcome>]) -> Vec<Vec<&SessionOutcome>> {
    (0..outcomes[0].len()).map(|run| outcomes.iter().map(|runs| &runs[run]).collect()).collect()
}

fn plans_of_run(plans: &Plans, run: usize) -> &Plans {
    plans.again.as_deref().filter(|_| run > 0).unwrap_or(plans)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn every_batch_equals_the_oracle_and_takes_what_its_plan_says(recipe in recipe()) {
        let program = recipe.program();
        let batches: Vec<Vec<Elements>> = (0..3).map(|batch| recipe.batch(&program, batch)).collect();
        let world = world(recipe.protocol, recipe.seed).with_plan(recipe.plan);
        let outcomes = world.run_batches(&program, &batches).expect("runs without faults");
        let plans = Plans::new(recipe.protocol, &program, recipe.plan).expect("a plan");
        for (run, (outcomes, batch)) in by_run(&outcomes).into_iter().zip(&batches).enumerate() {
            check_run(plans_of_run(&plans, run), &program, batch, &outcomes, recipe.seed);
        }
    }
}

#[test]
fn a_second_batch_opens_the_new_inputs_alone() {
    let (m, k, n) = (6, 40, 9);
    let program = inference(m, k, n);
    let batches: Vec<Vec<Elements>> =
        (0..3).map(|batch| vec![elements(Ring::Z64, m * k, batch), elements(Ring::Z64, k * n, 99)]).collect();
    for side in [TileSide::WHOLE, TileSide(16)] {
        let plan = PlanOptions { side, ..PlanOptions::default() };
        let outcomes = world(Protocol::Beaver, 3)
            .with_plan(plan)
            .run_batches(&program, &batches)
            .expect("runs without faults");
        for (run, outcomes) in by_run(&outcomes).into_iter().enumerate() {
            let sent = |party: usize| outcomes[party].report.tally.sent_bytes as usize / 8;
            let weights = if run == 0 { k * n } else { 0 };
            assert_eq!(sent(0), m * k, "of party 0's inputs, in run {run}");
            assert_eq!(sent(1), weights + m * n, "of the weights and of the result, in run {run}");
        }
    }
}

#[test]
fn a_later_demand_has_no_mask_of_weights() {
    let (m, k, n) = (6, 40, 9);
    let plans = Plans::new(Protocol::Beaver, &inference(m, k, n), PlanOptions::default()).expect("a plan");
    let masks = |plans: &Plans| -> Vec<Shape> {
        let mask = |entry: &Correlation| match entry {
            Correlation::Mask(spec) => Some(spec.shape),
            _ => None,
        };
        plans.demand.entries.iter().filter_map(mask).collect()
    };
    let again = plans.again.as_deref().expect("later runs differ");
    assert_eq!(masks(&plans), [Shape::new(m, k), Shape::new(k, n)]);
    assert_eq!(masks(again), [Shape::new(m, k)]);
    assert_eq!(again.demand.summary().len(), 2, "a mask and a product: {:?}", again.demand.summary());
    let drawn = |plan: &Plan| -> usize {
        let fill = |action: &Action| match action {
            Action::Kernel(
                Kernel::Fill { out, .. } | Kernel::Mask { out, .. } | Kernel::HadamardMask { out, .. },
            ) => out.shape.len(),
            _ => 0,
        };
        plan.steps.iter().map(|planned| fill(&planned.step.action)).sum()
    };
    assert_eq!(drawn(plans.dealer.as_ref().expect("a dealer")), m * k + k * n + m * n);
    assert_eq!(
        drawn(again.dealer.as_ref().expect("a dealer")),
        m * k + m * n,
        "the dealer keeps the mask of the weights"
    );
}

#[test]
fn later_runs_allocate_nothing_and_a_release_frees_everything() {
    let (world, devices) = world_on_devices(5);
    let program = inference(20, 30, 10);
    let bookings = Mutex::new(Vec::new());
    let ended = world.each_party(|party, session| {
        let mut prepared = session.prepare(Protocol::Beaver, &program)?;
        for run in 0..4 {
            let input = match (party.0, run) {
                (0, _) => BTreeMap::from([("x".to_owned(), elements(Ring::Z64, 600, run))]),
                (_, 0) => BTreeMap::from([("w".to_owned(), elements(Ring::Z64, 300, 7))]),
                _ => BTreeMap::new(),
            };
            session.run_prepared(&mut prepared, input)?;
            if party == PartyId(0) {
                // Each party has run, and the dealer has dealt.
                let counted = devices.each_ref().map(|device| device.ledger().bookings());
                bookings.lock().expect("no panic").push(counted);
            }
        }
        let standing = session.progress().standing();
        for portion in [standing.steps, standing.sent_bytes, standing.received_bytes] {
            assert_eq!(portion.done, portion.all, "at the end of a run everything is done: {standing:?}");
        }
        session.release(prepared)?;
        Ok(Vec::new())
    });
    ended.expect("runs without faults");
    let bookings = bookings.into_inner().expect("no panic");
    assert!(bookings.iter().all(|counted| *counted == bookings[0]), "allocations by run: {bookings:?}");
    for device in &devices {
        assert_eq!(device.ledger().live().total_bytes, device.description().staging_bytes);
    }
}

#[test]
fn prepared_programs_take_turns() {
    let programs = [inference(4, 8, 3), inference(5, 6, 7)];
    let ended = world(Protocol::Beaver, 8).each_party(|party, session| {
        let mut prepared = Vec::new();
        for program in &programs {
            prepared.push(session.prepare(Protocol::Beaver, program)?);
        }
        let mut outcomes = Vec::new();
        for run in 0..4 {
            let own = programs[run % 2].inputs().iter().filter(|input| input.owner == party);
            let mut own: BTreeMap<String, Elements> =
                own.map(|input| (input.name.clone(), elements(Ring::Z64, input.shape.len(), 1))).collect();
            let prepared = &mut prepared[run % 2];
            own.retain(|name, _| prepared.awaited().any(|awaited| awaited == name));
            outcomes.push(session.run_prepared(prepared, own)?);
        }
        Ok(outcomes)
    });
    let outcomes = ended.expect("runs without faults");
    for run in 0..2 {
        let result = |run: usize| outcomes[0][run].outputs["z"].to_u64();
        assert_eq!(result(run), result(run + 2), "the same inputs, the same result");
    }
}

#[test]
fn the_same_input_never_crosses_the_wire_under_the_same_mask() {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let record = sent.clone();
    let rule = move |from: Role, to: Role, frame: &Frame| {
        if let (Role::Party(_), Role::Party(_)) = (from, to) {
            let messages = match frame {
                Frame::Data(data) => vec![data.payload.clone()],
                Frame::Bundle(bundle) => bundle.messages.iter().map(|data| data.payload.clone()).collect(),
                _ => Vec::new(),
            };
            record.lock().expect("no panic").extend(messages.into_iter().map(|payload| (from, payload)));
        }
        Verdict::Pass
    };
    let program = inference(4, 8, 3);
    let batch = vec![elements(Ring::Z64, 32, 1), elements(Ring::Z64, 24, 2)];
    let world = world(Protocol::Beaver, 13).with_rule(Arc::new(rule));
    world.run_batches(&program, &vec![batch; 5]).expect("runs without faults");
    let sent = sent.lock().expect("no panic");
    let distinct: HashSet<_> = sent.iter().collect();
    // Each run opens x and reveals z; the first opens w as well.
    assert_eq!((sent.len(), distinct.len()), (11, 11));
}

#[test]
fn a_resident_input_cannot_be_given_again() {
    let program = inference(2, 2, 2);
    let ended = world(Protocol::Beaver, 1).each_party(|party, session| {
        let mut prepared = session.prepare(Protocol::Beaver, &program)?;
        let name = if party == PartyId(0) { "x" } else { "w" };
        let own = BTreeMap::from([(name.to_owned(), elements(Ring::Z64, 4, 1))]);
        session.run_prepared(&mut prepared, own.clone())?;
        session.run_prepared(&mut prepared, own)?;
        Ok(Vec::new())
    });
    let failures = ended.expect_err("party 1 gives its weights twice").failures;
    let of_party_1 = failures.iter().find(|(role, _)| *role == Role::party(1)).expect("party 1 fails");
    assert_eq!(of_party_1.1, SessionError::ResidentInput { name: "w".into() });
}

/// Two models of one architecture have one plan: who runs the other one is found out before anything is opened.
#[test]
fn parties_run_the_same_prepared_program() {
    let protocol = Protocol::Replicated;
    let mut program = Program::new(3, FixedPoint::new(Ring::Z64, 0).expect("a codec"));
    let x = program.input("x", PartyId(0), Shape::new(2, 3), None).expect("x");
    let w = program.input("w", PartyId(1), Shape::new(3, 4), None).expect("w");
    program.reside(w).expect("an input");
    let z = program.matmul(x, w).expect("a product");
    program.output("z", z, Parties::from_iter([PartyId(0)])).expect("an output");
    let result = world(protocol, 3).each_party(|party, session| {
        let mut models = [session.prepare(protocol, &program)?, session.prepare(protocol, &program)?];
        let own = match party.0 {
            0 => BTreeMap::from([("x".to_owned(), elements(Ring::Z64, 6, 1))]),
            1 => BTreeMap::from([("w".to_owned(), elements(Ring::Z64, 12, 2))]),
            _ => BTreeMap::new(),
        };
        let chosen = usize::from(party.0 == 1);
        Ok(vec![session.run_prepared(&mut models[chosen], own)?])
    });
    let failures = result.expect_err("one runs another model").failures;
    let says =
        |(_, error): &(Role, SessionError)| error.to_string().contains("number of the prepared program");
    assert!(failures.iter().any(says), "{failures:?}");
}
