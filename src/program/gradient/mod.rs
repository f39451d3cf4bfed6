//! Gradients, by reverse mode over a program's graph.
//!
//! [`Program::gradient`] appends the ops that compute how a loss, a single number, changes with the elements of earlier
//! values. It goes from the loss backward over every value that lies between the two, and gives each its *adjoint*: the
//! derivative of the loss by its elements. What an op passes on is in the module `ops`, what moves of elements pass on in
//! `moves`. A function that approximates (an exponential, a softmax, a normalisation) is a [`Composite`]: it is
//! differentiated as a whole, by the analytic derivative of its result, never through the polynomials and comparisons that
//! it is made of; its rule stands beside the function.
//!
//! **Factors.** An adjoint is a public number times a value, and constants on the way (a mean's 1/n, a learning rate, a
//! slope) multiply the number alone. So they cost nothing and round nothing, and the whole of them is applied to the
//! gradient at its end, in one multiplication. The adjoint of the loss itself is the number 1 without a value.
//!
//! **What is opened.** A protocol opens each value that is a factor once, and each value once that is compared. Rules are
//! written so that they multiply by the values that forward multiplied by, in the places where these are open already: of
//! z = x·w, dw = (gᵀ·x)ᵀ and dx = (w·gᵀ)ᵀ, so both open gᵀ, once, and nothing of x and w; what relu passes on is the bit of
//! its comparison times g. A function's rule repeats the comparisons and powers that it has in common with the function, and
//! lowering takes equal ops of equal operands as one (see the module `merge`).
//!
//! **What has no derivative.** The result of a comparison, and what is computed of such results alone, are integers, and
//! constant but for jumps. As a factor they choose, and pass nothing on: the derivative of what they choose is that of the
//! chosen side, as in other frameworks (of equal elements one is the chosen one; relu has the derivative 0 at 0). Where
//! one is a summand of the loss, or the only way from a value to the loss, the gradient is refused.

mod composite;
mod error;
mod moves;
mod ops;
#[cfg(test)]
mod tests;

pub(super) use composite::Composite;
pub use error::GradientError;

use super::build::whole;
use super::{Dims, Number, Op, Program, ProgramError, ValueId};
use std::collections::BTreeMap;

/// What a program knows of its derivatives.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Derivatives {
    /// The functions that are differentiated as a whole, by their results.
    composites: BTreeMap<ValueId, Composite>,
    /// The adjoints that have been computed, by loss and value.
    adjoints: BTreeMap<(ValueId, ValueId), Adjoint>,
}

/// The derivative of a loss by the elements of a value: a public number times a value of the same extents and of the
/// program's fraction bits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Adjoint {
    pub(super) factor: f64,
    /// All elements are 1 where there is none.
    pub(super) value: Option<ValueId>,
}

impl Adjoint {
    /// That of the loss itself.
    const ONE: Adjoint = Adjoint { factor: 1.0, value: None };

    pub(super) fn times(self, factor: f64) -> Adjoint {
        Adjoint { factor: self.factor * factor, ..self }
    }

    /// The same number times another value.
    pub(super) fn with(self, value: ValueId) -> Adjoint {
        Adjoint { value: Some(value), ..self }
    }
}

/// What one value passes on to another that it is computed from.
type Passed = Result<Vec<Adjoint>, ProgramError>;

/// Adjoints whose numbers are whole multiples of each other, up to this one, are added without a truncation.
const MOST_WHOLE_RATIO: f64 = 16.0;

impl Program {
    /// The derivatives of `loss`, a single number, by the elements of each of the values `of`: values of their shapes. A
    /// value may be an input, or anything that an earlier step computed.
    ///
    /// *Error:* that of the ops and functions of the backward pass. *Rounds:* those of its products, one after the other.
    ///
    /// # Errors
    /// [`GradientError`] where the loss is no single number or does not depend on a value, where either is an integer, and
    /// where a step between them has no derivative.
    pub fn gradient(&mut self, loss: ValueId, of: &[ValueId]) -> Result<Vec<ValueId>, ProgramError> {
        if let Some(&integer) = [loss].iter().chain(of).find(|&&value| self.is_discrete(value)) {
            return Err(GradientError::Integers { label: self.short(integer) }.into());
        }
        let dims = self.dims(loss);
        if dims.checked_len() != Some(1) {
            return Err(GradientError::NotOneNumber { label: self.short(loss), shape: dims }.into());
        }
        of.iter().map(|&of| self.gradient_by(loss, of)).collect()
    }

    fn gradient_by(&mut self, loss: ValueId, of: ValueId) -> Result<ValueId, ProgramError> {
        let path = self.path(loss, of)?;
        let mut consumers: BTreeMap<ValueId, Vec<ValueId>> = BTreeMap::new();
        for &consumer in &path {
            for source in self.sources(consumer) {
                consumers.entry(source).or_default().push(consumer);
            }
        }
        for &value in path.iter().rev() {
            if self.derivatives.adjoints.contains_key(&(loss, value)) {
                continue;
            }
            let start = self.values.len();
            let adjoint = match consumers.get(&value) {
                Some(consumers) if value != loss => self.collected(loss, value, consumers)?,
                _ => Adjoint::ONE,
            };
            self.label_from(start, loss, value);
            self.derivatives.adjoints.insert((loss, value), adjoint);
        }
        let (start, adjoint) = (self.values.len(), self.derivatives.adjoints[&(loss, of)]);
        let gradient = self.multiplied_out(adjoint, of)?;
        self.label_from(start, loss, of);
        Ok(gradient)
    }

    /// The values from `of` to the loss, in their order: those that are computed from the one, and that the other is
    /// computed from.
    fn path(&self, loss: ValueId, of: ValueId) -> Result<Vec<ValueId>, ProgramError> {
        let count = loss.index() + 1;
        let ids = || (0..count as u32).map(ValueId);
        // Depends on `of`; and so that there is a derivative.
        let (mut depends, mut varies) = (vec![false; count], vec![false; count]);
        for id in ids() {
            let own = id == of;
            let op = self.value(id).op;
            let mut operands = op.operands().filter(|_| !self.keeps_nothing(op));
            depends[id.index()] = own || operands.any(|operand| depends[operand.index()]);
            varies[id.index()] = own || self.sources(id).iter().any(|source| varies[source.index()]);
        }
        let mut leads = vec![false; count];
        leads[loss.index()] = true;
        for id in ids().rev() {
            if leads[id.index()] {
                self.sources(id).iter().for_each(|source| leads[source.index()] = true);
            }
        }
        // Integers that become summands or arguments, and are not factors alone.
        let jumps = ids().filter(|id| leads[id.index()]).find_map(|id| match self.value(id).op {
            Op::Scale(a, _) if self.is_discrete(a) && depends[a.index()] && !self.is_composite(id) => Some(a),
            _ => None,
        });
        if let Some(id) = jumps {
            return Err(self.no_derivative(id, of));
        }
        if varies[loss.index()] {
            return Ok(ids().filter(|id| varies[id.index()] && leads[id.index()]).collect());
        }
        match ids().find(|id| depends[id.index()] && !varies[id.index()]) {
            Some(id) if depends[loss.index()] => Err(self.no_derivative(id, of)),
            _ => Err(GradientError::Independent { loss: self.short(loss), label: self.short(of) }.into()),
        }
    }

    pub(super) fn no_derivative(&self, id: ValueId, of: ValueId) -> ProgramError {
        let (step, label) = (self.step_of(id), self.value(id).label.clone());
        GradientError::NoDerivative { step, label, of: self.short(of) }.into()
    }

    /// Whether a value is the result of comparisons, or computed of such results alone.
    fn is_discrete(&self, a: ValueId) -> bool {
        self.value(a).fraction_bits == 0
    }

    fn is_composite(&self, id: ValueId) -> bool {
        self.derivatives.composites.contains_key(&id)
    }

    /// The values that a value passes its adjoint on to.
    fn sources(&self, id: ValueId) -> Vec<ValueId> {
        if self.is_discrete(id) || self.keeps_nothing(self.value(id).op) {
            return Vec::new();
        }
        let all: Vec<ValueId> = match self.derivatives.composites.get(&id) {
            Some(composite) => composite.arguments(),
            None => self.value(id).op.operands().collect(),
        };
        all.into_iter().filter(|&source| !self.is_discrete(source)).collect()
    }

    /// Says that a value is the result of a function that is differentiated as a whole; a call that returns an earlier
    /// value is none.
    pub(super) fn composed(&mut self, first: usize, result: ValueId, composite: Composite) {
        if result.index() >= first {
            self.derivatives.composites.insert(result, composite);
        }
    }

    /// The adjoint of a value: the sum of what those pass on that are computed from it.
    fn collected(
        &mut self,
        loss: ValueId,
        value: ValueId,
        consumers: &[ValueId],
    ) -> Result<Adjoint, ProgramError> {
        let adjoint_of = |program: &Program, consumer| program.derivatives.adjoints[&(loss, consumer)];
        let mut sum = None;
        let mut rest = consumers.to_vec();
        rest.dedup();
        if let Some((pieces, axis)) = self.pieces_of(value, &rest) {
            let pieces = pieces.into_iter().map(|piece| (piece, adjoint_of(self, piece))).collect();
            let start = self.values.len();
            let whole = self.put_together(pieces, axis)?;
            sum = Some(self.fitted(whole, value, start)?);
            rest.retain(|consumer| !self.is_piece(*consumer, value));
        }
        for consumer in rest {
            let start = self.values.len();
            let adjoint = adjoint_of(self, consumer);
            for passed in self.passed(consumer, adjoint, value)? {
                let passed = self.fitted(passed, value, start)?;
                sum = Some(match sum {
                    None => passed,
                    Some(sum) => self.sum_of_adjoints(sum, passed)?,
                });
            }
        }
        Ok(sum.expect("a value on the way to the loss has a consumer there"))
    }

    /// What a value with this adjoint passes on to one that it is computed from, once for each place of that.
    fn passed(&mut self, from: ValueId, adjoint: Adjoint, to: ValueId) -> Passed {
        match self.derivatives.composites.get(&from) {
            Some(&composite) => self.passed_by_composite(composite, from, adjoint, to),
            None => self.passed_by_op(from, adjoint, to),
        }
    }

    /// The adjoint as one of the extents of `like`, whose matrix it lies in; values from `start` on are not used yet.
    fn fitted(&mut self, adjoint: Adjoint, like: ValueId, start: usize) -> Result<Adjoint, ProgramError> {
        let Some(value) = adjoint.value else { return Ok(adjoint) };
        let dims = self.dims(like);
        let value = if value.index() >= start && self.value(value).shape == dims.folded() {
            self.with_dims(value, dims)
        } else {
            self.reshape_to(value, dims)?
        };
        Ok(adjoint.with(value))
    }

    /// a + b. The number of the sum is that of the larger one, or of the smaller one where the other is a small multiple
    /// of it; so what the addition rounds is a unit of the larger one.
    fn sum_of_adjoints(&mut self, a: Adjoint, b: Adjoint) -> Result<Adjoint, ProgramError> {
        if a.value == b.value {
            return Ok(Adjoint { factor: a.factor + b.factor, ..a });
        }
        let (large, small) = if a.factor.abs() >= b.factor.abs() { (a, b) } else { (b, a) };
        if small.factor == 0.0 {
            return Ok(large);
        }
        let (x, y) = match (large.value, small.value) {
            (Some(x), Some(y)) => (x, y),
            (Some(x), None) => return Ok(large.with(self.offset(x, small.factor / large.factor)?)),
            (None, Some(y)) => return Ok(small.with(self.offset(y, large.factor / small.factor)?)),
            (None, None) => unreachable!("equal values"),
        };
        let ratio = large.factor / small.factor;
        if ratio == ratio.trunc() && ratio.abs() <= MOST_WHOLE_RATIO {
            let sum = match ratio {
                -1.0 => self.sub(y, x)?,
                _ => {
                    let x = if ratio == 1.0 { x } else { self.scale(x, Number::Integer(ratio as i128))? };
                    self.add(x, y)?
                }
            };
            return Ok(small.with(sum));
        }
        match self.multiple(y, 1.0 / ratio, self.codec().fraction_bits()) {
            Ok(y) => Ok(large.with(self.add(x, y)?)),
            // Beside the larger one it is zero whatever it is.
            Err(ProgramError::VanishingMultiple { .. }) => Ok(large),
            Err(error) => Err(error),
        }
    }

    /// An adjoint's number times its value, in the shape of `like`.
    fn multiplied_out(&mut self, adjoint: Adjoint, like: ValueId) -> Result<ValueId, ProgramError> {
        let Adjoint { factor, value } = adjoint;
        let Some(value) = value else { return self.constant_like(like, factor) };
        if factor == 1.0 {
            return Ok(value);
        }
        if let Some(integer) = whole(Number::Real(factor)) {
            return self.scale(value, Number::Integer(integer));
        }
        match self.multiple_at_end(value, factor) {
            Some(multiple) => Ok(multiple),
            None => self.multiple(value, factor, self.codec().fraction_bits()),
        }
    }

    /// A value times a number that is no integer, in what the value ends with, behind which its elements may have moved: a
    /// multiple by another number, or a truncation, where the number is a power of two. So it costs nothing more, and rounds
    /// once. `None` where the value ends otherwise.
    pub(in crate::program) fn multiple_at_end(&mut self, value: ValueId, factor: f64) -> Option<ValueId> {
        let (dims, bits) = (self.dims(value), self.codec().fraction_bits());
        if self.value(value).fraction_bits != bits || whole(Number::Real(factor)).is_some() {
            return None;
        }
        let own = self.derivatives.composites.get(&value).copied();
        let multiple = match (own, self.value(value).op) {
            (Some(Composite::Multiple(a, own)), _) => self.multiple(a, own * factor, bits).ok()?,
            (Some(_), _) => return None,
            (None, Op::Transpose(a)) => {
                let (label, shape) = (self.value(value).label.clone(), self.value(value).shape);
                let a = self.multiple_at_end(a, factor)?;
                self.push_like(a, Op::Transpose(a), shape, label).ok()?
            }
            (None, Op::Gather(a, gather)) => {
                let a = self.multiple_at_end(a, factor)?;
                self.gather_from(a, gather).ok()?
            }
            // A power of two is exact in a truncation.
            _ if factor.abs().log2().fract() == 0.0 => {
                self.multiple(self.product_of(value)?, factor, bits).ok()?
            }
            _ => return None,
        };
        Some(self.with_dims(multiple, dims))
    }

    /// What a value is that was a product, before it was truncated.
    fn product_of(&self, value: ValueId) -> Option<ValueId> {
        let Op::Truncate(product, by, _) = self.value(value).op else { return None };
        let is_whole = self.value(product).fraction_bits == self.value(value).fraction_bits + by;
        match self.value(product).op {
            _ if !is_whole => None,
            Op::AddConstant(product, half) if half == 1 << (by - 1) => Some(product),
            _ => Some(product),
        }
    }

    /// The elements of an adjoint but for its number, in the shape of `like`.
    pub(super) fn elements_of(&mut self, adjoint: Adjoint, like: ValueId) -> Result<ValueId, ProgramError> {
        adjoint.value.map_or_else(|| self.constant_like(like, 1.0), Ok)
    }

    /// A public number in every element, in the shape of a value.
    fn constant_like(&mut self, like: ValueId, number: f64) -> Result<ValueId, ProgramError> {
        let (shape, dims, bits) = (self.value(like).shape, self.dims(like), self.codec().fraction_bits());
        let zeros = self.push_scaled(Op::Scale(like, 0), shape, bits, number.to_string())?;
        let zeros = self.with_dims(zeros, dims);
        self.offset(zeros, number)
    }

    /// Calls the values from `start` on by what they are the gradient of.
    fn label_from(&mut self, start: usize, loss: ValueId, of: ValueId) {
        let label = format!("grad({}, {})", self.short(loss), self.short(of));
        for value in start..self.values.len() {
            self.set_label(ValueId(value as u32), &label);
        }
    }

    /// The adjoint with other extents of as many elements.
    pub(super) fn redimmed(&mut self, adjoint: Adjoint, dims: Dims) -> Result<Adjoint, ProgramError> {
        let value = adjoint.value.map(|value| self.reshape_to(value, dims)).transpose()?;
        Ok(Adjoint { value, ..adjoint })
    }
}
