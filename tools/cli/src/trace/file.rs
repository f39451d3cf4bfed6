//! The file: Chrome's trace event format, with the data that a summary needs beside the events.

use super::LineTook;
use crate::failure::Failure;
use crate::files;
use crate::page::chart::Classes;
use crate::report::OutputJson;
use crate::stages::StageJson;
use crate::turns;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime};
use symbolon::plan::{Occupied, Plan, Plans};
use symbolon::program::Program;
use symbolon::run::{Span, Stage, Trace, TraceLane};
use symbolon::share::Role;
use symbolon::step::MemoryClass;
use symbolon_job::JobError;

/// The name of memory events.
const MEMORY: &str = "device memory";

/// The most memory events of a process.
const MOST_COUNTERS: usize = 2000;

/// A trace file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TraceFile {
    #[serde(rename = "displayTimeUnit")]
    unit: String,
    /// The events.
    #[serde(rename = "traceEvents")]
    pub events: Vec<Event>,
    /// The processes of the events.
    #[serde(rename = "otherData")]
    pub about: About,
}

/// The data beside the events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct About {
    start_unix_us: u64,
    /// The processes, by number.
    pub roles: Vec<RoleAbout>,
}

/// A process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoleAbout {
    pub pid: u32,
    pub role: String,
    /// The start of its online phase, in µs.
    pub online_us: f64,
    /// What each line of the job took online.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<LineTook>,
}

/// A span, or the name of a process or lane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub name: String,
    /// `X` for a span, `M` for a name, `C` for memory in use, or for a number that a loop revealed.
    pub ph: String,
    /// In µs, since the file's start.
    #[serde(default)]
    pub ts: f64,
    #[serde(default)]
    pub dur: f64,
    pub pid: u32,
    pub tid: u32,
    #[serde(default)]
    pub args: Arguments,
}

/// An event's arguments.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Arguments {
    /// The name that an event of kind `M` gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub op: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tile: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// The number that a turn of a loop revealed, and the turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<u32>,
    /// Device memory in use, by class: of an event of kind `C`.
    #[serde(flatten)]
    pub memory: BTreeMap<String, u64>,
}

impl TraceFile {
    /// The trace of one process, with the memory that the plan's steps had in use and what each line of the program took,
    /// where it ran by a plan.
    pub fn new(trace: &Trace, planned: Option<(&Plans, &Program)>) -> TraceFile {
        let pid = number(trace.role);
        let named = |what: &str, tid: u32, name: String| Event {
            name: what.to_owned(),
            ph: "M".to_owned(),
            ts: 0.0,
            dur: 0.0,
            pid,
            tid,
            args: Arguments { name: Some(name), ..Arguments::default() },
        };
        let mut lanes: Vec<TraceLane> = trace.spans.iter().map(|span| span.lane).collect();
        lanes.sort_unstable();
        lanes.dedup();
        let mut events = vec![named("process_name", 0, trace.role.to_string())];
        events.extend(lanes.iter().map(|&lane| named("thread_name", thread(lane), lane_name(lane))));
        events.extend(trace.spans.iter().map(|span| event(pid, span)));
        let plan = planned.map(|(plans, _)| plans.of(trace.role));
        events.extend(plan.into_iter().flat_map(|plan| counters(pid, trace, plan)));
        let lines = planned.map(|(plans, program)| LineTook::all(trace, plans, program)).unwrap_or_default();
        let start = trace.start.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let role = RoleAbout { pid, role: trace.role.to_string(), online_us: micros(trace.online), lines };
        TraceFile {
            unit: "ms".to_owned(),
            events,
            about: About { start_unix_us: start.as_micros() as u64, roles: vec![role] },
        }
    }

    /// The trace with the stages of its process, of whose last run it is, as a lane, and with the numbers that turns of a loop
    /// revealed to it, each when its turn ended. Its clock is the process's from then on.
    pub fn with_stages(mut self, stages: &[StageJson], outputs: &[OutputJson]) -> TraceFile {
        let RoleAbout { pid, .. } = self.about.roles[0];
        // Without a plan nothing is prepared: the first is offline work.
        let last = |stage| stages.iter().rev().find(|span| span.stage == stage);
        let shift_us = last(Stage::Preparing).or(last(Stage::Offline)).map_or(0.0, |span| span.begin_s * 1e6);
        self.shift(shift_us);
        self.about.start_unix_us = self.about.start_unix_us.saturating_sub(shift_us as u64);
        let event = |name: &str, ph: &str, ts: f64, dur: f64, args| {
            let (name, ph) = (name.to_owned(), ph.to_owned());
            Event { name, ph, ts, dur, pid, tid: STAGES, args }
        };
        let lane = Arguments { name: Some("stages".to_owned()), ..Arguments::default() };
        self.events.push(event("thread_name", "M", 0.0, 0.0, lane));
        self.events.extend(stages.iter().map(|span| {
            let (begin_us, end_us) = (span.begin_s * 1e6, span.end_s * 1e6);
            event(span.stage.name(), "X", begin_us, end_us - begin_us, Arguments::default())
        }));
        let ends_s = turns::ends_s(stages);
        for (name, series) in
            outputs.iter().filter_map(|output| Some((&output.name, output.series.as_ref()?)))
        {
            let due = (series.first_turn..).step_by(series.every as usize);
            self.events.extend(due.zip(&series.numbers).filter_map(|(turn, &number)| {
                // The process may have run the last turns alone.
                let end_s = ends_s.iter().rev().nth(series.last_turn.checked_sub(turn)? as usize)?;
                let args = Arguments { value: Some(number), turn: Some(turn), ..Arguments::default() };
                Some(event(name, "C", end_s * 1e6, 0.0, args))
            }));
        }
        self
    }

    /// Moves all that happened on the file's clock.
    fn shift(&mut self, shift_us: f64) {
        let happened = self.events.iter_mut().filter(|event| event.ph != "M");
        happened.for_each(|event| event.ts += shift_us);
        self.about.roles.iter_mut().for_each(|role| role.online_us += shift_us);
    }

    /// All events on the clock of the file that began first.
    pub fn merge(files: Vec<TraceFile>) -> TraceFile {
        let start_unix_us = files.iter().map(|file| file.about.start_unix_us).min().unwrap_or_default();
        let mut merged = TraceFile {
            unit: "ms".to_owned(),
            events: Vec::new(),
            about: About { start_unix_us, roles: Vec::new() },
        };
        for mut file in files {
            let shift = (file.about.start_unix_us - start_unix_us) as f64;
            file.shift(shift);
            merged.events.append(&mut file.events);
            merged.about.roles.append(&mut file.about.roles);
        }
        merged
    }

    pub fn read(path: &Path) -> Result<TraceFile, JobError> {
        let text = std::fs::read(path)
            .map_err(|error| JobError::File { path: path.to_owned(), reason: error.to_string() })?;
        serde_json::from_slice(&text).map_err(|error| JobError::Text {
            path: path.to_owned(),
            line: Some(error.line()),
            reason: format!("not a trace that symbolon wrote: {error}"),
        })
    }

    pub fn write(&self, path: &Path) -> Result<(), Failure> {
        let text = serde_json::to_vec(self).expect("a trace serialises");
        files::write(path, &text)
    }

    /// The lanes of a process's last run, in order, by thread number and name.
    pub fn lanes(&self, pid: u32) -> Vec<(u32, &str)> {
        let is_lane = |event: &&Event| event.name == "thread_name" && event.tid != STAGES;
        let names = self.events.iter().filter(|event| event.pid == pid).filter(is_lane);
        names.map(|event| (event.tid, event.args.name.as_deref().unwrap_or_default())).collect()
    }

    /// The device memory that a process had in use: seconds since the start, and bytes by class.
    pub fn memory(&self, pid: u32) -> Vec<(f64, Classes)> {
        let of_process = |event: &&Event| event.name == MEMORY && event.ph == "C" && event.pid == pid;
        let bytes = |event: &Event| {
            MemoryClass::ALL.map(|class| event.args.memory.get(class.name()).copied().unwrap_or(0))
        };
        self.events.iter().filter(of_process).map(|event| (event.ts / 1e6, bytes(event))).collect()
    }

    /// When the first span of a lane begins and the last ends, in µs.
    pub fn extent_us(&self) -> (f64, f64) {
        let spans = self.events.iter().filter(|event| event.ph == "X" && event.tid != STAGES);
        let extents = spans.map(|event| (event.ts, event.ts + event.dur));
        extents.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))).unwrap_or((0.0, 1.0))
    }

    /// The spans of a lane, by their beginning.
    pub fn spans(&self, pid: u32, tid: u32) -> Vec<&Event> {
        let of_lane = |event: &&Event| event.ph == "X" && (event.pid, event.tid) == (pid, tid);
        let mut spans: Vec<&Event> = self.events.iter().filter(of_lane).collect();
        spans.sort_by(|a, b| a.ts.total_cmp(&b.ts));
        spans
    }
}

fn event(pid: u32, span: &Span) -> Event {
    Event {
        name: span.name.to_owned(),
        ph: "X".to_owned(),
        ts: micros(span.begin),
        dur: micros(span.end - span.begin),
        pid,
        tid: thread(span.lane),
        args: Arguments {
            name: None,
            op: span.step.as_ref().map(|step| step.op.clone()),
            step: span.step.as_ref().map(|step| step.position),
            tile: span.step.as_ref().map(|step| step.tile),
            bytes: (span.bytes > 0).then_some(span.bytes),
            ..Arguments::default()
        },
    }
}

/// Bytes in use while the device's steps ran: an event at each change, up to the most events.
fn counters(pid: u32, trace: &Trace, plan: &Plan) -> Vec<Event> {
    let on_device = trace.spans.iter().filter(|span| matches!(span.lane, TraceLane::Device(_)));
    let mut ran: Vec<(Duration, u32)> =
        on_device.filter_map(|span| Some((span.begin, span.step.as_ref()?.position))).collect();
    ran.sort_unstable();
    let order: Vec<u32> = ran.iter().map(|(_, position)| *position).collect();
    let begun = ran.iter().map(|(begin, _)| *begin);
    let mut seen: Vec<(Duration, Occupied)> = begun.zip(plan.occupied_in(&order)).collect();
    seen.dedup_by_key(|(_, occupied)| *occupied);
    let stretch = seen.len().div_ceil(MOST_COUNTERS).max(1);
    // Each stretch shows its maximum, so that no peak is hidden.
    let most = |stretch: &[(Duration, Occupied)]| {
        let (_, most) = stretch.iter().max_by_key(|(_, occupied)| occupied.total_bytes()).expect("not empty");
        (stretch[0].0, *most)
    };
    let event = |(begin, occupied): (Duration, Occupied)| Event {
        name: MEMORY.to_owned(),
        ph: "C".to_owned(),
        ts: micros(begin),
        dur: 0.0,
        pid,
        tid: 0,
        args: Arguments { memory: by_class(&occupied), ..Arguments::default() },
    };
    seen.chunks(stretch).map(most).map(event).collect()
}

fn by_class(occupied: &Occupied) -> BTreeMap<String, u64> {
    MemoryClass::ALL.iter().zip(occupied.0).map(|(class, bytes)| (class.name().to_owned(), bytes)).collect()
}

fn micros(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1e3
}

/// A role's process number: the dealer's is the last.
fn number(role: Role) -> u32 {
    match role {
        Role::Party(party) => u32::from(party.0) + 1,
        Role::Dealer => 100,
    }
}

/// The subject of a lane.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum LaneKind {
    /// A device.
    Device,
    /// The handing over to a device that works in the background.
    Handover,
    /// Downloads from devices.
    Readback,
    /// Uploads to a device that works in the background.
    Uploads,
    /// A direction of a link.
    Wire,
}

/// The thread number of a process's stages.
const STAGES: u32 = 0;

/// Thread numbers: the first device's lane, downloads from any device, the first device's submissions, and uploads to it.
/// Every other device adds its number to the first.
const DEVICE: u32 = 1;
const READBACK: u32 = 2;
const HANDOVER: u32 = 3;
const UPLOADS: u32 = 4;
const NEXT_DEVICE: u32 = 10;
const TO: u32 = 1000;
const FROM: u32 = 2000;

fn thread(lane: TraceLane) -> u32 {
    match lane {
        TraceLane::Device(device) => DEVICE + u32::from(device) * NEXT_DEVICE,
        TraceLane::Readback => READBACK,
        TraceLane::Handover(device) => HANDOVER + u32::from(device) * NEXT_DEVICE,
        TraceLane::Uploads(device) => UPLOADS + u32::from(device) * NEXT_DEVICE,
        TraceLane::To(peer) => TO + number(peer),
        TraceLane::From(peer) => FROM + number(peer),
    }
}

fn lane_name(lane: TraceLane) -> String {
    match lane {
        TraceLane::Device(0) => "device".to_owned(),
        TraceLane::Device(device) => format!("device {device}"),
        TraceLane::Readback => "readback".to_owned(),
        TraceLane::Handover(0) => "handing over".to_owned(),
        TraceLane::Handover(device) => format!("handing over {device}"),
        TraceLane::Uploads(0) => "uploads".to_owned(),
        TraceLane::Uploads(device) => format!("uploads {device}"),
        TraceLane::To(peer) => format!("to {peer}"),
        TraceLane::From(peer) => format!("from {peer}"),
    }
}

/// The subject of the lane with this thread number.
pub fn kind(tid: u32) -> LaneKind {
    match tid % NEXT_DEVICE {
        _ if tid >= TO => LaneKind::Wire,
        DEVICE => LaneKind::Device,
        HANDOVER => LaneKind::Handover,
        UPLOADS => LaneKind::Uploads,
        _ => LaneKind::Readback,
    }
}

/// True for a lane of the wire.
pub fn is_wire(tid: u32) -> bool {
    kind(tid) == LaneKind::Wire
}
