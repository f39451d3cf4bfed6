//! The wire format.
//!
//! A frame is a header of 28 bytes and a payload; all numbers are little-endian:
//!
//! | bytes | field | |
//! |---|---|---|
//! | 0..4 | length | of the payload, in bytes |
//! | 4 | kind | 0 data, 1 control, 2 heartbeat, 3 ready, 4 finish, 5 abort, 6 bundle, 7 hello |
//! | 5..8 | zero | |
//! | 8..12 | run | data, bundle: the first bytes of the plan digest, plus the number of the run in its session |
//! | 12..16 | message | data: which message of the plan; control: its topic |
//! | 16..20 | depth | data: rounds up to and with this message |
//! | 20..28 | offset | data: where the payload lies within the message; heartbeat: the sender's progress |
//!
//! A heartbeat has, in 8..16, how many frames its sender has received: it acknowledges them. Frames are counted from
//! the first of a link, all but hellos, heartbeats and aborts, also across connections. A connection begins with a hello of
//! each end, the one that dialled first. An abort goes ahead of what has not been written, and nothing follows it.
//!
//! Fields that a kind does not use are zero. A message travels in consecutive data frames, all full but the last; one
//! without elements is one empty frame. Small messages that are ready together travel in one bundle, whose payload is,
//! for each, its number, depth and length as `u32` and its bytes.

use crate::memory::wipe::Wiped;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use zeroize::Zeroize;

/// Bytes of a header.
pub const HEADER_BYTES: usize = 28;

/// Most bytes of a message in one data frame: large enough to make headers negligible, small enough that a receiver
/// can start on a message before it is all there.
pub const DATA_PAYLOAD_BYTES: usize = 1 << 20;

/// Messages up to this size travel in bundles.
pub const SMALL_MESSAGE_BYTES: usize = 16 << 10;

/// Most bytes of a bundle's payload.
pub const BUNDLE_PAYLOAD_BYTES: usize = 256 << 10;

/// Bytes before each message of a bundle.
pub const BUNDLE_HEADER_BYTES: usize = 12;

/// Most bytes of a control message: a demand of hundreds of thousands of correlations fits.
pub(super) const CONTROL_PAYLOAD_BYTES: usize = 64 << 20;

/// Most bytes of a hello, which is read before it is known what its sender is to do here.
pub(super) const HELLO_PAYLOAD_BYTES: usize = 4096;

/// Most bytes of an abort's reason.
const ABORT_PAYLOAD_BYTES: usize = 4096;

/// A piece of a message.
#[derive(Clone, PartialEq, Eq)]
pub struct Data {
    /// The run: the first bytes of the plan digest, plus the number of the run in its session.
    pub run: u32,
    /// The message of the plan.
    pub message: u32,
    /// Rounds up to and with this message; 0 offline.
    pub depth: u32,
    /// Where the payload lies within the message, in bytes.
    pub offset: u64,
    /// The piece.
    pub payload: Bytes,
}

/// Whole messages in one frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// As for [`Data::run`].
    pub run: u32,
    /// The messages, each from its beginning to its end.
    pub messages: Vec<Data>,
}

/// The frames of a link.
#[derive(Clone, PartialEq, Eq)]
pub enum Frame {
    /// A piece of a message of the plan.
    Data(Data),
    /// Whole messages.
    Bundle(Bundle),
    /// The first words on a connection.
    Hello(Bytes),
    /// Words between runs, such as an order.
    Control {
        /// Its subject: the number of a [`Topic`](crate::net::Topic).
        topic: u32,
        /// The words.
        payload: Bytes,
    },
    /// A sign of life.
    Heartbeat {
        /// A number that grows while the sender gets on with its work.
        progress: u64,
        /// Frames of the link that the sender has received so far.
        received: u64,
    },
    /// The sender is done with the offline phase.
    Ready,
    /// The sender has sent everything and received everything.
    Finish,
    /// The sender gives up.
    Abort(String),
}

/// Bytes that are no frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A kind that does not exist.
    #[error("a frame of kind {0}")]
    Kind(u8),
    /// A payload beyond what the kind allows.
    #[error("a frame of kind {kind} and {length} bytes, above the limit of {limit}")]
    Length {
        /// The kind.
        kind: &'static str,
        /// The length that it claims.
        length: usize,
        /// The limit.
        limit: usize,
    },
    /// A field that must be zero is not.
    #[error("a frame of kind {0} with fields that it does not have")]
    Reserved(&'static str),
    /// An abort's reason that is no text.
    #[error("an abort whose reason is no text")]
    Text,
    /// A bundle that ends within a message.
    #[error("a bundle that ends within a message")]
    Cut,
}

/// A header that has been checked: its payload may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub length: usize,
    pub kind: Kind,
    pub run: u32,
    pub message: u32,
    pub depth: u32,
    pub offset: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Data,
    Control,
    Heartbeat,
    Ready,
    Finish,
    Abort,
    Bundle,
    Hello,
}

const KINDS: [Kind; 8] = [
    Kind::Data,
    Kind::Control,
    Kind::Heartbeat,
    Kind::Ready,
    Kind::Finish,
    Kind::Abort,
    Kind::Bundle,
    Kind::Hello,
];

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Kind::Data => "data",
            Kind::Control => "control",
            Kind::Heartbeat => "heartbeat",
            Kind::Ready => "ready",
            Kind::Finish => "finish",
            Kind::Abort => "abort",
            Kind::Bundle => "bundle",
            Kind::Hello => "hello",
        }
    }

    const fn most_payload_bytes(self) -> usize {
        match self {
            Kind::Data => DATA_PAYLOAD_BYTES,
            Kind::Control => CONTROL_PAYLOAD_BYTES,
            Kind::Heartbeat | Kind::Ready | Kind::Finish => 0,
            Kind::Abort => ABORT_PAYLOAD_BYTES,
            Kind::Bundle => BUNDLE_PAYLOAD_BYTES,
            Kind::Hello => HELLO_PAYLOAD_BYTES,
        }
    }
}

impl Header {
    /// Reads and checks a header.
    pub(super) fn parse(header: &[u8; HEADER_BYTES]) -> Result<Header, FrameError> {
        let mut bytes = &header[..];
        let length = bytes.get_u32_le() as usize;
        let kind = bytes.get_u8();
        let &kind = KINDS.get(usize::from(kind)).ok_or(FrameError::Kind(kind))?;
        let zeros = bytes.get_uint_le(3);
        let (run, message, depth) = (bytes.get_u32_le(), bytes.get_u32_le(), bytes.get_u32_le());
        let offset = bytes.get_u64_le();
        let limit = kind.most_payload_bytes();
        if length > limit {
            return Err(FrameError::Length { kind: kind.name(), length, limit });
        }
        let unused = match kind {
            Kind::Data => 0,
            Kind::Heartbeat => u64::from(depth),
            Kind::Control => u64::from(run | depth) | offset,
            Kind::Bundle => u64::from(message | depth) | offset,
            _ => u64::from(run | message | depth) | offset,
        };
        if zeros | unused != 0 {
            return Err(FrameError::Reserved(kind.name()));
        }
        Ok(Header { length, kind, run, message, depth, offset })
    }

    /// Whether the frame carries messages of the plan.
    pub(super) fn is_data(self) -> bool {
        matches!(self.kind, Kind::Data | Kind::Bundle)
    }

    /// Whether the frame waits for a place among what its receiver awaits: those with a payload do, but for the last
    /// words.
    pub(super) fn needs_place(self) -> bool {
        matches!(self.kind, Kind::Data | Kind::Bundle | Kind::Control)
    }

    /// Whether the frame may be the first of a connection.
    pub(super) fn opens(self) -> bool {
        matches!(self.kind, Kind::Hello | Kind::Abort)
    }

    /// The frame's name, for errors.
    pub(super) fn name(self) -> &'static str {
        self.kind.name()
    }

    /// The frame of this header and its payload.
    pub(super) fn frame(self, payload: Wiped) -> Result<Frame, FrameError> {
        let Header { run, message, depth, offset, .. } = self;
        // Shares and keys: wiped with the last that holds a part.
        let payload = Bytes::from(payload);
        Ok(match self.kind {
            Kind::Data => Frame::Data(Data { run, message, depth, offset, payload }),
            Kind::Bundle => Frame::Bundle(Bundle::parse(run, payload)?),
            Kind::Control => Frame::Control { topic: message, payload },
            Kind::Hello => Frame::Hello(payload),
            Kind::Heartbeat => {
                Frame::Heartbeat { progress: offset, received: u64::from(message) << 32 | u64::from(run) }
            }
            Kind::Ready => Frame::Ready,
            Kind::Finish => Frame::Finish,
            Kind::Abort => {
                let reason = std::str::from_utf8(&payload).map_err(|_| FrameError::Text)?;
                Frame::Abort(reason.to_owned())
            }
        })
    }
}

impl Bundle {
    fn parse(run: u32, mut payload: Bytes) -> Result<Bundle, FrameError> {
        let mut messages = Vec::new();
        while payload.has_remaining() {
            if payload.remaining() < BUNDLE_HEADER_BYTES {
                return Err(FrameError::Cut);
            }
            let (message, depth) = (payload.get_u32_le(), payload.get_u32_le());
            let length = payload.get_u32_le() as usize;
            if payload.remaining() < length {
                return Err(FrameError::Cut);
            }
            messages.push(Data { run, message, depth, offset: 0, payload: payload.split_to(length) });
        }
        Ok(Bundle { run, messages })
    }

    fn payload(self) -> Bytes {
        let length: usize =
            self.messages.iter().map(|message| BUNDLE_HEADER_BYTES + message.payload.len()).sum();
        let mut payload = Wiped::with_capacity(length);
        for Data { message, depth, payload: bytes, .. } in self.messages {
            for number in [message, depth, bytes.len() as u32] {
                payload.extend(&number.to_le_bytes());
            }
            payload.extend(&bytes);
        }
        payload.into()
    }
}

impl Frame {
    /// Whether the frame carries messages of the plan.
    pub fn is_data(&self) -> bool {
        matches!(self, Frame::Data(_) | Frame::Bundle(_))
    }

    /// An abort with as much of the reason as a frame holds.
    pub fn abort(reason: &str) -> Frame {
        Frame::Abort(reason[..reason.floor_char_boundary(ABORT_PAYLOAD_BYTES)].to_owned())
    }

    /// The frame's name, for errors.
    pub fn name(&self) -> &'static str {
        self.kind().name()
    }

    fn kind(&self) -> Kind {
        match self {
            Frame::Data(_) => Kind::Data,
            Frame::Bundle(_) => Kind::Bundle,
            Frame::Control { .. } => Kind::Control,
            Frame::Heartbeat { .. } => Kind::Heartbeat,
            Frame::Hello(_) => Kind::Hello,
            Frame::Ready => Kind::Ready,
            Frame::Finish => Kind::Finish,
            Frame::Abort(_) => Kind::Abort,
        }
    }

    /// The header and the payload as they cross the wire.
    ///
    /// # Panics
    /// Where the payload is longer than its kind allows: senders split.
    pub(super) fn encode(self) -> (BytesMut, Bytes) {
        let kind = self.kind();
        let (run, message, depth, offset, payload) = match self {
            Frame::Data(Data { run, message, depth, offset, payload }) => {
                (run, message, depth, offset, payload)
            }
            Frame::Bundle(bundle) => (bundle.run, 0, 0, 0, bundle.payload()),
            Frame::Control { topic, payload } => (0, topic, 0, 0, payload),
            Frame::Hello(payload) => (0, 0, 0, 0, payload),
            Frame::Abort(reason) => (0, 0, 0, 0, Bytes::from(reason)),
            Frame::Heartbeat { progress, received } => {
                (received as u32, (received >> 32) as u32, 0, progress, Bytes::new())
            }
            Frame::Ready | Frame::Finish => (0, 0, 0, 0, Bytes::new()),
        };
        assert!(payload.len() <= kind.most_payload_bytes(), "a {} frame within its limit", kind.name());
        let mut header = BytesMut::with_capacity(HEADER_BYTES);
        header.put_u32_le(payload.len() as u32);
        header.put_u8(kind as u8);
        header.put_uint_le(0, 3);
        header.put_u32_le(run);
        header.put_u32_le(message);
        header.put_u32_le(depth);
        header.put_u64_le(offset);
        (header, payload)
    }
}

/// Wipes bytes that nobody else holds: keys travel in control messages.
pub(super) fn wipe(bytes: Bytes) {
    if let Ok(mut bytes) = bytes.try_into_mut() {
        bytes.as_mut().zeroize();
    }
}

impl std::fmt::Debug for Data {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Data(message {}, {} bytes at {})", self.message, self.payload.len(), self.offset)
    }
}

/// The payload of a frame is never printed: keys travel in control messages.
impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Frame::Data(data) => data.fmt(f),
            Frame::Bundle(bundle) => bundle.fmt(f),
            Frame::Control { topic, payload } => write!(f, "Control({topic}, {} bytes)", payload.len()),
            Frame::Hello(payload) => write!(f, "Hello({} bytes)", payload.len()),
            Frame::Heartbeat { progress, received } => {
                write!(f, "Heartbeat({progress}, {received} received)")
            }
            Frame::Ready => f.write_str("Ready"),
            Frame::Finish => f.write_str("Finish"),
            Frame::Abort(reason) => write!(f, "Abort({reason:?})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes_of(frame: Frame) -> Vec<u8> {
        let (header, payload) = frame.encode();
        [&header[..], &payload[..]].concat()
    }

    fn read(bytes: &[u8]) -> Result<Frame, FrameError> {
        let header = Header::parse(bytes[..HEADER_BYTES].try_into().unwrap())?;
        header.frame(bytes[HEADER_BYTES..].to_vec().into())
    }

    /// The wire format is fixed: a change here is a new version of the protocol.
    #[test]
    fn golden_frames() {
        let data = Data {
            run: 0x0403_0201,
            message: 7,
            depth: 2,
            offset: 0x10,
            payload: Bytes::from_static(b"\xaa\xbb"),
        };
        let expected = "02000000 00000000 01020304 07000000 02000000 1000000000000000 aabb";
        assert_eq!(hex(&bytes_of(Frame::Data(data))), expected.replace(' ', ""));
        let expected = "00000000 02000000 04000000 03000000 00000000 0500000000000000";
        let heartbeat = Frame::Heartbeat { progress: 5, received: 0x3_0000_0004 };
        assert_eq!(hex(&bytes_of(heartbeat.clone())), expected.replace(' ', ""));
        assert_eq!(read(&bytes_of(heartbeat.clone())), Ok(heartbeat));
        let expected = "02000000 05000000 00000000 00000000 00000000 0000000000000000 6e6f";
        assert_eq!(hex(&bytes_of(Frame::abort("no"))), expected.replace(' ', ""));
        let expected = "02000000 01000000 00000000 06000000 00000000 0000000000000000 7b7d";
        let control = Frame::Control { topic: 6, payload: Bytes::from_static(b"{}") };
        assert_eq!(hex(&bytes_of(control)), expected.replace(' ', ""));
    }

    #[test]
    fn what_a_frame_carries_is_not_printed() {
        let grant = Frame::Control { topic: 5, payload: Bytes::from_static(b"{\"key\":[7,7]}") };
        assert_eq!(format!("{grant:?}"), "Control(5, 13 bytes)");
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn bundles_hold_whole_messages() {
        let message = |message, bytes: &'static [u8]| Data {
            run: 9,
            message,
            depth: 1,
            offset: 0,
            payload: Bytes::from_static(bytes),
        };
        let frame = Frame::Bundle(Bundle { run: 9, messages: vec![message(3, b"\xcc"), message(4, b"")] });
        let bytes = bytes_of(frame.clone());
        let expected = "19000000 06000000 09000000 00000000 00000000 0000000000000000
            03000000 01000000 01000000 cc 04000000 01000000 00000000";
        assert_eq!(hex(&bytes), expected.split_whitespace().collect::<String>());
        assert_eq!(read(&bytes), Ok(frame));
        assert_eq!(read(&bytes[..bytes.len() - 1]), Err(FrameError::Cut));
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        let mut bytes = bytes_of(Frame::Ready);
        bytes[4] = 9;
        assert_eq!(read(&bytes), Err(FrameError::Kind(9)));
        let mut bytes = bytes_of(Frame::Ready);
        bytes[0] = 1;
        assert_eq!(read(&bytes), Err(FrameError::Length { kind: "ready", length: 1, limit: 0 }));
        let mut bytes = bytes_of(Frame::Finish);
        bytes[12] = 1;
        assert_eq!(read(&bytes), Err(FrameError::Reserved("finish")));
        let mut bytes = bytes_of(Frame::Heartbeat { progress: 0, received: 0 });
        bytes[4] = 0;
        bytes[..4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(matches!(read(&bytes), Err(FrameError::Length { kind: "data", .. })));
    }

    proptest! {
        #[test]
        fn data_survives_the_wire(
            run: u32, message: u32, depth: u32, offset: u64, payload in proptest::collection::vec(any::<u8>(), 0..100)
        ) {
            let frame = Frame::Data(Data { run, message, depth, offset, payload: payload.into() });
            prop_assert_eq!(read(&bytes_of(frame.clone())), Ok(frame));
        }

        #[test]
        fn no_header_panics(header: [u8; HEADER_BYTES]) {
            if let Ok(header) = Header::parse(&header) {
                prop_assert!(header.length <= CONTROL_PAYLOAD_BYTES);
            }
        }
    }
}
