//! What arrives from peers, and the steps that it is for.

use crate::net::{Data, Messages};
use crate::plan::Plan;
use crate::share::Role;
use crate::step::{Action, BufferId, Matrix, MessageId};
use bytes::Bytes;
use std::collections::{BTreeSet, HashMap};

/// The messages that a plan awaits, and the pieces that are there. Links deliver what the plan has and no more (see
/// [`messages`]).
pub(super) struct Inbox {
    by_message: HashMap<(Role, MessageId), u32>,
    awaited: HashMap<u32, Awaited>,
    /// The steps whose messages are not complete, by peer.
    missing: HashMap<Role, BTreeSet<u32>>,
    /// Bytes of pieces that wait for their step, by peer.
    held_bytes: HashMap<Role, u64>,
}

/// One message.
pub(super) struct Awaited {
    pub peer: Role,
    missing_bytes: u64,
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

/// What `peer` is to send in a run of the plan.
pub(super) fn messages(plan: &Plan, peer: Role, run: u32) -> Messages {
    // The parties of a plan have about as many steps each, and every round is some party's step.
    const STEPS_OF_ALL: usize = 8;
    let most_depth = u32::try_from(STEPS_OF_ALL * plan.steps.len()).unwrap_or(u32::MAX);
    let of_peer = receives(plan).filter(|&(_, _, sender, _)| sender == peer);
    Messages::new(run, most_depth, of_peer.map(|(_, to, _, message)| (message.0, size_bytes(plan, to))))
}

/// The steps that receive: where they stand, and what from whom.
fn receives(plan: &Plan) -> impl Iterator<Item = (u32, Matrix<BufferId>, Role, MessageId)> {
    (0u32..).zip(&plan.steps).filter_map(|(position, planned)| match planned.step.action {
        Action::Receive { to, peer, message } => Some((position, to, peer, message)),
        _ => None,
    })
}

fn size_bytes(plan: &Plan, matrix: Matrix<BufferId>) -> u64 {
    (matrix.shape.len() * plan.ring.element_bytes()) as u64
}

impl Inbox {
    pub(super) fn new(plan: &Plan) -> Inbox {
        let mut inbox = Inbox {
            by_message: HashMap::new(),
            awaited: HashMap::new(),
            missing: HashMap::new(),
            held_bytes: HashMap::new(),
        };
        for (position, to, peer, message) in receives(plan) {
            inbox.by_message.insert((peer, message), position);
            let missing_bytes = size_bytes(plan, to);
            let awaited = Awaited { peer, missing_bytes, complete: false, depth: 0, held: Vec::new() };
            inbox.awaited.insert(position, awaited);
            inbox.missing.entry(peer).or_default().insert(position);
        }
        inbox
    }

    /// The step that awaits a message, if one does.
    pub(super) fn position(&self, peer: Role, message: MessageId) -> Option<u32> {
        self.by_message.get(&(peer, message)).copied()
    }

    /// Takes a piece in; returns the position of the step that awaits it.
    ///
    /// # Panics
    /// Where the plan does not have it: its link has made sure of that.
    pub(super) fn accept(&mut self, peer: Role, data: Data) -> u32 {
        let position = self.position(peer, MessageId(data.message)).expect("a message of the plan");
        let awaited = self.awaited.get_mut(&position).expect("every awaited message has an entry");
        let bytes = data.payload.len() as u64;
        assert!(!awaited.complete && bytes <= awaited.missing_bytes, "a piece of the plan");
        awaited.missing_bytes -= bytes;
        awaited.complete = awaited.missing_bytes == 0;
        awaited.depth = awaited.depth.max(data.depth);
        awaited.held.push((data.offset, data.payload));
        *self.held_bytes.entry(peer).or_default() += bytes;
        if awaited.complete {
            self.missing.get_mut(&peer).expect("a peer that is awaited").remove(&position);
        }
        position
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
    use crate::net::DATA_PAYLOAD_BYTES;
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
        let position = inbox.accept(PEER, piece(0, 0, FULL));
        assert!(!inbox.awaited(position).is_complete());
        assert_eq!(inbox.first_missing(PEER), Some(0));
        inbox.accept(PEER, piece(0, FULL, 8));
        assert!(inbox.awaited(position).is_complete());
        let empty = inbox.accept(PEER, piece(1, 0, 0));
        assert!(inbox.awaited(empty).is_complete());
        assert_eq!(inbox.first_missing(PEER), None);
    }
}
