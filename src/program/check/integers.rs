//! Checks of a program on integers: that they are those that are declared or stated, and that nothing wraps.
//!
//! An op wraps where its exact result is no integer of the result's reading (see [`crate::program::integers`]). What is
//! asked says exactly that, for operands that the checks before have found to be what they stand for.
//!
//! **Sums of two.** With r what a + b is reduced to, and a an integer of the result's reading, r < a where b < 0, and r ≥ a
//! where b ≥ 0, unless the sum wraps: then it is the other way round, since |b| < 2^k. One of the operands is such an
//! integer. Likewise r < a where b > 0 for a − b; where a is unsigned and the result signed, a − b can only be too large,
//! and r ≤ −1 − b says that it is.
//!
//! **One operand.** −a, a + c and c·a stay in a reading where a lies between two public integers.
//!
//! **Sums over an axis.** Each element is cut, x = x₁·2^h + x₀ with h = k/2 and 0 ≤ x₀ < 2^h. Of 2^(h−2) elements at most
//! neither the sum of the x₁ nor that of the x₀ wraps, and Σx₁ + ⌊Σx₀/2^h⌋ = ⌊Σx/2^h⌋ says whether Σx is an integer of the
//! reading.
//!
//! **Products**, of magnitudes x and y below 2^k, cut likewise. x·y < 2^k asks for x₁y₁ = 0; then one of x₁y₀ and x₀y₁ is
//! zero, their sum is at most (2^h − 1)², and x₁y₀ + x₀y₁ + ⌊x₀y₀/2^h⌋ = ⌊x·y/2^h⌋ is less than 2^k. It is asked to be less
//! than 2^h, or 2^(h−1) where the product is signed: so −2^(k−1) is the one product that is refused although it fits.
//! **Matrix products** are asked of Σⱼ maxᵢ|xᵢⱼ| · maxₙ|yⱼₙ|, as in a program with fractions, or of the elements of one
//! factor alone where the other's are known to be small.
//!
//! **Cutting** takes ⌊x/2^h⌋ of any integer x of a reading, though truncation needs |x| < 2^(k−2). With s whether the
//! element is negative, and a whether the element less 2^(k−2) is not, z = x − a·2^(k−1) lies between −2^(k−2) and 2^(k−2),
//! and x is z + 2^(k−1) times a + 2·s·(1 − a) where it is unsigned, and times a·(1 − 2s) where it is signed.

use super::Checks;
use crate::program::{
    Integers, Meaning, Number, Op, Program, ProgramError, Relation, Span, Test, Truncation, ValueId,
};
use crate::ring::{Axis, MINUS_ONE, Shape};

impl Checks<'_> {
    /// All that is asked of a value of integers.
    pub(super) fn integer(&mut self, old: ValueId, id: ValueId, assumed: bool) -> Result<(), ProgramError> {
        let source = self.source;
        let stated = source.integers(old);
        if stated.wraps {
            return self.wrapping(old, id, stated);
        }
        let asked = match source.value(old).op {
            Op::Input(_) | Op::State(_) => id,
            Op::Scale(a, _) if assumed => self.new_id(a),
            _ => return Ok(()),
        };
        // Whatever is known of it.
        let of = self.program.integers(asked).signed;
        let copy = self.program.unknown(asked, Op::AddConstant(asked, 0))?;
        self.program.read_as(copy, Span::of_reading(of, self.program.ring()), of);
        self.between(old, copy, stated.span)
    }

    /// Asks of what an op computes to be an integer of its reading.
    fn wrapping(&mut self, old: ValueId, id: ValueId, stated: Integers) -> Result<(), ProgramError> {
        let source = self.source;
        let all = Span::of_reading(stated.signed, source.ring());
        let value = source.value(old);
        let constant =
            source.constants.iter().find(|(value, _)| *value == old).map(|&(_, constant)| constant);
        let or_element = |element: u64| constant.unwrap_or_else(|| source.ring().signed(element).into());
        match (value.meaning, value.op) {
            // What is positive stays as it is.
            (Some(Meaning::Leaky(a, slope)), _) => {
                let low = all.quotients(slope).low;
                self.between(old, self.new_id(a), Span::new(low, i128::MAX))
            }
            (Some(_), _) => Ok(()),
            (None, Op::Neg(a)) => self.between(old, self.new_id(a), all.times(-1)),
            (None, Op::AddConstant(a, element)) => {
                let constant = Span::at(or_element(element));
                self.between(old, self.new_id(a), all.minus(constant))
            }
            (None, Op::Scale(a, factor)) => {
                self.between(old, self.new_id(a), all.quotients(or_element(factor)))
            }
            (None, Op::Add(a, b)) => self.sum_of_two(old, id, (a, b), all),
            (None, Op::Sub(a, b)) => self.difference_of_two(old, id, (a, b), all),
            (None, Op::Sum(a, axis)) => self.sum_within(old, self.new_id(a), axis, all),
            (None, Op::Mul(a, b)) => {
                let (a, b) = (self.new_id(a), self.new_id(b));
                let x = self.program.abs(a)?;
                let y = if a == b { x } else { self.program.abs(b)? };
                self.product_within(old, x, y, all)
            }
            (None, Op::MatMul(a, b)) => self.matrix_product_within(old, a, b, all),
            (None, _) => Ok(()),
        }
    }

    /// Asks of integers to lie between two ends, as far as nothing says that they do.
    fn between(&mut self, old: ValueId, a: ValueId, ends: Span) -> Result<(), ProgramError> {
        let known = self.program.integers(a).span;
        for (relation, end, is_known) in [
            (Relation::Less, ends.low, ends.low <= known.low),
            (Relation::Greater, ends.high, known.high <= ends.high),
        ] {
            if !is_known {
                let outside = self.program.compare_constant(a, relation, Number::Integer(end))?;
                self.count(old, outside)?;
            }
        }
        Ok(())
    }

    /// Asks of a sum of two not to wrap.
    fn sum_of_two(
        &mut self,
        old: ValueId,
        id: ValueId,
        (a, b): (ValueId, ValueId),
        all: Span,
    ) -> Result<(), ProgramError> {
        let (a, b) = (self.new_id(a), self.new_id(b));
        let (a, b) = if all.holds(self.program.integers(a).span) { (a, b) } else { (b, a) };
        self.moved(old, id, a, (b, Relation::Less))
    }

    /// Asks of a difference of two not to wrap.
    fn difference_of_two(
        &mut self,
        old: ValueId,
        id: ValueId,
        (a, b): (ValueId, ValueId),
        all: Span,
    ) -> Result<(), ProgramError> {
        let (a, b) = (self.new_id(a), self.new_id(b));
        if all.holds(self.program.integers(a).span) {
            return self.moved(old, id, a, (b, Relation::Greater));
        }
        let minus_one = self.program.ring().reduce(MINUS_ONE);
        let negative = self.program.unknown(b, Op::Neg(b))?;
        let complement = self.program.unknown(negative, Op::AddConstant(negative, minus_one))?;
        let wraps = self.program.compare(id, Relation::AtMost, complement)?;
        self.count(old, wraps)
    }

    /// Asks of a result to be below `a` where the other operand is that to zero, and nowhere else.
    fn moved(
        &mut self,
        old: ValueId,
        id: ValueId,
        a: ValueId,
        (b, lowers): (ValueId, Relation),
    ) -> Result<(), ProgramError> {
        let program = &mut self.program;
        let lowers = program.compare_constant(b, lowers, Number::Integer(0))?;
        let is_below = program.compare(id, Relation::Less, a)?;
        let differ = program.sub(lowers, is_below)?;
        let wraps = program.test(differ, Test::NonZero)?;
        self.count(old, wraps)
    }

    /// Asks of sums over an axis to be integers of a reading.
    fn sum_within(&mut self, old: ValueId, x: ValueId, axis: Axis, all: Span) -> Result<(), ProgramError> {
        let half = self.program.ring().bits() / 2;
        let shape = self.program.value(x).shape;
        let (count, most) = (if axis == Axis::Rows { shape.rows } else { shape.cols }, 1 << (half - 2));
        if count > most {
            let label = self.source.value(old).label.clone();
            return Err(ProgramError::Uncheckable { label, count, most, ring_bits: 2 * half });
        }
        let [high, low] = self.halves(x)?;
        let high = self.program.unknown(high, Op::Sum(high, axis))?;
        let low = self.program.unknown(low, Op::Sum(low, axis))?;
        let carried = self.truncated(low, half, Truncation::Exact)?;
        let total = self.program.unknown(high, Op::Add(high, carried))?;
        self.elements_within(old, total, (all.low >> half) as i64, (all.high >> half) as i64)
    }

    /// Asks of products of magnitudes to stay in a reading.
    fn product_within(
        &mut self,
        old: ValueId,
        x: ValueId,
        y: ValueId,
        all: Span,
    ) -> Result<(), ProgramError> {
        let half = self.program.ring().bits() / 2;
        let [x_high, x_low] = self.halves(x)?;
        let [y_high, y_low] = if x == y { [x_high, x_low] } else { self.halves(y)? };
        let product = |program: &mut Program, x, y| program.unknown(x, Op::Mul(x, y));
        let program = &mut self.program;
        let high = product(program, x_high, y_high)?;
        let middle = [product(program, x_high, y_low)?, product(program, x_low, y_high)?];
        let low = product(program, x_low, y_low)?;
        let is_too_high = program.raw_test(high, Test::NonZero)?;
        let middle = program.unknown(middle[0], Op::Add(middle[0], middle[1]))?;
        program.read_as(low, Span::of_reading(false, program.ring()), false);
        self.count(old, is_too_high)?;
        let carried = self.floor(low, half)?;
        let total = self.program.unknown(middle, Op::Add(middle, carried))?;
        self.elements_within(old, total, 0, (all.high >> half) as i64)
    }

    /// Asks of sums of products to stay in a reading.
    fn matrix_product_within(
        &mut self,
        old: ValueId,
        a: ValueId,
        b: ValueId,
        all: Span,
    ) -> Result<(), ProgramError> {
        let inner = self.source.value(a).shape.cols;
        let reach = |value: ValueId| self.source.integers(value).span.magnitude().high;
        // Less would be asked of the other factor than it may be.
        let least = 1 << (self.program.ring().bits() / 2);
        for (known, other) in [(a, b), (b, a)] {
            let most = all.high / reach(known).saturating_mul(inner as i128).max(1);
            if most >= least {
                return self.between(old, self.new_id(other), Span::symmetric(most));
            }
        }
        let is_empty = |value: &ValueId| self.source.value(*value).shape.is_empty();
        if [a, b].iter().any(is_empty) {
            return Ok(());
        }
        let [columns, rows] = [a, b].map(|factor| self.new_id(factor));
        let columns = self.program.abs(columns)?;
        let columns = self.program.max_over(columns, Axis::Rows)?;
        let rows = self.program.abs(rows)?;
        let rows = self.program.max_over(rows, Axis::Cols)?;
        let rows = self.program.reshape(rows, Shape::new(1, inner))?;
        self.product_within(old, columns, rows, all)?;
        let products = self.program.unknown(columns, Op::Mul(columns, rows))?;
        self.program.read_as(products, Span::of_reading(false, self.program.ring()), false);
        self.sum_within(old, products, Axis::Cols, all)
    }

    /// x₁ and x₀ with x = x₁·2^(k/2) + x₀ and 0 ≤ x₀ < 2^(k/2), of the integers that a value stands for.
    fn halves(&mut self, x: ValueId) -> Result<[ValueId; 2], ProgramError> {
        let half = self.program.ring().bits() / 2;
        let high = self.floor(x, half)?;
        let back = self.program.unknown(high, Op::Scale(high, 1 << half))?;
        Ok([high, self.program.unknown(x, Op::Sub(x, back))?])
    }

    /// ⌊x/2^bits⌋ of the integers that a value stands for.
    fn floor(&mut self, x: ValueId, bits: u32) -> Result<ValueId, ProgramError> {
        let Integers { span, signed, .. } = self.program.integers(x);
        let ring_bits = self.program.ring().bits();
        let quarter = 1i128 << (ring_bits - 2);
        let any = self.program.unknown(x, Op::AddConstant(x, 0))?;
        if Span::new(-quarter, quarter - 1).holds(span) {
            return self.truncated(any, bits, Truncation::Exact);
        }
        let is_negative = self.test(any, 0, Test::Negative)?;
        let is_outer = self.test(any, -(quarter as i64), Test::NonNegative)?;
        let moved = self.program.unknown(is_outer, Op::Scale(is_outer, 1 << (ring_bits - 1)))?;
        let inner = self.program.unknown(any, Op::Sub(any, moved))?;
        let floor = self.truncated(inner, bits, Truncation::Exact)?;
        let program = &mut self.program;
        let both = program.mul(is_negative, is_outer)?;
        let both = program.scale(both, Number::Integer(2))?;
        let mut halves = program.sub(is_outer, both)?;
        if !signed {
            let top = program.scale(is_negative, Number::Integer(2))?;
            halves = program.add(halves, top)?;
        }
        let above = program.unknown(halves, Op::Scale(halves, 1 << (ring_bits - 1 - bits)))?;
        program.unknown(floor, Op::Add(floor, above))
    }
}

impl Span {
    /// The integers of which so many times lie in it; all where that is none.
    fn quotients(self, factor: i128) -> Span {
        let up = |a: i128, b: i128| -(-a).div_euclid(b);
        match factor {
            0 => Span::new(i128::MIN, i128::MAX),
            1.. => Span::new(up(self.low, factor), self.high.div_euclid(factor)),
            _ => Span::new(up(-self.high, -factor), (-self.low).div_euclid(-factor)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::expression::{Names, add_step};
    use crate::program::{Kind, oracle};
    use crate::ring::{Elements, FixedPoint, Ring};
    use crate::share::{Parties, PartyId};

    /// Integers about the ends of readings, of quarters, and of halves.
    fn edges(kind: Kind) -> Vec<i128> {
        let about =
            [0, 1 << 15, 1 << 16, 3 << 16, 1 << 30, 1 << 31, 3 << 30, 1 << 32, 46_341, 65_535 * 65_537];
        let about = about
            .into_iter()
            .flat_map(|near: i128| [near, -near])
            .flat_map(|near| [near - 1, near, near + 1]);
        let mut edges: Vec<i128> = about.filter(|&edge| kind.span(Ring::Z32).holds(Span::at(edge))).collect();
        edges.sort_unstable();
        edges.dedup();
        edges
    }

    /// One step on x and y of 32 bits, and its exact result.
    type Case = (&'static str, fn(i128, i128) -> i128);

    const CASES: [Case; 12] = [
        ("x + y", |x, y| x + y),
        ("x - y", |x, y| x - y),
        ("x * y", |x, y| x * y),
        ("x * x + 0 * y", |x, _| x * x),
        ("-x + 0 * y", |x, _| -x),
        ("x + 70000 + 0 * y", |x, _| x + 70_000),
        ("x - 4000000000 + 0 * y", |x, _| x - 4_000_000_000),
        ("x * 3 + 0 * y", |x, _| 3 * x),
        ("x * -70000 + 0 * y", |x, _| -70_000 * x),
        ("leaky_relu(x, -3) + 0 * y", |x, _| if x < 0 { -3 * x } else { x }),
        ("sum(concat(x, y, axis=0))", |x, y| x + y),
        ("x @ y", |x, y| x * y),
    ];

    /// For every two kinds and all edges: a check fails where the exact result is none of the result's reading.
    #[test]
    fn what_wraps_is_found_to_the_unit() {
        let kinds = [Kind::I32, Kind::U32];
        for (left, right) in kinds.into_iter().flat_map(|left| kinds.map(|right| (left, right))) {
            for (step, exact) in CASES {
                let mut program = Program::new(2, FixedPoint::new(Ring::Z32, 0).expect("integers"));
                let mut names = Names::new();
                for (name, kind) in [("x", left), ("y", right)] {
                    let input = program.input(name, PartyId(0), Shape::new(1, 1), None).expect("an input");
                    program.hold(input, kind).expect("a kind");
                    names.insert(name.to_owned(), input);
                }
                // Some readings no ring holds together.
                let Ok(value) = add_step(&mut program, &mut names, 1, &format!("z = {step}")) else {
                    continue;
                };
                program.output("z", value, Parties::first(2)).expect("an output");
                let all = Span::of_reading(program.integers(value).signed, Ring::Z32);
                let checked = program.checked().expect("a program with checks");
                let Some(check) = checked.check() else { continue };
                for (x, y) in
                    edges(left).into_iter().flat_map(|x| edges(right).into_iter().map(move |y| (x, y)))
                {
                    let inputs = [x, y].map(|integer| Elements::Z32(vec![integer as u32]));
                    let outputs = oracle::evaluate(&checked, &inputs);
                    let fails = outputs[check.output].elements.to_u64()[0];
                    let exact = exact(x, y);
                    // What a product of signed integers may not be.
                    let is_least =
                        exact == all.low && all.low < 0 && (step.contains("x * ") || step == "x @ y");
                    let wraps = !all.holds(Span::at(exact));
                    assert!(
                        fails == u64::from(wraps) || is_least && fails == 1,
                        "{step} = {exact} of {left} {x} and {right} {y}: {fails}"
                    );
                }
            }
        }
    }

    #[test]
    fn quotients_are_the_integers_that_stay_within_when_multiplied() {
        for (factor, low, high) in
            [(3, -10, 11), (-3, -10, 11), (1, -4, 4), (-1, -4, 5), (100, -7, 7), (7, 0, 255)]
        {
            let span = Span::new(low, high);
            let found = span.quotients(factor);
            for integer in -300..300 {
                let is_within = span.holds(Span::at(integer * factor));
                assert_eq!(found.holds(Span::at(integer)), is_within, "{factor} · {integer} in {span:?}");
            }
        }
    }
}
