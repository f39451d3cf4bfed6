//! AES-128 (FIPS 197, "Advanced Encryption Standard"): 6,400 AND gates, 200 S-boxes of 32 each.
//!
//! The S-box is the circuit of J. Boyar and R. Peralta, "A new combinational logic minimization technique with applications
//! to cryptology" (SEA 2010, ePrint 2009/191, Section 4): a linear layer of 23 XORs, inversion in GF(2^8) through GF(2^4), and
//! a linear layer of 30. Here the layers are lists of pairs of places, one behind the other, each of which adds up two of what is there before it, and the
//! numbering of the paper is replaced by places in those lists. Bit 0 of the layers is the highest of a byte.

use crate::circuit::Circuit;
use crate::circuit::builder::Builder;
use crate::circuit::gate::Bit;
use crate::circuit::word::{Word, constant};
use crate::share::{Parties, PartyId};

/// The linear layer in front of the inversion: after 8 bits, each is the sum of two before it.
const BEFORE: [usize; 46] = [
    3, 5, 0, 6, 0, 3, 0, 5, 1, 2, 12, 7, 13, 3, 9, 8, 13, 0, 13, 6, 17, 11, 4, 15, 19, 5, 19, 1, 20, 7, 20,
    12, 21, 10, 7, 24, 23, 24, 23, 11, 12, 24, 9, 28, 0, 28,
];

/// The products that the inversion starts with, of bits of the layer before it.
const PRODUCTS: [usize; 18] = [15, 20, 18, 22, 14, 7, 9, 28, 17, 13, 16, 25, 10, 24, 8, 26, 11, 23];

/// The bits of the layer before it that are added to the sums of those products.
const ADDED: [usize; 4] = [21, 27, 29, 30];

/// The products that it ends with: of a bit of the inverse in GF(2^4), or a sum of some, with a bit of the layer before it.
const LAST_PRODUCTS: [usize; 36] = [
    7, 20, 2, 22, 1, 7, 6, 28, 3, 13, 0, 25, 5, 24, 8, 26, 4, 23, 7, 15, 2, 18, 1, 14, 6, 9, 3, 17, 0, 16, 5,
    10, 8, 8, 4, 11,
];

/// The linear layer behind the inversion: after those 18 products, each is the sum of two before it.
const BEHIND: [usize; 60] = [
    15, 16, 10, 11, 5, 13, 9, 10, 2, 12, 2, 5, 7, 8, 0, 3, 6, 7, 16, 17, 12, 20, 22, 25, 4, 18, 3, 26, 18,
    29, 14, 29, 24, 30, 21, 30, 4, 31, 33, 34, 1, 35, 31, 35, 28, 34, 20, 32, 36, 37, 25, 38, 23, 38, 19, 37,
    36, 43, 27, 42,
];

/// The result's bits in the layer behind the inversion, the highest first.
const RESULT: [usize; 8] = [39, 46, 47, 43, 44, 45, 40, 41];

/// What is added to the result.
const ADDEND: u8 = 0x63;

/// The circuit of AES-128: party 0's key, party 1's block, and the encrypted block, which both learn.
pub fn aes128() -> Circuit {
    let mut builder = Builder::new();
    let key = builder.input(PartyId(0), 128);
    let block = builder.input(PartyId(1), 128);
    let encrypted = builder.aes128(&key, &block);
    builder.output(Parties::first(2), &encrypted);
    builder.finish()
}

impl Builder {
    /// The AES-128 encryption of a block of 128 bits under a key of as many.
    ///
    /// # Panics
    /// Where one has not 128 bits.
    pub fn aes128(&mut self, key: &[Bit], block: &[Bit]) -> Word {
        assert_eq!((key.len(), block.len()), (128, 128), "AES-128 takes 128 bits and 128 bits");
        let mut round_key = key.to_vec();
        let mut state = self.xor_words(block, &round_key);
        let mut constant_of_round = 1u8;
        for round in 1..=10 {
            let bytes: Vec<Word> = state.chunks(8).map(|byte| self.s_box(byte)).collect();
            // Row r is rotated by r columns.
            let mut columns: Vec<Vec<Word>> = (0..4)
                .map(|column| (0..4).map(|row| bytes[row + 4 * ((column + row) % 4)].clone()).collect())
                .collect();
            if round < 10 {
                columns = columns.iter().map(|column| self.mix_column(column)).collect();
            }
            round_key = self.next_round_key(&round_key, constant_of_round);
            constant_of_round = (constant_of_round << 1) ^ (0x1b * (constant_of_round >> 7));
            state = self.xor_words(&columns.concat().concat(), &round_key);
        }
        state
    }

    /// The AES S-box of a byte, lowest bit first: 32 AND gates.
    fn s_box(&mut self, byte: &[Bit]) -> Word {
        let mut before: Word = byte.iter().rev().copied().collect();
        self.extend_by_sums(&mut before, &BEFORE);
        let p: Word = PRODUCTS.as_chunks().0.iter().map(|&[a, b]| self.and(before[a], before[b])).collect();
        // The four bits of which the inverse in GF(2^4) is taken.
        let sums = [(1, 0, 7, 6), (2, 0, 8, 6), (4, 3, 7, 6), (5, 3, 8, 6)];
        let mut inverted = [Bit::FALSE; 4];
        for ((bit, (a, b, c, d)), added) in inverted.iter_mut().zip(sums).zip(ADDED) {
            *bit = self.sum_of_bits(&[p[a], p[b], p[c], p[d], before[added]]);
        }
        let inverse = self.inverse_in_gf16(inverted);
        let mut behind: Word =
            LAST_PRODUCTS.as_chunks().0.iter().map(|&[a, b]| self.and(inverse[a], before[b])).collect();
        self.extend_by_sums(&mut behind, &BEHIND);
        let highest_first = RESULT.iter().enumerate();
        let mut result: Word = highest_first
            .map(|(at, &place)| behind[place].inverted_if(ADDEND >> (7 - at) & 1 != 0))
            .collect();
        result.reverse();
        result
    }

    /// The inverse of a number of GF(2^4) in the basis of the paper, and the sums of its bits that the last products take.
    fn inverse_in_gf16(&mut self, [a, b, c, d]: [Bit; 4]) -> [Bit; 9] {
        let a_and_b = self.xor(a, b);
        let ac = self.and(a, c);
        let left = self.xor(d, ac);
        let part = self.and(a_and_b, left);
        let first = self.xor(part, b);
        let c_and_d = self.xor(c, d);
        let right = self.xor(b, ac);
        let part = self.and(right, c_and_d);
        let second = self.xor(part, d);
        let rest = self.xor(left, second);
        let part = self.and(d, rest);
        let base = self.xor(c, second);
        let third = self.xor(part, base);
        let other = self.xor(left, part);
        let part = self.and(first, other);
        let fourth = self.xor(a_and_b, part);
        let fourth_third = self.xor(fourth, third);
        let first_second = self.xor(first, second);
        let first_fourth = self.xor(first, fourth);
        let second_third = self.xor(second, third);
        let all = self.xor(first_second, fourth_third);
        [first, second, third, fourth, fourth_third, first_second, first_fourth, second_third, all]
    }

    fn extend_by_sums(&mut self, bits: &mut Word, pairs: &[usize]) {
        for &[a, b] in pairs.as_chunks().0 {
            bits.push(self.xor(bits[a], bits[b]));
        }
    }

    fn sum_of_bits(&mut self, bits: &[Bit]) -> Bit {
        bits.iter().fold(Bit::FALSE, |sum, &bit| self.xor(sum, bit))
    }

    /// A column times 2, 3, 1, 1 rotated by rows: with s the sum of all, byte r becomes itself + s + 2·(byte r + byte r+1).
    fn mix_column(&mut self, column: &[Word]) -> Vec<Word> {
        let sums: Vec<Word> =
            (0..4).map(|row| self.xor_words(&column[row], &column[(row + 1) % 4])).collect();
        let sum = self.xor_words(&sums[0], &sums[2]);
        (0..4)
            .map(|row| {
                let mut doubled = sums[row].clone();
                doubled.rotate_right(1);
                for at in [1, 3, 4] {
                    doubled[at] = self.xor(doubled[at], sums[row][7]);
                }
                let rest = self.xor_words(&column[row], &sum);
                self.xor_words(&doubled, &rest)
            })
            .collect()
    }

    fn next_round_key(&mut self, key: &[Bit], constant_of_round: u8) -> Word {
        let words: Vec<&[Bit]> = key.chunks(32).collect();
        let mut turned: Vec<Word> = words[3].chunks(8).map(|byte| self.s_box(byte)).collect();
        turned.rotate_left(1);
        let mut last = turned.concat();
        let constant_word = constant(u64::from(constant_of_round), 32);
        last = self.xor_words(&last, &constant_word);
        let mut next = Word::with_capacity(128);
        for word in words {
            last = self.xor_words(&last, word);
            next.extend(&last);
        }
        next
    }
}
