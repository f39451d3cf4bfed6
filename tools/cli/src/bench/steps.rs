//! `bench steps`: what the engine itself costs, with next to nothing to compute.
//!
//! *Executing*: two parties in this process run programs on matrices without elements, or with one, so that what a step
//! takes is the executor's, and where there are messages the links'. *Planning*: programs of so many steps on small
//! matrices, with the device memory that their plans take beside that of a tenth of the program. What values take is
//! that of the tiles that are live at once, and does not grow with the steps; what is dealt before the inputs are there
//! does, for all of it is used.

use super::{BenchOptions, engine};
use crate::failure::Failure;
use crate::output::{self, Document};
use crate::table::{Table, bytes};
use clap::Args;
use serde::Serialize;
use std::sync::Arc;
use std::time::Instant;
use symbolon::device::Device;
use symbolon::plan::{Plan, PlanOptions, PlannedStep, Plans};
use symbolon::program::{Input, Number, Program, ProgramError};
use symbolon::protocol::Protocol;
use symbolon::ring::{Elements, FixedPoint, Ring, Shape};
use symbolon::session::World;
use symbolon::share::{Parties, PartyId, Role};
use symbolon::step::{Action, Phase};

/// Each execution is repeated so often; the best counts, in which nothing else interfered.
const RUNS: usize = 5;

/// What to measure.
#[derive(Args)]
pub struct Options {
    /// How many steps the programs have
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(10..=50_000))]
    steps: u32,
}

/// The whole measurement as JSON.
#[derive(Serialize)]
struct StepsJson {
    device: String,
    executed: Vec<ExecutedJson>,
    planned: Vec<PlannedJson>,
}

/// What a step takes to execute.
#[derive(Serialize)]
struct ExecutedJson {
    program: &'static str,
    /// Of party 0's plan, online.
    steps: usize,
    messages: usize,
    online_s: f64,
    us_per_step: f64,
}

/// What a program takes to plan.
#[derive(Serialize)]
struct PlannedJson {
    program: &'static str,
    program_steps: u32,
    /// Of the plans of all roles.
    plan_steps: usize,
    plan_s: f64,
    us_per_plan_step: f64,
    /// Device memory of party 0.
    memory: MemoryJson,
    /// The same for a tenth of the program.
    memory_of_a_tenth: MemoryJson,
}

#[derive(Serialize)]
struct MemoryJson {
    /// For tiles of values and what is opened of them.
    live_bytes: u64,
    /// For what is dealt before.
    dealt_bytes: u64,
}

impl MemoryJson {
    fn of(plan: &Plan) -> MemoryJson {
        let mut dealt = vec![false; plan.slots.len()];
        for planned in plan.steps.iter().filter(|planned| planned.step.phase == Phase::Offline) {
            planned.step.action.visit(|matrix, _| dealt[plan.slot_of(matrix.buffer)] = true);
        }
        let bytes = |is_dealt: bool| {
            let slots = plan.slots.iter().zip(&dealt).filter(|(_, dealt)| **dealt == is_dealt);
            slots.map(|(slot, _)| slot.size_bytes).sum()
        };
        MemoryJson { live_bytes: bytes(false), dealt_bytes: bytes(true) }
    }
}

/// Measures and prints.
pub fn steps(options: &Options, common: &BenchOptions) -> Result<(), Failure> {
    let devices = [engine::of_party(common)?, engine::of_party(common)?, engine::of_party(common)?];
    let count = options.steps;
    let executed = vec![
        execute("empty kernels", &kernels(count)?, &devices)?,
        execute("products of one element", &products(count / 10)?, &devices)?,
    ];
    let planned = vec![
        plan("integers: products and sums", count, |count| chain(count, 0))?,
        plan("fixed point: the same, truncated", count, |count| chain(count, 16))?,
    ];
    let json = StepsJson { device: devices[0].description().name.clone(), executed, planned };
    output::print(common.json, Document::Bench, &json, &text(&json))
}

fn execute(
    name: &'static str,
    program: &Program,
    devices: &[Arc<dyn Device>; 3],
) -> Result<ExecutedJson, Failure> {
    let world = World::new(Protocol::Beaver, devices[0].clone())
        .with_device(Role::party(1), devices[1].clone())
        .with_device(Role::Dealer, devices[2].clone())
        .with_plan(PlanOptions::default());
    let input = |input: &Input| Elements::zeros(program.ring(), input.shape.len());
    let batch: Vec<Elements> = program.inputs().iter().map(input).collect();
    let outcomes = world.run_batches(program, &vec![batch; RUNS]);
    let outcomes = outcomes.map_err(|error| Failure::Wrong(error.to_string()))?;
    let times = outcomes[0].iter().map(|outcome| outcome.report.online.as_secs_f64());
    let plan = &outcomes[0][0].plans.parties[0];
    let steps = plan.steps_in(Phase::Online);
    let is_message = |planned: &&PlannedStep| match planned.step.action {
        Action::Send { peer, .. } | Action::Receive { peer, .. } => peer != Role::Dealer,
        _ => false,
    };
    let online_s = times.fold(f64::INFINITY, f64::min);
    Ok(ExecutedJson {
        program: name,
        steps,
        messages: plan.steps.iter().filter(is_message).count(),
        online_s,
        us_per_step: online_s / steps as f64 * 1e6,
    })
}

fn plan(
    name: &'static str,
    count: u32,
    program: impl Fn(u32) -> Result<Program, ProgramError>,
) -> Result<PlannedJson, Failure> {
    let plans = |program: &Program| Plans::new(Protocol::Beaver, program, PlanOptions::default());
    let (large, small) = (program(count)?, program(count / 10)?);
    let begin = Instant::now();
    let planned = plans(&large)?;
    let plan_s = begin.elapsed().as_secs_f64();
    let plan_steps = planned.parties.iter().chain(&planned.dealer).map(|plan| plan.steps.len()).sum();
    Ok(PlannedJson {
        program: name,
        program_steps: count,
        plan_steps,
        plan_s,
        us_per_plan_step: plan_s / plan_steps as f64 * 1e6,
        memory: MemoryJson::of(&planned.parties[0]),
        memory_of_a_tenth: MemoryJson::of(&plans(&small)?.parties[0]),
    })
}

fn empty_program(fraction_bits: u32) -> Program {
    Program::new(2, FixedPoint::new(Ring::Z64, fraction_bits).expect("a codec"))
}

/// `count` local steps of party 0 on matrices without elements.
fn kernels(count: u32) -> Result<Program, ProgramError> {
    let mut program = empty_program(0);
    let mut value = program.input("x", PartyId(0), Shape::new(1, 0), None)?;
    for _ in 0..count {
        value = program.add_constant(value, Number::Integer(1))?;
    }
    program.output("x", value, Parties::from_iter([PartyId(0)]))?;
    Ok(program)
}

/// `count` products, each of an element of either party, none of which depends on another.
fn products(count: u32) -> Result<Program, ProgramError> {
    let mut program = empty_program(0);
    let mut total = None;
    for index in 0..count {
        let x = program.input(&format!("x{index}"), PartyId(0), Shape::SCALAR, None)?;
        let y = program.input(&format!("y{index}"), PartyId(1), Shape::SCALAR, None)?;
        let product = program.mul(x, y)?;
        total = Some(match total {
            None => product,
            Some(total) => program.add(total, product)?,
        });
    }
    let total = total.expect("at least one product");
    program.output("total", total, Parties::from_iter([PartyId(0)]))?;
    Ok(program)
}

/// `count` steps, each on the result of the one before: products of shared matrices, and sums.
fn chain(count: u32, fraction_bits: u32) -> Result<Program, ProgramError> {
    let mut program = empty_program(fraction_bits);
    let shape = Shape::new(4, 4);
    let x = program.input("x", PartyId(0), shape, None)?;
    let y = program.input("y", PartyId(1), shape, None)?;
    let mut value = program.add(x, y)?;
    for index in 1..count {
        value = if index % 2 == 0 { program.add(value, y)? } else { program.mul(value, x)? };
    }
    program.output("z", value, Parties::from_iter([PartyId(0)]))?;
    Ok(program)
}

fn text(json: &StepsJson) -> String {
    let mut executed = Table::new(["executed", "steps", "messages", "online s", "µs a step"]);
    for row in &json.executed {
        executed.row([
            row.program.to_owned(),
            row.steps.to_string(),
            row.messages.to_string(),
            format!("{:.4}", row.online_s),
            format!("{:.2}", row.us_per_step),
        ]);
    }
    let mut planned = Table::new([
        "planned",
        "program steps",
        "plan steps",
        "s",
        "µs a plan step",
        "live bytes",
        "of a tenth",
        "dealt bytes",
        "of a tenth",
    ]);
    for row in &json.planned {
        planned.row([
            row.program.to_owned(),
            row.program_steps.to_string(),
            row.plan_steps.to_string(),
            format!("{:.3}", row.plan_s),
            format!("{:.2}", row.us_per_plan_step),
            bytes(row.memory.live_bytes),
            bytes(row.memory_of_a_tenth.live_bytes),
            bytes(row.memory.dealt_bytes),
            bytes(row.memory_of_a_tenth.dealt_bytes),
        ]);
    }
    format!("{}\n{}{}", json.device, executed.render(), planned.render())
}
