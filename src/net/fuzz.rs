//! The readers of strangers' bytes, for fuzzing: none may panic, or take memory that the bytes do not pay for.

use crate::net::frame::{DATA_PAYLOAD_BYTES, Frame, HEADER_BYTES, Header};
use crate::net::link::expected::{Awaited, Messages, Topic};
use crate::net::stream::hello::Hello;
use crate::share::Role;
use tokio::io::{AsyncWriteExt, duplex};
use tokio::runtime::Builder;

/// Reads the bytes as a frame, which must be written as it was read.
///
/// # Panics
/// Where a frame is not written as it was read.
pub fn frame(bytes: &[u8]) {
    let Some((header, payload)) = bytes.split_first_chunk::<HEADER_BYTES>() else { return };
    let Ok(header) = Header::parse(header) else { return };
    let Some(payload) = payload.get(..header.length) else { return };
    let Ok(frame) = header.frame(payload.to_vec().into()) else { return };
    let (header, payload) = frame.encode();
    assert_eq!([&header[..], &payload[..]].concat(), bytes[..HEADER_BYTES + payload.len()]);
}

/// Reads the bytes as the frames of a peer, held one after the other against the messages of a run, a control message
/// and the end: of what is awaited every byte comes once.
///
/// # Panics
/// Where more is taken than is awaited.
pub fn awaited_frames(bytes: &[u8]) {
    const SIZES: [u64; 4] = [0, 8, 300, DATA_PAYLOAD_BYTES as u64 + 8];
    const TOPIC: Topic = Topic::new(3, "plan", 64);
    let messages = Messages::new(7, 100, (0..).zip(SIZES));
    let mut to_come = vec![Awaited::End, Awaited::Control(TOPIC)];
    let (mut awaited, mut taken_bytes, mut left) = (Awaited::Messages(messages), 0, bytes);
    while let Some((header, rest)) = left.split_first_chunk::<HEADER_BYTES>()
        && let Ok(header) = Header::parse(header)
    {
        if matches!(awaited, Awaited::Nothing) {
            awaited = to_come.pop().expect("the end stays");
        }
        if header.needs_place() && awaited.check(Role::Dealer, &header) != Some(Ok(())) {
            break;
        }
        let Some((payload, rest)) = rest.split_at_checked(header.length) else { break };
        let Ok(frame) = header.frame(payload.to_vec().into()) else { break };
        if awaited.take(Role::Dealer, &frame).is_err() {
            break;
        }
        taken_bytes += match frame {
            Frame::Data(data) => data.payload.len(),
            Frame::Bundle(bundle) => bundle.messages.iter().map(|message| message.payload.len()).sum(),
            Frame::Control { payload, .. } => payload.len(),
            _ => 0,
        };
        left = rest;
    }
    assert!(taken_bytes <= SIZES.iter().sum::<u64>() as usize + TOPIC.most_bytes, "no more than is awaited");
}

/// Hears the greeting of a peer that says just these bytes.
///
/// # Panics
/// Where the operating system gives no runtime.
pub fn greeting(bytes: &[u8]) {
    const ROOM: usize = 4096;
    let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        let (mut near, mut far) = duplex(bytes.len() + ROOM);
        far.write_all(bytes).await.expect("there is room");
        far.shutdown().await.expect("the pipe ends");
        if let Ok(hello) = Hello::hear(Role::Dealer, &mut near).await {
            let _ = hello.check(Role::Dealer);
        }
    });
}

#[cfg(test)]
mod tests {
    use crate::testing::corpus;

    #[test]
    fn frames_of_the_corpus_are_survived() {
        corpus("frame", super::frame);
    }

    #[test]
    fn awaited_frames_of_the_corpus_are_survived() {
        corpus("awaited_frames", super::awaited_frames);
    }

    #[test]
    fn greetings_of_the_corpus_are_survived() {
        corpus("greeting", super::greeting);
    }
}
