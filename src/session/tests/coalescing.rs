//! Small openings that depend on nothing of each other cross the wire together.

use super::world;
use crate::net::Frame;
use crate::net::tamper::Verdict;
use crate::program::Program;
use crate::ring::{Elements, FixedPoint, Ring, Shape};
use crate::share::{Parties, PartyId, Role};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

const PRODUCTS: usize = 100;

/// Both parties' sums, multiplied pair by pair; the products' sum for party 0.
fn program() -> Program {
    let mut program = Program::new(2, FixedPoint::new(Ring::Z64, 0).expect("a codec"));
    let mut total = None;
    for index in 0..PRODUCTS {
        let mut operand = |name: &str| {
            let shape = Shape::new(2, 2);
            let own = program.input(&format!("{name}{index}"), PartyId(0), shape, None).expect("an input");
            let other = program.input(&format!("{name}_{index}"), PartyId(1), shape, None).expect("an input");
            program.add(own, other).expect("a sum")
        };
        let (x, y) = (operand("x"), operand("y"));
        let product = program.mul(x, y).expect("a product");
        total = Some(total.map_or(product, |total| program.add(total, product).expect("a sum")));
    }
    program.output("total", total.expect("products"), Parties::from_iter([PartyId(0)])).expect("an output");
    program
}

#[test]
fn a_hundred_independent_products_take_one_round_and_few_frames() {
    let frames: Arc<Mutex<BTreeMap<(Role, Role), usize>>> = Arc::default();
    let counted = frames.clone();
    let rule = move |from: Role, to: Role, frame: &Frame| {
        if matches!(frame, Frame::Data(_) | Frame::Bundle(_)) {
            *counted.lock().expect("no panic").entry((from, to)).or_default() += 1;
        }
        Verdict::Pass
    };
    let program = program();
    let input = |value: u64| Elements::from_integers(Ring::Z64, vec![value; 4]);
    let inputs: Vec<Elements> = (0..program.inputs().len() as u64).map(input).collect();
    let outcomes = world(6).with_rule(Arc::new(rule)).run(&program, &inputs).expect("a run without faults");
    let expected: u64 = (0..PRODUCTS as u64).map(|index| (8 * index + 1) * (8 * index + 5)).sum();
    assert_eq!(outcomes[0].outputs["total"].to_u64(), [expected; 4]);
    let rounds = outcomes.iter().map(|outcome| outcome.report.tally.rounds).max();
    assert_eq!(rounds, Some(2), "one for all products, one for the output");
    let frames = frames.lock().expect("no panic");
    for (from, to) in [(0, 1), (1, 0)].map(|(from, to)| (Role::party(from), Role::party(to))) {
        // 200 openings, and the output.
        assert!(frames[&(from, to)] <= 8, "{} frames from {from}", frames[&(from, to)]);
    }
}
