//! The online traffic of a lowered program, read off its steps.
//!
//! Lowering notes of every message what it holds; how many elements it has is its step's to say. The closed formulas of
//! the protocols stand in their documentation, and a test holds lowered programs against them.

use super::lowering::Lowering;
use super::rules::Rules;
use crate::correlation::FIRST_FREE_MESSAGE;
use crate::program::{Op, Program, ValueId};
use crate::ring::Ring;
use crate::share::{PartyId, Role, Turn};
use crate::step::{Action, MessageId, Phase, StepList};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// The content of a message between parties.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// A party's part of a value, under its part of a mask: the receiver adds its own and knows the masked value.
    Masked {
        /// The number of low bits of each element that are sent.
        width: u32,
    },
    /// A third party's part of a value, under masks, for both others.
    Told {
        /// The number of low bits of each element that are sent.
        width: u32,
    },
    /// A party's parts of bits, under its parts of masks.
    Bits,
    /// Garbled circuits and their labels.
    Garbled,
    /// A component of a value that two parties hold.
    Share,
    /// The part of an output that its recipient lacks.
    Output {
        /// Position among the program's outputs.
        output: usize,
    },
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Content::Masked { width } => write!(f, "masked values of {width} bits"),
            Content::Told { width } => write!(f, "masked values of {width} bits for both others"),
            Content::Bits => f.write_str("masked bits"),
            Content::Garbled => f.write_str("garbled circuits"),
            Content::Share | Content::Output { .. } => f.write_str("shares"),
        }
    }
}

/// The traffic of a program's online phase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// The ops that send something, in program order, then the outputs.
    pub ops: Vec<OpCost>,
}

/// The traffic of one op, or of the revealing of an output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OpCost {
    /// The op.
    pub value: ValueId,
    /// Position among the program's outputs, where one is revealed.
    pub output: Option<usize>,
    /// Its name.
    pub label: String,
    /// Its messages.
    pub messages: Vec<Messages>,
}

/// The messages of an op that hold the same kind of thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Messages {
    /// Their content.
    pub content: Content,
    /// Ring elements sent, by party.
    pub sent_elements: Vec<u64>,
}

impl OpCost {
    /// Ring elements that `party` sends.
    pub fn sent_elements(&self, party: PartyId) -> u64 {
        self.messages.iter().map(|messages| messages.sent_elements[party.index()]).sum()
    }

    /// Bytes that all parties send together.
    pub fn sent_bytes(&self, ring: Ring) -> u64 {
        let elements: u64 = self.messages.iter().flat_map(|messages| &messages.sent_elements).sum();
        elements * ring.element_bytes() as u64
    }
}

impl Cost {
    /// Ring elements that `party` sends in all.
    pub fn sent_elements(&self, party: PartyId) -> u64 {
        self.ops.iter().map(|op| op.sent_elements(party)).sum()
    }

    /// Bytes that all parties send together.
    pub fn sent_bytes(&self, ring: Ring) -> u64 {
        self.ops.iter().map(|op| op.sent_bytes(ring)).sum()
    }
}

/// By op, those of outputs behind all others, and by content: ring elements sent by each party.
type Sent = BTreeMap<(Option<usize>, ValueId), BTreeMap<Content, Vec<u64>>>;

impl<P: Rules> Lowering<'_, P> {
    /// The traffic of all that runs do, or of one run.
    pub(super) fn cost(&self, turn: Option<&Turn>) -> Cost {
        let mut sent = Sent::new();
        for list in &self.lists {
            self.add_sent(list, turn, &mut sent);
        }
        let op = |((output, value), messages): ((Option<usize>, ValueId), BTreeMap<Content, Vec<u64>>)| {
            let messages = messages.into_iter();
            OpCost {
                value,
                output,
                label: label(self.program, value, output),
                messages: messages
                    .map(|(content, sent_elements)| Messages { content, sent_elements })
                    .collect(),
            }
        };
        Cost { ops: sent.into_iter().map(op).collect() }
    }

    fn add_sent(&self, list: &StepList, turn: Option<&Turn>, sent: &mut Sent) {
        let Role::Party(party) = list.role else { return };
        let online = |step: &&crate::step::Step| {
            step.phase != Phase::Offline && turn.is_none_or(|turn| turn.takes(step.taken))
        };
        for step in list.steps.iter().filter(online) {
            let Action::Send { from, message, .. } = step.action else { continue };
            let content = self.content(message);
            let key = match content {
                Content::Output { output } => (Some(output), self.program.outputs()[output].value),
                _ => (None, ValueId(step.op.0)),
            };
            let by_party = sent.entry(key).or_default().entry(content);
            let by_party = by_party.or_insert_with(|| vec![0; self.lists.len()]);
            by_party[party.index()] += from.shape.len() as u64;
        }
    }

    fn content(&self, message: MessageId) -> Content {
        self.contents[(message.0 - FIRST_FREE_MESSAGE) as usize]
    }
}

fn label(program: &Program, value: ValueId, output: Option<usize>) -> String {
    let of = program.value(value);
    match (output, of.op) {
        (Some(output), _) => format!("output {}: {}", program.outputs()[output].name, of.label),
        (None, Op::Truncate(..)) => format!("truncation of {}", of.label),
        (None, _) => of.label.clone(),
    }
}
