//! Filling stores ahead of time by the two parties themselves, with no dealer.
//!
//! **Steps** of both parties, in a session of their own.
//! 1. They compare the demand, its tiles and the number of orders, and exchange nonces, from which the store's name follows.
//! 2. For each order they make its correlations as before a run ([`crate::correlation::pair`]), by keys that each draws for itself
//!    and under a session of transfers that no other order has. Each writes its own part to a file: its key, and party 1 the
//!    corrections.
//! 3. Once its file is on the disk a party tells the other, and gives the file its name when it has heard as much.
//!
//! So an order has its name at most where both have it whole. Where one of them stops in between, it has a name at the other
//! alone: no run takes it, since the parties take what all have. From then on a store is as one that a dealer wrote ([`super`]): marks,
//! locks and the agreement on an order keep any from being used twice. A folder that has a store, or the beginning of one,
//! is not filled again.
//!
//! **Security.** That of the pair. A party's folder has its own secrets and no other's, and never leaves it.

use super::MOST_ORDERS;
use super::deal::{OrderSink, make_folder, publish};
use crate::correlation::order_file::{OrderHeader, StoreId};
use crate::correlation::{Demand, Source};
use crate::net::NetError;
use crate::program::tiling::TileSide;
use crate::run::{MessageSink, Stage};
use crate::session::covered::Covered;
use crate::session::order::PlanName;
use crate::session::pair::check_size;
use crate::session::source::{Draw, Means, Supplied};
use crate::session::topic::STORED;
use crate::session::{Session, SessionError};
use crate::share::{Role, Terms};
use std::path::Path;
use std::task::{Context, Poll, Waker};

/// The costs of filling a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filled {
    /// Orders.
    pub orders: u32,
    /// Bytes that the two parties sent each other to make them, in both directions.
    pub made_bytes: u64,
}

impl Session {
    /// Makes `orders` orders of `demand` with the other party, into a new store of which this party's folder is below `folder`. `tile_side` is
    /// what the demand was planned with. Both parties call it alike.
    ///
    /// # Errors
    /// Where the parties' demands differ, the folder has a store or cannot be written, or the correlations cannot be made. Orders that
    /// were finished before a failure can be used.
    ///
    /// # Panics
    /// Where so many orders are no store, the demand is malformed, and within a task of a tokio runtime.
    pub fn fill_store(
        &mut self,
        demand: &Demand,
        tile_side: TileSide,
        folder: &Path,
        orders: u32,
    ) -> Result<Filled, SessionError> {
        assert!((1..=MOST_ORDERS).contains(&orders), "a store of 1 to {MOST_ORDERS} orders");
        self.attempt(|session| {
            session.stages.end(Stage::Caller);
            check_size(demand)?;
            session.suppliers.set_pair();
            let name = session.agree_on_store(demand, tile_side, orders)?;
            session.stages.end(Stage::Agreeing);
            let Role::Party(party) = session.role else { unreachable!("a session is a party's") };
            let store = blake3::Hasher::new_derive_key("symbolon 2026-11 name of a store of two parties")
                .update(name.bytes())
                .finalize();
            let (start, _) = store.as_bytes().split_at(16);
            let store = StoreId(start.try_into().expect("16 bytes"));
            let (own, key) = make_folder(folder, party)?;
            let mut filled = Filled::default();
            for order in 0..orders {
                let header = OrderHeader {
                    party,
                    ring: demand.ring,
                    store,
                    order,
                    tile_side: tile_side.0 as u64,
                    lowered_for: demand.lowered_for,
                    demand: demand.digest(),
                };
                let Supplied { key: own_key, messages, made_bytes, .. } =
                    session.make_order(demand, name, (order, orders))?;
                let (_, own_key) = own_key.expect("a pair's party has a key");
                let mut sink = OrderSink::create(&own, &key, &header, &own_key)?;
                if let Some(mut messages) = messages {
                    // It has everything, and has nothing more at its end.
                    let mut context = Context::from_waker(Waker::noop());
                    while let Poll::Ready(Ok(pieces)) = messages.poll_pieces(&mut context) {
                        if sink.keep(pieces).is_err() {
                            sink.fault()?;
                        }
                    }
                }
                let partial = sink.finish()?;
                session.confirm_stored(order)?;
                publish(&own, &partial, order)?;
                filled.orders += 1;
                filled.made_bytes += made_bytes.unwrap_or(0);
                session.stages.end(Stage::Writing);
            }
            Ok(filled)
        })
    }

    /// Makes sure that both are about to fill the same store; returns a name that no other has.
    fn agree_on_store(
        &mut self,
        demand: &Demand,
        tile_side: TileSide,
        orders: u32,
    ) -> Result<PlanName, SessionError> {
        let digest = demand.digest();
        let mut terms = Terms::default();
        terms.add("demand of the store", blake3::Hash::from(digest).to_hex());
        terms.add("side of its tiles", tile_side.0);
        terms.add("orders", orders);
        let nonces = self.confirm(Source::Pair, terms)?;
        Ok(PlanName::new(&digest, &nonces))
    }

    /// Makes the correlations of an order, as for a run of its own.
    fn make_order(
        &mut self,
        demand: &Demand,
        name: PlanName,
        (order, orders): (u32, u32),
    ) -> Result<Supplied, SessionError> {
        let draw = Draw {
            role: self.role,
            run: order,
            name,
            demand,
            // Lattices are chosen such that they serve many.
            number: (orders > 1).then_some(0),
            runs: 0,
            covered: Covered::ALONE,
            seldom: Vec::new(),
            is_seldom: true,
        };
        let means = Means { wire: &self.wire, links: &mut self.links, keys: self.keys };
        let supplied = self.suppliers.of(Source::Pair).supply(&draw, means)?;
        self.stages.end(Stage::Offline);
        Ok(supplied)
    }

    /// Tells the other party that this one has its file of an order on the disk, and waits for as much.
    fn confirm_stored(&mut self, order: u32) -> Result<(), SessionError> {
        let parties = self.links.iter_mut().filter(|link| link.peer() != Role::Dealer);
        self.wire.wait(async {
            for link in parties {
                link.send_control(STORED, &order).await?;
                let theirs: u32 = link.receive_control(STORED, link.long_patience()).await?;
                if theirs != order {
                    let reason = format!("order {theirs} in place of {order}");
                    let what = STORED.name;
                    return Err(SessionError::from(NetError::Malformed { peer: link.peer(), what, reason }));
                }
            }
            Ok(())
        })
    }
}
