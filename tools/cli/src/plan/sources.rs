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
}

impl From<&SourcePrice> for SourcePlan {
    fn from(price: &SourcePrice) -> SourcePlan {
        let &SourcePrice { source, bytes, messages, offline } = price;
        SourcePlan { source: source.to_string(), bytes, messages, offline_s: offline.as_secs_f64() }
    }
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
