//! Every operator and every function of the language equals the oracle bit for bit under every protocol, on the CPU and on
//! every Vulkan adapter: on empty, single and prime-sized axes, at both ends of its numbers and between them.

use super::equivalence::check_in;
use super::tensors::parts;
use super::{World, on_gpus, world};
use crate::correlation::Source;
use crate::plan::{PlanOptions, Plans};
use crate::program::expression::functions::*;
use crate::program::expression::{Names, add_step};
use crate::program::{Dims, Program, Truncation};
use crate::protocol::Protocol;
use crate::ring::{Elements, FixedPoint, Ring};
use crate::share::{Parties, PartyId};

/// The operators, beside the functions of the language.
const OPERATORS: [Sample; 36] = [
    sample("x // 7 - y // 4", LARGE),
    sample("x % 3", LARGE),
    sample("x < y", LARGEST),
    sample("x <= y", LARGEST),
    sample("x > y", LARGEST),
    sample("x >= y", LARGEST),
    sample("x == y", LARGEST),
    sample("x != y", LARGEST),
    sample("x + y - v", LARGEST),
    sample("x[::2]", LARGEST),
    sample("x / 7", LARGE).taking(2),
    sample("x * y", SMALL),
    sample("x * 0.3 @ v", SMALL),
    sample("1 / x", POWERS).taking(17),
    sample("x / x", POWERS).taking(17),
    sample("1 / assume(x, 0.003, 512)", POWERS).taking(15),
    sample("x / assume(y, 0.003, 512)", POWERS),
    sample("assume(x, 0.003, 512) / assume(x, 0.003, 512)", POWERS).taking(15),
    sample("x ** 3 - y ** 2", SMALL),
    sample("x ** -2", POWERS),
    sample("x ** 1.5", POWERS),
    sample("x > 0 and not y < x or x == y", LARGEST),
    sample("(x < y) xor (x < 0)", LARGEST),
    sample("x[::-1] + x[-1::-1]", LARGE),
    sample("[[1], [2]] * sum(x) + [0.5, sum(y), 3]", LARGE),
    of_matrices("x[:, ::-2]"),
    of_images("x[:, ::-1, 4:0:-3]"),
    of_matrices("x @ y.T"),
    of_matrices("x.T @ y"),
    of_matrices("v @ x.T"),
    of_matrices("x[:, -1]"),
    of_images("x @ y[:, :1, :3]"),
    of_images("x @ v"),
    of_images("x * y[:, :1, :, 1:2]"),
    of_images("x[:, 1, ::2]"),
    of_images("x[:, 0] - y[:, 1]"),
];

fn samples() -> impl Iterator<Item = &'static Sample> {
    OPERATORS.iter().chain(functions().flat_map(|function| function.samples))
}

fn dims(extents: &[usize]) -> Dims {
    Dims::new(extents).expect("few axes")
}

/// Adds `x` and `y` of these extents, with elements between two numbers, and `v`, each of two parties' parts.
pub(super) fn operands(
    program: &mut Program,
    data: &mut Vec<Elements>,
    extents: &[usize],
    ends: (f64, f64),
) -> Names {
    let last = &extents[extents.len() - 1..];
    let (low, high) = ends;
    let operands = [("x", extents, ends), ("y", extents, (high, low)), ("v", last, (1.0 / 256.0, 4.0))];
    let mut names = Names::new();
    for (name, extents, ends) in operands {
        let parts_of = [0, 1].map(|party| {
            let name = format!("{name} from {low} to {high} of {party}");
            program.input(&name, PartyId(party), dims(extents), None).expect("an input")
        });
        data.extend(parts(program.codec(), dims(extents).folded().len(), ends));
        names.insert(name.into(), program.add(parts_of[0], parts_of[1]).expect("a sum"));
    }
    names
}

fn codec() -> FixedPoint {
    FixedPoint::new(Ring::Z64, 16).expect("a codec")
}

/// True where a sample takes values of these extents.
fn fits(sample: &Sample, extents: &[usize]) -> bool {
    (sample.axes.0..=sample.axes.1).contains(&extents.len())
}

/// A program of all samples on values of these extents, whose results all are outputs, and its data.
fn program(protocol: Protocol, extents: &[usize]) -> (Program, Vec<Elements>) {
    let mut program = Program::new(protocol.parties(), codec()).with_truncation(Truncation::Exact);
    let (mut data, mut groups) = (Vec::new(), Vec::<((f64, f64), Names)>::new());
    let fitting = samples().filter(|sample| fits(sample, extents));
    for (number, &Sample { step, ends, .. }) in (1..).zip(fitting) {
        if groups.iter().all(|(other, _)| *other != ends) {
            groups.push((ends, operands(&mut program, &mut data, extents, ends)));
        }
        let (_, names) = groups.iter_mut().find(|(other, _)| *other == ends).expect("its operands");
        let text = format!("z{number} = {step}");
        let value = add_step(&mut program, names, number, &text).unwrap_or_else(|error| panic!("{error}"));
        let name = format!("{step} for x of shape {} up to {}", dims(extents), ends.1);
        program.output(&name, value, Parties::first(2)).expect("an output");
    }
    (program, data)
}

/// Extents on which samples are computed.
const EXTENTS: [&[usize]; 7] = [&[7, 3], &[0, 3], &[1, 1], &[5], &[1], &[2, 2, 5, 3], &[0, 2, 5, 3]];

/// Those where two parties make the correlations, of which each takes the host's time: every sample is among them.
const FEW_EXTENTS: [&[usize]; 3] = [&[2, 1], &[3], &[2, 2, 5, 3]];

/// Holds all samples against the oracle by these protocols, each with correlations from a source.
fn hold(settings: &[(Protocol, Source)], cases: &[&[usize]], on: &dyn Fn(World) -> World) {
    for &(protocol, source) in settings {
        let plan = PlanOptions { source: Some(source), ..PlanOptions::default() };
        for extents in cases {
            println!("ops on {extents:?} by {protocol}, with correlations from {source}");
            let (program, data) = program(protocol, extents);
            check_in(&on(world(protocol, 29)), plan, &program, &data, 29);
        }
    }
}

/// Every protocol, served as it is by default.
fn by_default() -> [(Protocol, Source); Protocol::ALL.len()] {
    Protocol::ALL.map(|protocol| (protocol, protocol.default_source()))
}

#[test]
fn every_op_equals_the_oracle() {
    hold(&by_default(), &EXTENTS, &|world| world);
}

#[test]
fn every_op_equals_the_oracle_where_two_parties_make_their_correlations() {
    let is_tried = |sample: &Sample| FEW_EXTENTS.iter().any(|extents| fits(sample, extents));
    assert!(samples().all(is_tried), "every op");
    hold(&[(Protocol::Beaver, Source::Pair)], &FEW_EXTENTS, &World::with_pair);
}

#[test]
fn every_op_equals_the_oracle_on_gpus() {
    on_gpus(|name, in_devices| {
        println!("on {name}");
        hold(&by_default(), &EXTENTS[..2], in_devices);
        hold(&by_default(), &EXTENTS[5..], in_devices);
    });
}

#[test]
fn every_function_has_a_sample_of_itself() {
    for function in functions() {
        let call = format!("{}(", function.name());
        assert!(function.samples.iter().any(|sample| sample.step.contains(&call)), "{call}…)");
    }
}

#[test]
fn samples_take_the_rounds_that_they_state() {
    let mut wrong = Vec::new();
    for &Sample { step, ends, rounds, .. } in samples() {
        let Some(rounds) = rounds else { continue };
        let mut program = Program::new(2, codec());
        let mut names = operands(&mut program, &mut Vec::new(), &[7, 3], ends);
        let value = add_step(&mut program, &mut names, 1, &format!("z = {step}")).expect("a step");
        program.output("z", value, Parties::first(2)).expect("an output");
        let plans = Plans::new(Protocol::Beaver, &program, PlanOptions::default()).expect("a plan");
        if plans.traffic.rounds != rounds + 1 {
            wrong.push(format!("{step}: {} and the output", plans.traffic.rounds - 1));
        }
    }
    assert_eq!(wrong, [""; 0]);
}
