//! Where the time of a process went: stages that follow each other without a gap, so that together they are all of it.

use crate::table::seconds;
use serde::{Deserialize, Serialize};
use symbolon::run::{Stage, StageSpan};

/// A stage, in seconds since the process's start.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageJson {
    pub stage: Stage,
    pub begin_s: f64,
    pub end_s: f64,
}

impl From<StageSpan> for StageJson {
    fn from(StageSpan { stage, begin, end }: StageSpan) -> StageJson {
        StageJson { stage, begin_s: begin.as_secs_f64(), end_s: end.as_secs_f64() }
    }
}

/// Stages as a report has them.
pub fn report(spans: impl IntoIterator<Item = StageSpan>) -> Vec<StageJson> {
    spans.into_iter().map(StageJson::from).collect()
}

/// All of the time that stages divide: until the last of them ended.
pub fn wall_s(stages: &[StageJson]) -> f64 {
    stages.last().map_or(0.0, |last| last.end_s)
}

/// A table of what each process spent on each stage that any of them had, all of its time, and what of that is not the
/// protocol's own.
pub fn table(processes: &[(String, Vec<StageJson>)]) -> Vec<Vec<String>> {
    let spent = |stages: &[StageJson], counts: &dyn Fn(Stage) -> bool| -> Option<f64> {
        let spans = stages.iter().filter(|span| counts(span.stage));
        spans.map(|span| span.end_s - span.begin_s).reduce(|a, b| a + b)
    };
    let row = |name: &str, counts: &dyn Fn(Stage) -> bool| -> Vec<String> {
        let cell = |(_, stages): &(String, Vec<StageJson>)| {
            spent(stages, counts).map_or_else(|| "–".to_owned(), seconds)
        };
        [name.to_owned()].into_iter().chain(processes.iter().map(cell)).collect()
    };
    let heading = ["time".to_owned()].into_iter().chain(processes.iter().map(|(name, _)| name.clone()));
    let mut rows: Vec<Vec<String>> = vec![heading.collect()];
    let there =
        |stage: &Stage| processes.iter().any(|(_, spans)| spans.iter().any(|span| span.stage == *stage));
    let stages = Stage::ALL.into_iter().filter(there);
    rows.extend(stages.map(|stage| row(stage.name(), &|other| other == stage)));
    rows.push(row("in all", &|_| true));
    rows.push(row("not the protocol's", &|stage| !stage.is_protocol()));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_all_stages_and_their_sum() {
        let span = |stage, begin_s, end_s| StageJson { stage, begin_s, end_s };
        let party = vec![
            span(Stage::Reading, 0.0, 0.5),
            span(Stage::Online, 0.5, 2.0),
            span(Stage::Reading, 2.0, 2.25),
        ];
        let launcher = vec![span(Stage::Launching, 0.0, 3.0)];
        assert_eq!(wall_s(&party), 2.25);
        let rows = table(&[("party 0".to_owned(), party), ("launcher".to_owned(), launcher)]);
        let expected = [
            ["time", "party 0", "launcher"],
            ["starting processes", "–", "3.00 s"],
            ["reading files", "750.0 ms", "–"],
            ["online phase", "1.50 s", "–"],
            ["in all", "2.25 s", "3.00 s"],
            ["not the protocol's", "750.0 ms", "3.00 s"],
        ];
        assert_eq!(rows, expected.map(|row| row.map(str::to_owned).to_vec()));
    }
}
