//! Frames that a link has sent and its peer has not acknowledged. They are kept to be sent again where the connection breaks.
//!
//! A frame is encoded once, and the same bytes are sent again: nothing is masked anew. Both ends count a link's frames
//! from its first, so that a count says which frames an acknowledgement is for.

use crate::net::frame::{Frame, HEADER_BYTES, wipe};
use bytes::Bytes;
use std::collections::VecDeque;

/// Most bytes that a link keeps for its peer before it takes no more, but for the frame that passes the mark: what is
/// under way at 10 Gbit/s with a round trip of 25 ms, so that acknowledgements do not slow down a faster link than most.
pub(in crate::net) const WINDOW_BYTES: usize = 32 << 20;

/// A frame as it crosses the wire.
#[derive(Clone)]
pub(in crate::net) struct Encoded {
    pub header: Bytes,
    pub payload: Bytes,
    /// Whether it carries messages of the plan.
    pub is_data: bool,
    /// Whether it has been written before, to an earlier connection.
    pub again: bool,
}

/// Frames in order: first those that were written to this connection, then those that wait for it.
pub(in crate::net) struct Resend {
    frames: VecDeque<Encoded>,
    /// The number of `frames` that were written to this connection.
    written: usize,
    /// The number that were written to any.
    written_once: usize,
    /// The number of frames before them, all acknowledged.
    acknowledged: u64,
    bytes: usize,
    window_bytes: usize,
}

/// A count that does not fit what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::net) struct Miscount {
    /// The number of frames that the peer claims to have.
    pub claimed: u64,
    /// The number that it has acknowledged before.
    pub acknowledged: u64,
    /// The number that it was sent.
    pub sent: u64,
}

impl Encoded {
    pub(in crate::net) fn new(frame: Frame) -> Encoded {
        let is_data = frame.is_data();
        let (header, payload) = frame.encode();
        Encoded { header: header.freeze(), payload, is_data, again: false }
    }

    /// Its bytes on the wire.
    pub(in crate::net) fn len(&self) -> usize {
        HEADER_BYTES + self.payload.len()
    }

    /// Its bytes of the window: empty frames take memory too.
    fn held_bytes(&self) -> usize {
        size_of::<Encoded>() + self.len()
    }
}

impl Resend {
    /// Nothing sent yet; takes frames until so many bytes wait for their acknowledgement.
    pub(in crate::net) fn new(window_bytes: usize) -> Resend {
        let (frames, bytes) = (VecDeque::new(), 0);
        Resend { frames, written: 0, written_once: 0, acknowledged: 0, bytes, window_bytes }
    }

    /// Whether another frame is taken.
    pub(in crate::net) fn has_room(&self) -> bool {
        self.bytes < self.window_bytes
    }

    /// Whether everything has been acknowledged.
    pub(in crate::net) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Takes a frame to be written next.
    pub(in crate::net) fn push(&mut self, frame: Frame) {
        let frame = Encoded::new(frame);
        self.bytes += frame.held_bytes();
        self.frames.push_back(frame);
    }

    /// The next frame for this connection, which counts as written from now on.
    pub(in crate::net) fn next(&mut self) -> Option<Encoded> {
        let mut frame = self.frames.get(self.written)?.clone();
        frame.again = self.written < self.written_once;
        self.written += 1;
        self.written_once = self.written_once.max(self.written);
        Some(frame)
    }

    /// Forgets the frames that the peer has.
    ///
    /// # Errors
    /// Where it was not sent so many, or has acknowledged more before.
    pub(in crate::net) fn acknowledge(&mut self, received: u64) -> Result<(), Miscount> {
        let sent = self.acknowledged + self.written_once as u64;
        if !(self.acknowledged..=sent).contains(&received) {
            return Err(Miscount { claimed: received, acknowledged: self.acknowledged, sent });
        }
        while self.acknowledged < received {
            let frame = self.frames.pop_front().expect("what was written is there");
            self.acknowledged += 1;
            // On a connection that was taken up again, what is acknowledged first may not have been written to it.
            self.written = self.written.saturating_sub(1);
            self.written_once -= 1;
            self.bytes -= frame.held_bytes();
            if !frame.is_data {
                wipe(frame.payload);
            }
        }
        Ok(())
    }

    /// Begins another connection, whose peer has so many frames: those behind them are written again.
    ///
    /// # Errors
    /// As [`Resend::acknowledge`].
    pub(in crate::net) fn resume(&mut self, received: u64) -> Result<(), Miscount> {
        self.acknowledge(received)?;
        self.written = 0;
        Ok(())
    }
}

impl Drop for Resend {
    /// Keys travel in what is no data.
    fn drop(&mut self) {
        self.frames.drain(..).filter(|frame| !frame.is_data).for_each(|frame| wipe(frame.payload));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control(text: &'static str) -> Frame {
        Frame::Control { topic: 1, payload: Bytes::from_static(text.as_bytes()) }
    }

    fn next(resend: &mut Resend) -> Option<(Bytes, bool)> {
        resend.next().map(|frame| (frame.payload, frame.again))
    }

    #[test]
    fn what_is_not_acknowledged_is_sent_again_in_order() {
        let mut resend = Resend::new(1000);
        ["a", "b", "c"].into_iter().for_each(|text| resend.push(control(text)));
        assert_eq!(next(&mut resend), Some(("a".into(), false)));
        assert_eq!(next(&mut resend), Some(("b".into(), false)));
        assert_eq!(resend.resume(1), Ok(()));
        assert_eq!(next(&mut resend), Some(("b".into(), true)), "the same bytes");
        assert_eq!(next(&mut resend), Some(("c".into(), false)));
        assert_eq!(next(&mut resend), None);
        assert_eq!(resend.acknowledge(3), Ok(()));
        assert!(resend.is_empty());
    }

    #[test]
    fn a_count_that_cannot_be_is_refused() {
        let mut resend = Resend::new(1000);
        ["a", "b", "c"].into_iter().for_each(|text| resend.push(control(text)));
        resend.next();
        resend.next();
        let miscount = Miscount { claimed: 3, acknowledged: 0, sent: 2 };
        assert_eq!(resend.acknowledge(3), Err(miscount), "the third was not sent");
        assert_eq!(resend.acknowledge(2), Ok(()));
        let miscount = Miscount { claimed: 1, acknowledged: 2, sent: 2 };
        assert_eq!(resend.resume(1), Err(miscount), "what was acknowledged is gone");
    }

    #[test]
    fn a_peer_that_acknowledges_nothing_fills_the_window() {
        let mut resend = Resend::new(2 * Encoded::new(control("a")).held_bytes());
        resend.push(control("a"));
        assert!(resend.has_room());
        resend.push(control("b"));
        assert!(!resend.has_room());
        resend.next();
        assert_eq!(resend.acknowledge(1), Ok(()));
        assert!(resend.has_room());
    }
}
