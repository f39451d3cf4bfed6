//! `bench rounds`: what a round costs beside its arithmetic, by cause, and what the device's lane has its driver do for it.
//!
//! Three programs run between two parties and a dealer in this process: a chain of products of few elements, each of which
//! waits for the one before; the demo; and a product whose messages are long. Roles send over pipes in memory, so that a
//! round is everything of one over loopback but TLS and TCP. They run on the CPU device and on a Vulkan adapter, a real one
//! if there is one: opened by each role for itself, and opened once for all roles, whose sessions then share it.
//!
//! Runs are not announced: what a run that follows another does offline may reach its device while its online phase has begun,
//! and would count as part of it. The counters of a party's online phase are held against [`Count`]'s table, for each *exchange*: a transmission of the
//! party, or the reading of its results. They depend on the plan and not on how fast the device is. A counter that exceeds
//! the table fails the command.

use super::BenchOptions;
use crate::demo;
use crate::failure::Failure;
use crate::output::{self, Document};
use crate::table::Table;
use clap::Args;
use serde::Serialize;
use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;
use symbolon::device::counters::Allowance;
use symbolon::device::gpu::{Adapter, Gpu, GpuOptions, adapters};
use symbolon::device::select::{self, DeviceChoice, DeviceOptions};
use symbolon::device::{Count, Counters, Device};
use symbolon::plan::PlanOptions;
use symbolon::program::{Input, Program};
use symbolon::protocol::Protocol;
use symbolon::ring::{Elements, FixedPoint, Ring, Shape};
use symbolon::run::{RunReport, TraceLane};
use symbolon::session::{SessionOptions, World};
use symbolon::share::{Parties, PartyId, Role};

/// The programs with small and with long messages.
const CHAIN: &str = "chain of small products";
const LONG_MESSAGES: &str = "one product with long messages";

/// How often the threads of a party may be woken for each exchange. It depends on how long kernels take: the coordinator is
/// told every tenth of a millisecond what is done.
const MOST_WAKE_UPS: f64 = 4.0;

/// Microseconds that a round may take on the CPU device, if that is asked for.
const MOST_CPU_ROUND_US: f64 = 100.0;

/// The side of the product with long messages.
const LONG: usize = 256;

/// What to measure.
#[derive(Args)]
pub struct Options {
    /// Rounds of the chain
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    rounds: u32,
    /// Runs of each program: the first warms up, and the best of the others counts
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(2..=100))]
    runs: u16,
    /// Fail also where threads wake too often, or a CPU round of the chain takes over 0.1 ms
    #[arg(long)]
    clock: bool,
}

/// The whole measurement as JSON.
#[derive(Serialize)]
struct RoundsJson {
    runs: Vec<RunJson>,
    excesses: Vec<String>,
}

/// One program on one device.
#[derive(Serialize)]
struct RunJson {
    device: String,
    program: &'static str,
    rounds: u32,
    exchanges: u64,
    online_s: f64,
    us_per_round: f64,
    /// Microseconds a round in which a lane of party 0 was at work, by what it did; they overlap.
    us_by_cause: BTreeMap<&'static str, f64>,
    /// Of party 0, for all rounds.
    wake_ups: Option<u64>,
    counters: BTreeMap<&'static str, u64>,
}

/// Measures, prints, and fails where a counter exceeds the table.
pub fn rounds(options: &Options, common: &BenchOptions) -> Result<(), Failure> {
    let programs = [
        (CHAIN, chain(options.rounds)?),
        ("demo", demo::program(Protocol::Beaver)?),
        (LONG_MESSAGES, product()?),
    ];
    let (mut runs, mut excesses) = (Vec::new(), Vec::new());
    for devices in devices(common)? {
        for (name, (program, inputs)) in &programs {
            let run = measure(name, program, inputs, &devices, options, &mut excesses)?;
            let is_cpu = devices[0].counters() == Counters::default();
            if options.clock && is_cpu && *name == CHAIN && run.us_per_round > MOST_CPU_ROUND_US {
                excesses.push(format!("{}, {name}: a round takes {:.0} µs", run.device, run.us_per_round));
            }
            runs.push(run);
        }
    }
    let json = RoundsJson { runs, excesses };
    output::print(common.json, Document::Bench, &json, &text(&json))?;
    match &json.excesses[..] {
        [] => Ok(()),
        excesses => Err(Failure::Wrong(excesses.join("; "))),
    }
}

/// Devices of two parties and a dealer, maybe the same.
type Devices = [Arc<dyn Device>; 3];

/// Its name in reports.
fn name_of(devices: &Devices) -> String {
    let name = &devices[0].description().name;
    if Arc::ptr_eq(&devices[0], &devices[1]) { format!("{name}, shared") } else { name.clone() }
}

/// Those that were asked for; under `auto` the CPU, and an adapter where there is one, software ones last.
fn devices(common: &BenchOptions) -> Result<Vec<Devices>, Failure> {
    let Ok(choice) = DeviceChoice::from_str(&common.device);
    let options =
        DeviceOptions { threads: Some(common.threads.map_or(1, usize::from)), ..DeviceOptions::default() };
    let of = |choice: &DeviceChoice| -> Result<Devices, Failure> {
        let open = || select::open(choice, &options);
        Ok([open()?, open()?, open()?])
    };
    if choice != DeviceChoice::Auto {
        return Ok(vec![of(&choice)?]);
    }
    let mut adapters = adapters();
    adapters.sort_by_key(Adapter::is_software);
    let mut all = vec![of(&DeviceChoice::Cpu)?];
    if let Some(adapter) = adapters.first() {
        let open =
            || Ok::<_, Failure>(Arc::new(Gpu::open(adapter, GpuOptions::default())?) as Arc<dyn Device>);
        all.push([open()?, open()?, open()?]);
        let shared = open()?;
        all.push([shared.clone(), shared.clone(), shared]);
    }
    Ok(all)
}

fn measure(
    name: &'static str,
    program: &Program,
    inputs: &[Elements],
    devices: &Devices,
    options: &Options,
    excesses: &mut Vec<String>,
) -> Result<RunJson, Failure> {
    let is_long = name == LONG_MESSAGES;
    let world = World::new(Protocol::Beaver, devices[0].clone())
        .with_device(Role::party(1), devices[1].clone())
        .with_device(Role::Dealer, devices[2].clone());
    let wrong = |error: symbolon::session::WorldError| Failure::Wrong(error.to_string());
    let plan = PlanOptions::default();
    let reports = |options: SessionOptions, runs: usize| {
        let outcomes =
            world.clone().with_options(options).with_plan(plan).run_repeatedly(program, inputs, runs);
        let own = outcomes.map_err(wrong)?.swap_remove(0).into_iter();
        Ok::<Vec<RunReport>, Failure>(own.map(|outcome| outcome.report).collect())
    };
    let plain = reports(SessionOptions::default(), options.runs.into())?;
    let traced = reports(SessionOptions { trace: true, ..SessionOptions::default() }, 2)?;
    let best = plain[1..].iter().min_by_key(|report| report.online).expect("several runs");
    // The results are read beside the transmissions.
    let (rounds, exchanges) = (best.tally.rounds, best.tally.transmissions + 1);
    let device = name_of(devices);
    for (count, value, most) in common_excesses(&plain, exchanges + 1, is_long) {
        let count = count.name();
        excesses.push(format!("{device}, {name}: {value} {count}, where {most} are allowed"));
    }
    let woken = plain[1..].iter().filter_map(|report| report.wake_ups).min();
    if let Some(woken) = woken.filter(|&woken| woken as f64 > MOST_WAKE_UPS * exchanges as f64)
        && !is_long
        && options.clock
    {
        excesses.push(format!("{device}, {name}: {woken} wake-ups in {exchanges} exchanges"));
    }
    let online_s = best.online.as_secs_f64();
    let counters = best.counters();
    Ok(RunJson {
        device,
        program: name,
        rounds,
        exchanges,
        online_s,
        us_per_round: online_s / f64::from(rounds) * 1e6,
        us_by_cause: causes(&traced[1], rounds),
        wake_ups: woken,
        counters: Count::ALL.into_iter().map(|count| (count.name(), counters.get(count))).collect(),
    })
}

/// The counters that exceed the table in every run, with the least that they came to; where nothing at all is allowed, in
/// any run. A frame that comes late cuts its exchange in two: the best of the runs is allowed one exchange more. Much work starts before
/// anybody waits for it: with long messages only what is never to happen counts.
fn common_excesses(runs: &[RunReport], exchanges: u64, is_long: bool) -> Vec<(Count, u64, u64)> {
    let lists: Vec<_> = runs.iter().map(|report| report.counters().excesses(exchanges)).collect();
    let common = |count: Count| {
        let is_never = count.row().1 == Allowance::Each(0.0);
        let found = lists.iter().flatten().filter(|(other, ..)| *other == count);
        let is_excess = found.clone().count() == lists.len() && !is_long;
        found.copied().min_by_key(|(_, value, _)| *value).filter(|_| is_never || is_excess)
    };
    Count::ALL.into_iter().filter_map(common).collect()
}

/// Microseconds a round in which each lane was at work online.
fn causes(report: &RunReport, rounds: u32) -> BTreeMap<&'static str, f64> {
    let mut causes = BTreeMap::new();
    let Some(trace) = &report.trace else { return causes };
    for span in trace.spans.iter().filter(|span| span.begin >= trace.online) {
        let cause = match span.lane {
            TraceLane::Device(_) => "device at work",
            TraceLane::Handover(_) => "recording and submitting",
            TraceLane::Uploads(_) => "copying to the device",
            TraceLane::Readback => "until bytes are read",
            TraceLane::To(_) => "writing frames",
            TraceLane::From(_) => "reading frames",
        };
        let us = span.end.saturating_sub(span.begin).as_secs_f64() * 1e6;
        *causes.entry(cause).or_default() += us / f64::from(rounds);
    }
    causes
}

/// A sum of both parties' matrices of 4 by 4 elements, squared so often.
fn chain(rounds: u32) -> Result<(Program, Vec<Elements>), Failure> {
    let mut program = Program::new(2, FixedPoint::new(Ring::Z64, 0).expect("integers"));
    let shape = Shape::new(4, 4);
    let x = program.input("x", PartyId(0), shape, None)?;
    let y = program.input("y", PartyId(1), shape, None)?;
    let mut value = program.add(x, y)?;
    for _ in 0..rounds {
        value = program.mul(value, value)?;
    }
    program.output("z", value, Parties::from_iter([PartyId(0)]))?;
    let inputs = inputs(&program);
    Ok((program, inputs))
}

/// A product of matrices of which each party has one: messages of half a megabyte.
fn product() -> Result<(Program, Vec<Elements>), Failure> {
    let mut program = Program::new(2, FixedPoint::new(Ring::Z64, 0).expect("integers"));
    let x = program.input("x", PartyId(0), Shape::new(LONG, LONG), None)?;
    let y = program.input("y", PartyId(1), Shape::new(LONG, LONG), None)?;
    let z = program.matmul(x, y)?;
    program.output("z", z, Parties::from_iter([PartyId(0)]))?;
    let inputs = inputs(&program);
    Ok((program, inputs))
}

fn inputs(program: &Program) -> Vec<Elements> {
    let numbers = |input: &Input| {
        Elements::from_integers(program.ring(), (0..input.shape.len()).map(|at| at as u64 | 1))
    };
    program.inputs().iter().map(numbers).collect()
}

fn text(json: &RoundsJson) -> String {
    let mut text = String::new();
    for run in &json.runs {
        let RunJson { device, program, rounds, exchanges, us_per_round, .. } = run;
        text += &format!(
            "{device}: {program}\n  {us_per_round:.0} µs a round, {rounds} rounds in {exchanges} exchanges\n"
        );
        let each = |value: u64| format!("{:.2}", value as f64 / *exchanges as f64);
        let mut table = Table::new(["an exchange", "", "allowed"]);
        if let Some(woken) = run.wake_ups {
            table.row(["wake-ups of threads".to_owned(), each(woken), format!("{MOST_WAKE_UPS}")]);
        }
        for count in Count::ALL {
            let (name, allowance) = count.row();
            let value = run.counters[name];
            if run.counters.values().any(|&value| value > 0) {
                table.row([name.to_owned(), each(value), allowance.to_string()]);
            }
        }
        text += &table.render();
        let mut causes = Table::new(["µs a round of party 0", ""]);
        for (cause, us) in &run.us_by_cause {
            causes.row([(*cause).to_owned(), format!("{us:.1}")]);
        }
        text += &causes.render();
        text += "\n";
    }
    text
}
