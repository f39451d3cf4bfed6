//! From a job's text to its program: inputs, states, steps and loops, updates, outputs.
//!
//! **A loop** is planned once and run so often: the runs of the program are its turns. What it assigns anew is a state,
//! which begins with the value of before, or as `[state]` says; what is before it is the same in every turn, and so its inputs are resident; what
//! is behind it, and outputs that name no `every`, are for the last turn alone.

use super::{Job, JobStep, Output, Owner, Repeat, declared};
use crate::JobError;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use symbolon::program::expression::{Names, add_definition, add_step, add_step_anew};
use symbolon::program::{Dims, Init, Kind, Number, Program, ValueId};
use symbolon::session::Offer;
use symbolon::share::PartyId;

/// A state, as the job describes it.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    shape: Option<Dims>,
    from: First,
    #[serde(default, deserialize_with = "super::check::exact_bound")]
    pub(super) bound: Option<f64>,
    kind: Option<Kind>,
}

/// The value of a state before the first run.
#[derive(Clone, Debug)]
enum First {
    Named(String),
    Integer(i128),
    Real(f64),
    Random { magnitude: f64 },
    Seeded { seed: u64, magnitude: f64 },
}

/// Numbers that are drawn, as the job describes them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Drawn {
    random: Option<f64>,
    seed: Option<u64>,
    magnitude: Option<f64>,
}

impl<'de> Deserialize<'de> for First {
    fn deserialize<D: Deserializer<'de>>(entry: D) -> Result<First, D::Error> {
        entry.deserialize_any(FirstForms)
    }
}

/// The forms of `from`, each of which has errors of its own.
struct FirstForms;

impl<'de> Visitor<'de> for FirstForms {
    type Value = First;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the name of an input, a number, { random = MAGNITUDE }, or { seed = N, magnitude = MAGNITUDE }",
        )
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<First, E> {
        Ok(First::Named(name.to_owned()))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<First, E> {
        Ok(First::Integer(number.into()))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<First, E> {
        Ok(First::Integer(number.into()))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<First, E> {
        Ok(First::Real(number))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<First, A::Error> {
        let Drawn { random, seed, magnitude } = Drawn::deserialize(MapAccessDeserializer::new(map))?;
        match (random, seed, magnitude) {
            (Some(magnitude), None, None) => Ok(First::Random { magnitude }),
            (None, Some(seed), Some(magnitude)) => Ok(First::Seeded { seed, magnitude }),
            _ => Err(de::Error::custom(
                "a state is drawn from { random = MAGNITUDE }, or from { seed = N, magnitude = MAGNITUDE }",
            )),
        }
    }
}

impl fmt::Display for First {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            First::Named(name) => f.write_str(name),
            First::Integer(number) => number.fmt(f),
            First::Real(number) => write!(f, "{number:?}"),
            First::Random { magnitude } => write!(f, "{{ random = {magnitude:?} }}"),
            First::Seeded { seed, magnitude } => {
                write!(f, "{{ seed = {seed}, magnitude = {magnitude:?} }}")
            }
        }
    }
}

impl State {
    /// Its facts, for parties to compare.
    pub(super) fn text(&self) -> String {
        let State { shape, from, bound, kind } = self;
        let (shape, bound, kind) = (declared(*shape), declared(*bound), declared(*kind));
        format!("from {from}, shape {shape}, bound {bound}, kind {kind}")
    }

    /// The input that is its first value.
    pub(super) fn first_input(&self) -> Option<&str> {
        match &self.from {
            First::Named(name) => Some(name),
            _ => None,
        }
    }
}

impl Job {
    /// The program, once the shapes and kinds of all inputs are known.
    ///
    /// # Errors
    /// Where a step is wrong for these shapes, or defines no output of the job.
    pub fn program(&self, inputs: &BTreeMap<String, Offer>) -> Result<Program, JobError> {
        let program = Program::new(self.protocol.parties(), self.codec).with_truncation(self.truncation);
        let mut build = Build { job: self, program, names: Names::new(), number: 1 };
        self.inputs.keys().try_for_each(|name| build.input(name, inputs[name]))?;
        build.tables()?;
        self.states.iter().try_for_each(|(name, state)| build.state(name, state))?;
        for (name, schedule) in self.schedules().map_err(|reason| self.wrong(reason))? {
            build.program.public(name, schedule)?;
        }
        for step in &self.steps {
            match step {
                JobStep::One(text) => build.define_or_add(text)?,
                JobStep::Loop(repeat) => build.repeat(repeat)?,
            }
        }
        build.updates()?;
        self.outputs.iter().try_for_each(|(name, output)| build.output(name, output))?;
        Ok(if self.check { build.program.checked()? } else { build.program })
    }
}

/// A program on its way.
pub(super) struct Build<'a> {
    pub job: &'a Job,
    pub program: Program,
    pub names: Names,
    /// The number of the next step.
    pub number: usize,
}

impl Build<'_> {
    pub(super) fn wrong(&self, reason: String) -> JobError {
        self.job.wrong(reason)
    }

    pub(super) fn input(&mut self, name: &str, offer: Offer) -> Result<(), JobError> {
        let input = &self.job.inputs[name];
        let Owner::Party(owner) = input.owner else { unreachable!("public inputs are kept apart") };
        let value = self.program.input(name, PartyId(owner), offer.shape, input.bound)?;
        if input.resident || self.job.repeat().is_some() {
            self.program.reside(value)?;
        }
        if self.job.codec.fraction_bits() == 0 || input.is_integer() {
            self.program.hold(value, offer.kind.within(self.job.codec.ring()))?;
        }
        self.names.insert(name.to_owned(), value);
        Ok(())
    }

    fn state(&mut self, name: &str, state: &State) -> Result<(), JobError> {
        let (init, dims) = match &state.from {
            First::Named(input) => {
                let known = self.job.inputs.contains_key(input).then(|| self.names.get(input)).flatten();
                let Some(&value) = known else {
                    let reason = format!("the first value of state '{name}' is '{input}', which is no input");
                    return Err(self.wrong(reason));
                };
                (Init::Value(value), Some(self.program.dims(value)))
            }
            First::Integer(number) => (Init::Number(Number::Integer(*number)), None),
            First::Real(number) => (Init::Number(Number::Real(*number)), None),
            First::Random { magnitude } => (Init::Random { magnitude: *magnitude }, None),
            First::Seeded { seed, magnitude } => (Init::Seeded { seed: *seed, magnitude: *magnitude }, None),
        };
        let Some(dims) = state.shape.or(dims) else {
            return Err(self.wrong(format!("state '{name}' has no shape: write shape = [rows, cols]")));
        };
        let given = match &init {
            Init::Value(value) => self.program.value(*value).kind(self.job.codec.ring()),
            _ => Kind::Real,
        };
        let counts = self.job.codec.fraction_bits() == 0;
        let kind = match state.kind {
            Some(kind) if counts => self.job.kind_in_ring(kind),
            Some(kind) => kind,
            None if counts => given,
            None => Kind::Real,
        };
        let value = self.program.state(name, dims, kind, init)?;
        if let Some(bound) = state.bound {
            self.program.bound_state(value, bound)?;
        }
        self.names.insert(name.to_owned(), value);
        Ok(())
    }

    /// A step or a definition.
    fn define_or_add(&mut self, text: &str) -> Result<(), JobError> {
        if add_definition(&mut self.names, self.number, text)? {
            self.number += 1;
            return Ok(());
        }
        self.step(text).map(drop)
    }

    pub(super) fn step(&mut self, text: &str) -> Result<ValueId, JobError> {
        let value = add_step(&mut self.program, &mut self.names, self.number, text)?;
        self.number += 1;
        Ok(value)
    }

    /// A loop: its steps once, on states that begin with what the names were before.
    fn repeat(&mut self, repeat: &Repeat) -> Result<(), JobError> {
        self.check_before_loop()?;
        let anew: BTreeSet<String> =
            repeat.assigned().into_iter().filter(|name| self.names.contains_key(name)).collect();
        if anew.is_empty() {
            let reason = "the loop changes nothing: no step of it assigns a name that was there before";
            return Err(self.wrong(reason.to_owned()));
        }
        let mut states = Vec::new();
        for name in &anew {
            let first = self.names[name];
            if self.job.states.contains_key(name) {
                states.push((name, first));
                continue;
            }
            let kind = match self.job.codec.fraction_bits() {
                0 => self.program.value(first).kind(self.job.codec.ring()),
                _ => Kind::Real,
            };
            let state = self.program.state(name, self.program.dims(first), kind, Init::Value(first))?;
            self.names.insert(name.clone(), state);
            states.push((name, state));
        }
        let mut left = anew.clone();
        for text in repeat.texts() {
            add_step_anew(&mut self.program, &mut self.names, &mut left, self.number, text)?;
            self.number += 1;
        }
        for (name, state) in states {
            self.program.update(state, self.names[name])?;
        }
        Ok(())
    }

    /// What is computed before a loop is the same in every turn.
    fn check_before_loop(&self) -> Result<(), JobError> {
        let resident = self.program.resident();
        let differs = |(name, value): &(&String, &ValueId)| {
            !resident[value.0 as usize] && !self.job.states.contains_key(*name)
        };
        match self.names.iter().find(differs) {
            None => Ok(()),
            Some((name, _)) => Err(self.wrong(format!(
                "'{name}' differs from turn to turn, and stands before the loop: compute it in the loop"
            ))),
        }
    }

    /// The updates of the job's own states, of the old ones and of all steps' values.
    fn updates(&mut self) -> Result<(), JobError> {
        for (name, text) in &self.job.updates {
            let mut names = self.names.clone();
            let mut anew = BTreeSet::from([name.clone()]);
            let text = format!("{name} = {text}");
            let value = add_step_anew(&mut self.program, &mut names, &mut anew, self.number, &text)?;
            self.number += 1;
            self.program.update(self.names[name], value)?;
        }
        Ok(())
    }

    pub(super) fn output(&mut self, name: &str, output: &Output) -> Result<(), JobError> {
        let Some(&value) = self.names.get(name) else {
            let known: Vec<&str> = self.names.keys().map(String::as_str).collect();
            let reason = format!("output '{name}' is defined by no step; known are: {}", known.join(", "));
            return Err(self.wrong(reason));
        };
        let to = output.to.iter().map(|&party| PartyId(party)).collect();
        self.program.output(name, value, to)?;
        let dims = self.program.dims(value);
        if self.job.is_series(name) && Dims::new(&[&[1], dims.extents()].concat()).is_err() {
            let reason = format!(
                "output '{name}' has {} axes, and its turns would be one more: values have at most four",
                dims.rank()
            );
            return Err(self.wrong(reason));
        }
        Ok(self.program.reveal_every(name, self.job.every(name))?)
    }
}
