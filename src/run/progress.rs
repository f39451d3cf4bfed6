//! How far a run is, to be read by any thread while it goes on.

use crate::plan::Plan;
use crate::step::{Action, Matrix};
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of a role's present run. Counting is one atomic addition for what happens together.
#[derive(Debug, Default)]
pub struct Progress {
    steps: Count,
    sent_bytes: Count,
    received_bytes: Count,
}

#[derive(Debug, Default)]
struct Count {
    done: AtomicU64,
    all: AtomicU64,
}

/// How far a run is: what is done, and what there is to do in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standing {
    /// Steps that are with the device, or whose message is.
    pub steps: Portion,
    /// Bytes sent, in both phases, without framing.
    pub sent_bytes: Portion,
    /// Bytes received, likewise.
    pub received_bytes: Portion,
}

/// A part of a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Portion {
    /// How much is done.
    pub done: u64,
    /// How much there is.
    pub all: u64,
}

impl Progress {
    /// How far the run is. Counters are read one after the other: each by itself is right.
    pub fn standing(&self) -> Standing {
        Standing {
            steps: self.steps.read(),
            sent_bytes: self.sent_bytes.read(),
            received_bytes: self.received_bytes.read(),
        }
    }

    /// A run of `plan` begins.
    pub(super) fn begin(&self, plan: &Plan) {
        let size = |matrix: &Matrix<_>| (matrix.shape.len() * plan.ring.element_bytes()) as u64;
        let (mut sent, mut received) = (0, 0);
        for planned in &plan.steps {
            match &planned.step.action {
                Action::Send { from, .. } => sent += size(from),
                Action::Receive { to, .. } => received += size(to),
                _ => {}
            }
        }
        self.steps.restart(plan.steps.len() as u64);
        self.sent_bytes.restart(sent);
        self.received_bytes.restart(received);
    }

    pub(super) fn stepped(&self, steps: usize) {
        self.steps.add(steps as u64);
    }

    pub(super) fn sent(&self, bytes: u64) {
        self.sent_bytes.add(bytes);
    }

    pub(super) fn received(&self, bytes: u64) {
        self.received_bytes.add(bytes);
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

    fn add(&self, amount: u64) {
        self.done.fetch_add(amount, Ordering::Relaxed);
    }
}
