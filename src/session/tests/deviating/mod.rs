//! A party or a dealer that keeps to the protocol but for one rule, at one message.
//!
//! A small program runs in a world in which nobody deviates, and what every role sends to every other is taken down. Then
//! it runs again for each rule that a role may break ([`RULES`]), at each message that it sends, of control or of the run.
//! The honest roles must end as the rule says: with an error that names the role that deviated, or with a result. What a
//! deviating role alters in a value may spoil the result, as the model of semi-honest parties says; nothing else may. No
//! role panics or hangs, none blames another one, and no device ever holds more than its plan.

mod deployment;
mod rules;

use self::deployment::{Deployment, Ended, SEED, Way};
use self::rules::{Deviation, Identity, Leads, RULES, identity, wire_rule};
use crate::net::NetError;
use crate::protocol::Protocol;
use crate::run::RunError;
use crate::session::SessionError;
use crate::session::topic::{CHECK_ANSWER, CHECK_COMMITMENTS, CUT, UNUSED_ORDERS};
use crate::share::Role;
use crate::testing::Verdict;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

/// Runs at a time: they mostly wait for each other's threads.
const AT_ONCE: usize = 8;

/// Runs at a time in which a message is missing: they wait for a deadline.
const WAITING_AT_ONCE: usize = 64;

/// A run that has not ended within this hangs.
const PATIENCE: Duration = Duration::from_secs(150);

/// A role that deviates at one message.
#[derive(Clone)]
struct Case {
    deployment: Arc<Deployment>,
    way: Way,
    at: usize,
    deviation: Deviation,
    acts: BTreeMap<Identity, Verdict>,
}

impl Case {
    fn name(&self) -> String {
        let Case { deployment, way: (from, to), at, deviation, acts } = self;
        let frame = identity(&deployment.sent[&self.way][*at]);
        let Deployment { protocol, stored, checked, .. } = **deployment;
        let source = if stored { " from a store" } else { "" };
        let checks = if checked { " with checks" } else { "" };
        format!("{protocol}{source}{checks}: {from} to {to}, {frame:?} {deviation:?} {acts:?}")
    }

    fn is_missing(&self) -> bool {
        self.deviation == Deviation::Missing
    }

    /// Runs it, and says what is wrong with its end.
    fn run(&self) -> Result<(), String> {
        let rule = wire_rule(self.way, self.acts.clone());
        let run = || self.deployment.run(self.way.0, self.is_missing(), rule);
        let ended = catch_unwind(AssertUnwindSafe(run)).map_err(|_| "a panic".to_owned())?;
        self.check(&ended).map_err(|wrong| format!("{wrong}: {}", account(&ended)))
    }

    fn check(&self, ended: &Ended) -> Result<(), String> {
        let (deviator, victim) = self.way;
        let leads = self.deviation.leads(&self.deployment.sent[&self.way][self.at]);
        let may_spoil = matches!(leads, Leads::Spoiled | Leads::RefusedOrSpoiled);
        if matches!(leads, Leads::Refused | Leads::Late) && ended.results[&victim].is_ok() {
            return Err(format!("{victim} takes it"));
        }
        for (role, result) in ended.results.iter().filter(|(role, _)| **role != deviator) {
            if ended.peaks[role] > self.deployment.planned[role] {
                let (peak, planned) = (ended.peaks[role], self.deployment.planned[role]);
                return Err(format!("{role} took {peak} bytes, of {planned} planned"));
            }
            match result {
                Err(error) if leads == Leads::Spoiled => return Err(format!("{role} fails: {error}")),
                Err(error) if !self.is_named(*role, error) => {
                    return Err(format!("{role} does not name {deviator}: {error}"));
                }
                Ok(Some(learned)) if !may_spoil && *learned != self.deployment.expected => {
                    return Err(format!("{role} learns something wrong"));
                }
                _ => {}
            }
        }
        let honest = ended.results.iter().filter(|(role, _)| **role != deviator);
        let errors: Vec<&SessionError> = honest.filter_map(|(_, result)| result.as_ref().err()).collect();
        let is_told = |error: &&SessionError| {
            let is_named = error.to_string().contains(&deviator.to_string());
            is_named || self.tells_otherwise() || self.is_missing() && is_late(error)
        };
        if errors.is_empty() || errors.iter().any(is_told) {
            return Ok(());
        }
        Err(format!("nobody says that it was {deviator}"))
    }

    /// Whether an honest role's error is about the role that deviates.
    fn is_named(&self, role: Role, error: &SessionError) -> bool {
        let deviator = self.way.0;
        let words = error.to_string();
        let names = words.contains(&deviator.to_string());
        match error {
            SessionError::Offer(_) => names,
            SessionError::Run(RunError::Stalled { .. }) => self.is_missing(),
            SessionError::Run(RunError::Answers { peers }) => peers.contains(&deviator),
            SessionError::Net(error) | SessionError::Run(RunError::Peer { error, .. }) => match error {
                NetError::OffPlan { peer, .. }
                | NetError::OffTopic { peer, .. }
                | NetError::Oversized { peer, .. }
                | NetError::Malformed { peer, .. }
                | NetError::OutOfPlace { peer, .. }
                | NetError::Frame { peer, .. }
                | NetError::Closed { peer, .. } => *peer == deviator,
                // Who waits for somebody who waits says so.
                NetError::Late { peer, .. } => *peer == deviator || self.is_missing() && *peer != role,
                NetError::Aborted { .. } => names || self.is_missing() || self.tells_otherwise(),
                NetError::Disagree { .. } => names || self.tells_otherwise(),
                _ => false,
            },
            _ => false,
        }
    }

    /// Whether two honest parties were told different things, each of which can be: they find that they do not agree.
    fn tells_otherwise(&self) -> bool {
        let alters = matches!(self.deviation, Deviation::Value | Deviation::AnotherLink);
        alters && identity(&self.deployment.sent[&self.way][self.at]) == Identity::Control(CUT.number)
    }
}

/// Whether a deadline has passed.
fn is_late(error: &SessionError) -> bool {
    matches!(error, SessionError::Run(RunError::Stalled { .. }) | SessionError::Net(NetError::Late { .. }))
}

/// What every role says.
fn account(ended: &Ended) -> String {
    let of_role = |(role, result): (&Role, &Result<_, SessionError>)| match result {
        Ok(_) => format!("{role}: done"),
        Err(error) => format!("{role}: {error}"),
    };
    ended.results.iter().map(of_role).collect::<Vec<_>>().join("; ")
}

/// Every deviation of every role at every message for which `wanted` says so.
fn cases(deployment: &Arc<Deployment>, wanted: impl Fn(Identity) -> bool) -> Vec<Case> {
    let mut cases = Vec::new();
    for (&way, frames) in &deployment.sent {
        for (at, _) in frames.iter().enumerate().filter(|(_, frame)| wanted(identity(frame))) {
            for (_, deviation, _) in RULES {
                let acts = deviation.acts(deployment, way, at).into_iter();
                let deployment = deployment.clone();
                cases.extend(acts.map(|acts| {
                    let deployment = deployment.clone();
                    Case { deployment, way, at, deviation, acts }
                }));
            }
        }
    }
    cases
}

/// Counts panics of the threads that serve links, which nobody awaits; returns how many there were so far.
fn panics_of_wires() -> usize {
    static COUNTED: AtomicUsize = AtomicUsize::new(0);
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let is_wire = std::thread::current().name() == Some("wire");
            COUNTED.fetch_add(usize::from(is_wire), Ordering::Relaxed);
            before(info);
        }));
    });
    COUNTED.load(Ordering::Relaxed)
}

/// Runs the cases, some at a time; panics with those that do not end as they should.
fn run_all(cases: Vec<Case>) {
    let (count, panics) = (cases.len(), panics_of_wires());
    let (waiting, others): (VecDeque<Case>, VecDeque<Case>) = cases.into_iter().partition(Case::is_missing);
    let under_way: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let (ended, ends) = channel();
    for (cases, at_once) in [(waiting, WAITING_AT_ONCE), (others, AT_ONCE)] {
        let cases = Arc::new(Mutex::new(cases));
        for _ in 0..at_once {
            let (cases, under_way, ended) = (cases.clone(), under_way.clone(), ended.clone());
            std::thread::spawn(move || {
                let next = || cases.lock().expect("no panic").pop_front();
                while let Some(case) = next() {
                    let name = case.name();
                    under_way.lock().expect("no panic").insert(name.clone());
                    let result = case.run();
                    under_way.lock().expect("no panic").remove(&name);
                    // Nobody listens any more where another case hangs.
                    let _ = ended.send(result.map_err(|wrong| format!("{name}: {wrong}")));
                }
            });
        }
    }
    let mut wrong = Vec::new();
    for _ in 0..count {
        let Ok(end) = ends.recv_timeout(PATIENCE) else {
            panic!("these hang: {:#?}", under_way.lock().expect("no panic"));
        };
        wrong.extend(end.err());
    }
    assert!(wrong.is_empty(), "{} of {count} deviations:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(panics_of_wires(), panics, "no thread that serves links panics");
    println!("{count} deviations end as they should; seed {SEED}");
}

/// The table that the guide has.
fn table() -> String {
    let mut table =
        String::from("| a party or dealer sends a message | between runs | within a run |\n|---|---|---|\n");
    for (name, _, leads) in RULES {
        table += &format!("| {name} | {} |\n", leads.map(Leads::words).join(" | "));
    }
    table
}

#[test]
fn a_role_that_deviates_at_one_message_is_named_or_spoils_the_result() {
    let deployments = Protocol::ALL.map(|protocol| Arc::new(Deployment::new(protocol)));
    run_all(deployments.iter().flat_map(|deployment| cases(deployment, |_| true)).collect());
}

#[test]
fn a_party_that_deviates_when_orders_of_a_store_are_agreed_on_is_named_or_spoils_the_result() {
    let deployment = Arc::new(Deployment::stored(Protocol::Beaver));
    run_all(cases(&deployment, |identity| identity == Identity::Control(UNUSED_ORDERS.number)));
}

/// At the messages by which the answers of checks are opened, and at those of outputs behind them.
#[test]
fn a_party_that_deviates_when_answers_of_checks_are_opened_is_named_or_spoils_the_result() {
    for protocol in Protocol::ALL {
        let deployment = Arc::new(Deployment::checked(protocol));
        let (reveals, topics) = (deployment.reveals(), [CHECK_COMMITMENTS, CHECK_ANSWER]);
        assert!(!reveals.is_empty(), "outputs are sent");
        let is_topic = |identity| topics.iter().any(|topic| identity == Identity::Control(topic.number));
        run_all(cases(&deployment, |identity| is_topic(identity) || reveals.contains(&identity)));
    }
}

#[test]
fn the_guide_says_what_a_deviating_role_leads_to() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/guide/faults.md"));
    assert!(page.expect("the page").contains(&table()), "it has this table:\n{}", table());
}
