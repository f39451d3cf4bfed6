//! How a program's ops become steps, one folder a protocol.
//!
//! A protocol is a set of lowering rules: it emits every party's [`StepList`] and the [`Demand`] of correlated
//! randomness, purely, and knows nothing of devices, networks or plans. Beside the rules it states what they cost in
//! closed form ([`OpCost`]), which plans and runs are held against.

mod beaver;

use crate::correlation::Demand;
use crate::program::tiling::Tiling;
use crate::program::{Program, ValueId};
use crate::ring::Ring;
use crate::share::PartyId;
use crate::step::StepList;
use serde::Serialize;
use std::fmt;
use std::str::FromStr;

/// The protocols there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// Two parties, additive sharing, dealt multiplication triples.
    Beaver,
}

/// A protocol that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no protocol '{0}'; there is: beaver (2 parties)")]
pub struct UnknownProtocol(pub String);

impl Protocol {
    /// All of them.
    pub const ALL: [Protocol; 1] = [Protocol::Beaver];

    /// How many parties compute.
    pub const fn parties(self) -> usize {
        match self {
            Protocol::Beaver => 2,
        }
    }

    /// Lowers a program whose matrices are cut by `tiling`.
    ///
    /// # Panics
    /// Where the program is for another number of parties.
    pub fn lower(self, program: &Program, tiling: &Tiling) -> Lowered {
        assert_eq!(program.parties(), self.parties(), "a program for the protocol's parties");
        match self {
            Protocol::Beaver => beaver::lower(program, tiling),
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Protocol::Beaver => f.write_str("beaver"),
        }
    }
}

impl FromStr for Protocol {
    type Err = UnknownProtocol;

    fn from_str(name: &str) -> Result<Protocol, UnknownProtocol> {
        match name {
            "beaver" => Ok(Protocol::Beaver),
            other => Err(UnknownProtocol(other.to_owned())),
        }
    }
}

/// A lowered program: every party's steps, and what they consume.
#[derive(Clone, Debug, PartialEq)]
pub struct Lowered {
    /// The steps, by party.
    pub parties: Vec<StepList>,
    /// The correlations, in the order of their use.
    pub demand: Demand,
    /// What the protocol's formulas say that the online phase costs.
    pub cost: Cost,
}

/// What a program's online phase costs by the protocol's formulas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// The ops that send something, in program order.
    pub ops: Vec<OpCost>,
    /// The longest chain of messages, each of which depends on the one before.
    pub rounds: u32,
}

/// What one op sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OpCost {
    /// The op.
    pub value: ValueId,
    /// What it is called.
    pub label: String,
    /// What is sent, as a formula with its numbers.
    pub formula: String,
    /// Ring elements sent, by party.
    pub sent_elements: Vec<u64>,
}

impl Cost {
    /// Ring elements that `party` sends in all.
    pub fn sent_elements(&self, party: PartyId) -> u64 {
        self.ops.iter().map(|op| op.sent_elements[party.index()]).sum()
    }

    /// Bytes that all parties send together.
    pub fn sent_bytes(&self, ring: Ring) -> u64 {
        let elements: u64 = self.ops.iter().flat_map(|op| &op.sent_elements).sum();
        elements * ring.element_bytes() as u64
    }
}
