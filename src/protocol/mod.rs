//! How a program's ops become steps: a folder for each protocol, and beside them what protocols share, which is all but
//! products: `lowering` for values tile by tile, `blocks` for moving elements, `halves` and `bits` for what two parties
//! compute with dealt correlations, `widths` for the bits that this takes, `cost` for what the steps send.
//!
//! A protocol is a set of lowering rules: it emits every party's [`StepList`] and the [`Demand`] of correlated
//! randomness, purely, and knows nothing of devices, networks or plans. Its documentation states what the rules cost in
//! closed form, which a test holds plans and runs against.

pub mod beaver;
mod bits;
mod blocks;
mod cost;
mod halves;
mod lowering;
pub mod replicated;
mod widths;

pub use cost::{Content, Cost, Messages, OpCost};

use crate::correlation::{Demand, DemandError};
use crate::program::tiling::Tiling;
use crate::program::{Op, Program, Test, ValueId};
use crate::share::{Parties, Role};
use crate::step::StepList;
use crate::step::bits::Question;
use serde::Serialize;
use std::fmt;
use std::str::FromStr;

/// The protocols there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// Two parties, additive sharing, dealt multiplication triples.
    Beaver,
    /// Three parties, replicated sharing, no dealer.
    Replicated,
}

/// A protocol that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no protocol '{0}'; there are: beaver (2 parties and a dealer), replicated (3 parties)")]
pub struct UnknownProtocol(pub String);

impl Protocol {
    /// All of them.
    pub const ALL: [Protocol; 2] = [Protocol::Beaver, Protocol::Replicated];

    /// How many parties compute.
    pub const fn parties(self) -> usize {
        match self {
            Protocol::Beaver => 2,
            Protocol::Replicated => 3,
        }
    }

    /// Who deals correlations to parties 0 and 1: a process of its own, or a third party.
    pub const fn dealer(self) -> Role {
        match self {
            Protocol::Beaver => Role::Dealer,
            Protocol::Replicated => Role::party(2),
        }
    }

    /// Whether a deployment has a dealer as a process of its own.
    pub const fn has_dealer(self) -> bool {
        matches!(self.dealer(), Role::Dealer)
    }

    /// Everybody who takes part: the parties in order, then the dealer, if it is a process of its own.
    pub fn roles(self) -> Vec<Role> {
        let parties = Parties::first(self.parties()).iter().map(Role::from);
        parties.chain(self.has_dealer().then_some(Role::Dealer)).collect()
    }

    const fn name(self) -> &'static str {
        match self {
            Protocol::Beaver => "beaver",
            Protocol::Replicated => "replicated",
        }
    }

    /// Lowers a program whose matrices are cut by `tiling`.
    ///
    /// # Errors
    /// [`DemandError::TooMany`], as soon as that is known: tiles may be so small that there is no end of them.
    ///
    /// # Panics
    /// Where the program is for another number of parties.
    pub fn lower(self, program: &Program, tiling: &Tiling) -> Result<Lowered, DemandError> {
        assert_eq!(program.parties(), self.parties(), "a program for the protocol's parties");
        lowering::lower(self, program, tiling)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Protocol {
    type Err = UnknownProtocol;

    fn from_str(name: &str) -> Result<Protocol, UnknownProtocol> {
        let found = Protocol::ALL.into_iter().find(|protocol| protocol.name() == name);
        found.ok_or_else(|| UnknownProtocol(name.to_owned()))
    }
}

/// A lowered program: every party's steps, and what they consume.
#[derive(Clone, Debug, PartialEq)]
pub struct Lowered {
    /// The steps, by party.
    pub parties: Vec<StepList>,
    /// The correlations, in the order of their use.
    pub demand: Demand,
    /// What the online phase sends.
    pub cost: Cost,
    /// The same of later runs in the same session, which find what depends on resident inputs alone.
    pub cost_again: Cost,
    /// The row and the column of each tile among those of its value, by [`crate::step::Step::tile`].
    pub tiles: Vec<(usize, usize)>,
}

/// Of a product's factors the one that a comparison gave and the one that it chooses, if they are of one shape.
fn chosen(program: &Program, a: ValueId, b: ValueId) -> Option<(ValueId, ValueId)> {
    if program.value(a).shape != program.value(b).shape {
        return None;
    }
    let is_test = |value: ValueId| matches!(program.value(value).op, Op::Test(..));
    [(a, b), (b, a)].into_iter().find(|&(condition, _)| is_test(condition))
}

/// For each value what a comparison of it opens, and what is added to that where it is open: the value itself, or, of a
/// sum with a public constant that only comparisons use, the value before. So all comparisons of a value with constants
/// share one opening.
fn compared(program: &Program) -> Vec<(ValueId, u64)> {
    let mut only_tested = vec![true; program.values().len()];
    for value in program.values().iter().filter(|value| !matches!(value.op, Op::Test(..))) {
        value.op.operands().for_each(|operand| only_tested[operand.index()] = false);
    }
    for output in program.outputs() {
        only_tested[output.value.index()] = false;
    }
    let ids = (0..).map(ValueId);
    ids.zip(program.values())
        .map(|(id, value)| match value.op {
            Op::AddConstant(a, constant) if only_tested[id.index()] => (a, constant),
            _ => (id, 0),
        })
        .collect()
}

/// What is asked about x = c + a, and of how many low bits of a there is a table, where |x| < 2^bits.
fn question(test: Test, bits: u32) -> (Question, u32) {
    match test {
        Test::Negative | Test::NonNegative => (Question::Sign, bits),
        // One bit more, since −2^bits might be there where the ring has no more bits.
        Test::Zero | Test::NonZero => (Question::Zero, bits + 1),
    }
}

/// Whether a value becomes replicated before its elements are gathered, unless one party knows it: there are more of
/// them afterwards.
fn replicates_first(protocol: Protocol, program: &Program, operand: ValueId, gathered: ValueId) -> bool {
    let len = |value: ValueId| program.value(value).shape.len();
    protocol == Protocol::Replicated && len(gathered) > len(operand)
}
