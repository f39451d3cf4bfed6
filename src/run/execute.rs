//! Running a plan: what it needs, and what it gives.

use super::coordinator::Coordinator;
use super::lane::Lane;
use super::trace::Recorder;
use super::{Overlap, Progress, RunError, RunReport};
use crate::device::{Buffer, Device, DeviceError};
use crate::net::{Activity, Link};
use crate::plan::{Plan, Slot};
use crate::ring::prg::PrgKey;
use crate::ring::{Elements, Shape};
use crate::step::{KeyId, MemoryClass, OpId};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::Instant;

/// Everything that one run needs.
pub struct Execution<'a> {
    /// What to do.
    pub plan: &'a Plan,
    /// Where to compute.
    pub device: &'a dyn Device,
    /// The plan's memory on that device.
    pub memory: &'a Memory,
    /// The generator keys that the plan's steps name.
    pub keys: &'a HashMap<KeyId, PrgKey>,
    /// This role's own inputs, by their position in the program.
    pub inputs: BTreeMap<usize, HostMatrix>,
    /// The shapes of the program's outputs.
    pub outputs: Vec<Shape>,
    /// The links with the peers that the plan names.
    pub links: &'a mut [Link],
    /// What the links count their work in.
    pub activity: &'a Activity,
    /// Where what is done is counted, for whoever looks on.
    pub progress: &'a Progress,
    /// What frames of this run carry: frames of another are refused.
    pub run: u32,
    /// Without any progress here or at any peer for so long the run ends, though every peer is alive.
    pub stall: Duration,
    /// Whether the lanes work at once.
    pub overlap: Overlap,
    /// Whether to take down what happens when.
    pub trace: bool,
    /// What an op is called, for errors.
    pub label: &'a dyn Fn(OpId) -> String,
}

/// A matrix on the host.
#[derive(Clone, Debug)]
pub struct HostMatrix {
    /// Its shape.
    pub shape: Shape,
    /// Its elements, row-major.
    pub elements: Elements,
}

/// What a run gave.
#[derive(Debug)]
pub struct Outcome {
    /// The outputs that this role learns, by their position in the program.
    pub outputs: BTreeMap<usize, Elements>,
    /// What it took.
    pub report: RunReport,
}

/// Runs a plan to its end, blocking; `runtime` is the one whose tasks serve the links.
///
/// # Errors
/// Where the device or a peer fails, or a peer sends what the plan does not have.
///
/// # Panics
/// Where an input, a key or a link that the plan names is not given, or the caller is a task of the runtime.
pub fn execute(runtime: &Handle, mut execution: Execution<'_>) -> Result<Outcome, RunError> {
    let Execution { plan, device, memory, keys, activity, .. } = execution;
    device.ledger().restart_peak();
    execution.progress.begin(plan);
    let inputs = std::mem::take(&mut execution.inputs);
    let cancelled = AtomicBool::new(false);
    let start = execution.trace.then(Instant::now);
    if execution.trace {
        activity.record();
        device.record();
    }
    let label = execution.label;
    let lane =
        Lane { plan, device, slots: &memory.slots, keys, inputs: &inputs, activity, cancelled: &cancelled };
    let (jobs, lane_jobs) = crossbeam_channel::unbounded();
    let (lane_events, events) = unbounded_channel();
    let result = std::thread::scope(|scope| {
        let lane = scope.spawn(move || lane.work(&lane_jobs, &lane_events, Recorder::new(start)));
        // The coordinator owns the only sender of jobs: the lane's thread ends with it.
        let result = runtime.block_on(Coordinator::new(execution, jobs, events, Recorder::new(start)).run());
        cancelled.store(result.is_err(), Ordering::Relaxed);
        let lane = lane.join().expect("the device lane does not panic");
        let (work, wire) = (device.stop_recording(), activity.stop_recording());
        result.map(|(mut outcome, host, online)| {
            outcome.report.trace = host.finish(lane, work, wire, plan, online, label);
            outcome
        })
    });
    // What passed through the device's own memory is this run's alone.
    let wiped = wipe(device);
    let outcome = result?;
    wiped?;
    Ok(outcome)
}

/// Bytes by class, in words.
fn account(classes: BTreeMap<MemoryClass, u64>) -> String {
    let there = classes.iter().filter(|(_, bytes)| **bytes > 0);
    let parts: Vec<String> = there.map(|(class, bytes)| format!("{} {bytes}", class.name())).collect();
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") + " bytes" }
}

fn wipe(device: &dyn Device) -> Result<(), RunError> {
    device.wipe().map_err(|error| RunError::Device { error, doing: "wiping the run's memory".into() })
}

/// A plan's slots on a device, for one run or for many: what one run keeps, the next finds.
#[derive(Debug)]
pub struct Memory {
    slots: Vec<Buffer>,
}

impl Memory {
    /// Allocates all that runs of the plan take.
    ///
    /// # Errors
    /// Where the device does not hold it.
    pub fn allocate(plan: &Plan, device: &dyn Device) -> Result<Memory, RunError> {
        let mut held = BTreeMap::new();
        let allocate = |slot: &Slot| {
            // The ledger of this moment: what fails gives everything back.
            held = device.ledger().live().by_class;
            device.allocate(slot.size_bytes, slot.class)
        };
        let slots: Result<Vec<Buffer>, DeviceError> = plan.slots.iter().map(allocate).collect();
        let slots = slots.map_err(|error| {
            let planned = account(plan.memory());
            let doing = format!("allocating memory: the plan takes {planned}; held then: {}", account(held));
            RunError::Device { error, doing }
        })?;
        Ok(Memory { slots })
    }

    /// Gives all of it back to the device that it is of, overwritten. Nothing is left to run in.
    ///
    /// # Errors
    /// Where the device failed.
    pub fn free(&mut self, device: &dyn Device) -> Result<(), RunError> {
        if self.slots.is_empty() {
            return Ok(());
        }
        self.slots.clear();
        wipe(device)
    }
}
