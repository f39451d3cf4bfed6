//! The greeting with which every connection begins.

use crate::memory::wipe::Wiped;
use crate::net::error::{NetError, explain};
use crate::net::frame::{Frame, HEADER_BYTES, Header};
use crate::net::streams::Streams;
use crate::share::{Role, shortened};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The deadline of a connection's handshake and greeting.
pub(in crate::net) const GREETING_PATIENCE: Duration = Duration::from_secs(5);

/// The version of the protocol: wire format, handshake and lowering.
pub const VERSION: u32 = 8;

/// What a link is known by on all its connections, and a connection on all its streams: 128 bits that who dials has
/// drawn for it. Only its two ends know them, since they cross the wire inside TLS.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token([u8; 16]);

impl Token {
    /// One that nobody can guess.
    pub(in crate::net) fn draw() -> Result<Token, NetError> {
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
    /// The role that greets.
    pub role: Role,
    /// The link that the connection is for.
    #[serde(default)]
    pub link: Token,
    /// The number of the link's frames that the sender has received: it must be sent those behind them.
    #[serde(default)]
    pub received: u64,
    /// The most streams of the connection; it has the fewer of both ends' numbers.
    #[serde(default)]
    pub streams: Streams,
    /// The connection that the stream belongs to.
    #[serde(default, rename = "visit")]
    pub connection: Token,
    /// Its number there. The first, 0, opens the connection.
    #[serde(default)]
    pub stream: u8,
}

impl Hello {
    /// The greeting of a process of this version on a link that has no name yet.
    pub fn new(role: Role) -> Hello {
        let (link, connection) = (Token::default(), Token::default());
        Hello { version: VERSION, role, link, received: 0, streams: Streams::ONE, connection, stream: 0 }
    }

    /// The greeting as it is sent.
    pub(in crate::net) fn frame(&self) -> Frame {
        Frame::Hello(serde_json::to_vec(self).expect("a greeting serialises").into())
    }

    /// Reads the greeting of `peer`, or why it gives none.
    ///
    /// # Errors
    /// Where the connection breaks, or something else arrives.
    pub(in crate::net) async fn hear(
        peer: Role,
        stream: &mut (impl AsyncRead + Unpin),
    ) -> Result<Hello, NetError> {
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
    pub(in crate::net) fn check(&self, peer: Role) -> Result<(), NetError> {
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
pub(in crate::net) async fn write_frame(
    stream: &mut (impl AsyncWrite + Unpin),
    frame: Frame,
) -> io::Result<()> {
    let (header, payload) = frame.encode();
    stream.write_all(&header).await?;
    stream.write_all(&payload).await?;
    stream.flush().await
}
