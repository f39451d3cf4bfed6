//! Keys of two roles, when one of them does not keep to the agreement.

use super::{elements, product, world};
use crate::net::{Deadlines, Frame};
use crate::protocol::Protocol;
use crate::ring::Ring;
use crate::run::RunError;
use crate::session::topic::{GRANT, KEY};
use crate::session::{SessionError, SessionOptions, World, WorldError};
use crate::share::Role;
use crate::testing::Verdict;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const ZERO: Role = Role::party(0);
const ONE: Role = Role::party(1);
const TWO: Role = Role::party(2);

/// From whom to whom a control message went, and its bytes.
type Sent = (Role, Role, Vec<u8>);

/// Runs a small product while `rule` decides on frames.
fn run(
    world: World,
    protocol: Protocol,
    rule: impl Fn(Role, Role, &Frame) -> Verdict + Send + Sync + 'static,
) -> Result<(), WorldError> {
    let program = product(protocol, Ring::Z64, 0, (64, 40, 2));
    let inputs = [elements(Ring::Z64, 64 * 40, 1), elements(Ring::Z64, 80, 2)];
    world.with_rule(Arc::new(rule)).run(&program, &inputs).map(drop)
}

#[test]
fn a_contribution_that_was_not_committed_to_ends_the_run_by_name() {
    // A product by three parties draws from the keys that party 2 shares with the others.
    for [sender, receiver] in [[ZERO, TWO], [TWO, ZERO]] {
        let rule = move |from: Role, to: Role, frame: &Frame| match frame {
            Frame::Control { topic, payload } if (from, to, *topic) == (sender, receiver, KEY.number) => {
                let text = String::from_utf8(payload.to_vec()).expect("JSON is text");
                let other = text.replace("9", "8");
                assert_ne!(text, other, "some byte has a 9");
                Verdict::Replace(Frame::Control { topic: *topic, payload: other.into() })
            }
            _ => Verdict::Pass,
        };
        let failure = run(world(Protocol::Replicated, 1), Protocol::Replicated, rule).expect_err("a lie");
        let error = failure.failures.iter().find(|(role, _)| *role == receiver).expect("who was lied to");
        let words =
            format!("{sender} sent its contribution to a key, which cannot be read: it is not what the peer");
        assert!(error.1.to_string().contains(&words), "{failure}");
    }
}

#[test]
fn both_roles_contribute_to_every_key_of_every_run() {
    for protocol in Protocol::ALL {
        let sent: Arc<Mutex<Vec<Sent>>> = Arc::default();
        let seen = sent.clone();
        let rule = move |from: Role, to: Role, frame: &Frame| {
            if let Frame::Control { topic, payload } = frame
                && [KEY.number, GRANT.number].contains(topic)
            {
                seen.lock().expect("no panic while it is held").push((from, to, payload.to_vec()));
            }
            Verdict::Pass
        };
        let program = product(protocol, Ring::Z64, 0, (2, 3, 4));
        let inputs = [elements(Ring::Z64, 6, 1), elements(Ring::Z64, 12, 2)];
        let world = world(protocol, 1).with_rule(Arc::new(rule));
        world.run_repeatedly(&program, &inputs, 2).expect("two runs");
        let mut sent = std::mem::take(&mut *sent.lock().expect("no panic while it is held"));
        let ways: BTreeMap<(Role, Role), usize> =
            sent.iter().fold(BTreeMap::new(), |mut ways, (from, to, _)| {
                *ways.entry((*from, *to)).or_default() += 1;
                ways
            });
        assert!(ways.len() >= 2 && ways.values().all(|&runs| runs == 2), "{protocol}: one a run: {ways:?}");
        let is_answered =
            |(from, to): &(Role, Role)| *from == Role::Dealer || ways.contains_key(&(*to, *from));
        assert!(ways.keys().all(is_answered), "{protocol}: two parties tell each other: {ways:?}");
        let all = sent.len();
        sent.sort_by(|one, other| one.2.cmp(&other.2));
        sent.dedup_by(|one, other| one.2 == other.2);
        assert_eq!(sent.len(), all, "{protocol}: no contribution is for two keys");
    }
}

/// A peer that claims to get on, in every heartbeat, and sends nothing that is due.
#[test]
fn a_peer_that_only_claims_progress_does_not_put_off_the_stall_deadline() {
    // So many claims cross within several stall deadlines; then the test fails by name.
    const MOST_CLAIMS: u64 = 200;
    let deadlines = Deadlines {
        silence: Duration::from_millis(600),
        stall: Duration::from_secs(3),
        ..Deadlines::default()
    };
    for protocol in Protocol::ALL {
        let claims = AtomicU64::new(0);
        let rule = move |from: Role, to: Role, frame: &Frame| match frame {
            Frame::Data(_) | Frame::Bundle(_) if (from, to) == (ONE, ZERO) => Verdict::Drop,
            &Frame::Heartbeat { received, .. } => {
                let progress = claims.fetch_add(1, Ordering::Relaxed);
                if progress > MOST_CLAIMS {
                    return Verdict::Cut;
                }
                Verdict::Replace(Frame::Heartbeat { progress, received })
            }
            _ => Verdict::Pass,
        };
        let options = SessionOptions { deadlines, ..SessionOptions::default() };
        let failure = run(world(protocol, 1).with_options(options), protocol, rule).expect_err("a stall");
        let is_stalled =
            |(_, error): &(Role, SessionError)| matches!(error, SessionError::Run(RunError::Stalled { .. }));
        assert!(failure.failures.iter().any(is_stalled), "{protocol}: {failure}");
    }
}
