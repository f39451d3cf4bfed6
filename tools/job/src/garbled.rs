//! One party of a garbled job: checked, connected to its peer, and run batch by batch.

use crate::config::PartyConfig;
use crate::data::OutputData;
use crate::job::garbled::{GarbledJob, GarbledProgram, Source};
use crate::party::{Met, encode_own, output_file};
use crate::{Job, JobError, Notify, PartyJob, PartyOptions, of_batch};
use std::collections::BTreeMap;
use std::path::PathBuf;
use symbolon::circuit::garble::label_bytes;
use symbolon::ring::Elements;
use symbolon::run::{Stage, Stages};
use symbolon::session::{
    ACCEPTED_BYTES, Devices, GarbledOutcome, Offer, OfferError, Session, SessionError, SessionOptions,
};
use symbolon::share::{PartyId, Terms};

/// A garbled job and one of its parties, checked as far as that is possible before data is read and the peer is met.
pub struct GarbledParty {
    party: PartyJob,
    terms: Terms,
    source: Source,
}

impl GarbledParty {
    /// Holds the job and the party's file against each other.
    ///
    /// # Errors
    /// As [`PartyJob::new`], and where the circuit's file cannot be read.
    pub fn new(
        job: GarbledJob,
        config: PartyConfig,
        options: PartyOptions<'_>,
        notify: Notify,
    ) -> Result<GarbledParty, JobError> {
        let terms = job.terms()?;
        let GarbledJob { base, source } = job;
        Ok(GarbledParty { party: PartyJob::new(base, config, options, notify)?, terms, source })
    }

    /// The clock of stages until the peer is met.
    pub fn stages(&mut self) -> &mut Stages {
        self.party.stages()
    }

    /// As [`PartyJob::move_to`].
    ///
    /// # Errors
    /// As [`PartyJob::move_to`].
    pub fn move_to(&mut self, config: &PartyConfig) -> Result<(), JobError> {
        self.party.move_to(config)
    }

    /// As [`PartyJob::read`].
    ///
    /// # Errors
    /// As [`PartyJob::read`].
    pub fn read(&mut self) -> Result<(), JobError> {
        self.party.read()
    }

    /// Reads this party's inputs to the first batch, unless they are read, meets the peer, and makes the circuit.
    ///
    /// # Errors
    /// As [`PartyJob::connect`].
    ///
    /// # Panics
    /// Within a task of a tokio runtime: sessions block.
    pub fn connect(self, devices: Devices, options: SessionOptions) -> Result<ConnectedGarbled, JobError> {
        let GarbledParty { party, terms, source } = self;
        let accepted_bytes =
            options.accepted_bytes.unwrap_or(ACCEPTED_BYTES.max(options.budget_bytes.unwrap_or(0)));
        let Met { job, config, mut session, offers, first, notify, .. } =
            party.meet(devices, options, terms)?;
        let job = GarbledJob { base: job, source };
        let program = job.program(&offers).and_then(|program| {
            check_size(&job, config.party(), &program, accepted_bytes)?;
            Ok(program)
        });
        session.stages().end(Stage::Building);
        match program {
            Ok(program) => {
                let first = Some(first);
                Ok(ConnectedGarbled { job, config, session, program, offers, first, batch: 0, notify })
            }
            Err(error) => {
                session.abort(&error.public_reason());
                Err(error)
            }
        }
    }
}

/// Refuses a circuit whose labels take more than so many bytes, where the peer chose the shape of an input.
fn check_size(
    job: &GarbledJob,
    party: PartyId,
    program: &GarbledProgram,
    most_bytes: u64,
) -> Result<(), SessionError> {
    let is_chosen = job.base.declared().values().any(|input| input.owner != party && input.shape.is_none());
    // The labels alone may be too many to price the transfers.
    let labels = label_bytes(&program.schedule, program.evaluations);
    let bytes = if labels > most_bytes { labels } else { program.price().memory_bytes };
    match is_chosen && bytes > most_bytes {
        true => {
            Err(OfferError::TooLarge { what: "the circuit's labels".to_owned(), bytes, most_bytes }.into())
        }
        false => Ok(()),
    }
}

/// A party that is connected. It must be ended by [`ConnectedGarbled::finish`]; dropping it tells the peer that it failed.
#[must_use = "a party that is dropped fails its peer: end it with `finish`"]
pub struct ConnectedGarbled {
    job: GarbledJob,
    config: PartyConfig,
    session: Session,
    program: GarbledProgram,
    offers: BTreeMap<String, Offer>,
    first: Option<BTreeMap<String, Elements>>,
    batch: u32,
    notify: Notify,
}

impl ConnectedGarbled {
    /// The job.
    pub fn job(&self) -> &Job {
        &self.job.base
    }

    /// The party.
    pub fn party(&self) -> PartyId {
        self.config.party()
    }

    /// The session, such as for its progress.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The clock of its stages.
    pub fn stages(&mut self) -> &mut Stages {
        self.session.stages()
    }

    /// The circuit.
    pub fn program(&self) -> &GarbledProgram {
        &self.program
    }

    /// All parties' inputs by name, as their owners offered them.
    pub fn offers(&self) -> &BTreeMap<String, Offer> {
        &self.offers
    }

    /// Runs the next batch; `None` after the last.
    ///
    /// # Errors
    /// Where an input cannot be used, and as [`Session::run_garbled`]. Nothing can be run after that: tell the peer the reason
    /// by [`ConnectedGarbled::abort`].
    ///
    /// # Panics
    /// Within a task of a tokio runtime: sessions block.
    pub fn run(&mut self) -> Result<Option<GarbledOutcome>, JobError> {
        let ConnectedGarbled { job, config, session, program, offers, first, batch, notify } = self;
        if *batch == job.base.batches {
            return Ok(None);
        }
        let stages = session.stages();
        let read = || encode_own(&job.base, config, *batch, offers, notify, stages, |_| true);
        let own = first.take().map_or_else(read, Ok)?;
        let bits = program.encode(config.party(), &own).map_err(|input| {
            job.base.wrong(format!("input '{input}' has a number of more bits than the job says"))
        })?;
        drop(own);
        let outcome = session.run_garbled(&program.schedule, &bits)?;
        *batch += 1;
        Ok(Some(outcome))
    }

    /// The outputs of a run, by name.
    pub fn outputs(&self, outcome: &GarbledOutcome) -> BTreeMap<String, OutputData> {
        self.program.decode(self.party(), &outcome.outputs)
    }

    /// The file of this party's copy of an output, in a batch.
    pub fn output_file(&self, name: &str, batch: u32) -> Option<PathBuf> {
        output_file(&self.job.base, &self.config, name).map(|file| of_batch(&file, batch))
    }

    /// Ends the session in order: returns once the peer has everything, with the stages since the last run.
    ///
    /// # Errors
    /// As [`Session::finish`].
    pub fn finish(mut self) -> Result<Stages, JobError> {
        let mut stages = std::mem::take(self.session.stages());
        self.session.finish()?;
        stages.end(Stage::Finishing);
        Ok(stages)
    }

    /// Tells the other party that this one gives up, and why.
    pub fn abort(self, reason: &str) {
        self.session.abort(reason);
    }
}
