//! What a receiver awaits from its peer, against which the header of every frame is held before there is memory for its
//! payload.
//!
//! A receiver awaits nothing yet, one control message, the messages of a run, or the end. A frame that has no place in
//! what is awaited ends the link. While nothing is awaited, and once the peer's part of a run is complete, what comes
//! next waits unread, with the sender. So a peer makes a process hold what is awaited from it, every byte once, and no
//! more.

use crate::net::error::{NetError, OffPlan};
use crate::net::frame::{
    BUNDLE_HEADER_BYTES, CONTROL_PAYLOAD_BYTES, DATA_PAYLOAD_BYTES, Data, Frame, Header, Kind,
};
use crate::share::Role;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use tokio::sync::Notify;

/// The subject of a control message. Both ends know when which is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its number on the wire.
    pub number: u32,
    /// The message's name in errors.
    pub name: &'static str,
    /// Most bytes of one.
    pub most_bytes: usize,
}

impl Topic {
    /// A topic whose messages have at most so many bytes.
    ///
    /// # Panics
    /// Where no frame holds so many.
    pub const fn new(number: u32, name: &'static str, most_bytes: usize) -> Topic {
        assert!(most_bytes <= CONTROL_PAYLOAD_BYTES, "a message fits a frame");
        Topic { number, name, most_bytes }
    }

    /// Most bytes that a message may have beyond those that it has in common with this process's.
    pub const DIFFERENCE_BYTES: usize = 1 << 20;

    /// The topic where the peer's message is the same as this process's of so many bytes, or differs in what an error
    /// is to name.
    pub fn like(self, bytes: usize) -> Topic {
        Topic { most_bytes: self.most_bytes.min(2 * bytes + Topic::DIFFERENCE_BYTES), ..self }
    }
}

/// The messages of one run that a peer is to send.
#[derive(Debug)]
pub struct Messages {
    run: u32,
    most_depth: u32,
    due: HashMap<u32, Due>,
    /// The number that are not complete, and the bytes that they lack.
    missing: usize,
    missing_bytes: u64,
}

/// One of them.
#[derive(Debug)]
struct Due {
    size_bytes: u64,
    received_bytes: u64,
    is_complete: bool,
}

impl Messages {
    /// Messages by number, with their sizes in bytes; `run` is what their frames carry, and `most_depth` bounds the
    /// rounds that they can claim to be deep.
    pub fn new(run: u32, most_depth: u32, messages: impl IntoIterator<Item = (u32, u64)>) -> Messages {
        let due = |size_bytes| Due { size_bytes, received_bytes: 0, is_complete: false };
        let due: HashMap<u32, Due> = messages.into_iter().map(|(number, size)| (number, due(size))).collect();
        let missing_bytes = due.values().map(|due| due.size_bytes).sum();
        Messages { run, most_depth, missing: due.len(), missing_bytes, due }
    }

    /// Whether nothing is missing.
    fn are_complete(&self) -> bool {
        self.missing == 0
    }

    /// Holds a piece's header against what is due.
    fn check(&self, run: u32, message: u32, depth: u32, offset: u64, bytes: usize) -> Result<(), OffPlan> {
        if run != self.run {
            return Err(OffPlan::Run { message, found: run, due: self.run });
        }
        let due = self.due.get(&message).ok_or(OffPlan::Unknown { message, bytes })?;
        if due.is_complete {
            return Err(OffPlan::Again { message, bytes });
        }
        let (due_offset, due_bytes) = (due.received_bytes, due.piece_bytes());
        if (offset, bytes as u64) != (due_offset, due_bytes) {
            return Err(OffPlan::Piece { message, offset, bytes, due_offset, due_bytes });
        }
        if depth > self.most_depth {
            return Err(OffPlan::Depth { message, depth, most: self.most_depth });
        }
        Ok(())
    }

    /// Holds a bundle's header against what is due: its messages are held against it one by one.
    fn check_bundle(&self, run: u32, bytes: usize) -> Result<(), OffPlan> {
        if run != self.run {
            return Err(OffPlan::Run { message: 0, found: run, due: self.run });
        }
        let due_bytes = self.missing_bytes + (self.missing * BUNDLE_HEADER_BYTES) as u64;
        // One with nothing in it would only look like progress.
        if bytes == 0 || bytes as u64 > due_bytes {
            Err(OffPlan::Bundle { bytes, due_bytes })
        } else {
            Ok(())
        }
    }

    /// Takes a piece off what is due.
    ///
    /// # Errors
    /// Where it is not due.
    pub fn take(&mut self, data: &Data) -> Result<(), OffPlan> {
        let bytes = data.payload.len();
        self.check(data.run, data.message, data.depth, data.offset, bytes)?;
        let due = self.due.get_mut(&data.message).expect("a message that was checked");
        due.received_bytes += bytes as u64;
        due.is_complete = due.received_bytes == due.size_bytes;
        self.missing_bytes -= bytes as u64;
        self.missing -= usize::from(due.is_complete);
        Ok(())
    }
}

impl Due {
    /// Bytes of the piece that is due.
    fn piece_bytes(&self) -> u64 {
        (self.size_bytes - self.received_bytes).min(DATA_PAYLOAD_BYTES as u64)
    }
}

/// The awaited messages.
#[derive(Debug, Default)]
pub(in crate::net) enum Awaited {
    /// Nothing yet.
    #[default]
    Nothing,
    /// A control message.
    Control(Topic),
    /// The messages of a run.
    Messages(Messages),
    /// The end of all.
    End,
}

impl Awaited {
    /// Holds a frame that needs a place against what is awaited; `None` where it waits.
    pub(in crate::net) fn check(&self, peer: Role, header: &Header) -> Option<Result<(), NetError>> {
        let out_of_place = |expected| Err(NetError::OutOfPlace { peer, expected, found: header.name() });
        let &Header { length, kind, run, message, depth, offset } = header;
        let checked = match (self, kind) {
            (Awaited::Nothing, _) => return None,
            (Awaited::Control(topic), Kind::Control) => topic.check(peer, message, length),
            (Awaited::Control(topic), _) => out_of_place(topic.name),
            (Awaited::Messages(messages), Kind::Data) => {
                let checked = messages.check(run, message, depth, offset, length);
                checked.map_err(|offence| NetError::OffPlan { peer, offence })
            }
            (Awaited::Messages(messages), Kind::Bundle) => {
                let checked = messages.check_bundle(run, length);
                checked.map_err(|offence| NetError::OffPlan { peer, offence })
            }
            (Awaited::Messages(_), _) => out_of_place("a message of the run"),
            (Awaited::End, _) => out_of_place("the end"),
        };
        Some(checked)
    }

    /// Takes a frame that has been read off what is awaited. Its header has passed; of a bundle, the messages may not.
    pub(in crate::net) fn take(&mut self, peer: Role, frame: &Frame) -> Result<(), NetError> {
        let taken = match (&mut *self, frame) {
            (Awaited::Messages(messages), Frame::Data(data)) => messages.take(data),
            (Awaited::Messages(messages), Frame::Bundle(bundle)) => {
                bundle.messages.iter().try_for_each(|data| messages.take(data))
            }
            _ => Ok(()),
        };
        let is_over = match self {
            Awaited::Control(_) => matches!(frame, Frame::Control { .. }),
            Awaited::Messages(messages) => messages.are_complete(),
            Awaited::Nothing | Awaited::End => false,
        };
        if is_over {
            *self = Awaited::Nothing;
        }
        taken.map_err(|offence| NetError::OffPlan { peer, offence })
    }
}

impl Topic {
    fn check(self, peer: Role, number: u32, bytes: usize) -> Result<(), NetError> {
        let Topic { name: what, most_bytes, .. } = self;
        if number != self.number {
            return Err(NetError::OffTopic { peer, what, due: self.number, found: number });
        }
        if bytes > most_bytes {
            return Err(NetError::Oversized { peer, what, bytes, most_bytes });
        }
        Ok(())
    }
}

/// The awaited messages, shared by a receiver, which names them, and the reader of its link.
#[derive(Debug, Default)]
pub(in crate::net) struct Expected {
    awaited: Mutex<Awaited>,
    changed: Notify,
}

impl Expected {
    /// This is awaited from now on.
    pub(in crate::net) fn set(&self, awaited: Awaited) {
        *self.lock() = match awaited {
            Awaited::Messages(messages) if messages.are_complete() => Awaited::Nothing,
            awaited => awaited,
        };
        self.changed.notify_one();
    }

    /// Waits while nothing is awaited; then makes sure that the frame of this header is.
    pub(in crate::net) async fn admit(&self, peer: Role, header: &Header) -> Result<(), NetError> {
        loop {
            let checked = self.lock().check(peer, header);
            match checked {
                Some(checked) => return checked,
                None => self.changed.notified().await,
            }
        }
    }

    /// As [`Awaited::take`].
    pub(in crate::net) fn take(&self, peer: Role, frame: &Frame) -> Result<(), NetError> {
        self.lock().take(peer, frame)
    }

    fn lock(&self) -> MutexGuard<'_, Awaited> {
        self.awaited.lock().expect("no panic while checking")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::frame::Bundle;
    use bytes::Bytes;

    const PEER: Role = Role::party(1);
    const FULL: usize = DATA_PAYLOAD_BYTES;
    const PLAN: Topic = Topic::new(3, "plan", 100);

    /// Awaits messages 0 (a full piece and 8 bytes) and 1 (nothing).
    fn messages() -> Awaited {
        Awaited::Messages(Messages::new(9, 20, [(0, FULL as u64 + 8), (1, 0)]))
    }

    fn piece(message: u32, offset: usize, len: usize) -> Frame {
        Frame::Data(data(message, offset, len))
    }

    fn data(message: u32, offset: usize, len: usize) -> Data {
        Data { run: 9, message, depth: 1, offset: offset as u64, payload: Bytes::from(vec![0; len]) }
    }

    /// Holds frames against what is awaited until one is refused: at its header, unless it is a bundle.
    fn refused(mut awaited: Awaited, frames: &[Frame]) -> String {
        for frame in frames {
            let (header, _) = frame.clone().encode();
            let header =
                Header::parse(header[..].try_into().expect("a header")).expect("a header that is one");
            let checked = awaited.check(PEER, &header).expect("something is awaited");
            if let Err(error) = checked.and_then(|()| awaited.take(PEER, frame)) {
                return error.to_string();
            }
        }
        panic!("all were taken")
    }

    #[test]
    fn what_is_due_is_taken_and_then_nothing_is_awaited() {
        let mut awaited = messages();
        for frame in [piece(0, 0, FULL), piece(1, 0, 0), piece(0, FULL, 8)] {
            assert!(!matches!(awaited, Awaited::Nothing));
            assert_eq!(awaited.take(PEER, &frame), Ok(()));
        }
        assert!(matches!(awaited, Awaited::Nothing), "what follows waits");
    }

    #[test]
    fn what_the_plan_does_not_have_is_refused_with_tag_and_lengths() {
        let bundle = |messages: &[Data]| Frame::Bundle(Bundle { run: 9, messages: messages.to_vec() });
        let cases: [(&[Frame], &str); 13] = [
            (&[piece(7, 0, 8)], "party 1 broke the plan: 8 bytes of message 7, which is not awaited from it"),
            (&[piece(0, 8, 8)], "8 bytes at 8 of message 0, where 1048576 bytes at 0 were due"),
            (&[piece(0, 0, 3)], "3 bytes at 0 of message 0, where 1048576 bytes at 0 were due"),
            (&[piece(0, 0, FULL), piece(0, FULL, 16)], "16 bytes at 1048576 of message 0, where 8 bytes"),
            (&[piece(1, 0, 4)], "4 bytes at 0 of message 1, where 0 bytes at 0 were due"),
            (&[piece(1, 0, 0), piece(1, 0, 0)], "message 1 a second time, with 0 bytes"),
            (&[Frame::Data(Data { run: 8, ..data(1, 0, 0) })], "of run 00000008, where run 00000009 is due"),
            (&[Frame::Data(Data { depth: 21, ..data(1, 0, 0) })], "21 rounds deep, of at most 20"),
            (&[bundle(&[data(1, 0, 0), data(1, 0, 0)])], "message 1 a second time"),
            (&[bundle(&[])], "messages of 0 bytes in one frame, where 1048608 bytes were due"),
            (&[bundle(&[data(2, 0, 0)])], "message 2, which is not awaited"),
            (
                &[piece(0, 0, FULL), bundle(&[data(2, 0, 21), data(2, 0, 0)])],
                "messages of 45 bytes in one frame, where 32 bytes were due",
            ),
            (
                &[Frame::Control { topic: 3, payload: Bytes::new() }],
                "party 1 sent control where a message of the run was due",
            ),
        ];
        for (frames, words) in cases {
            let error = refused(messages(), frames);
            assert!(error.contains(words), "{error} says {words}");
        }
    }

    #[test]
    fn a_control_message_has_its_topic_and_its_length() {
        let control = |topic, len| Frame::Control { topic, payload: Bytes::from(vec![b' '; len]) };
        let cases = [
            (control(4, 1), "party 1 sent control message 4 where its plan, control message 3, was due"),
            (control(3, 101), "party 1 sent its plan of 101 bytes, of which at most 100 are taken"),
            (piece(0, 0, 8), "party 1 sent data where plan was due"),
        ];
        for (frame, words) in cases {
            assert_eq!(refused(Awaited::Control(PLAN), &[frame]), words);
        }
        let mut awaited = Awaited::Control(PLAN);
        assert_eq!(awaited.take(PEER, &control(3, 100)), Ok(()));
        assert!(matches!(awaited, Awaited::Nothing), "one, and no other after it");
        assert_eq!(refused(Awaited::End, &[control(3, 1)]), "party 1 sent control where the end was due");
    }

    #[tokio::test(start_paused = true)]
    async fn while_nothing_is_awaited_what_comes_waits() {
        let expected = Expected::default();
        let (header, _) = Frame::Control { topic: 3, payload: Bytes::new() }.encode();
        let header = Header::parse(header[..].try_into().expect("a header")).expect("a header that is one");
        let patience = std::time::Duration::from_secs(60 * 60);
        assert!(tokio::time::timeout(patience, expected.admit(PEER, &header)).await.is_err());
        let admitted = async {
            tokio::join!(expected.admit(PEER, &header), async { expected.set(Awaited::Control(PLAN)) }).0
        };
        assert_eq!(tokio::time::timeout(patience, admitted).await, Ok(Ok(())));
    }
}
