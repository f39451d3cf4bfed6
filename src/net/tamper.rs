//! A wire in memory that does to frames what a test wants: delay, drop, alter, or break their connection.

use crate::memory::wipe::Wiped;
use crate::net::frame::{Bundle, Data, Frame, HEADER_BYTES, Header};
use crate::net::memory::{PIPE_BYTES, Pipe};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex, split};
use tokio::runtime::Handle;

/// The treatment of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It passes.
    Pass,
    /// It passes after a while, and what is behind it waits.
    Delay(Duration),
    /// It is lost.
    Drop,
    /// It passes twice.
    Repeat,
    /// Another passes in its place.
    Replace(Frame),
    /// It passes, and another behind it.
    Then(Frame),
    /// It is lost with the connection; another can be made.
    Break,
    /// It is lost with the connection, and no other can be made.
    Cut,
}

/// Decides on each frame, and on each message of a bundle as if it were a frame of its own; `forward` is the direction
/// from the end that dials.
pub type Rule = Arc<dyn Fn(bool, &Frame) -> Verdict + Send + Sync>;

/// Connections whose frames `rule` decides on, until it cuts the wire. `runtime` serves them.
pub(crate) fn tampered_pipe(rule: Rule, runtime: &Handle) -> Pipe {
    let (runtime, cut) = (runtime.clone(), Arc::new(AtomicBool::new(false)));
    Box::new(move || {
        if cut.load(Ordering::SeqCst) {
            return None;
        }
        let ((near, dialling), (far, awaiting)) = (duplex(PIPE_BYTES), duplex(PIPE_BYTES));
        runtime.spawn(relay(near, far, rule.clone(), cut.clone()));
        Some((dialling, awaiting))
    })
}

/// Passes frames on in both directions until one end closes or the rule breaks the connection.
async fn relay(near: DuplexStream, far: DuplexStream, rule: Rule, cut: Arc<AtomicBool>) {
    let (near_read, near_write) = split(near);
    let (far_read, far_write) = split(far);
    let backward = rule.clone();
    tokio::select! {
        _ = pass(near_read, far_write, |frame| rule(true, frame), &cut) => {}
        _ = pass(far_read, near_write, |frame| backward(false, frame), &cut) => {}
    }
}

/// Passes frames on until one end closes, or the rule breaks the connection: `cut` then says whether for good, before
/// either end sees that it is broken.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    rule: impl Fn(&Frame) -> Verdict,
    cut: &AtomicBool,
) -> Option<()> {
    loop {
        let mut header = [0; HEADER_BYTES];
        from.read_exact(&mut header).await.ok()?;
        let header = Header::parse(&header).ok()?;
        let mut payload = Wiped::zeroed(header.length);
        from.read_exact(payload.bytes_mut()).await.ok()?;
        let frame = header.frame(payload).ok()?;
        match judge(frame, &rule).await {
            Ok(frames) => {
                for frame in frames {
                    let (header, payload) = frame.encode();
                    to.write_all(&header).await.ok()?;
                    to.write_all(&payload).await.ok()?;
                }
            }
            Err(last) => {
                cut.fetch_or(last == Verdict::Cut, Ordering::SeqCst);
                return None;
            }
        }
    }
}

/// What becomes of a frame. A bundle stays one, since its link counts it as one.
async fn judge(frame: Frame, rule: &impl Fn(&Frame) -> Verdict) -> Result<Vec<Frame>, Verdict> {
    let Frame::Bundle(bundle) = frame else { return judge_one(frame, rule).await };
    let (mut messages, mut behind): (Vec<Data>, Vec<Frame>) = Default::default();
    for message in bundle.messages {
        for (index, frame) in judge_one(Frame::Data(message), rule).await?.into_iter().enumerate() {
            match frame {
                Frame::Data(message) if message.offset == 0 && message.run == bundle.run => {
                    messages.push(message);
                }
                // What a bundle cannot say goes in its place, or behind it.
                other if index == 0 => return Ok(vec![other]),
                other => behind.push(other),
            }
        }
    }
    if !messages.is_empty() {
        behind.insert(0, Frame::Bundle(Bundle { run: bundle.run, messages }));
    }
    Ok(behind)
}

async fn judge_one(frame: Frame, rule: &impl Fn(&Frame) -> Verdict) -> Result<Vec<Frame>, Verdict> {
    match rule(&frame) {
        Verdict::Pass => Ok(vec![frame]),
        Verdict::Delay(pause) => {
            tokio::time::sleep(pause).await;
            Ok(vec![frame])
        }
        Verdict::Drop => Ok(Vec::new()),
        Verdict::Repeat => Ok(vec![frame.clone(), frame]),
        Verdict::Replace(other) => Ok(vec![other]),
        Verdict::Then(other) => Ok(vec![frame, other]),
        last @ (Verdict::Break | Verdict::Cut) => Err(last),
    }
}
