//! The coordinator: hands steps to the lanes as the schedule allows, and takes in what comes back.

use super::execute::{Execution, Outcome};
use super::inbox::Inbox;
use super::lane::{Event, Job};
use super::places::Places;
use super::schedule::{AHEAD_S, Overlap, Schedule, WINDOW_BYTES, takes_in};
use super::tally::Tally;
use super::trace::{Recorder, TraceLane};
use super::transmit::{Delivery, Failure, Outbox, Outgoing, transmit};
use super::{DeviceUse, RunError, RunReport};
use crate::device::{DeviceError, Download};
use crate::net::{Data, Frame, Link, NetError};
use crate::plan::{Depths, DeviceModel, Plan};
use crate::ring::Elements;
use crate::share::Role;
use crate::step::{Access, Action, Matrix, Phase};
use crate::wipe::Wiped;
use crossbeam_channel::Sender;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// How often progress is looked at within a stall deadline.
const STALL_CHECKS: u32 = 8;

pub(super) struct Coordinator<'a> {
    execution: Execution<'a>,
    schedule: Schedule<'a>,
    /// By device.
    lanes: Vec<Queue>,
    events: UnboundedReceiver<Event>,
    /// Estimates, to know how much is queued.
    model: DeviceModel,
    /// Downloads and transmissions under way.
    deliveries: JoinSet<Result<Delivery, Failure>>,
    outbox: Outbox<Outgoing>,
    /// What was asked of the device and is neither with its link nor where it is kept, and the bytes that await a link
    /// or the caller.
    undelivered: usize,
    undelivered_bytes: u64,
    /// Bytes of received pieces that are queued for the device.
    unwritten_bytes: u64,
    /// Devices that are not done with everything, while that is waited for.
    unsynchronised: usize,
    /// What all that can be seen of progress came to, and when it last changed.
    progress: (u64, Instant),
    inbox: Inbox,
    depths: Depths,
    /// Steps that may write their buffer, as soon as their message is there.
    receiving: BTreeSet<u32>,
    /// What was spilled.
    places: Places,
    tally: Tally,
    outputs: BTreeMap<usize, Elements>,
    /// Peers that have not said that their offline phase is over.
    unready: BTreeSet<Role>,
    recorder: Recorder,
    /// When downloads under way began, where that is taken down.
    downloads: HashMap<u32, Option<Instant>>,
}

/// What one device's lane is to do.
struct Queue {
    jobs: Sender<Job>,
    /// Seconds of work that is queued.
    ahead_s: f64,
}

impl<'a> Coordinator<'a> {
    /// `jobs` has the senders to the lanes, by device.
    pub(super) fn new(
        execution: Execution<'a>,
        jobs: Vec<Sender<Job>>,
        events: UnboundedReceiver<Event>,
        recorder: Recorder,
    ) -> Coordinator<'a> {
        let plan = execution.plan;
        // The dealer has one phase only, and nobody waits for it to end.
        let parties = execution.links.iter().map(Link::peer).filter(|&peer| peer != Role::Dealer);
        let unready = if plan.role == Role::Dealer { BTreeSet::new() } else { parties.collect() };
        Coordinator {
            schedule: Schedule::new(plan, execution.overlap),
            lanes: jobs.into_iter().map(|jobs| Queue { jobs, ahead_s: 0.0 }).collect(),
            events,
            model: DeviceModel::typical(),
            deliveries: JoinSet::new(),
            outbox: Outbox::default(),
            undelivered: 0,
            undelivered_bytes: 0,
            unwritten_bytes: 0,
            unsynchronised: 0,
            progress: (0, Instant::now()),
            inbox: Inbox::new(plan),
            depths: Depths::new(plan.buffer_count()),
            receiving: BTreeSet::new(),
            places: Places::new(plan),
            tally: Tally::default(),
            outputs: BTreeMap::new(),
            unready,
            recorder,
            downloads: HashMap::new(),
            execution,
        }
    }

    /// Runs the plan; a failure is told to all peers at once, before the device lane has ended.
    /// Returns also what was taken down, and when the online phase began.
    pub(super) async fn run(mut self) -> Result<(Outcome, Recorder, Instant), RunError> {
        match self.try_run().await {
            Ok((outcome, online)) => Ok((outcome, self.recorder, online)),
            Err(error) => {
                tracing::error!(role = %self.execution.plan.role, reason = %error, "the run has failed");
                for link in &*self.execution.links {
                    link.sender().try_abort(&error.told(link.peer()));
                }
                Err(error)
            }
        }
    }

    async fn try_run(&mut self) -> Result<(Outcome, Instant), RunError> {
        let start = Instant::now();
        let (role, steps) = (self.execution.plan.role, self.execution.plan.steps.len());
        tracing::info!(%role, run = self.execution.run, steps, "a run begins");
        self.phase(Phase::Offline).await?;
        self.barrier().await?;
        let middle = Instant::now();
        tracing::info!(%role, offline_s = (middle - start).as_secs_f64(), "the offline phase is over");
        let (devices, activity) = (self.execution.devices, self.execution.activity);
        let busy_before: Vec<Duration> = devices.iter().map(|device| device.busy()).collect();
        let wire_before = activity.busy();
        self.phase(Phase::Online).await?;
        self.synchronise().await?;
        let plan = self.execution.plan;
        let used = (0u8..).zip(devices.iter().zip(busy_before));
        let used = used.map(|(number, (device, before))| DeviceUse::new(plan, number, &**device, before));
        let report = RunReport {
            role: plan.role,
            tally: std::mem::take(&mut self.tally),
            devices: used.collect(),
            offline: middle - start,
            online: middle.elapsed(),
            wire_busy: activity.busy().saturating_sub(wire_before),
            peers: self.execution.links.iter().map(|link| (link.peer(), link.traffic())).collect(),
            trace: None,
        };
        let (sent, received) = (report.tally.sent_bytes, report.tally.received_bytes);
        tracing::info!(%role, online_s = report.online.as_secs_f64(), sent, received, "the run is over");
        Ok((Outcome { outputs: std::mem::take(&mut self.outputs), report }, middle))
    }

    /// Runs the steps of one phase until all have passed and what they send and hand out has left the device.
    async fn phase(&mut self, phase: Phase) -> Result<(), RunError> {
        self.schedule.begin(phase);
        loop {
            self.release();
            if self.schedule.is_done() && self.undelivered == 0 {
                return Ok(());
            }
            self.wait("").await?;
        }
    }

    /// Waits until the devices are done with everything.
    async fn synchronise(&mut self) -> Result<(), RunError> {
        self.unsynchronised = self.lanes.len();
        (0..self.lanes.len()).for_each(|device| self.send_job(device, Job::Synchronise));
        while self.unsynchronised > 0 {
            self.wait("").await?;
        }
        Ok(())
    }

    /// Between the phases the computing parties wait for each other, so that online time is not a peer's offline time.
    async fn barrier(&mut self) -> Result<(), RunError> {
        const DOING: &str = "waiting for all parties to end the offline phase";
        self.synchronise().await?;
        if self.execution.plan.role == Role::Dealer {
            return Ok(());
        }
        let parties = self.execution.links.iter_mut().filter(|link| link.peer() != Role::Dealer);
        for link in parties {
            let sent = link.send(Frame::Ready).await;
            sent.map_err(|error| RunError::Peer { error, doing: DOING.into() })?;
        }
        while !self.unready.is_empty() {
            self.wait(DOING).await?;
        }
        Ok(())
    }

    /// Hands steps to the devices' lanes until each has enough to do, and lets messages and what was spilled into their
    /// buffers.
    fn release(&mut self) {
        loop {
            for position in self.schedule.take_arrivals() {
                self.arrive(position);
            }
            let may_send = self.undelivered_bytes <= WINDOW_BYTES;
            let mut free = (0..self.lanes.len()).filter(|&device| self.lanes[device].ahead_s <= AHEAD_S);
            let Some(position) = free.find_map(|device| self.schedule.next(device, may_send)) else { return };
            self.dispatch(position);
        }
    }

    /// Queues a step for its device.
    fn dispatch(&mut self, position: u32) {
        let plan = self.execution.plan;
        let step = &plan.steps[position as usize].step;
        let device = self.device_of(position);
        let job = match &step.action {
            Action::Receive { .. } | Action::Reload { .. } => unreachable!("it arrives"),
            Action::Kernel(_) => Job::Kernel(position),
            &Action::Input { to, input, at } => Job::Input(position, to, input, at),
            Action::Send { from, .. } | Action::Output { from, .. } => {
                let size_bytes = size_bytes(plan, &step.action);
                self.undelivered += 1;
                self.undelivered_bytes += size_bytes;
                if let Action::Send { peer, .. } = step.action {
                    self.outbox.ask(peer);
                }
                Job::Download(position, from.buffer, size_bytes)
            }
            Action::Spill { from, .. } => {
                self.undelivered += 1;
                Job::Download(position, from.buffer, size_bytes(plan, &step.action))
            }
        };
        let seconds = self.model.seconds(plan.ring, &step.action);
        self.lanes[device].ahead_s += seconds;
        self.send_job(device, job);
        let depth = self.depths.pass(&step.action, 0);
        match step.action {
            Action::Send { .. } => self.tally.send(position, depth, step.phase),
            Action::Spill { place, .. } => self.places.expect(place, depth),
            _ => {}
        }
        // The lane works in order: what waits for this step may be queued behind it.
        if self.execution.overlap == Overlap::On {
            self.schedule.pass(position);
        }
    }

    /// A step is over: without overlap, the next begins.
    fn done(&mut self, position: u32) {
        if self.execution.overlap == Overlap::Off {
            self.schedule.pass(position);
        }
    }

    /// A step may write its buffer with what arrives from a peer or from the host.
    fn arrive(&mut self, position: u32) {
        let Action::Reload { .. } = self.execution.plan.steps[position as usize].step.action else {
            self.receiving.insert(position);
            return self.forward(position);
        };
        self.reload(position);
    }

    /// Queues a reload for the device, if its content is on the host.
    fn reload(&mut self, position: u32) {
        let plan = self.execution.plan;
        let action = &plan.steps[position as usize].step.action;
        let &Action::Reload { to, place } = action else { unreachable!("a step that reloads") };
        let Some((content, depth)) = self.places.reload(place, position) else { return };
        let device = self.device_of(position);
        self.lanes[device].ahead_s += self.model.seconds(plan.ring, action);
        self.send_job(device, Job::Reload(position, to.buffer, content));
        self.depths.pass(action, depth);
        if self.execution.overlap == Overlap::On {
            self.schedule.pass(position);
        }
    }

    /// Hands the pieces that are there to the device, if their step may write its buffer.
    fn forward(&mut self, position: u32) {
        if !self.receiving.contains(&position) {
            return;
        }
        let action = &self.execution.plan.steps[position as usize].step.action;
        let Action::Receive { to, .. } = action else { unreachable!("a step that receives") };
        let awaited = self.inbox.awaited(position);
        let (complete, depth) = (awaited.is_complete(), awaited.depth);
        let device = self.device_of(position);
        for (offset, piece) in self.inbox.take(position) {
            self.unwritten_bytes += piece.len() as u64;
            self.send_job(device, Job::Piece(position, to.buffer, offset, piece));
        }
        if complete {
            self.receiving.remove(&position);
            self.depths.pass(action, depth);
            self.schedule.pass(position);
            self.execution.progress.stepped(1);
        }
    }

    /// Waits for one thing to happen, and takes in all that has. `doing` says what is awaited where no step is.
    async fn wait(&mut self, doing: &str) -> Result<(), RunError> {
        let listening = self.unwritten_bytes <= WINDOW_BYTES;
        tokio::select! {
            event = self.events.recv() => {
                self.happened(event.ok_or(RunError::LaneLost)?)?;
                while let Ok(event) = self.events.try_recv() {
                    self.happened(event)?;
                }
            }
            Some(delivery) = self.deliveries.join_next() => {
                self.delivered(delivery.expect("deliveries do not panic"))?;
            }
            (peer, frame) = next_frame(self.execution.links, &self.inbox, &self.receiving, &self.unready), if listening => {
                self.take_in(peer, frame, doing)?;
            }
            () = sleep(self.execution.stall / STALL_CHECKS) => self.check_progress(doing)?,
        }
        Ok(())
    }

    fn happened(&mut self, event: Event) -> Result<(), RunError> {
        match event {
            Event::Done(positions) => {
                self.execution.progress.stepped(positions.len());
                positions.into_iter().for_each(|position| {
                    let action = &self.execution.plan.steps[position as usize].step.action;
                    let device = self.device_of(position);
                    self.lanes[device].ahead_s -= self.model.seconds(self.execution.plan.ring, action);
                    if matches!(action, Action::Kernel(_) | Action::Input { .. } | Action::Reload { .. }) {
                        self.done(position);
                    }
                });
            }
            Event::Downloading(position, download) => self.fetch(position, download),
            Event::Written(bytes) => self.unwritten_bytes -= bytes,
            Event::Synchronised => self.unsynchronised -= 1,
            Event::Failed(position, error) => return Err(self.device_error(position, error)),
        }
        Ok(())
    }

    /// Awaits what the device has computed, to be sent, handed out or kept.
    fn fetch(&mut self, position: u32, download: Download) {
        self.downloads.insert(position, self.recorder.now());
        self.deliveries.spawn(async move {
            let bytes = download.await.map_err(|error| Failure::Device(position, error))?;
            Ok(Delivery::Host(position, bytes))
        });
    }

    fn delivered(&mut self, delivery: Result<Delivery, Failure>) -> Result<(), RunError> {
        match delivery {
            Ok(Delivery::Host(position, bytes)) => self.deliver(position, bytes),
            Ok(Delivery::Sent { peer, positions, bytes, framing_bytes }) => {
                self.undelivered -= positions.len();
                self.undelivered_bytes -= bytes;
                let plan = self.execution.plan;
                for step in positions.iter().map(|&position| &plan.steps[position as usize].step) {
                    self.tally.sent(step.phase, size_bytes(plan, &step.action));
                }
                self.tally.framing_bytes += framing_bytes;
                self.execution.progress.sent(bytes);
                positions.into_iter().for_each(|position| self.done(position));
                self.outbox.free(peer);
                self.transmit(peer);
            }
            Err(Failure::Device(position, error)) => return Err(self.device_error(Some(position), error)),
            Err(Failure::Net(position, peer, error)) => {
                // The peer may have said why it no longer takes anything.
                let link = self.execution.links.iter_mut().find(|link| link.peer() == peer);
                let reason = link.and_then(|link| link.receiver().why_ended());
                let doing = self.describe(position);
                return Err(self.peer_error(peer, reason.unwrap_or(error), &doing));
            }
        }
        Ok(())
    }

    /// What a step sends, hands out or spills is on the host.
    fn deliver(&mut self, position: u32, bytes: Wiped) {
        let begin = self.downloads.remove(&position).flatten();
        self.recorder.take(TraceLane::Readback, Some(position), "readback", bytes.len() as u64, begin);
        match self.execution.plan.steps[position as usize].step.action {
            Action::Send { peer, message, .. } => {
                let depth = self.tally.depth_of(position);
                let outgoing = Outgoing { message: message.0, depth, bytes: bytes.into() };
                self.outbox.push(peer, position, outgoing);
                self.transmit(peer);
            }
            Action::Output { from, output, at } => {
                self.undelivered -= 1;
                self.undelivered_bytes -= bytes.len() as u64;
                self.hand_out(from, output, at, &bytes);
                self.done(position);
            }
            Action::Spill { place, .. } => {
                self.undelivered -= 1;
                for reload in self.places.store(place, bytes) {
                    self.reload(reload);
                }
                self.done(position);
            }
            _ => unreachable!("only what is sent, handed out or spilled is downloaded"),
        }
    }

    fn hand_out<B>(&mut self, from: Matrix<B>, output: usize, at: (usize, usize), bytes: &[u8]) {
        let (ring, shape) = (self.execution.plan.ring, self.execution.outputs[output]);
        if from.shape == shape {
            self.outputs.insert(output, Elements::from_bytes(ring, bytes));
            return;
        }
        let whole = self.outputs.entry(output).or_insert_with(|| Elements::zeros(ring, shape.len()));
        whole.set_block(shape, at, from.shape, bytes);
    }

    /// Gives a peer's link what waits for it, if it takes anything.
    fn transmit(&mut self, peer: Role) {
        if let Some(messages) = self.outbox.take(peer) {
            let link = self.execution.links.iter().find(|link| link.peer() == peer);
            let link = link.expect("a link with every peer of the plan").sender().clone();
            self.deliveries.spawn(transmit(link, self.execution.run, messages));
        }
    }

    /// Takes in a frame, or the end of a link.
    fn take_in(&mut self, peer: Role, frame: Result<Frame, NetError>, doing: &str) -> Result<(), RunError> {
        match frame {
            Ok(Frame::Data(data)) => self.receive(peer, data),
            Ok(Frame::Bundle(bundle)) => {
                bundle.messages.into_iter().try_for_each(|message| self.receive(peer, message))
            }
            Ok(Frame::Ready) if self.unready.remove(&peer) => Ok(()),
            Ok(Frame::Finish) => {
                let error = NetError::Closed { peer, reason: "it has finished".into() };
                Err(self.peer_error(peer, error, doing))
            }
            Ok(other) => {
                Err(RunError::OffPlan { peer, reason: format!("a {} frame in mid-run", other.name()) })
            }
            Err(error) => Err(self.peer_error(peer, error, doing)),
        }
    }

    fn receive(&mut self, peer: Role, data: Data) -> Result<(), RunError> {
        if data.run != self.execution.run {
            return Err(RunError::OffPlan { peer, reason: "a message of another run".into() });
        }
        let (depth, bytes) = (data.depth, data.payload.len() as u64);
        let position = self.inbox.accept(peer, data)?;
        let phase = self.execution.plan.steps[position as usize].step.phase;
        self.tally.received(phase, bytes, depth);
        self.execution.progress.received(bytes);
        self.forward(position);
        Ok(())
    }

    /// Ends the run where neither this process nor any peer has got on with anything for the stall deadline.
    fn check_progress(&mut self, doing: &str) -> Result<(), RunError> {
        let peers = self.execution.links.iter().map(Link::peer_progress);
        let seen = peers.fold(self.execution.activity.progress(), u64::wrapping_add);
        if seen != self.progress.0 {
            self.progress = (seen, Instant::now());
        }
        if self.progress.1.elapsed() < self.execution.stall { Ok(()) } else { Err(self.stalled(doing)) }
    }

    /// The error of a peer that failed: the step is the first that waits for it, if one does, whether sending or
    /// receiving has failed first.
    fn peer_error(&self, peer: Role, error: NetError, doing: &str) -> RunError {
        let step = self.inbox.first_missing(peer).map(|position| self.describe(position));
        RunError::Peer { error, doing: step.unwrap_or_else(|| doing.to_owned()) }
    }

    fn device_error(&self, position: Option<u32>, error: DeviceError) -> RunError {
        let doing = position.map_or_else(|| "the run".to_owned(), |position| self.describe(position));
        RunError::Device { error, doing }
    }

    /// Which steps wait for which peer.
    fn stalled(&self, doing: &str) -> RunError {
        let mut stuck: Vec<String> = Vec::new();
        for peer in self.execution.links.iter().map(Link::peer) {
            if let Some(position) = self.inbox.first_missing(peer) {
                stuck.push(format!("{} awaits {peer}", self.describe(position)));
            }
        }
        if self.undelivered > 0 {
            let (all, queued) = (self.undelivered, self.outbox.len());
            stuck.push(format!(
                "{all} message(s) wait to be sent, handed out or spilled, {queued} of them for their link"
            ));
        }
        if stuck.is_empty() {
            stuck.push(if doing.is_empty() { "the device".to_owned() } else { doing.to_owned() });
        }
        RunError::Stalled { waited: self.execution.stall, stuck }
    }

    /// A step as errors call it.
    fn describe(&self, position: u32) -> String {
        let step = &self.execution.plan.steps[position as usize].step;
        format!("step {position}, {} of `{}`", step.action.name(), (self.execution.label)(step.op))
    }

    /// The device that a step is placed on.
    fn device_of(&self, position: u32) -> usize {
        self.execution.plan.steps[position as usize].device.into()
    }

    fn send_job(&self, device: usize, job: Job) {
        // The lane ends early only by failing, and has then said so: `wait` returns its error.
        let _ = self.lanes[device].jobs.send(job);
    }
}

/// Bytes of what an action takes off the device.
fn size_bytes(plan: &Plan, action: &Action) -> u64 {
    let mut size_bytes = 0;
    action.visit(|matrix, access| {
        if access == Access::Read {
            size_bytes += (matrix.shape.len() * plan.ring.element_bytes()) as u64;
        }
    });
    size_bytes
}

/// The next frame of any link of whose peer something is still awaited, with the peer. Frames behind those of this
/// run belong to the next and stay where they are.
async fn next_frame(
    links: &mut [Link],
    inbox: &Inbox,
    receiving: &BTreeSet<u32>,
    unready: &BTreeSet<Role>,
) -> (Role, Result<Frame, NetError>) {
    let listens = |peer: Role| {
        let first = inbox.first_missing(peer);
        let is_ready = first.is_some_and(|position| receiving.contains(&position));
        first.is_some() && takes_in(peer, inbox.held_bytes(peer), is_ready)
    };
    poll_fn(|context| {
        for link in links.iter_mut() {
            let peer = link.peer();
            if !unready.contains(&peer) && !listens(peer) {
                continue;
            }
            if let Poll::Ready(frame) = link.receiver().poll_receive(context) {
                return Poll::Ready((peer, frame));
            }
        }
        Poll::Pending
    })
    .await
}
