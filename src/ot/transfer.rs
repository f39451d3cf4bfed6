//! Transfers that hide something under correlated ones: random, chosen, 1 of N, and pads of any length.
//!
//! **Functionality.** The receiver chooses a bit c for each transfer ([`ReceiverCots::choose`]), and tells the sender c ⊕ u, where
//! u is its random bit; both then have blocks with t = q ⊕ c·Δ. From these:
//! - *pads*: the sender has two pads for each transfer, and the receiver that of its bit, as long as is wanted;
//! - *1 of N*, N = 2^b: of b transfers the sender has N pads, and the receiver that of the number which its b bits are.
//!
//! Random transfers are pads under the random bits, of which nobody tells anything.
//!
//! **Steps.** A pad's block j for bit c is H(q ⊕ c·Δ, i·2^32 + j), with the number i of the transfer in its session and the
//! tweakable hash of the module `hash`. The pad of number x = (x_0 … x_{b−1}) is the sum over the transfers l of
//! H(q_l ⊕ x_l·Δ, i_l·2^32 + 2^16·x_l + (x_0 … x_{l−1})).
//!
//! **Bytes.** One bit for each transfer to the sender; what is sent under pads is as long as they are. **Rounds.** One message
//! to the sender, and one back.
//!
//! **Security.** Against a malicious receiver and sender each pad that the receiver has not chosen looks random to it, as far as
//! the correlated transfers are such. *1 of N*: of a number y ≠ x let l be the last place where they differ. The pad of y has
//! a term for (l, y_0 … y_l) that the receiver does not know, with a tweak of its own, and no other y with last difference l has
//! that term: so the unknown terms make all pads but that of x random together.

use super::hash::Hash;
use super::{Block, Blocks, OtError, ReceiverCots, SenderCots, checked};
use zeroize::Zeroize;

const CHOICES: &str = "the receiver's choices";

/// Most transfers of one of 1 of N.
pub const MOST_LOG_N: usize = 8;

/// The sender's part of transfers that the receiver has chosen.
pub struct ChosenSender {
    delta: Block,
    /// q for each.
    blocks: Blocks,
    /// The number of the first in its session.
    first: u64,
}

/// The receiver's part of transfers that it has chosen.
pub struct ChosenReceiver {
    cots: ReceiverCots,
    /// A byte for each: 0 or 1.
    choices: Vec<u8>,
}

impl Drop for ChosenReceiver {
    fn drop(&mut self) {
        self.choices.zeroize();
    }
}

impl ReceiverCots {
    /// Chooses a bit, 0 or 1, for each of the transfers; returns the message to the sender.
    ///
    /// # Panics
    /// Where there are not as many bits as transfers.
    pub fn choose(self, choices: Vec<u8>) -> (ChosenReceiver, Vec<u8>) {
        assert_eq!(choices.len(), self.left(), "a bit for each transfer");
        let mut message = vec![0; choices.len().div_ceil(8)];
        for (index, (choice, block)) in choices.iter().zip(self.blocks()).enumerate() {
            message[index / 8] |= (choice ^ (block.bits() & 1) as u8) << (index % 8);
        }
        (ChosenReceiver { cots: self, choices }, message)
    }

    /// The bits as they are, which are random: the sender is told nothing.
    pub fn random(self) -> ChosenReceiver {
        let choices = self.blocks().iter().map(|block| (block.bits() & 1) as u8).collect();
        ChosenReceiver { cots: self, choices }
    }
}

impl SenderCots {
    /// Takes the receiver's choices.
    ///
    /// # Errors
    /// Where the message has another length.
    pub fn chosen(self, message: &[u8]) -> Result<ChosenSender, OtError> {
        let message = checked(message, self.left().div_ceil(8), CHOICES)?;
        let mut chosen = self.random();
        for (index, block) in chosen.blocks.iter_mut().enumerate() {
            *block ^= Block::mask(message[index / 8] >> (index % 8) & 1 == 1) & chosen.delta;
        }
        Ok(chosen)
    }

    /// Transfers under the receiver's random bits.
    pub fn random(self) -> ChosenSender {
        let blocks = Blocks::copied(self.blocks());
        ChosenSender { delta: self.delta(), blocks, first: self.number() }
    }
}

impl ChosenSender {
    /// For each transfer the pad of bit 0 and that of bit 1, `each` blocks long: all of the first kind, one behind the other,
    /// and all of the second.
    pub fn pads(self, each: usize) -> [Blocks; 2] {
        let ChosenSender { delta, mut blocks, first } = self;
        let hash = Hash::new();
        let zeros = hash.expand(&blocks, each, |index| tweak(first, index));
        blocks.iter_mut().for_each(|block| *block ^= delta);
        [zeros, hash.expand(&blocks, each, |index| tweak(first, index))]
    }

    /// The pads of 1 of N, N = 2^`log_n`: N for every `log_n` transfers, one behind the other.
    ///
    /// # Panics
    /// Where the transfers are not so many groups, or N is too large.
    pub fn pads_of_many(self, log_n: usize) -> Blocks {
        let ChosenSender { delta, blocks, first } = self;
        let (hash, groups) = (Hash::new(), groups(blocks.len(), log_n));
        let mut pads = Blocks::zeroed(groups << log_n);
        let mut keys = Blocks::zeroed(2 * groups);
        for level in 0..log_n {
            for (group, keys) in keys.chunks_exact_mut(2).enumerate() {
                let block = blocks[group * log_n + level];
                keys.copy_from_slice(&[block, block ^ delta]);
            }
            let half = 1 << level;
            let terms = hash.expand(&keys, half, |index| {
                tweak(first, index / 2 * log_n + level) | ((index as u128 & 1) << 16)
            });
            for (pads, terms) in pads.chunks_exact_mut(1 << log_n).zip(terms.chunks_exact(2 * half)) {
                let (zeros, ones) = pads[..2 * half].split_at_mut(half);
                for (index, (zero, one)) in zeros.iter_mut().zip(ones).enumerate() {
                    *one = *zero ^ terms[half + index];
                    *zero ^= terms[index];
                }
            }
        }
        pads
    }
}

impl ChosenReceiver {
    /// The choices.
    pub fn choices(&self) -> &[u8] {
        &self.choices
    }

    /// For each transfer the pad of its bit, `each` blocks long.
    pub fn pads(self, each: usize) -> Blocks {
        let first = self.cots.number();
        Hash::new().expand(self.cots.blocks(), each, |index| tweak(first, index))
    }

    /// For every `log_n` transfers the pad of the number that their bits are, the first of which is the lowest.
    ///
    /// # Panics
    /// Where the transfers are not so many groups, or N is too large.
    pub fn pads_of_many(self, log_n: usize) -> Blocks {
        let groups = groups(self.cots.left(), log_n);
        let (hash, first) = (Hash::new(), self.cots.number());
        let mut pads = Blocks::zeroed(groups);
        let mut keys = Blocks::zeroed(groups);
        let mut before = vec![0u16; groups];
        for level in 0..log_n {
            for (group, key) in keys.iter_mut().enumerate() {
                *key = self.cots.blocks()[group * log_n + level];
            }
            let bit = |group: usize| u16::from(self.choices[group * log_n + level]);
            hash.hash(&mut keys, |group| {
                let before = u128::from(before[group]) + (u128::from(bit(group)) << 16);
                tweak(first, group * log_n + level) + before
            });
            for (group, (pad, key)) in pads.iter_mut().zip(keys.iter()).enumerate() {
                *pad ^= *key;
                before[group] |= bit(group) << level;
            }
        }
        before.zeroize();
        pads
    }
}

/// The first tweak of a transfer.
fn tweak(first: u64, index: usize) -> u128 {
    u128::from(first + index as u64) << 32
}

fn groups(transfers: usize, log_n: usize) -> usize {
    assert!((1..=MOST_LOG_N).contains(&log_n), "1 of 2 to 256");
    assert!(transfers.is_multiple_of(log_n), "whole groups");
    transfers / log_n
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ot::testing::{ideal, random};
    use std::collections::HashSet;

    fn choices(count: usize) -> Vec<u8> {
        let mut bits = vec![0; count];
        random(9).fill(&mut bits);
        bits.iter().map(|bit| bit & 1).collect()
    }

    fn chosen(count: usize) -> (ChosenSender, ChosenReceiver) {
        let (sent, received) = ideal(count);
        let (receiver, message) = received.choose(choices(count));
        assert_eq!(message.len(), count.div_ceil(8), "as the formula says");
        (sent.chosen(&message).expect("choices"), receiver)
    }

    #[test]
    fn the_receiver_has_the_pads_of_its_bits_and_no_others() {
        for each in [0, 1, 3] {
            let (sender, receiver) = chosen(77);
            let bits = receiver.choices().to_vec();
            let ([zero, one], own) = (sender.pads(each), receiver.pads(each));
            for (index, block) in own.iter().enumerate() {
                let (mine, other) = match bits[index / each] {
                    0 => (zero[index], one[index]),
                    _ => (one[index], zero[index]),
                };
                assert!(*block == mine && *block != other, "block {index}");
            }
        }
    }

    #[test]
    fn random_transfers_have_random_bits() {
        let (sent, received) = ideal(500);
        let receiver = received.random();
        let bits = receiver.choices().to_vec();
        let ([zero, one], own) = (sent.random().pads(1), receiver.pads(1));
        let ones = bits.iter().filter(|&&bit| bit == 1).count();
        assert!((190..=310).contains(&ones), "{ones} of 500");
        for (index, block) in own.iter().enumerate() {
            assert!(*block == if bits[index] == 1 { one[index] } else { zero[index] }, "transfer {index}");
        }
    }

    #[test]
    fn of_many_pads_the_receiver_has_one() {
        for log_n in 1..=MOST_LOG_N {
            let groups = 5;
            let (sender, receiver) = chosen(groups * log_n);
            let bits = receiver.choices().to_vec();
            let (pads, own) = (sender.pads_of_many(log_n), receiver.pads_of_many(log_n));
            let all: HashSet<u128> = pads.iter().map(|pad| pad.bits()).collect();
            assert_eq!(all.len(), groups << log_n, "no two pads are alike");
            for (group, own) in own.iter().enumerate() {
                let number =
                    (0..log_n).map(|bit| usize::from(bits[group * log_n + bit]) << bit).sum::<usize>();
                assert!(pads[(group << log_n) + number] == *own, "group {group} of 1 of 2^{log_n}");
            }
        }
    }

    #[test]
    fn choices_of_another_number_are_refused() {
        let (sent, _) = ideal(17);
        let error = sent.chosen(&[0; 2]).err();
        assert_eq!(error, Some(OtError::Length { step: CHOICES, expected: 3, found: 2 }));
    }
}
