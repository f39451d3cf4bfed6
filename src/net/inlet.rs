//! Where frames arrive: from one connection, or put together from several.

use super::stripe::StripedInlet;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, ReadBuf};

/// Where frames arrive.
pub(super) enum Inlet<R> {
    Direct(R),
    Striped(StripedInlet),
}

impl<R> Inlet<R> {
    /// A frame has been read: what follows is the next one.
    pub(super) fn end_frame(&mut self) {
        if let Inlet::Striped(inlet) = self {
            inlet.end_frame();
        }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Inlet<R> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Inlet::Direct(stream) => Pin::new(stream).poll_read(context, room),
            Inlet::Striped(inlet) => inlet.poll_read(context, room),
        }
    }
}
