//! Dealing to files: the dealer runs as ever, and its messages to each party go to that party's file.

use super::{
    KEY_FILE, MOST_ORDERS, StoreError, create, create_folder, failed, order_path, party_folder, sync_folder,
};
use crate::correlation::order_file::{OrderError, OrderHeader, OrderWriter, Piece, StoreId, StoreKey};
use crate::correlation::{Demand, LoweredFor};
use crate::net::Data;
use crate::plan::{Plan, PlanError, dealer_steps};
use crate::program::tiling::TileSide;
use crate::ring::prg::PrgKey;
use crate::run::{
    Execution, Memory, MessageSink, Progress, RunReport, SharedSink, Stage, Stages, StoredFailed, execute,
};
use crate::session::dealer::plan;
use crate::session::wire::Wire;
use crate::session::{Dealt, Devices, SessionError, SessionOptions};
use crate::share::{PartyId, Role};
use crate::step::{KeyId, MessageId, OpId};
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// Deals `orders` orders of `demand` into a new store in `folder`. `tile_side` is what the demand was planned with: the
/// parties plan with the same.
///
/// # Errors
/// Where the demand is of programs that are lowered for stores which two parties fill, cannot be dealt or does not fit the budget, the folder has a store or cannot be written, or a
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
    if demand.lowered_for == LoweredFor::Pair {
        return Err(StoreError::ForPair.into());
    }
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

/// The tag of the messages of a run into files: there is no other on their way.
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
            lowered_for: demand.lowered_for,
            demand: demand.digest(),
        };
        let mut parties = BTreeMap::new();
        for party in Demand::PARTIES {
            parties.insert(party, make_folder(folder, party)?);
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
        let (mut sinks, mut keys) = (Vec::new(), HashMap::new());
        for (&party, (folder, store)) in &self.parties {
            let id = KeyId::between(party, Role::Dealer);
            let entropy = |error: getrandom::Error| SessionError::Entropy { reason: error.to_string() };
            let key = PrgKey::from_entropy().map_err(entropy)?;
            let header = OrderHeader { party, order, ..self.header };
            sinks.push(Arc::new(Mutex::new(OrderSink::create(folder, store, &header, &key)?)));
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
            answers: None,
            links: &mut [],
            source: None,
            sinks: sinks.iter().map(|sink| sink.clone() as SharedSink).collect(),
            activity: &wire.links.activity,
            interrupt: wire.links.interrupt,
            progress: &Progress::default(),
            stages: &mut stages,
            run: RUN,
            follows: false,
            goes_on: false,
            stall: options.deadlines.stall,
            overlap: options.overlap,
            trace: false,
            label: &label,
        };
        let result = execute(wire.handle(), execution);
        stages.end(Stage::Wiping);
        let mut sinks: Vec<_> = sinks.iter().map(|sink| sink.lock().expect("no panic in a sink")).collect();
        // A file that could not be written is why the run failed.
        sinks.iter_mut().try_for_each(|sink| sink.fault())?;
        let report = RunReport { stages: stages.take(), ..result?.report };
        let partial: Vec<PathBuf> = sinks.iter_mut().map(|sink| sink.finish()).collect::<Result<_, _>>()?;
        for ((folder, _), from) in self.parties.values().zip(partial) {
            publish(folder, &from, order)?;
        }
        Ok(report)
    }
}

/// Makes a party's folder of a new store, with its key.
pub(super) fn make_folder(folder: &Path, party: PartyId) -> Result<(PathBuf, StoreKey), SessionError> {
    let own = folder.join(party_folder(party));
    if own.exists() {
        return Err(StoreError::Present { folder: folder.to_owned() }.into());
    }
    let entropy = |error: getrandom::Error| SessionError::Entropy { reason: error.to_string() };
    let key = StoreKey::from_entropy().map_err(entropy)?;
    create_folder(&own)?;
    let path = own.join(KEY_FILE);
    let mut file = create(&path)?;
    let written = file.write_all(key.bytes()).and_then(|()| file.sync_all());
    written.map_err(|error| failed(&path, error))?;
    Ok((own, key))
}

/// Gives a whole file the name of an order in a party's folder, and waits for the disk.
pub(super) fn publish(folder: &Path, from: &Path, order: u32) -> Result<(), StoreError> {
    fs::rename(from, order_path(folder, order)).map_err(|error| failed(from, error))?;
    sync_folder(folder)
}

/// The file of a party's order that is being written.
pub(super) struct OrderSink {
    party: PartyId,
    path: PathBuf,
    /// Until it is finished.
    writer: Option<OrderWriter<File>>,
    fault: Option<OrderError>,
}

impl OrderSink {
    pub(super) fn create(
        folder: &Path,
        store: &StoreKey,
        header: &OrderHeader,
        key: &PrgKey,
    ) -> Result<OrderSink, StoreError> {
        let path = folder.join("order.partial");
        let file = create(&path)?;
        let wrong = |error| StoreError::Order { path: path.clone(), error };
        let writer = Some(OrderWriter::new(file, store, header, key).map_err(wrong)?);
        Ok(OrderSink { party: header.party, path, writer, fault: None })
    }

    /// Ends the file and waits for the disk; returns where it is.
    pub(super) fn finish(&mut self) -> Result<PathBuf, StoreError> {
        let file = self.writer.take().expect("a file is finished once").finish();
        let synced = file.and_then(|file| file.sync_all().map_err(|error| OrderError::Io(error.to_string())));
        synced.map(|()| self.path.clone()).map_err(|error| self.failed(error))
    }

    /// The reason for which the last pieces could not be kept, if they could not.
    pub(super) fn fault(&mut self) -> Result<(), StoreError> {
        self.fault.take().map_or(Ok(()), |error| Err(self.failed(error)))
    }

    fn failed(&self, error: OrderError) -> StoreError {
        StoreError::Order { path: self.path.clone(), error }
    }
}

impl MessageSink for OrderSink {
    fn taker(&self) -> Role {
        self.party.into()
    }

    fn keep(&mut self, pieces: Vec<Data>) -> Result<(), StoredFailed> {
        let piece = |Data { message, offset, payload, .. }| Piece {
            message: MessageId(message),
            offset,
            bytes: payload,
        };
        let pieces: Vec<Piece> = pieces.into_iter().map(piece).collect();
        let written = self.writer.as_mut().expect("it is not finished").chunk(&pieces);
        written.map_err(|error| {
            self.fault = Some(error);
            StoredFailed
        })
    }
}
