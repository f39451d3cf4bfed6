//! Bounded values are truncated and compared modulo less than 2^k: right up to the ends of what their bounds allow.

use super::equivalence::check_in;
use super::recipe::plan;
use super::{on_gpus, world};
use crate::plan::{PlanOptions, Plans};
use crate::program::{Number, Program, Test, Truncation, ValueId};
use crate::protocol::{Content, Protocol};
use crate::ring::{Elements, FixedPoint, Ring, Shape};
use crate::share::{Parties, PartyId};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

const TESTS: [Test; 4] = [Test::Negative, Test::NonNegative, Test::Zero, Test::NonZero];

/// Products, truncations and comparisons of values of which every party holds a part.
#[derive(Clone, Debug)]
struct Bounded {
    protocol: Protocol,
    ring: Ring,
    fraction_bits: u32,
    truncation: Truncation,
    /// What every owner declares.
    bound: f64,
    /// (m, k, n).
    shape: (usize, usize, usize),
    /// Which numbers the inputs hold, by place.
    data: Vec<u8>,
    seed: u64,
    plan: PlanOptions,
}

fn bounded() -> impl Strategy<Value = Bounded> {
    let number = prop_oneof![Just((Ring::Z64, 16)), Just((Ring::Z64, 3)), Just((Ring::Z32, 6))];
    let bound = prop_oneof![Just(1.0), Just(1.75), Just(3.5), Just(4.0)];
    let (m, k, n) = (1usize..20, 1usize..4, 1usize..20);
    (
        (prop::sample::select(&Protocol::ALL[..]), number, any::<bool>()),
        (bound, (m, k, n), prop::collection::vec(any::<u8>(), 1..50)),
        (any::<u64>(), plan()),
    )
        .prop_map(|((protocol, (ring, fraction_bits), exact), (bound, shape, data), (seed, plan))| {
            Bounded {
                protocol,
                ring,
                fraction_bits,
                truncation: if exact { Truncation::Exact } else { Truncation::Stochastic },
                bound,
                shape,
                data,
                seed,
                plan,
            }
        })
}

/// What every party holds a part of.
fn shared(program: &mut Program, name: &str, shape: Shape, bound: f64) -> ValueId {
    let parts: Vec<ValueId> = Parties::first(program.parties())
        .iter()
        .map(|party| {
            program.input(&format!("{name}{}", party.0), party, shape, Some(bound)).expect("an input")
        })
        .collect();
    parts.into_iter().reduce(|sum, part| program.add(sum, part).expect("a sum")).expect("a party")
}

impl Bounded {
    fn program(&self) -> Program {
        let codec = FixedPoint::new(self.ring, self.fraction_bits).expect("a codec");
        let mut program = Program::new(self.protocol.parties(), codec).with_truncation(self.truncation);
        let (m, k, n) = self.shape;
        let x = shared(&mut program, "x", Shape::new(m, k), self.bound);
        let y = shared(&mut program, "y", Shape::new(k, n), self.bound);
        let all = Parties::first(self.protocol.parties());
        let z = program.matmul(x, y).expect("a product");
        program.output("z", z, all).expect("an output");
        let u = shared(&mut program, "u", Shape::new(m, n), self.bound);
        let beyond = program.add_constant(u, Number::Real(-self.bound)).expect("a sum");
        for (name, value) in [("u", u), ("u - bound", beyond)] {
            for test in TESTS {
                let answer = program.test(value, test).expect("a test");
                program.output(&format!("{name} {test:?}"), answer, all).expect("an output");
            }
        }
        program
    }

    /// Numbers at the ends of the declared bound, around zero, and between.
    fn inputs(&self, program: &Program) -> Vec<Elements> {
        let codec = program.codec();
        let unit = codec.resolution();
        let numbers = [self.bound, -self.bound, self.bound - unit, unit - self.bound, 0.0, unit, -unit, 0.5];
        let mut places = self.data.iter().cycle();
        let mut draw = || numbers[usize::from(*places.next().expect("a place")) % numbers.len()];
        let input = |len: usize, draw: &mut dyn FnMut() -> f64| {
            let numbers: Vec<f64> = (0..len).map(|_| draw()).collect();
            Elements::encode(codec, &numbers).expect("numbers in range")
        };
        program.inputs().iter().map(|declared| input(declared.shape.len(), &mut draw)).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn bounded_programs_equal_the_oracle_at_the_ends_of_their_bounds(case in bounded()) {
        let program = case.program();
        let world = world(case.protocol, case.seed);
        check_in(&world, case.plan, &program, &case.inputs(&program), case.seed);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn every_packed_message_is_masked_by_a_mask_of_its_own(case in bounded()) {
        super::masks::check(&case.program(), case.plan.side);
    }
}

#[test]
fn bounded_programs_equal_the_oracle_on_gpus() {
    on_gpus(|name, in_devices| {
        let mut runner = TestRunner::new(ProptestConfig { cases: 12, ..ProptestConfig::default() });
        let result = runner.run(&bounded(), |case| {
            let (world, program) = (in_devices(world(case.protocol, case.seed)), case.program());
            check_in(&world, case.plan, &program, &case.inputs(&program), case.seed);
            Ok(())
        });
        result.unwrap_or_else(|failure| panic!("on {name}: {failure}"));
    });
}

/// The widths of what is opened for one op, and of what a third party tells for it.
fn widths(plans: &Plans) -> Vec<u32> {
    let messages = plans.cost.ops.iter().flat_map(|op| &op.messages);
    let width = |content: Content| match content {
        Content::Masked { width } | Content::Told { width } => Some(width),
        _ => None,
    };
    messages.filter_map(|messages| width(messages.content)).filter(|&width| width < 64).collect()
}

/// A product of numbers up to 1 is below 2^33: its truncation opens 35 bits, whatever the rest of the ring.
#[test]
fn a_truncation_opens_two_bits_more_than_its_operand_has() {
    // Of large products the third party's part is told to one like any other.
    for (protocol, side, expected) in [
        (Protocol::Beaver, 8, vec![35]),
        (Protocol::Beaver, 16, vec![35]),
        (Protocol::Replicated, 8, vec![35, 35]),
        (Protocol::Replicated, 16, vec![35]),
    ] {
        let codec = FixedPoint::new(Ring::Z64, 16).expect("a codec");
        let mut program = Program::new(protocol.parties(), codec);
        let [x, y] = [0, 1].map(|owner| {
            let name = format!("x{owner}");
            program.input(&name, PartyId(owner), Shape::new(side, side), Some(1.0)).expect("an input")
        });
        let z = program.mul(x, y).expect("a product");
        program.output("z", z, Parties::first(1)).expect("an output");
        let plans = Plans::new(protocol, &program, PlanOptions::default()).expect("a plan");
        assert_eq!(widths(&plans), expected, "{protocol}, {side}");
    }
}

/// Nothing is dropped of zero, so it is never rounded up.
#[test]
fn zero_stays_zero() {
    for (protocol, ring) in
        Protocol::ALL.into_iter().flat_map(|protocol| Ring::ALL.map(|ring| (protocol, ring)))
    {
        let codec = FixedPoint::new(ring, 6).expect("a codec");
        let mut program = Program::new(protocol.parties(), codec);
        let shape = Shape::new(40, 25);
        let x = shared(&mut program, "x", shape, 2.0);
        let y = shared(&mut program, "y", shape, 2.0);
        let z = program.mul(x, y).expect("a product");
        program.output("z", z, Parties::first(1)).expect("an output");
        let inputs: Vec<Elements> = program
            .inputs()
            .iter()
            .enumerate()
            .map(|(index, _)| {
                // The parts of x cancel; those of y are what they are.
                let number = if index < protocol.parties() { [1.25, -1.25, 0.0][index] } else { 1.75 };
                Elements::encode(codec, &vec![number; shape.len()]).expect("numbers in range")
            })
            .collect();
        let outcomes = world(protocol, 9).run(&program, &inputs).expect("a run without faults");
        assert_eq!(outcomes[0].outputs["z"], Elements::zeros(ring, shape.len()), "{protocol}, {ring:?}");
    }
}
