//! Jobs of `protocol = "garbled"`: two parties, a program on integers or a circuit from a file, as one Boolean circuit.
//!
//! ```toml
//! [job]
//! name = "auction"
//! protocol = "garbled"
//! ring_bits = 64
//!
//! [inputs]
//! a = { owner = 0, file = "bids_a.csv", bits = 16 }      # each number in 0 … 65535; with kind = "i64" in −32768 … 32767
//! b = { owner = 1, file = "bids_b.csv", bits = 16 }
//!
//! [program]
//! steps = ["bids = concat(a, b, axis=1)", "winner = argmax(bids, axis=1)", "ranked = sort(bids)"]
//!
//! [outputs]
//! winner = { to = [0, 1], file = "winner.csv" }
//! ```
//!
//! Steps are those of other jobs on integers, and `name = sort(x)`, `quotient(x, y)` and `remainder(x, y)` of names
//! ([`Function`]). `bits` is a bound: fewer bits make a smaller circuit.
//!
//! A circuit in Bristol Fashion stands in the place of steps. Its inputs are the `arguments`, its outputs the `results`, in
//! the file's order. Each row of an argument is one evaluation, and has as many numbers, of `bits` bits each (1 where none are
//! named), as fill the file's input; an array of one axis is one row. With `order = "little"`, the default, the first
//! number of a row takes the first wires; with `"big"` the last one does, so that a row reads as one number. Of each number the
//! lowest bit takes the first wire. A result is unsigned, unless `kind` says otherwise. The names `builtin:aes128`,
//! `builtin:sha256` and `builtin:sha512` are circuits that need no file: a key and a block of 16 bytes each, two parts of a
//! message.

mod file;
mod numbers;
mod steps;

pub use numbers::{CircuitFigures, GarbledProgram};

use super::{File, Header, Input, Job};
use crate::config::{folder_of, parse_toml, read_text};
use crate::{Correlations, JobError};
use numbers::{Argument, Outcome};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use symbolon::circuit::{Circuit, Schedule};
use symbolon::program::Kind;
use symbolon::protocol::Protocol;
use symbolon::session::Offer;
use symbolon::share::Terms;

/// The name of the protocol.
const GARBLED: &str = "garbled";

/// Most bytes of a circuit's file.
const LONGEST_CIRCUIT: u64 = 1 << 30;

/// Which wires the numbers of a row take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Order {
    /// The first number the first ones.
    #[default]
    Little,
    /// The last number the first ones.
    Big,
}

/// A job of any protocol.
pub enum AnyJob {
    /// One whose program is lowered to steps.
    Steps(Job),
    /// One that is garbled.
    Garbled(GarbledJob),
}

impl AnyJob {
    /// Reads a job and checks it as far as that is possible without data.
    ///
    /// # Errors
    /// Where the file cannot be read, or describes no job.
    pub fn read(path: &Path) -> Result<AnyJob, JobError> {
        let text = read_text(path)?;
        let file: File = parse_toml(path, &text)?;
        match file.job.is_garbled() {
            true => Ok(AnyJob::Garbled(GarbledJob::of_file(path, file)?)),
            false => Ok(AnyJob::Steps(Job::parse(path, &text)?)),
        }
    }

    /// What jobs of all protocols have.
    pub fn base(&self) -> &Job {
        match self {
            AnyJob::Steps(job) => job,
            AnyJob::Garbled(garbled) => &garbled.base,
        }
    }
}

impl Input {
    fn has_no_form(&self) -> bool {
        self.bits.is_some() && self.bound.is_some()
    }

    /// Numbers of so many bits have a kind, without a sign where the job names none, and a bound.
    fn take_form(&mut self, ring_bits: u32, has_circuit: bool) {
        if has_circuit {
            self.bits.get_or_insert(1);
        }
        let Some(bits) = self.bits else { return };
        let kind = *self.kind.get_or_insert(if ring_bits == 32 { Kind::U32 } else { Kind::U64 });
        // The bound finds the line of a file; numbers are held against their bits, to the unit, where they are encoded.
        self.bound = match (kind.is_signed(), has_circuit) {
            (false, _) => Some((f64::from(bits)).exp2() - 1.0),
            (true, false) => Some((f64::from(bits - 1)).exp2()),
            (true, true) => None,
        };
    }
}

impl Header {
    /// Whether the job is of a kind of its own, which is lowered to no steps.
    pub(super) fn is_garbled(&self) -> bool {
        self.protocol.as_str() == GARBLED
    }
}

/// Refuses a file that only a garbled job could be.
pub(super) fn refuse(file: &File) -> Result<(), String> {
    if file.job.is_garbled() {
        return Err("protocol 'garbled' is there for `run` and `plan` alone".to_owned());
    }
    let bits = file.inputs.iter().find(|(_, input)| input.bits.is_some()).map(|(name, _)| name);
    let formed = file.outputs.iter().find(|(_, output)| output.bits.is_some() || output.kind.is_some());
    if let Some(name) = bits.or(formed.map(|(name, _)| name)) {
        return Err(format!(
            "'{name}' has what protocol = \"garbled\" alone has: `bits`, or `kind` at an output"
        ));
    }
    let circuit = &file.program;
    if circuit.circuit.is_some() || !circuit.arguments.is_empty() || !circuit.results.is_empty() {
        return Err("a circuit in the place of steps is for protocol = \"garbled\"".to_owned());
    }
    Ok(())
}

/// A job that two parties run as a garbled circuit.
pub struct GarbledJob {
    /// What it has in common with other jobs: its inputs, outputs and batches. Its protocol is one of two parties, for the
    /// links between them alone.
    pub(crate) base: Job,
    pub(crate) source: Source,
}

/// What the circuit is made of.
pub(crate) enum Source {
    Steps,
    File(CircuitFile),
}

/// A circuit, and which of its inputs and outputs have which name.
pub(crate) struct CircuitFile {
    name: String,
    arguments: Vec<String>,
    results: Vec<String>,
    order: Order,
}

impl GarbledJob {
    /// Reads a job.
    ///
    /// # Errors
    /// Where the file cannot be read, or describes no garbled job.
    pub fn read(path: &Path) -> Result<GarbledJob, JobError> {
        GarbledJob::of_file(path, parse_toml(path, &read_text(path)?)?)
    }

    fn of_file(path: &Path, mut file: File) -> Result<GarbledJob, JobError> {
        let wrong =
            |reason: &str| JobError::Text { path: path.to_owned(), line: None, reason: reason.to_owned() };
        let header = &file.job;
        let refused = [
            (!header.is_garbled(), "the job's protocol is not garbled"),
            (header.fraction_bits > 0, "a garbled circuit computes on integers: fraction_bits = 0"),
            (header.check, "a garbled circuit has no checks"),
            (header.stream_correlations, "a garbled circuit has no correlations to stream"),
            (
                header.correlations.as_deref().is_some_and(|source| source != "pair"),
                "two parties make the transfers of a garbled circuit themselves: correlations = \"pair\", or none",
            ),
            (!file.state.is_empty() || !file.update.is_empty(), "a garbled circuit has no states"),
            (!file.public.is_empty(), "a garbled circuit has no public values by run"),
            (file.inputs.values().any(|input| input.resident), "no input of a garbled circuit is resident"),
            (file.outputs.values().any(|output| output.every.is_some()), "a garbled circuit has no `every`"),
            (
                file.program.steps.is_empty() == file.program.circuit.is_none(),
                "a program has steps, or a circuit",
            ),
        ];
        if let Some((_, reason)) = refused.into_iter().find(|(is_wrong, _)| *is_wrong) {
            return Err(wrong(reason));
        }
        let bits = file.inputs.values().map(|input| input.bits).chain(file.outputs.values().map(|o| o.bits));
        if let Some(bits) = bits.flatten().find(|bits| !(1..=64).contains(bits)) {
            return Err(wrong(&format!("bits = {bits}: a number has 1 to 64")));
        }
        file.job.correlations = Some(Correlations::Pair.to_string());
        if let Some(name) =
            file.inputs.iter_mut().find_map(|(name, input)| input.has_no_form().then_some(name))
        {
            return Err(wrong(&format!("input '{name}' has `bits` and a bound: one of them says all")));
        }
        let (ring_bits, has_circuit) = (file.job.ring_bits, file.program.circuit.is_some());
        file.inputs.values_mut().for_each(|input| input.take_form(ring_bits, has_circuit));
        let program = &mut file.program;
        let (arguments, results) =
            (std::mem::take(&mut program.arguments), std::mem::take(&mut program.results));
        let source = match program.circuit.clone() {
            Some(name) => Source::File(CircuitFile { name, arguments, results, order: program.order }),
            None if arguments.is_empty() && results.is_empty() && program.order == Order::Little => {
                Source::Steps
            }
            None => return Err(wrong("`arguments`, `results` and `order` are those of a circuit")),
        };
        let base = Job::of_file(path, file, &Protocol::Beaver.to_string())?;
        let job = GarbledJob { base, source };
        job.check()?;
        Ok(job)
    }

    /// Checks what concerns the circuit.
    fn check(&self) -> Result<(), JobError> {
        let base = &self.base;
        if base.repeat().is_some() {
            return Err(base.wrong("a garbled circuit has no loops".to_owned()));
        }
        let Source::File(file) = &self.source else {
            let formed =
                base.outputs.iter().find(|(_, output)| output.bits.is_some() || output.kind.is_some());
            return match formed {
                Some((name, _)) => {
                    let reason = format!(
                        "output '{name}': the program says of how many bits it is, and of which kind"
                    );
                    Err(base.wrong(reason))
                }
                None => Ok(()),
            };
        };
        if let Some(name) = base.tables.keys().next() {
            let reason = format!("input '{name}' is public: a circuit's inputs are parties' own");
            return Err(base.wrong(reason));
        }
        let mut arguments: Vec<&String> = file.arguments.iter().collect();
        arguments.sort();
        if !arguments.into_iter().eq(base.inputs.keys()) {
            return Err(
                base.wrong("`arguments` names every input once, in the order of the circuit".to_owned())
            );
        }
        let mut results: Vec<&String> = file.results.iter().collect();
        results.sort();
        if !results.into_iter().eq(base.outputs.keys()) {
            return Err(
                base.wrong("`results` names every output once, in the order of the circuit".to_owned())
            );
        }
        Ok(())
    }

    /// What it has in common with jobs of other protocols.
    pub fn base(&self) -> &Job {
        &self.base
    }

    /// The facts that both parties must have in common.
    ///
    /// # Errors
    /// Where the circuit's file cannot be read.
    pub fn terms(&self) -> Result<Terms, JobError> {
        let base = self.base.terms();
        let mut terms = Terms::default();
        for (name, value) in base.iter() {
            terms.add(name, if name == "protocol" { GARBLED } else { value });
        }
        let bits = |bits: Option<u32>| bits.map_or_else(|| "none".to_owned(), |bits| bits.to_string());
        for (name, input) in &self.base.inputs {
            terms.add(format!("bits of input {name}"), bits(input.bits));
        }
        for (name, output) in &self.base.outputs {
            terms.add(format!("bits of output {name}"), bits(output.bits));
            terms.add(format!("kind of output {name}"), format!("{:?}", output.kind));
        }
        if let Source::File(file) = &self.source {
            terms.add("arguments of the circuit", file.arguments.join(", "));
            terms.add("results of the circuit", file.results.join(", "));
            terms.add("order of the circuit's numbers", format!("{:?}", file.order));
            terms.add(
                "circuit",
                match file.name.starts_with(BUILTIN) {
                    true => file.name.clone(),
                    false => blake3::hash(&self.circuit_bytes(file)?.1).to_hex().to_string(),
                },
            );
        }
        Ok(terms)
    }

    /// The path and the bytes of a circuit's file.
    fn circuit_bytes(&self, file: &CircuitFile) -> Result<(PathBuf, Vec<u8>), JobError> {
        let path = folder_of(&self.base.path).join(&file.name);
        let failed = |reason: String| JobError::File { path: path.clone(), reason };
        let found = std::fs::metadata(&path).map_err(|error| failed(error.to_string()))?;
        if !found.is_file() || found.len() > LONGEST_CIRCUIT {
            return Err(failed(format!("it is no file of at most {LONGEST_CIRCUIT} bytes")));
        }
        let bytes = std::fs::read(&path).map_err(|error| failed(error.to_string()))?;
        Ok((path, bytes))
    }

    /// The circuit, once the shapes and kinds of all inputs are known.
    ///
    /// # Errors
    /// Where a step is wrong for these shapes, the file is no circuit, or the inputs do not fit it.
    pub fn program(&self, offers: &BTreeMap<String, Offer>) -> Result<GarbledProgram, JobError> {
        match &self.source {
            Source::Steps => self.of_steps(offers),
            Source::File(file) => self.of_circuit(file, offers),
        }
    }

    fn formed(
        &self,
        circuit: &Circuit,
        evaluations: usize,
        inputs: Vec<Argument>,
        outputs: Vec<Outcome>,
    ) -> GarbledProgram {
        let schedule = Arc::new(Schedule::new(circuit));
        let figures = CircuitFigures {
            and_gates: circuit.and_count(),
            xor_gates: circuit.xor_count(),
            and_depth: circuit.and_depth(),
            widest_layer: schedule.widest(),
        };
        let order = match &self.source {
            Source::Steps => Order::Little,
            Source::File(file) => file.order,
        };
        let codec = self.base.codec;
        GarbledProgram { schedule, evaluations, figures, program: None, order, codec, inputs, outputs }
    }
}

/// What begins the name of a circuit that needs no file.
const BUILTIN: &str = "builtin:";
