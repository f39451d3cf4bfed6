//! Where frames leave: straight into the stream, over several, or through a line that stands in for another link.

use super::activity::Activity;
use super::shape::{Line, LinkShape};
use super::stripe::StripedOutlet;
use bytes::Bytes;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep_until};

/// How far a writer runs ahead of its line: longer than a timer is late, so that the line never falls idle for it.
const AHEAD: Duration = Duration::from_millis(4);

/// What a timer of tokio may be late by: a tick of a millisecond, and the same for the system call it sleeps in.
const TIMER_LATENESS: Duration = Duration::from_millis(2);

/// Pieces arrive at least this often while a line transmits, but for those below an Ethernet packet.
const PIECE_TIME: Duration = Duration::from_millis(1);
const FEWEST_PIECE_BYTES: u64 = 1500;
const MOST_PIECE_BYTES: u64 = 256 << 10;

/// Where frames leave.
pub(super) enum Outlet<W> {
    Direct(W),
    Striped(StripedOutlet),
    Shaped(ShapedOutlet),
}

impl<W: AsyncWrite + Send + Unpin + 'static> Outlet<W> {
    /// Must be called within a tokio runtime.
    pub(super) fn new(stream: W, shape: Option<LinkShape>) -> Outlet<W> {
        match shape {
            None => Outlet::Direct(stream),
            Some(shape) => Outlet::Shaped(ShapedOutlet::new(stream, shape)),
        }
    }

    /// Writes a frame; returns early where a line takes it, or several connections. What counts as work keeps `busy` busy while it is
    /// transmitted, and no longer.
    pub(super) async fn write(
        &mut self,
        header: Bytes,
        payload: Bytes,
        busy: Option<&Activity>,
    ) -> io::Result<()> {
        match self {
            Outlet::Direct(stream) => {
                let _under_way = busy.map(Activity::begin);
                stream.write_all(&header).await?;
                stream.write_all(&payload).await?;
                stream.flush().await
            }
            Outlet::Striped(outlet) => outlet.write(header, payload, busy).await,
            Outlet::Shaped(outlet) => {
                outlet.write(header, busy).await?;
                outlet.write(payload, busy).await
            }
        }
    }

    /// Ends the stream once everything has been written; nothing may be written after.
    pub(super) async fn shutdown(&mut self) {
        match self {
            Outlet::Direct(stream) => drop(stream.shutdown().await),
            Outlet::Striped(outlet) => outlet.shutdown().await,
            Outlet::Shaped(outlet) => outlet.shutdown().await,
        }
    }
}

/// Takes frames at the rate of a line, and hands them to a task that writes each when it is due to arrive.
pub(super) struct ShapedOutlet {
    line: Line,
    piece_bytes: usize,
    /// Closed once nothing more is written.
    to_delay: Option<mpsc::UnboundedSender<Piece>>,
    /// One permit for each byte that has been taken and not been written: what the line has under way, and no more,
    /// also where the peer takes nothing.
    room: Arc<Semaphore>,
    delay: JoinHandle<()>,
}

/// Bytes on their way.
struct Piece {
    arrival: Instant,
    bytes: Bytes,
    _room: OwnedSemaphorePermit,
}

impl ShapedOutlet {
    fn new<W: AsyncWrite + Send + Unpin + 'static>(stream: W, shape: LinkShape) -> ShapedOutlet {
        let piece_bytes = shape.bytes_in(PIECE_TIME).clamp(FEWEST_PIECE_BYTES, MOST_PIECE_BYTES) as usize;
        // The last piece may begin at the very end of the time that the writer runs ahead.
        let under_way = shape.bytes_in(shape.latency() + AHEAD + 2 * TIMER_LATENESS) as usize;
        let (to_delay, pieces) = mpsc::unbounded_channel();
        ShapedOutlet {
            line: Line::new(shape, Instant::now()),
            piece_bytes,
            to_delay: Some(to_delay),
            room: Arc::new(Semaphore::new(under_way + 2 * piece_bytes)),
            delay: tokio::spawn(write_when_due(stream, pieces)),
        }
    }

    async fn write(&mut self, mut bytes: Bytes, busy: Option<&Activity>) -> io::Result<()> {
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(self.piece_bytes));
            let room = self.room.clone().acquire_many_owned(piece.len() as u32).await;
            let room = room.expect("the room is never closed");
            sleep_until(self.line.free() - AHEAD).await;
            self.line.transmit(piece.len(), Instant::now());
            if let Some(activity) = busy {
                activity.busy_until(self.line.free());
            }
            let piece = Piece { arrival: self.line.arrival(), bytes: piece, _room: room };
            let to_delay = self.to_delay.as_ref().ok_or(io::ErrorKind::BrokenPipe)?;
            to_delay.send(piece).map_err(|_| io::ErrorKind::BrokenPipe)?;
        }
        Ok(())
    }

    async fn shutdown(&mut self) {
        self.to_delay = None;
        let _ = (&mut self.delay).await;
    }
}

impl Drop for ShapedOutlet {
    /// What is under way on a connection that is given up is lost with it.
    fn drop(&mut self) {
        self.delay.abort();
    }
}

/// Writes pieces as they are due, and ends the stream after the last.
async fn write_when_due<W: AsyncWrite + Unpin>(mut stream: W, mut pieces: mpsc::UnboundedReceiver<Piece>) {
    while let Some(piece) = pieces.recv().await {
        wait_until(piece.arrival).await;
        // An error closes the queue, which its writer notices.
        if stream.write_all(&piece.bytes).await.is_err() {
            return;
        }
        if pieces.is_empty() && stream.flush().await.is_err() {
            return;
        }
    }
    let _ = stream.shutdown().await;
}

/// Waits more exactly than tokio does: the rest, which its timer may be late by, on a thread that sleeps.
async fn wait_until(due: Instant) {
    if Instant::now() + TIMER_LATENESS < due {
        sleep_until(due - TIMER_LATENESS).await;
    }
    let rest = due.saturating_duration_since(Instant::now());
    if !rest.is_zero() {
        let _ = spawn_blocking(move || std::thread::sleep(rest)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, DuplexStream, duplex};
    use tokio::time::timeout;

    const MS: Duration = Duration::from_millis(1);

    /// A millisecond of transmission.
    const WAN_MS_BYTES: usize = 12_500;

    fn wan(pipe_bytes: usize) -> (Outlet<DuplexStream>, DuplexStream) {
        let (near, far) = duplex(pipe_bytes);
        (Outlet::new(near, Some(LinkShape::WAN)), far)
    }

    fn bytes(len: usize) -> Bytes {
        (0..len).map(|index| index as u8).collect::<Vec<u8>>().into()
    }

    /// Reads so many bytes; it must be a time from the start. The last that is waited for passes on another clock than
    /// the test's, which shows up to so much less.
    async fn read(from: &mut DuplexStream, len: usize, start: Instant, at: Duration) -> Vec<u8> {
        let mut read = vec![0; len];
        from.read_exact(&mut read).await.expect("the bytes arrive");
        let time = start.elapsed();
        assert!(at - TIMER_LATENESS <= time && time <= at, "after {at:?}, not {time:?}");
        read
    }

    #[tokio::test(start_paused = true)]
    async fn frames_arrive_at_the_rate_and_half_a_round_trip_later() {
        let (mut outlet, mut far) = wan(1 << 20);
        let start = Instant::now();
        let payload = bytes(10 * WAN_MS_BYTES - 28);
        outlet.write(bytes(28), payload.clone(), None).await.expect("a frame is taken");
        outlet.write(bytes(5), Bytes::new(), None).await.expect("a frame is taken");
        assert!(start.elapsed() < 10 * MS, "the writer runs ahead");
        assert_eq!(
            read(&mut far, 28, start, 20 * MS).await,
            bytes(28),
            "a header does not wait for its payload"
        );
        assert_eq!(read(&mut far, payload.len(), start, 30 * MS).await, payload);
        assert_eq!(read(&mut far, 5, start, 31 * MS).await, bytes(5));
        tokio::spawn(async move { outlet.shutdown().await });
        assert_eq!(far.read(&mut [0]).await.ok(), Some(0), "the stream ends");
    }

    #[tokio::test(start_paused = true)]
    async fn latency_does_not_lower_the_rate() {
        let (mut outlet, mut far) = wan(64);
        let start = Instant::now();
        let writer = async {
            for _ in 0..100 {
                outlet.write(bytes(10), bytes(10 * WAN_MS_BYTES - 10), None).await.expect("a frame is taken");
            }
        };
        tokio::join!(writer, read(&mut far, 1000 * WAN_MS_BYTES, start, 1020 * MS));
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_is_busy_while_it_transmits_and_not_while_it_waits() {
        let (mut outlet, mut far) = wan(1 << 20);
        let activity = Activity::new();
        let frame = bytes(5 * WAN_MS_BYTES);
        for _ in 0..3 {
            outlet.write(frame.clone(), Bytes::new(), Some(&activity)).await.expect("a frame is taken");
            outlet.write(frame.clone(), Bytes::new(), None).await.expect("a frame is taken");
            far.read_exact(&mut vec![0; 2 * frame.len()]).await.expect("the frames arrive");
        }
        assert_eq!(activity.busy(), 15 * MS);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_stops_the_writer() {
        let (mut outlet, mut far) = wan(64);
        let frame = bytes(1000 * WAN_MS_BYTES);
        let write = outlet.write(bytes(28), frame.clone(), None);
        assert!(timeout(Duration::from_secs(60), write).await.is_err(), "a frame is not taken without end");
        drop(far.read(&mut [0]).await);
        drop(far);
        let write = outlet.write(bytes(28), frame, None);
        assert!(write.await.is_err(), "a frame is not taken where there is nobody");
    }
}
