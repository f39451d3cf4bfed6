//! Silent correlated transfers: a few of them grow to millions, for a fraction of a bit each.
//!
//! **Functionality.** From correlated transfers under the sender's Δ, as [`super::cots`] states them, many more under the same Δ.
//!
//! **Steps** (Yang, Weng, Lan, Zhang and Wang, "Ferret: Fast Extension for Correlated OT with Small Communication", CCS 2020,
//! with the correlated trees of Guo, Yang, Wang, Zhang, Xie, Liu and Zhao, "Half-Tree: Halving the Cost of Tree Expansion in
//! COT and DPF", EUROCRYPT 2023). A round takes k transfers as *seeds*, h for each of t trees
//! of 2^h leaves, and 128 for the check; it gives n = t·2^h.
//! 1. For each tree the sender draws a root r; the first level is r and r ⊕ Δ, and a node x has the children H(x) and
//!    H(x) ⊕ x, so that each level adds up to Δ. It sends the sum of each level's left nodes under its block q of a transfer.
//! 2. The receiver's bits of these transfers, negated, are the way to a leaf α: its blocks open the sums of the nodes beside
//!    the way, from which it grows all leaves but that one, and takes the sum of the others for it: that leaf plus Δ. With bit
//!    0 cleared, and set at α for the receiver, the leaves are correlated transfers, in which one bit is set. The sums come in
//!    pieces, so that both parties grow trees at the same time.
//! 3. To leaf j both add ten of their seeds, at the same public places: an instance of LPN with the receiver's bits of the seeds
//!    as secret and the α as noise, one in each piece of 2^h (*regular*).
//! 4. *Check.* The receiver draws coefficients χ_j by a seed, and sends it with Σ χ_j·u_j ⊕ Σ x^i·b_i, where the b_i are its
//!    bits of the last 128 transfers. The sender answers with the hash of what Σ χ_j·(the receiver's block) ⊕ Σ x^i·(its
//!    blocks of these) should be; the receiver holds it against what it has.
//!
//! **Bytes.** 16·h·t + 32 to the receiver, 32 to the sender. **Rounds.** The messages to the receiver with the sums, one back,
//! one to the receiver.
//!
//! **Parameters** are those of [`LpnSet::ALL`]: 128 bits, as the present emp-ot takes them from the estimator of Liu, Wang,
//! Yang and Yu ("The Hardness of LPN over Any Integer Ring and Field for PCG Applications", EUROCRYPT 2024), against Gauss,
//! statistical decoding, information-set decoding, and the attacks on regular noise: hybrid, Esser and Santini ("Not Just
//! Regular Decoding", CRYPTO 2024) and Briaud and Øygarden ("A New Algebraic Approach to the Regular Syndrome Decoding Problem
//! and Implications for PCG Constructions", EUROCRYPT 2023). With fewer trees an attacker has the first samples of the same
//! problem and no others, so that no such round is weaker.
//!
//! **Security.** Against malicious parties, in the model where AES under fixed keys is a random permutation (the two
//! sources). The receiver has no choice to make: its noise is its bits. A sender that sends wrong sums
//! passes the check only where it has guessed bits of α; what it learns is that the guess was right: on average one bit of
//! the noise of all trees before it is found out, as the definition of LPN with leakage there allows, and the parameters
//! have that to spare. The check is of the outputs and not of the leaves: both are off by the same.
//!
//! **Deviations.** Bit 0 of Δ is set and the receiver's bit stands in bit 0 of its block, as in the authors' code: Δ has 127
//! secret bits.

mod code;
mod tree;

use super::aes::Aes;
use super::field::{inner_product, packed, product};
use super::hash::Hash;
use super::random::{Random, SessionId};
use super::{BLOCK_BYTES, Block, Blocks, OtError, ReceiverCots, SenderCots, checked};
use code::Code;
use subtle::ConstantTimeEq;

/// Transfers that the check takes.
const CHECK: usize = 128;

const HASH_BYTES: usize = 32;

/// Leaves whose trees' sums are one message.
const LEAVES_AT_ONCE: usize = 1 << 17;

/// The names of messages, in errors.
const SUMS: &str = "the sums of the silent transfers' trees";
const CHALLENGE: &str = "the challenge of the silent transfers' check";
const ANSWER: &str = "the answer to the silent transfers' check";

/// A set of parameters of LPN with regular noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LpnSet {
    /// log₂ k: the seeds.
    pub log_dimension: u32,
    /// h: the depth of a tree.
    pub tree_depth: u32,
    /// t: most trees.
    pub most_trees: usize,
}

impl LpnSet {
    /// For up to 0.87 million outputs.
    pub const SMALL: LpnSet = LpnSet { log_dimension: 16, tree_depth: 10, most_trees: 850 };
    /// For up to 15.56 million outputs.
    pub const LARGE: LpnSet = LpnSet { log_dimension: 19, tree_depth: 13, most_trees: 1900 };

    /// All sets, from the smallest.
    pub const ALL: [LpnSet; 4] = [
        LpnSet::SMALL,
        LpnSet { log_dimension: 17, tree_depth: 11, most_trees: 1170 },
        LpnSet { log_dimension: 18, tree_depth: 12, most_trees: 1520 },
        LpnSet::LARGE,
    ];

    const fn dimension(self) -> usize {
        1 << self.log_dimension
    }

    /// Transfers that a round of so many trees takes.
    pub const fn taken(self, trees: usize) -> usize {
        self.dimension() + trees * self.tree_depth as usize + CHECK
    }

    /// Transfers that it gives.
    pub const fn given(self, trees: usize) -> usize {
        trees << self.tree_depth
    }

    /// Trees that give at least so many transfers, if there may be so many.
    pub fn trees_for(self, transfers: usize) -> usize {
        transfers.div_ceil(1 << self.tree_depth).clamp(1, self.most_trees)
    }

    /// Trees whose sums are one message, at most.
    const fn trees_at_once(self) -> usize {
        if LEAVES_AT_ONCE >> self.tree_depth == 0 { 1 } else { LEAVES_AT_ONCE >> self.tree_depth }
    }

    /// Bytes of the messages of a round of so many trees, in both directions.
    pub const fn bytes(self, trees: usize) -> usize {
        trees * self.tree_depth as usize * BLOCK_BYTES + 2 * BLOCK_BYTES + HASH_BYTES
    }
}

/// A round, as both parties know it.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    /// The session.
    pub session: SessionId,
    /// The number of the round in its session: no two have the same.
    pub number: u64,
    /// The parameters.
    pub set: LpnSet,
    /// The trees.
    pub trees: usize,
}

impl Round {
    /// Transfers of rounds have numbers of their own, above those of the extension.
    const fn first_transfer(self) -> u64 {
        (self.number + 1) << 40
    }

    fn code(self) -> Code {
        Code::new(&self.session, self.number, self.set.log_dimension)
    }

    fn check(self) {
        assert!((1..=self.set.most_trees).contains(&self.trees), "no more trees than the parameters allow");
    }

    /// The trees of the next piece, where so many are grown.
    fn piece(self, grown: usize) -> usize {
        (self.trees - grown).min(self.set.trees_at_once())
    }

    /// H of what the check compares.
    fn hash(self, value: Block) -> [u8; HASH_BYTES] {
        let mut hasher = self.session.hasher("symbolon 2026-11 silent transfers, check");
        hasher.update(&self.number.to_le_bytes()).update(&value.bytes());
        *hasher.finalize().as_bytes()
    }
}

/// A sender that grows its trees, and then waits for the challenge.
pub struct SilentSender {
    round: Round,
    seeds: SenderCots,
    keys: SenderCots,
    masks: Block,
    roots: Blocks,
    grown: usize,
    outputs: Blocks,
}

impl SilentSender {
    /// Begins a round, with as many transfers as it takes.
    ///
    /// # Errors
    /// Where `stock` has too few.
    ///
    /// # Panics
    /// Where there is no tree, or more than the parameters allow.
    pub fn new(round: Round, stock: &mut SenderCots, random: &mut Random) -> Result<SilentSender, OtError> {
        round.check();
        let Round { set, trees, .. } = round;
        let seeds = stock.take(set.dimension())?;
        let keys = stock.take(trees * set.tree_depth as usize)?;
        let masks = packed(stock.take(CHECK)?.blocks());
        let (roots, outputs) = (random.blocks(trees), Blocks::zeroed(set.given(trees)));
        Ok(SilentSender { round, seeds, keys, masks, roots, grown: 0, outputs })
    }

    /// Grows the next trees; returns the message to the receiver. Nothing once all are grown.
    pub fn grow(&mut self) -> Option<Vec<u8>> {
        let piece = self.round.piece(self.grown);
        if piece == 0 {
            return None;
        }
        let (hash, code, delta) = (Hash::new(), self.round.code(), self.seeds.delta());
        let depth = self.round.set.tree_depth as usize;
        let keys = &self.keys.blocks()[self.grown * depth..][..piece * depth];
        let mut sums = Blocks::zeroed(keys.len());
        let outputs = &mut self.outputs[self.grown << depth..][..piece << depth];
        let trees = outputs.chunks_exact_mut(1 << depth).zip(sums.chunks_exact_mut(depth));
        for (tree, (leaves, sums)) in (self.grown..).zip(trees) {
            tree::grow(&hash, delta, self.roots[tree], sums, leaves);
            code.add(self.seeds.blocks(), (tree << depth) as u64, leaves);
        }
        for (sum, key) in sums.iter_mut().zip(keys) {
            *sum ^= *key;
        }
        self.grown += piece;
        Some(bytemuck::cast_slice(&sums).to_vec())
    }

    /// Answers the challenge; returns the transfers, and the message to the receiver.
    ///
    /// # Errors
    /// Where the message has another length.
    ///
    /// # Panics
    /// Where not all trees are grown.
    pub fn answer(self, challenge: &[u8]) -> Result<(SenderCots, Vec<u8>), OtError> {
        assert_eq!(self.grown, self.round.trees, "all trees are grown");
        let delta = self.seeds.delta();
        let challenge = checked(challenge, 2 * BLOCK_BYTES, CHALLENGE)?;
        let [seed, bits] = [0, 1].map(|index| {
            Block::from_bytes(challenge[index * BLOCK_BYTES..][..BLOCK_BYTES].try_into().expect("a block"))
        });
        let mut value = self.masks ^ product(bits, delta);
        let mut coefficients = Coefficients::new(seed, self.round.set);
        for leaves in self.outputs.chunks_exact(1 << self.round.set.tree_depth) {
            value ^= inner_product(coefficients.next(), leaves);
        }
        let cots = SenderCots::new(delta, self.outputs, self.round.first_transfer());
        Ok((cots, self.round.hash(value).to_vec()))
    }
}

/// A receiver that grows its trees.
pub struct SilentReceiver {
    round: Round,
    seeds: ReceiverCots,
    keys: ReceiverCots,
    coefficients: Coefficients,
    seed: Block,
    /// What the check compares, as far as the trees are grown.
    value: Block,
    bits: u128,
    grown: usize,
    outputs: Blocks,
}

/// A receiver that waits for the answer to its challenge.
pub struct ChallengingReceiver {
    round: Round,
    outputs: Blocks,
    value: Block,
}

impl SilentReceiver {
    /// Begins a round, with as many transfers as it takes.
    ///
    /// # Errors
    /// Where `stock` has too few.
    ///
    /// # Panics
    /// Where there is no tree, or more than the parameters allow.
    pub fn new(
        round: Round,
        stock: &mut ReceiverCots,
        random: &mut Random,
    ) -> Result<SilentReceiver, OtError> {
        round.check();
        let Round { set, trees, .. } = round;
        let seeds = stock.take(set.dimension())?;
        let keys = stock.take(trees * set.tree_depth as usize)?;
        let masks = stock.take(CHECK)?;
        let value = packed(masks.blocks());
        let bits = (0..).zip(masks.blocks()).fold(0u128, |bits, (i, mask)| bits | (mask.bits() & 1) << i);
        // Drawn now, and told when the sender has sent all sums.
        let seed = random.block();
        let coefficients = Coefficients::new(seed, set);
        let outputs = Blocks::zeroed(set.given(trees));
        Ok(SilentReceiver { round, seeds, keys, coefficients, seed, value, bits, grown: 0, outputs })
    }

    /// The trees that are not grown yet.
    pub fn trees_left(&self) -> usize {
        self.round.trees - self.grown
    }

    /// Grows what it can of the next trees.
    ///
    /// # Errors
    /// Where the message has another length.
    ///
    /// # Panics
    /// Where all trees are grown.
    pub fn grow(&mut self, message: &[u8]) -> Result<(), OtError> {
        let piece = self.round.piece(self.grown);
        assert!(piece > 0, "a tree is left");
        let depth = self.round.set.tree_depth as usize;
        let message = checked(message, piece * depth * BLOCK_BYTES, SUMS)?;
        let (hash, code) = (Hash::new(), self.round.code());
        let mut sums = Blocks::zeroed(depth);
        let mut chosen = Blocks::zeroed(1 << depth);
        let keys = &self.keys.blocks()[self.grown * depth..];
        let outputs = &mut self.outputs[self.grown << depth..][..piece << depth];
        let trees = message.chunks_exact(depth * BLOCK_BYTES).zip(keys.chunks_exact(depth));
        for (tree, ((received, keys), leaves)) in
            (self.grown..).zip(trees.zip(outputs.chunks_exact_mut(1 << depth)))
        {
            let mut point = 0;
            let received = received.as_chunks().0;
            for (level, ((sum, key), received)) in sums.iter_mut().zip(keys).zip(received).enumerate() {
                *sum = *key ^ Block::from_bytes(*received);
                point |= ((!key.bits() & 1) as usize) << level;
            }
            tree::grow_punctured(&hash, point, &sums, leaves);
            code.add(self.seeds.blocks(), (tree << depth) as u64, leaves);
            let coefficients = self.coefficients.next();
            self.value ^= inner_product(coefficients, leaves);
            for (chosen, (coefficient, leaf)) in chosen.iter_mut().zip(coefficients.iter().zip(leaves.iter()))
            {
                let set = Block::from_bits((leaf.bits() & 1).wrapping_neg());
                *chosen ^= *coefficient & set;
            }
        }
        self.bits ^= chosen.iter().fold(0, |sum, block| sum ^ block.bits());
        self.grown += piece;
        Ok(())
    }

    /// The challenge to the sender.
    ///
    /// # Panics
    /// Where not all trees are grown.
    pub fn challenge(self) -> (ChallengingReceiver, Vec<u8>) {
        assert_eq!(self.trees_left(), 0, "all trees are grown");
        let challenge = [self.seed.bytes(), Block::from_bits(self.bits).bytes()].concat();
        let SilentReceiver { round, outputs, value, .. } = self;
        (ChallengingReceiver { round, outputs, value }, challenge)
    }
}

impl ChallengingReceiver {
    /// Holds the answer against what this party has; returns the transfers.
    ///
    /// # Errors
    /// Where the message has another length, or the check fails.
    pub fn check(self, answer: &[u8]) -> Result<ReceiverCots, OtError> {
        let answer = checked(answer, HASH_BYTES, ANSWER)?;
        if bool::from(self.round.hash(self.value).ct_eq(answer)) {
            Ok(ReceiverCots::new(self.outputs, self.round.first_transfer()))
        } else {
            Err(OtError::Check { step: ANSWER })
        }
    }
}

/// The coefficients of the check, tree by tree.
struct Coefficients {
    stream: Aes,
    counter: u64,
    tree: Blocks,
}

impl Coefficients {
    fn new(seed: Block, set: LpnSet) -> Coefficients {
        Coefficients { stream: Aes::new(seed), counter: 0, tree: Blocks::zeroed(1 << set.tree_depth) }
    }

    /// Those of the next tree.
    fn next(&mut self) -> &[Block] {
        self.stream.stream(self.counter, &mut self.tree);
        self.counter += self.tree.len() as u64;
        &self.tree
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ot::testing::{SESSION, holds, ideal, random};

    /// Parameters that hide nothing.
    const INSECURE: LpnSet = LpnSet { log_dimension: 7, tree_depth: 5, most_trees: 40 };

    const ROUND: Round = Round { session: SESSION, number: 0, set: INSECURE, trees: 40 };

    /// A sender that has grown all trees, and its messages.
    fn grow(round: Round, stock: &mut SenderCots) -> (SilentSender, Vec<Vec<u8>>) {
        let mut sender = SilentSender::new(round, stock, &mut random(1)).expect("enough");
        let sums = std::iter::from_fn(|| sender.grow()).collect();
        (sender, sums)
    }

    /// A receiver that has taken them, and its challenge.
    fn challenge(
        round: Round,
        stock: &mut ReceiverCots,
        sums: &[Vec<u8>],
    ) -> Result<(ChallengingReceiver, Vec<u8>), OtError> {
        let mut receiver = SilentReceiver::new(round, stock, &mut random(2)).expect("enough");
        sums.iter().try_for_each(|sums| receiver.grow(sums))?;
        Ok(receiver.challenge())
    }

    /// Pieces of two trees, and of what is left: what they are cut into changes no transfer.
    #[test]
    fn sums_come_in_pieces() {
        let set = LpnSet { log_dimension: 7, tree_depth: 16, most_trees: 5 };
        let round = Round { set, trees: 5, ..ROUND };
        let (mut sent, mut received) = ideal(set.taken(5));
        let (sender, sums) = grow(round, &mut sent);
        let lengths: Vec<usize> = sums.iter().map(Vec::len).collect();
        assert_eq!(lengths, [2, 2, 1].map(|trees| trees * 16 * BLOCK_BYTES), "trees of 16 levels");
        let (receiver, challenge) = challenge(round, &mut received, &sums).expect("sums");
        let (sender, answer) = sender.answer(&challenge).expect("a challenge");
        holds(&sender, &receiver.check(&answer).expect("an honest sender"));
    }

    #[test]
    fn a_round_gives_correlated_transfers() {
        for trees in [1, 7, 40] {
            let round = Round { trees, ..ROUND };
            let (mut sent, mut received) = ideal(INSECURE.taken(trees));
            let (sender, sums) = grow(round, &mut sent);
            let (receiver, challenge) = challenge(round, &mut received, &sums).expect("sums");
            let (sender, answer) = sender.answer(&challenge).expect("a challenge");
            let receiver = receiver.check(&answer).expect("an honest sender");
            let bytes = sums.concat().len() + challenge.len() + answer.len();
            assert_eq!(bytes, INSECURE.bytes(trees), "as the formula says");
            assert_eq!((sent.left(), received.left()), (0, 0), "as many are taken as the formula says");
            assert_eq!(sender.left(), INSECURE.given(trees));
            holds(&sender, &receiver);
        }
    }

    #[test]
    fn a_sender_that_alters_a_sum_is_found_out_or_has_guessed() {
        let mut found = 0;
        for place in 0..40 {
            let (mut sent, mut received) = ideal(INSECURE.taken(40));
            let (sender, mut sums) = grow(ROUND, &mut sent);
            // A sum of the first level: it reaches half of the leaves, whichever half the receiver grows.
            sums[0][place * 5 * BLOCK_BYTES + 3] ^= 1;
            let (receiver, challenge) = challenge(ROUND, &mut received, &sums).expect("sums");
            let (_, answer) = sender.answer(&challenge).expect("a challenge");
            match receiver.check(&answer) {
                Err(error) => {
                    assert_eq!(error, OtError::Check { step: ANSWER });
                    found += 1;
                }
                Ok(_) => panic!("an altered sum of the first level passes, in tree {place}"),
            }
        }
        assert_eq!(found, 40);
    }

    #[test]
    fn short_messages_and_short_stocks_are_refused() {
        let (mut sent, mut received) = ideal(INSECURE.taken(40));
        let (sender, sums) = grow(ROUND, &mut sent);
        let length = |step, expected, found| Some(OtError::Length { step, expected, found });
        let error = challenge(ROUND, &mut ideal(INSECURE.taken(40)).1, &[sums[0][1..].to_vec()]).err();
        assert_eq!(error, length(SUMS, 40 * 5 * 16, 40 * 5 * 16 - 1));
        let (receiver, challenge) = challenge(ROUND, &mut received, &sums).expect("sums");
        assert_eq!(receiver.check(&[0; 31]).err(), length(ANSWER, 32, 31));
        assert_eq!(sender.answer(&challenge[..5]).err(), length(CHALLENGE, 32, 5));
        let error = SilentSender::new(ROUND, &mut sent, &mut random(1)).err();
        assert_eq!(error, Some(OtError::Exhausted { wanted: 128, left: 0 }), "a stock is consumed once");
    }
}
