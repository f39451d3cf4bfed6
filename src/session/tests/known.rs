//! Values that every party knows: public tensors where they meet private values and each other, held against the oracle under
//! every protocol, in tiles and on every device; and that products, sums and comparisons with them cost no message.

use super::equivalence::check_in;
use super::{elements, numbers, on_gpus, world};
use crate::plan::{PlanOptions, Plans};
use crate::program::expression::{Names, add_step};
use crate::program::tiling::TileSide;
use crate::program::{Dims, Program, Truncation, ValueId};
use crate::protocol::Protocol;
use crate::ring::{Elements, FixedPoint, Ring, Shape};
use crate::share::{Parties, PartyId, Role};

/// x and y of two parties, s = x + y that nobody knows, of shape (5, 4); p and q that everybody knows, (4, 3) and (5, 4).
pub(super) fn program(protocol: Protocol, fraction_bits: u32, steps: &[&str]) -> Program {
    let codec = FixedPoint::new(Ring::Z64, fraction_bits).expect("a codec");
    let mut program = Program::new(protocol.parties(), codec).with_truncation(Truncation::Exact);
    let mut names = Names::new();
    let [x, y] = [(0, "x"), (1, "y")].map(|(owner, name)| {
        program.input(name, PartyId(owner), Shape::new(5, 4), Some(8.0)).expect("an input")
    });
    let s = program.add(x, y).expect("a sum");
    let mut tensor = |name: &str, rows, cols, seed| -> ValueId {
        let dims = Dims::from(Shape::new(rows, cols));
        let numbers = match fraction_bits {
            0 => elements(Ring::Z64, rows * cols, seed)
                .to_u64()
                .into_iter()
                .map(|e| (e % 15).wrapping_sub(7))
                .collect(),
            _ => numbers(codec, rows * cols, 4.0, seed).to_u64(),
        };
        let elements = Elements::from_integers(Ring::Z64, numbers);
        program.public_tensor(name, dims, &elements, true).expect("a tensor")
    };
    let (p, q) = (tensor("p", 4, 3, 11), tensor("q", 5, 4, 12));
    names.extend(
        [("x", x), ("y", y), ("s", s), ("p", p), ("q", q)].map(|(name, value)| (name.to_owned(), value)),
    );
    for (number, step) in (1..).zip(steps) {
        let value = add_step(&mut program, &mut names, number, &format!("z{number} = {step}"))
            .unwrap_or_else(|error| panic!("{error}"));
        program.output(&format!("z{number}"), value, Parties::first(2)).expect("an output");
    }
    program
}

pub(super) const STEPS: [&str; 16] = [
    "s @ p",
    "p.T @ s.T",
    "s * q - q",
    "q + s",
    "x + q",
    "relu(x + q)",
    "(s > q) * q",
    "select(s > q, q, s)",
    "select(q > 1, s, q)",
    "relu(q) @ p",
    "q * 2 + 1",
    "max(s - q[:, 0:1], axis=1)",
    "s * [1, 2, 3, 4] + eye(4)[0]",
    "concat(s, q, axis=0) @ p",
    "sum(s * q[0], axis=0) * p[0, 0]",
    "s @ eye(4) * 3",
];

pub(super) fn inputs(program: &Program) -> Vec<Elements> {
    let integers = program.codec().fraction_bits() == 0;
    let draw = |seed| match integers {
        true => Elements::from_integers(
            Ring::Z64,
            elements(Ring::Z64, 20, seed).to_u64().into_iter().map(|e| (e % 17).wrapping_sub(8)),
        ),
        false => numbers(program.codec(), 20, 8.0, seed),
    };
    vec![draw(1), draw(2)]
}

#[test]
fn what_everybody_knows_meets_private_values_as_the_oracle_says() {
    for protocol in Protocol::ALL {
        for fraction_bits in [0, 16] {
            let program = program(protocol, fraction_bits, &STEPS);
            for side in [TileSide::WHOLE, TileSide(2)] {
                let plan = PlanOptions { side, ..PlanOptions::default() };
                check_in(&world(protocol, 5), plan, &program, &inputs(&program), 5);
            }
        }
    }
}

#[test]
fn it_does_on_gpus_as_well() {
    on_gpus(|_, place| {
        for protocol in Protocol::ALL {
            let program = program(protocol, 16, &STEPS);
            let plan = PlanOptions::default();
            check_in(&place(world(protocol, 6)), plan, &program, &inputs(&program), 6);
        }
    });
}

/// The bytes that parties send beside an output of so many elements.
fn beside_output(protocol: Protocol, step: &str, elements: usize) -> u64 {
    let plans = Plans::new(protocol, &program(protocol, 0, &[step]), PlanOptions::default()).expect("a plan");
    let sent = |party: PartyId| plans.traffic.of(Role::from(party)).sent_bytes;
    let all: u64 = Parties::first(protocol.parties()).iter().map(sent).sum();
    assert_eq!(plans.demand.summary(), Vec::<String>::new(), "{protocol}: {step} takes no correlation");
    // Each of the two sends the other its part.
    all - 2 * 8 * elements as u64
}

#[test]
fn products_sums_and_comparisons_with_it_cost_no_message() {
    for (step, elements) in [
        ("s @ p", 15),
        ("s * q", 20),
        ("s + q", 20),
        ("s - q * q", 20),
        ("s * (q > 0)", 20),
        ("s * [[1], [2], [3], [4], [5]]", 20),
        ("s @ eye(4)", 20),
    ] {
        for protocol in Protocol::ALL {
            assert_eq!(beside_output(protocol, step, elements), 0, "{protocol}: {step}");
        }
    }
    for protocol in Protocol::ALL {
        let plans = Plans::new(protocol, &program(protocol, 0, &["p * p > 3"]), PlanOptions::default());
        assert_eq!(plans.expect("a plan").traffic.rounds, 0, "who knows a value is sent nothing of it");
    }
}
