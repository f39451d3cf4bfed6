//! Gradients of random expressions, each step of which is of the shape of x.

use super::{Case, Most};
use crate::program::GradientError;
use crate::program::ProgramError;
use crate::program::expression::add_step;
use crate::program::tests::Draw;

/// Steps on `a` and `b`, which have the shape of x, that keep numbers small.
const STEPS: [&str; 24] = [
    "a + b",
    "a - v",
    "a * b * 0.25",
    "v * a",
    "a * 3 - b / 7",
    "tanh(a)",
    "sigmoid(a) - a",
    "gelu(a)",
    "relu(a) + leaky_relu(b, 0.125)",
    "abs(a) - 1",
    "a / (b * b + 1)",
    "2 / (a * a + 0.5)",
    "max(a, b) + min(a, v)",
    "clip(a, -1.5, 1.5)",
    "select(a < b, a, v)",
    "sqrt(a * a + 1) * b",
    "log(abs(a) + 0.75)",
    "exp(tanh(a))",
    "rsqrt(b * b + 2) + a",
    "softmax(a, axis=-1) * b",
    "layernorm(a * 2 + b)",
    "a - mean(b, axis=-1, keepdims=1)",
    "sum(a, axis=-1, keepdims=1) * b * 0.125",
    "gather(a, [1, 0, 0], axis=-1)",
];

/// Those of matrices alone.
const OF_MATRICES: [&str; 5] = [
    "a @ b.T @ a * 0.0625",
    "(a.T @ b) @ v * 0.125 + a",
    "concat(a[1:], b[:1], axis=0)",
    "concat(a, b, axis=0)[::2]",
    "reshape(reshape(a, 3, 4).T, 4, 3)",
];

/// Those of tensors with four axes.
const OF_IMAGES: [&str; 4] = [
    "conv2d(a, b[:, :, :3, 1:2], padding=1)[:, :, :, 1:4] * 0.125 + a",
    "a * transpose(maxpool2d(transpose(b, 0, 1, 3, 2), size=2, stride=1), 0, 1, 3, 2)[:, :, :1, :1]",
    "a + avgpool2d(b, size=2, stride=1)[:, :, :1, 1:] * v",
    "(a @ transpose(b, 0, 1, 3, 2)) @ b * 0.0625",
];

const LOSSES: [&str; 4] = ["sum(z * c)", "mse(z, c)", "logistic_loss(z, c)", "sum(mean(z, axis=0) * z * c)"];

fn hold(seed: u64) {
    let mut draw = Draw(seed);
    let extents: &[usize] = draw.pick(&[&[4, 3][..], &[3], &[2, 2, 5, 3]]);
    let mut case = Case::new("x + 0 * y", extents, (-2.0, 2.0), seed);
    let mut names = vec!["x".to_owned(), "y".to_owned(), "z".to_owned()];
    let of_shape: &[&str] = match extents.len() {
        2 => &OF_MATRICES,
        4 => &OF_IMAGES,
        _ => &STEPS,
    };
    let mut steps = Vec::new();
    for number in 0..2 + draw.below(4) {
        let step = if draw.chance(30) { draw.pick(of_shape) } else { draw.pick(&STEPS) };
        let [a, b] = [0, 1].map(|_| names[names.len() / 2 + draw.below(names.len().div_ceil(2))].clone());
        // Names of one letter stand for themselves alone.
        let replaced = |letter: char, before: Option<char>, after: Option<char>| {
            let is_apart =
                |other: Option<char>| other.is_none_or(|other| !other.is_alphanumeric() && other != '_');
            is_apart(before) && is_apart(after) && (letter == 'a' || letter == 'b')
        };
        let letters: Vec<char> = step.chars().collect();
        let text: String = (0..letters.len())
            .map(|at| {
                let before = at.checked_sub(1).map(|at| letters[at]);
                match replaced(letters[at], before, letters.get(at + 1).copied()) {
                    true if letters[at] == 'a' => a.clone(),
                    true => b.clone(),
                    false => letters[at].to_string(),
                }
            })
            .collect();
        let name = format!("s{number}");
        steps.push(format!("{name} = {text}"));
        names.push(name);
    }
    let loss = draw.pick(&LOSSES).replace('z', names.last().expect("a step"));
    steps.push(format!("l = {loss}"));
    for step in &steps {
        case.loss =
            add_step(&mut case.program, &mut case.names, 3, step).unwrap_or_else(|error| panic!("{error}"));
    }
    let text = format!("{} on {extents:?} by seed {seed}", steps.join("; "));
    for name in ["x", "y", "v"] {
        match case.hold(&text, name, Most { real: 2e-4, fixed: 3e-2 }) {
            Ok(wrong) => assert_eq!(wrong, [""; 0]),
            // Refused: a loss without the value, or one that it reaches by comparisons alone.
            Err(ProgramError::Gradient(
                GradientError::Independent { .. } | GradientError::NoDerivative { .. },
            )) => {}
            Err(error) => panic!("{text} by {name}: {error}"),
        }
    }
}

/// By seeds that are always the same: where two numbers that are compared differ by less than their errors, fixed-point
/// numbers may take the other side, whose derivative is another.
#[test]
fn gradients_of_random_expressions_are_those_of_differences() {
    (0..64).for_each(hold);
}
