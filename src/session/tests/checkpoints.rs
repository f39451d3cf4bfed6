//! Checkpoints: a session goes on where another one was stopped, to the same bits.

use super::{numbers, world};
use crate::program::{Init, Kind, Number, Program, Schedule, Truncation};
use crate::protocol::Protocol;
use crate::ring::{Elements, FixedPoint, Ring, Shape};
use crate::session::{CheckpointError, Checkpoints, SessionError, SessionOutcome, World, WorldError};
use crate::share::{Parties, PartyId, Role};
use std::collections::BTreeMap;
use std::path::Path;

/// Ten turns of gradient descent.
fn training(protocol: Protocol) -> Program {
    training_at(protocol, &[0.05; 10])
}

/// Gradient descent on resident data, from weights that the first run computes, and a last value that is computed at the
/// end; `rates` are those of its turns.
fn training_at(protocol: Protocol, rates: &[f64]) -> Program {
    let codec = FixedPoint::new(Ring::Z64, 16).expect("a codec");
    let mut program = Program::new(protocol.parties(), codec).with_truncation(Truncation::Exact);
    let x = program.input("x", PartyId(0), Shape::new(6, 4), Some(1.0)).expect("x");
    let y = program.input("y", PartyId(1), Shape::new(6, 1), Some(1.0)).expect("y");
    [x, y].into_iter().for_each(|input| program.reside(input).expect("an input"));
    let turned = program.transpose(x).expect("x transposed");
    let first = program.matmul(turned, y).expect("a product");
    let w = program.state("w", Shape::new(4, 1), Kind::Real, Init::Value(first)).expect("w");
    let n = program.state("n", Shape::SCALAR, Kind::Real, Init::Number(Number::Integer(0))).expect("n");
    let scores = program.matmul(x, w).expect("scores");
    let error = program.sub(scores, y).expect("errors");
    let gradient = program.matmul(turned, error).expect("a gradient");
    let rate = program.public("rate", Schedule::Numbers(rates.to_vec())).expect("a rate");
    let moved = program.scale_by_run(gradient, rate).expect("a step");
    let next = program.sub(w, moved).expect("the next weights");
    let count = program.add_constant(n, Number::Integer(1)).expect("a count");
    program.update(w, next).expect("an update");
    program.update(n, count).expect("an update");
    let squares = program.mul(error, error).expect("squares");
    let loss = program.sum(squares, None).expect("a sum");
    let turns = rates.len() as u32;
    for (name, value, every) in [("next", next, turns), ("count", count, turns), ("loss", loss, 4)] {
        program.output(name, value, Parties::first(2)).expect("an output");
        program.reveal_every(name, every).expect("an output");
    }
    program
}

/// The turns of a training.
fn turns(program: &Program) -> u32 {
    program.publics()[0].schedule.runs().expect("rates") as u32
}

fn data(program: &Program) -> Vec<Elements> {
    let inputs = program.inputs().iter().zip(1..);
    inputs.map(|(input, seed)| numbers(program.codec(), input.shape.len(), 0.9, seed)).collect()
}

/// Runs up to `turns` with checkpoints, each party as often as it says; what each learns of the last outcome.
fn run(
    world: &World,
    program: &Program,
    protocol: Protocol,
    folder: &Path,
    stop: Option<u32>,
) -> Result<Vec<SessionOutcome>, WorldError> {
    let data = data(program);
    let ended = world.each_party(|party, session| {
        let keys = folder.join(format!("keys{}", party.0));

        session.set_checkpoints(Checkpoints::open(folder, party, &keys, 3, turns(program))?);
        let mut prepared = session.prepare(protocol, program)?;
        let own = program.inputs().iter().zip(&data).filter(|(input, _)| input.owner == party);
        let mut own: BTreeMap<String, Elements> =
            own.map(|(input, elements)| (input.name.clone(), elements.clone())).collect();
        if let Some(stop) = stop {
            // As a process does that is stopped: the session is not ended.
            while prepared.runs() < stop {
                session.run_prepared(&mut prepared, std::mem::take(&mut own))?;
            }
            return Err(SessionError::OtherSession);
        }
        let outcome = session.run_turns(&mut prepared, own, turns(program))?;
        Ok(vec![outcome])
    });
    ended.map(|outcomes| outcomes.into_iter().flatten().collect())
}

#[test]
fn a_session_goes_on_from_the_newest_states_that_all_have_and_ends_in_the_same_bits() {
    for protocol in Protocol::ALL {
        let program = training(protocol);
        let whole = tempfile::tempdir().expect("a folder");
        let all = run(&world(protocol, 1), &program, protocol, whole.path(), None).expect("ten turns");
        assert_eq!(all[0].runs, 10);
        let folder = tempfile::tempdir().expect("a folder");
        for (seed, stop) in [(2, 4), (3, 5), (4, 8)] {
            run(&world(protocol, seed), &program, protocol, folder.path(), Some(stop)).expect_err("stopped");
        }
        let rest = run(&world(protocol, 5), &program, protocol, folder.path(), None).expect("the rest");
        assert_eq!(rest[0].runs, 4, "{protocol}: from the states after turn 6 on");
        for name in ["next", "count"] {
            assert_eq!(rest[0].outputs[name], all[0].outputs[name], "{protocol}: {name}");
        }
        let (losses, later) = (all[0].outputs["loss"].to_u64(), rest[0].outputs["loss"].to_u64());
        assert_eq!(later, losses[1..], "{protocol}: the second loss is revealed again, the first is not");
        let left: Vec<_> = walk(folder.path()).into_iter().filter(|name| name.ends_with(".state")).collect();
        assert_eq!(left, Vec::<String>::new(), "what is done is not kept");
    }
}

#[test]
fn a_longer_training_goes_on_from_a_shorter_ones_states_where_its_turns_so_far_were_the_same() {
    let protocol = Protocol::Beaver;
    let folder = tempfile::tempdir().expect("a folder");
    let short = training_at(protocol, &[0.05; 8]);
    run(&world(protocol, 2), &short, protocol, folder.path(), Some(7)).expect_err("stopped");
    let mut rates = [0.05; 12];
    rates[2] = 0.25;
    let other = training_at(protocol, &rates);
    let error = run(&world(protocol, 3), &other, protocol, folder.path(), None).expect_err("other turns");
    assert!(error.to_string().contains("had other public values"), "{error}");
    (rates[2], rates[11]) = (0.05, 0.25);
    let long = training_at(protocol, &rates);
    let rest = run(&world(protocol, 4), &long, protocol, folder.path(), None).expect("the rest");
    assert_eq!(rest[0].runs, 6, "from the states after turn 6 on");
    let whole = tempfile::tempdir().expect("a folder");
    let all = run(&world(protocol, 5), &long, protocol, whole.path(), None).expect("twelve turns");
    assert_eq!(rest[0].outputs["next"], all[0].outputs["next"]);
}

fn walk(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => names.extend(walk(&path)),
            false => names.push(path.display().to_string()),
        }
    }
    names
}

#[test]
fn a_party_that_is_behind_by_one_brings_all_back_and_one_that_has_none_is_named() {
    let protocol = Protocol::Beaver;
    let program = training(protocol);
    let folder = tempfile::tempdir().expect("a folder");
    run(&world(protocol, 2), &program, protocol, folder.path(), Some(7)).expect_err("stopped");
    let newest = walk(&folder.path().join("party1")).into_iter().max().expect("a checkpoint");
    assert!(newest.ends_with("-000006.state"), "{newest}");
    std::fs::remove_file(&newest).expect("party 1 was stopped before it wrote it");
    let rest = run(&world(protocol, 3), &program, protocol, folder.path(), None).expect("the rest");
    assert_eq!(rest[0].runs, 7, "from the states after turn 3 on");
    run(&world(protocol, 4), &program, protocol, folder.path(), Some(7)).expect_err("stopped");
    std::fs::remove_dir_all(folder.path().join("party1")).expect("party 1 has lost all");
    let failures =
        run(&world(protocol, 5), &program, protocol, folder.path(), None).expect_err("none").failures;
    let none = failures
        .iter()
        .filter(|(_, error)| matches!(error, SessionError::Checkpoint(CheckpointError::NoneInCommon { .. })));
    assert!(none.count() > 0, "{failures:?}");
}

#[test]
fn files_of_two_sessions_are_no_state_together() {
    let protocol = Protocol::Beaver;
    let program = training(protocol);
    let whole = tempfile::tempdir().expect("a folder");
    let all = run(&world(protocol, 1), &program, protocol, whole.path(), None).expect("ten turns");
    let folder = tempfile::tempdir().expect("a folder");
    let newest =
        |party| walk(&folder.path().join(format!("party{party}"))).into_iter().max().expect("a file");
    let stop = |seed| {
        run(&world(protocol, seed), &program, protocol, folder.path(), Some(7)).expect_err("stopped");
    };
    stop(2);
    let (zero, one) = (newest(0), newest(1));
    let first = std::fs::read(&zero).expect("party 0's part after turn 6 in the first session");
    std::fs::remove_file(&one).expect("party 1 was stopped before it wrote its own");
    // The second session goes on from turn 3, and party 0 is stopped before it replaces its file of turn 6.
    stop(3);
    assert_eq!((newest(0), newest(1)), (zero.clone(), one), "both are there again");
    assert_ne!(std::fs::read(&zero).expect("a file"), first, "under fresh masks");
    std::fs::write(&zero, &first).expect("the file of the first session");
    let rest = run(&world(protocol, 4), &program, protocol, folder.path(), None).expect("the rest");
    assert_eq!(rest[0].runs, 7, "from the states after turn 3 on: those after turn 6 are of two sessions");
    for name in ["next", "count"] {
        assert_eq!(rest[0].outputs[name], all[0].outputs[name], "{name}");
    }
}

#[test]
fn files_of_later_runs_than_a_session_goes_on_from_are_removed_before_its_first_run() {
    let protocol = Protocol::Beaver;
    let program = training(protocol);
    let folder = tempfile::tempdir().expect("a folder");
    run(&world(protocol, 2), &program, protocol, folder.path(), Some(7)).expect_err("stopped");
    let newest =
        |party| walk(&folder.path().join(format!("party{party}"))).into_iter().max().expect("a file");
    std::fs::remove_file(newest(1)).expect("party 1 was stopped before it wrote it");
    run(&world(protocol, 3), &program, protocol, folder.path(), Some(4)).expect_err("stopped");
    for party in [0, 1] {
        assert!(newest(party).ends_with("-000003.state"), "party {party} has {}", newest(party));
    }
}

#[test]
fn a_session_that_is_stopped_behind_its_last_turn_runs_the_last_ones_again() {
    let protocol = Protocol::Beaver;
    let program = training(protocol);
    let folder = tempfile::tempdir().expect("a folder");
    let stopped = |turns: u32| {
        let data = data(&program);
        let ended = world(protocol, 2).each_party(|party, session| {
            let keys = folder.path().join(format!("keys{}", party.0));
            session.set_checkpoints(Checkpoints::open(folder.path(), party, &keys, 5, turns)?);
            let mut prepared = session.prepare(protocol, &program)?;
            let own = program.inputs().iter().zip(&data).filter(|(input, _)| input.owner == party);
            let own = own.map(|(input, elements)| (input.name.clone(), elements.clone())).collect();
            session.run_turns(&mut prepared, own, turns)?;
            Err::<Vec<SessionOutcome>, _>(SessionError::OtherSession)
        });
        ended.expect_err("stopped").failures
    };
    stopped(10);
    let left = || walk(&folder.path().join("party0"));
    assert!(matches!(&left()[..], [file] if file.ends_with("-000005.state")), "{:?}", left());
    let again = stopped(10);
    assert!(again.iter().any(|(_, error)| *error == SessionError::OtherSession), "it ran again: {again:?}");
    let shorter = stopped(4);
    let beyond = SessionError::Checkpoint(CheckpointError::Beyond { run: 5, turns: 4 });
    assert!(shorter.iter().any(|(_, error)| *error == beyond), "{shorter:?}");
}

#[test]
fn parties_keep_states_alike_or_hear_of_it() {
    let protocol = Protocol::Beaver;
    let program = training(protocol);
    let folder = tempfile::tempdir().expect("a folder");
    let ended = world(protocol, 2).each_party(|party, session| {
        if party == PartyId(0) {
            session.set_checkpoints(Checkpoints::open(
                folder.path(),
                party,
                &folder.path().join("keys"),
                3,
                10,
            )?);
        }
        session.prepare(protocol, &program).map(|_| Vec::new())
    });
    let failures = ended.expect_err("one keeps states, the other does not").failures;
    let says = |(_, error): &(Role, SessionError)| error.to_string().contains("checkpoints is");
    assert!(failures.iter().any(says), "{failures:?}");
    let stateless = {
        let mut program = Program::new(2, FixedPoint::new(Ring::Z64, 0).expect("a codec"));
        let x = program.input("x", PartyId(0), Shape::new(1, 2), None).expect("x");
        program.output("x", x, Parties::first(2)).expect("an output");
        program
    };

    let ended = world(protocol, 2).each_party(|party, session| {
        let keys = folder.path().join(format!("keys{}", party.0));
        session.set_checkpoints(Checkpoints::open(folder.path(), party, &keys, 3, 10)?);
        session.prepare(protocol, &stateless).map(|_| Vec::new())
    });
    let failures = ended.expect_err("nothing to keep").failures;
    assert!(failures.iter().any(|(_, error)| error.to_string().contains("the program has no states")));
}
