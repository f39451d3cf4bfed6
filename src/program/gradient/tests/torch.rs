//! Gradients against those of PyTorch's autograd, which `tools/gradients/torch_values.py` computed.

use super::{Case, Most};
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

#[test]
fn gradients_are_those_of_pytorch() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tools/gradients/torch.json");
    let text = std::fs::read_to_string(path).expect("the computed gradients");
    let values: Values = serde_json::from_str(&text).expect("gradients");
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
    assert!(values.cases.len() > 30, "all cases");
}
