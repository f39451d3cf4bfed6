//! Joins of rows by equal keys, and groups of rows by keys, on top of sorting and merging.
//!
//! **Joins.** Right rows are put in order by their keys, and so are the left keys; a network then merges both, a right row
//! before the left ones with its key. Each right row carries by how much its key and its values differ from those of the
//! right row before, and left rows carry zeros, so the running sums of what is carried are at each left row the key and the
//! values of the last right row up to it. That is its match where the keys are equal, which one comparison tells. The same
//! exchanges in the opposite order put the left rows back, without any further comparison. So a join costs what sorting all
//! keys does, and of keys that are in order already a merge alone.
//!
//! **Groups.** Rows are put in order by their keys; the last row of each group is where the next key differs. Running sums
//! are taken over all rows, and those at the last rows of groups moved to the front, one behind the other: a row moves by
//! the number of rows before it that are no last ones, bit by bit of that number from the lowest on, and so never meets
//! another (Goodrich, "Data-Oblivious External-Memory Algorithms", SPAA 2011, section 3). What each running sum has more
//! than the one before is the sum of its group. The result has as many rows as there are keys, with zeros behind the last
//! group, so that its shape tells nothing of how many groups there are.

use super::network::{Network, Rows, Swaps};
use super::range::Interval;
use super::{Dims, Number, Op, Program, ProgramError, Relation, Span, Stride, ValueId};
use crate::ring::{Axis, Shape};

/// Columns are carried one by one up to this many, each at the cost of a choice; more of them together, which takes fewer
/// steps and shares of the bits as numbers.
const FEW_COLUMNS: usize = 4;

/// The sides of a join whose keys are said to be in rising order already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sorted {
    /// The left keys.
    pub left: bool,
    /// The right keys.
    pub right: bool,
}

impl Sorted {
    /// Both sides.
    pub const BOTH: Sorted = Sorted { left: true, right: true };

    /// As calls name it.
    fn text(self) -> &'static str {
        match self {
            Sorted { left: false, right: false } => "",
            Sorted { left: true, right: true } => ", sorted=True",
            Sorted { left: true, right: false } => ", left_sorted=True",
            Sorted { left: false, right: true } => ", right_sorted=True",
        }
    }
}

/// Left rows and what they match, in the order in which the left keys came.
struct Matches {
    /// Whether there is a right row with the key.
    found: ValueId,
    /// Its columns; zeros where there is none.
    columns: Vec<ValueId>,
}

/// The keys of both sides, as they are compared.
struct Keys {
    left: ValueId,
    right: ValueId,
    /// Where there is room for them below the keys: integers that tell equal keys apart. All left ones have this one, which is
    /// above all right ones; these are 0, or in rising order.
    tie: Option<i128>,
}

/// Left keys in order, and how they got there.
struct Left {
    keys: ValueId,
    network: Network,
    swaps: Swaps,
}

/// Right rows in order, the last one of several with a key behind the others.
struct Right {
    keys: ValueId,
    columns: Vec<ValueId>,
}

impl Program {
    /// For each left key the values of the right row with an equal key, and zeros where there is none; of several such rows
    /// the last one's. [`Program::is_in`] tells which left keys have a match. Right values have a row for each right key, and
    /// the result has one for each left key.
    ///
    /// Of the sides that `sorted` names the keys are said to be in rising order already, as their owners can put them: the
    /// result is right only where they are, which the program's [assumptions](Program::assumptions) list and its checks ask.
    ///
    /// *Error:* none. *Rounds:* those of sorting the longer keys, each layer's by a comparison, and of as many exchanges and a
    /// comparison back; of log₂ n layers where both sides are `sorted`.
    ///
    /// # Errors
    /// Where the left keys are neither a vector nor a column, or there is not one right key for each row of values.
    pub fn join(
        &mut self,
        left_keys: ValueId,
        right_keys: ValueId,
        right_values: ValueId,
        sorted: Sorted,
    ) -> Result<ValueId, ProgramError> {
        let names = [left_keys, right_keys, right_values].map(|value| self.short(value));
        let label = format!("join({}{})", names.join(", "), sorted.text());
        let first = self.values.len();
        let left = self.keys(left_keys)?;
        let right = self.column(right_keys)?;
        let rows = self.value(right).shape.rows;
        let columns = self.columns(right_values, rows)?;
        let to = self.dims(right_values).with(0, self.value(left).shape.rows);
        let result = if self.value(left).shape.rows == 0 || rows == 0 || columns.is_empty() {
            self.zeros_like(to, right_values)?
        } else {
            let matches = self.matched((left, right), columns, sorted, &label)?;
            self.side_by_side(matches.columns, to)?
        };
        self.finish(first, result, &label)
    }

    /// Whether each element is one of another value's, as an integer 0 or 1 (NumPy's `isin`). See [`Program::join`] for
    /// `sorted`.
    ///
    /// *Error:* none. *Rounds:* as [`Program::join`], with which it shares all comparisons of the same keys.
    ///
    /// # Errors
    /// Where a program's integers are signed here and unsigned there, and no reading holds both.
    pub fn is_in(&mut self, a: ValueId, among: ValueId, sorted: Sorted) -> Result<ValueId, ProgramError> {
        let names = [a, among].map(|value| self.short(value));
        let label = format!("isin({}{})", names.join(", "), sorted.text());
        let (first, to) = (self.values.len(), self.dims(a));
        let (left, right) = (self.column(a)?, self.column(among)?);
        let result = if self.value(left).shape.is_empty() || self.value(right).shape.is_empty() {
            self.zeros(to)?
        } else {
            let matches = self.matched((left, right), Vec::new(), sorted, &label)?;
            self.reshape_to(matches.found, to)?
        };
        self.finish(first, result, &label)
    }

    /// The different keys in rising order (NumPy's `unique`), with zeros behind the last one: as many rows as there are keys.
    /// [`Program::group_count`] tells which rows are keys.
    ///
    /// *Error:* none. *Rounds:* those of [`Program::sort_along`], and log₂ n moves by an exact truncation and a product each.
    ///
    /// # Errors
    /// Where the keys are neither a vector nor a column.
    pub fn unique(&mut self, keys: ValueId) -> Result<ValueId, ProgramError> {
        let (first, label) = (self.values.len(), format!("unique({})", self.short(keys)));
        let column = self.keys(keys)?;
        let result = if self.value(column).shape.is_empty() {
            self.zeros_like(self.dims(keys), keys)?
        } else {
            let (rows, last) = self.grouped(column, Vec::new())?;
            let front = self.compacted(vec![rows.key], last)?;
            self.reshape_to(front[0], self.dims(keys))?
        };
        self.finish(first, result, &label)
    }

    /// The number of rows of each group of equal keys, in rising order of these, as integers; 0 behind the last group.
    ///
    /// *Error:* none. *Rounds:* as [`Program::unique`], with which it shares all comparisons of the same keys.
    ///
    /// # Errors
    /// Where the keys are neither a vector nor a column.
    pub fn group_count(&mut self, keys: ValueId) -> Result<ValueId, ProgramError> {
        let (first, label) = (self.values.len(), format!("group_count({})", self.short(keys)));
        let column = self.keys(keys)?;
        let count = self.value(column).shape.rows;
        let result = if count == 0 {
            self.zeros(self.dims(keys))?
        } else {
            let last = self.grouped(column, Vec::new())?.1;
            // How many rows are up to each one, less all of them.
            let less = self.row_numbers(count)?;
            let less = self.add_constant(less, Number::Integer(1 - count as i128))?;
            let front = self.compacted(vec![less], last)?;
            let all = self.filled(Shape::SCALAR.into(), Number::Integer(count as i128))?;
            let counts = self.of_each_group(front[0], all)?;
            self.settle(counts, Span::new(0, count as i128), &[]);
            self.refine(counts, Some(Interval::new(0.0, count as f64)));
            self.reshape_to(counts, self.dims(keys))?
        };
        self.finish(first, result, &label)
    }

    /// The sums of the rows of each group of equal keys, in rising order of these; zeros behind the last group. There is a key
    /// for each row.
    ///
    /// *Error:* none. *Rounds:* as [`Program::unique`], with which it shares all comparisons of the same keys.
    ///
    /// # Errors
    /// Where the keys are neither a vector nor a column, or there is not one for each row.
    pub fn group_sum(&mut self, a: ValueId, keys: ValueId) -> Result<ValueId, ProgramError> {
        let first = self.values.len();
        let label = format!("group_sum({}, {})", self.short(a), self.short(keys));
        let column = self.keys(keys)?;
        let (count, to) = (self.value(column).shape.rows, self.dims(a));
        let columns = self.columns(a, count)?;
        let result = if count == 0 || columns.is_empty() {
            self.zeros_like(to, a)?
        } else {
            let totals = columns.iter().map(|&column| self.sum(column, Some(Axis::Rows)));
            let totals = totals.collect::<Result<Vec<_>, _>>()?;
            let (rows, last) = self.grouped(column, columns)?;
            let mut less = Vec::new();
            for (&column, &total) in rows.carried.iter().zip(&totals) {
                less.push(self.sums_less_total(column, total)?);
            }
            let front = self.compacted(less, last)?;
            let mut sums = Vec::new();
            for (&column, &total) in front.iter().zip(&totals) {
                sums.push(self.of_each_group(column, total)?);
            }
            let sums = self.side_by_side(sums, to)?;
            self.sums_of_up_to(count, sums, a);
            sums
        };
        self.finish(first, result, &label)
    }

    /// The means of the rows of each group of equal keys, in rising order of these; zeros behind the last group. There is a
    /// key for each row.
    ///
    /// *Error:* that of [`Program::div`]. *Rounds:* as [`Program::group_sum`], and those of a quotient.
    ///
    /// # Errors
    /// As [`Program::group_sum`], and in integer programs.
    pub fn group_mean(&mut self, a: ValueId, keys: ValueId) -> Result<ValueId, ProgramError> {
        let first = self.values.len();
        let label = format!("group_mean({}, {})", self.short(a), self.short(keys));
        let sums = self.group_sum(a, keys)?;
        let counts = self.group_count(keys)?;
        let mut extents = vec![1; self.dims(a).rank()];
        extents[0] = self.value(counts).shape.len();
        let counts = self.reshape_to(counts, Dims::new(&extents).expect("as many axes"))?;
        let divisors = self.max_constant(counts, Number::Integer(1))?;
        let result = self.div(sums, divisors)?;
        self.finish(first, result, &label)
    }

    /// The result of a function of which all values from `first` on are parts.
    fn finish(&mut self, first: usize, result: ValueId, label: &str) -> Result<ValueId, ProgramError> {
        self.parts_of(first, label);
        if result.index() < first { self.copied(result, label) } else { Ok(result) }
    }

    /// All elements below each other.
    fn column(&mut self, a: ValueId) -> Result<ValueId, ProgramError> {
        let count = self.value(a).shape.len();
        self.reshape_to(a, Shape::new(count, 1).into())
    }

    /// Keys of rows, below each other.
    fn keys(&mut self, a: ValueId) -> Result<ValueId, ProgramError> {
        match self.dims(a).extents() {
            [_] | [_, 1] => self.column(a),
            _ => {
                let what = "keys of rows, which are a vector or a matrix of one column".to_owned();
                Err(ProgramError::OutOfRange { label: self.short(a), shape: self.dims(a), what })
            }
        }
    }

    /// The columns of a value with so many rows, or all of them as a matrix if they are many.
    fn columns(&mut self, a: ValueId, rows: usize) -> Result<Vec<ValueId>, ProgramError> {
        let own = self.dims(a);
        if own.extents().first() != Some(&rows) {
            let what = format!("row for each of {rows} key(s)");
            return Err(ProgramError::OutOfRange { label: self.short(a), shape: own, what });
        }
        let count: usize = own.extents()[1..].iter().product();
        let all = self.reshape_to(a, Shape::new(rows, count).into())?;
        if count > FEW_COLUMNS {
            return Ok(vec![all]);
        }
        let column = |at| self.slice(all, Stride::range(0, rows), Stride::range(at, at + 1));
        (0..count).map(column).collect()
    }

    /// Columns as a value of these extents.
    fn side_by_side(&mut self, columns: Vec<ValueId>, to: Dims) -> Result<ValueId, ProgramError> {
        let all = self.joined_all(columns, 1)?;
        self.reshape_to(all, to)
    }

    /// Matches of left keys among right rows with columns.
    fn matched(
        &mut self,
        (left, right): (ValueId, ValueId),
        columns: Vec<ValueId>,
        sorted: Sorted,
        label: &str,
    ) -> Result<Matches, ProgramError> {
        let (left, right) = self.aligned(left, right)?;
        let (left, right) = (self.read_beside(left, right)?, self.read_beside(right, left)?);
        let said = [(left, sorted.left), (right, sorted.right)].into_iter().filter(|(_, said)| *said);
        let said = self.said_to_be_in_order(said.map(|(keys, _)| keys), label)?;
        let Keys { left, right, tie } = self.told_apart((left, right), sorted.right)?;
        let left = self.left_in_order(left, sorted.left)?;
        let right = self.right_in_order((right, columns), sorted.right, tie.is_none())?;
        let (mut nearest, columns) = self.up_to_each(left.keys, right, tie)?;
        if let Some(said) = said {
            let (scale, shape) = (self.value(nearest).fraction_bits, self.value(said).shape);
            let said = self.push_scaled(Op::Scale(said, 1), shape, scale, label.to_owned())?;
            nearest = self.add(nearest, said)?;
        }
        let found = match tie {
            // It is not above the left key, but for the integers below them.
            Some(tie) => {
                let element = self.ring().reduce((tie as u64).wrapping_neg());
                let (shape, label) = (self.value(left.keys).shape, label.to_owned());
                let least = self.push_like(left.keys, Op::AddConstant(left.keys, element), shape, label)?;
                self.compare(nearest, Relation::AtLeast, least)?
            }
            None => self.compare(nearest, Relation::Equal, left.keys)?,
        };
        let mut chosen = Vec::new();
        for column in columns {
            let start = self.values.len();
            let product = self.raw_product(found, column)?;
            self.stands_for(start, product, column, true);
            chosen.push(self.put_back(product, &left.network, &left.swaps)?);
        }
        let found = self.put_back(found, &left.network, &left.swaps)?;
        Ok(Matches { found, columns: chosen })
    }

    /// Zero, as the number of neighbours that are not in rising order, which nothing but its user's word says.
    fn said_to_be_in_order(
        &mut self,
        keys: impl Iterator<Item = ValueId>,
        label: &str,
    ) -> Result<Option<ValueId>, ProgramError> {
        let mut wrong = None;
        for keys in keys {
            let rows = self.value(keys).shape.rows;
            if rows < 2 {
                continue;
            }
            let [before, behind] = self.neighbours(keys)?;
            let falls = self.compare(behind, Relation::Less, before)?;
            let count = self.sum(falls, Some(Axis::Rows))?;
            wrong = Some(match wrong {
                None => count,
                Some(other) => self.add(other, count)?,
            });
        }
        let Some(wrong) = wrong else { return Ok(None) };
        let none = self.assume(wrong, 0.0, 0.0)?;
        self.assumed.last_mut().expect("what was assumed").1 = label.to_owned();
        Ok(Some(none))
    }

    /// Keys whose right ones come before left ones that are equal, and in their order where they are not sorted yet.
    fn told_apart(&mut self, (left, right): (ValueId, ValueId), sorted: bool) -> Result<Keys, ProgramError> {
        let [behind, before] = [left, right].map(|value| self.value(value).shape.rows);
        let tie = if sorted { 1 } else { before };
        let rooms = [left, right].map(|value| self.room_below(value, tie));
        let [Some(bits), Some(_)] = rooms else { return Ok(Keys { left, right, tie: None }) };
        let places = match sorted {
            true => self.zeros(Shape::new(before, 1).into())?,
            false => self.row_numbers(before)?,
        };
        let right = self.with_tie(right, places, bits)?;
        let ties = self.filled(Shape::new(behind, 1).into(), Number::Integer(tie as i128))?;
        let left = self.with_tie(left, ties, bits)?;
        Ok(Keys { left, right, tie: Some(tie as i128) })
    }

    fn left_in_order(&mut self, keys: ValueId, sorted: bool) -> Result<Left, ProgramError> {
        let count = if sorted { 0 } else { self.value(keys).shape.rows };
        let network = Network::sorting(count);
        let (rows, swaps) = self.put_in_order(Rows::of(keys), &network)?;
        Ok(Left { keys: rows.key, network, swaps })
    }

    /// Right rows in order; those of equal keys by their places, if the keys do not have these.
    fn right_in_order(
        &mut self,
        (keys, columns): (ValueId, Vec<ValueId>),
        sorted: bool,
        by_place: bool,
    ) -> Result<Right, ProgramError> {
        if sorted {
            return Ok(Right { keys, columns });
        }
        let count = self.value(keys).shape.rows;
        let tie = if by_place { Some(self.row_numbers(count)?) } else { None };
        let rows = Rows { key: keys, tie, carried: columns };
        let rows = self.put_in_order(rows, &Network::sorting(count))?.0;
        Ok(Right { keys: rows.key, columns: rows.carried })
    }

    /// For each left key the key and the columns of the last right row that is not above it. Where all are above: no columns
    /// that count, and a key that is below all left ones if they are told apart, otherwise that of the first right row.
    fn up_to_each(
        &mut self,
        left: ValueId,
        Right { keys, columns }: Right,
        tie: Option<i128>,
    ) -> Result<(ValueId, Vec<ValueId>), ProgramError> {
        let [behind, before] = [left, keys].map(|value| self.value(value).shape.rows);
        let first = |program: &mut Program, value: ValueId| {
            let cols = Stride::range(0, program.value(value).shape.cols);
            program.slice(value, Stride::range(0, 1), cols)
        };
        let mut starts = Vec::new();
        for &value in [keys].iter().chain(&columns) {
            starts.push(first(self, value)?);
        }
        let all = self.concat_along(keys, left, 0)?;
        if let Some(tie) = tie {
            let least = first(self, left)?;
            let (shape, label) = (self.value(least).shape, self.value(least).label.clone());
            let below = Op::AddConstant(least, self.ring().reduce((-1 - tie) as u64));
            starts[0] = self.push_like(least, below, shape, label)?;
        }
        let values: Vec<ValueId> = std::iter::once(keys).chain(columns).collect();
        let mut carried = Vec::new();
        for (&value, &start) in values.iter().zip(&starts) {
            let steps = self.steps_from(start, value)?;
            let none = self.zeros_like(Shape::new(behind, self.value(value).shape.cols).into(), value)?;
            carried.push(self.joined(steps, none, Axis::Rows)?);
        }
        let mut rows = Rows { key: all, tie: None, carried };
        if tie.is_none() {
            let side = |program: &mut Program, rows, side| {
                program.filled(Shape::new(rows, 1).into(), Number::Integer(side))
            };
            let (first, second) = (side(self, before, 0)?, side(self, behind, 1)?);
            rows.tie = Some(self.concat_along(first, second, 0)?);
        }
        let network = Network::merging(before, behind);
        let (rows, swaps) = self.put_in_order(rows, &network)?;
        let mut results = Vec::new();
        for ((&steps, &value), &first) in rows.carried.iter().zip(&values).zip(&starts) {
            let start = self.values.len();
            // Steps that follow each other add up to what two of the rows, or one and what they start from, differ by.
            let known = self.intervals((value, first), Interval::hull);
            let apart = known.map(|known| known.plus(known.times(-1.0)));
            let sums = self.running(steps, 0, |_| apart)?;
            let last = self.add(sums, first)?;
            if self.is_read(last) {
                self.settle_parts(start);
                let span = self.integers(value).span.hull(self.integers(first).span);
                self.settle(last, span, &[value, first]);
            }
            self.refine(last, known);
            let back = self.put_back(last, &network, &swaps)?;
            let cols = Stride::range(0, self.value(value).shape.cols);
            results.push(self.slice(back, Stride::range(before, before + behind), cols)?);
        }
        let columns = results.split_off(1);
        Ok((results[0], columns))
    }

    /// All rows but the last, and all but the first.
    fn neighbours(&mut self, a: ValueId) -> Result<[ValueId; 2], ProgramError> {
        let Shape { rows, cols } = self.value(a).shape;
        let cols = Stride::range(0, cols);
        let before = self.slice(a, Stride::range(0, rows - 1), cols)?;
        Ok([before, self.slice(a, Stride::range(1, rows), cols)?])
    }

    /// By how much each row differs from the one before, and the first from another row.
    fn steps_from(&mut self, start: ValueId, a: ValueId) -> Result<ValueId, ProgramError> {
        let Shape { rows, cols } = self.value(a).shape;
        let part = self.values.len();
        let top = self.slice(a, Stride::range(0, 1), Stride::range(0, cols))?;
        let mut steps = self.sub(top, start)?;
        if rows > 1 {
            let [before, behind] = self.neighbours(a)?;
            let rest = self.sub(behind, before)?;
            steps = self.joined(steps, rest, Axis::Rows)?;
        }
        self.settle_parts(part);
        Ok(steps)
    }

    /// Rows in order by their keys, and whether each one is the last of its group.
    fn grouped(&mut self, key: ValueId, carried: Vec<ValueId>) -> Result<(Rows, ValueId), ProgramError> {
        let count = self.value(key).shape.rows;
        let rows = Rows { key, tie: None, carried };
        let rows = self.put_in_order(rows, &Network::sorting(count))?.0;
        let one = self.filled(Shape::SCALAR.into(), Number::Integer(1))?;
        if count < 2 {
            return Ok((rows, one));
        }
        let [before, behind] = self.neighbours(rows.key)?;
        let differs = self.compare(before, Relation::NotEqual, behind)?;
        let last = self.concat_along(differs, one, 0)?;
        Ok((rows, last))
    }

    /// The running sums of a column, less the sum of all.
    fn sums_less_total(&mut self, a: ValueId, total: ValueId) -> Result<ValueId, ProgramError> {
        let (start, count) = (self.values.len(), self.value(a).shape.rows);
        let known = self.interval(a);
        let sums = self.running(a, 0, |count| known.map(|known| known.hull(known.times(count))))?;
        if known.is_none() {
            self.need_from(start);
        }
        let less = self.sub(sums, total)?;
        self.settle_parts(start);
        let zero = Interval::at(0.0);
        self.refine(less, known.map(|known| known.times(-(count as f64)).hull(known.times(-1.0)).hull(zero)));
        Ok(less)
    }

    /// Says that elements are sums of up to so many of another value's, or zero.
    fn sums_of_up_to(&mut self, count: usize, value: ValueId, of: ValueId) {
        if self.is_read(value) {
            let span = self.integers(of).span;
            self.settle(value, span.times(count as i128).hull(span).hull(Span::at(0)), &[of]);
        }
        let known = self.interval(of);
        let all = |known: Interval| known.times(count as f64).hull(known).hull(Interval::at(0.0));
        self.refine(value, known.map(all));
    }

    /// What each group has, of running sums less the total, which are zero at the last group and behind it.
    fn of_each_group(&mut self, less: ValueId, total: ValueId) -> Result<ValueId, ProgramError> {
        let Shape { rows, cols } = self.value(less).shape;
        let start = self.values.len();
        let top = self.slice(less, Stride::range(0, 1), Stride::range(0, cols))?;
        let top = self.add(top, total)?;
        let result = if rows < 2 {
            top
        } else {
            let [before, behind] = self.neighbours(less)?;
            let steps = self.sub(behind, before)?;
            self.joined(top, steps, Axis::Rows)?
        };
        self.settle_parts(start);
        Ok(result)
    }

    /// The rows that stay, one behind the other in their order, with zeros behind the last.
    fn compacted(&mut self, columns: Vec<ValueId>, stays: ValueId) -> Result<Vec<ValueId>, ProgramError> {
        let count = self.value(stays).shape.rows;
        // A row moves by the number of rows before it that do not stay.
        let places = self.row_numbers(count)?;
        let places = self.add_constant(places, Number::Integer(1))?;
        let kept = self.running(stays, 0, |most| Some(Interval::new(0.0, most)))?;
        let start = self.values.len();
        let gone = self.sub(places, kept)?;
        self.settle_parts(start);
        self.settle(gone, Span::new(0, count as i128 - 1), &[]);
        self.refine(gone, Some(Interval::new(0.0, count as f64 - 1.0)));
        let mut moving = Vec::new();
        for value in columns.into_iter().chain([gone]) {
            let start = self.values.len();
            let product = self.raw_product(stays, value)?;
            self.stands_for(start, product, value, true);
            moving.push(product);
        }
        let (mut distance, mut by) = (moving.pop().expect("the distance"), 1);
        while by < count {
            let (half, bit) = self.whole_quotient(distance, Number::Integer(2), String::new())?;
            distance = self.moved_up(half, bit, by)?;
            for value in &mut moving {
                *value = self.moved_up(*value, bit, by)?;
            }
            by *= 2;
        }
        Ok(moving)
    }

    /// The rows whose bits are set, so many places further up, where zeros are.
    fn moved_up(&mut self, a: ValueId, bits: ValueId, by: usize) -> Result<ValueId, ProgramError> {
        let (start, shape) = (self.values.len(), self.value(a).shape);
        let moved = self.raw_product(bits, a)?;
        let rest = self.sub(a, moved)?;
        let up = self.slice(moved, Stride::range(by, shape.rows), Stride::range(0, shape.cols))?;
        let up = self.pad(up, (0, 0), shape)?;
        let result = self.add(rest, up)?;
        self.stands_for(start, result, a, true);
        Ok(result)
    }
}
