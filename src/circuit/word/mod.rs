//! Words: bits of a circuit as numbers, lowest bit first, in two's complement where they are signed.
//!
//! | function | AND gates, n bits |
//! |---|---|
//! | [`add`](Builder::add), [`subtract`](Builder::subtract), [`negate`](Builder::negate) | n − 1 |
//! | [`less`](Builder::less), [`select`](Builder::select), [`add_with_carry`](Builder::add_with_carry) | n |
//! | [`equal`](Builder::equal) | n − 1 |
//! | [`minimum`](Builder::minimum), [`maximum`](Builder::maximum), an exchange of a [sort](Builder::sort) | 2n |
//! | [`multiply`](Builder::multiply) modulo 2^n | n² |
//! | [`divide`](Builder::divide), with the remainder | n² + 3n |
//! | [`count_ones`](Builder::count_ones) | n less the ones of n |
//! | shifts by a constant | none |
//! | [`shift_left_by`](Builder::shift_left_by) and its like | n for each bit of the amount |

mod arithmetic;
mod compare;
pub mod shift;
mod sort;

pub use compare::Sign;

use super::builder::Builder;
use super::gate::Bit;

/// The bits of a number, lowest first.
pub type Word = Vec<Bit>;

/// A constant of so many bits.
pub fn constant(value: u64, bits: usize) -> Word {
    (0..bits).map(|at| Bit::constant(at < 64 && value >> at & 1 != 0)).collect()
}

/// Where operands must be as wide as each other.
fn same_width(a: &[Bit], b: &[Bit]) {
    assert_eq!(a.len(), b.len(), "both words have the same number of bits");
}

impl Builder {
    /// a ⊕ b, bit by bit.
    ///
    /// # Panics
    /// Where the words are not of the same width; so do all others with two operands.
    pub fn xor_words(&mut self, a: &[Bit], b: &[Bit]) -> Word {
        same_width(a, b);
        a.iter().zip(b).map(|(&a, &b)| self.xor(a, b)).collect()
    }

    /// a ∧ b, bit by bit.
    pub fn and_words(&mut self, a: &[Bit], b: &[Bit]) -> Word {
        same_width(a, b);
        a.iter().zip(b).map(|(&a, &b)| self.and(a, b)).collect()
    }

    /// Every bit of `a` and `bit`.
    pub fn mask(&mut self, a: &[Bit], bit: Bit) -> Word {
        a.iter().map(|&a| self.and(a, bit)).collect()
    }

    /// `a` where `condition` is 1, else `b`.
    pub fn select(&mut self, condition: Bit, a: &[Bit], b: &[Bit]) -> Word {
        same_width(a, b);
        a.iter().zip(b).map(|(&a, &b)| self.choose(condition, a, b)).collect()
    }

    /// Exchanges `a` and `b` where `condition` is 1: one AND for each bit.
    pub fn exchange(&mut self, condition: Bit, a: &mut Word, b: &mut Word) {
        same_width(a, b);
        for (a, b) in a.iter_mut().zip(b) {
            let differ = self.xor(*a, *b);
            let change = self.and(condition, differ);
            *a = self.xor(*a, change);
            *b = self.xor(*b, change);
        }
    }

    /// 1 where all are.
    pub fn all(&mut self, bits: &[Bit]) -> Bit {
        match bits {
            [] => Bit::TRUE,
            [bit] => *bit,
            bits => {
                let (low, high) = bits.split_at(bits.len() / 2);
                let (low, high) = (self.all(low), self.all(high));
                self.and(low, high)
            }
        }
    }

    /// 1 where one is.
    pub fn any(&mut self, bits: &[Bit]) -> Bit {
        let inverted: Word = bits.iter().map(|&bit| !bit).collect();
        !self.all(&inverted)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::share::{Parties, PartyId};

    /// The outputs of a function of words, each a number, for each row of inputs of these widths.
    pub fn values(
        widths: &[usize],
        rows: &[Vec<u64>],
        function: impl FnOnce(&mut Builder, &[Word]) -> Vec<Word>,
    ) -> Vec<Vec<u64>> {
        let mut builder = Builder::new();
        let inputs: Vec<Word> = widths.iter().map(|&bits| builder.input(PartyId(0), bits)).collect();
        let outputs = function(&mut builder, &inputs);
        outputs.iter().for_each(|word| builder.output(Parties::first(1), word));
        let circuit = builder.finish();
        let mut results = Vec::new();
        for rows in rows.chunks(64) {
            let mut sliced = Vec::new();
            for (at, &bits) in widths.iter().enumerate() {
                let bit =
                    |bit: usize| (0..rows.len()).map(|row| (rows[row][at] >> bit & 1) << row).sum::<u64>();
                sliced.extend((0..bits).map(bit));
            }
            let found = circuit.evaluate_sliced(&sliced);
            results.extend((0..rows.len()).map(|row| {
                let mut bits = found.iter().map(|word| word >> row & 1);
                let number = |word: &Word| (0..word.len()).map(|at| bits.next().expect("a bit") << at).sum();
                outputs.iter().map(number).collect()
            }));
        }
        results
    }

    /// Numbers whose bits are all that there is, and some between, of so many bits.
    pub fn samples(bits: usize) -> Vec<u64> {
        let mask = u64::MAX >> (64 - bits);
        let mut state = 0x9e37_79b9_7f4a_7c15u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state ^ state >> 29
        };
        let top = 1u64 << (bits - 1);
        let mut samples: Vec<u64> =
            [0, 1, 2, 3, top, top - 1, top + 1, u64::MAX, u64::MAX - 1].map(|value| value & mask).to_vec();
        samples.extend((0..8).map(|_| random() & mask));
        samples.extend((0..4).map(|_| random() & mask >> (bits / 2)));
        samples
    }

    /// All pairs of samples.
    pub fn pairs(bits: usize) -> Vec<Vec<u64>> {
        let samples = samples(bits);
        samples.iter().flat_map(|&a| samples.iter().map(move |&b| vec![a, b])).collect()
    }

    /// A number of so many bits, with its sign.
    pub fn signed(value: u64, bits: usize) -> i64 {
        (value << (64 - bits)) as i64 >> (64 - bits)
    }
}
