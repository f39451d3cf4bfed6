//! Which residues lie where in the memory of panels: those of an operand that is multiplied again, by another part of the
//! other operand or in a later run, are used again as long as it was not written since.
//!
//! This module only computes. A buffer's [`Content`] changes with every write, and goes with the buffer; a panel is known
//! by the contents that it was made of. What was used longest ago makes room for what is new.

use crate::ring::Ring;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

/// Panels begin at multiples of this, at which every adapter can bind them.
const ALIGNMENT_BYTES: u64 = 256;

/// Counts what a buffer has held.
pub struct ContentCell(Arc<AtomicU64>);

/// The content of a buffer at a time.
#[derive(Clone, Debug)]
pub struct Content {
    cell: Weak<AtomicU64>,
    number: u64,
}

impl ContentCell {
    /// Of a buffer that nobody has written to.
    pub fn new() -> ContentCell {
        ContentCell(Arc::new(AtomicU64::new(next_number())))
    }

    /// Takes note of a write.
    pub fn written(&self) {
        self.0.store(next_number(), Ordering::Relaxed);
    }

    /// The buffer's present content.
    pub fn content(&self) -> Content {
        Content { cell: Arc::downgrade(&self.0), number: self.0.load(Ordering::Relaxed) }
    }
}

/// One that no other content has.
fn next_number() -> u64 {
    static NUMBERS: AtomicU64 = AtomicU64::new(0);
    NUMBERS.fetch_add(1, Ordering::Relaxed)
}

impl Content {
    /// Whether the buffer is there and holds it still.
    fn is_current(&self) -> bool {
        self.cell.upgrade().is_some_and(|cell| cell.load(Ordering::Relaxed) == self.number)
    }
}

impl PartialEq for Content {
    fn eq(&self, other: &Content) -> bool {
        self.number == other.number
    }
}

/// What a panel is made of: parts of one operand, or of the operands of two terms.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    /// The ring of the elements.
    pub ring: Ring,
    /// Of each part along the inner size, what it was taken from, how far rows lie apart, and which inner elements.
    pub pieces: Vec<(Content, usize, Range<usize>)>,
    /// Which rows of a left operand, or columns of a right one.
    pub outer: Range<usize>,
    /// The moduli.
    pub moduli: Range<usize>,
}

/// The panels in one buffer.
#[derive(Debug, Default)]
pub struct Panels {
    capacity_bytes: u64,
    /// Those used longest ago first.
    there: Vec<(Panel, Range<u64>)>,
}

impl Panels {
    /// None, in a buffer of so many bytes.
    pub fn new(capacity_bytes: u64) -> Panels {
        Panels { capacity_bytes, there: Vec::new() }
    }

    /// Where a panel of `size_bytes` begins, and whether it is there already or has to be made.
    ///
    /// # Panics
    /// Where the buffer is smaller.
    pub fn place(&mut self, panel: Panel, size_bytes: u64) -> (u64, bool) {
        self.there.retain(|(panel, _)| panel.is_current());
        if let Some(at) = self.there.iter().position(|(known, _)| *known == panel) {
            let found = self.there.remove(at);
            let start = found.1.start;
            self.there.push(found);
            return (start, true);
        }
        let size_bytes = size_bytes.next_multiple_of(ALIGNMENT_BYTES);
        assert!(size_bytes <= self.capacity_bytes, "a panel larger than the memory for it");
        loop {
            let gap = self.gaps().into_iter().find(|gap| gap.end - gap.start >= size_bytes);
            if let Some(gap) = gap {
                self.there.push((panel, gap.start..gap.start + size_bytes));
                return (gap.start, false);
            }
            self.there.remove(0);
        }
    }

    /// Forgets the panels of what is no longer there, and returns the bytes that hold none.
    pub fn release(&mut self) -> Vec<Range<u64>> {
        self.there.retain(|(panel, _)| panel.is_current());
        self.gaps()
    }

    /// The bytes beside and between panels.
    fn gaps(&self) -> Vec<Range<u64>> {
        let mut taken: Vec<_> = self.there.iter().map(|(_, bytes)| bytes.clone()).collect();
        taken.sort_by_key(|bytes| bytes.start);
        let ends = std::iter::once(0).chain(taken.iter().map(|bytes| bytes.end));
        let starts = taken.iter().map(|bytes| bytes.start).chain(std::iter::once(self.capacity_bytes));
        ends.zip(starts).filter(|(end, start)| end < start).map(|(end, start)| end..start).collect()
    }
}

impl Panel {
    fn is_current(&self) -> bool {
        self.pieces.iter().all(|(content, ..)| content.is_current())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel(cell: &ContentCell, outer: Range<usize>) -> Panel {
        Panel { ring: Ring::Z64, pieces: vec![(cell.content(), 8, 0..8)], outer, moduli: 0..18 }
    }

    #[test]
    fn what_was_not_written_since_is_found_again() {
        let (weights, mut panels) = (ContentCell::new(), Panels::new(1024));
        assert_eq!(panels.place(panel(&weights, 0..4), 300), (0, false));
        assert_eq!(panels.place(panel(&weights, 4..8), 300), (512, false));
        assert_eq!(panels.place(panel(&weights, 0..4), 300), (0, true));
        weights.written();
        assert_eq!(panels.place(panel(&weights, 0..4), 300), (0, false));
    }

    #[test]
    fn what_was_used_longest_ago_makes_room() {
        let (weights, mut panels) = (ContentCell::new(), Panels::new(768));
        for (number, start) in [0, 256, 512].into_iter().enumerate() {
            assert_eq!(panels.place(panel(&weights, number..9), 256), (start, false));
        }
        assert_eq!(panels.place(panel(&weights, 0..9), 256), (0, true));
        assert_eq!(panels.place(panel(&weights, 3..9), 256), (256, false));
        assert_eq!(panels.place(panel(&weights, 0..9), 256), (0, true));
        assert_eq!(panels.place(panel(&weights, 1..9), 256), (512, false));
    }

    #[test]
    fn what_is_freed_is_released() {
        let (weights, others, mut panels) = (ContentCell::new(), ContentCell::new(), Panels::new(1024));
        panels.place(panel(&others, 0..4), 256);
        panels.place(panel(&weights, 0..4), 256);
        assert_eq!(panels.release(), vec![512..1024]);
        drop(others);
        assert_eq!(panels.release(), vec![0..256, 512..1024]);
        assert_eq!(panels.place(panel(&weights, 0..4), 256), (256, true));
    }
}
