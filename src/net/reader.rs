//! The reading half of a link: frames within their limits, counted as they are delivered.

use super::NetError;
use super::carrier::{End, Shared};
use super::frame::{Frame, HEADER_BYTES, Header};
use super::tls::explain;
use bytes::BytesMut;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

/// The peer is told what has been received at least after so many bytes: a fraction of what it keeps, so that it does
/// not run out of room meanwhile.
const ACKNOWLEDGE_BYTES: usize = super::resend::WINDOW_BYTES / 8;

/// Reads the frames of a link.
pub(super) struct Reader {
    shared: Arc<Shared>,
    to_receiver: mpsc::Sender<Result<Frame, NetError>>,
    /// Bytes received that the peer has not been told of.
    untold_bytes: usize,
    last_heard: Instant,
    /// The receiver is slow, which says nothing of the peer.
    delivering: bool,
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>, to_receiver: mpsc::Sender<Result<Frame, NetError>>) -> Reader {
        Reader { shared, to_receiver, untold_bytes: 0, last_heard: Instant::now(), delivering: false }
    }

    /// When the peer gave its last sign of life.
    pub(super) fn last_heard(&self) -> Instant {
        if self.delivering { Instant::now() } else { self.last_heard }
    }

    /// Delivers why the link has ended, behind what has been received.
    pub(super) async fn fail(self, error: NetError) {
        let _ = self.to_receiver.send(Err(error)).await;
    }

    /// Reads until the connection ends, fails or is silent for too long. It takes the connection for good: to be read
    /// again after this future was dropped, it would begin in the middle of a frame.
    pub(super) async fn read(&mut self, mut stream: impl AsyncRead + Unpin) -> End {
        self.delivering = false;
        self.last_heard = Instant::now();
        loop {
            match self.read_frame(&mut stream).await {
                Ok(frame) => {
                    if let Some(end) = self.take_in(frame).await {
                        return end;
                    }
                }
                Err(end) => return end,
            }
        }
    }

    /// Delivers a frame. It counts as received with its delivery, between which nothing can come.
    async fn take_in(&mut self, (frame, bytes): (Frame, usize)) -> Option<End> {
        let shared = &*self.shared;
        match frame {
            Frame::Heartbeat { progress, received } => {
                shared.peer_progress.store(progress, Ordering::Relaxed);
                if shared.acknowledged.swap(received, Ordering::Relaxed) != received {
                    shared.wake.notify_one();
                }
                return None;
            }
            Frame::Hello(_) => {
                let (expected, found) = ("a frame of the link", frame.name());
                return Some(End::Failed(NetError::OutOfPlace { peer: shared.peer, expected, found }));
            }
            _ => {}
        }
        // Whoever received is gone, and with it the reason to read on.
        self.delivering = true;
        let Ok(permit) = self.to_receiver.reserve().await else { return Some(End::Done) };
        self.delivering = false;
        let is_abort = matches!(frame, Frame::Abort(_));
        // Keys travel in control messages: the peer wipes them once it knows that they are here.
        let urgent = matches!(frame, Frame::Control(_) | Frame::Finish);
        shared.finished.fetch_or(frame == Frame::Finish, Ordering::Relaxed);
        shared.received.fetch_add(1, Ordering::Relaxed);
        permit.send(Ok(frame));
        shared.traffic.received(bytes as u64);
        self.untold_bytes += bytes;
        if urgent || self.untold_bytes >= ACKNOWLEDGE_BYTES {
            self.untold_bytes = 0;
            shared.acknowledge.store(true, Ordering::Relaxed);
            shared.wake.notify_one();
        }
        is_abort.then_some(End::Done)
    }

    async fn read_frame(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> Result<(Frame, usize), End> {
        let peer = self.shared.peer;
        let mut header = [0; HEADER_BYTES];
        self.fill(stream, &mut header).await?;
        let malformed = |error| End::Failed(NetError::Frame { peer, error });
        let header = Header::parse(&header).map_err(malformed)?;
        let _under_way = header.is_data().then(|| self.shared.activity.begin());
        let begin = Instant::now();
        let bytes = HEADER_BYTES + header.length;
        let mut payload = BytesMut::zeroed(header.length);
        self.fill(stream, &mut payload).await?;
        if header.is_data() {
            self.shared.activity.advance();
            self.shared.activity.take_down(peer, false, bytes as u64, begin);
        }
        Ok((header.frame(payload.freeze()).map_err(malformed)?, bytes))
    }

    /// Fills `target`, each read within the silence deadline.
    async fn fill(&mut self, stream: &mut (impl AsyncRead + Unpin), target: &mut [u8]) -> Result<(), End> {
        let (peer, waited) = (self.shared.peer, self.shared.deadlines.silence);
        let mut filled = 0;
        while filled < target.len() {
            let read = timeout(waited, stream.read(&mut target[filled..])).await;
            match read.map_err(|_| End::Failed(NetError::Silent { peer, waited }))? {
                Ok(0) => {
                    let reason = "it closed the connection".into();
                    return Err(End::Broken(NetError::Closed { peer, reason }));
                }
                Ok(count) => filled += count,
                Err(error) => return Err(End::Broken(explain(peer, &error))),
            }
            self.last_heard = Instant::now();
        }
        Ok(())
    }
}
