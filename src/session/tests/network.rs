//! A network on real data: the digits of `tools/digits` through two hidden layers.

use super::equivalence::check;
use super::world;
use crate::program::{Program, Truncation, ValueId, oracle};
use crate::protocol::Protocol;
use crate::ring::{Axis, Elements, FixedPoint, Ring, Shape};
use crate::share::{Parties, PartyId};
use std::path::Path;

/// The bytes of a NumPy array behind its header.
fn data(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/digits").join(name);
    let mut bytes = std::fs::read(&path).expect("the data of the digits");
    let header = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    bytes.split_off(header)
}

fn reals(name: &str) -> Vec<f64> {
    data(name).as_chunks().0.iter().map(|&word| f64::from(f32::from_le_bytes(word))).collect()
}

fn labels() -> Vec<f64> {
    data("test_y.npy").as_chunks().0.iter().map(|&word| i64::from_le_bytes(word) as f64).collect()
}

/// The network, its inputs in order, and its outputs `scores` and `labels` for party 0.
fn network(protocol: Protocol) -> (Program, Vec<Elements>) {
    let codec = FixedPoint::new(Ring::Z64, 16).expect("a codec");
    let mut program = Program::new(protocol.parties(), codec).with_truncation(Truncation::Exact);
    let mut inputs = Vec::new();
    let mut input = |program: &mut Program, name: &str, owner: u8, shape: (usize, usize)| {
        inputs.push(Elements::encode(codec, &reals(&format!("{name}.npy"))).expect("numbers in range"));
        program.input(name, PartyId(owner), Shape::new(shape.0, shape.1), None).expect("an input")
    };
    let mut x: ValueId = input(&mut program, "test_x", 0, (360, 64));
    for (layer, shape) in [(1, (64, 64)), (2, (64, 32)), (3, (32, 10))] {
        let w = input(&mut program, &format!("mlp_w{layer}"), 1, shape);
        let b = input(&mut program, &format!("mlp_b{layer}"), 1, (1, shape.1));
        let product = program.matmul(x, w).expect("a product");
        x = program.add(product, b).expect("a sum");
        if layer < 3 {
            x = program.relu(x).expect("a relu");
        }
    }
    let largest = program.argmax(x, Axis::Cols).expect("an index");
    let reader = Parties::from_iter([PartyId(0)]);
    program.output("scores", x, reader).expect("an output");
    program.output("labels", largest, reader).expect("an output");
    (program, inputs)
}

#[test]
fn a_private_network_gives_what_the_plain_one_gives() {
    Protocol::ALL.into_iter().for_each(gives_what_the_plain_one_gives);
}

fn gives_what_the_plain_one_gives(protocol: Protocol) {
    let (program, inputs) = network(protocol);
    // Scores and labels, bytes, rounds and memory.
    check(&program, &inputs, 11);
    let outcome = &world(protocol, 12).run(&program, &inputs).expect("a run without faults")[0];
    let expected = oracle::evaluate(&program, &inputs);
    assert!(
        expected.iter().all(|output| output.slack.iter().all(|&slack| slack == 0)),
        "nothing is left open"
    );
    assert_eq!(outcome.outputs["scores"], expected[0].elements);
    assert_eq!(outcome.outputs["labels"], expected[1].elements);
    let found = outcome.outputs["labels"].decode(program.codec());
    let right = found.iter().zip(labels()).filter(|&(&found, label)| found == label).count();
    assert_eq!((right, found.len()), (355, 360), "98.61 % are right");
}
