//! What arrives from peers, held against the plan.

use super::RunError;
use crate::net::{DATA_PAYLOAD_BYTES, Data};
use crate::plan::Plan;
use crate::share::Role;
use crate::step::{Action, MessageId};
use bytes::Bytes;
use std::collections::{BTreeSet, HashMap};

/// The messages that a plan awaits, and the pieces that are there.
///
/// A piece is accepted only if the plan awaits its message from that peer, it follows the pieces before it, and it is
/// full unless it is the last: a peer cannot make this process hold more than the plan says it will receive.
pub(super) struct Inbox {
    by_message: HashMap<(Role, MessageId), u32>,
    awaited: HashMap<u32, Awaited>,
    /// The steps whose messages are not complete, by peer.
    missing: HashMap<Role, BTreeSet<u32>>,
    /// Bytes of pieces that wait for their step, by peer.
    held_bytes: HashMap<Role, u64>,
    /// How many steps all roles' plans may chain at the most.
    steps: usize,
}

/// One message.
pub(super) struct Awaited {
    pub peer: Role,
    size_bytes: u64,
    received_bytes: u64,
    complete: bool,
    /// Rounds up to and with the message.
    pub depth: u32,
    /// Pieces that wait for the step to be released, with their offsets.
    held: Vec<(u64, Bytes)>,
}

impl Awaited {
    /// Whether the last piece is there.
    pub fn is_complete(&self) -> bool {
        self.complete
    }
}

impl Inbox {
    pub(super) fn new(plan: &Plan) -> Inbox {
        let mut inbox = Inbox {
            by_message: HashMap::new(),
            awaited: HashMap::new(),
            missing: HashMap::new(),
            held_bytes: HashMap::new(),
            // The parties of a plan have about as many steps each, and every round is some party's step.
            steps: 8 * plan.steps.len(),
        };
        for (position, planned) in (0u32..).zip(&plan.steps) {
            if let Action::Receive { to, peer, message } = planned.step.action {
                let size_bytes = (to.shape.len() * plan.ring.element_bytes()) as u64;
                inbox.by_message.insert((peer, message), position);
                let awaited = Awaited {
                    peer,
                    size_bytes,
                    received_bytes: 0,
                    complete: false,
                    depth: 0,
                    held: Vec::new(),
                };
                inbox.awaited.insert(position, awaited);
                inbox.missing.entry(peer).or_default().insert(position);
            }
        }
        inbox
    }

    /// Takes a piece in; returns the position of the step that awaits it.
    pub(super) fn accept(&mut self, peer: Role, data: Data) -> Result<u32, RunError> {
        let off_plan = |reason: String| RunError::OffPlan { peer, reason };
        let position = *self
            .by_message
            .get(&(peer, MessageId(data.message)))
            .ok_or_else(|| off_plan(format!("message {} is not awaited from it", data.message)))?;
        let awaited = self.awaited.get_mut(&position).expect("every awaited message has an entry");
        if awaited.complete || data.offset != awaited.received_bytes {
            let due = awaited.received_bytes;
            return Err(off_plan(format!(
                "a piece of message {} at {} where {due} was due",
                data.message, data.offset
            )));
        }
        let due = (awaited.size_bytes - awaited.received_bytes).min(DATA_PAYLOAD_BYTES as u64);
        if data.payload.len() as u64 != due {
            let (message, found) = (data.message, data.payload.len());
            return Err(off_plan(format!(
                "a piece of {found} bytes of message {message} where {due} were due"
            )));
        }
        if data.depth as usize > self.steps {
            return Err(off_plan(format!(
                "message {} claims to lie {} rounds deep",
                data.message, data.depth
            )));
        }
        awaited.received_bytes += due;
        awaited.complete = awaited.received_bytes == awaited.size_bytes;
        awaited.depth = awaited.depth.max(data.depth);
        awaited.held.push((data.offset, data.payload));
        *self.held_bytes.entry(peer).or_default() += due;
        if awaited.complete {
            self.missing.get_mut(&peer).expect("a peer that is awaited").remove(&position);
        }
        Ok(position)
    }

    /// The message that the step at `position` awaits.
    pub(super) fn awaited(&self, position: u32) -> &Awaited {
        &self.awaited[&position]
    }

    /// The pieces of a message that are there, with their offsets; they wait here no longer.
    pub(super) fn take(&mut self, position: u32) -> Vec<(u64, Bytes)> {
        let awaited = self.awaited.get_mut(&position).expect("a step that receives");
        let pieces = std::mem::take(&mut awaited.held);
        let bytes: u64 = pieces.iter().map(|(_, piece)| piece.len() as u64).sum();
        if let Some(held) = self.held_bytes.get_mut(&awaited.peer) {
            *held -= bytes;
        }
        pieces
    }

    /// The first step in plan order that still waits for `peer`.
    pub(super) fn first_missing(&self, peer: Role) -> Option<u32> {
        self.missing.get(&peer).and_then(BTreeSet::first).copied()
    }

    /// Bytes of `peer`'s messages that wait for their steps.
    pub(super) fn held_bytes(&self, peer: Role) -> u64 {
        self.held_bytes.get(&peer).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Supply;
    use crate::ring::{Ring, Shape};
    use crate::step::{MemoryClass, OpId, Phase, StepList};

    const PEER: Role = Role::party(1);

    /// Awaits messages 0 (a full piece and 8 bytes) and 1 (nothing) from party 1.
    fn inbox() -> Inbox {
        let mut list = StepList::new(Role::party(0), Ring::Z64);
        for (message, len) in [(0, DATA_PAYLOAD_BYTES / 8 + 1), (1, 0)] {
            let to = list.buffer(Shape::new(1, len), MemoryClass::Openings);
            let action = Action::Receive { to, peer: PEER, message: MessageId(message) };
            list.push(Phase::Online, OpId(0), 0, action);
        }
        Inbox::new(&Plan::new(&list, Supply::Ahead, 0))
    }

    fn piece(message: u32, offset: usize, len: usize) -> Data {
        Data { run: 0, message, depth: 1, offset: offset as u64, payload: Bytes::from(vec![0; len]) }
    }

    const FULL: usize = DATA_PAYLOAD_BYTES;

    #[test]
    fn pieces_in_order_complete_a_message() {
        let mut inbox = inbox();
        let position = inbox.accept(PEER, piece(0, 0, FULL)).unwrap();
        assert!(!inbox.awaited(position).is_complete());
        assert_eq!(inbox.first_missing(PEER), Some(0));
        inbox.accept(PEER, piece(0, FULL, 8)).unwrap();
        assert!(inbox.awaited(position).is_complete());
        let empty = inbox.accept(PEER, piece(1, 0, 0)).unwrap();
        assert!(inbox.awaited(empty).is_complete());
        assert_eq!(inbox.first_missing(PEER), None);
    }

    #[test]
    fn what_the_plan_does_not_await_is_refused() {
        let refused = |peer, pieces: &[Data]| {
            let mut inbox = inbox();
            let mut results = pieces.iter().map(|piece| inbox.accept(peer, piece.clone()));
            results.find_map(Result::err).expect("a refusal").to_string()
        };
        assert!(refused(PEER, &[piece(7, 0, 8)]).contains("message 7 is not awaited"));
        assert!(refused(Role::Dealer, &[piece(0, 0, 8)]).starts_with("the dealer broke the plan"));
        assert!(refused(PEER, &[piece(0, 8, 8)]).contains("at 8 where 0 was due"));
        assert!(refused(PEER, &[piece(0, 0, 3)]).contains("a piece of 3 bytes"));
        assert!(refused(PEER, &[piece(0, 0, 0)]).contains("a piece of 0 bytes"));
        assert!(refused(PEER, &[piece(0, 0, FULL), piece(0, FULL, 16)]).contains("where 8 were due"));
        assert!(refused(PEER, &[piece(1, 0, 0), piece(1, 0, 0)]).contains("where 0 was due"));
        let deep = Data { depth: u32::MAX, ..piece(0, 0, FULL) };
        assert!(refused(PEER, &[deep]).contains("rounds deep"));
    }
}
