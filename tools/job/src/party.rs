//! One party of a job: checked, connected to its peers, and run batch by batch.

use crate::config::PartyConfig;
use crate::data::OutputData;
use crate::{Correlations, Job, JobError, Nonlinear, Notice, Notify, Sources, check_targets, of_batch};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use symbolon::correlation::Source;
use symbolon::net::{Address, Credentials};
use symbolon::program::Program;
use symbolon::ring::Elements;
use symbolon::run::{Stage, Stages};
use symbolon::session::{
    Checkpoints, Chosen, CorrelationStore, Devices, Offer, Open, PartyNetwork, Prepared, PricedRun, Session,
    SessionError, SessionOptions, SessionOutcome, SessionSetup,
};
use symbolon::share::{PartyId, Terms};

/// A job and one of its parties, checked as far as that is possible before data is read and peers are met.
pub struct PartyJob {
    job: Job,
    config: PartyConfig,
    network: PartyNetwork,
    sources: Sources,
    store: Option<CorrelationStore>,
    checkpoints: Option<Checkpoints>,
    accept_shapes: bool,
    notify: Notify,
    stages: Stages,
    /// The inputs to the first batch, once they are read.
    first: Option<First>,
}

/// This party's inputs to the first batch, and what the peers may know of them.
struct First {
    elements: BTreeMap<String, Elements>,
    offers: BTreeMap<String, Offer>,
}

/// The options of a party in a job.
#[derive(Default)]
pub struct PartyOptions<'a> {
    /// The source of correlations; `None` takes the job's. In a store this party has a folder.
    pub correlations: Option<&'a Correlations>,
    /// Where states are kept for a later session, if anywhere.
    pub checkpoints: Option<KeepStates<'a>>,
    /// Whether peers may choose shapes that the job does not declare: see [`SessionOptions::accept_shapes`].
    pub accept_shapes: bool,
    /// The identities of this party and its [`peers`](PartyConfig::peers); `None` reads the folder that its file names.
    pub credentials: Option<Credentials>,
    /// The stages that the caller has gone through, which those of the session come behind; by default its time begins here.
    pub stages: Stages,
}

/// Where and when the states of a job's loop are kept.
#[derive(Clone, Copy, Debug)]
pub struct KeepStates<'a> {
    /// The folder in which each party has one of its own.
    pub folder: &'a Path,
    /// The number of turns from one checkpoint to the next; by default a twentieth of all. Parties must have the same.
    pub every: Option<u32>,
}

/// An order of a store that a run has used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredOrder {
    /// Its number.
    pub order: u32,
    /// The number of orders that all parties still have.
    pub orders_left: usize,
}

impl PartyJob {
    /// Holds the job and the party's file against each other.
    ///
    /// # Errors
    /// Where the two do not fit, an output cannot be written, or the store or an identity cannot be used.
    pub fn new(
        mut job: Job,
        config: PartyConfig,
        options: PartyOptions<'_>,
        notify: Notify,
    ) -> Result<PartyJob, JobError> {
        let PartyOptions { correlations, checkpoints, accept_shapes, credentials, stages } = options;
        let party = config.party();
        if !accept_shapes {
            job.check_shapes(party).map_err(SessionError::from)?;
        }
        let sources = job.sources(correlations, config.sources().as_deref())?;
        let network = config.network(job.protocol, &sources.allowed, credentials, &*notify)?;
        config.check_names(&job)?;
        let tables: Vec<String> = job.tables.keys().cloned().collect();
        for name in tables {
            if let Some(source) = config.input(&name) {
                job.take_table(&name, source)?;
            }
        }
        let learnt = job.outputs.iter().filter(|(_, output)| output.to.contains(&party.0));
        let outputs = learnt.filter_map(|(name, _)| Some((name.as_str(), output_file(&job, &config, name)?)));
        let outputs: Vec<_> = outputs.collect();
        let input = |name| config.input(name).or_else(|| job.input_source(name));
        let inputs = job
            .inputs_of(party)
            .chain(job.tables.keys().map(String::as_str))
            .filter_map(|name| Some((name, input(name)?.file)));
        job.check_outputs(outputs.iter().cloned())?;
        check_targets(job.in_batches(inputs), job.in_batches(outputs))?;
        let store = correlations.and_then(Correlations::store);
        let store = store.map(|folder| open_store(folder, &config, &notify)).transpose()?;
        let checkpoints = checkpoints.map(|keep| open_checkpoints(keep, &job, &config)).transpose()?;
        Ok(PartyJob {
            job,
            config,
            network,
            sources,
            store,
            checkpoints,
            accept_shapes,
            notify,
            stages,
            first: None,
        })
    }

    /// The clock of stages until peers are met; see [`Session::stages`].
    pub fn stages(&mut self) -> &mut Stages {
        &mut self.stages
    }

    /// Takes the peers' addresses from another version of the party's file, where they are not known from the start.
    ///
    /// # Errors
    /// Where the file does not name them all.
    pub fn move_to(&mut self, config: &PartyConfig) -> Result<(), JobError> {
        let credentials = Some(self.network.credentials.clone());
        self.network =
            config.network(self.job.protocol, &self.sources.allowed, credentials, &*self.notify)?;
        Ok(())
    }

    /// Reads this party's inputs to the first batch, if that was not done before.
    ///
    /// # Errors
    /// Where an input cannot be used.
    pub fn read(&mut self) -> Result<(), JobError> {
        if self.first.is_none() {
            let mut offers = BTreeMap::new();
            let PartyJob { job, config, notify, stages, .. } = self;
            let elements = encode_own(job, config, 0, &mut offers, notify, stages, |_| true)?;
            self.first = Some(First { elements, offers });
        }
        Ok(())
    }

    /// The job.
    pub fn job(&self) -> &Job {
        &self.job
    }

    /// Reads this party's inputs to the first batch, unless they [are read](PartyJob::read), meets the peers, and makes the
    /// program once it knows what they offer. What the job and the party say of shapes and streaming goes before `options`.
    ///
    /// # Errors
    /// Where an input cannot be used, a peer is missing or has another job, or the offers and the program do not fit. The
    /// peers are told.
    ///
    /// # Panics
    /// Within a task of a tokio runtime: sessions block.
    pub fn connect(self, devices: Devices, options: SessionOptions) -> Result<ConnectedJob, JobError> {
        let mut terms = self.job.terms();
        if self.sources.is_chosen {
            terms.add("choice of the source of correlations", "by price");
        }
        let Met { mut job, config, mut session, offers, first, stored, notify, choice } =
            self.meet(devices, options, terms)?;
        let program = job.program(&offers);
        session.stages().end(Stage::Building);
        match program {
            Ok(program) => {
                let open = Opened { way: job.nonlinear == Nonlinear::Auto, source: choice.is_some() };
                let chosen = choose(choice, &mut job, &program, &mut session)?;
                Ok(ConnectedJob {
                    job,
                    config,
                    session,
                    program,
                    offers,
                    first: Some(first),
                    prepared: None,
                    batch: 0,
                    stored,
                    notify,
                    chosen,
                    open,
                })
            }
            Err(error) => {
                session.abort(&error.public_reason());
                Err(error)
            }
        }
    }

    /// Reads the inputs, meets the peers, and learns what they offer.
    pub(crate) fn meet(
        mut self,
        devices: Devices,
        options: SessionOptions,
        terms: Terms,
    ) -> Result<Met, JobError> {
        self.read()?;
        let PartyJob {
            job,
            config,
            mut network,
            sources,
            store,
            checkpoints,
            accept_shapes,
            notify,
            stages,
            first,
        } = self;
        let First { elements: first, offers: own } = first.expect("they have been read");
        let party = config.party();
        let options = SessionOptions { supply: job.supply().or(options.supply), accept_shapes, ..options };
        let choice = sources.is_chosen.then(|| Choice {
            allowed: sources.allowed.clone(),
            // Nobody connects to a dealer that is not chosen.
            dealer: network.dealer.take(),
            credentials: network.credentials.clone(),
        });
        let setup = SessionSetup { network, options, terms, offers: own };
        let listening = |address| notify(Notice::Listening { party, address });
        let mut session = Session::connect(devices, setup, listening)?;
        let connected = std::mem::take(session.stages());
        *session.stages() = connected.behind(stages);
        let stored: Arc<Mutex<Option<StoredOrder>>> = Arc::default();
        if let Some(store) = store {
            let (stored, notify) = (stored.clone(), notify.clone());
            session.set_store(store, move |order, orders_left| {
                notify(Notice::Stored { party, order, orders_left });
                *stored.lock().expect("no panic while it is told") = Some(StoredOrder { order, orders_left });
            });
        }
        if let Some(checkpoints) = checkpoints {
            session.set_checkpoints(checkpoints);
        }
        if choice.is_none() && sources.allowed == [Source::Pair] {
            session.set_pair();
        }
        let offers = session.inputs(&job.declared())?;
        Ok(Met { job, config, session, offers, first, stored, notify, choice })
    }
}

/// A party that has met its peers, and knows what all of them offer.
pub(crate) struct Met {
    pub job: Job,
    pub config: PartyConfig,
    pub session: Session,
    pub offers: BTreeMap<String, Offer>,
    /// This party's inputs to the first batch.
    pub first: BTreeMap<String, Elements>,
    pub stored: Arc<Mutex<Option<StoredOrder>>>,
    pub notify: Notify,
    /// The choice of a source that is still to be made.
    pub choice: Option<Choice>,
}

/// A party's part in the choice of a source of correlations.
pub(crate) struct Choice {
    allowed: Vec<Source>,
    dealer: Option<Address>,
    credentials: Credentials,
}

/// Chooses with the peers what the job leaves open: how what is not linear is computed, and the source of correlations, of which a
/// dealer is connected to. Nothing where it leaves nothing open.
fn choose(
    choice: Option<Choice>,
    job: &mut Job,
    program: &Program,
    session: &mut Session,
) -> Result<Option<Chosen>, JobError> {
    let any_way = job.nonlinear == Nonlinear::Auto;
    if !any_way && choice.is_none() {
        return Ok(None);
    }
    let sources = choice.as_ref().map(|choice| &*choice.allowed);
    let open = Open { protocol: job.protocol, any_way, sources };
    let chosen = session.choose(open, program, job.may_run_again())?;
    job.protocol = chosen.protocol;
    if let Some(Choice { dealer, credentials, .. }) = choice.filter(|_| chosen.source == Source::Dealer) {
        let dealer = dealer.expect("the file of a party that allows a dealer says where it is");
        session.connect_dealer(&dealer, &credentials)?;
    }
    Ok(Some(chosen))
}

/// What the job left open.
#[derive(Clone, Copy)]
struct Opened {
    way: bool,
    source: bool,
}

/// A party that is connected. It must be ended by [`ConnectedJob::finish`]; dropping it tells the peers that it failed.
#[must_use = "a party that is dropped fails its peers: end it with `finish`"]
pub struct ConnectedJob {
    job: Job,
    config: PartyConfig,
    session: Session,
    program: Program,
    /// All parties' inputs, as the program was made for them.
    offers: BTreeMap<String, Offer>,
    /// This party's inputs to the first batch, until it runs.
    first: Option<BTreeMap<String, Elements>>,
    prepared: Option<Prepared>,
    batch: u32,
    stored: Arc<Mutex<Option<StoredOrder>>>,
    notify: Notify,
    chosen: Option<Chosen>,
    open: Opened,
}

impl ConnectedJob {
    /// The sources of which the parties have chosen one by price, each with its cheapest run, where they have.
    pub fn sources(&self) -> Option<Vec<PricedRun>> {
        self.chosen.as_ref().filter(|_| self.open.source).map(Chosen::by_source)
    }

    /// The ways to compute what is not linear of which the parties have chosen one, each with its cheapest run, where the job leaves
    /// that open.
    pub fn ways(&self) -> Option<Vec<PricedRun>> {
        self.chosen.as_ref().filter(|_| self.open.way).map(Chosen::by_way)
    }

    /// The job.
    pub fn job(&self) -> &Job {
        &self.job
    }

    /// The party.
    pub fn party(&self) -> PartyId {
        self.config.party()
    }

    /// The session, such as for its progress.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The clock of its stages; see [`Session::stages`].
    pub fn stages(&mut self) -> &mut Stages {
        self.session.stages()
    }

    /// The program.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// All parties' inputs by name, as their owners offered them.
    pub fn offers(&self) -> &BTreeMap<String, Offer> {
        &self.offers
    }

    /// The order of a store that the last run used up, if there is a store.
    pub fn stored(&self) -> Option<StoredOrder> {
        *self.stored.lock().expect("no panic while it is told")
    }

    /// Runs the next batch, with all turns of a loop; `None` after the last.
    ///
    /// # Errors
    /// Where an input cannot be used, and as [`Session::run`]. Nothing can be run after that: tell the peers the reason by
    /// [`ConnectedJob::abort`].
    ///
    /// # Panics
    /// Within a task of a tokio runtime: sessions block.
    pub fn run(&mut self) -> Result<Option<SessionOutcome>, JobError> {
        let ConnectedJob { job, config, session, program, offers, first, prepared, batch, notify, .. } = self;
        if *batch == job.batches {
            return Ok(None);
        }
        let own = first.take();
        let outcome = if let Some(repeat) = job.repeat() {
            let mut prepared = session.prepare(job.protocol, program)?;
            if prepared.runs() > 0 {
                notify(Notice::Resumed { party: config.party(), turn: prepared.runs() });
            }
            let outcome = session.run_turns(&mut prepared, own.expect("the first batch"), repeat.repeat)?;
            session.release(prepared)?;
            outcome
        } else if job.batches == 1 {
            session.run(job.protocol, program, own.expect("the first batch"))?
        } else {
            let prepared = match prepared {
                Some(prepared) => prepared,
                none => {
                    let prepared = none.insert(session.prepare(job.protocol, program)?);
                    prepared.announce(job.batches);
                    prepared
                }
            };
            let awaited: BTreeSet<&str> = prepared.awaited().collect();
            let is_awaited = |name: &str| awaited.contains(name);
            let stages = session.stages();
            let read = || encode_own(job, config, *batch, offers, notify, stages, is_awaited);
            let own = own.map_or_else(read, Ok)?;
            session.run_prepared(prepared, own)?
        };
        *batch += 1;
        Ok(Some(outcome))
    }

    /// The outputs of a run, by name.
    pub fn outputs(&self, outcome: &mut SessionOutcome) -> BTreeMap<String, OutputData> {
        self.job.output_data(&self.program, std::mem::take(&mut outcome.outputs))
    }

    /// The file of this party's copy of an output, in a batch.
    pub fn output_file(&self, name: &str, batch: u32) -> Option<PathBuf> {
        output_file(&self.job, &self.config, name).map(|file| of_batch(&file, batch))
    }

    /// Ends the session in order: returns once all peers have everything, with the stages since the last run.
    ///
    /// # Errors
    /// As [`Session::finish`].
    pub fn finish(mut self) -> Result<Stages, JobError> {
        let mut stages = std::mem::take(self.session.stages());
        self.session.finish()?;
        stages.end(Stage::Finishing);
        Ok(stages)
    }

    /// Tells the other parties that this one gives up, and why: see [`JobError::public_reason`].
    pub fn abort(self, reason: &str) {
        self.session.abort(reason);
    }
}

/// Where this party keeps states, by a key beside its identity.
fn open_checkpoints(keep: KeepStates<'_>, job: &Job, config: &PartyConfig) -> Result<Checkpoints, JobError> {
    if job.repeat().is_none() {
        return Err(job.wrong("there is nothing to keep in checkpoints: the job has no loop".to_owned()));
    }
    let every = keep.every.unwrap_or_else(|| job.turns().div_ceil(20));
    let opened = Checkpoints::open(keep.folder, config.party(), &config.marks(), every, job.turns());
    Ok(opened.map_err(SessionError::from)?)
}

/// This party's store.
fn open_store(folder: &Path, config: &PartyConfig, notify: &Notify) -> Result<CorrelationStore, JobError> {
    let party = config.party();
    let store = CorrelationStore::open(folder, party, &config.marks()).map_err(SessionError::from)?;
    match store.brought_back() {
        0 => {}
        orders => notify(Notice::BroughtBack { store: folder.to_owned(), party, orders }),
    }
    Ok(store)
}

/// This party's inputs to a batch that the program waits for, encoded.
pub(crate) fn encode_own(
    job: &Job,
    config: &PartyConfig,
    batch: u32,
    offers: &mut BTreeMap<String, Offer>,
    notify: &Notify,
    stages: &mut Stages,
    is_awaited: impl Fn(&str) -> bool,
) -> Result<BTreeMap<String, Elements>, JobError> {
    let names = job.inputs_of(config.party()).filter(|name| is_awaited(name));
    job.encode_batch(names.map(|name| (name, config.input(name))), batch, offers, &**notify, stages)
}

/// The file of this party's copy of an output.
pub(crate) fn output_file(job: &Job, config: &PartyConfig, name: &str) -> Option<PathBuf> {
    config.output(name).or_else(|| job.output_file(name))
}
