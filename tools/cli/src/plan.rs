//! `plan`: what a job will take.

mod ops;
mod pair;
mod sources;
mod ways;

use self::ops::{LinePlan, OpPlan, lines_text, ops_text};
use self::pair::{PairPlan, PairPrices, priced_beside};
use self::sources::SourcePlan;
use self::ways::{WayPlan, planned_by_way};
use crate::args::{Folders, Shared};
use crate::devices::{DeviceJson, device_lines};
use crate::failure::Failure;
use crate::output::{self, Document};
use crate::report::Ranges;
use crate::table::{Table, bytes};
use crate::trust::Trust;
use crate::{garbled, say};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use symbolon::correlation::{LoweredFor, Source};
use symbolon::net::LinkShape;
use symbolon::plan::{DeviceModel, Plan, PlanOptions, Plans, SpilledMemory, Supply};
use symbolon::program::tiling::TileSide;
use symbolon::program::{Program, range};
use symbolon::protocol::Protocol;
use symbolon::run::{Prediction, RolePrediction, simulate};
use symbolon::session::{
    Chosen, CorrelationStore, Devices, PricedRun, SessionError, Surroundings, choose_side, pair_time,
    plan_tiles, source_prices, usual_times,
};
use symbolon::share::{Role, Turn};
use symbolon::step::MemoryClass;
use symbolon_job::demand::DemandFile;
use symbolon_job::{AnyJob, Correlations, Job, Sources, check_targets};

/// A plan as JSON; the names are those of a run's report.
#[derive(Serialize)]
pub struct PlanJson {
    job: String,
    protocol: String,
    ring_bits: u32,
    fraction_bits: u32,
    digest: String,
    /// The digest of the demand that a store must have been dealt for.
    demand_digest: String,
    device: String,
    rounds: u32,
    offline_bytes: u64,
    /// What the parties take to make the correlations between themselves, where they do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pair: Option<PairPlan>,
    /// What each source that the protocol can have takes for the first run.
    sources: Vec<SourcePlan>,
    /// What each way to compute what is not linear takes, where the protocol has several and they differ.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    nonlinear: Vec<WayPlan>,
    correlations: Vec<String>,
    parties: Vec<RolePlan>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dealer: Option<RolePlan>,
    /// What each step of the job takes, each input and state, the dearest first.
    lines: Vec<LinePlan>,
    ops: Vec<OpPlan>,
    trust: Trust,
    #[serde(flatten)]
    ranges: Ranges,
    /// The ranges in which functions search an argument's power of two, and the number of comparisons.
    searches: Vec<String>,
    /// Absent where matrices stay whole.
    tile_side: Option<usize>,
    /// Correlations dealt ahead, or streamed.
    supply: Supply,
    predicted: PredictedJson,
    /// The figures of a run like most, where runs differ: since inputs are resident, states begin, or outputs are revealed in
    /// few. Those above are of all that any run does.
    #[serde(skip_serializing_if = "Option::is_none")]
    again: Option<AgainJson>,
    /// The figures of all runs together, where there are several: the batches, or the turns of a loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    runs: Option<AllRunsJson>,
}

/// The figures of a later run.
#[derive(Serialize)]
struct AgainJson {
    bytes_sent: Vec<u64>,
    rounds: u32,
    offline_bytes: u64,
    correlations: Vec<String>,
    online_s: f64,
}

/// The figures of all runs of a job.
#[derive(Serialize)]
struct AllRunsJson {
    runs: u32,
    bytes_sent: Vec<u64>,
    rounds: u64,
    offline_bytes: u64,
    offline_s: f64,
    online_s: f64,
}

/// The predicted time of the run, on a device and over a link.
#[derive(Serialize)]
struct PredictedJson {
    device_model: String,
    link: String,
    offline_s: f64,
    online_s: f64,
    parties: Vec<PredictedRole>,
}

#[derive(Serialize)]
struct PredictedRole {
    id: String,
    device_s: f64,
    /// Transfers between device and host, where the model has them beside kernels.
    transfer_s: f64,
    wire_s: f64,
}

#[derive(Serialize)]
struct RolePlan {
    id: String,
    bytes_sent: u64,
    bytes_received: u64,
    offline_bytes_sent: u64,
    offline_bytes_received: u64,
    steps: usize,
    vram_planned_bytes: u64,
    vram_by_class: BTreeMap<String, u64>,
    /// The bytes that move to host memory and back, to keep within the budget.
    #[serde(flatten)]
    spilled: SpilledMemory,
    /// The most host memory that garbled circuits take at once, where there are such.
    #[serde(skip_serializing_if = "Option::is_none")]
    garbled_host_bytes: Option<u64>,
    /// The steps on each device, where there are several; memory above is that of all of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    devices: Vec<DeviceJson>,
}

/// Prints what a job will take, and writes its demand where that was asked for.
pub fn plan(
    job_path: &Path,
    demand: Option<&Path>,
    folders: &Folders,
    listed: Listed,
    shared: &Shared,
) -> Result<(), Failure> {
    let mut job = match AnyJob::read(job_path)? {
        AnyJob::Steps(job) => job,
        AnyJob::Garbled(job) => return garbled::plan(&job, demand, folders, shared),
    };
    folders.apply(&mut job)?;
    let wanted = folders.correlations.as_ref();
    let sources = job.sources(wanted, Some(&Correlations::CHOOSABLE))?;
    let sources = match (demand, wanted.and_then(Correlations::store)) {
        (Some(_), Some(_)) => {
            let reason =
                "--demand writes what a store is to be made for: it does not go with the store that is one";
            return Err(Failure::Usage(reason.to_owned()));
        }
        // A demand is written for a store: of the two parties' own where they are the source, or else of a dealer's.
        (Some(_), None) => job.stored(&sources)?,
        // Where no order is left to say it, as a dealer's.
        (None, Some(folder)) => match CorrelationStore::source_in(folder) {
            Ok(source) => Sources { allowed: vec![source], ..sources },
            Err(_) => sources,
        },
        (None, None) => sources,
    };
    job.check_outputs(job.output_files())?;
    check_targets(job.in_batches(job.input_files()), job.in_batches(job.output_files()))?;
    let program = job.program(&job.offers(&say::notice)?)?;
    let devices = shared.open_devices()?;
    let Planned { json, plans, side, .. } = planned_by_way(&job, &program, &sources, &devices, shared)?;
    if let Some(path) = demand {
        let varies = !plans.demand.once.is_empty() || !plans.demand.seldom.is_empty();
        if job.batches.max(job.turns()) > 1 && varies {
            return Err(SessionError::StoredRunsDiffer.into());
        }
        DemandFile::new(&plans, side).write(path)?;
    }
    output::print(shared.json, Document::Plan, &json, &json.text(listed))
}

/// What a job will take, and the plans that say so.
pub struct Planned {
    pub json: PlanJson,
    plans: Plans,
    side: TileSide,
    /// The times by which sources and ways are chosen, of this way with each source.
    runs: Vec<PricedRun>,
}

/// The choice among sources where all parties are this user's; `None` where there is none to make.
pub fn choose(job: &Job, sources: &Sources, shared: &Shared) -> Result<Option<Chosen>, Failure> {
    if !sources.is_chosen {
        return Ok(None);
    }
    let program = job.program(&job.offers(&say::notice)?)?;
    ways::choose(job, &program, sources, &shared.open_devices()?, shared)
}

/// Plans a job's program by a protocol, on devices.
pub fn planned(
    job: &Job,
    protocol: Protocol,
    program: &Program,
    source: Source,
    devices: &Devices,
    shared: &Shared,
) -> Result<Planned, Failure> {
    let (staging_bytes, models) = (devices.staging_bytes(), devices.models());
    let link = shared.link.unwrap_or(LinkShape::LAN);
    let surroundings =
        Surroundings { models, spread: devices.spread(), link, budget_bytes: shared.budget, staging_bytes };
    let options = PlanOptions {
        source: Some(source),
        supply: job.supply().or(shared.supply()),
        budget_bytes: surroundings.buffers_bytes(),
        ..PlanOptions::default()
    };
    let (side, plans) = match shared.tile_side() {
        Some(side) => {
            let options = PlanOptions { side, ..options };
            (side, plan_tiles(protocol, program, options, &surroundings)?)
        }
        None => choose_side(protocol, program, options, &surroundings)?,
    };
    plans.check_budget(staging_bytes, shared.budget)?;
    let predicted = simulate(&plans, models, link, shared.overlap());
    let lines = device_lines(devices);
    let role = |plan: &Plan| {
        // A dealer's steps are of correlations, not of ops.
        let placed = match plan.role {
            Role::Party(_) => DeviceJson::planned(plan, program, &lines, staging_bytes),
            Role::Dealer => Vec::new(),
        };
        role(&plans, plan, placed, staging_bytes)
    };
    let is_pair = plans.source == Source::Pair;
    let is_for_pair = plans.source.lowered_for() == LoweredFor::Pair;
    let other = priced_beside(protocol, plans.source).map(|source| {
        let options = PlanOptions { source: Some(source), side, ..options };
        plan_tiles(protocol, program, options, &surroundings)
    });
    let other = other.transpose()?;
    let beside = other.as_ref().unwrap_or(&plans);
    let (of_pair, dealt) = if is_for_pair { (Some(&plans), beside) } else { (other.as_ref(), &plans) };
    let mut prices = of_pair.map(|plans| PairPrices::new(job, program, plans));
    let pair = prices.as_ref().filter(|_| is_pair).map(|prices| prices.plan(link));
    let predicted_of = |plans: &Plans| simulate(plans, models, link, shared.overlap());
    let of_dealt = if is_for_pair { predicted_of(dealt) } else { predicted.clone() };
    let price = prices.as_ref().map(PairPrices::first);
    let by_pair = of_pair.zip(price.as_ref()).map(|(plans, price)| {
        (plans, if is_for_pair { predicted.clone() } else { predicted_of(plans) }, price)
    });
    let by_pair = by_pair.as_ref().map(|(plans, predicted, price)| (*plans, predicted, *price));
    let sources = source_prices(protocol, (dealt, &of_dealt), by_pair, link);
    let making = prices.as_mut().map(|prices| prices.usual(job, program));
    let run = |plans: &Plans| {
        let making = making.as_ref().filter(|_| plans.source == Source::Pair);
        let times = usual_times(plans, making, models, (link, shared.overlap()), job.may_run_again());
        PricedRun { protocol, source: plans.source, times }
    };
    let mut runs: Vec<PricedRun> = Some(&plans).into_iter().chain(&other).map(run).collect();
    // As sessions have them.
    runs.sort_by_key(|run| run.source.process().is_none());
    // Whoever deals sends corrections alone.
    let mut offline = |plans: &Plans, turn: &Turn| match prices.as_mut().filter(|_| is_pair) {
        Some(prices) => {
            let price = prices.of_turn(turn);
            (price.bytes(), Some(pair_time(&price, link).as_secs_f64()))
        }
        None => (plans.demand.correction_bytes(), None),
    };
    let json = PlanJson {
        job: job.name.clone(),
        protocol: protocol.to_string(),
        ring_bits: job.codec.ring().bits(),
        fraction_bits: job.codec.fraction_bits(),
        digest: blake3::Hash::from(plans.agreement.digest).to_hex().to_string(),
        demand_digest: DemandFile::new(&plans, side).digest,
        device: lines.join(" + "),
        rounds: plans.traffic.rounds,
        offline_bytes: offline(&plans, &program.turn(0)).0,
        predicted: predicted_json(&predicted, models, link, pair.as_ref()),
        pair,
        sources: sources.iter().map(SourcePlan::from).collect(),
        nonlinear: Vec::new(),
        correlations: plans.demand.summary(),
        parties: plans.parties.iter().map(role).collect(),
        dealer: plans.dealer.as_ref().filter(|_| !is_for_pair).map(role),
        lines: LinePlan::all(&plans, program, models, link),
        ops: plans.cost.ops.iter().map(|cost| OpPlan::new(cost, &plans, program)).collect(),
        trust: Trust::new(protocol, plans.source),
        ranges: Ranges::of(program)?,
        searches: range::searches(program).iter().map(|search| search.text(program)).collect(),
        tile_side: (side != TileSide::WHOLE).then_some(side.0),
        supply: plans.supply(),
        again: plans.again.as_ref().map(|again| {
            let online_s = simulate(again, models, link, shared.overlap()).online.as_secs_f64();
            again_json(again, offline(again, &program.typical_turn()).0, online_s)
        }),
        runs: all_runs(job, program, &plans, &mut offline, |plans| {
            simulate(plans, models, link, shared.overlap())
        }),
    };
    Ok(Planned { json, plans, side, runs })
}

fn role(plans: &Plans, plan: &Plan, devices: Vec<DeviceJson>, staging_bytes: u64) -> RolePlan {
    let traffic = plans.traffic.of(plan.role);
    let mut memory = plan.memory();
    if staging_bytes > 0 {
        memory.insert(MemoryClass::Staging, staging_bytes * devices.len().max(1) as u64);
    }
    RolePlan {
        id: id(plan.role),
        bytes_sent: traffic.sent_bytes,
        bytes_received: traffic.received_bytes,
        offline_bytes_sent: traffic.offline_sent_bytes,
        offline_bytes_received: traffic.offline_received_bytes,
        steps: plan.steps.len(),
        spilled: plan.spilled(),
        garbled_host_bytes: Some(plan.garbled_host_bytes()).filter(|&bytes| bytes > 0),
        devices,
        vram_planned_bytes: memory.values().sum(),
        vram_by_class: memory.into_iter().map(|(class, bytes)| (class.name().to_owned(), bytes)).collect(),
    }
}

fn predicted_json(
    predicted: &Prediction,
    models: &[DeviceModel],
    link: LinkShape,
    pair: Option<&PairPlan>,
) -> PredictedJson {
    let names: Vec<&str> = models.iter().map(|model| model.name.as_str()).collect();
    let party = |party: &RolePrediction| PredictedRole {
        id: id(party.role),
        device_s: party.device().as_secs_f64(),
        transfer_s: party.transfer().as_secs_f64(),
        wire_s: party.wire.as_secs_f64(),
    };
    PredictedJson {
        device_model: names.join(" + "),
        link: link.to_string(),
        // No dealer deals where the parties do it themselves.
        offline_s: pair.map_or(predicted.offline.as_secs_f64(), PairPlan::seconds),
        online_s: predicted.online.as_secs_f64(),
        parties: predicted.parties.iter().map(party).collect(),
    }
}

/// The figures of all runs, of which each kind is simulated once.
fn all_runs(
    job: &Job,
    program: &Program,
    plans: &Plans,
    mut offline: impl FnMut(&Plans, &Turn) -> (u64, Option<f64>),
    simulate: impl Fn(&Plans) -> Prediction,
) -> Option<AllRunsJson> {
    let runs = job.batches.max(job.turns());
    let mut kinds: BTreeMap<Turn, u32> = BTreeMap::new();
    (0..runs).for_each(|run| *kinds.entry(program.turn(run)).or_default() += 1);
    let (parties, mut all) = (plans.parties.len(), AllRunsJson::none(runs, plans.parties.len()));
    for (turn, count) in kinds {
        let plans = plans.of_turn(&turn);
        let (times, predicted) = (u64::from(count), simulate(&plans));
        for party in 0..parties {
            all.bytes_sent[party] += times * plans.traffic.of(plans.parties[party].role).sent_bytes;
        }
        all.rounds += times * u64::from(plans.traffic.rounds);
        let (bytes, made_s) = offline(&plans, &turn);
        all.offline_bytes += times * bytes;
        all.offline_s += f64::from(count) * made_s.unwrap_or(predicted.offline.as_secs_f64());
        all.online_s += f64::from(count) * predicted.online.as_secs_f64();
    }
    (runs > 1).then_some(all)
}

impl AllRunsJson {
    fn none(runs: u32, parties: usize) -> AllRunsJson {
        let bytes_sent = vec![0; parties];
        AllRunsJson { runs, bytes_sent, rounds: 0, offline_bytes: 0, offline_s: 0.0, online_s: 0.0 }
    }

    fn text(&self) -> String {
        let sent = self.bytes_sent.iter().enumerate();
        let sent: Vec<String> =
            sent.map(|(party, sent)| format!("party {party} sends {} bytes", bytes(*sent))).collect();
        format!(
            "  all {} runs: {}, the dealer {}; {} round(s), predicted offline {:.4} s, online {:.4} s\n",
            self.runs,
            sent.join(", "),
            bytes(self.offline_bytes),
            self.rounds,
            self.offline_s,
            self.online_s
        )
    }
}

fn again_json(plans: &Plans, offline_bytes: u64, online_s: f64) -> AgainJson {
    AgainJson {
        bytes_sent: plans.parties.iter().map(|plan| plans.traffic.of(plan.role).sent_bytes).collect(),
        rounds: plans.traffic.rounds,
        offline_bytes,
        correlations: plans.demand.summary(),
        online_s,
    }
}

fn id(role: Role) -> String {
    match role {
        Role::Party(party) => party.0.to_string(),
        Role::Dealer => "dealer".to_owned(),
    }
}

/// The lines and ops that the text of a plan lists; JSON has them all.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    /// As many as fit on a page with the rest: the dearest lines, and ops where they are few.
    Dearest,
    /// All.
    All,
}

/// The number of lines, of ops and of searches, in the text of a plan.
const DEAREST: usize = 10;

impl PlanJson {
    /// In a table for people.
    pub fn text(&self, listed: Listed) -> String {
        text(self, listed)
    }

    /// The ranges that functions search.
    fn searches_text(&self, listed: Listed) -> String {
        let most = if listed == Listed::All { usize::MAX } else { DEAREST };
        let shown =
            self.searches.iter().take(most).fold(String::new(), |text, search| text + "  " + search + "\n");
        match self.searches.len().saturating_sub(most) {
            0 => shown,
            others => shown + &format!("  {others} other search(es) like these; --all lists them\n"),
        }
    }
}

fn text(json: &PlanJson, listed: Listed) -> String {
    let mut text = format!(
        "{}: {}, {} bits, {} fraction bits, {} round(s)\n",
        json.job, json.protocol, json.ring_bits, json.fraction_bits, json.rounds
    );
    let mut table = Table::new(["role", "bytes sent", "received", "steps", "device memory"]);
    for role in json.parties.iter().chain(&json.dealer) {
        let (name, sent) = match role.id.as_str() {
            "dealer" => ("dealer, offline".to_owned(), role.offline_bytes_sent),
            id => (format!("party {id}"), role.bytes_sent),
        };
        let classes: Vec<String> =
            role.vram_by_class.iter().map(|(class, size)| format!("{class} {}", bytes(*size))).collect();
        table.row([
            name,
            bytes(sent),
            bytes(role.bytes_received),
            role.steps.to_string(),
            format!("{} ({})", bytes(role.vram_planned_bytes), classes.join(", ")),
        ]);
    }
    text += &table.render();
    for role in json.parties.iter().filter(|role| role.offline_bytes_sent > 0) {
        let sent = bytes(role.offline_bytes_sent);
        let when = if json.supply == Supply::Streamed { "as they are used" } else { "before the inputs" };
        text += &format!("  party {} sends {sent} bytes of corrections {when}\n", role.id);
    }
    for role in json.parties.iter().chain(&json.dealer) {
        for (number, device) in role.devices.iter().enumerate() {
            text += &format!("  party {} on {}\n", role.id, device.text(number));
        }
        if let Some(host) = role.garbled_host_bytes {
            let host = bytes(host);
            text += &format!(
                "  party {} holds up to {host} bytes of labels and tables in host memory\n",
                role.id
            );
        }
        let SpilledMemory { spilled_bytes, reloaded_bytes, moved_bytes, host_peak_bytes } = role.spilled;
        if moved_bytes > 0 {
            text += &format!("  party {} moves {} bytes between its devices\n", role.id, bytes(moved_bytes));
        }
        if spilled_bytes > 0 {
            text += &format!(
                "  to keep within the budget, {} moves {} bytes to host memory and {} back; it holds up to {} there\n",
                if role.id == "dealer" { "the dealer".to_owned() } else { format!("party {}", role.id) },
                bytes(spilled_bytes),
                bytes(reloaded_bytes),
                bytes(host_peak_bytes)
            );
        }
    }
    text += &lines_text(&json.lines, listed);
    text += &ops_text(&json.ops, listed);
    text += &json.pair.as_ref().map_or_else(String::new, PairPlan::text);
    text.extend(json.sources.iter().map(SourcePlan::text));
    text.extend(json.nonlinear.iter().map(WayPlan::text));
    for line in &json.correlations {
        text += &format!("  needs {line}\n");
    }
    text += &json.searches_text(listed);
    text += &json.trust.text();
    text += &json.ranges.text();
    let predicted = &json.predicted;
    let tiles =
        json.tile_side.map_or("whole matrices".to_owned(), |side| format!("tiles of {side} x {side}"));
    text += &format!(
        "  predicted, {tiles}, correlations {}, each party on {}, link {}: offline {:.4} s, online {:.4} s\n",
        json.supply, predicted.device_model, predicted.link, predicted.offline_s, predicted.online_s
    );
    for PredictedRole { id, device_s, transfer_s, wire_s } in &predicted.parties {
        let transfers =
            if *transfer_s > 0.0 { format!(", transfers {transfer_s:.4} s") } else { String::new() };
        text += &format!("    party {id}: device {device_s:.4} s{transfers}, wire {wire_s:.4} s\n");
    }
    if let Some(again) = &json.again {
        let sent = again.bytes_sent.iter().enumerate();
        let sent: Vec<String> =
            sent.map(|(party, sent)| format!("party {party} sends {} bytes", bytes(*sent))).collect();
        text += &format!(
            "  each run but the first and those that reveal more: {}, the dealer {}; {} round(s), predicted online {:.4} s\n",
            sent.join(", "),
            bytes(again.offline_bytes),
            again.rounds,
            again.online_s
        );
        for line in &again.correlations {
            text += &format!("    needs {line}\n");
        }
    }
    text.extend(json.runs.as_ref().map(AllRunsJson::text));
    text += &format!(
        "  on {}\n  plan {}, demand {}\n",
        json.device,
        &json.digest[..16],
        &json.demand_digest[..16]
    );
    text
}
