//! Engines under events in any order, and both drivers under the same events. Programs for these are drawn where sessions
//! are tested.

use super::coordinator::Coordinator;
use super::engine::{Command, Content, Engine, Event, Job};
use super::inbox::{Piece, messages};
use super::lane::{Arrival, LaneEvent, Order, Report};
use super::outbox::Outgoing;
use super::simulate::{Observer, Simulation, Size};
use super::trace::Recorder;
use super::transmit::{Delivery, Failure};
use super::{Execution, Memory, Overlap, Progress, Stages};
use crate::device::Device;
use crate::device::cpu::Cpu;
use crate::memory::wipe::Wiped;
use crate::net::{Activity, Data, Frame, Link, LinkOptions, LinkShape};
use crate::plan::{DeviceModel, Plan, Plans};
use crate::ring::Shape;
use crate::share::Role;
use crate::step::{Action, Phase};
use bytes::Bytes;
use crossbeam_channel::Receiver;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// A number below `of`, by the state of a generator (Steele, Lea and Flood, "Fast splittable pseudorandom number
/// generators", OOPSLA 2014).
fn draw(state: &mut u64, of: usize) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) % of as u64) as usize
}

/// Something that may happen next in [`Disorder`].
#[derive(Clone, Copy)]
enum Chance {
    /// A role goes on to its online phase.
    Begin(usize),
    /// A role's device does its first job.
    Compute(usize, usize),
    /// One of a role's downloads is on the host.
    Download(usize, usize),
    /// The link from one role to another takes a transmission.
    Send(usize, usize),
    /// What the link took first is with its receiver.
    Receive(usize, usize),
}

/// Messages that are transmitted together.
type Transmission = Vec<(u32, Outgoing<Size>)>;

/// All roles of a run, to which things happen in any order that devices and links allow.
struct Disorder<'a> {
    roles: Vec<Disordered<'a>>,
    /// By sender and receiver: what its link is to take, and what it has taken.
    links: BTreeMap<(usize, usize), (Option<Transmission>, VecDeque<Transmission>)>,
}

struct Disordered<'a> {
    plan: &'a Plan,
    engine: Engine<'a, Size>,
    phase: Phase,
    devices: Vec<VecDeque<Job<Size>>>,
    downloads: Vec<u32>,
    /// How many bytes of each step's buffer were queued to be written; `None` where the step was not queued at all.
    queued: Vec<Option<usize>>,
}

impl<'a> Disordered<'a> {
    fn new(plan: &'a Plan, models: &'a [DeviceModel], overlap: Overlap) -> Disordered<'a> {
        let mut engine = Engine::new(plan, models, overlap);
        engine.begin(Phase::Offline);
        let (devices, queued) = (vec![VecDeque::new(); models.len()], vec![None; plan.steps.len()]);
        Disordered { plan, engine, phase: Phase::Offline, devices, downloads: Vec::new(), queued }
    }

    fn action(&self, position: u32) -> &'a Action {
        &self.plan.steps[position as usize].step.action
    }

    /// Whether all of a step's work was queued.
    fn has_passed(&self, position: u32) -> bool {
        match (self.queued[position as usize], self.action(position)) {
            (Some(bytes), Action::Receive { to, .. }) => bytes as u64 == to.shape.size_bytes(self.plan.ring),
            (queued, _) => queued.is_some(),
        }
    }

    /// Every step is queued once, after all that it waits for.
    fn queue(&mut self, device: usize, job: Job<Size>) {
        let position = job.position();
        let planned = &self.plan.steps[position as usize];
        assert_eq!(device, usize::from(planned.device), "the device of step {position}");
        for &before in &planned.after {
            assert!(
                self.has_passed(before),
                "step {position} of {} is queued before {before}",
                self.plan.role
            );
        }
        let bytes = if let Job::Write(.., content) = &job { content.len() } else { 0 };
        match (&mut self.queued[position as usize], &planned.step.action) {
            (Some(queued), Action::Receive { .. }) => *queued += bytes,
            (queued @ None, _) => *queued = Some(bytes),
            (Some(_), action) => panic!("step {position}, {}, is queued twice", action.name()),
        }
        self.devices[device].push_back(job);
    }

    fn compute(&mut self, device: usize) {
        match self.devices[device].pop_front().expect("a job") {
            Job::Write(position, _, Size(bytes))
                if matches!(self.action(position), Action::Receive { .. }) =>
            {
                self.engine.happened(Event::Written(bytes as u64));
            }
            job => {
                let position = job.position();
                if let Action::Send { .. } | Action::Output { .. } | Action::Spill { .. } =
                    self.action(position)
                {
                    self.downloads.push(position);
                }
                self.engine.happened(Event::Done(position));
            }
        }
    }

    fn download(&mut self, index: usize) {
        let position = self.downloads.swap_remove(index);
        let (Action::Send { from, .. } | Action::Output { from, .. } | Action::Spill { from, .. }) =
            self.action(position)
        else {
            unreachable!("a step that reads")
        };
        let size = Size(from.shape.size_bytes(self.plan.ring) as usize);
        self.engine.happened(Event::Downloaded(position, size));
    }
}

impl Disorder<'_> {
    fn chances(&self) -> Vec<Chance> {
        let mut chances = Vec::new();
        let is_offline = |role: &Disordered<'_>| role.phase == Phase::Offline;
        let waits = |role: &Disordered<'_>| is_offline(role) && !role.engine.is_done();
        let mut parties = self.roles.iter().filter(|role| role.plan.role != Role::Dealer);
        let is_over = !parties.any(waits);
        for (number, role) in self.roles.iter().enumerate() {
            if is_offline(role) && role.engine.is_done() && (is_over || role.plan.role == Role::Dealer) {
                chances.push(Chance::Begin(number));
            }
            let devices = (0..role.devices.len()).filter(|&device| !role.devices[device].is_empty());
            chances.extend(devices.map(|device| Chance::Compute(number, device)));
            chances.extend((0..role.downloads.len()).map(|index| Chance::Download(number, index)));
        }
        for (&(from, to), (waiting, taken)) in &self.links {
            let (sender, receiver) = (self.roles[from].plan.role, &self.roles[to].engine);
            if waiting.is_some() && receiver.has_room() && receiver.inbox().listens_to(sender) {
                chances.push(Chance::Send(from, to));
            }
            if !taken.is_empty() {
                chances.push(Chance::Receive(from, to));
            }
        }
        chances
    }

    fn take(&mut self, chance: Chance) {
        match chance {
            Chance::Begin(role) => {
                self.roles[role].phase = Phase::Online;
                self.roles[role].engine.begin(Phase::Online);
            }
            Chance::Compute(role, device) => self.roles[role].compute(device),
            Chance::Download(role, index) => self.roles[role].download(index),
            Chance::Send(from, to) => {
                let (waiting, taken) = self.links.get_mut(&(from, to)).expect("a link");
                let messages = waiting.take().expect("a transmission");
                let positions = messages.iter().map(|&(position, _)| position).collect();
                taken.push_back(messages);
                let peer = self.roles[to].plan.role;
                self.roles[from].engine.happened(Event::Sent(peer, positions));
            }
            Chance::Receive(from, to) => {
                let (_, taken) = self.links.get_mut(&(from, to)).expect("a link");
                let peer = self.roles[from].plan.role;
                for (_, Outgoing { message, depth, content }) in taken.pop_front().expect("a transmission") {
                    let piece = Piece { message, depth, offset: 0, content };
                    self.roles[to].engine.happened(Event::Received(peer, piece));
                }
            }
        }
    }

    /// Does what the engines ask for.
    fn obey(&mut self) {
        for from in 0..self.roles.len() {
            while let Some(command) = self.roles[from].engine.next_command() {
                match command {
                    Command::Queue(device, job) => self.roles[from].queue(device, job),
                    Command::Transmit(peer, messages) => {
                        let to = self.roles.iter().position(|role| role.plan.role == peer).expect("a role");
                        let (waiting, _) = self.links.entry((from, to)).or_default();
                        assert!(
                            waiting.replace(messages).is_none(),
                            "a link takes one transmission at a time"
                        );
                    }
                    Command::HandOut(..) => {}
                }
            }
        }
    }
}

/// Runs plans with what happens in an order that `seed` draws: every step is queued once and not too early, all ends, and
/// what crosses the wire is what was planned.
pub(crate) fn run_in_disorder(plans: &Plans, models: &[DeviceModel], overlap: Overlap, seed: u64) {
    let roles = plans.roles().map(|plan| Disordered::new(plan, models, overlap)).collect();
    let mut run = Disorder { roles, links: BTreeMap::new() };
    let mut state = seed;
    loop {
        run.obey();
        let chances = run.chances();
        if chances.is_empty() {
            break;
        }
        run.take(chances[draw(&mut state, chances.len())]);
    }
    let mut rounds = 0;
    for Disordered { plan, engine, phase, queued, .. } in &run.roles {
        let role = plan.role;
        assert!(*phase == Phase::Online && engine.is_done(), "{role} comes to its end");
        assert!(queued.iter().all(Option::is_some), "every step of {role} is queued");
        let (tally, planned) = (engine.tally(), plans.traffic.of(role));
        assert_eq!(tally.sent_bytes, planned.sent_bytes, "sent by {role}");
        assert_eq!(tally.received_bytes, planned.received_bytes, "received by {role}");
        assert_eq!(tally.offline_sent_bytes, planned.offline_sent_bytes, "dealt by {role}");
        assert_eq!(tally.offline_received_bytes, planned.offline_received_bytes, "dealt to {role}");
        rounds = tally.rounds.max(rounds);
    }
    assert_eq!(rounds, plans.traffic.rounds, "rounds against the plan");
}

/// What an engine is told before it is asked what to do, and what it says then.
#[derive(Default)]
struct Turn {
    phase: Option<Phase>,
    events: Vec<Event<Size>>,
    commands: Vec<Command<Size>>,
}

/// The turns of each role's engine in a simulation; the last is not over.
struct Log(Vec<Vec<Turn>>);

impl Log {
    fn turn(&mut self, role: usize) -> &mut Turn {
        self.0[role].last_mut().expect("a turn has begun")
    }
}

impl Observer for Log {
    fn begins(&mut self, role: usize, phase: Phase) {
        self.turn(role).phase = Some(phase);
    }

    fn told(&mut self, role: usize, event: &Event<Size>) {
        self.turn(role).events.push(event.clone());
    }

    fn asked(&mut self, role: usize, command: Option<&Command<Size>>) {
        match command {
            Some(command) => self.turn(role).commands.push(command.clone()),
            None => self.0[role].push(Turn::default()),
        }
    }
}

/// The executor's driver of one role, with lanes and links whose other ends are the test's.
struct Bench<'a> {
    coordinator: Coordinator<'a>,
    lanes: Vec<Receiver<Vec<Order>>>,
    /// Deliveries that were done before their turn.
    early: Vec<Result<Delivery, Failure>>,
    /// By peer: the steps whose messages its link was to take, in order.
    transmitted: HashMap<Role, VecDeque<Vec<u32>>>,
    /// By peer: the numbers of these messages.
    sent: BTreeMap<Role, Vec<u32>>,
}

impl Bench<'_> {
    /// Tells the driver of an event as a device or a link would.
    async fn tell(&mut self, event: Event<Size>) {
        let zeros = |Size(bytes)| Wiped::zeroed(bytes);
        let told = match event {
            Event::Done(position) => self.report(Report { done: vec![position], ..Report::default() }),
            Event::Written(written_bytes) => self.report(Report { written_bytes, ..Report::default() }),
            Event::Downloaded(position, size) => {
                let arrival = Arrival { position, content: zeros(size).into(), asked: None };
                self.report(Report { arrived: vec![arrival], ..Report::default() })
            }
            Event::Sent(peer, positions) => {
                let sent = self.transmitted.entry(peer).or_default().pop_front();
                assert_eq!(sent.as_ref(), Some(&positions), "what the link with {peer} takes next");
                let sent = |delivery: &Delivery| matches!(delivery, Delivery(to, of) if *to == peer && *of == positions);
                self.deliver(sent).await
            }
            Event::Received(peer, Piece { message, depth, offset, content }) => {
                let payload = Bytes::from(zeros(content));
                let data = Data { run: RUN, message: message.0, depth, offset, payload };
                self.coordinator.take_in(peer, Ok(Frame::Data(data)), "")
            }
        };
        told.expect("nothing fails");
    }

    fn report(&mut self, report: Report) -> Result<(), super::RunError> {
        self.coordinator.happened(LaneEvent::Report(report))
    }

    /// Waits for one delivery, and hands it to the driver.
    async fn deliver(&mut self, wanted: impl Fn(&Delivery) -> bool) -> Result<(), super::RunError> {
        loop {
            let at = self.early.iter().position(|delivery| delivery.as_ref().is_ok_and(&wanted));
            if let Some(at) = at {
                return self.coordinator.delivered(self.early.swap_remove(at));
            }
            let next = self.coordinator.deliveries.join_next().await.expect("it is under way");
            self.early.push(next.expect("deliveries do not panic"));
        }
    }

    /// Holds what the driver has asked of its lanes against what the simulation's engine asked for, in order by lane.
    fn compare(&mut self, role: Role, commands: Vec<Command<Size>>) {
        let mut queued: Vec<Vec<Job<Size>>> = vec![Vec::new(); self.lanes.len()];
        for command in commands {
            match command {
                Command::Queue(device, job) => queued[device].push(job),
                Command::Transmit(peer, messages) => {
                    let positions = messages.iter().map(|&(position, _)| position).collect();
                    self.transmitted.entry(peer).or_default().push_back(positions);
                    let numbers = messages.iter().map(|(_, message)| message.message.0);
                    self.sent.entry(peer).or_default().extend(numbers);
                }
                Command::HandOut(..) => {}
            }
        }
        for (device, (lane, queued)) in self.lanes.iter().zip(queued).enumerate() {
            let jobs = lane.try_iter().flatten().map(|order| match order {
                Order::Do(Job::Step(position)) => Job::Step(position),
                Order::Do(Job::Write(position, offset, bytes)) => {
                    Job::Write(position, offset, Size(bytes.len()))
                }
                Order::Synchronise => panic!("nobody asks for that"),
            });
            assert_eq!(jobs.collect::<Vec<_>>(), queued, "the jobs of {role}'s device {device}");
        }
    }
}

const RUN: u32 = 7;

/// Reads the messages that come, to their ends, as a peer's link does.
fn listen(mut link: Link, plan: &Plan, sender: Role) -> UnboundedReceiver<u32> {
    link.receiver().expect_messages(messages(plan, sender, RUN, Phase::Offline..=Phase::Reveal));
    let (heard, messages) = unbounded_channel();
    tokio::spawn(async move {
        while let Ok(frame) = link.receiver().receive().await {
            let pieces = match frame {
                Frame::Data(data) => vec![data],
                Frame::Bundle(bundle) => bundle.messages,
                other => panic!("a {} frame", other.name()),
            };
            for first in pieces.iter().filter(|piece| piece.offset == 0) {
                let _ = heard.send(first.message);
            }
        }
    });
    messages
}

/// Simulates a run, and tells the executor's driver of each role what happened to it: its lanes and links are asked for the
/// same, in the same order. `outputs` are the shapes of the program's outputs.
pub(crate) fn follow_simulation(
    plans: &Plans,
    models: &[DeviceModel],
    link: LinkShape,
    overlap: Overlap,
    outputs: &[Shape],
) {
    let mut log = Log(plans.roles().map(|_| vec![Turn::default()]).collect());
    Simulation::new(plans, models, link, overlap, &mut log).run(plans.parties.len());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a thread for the links");
    for (plan, turns) in plans.roles().zip(log.0) {
        runtime.block_on(follow(plans, plan, models, overlap, outputs, turns));
    }
}

async fn follow(
    plans: &Plans,
    plan: &Plan,
    models: &[DeviceModel],
    overlap: Overlap,
    outputs: &[Shape],
    turns: Vec<Turn>,
) {
    let open = |_: &DeviceModel| Arc::new(Cpu::open(Some(1), None).expect("the CPU device opens")) as _;
    let devices: Vec<Arc<dyn Device>> = models.iter().map(open).collect();
    let memory = Memory::allocate(plan, &devices).expect("there is memory");
    let peers: Vec<&Plan> = plans.roles().filter(|peer| peer.role != plan.role).collect();
    let (mut links, mut heard) = (Vec::new(), BTreeMap::new());
    for peer in peers {
        let options = LinkOptions::default();
        let (near, far) = Link::pair([peer.role, plan.role], [&options, &options], 1 << 16);
        links.push(near);
        heard.insert(peer.role, listen(far, peer, plan.role));
    }
    let execution = Execution {
        plan,
        devices: &devices,
        models,
        memory: &memory,
        keys: &HashMap::new(),
        inputs: BTreeMap::new(),
        outputs: outputs.to_vec(),
        answers: None,
        links: &mut links,
        source: None,
        sinks: Vec::new(),
        activity: &Activity::new(),
        interrupt: None,
        progress: &Progress::default(),
        stages: &mut Stages::default(),
        run: RUN,
        follows: false,
        goes_on: false,
        stall: std::time::Duration::from_secs(20),
        overlap,
        trace: false,
        label: &|_| String::new(),
    };
    let (orders, lanes) = models.iter().map(|_| crossbeam_channel::unbounded()).unzip();
    let (_events, events) = unbounded_channel();
    let coordinator = Coordinator::new(execution, orders, events, Recorder::new(None));
    let (early, transmitted, sent) = (Vec::new(), HashMap::new(), BTreeMap::new());
    let mut bench = Bench { coordinator, lanes, early, transmitted, sent };
    for Turn { phase, events, commands } in turns {
        if let Some(phase) = phase {
            bench.coordinator.engine.begin(phase);
        }
        for event in events {
            bench.tell(event).await;
        }
        bench.coordinator.obey();
        bench.compare(plan.role, commands);
    }
    assert!(bench.coordinator.engine.is_done(), "{} comes to its end", plan.role);
    for (peer, sent) in bench.sent {
        let messages = heard.get_mut(&peer).expect("a link with every peer");
        for number in sent {
            assert_eq!(messages.recv().await, Some(number), "what {} sends {peer}", plan.role);
        }
    }
}
