//! What moves of elements pass on: each adjoint goes back to where its element came from, and where an element was moved
//! to several places, their adjoints are added.

use super::Adjoint;
use crate::program::{Gather, Loop, Op, Program, ProgramError, Stride, ValueId};
use crate::ring::{Axis, Shape};

/// A loop of a gather: its turns, how far each moves in the operand, and how far in the result.
#[derive(Clone, Copy)]
struct Turn {
    count: usize,
    step: usize,
    stride: usize,
}

/// Loops over places of the operand that lie apart but for each other's: each block of these is as wide as `width`.
struct Cluster {
    /// The loop that is undone at once.
    dense: Turn,
    /// The others, whose turns are added one by one.
    others: Vec<Turn>,
    /// How far its places reach, with those of the loops within.
    span: usize,
}

impl Gather {
    /// The loops that move, with their strides in the result, and those that repeat.
    fn turns(&self) -> (Vec<Turn>, Vec<Turn>) {
        let mut stride = 1;
        let mut turns = Vec::new();
        for &Loop { count, step } in self.rows.iter().chain(&self.cols).rev() {
            turns.push(Turn { count, step, stride });
            stride *= count;
        }
        let live = turns.into_iter().filter(|turn| turn.count > 1);
        let (mut moving, repeating): (Vec<Turn>, Vec<Turn>) = live.partition(|turn| turn.step > 0);
        moving.sort_by_key(|turn| turn.step);
        (moving, repeating)
    }

    /// Whether every element of a matrix of this shape stands in one place of the result.
    pub(super) fn is_permutation(&self, shape: Shape) -> bool {
        let (moving, repeating) = self.turns();
        let alone = clusters(&moving).iter().all(|cluster| cluster.others.is_empty());
        repeating.is_empty() && alone && self.shape().len() == shape.len()
    }
}

/// Loops, the shortest step first, in clusters whose places do not overlap.
fn clusters(moving: &[Turn]) -> Vec<Cluster> {
    let mut clusters: Vec<Cluster> = Vec::new();
    for &turn in moving {
        let within = clusters.last().map_or(1, |last| last.span);
        let span = within + (turn.count - 1) * turn.step;
        match clusters.last_mut().filter(|last| turn.step < last.span) {
            None => clusters.push(Cluster { dense: turn, others: Vec::new(), span }),
            Some(last) => {
                // The longest is undone at once.
                let other = if turn.count > last.dense.count {
                    std::mem::replace(&mut last.dense, turn)
                } else {
                    turn
                };
                last.others.push(other);
                last.span = span;
            }
        }
    }
    clusters
}

impl Program {
    /// A matrix of `shape` with the elements of `a` in some rows and columns, and zeros elsewhere.
    pub(super) fn placed(
        &mut self,
        a: ValueId,
        rows: Stride,
        cols: Stride,
        shape: Shape,
    ) -> Result<ValueId, ProgramError> {
        if rows.count == 0 || cols.count == 0 {
            return self.zeros_within(a, shape);
        }
        let apart = self.apart(a, cols.step)?;
        // Rows are apart as columns are, of a matrix with a row for each.
        let Shape { rows: own_rows, cols: width } = self.value(apart).shape;
        let lines = self.reshape_to(apart, Shape::new(1, own_rows * width).into())?;
        let lines = self.blocks_apart(lines, width, rows.step * width)?;
        let high = (rows.count - 1) * rows.step + 1;
        let block = self.reshape_to(lines, Shape::new(high, width).into())?;
        self.within(block, (rows.start, cols.start), shape)
    }

    /// The elements of each row `step` apart.
    fn apart(&mut self, a: ValueId, step: usize) -> Result<ValueId, ProgramError> {
        let Shape { rows, cols } = self.value(a).shape;
        if step == 1 || cols == 1 {
            return Ok(a);
        }
        let single = self.reshape_to(a, Shape::new(rows * cols, 1).into())?;
        let padded = self.pad(single, (0, 0), Shape::new(rows * cols, step))?;
        let wide = self.reshape_to(padded, Shape::new(rows, cols * step).into())?;
        let cols = Stride::range(0, (cols - 1) * step + 1);
        self.slice(wide, Stride::range(0, rows), cols)
    }

    /// The blocks of each row, so many columns wide, `step` apart.
    fn blocks_apart(&mut self, a: ValueId, width: usize, step: usize) -> Result<ValueId, ProgramError> {
        let Shape { rows, cols } = self.value(a).shape;
        let count = cols / width;
        if step == width || count == 1 {
            return Ok(a);
        }
        let blocks = self.reshape_to(a, Shape::new(rows * count, width).into())?;
        let padded = self.within(blocks, (0, 0), Shape::new(rows * count, step))?;
        let wide = self.reshape_to(padded, Shape::new(rows, count * step).into())?;
        self.slice(wide, Stride::range(0, rows), Stride::range(0, (count - 1) * step + width))
    }

    /// The matrix with its first element at a place of a larger one.
    fn within(&mut self, a: ValueId, at: (usize, usize), shape: Shape) -> Result<ValueId, ProgramError> {
        if self.value(a).shape == shape { Ok(a) } else { self.pad(a, at, shape) }
    }

    /// Zeros, as nothing of a value within them.
    fn zeros_within(&mut self, a: ValueId, shape: Shape) -> Result<ValueId, ProgramError> {
        let nothing = self.slice(a, Stride::range(0, 0), Stride::range(0, 0))?;
        self.pad(nothing, (0, 0), shape)
    }

    /// Of the elements that a gather moved from a matrix of `shape`, each back at its place; where several came from one
    /// place, their sum.
    pub(in crate::program) fn scattered(
        &mut self,
        a: ValueId,
        gather: Gather,
        shape: Shape,
    ) -> Result<ValueId, ProgramError> {
        if self.value(a).shape.is_empty() {
            return self.zeros_within(a, shape);
        }
        let (moving, repeating) = gather.turns();
        let clusters = clusters(&moving);
        // The outermost cluster first, in each the loop that is undone at once last, and repetitions at the end.
        let mut order: Vec<Turn> = Vec::new();
        for cluster in clusters.iter().rev() {
            order.extend(cluster.others.iter().rev().chain([&cluster.dense]));
        }
        let places: usize = order.iter().map(|turn| turn.count).product();
        let copies: usize = repeating.iter().map(|turn| turn.count).product();
        order.extend(&repeating);
        let mut value = self.in_order_of(a, &order)?;
        value = self.reshape_to(value, Shape::new(places, copies).into())?;
        if copies > 1 {
            value = self.sum(value, Some(Axis::Cols))?;
        }
        let mut width = 1;
        for cluster in &clusters {
            value = self.undone(value, cluster, width)?;
            width = cluster.span;
        }
        let row = self.within(value, (0, gather.start), Shape::new(1, shape.len()))?;
        self.reshape_to(row, shape.into())
    }

    /// The elements in the order of these loops.
    fn in_order_of(&mut self, a: ValueId, order: &[Turn]) -> Result<ValueId, ProgramError> {
        if order.is_sorted_by(|outer, inner| outer.stride >= inner.stride) {
            return Ok(a);
        }
        let mut turns = [Loop::ONCE; 6];
        for (turn, Turn { count, stride, .. }) in turns[6 - order.len()..].iter_mut().zip(order) {
            *turn = Loop { count: *count, step: *stride };
        }
        let [rows @ .., x, y, z] = turns;
        self.gather_from(a, Gather { start: 0, rows, cols: [x, y, z] })
    }

    /// A row for each place of the outer clusters, of a matrix with a row for each turn of this one, and the adjoints of
    /// the `width` places that the inner ones reach in each.
    fn undone(&mut self, a: ValueId, cluster: &Cluster, width: usize) -> Result<ValueId, ProgramError> {
        let Turn { count, step, .. } = cluster.dense;
        let rows = self.value(a).shape.rows / count;
        let lines = self.reshape_to(a, Shape::new(rows, count * width).into())?;
        let lines = self.blocks_apart(lines, width, step)?;
        if cluster.others.is_empty() {
            return Ok(lines);
        }
        let own = self.value(lines).shape.cols;
        let turns: usize = cluster.others.iter().map(|turn| turn.count).product();
        let mut sum = None;
        for turn in 0..turns {
            // The first of the others is the innermost.
            let (mut rest, mut at) = (turn, 0);
            for other in &cluster.others {
                at += rest % other.count * other.step;
                rest /= other.count;
            }
            let every = Stride { start: turn, step: turns, count: rows / turns };
            let part = self.slice(lines, every, Stride::range(0, own))?;
            let part = self.within(part, (0, at), Shape::new(rows / turns, cluster.span))?;
            sum = Some(match sum {
                None => part,
                Some(sum) => self.add(sum, part)?,
            });
        }
        Ok(sum.expect("a turn"))
    }

    /// The consumers of a value that are slices of whole rows or columns which together are the value, in their order, and
    /// the axis along which they were cut.
    pub(super) fn pieces_of(&self, a: ValueId, consumers: &[ValueId]) -> Option<(Vec<ValueId>, Axis)> {
        let shape = self.value(a).shape;
        for (axis, extent) in [(Axis::Rows, shape.rows), (Axis::Cols, shape.cols)] {
            let cut = |id: &ValueId| self.cut_of(*id, a, axis).map(|stride| (stride, *id));
            let mut pieces: Vec<(Stride, ValueId)> = consumers.iter().filter_map(cut).collect();
            pieces.sort_by_key(|(stride, _)| stride.start);
            let all = consumers.iter().filter(|id| self.is_piece(**id, a)).count();
            let mut end = 0;
            let joins = pieces.iter().all(|(stride, _)| {
                let follows = stride.start == end;
                end += stride.count;
                follows
            });
            if joins && end == extent && pieces.len() > 1 && pieces.len() == all {
                return Some((pieces.into_iter().map(|(_, id)| id).collect(), axis));
            }
        }
        None
    }

    /// Whether a value is some whole rows or columns of another.
    pub(super) fn is_piece(&self, id: ValueId, of: ValueId) -> bool {
        [Axis::Rows, Axis::Cols].into_iter().any(|axis| self.cut_of(id, of, axis).is_some())
    }

    fn cut_of(&self, id: ValueId, of: ValueId, axis: Axis) -> Option<Stride> {
        let Op::Slice(a, rows, cols) = self.value(id).op else { return None };
        let shape = self.value(of).shape;
        let (cut, whole, extent) = match axis {
            Axis::Rows => (rows, cols, shape.cols),
            Axis::Cols => (cols, rows, shape.rows),
        };
        let is_cut = a == of && whole == Stride::range(0, extent) && cut.step == 1;
        (is_cut && !self.is_composite(id)).then_some(cut)
    }

    /// The adjoints of pieces, one after the other.
    pub(super) fn put_together(
        &mut self,
        pieces: Vec<(ValueId, Adjoint)>,
        axis: Axis,
    ) -> Result<Adjoint, ProgramError> {
        let factor = pieces[0].1.factor;
        if pieces.iter().all(|(_, adjoint)| adjoint.value.is_none() && adjoint.factor == factor) {
            return Ok(Adjoint { factor, value: None });
        }
        let is_common = pieces.iter().all(|(_, adjoint)| adjoint.factor == factor);
        let mut parts = Vec::new();
        for (piece, adjoint) in pieces {
            let elements = self.elements_of(adjoint, piece)?;
            let adjoint =
                Adjoint { factor: if is_common { 1.0 } else { adjoint.factor }, value: Some(elements) };
            parts.push(self.multiplied_out(adjoint, piece)?);
        }
        while parts.len() > 1 {
            let mut joined = Vec::new();
            for pair in parts.chunks(2) {
                joined.push(match *pair {
                    [left, right] => self.concat(left, right, axis)?,
                    _ => pair[0],
                });
            }
            parts = joined;
        }
        Ok(Adjoint { factor: if is_common { factor } else { 1.0 }, value: Some(parts[0]) })
    }
}
