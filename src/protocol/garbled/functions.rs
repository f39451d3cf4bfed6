//! Functions of circuits that programs do not have.

use super::lower::Words;
use crate::circuit::word::shift::extended;
use crate::circuit::{Builder, Sign, Word};
use crate::program::{Program, Span, ValueId};
use crate::ring::Shape;

/// A function of one or two values of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// The elements along the last axis in order, the least first.
    Sort,
    /// The quotient, rounded towards zero. By zero it is an integer all of whose bits are set where both have no sign, else
    /// −1 where the dividend is not negative, and 1 where it is.
    Quotient,
    /// What the quotient leaves, with the sign of the dividend; by zero the dividend.
    Remainder,
}

/// An input of a program that the circuit computes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Computed {
    /// The number of the input.
    pub input: usize,
    /// What it is.
    pub function: Function,
    /// Of which values.
    pub of: Vec<ValueId>,
}

impl Function {
    /// All of them.
    pub const ALL: [Function; 3] = [Function::Sort, Function::Quotient, Function::Remainder];

    /// Its name in steps.
    pub const fn name(self) -> &'static str {
        match self {
            Function::Sort => "sort",
            Function::Quotient => "quotient",
            Function::Remainder => "remainder",
        }
    }

    /// The number of its arguments.
    pub const fn arguments(self) -> usize {
        match self {
            Function::Sort => 1,
            Function::Quotient | Function::Remainder => 2,
        }
    }

    /// The integers that the result can be, of arguments that can be these.
    pub fn span(self, of: &[Span]) -> Span {
        match self {
            Function::Sort => of[0],
            Function::Quotient | Function::Remainder => {
                let bits = common(of[0], of[1]);
                let signed = of.iter().any(|span| span.low < 0);
                match (self, signed) {
                    (Function::Remainder, _) => of[0].hull(Span::at(0)),
                    // By zero all bits are set.
                    (_, false) => Span::new(0, (1i128 << bits) - 1),
                    (_, true) => {
                        let most = of[0].magnitude().high.max(1);
                        Span::symmetric(most)
                    }
                }
            }
        }
    }

    /// About how many AND gates it takes for words of this many elements and bits.
    pub(super) fn gates(self, shape: Shape, bits: usize) -> u64 {
        let (len, bits) = (shape.len() as u64, bits as u64);
        match self {
            Function::Sort => {
                let log = u64::from(shape.cols.max(1).next_power_of_two().ilog2());
                // What is in order already is moved.
                len.saturating_mul(bits * (log * (log + 1) / 2).max(1))
            }
            Function::Quotient | Function::Remainder => len.saturating_mul(bits * bits + 3 * bits),
        }
    }
}

/// Bits in which numbers of both spans have one reading.
fn common(a: Span, b: Span) -> usize {
    let of = |span: Span| super::Numbers::of(1, span, usize::MAX);
    let (a, b) = (of(a), of(b));
    let signed = a.signed || b.signed;
    let bits = |numbers: super::Numbers| numbers.bits + usize::from(signed && !numbers.signed);
    bits(a).max(bits(b))
}

/// The words of a result of this shape, where the program has the values of these spans and shapes.
pub(super) fn compute(
    builder: &mut Builder,
    program: &Program,
    computed: &Computed,
    of: &[&Words],
) -> Vec<Word> {
    let shape = program.inputs()[computed.input].shape;
    match computed.function {
        Function::Sort => {
            let first = of[0];
            let mut words = first.words.clone();
            for row in words.chunks_mut(shape.cols.max(1)) {
                builder.sort(row, 0..first.bits(), first.sign());
            }
            words
        }
        Function::Quotient | Function::Remainder => {
            let sign = of[0].common_sign(of[1]);
            // The least signed number over −1 takes one bit more than it has.
            let bits = of[0].common_bits(of[1]) + usize::from(sign == Sign::Signed);
            let is_quotient = computed.function == Function::Quotient;
            let places = (0..shape.rows).flat_map(|row| (0..shape.cols).map(move |col| (row, col)));
            places
                .map(|(row, col)| {
                    let [a, b] = [of[0], of[1]].map(|words| extended(words.at(row, col), bits, words.sign()));
                    let (quotient, remainder) = builder.divide(&a, &b, sign);
                    if is_quotient { quotient } else { remainder }
                })
                .collect()
        }
    }
}
