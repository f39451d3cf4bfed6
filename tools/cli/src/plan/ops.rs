//! What the ops and the lines of a job take online.

use super::{DEAREST, Listed};
use crate::table::{Table, bytes, seconds};
use serde::Serialize;
use symbolon::net::LinkShape;
use symbolon::plan::{DeviceModel, LineCost, Plans};
use symbolon::program::Program;
use symbolon::protocol::{Messages, OpCost};
use symbolon::share::Parties;

/// An op, and what it sends.
#[derive(Serialize)]
pub struct OpPlan {
    op: String,
    /// The step of the job that it belongs to.
    line: String,
    messages: Vec<MessagesPlan>,
    /// By party.
    bytes_sent: Vec<u64>,
}

/// The contents of an op's messages, and their bytes by party.
#[derive(Serialize)]
struct MessagesPlan {
    content: String,
    bytes_sent: Vec<u64>,
}

/// A step of the job, an input or a state, and what all of its ops take.
#[derive(Serialize)]
pub struct LinePlan {
    line: String,
    /// By party.
    bytes_sent: Vec<u64>,
    /// The rounds in which it sends anything; lines that send in one round all count it.
    rounds: u32,
    /// The devices of the party that computes longest, by their model.
    device_s: f64,
    /// The bytes of the party that sends most, and the rounds' latency.
    wire_s: f64,
}

impl OpPlan {
    pub fn new(cost: &OpCost, plans: &Plans, program: &Program) -> OpPlan {
        let element_bytes = plans.demand.ring.element_bytes() as u64;
        let in_bytes = |elements: &u64| elements * element_bytes;
        let messages = |messages: &Messages| MessagesPlan {
            content: messages.content.to_string(),
            bytes_sent: messages.sent_elements.iter().map(in_bytes).collect(),
        };
        let parties = Parties::first(plans.parties.len());
        OpPlan {
            op: cost.label.clone(),
            line: program.step_of(cost.value),
            messages: cost.messages.iter().map(messages).collect(),
            bytes_sent: parties.iter().map(|party| in_bytes(&cost.sent_elements(party))).collect(),
        }
    }

    /// In a line for people: what a line of the job computes on the way is named after the line.
    fn text(&self) -> String {
        let messages: Vec<String> = self.messages.iter().map(MessagesPlan::text).collect();
        let of = if self.line == self.op { String::new() } else { format!("{}, ", self.line) };
        format!("    {of}{}: {}\n", self.op, messages.join("; "))
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

impl LinePlan {
    /// All lines of a job, the dearest first.
    pub fn all(plans: &Plans, program: &Program, models: &[DeviceModel], link: LinkShape) -> Vec<LinePlan> {
        let mut lines: Vec<LinePlan> =
            plans.lines(program, models).into_iter().map(|cost| LinePlan::new(cost, link)).collect();
        lines.sort_by(|one, other| other.seconds().total_cmp(&one.seconds()));
        lines
    }

    fn new(LineCost { line, sent_bytes, rounds, device_s }: LineCost, link: LinkShape) -> LinePlan {
        let most = sent_bytes.iter().copied().max().unwrap_or(0);
        let wire = link.transmission(most) + link.latency() * rounds;
        LinePlan { line, bytes_sent: sent_bytes, rounds, device_s, wire_s: wire.as_secs_f64() }
    }

    /// The time of the busier of both.
    fn seconds(&self) -> f64 {
        self.device_s.max(self.wire_s)
    }
}

/// What lines take, in a table.
pub fn lines_text(lines: &[LinePlan], listed: Listed) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let most = if listed == Listed::All { lines.len() } else { DEAREST };
    let mut table = Table::new(["line, the dearest first", "bytes sent", "rounds", "device", "wire"]);
    for line in lines.iter().take(most) {
        let sent = bytes(line.bytes_sent.iter().sum());
        let rounds = line.rounds.to_string();
        table.row([line.line.clone(), sent, rounds, seconds(line.device_s), seconds(line.wire_s)]);
    }
    let others = lines.iter().skip(most);
    let rest: f64 = others.clone().map(LinePlan::seconds).sum();
    let text = table.render();
    match others.count() {
        0 => text,
        others => text + &format!("  the other {others} lines: {}; --all lists them\n", seconds(rest)),
    }
}

/// What ops send, where they are few or all are asked for.
pub fn ops_text(ops: &[OpPlan], listed: Listed) -> String {
    match ops.len() {
        0 => String::new(),
        count if listed == Listed::All || count <= DEAREST => {
            ops.iter().fold("  sent online, in bytes:\n".to_owned(), |text, op| text + &op.text())
        }
        count => format!("  {count} ops send something; --all lists what\n"),
    }
}
