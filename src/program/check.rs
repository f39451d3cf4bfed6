//! Checks of what a program rests on: declared bounds, stated ranges, functions' domains, and that nothing leaves the ring.
//!
//! [`Program::checked`] adds comparisons to a program, which ask of every value that could be too large, or outside what is
//! said of it, whether it is. **They rely on nothing that is in doubt**: what they compare is a copy of the value of which
//! nothing is known, so it is opened with all of its bits and compared over the whole ring; and what a sum or a product
//! would be without the ring is found from parts of its operands that are too small to wrap. An operand counts as an
//! element below 2^(k−2) in magnitude, since the checks before have asked that of it. So the first step of which a check
//! says no is one that does not hold, whatever later ones say.
//!
//! The answers are counted by step of the job, and each sum of the counts up to a step is compared with zero. The last of
//! these bits says whether anything is wrong; how many of them are set, from which step on. The parties open the first
//! number, and the second one only where the first says so (see [`Check`] and [`crate::run::Answers`]): where all is well
//! they learn that alone, and else the first step that does not hold, and nothing of later ones, whose answers may depend on
//! its wrong result. Outputs are revealed only where all is well (see [`crate::step::Phase::Reveal`]). No count is negative,
//! whatever its operands are, and all of them together are less than 2^(k−1): none takes another one away.
//!
//! **Products.** With r = k − 2 and s = r/2, an operand is x = x₁·2^s + x₀, cut to the nearest multiple, so that
//! |x₁| ≤ 2^s and |x₀| ≤ 2^(s−1). Then x·y = x₁y₁·2^r + (x₁y₀ + x₀y₁)·2^s + x₀y₀, and none of these four products wraps.
//! Where |x·y| < 2^r, |x₁y₁| is 3 at most, which is asked first; then the sum in units of 2^(r−6) does not wrap, and is
//! asked to stay three units, which truncations round off, below 2^6. So a product passes only below 2^r, and does below
//! 0.9·2^r. Of a matrix product the sum over j of |xᵢⱼ·yⱼₙ| is bounded by the largest magnitudes of the columns of x and
//! the rows of y; where bounds of one operand are known, by these, and the other's elements alone are compared.

mod integers;

use super::range::Interval;
use super::{
    Meaning, Op, Output, Program, ProgramError, Span, Stride, Term, Test, Truncation, Value, ValueId,
};
use crate::ring::{Axis, Shape};
use crate::share::Parties;

/// What a program's checks tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The place of the answers among the program's outputs: a row of [`Check::ANSWERS`] elements. The first is 1 where a
    /// step does not hold and 0 where all of them do; the second is the number of steps from the first that does not on.
    pub output: usize,
    /// The checked steps in the order of the program.
    pub steps: Vec<String>,
}

impl Check {
    /// The number of the answers.
    pub const ANSWERS: usize = 2;

    /// The first step that does not hold, by the second answer; nothing where that cannot be one.
    pub fn first(&self, from_it_on: u64) -> Option<&str> {
        let at = self.steps.len().checked_sub(usize::try_from(from_it_on).ok()?)?;
        self.steps.get(at).map(String::as_str)
    }
}

/// The name of the output that has the answers.
pub const CHECK_OUTPUT: &str = "(check)";

/// Guard bits of a product's check.
const GUARD_BITS: u32 = 6;

impl Program {
    /// What the program's checks tell, if it has any.
    pub fn check(&self) -> Option<&Check> {
        self.check.as_ref()
    }

    /// The same program, which asks privately whether all that it rests on holds, and reveals its outputs only if it does.
    /// To be called when the program is complete.
    ///
    /// # Errors
    /// Where an output is called as that of the checks is, and where more is asked than the ring can count.
    pub fn checked(&self) -> Result<Program, ProgramError> {
        let mut checks = Checks::new(self);
        let needed = self.needed();
        for (index, value) in self.values.iter().enumerate() {
            let id = checks.copy(value);
            if needed[index] {
                checks.of_value(ValueId(index as u32), id)?;
            }
        }
        for output in &self.outputs {
            let value = checks.new_id(output.value);
            checks.program.outputs.push(Output { value, ..output.clone() });
        }
        checks.finish()
    }
}

/// A program on its way to a checked one.
struct Checks<'a> {
    source: &'a Program,
    program: Program,
    /// By value of the source, that of the program.
    ids: Vec<ValueId>,
    /// By step: its name, and how many answers are yes, as values of the program.
    counts: Vec<(String, ValueId)>,
    /// The number of the answers.
    asked: usize,
    /// By value of the source: whether anything but comparisons uses it.
    used: Vec<bool>,
}

impl<'a> Checks<'a> {
    fn new(source: &'a Program) -> Checks<'a> {
        let mut program = Program::new(source.parties, source.codec).with_truncation(source.truncation);
        program.inputs.clone_from(&source.inputs);
        program.states.clone_from(&source.states);
        program.publics.clone_from(&source.publics);
        let mut used = vec![false; source.values.len()];
        let uses = source.values.iter().filter(|value| !matches!(value.op, Op::Compare(..)));
        uses.flat_map(|value| value.op.operands()).for_each(|operand| used[operand.index()] = true);
        source.roots().for_each(|root| used[root.index()] = true);
        Checks { source, program, ids: Vec::new(), counts: Vec::new(), asked: 0, used }
    }

    fn new_id(&self, id: ValueId) -> ValueId {
        self.ids[id.index()]
    }

    /// The source's value as the program's next one.
    fn copy(&mut self, value: &Value) -> ValueId {
        let id = ValueId(self.program.values.len() as u32);
        let op = value.op.map(|operand| self.ids[operand.index()]);
        let meaning = value.meaning.map(|meaning| meaning.map(|operand| self.ids[operand.index()]));
        match op {
            Op::Input(index) => self.program.inputs[index].value = id,
            Op::State(index) => self.program.states[index].value = id,
            _ => {}
        }
        self.program.values.push(Value { op, meaning, ..value.clone() });
        self.ids.push(id);
        id
    }

    /// All that is asked of a value.
    fn of_value(&mut self, old: ValueId, id: ValueId) -> Result<(), ProgramError> {
        let source = self.source;
        let assumed = source.assumed.iter().any(|(value, _)| *value == old);
        let domains = source.domains.iter().filter(|domain| domain.result == old && !domain.holds(source));
        for (asked, either_sign, interval) in domains.filter_map(|domain| domain.argument(source)) {
            self.domain(old, self.new_id(asked), either_sign, interval)?;
        }
        if source.is_read(old) {
            return self.integer(old, id, assumed);
        }
        match source.value(old).op {
            Op::Input(_) | Op::State(_) => match source.interval(old) {
                Some(known) => self.within(old, id, known),
                None => self.below_limit(old, id),
            },
            Op::Scale(a, _) if assumed => {
                let a = self.new_id(a);
                self.within(old, a, source.any_or_known(old))
            }
            _ => self.magnitude(old, id),
        }
    }

    /// Asks of what an op computes to stay below 2^(k−2), unless that is proven or the op is a part of a function that sees
    /// to it.
    fn magnitude(&mut self, old: ValueId, id: ValueId) -> Result<(), ProgramError> {
        let source = self.source;
        let value = source.value(old);
        let needs = self.most(old).is_some();
        let limit = f64::from(source.ring().bits() - 2).exp2() * value.unit();
        let is_proven = source.any_or_known(old).reach() < limit && !needs;
        if is_proven || value.part && !needs || !self.used[old.index()] {
            return Ok(());
        }
        let most = self.most(old).filter(|&most| most < self.limit() as f64);
        match value.op {
            Op::Add(..) | Op::Sub(..) | Op::AddConstant(..) => self.below_limit(old, id),
            Op::Scale(a, factor) => {
                let factor = source.ring().signed(factor).unsigned_abs();
                match factor {
                    0 | 1 => Ok(()),
                    _ => self.at_most(old, self.new_id(a), ((self.limit() - 1) / factor) as i64),
                }
            }
            Op::ScaleByRun(a, by) => {
                let factor = source.span_of_numbers(by).magnitude().high.max(1) as u64;
                self.at_most(old, self.new_id(a), ((self.limit() - 1) / factor) as i64)
            }
            Op::Sum(a, axis) => self.sum(old, self.new_id(a), axis),
            Op::Mul(a, b) if !source.is_bit(a) && !source.is_bit(b) => self.product(old, a, b),
            Op::MatMul(a, b) => self.matrix_product(old, a, b),
            _ => return Ok(()),
        }?;
        most.map_or(Ok(()), |most| self.at_most(old, id, most as i64))
    }

    /// The largest magnitude of a part of a function that nothing keeps in the ring.
    fn most(&self, old: ValueId) -> Option<f64> {
        self.source.needs.iter().find(|(value, _)| *value == old).map(|&(_, most)| most)
    }

    /// 2^(k−2).
    fn limit(&self) -> u64 {
        1 << (self.source.ring().bits() - 2)
    }

    /// Counts the answers of a value of bits for the step of a value.
    fn count(&mut self, old: ValueId, bits: ValueId) -> Result<(), ProgramError> {
        let name = self.source.step_of(old);
        self.asked = self.asked.saturating_add(self.program.value(bits).shape.len());
        if self.asked as u64 >= 1 << (self.program.ring().bits() - 1) {
            let (label, shape) = (CHECK_OUTPUT.to_owned(), Shape::new(1, self.asked).into());
            return Err(ProgramError::TooLarge { label, shape });
        }
        let sum = self.program.sum(bits, None)?;
        let sum = self.program.matrix_of_one(sum)?;
        match self.counts.iter_mut().find(|(step, _)| *step == name) {
            Some((_, count)) => *count = self.program.add(*count, sum)?,
            None => self.counts.push((name, sum)),
        }
        Ok(())
    }

    /// Whether a + constant, as an element of the ring, is what is asked; whatever is known of a.
    fn test(&mut self, a: ValueId, constant: i64, test: Test) -> Result<ValueId, ProgramError> {
        let element = self.program.ring().reduce(constant as u64);
        let copy = self.program.unknown(a, Op::AddConstant(a, element))?;
        self.program.raw_test(copy, test)
    }

    /// Asks of elements to lie from `low` to `high`; exact for every element of the ring, since the two are less than
    /// 2^(k−1) apart.
    fn elements_within(&mut self, old: ValueId, a: ValueId, low: i64, high: i64) -> Result<(), ProgramError> {
        let below = self.test(a, low.wrapping_neg(), Test::Negative)?;
        let above = self.test(a, high.wrapping_neg().wrapping_sub(1), Test::NonNegative)?;
        self.count(old, below)?;
        self.count(old, above)
    }

    /// Asks of elements to be at most so large in magnitude.
    fn at_most(&mut self, old: ValueId, a: ValueId, most: i64) -> Result<(), ProgramError> {
        self.elements_within(old, a, -most, most)
    }

    /// Asks of elements to lie from −2^(k−2) to 2^(k−2) − 1, which one comparison tells.
    fn below_limit(&mut self, old: ValueId, a: ValueId) -> Result<(), ProgramError> {
        let beyond = self.test(a, self.limit() as i64, Test::Negative)?;
        self.count(old, beyond)
    }

    /// Asks of numbers to lie in an interval.
    fn within(&mut self, old: ValueId, a: ValueId, interval: Interval) -> Result<(), ProgramError> {
        let (unit, most) = (self.program.value(a).unit(), (self.limit() - 1) as f64);
        let end = |end: f64| (end / unit).clamp(-most, most);
        let (low, high) = (end(interval.low).ceil() as i64, end(interval.high).floor() as i64);
        self.elements_within(old, a, low, high)
    }

    /// Asks of a function's argument to lie in its domain, or in the mirror image.
    fn domain(
        &mut self,
        old: ValueId,
        a: ValueId,
        either_sign: bool,
        interval: Interval,
    ) -> Result<(), ProgramError> {
        if !either_sign {
            return self.within(old, a, interval);
        }
        // From the least magnitude on, of either sign.
        let least = (interval.low / self.program.value(a).unit()).ceil() as i64;
        if least <= 1 {
            return Ok(());
        }
        // Both at once, and not one less the other: of elements near 2^(k−1) that would be −1.
        let above_negative = self.test(a, least - 1, Test::NonNegative)?;
        let below_positive = self.test(a, -least, Test::Negative)?;
        let between = self.program.mul(above_negative, below_positive)?;
        // Zero, which is between them, has a stated value.
        let zero = self.test(a, 0, Test::Zero)?;
        let between = self.program.sub(between, zero)?;
        self.count(old, between)
    }

    /// Asks of sums over an axis not to leave the ring, by the sums of what stands above so many low bits.
    fn sum(&mut self, old: ValueId, a: ValueId, axis: Axis) -> Result<(), ProgramError> {
        let shape = self.program.value(a).shape;
        let count = if axis == Axis::Rows { shape.rows } else { shape.cols };
        let cut = count.max(1).next_power_of_two().trailing_zeros() + 1;
        let high = self.truncated(a, cut, Truncation::Stochastic)?;
        let total = self.program.unknown(high, Op::Sum(high, axis))?;
        let most = (self.limit() >> cut) as i64 - count as i64 - 1;
        self.at_most(old, total, most.max(0))
    }

    /// a / 2^bits.
    fn truncated(&mut self, a: ValueId, bits: u32, method: Truncation) -> Result<ValueId, ProgramError> {
        self.program.unknown(a, Op::Truncate(a, bits, method))
    }

    /// x₁ and x₀ with x = x₁·2^bits + x₀, x₁ rounded to the nearest.
    fn cut(&mut self, x: ValueId, bits: u32) -> Result<[ValueId; 2], ProgramError> {
        let raised = self.program.unknown(x, Op::AddConstant(x, 1 << (bits - 1)))?;
        let high = self.truncated(raised, bits, Truncation::Exact)?;
        let back = self.program.unknown(high, Op::Scale(high, 1 << bits))?;
        Ok([high, self.program.unknown(x, Op::Sub(x, back))?])
    }

    /// Asks of products of elements to stay below 2^(k−2): see the module's documentation.
    fn product(&mut self, old: ValueId, a: ValueId, b: ValueId) -> Result<(), ProgramError> {
        let (a, b) = (self.new_id(a), self.new_id(b));
        self.product_of(old, a, b)
    }

    /// The same, of values of the program.
    fn product_of(&mut self, old: ValueId, a: ValueId, b: ValueId) -> Result<(), ProgramError> {
        let room = self.source.ring().bits() - 2;
        let half = room / 2;
        let [a_high, a_low] = self.cut(a, half)?;
        let [b_high, b_low] = if a == b { [a_high, a_low] } else { self.cut(b, half)? };
        let program = &mut self.program;
        let product = |program: &mut Program, x, y| program.unknown(x, Op::Mul(x, y));
        let high = product(program, a_high, b_high)?;
        let middle = [product(program, a_high, b_low)?, product(program, a_low, b_high)?];
        let low = product(program, a_low, b_low)?;
        self.at_most(old, high, 3)?;
        let mut sum = self.program.unknown(high, Op::Scale(high, 1 << GUARD_BITS))?;
        for (part, bits) in
            [(middle[0], half - GUARD_BITS), (middle[1], half - GUARD_BITS), (low, room - GUARD_BITS)]
        {
            let part = self.truncated(part, bits, Truncation::Stochastic)?;
            sum = self.program.unknown(sum, Op::Add(sum, part))?;
        }
        self.at_most(old, sum, (1 << GUARD_BITS) - 4)
    }

    /// Where it is known that one factor of a matrix product is small: the other one, as a value of the program, and the
    /// largest magnitude of its elements with which a sum of so many products stays in the ring.
    fn one_is_known(&self, a: ValueId, b: ValueId, count: usize) -> Option<(ValueId, i64)> {
        let reach =
            |value: ValueId| self.source.any_or_known(value).reach() / self.source.value(value).unit();
        // Less would be asked of the other one than it may be.
        let least = super::range::product_limit(self.source).sqrt();
        [(a, b), (b, a)].into_iter().find_map(|(known, other)| {
            let most = (self.limit() as f64 - 1.0) / (reach(known).max(1.0) * count.max(1) as f64);
            let is_much = most >= least / self.source.value(other).unit();
            is_much.then(|| (self.new_id(other), most.floor() as i64))
        })
    }

    /// Asks of sums of products not to leave the ring: by Σⱼ maxᵢ|xᵢⱼ| · maxₙ|yⱼₙ|.
    fn matrix_product(&mut self, old: ValueId, a: ValueId, b: ValueId) -> Result<(), ProgramError> {
        let inner = self.source.value(a).shape.cols;
        if let Some((other, most)) = self.one_is_known(a, b, inner) {
            return self.at_most(old, other, most);
        }
        let empty = [a, b].iter().any(|&factor| self.source.value(factor).shape.is_empty());
        if empty {
            return Ok(());
        }
        let columns = self.largest(self.new_id(a), Axis::Rows)?;
        let rows = self.largest(self.new_id(b), Axis::Cols)?;
        let shape = Shape::new(1, inner);
        let rows = self.program.unknown_of(Op::Transpose(rows), shape, rows)?;
        self.product_of(old, columns, rows)?;
        self.sum_of_products(old, columns, rows, inner)
    }

    /// Asks of a sum of many products not to leave the ring, where each stays in it.
    fn sum_of_products(
        &mut self,
        old: ValueId,
        a: ValueId,
        b: ValueId,
        count: usize,
    ) -> Result<(), ProgramError> {
        let product = self.program.unknown(a, Op::Mul(a, b))?;
        let cut = count.next_power_of_two().trailing_zeros() + 1;
        let high = self.truncated(product, cut, Truncation::Stochastic)?;
        let total = self.program.unknown_of(Op::Sum(high, Axis::Cols), Shape::SCALAR, high)?;
        self.at_most(old, total, ((self.limit() >> cut) as i64 - count as i64 - 1).max(0))
    }

    /// The largest magnitudes along an axis.
    fn largest(&mut self, a: ValueId, axis: Axis) -> Result<ValueId, ProgramError> {
        let copy = self.program.unknown(a, Op::AddConstant(a, 0))?;
        let magnitude = self.program.abs(copy)?;
        self.program.max_over(magnitude, axis)
    }

    /// The program with an output of the two answers.
    fn finish(self) -> Result<Program, ProgramError> {
        let Checks { source, mut program, ids, counts, .. } = self;
        let (mut steps, mut upto, mut all) = (Vec::new(), None, None);
        for (step, count) in counts {
            steps.push(step);
            let sum = upto.map_or(Ok(count), |sum| program.add(sum, count))?;
            all = Some(all.map_or(Ok(sum), |all| program.joined(all, sum, Axis::Cols))?);
            upto = Some(sum);
        }
        let new = |value: &ValueId| ids[value.index()];
        program.states.iter_mut().for_each(|state| state.renumber(new));
        program.assumed = source.assumed.iter().map(|(value, call)| (new(value), call.clone())).collect();
        program.domains = source.domains.iter().map(|domain| domain.map(new)).collect();
        program.searches = source
            .searches
            .iter()
            .map(|search| super::range::Search { value: new(&search.value), ..*search })
            .collect();
        if let Some(all) = all {
            let failed = program.test(all, Test::NonZero)?;
            let (row, last) = (Stride::range(0, 1), Stride::range(steps.len() - 1, steps.len()));
            let any = program.slice(failed, row, last)?;
            let from_the_first_on = program.sum(failed, Some(Axis::Cols))?;
            let answers = program.joined(any, from_the_first_on, Axis::Cols)?;
            // As the integers that they are.
            let (name, to) = (CHECK_OUTPUT.to_owned(), Parties::first(source.parties));
            if source.outputs.iter().any(|output| output.name == name) {
                return Err(ProgramError::Duplicate { name });
            }
            program.outputs.push(Output { name, value: answers, to, every: 1 });
            program.check = Some(Check { output: program.outputs.len() - 1, steps });
        }
        Ok(program)
    }
}

impl Op {
    /// The same op of other values.
    pub(super) fn map(self, new: impl Fn(ValueId) -> ValueId) -> Op {
        match self {
            Op::Input(_) | Op::State(_) | Op::Public(_) => self,
            Op::Add(a, b) => Op::Add(new(a), new(b)),
            Op::Sub(a, b) => Op::Sub(new(a), new(b)),
            Op::Neg(a) => Op::Neg(new(a)),
            Op::AddConstant(a, constant) => Op::AddConstant(new(a), constant),
            Op::Scale(a, factor) => Op::Scale(new(a), factor),
            Op::Mul(a, b) => Op::Mul(new(a), new(b)),
            Op::MatMul(a, b) => Op::MatMul(new(a), new(b)),
            Op::Transpose(a) => Op::Transpose(new(a)),
            Op::Sum(a, axis) => Op::Sum(new(a), axis),
            Op::Truncate(a, bits, method) => Op::Truncate(new(a), bits, method),
            Op::Compare(a, test) => Op::Compare(new(a), test),
            Op::Slice(a, rows, cols) => Op::Slice(new(a), rows, cols),
            Op::Pad(a, at) => Op::Pad(new(a), at),
            Op::Gather(a, gather) => Op::Gather(new(a), gather),
            Op::ScaleByRun(a, by) => Op::ScaleByRun(new(a), by),
            Op::RowsByRun(a, rows) => Op::RowsByRun(new(a), rows),
        }
    }
}

impl Meaning {
    /// The same of other values.
    pub(super) fn map(self, new: impl Fn(ValueId) -> ValueId) -> Meaning {
        let term = |term: Term| match term {
            Term::Value(value) => Term::Value(new(value)),
            constant => constant,
        };
        match self {
            Meaning::Compare(a, relation, b) => Meaning::Compare(new(a), relation, term(b)),
            Meaning::Larger(a, b) => Meaning::Larger(new(a), term(b)),
            Meaning::Smaller(a, b) => Meaning::Smaller(new(a), term(b)),
            Meaning::Choice(c, x, y) => Meaning::Choice(new(c), new(x), new(y)),
            Meaning::Magnitude(a) => Meaning::Magnitude(new(a)),
            Meaning::Leaky(a, slope) => Meaning::Leaky(new(a), slope),
            Meaning::Largest(a, axis) => Meaning::Largest(new(a), axis),
            Meaning::Smallest(a, axis) => Meaning::Smallest(new(a), axis),
        }
    }
}

impl Program {
    /// A value of the scale and shape of an operand's, but for a sum's, of which nothing is known. It may wrap on purpose.
    fn unknown(&mut self, like: ValueId, op: Op) -> Result<ValueId, ProgramError> {
        let shape = match op {
            Op::Sum(a, axis) => self.value(a).shape.summed(axis),
            _ => self.value(like).shape,
        };
        let shape = match op {
            Op::Add(a, b) | Op::Sub(a, b) | Op::Mul(a, b) => {
                self.dims(a).broadcast(self.dims(b)).map_or(shape, super::Dims::folded)
            }
            _ => shape,
        };
        self.unknown_of(op, shape, like)
    }

    fn unknown_of(&mut self, op: Op, shape: Shape, like: ValueId) -> Result<ValueId, ProgramError> {
        let label = self.value(like).label.clone();
        let value = self.push_like(like, op, shape, label)?;
        self.values[value.index()].interval = None;
        if self.is_read(value) {
            self.read_as(value, Span::of_reading(true, self.ring()), true);
        }
        Ok(value)
    }

    /// Reads a value's elements as integers, which are anywhere in a span.
    fn read_as(&mut self, value: ValueId, span: Span, signed: bool) {
        self.values[value.index()].integers = Some(super::Integers { span, signed, wraps: false });
    }

    /// A single number as a matrix of one element.
    fn matrix_of_one(&mut self, a: ValueId) -> Result<ValueId, ProgramError> {
        self.reshape_to(a, Shape::SCALAR.into())
    }

    /// Says that the values so far, behind those of earlier steps, belong to the step that defines a name.
    pub(super) fn end_step(&mut self, name: &str) {
        self.steps.push((name.to_owned(), self.values.len()));
    }

    /// The name of the step that a value belongs to: as in the job, as an input or a state, or by its expression.
    pub fn step_of(&self, value: ValueId) -> String {
        if let Op::Input(index) = self.value(value).op {
            return format!("input {}", self.inputs[index].name);
        }
        if let Op::State(index) = self.value(value).op {
            return format!("state {}", self.states[index].name);
        }
        let step = self.steps.iter().find(|(_, end)| value.index() < *end);
        step.map_or_else(|| self.value(value).label.clone(), |(name, _)| name.clone())
    }
}
