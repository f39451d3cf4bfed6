//! The receiving end of frames: one stream, or several that are put together.

use crate::net::stream::stripe::StripedInput;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, ReadBuf};

/// The receiving end of frames.
pub(in crate::net) enum FrameInput<R> {
    Direct(R),
    Striped(StripedInput),
}

impl<R> FrameInput<R> {
    /// A frame has been read: what follows is the next one.
    pub(in crate::net) fn end_frame(&mut self) {
        if let FrameInput::Striped(input) = self {
            input.end_frame();
        }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for FrameInput<R> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            FrameInput::Direct(stream) => Pin::new(stream).poll_read(context, room),
            FrameInput::Striped(input) => input.poll_read(context, room),
        }
    }
}
