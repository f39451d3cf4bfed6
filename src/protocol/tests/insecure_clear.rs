//! A toy of four parties that keeps nothing secret.
//!
//! **Functionality.** Evaluates a program and reveals each output to its recipients. **Steps.** 1. Every party sends its
//! inputs to party 0, in the clear. 2. Party 0 computes. 3. It sends each recipient its outputs. **Bytes.** One element
//! for each element of an input that is not party 0's, and of an output for each recipient but party 0. **Rounds.** 2.
//! **Security model.** None: party 0 learns every input.

use crate::correlation::{Product, Source};
use crate::program::{Program, Test, Truncation};
use crate::protocol::Content;
use crate::protocol::lowering::{Block, Lowering, Pair, Parts, Tile, lower};
use crate::protocol::rules::{Coalition, Row, Rules, Served};
use crate::ring::Shape;
use crate::share::{PartyId, Sharing};
use crate::step::MemoryClass;
use std::convert::Infallible;

pub(in crate::protocol) const ROW: Row = Row {
    name: "insecure_clear",
    parties: 4,
    keepers: InsecureClear::KEEPERS,
    sources: &[Served {
        source: Source::Nobody,
        trust: &[Coalition { who: "party 0 alone", learns: "every input" }],
    }],
    lower: lower::<InsecureClear>,
};

const COMPUTES: PartyId = PartyId(0);

struct InsecureClear;

impl Rules for InsecureClear {
    type Bits = Infallible;
    const KEEPERS: usize = 1;

    fn new(_: &Program) -> InsecureClear {
        InsecureClear
    }

    fn input(lowering: &mut Lowering<'_, InsecureClear>, owner: PartyId, block: Block) -> Parts {
        let known = match owner {
            COMPUTES => block,
            _ => lowering.transfer(block, owner, COMPUTES, Content::Share, MemoryClass::Shares),
        };
        Sharing::alone(COMPUTES, known)
    }

    fn product(_: &mut Lowering<'_, Self>, _: Product, _: Shape, _: &[Pair]) -> Parts {
        unreachable!("{COMPUTES} knows every factor")
    }

    fn truncate(_: &mut Lowering<'_, Self>, _: Tile, _: u32, _: Truncation) -> Parts {
        unreachable!("{COMPUTES} knows every product")
    }

    fn test(_: &mut Lowering<'_, Self>, _: Tile, _: Test) -> Infallible {
        unreachable!("{COMPUTES} knows every value")
    }

    fn elements(_: &mut Lowering<'_, Self>, bits: Infallible) -> Parts {
        match bits {}
    }

    fn choose(_: &mut Lowering<'_, Self>, bits: Infallible, _: Tile) -> Parts {
        match bits {}
    }
}

#[test]
fn a_protocol_that_the_house_does_not_know_runs_through_plan_session_and_report() {
    use crate::device::cpu::Cpu;
    use crate::plan::{PlanOptions, Plans};
    use crate::program::oracle;
    use crate::program::tiling::TileSide;
    use crate::protocol::Protocol;
    use crate::ring::{Elements, FixedPoint, Ring};
    use crate::session::World;
    use crate::share::{Parties, Role};
    use std::sync::Arc;

    let (protocol, parties) = (Protocol::InsecureClear, Parties::first(4));
    let codec = FixedPoint::new(Ring::Z64, 16).expect("a codec");
    let mut program = Program::new(protocol.parties(), codec);
    let shape = Shape::new(5, 5);
    let [x, y, z] = [0, 2, 3].map(|owner| {
        program.input(&format!("x{owner}"), PartyId(owner), shape, Some(4.0)).expect("an input")
    });
    let product = program.matmul(y, z).expect("a product");
    let sum = program.add(product, x).expect("a sum");
    let relu = program.relu(sum).expect("a choice");
    program.output("relu", relu, parties.without(PartyId(2))).expect("an output");
    let inputs = [1, 2, 3].map(|seed| {
        let values: Vec<f64> = (0..25).map(|at| ((at * seed) % 7) as f64 - 3.25).collect();
        Elements::encode(codec, &values).expect("numbers in range")
    });

    let plan = PlanOptions { side: TileSide(3), ..PlanOptions::default() };
    let plans = Plans::new(protocol, &program, plan).expect("a plan");
    assert_eq!((plans.traffic.rounds, plans.dealer.as_ref()), (2, None));
    let sent = Parties::first(4).iter().map(|party| plans.cost.sent_elements(party));
    assert_eq!(sent.collect::<Vec<_>>(), [2 * 25, 0, 25, 25], "outputs of party 0, inputs of 2 and 3");
    let trust = protocol.trust(plans.source);
    assert_eq!(trust.iter().map(|coalition| coalition.who).collect::<Vec<_>>(), ["party 0 alone"]);

    let device = || Arc::new(Cpu::open(Some(1), None).expect("a device"));
    let world = World::new(protocol, device()).with_plan(plan);
    let world = parties.iter().fold(world, |world, party| world.with_device(party.into(), device()));
    let outcomes = world.run(&program, &inputs).expect("a run");
    let expected = &oracle::evaluate(&program, &inputs)[0];
    for (party, outcome) in parties.iter().zip(&outcomes) {
        let learnt = outcome.outputs.get("relu");
        assert_eq!(learnt.is_none(), party == PartyId(2), "{party} learns what it may");
        let difference = learnt.and_then(|learnt| expected.first_difference(learnt));
        assert_eq!(difference, None, "{party} against the oracle");
        let (tally, planned) = (&outcome.report.tally, plans.traffic.of(Role::from(party)));
        assert_eq!(tally.sent_bytes, planned.sent_bytes, "bytes of {party} against its plan");
        assert_eq!(outcome.report.peak().by_class, outcome.report.planned(), "memory of {party}");
    }
}
