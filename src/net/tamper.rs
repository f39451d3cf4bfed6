//! A wire in memory that does to frames what a test wants: delay, drop, alter, or break their connection.
//!
//! Both ends are ordinary byte streams, so links over them run the code that runs over TCP. One end dials, as with TCP,
//! and dials again where a connection breaks.

use super::carrier::{Dial, DialError, Origin};
use super::frame::{Bundle, Data, Frame, HEADER_BYTES, Header};
use super::hello::{Token, write_frame};
use super::visit::Visit;
use super::{Hello, Link, LinkOptions, NetError};
use crate::share::Role;
use crate::wipe::Wiped;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex, split};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// Bytes that a wire holds in each direction, as a socket's buffers do.
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

/// An end of a wire, which becomes a link.
pub struct WireEnd(Origin);

/// Two ends of a wire whose frames `rule` decides on; the first dials the other, which is `peer`. `runtime` serves the
/// wire, and must outlive what is sent.
pub fn wire(peer: Role, rule: Rule, runtime: &Handle) -> (WireEnd, WireEnd) {
    let (visits, awaited) = mpsc::channel(1);
    let (runtime, cut) = (runtime.clone(), Arc::new(AtomicBool::new(false)));
    let near = MemoryDial { peer, rule, runtime, cut, visits: Some(visits) };
    (WireEnd(Origin::Dialled(Box::new(near))), WireEnd(Origin::Awaited(awaited)))
}

impl WireEnd {
    /// The link of role `own` with `peer` over this end; must be called within a tokio runtime.
    pub fn link(self, own: Role, peer: Role, options: &LinkOptions) -> Link {
        // There are no strangers in memory: a name that can be guessed does.
        let hello = Hello { link: Token::default(), ..Hello::new(own) };
        Link::over(peer, hello, self.0, None, options)
    }
}

/// Dials the other end of a wire.
struct MemoryDial {
    peer: Role,
    rule: Rule,
    runtime: Handle,
    cut: Arc<AtomicBool>,
    /// Where the other end awaits connections; closed once the wire is cut.
    visits: Option<mpsc::Sender<Visit>>,
}

impl Dial for MemoryDial {
    fn dial(&mut self, hello: Hello) -> Pin<Box<dyn Future<Output = Result<Visit, DialError>> + Send + '_>> {
        if self.cut.load(Ordering::SeqCst) {
            self.visits = None;
        }
        let Some(visits) = self.visits.clone().filter(|visits| !visits.is_closed()) else {
            return Box::pin(std::future::ready(Err(self.gone("the wire is cut"))));
        };
        let (mut stream, near) = duplex(PIPE_BYTES);
        let (far, mut visit) = duplex(PIPE_BYTES);
        self.runtime.spawn(relay(near, far, self.rule.clone(), self.cut.clone()));
        let peer = self.peer;
        self.runtime.spawn(async move {
            if let Ok(hello) = Hello::hear(peer, &mut visit).await {
                let _ = visits.send(Visit::new(visit, hello)).await;
            }
        });
        Box::pin(async move {
            let failed = |error: io::Error| DialError::Failed(super::tls::explain(peer, &error));
            write_frame(&mut stream, hello.frame()).await.map_err(failed)?;
            let hello = Hello::hear(peer, &mut stream).await.map_err(DialError::Failed)?;
            Ok(Visit::new(stream, hello))
        })
    }
}

impl MemoryDial {
    fn gone(&self, reason: &str) -> DialError {
        DialError::Final(NetError::Closed { peer: self.peer, reason: reason.into() })
    }
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
