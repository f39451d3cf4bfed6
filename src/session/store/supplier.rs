//! A store as a source of correlations: the parties agree on an order, and its file is read while the run takes it.
//!
//! **Steps.** 1. Each party sends the others the numbers of its unused orders, and its mark beside the identity. 2. Each
//! takes the lowest that all have and no mark has passed (see the module above). 3. A thread reads the file chunk by chunk,
//! no faster than the run takes them.
//!
//! **A peer that lies** can have this party pass over orders, up to all of them. It cannot have one used again that this
//! party has marked: its own marks hold, whatever a peer says. Where this party has lost both of its own, in the folder and
//! beside the identity, the peer's word is all that there is: then a peer that leaves out its marks learns, from what this
//! party opens under the masks of before, how its values differ from those of before.

use super::{CorrelationStore, MOST_ORDERS, StoreError, TakenOrder};
use crate::correlation::Source;
use crate::correlation::order_file::{OrderError, Piece};
use crate::net::{Data, Link, NetError};
use crate::plan::Plans;
use crate::program::tiling::TileSide;
use crate::run::{MessageSource, RunError, StoredFailed};
use crate::session::SessionError;
use crate::session::source::{Draw, Means, Supplied, Supplier};
use crate::session::topic::UNUSED_ORDERS;
use crate::share::Role;
use crate::step::KeyId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Chunks between the thread that reads the file and the run; each is as large as a frame.
const CHUNKS_AHEAD: usize = 8;

/// A session's store.
pub(in crate::session) struct StoreSupplier {
    store: CorrelationStore,
    /// Told which order is used, and how many are left to all parties, after the mark and before the first mask.
    taken: Box<dyn Fn(u32, usize) + Send>,
    /// The file of the present run.
    file: Arc<OrderFile>,
}

/// The file of an order that is being read.
#[derive(Default)]
struct OrderFile {
    path: PathBuf,
    /// Its fault, once one is found.
    fault: OnceLock<OrderError>,
}

impl StoreSupplier {
    /// The source that it is.
    pub fn source(&self) -> Source {
        self.store.source()
    }

    pub fn new(store: CorrelationStore, taken: impl Fn(u32, usize) + Send + 'static) -> StoreSupplier {
        StoreSupplier { store, taken: Box::new(taken), file: Arc::default() }
    }
}

impl Supplier for StoreSupplier {
    fn name(&self) -> String {
        self.store.name()
    }

    fn tile_side(&self) -> Option<TileSide> {
        Some(self.store.tile_side())
    }

    /// Makes sure that it was dealt for this plan, and for as many runs as there will be.
    fn check(&self, plans: &Plans, is_prepared: bool) -> Result<(), SessionError> {
        let differs = !plans.demand.once.is_empty() || !plans.demand.seldom.is_empty();
        if is_prepared && differs {
            return Err(SessionError::StoredRunsDiffer);
        }
        Ok(self.store.check_demand(plans.demand.digest())?)
    }

    /// Agrees with the other parties on an order, and takes it.
    fn supply(&mut self, draw: &Draw<'_>, means: Means<'_>) -> Result<Supplied, SessionError> {
        let own = Left { unused: self.store.unused()?, next: self.store.passed.next()? };
        if own.unused.is_empty() {
            return Err(StoreError::Exhausted { folder: self.store.folder.clone() }.into());
        }
        let mut common = means.wire.wait(common(own, means.links))?;
        let nothing = || StoreError::NothingInCommon { folder: self.store.folder.clone() };
        let order = self.store.take(common.pop_first().ok_or_else(nothing)?)?;
        (self.taken)(order.number, common.len());
        self.file = Arc::new(OrderFile { path: order.path.clone(), fault: OnceLock::new() });
        let key = (KeyId::between(draw.role, Role::Dealer), order.key.clone());
        let messages = StoredMessages::read(order, draw.name.run_number(draw.run), self.file.clone())?;
        Ok(Supplied { key: Some(key), messages: Some(Box::new(messages)), ..Supplied::default() })
    }

    fn explain(&self, error: RunError) -> SessionError {
        const SHORT: OrderError = OrderError::Malformed("fewer messages than the run awaits");
        let fault = match (self.file.fault.get(), &error) {
            (Some(fault), _) => fault.clone(),
            (None, RunError::Source { .. }) => SHORT,
            (None, _) => return error.into(),
        };
        StoreError::Order { path: self.file.path.clone(), error: fault }.into()
    }
}

/// A party's claim about its store.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Left {
    /// Its orders that bear no mark.
    unused: BTreeSet<u32>,
    /// Its mark beside the identity: no order below this one may be used.
    next: u32,
}

/// The orders that all parties have and no mark has passed.
async fn common(own: Left, links: &mut [Link]) -> Result<BTreeSet<u32>, NetError> {
    let mut common = own.unused.clone();
    for link in links.iter_mut().filter(|link| link.peer() != Role::Dealer) {
        link.send_control(UNUSED_ORDERS, &own).await?;
        let theirs: Left = link.receive_control(UNUSED_ORDERS, link.long_patience()).await?;
        let last = theirs.unused.last().copied().unwrap_or(0);
        if last >= MOST_ORDERS || theirs.next > MOST_ORDERS {
            let reason = format!("an order beyond the {MOST_ORDERS} of a store");
            return Err(NetError::Malformed { peer: link.peer(), what: UNUSED_ORDERS.name, reason });
        }
        common.retain(|order| theirs.unused.contains(order) && *order >= theirs.next);
    }
    Ok(common)
}

/// The messages of an order, read by a thread of their own.
struct StoredMessages {
    chunks: Receiver<Vec<Piece>>,
    /// The tag of this run's pieces.
    run: u32,
}

impl StoredMessages {
    fn read(order: TakenOrder, run: u32, file: Arc<OrderFile>) -> Result<StoredMessages, SessionError> {
        let (to_run, chunks) = channel(CHUNKS_AHEAD);
        let reader = std::thread::Builder::new().spawn(move || read(order, &to_run, &file.fault));
        reader.map_err(|error| SessionError::Runtime { reason: error.to_string() })?;
        Ok(StoredMessages { chunks, run })
    }
}

/// Reads an order to its end, or until the run is over.
fn read(mut order: TakenOrder, to_run: &Sender<Vec<Piece>>, fault: &OnceLock<OrderError>) {
    loop {
        let pieces = match order.reader.chunk() {
            Ok(Some(pieces)) => pieces,
            Ok(None) => return,
            Err(error) => return drop(fault.set(error)),
        };
        if to_run.blocking_send(pieces).is_err() {
            return;
        }
    }
}

impl MessageSource for StoredMessages {
    fn maker(&self) -> Role {
        Role::Dealer
    }

    fn poll_pieces(&mut self, context: &mut Context<'_>) -> Poll<Result<Vec<Data>, StoredFailed>> {
        let run = self.run;
        let data = |Piece { message, offset, bytes }: Piece| Data {
            run,
            message: message.0,
            depth: 0,
            offset,
            payload: bytes,
        };
        let pieces = ready!(self.chunks.poll_recv(context)).ok_or(StoredFailed);
        Poll::Ready(pieces.map(|pieces| pieces.into_iter().map(data).collect()))
    }
}
