//! `run --party`: one party of a deployment.

use crate::args::Shared;
use crate::config::PartyConfig;
use crate::data::{Access, Kind, write};
use crate::failure::Failure;
use crate::job::{Facts, Job};
use crate::report::{OutputJson, Ranges, RoleJson, RunJson, StoredJson};
use crate::targets::check_targets;
use crate::trace::TraceFile;
use crate::{output, page, table, trace};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Instant;
use symbolon::device::Device;
use symbolon::program::Program;
use symbolon::ring::Elements;
use symbolon::session::{CorrelationStore, Session, SessionError, SessionOptions, SessionOutcome};
use symbolon::share::PartyId;

/// The line on stderr by which a process says where it listens.
pub const LISTENING: &str = "listening on ";

/// Runs one party of a job.
pub fn run(
    job_path: &Path,
    config_path: &Path,
    correlations: Option<&Path>,
    shared: &Shared,
    report_to: Option<&Path>,
) -> Result<(), Failure> {
    let start = Instant::now();
    let job = Job::read(job_path)?;
    let config = PartyConfig::read(config_path)?;
    let party = config.party();
    job.check_store(correlations.is_some())?;
    let dealt = job.protocol.has_dealer() && correlations.is_none();
    let network = config.network(config_path, job.protocol, dealt)?;
    config.check_names(config_path, &job)?;
    let learnt = job.outputs.iter().filter(|(_, output)| output.to.contains(&party.0));
    let outputs = learnt.filter_map(|(name, _)| Some((name.as_str(), output_file(&job, &config, name)?)));
    let inputs = job.inputs_of(party).filter_map(|name| Some((name, input_file(&job, &config, name)?)));
    check_targets(inputs, outputs)?;
    let open = |folder| CorrelationStore::open(folder, party).map_err(SessionError::from);
    let store = correlations.map(open).transpose()?;
    let device = shared.open_device()?;
    let own = read_inputs(&job, &config)?;
    let facts: BTreeMap<String, Facts> = own.iter().map(|(name, own)| (name.clone(), own.facts)).collect();
    let mut session = Session::connect(
        device.clone(),
        &network,
        SessionOptions { trace: shared.trace.is_some() || report_to.is_some(), ..shared.session_options() },
        job.terms(),
        offers(&facts),
        |address| eprintln!("{party} is {LISTENING}{address}"),
    )?;
    session.set_model(shared.model()?);
    let stored = Arc::new(OnceLock::new());
    if let Some(store) = store {
        let stored = stored.clone();
        session.set_store(store, move |order, orders_left| {
            eprintln!("{party} uses order {order} of its store; {orders_left} are left");
            let _ = stored.set(StoredJson { order, orders_left });
        });
    }
    let facts = match all_facts(&job, &session, facts) {
        Ok(facts) => facts,
        Err(failure) => return Err(give_up(session, failure)),
    };
    let program = job.program(&facts).and_then(|program| Ok((Ranges::of(&program)?, program)));
    let (ranges, program) = match program {
        Ok(program) => program,
        Err(failure) => return Err(give_up(session, failure)),
    };
    let inputs = own.into_iter().map(|(name, own)| (name, own.elements)).collect();
    let outcome = session.run(job.protocol, &program, inputs)?;
    let access = if shared.launched { Access::Private } else { Access::Usual };
    if let (Some(path), Some(recorded)) = (&shared.trace, &outcome.report.trace) {
        trace::write(path, recorded, outcome.plans.of(party.into()))?;
    }
    let written = write_outputs(&job, &config, access, &program, &outcome, job.output_kind(&facts));
    session.finish()?;
    let outputs = written?;
    let role = role(&job, party, &*device, &outcome);
    let offline_bytes = outcome.plans.demand.correction_bytes();
    let mut json = report(&job, role, ranges, offline_bytes, outputs, start);
    json.stored = stored.get().copied();
    let mut text = table::run(&json);
    if let Some(folder) = report_to {
        let plan = outcome.plans.of(party.into());
        let recorded = outcome.report.trace.as_ref().map(|recorded| TraceFile::new(recorded, plan));
        let path = page::run::page(&json, recorded.as_ref(), shared).write(folder)?;
        text += &format!("  report in {}\n", path.display());
    }
    output::print(shared.json, &json, &text)
}

/// An input of this party.
struct Own {
    facts: Facts,
    elements: Elements,
}

/// This party's inputs, encoded, so that what is wrong with them shows before anybody is bothered.
fn read_inputs(job: &Job, config: &PartyConfig) -> Result<BTreeMap<String, Own>, Failure> {
    let mut own = BTreeMap::new();
    for name in job.inputs_of(config.party()) {
        let data = job.read_input(name, config.input(name))?;
        own.insert(name.to_owned(), Own { facts: data.facts(), elements: data.encode(job.codec)? });
    }
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

/// This party's facts and those that the others offered.
fn all_facts(
    job: &Job,
    session: &Session,
    mut facts: BTreeMap<String, Facts>,
) -> Result<BTreeMap<String, Facts>, Failure> {
    for (&party, offers) in session.offers() {
        let offers: BTreeMap<&str, &str> =
            offers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        for name in job.inputs_of(party) {
            let offer = offers.get(name).and_then(|text| serde_json::from_str(text).ok());
            let missing = || Failure::Peer(format!("{party} did not say what shape its input '{name}' has"));
            facts.insert(name.to_owned(), offer.ok_or_else(missing)?);
        }
    }
    Ok(facts)
}

fn give_up(session: Session, failure: Failure) -> Failure {
    session.abort(&failure.to_string());
    failure
}

fn write_outputs(
    job: &Job,
    config: &PartyConfig,
    access: Access,
    program: &Program,
    outcome: &SessionOutcome,
    kind: Kind,
) -> Result<Vec<OutputJson>, Failure> {
    let mut outputs = Vec::new();
    for declared in program.outputs() {
        let Some(elements) = outcome.outputs.get(&declared.name) else { continue };
        let name = declared.name.as_str();
        let shape = program.value(declared.value).shape;
        let file = output_file(job, config, name);
        if let Some(file) = &file {
            let failed = |error| Failure::Output { output: name.to_owned(), error };
            write(file, access, shape, elements, job.codec, kind).map_err(failed)?;
        }
        outputs.push(OutputJson {
            name: name.to_owned(),
            shape: [shape.rows, shape.cols],
            file: file.map(|file| file.display().to_string()),
            to: declared.to.iter().map(|party| party.0).collect(),
            digest: blake3::hash(elements.bytes()).to_hex().to_string(),
        });
    }
    Ok(outputs)
}

/// This party's part of the report.
fn role(job: &Job, party: PartyId, device: &dyn Device, outcome: &SessionOutcome) -> RoleJson {
    let element_bytes = job.codec.ring().element_bytes() as u64;
    let formula = outcome.plans.cost.sent_elements(party) * element_bytes;
    RoleJson::new(&outcome.report, &device_line(device), formula)
}

fn report(
    job: &Job,
    role: RoleJson,
    ranges: Ranges,
    offline_bytes: u64,
    outputs: Vec<OutputJson>,
    start: Instant,
) -> RunJson {
    RunJson {
        job: job.name.clone(),
        protocol: job.protocol.to_string(),
        ring_bits: job.codec.ring().bits(),
        fraction_bits: job.codec.fraction_bits(),
        ranges,
        device: role.device.clone(),
        offline_s: role.offline_s,
        offline_bytes,
        online_s: role.online_s,
        wall_s: start.elapsed().as_secs_f64(),
        parties: vec![role],
        dealer: None,
        stored: None,
        outputs,
    }
}

/// A device in one line.
pub fn device_line(device: &dyn Device) -> String {
    let description = device.description();
    format!("{} ({}; {})", description.name, description.driver, description.arithmetic)
}
