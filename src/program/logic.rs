//! Truths, which are the integers 0 and 1 that comparisons give, and signs.
//!
//! A number that is none stands for whether it is not zero. Conjunctions are products of bits, and all others are made of
//! them and of negations, so that every result is known to be a bit.

use super::range::Interval;
use super::{Number, Program, ProgramError, Relation, Test, ValueId};

impl Program {
    /// Whether each element is not zero, as an integer 0 or 1; a bit is that itself.
    ///
    /// # Errors
    /// None as yet.
    pub fn truth(&mut self, a: ValueId) -> Result<ValueId, ProgramError> {
        if self.is_bit(a) { Ok(a) } else { self.test(a, Test::NonZero) }
    }

    /// 1 where an element is zero, 0 elsewhere.
    ///
    /// # Errors
    /// None as yet.
    pub fn not(&mut self, a: ValueId) -> Result<ValueId, ProgramError> {
        let label = format!("(not {})", self.short(a));
        let bit = self.truth(a)?;
        let negative = self.neg(bit)?;
        let result = self.add_constant(negative, Number::Integer(1))?;
        self.called(result, label, None)
    }

    /// 1 where neither is zero, broadcasting.
    ///
    /// # Errors
    /// Where the shapes do not broadcast.
    pub fn and(&mut self, a: ValueId, b: ValueId) -> Result<ValueId, ProgramError> {
        let label = self.infix(a, "and", b);
        let (a, b) = (self.truth(a)?, self.truth(b)?);
        let result = self.mul(a, b)?;
        self.called(result, label, None)
    }

    /// 1 where one of them is not zero, broadcasting.
    ///
    /// # Errors
    /// Where the shapes do not broadcast.
    pub fn or(&mut self, a: ValueId, b: ValueId) -> Result<ValueId, ProgramError> {
        let label = self.infix(a, "or", b);
        let (a, b) = (self.not(a)?, self.not(b)?);
        let neither = self.mul(a, b)?;
        let result = self.not(neither)?;
        self.called(result, label, None)
    }

    /// 1 where one of them alone is not zero, broadcasting.
    ///
    /// # Errors
    /// Where the shapes do not broadcast.
    pub fn xor(&mut self, a: ValueId, b: ValueId) -> Result<ValueId, ProgramError> {
        let label = self.infix(a, "xor", b);
        let (a, b) = (self.truth(a)?, self.truth(b)?);
        let difference = self.sub(a, b)?;
        let result = self.mul(difference, difference)?;
        self.called(result, label, None)
    }

    /// Whether an element along an axis, which keeps extent 1, is not zero; of none, 0. Method: their number is compared
    /// with zero.
    ///
    /// # Errors
    /// Where there is no such axis.
    pub fn any_along(&mut self, a: ValueId, axis: usize) -> Result<ValueId, ProgramError> {
        let label = format!("any({})", self.short(a));
        let bits = self.truth(a)?;
        let count = self.sum_along(bits, axis)?;
        let result = self.test(count, Test::NonZero)?;
        self.called(result, label, Some(Interval::new(0.0, 1.0)))
    }

    /// Whether no element along an axis, which keeps extent 1, is zero; of none, 1.
    ///
    /// # Errors
    /// Where there is no such axis.
    pub fn all_along(&mut self, a: ValueId, axis: usize) -> Result<ValueId, ProgramError> {
        let label = format!("all({})", self.short(a));
        self.check_axis(a, axis)?;
        let extent = self.dims(a).extents()[axis] as i128;
        let bits = self.truth(a)?;
        let count = self.sum_along(bits, axis)?;
        let result = self.compare_constant(count, Relation::Equal, Number::Integer(extent))?;
        self.called(result, label, Some(Interval::new(0.0, 1.0)))
    }

    /// −1, 0 or 1 as each element is negative, zero or positive: two comparisons of one opening.
    ///
    /// # Errors
    /// None as yet.
    pub fn sign(&mut self, a: ValueId) -> Result<ValueId, ProgramError> {
        let label = format!("sign({})", self.short(a));
        let positive = self.compare_constant(a, Relation::Greater, Number::Integer(0))?;
        let negative = self.test(a, Test::Negative)?;
        let result = self.sub(positive, negative)?;
        self.called(result, label, None)
    }
}
