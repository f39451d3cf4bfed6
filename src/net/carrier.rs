//! What carries a link's frames: over one connection, and where that breaks over the next.
//!
//! Who has dialled dials again, and who was dialled waits for it, each until the peer has given no sign of life for the
//! silence deadline. The first words on a connection say how many frames each end has received of the link. What is
//! behind them is written again from memory, the same bytes, and a frame counts as received once it is in the hands of
//! the receiver: so every frame is delivered once and in order, and no mask is used for a second value.
//!
//! A task serves a link. It reads and writes at once; where one of them fails, both stop, so that nothing of an old
//! connection is taken for received after the count has been told on a new one.

use super::expected::Expected;
use super::hello::{Hello, write_frame};
use super::link::LinkOptions;
use super::reader::Reader;
use super::resend::{Resend, WINDOW_BYTES};
use super::shape::LinkShape;
use super::traffic::Traffic;
use super::visit::{Visit, gather, next_visit};
use super::writer::Writer;
use super::{Activity, Deadlines, Frame, NetError, Streams};
use crate::share::Role;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// Pause between two attempts to reach a peer that is not there.
pub(super) const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// A peer at whose address nobody has listened for so long has ended: a process listens for as long as its session
/// lasts.
const GONE_AFTER: Duration = Duration::from_secs(1);

/// How long to read on from a connection that takes nothing, and to tell a peer that is at fault.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// How long to make sure that the peer has everything, once this end has.
const LINGER: Duration = Duration::from_secs(2);

/// Makes a connection to the peer of a link.
pub(super) trait Dial: Send {
    /// Tries once: connects, greets and is greeted.
    fn dial(&mut self, hello: Hello) -> Pin<Box<dyn Future<Output = Result<Visit, DialError>> + Send + '_>>;
}

/// Why an attempt to connect failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum DialError {
    /// Nobody listens there.
    Nobody(String),
    /// Another attempt may succeed.
    Failed(NetError),
    /// Another attempt would end alike.
    Final(NetError),
}

/// Where a link's connections come from.
pub(super) enum Origin {
    /// This end dials.
    Dialled(Box<dyn Dial>),
    /// The peer dials, and what it brings comes through here.
    Awaited(mpsc::Receiver<Visit>),
    /// There is none but the first.
    Single,
}

/// What the parts of a link have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub peer: Role,
    pub deadlines: Deadlines,
    pub activity: Activity,
    /// What the peer's last heartbeat said of its progress.
    pub peer_progress: AtomicU64,
    /// Frames received so far.
    pub received: AtomicU64,
    /// Frames that the peer has acknowledged, as it says.
    pub acknowledged: AtomicU64,
    /// The peer is to be told at once what has been received.
    pub acknowledge: AtomicBool,
    /// The peer has said that it has sent everything.
    pub finished: AtomicBool,
    /// What the receiver awaits.
    pub expected: Expected,
    /// Why this process gives up, once it does.
    pub last_words: OnceLock<String>,
    /// Wakes the writer.
    pub wake: Notify,
    /// Why the link has ended.
    pub failure: OnceLock<NetError>,
    pub traffic: Traffic,
}

impl Shared {
    pub(super) fn new(peer: Role, options: &LinkOptions) -> Shared {
        Shared {
            peer,
            deadlines: options.deadlines,
            activity: options.activity.clone(),
            peer_progress: AtomicU64::new(0),
            received: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            acknowledge: AtomicBool::new(false),
            finished: AtomicBool::new(false),
            expected: Expected::default(),
            last_words: OnceLock::new(),
            wake: Notify::new(),
            failure: OnceLock::new(),
            traffic: Traffic::default(),
        }
    }

    /// Has the peer told why this process gives up, ahead of what has not been written. The first reason counts.
    pub(super) fn give_up(&self, reason: &str) {
        let _ = self.last_words.set(reason.to_owned());
        self.wake.notify_one();
    }
}

/// How the service of a connection ended.
pub(super) enum End {
    /// There is nothing left to carry.
    Done,
    /// The connection broke.
    Broken(NetError),
    /// The peer has another.
    Replaced(Visit),
    /// The peer is at fault.
    Failed(NetError),
}

/// The task of a link.
pub(super) struct Carrier {
    shared: Arc<Shared>,
    /// What this end greets with.
    hello: Hello,
    origin: Origin,
    writer: Writer,
    reader: Reader,
    /// The link that this one stands in for.
    shape: Option<LinkShape>,
}

impl Carrier {
    pub(super) fn new(
        shared: Arc<Shared>,
        hello: Hello,
        origin: Origin,
        queue: mpsc::Receiver<Frame>,
        to_receiver: mpsc::Sender<Result<Frame, NetError>>,
        shape: Option<LinkShape>,
    ) -> Carrier {
        // What a line that stands in for another link has under way waits for its acknowledgement as well.
        let under_way = shape.map_or(0, |shape| shape.bytes_in(shape.round_trip()) as usize);
        let writer = Writer::new(shared.clone(), queue, Resend::new(WINDOW_BYTES + under_way));
        let reader = Reader::new(shared.clone(), to_receiver);
        Carrier { shared, hello, origin, writer, reader, shape }
    }

    /// Carries frames until there are no more, or the link cannot go on.
    pub(super) async fn carry(mut self, first: Option<Visit>) {
        let mut visit = first;
        let mut broken = None;
        loop {
            let next = match visit.take() {
                Some(visit) => Ok(visit),
                None => self.connect(broken.take()).await,
            };
            let end = match next {
                Ok(visit) => self.serve(visit).await,
                Err(error) => End::Failed(error),
            };
            let (role, peer) = (self.hello.role, self.shared.peer);
            match end {
                End::Done => return tracing::debug!(%role, %peer, "the link has ended"),
                // Who has everything closes.
                End::Broken(_) if self.is_over() && self.writer.is_done() => return,
                End::Broken(reason) => {
                    tracing::warn!(%role, %peer, %reason, "a connection broke");
                    broken = Some(reason);
                }
                End::Replaced(another) => {
                    tracing::warn!(%role, %peer, "the peer has made another connection");
                    visit = Some(another);
                }
                End::Failed(error) => {
                    tracing::error!(%role, %peer, %error, "the link has failed");
                    return self.fail(error).await;
                }
            }
        }
    }

    /// Serves a connection until it breaks.
    async fn serve(&mut self, mut visit: Visit) -> End {
        let received = visit.hello.received;
        if let Err(miscount) = self.writer.resume(received) {
            let words = Frame::abort(&miscount.told(self.shared.peer));
            let _ = timeout(LAST_WORDS, write_frame(&mut visit.stream, words)).await;
            return End::Failed(miscount);
        }
        let answer = match self.answer(&mut visit).await {
            Ok(answer) => answer,
            Err(end) => return end,
        };
        self.shared.traffic.connected();
        let (role, peer) = (self.hello.role, self.shared.peer);
        let here = self.shared.received.load(Ordering::Relaxed);
        let streams = 1 + visit.further.len();
        tracing::info!(%role, %peer, received = here, received_there = received, streams, "connected");
        let (inlet, mut outlet) = visit.open(self.shape);
        let hurried = Notify::new();
        let mut read = pin!(self.reader.read(inlet, &hurried));
        let mut write = pin!(self.writer.write(&mut outlet, answer));
        let visits = match &mut self.origin {
            Origin::Awaited(visits) => Some(visits),
            Origin::Dialled(_) | Origin::Single => None,
        };
        let written = tokio::select! {
            end = &mut read => {
                // A peer that is at fault is told so.
                if let End::Failed(error) = &end && !matches!(error, NetError::Aborted { .. }) {
                    self.shared.give_up(&error.told(peer));
                    let _ = timeout(LAST_WORDS, write).await;
                }
                return end;
            }
            visit = another(visits) => return End::Replaced(visit),
            end = &mut write => end,
        };
        let is_broken = matches!(written, End::Broken(_));
        if is_broken || self.shared.last_words.get().is_some() {
            // The peer may have said why it no longer takes anything. And where this end has said its last words, it does
            // not close while the peer still sends: that would reach the peer as an error, and before the words.
            hurried.notify_one();
            if let (Ok(end), true) = (timeout(LAST_WORDS, read).await, is_broken) {
                return end;
            }
        }
        written
    }

    /// What this end is still to say at the beginning of a connection, once that is all there.
    async fn answer(&mut self, visit: &mut Visit) -> Result<Option<Hello>, End> {
        let Origin::Awaited(visits) = &mut self.origin else { return Ok(None) };
        let Hello { link, visit: name, streams, .. } = visit.hello;
        let (received, streams) =
            (self.shared.received.load(Ordering::Relaxed), streams.min(self.hello.streams));
        let greeting = Hello { link, visit: name, received, streams, ..self.hello };
        if streams == Streams::ONE {
            return Ok(Some(greeting));
        }
        let Shared { peer, deadlines, .. } = &*self.shared;
        gather(visit, *peer, greeting, deadlines.silence, visits).await.map(|()| None)
    }

    /// The next connection, after the last has broken.
    async fn connect(&mut self, broken: Option<NetError>) -> Result<Visit, NetError> {
        let silence = self.shared.deadlines.silence;
        let closing = self.is_over();
        let patience = if closing { LINGER.min(silence) } else { silence };
        let deadline = self.reader.last_heard() + patience;
        let hello = Hello { received: self.shared.received.load(Ordering::Relaxed), ..self.hello };
        let found = match &mut self.origin {
            Origin::Single => Err(DialError::Nobody("it has no other".into())),
            Origin::Dialled(dial) => redial(&mut **dial, hello, deadline, closing).await,
            Origin::Awaited(visits) => match timeout_at(deadline, next_visit(visits)).await {
                Ok(Some(visit)) => Ok(visit),
                Ok(None) => Err(DialError::Nobody("no other is awaited".into())),
                Err(_) => Err(DialError::Nobody(format!("it has not connected again within {patience:?}"))),
            },
        };
        let peer = self.shared.peer;
        let closed = |reason: String| NetError::Closed { peer, reason };
        found.map_err(|error| match (error, broken) {
            (DialError::Final(error), _) => error,
            (DialError::Nobody(now), Some(NetError::Closed { reason, .. })) => {
                closed(format!("{reason}; {now}"))
            }
            (DialError::Failed(now), Some(NetError::Closed { reason, .. })) => {
                closed(format!("{reason}; it cannot be taken up again: {now}"))
            }
            (_, Some(error)) => error,
            (DialError::Nobody(now), None) => closed(now),
            (DialError::Failed(now), None) => now,
        })
    }

    /// Whether both ends have said that they have sent everything.
    fn is_over(&self) -> bool {
        self.writer.has_finished() && self.shared.finished.load(Ordering::Relaxed)
    }

    /// Tells both ends of the link that it has ended, and why.
    async fn fail(self, error: NetError) {
        let _ = self.shared.failure.set(error.clone());
        drop(self.writer);
        self.reader.fail(error).await;
    }
}

/// Another connection of a peer that dials.
async fn another(visits: Option<&mut mpsc::Receiver<Visit>>) -> Visit {
    if let Some(visits) = visits
        && let Some(visit) = next_visit(visits).await
    {
        return visit;
    }
    std::future::pending().await
}

/// Dials until there is a connection, the deadline has passed or the peer has gone.
async fn redial(
    dial: &mut dyn Dial,
    hello: Hello,
    deadline: Instant,
    closing: bool,
) -> Result<Visit, DialError> {
    let begin = Instant::now();
    let mut nobody_since: Option<Instant> = None;
    let mut last = DialError::Nobody("no answer".into());
    while let Ok(attempt) = timeout_at(deadline, dial.dial(hello)).await {
        match attempt {
            Ok(visit) => return Ok(visit),
            Err(DialError::Final(error)) => return Err(DialError::Final(error)),
            Err(DialError::Nobody(reason)) => {
                let since = *nobody_since.get_or_insert_with(Instant::now);
                if closing || since.elapsed() > GONE_AFTER {
                    return Err(DialError::Nobody(format!("nobody listens there any more: {reason}")));
                }
                last = DialError::Nobody(reason);
            }
            Err(error) => {
                nobody_since = None;
                last = error;
            }
        }
        if Instant::now() + RETRY_PAUSE >= deadline {
            break;
        }
        sleep(RETRY_PAUSE).await;
    }
    match last {
        DialError::Nobody(reason) => {
            let tried = begin.elapsed();
            Err(DialError::Nobody(format!("tried again for {tried:.1?}: {reason}")))
        }
        error => Err(error),
    }
}
