//! Random programs with data.

use super::{elements, numbers};
use crate::plan::{PlanOptions, Supply};
use crate::program::tiling::TileSide;
use crate::program::{Input, Number, Program, ValueId, range};
use crate::protocol::Protocol;
use crate::ring::{Axis, Elements, FixedPoint, Ring, Shape};
use crate::share::{Parties, PartyId};
use proptest::prelude::*;

/// A program as a test draws it: inputs, then ops that are applied where they fit.
#[derive(Clone, Debug)]
pub(super) struct Recipe {
    pub(super) protocol: Protocol,
    pub(super) ring: Ring,
    fraction_bits: u32,
    /// Owner, rows and columns, and whether it is resident.
    inputs: Vec<(u8, usize, usize, bool)>,
    /// Which op, and on which of the values so far.
    ops: Vec<(u8, prop::sample::Index, prop::sample::Index)>,
    /// Which values are revealed, and to whom.
    outputs: Vec<(prop::sample::Index, u8)>,
    pub(super) seed: u64,
    pub(super) plan: PlanOptions,
}

const BOUND: f64 = 3.0;

/// How to plan: with tiles that cut even small matrices, or none, and correlations dealt ahead or streamed.
pub(super) fn plan() -> impl Strategy<Value = PlanOptions> {
    let side = prop_oneof![Just(usize::MAX), 2..9usize];
    let supply = prop::sample::select(&[None, Some(Supply::Ahead), Some(Supply::Streamed)][..]);
    (side, 0..6u32, supply).prop_map(|(side, window, supply)| PlanOptions {
        side: TileSide(side),
        source: None,
        supply,
        window,
        budget_bytes: None,
    })
}

pub(super) fn recipe() -> impl Strategy<Value = Recipe> {
    let number = prop_oneof![
        Just((Ring::Z64, 0)),
        Just((Ring::Z32, 0)),
        Just((Ring::Z64, 13)),
        Just((Ring::Z64, 20)),
        Just((Ring::Z32, 6))
    ];
    let extent = prop_oneof![4 => Just(1usize), 4 => Just(3), 4 => Just(4), 1 => Just(0), 2 => Just(17)];
    let input = (0..3u8, extent.clone(), extent, any::<bool>());
    let op = (0..10u8, any::<prop::sample::Index>(), any::<prop::sample::Index>());
    let output = (any::<prop::sample::Index>(), 1..8u8);
    (
        (prop::sample::select(&Protocol::ALL[..]), number),
        prop::collection::vec(input, 2..5),
        prop::collection::vec(op, 1..10),
        prop::collection::vec(output, 1..3),
        any::<u64>(),
        plan(),
    )
        .prop_map(|((protocol, (ring, fraction_bits)), inputs, ops, outputs, seed, plan)| Recipe {
            protocol,
            ring,
            fraction_bits,
            inputs,
            ops,
            outputs,
            seed,
            plan,
        })
}

impl Recipe {
    pub(super) fn program(&self) -> Program {
        let (codec, parties) = (FixedPoint::new(self.ring, self.fraction_bits), self.protocol.parties());
        let mut program = Program::new(parties, codec.expect("a codec"));
        let mut values: Vec<ValueId> = Vec::new();
        for (index, &(owner, rows, cols, resident)) in self.inputs.iter().enumerate() {
            let shape = Shape::new(rows, cols);
            let bound = (self.fraction_bits > 0).then_some(BOUND);
            let owner = PartyId(owner % parties as u8);
            let input = program.input(&format!("i{index}"), owner, shape, bound).expect("an input");
            if resident {
                program.reside(input).expect("an input");
            }
            values.push(input);
        }
        for (op, a, b) in &self.ops {
            let (a, b) = (*a.get(&values), *b.get(&values));
            let mut extended = program.clone();
            let value = match op {
                0 => extended.add(a, b),
                1 => extended.sub(a, b),
                2 => extended.neg(a),
                3 => extended.mul(a, b),
                4 | 5 => extended.matmul(a, b),
                6 => extended.transpose(a),
                7 => extended.sum(a, [None, Some(Axis::Rows), Some(Axis::Cols)][b.index() % 3]),
                8 => extended.add_constant(a, Number::Integer(-2)),
                _ if self.fraction_bits > 0 => extended.scale(a, Number::Real(-0.75)),
                _ => extended.scale(a, Number::Integer(-3)),
            };
            // Ops that do not fit, and such as could overflow, are left out.
            if let Ok(value) = value
                && range::reaches(&extended).is_ok()
            {
                program = extended;
                values.push(value);
            }
        }
        for (index, (value, to)) in self.outputs.iter().enumerate() {
            let among = Parties::first(parties);
            let to: Parties = among.iter().filter(|party| to & (1 << party.0) != 0).collect();
            let to = if to.is_empty() { among } else { to };
            program.output(&format!("o{index}"), *value.get(&values), to).expect("an output");
        }
        program
    }

    pub(super) fn data(&self, program: &Program) -> Vec<Elements> {
        self.batch(program, 0)
    }

    /// Data for all inputs, of which resident ones are the same in every batch.
    pub(super) fn batch(&self, program: &Program, batch: u64) -> Vec<Elements> {
        let seed =
            |input: &Input| if input.resident { self.seed } else { self.seed.wrapping_add(1000 * batch) };
        let inputs = program.inputs().iter().zip(0u64..);
        let inputs = inputs.map(|(input, index)| (input, seed(input).wrapping_add(index)));
        let data = |(input, seed): (&Input, u64)| match self.fraction_bits {
            0 => elements(self.ring, input.shape.len(), seed),
            _ => numbers(program.codec(), input.shape.len(), BOUND, seed),
        };
        inputs.map(data).collect()
    }
}
