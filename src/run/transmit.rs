//! From the device to the wire: messages under way, and their frames.

use super::outbox::{Outgoing, piece_count};
use super::stored::{SharedSink, StoredFailed};
use crate::device::Pieces;
use crate::net::{Activity, Bundle, DATA_PAYLOAD_BYTES, Data, Frame, LinkSender, NetError};
use crate::share::Role;
use bytes::Bytes;

/// A completed transmission: the messages of the steps at these positions are with the link.
pub(super) struct Delivery(pub Role, pub Vec<u32>);

/// The failure of a delivery, with the position of its step, and its peer.
pub(super) enum Failure {
    Net(u32, Role, NetError),
    Sink(u32, Role),
}

/// Queues messages on their link: one as it is, several as a bundle.
pub(super) async fn transmit(
    link: LinkSender,
    run: u32,
    messages: Vec<(u32, Outgoing<Pieces>)>,
) -> Result<Delivery, Failure> {
    let peer = link.peer();
    let positions: Vec<u32> = messages.iter().map(|&(position, _)| position).collect();
    for frame in frames(run, messages) {
        link.send(frame).await.map_err(|error| Failure::Net(positions[0], peer, error))?;
    }
    Ok(Delivery(peer, positions))
}

/// Gives messages to a sink, frame by frame as a link would take them.
pub(super) fn keep(
    sink: &SharedSink,
    activity: &Activity,
    run: u32,
    messages: Vec<(u32, Outgoing<Pieces>)>,
) -> Result<Delivery, Failure> {
    let mut sink = sink.lock().expect("no panic in a sink");
    let taker = sink.taker();
    let positions: Vec<u32> = messages.iter().map(|&(position, _)| position).collect();
    for frame in frames(run, messages) {
        let pieces = match frame {
            Frame::Data(data) => vec![data],
            Frame::Bundle(bundle) => bundle.messages,
            other => unreachable!("messages are in no {} frame", other.name()),
        };
        sink.keep(pieces).map_err(|StoredFailed| Failure::Sink(positions[0], taker))?;
        activity.advance();
    }
    Ok(Delivery(taker, positions))
}

fn frames(run: u32, mut messages: Vec<(u32, Outgoing<Pieces>)>) -> Vec<Frame> {
    let data = |message: &Outgoing<Pieces>, offset: usize, payload: Bytes| Data {
        run,
        message: message.message.0,
        depth: message.depth,
        offset: offset as u64,
        payload,
    };
    if messages.len() > 1 {
        let whole =
            |(_, message): (u32, Outgoing<Pieces>)| data(&message, 0, message.content.clone().into_bytes());
        return vec![Frame::Bundle(Bundle { run, messages: messages.into_iter().map(whole).collect() })];
    }
    let Some((_, message)) = messages.pop() else { return Vec::new() };
    let len = message.content.len();
    let piece = |index: usize| {
        let start = index * DATA_PAYLOAD_BYTES;
        let end = len.min(start + DATA_PAYLOAD_BYTES);
        Frame::Data(data(&message, start, message.content.slice(start..end)))
    };
    (0..piece_count(len)).map(piece).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{BUNDLE_HEADER_BYTES, HEADER_BYTES};
    use crate::run::outbox::framing_bytes;
    use crate::step::MessageId;

    fn outgoing(message: u32, len: usize) -> (u32, Outgoing<Pieces>) {
        (
            message,
            Outgoing { message: MessageId(message), depth: 1, content: Bytes::from(vec![0; len]).into() },
        )
    }

    #[test]
    fn a_message_is_cut_into_full_pieces_and_a_rest() {
        let pieces = frames(0, vec![outgoing(1, 2 * DATA_PAYLOAD_BYTES + 5)]);
        let sizes = pieces.iter().map(|frame| match frame {
            Frame::Data(data) => (data.offset, data.payload.len()),
            _ => panic!("data frames"),
        });
        let full = DATA_PAYLOAD_BYTES;
        assert_eq!(sizes.collect::<Vec<_>>(), [(0, full), (full as u64, full), (2 * full as u64, 5)]);
        assert_eq!(frames(0, vec![outgoing(1, 0)]).len(), 1, "nothing is still a message");
    }

    #[test]
    fn several_messages_are_one_bundle() {
        let frames = frames(0, vec![outgoing(1, 5), outgoing(2, 0)]);
        assert!(matches!(&frames[..], [Frame::Bundle(bundle)] if bundle.messages.len() == 2));
        assert_eq!(framing_bytes(2, 5), HEADER_BYTES + 2 * BUNDLE_HEADER_BYTES);
    }
}
