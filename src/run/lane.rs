//! The device lane: one thread that feeds the device in the order of its queue, and between two orders notices what the
//! device has done.

use super::engine::Job;
use super::execute::HostMatrix;
use super::trace::{Recorder, TraceLane};
use super::wakes;
use crate::circuit::garble::GarbleError;
use crate::device::{Buffer, Device, DeviceError, Pieces, pace};
use crate::memory::wipe::Wiped;
use crate::net::Activity;
use crate::plan::Plan;
use crate::ring::prg::PrgKey;
use crate::step::{Action, BufferId, Garbled, KeyId, Matrix};
use bytes::Bytes;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::yield_now;
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
    Do(Job<Pieces>),
    /// Wait for everything before it.
    Synchronise,
}

/// A message of the lane.
pub(super) enum LaneEvent {
    /// The device is ready for all of the plan's kernels.
    Prepared,
    /// The device has taken or done work.
    Report(Report),
    /// Everything before an [`Order::Synchronise`] is done; how often this thread has been woken, where the system tells.
    Synchronised(Option<u64>),
    /// The lane failed, in the step at this position if it was in one.
    Failed(Option<u32>, LaneError),
}

/// The failure of a lane.
pub(super) enum LaneError {
    /// The device failed.
    Device(DeviceError),
    /// A peer's message is no garbled circuit, or the system has no randomness for one.
    Garbled(GarbleError),
}

impl From<DeviceError> for LaneError {
    fn from(error: DeviceError) -> LaneError {
        LaneError::Device(error)
    }
}

/// The work of some time.
#[derive(Default)]
pub(super) struct Report {
    /// The jobs of the steps at these positions are with the device.
    pub done: Vec<u32>,
    /// This number of bytes of pieces is with the device.
    pub written_bytes: u64,
    /// What was read.
    pub arrived: Vec<Arrival>,
}

/// The bytes that the step at this position reads are on the host.
pub(super) struct Arrival {
    pub position: u32,
    pub content: Pieces,
    /// When it was asked for, where that is taken down.
    pub asked: Option<tokio::time::Instant>,
}

/// What the device says of a step's bytes.
type Arriving = (u32, Result<Pieces, DeviceError>, Option<tokio::time::Instant>);

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

/// The lane at work. `Err` is a failure, with the position of its step if it was in one.
struct Shift<'a> {
    lane: &'a Lane<'a>,
    orders: &'a Receiver<Vec<Order>>,
    queue: VecDeque<Order>,
    reporter: Reporter<'a>,
    recorder: Recorder,
}

type Failure = (Option<u32>, LaneError);

impl Lane<'_> {
    /// Works until there are no more jobs, one fails, or the run is cancelled. First the device prepares for all of the plan's
    /// kernels; other devices and the peers do so at the same time, and no online phase begins before.
    pub(super) fn work(
        &self,
        orders: &Receiver<Vec<Order>>,
        events: &UnboundedSender<LaneEvent>,
        mut recorder: Recorder,
    ) -> Recorder {
        pace::sleep_exactly();
        let begin = recorder.now();
        if let Err(error) = self.prepare() {
            let _ = events.send(LaneEvent::Failed(None, error.into()));
            return recorder;
        }
        recorder.take(TraceLane::Device(self.number), None, "prepare", 0, begin);
        self.activity.advance();
        let _ = events.send(LaneEvent::Prepared);
        let reporter = Reporter::new(events);
        let mut shift = Shift { lane: self, orders, queue: VecDeque::new(), reporter, recorder };
        if let Err((position, error)) = shift.work() {
            let _ = events.send(LaneEvent::Failed(position, error));
        }
        shift.recorder
    }

    fn prepare(&self) -> Result<(), DeviceError> {
        let here = self.plan.kernels().filter(|(device, _)| *device == self.number);
        let bound = |(_, kernel): (u8, &crate::step::Kernel<BufferId, KeyId>)| {
            kernel.map(|&buffer| self.slot(buffer), |key| &self.keys[key])
        };
        self.device.prepare(self.plan.ring, &mut here.map(bound))
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

    fn upload(&self, buffer: BufferId, offset: u64, content: &Pieces) -> Result<(), DeviceError> {
        let mut at = offset;
        for piece in content.iter() {
            self.device.upload(self.slot(buffer), at, piece)?;
            at += piece.len() as u64;
        }
        Ok(())
    }
}

impl Lane<'_> {
    /// Does a step of a conversion on the host: what it reads comes from the device, and what it writes goes there.
    fn garbled(&self, garbled: &Garbled) -> Result<(), LaneError> {
        let reads: Vec<Bytes> =
            garbled.reads.iter().map(|from| self.fetch(from)).collect::<Result<_, DeviceError>>()?;
        let reads: Vec<&[u8]> = reads.iter().map(|bytes| &bytes[..]).collect();
        let written = garbled.run(&reads).map_err(LaneError::Garbled)?;
        for (to, bytes) in garbled.writes.iter().zip(written) {
            self.device.upload(self.slot(to.buffer), 0, &bytes)?;
        }
        Ok(())
    }

    /// The bytes of a matrix, for which the lane waits.
    fn fetch(&self, from: &Matrix<BufferId>) -> Result<Bytes, DeviceError> {
        let (sender, arrival) = crossbeam_channel::bounded(1);
        let arrived = move |result: Result<Pieces, DeviceError>| {
            let _ = sender.send(result);
        };
        let size_bytes = from.shape.size_bytes(self.plan.ring);
        self.device.read(self.slot(from.buffer), size_bytes, Box::new(arrived))?;
        self.device.flush()?;
        let lost = || DeviceError::Lost {
            device: self.device.description().name.clone(),
            reason: "it was closed while a garbled circuit was made".to_owned(),
        };
        arrival.recv().map_err(|_| lost())?.map(Pieces::into_bytes)
    }
}

impl Shift<'_> {
    fn work(&mut self) -> Result<(), Failure> {
        while !self.lane.cancelled.load(Ordering::Relaxed) {
            let Some(order) = self.next()? else { return Ok(()) };
            let (position, name, bytes) = self.lane.describe(&order);
            let begin = self.recorder.now();
            let is_end = matches!(order, Order::Synchronise);
            let result = match order {
                Order::Do(job) => self.perform(job),
                Order::Synchronise => self.lane.device.synchronise().map_err(LaneError::from),
            };
            result.map_err(|error| (position, error))?;
            self.recorder.take(TraceLane::Device(self.lane.number), position, name, bytes, begin);
            self.lane.activity.advance();
            self.reporter.collect()?;
            if is_end {
                // It follows the report of all steps before it.
                self.reporter.tell();
                let _ = self.reporter.events.send(LaneEvent::Synchronised(wakes::of_this_thread()));
            } else {
                self.reporter.tell_in_time();
            }
        }
        Ok(())
    }

    /// The next order; none at the end of the run. Where there is none yet, the device is told, and looked at until there is.
    fn next(&mut self) -> Result<Option<Order>, Failure> {
        if let Some(order) = self.queue.pop_front() {
            return Ok(Some(order));
        }
        let orders = match self.orders.try_recv() {
            Ok(orders) => Some(orders),
            Err(TryRecvError::Disconnected) => None,
            Err(TryRecvError::Empty) => self.attend()?,
        };
        self.queue.extend(orders.into_iter().flatten());
        Ok(self.queue.pop_front())
    }

    /// Hands out what the device brings until there are orders; none at the end of the run.
    fn attend(&mut self) -> Result<Option<Vec<Order>>, Failure> {
        let failed = |error: DeviceError| (None, error.into());
        let mut is_at_work = self.lane.device.pause().map_err(failed)?;
        let begin = Instant::now();
        loop {
            self.reporter.collect()?;
            // What comes at once is told with what was done before.
            let looks = is_at_work || self.reporter.is_due();
            if !looks || !self.reporter.report.arrived.is_empty() || begin.elapsed() >= LONGEST_UNTOLD {
                self.reporter.tell();
            }
            let orders = match (looks, self.reporter.is_due()) {
                (false, _) => self.orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
                (true, true) => match pace::pause_after(begin.elapsed()) {
                    Some(pause) => self.orders.recv_timeout(pause),
                    None => self.orders.try_recv().map_err(|error| {
                        yield_now();
                        match error {
                            TryRecvError::Empty => RecvTimeoutError::Timeout,
                            TryRecvError::Disconnected => RecvTimeoutError::Disconnected,
                        }
                    }),
                },
                (true, false) => self.orders.recv_timeout(pace::idle_pause_after(begin.elapsed())),
            };
            match orders {
                Ok(orders) => return Ok(Some(orders)),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => is_at_work = self.lane.device.look().map_err(failed)?,
            }
        }
    }

    fn perform(&mut self, job: Job<Pieces>) -> Result<(), LaneError> {
        let Lane { plan, device, .. } = *self.lane;
        let position = job.position();
        match (self.lane.action(position), job) {
            (Action::Kernel(kernel), Job::Step(_)) => {
                let kernel = kernel.map(|&buffer| self.lane.slot(buffer), |key| &self.lane.keys[key]);
                device.run(plan.ring, &kernel)?;
                device.settle(SUBMISSIONS_IN_FLIGHT)?;
            }
            (&Action::Input { to, input, at }, Job::Step(_)) => {
                let HostMatrix { shape, elements } = &self.lane.inputs[&(input.0 as usize)];
                let block = elements.block(*shape, at, to.shape);
                let uploaded = device.upload(self.lane.slot(to.buffer), 0, &block);
                if let Cow::Owned(copy) = block {
                    drop(Wiped::from(copy));
                }
                uploaded?;
            }
            (
                Action::Send { from, .. } | Action::Output { from, .. } | Action::Spill { from, .. },
                Job::Step(_),
            ) => {
                let size_bytes = from.shape.size_bytes(plan.ring);
                let arrived = self.reporter.await_bytes(position, self.recorder.now());
                device.read(self.lane.slot(from.buffer), size_bytes, Box::new(arrived))?;
            }
            (Action::Garbled(garbled), Job::Step(_)) => self.lane.garbled(garbled)?,
            (Action::Receive { to, .. }, Job::Write(_, offset, piece)) => {
                self.lane.upload(to.buffer, offset, &piece)?;
                self.reporter.report.written_bytes += piece.len() as u64;
                return Ok(());
            }
            (Action::Reload { to, .. }, Job::Write(_, offset, content)) => {
                self.lane.upload(to.buffer, offset, &content)?;
            }
            (action, _) => unreachable!("another job than that of {}", action.name()),
        }
        self.reporter.report.done.push(position);
        Ok(())
    }
}

/// The report of work that is not told yet.
struct Reporter<'a> {
    report: Report,
    told: Instant,
    /// Reads under way, and where their bytes arrive, from whichever thread.
    due: usize,
    arrivals: (Sender<Arriving>, Receiver<Arriving>),
    events: &'a UnboundedSender<LaneEvent>,
}

impl<'a> Reporter<'a> {
    fn new(events: &'a UnboundedSender<LaneEvent>) -> Reporter<'a> {
        let (report, arrivals) = (Report::default(), crossbeam_channel::unbounded());
        Reporter { report, told: Instant::now(), due: 0, arrivals, events }
    }

    /// True while bytes are to be read.
    fn is_due(&self) -> bool {
        self.due > 0
    }

    /// Takes the bytes of a step.
    fn await_bytes(
        &mut self,
        position: u32,
        asked: Option<tokio::time::Instant>,
    ) -> impl FnOnce(Result<Pieces, DeviceError>) + Send + 'static {
        self.due += 1;
        let arrivals = self.arrivals.0.clone();
        move |result| {
            // A lane that is gone awaits nothing.
            let _ = arrivals.send((position, result, asked));
        }
    }

    /// Takes in what has arrived.
    fn collect(&mut self) -> Result<(), Failure> {
        while self.due > 0
            && let Ok((position, result, asked)) = self.arrivals.1.try_recv()
        {
            self.due -= 1;
            let content = result.map_err(|error| (Some(position), error.into()))?;
            self.report.arrived.push(Arrival { position, content, asked });
        }
        Ok(())
    }

    fn tell_in_time(&mut self) {
        if self.report.done.len() >= MOST_TOLD || self.told.elapsed() >= LONGEST_UNTOLD {
            self.tell();
        }
    }

    fn tell(&mut self) {
        let Report { done, written_bytes, arrived } = &self.report;
        if !done.is_empty() || *written_bytes > 0 || !arrived.is_empty() {
            // A coordinator that is gone has cancelled the run.
            let _ = self.events.send(LaneEvent::Report(std::mem::take(&mut self.report)));
        }
        self.told = Instant::now();
    }
}
