//! A TCP connection that takes little memory until its peer is known.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Bytes that a stranger may send: several times what a handshake takes.
const MOST_STRANGE_BYTES: usize = 16 << 10;

/// Bytes that are read at once from a peer that is known, and encrypted for it at once: many records, so that the
/// operating system is not called for each.
pub(in crate::net) const BUFFER_BYTES: usize = 256 << 10;

/// A connection, at first with a stranger: what it sends is counted, and nothing is read ahead.
#[derive(Debug)]
pub(in crate::net) struct Socket {
    stream: TcpStream,
    /// The bytes that a stranger may still send.
    allowance: usize,
    /// Bytes that were read ahead from a peer that is known.
    ahead: Option<Ahead>,
}

#[derive(Debug)]
struct Ahead {
    bytes: Box<[u8]>,
    begin: usize,
    end: usize,
}

impl Socket {
    pub(in crate::net) fn new(stream: TcpStream) -> Socket {
        Socket { stream, allowance: MOST_STRANGE_BYTES, ahead: None }
    }

    /// The peer is known: it may send as much as it likes, which is read many bytes at a time.
    pub(in crate::net) fn trust(&mut self) {
        let bytes = vec![0; BUFFER_BYTES].into_boxed_slice();
        self.ahead = Some(Ahead { bytes, begin: 0, end: 0 });
    }
}

/// Reads no more than so many bytes; returns how many.
fn read_some(
    stream: &mut TcpStream,
    context: &mut Context<'_>,
    out: &mut ReadBuf<'_>,
    most: usize,
) -> Poll<io::Result<usize>> {
    let room = out.initialize_unfilled_to(most.min(out.remaining()));
    let mut part = ReadBuf::new(room);
    ready!(Pin::new(stream).poll_read(context, &mut part))?;
    let read = part.filled().len();
    out.advance(read);
    Poll::Ready(Ok(read))
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Socket { stream, allowance, ahead } = self.get_mut();
        let Some(ahead) = ahead else {
            if *allowance == 0 {
                let reason = "it sends more than a handshake takes";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, reason)));
            }
            *allowance -= ready!(read_some(stream, context, out, *allowance))?;
            return Poll::Ready(Ok(()));
        };
        if ahead.begin == ahead.end {
            if out.remaining() >= ahead.bytes.len() {
                return Pin::new(stream).poll_read(context, out);
            }
            let mut part = ReadBuf::new(&mut ahead.bytes);
            ready!(Pin::new(stream).poll_read(context, &mut part))?;
            (ahead.begin, ahead.end) = (0, part.filled().len());
        }
        let taken = out.remaining().min(ahead.end - ahead.begin);
        out.put_slice(&ahead.bytes[ahead.begin..ahead.begin + taken]);
        ahead.begin += taken;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    async fn pair() -> (Socket, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let (near, far) = tokio::join!(listener.accept(), TcpStream::connect(address));
        (Socket::new(near.expect("a connection").0), far.expect("a connection"))
    }

    #[tokio::test]
    async fn a_stranger_that_sends_more_than_a_handshake_is_not_read() {
        let (mut near, mut far) = pair().await;
        let sending = tokio::spawn(async move { far.write_all(&[7; 2 * MOST_STRANGE_BYTES]).await });
        let mut read = Vec::new();
        let error = near.read_to_end(&mut read).await.expect_err("too much");
        assert_eq!(error.to_string(), "it sends more than a handshake takes");
        assert_eq!(read.len(), MOST_STRANGE_BYTES);
        drop(near);
        let _ = sending.await;
    }

    #[tokio::test]
    async fn what_a_known_peer_sends_arrives_in_order() {
        let (mut near, mut far) = pair().await;
        let bytes: Vec<u8> = (0..3 * BUFFER_BYTES).map(|at| (at / 7) as u8).collect();
        let sent = bytes.clone();
        let sending = tokio::spawn(async move { far.write_all(&sent).await });
        let mut read = vec![0; 1000];
        near.read_exact(&mut read).await.expect("as from a stranger");
        near.trust();
        for length in [1, 100_000, 300_000] {
            let begin = read.len();
            read.resize(begin + length, 0);
            near.read_exact(&mut read[begin..]).await.expect("as from a peer");
        }
        near.read_to_end(&mut read).await.expect("the rest");
        assert!(read == bytes);
        sending.await.expect("no panic").expect("all is sent");
    }
}
