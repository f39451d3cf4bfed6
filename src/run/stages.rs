//! A session's time, divided into stages without gaps.

use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::time::Instant;

/// A stage of a role's time. A session names its own stages; its caller names the time between two calls (see
/// [`Stages::end`]), which is [`Stage::Caller`] otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Starting other processes.
    Launching,
    /// Opening devices.
    Opening,
    /// Reading files.
    Reading,
    /// Turning numbers into ring elements.
    Encoding,
    /// Meeting the peers, and comparing terms with them.
    Connecting,
    /// Making a program of a job, and bounding its values.
    Building,
    /// The caller's work between two calls.
    Caller,
    /// Checking the inputs against the program.
    Inputs,
    /// A dealer's wait for the next order.
    Ordering,
    /// Planning with the first candidate tiles.
    Planning,
    /// Comparing other tiles and devices, and planning with them.
    Choosing,
    /// Agreeing with the other parties on tiles and plan, which waits for the slowest.
    Agreeing,
    /// Allocating device memory.
    Allocating,
    /// Sharing keys, and ordering correlations.
    Keys,
    /// Preparing the devices: compiling shaders.
    Preparing,
    /// The offline phase.
    Offline,
    /// The online phase.
    Online,
    /// Wiping and freeing device memory.
    Wiping,
    /// Writing outputs and reports.
    Writing,
    /// Waiting until the peers have everything, or other processes have ended.
    Finishing,
}

impl Stage {
    /// All stages, in the order of reports.
    pub const ALL: [Stage; 20] = [
        Stage::Launching,
        Stage::Opening,
        Stage::Reading,
        Stage::Encoding,
        Stage::Connecting,
        Stage::Building,
        Stage::Caller,
        Stage::Inputs,
        Stage::Ordering,
        Stage::Planning,
        Stage::Choosing,
        Stage::Agreeing,
        Stage::Allocating,
        Stage::Keys,
        Stage::Preparing,
        Stage::Offline,
        Stage::Online,
        Stage::Wiping,
        Stage::Writing,
        Stage::Finishing,
    ];

    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Stage::Launching => "starting processes",
            Stage::Opening => "opening devices",
            Stage::Reading => "reading files",
            Stage::Encoding => "encoding inputs",
            Stage::Connecting => "meeting peers",
            Stage::Building => "building the program",
            Stage::Caller => "the caller",
            Stage::Inputs => "checking inputs",
            Stage::Ordering => "awaiting orders",
            Stage::Planning => "planning",
            Stage::Choosing => "choosing tiles",
            Stage::Agreeing => "agreeing",
            Stage::Allocating => "allocating",
            Stage::Keys => "keys and orders",
            Stage::Preparing => "compiling shaders",
            Stage::Offline => "offline phase",
            Stage::Online => "online phase",
            Stage::Wiping => "wiping",
            Stage::Writing => "writing",
            Stage::Finishing => "finishing",
        }
    }

    /// True for the protocol's own time, false for the time around it.
    pub const fn is_protocol(self) -> bool {
        matches!(self, Stage::Offline | Stage::Online)
    }
}

/// A stretch of time in one stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageSpan {
    /// The stage.
    pub stage: Stage,
    /// Since the session's start.
    pub begin: Duration,
    /// Since the session's start.
    pub end: Duration,
}

/// A clock of stages: time belongs to the stage that ends next.
#[derive(Debug)]
pub struct Stages {
    start: Instant,
    /// The end of the last stage.
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

    /// The end of the last stage.
    pub(super) fn last(&self) -> Instant {
        self.last
    }

    /// These stages behind those of an earlier clock, without a gap: the first begins where the last of them ended.
    pub fn behind(self, earlier: Stages) -> Stages {
        let Stages { start, mut spans, .. } = earlier;
        let shift = self.start.saturating_duration_since(start);
        let mut begin = earlier.last.saturating_duration_since(start);
        for StageSpan { stage, end, .. } in self.spans {
            let end = begin.max(end + shift);
            match spans.last_mut() {
                Some(span) if span.stage == stage => span.end = end,
                _ => spans.push(StageSpan { stage, begin, end }),
            }
            begin = end;
        }
        Stages { start, last: self.last.max(earlier.last), spans }
    }

    /// The stages since this was last called.
    pub fn take(&mut self) -> Vec<StageSpan> {
        std::mem::take(&mut self.spans)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn stages_behind_others_leave_no_gap() {
        let wait = |ms| tokio::time::advance(Duration::from_millis(ms));
        let mut earlier = Stages::default();
        wait(5).await;
        earlier.end(Stage::Reading);
        wait(2).await;
        let mut stages = Stages::default();
        wait(3).await;
        stages.end(Stage::Connecting);
        wait(4).await;
        stages.end(Stage::Online);
        let mut stages = stages.behind(earlier);
        wait(1).await;
        stages.end(Stage::Finishing);
        let ms = Duration::from_millis;
        let spans = [
            (Stage::Reading, 0, 5),
            (Stage::Connecting, 5, 10),
            (Stage::Online, 10, 14),
            (Stage::Finishing, 14, 15),
        ];
        let expected = spans.map(|(stage, begin, end)| StageSpan { stage, begin: ms(begin), end: ms(end) });
        assert_eq!(stages.take(), expected);
    }

    #[test]
    fn reports_have_every_stage_once() {
        assert!(Stage::ALL.is_sorted_by(|a, b| a < b), "in the order in which they are declared");
        assert!(Stage::ALL.contains(&Stage::Finishing) && Stage::Finishing as usize + 1 == Stage::ALL.len());
    }
}
