//! A framed connection with one peer, which is taken up again where it breaks.
//!
//! A task of its own carries what is queued, and delivers what arrives (`task`). Both queues and what is kept to be
//! sent again are bounded, so a peer that is slow to take what it is sent slows its sender down and not its memory.

pub(in crate::net) mod connection;
mod control;
pub(in crate::net) mod expected;
pub(in crate::net) mod observer;
pub(in crate::net) mod options;
mod reader;
mod resend;
mod shared;
mod task;
pub(in crate::net) mod traffic;
mod writer;

pub use options::LinkOptions;

use crate::net::error::NetError;
use crate::net::frame::Frame;
use crate::net::interrupt::{Interrupt, requested};
use crate::net::link::connection::{Connection, ConnectionSource};
use crate::net::link::expected::{Awaited, Messages, Topic};
use crate::net::link::shared::Shared;
use crate::net::link::task::LinkTask;
use crate::net::link::traffic::LinkTraffic;
use crate::net::stream::hello::Hello;
use crate::share::Role;
use std::sync::{Arc, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Frames queued in each direction: a few data frames keep the wire busy, more would only hold memory.
const QUEUE_FRAMES: usize = 8;

/// A connection with one peer.
#[derive(Debug)]
pub struct Link {
    sender: LinkSender,
    receiver: LinkReceiver,
    task: JoinHandle<()>,
    interrupt: Option<&'static Interrupt>,
}

/// The sending end. Clones send on the same link.
#[derive(Clone, Debug)]
pub struct LinkSender {
    shared: Arc<Shared>,
    queue: mpsc::Sender<Frame>,
}

/// The receiving end.
#[derive(Debug)]
pub struct LinkReceiver {
    shared: Arc<Shared>,
    queue: mpsc::Receiver<Result<Frame, NetError>>,
    /// The peer has said that it is done.
    finished: bool,
    failure: Option<NetError>,
}

impl Link {
    /// The link with `peer` over a first connection and those that `source` gives after it. This end greets with
    /// `hello`. Must be called within a tokio runtime.
    pub(in crate::net) fn over(
        peer: Role,
        hello: Hello,
        source: ConnectionSource,
        first: Option<Connection>,
        options: &LinkOptions,
    ) -> Link {
        let (to_task, from_sender) = mpsc::channel(QUEUE_FRAMES);
        let (to_receiver, from_task) = mpsc::channel(QUEUE_FRAMES);
        let shared = Arc::new(Shared::new(peer, options.deadlines, options.activity.clone()));
        if let Some(observer) = options.observer {
            observer.enrol(&shared);
        }
        if let Some(interrupt) = options.interrupt {
            tokio::spawn(give_up_on(interrupt, Arc::downgrade(&shared)));
        }
        let task = LinkTask::new(shared.clone(), hello, source, from_sender, to_receiver, options.shape);
        Link {
            sender: LinkSender { shared: shared.clone(), queue: to_task },
            receiver: LinkReceiver { shared, queue: from_task, finished: false, failure: None },
            task: tokio::spawn(task.carry(first)),
            interrupt: options.interrupt,
        }
    }

    /// Both ends of a link within this process, which holds so many bytes in each direction: the first with the first
    /// of `peers` at its other end. Must be called within a tokio runtime.
    pub fn pair(peers: [Role; 2], options: [&LinkOptions; 2], pipe_bytes: usize) -> (Link, Link) {
        let (near, far) = duplex(pipe_bytes);
        let end = |stream: DuplexStream, peer, own, options| {
            let first = Connection::new(stream, Hello::new(peer));
            Link::over(peer, Hello::new(own), ConnectionSource::Single, Some(first), options)
        };
        let [first, second] = peers;
        (end(near, first, second, options[0]), end(far, second, first, options[1]))
    }

    /// The role at the other end.
    pub fn peer(&self) -> Role {
        self.sender.peer()
    }

    /// The deadline of a message that a live peer sends once it is connected to all others.
    pub fn patience(&self) -> Duration {
        self.sender.shared.deadlines.connect
    }

    /// The deadline of a message that a live peer sends once it has finished its present work, such as an earlier run.
    pub fn long_patience(&self) -> Duration {
        self.sender.shared.deadlines.stall
    }

    /// Why the link has ended, or has no connection at present.
    pub fn trouble(&self) -> Option<NetError> {
        let shared = &self.sender.shared;
        let broken = || shared.broken.lock().unwrap_or_else(PoisonError::into_inner).clone();
        shared.failure.get().cloned().or_else(broken)
    }

    /// The link's traffic so far.
    pub fn traffic(&self) -> LinkTraffic {
        self.sender.shared.traffic.so_far()
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
    /// Where the peer fails first, or does not finish within the stall deadline, and where this process is asked to end
    /// meanwhile: then the peer is told.
    pub async fn finish(mut self) -> Result<(), NetError> {
        let ended = tokio::select! {
            biased;
            () = requested(self.interrupt) => Err(NetError::Interrupted),
            ended = self.both_are_done() => ended,
        };
        if ended == Err(NetError::Interrupted) {
            self.abort(&NetError::Interrupted.to_string()).await;
            return ended;
        }
        ended?;
        drop(self.sender);
        // The peer may still need the end of what was sent: the task makes sure of that, as far as it can.
        let _ = self.task.await;
        Ok(())
    }

    async fn both_are_done(&mut self) -> Result<(), NetError> {
        self.receiver.expect(Awaited::End);
        self.sender.send(Frame::Finish).await?;
        let (peer, waited) = (self.peer(), self.sender.shared.deadlines.stall);
        while !self.receiver.finished {
            let frame = timeout(waited, self.receiver.receive()).await;
            let frame = frame.map_err(|_| NetError::Late { peer, what: "end", waited })??;
            if frame != Frame::Finish {
                return Err(NetError::OutOfPlace { peer, expected: "the end", found: frame.name() });
            }
        }
        Ok(())
    }

    /// Ends without a word.
    #[cfg(test)]
    pub(in crate::net) fn kill(self) {
        self.task.abort();
    }

    /// Tells the peer why this process gives up, ahead of all that has not been written, without waiting long.
    pub async fn abort(mut self, reason: &str) {
        const PATIENCE: Duration = Duration::from_millis(500);
        if self.sender.shared.failure.get().is_none() {
            self.sender.give_up(reason);
            drop(self.sender);
            let _ = timeout(PATIENCE, &mut self.task).await;
        }
        self.task.abort();
    }
}

/// Has the peer told as soon as this process is asked to end, whatever it is at.
async fn give_up_on(interrupt: &Interrupt, link: Weak<Shared>) {
    requested(Some(interrupt)).await;
    if let Some(link) = link.upgrade() {
        link.give_up(&NetError::Interrupted.to_string());
    }
}

impl LinkSender {
    /// The role at the other end.
    pub fn peer(&self) -> Role {
        self.shared.peer
    }

    /// Queues a frame; waits while the queue is full.
    ///
    /// # Errors
    /// Where the link is broken: where the peer has given up, the reason that it gave.
    pub async fn send(&self, frame: Frame) -> Result<(), NetError> {
        let closed = || NetError::Closed { peer: self.peer(), reason: "it no longer takes anything".into() };
        let failure = |_| self.shared.failure.get().cloned().unwrap_or_else(closed);
        self.queue.send(frame).await.map_err(failure)
    }

    /// Has the peer told why this process gives up, ahead of all that has not been written, without waiting for it. Of
    /// several reasons the first counts.
    pub fn give_up(&self, reason: &str) {
        self.shared.give_up(reason);
    }
}

impl LinkReceiver {
    /// Awaits a control message on this topic.
    pub fn expect_control(&mut self, topic: Topic) {
        self.expect(Awaited::Control(topic));
    }

    /// Awaits the messages of a run.
    pub fn expect_messages(&mut self, messages: Messages) {
        self.expect(Awaited::Messages(messages));
    }

    fn expect(&mut self, awaited: Awaited) {
        self.shared.expected.set(awaited);
    }

    /// The next frame that is no heartbeat. What has a payload is among what was awaited when it came; until then it
    /// waits with the peer.
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
        let peer = self.shared.peer;
        if let Some(failure) = &self.failure {
            return Poll::Ready(Err(failure.clone()));
        }
        let error = match ready!(self.queue.poll_recv(context)) {
            Some(Ok(frame)) => {
                self.finished |= frame == Frame::Finish;
                return Poll::Ready(Ok(frame));
            }
            Some(Err(error)) => error,
            None => NetError::Closed { peer, reason: "it has ended".into() },
        };
        self.failure = Some(error.clone());
        Poll::Ready(Err(error))
    }
}
