//! Sums, products and quotients.
//!
//! A full adder has one AND: with c the carry, the next is c ⊕ ((a ⊕ c) ∧ (b ⊕ c)) (Kolesnikov, Sadeghi, Schneider,
//! "Improved Garbled Circuit Building Blocks", CANS 2009, Section 3.1). Division does not restore: each step adds or
//! subtracts the divisor by the sign that the step before left, so that a bit of the quotient costs one addition.

use super::{Sign, Word, constant, same_width};
use crate::circuit::builder::Builder;
use crate::circuit::gate::Bit;

impl Builder {
    /// a + b + carry modulo 2^n, and the carry out of the top bit.
    pub fn add_with_carry(&mut self, a: &[Bit], b: &[Bit], carry: Bit) -> (Word, Bit) {
        same_width(a, b);
        let mut carry = carry;
        let mut sum = Word::with_capacity(a.len());
        for (&a, &b) in a.iter().zip(b) {
            let a_and_carry = self.xor(a, carry);
            let b_and_carry = self.xor(b, carry);
            sum.push(self.xor(a, b_and_carry));
            let change = self.and(a_and_carry, b_and_carry);
            carry = self.xor(carry, change);
        }
        (sum, carry)
    }

    /// a + b modulo 2^n.
    pub fn add(&mut self, a: &[Bit], b: &[Bit]) -> Word {
        self.add_with_carry(a, b, Bit::FALSE).0
    }

    /// a − b modulo 2^n.
    pub fn subtract(&mut self, a: &[Bit], b: &[Bit]) -> Word {
        self.subtract_with_borrow(a, b).0
    }

    /// a − b modulo 2^n, and 1 where b > a as unsigned numbers.
    pub fn subtract_with_borrow(&mut self, a: &[Bit], b: &[Bit]) -> (Word, Bit) {
        let inverted: Word = b.iter().map(|&bit| !bit).collect();
        let (difference, carry) = self.add_with_carry(a, &inverted, Bit::TRUE);
        (difference, !carry)
    }

    /// −a modulo 2^n.
    pub fn negate(&mut self, a: &[Bit]) -> Word {
        self.negate_where(Bit::TRUE, a)
    }

    /// −a modulo 2^n where `condition` is 1, else a.
    pub fn negate_where(&mut self, condition: Bit, a: &[Bit]) -> Word {
        let flipped: Word = a.iter().map(|&bit| self.xor(bit, condition)).collect();
        self.add_with_carry(&flipped, &constant(0, a.len()), condition).0
    }

    /// The magnitude of a signed number. That of the least, −2^(n−1), is itself.
    pub fn absolute(&mut self, a: &[Bit]) -> Word {
        match a.last() {
            Some(&sign) => self.negate_where(sign, a),
            None => Word::new(),
        }
    }

    /// The sum of all words modulo 2^n: three become two without carries being handed on, until two are left, so that the
    /// depth grows by one for each layer of a tree (Wallace, "A Suggestion for a Fast Multiplier", 1964).
    ///
    /// # Panics
    /// Where there is no word.
    pub fn sum(&mut self, words: &[Word]) -> Word {
        let mut words = words.to_vec();
        while words.len() > 2 {
            let mut next = Vec::with_capacity(words.len() * 2 / 3 + 1);
            for group in words.chunks(3) {
                match group {
                    [a, b, c] => next.extend(self.three_to_two(a, b, c)),
                    rest => next.extend_from_slice(rest),
                }
            }
            words = next;
        }
        match &words[..] {
            [a, b] => self.add(a, b),
            [a] => a.clone(),
            _ => panic!("a sum has an operand"),
        }
    }

    /// Two words with the sum of three.
    fn three_to_two(&mut self, a: &[Bit], b: &[Bit], c: &[Bit]) -> [Word; 2] {
        same_width(a, b);
        same_width(b, c);
        let mut sum = Word::with_capacity(a.len());
        let mut carries = vec![Bit::FALSE];
        for ((&a, &b), &c) in a.iter().zip(b).zip(c) {
            let a_and_c = self.xor(a, c);
            let b_and_c = self.xor(b, c);
            sum.push(self.xor(a, b_and_c));
            let change = self.and(a_and_c, b_and_c);
            carries.push(self.xor(c, change));
        }
        carries.truncate(a.len());
        [sum, carries]
    }

    /// a · b modulo 2^n; the same for signed and for unsigned numbers.
    pub fn multiply(&mut self, a: &[Bit], b: &[Bit]) -> Word {
        same_width(a, b);
        self.multiply_low(a, b, a.len())
    }

    /// The unsigned product of words of any widths, with all of its bits.
    pub fn multiply_wide(&mut self, a: &[Bit], b: &[Bit]) -> Word {
        self.multiply_low(a, b, a.len() + b.len())
    }

    /// The signed product of words of any widths, with all of its bits: the unsigned one, less each word at the other's end where
    /// that is negative (Baugh, Wooley, "A Two's Complement Parallel Array Multiplication Algorithm", 1973).
    pub fn multiply_signed(&mut self, a: &[Bit], b: &[Bit]) -> Word {
        let mut product = self.multiply_wide(a, b);
        for (negative, other) in [(a, b), (b, a)] {
            let Some(&sign) = negative.last() else { continue };
            let at = negative.len();
            let taken = self.mask(other, sign);
            let high = self.subtract(&product[at..], &taken);
            product[at..].copy_from_slice(&high);
        }
        product
    }

    /// The lowest bits of the unsigned product: row by row of partial products.
    fn multiply_low(&mut self, a: &[Bit], b: &[Bit], bits: usize) -> Word {
        let mut sum = constant(0, bits);
        for (at, &factor) in b.iter().enumerate().take(bits) {
            let row = &a[..a.len().min(bits - at)];
            let row = self.mask(row, factor);
            let reached = at + row.len();
            let (low, carry) = self.add_with_carry(&sum[at..reached], &row, Bit::FALSE);
            sum[at..reached].copy_from_slice(&low);
            if reached < bits {
                // What the rows before reached ends here at the latest.
                sum[reached] = carry;
            }
        }
        sum
    }

    /// Quotient and remainder of unsigned numbers. By zero, the quotient is all ones and the remainder is `a`.
    pub fn divide_unsigned(&mut self, a: &[Bit], divisor: &[Bit]) -> (Word, Word) {
        same_width(a, divisor);
        let bits = a.len();
        // One bit more than the divisor has holds every remainder from −divisor to divisor − 1.
        let mut wide = divisor.to_vec();
        wide.push(Bit::FALSE);
        let mut remainder = constant(0, bits + 1);
        let mut is_negative = Bit::FALSE;
        let mut quotient = constant(0, bits);
        for at in (0..bits).rev() {
            remainder.rotate_right(1);
            remainder[0] = a[at];
            let term: Word = wide.iter().map(|&bit| self.xor(bit, !is_negative)).collect();
            remainder = self.add_with_carry(&remainder, &term, !is_negative).0;
            is_negative = remainder[bits];
            quotient[at] = !is_negative;
        }
        let correction = self.mask(divisor, is_negative);
        (quotient, self.add(&remainder[..bits], &correction))
    }

    /// Quotient, rounded towards zero, and remainder, with the sign of `a`. By zero, the remainder is `a`, and the quotient
    /// −1 where `a` ≥ 0, else 1. The least number divided by −1 is itself.
    pub fn divide_signed(&mut self, a: &[Bit], divisor: &[Bit]) -> (Word, Word) {
        let (Some(&a_sign), Some(&divisor_sign)) = (a.last(), divisor.last()) else {
            return (Word::new(), Word::new());
        };
        let (a, divisor) = (self.absolute(a), self.absolute(divisor));
        let (quotient, remainder) = self.divide_unsigned(&a, &divisor);
        let differ = self.xor(a_sign, divisor_sign);
        (self.negate_where(differ, &quotient), self.negate_where(a_sign, &remainder))
    }

    /// Quotient and remainder.
    pub fn divide(&mut self, a: &[Bit], divisor: &[Bit], sign: Sign) -> (Word, Word) {
        match sign {
            Sign::Unsigned => self.divide_unsigned(a, divisor),
            Sign::Signed => self.divide_signed(a, divisor),
        }
    }

    /// The product of signed fixed-point numbers of so many fraction bits, rounded down, modulo 2^n.
    ///
    /// # Panics
    /// Where words are of no or of different widths.
    pub fn multiply_fixed(&mut self, a: &[Bit], b: &[Bit], fraction_bits: usize) -> Word {
        same_width(a, b);
        let bits = a.len();
        let [a, b] = [a, b].map(|word| super::shift::extended(word, bits + fraction_bits, Sign::Signed));
        self.multiply(&a, &b)[fraction_bits..].to_vec()
    }

    /// The quotient of signed fixed-point numbers of so many fraction bits, rounded towards zero, modulo 2^n. By zero it is
    /// as [`divide_signed`](Builder::divide_signed) has it.
    ///
    /// # Panics
    /// Where words are of no or of different widths.
    pub fn divide_fixed(&mut self, a: &[Bit], divisor: &[Bit], fraction_bits: usize) -> Word {
        same_width(a, divisor);
        let wide = a.len() + fraction_bits;
        let mut dividend = constant(0, fraction_bits);
        dividend.extend(a);
        let divisor = super::shift::extended(divisor, wide, Sign::Signed);
        self.divide_signed(&dividend, &divisor).0[..a.len()].to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{pairs, samples, signed, values};
    use super::*;

    const WIDTHS: [usize; 5] = [1, 7, 8, 33, 64];

    fn mask(bits: usize) -> u64 {
        u64::MAX >> (64 - bits)
    }

    #[test]
    fn sums_and_products_wrap() {
        for bits in WIDTHS {
            let rows = pairs(bits);
            let found = values(&[bits; 2], &rows, |builder, words| {
                let [a, b] = [&words[0], &words[1]];
                vec![
                    builder.add(a, b),
                    builder.subtract(a, b),
                    builder.multiply(a, b),
                    builder.negate(a),
                    builder.absolute(a),
                    builder.sum(&[a.clone(), b.clone(), a.clone(), a.clone(), b.clone()]),
                ]
            });
            for (row, found) in rows.iter().zip(found) {
                let (a, b) = (row[0], row[1]);
                let expected = [
                    a.wrapping_add(b),
                    a.wrapping_sub(b),
                    a.wrapping_mul(b),
                    a.wrapping_neg(),
                    signed(a, bits).unsigned_abs(),
                    a.wrapping_mul(3).wrapping_add(b.wrapping_mul(2)),
                ];
                assert_eq!(found, expected.map(|value| value & mask(bits)), "{a} and {b} of {bits} bits");
            }
        }
    }

    #[test]
    fn a_wide_product_has_all_bits() {
        let rows: Vec<_> = samples(17).into_iter().flat_map(|a| samples(30).map_with(a)).collect();
        let found =
            values(&[17, 30], &rows, |builder, words| vec![builder.multiply_wide(&words[0], &words[1])]);
        for (row, found) in rows.iter().zip(found) {
            assert_eq!(found[0], row[0] * row[1]);
        }
    }

    #[test]
    fn a_signed_product_has_all_bits() {
        let rows: Vec<_> = samples(17).into_iter().flat_map(|a| samples(30).map_with(a)).collect();
        let found =
            values(&[17, 30], &rows, |builder, words| vec![builder.multiply_signed(&words[0], &words[1])]);
        for (row, found) in rows.iter().zip(found) {
            let [a, b] = [signed(row[0], 17), signed(row[1], 30)];
            assert_eq!(signed(found[0], 47), a * b, "{a} times {b}");
        }
    }

    /// Rows of one number with each of some others.
    trait MapWith {
        fn map_with(self, a: u64) -> Vec<Vec<u64>>;
    }

    impl MapWith for Vec<u64> {
        fn map_with(self, a: u64) -> Vec<Vec<u64>> {
            self.into_iter().map(|b| vec![a, b]).collect()
        }
    }

    #[test]
    fn quotients_round_towards_zero() {
        for bits in WIDTHS {
            let rows = pairs(bits);
            let found = values(&[bits; 2], &rows, |builder, words| {
                let (quotient, remainder) = builder.divide(&words[0], &words[1], Sign::Unsigned);
                let (of_signed, rest) = builder.divide(&words[0], &words[1], Sign::Signed);
                vec![quotient, remainder, of_signed, rest]
            });
            for (row, found) in rows.iter().zip(found) {
                let (a, b) = (row[0], row[1]);
                let (x, y) = (signed(a, bits), signed(b, bits));
                let by_zero = (if x < 0 { 1 } else { -1 }, x);
                let (quotient, rest) = if y == 0 { by_zero } else { (x.wrapping_div(y), x.wrapping_rem(y)) };
                let expected = [
                    a.checked_div(b).unwrap_or(u64::MAX),
                    a.checked_rem(b).unwrap_or(a),
                    quotient as u64,
                    rest as u64,
                ];
                assert_eq!(found, expected.map(|value| value & mask(bits)), "{a} by {b} of {bits} bits");
            }
        }
    }

    #[test]
    fn fixed_point_rounds_as_it_says() {
        const BITS: usize = 32;
        const FRACTION_BITS: usize = 12;
        let rows = pairs(BITS);
        let found = values(&[BITS; 2], &rows, |builder, words| {
            vec![
                builder.multiply_fixed(&words[0], &words[1], FRACTION_BITS),
                builder.divide_fixed(&words[0], &words[1], FRACTION_BITS),
            ]
        });
        for (row, found) in rows.iter().zip(found) {
            let (a, b) = (signed(row[0], BITS), signed(row[1], BITS));
            assert_eq!(found[0], ((a * b) >> FRACTION_BITS) as u64 & mask(BITS), "{a} · {b}");
            if b != 0 {
                assert_eq!(found[1], ((a << FRACTION_BITS) / b) as u64 & mask(BITS), "{a} / {b}");
            }
        }
    }

    #[test]
    fn counts_are_those_stated() {
        use crate::share::{Parties, PartyId};
        type Function = fn(&mut Builder, &[Bit], &[Bit]) -> Word;
        let cases: [(Function, usize); 4] = [
            (|builder, a, b| builder.add(a, b), 31),
            (|builder, a, b| builder.subtract(a, b), 31),
            (|builder, a, b| builder.multiply(a, b), 32 * 32),
            (|builder, a, b| builder.divide_unsigned(a, b).0, 32 * 32 + 32),
        ];
        for (function, ands) in cases {
            let mut builder = Builder::new();
            let (a, b) = (builder.input(PartyId(0), 32), builder.input(PartyId(1), 32));
            let word = function(&mut builder, &a, &b);
            builder.output(Parties::first(2), &word);
            let found = builder.finish().and_count();
            assert!(found <= ands, "{found} AND gates, at most {ands}");
        }
    }
}
