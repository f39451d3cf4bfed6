//! Ops on tensors of up to four axes: see [`Dims`] for how they lie in matrices.
//!
//! What changes the axes but not the matrix that a fresh value lies in costs nothing; otherwise elements are moved.
//!
//! What meets in an elementwise op is first repeated to the rows of the result where rows do not fit as they are; a
//! repeated last axis is left to the op. Axes are reordered by one gather. All of it is local.

use super::error::Operands;
use super::{Dims, Gather, Loop, Op, Program, ProgramError, Stride, ValueId};
use crate::ring::{Axis, Shape};

/// Products of a batch are refused above this many: each is an op of its own.
const MOST_BATCHES: usize = 4096;

impl Program {
    /// The extents of a value.
    pub fn dims(&self, a: ValueId) -> Dims {
        self.value(a).dims
    }

    /// The same elements in row-major order as a tensor of other extents.
    ///
    /// # Errors
    /// Where these have another number of elements.
    pub fn reshape_to(&mut self, a: ValueId, to: Dims) -> Result<ValueId, ProgramError> {
        let from = self.dims(a);
        if from == to {
            return Ok(a);
        }
        if to.checked_len() != Some(self.value(a).shape.len()) {
            return Err(ProgramError::Reshape { label: self.value(a).label.clone(), from, to: Box::new(to) });
        }
        let label = self.value(a).label.clone();
        self.bearable(&label, to)?;
        let source = self.unfolded(a);
        let result = self.reshape(source, to.folded())?;
        self.set_label(result, &label);
        Ok(self.with_dims(result, to))
    }

    /// The axes in another order: that of the result's axis i is `order[i]`.
    ///
    /// # Errors
    /// Where `order` has not every axis once.
    pub fn permute(&mut self, a: ValueId, order: &[usize]) -> Result<ValueId, ProgramError> {
        let dims = self.dims(a);
        let mut sorted = order.to_vec();
        sorted.sort_unstable();
        if sorted != (0..dims.rank()).collect::<Vec<_>>() {
            let what = format!("axes in the order {order:?}");
            return Err(ProgramError::OutOfRange { label: self.short(a), shape: dims, what });
        }
        if order == [1, 0] || order == sorted {
            return if order == sorted { Ok(a) } else { self.transpose(a) };
        }
        let turns: Vec<Loop> =
            order.iter().map(|&axis| Loop { count: dims.extents()[axis], step: dims.stride(axis) }).collect();
        self.by_turns(a, 0, &turns)
    }

    /// Some indices along each of the first axes, all along the others.
    ///
    /// # Errors
    /// Where there are more strides than axes, or the value has not all of the indices.
    pub fn slice_axes(&mut self, a: ValueId, strides: &[Stride]) -> Result<ValueId, ProgramError> {
        let (dims, label) = (self.dims(a), self.short(a));
        let wrong = |what: String| ProgramError::OutOfRange { label: label.clone(), shape: dims, what };
        if strides.len() > dims.rank() {
            return Err(wrong(format!("{} axes", strides.len())));
        }
        let all = dims.extents().iter().map(|&extent| Stride::range(0, extent));
        let strides: Vec<Stride> = strides.iter().copied().chain(all.skip(strides.len())).collect();
        match strides[..] {
            [] => return Ok(a),
            [cols] => {
                let result = self.slice(a, Stride::range(0, 1), cols).map_err(|_| wrong(indices(0, cols)))?;
                return Ok(self.with_dims(result, dims.with(0, cols.count)));
            }
            [rows, cols] => return self.slice(a, rows, cols),
            _ => {}
        }
        let mut start = 0;
        for (axis, (stride, &extent)) in strides.iter().zip(dims.extents()).enumerate() {
            if !stride.fits(extent) {
                return Err(wrong(indices(axis, *stride)));
            }
            start += if stride.count == 0 { 0 } else { stride.start * dims.stride(axis) };
        }
        // Neighbouring parts of the outermost axis are neighbouring rows.
        let whole = |(stride, &extent): (&Stride, &usize)| *stride == Stride::range(0, extent);
        if strides[0].step == 1 && strides.iter().zip(dims.extents()).skip(1).all(whole) {
            let inner: usize = dims.leading()[1..].iter().product();
            let rows = Stride::range(strides[0].start * inner, (strides[0].start + strides[0].count) * inner);
            let result = self.slice(a, rows, Stride::range(0, dims.cols()))?;
            return Ok(self.with_dims(result, dims.with(0, strides[0].count)));
        }
        let turn = |(axis, stride): (usize, &Stride)| Loop {
            count: stride.count,
            step: stride.step * dims.stride(axis),
        };
        let turns: Vec<Loop> = strides.iter().enumerate().map(turn).collect();
        self.by_turns(a, start, &turns)
    }

    /// `a` and `b` one after the other along an axis.
    ///
    /// # Errors
    /// Where they differ along another axis.
    pub fn concat_along(&mut self, a: ValueId, b: ValueId, axis: usize) -> Result<ValueId, ProgramError> {
        let (first, second) = (self.dims(a), self.dims(b));
        self.check_axis(a, axis)?;
        let fits = first.rank() == second.rank() && first.with(axis, 1) == second.with(axis, 1);
        if !fits {
            return Err(ProgramError::Joined { operands: self.operands(a, b), axis });
        }
        if first.rank() == 2 {
            return self.concat(a, b, if axis == 0 { Axis::Rows } else { Axis::Cols });
        }
        let dims = first.with(axis, first.extents()[axis].saturating_add(second.extents()[axis]));
        if first.rank() == 1 {
            let both = self.concat(a, b, Axis::Cols)?;
            return Ok(self.with_dims(both, dims));
        }
        self.bearable(&self.value(a).label, dims)?;
        // Along an inner axis the parts of each outer index are neighbours.
        let flat = |dims: Dims| match axis {
            axis if axis + 1 == dims.rank() => dims.folded(),
            axis => {
                Shape::new(dims.extents()[..axis].iter().product(), dims.extents()[axis] * dims.stride(axis))
            }
        };
        let (left, right) =
            (self.reshape_to(a, flat(first).into())?, self.reshape_to(b, flat(second).into())?);
        let both = self.concat(left, right, Axis::Cols)?;
        self.reshape_to(both, dims)
    }

    /// Some indices along an axis, in any order, some of them repeatedly.
    ///
    /// # Errors
    /// Where the value has not all of them.
    pub fn take(&mut self, a: ValueId, indices: &[usize], axis: usize) -> Result<ValueId, ProgramError> {
        self.check_axis(a, axis)?;
        let (dims, label) = (self.dims(a), format!("gather({})", self.short(a)));
        if let Some(index) = indices.iter().find(|&&index| index >= dims.extents()[axis]) {
            let what = format!("index {index} along axis {axis}");
            return Err(ProgramError::OutOfRange { label: self.short(a), shape: dims, what });
        }
        let mut parts = Vec::new();
        for (start, turn) in runs(indices) {
            parts.push(self.every(a, axis, start, turn)?);
        }
        let joined = if parts.is_empty() { None } else { Some(self.joined_all(parts, axis)?) };
        match joined {
            Some(part) if part != a => self.called(part, label, self.interval(a)),
            Some(part) => Ok(part),
            None => self.every(a, axis, 0, Loop { count: 0, step: 1 }),
        }
    }

    /// The value without axes of extent 1, given in rising order; `first` is the first value that is not used yet.
    pub(super) fn without_axes(
        &mut self,
        a: ValueId,
        axes: &[usize],
        first: usize,
    ) -> Result<ValueId, ProgramError> {
        let dims = axes.iter().rev().fold(self.dims(a), |dims, &axis| dims.without(axis));
        if a.index() >= first && dims.folded() == self.value(a).shape {
            return Ok(self.with_dims(a, dims));
        }
        self.reshape_to(a, dims)
    }

    /// The product with a vector: one on the left is a row, one on the right a column, and the axis that this adds is
    /// dropped again, as NumPy does.
    pub(super) fn product_with_vector(&mut self, a: ValueId, b: ValueId) -> Result<ValueId, ProgramError> {
        let (left, right) = (self.dims(a), self.dims(b));
        let (first, label) = (self.values.len(), self.infix(a, "@", b));
        let column = |program: &mut Program| {
            program.push_like(b, Op::Transpose(b), program.value(b).shape.transposed(), label.clone())
        };
        let row = |program: &mut Program| program.reshape_to(a, Dims::from(program.value(a).shape));
        let product = match (left.rank(), right.rank()) {
            (1, 1) => {
                let column = column(self)?;
                let product = self.plain_matmul(a, column)?;
                self.with_dims(product, Dims::SCALAR)
            }
            (1, 2) => {
                let product = self.plain_matmul(a, b)?;
                self.with_dims(product, Dims::new(&[right.cols()]).expect("one axis"))
            }
            (1, rank) => {
                let row = row(self)?;
                let product = self.batched(row, b)?;
                self.without_axes(product, &[rank - 2], first)?
            }
            (rank, _) => {
                let column = column(self)?;
                let product =
                    if rank == 2 { self.plain_matmul(a, column)? } else { self.batched(a, column)? };
                self.without_axes(product, &[rank - 1], first)?
            }
        };
        self.called(product, label, None)
    }

    /// Matrix products of a batch: of the last two axes, the others broadcasting.
    pub(super) fn batched(&mut self, a: ValueId, b: ValueId) -> Result<ValueId, ProgramError> {
        let (left, right) = (self.dims(a), self.dims(b));
        let label = self.infix(a, "@", b);
        let batch = |dims: Dims| dims.with(dims.rank() - 2, 1).with(dims.rank() - 1, 1);
        let both = batch(left).broadcast(batch(right)).ok_or_else(|| self.unbroadcast(a, b))?;
        let dims = both.with(both.rank() - 2, left.rows()).with(both.rank() - 1, right.cols());
        self.bearable(&label, dims)?;
        let single = |dims: Dims| batch(dims).extents().iter().all(|&extent| extent == 1);
        let result = if single(right) {
            // All rows of the batch at once.
            self.plain_matmul(a, b)?
        } else if single(left) {
            // All columns of the batch at once.
            let (count, k, n) = (both.folded().rows, right.rows(), right.cols());
            let turn = |count, step| Loop { count, step };
            let beside = Gather {
                start: 0,
                rows: [Loop::ONCE, Loop::ONCE, turn(k, n)],
                cols: [Loop::ONCE, turn(count, k * n), turn(n, 1)],
            };
            let beside = self.gather_from(b, beside)?;
            let product = self.plain_matmul(a, beside)?;
            let below = Gather {
                start: 0,
                rows: [Loop::ONCE, turn(count, n), turn(left.rows(), count * n)],
                cols: [Loop::ONCE, Loop::ONCE, turn(n, 1)],
            };
            self.gather_from(product, below)?
        } else {
            self.each_of_batch(a, b, both)?
        };
        let result = self.with_dims(result, dims);
        self.called(result, label, None)
    }

    /// A product for each index of the batch, one below the other, truncated together.
    fn each_of_batch(&mut self, a: ValueId, b: ValueId, both: Dims) -> Result<ValueId, ProgramError> {
        let (left, right) = (self.dims(a).lifted(both.rank()), self.dims(b).lifted(both.rank()));
        let count = both.folded().rows;
        let label = self.infix(a, "@", b);
        if count > MOST_BATCHES {
            return Err(ProgramError::Batches { label, count, most: MOST_BATCHES });
        }
        let bits = self.value(a).fraction_bits + self.value(b).fraction_bits;
        let shape = Shape::new(left.rows(), right.cols());
        let mut parts = std::collections::BTreeMap::new();
        let mut products = Vec::new();
        for index in 0..count {
            let pair = [(a, left), (b, right)].map(|(value, dims)| (value, dims, block(index, both, dims)));
            let [x, y] = pair.map(|(value, dims, block)| {
                let rows = Stride::range(block * dims.rows(), (block + 1) * dims.rows());
                if let Some(&part) = parts.get(&(value, block)) {
                    return Ok(part);
                }
                let part = self.slice(value, rows, Stride::range(0, dims.cols()))?;
                parts.insert((value, block), part);
                Ok::<_, ProgramError>(part)
            });
            products.push(self.push_scaled(Op::MatMul(x?, y?), shape, bits, label.clone())?);
        }
        if products.is_empty() {
            let empty = self.slice(a, Stride::range(0, 0), Stride::range(0, 0))?;
            let empty = self.pad(empty, (0, 0), Shape::new(0, right.cols()))?;
            return Ok(empty);
        }
        while products.len() > 1 {
            let mut joined = Vec::new();
            for pair in products.chunks(2) {
                joined.push(match *pair {
                    [above, below] => self.concat(above, below, Axis::Rows)?,
                    _ => pair[0],
                });
            }
            products = joined;
        }
        self.truncated(products[0], label)
    }

    /// The value repeated to the rows of a tensor that it broadcasts to, where its own do not fit.
    pub(super) fn expanded(&mut self, a: ValueId, to: Dims) -> Result<ValueId, ProgramError> {
        let own = self.dims(a).lifted(to.rank());
        let one = own.leading().iter().all(|&extent| extent == 1);
        if to.rank() <= 2 || one || own.leading() == to.leading() {
            return Ok(a);
        }
        let mut turns: Vec<Loop> = (0..to.rank() - 1)
            .map(|axis| match own.extents()[axis] {
                1 => Loop { count: to.extents()[axis], step: 0 },
                count => Loop { count, step: own.stride(axis) },
            })
            .collect();
        turns.push(Loop { count: own.cols(), step: 1 });
        let label = self.value(a).label.clone();
        let result = self.by_turns(a, 0, &turns)?;
        self.set_label(result, &label);
        Ok(result)
    }

    /// A tensor whose elements nested loops find, one for each axis.
    pub(super) fn by_turns(
        &mut self,
        a: ValueId,
        start: usize,
        turns: &[Loop],
    ) -> Result<ValueId, ProgramError> {
        let extents: Vec<usize> = turns.iter().map(|turn| turn.count).collect();
        let dims = Dims::new(&extents).expect("as many axes as a tensor");
        self.bearable(&self.value(a).label, dims)?;
        let (&last, leading) = turns.split_last().expect("at least one axis");
        let mut rows = [Loop::ONCE; 3];
        rows[3 - leading.len()..].copy_from_slice(leading);
        let gather = Gather { start, rows, cols: [Loop::ONCE, Loop::ONCE, last] };
        let result = self.gather_from(a, gather)?;
        Ok(self.with_dims(result, dims))
    }

    /// Gathers of what a reshaped value has been reshaped from: the order of its elements is the same.
    pub(super) fn gather_from(&mut self, a: ValueId, gather: Gather) -> Result<ValueId, ProgramError> {
        let source = self.unfolded(a);
        self.gather(source, gather)
    }

    /// What a value has been reshaped from.
    fn unfolded(&self, mut a: ValueId) -> ValueId {
        while let Op::Gather(from, gather) = self.value(a).op
            && gather == Gather::in_order(self.value(a).shape)
            && self.value(from).shape.len() == self.value(a).shape.len()
        {
            a = from;
        }
        a
    }

    /// Some indices along an axis, evenly spaced or always the same one.
    fn every(&mut self, a: ValueId, axis: usize, start: usize, turn: Loop) -> Result<ValueId, ProgramError> {
        let dims = self.dims(a);
        if turn.step > 0 || turn.count <= 1 {
            let mut strides: Vec<Stride> =
                dims.extents().iter().map(|&extent| Stride::range(0, extent)).collect();
            strides[axis] = Stride { start, step: turn.step.max(1), count: turn.count };
            return self.slice_axes(a, &strides);
        }
        let turns: Vec<Loop> = (0..dims.rank())
            .map(|other| match other == axis {
                true => Loop { count: turn.count, step: 0 },
                false => Loop { count: dims.extents()[other], step: dims.stride(other) },
            })
            .collect();
        self.by_turns(a, start * dims.stride(axis), &turns)
    }

    /// Refuses extents of which no matrix can be made.
    pub(super) fn bearable(&self, label: &str, dims: Dims) -> Result<Dims, ProgramError> {
        if dims.is_bearable() {
            return Ok(dims);
        }
        Err(ProgramError::TooLarge { label: label.to_owned(), shape: dims })
    }

    /// Says which extents a value of the same matrix has; it must not have been used yet.
    pub(super) fn with_dims(&mut self, value: ValueId, dims: Dims) -> ValueId {
        assert_eq!(self.value(value).shape, dims.folded(), "extents of the same matrix");
        self.values[value.index()].dims = dims;
        value
    }

    pub(super) fn check_axis(&self, a: ValueId, axis: usize) -> Result<(), ProgramError> {
        let dims = self.dims(a);
        if axis < dims.rank() {
            return Ok(());
        }
        let what = format!("axis {axis}");
        Err(ProgramError::OutOfRange { label: self.value(a).label.clone(), shape: dims, what })
    }

    pub(super) fn unbroadcast(&self, a: ValueId, b: ValueId) -> ProgramError {
        ProgramError::Broadcast(self.operands(a, b))
    }

    /// Two operands, for an error.
    pub(super) fn operands(&self, a: ValueId, b: ValueId) -> Box<Operands> {
        let label = |value| self.value(value).label.clone();
        let (left, right) = (self.dims(a), self.dims(b));
        Box::new(Operands { left_label: label(a), left, right_label: label(b), right })
    }
}

/// Indices along an axis, for an error.
fn indices(axis: usize, Stride { start, step, count }: Stride) -> String {
    format!("indices {start}, {start} + {step}, …, {count} of them, along axis {axis}")
}

/// Which matrix of an operand belongs to an index of the batch; an axis of extent 1 repeats.
fn block(index: usize, both: Dims, operand: Dims) -> usize {
    let batch = both.rank() - 2;
    let (mut rest, mut block, mut size) = (index, 0, 1);
    for axis in (0..batch).rev() {
        let (extent, own) = (both.extents()[axis], operand.extents()[axis]);
        block += if own == 1 { 0 } else { rest % extent * size };
        rest /= extent;
        size *= own;
    }
    block
}

/// Cuts indices into parts that rise evenly or stay: the first of each, and how it goes on.
fn runs(indices: &[usize]) -> Vec<(usize, Loop)> {
    let mut runs: Vec<(usize, Loop)> = Vec::new();
    for &index in indices {
        if let Some((start, turn)) = runs.last_mut() {
            if turn.count == 1 && index >= *start {
                *turn = Loop { count: 2, step: index - *start };
                continue;
            }
            if turn.count > 1 && index == *start + turn.count * turn.step {
                turn.count += 1;
                continue;
            }
        }
        runs.push((index, Loop { count: 1, step: 1 }));
    }
    runs
}

#[cfg(test)]
mod tests;
