//! Dealing to files: the dealer runs as ever, and what it sends each party ends in that party's file.

use super::{
    KEY_FILE, MOST_ORDERS, StoreError, create, create_folder, failed, order_path, party_folder, sync_folder,
};
use crate::correlation::Demand;
use crate::correlation::store::{OrderError, OrderHeader, OrderWriter, Piece, StoreId, StoreKey};
use crate::net::{Activity, Data, Frame, Link, LinkOptions, Messages, NetError};
use crate::plan::{Plan, PlanError, dealer_steps};
use crate::program::tiling::TileSide;
use crate::ring::prg::PrgKey;
use crate::run::{Execution, Memory, Progress, RunReport, Stage, Stages, execute};
use crate::session::dealer::plan;
use crate::session::wire::Wire;
use crate::session::{Dealt, Devices, SessionError, SessionOptions};
use crate::share::{PartyId, Role};
use crate::step::{Action, KeyId, MessageId, OpId};
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

/// Deals `orders` orders of `demand` into a new store in `folder`. `tile_side` is what the demand was planned with: the
/// parties plan with the same.
///
/// # Errors
/// Where the demand cannot be dealt or does not fit the budget, the folder has a store or cannot be written, or a
/// device fails. Orders that were finished before a failure can be used.
///
/// # Panics
/// Where so many orders are no store, and within a task of a tokio runtime.
pub fn deal_ahead(
    devices: impl Into<Devices>,
    demand: &Demand,
    tile_side: TileSide,
    folder: &Path,
    orders: u32,
    options: SessionOptions,
) -> Result<Dealt, SessionError> {
    assert!((1..=MOST_ORDERS).contains(&orders), "a store of 1 to {MOST_ORDERS} orders");
    let devices = &devices.into();
    let list = dealer_steps(demand).map_err(PlanError::from)?;
    let plan = plan(devices, &list, &options)?;
    let wire = Wire::new(&options)?;
    let bench = Bench::new(demand, tile_side, folder)?;
    let mut memory = Memory::allocate(&plan, devices.all())?;
    let mut dealt = Dealt::default();
    for order in 0..orders {
        dealt.reports.push(bench.deal(devices, &plan, &memory, &wire, &options, order)?);
        dealt.correlations += demand.entries.len();
    }
    memory.free(devices.all())?;
    Ok(dealt)
}

/// The messages that the dealer's plan sends to a party, with their sizes in bytes.
fn messages_to(plan: &Plan, party: Role) -> Messages {
    let sends = plan.steps.iter().filter_map(|planned| match planned.step.action {
        Action::Send { from, peer, message } if peer == party => {
            Some((message.0, from.shape.size_bytes(plan.ring)))
        }
        _ => None,
    });
    Messages::new(RUN, u32::MAX, sends)
}

/// Bytes between a run into files and the thread that writes a file: some frames.
const PIPE_BYTES: usize = 1 << 20;

/// The tag of the frames of a run into files: their links carry no other run.
const RUN: u32 = 0;

/// The folders of a store that is being made.
struct Bench {
    /// By party: its folder, and its key.
    parties: BTreeMap<PartyId, (PathBuf, StoreKey)>,
    /// Of party 0's order 0.
    header: OrderHeader,
}

impl Bench {
    fn new(demand: &Demand, tile_side: TileSide, folder: &Path) -> Result<Bench, SessionError> {
        let entropy = |error: getrandom::Error| SessionError::Entropy { reason: error.to_string() };
        let header = OrderHeader {
            party: PartyId(0),
            ring: demand.ring,
            store: StoreId::from_entropy().map_err(entropy)?,
            order: 0,
            tile_side: tile_side.0 as u64,
            demand: demand.digest(),
        };
        let mut parties = BTreeMap::new();
        for party in Demand::PARTIES {
            let own = folder.join(party_folder(party));
            if own.exists() {
                return Err(StoreError::Present { folder: folder.to_owned() }.into());
            }
            let key = StoreKey::from_entropy().map_err(entropy)?;
            create_folder(&own)?;
            let path = own.join(KEY_FILE);
            let mut file = create(&path)?;
            file.write_all(key.bytes())
                .and_then(|()| file.sync_all())
                .map_err(|error| failed(&path, error))?;
            parties.insert(party, (own, key));
        }
        Ok(Bench { parties, header })
    }

    /// Deals one order. It has its name in both folders only once it is whole in both.
    fn deal(
        &self,
        devices: &Devices,
        plan: &Plan,
        memory: &Memory,
        wire: &Wire,
        options: &SessionOptions,
        order: u32,
    ) -> Result<RunReport, SessionError> {
        let (mut links, mut sinks, mut keys) = (Vec::new(), Vec::new(), HashMap::new());
        for (&party, (folder, store)) in &self.parties {
            let id = KeyId::between(party, Role::Dealer);
            let entropy = |error: getrandom::Error| SessionError::Entropy { reason: error.to_string() };
            let key = PrgKey::from_entropy().map_err(entropy)?;
            let header = OrderHeader { party, order, ..self.header };
            let messages = messages_to(plan, party.into());
            let (link, sink) = Sink::start(folder, store, &header, &key, messages, wire)?;
            links.push(link);
            sinks.push(sink);
            keys.insert(id, key);
        }
        let label = |op: OpId| format!("correlation {}", op.0);
        let mut stages = Stages::default();
        let execution = Execution {
            plan,
            devices: devices.all(),
            models: devices.models(),
            memory,
            keys: &keys,
            inputs: BTreeMap::new(),
            outputs: Vec::new(),
            links: &mut links,
            source: None,
            activity: &wire.links.activity,
            interrupt: wire.links.interrupt,
            progress: &Progress::default(),
            stages: &mut stages,
            run: RUN,
            stall: options.deadlines.stall,
            overlap: options.overlap,
            trace: false,
            label: &label,
        };
        let result = execute(wire.handle(), execution).map_err(SessionError::from);
        let result = match result {
            Ok(outcome) => {
                stages.end(Stage::Wiping);
                let report = RunReport { stages: stages.take(), ..outcome.report };
                wire.finish(links).map(|()| report).map_err(SessionError::from)
            }
            Err(error) => {
                wire.abort(links, |peer| error.told(peer));
                Err(error)
            }
        };
        let mut partial = Vec::new();
        for sink in sinks {
            // A file that could not be written is why the rest failed.
            match sink.join() {
                Err(SinkError::Store(error)) => return Err(error.into()),
                Err(SinkError::Net(error)) => return Err(result.err().unwrap_or(error.into())),
                Ok(path) => partial.push(path),
            }
        }
        let report = result?;
        for ((folder, _), from) in self.parties.values().zip(partial) {
            fs::rename(&from, order_path(folder, order)).map_err(|error| failed(&from, error))?;
            sync_folder(folder)?;
        }
        Ok(report)
    }
}

/// The end of a link at which what a party is sent is written down.
struct Sink {
    thread: JoinHandle<Result<PathBuf, SinkError>>,
}

enum SinkError {
    Store(StoreError),
    Net(NetError),
}

impl Sink {
    fn start(
        folder: &Path,
        store: &StoreKey,
        header: &OrderHeader,
        key: &PrgKey,
        messages: Messages,
        wire: &Wire,
    ) -> Result<(Link, Sink), StoreError> {
        let path = folder.join("order.partial");
        let file = create(&path)?;
        let wrong = |error| StoreError::Order { path: path.clone(), error };
        let writer = OrderWriter::new(file, store, header, key).map_err(wrong)?;
        let _runtime = wire.handle().enter();
        let unshaped = LinkOptions { shape: None, ..wire.links.clone() };
        let apart = LinkOptions { activity: Activity::new(), ..unshaped.clone() };
        let peers = [header.party.into(), Role::Dealer];
        let (link, mut far) = Link::pair(peers, [&unshaped, &apart], PIPE_BYTES);
        far.receiver().expect_messages(messages);
        let handle = wire.handle().clone();
        let thread = std::thread::spawn(move || {
            let mut next = || handle.block_on(far.receiver().receive());
            match write(writer, &mut next) {
                Ok(()) => {
                    handle.block_on(far.finish()).map_err(SinkError::Net)?;
                    Ok(path)
                }
                Err(Ended::Written(error)) => {
                    handle.block_on(far.abort("its file cannot be written"));
                    Err(SinkError::Store(StoreError::Order { path, error }))
                }
                Err(Ended::Link(error)) => Err(SinkError::Net(error)),
            }
        });
        Ok((link, Sink { thread }))
    }

    fn join(self) -> Result<PathBuf, SinkError> {
        self.thread.join().expect("a sink does not panic")
    }
}

/// Why a file was not finished.
enum Ended {
    Written(OrderError),
    Link(NetError),
}

/// Writes a file of the frames that come, up to the end, and waits for the disk.
fn write(
    mut writer: OrderWriter<File>,
    next: &mut impl FnMut() -> Result<Frame, NetError>,
) -> Result<(), Ended> {
    let piece =
        |Data { message, offset, payload, .. }| Piece { message: MessageId(message), offset, bytes: payload };
    loop {
        let pieces = match next().map_err(Ended::Link)? {
            Frame::Data(data) => vec![piece(data)],
            Frame::Bundle(bundle) => bundle.messages.into_iter().map(piece).collect(),
            Frame::Finish => break,
            other => unreachable!("a dealer sends no {} frame", other.name()),
        };
        writer.chunk(&pieces).map_err(Ended::Written)?;
    }
    let file = writer.finish().map_err(Ended::Written)?;
    file.sync_all().map_err(|error| Ended::Written(OrderError::Io(error.to_string())))
}
