use super::*;
use crate::program::Dims;
use crate::program::Number;
use crate::program::expression::{Names, add_step};
use crate::ring::{FixedPoint, Shape};
use crate::share::{Parties, PartyId};

/// A program on integers of these kinds and bounds, one step, and what its result stands for.
fn result(ring: Ring, inputs: &[(Kind, Option<f64>)], step: &str) -> Result<Integers, String> {
    let mut program = Program::new(2, FixedPoint::new(ring, 0).unwrap());
    let mut names = Names::new();
    for ((kind, bound), name) in inputs.iter().zip(["a", "b"]) {
        let input = program.input(name, PartyId(0), Shape::new(2, 3), *bound).unwrap();
        program.hold(input, *kind).unwrap();
        names.insert(name.to_owned(), input);
    }
    let value = add_step(&mut program, &mut names, 1, &format!("z = {step}")).map_err(|e| e.to_string())?;
    program.output("z", value, Parties::first(2)).unwrap();
    Ok(program.integers(value))
}

fn exact(low: i128, high: i128, signed: bool) -> Integers {
    Integers { span: Span::new(low, high), signed, wraps: false }
}

fn whole(signed: bool, ring: Ring) -> Integers {
    Integers { span: Span::of_reading(signed, ring), signed, wraps: true }
}

#[test]
fn narrow_kinds_are_known_in_a_wide_ring() {
    let u32s = [(Kind::U32, None), (Kind::U32, None)];
    let most = i128::from(u32::MAX);
    let result = |step| result(Ring::Z64, &u32s, step).unwrap();
    assert_eq!(result("a + b"), exact(0, 2 * most, false));
    assert_eq!(result("a - b"), exact(-most, most, true), "a difference is signed where that holds it");
    assert_eq!(result("abs(a - b)"), exact(0, most, true));
    assert_eq!(result("a * b"), exact(0, most * most, false));
    assert_eq!(result("sum(a, axis=1) - 5"), exact(-5, 3 * most - 5, true));
    assert_eq!(result("a @ b.T"), whole(false, Ring::Z64), "three products are beyond 2^64");
    assert_eq!(result("max(a, -3)"), exact(0, most, false));
    assert_eq!(result("clip(a, 4, 9)"), exact(4, 9, false));
    assert_eq!(result("assume(a - b, -3.5, 9)"), exact(-3, 9, true));
    assert_eq!(result("select(a, b, a)"), exact(0, most, false), "the condition is any integer");
    assert_eq!(result("argmax(a, axis=1)"), exact(0, 2, false));
    assert_eq!(result("(a < b) - (b < a)"), exact(-1, 1, true));
    assert_eq!(result("concat(a, b - a, axis=0)"), exact(-most, most, true));
}

#[test]
fn bounds_are_known_to_the_unit_at_the_ends_of_the_ring() {
    let power = (1i128 << 63) as f64;
    let result = |bound, kind, step| result(Ring::Z64, &[(kind, bound)], step).unwrap();
    assert_eq!(result(None, Kind::U64, "a + 0"), exact(0, u64::MAX.into(), false));
    assert_eq!(result(None, Kind::U64, "a + 1"), whole(false, Ring::Z64), "2^64 is one too many");
    assert_eq!(result(Some(power), Kind::U64, "a * 1"), exact(0, 1 << 63, false));
    assert_eq!(result(Some(power), Kind::I64, "a * 1"), exact(i64::MIN.into(), i64::MAX.into(), true));
    assert_eq!(result(None, Kind::I64, "a - 1"), whole(true, Ring::Z64));
    assert_eq!(result(None, Kind::I64, "-a"), exact(1 - (1 << 63), 1 << 63, true).wrapped());
    assert_eq!(result(None, Kind::I64, "abs(a)"), exact(0, 1 << 63, false), "a magnitude is unsigned");
    assert_eq!(result(Some(2.5), Kind::U64, "3 - a"), exact(1, 3, true), "there is no integer beyond 2");
}

/// The least integer that no float holds.
const BESIDE_FLOATS: i128 = (1 << 53) + 1;

#[test]
fn the_ends_of_an_assumption_are_exact() {
    let step = format!("assume(a, {BESIDE_FLOATS}, {BESIDE_FLOATS})");
    let one = exact(BESIDE_FLOATS, BESIDE_FLOATS, true);
    assert_eq!(result(Ring::Z64, &[(Kind::I64, None)], &step).unwrap(), one);
}

#[test]
fn public_numbers_that_no_float_holds_are_known_exactly() {
    let codec = FixedPoint::new(Ring::Z64, 4).unwrap();
    let mut program = Program::new(2, codec);
    let elements = Elements::from_integers(Ring::Z64, [(BESIDE_FLOATS as u64) << 4]);
    let public = program.public_tensor("t", Dims::SCALAR, &elements, true).unwrap();
    assert_eq!(program.integers(public), exact(BESIDE_FLOATS, BESIDE_FLOATS, true));
    let Interval { low, high } = program.value(public).interval.unwrap();
    assert!((low as i128) < BESIDE_FLOATS && BESIDE_FLOATS < high as i128, "{low} to {high}");
}

impl Integers {
    /// What it becomes where it fits no reading.
    fn wrapped(self) -> Integers {
        Integers::of_result(self.span, self.signed, Ring::Z64)
    }
}

#[test]
fn mixtures_are_signed_where_the_ring_holds_them_and_refused_where_nothing_does() {
    let result = |a, b, step| result(Ring::Z32, &[a, b], step);
    let (unsigned, signed) = ((Kind::U32, None), (Kind::I32, None));
    assert_eq!(result(unsigned, signed, "a + b").unwrap(), whole(true, Ring::Z32));
    assert_eq!(result(unsigned, signed, "max(a, b)").unwrap(), exact(0, u32::MAX.into(), false));
    assert_eq!(result(unsigned, signed, "min(b, a)").unwrap(), exact(i32::MIN.into(), i32::MAX.into(), true));
    assert_eq!(result((Kind::U32, Some(9.0)), (Kind::I32, Some(5.0)), "a - b").unwrap(), exact(-5, 14, true));
    assert_eq!(result(unsigned, signed, "a * (b < a)").unwrap(), exact(0, u32::MAX.into(), false));
    for step in ["concat(a, b, axis=0)", "select(a < b, a, b)"] {
        let message = result(unsigned, signed, step).unwrap_err();
        let reason = "would hold integers from -2147483648 to 4294967295, which neither signed nor unsigned \
                      integers of 32 bits do: declare bounds below 2^31 on unsigned inputs, or widen the ring";
        assert!(message.ends_with(reason), "{message}");
        assert!(result((Kind::U32, Some(2e9)), signed, step).is_ok(), "{step}");
    }
}

#[test]
fn kinds_are_declared_before_inputs_are_used_and_fit_the_ring() {
    let mut program = Program::new(2, FixedPoint::new(Ring::Z32, 0).unwrap());
    let x = program.input("x", PartyId(0), Shape::SCALAR, None).unwrap();
    let message = program.hold(x, Kind::U64).unwrap_err().to_string();
    assert_eq!(message, "'x' cannot hold u64: the program computes on 32 bits");
    program.hold(x, Kind::U32).unwrap();
    let sum = program.add_constant(x, Number::Integer(3)).unwrap();
    assert_eq!(program.hold(x, Kind::I32), Err(ProgramError::LateKind { name: "x".into() }));
    assert!(matches!(program.hold(sum, Kind::I32), Err(ProgramError::NoInput { .. })));
    let mut fixed = Program::new(2, FixedPoint::new(Ring::Z64, 16).unwrap());
    let x = fixed.input("x", PartyId(0), Shape::SCALAR, None).unwrap();
    fixed.hold(x, Kind::U32).unwrap();
    assert_eq!(fixed.value(x).fraction_bits, 0, "integers stand beside numbers with fractions");
}
