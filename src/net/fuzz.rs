//! What reads the bytes of strangers, for fuzzing: nothing here may panic, or take memory that the bytes do not pay for.

use super::Hello;
use super::frame::{HEADER_BYTES, Header};
use crate::share::Role;
use bytes::Bytes;
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
    let Ok(frame) = header.frame(Bytes::copy_from_slice(payload)) else { return };
    let (header, payload) = frame.encode();
    assert_eq!([&header[..], &payload[..]].concat(), bytes[..HEADER_BYTES + payload.len()]);
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
    use crate::fuzz::corpus;

    #[test]
    fn frames_of_the_corpus_are_survived() {
        corpus("frame", super::frame);
    }

    #[test]
    fn greetings_of_the_corpus_are_survived() {
        corpus("greeting", super::greeting);
    }
}
