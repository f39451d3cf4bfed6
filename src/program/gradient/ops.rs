//! What each op passes on of its adjoint to its operands. One match, so that no op is without a rule.

use super::{Adjoint, Composite, Passed};
use crate::program::{Dims, Gather, Loop, Op, Program, ProgramError, ValueId};
use crate::ring::{Axis, Shape};

impl Program {
    /// What an op's result with this adjoint passes on to an operand, once for each place of that.
    pub(super) fn passed_by_op(&mut self, result: ValueId, adjoint: Adjoint, to: ValueId) -> Passed {
        let (op, shape) = (self.value(result).op, self.value(to).shape);
        // What an element of the result stands for less than one of the operand.
        let bits = |program: &Program, value| f64::from(program.value(value).fraction_bits);
        let scale = (bits(self, to) - bits(self, result)).exp2();
        let one = |adjoint| Ok(vec![adjoint]);
        match op {
            Op::Input(_) | Op::State(_) | Op::Public(_) => Ok(Vec::new()),
            Op::Add(a, b) => self.passed_to_each([a, b], result, adjoint, to, [1.0, 1.0]),
            Op::Sub(a, b) => self.passed_to_each([a, b], result, adjoint, to, [1.0, -1.0]),
            Op::Neg(_) => one(adjoint.times(-1.0)),
            Op::AddConstant(..) => one(adjoint),
            Op::Scale(_, factor) => one(adjoint.times(self.ring().signed(factor) as f64 * scale)),
            Op::Truncate(_, by, _) => one(adjoint.times(scale * (-f64::from(by)).exp2())),
            Op::Mul(a, b) => self.passed_by_product([a, b], adjoint, to),
            Op::MatMul(a, b) => {
                let mut all = Vec::new();
                if a == to {
                    all.push(self.passed_to_left(b, adjoint, shape)?);
                }
                if b == to {
                    all.push(self.passed_to_right(a, adjoint, shape)?);
                }
                Ok(all)
            }
            Op::Transpose(_) => one(self.turned(adjoint)?),
            Op::Sum(_, axis) => one(self.spread(adjoint, axis, shape)?),
            Op::Slice(_, rows, cols) => {
                let elements = self.elements_of(adjoint, result)?;
                one(adjoint.with(self.placed(elements, rows, cols, shape)?))
            }
            Op::Pad(_, at) => {
                let Some(value) = adjoint.value else { return one(adjoint) };
                let range = |from: usize, count| crate::program::Stride::range(from, from + count);
                let inside = self.slice(value, range(at.0, shape.rows), range(at.1, shape.cols))?;
                one(adjoint.with(inside))
            }
            Op::Gather(_, gather) => {
                if adjoint.value.is_none() && gather.is_permutation(shape) {
                    return one(adjoint);
                }
                let elements = self.elements_of(adjoint, result)?;
                one(adjoint.with(self.scattered(elements, gather, shape)?))
            }
            Op::ScaleByRun(_, by) => {
                let elements = self.elements_of(adjoint, result)?;
                one(adjoint.with(self.scale_by_run(elements, by)?))
            }
            Op::RowsByRun(..) => Err(self.no_derivative(result, to)),
            Op::Compare(..) => unreachable!("a comparison has no adjoint"),
        }
    }

    /// What a sum passes on to those of its two operands that are `to`, with these signs.
    fn passed_to_each(
        &mut self,
        operands: [ValueId; 2],
        result: ValueId,
        adjoint: Adjoint,
        to: ValueId,
        signs: [f64; 2],
    ) -> Passed {
        let natural = self.dims(operands[0]).broadcast(self.dims(operands[1]));
        let dims = natural.unwrap_or(self.dims(result));
        let adjoint = self.redimmed(adjoint, dims)?;
        let mut all = Vec::new();
        for (_, sign) in operands.into_iter().zip(signs).filter(|(operand, _)| *operand == to) {
            all.push(self.summed_to(adjoint.times(sign), dims, self.dims(to))?);
        }
        Ok(all)
    }

    /// What a product elementwise passes on: the adjoint times the other factor, summed where the factor was repeated.
    pub(super) fn passed_by_product(
        &mut self,
        factors: [ValueId; 2],
        adjoint: Adjoint,
        to: ValueId,
    ) -> Passed {
        let [a, b] = factors;
        let dims = self.dims(a).broadcast(self.dims(b)).expect("factors of a product");
        let adjoint = self.redimmed(adjoint, dims)?;
        let mut all = Vec::new();
        for (_, other) in [(a, b), (b, a)].into_iter().filter(|(factor, _)| *factor == to) {
            all.push(self.product_summed(adjoint, other, dims, self.dims(to))?);
        }
        Ok(all)
    }

    /// An adjoint of extents `dims` times a value that broadcasts to these, summed to the extents `to`.
    pub(in crate::program) fn product_summed(
        &mut self,
        adjoint: Adjoint,
        other: ValueId,
        dims: Dims,
        to: Dims,
    ) -> Result<Adjoint, ProgramError> {
        let Some(value) = adjoint.value else {
            let other = self.at_scale(other)?;
            return self.summed_to(adjoint.with(other), dims, to);
        };
        if dims == to || self.excess_bits(value, other) > 0 {
            let product = self.mul(value, other)?;
            return self.summed_to(adjoint.with(product), dims, to);
        }
        let product = self.raw_product(value, other)?;
        let sum = self.summed_to(adjoint.with(product), dims, to)?;
        let sum = sum.value.expect("a sum of products");
        Ok(adjoint.with(self.truncated(sum, String::new())?))
    }

    /// An adjoint of extents `from` as that of a value of extents `to` which was repeated to them: summed.
    pub(in crate::program) fn summed_to(
        &mut self,
        adjoint: Adjoint,
        from: Dims,
        to: Dims,
    ) -> Result<Adjoint, ProgramError> {
        let Some(mut value) = adjoint.value else { return Ok(adjoint.times(ratio(from, to))) };
        let rank = self.dims(value).rank();
        for axis in 0..rank {
            let own = self.dims(value).extents()[axis];
            let kept = if axis + to.rank() < rank { 1 } else { to.extents()[axis + to.rank() - rank] };
            if own != kept && kept == 1 {
                value = self.sum_along(value, axis)?;
            }
        }
        Ok(adjoint.with(if self.dims(value).checked_len() == to.checked_len() {
            self.reshape_to(value, to)?
        } else {
            self.repeated_to(value, to)?
        }))
    }

    /// A value of fewer extents, repeated to these.
    fn repeated_to(&mut self, value: ValueId, to: Dims) -> Result<ValueId, ProgramError> {
        let own = self.dims(value).lifted(to.rank());
        let turns: Vec<Loop> = (0..to.rank())
            .map(|axis| Loop {
                count: to.extents()[axis],
                step: if own.extents()[axis] == 1 { 0 } else { own.stride(axis) },
            })
            .collect();
        self.by_turns(value, 0, &turns)
    }

    /// Of z = x·w with the adjoint g that of x: g·wᵀ, computed as (w·gᵀ)ᵀ.
    fn passed_to_left(
        &mut self,
        right: ValueId,
        adjoint: Adjoint,
        to: Shape,
    ) -> Result<Adjoint, ProgramError> {
        if adjoint.value.is_none() {
            let sums = self.sum(right, Some(Axis::Cols))?;
            let sums = self.at_scale(sums)?;
            let row = self.turned(adjoint.with(sums))?;
            return self.spread(row, Axis::Rows, to);
        }
        let turned = self.turned(adjoint)?.value.expect("a value");
        self.turned_product(adjoint, right, turned)
    }

    /// Of z = x·w with the adjoint g that of w: xᵀ·g, computed as (gᵀ·x)ᵀ.
    fn passed_to_right(
        &mut self,
        left: ValueId,
        adjoint: Adjoint,
        to: Shape,
    ) -> Result<Adjoint, ProgramError> {
        if adjoint.value.is_none() {
            let sums = self.sum(left, Some(Axis::Rows))?;
            let sums = self.at_scale(sums)?;
            let column = self.turned(adjoint.with(sums))?;
            return self.spread(column, Axis::Cols, to);
        }
        let turned = self.turned(adjoint)?.value.expect("a value");
        self.turned_product(adjoint, turned, left)
    }

    /// A value with the program's fraction bits; an integer becomes a constant.
    fn at_scale(&mut self, a: ValueId) -> Result<ValueId, ProgramError> {
        let first = self.values.len();
        let promoted = self.promoted(a)?;
        self.composed(first, promoted, Composite::Constant);
        self.rescaled(promoted, 0, self.codec().fraction_bits())
    }

    /// (a·b)ᵀ with the number of an adjoint, turned before it is truncated.
    fn turned_product(&mut self, adjoint: Adjoint, a: ValueId, b: ValueId) -> Result<Adjoint, ProgramError> {
        let shape = Shape::new(self.value(a).shape.rows, self.value(b).shape.cols);
        let bits = self.value(a).fraction_bits + self.value(b).fraction_bits;
        let product = self.push_scaled(Op::MatMul(a, b), shape, bits, String::new())?;
        let turned = self.push_like(product, Op::Transpose(product), shape.transposed(), String::new())?;
        Ok(adjoint.with(self.truncated(turned, String::new())?))
    }

    /// The adjoint with rows and columns exchanged.
    fn turned(&mut self, adjoint: Adjoint) -> Result<Adjoint, ProgramError> {
        let Some(value) = adjoint.value else { return Ok(adjoint) };
        if let Op::Transpose(of) = self.value(value).op {
            return Ok(adjoint.with(of));
        }
        let shape = self.value(value).shape.transposed();
        Ok(adjoint.with(self.push_like(value, Op::Transpose(value), shape, String::new())?))
    }

    /// The adjoint of sums over an axis as that of the matrix, of this shape, that was summed.
    pub(in crate::program) fn spread(
        &mut self,
        adjoint: Adjoint,
        axis: Axis,
        to: Shape,
    ) -> Result<Adjoint, ProgramError> {
        let Some(value) = adjoint.value else { return Ok(adjoint) };
        let turn = |count, step| [Loop::ONCE, Loop::ONCE, Loop { count, step }];
        let (rows, cols) = match axis {
            Axis::Rows => (turn(to.rows, 0), turn(to.cols, 1)),
            Axis::Cols => (turn(to.rows, 1), turn(to.cols, 0)),
        };
        Ok(adjoint.with(self.gather_from(value, Gather { start: 0, rows, cols })?))
    }
}

/// How many elements of the first extents there are for one of the second.
fn ratio(from: Dims, to: Dims) -> f64 {
    let count = |dims: Dims| dims.extents().iter().product::<usize>() as f64;
    if count(to) == 0.0 { 1.0 } else { count(from) / count(to) }
}
