//! The order of integers over all of the ring.
//!
//! Where the ends of two values prove that their difference is a signed integer of the ring, its sign says which is less,
//! and nothing more is asked. Otherwise the difference may wrap, and three bits decide together: the top bits s and t of
//! the two elements, and the top bit d of their difference. Elements read as unsigned are in order, a < b, as the
//! subtraction a − b borrows: where two of ¬s, t and d are set. Signed ones are the same with their top bits flipped. An
//! unsigned a is below a signed b where b is not negative, a is no more than a signed integer can be, and d is set; a
//! signed a is below an unsigned b where it is negative, b is more than that, or d is set. So in each case it is asked how
//! many of three bits are set:
//!
//! | a | b | a < b |
//! |---|---|---|
//! | unsigned | unsigned | ¬s + t + d ≥ 2 |
//! | signed | signed | s + ¬t + d ≥ 2 |
//! | unsigned | signed | ¬s + ¬t + d ≥ 3 |
//! | signed | unsigned | s + t + d ≥ 1 |
//!
//! That is one more comparison, of a sum of at most two bits and a sign. Top bits that the ends prove are not asked for.
//! Two values with equal elements are equal unless their readings differ, and then unless the signed one is negative.

use super::{Meaning, Number, Op, Program, ProgramError, Relation, Span, Term, Test, ValueId};

/// The top bit of a term's element.
struct Top {
    /// Where it is not known: a value of bits.
    unknown: Option<ValueId>,
    /// Otherwise.
    known: bool,
    /// Whether the term is read as signed; nothing where both readings are the same.
    signed: Option<bool>,
}

impl Program {
    /// Whether a is that to b, of which one has a reading.
    ///
    /// # Errors
    /// Where the shapes do not broadcast.
    pub(super) fn ordered(
        &mut self,
        a: ValueId,
        relation: Relation,
        b: Term,
    ) -> Result<ValueId, ProgramError> {
        let first = self.values.len();
        let (a, b) = self.over_one_shape(a, b)?;
        let result = match (relation.of_difference(), b) {
            (Some(test), _) => {
                let difference = self.difference(a, b)?;
                self.decided(a, test, b, difference)?
            }
            (None, Term::Value(b)) => self.ordered(b, relation.mirrored(), Term::Value(a))?,
            // So comparisons of a value with several constants ask about sums with it, and share its opening.
            (None, Term::Constant(b)) => {
                let relation = if relation == Relation::Greater { Relation::AtLeast } else { Relation::Less };
                self.ordered(a, relation, Term::Constant(b + 1))?
            }
        };
        self.means(first, result, Meaning::Compare(a, relation, b))
    }

    /// Both with rows that fit each other.
    fn over_one_shape(&mut self, a: ValueId, b: Term) -> Result<(ValueId, Term), ProgramError> {
        let Term::Value(right) = b else { return Ok((a, b)) };
        let (left, right, _) = self.broadcast(a, right)?;
        Ok((left, Term::Value(right)))
    }

    /// The element of a − b.
    fn difference(&mut self, a: ValueId, b: Term) -> Result<ValueId, ProgramError> {
        match b {
            Term::Value(b) => self.sub(a, b),
            Term::Constant(0) => Ok(a),
            Term::Constant(constant) => {
                let exact = self.integers(a).span.minus(self.span(b));
                let difference = self.plus_element(a, (constant as u64).wrapping_neg())?;
                self.settle(difference, exact, &[a]);
                Ok(difference)
            }
        }
    }

    /// A value and a constant, as elements.
    fn plus_element(&mut self, a: ValueId, element: u64) -> Result<ValueId, ProgramError> {
        let (element, shape) = (self.ring().reduce(element), self.value(a).shape);
        let label = format!("({} + {})", self.short(a), self.ring().signed(element));
        self.push_like(a, Op::AddConstant(a, element), shape, label)
    }

    /// What is asked of the exact difference of two terms, of which `difference` has the element.
    pub(super) fn decided(
        &mut self,
        a: ValueId,
        test: Test,
        b: Term,
        difference: ValueId,
    ) -> Result<ValueId, ProgramError> {
        let exact = self.integers(a).span.minus(self.span(b));
        let asks_order = matches!(test, Test::Negative | Test::NonNegative);
        let proven = match asks_order {
            true if exact.high < 0 => Some(test == Test::Negative),
            true if exact.low >= 0 => Some(test == Test::NonNegative),
            false if exact.high < 0 || exact.low > 0 => Some(test == Test::NonZero),
            _ => None,
        };
        if let Some(answer) = proven {
            let bits = self.everywhere(difference, answer.into())?;
            self.unread(bits);
            return Ok(bits);
        }
        let ring = self.ring();
        let suffices = match asks_order {
            true => Span::of_reading(true, ring).holds(exact),
            // Only a multiple of 2^k has the element of zero.
            false => exact.low > -(1 << ring.bits()) && exact.high < 1 << ring.bits(),
        };
        let asked = match test {
            Test::NonNegative if !suffices => Test::Negative,
            Test::NonZero if !suffices => Test::Zero,
            test => test,
        };
        let bit = self.raw_test(difference, asked)?;
        if suffices {
            return Ok(bit);
        }
        let (s, t) = (self.top_bit(Term::Value(a))?, self.top_bit(b)?);
        // How many bits must be set, and which of them are flipped.
        let (flips, least) = match (asks_order, s.signed.or(t.signed), t.signed.or(s.signed)) {
            (true, Some(false), Some(false)) => ([true, false], 2),
            (true, Some(false), _) => ([true, true], 3),
            (true, _, Some(false)) => ([false, false], 1),
            (true, ..) => ([false, true], 2),
            // Of equal elements the signed one's top bit decides.
            (false, Some(false), _) => ([false, true], 2),
            (false, ..) => ([true, false], 2),
        };
        let tops = [s, t]
            .into_iter()
            .zip(flips)
            .filter(|(top, flip)| asks_order || *flip && top.signed == Some(true));
        let (mut count, mut constant) = (bit, -least);
        for (top, flip) in tops.collect::<Vec<_>>() {
            constant += i128::from(flip);
            match (top.unknown, flip) {
                (None, true) => constant -= i128::from(top.known),
                (None, false) => constant += i128::from(top.known),
                (Some(bit), true) => count = self.sub(count, bit)?,
                (Some(bit), false) => count = self.add(count, bit)?,
            }
        }
        let enough = self.add_constant(count, Number::Integer(constant))?;
        self.raw_test(enough, if asked == test { Test::NonNegative } else { Test::Negative })
    }

    /// The top bit of a term's element.
    fn top_bit(&mut self, term: Term) -> Result<Top, ProgramError> {
        let (ring, span) = (self.ring(), self.span(term));
        let highest = Span::of_reading(true, ring).high;
        let signed = match span {
            Span { low, .. } if low < 0 => Some(true),
            Span { high, .. } if high > highest => Some(false),
            _ => None,
        };
        let known = match signed {
            Some(true) if span.high < 0 => Some(true),
            Some(false) if span.low > highest => Some(true),
            None => Some(false),
            _ => None,
        };
        let unknown = match (known, term) {
            (None, Term::Value(value)) => Some(self.raw_test(value, Test::Negative)?),
            _ => None,
        };
        Ok(Top { unknown, known: known.unwrap_or(false), signed })
    }

    /// The same integer in every element, in the shape of a value.
    pub(super) fn everywhere(&mut self, like: ValueId, integer: i128) -> Result<ValueId, ProgramError> {
        let (element, shape) = (self.integer_beside(like, integer)?, self.value(like).shape);
        let zeros = self.push_scaled(Op::Scale(like, 0), shape, 0, format!("(0 * {})", self.short(like)))?;
        match element {
            0 => Ok(zeros),
            _ => {
                let label = integer.to_string();
                self.push_scaled(Op::AddConstant(zeros, element), shape, 0, label)
            }
        }
    }

    /// The larger of each two, or the smaller, of which one has a reading.
    ///
    /// # Errors
    /// Where the shapes do not broadcast, or a constant does not fit the ring.
    pub(super) fn extreme(&mut self, a: ValueId, b: Term, larger: bool) -> Result<ValueId, ProgramError> {
        if let Term::Constant(constant) = b {
            self.integer_beside(a, constant)?;
        }
        let first = self.values.len();
        let (a, b) = self.over_one_shape(a, b)?;
        let meaning = if larger { Meaning::Larger(a, b) } else { Meaning::Smaller(a, b) };
        let exact = self.integers(a).span.minus(self.span(b));
        // A constant at or beyond the ends changes nothing, or everything.
        if let Term::Constant(constant) = b
            && (exact.low >= 0 || exact.high <= 0)
        {
            let keeps = if larger { exact.low >= 0 } else { exact.high <= 0 };
            let label = self.short(a);
            let result = if keeps { self.copied(a, &label)? } else { self.everywhere(a, constant)? };
            return self.means(first, result, meaning);
        }
        let difference = self.difference(a, b)?;
        let result = if Span::of_reading(true, self.ring()).holds(exact) {
            let positive = self.raw_test(difference, Test::NonNegative)?;
            let excess = self.mul(positive, difference)?;
            match (b, larger) {
                (Term::Value(b), true) => self.add(excess, b)?,
                (Term::Constant(0), true) => excess,
                (Term::Constant(b), true) => self.plus_element(excess, b as u64)?,
                (_, false) => self.sub(a, excess)?,
            }
        } else {
            // Where b is asked for, a − (a − b).
            let test = if larger { Test::Negative } else { Test::NonNegative };
            let other = self.decided(a, test, b, difference)?;
            let moved = self.mul(other, difference)?;
            self.sub(a, moved)?
        };
        self.means(first, result, meaning)
    }
}
