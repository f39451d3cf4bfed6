//! The plain oracle: a program evaluated in the clear, in ordinary wrapping and fixed-point arithmetic.
//!
//! It is the truth that every protocol, device and tool is held against, so it is written to be obviously right, not
//! fast, and shares no code with the kernels. What is computed by several ops in a program on integers it evaluates as what
//! it means, in integers that cannot wrap. It is the one place where values may steer branches.

use super::{Init, Meaning, Op, Program, Stride, Term, Test, Truncation, ValueId};
use crate::ring::{Axis, Elements, Ring, Shape};

/// A value in the clear.
#[derive(Clone)]
struct Plain {
    shape: Shape,
    /// Representatives in 0..2^k.
    elements: Vec<u64>,
    /// For each element, how far a protocol's result may lie from it, in units of the lowest bit: stochastic
    /// truncation rounds up where the oracle rounds down.
    slack: Vec<u64>,
}

/// An output in the clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Rows and columns.
    pub shape: Shape,
    /// What the output is, truncation rounding down.
    pub elements: Elements,
    /// For each element, how far a protocol's result may lie from it, in units of the lowest bit; 0 demands equality.
    pub slack: Vec<u64>,
}

impl Expected {
    /// The first element of `actual` that lies further from the oracle's than the slack allows.
    pub fn first_difference(&self, actual: &Elements) -> Option<usize> {
        let ring = self.elements.ring();
        assert_eq!(
            (actual.ring(), actual.len()),
            (ring, self.elements.len()),
            "outputs of one shape and ring"
        );
        let pairs = self.elements.to_u64().into_iter().zip(actual.to_u64());
        pairs.zip(&self.slack).position(|((expected, actual), &slack)| {
            ring.signed(ring.reduce(actual.wrapping_sub(expected))).unsigned_abs() > slack
        })
    }
}

/// Evaluates `program`; `inputs` are its inputs' elements in their order.
///
/// # Panics
/// Where the inputs' number or lengths are not the program's.
pub fn evaluate(program: &Program, inputs: &[Elements]) -> Vec<Expected> {
    Runs::new(program).run(inputs)
}

/// The runs of a program one after the other, each of which finds the states that the one before left.
pub struct Runs<'a> {
    program: &'a Program,
    /// By state; none before the first run.
    states: Option<Vec<Plain>>,
    /// The number of runs so far.
    run: u32,
}

impl<'a> Runs<'a> {
    /// Before the first run.
    pub fn new(program: &'a Program) -> Runs<'a> {
        Runs { program, states: None, run: 0 }
    }

    /// The same from other states on before the first run, such as those that nobody knows; their elements in their order.
    ///
    /// # Panics
    /// Where the states' number or lengths are not the program's.
    pub fn from_states(program: &'a Program, states: &[Elements]) -> Runs<'a> {
        assert_eq!(states.len(), program.states().len(), "one matrix for each state");
        let plain = |(state, elements): (&super::State, &Elements)| Plain::exact(state.shape(), elements);
        let states = program.states().iter().zip(states).map(plain).collect();
        Runs { program, states: Some(states), run: 0 }
    }

    /// The next run; `inputs` are the program's inputs' elements in their order, resident ones among them.
    ///
    /// # Panics
    /// Where the inputs' number or lengths are not the program's, or nobody knows a state's first value or a public value.
    pub fn run(&mut self, inputs: &[Elements]) -> Vec<Expected> {
        let program = self.program;
        let states = self.states.take();
        let values = evaluate_values(program, inputs, states.as_deref(), self.run, || false);
        self.run += 1;
        let outputs = program.outputs().iter().map(|output| values[output.value.index()].expected(program));
        let outputs = outputs.collect();
        let updated = |state: &super::State| match state.update {
            Some(update) => values[update.index()].clone(),
            None => values[state.value.index()].clone(),
        };
        self.states = Some(program.states().iter().map(updated).collect());
        outputs
    }

    /// What the next run finds, by state.
    ///
    /// # Panics
    /// Before the first run.
    pub fn states(&self) -> Vec<Expected> {
        let states = self.states.as_ref().expect("a run leaves states");
        states.iter().map(|state| state.expected(self.program)).collect()
    }
}

/// A state's first value, given the values before it.
fn first_value(program: &Program, index: usize, values: &[Plain]) -> Plain {
    let state = &program.states()[index];
    match &state.init {
        Init::Value(value) => values[value.index()].clone(),
        init => {
            let public = init.public(program, state.shape().len());
            let known = public.expect("nobody knows a random first value: say which by `from_states`");
            Plain::exact(state.shape(), &known)
        }
    }
}

/// All of a program's values; of each element that a truncation cannot divide evenly `rounds_up` says which way it goes.
fn evaluate_values(
    program: &Program,
    inputs: &[Elements],
    states: Option<&[Plain]>,
    run: u32,
    mut rounds_up: impl FnMut() -> bool,
) -> Vec<Plain> {
    assert_eq!(inputs.len(), program.inputs().len(), "one matrix for each input");
    let mut values: Vec<Plain> = Vec::with_capacity(program.values().len());
    for value in program.values() {
        let plain = match value.meaning {
            Some(meaning) if is_exact(meaning, &values) => {
                evaluate_meaning(program, meaning, value.shape, &values)
            }
            _ => match value.op {
                Op::State(index) => match states {
                    Some(states) => states[index].clone(),
                    None => first_value(program, index, &values),
                },
                Op::ScaleByRun(a, by) => {
                    let op = Op::Scale(a, program.number_of_run(by, run));
                    evaluate_op(program.ring(), op, value.shape, inputs, &values, &mut rounds_up)
                }
                Op::RowsByRun(a, rows) => {
                    let rows = program.rows_of_run(rows, run);
                    values[a.index()].gather(value.shape, |row, col| vec![(rows[row] as usize, col)])
                }
                Op::Public(public) => Plain::exact(value.shape, program.tensor_elements(public)),
                op => evaluate_op(program.ring(), op, value.shape, inputs, &values, &mut rounds_up),
            },
        };
        assert_eq!(plain.elements.len(), value.shape.len(), "{} has its declared shape", value.label);
        values.push(plain);
    }
    values
}

/// The elements of all values where truncations that may round up do so as `rounds_up` says.
#[cfg(test)]
pub(crate) fn rounded_values(
    program: &Program,
    inputs: &[Elements],
    rounds_up: impl FnMut() -> bool,
) -> Vec<Vec<u64>> {
    evaluate_values(program, inputs, None, 0, rounds_up).into_iter().map(|value| value.elements).collect()
}

/// Whether all that a meaning is of is known to the bit; whole numbers made of fractions may not be.
fn is_exact(meaning: Meaning, values: &[Plain]) -> bool {
    meaning.operands().iter().all(|operand| values[operand.index()].slack.iter().all(|&slack| slack == 0))
}

/// What several ops compute together, of the integers that values stand for: exact, and by none of the ops.
fn evaluate_meaning(program: &Program, meaning: Meaning, shape: Shape, values: &[Plain]) -> Plain {
    let ring = program.ring();
    let read = |id: ValueId, row: usize, col: usize| {
        let plain = &values[id.index()];
        let element = plain.elements[plain.index(row, col)];
        // Whole numbers without a reading are signed.
        let signed = program.value(id).integers.is_none_or(|integers| integers.signed);
        if signed { i128::from(ring.signed(element)) } else { i128::from(element) }
    };
    let term = |term: Term, row, col| match term {
        Term::Value(id) => read(id, row, col),
        Term::Constant(integer) => integer,
    };
    // The integers along an axis of which row and column name the other one.
    let along = |id: ValueId, axis: Axis, row: usize, col: usize| -> Vec<i128> {
        let own = values[id.index()].shape;
        match axis {
            Axis::Rows => (0..own.rows).map(|row| read(id, row, col)).collect(),
            Axis::Cols => (0..own.cols).map(|col| read(id, row, col)).collect(),
        }
    };
    let first = |integers: &[i128], best: Option<i128>| {
        integers.iter().position(|&integer| Some(integer) == best).expect("an element") as i128
    };
    let integer = |row: usize, col: usize| match meaning {
        Meaning::Compare(a, relation, b) => relation.holds(read(a, row, col), term(b, row, col)).into(),
        Meaning::Larger(a, b) => read(a, row, col).max(term(b, row, col)),
        Meaning::Smaller(a, b) => read(a, row, col).min(term(b, row, col)),
        Meaning::Choice(condition, x, y) => {
            read(if read(condition, row, col) == 1 { x } else { y }, row, col)
        }
        Meaning::Magnitude(a) => read(a, row, col).abs(),
        Meaning::Leaky(a, slope) => match read(a, row, col) {
            negative if negative < 0 => negative.wrapping_mul(slope),
            positive => positive,
        },
        Meaning::Largest(a, axis) => {
            let integers = along(a, axis, row, col);
            first(&integers, integers.iter().copied().max())
        }
        Meaning::Smallest(a, axis) => {
            let integers = along(a, axis, row, col);
            first(&integers, integers.iter().copied().min())
        }
    };
    let places = (0..shape.rows).flat_map(|row| (0..shape.cols).map(move |col| (row, col)));
    let elements: Vec<u64> = places.map(|(row, col)| ring.reduce(integer(row, col) as u64)).collect();
    Plain { shape, slack: vec![0; elements.len()], elements }
}

fn evaluate_op(
    ring: Ring,
    op: Op,
    shape: Shape,
    inputs: &[Elements],
    values: &[Plain],
    rounds_up: &mut impl FnMut() -> bool,
) -> Plain {
    let of = |id: ValueId| &values[id.index()];
    let magnitude = |element: u64| ring.signed(element).unsigned_abs();
    match op {
        Op::Input(index) => Plain::exact(shape, &inputs[index]),
        Op::State(_) | Op::ScaleByRun(..) | Op::RowsByRun(..) => unreachable!("what differs from run to run"),
        Op::Public(_) => unreachable!("the program has its elements"),
        Op::Add(a, b) => of(a).zip(
            of(b),
            shape,
            |a, b| ring.reduce(a.wrapping_add(b)),
            |(_, da), (_, db)| da.saturating_add(db),
        ),
        Op::Sub(a, b) => of(a).zip(
            of(b),
            shape,
            |a, b| ring.reduce(a.wrapping_sub(b)),
            |(_, da), (_, db)| da.saturating_add(db),
        ),
        Op::Mul(a, b) => of(a).zip(
            of(b),
            shape,
            |a, b| ring.reduce(a.wrapping_mul(b)),
            |(a, da), (b, db)| product_slack((magnitude(a), da), (magnitude(b), db)),
        ),
        Op::Neg(a) => of(a).map(|a| ring.reduce(a.wrapping_neg()), |slack| slack),
        Op::AddConstant(a, c) => of(a).map(|a| ring.reduce(a.wrapping_add(c)), |slack| slack),
        Op::Scale(a, c) => {
            of(a).map(|a| ring.reduce(a.wrapping_mul(c)), |slack| slack.saturating_mul(magnitude(c)))
        }
        Op::MatMul(a, b) => matmul(ring, of(a), of(b)),
        Op::Transpose(a) => of(a).gather(shape, |row, col| vec![(col, row)]),
        Op::Sum(a, Axis::Rows) => {
            let rows = of(a).shape.rows;
            of(a).gather(shape, |_, col| (0..rows).map(|row| (row, col)).collect()).reduced(ring)
        }
        Op::Sum(a, Axis::Cols) => {
            let cols = of(a).shape.cols;
            of(a).gather(shape, |row, _| (0..cols).map(|col| (row, col)).collect()).reduced(ring)
        }
        Op::Truncate(a, bits, method) => of(a).map(
            |a| {
                let (down, rest) = (ring.signed(a) >> bits, a & ((1 << bits) - 1));
                let goes_up = method == Truncation::Stochastic && rest > 0 && rounds_up();
                ring.reduce((down + i64::from(goes_up)) as u64)
            },
            |slack| slack.div_ceil(1 << bits).saturating_add((method == Truncation::Stochastic).into()),
        ),
        Op::Compare(a, test) => tested(ring, of(a), test),
        Op::Slice(a, rows, cols) => {
            let at = |stride: Stride, index: usize| stride.start + index * stride.step;
            of(a).gather(shape, |row, col| vec![(at(rows, row), at(cols, col))])
        }
        Op::Pad(a, (first_row, first_col)) => {
            let own = of(a).shape;
            of(a).gather(shape, |row, col| {
                let at = row.checked_sub(first_row).zip(col.checked_sub(first_col));
                at.into_iter().filter(|&(row, col)| row < own.rows && col < own.cols).collect()
            })
        }
        Op::Gather(a, gather) => {
            let cols = of(a).shape.cols;
            of(a).gather(shape, |row, col| {
                let place = gather.place(row, col);
                vec![(place / cols, place % cols)]
            })
        }
    }
}

/// The answers; one that the operand's slack can change may be the other.
fn tested(ring: Ring, a: &Plain, test: Test) -> Plain {
    let answer = |element: u64| match test {
        Test::Negative => ring.signed(element) < 0,
        Test::NonNegative => ring.signed(element) >= 0,
        Test::Zero => element == 0,
        Test::NonZero => element != 0,
    };
    let is_open = |element: u64, slack: u64| {
        let to_zero = ring.signed(element).unsigned_abs();
        slack > 0 && (to_zero <= slack || to_zero.saturating_add(slack) >= 1 << (ring.bits() - 1))
    };
    let pairs = a.elements.iter().zip(&a.slack);
    Plain {
        shape: a.shape,
        elements: a.elements.iter().map(|&element| answer(element).into()).collect(),
        slack: pairs.map(|(&element, &slack)| is_open(element, slack).into()).collect(),
    }
}

/// |ab − a'b'| for |a − a'| ≤ da and |b − b'| ≤ db.
fn product_slack((a, da): (u64, u64), (b, db): (u64, u64)) -> u64 {
    let cross = a.saturating_mul(db).saturating_add(b.saturating_mul(da));
    cross.saturating_add(da.saturating_mul(db))
}

fn matmul(ring: Ring, a: &Plain, b: &Plain) -> Plain {
    let shape = Shape::new(a.shape.rows, b.shape.cols);
    let mut elements = vec![0u64; shape.len()];
    let mut slack = vec![0u64; shape.len()];
    let exact = a.slack.iter().chain(&b.slack).all(|&slack| slack == 0);
    for row in 0..shape.rows {
        let out = row * shape.cols..(row + 1) * shape.cols;
        for inner in 0..a.shape.cols {
            let left = row * a.shape.cols + inner;
            let right = inner * shape.cols..(inner + 1) * shape.cols;
            for (out, &b) in elements[out.clone()].iter_mut().zip(&b.elements[right.clone()]) {
                *out = out.wrapping_add(a.elements[left].wrapping_mul(b));
            }
            if exact {
                continue;
            }
            for (out, right) in out.clone().zip(right) {
                let a = (ring.signed(a.elements[left]).unsigned_abs(), a.slack[left]);
                let b = (ring.signed(b.elements[right]).unsigned_abs(), b.slack[right]);
                slack[out] = slack[out].saturating_add(product_slack(a, b));
            }
        }
    }
    Plain { shape, elements, slack }.reduced(ring)
}

impl Plain {
    /// Elements that are known to the bit.
    fn exact(shape: Shape, elements: &Elements) -> Plain {
        Plain { shape, elements: elements.to_u64(), slack: vec![0; shape.len()] }
    }

    fn expected(&self, program: &Program) -> Expected {
        let elements = Elements::from_integers(program.ring(), self.elements.iter().copied());
        Expected { shape: self.shape, elements, slack: self.slack.clone() }
    }

    /// The index of (row, col), or of the one that stands for it where there is one row or one column.
    fn index(&self, row: usize, col: usize) -> usize {
        let row = if self.shape.rows == 1 { 0 } else { row };
        let col = if self.shape.cols == 1 { 0 } else { col };
        row * self.shape.cols + col
    }

    fn zip(
        &self,
        other: &Plain,
        shape: Shape,
        element: impl Fn(u64, u64) -> u64,
        slack: impl Fn((u64, u64), (u64, u64)) -> u64,
    ) -> Plain {
        let mut result = Plain { shape, elements: Vec::new(), slack: Vec::new() };
        for row in 0..shape.rows {
            for col in 0..shape.cols {
                let (a, b) = (self.index(row, col), other.index(row, col));
                result.elements.push(element(self.elements[a], other.elements[b]));
                let (a, b) = ((self.elements[a], self.slack[a]), (other.elements[b], other.slack[b]));
                result.slack.push(slack(a, b));
            }
        }
        result
    }

    fn map(&self, element: impl FnMut(u64) -> u64, slack: impl Fn(u64) -> u64) -> Plain {
        Plain {
            shape: self.shape,
            elements: self.elements.iter().copied().map(element).collect(),
            slack: self.slack.iter().map(|&s| slack(s)).collect(),
        }
    }

    /// Each element the sum of those that `sources` names for its place.
    fn gather(&self, shape: Shape, sources: impl Fn(usize, usize) -> Vec<(usize, usize)>) -> Plain {
        let mut result = Plain { shape, elements: Vec::new(), slack: Vec::new() };
        for row in 0..shape.rows {
            for col in 0..shape.cols {
                let indices = sources(row, col).into_iter().map(|(row, col)| row * self.shape.cols + col);
                let (mut element, mut slack) = (0u64, 0u64);
                for index in indices {
                    element = element.wrapping_add(self.elements[index]);
                    slack = slack.saturating_add(self.slack[index]);
                }
                result.elements.push(element);
                result.slack.push(slack);
            }
        }
        result
    }

    fn reduced(mut self, ring: Ring) -> Plain {
        self.elements.iter_mut().for_each(|element| *element = ring.reduce(*element));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::Number;
    use crate::ring::FixedPoint;
    use crate::share::{Parties, PartyId};

    fn codec(bits: u32, fraction_bits: u32) -> FixedPoint {
        FixedPoint::new(Ring::from_bits(bits).unwrap(), fraction_bits).unwrap()
    }

    #[test]
    fn an_integer_product_wraps() {
        let mut program = Program::new(2, codec(32, 0));
        let x = program.input("x", PartyId(0), Shape::new(1, 2), None).unwrap();
        let y = program.input("y", PartyId(1), Shape::new(2, 1), None).unwrap();
        let z = program.matmul(x, y).unwrap();
        program.output("z", z, Parties::first(2)).unwrap();
        let inputs = [Elements::Z32(vec![0x8000_0001, 3]), Elements::Z32(vec![2, 5])];
        let [output] = &evaluate(&program, &inputs)[..] else { panic!("one output") };
        assert_eq!(output.elements, Elements::Z32(vec![2 + 15]));
        assert_eq!(output.slack, [0], "integers are exact");
    }

    #[test]
    fn a_fixed_point_product_rounds_down_and_allows_one_unit() {
        let mut program = Program::new(2, codec(64, 4));
        let x = program.input("x", PartyId(0), Shape::SCALAR, None).unwrap();
        let z = program.scale(x, Number::Real(-0.5)).unwrap();
        program.output("z", z, Parties::first(1)).unwrap();
        let [output] = &evaluate(&program, &[Elements::Z64(vec![3])])[..] else { panic!("one output") };
        assert_eq!(output.elements, Elements::Z64(vec![(-2i64) as u64]));
        assert_eq!(output.first_difference(&Elements::Z64(vec![(-1i64) as u64])), None);
        assert_eq!(output.first_difference(&Elements::Z64(vec![0])), Some(0));
    }

    #[test]
    fn sums_and_broadcasts_follow_the_axes() {
        let mut program = Program::new(2, codec(64, 0));
        let x = program.input("x", PartyId(0), Shape::new(2, 3), None).unwrap();
        let row = program.input("row", PartyId(1), Shape::new(1, 3), None).unwrap();
        let shifted = program.sub(x, row).unwrap();
        let cols = program.sum(shifted, Some(Axis::Rows)).unwrap();
        let all = program.sum(shifted, None).unwrap();
        let turned = program.transpose(shifted).unwrap();
        for (name, value) in [("cols", cols), ("all", all), ("turned", turned)] {
            program.output(name, value, Parties::first(1)).unwrap();
        }
        let inputs = [Elements::Z64(vec![1, 2, 3, 4, 5, 6]), Elements::Z64(vec![1, 1, 1])];
        let outputs: Vec<Vec<u64>> =
            evaluate(&program, &inputs).iter().map(|output| output.elements.to_u64()).collect();
        assert_eq!(outputs, [vec![3, 5, 7], vec![15], vec![0, 3, 1, 4, 2, 5]]);
    }
}
