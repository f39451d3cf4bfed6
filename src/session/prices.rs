//! The prices of sources of correlations, and the parties' choice of the cheapest that all of them allow.
//!
//! **Steps** of a choice ([`Session::choose_source`]).
//! 1. Each party prices the sources that it allows, for the program's first run, on its own devices and its own link.
//! 2. Each tells all others its prices, by source. *Rounds:* 1.
//! 3. A source without a price of every party falls out. Each of the others has the largest price that a party states, and
//!    the cheapest is taken; of two at the same price the one without another process.
//!
//! So all have the same figures, and choose alike; before the first run they compare the names of their sources again, as in
//! every session.
//!
//! **A peer that lies** has another source taken among those that this party allows itself. Whom a party trusts follows from
//! its own list alone, and from no price.

use super::network::check_pins;
use super::pair::PairSupplier;
use super::source::Supplier;
use super::topic::PRICES;
use super::{Session, SessionError};
use crate::correlation::Source;
use crate::correlation::pair::{Price, Pricer};
use crate::net::{Address, Credentials, Hello, LinkShape, NetError, dial};
use crate::plan::{PlanOptions, Plans};
use crate::program::Program;
use crate::program::tiling::TileSide;
use crate::protocol::Protocol;
use crate::run::{Stage, simulate};
use crate::share::Role;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// The cost of a source of correlations for the first run of a program.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SourcePrice {
    /// The source.
    pub source: Source,
    /// Bytes that cross links, or lie in the files of a store, in all directions.
    pub bytes: u64,
    /// Messages one behind the other, before the online phase.
    pub messages: u64,
    /// The time before the online phase begins.
    pub offline: Duration,
}

/// The prices of the sources that serve a protocol and need no folder of a party's, and of a store. `plans` are those with a dealer,
/// `dealt` is the time that it takes, and `pair` the price of the two parties' own making of what their plans consume.
pub fn source_prices(
    protocol: Protocol,
    plans: &Plans,
    pair: Option<&Price>,
    dealt: Duration,
    link: LinkShape,
) -> Vec<SourcePrice> {
    let corrections = plans.demand.correction_bytes();
    let price = |source: Source| {
        let (bytes, messages, offline) = match source {
            Source::Pair => {
                let price = pair?;
                let offline = pair_link_s(price, link) + price.processor_s();
                (price.bytes(), price.rounds(), Duration::from_secs_f64(offline))
            }
            // What is read from files comes when it is wanted.
            Source::Store => (corrections, 0, Duration::ZERO),
            Source::Dealer => (corrections, 1, dealt),
            Source::Party(_) | Source::Nobody => return None,
        };
        Some(SourcePrice { source, bytes, messages, offline })
    };
    protocol.sources().filter_map(price).collect()
}

/// Seconds that the bytes and messages of two parties' own making take on a link.
pub fn pair_link_s(price: &Price, link: LinkShape) -> f64 {
    let wire_s = price.bytes() as f64 * 8.0 / link.bits_per_s() as f64;
    wire_s + price.rounds() as f64 * link.round_trip().as_secs_f64() / 2.0
}

/// The cheapest of some sources; of two at the same price the one without another process.
pub fn cheapest(prices: impl IntoIterator<Item = (Source, Duration)>) -> Option<Source> {
    let least = prices.into_iter().min_by_key(|&(source, offline)| (offline, source.process().is_some()));
    least.map(|(source, _)| source)
}

/// A source that all parties have chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChosenSource {
    /// The source.
    pub source: Source,
    /// The sources that every party allows, each with the largest time that any party states for it.
    pub among: Vec<(Source, Duration)>,
}

/// A party's prices in nanoseconds: none of a source that it does not allow.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Prices {
    dealer_ns: Option<u64>,
    pair_ns: Option<u64>,
}

impl Prices {
    fn of(&mut self, source: Source) -> Option<&mut Option<u64>> {
        match source {
            Source::Dealer => Some(&mut self.dealer_ns),
            Source::Pair => Some(&mut self.pair_ns),
            Source::Store | Source::Party(_) | Source::Nobody => None,
        }
    }

    /// The sources that both allow, each at the larger of two prices.
    fn with(&self, other: &Prices) -> Prices {
        let larger = |ours: Option<u64>, theirs: Option<u64>| Some(ours?.max(theirs?));
        Prices {
            dealer_ns: larger(self.dealer_ns, other.dealer_ns),
            pair_ns: larger(self.pair_ns, other.pair_ns),
        }
    }

    /// Its list, in words.
    fn text(&self) -> String {
        let listed = [(Source::Dealer, self.dealer_ns), (Source::Pair, self.pair_ns)];
        let listed = listed.iter().filter(|(_, price)| price.is_some()).map(|(source, _)| source.to_string());
        let listed: Vec<String> = listed.collect();
        if listed.is_empty() { "none that serves the protocol".to_owned() } else { listed.join(" and ") }
    }
}

impl Session {
    /// Agrees with all parties on the source of a program's correlations: the cheapest that every party allows, of a dealer and
    /// the pair. With a dealer [`Session::connect_dealer`] comes next, and with the pair it is set. All parties must call it, each with
    /// what it allows itself. `may_run_again` is whether the program is to run more than once.
    ///
    /// # Errors
    /// Where the program has no plan, or no source is allowed by every party. The peers are told.
    ///
    /// # Panics
    /// Within a task of a tokio runtime: sessions block.
    pub fn choose_source(
        &mut self,
        protocol: Protocol,
        program: &Program,
        allowed: &[Source],
        may_run_again: bool,
    ) -> Result<ChosenSource, SessionError> {
        self.attempt(|session| {
            session.stages.end(Stage::Caller);
            let own = session.own_prices(protocol, program, allowed, may_run_again)?;
            session.stages.end(Stage::Choosing);
            let all = session.tell_prices(&own)?;
            session.stages.end(Stage::Agreeing);
            let mut agreed = all.values().fold(own, |agreed, theirs| agreed.with(theirs));
            let sources = [Source::Dealer, Source::Pair].into_iter();
            let price = |source| Some((source, Duration::from_nanos((*agreed.of(source)?)?)));
            let among: Vec<(Source, Duration)> = sources.filter_map(price).collect();
            let Some(source) = cheapest(among.iter().copied()) else {
                let lists = all.iter().map(|(role, prices)| format!("{role} lists {}", prices.text()));
                return Err(SessionError::NoSource { lists: lists.collect::<Vec<_>>().join(", ") });
            };
            if source == Source::Pair {
                session.suppliers.set_pair();
            }
            Ok(ChosenSource { source, among })
        })
    }

    /// Connects to a dealer that the parties have chosen after they met.
    ///
    /// # Errors
    /// Where its certificate is not known, or it cannot be reached up to the connect deadline. The peers are told.
    ///
    /// # Panics
    /// Within a task of a tokio runtime: sessions block.
    pub fn connect_dealer(
        &mut self,
        address: &Address,
        credentials: &Credentials,
    ) -> Result<(), SessionError> {
        self.attempt(|session| {
            check_pins(credentials, &[Role::Dealer])?;
            let Session { wire, role, .. } = &*session;
            let hello = Hello::new(*role);
            let link = wire.wait(dial(Role::Dealer, address, hello, credentials, &wire.links))?;
            session.links.push(link);
            session.stages.end(Stage::Connecting);
            Ok(())
        })
    }

    /// This party's prices of the sources that it allows.
    fn own_prices(
        &self,
        protocol: Protocol,
        program: &Program,
        allowed: &[Source],
        may_run_again: bool,
    ) -> Result<Prices, SessionError> {
        self.check_shapes(program)?;
        let default = PlanOptions::default();
        let options = PlanOptions {
            side: self.options.tile_side.unwrap_or(TileSide::WHOLE),
            supply: self.options.supply,
            ..default
        };
        let plans = Plans::new(protocol, program, options)?;
        let (models, link) = (self.devices.models(), self.options.link.unwrap_or(LinkShape::LAN));
        let dealt = simulate(&plans, &models[..1], link, self.options.overlap).offline;
        let pair = match protocol.check_source(Source::Pair) {
            Ok(()) => {
                let options = PlanOptions { source: Some(Source::Pair), ..options };
                let plans = Plans::new(protocol, program, options)?;
                let is_possible = PairSupplier::default().check(&plans, may_run_again).is_ok();
                is_possible.then(|| Pricer::new(&plans.demand, may_run_again).run(&program.turn(0)))
            }
            Err(_) => None,
        };
        let mut own = Prices::default();
        for price in source_prices(protocol, &plans, pair.as_ref(), dealt, link) {
            if let Some(place) = own.of(price.source).filter(|_| allowed.contains(&price.source)) {
                *place = Some(u64::try_from(price.offline.as_nanos()).unwrap_or(u64::MAX));
            }
        }
        Ok(own)
    }

    /// Tells the other parties this one's prices; returns everybody's.
    fn tell_prices(&mut self, own: &Prices) -> Result<BTreeMap<Role, Prices>, NetError> {
        let mut all = BTreeMap::from([(self.role, own.clone())]);
        let parties = self.links.iter_mut().filter(|link| link.peer() != Role::Dealer);
        self.wire.wait(async {
            for link in parties {
                link.send_control(PRICES, own).await?;
                let theirs = link.receive_control(PRICES, link.long_patience()).await?;
                all.insert(link.peer(), theirs);
            }
            Ok(all)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prices(dealer_ns: Option<u64>, pair_ns: Option<u64>) -> Prices {
        Prices { dealer_ns, pair_ns }
    }

    #[test]
    fn a_source_has_the_largest_price_of_any_party_and_falls_out_where_one_does_not_allow_it() {
        let both = prices(Some(5), Some(9)).with(&prices(Some(7), Some(8)));
        assert_eq!((both.dealer_ns, both.pair_ns), (Some(7), Some(9)));
        let one = both.with(&prices(None, Some(1)));
        assert_eq!((one.dealer_ns, one.pair_ns), (None, Some(9)));
        assert_eq!(one.with(&prices(Some(1), None)).text(), "none that serves the protocol");
    }

    #[test]
    fn of_two_sources_at_the_same_price_the_one_without_another_process_is_taken() {
        let [dealer, pair] = [Source::Dealer, Source::Pair];
        let of = |dealer_ns, pair_ns| {
            cheapest([(dealer, Duration::from_nanos(dealer_ns)), (pair, Duration::from_nanos(pair_ns))])
        };
        assert_eq!((of(3, 4), of(4, 3), of(3, 3)), (Some(dealer), Some(pair), Some(pair)));
        assert_eq!(cheapest([]), None);
    }
}
