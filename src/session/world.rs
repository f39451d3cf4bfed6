//! A whole deployment in one process: every role on a thread, over wires in memory.
//!
//! The code is that of separate processes but for the wires. A [`World`] is for trying things out and for tests: the
//! process knows everything, so nothing is private in it.

use super::dealer::{Dealt, serve};
use super::keys::KeySource;
use super::wire::Wire;
use super::{CorrelationStore, Devices, Session, SessionError, SessionOptions, SessionOutcome};
use crate::correlation::Source;
use crate::device::Device;
use crate::net::Link;
use crate::net::memory::{Pipe, WireEnd, plain_pipe, wire as wire_between};
use crate::plan::PlanOptions;
use crate::program::Program;
use crate::protocol::Protocol;
use crate::ring::Elements;
use crate::run::Stages;
use crate::share::{Parties, PartyId, Role};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::runtime::Handle;

/// A deployment in one process.
#[derive(Clone)]
pub struct World {
    protocol: Protocol,
    device: Arc<dyn Device>,
    devices: HashMap<Role, Devices>,
    options: SessionOptions,
    /// The options of roles whose sessions differ from the others.
    options_of: HashMap<Role, SessionOptions>,
    pub(crate) keys: KeySource,
    /// The store, if there is no dealer, and the folder of the parties' marks.
    store: Option<[PathBuf; 2]>,
    /// Whether the parties make correlations between themselves.
    is_pair: bool,
    /// What a wire between two roles is made of.
    pub(crate) pipes: Pipes,
}

/// Makes the connections between two roles; the handle's runtime serves them.
pub(crate) type Pipes = Arc<dyn Fn(Role, Role, &Handle) -> Pipe + Send + Sync>;

/// Why a run in a world failed: what each role says.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{}", .failures.iter().map(|(role, error)| format!("{role}: {error}")).collect::<Vec<_>>().join("; "))]
pub struct WorldError {
    /// The roles that failed, and why.
    pub failures: Vec<(Role, SessionError)>,
}

/// What a role's thread returns.
enum Ended<T> {
    Party(PartyId, Result<T, SessionError>),
    Dealer(Result<Dealt, SessionError>),
}

impl World {
    /// A world in which every role computes on `device`.
    pub fn new(protocol: Protocol, device: Arc<dyn Device>) -> World {
        World {
            protocol,
            device,
            devices: HashMap::new(),
            options: SessionOptions::default(),
            options_of: HashMap::new(),
            keys: KeySource::Entropy,
            store: None,
            is_pair: false,
            pipes: Arc::new(|_, _, _| plain_pipe()),
        }
    }

    /// Lets one role compute elsewhere.
    pub fn with_device(self, role: Role, device: Arc<dyn Device>) -> World {
        self.with_devices(role, device.into())
    }

    /// Lets one role compute on several devices.
    pub fn with_devices(mut self, role: Role, devices: Devices) -> World {
        self.devices.insert(role, devices);
        self
    }

    /// Sets the options of all sessions.
    pub fn with_options(mut self, options: SessionOptions) -> World {
        self.options = options;
        self
    }

    /// Sets the options of one role's session.
    pub fn with_options_of(mut self, role: Role, options: SessionOptions) -> World {
        self.options_of.insert(role, options);
        self
    }

    /// Sets the options of plans; a budget here is for everything that a device allocates.
    pub fn with_plan(mut self, plan: PlanOptions) -> World {
        self.options.tile_side = Some(plan.side);
        self.options.window = Some(plan.window);
        self.options.supply = plan.supply;
        self.options.budget_bytes = plan.budget_bytes;
        self
    }

    /// Has all runs of this world, and of its clones, draw alike: they differ in nothing but what they are told to.
    ///
    /// # Errors
    /// Where the operating system gives no randomness.
    pub fn repeating(mut self) -> Result<World, SessionError> {
        self.keys = KeySource::repeating()?;
        Ok(self)
    }

    /// Takes correlations from a store in `folder`, and has no dealer. In `marks`, a folder outside it, the parties
    /// remember how far they have used it.
    pub fn with_store(mut self, folder: &Path, marks: &Path) -> World {
        self.store = Some([folder, marks].map(Path::to_owned));
        self
    }

    /// Has parties 0 and 1 make the correlations between themselves, with no dealer.
    pub fn with_pair(mut self) -> World {
        self.is_pair = true;
        self
    }

    /// Runs a program on all parties' inputs, in the program's order; returns what each party learns.
    ///
    /// # Errors
    /// Where any role fails.
    ///
    /// # Panics
    /// Where there is not one matrix for each input.
    pub fn run(&self, program: &Program, inputs: &[Elements]) -> Result<Vec<SessionOutcome>, WorldError> {
        let runs = self.run_repeatedly(program, inputs, 1)?;
        Ok(runs.into_iter().flatten().collect())
    }

    /// As [`World::run`], several times in the same sessions; for each party the outcomes of all runs.
    ///
    /// # Errors
    /// Where any role fails.
    ///
    /// # Panics
    /// Where there is not one matrix for each input.
    pub fn run_repeatedly(
        &self,
        program: &Program,
        inputs: &[Elements],
        runs: usize,
    ) -> Result<Vec<Vec<SessionOutcome>>, WorldError> {
        self.each_party(|party, session| {
            let own = own_inputs(program, inputs, party);
            (0..runs).map(|_| session.run(self.protocol, program, own.clone())).collect()
        })
    }

    /// Prepares a program and runs it on one batch of inputs after the other, in the same sessions; for each party the
    /// outcomes of all runs. Of resident inputs those of the first batch stay.
    ///
    /// # Errors
    /// Where any role fails.
    ///
    /// # Panics
    /// Where a batch has not one matrix for each input.
    pub fn run_batches(
        &self,
        program: &Program,
        batches: &[Vec<Elements>],
    ) -> Result<Vec<Vec<SessionOutcome>>, WorldError> {
        self.each_party(|party, session| {
            let mut prepared = session.prepare(self.protocol, program)?;
            prepared.announce(batches.len() as u32);
            let mut outcomes = Vec::new();
            for batch in batches {
                let mut own = own_inputs(program, batch, party);
                let awaited: BTreeSet<&str> = prepared.awaited().collect();
                own.retain(|name, _| awaited.contains(name.as_str()));
                outcomes.push(session.run_prepared(&mut prepared, own)?);
            }
            session.release(prepared)?;
            Ok(outcomes)
        })
    }

    /// Prepares a program and runs it so many times on one batch of inputs, see [`Session::run_turns`]; returns what each
    /// party learns.
    ///
    /// # Errors
    /// Where any role fails.
    ///
    /// # Panics
    /// Where there is not one matrix for each input.
    pub fn run_turns(
        &self,
        program: &Program,
        inputs: &[Elements],
        turns: u32,
    ) -> Result<Vec<SessionOutcome>, WorldError> {
        let outcomes = self.each_party(|party, session| {
            let mut prepared = session.prepare(self.protocol, program)?;
            let outcome = session.run_turns(&mut prepared, own_inputs(program, inputs, party), turns)?;
            session.release(prepared)?;
            Ok(vec![outcome])
        })?;
        Ok(outcomes.into_iter().flatten().collect())
    }

    /// Runs `work` in each party's session, with all roles at work; returns the outcomes that it gives.
    pub(super) fn each_party<F>(&self, work: F) -> Result<Vec<Vec<SessionOutcome>>, WorldError>
    where
        F: Fn(PartyId, &mut Session) -> Result<Vec<SessionOutcome>, SessionError> + Sync,
    {
        self.in_sessions(work)
    }

    /// Runs `work` in each party's session, with all roles at work; returns what the work of each party gave. A session
    /// is finished where the work succeeds, and fails its peers where it does not.
    ///
    /// # Errors
    /// Where any role fails.
    pub fn in_sessions<T, F>(&self, work: F) -> Result<Vec<T>, WorldError>
    where
        T: Send,
        F: Fn(PartyId, &mut Session) -> Result<T, SessionError> + Sync,
    {
        let parties: Vec<PartyId> = Parties::first(self.protocol.parties()).iter().collect();
        let ended = self.roles(&parties, work);
        let (mut outcomes, mut failures) = (BTreeMap::new(), Vec::new());
        for ended in ended {
            match ended {
                Ended::Party(party, Ok(runs)) => drop(outcomes.insert(party, runs)),
                Ended::Party(party, Err(error)) => failures.push((party.into(), error)),
                Ended::Dealer(result) => failures.extend(result.err().map(|error| (Role::Dealer, error))),
            }
        }
        if failures.is_empty() { Ok(outcomes.into_values().collect()) } else { Err(WorldError { failures }) }
    }

    /// Runs every role on a thread of its own.
    fn roles<T, F>(&self, parties: &[PartyId], work: F) -> Vec<Ended<T>>
    where
        T: Send,
        F: Fn(PartyId, &mut Session) -> Result<T, SessionError> + Sync,
    {
        // The wires are served by a runtime that outlives all roles.
        let plumbing = Wire::new(&self.options).expect("a thread for the wires");
        let mut ends = self.wires(&plumbing);
        std::thread::scope(|scope| {
            let work = &work;
            let mut threads = Vec::new();
            for &party in parties {
                let ends = ends.remove(&Role::from(party)).unwrap_or_default();
                threads.push(scope.spawn(move || Ended::Party(party, self.party(party, ends, work))));
            }
            if let Some(ends) = ends.remove(&Role::Dealer) {
                threads.push(scope.spawn(move || Ended::Dealer(self.dealer(ends))));
            }
            threads.into_iter().map(|thread| thread.join().expect("a role does not panic")).collect()
        })
    }

    fn party<T, F>(&self, party: PartyId, ends: Vec<(Role, WireEnd)>, work: F) -> Result<T, SessionError>
    where
        F: Fn(PartyId, &mut Session) -> Result<T, SessionError>,
    {
        let role = Role::from(party);
        let options = self.options_of(role);
        let wire = Wire::new(&options)?;
        let links = links(&wire, role, ends);
        let mut session = Session::over(role, self.devices_of(role)?, wire, links, options, self.keys);
        if let Some([folder, marks]) = &self.store {
            session.set_store(CorrelationStore::open(folder, party, marks)?, |_, _| {});
        }
        if self.is_pair {
            session.set_pair();
        }
        let outcome = work(party, &mut session);
        match outcome {
            Ok(outcomes) => session.finish().map(|_| outcomes),
            // All parties know it, and end in order. A peer that ends otherwise changes nothing about the answers.
            Err(error @ SessionError::Check { .. }) => {
                drop(session.finish());
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    fn dealer(&self, ends: Vec<(Role, WireEnd)>) -> Result<Dealt, SessionError> {
        let options = self.options_of(Role::Dealer);
        let wire = Wire::new(&options)?;
        let links = links(&wire, Role::Dealer, ends);
        serve(&self.devices_of(Role::Dealer)?, wire, links, options, self.keys, Stages::default())
    }

    fn options_of(&self, role: Role) -> SessionOptions {
        self.options_of.get(&role).copied().unwrap_or(self.options)
    }

    fn devices_of(&self, role: Role) -> Result<Devices, SessionError> {
        let given = self.devices.get(&role).cloned();
        given.unwrap_or_else(|| self.device.clone().into()).for_session()
    }

    /// A wire between every two roles.
    fn wires(&self, plumbing: &Wire) -> HashMap<Role, Vec<(Role, WireEnd)>> {
        let mut ends: HashMap<Role, Vec<(Role, WireEnd)>> = HashMap::new();
        let source = match (&self.store, self.is_pair) {
            (Some(_), _) => Source::Store,
            (None, true) => Source::Pair,
            (None, false) => self.protocol.default_source(),
        };
        let roles = self.protocol.roles(source);
        for (index, &first) in roles.iter().enumerate() {
            for &second in &roles[index + 1..] {
                let pipe = (self.pipes)(first, second, plumbing.handle());
                let (near, far) = wire_between(second, pipe, plumbing.handle());
                ends.entry(first).or_default().push((second, near));
                ends.entry(second).or_default().push((first, far));
            }
        }
        ends
    }
}

/// A party's own of the inputs, by name.
pub(super) fn own_inputs(
    program: &Program,
    inputs: &[Elements],
    party: PartyId,
) -> BTreeMap<String, Elements> {
    assert_eq!(inputs.len(), program.inputs().len(), "one matrix for each input");
    let own = program.inputs().iter().zip(inputs).filter(|(input, _)| input.owner == party);
    own.map(|(input, elements)| (input.name.clone(), elements.clone())).collect()
}

fn links(wire: &Wire, own: Role, ends: Vec<(Role, WireEnd)>) -> Vec<Link> {
    let _runtime = wire.handle().enter();
    ends.into_iter().map(|(peer, end)| end.link(own, peer, &wire.links)).collect()
}
