//! Ops that only move elements: every party moves those of its copies.

use super::lowering::{Form, Lowering, Parts, SAME_COMPONENTS, Tile};
use super::rules::Rules;
use crate::program::{self, Gather, Op, Stride, ValueId};
use crate::ring::Shape;
use crate::step::{self, Action, Kernel, MemoryClass};

/// A part of a tile of the result, and the tile that it is read from.
pub(super) struct Piece {
    /// Where it is read.
    pub(super) from: Tile,
    /// Along the rows and along the columns.
    along: [Run; 2],
}

/// Some neighbouring indices of the result along an axis, and where they are read.
#[derive(Clone, Copy)]
struct Run {
    /// The operand's tile.
    tile: usize,
    /// The first index within that tile.
    at: usize,
    /// The distance that a turn moves there.
    step: usize,
    /// The first index within the result's tile.
    to: usize,
    /// The number.
    count: usize,
}

impl<P: Rules> Lowering<'_, P> {
    /// The parts of a tile of a slice or a placed value; at least one, which is empty where nothing is read.
    pub(super) fn pieces(&self, tile: Tile) -> Vec<Piece> {
        let grid = self.grid(tile.value);
        let (shape, (row, col)) = (grid.shape(tile.at), grid.origin(tile.at));
        let (operand, runs): (ValueId, [(Stride, usize); 2]) = match self.program.value(tile.value).op {
            Op::Slice(a, rows, cols) => {
                let part = |stride: Stride, first, count| {
                    (Stride { start: stride.start + first * stride.step, count, ..stride }, 0)
                };
                (a, [part(rows, row, shape.rows), part(cols, col, shape.cols)])
            }
            Op::Pad(a, (first_row, first_col)) => {
                let own = self.program.value(a).shape;
                let part = |first: usize, extent: usize, start: usize, count: usize| {
                    let (low, high) = (start.max(first), (start + count).min(first + extent));
                    if low >= high {
                        (Stride::range(0, 0), 0)
                    } else {
                        (Stride::range(low - first, high - first), low - start)
                    }
                };
                let rows = part(first_row, own.rows, row, shape.rows);
                (a, [rows, part(first_col, own.cols, col, shape.cols)])
            }
            _ => unreachable!("only these are made of pieces"),
        };
        let lengths = self.grid(operand).origin((1, 1));
        let [(rows, to_row), (cols, to_col)] = runs;
        let (rows, cols) = (run(rows, to_row, lengths.0), run(cols, to_col, lengths.1));
        let piece = |&row: &Run, &col: &Run| Piece {
            from: Tile { value: operand, at: (row.tile, col.tile) },
            along: [row, col],
        };
        rows.iter().flat_map(|row| cols.iter().map(move |col| piece(row, col))).collect()
    }

    /// Puts a tile together from its pieces.
    pub(super) fn assemble(&mut self, tile: Tile, shape: Shape) -> Parts {
        let pieces = self.pieces(tile);
        let operands: Vec<Parts> = pieces.iter().map(|piece| self.parts(piece.from)).collect();
        operands[0].map(|holders, party, _| {
            let out = self.buffer(party, shape, MemoryClass::Shares);
            for (index, (piece, operand)) in pieces.iter().zip(&operands).enumerate() {
                let operand = operand.copy(holders, party).expect(SAME_COMPONENTS);
                let ([row, col], width) = (piece.along, operand.shape.cols);
                let loops = vec![
                    step::Loop { count: row.count, from: row.step * width, to: shape.cols },
                    step::Loop { count: col.count, from: col.step, to: 1 },
                ];
                let (from, to) = (row.at * width + col.at, row.to * shape.cols + col.to);
                let kernel = Kernel::Affine { out, operand, loops, from, to, keep: index > 0 };
                self.push(party, Action::Kernel(kernel));
            }
            out
        })
    }

    /// The block of `shape` at `origin` of the gathered value.
    pub(super) fn gathered(
        &mut self,
        value: ValueId,
        (a, gather): (ValueId, Gather),
        origin: (usize, usize),
        shape: Shape,
    ) -> Parts {
        let len = |value: ValueId| self.program.value(value).shape.len();
        let form = if len(value) > len(a) { Form::Repeatable } else { Form::Own };
        let operand = self.whole(a, form);
        let rows = boxes(&gather.rows, origin.0, shape.rows);
        let cols = boxes(&gather.cols, origin.1, shape.cols);
        operand.map(|_, party, operand| {
            let out = self.buffer(party, shape, MemoryClass::Shares);
            let mut push = |loops, from, to, keep| {
                self.push(party, Action::Kernel(Kernel::Affine { out, operand, loops, from, to, keep }));
            };
            if rows.is_empty() || cols.is_empty() {
                push(vec![step::Loop { count: 0, from: 0, to: 0 }], 0, 0, false);
            }
            for (index, (row, col)) in
                rows.iter().flat_map(|row| cols.iter().map(move |col| (row, col))).enumerate()
            {
                let in_rows = row.loops.iter().map(|turn| step::Loop { to: turn.to * shape.cols, ..*turn });
                let loops = in_rows.chain(col.loops.iter().copied()).collect();
                let from = gather.start + row.from + col.from;
                push(loops, from, row.to * shape.cols + col.to, index > 0);
            }
            out
        })
    }

    /// A value in one buffer, put together from tiles of this form.
    pub(super) fn whole(&mut self, value: ValueId, form: Form) -> Parts {
        let (grid, shape) = (self.grid(value), self.program.value(value).shape);
        let form = match form {
            _ if self.known[value.index()] => Form::Own,
            Form::Repeatable if P::repeatable(self, Tile { value, at: (0, 0) }).is_none() => Form::Own,
            form => form,
        };
        if let Some(whole) = self.whole.get(&(value, form)) {
            return whole.clone();
        }
        let mut tile = |at| match form {
            Form::Own => self.parts(Tile { value, at }),
            Form::Repeatable => P::repeatable(self, Tile { value, at }).expect(SAME_COMPONENTS),
            Form::Shared => P::shared(self, Tile { value, at }),
        };
        let tiles: Vec<_> = grid.tiles().map(|at| (grid.origin(at), tile(at))).collect();
        let whole = match &tiles[..] {
            [(_, only)] => only.clone(),
            _ => tiles[0].1.map(|holders, party, _| {
                let out = self.buffer(party, shape, MemoryClass::Scratch);
                for (index, ((row, col), tile)) in tiles.iter().enumerate() {
                    let operand = tile.copy(holders, party).expect(SAME_COMPONENTS);
                    let loops = vec![
                        step::Loop { count: operand.shape.rows, from: operand.shape.cols, to: shape.cols },
                        step::Loop { count: operand.shape.cols, from: 1, to: 1 },
                    ];
                    let to = row * shape.cols + col;
                    let kernel = Kernel::Affine { out, operand, loops, from: 0, to, keep: index > 0 };
                    self.push(party, Action::Kernel(kernel));
                }
                out
            }),
        };
        self.whole.insert((value, form), whole.clone());
        whole
    }
}

/// The indices of `stride`, which stand from `to` on in the result, by the tile of `length` that they are read from.
fn run(stride: Stride, to: usize, length: usize) -> Vec<Run> {
    let Stride { start, step, count } = stride;
    let mut runs = Vec::new();
    let mut done = 0;
    while done < count {
        let first = start + done * step;
        let (tile, at) = (first / length, first % length);
        let count = (length - at).div_ceil(step).min(count - done);
        runs.push(Run { tile, at, step, to: to + done, count });
        done += count;
    }
    if runs.is_empty() {
        runs.push(Run { tile: 0, at: 0, step: 1, to: 0, count: 0 });
    }
    runs
}

/// A part of a range of indices that nested loops count: each loop over neighbouring turns.
struct Counted {
    loops: Vec<step::Loop>,
    /// Where the first is read, from the loops' start.
    from: usize,
    /// Where the first stands, from the range's start.
    to: usize,
}

/// The indices `start .. start + count` of what `turns` count, as few nested loops as hold them: parts of a turn of the
/// outermost loop at either end, whole ones between.
fn boxes(turns: &[program::Loop], start: usize, count: usize) -> Vec<Counted> {
    let [outer, inner @ ..] = turns else {
        let none = Counted { loops: Vec::new(), from: 0, to: 0 };
        return if count > 0 { vec![none] } else { Vec::new() };
    };
    let size: usize = inner.iter().map(|turn| turn.count).product();
    let mut parts = Vec::new();
    let mut done = 0;
    while done < count {
        let (first, offset) = ((start + done) / size, (start + done) % size);
        let whole = if offset == 0 { (count - done) / size } else { 0 };
        let (turns, offset, len) =
            if whole > 0 { (whole, 0, size) } else { (1, offset, (size - offset).min(count - done)) };
        for part in boxes(inner, offset, len) {
            let mut loops = vec![step::Loop { count: turns, from: outer.step, to: size }];
            loops.extend(part.loops);
            parts.push(Counted { loops, from: first * outer.step + part.from, to: done + part.to });
        }
        done += turns * len;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn boxes_hold_every_index_once(
            counts in prop::array::uniform3(1usize..6), steps in prop::array::uniform3(0usize..50),
            start in 0usize..1000, count in 0usize..1000,
        ) {
            let turns = [0, 1, 2].map(|at| program::Loop { count: counts[at], step: steps[at] });
            let total: usize = counts.iter().product();
            let start = start % total;
            let count = count % (total - start + 1);
            let gather = Gather { start: 0, rows: turns, cols: [program::Loop::ONCE; 3] };
            let mut found = vec![None; count];
            for part in boxes(&turns, start, count) {
                let mut places = vec![(part.from, part.to)];
                for turn in &part.loops {
                    let moved = |(from, to)| (0..turn.count).map(move |at| (from + at * turn.from, to + at * turn.to));
                    places = places.into_iter().flat_map(moved).collect();
                }
                for (from, to) in places {
                    prop_assert_eq!(found[to].replace(from), None);
                }
            }
            let expected: Vec<_> = (0..count).map(|at| Some(gather.place(start + at, 0))).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
