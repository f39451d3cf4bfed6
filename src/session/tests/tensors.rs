//! Tensors, smooth functions and a whole network under every protocol, against the oracle.

use super::equivalence::{check, check_in};
use super::recipe::plan;
use super::{elements, numbers, on_gpus, world};
use crate::plan::{PlanOptions, Plans};
use crate::program::{Dims, Kernels, Program, ProgramError, Stride, Truncation, ValueId, Window, range};
use crate::protocol::Protocol;
use crate::ring::{Elements, FixedPoint, Ring};
use crate::share::{Parties, PartyId};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

const BOUND: f64 = 3.0;

/// A program of ops on tensors.
#[derive(Clone, Debug)]
struct Recipe {
    protocol: Protocol,
    ring: Ring,
    fraction_bits: u32,
    truncation: Truncation,
    extents: Vec<usize>,
    /// Which op, on which values, along which axis.
    ops: Vec<(u8, [prop::sample::Index; 3])>,
    seed: u64,
    plan: PlanOptions,
}

fn recipe() -> impl Strategy<Value = Recipe> {
    let number =
        prop_oneof![Just((Ring::Z64, 0)), Just((Ring::Z32, 0)), Just((Ring::Z64, 16)), Just((Ring::Z32, 5))];
    let extent = prop_oneof![2 => Just(1usize), 3 => Just(2), 3 => Just(3), 1 => Just(5), 1 => Just(0)];
    let index = || any::<prop::sample::Index>();
    let ops = prop::collection::vec((0..13u8, [index(), index(), index()]), 1..6);
    (
        (prop::sample::select(&Protocol::ALL[..]), number),
        any::<bool>(),
        prop::collection::vec(extent, 1..5),
        ops,
        any::<u64>(),
        plan(),
    )
        .prop_map(|((protocol, (ring, fraction_bits)), exact, extents, ops, seed, plan)| Recipe {
            protocol,
            ring,
            fraction_bits,
            truncation: if exact { Truncation::Exact } else { Truncation::Stochastic },
            extents,
            ops,
            seed,
            plan,
        })
}

impl Recipe {
    fn program(&self) -> Program {
        let codec = FixedPoint::new(self.ring, self.fraction_bits).expect("a codec");
        let mut program = Program::new(self.protocol.parties(), codec).with_truncation(self.truncation);
        let bound = (self.fraction_bits > 0).then_some(BOUND);
        let dims = |extents: &[usize]| Dims::new(extents).expect("few axes");
        let mut square = self.extents.clone();
        if let [.., rows, cols] = &mut square[..] {
            *rows = *cols;
        }
        let inputs = [&self.extents[..], &square, &self.extents[1..]];
        let mut values: Vec<ValueId> = Vec::new();
        for (index, extents) in inputs.into_iter().enumerate() {
            let owner = PartyId((index % self.protocol.parties()) as u8);
            values.push(program.input(&format!("x{index}"), owner, dims(extents), bound).expect("an input"));
        }
        values.push(program.add(values[0], values[2]).expect("a sum"));
        for (op, [a, b, axis]) in &self.ops {
            let (a, b) = (*a.get(&values), *b.get(&values));
            let axis = axis.index(program.dims(a).rank().max(1));
            let mut extended = program.clone();
            // What does not fit or could overflow is left out.
            if let Ok(value) = apply(&mut extended, *op, (a, b), axis)
                && range::reaches(&extended).is_ok()
            {
                program = extended;
                values.push(value);
            }
        }
        for (index, value) in values.iter().skip(3).enumerate() {
            let to = Parties::first(self.protocol.parties());
            program.output(&format!("o{index}"), *value, to).expect("an output");
        }
        program
    }

    fn data(&self, program: &Program) -> Vec<Elements> {
        let draw = |(input, seed): (&crate::program::Input, u64)| match self.fraction_bits {
            0 => elements(self.ring, input.shape.len(), seed),
            _ => numbers(program.codec(), input.shape.len(), BOUND, seed),
        };
        program.inputs().iter().zip(self.seed..).map(draw).collect()
    }
}

fn apply(
    program: &mut Program,
    op: u8,
    (a, b): (ValueId, ValueId),
    axis: usize,
) -> Result<ValueId, ProgramError> {
    let dims = program.dims(a);
    match op {
        0 => program.sub(a, b),
        1 => program.mul(a, b),
        2 | 3 => program.matmul(a, b),
        4 => program.transpose(a),
        5 => {
            let every_other = |&extent: &usize| Stride { start: extent.min(1), step: 2, count: extent / 2 };
            program.slice_axes(a, &dims.extents().iter().map(every_other).collect::<Vec<_>>())
        }
        6 => program.concat_along(a, b, axis),
        7 => program.sum_along(a, axis),
        8 => program.max_along(a, axis),
        9 => program.argmax_along(a, axis),
        10 => {
            let extent = dims.extents().get(axis).copied().unwrap_or(0);
            program.take(a, &[extent.saturating_sub(1), 0, 0, extent / 2], axis)
        }
        11 => program.squeeze(a, axis),
        _ => program.relu(a),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn any_tensor_program_equals_the_oracle(recipe in recipe()) {
        let program = recipe.program();
        check_in(&world(recipe.protocol, recipe.seed), recipe.plan, &program, &recipe.data(&program), recipe.seed);
    }
}

#[test]
fn any_tensor_program_equals_the_oracle_on_gpus() {
    on_gpus(|name, in_devices| {
        let mut runner = TestRunner::new(ProptestConfig { cases: 12, ..ProptestConfig::default() });
        let result = runner.run(&recipe(), |recipe| {
            let (world, program) = (in_devices(world(recipe.protocol, recipe.seed)), recipe.program());
            check_in(&world, recipe.plan, &program, &recipe.data(&program), recipe.seed);
            Ok(())
        });
        result.unwrap_or_else(|failure| panic!("on {name}: {failure}"));
    });
}

/// Numbers between two others, both of them among them, in two parts.
pub(super) fn parts(codec: FixedPoint, len: usize, (low, high): (f64, f64)) -> [Elements; 2] {
    let number = |at: usize| match at {
        0 => low,
        1 => high,
        _ => low + (high - low) * (at as f64 * 0.618).fract(),
    };
    let sum = Elements::encode(codec, &(0..len).map(number).collect::<Vec<_>>()).expect("numbers in range");
    let first = elements(Ring::Z64, len, 7);
    let rest = sum.to_u64().into_iter().zip(first.to_u64()).map(|(sum, first)| sum.wrapping_sub(first));
    let second = Elements::from_integers(Ring::Z64, rest);
    [first, second]
}

/// Of shared statistics, and of those that one party has for itself.
#[test]
fn a_batchnorm_divides_before_its_argument_is_there() {
    for (protocol, own, rounds) in
        Protocol::ALL.into_iter().flat_map(|protocol| [(protocol, false, 21), (protocol, true, 3)])
    {
        let codec = FixedPoint::new(Ring::Z64, 16).expect("a codec");
        let mut program = Program::new(protocol.parties(), codec).with_truncation(Truncation::Stochastic);
        let mut data = Vec::new();
        let mut input =
            |program: &mut Program, name: &str, owner: u8, extents: &[usize], range: (f64, f64)| {
                let dims = Dims::new(extents).expect("few axes");
                let (len, other) = (dims.folded().len(), PartyId(1 - owner));
                let a = program.input(name, PartyId(owner), dims, None)?;
                let [first, second] = parts(codec, len, range);
                if own && owner == 1 {
                    let both =
                        first.to_u64().into_iter().zip(second.to_u64()).map(|(a, b)| a.wrapping_add(b));
                    data.push(Elements::from_integers(Ring::Z64, both));
                    return Ok(a);
                }
                data.extend([first, second]);
                let b = program.input(&format!("{name} of the other"), other, dims, None)?;
                program.add(a, b)
            };
        let x = input(&mut program, "x", 0, &[7, 3], (-16.0, 16.0)).expect("x");
        let mut statistic =
            |name, range| input(&mut program, name, 1, &[3], range).expect("numbers of channels");
        let statistics = [
            statistic("mean", (-3.0, 3.0)),
            statistic("variance", (1.0 / 256.0, 4.0)),
            statistic("scale", (-2.0, 2.0)),
            statistic("offset", (-5.0, 5.0)),
        ];
        let result = program.batchnorm(x, statistics, 1e-5).expect("a normalisation");
        program.output("z", result, Parties::first(2)).expect("an output");
        let plans = Plans::new(protocol, &program, PlanOptions::default()).expect("a plan");
        if plans.dealer.is_some() {
            assert_eq!(plans.traffic.rounds, rounds + 1, "and the output");
        }
        check(&program, &data, 23);
    }
}

/// Two convolutions, two pools and two dense layers on images of 28 by 28, as LeCun's network, with fewer channels.
#[test]
fn a_convolutional_network_equals_the_oracle_bit_for_bit() {
    for protocol in Protocol::ALL {
        let codec = FixedPoint::new(Ring::Z64, 16).expect("a codec");
        let mut program = Program::new(protocol.parties(), codec).with_truncation(Truncation::Exact);
        let weights = PartyId(protocol.parties() as u8 - 1);
        let mut input = |name: &str, owner, extents: &[usize]| {
            program.input(name, owner, Dims::new(extents).expect("few axes"), None).expect("an input")
        };
        let x = input("x", PartyId(0), &[2, 1, 28, 28]);
        let [k1, b1] = [input("k1", weights, &[4, 1, 5, 5]), input("b1", weights, &[4])];
        let [k2, b2] = [input("k2", weights, &[6, 4, 5, 5]), input("b2", weights, &[6])];
        let [w3, b3] = [input("w3", weights, &[96, 32]), input("b3", weights, &[32])];
        let [w4, b4] = [input("w4", weights, &[32, 10]), input("b4", weights, &[10])];
        let labels = lenet(&mut program, x, [(k1, b1), (k2, b2)], [(w3, b3), (w4, b4)]).expect("a network");
        program.output("labels", labels.0, Parties::first(1)).expect("an output");
        program.output("scores", labels.1, Parties::first(protocol.parties())).expect("an output");
        let inputs = program.inputs().iter().zip(1..);
        let data: Vec<Elements> =
            inputs.map(|(input, seed)| numbers(codec, input.shape.len(), 0.5, seed)).collect();
        check(&program, &data, 19);
    }
}

/// The labels and the scores.
fn lenet(
    program: &mut Program,
    x: ValueId,
    kernels: [(ValueId, ValueId); 2],
    dense: [(ValueId, ValueId); 2],
) -> Result<(ValueId, ValueId), ProgramError> {
    let mut images = x;
    for (kernels, bias) in kernels {
        let windows =
            program.conv2d_tensor(images, Kernels::new(kernels, Some(bias)), Window::new(1, 1, 1))?;
        let pooled = program.maxpool2d_tensor(windows, Window::new(2, 2, 2))?;
        images = program.relu(pooled)?;
    }
    assert_eq!(program.dims(images).to_string(), "(2, 6, 4, 4)");
    let mut rows = program.reshape_to(images, Dims::new(&[2, 96]).expect("few axes"))?;
    for (layer, (weights, bias)) in dense.into_iter().enumerate() {
        let product = program.matmul(rows, weights)?;
        rows = program.add(product, bias)?;
        if layer == 0 {
            rows = program.relu(rows)?;
        }
    }
    Ok((program.argmax_along(rows, 1)?, rows))
}
