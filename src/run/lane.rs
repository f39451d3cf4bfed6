//! The device lane: one thread that feeds the device, in the order in which it is told.

use super::execute::HostMatrix;
use super::places::Held;
use super::trace::{Recorder, TraceLane};
use crate::device::{Buffer, Device, DeviceError, Download};
use crate::net::Activity;
use crate::plan::Plan;
use crate::ring::prg::PrgKey;
use crate::step::{Action, BufferId, InputId, Kernel, KeyId, Matrix};
use crate::wipe::Wiped;
use bytes::Bytes;
use crossbeam_channel::{Receiver, TryRecvError};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedSender;

/// One computes while the next is ready: what is chosen later can still go before the rest.
const SUBMISSIONS_IN_FLIGHT: usize = 2;

/// Steps that are told of together at the most, and how long the first of them may wait for that: waking the
/// coordinator takes longer than handing over a small kernel, and it must know in time what to hand over next.
const MOST_TOLD: usize = 64;
const LONGEST_UNTOLD: Duration = Duration::from_micros(100);

/// Work for the device, with the position of its step.
pub(super) enum Job {
    /// Computes.
    Kernel(u32),
    /// Writes the block of an input that begins at a row and a column.
    Input(u32, Matrix<BufferId>, InputId, (usize, usize)),
    /// Writes a piece of a message.
    Piece(u32, BufferId, u64, Bytes),
    /// Reads so many bytes, to be sent, handed out or kept on the host.
    Download(u32, BufferId, u64),
    /// Writes what was spilled.
    Reload(u32, BufferId, Held),
    /// Waits for everything before it.
    Synchronise,
}

/// What the lane says.
pub(super) enum Event {
    /// The bytes of a [`Job::Download`] are on their way.
    Downloading(u32, Download),
    /// The steps at these positions are with the device.
    Done(Vec<u32>),
    /// Everything before a [`Job::Synchronise`] is done.
    Synchronised,
    /// So many bytes of pieces are with the device.
    Written(u64),
    /// The device failed, in the step at this position if it was in one.
    Failed(Option<u32>, DeviceError),
}

/// What the lane works on.
pub(super) struct Lane<'a> {
    pub plan: &'a Plan,
    /// The device, and its number.
    pub device: &'a dyn Device,
    pub number: u8,
    /// The slots of all devices.
    pub slots: &'a [Buffer],
    pub keys: &'a HashMap<KeyId, PrgKey>,
    pub inputs: &'a BTreeMap<usize, HostMatrix>,
    /// What is done is counted here.
    pub activity: &'a Activity,
    /// Set when the run has failed: what is still queued is dropped.
    pub cancelled: &'a AtomicBool,
}

impl Lane<'_> {
    /// Works until there are no more jobs, one fails, or the run is cancelled. First the device is made ready for all of
    /// the plan's kernels; other devices and the peers do so meanwhile, and nobody's online phase begins before.
    pub(super) fn work(
        &self,
        jobs: &Receiver<Job>,
        events: &UnboundedSender<Event>,
        mut recorder: Recorder,
    ) -> Recorder {
        let begin = recorder.now();
        if let Err(error) = self.prepare() {
            let _ = events.send(Event::Failed(None, error));
            return recorder;
        }
        recorder.take(TraceLane::Device(self.number), None, "prepare", 0, begin);
        self.activity.advance();
        let mut done = Done { positions: Vec::new(), told: Instant::now(), events };
        while !self.cancelled.load(Ordering::Relaxed) {
            let job = match jobs.try_recv() {
                Ok(job) => job,
                Err(TryRecvError::Disconnected) => return recorder,
                // Nothing more to batch: what is enqueued must start before this thread sleeps.
                Err(TryRecvError::Empty) => {
                    done.tell();
                    if let Err(error) = self.device.flush() {
                        let _ = events.send(Event::Failed(None, error));
                        return recorder;
                    }
                    match jobs.recv() {
                        Ok(job) => job,
                        Err(_) => return recorder,
                    }
                }
            };
            let (position, name, bytes) = (job.position(), self.name(&job), job.bytes());
            let begin = recorder.now();
            let result = self.perform(job);
            recorder.take(TraceLane::Device(self.number), position, name, bytes, begin);
            self.activity.advance();
            let event = match result {
                Ok(event) => event,
                Err(error) => {
                    let _ = events.send(Event::Failed(position, error));
                    return recorder;
                }
            };
            done.positions.extend(position.filter(|_| !matches!(event, Some(Event::Written(_)))));
            match event {
                // Whoever waits for this is told of all that was before it.
                Some(Event::Synchronised) => done.tell(),
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

    fn perform(&self, job: Job) -> Result<Option<Event>, DeviceError> {
        match job {
            Job::Kernel(position) => {
                let kernel = self.kernel(position);
                let kernel = kernel.map(|&buffer| self.slot(buffer), |key| &self.keys[key]);
                self.device.run(self.plan.ring, &kernel)?;
                self.device.settle(SUBMISSIONS_IN_FLIGHT)?;
            }
            Job::Input(_, to, input, at) => {
                let HostMatrix { shape, elements } = &self.inputs[&(input.0 as usize)];
                let block = elements.block(*shape, at, to.shape);
                let uploaded = self.device.upload(self.slot(to.buffer), 0, &block);
                if let Cow::Owned(copy) = block {
                    drop(Wiped::from(copy));
                }
                uploaded?;
            }
            Job::Piece(_, buffer, offset, piece) => {
                self.device.upload(self.slot(buffer), offset, &piece)?;
                return Ok(Some(Event::Written(piece.len() as u64)));
            }
            Job::Download(position, buffer, size_bytes) => {
                let download = self.device.download(self.slot(buffer), size_bytes)?;
                return Ok(Some(Event::Downloading(position, download)));
            }
            Job::Reload(_, buffer, content) => self.device.upload(self.slot(buffer), 0, &content)?,
            Job::Synchronise => {
                self.device.synchronise()?;
                return Ok(Some(Event::Synchronised));
            }
        }
        Ok(None)
    }

    fn kernel(&self, position: u32) -> &Kernel<BufferId, KeyId> {
        let Action::Kernel(kernel) = &self.plan.steps[position as usize].step.action else {
            unreachable!("a step that computes")
        };
        kernel
    }

    /// What traces call a job.
    fn name(&self, job: &Job) -> &'static str {
        match *job {
            Job::Kernel(position) => self.kernel(position).name(),
            Job::Input(..) => "input",
            Job::Piece(..) => "write",
            Job::Download(..) => "read",
            Job::Reload(..) => "reload",
            Job::Synchronise => "synchronise",
        }
    }

    fn slot(&self, buffer: BufferId) -> &Buffer {
        &self.slots[self.plan.slot_of(buffer)]
    }
}

/// Steps that are with the device, and that nobody was told of.
struct Done<'a> {
    positions: Vec<u32>,
    told: Instant,
    events: &'a UnboundedSender<Event>,
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
            let _ = self.events.send(Event::Done(std::mem::take(&mut self.positions)));
        }
        self.told = Instant::now();
    }
}

impl Job {
    fn position(&self) -> Option<u32> {
        match *self {
            Job::Kernel(position)
            | Job::Input(position, ..)
            | Job::Piece(position, ..)
            | Job::Reload(position, ..)
            | Job::Download(position, ..) => Some(position),
            Job::Synchronise => None,
        }
    }

    /// Bytes that it moves between host and device.
    fn bytes(&self) -> u64 {
        match self {
            Job::Piece(.., piece) => piece.len() as u64,
            Job::Download(.., size_bytes) => *size_bytes,
            Job::Reload(.., content) => content.len() as u64,
            Job::Kernel(..) | Job::Input(..) | Job::Synchronise => 0,
        }
    }
}
