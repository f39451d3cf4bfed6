//! `run --local`: every role of a job as a process of its own on this machine.
//!
//! [`Nodes`] starts them. Outputs come back by stdout into files
//! without a name, and appear where the job says only after every process has ended well and all recipients have the
//! same; where a check has failed, those of the batches before it do. A launcher that is killed so leaves neither keys nor results behind, and its processes end with it.

use crate::args::{Folders, Shared};
use crate::failure::{Failure, WRONG};
use crate::live::Live;
use crate::nodes::Nodes;
use crate::output::{self, Document};
use crate::process::{End, Ended, Group, Said};
use crate::report::{OutputJson, RoleJson, RunJson};
use crate::scratch::Scratch;
use crate::stages;
use crate::trace::TraceFile;
use crate::trust::priced;
use crate::turns::TurnsJson;
use crate::{files, garbled, interrupt, live, page, plan, state, table, trace};
use serde::Deserialize;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use symbolon::run::{Stage, Stages};
use symbolon::share::PartyId;
use symbolon_job::data::{DataError, publish};
use symbolon_job::{AnyJob, Correlations, Job, JobError, check_targets, identity, of_batch};

/// Runs a job, and reports on it in a folder if there is one.
pub fn run(
    job_path: &Path,
    folders: &Folders,
    shared: &Shared,
    report_to: Option<&Path>,
) -> Result<(), Failure> {
    interrupt::catch()?;
    let mut any = AnyJob::read(job_path)?;
    match &mut any {
        AnyJob::Garbled(_) => garbled::check_flags(folders, shared)?,
        AnyJob::Steps(job) => folders.apply(job)?,
    }
    let job = any.base();
    let Some(folder) = report_to else {
        let json = launch(job_path, job, folders, shared)?;
        return output::print(shared.json, Document::Run, &json.clone().without_series(), &table::run(&json));
    };
    let traces = Scratch::new()?;
    let trace = shared.trace.clone().unwrap_or_else(|| traces.path().join("trace.json"));
    let json = launch(job_path, job, folders, &Shared { trace: Some(trace.clone()), ..shared.clone() })?;
    let recorded = TraceFile::read(&trace)?;
    let path = page::run::page(&json, Some(&recorded), shared).write(folder)?;
    let text = table::run(&json) + &format!("  report in {}\n", path.display());
    output::print(shared.json, Document::Run, &json.without_series(), &text)
}

/// Runs a job and puts its outputs where it says. Where correlations are in a store, there is no dealer.
pub fn launch(job_path: &Path, job: &Job, folders: &Folders, shared: &Shared) -> Result<RunJson, Failure> {
    let mut stages = Stages::default();
    let sources = job.sources(folders.correlations.as_ref(), Some(&Correlations::CHOOSABLE))?;
    job.check_outputs(job.output_files())?;
    check_targets(job.in_batches(job.input_files()), job.in_batches(job.output_files()))?;
    // All parties are this user's: one plan is that of all.
    let chosen = plan::choose(job, &sources, shared)?;
    let source = chosen.as_ref().map_or(sources.allowed[0], |chosen| chosen.source);
    let correlations = match chosen {
        Some(_) => Correlations::chosen(source),
        None => folders.correlations.clone(),
    };
    let folders = &Folders { correlations, ..folders.clone() };
    let nodes = Nodes::new(job.protocol, source, shared)?;
    let traces = shared.trace.is_some().then(Scratch::new).transpose()?;
    let launch = Launch { job_path, job, folders, shared, nodes, traces };
    stages.end(Stage::Reading);
    let (ended, failure) = launch.processes(&mut stages)?;
    if let Some(failure) = failure {
        launch.publish_checked(&ended)?;
        return Err(failure);
    }
    stages.end(Stage::Finishing);
    let mut result = launch.result(ended, stages)?;
    result.trust.chosen = chosen.map(|chosen| priced(&chosen.by_source()));
    Ok(result)
}

struct Launch<'a> {
    job_path: &'a Path,
    job: &'a Job,
    /// The store, where that is the source, and where states are kept.
    folders: &'a Folders,
    shared: &'a Shared,
    nodes: Nodes<'a>,
    /// Where the parties' traces are until all have ended.
    traces: Option<Scratch>,
}

impl Launch<'_> {
    /// Starts all processes and waits until they have ended: the dealer, if there is one, is the first of them. With the
    /// failure of the one to blame, if one has failed.
    fn processes(&self, stages: &mut Stages) -> Result<(Vec<Ended>, Option<Failure>), Failure> {
        let mut group = Group::new(self.shared.log.is_some());
        let started = self.start_all(&mut group);
        stages.end(Stage::Launching);
        match started {
            Ok(()) => group.wait(self.live().as_ref()),
            Err(Failure::Interrupted) => Err(Failure::Interrupted),
            Err(failure) => Err(group.end().1.unwrap_or(failure)),
        }
    }

    /// The dealer and the parties.
    fn start_all(&self, group: &mut Group) -> Result<(), Failure> {
        // The identities are made for this run: what is used of a store is remembered for longer.
        let store = self.folders.correlations.as_ref().and_then(Correlations::store);
        let is_remembered = store.is_some() || self.folders.checkpoint.is_some();
        let marks = is_remembered.then(state::marks).transpose()?;
        self.nodes.start(group, marks.as_deref(), |party| {
            let name = identity::stem(party.into());
            let mut arguments: Vec<OsString> =
                vec!["run".into(), self.job_path.into(), "--party".into(), name.into()];
            // All parties are this user's.
            arguments.push("--accept-shapes".into());
            if let Some(side) = self.shared.tile {
                arguments.extend(["--tile".into(), side.to_string().into()]);
            }
            if self.shared.stream_correlations {
                arguments.push("--stream-correlations".into());
            }
            match &self.folders.correlations {
                // A path need not be text.
                Some(Correlations::Store(store)) => {
                    let mut source = OsString::from("store=");
                    source.push(store);
                    arguments.extend(["--correlations".into(), source]);
                }
                Some(source) => arguments.extend(["--correlations".into(), source.to_string().into()]),
                None => {}
            }
            if let Some(nonlinear) = self.folders.nonlinear {
                arguments.extend(["--nonlinear".into(), nonlinear.name().into()]);
            }
            if let Some(folder) = &self.folders.checkpoint {
                arguments.extend(["--checkpoint".into(), folder.into()]);
            }
            if let Some(every) = self.folders.checkpoint_every {
                arguments.extend(["--checkpoint-every".into(), every.to_string().into()]);
            }
            if live::is_watched(self.shared) {
                arguments.push("--progress".into());
            }
            if let Some(trace) = self.staged_trace(party) {
                arguments.extend(["--trace".into(), trace.into()]);
            }
            arguments
        })
    }

    /// The line of every party's lanes, where somebody looks.
    fn live(&self) -> Option<Live> {
        Live::new(self.job.parties().map(|party| party.to_string()), self.shared)
    }

    /// Where a party's trace is until all have ended, if it makes one.
    fn staged_trace(&self, party: PartyId) -> Option<PathBuf> {
        Some(self.traces.as_ref()?.path().join(format!("party{}.trace.json", party.0)))
    }

    /// Puts the processes' reports together, and the outputs where they belong.
    fn result(&self, ended: Vec<Ended>, mut stages: Stages) -> Result<RunJson, Failure> {
        interrupt::check()?;
        let (dealer, parties) = ended.split_at(usize::from(self.nodes.is_dealt()));
        let runs: Vec<RunJson> = parties.iter().map(parse).collect::<Result<_, _>>()?;
        let dealt: Option<DealOrders> = dealer.first().map(parse).transpose()?;
        let mut orders = dealt.map_or_else(Vec::new, |dealt| dealt.orders).into_iter();
        let mut batches = Vec::new();
        for batch in 0..self.job.batches {
            let of_batch = |run: &RunJson| match batch {
                0 => Some(RunJson { later: Vec::new(), ..run.clone() }),
                batch => run.later.get(batch as usize - 1).cloned(),
            };
            let runs: Vec<RunJson> = runs.iter().filter_map(of_batch).collect();
            let dealt = orders.by_ref().take(self.job.turns() as usize).reduce(RoleJson::then);
            batches.push(self.merged(&runs, parties, dealt, batch)?);
        }
        let mut result = batches.remove(0);
        result.later = batches;
        if let Some(path) = &self.shared.trace {
            let staged: Vec<PathBuf> =
                self.job.parties().filter_map(|party| self.staged_trace(party)).collect();
            trace::merge(&staged, path)?;
        }
        stages.end(Stage::Writing);
        result.stages = stages::report(stages.take());
        result.wall_s = stages::wall_s(&result.stages);
        Ok(result)
    }

    /// The parties' reports of one batch as one.
    fn merged(
        &self,
        runs: &[RunJson],
        parties: &[Ended],
        dealer: Option<RoleJson>,
        batch: u32,
    ) -> Result<RunJson, Failure> {
        let mut merged = RunJson::merge(runs);
        merged.dealer = dealer;
        merged.turn =
            TurnsJson::new(&merged, runs[0].turn.as_ref().and_then(|turn| Some(turn.epoch.as_ref()?.turns)));
        merged.outputs = self.outputs(runs, parties, batch)?;
        Ok(merged)
    }

    /// Puts the outputs of the batches before a failed check where they belong. All parties have these batches: none goes
    /// on to the next one before.
    fn publish_checked(&self, ended: &[Ended]) -> Result<(), Failure> {
        let (_, parties) = ended.split_at(usize::from(self.nodes.is_dealt()));
        if !parties.iter().any(|party| party.end == End::Exit(WRONG)) {
            return Ok(());
        }
        let files: Vec<&String> =
            self.job.outputs.keys().filter(|name| self.job.output_file(name).is_some()).collect();
        let is_whole = |&batch: &u32| {
            let due = files.iter().filter(|name| self.job.reveals(name, batch));
            due.into_iter().all(|name| self.said(name, parties).all(|said| said.has(name, batch)))
        };
        for batch in (0..self.job.batches).take_while(is_whole) {
            for name in files.iter().filter(|name| self.job.reveals(name, batch)) {
                self.publish(name, batch, parties)?;
            }
        }
        Ok(())
    }

    /// The texts of an output's recipients.
    fn said<'b>(&self, name: &str, parties: &'b [Ended]) -> impl Iterator<Item = &'b Said> {
        self.job.outputs[name].to.iter().map(|&to| &parties[usize::from(to)].said)
    }

    /// Each output once, after its recipients have been held against each other.
    fn outputs(&self, runs: &[RunJson], parties: &[Ended], batch: u32) -> Result<Vec<OutputJson>, Failure> {
        let mut outputs = Vec::new();
        for name in self.job.outputs.keys().filter(|name| self.job.reveals(name, batch)) {
            let mut learnt = runs.iter().flat_map(|run| &run.outputs).filter(|output| output.name == *name);
            let mut output = learnt.next().expect("every output has a recipient").clone();
            output.file = self.publish(name, batch, parties)?;
            outputs.push(output);
        }
        Ok(outputs)
    }

    /// Holds an output's recipients against each other, and puts it where the job says, if it does; returns where.
    fn publish(&self, name: &str, batch: u32, parties: &[Ended]) -> Result<Option<String>, Failure> {
        let failed = |error| JobError::Output { output: name.to_owned(), error };
        let lost = |error: std::io::Error| {
            failed(DataError::Unreadable { path: std::env::temp_dir(), reason: error.to_string() })
        };
        let mut recipients = self.said(name, parties);
        let said = recipients.next().expect("every output has a recipient");
        for other in recipients {
            if !said.output(name, batch).equals(other.output(name, batch)).map_err(lost)? {
                let reason = format!("the recipients of output '{name}' have different results");
                return Err(Failure::Wrong(reason));
            }
        }
        let Some(to) = self.job.output_file(name) else { return Ok(None) };
        let to = of_batch(&to, batch);
        publish(&mut said.output(name, batch), &to, files::mode()).map_err(failed)?;
        Ok(Some(to.display().to_string()))
    }
}

/// As much of the dealer's report as is needed.
#[derive(Deserialize)]
struct DealOrders {
    orders: Vec<RoleJson>,
}

fn parse<T: for<'a> Deserialize<'a>>(ended: &Ended) -> Result<T, Failure> {
    serde_json::from_str(&ended.said.text)
        .map_err(|error| Failure::Wrong(format!("{} printed no report: {error}", ended.name)))
}
