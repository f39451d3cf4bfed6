//! Runs that one agreement covers: what they send is their plans' messages, under keys of each run's own.

use super::{elements, world};
use crate::net::Frame;
use crate::program::{Init, Kind, Number, Program};
use crate::protocol::Protocol;
use crate::ring::{Elements, FixedPoint, Ring, Shape};
use crate::session::covered::MOST_COVERED;
use crate::session::{Checkpoints, SessionError, SessionOutcome, World};
use crate::share::{Parties, PartyId, Role};
use crate::testing::Verdict;
use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};

/// w ← w·w + x on integers, and a count of the turns; the count is revealed in every third.
fn squares(protocol: Protocol) -> Program {
    let mut program = Program::new(protocol.parties(), FixedPoint::new(Ring::Z64, 0).expect("a codec"));
    let shape = Shape::new(3, 3);
    let x = program.input("x", PartyId(0), shape, None).expect("x");
    let first = program.input("first", PartyId(1), shape, None).expect("first");
    program.reside(x).expect("an input");
    let w = program.state("w", shape, Kind::Real, Init::Value(first)).expect("w");
    let n = program.state("n", Shape::SCALAR, Kind::Real, Init::Number(Number::Integer(0))).expect("n");
    let square = program.matmul(w, w).expect("a product");
    let next = program.add(square, x).expect("a sum");
    let count = program.add_constant(n, Number::Integer(1)).expect("a count");
    program.update(w, next).expect("an update");
    program.update(n, count).expect("an update");
    for (name, value, every) in [("next", next, 1), ("count", count, 3)] {
        program.output(name, value, Parties::first(2)).expect("an output");
        program.reveal_every(name, every).expect("an output");
    }
    program
}

fn inputs() -> Vec<Elements> {
    vec![elements(Ring::Z64, 9, 1), elements(Ring::Z64, 9, 2)]
}

/// The frames of a loop by their kind, and what crosses between parties.
#[derive(Default)]
struct Seen {
    control: usize,
    ready: usize,
    messages: Vec<(Role, Role, Vec<u8>)>,
}

fn turns(world: World, protocol: Protocol, count: u32) -> (Vec<SessionOutcome>, Seen) {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let record = seen.clone();
    let rule = move |from: Role, to: Role, frame: &Frame| {
        let mut seen = record.lock().expect("no panic");
        match frame {
            Frame::Control { .. } => seen.control += 1,
            Frame::Ready => seen.ready += 1,
            Frame::Data(data) => seen.messages.push((from, to, data.payload.to_vec())),
            Frame::Bundle(bundle) => {
                seen.messages.extend(bundle.messages.iter().map(|data| (from, to, data.payload.to_vec())));
            }
            _ => {}
        }
        Verdict::Pass
    };
    let world = world.with_rule(Arc::new(rule));
    let outcomes = world.run_turns(&squares(protocol), &inputs(), count).expect("turns without faults");
    let seen = std::mem::take(&mut *seen.lock().expect("no panic"));
    (outcomes, seen)
}

/// What w is after each turn.
fn expected(count: u32) -> Vec<u64> {
    let [x, mut w] = [&inputs()[0], &inputs()[1]].map(Elements::to_u64);
    let mut all = Vec::new();
    for _ in 0..count {
        let at = |row: usize, col: usize| -> u64 {
            (0..3).fold(x[3 * row + col], |sum, k| {
                sum.wrapping_add(w[3 * row + k].wrapping_mul(w[3 * k + col]))
            })
        };
        w = (0..9).map(|index| at(index / 3, index % 3)).collect();
        all.extend(&w);
    }
    all
}

#[test]
fn a_turn_sends_the_messages_of_its_plan_and_no_others() {
    for protocol in Protocol::ALL {
        let (few, few_seen) = turns(world(protocol, 1), protocol, 4);
        let (many, many_seen) = turns(world(protocol, 1), protocol, 40);
        assert_eq!(few[0].outputs["next"].to_u64(), expected(4), "{protocol}");
        assert_eq!(many[0].outputs["next"].to_u64(), expected(40), "{protocol}");
        assert_eq!(many[1].outputs["count"].to_u64().len(), 13, "{protocol}: every third turn");
        assert_eq!(many_seen.control, few_seen.control, "{protocol}: control messages of 36 turns more");
        assert_eq!(many_seen.ready, few_seen.ready, "{protocol}: nobody waits before a later turn");
        // A revealed count is in one party's part alone: the other's is zero, whichever the turn.
        let masked = many_seen.messages.iter().filter(|(.., payload)| payload.len() > 8);
        let distinct: HashSet<_> = masked.clone().collect();
        assert_eq!(distinct.len(), masked.count(), "{protocol}: a mask of one turn is of another");
    }
}

#[test]
fn a_long_loop_is_agreed_on_in_parts() {
    let protocol = Protocol::Beaver;
    let (few, few_seen) = turns(world(protocol, 1), protocol, MOST_COVERED);
    let (more, more_seen) = turns(world(protocol, 1), protocol, MOST_COVERED + 2);
    assert_eq!(more[0].outputs["next"].to_u64(), expected(MOST_COVERED + 2));
    assert_eq!(few[0].runs, MOST_COVERED);
    // Facts and a contribution each way, no key of parties; an order and a grant each.
    assert!((1..=8).contains(&(more_seen.control - few_seen.control)), "a second agreement");
}

#[test]
fn an_agreement_ends_where_a_checkpoint_is_due() {
    let protocol = Protocol::Replicated;
    let folder = tempfile::tempdir().expect("a folder");
    let program = squares(protocol);
    let covered = Mutex::new(Vec::new());
    let ended = world(protocol, 3).in_sessions(|party, session| {
        let keys = folder.path().join(format!("keys{}", party.0));
        session.set_checkpoints(Checkpoints::open(folder.path(), party, &keys, 3, 8)?);
        let mut prepared = session.prepare(protocol, &program)?;
        prepared.announce(8);
        let mut own = own(&program, party);
        for _ in 0..8 {
            session.run_prepared(&mut prepared, std::mem::take(&mut own))?;
            if party == PartyId(0) {
                covered.lock().expect("no panic").push(session.due.map(|due| due.covered.at));
            }
        }
        session.release(prepared)
    });
    ended.expect("runs without faults");
    let ends = [Some(1), Some(2), None, Some(1), Some(2), None, Some(1), None];
    assert_eq!(*covered.lock().expect("no panic"), ends);
}

fn own(program: &Program, party: PartyId) -> BTreeMap<String, Elements> {
    let own = program.inputs().iter().zip(inputs()).filter(|(input, _)| input.owner == party);
    own.map(|(input, elements)| (input.name.clone(), elements)).collect()
}

#[test]
fn nothing_else_is_done_amid_runs_that_were_announced() {
    for protocol in Protocol::ALL {
        let program = squares(protocol);
        let ended = world(protocol, 4).in_sessions(|party, session| {
            let mut prepared = session.prepare(protocol, &program)?;
            prepared.announce(3);
            session.run_prepared(&mut prepared, own(&program, party))?;
            session.release(prepared)
        });
        let failures = ended.expect_err("two runs are due").failures;
        let is_named = |(_, error): &(Role, SessionError)| *error == SessionError::RunsDue;
        assert!(failures.iter().any(is_named), "{protocol}: {failures:?}");
    }
}

#[test]
fn parties_that_announce_different_numbers_of_runs_are_told() {
    let protocol = Protocol::Replicated;
    let program = squares(protocol);
    let ended = world(protocol, 5).in_sessions(|party, session| {
        let mut prepared = session.prepare(protocol, &program)?;
        prepared.announce(2 + u32::from(party == PartyId(1)));
        session.run_prepared(&mut prepared, own(&program, party)).map(drop)
    });
    let failures = ended.expect_err("they differ").failures;
    assert!(failures.iter().any(|(_, error)| error.to_string().contains("runs at once")), "{failures:?}");
}
