//! Building a program, value by value.

use super::gradient::{Composite, Derivatives};
use super::range::{self, Interval};
use super::{Dims, Input, Kind, Op, Output, Program, ProgramError, Span, Truncation, Value, ValueId};
use crate::ring::{Axis, FixedPoint, Shape};
use crate::share::{Parties, PartyId};
use std::fmt;

/// A public constant, as written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// Without a fraction: exact in any ring.
    Integer(i128),
    /// With one.
    Real(f64),
}

impl From<f64> for Number {
    fn from(value: f64) -> Number {
        Number::Real(value)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Number::Integer(value) => value.fmt(f),
            Number::Real(value) => value.fmt(f),
        }
    }
}

impl Number {
    /// The largest integer that is not above the constant.
    pub(super) fn floor(self) -> i128 {
        match self {
            Number::Integer(value) => value,
            Number::Real(value) => value.floor() as i128,
        }
    }

    /// The least integer that is not below the constant.
    pub(super) fn ceil(self) -> i128 {
        match self {
            Number::Integer(value) => value,
            Number::Real(value) => value.ceil() as i128,
        }
    }

    /// The constant, between the floats beside it where none holds it exactly.
    pub(super) fn interval(self) -> Interval {
        match self {
            Number::Integer(value) => Interval::of_integers(value, value),
            Number::Real(value) => Interval::at(value),
        }
    }

    /// The constant as a real number.
    pub fn value(self) -> f64 {
        match self {
            Number::Integer(value) => value as f64,
            Number::Real(value) => value,
        }
    }

    /// The constant with the other sign.
    pub fn negated(self) -> Number {
        match self {
            Number::Integer(value) => {
                value.checked_neg().map_or(Number::Real(-(value as f64)), Number::Integer)
            }
            Number::Real(value) => Number::Real(-value),
        }
    }
}

impl Program {
    /// A program without values, for `parties` parties, on numbers as `codec` writes them.
    ///
    /// # Panics
    /// Where `parties` is 0 or above 8.
    pub fn new(parties: usize, codec: FixedPoint) -> Program {
        assert!((1..=8).contains(&parties), "one to eight parties");
        let truncation = Truncation::default();
        let (values, inputs, states, outputs) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Program {
            codec,
            truncation,
            parties,
            values,
            inputs,
            states,
            outputs,
            publics: Vec::new(),
            domains: Vec::new(),
            searches: Vec::new(),
            assumed: Vec::new(),
            constants: Vec::new(),
            needs: Vec::new(),
            steps: Vec::new(),
            derivatives: Derivatives::default(),
            check: None,
        }
    }

    /// The same program, whose products will get back to the scale of their factors in this way; to be called before
    /// there are any.
    #[must_use]
    pub fn with_truncation(mut self, truncation: Truncation) -> Program {
        self.truncation = truncation;
        self
    }

    /// A matrix or tensor that `owner` brings.
    ///
    /// # Errors
    /// Where the name is taken, the owner takes no part, the shape is too large, or the bound not positive.
    pub fn input(
        &mut self,
        name: &str,
        owner: PartyId,
        dims: impl Into<Dims>,
        bound: Option<f64>,
    ) -> Result<ValueId, ProgramError> {
        let dims: Dims = self.bearable(name, dims.into())?;
        let shape = dims.folded();
        self.check_party(name, owner)?;
        if self.inputs.iter().any(|input| input.name == name) {
            return Err(ProgramError::Duplicate { name: name.to_owned() });
        }
        if let Some(bound) = bound
            && !(bound > 0.0 && bound.is_finite())
        {
            return Err(ProgramError::Bound { name: name.to_owned(), bound });
        }
        let (index, value) = (self.inputs.len(), self.next_id());
        let kind = Kind::default();
        self.inputs.push(Input { name: name.to_owned(), owner, shape, bound, kind, resident: false, value });
        match self.push(Op::Input(index), shape, name.to_owned()) {
            Ok(value) => Ok(self.with_dims(value, dims)),
            Err(error) => {
                self.inputs.pop();
                Err(error)
            }
        }
    }

    /// Declares that an input is resident: it stays the same over all runs of the program in a session, such as a
    /// model's weights. Its owner gives it to the first run; the others find in device memory what depends on
    /// resident inputs alone: parts, masks and what was opened.
    ///
    /// # Errors
    /// Where the value is no input.
    pub fn reside(&mut self, input: ValueId) -> Result<(), ProgramError> {
        let Op::Input(index) = self.value(input).op else {
            return Err(ProgramError::NoInput { label: self.value(input).label.clone() });
        };
        self.inputs[index].resident = true;
        Ok(())
    }

    /// Reveals `value` to the parties in `to`, and to nobody else.
    ///
    /// # Errors
    /// Where the name is taken, or `to` is empty or names a party that takes no part.
    pub fn output(&mut self, name: &str, value: ValueId, to: Parties) -> Result<(), ProgramError> {
        if self.outputs.iter().any(|output| output.name == name) {
            return Err(ProgramError::Duplicate { name: name.to_owned() });
        }
        if to.is_empty() {
            return Err(ProgramError::NoRecipient { name: name.to_owned() });
        }
        to.iter().try_for_each(|party| self.check_party(name, party))?;
        // Integers that have a reading are revealed as such.
        let value = if self.is_read(value) { value } else { self.promoted(value)? };
        self.outputs.push(Output { name: name.to_owned(), value, to, every: 1 });
        Ok(())
    }

    /// Reveals an output in every so many-th run of the program in a session alone; what is computed for it alone is computed
    /// then.
    ///
    /// # Errors
    /// Where there is no such output, or it would be revealed never.
    pub fn reveal_every(&mut self, output: &str, runs: u32) -> Result<(), ProgramError> {
        match self.outputs.iter_mut().find(|known| known.name == output) {
            Some(output) if runs > 0 => {
                output.every = runs;
                Ok(())
            }
            _ => Err(ProgramError::Every { name: output.to_owned(), runs }),
        }
    }

    /// `a` + `b`, broadcasting.
    ///
    /// # Errors
    /// Where the shapes do not broadcast.
    pub fn add(&mut self, a: ValueId, b: ValueId) -> Result<ValueId, ProgramError> {
        let label = self.infix(a, "+", b);
        let (a, b, shape) = self.broadcast(a, b)?;
        let (x, y) = self.aligned(a, b)?;
        self.push_like(x, Op::Add(x, y), shape, label)
    }

    /// `a` − `b`, broadcasting.
    ///
    /// # Errors
    /// Where the shapes do not broadcast.
    pub fn sub(&mut self, a: ValueId, b: ValueId) -> Result<ValueId, ProgramError> {
        let label = self.infix(a, "-", b);
        let (a, b, shape) = self.broadcast(a, b)?;
        let (x, y) = self.aligned(a, b)?;
        self.push_like(x, Op::Sub(x, y), shape, label)
    }

    /// −`a`.
    ///
    /// # Errors
    /// None as yet.
    pub fn neg(&mut self, a: ValueId) -> Result<ValueId, ProgramError> {
        let label = format!("-{}", self.short(a));
        self.push_like(a, Op::Neg(a), self.value(a).shape, label)
    }

    /// `a` + `constant` in every element.
    ///
    /// # Errors
    /// Where the constant cannot be written in the ring.
    pub fn add_constant(&mut self, a: ValueId, constant: Number) -> Result<ValueId, ProgramError> {
        let label = format!("({} + {})", self.short(a), constant.value());
        let shape = self.value(a).shape;
        if self.is_integer(a)
            && let Some(integer) = whole(constant)
        {
            let element = self.integer_beside(a, integer)?;
            let sum = self.push_like(a, Op::AddConstant(a, element), shape, label)?;
            self.settle_constant(sum, a, integer, |span| span.plus(Span::at(integer)));
            return Ok(sum);
        }
        let element = self.element(constant)?;
        let promoted = self.promoted(a)?;
        let sum = self.push_like(promoted, Op::AddConstant(promoted, element), shape, label)?;
        if let Some(integer) = whole(constant) {
            self.settle_constant(sum, a, integer, |span| span.plus(Span::at(integer)));
        }
        Ok(sum)
    }

    /// `a` · `constant`; a constant without a fraction needs no truncation, another one as many as its precision takes.
    ///
    /// *Error:* at most one unit where `a` is known to be small enough, otherwise two units and 2^−(k/2 − 2) of the
    /// result.
    ///
    /// # Errors
    /// Where the constant is too large for the ring, or so small that no result would be more than zero.
    pub fn scale(&mut self, a: ValueId, constant: Number) -> Result<ValueId, ProgramError> {
        let label = format!("({} * {})", self.short(a), constant.value());
        let shape = self.value(a).shape;
        match whole(constant) {
            Some(integer) => {
                let factor = self.integer_beside(a, integer)?;
                let scaled = self.push_like(a, Op::Scale(a, factor), shape, label)?;
                self.settle_constant(scaled, a, integer, |span| span.times(integer));
                Ok(scaled)
            }
            None if self.codec.fraction_bits() == 0 => {
                Err(ProgramError::NotAnInteger { value: constant.value() })
            }
            None => {
                let result = self.multiple(a, constant.value(), self.codec.fraction_bits())?;
                self.called(result, label, None)
            }
        }
    }

    /// `a` ∘ `b`, elementwise, broadcasting. Where bounds show that a product can be too large for a single truncation,
    /// `a` is cut in two first, at the cost of one more product and two truncations.
    ///
    /// # Errors
    /// Where the shapes do not broadcast.
    pub fn mul(&mut self, a: ValueId, b: ValueId) -> Result<ValueId, ProgramError> {
        let label = self.infix(a, "*", b);
        let (a, b, shape) = self.broadcast(a, b)?;
        let bits = self.value(a).fraction_bits + self.value(b).fraction_bits;
        match self.excess_bits(a, b) {
            0 => self.push_product(Op::Mul(a, b), shape, bits, label),
            excess => {
                let first = self.values.len();
                let result = self.large_product(a, b, excess)?;
                self.composed(first, result, Composite::Product(a, b));
                self.called(result, label, None)
            }
        }
    }

    /// `a` · `b`, the matrix product; of tensors, the products of the matrices along their last two axes, the other axes
    /// broadcasting. A vector is a row on the left and a column on the right, and the result has not this axis.
    ///
    /// # Errors
    /// Where `a` has not as many columns as `b` has rows, the other axes do not broadcast, or one is a single number.
    pub fn matmul(&mut self, a: ValueId, b: ValueId) -> Result<ValueId, ProgramError> {
        let (left, right) = (self.dims(a), self.dims(b));
        self.check_axis(a, 0)?;
        self.check_axis(b, 0)?;
        let rows = if right.rank() == 1 { right.cols() } else { right.rows() };
        if left.cols() != rows {
            return Err(ProgramError::Inner(self.operands(a, b)));
        }
        match left.rank().min(right.rank()) {
            1 => self.product_with_vector(a, b),
            2 if left.rank() == right.rank() => self.plain_matmul(a, b),
            _ => self.batched(a, b),
        }
    }

    /// The product of the matrices that two values lie in.
    pub(super) fn plain_matmul(&mut self, a: ValueId, b: ValueId) -> Result<ValueId, ProgramError> {
        let shape = Shape::new(self.value(a).shape.rows, self.value(b).shape.cols);
        let bits = self.value(a).fraction_bits + self.value(b).fraction_bits;
        self.push_product(Op::MatMul(a, b), shape, bits, self.infix(a, "@", b))
    }

    /// `a` transposed: its axes in the opposite order, so a vector stays as it is.
    ///
    /// # Errors
    /// None as yet.
    pub fn transpose(&mut self, a: ValueId) -> Result<ValueId, ProgramError> {
        let rank = self.dims(a).rank();
        if rank != 2 {
            return self.permute(a, &(0..rank).rev().collect::<Vec<_>>());
        }
        let label = format!("transpose({})", self.short(a));
        self.push_like(a, Op::Transpose(a), self.value(a).shape.transposed(), label)
    }

    /// Sums over one axis of a matrix, or over all elements, which is a single number. See [`Program::sum_along`] for
    /// tensors.
    ///
    /// # Errors
    /// None as yet.
    pub fn sum(&mut self, a: ValueId, axis: Option<Axis>) -> Result<ValueId, ProgramError> {
        let label = format!("sum({})", self.short(a));
        match axis {
            Some(axis) => self.push_like(a, Op::Sum(a, axis), self.value(a).shape.summed(axis), label),
            None => {
                let rows = self.sum(a, Some(Axis::Cols))?;
                let sum = self.push_like(rows, Op::Sum(rows, Axis::Rows), Shape::SCALAR, label)?;
                Ok(self.with_dims(sum, Dims::SCALAR))
            }
        }
    }

    /// Gives a value, and the product that it truncates, the name or text by which messages call it.
    pub fn set_label(&mut self, value: ValueId, label: &str) {
        label.clone_into(&mut self.values[value.index()].label);
        if let Op::Truncate(product, ..) = self.value(value).op {
            label.clone_into(&mut self.values[product.index()].label);
        }
    }

    /// A value at the scale of the program's numbers.
    pub(super) fn push(&mut self, op: Op, shape: Shape, label: String) -> Result<ValueId, ProgramError> {
        self.push_scaled(op, shape, self.codec.fraction_bits(), label)
    }

    /// A value at the scale of its operand.
    pub(super) fn push_like(
        &mut self,
        operand: ValueId,
        op: Op,
        shape: Shape,
        label: String,
    ) -> Result<ValueId, ProgramError> {
        self.push_scaled(op, shape, self.value(operand).fraction_bits, label)
    }

    /// A product, which has the fraction bits of both factors, and its truncation where these are too many.
    pub(super) fn push_product(
        &mut self,
        op: Op,
        shape: Shape,
        fraction_bits: u32,
        label: String,
    ) -> Result<ValueId, ProgramError> {
        let product = self.push_scaled(op, shape, fraction_bits, label.clone())?;
        self.truncated(product, label)
    }

    /// A product at the scale of the program's numbers.
    pub(super) fn truncated(&mut self, product: ValueId, label: String) -> Result<ValueId, ProgramError> {
        let Value { shape, fraction_bits, .. } = *self.value(product);
        match fraction_bits.checked_sub(self.codec.fraction_bits()) {
            None | Some(0) => Ok(product),
            Some(bits) => self.divided(product, bits, (shape, self.codec.fraction_bits()), label),
        }
    }

    /// Both at one scale: integers meet fixed-point numbers as such.
    pub(super) fn aligned(&mut self, a: ValueId, b: ValueId) -> Result<(ValueId, ValueId), ProgramError> {
        if self.value(a).fraction_bits == self.value(b).fraction_bits {
            return Ok((a, b));
        }
        Ok((self.promoted(a)?, self.promoted(b)?))
    }

    /// The value at the scale of the program's numbers.
    ///
    /// # Errors
    /// Where integers that have a reading would be mixed with numbers with fractions.
    pub(super) fn promoted(&mut self, a: ValueId) -> Result<ValueId, ProgramError> {
        if !self.is_integer(a) {
            return Ok(a);
        }
        let Value { shape, ref label, .. } = *self.value(a);
        let label = label.clone();
        self.push(Op::Scale(a, 1 << self.codec.fraction_bits()), shape, label)
    }

    /// Whether the value counts in integers although the program's numbers have fractions.
    pub(super) fn is_integer(&self, a: ValueId) -> bool {
        self.value(a).fraction_bits < self.codec.fraction_bits()
    }

    pub(super) fn push_scaled(
        &mut self,
        op: Op,
        shape: Shape,
        fraction_bits: u32,
        label: String,
    ) -> Result<ValueId, ProgramError> {
        if !shape.is_bearable() {
            return Err(ProgramError::TooLarge { label, shape: shape.into() });
        }
        if !self.counts() {
            self.check_unmixed(op, fraction_bits)?;
        }
        let (id, integers) = (self.next_id(), self.integers_of(op));
        let interval = if integers.is_some() { None } else { range::interval_of(self, op, fraction_bits) };
        let dims = self.dims_of(op).unwrap_or(shape.into());
        debug_assert_eq!(dims.folded(), shape, "extents of the same matrix");
        self.values.push(Value {
            op,
            shape,
            dims,
            fraction_bits,
            label,
            interval,
            integers,
            meaning: None,
            part: false,
        });
        Ok(id)
    }

    /// The extents of an elementwise op's result; others give matrices.
    fn dims_of(&self, op: Op) -> Option<Dims> {
        if !op.is_elementwise() {
            return None;
        }
        let mut operands = op.operands().map(|operand| self.dims(operand));
        let first = operands.next()?;
        operands.try_fold(first, Dims::broadcast)
    }

    /// The name of the next value.
    pub(super) fn next_id(&self) -> ValueId {
        ValueId(u32::try_from(self.values.len()).expect("fewer than 2^32 values"))
    }

    /// Names a composed value, and says where its elements lie if more is known than its ops say.
    pub(super) fn called(
        &mut self,
        value: ValueId,
        label: String,
        interval: Option<Interval>,
    ) -> Result<ValueId, ProgramError> {
        self.set_label(value, &label);
        self.refine(value, interval);
        Ok(value)
    }

    /// Says where a value's elements lie if more is known than its ops say. It must hold of every element to the unit,
    /// whichever way truncations round: comparisons look at no more bits. What a function approximates does not hold of
    /// its result, which [`Program::polynomial`] bounds itself.
    pub(super) fn refine(&mut self, value: ValueId, interval: Option<Interval>) {
        // What is known of integers is settled apart.
        if self.is_read(value) {
            return;
        }
        let own = &mut self.values[value.index()].interval;
        *own = match (*own, interval) {
            (Some(own), Some(known)) => Some(own.intersection(known)),
            (own, known) => own.or(known).filter(|known| *known != Interval::ANY),
        };
    }

    /// Where a value's elements lie, as far as is known.
    pub(super) fn interval(&self, value: ValueId) -> Option<Interval> {
        self.value(value).interval
    }

    /// Where a value's elements lie; anywhere where nothing is known.
    pub(super) fn any_or_known(&self, value: ValueId) -> Interval {
        self.interval(value).unwrap_or(Interval::ANY)
    }

    /// What is known of two values together.
    pub(super) fn intervals(
        &self,
        (a, b): (ValueId, ValueId),
        of: fn(Interval, Interval) -> Interval,
    ) -> Option<Interval> {
        Some(of(self.interval(a)?, self.interval(b)?))
    }

    /// Both as operands of an elementwise op, and the shape of its result.
    pub(super) fn broadcast(
        &mut self,
        a: ValueId,
        b: ValueId,
    ) -> Result<(ValueId, ValueId, Shape), ProgramError> {
        let dims = self.dims(a).broadcast(self.dims(b)).ok_or_else(|| self.unbroadcast(a, b))?;
        self.bearable(&self.value(a).label, dims)?;
        let (left, right) = (self.expanded(a, dims)?, self.expanded(b, dims)?);
        Ok((left, right, dims.folded()))
    }

    pub(super) fn infix(&self, a: ValueId, operator: &str, b: ValueId) -> String {
        format!("({} {operator} {})", self.short(a), self.short(b))
    }

    /// What a value is called within another's label: its own, or where that is long its beginning, so that labels stay
    /// short.
    pub(super) fn short(&self, a: ValueId) -> String {
        const LONGEST: usize = 32;
        let label = &self.value(a).label;
        if label.chars().count() <= LONGEST {
            return label.clone();
        }
        label.chars().take(LONGEST - 1).chain(['…']).collect()
    }

    fn check_party(&self, name: &str, party: PartyId) -> Result<(), ProgramError> {
        if party.index() < self.parties {
            return Ok(());
        }
        Err(ProgramError::Party { name: name.to_owned(), party, parties: self.parties })
    }

    /// The constant at the scale of a value.
    pub(super) fn element(&self, constant: Number) -> Result<u64, ProgramError> {
        if self.codec.fraction_bits() == 0 {
            let integer = whole(constant).ok_or(ProgramError::NotAnInteger { value: constant.value() })?;
            return self.integer(integer);
        }
        let value = constant.value();
        let out_of_range = |_| ProgramError::ConstantRange {
            value,
            limit: self.codec.limit(),
            ring_bits: self.ring().bits(),
            fraction_bits: self.codec.fraction_bits(),
        };
        match self.codec.encode_one(value, 0).map_err(out_of_range)? {
            0 if value != 0.0 => {
                Err(ProgramError::Vanishes { value, fraction_bits: self.codec.fraction_bits() })
            }
            element => Ok(element),
        }
    }

    /// An integer as a ring element: among integers signed or unsigned, whichever way it fits; among fixed-point
    /// numbers, which are signed, it would turn negative from 2^(k−1) on.
    pub(super) fn integer(&self, value: i128) -> Result<u64, ProgramError> {
        self.integer_of(value, self.counts())
    }

    /// The same beside a value, which may have a reading.
    pub(super) fn integer_beside(&self, a: ValueId, value: i128) -> Result<u64, ProgramError> {
        self.integer_of(value, self.is_read(a))
    }

    pub(super) fn integer_of(&self, value: i128, is_read: bool) -> Result<u64, ProgramError> {
        let ring_bits = self.ring().bits();
        let most_bits = if is_read { ring_bits } else { ring_bits - 1 };
        let fits = value >= -(1 << (ring_bits - 1)) && value < 1 << most_bits;
        let element = fits.then_some(value as u64).ok_or(ProgramError::IntegerRange { value, ring_bits })?;
        Ok(self.ring().reduce(element))
    }
}

/// The constant as an integer, if it is one that a float holds exactly.
pub(super) fn whole(constant: Number) -> Option<i128> {
    const EXACT: f64 = (1u64 << 53) as f64;
    match constant {
        Number::Integer(value) => Some(value),
        Number::Real(value) if value.fract() == 0.0 && value.abs() <= EXACT => Some(value as i128),
        Number::Real(_) => None,
    }
}
