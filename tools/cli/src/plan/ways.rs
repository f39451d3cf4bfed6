//! What each way to compute what is not linear takes, and which is done first.

use super::{Planned, planned, planned_by};
use crate::args::Shared;
use crate::failure::Failure;
use crate::table::bytes;
use serde::Serialize;
use symbolon::correlation::Source;
use symbolon::plan::PlannedStep;
use symbolon::program::Program;
use symbolon::protocol::Protocol;
use symbolon::session::{Devices, cheapest_way};
use symbolon::step::{Action, GarbledPart};
use symbolon_job::{Job, Nonlinear, Sources};

/// One way.
#[derive(Serialize)]
pub struct WayPlan {
    nonlinear: &'static str,
    /// Whether the plan is in this way.
    taken: bool,
    /// AND gates that are garbled.
    and_gates: u64,
    /// By party, online.
    bytes_sent: Vec<u64>,
    rounds: u32,
    online_s: f64,
    offline_bytes: u64,
    offline_s: f64,
}

impl WayPlan {
    fn new(way: Protocol, taken: bool, Planned { json, plans, .. }: &Planned) -> WayPlan {
        let garbled = |step: &PlannedStep| match &step.step.action {
            Action::Garbled(garbled) if garbled.part == GarbledPart::Garble => garbled.gates(),
            _ => 0,
        };
        WayPlan {
            nonlinear: Nonlinear::by(way).name(),
            taken,
            and_gates: plans.parties.iter().flat_map(|plan| &plan.steps).map(garbled).sum(),
            bytes_sent: json.parties.iter().map(|party| party.bytes_sent).collect(),
            rounds: json.rounds,
            online_s: json.predicted.online_s,
            offline_bytes: json.offline_bytes,
            offline_s: json.predicted.offline_s,
        }
    }

    /// In a line for people.
    pub fn text(&self) -> String {
        let by = match (self.nonlinear == Nonlinear::Garbled.name(), self.and_gates) {
            (false, _) => self.nonlinear.to_owned(),
            (true, 0) => "garbled circuits (no part of it is small enough)".to_owned(),
            (true, gates) => format!("garbled circuits ({} AND gates)", bytes(gates)),
        };
        format!(
            "  what is not linear by {by}{}: {} bytes, {} round(s), online {:.4} s; offline {} bytes, {:.4} s\n",
            if self.taken { ", as planned here" } else { "" },
            bytes(self.bytes_sent.iter().sum()),
            self.rounds,
            self.online_s,
            bytes(self.offline_bytes),
            self.offline_s
        )
    }
}

/// Plans a job in each way that its protocol has: in the one that it names, or else in the one that is done first. With what all
/// take, where they differ or the job asks for another than tables.
pub fn planned_by_way(
    job: &Job,
    program: &Program,
    sources: &Sources,
    devices: &Devices,
    shared: &Shared,
) -> Result<Planned, Failure> {
    let named = job.protocol;
    let mut ways = Vec::new();
    for way in named.ways() {
        match planned_by(job, way, program, sources, devices, shared) {
            Ok(planned) => ways.push((way, planned)),
            Err(failure) if way == named => return Err(failure),
            // A way that has no plan, or none within the budget, is not taken.
            Err(_) => {}
        }
    }
    let taken = match job.nonlinear {
        Nonlinear::Auto => cheapest_way(ways.iter().map(|(way, planned)| (*way, planned.usual_online))),
        Nonlinear::Tables | Nonlinear::Garbled => Some(named),
    };
    let is_taken = |way: Protocol| Some(way) == taken;
    let digest = |planned: &Planned| planned.json.digest.clone();
    let differ = ways.windows(2).any(|pair| digest(&pair[0].1) != digest(&pair[1].1));
    let is_shown = differ || job.nonlinear != Nonlinear::Tables;
    let prices = ways.iter().map(|(way, planned)| WayPlan::new(*way, is_taken(*way), planned));
    let nonlinear: Vec<WayPlan> = if is_shown { prices.collect() } else { Vec::new() };
    let mut taken =
        ways.into_iter().find(|(way, _)| is_taken(*way)).expect("the way that is named has a plan").1;
    taken.json.nonlinear = nonlinear;
    Ok(taken)
}

/// The protocol in the way that a job names, or else in the one that is done first, with correlations from this source.
pub fn choose_way(
    job: &Job,
    program: &Program,
    source: Source,
    devices: &Devices,
    shared: &Shared,
) -> Result<Protocol, Failure> {
    if job.nonlinear != Nonlinear::Auto {
        return Ok(job.protocol);
    }
    let time = |way| Some((way, planned(job, way, program, source, devices, shared).ok()?.usual_online));
    Ok(cheapest_way(job.protocol.ways().filter_map(time)).unwrap_or(job.protocol))
}
