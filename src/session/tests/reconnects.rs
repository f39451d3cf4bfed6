//! A connection that breaks is taken up again, and nothing about the run changes.

use super::{elements, product, world};
use crate::net::{Frame, NetError};
use crate::program::oracle;
use crate::protocol::Protocol;
use crate::ring::{Elements, Ring};
use crate::run::RunError;
use crate::session::{SessionError, SessionOutcome, World};
use crate::share::Role;
use crate::testing::Verdict;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const ROLES: [Role; 3] = [Role::party(0), Role::party(1), Role::Dealer];

/// Inner size of the product: the message of an input is three frames.
const K: usize = 300;
const SHAPE: (usize, usize, usize) = (900, K, 8);

fn inputs() -> [Elements; 2] {
    [elements(Ring::Z64, SHAPE.0 * K, 1), elements(Ring::Z64, K * SHAPE.2, 2)]
}

/// Runs twice in a session, and makes sure that the results are right; returns the outcomes of both runs, by party.
fn run(protocol: Protocol, world: &World) -> Vec<Vec<SessionOutcome>> {
    let program = product(protocol, Ring::Z64, 0, SHAPE);
    let outcomes = world.run_repeatedly(&program, &inputs(), 2).expect("a run that is taken up again");
    let expected = &oracle::evaluate(&program, &inputs())[0];
    // The third party of a protocol that has one learns nothing.
    for outcome in outcomes.iter().take(2).flatten() {
        assert_eq!(expected.first_difference(&outcome.outputs["z"]), None);
    }
    outcomes
}

/// Bytes in either direction and phase, and rounds. Headers depend on which messages happen to wait together.
fn counts(outcome: &SessionOutcome) -> [u64; 5] {
    let tally = &outcome.report.tally;
    let offline = [tally.offline_sent_bytes, tally.offline_received_bytes];
    [tally.sent_bytes, tally.received_bytes, offline[0], offline[1], tally.rounds.into()]
}

/// Breaks the connection at frames that a seed chooses, one in `rarity`.
fn breaking(protocol: Protocol, seed: u64, rarity: u64, broken: Arc<AtomicUsize>) -> World {
    let frames = AtomicUsize::new(0);
    let rule = move |_: Role, _: Role, _: &Frame| {
        let draw = blake3::hash(
            &[seed, frames.fetch_add(1, Ordering::SeqCst) as u64].map(u64::to_le_bytes).concat(),
        );
        if u64::from(draw.as_bytes()[0]) % rarity != 0 {
            return Verdict::Pass;
        }
        broken.fetch_add(1, Ordering::SeqCst);
        Verdict::Break
    };
    world(protocol, 1).with_rule(Arc::new(rule))
}

#[test]
fn connections_that_break_again_and_again_change_neither_results_nor_counts() {
    for protocol in Protocol::ALL {
        let undisturbed = run(protocol, &world(protocol, 1));
        for seed in 0..4 {
            let broken = Arc::new(AtomicUsize::new(0));
            let outcomes = run(protocol, &breaking(protocol, seed, 5, broken.clone()));
            assert!(broken.load(Ordering::SeqCst) > 3, "connections were broken");
            for (outcome, other) in outcomes.iter().flatten().zip(undisturbed.iter().flatten()) {
                assert_eq!(
                    counts(outcome),
                    counts(other),
                    "{protocol}: bytes and rounds count once; seed {seed}"
                );
            }
        }
    }
}

/// Breaks the connection at the `nth` frame between two roles, whatever it is: a greeting, an order, a heartbeat.
#[test]
fn a_connection_may_break_at_any_frame() {
    const FRAMES: usize = 16;
    std::thread::scope(|scope| {
        for (from, to) in ROLES.into_iter().flat_map(|from| ROLES.map(|to| (from, to))) {
            if from == to {
                continue;
            }
            scope.spawn(move || {
                for nth in 0..FRAMES {
                    let count = AtomicUsize::new(0);
                    let rule = move |sender: Role, receiver: Role, _: &Frame| {
                        let counted = (sender, receiver) == (from, to);
                        let breaks = counted && count.fetch_add(1, Ordering::SeqCst) == nth;
                        if breaks { Verdict::Break } else { Verdict::Pass }
                    };
                    run(Protocol::Beaver, &world(Protocol::Beaver, 1).with_rule(Arc::new(rule)));
                }
            });
        }
    });
}

#[test]
fn a_peer_that_cannot_be_reached_again_is_named_with_the_step() {
    let rule = |from: Role, to: Role, frame: &Frame| match frame {
        Frame::Data(_) if (from, to) == (ROLES[1], ROLES[0]) => Verdict::Cut,
        _ => Verdict::Pass,
    };
    let program = product(Protocol::Beaver, Ring::Z64, 0, SHAPE);
    let failure =
        world(Protocol::Beaver, 1).with_rule(Arc::new(rule)).run(&program, &inputs()).expect_err("a cut");
    let (_, error) = failure.failures.iter().find(|(role, _)| *role == ROLES[0]).expect("party 0 fails");
    let SessionError::Run(RunError::Peer { error: NetError::Closed { peer, reason }, doing }) = error else {
        panic!("a connection that ended: {error}")
    };
    assert_eq!(*peer, ROLES[1]);
    assert!(reason.contains("the wire is cut") && doing.contains("receive of `(x @ y)`"), "{error}");
}
