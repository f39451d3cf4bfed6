//! The names of the processes of a run.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A computing party, numbered from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PartyId(pub u8);

impl PartyId {
    /// The party's number as an index.
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// The set of this party alone.
    pub const fn alone(self) -> Parties {
        Parties(1 << self.0)
    }
}

impl fmt::Display for PartyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "party {}", self.0)
    }
}

/// The role of a process in a run: one of the computing parties, or the dealer of correlated randomness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A computing party.
    Party(PartyId),
    /// The dealer, which sees no input and no opening.
    Dealer,
}

impl Role {
    /// The computing party with this number.
    pub const fn party(index: u8) -> Role {
        Role::Party(PartyId(index))
    }
}

impl From<PartyId> for Role {
    fn from(party: PartyId) -> Role {
        Role::Party(party)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Role::Party(party) => party.fmt(f),
            Role::Dealer => f.write_str("the dealer"),
        }
    }
}

/// A set of computing parties.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Parties(u8);

impl Parties {
    /// No party.
    pub const NONE: Parties = Parties(0);

    /// Most parties of a set, and of a run.
    pub const MOST: usize = u8::BITS as usize;

    /// Parties 0 to `count` − 1.
    pub fn first(count: usize) -> Parties {
        (0..count).map(|index| PartyId(index as u8)).collect()
    }

    /// Whether `party` is among them.
    pub const fn contains(self, party: PartyId) -> bool {
        self.0 & (1 << party.0) != 0
    }

    /// Whether nobody is.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Their number.
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// The set without `party`.
    pub const fn without(self, party: PartyId) -> Parties {
        Parties(self.0 & !(1 << party.0))
    }

    /// Everybody who is in one of the two.
    pub const fn union(self, other: Parties) -> Parties {
        Parties(self.0 | other.0)
    }

    /// The members, in ascending order.
    pub fn iter(self) -> impl Iterator<Item = PartyId> {
        (0..Parties::MOST as u8).map(PartyId).filter(move |&party| self.contains(party))
    }

    /// The member with the lowest number.
    pub fn lowest(self) -> Option<PartyId> {
        self.iter().next()
    }
}

impl FromIterator<PartyId> for Parties {
    fn from_iter<I: IntoIterator<Item = PartyId>>(parties: I) -> Parties {
        parties.into_iter().fold(Parties::NONE, |set, party| {
            assert!(party.index() < Parties::MOST, "a set of parties holds numbers below {}", Parties::MOST);
            Parties(set.0 | 1 << party.0)
        })
    }
}
