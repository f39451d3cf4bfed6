//! A framed connection with one peer.
//!
//! Two tasks serve a link: one writes what is queued, and heartbeats while nothing is; one reads frames, and fails
//! when the peer is silent for too long. Both queues are bounded, so a peer that is slow to take what it is sent
//! slows its sender down and not its memory.

use super::activity::Activity;
use super::frame::{CONTROL_PAYLOAD_BYTES, Frame, GREETING_PAYLOAD_BYTES, HEADER_BYTES, Header};
use super::outlet::Outlet;
use super::shape::LinkShape;
use super::{Deadlines, NetError};
use crate::share::Role;
use bytes::BytesMut;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Frames queued in each direction: a few data frames keep the wire busy, more would only hold memory.
const QUEUE_FRAMES: usize = 8;

/// Heartbeats per silence deadline: one may be late.
const HEARTBEATS_PER_DEADLINE: u32 = 4;

/// What the links of a process have in common.
#[derive(Clone, Debug, Default)]
pub struct LinkOptions {
    /// How long to wait for what.
    pub deadlines: Deadlines,
    /// Which links they stand in for, each in the direction from this process.
    pub shape: Option<LinkShape>,
    /// Where their work is counted.
    pub activity: Activity,
}

/// A connection with one peer.
#[derive(Debug)]
pub struct Link {
    sender: LinkSender,
    receiver: LinkReceiver,
    /// What the peer's last heartbeat said of its progress.
    peer_progress: Arc<AtomicU64>,
    /// How long a control message may be.
    control_limit: Arc<AtomicUsize>,
    deadlines: Deadlines,
    writer: JoinHandle<()>,
    reader: JoinHandle<()>,
}

/// The sending end. Clones send on the same link.
#[derive(Clone, Debug)]
pub struct LinkSender {
    peer: Role,
    queue: mpsc::Sender<Frame>,
}

/// The receiving end.
#[derive(Debug)]
pub struct LinkReceiver {
    peer: Role,
    queue: mpsc::Receiver<Result<Frame, NetError>>,
    /// The peer has said that it is done.
    finished: bool,
    failure: Option<NetError>,
}

impl Link {
    /// Serves `stream` as the link with `peer`; must be called within a tokio runtime.
    pub fn new<S>(peer: Role, stream: S, options: &LinkOptions) -> Link
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let (read, write) = tokio::io::split(stream);
        let (to_writer, from_sender) = mpsc::channel(QUEUE_FRAMES);
        let (to_receiver, from_reader) = mpsc::channel(QUEUE_FRAMES);
        let (peer_progress, control_limit) = (Arc::default(), Arc::new(GREETING_PAYLOAD_BYTES.into()));
        let shared = Shared {
            peer,
            options: options.clone(),
            peer_progress: Arc::clone(&peer_progress),
            control_limit: Arc::clone(&control_limit),
        };
        let writer = tokio::spawn(shared.clone().write_frames(write, from_sender));
        let reader = tokio::spawn(shared.read_frames(read, to_receiver));
        Link {
            sender: LinkSender { peer, queue: to_writer },
            receiver: LinkReceiver { peer, queue: from_reader, finished: false, failure: None },
            peer_progress,
            control_limit,
            deadlines: options.deadlines,
            writer,
            reader,
        }
    }

    /// Who is at the other end.
    pub fn peer(&self) -> Role {
        self.sender.peer
    }

    /// Names the peer once it has greeted; from now on its control messages may be long.
    pub fn admit(&mut self, peer: Role) {
        self.sender.peer = peer;
        self.receiver.peer = peer;
        self.control_limit.store(CONTROL_PAYLOAD_BYTES, Ordering::Relaxed);
    }

    /// How long a message is awaited that a live peer sends at once.
    pub fn patience(&self) -> Duration {
        self.deadlines.connect
    }

    /// A number that grows while the peer gets on with its work.
    pub fn peer_progress(&self) -> u64 {
        self.peer_progress.load(Ordering::Relaxed)
    }

    /// The sending end.
    pub fn sender(&self) -> &LinkSender {
        &self.sender
    }

    /// The receiving end.
    pub fn receiver(&mut self) -> &mut LinkReceiver {
        &mut self.receiver
    }

    /// Tells the peer that all is done, and waits until it says the same, so that neither end closes on bytes that
    /// the other still needs.
    ///
    /// # Errors
    /// Where the peer fails first, or does not finish within the stall deadline.
    pub async fn finish(mut self) -> Result<(), NetError> {
        self.sender.send(Frame::Finish).await?;
        let (peer, waited) = (self.peer(), self.deadlines.stall);
        while !self.receiver.finished {
            let frame = timeout(waited, self.receiver.receive()).await;
            let frame = frame.map_err(|_| NetError::Late { peer, what: "end", waited })??;
            if frame != Frame::Finish {
                return Err(NetError::OutOfPlace { peer, expected: "the end", found: frame.name() });
            }
        }
        drop(self.sender);
        let _ = self.writer.await;
        self.reader.abort();
        Ok(())
    }

    /// Tells the peer why this process gives up, without waiting long.
    pub async fn abort(self, reason: &str) {
        const PATIENCE: Duration = Duration::from_millis(500);
        let _ = timeout(PATIENCE, self.sender.send(Frame::abort(reason))).await;
        drop(self.sender);
        let _ = timeout(PATIENCE, self.writer).await;
        self.reader.abort();
    }
}

impl LinkSender {
    /// Who is at the other end.
    pub fn peer(&self) -> Role {
        self.peer
    }

    /// Queues a frame; waits while the queue is full.
    ///
    /// # Errors
    /// Where the link is broken.
    pub async fn send(&self, frame: Frame) -> Result<(), NetError> {
        let closed = |_| NetError::Closed { peer: self.peer, reason: "it no longer takes anything".into() };
        self.queue.send(frame).await.map_err(closed)
    }
}

impl LinkSender {
    /// Queues an abort if there is room, without waiting.
    pub fn try_abort(&self, reason: &str) {
        let _ = self.queue.try_send(Frame::abort(reason));
    }
}

impl LinkReceiver {
    /// Why the link has ended, if the peer said so or the connection shows it; what is queued before is dropped.
    pub fn why_ended(&mut self) -> Option<NetError> {
        let peer = self.peer;
        while self.failure.is_none() {
            self.failure = match self.queue.try_recv() {
                Ok(Ok(Frame::Abort(reason))) => Some(NetError::aborted(peer, &reason)),
                Ok(Ok(_)) => None,
                Ok(Err(error)) => Some(named(error, peer)),
                Err(_) => return None,
            };
        }
        self.failure.clone()
    }

    /// The next frame that is no heartbeat.
    ///
    /// # Errors
    /// Where the peer fails, is silent for too long, or sends what is no frame. The error stays.
    pub async fn receive(&mut self) -> Result<Frame, NetError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        std::future::poll_fn(|context| self.poll_receive(context)).await
    }

    /// As [`LinkReceiver::receive`], to be polled beside others.
    pub fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<Result<Frame, NetError>> {
        let peer = self.peer;
        if let Some(failure) = &self.failure {
            return Poll::Ready(Err(failure.clone()));
        }
        let error = match ready!(self.queue.poll_recv(context)) {
            Some(Ok(Frame::Abort(reason))) => NetError::aborted(peer, &reason),
            Some(Ok(frame)) => {
                self.finished |= frame == Frame::Finish;
                return Poll::Ready(Ok(frame));
            }
            Some(Err(error)) => named(error, peer),
            None => NetError::Closed { peer, reason: "it has ended".into() },
        };
        self.failure = Some(error.clone());
        Poll::Ready(Err(error))
    }
}

/// The reading task may have begun before the peer was known.
fn named(error: NetError, peer: Role) -> NetError {
    match error {
        NetError::Silent { waited, .. } => NetError::Silent { peer, waited },
        NetError::Closed { reason, .. } => NetError::Closed { peer, reason },
        NetError::Frame { error, .. } => NetError::Frame { peer, error },
        other => other,
    }
}

#[derive(Clone)]
struct Shared {
    peer: Role,
    options: LinkOptions,
    peer_progress: Arc<AtomicU64>,
    control_limit: Arc<AtomicUsize>,
}

impl Shared {
    /// Writes queued frames until all senders are gone.
    async fn write_frames<W>(self, stream: W, mut queue: mpsc::Receiver<Frame>)
    where
        W: AsyncWrite + Send + Unpin + 'static,
    {
        let mut outlet = Outlet::new(stream, self.options.shape);
        let idle = self.options.deadlines.silence / HEARTBEATS_PER_DEADLINE;
        loop {
            let frame = match timeout(idle, queue.recv()).await {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(_) => Frame::Heartbeat(self.options.activity.progress()),
            };
            // A write error ends the task and closes the queue; the reader learns the reason from its own end.
            if self.write_frame(&mut outlet, frame).await.is_err() {
                return;
            }
        }
        outlet.shutdown().await;
    }

    async fn write_frame<W>(&self, outlet: &mut Outlet<W>, frame: Frame) -> io::Result<()>
    where
        W: AsyncWrite + Send + Unpin + 'static,
    {
        let work = frame.is_data().then_some(&self.options.activity);
        let (header, payload) = frame.encode();
        outlet.write(header.freeze(), payload, work).await?;
        if let Some(activity) = work {
            activity.advance();
        }
        Ok(())
    }

    /// Reads frames until the stream ends, fails or is silent for too long.
    async fn read_frames(
        self,
        mut stream: impl AsyncRead + Unpin,
        queue: mpsc::Sender<Result<Frame, NetError>>,
    ) {
        loop {
            let frame = self.read_frame(&mut stream).await;
            let last = !matches!(frame, Ok(ref frame) if *frame != Frame::Finish);
            if let Ok(Frame::Heartbeat(progress)) = frame {
                self.peer_progress.store(progress, Ordering::Relaxed);
            } else if queue.send(frame).await.is_err() || last {
                return;
            }
        }
    }

    async fn read_frame(&self, stream: &mut (impl AsyncRead + Unpin)) -> Result<Frame, NetError> {
        let mut header = [0; HEADER_BYTES];
        self.fill(stream, &mut header).await?;
        let malformed = |error| NetError::Frame { peer: self.peer, error };
        let control_limit = self.control_limit.load(Ordering::Relaxed);
        let header = Header::parse(&header, control_limit).map_err(malformed)?;
        let _under_way = header.is_data().then(|| self.options.activity.begin());
        let mut payload = BytesMut::zeroed(header.length);
        self.fill(stream, &mut payload).await?;
        if header.is_data() {
            self.options.activity.advance();
        }
        header.frame(payload.freeze()).map_err(malformed)
    }

    /// Fills `target`, each read within the silence deadline.
    async fn fill(&self, stream: &mut (impl AsyncRead + Unpin), target: &mut [u8]) -> Result<(), NetError> {
        let peer = self.peer;
        let mut filled = 0;
        while filled < target.len() {
            let read = timeout(self.options.deadlines.silence, stream.read(&mut target[filled..])).await;
            let waited = self.options.deadlines.silence;
            let read = read.map_err(|_| NetError::Silent { peer, waited })?;
            match read {
                Ok(0) => return Err(NetError::Closed { peer, reason: "it closed the connection".into() }),
                Ok(count) => filled += count,
                Err(error) => return Err(NetError::Closed { peer, reason: error.to_string() }),
            }
        }
        Ok(())
    }
}
