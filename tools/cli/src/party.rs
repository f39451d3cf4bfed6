//! `run --party`: one party of a deployment.

use crate::args::{Folders, Shared};
use crate::devices::device_lines;
use crate::failure::Failure;
use crate::live::Watch;
use crate::output::{self, Document};
use crate::process::{Brief, Pieces};
use crate::report::{InputJson, OutputJson, Ranges, RunJson, Series, priced_ways};
use crate::trace::TraceFile;
use crate::trust::priced;
use crate::turns::{self, TurnsJson};
use crate::{files, garbled, page, say, table};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use symbolon::run::{Stage, Stages};
use symbolon::session::{SessionError, SessionOptions, SessionOutcome};
use symbolon_job::data::{DataError, OutputData};
use symbolon_job::{AnyJob, ConnectedJob, Job, JobError, KeepStates, PartyConfig, PartyJob, PartyOptions};

/// The line on stderr by which a process says where it listens.
pub const LISTENING: &str = "listening on ";

/// Runs one party of a job.
pub fn run(
    job_path: &Path,
    config_path: &Path,
    folders: &Folders,
    accept_shapes: bool,
    shared: &Shared,
    report_to: Option<&Path>,
) -> Result<(), Failure> {
    let stages = Stages::default();
    let job = match AnyJob::read(job_path)? {
        AnyJob::Steps(mut job) => {
            folders.apply(&mut job)?;
            job
        }
        AnyJob::Garbled(job) => {
            garbled::check_flags(folders, shared)?;
            return garbled::party(job, config_path, accept_shapes, (shared, report_to), stages);
        }
    };
    let brief = Brief::own();
    let config = match brief {
        Some(brief) => PartyConfig::parse(config_path, &brief.config)?,
        None => PartyConfig::read(config_path)?,
    };
    let party = config.party();
    let sources = job.sources(folders.correlations.as_ref(), config.sources().as_deref())?;
    let peers = config.peers(job.protocol, &sources.allowed);
    let credentials = brief.map(|brief| brief.credentials(party.into(), &peers)).transpose()?;
    let keep = |folder| KeepStates { folder, every: folders.checkpoint_every };
    let options = PartyOptions {
        correlations: folders.correlations.as_ref(),
        checkpoints: folders.checkpoint.as_deref().map(keep),
        accept_shapes,
        credentials,
        stages,
    };
    let mut party_job = PartyJob::new(job, config, options, Arc::new(say::notice))?;
    party_job.stages().end(Stage::Reading);
    let devices = shared.open_devices()?;
    party_job.stages().end(Stage::Opening);
    if brief.is_some() {
        // Its peers start meanwhile.
        party_job.read()?;
        party_job.move_to(&PartyConfig::parse(config_path, &Brief::rest()?)?)?;
    }
    let options = SessionOptions {
        trace: shared.trace.is_some() || report_to.is_some(),
        // All parties of a launcher are one user's.
        accepted_bytes: shared.launched.then_some(u64::MAX),
        ..shared.session_options()
    };
    let mut job = party_job.connect(devices.clone(), options)?;
    let inputs = InputJson::all(job.job(), job.offers());
    if !shared.launched {
        let offered = inputs.iter().filter(|input| input.owner != party.0);
        offered.for_each(|input| say::note(&format!("{party} is offered {}", input.text())));
    }
    let ranges = Ranges::of(job.program());
    job.stages().end(Stage::Building);
    let runs = ranges.map_err(Failure::from).and_then(|ranges| {
        let traced = shared.trace.is_some() || report_to.is_some();
        let reports = Reports { shared, traced, ranges, inputs, devices: device_lines(&devices) };
        reports.of_all(&mut job)
    });
    let runs = match runs {
        Ok(runs) => runs,
        Err(failure) => {
            match failure {
                // All parties know it, and end in order. A peer that ends otherwise changes nothing about the answers.
                Failure::Session(SessionError::Check { .. }) => drop(job.finish()),
                // A session that has failed has told its peers why.
                _ => job.abort(&failure.public_reason()),
            }
            return Err(failure);
        }
    };
    let stages = job.finish()?;
    let runs = runs.into_iter().collect::<Result<Vec<Ran>, Failure>>()?;
    finish(runs, stages, shared, report_to)
}

/// Reports on all runs, once the peers have everything.
pub fn finish(
    mut runs: Vec<Ran>,
    mut stages: Stages,
    shared: &Shared,
    report_to: Option<&Path>,
) -> Result<(), Failure> {
    let trace = runs.last_mut().expect("a job runs at least once").trace.take();
    let mut runs = runs.into_iter().map(|run| run.json);
    let mut json = runs.next().expect("a job runs at least once");
    json.later = runs.collect();
    json.end(stages.take());
    let trace = trace.map(|trace| trace.with_stages(&json.processes()[0].1, &json.outputs));
    if let (Some(path), Some(trace)) = (&shared.trace, &trace) {
        trace.write(path)?;
    }
    if let Some(folder) = report_to {
        let path = page::run::page(&json, trace.as_ref(), shared).write(folder)?;
        say::note(&format!("report in {}", path.display()));
    }
    stages.end(Stage::Writing);
    json.end(stages.take());
    let text = table::run(&json);
    // A launcher makes the page.
    let json = if shared.launched { json } else { json.without_series() };
    output::print(shared.json, Document::Run, &json, &text)
}

/// A run, and its trace if it is the last and one is wanted.
pub struct Ran {
    pub json: RunJson,
    pub trace: Option<TraceFile>,
}

/// The reports on a party's runs.
struct Reports<'a> {
    shared: &'a Shared,
    /// Whether a trace of the last run is wanted.
    traced: bool,
    ranges: Ranges,
    inputs: Vec<InputJson>,
    devices: Vec<String>,
}

impl Reports<'_> {
    /// Runs every batch, and reports on each. That the last one's outputs cannot be written is no failure of the runs.
    fn of_all(&self, job: &mut ConnectedJob) -> Result<Vec<Result<Ran, Failure>>, Failure> {
        let _watch = Watch::start(job.party().to_string(), job.session().progress(), self.shared);
        let mut reports = Vec::new();
        while let Some(outcome) = job.run()? {
            let batch = reports.len() as u32;
            let report = self.of(job, outcome, batch);
            job.stages().end(Stage::Writing);
            reports.push(if batch + 1 < job.job().batches { Ok(report?) } else { report });
        }
        Ok(reports)
    }

    /// Writes what a run gave, and says what it took.
    fn of(&self, job: &ConnectedJob, mut outcome: SessionOutcome, batch: u32) -> Result<Ran, Failure> {
        let program = job.program();
        let is_last = batch + 1 == job.job().batches;
        let recorded = outcome.report.trace.as_ref().filter(|_| self.traced && is_last);
        let trace = recorded.map(|recorded| TraceFile::new(recorded, Some((&outcome.plans, program))));
        let (ranges, inputs) = (self.ranges.clone(), self.inputs.clone());
        let mut json = RunJson::of_party(job.job(), program, ranges, inputs, &outcome, &self.devices);
        json.stored = job.stored().map(Into::into);
        json.nonlinear = job.ways().map(|ways| priced_ways(&ways));
        json.trust.chosen = job.sources().map(|sources| priced(&sources));
        json.turn = TurnsJson::new(&json, turns::epoch(program));
        json.outputs = self.write_outputs(job, &mut outcome, batch)?;
        Ok(Ran { json, trace })
    }

    fn write_outputs(
        &self,
        job: &ConnectedJob,
        outcome: &mut SessionOutcome,
        batch: u32,
    ) -> Result<Vec<OutputJson>, Failure> {
        let write = |(name, data): (String, OutputData)| {
            let file = job.output_file(&name, batch);
            let to = &job.job().outputs[&name].to;
            let series = series(job.job(), &name, &data);
            let written = write_output(&name, &data, file, to, batch, self.shared)?;
            Ok(OutputJson { series, ..written })
        };
        job.outputs(outcome).into_iter().map(write).collect()
    }
}

/// The numbers of an output that is one number in each of several turns of a loop; a session that goes on from a checkpoint
/// has those of the last turns.
fn series(job: &Job, name: &str, data: &OutputData) -> Option<Series> {
    let (&times, each) = data.dims.extents().split_first()?;
    let is_curve = job.is_series(name) && times > 1 && each.iter().all(|&extent| extent == 1);
    is_curve.then(|| {
        let every = job.every(name);
        let last = job.turns() / every;
        let first_turn = (last + 1).saturating_sub(times as u32) * every;
        Series { first_turn, every, last_turn: job.turns(), numbers: data.decode() }
    })
}

/// Writes an output that this party has learnt, or tells it to the launcher.
pub fn write_output(
    name: &str,
    data: &OutputData,
    file: Option<PathBuf>,
    to: &[u8],
    batch: u32,
    shared: &Shared,
) -> Result<OutputJson, Failure> {
    let mut pieces = Pieces { output: name, batch };
    let written = match &file {
        // The launcher writes it, once all have ended well; what is not written it compares.
        Some(file) if shared.launched => data.write_to(&mut pieces, file),
        Some(file) => data.write(file, files::mode()),
        None if shared.launched => pieces
            .write_all(data.elements.bytes())
            .map_err(|error| DataError::Unreadable { path: "stdout".into(), reason: error.to_string() }),
        None => Ok(()),
    };
    written.map_err(|error| JobError::Output { output: name.to_owned(), error })?;
    Ok(OutputJson {
        shape: data.dims.extents().to_vec(),
        file: file.map(|file| file.display().to_string()),
        to: to.to_vec(),
        series: None,
        name: name.to_owned(),
    })
}
