//! Comparisons of a value with several powers of two, as functions without a known range make them, are right for every
//! number and cost what is said.

use super::equivalence::check_in;
use super::{elements, masks, numbers, on_gpus, world};
use crate::correlation::Source;
use crate::plan::{PlanOptions, Plans};
use crate::program::expression::{Names, add_step};
use crate::program::tiling::TileSide;
use crate::program::{Program, Truncation};
use crate::protocol::Protocol;
use crate::ring::{Elements, FixedPoint, Ring, Shape};
use crate::session::World;
use crate::share::{Parties, PartyId, Role};

/// Powers of two that a number is compared with.
#[derive(Clone, Copy, Debug)]
struct Case {
    protocol: Protocol,
    ring: Ring,
    /// The number of bits that are declared of the number.
    declared: Option<u32>,
    /// The exponents: from this one on, and so many apart.
    from: u32,
    step: usize,
    /// By which signs: x ≥ 2^e, x ≤ −2^e.
    signs: (bool, bool),
}

impl Case {
    /// Of which the elements are half units.
    fn codec(&self) -> FixedPoint {
        FixedPoint::new(self.ring, 1).expect("a codec")
    }

    fn bits(&self) -> u32 {
        self.declared.unwrap_or(self.ring.bits() - 2)
    }

    /// The numbers around every power of two, of both signs.
    fn elements(&self) -> Vec<u64> {
        let around = (0..self.bits()).flat_map(|exponent| [-1, 0, 1].map(|by| (1i64 << exponent) + by));
        let all = around.flat_map(|number| [number, -number]).chain([0, 1, -1]);
        // One unit of it is the other party's.
        let most = (1i64 << (self.bits() - 1)) - 1;
        let mut all: Vec<i64> = all.filter(|number| number.abs() <= most).collect();
        all.dedup();
        all.into_iter().map(|number| self.ring.reduce(number as u64)).collect()
    }

    fn program(&self, count: usize) -> Program {
        let mut program = Program::new(self.protocol.parties(), self.codec());
        let bound = self.declared.map(|bits| f64::from(bits - 2).exp2());
        let shape = Shape::new(1, count);
        let x = program.input("x", PartyId(0), shape, bound).expect("x");
        let y = program.input("y", PartyId(1), shape, bound.map(|_| 0.5)).expect("y");
        let sum = program.add(x, y).expect("a sum");
        for exponent in (self.from..self.bits()).step_by(self.step) {
            let power = f64::from(exponent).exp2() / 2.0;
            if self.signs.0 {
                let above = program.reaches_constant(sum, power).expect("a comparison");
                program.output(&format!("from 2^{exponent}"), above, Parties::first(1)).expect("an output");
            }
            if self.signs.1 {
                let below = program.falls_to_constant(sum, power).expect("a comparison");
                program.output(&format!("to -2^{exponent}"), below, Parties::first(1)).expect("an output");
            }
        }
        program
    }

    /// Runs it on numbers around every power, and on drawn ones where there are no bounds.
    fn check(&self, in_world: impl Fn(World) -> World, plan: PlanOptions) {
        println!("{self:?}");
        let all = self.elements();
        let program = self.program(all.len());
        let seed = u64::from(self.from) + self.step as u64;
        let y: Vec<u64> = elements(self.ring, all.len(), seed).to_u64().into_iter().map(|y| y & 1).collect();
        let x = all.iter().zip(&y).map(|(number, y)| number.wrapping_sub(*y));
        let data = [Elements::from_integers(self.ring, x), Elements::from_integers(self.ring, y.clone())];
        let world = || in_world(world(self.protocol, seed));
        check_in(&world(), plan, &program, &data, seed);
        if self.declared.is_none() {
            let data = [1, 2].map(|seed| elements(self.ring, all.len(), seed));
            check_in(&world(), plan, &program, &data, seed);
        }
        masks::check(&program, plan.side);
    }
}

const EVERY: Case = Case {
    protocol: Protocol::Beaver,
    ring: Ring::Z64,
    declared: None,
    from: 0,
    step: 1,
    signs: (true, true),
};

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for protocol in Protocol::ALL {
        cases.push(Case { protocol, ring: Ring::Z32, ..EVERY });
        cases.push(Case { protocol, step: 2, signs: (true, false), ..EVERY });
        // Of three lanes, and of four of which the last has one digit; no power is a lane's first bit.
        cases.push(Case { protocol, declared: Some(43), from: 3, step: 2, signs: (false, true), ..EVERY });
        cases.push(Case { protocol, declared: Some(50), from: 1, step: 5, ..EVERY });
        cases.push(Case { protocol, ring: Ring::Z32, declared: Some(19), ..EVERY });
    }
    cases
}

#[test]
fn numbers_around_every_power_are_told_apart() {
    cases().iter().for_each(|case| case.check(|world| world, PlanOptions::default()));
    EVERY.check(|world| world, PlanOptions { side: TileSide(64), ..PlanOptions::default() });
}

#[test]
fn numbers_around_powers_are_told_apart_on_gpus() {
    on_gpus(|_, in_devices| {
        let case = Case { step: 5, ..EVERY };
        case.check(in_devices, PlanOptions::default());
        Case { ring: Ring::Z32, ..case }.check(in_devices, PlanOptions::default());
    });
}

#[test]
fn a_pair_makes_what_powers_take() {
    let plan = PlanOptions { source: Some(Source::Pair), ..PlanOptions::default() };
    Case { ring: Ring::Z32, ..EVERY }.check(World::with_pair, plan);
}

/// Bytes and rounds of comparisons with the 31 powers of which functions of 64 bits look for one, by hand: of each lane of
/// 16 bits, of three that a borrow reaches and of 28 other powers 7 bits, of each power 6 in the second level and the answer.
#[test]
fn all_powers_share_their_lanes() {
    for protocol in Protocol::ALL {
        let case = Case { protocol, step: 2, signs: (true, false), ..EVERY };
        let program = case.program(640);
        let plans = Plans::new(protocol, &program, PlanOptions::default()).expect("a plan");
        let sent = plans.traffic.of(Role::party(0)).sent_bytes;
        assert_eq!(sent, 640 * 8 + (7 * (4 + 3 + 28) + 31 * (6 + 1)) * 640 / 8, "{protocol}");
        assert_eq!(plans.traffic.rounds, 4 + 1, "as one comparison, and the output");
        let bits = 233 + 22 * (4 + 3 + 28) + 31 * 15;
        assert_eq!(plans.demand.correction_bytes(), 640 * bits / 8 + 640 * 31 * 8, "table, monomials, bits");
    }
}

/// A few powers are compared with one by one, since that opens fewer bits.
#[test]
fn few_powers_share_nothing_but_the_opening() {
    let program = Case { step: 32, signs: (true, false), ..EVERY }.program(640);
    let plans = Plans::new(Protocol::Beaver, &program, PlanOptions::default()).expect("a plan");
    assert_eq!(plans.traffic.of(Role::party(0)).sent_bytes, 640 * 8 + 2 * 34 * 640 / 8);
}

#[test]
fn functions_without_a_range_equal_the_oracle() {
    let steps = ["a = sqrt(x)", "b = rsqrt(x)", "c = log(x)", "d = 1 / x", "e = y / x"];
    for (protocol, ring, fraction_bits) in
        Protocol::ALL.into_iter().flat_map(|protocol| [(protocol, Ring::Z64, 16), (protocol, Ring::Z32, 8)])
    {
        for truncation in [Truncation::Exact, Truncation::Stochastic] {
            let codec = FixedPoint::new(ring, fraction_bits).expect("a codec");
            let mut program = Program::new(protocol.parties(), codec).with_truncation(truncation);
            let inputs = [0, 1].map(|owner| {
                let name = format!("x{owner}");
                program.input(&name, PartyId(owner), Shape::new(3, 7), None).expect("an input")
            });
            let [x, y] = [program.add(inputs[0], inputs[1]), program.sub(inputs[0], inputs[1])];
            let mut names = Names::from(
                [("x", x), ("y", y)].map(|(name, value)| (name.to_owned(), value.expect("a sum"))),
            );
            for (number, step) in (1..).zip(steps) {
                let value = add_step(&mut program, &mut names, number, step).expect("a step");
                program.output(&step[..1], value, Parties::first(2)).expect("an output");
            }
            let data = [numbers(codec, 21, 100.0, 5), numbers(codec, 21, 0.3, 6)];
            println!("{protocol}, {ring:?}, {truncation:?}");
            check_in(&world(protocol, 9), PlanOptions::default(), &program, &data, 9);
        }
    }
}
