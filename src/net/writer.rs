//! The writing half of a link: what is queued, what the peer has not received, and heartbeats while there is nothing.

use super::carrier::{End, Shared};
use super::hello::Hello;
use super::outlet::Outlet;
use super::resend::{Encoded, Miscount, Resend};
use super::{Frame, NetError};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::io::AsyncWrite;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// Heartbeats per silence deadline: one may be late.
const HEARTBEATS_PER_DEADLINE: u32 = 4;

/// Takes frames from the queue of a link, and keeps them until they are acknowledged.
pub(super) struct Writer {
    shared: Arc<Shared>,
    queue: mpsc::Receiver<Frame>,
    resend: Resend,
    /// The peer is told that everything has been sent.
    finished: bool,
    /// All senders are gone.
    closing: bool,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, queue: mpsc::Receiver<Frame>, resend: Resend) -> Writer {
        Writer { shared, queue, resend, finished: false, closing: false }
    }

    /// Whether the end of what is sent has been queued.
    pub(super) fn has_finished(&self) -> bool {
        self.finished
    }

    /// Whether the peer has acknowledged everything.
    pub(super) fn is_done(&mut self) -> bool {
        let acknowledged = self.shared.acknowledged.load(Ordering::Relaxed);
        self.resend.acknowledge(acknowledged).is_ok() && self.resend.is_empty()
    }

    /// Prepares for a connection whose peer has received so many frames.
    pub(super) fn resume(&mut self, received: u64) -> Result<(), NetError> {
        self.shared.acknowledged.fetch_max(received, Ordering::Relaxed);
        let resumed = self.resend.resume(received);
        resumed.map_err(|miscount| self.miscount(miscount))
    }

    /// Writes, first `hello`, until everything has been written and acknowledged or the connection breaks.
    pub(super) async fn write<W>(&mut self, outlet: &mut Outlet<W>, hello: Option<Hello>) -> End
    where
        W: AsyncWrite + Send + Unpin + 'static,
    {
        match self.try_write(outlet, hello).await {
            Ok(end) => end,
            // The reader learns the reason from its own end, if there is any.
            Err(error) => {
                let reason = error.to_string();
                End::Broken(NetError::Closed { peer: self.shared.peer, reason })
            }
        }
    }

    async fn try_write<W>(&mut self, outlet: &mut Outlet<W>, hello: Option<Hello>) -> io::Result<End>
    where
        W: AsyncWrite + Send + Unpin + 'static,
    {
        if let Some(hello) = hello {
            let (header, payload) = hello.frame().encode();
            outlet.write(header.freeze(), payload, None).await?;
        }
        let idle = self.shared.deadlines.silence / HEARTBEATS_PER_DEADLINE;
        let mut due = Instant::now() + idle;
        loop {
            if let Err(miscount) = self.resend.acknowledge(self.shared.acknowledged.load(Ordering::Relaxed)) {
                return Ok(End::Failed(self.miscount(miscount)));
            }
            if self.shared.acknowledge.swap(false, Ordering::Relaxed) || Instant::now() >= due {
                self.write_heartbeat(outlet).await?;
                due = Instant::now() + idle;
            }
            if let Some(frame) = self.resend.next() {
                let is_abort = frame.is_abort;
                self.write_frame(outlet, frame).await?;
                due = Instant::now() + idle;
                if is_abort {
                    outlet.shutdown().await;
                    return Ok(End::Done);
                }
                continue;
            }
            if self.closing && self.resend.is_empty() {
                outlet.shutdown().await;
                return Ok(End::Done);
            }
            let takes = !self.closing && self.resend.has_room();
            tokio::select! {
                () = self.shared.wake.notified() => {}
                frame = self.queue.recv(), if takes => match frame {
                    Some(frame) => {
                        self.finished |= frame == Frame::Finish;
                        self.resend.push(frame);
                    }
                    None => self.closing = true,
                },
                () = sleep_until(due) => {}
            }
        }
    }

    async fn write_heartbeat<W>(&self, outlet: &mut Outlet<W>) -> io::Result<()>
    where
        W: AsyncWrite + Send + Unpin + 'static,
    {
        let received = self.shared.received.load(Ordering::Relaxed);
        let heartbeat = Frame::Heartbeat { progress: self.shared.activity.progress(), received };
        let (header, payload) = heartbeat.encode();
        outlet.write(header.freeze(), payload, None).await
    }

    async fn write_frame<W>(&self, outlet: &mut Outlet<W>, frame: Encoded) -> io::Result<()>
    where
        W: AsyncWrite + Send + Unpin + 'static,
    {
        let (begin, bytes) = (Instant::now(), frame.len() as u64);
        let work = frame.is_data.then_some(&self.shared.activity);
        // Counted before, since a frame that is given up half-way is sent again.
        self.shared.traffic.sent(bytes, frame.again);
        outlet.write(frame.header, frame.payload, work).await?;
        if let Some(activity) = work {
            activity.advance();
            activity.take_down(self.shared.peer, true, bytes, begin);
        }
        Ok(())
    }

    fn miscount(&self, miscount: Miscount) -> NetError {
        let Miscount { claimed, acknowledged, sent } = miscount;
        NetError::Miscount { peer: self.shared.peer, claimed, acknowledged, sent }
    }
}
