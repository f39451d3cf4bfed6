//! A program in real numbers: every op without its roundings, every function that is differentiated as a whole by what it
//! is in `f64`. So differences of its results are exact to what `f64` rounds, and gradients are held against them.

use super::super::Composite;
use crate::program::{Op, Program, Stride, Test, ValueId};
use crate::ring::{Axis, Shape};

/// All values on which `wanted` depend, by their numbers; others are empty.
pub(super) fn evaluate(program: &Program, inputs: &[Vec<f64>], wanted: &[ValueId]) -> Vec<Vec<f64>> {
    let mut needed = vec![false; program.values().len()];
    wanted.iter().for_each(|id| needed[id.index()] = true);
    for index in (0..needed.len()).rev() {
        if needed[index] {
            operands(program, ValueId(index as u32)).iter().for_each(|id| needed[id.index()] = true);
        }
    }
    let mut values: Vec<Vec<f64>> = vec![Vec::new(); needed.len()];
    for index in (0..needed.len()).filter(|&index| needed[index]) {
        let id = ValueId(index as u32);
        let composite = program.derivatives.composites.get(&id).copied();
        values[index] = match composite.filter(|composite| *composite != Composite::Constant) {
            Some(composite) => of_composite(program, composite, &values),
            None => of_op(program, id, inputs, &values),
        };
        assert_eq!(values[index].len(), program.value(id).shape.len(), "{}", program.value(id).label);
    }
    values
}

/// What a value is computed from here.
fn operands(program: &Program, id: ValueId) -> Vec<ValueId> {
    match program.derivatives.composites.get(&id) {
        Some(Composite::Normal { of, inverse, .. }) => vec![*of, *inverse],
        Some(composite) if *composite != Composite::Constant => composite.arguments(),
        _ => program.value(id).op.operands().collect(),
    }
}

fn of_op(program: &Program, id: ValueId, inputs: &[Vec<f64>], values: &[Vec<f64>]) -> Vec<f64> {
    let shape = program.value(id).shape;
    let own = |id: ValueId| program.value(id).shape;
    let at = |id: ValueId, row: usize, col: usize| {
        let Shape { rows, cols } = own(id);
        let (row, col) = (if rows == 1 { 0 } else { row }, if cols == 1 { 0 } else { col });
        values[id.index()][row * cols + col]
    };
    let bits = |id: ValueId| f64::from(program.value(id).fraction_bits);
    let number = |element: u64| program.ring().signed(element) as f64 * (-bits(id)).exp2();
    let each = |of: &dyn Fn(usize, usize) -> f64| {
        let places = (0..shape.rows).flat_map(|row| (0..shape.cols).map(move |col| (row, col)));
        places.map(|(row, col)| of(row, col)).collect::<Vec<f64>>()
    };
    match program.value(id).op {
        Op::Input(index) => inputs[index].clone(),
        Op::State(_) => unreachable!("the programs here have none"),
        Op::Add(a, b) => each(&|row, col| at(a, row, col) + at(b, row, col)),
        Op::Sub(a, b) => each(&|row, col| at(a, row, col) - at(b, row, col)),
        Op::Mul(a, b) => each(&|row, col| at(a, row, col) * at(b, row, col)),
        Op::Neg(a) => each(&|row, col| -at(a, row, col)),
        Op::AddConstant(a, constant) => each(&|row, col| at(a, row, col) + number(constant)),
        Op::Scale(a, factor) => each(&|row, col| at(a, row, col) * number(factor) * bits(a).exp2()),
        // What becomes an integer is rounded down.
        Op::Truncate(a, by, _) if bits(id) == 0.0 => {
            each(&|row, col| (at(a, row, col) * (bits(a) - f64::from(by)).exp2()).floor())
        }
        Op::Truncate(a, by, _) => {
            each(&|row, col| at(a, row, col) * (bits(a) - f64::from(by) - bits(id)).exp2())
        }
        Op::Compare(a, test) => each(&|row, col| {
            let number = at(a, row, col);
            f64::from(u8::from(match test {
                Test::Negative => number < 0.0,
                Test::NonNegative => number >= 0.0,
                Test::Zero => number == 0.0,
                Test::NonZero => number != 0.0,
            }))
        }),
        Op::MatMul(a, b) => {
            let inner = own(a).cols;
            let (left, right) = (own(a), own(b));
            each(&|row, col| {
                let term =
                    |k| values[a.index()][row * left.cols + k] * values[b.index()][k * right.cols + col];
                (0..inner).map(term).sum()
            })
        }
        Op::Transpose(a) => each(&|row, col| values[a.index()][col * own(a).cols + row]),
        Op::Sum(a, Axis::Rows) => each(&|_, col| (0..own(a).rows).map(|row| at(a, row, col)).sum()),
        Op::Sum(a, Axis::Cols) => each(&|row, _| (0..own(a).cols).map(|col| at(a, row, col)).sum()),
        Op::Slice(a, rows, cols) => {
            let place = |stride: Stride, index: usize| stride.start + index * stride.step;
            each(&|row, col| values[a.index()][place(rows, row) * own(a).cols + place(cols, col)])
        }
        Op::Pad(a, (top, left)) => each(&|row, col| match (row.checked_sub(top), col.checked_sub(left)) {
            (Some(row), Some(col)) if row < own(a).rows && col < own(a).cols => {
                values[a.index()][row * own(a).cols + col]
            }
            _ => 0.0,
        }),
        Op::ScaleByRun(a, by) => {
            let number = program.number_of_run(by, 0) as i64 as f64 * program.codec().resolution();
            each(&|row, col| at(a, row, col) * number)
        }
        Op::RowsByRun(a, rows) => {
            let rows = program.rows_of_run(rows, 0);
            each(&|row, col| values[a.index()][rows[row] as usize * own(a).cols + col])
        }
        Op::Public(public) => program.tensor_elements(public).to_u64().into_iter().map(number).collect(),
        Op::Gather(a, gather) => each(&|row, col| values[a.index()][gather.place(row, col)]),
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The normal distribution's Φ, by its series.
fn normal(x: f64) -> f64 {
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        term *= x * x / f64::from(2 * n + 1);
        sum += term;
    }
    0.5 + (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt() * sum
}

fn mean(of: &[f64]) -> f64 {
    of.iter().sum::<f64>() / of.len() as f64
}

fn softmax(of: &[f64]) -> Vec<f64> {
    let largest = of.iter().copied().fold(f64::MIN, f64::max);
    let powers: Vec<f64> = of.iter().map(|x| (x - largest).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|power| power / sum).collect()
}

fn of_composite(program: &Program, composite: Composite, values: &[Vec<f64>]) -> Vec<f64> {
    let of = |id: ValueId| &values[id.index()];
    let each = |id: ValueId, function: fn(f64) -> f64| of(id).iter().map(|&x| function(x)).collect();
    // A line of results for each line along an axis.
    let lines = |id: ValueId, axis: usize, function: &dyn Fn(&[f64]) -> Vec<f64>| {
        let dims = program.dims(id);
        let (count, inner) = (dims.extents()[axis], dims.stride(axis));
        let mut result: Vec<(usize, f64)> = Vec::new();
        for first in (0..of(id).len()).filter(|at| at / inner % count == 0) {
            let line: Vec<f64> = (0..count).map(|index| of(id)[first + index * inner]).collect();
            let found = function(&line);
            result.extend(found.into_iter().enumerate().map(|(index, x)| (first + index * inner, x)));
        }
        result.sort_by_key(|(at, _)| *at);
        result.into_iter().map(|(_, x)| x).collect::<Vec<f64>>()
    };
    // Of two values that broadcast.
    let both = |a: ValueId, b: ValueId, function: fn(f64, f64) -> f64| -> Vec<f64> {
        let dims = program.dims(a).broadcast(program.dims(b)).expect("values that broadcast");
        let at = |id: ValueId, place: usize| {
            let own = program.dims(id).lifted(dims.rank());
            let index = |axis: usize| place / dims.stride(axis) % dims.extents()[axis];
            let moved = |axis| if own.extents()[axis] == 1 { 0 } else { index(axis) * own.stride(axis) };
            of(id)[(0..dims.rank()).map(moved).sum::<usize>()]
        };
        let count: usize = dims.extents().iter().product();
        (0..count).map(|place| function(at(a, place), at(b, place))).collect()
    };
    match composite {
        Composite::Constant => unreachable!("evaluated as an op"),
        Composite::Multiple(a, factor) => of(a).iter().map(|x| x * factor).collect(),
        Composite::Product(a, b) => both(a, b, |a, b| a * b),
        Composite::Quotient(a, b) => both(a, b, |a, b| a / b),
        Composite::ConstantOver(constant, a) => of(a).iter().map(|x| constant / x).collect(),
        Composite::Mean(a, None, count) => vec![of(a).iter().sum::<f64>() / count],
        Composite::Mean(a, Some(axis), count) => {
            let Shape { rows, cols } = program.value(a).shape;
            let at = |row: usize, col: usize| of(a)[row * cols + col];
            match axis {
                Axis::Rows => {
                    (0..cols).map(|col| (0..rows).map(|row| at(row, col)).sum::<f64>() / count).collect()
                }
                Axis::Cols => {
                    (0..rows).map(|row| (0..cols).map(|col| at(row, col)).sum::<f64>() / count).collect()
                }
            }
        }
        Composite::MeanSquare(a) => vec![mean(&of(a).iter().map(|x| x * x).collect::<Vec<_>>())],
        Composite::Variance { of: a, axis, .. } => lines(a, axis, &|line| {
            let middle = mean(line);
            vec![mean(&line.iter().map(|x| (x - middle).powi(2)).collect::<Vec<_>>())]
        }),
        Composite::Normal { of: a, inverse, axis, centred } => {
            let middle = |line: &[f64]| if centred { mean(line) } else { 0.0 };
            let apart = lines(a, axis, &|line| line.iter().map(|x| x - middle(line)).collect());
            let dims = program.dims(a);
            let own = dims.with(axis, 1);
            let index = |place: usize, axis: usize| place / dims.stride(axis) % dims.extents()[axis];
            let of_line = |place: usize| -> usize {
                (0..dims.rank())
                    .map(|other| if other == axis { 0 } else { index(place, other) * own.stride(other) })
                    .sum()
            };
            let inverse = of(inverse);
            (0..apart.len()).map(|place| apart[place] * inverse[of_line(place)]).collect()
        }
        Composite::InverseDeviation(a, epsilon) => of(a).iter().map(|x| 1.0 / (x + epsilon).sqrt()).collect(),
        Composite::Magnitude(a) => each(a, f64::abs),
        Composite::Exp(a) => each(a, f64::exp),
        Composite::Log(a) => each(a, f64::ln),
        Composite::Sqrt(a) => each(a, f64::sqrt),
        Composite::Rsqrt(a) => each(a, |x| 1.0 / x.sqrt()),
        Composite::Sigmoid(a) => each(a, sigmoid),
        Composite::Tanh(a) => each(a, f64::tanh),
        Composite::Sin(a) => each(a, f64::sin),
        Composite::Cos(a) => each(a, f64::cos),
        Composite::Gelu(a) => each(a, |x| x * normal(x)),
        Composite::Silu(a) => each(a, |x| x * sigmoid(x)),
        Composite::Softmax(a, axis) => lines(a, axis, &softmax),
        Composite::LogSoftmax(a, axis) => {
            lines(a, axis, &|line| softmax(line).iter().map(|part| part.ln()).collect())
        }
        Composite::LogisticLoss(z, t) => {
            vec![mean(&both(z, t, |z, t| z.max(0.0) - t * z + (-z.abs()).exp().ln_1p()))]
        }
        Composite::CrossEntropy(z, t) => {
            let axis = program.dims(z).rank() - 1;
            let logs = lines(z, axis, &|line| softmax(line).iter().map(|p| p.ln()).collect());
            let rows = program.value(z).shape.rows as f64;
            vec![-logs.iter().zip(of(t)).map(|(log, t)| log * t).sum::<f64>() / rows]
        }
    }
}
