//! The task of a link: it carries the frames over one connection, and where that breaks over the next.
//!
//! Who has dialled dials again, and who was dialled waits for it, each until the peer has given no sign of life for the
//! silence deadline. The first words on a connection say how many frames each end has received of the link. What is
//! behind them is written again from memory, the same bytes, and a frame counts as received once it is in the hands of
//! the receiver: so every frame is delivered once and in order, and no mask is used for a second value.
//!
//! A task serves a link. It reads and writes at once; where one of them fails, both stop, so that nothing of an old
//! connection is taken for received after the count has been told on a new one.

use crate::net::error::NetError;
use crate::net::frame::Frame;
use crate::net::link::connection::{
    Connection, ConnectionSource, Dial, DialError, End, RETRY_PAUSE, gather, next_connection,
};
use crate::net::link::reader::Reader;
use crate::net::link::resend::{Resend, WINDOW_BYTES};
use crate::net::link::shared::Shared;
use crate::net::link::writer::Writer;
use crate::net::shape::LinkShape;
use crate::net::stream::hello::{Hello, write_frame};
use crate::net::streams::Streams;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// A peer at whose address nobody has listened for so long has ended: a process listens for as long as its session
/// lasts.
const GONE_AFTER: Duration = Duration::from_secs(1);

/// The time to read on from a connection that takes nothing, and to tell a peer that is at fault.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// The time to make sure that the peer has everything, once this end has.
const LINGER: Duration = Duration::from_secs(2);

/// The task of a link.
pub(in crate::net) struct LinkTask {
    shared: Arc<Shared>,
    /// This end's greeting.
    hello: Hello,
    source: ConnectionSource,
    writer: Writer,
    reader: Reader,
    /// The link that this one stands in for.
    shape: Option<LinkShape>,
}

impl LinkTask {
    pub(in crate::net) fn new(
        shared: Arc<Shared>,
        hello: Hello,
        source: ConnectionSource,
        queue: mpsc::Receiver<Frame>,
        to_receiver: mpsc::Sender<Result<Frame, NetError>>,
        shape: Option<LinkShape>,
    ) -> LinkTask {
        // What a line that stands in for another link has under way waits for its acknowledgement as well.
        let under_way = shape.map_or(0, |shape| shape.bytes_in(shape.round_trip()) as usize);
        let writer = Writer::new(shared.clone(), queue, Resend::new(WINDOW_BYTES + under_way));
        let reader = Reader::new(shared.clone(), to_receiver);
        LinkTask { shared, hello, source, writer, reader, shape }
    }

    /// Carries frames until there are no more, or the link cannot go on.
    pub(in crate::net) async fn carry(mut self, first: Option<Connection>) {
        let mut connection = first;
        let mut broken = None;
        loop {
            let next = match connection.take() {
                Some(connection) => Ok(connection),
                None => self.connect(broken.take()).await,
            };
            let end = match next {
                Ok(connection) => self.serve(connection).await,
                Err(error) => End::Failed(error),
            };
            let (role, peer) = (self.hello.role, self.shared.peer);
            match end {
                End::Done => return tracing::debug!(%role, %peer, "the link has ended"),
                // Who has everything closes.
                End::Broken(_) if self.is_over() && self.writer.is_done() => return,
                End::Broken(reason) => {
                    tracing::warn!(%role, %peer, %reason, "a connection broke");
                    self.shared.set_broken(Some(reason.clone()));
                    broken = Some(reason);
                }
                End::Replaced(another) => {
                    tracing::warn!(%role, %peer, "the peer has made another connection");
                    connection = Some(another);
                }
                End::Failed(error) => {
                    tracing::error!(%role, %peer, %error, "the link has failed");
                    return self.fail(error).await;
                }
            }
        }
    }

    /// Serves a connection until it breaks.
    async fn serve(&mut self, mut connection: Connection) -> End {
        let received = connection.hello.received;
        if let Err(miscount) = self.writer.resume(received) {
            let words = Frame::abort(&miscount.told(self.shared.peer));
            let _ = timeout(LAST_WORDS, write_frame(&mut connection.stream, words)).await;
            return End::Failed(miscount);
        }
        let answer = match self.answer(&mut connection).await {
            Ok(answer) => answer,
            Err(end) => return end,
        };
        self.shared.traffic.connected();
        self.shared.set_broken(None);
        let (role, peer) = (self.hello.role, self.shared.peer);
        let here = self.shared.received.load(Ordering::Relaxed);
        let streams = 1 + connection.further.len();
        tracing::info!(%role, %peer, received = here, received_there = received, streams, "connected");
        let (input, mut output) = connection.open(self.shape);
        let hurried = Notify::new();
        let mut read = pin!(self.reader.read(input, &hurried));
        let mut write = pin!(self.writer.write(&mut output, answer));
        let connections = match &mut self.source {
            ConnectionSource::Awaited(connections) => Some(connections),
            ConnectionSource::Dialled(_) | ConnectionSource::Single => None,
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
            connection = another(connections) => return End::Replaced(connection),
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

    /// The bytes that this end has yet to send at the beginning of a connection, once all of them are there.
    async fn answer(&mut self, connection: &mut Connection) -> Result<Option<Hello>, End> {
        let ConnectionSource::Awaited(connections) = &mut self.source else { return Ok(None) };
        let Hello { link, connection: name, streams, .. } = connection.hello;
        let (received, streams) =
            (self.shared.received.load(Ordering::Relaxed), streams.min(self.hello.streams));
        let greeting = Hello { link, connection: name, received, streams, ..self.hello };
        if streams == Streams::ONE {
            return Ok(Some(greeting));
        }
        let Shared { peer, deadlines, .. } = &*self.shared;
        gather(connection, *peer, greeting, deadlines.silence, connections).await.map(|()| None)
    }

    /// The next connection, after the last has broken.
    async fn connect(&mut self, broken: Option<NetError>) -> Result<Connection, NetError> {
        let silence = self.shared.deadlines.silence;
        let closing = self.is_over();
        let patience = if closing { LINGER.min(silence) } else { silence };
        let deadline = self.reader.last_heard() + patience;
        let hello = Hello { received: self.shared.received.load(Ordering::Relaxed), ..self.hello };
        let found = match &mut self.source {
            ConnectionSource::Single => Err(DialError::Nobody("it has no other".into())),
            ConnectionSource::Dialled(dial) => redial(&mut **dial, hello, deadline, closing).await,
            ConnectionSource::Awaited(connections) => {
                match timeout_at(deadline, next_connection(connections)).await {
                    Ok(Some(connection)) => Ok(connection),
                    Ok(None) => Err(DialError::Nobody("no other is awaited".into())),
                    Err(_) => {
                        Err(DialError::Nobody(format!("it has not connected again within {patience:?}")))
                    }
                }
            }
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
async fn another(connections: Option<&mut mpsc::Receiver<Connection>>) -> Connection {
    if let Some(connections) = connections
        && let Some(connection) = next_connection(connections).await
    {
        return connection;
    }
    std::future::pending().await
}

/// Dials until there is a connection, the deadline has passed or the peer has gone.
async fn redial(
    dial: &mut dyn Dial,
    hello: Hello,
    deadline: Instant,
    closing: bool,
) -> Result<Connection, DialError> {
    let begin = Instant::now();
    let mut nobody_since: Option<Instant> = None;
    let mut last = DialError::Nobody("no answer".into());
    while let Ok(attempt) = timeout_at(deadline, dial.dial(hello)).await {
        match attempt {
            Ok(connection) => return Ok(connection),
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
