//! What smooth functions are made of beside polynomials: numbers with more fraction bits than the program's.
//!
//! Within a function numbers have g ≥ f fraction bits, so that roundings on the way do not show in the result. Sums of
//! multiples by constants are truncated once, together with the product that they are added to.

use super::super::range::{Asked, Domain, Interval};
use super::super::{Op, Program, ProgramError, Test, Truncation, ValueId};
use crate::ring::Shape;

/// Within functions numbers have up to this many fraction bits: products then hold magnitudes below 2^14 in 64 bits.
const MOST_FINE_BITS: u32 = 24;

/// What is left of a ring's bits for the magnitudes of products within functions, sign and guard bit included.
const MAGNITUDE_BITS: u32 = 8;

impl Program {
    /// g, the fraction bits of numbers within functions.
    pub(in crate::program) fn fine_bits(&self) -> u32 {
        let room = (self.ring().bits() - MAGNITUDE_BITS) / 2;
        MOST_FINE_BITS.min(room).max(self.codec().fraction_bits())
    }

    /// The fraction bits that a product below `magnitude` can have.
    pub(super) fn room(&self, magnitude: f64) -> u32 {
        let magnitude_bits = magnitude.max(1.0).log2().ceil() as u32 + 1;
        (self.ring().bits() - 2).saturating_sub(magnitude_bits)
    }

    /// The argument of a function called `label`, as a number with a fraction.
    ///
    /// # Errors
    /// In a program on integers.
    pub(in crate::program) fn argument(&mut self, a: ValueId, label: &str) -> Result<ValueId, ProgramError> {
        if self.codec().fraction_bits() == 0 {
            return Err(ProgramError::NoFractions { label: label.to_owned() });
        }
        self.promoted(a)
    }

    /// a · 2^power with `bits` fraction bits: exact and local where those suffice, otherwise truncated.
    pub(in crate::program) fn rescaled(
        &mut self,
        a: ValueId,
        power: i32,
        bits: u32,
    ) -> Result<ValueId, ProgramError> {
        let value = self.value(a);
        let (own, shape, label) = (value.fraction_bits as i32, value.shape, value.label.clone());
        match bits as i32 + power - own {
            0 if power == 0 => Ok(a),
            shift @ 0.. => self.push_scaled(Op::Scale(a, 1 << shift), shape, bits, label),
            shift => self.divided(a, shift.unsigned_abs(), (shape, bits), label),
        }
    }

    /// a / 2^by, rounded as the program's products are, in a value of this shape and so many fraction bits.
    pub(in crate::program) fn divided(
        &mut self,
        a: ValueId,
        by: u32,
        (shape, bits): (Shape, u32),
        label: String,
    ) -> Result<ValueId, ProgramError> {
        let (mut a, mut method) = (a, self.truncation());
        if method == Truncation::Nearest {
            method = Truncation::Exact;
            let half = 1 << (by - 1);
            // A part of a function that is known to fill all that can be truncated is rounded down.
            let unit = self.value(a).unit();
            let reach = self.any_or_known(a).reach() + half as f64 * unit;
            if reach.is_infinite() || reach < f64::from(self.ring().bits() - 2).exp2() * unit {
                a = self.push_like(a, Op::AddConstant(a, half), self.value(a).shape, label.clone())?;
            }
        }
        self.push_scaled(Op::Truncate(a, by, method), shape, bits, label)
    }

    /// a ∘ b with `bits` fraction bits, where the caller knows that the exact product is in `known`.
    pub(super) fn product_within(
        &mut self,
        a: ValueId,
        b: ValueId,
        bits: u32,
        known: Option<Interval>,
    ) -> Result<ValueId, ProgramError> {
        let product = self.raw_product(a, b)?;
        self.refine(product, known);
        self.rescaled(product, 0, bits)
    }

    /// a ∘ b with `bits` fraction bits.
    pub(super) fn product(&mut self, a: ValueId, b: ValueId, bits: u32) -> Result<ValueId, ProgramError> {
        self.product_within(a, b, bits, None)
    }

    /// a ∘ b with the fraction bits of both.
    pub(in crate::program) fn raw_product(
        &mut self,
        a: ValueId,
        b: ValueId,
    ) -> Result<ValueId, ProgramError> {
        let label = self.infix(a, "*", b);
        let (a, b, shape) = self.broadcast(a, b)?;
        let bits = self.value(a).fraction_bits + self.value(b).fraction_bits;
        self.push_scaled(Op::Mul(a, b), shape, bits, label)
    }

    /// a + constant, at the value's own scale.
    pub(in crate::program) fn offset(&mut self, a: ValueId, constant: f64) -> Result<ValueId, ProgramError> {
        let value = self.value(a);
        let (shape, bits) = (value.shape, value.fraction_bits);
        match self.fixed(constant, bits) {
            0 => Ok(a),
            element => {
                let label = format!("({} + {constant})", self.short(a));
                self.push_scaled(Op::AddConstant(a, element), shape, bits, label)
            }
        }
    }

    /// a · constant with `bits` fraction bits, those that the value has not its own being the constant's; exact.
    pub(super) fn weighted(&mut self, a: ValueId, constant: f64, bits: u32) -> Result<ValueId, ProgramError> {
        let value = self.value(a);
        let (shape, own, label) =
            (value.shape, value.fraction_bits, format!("({} * {constant})", self.short(a)));
        self.push_scaled(Op::Scale(a, self.fixed(constant, bits - own)), shape, bits, label)
    }

    /// Asks of a function's argument to lie in `interval`.
    pub(in crate::program) fn demand(&mut self, result: ValueId, argument: ValueId, interval: Interval) {
        let asked = Asked::Value { value: argument, either_sign: false };
        self.domains.push(Domain { result, asked, interval });
    }

    /// Asks of it to lie there, or with the other sign in the mirror image.
    pub(super) fn demand_either_sign(&mut self, result: ValueId, argument: ValueId, interval: Interval) {
        let asked = Asked::Value { value: argument, either_sign: true };
        self.domains.push(Domain { result, asked, interval });
    }

    /// Asks of a result to stay below a magnitude, which nothing proves.
    pub(super) fn demand_of_result(&mut self, result: ValueId, reach: f64) {
        self.domains.push(Domain { result, asked: Asked::Result, interval: Interval::symmetric(reach) });
    }

    /// Whether a ≥ threshold, as an integer 0 or 1.
    pub(crate) fn reaches_constant(&mut self, a: ValueId, threshold: f64) -> Result<ValueId, ProgramError> {
        let above = self.offset(a, -threshold)?;
        self.test(above, Test::NonNegative)
    }

    /// Whether −a ≥ threshold, as an integer 0 or 1: a + threshold, less one unit, is below zero. So it is asked of a sum
    /// of a and a constant, and shares its opening with what else is.
    pub(crate) fn falls_to_constant(&mut self, a: ValueId, threshold: f64) -> Result<ValueId, ProgramError> {
        let value = self.value(a);
        let (shape, bits) = (value.shape, value.fraction_bits);
        let constant = self.ring().reduce(self.fixed(threshold, bits).wrapping_sub(1));
        let label = format!("({} + {threshold})", self.short(a));
        let sum = self.push_scaled(Op::AddConstant(a, constant), shape, bits, label)?;
        self.test(sum, Test::Negative)
    }

    /// Calls all values from `first` on by the function that they are parts of.
    pub(in crate::program) fn parts_of(&mut self, first: usize, label: &str) {
        self.values[first..].iter_mut().for_each(|value| label.clone_into(&mut value.label));
        self.see_to(first);
    }

    /// Says of all values from `first` on that the function which they are parts of sees to their magnitudes.
    pub(in crate::program) fn see_to(&mut self, first: usize) {
        self.values[first..].iter_mut().for_each(|value| value.part = true);
    }

    /// Says of the sums and products among the values from `first` on that nothing keeps them in the ring.
    pub(in crate::program) fn need_from(&mut self, first: usize) {
        self.need_at_most(first, f64::INFINITY);
    }

    /// The same, and that their elements must not exceed a magnitude.
    pub(in crate::program) fn need_at_most(&mut self, first: usize, most: f64) {
        let needed = (first..self.values.len()).map(|index| (ValueId(index as u32), most));
        self.needs.extend(needed);
    }

    /// What a constant is with so many fraction bits.
    pub(super) fn nearest(&self, constant: f64, bits: u32) -> f64 {
        self.ring().signed(self.fixed(constant, bits)) as f64 * (-f64::from(bits)).exp2()
    }

    /// The element nearest to a constant.
    fn fixed(&self, constant: f64, bits: u32) -> u64 {
        self.ring().reduce((constant * f64::from(bits).exp2()).round_ties_even() as i64 as u64)
    }
}
