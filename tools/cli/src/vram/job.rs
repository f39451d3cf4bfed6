//! `vram JOB.toml`: a job by every protocol that has room for its parties.

use super::picture::{page, text};
use super::sweep::{Point, sweep};
use super::{Least, Planned, Planner, StreamedMemory, VramArguments, classes, id, named, ratio, side_of};
use crate::args::Shared;
use crate::failure::Failure;
use crate::output::{self, Document};
use crate::page::chart::{Bar, bars, short};
use crate::say;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use symbolon::plan::{Plain, PlanOptions, Supply};
use symbolon::program::Program;
use symbolon::protocol::Protocol;
use symbolon::ring::Elements;
use symbolon::session::World;
use symbolon::share::{Parties, Role};
use symbolon::step::{MemoryClass, Phase};
use symbolon_job::Job;

/// The answer as JSON.
#[derive(Serialize)]
pub struct VramJson {
    pub job: String,
    pub ring_bits: u32,
    /// The same computation in the clear.
    pub plain_bytes: u64,
    pub device: String,
    pub device_model: String,
    pub link: String,
    pub protocols: Vec<ProtocolJson>,
}

/// One protocol's figures.
#[derive(Serialize)]
pub struct ProtocolJson {
    pub protocol: String,
    pub tile_side: Option<usize>,
    pub parties: Vec<PartyJson>,
    /// The largest party's memory, in multiples of the plain one.
    pub factor: f64,
    pub offline_s: f64,
    pub online_s: f64,
    /// Correlations dealt ahead, or streamed.
    pub supply: Supply,
    /// The figures without a budget, with correlations streamed.
    pub streamed: StreamedMemory,
    /// The figures in the least memory that suffices.
    pub least: Least,
    pub ops: Vec<OpJson>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sweep: Vec<Point>,
    /// Bytes in use at each step of the largest party.
    #[serde(skip)]
    pub in_use: Vec<[u64; MemoryClass::ALL.len()]>,
    /// The step at which the online phase begins.
    #[serde(skip)]
    pub online_step: usize,
}

/// One party's memory.
#[derive(Serialize)]
pub struct PartyJson {
    pub id: String,
    pub planned_bytes: u64,
    pub planned_by_class: BTreeMap<String, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measured_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measured_by_class: Option<BTreeMap<String, u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measured_online_s: Option<f64>,
}

/// Memory that is in use while an op runs.
#[derive(Serialize)]
pub struct OpJson {
    pub op: String,
    pub plain_bytes: u64,
    pub private_bytes: u64,
    pub by_class: BTreeMap<String, u64>,
    #[serde(skip)]
    pub classes: [u64; MemoryClass::ALL.len()],
}

/// Prints a job's figures.
pub fn job(path: &Path, arguments: &VramArguments) -> Result<(), Failure> {
    let mut job = Job::read(path)?;
    let offers = job.offers(&say::notice)?;
    let planner = Planner::new(&arguments.shared)?;
    let own = job.protocol.parties();
    let mut json = VramJson {
        job: job.name.clone(),
        ring_bits: job.codec.ring().bits(),
        plain_bytes: Plain::new(&job.program(&offers)?).peak_bytes,
        device: crate::devices::device_line(&*arguments.shared.open_device()?),
        device_model: planner.model.name.clone(),
        link: planner.link.to_string(),
        protocols: Vec::new(),
    };
    for protocol in Protocol::ALL.into_iter().filter(|protocol| protocol.parties() >= own) {
        job.protocol = protocol;
        let program = job.program(&offers)?;
        json.protocols.push(protocol_json(&planner, protocol, &program, arguments)?);
    }
    if let Some(svg) = &arguments.svg {
        let drawn = bars(&all_bars(&json));
        crate::files::write(svg, drawn.as_bytes())?;
    }
    let mut text = text(&json);
    if let Some(folder) = &arguments.report {
        text += &format!("  report in {}\n", page(&json).write(folder)?.display());
    }
    output::print(arguments.shared.json, Document::Vram, &json, &text)
}

fn protocol_json(
    planner: &Planner,
    protocol: Protocol,
    program: &Program,
    arguments: &VramArguments,
) -> Result<ProtocolJson, Failure> {
    let plain = Plain::new(program);
    let planned = planner.plan(protocol, program, arguments.shared.budget)?;
    let least = planner.least(protocol, program)?;
    let streamed = planner.streamed(protocol, program)?;
    let mut parties: Vec<PartyJson> = planned
        .plans
        .parties
        .iter()
        .map(|plan| {
            let mut memory = plan.memory();
            if planner.staging_bytes > 0 {
                memory.insert(MemoryClass::Staging, planner.staging_bytes);
            }
            PartyJson {
                id: id(plan.role),
                planned_bytes: memory.values().sum(),
                planned_by_class: named(&memory),
                measured_bytes: None,
                measured_by_class: None,
                measured_online_s: None,
            }
        })
        .collect();
    if arguments.measure {
        measure(protocol, program, &planned, &arguments.shared, &mut parties)?;
    }
    let points = match arguments.budget_sweep {
        true => sweep(planner, protocol, program, &planned, &least)?,
        false => Vec::new(),
    };
    let plan = planned.largest();
    Ok(ProtocolJson {
        protocol: protocol.to_string(),
        tile_side: side_of(planned.side),
        parties,
        factor: ratio(planned.size_bytes(planner), plain.peak_bytes),
        offline_s: planned.predicted.offline.as_secs_f64(),
        online_s: planned.predicted.online.as_secs_f64(),
        supply: planned.plans.supply(),
        streamed: StreamedMemory::new(&streamed, planner, plain.peak_bytes),
        least: Least::new(&least, planner, plain.peak_bytes),
        ops: ops(program, &planned, &plain),
        sweep: points,
        in_use: plan.occupied().into_iter().map(|occupied| occupied.0).collect(),
        online_step: plan.steps_in(Phase::Offline),
    })
}

/// The most bytes in use while each op runs online, in the clear and at the largest party.
fn ops(program: &Program, planned: &Planned, plain: &Plain) -> Vec<OpJson> {
    let plan = planned.largest();
    let mut most: BTreeMap<u32, [u64; MemoryClass::ALL.len()]> = BTreeMap::new();
    for (step, occupied) in plan.steps.iter().zip(plan.occupied()) {
        if plan.supply == Supply::Streamed || step.step.phase != Phase::Offline {
            let most = most.entry(step.step.op.0).or_default();
            if occupied.total_bytes() > most.iter().sum() {
                *most = occupied.0;
            }
        }
    }
    let op = |(&op, &classes): (&u32, &[u64; MemoryClass::ALL.len()])| OpJson {
        op: program.values()[op as usize].label.clone(),
        plain_bytes: plain.by_op[op as usize],
        private_bytes: classes.iter().sum(),
        by_class: named(&MemoryClass::ALL.into_iter().zip(classes).collect()),
        classes,
    };
    let all = most.iter().map(op).filter(|op| op.plain_bytes > 0);
    // A product and its truncation are one op to the job's author: the larger figure stands for both.
    let mut ops: Vec<OpJson> = Vec::new();
    for op in all {
        match ops.last_mut() {
            Some(last) if last.op == op.op => {
                if op.private_bytes > last.private_bytes {
                    *last = op;
                }
            }
            _ => ops.push(op),
        }
    }
    ops
}

/// Runs the program in this process, each role on a device of its own, and returns the ledgers' peaks.
fn measure(
    protocol: Protocol,
    program: &Program,
    planned: &Planned,
    shared: &Shared,
    parties: &mut [PartyJson],
) -> Result<(), Failure> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = (cores / protocol.parties()).max(1) as u16;
    let own = Shared { threads: shared.threads.or(Some(threads)), ..shared.clone() };
    let plan = PlanOptions { side: planned.side, ..PlanOptions::default() };
    let options = symbolon::session::SessionOptions {
        tile_side: Some(plan.side),
        supply: Some(planned.plans.supply()),
        ..shared.session_options()
    };
    let mut world = World::new(protocol, own.open_device()?).with_options(options);
    for party in Parties::first(protocol.parties()).iter() {
        world = world.with_device(Role::Party(party), own.open_device()?);
    }
    // The values make no difference to memory or steps.
    let zeros = |input: &symbolon::program::Input| Elements::zeros(program.ring(), input.shape.len());
    let inputs: Vec<Elements> = program.inputs().iter().map(zeros).collect();
    let outcomes = world.run(program, &inputs).map_err(|error| Failure::Wrong(error.to_string()))?;
    for (party, outcome) in parties.iter_mut().zip(outcomes) {
        party.measured_bytes = Some(outcome.report.peak().total_bytes);
        party.measured_by_class = Some(named(&outcome.report.peak().by_class));
        party.measured_online_s = Some(outcome.report.online.as_secs_f64());
    }
    Ok(())
}

/// A bar for each protocol, and one for each of its ops.
pub fn all_bars(json: &VramJson) -> Vec<Bar> {
    let of = |protocol: &ProtocolJson| {
        let largest = protocol.parties.iter().max_by_key(|party| party.planned_bytes);
        let by_name = |class: MemoryClass| {
            largest.and_then(|party| party.planned_by_class.get(class.name())).copied().unwrap_or(0)
        };
        let memory = MemoryClass::ALL.into_iter().map(|class| (class, by_name(class))).collect();
        let whole = Bar {
            label: format!("{}, whole run", protocol.protocol),
            plain_bytes: json.plain_bytes,
            private: classes(&memory),
        };
        let ops = protocol.ops.iter().map(|op| Bar {
            label: format!("{}, {}", short(&op.op, 26), protocol.protocol),
            plain_bytes: op.plain_bytes,
            private: op.classes,
        });
        std::iter::once(whole).chain(ops).collect::<Vec<_>>()
    };
    json.protocols.iter().flat_map(of).collect()
}
