//! Jobs of `protocol = "garbled"`: one party's run, its report, and what a job will take.

use crate::args::{Folders, Shared};
use crate::failure::Failure;
use crate::live::Watch;
use crate::output::{self, Document};
use crate::party::{Ran, finish, write_output};
use crate::process::Brief;
use crate::report::{InputJson, OutputJson, Ranges, RoleJson, RunJson};
use crate::say;
use crate::table::{Table, bytes};
use crate::trace::TraceFile;
use crate::trust::{Coalition, Trust};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;
use symbolon::Cpu;
use symbolon::circuit::garble::{Price, with_threads};
use symbolon::correlation::Source;
use symbolon::net::LinkShape;
use symbolon::protocol::garbled::TRUST;
use symbolon::run::{Stage, Stages};
use symbolon::session::{Devices, GarbledOutcome, SessionOptions};
use symbolon_job::{
    ConnectedGarbled, Correlations, GarbledJob, GarbledParty, GarbledProgram, Job, PartyConfig, PartyOptions,
    check_targets,
};

/// The name of the protocol.
const GARBLED: &str = "garbled";

const ALL_GARBLED: &str = "all of a garbled circuit is garbled: there is no --nonlinear";

/// A circuit, and what a run of it takes beside bytes and time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GarbledJson {
    pub and_gates: usize,
    pub xor_gates: usize,
    /// AND gates one behind the other.
    pub and_depth: usize,
    /// The most AND gates of one evaluation that do not depend on each other.
    pub widest_layer: usize,
    /// Rows that go through the circuit side by side.
    pub evaluations: usize,
    /// Bytes of tables: 32 for each AND gate of each evaluation.
    pub table_bytes: u64,
    /// Oblivious transfers, one for each bit of party 1.
    pub transfers: u64,
    /// Messages one behind the other, by which they are made.
    pub transfer_messages: u32,
    /// The most bytes of labels and transfers that a party holds at once.
    pub memory_bytes: u64,
}

impl GarbledJson {
    fn new(program: &GarbledProgram, price: &Price) -> GarbledJson {
        let figures = program.figures;
        GarbledJson {
            and_gates: figures.and_gates,
            xor_gates: figures.xor_gates,
            and_depth: figures.and_depth,
            widest_layer: figures.widest_layer,
            evaluations: program.evaluations,
            table_bytes: price.traffic.table_bytes,
            transfers: price.traffic.transfers,
            transfer_messages: price.transfer_messages,
            memory_bytes: price.memory_bytes,
        }
    }

    /// In rows under a heading.
    pub fn rows(&self) -> Vec<Vec<String>> {
        let of = |name: &str, count: u64| vec![name.to_owned(), bytes(count)];
        vec![
            vec!["of the circuit".to_owned(), String::new()],
            of("AND gates", self.and_gates as u64),
            of("XOR gates", self.xor_gates as u64),
            of("AND gates one behind the other", self.and_depth as u64),
            of("evaluations", self.evaluations as u64),
            of("bytes of tables", self.table_bytes),
            of("oblivious transfers", self.transfers),
        ]
    }

    /// In lines for people.
    pub fn text(&self) -> String {
        format!(
            "  circuit of {} AND and {} XOR gates, {} AND gates deep, evaluated {} time(s): {} bytes of tables\n  {} oblivious \
             transfers, made by {} messages one behind the other; at most {} bytes of labels at once\n",
            bytes(self.and_gates as u64),
            bytes(self.xor_gates as u64),
            bytes(self.and_depth as u64),
            self.evaluations,
            bytes(self.table_bytes),
            bytes(self.transfers),
            self.transfer_messages,
            bytes(self.memory_bytes)
        )
    }
}

/// Refuses flags that a garbled run has no use for.
pub fn check_flags(folders: &Folders, shared: &Shared) -> Result<(), Failure> {
    let is_other = folders.correlations.as_ref().is_some_and(|source| *source != Correlations::Pair);
    let refused = [
        (
            is_other,
            "two parties make the transfers of a garbled circuit themselves: --correlations pair, or none",
        ),
        (folders.nonlinear.is_some(), ALL_GARBLED),
        (
            folders.checkpoint.is_some(),
            "a garbled circuit leaves nothing to a later run: there is no --checkpoint",
        ),
        (
            shared.tile.is_some() || shared.stream_correlations,
            "a garbled circuit has no tiles and no correlations",
        ),
        (
            !matches!(shared.device.as_str(), "auto" | "cpu"),
            "circuits are garbled on the CPU: leave --device out, or say --device cpu",
        ),
    ];
    match refused.into_iter().find(|(is_refused, _)| *is_refused) {
        Some((_, reason)) => Err(Failure::Usage(reason.to_owned())),
        None => Ok(()),
    }
}

/// Who learns what.
fn trust() -> Trust {
    let coalition = |coalition: &symbolon::protocol::Coalition| Coalition {
        who: coalition.who.to_owned(),
        learns: coalition.learns.to_owned(),
    };
    let coalitions = TRUST.iter().map(coalition).collect();
    Trust { correlations_from: Source::Pair.to_string(), chosen: None, coalitions }
}

/// What is known of results before anything runs.
fn ranges(program: &GarbledProgram) -> Result<Ranges, Failure> {
    match &program.program {
        Some(program) => Ok(Ranges::of(program)?),
        None => Ok(Ranges {
            range: "a Boolean circuit: every output is exact".to_owned(),
            wraps: Vec::new(),
            warnings: Vec::new(),
        }),
    }
}

/// Runs one party of a job.
pub fn party(
    job: GarbledJob,
    config_path: &Path,
    accept_shapes: bool,
    (shared, report_to): (&Shared, Option<&Path>),
    stages: Stages,
) -> Result<(), Failure> {
    let traced = shared.trace.is_some() || report_to.is_some();
    let brief = Brief::own();
    let config = match brief {
        Some(brief) => PartyConfig::parse(config_path, &brief.config)?,
        None => PartyConfig::read(config_path)?,
    };
    let own = config.party();
    let peers = config.peers(job.base().protocol, &[Source::Pair]);
    let credentials = brief.map(|brief| brief.credentials(own.into(), &peers)).transpose()?;
    let options = PartyOptions { accept_shapes, credentials, stages, ..PartyOptions::default() };
    let mut party = GarbledParty::new(job, config, options, Arc::new(say::notice))?;
    party.stages().end(Stage::Reading);
    if brief.is_some() {
        // Its peer starts meanwhile.
        party.read()?;
        party.move_to(&PartyConfig::parse(config_path, &Brief::rest()?)?)?;
    }
    let options = SessionOptions {
        trace: traced,
        // Both parties of a launcher are one user's.
        accepted_bytes: shared.launched.then_some(u64::MAX),
        ..shared.session_options()
    };
    // Nothing is computed on it.
    let devices = Devices::from(Arc::new(Cpu::open(Some(1), None)?) as Arc<dyn symbolon::Device>);
    let mut job = party.connect(devices, options)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = shared.threads.map_or(cores, usize::from);
    let ran = with_threads(threads, || run_all(&mut job, shared, threads));
    let runs = match ran.map_err(|error| Failure::thread(&error)).and_then(|runs| runs) {
        Ok(runs) => runs,
        Err(failure) => {
            // A session that has failed has told its peer why.
            job.abort(&failure.public_reason());
            return Err(failure);
        }
    };
    let stages = job.finish()?;
    finish(runs, stages, shared, report_to)
}

/// Runs every batch, and reports on each.
fn run_all(job: &mut ConnectedGarbled, shared: &Shared, threads: usize) -> Result<Vec<Ran>, Failure> {
    let _watch = Watch::start(job.party().to_string(), job.session().progress(), shared);
    let (ranges, inputs) = (ranges(job.program())?, InputJson::all(job.job(), job.offers()));
    let device = format!("CPU, {threads} thread(s)");
    let mut runs = Vec::new();
    while let Some(outcome) = job.run()? {
        let batch = runs.len() as u32;
        let outputs = write_outputs(job, &outcome, batch, shared)?;
        let run = report(job, &outcome, (ranges.clone(), inputs.clone()), &device);
        job.stages().end(Stage::Writing);
        let trace = outcome.report.trace.as_ref().map(|trace| TraceFile::new(trace, None));
        runs.push(Ran { json: RunJson { outputs, ..run }, trace });
    }
    Ok(runs)
}

fn write_outputs(
    job: &ConnectedGarbled,
    outcome: &GarbledOutcome,
    batch: u32,
    shared: &Shared,
) -> Result<Vec<OutputJson>, Failure> {
    let outputs = job.outputs(outcome).into_iter();
    let write = |(name, data): (String, _)| {
        let file = job.output_file(&name, batch);
        write_output(&name, &data, file, &job.job().outputs[&name].to, batch, shared)
    };
    outputs.map(write).collect()
}

/// The report of a party's run.
fn report(
    job: &ConnectedGarbled,
    outcome: &GarbledOutcome,
    (ranges, inputs): (Ranges, Vec<InputJson>),
    device: &str,
) -> RunJson {
    let (base, price) = (job.job(), &outcome.price);
    let planned = match job.party().0 {
        0 => price.traffic.garbler_bytes,
        _ => price.traffic.evaluator_bytes,
    };
    let role = RoleJson::new(&outcome.report, &[device.to_owned()], |_| Vec::new(), planned);
    RunJson {
        job: base.name.clone(),
        protocol: GARBLED.to_owned(),
        ring_bits: base.codec.ring().bits(),
        fraction_bits: 0,
        nonlinear: None,
        trust: trust(),
        ranges,
        inputs,
        device: role.device.clone(),
        offline_s: role.offline_s,
        offline_bytes: price.transfer_bytes,
        online_s: role.online_s,
        wall_s: role.offline_s + role.online_s,
        garbled: Some(GarbledJson::new(job.program(), price)),
        turns: None,
        turn: None,
        stages: Vec::new(),
        parties: vec![role],
        dealer: None,
        stored: None,
        outputs: Vec::new(),
        later: Vec::new(),
    }
}

/// What a job will take, as JSON; the names are those of a run's report.
#[derive(Serialize)]
struct PlanJson {
    job: String,
    protocol: &'static str,
    ring_bits: u32,
    digest: String,
    garbled: GarbledJson,
    /// Messages one behind the other, online.
    rounds: u32,
    offline_bytes: u64,
    /// By party, online.
    bytes_sent: [u64; 2],
    batches: u32,
    link: String,
    /// On the link alone: that of the processors comes on top, see `bench garbled`.
    offline_link_s: f64,
    online_link_s: f64,
    trust: Trust,
    #[serde(flatten)]
    ranges: Ranges,
}

/// Prints what a job will take.
pub fn plan(
    job: &GarbledJob,
    demand: Option<&Path>,
    folders: &Folders,
    shared: &Shared,
) -> Result<(), Failure> {
    if demand.is_some() || folders.correlations.as_ref().is_some_and(|source| *source != Correlations::Pair) {
        let reason =
            "two parties make the transfers of a garbled circuit themselves: there is no demand to deal for";
        return Err(Failure::Usage(reason.to_owned()));
    }
    if folders.nonlinear.is_some() {
        return Err(Failure::Usage(ALL_GARBLED.to_owned()));
    }
    let base: &Job = job.base();
    base.check_outputs(base.output_files())?;
    check_targets(base.in_batches(base.input_files()), base.in_batches(base.output_files()))?;
    let program = job.program(&base.offers(&say::notice)?)?;
    let price = program.price();
    let link = shared.link.unwrap_or(LinkShape::LAN);
    let (out, back) = (price.traffic.garbler_bytes, price.traffic.evaluator_bytes);
    let seconds = |bytes: u64, messages: u32| {
        (link.transmission(bytes) + link.round_trip() * messages / 2).as_secs_f64()
    };
    let digest = program.schedule.digest().iter().map(|byte| format!("{byte:02x}")).collect();
    let json = PlanJson {
        job: base.name.clone(),
        protocol: GARBLED,
        ring_bits: base.codec.ring().bits(),
        digest,
        garbled: GarbledJson::new(&program, &price),
        rounds: price.rounds,
        offline_bytes: price.transfer_bytes,
        bytes_sent: [out, back],
        batches: base.batches,
        link: link.to_string(),
        offline_link_s: seconds(price.transfer_bytes, price.transfer_messages),
        online_link_s: seconds(out + back, price.rounds),
        trust: trust(),
        ranges: ranges(&program)?,
    };
    output::print(shared.json, Document::CircuitPlan, &json, &text(&json))
}

fn text(json: &PlanJson) -> String {
    let mut table = Table::new(["", "bytes", "messages in a row", "seconds on the link"]);
    let rows = [
        (
            "offline: transfers, both ways",
            json.offline_bytes,
            json.garbled.transfer_messages,
            json.offline_link_s,
        ),
        ("online: both ways", json.bytes_sent.iter().sum(), json.rounds, json.online_link_s),
    ];
    for (what, count, messages, seconds) in rows {
        table.row([what.to_owned(), bytes(count), messages.to_string(), format!("{seconds:.4}")]);
    }
    let runs = if json.batches == 1 { String::new() } else { format!(", for each of {} runs", json.batches) };
    format!(
        "{}: {}, {} bits, over {}{runs}\n{}  online, party 0 sends {} bytes and party 1 {}\n{}{}{}  circuit {}\n",
        json.job,
        json.protocol,
        json.ring_bits,
        json.link,
        table.render(),
        bytes(json.bytes_sent[0]),
        bytes(json.bytes_sent[1]),
        json.garbled.text(),
        json.trust.text(),
        json.ranges.text(),
        &json.digest[..16]
    )
}
