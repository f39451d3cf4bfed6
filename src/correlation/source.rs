//! The source of a run's correlations.
//!
//! A source is chosen by the session and its job. A protocol states by which sources it can be served and what each of
//! them is trusted with; its rules demand correlations and know nothing of where these come from.

use super::LoweredFor;
use crate::share::{PartyId, Role};
use std::fmt;

/// The source of a run's correlations, and the time at which it makes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// A process of its own, which the parties are connected to.
    Dealer,
    /// A dealer that wrote them to files before the run, or the two parties in its place.
    Store,
    /// The two parties, which wrote them to files of their own before the run: programs are lowered as for [`Source::Pair`].
    PairStore,
    /// The two computing parties between themselves, before the run; see [`super::pair`].
    Pair,
    /// One of three computing parties, within its own steps.
    Party(PartyId),
    /// Nobody: the protocol takes none.
    Nobody,
}

impl Source {
    /// Who draws the masks and sends corrections, now or ahead of time: steps name it as the other holder of keys. Of a pair
    /// each party holds its keys alone, and the corrections come as a dealer's would.
    pub const fn dealer(self) -> Option<Role> {
        match self {
            Source::Dealer | Source::Store | Source::PairStore | Source::Pair => Some(Role::Dealer),
            Source::Party(party) => Some(Role::Party(party)),
            Source::Nobody => None,
        }
    }

    /// The party among whose steps those of dealing are.
    pub const fn dealing_party(self) -> Option<PartyId> {
        match self {
            Source::Party(party) => Some(party),
            Source::Dealer | Source::Store | Source::PairStore | Source::Pair | Source::Nobody => None,
        }
    }

    /// Whether a list of steps of its own deals, apart from the parties'; of a pair nobody runs them, and they say what comes
    /// of it.
    pub const fn has_own_steps(self) -> bool {
        matches!(self, Source::Dealer | Source::Store | Source::PairStore | Source::Pair)
    }

    /// Whom programs are lowered for.
    pub const fn lowered_for(self) -> LoweredFor {
        match self {
            Source::Pair | Source::PairStore => LoweredFor::Pair,
            Source::Dealer | Source::Store | Source::Party(_) | Source::Nobody => LoweredFor::Dealer,
        }
    }

    /// The store whose orders are for programs that are lowered so.
    pub const fn store(lowered_for: LoweredFor) -> Source {
        match lowered_for {
            LoweredFor::Dealer => Source::Store,
            LoweredFor::Pair => Source::PairStore,
        }
    }

    /// The process that a run needs beside the parties.
    pub fn process(self) -> Option<Role> {
        (self == Source::Dealer).then_some(Role::Dealer)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Dealer => f.write_str("the dealer"),
            Source::Store => f.write_str("a store"),
            Source::PairStore => f.write_str("a store that the two parties filled"),
            Source::Pair => f.write_str("the two parties themselves"),
            Source::Party(party) => party.fmt(f),
            Source::Nobody => f.write_str("nobody"),
        }
    }
}
