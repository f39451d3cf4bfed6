//! Sorting and merging networks, and rows of matrices that go through them.
//!
//! The networks are Batcher's odd-even merges ("Sorting networks and their applications", 1968): lists of one row are
//! merged into lists of two, these into lists of four, and so on. A merge of lists of p rows has a layer of comparisons at
//! each of the distances p, p/2, …, 1, and all comparisons of a layer are one op. So n rows are sorted in
//! log₂ n (log₂ n + 1)/2 layers of at most n/2 comparisons each, and two sorted lists merged in as many layers as n has bits.
//!
//! Which rows are compared is public and the same for all data. Lists that are shorter are thought of with the largest rows
//! there are behind the second one, and the smallest ones before the first: no comparison moves these, so comparisons with
//! them are left out.
//!
//! A row has a key, and what is carried with it is exchanged where the keys are. Exchanges by the same bits in the opposite
//! order put rows back to where they came from, without any comparison.

use super::range::Interval;
use super::{
    Dims, Gather, Loop, Number, Op, Program, ProgramError, Relation, Span, Stride, Truncation, ValueId,
};
use crate::ring::Shape;

/// Some rows: parts of neighbouring ones, which two nested loops count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    start: usize,
    turns: [Loop; 2],
    /// The number of neighbours in a part.
    length: usize,
}

/// Pairs of rows at one distance, of which the smaller goes to the front. No row is in two of them.
#[derive(Debug)]
struct Layer {
    distance: usize,
    /// Those at the front.
    lower: Vec<Run>,
}

/// Layers of comparisons of so many rows.
#[derive(Debug)]
pub(super) struct Network {
    count: usize,
    layers: Vec<Layer>,
}

/// Rows of matrices, one below the other.
pub(super) struct Rows {
    /// By this they are put in order; each column for itself, if there are several.
    pub(super) key: ValueId,
    /// By this, where keys are equal.
    pub(super) tie: Option<ValueId>,
    /// What goes along: matrices with as many columns as the key, or any number where the key has one.
    pub(super) carried: Vec<ValueId>,
}

/// For each layer of a network, which of its pairs were exchanged.
pub(super) type Swaps = Vec<ValueId>;

impl Run {
    /// The number of its rows.
    fn rows(&self) -> usize {
        self.turns[0].count * self.turns[1].count * self.length
    }

    /// Where these rows, and those so far behind them, are in a matrix of this width.
    fn gather(&self, behind: usize, width: usize) -> Gather {
        let turn = |turn: Loop| Loop { step: turn.step * width, ..turn };
        Gather {
            start: (self.start + behind) * width,
            rows: [Loop::ONCE, turn(self.turns[0]), turn(self.turns[1])],
            cols: [Loop::ONCE, Loop::ONCE, Loop { count: self.length * width, step: 1 }],
        }
    }
}

/// Neighbours that are alike in all but where they start, taken together if they are equally far apart: the first of them,
/// their number and the distance.
fn alike<T: Copy>(all: &[T], start: impl Fn(&T) -> usize, same: impl Fn(&T, &T) -> bool) -> Vec<(T, Loop)> {
    let mut taken: Vec<(T, Loop)> = Vec::new();
    for one in all {
        if let Some((first, turns)) = taken.last_mut()
            && same(first, one)
            && let apart = start(one) - start(first)
            && (turns.count == 1 || apart == turns.count * turns.step)
        {
            *turns = Loop { count: turns.count + 1, step: apart / turns.count };
            continue;
        }
        taken.push((*one, Loop::ONCE));
    }
    taken
}

impl Layer {
    /// The pairs at a distance of the merge of two lists of `length` rows, or of as many such pairs of lists as there are:
    /// of those rows alone that stand at `from .. from + count`, which are numbered from 0.
    fn of_merge(length: usize, distance: usize, (from, count): (usize, usize)) -> Layer {
        let until = from + count;
        let (first, apart) = (if distance == length { 0 } else { distance }, 2 * distance);
        let units = (0..).map(|unit| first + unit * apart).take_while(|start| start + distance < until);
        // The first and the last part of two lists have no partner.
        let within =
            units.filter(|start| distance == length || !(start + distance).is_multiple_of(2 * length));
        let parts: Vec<(usize, usize)> = within
            .map(|start| (start.max(from), (start + distance).min(until - distance)))
            .filter(|(start, end)| start < end)
            .map(|(start, end)| (start - from, end - start))
            .collect();
        let inner = alike(&parts, |part| part.0, |a, b| a.1 == b.1);
        let outer = alike(&inner, |(part, _)| part.0, |a, b| (a.0.1, a.1) == (b.0.1, b.1));
        let run = |&(((start, length), inner), outer): &(((usize, usize), Loop), Loop)| Run {
            start,
            turns: [outer, inner],
            length,
        };
        Layer { distance, lower: outer.iter().map(run).collect() }
    }
}

impl Network {
    /// Puts so many rows in order.
    pub(super) fn sorting(count: usize) -> Network {
        let mut network = Network { count, layers: Vec::new() };
        let mut length = 1;
        while length < count {
            network.merge(length, 0);
            length *= 2;
        }
        network
    }

    /// Puts rows in order of which the first so many are in order, and the others.
    pub(super) fn merging(first: usize, second: usize) -> Network {
        let mut network = Network { count: first + second, layers: Vec::new() };
        let length = first.max(second).next_power_of_two();
        network.merge(length, length - first);
        network
    }

    /// Merges lists of `length` rows, of which as many are missing before the first one as `missing` says.
    fn merge(&mut self, length: usize, missing: usize) {
        let mut distance = length;
        while distance > 0 {
            let layer = Layer::of_merge(length, distance, (missing, self.count));
            if !layer.lower.is_empty() {
                self.layers.push(layer);
            }
            distance /= 2;
        }
    }
}

impl Rows {
    /// Keys alone.
    pub(super) const fn of(key: ValueId) -> Rows {
        Rows { key, tie: None, carried: Vec::new() }
    }
}

fn dims(rows: usize, cols: usize) -> Dims {
    Shape::new(rows, cols).into()
}

impl Program {
    /// Rows in rising order, by a network that sorts them, and what it exchanged.
    pub(super) fn put_in_order(
        &mut self,
        rows: Rows,
        network: &Network,
    ) -> Result<(Rows, Swaps), ProgramError> {
        let (Rows { mut key, mut tie, mut carried }, mut swaps) = (rows, Vec::new());
        for layer in &network.layers {
            let keys = self.pairs_of(key, layer)?;
            let ties = tie.map(|tie| self.pairs_of(tie, layer)).transpose()?;
            let bits = self.are_behind(keys, ties)?;
            key = self.exchanged(key, (layer, bits), keys)?;
            if let (Some(value), Some(pairs)) = (&mut tie, ties) {
                *value = self.exchanged(*value, (layer, bits), pairs)?;
            }
            for value in &mut carried {
                let pairs = self.pairs_of(*value, layer)?;
                *value = self.exchanged(*value, (layer, bits), pairs)?;
            }
            swaps.push(bits);
        }
        Ok((Rows { key, tie, carried }, swaps))
    }

    /// Rows where they were before a network put them in order.
    pub(super) fn put_back(
        &mut self,
        mut a: ValueId,
        network: &Network,
        swaps: &Swaps,
    ) -> Result<ValueId, ProgramError> {
        for (layer, &bits) in network.layers.iter().zip(swaps).rev() {
            let pairs = self.pairs_of(a, layer)?;
            a = self.exchanged(a, (layer, bits), pairs)?;
        }
        Ok(a)
    }

    /// The bits that a key has room for below its own, if it has room for integers from 0 to `most` there.
    pub(super) fn room_below(&self, key: ValueId, most: usize) -> Option<u32> {
        let reach = match self.is_read(key) {
            true => self.integers(key).span.magnitude().high as f64,
            false => self.any_or_known(key).reach() / self.value(key).unit(),
        };
        let bits = usize::BITS - most.leading_zeros();
        let all = (reach + 1.0) * f64::from(bits).exp2();
        (2.0 * all < f64::from(self.ring().bits() - 2).exp2()).then_some(bits)
    }

    /// A key with an integer in so many bits below its own, which tells equal keys apart.
    pub(super) fn with_tie(
        &mut self,
        key: ValueId,
        tie: ValueId,
        bits: u32,
    ) -> Result<ValueId, ProgramError> {
        let label = self.value(key).label.clone();
        let (raised, shape) = (self.raised(key, bits)?, self.value(tie).shape);
        let scale = self.value(raised).fraction_bits;
        let tie = self.push_scaled(Op::Scale(tie, 1), shape, scale, label)?;
        self.add(raised, tie)
    }

    /// A key with zeros in so many bits below its own.
    fn raised(&mut self, key: ValueId, bits: u32) -> Result<ValueId, ProgramError> {
        let (shape, label) = (self.value(key).shape, self.value(key).label.clone());
        let scale = if self.is_read(key) { 0 } else { self.value(key).fraction_bits + bits };
        self.push_scaled(Op::Scale(key, 1 << bits), shape, scale, label)
    }

    /// The integers, which lie in an interval, in the lowest bits of keys.
    pub(super) fn tie_of(
        &mut self,
        both: ValueId,
        bits: u32,
        known: Interval,
    ) -> Result<ValueId, ProgramError> {
        let first = self.values.len();
        let (shape, label) = (self.value(both).shape, self.value(both).label.clone());
        let scale = if self.is_read(both) { 0 } else { self.value(both).fraction_bits - bits };
        let key =
            self.push_scaled(Op::Truncate(both, bits, Truncation::Exact), shape, scale, label.clone())?;
        let raised = self.raised(key, bits)?;
        let rest = self.sub(both, raised)?;
        let tie = self.push_scaled(Op::Scale(rest, 1), shape, 0, label)?;
        self.see_to(first);
        self.settle_parts(first);
        self.settle(tie, Span::new(known.low as i128, known.high as i128), &[]);
        self.unread(tie);
        self.refine(tie, Some(known));
        Ok(tie)
    }

    /// The front rows of a layer's pairs, and the others.
    fn pairs_of(&mut self, a: ValueId, layer: &Layer) -> Result<[ValueId; 2], ProgramError> {
        Ok([self.picked(a, layer, 0)?, self.picked(a, layer, layer.distance)?])
    }

    /// The front rows of a layer's pairs, or those so far behind them.
    fn picked(&mut self, a: ValueId, layer: &Layer, behind: usize) -> Result<ValueId, ProgramError> {
        let width = self.value(a).shape.cols;
        let mut parts = Vec::new();
        for run in &layer.lower {
            let part = self.gather_from(a, run.gather(behind, width))?;
            parts.push(self.reshape_to(part, dims(run.rows(), width))?);
        }
        self.joined_all(parts, 0)
    }

    /// Rows of pairs back at their places among all, with zeros elsewhere.
    fn among_all(
        &mut self,
        a: ValueId,
        layer: &Layer,
        (behind, count): (usize, usize),
    ) -> Result<ValueId, ProgramError> {
        let (width, mut start, mut sum) = (self.value(a).shape.cols, 0, None);
        for run in &layer.lower {
            let rows = Stride::range(start, start + run.rows());
            start = rows.start + rows.count;
            let part = match layer.lower.len() {
                1 => a,
                _ => self.slice(a, rows, Stride::range(0, width))?,
            };
            let placed = self.scattered(part, run.gather(behind, width), Shape::new(count, width))?;
            sum = Some(match sum {
                None => placed,
                Some(sum) => self.add(sum, placed)?,
            });
        }
        Ok(sum.expect("a layer has a pair"))
    }

    /// For each pair whether the second row belongs before the first.
    fn are_behind(
        &mut self,
        [low, high]: [ValueId; 2],
        ties: Option<[ValueId; 2]>,
    ) -> Result<ValueId, ProgramError> {
        let Some([first, second]) = ties else { return self.compare(high, Relation::Less, low) };
        let start = self.values.len();
        let below = self.compare(high, Relation::Less, low)?;
        let equal = self.compare(high, Relation::Equal, low)?;
        let before = self.compare(second, Relation::Less, first)?;
        let both = self.mul(equal, before)?;
        let result = self.add(below, both)?;
        self.see_to(start);
        self.settle(result, Span::new(0, 1), &[]);
        self.refine(result, Some(Interval::new(0.0, 1.0)));
        Ok(result)
    }

    /// All rows, of which the pairs are exchanged whose bits are set: the first plus, and the second less, the bit times what
    /// they are apart.
    fn exchanged(
        &mut self,
        a: ValueId,
        (layer, bits): (&Layer, ValueId),
        [low, high]: [ValueId; 2],
    ) -> Result<ValueId, ProgramError> {
        let (start, count) = (self.values.len(), self.value(a).shape.rows);
        let apart = self.sub(high, low)?;
        let moved = self.raw_product(bits, apart)?;
        let down = self.among_all(moved, layer, (0, count))?;
        let up = self.among_all(moved, layer, (layer.distance, count))?;
        let sum = self.add(a, down)?;
        let result = self.sub(sum, up)?;
        self.see_to(start);
        self.stands_for(start, result, a, false);
        Ok(result)
    }

    /// Says that each element of a value which the values from `first` on compute is one of another's, or zero if it may.
    pub(super) fn stands_for(&mut self, first: usize, value: ValueId, of: ValueId, or_zero: bool) {
        if self.is_read(value) {
            self.settle_parts(first);
            let span = self.integers(of).span;
            self.settle(value, if or_zero { span.hull(Span::at(0)) } else { span }, &[of]);
        }
        let known = self.interval(of);
        self.refine(value, known.map(|known| if or_zero { known.hull(Interval::at(0.0)) } else { known }));
    }

    /// The integers 0, 1, … below each other.
    pub(super) fn row_numbers(&mut self, count: usize) -> Result<ValueId, ProgramError> {
        let places = self.progression(Number::Integer(0), Number::Integer(1), count)?;
        self.reshape_to(places, dims(count, 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Run {
        fn places(&self) -> Vec<usize> {
            let [outer, inner] = self.turns;
            let parts = (0..outer.count).flat_map(|i| (0..inner.count).map(move |j| (i, j)));
            let starts = parts.map(|(i, j)| self.start + i * outer.step + j * inner.step);
            starts.flat_map(|start| start..start + self.length).collect()
        }
    }

    impl Network {
        /// The front rows of each layer's pairs, and their distance.
        fn pairs(&self) -> impl Iterator<Item = (Vec<usize>, usize)> {
            self.layers.iter().map(|layer| {
                let places = layer.lower.iter().flat_map(Run::places).collect();
                (places, layer.distance)
            })
        }

        fn applied(&self, rows: &mut [u8]) {
            for (lower, distance) in self.pairs() {
                for at in lower {
                    if rows[at] > rows[at + distance] {
                        rows.swap(at, at + distance);
                    }
                }
            }
        }
    }

    /// A network that sorts all rows of zeros and ones sorts all rows (Knuth, "The Art of Computer Programming", volume 3,
    /// section 5.3.4, theorem Z).
    #[test]
    fn networks_sort_all_zeros_and_ones() {
        for count in 0..=11 {
            let network = Network::sorting(count);
            for bits in 0u32..1 << count {
                let mut rows: Vec<u8> = (0..count).map(|at| (bits >> at & 1) as u8).collect();
                network.applied(&mut rows);
                assert!(rows.is_sorted(), "{count} rows from {bits:b}: {rows:?}");
            }
        }
    }

    #[test]
    fn networks_merge_lists_of_any_lengths() {
        for (first, second) in (0..=20).flat_map(|first| (0..=20).map(move |second| (first, second))) {
            let network = Network::merging(first, second);
            for (low, high) in (0..=first).flat_map(|low| (0..=second).map(move |high| (low, high))) {
                let list = |count: usize, zeros: usize| (0..count).map(move |at| u8::from(at >= zeros));
                let mut rows: Vec<u8> = list(first, low).chain(list(second, high)).collect();
                network.applied(&mut rows);
                assert!(rows.is_sorted(), "{first} and {second} rows: {rows:?}");
            }
        }
    }

    #[test]
    fn layers_are_as_many_as_are_stated_and_meet_each_row_once() {
        for count in [2usize, 3, 7, 64, 100, 1000, 1024] {
            let (bits, half) = (count.next_power_of_two().trailing_zeros() as usize, count / 2);
            let networks = [
                (Network::sorting(count), bits * (bits + 1) / 2),
                (
                    Network::merging(half, count - half),
                    (count - half).next_power_of_two().trailing_zeros() as usize + 1,
                ),
            ];
            for (network, most) in networks {
                assert!(network.layers.len() <= most, "{count} rows in {} layers", network.layers.len());
                for (lower, distance) in network.pairs() {
                    let mut met: Vec<usize> = lower.iter().flat_map(|&at| [at, at + distance]).collect();
                    met.sort_unstable();
                    met.dedup();
                    assert_eq!(met.len(), 2 * lower.len(), "a row of {count} is in two pairs");
                    assert!(met.iter().all(|&at| at < count), "a row beyond {count}");
                }
                let runs = network.layers.iter().map(|layer| layer.lower.len()).max();
                assert!(runs.is_none_or(|runs| runs <= 3), "{count} rows in {runs:?} runs");
            }
        }
    }
}
