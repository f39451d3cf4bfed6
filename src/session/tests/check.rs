//! Programs with checks: outputs are revealed where all is well, and otherwise the steps are named, to all parties alike.

use super::world;
use crate::plan::{PlanOptions, Plans};
use crate::program::expression::{Names, add_step};
use crate::program::{CHECK_OUTPUT, Program};
use crate::protocol::Protocol;
use crate::ring::{Elements, FixedPoint, Ring};
use crate::session::{SessionError, World, WorldError};
use crate::share::{Parties, PartyId, Role};
use crate::step::{Action, Phase};

/// The checked program of some steps on vectors of four numbers, whose last one is an output of party 0.
fn program(protocol: Protocol, codec: FixedPoint, bound: Option<f64>, steps: &[&str]) -> Program {
    let mut program = Program::new(protocol.parties(), codec);
    let mut names = Names::new();
    for (name, owner) in [("x", 0), ("y", 1)] {
        let dims = crate::program::Dims::new(&[4]).expect("an axis");
        names.insert(name.to_owned(), program.input(name, PartyId(owner), dims, bound).expect("an input"));
    }
    let mut last = names["x"];
    for (number, step) in (1..).zip(steps) {
        last = add_step(&mut program, &mut names, number, step).expect("a step");
    }
    program.output("z", last, PartyId(0).alone()).expect("an output");
    program.checked().expect("a program with checks")
}

fn wide() -> FixedPoint {
    FixedPoint::new(Ring::Z64, 16).expect("a codec")
}

fn encoded(codec: FixedPoint, data: [[f64; 4]; 2]) -> Vec<Elements> {
    data.map(|numbers| Elements::encode(codec, &numbers).expect("numbers in range")).to_vec()
}

/// The step that all parties name.
fn failed(error: WorldError, protocol: Protocol) -> String {
    let mut steps = Vec::new();
    for (role, failure) in error.failures {
        match failure {
            SessionError::Check { step: named } => {
                steps.push(named);
            }
            other => assert_eq!(role, Role::Dealer, "{other}"),
        }
    }
    assert_eq!(steps.len(), protocol.parties(), "every party is told");
    assert!(steps.windows(2).all(|pair| pair[0] == pair[1]), "and the same");
    steps.remove(0)
}

fn run(world: &World, program: &Program, data: [[f64; 4]; 2]) -> Result<Vec<f64>, WorldError> {
    let outcomes = world.run(program, &encoded(program.codec(), data))?;
    assert!(outcomes.iter().all(|outcome| !outcome.outputs.contains_key(CHECK_OUTPUT)), "it is no output");
    Ok(outcomes[0].outputs["z"].decode(program.codec()))
}

/// Steps on x and y, data on which they are right, and data on which the named one is not.
type Case = (&'static [&'static str], [[f64; 4]; 2], [[f64; 4]; 2], &'static str);

const ONES: [f64; 4] = [1.0; 4];

const CASES: [Case; 9] = [
    (
        &["p = x * y", "z = p + 1"],
        [[3.0, 1e6, -2.0, 0.1], ONES],
        [[3e5, 1.0, 1.0, 1.0], [4e4, 1.0, 1.0, 1.0]],
        "p",
    ),
    // A factor that lies between 0 and 1 is no answer of a comparison.
    (&["c = clip(x, 0.25, 0.75)", "z = c * y"], [[0.5; 4], [1e4; 4]], [[0.5; 4], [1e13; 4]], "z"),
    (&["z = assume(x - y, 0.5, 100)"], [[9.0; 4], ONES], [[9.0, 1.25, 9.0, 9.0], ONES], "z"),
    (&["e = exp(x + y)", "z = e * 2"], [[9.0; 4], ONES], [[9.0, 20.0, 9.0, 9.0], ONES], "e"),
    (&["z = log(x - y)"], [[9.0; 4], ONES], [[9.0, 0.5, 9.0, 9.0], ONES], "z"),
    (&["s = sum(x * 1000000) + sum(y)", "z = s / 2"], [[9e6, 2e6, 1e6, 1.0], ONES], [[3e7; 4], ONES], "s"),
    (&["m = mean(x + y)", "z = x - m"], [[1e13; 4], ONES], [[3e13; 4], ONES], "m"),
    (
        &["q = (x * 1000) / (y - 1)", "z = q * 0.5"],
        [[9.0, 1e6, -3.0, 4.0], [2.0; 4]],
        [[9.0, 1e6, 2.0, 2.0], [1.001; 4]],
        "q",
    ),
    (
        &["a = x + 0 * y", "z = reshape(a, 2, 2) @ reshape(a, 2, 2)"],
        [[9.0, 1e4, -3.0, 2.0], ONES],
        [[3e4, 1e5, 2.0, 2.0], ONES],
        "z",
    ),
];

#[test]
fn a_step_that_does_not_hold_is_named_to_all_parties_and_nothing_is_revealed() {
    for protocol in Protocol::ALL {
        for (steps, right, wrong, name) in CASES {
            let program = program(protocol, wide(), None, steps);
            let well = run(&world(protocol, 3), &program, right);
            assert!(well.is_ok(), "{steps:?}: {}", well.expect_err("a failure"));
            let error = run(&world(protocol, 4), &program, wrong).expect_err("a check that fails");
            assert_eq!(failed(error, protocol), name, "{steps:?} by {protocol}");
        }
    }
}

/// In every run of a prepared program, whatever is resident.
#[test]
fn every_batch_is_checked() {
    for protocol in Protocol::ALL {
        let checked = {
            let mut program = Program::new(protocol.parties(), wide());
            let mut names = Names::new();
            for (name, owner) in [("x", 0), ("y", 1)] {
                let dims = crate::program::Dims::new(&[4]).expect("an axis");
                let input = program.input(name, PartyId(owner), dims, None).expect("an input");
                if name == "y" {
                    program.reside(input).expect("an input");
                }
                names.insert(name.to_owned(), input);
            }
            let z = add_step(&mut program, &mut names, 1, "z = sqrt(x * y)").expect("a step");
            program.output("z", z, Parties::first(2)).expect("an output");
            program.checked().expect("a program with checks")
        };
        let batch = |x: f64| encoded(wide(), [[x; 4], [4.0; 4]]);
        let runs = world(protocol, 5).run_batches(&checked, &[batch(9.0), batch(16.0)]).expect("all is well");
        let roots = runs[1][1].outputs["z"].decode(wide());
        assert!((roots[0] - 8.0).abs() < 1e-3, "{roots:?}");
        let error = world(protocol, 5).run_batches(&checked, &[batch(9.0), batch(-1.0)]);
        assert_eq!(failed(error.expect_err("no root"), protocol), "z");
    }
}

/// No message of an output is sent before the answers are there, whichever way correlations come.
#[test]
fn outputs_wait_for_the_answers() {
    for protocol in Protocol::ALL {
        let program = program(protocol, wide(), None, &["z = x * y"]);
        for supply in [crate::plan::Supply::Ahead, crate::plan::Supply::Streamed] {
            let options = PlanOptions { supply: Some(supply), ..PlanOptions::default() };
            let plans = Plans::new(protocol, &program, options).expect("a plan");
            for plan in &plans.parties {
                let first = (0..).zip(&plan.steps).find(|(at, _)| plan.phase_of(*at) == Phase::Reveal);
                let Some((first, _)) = first else { continue };
                let rest = (first..).zip(&plan.steps[first as usize..]);
                rest.for_each(|(at, _)| {
                    assert_eq!(plan.phase_of(at), Phase::Reveal, "{} in order", plan.role)
                });
                let answers = plan.steps[..first as usize].iter();
                let told =
                    answers.filter(|step| matches!(step.step.action, Action::Output { output: 1, .. }));
                let has_part = plan.role != Role::party(2);
                assert_eq!(told.count() > 0, has_part, "{} has its part of the answers before", plan.role);
            }
        }
    }
}

/// Integers beyond what is stated, at both ends and of either sign.
#[test]
fn integers_are_held_to_what_is_stated() {
    let codec = FixedPoint::new(Ring::Z64, 0).expect("integers");
    for protocol in Protocol::ALL {
        let program = program(protocol, codec, None, &["s = x + y", "z = assume(s, -5, 9000000000000)"]);
        let world = world(protocol, 6);
        let right = [[4.0, -5.0, 0.0, 9e12], [0.0; 4]];
        run(&world, &program, right).expect("all of them are in range");
        for wrong in [-6.0, 9e12 + 1.0, -9e15] {
            let error =
                run(&world, &program, [[1.0, wrong, 1.0, 1.0], [0.0; 4]]).expect_err("one is outside");
            assert_eq!(failed(error, protocol), "z", "{wrong}");
        }
    }
}

/// What wraps is named, to the unit, and what does not is not.
#[test]
fn integers_that_wrap_are_named() {
    let codec = FixedPoint::new(Ring::Z64, 0).expect("integers");
    let (most, half) = (9_223_372_036_854_775_807i64, 1i64 << 32);
    // Steps, elements of x and y with which they are right, and with which they wrap.
    type Integers = [[i64; 4]; 2];
    let ones = [1; 4];
    let cases: [(&str, Integers, Integers); 9] = [
        ("z = x + y", [[most - 1, -most, 0, 5], [1, -1, 0, 7]], [[most - 1, 0, 0, 5], [2, 0, 0, 7]]),
        ("z = x + y", [[-most, most, 0, 5], [-1, -9, 0, 7]], [[-most, 0, 0, 5], [-2, 0, 0, 7]]),
        ("z = x - y", [[most, -most, 0, 5], [0, 1, 0, 7]], [[most, -most, 0, 5], [0, 2, 0, 7]]),
        ("z = -x + 0 * y", [[most, -most, 0, 5], ones], [[-most - 1, 0, 0, 5], ones]),
        ("z = x * 3 + 0 * y", [[most / 3, -most / 3, 0, 5], ones], [[most / 3 + 1, 0, 0, 5], ones]),
        ("z = x * -5 - 0 * y", [[most / 5, -most / 5, 0, 5], ones], [[most / 5 + 1, 0, 0, 5], ones]),
        (
            "z = x * y",
            [[half, -half, most, 3], [half / 2 - 1, half / 2 - 1, 1, -4]],
            [[half, 1, 1, 3], [half / 2, 1, 1, -4]],
        ),
        ("z = sum(x) + 0 * sum(y)", [[most, -most, most, -9], ones], [[most, 1, 0, 0], ones]),
        ("z = x @ y", [[half, 4, 4, 4], [half / 4; 4]], [[half; 4], [half; 4]]),
    ];
    for protocol in Protocol::ALL {
        for (number, (step, right, wrong)) in (0..).zip(&cases) {
            let program = program(protocol, codec, None, &[step]);
            let data =
                |integers: &Integers| integers.map(|row| Elements::Z64(row.map(|x| x as u64).to_vec()));
            let well = world(protocol, number).run(&program, &data(right));
            assert!(well.is_ok(), "{step} by {protocol}: {}", well.expect_err("a failure"));
            let error = world(protocol, number).run(&program, &data(wrong)).expect_err("it wraps");
            assert_eq!(failed(error, protocol), "z", "{step} by {protocol}");
        }
    }
}

#[test]
fn sums_that_are_too_long_to_be_held_to_the_ring_are_refused() {
    let codec = FixedPoint::new(Ring::Z32, 0).expect("integers");
    let mut program = Program::new(2, codec);
    let dims = crate::program::Dims::new(&[20_000]).expect("an axis");
    let x = program.input("x", PartyId(0), dims, None).expect("an input");
    let y = program.input("y", PartyId(1), dims, None).expect("an input");
    let difference = program.max(x, y).expect("a step");
    let sum = program.sum(difference, None).expect("a step");
    program.output("z", sum, PartyId(0).alone()).expect("an output");
    let error = program.checked().expect_err("too many terms").to_string();
    assert!(error.contains("adds 20000 integers, of which checks hold at most 16384 of 32 bits"), "{error}");
}
