//! The first words on a connection, and control messages: who is there, and whether both were given the same job.

use super::frame::{HEADER_BYTES, Header, wipe};
use super::tls::explain;
use super::{Frame, Link, NetError, Streams, Topic};
use crate::share::{Role, shortened};
use crate::wipe::Wiped;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// The version of the protocol: wire format, handshake and lowering.
pub const VERSION: u32 = 5;

/// What a link is known by on all its connections, and a connection on all its streams: 128 bits that who dials has
/// drawn for it. Only its two ends know them, since they cross the wire inside TLS.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token([u8; 16]);

impl Token {
    /// One that nobody can guess.
    pub(super) fn draw() -> Result<Token, NetError> {
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|error| NetError::Entropy { reason: error.to_string() })?;
        Ok(Token(id))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// A greeting, with which every connection begins: the first of a link, and those that take it up again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The sender's [`VERSION`].
    pub version: u32,
    /// Who greets.
    pub role: Role,
    /// Which link the connection is for.
    #[serde(default)]
    pub link: Token,
    /// How many frames of the link the sender has received: it is to be sent those behind them.
    #[serde(default)]
    pub received: u64,
    /// How many streams the connection may have; it has the fewer of what both ends say.
    #[serde(default)]
    pub streams: Streams,
    /// Which connection the stream belongs to.
    #[serde(default)]
    pub visit: Token,
    /// Its number there. The first, 0, opens the connection.
    #[serde(default)]
    pub stream: u8,
}

impl Hello {
    /// The greeting of a process of this version on a link that has no name yet.
    pub fn new(role: Role) -> Hello {
        let (link, visit) = (Token::default(), Token::default());
        Hello { version: VERSION, role, link, received: 0, streams: Streams::ONE, visit, stream: 0 }
    }

    /// The greeting as it is sent.
    pub(super) fn frame(&self) -> Frame {
        Frame::Hello(serde_json::to_vec(self).expect("a greeting serialises").into())
    }

    /// Reads the greeting of `peer`, or why it gives none.
    ///
    /// # Errors
    /// Where the connection breaks, or something else arrives.
    pub(super) async fn hear(peer: Role, stream: &mut (impl AsyncRead + Unpin)) -> Result<Hello, NetError> {
        let mut header = [0; HEADER_BYTES];
        let broken = |error: io::Error| explain(peer, &error);
        stream.read_exact(&mut header).await.map_err(broken)?;
        let malformed = |error| NetError::Frame { peer, error };
        let header = Header::parse(&header).map_err(malformed)?;
        if !header.opens() {
            return Err(NetError::OutOfPlace { peer, expected: "hello", found: header.name() });
        }
        let mut payload = Wiped::zeroed(header.length);
        stream.read_exact(payload.bytes_mut()).await.map_err(broken)?;
        match header.frame(payload).map_err(malformed)? {
            Frame::Abort(reason) => Err(NetError::aborted(peer, &reason)),
            Frame::Hello(payload) => serde_json::from_slice(&payload).map_err(|error| {
                let reason = shortened(&error.to_string());
                NetError::Malformed { peer, what: "hello", reason }
            }),
            _ => unreachable!("only a hello and an abort open a connection"),
        }
    }

    /// Makes sure that `peer`, which greets so, speaks this version, and is who it should be.
    pub(super) fn check(&self, peer: Role) -> Result<(), NetError> {
        if self.version != VERSION {
            return Err(NetError::Version { peer, here: VERSION, there: self.version });
        }
        if self.role != peer {
            return Err(NetError::Unexpected { found: self.role, awaited: vec![peer] });
        }
        Ok(())
    }
}

/// Writes a frame to a connection that is not a link's yet.
pub(super) async fn write_frame(stream: &mut (impl AsyncWrite + Unpin), frame: Frame) -> io::Result<()> {
    let (header, payload) = frame.encode();
    stream.write_all(&header).await?;
    stream.write_all(&payload).await?;
    stream.flush().await
}

impl Link {
    /// Sends a control message as JSON; returns its length in bytes.
    ///
    /// # Errors
    /// Where the link is broken, or the message longer than a peer takes.
    pub async fn send_control(&mut self, topic: Topic, message: &impl Serialize) -> Result<usize, NetError> {
        // An order with its contribution to a key may be longer: what grows is wiped where it was.
        const ROOM_BYTES: usize = 4096;
        let mut payload = Wiped::with_capacity(ROOM_BYTES);
        serde_json::to_writer(&mut payload, message).expect("control messages serialise");
        let Topic { number: topic, name: what, most_bytes } = topic;
        let (peer, bytes) = (self.peer(), payload.len());
        if bytes > most_bytes {
            return Err(NetError::TooLong { peer, what, bytes, most_bytes });
        }
        self.sender().send(Frame::Control { topic, payload: payload.into() }).await?;
        Ok(bytes)
    }

    /// Receives a control message within `patience`.
    ///
    /// # Errors
    /// Where the link is broken, something else arrives, or nothing in time.
    pub async fn receive_control<M: DeserializeOwned>(
        &mut self,
        topic: Topic,
        patience: Duration,
    ) -> Result<M, NetError> {
        let (peer, what) = (self.peer(), topic.name);
        match timeout(patience, self.receive_control_or_finish(topic)).await {
            Ok(Ok(Some(message))) => Ok(message),
            Ok(Ok(None)) => Err(NetError::OutOfPlace { peer, expected: what, found: Frame::Finish.name() }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(NetError::Late { peer, what, waited: patience }),
        }
    }

    /// Receives a control message, or `None` where the peer has finished instead; waits as long as the peer lives.
    ///
    /// # Errors
    /// Where the link is broken, or something else arrives.
    pub async fn receive_control_or_finish<M: DeserializeOwned>(
        &mut self,
        topic: Topic,
    ) -> Result<Option<M>, NetError> {
        self.receiver().expect_control(topic);
        let frame = self.receiver().receive().await?;
        let (peer, what) = (self.peer(), topic.name);
        match frame {
            Frame::Control { payload, .. } => {
                let message = serde_json::from_slice(&payload);
                wipe(payload);
                message.map(Some).map_err(|error| {
                    let reason = shortened(&error.to_string());
                    NetError::Malformed { peer, what, reason }
                })
            }
            Frame::Finish => Ok(None),
            other => Err(NetError::OutOfPlace { peer, expected: what, found: other.name() }),
        }
    }
}
