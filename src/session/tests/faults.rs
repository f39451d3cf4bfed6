//! When something breaks, every role ends, and says what broke.

use super::{elements, product, world};
use crate::net::{Data, Deadlines, Frame, NetError};
use crate::program::oracle;
use crate::protocol::Protocol;
use crate::ring::{Elements, Ring};
use crate::run::RunError;
use crate::session::{SessionError, SessionOptions, World, WorldError};
use crate::share::Role;
use crate::testing::Verdict;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const ZERO: Role = Role::party(0);
const ONE: Role = Role::party(1);

/// Of the product: party 0's input is a message with a frame of its own.
const SHAPE: (usize, usize, usize) = (64, 40, 2);

fn inputs() -> [Elements; 2] {
    let (m, k, n) = SHAPE;
    [elements(Ring::Z64, m * k, 1), elements(Ring::Z64, k * n, 2)]
}

/// Runs a small product while `rule` decides on the data frames from `sender` to `receiver`.
fn run_with(
    protocol: Protocol,
    sender: Role,
    receiver: Role,
    rule: impl Fn(&Data) -> Verdict + Send + Sync + 'static,
) -> Result<(), WorldError> {
    run_in(world(protocol, 1), protocol, sender, receiver, rule)
}

fn run_in(
    world: World,
    protocol: Protocol,
    sender: Role,
    receiver: Role,
    rule: impl Fn(&Data) -> Verdict + Send + Sync + 'static,
) -> Result<(), WorldError> {
    let rule = move |from: Role, to: Role, frame: &Frame| match frame {
        Frame::Data(data) if (from, to) == (sender, receiver) => rule(data),
        _ => Verdict::Pass,
    };
    let program = product(protocol, Ring::Z64, 0, SHAPE);
    let outcomes = world.with_rule(Arc::new(rule)).run(&program, &inputs())?;
    let expected = &oracle::evaluate(&program, &inputs())[0];
    for found in outcomes.iter().filter_map(|outcome| outcome.outputs.get("z")) {
        assert_eq!(expected.first_difference(found), None, "a run that ends well is right");
    }
    Ok(())
}

fn error_of(failure: &WorldError, role: Role) -> &SessionError {
    let of_role = failure.failures.iter().find(|(failed, _)| *failed == role);
    &of_role.unwrap_or_else(|| panic!("{role} should have failed: {failure}")).1
}

#[test]
fn delays_change_nothing() {
    let slow = |_: &Data| Verdict::Delay(Duration::from_millis(50));
    for protocol in Protocol::ALL {
        run_with(protocol, ZERO, ONE, slow).expect("a slow run");
        run_with(protocol, protocol.default_source().dealer().expect("somebody deals"), ONE, slow)
            .expect("a slow dealer");
    }
}

#[test]
fn a_lost_message_is_reported_as_a_stall() {
    // Nothing else tells of it; and what a slow machine does takes less.
    let deadlines = Deadlines { stall: Duration::from_secs(3), ..Deadlines::default() };
    let options = SessionOptions { deadlines, ..SessionOptions::default() };
    for protocol in Protocol::ALL {
        let world = world(protocol, 1).with_options(options);
        let failure = run_in(world, protocol, ONE, ZERO, |_| Verdict::Drop).expect_err("a stall");
        // Who notices first tells the others.
        let stalled =
            |role: Role| matches!(error_of(&failure, role), SessionError::Run(RunError::Stalled { .. }));
        assert!(protocol.roles(protocol.default_source()).into_iter().any(stalled), "{failure}");
        let error = error_of(&failure, ZERO).to_string();
        assert!(error.contains("receive of `(x @ y)`"), "{error}");
    }
}

#[test]
fn a_cut_connection_names_the_peer_and_the_step() {
    for protocol in Protocol::ALL {
        let failure = run_with(protocol, ONE, ZERO, |_| Verdict::Cut).expect_err("a cut connection");
        let error = error_of(&failure, ZERO);
        let closed = matches!(
            error,
            SessionError::Run(RunError::Peer { error: NetError::Closed { peer: ONE, .. }, .. })
        );
        assert!(closed, "{error}");
        assert!(error.to_string().contains("receive of `(x @ y)`"), "{error}");
        for role in protocol.roles(protocol.default_source()) {
            error_of(&failure, role);
        }
    }
}

#[test]
fn a_dealer_that_is_cut_off_is_named() {
    let failure =
        run_with(Protocol::Beaver, Role::Dealer, ONE, |_| Verdict::Cut).expect_err("a cut connection");
    assert!(error_of(&failure, ONE).to_string().contains("the dealer"), "{failure}");
    error_of(&failure, ZERO);
}

#[test]
fn messages_off_the_plan_are_refused() {
    let alter = |change: fn(&mut Data)| {
        move |data: &Data| {
            let mut data = data.clone();
            change(&mut data);
            Verdict::Replace(Frame::Data(data))
        }
    };
    let longer = |data: &mut Data| data.payload = [&data.payload[..], &[0; 8]].concat().into();
    type Change = fn(&mut Data);
    let cases: [(Option<Change>, [&str; 2]); 5] = [
        (
            Some(|data| data.message += 100),
            ["20480 bytes of message ", ", which is not awaited from it (in step "],
        ),
        (Some(|data| data.run ^= 1), [" of run ", " is due (in step "]),
        (
            Some(|data| data.offset = 8),
            ["20480 bytes at 8 of message ", ", where 20480 bytes at 0 were due (in step "],
        ),
        (Some(longer), ["20488 bytes at 0 of message ", ", where 20480 bytes at 0 were due (in step "]),
        (None, ["message ", " a second time, with 20480 bytes (in step "]),
    ];
    let cases = Protocol::ALL.into_iter().flat_map(|protocol| cases.map(|case| (protocol, case)));
    for (protocol, (change, words)) in cases {
        let failure = match change {
            Some(change) => run_with(protocol, ZERO, ONE, alter(change)),
            None => {
                let is_first = AtomicBool::new(true);
                let rule = move |_: &Data| match is_first.swap(false, Ordering::Relaxed) {
                    true => Verdict::Repeat,
                    false => Verdict::Pass,
                };
                run_with(protocol, ZERO, ONE, rule)
            }
        };
        let failure = failure.expect_err("a refusal");
        let error = error_of(&failure, ONE);
        let SessionError::Run(RunError::Peer { error: NetError::OffPlan { peer: ZERO, .. }, .. }) = error
        else {
            panic!("{protocol}: {error}")
        };
        let says = |words| error.to_string().contains(words);
        assert!(words.into_iter().all(says), "{protocol}: {error}");
        assert!(
            error_of(&failure, ZERO).to_string().contains("party 1"),
            "party 0 learns who gave up: {failure}"
        );
    }
}

/// What a semi-honest model means: an altered opening is not noticed, and only the result is wrong.
#[test]
fn an_altered_opening_spoils_the_result_only() {
    let alter = |data: &Data| {
        let mut bytes = data.payload.to_vec();
        bytes[0] ^= 1;
        Verdict::Replace(Frame::Data(Data { payload: bytes.into(), ..data.clone() }))
    };
    let rule = move |from: Role, to: Role, frame: &Frame| match frame {
        Frame::Data(data) if (from, to) == (ZERO, ONE) => alter(data),
        _ => Verdict::Pass,
    };
    let rule = Arc::new(rule);
    for protocol in Protocol::ALL {
        let program = product(protocol, Ring::Z64, 0, SHAPE);
        let outcomes = world(protocol, 1).with_rule(rule.clone()).run(&program, &inputs()).expect("no error");
        let expected = &oracle::evaluate(&program, &inputs())[0];
        assert!(expected.first_difference(&outcomes[1].outputs["z"]).is_some());
    }
}

/// A batch may take its party longer than any other needs to connect.
#[test]
fn who_is_late_for_a_run_is_waited_for_while_it_lives() {
    for protocol in Protocol::ALL {
        let program = product(protocol, Ring::Z64, 0, (2, 3, 4));
        let deadlines = Deadlines { connect: Duration::from_millis(1), ..Deadlines::default() };
        let options = SessionOptions { deadlines, ..SessionOptions::default() };
        let outcomes = world(protocol, 1).with_options(options).each_party(|party, session| {
            let own = match party.0 {
                0 => BTreeMap::from([("x".to_owned(), elements(Ring::Z64, 6, 1))]),
                1 => BTreeMap::from([("y".to_owned(), elements(Ring::Z64, 12, 2))]),
                _ => BTreeMap::new(),
            };
            let run = |_| {
                std::thread::sleep(Duration::from_millis(40 * u64::from(party.0)));
                session.run(protocol, &program, own.clone())
            };
            (0..2).map(run).collect()
        });
        assert!(outcomes.is_ok(), "{protocol}: {:?}", outcomes.err());
    }
}
