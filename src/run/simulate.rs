//! Predictions: the driver of engines on modelled lanes, under a virtual clock.
//!
//! Each device of a role does one job after the other, each for the time in its [`DeviceModel`]; one that has had nothing
//! to do is woken and submitted to first. Where transfers have lanes of their own, bytes to the device are on their way from
//! when they are queued, and bytes to the host from when the device has come to them, while it goes on. A direction of a
//! link transmits one frame after the other at the link's bandwidth, and a frame arrives after the link's latency and wakes
//! the receiver. Where the receiver has no room, the frame waits with its sender; no buffer lies between them. Hosts and
//! coordinators cost nothing beyond the model's times. Nothing is random and no thread runs, so the time and memory of a
//! simulation depend on its steps alone.

use super::answers::ROUNDS;
use super::engine::{Command, Content, Engine, Event, Job};
use super::inbox::Piece;
use super::outbox::{Outgoing, framing_bytes};
use super::schedule::Overlap;
use crate::net::LinkShape;
use crate::plan::{DeviceModel, Plan, Plans};
use crate::share::Role;
use crate::step::{Action, Phase};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::time::Duration;

/// The prediction of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prediction {
    /// Seconds until all parties have their correlations.
    pub offline: Duration,
    /// Seconds from there until the last party is done.
    pub online: Duration,
    /// Each party's lanes.
    pub parties: Vec<RolePrediction>,
}

/// The time for which a party's lanes are busy online.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RolePrediction {
    /// The party.
    pub role: Role,
    /// Each of its devices, by number.
    pub devices: Vec<Duration>,
    /// The transfers of each of its devices, the busier direction, where they take place beside kernels.
    pub transfers: Vec<Duration>,
    /// The wire, in either direction.
    pub wire: Duration,
}

impl Prediction {
    /// The time of the busiest lane of any party.
    pub fn busiest(&self) -> Duration {
        let busiest = |party: &RolePrediction| party.device().max(party.transfer()).max(party.wire);
        self.parties.iter().map(busiest).max().unwrap_or_default()
    }
}

impl RolePrediction {
    /// The time of its busiest device.
    pub fn device(&self) -> Duration {
        self.devices.iter().copied().max().unwrap_or_default()
    }

    /// The time of the busiest transfers.
    pub fn transfer(&self) -> Duration {
        self.transfers.iter().copied().max().unwrap_or_default()
    }
}

/// Predicts a run in which every role computes on a device like `models`, or on several like them, by number; over links
/// like `link`.
///
/// # Panics
/// Where the plans are for more devices than there are models.
pub fn simulate(
    plans: &Plans,
    models: &(impl AsRef<[DeviceModel]> + ?Sized),
    link: LinkShape,
    overlap: Overlap,
) -> Prediction {
    Simulation::new(plans, models.as_ref(), link, overlap, &mut ()).run(plans.parties.len())
}

/// Nanoseconds since the start.
type Time = u64;

fn nanos(seconds: f64) -> Time {
    (seconds * 1e9).round() as Time
}

/// A content that is its size in bytes alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size(pub usize);

impl Content for Size {
    fn len(&self) -> usize {
        self.0
    }
}

/// An observer of the events and commands between this driver and the engines of the roles, given by number.
pub(super) trait Observer {
    /// The engine goes on to a phase.
    fn begins(&mut self, _role: usize, _phase: Phase) {}
    /// The engine is given an event.
    fn told(&mut self, _role: usize, _event: &Event<Size>) {}
    /// The engine gives a command.
    fn asked(&mut self, _role: usize, _command: Option<&Command<Size>>) {}
}

/// No observer.
impl Observer for () {}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    /// An actor's device, by number, has done its first job.
    Computed(usize, usize),
    /// The bytes that an actor's step reads are on the host.
    Landed(usize, u32),
    /// A transmission has left its sender.
    Transmitted(u64),
    /// A transmission is with its receiver.
    Arrived(u64),
}

struct Transmission {
    from: usize,
    to: usize,
    messages: Vec<(u32, Outgoing<Size>)>,
}

struct Actor<'a> {
    plan: &'a Plan,
    engine: Engine<'a, Size>,
    devices: Vec<Lane>,
    /// Transmissions that it has no room for.
    refused: VecDeque<u64>,
    wire_busy: Time,
    /// Transmissions under way in either direction, and their starts.
    transfers: u32,
    transfers_since: Time,
}

/// A device. It works on the first of its jobs, if it has any.
#[derive(Default)]
struct Lane {
    /// Each with the time from which on it may be done.
    jobs: VecDeque<(Job<Size>, Time)>,
    busy: Time,
    /// Transfers to the device, and from it.
    transfers: [TransferLane; 2],
}

/// A direction of a device's transfers.
#[derive(Clone, Copy, Default)]
struct TransferLane {
    /// It is busy until then.
    free: Time,
    busy: Time,
}

impl TransferLane {
    /// Adds a transfer; returns its end.
    fn take(&mut self, now: Time, took: Time) -> Time {
        self.busy += took;
        self.free = self.free.max(now) + took;
        self.free
    }
}

impl<'a> Actor<'a> {
    fn new(plan: &'a Plan, models: &'a [DeviceModel], overlap: Overlap) -> Actor<'a> {
        Actor {
            plan,
            engine: Engine::new(plan, models, overlap),
            devices: (0..plan.device_count()).map(|_| Lane::default()).collect(),
            refused: VecDeque::new(),
            wire_busy: 0,
            transfers: 0,
            transfers_since: 0,
        }
    }

    fn restart_clocks(&mut self) {
        for device in &mut self.devices {
            device.busy = 0;
            device.transfers.iter_mut().for_each(|transfers| transfers.busy = 0);
        }
        self.wire_busy = 0;
    }

    fn begin_transfer(&mut self, now: Time) {
        if self.transfers == 0 {
            self.transfers_since = now;
        }
        self.transfers += 1;
    }

    fn end_transfer(&mut self, now: Time) {
        self.transfers -= 1;
        if self.transfers == 0 {
            self.wire_busy += now - self.transfers_since;
        }
    }

    fn prediction(&self) -> RolePrediction {
        let devices = self.devices.iter().map(|device| Duration::from_nanos(device.busy)).collect();
        let busier = |device: &Lane| device.transfers.iter().map(|transfers| transfers.busy).max();
        let transfers = self.devices.iter().map(|device| Duration::from_nanos(busier(device).unwrap_or(0)));
        RolePrediction {
            role: self.plan.role,
            devices,
            transfers: transfers.collect(),
            wire: Duration::from_nanos(self.wire_busy),
        }
    }
}

/// All roles at work.
pub(super) struct Simulation<'a, O> {
    link: LinkShape,
    models: &'a [DeviceModel],
    clock: Time,
    actors: Vec<Actor<'a>>,
    moments: BinaryHeap<Reverse<(Time, Moment)>>,
    transmissions: u64,
    under_way: HashMap<u64, Transmission>,
    observer: &'a mut O,
}

impl<'a, O: Observer> Simulation<'a, O> {
    pub(super) fn new(
        plans: &'a Plans,
        models: &'a [DeviceModel],
        link: LinkShape,
        overlap: Overlap,
        observer: &'a mut O,
    ) -> Simulation<'a, O> {
        Simulation {
            link,
            models,
            clock: 0,
            actors: plans.roles().map(|plan| Actor::new(plan, models, overlap)).collect(),
            moments: BinaryHeap::new(),
            transmissions: 0,
            under_way: HashMap::new(),
            observer,
        }
    }

    /// Runs to the end; the first roles are those of so many parties.
    pub(super) fn run(mut self, parties: usize) -> Prediction {
        self.run_phase(Phase::Offline);
        let offline = self.clock;
        self.actors.iter_mut().for_each(Actor::restart_clocks);
        self.run_phase(Phase::Online);
        if self.actors.iter().any(|actor| actor.plan.steps_in(Phase::Reveal) > 0) {
            self.clock += u64::from(ROUNDS) * self.link.latency().as_nanos() as Time;
        }
        self.run_phase(Phase::Reveal);
        Prediction {
            offline: Duration::from_nanos(offline),
            online: Duration::from_nanos(self.clock - offline),
            parties: self.actors[..parties].iter().map(Actor::prediction).collect(),
        }
    }

    fn run_phase(&mut self, phase: Phase) {
        for index in 0..self.actors.len() {
            self.observer.begins(index, phase);
            self.actors[index].engine.begin(phase);
            self.obey(index);
        }
        while let Some(Reverse((time, moment))) = self.moments.pop() {
            self.clock = time;
            match moment {
                Moment::Computed(index, device) => self.computed(index, device),
                Moment::Landed(index, position) => self.landed(index, position),
                Moment::Transmitted(number) => self.transmitted(number),
                Moment::Arrived(number) => self.arrived(number),
            }
        }
        let is_done = self.actors.iter().all(|actor| actor.engine.is_done());
        assert!(is_done, "a plan's steps can always proceed");
    }

    fn tell(&mut self, index: usize, event: Event<Size>) {
        self.observer.told(index, &event);
        self.actors[index].engine.happened(event);
    }

    /// Carries out an engine's commands, and delivers transmissions for which there is room by now.
    fn obey(&mut self, index: usize) {
        loop {
            let command = self.actors[index].engine.next_command();
            self.observer.asked(index, command.as_ref());
            match command {
                Some(Command::Queue(device, job)) => self.queue(index, device, job),
                Some(Command::Transmit(peer, messages)) => self.transmit(index, peer, messages),
                Some(Command::HandOut(..)) => {}
                None => break,
            }
        }
        for number in std::mem::take(&mut self.actors[index].refused) {
            self.hand_over(number);
        }
    }

    fn queue(&mut self, index: usize, number: usize, job: Job<Size>) {
        let models = self.models;
        let model = &models[number];
        let Actor { plan, devices, .. } = &mut self.actors[index];
        let action = &plan.steps[job.position() as usize].step.action;
        let is_idle = devices[number].jobs.is_empty();
        let mut begin = self.clock + if is_idle { nanos(model.wake_s + model.submit_s) } else { 0 };
        if let Action::Input { .. } | Action::Receive { .. } | Action::Reload { .. } = action {
            let (_, beside) = model.shares(plan.ring, action);
            begin = begin.max(devices[number].transfers[0].take(self.clock, nanos(beside)));
        }
        devices[number].jobs.push_back((job, begin));
        if is_idle {
            self.compute(index, number);
        }
    }

    /// A device begins its first job, if it has any.
    fn compute(&mut self, index: usize, number: usize) {
        let Actor { plan, devices, .. } = &mut self.actors[index];
        let Some((job, begin)) = devices[number].jobs.front() else { return };
        let action = &plan.steps[job.position() as usize].step.action;
        let took = nanos(self.models[number].shares(plan.ring, action).0);
        let begin = (*begin).max(self.clock);
        devices[number].busy += took;
        self.moments.push(Reverse((begin + took, Moment::Computed(index, number))));
    }

    /// A device ends its first job, and begins the next before another is queued.
    fn computed(&mut self, index: usize, number: usize) {
        let actor = &mut self.actors[index];
        let (job, _) = actor.devices[number].jobs.pop_front().expect("the device was at a job");
        let position = job.position();
        let (ring, action) = (actor.plan.ring, &actor.plan.steps[position as usize].step.action);
        self.compute(index, number);
        match action {
            Action::Receive { to, .. } => self.tell(index, Event::Written(to.shape.size_bytes(ring))),
            Action::Kernel(_) | Action::Input { .. } | Action::Reload { .. } | Action::Garbled(_) => {
                self.tell(index, Event::Done(position));
            }
            Action::Send { .. } | Action::Output { .. } | Action::Spill { .. } => {
                let models = self.models;
                let model = &models[number];
                let (_, beside) = model.shares(ring, action);
                let landed = self.actors[index].devices[number].transfers[1].take(self.clock, nanos(beside));
                let late = landed - self.clock + nanos(model.exchange_s + model.wake_s);
                self.tell(index, Event::Done(position));
                if late > 0 {
                    self.moments.push(Reverse((self.clock + late, Moment::Landed(index, position))));
                } else {
                    return self.landed(index, position);
                }
            }
        }
        self.obey(index);
    }

    /// Bytes that a step reads are with the host.
    fn landed(&mut self, index: usize, position: u32) {
        let plan = self.actors[index].plan;
        let action = &plan.steps[position as usize].step.action;
        let (Action::Send { from, .. } | Action::Output { from, .. } | Action::Spill { from, .. }) = action
        else {
            unreachable!("a step that reads")
        };
        let size = Size(from.shape.size_bytes(plan.ring) as usize);
        self.tell(index, Event::Downloaded(position, size));
        self.obey(index);
    }

    /// A link begins to carry messages.
    fn transmit(&mut self, from: usize, peer: Role, messages: Vec<(u32, Outgoing<Size>)>) {
        let to = self.actors.iter().position(|actor| actor.plan.role == peer).expect("a role of the plans");
        let payload: usize = messages.iter().map(|(_, message)| message.content.len()).sum();
        let bits = (payload + framing_bytes(messages.len(), payload)) as f64 * 8.0;
        let took = (bits / self.link.bits_per_s() as f64 * 1e9).ceil() as Time;
        self.transmissions += 1;
        let number = self.transmissions;
        self.actors[from].begin_transfer(self.clock);
        self.actors[to].begin_transfer(self.clock);
        self.under_way.insert(number, Transmission { from, to, messages });
        self.moments.push(Reverse((self.clock + took, Moment::Transmitted(number))));
    }

    fn transmitted(&mut self, number: u64) {
        let Transmission { from, to, .. } = self.under_way[&number];
        [from, to].into_iter().for_each(|end| self.actors[end].end_transfer(self.clock));
        self.hand_over(number);
    }

    /// Ends a transmission at its sender, if its receiver has room.
    fn hand_over(&mut self, number: u64) {
        let Transmission { from, to, ref messages } = self.under_way[&number];
        let positions = messages.iter().map(|&(position, _)| position).collect();
        let [sender, peer] = [from, to].map(|end| self.actors[end].plan.role);
        let receiver = &mut self.actors[to];
        if !(receiver.engine.has_room() && receiver.engine.inbox().listens_to(sender)) {
            receiver.refused.push_back(number);
            return;
        }
        let latency = self.link.latency().as_nanos() as Time;
        self.moments.push(Reverse((self.clock + latency, Moment::Arrived(number))));
        self.tell(from, Event::Sent(peer, positions));
        self.obey(from);
    }

    fn arrived(&mut self, number: u64) {
        let Transmission { from, to, messages } = self.under_way.remove(&number).expect("it was under way");
        let peer = self.actors[from].plan.role;
        for (_, Outgoing { message, depth, content }) in messages {
            self.tell(to, Event::Received(peer, Piece { message, depth, offset: 0, content }));
        }
        self.obey(to);
    }
}
