//! Runs that follow each other at once under one agreement of the roles.
//!
//! Who runs a prepared program many times says so beforehand, [`Prepared::announce`]. Then the parties compare the plan's
//! digest, contribute to keys and order correlations once for many runs, and not for each: a run by itself is the messages
//! of its plan, and nobody waits for another but for these. The dealer deals one run after the other, as far ahead as the
//! parties' links take.
//!
//! **Invariant.** All roles have the same division into agreements, since it follows from what they compare: the number of
//! announced runs, and where checkpoints are due. An agreement ends there, so that no party is behind another by more than
//! one checkpoint.

use super::{Prepared, Session, SessionError};
use crate::correlation::Source;

/// The most runs of one agreement. It bounds what is made of one contribution to keys, and the work that a dealer has
/// before it that ends sooner; of that many, the messages of the agreement itself are a small part.
pub(super) const MOST_COVERED: u32 = 256;

/// A run among those that one agreement covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Covered {
    /// Its number among them.
    pub at: u32,
    /// How many they are.
    pub of: u32,
}

/// A run that is due next in a session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Due {
    /// The prepared program.
    pub number: u32,
    pub covered: Covered,
}

impl Covered {
    /// An agreement for one run.
    pub(super) const ALONE: Covered = Covered { at: 0, of: 1 };

    pub(super) fn is_first(self) -> bool {
        self.at == 0
    }

    pub(super) fn is_last(self) -> bool {
        self.at + 1 >= self.of
    }

    /// The next run that the agreement covers.
    pub(super) fn next(self) -> Option<Covered> {
        (!self.is_last()).then(|| Covered { at: self.at + 1, ..self })
    }
}

impl Prepared {
    /// Says that so many runs of the program follow each other, with no other use of the session between them, as all parties
    /// must say alike: they then agree on many runs at once.
    pub fn announce(&mut self, runs: u32) {
        self.announced = runs;
    }
}

impl Session {
    /// The place of the next run of a prepared program in its agreement.
    pub(super) fn covered(&mut self, prepared: &Prepared) -> Result<Covered, SessionError> {
        match self.due.take() {
            Some(Due { number, covered }) if Some(number) == prepared.number => Ok(covered),
            Some(_) => Err(SessionError::RunsDue),
            None => Ok(Covered { at: 0, of: self.covers(prepared) }),
        }
    }

    /// The number of runs that an agreement covers which begins with the next run.
    fn covers(&self, prepared: &Prepared) -> u32 {
        // Where a check fails all runs end: a dealer would still send what nobody takes.
        if prepared.program.check().is_some() && prepared.whole.source == Source::Dealer {
            return 1;
        }
        // Two parties that make their correlations wait for each other anyway.
        if prepared.whole.source == Source::Pair {
            return 1;
        }
        let kept = self.checkpoints.as_ref().map(|kept| kept.every() - prepared.runs() % kept.every());
        prepared.announced.min(MOST_COVERED).min(kept.unwrap_or(MOST_COVERED)).max(1)
    }

    /// Makes sure that no run is due that was announced.
    pub(super) fn check_nothing_due(&self) -> Result<(), SessionError> {
        if self.due.is_none() { Ok(()) } else { Err(SessionError::RunsDue) }
    }
}
