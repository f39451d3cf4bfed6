//! What several ops of a program compute together, as one function of words.

use super::Numbers;
use super::lower::{Lowering, Words, common, integer, plain_at};
use crate::circuit::word::shift::extended;
use crate::circuit::{Bit, Builder, Sign, Word};
use crate::program::{Meaning, Relation, Span, Term, ValueId};
use crate::ring::{Axis, Shape};

impl Lowering<'_> {
    /// The words of a result of this shape and so many bits.
    pub(super) fn meaning(&mut self, meaning: Meaning, shape: Shape, bits: usize) -> Vec<Word> {
        match meaning {
            Meaning::Compare(a, relation, b) => {
                let (wide, sign) = self.common(a, b);
                self.each(shape, |builder, values, row, col| {
                    let [a, b] = [Term::Value(a), b].map(|term| term_at(values, term, row, col, wide));
                    extended(&[compared(builder, &a, relation, &b, sign)], bits, Sign::Unsigned)
                })
            }
            Meaning::Larger(a, b) | Meaning::Smaller(a, b) => {
                let (wide, sign) = self.common(a, b);
                let is_larger = matches!(meaning, Meaning::Larger(..));
                self.each(shape, |builder, values, row, col| {
                    let [a, b] = [Term::Value(a), b].map(|term| term_at(values, term, row, col, wide));
                    let chosen = match is_larger {
                        true => builder.maximum(&a, &b, sign),
                        false => builder.minimum(&a, &b, sign),
                    };
                    extended(&chosen, bits, sign)
                })
            }
            Meaning::Choice(condition, x, y) => {
                let wide = self.words(condition).numbers.bits + 1;
                self.each(shape, |builder, values, row, col| {
                    let condition = plain_at(values, condition, row, col, wide);
                    let is_one = builder.equal(&condition, &integer(1, wide));
                    let [x, y] = [x, y].map(|value| plain_at(values, value, row, col, bits));
                    builder.select(is_one, &x, &y)
                })
            }
            Meaning::Magnitude(a) => {
                let wide = self.words(a).numbers.bits.max(bits);
                let is_signed = self.words(a).numbers.signed;
                self.each(shape, |builder, values, row, col| {
                    let word = plain_at(values, a, row, col, wide);
                    let magnitude = if is_signed { builder.absolute(&word) } else { word };
                    extended(&magnitude, bits, Sign::Unsigned)
                })
            }
            Meaning::Leaky(a, slope) => {
                let own = self.words(a).numbers;
                self.each(shape, |builder, values, row, col| {
                    let word = plain_at(values, a, row, col, bits);
                    if !own.signed {
                        return word;
                    }
                    let is_negative = *plain_at(values, a, row, col, own.bits).last().expect("a bit");
                    let steep = builder.multiply(&word, &integer(slope, bits));
                    builder.select(is_negative, &steep, &word)
                })
            }
            Meaning::Largest(a, axis) => self.place(a, axis, shape, bits, false),
            Meaning::Smallest(a, axis) => self.place(a, axis, shape, bits, true),
        }
    }

    /// The place of the first largest element along an axis, or of the first smallest: inverted, the order is the other one.
    fn place(&mut self, a: ValueId, axis: Axis, shape: Shape, bits: usize, smallest: bool) -> Vec<Word> {
        let (own, sign) = (self.words(a).shape, self.words(a).sign());
        let wide = self.words(a).numbers.bits;
        self.each(shape, |builder, values, row, col| {
            let along: Vec<(usize, usize)> = match axis {
                Axis::Rows => (0..own.rows).map(|row| (row, col)).collect(),
                Axis::Cols => (0..own.cols).map(|col| (row, col)).collect(),
            };
            let words: Vec<Word> = along
                .into_iter()
                .map(|(row, col)| {
                    let word = plain_at(values, a, row, col, wide);
                    if smallest { word.into_iter().map(|bit| !bit).collect() } else { word }
                })
                .collect();
            extended(&builder.argmax(&words, sign).0, bits, Sign::Unsigned)
        })
    }

    /// Bits and reading that hold the integers of a value and a term.
    fn common(&self, a: ValueId, b: Term) -> (usize, Sign) {
        let b = match b {
            Term::Value(b) => self.words(b).numbers,
            Term::Constant(integer) => Numbers::of(1, Span::at(integer), usize::MAX),
        };
        common(self.words(a).numbers, b)
    }
}

fn term_at(values: &[Option<Words>], term: Term, row: usize, col: usize, bits: usize) -> Word {
    match term {
        Term::Value(id) => plain_at(values, id, row, col, bits),
        Term::Constant(constant) => integer(constant, bits),
    }
}

fn compared(builder: &mut Builder, a: &[Bit], relation: Relation, b: &[Bit], sign: Sign) -> Bit {
    match relation {
        Relation::Less => builder.less(a, b, sign),
        Relation::AtLeast => !builder.less(a, b, sign),
        Relation::Greater => builder.less(b, a, sign),
        Relation::AtMost => !builder.less(b, a, sign),
        Relation::Equal => builder.equal(a, b),
        Relation::NotEqual => !builder.equal(a, b),
    }
}
