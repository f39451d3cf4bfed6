//! The gradients of all functions equal the oracle bit for bit under every protocol, on the CPU and on every Vulkan adapter.
//! That the oracle's are right, the tests beside them hold against differences and against PyTorch.

use super::equivalence::check_in;
use super::ops::operands;
use super::{World, numbers, on_gpus, world};
use crate::plan::PlanOptions;
use crate::program::expression::functions::{Sample, functions};
use crate::program::expression::{Names, add_step};
use crate::program::{GradientError, Program, ProgramError, Truncation};
use crate::protocol::Protocol;
use crate::ring::{Elements, FixedPoint, Ring};
use crate::share::{Parties, PartyId};

/// Extents on which gradients are computed: every sample takes one of them.
const EXTENTS: [&[usize]; 3] = [&[3], &[3, 2], &[2, 2, 3, 3]];

/// Where the slopes of a sample's functions are neither steep nor flat.
fn ends((low, high): (f64, f64)) -> (f64, f64) {
    match (low, high) {
        (low, _) if low >= 0.0 => (0.5, 2.5),
        (_, high) if high <= 0.0 => (-2.5, -0.5),
        _ => (-2.5, 2.5),
    }
}

/// Adds the gradients of a sum of a sample's results, each times a number of party 0's, by all values that it depends on, as
/// outputs. Returns how many there are.
fn add_gradients(
    program: &mut Program,
    data: &mut Vec<Elements>,
    names: &mut Names,
    (number, sample): (usize, &Sample),
) -> usize {
    let Sample { step, .. } = sample;
    let add = |program: &mut Program, names: &mut Names, text: &str| {
        add_step(program, names, number, text).unwrap_or_else(|error| panic!("{error}"))
    };
    let result = add(program, names, &format!("z{number} = {step}"));
    let (dims, name) = (program.dims(result), format!("c{number}"));
    let times = program.input(&name, PartyId(0), dims, Some(1.0)).expect("an input");
    data.push(numbers(program.codec(), dims.folded().len(), 1.0, number as u64));
    names.insert(name.clone(), times);
    let loss = add(program, names, &format!("loss{number} = sum(z{number} * {name})"));
    let mut count = 0;
    for name in ["x", "y", "v"] {
        match program.gradient(loss, &[names[name]]) {
            Ok(gradients) => {
                let name = format!("gradient of {number}, {step}, by {name}");
                program.output(&name, gradients[0], Parties::first(2)).expect("an output");
                count += 1;
            }
            Err(ProgramError::Gradient(
                GradientError::Independent { .. }
                | GradientError::NoDerivative { .. }
                | GradientError::NoDerivativeBy { .. }
                | GradientError::Integers { .. },
            )) => {}
            Err(error) => panic!("{step} by {name}: {error}"),
        }
    }
    count
}

/// A program of the gradients of all samples on values of these extents, and its data.
fn program(protocol: Protocol, extents: &[usize]) -> (Program, Vec<Elements>) {
    let codec = FixedPoint::new(Ring::Z64, 16).expect("a codec");
    let mut program = Program::new(protocol.parties(), codec).with_truncation(Truncation::Exact);
    let (mut data, mut groups) = (Vec::new(), Vec::<((f64, f64), Names)>::new());
    let fits = |sample: &&Sample| (sample.axes.0..=sample.axes.1).contains(&extents.len());
    let mut count = 0;
    for (number, sample) in (1..).zip(functions().flat_map(|function| function.samples).filter(fits)) {
        let ends = ends(sample.ends);
        if groups.iter().all(|(other, _)| *other != ends) {
            groups.push((ends, operands(&mut program, &mut data, extents, ends)));
        }
        let (_, names) = groups.iter_mut().find(|(other, _)| *other == ends).expect("its operands");
        count += add_gradients(&mut program, &mut data, names, (number, sample));
    }
    assert!(count > 20, "{count} gradients on {extents:?}");
    (program, data)
}

fn hold(on: &dyn Fn(World) -> World) {
    for protocol in Protocol::ALL {
        for extents in EXTENTS {
            println!("gradients on {extents:?} by {protocol}");
            let (program, data) = program(protocol, extents);
            check_in(&on(world(protocol, 31)), PlanOptions::default(), &program, &data, 31);
        }
    }
}

#[test]
fn gradients_of_every_function_equal_the_oracle() {
    hold(&|world| world);
}

#[test]
fn gradients_of_every_function_equal_the_oracle_on_gpus() {
    on_gpus(|name, in_devices| {
        println!("on {name}");
        hold(in_devices);
    });
}

#[test]
fn every_function_has_a_sample_of_which_gradients_are_held() {
    let is_tried = |sample: &Sample| {
        EXTENTS.iter().any(|extents| (sample.axes.0..=sample.axes.1).contains(&extents.len()))
    };
    assert!(functions().flat_map(|function| function.samples).all(is_tried), "every sample");
}
