//! Roles that compute on several devices each: the same results, messages and rounds, and every device as its plan says.

use super::equivalence::check_run;
use super::recipe::recipe;
use super::{elements, gpus, nonlinear, product, protocol_of, world};
use crate::device::Device;
use crate::device::cpu::Cpu;
use crate::net::LinkShape;
use crate::plan::{DeviceModel, PlanOptions, Plans};
use crate::program::Program;
use crate::program::tiling::TileSide;
use crate::protocol::Protocol;
use crate::ring::{Elements, FixedPoint, Ring, Shape};
use crate::run::{Overlap, TraceLane, simulate};
use crate::session::{Devices, SessionOptions, SessionOutcome, Spread, Surroundings, World, choose_side};
use crate::share::{Parties, PartyId, Role};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

fn cpu() -> Arc<dyn Device> {
    Arc::new(Cpu::open(Some(1), None).expect("the CPU device opens"))
}

/// One to three devices whose models draw work here and there, by no rule that a placement could count on.
pub(super) fn models(seed: u64) -> Vec<DeviceModel> {
    let mut draws = elements(Ring::Z64, 32, seed).to_u64().into_iter();
    let mut draw = |of: u64| draws.next().expect("enough draws") % of;
    let count = 1 + draw(3);
    let mut rate = || [1e5, 1e7, 1e9][draw(3) as usize];
    (0..count)
        .map(|_| DeviceModel {
            gemm_z32_per_s: rate(),
            gemm_z64_per_s: rate(),
            elementwise_bytes_per_s: rate(),
            fill_bytes_per_s: rate(),
            upload_bytes_per_s: rate(),
            download_bytes_per_s: rate(),
            ..DeviceModel::typical()
        })
        .collect()
}

/// A world in which every role has devices of its own, and uses all of them.
pub(super) fn spread(protocol: Protocol, seed: u64) -> World {
    let place = |world: World, (role, seed)| {
        let devices = models(seed).into_iter().map(|model| (cpu(), model)).collect();
        world.with_devices(role, Devices::new(devices).with_spread(Spread::Always))
    };
    protocol.roles(protocol.default_source()).into_iter().zip(seed..).fold(world(protocol, seed), place)
}

/// Every device held at most what its part of the plan says.
fn check_devices(outcomes: &[&SessionOutcome]) {
    for outcome in outcomes {
        let role = outcome.report.role;
        for (number, device) in outcome.report.devices.iter().enumerate() {
            assert_eq!(device.peak.by_class, device.planned, "memory of {role}'s device {number}");
        }
        let placed: usize = outcome.report.devices.iter().map(|device| device.steps).sum();
        assert_eq!(placed, outcome.plans.of(role).steps.len(), "every step of {role} is some device's");
    }
}

/// Runs a program where every role has several devices, against the oracle and the plan of one device.
fn check(program: &Program, inputs: &[Elements], plan: PlanOptions, seed: u64) {
    let protocol = protocol_of(program);
    let outcomes = spread(protocol, seed).with_plan(plan).run(program, inputs).expect("a run without faults");
    let outcomes: Vec<&SessionOutcome> = outcomes.iter().collect();
    let one = Plans::new(protocol, program, plan).expect("a plan");
    check_run(&one, program, inputs, &outcomes, seed);
    check_devices(&outcomes);
    assert!(outcomes.iter().all(|outcome| outcome.plans.agreement == one.agreement), "nobody need know");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn any_program_equals_the_oracle_on_several_devices(recipe in recipe()) {
        let program = recipe.program();
        check(&program, &recipe.data(&program), recipe.plan, recipe.seed);
    }

    #[test]
    fn any_nonlinear_program_equals_the_oracle_on_several_devices(recipe in nonlinear::recipe()) {
        let program = recipe.program();
        check(&program, &recipe.data(&program), recipe.plan, recipe.seed);
    }

    #[test]
    fn every_batch_equals_the_oracle_on_several_devices(recipe in recipe()) {
        let program = recipe.program();
        let batches: Vec<Vec<Elements>> = (0..3).map(|batch| recipe.batch(&program, batch)).collect();
        let world = spread(recipe.protocol, recipe.seed).with_plan(recipe.plan);
        let outcomes = world.run_batches(&program, &batches).expect("runs without faults");
        let one = Plans::new(recipe.protocol, &program, recipe.plan).expect("a plan");
        for (run, batch) in batches.iter().enumerate() {
            let outcomes: Vec<&SessionOutcome> = outcomes.iter().map(|runs| &runs[run]).collect();
            let one = one.again.as_deref().filter(|_| run > 0).unwrap_or(&one);
            check_run(one, &program, batch, &outcomes, recipe.seed);
            check_devices(&outcomes);
        }
    }

    /// Each device within the budget that the fullest one can do with.
    #[test]
    fn any_program_runs_in_the_least_memory_of_several_devices(recipe in recipe(), more in 0..3u64) {
        let program = recipe.program();
        // With less memory one device may want correlations streamed where several do not.
        let plan = PlanOptions { supply: Some(recipe.plan.supply.unwrap_or_default()), ..recipe.plan };
        // Of all roles' sets of devices the one that needs most.
        let least = |devices: Vec<DeviceModel>| {
            let options = PlanOptions { budget_bytes: Some(0), ..plan };
            let plans = Plans::on(&devices, recipe.protocol, &program, options).expect("a plan");
            plans.roles().map(|plan| plan.fullest_bytes()).max().expect("there are roles")
        };
        let roles = recipe.protocol.roles(recipe.protocol.default_source()).len() as u64;
        let least_bytes = (0..roles).map(|role| least(models(recipe.seed.wrapping_add(role)))).max();
        let budget_bytes = Some(least_bytes.expect("there are roles") * (4 + more) / 4);
        check(&program, &recipe.data(&program), PlanOptions { budget_bytes, ..plan }, recipe.seed);
    }

    /// The simulation asserts that every step passes: nothing waits for ever, whatever is placed where.
    #[test]
    fn any_program_ends_on_several_devices(recipe in recipe(), mbit in 1..100_000u64, seed: u64) {
        let models = models(seed);
        let plans = Plans::on(&models, recipe.protocol, &recipe.program(), recipe.plan).expect("a plan");
        let link = LinkShape::new(mbit * 1_000_000, Duration::from_micros(200)).expect("a link");
        for overlap in [Overlap::On, Overlap::Off] {
            let prediction = simulate(&plans, &models, link, overlap);
            prop_assert!(prediction.busiest() <= prediction.online, "{prediction:?}");
        }
    }
}

fn tiled(side: usize) -> PlanOptions {
    PlanOptions { side: TileSide(side), ..PlanOptions::default() }
}

fn surroundings(models: &[DeviceModel]) -> Surroundings<'_> {
    let link = LinkShape::new(100_000_000_000, Duration::from_micros(1)).expect("a link");
    Surroundings { models, spread: Spread::default(), link, budget_bytes: None, staging_bytes: 0 }
}

#[test]
fn two_devices_divide_the_rows_of_a_product() {
    for protocol in Protocol::ALL {
        let program = product(protocol, Ring::Z64, 0, (256, 256, 256));
        let typical = vec![DeviceModel::typical(); 2];
        let plans = Plans::on(&typical, protocol, &program, tiled(64)).expect("a plan");
        let one = Plans::new(protocol, &program, tiled(64)).expect("a plan");
        let link = surroundings(&typical).link;
        let time = |plans| simulate(plans, &typical, link, Overlap::On).online.as_secs_f64();
        let share = time(&plans) / time(&one);
        assert!(share < 0.65, "{protocol}: two devices take {share:.2} of the time of one");
        let products = |device| {
            let steps = plans.parties[1].steps.iter().filter(|planned| planned.device == device);
            steps.filter(|planned| planned.step.action.name() == "gemm").count()
        };
        assert_eq!(products(0), products(1), "{protocol}: each multiplies two of the four rows of tiles");
        let inputs = [1, 2].map(|seed| elements(Ring::Z64, 256 * 256, seed));
        check(&program, &inputs, tiled(64), 3);
    }
}

#[test]
fn work_is_divided_as_devices_can_do_it() {
    let program = product(Protocol::Beaver, Ring::Z64, 0, (512, 256, 256));
    let fast = DeviceModel { gemm_z64_per_s: 24e9, ..DeviceModel::typical() };
    let plans = Plans::on(&[DeviceModel::typical(), fast], Protocol::Beaver, &program, tiled(64));
    let plan = &plans.expect("a plan").parties[0];
    let products = |device| {
        let steps = plan.steps.iter().filter(|planned| planned.device == device);
        steps.filter(|planned| planned.step.action.name() == "gemm").count()
    };
    assert!(products(1) > products(0), "the fast device multiplies {} of {}", products(1), products(0));
    assert!(products(0) > 0, "and the slow one helps");
}

#[test]
fn the_first_device_works_alone_where_others_do_not_help() {
    let typical = vec![DeviceModel::typical(); 2];
    for (side, devices) in [(16, 1), (1024, 2)] {
        let program = product(Protocol::Beaver, Ring::Z64, 0, (side, side, side));
        let around = surroundings(&typical);
        let options = PlanOptions::default();
        let (_, plans) = choose_side(Protocol::Beaver, &program, options, &around).expect("a plan");
        assert_eq!(plans.parties[0].device_count(), devices, "a product of side {side}");
    }
}

/// A product and a ReLU of its few results: many small kernels, which a GPU takes long to be handed.
fn layer() -> (Program, Vec<Elements>) {
    let mut program = Program::new(2, FixedPoint::new(Ring::Z64, 0).expect("integers"));
    let x = program.input("x", PartyId(0), Shape::new(64, 512), None).expect("x");
    let w = program.input("w", PartyId(1), Shape::new(512, 8), None).expect("w");
    let z = program.matmul(x, w).expect("a product");
    let h = program.relu(z).expect("a relu");
    program.output("h", h, Parties::first(2)).expect("an output");
    let small = |len, seed| {
        let drawn = elements(Ring::Z64, len, seed).to_u64().into_iter();
        Elements::Z64(drawn.map(|x| (x % 1000).wrapping_sub(500)).collect())
    };
    (program, vec![small(64 * 512, 1), small(512 * 8, 2)])
}

#[test]
fn narrow_ops_go_to_the_processor_and_products_to_the_gpu() {
    let (program, inputs) = layer();
    let gpu = DeviceModel { gemm_z64_per_s: 500e9, step_s: 30e-6, ..DeviceModel::typical() };
    let cpu_model = DeviceModel { gemm_z64_per_s: 1e8, ..DeviceModel::typical() };
    let models = [gpu, cpu_model];
    let plans = Plans::on(&models, Protocol::Beaver, &program, PlanOptions::default()).expect("a plan");
    let is_on = |device: u8, kernel: &str| {
        let named = |planned: &&crate::plan::PlannedStep| planned.step.action.name() == kernel;
        plans.parties[0].steps.iter().filter(named).all(|planned| planned.device == device)
    };
    assert!(is_on(0, "gemm"), "products stay on the GPU");
    assert!(is_on(1, "lookup_shares") && is_on(1, "and_tree"), "comparisons run on the processor");
    let (_, chosen) = choose_side(Protocol::Beaver, &program, PlanOptions::default(), &surroundings(&models))
        .expect("a plan");
    assert_eq!(chosen.parties[0].device_count(), 2, "that is predicted to be worth it");
    // Two processors stand in for the pair; the lanes of both are in the trace.
    let traced = SessionOptions { trace: true, ..SessionOptions::default() };
    let devices = || Devices::new(models.iter().map(|model| (cpu(), model.clone())).collect());
    let world = world(Protocol::Beaver, 4)
        .with_options(traced)
        .with_devices(Role::party(0), devices().with_spread(Spread::Always));
    let outcomes = world.run(&program, &inputs).expect("a run without faults");
    let lanes = |party: usize, kernel: &str| -> Vec<TraceLane> {
        let spans = &outcomes[party].report.trace.as_ref().expect("a trace").spans;
        spans.iter().filter(|span| span.name == kernel).map(|span| span.lane).collect()
    };
    assert!(lanes(0, "and_tree").iter().all(|&lane| lane == TraceLane::Device(1)));
    assert!(lanes(0, "gemm").iter().all(|&lane| lane == TraceLane::Device(0)));
    assert!(lanes(1, "and_tree").iter().all(|&lane| lane == TraceLane::Device(0)), "its peer has one device");
    assert_eq!(outcomes[0].outputs, outcomes[1].outputs);
}

/// The processor and every adapter that there is, at the same work.
#[test]
fn a_processor_and_an_adapter_work_on_one_program() {
    if gpus().is_empty() {
        eprintln!("no GPU adapter was found: nothing is divided between a processor and a GPU");
    }
    for gpu in gpus() {
        let name = &gpu.description().name;
        for protocol in Protocol::ALL {
            let typical = DeviceModel::typical();
            let devices = Devices::new(vec![(gpu.clone(), typical.clone()), (cpu(), typical)]);
            let program = product(protocol, Ring::Z64, 8, (96, 40, 24));
            let inputs = [(96 * 40, 1), (40 * 24, 2)]
                .map(|(len, seed)| super::numbers(program.codec(), len, 2.0, seed));
            let world = world(protocol, 6)
                .with_plan(tiled(16))
                .with_devices(Role::party(0), devices.with_spread(Spread::Always));
            let outcomes = world.run(&program, &inputs).expect("a run without faults");
            let used = &outcomes[0].report.devices;
            assert!(used.iter().all(|device| device.steps > 0), "both have work on {name}");
            let one = Plans::new(protocol, &program, tiled(16)).expect("a plan");
            check_run(&one, &program, &inputs, &outcomes.iter().collect::<Vec<_>>(), 6);
        }
    }
}
