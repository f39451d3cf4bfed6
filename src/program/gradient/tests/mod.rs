//! Gradients against differences of the same program in real numbers.

mod random;
mod real;
mod torch;

use super::GradientError;
use crate::program::expression::functions::{Function, Sample, functions};
use crate::program::expression::{Names, add_step};
use crate::program::tests::Draw;
use crate::program::{Dims, Program, ProgramError, Truncation, ValueId, oracle};
use crate::ring::{Elements, FixedPoint, Ring};
use crate::share::{Parties, PartyId};

/// The functions without a derivative, and what they are without one by.
const WITHOUT: [&str; 17] = [
    "argmax",
    "argmin",
    "one_hot",
    "lookup",
    "constant",
    "any",
    "all",
    "sign",
    "floor",
    "real",
    "round",
    "mod",
    "argsort",
    "histogram",
    "take",
    "isin",
    "group_count",
];

/// Functions whose results jump where their arguments vary, in some samples.
const PIECEWISE: [&str; 5] = ["grad", "join", "unique", "group_sum", "group_mean"];

/// A program of a step on x, y and v whose loss is the sum of its elements times those of c, and its data.
struct Case {
    program: Program,
    names: Names,
    /// What the inputs hold.
    data: Vec<Vec<f64>>,
    loss: ValueId,
}

fn codec() -> FixedPoint {
    FixedPoint::new(Ring::Z64, 16).expect("a codec")
}

impl Case {
    fn new(step: &str, extents: &[usize], ends: (f64, f64), seed: u64) -> Case {
        let mut program = Program::new(2, codec()).with_truncation(Truncation::Exact);
        let (mut names, mut data, mut draw) = (Names::new(), Vec::new(), Draw(seed));
        let mut input = |program: &mut Program, name: &str, dims: Dims, (low, high): (f64, f64)| {
            let id = program.input(name, PartyId(0), dims, None).expect("an input");
            let count = dims.folded().len();
            let number = |_| (draw.real(low, high) * 65536.0).round() / 65536.0;
            data.push((0..count).map(number).collect::<Vec<f64>>());
            id
        };
        let last = Dims::new(&extents[extents.len() - 1..]).expect("an axis");
        let dims = Dims::new(extents).expect("few axes");
        for (name, dims, ends) in [("x", dims, ends), ("y", dims, ends), ("v", last, (0.4, 2.5))] {
            names.insert(name.to_owned(), input(&mut program, name, dims, ends));
        }
        let z = add_step(&mut program, &mut names, 1, &format!("z = {step}"))
            .unwrap_or_else(|error| panic!("{error}"));
        let dims = program.dims(z);
        names.insert("c".to_owned(), input(&mut program, "c", dims, (-1.0, 1.0)));
        let loss = add_step(&mut program, &mut names, 2, "loss = sum(z * c)").expect("a loss");
        Case { program, names, data, loss }
    }

    fn of_sample(sample: &Sample, seed: u64) -> Case {
        let extents: &[usize] = match sample.axes {
            (3.., _) => &[2, 2, 5, 3],
            (_, 1) => &[4],
            _ => &[4, 3],
        };
        // Where slopes are neither steep nor flat.
        let ends = match sample.ends {
            (low, _) if low >= 0.0 => (0.4, 2.5),
            (_, high) if high <= 0.0 => (-2.5, -0.4),
            _ => (-2.5, 2.5),
        };
        Case::new(sample.step, extents, ends, seed)
    }

    fn gradient(&mut self, name: &str) -> Result<ValueId, ProgramError> {
        Ok(self.program.gradient(self.loss, &[self.names[name]])?[0])
    }

    /// The derivatives by the elements of an input, from differences.
    fn differences(&self, name: &str) -> Vec<f64> {
        const STEP: f64 = 1e-5;
        let index = self.program.inputs().iter().position(|input| input.name == name).expect("an input");
        let loss =
            |data: &[Vec<f64>]| real::evaluate(&self.program, data, &[self.loss])[self.loss.index()][0];
        (0..self.data[index].len())
            .map(|at| {
                let [more, less] = [STEP, -STEP].map(|step| {
                    let mut data = self.data.clone();
                    data[index][at] += step;
                    loss(&data)
                });
                (more - less) / (2.0 * STEP)
            })
            .collect()
    }

    /// The gradient's elements in real numbers, and by the oracle.
    fn values(&self, gradient: ValueId) -> [Vec<f64>; 2] {
        let real = real::evaluate(&self.program, &self.data, &[gradient])[gradient.index()].clone();
        let mut program = self.program.clone();
        program.output("gradient", gradient, Parties::first(1)).expect("an output");
        let data: Vec<Elements> = self
            .data
            .iter()
            .map(|numbers| Elements::encode(codec(), numbers).expect("numbers in range"))
            .collect();
        [real, oracle::evaluate(&program, &data)[0].elements.decode(codec())]
    }

    /// Holds the gradient by an input against differences: the rule in real numbers, and the oracle's result. Returns what is
    /// wrong.
    fn hold(&mut self, step: &str, name: &str, most: Most) -> Result<Vec<String>, ProgramError> {
        let gradient = self.gradient(name)?;
        assert_eq!(self.program.dims(gradient), self.program.dims(self.names[name]), "{step} by {name}");
        Ok(self.differing(step, name, gradient, &self.differences(name), most))
    }

    /// What of a gradient is further from another than it may be.
    fn differing(&self, step: &str, name: &str, gradient: ValueId, due: &[f64], most: Most) -> Vec<String> {
        let [real, fixed] = self.values(gradient);
        assert_eq!(real.len(), due.len(), "{step} by {name}");
        let mut wrong = Vec::new();
        for (way, found, most) in [("real", real, most.real), ("fixed", fixed, most.fixed)] {
            let errors = found.iter().zip(due).map(|(found, due)| (found - due).abs() / due.abs().max(1.0));
            let (at, error) = errors.enumerate().fold((0, 0.0), |worst, (at, error)| {
                if error > worst.1 || error.is_nan() { (at, error) } else { worst }
            });
            if error.is_nan() || error > most {
                let (found, due) = (found[at], due[at]);
                wrong.push(format!("{step} by {name}[{at}]: {found} for {due} in {way} numbers"));
            }
        }
        wrong
    }
}

/// How far a gradient of sums of a few terms may be off, divided by the derivative where that is above 1.
#[derive(Clone, Copy)]
struct Most {
    /// Of the rule in real numbers.
    real: f64,
    /// In fixed-point numbers.
    fixed: f64,
}

/// Calls that samples do not have, and operators.
const MORE: [(&str, &[usize]); 57] = [
    ("sgd(x, grad(sum(x * x * y), x), 0.125)", &[4, 3]),
    ("sgd(x, grad(mean(x.T @ x @ x.T), x), 0.3)", &[4, 3]),
    ("x ** 3 + y ** 0 + v ** 0.5", &[4, 3]),
    ("x[::-1] * y + x[:, ::-1] * [1, 2, 0.5]", &[4, 3]),
    ("eye(4) @ x + arange(3) * y", &[4, 3]),
    ("(x > 0 and x < 2) * x", &[4, 3]),
    ("max(x) + std(y, axis=(0, 1)) * x", &[4, 3]),
    ("flip(x, axis=2) * cumsum(y, axis=1)", &[2, 2, 5, 3]),
    ("einsum(\"abcd,abed->ce\", x, y)", &[2, 2, 5, 3]),
    ("x + y - v", &[4, 3]),
    ("x * y * x", &[4, 3]),
    ("x * v + x", &[4, 3]),
    ("-x * 0.3 + 2 * y - 1", &[4, 3]),
    ("x / 7 + 3 * x", &[4, 3]),
    ("x / (v + abs(y))", &[4, 3]),
    ("v / (x * x + 1)", &[4, 3]),
    ("1 / (x * x + 1)", &[4, 3]),
    ("1000 / (x * x + 1)", &[4, 3]),
    ("(x * x + 1) / (v * 4)", &[4, 3]),
    ("x @ y.T", &[4, 3]),
    ("x.T @ y", &[4, 3]),
    ("x @ x.T", &[4, 3]),
    ("v @ x.T", &[4, 3]),
    ("x @ v", &[4, 3]),
    ("v @ v * x", &[4, 3]),
    ("x @ x * y", &[2, 2, 3, 3]),
    ("x @ y", &[2, 2, 3, 3]),
    ("x @ y[:1]", &[2, 2, 3, 3]),
    ("x @ y[0, 0]", &[2, 2, 3, 3]),
    ("x[0, 0] @ y", &[2, 2, 3, 3]),
    ("x @ v", &[2, 2, 3, 3]),
    ("v @ x", &[2, 2, 3, 3]),
    ("x * y[:, :1, :, 1:2]", &[2, 2, 5, 3]),
    ("x[:, 0] - y[:, 1]", &[2, 2, 5, 3]),
    ("x[:, 1, ::2]", &[2, 2, 5, 3]),
    ("x[1:, ::2, 1:4:3, :2]", &[2, 2, 5, 3]),
    ("x[::2, 1:] * x[1::2, :2]", &[4, 3]),
    ("x[1] * v", &[4, 3]),
    ("transpose(x, 3, 1, 0, 2) * 2", &[2, 2, 5, 3]),
    ("reshape(x, 3, 4) @ y", &[4, 3]),
    ("gather(x, [3, 0, 0, 1, 3, 2, 2], axis=0)", &[4, 3]),
    ("gather(x, [1, 1, 0, 4, 2], axis=2) * 3", &[2, 2, 5, 3]),
    ("concat(x, y, x, axis=1) * concat(y, y, y, axis=1)", &[4, 3]),
    ("concat(x, y, axis=1)[:, 1:6] * x", &[2, 5, 3]),
    ("sum(x, axis=0) * y", &[4, 3]),
    ("sum(x, axis=1) * y[:, 0]", &[2, 2, 5, 3]),
    ("mean(x) * y + mean(x, axis=1, keepdims=1) * x", &[4, 3]),
    ("x - mean(x, axis=2, keepdims=1)", &[2, 2, 5, 3]),
    ("max(x, axis=1, keepdims=1) * min(y, axis=0)", &[4, 3]),
    ("max(x, 0.5) + min(y, -0.25) * clip(x, -1, 1)", &[4, 3]),
    ("select(x < y, x * y, v - x)", &[4, 3]),
    ("(x > 0) * x + (y <= x) * (x - y)", &[4, 3]),
    ("maxpool2d(x, size=3, stride=1)", &[2, 2, 5, 4]),
    ("avgpool2d(x, size=3, stride=2)", &[2, 2, 5, 4]),
    ("conv2d(x, reshape(y[:, :, :3, :2], 4, 2, 3, 1), stride=1, padding=1)", &[2, 2, 5, 4]),
    ("conv2d(x, transpose(y[:, :, :2, :3], 1, 0, 3, 2), v[:2], stride=2, padding=2)", &[2, 2, 5, 4]),
    ("softmax(x @ y.T, axis=0) @ x", &[4, 3]),
];

#[test]
fn gradients_of_expressions_are_those_of_differences() {
    let mut wrong = Vec::new();
    for (number, (step, extents)) in MORE.into_iter().enumerate() {
        let mut case = Case::new(step, extents, (-2.5, 2.5), number as u64);
        let mut held = 0;
        for name in ["x", "y", "v"] {
            match case.hold(step, name, Most { real: 1e-6, fixed: 2e-3 }) {
                Ok(found) => (held, _) = (held + 1, wrong.extend(found)),
                Err(ProgramError::Gradient(GradientError::Independent { .. })) => {}
                Err(error) => wrong.push(format!("{step} by {name}: {error}")),
            }
        }
        if held == 0 {
            wrong.push(format!("{step} has no gradient"));
        }
    }
    assert_eq!(wrong, [""; 0]);
}

/// The list of functions says which there are, so that none is forgotten.
#[test]
fn every_function_has_a_gradient_or_is_refused() {
    let mut wrong = Vec::new();
    for function in functions() {
        let mut held = 0;
        let is_without = WITHOUT.contains(&function.name());
        let may_jump = is_without || PIECEWISE.contains(&function.name());
        for (seed, sample) in function.samples.iter().enumerate() {
            let mut case = Case::of_sample(sample, seed as u64);
            for name in ["x", "y", "v"] {
                match case.hold(sample.step, name, most(function)) {
                    Ok(found) => (held, _) = (held + 1, wrong.extend(found)),
                    Err(ProgramError::Gradient(GradientError::Independent { .. })) => {}
                    Err(ProgramError::Gradient(GradientError::NoDerivative { .. })) if may_jump => {}
                    Err(ProgramError::Gradient(GradientError::NoDerivativeBy { .. }))
                        if (function.name(), name) == ("cross_entropy", "v") => {}
                    Err(error) => wrong.push(format!("{} by {name}: {error}", sample.step)),
                }
            }
        }
        if held == 0 && !is_without {
            wrong.push(format!("{} has no gradient", function.name()));
        }
    }
    assert_eq!(wrong, [""; 0]);
}

fn most(function: &Function) -> Most {
    match function.name() {
        // Their slopes are polynomials.
        "gelu" | "silu" => Most { real: 1e-4, fixed: 2e-3 },
        "adam" | "layernorm" | "batchnorm" => Most { real: 1e-6, fixed: 1e-2 },
        _ => Most { real: 1e-6, fixed: 2e-3 },
    }
}

/// What is refused is refused in one line, which names it.
#[test]
fn what_has_no_gradient_is_refused() {
    let refused = |step: &str, loss: &str, name: &str| {
        let mut case = Case::new(step, &[4, 3], (-2.5, 2.5), 1);
        let names = &mut case.names;
        let text = format!("l = {loss}");
        case.loss = add_step(&mut case.program, names, 3, &text).unwrap_or_else(|error| panic!("{error}"));
        let value = case.names[name];
        case.program.gradient(case.loss, &[value]).expect_err("no gradient").to_string()
    };
    let cases = [
        (
            "x * y",
            "z * c",
            "x",
            "grad is of a loss that is a single number, and z * c has shape (4, 3): take its sum or its mean",
        ),
        ("x * 2", "sum(z)", "y", "sum(z) does not depend on y: there is no gradient"),
        ("x < y", "sum(z * c)", "z", "x < y counts in integers, which have no gradient"),
        ("x * y", "sum(x < y)", "x", "sum(x < y) counts in integers, which have no gradient"),
        (
            "x < y",
            "sum(z * c)",
            "x",
            "x < y in step z depends on x and has no derivative: take the gradient of a loss without it",
        ),
        (
            "argmax(x, axis=1)",
            "sum(x) + sum(z)",
            "x",
            "sum(z) in step l depends on x and has no derivative: take the gradient of a loss without it",
        ),
        (
            "softmax(x, axis=1)",
            "cross_entropy(y, z)",
            "x",
            "cross_entropy(y, z) has no derivative by its labels",
        ),
    ];
    for (step, loss, name, due) in cases {
        assert_eq!(refused(step, loss, name), due, "{step}; {loss}");
    }
    let mut integers = Program::new(2, FixedPoint::new(Ring::Z64, 0).expect("integers"));
    let x = integers.input("x", PartyId(0), Dims::new(&[2]).expect("an axis"), None).expect("x");
    let loss = integers.sum(x, None).expect("a sum");
    let message = integers.gradient(loss, &[x]).expect_err("no gradient").to_string();
    assert_eq!(message, "sum(x) counts in integers, which have no gradient");
}

/// A comparison that chooses is no obstacle, and a loss of which part is constant has the gradient of the rest.
#[test]
fn choices_and_constants_pass_nothing_on() {
    let mut case = Case::new("select(x < y, x, y) * constant(x)", &[4, 3], (-2.5, 2.5), 2);
    let gradient = case.gradient("x").expect("a gradient");
    let [real, _] = case.values(gradient);
    let [x, y, _, c] = &case.data[..] else { panic!("four inputs") };
    for at in 0..x.len() {
        let due = if x[at] < y[at] { x[at] * c[at] } else { 0.0 };
        assert!((real[at] - due).abs() < 1e-9, "[{at}]: {} for {due}", real[at]);
    }
}

/// The gradients of several values of one loss have one backward pass.
#[test]
fn one_backward_pass_serves_all_values() {
    let mut case = Case::new("tanh(x @ y.T) @ (x * v)", &[4, 3], (-1.0, 1.0), 3);
    let start = case.program.values().len();
    case.gradient("x").expect("a gradient");
    let first = case.program.values().len() - start;
    case.gradient("x").expect("a gradient");
    case.gradient("v").expect("a gradient");
    let more = case.program.values().len() - start - first;
    assert!(more * 2 < first, "{first} values for x, {more} for x again and v");
}
