//! `[public]`: public values that differ from run to run, by name.

use super::Job;
use super::formula::Formula;
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt;
use symbolon::program::{Rows, Schedule};

/// A public value, as the job describes it.
#[derive(Clone, Debug)]
pub enum Public {
    /// A number for each run.
    Numbers(Vec<f64>),
    /// A number for each run.
    Formula(String),
    /// `take` of the first `shuffle` rows, in an order from `seed`.
    Shuffled { shuffle: usize, take: usize, seed: u64 },
    /// `take` rows that follow each other, from a row on that is the run's.
    From { from: First, take: usize },
}

/// The first row of each run.
#[derive(Clone, Debug)]
pub enum First {
    /// A row for each run.
    Listed(Vec<u32>),
    /// A row for each run.
    Formula(String),
}

/// Rows, as the job describes them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RowsEntry {
    shuffle: Option<usize>,
    from: Option<First>,
    take: usize,
    seed: Option<u64>,
}

impl<'de> Deserialize<'de> for Public {
    fn deserialize<D: Deserializer<'de>>(entry: D) -> Result<Public, D::Error> {
        entry.deserialize_any(PublicForms)
    }
}

impl<'de> Deserialize<'de> for First {
    fn deserialize<D: Deserializer<'de>>(entry: D) -> Result<First, D::Error> {
        entry.deserialize_any(FirstForms)
    }
}

/// The forms of a public value, each of which has errors of its own.
struct PublicForms;

impl<'de> Visitor<'de> for PublicForms {
    type Value = Public;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a public value: a list of numbers, a formula in run, { shuffle = ROWS, take = N, seed = N }, or \
             { from = LIST OR FORMULA, take = N }",
        )
    }

    fn visit_str<E: de::Error>(self, formula: &str) -> Result<Public, E> {
        Ok(Public::Formula(formula.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Public, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(Public::Numbers)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Public, A::Error> {
        let RowsEntry { shuffle, from, take, seed } =
            RowsEntry::deserialize(MapAccessDeserializer::new(map))?;
        let wrong = match (shuffle, from, seed) {
            (Some(shuffle), None, Some(seed)) => return Ok(Public::Shuffled { shuffle, take, seed }),
            (None, Some(from), None) => return Ok(Public::From { from, take }),
            (Some(_), Some(_), _) => "rows have `shuffle` or `from`, not both",
            (Some(_), None, None) => "`shuffle` needs a `seed`, from which all parties draw the same order",
            (None, Some(_), Some(_)) => {
                "a `seed` goes with `shuffle`: rows that follow each other are not drawn"
            }
            (None, None, _) => "rows have `shuffle`, or `from`",
        };
        Err(de::Error::custom(wrong))
    }
}

/// The forms of `from`.
struct FirstForms;

impl<'de> Visitor<'de> for FirstForms {
    type Value = First;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of rows, or a formula in run")
    }

    fn visit_str<E: de::Error>(self, formula: &str) -> Result<First, E> {
        Ok(First::Formula(formula.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<First, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(First::Listed)
    }
}

impl fmt::Display for Public {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Public::Numbers(numbers) => write!(f, "{numbers:?}"),
            Public::Formula(formula) => f.write_str(formula),
            Public::Shuffled { shuffle, take, seed } => {
                write!(f, "{{ shuffle = {shuffle}, take = {take}, seed = {seed} }}")
            }
            Public::From { from: First::Listed(rows), take } => {
                write!(f, "{{ from = {rows:?}, take = {take} }}")
            }
            Public::From { from: First::Formula(formula), take } => {
                write!(f, "{{ from = \"{formula}\", take = {take} }}")
            }
        }
    }
}

impl Public {
    /// What it is in each of so many runs.
    fn schedule(&self, runs: u32) -> Result<Schedule, String> {
        let numbers = |formula: &str| Formula::parse(formula)?.numbers(runs);
        let schedule = match self {
            Public::Numbers(numbers) => Schedule::Numbers(numbers.clone()),
            Public::Formula(formula) => Schedule::Numbers(numbers(formula)?),
            &Public::Shuffled { shuffle, take, seed } => {
                Schedule::Rows(Rows::Shuffled { of: shuffle, take, seed })
            }
            Public::From { from: First::Listed(first), take } => {
                Schedule::Rows(Rows::From { first: first.clone(), take: *take })
            }
            Public::From { from: First::Formula(formula), take } => {
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
