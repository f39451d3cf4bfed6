//! What encryption costs: the same bytes over loopback, plainly and as a link's TLS carries them.

use super::tls::{Stream, Tls};
use super::{Credentials, Identity, IdentityPem};
use crate::share::Role;
use std::io;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;

/// Bytes of one write, as of a data frame.
const PIECE_BYTES: usize = 1 << 20;

/// The times of one round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Over TCP.
    pub plain: Duration,
    /// Over mutual TLS 1.3 over TCP.
    pub tls: Duration,
}

/// Copies so many MiB through this machine's loopback, in each round plainly and encrypted, one connection each
/// with a thread for either end.
///
/// # Errors
/// Where the operating system refuses a thread, a port or a connection.
///
/// # Panics
/// Within a task of a tokio runtime.
pub fn copy_over_loopback(mebibytes: usize, rounds: usize) -> io::Result<Vec<Copied>> {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let bytes = mebibytes * PIECE_BYTES;
    runtime.block_on(async {
        let mut copied = Vec::new();
        for _ in 0..rounds {
            let (near, far) = connection().await?;
            let plain = copy(near, far, bytes).await?;
            let (near, far) = connection().await?;
            let (near, far) = encrypted(near, far).await?;
            copied.push(Copied { plain, tls: copy(near, far, bytes).await? });
        }
        Ok(copied)
    })
}

async fn connection() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let near = TcpStream::connect(listener.local_addr()?).await?;
    let (far, _) = listener.accept().await?;
    near.set_nodelay(true)?;
    Ok((near, far))
}

async fn encrypted(near: TcpStream, far: TcpStream) -> io::Result<(Stream, Stream)> {
    const VALIDITY: Duration = Duration::from_secs(60 * 60);
    let identity = |role| -> Result<Identity, super::IdentityError> {
        let pem = IdentityPem::generate(role, VALIDITY)?;
        Identity::from_pem(&pem.key, &pem.certificate)
    };
    let (here, there) = (Role::party(0), Role::party(1));
    let one = identity(here).map_err(io::Error::other)?;
    let two = identity(there).map_err(io::Error::other)?;
    let tls = |own: &Identity, peer, pinned: &Identity| {
        let peers = [(peer, pinned.certificate())].into();
        Tls::new(&Credentials { identity: own.clone(), peers })
    };
    let (connecting, accepting) = (tls(&one, there, &two), tls(&two, here, &one));
    let (near, far) = tokio::join!(connecting.connect(there, near), accepting.accept(far));
    let failed = |failure| io::Error::other(format!("{failure:?}"));
    Ok((near.map_err(failed)?, far.map_err(failed)?.1))
}

async fn copy<W, R>(mut near: W, mut far: R, bytes: usize) -> io::Result<Duration>
where
    W: AsyncWrite + Send + Unpin + 'static,
    R: AsyncRead + Send + Unpin + 'static,
{
    let start = Instant::now();
    let writer = tokio::spawn(async move {
        let piece = vec![0xa5; PIECE_BYTES];
        for _ in 0..bytes / PIECE_BYTES {
            near.write_all(&piece).await?;
        }
        near.flush().await?;
        Ok::<W, io::Error>(near)
    });
    let reader = tokio::spawn(async move {
        let mut piece = vec![0; PIECE_BYTES];
        for _ in 0..bytes / PIECE_BYTES {
            far.read_exact(&mut piece).await?;
        }
        Ok::<R, io::Error>(far)
    });
    let _ends = (writer.await.map_err(io::Error::other)??, reader.await.map_err(io::Error::other)??);
    Ok(start.elapsed())
}

#[cfg(test)]
mod tests {
    #[test]
    fn both_ways_carry_the_bytes() {
        assert_eq!(super::copy_over_loopback(2, 2).expect("loopback works").len(), 2);
    }
}
