//! `vram`: the device memory of a private computation, next to the same computation in the clear.
//!
//! The figures are those of plans, which are exact; `--measure` also runs the job and shows it.

mod job;
mod layer;
mod network;
mod picture;
mod sweep;

use crate::args::{Shared, bytes};
use crate::failure::Failure;
use crate::page::chart::Classes;
use clap::Args;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use symbolon::net::LinkShape;
use symbolon::plan::{DeviceModel, Plan, PlanError, PlanOptions, Plans, Supply};
use symbolon::program::Program;
use symbolon::program::tiling::TileSide;
use symbolon::protocol::Protocol;
use symbolon::run::{Prediction, simulate};
use symbolon::session::{Spread, Surroundings, choose_side};
use symbolon::share::Role;
use symbolon::step::MemoryClass;

/// The arguments of `vram`.
#[derive(Args)]
pub struct VramArguments {
    /// The job's description
    #[arg(value_name = "JOB.toml", required_unless_present = "model", conflicts_with = "model")]
    job: Option<PathBuf>,
    /// A network's layers instead of a job: a file, lenet, vgg16, vgg16-cifar, resnet50,
    /// bert-base, gpt2 or decoder-7b
    #[arg(long, value_name = "NAME|FILE", verbatim_doc_comment)]
    model: Option<String>,
    /// How many items the network works on at once
    #[arg(long, value_name = "N", default_value_t = 1, requires = "model", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    batch: u32,
    /// The memory of the card that the network is to fit
    #[arg(long, value_name = "SIZE", default_value = "24GiB", requires = "model", value_parser = bytes)]
    memory: u64,
    /// Look for the largest batch that fits
    #[arg(long, requires = "model")]
    most: bool,
    /// Also run the job here, on zeros, and show what was measured
    #[arg(long, conflicts_with = "model")]
    measure: bool,
    /// Also plan for ever smaller budgets, and predict what each costs in time
    #[arg(long, conflicts_with = "model")]
    budget_sweep: bool,
    /// Write the chart of plain against private to this file
    #[arg(long, value_name = "FILE.svg")]
    svg: Option<PathBuf>,
    /// Write a page with tables and charts into this folder
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    #[command(flatten)]
    pub shared: Shared,
}

/// Prints the memory of a job or a network.
pub fn vram(arguments: &VramArguments) -> Result<(), Failure> {
    match (&arguments.job, &arguments.model) {
        (Some(job), _) => job::job(job, arguments),
        (None, Some(model)) => network::network(model, arguments),
        (None, None) => unreachable!("the command line has a job or a model"),
    }
}

/// The program, and the conditions under which it is planned.
struct Planner {
    model: DeviceModel,
    link: LinkShape,
    staging_bytes: u64,
    side: Option<TileSide>,
    supply: Option<Supply>,
}

/// The plans of one protocol within one budget.
struct Planned {
    side: TileSide,
    plans: Plans,
    predicted: Prediction,
}

impl Planner {
    fn new(shared: &Shared) -> Result<Planner, Failure> {
        let staging_bytes = shared.open_device()?.description().staging_bytes;
        let link = shared.link.unwrap_or(LinkShape::LAN);
        Ok(Planner {
            model: shared.model()?,
            link,
            staging_bytes,
            side: shared.tile_side(),
            supply: shared.supply(),
        })
    }

    /// Plans within a budget, with the tiles asked for or those that are predicted to be done first.
    fn plan(
        &self,
        protocol: Protocol,
        program: &Program,
        budget_bytes: Option<u64>,
    ) -> Result<Planned, PlanError> {
        let surroundings = Surroundings {
            models: self.model.as_ref(),
            spread: Spread::default(),
            link: self.link,
            budget_bytes,
            staging_bytes: self.staging_bytes,
        };
        let options = PlanOptions {
            supply: self.supply,
            budget_bytes: surroundings.buffers_bytes(),
            ..PlanOptions::default()
        };
        let (side, plans) = match self.side {
            Some(side) => (side, Plans::new(protocol, program, PlanOptions { side, ..options })?),
            None => choose_side(protocol, program, options, &surroundings)?,
        };
        plans.check_budget(self.staging_bytes, budget_bytes)?;
        let predicted = simulate(&plans, &self.model, self.link, symbolon::run::Overlap::On);
        Ok(Planned { side, plans, predicted })
    }

    /// Plans without a budget, with correlations streamed.
    fn streamed(&self, protocol: Protocol, program: &Program) -> Result<Planned, PlanError> {
        let supply = Some(Supply::Streamed);
        let planner = Planner { model: self.model.clone(), supply, ..*self };
        planner.plan(protocol, program, None)
    }

    /// Plans within the least memory that suffices.
    fn least(&self, protocol: Protocol, program: &Program) -> Result<Planned, PlanError> {
        match self.plan(protocol, program, Some(0)) {
            Err(PlanError::OverBudget { needed_bytes, .. }) => {
                self.plan(protocol, program, Some(needed_bytes))
            }
            planned => planned,
        }
    }
}

impl Planned {
    /// The party that needs most.
    fn largest(&self) -> &Plan {
        self.plans.parties.iter().max_by_key(|plan| plan.size_bytes()).expect("a protocol has parties")
    }

    /// The largest party's memory, with the device's own.
    fn size_bytes(&self, planner: &Planner) -> u64 {
        self.largest().size_bytes() + planner.staging_bytes
    }

    fn spilled_bytes(&self) -> u64 {
        self.plans.parties.iter().map(|plan| plan.spilled().spilled_bytes).max().unwrap_or(0)
    }
}

/// Memory by class, by name.
fn named(memory: &BTreeMap<MemoryClass, u64>) -> BTreeMap<String, u64> {
    let there = memory.iter().filter(|(_, bytes)| **bytes > 0);
    there.map(|(class, bytes)| (class.name().to_owned(), *bytes)).collect()
}

/// Memory by class, in the order of charts.
fn classes(memory: &BTreeMap<MemoryClass, u64>) -> Classes {
    MemoryClass::ALL.map(|class| memory.get(&class).copied().unwrap_or(0))
}

fn id(role: Role) -> String {
    match role {
        Role::Party(party) => party.0.to_string(),
        Role::Dealer => "dealer".to_owned(),
    }
}

/// The side of tiles, absent where matrices stay whole.
fn side_of(side: TileSide) -> Option<usize> {
    (side != TileSide::WHOLE).then_some(side.0)
}

fn tiles(side: Option<usize>) -> String {
    side.map_or_else(|| "whole".to_owned(), |side| side.to_string())
}

/// Memory without a budget, where correlations are streamed.
#[derive(Serialize)]
pub struct StreamedMemory {
    planned_bytes: u64,
    factor: f64,
    online_s: f64,
}

impl StreamedMemory {
    fn new(planned: &Planned, planner: &Planner, plain_bytes: u64) -> StreamedMemory {
        let planned_bytes = planned.size_bytes(planner);
        StreamedMemory {
            planned_bytes,
            factor: ratio(planned_bytes, plain_bytes),
            online_s: planned.predicted.online.as_secs_f64(),
        }
    }
}

/// Memory within the least budget that suffices.
#[derive(Serialize)]
pub struct Least {
    planned_bytes: u64,
    factor: f64,
    tile_side: Option<usize>,
    spilled_bytes: u64,
    offline_s: f64,
    online_s: f64,
}

impl Least {
    fn new(planned: &Planned, planner: &Planner, plain_bytes: u64) -> Least {
        let planned_bytes = planned.size_bytes(planner);
        Least {
            planned_bytes,
            factor: ratio(planned_bytes, plain_bytes),
            tile_side: side_of(planned.side),
            spilled_bytes: planned.spilled_bytes(),
            offline_s: planned.predicted.offline.as_secs_f64(),
            online_s: planned.predicted.online.as_secs_f64(),
        }
    }
}

fn ratio(private: u64, plain: u64) -> f64 {
    private as f64 / plain.max(1) as f64
}
