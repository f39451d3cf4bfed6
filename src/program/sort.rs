//! Sorting along an axis, and what is made of it.
//!
//! Lines along the axis go through a sorting network (see [`super::network`]), all of them at once. It is not stable. Where
//! places are asked for, equal elements are therefore told apart by these: as in NumPy's stable sort, the first of them comes
//! first.

use super::network::{Network, Rows};
use super::range::Interval;
use super::{Dims, Number, Program, ProgramError, Relation, Span, Stride, ValueId};

fn dims(extents: &[usize]) -> Dims {
    Dims::new(extents).expect("at most four axes")
}

impl Program {
    /// The elements along an axis in rising order.
    ///
    /// *Error:* none. *Rounds:* those of log₂ n (log₂ n + 1)/2 comparisons one after the other, and a product each.
    ///
    /// # Errors
    /// Where there is no such axis.
    pub fn sort_along(&mut self, a: ValueId, axis: usize) -> Result<ValueId, ProgramError> {
        let label = format!("sort({})", self.short(a));
        let sorted = self.in_order(a, axis, false)?;
        if sorted == a { Ok(a) } else { self.called(sorted, label, self.interval(a)) }
    }

    /// The places along an axis of its elements in rising order, as integers; of equal ones the first comes first.
    ///
    /// *Error:* none. *Rounds:* as [`Program::sort_along`]; two more a layer where elements may be so large that they and
    /// their places have no room in one.
    ///
    /// # Errors
    /// Where there is no such axis.
    pub fn argsort_along(&mut self, a: ValueId, axis: usize) -> Result<ValueId, ProgramError> {
        let label = format!("argsort({})", self.short(a));
        let places = self.in_order(a, axis, true)?;
        self.called(places, label, None)
    }

    /// So many largest elements along an axis, in falling order.
    ///
    /// # Errors
    /// Where there is no such axis, or it has fewer elements.
    pub fn largest_along(&mut self, a: ValueId, count: usize, axis: usize) -> Result<ValueId, ProgramError> {
        let label = format!("topk({}, {count})", self.short(a));
        let sorted = self.sort_along(a, axis)?;
        let own = self.dims(a);
        let extent = own.extents()[axis];
        if count > extent {
            let what = format!("{count} elements along axis {axis}");
            return Err(ProgramError::OutOfRange { label: self.short(a), shape: own, what });
        }
        let part = self.part_of(sorted, axis, extent - count, count)?;
        let result = self.reversed(part, axis)?;
        if result == a { Ok(a) } else { self.called(result, label, self.interval(a)) }
    }

    /// The element below which so large a part of those along an axis lies, which keeps extent 1; between two of them on the
    /// line that joins both (NumPy's `quantile`).
    ///
    /// *Error:* one unit between two elements, otherwise none. *Rounds:* one more than [`Program::sort_along`].
    ///
    /// # Errors
    /// Where there is no such axis, or no element along it; where the part is none; and between two elements in integer
    /// programs.
    pub fn quantile_along(&mut self, a: ValueId, part: f64, axis: usize) -> Result<ValueId, ProgramError> {
        let label = format!("quantile({}, {part})", self.short(a));
        self.check_axis(a, axis)?;
        let own = self.dims(a);
        let extent = own.extents()[axis];
        if extent == 0 {
            return Err(ProgramError::NoElement { label: self.short(a), shape: own });
        }
        if !(0.0..=1.0).contains(&part) {
            let what = format!("quantile {part}: it is a number from 0 to 1");
            return Err(ProgramError::OutOfRange { label: self.short(a), shape: own, what });
        }
        let sorted = self.sort_along(a, axis)?;
        let place = part * (extent - 1) as f64;
        // A product such as 0.7 · 10 is whole but for its last digits.
        let nearest = place.round();
        let place = if (place - nearest).abs() < 1e-9 { nearest } else { place };
        let lower = self.part_of(sorted, axis, place.floor() as usize, 1)?;
        if place.fract() == 0.0 {
            return self.called(lower, label, None);
        }
        let upper = self.part_of(sorted, axis, place.floor() as usize + 1, 1)?;
        let apart = self.sub(upper, lower)?;
        let further = self.scale(apart, Number::Real(place.fract()))?;
        let result = self.add(lower, further)?;
        self.called(result, label, None)
    }

    /// How many elements lie between each two neighbours of public edges, the last of which belongs to the last bin (NumPy's
    /// `histogram`). Edges are rounded to elements.
    ///
    /// *Error:* none. *Rounds:* those of one comparison.
    ///
    /// # Errors
    /// Where there are fewer than two edges or more than [`super::MOST_LISTED`], where they do not rise, or one cannot be
    /// written in the ring.
    pub fn histogram(&mut self, a: ValueId, edges: &[Number]) -> Result<ValueId, ProgramError> {
        let label = format!("histogram({})", self.short(a));
        let rise = edges.windows(2).all(|pair| pair[0].value() < pair[1].value());
        if !(2..=super::MOST_LISTED).contains(&edges.len()) || !rise {
            let what =
                "histogram by these edges: there are two at least, each above the one before".to_owned();
            return Err(ProgramError::OutOfRange { label: self.short(a), shape: self.dims(a), what });
        }
        let mut counts = Vec::new();
        for (index, &edge) in edges.iter().enumerate() {
            let relation = if index + 1 == edges.len() { Relation::Greater } else { Relation::AtLeast };
            let reached = self.compare_constant(a, relation, edge)?;
            counts.push(self.sum(reached, None)?);
        }
        let counts = self.stack(&counts, 0)?;
        let bins = edges.len() - 1;
        let above = self.slice_axes(counts, &[Stride::range(0, bins)])?;
        let beyond = self.slice_axes(counts, &[Stride::range(1, bins + 1)])?;
        let result = self.sub(above, beyond)?;
        let most = self.value(a).shape.len();
        self.settle(result, Span::new(0, most as i128), &[]);
        self.called(result, label, Some(Interval::new(0.0, most as f64)))
    }

    /// The elements along an axis at shared indices, whose axes take its place (NumPy's `take`); zero for an index that is
    /// not there. Method: the index is compared with all places, and the result multiplied with the elements.
    ///
    /// *Error:* none. *Rounds:* those of one comparison and a product.
    ///
    /// # Errors
    /// Where there is no such axis, or there would be more than four.
    pub fn take_shared(&mut self, a: ValueId, index: ValueId, axis: usize) -> Result<ValueId, ProgramError> {
        let label = format!("take({}, {})", self.short(a), self.short(index));
        self.check_axis(a, axis)?;
        let (own, places) = (self.dims(a), self.dims(index));
        let order: Vec<usize> =
            [axis].into_iter().chain((0..own.rank()).filter(|&other| other != axis)).collect();
        let rest: Vec<usize> = order[1..].iter().map(|&other| own.extents()[other]).collect();
        let to = Dims::new(&[places.extents(), &rest].concat()).map_err(|error| {
            let what = format!("room for {error}");
            ProgramError::OutOfRange { label: self.short(a), shape: own, what }
        })?;
        let turned = self.permute(a, &order)?;
        let table = self.reshape_to(turned, dims(&[own.extents()[axis], rest.iter().product()]))?;
        let row = self.reshape_to(index, dims(&[self.value(index).shape.len()]))?;
        let rows = self.lookup(table, row)?;
        let rows = self.reshape_to(rows, to)?;
        // The index's axes come behind those before the axis.
        let count = places.rank();
        let back: Vec<usize> = (count..count + axis).chain(0..count).chain(count + axis..to.rank()).collect();
        let result = self.permute(rows, &back)?;
        self.called(result, label, None)
    }

    /// Some neighbours along an axis.
    fn part_of(
        &mut self,
        a: ValueId,
        axis: usize,
        start: usize,
        count: usize,
    ) -> Result<ValueId, ProgramError> {
        let mut strides: Vec<Stride> =
            self.dims(a).extents().iter().map(|&extent| Stride::range(0, extent)).collect();
        strides[axis] = Stride::range(start, start + count);
        self.slice_axes(a, &strides)
    }

    /// The elements along an axis in rising order, or where they stood.
    fn in_order(&mut self, a: ValueId, axis: usize, places: bool) -> Result<ValueId, ProgramError> {
        self.check_axis(a, axis)?;
        let own = self.dims(a);
        let count = own.extents()[axis];
        let columns = own.extents().iter().enumerate().filter(|(other, _)| *other != axis);
        let columns = columns.fold(1usize, |all, (_, &extent)| all * extent);
        let order: Vec<usize> =
            [axis].into_iter().chain((0..own.rank()).filter(|&other| other != axis)).collect();
        let turned = self.permute(a, &order)?;
        let turned_dims = self.dims(turned);
        let key = self.reshape_to(turned, dims(&[count, columns]))?;
        let lines = match places {
            true => self.places_in_order(key)?,
            false => self.put_in_order(Rows::of(key), &Network::sorting(count))?.0.key,
        };
        let mut back = vec![0; own.rank()];
        order.iter().enumerate().for_each(|(place, &axis)| back[axis] = place);
        let lines = self.reshape_to(lines, turned_dims)?;
        self.permute(lines, &back)
    }

    /// Where the elements of each column stood, in their order.
    fn places_in_order(&mut self, key: ValueId) -> Result<ValueId, ProgramError> {
        let &[count, columns] = self.dims(key).extents() else { unreachable!("a matrix") };
        let places = self.progression(Number::Integer(0), Number::Integer(1), count)?;
        let column = self.reshape_to(places, dims(&[count, 1]))?;
        let places = self.repeated(column, columns, 1)?;
        if count < 2 || columns == 0 {
            return Ok(places);
        }
        let network = Network::sorting(count);
        let Some(bits) = self.room_below(key, count - 1) else {
            let rows = Rows { tie: Some(places), ..Rows::of(key) };
            return Ok(self.put_in_order(rows, &network)?.0.tie.expect("a tie beside the key"));
        };
        let both = self.with_tie(key, places, bits)?;
        let rows = self.put_in_order(Rows::of(both), &network)?.0;
        self.tie_of(rows.key, bits, Interval::new(0.0, count as f64 - 1.0))
    }
}
