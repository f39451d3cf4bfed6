//! What a dealer is told of a session: what to deal, and nothing of the program.

use super::{elements, numbers, product, world};
use crate::correlation::Demand;
use crate::net::Frame;
use crate::program::Program;
use crate::protocol::Protocol;
use crate::ring::{Elements, FixedPoint, Ring, Shape};
use crate::session::keys::Nonce;
use crate::session::order::{Order, PlanName, Request};
use crate::session::{World, WorldError};
use crate::share::{Parties, PartyId, Role};
use crate::testing::Verdict;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// The plan that parties name in their orders during a run, and the numbers of all frames to the dealer.
fn named(world: World, program: &Program, inputs: &[Elements]) -> Vec<PlanName> {
    let orders = Arc::new(Mutex::new(Vec::new()));
    let seen = orders.clone();
    let rule = move |_: Role, receiver: Role, frame: &Frame| {
        if let (Role::Dealer, Frame::Control { payload: bytes, .. }) = (receiver, frame) {
            seen.lock().expect("no panic while it is held").push(bytes.clone());
        }
        Verdict::Pass
    };
    world.with_rule(Arc::new(rule)).run(program, inputs).expect("a run");
    let orders = orders.lock().expect("no panic while it is held");
    let order = |bytes: &bytes::Bytes| {
        let request: Request<Order> = serde_json::from_slice(bytes).expect("an order");
        match request.order {
            Order::First { plan, .. } => plan,
            other => panic!("a first order, not {other:?}"),
        }
    };
    orders.iter().map(order).collect()
}

#[test]
fn the_name_of_a_plan_says_nothing_of_the_plan() {
    let program = product(Protocol::Beaver, Ring::Z64, 0, (2, 3, 4));
    let inputs = [elements(Ring::Z64, 6, 1), elements(Ring::Z64, 12, 2)];
    let device = || Arc::new(crate::device::cpu::Cpu::open(Some(1), None).expect("the CPU device opens"));
    let [first, second] = [(); 2].map(|()| named(World::new(Protocol::Beaver, device()), &program, &inputs));
    assert_eq!(first.len(), 2, "both parties order");
    assert_eq!(first[0], first[1], "the parties call the plan the same");
    assert_ne!(first[0], second[0], "another session calls the same plan otherwise");
}

#[test]
fn a_name_depends_on_every_nonce() {
    let nonces = |last: u8| -> BTreeMap<Role, Nonce> {
        BTreeMap::from([(Role::party(0), [1; 32]), (Role::party(1), [last; 32])])
    };
    let name = PlanName::new(&[7; 32], &nonces(2));
    assert_eq!(name, PlanName::new(&[7; 32], &nonces(2)));
    assert_ne!(name, PlanName::new(&[7; 32], &nonces(3)));
    assert_ne!(name, PlanName::new(&[8; 32], &nonces(2)));
}

/// relu(salaries) for party 1.
fn salaries() -> (Program, Elements) {
    let codec = FixedPoint::new(Ring::Z64, 16).expect("a codec");
    let mut program = Program::new(2, codec);
    let x = program.input("salaries", PartyId(0), Shape::new(4, 4), Some(1.0)).expect("an input");
    let y = program.relu(x).expect("a value");
    program.output("net", y, Parties::from_iter([PartyId(1)])).expect("an output");
    (program, numbers(codec, 16, 1.0, 3))
}

/// What each role says of a failed run.
fn words(result: Result<Vec<crate::session::SessionOutcome>, WorldError>) -> BTreeMap<Role, String> {
    let failures = result.expect_err("a failure").failures;
    failures.into_iter().map(|(role, error)| (role, error.to_string())).collect()
}

#[test]
fn an_input_out_of_bounds_is_named_to_parties_alone() {
    let (program, _) = salaries();
    let codec = program.codec();
    let wrong = Elements::encode(codec, &[1234.5; 16]).expect("numbers within range");
    let words = words(world(Protocol::Beaver, 1).run(&program, &[wrong]));
    assert!(words[&Role::party(0)].contains("1234.5"), "the owner is told all: {words:?}");
    assert_eq!(words[&Role::party(1)], "party 0 gave up: its input 'salaries' cannot be used");
    // Party 1 gives up as well, and may be the first that the dealer hears.
    let said = ["party 0 gave up: its inputs cannot be used", "party 1 gave up: party 0 gave up"];
    assert!(said.contains(&words[&Role::Dealer].as_str()), "{words:?}");
}

#[test]
fn a_failure_in_mid_run_does_not_tell_the_dealer_the_step() {
    let (program, inputs) = salaries();
    let rule = |sender: Role, receiver: Role, frame: &Frame| {
        let is_opening = matches!(frame, Frame::Data(_) | Frame::Bundle(_));
        let between_parties = sender != Role::Dealer && receiver != Role::Dealer;
        if is_opening && between_parties { Verdict::Cut } else { Verdict::Pass }
    };
    let words = words(world(Protocol::Beaver, 1).with_rule(Arc::new(rule)).run(&program, &[inputs]));
    assert!([0, 1].iter().any(|&party| words[&Role::party(party)].contains("relu")), "{words:?}");
    assert!(
        !words[&Role::Dealer].contains("relu") && !words[&Role::Dealer].contains("salaries"),
        "{words:?}"
    );
}

#[test]
fn an_order_of_more_correlations_than_are_dealt_is_given_up_where_the_last_one_comes() {
    let entries = |count: usize| {
        let entries = vec!["{\"bit\":{\"shape\":{\"rows\":1,\"cols\":1}}}"; count].join(",");
        let demand = format!("{{\"ring\":\"Z64\",\"entries\":[{entries}]}}");
        serde_json::from_str::<Demand>(&demand)
            .map(|demand| demand.entries.len())
            .map_err(|error| error.to_string())
    };
    assert_eq!(entries(Demand::MOST_ENTRIES), Ok(Demand::MOST_ENTRIES));
    // The text goes on for as long again: none of it is taken.
    let error = entries(2 * Demand::MOST_ENTRIES).expect_err("too many");
    assert!(error.starts_with("invalid length 262145, expected at most 262144 correlations"), "{error}");
}
