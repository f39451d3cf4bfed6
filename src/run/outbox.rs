//! The messages that wait to be sent, and the frames that they share.

use super::engine::Content;
use crate::net::{
    BUNDLE_HEADER_BYTES, BUNDLE_PAYLOAD_BYTES, DATA_PAYLOAD_BYTES, HEADER_BYTES, SMALL_MESSAGE_BYTES,
};
use crate::share::Role;
use crate::step::MessageId;
use std::collections::{BTreeMap, HashMap};

/// A message on the host.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Outgoing<C> {
    pub message: MessageId,
    /// Rounds up to and with the message.
    pub depth: u32,
    pub content: C,
}

/// The messages that wait for their link, by peer and in plan order. A link takes one transmission at a time.
///
/// A small message waits for the downloads for the same peer that had been requested when it came: they come as soon as
/// the device has worked off its short queue, and share a frame.
pub(super) struct Outbox<C> {
    lines: BTreeMap<Role, Line<C>>,
    /// The depths of requested downloads, by their steps.
    depths: HashMap<u32, u32>,
}

/// The queue of one peer.
struct Line<C> {
    waiting: BTreeMap<u32, Outgoing<C>>,
    /// Their bytes in a bundle.
    bytes: usize,
    /// A transmission is under way.
    busy: bool,
    /// Downloads requested so far.
    asked: u64,
    /// Downloads that have come.
    come: u64,
    /// The value of the first counter when the oldest waiting message came.
    worth_waiting: u64,
}

impl<C> Outgoing<C> {
    fn is_small(&self) -> bool
    where
        C: Content,
    {
        self.content.len() <= SMALL_MESSAGE_BYTES
    }

    /// The message's bytes in a bundle.
    fn bundled_bytes(&self) -> usize
    where
        C: Content,
    {
        BUNDLE_HEADER_BYTES + self.content.len()
    }
}

impl<C> Default for Line<C> {
    fn default() -> Line<C> {
        Line { waiting: BTreeMap::new(), bytes: 0, busy: false, asked: 0, come: 0, worth_waiting: 0 }
    }
}

impl<C: Content> Outbox<C> {
    pub(super) fn new() -> Outbox<C> {
        Outbox { lines: BTreeMap::new(), depths: HashMap::new() }
    }

    /// Notes a requested download: the message that the step at `position` sends, `depth` rounds deep. It will be pushed.
    pub(super) fn ask(&mut self, peer: Role, position: u32, depth: u32) {
        self.depths.insert(position, depth);
        self.lines.entry(peer).or_default().asked += 1;
    }

    /// Queues the message that the step at `position` sends.
    pub(super) fn push(&mut self, peer: Role, position: u32, message: MessageId, content: C) {
        let depth = self.depths.remove(&position).expect("it was asked for");
        let outgoing = Outgoing { message, depth, content };
        let line = self.lines.entry(peer).or_default();
        line.come += 1;
        if line.waiting.is_empty() {
            line.worth_waiting = line.asked;
        }
        line.bytes += outgoing.bundled_bytes();
        line.waiting.insert(position, outgoing);
    }

    /// The link's next transmission, if the link is free and a message waits: the first message in plan order, and where it
    /// is small, the small ones that follow. The link then takes no more until [`Outbox::free`].
    pub(super) fn take(&mut self, peer: Role) -> Option<Vec<(u32, Outgoing<C>)>> {
        let Line { waiting, bytes, busy, come, worth_waiting, .. } = self.lines.get_mut(&peer)?;
        let (_, first) = waiting.first_key_value().filter(|_| !*busy)?;
        if come < worth_waiting && first.is_small() && *bytes <= BUNDLE_PAYLOAD_BYTES {
            return None;
        }
        *busy = true;
        let mut taken = vec![waiting.pop_first()?];
        let mut bundle_bytes = taken[0].1.bundled_bytes();
        if taken[0].1.is_small() {
            while let Some(next) = waiting.first_entry()
                && next.get().is_small()
                && bundle_bytes + next.get().bundled_bytes() <= BUNDLE_PAYLOAD_BYTES
            {
                bundle_bytes += next.get().bundled_bytes();
                taken.push(next.remove_entry());
            }
        }
        *bytes -= bundle_bytes;
        Some(taken)
    }

    /// The link takes transmissions again.
    pub(super) fn free(&mut self, peer: Role) {
        self.lines.entry(peer).or_default().busy = false;
    }

    /// The number of waiting messages.
    pub(super) fn len(&self) -> usize {
        self.lines.values().map(|line| line.waiting.len()).sum()
    }
}

/// The bytes that framing adds to a transmission.
pub(super) fn framing_bytes(messages: usize, payload_bytes: usize) -> usize {
    match messages {
        1 => piece_count(payload_bytes) * HEADER_BYTES,
        _ => HEADER_BYTES + messages * BUNDLE_HEADER_BYTES,
    }
}

/// The number of pieces of a message. One without elements still crosses the wire: its receiver waits for it.
pub(super) fn piece_count(bytes: usize) -> usize {
    bytes.div_ceil(DATA_PAYLOAD_BYTES).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::simulate::Size;

    const PEER: Role = Role::party(1);

    /// The messages of the steps at these positions come, each so many bytes long.
    fn push(outbox: &mut Outbox<Size>, positions: &[u32], len: usize) {
        for &position in positions {
            outbox.push(PEER, position, MessageId(position), Size(len));
        }
    }

    fn ask(outbox: &mut Outbox<Size>, positions: &[u32]) {
        positions.iter().for_each(|&position| outbox.ask(PEER, position, 1));
    }

    fn take(outbox: &mut Outbox<Size>) -> Option<Vec<u32>> {
        Some(outbox.take(PEER)?.into_iter().map(|(position, _)| position).collect())
    }

    #[test]
    fn small_messages_that_wait_together_share_a_frame() {
        let mut outbox = Outbox::new();
        ask(&mut outbox, &[7, 3, 5, 9]);
        push(&mut outbox, &[7, 3, 5], 100);
        push(&mut outbox, &[9], 1 << 20);
        assert_eq!(take(&mut outbox), Some(vec![3, 5, 7]), "in plan order");
        assert_eq!(take(&mut outbox), None, "one transmission at a time");
        outbox.free(PEER);
        assert_eq!(take(&mut outbox), Some(vec![9]), "the large one");
        assert_eq!(outbox.len(), 0);
    }

    #[test]
    fn a_small_message_waits_for_those_that_were_asked_for_with_it() {
        let mut outbox = Outbox::new();
        ask(&mut outbox, &[3, 5, 7]);
        push(&mut outbox, &[3], 100);
        ask(&mut outbox, &[8]);
        assert_eq!(take(&mut outbox), None, "two more are on their way");
        push(&mut outbox, &[5, 7], 100);
        assert_eq!(
            take(&mut outbox),
            Some(vec![3, 5, 7]),
            "all that were asked for, and not what came after"
        );
        outbox.free(PEER);
        ask(&mut outbox, &[9]);
        push(&mut outbox, &[8], 1 << 20);
        assert_eq!(take(&mut outbox), Some(vec![8]), "a large one does not wait");
    }
}
