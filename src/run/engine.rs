//! The engine: a role's run of a plan as a state machine without threads, clocks or I/O.
//!
//! A driver passes [`Event`]s to the [`Engine`] and carries out its [`Command`]s in their order. The engine queues steps
//! for the devices by the [`Schedule`], gives every link the messages that wait for it, lets messages and spilled
//! contents into their buffers, and counts. The executor's driver (`coordinator`) has devices and links; that of
//! simulations (`simulate`) has models of them and a virtual clock.
//!
//! **Invariant.** Commands depend on the plan, the devices' models and the order of the events, and on nothing else: of
//! contents `C` an engine knows only their sizes. So after the same events a simulated role gives the same commands as a
//! real one.

use super::Tally;
use super::host_slots::HostSlots;
use super::inbox::{Inbox, Piece};
use super::outbox::{Outbox, Outgoing, framing_bytes};
use super::schedule::{AHEAD_S, Overlap, Schedule, WINDOW_BYTES};
use crate::device::Pieces;
use crate::plan::{Depths, DeviceModel, Plan};
use crate::share::Role;
use crate::step::{Action, Phase};
use std::collections::VecDeque;

/// Bytes on the host, or only their number.
pub(super) trait Content: Clone {
    fn len(&self) -> usize;
}

impl Content for Pieces {
    fn len(&self) -> usize {
        Pieces::len(self)
    }
}

/// An event at a role.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Event<C> {
    /// The device has taken the job of the step at this position from its queue. Of the pieces of a message see
    /// [`Event::Written`].
    Done(u32),
    /// The device has taken so many bytes of pieces.
    Written(u64),
    /// The bytes that the step at this position sends, hands out or spills are on the host.
    Downloaded(u32, C),
    /// The link with this peer has taken the messages of the steps at these positions.
    Sent(Role, Vec<u32>),
    /// A piece of a message has come from this peer.
    Received(Role, Piece<C>),
}

/// A command to the driver.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Command<C> {
    /// Queue a job for the device with this number.
    Queue(usize, Job<C>),
    /// Give the link with this peer messages, each with the position of its step.
    Transmit(Role, Vec<(u32, Outgoing<C>)>),
    /// Give the caller the block of a result that the step at this position hands out.
    HandOut(u32, C),
}

/// Work for a device.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Job<C> {
    /// The work of the step at this position: a kernel, a block of an input to write, or bytes to read that are sent,
    /// handed out or spilled.
    Step(u32),
    /// A write, from this offset on, of bytes that the step at this position receives or reloads.
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
    /// The model of each device, by which its queued work is estimated.
    models: &'a [DeviceModel],
    overlap: Overlap,
    schedule: Schedule<'a>,
    /// Seconds of queued work, by device.
    ahead_s: Vec<f64>,
    inbox: Inbox<C>,
    outbox: Outbox<C>,
    host_slots: HostSlots<C>,
    depths: Depths,
    tally: Tally,
    /// Steps that are with their device, or whose message is.
    steps_done: u64,
    /// Downloads that have not reached their link or host slot, with the bytes that await a link or the caller.
    undelivered: usize,
    undelivered_bytes: u64,
    /// Bytes of received pieces that are queued for a device.
    unwritten_bytes: u64,
    commands: VecDeque<Command<C>>,
}

impl<'a, C: Content> Engine<'a, C> {
    /// A run that has not begun.
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

    /// True once all steps of the phase have passed and all their downloads have left the devices.
    pub(super) fn is_done(&self) -> bool {
        self.schedule.is_done() && self.undelivered == 0
    }

    /// Handles an event.
    pub(super) fn happened(&mut self, event: Event<C>) {
        match event {
            Event::Done(position) => {
                self.steps_done += 1;
                let device = self.device_of(position);
                self.ahead_s[device] -= self.seconds(position);
                if let Action::Kernel(_) | Action::Input { .. } | Action::Reload { .. } | Action::Garbled(_) =
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

    /// The next command; `None` until another event.
    pub(super) fn next_command(&mut self) -> Option<Command<C>> {
        while self.commands.is_empty() && self.release() {}
        self.commands.pop_front()
    }

    /// Lets messages and spilled contents into those of their buffers that are free, or else gives the next step to a device
    /// with too little work. Returns true where it did either.
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
            Action::Kernel(_) | Action::Input { .. } | Action::Garbled(_) => {}
            Action::Send { from, peer, .. } => {
                self.undelivered += 1;
                self.undelivered_bytes += from.shape.size_bytes(self.plan.ring);
                // A message is one round deeper than its content; offline there are no rounds.
                let depth = if planned.phase == Phase::Offline { 0 } else { depth.saturating_add(1) };
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

    /// A step may write its buffer with bytes from a peer or from the host.
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

    /// Queues a step's only job. Devices work in order: steps that wait for it may be queued behind it.
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

    /// Handles a completed download.
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

    /// Gives a peer's link the messages that wait for it, if it has room.
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
        let is_online = |&position: &u32| self.plan.phase_of(position) != Phase::Offline;
        self.tally.transmissions += u64::from(positions.first().is_some_and(is_online));
        self.tally.framing_bytes += framing_bytes(positions.len(), payload_bytes as usize) as u64;
        self.undelivered -= positions.len();
        self.undelivered_bytes -= payload_bytes;
        self.outbox.free(peer);
        self.transmit(peer);
    }

    /// True where there is room for more bytes between the links and the devices.
    pub(super) fn has_room(&self) -> bool {
        self.unwritten_bytes <= WINDOW_BYTES
    }

    /// The awaited messages.
    pub(super) fn inbox(&self) -> &Inbox<C> {
        &self.inbox
    }

    /// The counts so far.
    pub(super) fn tally(&self) -> Tally {
        self.tally
    }

    /// The number of steps that are with their device, or whose message is.
    pub(super) fn steps_done(&self) -> u64 {
        self.steps_done
    }

    /// The number of messages, results and spilled contents on their way from the devices, and the number of messages that
    /// wait for their link.
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

    /// A step's estimated time on its device.
    fn seconds(&self, position: u32) -> f64 {
        self.models[self.device_of(position)].seconds(self.plan.ring, self.action(position))
    }
}
