//! The writing half of a link: what is queued, what the peer has not received, and heartbeats while there is nothing. The
//! last words go ahead of all that, and end it.

use crate::net::error::NetError;
use crate::net::frame::Frame;
use crate::net::link::connection::End;
use crate::net::link::resend::{Encoded, Miscount, Resend};
use crate::net::link::shared::Shared;
use crate::net::stream::hello::Hello;
use crate::net::stream::output::FrameOutput;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::io::AsyncWrite;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// Heartbeats per silence deadline: one may be late.
const HEARTBEATS_PER_DEADLINE: u32 = 4;

/// Takes frames from the queue of a link, and keeps them until they are acknowledged.
pub(in crate::net) struct Writer {
    shared: Arc<Shared>,
    queue: mpsc::Receiver<Frame>,
    resend: Resend,
    /// The peer is told that everything has been sent.
    finished: bool,
    /// All senders are gone.
    closing: bool,
}

impl Writer {
    pub(in crate::net) fn new(shared: Arc<Shared>, queue: mpsc::Receiver<Frame>, resend: Resend) -> Writer {
        Writer { shared, queue, resend, finished: false, closing: false }
    }

    /// Whether the end of what is sent has been queued.
    pub(in crate::net) fn has_finished(&self) -> bool {
        self.finished
    }

    /// Whether the peer has acknowledged everything.
    pub(in crate::net) fn is_done(&mut self) -> bool {
        let acknowledged = self.shared.acknowledged.load(Ordering::Relaxed);
        self.resend.acknowledge(acknowledged).is_ok() && self.resend.is_empty()
    }

    /// Prepares for a connection whose peer has received so many frames.
    pub(in crate::net) fn resume(&mut self, received: u64) -> Result<(), NetError> {
        self.shared.acknowledged.fetch_max(received, Ordering::Relaxed);
        let resumed = self.resend.resume(received);
        resumed.map_err(|miscount| self.miscount(miscount))
    }

    /// Writes, first `hello`, until everything has been written and acknowledged or the connection breaks.
    pub(in crate::net) async fn write<W>(&mut self, output: &mut FrameOutput<W>, hello: Option<Hello>) -> End
    where
        W: AsyncWrite + Send + Unpin + 'static,
    {
        match self.try_write(output, hello).await {
            Ok(end) => end,
            // The reader learns the reason from its own end, if there is any.
            Err(error) => {
                let reason = error.to_string();
                End::Broken(NetError::Closed { peer: self.shared.peer, reason })
            }
        }
    }

    async fn try_write<W>(&mut self, output: &mut FrameOutput<W>, hello: Option<Hello>) -> io::Result<End>
    where
        W: AsyncWrite + Send + Unpin + 'static,
    {
        if let Some(hello) = hello {
            let (header, payload) = hello.frame().encode();
            output.write(header.freeze(), payload, None).await?;
        }
        let idle = self.shared.deadlines.silence / HEARTBEATS_PER_DEADLINE;
        let mut due = Instant::now() + idle;
        loop {
            if let Some(reason) = self.shared.last_words.get() {
                let (header, payload) = Frame::abort(reason).encode();
                output.write(header.freeze(), payload, None).await?;
                output.shutdown().await;
                return Ok(End::Done);
            }
            if let Err(miscount) = self.resend.acknowledge(self.shared.acknowledged.load(Ordering::Relaxed)) {
                return Ok(End::Failed(self.miscount(miscount)));
            }
            if self.shared.acknowledge.swap(false, Ordering::Relaxed) || Instant::now() >= due {
                self.write_heartbeat(output).await?;
                due = Instant::now() + idle;
            }
            if let Some(frame) = self.resend.next() {
                self.write_frame(output, frame).await?;
                due = Instant::now() + idle;
                continue;
            }
            if self.closing && self.resend.is_empty() {
                output.shutdown().await;
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

    async fn write_heartbeat<W>(&self, output: &mut FrameOutput<W>) -> io::Result<()>
    where
        W: AsyncWrite + Send + Unpin + 'static,
    {
        let received = self.shared.received.load(Ordering::Relaxed);
        let heartbeat = Frame::Heartbeat { progress: self.shared.activity.progress(), received };
        let (header, payload) = heartbeat.encode();
        output.write(header.freeze(), payload, None).await
    }

    async fn write_frame<W>(&self, output: &mut FrameOutput<W>, frame: Encoded) -> io::Result<()>
    where
        W: AsyncWrite + Send + Unpin + 'static,
    {
        let (begin, bytes) = (Instant::now(), frame.len() as u64);
        let work = frame.is_data.then_some(&self.shared.activity);
        let is_new = !frame.again;
        // Counted before, since a frame that is given up half-way is sent again.
        self.shared.traffic.sent(bytes, frame.again);
        output.write(frame.header, frame.payload, work).await?;
        if let Some(activity) = work {
            if is_new {
                activity.advance();
            }
            activity.take_down(self.shared.peer, true, bytes, begin);
        }
        Ok(())
    }

    fn miscount(&self, miscount: Miscount) -> NetError {
        let Miscount { claimed, acknowledged, sent } = miscount;
        NetError::Miscount { peer: self.shared.peer, claimed, acknowledged, sent }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::activity::Activity;
    use crate::net::deadlines::Deadlines;
    use crate::net::frame::Data;
    use crate::net::frame::HEADER_BYTES;
    use crate::share::Role;
    use bytes::Bytes;
    use tokio::io::{AsyncReadExt, duplex};

    #[tokio::test]
    async fn last_words_go_ahead_of_what_has_not_been_written() {
        const LEN: usize = 1 << 16;
        let shared = Arc::new(Shared::new(Role::party(1), Deadlines::default(), Activity::new()));
        let (queue, frames) = mpsc::channel(4);
        for message in 0..4 {
            let data = Data { run: 0, message, depth: 1, offset: 0, payload: Bytes::from(vec![0; LEN]) };
            queue.try_send(Frame::Data(data)).expect("there is room");
        }
        let mut writer = Writer::new(shared.clone(), frames, Resend::new(1 << 20));
        let (near, mut far) = duplex(1 << 10);
        let mut output = FrameOutput::new(near, None);
        let read = async {
            far.read_exact(&mut [0; HEADER_BYTES]).await.expect("a header");
            shared.give_up("the disk is full");
            shared.give_up("and what follows from that");
            far.read_exact(&mut vec![0; LEN]).await.expect("what has begun is written whole");
            let mut rest = Vec::new();
            far.read_to_end(&mut rest).await.expect("the end");
            rest
        };
        let (end, rest) = tokio::join!(writer.write(&mut output, None), read);
        assert!(matches!(end, End::Done));
        let (header, payload) = Frame::abort("the disk is full").encode();
        assert_eq!(rest, [&header[..], &payload[..]].concat());
    }
}
