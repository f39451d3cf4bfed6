//! Workers: parties that stay connected and run one program after the other, as whoever holds them asks.
//!
//! A [`Crew`] is the workers of one deployment: all of its parties, as processes of the `symbolon` command or as threads,
//! or the one party of this organisation. It sends every worker a [`Run`] and awaits what that party learns. Programs are
//! the text of jobs whose inputs have shapes and no files. A program that is kept is planned once, and what is resident of
//! it stays in device memory until it is released.

mod crew;
mod frames;
mod process;
mod switch;

pub use crew::{Check, Crew};
pub(crate) use frames::read_request;
pub(crate) use process::work;

use crate::failure::Failure;
use crate::report::{InputJson, Ranges, RunJson};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use symbolon::program::Program;
use symbolon::ring::Elements;
use symbolon::session::{Prepared, Session};
use symbolon_job::{Job, JobError};

/// The name of a program's text in errors.
const TEXT: &str = "the program";

/// A run that a worker is asked for.
#[derive(Clone, Debug)]
pub struct Run {
    /// The text of its job; `None` where the program is kept from an earlier run.
    pub job: Option<String>,
    /// The number by which the program stays prepared after the run; `None` where it runs once.
    pub keep: Option<u32>,
    /// This party's inputs, of a later run those that are not resident.
    pub inputs: BTreeMap<String, Elements>,
}

/// What a worker's run gave.
#[derive(Debug)]
pub struct Ran {
    /// The outputs that the party learns.
    pub outputs: BTreeMap<String, Elements>,
    /// The party's report, as JSON.
    pub report: String,
}

/// What a worker is asked; it is done once nothing more is asked.
pub(crate) enum Request {
    /// To run a program.
    Run(Run),
    /// To release a program that was kept.
    Release(u32),
}

/// A program that is kept.
struct Kept {
    job: Job,
    program: Program,
    prepared: Prepared,
}

/// One party at work.
pub(crate) struct Worker<'a> {
    session: &'a mut Session,
    devices: Vec<String>,
    kept: BTreeMap<u32, Kept>,
}

impl<'a> Worker<'a> {
    /// A worker in a session; `devices` says what it computes on.
    pub(crate) fn new(session: &'a mut Session, devices: Vec<String>) -> Worker<'a> {
        Worker { session, devices, kept: BTreeMap::new() }
    }

    /// Does all that is asked, in order.
    pub(crate) fn serve(
        mut self,
        mut next: impl FnMut() -> Option<Request>,
        mut reply: impl FnMut(Ran) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        while let Some(request) = next() {
            match request {
                Request::Run(run) => reply(self.run(run)?)?,
                Request::Release(number) => {
                    if let Some(kept) = self.kept.remove(&number) {
                        self.session.release(kept.prepared)?;
                    }
                }
            }
        }
        std::mem::take(&mut self.kept).into_values().try_for_each(|kept| {
            self.session.release(kept.prepared)?;
            Ok(())
        })
    }

    fn run(&mut self, run: Run) -> Result<Ran, Failure> {
        let Run { job, keep, mut inputs } = run;
        if let (Some(number), Some(text)) = (keep, &job) {
            let (job, program) = read(text)?;
            let prepared = self.session.prepare(job.protocol, &program)?;
            self.kept.insert(number, Kept { job, program, prepared });
        }
        let Some(number) = keep else {
            let (job, program) = read(&job.unwrap_or_default())?;
            let outcome = self.session.run(job.protocol, &program, inputs)?;
            return self.ran(&job, &program, outcome);
        };
        let kept = self.kept.get_mut(&number);
        let mut kept = match kept {
            Some(_) => self.kept.remove(&number).expect("it is there"),
            None => return Err(Failure::Usage(format!("no program {number} is kept"))),
        };
        let awaited: BTreeSet<&str> = kept.prepared.awaited().collect();
        inputs.retain(|name, _| awaited.contains(name.as_str()));
        let outcome = self.session.run_prepared(&mut kept.prepared, inputs)?;
        let ran = self.ran(&kept.job, &kept.program, outcome);
        self.kept.insert(number, kept);
        ran
    }

    fn ran(&self, job: &Job, program: &Program, outcome: symbolon::SessionOutcome) -> Result<Ran, Failure> {
        let inputs = InputJson::all(job, &job.offers(&|_| {})?);
        let json = RunJson::of_party(job, program, Ranges::of(program)?, inputs, &outcome, &self.devices);
        let report = serde_json::to_string(&json).expect("reports serialise");
        Ok(Ran { outputs: outcome.outputs, report })
    }
}

/// A job without files, and its program.
pub(crate) fn read(text: &str) -> Result<(Job, Program), JobError> {
    let job = Job::parse(Path::new(TEXT), text)?;
    let program = job.program(&job.offers(&|_| {})?)?;
    Ok((job, program))
}
