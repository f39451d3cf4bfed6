//! The sending end of frames: one stream, several, or a line that stands in for another link.

use crate::net::activity::Activity;
use crate::net::shape::{Line, LinkShape};
use crate::net::stream::stripe::StripedOutput;
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

/// Chunks arrive at least this often while a line transmits, but for those below an Ethernet packet.
const CHUNK_TIME: Duration = Duration::from_millis(1);
const FEWEST_CHUNK_BYTES: u64 = 1500;
const MOST_CHUNK_BYTES: u64 = 256 << 10;

/// The sending end of frames.
pub(in crate::net) enum FrameOutput<W> {
    Direct(W),
    Striped(StripedOutput),
    Shaped(ShapedOutput),
}

impl<W: AsyncWrite + Send + Unpin + 'static> FrameOutput<W> {
    /// Must be called within a tokio runtime.
    pub(in crate::net) fn new(stream: W, shape: Option<LinkShape>) -> FrameOutput<W> {
        match shape {
            None => FrameOutput::Direct(stream),
            Some(shape) => FrameOutput::Shaped(ShapedOutput::new(stream, shape)),
        }
    }

    /// Writes a frame. Where the link is shaped or striped, this returns before the bytes are on the wire. `busy` is given
    /// for data, not for heartbeats, and is busy until the frame is transmitted.
    pub(in crate::net) async fn write(
        &mut self,
        header: Bytes,
        payload: Bytes,
        busy: Option<&Activity>,
    ) -> io::Result<()> {
        match self {
            FrameOutput::Direct(stream) => {
                let _under_way = busy.map(Activity::begin);
                stream.write_all(&header).await?;
                stream.write_all(&payload).await?;
                stream.flush().await
            }
            FrameOutput::Striped(output) => output.write(header, payload, busy).await,
            FrameOutput::Shaped(output) => {
                output.write(header, busy).await?;
                output.write(payload, busy).await
            }
        }
    }

    /// Ends the stream once everything has been written; nothing may be written after.
    pub(in crate::net) async fn shutdown(&mut self) {
        match self {
            FrameOutput::Direct(stream) => drop(stream.shutdown().await),
            FrameOutput::Striped(output) => output.shutdown().await,
            FrameOutput::Shaped(output) => output.shutdown().await,
        }
    }
}

/// Takes frames at the rate of a line, and hands them to a task that writes each when it is due to arrive.
pub(in crate::net) struct ShapedOutput {
    line: Line,
    chunk_bytes: usize,
    /// Closed once nothing more is written.
    to_delay: Option<mpsc::UnboundedSender<Chunk>>,
    /// One permit for each byte that has been taken and not been written: what the line has under way, and no more,
    /// also where the peer takes nothing.
    room: Arc<Semaphore>,
    delay: JoinHandle<()>,
}

/// Bytes on their way.
struct Chunk {
    arrival: Instant,
    bytes: Bytes,
    _room: OwnedSemaphorePermit,
}

impl ShapedOutput {
    fn new<W: AsyncWrite + Send + Unpin + 'static>(stream: W, shape: LinkShape) -> ShapedOutput {
        let chunk_bytes = shape.bytes_in(CHUNK_TIME).clamp(FEWEST_CHUNK_BYTES, MOST_CHUNK_BYTES) as usize;
        // The last chunk may begin at the very end of the time that the writer runs ahead.
        let under_way = shape.bytes_in(shape.latency() + AHEAD + 2 * TIMER_LATENESS) as usize;
        let (to_delay, chunks) = mpsc::unbounded_channel();
        ShapedOutput {
            line: Line::new(shape, Instant::now()),
            chunk_bytes,
            to_delay: Some(to_delay),
            room: Arc::new(Semaphore::new(under_way + 2 * chunk_bytes)),
            delay: tokio::spawn(write_when_due(stream, chunks)),
        }
    }

    async fn write(&mut self, mut bytes: Bytes, busy: Option<&Activity>) -> io::Result<()> {
        while !bytes.is_empty() {
            let chunk = bytes.split_to(bytes.len().min(self.chunk_bytes));
            let room = self.room.clone().acquire_many_owned(chunk.len() as u32).await;
            let room = room.expect("the room is never closed");
            sleep_until(self.line.free() - AHEAD).await;
            self.line.transmit(chunk.len(), Instant::now());
            if let Some(activity) = busy {
                activity.busy_until(self.line.free());
            }
            let chunk = Chunk { arrival: self.line.arrival(), bytes: chunk, _room: room };
            let to_delay = self.to_delay.as_ref().ok_or(io::ErrorKind::BrokenPipe)?;
            to_delay.send(chunk).map_err(|_| io::ErrorKind::BrokenPipe)?;
        }
        Ok(())
    }

    async fn shutdown(&mut self) {
        self.to_delay = None;
        let _ = (&mut self.delay).await;
    }
}

impl Drop for ShapedOutput {
    /// What is under way on a connection that is given up is lost with it.
    fn drop(&mut self) {
        self.delay.abort();
    }
}

/// Writes chunks as they are due, and ends the stream after the last.
async fn write_when_due<W: AsyncWrite + Unpin>(mut stream: W, mut chunks: mpsc::UnboundedReceiver<Chunk>) {
    while let Some(chunk) = chunks.recv().await {
        wait_until(chunk.arrival).await;
        // An error closes the queue, which its writer notices.
        if stream.write_all(&chunk.bytes).await.is_err() {
            return;
        }
        if chunks.is_empty() && stream.flush().await.is_err() {
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

    fn wan(pipe_bytes: usize) -> (FrameOutput<DuplexStream>, DuplexStream) {
        let (near, far) = duplex(pipe_bytes);
        (FrameOutput::new(near, Some(LinkShape::WAN)), far)
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
        let (mut output, mut far) = wan(1 << 20);
        let start = Instant::now();
        let payload = bytes(10 * WAN_MS_BYTES - 28);
        output.write(bytes(28), payload.clone(), None).await.expect("a frame is taken");
        output.write(bytes(5), Bytes::new(), None).await.expect("a frame is taken");
        assert!(start.elapsed() < 10 * MS, "the writer runs ahead");
        assert_eq!(
            read(&mut far, 28, start, 20 * MS).await,
            bytes(28),
            "a header does not wait for its payload"
        );
        assert_eq!(read(&mut far, payload.len(), start, 30 * MS).await, payload);
        assert_eq!(read(&mut far, 5, start, 31 * MS).await, bytes(5));
        tokio::spawn(async move { output.shutdown().await });
        assert_eq!(far.read(&mut [0]).await.ok(), Some(0), "the stream ends");
    }

    #[tokio::test(start_paused = true)]
    async fn latency_does_not_lower_the_rate() {
        let (mut output, mut far) = wan(64);
        let start = Instant::now();
        let writer = async {
            for _ in 0..100 {
                output.write(bytes(10), bytes(10 * WAN_MS_BYTES - 10), None).await.expect("a frame is taken");
            }
        };
        tokio::join!(writer, read(&mut far, 1000 * WAN_MS_BYTES, start, 1020 * MS));
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_is_busy_while_it_transmits_and_not_while_it_waits() {
        let (mut output, mut far) = wan(1 << 20);
        let activity = Activity::new();
        let frame = bytes(5 * WAN_MS_BYTES);
        for _ in 0..3 {
            output.write(frame.clone(), Bytes::new(), Some(&activity)).await.expect("a frame is taken");
            output.write(frame.clone(), Bytes::new(), None).await.expect("a frame is taken");
            far.read_exact(&mut vec![0; 2 * frame.len()]).await.expect("the frames arrive");
        }
        assert_eq!(activity.busy(), 15 * MS);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_stops_the_writer() {
        let (mut output, mut far) = wan(64);
        let frame = bytes(1000 * WAN_MS_BYTES);
        let write = output.write(bytes(28), frame.clone(), None);
        assert!(timeout(Duration::from_secs(60), write).await.is_err(), "a frame is not taken without end");
        drop(far.read(&mut [0]).await);
        drop(far);
        let write = output.write(bytes(28), frame, None);
        assert!(write.await.is_err(), "a frame is not taken where there is nobody");
    }
}
