//! The coordinator: the driver of a run on real devices and links. It passes their events to the engine, and the engine's
//! commands to them.

use super::engine::{Command, Engine, Event};
use super::execute::{Execution, Outcome};
use super::inbox::{Piece, messages};
use super::lane::{Arrival, LaneError, LaneEvent, Order, Report};
use super::outbox::Outgoing;
use super::report::DeviceBefore;
use super::stored::{MessageSource, SharedSink, StoredFailed};
use super::trace::{Recorder, TraceLane};
use super::transmit::{Delivery, Failure, keep, transmit};
use super::wakes;
use super::{DeviceUse, RunError, RunReport, Stage};
use crate::device::Pieces;
use crate::net::{Data, Frame, Interrupt, Link, Messages, NetError, requested};
use crate::ring::Elements;
use crate::share::Role;
use crate::step::{Action, MessageId, Phase};
use crossbeam_channel::Sender;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::task::{Context, Poll, Waker};
use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// The number of times that progress is checked within a stall deadline.
const STALL_CHECKS: u32 = 8;

/// Frames that are handled before the lanes are told, beside the first: those that a few links hold.
const MOST_FRAMES_AT_ONCE: usize = 16;

pub(super) struct Coordinator<'a> {
    execution: Execution<'a>,
    pub(super) engine: Engine<'a, Pieces>,
    /// The lanes, by device.
    lanes: Vec<Sender<Vec<Order>>>,
    events: UnboundedReceiver<LaneEvent>,
    /// Transmissions under way.
    pub(super) deliveries: JoinSet<Result<Delivery, Failure>>,
    /// Devices that are not ready for the plan's kernels.
    unprepared: usize,
    /// Devices that still have work, while the coordinator waits for them to finish.
    unsynchronised: usize,
    /// How often the lanes had been woken when they finished work, together.
    woken: Option<u64>,
    /// The number of pieces of work that this process has done, and the time of its last change.
    progress: (u64, Instant),
    outputs: BTreeMap<usize, Elements>,
    /// The parties among the peers, and whether each has reported the end of its offline phase.
    ready: BTreeMap<Role, bool>,
    /// The messages that the source is to give, where there is one.
    due: Option<Messages>,
    recorder: Recorder,
}

impl<'a> Coordinator<'a> {
    /// `lanes` takes the orders for the devices, by their numbers.
    pub(super) fn new(
        execution: Execution<'a>,
        lanes: Vec<Sender<Vec<Order>>>,
        events: UnboundedReceiver<LaneEvent>,
        recorder: Recorder,
    ) -> Coordinator<'a> {
        let plan = execution.plan;
        for link in execution.links.iter_mut() {
            // Those of outputs come behind the answers of the checks.
            let awaited = messages(plan, link.peer(), execution.run, Phase::Offline..=Phase::Online);
            link.receiver().expect_messages(awaited);
        }
        let due = execution
            .source
            .as_ref()
            .map(|source| messages(plan, source.maker(), execution.run, Phase::Offline..=Phase::Reveal));
        // The dealer has one phase only, and nobody waits for it to end.
        let parties = execution.links.iter().map(Link::peer).filter(|&peer| peer != Role::Dealer);
        let ready = if plan.role == Role::Dealer {
            BTreeMap::new()
        } else {
            parties.map(|party| (party, execution.follows)).collect()
        };
        Coordinator {
            engine: Engine::new(plan, execution.models, execution.overlap),
            unprepared: lanes.len(),
            lanes,
            events,
            deliveries: JoinSet::new(),
            unsynchronised: 0,
            woken: None,
            progress: (0, Instant::now()),
            outputs: BTreeMap::new(),
            ready,
            due,
            recorder,
            execution,
        }
    }

    /// Runs the plan; a failure is told to all peers at once, before the device lane has ended.
    /// Returns also the trace, and the start of the online phase.
    pub(super) async fn run(mut self) -> Result<(Outcome, Recorder, Instant), RunError> {
        match self.try_run().await {
            Ok((outcome, online)) => Ok((outcome, self.recorder, online)),
            Err(error) => {
                // The links give up by themselves: that is not the reason.
                let interrupted = self.execution.interrupt.is_some_and(Interrupt::is_requested);
                let error = if interrupted { RunError::Interrupted } else { error };
                tracing::error!(role = %self.execution.plan.role, reason = %error, "the run has failed");
                for link in &*self.execution.links {
                    link.sender().give_up(&error.told(link.peer()));
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
        self.execution.stages.end_at(Stage::Offline, middle);
        tracing::info!(%role, offline_s = (middle - start).as_secs_f64(), "the offline phase is over");
        let (devices, activity) = (self.execution.devices, self.execution.activity);
        let before: Vec<DeviceBefore> = devices.iter().map(|device| DeviceBefore::of(&**device)).collect();
        let (wire_before, woken_before) = (activity.busy(), self.woken());
        self.phase(Phase::Online).await?;
        let failed_check = self.failed_check().await?;
        if failed_check.is_none() {
            self.phase(Phase::Reveal).await?;
            self.synchronise().await?;
        }
        let end = Instant::now();
        self.execution.stages.end_at(Stage::Online, end);
        let plan = self.execution.plan;
        let used = (0u8..).zip(devices.iter().zip(&before));
        let used = used.map(|(number, (device, before))| DeviceUse::new(plan, number, &**device, before));
        let report = RunReport {
            role: plan.role,
            tally: self.engine.tally(),
            devices: used.collect(),
            offline: middle - start,
            online: end - middle,
            wake_ups: self.woken().zip(woken_before).map(|(woken, before)| woken - before),
            wire_busy: activity.busy().saturating_sub(wire_before),
            stages: Vec::new(),
            peers: self.execution.links.iter().map(|link| (link.peer(), link.traffic())).collect(),
            trace: None,
        };
        let (sent, received) = (report.tally.sent_bytes, report.tally.received_bytes);
        tracing::info!(%role, online_s = report.online.as_secs_f64(), sent, received, "the run is over");
        let outputs = std::mem::take(&mut self.outputs);
        Ok((Outcome { outputs, failed_check, report }, middle))
    }

    /// The first step of which the checks say that it does not hold; all parties learn the same. Each holds what it sends
    /// back until all have said that they have: so all reveal the outputs, or none does and none is cut off before it knows
    /// why.
    async fn failed_check(&mut self) -> Result<Option<String>, RunError> {
        let Some(output) = self.execution.answers.as_ref().map(|answers| answers.output()) else {
            return Ok(None);
        };
        self.synchronise().await?;
        // Who has no part of the sum adds nothing.
        let shape = self.execution.outputs[output];
        let own = self.outputs.remove(&output);
        let own = own.unwrap_or_else(|| Elements::zeros(self.execution.plan.ring, shape.len()));
        let Execution { answers, links, interrupt, plan, run, .. } = &mut self.execution;
        let answers = answers.as_mut().expect("a program with checks");
        let failed = tokio::select! {
            biased;
            () = requested(*interrupt) => return Err(RunError::Interrupted),
            failed = answers.open(links, own) => failed?,
        };
        if failed.is_none() {
            for link in links.iter_mut().filter(|link| link.peer() != Role::Dealer) {
                let awaited = messages(plan, link.peer(), *run, Phase::Reveal..=Phase::Reveal);
                link.receiver().expect_messages(awaited);
            }
        }
        Ok(failed)
    }

    /// Runs the steps of one phase until all have passed and all messages and results have left the device.
    async fn phase(&mut self, phase: Phase) -> Result<(), RunError> {
        self.engine.begin(phase);
        loop {
            self.obey();
            if self.engine.is_done() {
                return Ok(());
            }
            self.wait("").await?;
        }
    }

    /// Waits until the devices have finished all work.
    async fn synchronise(&mut self) -> Result<(), RunError> {
        self.unsynchronised = self.lanes.len();
        self.woken = Some(0);
        (0..self.lanes.len()).for_each(|device| self.order(device, vec![Order::Synchronise]));
        while self.unsynchronised > 0 {
            self.wait("").await?;
        }
        Ok(())
    }

    /// How often the lanes' threads, as they last finished work, and that of the wire have been woken; nothing where the
    /// wire has several threads.
    fn woken(&self) -> Option<u64> {
        let wire = Handle::current().metrics();
        let own = wakes::of_this_thread().filter(|_| wire.num_workers() == 1);
        self.woken.zip(own).map(|(lanes, own)| lanes + own)
    }

    /// Before the online phase the computing parties wait for each other, so that online time is not a peer's offline time;
    /// not so in a run that follows another at once, which would be the slower for it.
    async fn barrier(&mut self) -> Result<(), RunError> {
        let doing = "waiting for all parties to end the offline phase";
        if self.execution.follows {
            // The lanes' threads are this run's.
            self.woken = Some(0);
            return Ok(());
        }
        self.synchronise().await?;
        if self.execution.plan.role == Role::Dealer {
            return Ok(());
        }
        let parties = self.execution.links.iter_mut().filter(|link| link.peer() != Role::Dealer);
        for link in parties {
            let sent = link.sender().send(Frame::Ready).await;
            sent.map_err(|error| RunError::Peer { error, doing: doing.into() })?;
        }
        while self.ready.values().any(|&is_ready| !is_ready) {
            self.wait(doing).await?;
        }
        Ok(())
    }

    /// Carries out the engine's commands. A lane gets all of its orders at once, so that it starts them together.
    pub(super) fn obey(&mut self) {
        let mut orders: Vec<Vec<Order>> = self.lanes.iter().map(|_| Vec::new()).collect();
        while let Some(command) = self.engine.next_command() {
            match command {
                Command::Queue(device, job) => orders[device].push(Order::Do(job)),
                Command::Transmit(peer, messages) => {
                    self.transmit(peer, messages);
                }
                Command::HandOut(position, block) => self.hand_out(position, &block.into_bytes()),
            }
        }
        let given = orders.into_iter().enumerate().filter(|(_, orders)| !orders.is_empty());
        given.for_each(|(device, orders)| self.order(device, orders));
    }

    /// Has the link with a peer take messages, or the sink for it.
    fn transmit(&mut self, peer: Role, messages: Vec<(u32, Outgoing<Pieces>)>) {
        let run = self.execution.run;
        let sink = |sink: &&SharedSink| sink.lock().expect("no panic in a sink").taker() == peer;
        if let Some(sink) = self.execution.sinks.iter().find(sink).cloned() {
            let activity = self.execution.activity.clone();
            self.deliveries.spawn_blocking(move || keep(&sink, &activity, run, messages));
            return;
        }
        let link = self.execution.links.iter().find(|link| link.peer() == peer);
        let link = link.expect("a link with every peer of the plan").sender().clone();
        self.deliveries.spawn(transmit(link, run, messages));
    }

    fn order(&self, device: usize, orders: Vec<Order>) {
        // The lane ends early only by a failure that it has reported: `wait` returns its error.
        let _ = self.lanes[device].send(orders);
    }

    fn hand_out(&mut self, position: u32, block: &[u8]) {
        let Action::Output { from, output, at } = *self.action(position) else {
            unreachable!("a step that hands out")
        };
        let (ring, shape) = (self.execution.plan.ring, self.execution.outputs[output]);
        if from.shape == shape {
            self.outputs.insert(output, Elements::from_bytes(ring, block));
            return;
        }
        let whole = self.outputs.entry(output).or_insert_with(|| Elements::zeros(ring, shape.len()));
        whole.set_block(shape, at, from.shape, block);
    }

    /// Waits for an event, and handles all that have come. `doing` names what is awaited where no step is.
    async fn wait(&mut self, doing: &str) -> Result<(), RunError> {
        let listening = self.engine.has_room();
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
            (peer, frame) = poll_fn(|context| poll_frame(self.execution.links, &self.engine, &self.ready, context)), if listening => {
                self.take_in(peer, frame, doing)?;
                self.take_in_others(doing)?;
            }
            pieces = next_pieces(&mut self.execution.source, &self.engine), if listening => {
                self.take_from_source(pieces)?;
            }
            () = requested(self.execution.interrupt) => return Err(RunError::Interrupted),
            () = sleep(self.execution.stall / STALL_CHECKS) => self.check_progress(doing)?,
        }
        self.execution.progress.reach(self.engine.steps_done(), &self.engine.tally());
        Ok(())
    }

    pub(super) fn happened(&mut self, event: LaneEvent) -> Result<(), RunError> {
        match event {
            LaneEvent::Report(Report { done, written_bytes, arrived }) => {
                done.into_iter().for_each(|position| self.engine.happened(Event::Done(position)));
                if written_bytes > 0 {
                    self.engine.happened(Event::Written(written_bytes));
                }
                arrived.into_iter().for_each(|arrival| self.arrived(arrival));
            }
            LaneEvent::Prepared => {
                self.unprepared -= 1;
                // The online phase of a run that follows another may have begun: what is compiled there is part of it.
                if self.unprepared == 0 && !self.execution.follows {
                    self.execution.stages.end(Stage::Preparing);
                }
            }
            LaneEvent::Synchronised(woken) => {
                self.unsynchronised -= 1;
                self.woken = self.woken.zip(woken).map(|(sum, woken)| sum + woken);
            }
            LaneEvent::Failed(position, error) => return Err(self.lane_error(position, error)),
        }
        Ok(())
    }

    /// Handles bytes that are to be sent, handed out or kept.
    fn arrived(&mut self, arrival: Arrival) {
        let Arrival { position, content, asked } = arrival;
        self.recorder.take(TraceLane::Readback, Some(position), "readback", content.len() as u64, asked);
        // What is kept for long must not hold the device's own memory.
        let is_kept = matches!(self.action(position), Action::Spill { .. });
        let content = if is_kept { content.kept() } else { content };
        self.engine.happened(Event::Downloaded(position, content));
    }

    pub(super) fn delivered(&mut self, delivery: Result<Delivery, Failure>) -> Result<(), RunError> {
        match delivery {
            Ok(Delivery(peer, positions)) => self.engine.happened(Event::Sent(peer, positions)),
            Err(Failure::Sink(position, taker)) => {
                return Err(RunError::Sink { taker, doing: self.describe(position) });
            }
            Err(Failure::Net(position, peer, error)) => {
                let doing = self.describe(position);
                return Err(self.peer_error(peer, error, &doing));
            }
        }
        Ok(())
    }

    /// Handles frames that are there already, so that a lane gets what it is to do about them at once.
    fn take_in_others(&mut self, doing: &str) -> Result<(), RunError> {
        // Whoever waits for the next one is noted when it is waited for.
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..MOST_FRAMES_AT_ONCE {
            let next = poll_frame(self.execution.links, &self.engine, &self.ready, &mut context);
            let Poll::Ready((peer, frame)) = next else { break };
            self.take_in(peer, frame, doing)?;
            if !self.engine.has_room() {
                break;
            }
        }
        Ok(())
    }

    /// Handles a frame, or the end of a link.
    pub(super) fn take_in(
        &mut self,
        peer: Role,
        frame: Result<Frame, NetError>,
        doing: &str,
    ) -> Result<(), RunError> {
        match frame {
            Ok(Frame::Data(data)) => {
                self.receive(peer, data);
                Ok(())
            }
            Ok(Frame::Bundle(bundle)) => {
                bundle.messages.into_iter().for_each(|message| self.receive(peer, message));
                Ok(())
            }
            Ok(Frame::Ready) if self.ready.get(&peer) == Some(&false) => {
                self.ready.insert(peer, true);
                Ok(())
            }
            Ok(Frame::Finish) => {
                let error = NetError::Closed { peer, reason: "it has finished".into() };
                Err(self.peer_error(peer, error, doing))
            }
            Ok(other) => {
                let expected = "a message of the run";
                let error = NetError::OutOfPlace { peer, expected, found: other.name() };
                Err(self.peer_error(peer, error, doing))
            }
            Err(error) => Err(self.peer_error(peer, error, doing)),
        }
    }

    fn receive(&mut self, peer: Role, data: Data) {
        let Data { message, depth, offset, payload: content, .. } = data;
        let piece = Piece { message: MessageId(message), depth, offset, content: content.into() };
        self.engine.happened(Event::Received(peer, piece));
    }

    /// Handles pieces from the source of messages, each held against the plan, or its end.
    fn take_from_source(&mut self, pieces: Result<Vec<Data>, StoredFailed>) -> Result<(), RunError> {
        let maker = self.execution.source.as_ref().expect("a source that was asked").maker();
        let Ok(pieces) = pieces else {
            let step =
                self.engine.inbox().first_missing(maker).expect("a source is asked for what is missing");
            return Err(RunError::Source { maker, doing: self.describe(step) });
        };
        for piece in pieces {
            let taken = self.due.as_mut().expect("a source has messages").take(&piece);
            let off_plan = |offence| NetError::OffPlan { peer: maker, offence };
            taken.map_err(|offence| self.peer_error(maker, off_plan(offence), ""))?;
            self.execution.activity.advance();
            self.receive(maker, piece);
        }
        Ok(())
    }

    /// Ends the run where this process has made no progress for the stall deadline: it did no step, sent no frame and
    /// received none that the plan has. A peer's claim of progress does not count.
    fn check_progress(&mut self, doing: &str) -> Result<(), RunError> {
        let seen = self.execution.activity.progress();
        if seen != self.progress.0 {
            self.progress = (seen, Instant::now());
        }
        if self.progress.1.elapsed() < self.execution.stall { Ok(()) } else { Err(self.stalled(doing)) }
    }

    /// The error of a peer that failed. It names the step of the message with which the peer broke the plan, or else the
    /// first step that waits for the peer, whether sending or receiving failed first.
    fn peer_error(&self, peer: Role, error: NetError, doing: &str) -> RunError {
        let message = if let NetError::OffPlan { offence, .. } = &error { offence.message() } else { None };
        let broken = message.and_then(|message| self.engine.inbox().position(peer, MessageId(message)));
        let step = broken.or(self.engine.inbox().first_missing(peer)).map(|position| self.describe(position));
        RunError::Peer { error, doing: step.unwrap_or_else(|| doing.to_owned()) }
    }

    fn lane_error(&self, position: Option<u32>, error: LaneError) -> RunError {
        let doing = position.map_or_else(|| "the run".to_owned(), |position| self.describe(position));
        match error {
            LaneError::Device(error) => RunError::Device { error, doing },
            LaneError::Garbled(error) => RunError::Garbled { error, doing },
        }
    }

    /// The steps that wait, and the peers they wait for.
    fn stalled(&self, doing: &str) -> RunError {
        let mut stuck: Vec<String> = Vec::new();
        let maker = self.execution.source.as_ref().map(|source| source.maker());
        for peer in self.execution.links.iter().map(Link::peer).chain(maker) {
            if let Some(position) = self.engine.inbox().first_missing(peer) {
                stuck.push(format!("{} awaits {peer}", self.describe(position)));
            }
        }
        let (all, queued) = self.engine.undelivered();
        if all > 0 {
            stuck.push(format!(
                "{all} message(s) wait to be sent, handed out or spilled, {queued} of them for their link"
            ));
        }
        if stuck.is_empty() {
            stuck.push(if doing.is_empty() { "the device".to_owned() } else { doing.to_owned() });
        }
        RunError::Stalled { waited: self.execution.stall, stuck }
    }

    /// A step's name in errors.
    fn describe(&self, position: u32) -> String {
        let step = &self.execution.plan.steps[position as usize].step;
        format!("step {position}, {} of `{}`", step.action.name(), (self.execution.label)(step.op))
    }

    fn action(&self, position: u32) -> &'a Action {
        &self.execution.plan.steps[position as usize].step.action
    }
}

/// The next frame, with its peer, of any link on which a message is still awaited. Frames behind those of this run belong
/// to the next run and stay where they are.
fn poll_frame(
    links: &mut [Link],
    engine: &Engine<'_, Pieces>,
    ready: &BTreeMap<Role, bool>,
    context: &mut Context<'_>,
) -> Poll<(Role, Result<Frame, NetError>)> {
    for link in links.iter_mut() {
        let peer = link.peer();
        let is_ready = ready.get(&peer).is_none_or(|&is_ready| is_ready);
        if is_ready && !engine.inbox().listens_to(peer) {
            continue;
        }
        if let Poll::Ready(frame) = link.receiver().poll_receive(context) {
            return Poll::Ready((peer, frame));
        }
    }
    Poll::Pending
}

/// The next pieces of the source, where there is one of which something is still awaited.
async fn next_pieces(
    source: &mut Option<Box<dyn MessageSource>>,
    engine: &Engine<'_, Pieces>,
) -> Result<Vec<Data>, StoredFailed> {
    poll_fn(|context| match source {
        Some(source) if engine.inbox().listens_to(source.maker()) => source.poll_pieces(context),
        _ => Poll::Pending,
    })
    .await
}
