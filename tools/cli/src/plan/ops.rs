//! What each op of a job sends.

use crate::table::bytes;
use serde::Serialize;
use symbolon::plan::Plans;
use symbolon::protocol::{Messages, OpCost};
use symbolon::share::Parties;

/// The messages of an op, and the bytes by party.
#[derive(Serialize)]
pub struct OpPlan {
    op: String,
    messages: Vec<MessagesPlan>,
    bytes_sent: Vec<u64>,
}

/// The contents of an op's messages, and their bytes by party.
#[derive(Serialize)]
struct MessagesPlan {
    content: String,
    bytes_sent: Vec<u64>,
}

/// What an op of some plans sends.
pub fn op(cost: &OpCost, plans: &Plans) -> OpPlan {
    let element_bytes = plans.demand.ring.element_bytes() as u64;
    let in_bytes = |elements: &u64| elements * element_bytes;
    let messages = |messages: &Messages| MessagesPlan {
        content: messages.content.to_string(),
        bytes_sent: messages.sent_elements.iter().map(in_bytes).collect(),
    };
    let parties = Parties::first(plans.parties.len());
    OpPlan {
        op: cost.label.clone(),
        messages: cost.messages.iter().map(messages).collect(),
        bytes_sent: parties.iter().map(|party| in_bytes(&cost.sent_elements(party))).collect(),
    }
}

impl OpPlan {
    /// Bytes that all parties send.
    pub fn sent(&self) -> u64 {
        self.bytes_sent.iter().sum()
    }

    /// In a line for people.
    pub fn text(&self) -> String {
        let messages: Vec<String> = self.messages.iter().map(MessagesPlan::text).collect();
        format!("    {}: {}\n", self.op, messages.join("; "))
    }
}

impl MessagesPlan {
    fn text(&self) -> String {
        let sent = self.bytes_sent.iter().enumerate().filter(|(_, sent)| **sent > 0);
        let sent: Vec<String> =
            sent.map(|(party, sent)| format!("{} from party {party}", bytes(*sent))).collect();
        format!("{} {}", self.content, sent.join(", "))
    }
}
