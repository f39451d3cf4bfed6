//! What each way to compute what is not linear takes, and which is done first.

use super::{Planned, planned};
use crate::args::Shared;
use crate::failure::Failure;
use crate::table::bytes;
use crate::trust::priced;
use serde::Serialize;
use symbolon::correlation::Source;
use symbolon::plan::PlannedStep;
use symbolon::program::Program;
use symbolon::protocol::Protocol;
use symbolon::session::{Chosen, Devices};
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

/// Plans a job in each way that its protocol has, with the source of correlations that it names: in the way that it names, too; or,
/// of what is left open, with those that are done first. With what all ways take, where they differ or the job asks for another than tables.
pub fn planned_by_way(
    job: &Job,
    program: &Program,
    sources: &Sources,
    devices: &Devices,
    shared: &Shared,
) -> Result<Planned, Failure> {
    let named = job.protocol;
    let first = sources.allowed[0];
    let mut ways = by_way(job, program, first, devices, shared)?;
    let chosen = chosen(job, sources, &ways);
    let (taken, source) = chosen.as_ref().map_or((named, first), |chosen| (chosen.protocol, chosen.source));
    if source != first {
        ways = by_way(job, program, source, devices, shared)?;
    }
    let is_taken = |way: Protocol| way == taken;
    let digest = |planned: &Planned| planned.json.digest.clone();
    let differ = ways.windows(2).any(|pair| digest(&pair[0].1) != digest(&pair[1].1));
    let is_shown = differ || job.nonlinear != Nonlinear::Tables;
    let prices = ways.iter().map(|(way, planned)| WayPlan::new(*way, is_taken(*way), planned));
    let nonlinear: Vec<WayPlan> = if is_shown { prices.collect() } else { Vec::new() };
    let mut planned =
        ways.into_iter().find(|(way, _)| is_taken(*way)).expect("the way that is taken has a plan").1;
    planned.json.nonlinear = nonlinear;
    planned.json.trust.chosen =
        chosen.filter(|_| sources.is_chosen).map(|chosen| priced(&chosen.by_source()));
    Ok(planned)
}

/// The plans in each way that a protocol has, with this source. A way that has no plan, or none within the budget, is left out, but for
/// the one that the job names.
fn by_way(
    job: &Job,
    program: &Program,
    source: Source,
    devices: &Devices,
    shared: &Shared,
) -> Result<Vec<(Protocol, Planned)>, Failure> {
    let mut ways = Vec::new();
    for way in job.protocol.ways() {
        match planned(job, way, program, source, devices, shared) {
            Ok(planned) => ways.push((way, planned)),
            Err(failure) if way == job.protocol => return Err(failure),
            Err(_) => {}
        }
    }
    Ok(ways)
}

/// What is done first of what a job leaves open, as the parties choose it; `None` where it leaves nothing open.
fn chosen(job: &Job, sources: &Sources, ways: &[(Protocol, Planned)]) -> Option<Chosen> {
    let any_way = job.nonlinear == Nonlinear::Auto;
    if !any_way && !sources.is_chosen {
        return None;
    }
    let open = ways.iter().filter(|(way, _)| any_way || *way == job.protocol);
    let runs = open.flat_map(|(_, planned)| planned.runs.iter().copied());
    Chosen::of(runs.filter(|run| sources.allowed.contains(&run.source)).collect())
}

/// The choice among sources where all parties are this user's; `None` where there is none to make.
pub fn choose(
    job: &Job,
    program: &Program,
    sources: &Sources,
    devices: &Devices,
    shared: &Shared,
) -> Result<Option<Chosen>, Failure> {
    let ways = by_way(job, program, sources.allowed[0], devices, shared)?;
    Ok(chosen(job, sources, &ways))
}
