//! SoftSpoken: many correlated transfers from 128 base transfers, in batches.
//!
//! **Functionality.** Correlated transfers as [`super::cots`] states, under a Δ of the sender's own.
//!
//! **Steps** (Roy, "SoftSpokenOT: Quieter OT Extension from Small-Field Silent VOLE in the Minicrypt Model", CRYPTO 2022: the
//! small-field VOLE over F_{2^k} from trees of seeds, 128/k times with the repetition code, and the consistency check by a
//! universal hash). Δ is cut into 128/k numbers Δ_i of k bits.
//! 1. *Setup.* The sender chooses, in base transfers, the complements of the bits of Δ; the receiver makes 128/k trees of 2^k
//!    seeds, of which the sender so learns all but that of leaf Δ_i (see the module `tree`).
//! 2. *A batch.* For each leaf x both stretch its seed to a row r_x, a bit for each transfer. The receiver has u_i = Σ r_x and
//!    v_i = Σ x·r_x, and sends u_i ⊕ u_0 for i > 0. The sender has w_i = Σ (x ⊕ Δ_i)·r_x, to which it adds Δ_i·(u_i ⊕ u_0):
//!    w_i = v_i ⊕ Δ_i·u_0.
//! 3. *Check.* The sender sends a random seed, which gives a coefficient in GF(2^128) for every 128 transfers; that of the
//!    last 128, which hide the answers and are then thrown away, is one. The receiver sends the sums of u_0 and of all 128
//!    rows of v under these; the sender holds them against those of w.
//!    A batch may begin before the one before it is checked: its own check is as sound, since its challenge is drawn when its
//!    corrections have come. Nothing of a batch is used before it is checked.
//! 4. Both read their rows by columns. Row 0 of w becomes 0 and that of v becomes u_0, since Δ has bit 0.
//!
//! **Bytes.** Setup: 128·64 to the receiver; 128·32 and 32·128 + 64·128/k to the sender. A batch of c chunks of 8192 transfers:
//! (128/k − 1)·1024·c and 16·129 to the sender, 16 to the receiver, for 8192·c − 128 transfers: with k = 4 31 bits each.
//! **Rounds.** Setup: one message each; a batch: one to the sender, one back, one to the sender.
//!
//! **Security.** Against malicious parties, with seeds stretched by AES-128 in counter mode as generator. A receiver that
//! sends wrong sums passes the check only where it has guessed a part of Δ, with the probability that the guess is right, up
//! to 2^−128; what it learns is the guess (the functionality's leakage there). Every transfer is hashed with a tweak of its
//! own before it hides anything, as is needed there. Where a check fails, the sender's state is gone.
//!
//! **Deviations.** Bit 0 of Δ is fixed, so that a receiver's bit can stand in its block: Δ has 127 secret bits. The source
//! lets the check's sums be hashed; here they are sent.

mod receiver;
mod sender;
mod transpose;

pub use receiver::{SoftSpokenReceiver, SoftSpokenReceiverBatch};
pub use sender::{SoftSpokenSender, SoftSpokenSenderBatch, SoftSpokenSenderSetup};
pub use transpose::CHUNK;

use super::aes::Aes;
use super::{Block, Blocks};
use transpose::{ROW_BLOCKS, fold};

/// Rows of blocks: bits of a block.
const ROWS: usize = 128;

/// The names of messages, in errors.
const CORRECTIONS: &str = "the corrections of the extension";
const CHALLENGE: &str = "the challenge of the extension's check";
const ANSWER: &str = "the answer to the extension's check";

/// k: the depth of the trees. More is fewer bytes and more work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// 63 bits a transfer.
    Two = 2,
    /// 31 bits a transfer.
    Four = 4,
    /// 15 bits a transfer.
    Eight = 8,
}

impl Depth {
    const fn bits(self) -> usize {
        self as usize
    }

    const fn trees(self) -> usize {
        ROWS / self.bits()
    }

    /// Bytes of the corrections of so many chunks.
    const fn correction_bytes(self, chunks: usize) -> usize {
        (self.trees() - 1) * ROW_BLOCKS * size_of::<Block>() * chunks
    }

    /// Bytes of the messages of the setup, in both directions.
    pub const fn setup_bytes(self) -> usize {
        ROWS * (64 + 32 + 32) + self.trees() * 64
    }

    /// Bytes of the messages of a batch to the sender.
    pub const fn batch_bytes(self, chunks: usize) -> usize {
        self.correction_bytes(chunks) + ANSWER_BYTES
    }
}

/// Chunks of the largest batch: it stays in a cache.
pub const MOST_CHUNKS: usize = 16;

/// Transfers of a batch of so many chunks.
pub const fn batch_transfers(chunks: usize) -> usize {
    chunks * CHUNK - ROWS
}

/// Chunks of the next batch where so many transfers are wanted.
pub fn chunks_for(transfers: usize) -> usize {
    (transfers + ROWS).div_ceil(CHUNK).clamp(1, MOST_CHUNKS)
}

/// Bytes of the answer to a batch's challenge.
pub const ANSWER_BYTES: usize = (ROWS + 1) * size_of::<Block>();

/// The seeds of the leaves of all trees, as far as they have been stretched.
struct Leaves {
    depth: Depth,
    seeds: Vec<Aes>,
    /// Blocks that each has given.
    counter: u64,
    /// The rows of one tree's leaves.
    rows: Blocks,
}

impl Leaves {
    fn new(depth: Depth, seeds: &[Block]) -> Leaves {
        let seeds = seeds.iter().map(|&seed| Aes::new(seed)).collect();
        Leaves { depth, seeds, counter: 0, rows: Blocks::zeroed(ROW_BLOCKS << depth.bits()) }
    }

    /// Stretches all seeds by a chunk: adds to `sums` the rows Σ x·r_x of all trees, and puts Σ r_x of tree i in row i of
    /// `whole`.
    fn chunk(&mut self, sums: &mut [Block], whole: &mut [Block]) {
        let (bits, leaves) = (self.depth.bits(), 1 << self.depth.bits());
        let trees = self.seeds.chunks_exact(leaves);
        let outputs = sums.chunks_exact_mut(bits * ROW_BLOCKS).zip(whole.chunks_exact_mut(ROW_BLOCKS));
        for (tree, (sums, whole)) in trees.zip(outputs) {
            for (seed, row) in tree.iter().zip(self.rows.chunks_exact_mut(ROW_BLOCKS)) {
                seed.stream(self.counter, row);
            }
            fold(&mut self.rows, sums);
            whole.copy_from_slice(&self.rows[..ROW_BLOCKS]);
        }
        self.counter += ROW_BLOCKS as u64;
    }

    /// The number in the session of the first transfer of the last batch, which has so many chunks.
    fn first_transfer(&self, chunks: usize) -> u64 {
        self.counter * 128 - (chunks * CHUNK) as u64
    }
}

/// The coefficients of the check for a batch: random ones, and one for the last 128 transfers.
fn coefficients(challenge: Block, chunks: usize) -> Blocks {
    let mut coefficients = Blocks::zeroed(chunks * ROW_BLOCKS);
    Aes::new(challenge).stream(0, &mut coefficients);
    *coefficients.last_mut().expect("a chunk at least") = Block::ONE;
    coefficients
}

/// Reads the rows of chunks by columns, where they are; row 0 of each chunk is replaced by `first` if there is one, or by zeros.
fn by_columns(rows: &mut Blocks, first: Option<&[Block]>) {
    let mut columns = Blocks::zeroed(CHUNK);
    for (index, chunk) in rows.chunks_exact_mut(CHUNK).enumerate() {
        match first {
            Some(first) => chunk[..ROW_BLOCKS].copy_from_slice(&first[index * ROW_BLOCKS..][..ROW_BLOCKS]),
            None => chunk[..ROW_BLOCKS].fill(Block::ZERO),
        }
        transpose::transpose(chunk, &mut columns);
        chunk.copy_from_slice(&columns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ot::testing::{SESSION, holds, random};
    use crate::ot::{OtError, ReceiverCots, SenderCots};

    fn set_up(depth: Depth) -> (SoftSpokenSender, SoftSpokenReceiver) {
        let (sender, message) = SoftSpokenSenderSetup::new(SESSION, depth, &mut random(1));
        let (receiver, reply) =
            SoftSpokenReceiver::new(SESSION, depth, &message, &mut random(2)).expect("an honest sender");
        assert_eq!(message.len(), 128 * 64, "as the formula says");
        assert_eq!(reply.len(), 128 * 32 + 32 * 128 + 64 * 128 / depth.bits(), "as the formula says");
        (sender.finish(&reply).expect("an honest receiver"), receiver)
    }

    fn batch(
        mut sender: SoftSpokenSender,
        receiver: &mut SoftSpokenReceiver,
        chunks: usize,
    ) -> (SoftSpokenSender, SenderCots, ReceiverCots) {
        let depth = receiver.depth();
        let (received, corrections) = receiver.extend(chunks);
        let (sent, challenge) = sender.receive(chunks, &corrections, &mut random(3)).expect("corrections");
        let (received, answer) = received.answer(&challenge).expect("a challenge");
        assert_eq!(corrections.len() + answer.len(), depth.batch_bytes(chunks), "as the formula says");
        let (sender, sent) = sender.check(sent, &answer).expect("an honest receiver");
        (sender, sent, received)
    }

    #[test]
    fn transfers_are_correlated_at_every_depth_and_batch_after_batch() {
        for depth in [Depth::Two, Depth::Four, Depth::Eight] {
            let (mut sender, mut receiver) = set_up(depth);
            let mut seen = Vec::new();
            for chunks in [1, 2] {
                let (sent, received);
                (sender, sent, received) = batch(sender, &mut receiver, chunks);
                assert_eq!(
                    (sent.left(), received.left()),
                    (batch_transfers(chunks), batch_transfers(chunks))
                );
                holds(&sent, &received);
                seen.push(sent.blocks()[0].bits());
            }
            assert_ne!(seen[0], seen[1], "no batch repeats another");
        }
    }

    #[test]
    fn a_receiver_that_sends_wrong_corrections_is_found_out() {
        let (mut sender, mut receiver) = set_up(Depth::Four);
        let (received, mut corrections) = receiver.extend(1);
        // Transfer 8 of row 2: the sender's Δ_2 decides whether it notices, and this one is not zero.
        corrections[1024 + 1] ^= 1;
        let (sent, challenge) = sender.receive(1, &corrections, &mut random(3)).expect("corrections");
        let (_, answer) = received.answer(&challenge).expect("a challenge");
        let error = sender.check(sent, &answer).err().expect("a check that fails");
        assert_eq!(error, OtError::Check { step: ANSWER });
    }

    #[test]
    fn a_wrong_answer_and_short_messages_are_refused() {
        let (mut sender, mut receiver) = set_up(Depth::Four);
        let (received, corrections) = receiver.extend(1);
        let (sent, challenge) = sender.receive(1, &corrections, &mut random(3)).expect("corrections");
        let (_, mut answer) = received.answer(&challenge).expect("a challenge");
        answer[40] ^= 4;
        assert_eq!(sender.check(sent, &answer).err(), Some(OtError::Check { step: ANSWER }));

        let (mut sender, mut receiver) = set_up(Depth::Four);
        let length = |step, expected, found| Some(OtError::Length { step, expected, found });
        let error = sender.receive(2, &corrections, &mut random(3)).err();
        assert_eq!(error, length(CORRECTIONS, 2 * corrections.len(), corrections.len()));
        let (received, _) = receiver.extend(1);
        assert_eq!(received.answer(&[0; 15]).err(), length(CHALLENGE, 16, 15));
    }
}
