//! `deal`: the dealer of a deployment, or of a store.

use crate::args::{DealTo, Shared};
use crate::devices::device_lines;
use crate::failure::Failure;
use crate::output::{self, Document};
use crate::party::LISTENING;
use crate::process::Brief;
use crate::report::RoleJson;
use crate::say;
use crate::stages;
use crate::table::{bytes, seconds};
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use symbolon::correlation::{Demand, Source};
use symbolon::device::cpu::Cpu;
use symbolon::protocol::Protocol;
use symbolon::run::{Stage, Stages};
use symbolon::session::{Devices, Session, SessionSetup, deal_ahead, deal_behind};
use symbolon::share::{Parties, Role};
use symbolon_job::demand::DemandFile;
use symbolon_job::{DealerConfig, Notice, PartyConfig};

/// What the dealer did.
#[derive(Serialize)]
struct DealJson {
    correlations: usize,
    /// Correction bytes sent to all parties.
    offline_bytes: u64,
    orders: Vec<RoleJson>,
}

/// What was dealt ahead of time.
#[derive(Serialize)]
struct StoreJson {
    store: String,
    demand: String,
    orders: u32,
    correlations: usize,
    /// Correction bytes of all orders; or those that two parties sent each other to make them.
    offline_bytes: u64,
    wall_s: f64,
}

/// Deals to parties, or into files.
pub fn deal(to: &DealTo, shared: &Shared) -> Result<(), Failure> {
    match to {
        DealTo { demand: Some(demand), store: Some(store), count, pair: Some(pair), .. } => {
            by_pair(pair, demand, store, *count, shared)
        }
        DealTo { demand: Some(demand), store: Some(store), count, .. } => {
            ahead(demand, store, *count, shared)
        }
        DealTo { config, .. } => {
            online(config.as_ref().expect("the command line has --config or --demand"), shared)
        }
    }
}

/// Deals so many orders into a new store.
fn ahead(demand: &Path, store: &Path, count: u32, shared: &Shared) -> Result<(), Failure> {
    let start = Instant::now();
    let file = DemandFile::read(demand)?;
    let devices = shared.open_devices()?;
    let options = shared.session_options();
    let dealt = deal_ahead(devices.clone(), &file.demand, file.tile_side(), store, count, options)?;
    let json = StoreJson {
        store: store.display().to_string(),
        demand: file.digest,
        orders: count,
        correlations: dealt.correlations,
        offline_bytes: file.demand.correction_bytes() * u64::from(count),
        wall_s: start.elapsed().as_secs_f64(),
    };
    let text = format!(
        "dealt {count} order(s) of {} correlation(s) into {}: {} of corrections in {} on {}\n\
         Move each party's folder to that party, by a way that nobody else can read, and keep no copy.\n",
        file.demand.entries.len(),
        json.store,
        bytes(json.offline_bytes),
        seconds(json.wall_s),
        device_lines(&devices).join(" + ")
    );
    output::print(shared.json, Document::Deal, &json, &text)
}

/// Makes so many orders with the other party, each into a store of its own.
fn by_pair(config: &Path, demand: &Path, store: &Path, count: u32, shared: &Shared) -> Result<(), Failure> {
    let start = Instant::now();
    let file = DemandFile::read(demand)?;
    let config = PartyConfig::read(config)?;
    let network = config.network(Protocol::Beaver, &[Source::Pair], None, &say::notice)?;
    let party = network.party;
    let setup = SessionSetup { options: shared.session_options(), ..SessionSetup::new(network) };
    let listening = |address| say::notice(Notice::Listening { party, address });
    // Nothing is computed on it.
    let devices = Devices::from(Arc::new(Cpu::open(Some(1), None)?) as Arc<dyn symbolon::Device>);
    let mut session = Session::connect(devices, setup, listening)?;
    let filled = session.fill_store(&file.demand, file.tile_side(), store, count)?;
    session.finish()?;
    let json = StoreJson {
        store: store.display().to_string(),
        demand: file.digest,
        orders: filled.orders,
        correlations: file.demand.entries.len() * filled.orders as usize,
        offline_bytes: filled.made_bytes,
        wall_s: start.elapsed().as_secs_f64(),
    };
    let text = format!(
        "{party} made {} order(s) of {} correlation(s) with the other party into {}: {} bytes between them in {}\n",
        json.orders,
        file.demand.entries.len(),
        json.store,
        bytes(json.offline_bytes),
        seconds(json.wall_s)
    );
    output::print(shared.json, Document::Deal, &json, &text)
}

/// Deals to the parties of one deployment until they end.
fn online(config: &Path, shared: &Shared) -> Result<(), Failure> {
    let mut stages = Stages::default();
    let brief = Brief::own();
    let file = match brief {
        Some(brief) => DealerConfig::parse(config, &brief.config)?,
        None => DealerConfig::read(config)?,
    };
    let parties = Demand::PARTIES.len();
    let peers: Vec<Role> = Parties::first(parties).iter().map(Role::from).collect();
    let credentials = brief.map(|brief| brief.credentials(Role::Dealer, &peers)).transpose()?;
    let network = file.network(parties, credentials, &say::notice)?;
    stages.end(Stage::Reading);
    let devices = shared.open_devices()?;
    stages.end(Stage::Opening);
    let lines = device_lines(&devices);
    let listening = |address| say::note(&format!("the dealer is {LISTENING}{address}"));
    let mut dealt = deal_behind(stages, devices, &network, shared.session_options(), listening)?;
    let mut orders: Vec<RoleJson> =
        dealt.reports.iter().map(|report| RoleJson::new(report, &lines, |_| Vec::new(), 0)).collect();
    if let Some(last) = orders.last_mut() {
        last.stages.extend(stages::report(dealt.stages.take()));
    }
    let sent: u64 = orders.iter().map(|order| order.offline_bytes_sent).sum();
    let time: f64 = orders.iter().map(|order| order.offline_s).sum();
    let text = format!(
        "dealt {} correlation(s) in {} order(s): {} bytes in {} on {}\n",
        dealt.correlations,
        orders.len(),
        bytes(sent),
        seconds(time),
        lines.join(" + ")
    );
    let json = DealJson { correlations: dealt.correlations, offline_bytes: sent, orders };
    output::print(shared.json, Document::Deal, &json, &text)
}
