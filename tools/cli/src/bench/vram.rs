//! `bench vram`: what a budget of device memory costs.
//!
//! Programs run between all roles in this process, by every protocol, without a budget and within shares of what they
//! take without one: planned and measured peaks, time, and whether the results are the same bit for bit.

use super::BenchOptions;
use crate::failure::Failure;
use crate::output::{self, Document};
use crate::page::Page;
use crate::table::{Table, seconds, size};
use clap::Args;
use serde::Serialize;
use std::str::FromStr;
use std::sync::Arc;
use symbolon::device::Device;
use symbolon::device::select::{self, DeviceChoice, DeviceOptions};
use symbolon::plan::{PlanOptions, Plans};
use symbolon::program::tiling::TileSide;
use symbolon::program::{Image, Kernels, Program, ProgramError, ValueId, Window};
use symbolon::protocol::Protocol;
use symbolon::ring::{Elements, FixedPoint, Ring, Shape};
use symbolon::session::{SessionOutcome, World};
use symbolon::share::{Parties, PartyId, Role};

/// What to measure.
#[derive(Args)]
pub struct Options {
    /// Cases to run: lenet, mlp, or m x k x n of a product,
    /// such as 4096x4096x4096
    #[arg(long = "case", verbatim_doc_comment, value_name = "CASE,CASE", value_delimiter = ',', default_values_t = [
        Case::Lenet, Case::Mlp, Case::Product(4096, 4096, 4096), Case::Product(8192, 1024, 8192),
    ])]
    cases: Vec<Case>,
    /// Budgets, as shares of what a run takes without one
    #[arg(long, value_name = "S,S", value_delimiter = ',', default_values_t = [0.5, 0.25, 0.125])]
    shares: Vec<f64>,
    /// The side of tiles
    #[arg(long, value_name = "N", default_value_t = 512)]
    tile: usize,
    /// Write a page with the table into this folder
    #[arg(long, value_name = "DIR")]
    report: Option<std::path::PathBuf>,
}

/// A program to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    Lenet,
    Mlp,
    Product(usize, usize, usize),
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Case::Lenet => f.write_str("lenet"),
            Case::Mlp => f.write_str("mlp"),
            Case::Product(m, k, n) => write!(f, "{m}x{k}x{n}"),
        }
    }
}

impl FromStr for Case {
    type Err = String;

    fn from_str(text: &str) -> Result<Case, String> {
        match text {
            "lenet" => return Ok(Case::Lenet),
            "mlp" => return Ok(Case::Mlp),
            _ => {}
        }
        let sides: Option<Vec<usize>> = text.split('x').map(|side| side.parse().ok()).collect();
        match sides.as_deref() {
            Some(&[m, k, n]) if m.max(k).max(n) <= 1 << 20 => Ok(Case::Product(m, k, n)),
            _ => Err(format!("'{text}' is neither lenet, nor mlp, nor three sides such as 512x512x512")),
        }
    }
}

/// The measurement as JSON.
#[derive(Serialize)]
struct VramJson {
    device: String,
    tile: usize,
    runs: Vec<RunJson>,
}

/// One case by one protocol within one budget; memory is the largest party's.
#[derive(Serialize)]
struct RunJson {
    case: String,
    protocol: String,
    /// Absent without a budget.
    budget_bytes: Option<u64>,
    planned_bytes: u64,
    measured_bytes: u64,
    spilled_bytes: u64,
    offline_s: f64,
    online_s: f64,
    /// Both phases, in multiples of the run without a budget.
    slowdown: f64,
    /// Whether every output is that of the run without a budget.
    equal: bool,
}

/// Measures and prints.
pub fn vram(options: &Options, common: &BenchOptions) -> Result<(), Failure> {
    let side = TileSide(options.tile.max(1));
    let mut json = VramJson {
        device: device(common, 1)?.description().name.clone(),
        tile: options.tile,
        runs: Vec::new(),
    };
    for &case in &options.cases {
        for protocol in Protocol::ALL {
            let bench = Bench { case, protocol, program: case.program(protocol)?, side, common };
            bench.measure(&options.shares, &mut json.runs)?;
        }
    }
    let mut text = format!("{}, tiles of {}\n", json.device, json.tile);
    text += &Table::from_rows(rows(&json)).render();
    if let Some(folder) = &options.report {
        let mut page = Page::new("What a budget costs", "Planned and measured peaks, time and results");
        page.table(
            "Runs within budgets",
            &rows(&json),
            "The largest party's memory; slowdown of both phases together.",
        );
        page.environment(&[("device", json.device.clone()), ("tiles", json.tile.to_string())]);
        text += &format!("  report in {}\n", page.write(folder)?.display());
    }
    if json.runs.iter().any(|run| !run.equal) {
        eprint!("{text}");
        return Err(Failure::Wrong("a result within a budget differs from the one without".to_owned()));
    }
    output::print(common.json, Document::Bench, &json, &text)
}

fn device(common: &BenchOptions, roles: usize) -> Result<Arc<dyn Device>, Failure> {
    let Ok(choice) = DeviceChoice::from_str(&common.device);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = common.threads.map_or((cores / roles).max(1), usize::from);
    let options = DeviceOptions { threads: Some(threads), ..DeviceOptions::default() };
    Ok(select::open(&choice, &options)?)
}

struct Bench<'a> {
    case: Case,
    protocol: Protocol,
    program: Program,
    side: TileSide,
    common: &'a BenchOptions,
}

impl Bench<'_> {
    fn measure(&self, shares: &[f64], runs: &mut Vec<RunJson>) -> Result<(), Failure> {
        // Stochastic truncation would round differently each time.
        let world = World::new(self.protocol, device(self.common, self.protocol.parties())?).repeating()?;
        let unbound = self.run(&world, None)?;
        let first = self.report(None, &unbound, &unbound);
        let whole = first.planned_bytes;
        runs.push(first);
        for share in shares {
            let wanted = (whole as f64 * share) as u64;
            // Never less than the least that these tiles can do with.
            let budget_bytes = wanted.max(self.least_bytes()?);
            let bound = self.run(&world, Some(budget_bytes))?;
            runs.push(self.report(Some(budget_bytes), &bound, &unbound));
        }
        Ok(())
    }

    fn plan(&self, budget_bytes: Option<u64>) -> PlanOptions {
        PlanOptions { side: self.side, budget_bytes, ..PlanOptions::default() }
    }

    /// What every role can do with.
    fn least_bytes(&self) -> Result<u64, Failure> {
        let plans = Plans::new(self.protocol, &self.program, self.plan(Some(0)))?;
        let roles = Parties::first(self.protocol.parties()).iter().map(Role::from);
        let staging_bytes = device(self.common, 1)?.description().staging_bytes;
        let largest = match plans.check_budget(staging_bytes, Some(0)) {
            Err(symbolon::plan::PlanError::OverBudget { needed_bytes, .. }) => needed_bytes,
            _ => 0,
        };
        Ok(roles.map(|role| plans.of(role).size_bytes() + staging_bytes).max().unwrap_or(0).max(largest))
    }

    fn run(&self, world: &World, budget_bytes: Option<u64>) -> Result<Vec<SessionOutcome>, Failure> {
        let roles = self.protocol.parties();
        let mut world = world.clone().with_plan(self.plan(budget_bytes));
        for role in self.protocol.roles(self.protocol.default_source()) {
            world = world.with_device(role, device(self.common, roles)?);
        }
        // Small numbers, so that nothing overflows where they are fixed-point.
        let element = |at: usize| (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 50;
        let data =
            |input: &symbolon::program::Input| Elements::Z64((0..input.shape.len()).map(element).collect());
        let inputs: Vec<Elements> = self.program.inputs().iter().map(data).collect();
        world.run(&self.program, &inputs).map_err(|error| Failure::Wrong(error.to_string()))
    }

    fn report(
        &self,
        budget_bytes: Option<u64>,
        run: &[SessionOutcome],
        unbound: &[SessionOutcome],
    ) -> RunJson {
        let most = |bytes: fn(&SessionOutcome) -> u64| run.iter().map(bytes).max().unwrap_or(0);
        let slowest = |outcomes: &[SessionOutcome], time: fn(&SessionOutcome) -> f64| {
            outcomes.iter().map(time).fold(0.0, f64::max)
        };
        let offline = |outcome: &SessionOutcome| outcome.report.offline.as_secs_f64();
        let online = |outcome: &SessionOutcome| outcome.report.online.as_secs_f64();
        let total = |outcomes: &[SessionOutcome]| slowest(outcomes, offline) + slowest(outcomes, online);
        RunJson {
            case: self.case.to_string(),
            protocol: self.protocol.to_string(),
            budget_bytes,
            planned_bytes: most(|outcome| outcome.report.planned().values().sum()),
            measured_bytes: most(|outcome| outcome.report.peak().total_bytes),
            spilled_bytes: most(|outcome| outcome.plans.of(outcome.report.role).spilled().spilled_bytes),
            offline_s: slowest(run, offline),
            online_s: slowest(run, online),
            slowdown: total(run) / total(unbound).max(f64::MIN_POSITIVE),
            equal: run.iter().zip(unbound).all(|(run, unbound)| run.outputs == unbound.outputs),
        }
    }
}

impl Case {
    fn program(self, protocol: Protocol) -> Result<Program, ProgramError> {
        let fraction_bits = if matches!(self, Case::Product(..)) { 0 } else { 16 };
        let codec = FixedPoint::new(Ring::Z64, fraction_bits).expect("a codec");
        let mut network = Network { program: Program::new(protocol.parties(), codec), weights: 0 };
        let output = match self {
            Case::Product(m, k, n) => {
                let x = network.program.input("x", PartyId(0), Shape::new(m, k), None)?;
                let y = network.program.input("y", PartyId(1), Shape::new(k, n), None)?;
                network.program.matmul(x, y)?
            }
            Case::Mlp => {
                let x = network.program.input("x", PartyId(0), Shape::new(256, 784), None)?;
                let first = network.dense(x, 784, 512, true)?;
                let second = network.dense(first, 512, 512, true)?;
                network.dense(second, 512, 10, false)?
            }
            Case::Lenet => network.lenet(32)?,
        };
        network.program.output("z", output, Parties::first(1))?;
        Ok(network.program)
    }
}

/// A network that is being written.
struct Network {
    program: Program,
    weights: usize,
}

impl Network {
    fn weights(&mut self, rows: usize, cols: usize) -> Result<ValueId, ProgramError> {
        self.weights += 1;
        let name = format!("w{}", self.weights);
        self.program.input(&name, PartyId(1), Shape::new(rows, cols), None)
    }

    fn dense(
        &mut self,
        x: ValueId,
        inputs: usize,
        outputs: usize,
        relu: bool,
    ) -> Result<ValueId, ProgramError> {
        let w = self.weights(inputs, outputs)?;
        let b = self.weights(1, outputs)?;
        let product = self.program.matmul(x, w)?;
        let sum = self.program.add(product, b)?;
        if relu { self.program.relu(sum) } else { Ok(sum) }
    }

    /// Images of one channel of 28 by 28.
    fn lenet(&mut self, images: usize) -> Result<ValueId, ProgramError> {
        let square = |channels, side| Image { channels, height: side, width: side };
        let window = |side, stride| Window::new(side, side, stride);
        let mut x = self.program.input("x", PartyId(0), Shape::new(images, 28 * 28), None)?;
        for (channels, side, kernels) in [(1, 28, 20), (20, 12, 50)] {
            let w = self.weights(channels * 25, kernels)?;
            let z = self.program.conv2d(x, square(channels, side), Kernels::new(w, None), window(5, 1))?;
            x = self.program.maxpool2d(z, square(kernels, side - 4), window(2, 2))?;
        }
        let hidden = self.dense(x, 800, 500, true)?;
        self.dense(hidden, 500, 10, false)
    }
}

fn rows(json: &VramJson) -> Vec<Vec<String>> {
    let heading = [
        "case", "protocol", "budget", "planned", "measured", "spilled", "offline", "online", "slowdown",
        "equal",
    ];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for run in &json.runs {
        rows.push(vec![
            run.case.clone(),
            run.protocol.clone(),
            run.budget_bytes.map_or_else(|| "none".to_owned(), size),
            size(run.planned_bytes),
            size(run.measured_bytes),
            size(run.spilled_bytes),
            seconds(run.offline_s),
            seconds(run.online_s),
            format!("{:.2}×", run.slowdown),
            if run.equal { "yes" } else { "no" }.to_owned(),
        ]);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_called_by_name_or_sides() {
        for text in ["lenet", "mlp", "8192x1024x8192"] {
            assert_eq!(text.parse::<Case>().map(|case| case.to_string()).as_deref(), Ok(text));
        }
        assert!("4096".parse::<Case>().is_err() && "1x2x".parse::<Case>().is_err());
    }

    #[test]
    fn budgets_change_no_result_and_plans_are_kept_to_the_byte() {
        let common = BenchOptions { device: "cpu".into(), threads: Some(1), json: true };
        for protocol in Protocol::ALL {
            for case in [Case::Product(96, 64, 96), Case::Lenet, Case::Mlp] {
                let program = match case {
                    Case::Product(..) => case.program(protocol).expect("a product"),
                    _ => small(case, protocol),
                };
                let bench = Bench { case, protocol, program, side: TileSide(24), common: &common };
                let mut runs = Vec::new();
                bench.measure(&[0.5, 0.25, 0.125], &mut runs).expect("runs without faults");
                for run in &runs {
                    let RunJson { planned_bytes, measured_bytes, budget_bytes, .. } = run;
                    assert!(run.equal, "{case} by {protocol} within {budget_bytes:?}");
                    assert_eq!(planned_bytes, measured_bytes, "{case} by {protocol} within {budget_bytes:?}");
                    assert!(
                        budget_bytes.is_none_or(|budget| *measured_bytes <= budget),
                        "{case}: {budget_bytes:?}"
                    );
                }
            }
        }
    }

    /// The same ops on matrices that take no time.
    fn small(case: Case, protocol: Protocol) -> Program {
        let codec = FixedPoint::new(Ring::Z64, 16).expect("a codec");
        let mut network = Network { program: Program::new(protocol.parties(), codec), weights: 0 };
        let output = match case {
            Case::Lenet => network.lenet(1),
            _ => {
                let x = network.program.input("x", PartyId(0), Shape::new(40, 60), None).expect("x");
                network.dense(x, 60, 30, true)
            }
        };
        network.program.output("z", output.expect("a network"), Parties::first(1)).expect("an output");
        network.program
    }
}
