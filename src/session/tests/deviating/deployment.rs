//! The deployment in which a role deviates: a small program, what every role sends when none does, and how a run ended.

use super::super::numbers;
use super::rules::{Identity, identity};
use crate::correlation::Source;
use crate::device::Device;
use crate::device::cpu::Cpu;
use crate::net::{Deadlines, Frame};
use crate::plan::{PlanOptions, Plans};
use crate::program::{Input, Kind, Program, Truncation, oracle};
use crate::protocol::Protocol;
use crate::ring::{Elements, FixedPoint, Ring, Shape};
use crate::session::connect::Introduction;
use crate::session::{
    Declared, Offer, Session, SessionError, SessionOptions, SessionOutcome, World, WorldError, deal_ahead,
};
use crate::share::{Parties, PartyId, Role, Terms};
use crate::step::{Action, Phase};
use crate::testing::Verdict;
use crate::testing::WireRule;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;

/// Everything in these tests is drawn from it.
pub(super) const SEED: u64 = 20261129;

/// From whom to whom.
pub(super) type Way = (Role, Role);

/// The frames of a run along each way, in order.
pub(super) type Sent = BTreeMap<Way, Vec<Frame>>;

/// How long honest roles wait where a message does not come: it is all that tells them.
const SHORT: Deadlines = Deadlines {
    connect: Duration::from_millis(1500),
    silence: Duration::from_secs(20),
    stall: Duration::from_secs(3),
};

/// How long roles wait else: no test comes to it.
const LONG: Deadlines = Deadlines {
    connect: Duration::from_secs(30),
    silence: Duration::from_secs(20),
    stall: Duration::from_secs(40),
};

pub(super) struct Deployment {
    pub protocol: Protocol,
    /// Whether correlations come from a store and not from a dealer.
    pub stored: bool,
    /// Whether the program has checks.
    pub checked: bool,
    program: Program,
    inputs: Vec<Elements>,
    pub expected: Elements,
    pub sent: Sent,
    /// The same in another run of the same program.
    pub sent_elsewhere: Sent,
    /// What each role's device held at most, as its plan says.
    pub planned: BTreeMap<Role, u64>,
}

/// How a run ended for each role.
pub(super) struct Ended {
    /// What a party learned, or a dealer's nothing, or why it failed.
    pub results: BTreeMap<Role, Result<Option<Elements>, SessionError>>,
    /// What its device held at most.
    pub peaks: BTreeMap<Role, u64>,
}

/// z = relu(x @ w + b) for all, x of party 0, the rest of the last party.
fn program(protocol: Protocol) -> Program {
    let codec = FixedPoint::new(Ring::Z64, 16).expect("a codec");
    let mut program = Program::new(protocol.parties(), codec).with_truncation(Truncation::Exact);
    let last = PartyId(protocol.parties() as u8 - 1);
    let inputs = [("x", PartyId(0), (2, 3)), ("w", last, (3, 2)), ("b", last, (1, 2))];
    let [x, w, b] = inputs.map(|(name, owner, (rows, cols))| {
        program.input(name, owner, Shape::new(rows, cols), Some(4.0)).expect("an input")
    });
    let z = program.matmul(x, w).and_then(|z| program.add(z, b)).and_then(|z| program.relu(z));
    program.output("z", z.expect("shapes that fit"), Parties::first(protocol.parties())).expect("an output");
    program
}

impl Deployment {
    pub(super) fn new(protocol: Protocol) -> Deployment {
        Deployment::of(protocol, false, false)
    }

    /// The same with correlations from a store.
    pub(super) fn stored(protocol: Protocol) -> Deployment {
        Deployment::of(protocol, true, false)
    }

    /// The same where the parties ask whether all is well, which it is.
    pub(super) fn checked(protocol: Protocol) -> Deployment {
        Deployment::of(protocol, false, true)
    }

    fn of(protocol: Protocol, stored: bool, checked: bool) -> Deployment {
        let program = program(protocol);
        let program = if checked { program.checked().expect("a program with checks") } else { program };
        let data = program.inputs().iter().zip(1..);
        let inputs: Vec<Elements> =
            data.map(|(input, seed)| numbers(program.codec(), input.shape.len(), 4.0, seed)).collect();
        let expected = oracle::evaluate(&program, &inputs).remove(0).elements;
        let (sent, sent_elsewhere, planned) = Default::default();
        let mut deployment = Deployment {
            protocol,
            stored,
            checked,
            program,
            inputs,
            expected,
            sent,
            sent_elsewhere,
            planned,
        };
        let ended;
        (deployment.sent, ended) = deployment.record(SEED);
        (deployment.sent_elsewhere, _) = deployment.record(SEED + 1);
        deployment.planned = ended.peaks;
        let plans = deployment.plans();
        for party in Parties::first(protocol.parties()).iter() {
            let plan: u64 = plans.of(party.into()).memory().values().sum();
            assert_eq!(deployment.planned[&party.into()], plan, "{protocol}: memory of {party}");
        }
        deployment
    }

    /// The messages of outputs.
    pub(super) fn reveals(&self) -> BTreeSet<Identity> {
        let plans = self.plans();
        let steps = plans.roles().flat_map(|plan| &plan.steps).map(|planned| &planned.step);
        let messages =
            steps.filter(|step| step.phase == Phase::Reveal).filter_map(|step| match step.action {
                Action::Send { message, .. } => Some(Identity::Data(message.0)),
                _ => None,
            });
        messages.collect()
    }

    fn plans(&self) -> Plans {
        Plans::new(self.protocol, &self.program, PlanOptions::default()).expect("a plan")
    }

    /// Those that are there.
    pub(super) fn roles(&self) -> Vec<Role> {
        self.protocol.roles(if self.stored { Source::Store } else { self.protocol.default_source() })
    }

    /// What is sent where nobody deviates, and how that ends.
    fn record(&self, seed: u64) -> (Sent, Ended) {
        let sent: Arc<Mutex<Sent>> = Arc::default();
        let seen = sent.clone();
        let rule = move |from: Role, to: Role, frame: &Frame| {
            if identity(frame) != Identity::Uncounted {
                seen.lock().expect("no panic").entry((from, to)).or_default().push(frame.clone());
            }
            Verdict::Pass
        };
        let ended = self.run_drawn(seed, None, LONG, Arc::new(rule));
        for (role, result) in &ended.results {
            let learned =
                result.as_ref().unwrap_or_else(|error| panic!("{}: {role}: {error}", self.protocol));
            assert_eq!(learned.as_ref(), (*role != Role::Dealer).then_some(&self.expected), "{role}");
        }
        let sent = std::mem::take(&mut *sent.lock().expect("no panic"));
        (sent, ended)
    }

    /// Runs the program while `deviator` does what the rule says. Where a message is missing the honest roles notice
    /// soon, and it never does.
    pub(super) fn run(&self, deviator: Role, is_missing: bool, rule: WireRule) -> Ended {
        self.run_drawn(SEED, Some(deviator), if is_missing { SHORT } else { LONG }, rule)
    }

    fn run_drawn(&self, seed: u64, deviator: Option<Role>, deadlines: Deadlines, rule: WireRule) -> Ended {
        let options = |deadlines| SessionOptions { deadlines, ..SessionOptions::default() };
        let device = || Arc::new(Cpu::open(Some(1), None).expect("the CPU device opens"));
        let devices: BTreeMap<Role, Arc<Cpu>> =
            self.roles().into_iter().map(|role| (role, device())).collect();
        let first = devices[&Role::party(0)].clone();
        let world = World::new(self.protocol, first).with_options(options(deadlines)).with_rule(rule);
        let world =
            devices.iter().fold(world, |world, (role, device)| world.with_device(*role, device.clone()));
        let world =
            deviator.into_iter().fold(world, |world, role| world.with_options_of(role, options(LONG)));
        let store = self.stored.then(|| self.deal());
        let world = store
            .iter()
            .fold(world, |world, store| world.with_store(store.path(), &store.path().join("marks")));
        let learned: Mutex<BTreeMap<Role, Elements>> = Mutex::default();
        let run = world.with_insecure_seed(seed).each_party(|party, session| {
            let outcome = self.of_party(party, session)?;
            learned.lock().expect("no panic").insert(party.into(), outcome.outputs["z"].clone());
            Ok(vec![outcome])
        });
        let mut failures: BTreeMap<Role, SessionError> =
            run.err().map_or_else(BTreeMap::new, |WorldError { failures }| failures.into_iter().collect());
        let mut learned = learned.into_inner().expect("no panic");
        let results = devices.keys().map(|role| {
            let result = failures.remove(role).map_or_else(|| Ok(learned.remove(role)), Err);
            (*role, result)
        });
        let results = results.collect();
        let peaks =
            devices.iter().map(|(role, device)| (*role, device.ledger().peak().total_bytes)).collect();
        Ended { results, peaks }
    }

    /// What an honest party does, from its first words on.
    fn of_party(&self, party: PartyId, session: &mut Session) -> Result<SessionOutcome, SessionError> {
        let inputs = self.program.inputs().iter().zip(&self.inputs).filter(|(input, _)| input.owner == party);
        let own: BTreeMap<String, Elements> =
            inputs.clone().map(|(input, elements)| (input.name.clone(), elements.clone())).collect();
        let terms = Terms::from_iter([("step 1", "z = relu(x @ w + b)")]);
        let offer = |input: &Input| Offer { shape: input.shape.into(), kind: Kind::Real };
        let offers = inputs.map(|(input, _)| (input.name.clone(), offer(input))).collect();
        session.attempt(|session| Ok(session.introduce(Introduction::new(terms, &offers)?)?))?;
        let declared = |input: &Input| {
            let declared = Declared { owner: input.owner, shape: Some(input.shape.into()), kind: None };
            (input.name.clone(), declared)
        };
        session.inputs(&self.program.inputs().iter().map(declared).collect())?;
        session.run(self.protocol, &self.program, own)
    }

    /// A store of a few orders.
    fn deal(&self) -> TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (demand, side) = (self.plans().demand, PlanOptions::default().side);
        let device = Arc::new(Cpu::open(Some(1), None).expect("the CPU device opens"));
        deal_ahead(device, &demand, side, folder.path(), 3, SessionOptions::default()).expect("a store");
        folder
    }
}
