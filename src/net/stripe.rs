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

use super::activity::{Activity, UnderWay};
use super::frame::{DATA_PAYLOAD_BYTES, HEADER_BYTES};
use super::visit::ByteStream;
use crate::wipe::Wiped;
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
const QUEUE_PIECES: usize = 4;

/// Buffers of a connection, together two stripes: one is read while the connection decrypts into the others.
const BUFFERS: usize = 4;
const BUFFER_BYTES: usize = 128 << 10;

/// Both ends of frames over these connections; must be called within a tokio runtime.
pub(super) fn stripe(streams: Vec<ByteStream>) -> (StripedInlet, StripedOutlet) {
    let turn = Turn { streams: streams.len(), stream: 0, left_bytes: STRIPE_BYTES };
    let mut inlet = StripedInlet { turn, streams: Vec::new() };
    let mut outlet = StripedOutlet { turn, queues: Vec::new(), served: JoinSet::new() };
    for stream in streams {
        let (queue, pieces) = mpsc::channel(QUEUE_PIECES);
        // Behind the buffers there is room for the reason why there are no more.
        let (to_reader, filled) = mpsc::channel(BUFFERS + 1);
        let (spent, from_reader) = mpsc::channel(BUFFERS);
        inlet.streams.push(Incoming { filled, spent, buffer: Wiped::default(), read_bytes: 0 });
        outlet.queues.push(queue);
        outlet.served.spawn(async move {
            // One task: the state of a TLS connection is the same in both directions.
            let (read, write) = split(stream);
            tokio::join!(take_in(read, to_reader, from_reader), give_out(write, pieces));
        });
    }
    (inlet, outlet)
}

/// Whose turn it is: the same at both ends.
#[derive(Clone, Copy, Debug)]
struct Turn {
    streams: usize,
    stream: usize,
    /// What is left of the stripe.
    left_bytes: usize,
}

impl Turn {
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

/// Where frames leave for several connections.
pub(super) struct StripedOutlet {
    turn: Turn,
    queues: Vec<mpsc::Sender<Piece>>,
    /// The connections, which are given up with this.
    served: JoinSet<()>,
}

/// What waits for a connection.
enum Piece {
    Bytes {
        bytes: Bytes,
        _under_way: Option<UnderWay>,
    },
    /// The end of the connection.
    End,
}

impl StripedOutlet {
    /// Queues a frame; what counts as work keeps `busy` busy until it is written.
    pub(super) async fn write(
        &mut self,
        header: Bytes,
        payload: Bytes,
        busy: Option<&Activity>,
    ) -> io::Result<()> {
        for mut part in [header, payload] {
            while !part.is_empty() {
                let bytes = part.split_to(part.len().min(self.turn.left_bytes));
                let (stream, len) = (self.turn.stream, bytes.len());
                self.send(stream, Piece::Bytes { bytes, _under_way: busy.map(Activity::begin) }).await?;
                self.turn.pass(len);
            }
        }
        self.turn.end_frame();
        Ok(())
    }

    /// Ends all connections once everything has been written.
    pub(super) async fn shutdown(&mut self) {
        for stream in 0..self.queues.len() {
            let _ = self.send(stream, Piece::End).await;
        }
        for queue in &self.queues {
            queue.closed().await;
        }
    }

    async fn send(&self, stream: usize, piece: Piece) -> io::Result<()> {
        self.queues[stream].send(piece).await.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

/// Writes what is queued for a connection, each piece at once. An error closes the queue, which the outlet notices.
async fn give_out(mut stream: impl AsyncWrite + Unpin, mut pieces: mpsc::Receiver<Piece>) {
    while let Some(piece) = pieces.recv().await {
        let Piece::Bytes { bytes, _under_way } = piece else {
            let _ = stream.shutdown().await;
            return;
        };
        if stream.write_all(&bytes).await.is_err() || stream.flush().await.is_err() {
            return;
        }
        if !pieces.is_empty() {
            let_others_run().await;
        }
    }
}

/// Where frames arrive from several connections.
pub(super) struct StripedInlet {
    turn: Turn,
    streams: Vec<Incoming>,
}

/// What has been read from a connection.
struct Incoming {
    filled: mpsc::Receiver<io::Result<Wiped>>,
    spent: mpsc::Sender<Wiped>,
    /// What is read now, and how much of it has been.
    buffer: Wiped,
    read_bytes: usize,
}

impl StripedInlet {
    /// A frame has been read.
    pub(super) fn end_frame(&mut self) {
        self.turn.end_frame();
    }

    pub(super) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let incoming = &mut self.streams[self.turn.stream];
        if incoming.buffer.is_empty() {
            let filled = ready!(incoming.filled.poll_recv(context));
            incoming.buffer = filled.unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into()))?;
        }
        let unread = &incoming.buffer[incoming.read_bytes..];
        let len = unread.len().min(room.remaining()).min(self.turn.left_bytes);
        room.put_slice(&unread[..len]);
        incoming.read_bytes += len;
        if incoming.read_bytes == incoming.buffer.len() {
            incoming.read_bytes = 0;
            // A connection that has ended needs none.
            let _ = incoming.spent.try_send(take(&mut incoming.buffer));
        }
        self.turn.pass(len);
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

/// Lets the task run that was woken last, which no other thread would run before the present one waits, where that has
/// more to do. Other than with tokio's own yielding, another thread may go on with it meanwhile.
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
    use crate::net::inlet::Inlet;
    use proptest::prelude::*;
    use std::time::Duration;
    use tokio::io::{DuplexStream, duplex};
    use tokio::runtime::Builder;
    use tokio::time::timeout;

    type Reading = Inlet<DuplexStream>;

    /// Both ends of so many streams, each of which holds so many bytes.
    fn pair(streams: usize, pipe_bytes: usize) -> ((Reading, StripedOutlet), (Reading, StripedOutlet)) {
        let (mut near, mut far): (Vec<ByteStream>, Vec<ByteStream>) = Default::default();
        for _ in 0..streams {
            let (one, other) = duplex(pipe_bytes);
            near.push(Box::new(one));
            far.push(Box::new(other));
        }
        let end = |streams| {
            let (inlet, outlet) = stripe(streams);
            (Inlet::Striped(inlet), outlet)
        };
        (end(near), end(far))
    }

    /// One end of so many streams, and the pipes at the other.
    fn end(streams: usize, pipe_bytes: usize) -> (Reading, StripedOutlet, Vec<DuplexStream>) {
        let (mut near, mut far): (Vec<ByteStream>, Vec<DuplexStream>) = Default::default();
        for _ in 0..streams {
            let (one, other) = duplex(pipe_bytes);
            near.push(Box::new(one));
            far.push(other);
        }
        let (inlet, outlet) = stripe(near);
        (Inlet::Striped(inlet), outlet, far)
    }

    fn bytes(len: usize, from: usize) -> Bytes {
        (0..len).map(|index| (((from + index) * 31) >> 3) as u8).collect::<Vec<u8>>().into()
    }

    async fn write(outlet: &mut StripedOutlet, header: Bytes, payload: Bytes) {
        outlet.write(header, payload, None).await.expect("a frame is taken");
    }

    /// Reads a frame, so many bytes at a time.
    async fn read(inlet: &mut Reading, len: usize, step: usize) -> Vec<u8> {
        let mut frame = vec![0; len];
        for part in frame.chunks_mut(step) {
            inlet.read_exact(part).await.expect("the frame arrives");
        }
        inlet.end_frame();
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
                let send = |lens: Vec<(usize, usize)>, outlet| async move {
                    let outlet: &mut StripedOutlet = outlet;
                    for (index, (header, payload)) in lens.into_iter().enumerate() {
                        write(outlet, bytes(header, index), bytes(payload, index + header)).await;
                    }
                };
                let receive = |lens: Vec<(usize, usize)>, inlet| async move {
                    let inlet: &mut Reading = inlet;
                    for (index, (header, payload)) in lens.into_iter().enumerate() {
                        let frame = read(inlet, header + payload, step).await;
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
                for inlet in [&mut near_inlet, &mut far_inlet] {
                    let error = inlet.read_u8().await.expect_err("nothing is left");
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
        let (_inlet, mut outlet, mut pipes) = end(3, 1 << 20);
        write(&mut outlet, bytes(28, 0), bytes(STRIPE_BYTES, 28)).await;
        write(&mut outlet, bytes(STRIPE_BYTES, 1), Bytes::new()).await;
        write(&mut outlet, bytes(5, 2), Bytes::new()).await;
        outlet.shutdown().await;
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
                let (mut inlet, _outlet, mut pipes) = end(3, 1 << 10);
                for pipe in &mut pipes {
                    pipe.write_all(b"frame").await.expect("there is room");
                }
                let mut pipe = pipes.remove(ended);
                pipe.shutdown().await.expect("it ends");
                let kept = half_closed.then_some(pipe);
                for _ in 0..3 {
                    assert_eq!(read(&mut inlet, 5, 2).await, b"frame");
                }
                for pipe in &mut pipes {
                    pipe.write_all(b"again").await.expect("there is room");
                }
                for _ in 0..ended {
                    assert_eq!(read(&mut inlet, 5, 5).await, b"again");
                }
                for _ in 0..2 {
                    let error = inlet.read_u8().await.expect_err("and not an end");
                    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
                }
                drop(kept);
            }
        }
    }

    #[tokio::test]
    async fn a_stream_that_is_gone_takes_no_frame() {
        let (_inlet, mut outlet, mut pipes) = end(2, 1 << 10);
        drop(pipes.remove(1));
        let written = async {
            loop {
                outlet.write(bytes(28, 0), Bytes::new(), None).await?;
            }
        };
        let error: io::Result<()> = written.await;
        assert_eq!(error.expect_err("it is noticed").kind(), io::ErrorKind::BrokenPipe);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_stops_the_writer_and_one_that_sends_fills_the_buffers() {
        let (_inlet, mut outlet, mut pipes) = end(2, 64);
        let activity = Activity::new();
        let write = outlet.write(bytes(28, 0), bytes(20 * STRIPE_BYTES, 0), Some(&activity));
        assert!(timeout(Duration::from_secs(60), write).await.is_err(), "a frame is not taken without end");
        assert!(activity.busy() >= Duration::from_secs(60), "what waits is not done");
        let more = bytes(BUFFERS * BUFFER_BYTES + 65, 0);
        let write = pipes[1].write_all(&more);
        assert!(timeout(Duration::from_secs(60), write).await.is_err(), "nobody reads on");
        drop(outlet);
        assert!(pipes[0].read_to_end(&mut Vec::new()).await.is_ok(), "its streams go with the outlet");
    }
}
