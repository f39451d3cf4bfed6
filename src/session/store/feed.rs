//! A stored order as a dealer: a link on which what the file holds arrives, while the run takes it.
//!
//! **Steps.** 1. Each party sends the others the numbers of its unused orders, and its mark beside the identity. 2. Each
//! takes the lowest that all have and no mark has passed (see the module above). 3. A thread reads the file chunk by chunk,
//! no faster than the link takes them.
//!
//! **A peer that lies** can have this party pass over orders, up to all of them. It cannot have one used again that this
//! party has marked: its own marks hold, whatever a peer says. Where this party has lost both of its own, in the folder and
//! beside the identity, the peer's word is all that there is: then a peer that leaves out its marks learns, from what this
//! party opens under the masks of before, how its values differ from those of before.

use super::{CorrelationStore, MOST_ORDERS, StoreError, TakenOrder};
use crate::correlation::store::{OrderError, Piece};
use crate::net::{
    Activity, BUNDLE_HEADER_BYTES, BUNDLE_PAYLOAD_BYTES, Bundle, Data, Frame, Link, LinkOptions, NetError,
};
use crate::ring::prg::PrgKey;
use crate::session::SessionError;
use crate::session::topic::UNUSED_ORDERS;
use crate::session::wire::Wire;
use crate::share::{PartyId, Role};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use tokio::runtime::Handle;

/// Bytes between the thread that reads the file and the run: some frames.
pub(super) const PIPE_BYTES: usize = 1 << 20;

/// A session's store.
pub(in crate::session) struct Stock {
    pub store: CorrelationStore,
    /// Told which order is used, and how many are left to all parties, after the mark and before the first mask.
    pub taken: Box<dyn Fn(u32, usize) + Send>,
}

/// An order in use.
pub(in crate::session) struct Feed {
    pub key: PrgKey,
    pub link: Link,
    pub failure: FeedFailure,
}

/// Why the file was of no use after all, if it was not.
pub(in crate::session) type FeedFailure = Arc<OnceLock<StoreError>>;

impl Feed {
    /// Agrees with the other parties on an order, and takes it. `run` is what its frames carry.
    pub(in crate::session) fn start(
        stock: &Stock,
        wire: &Wire,
        links: &mut [Link],
        run: u32,
    ) -> Result<Feed, SessionError> {
        let own = Left { unused: stock.store.unused()?, next: stock.store.passed.next()? };
        if own.unused.is_empty() {
            return Err(StoreError::Exhausted { folder: stock.store.folder.clone() }.into());
        }
        let mut common = wire.wait(common(own, links))?;
        let nothing = || StoreError::NothingInCommon { folder: stock.store.folder.clone() };
        let order = stock.store.take(common.pop_first().ok_or_else(nothing)?)?;
        (stock.taken)(order.number, common.len());
        Feed::of(order, stock.store.header.party, wire, run)
    }

    fn of(order: TakenOrder, party: PartyId, wire: &Wire, run: u32) -> Result<Feed, SessionError> {
        let _runtime = wire.handle().enter();
        let unshaped = LinkOptions { shape: None, ..wire.links.clone() };
        let apart = LinkOptions { activity: Activity::new(), ..unshaped.clone() };
        let (link, far) = Link::pair([Role::Dealer, party.into()], [&unshaped, &apart], PIPE_BYTES);
        let failure = FeedFailure::default();
        let (key, told, handle) = (order.key.clone(), failure.clone(), wire.handle().clone());
        let feed = std::thread::Builder::new().spawn(move || serve(order, far, &handle, run, &told));
        feed.map_err(|error| SessionError::Runtime { reason: error.to_string() })?;
        Ok(Feed { key, link, failure })
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

/// Sends what the file holds, then waits for the run's end.
fn serve(mut order: TakenOrder, mut link: Link, handle: &Handle, run: u32, failure: &OnceLock<StoreError>) {
    match send(&mut order, &link, handle, run) {
        Ok(()) => {
            let end = async {
                let _ = link.sender().send(Frame::Finish).await;
                // The run says so, or ends without a word.
                while !matches!(link.receiver().receive().await, Ok(Frame::Finish) | Err(_)) {}
            };
            handle.block_on(end);
        }
        Err(error) => {
            let error = StoreError::Order { path: order.path.clone(), error };
            let reason = format!("order {} of the store cannot be read", order.number);
            let _ = failure.set(error);
            handle.block_on(link.abort(&reason));
        }
    }
}

fn send(order: &mut TakenOrder, link: &Link, handle: &Handle, run: u32) -> Result<(), OrderError> {
    while let Some(pieces) = order.reader.chunk()? {
        for frame in frames(run, pieces) {
            if handle.block_on(link.sender().send(frame)).is_err() {
                // The run has ended early, and says why itself.
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The frames of a chunk: several pieces are whole messages and travel together, as they were dealt.
fn frames(run: u32, pieces: Vec<Piece>) -> Vec<Frame> {
    let data = |Piece { message, offset, bytes }: Piece| Data {
        run,
        message: message.0,
        depth: 0,
        offset,
        payload: bytes,
    };
    let bytes: usize = pieces.iter().map(|piece| BUNDLE_HEADER_BYTES + piece.bytes.len()).sum();
    let whole = pieces.iter().all(|piece| piece.offset == 0);
    if pieces.len() > 1 && whole && bytes <= BUNDLE_PAYLOAD_BYTES {
        return vec![Frame::Bundle(Bundle { run, messages: pieces.into_iter().map(data).collect() })];
    }
    pieces.into_iter().map(data).map(Frame::Data).collect()
}
