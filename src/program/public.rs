//! Public values: numbers that differ from run to run such as a learning rate, the rows of a matrix that a run takes, and
//! tensors that every party has.
//!
//! Everybody knows them for every run beforehand, and parties compare them with the rest of the program. So a run needs no
//! message for them: a multiple by a public number and rows by their public numbers are each party's own work. A value that
//! is the same in every run, such as a data set, stays as it is, and each run takes its batch from there.
//!
//! **Public tensors.** What is computed of them alone is [known](Program::known) to everybody: each party computes it in the
//! clear. Products, sums and comparisons in which a known value meets a private one or another known one are each party's
//! own work as well.
//!
//! Runs are counted from 0, those of earlier sessions among them that a session goes on from.

use super::range::Interval;
use super::{Dims, Integers, Number, Op, Program, ProgramError, Span, ValueId};
use crate::ring::prg::PrgKey;
use crate::ring::{Elements, Ring, Shape};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// A public value of a program, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct PublicId(pub(super) u32);

/// What a public value is in each run.
#[derive(Clone, Debug, PartialEq)]
pub enum Schedule {
    /// A number for each run, by which values are multiplied.
    Numbers(Vec<f64>),
    /// The numbers of the rows that each run takes.
    Rows(Rows),
    /// A tensor that is the same in every run.
    Tensor(PublicTensor),
}

/// A tensor that every party has.
#[derive(Clone, Debug, PartialEq)]
pub struct PublicTensor {
    dims: Dims,
    /// Row by row, as the ring has them.
    elements: Arc<Elements>,
    fraction_bits: u32,
    /// True where its elements are signed integers.
    signed: bool,
    /// The least and the greatest element.
    span: Span,
}

/// The numbers of the rows that each run takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rows {
    /// For each run the first of `take` rows that follow each other.
    From {
        /// The first, by run.
        first: Vec<u32>,
        /// How many.
        take: usize,
    },
    /// `take` of the first `of` rows, in an order that everybody draws alike and that each pass through them draws anew. A
    /// pass has as many runs as take whole batches; the rows that are left over wait for another pass. There is no last run.
    Shuffled {
        /// How many there are to take from.
        of: usize,
        /// How many a run takes.
        take: usize,
        /// What the orders are drawn from.
        seed: u64,
    },
}

/// A public value that differs from run to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Public {
    /// Its name.
    pub name: String,
    /// What it is in each run.
    pub schedule: Schedule,
}

impl Rows {
    /// The number of rows that a run takes.
    pub const fn take(&self) -> usize {
        match self {
            Rows::From { take, .. } | Rows::Shuffled { take, .. } => *take,
        }
    }

    /// One more than the largest number of a row.
    fn extent(&self) -> usize {
        match self {
            Rows::From { first, take } => first.iter().max().map_or(0, |&first| first as usize + take),
            Rows::Shuffled { of, .. } => *of,
        }
    }

    /// The numbers in a run; none behind the last run.
    pub fn of_run(&self, run: u32) -> Option<Vec<u32>> {
        self.of_run_in(run, &mut None)
    }

    /// The same, where `drawn` has the order of the pass that was last drawn, if any: each is drawn once.
    fn of_run_in(&self, run: u32, drawn: &mut Option<Pass>) -> Option<Vec<u32>> {
        match *self {
            Rows::From { ref first, take } => {
                let &first = first.get(run as usize)?;
                Some((first..first + take as u32).collect())
            }
            Rows::Shuffled { of, take, seed } => {
                let runs = (of / take) as u32;
                let (number, at) = (run / runs, (run % runs) as usize * take);
                let pass = match drawn.take() {
                    Some(pass) if pass.number == number => pass,
                    _ => Pass { number, order: order(of, seed, number) },
                };
                let rows = pass.order[at..at + take].to_vec();
                *drawn = Some(pass);
                Some(rows)
            }
        }
    }
}

/// A pass through shuffled rows, and their order in it.
#[derive(Debug)]
struct Pass {
    number: u32,
    order: Vec<u32>,
}

/// The orders of the passes that a program's runs are in, by public value.
#[derive(Debug, Default)]
pub(crate) struct Passes(BTreeMap<usize, Option<Pass>>);

/// The numbers below `count` in the order of a pass: shuffled (Fisher and Yates, as Durstenfeld, "Algorithm 235: Random
/// permutation", 1964) by the generator under the key that BLAKE3 derives from the seed, a stream for each pass. Each choice
/// is the high half of a drawn word times the number of those that are left, which is even to one in 2^32.
fn order(count: usize, seed: u64, pass: u32) -> Vec<u32> {
    let key = blake3::derive_key("symbolon 2026-11 public order of rows", &seed.to_le_bytes());
    let mut bytes = vec![0; count * size_of::<u64>()];
    PrgKey::from_bytes(key).fill(pass.into(), 0, &mut bytes);
    let drawn = Elements::from_bytes(Ring::Z64, &bytes).to_u64();
    let mut order: Vec<u32> = (0..count as u32).collect();
    for (last, word) in (1..count).rev().zip(drawn) {
        let chosen = (u128::from(word) * (last as u128 + 1)) >> 64;
        order.swap(last, chosen as usize);
    }
    order
}

impl Schedule {
    /// The number of runs of which it says what it is; none where it is of all.
    pub fn runs(&self) -> Option<usize> {
        match self {
            Schedule::Numbers(numbers) => Some(numbers.len()),
            Schedule::Rows(Rows::From { first, .. }) => Some(first.len()),
            Schedule::Rows(Rows::Shuffled { .. }) | Schedule::Tensor(_) => None,
        }
    }

    /// All that is the same of it however many runs there are.
    pub(crate) fn kind(&self) -> String {
        match self {
            Schedule::Numbers(_) => "numbers".to_owned(),
            Schedule::Rows(Rows::From { take, .. }) => format!("{take} rows"),
            Schedule::Rows(Rows::Shuffled { .. }) | Schedule::Tensor(_) => self.to_string(),
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digest = |words: &mut dyn Iterator<Item = [u8; 8]>| {
            let mut hasher = blake3::Hasher::new();
            for word in words {
                hasher.update(&word);
            }
            hasher.finalize().to_hex()
        };
        match self {
            Schedule::Numbers(numbers) => {
                let digest = digest(&mut numbers.iter().map(|number| number.to_le_bytes()));
                write!(f, "numbers of {} runs, {digest}", numbers.len())
            }
            Schedule::Rows(Rows::From { first, take }) => {
                let digest = digest(&mut first.iter().map(|&first| u64::from(first).to_le_bytes()));
                write!(f, "{take} rows in each of {} runs, {digest}", first.len())
            }
            Schedule::Rows(Rows::Shuffled { of, take, seed }) => {
                write!(f, "{take} of {of} rows, shuffled from seed {seed}")
            }
            Schedule::Tensor(PublicTensor { dims, elements, fraction_bits, signed, .. }) => {
                let digest = digest(&mut elements.to_u64().into_iter().map(u64::to_le_bytes));
                let sign = if *signed { "" } else { "unsigned " };
                write!(f, "{sign}{dims} with {fraction_bits} fraction bits, {digest}")
            }
        }
    }
}

impl Program {
    /// The public values that differ from run to run, in the order in which they were declared.
    pub fn publics(&self) -> &[Public] {
        &self.publics
    }

    /// The public value of this name.
    pub fn public_named(&self, name: &str) -> Option<PublicId> {
        self.publics.iter().position(|public| public.name == name).map(|index| PublicId(index as u32))
    }

    /// A public value that differs from run to run.
    ///
    /// # Errors
    /// Where another has the name, it is of no run or of no row, a number cannot be written in the ring or would be zero there,
    /// or more rows are taken than there are.
    pub fn public(&mut self, name: &str, schedule: Schedule) -> Result<PublicId, ProgramError> {
        if self.public_named(name).is_some() {
            return Err(ProgramError::Duplicate { name: name.to_owned() });
        }
        let wrong = |what: &str| Err(ProgramError::Schedule { name: name.to_owned(), what: what.to_owned() });
        if schedule.runs() == Some(0) {
            return wrong("says of no run what it is");
        }
        match &schedule {
            Schedule::Numbers(numbers) => {
                for &number in numbers {
                    if let Err(error) = self.element(Number::Real(number)) {
                        return wrong(&format!("cannot be {number:e}: {error}"));
                    }
                }
            }
            Schedule::Rows(rows) => match (rows.take(), rows.extent()) {
                (0, _) => return wrong("takes no row"),
                (take, extent) if take > extent => return wrong("takes more rows than there are"),
                (_, extent) if u32::try_from(extent).is_err() => return wrong("names rows beyond 2^32"),
                _ => {}
            },
            Schedule::Tensor(_) => {}
        }
        self.publics.push(Public { name: name.to_owned(), schedule });
        Ok(PublicId(self.publics.len() as u32 - 1))
    }

    /// `a` times a public number that differs from run to run, in every element.
    ///
    /// # Errors
    /// Where the public value is no number.
    pub fn scale_by_run(&mut self, a: ValueId, by: PublicId) -> Result<ValueId, ProgramError> {
        let Public { name, schedule } = &self.publics[by.index()];
        if !matches!(schedule, Schedule::Numbers(_)) {
            let what = match schedule {
                Schedule::Tensor(_) => "is a tensor, and no number of the run".to_owned(),
                _ => "is numbers of rows, and takes rows of a value: write x[…]".to_owned(),
            };
            return Err(ProgramError::Schedule { name: name.clone(), what });
        }
        let label = format!("({} * {name})", self.short(a));
        let bits = self.value(a).fraction_bits + self.codec.fraction_bits();
        let shape = self.value(a).shape;
        self.push_product(Op::ScaleByRun(a, by), shape, bits, label)
    }

    /// The entries of `a` along its first axis that a run takes, in the run's order.
    ///
    /// # Errors
    /// Where the public value is no rows, or `a` has not all of them.
    pub fn rows_by_run(&mut self, a: ValueId, rows: PublicId) -> Result<ValueId, ProgramError> {
        let Public { name, schedule } = &self.publics[rows.index()];
        let Schedule::Rows(taken) = schedule else {
            let what = "is a number, and numbers no rows".to_owned();
            return Err(ProgramError::Schedule { name: name.clone(), what });
        };
        let (dims, label) = (self.dims(a), format!("{}[{name}]", self.short(a)));
        let (take, extent) = (taken.take(), taken.extent());
        let Some((&entries, each)) = dims.extents().split_first() else {
            let what = "takes rows, and a single number has none".to_owned();
            return Err(ProgramError::Schedule { name: name.clone(), what });
        };
        if extent > entries {
            let (label, what) = (self.value(a).label.clone(), format!("row {} of {name}", extent - 1));
            return Err(ProgramError::OutOfRange { label, shape: dims, what });
        }
        // An entry is a row of a matrix.
        let width = each.iter().product();
        let to = Dims::new(&[&[take], each].concat()).expect("as many axes");
        let flat = self.reshape_to(a, Dims::from(Shape::new(entries, width)))?;
        let rows = self.push_like(flat, Op::RowsByRun(flat, rows), Shape::new(take, width), label.clone())?;
        let result = self.reshape_to(rows, to)?;
        self.set_label(result, &label);
        Ok(result)
    }

    /// Makes sure that every public value is used: rows that nothing takes may be more than any value has.
    ///
    /// # Errors
    /// [`ProgramError::Schedule`].
    pub(crate) fn check_publics(&self) -> Result<(), ProgramError> {
        let used: BTreeSet<usize> = self
            .values
            .iter()
            .filter_map(|value| match value.op {
                Op::ScaleByRun(_, public) | Op::RowsByRun(_, public) => Some(public.index()),
                Op::Public(public) => Some(public.index()),
                _ => None,
            })
            .collect();
        match self.publics.iter().enumerate().find(|(index, _)| !used.contains(index)) {
            None => Ok(()),
            Some((_, Public { name, .. })) => {
                let what = "is used by no step".to_owned();
                Err(ProgramError::Schedule { name: name.clone(), what })
            }
        }
    }

    /// The digest of all that is listed of public values for the first `runs` runs; what is drawn is the same however
    /// many runs there are.
    pub(crate) fn digest_of_publics(&self, runs: u32) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_derive_key("symbolon 2026-11 public values of runs");
        for public in &self.publics {
            let words: Vec<u64> = match &public.schedule {
                Schedule::Numbers(numbers) => numbers.iter().map(|number| number.to_bits()).collect(),
                Schedule::Rows(Rows::From { first, .. }) => first.iter().map(|&row| row.into()).collect(),
                Schedule::Rows(Rows::Shuffled { .. }) | Schedule::Tensor(_) => Vec::new(),
            };
            let words = &words[..words.len().min(runs as usize)];
            hasher.update(&(words.len() as u64).to_le_bytes());
            for word in words {
                hasher.update(&word.to_le_bytes());
            }
        }
        hasher.finalize()
    }

    /// A public value in a run, as the elements of a column; none behind the last run that it is of.
    pub(crate) fn public_elements(&self, index: usize, run: u32, passes: &mut Passes) -> Option<Elements> {
        let elements = match &self.publics[index].schedule {
            Schedule::Numbers(numbers) => vec![self.encoded(*numbers.get(run as usize)?)],
            Schedule::Rows(rows) => {
                let drawn = passes.0.entry(index).or_default();
                rows.of_run_in(run, drawn)?.into_iter().map(u64::from).collect()
            }
            Schedule::Tensor(tensor) => return Some(tensor.elements.as_ref().clone()),
        };
        Some(Elements::from_integers(self.ring(), elements))
    }

    /// A tensor that every party has, as the ring has its elements: integers, or numbers at the program's scale. Among
    /// fixed-point numbers one of whole numbers alone is integers, so that products with it are exact.
    ///
    /// # Errors
    /// Where another public value has the name, or the tensor is too large.
    ///
    /// # Panics
    /// Where there are more or fewer elements than the extents say.
    pub fn public_tensor(
        &mut self,
        name: &str,
        dims: Dims,
        elements: &Elements,
        signed: bool,
    ) -> Result<ValueId, ProgramError> {
        let dims = self.bearable(name, dims)?;
        assert_eq!(elements.len(), dims.folded().len(), "as many elements as the extents say");
        let (ring, scale) = (self.ring(), self.codec.fraction_bits());
        let integer = |element: u64| if signed { ring.signed(element).into() } else { i128::from(element) };
        let mut numbers: Vec<i128> = elements.to_u64().into_iter().map(integer).collect();
        let is_whole = numbers.iter().all(|number| number.trailing_zeros() >= scale);
        if is_whole {
            numbers.iter_mut().for_each(|number| *number >>= scale);
        }
        let ends = numbers.iter().copied().min().zip(numbers.iter().copied().max());
        let (low, high) = ends.unwrap_or_default();
        let tensor = PublicTensor {
            dims,
            elements: Arc::new(Elements::from_integers(
                ring,
                numbers.into_iter().map(|n| ring.reduce(n as u64)),
            )),
            fraction_bits: if is_whole { 0 } else { scale },
            signed,
            span: Span::new(low, high),
        };
        let bits = tensor.fraction_bits;
        let public = self.public(name, Schedule::Tensor(tensor))?;
        let value = self.push_scaled(Op::Public(public), dims.folded(), bits, name.to_owned())?;
        Ok(self.with_dims(value, dims))
    }

    /// For each value, whether everybody knows it beforehand: it is computed of public tensors alone.
    pub fn known(&self) -> Vec<bool> {
        let mut known: Vec<bool> = Vec::with_capacity(self.values.len());
        for value in &self.values {
            let of_all = match value.op {
                Op::Public(_) => true,
                Op::Input(_) | Op::State(_) => false,
                op => op.operands().all(|operand| known[operand.index()]),
            };
            known.push(of_all);
        }
        known
    }

    /// The scalar zero that every party has, of which public tensors in steps are made.
    pub(super) fn public_zero(&mut self) -> Result<ValueId, ProgramError> {
        const NAME: &str = "0";
        if let Some(public) = self.public_named(NAME) {
            let is_it = |value: &super::Value| value.op == Op::Public(public);
            return match self.values.iter().position(is_it) {
                Some(index) => Ok(ValueId(index as u32)),
                None => self.push_scaled(Op::Public(public), Shape::SCALAR, 0, NAME.to_owned()),
            };
        }
        let zero = Elements::zeros(self.ring(), 1);
        self.public_tensor(NAME, Dims::SCALAR, &zero, true)
    }

    fn tensor(&self, public: PublicId) -> &PublicTensor {
        let Schedule::Tensor(tensor) = &self.publics[public.index()].schedule else {
            unreachable!("its op is a tensor's")
        };
        tensor
    }

    /// The elements of a public tensor.
    pub(crate) fn tensor_elements(&self, public: PublicId) -> &Elements {
        &self.tensor(public).elements
    }

    /// The file that has the numbers of a public tensor.
    pub(super) fn interval_of_tensor(&self, public: PublicId) -> Interval {
        let PublicTensor { span, fraction_bits, .. } = *self.tensor(public);
        let unit = (-f64::from(fraction_bits)).exp2();
        Interval::of_integers(span.low, span.high).times(unit)
    }

    /// The integers that a public tensor holds.
    pub(super) fn integers_of_tensor(&self, public: PublicId) -> Integers {
        let PublicTensor { span, signed, .. } = *self.tensor(public);
        Integers { span, signed, wraps: false }
    }

    /// The shape in which parties have a public value: that of a tensor, otherwise a column.
    pub(crate) fn public_shape(&self, index: usize) -> Shape {
        match &self.publics[index].schedule {
            Schedule::Numbers(_) => Shape::SCALAR,
            Schedule::Rows(rows) => Shape::new(rows.take(), 1),
            Schedule::Tensor(tensor) => tensor.dims.folded(),
        }
    }

    /// The number in a run, as a ring element; that of the last run behind it.
    pub(super) fn number_of_run(&self, by: PublicId, run: u32) -> u64 {
        let Schedule::Numbers(numbers) = &self.publics[by.index()].schedule else {
            unreachable!("a value is multiplied by numbers")
        };
        self.encoded(numbers[(run as usize).min(numbers.len() - 1)])
    }

    /// The numbers of the rows in a run.
    pub(super) fn rows_of_run(&self, rows: PublicId, run: u32) -> Vec<u32> {
        let Schedule::Rows(rows) = &self.publics[rows.index()].schedule else {
            unreachable!("rows are taken by their numbers")
        };
        rows.of_run(run).expect("a run that the rows are known of")
    }

    /// Where the numbers of all runs lie, as the ring has them.
    pub(super) fn interval_of_numbers(&self, by: PublicId) -> Interval {
        let span = self.span_of_numbers(by);
        let unit = self.codec.resolution();
        Interval::new(span.low as f64 * unit, span.high as f64 * unit)
    }

    /// The same in units of the elements.
    pub(super) fn span_of_numbers(&self, by: PublicId) -> Span {
        let Schedule::Numbers(numbers) = &self.publics[by.index()].schedule else {
            unreachable!("a value is multiplied by numbers")
        };
        let spans = numbers.iter().map(|&number| Span::at(self.ring().signed(self.encoded(number)).into()));
        spans.reduce(Span::hull).expect("a number at least")
    }

    fn encoded(&self, number: f64) -> u64 {
        self.element(Number::Real(number)).expect("it was encoded when it was declared")
    }
}

impl PublicId {
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::FixedPoint;
    use crate::share::PartyId;

    fn program() -> Program {
        Program::new(2, FixedPoint::new(Ring::Z64, 16).expect("a codec"))
    }

    #[test]
    fn a_pass_takes_every_row_at_most_once_and_the_next_takes_them_in_another_order() {
        let rows = Rows::Shuffled { of: 23, take: 5, seed: 7 };
        let pass = |number: u32| -> Vec<u32> {
            (4 * number..4 * number + 4)
                .flat_map(|run| rows.of_run(run).expect("there is no last run"))
                .collect()
        };
        for number in 0..20 {
            let distinct: BTreeSet<u32> = pass(number).into_iter().collect();
            assert_eq!(distinct.len(), 20, "four runs of five rows");
            assert!(distinct.iter().all(|&row| row < 23));
        }
        assert_ne!(pass(0), pass(1));
        assert_ne!(pass(0), Rows::Shuffled { of: 23, take: 20, seed: 8 }.of_run(0).expect("rows"));
        let left: BTreeSet<u32> = (0..20).flat_map(pass).collect();
        assert_eq!(left.len(), 23, "what one pass leaves another takes");
    }

    #[test]
    fn an_order_that_is_kept_is_that_which_is_drawn() {
        let rows = Rows::Shuffled { of: 23, take: 5, seed: 7 };
        let mut drawn = None;
        for run in [0, 1, 2, 3, 4, 9, 8, 2] {
            assert_eq!(rows.of_run_in(run, &mut drawn), rows.of_run(run), "run {run}");
            assert_eq!(drawn.as_ref().map(|pass| pass.number), Some(run / 4), "the pass is kept");
        }
    }

    #[test]
    fn what_nothing_uses_is_refused_by_name() {
        let mut program = program();
        let x = program.input("x", PartyId(0), Shape::new(5, 2), None).expect("x");
        let huge = Rows::Shuffled { of: (1 << 32) - 1, take: 1, seed: 1 };
        let rate = program.public("rate", Schedule::Numbers(vec![0.5])).expect("a rate");
        program.scale_by_run(x, rate).expect("a multiple");
        program.check_publics().expect("all are used");
        program.public("rows", Schedule::Rows(huge)).expect("rows");
        let line = program.check_publics().expect_err("it is refused").to_string();
        assert_eq!(line, "public value 'rows' is used by no step");
    }

    #[test]
    fn digests_of_runs_are_of_what_these_runs_took() {
        let with = |numbers: &[f64]| {
            let mut program = program();
            program.public("rate", Schedule::Numbers(numbers.to_vec())).expect("a rate");
            program
        };
        let (few, many, other) = (with(&[0.5, 0.25]), with(&[0.5, 0.25, 0.125]), with(&[0.5, 0.5]));
        assert_eq!(few.digest_of_publics(2), many.digest_of_publics(2), "a longer loop goes on");
        assert_eq!(few.digest_of_publics(1), other.digest_of_publics(1), "what comes may differ");
        assert_ne!(few.digest_of_publics(2), other.digest_of_publics(2), "what was may not");
    }

    #[test]
    fn orders_are_even() {
        // Of four rows each comes first in about a quarter of the passes.
        let mut first = [0; 4];
        (0..4000).for_each(|pass| first[order(4, 1, pass)[0] as usize] += 1);
        assert!(first.iter().all(|&count| (900..1100).contains(&count)), "{first:?}");
    }

    #[test]
    fn what_cannot_be_a_schedule_is_refused_by_name() {
        let refused =
            |schedule: Schedule| program().public("s", schedule).expect_err("no schedule").to_string();
        let listed = |first: &[u32], take| Schedule::Rows(Rows::From { first: first.to_vec(), take });
        assert_eq!(refused(Schedule::Numbers(vec![])), "public value 's' says of no run what it is");
        assert_eq!(refused(listed(&[], 1)), "public value 's' says of no run what it is");
        assert_eq!(refused(listed(&[3], 0)), "public value 's' takes no row");
        let shuffled = Schedule::Rows(Rows::Shuffled { of: 3, take: 4, seed: 1 });
        assert_eq!(refused(shuffled), "public value 's' takes more rows than there are");
        assert!(refused(Schedule::Numbers(vec![0.5, 1e-9])).contains("1e-9"), "it would be zero");
        assert!(refused(Schedule::Numbers(vec![f64::NAN])).contains("NaN"));
    }

    #[test]
    fn rows_beyond_a_value_and_publics_of_the_other_kind_are_refused_by_name() {
        let mut program = program();
        let x = program.input("x", PartyId(0), Shape::new(5, 2), None).expect("x");
        let rate = program.public("rate", Schedule::Numbers(vec![0.5])).expect("a rate");
        let far = Schedule::Rows(Rows::From { first: vec![0, 4], take: 2 });
        let far = program.public("far", far).expect("rows");
        let line = |result: Result<ValueId, ProgramError>| result.expect_err("it is refused").to_string();
        assert!(line(program.rows_by_run(x, far)).contains("row 5 of far"));
        assert_eq!(
            line(program.rows_by_run(x, rate)),
            "public value 'rate' is a number, and numbers no rows"
        );
        assert!(line(program.scale_by_run(x, far)).starts_with("public value 'far' is numbers of rows"));
    }

    #[test]
    fn the_range_of_a_multiple_is_that_of_all_runs() {
        let mut program = program();
        let x = program.input("x", PartyId(0), Shape::new(5, 2), Some(2.0)).expect("x");
        let rate = program.public("rate", Schedule::Numbers(vec![0.5, -0.25, 0.125])).expect("a rate");
        let multiple = program.scale_by_run(x, rate).expect("a multiple");
        let known = program.interval(multiple).expect("it is known");
        assert!(known.low >= -1.01 && known.high <= 1.01 && known.high >= 1.0, "{known}");
    }
}
