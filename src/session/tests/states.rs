//! States: every run finds what the one before left, on every device, and opens nothing under the mask of another run.

use super::{elements, masks, numbers, on_gpus, world};
use crate::device::Device;
use crate::device::cpu::Cpu;
use crate::net::Frame;
use crate::plan::{PlanOptions, Plans, Supply};
use crate::program::oracle::Runs;
use crate::program::tiling::TileSide;
use crate::program::{Init, Kind, Number, Program, Truncation, ValueId};
use crate::protocol::Protocol;
use crate::ring::{Axis, Elements, FixedPoint, Ring, Shape};
use crate::session::{SessionError, World};
use crate::share::{Parties, PartyId, Role};
use crate::step::MemoryClass;
use crate::testing::Verdict;
use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};

const PROTOCOLS: [Protocol; 2] = Protocol::ALL;

/// Logistic regression by gradient descent with momentum, and a count of its runs: `x` is new in every run, the targets are
/// resident, the first weights those of the last party.
fn training(protocol: Protocol, truncation: Truncation) -> Program {
    let codec = FixedPoint::new(Ring::Z64, 16).expect("a codec");
    let mut program = Program::new(protocol.parties(), codec).with_truncation(truncation);
    let last = PartyId(protocol.parties() as u8 - 1);
    let x = program.input("x", PartyId(0), Shape::new(7, 5), Some(2.0)).expect("x");
    let y = program.input("y", PartyId(1), Shape::new(7, 1), Some(1.0)).expect("y");
    program.reside(y).expect("an input");
    let first = program.input("first", last, Shape::new(5, 1), Some(1.0)).expect("first weights");
    let zero = || Init::Number(Number::Integer(0));
    let w = program.state("w", Shape::new(5, 1), Kind::Real, Init::Value(first)).expect("w");
    program.bound_state(w, 8.0).expect("a bound");
    let m = program.state("m", Shape::new(5, 1), Kind::Real, zero()).expect("m");
    program.bound_state(m, 64.0).expect("a bound");
    let turns = program.state("turns", Shape::SCALAR, Kind::Real, zero()).expect("turns");
    let scores = program.matmul(x, w).expect("scores");
    let p = program.sigmoid(scores).expect("a function");
    let error = program.sub(p, y).expect("errors");
    let turned = program.transpose(x).expect("x transposed");
    let gradient = program.matmul(turned, error).expect("a gradient");
    let kept = program.scale(m, Number::Real(0.9)).expect("momentum");
    let momentum = program.add(kept, gradient).expect("momentum");
    let moved = program.scale(momentum, Number::Real(0.05)).expect("a step");
    let next = program.sub(w, moved).expect("the next weights");
    let count = program.add_constant(turns, Number::Integer(1)).expect("a count");
    for (state, value) in [(w, next), (m, momentum), (turns, count)] {
        program.update(state, value).expect("an update");
    }
    for (name, value) in [("w", w), ("next", next), ("turns", turns)] {
        program.output(name, value, Parties::first(protocol.parties())).expect("an output");
    }
    program
}

fn batches(program: &Program, runs: u64) -> Vec<Vec<Elements>> {
    let draw = |run: u64| {
        let of = |(at, input): (usize, &crate::program::Input)| {
            // Resident inputs are those of the first run.
            let seed = if input.resident { at as u64 } else { 100 * (run + 1) + at as u64 };
            numbers(program.codec(), input.shape.len(), 0.9, seed)
        };
        program.inputs().iter().enumerate().map(of).collect()
    };
    (0..runs).map(draw).collect()
}

/// Runs in a world, and holds every output that a run reveals against the oracle's trajectory.
fn check(world: &World, program: &Program, batches: &[Vec<Elements>], case: &str) {
    let outcomes = world.run_batches(program, batches).expect("runs without faults");
    let mut runs = Runs::new(program);
    for (run, batch) in batches.iter().enumerate() {
        let expected = runs.run(batch);
        for (party, outcomes) in outcomes.iter().enumerate() {
            let report = &outcomes[run].report;
            assert_eq!(
                report.peak().by_class,
                report.planned(),
                "{case}: memory of party {party} in run {run}"
            );
            for (output, expected) in program.outputs().iter().zip(&expected) {
                let is_due =
                    (run as u32 + 1).is_multiple_of(output.every) && output.to.contains(PartyId(party as u8));
                let learnt = outcomes[run].outputs.get(&output.name);
                assert_eq!(learnt.is_some(), is_due, "{case}: {} at party {party} in run {run}", output.name);
                let Some(learnt) = learnt else { continue };
                let difference = expected.first_difference(learnt);
                assert_eq!(difference, None, "{case}: {} at party {party} in run {run}", output.name);
            }
        }
    }
}

#[test]
fn a_trajectory_is_the_oracles_to_the_bit_where_truncation_is_exact() {
    for protocol in PROTOCOLS {
        let program = training(protocol, Truncation::Exact);
        for side in [TileSide::WHOLE, TileSide(3)] {
            for supply in [Supply::Ahead, Supply::Streamed] {
                let plan = PlanOptions { side, supply: Some(supply), ..PlanOptions::default() };
                let world = world(protocol, 3).with_plan(plan);
                check(&world, &program, &batches(&program, 5), &format!("{protocol}, {side:?}, {supply}"));
            }
        }
    }
}

#[test]
fn a_trajectory_is_the_oracles_where_two_parties_make_their_correlations() {
    let (trained, few) =
        (training(Protocol::Beaver, Truncation::Exact), seldom(Protocol::Beaver, Truncation::Exact));
    for (program, runs) in [(trained, 3), (few, 6)] {
        check(&world(Protocol::Beaver, 3).with_pair(), &program, &batches(&program, runs), "by the pair");
    }
}

#[test]
fn a_stochastic_trajectory_stays_within_the_oracles_slack() {
    for protocol in PROTOCOLS {
        let program = training(protocol, Truncation::Stochastic);
        check(&world(protocol, 4), &program, &batches(&program, 3), &protocol.to_string());
    }
}

#[test]
fn states_last_on_a_gpu_as_well() {
    on_gpus(|name, place| {
        for protocol in PROTOCOLS {
            let program = training(protocol, Truncation::Exact);
            check(
                &place(world(protocol, 5)),
                &program,
                &batches(&program, 3),
                &format!("{name}, {protocol}"),
            );
        }
    });
}

/// Integers: a product that stays a sum of all parties' parts, two states that change places, and one that stays.
fn shifts(protocol: Protocol, owner: PartyId) -> Program {
    let mut program = Program::new(protocol.parties(), FixedPoint::new(Ring::Z64, 0).expect("a codec"));
    let shape = Shape::new(4, 4);
    let x = program.input("x", owner, shape, None).expect("x");
    let first = program.input("first", owner, shape, None).expect("first");
    let state = |program: &mut Program, name: &str, init: Init| -> ValueId {
        program.state(name, shape, Kind::Real, init).expect("a state")
    };
    let a = state(&mut program, "a", Init::Value(first));
    let b = state(&mut program, "b", Init::Number(Number::Integer(3)));
    let c = state(&mut program, "c", Init::Public(elements(Ring::Z64, 16, 9)));
    let d = state(&mut program, "d", Init::Number(Number::Integer(5)));
    let e = state(&mut program, "e", Init::Number(Number::Integer(-1)));
    let f = state(&mut program, "f", Init::Number(Number::Integer(2)));
    let product = program.matmul(a, c).expect("a product");
    let product = program.sub(product, x).expect("a difference");
    let sums = program.sum(product, Some(Axis::Rows)).expect("sums");
    let bits = program.test(b, crate::program::Test::Negative).expect("a comparison");
    for (state, value) in [(a, b), (b, a), (c, product), (d, d), (e, x), (f, bits)] {
        program.update(state, value).expect("an update");
    }
    for (name, value) in [("a", a), ("b", b), ("c", c), ("d", d), ("e", e), ("f", f), ("sums", sums)] {
        program.output(name, value, Parties::first(protocol.parties())).expect("an output");
    }
    program
}

#[test]
fn integers_pass_from_run_to_run_whoever_brings_them() {
    for protocol in PROTOCOLS {
        for owner in Parties::first(protocol.parties()).iter() {
            let program = shifts(protocol, owner);
            let batches: Vec<Vec<Elements>> =
                (0..4).map(|run| vec![elements(Ring::Z64, 16, run), elements(Ring::Z64, 16, 77)]).collect();
            for side in [TileSide::WHOLE, TileSide(3)] {
                let plan = PlanOptions { side, ..PlanOptions::default() };
                let world = world(protocol, 6).with_plan(plan);
                check(&world, &program, &batches, &format!("{protocol}, {owner} brings x"));
            }
        }
    }
}

/// Values that few runs reveal, and what is computed for them alone; a state that begins with what the first run computes.
fn seldom(protocol: Protocol, truncation: Truncation) -> Program {
    let codec = FixedPoint::new(Ring::Z64, 16).expect("a codec");
    let mut program = Program::new(protocol.parties(), codec).with_truncation(truncation);
    let shape = Shape::new(6, 6);
    let x = program.input("x", PartyId(0), shape, Some(1.0)).expect("x");
    let y = program.input("y", PartyId(1), shape, Some(1.0)).expect("y");
    [x, y].into_iter().for_each(|input| program.reside(input).expect("an input"));
    let product = program.matmul(x, y).expect("a product");
    let first = program.relu(product).expect("a choice");
    let w = program.state("w", shape, Kind::Real, Init::Value(first)).expect("w");
    let half = program.scale(w, Number::Real(0.5)).expect("a half");
    let next = program.sub(half, y).expect("a difference");
    program.update(w, next).expect("an update");
    // The old state and the new one are multiplied for these alone.
    let old = program.matmul(x, w).expect("a product");
    let old = program.relu(old).expect("a choice");
    let new = program.matmul(next, next).expect("a product");
    let sums = program.sum(half, Some(Axis::Rows)).expect("sums");
    let everybody = Parties::first(protocol.parties());
    for (name, value, every) in [("old", old, 2), ("sums", sums, 1), ("new", new, 3), ("first", first, 4)] {
        program.output(name, value, everybody).expect("an output");
        program.reveal_every(name, every).expect("an output");
    }
    program
}

#[test]
fn a_run_computes_and_orders_what_it_reveals_and_no_more() {
    for protocol in PROTOCOLS {
        let program = seldom(protocol, Truncation::Exact);
        let batch = batches(&program, 1).remove(0);
        for (side, supply) in [(TileSide::WHOLE, Supply::Ahead), (TileSide(4), Supply::Streamed)] {
            let plan = PlanOptions { side, supply: Some(supply), ..PlanOptions::default() };
            let world = world(protocol, 21).with_plan(plan);
            check(&world, &program, &vec![batch.clone(); 7], &format!("{protocol}, {side:?}"));
            let plans = Plans::new(protocol, &program, plan).expect("a plan");
            let sizes: Vec<(usize, usize)> = (0..6)
                .map(|run| plans.of_turn(&program.turn(run)))
                .map(|plans| (plans.parties[0].steps.len(), plans.demand.entries.len()))
                .collect();
            assert!(sizes[2] == sizes[1] || sizes[2] != sizes[4], "{sizes:?}");
            assert!(sizes[4] < sizes[1] && sizes[4] < sizes[2] && sizes[1] < sizes[5], "{sizes:?}");
            assert!(sizes[0].0 > sizes[4].0, "the first run computes the first state: {sizes:?}");
        }
    }
}

#[test]
fn every_message_of_every_run_has_a_mask_of_this_run() {
    for protocol in PROTOCOLS {
        for truncation in [Truncation::Stochastic, Truncation::Exact] {
            for side in [TileSide::WHOLE, TileSide(3)] {
                masks::check(&training(protocol, truncation), side);
                masks::check(&seldom(protocol, truncation), side);
            }
        }
        masks::check(&shifts(protocol, PartyId(0)), TileSide::WHOLE);
    }
}

#[test]
fn nothing_of_a_state_crosses_the_wire_twice_alike() {
    for protocol in PROTOCOLS {
        let sent = Arc::new(Mutex::new(Vec::new()));
        let record = sent.clone();
        let rule = move |from: Role, to: Role, frame: &Frame| {
            if let (Role::Party(_), Role::Party(_)) = (from, to) {
                let messages = match frame {
                    Frame::Data(data) => vec![data.payload.clone()],
                    Frame::Bundle(bundle) => {
                        bundle.messages.iter().map(|data| data.payload.clone()).collect()
                    }
                    _ => Vec::new(),
                };
                record
                    .lock()
                    .expect("no panic")
                    .extend(messages.into_iter().map(|payload| (from, to, payload)));
            }
            Verdict::Pass
        };
        // The same state and the same input in every run, so all that could be alike is.
        let mut program = Program::new(protocol.parties(), FixedPoint::new(Ring::Z64, 0).expect("a codec"));
        let shape = Shape::new(3, 3);
        let x = program.input("x", PartyId(0), shape, None).expect("x");
        let first = program.input("first", PartyId(1), shape, None).expect("first");
        let w = program.state("w", shape, Kind::Real, Init::Value(first)).expect("w");
        let z = program.matmul(x, w).expect("a product");
        program.update(w, w).expect("an update");
        program.output("z", z, PartyId(0).alone()).expect("an output");
        let batch = vec![elements(Ring::Z64, 9, 1), elements(Ring::Z64, 9, 2)];
        let world = world(protocol, 13).with_rule(Arc::new(rule));
        world.run_batches(&program, &vec![batch; 5]).expect("runs without faults");
        let sent = sent.lock().expect("no panic");
        let distinct: HashSet<_> = sent.iter().collect();
        assert_eq!(sent.len() % 5, 0, "{protocol}: every run sends as much");
        assert_eq!(distinct.len(), sent.len(), "{protocol}: a message is the same in two runs");
    }
}

#[test]
fn later_runs_allocate_nothing_and_states_are_counted() {
    for protocol in PROTOCOLS {
        let roles = protocol.roles(protocol.default_source());
        let devices: Vec<Arc<Cpu>> =
            roles.iter().map(|_| Arc::new(Cpu::open(Some(1), None).expect("a device"))).collect();
        let place =
            |world: World, (role, device): (&Role, &Arc<Cpu>)| world.with_device(*role, device.clone());
        let world = roles.iter().zip(&devices).fold(world(protocol, 5), place);
        let program = training(protocol, Truncation::Exact);
        let batches = batches(&program, 4);
        let bookings = Mutex::new(Vec::new());
        let ended = world.each_party(|party, session| {
            let mut prepared = session.prepare(protocol, &program)?;
            for batch in &batches {
                let awaited: Vec<String> = prepared.awaited().map(str::to_owned).collect();
                let inputs = program.inputs().iter().zip(batch);
                let own = inputs.filter(|(input, _)| input.owner == party && awaited.contains(&input.name));
                let own: BTreeMap<String, Elements> =
                    own.map(|(input, elements)| (input.name.clone(), elements.clone())).collect();
                session.run_prepared(&mut prepared, own)?;
                if party == PartyId(0) {
                    let counted: Vec<_> = devices.iter().map(|device| device.ledger().bookings()).collect();
                    bookings.lock().expect("no panic").push(counted);
                }
            }
            session.release(prepared)?;
            Ok(Vec::new())
        });
        ended.expect("runs without faults");
        let bookings = bookings.into_inner().expect("no panic");
        assert!(bookings.iter().all(|counted| *counted == bookings[0]), "{protocol}: {bookings:?}");
        for device in &devices {
            assert_eq!(device.ledger().live().total_bytes, device.description().staging_bytes, "{protocol}");
        }
    }
}

#[test]
fn an_update_is_written_in_place_where_nothing_else_needs_the_old_state() {
    let shape = Shape::new(64, 64);
    let bytes = |updated: fn(&mut Program, ValueId, ValueId) -> ValueId| {
        let mut program = Program::new(2, FixedPoint::new(Ring::Z64, 0).expect("a codec"));
        let x = program.input("x", PartyId(0), shape, None).expect("x");
        let n = program.state("n", shape, Kind::Real, Init::Number(Number::Integer(0))).expect("n");
        let next = updated(&mut program, n, x);
        program.update(n, next).expect("an update");
        let one = program.slice(n, crate::program::Stride::range(0, 1), crate::program::Stride::range(0, 1));
        program.output("n", one.expect("an element"), PartyId(0).alone()).expect("an output");
        let options = PlanOptions { side: TileSide::WHOLE, window: 0, ..PlanOptions::default() };
        let plans = Plans::new(Protocol::Beaver, &program, options).expect("a plan");
        plans.parties[0].memory()[&MemoryClass::Shares] / (shape.len() as u64 * 8)
    };
    let replaced = |program: &mut Program, _, x| program.add(x, x).expect("a sum");
    let added = |program: &mut Program, n, x| program.add(n, x).expect("a sum");
    assert_eq!(bytes(replaced), 2, "the state and x: their sum is written where the state lies");
    assert_eq!(bytes(added), 3, "the state, x and their sum");
}

#[test]
fn random_first_values_are_within_their_magnitude_and_differ() {
    for protocol in PROTOCOLS {
        let codec = FixedPoint::new(Ring::Z64, 24).expect("a codec");
        let mut program = Program::new(protocol.parties(), codec);
        let states = ["u", "v"].map(|name| {
            let init = Init::Random { magnitude: 0.5 };
            program.state(name, Shape::new(20, 20), Kind::Real, init).expect("a state")
        });
        for (name, state) in ["u", "v"].into_iter().zip(states) {
            program.update(state, state).expect("an update");
            program.output(name, state, PartyId(0).alone()).expect("an output");
        }
        let outcomes = world(protocol, 8).run_batches(&program, &[vec![], vec![]]).expect("two runs");
        let learnt = |run: usize, name: &str| outcomes[0][run].outputs[name].decode(codec);
        let (u, v) = (learnt(0, "u"), learnt(0, "v"));
        assert!(u.iter().chain(&v).all(|number| number.abs() <= 0.5), "{protocol}: within 0.5");
        assert_ne!(u, v, "{protocol}: each state has numbers of its own");
        assert_eq!(u, learnt(1, "u"), "{protocol}: they stay");
        let variance = u.iter().map(|number| number * number).sum::<f64>() / 400.0;
        assert!(
            (variance - 0.5 * 0.5 / 6.0).abs() < 0.01,
            "{protocol}: the sum of two uniform ones: {variance}"
        );
    }
}

#[test]
fn a_state_beyond_its_bound_fails_the_run_that_finds_it_where_programs_are_checked() {
    for protocol in PROTOCOLS {
        let codec = FixedPoint::new(Ring::Z64, 16).expect("a codec");
        let mut program = Program::new(protocol.parties(), codec);
        let w =
            program.state("w", Shape::new(2, 2), Kind::Real, Init::Number(Number::Integer(1))).expect("w");
        program.bound_state(w, 4.0).expect("a bound");
        let next = program.scale(w, Number::Integer(3)).expect("a multiple");
        program.update(w, next).expect("an update");
        program.output("w", w, PartyId(0).alone()).expect("an output");
        let program = program.checked().expect("a checked program");
        let runs = |count: usize| world(protocol, 9).run_batches(&program, &vec![Vec::new(); count]);
        let outcomes = runs(2).expect("1 and 3 are within 4");
        assert_eq!(outcomes[0][1].outputs["w"].decode(codec), [3.0; 4], "{protocol}");
        let failures = runs(3).expect_err("9 is not").failures;
        let step = failures.iter().find_map(|(role, error)| match error {
            SessionError::Check { step } if *role == Role::party(0) => Some(step.clone()),
            _ => None,
        });
        assert_eq!(step.as_deref(), Some("state w"), "{protocol}: {failures:?}");
    }
}
