//! A run's progress, which any thread may read while the run goes on.

use super::Tally;
use crate::plan::Plan;
use crate::step::Action;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Counters of a role's present run, and of the loop that it is a turn of.
#[derive(Debug, Default)]
pub struct Progress {
    steps: Count,
    sent_bytes: Count,
    received_bytes: Count,
    turns: Count,
    /// By output.
    latest: Mutex<BTreeMap<String, Latest>>,
}

/// The number that an output of one number had when it was last revealed to this role.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Latest {
    /// The turn of the loop, counted from 1.
    pub turn: u64,
    /// The number.
    pub number: f64,
}

#[derive(Debug, Default)]
struct Count {
    done: AtomicU64,
    all: AtomicU64,
}

/// A run's progress: the work done, and the work in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standing {
    /// Steps that are with the device, or whose message is.
    pub steps: Portion,
    /// Bytes sent, in both phases, without framing.
    pub sent_bytes: Portion,
    /// Bytes received, likewise.
    pub received_bytes: Portion,
    /// Turns of a loop, those of earlier sessions among them; none in all where there is no loop.
    pub turns: Portion,
}

/// A part of a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Portion {
    /// The part that is done.
    pub done: u64,
    /// The whole.
    pub all: u64,
}

impl Progress {
    /// The progress. Counters are read one after the other: each by itself is right.
    pub fn standing(&self) -> Standing {
        Standing {
            steps: self.steps.read(),
            sent_bytes: self.sent_bytes.read(),
            received_bytes: self.received_bytes.read(),
            turns: self.turns.read(),
        }
    }

    /// The latest number of each output that is one number and was revealed to this role in a turn of a loop, by name.
    pub fn latest(&self) -> BTreeMap<String, Latest> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Starts a loop of so many turns, of which some are done.
    pub(crate) fn begin_turns(&self, done: u32, all: u32) {
        self.turns.restart(all.into());
        self.turns.reach(done.into());
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// So many turns are done, of which the last has revealed these numbers to this role.
    pub(crate) fn end_turn(&self, done: u32, numbers: impl Iterator<Item = (String, f64)>) {
        self.turns.reach(done.into());
        let latest = numbers.map(|(name, number)| (name, Latest { turn: done.into(), number }));
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).extend(latest);
    }

    /// Starts the counters for a run of `plan`.
    pub(super) fn begin(&self, plan: &Plan) {
        let (mut sent, mut received) = (0, 0);
        for planned in &plan.steps {
            match &planned.step.action {
                Action::Send { from, .. } => sent += from.shape.size_bytes(plan.ring),
                Action::Receive { to, .. } => received += to.shape.size_bytes(plan.ring),
                _ => {}
            }
        }
        self.restart(plan.steps.len() as u64, sent, received);
    }

    /// Starts the counters for so many steps, and bytes sent and received.
    pub fn restart(&self, steps: u64, sent_bytes: u64, received_bytes: u64) {
        self.steps.restart(steps);
        self.sent_bytes.restart(sent_bytes);
        self.received_bytes.restart(received_bytes);
    }

    /// So many steps are done, and so many bytes sent and received.
    pub fn reach(&self, steps: u64, tally: &Tally) {
        self.steps.reach(steps);
        self.sent_bytes.reach(tally.sent_bytes + tally.offline_sent_bytes);
        self.received_bytes.reach(tally.received_bytes + tally.offline_received_bytes);
    }
}

impl Count {
    fn read(&self) -> Portion {
        Portion { done: self.done.load(Ordering::Relaxed), all: self.all.load(Ordering::Relaxed) }
    }

    fn restart(&self, all: u64) {
        self.done.store(0, Ordering::Relaxed);
        self.all.store(all, Ordering::Relaxed);
    }

    fn reach(&self, done: u64) {
        self.done.store(done, Ordering::Relaxed);
    }
}
