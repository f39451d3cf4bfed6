//! Gradients against those of PyTorch's autograd, which `tools/gradients/torch_values.py` computed.

use super::{Case, Most, PIECEWISE, WITHOUT};
use crate::program::expression::functions::{Function, functions};
use crate::ring::Shape;
use std::collections::BTreeMap;

#[derive(serde::Deserialize)]
struct Values {
    cases: Vec<Computed>,
}

#[derive(serde::Deserialize)]
struct Computed {
    step: String,
    shape: Vec<usize>,
    ends: (f64, f64),
    /// By input.
    gradients: BTreeMap<String, Vec<f64>>,
}

/// The numbers that the script makes.
fn numbers(count: usize, first: usize, (low, high): (f64, f64)) -> Vec<f64> {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    let number = |index: usize| low + (high - low) * (((index + first) as f64 * GOLDEN) % 1.0);
    (0..count).map(|index| (number(index) * 65536.0).round_ties_even() / 65536.0).collect()
}

fn values() -> Values {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tools/gradients/torch.json");
    let text = std::fs::read_to_string(path).expect("the computed gradients");
    serde_json::from_str(&text).expect("gradients")
}

#[test]
fn gradients_are_those_of_pytorch() {
    let values = values();
    let mut wrong = Vec::new();
    for Computed { step, shape, ends, gradients } in &values.cases {
        let mut case = Case::new(step, shape, *ends, 0);
        for (data, input) in case.data.iter_mut().zip(case.program.inputs()) {
            let (first, ends) = match input.name.as_str() {
                "x" => (1, *ends),
                "y" => (101, *ends),
                "v" => (201, (0.4, 2.5)),
                _ => (301, (-1.0, 1.0)),
            };
            let Shape { rows, cols } = input.shape;
            *data = numbers(rows * cols, first, ends);
        }
        // Slopes that are polynomials.
        let real = if step.contains("gelu") || step.contains("silu") { 1e-4 } else { 1e-6 };
        for (name, due) in gradients {
            let gradient = case.gradient(name).unwrap_or_else(|error| panic!("{step} by {name}: {error}"));
            wrong.extend(case.differing(step, name, gradient, due, Most { real, fixed: 5e-3 }));
        }
    }
    assert_eq!(wrong, [""; 0]);
}

/// The list of functions says which there are: a new one wants PyTorch's values as well.
#[test]
fn every_function_with_a_derivative_is_held_against_pytorch() {
    let values = values();
    let is_called = |function: &&Function| {
        let call = format!("{}(", function.name());
        let begins = |step: &str, at: usize| !step[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        values.cases.iter().any(|case| case.step.match_indices(&call).any(|(at, _)| begins(&case.step, at)))
    };
    let missing: Vec<&str> = functions()
        // Differences alone hold those whose results jump.
        .filter(|function| !WITHOUT.contains(&function.name()) && !PIECEWISE.contains(&function.name()))
        .filter(|function| !is_called(function))
        .map(Function::name)
        .collect();
    assert_eq!(missing, [""; 0], "functions of which tools/gradients/torch_values.py has no case");
}
