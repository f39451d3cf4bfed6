//! The sources of a session's correlations: what each of them does for a run.
//!
//! A [`Source`] is chosen for the session, by a store or else by the protocol's default. For each there is a [`Supplier`]
//! here, and [`Suppliers::of`] is the only place that tells them apart. A supplier that needs no other process, such as
//! two parties that make correlations between themselves, agrees on its keys in [`Supplier::supply`] and leaves the rest
//! to the steps of the plan.

use super::covered::Covered;
use super::keys::{Contribution, KeySource, Way, derive};
use super::order::{Order, PlanName, Request};
use super::pair::PairSupplier;
use super::store::StoreSupplier;
use super::topic::{GRANT, ORDER};
use super::wire::Wire;
use super::{NetworkFault, SessionError};
use crate::correlation::{Demand, Source};
use crate::net::Link;
use crate::plan::Plans;
use crate::program::tiling::TileSide;
use crate::ring::prg::PrgKey;
use crate::run::{MessageSource, RunError};
use crate::share::Role;
use crate::step::KeyId;
use std::time::Duration;

/// A run that is about to begin, as its source sees it.
pub(super) struct Draw<'a> {
    pub role: Role,
    /// The session's runs before this one.
    pub run: u32,
    /// The name that the parties have for the plan.
    pub name: PlanName,
    /// The correlations of all runs of the plan.
    pub demand: &'a Demand,
    /// The program's number in the session, where it may run again.
    pub number: Option<u32>,
    /// The number of runs of the program so far.
    pub runs: u32,
    /// Its place among the runs that the parties' agreement covers.
    pub covered: Covered,
    /// Where it is the first of them, for each whether it consumes what few runs do.
    pub seldom: Vec<bool>,
    /// Whether this one does.
    pub is_seldom: bool,
}

/// A party's connections, and where its contributions to keys come from.
pub(super) struct Means<'a> {
    pub wire: &'a Wire,
    pub links: &'a mut [Link],
    pub keys: KeySource,
}

/// The correlations that a run gets from its source, beside those that its own steps make.
#[derive(Default)]
pub(super) struct Supplied {
    /// The key that this party has in common with the role that deals.
    pub key: Option<(KeyId, PrgKey)>,
    /// Messages that no peer sends during the run.
    pub messages: Option<Box<dyn MessageSource>>,
    /// The time for which the parties made correlations before the run: a part of its offline phase.
    pub offline: Duration,
    /// The bytes that they sent each other for that, in both directions, where they did.
    pub made_bytes: Option<u64>,
}

/// A source of correlations at one party.
pub(super) trait Supplier {
    /// The name that all parties must have in common.
    fn name(&self) -> String;

    /// The side of the tiles that its correlations fit, where not every side does.
    fn tile_side(&self) -> Option<TileSide> {
        None
    }

    /// Refuses plans that it cannot supply; those of a prepared program may run again.
    fn check(&self, _plans: &Plans, _is_prepared: bool) -> Result<(), SessionError> {
        Ok(())
    }

    /// Supplies one run.
    fn supply(&mut self, draw: &Draw<'_>, means: Means<'_>) -> Result<Supplied, SessionError>;

    /// Lets go of what it keeps for later runs of the program with this number, which has run.
    fn release(&mut self, _number: u32, _to: Way, _means: Means<'_>) -> Result<(), SessionError> {
        Ok(())
    }

    /// The reason of a run's failure, which may lie here.
    fn explain(&self, error: RunError) -> SessionError {
        error.into()
    }
}

/// The sources that a session can have.
pub(super) struct Suppliers {
    dealer: DealerSupplier,
    steps: StepsSupplier,
    store: Option<StoreSupplier>,
    pair: Option<PairSupplier>,
}

impl Suppliers {
    pub fn new() -> Suppliers {
        let steps = StepsSupplier { source: Source::Nobody };
        Suppliers { dealer: DealerSupplier { grant: None }, steps, store: None, pair: None }
    }

    /// Wipes what keys of later runs would be made of: the session has failed.
    pub fn forget(&mut self) {
        self.dealer.grant = None;
    }

    /// Takes correlations from a store from now on.
    pub fn set_store(&mut self, store: StoreSupplier) {
        self.store = Some(store);
    }

    /// Has the two parties make them between themselves from now on.
    pub fn set_pair(&mut self) {
        self.pair = Some(PairSupplier::default());
    }

    /// The source where a protocol has this default: the store, if there is one, or the pair, if that was chosen.
    pub fn source_or(&self, default: Source) -> Source {
        match (&self.store, &self.pair) {
            (Some(store), _) => store.source(),
            (None, Some(_)) => Source::Pair,
            (None, None) => default,
        }
    }

    /// The supplier of a source.
    ///
    /// # Panics
    /// Where the source is a store or a pair and none is set.
    pub fn of(&mut self, source: Source) -> &mut dyn Supplier {
        match source {
            Source::Dealer => &mut self.dealer,
            Source::Store | Source::PairStore => {
                self.store.as_mut().expect("a session whose source is its store")
            }
            Source::Pair => self.pair.as_mut().expect("a session whose source is the pair"),
            Source::Party(_) | Source::Nobody => {
                self.steps.source = source;
                &mut self.steps
            }
        }
    }
}

/// A dealer that is connected: the parties order from it for all runs of an agreement at once.
struct DealerSupplier {
    /// What the keys of the present agreement's runs are made of.
    grant: Option<Grant>,
}

/// Both contributions to the keys that a party has in common with the dealer.
struct Grant {
    own: Contribution,
    dealers: Contribution,
}

impl DealerSupplier {
    fn link(links: &mut [Link]) -> Option<&mut Link> {
        links.iter_mut().find(|link| link.peer() == Role::Dealer)
    }

    /// Orders what the runs of an agreement consume.
    fn order(draw: &Draw<'_>, way: Way, means: Means<'_>) -> Result<Grant, SessionError> {
        let seldom = draw.seldom.clone();
        let order = match draw.number {
            Some(number) if draw.runs > 0 => Order::Again { number, seldom },
            keep => Order::First { plan: draw.name, demand: draw.demand.clone(), keep, seldom },
        };
        let request = Request { order, contribution: means.keys.contribution(way)? };
        let dealer = DealerSupplier::link(means.links).ok_or(NetworkFault::NoDealer)?;
        let dealers: Contribution = means.wire.wait(async {
            dealer.send_control(ORDER, &request).await?;
            dealer.receive_control(GRANT, dealer.long_patience()).await
        })?;
        Ok(Grant { own: request.contribution, dealers })
    }
}

impl Supplier for DealerSupplier {
    fn name(&self) -> String {
        Source::Dealer.to_string()
    }

    /// Orders where the run is the first of its agreement, and derives the run's key with the dealer, see [`super::keys`].
    fn supply(&mut self, draw: &Draw<'_>, means: Means<'_>) -> Result<Supplied, SessionError> {
        let way = Way { from: draw.role, to: Role::Dealer, run: draw.run };
        if draw.covered.is_first() {
            self.grant = Some(DealerSupplier::order(draw, way, means)?);
        }
        let Grant { own, dealers } =
            self.grant.as_ref().expect("the first run of an agreement orders for all");
        let key = Some((KeyId::between(draw.role, Role::Dealer), derive(&draw.name, way, own, dealers)));
        if draw.covered.is_last() {
            self.grant = None;
        }
        Ok(Supplied { key, ..Supplied::default() })
    }

    fn release(&mut self, number: u32, to: Way, means: Means<'_>) -> Result<(), SessionError> {
        let contribution = means.keys.contribution(to)?;
        let Some(dealer) = DealerSupplier::link(means.links) else { return Ok(()) };
        let request = Request { order: Order::Release(number), contribution };
        means.wire.wait(dealer.send_control(ORDER, &request))?;
        Ok(())
    }
}

/// A source whose work is steps of the plan, under keys that the parties share anyway.
struct StepsSupplier {
    source: Source,
}

impl Supplier for StepsSupplier {
    fn name(&self) -> String {
        self.source.to_string()
    }

    fn supply(&mut self, _: &Draw<'_>, _: Means<'_>) -> Result<Supplied, SessionError> {
        Ok(Supplied::default())
    }
}
