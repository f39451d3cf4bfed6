//! `bench overlap`: does the wire work while the device does?
//!
//! Two parties in this process multiply square matrices of 64-bit integers, one party's each, for party 0. The link
//! between them is shaped so that the wire's time is a given multiple of the device's. Per size and multiple: what
//! the lanes took, the whole with overlap and without, and what the simulation of the same plan predicts.
//!
//! Predictions need the devices' rates in the conditions of the run. So these are measured just before it, with the
//! devices of both parties at work; and as on this machine the links and their encryption take cores that the devices
//! want, a smaller product over a link of the same kind then says by how much all rates are lower with them.
//!
//! A party's own account of its wire is short: it is done once its last frames are queued, and who receives late, since
//! its cores are taken, finds many frames at once. What a shaped link takes for the bytes is known, and counts where it
//! is more.

use super::{BenchOptions, engine};
use crate::failure::Failure;
use crate::output::{self, Document};
use crate::table::Table;
use clap::Args;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use symbolon::device::Device;
use symbolon::net::LinkShape;
use symbolon::plan::{DeviceModel, PlanOptions, Plans};
use symbolon::program::Program;
use symbolon::program::tiling::TileSide;
use symbolon::protocol::Protocol;
use symbolon::ring::{Elements, FixedPoint, Ring, Shape};
use symbolon::run::{self, Overlap, RunReport, simulate};
use symbolon::session::{SessionOptions, Spread, Surroundings, World, choose_side};
use symbolon::share::{Parties, PartyId, Role};

/// The side of tiles where none was asked for and none is known to be better.
const USUAL_TILE: usize = 512;

/// The largest side of the product that shows what devices do beside links: rates no longer change with it.
const MOST_PROBED: usize = 3072;

/// What to measure.
#[derive(Args)]
pub struct Options {
    /// The sides of the matrices
    #[arg(long, value_name = "N,N", value_delimiter = ',', default_values_t = [1024, 1536, 2048, 4096])]
    size: Vec<usize>,
    /// The wire's time, in multiples of the device's
    #[arg(long, value_name = "R,R", value_delimiter = ',', default_values_t = [0.5, 1.0, 2.0])]
    wire: Vec<f64>,
    /// The side of tiles [default: that with which the run is predicted to be done first]
    #[arg(long, value_name = "N")]
    tile: Option<usize>,
}

/// The whole measurement as JSON.
#[derive(Serialize)]
struct OverlapJson {
    device: String,
    runs: Vec<RunJson>,
}

/// One size over one link, in seconds and bytes.
#[derive(Serialize)]
struct RunJson {
    size: usize,
    wire_to_device: f64,
    tile: usize,
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
    planned_bytes: u64,
    /// What it was predicted from.
    model: DeviceModel,
}

/// Measures and prints.
pub fn overlap(options: &Options, common: &BenchOptions) -> Result<(), Failure> {
    let devices = [engine::of_party(common)?, engine::of_party(common)?, engine::of_party(common)?];
    let mut runs = Vec::new();
    for &size in &options.size {
        let model = rates(size, options.tile, &devices)?;
        for &ratio in &options.wire {
            runs.push(measure(size, ratio, options.tile, model.clone(), &devices)?);
        }
    }
    let device = devices[0].description().name.clone();
    let json = OverlapJson { device, runs };
    output::print(common.json, Document::Bench, &json, &text(&json))
}

/// The mean rates of devices that work at the same time.
fn calibrate_at_once(devices: &[Arc<dyn Device>]) -> Result<DeviceModel, Failure> {
    let models: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            devices.iter().map(|device| scope.spawn(move || run::calibrate(&**device))).collect();
        threads.into_iter().map(|thread| thread.join().expect("measuring does not panic")).collect()
    });
    let models = models.into_iter().collect::<Result<Vec<DeviceModel>, _>>()?;
    let mean = |rate: fn(&DeviceModel) -> f64| models.iter().map(rate).sum::<f64>() / models.len() as f64;
    Ok(DeviceModel {
        name: models[0].name.clone(),
        gemm_z32_per_s: mean(|model| model.gemm_z32_per_s),
        gemm_z64_per_s: mean(|model| model.gemm_z64_per_s),
        elementwise_bytes_per_s: mean(|model| model.elementwise_bytes_per_s),
        fill_bytes_per_s: mean(|model| model.fill_bytes_per_s),
        upload_bytes_per_s: mean(|model| model.upload_bytes_per_s),
        download_bytes_per_s: mean(|model| model.download_bytes_per_s),
        garbled_gates_per_s: mean(|model| model.garbled_gates_per_s),
        step_s: mean(|model| model.step_s),
        submit_s: mean(|model| model.submit_s),
        exchange_s: mean(|model| model.exchange_s),
        wake_s: mean(|model| model.wake_s),
        transfers_beside: models[0].transfers_beside,
    })
}

/// The rates that devices have at a product of this size, beside links at work: as a smaller one shows.
fn rates(size: usize, tile: Option<usize>, devices: &[Arc<dyn Device>; 3]) -> Result<DeviceModel, Failure> {
    let alone = calibrate_at_once(&devices[..2])?;
    let side = (size * 3 / 4).min(MOST_PROBED);
    let smaller = Product::new(side, tile.unwrap_or(USUAL_TILE))?;
    let beside_links = smaller.run(smaller.link(1.0, &alone)?, Overlap::On, devices)?;
    Ok(alone.slower(beside_links.device.as_secs_f64() / smaller.device(&alone).as_secs_f64()))
}

/// One size over a link that takes `ratio` times as long as the device.
fn measure(
    size: usize,
    ratio: f64,
    tile: Option<usize>,
    model: DeviceModel,
    devices: &[Arc<dyn Device>; 3],
) -> Result<RunJson, Failure> {
    let mut product = Product::new(size, tile.unwrap_or(USUAL_TILE))?;
    let link = product.link(ratio, &model)?;
    if tile.is_none() {
        let surroundings = Surroundings {
            models: model.as_ref(),
            spread: Spread::default(),
            link,
            budget_bytes: None,
            staging_bytes: 0,
        };
        let options = PlanOptions::default();
        let (side, plans) = choose_side(Protocol::Beaver, &product.program, options, &surroundings)?;
        (product.plan.side, product.plans) = (side, plans);
    }
    product.measure(ratio, link, model, devices)
}

struct Product {
    size: usize,
    program: Program,
    plan: PlanOptions,
    plans: Plans,
    inputs: [Elements; 2],
}

impl Product {
    fn new(size: usize, tile: usize) -> Result<Product, Failure> {
        let mut program = Program::new(2, FixedPoint::new(Ring::Z64, 0).expect("integers"));
        let shape = Shape::new(size, size);
        let x = program.input("x", PartyId(0), shape, None)?;
        let y = program.input("y", PartyId(1), shape, None)?;
        let z = program.matmul(x, y)?;
        program.output("z", z, Parties::from_iter([PartyId(0)]))?;
        let plan = PlanOptions { side: TileSide(tile), ..PlanOptions::default() };
        let plans = Plans::new(Protocol::Beaver, &program, plan)?;
        let numbers = |factor: u64| {
            Elements::Z64((0..shape.len() as u64).map(|at| at.wrapping_mul(factor).rotate_left(17)).collect())
        };
        let inputs = [numbers(0x9e37_79b9_7f4a_7c15), numbers(0xbf58_476d_1ce4_e5b9)];
        Ok(Product { size, program, plan, plans, inputs })
    }

    /// What the device alone is predicted to take.
    fn device(&self, model: &DeviceModel) -> Duration {
        let fast = LinkShape::new(1_000_000_000_000, Duration::ZERO).expect("a link");
        let prediction = simulate(&self.plans, model, fast, Overlap::On);
        prediction.parties.iter().map(|party| party.device()).max().unwrap_or_default()
    }

    /// Bytes that the busier direction of the link carries.
    fn most_bytes(&self) -> u64 {
        let sent = |party: PartyId| self.plans.traffic.of(party.into()).sent_bytes;
        [PartyId(0), PartyId(1)].into_iter().map(sent).max().unwrap_or_default()
    }

    /// A link that takes `ratio` times as long as a device of these rates.
    fn link(&self, ratio: f64, model: &DeviceModel) -> Result<LinkShape, Failure> {
        let bits_per_s = self.most_bytes() as f64 * 8.0 / (ratio * self.device(model).as_secs_f64());
        LinkShape::new(bits_per_s as u64, Duration::from_micros(200))
            .map_err(|error| Failure::Usage(error.to_string()))
    }

    fn measure(
        &self,
        ratio: f64,
        link: LinkShape,
        model: DeviceModel,
        devices: &[Arc<dyn Device>; 3],
    ) -> Result<RunJson, Failure> {
        let predicted = simulate(&self.plans, &model, link, Overlap::On);
        let [on, off] = [Overlap::On, Overlap::Off].map(|overlap| self.run(link, overlap, devices));
        let (on, off) = (on?, off?);
        let busiest = on.device.max(on.wire);
        let total = on.total.as_secs_f64();
        Ok(RunJson {
            size: self.size,
            wire_to_device: ratio,
            tile: self.plan.side.0.min(self.size),
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
            planned_bytes: self.plans.cost.sent_bytes(Ring::Z64),
            model,
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
            device: reports().map(|report| report.device_busy()).max().unwrap_or_default(),
            wire: reports()
                .map(|report| report.wire_busy.max(transmission(report, link)))
                .max()
                .unwrap_or_default(),
            total: reports().map(|report| report.online).max().unwrap_or_default(),
            bytes_sent: reports().map(|report| report.tally.sent_bytes).sum(),
            framing_bytes: reports().map(|report| report.tally.framing_bytes).sum(),
        })
    }
}

/// What the link takes at least for what a party sent.
fn transmission(report: &RunReport, link: LinkShape) -> Duration {
    let bits = (report.tally.sent_bytes + report.tally.framing_bytes) as f64 * 8.0;
    Duration::from_secs_f64(bits / link.bits_per_s() as f64)
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
        "tile",
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
            run.tile.to_string(),
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
                (run.bytes_sent + run.framing_bytes) as f64 / run.planned_bytes as f64 * 100.0 - 100.0
            ),
        ]);
    }
    format!("{}\n{}", json.device, table.render())
}
