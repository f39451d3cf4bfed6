//! The reading half of a link: frames that the receiver awaits, counted as they are delivered.

use crate::memory::wipe::Wiped;
use crate::net::error::{NetError, explain};
use crate::net::frame::{Frame, FrameError, HEADER_BYTES, Header, Kind};
use crate::net::link::connection::End;
use crate::net::link::shared::Shared;
use crate::net::stream::input::FrameInput;
use bytes::BufMut;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, timeout};

/// The peer is told what has been received at least after so many bytes: a small fraction of what it keeps, so that it does
/// not run out of room meanwhile, and what it keeps in memory that a device has lent comes back soon.
const ACKNOWLEDGE_BYTES: usize = crate::net::link::resend::WINDOW_BYTES / 64;

/// Reads the frames of a link.
pub(in crate::net) struct Reader {
    shared: Arc<Shared>,
    to_receiver: mpsc::Sender<Result<Frame, NetError>>,
    /// Bytes received that the peer has not been told of.
    untold_bytes: usize,
    last_heard: Instant,
    /// The receiver is slow, which says nothing of the peer.
    delivering: bool,
}

impl Reader {
    pub(in crate::net) fn new(
        shared: Arc<Shared>,
        to_receiver: mpsc::Sender<Result<Frame, NetError>>,
    ) -> Reader {
        Reader { shared, to_receiver, untold_bytes: 0, last_heard: Instant::now(), delivering: false }
    }

    /// The time of the peer's last sign of life.
    pub(in crate::net) fn last_heard(&self) -> Instant {
        if self.delivering { Instant::now() } else { self.last_heard }
    }

    /// Delivers why the link has ended, behind what has been received.
    pub(in crate::net) async fn fail(self, error: NetError) {
        let _ = self.to_receiver.send(Err(error)).await;
    }

    /// Reads until the connection ends, fails or is silent for too long. It takes the connection for good: to be read
    /// again after this future was dropped, it would begin in the middle of a frame.
    ///
    /// Once `hurried`, it waits for nobody, and looks for the peer's last words only: what it passes over does not count
    /// as received, and comes again on the next connection, if there is one.
    pub(in crate::net) async fn read(
        &mut self,
        mut stream: FrameInput<impl AsyncRead + Unpin>,
        hurried: &Notify,
    ) -> End {
        self.delivering = false;
        self.last_heard = Instant::now();
        let mut hurries = false;
        loop {
            let header = match self.read_header(&mut stream).await {
                Ok(header) => header,
                Err(end) => return end,
            };
            let turn = match header.kind {
                Kind::Heartbeat | Kind::Hello | Kind::Abort => Ok(true),
                _ if hurries => Ok(false),
                _ => self.await_turn(&header, hurried).await,
            };
            let done = match turn {
                Ok(true) => {
                    let frame = self.read_frame(header, &mut stream).await;
                    frame.and_then(|frame| self.take_in(frame, HEADER_BYTES + header.length))
                }
                Ok(false) => {
                    hurries = true;
                    self.pass_over(header.length, &mut stream).await
                }
                Err(end) => Err(end),
            };
            if let Err(end) = done {
                return end;
            }
            stream.end_frame();
        }
    }

    async fn read_header(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> Result<Header, End> {
        let mut header = [0; HEADER_BYTES];
        let mut room = &mut header[..];
        while room.has_remaining_mut() {
            self.read_some(stream, &mut room).await?;
        }
        Header::parse(&header).map_err(|error| self.malformed(error))
    }

    /// Waits until the receiver has room for a frame and awaits this one; tells whether it does, or is hurried.
    async fn await_turn(&mut self, header: &Header, hurried: &Notify) -> Result<bool, End> {
        self.delivering = true;
        let shared = &*self.shared;
        let turn = async {
            // Whoever received is gone, and with it the reason to read on. Room stays: nobody else takes it.
            drop(self.to_receiver.reserve().await.map_err(|_| End::Done)?);
            if header.needs_place() {
                shared.expected.admit(shared.peer, header).await.map_err(End::Failed)?;
            }
            Ok(true)
        };
        let turn = tokio::select! {
            biased;
            turn = turn => turn,
            () = hurried.notified() => Ok(false),
        };
        // As long as a frame waits the peer is not listened to.
        self.delivering = false;
        self.last_heard = Instant::now();
        turn
    }

    /// Reads what follows a header.
    async fn read_frame(
        &mut self,
        header: Header,
        stream: &mut (impl AsyncRead + Unpin),
    ) -> Result<Frame, End> {
        let peer = self.shared.peer;
        if header.kind == Kind::Hello {
            let (expected, found) = ("a frame of the link", header.name());
            return Err(End::Failed(NetError::OutOfPlace { peer, expected, found }));
        }
        let _under_way = header.is_data().then(|| self.shared.activity.begin());
        let begin = Instant::now();
        let mut payload = Wiped::with_capacity(header.length);
        while payload.len() < header.length {
            let left = header.length - payload.len();
            self.read_some(stream, &mut payload.room(left)).await?;
        }
        if header.is_data() {
            let bytes = HEADER_BYTES + header.length;
            self.shared.activity.take_down(peer, false, bytes as u64, begin);
        }
        header.frame(payload).map_err(|error| self.malformed(error))
    }

    /// Reads so many bytes and keeps none of them.
    async fn pass_over(&mut self, bytes: usize, stream: &mut (impl AsyncRead + Unpin)) -> Result<(), End> {
        const SCRATCH_BYTES: usize = 16 << 10;
        let mut scratch = Wiped::zeroed(SCRATCH_BYTES.min(bytes));
        let mut left = bytes;
        while left > 0 {
            let mut room = &mut scratch.bytes_mut()[..left.min(SCRATCH_BYTES)];
            left -= self.read_some(stream, &mut room).await?;
        }
        Ok(())
    }

    /// Takes a frame in. It counts as received with its delivery, between which nothing can come.
    fn take_in(&mut self, frame: Frame, bytes: usize) -> Result<(), End> {
        let shared = &*self.shared;
        match &frame {
            &Frame::Heartbeat { progress, received } => {
                shared.peer_progress.store(progress, Ordering::Relaxed);
                if shared.acknowledged.swap(received, Ordering::Relaxed) != received {
                    shared.wake.notify_one();
                }
                return Ok(());
            }
            Frame::Abort(reason) => return Err(End::Failed(NetError::aborted(shared.peer, reason))),
            _ => shared.expected.take(shared.peer, &frame).map_err(End::Failed)?,
        }
        if matches!(frame, Frame::Data(_) | Frame::Bundle(_)) {
            shared.activity.advance();
        }
        // Keys travel in control messages: the peer wipes them once it knows that they are here.
        let urgent = matches!(frame, Frame::Control { .. } | Frame::Finish);
        shared.finished.fetch_or(frame == Frame::Finish, Ordering::Relaxed);
        shared.received.fetch_add(1, Ordering::Relaxed);
        self.to_receiver.try_send(Ok(frame)).map_err(|_| End::Done)?;
        shared.traffic.received(bytes as u64);
        self.untold_bytes += bytes;
        if urgent || self.untold_bytes >= ACKNOWLEDGE_BYTES {
            self.untold_bytes = 0;
            shared.acknowledge.store(true, Ordering::Relaxed);
            shared.wake.notify_one();
        }
        Ok(())
    }

    /// Reads some bytes, within the silence deadline.
    async fn read_some(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        room: &mut impl BufMut,
    ) -> Result<usize, End> {
        let (peer, waited) = (self.shared.peer, self.shared.deadlines.silence);
        let read = timeout(waited, stream.read_buf(room)).await;
        let read = match read.map_err(|_| End::Failed(NetError::Silent { peer, waited }))? {
            Ok(0) => {
                let reason = "it closed the connection".into();
                return Err(End::Broken(NetError::Closed { peer, reason }));
            }
            Ok(read) => read,
            Err(error) => return Err(End::Broken(explain(peer, &error))),
        };
        self.last_heard = Instant::now();
        Ok(read)
    }

    fn malformed(&self, error: FrameError) -> End {
        End::Failed(NetError::Frame { peer: self.shared.peer, error })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::activity::Activity;
    use crate::net::deadlines::Deadlines;
    use crate::net::error::OffPlan;
    use crate::net::frame::Data;
    use crate::net::link::expected::Awaited;
    use crate::net::link::expected::Messages;
    use crate::net::stream::ByteStream;
    use crate::net::stream::stripe::stripe;
    use crate::share::Role;
    use bytes::Bytes;
    use std::time::Duration;
    use tokio::io::{AsyncWriteExt, DuplexStream, duplex};

    const PEER: Role = Role::party(1);
    const LEN: usize = 1 << 20;

    /// A frame of a message of `LEN` bytes, in two parts.
    fn data(message: u32) -> [Vec<u8>; 2] {
        let data = Data { run: 0, message, depth: 1, offset: 0, payload: Bytes::from(vec![0; LEN]) };
        let (header, payload) = Frame::Data(data).encode();
        [header.to_vec(), payload.to_vec()]
    }

    fn reader() -> (Arc<Shared>, Reader, mpsc::Receiver<Result<Frame, NetError>>) {
        let shared = Arc::new(Shared::new(PEER, Deadlines::default(), Activity::new()));
        let (to_receiver, received) = mpsc::channel(1);
        (shared.clone(), Reader::new(shared, to_receiver), received)
    }

    #[tokio::test]
    async fn a_frame_is_refused_before_anything_but_its_header_is_there() {
        let (shared, mut reader, _received) = reader();
        shared.expected.set(Awaited::Messages(Messages::new(0, 9, [(3, LEN as u64)])));
        let (mut near, far) = duplex(1 << 10);
        near.write_all(&data(4)[0]).await.expect("there is room");
        let end = reader.read(FrameInput::Direct(far), &Notify::new()).await;
        let End::Failed(NetError::OffPlan { peer: PEER, offence }) = end else { panic!("a refusal") };
        assert_eq!(offence, OffPlan::Unknown { message: 4, bytes: LEN });
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_is_not_silent_while_its_frame_waits() {
        let (shared, mut reader, _received) = reader();
        let (mut near, far) = duplex(1 << 10);
        near.write_all(&data(3)[0]).await.expect("there is room");
        let hurried = Notify::new();
        let wait = async {
            tokio::time::sleep(Duration::from_secs(60)).await;
            shared.expected.set(Awaited::Messages(Messages::new(0, 9, [(3, LEN as u64)])));
            drop(near);
        };
        let (end, ()) = tokio::join!(reader.read(FrameInput::Direct(far), &hurried), wait);
        assert!(matches!(end, End::Broken(_)), "the connection may be made again");
        assert!(
            reader.last_heard().elapsed() < Duration::from_secs(1),
            "there is all of the silence deadline for it"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_is_silent_when_its_turn_comes_is_missed() {
        let (_shared, mut reader, _received) = reader();
        let (mut near, mut far): (Vec<DuplexStream>, Vec<ByteStream>) = Default::default();
        for _ in 0..3 {
            let (one, other) = duplex(1 << 10);
            near.push(one);
            far.push(Box::new(other));
        }
        // One for each stream but the third, and then the next of the first.
        for stream in [0, 1, 0] {
            let (heartbeat, _) = Frame::Heartbeat { progress: 0, received: 0 }.encode();
            near[stream].write_all(&heartbeat).await.expect("there is room");
        }
        let (input, _outlet) = stripe(far);
        let end = reader.read(FrameInput::<DuplexStream>::Striped(input), &Notify::new()).await;
        let End::Failed(error) = end else { panic!("it is missed") };
        assert_eq!(error, NetError::Silent { peer: PEER, waited: Deadlines::default().silence });
    }

    #[tokio::test]
    async fn last_words_are_found_behind_what_nobody_awaits() {
        let (shared, mut reader, mut received) = reader();
        let (mut near, far) = duplex(1 << 10);
        let (abort, reason) = Frame::abort("the disk is full").encode();
        let hurried = Notify::new();
        hurried.notify_one();
        let write = async {
            let frames = [data(3), data(4), [abort.to_vec(), reason.to_vec()]].concat().concat();
            near.write_all(&frames).await.expect("it is read");
        };
        let (end, ()) = tokio::join!(reader.read(FrameInput::Direct(far), &hurried), write);
        assert!(matches!(end, End::Failed(NetError::Aborted { .. })));
        assert_eq!(shared.received.load(Ordering::Relaxed), 0, "what was passed over may come again");
        assert!(received.try_recv().is_err(), "and was not delivered");
    }
}
