//! A connection of a link: one byte stream, or a first and those that belong to it.
//!
//! Who dials opens the first, and once both have greeted on it, as many more as both want. Each is a TLS connection of
//! its own between the same identities, greets with the name of the link, the name that the dialler has drawn for this
//! connection and its number, and is greeted in return. Whatever else arrives is turned away.

use crate::net::error::NetError;
use crate::net::frame::Frame;
use crate::net::shape::LinkShape;
use crate::net::stream::hello::{GREETING_PATIENCE, Hello, write_frame};
use crate::net::stream::input::FrameInput;
use crate::net::stream::output::FrameOutput;
use crate::net::stream::stripe::stripe;
use crate::net::stream::{ByteStream, Duplex};
use crate::share::Role;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

/// Pause between two attempts to reach a peer that is not there.
pub(in crate::net) const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// A connection whose peer has greeted.
pub(in crate::net) struct Connection {
    pub stream: ByteStream,
    /// The streams beside the first, in the order of their numbers.
    pub further: Vec<ByteStream>,
    pub hello: Hello,
}

impl Connection {
    pub(in crate::net) fn new(stream: impl Duplex + 'static, hello: Hello) -> Connection {
        Connection { stream: Box::new(stream), further: Vec::new(), hello }
    }

    /// Both ends of what it carries, in the place of a link of this shape. Must be called within a tokio runtime.
    pub(in crate::net) fn open(
        self,
        shape: Option<LinkShape>,
    ) -> (FrameInput<ReadHalf<ByteStream>>, FrameOutput<WriteHalf<ByteStream>>) {
        if self.further.is_empty() {
            let (read, write) = split(self.stream);
            return (FrameInput::Direct(read), FrameOutput::new(write, shape));
        }
        let (input, output) = stripe([self.stream].into_iter().chain(self.further).collect());
        (FrameInput::Striped(input), FrameOutput::Striped(output))
    }

    /// Tells a visitor why it is not let in.
    pub(in crate::net) async fn turn_away(mut self, reason: &str) {
        let _ = write_frame(&mut self.stream, Frame::abort(reason)).await;
        let _ = self.stream.shutdown().await;
    }
}

/// Makes a connection to the peer of a link.
pub(in crate::net) trait Dial: Send {
    /// Tries once: connects, greets and is greeted.
    fn dial(
        &mut self,
        hello: Hello,
    ) -> Pin<Box<dyn Future<Output = Result<Connection, DialError>> + Send + '_>>;
}

/// Why an attempt to connect failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::net) enum DialError {
    /// Nobody listens there.
    Nobody(String),
    /// Another attempt may succeed.
    Failed(NetError),
    /// Another attempt would end alike.
    Final(NetError),
}

/// The source of a link's connections.
pub(in crate::net) enum ConnectionSource {
    /// This end dials.
    Dialled(Box<dyn Dial>),
    /// The peer dials, and what it brings comes through here.
    Awaited(mpsc::Receiver<Connection>),
    /// There is none but the first.
    Single,
}

/// The end of a connection's service.
pub(in crate::net) enum End {
    /// There is nothing left to carry.
    Done,
    /// The connection broke.
    Broken(NetError),
    /// The peer has another.
    Replaced(Connection),
    /// The peer is at fault.
    Failed(NetError),
}

/// The next connection that a peer makes. Streams that belong to another come too late.
pub(in crate::net) async fn next_connection(
    connections: &mut mpsc::Receiver<Connection>,
) -> Option<Connection> {
    loop {
        match connections.recv().await? {
            connection if connection.hello.stream == 0 => return Some(connection),
            connection => connection.turn_away("nothing awaits this stream").await,
        }
    }
}

/// Greets a connection of `peer` in return, and awaits the other streams that it then opens.
///
/// # Errors
/// Where they do not come in time or the first breaks, and where the peer makes another connection instead.
pub(in crate::net) async fn gather(
    connection: &mut Connection,
    peer: Role,
    greeting: Hello,
    silence: Duration,
    connections: &mut mpsc::Receiver<Connection>,
) -> Result<(), End> {
    let broken = |reason: String| End::Broken(NetError::Closed { peer, reason });
    let greeted = write_frame(&mut connection.stream, greeting.frame()).await;
    greeted.map_err(|error| broken(error.to_string()))?;
    let waited = GREETING_PATIENCE.min(silence);
    let deadline = Instant::now() + waited;
    let mut further: Vec<Option<ByteStream>> = greeting.streams.further().map(|_| None).collect();
    while further.iter().any(Option::is_none) {
        let late =
            |_| broken(format!("it has not opened all {} streams within {waited:?}", greeting.streams));
        let next = timeout_at(deadline, connections.recv()).await.map_err(late)?;
        let Some(mut another) = next else { return Err(broken("no other is awaited".into())) };
        let Hello { connection: name, stream: number, .. } = another.hello;
        if number == 0 {
            return Err(End::Replaced(another));
        }
        match further.get_mut(usize::from(number) - 1) {
            _ if name != connection.hello.connection => {
                another.turn_away("it belongs to another connection").await
            }
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
    connection.further = further.into_iter().flatten().collect();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::streams::Streams;
    use tokio::io::duplex;

    const PEER: Role = Role::party(1);
    const SILENCE: Duration = Duration::from_secs(3);

    fn connection(stream: u8) -> (Connection, tokio::io::DuplexStream) {
        let (near, far) = duplex(1 << 10);
        (Connection::new(near, Hello { stream, ..Hello::new(PEER) }), far)
    }

    fn greeting() -> Hello {
        Hello { streams: Streams::new(3).expect("a number of streams"), ..Hello::new(Role::party(0)) }
    }

    #[tokio::test(start_paused = true)]
    async fn streams_are_awaited_for_a_time() {
        let ((mut first, _far), (second, _other)) = (connection(0), connection(1));
        let (to_link, mut connections) = mpsc::channel(4);
        to_link.try_send(second).expect("there is room");
        let start = Instant::now();
        let gathered = gather(&mut first, PEER, greeting(), SILENCE, &mut connections).await;
        let Err(End::Broken(error)) = gathered else { panic!("one stream is missing") };
        assert!(error.to_string().contains("has not opened all 3 streams within 3s"), "{error}");
        assert!(start.elapsed() >= SILENCE);
        assert!(first.further.is_empty());
    }

    #[tokio::test]
    async fn another_visit_takes_the_place_of_one_that_is_not_all_there() {
        let ((mut first, _far), (second, _other), (mut another, _third)) =
            (connection(0), connection(1), connection(0));
        another.hello.received = 7;
        let (to_link, mut connections) = mpsc::channel(4);
        for connection in [second, another] {
            to_link.try_send(connection).expect("there is room");
        }
        let gathered = gather(&mut first, PEER, greeting(), SILENCE, &mut connections).await;
        let Err(End::Replaced(another)) = gathered else { panic!("another connection") };
        assert_eq!(another.hello.received, 7);
    }

    #[tokio::test]
    async fn a_visit_that_breaks_while_it_is_greeted_is_broken() {
        let (mut first, far) = connection(0);
        drop(far);
        let (_to_link, mut connections) = mpsc::channel(4);
        let gathered = gather(&mut first, PEER, greeting(), SILENCE, &mut connections).await;
        assert!(matches!(gathered, Err(End::Broken(_))));
        let ((mut first, _far), (second, other)) = (connection(0), connection(1));
        drop(other);
        let (to_link, mut connections) = mpsc::channel(4);
        to_link.try_send(second).expect("there is room");
        let gathered = gather(&mut first, PEER, greeting(), SILENCE, &mut connections).await;
        assert!(matches!(gathered, Err(End::Broken(_))));
    }

    #[tokio::test]
    async fn a_stream_of_a_visit_that_is_over_is_no_visit() {
        let ((late, mut far), (connection, _other)) = (connection(2), connection(0));
        let (to_link, mut connections) = mpsc::channel(4);
        for connection in [late, connection] {
            to_link.try_send(connection).expect("there is room");
        }
        assert_eq!(next_connection(&mut connections).await.expect("a connection").hello.stream, 0);
        let error = Hello::hear(PEER, &mut far).await.expect_err("it is told");
        assert!(error.to_string().contains("nothing awaits this stream"), "{error}");
    }
}
