//! Functions in circuits, rounded at random, against the true ones in `f64`, over all numbers for which they state an error.

use super::world;
use crate::plan::{PlanOptions, Plans};
use crate::program::expression::accuracy::{Accuracy, Measured, case};
use crate::program::expression::functions::functions;
use crate::program::expression::{Names, add_step};
use crate::program::{Program, Truncation};
use crate::protocol::Protocol;
use crate::ring::{Elements, FixedPoint, Ring, Shape};
use crate::share::{Parties, PartyId};
use proptest::prelude::*;

/// Numbers of a row.
const COLS: usize = 3;

/// By how many times a result may exceed the error that is stated of exact truncations: each that is rounded at random is off by up
/// to a unit more.
const ROUNDED: f64 = 2.0;

const CALLS: [&str; 6] = ["exp(x)", "log(x)", "sqrt(x)", "rsqrt(x)", "reciprocal(x)", "softmax(x, axis=1)"];

/// What the rings hold of quotients.
const QUOTIENT: Accuracy =
    case("x / y", (1.0 / 256.0, 511.0), [6e-5, 2e-2], |x, y| x.iter().zip(y).map(|(x, y)| x / y).collect())
        .narrow("x / y", (1.0 / 256.0, 3.9));

fn cases() -> Vec<Accuracy> {
    let stated = functions().flat_map(|function| function.accuracy).copied();
    let chosen = stated.filter(|case| CALLS.contains(&case.within(Ring::Z64).call));
    chosen.chain([QUOTIENT]).collect()
}

/// A number between the ends, by its logarithm; `part` is between 0 and 1.
fn between(codec: FixedPoint, (low, high): (f64, f64), part: f64) -> f64 {
    let powers = |low: f64, high: f64, part: f64| low * (high / low).powf(part);
    let number = match part < 0.5 {
        _ if low > 0.0 => powers(low, high, part),
        true => -powers(codec.resolution(), -low, 2.0 * part),
        false => powers(codec.resolution(), high, 2.0 * part - 1.0),
    };
    ((number / codec.resolution()).round() * codec.resolution()).clamp(low, high)
}

/// The call on numbers of which both parties hold parts.
fn program(codec: FixedPoint, call: &str, bound: Option<f64>) -> Program {
    let mut program = Program::new(2, codec).with_truncation(Truncation::Stochastic);
    let mut names = Names::new();
    for name in ["x", "y"] {
        let mut part = |party: u8, bound| {
            let shape = Shape::new(1, COLS);
            program.input(&format!("{name}{party}"), PartyId(party), shape, bound).expect("an input")
        };
        let (own, other) = (part(0, bound), part(1, bound.map(|_| codec.resolution())));
        names.insert(name.to_owned(), program.add(own, other).expect("a sum"));
    }
    let result = add_step(&mut program, &mut names, 1, &format!("z = {call}")).expect("a step");
    program.output("z", result, Parties::first(1)).expect("an output");
    program
}

/// Holds a call's results against the true ones.
fn hold(case: &Accuracy, ring: Ring, parts: [[f64; COLS]; 2], seed: u64) {
    let codec = FixedPoint::new(ring, ring.bits() / 4).expect("a codec");
    let Measured { call, ends, most } = case.within(ring);
    let bound = case.declared.then_some(ends.0.abs().max(ends.1.abs()));
    let program = program(codec, call, bound);
    let garbled = Plans::new(Protocol::BeaverGarbled, &program, PlanOptions::default()).expect("a plan");
    assert!(garbled.parties[0].garbled_host_bytes() > 0, "{call} has a circuit");
    let [x, y] = parts.map(|parts| parts.map(|part| between(codec, ends, part)));
    let data = [x, [0.0; COLS], y, [0.0; COLS]].map(|row| Elements::encode(codec, &row).expect("numbers"));
    let outcomes = world(Protocol::BeaverGarbled, seed).run(&program, &data).expect("a run without faults");
    let found = outcomes[0].outputs["z"].decode(codec);
    for ((found, truth), x) in found.iter().zip((case.truth)(&x, &y)).zip(x) {
        let error = (found - truth).abs() / truth.abs().max(1.0);
        assert!(
            error <= ROUNDED * most,
            "{call} of {x} in {} bits: {found} for {truth}, off by {error}, stated {most}",
            ring.bits()
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(if cfg!(debug_assertions) { 1 } else { 8 })
    })]

    #[test]
    fn functions_in_circuits_are_as_near_to_the_true_ones_as_they_state(
        parts in prop::array::uniform2(prop::array::uniform3(0.0..1.0f64)),
        seed in any::<u64>(),
    ) {
        for case in cases() {
            for ring in [Ring::Z64, Ring::Z32] {
                hold(&case, ring, parts, seed);
            }
        }
    }
}
