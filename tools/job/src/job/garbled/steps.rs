//! From the steps of a garbled job to its circuit.

use super::GarbledJob;
use super::numbers::{Argument, GarbledProgram, Outcome};
use crate::JobError;
use crate::job::program::Build;
use std::collections::BTreeMap;
use symbolon::program::expression::Names;
use symbolon::program::{Kind, Program, ValueId};
use symbolon::protocol::garbled::{Computed, Function, lower};
use symbolon::session::Offer;
use symbolon::share::PartyId;

impl GarbledJob {
    pub(super) fn of_steps(&self, offers: &BTreeMap<String, Offer>) -> Result<GarbledProgram, JobError> {
        let base = &self.base;
        let program = Program::new(2, base.codec).with_truncation(base.truncation);
        let mut build = Build { job: base, program, names: Names::new(), number: 1 };
        base.inputs.keys().try_for_each(|name| build.input(name, offers[name]))?;
        let mut computed = Vec::new();
        for text in base.texts() {
            match call(text) {
                Some((name, function, arguments)) => {
                    computed.push(build.compute(name, function, &arguments)?);
                }
                None => drop(build.step(text)?),
            }
        }
        base.outputs.iter().try_for_each(|(name, output)| build.output(name, output))?;
        let program = build.program;
        let lowered = lower(&program, &computed)?;
        let given = program.inputs().iter().zip(&lowered.inputs);
        let inputs = given.filter_map(|(input, numbers)| {
            Some(Argument { name: input.name.clone(), owner: input.owner, numbers: (*numbers)? })
        });
        let outputs = program.outputs().iter().zip(&lowered.outputs).map(|(output, &numbers)| Outcome {
            name: output.name.clone(),
            to: output.to,
            numbers,
            dims: program.dims(output.value),
            kind: program.value(output.value).kind(base.codec.ring()),
        });
        let (inputs, outputs) = (inputs.collect(), outputs.collect());
        Ok(GarbledProgram { program: Some(program), ..self.formed(&lowered.circuit, 1, inputs, outputs) })
    }
}

/// `name = function(argument, …)` of the functions that circuits alone have, where a step is that.
fn call(text: &str) -> Option<(&str, Function, Vec<&str>)> {
    let (name, rest) = text.split_once('=')?;
    let (function, arguments) = rest.trim().strip_suffix(')')?.split_once('(')?;
    let function = Function::ALL.into_iter().find(|known| known.name() == function.trim())?;
    let arguments: Vec<&str> = arguments.split(',').map(str::trim).collect();
    let is_name = |word: &&str| crate::job::check::name(word).is_ok();
    let name = name.trim();
    (is_name(&name) && arguments.iter().all(is_name)).then_some((name, function, arguments))
}

impl Build<'_> {
    /// Adds the result of a function as an input that no party gives.
    fn compute(&mut self, name: &str, function: Function, arguments: &[&str]) -> Result<Computed, JobError> {
        let number = self.number;
        self.number += 1;
        let wrong = |build: &Self, reason: String| build.wrong(format!("step {number}: {reason}"));
        if self.names.contains_key(name) {
            return Err(wrong(self, format!("'{name}' is defined already")));
        } else if arguments.len() != function.arguments() {
            let (name, count) = (function.name(), function.arguments());
            return Err(wrong(self, format!("{name} takes {count} argument(s), each a name")));
        }
        let mut of = Vec::new();
        for argument in arguments {
            match self.names.get(*argument) {
                Some(&value) => of.push(value),
                None => return Err(wrong(self, format!("unknown name '{argument}'"))),
            }
        }
        let spans = of.iter().map(|&value| self.program.value(value).integers.expect("integers").span);
        let span = function.span(&spans.collect::<Vec<_>>());
        let dims = of.iter().map(|&value| self.program.dims(value)).max_by_key(|dims| dims.folded().len());
        let dims = dims.expect("a function has an argument");
        let fits = |&value: &ValueId| {
            let (own, shape) = (self.program.value(value).shape, dims.folded());
            [(own.rows, shape.rows), (own.cols, shape.cols)].iter().all(|&(own, all)| own == all || own == 1)
        };
        if !of.iter().all(fits) {
            return Err(wrong(self, format!("the arguments of {} have other shapes", function.name())));
        }
        let kind = Kind::integers(span.low < 0, self.job.codec.ring());
        let most = span.high.max(-span.low);
        let is_bound = Kind::span(kind, self.job.codec.ring()).high > most;
        let bound = is_bound.then_some((most.max(1)) as f64);
        let input = self.program.inputs().len();
        let label = format!("{}({}) of step {number}", function.name(), arguments.join(", "));
        let value = self.program.input(&label, PartyId(0), dims, bound)?;
        self.program.hold(value, kind)?;
        self.names.insert(name.to_owned(), value);
        Ok(Computed { input, function, of })
    }
}
