//! A connection of a link: one byte stream, or a first and those that belong to it.
//!
//! Who dials opens the first, and once both have greeted on it, as many more as both want. Each is a TLS connection of
//! its own between the same identities, greets with the name of the link, the name that the dialler has drawn for this
//! visit and its number, and is greeted in return. Whatever else arrives is turned away.

use super::carrier::End;
use super::connect::GREETING_PATIENCE;
use super::hello::write_frame;
use super::inlet::Inlet;
use super::outlet::Outlet;
use super::stripe::stripe;
use super::{Frame, Hello, LinkShape, NetError};
use crate::share::Role;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

/// A byte stream in both directions.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

/// One of the connections that a link has at a time.
pub(super) type ByteStream = Box<dyn Duplex>;

/// A connection whose peer has greeted.
pub(super) struct Visit {
    pub stream: ByteStream,
    /// The streams beside the first, in the order of their numbers.
    pub further: Vec<ByteStream>,
    pub hello: Hello,
}

impl Visit {
    pub(super) fn new(stream: impl Duplex + 'static, hello: Hello) -> Visit {
        Visit { stream: Box::new(stream), further: Vec::new(), hello }
    }

    /// Both ends of what it carries, in the place of a link of this shape. Must be called within a tokio runtime.
    pub(super) fn open(
        self,
        shape: Option<LinkShape>,
    ) -> (Inlet<ReadHalf<ByteStream>>, Outlet<WriteHalf<ByteStream>>) {
        if self.further.is_empty() {
            let (read, write) = split(self.stream);
            return (Inlet::Direct(read), Outlet::new(write, shape));
        }
        let (inlet, outlet) = stripe([self.stream].into_iter().chain(self.further).collect());
        (Inlet::Striped(inlet), Outlet::Striped(outlet))
    }

    /// Tells a visitor why it is not let in.
    pub(super) async fn turn_away(mut self, reason: &str) {
        let _ = write_frame(&mut self.stream, Frame::abort(reason)).await;
        let _ = self.stream.shutdown().await;
    }
}

/// The next visit that a peer makes. Streams that belong to another come too late.
pub(super) async fn next_visit(visits: &mut mpsc::Receiver<Visit>) -> Option<Visit> {
    loop {
        match visits.recv().await? {
            visit if visit.hello.stream == 0 => return Some(visit),
            visit => visit.turn_away("nothing awaits this stream").await,
        }
    }
}

/// Greets a visit of `peer` in return, and awaits the other streams that it then opens.
///
/// # Errors
/// Where they do not come in time or the first breaks, and where the peer makes another visit instead.
pub(super) async fn gather(
    visit: &mut Visit,
    peer: Role,
    greeting: Hello,
    silence: Duration,
    visits: &mut mpsc::Receiver<Visit>,
) -> Result<(), End> {
    let broken = |reason: String| End::Broken(NetError::Closed { peer, reason });
    let greeted = write_frame(&mut visit.stream, greeting.frame()).await;
    greeted.map_err(|error| broken(error.to_string()))?;
    let waited = GREETING_PATIENCE.min(silence);
    let deadline = Instant::now() + waited;
    let mut further: Vec<Option<ByteStream>> = greeting.streams.further().map(|_| None).collect();
    while further.iter().any(Option::is_none) {
        let late =
            |_| broken(format!("it has not opened all {} streams within {waited:?}", greeting.streams));
        let next = timeout_at(deadline, visits.recv()).await.map_err(late)?;
        let Some(mut another) = next else { return Err(broken("no other is awaited".into())) };
        let Hello { visit: name, stream: number, .. } = another.hello;
        if number == 0 {
            return Err(End::Replaced(another));
        }
        match further.get_mut(usize::from(number) - 1) {
            _ if name != visit.hello.visit => another.turn_away("it belongs to another connection").await,
            None => another.turn_away("there are not so many streams").await,
            Some(Some(_)) => another.turn_away("this stream is there already").await,
            Some(place) => {
                let greeting = Hello { stream: number, ..greeting };
                let greeted = write_frame(&mut another.stream, greeting.frame()).await;
                greeted.map_err(|error| broken(error.to_string()))?;
                *place = Some(another.stream);
            }
        }
    }
    visit.further = further.into_iter().flatten().collect();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Streams;
    use tokio::io::duplex;

    const PEER: Role = Role::party(1);
    const SILENCE: Duration = Duration::from_secs(3);

    fn visit(stream: u8) -> (Visit, tokio::io::DuplexStream) {
        let (near, far) = duplex(1 << 10);
        (Visit::new(near, Hello { stream, ..Hello::new(PEER) }), far)
    }

    fn greeting() -> Hello {
        Hello { streams: Streams::new(3).expect("a number of streams"), ..Hello::new(Role::party(0)) }
    }

    #[tokio::test(start_paused = true)]
    async fn streams_are_awaited_for_a_time() {
        let ((mut first, _far), (second, _other)) = (visit(0), visit(1));
        let (to_link, mut visits) = mpsc::channel(4);
        to_link.try_send(second).expect("there is room");
        let start = Instant::now();
        let gathered = gather(&mut first, PEER, greeting(), SILENCE, &mut visits).await;
        let Err(End::Broken(error)) = gathered else { panic!("one stream is missing") };
        assert!(error.to_string().contains("has not opened all 3 streams within 3s"), "{error}");
        assert!(start.elapsed() >= SILENCE);
        assert!(first.further.is_empty());
    }

    #[tokio::test]
    async fn another_visit_takes_the_place_of_one_that_is_not_all_there() {
        let ((mut first, _far), (second, _other), (mut another, _third)) = (visit(0), visit(1), visit(0));
        another.hello.received = 7;
        let (to_link, mut visits) = mpsc::channel(4);
        for visit in [second, another] {
            to_link.try_send(visit).expect("there is room");
        }
        let gathered = gather(&mut first, PEER, greeting(), SILENCE, &mut visits).await;
        let Err(End::Replaced(another)) = gathered else { panic!("another visit") };
        assert_eq!(another.hello.received, 7);
    }

    #[tokio::test]
    async fn a_visit_that_breaks_while_it_is_greeted_is_broken() {
        let (mut first, far) = visit(0);
        drop(far);
        let (_to_link, mut visits) = mpsc::channel(4);
        let gathered = gather(&mut first, PEER, greeting(), SILENCE, &mut visits).await;
        assert!(matches!(gathered, Err(End::Broken(_))));
        let ((mut first, _far), (second, other)) = (visit(0), visit(1));
        drop(other);
        let (to_link, mut visits) = mpsc::channel(4);
        to_link.try_send(second).expect("there is room");
        let gathered = gather(&mut first, PEER, greeting(), SILENCE, &mut visits).await;
        assert!(matches!(gathered, Err(End::Broken(_))));
    }

    #[tokio::test]
    async fn a_stream_of_a_visit_that_is_over_is_no_visit() {
        let ((late, mut far), (visit, _other)) = (visit(2), visit(0));
        let (to_link, mut visits) = mpsc::channel(4);
        for visit in [late, visit] {
            to_link.try_send(visit).expect("there is room");
        }
        assert_eq!(next_visit(&mut visits).await.expect("a visit").hello.stream, 0);
        let error = Hello::hear(PEER, &mut far).await.expect_err("it is told");
        assert!(error.to_string().contains("nothing awaits this stream"), "{error}");
    }
}
