//! The device lane: one thread that feeds the device in the order of its queue.

use super::engine::Job;
use super::execute::HostMatrix;
use super::trace::{Recorder, TraceLane};
use crate::device::{Buffer, Device, DeviceError, Download};
use crate::memory::wipe::Wiped;
use crate::net::Activity;
use crate::plan::Plan;
use crate::ring::prg::PrgKey;
use crate::step::{Action, BufferId, KeyId};
use bytes::Bytes;
use crossbeam_channel::{Receiver, TryRecvError};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedSender;

/// Submissions in flight: one computes while the next is ready, so that a step chosen later can still overtake the rest.
const SUBMISSIONS_IN_FLIGHT: usize = 2;

/// The most steps that are reported together, and the longest wait of the first of them. Waking the coordinator takes
/// longer than submitting a small kernel, and it must learn in time to choose the next step.
const MOST_TOLD: usize = 64;
const LONGEST_UNTOLD: Duration = Duration::from_micros(100);

/// An order to the lane.
pub(super) enum Order {
    /// Do a job.
    Do(Job<Bytes>),
    /// Wait for everything before it.
    Synchronise,
}

/// A report of the lane.
pub(super) enum LaneEvent {
    /// The device is ready for all of the plan's kernels.
    Prepared,
    /// The bytes that the step at this position reads are on their way.
    Downloading(u32, Download),
    /// The jobs of the steps at these positions are with the device.
    Done(Vec<u32>),
    /// Everything before an [`Order::Synchronise`] is done.
    Synchronised,
    /// This number of bytes of pieces is with the device.
    Written(u64),
    /// The device failed, in the step at this position if it was in one.
    Failed(Option<u32>, DeviceError),
}

/// The lane's state.
pub(super) struct Lane<'a> {
    pub plan: &'a Plan,
    /// The device, and its number.
    pub device: &'a dyn Device,
    pub number: u8,
    /// The slots of all devices.
    pub slots: &'a [Buffer],
    pub keys: &'a HashMap<KeyId, PrgKey>,
    pub inputs: &'a BTreeMap<usize, HostMatrix>,
    /// The counters of progress.
    pub activity: &'a Activity,
    /// Set when the run has failed: queued jobs are then dropped.
    pub cancelled: &'a AtomicBool,
}

impl Lane<'_> {
    /// Works until there are no more jobs, one fails, or the run is cancelled. First the device compiles all of the plan's
    /// kernels; other devices and the peers do so at the same time, and no online phase begins before.
    pub(super) fn work(
        &self,
        orders: &Receiver<Order>,
        events: &UnboundedSender<LaneEvent>,
        mut recorder: Recorder,
    ) -> Recorder {
        let begin = recorder.now();
        if let Err(error) = self.prepare() {
            let _ = events.send(LaneEvent::Failed(None, error));
            return recorder;
        }
        recorder.take(TraceLane::Device(self.number), None, "prepare", 0, begin);
        self.activity.advance();
        let _ = events.send(LaneEvent::Prepared);
        let mut done = Done { positions: Vec::new(), told: Instant::now(), events };
        while !self.cancelled.load(Ordering::Relaxed) {
            let order = match orders.try_recv() {
                Ok(order) => order,
                Err(TryRecvError::Disconnected) => return recorder,
                // Nothing more to batch: enqueued work must start before this thread sleeps.
                Err(TryRecvError::Empty) => {
                    done.tell();
                    if let Err(error) = self.device.flush() {
                        let _ = events.send(LaneEvent::Failed(None, error));
                        return recorder;
                    }
                    match orders.recv() {
                        Ok(order) => order,
                        Err(_) => return recorder,
                    }
                }
            };
            let (position, name, bytes) = self.describe(&order);
            let begin = recorder.now();
            let result = match order {
                Order::Do(job) => self.perform(job),
                Order::Synchronise => self.device.synchronise().map(|()| Some(LaneEvent::Synchronised)),
            };
            recorder.take(TraceLane::Device(self.number), position, name, bytes, begin);
            self.activity.advance();
            let event = match result {
                Ok(event) => event,
                Err(error) => {
                    let _ = events.send(LaneEvent::Failed(position, error));
                    return recorder;
                }
            };
            done.positions.extend(position.filter(|_| !matches!(event, Some(LaneEvent::Written(_)))));
            match event {
                // The report follows those of all steps before it.
                Some(LaneEvent::Synchronised) => done.tell(),
                _ => done.tell_in_time(),
            }
            if let Some(event) = event
                && events.send(event).is_err()
            {
                break;
            }
        }
        recorder
    }

    fn prepare(&self) -> Result<(), DeviceError> {
        let here = self.plan.kernels().filter(|(device, _)| *device == self.number);
        self.device.prepare(self.plan.ring, &mut here.map(|(_, kernel)| kernel.map(|_| (), |_| ())))
    }

    fn perform(&self, job: Job<Bytes>) -> Result<Option<LaneEvent>, DeviceError> {
        match (self.action(job.position()), job) {
            (Action::Kernel(kernel), Job::Step(_)) => {
                let kernel = kernel.map(|&buffer| self.slot(buffer), |key| &self.keys[key]);
                self.device.run(self.plan.ring, &kernel)?;
                self.device.settle(SUBMISSIONS_IN_FLIGHT)?;
            }
            (&Action::Input { to, input, at }, Job::Step(_)) => {
                let HostMatrix { shape, elements } = &self.inputs[&(input.0 as usize)];
                let block = elements.block(*shape, at, to.shape);
                let uploaded = self.device.upload(self.slot(to.buffer), 0, &block);
                if let Cow::Owned(copy) = block {
                    drop(Wiped::from(copy));
                }
                uploaded?;
            }
            (
                Action::Send { from, .. } | Action::Output { from, .. } | Action::Spill { from, .. },
                Job::Step(position),
            ) => {
                let size_bytes = from.shape.size_bytes(self.plan.ring);
                let download = self.device.download(self.slot(from.buffer), size_bytes)?;
                return Ok(Some(LaneEvent::Downloading(position, download)));
            }
            (Action::Receive { to, .. }, Job::Write(_, offset, piece)) => {
                self.device.upload(self.slot(to.buffer), offset, &piece)?;
                return Ok(Some(LaneEvent::Written(piece.len() as u64)));
            }
            (Action::Reload { to, .. }, Job::Write(_, offset, content)) => {
                self.device.upload(self.slot(to.buffer), offset, &content)?;
            }
            (action, _) => unreachable!("another job than that of {}", action.name()),
        }
        Ok(None)
    }

    fn action(&self, position: u32) -> &Action {
        &self.plan.steps[position as usize].step.action
    }

    /// An order in traces: its step, its name, and the bytes that it moves between host and device.
    fn describe(&self, order: &Order) -> (Option<u32>, &'static str, u64) {
        let Order::Do(job) = order else { return (None, "synchronise", 0) };
        let (name, bytes) = match (self.action(job.position()), job) {
            (Action::Receive { .. }, Job::Write(.., piece)) => ("write", piece.len() as u64),
            (_, Job::Write(.., content)) => ("reload", content.len() as u64),
            (
                Action::Send { from, .. } | Action::Output { from, .. } | Action::Spill { from, .. },
                Job::Step(_),
            ) => ("read", from.shape.size_bytes(self.plan.ring)),
            (action, Job::Step(_)) => (action.name(), 0),
        };
        (Some(job.position()), name, bytes)
    }

    fn slot(&self, buffer: BufferId) -> &Buffer {
        &self.slots[self.plan.slot_of(buffer)]
    }
}

/// Steps that are with the device and not yet reported.
struct Done<'a> {
    positions: Vec<u32>,
    told: Instant,
    events: &'a UnboundedSender<LaneEvent>,
}

impl Done<'_> {
    fn tell_in_time(&mut self) {
        if self.positions.len() >= MOST_TOLD || self.told.elapsed() >= LONGEST_UNTOLD {
            self.tell();
        }
    }

    fn tell(&mut self) {
        if !self.positions.is_empty() {
            // A coordinator that is gone has cancelled the run.
            let _ = self.events.send(LaneEvent::Done(std::mem::take(&mut self.positions)));
        }
        self.told = Instant::now();
    }
}
