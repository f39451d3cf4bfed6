//! The runs of a job: its batches, or the turns of its loop; and what each reveals.

use super::{Input, Job, State};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use symbolon::program::expression::names_in;

/// A loop runs at most so often.
const MOST_TURNS: u32 = 100_000;

/// An element of `steps`.
#[derive(Clone, Debug)]
pub enum JobStep {
    /// A step.
    One(String),
    /// A loop.
    Loop(Repeat),
}

impl<'de> Deserialize<'de> for JobStep {
    fn deserialize<D: Deserializer<'de>>(entry: D) -> Result<JobStep, D::Error> {
        entry.deserialize_any(StepForms)
    }
}

/// The forms of a step, each of which has errors of its own.
struct StepForms;

impl<'de> Visitor<'de> for StepForms {
    type Value = JobStep;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a step: a text, or a loop { repeat = N, steps = [ … ] }")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<JobStep, E> {
        Ok(JobStep::One(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<JobStep, A::Error> {
        Repeat::deserialize(MapAccessDeserializer::new(map)).map(JobStep::Loop)
    }
}

/// A loop. What its steps assign that was there before is what the next turn finds; what else they assign is each turn's own,
/// and the last turn's behind the loop.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    /// The number of its turns.
    pub repeat: u32,
    /// The steps of a turn, in order.
    pub steps: Vec<JobStep>,
}

impl Repeat {
    /// The names that its steps assign.
    pub(super) fn assigned(&self) -> BTreeSet<String> {
        self.texts().filter_map(names_in).map(|(name, _)| name).collect()
    }

    /// The texts of its steps, none of which is a loop.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().filter_map(|step| match step {
            JobStep::One(text) => Some(text.as_str()),
            JobStep::Loop(_) => None,
        })
    }
}

impl Job {
    /// Its loop, if it has one.
    pub fn repeat(&self) -> Option<&Repeat> {
        self.steps.iter().find_map(|step| match step {
            JobStep::Loop(repeat) => Some(repeat),
            JobStep::One(_) => None,
        })
    }

    /// The texts of all steps, those of the loop among them.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().flat_map(|step| -> Box<dyn Iterator<Item = &str>> {
            match step {
                JobStep::One(text) => Box::new(std::iter::once(text.as_str())),
                JobStep::Loop(repeat) => Box::new(repeat.texts()),
            }
        })
    }

    pub(super) fn steps_before_loop(&self) -> usize {
        self.steps.iter().take_while(|step| matches!(step, JobStep::One(_))).count()
    }

    /// Whether its program is to run more than once.
    pub fn may_run_again(&self) -> bool {
        self.batches > 1 || self.repeat().is_some()
    }

    /// The number of runs of the program in a batch: the turns of its loop, or one.
    pub fn turns(&self) -> u32 {
        self.repeat().map_or(1, |repeat| repeat.repeat)
    }

    /// An output is revealed in each so many-th run: turn of the loop, or batch.
    pub fn every(&self, output: &str) -> u32 {
        self.outputs[output].every.unwrap_or(self.turns())
    }

    /// Whether an output is revealed in several turns of a loop, whose values are one array with an axis more, the first.
    pub fn is_series(&self, output: &str) -> bool {
        self.repeat().is_some() && self.outputs[output].every.is_some()
    }

    /// Whether a batch reveals an output.
    pub fn reveals(&self, output: &str, batch: u32) -> bool {
        self.repeat().is_some() || (batch + 1).is_multiple_of(self.every(output))
    }

    /// Makes sure that every output is revealed at all.
    pub(super) fn check_every(&self) -> Result<(), String> {
        let (runs, what) = match self.repeat() {
            Some(repeat) => (repeat.repeat, "turns"),
            None => (self.batches, "batches"),
        };
        for (name, output) in &self.outputs {
            match output.every {
                Some(every) if every == 0 || every > runs => {
                    return Err(format!(
                        "output '{name}' is revealed every {every} of {runs} {what}, that is never"
                    ));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// States have names of their own, and each an update: that of the loop, or one under `[update]`.
pub(super) fn check_states(
    inputs: &BTreeMap<String, Input>,
    states: &BTreeMap<String, State>,
    updates: &BTreeMap<String, String>,
    steps: &[JobStep],
) -> Result<(), String> {
    let of_loops = steps.iter().filter_map(|step| match step {
        JobStep::Loop(repeat) => Some(repeat.assigned()),
        JobStep::One(_) => None,
    });
    let assigned: BTreeSet<String> = of_loops.flatten().collect();
    if let Some(name) = updates.keys().find(|name| assigned.contains(*name)) {
        return Err(format!("the loop assigns '{name}', which [update] updates as well"));
    }
    if let Some(name) = states.keys().find(|name| inputs.contains_key(*name)) {
        return Err(format!("'{name}' is an input and a state"));
    }
    let is_updated = |name: &&String| updates.contains_key(*name) || assigned.contains(*name);
    if let Some(name) = states.keys().find(|name| !is_updated(name)) {
        return Err(format!(
            "state '{name}' has no update: say under [update] what the next run finds in it"
        ));
    }
    match updates.keys().find(|name| !states.contains_key(*name)) {
        Some(name) => Err(format!("[update] names '{name}', which is no state: declare it under [state]")),
        None => Ok(()),
    }
}

/// A job has one loop at most, of steps alone, and its runs are that loop's turns.
pub(super) fn check_loops(steps: &[JobStep], batches: u32) -> Result<(), String> {
    let mut loops = steps.iter().filter_map(|step| match step {
        JobStep::Loop(repeat) => Some(repeat),
        JobStep::One(_) => None,
    });
    let Some(repeat) = loops.next() else { return Ok(()) };
    if loops.next().is_some() {
        return Err("a second loop: a job has one; run the other as a job of its own".to_owned());
    }
    if repeat.steps.iter().any(|step| matches!(step, JobStep::Loop(_))) {
        return Err("a loop within a loop: write the steps of the inner one out".to_owned());
    }
    if !(1..=MOST_TURNS).contains(&repeat.repeat) {
        return Err(format!("repeat = {}: a loop has 1 to {MOST_TURNS} turns", repeat.repeat));
    }
    if batches > 1 {
        return Err(format!("a loop in {batches} batches: a job with a loop has one batch"));
    }
    Ok(())
}
