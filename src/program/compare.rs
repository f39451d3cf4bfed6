//! Comparisons and what is made of them.
//!
//! Fixed-point numbers are compared by the sign of their difference, so operands have to lie less than 2^(k−1) apart,
//! which numbers below 2^(k−2) in magnitude do; beyond, the difference wraps, in the oracle as in every protocol. Integers
//! that have a reading are compared right over all of their kinds: see [`super::order`] for how. A product of a comparison's result and a value
//! is how a protocol chooses: it costs less than a general product.

use super::build::whole;
use super::gradient::{Adjoint, Composite};
use super::range::Interval;
use super::{Meaning, Number, Op, Program, ProgramError, Relation, Span, Term, Test, ValueId};
use crate::ring::MINUS_ONE;

impl Program {
    /// Whether each element is what is asked, as an integer 0 or 1.
    ///
    /// # Errors
    /// None as yet.
    pub fn test(&mut self, a: ValueId, test: Test) -> Result<ValueId, ProgramError> {
        if !self.is_read(a) {
            return self.raw_test(a, test);
        }
        let relation = match test {
            Test::Negative => Relation::Less,
            Test::NonNegative => Relation::AtLeast,
            Test::Zero => Relation::Equal,
            Test::NonZero => Relation::NotEqual,
        };
        self.ordered(a, relation, Term::Constant(0))
    }

    /// Whether each element is what is asked of it as a signed integer.
    pub(super) fn raw_test(&mut self, a: ValueId, test: Test) -> Result<ValueId, ProgramError> {
        let sign = match test {
            Test::Negative => "< 0",
            Test::NonNegative => ">= 0",
            Test::Zero => "== 0",
            Test::NonZero => "!= 0",
        };
        let label = format!("({} {sign})", self.short(a));
        self.push_scaled(Op::Compare(a, test), self.value(a).shape, 0, label)
    }

    /// Whether a is that to b, broadcasting, as an integer 0 or 1.
    ///
    /// # Errors
    /// Where the shapes do not broadcast.
    pub fn compare(&mut self, a: ValueId, relation: Relation, b: ValueId) -> Result<ValueId, ProgramError> {
        let label = self.infix(a, relation.sign(), b);
        let result = match relation.of_difference() {
            _ if self.is_read(a) || self.is_read(b) => self.ordered(a, relation, Term::Value(b))?,
            Some(test) => {
                let difference = self.sub(a, b)?;
                self.raw_test(difference, test)?
            }
            None => self.compare(b, relation.mirrored(), a)?,
        };
        self.called(result, label, None)
    }

    /// Whether a is that to a constant, as an integer 0 or 1.
    ///
    /// # Errors
    /// Where the constant cannot be written in the ring.
    pub fn compare_constant(
        &mut self,
        a: ValueId,
        relation: Relation,
        constant: Number,
    ) -> Result<ValueId, ProgramError> {
        let label = format!("({} {} {})", self.short(a), relation.sign(), constant.value());
        let result = if self.is_read(a) {
            let constant = self.constant(constant)?;
            self.ordered(a, relation, constant)?
        } else {
            let difference = self.add_constant(a, constant.negated())?;
            match relation.of_difference() {
                Some(test) => self.raw_test(difference, test)?,
                None => {
                    let negative = self.neg(difference)?;
                    let test = relation.mirrored().of_difference().expect("one of the four");
                    self.raw_test(negative, test)?
                }
            }
        };
        self.called(result, label, None)
    }

    /// Whether a < b, broadcasting, as an integer 0 or 1.
    ///
    /// # Errors
    /// Where the shapes do not broadcast.
    pub fn less(&mut self, a: ValueId, b: ValueId) -> Result<ValueId, ProgramError> {
        self.compare(a, Relation::Less, b)
    }

    /// Whether a ≥ b, broadcasting, as an integer 0 or 1.
    ///
    /// # Errors
    /// Where the shapes do not broadcast.
    pub fn at_least(&mut self, a: ValueId, b: ValueId) -> Result<ValueId, ProgramError> {
        self.compare(a, Relation::AtLeast, b)
    }

    /// Whether a = b, broadcasting, as an integer 0 or 1.
    ///
    /// # Errors
    /// Where the shapes do not broadcast.
    pub fn equal(&mut self, a: ValueId, b: ValueId) -> Result<ValueId, ProgramError> {
        self.compare(a, Relation::Equal, b)
    }

    /// Whether a ≠ b, broadcasting, as an integer 0 or 1.
    ///
    /// # Errors
    /// Where the shapes do not broadcast.
    pub fn not_equal(&mut self, a: ValueId, b: ValueId) -> Result<ValueId, ProgramError> {
        self.compare(a, Relation::NotEqual, b)
    }

    /// `x` where `condition` is not zero, `y` where it is; broadcasting. An integer that is not known to be 0 or 1 is
    /// compared with zero first.
    ///
    /// # Errors
    /// Where the shapes do not broadcast, or the condition is no integer.
    pub fn select(&mut self, condition: ValueId, x: ValueId, y: ValueId) -> Result<ValueId, ProgramError> {
        if self.value(condition).fraction_bits > 0 {
            return Err(ProgramError::Condition { label: self.value(condition).label.clone() });
        }
        let label = format!("select({}, {}, {})", self.short(condition), self.short(x), self.short(y));
        let first = self.values.len();
        let mut condition = if self.is_bit(condition) {
            self.freed(condition)?
        } else {
            self.test(condition, Test::NonZero)?
        };
        let (mut x, mut y) = self.aligned(x, y)?;
        let is_read = self.is_read(x) || self.is_read(y);
        if is_read {
            // With rows that fit each other.
            (x, y, _) = self.broadcast(x, y)?;
            (condition, x, _) = self.broadcast(condition, x)?;
            (condition, y, _) = self.broadcast(condition, y)?;
        }
        let difference = self.sub(x, y)?;
        let chosen = self.mul(condition, difference)?;
        let result = self.add(chosen, y)?;
        self.see_to(first);
        if is_read {
            self.set_label(result, &label);
            return self.means(first, result, Meaning::Choice(condition, x, y));
        }
        self.called(result, label, Some(self.any_or_known(x).hull(self.any_or_known(y))))
    }

    /// Whether nothing but 0 and 1 can stand there.
    pub(super) fn is_bit(&self, a: ValueId) -> bool {
        if self.is_read(a) {
            return Span::new(0, 1).holds(self.integers(a).span);
        }
        // Numbers with fractions may lie between the two.
        let known = self.interval(a).is_some_and(|known| Interval::new(0.0, 1.0).holds(known));
        known && self.value(a).fraction_bits == 0
            || match self.value(a).op {
                Op::Compare(..) => true,
                Op::Slice(a, ..) | Op::Gather(a, _) | Op::Transpose(a) | Op::Pad(a, _) => self.is_bit(a),
                Op::RowsByRun(a, _) => self.is_bit(a),
                Op::Mul(a, b) => self.is_bit(a) && self.is_bit(b),
                _ => false,
            }
    }

    /// `a`, of which the caller knows that no element is below `low` or above `high`: what is computed from it costs less
    /// where that is a narrower range than was known, and is wrong where it does not hold.
    ///
    /// # Errors
    /// Where there is no such number, or what is known of `a` says that it is none of them.
    pub fn assume(
        &mut self,
        a: ValueId,
        low: impl Into<Number>,
        high: impl Into<Number>,
    ) -> Result<ValueId, ProgramError> {
        let (low, high) = (low.into(), high.into());
        let label = format!("assume({}, {low}, {high})", self.short(a));
        let shape = self.value(a).shape;
        if self.is_read(a) {
            let Span { low: least, high: most } = self.integers(a).span;
            let assumed = Span::new(least.max(low.ceil()), most.min(high.floor()));
            if assumed.low > assumed.high {
                let known = format!(": it is {}", Interval::new(least as f64, most as f64));
                return Err(ProgramError::Assumed { call: label, label: self.short(a), known });
            }
            let copy = self.push_like(a, Op::Scale(a, 1), shape, label.clone())?;
            self.assumed.push((copy, label.clone()));
            self.settle(copy, assumed, &[a]);
            return self.called(copy, label, None);
        }
        let known = self.any_or_known(a);
        let stated = Interval::new(low.interval().low, high.interval().high);
        if stated.low > stated.high || stated.low > known.high || stated.high < known.low {
            let known = if known == Interval::ANY { String::new() } else { format!(": it is {known}") };
            return Err(ProgramError::Assumed { call: label, label: self.short(a), known });
        }
        let copy = self.push_like(a, Op::Scale(a, 1), shape, label.clone())?;
        self.assumed.push((copy, label.clone()));
        // Numbers between elements round to the next ones.
        let unit = if self.is_integer(a) { 0.0 } else { self.value(a).unit() };
        self.called(copy, label, Some(Interval::new(stated.low - unit, stated.high + unit)))
    }

    /// max(a, 0).
    ///
    /// # Errors
    /// None as yet.
    pub fn relu(&mut self, a: ValueId) -> Result<ValueId, ProgramError> {
        let label = format!("relu({})", self.short(a));
        let result = if self.is_read(a) {
            self.extreme(a, Term::Constant(0), true)?
        } else {
            let positive = self.is_positive(a)?;
            self.mul(positive, a)?
        };
        self.called(result, label, Some(self.any_or_known(a).positive()))
    }

    /// Whether a > 0, in a program on numbers with fractions: whether a less its unit is not negative, which shares the
    /// opening of a.
    fn is_positive(&mut self, a: ValueId) -> Result<ValueId, ProgramError> {
        let (shape, label) = (self.value(a).shape, format!("({} > 0)", self.short(a)));
        let less = self.push_like(a, Op::AddConstant(a, self.ring().reduce(MINUS_ONE)), shape, label)?;
        self.raw_test(less, Test::NonNegative)
    }

    /// max(a, 0) + slope · min(a, 0).
    ///
    /// # Errors
    /// Where the slope cannot be written in the ring.
    pub fn leaky_relu(&mut self, a: ValueId, slope: Number) -> Result<ValueId, ProgramError> {
        let label = format!("leaky_relu({}, {})", self.short(a), slope.value());
        let first = self.values.len();
        let positive = self.relu(a)?;
        let negative = self.sub(a, positive)?;
        let scaled = self.scale(negative, slope)?;
        let result = self.add(positive, scaled)?;
        if let (true, Some(slope)) = (self.is_read(a), whole(slope)) {
            self.means(first, result, Meaning::Leaky(a, slope))?;
        }
        self.called(result, label, None)
    }

    /// |a|; of integers it is unsigned where the least one of the ring is not excluded, and so always right.
    ///
    /// # Errors
    /// None as yet.
    pub fn abs(&mut self, a: ValueId) -> Result<ValueId, ProgramError> {
        let label = format!("abs({})", self.short(a));
        let first = self.values.len();
        if self.is_read(a) && self.integers(a).span.low >= 0 {
            return self.copied(a, &label);
        }
        let positive = self.relu(a)?;
        let doubled = self.scale(positive, Number::Integer(2))?;
        let result = self.sub(doubled, a)?;
        self.see_to(first);
        self.composed(first, result, Composite::Magnitude(a));
        self.means(first, result, Meaning::Magnitude(a))?;
        self.called(result, label, Some(self.any_or_known(a).magnitude()))
    }

    /// The sign of a, which is 0 where a is, by the opening of the comparison.
    pub(super) fn passed_by_magnitude(
        &mut self,
        a: ValueId,
        adjoint: Adjoint,
    ) -> Result<Adjoint, ProgramError> {
        let (positive, negative) = (self.is_positive(a)?, self.raw_test(a, Test::Negative)?);
        let Some(g) = adjoint.value else {
            let sign = self.sub(positive, negative)?;
            return self.scaled_by(adjoint, sign);
        };
        let (above, below) = (self.mul(positive, g)?, self.mul(negative, g)?);
        Ok(adjoint.with(self.sub(above, below)?))
    }

    /// The larger of each two elements, broadcasting.
    ///
    /// # Errors
    /// Where the shapes do not broadcast.
    pub fn max(&mut self, a: ValueId, b: ValueId) -> Result<ValueId, ProgramError> {
        let (first, label) = (self.values.len(), format!("max({}, {})", self.short(a), self.short(b)));
        if self.is_read(a) || self.is_read(b) {
            let result = self.extreme(a, Term::Value(b), true)?;
            return self.called(result, label, None);
        }
        let (a, b) = self.aligned(a, b)?;
        let difference = self.sub(a, b)?;
        let excess = self.relu(difference)?;
        let result = self.add(excess, b)?;
        self.see_to(first);
        self.called(result, label, Some(self.any_or_known(a).larger(self.any_or_known(b))))
    }

    /// The smaller of each two elements, broadcasting.
    ///
    /// # Errors
    /// Where the shapes do not broadcast.
    pub fn min(&mut self, a: ValueId, b: ValueId) -> Result<ValueId, ProgramError> {
        let (first, label) = (self.values.len(), format!("min({}, {})", self.short(a), self.short(b)));
        if self.is_read(a) || self.is_read(b) {
            let result = self.extreme(a, Term::Value(b), false)?;
            return self.called(result, label, None);
        }
        let (a, b) = self.aligned(a, b)?;
        let difference = self.sub(a, b)?;
        let excess = self.relu(difference)?;
        let result = self.sub(a, excess)?;
        self.see_to(first);
        self.called(result, label, Some(self.any_or_known(a).smaller(self.any_or_known(b))))
    }

    /// The larger of each element and a constant.
    ///
    /// # Errors
    /// Where the constant cannot be written in the ring.
    pub fn max_constant(&mut self, a: ValueId, constant: Number) -> Result<ValueId, ProgramError> {
        let (first, label) = (self.values.len(), format!("max({}, {})", self.short(a), constant.value()));
        if self.is_read(a) {
            let constant = self.constant(constant)?;
            let result = self.extreme(a, constant, true)?;
            return self.called(result, label, None);
        }
        let difference = self.add_constant(a, constant.negated())?;
        let excess = self.relu(difference)?;
        let result = self.add_constant(excess, constant)?;
        self.see_to(first);
        let known = self.beside(a, constant).map(|(a, constant)| a.larger(constant));
        self.called(result, label, known)
    }

    /// The smaller of each element and a constant.
    ///
    /// # Errors
    /// Where the constant cannot be written in the ring.
    pub fn min_constant(&mut self, a: ValueId, constant: Number) -> Result<ValueId, ProgramError> {
        let (first, label) = (self.values.len(), format!("min({}, {})", self.short(a), constant.value()));
        if self.is_read(a) {
            let constant = self.constant(constant)?;
            let result = self.extreme(a, constant, false)?;
            return self.called(result, label, None);
        }
        let difference = self.add_constant(a, constant.negated())?;
        let excess = self.relu(difference)?;
        let result = self.sub(a, excess)?;
        self.see_to(first);
        let known = self.beside(a, constant).map(|(a, constant)| a.smaller(constant));
        self.called(result, label, known)
    }

    /// Each element, but no less than `low` and no more than `high`.
    ///
    /// # Errors
    /// Where a bound cannot be written in the ring.
    pub fn clip(&mut self, a: ValueId, low: Number, high: Number) -> Result<ValueId, ProgramError> {
        let label = format!("clip({}, {}, {})", self.short(a), low.value(), high.value());
        let raised = self.max_constant(a, low)?;
        let result = self.min_constant(raised, high)?;
        self.called(result, label, None)
    }

    /// A value's interval, and a constant's: that of the element which stands for it.
    fn beside(&self, a: ValueId, constant: Number) -> Option<(Interval, Interval)> {
        let known = self.any_or_known(a);
        let element = self.element(constant).ok()?;
        Some((known, Interval::of_element(self.ring(), element, self.codec().resolution())))
    }

    /// A constant beside integers that have a reading.
    fn constant(&self, constant: Number) -> Result<Term, ProgramError> {
        let integer = whole(constant).ok_or(ProgramError::NotAnInteger { value: constant.value() })?;
        self.integer_of(integer, true)?;
        Ok(Term::Constant(integer))
    }
}
