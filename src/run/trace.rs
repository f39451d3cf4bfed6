//! The work of each lane over time.

use crate::device::WorkSpan;
use crate::net::WireSpan;
use crate::plan::Plan;
use crate::share::Role;
use crate::step::OpId;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// A lane of a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TraceLane {
    /// The device with this number: step by step, or for one that works in the background, by what was submitted
    /// together.
    Device(u8),
    /// The handing over of steps to a device that works in the background.
    Handover(u8),
    /// Results on their way from the device to the host.
    Readback,
    /// Bytes being copied to where the device with this number fetches them, where it works in the background.
    Uploads(u8),
    /// Frames being written to a peer.
    To(Role),
    /// Frames being read from a peer.
    From(Role),
}

/// A stretch of time in which a lane did one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The lane.
    pub lane: TraceLane,
    /// The name of its work, such as `gemm`.
    pub name: &'static str,
    /// The step of the plan, with its op's label and its tile; frames may carry several.
    pub step: Option<TracedStep>,
    /// Bytes that were moved.
    pub bytes: u64,
    /// Since the trace's start.
    pub begin: Duration,
    /// Since the trace's start.
    pub end: Duration,
}

/// The step that a span belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracedStep {
    /// Its position in the plan.
    pub position: u32,
    /// Its op.
    pub op: String,
    /// Its tile, counted over all ops.
    pub tile: u32,
}

/// A run's spans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The role.
    pub role: Role,
    /// The start of the run.
    pub start: SystemTime,
    /// The start of the online phase, since the start of the run.
    pub online: Duration,
    /// The spans, in no particular order.
    pub spans: Vec<Span>,
}

/// Records the work of one thread; nothing where no trace was asked for.
#[derive(Debug)]
pub(super) struct Recorder {
    start: Option<Instant>,
    taken: Vec<Taken>,
}

#[derive(Debug)]
struct Taken {
    lane: TraceLane,
    position: Option<u32>,
    name: &'static str,
    bytes: u64,
    begin: Instant,
    end: Instant,
}

impl Recorder {
    pub(super) fn new(start: Option<Instant>) -> Recorder {
        Recorder { start, taken: Vec::new() }
    }

    /// The time, where it is needed.
    pub(super) fn now(&self) -> Option<Instant> {
        self.start.map(|_| Instant::now())
    }

    /// Records a span that began at `begin` and has ended.
    pub(super) fn take(
        &mut self,
        lane: TraceLane,
        position: Option<u32>,
        name: &'static str,
        bytes: u64,
        begin: Option<Instant>,
    ) {
        if let Some(begin) = begin {
            self.taken.push(Taken { lane, position, name, bytes, begin, end: Instant::now() });
        }
    }

    /// The trace of this thread, the links, and the devices: each lane's spans, and those of a device that works in the
    /// background.
    pub(super) fn finish(
        self,
        devices: Vec<(Recorder, Vec<WorkSpan>)>,
        wire: Vec<WireSpan>,
        plan: &Plan,
        online: Instant,
        label: &dyn Fn(OpId) -> String,
    ) -> Option<Trace> {
        let start = self.start?;
        let devices = (0u8..).zip(devices).flat_map(|(number, (lane, work))| lane.on_device(number, work));
        let wire = wire.into_iter().map(|span| Taken {
            lane: if span.sending { TraceLane::To(span.peer) } else { TraceLane::From(span.peer) },
            position: None,
            name: "frame",
            bytes: span.bytes,
            begin: span.begin,
            end: span.end,
        });
        let step = |position: u32| {
            let step = &plan.steps[position as usize].step;
            TracedStep { position, op: label(step.op), tile: step.tile }
        };
        let span = |taken: Taken| Span {
            lane: taken.lane,
            name: taken.name,
            step: taken.position.map(step),
            bytes: taken.bytes,
            begin: taken.begin.saturating_duration_since(start),
            end: taken.end.saturating_duration_since(start),
        };
        let spans = self.taken.into_iter().chain(devices).chain(wire).map(span).collect();
        Some(Trace {
            role: plan.role,
            start: SystemTime::now() - start.elapsed(),
            online: online.saturating_duration_since(start),
            spans,
        })
    }

    /// The spans of a device's lane, and those of the device where it works in the background: its lane then only submits.
    fn on_device(mut self, number: u8, work: Vec<WorkSpan>) -> impl Iterator<Item = Taken> {
        if !work.is_empty() {
            for taken in &mut self.taken {
                let is_upload = matches!(taken.name, "input" | "write" | "reload");
                taken.lane = if is_upload { TraceLane::Uploads(number) } else { TraceLane::Handover(number) };
            }
        }
        let work = work.into_iter().map(move |span| Taken {
            lane: TraceLane::Device(number),
            position: None,
            name: "submission",
            bytes: 0,
            begin: Instant::from_std(span.begin),
            end: Instant::from_std(span.end),
        });
        self.taken.into_iter().chain(work)
    }
}
