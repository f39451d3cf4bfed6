//! Shifts and rotations: by constants they are free, by words they are layers of selections.

use super::{Sign, Word};
use crate::circuit::builder::Builder;
use crate::circuit::gate::Bit;

/// The word shifted towards the top, zeros entering.
pub fn shifted_left(word: &[Bit], by: usize) -> Word {
    let by = by.min(word.len());
    let mut shifted = vec![Bit::FALSE; by];
    shifted.extend(&word[..word.len() - by]);
    shifted
}

/// The word shifted towards the bottom; zeros enter, or the sign.
pub fn shifted_right(word: &[Bit], by: usize, sign: Sign) -> Word {
    extended(&word[by.min(word.len())..], word.len(), sign_of(word, sign))
}

/// The word rotated towards the bottom.
pub fn rotated_right(word: &[Bit], by: usize) -> Word {
    let mut rotated = word.to_vec();
    if !word.is_empty() {
        rotated.rotate_left(by % word.len());
    }
    rotated
}

/// The word with more bits or fewer: above it are zeros, or its sign.
pub fn extended(word: &[Bit], bits: usize, fill: impl Into<Fill>) -> Word {
    let fill = match fill.into() {
        Fill::Sign(sign) => sign_of(word, sign),
        Fill::Bit(bit) => bit,
    };
    let mut extended = word.to_vec();
    extended.resize(bits, fill);
    extended
}

/// What enters above a word.
pub enum Fill {
    /// Zeros, or the word's own sign.
    Sign(Sign),
    /// This bit.
    Bit(Bit),
}

impl From<Sign> for Fill {
    fn from(sign: Sign) -> Fill {
        Fill::Sign(sign)
    }
}

impl From<Bit> for Fill {
    fn from(bit: Bit) -> Fill {
        Fill::Bit(bit)
    }
}

fn sign_of(word: &[Bit], sign: Sign) -> Bit {
    match (sign, word.last()) {
        (Sign::Signed, Some(&top)) => top,
        _ => Bit::FALSE,
    }
}

impl Builder {
    /// The word shifted towards the top by an unsigned amount; by its width or more it is 0.
    pub fn shift_left_by(&mut self, word: &[Bit], amount: &[Bit]) -> Word {
        self.shift_by(word, amount, shifted_left)
    }

    /// The word shifted towards the bottom by an unsigned amount, zeros entering, or the sign.
    pub fn shift_right_by(&mut self, word: &[Bit], amount: &[Bit], sign: Sign) -> Word {
        self.shift_by(word, amount, |word, by| shifted_right(word, by, sign))
    }

    /// The word rotated towards the bottom by an unsigned amount.
    pub fn rotate_right_by(&mut self, word: &[Bit], amount: &[Bit]) -> Word {
        let mut by = 1 % word.len().max(1);
        let mut rotated = word.to_vec();
        for &bit in amount {
            let other = rotated_right(&rotated, by);
            rotated = self.select(bit, &other, &rotated);
            by = 2 * by % word.len().max(1);
        }
        rotated
    }

    fn shift_by(&mut self, word: &[Bit], amount: &[Bit], shift: impl Fn(&[Bit], usize) -> Word) -> Word {
        let mut shifted = word.to_vec();
        for (at, &bit) in amount.iter().enumerate() {
            let by = 1usize.checked_shl(at as u32).unwrap_or(usize::MAX);
            let other = shift(&shifted, by);
            shifted = self.select(bit, &other, &shifted);
        }
        shifted
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{samples, signed, values};
    use super::*;

    #[test]
    fn shifts_agree_with_numbers() {
        const BITS: usize = 13;
        const AMOUNT_BITS: usize = 5;
        let rows: Vec<Vec<u64>> =
            samples(BITS).into_iter().flat_map(|word| (0..32).map(move |by| vec![word, by])).collect();
        let found = values(&[BITS, AMOUNT_BITS], &rows, |builder, words| {
            let [word, by] = [&words[0], &words[1]];
            vec![
                builder.shift_left_by(word, by),
                builder.shift_right_by(word, by, Sign::Unsigned),
                builder.shift_right_by(word, by, Sign::Signed),
                builder.rotate_right_by(word, by),
                shifted_left(word, 3),
                shifted_right(word, 3, Sign::Signed),
            ]
        });
        let mask = u64::MAX >> (64 - BITS);
        for (row, found) in rows.iter().zip(found) {
            let (word, by) = (row[0], row[1] as usize);
            let turn = by % BITS;
            let expected = [
                word << by & mask,
                word >> by,
                (signed(word, BITS) >> by) as u64 & mask,
                (word >> turn | word << (BITS - turn)) & mask,
                word << 3 & mask,
                (signed(word, BITS) >> 3) as u64 & mask,
            ];
            assert_eq!(found, expected, "{word:x} by {by}");
        }
    }
}
