//! The lowering of a program's ops to steps: a folder for each protocol, behind one interface (the module `rules`).
//!
//! A protocol is a row of facts (its name, parties, sources of correlations and whom they are trusted with) and a set of
//! lowering rules: it emits every party's [`StepList`] and the [`Demand`] of correlated randomness, purely, and knows
//! nothing of devices, networks or plans. Its documentation states what the rules cost in closed form, which a test holds
//! plans and runs against.
//!
//! Protocols share `lowering` for values tile by tile, `local` for ops that every party does for itself, `moves` for
//! moving elements, `states` for what is left to the next run, `publics` for public values by run, `cost` for what the steps send; and, where two parties compute with dealt correlations, the toolkit
//! `dealt`. [`garbled`] lowers whole programs to circuits, without steps. Nothing outside this folder asks which protocol it is; a test enforces that.

pub mod beaver;
mod convert;
mod cost;
mod dealt;
mod emit;
pub mod garbled;
mod local;
mod lowering;
mod moves;
mod publics;
mod regions;
pub mod replicated;
mod rules;
mod states;
#[cfg(test)]
mod tests;

pub use cost::{Content, Cost, Messages, OpCost};
pub use rules::Coalition;

use crate::correlation::{Demand, DemandError, Source};
use crate::program::tiling::Tiling;
use crate::program::{Op, Program, ValueId};
use crate::share::{Parties, Role};
use crate::step::StepList;
use rules::{Row, Served};
use std::fmt;
use std::str::FromStr;

/// The protocols there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Two parties, additive sharing, dealt multiplication triples.
    Beaver,
    /// The same, and what is not linear by garbled circuits, each in two rounds.
    BeaverGarbled,
    /// Three parties, replicated sharing.
    Replicated,
    /// No protocol: all parties trust one.
    #[cfg(test)]
    InsecureClear,
}

/// A protocol that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no protocol '{name}'; there are: {}", protocols())]
pub struct UnknownProtocol {
    /// The unknown name.
    pub name: String,
}

/// A number of parties that no protocol has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no protocol has {parties} parties; there are: {}", protocols())]
pub struct UnknownParties {
    /// How many they should be.
    pub parties: usize,
}

/// Makes sure that a protocol has this many parties.
///
/// # Errors
/// [`UnknownParties`].
pub fn check_parties(parties: usize) -> Result<(), UnknownParties> {
    let is_known = Protocol::ALL.iter().any(|protocol| protocol.parties() == parties);
    is_known.then_some(()).ok_or(UnknownParties { parties })
}

/// A source of correlations that cannot serve a protocol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{protocol} takes no correlations from {wanted}, but from {}", listed(*.protocol))]
pub struct UnservedBy {
    /// The protocol.
    pub protocol: Protocol,
    /// The source.
    pub wanted: Source,
}

fn protocols() -> String {
    let one = |protocol: Protocol| format!("{protocol} ({} parties)", protocol.parties());
    Protocol::ALL.map(one).join(", ")
}

fn listed(protocol: Protocol) -> String {
    protocol.sources().map(|source| source.to_string()).collect::<Vec<_>>().join(" or ")
}

impl Protocol {
    /// Those that a job names; what a job says of ops that are not linear makes another of one ([`Protocol::garbling`]).
    pub const ALL: [Protocol; 2] = [Protocol::Beaver, Protocol::Replicated];

    const fn row(self) -> &'static Row {
        match self {
            Protocol::Beaver => &beaver::ROW,
            Protocol::BeaverGarbled => &beaver::GARBLED_ROW,
            Protocol::Replicated => &replicated::ROW,
            #[cfg(test)]
            Protocol::InsecureClear => &tests::insecure_clear::ROW,
        }
    }

    /// The same protocol with garbled circuits for what is not linear, if there is one.
    pub const fn garbling(self) -> Option<Protocol> {
        match self {
            Protocol::Beaver | Protocol::BeaverGarbled => Some(Protocol::BeaverGarbled),
            _ => None,
        }
    }

    /// The same protocol with tables for what is not linear.
    pub const fn by_tables(self) -> Protocol {
        match self {
            Protocol::BeaverGarbled => Protocol::Beaver,
            other => other,
        }
    }

    /// The same protocol in each of its ways to compute what is not linear: by tables, then by garbled circuits, if it has them.
    pub fn ways(self) -> impl Iterator<Item = Protocol> {
        std::iter::once(self.by_tables()).chain(self.garbling())
    }

    /// Whether it computes what is not linear by garbled circuits.
    pub fn is_garbling(self) -> bool {
        self.garbling() == Some(self)
    }

    /// The number of computing parties.
    pub const fn parties(self) -> usize {
        self.row().parties
    }

    /// The parties of which each keeps a part of a state between runs: some that the protocol names, and the owner of the
    /// input that is the state's first value, who puts that there alone.
    ///
    /// # Panics
    /// Where the program has no state with this number.
    pub fn keepers(self, program: &Program, state: usize) -> Parties {
        states::keepers(program, state, self.row().keepers)
    }

    /// The sources of correlations that can serve it, the default first.
    pub fn sources(self) -> impl Iterator<Item = Source> {
        self.row().sources.iter().map(|served| served.source)
    }

    /// The source of correlations where neither the job nor the session names one.
    pub const fn default_source(self) -> Source {
        self.row().sources[0].source
    }

    /// Makes sure that a source can serve it.
    ///
    /// # Errors
    /// [`UnservedBy`].
    pub fn check_source(self, source: Source) -> Result<(), UnservedBy> {
        self.served(source).map(drop).ok_or(UnservedBy { protocol: self, wanted: source })
    }

    /// Who learns what if who colludes, with correlations from this source; nothing where it cannot serve the protocol.
    pub fn trust(self, source: Source) -> &'static [Coalition] {
        self.served(source).map_or(&[], |served| served.trust)
    }

    fn served(self, source: Source) -> Option<&'static Served> {
        self.row().sources.iter().find(|served| served.source == source)
    }

    /// The processes of a run: the parties in order, then that of the source, if it has one.
    pub fn roles(self, source: Source) -> Vec<Role> {
        Parties::first(self.parties()).iter().map(Role::from).chain(source.process()).collect()
    }

    /// Lowers a program whose matrices are cut by `tiling`, with correlations from `source`. What it computes twice is lowered
    /// once.
    ///
    /// # Errors
    /// [`DemandError::TooMany`], as soon as that is known: tiles may be so small that there is no end of them.
    ///
    /// # Panics
    /// Where the program is for another number of parties.
    pub fn lower(self, program: &Program, tiling: &Tiling, source: Source) -> Result<Lowered, DemandError> {
        assert_eq!(program.parties(), self.parties(), "a program for the protocol's parties");
        (self.row().lower)(&program.merged(), tiling, source)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row().name)
    }
}

impl FromStr for Protocol {
    type Err = UnknownProtocol;

    fn from_str(name: &str) -> Result<Protocol, UnknownProtocol> {
        let found = Protocol::ALL.into_iter().find(|protocol| protocol.row().name == name);
        found.ok_or_else(|| UnknownProtocol { name: name.to_owned() })
    }
}

/// A lowered program: every party's steps, and what they consume.
#[derive(Clone, Debug, PartialEq)]
pub struct Lowered {
    /// The steps, by party.
    pub parties: Vec<StepList>,
    /// The correlations, in the order of their use.
    pub demand: Demand,
    /// The traffic of the online phase.
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
    let is_test = |value: ValueId| matches!(program.value(value).op, Op::Compare(..));
    [(a, b), (b, a)].into_iter().find(|&(condition, _)| is_test(condition))
}

/// For each value, the (base, constant) pair that a comparison of it opens: a sum with a public constant that only
/// comparisons use shares the opening of its base, and any other value is its own base.
fn compared(program: &Program) -> Vec<(ValueId, u64)> {
    let mut only_tested = vec![true; program.values().len()];
    for value in program.values().iter().filter(|value| !matches!(value.op, Op::Compare(..))) {
        value.op.operands().for_each(|operand| only_tested[operand.index()] = false);
    }
    program.roots().for_each(|root| only_tested[root.index()] = false);
    let ids = (0..).map(ValueId);
    ids.zip(program.values())
        .map(|(id, value)| match value.op {
            Op::AddConstant(a, constant) if only_tested[id.index()] => (a, constant),
            _ => (id, 0),
        })
        .collect()
}
