//! Runs in less memory than their values take: the same results, in what was promised.

use super::recipe::recipe;
use super::{elements, product, protocol_of, world};
use crate::device::cpu::Cpu;
use crate::device::{Arrived, Buffer, Description, Device, DeviceError, DeviceKernel, Ledger};
use crate::net::LinkShape;
use crate::plan::{DeviceModel, PlanError, PlanOptions, Plans};
use crate::program::Program;
use crate::program::expression::{Names, add_step};
use crate::program::tiling::TileSide;
use crate::protocol::Protocol;
use crate::ring::{Elements, FixedPoint, Ring, Shape};
use crate::run::{Overlap, simulate};
use crate::session::{SessionError, SessionOutcome};
use crate::share::{Parties, PartyId, Role};
use crate::step::MemoryClass;
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

fn plans(program: &Program, options: PlanOptions) -> Plans {
    Plans::new(protocol_of(program), program, options).expect("a plan")
}

/// The bytes that every role can do with, with these tiles.
pub(super) fn least_bytes(program: &Program, options: PlanOptions) -> u64 {
    let plans = plans(program, PlanOptions { budget_bytes: Some(0), ..options });
    plans.roles().map(|plan| plan.size_bytes()).max().expect("there are roles")
}

fn run(program: &Program, inputs: &[Elements], options: PlanOptions, seed: u64) -> Vec<SessionOutcome> {
    world(protocol_of(program), seed).with_plan(options).run(program, inputs).expect("a run without faults")
}

/// Runs the program with and without a budget, and returns the bytes that were spilled within it.
fn check(program: &Program, inputs: &[Elements], options: PlanOptions, budget_bytes: u64, seed: u64) -> u64 {
    let within = PlanOptions { budget_bytes: Some(budget_bytes), ..options };
    let unbound = run(program, inputs, options, seed);
    let bound = run(program, inputs, within, seed);
    let mut spilled_bytes = 0;
    for (unbound, bound) in unbound.iter().zip(&bound) {
        let role = bound.report.role;
        assert_eq!(unbound.outputs, bound.outputs, "the result of {role} in core; seed {seed}");
        assert_eq!(bound.report.peak().by_class, bound.report.planned(), "memory of {role} against its plan");
        let peak_bytes = bound.report.peak().total_bytes;
        assert!(peak_bytes <= budget_bytes, "{role} took {peak_bytes} of {budget_bytes} bytes");
        assert_eq!(unbound.report.tally.sent_bytes, bound.report.tally.sent_bytes, "what {role} sends");
        assert_eq!(unbound.report.tally.rounds, bound.report.tally.rounds, "the rounds of {role}");
        let digests = [unbound, bound].map(|outcome| outcome.plans.agreement.digest);
        assert_eq!(digests[0], digests[1], "the same steps, whatever the budget");
        spilled_bytes += bound.plans.of(role).spilled().spilled_bytes;
    }
    spilled_bytes
}

#[test]
fn inputs_of_eight_times_the_budget_give_the_same_product() {
    for protocol in Protocol::ALL {
        let program = product(protocol, Ring::Z64, 0, (160, 160, 160));
        let inputs = [1, 2].map(|seed| elements(Ring::Z64, 160 * 160, seed));
        let options = PlanOptions { side: TileSide(16), ..PlanOptions::default() };
        let budget_bytes = inputs.iter().map(|input| input.len() as u64 * 8).sum::<u64>() / 8;
        let spilled_bytes = check(&program, &inputs, options, budget_bytes, 7);
        assert!(spilled_bytes > 0, "what {protocol} opened or shared waits on the host");
    }
}

#[test]
fn one_byte_less_than_the_least_is_refused() {
    let protocol = Protocol::Replicated;
    let program = product(protocol, Ring::Z64, 10, (24, 40, 16));
    let inputs = [(24 * 40, 1), (40 * 16, 2)].map(|(len, seed)| elements(Ring::Z64, len, seed));
    let options = PlanOptions { side: TileSide(8), ..PlanOptions::default() };
    let least_bytes = least_bytes(&program, options);
    check(&program, &inputs, options, least_bytes, 3);
    let less = PlanOptions { budget_bytes: Some(least_bytes - 1), ..options };
    let error = world(protocol, 3).with_plan(less).run(&program, &inputs).expect_err("too little");
    let refusal = error.failures.iter().find_map(|(_, error)| match error {
        SessionError::Plan(PlanError::OverBudget { needed_bytes, .. }) => Some(*needed_bytes),
        _ => None,
    });
    assert_eq!(refusal, Some(least_bytes), "{error}");
}

/// A device that has nothing to do but a spill gets the reload that waits for it, and works on.
#[test]
fn a_reload_that_waits_for_its_spill_begins_once() {
    let mut program = Program::new(2, FixedPoint::new(Ring::Z64, 0).expect("integers"));
    let inputs = [("x0", 1, Shape::new(5, 3)), ("x2", 0, Shape::new(3, 1))];
    let inputs = inputs.map(|(name, owner, shape)| {
        (name.to_owned(), program.input(name, PartyId(owner), shape, None).expect("an input"))
    });
    let mut names = Names::from(inputs);
    let steps = [
        "v0 = x0 * x0",
        "v1 = one_hot(v0, 5)[0]",
        "v2 = clip(v1, 0, 1)",
        "v8 = concat(v0, v0, v0, axis=0) @ x2",
        "o10 = one_hot(v0, 5)",
    ];
    for (number, step) in (1..).zip(steps) {
        add_step(&mut program, &mut names, number, step).expect("a step");
    }
    for name in ["o10", "v2", "v8"] {
        program.output(name, names[name], Parties::first(1)).expect("an output");
    }
    let data = [15, 3].map(|len| Elements::Z64((0..len).map(|value| value % 3).collect()));
    for side in [usize::MAX, 8, 4] {
        let options = PlanOptions { side: TileSide(side), ..PlanOptions::default() };
        let least_bytes = least_bytes(&program, options);
        for budget_bytes in (0..8).map(|more| least_bytes + 16 * more) {
            let plans = plans(&program, PlanOptions { budget_bytes: Some(budget_bytes), ..options });
            for overlap in [Overlap::On, Overlap::Off] {
                simulate(&plans, &DeviceModel::typical(), LinkShape::LAN, overlap);
            }
        }
        check(&program, &data, options, least_bytes, 9);
    }
}

#[test]
fn parties_with_different_budgets_agree() {
    let program = product(Protocol::Beaver, Ring::Z64, 10, (64, 64, 64));
    let options = PlanOptions { side: TileSide(16), ..PlanOptions::default() };
    let [rich, poor] = [None, Some(least_bytes(&program, options))]
        .map(|budget_bytes| plans(&program, PlanOptions { budget_bytes, ..options }).agreement.digest);
    assert_eq!(rich, poor);
}

/// A device whose driver has no memory left after some allocations, as [`crate::device::Ledger`] cannot know.
struct Exhausted {
    device: Cpu,
    allocations: AtomicU32,
}

impl Device for Exhausted {
    fn description(&self) -> &Description {
        self.device.description()
    }
    fn ledger(&self) -> &Ledger {
        self.device.ledger()
    }
    fn allocate(&self, size_bytes: u64, class: MemoryClass) -> Result<Buffer, DeviceError> {
        if self.allocations.fetch_add(1, Ordering::Relaxed) < 3 {
            return self.device.allocate(size_bytes, class);
        }
        let live_bytes = self.ledger().live().total_bytes;
        Err(DeviceError::OutOfMemory { device: "a small card".into(), size_bytes, class, live_bytes })
    }
    fn upload(&self, to: &Buffer, offset_bytes: u64, bytes: &[u8]) -> Result<(), DeviceError> {
        self.device.upload(to, offset_bytes, bytes)
    }
    fn read(&self, from: &Buffer, size_bytes: u64, arrived: Arrived) -> Result<(), DeviceError> {
        self.device.read(from, size_bytes, arrived)
    }
    fn run(&self, ring: Ring, kernel: &DeviceKernel<'_>) -> Result<(), DeviceError> {
        self.device.run(ring, kernel)
    }
    fn flush(&self) -> Result<(), DeviceError> {
        self.device.flush()
    }
    fn synchronise(&self) -> Result<(), DeviceError> {
        self.device.synchronise()
    }
    fn wipe(&self) -> Result<(), DeviceError> {
        self.device.wipe()
    }
    fn busy(&self) -> Duration {
        self.device.busy()
    }
}

#[test]
fn a_driver_without_memory_ends_the_run_with_the_account_of_what_was_asked_and_held() {
    let program = product(Protocol::Beaver, Ring::Z64, 0, (24, 40, 16));
    let inputs = [(24 * 40, 1), (40 * 16, 2)].map(|(len, seed)| elements(Ring::Z64, len, seed));
    let device = Cpu::open(Some(1), None).expect("the CPU device opens");
    let small = Arc::new(Exhausted { device, allocations: AtomicU32::new(0) });
    let world = world(Protocol::Beaver, 5).with_device(Role::party(0), small.clone());
    let error = world.run(&program, &inputs).expect_err("no memory");
    let own = error.failures.iter().find(|(role, _)| *role == Role::party(0)).expect("party 0 failed");
    let text = own.1.to_string();
    assert!(text.contains("a small card has no memory for"), "{text}");
    assert!(text.contains("the plan takes") && text.contains("held then: "), "{text}");
    assert_eq!(small.ledger().live().total_bytes, 0, "what was allocated is given back");
    // By party 0 itself, or by the dealer, which knows no more than that.
    let told = error.failures.iter().any(|(role, error)| {
        let words = error.to_string();
        let is_told = words.contains("a small card has no memory") || words.contains("its device has failed");
        *role == Role::party(1) && is_told
    });
    assert!(told, "its peer is told why: {error}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn any_program_runs_in_the_least_memory(recipe in recipe(), more in 0..3u64) {
        let program = recipe.program();
        let budget_bytes = least_bytes(&program, recipe.plan) * (4 + more) / 4;
        check(&program, &recipe.data(&program), recipe.plan, budget_bytes, recipe.seed);
    }

    /// The simulation asserts that every step passes.
    #[test]
    fn any_program_ends_in_the_least_memory(recipe in recipe(), mbit in 1..100_000u64) {
        let program = recipe.program();
        let budget_bytes = Some(least_bytes(&program, recipe.plan));
        let plans = plans(&program, PlanOptions { budget_bytes, ..recipe.plan });
        let link = LinkShape::new(mbit * 1_000_000, Duration::from_micros(200)).expect("a link");
        for overlap in [Overlap::On, Overlap::Off] {
            simulate(&plans, &DeviceModel::typical(), link, overlap);
        }
        for plan in plans.roles() {
            prop_assert!(Some(plan.size_bytes()) <= budget_bytes, "{}", plan.role);
        }
    }
}
