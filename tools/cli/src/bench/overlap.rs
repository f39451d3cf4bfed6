//! `bench overlap`: does the wire work while the device does?
//!
//! Two parties in this process multiply square matrices of 64-bit integers, one party's each, for party 0. The link
//! between them is shaped so that the wire's time is a given multiple of the device's. Per size and multiple: what
//! the lanes took, the whole with overlap and without, and what the simulation of the same plan predicts from the
//! device's rates, measured before.

use super::BenchOptions;
use crate::failure::Failure;
use crate::output;
use crate::table::Table;
use clap::Args;
use serde::Serialize;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use symbolon::device::Device;
use symbolon::device::select::{self, DeviceChoice, DeviceOptions};
use symbolon::net::LinkShape;
use symbolon::plan::{DeviceModel, PlanOptions, Plans};
use symbolon::program::Program;
use symbolon::program::tiling::TileSide;
use symbolon::protocol::Protocol;
use symbolon::ring::{Elements, FixedPoint, Ring, Shape};
use symbolon::run::{self, Overlap, simulate};
use symbolon::session::{SessionOptions, World};
use symbolon::share::{Parties, PartyId, Role};

/// What to measure.
#[derive(Args)]
pub struct Options {
    /// The sides of the matrices
    #[arg(long, value_name = "N,N", value_delimiter = ',', default_values_t = [1024, 2048, 4096])]
    size: Vec<usize>,
    /// The wire's time, in multiples of the device's
    #[arg(long, value_name = "R,R", value_delimiter = ',', default_values_t = [0.5, 1.0, 2.0])]
    wire: Vec<f64>,
    /// The side of tiles
    #[arg(long, value_name = "N", default_value_t = 512)]
    tile: usize,
}

/// The whole measurement as JSON.
#[derive(Serialize)]
struct OverlapJson {
    device: String,
    tile: usize,
    model: DeviceModel,
    runs: Vec<RunJson>,
}

/// One size over one link, in seconds and bytes.
#[derive(Serialize)]
struct RunJson {
    size: usize,
    wire_to_device: f64,
    link: String,
    device_s: f64,
    wire_s: f64,
    total_s: f64,
    /// The total, in multiples of the busier lane's time.
    total_to_busiest: f64,
    without_overlap_s: f64,
    predicted_s: f64,
    /// The prediction's error, as a share of the total.
    prediction_error: f64,
    bytes_sent: u64,
    framing_bytes: u64,
    formula_bytes: u64,
}

/// Measures and prints.
pub fn overlap(options: &Options, common: &BenchOptions) -> Result<(), Failure> {
    let devices = [open(common)?, open(common)?, open(common)?];
    let model = run::calibrate(&*devices[0])?;
    let mut runs = Vec::new();
    for &size in &options.size {
        let product = Product::new(size, TileSide(options.tile), &model)?;
        for &ratio in &options.wire {
            runs.push(product.measure(ratio, &model, &devices)?);
        }
    }
    let device = devices[0].description().name.clone();
    let json = OverlapJson { device, tile: options.tile, model, runs };
    output::print(common.json, &json, &text(&json))
}

/// A device for one role: a share of the cores where it is the CPU.
fn open(common: &BenchOptions) -> Result<Arc<dyn Device>, Failure> {
    let Ok(choice) = DeviceChoice::from_str(&common.device);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = common.threads.map_or((cores / 2).max(1), usize::from);
    Ok(select::open(&choice, &DeviceOptions { threads: Some(threads), ..DeviceOptions::default() })?)
}

struct Product {
    size: usize,
    program: Program,
    plan: PlanOptions,
    plans: Plans,
    inputs: [Elements; 2],
    /// What the device alone is predicted to take.
    device: Duration,
}

impl Product {
    fn new(size: usize, side: TileSide, model: &DeviceModel) -> Result<Product, Failure> {
        let mut program = Program::new(2, FixedPoint::new(Ring::Z64, 0).expect("integers"));
        let shape = Shape::new(size, size);
        let x = program.input("x", PartyId(0), shape, None)?;
        let y = program.input("y", PartyId(1), shape, None)?;
        let z = program.matmul(x, y)?;
        program.output("z", z, Parties::from_iter([PartyId(0)]))?;
        let plan = PlanOptions { side, ..PlanOptions::default() };
        let plans = Plans::new(Protocol::Beaver, &program, plan)?;
        let fast = LinkShape::new(1_000_000_000_000, Duration::ZERO).expect("a link");
        let prediction = simulate(&plans, model, fast, Overlap::On);
        let device = prediction.parties.iter().map(|party| party.device).max().unwrap_or_default();
        let numbers = |factor: u64| {
            Elements::Z64((0..shape.len() as u64).map(|at| at.wrapping_mul(factor).rotate_left(17)).collect())
        };
        let inputs = [numbers(0x9e37_79b9_7f4a_7c15), numbers(0xbf58_476d_1ce4_e5b9)];
        Ok(Product { size, program, plan, plans, inputs, device })
    }

    /// Bytes that the busier direction of the link carries.
    fn most_bytes(&self) -> u64 {
        let sent = |party: PartyId| self.plans.traffic.of(party.into()).sent_bytes;
        [PartyId(0), PartyId(1)].into_iter().map(sent).max().unwrap_or_default()
    }

    fn measure(
        &self,
        ratio: f64,
        model: &DeviceModel,
        devices: &[Arc<dyn Device>; 3],
    ) -> Result<RunJson, Failure> {
        let bits_per_s = self.most_bytes() as f64 * 8.0 / (ratio * self.device.as_secs_f64());
        let link = LinkShape::new(bits_per_s as u64, Duration::from_micros(200));
        let link = link.map_err(|error| Failure::Usage(error.to_string()))?;
        let predicted = simulate(&self.plans, model, link, Overlap::On);
        let [on, off] = [Overlap::On, Overlap::Off].map(|overlap| self.run(link, overlap, devices));
        let (on, off) = (on?, off?);
        let busiest = on.device.max(on.wire);
        let total = on.total.as_secs_f64();
        Ok(RunJson {
            size: self.size,
            wire_to_device: ratio,
            link: link.to_string(),
            device_s: on.device.as_secs_f64(),
            wire_s: on.wire.as_secs_f64(),
            total_s: total,
            total_to_busiest: total / busiest.as_secs_f64(),
            without_overlap_s: off.total.as_secs_f64(),
            predicted_s: predicted.online.as_secs_f64(),
            prediction_error: predicted.online.as_secs_f64() / total - 1.0,
            bytes_sent: on.bytes_sent,
            framing_bytes: on.framing_bytes,
            formula_bytes: self.plans.cost.sent_bytes(Ring::Z64),
        })
    }

    fn run(
        &self,
        link: LinkShape,
        overlap: Overlap,
        devices: &[Arc<dyn Device>; 3],
    ) -> Result<Measured, Failure> {
        let world = World::new(Protocol::Beaver, devices[0].clone())
            .with_device(Role::party(1), devices[1].clone())
            .with_device(Role::Dealer, devices[2].clone())
            .with_options(SessionOptions { link: Some(link), overlap, ..SessionOptions::default() })
            .with_plan(self.plan);
        let outcomes =
            world.run(&self.program, &self.inputs).map_err(|error| Failure::Wrong(error.to_string()))?;
        let reports = || outcomes.iter().map(|outcome| &outcome.report);
        Ok(Measured {
            device: reports().map(|report| report.device_busy).max().unwrap_or_default(),
            wire: reports().map(|report| report.wire_busy).max().unwrap_or_default(),
            total: reports().map(|report| report.online).max().unwrap_or_default(),
            bytes_sent: reports().map(|report| report.tally.sent_bytes).sum(),
            framing_bytes: reports().map(|report| report.tally.framing_bytes).sum(),
        })
    }
}

struct Measured {
    device: Duration,
    wire: Duration,
    total: Duration,
    bytes_sent: u64,
    framing_bytes: u64,
}

fn text(json: &OverlapJson) -> String {
    let mut table = Table::new([
        "size",
        "wire/device",
        "link",
        "device s",
        "wire s",
        "total s",
        "/ busiest",
        "no overlap s",
        "predicted s",
        "off by",
        "framing",
    ]);
    for run in &json.runs {
        table.row([
            format!("{0} x {0}", run.size),
            format!("{}", run.wire_to_device),
            run.link.clone(),
            format!("{:.3}", run.device_s),
            format!("{:.3}", run.wire_s),
            format!("{:.3}", run.total_s),
            format!("{:.2}", run.total_to_busiest),
            format!("{:.3}", run.without_overlap_s),
            format!("{:.3}", run.predicted_s),
            format!("{:+.0} %", run.prediction_error * 100.0),
            format!(
                "{:+.2} %",
                (run.bytes_sent + run.framing_bytes) as f64 / run.formula_bytes as f64 * 100.0 - 100.0
            ),
        ]);
    }
    format!("{}, tiles of {}\n{}", json.device, json.tile, table.render())
}
