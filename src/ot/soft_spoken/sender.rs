//! The sender: it has Δ. Names and steps are those of [`super`].

use super::transpose::{CHUNK, ROW_BLOCKS};
use super::{
    ANSWER, ANSWER_BYTES, CORRECTIONS, Depth, Leaves, ROWS, batch_transfers, by_columns, coefficients,
};
use crate::ot::base::BaseReceiver;
use crate::ot::field::inner_product;
use crate::ot::random::{Random, SessionId};
use crate::ot::{Block, Blocks, OtError, SenderCots, checked, tree};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A sender that waits for the receiver's trees.
pub struct SoftSpokenSenderSetup {
    session: SessionId,
    depth: Depth,
    delta: Block,
    base: BaseReceiver,
}

/// A sender that has its seeds.
pub struct SoftSpokenSender {
    delta: Block,
    leaves: Leaves,
}

/// A sender that waits for the answer to its challenge.
pub struct SoftSpokenSenderBatch {
    challenge: Block,
    rows: Blocks,
    first_transfer: u64,
}

/// The numbers of k bits that Δ is cut into.
fn digits(delta: Block, depth: Depth) -> Zeroizing<Vec<u8>> {
    let mask = (1u128 << depth.bits()) - 1;
    let digit = |tree| (delta.bits() >> (tree * depth.bits()) & mask) as u8;
    Zeroizing::new((0..depth.trees()).map(digit).collect())
}

impl SoftSpokenSenderSetup {
    /// Draws Δ; returns the message to the receiver.
    pub fn new(session: SessionId, depth: Depth, random: &mut Random) -> (SoftSpokenSenderSetup, Vec<u8>) {
        let delta = random.block();
        // Bit 0 is set.
        let delta = delta ^ (Block::ONE & (delta ^ Block::ONE));
        let mut choices = Vec::with_capacity(ROWS);
        for digit in digits(delta, depth).iter() {
            choices.extend((0..depth.bits()).rev().map(|bit| 1 ^ (digit >> bit & 1)));
        }
        let (base, message) = BaseReceiver::new(session, choices, random);
        (SoftSpokenSenderSetup { session, depth, delta, base }, message)
    }

    /// Learns the seeds.
    ///
    /// # Errors
    /// Where the message has another length, a point is none, or the trees are not of one piece.
    pub fn finish(self, message: &[u8]) -> Result<SoftSpokenSender, OtError> {
        let SoftSpokenSenderSetup { session, depth, delta, base } = self;
        let (points, sums) = message.split_at_checked(ROWS * 32).unwrap_or((message, &[]));
        let chosen = base.finish(points)?;
        let digits = digits(delta, depth);
        let mut seeds = tree::know(&session, depth.bits(), &digits, &chosen, sums)?;
        // The seed of leaf x moves to x ⊕ Δ_i, in steps that do not depend on Δ.
        for (seeds, digit) in seeds.chunks_exact_mut(1 << depth.bits()).zip(digits.iter()) {
            for bit in 0..depth.bits() {
                let moves = Block::mask(digit >> bit & 1 == 1);
                for index in (0..seeds.len()).filter(|index| index >> bit & 1 == 0) {
                    let changed = moves & (seeds[index] ^ seeds[index | 1 << bit]);
                    seeds[index] ^= changed;
                    seeds[index | 1 << bit] ^= changed;
                }
            }
        }
        Ok(SoftSpokenSender { delta, leaves: Leaves::new(depth, &seeds) })
    }
}

impl SoftSpokenSender {
    /// k.
    pub fn depth(&self) -> Depth {
        self.leaves.depth
    }

    /// Takes the corrections of a batch; returns the challenge. The next batch may begin before this one is checked.
    ///
    /// # Errors
    /// Where the message has another length.
    pub fn receive(
        &mut self,
        chunks: usize,
        corrections: &[u8],
        random: &mut Random,
    ) -> Result<(SoftSpokenSenderBatch, Vec<u8>), OtError> {
        let depth = self.leaves.depth;
        let corrections = checked(corrections, depth.correction_bytes(chunks), CORRECTIONS)?;
        let mut rows = Blocks::zeroed(chunks * CHUNK);
        let mut whole = Blocks::zeroed(depth.trees() * ROW_BLOCKS);
        let each = corrections.len() / chunks;
        for (rows, corrections) in rows.chunks_exact_mut(CHUNK).zip(corrections.chunks_exact(each)) {
            self.leaves.chunk(rows, &mut whole);
            // The place of leaf Δ_i is that of number 0, which is in no sum but the whole one.
            let row_bytes = ROW_BLOCKS * size_of::<Block>();
            for (tree, correction) in (1..).zip(corrections.chunks_exact(row_bytes)) {
                for bit in tree * depth.bits()..(tree + 1) * depth.bits() {
                    let mask = Block::mask(self.delta.bits() >> bit & 1 == 1);
                    let row = &mut rows[bit * ROW_BLOCKS..][..ROW_BLOCKS];
                    for (row, correction) in row.iter_mut().zip(correction.as_chunks().0) {
                        *row ^= mask & Block::from_bytes(*correction);
                    }
                }
            }
        }
        let challenge = random.block();
        let message = challenge.bytes().to_vec();
        let first_transfer = self.leaves.first_transfer(chunks);
        Ok((SoftSpokenSenderBatch { challenge, rows, first_transfer }, message))
    }

    /// Holds the answer for a batch of this sender against what it has.
    ///
    /// # Errors
    /// Where the message has another length, or the check fails: then Δ must not be used any more, and is gone.
    pub fn check(
        self,
        batch: SoftSpokenSenderBatch,
        answer: &[u8],
    ) -> Result<(SoftSpokenSender, SenderCots), OtError> {
        let SoftSpokenSenderBatch { challenge, mut rows, first_transfer } = batch;
        let answer = checked(answer, ANSWER_BYTES, ANSWER)?;
        let chunks = rows.len() / CHUNK;
        let coefficients = coefficients(challenge, chunks);
        let answers: Vec<Block> =
            answer.as_chunks().0.iter().map(|&bytes| Block::from_bytes(bytes)).collect();
        let (whole, sums) = answers.split_first().expect("129 blocks");
        let mut valid = subtle::Choice::from(1);
        for (row, theirs) in sums.iter().enumerate() {
            let sum = row_sum(&rows, row, &coefficients);
            let bit = Block::mask(self.delta.bits() >> row & 1 == 1);
            valid &= (sum ^ (bit & *whole)).bytes().ct_eq(&theirs.bytes());
        }
        if !bool::from(valid) {
            return Err(OtError::Check { step: ANSWER });
        }
        by_columns(&mut rows, None);
        let kept = Blocks::copied(&rows[..batch_transfers(chunks)]);
        let cots = SenderCots::new(self.delta, kept, first_transfer);
        Ok((self, cots))
    }
}

/// The sum of a row of all chunks, under coefficients.
pub(super) fn row_sum(rows: &[Block], row: usize, coefficients: &[Block]) -> Block {
    let chunks = rows.chunks_exact(CHUNK).zip(coefficients.chunks_exact(ROW_BLOCKS));
    let sums = chunks
        .map(|(rows, coefficients)| inner_product(&rows[row * ROW_BLOCKS..][..ROW_BLOCKS], coefficients));
    sums.fold(Block::ZERO, |sum, next| sum ^ next)
}
