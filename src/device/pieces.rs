//! Bytes on the host that have come from a device.

use crate::memory::wipe::Wiped;
use bytes::Bytes;
use std::fmt;
use std::ops::Range;

/// Bytes in order: in one piece, or in several where they passed through several staging buffers. A piece may be memory
/// that the device has lent, which it wipes and takes back when the last that holds a part of it lets go.
#[derive(Clone, Default)]
pub struct Pieces {
    pieces: Vec<Bytes>,
    len: usize,
    is_lent: bool,
}

impl Pieces {
    /// Says that memory of the device is among the pieces.
    pub(super) fn lent(mut self) -> Pieces {
        self.is_lent = true;
        self
    }

    /// The number of bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True where there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a piece.
    pub fn push(&mut self, piece: Bytes) {
        self.len += piece.len();
        if !piece.is_empty() {
            self.pieces.push(piece);
        }
    }

    /// The pieces.
    pub fn iter(&self) -> impl Iterator<Item = &Bytes> {
        self.pieces.iter()
    }

    /// Some of the bytes: the same memory where one piece has them all, a copy that is wiped otherwise.
    ///
    /// # Panics
    /// Where there are not so many.
    pub fn slice(&self, range: Range<usize>) -> Bytes {
        assert!(range.start <= range.end && range.end <= self.len, "{range:?} of {} bytes", self.len);
        let mut start = 0;
        let mut parts = Vec::new();
        for piece in &self.pieces {
            let end = start + piece.len();
            let (first, last) = (range.start.max(start), range.end.min(end));
            if first < last {
                parts.push(piece.slice(first - start..last - start));
            }
            start = end;
        }
        match parts.len() {
            0 => Bytes::new(),
            1 => parts.swap_remove(0),
            _ => joined(&parts, range.len()),
        }
    }

    /// All bytes in one piece.
    pub fn into_bytes(self) -> Bytes {
        self.slice(0..self.len)
    }

    /// The same bytes in memory that is no device's.
    pub fn kept(self) -> Pieces {
        if self.is_lent { Pieces::from(joined(&self.pieces, self.len)) } else { self }
    }
}

fn joined(parts: &[Bytes], len: usize) -> Bytes {
    let mut whole = Wiped::with_capacity(len);
    parts.iter().for_each(|part| whole.extend(part));
    whole.into()
}

impl From<Bytes> for Pieces {
    fn from(bytes: Bytes) -> Pieces {
        let mut pieces = Pieces::default();
        pieces.push(bytes);
        pieces
    }
}

impl From<Wiped> for Pieces {
    fn from(bytes: Wiped) -> Pieces {
        Bytes::from(bytes).into()
    }
}

impl fmt::Debug for Pieces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pieces({} bytes)", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_one_piece_are_its_own_memory() {
        let mut pieces = Pieces::default();
        [&b"abcd"[..], b"", b"efg"].into_iter().for_each(|piece| pieces.push(Bytes::from_static(piece)));
        assert_eq!((pieces.len(), pieces.iter().count()), (7, 2));
        let within = pieces.slice(1..3);
        assert_eq!((&within[..], within.as_ptr()), (&b"bc"[..], b"abcd"[1..].as_ptr()));
        assert_eq!(&pieces.slice(3..6)[..], b"def", "across pieces");
        assert_eq!(&pieces.slice(7..7)[..], b"");
        assert_eq!(format!("{pieces:?}"), "Pieces(7 bytes)");
        assert_eq!(pieces.clone().kept().iter().count(), 2, "its own");
        let kept = pieces.lent().kept();
        assert_eq!((&kept.clone().into_bytes()[..], kept.iter().count()), (&b"abcdefg"[..], 1));
    }
}
