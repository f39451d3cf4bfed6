//! From the steps of a garbled job to its circuit.

use super::GarbledJob;
use super::numbers::{Argument, GarbledProgram, Outcome};
use crate::JobError;
use crate::job::check;
use crate::job::program::Build;
use std::collections::BTreeMap;
use symbolon::program::expression::Names;
use symbolon::program::{Dims, Program, Span, ValueId};
use symbolon::protocol::garbled::{Computed, Function, lower};
use symbolon::session::Offer;
use symbolon::share::PartyId;

impl GarbledJob {
    pub(super) fn of_steps(&self, offers: &BTreeMap<String, Offer>) -> Result<GarbledProgram, JobError> {
        let base = &self.base;
        let program = Program::new(2, base.codec).with_truncation(base.truncation);
        let mut build = Build { job: base, program, names: Names::new(), number: 1 };
        for (name, input) in &base.inputs {
            build.input(name, offers[name])?;
            if let Some(bits) = input.bits {
                build.hold_bits(build.names[name], bits)?;
            }
        }
        build.tables()?;
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
    let is_name = |name: &&str| check::name(name).and_then(|()| check::word(name)).is_ok();
    let name = name.trim();
    (is_name(&name) && arguments.iter().all(is_name)).then_some((name, function, arguments))
}

impl Build<'_> {
    /// Says of an input that its numbers have so many bits, their sign among them.
    fn hold_bits(&mut self, input: ValueId, bits: u32) -> Result<(), JobError> {
        let integers = self.program.value(input).integers.expect("integers");
        let all = match integers.signed {
            true => Span::new(-(1 << (bits - 1)), (1 << (bits - 1)) - 1),
            false => Span::new(0, (1 << bits) - 1),
        };
        let kept = integers.span;
        Ok(self.program.hold_span(input, Span::new(all.low.max(kept.low), all.high.min(kept.high)))?)
    }

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
            match self.names.get(argument) {
                Some(&value) => of.push(value),
                None => return Err(wrong(self, format!("unknown name '{argument}'"))),
            }
        }
        let spans = of.iter().map(|&value| self.program.value(value).integers.expect("integers").span);
        let span = function.span(&spans.collect::<Vec<_>>());
        let shapes: Vec<Dims> = of.iter().map(|&value| self.program.dims(value)).collect();
        // Matrices stand for arrays of more axes: where those broadcast otherwise, there is no result.
        let dims = shapes.iter().try_fold(shapes[0], |all, &dims| {
            let (one, other) = (all.folded(), dims.folded());
            let broadcast = |a, b| if a == 1 { Some(b) } else { (a == b || b == 1).then_some(a) };
            let folded = (broadcast(one.rows, other.rows)?, broadcast(one.cols, other.cols)?);
            all.broadcast(dims).filter(|dims| (dims.folded().rows, dims.folded().cols) == folded)
        });
        let Some(dims) = dims else {
            return Err(wrong(self, format!("the arguments of {} have other shapes", function.name())));
        };
        if function == Function::Sort && dims.cols() == 1 && dims.folded().rows > 1 {
            let reason = "sort goes along the last axis, where this has one number: sort what is transposed";
            return Err(wrong(self, reason.to_owned()));
        }
        let input = self.program.inputs().len();
        let label = format!("{}({}) of step {number}", function.name(), arguments.join(", "));
        let value = self.program.input(&label, PartyId(0), dims, None)?;
        self.program.hold_span(value, span)?;
        self.names.insert(name.to_owned(), value);
        Ok(Computed { input, function, of })
    }
}
