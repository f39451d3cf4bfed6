//! Correlations streamed into the computation: the same results from less memory, which does not grow with the program.

use super::recipe::recipe;
use super::{elements, numbers, protocol_of, world};
use crate::net::Frame;
use crate::plan::{PlanOptions, Plans, Supply};
use crate::program::Program;
use crate::program::tiling::TileSide;
use crate::protocol::Protocol;
use crate::ring::{Elements, FixedPoint, Ring, Shape};
use crate::session::SessionOutcome;
use crate::share::{Parties, PartyId, Role};
use crate::step::{Action, Phase};
use crate::testing::Verdict;
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

const AHEAD: PlanOptions = PlanOptions {
    side: TileSide(16),
    source: None,
    supply: Some(Supply::Ahead),
    window: 2,
    budget_bytes: None,
};
const STREAMED: PlanOptions = PlanOptions { supply: Some(Supply::Streamed), ..AHEAD };

/// relu(… relu(x · w) · w …), so many layers deep, for both.
fn layers(protocol: Protocol, depth: usize) -> Program {
    let codec = FixedPoint::new(Ring::Z64, 16).expect("a codec");
    let mut program = Program::new(protocol.parties(), codec);
    let shape = Shape::new(48, 48);
    let mut x = program.input("x", PartyId(0), shape, None).expect("an input");
    let w = program.input("w", PartyId(1), shape, None).expect("an input");
    for _ in 0..depth {
        let z = program.matmul(x, w).expect("shapes that fit");
        x = program.relu(z).expect("an activation");
    }
    program.output("y", x, Parties::first(2)).expect("an output");
    program
}

fn data(program: &Program) -> Vec<Elements> {
    let input = |seed| numbers(program.codec(), 48 * 48, 0.02, seed);
    vec![input(1), input(2)]
}

fn plans(program: &Program, options: PlanOptions) -> Plans {
    Plans::new(protocol_of(program), program, options).expect("a plan")
}

fn most_bytes(plans: &Plans) -> u64 {
    plans.parties.iter().map(|plan| plan.size_bytes()).max().expect("parties")
}

/// What must not depend on when correlations come.
fn check_alike(ahead: &[SessionOutcome], streamed: &[SessionOutcome]) {
    for (ahead, streamed) in ahead.iter().zip(streamed) {
        let (role, report) = (streamed.report.role, &streamed.report);
        assert_eq!(ahead.outputs, streamed.outputs, "the result of {role}, bit for bit");
        let counted = |outcome: &SessionOutcome| {
            let tally = &outcome.report.tally;
            let online = [tally.sent_bytes, tally.received_bytes];
            (online, [tally.offline_sent_bytes, tally.offline_received_bytes], tally.rounds)
        };
        assert_eq!(counted(ahead), counted(streamed), "what {role} sends and receives, by phase");
        assert_eq!(report.peak().by_class, report.planned(), "memory of {role} against its plan");
        let plan = streamed.plans.of(role);
        assert_eq!(plan.steps_in(Phase::Offline), 0, "{role} waits for nothing before the inputs");
    }
}

#[test]
fn a_deeper_program_takes_more_memory_dealt_ahead_and_none_more_streamed() {
    for protocol in Protocol::ALL {
        let [shallow, deep] = [4, 12].map(|depth| layers(protocol, depth));
        let bytes = |program, options| most_bytes(&plans(program, options));
        assert!(bytes(&deep, AHEAD) > 2 * bytes(&shallow, AHEAD), "{protocol}: correlations wait");
        let streamed = [&shallow, &deep].map(|program| bytes(program, STREAMED));
        assert!(streamed[1] * 10 <= streamed[0] * 11, "{protocol}: {streamed:?} bytes");
        assert!(streamed[1] * 4 < bytes(&deep, AHEAD), "{protocol}: {streamed:?} bytes");
    }
}

#[test]
fn what_is_streamed_gives_the_same_result_and_counts_as_offline() {
    for protocol in Protocol::ALL {
        let program = layers(protocol, 3);
        let run = |plan| {
            let world = world(protocol, 21).with_plan(plan);
            world.run(&program, &data(&program)).expect("a run without faults")
        };
        check_alike(&run(AHEAD), &run(STREAMED));
    }
}

#[test]
fn a_budget_streams_before_anything_leaves_the_device() {
    for protocol in Protocol::ALL {
        let program = layers(protocol, 6);
        let budget_bytes = Some(most_bytes(&plans(&program, STREAMED)));
        let chosen = plans(&program, PlanOptions { supply: None, budget_bytes, ..AHEAD });
        assert_eq!(chosen.supply(), Supply::Streamed, "{protocol}");
        assert!(chosen.parties.iter().all(|plan| plan.in_core), "{protocol}");
        let enough = PlanOptions { supply: None, budget_bytes: Some(u64::MAX), ..AHEAD };
        assert_eq!(plans(&program, enough).supply(), Supply::Ahead, "{protocol}: with room for all");
        let without = PlanOptions { supply: None, ..AHEAD };
        assert_eq!(plans(&program, without).supply(), Supply::Ahead, "{protocol}: without a budget");
    }
}

#[test]
fn one_party_short_of_memory_has_all_parties_stream() {
    let program = layers(Protocol::Replicated, 6);
    let budget_bytes = most_bytes(&plans(&program, STREAMED));
    let ended = world(Protocol::Replicated, 4).with_plan(PlanOptions { supply: None, ..AHEAD }).each_party(
        |party, session| {
            if party == PartyId(1) {
                session.options.budget_bytes = Some(budget_bytes);
            }
            let own = program.inputs().iter().zip(data(&program)).filter(|(input, _)| input.owner == party);
            let own = own.map(|(input, elements)| (input.name.clone(), elements)).collect();
            Ok(vec![session.run(Protocol::Replicated, &program, own)?])
        },
    );
    for outcomes in ended.expect("a run without faults") {
        let supply = outcomes[0].plans.supply();
        assert_eq!(supply, Supply::Streamed, "at {}", outcomes[0].report.role);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]
    /// Whoever is late, nobody waits for ever, and nothing but order changes.
    #[test]
    fn any_program_streams_whoever_is_late(recipe in recipe(), late in 0..4u8, budget in prop::option::of(4..8u64)) {
        let program = recipe.program();
        let late = if late == 3 { Role::Dealer } else { Role::party(late) };
        let rule = move |from: Role, _: Role, frame: &Frame| match frame {
            Frame::Data(_) | Frame::Bundle(_) if from == late => Verdict::Delay(Duration::from_millis(1)),
            _ => Verdict::Pass,
        };
        let (inputs, world) = (recipe.data(&program), world(recipe.protocol, recipe.seed));
        let ahead = PlanOptions { supply: Some(Supply::Ahead), ..recipe.plan };
        let least = PlanOptions { budget_bytes: Some(0), supply: Some(Supply::Streamed), ..recipe.plan };
        let roles = plans(&program, least);
        let least_bytes = roles.roles().map(|plan| plan.size_bytes()).max().expect("roles");
        let streamed = PlanOptions { budget_bytes: budget.map(|budget| least_bytes * budget / 4), ..least };
        let expected = world.clone().with_plan(ahead).run(&program, &inputs).expect("a run without faults");
        let late = world.with_plan(streamed).with_rule(Arc::new(rule));
        let outcomes = late.run(&program, &inputs).expect("a run without faults");
        check_alike(&expected, &outcomes);
    }
}

#[test]
fn a_party_that_deals_is_held_back_by_its_own_part() {
    let plans = plans(&layers(Protocol::Replicated, 3), STREAMED);
    let plan = plans.of(Role::party(2));
    // What it could send if it computed nothing.
    let mut passed = vec![false; plan.steps.len()];
    let mut sent_elements = 0;
    for (at, planned) in plan.steps.iter().enumerate() {
        let waits = planned.after.iter().any(|&earlier| !passed[earlier as usize]);
        passed[at] = planned.step.phase == Phase::Offline && !waits;
        if let (true, Action::Send { from, .. }) = (passed[at], &planned.step.action) {
            sent_elements += from.shape.len() as u64;
        }
    }
    let all_bytes = plans.traffic.of(plan.role).offline_sent_bytes;
    assert!(sent_elements > 0 && sent_elements * 8 * 8 < all_bytes, "{sent_elements} of {all_bytes} bytes");
}

#[test]
fn many_small_products_need_no_more_memory_than_some() {
    // Each is a tile of its own; a mask waits for as long as a slot rests.
    let program = |products: usize| {
        let mut program = Program::new(2, FixedPoint::new(Ring::Z64, 0).expect("integers"));
        let shape = Shape::new(1, 600);
        let x = program.input("x", PartyId(0), shape, None).expect("an input");
        let mut sum = program.input("y", PartyId(1), shape, None).expect("an input");
        for _ in 0..products {
            let product = program.mul(x, sum).expect("a product");
            sum = program.add(sum, product).expect("a sum");
        }
        program.output("z", sum, Parties::first(2)).expect("an output");
        program
    };
    let [some, many] = [100, 800].map(|products| most_bytes(&plans(&program(products), STREAMED)));
    assert_eq!(some, many);
    let small = program(20);
    let inputs = [1, 2].map(|seed| elements(Ring::Z64, 600, seed));
    let run = |plan| world(Protocol::Beaver, 2).with_plan(plan).run(&small, &inputs).expect("a run");
    check_alike(&run(AHEAD), &run(STREAMED));
}
