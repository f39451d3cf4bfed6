//! Measures the cost of encryption, and shaped links against the networks that they simulate: bytes over loopback, plainly, as a link's
//! TLS carries them over one stream and over several, and at the rate of another link.

use crate::net::identity::tls::{Stream, Tls};
use crate::net::identity::{Credentials, Identity, IdentityError, IdentityPem};
use crate::net::shape::LinkShape;
use crate::net::stream::ByteStream;
use crate::net::stream::input::FrameInput;
use crate::net::stream::output::FrameOutput;
use crate::net::stream::stripe::stripe;
use crate::net::streams::Streams;
use crate::share::Role;
use bytes::Bytes;
use rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_256_GCM_SHA384;
use rustls::crypto::cipher::{AeadKey, InboundOpaqueMessage, Iv, OutboundPlainMessage};
use rustls::{ContentType, ProtocolVersion};
use std::io;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::task::JoinSet;

/// Bytes of one write, as of a data frame.
const PIECE_BYTES: usize = 1 << 20;

/// The times of one round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Over TCP.
    pub plain: Duration,
    /// Over mutual TLS 1.3 over TCP.
    pub tls: Duration,
    /// Sealed as TLS records with AES-256-GCM, on one core and going nowhere.
    pub sealed: Duration,
    /// And opened.
    pub opened: Duration,
    /// Over several connections at once, where there are several streams.
    pub striped: Option<Striped>,
}

/// The times of a round over several connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Striped {
    /// Over TCP, each connection a part with a writer and a reader of its own.
    pub plain: Duration,
    /// As the streams of one link, from one writer to one reader.
    pub tls: Duration,
}

/// Copies so many MiB through this machine's loopback, in each round plainly and encrypted, one connection each
/// with a thread for either end, and then over so many streams, where there are several.
///
/// # Errors
/// Where the operating system refuses a thread, a port or a connection.
///
/// # Panics
/// Within a task of a tokio runtime.
pub fn copy_over_loopback(mebibytes: usize, rounds: usize, streams: Streams) -> io::Result<Vec<Copied>> {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    // At either end a thread for each stream, and one for what they carry together.
    let threads = 2 * (streams.count() + 1);
    let wide = Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
    let several = streams > Streams::ONE;
    let round = |_| {
        let (plain, tls) = runtime.block_on(single(mebibytes))?;
        let (sealed, opened) = records(mebibytes * PIECE_BYTES)?;
        let striped = several.then(|| wide.block_on(striped(mebibytes, streams))).transpose()?;
        Ok(Copied { plain, tls, sealed, opened, striped })
    };
    (0..rounds).map(round).collect()
}

/// Copies over one connection, plainly and encrypted.
async fn single(mebibytes: usize) -> io::Result<(Duration, Duration)> {
    let (near, far) = connection().await?;
    let plain = copy(near, far, mebibytes).await?;
    let (near, far) = connection().await?;
    let (near, far) = encrypted(near, far).await?;
    Ok((plain, copy(near, far, mebibytes).await?))
}

/// Copies over several.
async fn striped(mebibytes: usize, streams: Streams) -> io::Result<Striped> {
    let mut connections = Vec::new();
    for _ in 0..streams.count() {
        connections.push(connection().await?);
    }
    let start = Instant::now();
    let mut copying = JoinSet::new();
    for (index, (near, far)) in connections.into_iter().enumerate() {
        let part = (mebibytes + index) / streams.count();
        copying.spawn(copy(near, far, part));
    }
    while let Some(copied) = copying.join_next().await {
        copied.map_err(io::Error::other)??;
    }
    Ok(Striped { plain: start.elapsed(), tls: copy_striped(mebibytes, streams).await? })
}

/// Copies as a link with these streams does.
async fn copy_striped(mebibytes: usize, streams: Streams) -> io::Result<Duration> {
    let (mut near, mut far): (Vec<ByteStream>, Vec<ByteStream>) = Default::default();
    for _ in 0..streams.count() {
        let (one, other) = connection().await?;
        let (one, other) = encrypted(one, other).await?;
        near.push(Box::new(one));
        far.push(Box::new(other));
    }
    let ((_, mut output), (input, _outlet)) = (stripe(near), stripe(far));
    let mut input = FrameInput::<TcpStream>::Striped(input);
    let start = Instant::now();
    let writer = tokio::spawn(async move {
        let piece = Bytes::from(vec![0xa5; PIECE_BYTES]);
        for _ in 0..mebibytes {
            output.write(piece.clone(), Bytes::new(), None).await?;
        }
        Ok::<_, io::Error>(output)
    });
    let reader = tokio::spawn(async move {
        let mut piece = vec![0; PIECE_BYTES];
        for _ in 0..mebibytes {
            input.read_exact(&mut piece).await?;
            input.end_frame();
        }
        Ok::<_, io::Error>(())
    });
    let _outlet = writer.await.map_err(io::Error::other)??;
    reader.await.map_err(io::Error::other)??;
    Ok(start.elapsed())
}

/// Seals so many bytes as TLS records and opens them again, with the cryptography that links use.
fn records(bytes: usize) -> io::Result<(Duration, Duration)> {
    const RECORD_BYTES: usize = 16 << 10;
    const HEADER_BYTES: usize = 5;
    let suite = TLS13_AES_256_GCM_SHA384.tls13().expect("a suite of TLS 1.3");
    let key = || AeadKey::from([7; 32]);
    let mut sealer = suite.aead_alg.encrypter(key(), Iv::from([3; 12]));
    let mut opener = suite.aead_alg.decrypter(key(), Iv::from([3; 12]));
    let (kind, version) = (ContentType::ApplicationData, ProtocolVersion::TLSv1_2);
    let plain = vec![0xa5; RECORD_BYTES];
    let (mut sealed, mut opened) = (Duration::ZERO, Duration::ZERO);
    for sequence in 0..(bytes / RECORD_BYTES) as u64 {
        let start = Instant::now();
        let message = OutboundPlainMessage { typ: kind, version, payload: plain.as_slice().into() };
        let mut record = sealer.encrypt(message, sequence).map_err(io::Error::other)?.encode();
        let middle = Instant::now();
        let message = InboundOpaqueMessage::new(kind, version, &mut record[HEADER_BYTES..]);
        opener.decrypt(message, sequence).map_err(io::Error::other)?;
        sealed += middle - start;
        opened += middle.elapsed();
    }
    Ok((sealed, opened))
}

/// The rates of a shaped link over this machine's loopback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shaped {
    /// From the first byte's departure until the last was transmitted: its arrival less the latency.
    pub transmission: Duration,
    /// The shortest round trip of a byte.
    pub round_trip: Duration,
}

/// Sends a byte to and fro, then so many MiB one way, over mutual TLS 1.3 in the place of a link of this shape.
///
/// # Errors
/// As [`copy_over_loopback`].
///
/// # Panics
/// As [`copy_over_loopback`].
pub fn shape_over_loopback(shape: LinkShape, mebibytes: usize) -> io::Result<Shaped> {
    const ROUND_TRIPS: usize = 16;
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let (near, far) = connection().await?;
        let (near, far) = encrypted(near, far).await?;
        let ((mut near, near_write), (mut far, far_write)) = (split(near), split(far));
        let mut there = FrameOutput::new(near_write, Some(shape));
        let mut back = FrameOutput::new(far_write, Some(shape));
        let byte = || Bytes::from_static(&[1]);
        let reader = tokio::spawn(async move {
            for _ in 0..ROUND_TRIPS {
                far.read_u8().await?;
                back.write(byte(), Bytes::new(), None).await?;
            }
            let mut piece = vec![0; PIECE_BYTES];
            for _ in 0..mebibytes {
                far.read_exact(&mut piece).await?;
            }
            // The output ends its connection when it is dropped.
            Ok::<_, io::Error>((Instant::now(), back))
        });
        let mut round_trip = Duration::MAX;
        for _ in 0..ROUND_TRIPS {
            let start = Instant::now();
            there.write(byte(), Bytes::new(), None).await?;
            near.read_u8().await?;
            round_trip = round_trip.min(start.elapsed());
        }
        let piece = Bytes::from(vec![0xa5; PIECE_BYTES]);
        let start = Instant::now();
        for _ in 0..mebibytes {
            there.write(piece.clone(), Bytes::new(), None).await?;
        }
        let (end, _back) = reader.await.map_err(io::Error::other)??;
        Ok(Shaped { transmission: (end - start).saturating_sub(shape.latency()), round_trip })
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
    let identity = |role| -> Result<Identity, IdentityError> {
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

async fn copy<W, R>(mut near: W, mut far: R, mebibytes: usize) -> io::Result<Duration>
where
    W: AsyncWrite + Send + Unpin + 'static,
    R: AsyncRead + Send + Unpin + 'static,
{
    let start = Instant::now();
    let writer = tokio::spawn(async move {
        let piece = vec![0xa5; PIECE_BYTES];
        for _ in 0..mebibytes {
            near.write_all(&piece).await?;
        }
        near.flush().await?;
        Ok::<W, io::Error>(near)
    });
    let reader = tokio::spawn(async move {
        let mut piece = vec![0; PIECE_BYTES];
        for _ in 0..mebibytes {
            far.read_exact(&mut piece).await?;
        }
        Ok::<R, io::Error>(far)
    });
    let _ends = (writer.await.map_err(io::Error::other)??, reader.await.map_err(io::Error::other)??);
    Ok(start.elapsed())
}

#[cfg(test)]
mod tests {
    use crate::net::shape::LinkShape;
    use crate::net::streams::Streams;

    #[test]
    fn a_shaped_link_carries_the_bytes() {
        let shaped = super::shape_over_loopback(LinkShape::LAN, 2).expect("loopback works");
        assert!(shaped.round_trip >= LinkShape::LAN.round_trip(), "nothing arrives before its time");
    }

    #[test]
    fn both_ways_carry_the_bytes() {
        for (count, several) in [(1, false), (3, true)] {
            let streams = Streams::new(count).expect("a number of streams");
            let copied = super::copy_over_loopback(5, 2, streams).expect("loopback works");
            assert_eq!(copied.iter().map(|round| round.striped.is_some()).collect::<Vec<_>>(), [several; 2]);
        }
    }
}
