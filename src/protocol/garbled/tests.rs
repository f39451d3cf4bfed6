//! Circuits of programs hold to the oracle, and functions that programs do not have to plain arithmetic.

use super::*;
use crate::program::expression::{Names, add_step};
use crate::program::{Dims, Kind, Program, oracle};
use crate::ring::{Elements, FixedPoint, Ring, Shape};
use crate::share::{Parties, PartyId};

/// The integers of a circuit's outputs, one list for each, for numbers of each input that a party gives.
fn evaluated(lowered: &Lowered, inputs: &[Vec<u64>]) -> Vec<Vec<u64>> {
    let mut bits = Vec::new();
    for (numbers, form) in inputs.iter().zip(lowered.inputs.iter().flatten()) {
        assert_eq!(numbers.len(), form.count, "as many numbers as the input has");
        let word = |number: &u64| (0..form.bits).map(|at| number >> at & 1 != 0).collect::<Vec<_>>();
        bits.extend(numbers.iter().flat_map(word));
    }
    let found = lowered.circuit.evaluate(&bits);
    let mut found = found.into_iter();
    let number = |form: &Numbers| {
        let number = (0..form.bits).map(|at| u64::from(found.next().expect("a bit")) << at).sum();
        form.extended(number)
    };
    let mut number = number;
    lowered.outputs.iter().map(|form| (0..form.count).map(|_| number(form)).collect()).collect()
}

#[test]
fn words_are_as_wide_as_their_integers() {
    let of = |low, high| {
        let Numbers { bits, signed, .. } = Numbers::of(1, Span::new(low, high), 64);
        (bits, signed)
    };
    assert_eq!(of(0, 0), (1, false));
    assert_eq!(of(0, 255), (8, false));
    assert_eq!(of(0, 256), (9, false));
    assert_eq!(of(-1, 0), (1, true));
    assert_eq!(of(-128, 127), (8, true));
    assert_eq!(of(-128, 128), (9, true));
    assert_eq!(of(-(1 << 63), (1 << 64) - 1), (64, true), "no wider than the ring");
    let byte = Numbers { count: 1, bits: 8, signed: true };
    assert_eq!(byte.extended(0x80), 0x80u64.wrapping_sub(256));
}

/// A program with x of party 0 and y of party 1, of these kinds and bounds, and the values that steps name.
fn program(kinds: [Kind; 2], bounds: [Option<f64>; 2], len: usize, steps: &[&str]) -> Program {
    let mut program = Program::new(2, FixedPoint::new(Ring::Z64, 0).expect("integers"));
    let mut names = Names::new();
    for (party, name) in (0..).zip(["x", "y"]) {
        let shape = Dims::from(Shape::new(1, len));
        let at = usize::from(party);
        let value = program.input(name, PartyId(party), shape, bounds[at]).expect("an input");
        program.hold(value, kinds[at]).expect("integers");
        names.insert(name.to_owned(), value);
    }
    for (number, step) in (1..).zip(steps) {
        let value = add_step(&mut program, &mut names, number, step).expect("a step");
        let name = step.split(' ').next().expect("a name");
        program.output(name, value, Parties::first(2)).expect("an output");
    }
    program
}

#[test]
fn a_circuit_computes_what_the_oracle_says() {
    let steps = [
        "z1 = x + y * 3 - 7",
        "z2 = x * y",
        "z3 = x * -5",
        "z4 = sum(x < y)",
        "z5 = sum(x * y)",
        "z6 = max(x, y) - min(x, y)",
        "z7 = abs(x - y)",
        "z8 = argmax(x - y, axis=1)",
        "z9 = select(x >= y, x, y)",
        "z10 = (x == y) + (x != 3)",
        "z11 = x.T @ y",
        "z12 = concat(x, y, axis=1)",
        "z13 = x[0, 1:3]",
    ];
    for (kinds, bounds, samples) in [
        ([Kind::U32, Kind::U32], [Some(200.0), Some(9.0)], [vec![0u64, 200, 13, 9], vec![9, 0, 9, 9]]),
        (
            [Kind::I64, Kind::U32],
            [Some(100.0), None],
            [vec![-100i64 as u64, 100, -1i64 as u64, 3], vec![0, u32::MAX.into(), 1, 3]],
        ),
        (
            [Kind::I64, Kind::I64],
            [None, None],
            [vec![i64::MIN as u64, i64::MAX as u64, 3, 0], vec![i64::MIN as u64, -1i64 as u64, 3, 1]],
        ),
        ([Kind::U64, Kind::U64], [None, None], [vec![u64::MAX, 1 << 63, 0, 5], vec![-1i64 as u64, 5, 0, 5]]),
    ] {
        let program = program(kinds, bounds, 4, &steps);
        let lowered = lower(&program, &[]).expect("a circuit");
        let elements = samples.each_ref().map(|sample| Elements::Z64(sample.clone()));
        let expected = oracle::evaluate(&program, &elements);
        let found = evaluated(&lowered, &samples);
        for ((expected, found), step) in expected.iter().zip(found).zip(steps) {
            assert_eq!(expected.elements.to_u64(), found, "{step} of {samples:?} as {kinds:?}");
        }
    }
}

#[test]
fn narrow_numbers_make_small_circuits() {
    let gates = |bound| {
        let program = program([Kind::U64, Kind::U64], [bound; 2], 1, &["z = x + y"]);
        lower(&program, &[]).expect("a circuit").circuit.and_count()
    };
    assert_eq!(gates(Some(255.0)), 8, "a sum of two bytes has nine bits");
    assert_eq!(gates(None), 63);
}

/// A function of x and y, or of x alone.
fn function(function: Function, kind: Kind, bound: Option<f64>, len: usize) -> Lowered {
    let mut program = program([kind; 2], [bound; 2], len, &[]);
    let of: Vec<_> = program.inputs()[..function.arguments()].iter().map(|input| input.value).collect();
    let value = program.input("result", PartyId(0), Shape::new(1, len), None).expect("an input");
    program.hold(value, kind).expect("integers");
    program.output("z", value, Parties::first(2)).expect("an output");
    lower(&program, &[Computed { input: 2, function, of }]).expect("a circuit")
}

#[test]
fn numbers_are_sorted() {
    for (kind, bound, sample) in [
        (Kind::U32, Some(15.0), vec![3u64, 15, 0, 3, 9, 1, 14]),
        (Kind::I64, None, vec![3, u64::MAX, i64::MIN as u64, 0, i64::MAX as u64, 3, 1]),
    ] {
        let lowered = function(Function::Sort, kind, bound, sample.len());
        let mut sorted = sample.clone();
        sorted.sort_by_key(|&number| if kind.is_signed() { number as i64 as i128 } else { number.into() });
        assert_eq!(evaluated(&lowered, &[sample, vec![0; 7]]), [sorted]);
    }
}

#[test]
fn quotients_and_remainders_are_those_of_integers() {
    let signed = [i64::MIN, -7, -1, 0, 3];
    let pairs: Vec<(i64, i64)> = signed.iter().flat_map(|&a| signed.iter().map(move |&b| (a, b))).collect();
    let [a, b]: [Vec<u64>; 2] =
        [pairs.iter().map(|&(a, _)| a as u64).collect(), pairs.iter().map(|&(_, b)| b as u64).collect()];
    let by_zero = |a: i64| if a < 0 { 1 } else { -1 };
    let expected = |function, unsigned: bool| -> Vec<u64> {
        let one = |&(a, b): &(i64, i64)| match (function, unsigned, b) {
            (Function::Quotient, true, 0) => u64::MAX,
            (Function::Quotient, true, _) => a as u64 / b as u64,
            (Function::Quotient, false, 0) => by_zero(a) as u64,
            (Function::Quotient, false, _) => a.wrapping_div(b) as u64,
            (_, _, 0) => a as u64,
            (_, true, _) => a as u64 % b as u64,
            (_, false, _) => a.wrapping_rem(b) as u64,
        };
        pairs.iter().map(one).collect()
    };
    for (kind, unsigned) in [(Kind::U64, true), (Kind::I64, false)] {
        for which in [Function::Quotient, Function::Remainder] {
            let lowered = function(which, kind, None, pairs.len());
            let found = evaluated(&lowered, &[a.clone(), b.clone()]);
            assert_eq!(found, [expected(which, unsigned)], "{which:?} of {kind}");
        }
    }
    let lowered = function(Function::Quotient, Kind::I64, Some(128.0), 2);
    let found = evaluated(&lowered, &[vec![-128i64 as u64, 100], vec![-1i64 as u64, -3i64 as u64]]);
    assert_eq!(found, [vec![128, -33i64 as u64]], "the least number over −1");
}

#[test]
fn what_has_no_circuit_is_refused() {
    let fractions = Program::new(2, FixedPoint::new(Ring::Z64, 16).expect("a codec"));
    assert_eq!(lower(&fractions, &[]).err(), Some(NoCircuit::Fractions { fraction_bits: 16 }));
    let three = Program::new(3, FixedPoint::new(Ring::Z64, 0).expect("a codec"));
    assert_eq!(lower(&three, &[]).err(), Some(NoCircuit::Parties { parties: 3 }));
    let inputs = program([Kind::I64; 2], [None; 2], 1 << 20, &["z = x"]);
    let error = lower(&inputs, &[]).expect_err("64 bits of a million numbers").to_string();
    assert!(error.starts_with("x takes the circuit to about"), "{error}");
    let large = program([Kind::I64; 2], [None; 2], 1000, &["z = x.T @ y"]);
    let error = lower(&large, &[]).expect_err("a million products").to_string();
    assert!(error.starts_with("x.T @ y takes the circuit to about"), "{error}");
}
