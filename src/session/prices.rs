//! The prices of sources of correlations, and the predicted times of a run with them.

use crate::correlation::pair::{Price, Pricer};
use crate::correlation::{LoweredFor, Source};
use crate::net::LinkShape;
use crate::plan::{DeviceModel, Plans};
use crate::program::Program;
use crate::protocol::Protocol;
use crate::run::{Overlap, Prediction, simulate};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The predicted times of a run, one behind the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunTimes {
    /// Until all parties have their correlations.
    pub offline: Duration,
    /// From there until the last party is done.
    pub online: Duration,
}

impl RunTimes {
    /// Both together.
    pub fn total(self) -> Duration {
        self.offline.saturating_add(self.online)
    }

    /// The larger time of each phase.
    pub(super) fn larger(self, other: RunTimes) -> RunTimes {
        RunTimes { offline: self.offline.max(other.offline), online: self.online.max(other.online) }
    }
}

/// Predicts the times of a run like most, where the program may run again and runs differ, and otherwise of its only one, on devices
/// and over links like these. Where two parties make the correlations between themselves, `making` is the price of that run.
///
/// # Panics
/// Where the plans are for more devices than there are models.
pub fn usual_times(
    plans: &Plans,
    making: Option<&Price>,
    models: &[DeviceModel],
    (link, overlap): (LinkShape, Overlap),
    may_run_again: bool,
) -> RunTimes {
    let usual = plans.again.as_deref().filter(|_| may_run_again).unwrap_or(plans);
    let predicted = simulate(usual, models, link, overlap);
    let offline = match plans.source {
        Source::Store | Source::PairStore => Duration::ZERO,
        _ => making.map_or(predicted.offline, |price| pair_time(price, link)),
    };
    RunTimes { offline, online: predicted.online }
}

/// The price of the same run, where two parties make its correlations between themselves.
pub(super) fn usual_making(plans: &Plans, program: &Program, may_run_again: bool) -> Option<Price> {
    (plans.source == Source::Pair).then(|| {
        let mut pricer = Pricer::new(&plans.demand, may_run_again);
        let first = pricer.run(&program.turn(0));
        if may_run_again { pricer.run(&program.typical_turn()) } else { first }
    })
}

/// The cost of a source of correlations for the first run of a program.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SourcePrice {
    /// The source.
    pub source: Source,
    /// Bytes that cross links, or lie in the files of a store, in all directions.
    pub bytes: u64,
    /// Messages one behind the other, before the online phase.
    pub messages: u64,
    /// Messages one behind the other of the online phase.
    pub rounds: u32,
    /// The times of both phases.
    pub times: RunTimes,
}

/// The prices of the sources that serve a protocol and need no folder of a party's, and of stores. `dealt` are the plans that are lowered
/// as for a dealer, and what is predicted of them; `pair` those as for the pair, likewise, and the price of the two parties' own
/// making of what they consume.
pub fn source_prices(
    protocol: Protocol,
    dealt: (&Plans, &Prediction),
    pair: Option<(&Plans, &Prediction, &Price)>,
    link: LinkShape,
) -> Vec<SourcePrice> {
    let price = |source: Source| {
        let ((plans, predicted), making) = match source.lowered_for() {
            LoweredFor::Dealer => (dealt, None),
            LoweredFor::Pair => pair.map(|(plans, predicted, price)| ((plans, predicted), Some(price)))?,
        };
        let corrections = plans.demand.correction_bytes();
        let (bytes, messages, offline) = match source {
            Source::Pair => {
                let price = making?;
                (price.bytes(), price.rounds(), pair_time(price, link))
            }
            // What is read from files comes when it is wanted.
            Source::Store | Source::PairStore => (corrections, 0, Duration::ZERO),
            Source::Dealer => (corrections, 1, predicted.offline),
            Source::Party(_) | Source::Nobody => return None,
        };
        let times = RunTimes { offline, online: predicted.online };
        Some(SourcePrice { source, bytes, messages, rounds: plans.traffic.rounds, times })
    };
    protocol.sources().filter_map(price).collect()
}

/// The time of two parties' own making: of the link, and of the processors, which wait for each other.
pub fn pair_time(price: &Price, link: LinkShape) -> Duration {
    Duration::from_secs_f64(pair_link_s(price, link) + price.processor_s())
}

/// Seconds that the bytes and messages of two parties' own making take on a link.
pub fn pair_link_s(price: &Price, link: LinkShape) -> f64 {
    let wire_s = price.bytes() as f64 * 8.0 / link.bits_per_s() as f64;
    wire_s + price.rounds() as f64 * link.round_trip().as_secs_f64() / 2.0
}
