//! Small openings that depend on nothing of each other cross the wire together.

use super::world;
use crate::net::{BUNDLE_HEADER_BYTES, HEADER_BYTES, LinkShape};
use crate::plan::{DeviceModel, PlanOptions, Plans};
use crate::program::Program;
use crate::protocol::Protocol;
use crate::ring::{Elements, FixedPoint, Ring, Shape};
use crate::run::{Overlap, simulate};
use crate::share::{Parties, PartyId};
use std::time::Duration;

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
    let program = program();
    let input = |value: u64| Elements::from_integers(Ring::Z64, vec![value; 4]);
    let inputs: Vec<Elements> = (0..program.inputs().len() as u64).map(input).collect();
    let outcomes = world(Protocol::Beaver, 6).run(&program, &inputs).expect("a run without faults");
    let expected: u64 = (0..PRODUCTS as u64).map(|index| (8 * index + 1) * (8 * index + 5)).sum();
    assert_eq!(outcomes[0].outputs["total"].to_u64(), [expected; 4]);
    let rounds = outcomes.iter().map(|outcome| outcome.report.tally.rounds).max();
    assert_eq!(rounds, Some(2), "one for all products, one for the output");
    for outcome in &outcomes {
        let framing_bytes = outcome.report.tally.framing_bytes as usize;
        let in_bundles = 2 * PRODUCTS * BUNDLE_HEADER_BYTES;
        assert!(framing_bytes <= in_bundles + 4 * HEADER_BYTES, "{framing_bytes} bytes of framing");
    }
}

#[test]
fn a_hundred_independent_products_wait_once_for_a_far_peer() {
    let plans = Plans::new(Protocol::Beaver, &program(), PlanOptions::default()).expect("a plan");
    let far = LinkShape::new(1_000_000_000, Duration::from_millis(40)).expect("a link");
    let online = simulate(&plans, &DeviceModel::typical(), far, Overlap::On).online;
    assert!(online < Duration::from_millis(50), "two messages of 20 ms, one after the other: {online:?}");
}
