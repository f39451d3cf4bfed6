//! Where a session's time goes: stages that follow each other without gaps.

use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::time::Instant;

/// What a party is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Meeting the peers, and comparing terms with them.
    Connecting,
    /// Whatever its caller does between two calls.
    Caller,
    /// Holding the inputs against the program.
    Inputs,
    /// Choosing tiles and devices, and planning with them.
    Planning,
    /// Agreeing with the other parties on tiles and plan, which waits for the slowest.
    Agreeing,
    /// Allocating device memory.
    Allocating,
    /// Sharing keys, and ordering correlations.
    Keys,
    /// Making the devices ready: compiling shaders.
    Preparing,
    /// The offline phase.
    Offline,
    /// The online phase.
    Online,
    /// Wiping and freeing device memory.
    Wiping,
}

/// A stretch of time in one stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageSpan {
    /// What it was spent on.
    pub stage: Stage,
    /// Since the session's start.
    pub begin: Duration,
    /// Since the session's start.
    pub end: Duration,
}

/// Divides time into stages: all that passes belongs to the stage that ends next.
#[derive(Debug)]
pub struct Stages {
    start: Instant,
    /// When the last stage ended.
    last: Instant,
    spans: Vec<StageSpan>,
}

impl Default for Stages {
    /// The first stage begins now.
    fn default() -> Stages {
        let now = Instant::now();
        Stages { start: now, last: now, spans: Vec::new() }
    }
}

impl Stages {
    /// A stage ends now.
    pub fn end(&mut self, stage: Stage) {
        self.end_at(stage, Instant::now());
    }

    /// A stage has ended at `end`.
    pub(super) fn end_at(&mut self, stage: Stage, end: Instant) {
        let [begin, end_since] = [self.last, end].map(|at| at.saturating_duration_since(self.start));
        match self.spans.last_mut() {
            Some(span) if span.stage == stage => span.end = end_since,
            _ => self.spans.push(StageSpan { stage, begin, end: end_since }),
        }
        self.last = end;
    }

    /// When the last stage ended.
    pub(super) fn last(&self) -> Instant {
        self.last
    }

    /// The stages since this was last called.
    pub fn take(&mut self) -> Vec<StageSpan> {
        std::mem::take(&mut self.spans)
    }
}
