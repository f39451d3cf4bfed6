//! One party's end of a deployment.

use super::keys::{Commitment, KeySource, Nonce, Pledge, Way};
use super::store::{CorrelationStore, Stock};
use super::tiles::{Cut, Surroundings, agree_on_cut, check_side, choose_by_stages, plan_tiles};
use super::topic::{INTRODUCTION, PLAN, check_offers};
use super::wire::Wire;
use super::{Devices, SessionError};
use crate::correlation::Source;
use crate::net::{
    Address, Credentials, Deadlines, Hello, Interrupt, Link, LinkShape, Listener, NetError, Streams,
    abort_all, dial, first_difference, requested,
};
use crate::plan::{PlanError, PlanOptions, Plans, Supply};
use crate::program::tiling::TileSide;
use crate::program::{Input, Program};
use crate::protocol::Protocol;
use crate::ring::Elements;
use crate::run::{HostMatrix, Overlap, Progress, RunReport, Stage, Stages};
use crate::share::{Parties, PartyId, Role};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Where a party and its peers are. Parties with a higher number connect to those with a lower one, and all connect
/// to the dealer, if there is one.
#[derive(Clone, Debug)]
pub struct PartyNetwork {
    /// Which party this is.
    pub party: PartyId,
    /// Where it awaits parties with a higher number; `None` for the last.
    pub listen: Option<SocketAddr>,
    /// Where the parties with a lower number are.
    pub lower: BTreeMap<PartyId, Address>,
    /// How many parties there are.
    pub parties: usize,
    /// Where the dealer is; `None` where correlations are in a store, or the protocol has none.
    pub dealer: Option<Address>,
    /// How many TLS connections a link takes, where its peer takes as many; `None` takes what suits the cores.
    pub streams: Option<Streams>,
    /// Who this party is, and who its peers are.
    pub credentials: Credentials,
}

/// How a session runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionOptions {
    /// How long to wait for what.
    pub deadlines: Deadlines,
    /// The link that those with the peers stand in for; `None` is as fast as they are.
    pub link: Option<LinkShape>,
    /// Most bytes of memory that a plan may take of each device.
    pub budget_bytes: Option<u64>,
    /// The side of tiles; `None` takes that with which the run is predicted to be done first. The smallest that any
    /// party takes is that of all.
    pub tile_side: Option<TileSide>,
    /// How many tiles this party may run ahead of its peers, in device memory that it keeps for them.
    pub window: Option<u32>,
    /// Whether the lanes work at once.
    pub overlap: Overlap,
    /// When correlations come; `None` streams them where the budget asks for it. They are streamed if any party wants so.
    pub supply: Option<Supply>,
    /// Whether peers may choose the shapes of inputs that the job does not declare, also where they learn what depends
    /// on this party's inputs: see [`Session::inputs`].
    pub accept_shapes: bool,
    /// What such shapes may make a run take: see [`super::ACCEPTED_BYTES`], which is the limit where there is none here.
    pub accepted_bytes: Option<u64>,
    /// Whether reports have traces.
    pub trace: bool,
    /// What ends the session from outside, its peers told at once.
    pub interrupt: Option<&'static Interrupt>,
}

/// A party that is connected. It must be ended by [`Session::finish`]; dropping it tells the peers that it failed.
#[must_use = "a session that is dropped fails its peers: end it with `finish`"]
pub struct Session {
    /// Tells the sessions of a process apart.
    pub(super) id: u64,
    pub(super) role: Role,
    pub(super) devices: Devices,
    pub(super) wire: Wire,
    /// With the other parties, then the dealer; empty once something has failed.
    pub(super) links: Vec<Link>,
    /// What each party offered, this one among them.
    pub(super) offers: BTreeMap<PartyId, Vec<(String, String)>>,
    /// The inputs of which the job declares the shape.
    pub(super) declared: BTreeSet<String>,
    pub(super) options: SessionOptions,
    /// Where correlations come from, if not from the dealer.
    pub(super) stock: Option<Stock>,
    /// Runs so far: each has a number, so that its frames are told from those of another.
    pub(super) runs: u32,
    /// Programs prepared so far: each has a number for the dealer.
    pub(super) prepared: u32,
    pub(super) progress: Arc<Progress>,
    /// Where its time goes.
    pub(super) stages: Stages,
    /// Where this party's contributions to keys come from.
    pub(super) keys: KeySource,
    /// By peer: the commitments to contributions to the next run's key.
    pub(super) pledges: HashMap<Role, Pledge>,
}

/// What a run gave.
#[derive(Debug)]
pub struct SessionOutcome {
    /// The outputs that this party learns, by name.
    pub outputs: BTreeMap<String, Elements>,
    /// What the run took.
    pub report: RunReport,
    /// The plans of all roles for this run.
    pub plans: Arc<Plans>,
}

/// The first words of a party to the others, once it is known who they are.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Introduction {
    /// What both must have in common.
    pub terms: Vec<(String, String)>,
    /// What only the sender knows and the others need.
    pub offers: Vec<(String, String)>,
}

/// The facts of a plan, to be compared.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Facts {
    fields: Vec<(String, String)>,
    nonce: Nonce,
    /// To what the sender contributes to the receiver's and its key of the next run.
    commitment: Commitment,
}

impl Session {
    /// Connects to the other parties and the dealer, in any order of starting, up to the connect deadline.
    ///
    /// `terms` are what all parties must have in common, such as the text of the job; `offers` what only this party
    /// knows and the others need, the shapes and kinds of its inputs (see [`Session::inputs`]). Neither is told to the
    /// dealer. `listening` is called with the address on which this party listens, once it does.
    ///
    /// # Errors
    /// Where the network is not well described, a peer is missing, or was given other terms, and where the offers exceed
    /// 1 MiB, since no peer takes more.
    ///
    /// # Panics
    /// Within a task of a tokio runtime: sessions block.
    pub fn connect(
        devices: impl Into<Devices>,
        network: &PartyNetwork,
        options: SessionOptions,
        terms: Vec<(String, String)>,
        offers: Vec<(String, String)>,
        listening: impl FnOnce(SocketAddr),
    ) -> Result<Session, SessionError> {
        let stages = Stages::default();
        network.check()?;
        check_offers(&offers)?;
        let peers = network.parties - 1 + usize::from(network.dealer.is_some());
        let wire = Wire::between(&options, network.streams, peers)?;
        let role = Role::from(network.party);
        let links = wire.block_on(meet(&wire, network, listening))?;
        let mut session = Session::over(role, devices.into(), wire, links, options, KeySource::Entropy);
        session.stages = stages;
        match session.introduce(Introduction { terms, offers }) {
            Ok(()) => {
                session.stages.end(Stage::Connecting);
                Ok(session)
            }
            Err(error) => Err(session.fail(error.into())),
        }
    }

    /// A session over links that are there already.
    pub(super) fn over(
        role: Role,
        devices: Devices,
        wire: Wire,
        links: Vec<Link>,
        options: SessionOptions,
        keys: KeySource,
    ) -> Session {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Session {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            role,
            devices,
            wire,
            links,
            offers: BTreeMap::new(),
            declared: BTreeSet::new(),
            options,
            stock: None,
            runs: 0,
            prepared: 0,
            progress: Arc::default(),
            stages: Stages::default(),
            keys,
            pledges: HashMap::new(),
        }
    }

    /// What each party, this one among them, offered when it connected: a peer's word, which [`Session::inputs`] holds
    /// against a job.
    pub fn offers(&self) -> &BTreeMap<PartyId, Vec<(String, String)>> {
        &self.offers
    }

    /// How far the present run is, or the last one was; to be read from another thread.
    pub fn progress(&self) -> Arc<Progress> {
        self.progress.clone()
    }

    /// Where the session's time goes. Its caller may say what it spent time on between two calls, which is
    /// [`Stage::Caller`]'s otherwise, and put the session's stages [behind](Stages::behind) those of an earlier clock.
    pub fn stages(&mut self) -> &mut Stages {
        &mut self.stages
    }

    /// Takes correlations from a store and not from a dealer, as all parties must. `taken` is told which order each run
    /// uses, and how many are left to all parties, after the order's mark is on the disk and before its first mask is drawn.
    pub fn set_store(&mut self, store: CorrelationStore, taken: impl Fn(u32, usize) + Send + 'static) {
        self.stock = Some(Stock { store, taken: Box::new(taken) });
    }

    /// Runs a program on this party's inputs, given by name. What this party sends is queued when this returns:
    /// [`Session::finish`] makes sure that it arrives.
    ///
    /// # Errors
    /// Where an input is missing or does not fit, the program has no plan, a peer has another one, or the run fails.
    /// The session cannot be used after a failure.
    ///
    /// # Panics
    /// Within a task of a tokio runtime: sessions block.
    pub fn run(
        &mut self,
        protocol: Protocol,
        program: &Program,
        inputs: BTreeMap<String, Elements>,
    ) -> Result<SessionOutcome, SessionError> {
        self.attempt(|session| {
            session.stages.end(Stage::Caller);
            session.check_roles(protocol)?;
            let inputs = session.own_inputs(program, inputs, 0)?;
            session.stages.end(Stage::Inputs);
            let mut prepared = session.plan_and_allocate(protocol, program, None)?;
            let outcome = session.run_plan(&prepared, inputs);
            let freed = prepared.free();
            let mut outcome = outcome?;
            freed?;
            session.stages.end(Stage::Wiping);
            outcome.report.stages = session.stages.take();
            Ok(outcome)
        })
    }

    /// Does what a failure of ends the session.
    pub(super) fn attempt<T>(
        &mut self,
        work: impl FnOnce(&mut Session) -> Result<T, SessionError>,
    ) -> Result<T, SessionError> {
        if self.links.is_empty() {
            return Err(SessionError::Poisoned { role: self.role });
        }
        work(self).map_err(|error| self.fail(error))
    }

    /// Ends the session in order: returns once all peers have everything.
    ///
    /// # Errors
    /// Where a peer fails first, or the session has failed before.
    pub fn finish(mut self) -> Result<(), SessionError> {
        if self.links.is_empty() {
            return Err(SessionError::Poisoned { role: self.role });
        }
        Ok(self.wire.finish(std::mem::take(&mut self.links))?)
    }

    /// Tells the peers that this party gives up. The other parties read the reason, which must not speak of private data;
    /// a dealer does not.
    pub fn abort(mut self, reason: &str) {
        self.give_up(reason);
    }

    fn give_up(&mut self, reason: &str) {
        let told = |peer| if peer == Role::Dealer { "it ended the session" } else { reason }.to_owned();
        self.wire.abort(std::mem::take(&mut self.links), told);
    }

    /// Tells the other parties the terms, and learns their offers.
    pub(super) fn introduce(&mut self, ours: Introduction) -> Result<(), NetError> {
        let parties = self.links.iter_mut().filter(|link| link.peer() != Role::Dealer);
        let (role, offers) = (self.role, &mut self.offers);
        self.wire.wait(async {
            let mut disagreement = None;
            for link in parties {
                let bytes = link.send_control(INTRODUCTION, &ours).await?;
                // The peer may still be waiting for others to connect, as long as this party would; then it says who is
                // missing, which is the better reason to end for.
                let theirs: Introduction =
                    link.receive_control(INTRODUCTION.like(bytes), 2 * link.patience()).await?;
                let difference = first_difference(&ours.terms, &theirs.terms);
                let error = difference.map(|difference| NetError::Disagree { peer: link.peer(), difference });
                disagreement = disagreement.or(error);
                let Role::Party(party) = link.peer() else { unreachable!("the dealer is not introduced") };
                offers.insert(party, theirs.offers);
            }
            if let Role::Party(party) = role {
                offers.insert(party, ours.offers);
            }
            disagreement.map_or(Ok(()), Err)
        })
    }

    /// Plans with the smallest tiles that any party wants, and streams correlations if any does.
    pub(super) fn plan(
        &mut self,
        protocol: Protocol,
        program: &Program,
        budget_bytes: Option<u64>,
    ) -> Result<Plans, SessionError> {
        let default = PlanOptions::default();
        let surroundings = Surroundings {
            models: self.devices.models(),
            spread: self.devices.spread(),
            link: self.options.link.unwrap_or(LinkShape::LAN),
            budget_bytes,
            staging_bytes: self.devices.staging_bytes(),
        };
        let options = PlanOptions {
            window: self.options.window.unwrap_or(default.window),
            source: Some(self.source(protocol)),
            supply: self.options.supply,
            budget_bytes: surroundings.buffers_bytes(),
            ..default
        };
        let (side, plans) = match (self.options.tile_side, &self.stock) {
            (None, None) => {
                let stages = &mut self.stages;
                let planned = || stages.end(Stage::Planning);
                let chosen = choose_by_stages(protocol, program, options, &surroundings, planned)?;
                self.stages.end(Stage::Choosing);
                chosen
            }
            (side, stock) => {
                let stored = || stock.as_ref().map(|stock| stock.store.tile_side());
                let side = side.or_else(stored).expect("a side or a store");
                let options = PlanOptions { side, ..options };
                let plans = plan_tiles(protocol, program, options, &surroundings)?;
                self.stages.end(Stage::Planning);
                (side, plans)
            }
        };
        let wanted = Cut { side, supply: plans.supply() };
        let (agreed, finest) = agree_on_cut(&self.wire, &mut self.links, wanted)?;
        self.stages.end(Stage::Agreeing);
        if agreed == wanted {
            return Ok(plans);
        }
        let Cut { side, supply } = agreed;
        if let Some(peer) = finest {
            let own = PlanOptions { side: wanted.side, ..options };
            check_side(protocol, program, own, (peer, side))?;
        }
        let options = PlanOptions { side, supply: Some(supply), ..options };
        let plans = plan_tiles(protocol, program, options, &surroundings)?;
        self.stages.end(Stage::Planning);
        Ok(plans)
    }

    /// This party's inputs to the program's `run`-th run by position, held against what the program says of them.
    pub(super) fn own_inputs(
        &self,
        program: &Program,
        mut given: BTreeMap<String, Elements>,
        run: u32,
    ) -> Result<BTreeMap<usize, HostMatrix>, SessionError> {
        let mut own = BTreeMap::new();
        for (index, input) in program.inputs().iter().enumerate() {
            if self.role != input.owner.into() {
                continue;
            }
            let name = input.name.clone();
            let elements = given.remove(&input.name);
            if input.resident && run > 0 {
                if elements.is_some() {
                    return Err(SessionError::ResidentInput { name });
                }
                continue;
            }
            let Some(elements) = elements else {
                return Err(SessionError::MissingInput { name, party: input.owner });
            };
            check_input(program, input, &elements)?;
            own.insert(index, HostMatrix { shape: input.shape, elements });
        }
        match given.into_keys().next() {
            None => Ok(own),
            Some(name) => Err(SessionError::UnknownInput { name, role: self.role }),
        }
    }

    /// Makes sure that the store, if there is one, was dealt for this plan, and for as many runs as there will be.
    pub(super) fn check_store(&self, plans: &Plans, prepared: bool) -> Result<(), SessionError> {
        let Some(stock) = &self.stock else { return Ok(()) };
        if prepared && plans.again.is_some() {
            return Err(SessionError::ResidentFromStore);
        }
        Ok(stock.store.check_demand(plans.demand.digest())?)
    }

    /// Makes sure that all parties have the same facts, and correlations from the same place; returns a nonce of each.
    /// From then on all are bound to what they contribute to the next run's keys.
    pub(super) fn confirm(
        &mut self,
        protocol: Protocol,
        mut fields: Vec<(String, String)>,
    ) -> Result<BTreeMap<Role, Nonce>, SessionError> {
        let nonce = self.keys.nonce(self.role)?;
        let unnamed = || protocol.default_source().to_string();
        let source = self.stock.as_ref().map_or_else(unnamed, |stock| stock.store.name());
        fields.push(("source of correlations".into(), source));
        let (role, run, keys) = (self.role, self.runs, self.keys);
        let parties = self.links.iter_mut().filter(|link| link.peer() != Role::Dealer);
        let mut nonces = BTreeMap::from([(role, nonce)]);
        let pledges = &mut self.pledges;
        self.wire.wait(async {
            for link in parties {
                let way = Way { from: role, to: link.peer(), run };
                let own = keys.contribution(way)?;
                let ours = Facts { fields: fields.clone(), nonce, commitment: own.commitment(way) };
                let bytes = link.send_control(PLAN, &ours).await?;
                let theirs: Facts = link.receive_control(PLAN.like(bytes), link.long_patience()).await?;
                if let Some(difference) = first_difference(&ours.fields, &theirs.fields) {
                    return Err(NetError::Disagree { peer: link.peer(), difference }.into());
                }
                nonces.insert(link.peer(), theirs.nonce);
                pledges.insert(link.peer(), Pledge { own, peers: theirs.commitment });
            }
            Ok(nonces)
        })
    }

    /// Makes sure that the peers are the parties that the protocol has, and that nothing is to come from a store that
    /// only a dealer could have filled.
    pub(super) fn check_roles(&self, protocol: Protocol) -> Result<(), SessionError> {
        let is_party = |role: &Role| *role != Role::Dealer;
        let roles = || Parties::first(protocol.parties()).iter().map(Role::from);
        let others: BTreeSet<Role> = self.links.iter().map(Link::peer).filter(is_party).collect();
        if !roles().filter(|&role| role != self.role).eq(others.iter().copied()) {
            let reason = format!(
                "{protocol} is for {}, but {} is connected to {}",
                listed(roles()),
                self.role,
                listed(others)
            );
            return Err(SessionError::Network { reason });
        }
        Ok(protocol.check_source(self.source(protocol)).map_err(PlanError::from)?)
    }

    /// Who makes the correlations of its runs.
    fn source(&self, protocol: Protocol) -> Source {
        if self.stock.is_some() { Source::Store } else { protocol.default_source() }
    }

    fn fail(&mut self, error: SessionError) -> SessionError {
        self.wire.abort(std::mem::take(&mut self.links), |peer| error.told(peer));
        error
    }
}

impl Drop for Session {
    /// A session that is not ended in order has failed, and its peers are told.
    fn drop(&mut self) {
        self.give_up("it was dropped before it finished");
    }
}

impl PartyNetwork {
    /// Makes sure that every peer has its place.
    fn check(&self) -> Result<(), SessionError> {
        let wrong = |reason: String| Err(SessionError::Network { reason });
        if self.party.index() >= self.parties || self.parties > 8 {
            return wrong(format!("{} of {} parties", self.party, self.parties));
        }
        let expected: Vec<PartyId> = (0..self.party.0).map(PartyId).collect();
        if !self.lower.keys().copied().eq(expected) {
            return wrong(format!("{} needs the address of every party with a lower number", self.party));
        }
        if self.listen.is_none() && self.party.index() + 1 < self.parties {
            return wrong(format!("{} needs an address to listen on", self.party));
        }
        let parties = Parties::first(self.parties).without(self.party);
        let dealer = self.dealer.is_some().then_some(Role::Dealer);
        let peers: Vec<Role> = parties.iter().map(Role::from).chain(dealer).collect();
        check_pins(&self.credentials, &peers)
    }
}

fn listed(roles: impl IntoIterator<Item = Role>) -> String {
    let names: Vec<String> = roles.into_iter().map(|role| role.to_string()).collect();
    names.join(", ")
}

/// Makes sure that the certificate of every peer is known, and is nobody else's here.
pub(super) fn check_pins(credentials: &Credentials, peers: &[Role]) -> Result<(), SessionError> {
    let wrong = |reason| Err(SessionError::Network { reason });
    if let Some(peer) = peers.iter().find(|peer| !credentials.peers.contains_key(peer)) {
        return wrong(format!("the certificate of {peer} is missing"));
    }
    credentials.check_distinct().or_else(|error| wrong(error.to_string()))
}

/// Holds an input against what the program says of it.
fn check_input(program: &Program, input: &Input, elements: &Elements) -> Result<(), SessionError> {
    let name = || input.name.clone();
    if elements.ring() != program.ring() {
        return Err(SessionError::InputRing {
            name: name(),
            expected: program.ring(),
            found: elements.ring(),
        });
    }
    let (expected, found) = (input.shape.len(), elements.len());
    if expected != found {
        return Err(SessionError::InputLength { name: name(), expected, found });
    }
    let (codec, ring) = (program.codec(), program.ring());
    if codec.fraction_bits() == 0 {
        let Some(found) = input.first_outside(elements) else { return Ok(()) };
        return Err(SessionError::InputInteger {
            name: name(),
            kind: input.kind,
            span: input.span(ring),
            found,
        });
    }
    let Some(bound) = input.bound else { return Ok(()) };
    let most = bound + codec.resolution() / 2.0;
    let largest = elements.largest_magnitude(codec);
    if largest > most {
        return Err(SessionError::InputBound { name: name(), bound, found: largest });
    }
    Ok(())
}

/// Meets the other parties, then the dealer; those that are there are told where one is missing.
async fn meet(
    wire: &Wire,
    network: &PartyNetwork,
    listening: impl FnOnce(SocketAddr),
) -> Result<Vec<Link>, NetError> {
    let mut links = Vec::new();
    let met = tokio::select! {
        biased;
        () = requested(wire.links.interrupt) => Err(NetError::Interrupted),
        met = meet_into(&mut links, wire, network, listening) => met,
    };
    match met {
        Ok(()) => Ok(links),
        Err(error) => {
            abort_all(links, |peer| error.told(peer)).await;
            Err(error)
        }
    }
}

async fn meet_into(
    links: &mut Vec<Link>,
    wire: &Wire,
    network: &PartyNetwork,
    listening: impl FnOnce(SocketAddr),
) -> Result<(), NetError> {
    let (hello, credentials) = (Hello::new(network.party.into()), &network.credentials);
    let higher: Vec<Role> =
        (network.party.index() + 1..network.parties).map(|index| Role::party(index as u8)).collect();
    let listener = match network.listen {
        Some(address) => Some(Listener::bind(address).await?),
        None => None,
    };
    if let Some(listener) = &listener {
        listening(listener.address());
    }
    for (&party, address) in &network.lower {
        links.push(dial(party.into(), address, hello, credentials, &wire.links).await?);
    }
    if let (Some(listener), false) = (&listener, higher.is_empty()) {
        links.extend(listener.accept(&higher, hello, credentials, &wire.links).await?);
    }
    if let Some(address) = &network.dealer {
        links.push(dial(Role::Dealer, address, hello, credentials, &wire.links).await?);
    }
    Ok(())
}
