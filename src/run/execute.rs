//! The run of a plan: its inputs and its results.

use super::answers::Answers;
use super::coordinator::Coordinator;
use super::lane::Lane;
use super::on_wire::on_wire;
use super::stored::{MessageSource, SharedSink};
use super::trace::Recorder;
use super::{Overlap, Progress, RunError, RunReport, Stages};
use crate::device::{Buffer, Device};
use crate::net::{Activity, Interrupt, Link};
use crate::plan::{DeviceModel, Plan};
use crate::ring::prg::PrgKey;
use crate::ring::{Elements, Shape};
use crate::step::{KeyId, MemoryClass, OpId, StateTile};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc::unbounded_channel;

/// The inputs of a run.
pub struct Execution<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The devices that the plan is for, by number, and maybe others, which it leaves alone.
    pub devices: &'a [Arc<dyn Device>],
    /// The model of each device, by which its queued work is estimated.
    pub models: &'a [DeviceModel],
    /// The plan's memory on them.
    pub memory: &'a Memory,
    /// The generator keys that the plan's steps name.
    pub keys: &'a HashMap<KeyId, PrgKey>,
    /// This role's own inputs, by their position in the program.
    pub inputs: BTreeMap<usize, HostMatrix>,
    /// The shapes of the program's outputs.
    pub outputs: Vec<Shape>,
    /// How the answers of the program's checks are opened, if it has any: the outputs are revealed only where all is well.
    pub answers: Option<Box<dyn Answers + 'a>>,
    /// The links with the peers that the plan names.
    pub links: &'a mut [Link],
    /// The messages that reach the run by another way.
    pub source: Option<Box<dyn MessageSource>>,
    /// The sinks for roles that the plan names and that no link leads to.
    pub sinks: Vec<SharedSink>,
    /// The counter of the links' work.
    pub activity: &'a Activity,
    /// The switch that ends the run from outside.
    pub interrupt: Option<&'static Interrupt>,
    /// The counters of the run's progress, which other threads may read.
    pub progress: &'a Progress,
    /// The clock that divides time into stages.
    pub stages: &'a mut Stages,
    /// The tag of this run's frames: frames of another run are refused.
    pub run: u32,
    /// It follows a run at once of which all roles have agreed on both: nobody waits for the others before the online phase.
    pub follows: bool,
    /// Another follows it at once: what passes through the devices' own memory stays there until the last of them is over.
    pub goes_on: bool,
    /// The time without progress, here or at any peer, after which the run ends though every peer is alive.
    pub stall: Duration,
    /// Lanes at work together, or one step at a time.
    pub overlap: Overlap,
    /// Record a trace.
    pub trace: bool,
    /// The ops' names, for errors.
    pub label: &'a (dyn Fn(OpId) -> String + Sync),
}

/// A matrix on the host.
#[derive(Clone, Debug)]
pub struct HostMatrix {
    /// Its shape.
    pub shape: Shape,
    /// Its elements, row-major.
    pub elements: Elements,
}

/// The result of a run.
#[derive(Debug)]
pub struct Outcome {
    /// The outputs that this role learns, by their position in the program; none where a check fails.
    pub outputs: BTreeMap<usize, Elements>,
    /// The first step of which the checks say that it does not hold.
    pub failed_check: Option<String>,
    /// Its figures.
    pub report: RunReport,
}

/// Runs a plan to its end, blocking; `runtime` is the one whose tasks serve the links, and the caller is none of them.
///
/// # Errors
/// Where the device or a peer fails, or a peer sends what the plan does not have.
///
/// # Panics
/// Where an input, a key or a link that the plan names is not given.
pub fn execute(runtime: &Handle, mut execution: Execution<'_>) -> Result<Outcome, RunError> {
    let Execution { plan, devices, activity, label, goes_on, .. } = execution;
    devices.iter().for_each(|device| device.ledger().restart_peak());
    execution.progress.begin(plan);
    let inputs = std::mem::take(&mut execution.inputs);
    let cancelled = AtomicBool::new(false);
    let start = execution.trace.then(|| execution.stages.last());
    if execution.trace {
        activity.record();
        devices.iter().for_each(|device| device.record());
    }
    let lanes = execution.lanes(&inputs, &cancelled);
    let (lane_events, events) = unbounded_channel();
    let result = thread::scope(|scope| {
        let started: std::io::Result<Vec<_>> = lanes
            .into_iter()
            .map(|lane| {
                let ((orders, lane_orders), events) = (crossbeam_channel::unbounded(), lane_events.clone());
                let work = move || lane.work(&lane_orders, &events, Recorder::new(start));
                Ok((orders, thread::Builder::new().spawn_scoped(scope, work)?))
            })
            .collect();
        let started = started.map_err(|error| RunError::Thread { reason: error.to_string() })?;
        let (orders, lanes): (Vec<_>, Vec<_>) = started.into_iter().unzip();
        // Only the lanes send events.
        drop(lane_events);
        // The coordinator owns the only senders of orders: the lanes' threads end with it.
        let result =
            on_wire(runtime, Coordinator::new(execution, orders, events, Recorder::new(start)).run());
        cancelled.store(result.is_err(), Ordering::Relaxed);
        let lanes: Vec<Recorder> =
            lanes.into_iter().map(|lane| lane.join().expect("a device lane does not panic")).collect();
        let work = devices.iter().map(|device| device.stop_recording());
        let (taken, wire) = (lanes.into_iter().zip(work).collect(), activity.stop_recording());
        result.map(|(mut outcome, host, online)| {
            outcome.report.trace = host.finish(taken, wire, plan, online, label);
            outcome
        })
    });
    if goes_on && result.as_ref().is_ok_and(|outcome| outcome.failed_check.is_none()) {
        return result;
    }
    // Bytes that passed through the devices' own memory are these runs' alone.
    let wiped = devices.iter().try_for_each(|device| wipe(&**device));
    let outcome = result?;
    wiped?;
    Ok(outcome)
}

impl<'a> Execution<'a> {
    /// The lanes of the devices, by number.
    fn lanes<'b>(&self, inputs: &'b BTreeMap<usize, HostMatrix>, cancelled: &'b AtomicBool) -> Vec<Lane<'b>>
    where
        'a: 'b,
    {
        let lane = |(number, device): (u8, &'a Arc<dyn Device>)| Lane {
            plan: self.plan,
            device: &**device,
            number,
            slots: &self.memory.slots,
            keys: self.keys,
            inputs,
            activity: self.activity,
            cancelled,
        };
        (0..).zip(self.devices).map(lane).collect()
    }
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

/// A plan's slots on its devices, for one run or for many: the next run finds the values that one run keeps.
#[derive(Debug)]
pub struct Memory {
    slots: Vec<Buffer>,
}

impl Memory {
    /// Allocates the plan's memory on its devices, given by number.
    ///
    /// # Errors
    /// Where a device does not hold it.
    ///
    /// # Panics
    /// Where the plan is for more devices.
    pub fn allocate(plan: &Plan, devices: &[Arc<dyn Device>]) -> Result<Memory, RunError> {
        let mut slots: Vec<Buffer> = Vec::with_capacity(plan.slots.len());
        for slot in &plan.slots {
            let device = &devices[usize::from(slot.device)];
            slots.push(device.allocate(slot.size_bytes, slot.class).map_err(|error| {
                // The slots allocated so far are dropped with this, and give their memory back.
                let (planned, held) = (account(plan.memory()), account(device.ledger().live().by_class));
                let doing = format!("allocating memory: the plan takes {planned}; held then: {held}");
                RunError::Device { error, doing }
            })?);
        }
        Ok(Memory { slots })
    }

    /// The contents of the buffers that hold states, each put together from its parts, by the numbers that these have among
    /// inputs; `shapes` are the states' own.
    ///
    /// # Errors
    /// Where a device fails.
    ///
    /// # Panics
    /// Where a shape is missing.
    pub fn states(
        &self,
        plan: &Plan,
        devices: &[Arc<dyn Device>],
        runtime: &Handle,
        shapes: &BTreeMap<usize, Shape>,
    ) -> Result<BTreeMap<usize, Elements>, RunError> {
        let failed = |error| RunError::Device { error, doing: "reading states".into() };
        let mut states: BTreeMap<usize, Elements> = BTreeMap::new();
        for &(buffer, StateTile { input, at, shape }) in &plan.states {
            let slot = plan.slot_of(buffer);
            let device = &devices[usize::from(plan.slots[slot].device)];
            let download = device.download(&self.slots[slot], shape.size_bytes(plan.ring)).map_err(failed)?;
            device.flush().map_err(failed)?;
            let bytes = runtime.block_on(download).map_err(failed)?;
            let whole = shapes[&(input.0 as usize)];
            let state = states.entry(input.0 as usize);
            let state = state.or_insert_with(|| Elements::zeros(plan.ring, whole.len()));
            state.set_block(whole, at, shape, &bytes);
        }
        devices.iter().try_for_each(|device| wipe(&**device))?;
        Ok(states)
    }

    /// Overwrites all slots and gives them back to their devices. No run can follow.
    ///
    /// # Errors
    /// Where a device failed.
    pub fn free(&mut self, devices: &[Arc<dyn Device>]) -> Result<(), RunError> {
        if self.slots.is_empty() {
            return Ok(());
        }
        self.slots.clear();
        devices.iter().try_for_each(|device| wipe(&**device))
    }
}
