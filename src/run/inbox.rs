//! The messages from peers, and the steps that receive them.

use super::engine::Content;
use super::schedule::takes_in;
use crate::net::Messages;
use crate::plan::Plan;
use crate::share::Role;
use crate::step::{Action, MessageId, Phase};
use std::collections::{BTreeSet, HashMap};
use std::ops::RangeInclusive;

/// A piece of a message.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Piece<C> {
    pub message: MessageId,
    /// Rounds up to and with the message.
    pub depth: u32,
    /// Its offset within the message, in bytes.
    pub offset: u64,
    pub content: C,
}

/// The messages that a plan awaits, and the pieces that have come. Links deliver only messages of the plan (see
/// [`messages`]).
pub(super) struct Inbox<C> {
    by_message: HashMap<(Role, MessageId), u32>,
    awaited: HashMap<u32, Awaited<C>>,
    /// The steps whose messages are not complete, by peer.
    missing: HashMap<Role, BTreeSet<u32>>,
    /// Bytes of pieces that wait for their step, by peer.
    held_bytes: HashMap<Role, u64>,
}

/// One message.
struct Awaited<C> {
    peer: Role,
    missing_bytes: u64,
    complete: bool,
    /// Rounds up to and with the message.
    depth: u32,
    /// Set once its step may write its buffer.
    released: bool,
    /// Pieces that wait for that, with their offsets.
    held: Vec<(u64, C)>,
}

/// The messages that `peer` sends in those phases of a run of the plan.
pub(super) fn messages(plan: &Plan, peer: Role, run: u32, phases: RangeInclusive<Phase>) -> Messages {
    // The parties of a plan have about as many steps each, and every round is some party's step.
    const STEPS_OF_ALL: usize = 8;
    let most_depth = u32::try_from(STEPS_OF_ALL * plan.steps.len()).unwrap_or(u32::MAX);
    let is_due = |receive: &Receive| {
        receive.peer == peer && phases.contains(&plan.steps[receive.position as usize].step.phase)
    };
    let of_peer = receives(plan).filter(is_due);
    Messages::new(run, most_depth, of_peer.map(|receive| (receive.message.0, receive.size_bytes)))
}

/// A step that receives.
struct Receive {
    position: u32,
    peer: Role,
    message: MessageId,
    size_bytes: u64,
}

fn receives(plan: &Plan) -> impl Iterator<Item = Receive> {
    (0u32..).zip(&plan.steps).filter_map(|(position, planned)| match planned.step.action {
        Action::Receive { to, peer, message } => {
            Some(Receive { position, peer, message, size_bytes: to.shape.size_bytes(plan.ring) })
        }
        _ => None,
    })
}

impl<C: Content> Inbox<C> {
    pub(super) fn new(plan: &Plan) -> Inbox<C> {
        let mut inbox = Inbox {
            by_message: HashMap::new(),
            awaited: HashMap::new(),
            missing: HashMap::new(),
            held_bytes: HashMap::new(),
        };
        for Receive { position, peer, message, size_bytes: missing_bytes } in receives(plan) {
            inbox.by_message.insert((peer, message), position);
            let (depth, held) = (0, Vec::new());
            let awaited = Awaited { peer, missing_bytes, complete: false, depth, released: false, held };
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
    /// Where the plan does not have the message: its link has checked that.
    pub(super) fn accept(&mut self, peer: Role, piece: Piece<C>) -> u32 {
        let position = self.position(peer, piece.message).expect("a message of the plan");
        let awaited = self.awaited.get_mut(&position).expect("every awaited message has an entry");
        let bytes = piece.content.len() as u64;
        assert!(!awaited.complete && bytes <= awaited.missing_bytes, "a piece of the plan");
        awaited.missing_bytes -= bytes;
        awaited.complete = awaited.missing_bytes == 0;
        awaited.depth = awaited.depth.max(piece.depth);
        awaited.held.push((piece.offset, piece.content));
        *self.held_bytes.entry(peer).or_default() += bytes;
        if awaited.complete {
            self.missing.get_mut(&peer).expect("a peer that is awaited").remove(&position);
        }
        position
    }

    /// The step at `position` may write its buffer.
    pub(super) fn release(&mut self, position: u32) {
        self.awaited.get_mut(&position).expect("a step that receives").released = true;
    }

    /// The pieces that are there of a message whose step may write its buffer, with their offsets; they wait here no
    /// longer. With the last of them, the rounds up to the message.
    pub(super) fn take(&mut self, position: u32) -> (Vec<(u64, C)>, Option<u32>) {
        let awaited = self.awaited.get_mut(&position).expect("a step that receives");
        if !awaited.released {
            return (Vec::new(), None);
        }
        let pieces = std::mem::take(&mut awaited.held);
        let bytes: u64 = pieces.iter().map(|(_, piece)| piece.len() as u64).sum();
        if let Some(held) = self.held_bytes.get_mut(&awaited.peer) {
            *held -= bytes;
        }
        (pieces, awaited.complete.then_some(awaited.depth))
    }

    /// The first step in plan order that still waits for `peer`.
    pub(super) fn first_missing(&self, peer: Role) -> Option<u32> {
        self.missing.get(&peer).and_then(BTreeSet::first).copied()
    }

    /// True where messages of `peer` are missing, and not too many bytes of it wait for their steps.
    pub(super) fn listens_to(&self, peer: Role) -> bool {
        self.first_missing(peer).is_some_and(|first| {
            let held_bytes = self.held_bytes.get(&peer).copied().unwrap_or(0);
            takes_in(peer, held_bytes, self.awaited[&first].released)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::DATA_PAYLOAD_BYTES;
    use crate::plan::Supply;
    use crate::ring::{Ring, Shape};
    use crate::run::simulate::Size;
    use crate::step::{MemoryClass, OpId, StepList};

    const PEER: Role = Role::party(1);

    /// Awaits messages 0 (a full piece and 8 bytes) and 1 (nothing) from party 1.
    fn inbox() -> Inbox<Size> {
        let mut list = StepList::new(Role::party(0), Ring::Z64);
        for (message, len) in [(0, DATA_PAYLOAD_BYTES / 8 + 1), (1, 0)] {
            let to = list.buffer(Shape::new(1, len), MemoryClass::Openings);
            let action = Action::Receive { to, peer: PEER, message: MessageId(message) };
            list.push(Phase::Online, OpId(0), 0, action);
        }
        Inbox::new(&Plan::new(&list, Supply::Ahead, 0))
    }

    fn piece(message: u32, offset: usize, len: usize) -> Piece<Size> {
        Piece { message: MessageId(message), depth: 1, offset: offset as u64, content: Size(len) }
    }

    const FULL: usize = DATA_PAYLOAD_BYTES;

    #[test]
    fn pieces_in_order_complete_a_message() {
        let mut inbox = inbox();
        let position = inbox.accept(PEER, piece(0, 0, FULL));
        assert_eq!(inbox.take(position), (vec![], None), "its step may not write yet");
        inbox.release(position);
        assert_eq!(inbox.take(position), (vec![(0, Size(FULL))], None));
        assert_eq!(inbox.first_missing(PEER), Some(0));
        inbox.accept(PEER, piece(0, FULL, 8));
        assert_eq!(inbox.take(position), (vec![(FULL as u64, Size(8))], Some(1)));
        let empty = inbox.accept(PEER, piece(1, 0, 0));
        inbox.release(empty);
        assert_eq!(inbox.take(empty), (vec![(0, Size(0))], Some(1)));
        assert_eq!(inbox.first_missing(PEER), None);
        assert!(!inbox.listens_to(PEER), "what follows is of the next run");
    }
}
