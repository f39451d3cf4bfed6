//! What each source of correlations that a protocol can have takes for the first run.

use super::pair::{PairPrices, seconds};
use crate::table::bytes;
use serde::Serialize;
use std::time::Duration;
use symbolon::correlation::Source;
use symbolon::net::LinkShape;
use symbolon::plan::Plans;
use symbolon_job::Job;

/// One source.
#[derive(Serialize)]
pub struct SourcePlan {
    source: String,
    /// That cross links, or lie in the files of a store, in all directions.
    bytes: u64,
    /// Messages one behind the other, before the online phase.
    messages: u64,
    /// Before the online phase begins.
    offline_s: f64,
}

/// Those that the job's protocol can have; `dealt` is how long a dealer takes.
pub fn sources(
    job: &Job,
    plans: &Plans,
    dealt: Duration,
    pair: Option<&PairPrices<'_>>,
    link: LinkShape,
) -> Vec<SourcePlan> {
    let corrections = plans.demand.correction_bytes();
    let price = |source: Source| match source {
        Source::Pair => {
            let price = pair?.first();
            Some((price.bytes(), price.rounds(), seconds(&price, link)))
        }
        // What is read from files comes when it is wanted.
        Source::Store => Some((corrections, 0, 0.0)),
        Source::Dealer => Some((corrections, 1, dealt.as_secs_f64())),
        Source::Party(_) | Source::Nobody => None,
    };
    let can_have = |source: &Source| job.protocol.check_source(*source).is_ok();
    let all = [Source::Dealer, Source::Store, Source::Pair].into_iter().filter(can_have);
    let plan = |source: Source| {
        let (bytes, messages, offline_s) = price(source)?;
        Some(SourcePlan { source: source.to_string(), bytes, messages, offline_s })
    };
    all.filter_map(plan).collect()
}

impl SourcePlan {
    /// In a line for people.
    pub fn text(&self) -> String {
        format!(
            "  correlations from {}: {} bytes, {} message(s) one behind the other, offline {:.4} s\n",
            self.source,
            bytes(self.bytes),
            self.messages,
            self.offline_s
        )
    }
}
