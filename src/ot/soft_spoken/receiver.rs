//! The receiver: it has the bits. Names and steps are those of [`super`].

use super::sender::row_sum;
use super::transpose::{CHUNK, ROW_BLOCKS};
use super::{ANSWER_BYTES, CHALLENGE, Depth, Leaves, ROWS, batch_transfers, by_columns, coefficients};
use crate::ot::base::base_send;
use crate::ot::field::inner_product;
use crate::ot::random::{Random, SessionId};
use crate::ot::{Block, Blocks, OtError, ReceiverCots, checked, tree};
use bytemuck::cast_slice;

/// A receiver that has its seeds.
pub struct SoftSpokenReceiver {
    leaves: Leaves,
}

/// A receiver that waits for the challenge.
pub struct SoftSpokenReceiverBatch {
    rows: Blocks,
    /// u_0.
    bits: Blocks,
    first_transfer: u64,
}

impl SoftSpokenReceiver {
    /// Makes the trees; returns the message to the sender.
    ///
    /// # Errors
    /// Where the message has another length, or a point is none.
    pub fn new(
        session: SessionId,
        depth: Depth,
        message: &[u8],
        random: &mut Random,
    ) -> Result<(SoftSpokenReceiver, Vec<u8>), OtError> {
        let (keys, mut reply) = base_send(session, ROWS, message, random)?;
        let (seeds, sums) = tree::make(&session, depth.bits(), &keys, random);
        reply.extend(sums);
        Ok((SoftSpokenReceiver { leaves: Leaves::new(depth, &seeds) }, reply))
    }

    /// k.
    pub fn depth(&self) -> Depth {
        self.leaves.depth
    }

    /// Begins a batch; returns the corrections. The next one may begin before this one is answered.
    ///
    /// # Panics
    /// Where there is no chunk.
    pub fn extend(&mut self, chunks: usize) -> (SoftSpokenReceiverBatch, Vec<u8>) {
        assert!(chunks > 0, "a batch of a chunk at least");
        let depth = self.leaves.depth;
        let mut rows = Blocks::zeroed(chunks * CHUNK);
        let mut bits = Blocks::zeroed(chunks * ROW_BLOCKS);
        let mut whole = Blocks::zeroed(depth.trees() * ROW_BLOCKS);
        let mut corrections = Vec::with_capacity(depth.correction_bytes(chunks));
        for (rows, bits) in rows.chunks_exact_mut(CHUNK).zip(bits.chunks_exact_mut(ROW_BLOCKS)) {
            self.leaves.chunk(rows, &mut whole);
            let (first, others) = whole.split_at_mut(ROW_BLOCKS);
            bits.copy_from_slice(first);
            for row in others.chunks_exact_mut(ROW_BLOCKS) {
                for (block, first) in row.iter_mut().zip(first.iter()) {
                    *block ^= *first;
                }
            }
            corrections.extend_from_slice(cast_slice(others));
        }
        let first_transfer = self.leaves.first_transfer(chunks);
        (SoftSpokenReceiverBatch { rows, bits, first_transfer }, corrections)
    }
}

impl SoftSpokenReceiverBatch {
    /// Answers the challenge; returns the transfers, and the answer.
    ///
    /// # Errors
    /// Where the message has another length.
    pub fn answer(mut self, challenge: &[u8]) -> Result<(ReceiverCots, Vec<u8>), OtError> {
        let challenge = checked(challenge, size_of::<Block>(), CHALLENGE)?;
        let challenge = Block::from_bytes(challenge.try_into().expect("a block"));
        let chunks = self.rows.len() / CHUNK;
        let coefficients = coefficients(challenge, chunks);
        let mut answer = Vec::with_capacity(ANSWER_BYTES);
        answer.extend(inner_product(&self.bits, &coefficients).bytes());
        for row in 0..ROWS {
            answer.extend(row_sum(&self.rows, row, &coefficients).bytes());
        }
        by_columns(&mut self.rows, Some(&self.bits));
        let kept = Blocks::copied(&self.rows[..batch_transfers(chunks)]);
        Ok((ReceiverCots::new(kept, self.first_transfer), answer))
    }
}
