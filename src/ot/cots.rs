//! Correlated transfers: what every other transfer is made of.
//!
//! **Functionality.** The sender has one secret Δ whose bit 0 is set. For each transfer the sender has a block q whose bit 0 is
//! clear, and the receiver t = q ⊕ u·Δ for a random bit u of its own, which therefore is bit 0 of t. Δ has 127 bits that
//! nobody else knows.
//!
//! A correlated transfer is consumed once: whatever takes some of a batch takes them out of it.

use super::{Block, Blocks, OtError};
use std::ops::Range;
use std::sync::Arc;

/// The sender's part of correlated transfers that nothing has consumed.
pub struct SenderCots {
    delta: Block,
    batch: Batch,
}

/// The receiver's part of correlated transfers that nothing has consumed.
pub struct ReceiverCots {
    batch: Batch,
}

/// A range of blocks that has no block in common with another.
struct Batch {
    /// They are wiped with the last range of them.
    blocks: Arc<Blocks>,
    left: Range<usize>,
    /// The number of block 0 in its session: no two transfers under one Δ have the same.
    first: u64,
}

impl Batch {
    fn new(blocks: Blocks, first: u64) -> Batch {
        let left = 0..blocks.len();
        Batch { blocks: Arc::new(blocks), left, first }
    }

    /// Blocks of several batches, of which the numbers are of no use any more.
    fn joined<'a>(batches: impl Iterator<Item = &'a [Block]> + Clone) -> Batch {
        let mut blocks = Blocks::zeroed(batches.clone().map(<[Block]>::len).sum());
        let mut at = 0;
        for batch in batches {
            blocks[at..][..batch.len()].copy_from_slice(batch);
            at += batch.len();
        }
        Batch::new(blocks, u64::MAX)
    }

    fn take(&mut self, count: usize) -> Result<Batch, OtError> {
        let left = self.left.len();
        if count > left {
            return Err(OtError::Exhausted { wanted: count, left });
        }
        let taken = self.left.start..self.left.start + count;
        self.left.start += count;
        Ok(Batch { blocks: self.blocks.clone(), left: taken, first: self.first })
    }

    fn blocks(&self) -> &[Block] {
        &self.blocks[self.left.clone()]
    }

    /// The number of the next block.
    const fn number(&self) -> u64 {
        self.first.saturating_add(self.left.start as u64)
    }
}

impl SenderCots {
    /// Transfers whose numbers in their session begin with `first`.
    pub(super) fn new(delta: Block, blocks: Blocks, first: u64) -> SenderCots {
        debug_assert!(delta.low_bit(), "Δ has bit 0");
        SenderCots { delta, batch: Batch::new(blocks, first) }
    }

    /// The transfers of batches under one Δ, for a use that gives them no numbers.
    pub(super) fn joined(batches: Vec<SenderCots>) -> SenderCots {
        let delta = batches.first().map_or(Block::ONE, |batch| batch.delta);
        SenderCots { delta, batch: Batch::joined(batches.iter().map(SenderCots::blocks)) }
    }

    /// Correlated transfers that are left.
    pub fn left(&self) -> usize {
        self.batch.left.len()
    }

    /// Takes so many out.
    ///
    /// # Errors
    /// Where fewer are left.
    pub fn take(&mut self, count: usize) -> Result<SenderCots, OtError> {
        Ok(SenderCots { delta: self.delta, batch: self.batch.take(count)? })
    }

    /// Δ.
    pub(super) fn delta(&self) -> Block {
        self.delta
    }

    /// The blocks that are left.
    pub(super) fn blocks(&self) -> &[Block] {
        self.batch.blocks()
    }

    /// The number of the first of them in its session.
    pub(super) const fn number(&self) -> u64 {
        self.batch.number()
    }
}

impl ReceiverCots {
    /// Transfers whose numbers in their session begin with `first`.
    pub(super) fn new(blocks: Blocks, first: u64) -> ReceiverCots {
        ReceiverCots { batch: Batch::new(blocks, first) }
    }

    /// The transfers of batches, for a use that gives them no numbers.
    pub(super) fn joined(batches: Vec<ReceiverCots>) -> ReceiverCots {
        ReceiverCots { batch: Batch::joined(batches.iter().map(ReceiverCots::blocks)) }
    }

    /// Correlated transfers that are left.
    pub fn left(&self) -> usize {
        self.batch.left.len()
    }

    /// Takes so many out.
    ///
    /// # Errors
    /// Where fewer are left.
    pub fn take(&mut self, count: usize) -> Result<ReceiverCots, OtError> {
        Ok(ReceiverCots { batch: self.batch.take(count)? })
    }

    /// The blocks that are left.
    pub(super) fn blocks(&self) -> &[Block] {
        self.batch.blocks()
    }

    /// The number of the first of them in its session.
    pub(super) const fn number(&self) -> u64 {
        self.batch.number()
    }
}
