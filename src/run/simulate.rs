//! What a run will take: the same schedule, outboxes and windows as the executor's, on modelled lanes and under a
//! virtual clock.
//!
//! Each device of a role does one job after the other, each for as long as its [`DeviceModel`] says; a direction of a link
//! transmits one frame after the other at the link's bandwidth, and what it carries arrives after its latency; where the
//! receiver takes nothing in, it waits with its sender, which no buffer between them makes easier. Hosts
//! and coordinators cost nothing beyond the model's time for each step. Nothing is random and no thread runs, so a
//! simulation of any size of data takes time and memory by its steps alone.

use super::schedule::{AHEAD_S, Overlap, Schedule, WINDOW_BYTES, takes_in};
use super::transmit::{Outbox, Payload, framing_bytes};
use crate::net::LinkShape;
use crate::plan::{DeviceModel, Plan, Plans};
use crate::share::Role;
use crate::step::{Action, MessageId, Phase, PlaceId};
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap, VecDeque};
use std::time::Duration;

/// What a run is predicted to take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prediction {
    /// Until all parties have their correlations.
    pub offline: Duration,
    /// From there until the last party is done.
    pub online: Duration,
    /// Each party's lanes.
    pub parties: Vec<RolePrediction>,
}

/// How long a party's lanes are busy online.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RolePrediction {
    /// Who.
    pub role: Role,
    /// Each of its devices, by number.
    pub devices: Vec<Duration>,
    /// The wire, in either direction.
    pub wire: Duration,
}

impl Prediction {
    /// The time of the busiest lane of any party.
    pub fn busiest(&self) -> Duration {
        self.parties.iter().map(|party| party.device().max(party.wire)).max().unwrap_or_default()
    }
}

impl RolePrediction {
    /// Its busiest device.
    pub fn device(&self) -> Duration {
        self.devices.iter().copied().max().unwrap_or_default()
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
    let mut simulation = Simulation {
        models: models.as_ref(),
        link,
        overlap,
        clock: 0,
        actors: plans.roles().map(|plan| Actor::new(plan, overlap)).collect(),
        events: BinaryHeap::new(),
        transmissions: 0,
        under_way: HashMap::new(),
    };
    simulation.run_phase(Phase::Offline);
    let offline = simulation.clock;
    simulation.actors.iter_mut().for_each(Actor::restart_clocks);
    simulation.run_phase(Phase::Online);
    let nanos = Duration::from_nanos;
    let party = |actor: &Actor<'_>| RolePrediction {
        role: actor.plan.role,
        devices: actor.devices.iter().map(|device| nanos(device.busy)).collect(),
        wire: nanos(actor.wire_busy),
    };
    Prediction {
        offline: nanos(offline),
        online: nanos(simulation.clock - offline),
        parties: simulation.actors[..plans.parties.len()].iter().map(party).collect(),
    }
}

/// Nanoseconds since the start.
type Time = u64;

/// A message on a host.
#[derive(Clone, Copy)]
struct Message {
    id: MessageId,
    len: usize,
}

impl Payload for Message {
    fn len(&self) -> usize {
        self.len
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// An actor's device, by number, has done its first job.
    Computed(usize, usize),
    /// A transmission has left its sender.
    Transmitted(u64),
    /// A transmission is with its receiver.
    Arrived(u64),
}

struct Transmission {
    from: usize,
    to: usize,
    messages: Vec<(u32, Message)>,
}

struct Actor<'a> {
    plan: &'a Plan,
    schedule: Schedule<'a>,
    devices: Vec<Lane>,
    outbox: Outbox<Message>,
    undelivered: usize,
    undelivered_bytes: u64,
    /// Steps that may receive or reload, and those whose content is there.
    receiving: BTreeSet<u32>,
    arrived: BTreeSet<u32>,
    /// What was spilled and is on the host.
    held: BTreeSet<PlaceId>,
    /// Where each peer's messages are received.
    receives: HashMap<(Role, MessageId), u32>,
    /// The steps whose messages are not there, by peer.
    missing: HashMap<Role, BTreeSet<u32>>,
    /// Bytes of messages that wait for their steps, by peer.
    held_bytes: HashMap<Role, u64>,
    /// Transmissions that it does not take in.
    refused: VecDeque<u64>,
    wire_busy: Time,
    /// Transmissions under way in either direction, and since when.
    transfers: u32,
    transfers_since: Time,
}

/// A device.
#[derive(Clone, Default)]
struct Lane {
    /// What it is to do: steps, in order.
    jobs: VecDeque<u32>,
    ahead_s: f64,
    busy: Time,
}

impl<'a> Actor<'a> {
    fn new(plan: &'a Plan, overlap: Overlap) -> Actor<'a> {
        let receive = |(position, planned): (u32, &crate::plan::PlannedStep)| match planned.step.action {
            Action::Receive { peer, message, .. } => Some(((peer, message), position)),
            _ => None,
        };
        let receives: HashMap<(Role, MessageId), u32> = (0..).zip(&plan.steps).filter_map(receive).collect();
        let mut missing: HashMap<Role, BTreeSet<u32>> = HashMap::new();
        for (&(peer, _), &position) in &receives {
            missing.entry(peer).or_default().insert(position);
        }
        Actor {
            plan,
            schedule: Schedule::new(plan, overlap),
            devices: vec![Lane::default(); plan.device_count().into()],
            outbox: Outbox::default(),
            undelivered: 0,
            undelivered_bytes: 0,
            receiving: BTreeSet::new(),
            arrived: BTreeSet::new(),
            held: BTreeSet::new(),
            receives,
            missing,
            held_bytes: HashMap::new(),
            refused: VecDeque::new(),
            wire_busy: 0,
            transfers: 0,
            transfers_since: 0,
        }
    }

    fn restart_clocks(&mut self) {
        self.devices.iter_mut().for_each(|device| device.busy = 0);
        self.wire_busy = 0;
    }

    fn action(&self, position: u32) -> &'a Action {
        &self.plan.steps[position as usize].step.action
    }

    fn device_of(&self, position: u32) -> usize {
        self.plan.steps[position as usize].device.into()
    }

    fn size_bytes(&self, position: u32) -> u64 {
        match self.action(position) {
            Action::Send { from: matrix, .. }
            | Action::Output { from: matrix, .. }
            | Action::Receive { to: matrix, .. } => {
                (matrix.shape.len() * self.plan.ring.element_bytes()) as u64
            }
            _ => 0,
        }
    }

    /// Whether it takes in what this peer sends.
    fn takes_in(&self, peer: Role) -> bool {
        let first = self.missing.get(&peer).and_then(BTreeSet::first);
        let is_ready = first.is_some_and(|position| self.receiving.contains(position));
        takes_in(peer, self.held_bytes.get(&peer).copied().unwrap_or(0), is_ready)
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
}

struct Simulation<'a> {
    /// By device.
    models: &'a [DeviceModel],
    link: LinkShape,
    overlap: Overlap,
    clock: Time,
    actors: Vec<Actor<'a>>,
    events: BinaryHeap<Reverse<(Time, Event)>>,
    transmissions: u64,
    under_way: HashMap<u64, Transmission>,
}

impl Simulation<'_> {
    fn run_phase(&mut self, phase: Phase) {
        for index in 0..self.actors.len() {
            self.actors[index].schedule.begin(phase);
            self.release(index);
        }
        while let Some(Reverse((time, event))) = self.events.pop() {
            self.clock = time;
            self.happen(event);
        }
        let is_done = |actor: &Actor<'_>| actor.schedule.is_done() && actor.undelivered == 0;
        assert!(self.actors.iter().all(is_done), "a plan's steps can always proceed");
    }

    /// Queues what the executor's coordinator would queue, and takes in what was refused before, if it is wanted now.
    fn release(&mut self, index: usize) {
        self.queue_ready(index);
        for number in std::mem::take(&mut self.actors[index].refused) {
            self.hand_over(number);
        }
    }

    fn queue_ready(&mut self, index: usize) {
        loop {
            for position in self.actors[index].schedule.take_arrivals() {
                let actor = &mut self.actors[index];
                actor.receiving.insert(position);
                if let Action::Reload { place, .. } = *actor.action(position)
                    && actor.held.contains(&place)
                {
                    actor.arrived.insert(position);
                }
                self.receive(index, position);
            }
            let actor = &mut self.actors[index];
            let may_send = actor.undelivered_bytes <= WINDOW_BYTES;
            let (devices, schedule) = (&actor.devices, &mut actor.schedule);
            let mut free = (0..devices.len()).filter(|&device| devices[device].ahead_s <= AHEAD_S);
            let Some(position) = free.find_map(|device| schedule.next(device, may_send)) else { return };
            if let Action::Send { peer, .. } = *actor.action(position) {
                actor.outbox.ask(peer);
            }
            if let Action::Send { .. } | Action::Output { .. } | Action::Spill { .. } = actor.action(position)
            {
                actor.undelivered += 1;
                actor.undelivered_bytes += actor.size_bytes(position);
            }
            self.queue(index, position);
            if self.overlap == Overlap::On {
                self.actors[index].schedule.pass(position);
            }
        }
    }

    /// A message, or what was spilled, is written to the device once it is there and its step may.
    fn receive(&mut self, index: usize, position: u32) {
        let actor = &mut self.actors[index];
        if actor.receiving.contains(&position) && actor.arrived.remove(&position) {
            actor.receiving.remove(&position);
            if let Action::Receive { peer, .. } = *actor.action(position) {
                let size_bytes = actor.size_bytes(position);
                *actor.held_bytes.get_mut(&peer).expect("it was held") -= size_bytes;
            }
            actor.schedule.pass(position);
            self.queue(index, position);
        }
    }

    fn queue(&mut self, index: usize, position: u32) {
        let seconds = self.seconds(index, position);
        let actor = &mut self.actors[index];
        let number = actor.device_of(position);
        let is_received = matches!(actor.action(position), Action::Receive { .. });
        let device = &mut actor.devices[number];
        if !is_received {
            device.ahead_s += seconds;
        }
        device.jobs.push_back(position);
        if device.jobs.len() == 1 {
            self.compute(index, number);
        }
    }

    /// What a step takes of its device.
    fn seconds(&self, index: usize, position: u32) -> f64 {
        let actor = &self.actors[index];
        self.models[actor.device_of(position)].seconds(actor.plan.ring, actor.action(position))
    }

    /// A device begins its first job.
    fn compute(&mut self, index: usize, number: usize) {
        let Some(&position) = self.actors[index].devices[number].jobs.front() else { return };
        let took = (self.seconds(index, position) * 1e9).round() as Time;
        self.actors[index].devices[number].busy += took;
        self.events.push(Reverse((self.clock + took, Event::Computed(index, number))));
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Computed(index, device) => self.computed(index, device),
            Event::Transmitted(number) => self.transmitted(number),
            Event::Arrived(number) => self.arrived(number),
        }
    }

    fn computed(&mut self, index: usize, number: usize) {
        let job = self.actors[index].devices[number].jobs.pop_front();
        let position = job.expect("the device was at a job");
        let seconds = self.seconds(index, position);
        let actor = &mut self.actors[index];
        let action = actor.action(position);
        if !matches!(action, Action::Receive { .. }) {
            actor.devices[number].ahead_s -= seconds;
        }
        match *action {
            Action::Send { peer, message, .. } => {
                let len = actor.size_bytes(position) as usize;
                actor.outbox.push(peer, position, Message { id: message, len });
                self.transmit(index, peer);
            }
            Action::Output { .. } => {
                actor.undelivered -= 1;
                actor.undelivered_bytes -= actor.size_bytes(position);
                self.done(index, position);
            }
            Action::Spill { place, .. } => {
                actor.undelivered -= 1;
                actor.held.insert(place);
                let waits = |position: &u32| matches!(actor.action(*position), Action::Reload { place: wanted, .. } if *wanted == place);
                let waiting: Vec<u32> = actor.receiving.iter().copied().filter(waits).collect();
                self.done(index, position);
                for reload in waiting {
                    self.actors[index].arrived.insert(reload);
                    self.receive(index, reload);
                }
            }
            Action::Receive { .. } | Action::Reload { .. } => {}
            Action::Kernel(_) | Action::Input { .. } => self.done(index, position),
        }
        self.compute(index, number);
        self.release(index);
    }

    fn done(&mut self, index: usize, position: u32) {
        if self.overlap == Overlap::Off {
            self.actors[index].schedule.pass(position);
        }
    }

    /// Gives a link what waits for it, if it takes anything.
    fn transmit(&mut self, from: usize, peer: Role) {
        let Some(messages) = self.actors[from].outbox.take(peer) else { return };
        let to = self.actors.iter().position(|actor| actor.plan.role == peer).expect("a role of the plans");
        let payload: usize = messages.iter().map(|(_, message)| message.len).sum();
        let bits = (payload + framing_bytes(messages.len(), payload)) as f64 * 8.0;
        let took = (bits / self.link.bits_per_s() as f64 * 1e9).ceil() as Time;
        self.transmissions += 1;
        let number = self.transmissions;
        self.actors[from].begin_transfer(self.clock);
        self.actors[to].begin_transfer(self.clock);
        self.under_way.insert(number, Transmission { from, to, messages });
        self.events.push(Reverse((self.clock + took, Event::Transmitted(number))));
    }

    fn transmitted(&mut self, number: u64) {
        let Transmission { from, to, .. } = self.under_way[&number];
        [from, to].into_iter().for_each(|end| self.actors[end].end_transfer(self.clock));
        self.hand_over(number);
    }

    /// The sender is done with a transmission, if its receiver takes it in.
    fn hand_over(&mut self, number: u64) {
        let Transmission { from, to, .. } = self.under_way[&number];
        let [sender, peer] = [from, to].map(|end| self.actors[end].plan.role);
        if !self.actors[to].takes_in(sender) {
            self.actors[to].refused.push_back(number);
            return;
        }
        let sent: Vec<u32> = self.under_way[&number].messages.iter().map(|&(position, _)| position).collect();
        let actor = &mut self.actors[from];
        actor.undelivered -= sent.len();
        actor.undelivered_bytes -= sent.iter().map(|&position| actor.size_bytes(position)).sum::<u64>();
        actor.outbox.free(peer);
        sent.into_iter().for_each(|position| self.done(from, position));
        let latency = self.link.latency().as_nanos() as Time;
        self.events.push(Reverse((self.clock + latency, Event::Arrived(number))));
        self.transmit(from, peer);
        self.release(from);
    }

    fn arrived(&mut self, number: u64) {
        let Transmission { from, to, messages } = self.under_way.remove(&number).expect("it was under way");
        let peer = self.actors[from].plan.role;
        for (_, message) in messages {
            let actor = &mut self.actors[to];
            let position = actor.receives[&(peer, message.id)];
            actor.arrived.insert(position);
            actor.missing.get_mut(&peer).expect("it was missing").remove(&position);
            *actor.held_bytes.entry(peer).or_default() += actor.size_bytes(position);
            self.receive(to, position);
        }
        self.release(to);
    }
}
