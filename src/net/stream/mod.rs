//! Byte streams that carry the frames of a link: one, several in turn, or one at the pace of another link.

pub(in crate::net) mod hello;
pub(in crate::net) mod input;
pub(in crate::net) mod output;
pub(in crate::net) mod stripe;

use tokio::io::{AsyncRead, AsyncWrite};

/// A byte stream in both directions.
pub(in crate::net) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

/// One of the connections that a link has at a time.
pub(in crate::net) type ByteStream = Box<dyn Duplex>;
