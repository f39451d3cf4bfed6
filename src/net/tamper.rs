//! A pipe in memory that does to frames what a test wants: delay, drop, alter or cut.
//!
//! Both ends are ordinary byte streams, so links over them run the code that runs over TCP.

use super::frame::{CONTROL_PAYLOAD_BYTES, Frame, HEADER_BYTES, Header};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex, split};

/// Bytes that a pipe holds in each direction, as a socket's buffers do.
const PIPE_BYTES: usize = 1 << 18;

/// What happens to a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It passes.
    Pass,
    /// It passes after a while, and what is behind it waits.
    Delay(Duration),
    /// It is lost.
    Drop,
    /// Another passes in its place.
    Replace(Frame),
    /// The pipe ends.
    Cut,
}

/// Decides on each frame, and on each message of a bundle as if it were a frame of its own; `forward` is the direction
/// from the first end to the second.
pub type Rule = Arc<dyn Fn(bool, &Frame) -> Verdict + Send + Sync>;

/// Two ends of a pipe whose frames `rule` decides on; must be called within a tokio runtime.
pub fn pipe(rule: Rule) -> (DuplexStream, DuplexStream) {
    let (first, near) = duplex(PIPE_BYTES);
    let (far, second) = duplex(PIPE_BYTES);
    let (near_read, near_write) = split(near);
    let (far_read, far_write) = split(far);
    let forward = rule.clone();
    tokio::spawn(relay(near_read, far_write, move |frame| forward(true, frame)));
    tokio::spawn(relay(far_read, near_write, move |frame| rule(false, frame)));
    (first, second)
}

/// Passes frames on until one end closes or the rule cuts.
async fn relay(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    rule: impl Fn(&Frame) -> Verdict,
) -> Option<()> {
    loop {
        let mut header = [0; HEADER_BYTES];
        from.read_exact(&mut header).await.ok()?;
        let header = Header::parse(&header, CONTROL_PAYLOAD_BYTES).ok()?;
        let mut payload = vec![0; header.length];
        from.read_exact(&mut payload).await.ok()?;
        let frame = header.frame(payload.into()).ok()?;
        let frames = match frame {
            Frame::Bundle(bundle) => bundle.messages.into_iter().map(Frame::Data).collect(),
            frame => vec![frame],
        };
        for frame in frames {
            let frame = match rule(&frame) {
                Verdict::Pass => frame,
                Verdict::Delay(pause) => {
                    tokio::time::sleep(pause).await;
                    frame
                }
                Verdict::Drop => continue,
                Verdict::Replace(other) => other,
                Verdict::Cut => {
                    let _ = to.shutdown().await;
                    return None;
                }
            };
            let (header, payload) = frame.encode();
            to.write_all(&header).await.ok()?;
            to.write_all(&payload).await.ok()?;
        }
    }
}
