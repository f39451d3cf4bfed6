//! Integers: which ones the elements of a value stand for.
//!
//! In a program on integers an element of a ring of k bits is read as a signed integer, −2^(k−1) to 2^(k−1) − 1, or as an
//! unsigned one, 0 to 2^k − 1. Every value has one of the two readings, and two ends between which its integers lie. Both
//! come from the inputs' kinds and bounds and pass through every op, in exact arithmetic:
//!
//! - Where the ends of an op's exact result fit one reading, the value stands for exactly that result. It keeps the
//!   operands' reading if that fits, and takes the other one if not: so the difference of two `u32` is signed in a ring of
//!   64 bits, and the magnitude of any signed value is unsigned.
//! - The operands' reading is unsigned where one of them needs it and none is negative, or where all are unsigned. Where
//!   signed and unsigned values meet, it is signed.
//! - Where they fit neither, the op wraps modulo 2^k, as integers do: the value stands for what the operands' reading
//!   makes of the element, which can be any integer of it, and [`Integers::wraps`] says so.
//!
//! Comparisons, and what chooses by them, compare the integers that values stand for, whatever their readings.
//!
//! A program on numbers with fractions has such integers as well where an input [holds](Program::hold) a kind of them, such
//! as hashed keys: what is computed of them alone has a reading too, and is exact. They and numbers with fractions do not
//! mix: [`Program::real`] makes numbers with fractions of integers, [`Program::floor`] and [`Program::round`] whole numbers
//! of those. Whole numbers that count or choose (results of comparisons, places, public integers) go with both.

use super::range::{self, Interval};
use super::{Input, Op, Program, ProgramError, State, Value, ValueId};
use crate::ring::{Axis, Elements, FixedPoint, Ring};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The numbers that an input holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Numbers that may have fractions; in a program on integers signed ones of the ring's width.
    #[default]
    Real,
    /// Signed integers of the ring's width, also in a program on numbers with fractions.
    Integer,
    /// Signed integers of 32 bits.
    I32,
    /// Unsigned integers of 32 bits.
    U32,
    /// Signed integers of 64 bits.
    I64,
    /// Unsigned integers of 64 bits.
    U64,
}

impl Kind {
    /// The kind of integers with this sign and width.
    pub const fn integers(signed: bool, ring: Ring) -> Kind {
        match (signed, ring) {
            (true, Ring::Z32) => Kind::I32,
            (false, Ring::Z32) => Kind::U32,
            (true, Ring::Z64) => Kind::I64,
            (false, Ring::Z64) => Kind::U64,
        }
    }

    /// Its name, as in a job.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Real => "real",
            Kind::Integer => "integer",
            Kind::I32 => "i32",
            Kind::U32 => "u32",
            Kind::I64 => "i64",
            Kind::U64 => "u64",
        }
    }

    /// The width of its integers, where it is a kind of integers.
    pub const fn width(self) -> Option<Ring> {
        match self {
            Kind::Real | Kind::Integer => None,
            Kind::I32 | Kind::U32 => Some(Ring::Z32),
            Kind::I64 | Kind::U64 => Some(Ring::Z64),
        }
    }

    /// The numbers of this kind that elements stand for; integers beyond 2^53 are rounded.
    ///
    /// # Panics
    /// Where `codec` is of another ring.
    pub fn decode(self, codec: FixedPoint, elements: &Elements) -> Vec<f64> {
        match self {
            Kind::Real => elements.decode(codec),
            Kind::U64 | Kind::U32 => elements.to_u64().into_iter().map(|value| value as f64).collect(),
            Kind::Integer | Kind::I64 | Kind::I32 => {
                elements.to_u64().into_iter().map(|value| codec.ring().signed(value) as f64).collect()
            }
        }
    }

    /// Whether its numbers can be negative.
    pub const fn is_signed(self) -> bool {
        !matches!(self, Kind::U32 | Kind::U64)
    }

    /// The kind of integers that elements of a ring hold of it: no wider than the ring.
    pub fn within(self, ring: Ring) -> Kind {
        Kind::integers(self.is_signed(), self.width().map_or(ring, |width| width.min(ring)))
    }

    /// Its integers in a ring of no larger magnitude than a bound.
    pub(super) fn span_within(self, bound: Option<f64>, ring: Ring) -> Span {
        let Span { low, high } = self.span(ring);
        match bound.map(|bound| bound.floor() as i128) {
            Some(bound) => Span::new(low.max(-bound), high.min(bound)),
            None => Span::new(low, high),
        }
    }

    /// Its integers in a ring.
    pub fn span(self, ring: Ring) -> Span {
        let kind = self.within(ring);
        Span::of_reading(kind.is_signed(), kind.width().unwrap_or(ring))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The integers between two ends, both included. Arithmetic saturates far beyond all rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The least.
    pub low: i128,
    /// The greatest.
    pub high: i128,
}

impl Span {
    /// Both ends.
    pub const fn new(low: i128, high: i128) -> Span {
        Span { low, high }
    }

    /// −bound to bound.
    pub const fn symmetric(bound: i128) -> Span {
        Span::new(-bound, bound)
    }

    /// One integer alone.
    pub const fn at(integer: i128) -> Span {
        Span::new(integer, integer)
    }

    /// All integers of a reading.
    pub const fn of_reading(signed: bool, ring: Ring) -> Span {
        let bits = ring.bits();
        if signed {
            Span::new(-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
        } else {
            Span::new(0, (1 << bits) - 1)
        }
    }

    /// Whether all of `other` is in it.
    pub const fn holds(self, other: Span) -> bool {
        self.low <= other.low && other.high <= self.high
    }

    /// The least span that holds both.
    pub fn hull(self, other: Span) -> Span {
        Span::new(self.low.min(other.low), self.high.max(other.high))
    }

    /// The larger of an integer of each.
    pub fn larger(self, other: Span) -> Span {
        Span::new(self.low.max(other.low), self.high.max(other.high))
    }

    /// The smaller of an integer of each.
    pub fn smaller(self, other: Span) -> Span {
        Span::new(self.low.min(other.low), self.high.min(other.high))
    }

    /// The magnitudes.
    pub fn magnitude(self) -> Span {
        let least = self.low.max(self.high.saturating_neg()).max(0);
        Span::new(least, self.low.saturating_neg().max(self.high))
    }

    pub(super) fn plus(self, other: Span) -> Span {
        Span::new(self.low.saturating_add(other.low), self.high.saturating_add(other.high))
    }

    pub(super) fn minus(self, other: Span) -> Span {
        Span::new(self.low.saturating_sub(other.high), self.high.saturating_sub(other.low))
    }

    pub(super) fn times(self, factor: i128) -> Span {
        let ends = [self.low.saturating_mul(factor), self.high.saturating_mul(factor)];
        Span::new(ends[0].min(ends[1]), ends[0].max(ends[1]))
    }

    fn product(self, other: Span) -> Span {
        self.times(other.low).hull(self.times(other.high))
    }

    fn square(self) -> Span {
        let Span { low, high } = self.magnitude();
        Span::new(low.saturating_mul(low), high.saturating_mul(high))
    }
}

/// The integers that the elements of a value stand for. See the module's documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Integers {
    /// Between which they lie.
    pub span: Span,
    /// Whether elements are read as signed integers.
    pub signed: bool,
    /// Whether the exact result of the value's op may lie outside its reading, and so is reduced modulo 2^k.
    pub wraps: bool,
}

impl Integers {
    /// What an exact result within `exact` becomes, of operands with this reading.
    pub(super) fn of_result(exact: Span, signed: bool, ring: Ring) -> Integers {
        for reading in [signed, !signed] {
            if Span::of_reading(reading, ring).holds(exact) {
                return Integers { span: exact, signed: reading, wraps: false };
            }
        }
        Integers { span: Span::of_reading(signed, ring), signed, wraps: true }
    }

    /// The integer that an element stands for.
    pub fn read(&self, ring: Ring, element: u64) -> i128 {
        if self.signed { ring.signed(element).into() } else { ring.reduce(element).into() }
    }

    /// A number of bits t, at least 1, with |element| < 2^t as a signed integer; no more than k − 1.
    pub(super) fn magnitude_bits(&self, ring: Ring) -> u32 {
        let largest = self.span.magnitude().high.unsigned_abs();
        (u128::BITS - largest.leading_zeros()).clamp(1, ring.bits() - 1)
    }

    /// The reading of what is computed of these.
    pub(super) fn reading(operands: &[Integers], ring: Ring) -> bool {
        let any = |holds: &dyn Fn(&Integers) -> bool| operands.iter().any(holds);
        let negative = any(&|operand| operand.span.low < 0);
        let large = any(&|operand| operand.span.high > Span::of_reading(true, ring).high);
        negative || !large && any(&|operand| operand.signed)
    }
}

impl Input {
    /// The integers that it holds, as its kind and its bound say.
    pub fn span(&self, ring: Ring) -> Span {
        self.kind.span_within(self.bound, ring)
    }

    /// The first of its elements that is none of its integers, in a program on integers.
    pub(crate) fn first_outside(&self, elements: &Elements) -> Option<i128> {
        let (ring, span) = (elements.ring(), self.span(elements.ring()));
        let integers = Integers { span, signed: self.kind.is_signed(), wraps: false };
        if span == Span::of_reading(integers.signed, ring) {
            return None;
        }
        let read = elements.to_u64().into_iter().map(|element| integers.read(ring, element));
        read.into_iter().find(|&integer| !span.holds(Span::at(integer)))
    }
}

impl Value {
    /// The kind of numbers that its elements are read as.
    pub fn kind(&self, ring: Ring) -> Kind {
        self.integers.map_or(Kind::Real, |integers| Kind::integers(integers.signed, ring))
    }
}

impl Program {
    /// Whether the program computes on integers alone.
    pub(super) const fn counts(&self) -> bool {
        self.codec.fraction_bits() == 0
    }

    /// Whether a value has a reading: in a program on integers every one, otherwise what is computed of inputs of integers.
    pub(super) fn is_read(&self, a: ValueId) -> bool {
        self.value(a).integers.is_some()
    }

    /// Declares which kind of numbers an input holds; without, these are signed integers of the ring's width in a program
    /// on integers, and numbers with fractions in another. There an input of integers is one of elements without fraction
    /// bits. To be called before the input is used. Its owner's data are held against it.
    ///
    /// # Errors
    /// Where the value is no input or is used already, or the ring is narrower than the kind.
    pub fn hold(&mut self, input: ValueId, kind: Kind) -> Result<(), ProgramError> {
        let Op::Input(index) = self.value(input).op else {
            return Err(ProgramError::NoInput { label: self.value(input).label.clone() });
        };
        let name = || self.inputs[index].name.clone();
        let is_used = self.values.iter().any(|value| value.op.operands().any(|operand| operand == input));
        if is_used || self.outputs.iter().any(|output| output.value == input) {
            return Err(ProgramError::LateKind { name: name() });
        }
        let ring = self.ring();
        if kind.width().is_some_and(|width| width > ring) {
            return Err(ProgramError::Kind { name: name(), kind, ring_bits: ring.bits() });
        }
        self.inputs[index].kind = kind;
        let (op, bits) = (Op::Input(index), if kind == Kind::Real { self.codec.fraction_bits() } else { 0 });
        let integers = self.integers_of(op);
        let interval = if integers.is_some() { None } else { range::interval_of(self, op, bits) };
        let value = &mut self.values[input.index()];
        (value.fraction_bits, value.interval, value.integers) = (bits, interval, integers);
        Ok(())
    }

    /// Declares which integers an input is, to the unit, where a bound would be rounded: those that its ring has a reading
    /// for, else what is left of them modulo 2^k, and then the input [wraps](Integers::wraps). To be called before the input is used.
    /// Only what makes a circuit of the program holds data against it: see [`crate::protocol::garbled`].
    ///
    /// # Errors
    /// As [`Program::hold`].
    pub fn hold_span(&mut self, input: ValueId, exact: Span) -> Result<(), ProgramError> {
        let integers = Integers::of_result(exact, exact.low < 0, self.ring());
        self.hold(input, Kind::integers(integers.signed, self.ring()))?;
        self.values[input.index()].integers = Some(integers);
        Ok(())
    }

    /// The integers that a value's elements stand for. Of whole numbers without a reading, beside numbers with fractions,
    /// those that they are known to be, as signed integers.
    pub(super) fn integers(&self, value: ValueId) -> Integers {
        let Value { integers, interval, op, fraction_bits, .. } = *self.value(value);
        if let (Op::Public(public), 0) = (op, fraction_bits) {
            return self.integers_of_tensor(public);
        }
        integers.unwrap_or_else(|| {
            let all = Span::of_reading(true, self.ring());
            let known = interval.unwrap_or(Interval::ANY);
            let span = Span::new(
                (known.low.ceil() as i128).max(all.low),
                (known.high.floor() as i128).min(all.high),
            );
            Integers { span, signed: true, wraps: false }
        })
    }

    /// What an op's result stands for. In a program on numbers with fractions nothing, unless it is an integer of integers
    /// that have a reading; what a comparison gives goes with numbers of all kinds.
    pub(super) fn integers_of(&self, op: Op) -> Option<Integers> {
        let is_read = match op {
            _ if self.counts() => true,
            Op::Input(index) => self.inputs[index].kind != Kind::Real,
            Op::Compare(..) => false,
            op => op.operands().any(|operand| self.is_read(operand)),
        };
        if !is_read {
            return None;
        }
        let ring = self.ring();
        let of = |operand: ValueId| self.integers(operand);
        let span = |operand: ValueId| of(operand).span;
        let constant = |element: u64| i128::from(ring.signed(element));
        let sum = |count: usize, term: Span| term.times(count as i128);
        let shape = |operand: ValueId| self.value(operand).shape;
        let exact = match op {
            Op::Input(index) => {
                let input = &self.inputs[index];
                let signed = input.kind.is_signed();
                return Some(Integers { span: input.span(ring), signed, wraps: false });
            }
            Op::State(index) => {
                let State { kind, bound, .. } = self.states[index];
                let (span, signed) = (kind.span_within(bound, ring), kind.is_signed());
                return Some(Integers { span, signed, wraps: false });
            }
            Op::Public(public) => return Some(self.integers_of_tensor(public)),
            Op::Add(a, b) => span(a).plus(span(b)),
            Op::Sub(a, b) => span(a).minus(span(b)),
            Op::Neg(a) => span(a).times(-1),
            Op::Transpose(a) | Op::Slice(a, ..) | Op::Gather(a, _) | Op::RowsByRun(a, _) => span(a),
            Op::ScaleByRun(a, by) => span(a).product(self.span_of_numbers(by)),
            Op::Pad(a, _) => span(a).hull(Span::at(0)),
            Op::AddConstant(a, element) => span(a).plus(Span::at(constant(element))),
            Op::Scale(a, element) => span(a).times(constant(element)),
            Op::Mul(a, b) if a == b => span(a).square(),
            Op::Mul(a, b) => span(a).product(span(b)),
            Op::MatMul(a, b) => sum(shape(a).cols, span(a).product(span(b))),
            Op::Sum(a, Axis::Rows) => sum(shape(a).rows, span(a)),
            Op::Sum(a, Axis::Cols) => sum(shape(a).cols, span(a)),
            Op::Truncate(a, ..) => span(a).hull(Span::at(0)),
            Op::Compare(..) => Span::new(0, 1),
        };
        let operands: Vec<Integers> = op.operands().map(of).collect();
        Some(Integers::of_result(exact, Integers::reading(&operands, ring), ring))
    }

    /// Says what a value stands for, of which more is known than its ops say: its exact result lies within `exact`. Of one
    /// without a reading nothing.
    pub(super) fn settle(&mut self, value: ValueId, exact: Span, operands: &[ValueId]) {
        if !self.is_read(value) {
            return;
        }
        let (ring, of) = (self.ring(), |operand: &ValueId| self.integers(*operand));
        let operands: Vec<Integers> = operands.iter().map(of).collect();
        let signed = Integers::reading(&operands, ring);
        self.values[value.index()].integers = Some(Integers::of_result(exact, signed, ring));
    }

    /// Says of a sum or product with a constant what it stands for: its element alone does not tell large constants from
    /// negative ones.
    pub(super) fn settle_constant(
        &mut self,
        value: ValueId,
        a: ValueId,
        constant: i128,
        of: impl Fn(Span) -> Span,
    ) {
        if self.is_read(value) {
            self.constants.push((value, constant));
            self.settle(value, of(self.integers(a).span), &[a]);
        }
    }

    /// Makes sure that an op does not mix integers that have a reading with numbers with fractions.
    pub(super) fn check_unmixed(&self, op: Op, fraction_bits: u32) -> Result<(), ProgramError> {
        let Some(integer) = op.operands().find(|&operand| self.is_read(operand)) else { return Ok(()) };
        let is_whole = |operand: ValueId| self.value(operand).fraction_bits == 0;
        if fraction_bits == 0 && op.operands().all(is_whole) {
            return Ok(());
        }
        Err(ProgramError::Unlike { label: self.short(integer) })
    }

    /// Takes the reading of a value beside numbers with fractions, which all of its integers fit as signed ones: so it goes
    /// with both.
    pub(super) fn unread(&mut self, value: ValueId) {
        let (all, integers) = (Span::of_reading(true, self.ring()), self.integers(value));
        if self.counts() || !self.is_read(value) || !all.holds(integers.span) || integers.wraps {
            return;
        }
        let Span { low, high } = integers.span;
        let [low, high] = [low, high].map(|end| Interval::of_element(self.ring(), end as u64, 1.0));
        let value = &mut self.values[value.index()];
        (value.integers, value.interval) = (None, Some(low.hull(high)));
    }

    /// A value with a reading, as one that goes with numbers with fractions too; others as they are.
    pub(super) fn freed(&mut self, a: ValueId) -> Result<ValueId, ProgramError> {
        if self.counts() || !self.is_read(a) {
            return Ok(a);
        }
        let (shape, label) = (self.value(a).shape, self.value(a).label.clone());
        let copy = self.push_like(a, Op::Scale(a, 1), shape, label)?;
        self.unread(copy);
        Ok(copy)
    }

    /// A value of whole numbers beside one with a reading, with a reading too.
    pub(super) fn read_beside(&mut self, a: ValueId, other: ValueId) -> Result<ValueId, ProgramError> {
        if self.is_read(a) || !self.is_read(other) || self.value(a).fraction_bits > 0 {
            return Ok(a);
        }
        let (shape, label, integers) = (self.value(a).shape, self.value(a).label.clone(), self.integers(a));
        let copy = self.push_like(a, Op::Scale(a, 1), shape, label)?;
        let value = &mut self.values[copy.index()];
        (value.integers, value.interval) = (Some(integers), None);
        Ok(copy)
    }

    /// Integers as numbers with fractions, with which they can then be computed. Numbers with fractions stay as they are.
    ///
    /// *Error:* none. *Rounds:* none.
    ///
    /// # Errors
    /// In programs on integers, and where the integers may be too large for numbers with fractions.
    pub fn real(&mut self, a: ValueId) -> Result<ValueId, ProgramError> {
        let label = format!("real({})", self.short(a));
        if self.counts() {
            return Err(ProgramError::NoFractions { label });
        }
        let (Integers { span, wraps, .. }, limit_bits) =
            (self.integers(a), self.ring().bits() - 2 - self.codec.fraction_bits());
        if self.is_read(a) && (wraps || span.magnitude().high >= 1 << limit_bits) {
            return Err(ProgramError::TooLargeReal { label: self.short(a), span, limit_bits });
        }
        let free = self.freed(a)?;
        let result = self.promoted(free)?;
        if result == a { Ok(a) } else { self.called(result, label, None) }
    }
}

#[cfg(test)]
mod tests;
