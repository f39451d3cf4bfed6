//! Comparisons, the lesser and the greater, the place of the greatest, and the number of ones.

use super::{Word, constant, same_width};
use crate::circuit::builder::Builder;
use crate::circuit::gate::Bit;

/// Whether the top bit of a word is its sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// It is worth 2^(n−1).
    Unsigned,
    /// It is worth −2^(n−1).
    Signed,
}

impl Builder {
    /// 1 where a = b.
    pub fn equal(&mut self, a: &[Bit], b: &[Bit]) -> Bit {
        let same: Word = self.xor_words(a, b).into_iter().map(|bit| !bit).collect();
        self.all(&same)
    }

    /// 1 where a < b.
    pub fn less(&mut self, a: &[Bit], b: &[Bit], sign: Sign) -> Bit {
        same_width(a, b);
        let ordered = |word: &[Bit]| {
            let mut word = word.to_vec();
            if let (Sign::Signed, Some(top)) = (sign, word.last_mut()) {
                *top = !*top;
            }
            word
        };
        self.subtract_with_borrow(&ordered(a), &ordered(b)).1
    }

    /// The lesser of the two.
    pub fn minimum(&mut self, a: &[Bit], b: &[Bit], sign: Sign) -> Word {
        let is_less = self.less(b, a, sign);
        self.select(is_less, b, a)
    }

    /// The greater of the two.
    pub fn maximum(&mut self, a: &[Bit], b: &[Bit], sign: Sign) -> Word {
        let is_greater = self.less(a, b, sign);
        self.select(is_greater, b, a)
    }

    /// The place of the greatest of the words, the first of them where several are, and its value: a tree of depth log2 of
    /// their number. The place has as many bits as the highest place.
    ///
    /// # Panics
    /// Where there is no word.
    pub fn argmax(&mut self, words: &[Word], sign: Sign) -> (Word, Word) {
        let place_bits = (words.len().max(1) - 1).checked_ilog2().map_or(0, |log| log as usize + 1);
        let mut best: Vec<(Word, Word)> = words
            .iter()
            .enumerate()
            .map(|(at, word)| (constant(at as u64, place_bits), word.clone()))
            .collect();
        while best.len() > 1 {
            best = best
                .chunks(2)
                .map(|pair| match pair {
                    [(first, a), (second, b)] => {
                        let is_greater = self.less(a, b, sign);
                        (self.select(is_greater, second, first), self.select(is_greater, b, a))
                    }
                    alone => alone[0].clone(),
                })
                .collect();
        }
        best.pop().expect("the greatest of some words")
    }

    /// How many of the bits are 1, in as many bits as their number takes: each adder of a tree takes one of them as its carry
    /// (Boyar, Peralta, "Tight bounds for the multiplicative complexity of symmetric functions", 2008, Section 3).
    pub fn count_ones(&mut self, bits: &[Bit]) -> Word {
        match bits {
            [] => Word::new(),
            [bit] => vec![*bit],
            [rest @ .., carry] => {
                // The larger part has one less than a power of two, so that its adder has no idle bit.
                let high = (1 << (rest.len() + 1).ilog2()) - 1;
                let (low, high) = rest.split_at(rest.len() - high);
                let (mut low, high) = (self.count_ones(low), self.count_ones(high));
                low.resize(high.len(), Bit::FALSE);
                let (mut sum, top) = self.add_with_carry(&low, &high, *carry);
                sum.push(top);
                sum.truncate(bits.len().ilog2() as usize + 1);
                sum
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{pairs, samples, signed, values};
    use super::*;
    use crate::share::{Parties, PartyId};

    #[test]
    fn comparisons_agree_with_numbers() {
        for bits in [1, 8, 64] {
            let rows = pairs(bits);
            let found = values(&[bits; 2], &rows, |builder, words| {
                let [a, b] = [&words[0], &words[1]];
                vec![
                    vec![builder.equal(a, b)],
                    vec![builder.less(a, b, Sign::Unsigned)],
                    vec![builder.less(a, b, Sign::Signed)],
                    builder.minimum(a, b, Sign::Unsigned),
                    builder.maximum(a, b, Sign::Unsigned),
                    builder.minimum(a, b, Sign::Signed),
                    builder.maximum(a, b, Sign::Signed),
                ]
            });
            for (row, found) in rows.iter().zip(found) {
                let (a, b) = (row[0], row[1]);
                let is_less = signed(a, bits) < signed(b, bits);
                let (least, greatest) = if is_less { (a, b) } else { (b, a) };
                let expected = [
                    u64::from(a == b),
                    u64::from(a < b),
                    u64::from(is_less),
                    a.min(b),
                    a.max(b),
                    least,
                    greatest,
                ];
                assert_eq!(found, expected, "{a} and {b} of {bits} bits");
            }
        }
    }

    #[test]
    fn the_first_of_the_greatest_is_found() {
        for count in [1, 2, 3, 5, 8] {
            let rows: Vec<Vec<u64>> = (0..100u64)
                .map(|row| {
                    (0..count).map(|at| row.wrapping_mul(0x9e37_79b9).rotate_left(7 * at) & 7).collect()
                })
                .collect();
            let found = values(&vec![3; count as usize], &rows, |builder, words| {
                let (place, value) = builder.argmax(words, Sign::Unsigned);
                vec![place, value]
            });
            for (row, found) in rows.iter().zip(found) {
                let greatest = *row.iter().max().expect("a number");
                let place = row.iter().position(|&value| value == greatest).expect("its place") as u64;
                assert_eq!(found, [place, greatest], "{row:?}");
            }
        }
    }

    #[test]
    fn ones_are_counted_with_few_gates() {
        for bits in [1usize, 2, 3, 7, 8, 33, 64] {
            let rows: Vec<Vec<u64>> = samples(bits).into_iter().map(|value| vec![value]).collect();
            let found = values(&[bits], &rows, |builder, words| vec![builder.count_ones(&words[0])]);
            for (row, found) in rows.iter().zip(found) {
                assert_eq!(found[0], u64::from(row[0].count_ones()), "{:x} of {bits} bits", row[0]);
            }
            let mut builder = Builder::new();
            let word = builder.input(PartyId(0), bits);
            let count = builder.count_ones(&word);
            builder.output(Parties::first(1), &count);
            assert_eq!(builder.finish().and_count(), bits - bits.count_ones() as usize, "{bits} bits");
        }
    }
}
