//! Training: gradients between parties, and what they open.

use super::equivalence::check;
use crate::plan::{PlanOptions, Plans};
use crate::program::expression::{Names, add_step};
use crate::program::{Op, Program, Truncation};
use crate::protocol::{Content, Protocol};
use crate::ring::{Elements, FixedPoint, Ring, Shape};
use crate::share::{Parties, PartyId};

const CODEC: (Ring, u32) = (Ring::Z64, 20);

/// A program on inputs of these shapes, each of party 0's or, where nobody is named, of both parties' parts.
fn program(
    (protocol, truncation): (Protocol, Truncation),
    inputs: &[(&str, Option<u8>, (usize, usize))],
    steps: &[&str],
    outputs: &[&str],
) -> (Program, Vec<Elements>) {
    let codec = FixedPoint::new(CODEC.0, CODEC.1).expect("a codec");
    let mut program = Program::new(protocol.parties(), codec).with_truncation(truncation);
    let (mut names, mut data) = (Names::new(), Vec::new());
    for &(name, owner, (rows, cols)) in inputs {
        let mut part = |program: &mut Program, name: &str, party| {
            let number = |at: usize| ((at + data.len()) as f64 * 0.618_034).fract() - 0.5;
            let numbers: Vec<f64> = (0..rows * cols).map(number).collect();
            data.push(Elements::encode(codec, &numbers).expect("numbers in range"));
            program.input(name, PartyId(party), Shape::new(rows, cols), None).expect("an input")
        };
        let value = match owner {
            Some(owner) => part(&mut program, name, owner),
            None => {
                let parts = [0, 1].map(|party| part(&mut program, &format!("{name} of {party}"), party));
                program.add(parts[0], parts[1]).expect("a sum")
            }
        };
        names.insert(name.to_owned(), value);
    }
    for (number, step) in (1..).zip(steps) {
        add_step(&mut program, &mut names, number, step).unwrap_or_else(|error| panic!("{error}"));
    }
    for name in outputs {
        program.output(name, names[*name], Parties::first(2)).expect("an output");
    }
    (program, data)
}

/// The elements under masks that party 0 sends for each op but truncations, and the words of bits that it sends.
fn opened(program: &Program) -> (Vec<(String, u64)>, u64) {
    let plans = Plans::new(Protocol::Beaver, program, PlanOptions::default()).expect("a plan");
    let (mut values, mut bits) = (Vec::new(), 0);
    for op in plans.cost.ops.iter().filter(|op| op.output.is_none()) {
        for messages in &op.messages {
            let sent = messages.sent_elements[0];
            match messages.content {
                Content::Bits => bits += sent,
                _ if matches!(program.value(op.value).op, Op::Truncate(..)) => {}
                _ => values.push((op.label.clone(), sent)),
            }
        }
    }
    (values, bits)
}

const BEAVER: (Protocol, Truncation) = (Protocol::Beaver, Truncation::Stochastic);

/// A dense layer's backward pass opens the gradient once for both of its products, and neither factor again.
#[test]
fn backward_opens_only_the_gradient() {
    let inputs = [("x", None, (8, 5)), ("w", None, (5, 3)), ("t", None, (8, 3))];
    let steps = ["z = x @ w", "loss = mse(z, t)", "dw = grad(loss, w)", "dx = grad(loss, x)"];
    let (program, _) = program(BEAVER, &inputs, &steps, &["dw", "dx"]);
    let (ops, _) = opened(&program);
    let sent: Vec<u64> = ops.iter().map(|(_, sent)| *sent).collect();
    assert_eq!(sent, [8 * 5 + 5 * 3, 8 * 3], "x and w, and the gradient: {ops:?}");
}

/// Nor does that of a layer on one party's own data, which it sends once.
#[test]
fn an_owners_data_are_sent_once() {
    let inputs = [("x", Some(0), (8, 5)), ("w", None, (5, 3)), ("t", None, (8, 3))];
    let steps = ["z = x @ w", "loss = mse(z, t)", "dw = grad(loss, w)"];
    let (program, _) = program(BEAVER, &inputs, &steps, &["dw"]);
    let (ops, _) = opened(&program);
    let sent: Vec<u64> = ops.iter().map(|(_, sent)| *sent).collect();
    assert_eq!(sent, [8 * 5, 0], "x forward, and backward nothing: {ops:?}");
}

/// The bits of relu's comparison are those that choose from the gradient.
#[test]
fn backward_compares_nothing_again() {
    let inputs = [("x", None, (8, 5)), ("w", None, (5, 3)), ("t", None, (8, 3))];
    for function in ["relu(x @ w)", "sigmoid(x @ w)", "gelu(x @ w)", "abs(x @ w)", "log(x @ w)"] {
        let steps = [&format!("h = {function}"), "loss = mse(h, t)", "dw = grad(loss, w)"];
        let forward = opened(&program(BEAVER, &inputs, &steps[..1], &["h"]).0).1;
        let both = opened(&program(BEAVER, &inputs, &steps, &["h", "dw"]).0).1;
        // The magnitude asks for both signs only backward.
        let more = if function.starts_with("abs") { 2 } else { 1 };
        assert!(forward > 0, "{function} compares");
        assert_eq!(both, more * forward, "{function} backward");
    }
}

/// A rate is part of what the gradient ends with: of the multiple by 1/n, or of the truncation of a product where both are
/// powers of two; transposed or not.
#[test]
fn a_rate_takes_no_truncation_of_its_own() {
    let planned = |count: usize, factor: &str, step: &str| {
        let inputs =
            [("x", None, (8, 5)), ("w", None, (5, count)), ("u", None, (count, 5)), ("t", None, (8, count))];
        let steps = [&format!("loss = mse(x @ {factor}, t)"), step];
        let (program, _) = program(BEAVER, &inputs, &steps, &["next"]);
        let plans = Plans::new(Protocol::Beaver, &program, PlanOptions::default()).expect("a plan");
        let values =
            plans.cost.ops.iter().filter(|op| op.output.is_none()).map(|op| program.value(op.value).op);
        (values.filter(|op| matches!(op, Op::Truncate(..))).count(), plans.traffic.rounds)
    };
    for (weights, factor) in [("w", "w"), ("u", "u.T")] {
        // The mean is of 32 elements, and then of 24.
        for (count, rate, is_free) in
            [(4, "0.125", true), (4, "0.1", false), (3, "0.125", true), (3, "0.1", true)]
        {
            let alone = planned(count, factor, &format!("next = {weights} - grad(loss, {weights})"));
            let step = format!("next = sgd({weights}, grad(loss, {weights}), {rate})");
            let rated = planned(count, factor, &step);
            let case =
                format!("{step} of {count} columns: {rated:?} truncations and rounds, and {alone:?} without");
            assert_eq!(rated == alone, is_free, "{case}");
        }
    }
}

/// The steps of three turns of training with momentum, written one after the other.
fn unrolled(of_layers: &str, weights: &[&str]) -> Vec<String> {
    let mut steps: Vec<String> = Vec::new();
    for turn in 1..=3 {
        let old = |name: &str| format!("{name}{}", turn - 1);
        let mut layers = of_layers.replace("{turn}", &turn.to_string());
        for name in weights {
            layers = layers.replace(&format!("<{name}>"), &old(name));
        }
        steps.extend(layers.split("; ").map(str::to_owned));
        for name in weights {
            let (w, v) = (old(name), old(&format!("v_{name}")));
            let velocity = if turn == 1 { "g".to_owned() + &turn.to_string() + name } else { String::new() };
            steps.push(format!("g{turn}{name} = grad(loss{turn}, {w})"));
            if turn == 1 {
                steps.push(format!("v_{name}1 = {velocity} * 1"));
            } else {
                steps.push(format!("v_{name}{turn} = momentum({v}, g{turn}{name}, beta=0.875)"));
            }
            steps.push(format!("{name}{turn} = sgd({w}, v_{name}{turn}, 0.25)"));
        }
    }
    steps
}

/// Bit for bit, with losses and functions of all kinds.
#[test]
fn three_steps_of_training_equal_the_oracle() {
    let networks = [
        "h{turn} = relu(x @ <a> + <b>); z{turn} = h{turn} @ <c>; loss{turn} = cross_entropy(z{turn}, softmax(t, axis=1))",
        "h{turn} = tanh(x @ <a> + <b>); z{turn} = layernorm(h{turn} @ <c>); loss{turn} = mse(z{turn}, t)",
        "h{turn} = gelu(x @ <a> + <b>); z{turn} = h{turn} @ <c>; loss{turn} = logistic_loss(z{turn}, t)",
    ];
    let inputs = [
        ("x", Some(0), (4, 5)),
        ("t", Some(1), (4, 3)),
        ("a0", None, (5, 6)),
        ("b0", None, (1, 6)),
        ("c0", None, (6, 3)),
    ];
    for (seed, network) in networks.iter().enumerate() {
        let steps = unrolled(network, &["a", "b", "c"]);
        let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
        for (protocol, truncation) in Protocol::ALL.into_iter().zip([Truncation::Exact, Truncation::Nearest])
        {
            let (program, data) =
                program((protocol, truncation), &inputs, &steps, &["loss1", "loss3", "a3", "b3", "c3"]);
            check(&program, &data, 40 + seed as u64);
        }
    }
}
