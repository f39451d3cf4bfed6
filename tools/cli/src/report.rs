//! The report of a run, for people and for programs.

use crate::devices::{DeviceJson, ops};
use crate::garbled::GarbledJson;
use crate::stages::{self, StageJson};
use crate::trust::Trust;
use crate::turns::TurnsJson;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use symbolon::device::DriverMemory;
use symbolon::net::LinkTraffic;
use symbolon::program::{Dims, Kind, Program, ProgramError, ValueId, range};
use symbolon::run::{RunReport, StageSpan};
use symbolon::session::PricedRun;
use symbolon::session::{Declared, Offer, SessionOutcome};
use symbolon::share::Role;
use symbolon_job::{Job, Nonlinear, StoredOrder};

/// A run as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunJson {
    pub job: String,
    pub protocol: String,
    pub ring_bits: u32,
    pub fraction_bits: u32,
    /// The ways to compute what is not linear of which the protocol is the one that is done first, where it was chosen so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonlinear: Option<Vec<PricedWay>>,
    pub trust: Trust,
    #[serde(flatten)]
    pub ranges: Ranges,
    /// All parties' inputs, as their owners offered them.
    #[serde(default)]
    pub inputs: Vec<InputJson>,
    pub device: String,
    /// Those of this process: all of them under `--local`, one otherwise.
    pub parties: Vec<RoleJson>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dealer: Option<RoleJson>,
    /// The use of a store, where correlations came from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored: Option<StoredJson>,
    /// Until the slowest party had its correlations.
    pub offline_s: f64,
    /// Correction bytes that the dealer sends to all parties, or has put into their files.
    pub offline_bytes: u64,
    /// The slowest party's online phase.
    pub online_s: f64,
    /// All of the process's time, until its last stage ended; of a later run the phases alone.
    pub wall_s: f64,
    /// The stages of the launcher's own time, where there is one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<StageJson>,
    pub outputs: Vec<OutputJson>,
    /// The circuit, where the job is garbled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub garbled: Option<GarbledJson>,
    /// The turns of the loop that the figures are of, where the job has one: bytes, rounds and times are those of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turns: Option<u32>,
    /// What one of these turns takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<TurnsJson>,
    /// The runs after the first, where a job has several batches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub later: Vec<RunJson>,
}

/// The order of a store that a run used up.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct StoredJson {
    pub order: u32,
    /// The number of orders that all parties still have.
    pub orders_left: usize,
}

/// A way to compute what is not linear, and the largest time of each phase of a run that any party predicts for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PricedWay {
    pub nonlinear: String,
    pub offline_s: f64,
    pub online_s: f64,
}

/// Ways with their times, as reports have them.
pub fn priced_ways(runs: &[PricedRun]) -> Vec<PricedWay> {
    let priced = |run: &PricedRun| PricedWay {
        nonlinear: Nonlinear::by(run.protocol).to_string(),
        offline_s: run.times.offline.as_secs_f64(),
        online_s: run.times.online.as_secs_f64(),
    };
    runs.iter().map(priced).collect()
}

impl From<StoredOrder> for StoredJson {
    fn from(StoredOrder { order, orders_left }: StoredOrder) -> StoredJson {
        StoredJson { order, orders_left }
    }
}

impl RunJson {
    /// One party's run of a job's program.
    pub fn of_party(
        job: &Job,
        program: &Program,
        ranges: Ranges,
        inputs: Vec<InputJson>,
        outcome: &SessionOutcome,
        devices: &[String],
    ) -> RunJson {
        let plan = outcome.plans.of(outcome.report.role);
        let planned = outcome.planned.sent_bytes;
        let role = RoleJson::new(&outcome.report, devices, |device| ops(plan, program, device), planned);
        RunJson {
            job: job.name.clone(),
            protocol: job.protocol.to_string(),
            ring_bits: job.codec.ring().bits(),
            fraction_bits: job.codec.fraction_bits(),
            nonlinear: None,
            trust: Trust::new(job.protocol, outcome.plans.source),
            ranges,
            inputs,
            device: role.device.clone(),
            offline_s: role.offline_s,
            offline_bytes: outcome.planned.offline_bytes,
            online_s: role.online_s,
            wall_s: role.offline_s + role.online_s,
            garbled: None,
            turns: (outcome.runs > 1).then_some(outcome.runs),
            turn: None,
            stages: Vec::new(),
            parties: vec![role],
            dealer: None,
            stored: None,
            outputs: Vec::new(),
            later: Vec::new(),
        }
    }

    /// All parties' reports of one run as one; the parties' phases take as long as those of the slowest.
    pub fn merge(runs: &[RunJson]) -> RunJson {
        let mut merged = runs[0].clone();
        merged.parties = runs.iter().flat_map(|run| run.parties.clone()).collect();
        let largest = |value: fn(&RunJson) -> f64| runs.iter().map(value).fold(0.0, f64::max);
        merged.offline_s = largest(|run| run.offline_s);
        merged.online_s = largest(|run| run.online_s);
        merged.wall_s = largest(|run| run.wall_s);
        merged
    }

    /// The report without what outputs are, as it is printed: only a page shows that.
    pub fn without_series(mut self) -> RunJson {
        let runs = std::mem::take(&mut self.later);
        self.later = runs.into_iter().map(RunJson::without_series).collect();
        self.outputs.iter_mut().for_each(|output| output.series = None);
        self
    }

    /// Counts stages of a party's process for its last run, with which its time ends.
    pub fn end(&mut self, spans: Vec<StageSpan>) {
        let parties = match self.later.last_mut() {
            Some(last) => &mut last.parties,
            None => &mut self.parties,
        };
        let party = parties.last_mut().expect("a party's report is of that party");
        party.stages.extend(stages::report(spans));
        self.wall_s = stages::wall_s(&self.processes()[0].1);
    }

    /// The processes, each with the stages of all runs; the launcher is the last.
    pub fn processes(&self) -> Vec<(String, Vec<StageJson>)> {
        let runs = || std::iter::once(self).chain(&self.later);
        let of_role = |role: &RoleJson| {
            let of_run = |run: &RunJson| {
                let mut roles = run.parties.iter().chain(&run.dealer);
                roles.find(|other| other.id == role.id).map(|role| role.stages.clone())
            };
            (role.name(), runs().filter_map(of_run).flatten().collect())
        };
        let mut processes: Vec<_> = self.parties.iter().chain(&self.dealer).map(of_role).collect();
        if !self.stages.is_empty() {
            processes.push(("launcher".to_owned(), self.stages.clone()));
        }
        processes
    }
}

/// The facts about ranges before anything runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ranges {
    /// The facts about overflow.
    pub range: String,
    /// The results that may leave the ring, where the program computes on integers.
    #[serde(default)]
    pub wraps: Vec<String>,
    /// The functions whose arguments are not proven to lie where they are right.
    pub warnings: Vec<String>,
}

impl Ranges {
    /// The facts that a program's declared bounds prove.
    ///
    /// # Errors
    /// Where they allow overflow, or prove that a function is wrong.
    pub fn of(program: &Program) -> Result<Ranges, ProgramError> {
        let reaches = range::reaches(program)?;
        // What checks ask is no warning: a run in which it does not hold fails.
        let is_checked = program.check().is_some();
        let warnings = range::warnings(program).into_iter().filter(|_| !is_checked);
        let warnings: Vec<String> = warnings.map(|warning| warning.to_string()).collect();
        let is_read = |value: ValueId| program.value(value).integers.is_some();
        let has_integers = program.inputs().iter().any(|input| is_read(input.value));
        let inputs = program.inputs().iter().filter(|input| input.bound.is_none() && !is_read(input.value));
        let states = program.states().iter().filter(|state| state.bound.is_none());
        let states = states.map(|state| state.name.as_str());
        let mut unbounded: Vec<&str> = inputs.map(|input| input.name.as_str()).collect();
        unbounded.extend(states.filter(|name| program.inputs().iter().all(|input| input.name != *name)));
        let ring_bits = program.ring().bits();
        let can_wrap = if is_checked { Vec::new() } else { range::wrapping(program) };
        let exceeds = |label| format!("{label} can exceed the ring and wraps modulo 2^{ring_bits}");
        let wraps: Vec<String> = can_wrap.iter().map(exceeds).collect();
        let range = if program.codec().fraction_bits() == 0 && is_checked {
            format!("integers in {ring_bits} bits: every op is exact, and no result exceeds the ring")
        } else if program.codec().fraction_bits() == 0 && wraps.is_empty() {
            format!("integers in {ring_bits} bits: every op is exact, and no result can exceed the ring")
        } else if program.codec().fraction_bits() == 0 {
            format!(
                "integers modulo 2^{ring_bits}: comparisons are exact, sums and products up to a multiple of that"
            )
        } else if unbounded.is_empty() {
            let reach = reaches.iter().flatten().copied().fold(0.0, f64::max);
            let given = if warnings.is_empty() { "" } else { ", given what the warnings ask" };
            format!(
                "with the declared bounds no magnitude exceeds {reach:.4e}: no overflow is possible{given}"
            )
        } else {
            let (products, all) = (range::product_limit(program), program.codec().limit());
            let quotients = range::quotient_limit(program).min(products);
            format!(
                "no bound is declared for {}: overflow is excluded only while products, squares and sums of them stay below {products:.4e}, quotients below {quotients:.4e}, and everything else, sums on the way included, below {all:.4e}",
                unbounded.join(", ")
            )
        };
        let range = match program.codec().fraction_bits() > 0 && has_integers {
            true if wraps.is_empty() => format!("{range}; integers beside them are exact"),
            true => format!("{range}; integers beside them are exact modulo 2^{ring_bits}"),
            false => range,
        };
        let assumed: Vec<&str> = program.assumptions().collect();
        let range = if assumed.is_empty() { range } else { format!("{range}; given {}", assumed.join(", ")) };
        let range = match is_checked {
            true => {
                format!("{range}; checked in every run: where a step does not hold to that, the run fails")
            }
            false => range,
        };
        Ok(Ranges { range, wraps, warnings })
    }

    /// In lines for people.
    pub fn text(&self) -> String {
        const MOST_SHOWN: usize = 12;
        let shown = self.wraps.iter().take(MOST_SHOWN).map(|wraps| format!("  {wraps}\n"));
        let rest = self.wraps.len().saturating_sub(MOST_SHOWN);
        let rest = (rest > 0).then(|| format!("  so do {rest} more results\n"));
        let warnings = self.warnings.iter().map(|warning| format!("  warning: {warning}\n"));
        format!("  {}\n", self.range) + &shown.chain(rest).chain(warnings).collect::<String>()
    }
}

/// One role's part.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RoleJson {
    pub id: String,
    pub device: String,
    pub bytes_sent: u64,
    pub bytes_received: u64,
    /// The bytes that the plan sends.
    pub bytes_planned: u64,
    /// Frame headers, in both phases.
    pub bytes_framing: u64,
    pub rounds: u32,
    pub vram_planned_bytes: u64,
    pub vram_peak_bytes: u64,
    pub vram_by_class: BTreeMap<String, u64>,
    /// The memory of the driver's allocator at the end of the run, where the driver reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vram_driver: Option<DriverMemory>,
    pub offline_s: f64,
    pub offline_bytes_sent: u64,
    pub offline_bytes_received: u64,
    pub online_s: f64,
    /// Of the busiest device.
    pub device_s: f64,
    pub wire_s: f64,
    pub overlap: f64,
    /// Each device, where there are several; memory above is that of all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<DeviceJson>,
    /// The traffic of each peer's link, all phases and headers included.
    pub peers: Vec<PeerJson>,
    /// The stages of its process since the end of the run before, or since the process's start; without gaps.
    #[serde(default)]
    pub stages: Vec<StageJson>,
}

/// One link of a role.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PeerJson {
    pub id: String,
    pub frames_sent: u64,
    pub bytes_sent: u64,
    /// Sent again because a connection broke; not in `bytes_sent`.
    pub bytes_resent: u64,
    pub frames_received: u64,
    pub bytes_received: u64,
    pub reconnects: u64,
}

impl PeerJson {
    fn new((&peer, traffic): (&Role, &LinkTraffic)) -> PeerJson {
        PeerJson {
            id: id(peer),
            frames_sent: traffic.sent_frames,
            bytes_sent: traffic.sent_bytes,
            bytes_resent: traffic.resent_bytes,
            frames_received: traffic.received_frames,
            bytes_received: traffic.received_bytes,
            reconnects: traffic.reconnects,
        }
    }
}

/// A role's name in reports.
fn id(role: Role) -> String {
    match role {
        Role::Party(party) => party.0.to_string(),
        Role::Dealer => "dealer".to_owned(),
    }
}

/// One input, as its owner offered it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InputJson {
    pub name: String,
    pub owner: u8,
    /// Its extents, up to four of them.
    pub shape: Dims,
    pub kind: Kind,
    /// Whether the job declares the shape.
    pub declared: bool,
}

impl InputJson {
    /// The inputs of a job, as their owners offered them.
    pub fn all(job: &Job, offers: &BTreeMap<String, Offer>) -> Vec<InputJson> {
        let declared = job.declared();
        let input = |(name, &Offer { shape, kind }): (&String, &Offer)| {
            let Declared { owner, shape: declared, .. } = declared[name];
            InputJson { name: name.clone(), owner: owner.0, shape, kind, declared: declared.is_some() }
        };
        offers.iter().map(input).collect()
    }

    /// In words for people.
    pub fn text(&self) -> String {
        let InputJson { name, owner, shape, kind, declared } = self;
        let word = if *declared { "" } else { ", a shape that the job does not declare" };
        format!("input {name} {shape} of party {owner}, {kind}{word}")
    }
}

/// One output.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OutputJson {
    pub name: String,
    /// Its extents, up to four of them.
    pub shape: Vec<usize>,
    /// The file, if it was written.
    pub file: Option<String>,
    /// The parties that learned it.
    pub to: Vec<u8>,
    /// Where it is one number in each of several turns of a loop, these: for pages, see [`RunJson::without_series`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<Series>,
}

/// Numbers that a loop reveals, one in each so many-th turn.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Series {
    /// The first is that of this turn, counted from 1.
    pub first_turn: u32,
    /// Turns from one to the next.
    pub every: u32,
    /// The last turn of the loop.
    pub last_turn: u32,
    pub numbers: Vec<f64>,
}

impl RoleJson {
    /// `devices` says what each device is, and `ops` what it computed.
    pub fn new(
        report: &RunReport,
        devices: &[String],
        ops: impl Fn(u8) -> Vec<String>,
        bytes_planned: u64,
    ) -> RoleJson {
        let (planned, peak) = (report.planned(), report.peak());
        let by_class =
            |(class, &bytes): (&symbolon::step::MemoryClass, &u64)| (class.name().to_owned(), bytes);
        RoleJson {
            id: id(report.role),
            device: devices.join(" + "),
            bytes_sent: report.tally.sent_bytes,
            bytes_received: report.tally.received_bytes,
            bytes_planned,
            bytes_framing: report.tally.framing_bytes,
            rounds: report.tally.rounds,
            vram_planned_bytes: planned.values().sum(),
            vram_peak_bytes: peak.total_bytes,
            vram_by_class: peak.by_class.iter().filter(|(_, bytes)| **bytes > 0).map(by_class).collect(),
            vram_driver: report.driver(),
            offline_s: report.offline.as_secs_f64(),
            offline_bytes_sent: report.tally.offline_sent_bytes,
            offline_bytes_received: report.tally.offline_received_bytes,
            online_s: report.online.as_secs_f64(),
            device_s: report.device_busy().as_secs_f64(),
            wire_s: report.wire_busy.as_secs_f64(),
            overlap: report.overlap(),
            devices: DeviceJson::measured(report, devices, ops),
            peers: report.peers.iter().map(PeerJson::new).collect(),
            stages: stages::report(report.stages.iter().copied()),
        }
    }

    /// The figures of two runs, one after the other, as those of one.
    #[must_use]
    pub fn then(self, later: RoleJson) -> RoleJson {
        RoleJson {
            bytes_sent: self.bytes_sent + later.bytes_sent,
            bytes_received: self.bytes_received + later.bytes_received,
            bytes_planned: self.bytes_planned + later.bytes_planned,
            bytes_framing: self.bytes_framing + later.bytes_framing,
            rounds: self.rounds + later.rounds,
            vram_planned_bytes: self.vram_planned_bytes.max(later.vram_planned_bytes),
            vram_peak_bytes: self.vram_peak_bytes.max(later.vram_peak_bytes),
            offline_s: self.offline_s + later.offline_s,
            offline_bytes_sent: self.offline_bytes_sent + later.offline_bytes_sent,
            offline_bytes_received: self.offline_bytes_received + later.offline_bytes_received,
            online_s: self.online_s + later.online_s,
            device_s: self.device_s + later.device_s,
            wire_s: self.wire_s + later.wire_s,
            stages: self.stages.into_iter().chain(later.stages).collect(),
            ..later
        }
    }

    /// The role's name.
    pub fn name(&self) -> String {
        if self.id == "dealer" { self.id.clone() } else { format!("party {}", self.id) }
    }
}
