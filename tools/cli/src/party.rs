//! `run --party`: one party of a deployment.

use crate::args::Shared;
use crate::config::PartyConfig;
use crate::data::{DataError, write, write_to};
use crate::devices::{device_lines, ops};
use crate::failure::Failure;
use crate::job::{Facts, Job, of_batch};
use crate::live::Watch;
use crate::process::Pieces;
use crate::report::{InputJson, OutputJson, Ranges, RoleJson, RunJson, StoredJson};
use crate::targets::check_targets;
use crate::trace::TraceFile;
use crate::{output, page, say, table, trace};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Instant;
use symbolon::program::Program;
use symbolon::ring::Elements;
use symbolon::session::{CorrelationStore, Session, SessionError, SessionOptions, SessionOutcome};

/// The line on stderr by which a process says where it listens.
pub const LISTENING: &str = "listening on ";

/// Runs one party of a job.
pub fn run(
    job_path: &Path,
    config_path: &Path,
    correlations: Option<&Path>,
    accept_shapes: bool,
    shared: &Shared,
    report_to: Option<&Path>,
) -> Result<(), Failure> {
    let start = Instant::now();
    let job = Job::read(job_path)?;
    let config = PartyConfig::read(config_path)?;
    let party = config.party();
    if !accept_shapes {
        job.check_shapes(party).map_err(SessionError::from)?;
    }
    job.check_store(correlations.is_some())?;
    let dealt = job.protocol.has_dealer() && correlations.is_none();
    let network = config.network(config_path, job.protocol, dealt)?;
    config.check_names(config_path, &job)?;
    let learnt = job.outputs.iter().filter(|(_, output)| output.to.contains(&party.0));
    let outputs = learnt.filter_map(|(name, _)| Some((name.as_str(), output_file(&job, &config, name)?)));
    let inputs = job.inputs_of(party).filter_map(|name| Some((name, input_file(&job, &config, name)?)));
    let outputs: Vec<_> = outputs.collect();
    job.check_outputs(outputs.iter().cloned())?;
    check_targets(job.in_batches(inputs), job.in_batches(outputs))?;
    let store = correlations.map(|folder| open_store(folder, &config)).transpose()?;
    let devices = shared.open_devices()?;
    let own = read_inputs(&job, &config, 0, None, |_| true)?;
    let facts: BTreeMap<String, Facts> = own.iter().map(|(name, own)| (name.clone(), own.facts)).collect();
    let mut session = Session::connect(
        devices.clone(),
        &network,
        SessionOptions {
            trace: shared.trace.is_some() || report_to.is_some(),
            supply: job.supply().or(shared.supply()),
            accept_shapes,
            // All parties of a launcher are one user's.
            accepted_bytes: shared.launched.then_some(u64::MAX),
            ..shared.session_options()
        },
        job.terms(),
        offers(&facts),
        |address| say::note(&format!("{party} is {LISTENING}{address}")),
    )?;
    let stored: Arc<Mutex<Option<StoredJson>>> = Arc::default();
    if let Some(store) = store {
        let stored = stored.clone();
        session.set_store(store, move |order, orders_left| {
            say::note(&format!(
                "{party} uses order {order} of its store; {orders_left} are left to all parties"
            ));
            *stored.lock().expect("no panic while it is told") = Some(StoredJson { order, orders_left });
        });
    }
    let facts = session.inputs(&job.declared())?;
    let inputs: Vec<InputJson> = facts.iter().map(|(name, facts)| job.input_json(name, facts)).collect();
    if !shared.launched {
        let offered = inputs.iter().filter(|input| input.owner != party.0);
        offered.for_each(|input| say::note(&format!("{party} is offered {}", input.text())));
    }
    let program = job.program(&facts).and_then(|program| Ok((Ranges::of(&program)?, program)));
    let (ranges, program) = match program {
        Ok(program) => program,
        Err(failure) => return Err(give_up(session, failure)),
    };
    let batches = Batches {
        job: &job,
        config: &config,
        shared,
        report_to,
        program: &program,
        facts: &facts,
        ranges,
        inputs,
        devices: device_lines(&devices),
        stored: &stored,
    };
    let runs = match batches.run(&mut session, own) {
        Ok(runs) => runs,
        Err(Failure::Session(error)) => return Err(error.into()),
        Err(failure) => return Err(give_up(session, failure)),
    };
    session.finish()?;
    let mut runs = runs.into_iter().collect::<Result<Vec<RunJson>, Failure>>()?;
    let mut json = runs.remove(0);
    json.later = runs;
    json.wall_s = start.elapsed().as_secs_f64();
    output::print(shared.json, &json, &table::run(&json))
}

/// This party's store. What a copy brought back is warned of.
fn open_store(folder: &Path, config: &PartyConfig) -> Result<CorrelationStore, Failure> {
    let party = config.party();
    let store = CorrelationStore::open(folder, party, &config.marks()).map_err(SessionError::from)?;
    match store.brought_back() {
        0 => {}
        orders => say::warning(&format!(
            "{}: {party}'s store holds {orders} order(s) that were used before, as after it is brought back from a copy; \
             they are wiped again",
            folder.display()
        )),
    }
    Ok(store)
}

/// A job's runs in one session.
struct Batches<'a> {
    job: &'a Job,
    config: &'a PartyConfig,
    shared: &'a Shared,
    /// Where a page about the last run goes.
    report_to: Option<&'a Path>,
    program: &'a Program,
    /// Of the first batch's inputs, and so of every later one's.
    facts: &'a BTreeMap<String, Facts>,
    ranges: Ranges,
    inputs: Vec<InputJson>,
    devices: Vec<String>,
    /// What was used of a store last.
    stored: &'a Mutex<Option<StoredJson>>,
}

impl Batches<'_> {
    /// Runs the program on one batch after the other, of which `first` is the first; a report for each. That the last
    /// one's outputs cannot be written is no failure of the runs.
    fn run(
        &self,
        session: &mut Session,
        first: BTreeMap<String, Own>,
    ) -> Result<Vec<Result<RunJson, Failure>>, Failure> {
        let party = self.config.party();
        let _watch = Watch::start(party.to_string(), session.progress(), self.shared);
        let elements = |own: BTreeMap<String, Own>| -> BTreeMap<String, Elements> {
            own.into_iter().map(|(name, own)| (name, own.elements)).collect()
        };
        if self.job.batches == 1 {
            let outcome = session.run(self.job.protocol, self.program, elements(first))?;
            return Ok(vec![self.report(&outcome, 0)]);
        }
        let mut prepared = session.prepare(self.job.protocol, self.program)?;
        let mut next = Some(first);
        let mut reports = Vec::new();
        for batch in 0..self.job.batches {
            let awaited: BTreeSet<&str> = prepared.awaited().collect();
            let is_awaited = |name: &str| awaited.contains(name);
            let read = || read_inputs(self.job, self.config, batch, Some(self.facts), is_awaited);
            let mut own = elements(next.take().map_or_else(read, Ok)?);
            own.retain(|name, _| is_awaited(name));
            let outcome = session.run_prepared(&mut prepared, own)?;
            let report = self.report(&outcome, batch);
            reports.push(if batch + 1 < self.job.batches { Ok(report?) } else { report });
        }
        Ok(reports)
    }

    /// Writes what a run gave, and says what it took.
    fn report(&self, outcome: &SessionOutcome, batch: u32) -> Result<RunJson, Failure> {
        if let (Some(path), Some(recorded)) = (&self.shared.trace, &outcome.report.trace)
            && batch + 1 == self.job.batches
        {
            trace::write(path, recorded, outcome.plans.of(self.config.party().into()))?;
        }
        let outputs = write_outputs(self, outcome, batch)?;
        let planned = outcome.plans.traffic.of(self.config.party().into()).sent_bytes;
        let plan = outcome.plans.of(self.config.party().into());
        let ops = |device| ops(plan, self.program, device);
        let role = RoleJson::new(&outcome.report, &self.devices, ops, planned);
        let json = RunJson {
            job: self.job.name.clone(),
            protocol: self.job.protocol.to_string(),
            ring_bits: self.job.codec.ring().bits(),
            fraction_bits: self.job.codec.fraction_bits(),
            ranges: self.ranges.clone(),
            inputs: self.inputs.clone(),
            device: role.device.clone(),
            offline_s: role.offline_s,
            offline_bytes: outcome.plans.demand.correction_bytes(),
            online_s: role.online_s,
            wall_s: role.offline_s + role.online_s,
            parties: vec![role],
            dealer: None,
            stored: *self.stored.lock().expect("no panic while it is told"),
            outputs,
            later: Vec::new(),
        };
        if let (Some(folder), true) = (self.report_to, batch + 1 == self.job.batches) {
            let plan = outcome.plans.of(self.config.party().into());
            let recorded = outcome.report.trace.as_ref().map(|recorded| TraceFile::new(recorded, plan));
            let path = page::run::page(&json, recorded.as_ref(), self.shared).write(folder)?;
            say::note(&format!("report in {}", path.display()));
        }
        Ok(json)
    }
}

/// An input of this party.
struct Own {
    facts: Facts,
    elements: Elements,
}

/// Those of this party's inputs to a batch that the program waits for, encoded. Of the first batch all are read before
/// anybody is bothered; later ones are held against it, by its facts.
fn read_inputs(
    job: &Job,
    config: &PartyConfig,
    batch: u32,
    first: Option<&BTreeMap<String, Facts>>,
    is_awaited: impl Fn(&str) -> bool,
) -> Result<BTreeMap<String, Own>, Failure> {
    let mut own = BTreeMap::new();
    let names = job.inputs_of(config.party()).filter(|name| is_awaited(name));
    job.read_inputs(names.map(|name| (name, config.input(name))), batch, |data| {
        let elements = match first {
            None => data.encode(job.codec)?,
            Some(first) => data.encode_later(&first[&data.name], job.codec)?,
        };
        let facts = data.facts();
        own.insert(data.name, Own { facts, elements });
        Ok(())
    })?;
    Ok(own)
}

/// Where an input of this party is.
fn input_file(job: &Job, config: &PartyConfig, name: &str) -> Option<PathBuf> {
    config.input(name).or_else(|| job.input_source(name)).map(|source| source.file)
}

/// Where an output of this party goes.
fn output_file(job: &Job, config: &PartyConfig, name: &str) -> Option<PathBuf> {
    config.output(name).or_else(|| job.output_file(name))
}

fn offers(facts: &BTreeMap<String, Facts>) -> Vec<(String, String)> {
    let offer = |(name, facts): (&String, &Facts)| {
        (name.clone(), serde_json::to_string(facts).expect("facts serialise"))
    };
    facts.iter().map(offer).collect()
}

fn give_up(session: Session, failure: Failure) -> Failure {
    session.abort(&failure.public_reason());
    failure
}

fn write_outputs(
    batches: &Batches<'_>,
    outcome: &SessionOutcome,
    batch: u32,
) -> Result<Vec<OutputJson>, Failure> {
    let Batches { job, config, shared, program, .. } = *batches;
    let mut outputs = Vec::new();
    for declared in program.outputs() {
        let Some(elements) = outcome.outputs.get(&declared.name) else { continue };
        let name = declared.name.as_str();
        let shape = program.dims(declared.value);
        let file = output_file(job, config, name).map(|file| of_batch(&file, batch));
        let failed = |error| Failure::Output { output: name.to_owned(), error };
        let kind = program.value(declared.value).kind(job.codec.ring());
        let mut pieces = Pieces { output: name, batch };
        match &file {
            // The launcher writes it, once all have ended well; what is not written it compares.
            Some(file) if shared.launched => write_to(&mut pieces, file, shape, elements, job.codec, kind),
            Some(file) => write(file, shape, elements, job.codec, kind),
            None if shared.launched => pieces
                .write_all(elements.bytes())
                .map_err(|error| DataError::Unreadable { path: "stdout".into(), reason: error.to_string() }),
            None => Ok(()),
        }
        .map_err(failed)?;
        outputs.push(OutputJson {
            name: name.to_owned(),
            shape: shape.extents().to_vec(),
            file: file.map(|file| file.display().to_string()),
            to: declared.to.iter().map(|party| party.0).collect(),
        });
    }
    Ok(outputs)
}
