//! The figures of a turn of a loop, and of an epoch: of the turns of one pass through the rows that a loop takes by a public
//! order.

use crate::report::RunJson;
use crate::stages::StageJson;
use crate::table::{bytes, seconds};
use serde::{Deserialize, Serialize};
use symbolon::program::{Program, Rows, Schedule};
use symbolon::run::Stage;

/// What a turn takes, and an epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TurnsJson {
    /// From the end of a turn to that of the next, at the slowest party: half of the turns take no longer.
    pub turn_s: f64,
    /// Sent online by all parties of the report in a turn, on average.
    pub turn_bytes: f64,
    /// Sent offline by all in a turn, on average.
    pub turn_offline_bytes: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<EpochJson>,
}

/// What an epoch takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochJson {
    pub turns: u32,
    /// From the end of an epoch to that of the next, at the slowest party: half of the epochs take no longer. Where the run
    /// has no two of them, as many times what a turn takes as it has turns.
    pub epoch_s: f64,
}

impl TurnsJson {
    /// The figures of a report on a loop; none where it has fewer than two turns. `epoch` is the number of turns of an epoch,
    /// if there is such a thing.
    pub fn new(run: &RunJson, epoch: Option<u32>) -> Option<TurnsJson> {
        let turns = f64::from(run.turns?);
        let ends = run.parties.iter().map(|party| ends_s(&party.stages));
        let ends: Vec<Vec<f64>> = ends.collect();
        let slowest = |stride: usize| {
            let medians = ends.iter().filter_map(|ends| median(differences(ends, stride)));
            medians.reduce(f64::max)
        };
        let turn_s = slowest(1)?;
        let sent: u64 = run.parties.iter().map(|party| party.bytes_sent).sum();
        let epoch = epoch.map(|turns| {
            let epoch_s = slowest(turns as usize).unwrap_or(turn_s * f64::from(turns));
            EpochJson { turns, epoch_s }
        });
        let (turn_bytes, turn_offline_bytes) = (sent as f64 / turns, run.offline_bytes as f64 / turns);
        Some(TurnsJson { turn_s, turn_bytes, turn_offline_bytes, epoch })
    }

    /// Rows of a table under a heading.
    pub fn rows(&self) -> Vec<Vec<String>> {
        let row = |name: String, time_s: f64, count: f64| {
            let sent =
                [self.turn_bytes, self.turn_offline_bytes].map(|each| bytes((each * count).round() as u64));
            [vec![name, seconds(time_s)], sent.to_vec()].concat()
        };
        let heading = ["loop", "time", "bytes sent", "offline bytes"].map(str::to_owned).to_vec();
        let turn = row("a turn".to_owned(), self.turn_s, 1.0);
        let epoch = self.epoch.iter().map(|&EpochJson { turns, epoch_s }| {
            row(format!("an epoch of {turns} turns"), epoch_s, f64::from(turns))
        });
        [heading, turn].into_iter().chain(epoch).collect()
    }
}

/// The turns of one pass through the rows that a program takes by a public order: of the longest, where it takes several.
pub fn epoch(program: &Program) -> Option<u32> {
    let passes = program.publics().iter().filter_map(|public| match &public.schedule {
        Schedule::Rows(Rows::Shuffled { of, take, .. }) => u32::try_from(of / take).ok(),
        _ => None,
    });
    passes.max()
}

/// When each turn of a process ended.
pub fn ends_s(stages: &[StageJson]) -> Vec<f64> {
    let online = stages.iter().filter(|span| span.stage == Stage::Online);
    online.map(|span| span.end_s).collect()
}

/// From each so many-th to the next.
fn differences(ends: &[f64], stride: usize) -> Vec<f64> {
    // Counted from the last: the first turn shares the inputs.
    let every: Vec<f64> = ends.iter().rev().step_by(stride.max(1)).copied().collect();
    every.windows(2).map(|pair| pair[0] - pair[1]).collect()
}

/// The element in the middle.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn online(end_s: f64) -> StageJson {
        StageJson { stage: Stage::Online, begin_s: end_s - 0.5, end_s }
    }

    #[test]
    fn times_are_from_end_to_end_and_those_in_the_middle_count() {
        let stages: Vec<StageJson> = [9.0, 10.0, 11.0, 19.0, 20.0].map(online).to_vec();
        let ends = ends_s(&stages);
        assert_eq!(differences(&ends, 1), [1.0, 8.0, 1.0, 1.0]);
        assert_eq!(median(differences(&ends, 1)), Some(1.0), "a turn that was held up changes nothing");
        assert_eq!(differences(&ends, 2), [9.0, 2.0]);
        assert_eq!(median(differences(&ends, 5)), None, "there are no two epochs");
    }

    #[test]
    fn an_epoch_has_the_bytes_of_its_turns() {
        let epoch = Some(EpochJson { turns: 11, epoch_s: 0.34 });
        let turns = TurnsJson { turn_s: 0.031, turn_bytes: 1000.5, turn_offline_bytes: 10.0, epoch };
        let rows = turns.rows();
        assert_eq!(rows[1], ["a turn", "31.0 ms", "1,001", "10"]);
        assert_eq!(rows[2], ["an epoch of 11 turns", "340.0 ms", "11,006", "110"]);
    }
}
