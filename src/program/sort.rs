//! Sorting along an axis, and what is made of it.
//!
//! The network is Batcher's odd-even merge sort ("Sorting networks and their applications", 1968): lists of one element
//! are merged into lists of two, these into lists of four, and so on. A merge of lists of p elements has a layer of
//! comparisons at each of the distances p, p/2, …, 1; all comparisons of a layer are one op, for all lists and for all
//! lines along the other axes. So n elements take log₂ n (log₂ n + 1)/2 layers of about n/2 comparisons each. Where a
//! merge lacks elements, they are the largest numbers there can be, and stay behind all others.
//!
//! A network is not stable. Where places are asked for, equal elements are therefore told apart by these: as in NumPy's
//! stable sort, the first of them comes first.

use super::range::Interval;
use super::{Dims, Meaning, Number, Op, Program, ProgramError, Relation, Span, Stride, Test, ValueId};

/// A line of elements for each column, and their places.
#[derive(Clone, Copy)]
struct Lines {
    values: ValueId,
    places: Option<ValueId>,
}

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
        let sorted = self.sorted(a, axis, false)?.values;
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
        let places = self.sorted(a, axis, true)?.places.expect("places were asked for");
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
        if self.counts() {
            self.settle(result, Span::new(0, most as i128), &[]);
        }
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

    /// The elements along an axis in rising order, and where they stood.
    fn sorted(&mut self, a: ValueId, axis: usize, with_places: bool) -> Result<Lines, ProgramError> {
        self.check_axis(a, axis)?;
        let own = self.dims(a);
        let count = own.extents()[axis];
        let columns = own.extents().iter().enumerate().filter(|(other, _)| *other != axis);
        let columns = columns.fold(1usize, |all, (_, &extent)| all * extent);
        let order: Vec<usize> =
            [axis].into_iter().chain((0..own.rank()).filter(|&other| other != axis)).collect();
        let turned = self.permute(a, &order)?;
        let turned_dims = self.dims(turned);
        let values = self.reshape_to(turned, dims(&[count, columns]))?;
        let places = if with_places {
            let places = self.progression(Number::Integer(0), Number::Integer(1), count)?;
            let column = self.reshape_to(places, dims(&[count, 1]))?;
            Some(self.repeated(column, columns, 1)?)
        } else {
            None
        };
        let mut lines = Lines { values, places };
        if count > 1 && columns > 0 {
            lines = self.merged_sorted(lines, (count, columns))?;
        }
        let mut back = vec![0; own.rank()];
        order.iter().enumerate().for_each(|(place, &axis)| back[axis] = place);
        self.of_lines(lines, |program, value| {
            let value = program.reshape_to(value, turned_dims)?;
            program.permute(value, &back)
        })
    }

    /// The same of values and of places.
    fn of_lines(
        &mut self,
        lines: Lines,
        mut of: impl FnMut(&mut Program, ValueId) -> Result<ValueId, ProgramError>,
    ) -> Result<Lines, ProgramError> {
        let values = of(self, lines.values)?;
        let places = lines.places.map(|places| of(self, places)).transpose()?;
        Ok(Lines { values, places })
    }

    /// Lines of `count` rows, sorted.
    fn merged_sorted(
        &mut self,
        lines: Lines,
        (count, columns): (usize, usize),
    ) -> Result<Lines, ProgramError> {
        let (mut lines, mut length) = (lines, 1);
        let known = self.interval(lines.values);
        while length < count {
            let whole = count.next_multiple_of(2 * length);
            lines = self.lengthened(lines, (count, whole), columns)?;
            let mut distance = length;
            while distance > 0 {
                lines = self.layer(lines, (whole, columns), (length, distance))?;
                distance /= 2;
            }
            lines = self.of_lines(lines, |program, value| {
                program.slice_axes(value, &[Stride::range(0, count), Stride::range(0, columns)])
            })?;
            self.refine(lines.values, known);
            length *= 2;
        }
        Ok(lines)
    }

    /// Lines with the largest numbers behind them, as far as they are not whole.
    fn lengthened(
        &mut self,
        lines: Lines,
        (count, whole): (usize, usize),
        columns: usize,
    ) -> Result<Lines, ProgramError> {
        if whole == count {
            return Ok(lines);
        }
        let more = dims(&[whole - count, columns]);
        let (number, integer) = self.largest_of(lines.values);
        let largest = self.filled_as(more, number, integer)?;
        let values = self.concat_along(lines.values, largest, 0)?;
        let places = match lines.places {
            Some(places) => {
                let beyond = self.filled(more, Number::Integer(count as i128))?;
                Some(self.concat_along(places, beyond, 0)?)
            }
            None => None,
        };
        Ok(Lines { values, places })
    }

    /// A number that no element of a value exceeds, and whether it is an integer beside numbers with fractions.
    fn largest_of(&self, a: ValueId) -> (Number, bool) {
        if self.counts() {
            return (Number::Integer(self.integers(a).span.high), true);
        }
        let (unit, is_integer) = (self.value(a).unit(), self.is_integer(a));
        let most = f64::from(self.ring().bits() - 2).exp2() * unit;
        let high = self.any_or_known(a).high;
        let last = (most - unit).min(most.next_down());
        let largest = if high < last { (high / unit).ceil() * unit } else { last };
        match is_integer {
            true => (Number::Integer(largest.floor() as i128), true),
            false => (Number::Real(largest), false),
        }
    }

    /// The comparisons at one distance of a merge of lists of this length.
    fn layer(
        &mut self,
        lines: Lines,
        (whole, columns): (usize, usize),
        (length, distance): (usize, usize),
    ) -> Result<Lines, ProgramError> {
        let (blocks, width) = (whole / (2 * length), distance * columns);
        if distance == length {
            let pairs =
                self.of_lines(lines, |program, value| program.reshape_to(value, dims(&[blocks, 2, width])))?;
            let pairs = self.compared(pairs, (blocks, width))?;
            return self.of_lines(pairs, |program, value| program.reshape_to(value, dims(&[whole, columns])));
        }
        // The first and the last chunk of each block have no partner.
        let chunks = 2 * length / distance;
        let pairs = blocks * (chunks / 2 - 1);
        let cut = |program: &mut Program, value, start, count| {
            let chunked = program.reshape_to(value, dims(&[blocks, chunks, width]))?;
            program.slice_axes(chunked, &[Stride::range(0, blocks), Stride::range(start, start + count)])
        };
        let inner = self.of_lines(lines, |program, value| {
            let inner = cut(program, value, 1, chunks - 2)?;
            program.reshape_to(inner, dims(&[pairs, 2, width]))
        })?;
        let inner = self.compared(inner, (pairs, width))?;
        let around = |program: &mut Program, value, inner| {
            let inner = program.reshape_to(inner, dims(&[blocks, chunks - 2, width]))?;
            let (first, last) = (cut(program, value, 0, 1)?, cut(program, value, chunks - 1, 1)?);
            let before = program.concat_along(first, inner, 1)?;
            let all = program.concat_along(before, last, 1)?;
            program.reshape_to(all, dims(&[whole, columns]))
        };
        let values = around(self, lines.values, inner.values)?;
        let places = match (lines.places, inner.places) {
            (Some(all), Some(inner)) => Some(around(self, all, inner)?),
            _ => None,
        };
        Ok(Lines { values, places })
    }

    /// Pairs along the middle one of three axes, the smaller first.
    fn compared(&mut self, pairs: Lines, (count, width): (usize, usize)) -> Result<Lines, ProgramError> {
        let side = |program: &mut Program, value, at| {
            let all = [Stride::range(0, count), Stride::range(at, at + 1), Stride::range(0, width)];
            program.slice_axes(value, &all)
        };
        let (low, high) = (side(self, pairs.values, 0)?, side(self, pairs.values, 1)?);
        let Some(places) = pairs.places else {
            let (less, more) = (self.min(low, high)?, self.max(low, high)?);
            return Ok(Lines { values: self.concat_along(less, more, 1)?, places: None });
        };
        let (first, second) = (side(self, places, 0)?, side(self, places, 1)?);
        let swaps = self.is_behind((low, first), (high, second))?;
        let values = self.exchanged(swaps, low, high)?;
        let places = self.exchanged(swaps, first, second)?;
        Ok(Lines { values, places: Some(places) })
    }

    /// Whether the second element, or of equal ones its place, is below the first.
    fn is_behind(
        &mut self,
        (low, first): (ValueId, ValueId),
        (high, second): (ValueId, ValueId),
    ) -> Result<ValueId, ProgramError> {
        if let Some(bits) = self.room_of_places(low, high, first, second) {
            let (a, b) = (self.with_place(low, first, bits)?, self.with_place(high, second, bits)?);
            if self.counts() {
                return self.compare(b, Relation::Less, a);
            }
            let apart = self.sub(b, a)?;
            return self.raw_test(apart, Test::Negative);
        }
        let start = self.values.len();
        let below = self.compare(high, Relation::Less, low)?;
        let equal = self.compare(high, Relation::Equal, low)?;
        let before = self.compare(second, Relation::Less, first)?;
        let both = self.mul(equal, before)?;
        let result = self.add(below, both)?;
        self.see_to(start);
        if self.counts() {
            self.settle(result, Span::new(0, 1), &[]);
        }
        self.refine(result, Some(Interval::new(0.0, 1.0)));
        Ok(result)
    }

    /// The bits of a place, if an element has room for both.
    fn room_of_places(&self, low: ValueId, high: ValueId, first: ValueId, second: ValueId) -> Option<u32> {
        let reach = |value: ValueId| match self.counts() {
            true => self.integers(value).span.magnitude().high as f64,
            false => self.any_or_known(value).reach() / self.value(value).unit(),
        };
        let most = reach(first).max(reach(second));
        let bits = (most + 1.0).log2().ceil();
        let all = (reach(low).max(reach(high)) + 1.0) * bits.exp2();
        (2.0 * all < f64::from(self.ring().bits() - 2).exp2()).then_some(bits as u32)
    }

    /// An element and its place in one.
    fn with_place(&mut self, a: ValueId, place: ValueId, bits: u32) -> Result<ValueId, ProgramError> {
        let (shape, label) = (self.value(a).shape, self.value(a).label.clone());
        let scale = if self.counts() { 0 } else { self.value(a).fraction_bits + bits };
        let raised = self.push_scaled(Op::Scale(a, 1 << bits), shape, scale, label.clone())?;
        let place = self.push_scaled(Op::Scale(place, 1), shape, scale, label)?;
        self.add(raised, place)
    }

    /// Two values along the middle axis, exchanged where a bit is set.
    fn exchanged(&mut self, swaps: ValueId, low: ValueId, high: ValueId) -> Result<ValueId, ProgramError> {
        let start = self.values.len();
        let known = self.intervals((low, high), Interval::hull);
        let apart = self.sub(low, high)?;
        let moved = self.mul(swaps, apart)?;
        let (less, more) = (self.sub(low, moved)?, self.add(high, moved)?);
        self.see_to(start);
        let less = self.means(start, less, Meaning::Choice(swaps, high, low))?;
        let more = self.means(more.index(), more, Meaning::Choice(swaps, low, high))?;
        self.refine(less, known);
        self.refine(more, known);
        self.concat_along(less, more, 1)
    }
}
