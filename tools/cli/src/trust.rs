//! Who is trusted with what, as reports and plans print it.

use serde::{Deserialize, Serialize};
use symbolon::correlation::Source;
use symbolon::protocol::Protocol;

/// Who learns what if who colludes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trust {
    /// Who makes the correlations.
    pub correlations_from: String,
    pub coalitions: Vec<Coalition>,
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
        Trust { correlations_from: source.to_string(), coalitions: coalitions.map(coalition).collect() }
    }

    /// In lines for people.
    pub fn text(&self) -> String {
        let line = |Coalition { who, learns }: &Coalition| format!("    {who}: {learns}\n");
        let lines: String = self.coalitions.iter().map(line).collect();
        format!(
            "  correlations from {}; nodes that follow the protocol learn:\n{lines}",
            self.correlations_from
        )
    }

    /// In rows under a heading.
    pub fn rows(&self) -> Vec<Vec<String>> {
        let heading = vec!["who".to_owned(), "learns".to_owned()];
        let row = |Coalition { who, learns }: &Coalition| vec![who.clone(), learns.clone()];
        std::iter::once(heading).chain(self.coalitions.iter().map(row)).collect()
    }
}
