//! What a role does when: the run of a plan as a state machine without threads, clocks or I/O.
//!
//! A driver tells the [`Engine`] what has happened, as [`Event`]s, and carries out what it asks for, as [`Command`]s, in
//! their order. The engine queues steps for the devices as the [`Schedule`] says, gives every link what waits for it,
//! lets messages and what was spilled into their buffers, and counts. The executor's driver (`coordinator`) has devices
//! and links; that of simulations (`simulate`) has models of them and a virtual clock.
//!
//! **Invariant.** Commands depend on the plan, the devices' models and the order of the events, and on nothing else: an
//! engine knows of contents `C` no more than their sizes. So a simulated role does what a real one does to which the same
//! happens.

use super::Tally;
use super::host_slots::HostSlots;
use super::inbox::{Inbox, Piece};
use super::outbox::{Outbox, Outgoing, framing_bytes};
use super::schedule::{AHEAD_S, Overlap, Schedule, WINDOW_BYTES};
use crate::plan::{Depths, DeviceModel, Plan};
use crate::share::Role;
use crate::step::{Action, Phase};
use bytes::Bytes;
use std::collections::VecDeque;

/// Bytes on the host, or how many they would be.
pub(super) trait Content: Clone {
    fn len(&self) -> usize;
}

impl Content for Bytes {
    fn len(&self) -> usize {
        Bytes::len(self)
    }
}

/// Something that has happened to a role.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Event<C> {
    /// The device has taken the job of the step at this position from its queue. Of the pieces of a message see
    /// [`Event::Written`].
    Done(u32),
    /// The device has taken so many bytes of pieces.
    Written(u64),
    /// What the step at this position sends, hands out or spills is on the host.
    Downloaded(u32, C),
    /// The link with this peer has taken the messages of the steps at these positions.
    Sent(Role, Vec<u32>),
    /// A piece of a message has come from this peer.
    Received(Role, Piece<C>),
}

/// Something that a driver is to do.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Command<C> {
    /// To queue a job for the device with this number.
    Queue(usize, Job<C>),
    /// To have the link with this peer take messages, each with the position of its step.
    Transmit(Role, Vec<(u32, Outgoing<C>)>),
    /// To give the caller the block of a result that the step at this position hands out.
    HandOut(u32, C),
}

/// Work for a device.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Job<C> {
    /// Does what the step at this position says: computes, writes a block of an input, or reads what is sent, handed out
    /// or spilled.
    Step(u32),
    /// Writes what the step at this position receives or reloads, from this offset on.
    Write(u32, u64, C),
}

impl<C> Job<C> {
    /// The position of its step.
    pub(super) fn position(&self) -> u32 {
        match *self {
            Job::Step(position) | Job::Write(position, ..) => position,
        }
    }
}

/// One role's run.
pub(super) struct Engine<'a, C> {
    plan: &'a Plan,
    /// What each device is taken to be, to know how much is queued for it.
    models: &'a [DeviceModel],
    overlap: Overlap,
    schedule: Schedule<'a>,
    /// By device: seconds of work that is queued.
    ahead_s: Vec<f64>,
    inbox: Inbox<C>,
    outbox: Outbox<C>,
    host_slots: HostSlots<C>,
    depths: Depths,
    tally: Tally,
    /// Steps that are with their device, or whose message is.
    steps_done: u64,
    /// What was asked of a device and is neither with its link nor where it is kept, and the bytes of it that await a
    /// link or the caller.
    undelivered: usize,
    undelivered_bytes: u64,
    /// Bytes of received pieces that are queued for a device.
    unwritten_bytes: u64,
    commands: VecDeque<Command<C>>,
}

impl<'a, C: Content> Engine<'a, C> {
    /// A run that is yet to begin.
    ///
    /// # Panics
    /// Where the plan is for more devices than there are models.
    pub(super) fn new(plan: &'a Plan, models: &'a [DeviceModel], overlap: Overlap) -> Engine<'a, C> {
        let devices = usize::from(plan.device_count());
        assert!(devices <= models.len(), "{} has {devices} devices, and {} models", plan.role, models.len());
        Engine {
            plan,
            models,
            overlap,
            schedule: Schedule::new(plan, overlap),
            ahead_s: vec![0.0; devices],
            inbox: Inbox::new(plan),
            outbox: Outbox::new(),
            host_slots: HostSlots::new(plan),
            depths: Depths::new(plan.buffer_count()),
            tally: Tally::default(),
            steps_done: 0,
            undelivered: 0,
            undelivered_bytes: 0,
            unwritten_bytes: 0,
            commands: VecDeque::new(),
        }
    }

    /// Goes on to a phase, once the one before is done.
    pub(super) fn begin(&mut self, phase: Phase) {
        self.schedule.begin(phase);
    }

    /// Whether all steps of the phase have passed, and what they send, hand out and spill has left the devices.
    pub(super) fn is_done(&self) -> bool {
        self.schedule.is_done() && self.undelivered == 0
    }

    /// Takes in what has happened.
    pub(super) fn happened(&mut self, event: Event<C>) {
        match event {
            Event::Done(position) => {
                self.steps_done += 1;
                let device = self.device_of(position);
                self.ahead_s[device] -= self.seconds(position);
                if let Action::Kernel(_) | Action::Input { .. } | Action::Reload { .. } =
                    self.action(position)
                {
                    self.over(position);
                }
            }
            Event::Written(bytes) => self.unwritten_bytes -= bytes,
            Event::Downloaded(position, content) => self.deliver(position, content),
            Event::Sent(peer, positions) => self.sent(peer, &positions),
            Event::Received(peer, piece) => {
                let (bytes, depth) = (piece.content.len() as u64, piece.depth);
                let position = self.inbox.accept(peer, piece);
                self.tally.received(self.plan.steps[position as usize].step.phase, bytes, depth);
                self.write(position);
            }
        }
    }

    /// The next thing to do; `None` until something else happens.
    pub(super) fn next_command(&mut self) -> Option<Command<C>> {
        while self.commands.is_empty() && self.release() {}
        self.commands.pop_front()
    }

    /// Lets the messages and spilled contents that now may into their buffers, or else hands the next step to a device that
    /// has not enough to do. Returns whether there was anything.
    fn release(&mut self) -> bool {
        let arrivals = self.schedule.take_arrivals();
        if !arrivals.is_empty() {
            arrivals.into_iter().for_each(|position| self.arrive(position));
            return true;
        }
        let may_send = self.undelivered_bytes <= WINDOW_BYTES;
        let mut free = (0..self.ahead_s.len()).filter(|&device| self.ahead_s[device] <= AHEAD_S);
        let next = free.find_map(|device| self.schedule.next(device, may_send));
        next.inspect(|&position| self.dispatch(position)).is_some()
    }

    /// Queues a step for its device.
    fn dispatch(&mut self, position: u32) {
        let planned = &self.plan.steps[position as usize].step;
        let depth = self.depths.pass(&planned.action, 0);
        match planned.action {
            Action::Kernel(_) | Action::Input { .. } => {}
            Action::Send { from, peer, .. } => {
                self.undelivered += 1;
                self.undelivered_bytes += from.shape.size_bytes(self.plan.ring);
                // A message is one round deeper than what is sent; offline there are no rounds.
                let depth = if planned.phase == Phase::Online { depth.saturating_add(1) } else { 0 };
                self.tally.rounds = self.tally.rounds.max(depth);
                self.outbox.ask(peer, position, depth);
            }
            Action::Output { from, .. } => {
                self.undelivered += 1;
                self.undelivered_bytes += from.shape.size_bytes(self.plan.ring);
            }
            Action::Spill { place, .. } => {
                self.undelivered += 1;
                self.host_slots.expect(place, depth);
            }
            Action::Receive { .. } | Action::Reload { .. } => unreachable!("it arrives"),
        }
        self.queue(Job::Step(position));
    }

    /// A step may write its buffer with what arrives from a peer or from the host.
    fn arrive(&mut self, position: u32) {
        match *self.action(position) {
            Action::Receive { .. } => {
                self.inbox.release(position);
                self.write(position);
            }
            _ => self.reload(position),
        }
    }

    /// Queues a reload, if its content is on the host.
    fn reload(&mut self, position: u32) {
        let action = self.action(position);
        let &Action::Reload { place, .. } = action else { unreachable!("a step that reloads") };
        if let Some((content, depth)) = self.host_slots.reload(place, position) {
            self.depths.pass(action, depth);
            self.queue(Job::Write(position, 0, content));
        }
    }

    /// Queues the pieces of a message that are there, if its step may write its buffer.
    fn write(&mut self, position: u32) {
        let (pieces, complete) = self.inbox.take(position);
        let device = self.device_of(position);
        for (offset, piece) in pieces {
            self.unwritten_bytes += piece.len() as u64;
            self.commands.push_back(Command::Queue(device, Job::Write(position, offset, piece)));
        }
        if let Some(depth) = complete {
            self.depths.pass(self.action(position), depth);
            self.schedule.pass(position);
            self.steps_done += 1;
        }
    }

    /// Queues a step's only job. Devices work in order: what waits for the step may be queued behind it.
    fn queue(&mut self, job: Job<C>) {
        let position = job.position();
        let device = self.device_of(position);
        self.ahead_s[device] += self.seconds(position);
        self.commands.push_back(Command::Queue(device, job));
        if self.overlap == Overlap::On {
            self.schedule.pass(position);
        }
    }

    /// A step is over: without overlap, the next begins.
    fn over(&mut self, position: u32) {
        if self.overlap == Overlap::Off {
            self.schedule.pass(position);
        }
    }

    /// What a step sends, hands out or spills is on the host.
    fn deliver(&mut self, position: u32, content: C) {
        match *self.action(position) {
            Action::Send { peer, message, .. } => {
                self.outbox.push(peer, position, message, content);
                self.transmit(peer);
            }
            Action::Output { .. } => {
                self.undelivered -= 1;
                self.undelivered_bytes -= content.len() as u64;
                self.commands.push_back(Command::HandOut(position, content));
                self.over(position);
            }
            Action::Spill { place, .. } => {
                self.undelivered -= 1;
                let waiting = self.host_slots.store(place, content);
                waiting.into_iter().for_each(|reload| self.reload(reload));
                self.over(position);
            }
            _ => unreachable!("only what is sent, handed out or spilled is downloaded"),
        }
    }

    /// Gives a peer's link what waits for it, if it takes anything.
    fn transmit(&mut self, peer: Role) {
        if let Some(messages) = self.outbox.take(peer) {
            self.commands.push_back(Command::Transmit(peer, messages));
        }
    }

    fn sent(&mut self, peer: Role, positions: &[u32]) {
        let mut payload_bytes = 0;
        for &position in positions {
            let step = &self.plan.steps[position as usize].step;
            let Action::Send { from, .. } = step.action else { unreachable!("a step that sends") };
            let bytes = from.shape.size_bytes(self.plan.ring);
            payload_bytes += bytes;
            self.tally.sent(step.phase, bytes);
            self.over(position);
        }
        self.tally.framing_bytes += framing_bytes(positions.len(), payload_bytes as usize) as u64;
        self.undelivered -= positions.len();
        self.undelivered_bytes -= payload_bytes;
        self.outbox.free(peer);
        self.transmit(peer);
    }

    /// Whether more messages may be taken in: there is room for what is on its way from the links to the devices.
    pub(super) fn has_room(&self) -> bool {
        self.unwritten_bytes <= WINDOW_BYTES
    }

    /// The messages that are awaited.
    pub(super) fn inbox(&self) -> &Inbox<C> {
        &self.inbox
    }

    /// What has been counted so far.
    pub(super) fn tally(&self) -> Tally {
        self.tally
    }

    /// How many steps are with their device, or have their message there.
    pub(super) fn steps_done(&self) -> u64 {
        self.steps_done
    }

    /// How many messages, results and spilled contents are on their way from the devices, and how many of the messages wait
    /// for their link.
    pub(super) fn undelivered(&self) -> (usize, usize) {
        (self.undelivered, self.outbox.len())
    }

    fn action(&self, position: u32) -> &'a Action {
        &self.plan.steps[position as usize].step.action
    }

    /// The device that a step is placed on.
    fn device_of(&self, position: u32) -> usize {
        self.plan.steps[position as usize].device.into()
    }

    /// What a step takes of its device.
    pub(super) fn seconds(&self, position: u32) -> f64 {
        self.models[self.device_of(position)].seconds(self.plan.ring, self.action(position))
    }
}
