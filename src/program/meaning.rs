//! What a value is that several ops compute together in a program on integers.
//!
//! The ops may wrap on the way where the result does not. So the builder records beside them what the result is of which
//! values: the integers that it stands for follow from that, and the oracle evaluates that, not the ops.

use super::{Op, Program, ProgramError, Span, Test, ValueId};
use crate::ring::Axis;

/// A comparison of two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// a < b.
    Less,
    /// a ≥ b.
    AtLeast,
    /// a > b.
    Greater,
    /// a ≤ b.
    AtMost,
    /// a = b.
    Equal,
    /// a ≠ b.
    NotEqual,
}

impl Relation {
    /// What b is to a where a is this to b.
    pub const fn mirrored(self) -> Relation {
        match self {
            Relation::Less => Relation::Greater,
            Relation::Greater => Relation::Less,
            Relation::AtLeast => Relation::AtMost,
            Relation::AtMost => Relation::AtLeast,
            Relation::Equal | Relation::NotEqual => self,
        }
    }

    /// Its sign, in labels.
    pub const fn sign(self) -> &'static str {
        match self {
            Relation::Less => "<",
            Relation::AtLeast => ">=",
            Relation::Greater => ">",
            Relation::AtMost => "<=",
            Relation::Equal => "==",
            Relation::NotEqual => "!=",
        }
    }

    /// What is asked of a − b.
    pub(super) const fn of_difference(self) -> Option<Test> {
        match self {
            Relation::Less => Some(Test::Negative),
            Relation::AtLeast => Some(Test::NonNegative),
            Relation::Equal => Some(Test::Zero),
            Relation::NotEqual => Some(Test::NonZero),
            Relation::Greater | Relation::AtMost => None,
        }
    }

    /// Whether it holds.
    pub fn holds(self, a: i128, b: i128) -> bool {
        match self {
            Relation::Less => a < b,
            Relation::AtLeast => a >= b,
            Relation::Greater => a > b,
            Relation::AtMost => a <= b,
            Relation::Equal => a == b,
            Relation::NotEqual => a != b,
        }
    }
}

/// A value, or a public integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Term {
    /// A value, element by element.
    Value(ValueId),
    /// The same integer everywhere.
    Constant(i128),
}

/// What a value is of others, as the integers that they stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Whether the first is that to the second, as 0 or 1; broadcasting.
    Compare(ValueId, Relation, Term),
    /// The larger of each two; broadcasting.
    Larger(ValueId, Term),
    /// The smaller of each two; broadcasting.
    Smaller(ValueId, Term),
    /// The second where the first is 1, the third where it is 0; broadcasting.
    Choice(ValueId, ValueId, ValueId),
    /// The magnitude.
    Magnitude(ValueId),
    /// The value where it is positive, so many times it where it is negative.
    Leaky(ValueId, i128),
    /// The index along the axis of the largest element, of equal ones the first.
    Largest(ValueId, Axis),
    /// The index along the axis of the smallest element, of equal ones the first.
    Smallest(ValueId, Axis),
}

impl Meaning {
    /// The values that it is of.
    pub(super) fn operands(self) -> Vec<ValueId> {
        match self {
            Meaning::Compare(a, _, b) | Meaning::Larger(a, b) | Meaning::Smaller(a, b) => match b {
                Term::Value(b) => vec![a, b],
                Term::Constant(_) => vec![a],
            },
            Meaning::Choice(_, x, y) => vec![x, y],
            Meaning::Magnitude(a)
            | Meaning::Leaky(a, _)
            | Meaning::Largest(a, _)
            | Meaning::Smallest(a, _) => vec![a],
        }
    }
}

impl Program {
    /// The integers that a term can be.
    pub(super) fn span(&self, term: Term) -> Span {
        match term {
            Term::Value(value) => self.integers(value).span,
            Term::Constant(integer) => Span::at(integer),
        }
    }

    /// Says what a value is that the values from `first` on compute together; in a program with fractions, nothing. That
    /// those wrap on the way is nobody's concern.
    ///
    /// # Errors
    /// Where it would mix integers that no reading of its elements holds.
    pub(super) fn means(
        &mut self,
        first: usize,
        value: ValueId,
        meaning: Meaning,
    ) -> Result<ValueId, ProgramError> {
        // What is the operand itself stands for what that does.
        if value.index() < first || !meaning.operands().iter().any(|&operand| self.is_read(operand)) {
            return Ok(value);
        }
        self.settle_parts(first);
        let extent = |a: ValueId, axis| {
            let shape = self.value(a).shape;
            if axis == Axis::Rows { shape.rows } else { shape.cols }
        };
        let exact = match meaning {
            Meaning::Compare(..) => Span::new(0, 1),
            Meaning::Larger(a, b) => self.integers(a).span.larger(self.span(b)),
            Meaning::Smaller(a, b) => self.integers(a).span.smaller(self.span(b)),
            Meaning::Choice(_, x, y) => return self.mixed(value, &[x, y], Some(meaning)),
            Meaning::Magnitude(a) => self.integers(a).span.magnitude(),
            Meaning::Leaky(a, slope) => {
                let (span, zero) = (self.integers(a).span, Span::at(0));
                span.larger(zero).hull(span.smaller(zero).times(slope))
            }
            Meaning::Largest(a, axis) | Meaning::Smallest(a, axis) => {
                Span::new(0, extent(a, axis).saturating_sub(1) as i128)
            }
        };
        self.settle(value, exact, &meaning.operands());
        self.values[value.index()].meaning = Some(meaning);
        Ok(value)
    }

    /// Says that each of a value's elements is one of several values' elements.
    ///
    /// # Errors
    /// Where no reading of its elements holds all of them.
    pub(super) fn mixed(
        &mut self,
        value: ValueId,
        of: &[ValueId],
        meaning: Option<Meaning>,
    ) -> Result<ValueId, ProgramError> {
        if !self.is_read(value) {
            return Ok(value);
        }
        let spans = of.iter().map(|operand| self.integers(*operand).span);
        let span = spans.reduce(Span::hull).expect("at least one value");
        self.settle(value, span, of);
        if self.integers(value).wraps {
            let label = self.value(value).label.clone();
            return Err(ProgramError::Mixture { label, span, ring_bits: self.ring().bits() });
        }
        self.values[value.index()].meaning = meaning;
        Ok(value)
    }

    /// Says that the values from `first` on are parts of one, which is right although they may wrap.
    pub(super) fn settle_parts(&mut self, first: usize) {
        for part in self.values[first..].iter_mut().filter_map(|value| value.integers.as_mut()) {
            part.wraps = false;
        }
    }

    /// The same elements as another value, which can be called something else.
    pub(super) fn copied(&mut self, a: ValueId, label: &str) -> Result<ValueId, ProgramError> {
        let copy = self.push_like(a, Op::AddConstant(a, 0), self.value(a).shape, label.to_owned())?;
        Ok(self.with_dims(copy, self.dims(a)))
    }
}
