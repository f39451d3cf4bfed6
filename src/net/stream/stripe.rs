//! Frames over several connections, so that as many cores encrypt and decrypt them.
//!
//! A frame is cut into stripes, which go to the connections in turn; the next frame begins with the connection behind
//! the one that had the end of the last. Both ends know from the lengths of frames where every byte is, so nothing is
//! added to them. Heartbeats are frames as well: no connection is idle for long, and one that carries nothing is missed
//! when its turn comes.
//!
//! A task for each connection encrypts what is queued for it, and decrypts into buffers that go to and fro between it
//! and who reads. They bound how far it runs ahead, and are wiped whenever they come back. A connection that breaks or
//! ends is an error for all of them: what they carry together has no end of its own.

use crate::memory::wipe::Wiped;
use crate::net::activity::{Activity, UnderWay};
use crate::net::frame::{DATA_PAYLOAD_BYTES, HEADER_BYTES};
use crate::net::stream::ByteStream;
use bytes::Bytes;
use std::future::{Future, pending, poll_fn};
use std::io;
use std::mem::take;
use std::pin::pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf, split};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Most bytes of a stripe: a full data frame makes four. Smaller ones would wake the tasks more often, larger ones keep
/// a single message from being encrypted by several cores.
const STRIPE_BYTES: usize = (HEADER_BYTES + DATA_PAYLOAD_BYTES).div_ceil(4);

/// Stripes that wait for a connection: enough that it goes on while its turn comes round.
const QUEUE_CHUNKS: usize = 4;

/// Buffers of a connection, together two stripes: one is read while the connection decrypts into the others.
const BUFFERS: usize = 4;
const BUFFER_BYTES: usize = 128 << 10;

/// Both ends of frames over these connections; must be called within a tokio runtime.
pub(in crate::net) fn stripe(streams: Vec<ByteStream>) -> (StripedInput, StripedOutput) {
    let cursor = StripeCursor { streams: streams.len(), stream: 0, left_bytes: STRIPE_BYTES };
    let mut input = StripedInput { cursor, streams: Vec::new() };
    let mut output = StripedOutput { cursor, queues: Vec::new(), served: JoinSet::new() };
    for stream in streams {
        let (queue, chunks) = mpsc::channel(QUEUE_CHUNKS);
        // Behind the buffers there is room for the reason why there are no more.
        let (to_reader, filled) = mpsc::channel(BUFFERS + 1);
        let (spent, from_reader) = mpsc::channel(BUFFERS);
        input.streams.push(Incoming { filled, spent, buffer: Wiped::default(), read_bytes: 0 });
        output.queues.push(queue);
        output.served.spawn(async move {
            // One task: the state of a TLS connection is the same in both directions.
            let (read, write) = split(stream);
            tokio::join!(take_in(read, to_reader, from_reader), give_out(write, chunks));
        });
    }
    (input, output)
}

/// The position in the stripes: the same at both ends.
#[derive(Clone, Copy, Debug)]
struct StripeCursor {
    streams: usize,
    stream: usize,
    /// The rest of the stripe.
    left_bytes: usize,
}

impl StripeCursor {
    /// So many bytes of the stripe have passed.
    fn pass(&mut self, bytes: usize) {
        self.left_bytes -= bytes;
        if self.left_bytes == 0 {
            self.next();
        }
    }

    /// A frame ends here, and a stripe with it.
    fn end_frame(&mut self) {
        if self.left_bytes < STRIPE_BYTES {
            self.next();
        }
    }

    fn next(&mut self) {
        self.stream = (self.stream + 1) % self.streams;
        self.left_bytes = STRIPE_BYTES;
    }
}

/// The sending end of frames over several streams.
pub(in crate::net) struct StripedOutput {
    cursor: StripeCursor,
    queues: Vec<mpsc::Sender<Chunk>>,
    /// The connections, which are given up with this.
    served: JoinSet<()>,
}

/// A part of a stripe that waits for its stream.
enum Chunk {
    Bytes {
        bytes: Bytes,
        _under_way: Option<UnderWay>,
    },
    /// The end of the connection.
    End,
}

impl StripedOutput {
    /// Queues a frame; what counts as work keeps `busy` busy until it is written.
    pub(in crate::net) async fn write(
        &mut self,
        header: Bytes,
        payload: Bytes,
        busy: Option<&Activity>,
    ) -> io::Result<()> {
        for mut part in [header, payload] {
            while !part.is_empty() {
                let bytes = part.split_to(part.len().min(self.cursor.left_bytes));
                let (stream, len) = (self.cursor.stream, bytes.len());
                self.send(stream, Chunk::Bytes { bytes, _under_way: busy.map(Activity::begin) }).await?;
                self.cursor.pass(len);
            }
        }
        self.cursor.end_frame();
        Ok(())
    }

    /// Ends all connections once everything has been written.
    pub(in crate::net) async fn shutdown(&mut self) {
        for stream in 0..self.queues.len() {
            let _ = self.send(stream, Chunk::End).await;
        }
        for queue in &self.queues {
            queue.closed().await;
        }
    }

    async fn send(&self, stream: usize, chunk: Chunk) -> io::Result<()> {
        self.queues[stream].send(chunk).await.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

/// Writes what is queued for a connection, each chunk at once. An error closes the queue, which the output notices.
async fn give_out(mut stream: impl AsyncWrite + Unpin, mut chunks: mpsc::Receiver<Chunk>) {
    while let Some(chunk) = chunks.recv().await {
        let Chunk::Bytes { bytes, _under_way } = chunk else {
            let _ = stream.shutdown().await;
            return;
        };
        if stream.write_all(&bytes).await.is_err() || stream.flush().await.is_err() {
            return;
        }
        if !chunks.is_empty() {
            let_others_run().await;
        }
    }
}

/// The receiving end of frames over several streams.
pub(in crate::net) struct StripedInput {
    cursor: StripeCursor,
    streams: Vec<Incoming>,
}

/// Bytes that have been read from one of the streams.
struct Incoming {
    filled: mpsc::Receiver<io::Result<Wiped>>,
    spent: mpsc::Sender<Wiped>,
    /// The present chunk, and the bytes of it that have been read.
    buffer: Wiped,
    read_bytes: usize,
}

impl StripedInput {
    /// A frame has been read.
    pub(in crate::net) fn end_frame(&mut self) {
        self.cursor.end_frame();
    }

    pub(in crate::net) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let incoming = &mut self.streams[self.cursor.stream];
        if incoming.buffer.is_empty() {
            let filled = ready!(incoming.filled.poll_recv(context));
            incoming.buffer = filled.unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into()))?;
        }
        let unread = &incoming.buffer[incoming.read_bytes..];
        let len = unread.len().min(room.remaining()).min(self.cursor.left_bytes);
        room.put_slice(&unread[..len]);
        incoming.read_bytes += len;
        if incoming.read_bytes == incoming.buffer.len() {
            incoming.read_bytes = 0;
            // A connection that has ended needs none.
            let _ = incoming.spent.try_send(take(&mut incoming.buffer));
        }
        self.cursor.pass(len);
        Poll::Ready(Ok(()))
    }
}

/// Reads a connection into its buffers until it ends, which is told behind all that came.
async fn take_in(
    mut stream: impl AsyncRead + Unpin,
    to_reader: mpsc::Sender<io::Result<Wiped>>,
    mut from_reader: mpsc::Receiver<Wiped>,
) {
    let mut empty: Vec<Wiped> = (0..BUFFERS).map(|_| Wiped::with_capacity(BUFFER_BYTES)).collect();
    loop {
        let ended = tokio::select! {
            biased;
            Some(mut spent) = from_reader.recv() => {
                spent.clear();
                empty.push(spent);
                continue;
            }
            ended = fill(&mut stream, empty.last_mut()) => ended,
        };
        let filled = empty.pop().filter(|buffer| !buffer.is_empty());
        let is_full = filled.as_ref().is_some_and(|buffer| buffer.len() == BUFFER_BYTES);
        // Nobody listens where the connection is given up.
        if let Some(buffer) = filled {
            let _ = to_reader.send(Ok(buffer)).await;
        }
        if let Err(error) = ended {
            let _ = to_reader.send(Err(error)).await;
            return;
        }
        if is_full {
            let_others_run().await;
        }
    }
}

/// Reads what there is, as soon as there is any and up to a full buffer.
///
/// # Errors
/// Where nothing more will come; the buffer may have something all the same.
async fn fill(stream: &mut (impl AsyncRead + Unpin), buffer: Option<&mut Wiped>) -> io::Result<()> {
    let Some(buffer) = buffer else { return pending().await };
    poll_fn(|context| {
        while buffer.len() < BUFFER_BYTES {
            let read = {
                let mut room = buffer.room(BUFFER_BYTES - buffer.len());
                pin!(stream.read_buf(&mut room)).poll(context)
            };
            match read {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending if buffer.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        Poll::Ready(Ok(()))
    })
    .await
}

/// Yields, so that the task which this one has just woken runs next: it sits in the slot of tokio's worker for the task
/// woken last, from which other workers cannot steal. Unlike after tokio's own `yield_now`, another worker may go on with
/// this task.
async fn let_others_run() {
    let mut asked = false;
    poll_fn(|context| {
        if std::mem::replace(&mut asked, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::stream::input::FrameInput;
    use proptest::prelude::*;
    use std::time::Duration;
    use tokio::io::{DuplexStream, duplex};
    use tokio::runtime::Builder;
    use tokio::time::timeout;

    type Reading = FrameInput<DuplexStream>;

    /// Both ends of so many streams, each of which holds so many bytes.
    fn pair(streams: usize, pipe_bytes: usize) -> ((Reading, StripedOutput), (Reading, StripedOutput)) {
        let (mut near, mut far): (Vec<ByteStream>, Vec<ByteStream>) = Default::default();
        for _ in 0..streams {
            let (one, other) = duplex(pipe_bytes);
            near.push(Box::new(one));
            far.push(Box::new(other));
        }
        let end = |streams| {
            let (input, output) = stripe(streams);
            (FrameInput::Striped(input), output)
        };
        (end(near), end(far))
    }

    /// One end of so many streams, and the pipes at the other.
    fn end(streams: usize, pipe_bytes: usize) -> (Reading, StripedOutput, Vec<DuplexStream>) {
        let (mut near, mut far): (Vec<ByteStream>, Vec<DuplexStream>) = Default::default();
        for _ in 0..streams {
            let (one, other) = duplex(pipe_bytes);
            near.push(Box::new(one));
            far.push(other);
        }
        let (input, output) = stripe(near);
        (FrameInput::Striped(input), output, far)
    }

    fn bytes(len: usize, from: usize) -> Bytes {
        (0..len).map(|index| (((from + index) * 31) >> 3) as u8).collect::<Vec<u8>>().into()
    }

    async fn write(output: &mut StripedOutput, header: Bytes, payload: Bytes) {
        output.write(header, payload, None).await.expect("a frame is taken");
    }

    /// Reads a frame, so many bytes at a time.
    async fn read(input: &mut Reading, len: usize, step: usize) -> Vec<u8> {
        let mut frame = vec![0; len];
        for part in frame.chunks_mut(step) {
            input.read_exact(part).await.expect("the frame arrives");
        }
        input.end_frame();
        frame
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn frames_arrive_whole_and_in_order(
            streams in 1..=8usize,
            pipe_bytes in 1_000..300_000usize,
            lens in prop::collection::vec(
                (0..60usize, prop_oneof![0..60usize, STRIPE_BYTES - 60..STRIPE_BYTES + 3, 0..3 * STRIPE_BYTES]),
                1..8,
            ),
            step in prop_oneof![1..40usize, 1_000..2 * STRIPE_BYTES],
        ) {
            let runtime = Builder::new_multi_thread().worker_threads(2).build().expect("a runtime");
            runtime.block_on(async {
                let ((mut near_inlet, mut near), (mut far_inlet, mut far)) = pair(streams, pipe_bytes);
                let (there, back) = (lens.clone(), lens.iter().rev().copied().collect::<Vec<_>>());
                let send = |lens: Vec<(usize, usize)>, output| async move {
                    let output: &mut StripedOutput = output;
                    for (index, (header, payload)) in lens.into_iter().enumerate() {
                        write(output, bytes(header, index), bytes(payload, index + header)).await;
                    }
                };
                let receive = |lens: Vec<(usize, usize)>, input| async move {
                    let input: &mut Reading = input;
                    for (index, (header, payload)) in lens.into_iter().enumerate() {
                        let frame = read(input, header + payload, step).await;
                        assert!(frame == bytes(header + payload, index), "frame {index}");
                    }
                };
                tokio::join!(
                    send(there.clone(), &mut near),
                    receive(there, &mut far_inlet),
                    send(back.clone(), &mut far),
                    receive(back, &mut near_inlet),
                );
                tokio::join!(near.shutdown(), far.shutdown());
                for input in [&mut near_inlet, &mut far_inlet] {
                    let error = input.read_u8().await.expect_err("nothing is left");
                    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
                }
            });
        }
    }

    #[tokio::test]
    async fn small_frames_do_not_wait_for_others() {
        let ((mut near_inlet, mut near), (mut far_inlet, mut far)) = pair(3, 64);
        for round in 0..50 {
            write(&mut near, bytes(28, round), Bytes::new()).await;
            assert_eq!(read(&mut far_inlet, 28, 28).await, bytes(28, round));
            write(&mut far, bytes(28, round), bytes(1, 0)).await;
            read(&mut near_inlet, 29, 7).await;
        }
    }

    #[tokio::test]
    async fn each_frame_begins_with_the_next_stream() {
        let (_inlet, mut output, mut pipes) = end(3, 1 << 20);
        write(&mut output, bytes(28, 0), bytes(STRIPE_BYTES, 28)).await;
        write(&mut output, bytes(STRIPE_BYTES, 1), Bytes::new()).await;
        write(&mut output, bytes(5, 2), Bytes::new()).await;
        output.shutdown().await;
        let whole = bytes(STRIPE_BYTES + 28, 0);
        let expected = [
            [&whole[..STRIPE_BYTES], &bytes(5, 2)].concat(),
            whole[STRIPE_BYTES..].to_vec(),
            bytes(STRIPE_BYTES, 1).to_vec(),
        ];
        for (pipe, expected) in pipes.iter_mut().zip(expected) {
            let mut found = Vec::new();
            pipe.read_to_end(&mut found).await.expect("it ends");
            assert!(found == expected);
        }
    }

    #[tokio::test]
    async fn a_stream_that_ends_is_an_error_behind_what_it_had() {
        for half_closed in [false, true] {
            for ended in 0..3 {
                let (mut input, _outlet, mut pipes) = end(3, 1 << 10);
                for pipe in &mut pipes {
                    pipe.write_all(b"frame").await.expect("there is room");
                }
                let mut pipe = pipes.remove(ended);
                pipe.shutdown().await.expect("it ends");
                let kept = half_closed.then_some(pipe);
                for _ in 0..3 {
                    assert_eq!(read(&mut input, 5, 2).await, b"frame");
                }
                for pipe in &mut pipes {
                    pipe.write_all(b"again").await.expect("there is room");
                }
                for _ in 0..ended {
                    assert_eq!(read(&mut input, 5, 5).await, b"again");
                }
                for _ in 0..2 {
                    let error = input.read_u8().await.expect_err("and not an end");
                    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
                }
                drop(kept);
            }
        }
    }

    #[tokio::test]
    async fn a_stream_that_is_gone_takes_no_frame() {
        let (_inlet, mut output, mut pipes) = end(2, 1 << 10);
        drop(pipes.remove(1));
        let written = async {
            loop {
                output.write(bytes(28, 0), Bytes::new(), None).await?;
            }
        };
        let error: io::Result<()> = written.await;
        assert_eq!(error.expect_err("it is noticed").kind(), io::ErrorKind::BrokenPipe);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_stops_the_writer_and_one_that_sends_fills_the_buffers() {
        let (_inlet, mut output, mut pipes) = end(2, 64);
        let activity = Activity::new();
        let write = output.write(bytes(28, 0), bytes(20 * STRIPE_BYTES, 0), Some(&activity));
        assert!(timeout(Duration::from_secs(60), write).await.is_err(), "a frame is not taken without end");
        assert!(activity.busy() >= Duration::from_secs(60), "what waits is not done");
        let more = bytes(BUFFERS * BUFFER_BYTES + 65, 0);
        let write = pipes[1].write_all(&more);
        assert!(timeout(Duration::from_secs(60), write).await.is_err(), "nobody reads on");
        drop(output);
        assert!(pipes[0].read_to_end(&mut Vec::new()).await.is_ok(), "its streams go with the output");
    }
}
