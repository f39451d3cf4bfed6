//! Who is trusted with what, as reports and plans print it.

use crate::table::seconds;
use serde::{Deserialize, Serialize};
use symbolon::correlation::Source;
use symbolon::protocol::Protocol;
use symbolon::session::PricedRun;

/// Who learns what if who colludes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trust {
    /// Who makes the correlations.
    pub correlations_from: String,
    /// The sources that every party allows, of which this one is the cheapest, where it was chosen by price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen: Option<Vec<PricedSource>>,
    pub coalitions: Vec<Coalition>,
}

/// A source, and the largest time of each phase of a run that any party states for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PricedSource {
    pub source: String,
    pub offline_s: f64,
    pub online_s: f64,
}

/// Sources with their times, as reports have them.
pub fn priced(runs: &[PricedRun]) -> Vec<PricedSource> {
    let priced = |run: &PricedRun| PricedSource {
        source: run.source.to_string(),
        offline_s: run.times.offline.as_secs_f64(),
        online_s: run.times.online.as_secs_f64(),
    };
    runs.iter().map(priced).collect()
}

/// Roles that put together all that they see.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Coalition {
    pub who: String,
    pub learns: String,
}

impl Trust {
    pub fn new(protocol: Protocol, source: Source) -> Trust {
        let coalitions = protocol.trust(source).iter();
        let coalition = |coalition: &symbolon::protocol::Coalition| Coalition {
            who: coalition.who.to_owned(),
            learns: coalition.learns.to_owned(),
        };
        Trust {
            correlations_from: source.to_string(),
            chosen: None,
            coalitions: coalitions.map(coalition).collect(),
        }
    }

    /// In lines for people.
    pub fn text(&self) -> String {
        let line = |Coalition { who, learns }: &Coalition| format!("    {who}: {learns}\n");
        let lines: String = self.coalitions.iter().map(line).collect();
        format!(
            "  correlations from {}{}; nodes that follow the protocol learn:\n{lines}",
            self.correlations_from,
            self.choice()
        )
    }

    /// The choice that was made, in words; nothing where none was.
    pub fn choice(&self) -> String {
        let one = |PricedSource { source, offline_s, online_s }: &PricedSource| {
            format!("{source} (offline {}, online {})", seconds(*offline_s), seconds(*online_s))
        };
        let all = |among: &Vec<PricedSource>| among.iter().map(one).collect::<Vec<_>>().join(", ");
        let chosen = self.chosen.as_ref().map(all);
        chosen
            .map_or_else(String::new, |all| format!(", the cheapest of those that every party allows: {all}"))
    }

    /// In rows under a heading.
    pub fn rows(&self) -> Vec<Vec<String>> {
        let heading = vec!["who".to_owned(), "learns".to_owned()];
        let row = |Coalition { who, learns }: &Coalition| vec![who.clone(), learns.clone()];
        std::iter::once(heading).chain(self.coalitions.iter().map(row)).collect()
    }
}
