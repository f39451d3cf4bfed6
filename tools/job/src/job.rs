//! Job files: what to compute, on whose data, for whom.
//!
//! ```toml
//! [job]
//! name = "digits"
//! protocol = "beaver"
//! ring_bits = 64
//! fraction_bits = 16                 # 0 for integers
//! truncation = "stochastic"          # or "exact", "nearest": products rounded down, or to the nearest, bit for bit
//!
//! [inputs]
//! x = { owner = 0, file = "test_x.npy", shape = [360, 64] }
//! w = { owner = 1, file = "linear_w.npy", shape = [64, 10], bound = 8.0 }
//!
//! [program]
//! steps = ["scores = x @ w"]
//!
//! [outputs]
//! scores = { to = [0], file = "scores.npy" }
//! ```
//!
//! `file` is relative to the job; `tensor` names one array of an `.npz` or `.safetensors` file. `shape = [rows, cols]`, of
//! up to four extents, is what the owner's data must have: it lets `plan` work without the file, and a party whose inputs
//! reach another's outputs takes no other shape from a peer. `bound` is the largest magnitude that the owner vouches for,
//! and `kind`, one of i32, u32, i64 and u64, says which integers the input holds: its owner's file is held against both.
//! `kind = "integer"` is of an input of integers, those that its file has, beside numbers with fractions.
//! Names are identifiers, see [`check`].
//!
//! `owner = "public"` is of an input that every party has, each from a file of its own: parties compare its numbers before
//! anything secret moves, and products with it cost no message.
//!
//! Of a `.csv`, `header` says whether the first line names the columns, `columns` which of them are read (by name, or by
//! number from 1 on), `separator` what stands between two, and `missing` what takes the place of a missing value, which
//! is an error otherwise; in other files `missing` stands for NaN.
//!
//! `[state]` names values that one run leaves to the next as shares, and `[update]` what the next run finds in each. An
//! element `{ repeat = N, steps = [ … ] }` of `steps` is a loop, see [`Repeat`]. `every = k` at an output reveals it in each
//! k-th run or turn alone.
//!
//! With `batches = N` in `[job]` the program runs N times in one session, and `{batch}` in a path stands for the number
//! of the run, from 0. Inputs with `resident = true` stay in device memory between the runs. With
//! `stream_correlations = true` correlations are received as they are used, and not all before the inputs. With
//! `correlations = "pair"` two parties make them between themselves, and there is no dealer; with `"auto"` the cheapest
//! source is taken of those that every party's own file lists.
//!
//! With `nonlinear = "garbled"` a job of `protocol = "beaver"` has comparisons, choices by their results, exact truncations and
//! functions computed by garbled circuits, all that lie between two products in two rounds; with `"auto"` so or by tables, as the
//! online phase is predicted to be shorter.
//!
//! With `protocol = "garbled"` the program is one Boolean circuit, see [`GarbledJob`].

mod check;
mod data;
mod formula;
pub(crate) mod garbled;
mod nonlinear;
mod program;
mod public;
mod reach;
mod runs;
mod table;

use crate::config::{folder_of, parse_toml, read_text};
use crate::data::{Column, Missing, Separator, Source, TableOptions};
use crate::{Correlations, JobError, Sources};
pub use data::InputData;
pub use garbled::{AnyJob, CircuitFigures, GarbledJob, GarbledProgram};
pub use nonlinear::Nonlinear;
pub use program::State;
pub use public::Public;
pub use runs::{JobStep, Repeat};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use symbolon::correlation;
use symbolon::plan::Supply;
use symbolon::program::{Dims, Kind, Truncation};
use symbolon::protocol::Protocol;
use symbolon::ring::{FixedPoint, Ring};
use symbolon::session::{Declared, Offer};
use symbolon::share::{Parties, PartyId, Terms};

/// A job that has been read and checked as far as it can be without data.
pub struct Job {
    /// The job's name.
    pub name: String,
    /// The protocol, in the way in which it computes what is not linear.
    pub protocol: Protocol,
    /// What the job says of that way. Where it is [`Nonlinear::Auto`], the protocol is by tables until the parties have chosen.
    pub nonlinear: Nonlinear,
    /// The ring and the scale of its numbers.
    pub codec: FixedPoint,
    truncation: Truncation,
    /// The number of runs of the program.
    pub batches: u32,
    stream_correlations: bool,
    /// The source of correlations that it names; a store it cannot name.
    correlations: Option<Correlations>,
    /// Whether the parties ask privately whether all that the program rests on holds.
    check: bool,
    /// Whether a circuit is in the place of steps, in which every input reaches every output.
    is_circuit: bool,
    /// The parties' own inputs, by name.
    pub inputs: BTreeMap<String, Input>,
    /// The public inputs, by name.
    pub tables: BTreeMap<String, Input>,
    /// Its states, by name.
    pub states: BTreeMap<String, State>,
    /// The expressions of what the next run finds, by state.
    pub updates: BTreeMap<String, String>,
    /// Its public values by run, by name.
    pub publics: BTreeMap<String, Public>,
    /// The steps of its program, in order.
    pub steps: Vec<JobStep>,
    /// Its outputs, by name.
    pub outputs: BTreeMap<String, Output>,
    path: PathBuf,
}

/// The owner of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "`owner` is a party's number, or \"public\" where every party has the input")]
pub enum Owner {
    /// A party, by its number.
    Party(u8),
    /// Every party has it, from a file of its own.
    Public(Everybody),
}

/// The word for all parties.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Everybody {
    /// It is public.
    Public,
}

impl Owner {
    /// True where it is this party alone.
    pub fn is(self, party: PartyId) -> bool {
        self == Owner::Party(party.0)
    }
}

/// An input, as the job describes it.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The party that brings it, or all.
    pub owner: Owner,
    file: Option<PathBuf>,
    tensor: Option<String>,
    shape: Option<Dims>,
    #[serde(default, deserialize_with = "check::exact_bound")]
    bound: Option<f64>,
    kind: Option<Kind>,
    #[serde(default)]
    resident: bool,
    missing: Option<Missing>,
    header: Option<bool>,
    columns: Option<Vec<Column>>,
    separator: Option<Separator>,
    bits: Option<u32>,
}

impl Input {
    /// Whether it is declared to be integers, whatever the program's other numbers are.
    fn is_integer(&self) -> bool {
        self.kind == Some(Kind::Integer)
    }

    /// The options of its table, where it is one.
    fn table(&self) -> TableOptions {
        let (missing, header, columns, separator) =
            (self.missing, self.header, self.columns.clone(), self.separator);
        TableOptions { missing, header, columns, separator }
    }
}

/// An output, as the job describes it.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// The parties that learn it.
    pub to: Vec<u8>,
    file: Option<PathBuf>,
    every: Option<u32>,
    bits: Option<u32>,
    kind: Option<Kind>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    job: Header,
    inputs: BTreeMap<String, Input>,
    #[serde(default)]
    state: BTreeMap<String, State>,
    #[serde(default)]
    update: BTreeMap<String, String>,
    #[serde(default)]
    public: BTreeMap<String, Public>,
    program: Steps,
    outputs: BTreeMap<String, Output>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    name: String,
    protocol: String,
    ring_bits: u32,
    #[serde(default)]
    fraction_bits: u32,
    #[serde(default)]
    truncation: Truncation,
    #[serde(default = "once")]
    batches: u32,
    #[serde(default)]
    stream_correlations: bool,
    correlations: Option<String>,
    #[serde(default)]
    check: bool,
    #[serde(default)]
    nonlinear: Nonlinear,
}

const fn once() -> u32 {
    1
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Steps {
    #[serde(default)]
    steps: Vec<JobStep>,
    circuit: Option<String>,
    #[serde(default)]
    arguments: Vec<String>,
    #[serde(default)]
    results: Vec<String>,
    #[serde(default)]
    order: garbled::Order,
}

/// The placeholder of the batch's number in a path.
pub(crate) const BATCH: &str = "{batch}";

/// True where a path has the placeholder.
pub(crate) fn is_by_batch(file: &Path) -> bool {
    file.to_string_lossy().contains(BATCH)
}

/// The path for one batch.
pub fn of_batch(file: &Path, batch: u32) -> PathBuf {
    match file.to_str() {
        Some(text) => text.replace(BATCH, &batch.to_string()).into(),
        None => file.to_owned(),
    }
}

impl Job {
    /// Reads a job and checks it as far as that is possible without data.
    ///
    /// # Errors
    /// Where the file cannot be read, or describes no job.
    pub fn read(path: &Path) -> Result<Job, JobError> {
        Job::parse(path, &read_text(path)?)
    }

    /// Takes the text of a job; `path` is what errors call it, and relative paths start from its folder.
    ///
    /// # Errors
    /// Where the text describes no job.
    pub fn parse(path: &Path, text: &str) -> Result<Job, JobError> {
        let file: File = parse_toml(path, text)?;
        garbled::refuse(&file).map_err(|reason| JobError::Text {
            path: path.to_owned(),
            line: None,
            reason,
        })?;
        let protocol = file.job.protocol.clone();
        Job::of_file(path, file, &protocol)
    }

    /// The job of a file that has been parsed, of this protocol.
    fn of_file(path: &Path, file: File, protocol: &str) -> Result<Job, JobError> {
        let File { job, inputs, state, update, public, program, outputs } = file;
        let wrong = |reason: String| JobError::Text { path: path.to_owned(), line: None, reason };
        let names = inputs.keys().chain(state.keys()).chain(public.keys()).chain(outputs.keys());
        let has_steps = !program.steps.is_empty();
        let named = |name: &String| match has_steps {
            true => check::name(name).and_then(|()| check::word(name)),
            false => check::name(name),
        };
        names.into_iter().try_for_each(named).map_err(&wrong)?;
        outputs.iter().try_for_each(|(name, output)| check::recipients(name, &output.to)).map_err(&wrong)?;
        inputs.iter().try_for_each(|(name, input)| check::bound(name, input.bound)).map_err(&wrong)?;
        inputs.iter().try_for_each(|(name, input)| check::table(name, &input.table())).map_err(&wrong)?;
        check::batches(job.batches).map_err(&wrong)?;
        state.iter().try_for_each(|(name, state)| check::bound(name, state.bound)).map_err(&wrong)?;
        let (tables, inputs): (BTreeMap<_, _>, BTreeMap<_, _>) =
            inputs.into_iter().partition(|(_, input)| matches!(input.owner, Owner::Public(_)));
        table::check(&tables, &state).map_err(&wrong)?;
        if let Some(name) = public.keys().find(|name| {
            inputs.contains_key(*name) || tables.contains_key(*name) || state.contains_key(*name)
        }) {
            return Err(wrong(format!("'{name}' is a public value, and an input or a state")));
        }
        runs::check_states(&inputs, &state, &update, &program.steps).map_err(&wrong)?;
        runs::check_loops(&program.steps, job.batches).map_err(&wrong)?;
        let protocol = Protocol::from_str(protocol).map_err(|error| wrong(error.to_string()))?;
        let protocol = job.nonlinear.of(protocol, job.is_garbled()).map_err(&wrong)?;
        let ring = Ring::from_bits(job.ring_bits).map_err(|error| wrong(error.to_string()))?;
        let codec = FixedPoint::new(ring, job.fraction_bits).map_err(|error| wrong(error.to_string()))?;
        let all = inputs.iter().chain(&tables);
        all.into_iter().try_for_each(|(name, input)| check::kind(name, input.kind, codec)).map_err(&wrong)?;
        let correlations =
            job.correlations.as_deref().map(Correlations::of_job).transpose().map_err(&wrong)?;
        let parties = protocol.parties();
        let owners = inputs.iter().filter_map(|(name, input)| match input.owner {
            Owner::Party(owner) => Some((name, owner)),
            Owner::Public(_) => None,
        });
        let recipients =
            outputs.iter().flat_map(|(name, output)| output.to.iter().map(move |&to| (name, to)));
        if let Some((name, party)) =
            owners.chain(recipients).find(|&(_, party)| usize::from(party) >= parties)
        {
            let last = parties - 1;
            return Err(wrong(format!(
                "'{name}' names party {party}, but {protocol} has parties 0 to {last}"
            )));
        }
        let job = Job {
            name: job.name,
            protocol,
            nonlinear: job.nonlinear,
            codec,
            truncation: job.truncation,
            batches: job.batches,
            stream_correlations: job.stream_correlations,
            correlations,
            check: job.check,
            is_circuit: program.circuit.is_some(),
            inputs,
            tables,
            states: state,
            updates: update,
            publics: public,
            steps: program.steps,
            outputs,
            path: path.to_owned(),
        };
        job.check_every().map_err(&wrong)?;
        job.schedules().map_err(wrong)?;
        Ok(job)
    }

    /// Something that is wrong with the job's text.
    pub(crate) fn wrong(&self, reason: String) -> JobError {
        JobError::Text { path: self.path.clone(), line: None, reason }
    }

    /// The supply of correlations, if the job states one.
    pub fn supply(&self) -> Option<Supply> {
        self.stream_correlations.then_some(Supply::Streamed)
    }

    /// Its parties.
    pub fn parties(&self) -> impl Iterator<Item = PartyId> + use<> {
        Parties::first(self.protocol.parties()).iter()
    }

    /// The sources of correlations of a run: what is wanted, or else what the job says, or else the protocol's default.
    /// `listed` are the sources that the party's own file lists, if it lists any: of what the job names it takes nothing else, and
    /// where one is chosen by price, it is one of these; without a list it is what the job names.
    ///
    /// # Errors
    /// Where the source cannot serve the protocol, is not listed, or nothing says among which to choose.
    pub fn sources(
        &self,
        wanted: Option<&Correlations>,
        listed: Option<&[correlation::Source]>,
    ) -> Result<Sources, JobError> {
        let default = self.protocol.default_source();
        let serves = |source: &correlation::Source| self.protocol.check_source(*source).is_ok();
        let of_job = self.correlations.as_ref();
        if wanted.or(of_job) == Some(&Correlations::Auto) {
            if !Correlations::CHOOSABLE.iter().any(serves) {
                return Ok(Sources::one(default));
            }
            let named = of_job.and_then(Correlations::source).map(|source| vec![source]);
            let allowed = listed.map(<[_]>::to_vec).or(named).ok_or_else(|| {
                self.wrong(
                    "correlations = \"auto\" chooses among the sources that each party's own file lists, and this one's lists \
                     none: correlations = [\"dealer\", \"pair\"], or those of them that it trusts"
                        .to_owned(),
                )
            })?;
            return Ok(Sources { allowed, is_chosen: true });
        }
        let source = wanted.or(of_job).and_then(Correlations::source).unwrap_or(default);
        self.protocol.check_source(source)?;
        let is_listed = listed.is_none_or(|listed| listed.contains(&source));
        if wanted.is_none() && Correlations::CHOOSABLE.contains(&source) && !is_listed {
            return Err(self.wrong(format!(
                "the job takes correlations from {source}, which this party's own file does not list"
            )));
        }
        Ok(Sources::one(source))
    }

    /// The store that is filled for runs which would take correlations from these sources: by the two parties where they are the
    /// only one, or else by a dealer.
    ///
    /// # Errors
    /// Where it cannot serve the protocol.
    pub fn stored(&self, sources: &Sources) -> Result<Sources, JobError> {
        let source = match *sources.allowed {
            [correlation::Source::Pair] => correlation::Source::PairStore,
            _ => correlation::Source::Store,
        };
        self.protocol.check_source(source)?;
        Ok(Sources::one(source))
    }

    /// The names of a party's inputs.
    pub fn inputs_of(&self, party: PartyId) -> impl Iterator<Item = &str> {
        let own = self.inputs.iter().filter(move |(_, input)| input.owner.is(party));
        own.map(|(name, _)| name.as_str())
    }

    /// The job's file of an input.
    pub fn input_source(&self, name: &str) -> Option<Source> {
        let Input { file, tensor, .. } = self.described(name);
        Some(Source { file: folder_of(&self.path).join(file.as_ref()?), tensor: tensor.clone() })
    }

    /// An input, or a public one, as the job describes it.
    pub(crate) fn described(&self, name: &str) -> &Input {
        self.inputs.get(name).unwrap_or_else(|| &self.tables[name])
    }

    /// The inputs of which the job says where they are.
    pub fn input_files(&self) -> impl Iterator<Item = (&str, PathBuf)> {
        let names = self.inputs.keys().chain(self.tables.keys());
        names.filter_map(|name| Some((name.as_str(), self.input_source(name)?.file)))
    }

    /// The outputs of which the job says where they go.
    pub fn output_files(&self) -> impl Iterator<Item = (&str, PathBuf)> {
        self.outputs.keys().filter_map(|name| Some((name.as_str(), self.output_file(name)?)))
    }

    /// The same files in every batch: those of which a path says which batch it is for are many.
    pub fn in_batches<'a>(
        &self,
        files: impl IntoIterator<Item = (&'a str, PathBuf)>,
    ) -> Vec<(&'a str, PathBuf)> {
        let each = |(name, file): (&'a str, PathBuf)| {
            let batches = if is_by_batch(&file) { self.batches } else { 1 };
            (0..batches).map(move |batch| (name, of_batch(&file, batch)))
        };
        files.into_iter().flat_map(each).collect()
    }

    /// Makes sure that no batch's output takes the place of another's.
    ///
    /// # Errors
    /// Where one would.
    pub fn check_outputs<'a>(
        &self,
        files: impl IntoIterator<Item = (&'a str, PathBuf)>,
    ) -> Result<(), JobError> {
        let mut files = files.into_iter();
        match files.find(|(name, file)| self.batches / self.every(name) > 1 && !is_by_batch(file)) {
            None => Ok(()),
            Some((name, file)) => {
                let (file, batches) = (file.display(), self.batches);
                let reason = format!(
                    "output '{name}' of {batches} batches has one file, {file}: put {BATCH} in its path"
                );
                Err(JobError::Text { path: self.path.clone(), line: None, reason })
            }
        }
    }

    /// The job's file of an output.
    pub fn output_file(&self, name: &str) -> Option<PathBuf> {
        self.outputs[name].file.as_ref().map(|file| folder_of(&self.path).join(file))
    }

    /// The job's declaration of every input, against which peers' offers are checked.
    pub fn declared(&self) -> BTreeMap<String, Declared> {
        let declared = |(name, input): (&String, &Input)| {
            let Owner::Party(owner) = input.owner else { return None };
            // Its owner says which integers.
            let kind = input.kind.filter(|_| !input.is_integer()).map(|kind| self.kind_in_ring(kind));
            Some((name.clone(), Declared { owner: PartyId(owner), shape: input.shape, kind }))
        };
        self.inputs.iter().filter_map(declared).collect()
    }

    /// The job's own declaration of an input, where it has one.
    pub fn declared_offer(&self, name: &str) -> Option<Offer> {
        let Input { shape, kind, .. } = self.inputs[name];
        Some(Offer { shape: shape?, kind: self.kind_in_ring(kind.unwrap_or_default()) })
    }

    /// What a program of this job can hold of a kind.
    fn kind_in_ring(&self, kind: Kind) -> Kind {
        if self.codec.fraction_bits() == 0 { kind.within(self.codec.ring()) } else { kind }
    }

    /// The facts that all parties must have in common, in an order that makes the first difference the most telling one.
    pub fn terms(&self) -> Terms {
        let mut terms = Terms::default();
        terms.add("name", &self.name);
        terms.add("protocol", self.protocol);
        terms.add("nonlinear", self.nonlinear);
        terms.add("ring_bits", self.codec.ring().bits());
        terms.add("fraction_bits", self.codec.fraction_bits());
        terms.add("truncation", format!("{:?}", self.truncation).to_lowercase());
        terms.add("batches", self.batches);
        terms.add("check", self.check);
        for (name, input) in &self.inputs {
            let Owner::Party(owner) = input.owner else { continue };
            terms.add(format!("owner of input {name}"), owner);
            terms.add(format!("shape of input {name}"), declared(input.shape));
            terms.add(format!("bound of input {name}"), declared(input.bound));
            terms.add(format!("kind of input {name}"), declared(input.kind));
            terms.add(format!("residence of input {name}"), input.resident);
        }
        for (name, table) in &self.tables {
            terms.add(format!("shape of public input {name}"), declared(table.shape));
            terms.add(format!("kind of public input {name}"), declared(table.kind));
        }
        for (name, state) in &self.states {
            terms.add(format!("state {name}"), state.text());
        }
        for (name, public) in &self.publics {
            terms.add(format!("public value {name}"), public);
        }
        for (number, step) in (1..).zip(self.texts()) {
            terms.add(format!("step {number}"), step);
        }
        if let Some(repeat) = self.repeat() {
            terms.add("turns of the loop", repeat.repeat);
            terms.add("steps before the loop", self.steps_before_loop());
            terms.add("steps of the loop", repeat.texts().count());
        }
        for (name, update) in &self.updates {
            terms.add(format!("update of state {name}"), update);
        }
        for (name, output) in &self.outputs {
            terms.add(format!("recipients of output {name}"), format!("{:?}", output.to));
            terms.add(format!("runs of output {name}"), format!("every {}", self.every(name)));
        }
        terms
    }
}

/// An entry that a job may leave out, for parties to compare.
fn declared(value: Option<impl Display>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_string())
}
