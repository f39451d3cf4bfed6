use super::*;
use crate::program::oracle::Runs;
use crate::program::{ProgramError, Truncation, range};
use crate::share::{Parties, PartyId};

const SHAPE: Shape = Shape::new(2, 2);

fn program(fraction_bits: u32) -> Program {
    let codec = FixedPoint::new(Ring::Z64, fraction_bits).expect("a codec");
    Program::new(2, codec).with_truncation(Truncation::Exact)
}

fn reveal(program: &mut Program, name: &str, value: ValueId) {
    program.output(name, value, Parties::first(1)).expect("an output");
}

fn words(elements: &Elements) -> Vec<i64> {
    elements.to_u64().into_iter().map(|element| element as i64).collect()
}

#[test]
fn updates_take_effect_together_at_the_end_of_a_run() {
    let mut program = program(0);
    let x = program.input("x", PartyId(0), SHAPE, None).expect("x");
    let a = program.state("a", SHAPE, Kind::Real, Init::Value(x)).expect("a");
    let b = program.state("b", SHAPE, Kind::Real, Init::Number(Number::Integer(7))).expect("b");
    let sum = program.add(a, b).expect("a sum");
    program.update(a, b).expect("a becomes b");
    program.update(b, sum).expect("b becomes the sum");
    reveal(&mut program, "a", a);
    reveal(&mut program, "sum", sum);
    let mut runs = Runs::new(&program);
    let x = [Elements::Z64(vec![1, 2, 3, 4])];
    let seen: Vec<Vec<i64>> =
        (0..3).flat_map(|_| runs.run(&x)).map(|output| words(&output.elements)[..2].to_vec()).collect();
    assert_eq!(seen, [[1, 2], [8, 9], [7, 7], [15, 16], [8, 9], [23, 25]]);
    assert_eq!(words(&runs.states()[0].elements)[..2], [15, 16], "the next run finds the last sum");
}

#[test]
fn a_state_is_never_resident_and_its_first_value_is() {
    let mut program = program(16);
    let x = program.input("x", PartyId(0), SHAPE, None).expect("x");
    let w = program.state("w", SHAPE, Kind::Real, Init::Value(x)).expect("w");
    program.update(w, x).expect("an update");
    reveal(&mut program, "w", w);
    assert_eq!(program.resident(), [true, false], "x is given once, w differs from run to run");
    assert_eq!(program.needed(), [true, true]);
}

#[test]
fn a_bound_that_nothing_proves_is_said_to_be_assumed() {
    let assumptions = |clipped: bool| {
        let mut program = program(16);
        let x = program.input("x", PartyId(0), SHAPE, Some(1.0)).expect("x");
        let w = program.state("w", SHAPE, Kind::Real, Init::Number(Number::Integer(0))).expect("w");
        program.bound_state(w, 4.0).expect("a bound");
        let mut next = program.add(w, x).expect("a sum");
        if clipped {
            next = program.clip(next, Number::Integer(-4), Number::Integer(4)).expect("it is clipped");
        }
        program.update(w, next).expect("an update");
        reveal(&mut program, "w", next);
        assert!(range::reaches(&program).expect("it fits").iter().all(Option::is_some), "w is bounded");
        program.assumptions().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(assumptions(false), ["that state w stays within 4"]);
    assert_eq!(assumptions(true), Vec::<String>::new(), "what is clipped is proven");
}

#[test]
fn public_first_values_are_the_same_for_everybody_and_within_their_magnitude() {
    let program = program(24);
    let draw = |seed| Init::Seeded { seed, magnitude: 0.25 }.public(&program, 1000).expect("it is public");
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
    let numbers = draw(1).decode(program.codec());
    let [low, high] =
        [f64::min as fn(f64, f64) -> f64, f64::max].map(|of| numbers.iter().copied().reduce(of));
    assert!(low.expect("numbers") >= -0.25 && high.expect("numbers") <= 0.25, "{low:?} to {high:?}");
    let mean = numbers.iter().sum::<f64>() / 1000.0;
    let variance = numbers.iter().map(|number| number * number).sum::<f64>() / 1000.0;
    assert!(mean.abs() < 0.03 && (variance - 0.25 * 0.25 / 3.0).abs() < 0.003, "mean {mean}, {variance}");
}

#[test]
fn states_that_do_not_fit_are_refused_by_name() {
    let mut program = program(16);
    let x = program.input("x", PartyId(0), SHAPE, Some(3.0)).expect("x");
    let wide = program.input("wide", PartyId(1), Shape::new(2, 5), None).expect("wide");
    let zero = || Init::Number(Number::Integer(0));
    let refused = |result: Result<ValueId, ProgramError>| result.expect_err("it does not fit").to_string();
    let line = refused(program.state("w", SHAPE, Kind::Real, Init::Value(wide)));
    assert_eq!(line, "the first value of state 'w' has shape (2, 5), and the state (2, 2)");
    let line = refused(program.state("w", SHAPE, Kind::Real, Init::Random { magnitude: f64::NAN }));
    assert!(line.starts_with("the first value of state 'w' lies within NaN"), "{line}");
    let line = refused(program.state("w", SHAPE, Kind::I64, zero()));
    assert!(line.contains("cannot hold i64"), "{line}");
    let new = program.input("new", PartyId(0), Shape::new(2, 2), None).expect("new");
    let double = program.add(new, new).expect("a sum");
    let line = refused(program.state("w", SHAPE, Kind::Real, Init::Value(double)));
    assert!(line.contains("which depends on what is new in every run"), "{line}");
    let w = program.state("w", SHAPE, Kind::Real, Init::Value(x)).expect("a state");
    let failed = |result: Result<(), ProgramError>| result.expect_err("it does not fit").to_string();
    assert_eq!(
        failed(program.bound_state(w, 2.0)),
        "the first value of state 'w' is not known to stay within 2"
    );
    let line = failed(program.update(w, wide));
    assert_eq!(line, "state 'w' has shape (2, 2), its update has shape (2, 5)");
    assert_eq!(failed(program.check_updates()), "state 'w' has no update: say what the next run finds in it");
    program.update(w, w).expect("it stays");
    assert_eq!(failed(program.update(w, w)), "state 'w' is updated twice");
    assert_eq!(refused(program.state("w", SHAPE, Kind::Real, zero())), "'w' is defined twice");
    let line = failed(program.update(x, w));
    assert_eq!(line, "x is no state: only what `state` declares is left to the next run");
    assert!(failed(program.bound_state(w, 8.0)).contains("after the state is used"));
}

#[test]
fn a_state_of_integers_holds_what_its_kind_says() {
    let mut program = program(0);
    let x = program.input("x", PartyId(0), SHAPE, None).expect("x");
    program.hold(x, Kind::U64).expect("a kind");
    let zero = || Init::Number(Number::Integer(0));
    let n = program.state("n", SHAPE, Kind::U32, zero()).expect("a state");
    let s = program.state("s", SHAPE, Kind::I64, zero()).expect("a state");
    let line = program.update(s, x).expect_err("an unsigned update").to_string();
    assert_eq!(line, "the update of state 's' gives u64 that the state does not hold: declare another kind");
    let next = program.add(n, x).expect("a sum");
    program.update(n, next).expect("unsigned as well");
    assert_eq!(program.integers(n).span, Span::new(0, u32::MAX.into()));
    reveal(&mut program, "n", n);
    assert_eq!(program.assumptions().collect::<Vec<_>>(), ["that state n stays within u32"]);
    let line = program.state("m", SHAPE, Kind::U32, Init::Number(Number::Integer(-1))).expect_err("negative");
    assert_eq!(line.to_string(), "the first value of state 'm' is -1, and the state holds u32");
}

#[test]
fn what_a_party_brings_reaches_outputs_by_states_run_after_run() {
    let mut program = program(0);
    let [x, y] = [0, 1]
        .map(|owner| program.input(&format!("x{owner}"), PartyId(owner), SHAPE, None).expect("an input"));
    let a = program.state("a", SHAPE, Kind::Real, Init::Value(y)).expect("a");
    let b = program.state("b", SHAPE, Kind::Real, Init::Number(Number::Integer(0))).expect("b");
    program.update(a, x).expect("an update");
    program.update(b, a).expect("an update");
    program.output("b", b, Parties::first(2)).expect("an output");
    let reach = |party| program.reach_of(PartyId(party)).map(|(input, _)| input.name.clone());
    assert_eq!([reach(0), reach(1)].map(|name| name.expect("it reaches b")), ["x0", "x1"]);
}

#[test]
fn a_checked_program_has_the_same_states_and_asks_for_their_bounds() {
    let mut program = program(16);
    let w = program.state("w", SHAPE, Kind::Real, Init::Number(Number::Integer(1))).expect("w");
    program.bound_state(w, 4.0).expect("a bound");
    let next = program.scale(w, Number::Integer(3)).expect("a multiple");
    program.update(w, next).expect("an update");
    reveal(&mut program, "w", w);
    let checked = program.checked().expect("a checked program");
    let answers = checked.check().expect("checks").output;
    assert!(checked.check().expect("checks").steps.contains(&"state w".to_owned()));
    let mut runs = Runs::new(&checked);
    let answers: Vec<bool> =
        (0..3).map(|_| runs.run(&[])[answers].elements.to_u64().iter().any(|&bit| bit != 0)).collect();
    assert_eq!(answers, [false, false, true], "1 and 3 are within 4, 9 is not");
}
