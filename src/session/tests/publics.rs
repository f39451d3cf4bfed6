//! Public values by run: rows of a resident data set and numbers, held against the oracle under every protocol and on every
//! device, and that they cost no message.

use super::{elements, numbers, on_gpus, world};
use crate::plan::PlanOptions;
use crate::program::oracle::Runs;
use crate::program::tiling::TileSide;
use crate::program::{Dims, Init, Kind, Number, Program, Rate, Rows, Schedule, Stride, Truncation};
use crate::protocol::Protocol;
use crate::ring::{Elements, FixedPoint, Ring, Shape};
use crate::run::{Latest, Portion};
use crate::session::{Checkpoints, SessionError, World};
use crate::share::{Parties, PartyId};
use std::collections::BTreeMap;

/// Gradient descent on batches of 5 of 17 resident rows, in an order that is drawn, with a rate that falls; of a party each
/// the features and the targets. Or the same five rows in every run.
fn training(protocol: Protocol, is_shuffled: bool) -> Program {
    let codec = FixedPoint::new(Ring::Z64, 16).expect("a codec");
    let mut program = Program::new(protocol.parties(), codec).with_truncation(Truncation::Exact);
    let x = program.input("x", PartyId(0), Shape::new(17, 4), Some(1.0)).expect("x");
    let y = program.input("y", PartyId(1), Shape::new(17, 1), Some(1.0)).expect("y");
    [x, y].into_iter().for_each(|input| program.reside(input).expect("an input"));
    let rates = (0..7).map(|run| 0.1 * 0.8f64.powi(run)).collect();
    let rate = program.public("rate", Schedule::Numbers(rates)).expect("a rate");
    let shuffled = Schedule::Rows(Rows::Shuffled { of: 17, take: 5, seed: 3 });
    let rows = is_shuffled.then(|| program.public("rows", shuffled).expect("rows"));
    let [xs, ys] = [(x, 4), (y, 1)].map(|(data, cols)| match rows {
        Some(rows) => program.rows_by_run(data, rows).expect("a batch"),
        None => program.slice(data, Stride::range(0, 5), Stride::range(0, cols)).expect("some rows"),
    });
    let zero = Init::Number(Number::Integer(0));
    let w = program.state("w", Shape::new(4, 1), Kind::Real, zero).expect("w");
    program.bound_state(w, 8.0).expect("a bound");
    let scores = program.matmul(xs, w).expect("scores");
    let errors = program.sub(scores, ys).expect("errors");
    let turned = program.transpose(xs).expect("x transposed");
    let gradient = program.matmul(turned, errors).expect("a gradient");
    let next = program.sgd(w, gradient, Rate::Public(rate), 0.01).expect("the next weights");
    program.update(w, next).expect("an update");
    for (name, value) in [("next", next), ("ys", ys)] {
        program.output(name, value, Parties::first(protocol.parties())).expect("an output");
    }
    program
}

fn data(program: &Program) -> Vec<Elements> {
    let inputs = program.inputs().iter().zip(1..);
    inputs.map(|(input, seed)| numbers(program.codec(), input.shape.len(), 0.9, seed)).collect()
}

fn check(world: &World, program: &Program, data: &[Elements], turns: u32, case: &str) {
    let outcomes = world.run_turns(program, data, turns).expect("turns without faults");
    let mut runs = Runs::new(program);
    let expected: Vec<_> = (0..turns).map(|_| runs.run(data)).collect();
    for (index, output) in program.outputs().iter().enumerate() {
        let expected: Vec<u64> = expected.iter().flat_map(|run| run[index].elements.to_u64()).collect();
        for (party, outcome) in outcomes.iter().enumerate() {
            let name = &output.name;
            assert_eq!(outcome.outputs[name].to_u64(), expected, "{case}: {name} at party {party}");
        }
    }
}

#[test]
fn batches_of_resident_rows_and_a_falling_rate_train_as_the_oracle_does() {
    for protocol in Protocol::ALL {
        let program = training(protocol, true);
        for side in [TileSide::WHOLE, TileSide(3)] {
            let plan = PlanOptions { side, ..PlanOptions::default() };
            let world = world(protocol, 3).with_plan(plan);
            check(&world, &program, &data(&program), 7, &format!("{protocol}, {side:?}"));
        }
    }
}

#[test]
fn batches_are_taken_on_a_gpu_as_well() {
    on_gpus(|name, place| {
        for protocol in Protocol::ALL {
            let program = training(protocol, true);
            check(&place(world(protocol, 4)), &program, &data(&program), 4, &format!("{name}, {protocol}"));
        }
    });
}

/// Integers, images and vectors: entries along the first axis, by rows that follow each other, and a checked program.
#[test]
fn entries_of_tensors_are_taken_along_the_first_axis() {
    for protocol in Protocol::ALL {
        let mut program = Program::new(protocol.parties(), FixedPoint::new(Ring::Z64, 0).expect("a codec"));
        let dims = |extents: &[usize]| Dims::new(extents).expect("few axes");
        let images = program.input("images", PartyId(0), dims(&[6, 2, 3, 2]), None).expect("images");
        let labels = program.input("labels", PartyId(1), dims(&[6]), None).expect("labels");
        [images, labels].into_iter().for_each(|input| program.reside(input).expect("an input"));
        let from = Schedule::Rows(Rows::From { first: vec![4, 0, 3], take: 2 });
        let rows = program.public("rows", from).expect("rows");
        let times = program.public("times", Schedule::Numbers(vec![3.0, -2.0, 1.0])).expect("numbers");
        let some = program.rows_by_run(images, rows).expect("images");
        assert_eq!(program.dims(some), dims(&[2, 2, 3, 2]));
        let few = program.rows_by_run(labels, rows).expect("labels");
        assert_eq!(program.dims(few), dims(&[2]));
        let multiple = program.scale_by_run(few, times).expect("a multiple");
        let n = program.state("n", Shape::SCALAR, Kind::Real, Init::Number(Number::Integer(0))).expect("n");
        let count = program.add_constant(n, Number::Integer(1)).expect("a count");
        program.update(n, count).expect("an update");
        for (name, value) in [("some", some), ("multiple", multiple)] {
            program.output(name, value, Parties::first(2)).expect("an output");
        }
        let data = [elements(Ring::Z64, 72, 1), elements(Ring::Z64, 6, 2)];
        let outcomes = world(protocol, 5).run_turns(&program, &data, 3).expect("turns without faults");
        let taken = |all: &[u64], each: usize| -> Vec<u64> {
            [4, 0, 3].iter().flat_map(|&first| all[first * each..(first + 2) * each].to_vec()).collect()
        };
        assert_eq!(outcomes[0].outputs["some"].to_u64(), taken(&data[0].to_u64(), 12), "{protocol}");
        let factors = [3u64, 3, 2u64.wrapping_neg(), 2u64.wrapping_neg(), 1, 1];
        let labels = taken(&data[1].to_u64(), 1);
        let expected: Vec<u64> = labels.iter().zip(factors).map(|(x, by)| x.wrapping_mul(by)).collect();
        assert_eq!(outcomes[1].outputs["multiple"].to_u64(), expected, "{protocol}");
    }
}

#[test]
fn a_batch_of_a_resident_data_set_takes_no_message() {
    // Products by three parties open nothing of their factors: a turn sends as much as one that takes the same rows always.
    let protocol = Protocol::Replicated;
    let sent = |is_shuffled: bool, turns: u32| {
        let mut program = training(protocol, is_shuffled);
        // Who brings a value need not be told it: what is revealed is not compared.
        program.reveal_every("ys", 8).expect("an output");
        let outcomes = world(protocol, 3).run_turns(&program, &data(&program), turns).expect("turns");
        outcomes.iter().map(|outcome| outcome.report.tally.sent_bytes).sum::<u64>()
    };
    assert_eq!(sent(true, 6) - sent(true, 5), sent(false, 6) - sent(false, 5));
}

#[test]
fn a_session_that_goes_on_takes_the_rows_and_rates_of_its_runs() {
    let protocol = Protocol::Replicated;
    let program = training(protocol, true);
    let data = data(&program);
    let folder = tempfile::tempdir().expect("a folder");
    let run = |seed: u64, stop: Option<u32>| {
        world(protocol, seed).in_sessions(|party, session| {
            let keys = folder.path().join(format!("keys{}", party.0));
            session.set_checkpoints(Checkpoints::open(folder.path(), party, &keys, 2, 7)?);
            let mut prepared = session.prepare(protocol, &program)?;
            let own = program.inputs().iter().zip(&data).filter(|(input, _)| input.owner == party);
            let mut own: BTreeMap<String, Elements> =
                own.map(|(input, elements)| (input.name.clone(), elements.clone())).collect();
            if let Some(stop) = stop {
                prepared.announce(7);
                while prepared.runs() < stop {
                    session.run_prepared(&mut prepared, std::mem::take(&mut own))?;
                }
                return Err(SessionError::OtherSession);
            }
            Ok(session.run_turns(&mut prepared, own, 7)?.outputs)
        })
    };
    run(1, Some(5)).expect_err("stopped");
    let rest = run(2, None).expect("the rest");
    let mut runs = Runs::new(&program);
    let expected: Vec<u64> = (0..7).flat_map(|_| runs.run(&data)[0].elements.to_u64()).collect();
    assert_eq!(rest[0]["next"].to_u64(), expected[4 * 4..], "turns 5 to 7, after the states of turn 4");
}

#[test]
fn progress_has_the_turns_and_the_number_that_was_revealed_last_to_this_party() {
    let protocol = Protocol::Beaver;
    let mut program = training(protocol, true);
    let next = program.outputs()[0].value;
    let sum = program.sum(next, None).expect("a sum");
    program.output("sum", sum, Parties::first(1)).expect("an output");
    program.reveal_every("sum", 3).expect("an output");
    let data = data(&program);
    let told = world(protocol, 8).in_sessions(|party, session| {
        let mut prepared = session.prepare(protocol, &program)?;
        let own = program.inputs().iter().zip(&data).filter(|(input, _)| input.owner == party);
        let own = own.map(|(input, elements)| (input.name.clone(), elements.clone())).collect();
        session.run_turns(&mut prepared, own, 7)?;
        let progress = session.progress();
        Ok((progress.standing().turns, progress.latest()))
    });
    let told = told.expect("turns without faults");
    let mut runs = Runs::new(&program);
    let sums: Vec<f64> = (0..7).map(|_| runs.run(&data)[2].elements.decode(program.codec())[0]).collect();
    assert_eq!([told[0].0, told[1].0], [Portion { done: 7, all: 7 }; 2]);
    let last = Latest { turn: 6, number: sums[5] };
    assert_eq!(told[0].1, BTreeMap::from([("sum".to_owned(), last)]));
    assert!(told[1].1.is_empty(), "party 1 does not learn it");
}

#[test]
fn a_run_behind_those_of_which_a_public_value_is_known_is_refused_by_name() {
    for protocol in Protocol::ALL {
        let program = training(protocol, true);
        let error = world(protocol, 6).run_turns(&program, &data(&program), 8).expect_err("seven rates");
        let ended = SessionError::PublicEnds { name: "rate".into(), run: 8 };
        assert!(error.failures.iter().any(|(_, error)| *error == ended), "{protocol}: {error}");
        assert_eq!(ended.to_string(), "public value 'rate' says nothing of run 8");
    }
}
