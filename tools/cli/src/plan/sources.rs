//! What each source of correlations that a protocol can have takes for the first run.

use crate::table::bytes;
use serde::Serialize;
use symbolon::session::SourcePrice;

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
    /// Messages one behind the other, online.
    rounds: u32,
    /// From there until the last party is done.
    online_s: f64,
}

impl From<&SourcePrice> for SourcePlan {
    fn from(price: &SourcePrice) -> SourcePlan {
        let &SourcePrice { source, bytes, messages, rounds, times } = price;
        let [offline_s, online_s] = [times.offline, times.online].map(|time| time.as_secs_f64());
        SourcePlan { source: source.to_string(), bytes, messages, offline_s, rounds, online_s }
    }
}

impl SourcePlan {
    /// In a line for people.
    pub fn text(&self) -> String {
        format!(
            "  correlations from {}: {} bytes, {} message(s) one behind the other, offline {:.4} s; {} round(s), online {:.4} s\n",
            self.source,
            bytes(self.bytes),
            self.messages,
            self.offline_s,
            self.rounds,
            self.online_s
        )
    }
}
