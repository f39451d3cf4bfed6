//! Elements moved along axes: reversed, repeated, padded, taken from a diagonal. All of it is local and exact.

use super::{Dims, Loop, Number, Program, ProgramError, Stride, ValueId};

/// The extents before an axis taken together, its own, and those behind it.
struct Around {
    outer: usize,
    extent: usize,
    inner: usize,
}

impl Around {
    fn of(dims: Dims, axis: usize) -> Around {
        let outer = dims.extents()[..axis].iter().product();
        Around { outer, extent: dims.extents()[axis], inner: dims.stride(axis) }
    }
}

fn dims(extents: &[usize]) -> Dims {
    Dims::new(extents).expect("at most four axes")
}

impl Program {
    /// The elements along an axis in the opposite order. Method: neighbours change places, then pairs of neighbours, and
    /// so on, so that each element is moved a logarithmic number of times.
    ///
    /// # Errors
    /// Where there is no such axis.
    pub fn reversed(&mut self, a: ValueId, axis: usize) -> Result<ValueId, ProgramError> {
        self.check_axis(a, axis)?;
        let (own, label) = (self.dims(a), format!("flip({})", self.short(a)));
        let Around { outer, extent, inner } = Around::of(own, axis);
        if extent < 2 || outer == 0 || inner == 0 {
            return Ok(a);
        }
        let planes = self.reshape_to(a, dims(&[outer, extent, inner]))?;
        let turned = self.turned_around(planes)?;
        let result = self.reshape_to(turned, own)?;
        self.called(result, label, self.interval(a))
    }

    /// The middle one of three axes in the opposite order.
    fn turned_around(&mut self, a: ValueId) -> Result<ValueId, ProgramError> {
        let &[outer, extent, inner] = self.dims(a).extents() else { unreachable!("three axes") };
        let all = Stride::range(0, outer);
        match extent {
            0 | 1 => Ok(a),
            odd if odd % 2 == 1 => {
                let last = self.slice_axes(a, &[all, Stride::range(odd - 1, odd)])?;
                let rest = self.slice_axes(a, &[all, Stride::range(0, odd - 1)])?;
                let rest = self.turned_around(rest)?;
                self.concat_along(last, rest, 1)
            }
            even => {
                let pairs = self.reshape_to(a, dims(&[outer, even / 2, 2, inner]))?;
                let half = |at| [all, Stride::range(0, even / 2), Stride::range(at, at + 1)];
                let (first, second) = (self.slice_axes(pairs, &half(0))?, self.slice_axes(pairs, &half(1))?);
                let swapped = self.concat_along(second, first, 2)?;
                let swapped = self.reshape_to(swapped, dims(&[outer, even / 2, 2 * inner]))?;
                let turned = self.turned_around(swapped)?;
                self.reshape_to(turned, dims(&[outer, even, inner]))
            }
        }
    }

    /// Every element along an axis so many times, one after the other.
    ///
    /// # Errors
    /// Where there is no such axis, or there are too many elements.
    pub fn repeated(&mut self, a: ValueId, count: usize, axis: usize) -> Result<ValueId, ProgramError> {
        self.check_axis(a, axis)?;
        let Around { outer, extent, inner } = Around::of(self.dims(a), axis);
        let turns = [(outer, extent * inner), (extent, inner), (count, 0), (inner, 1)];
        self.repeated_by(a, &turns, (count, axis), "repeat")
    }

    /// The whole of an axis so many times.
    ///
    /// # Errors
    /// Where there is no such axis, or there are too many elements.
    pub fn tiled(&mut self, a: ValueId, count: usize, axis: usize) -> Result<ValueId, ProgramError> {
        self.check_axis(a, axis)?;
        let Around { outer, extent, inner } = Around::of(self.dims(a), axis);
        let turns = [(outer, extent * inner), (count, 0), (extent * inner, 1)];
        self.repeated_by(a, &turns, (count, axis), "tile")
    }

    fn repeated_by(
        &mut self,
        a: ValueId,
        turns: &[(usize, usize)],
        (count, axis): (usize, usize),
        name: &str,
    ) -> Result<ValueId, ProgramError> {
        let (own, label) = (self.dims(a), format!("{name}({}, {count})", self.short(a)));
        let to = own.with(axis, own.extents()[axis].saturating_mul(count));
        self.bearable(&label, to)?;
        let turns: Vec<Loop> = turns.iter().map(|&(count, step)| Loop { count, step }).collect();
        let moved = self.by_turns(a, 0, &turns)?;
        let result = self.reshape_to(moved, to)?;
        self.called(result, label, self.interval(a))
    }

    /// The value with so many elements before and behind its own along an axis, all of them one public number.
    ///
    /// # Errors
    /// Where there is no such axis, there are too many elements, or the number cannot be written in the ring.
    pub fn surrounded(
        &mut self,
        a: ValueId,
        (before, behind): (usize, usize),
        axis: usize,
        number: Number,
    ) -> Result<ValueId, ProgramError> {
        self.check_axis(a, axis)?;
        let (own, label) = (self.dims(a), format!("pad({}, {before}, {behind})", self.short(a)));
        let mut parts = Vec::new();
        if before > 0 {
            parts.push(self.filled(own.with(axis, before), number)?);
        }
        parts.push(a);
        if behind > 0 {
            parts.push(self.filled(own.with(axis, behind), number)?);
        }
        let first = self.values.len();
        let result = self.joined_all(parts, axis)?;
        if result.index() < first { Ok(result) } else { self.called(result, label, None) }
    }

    /// The elements of a matrix whose row and column are equal.
    ///
    /// # Errors
    /// Where the value is no matrix.
    pub fn diagonal(&mut self, a: ValueId) -> Result<ValueId, ProgramError> {
        let (own, label) = (self.dims(a), format!("diagonal({})", self.short(a)));
        if own.rank() != 2 {
            let what = "diagonal: it is no matrix".to_owned();
            return Err(ProgramError::OutOfRange { label: self.short(a), shape: own, what });
        }
        let count = own.rows().min(own.cols());
        let result = self.by_turns(a, 0, &[Loop { count, step: own.cols() + 1 }])?;
        self.called(result, label, self.interval(a))
    }

    /// The value with some axes as its last one, row by row, and the others before it in their order.
    ///
    /// # Errors
    /// Where an axis is not there.
    pub(super) fn merged_axes(&mut self, a: ValueId, axes: &[usize]) -> Result<ValueId, ProgramError> {
        let own = self.dims(a);
        axes.iter().try_for_each(|&axis| self.check_axis(a, axis))?;
        let kept: Vec<usize> = (0..own.rank()).filter(|axis| !axes.contains(axis)).collect();
        let order: Vec<usize> = kept.iter().chain(axes).copied().collect();
        let extent = |&axis: &usize| own.extents()[axis];
        let merged = axes.iter().map(extent).product();
        let extents: Vec<usize> = kept.iter().map(extent).chain([merged]).collect();
        let turned = self.permute(a, &order)?;
        self.reshape_to(turned, dims(&extents))
    }
}
