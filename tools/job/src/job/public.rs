//! `[public]`: public values that differ from run to run, by name.

use super::Job;
use super::formula::Formula;
use serde::Deserialize;
use symbolon::program::{Rows, Schedule};

/// A public value, as the job describes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "a public value is a list of numbers, a formula in run, { shuffle = ROWS, take = N, seed = N }, or { from = LIST OR FORMULA, take = N }"
)]
pub enum Public {
    /// A number for each run.
    Numbers(Vec<f64>),
    /// A number for each run.
    Formula(String),
    /// Rows in an order that is drawn.
    Shuffled(Shuffled),
    /// Rows that follow each other.
    From(From),
}

/// `take` of the first `shuffle` rows, in an order from `seed`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shuffled {
    shuffle: usize,
    take: usize,
    seed: u64,
}

/// `take` rows, from a row on that is the run's.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct From {
    from: First,
    take: usize,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "`from` is a list of rows or a formula in run")]
enum First {
    Listed(Vec<u32>),
    Formula(String),
}

impl Public {
    /// What it is in each of so many runs.
    fn schedule(&self, runs: u32) -> Result<Schedule, String> {
        let numbers = |formula: &str| Formula::parse(formula)?.numbers(runs);
        let schedule = match self {
            Public::Numbers(numbers) => Schedule::Numbers(numbers.clone()),
            Public::Formula(formula) => Schedule::Numbers(numbers(formula)?),
            &Public::Shuffled(Shuffled { shuffle, take, seed }) => {
                Schedule::Rows(Rows::Shuffled { of: shuffle, take, seed })
            }
            Public::From(From { from: First::Listed(first), take }) => {
                Schedule::Rows(Rows::From { first: first.clone(), take: *take })
            }
            Public::From(From { from: First::Formula(formula), take }) => {
                let first = numbers(formula)?.into_iter().zip(0..).map(|(number, run)| row(number, run));
                Schedule::Rows(Rows::From { first: first.collect::<Result<_, _>>()?, take: *take })
            }
        };
        match schedule.runs() {
            Some(known) if known != runs as usize => {
                Err(format!("it is of {known} runs, and the job has {runs}"))
            }
            _ => Ok(schedule),
        }
    }
}

/// The number of a row.
fn row(number: f64, run: u32) -> Result<u32, String> {
    let is_row = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
    if is_row { Ok(number as u32) } else { Err(format!("it is {number} in run {run}, which is no row")) }
}

impl Job {
    /// What each public value is in the job's runs: the turns of its loop, or its batches.
    pub(super) fn schedules(&self) -> Result<Vec<(&str, Schedule)>, String> {
        let runs = if self.repeat().is_some() { self.turns() } else { self.batches };
        let mut schedules = Vec::new();
        for (name, public) in &self.publics {
            let schedule = public.schedule(runs);
            schedules.push((
                name.as_str(),
                schedule.map_err(|reason| format!("public value '{name}': {reason}"))?,
            ));
        }
        Ok(schedules)
    }
}
