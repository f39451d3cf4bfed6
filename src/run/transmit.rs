//! From the device to the wire: what waits to be sent, and how it is cut into frames.

use crate::device::DeviceError;
use crate::net::{
    BUNDLE_HEADER_BYTES, BUNDLE_PAYLOAD_BYTES, Bundle, DATA_PAYLOAD_BYTES, Data, Frame, HEADER_BYTES,
    LinkSender, NetError, SMALL_MESSAGE_BYTES,
};
use crate::share::Role;
use crate::wipe::Wiped;
use bytes::Bytes;
use std::collections::BTreeMap;

/// What a delivery brought about.
pub(super) enum Delivery {
    /// What the step at this position sends or hands out is on the host.
    Host(u32, Wiped),
    /// Messages are with the link: their payload and framing bytes.
    Sent { peer: Role, positions: Vec<u32>, bytes: u64, framing_bytes: u64 },
}

/// Why a delivery failed, with the position of its step, and the peer that it was for.
pub(super) enum Failure {
    Device(u32, DeviceError),
    Net(u32, Role, NetError),
}

/// A message on the host.
pub(super) struct Outgoing {
    pub message: u32,
    pub depth: u32,
    pub bytes: Bytes,
}

/// What an outbox must know of a message.
pub(super) trait Payload {
    fn len(&self) -> usize;
}

impl Payload for Outgoing {
    fn len(&self) -> usize {
        self.bytes.len()
    }
}

/// The messages that wait for their link, by peer and in plan order. A link takes one transmission at a time.
///
/// A small message waits for those for the same peer that the device had been asked for when it came: they come as soon
/// as the device has worked off its queue, which is short, and share a frame.
pub(super) struct Outbox<M> {
    lines: BTreeMap<Role, Line<M>>,
}

/// What a message takes of a bundle.
fn size(outgoing: &impl Payload) -> usize {
    BUNDLE_HEADER_BYTES + outgoing.len()
}

/// What waits for one peer.
struct Line<M> {
    waiting: BTreeMap<u32, M>,
    /// Of what waits.
    bytes: usize,
    /// A transmission is under way.
    busy: bool,
    /// Messages that the device has been asked for so far, those that have come, and how many were asked for when the
    /// first of those that wait came.
    asked: u64,
    come: u64,
    worth_waiting: u64,
}

impl<M> Default for Outbox<M> {
    fn default() -> Outbox<M> {
        Outbox { lines: BTreeMap::new() }
    }
}

impl<M> Default for Line<M> {
    fn default() -> Line<M> {
        Line { waiting: BTreeMap::new(), bytes: 0, busy: false, asked: 0, come: 0, worth_waiting: 0 }
    }
}

impl<M: Payload> Outbox<M> {
    /// The device is asked for a message, which will be pushed.
    pub(super) fn ask(&mut self, peer: Role) {
        self.lines.entry(peer).or_default().asked += 1;
    }

    /// The message that the step at `position` sends waits for its link.
    pub(super) fn push(&mut self, peer: Role, position: u32, outgoing: M) {
        let line = self.lines.entry(peer).or_default();
        line.come += 1;
        if line.waiting.is_empty() {
            line.worth_waiting = line.asked;
        }
        line.bytes += size(&outgoing);
        line.waiting.insert(position, outgoing);
    }

    /// The link takes no transmission until [`Outbox::free`]: what it is to send now, if anything waits. The first
    /// message in plan order; where it is small, with those that are small and follow.
    pub(super) fn take(&mut self, peer: Role) -> Option<Vec<(u32, M)>> {
        let is_small = |outgoing: &M| outgoing.len() <= SMALL_MESSAGE_BYTES;
        let Line { waiting, bytes, busy, come, worth_waiting, .. } = self.lines.get_mut(&peer)?;
        let (_, first) = waiting.first_key_value().filter(|_| !*busy)?;
        if come < worth_waiting && is_small(first) && *bytes <= BUNDLE_PAYLOAD_BYTES {
            return None;
        }
        *busy = true;
        let mut taken = vec![waiting.pop_first()?];
        let mut bundle_bytes = size(&taken[0].1);
        *bytes -= bundle_bytes;
        if is_small(&taken[0].1) {
            while let Some(next) = waiting.first_entry()
                && is_small(next.get())
                && bundle_bytes + size(next.get()) <= BUNDLE_PAYLOAD_BYTES
            {
                bundle_bytes += size(next.get());
                *bytes -= size(next.get());
                taken.push(next.remove_entry());
            }
        }
        Some(taken)
    }

    /// The link takes transmissions again.
    pub(super) fn free(&mut self, peer: Role) {
        self.lines.entry(peer).or_default().busy = false;
    }

    /// How many messages wait.
    pub(super) fn len(&self) -> usize {
        self.lines.values().map(|line| line.waiting.len()).sum()
    }
}

/// Queues messages on their link: one as it is, several as a bundle.
pub(super) async fn transmit(
    link: LinkSender,
    run: u32,
    messages: Vec<(u32, Outgoing)>,
) -> Result<Delivery, Failure> {
    let peer = link.peer();
    let first = messages[0].0;
    let positions = messages.iter().map(|&(position, _)| position).collect();
    let bytes: usize = messages.iter().map(|(_, outgoing)| outgoing.bytes.len()).sum();
    let framing_bytes = framing_bytes(messages.len(), bytes) as u64;
    for frame in frames(run, messages) {
        link.send(frame).await.map_err(|error| Failure::Net(first, peer, error))?;
    }
    Ok(Delivery::Sent { peer, positions, bytes: bytes as u64, framing_bytes })
}

fn frames(run: u32, mut messages: Vec<(u32, Outgoing)>) -> Vec<Frame> {
    let whole = |Outgoing { message, depth, bytes }| Data { run, message, depth, offset: 0, payload: bytes };
    if messages.len() > 1 {
        let messages = messages.into_iter().map(|(_, outgoing)| whole(outgoing)).collect();
        return vec![Frame::Bundle(Bundle { run, messages })];
    }
    let Some((_, Outgoing { message, depth, bytes })) = messages.pop() else { return Vec::new() };
    let count = piece_count(bytes.len());
    let piece = |index: usize| {
        let start = index * DATA_PAYLOAD_BYTES;
        let payload = bytes.slice(start..bytes.len().min(start + DATA_PAYLOAD_BYTES));
        Frame::Data(Data { run, message, depth, offset: start as u64, payload })
    };
    (0..count).map(piece).collect()
}

/// What framing adds to a transmission of so many messages with so many bytes of payload.
pub(super) fn framing_bytes(messages: usize, payload_bytes: usize) -> usize {
    match messages {
        1 => piece_count(payload_bytes) * HEADER_BYTES,
        _ => HEADER_BYTES + messages * BUNDLE_HEADER_BYTES,
    }
}

/// A message without elements still crosses the wire: its receiver waits for it.
fn piece_count(bytes: usize) -> usize {
    bytes.div_ceil(DATA_PAYLOAD_BYTES).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: Role = Role::party(1);

    fn outgoing(message: u32, len: usize) -> Outgoing {
        Outgoing { message, depth: 1, bytes: Bytes::from(vec![0; len]) }
    }

    #[test]
    fn small_messages_that_wait_together_share_a_frame() {
        let mut outbox: Outbox<Outgoing> = Outbox::default();
        for position in [7, 3, 5] {
            outbox.push(PEER, position, outgoing(position, 100));
        }
        outbox.push(PEER, 9, outgoing(9, 1 << 20));
        let taken = outbox.take(PEER).expect("something to send");
        assert_eq!(
            taken.iter().map(|(position, _)| *position).collect::<Vec<_>>(),
            [3, 5, 7],
            "in plan order"
        );
        assert!(matches!(&frames(0, taken)[..], [Frame::Bundle(bundle)] if bundle.messages.len() == 3));
        assert!(outbox.take(PEER).is_none(), "one transmission at a time");
        outbox.free(PEER);
        let taken = outbox.take(PEER).expect("the large one");
        assert!(matches!(&frames(0, taken)[..], [Frame::Data(data)] if data.message == 9));
        assert_eq!(outbox.len(), 0);
    }

    #[test]
    fn a_small_message_waits_for_those_that_were_asked_for_with_it() {
        let mut outbox: Outbox<Outgoing> = Outbox::default();
        (0..3).for_each(|_| outbox.ask(PEER));
        outbox.push(PEER, 3, outgoing(3, 100));
        outbox.ask(PEER);
        assert!(outbox.take(PEER).is_none(), "two more are on their way");
        outbox.push(PEER, 5, outgoing(5, 100));
        outbox.push(PEER, 7, outgoing(7, 100));
        assert_eq!(outbox.take(PEER).expect("all that were asked for").len(), 3, "and not what came after");
        outbox.free(PEER);
        outbox.ask(PEER);
        outbox.push(PEER, 8, outgoing(8, 1 << 20));
        assert_eq!(outbox.take(PEER).expect("a large one does not wait").len(), 1);
    }

    #[test]
    fn a_message_is_cut_into_full_pieces_and_a_rest() {
        let pieces = frames(0, vec![(0, outgoing(1, 2 * DATA_PAYLOAD_BYTES + 5))]);
        let sizes = pieces.iter().map(|frame| match frame {
            Frame::Data(data) => (data.offset, data.payload.len()),
            _ => panic!("data frames"),
        });
        let full = DATA_PAYLOAD_BYTES;
        assert_eq!(sizes.collect::<Vec<_>>(), [(0, full), (full as u64, full), (2 * full as u64, 5)]);
        assert_eq!(frames(0, vec![(0, outgoing(1, 0))]).len(), 1, "nothing is still a message");
    }
}
