//! Programs: what is computed, of which inputs, and who learns what.
//!
//! A value can come in as shares: every party brings a number of each element, and the sum of all, modulo 2^k, is the value.
//! It can leave so too: all parties but the last bring a mask, which the library draws afresh for every run and which is
//! their share; the last one learns the value less all masks, which is uniform to it.
//!
//! Shares and masks are inputs and outputs of the program under names of the library's own, which begin with an underscore.
//! A caller's names never do, so that the two never meet.

use crate::handles::{give, lock, of};
use crate::memory::{put, put_text, read, text};
use crate::status::{Fault, SymbolonStatus, call};
use std::collections::BTreeMap;
use std::ffi::c_char;
use std::fmt::Write as _;
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use symbolon::program::expression::functions::Function;
use symbolon::program::expression::{Names, add_step};
use symbolon::program::{Dims, Program};
use symbolon::protocol::Protocol;
use symbolon::ring::{FixedPoint, Ring};
use symbolon::share::PartyId;

/// The first letter of the names that the library itself gives; a caller's names never begin with it.
const OWN: char = '_';

/// The longest name of a caller's value: with what the library puts before it for a share, a job takes it.
const LONGEST_NAME: usize = 56;

/// The most axes of a value.
const MOST_AXES: usize = 4;

/// The form in which a caller brings an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Brought {
    /// As numbers.
    Numbers,
    /// As a party's share of a value.
    Share,
    /// Not at all: it is drawn afresh for every run.
    Mask,
}

/// An input of one party.
#[derive(Clone)]
pub(crate) struct Leaf {
    pub(crate) owner: u8,
    pub(crate) len: usize,
    pub(crate) brought: Brought,
}

/// A program that a caller builds.
#[derive(Clone)]
pub(crate) struct Builder {
    pub(crate) protocol: Protocol,
    pub(crate) codec: FixedPoint,
    program: Program,
    names: Names,
    pub(crate) inputs: BTreeMap<String, Leaf>,
    /// The parties that learn each output.
    outputs: BTreeMap<String, Vec<u8>>,
    /// The inputs and steps as a job has them.
    declared: String,
    steps: String,
}

impl Builder {
    fn new(protocol: &str, ring_bits: u32, fraction_bits: u32) -> Result<Builder, Fault> {
        let protocol = Protocol::from_str(protocol).map_err(Fault::usage)?;
        let ring = Ring::from_bits(ring_bits).map_err(Fault::usage)?;
        let codec = FixedPoint::new(ring, fraction_bits).map_err(Fault::usage)?;
        Ok(Builder {
            protocol,
            codec,
            program: Program::new(protocol.parties(), codec),
            names: Names::new(),
            inputs: BTreeMap::new(),
            outputs: BTreeMap::new(),
            declared: String::new(),
            steps: String::new(),
        })
    }

    /// The text of the job by which parties compute it.
    pub(crate) fn job(&self) -> Result<String, Fault> {
        if self.outputs.is_empty() {
            return Err(Fault::usage("the program has no output"));
        }
        let mut learnt = String::new();
        for (name, to) in &self.outputs {
            let _ = writeln!(learnt, "{name} = {{ to = {to:?} }}");
        }
        Ok(format!(
            "[job]\nname = \"program\"\nprotocol = \"{}\"\nring_bits = {}\nfraction_bits = {}\n\
             [inputs]\n{}[program]\nsteps = [\n{}]\n[outputs]\n{learnt}",
            self.protocol,
            self.codec.ring().bits(),
            self.codec.fraction_bits(),
            self.declared,
            self.steps,
        ))
    }

    /// An input of a caller's or of the library's own.
    fn input(&mut self, name: &str, leaf: Leaf, dims: Dims, bound: Option<f64>) -> Result<(), Fault> {
        if self.names.contains_key(name) {
            return Err(Fault::usage(format!("there is a value '{name}' already")));
        }
        let value = self.program.input(name, PartyId(leaf.owner), dims, bound).map_err(Fault::usage)?;
        if self.codec.fraction_bits() == 0 {
            let kind = symbolon::program::Kind::I64.within(self.codec.ring());
            self.program.hold(value, kind).map_err(Fault::usage)?;
        }
        self.names.insert(name.to_owned(), value);
        let bound = bound.map_or(String::new(), |bound| format!(", bound = {bound:?}"));
        let _ = writeln!(
            self.declared,
            "{name} = {{ owner = {}, shape = {:?}{bound} }}",
            leaf.owner,
            dims.extents()
        );
        self.inputs.insert(name.to_owned(), leaf);
        Ok(())
    }

    /// An input of each party in turn, by these names.
    fn inputs(&mut self, names: &[String], dims: Dims, brought: Brought) -> Result<(), Fault> {
        let len = count(dims)?;
        for (owner, name) in (0u8..).zip(names) {
            self.input(name, Leaf { owner, len, brought }, dims, None)?;
        }
        Ok(())
    }

    /// A caller's step, which uses and defines names of callers' alone.
    fn step(&mut self, text: &str) -> Result<(), Fault> {
        check_words(text)?;
        self.add_step(text)
    }

    fn add_step(&mut self, text: &str) -> Result<(), Fault> {
        add_step(&mut self.program, &mut self.names, 1, text).map_err(Fault::usage)?;
        let quoted = serde_json::to_string(text).expect("text serialises");
        let _ = writeln!(self.steps, "  {quoted},");
        Ok(())
    }

    /// A value that all parties bring shares of.
    fn share(&mut self, name: &str, dims: Dims, bound: Option<f64>) -> Result<(), Fault> {
        check_name(name)?;
        let parties = self.protocol.parties() as u8;
        let shares = Vec::from_iter((0..parties).map(|party| share_in(name, party)));
        self.inputs(&shares, dims, Brought::Share)?;
        let sum = shares.join(" + ");
        match bound {
            Some(bound) => self.add_step(&format!("{name} = assume({sum}, {:?}, {bound:?})", -bound)),
            None => self.add_step(&format!("{name} = {sum}")),
        }
    }

    /// Lets every party have a share of a value.
    fn output_share(&mut self, name: &str) -> Result<(), Fault> {
        check_name(name)?;
        let value =
            *self.names.get(name).ok_or_else(|| Fault::usage(format!("there is no value '{name}'")))?;
        let dims = self.program.value(value).dims;
        let last = self.protocol.parties() as u8 - 1;
        let (masks, learnt) =
            (Vec::from_iter((0..last).map(|party| share_out(name, party))), share_out(name, last));
        if self.outputs.contains_key(&learnt) {
            return Err(Fault::usage(format!("every party has its share of '{name}' already")));
        }
        self.inputs(&masks, dims, Brought::Mask)?;
        self.add_step(&format!("{learnt} = {name} - {}", masks.join(" - ")))?;
        self.outputs.insert(learnt, vec![last]);
        Ok(())
    }

    fn output(&mut self, name: &str, to: &[u8]) -> Result<(), Fault> {
        check_words(name)?;
        if !self.names.contains_key(name) {
            return Err(Fault::usage(format!("there is no value '{name}'")));
        }
        let parties = self.protocol.parties();
        if to.is_empty() || to.iter().any(|&party| usize::from(party) >= parties) {
            return Err(Fault::usage(format!("an output goes to some of the parties 0 to {}", parties - 1)));
        }
        self.outputs.insert(name.to_owned(), to.to_vec());
        Ok(())
    }
}

/// The name of the share of a value that a party brings.
pub(crate) fn share_in(name: &str, party: u8) -> String {
    format!("{OWN}in{party}_{name}")
}

/// An input as its caller knows it.
pub(crate) fn shown(name: &str) -> String {
    match name.strip_prefix(&format!("{OWN}in")).and_then(|rest| rest.split_once('_')) {
        Some((party, value)) => format!("share of '{value}' of party {party}"),
        None => format!("input '{name}'"),
    }
}

/// The name of the share of a value that a party gets: a mask that it brings, or what the last party learns.
pub(crate) fn share_out(name: &str, party: u8) -> String {
    format!("{OWN}out{party}_{name}")
}

/// Refuses what is no name for a value of a caller's.
fn check_name(name: &str) -> Result<(), Fault> {
    let is_identifier = name.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    if !is_identifier || name.len() > LONGEST_NAME || Function::of(name).is_some() {
        return Err(Fault::usage(format!(
            "{name:?} is no name for a value: one is a letter and up to {} letters, digits and underscores, and no \
             function's",
            LONGEST_NAME - 1
        )));
    }
    Ok(())
}

/// Refuses a text, of a caller's, with a name that is the library's own.
pub(crate) fn check_words(text: &str) -> Result<(), Fault> {
    let mut words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    match words.find(|word| word.starts_with(OWN)) {
        Some(word) => {
            Err(Fault::usage(format!("'{word}': names that begin with an underscore are the library's own")))
        }
        None => Ok(()),
    }
}

/// Changes a program, or leaves it as it was.
fn change(program: u64, work: impl FnOnce(&mut Builder) -> Result<(), Fault>) -> SymbolonStatus {
    call(|| {
        let builder: Arc<Mutex<Builder>> = of(program, "a program")?;
        let mut builder = lock(&builder);
        let mut changed = builder.clone();
        work(&mut changed)?;
        *builder = changed;
        Ok(())
    })
}

/// Extents of the caller's.
///
/// # Safety
/// As for [`read`].
unsafe fn dims(shape: *const usize, axes: usize) -> Result<Dims, Fault> {
    if axes > MOST_AXES {
        return Err(Fault::usage(format!("a value has at most {MOST_AXES} axes, and {axes} are given")));
    }
    // SAFETY: the caller of this function vouches for `axes` extents.
    Dims::new(unsafe { read(shape, axes, "shape") }?).map_err(Fault::usage)
}

/// The number of elements, which a caller may have mistaken.
fn count(dims: Dims) -> Result<usize, Fault> {
    let extents = dims.extents();
    let count = extents.iter().try_fold(1usize, |count, &extent| count.checked_mul(extent));
    count.ok_or_else(|| Fault::usage(format!("a value of shape {extents:?} is too large")))
}

/// The bound of an input, of which 0 is none.
fn bounded(bound: f64) -> Result<Option<f64>, Fault> {
    match bound {
        0.0 => Ok(None),
        bound if bound.is_finite() && bound > 0.0 => Ok(Some(bound)),
        bound => Err(Fault::usage(format!("a bound is a positive number, or 0 for none, and not {bound}"))),
    }
}

/// A program without steps, for "beaver" or another protocol: of fixed-point numbers with `fraction_bits` behind the point,
/// or with 0 of integers modulo 2^`ring_bits`.
///
/// # Safety
/// `protocol` is a text; `program` has room for a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn symbolon_program_new(
    protocol: *const c_char,
    ring_bits: u32,
    fraction_bits: u32,
    program: *mut u64,
) -> SymbolonStatus {
    call(|| {
        // SAFETY: the caller vouches for the room.
        unsafe { put(program, 0, "program") }?;
        // SAFETY: the caller vouches for the text.
        let protocol = unsafe { text(protocol, "protocol") }?;
        let builder = Builder::new(protocol, ring_bits, fraction_bits)?;
        // SAFETY: the caller vouches for the room.
        unsafe { put(program, give(Mutex::new(builder)), "program") }
    })
}

/// An input: `owner` brings it, and alone knows it. `bound` is the largest magnitude that it vouches for, 0 for none.
///
/// # Safety
/// `name` is a text; `shape` has `axes` extents.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn symbolon_program_input(
    program: u64,
    name: *const c_char,
    owner: u8,
    shape: *const usize,
    axes: usize,
    bound: f64,
) -> SymbolonStatus {
    change(program, |builder| {
        // SAFETY: the caller vouches for the text and the extents.
        let (name, dims) = unsafe { (text(name, "name")?, dims(shape, axes)?) };
        let len = count(dims)?;
        check_name(name)?;
        builder.input(name, Leaf { owner, len, brought: Brought::Numbers }, dims, bounded(bound)?)
    })
}

/// An input of which every party brings its share: their sum modulo 2^k is the value, and `bound` its largest magnitude, 0
/// for none.
///
/// # Safety
/// `name` is a text; `shape` has `axes` extents.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn symbolon_program_share(
    program: u64,
    name: *const c_char,
    shape: *const usize,
    axes: usize,
    bound: f64,
) -> SymbolonStatus {
    change(program, |builder| {
        // SAFETY: the caller vouches for the text and the extents.
        let (name, dims) = unsafe { (text(name, "name")?, dims(shape, axes)?) };
        builder.share(name, dims, bounded(bound)?)
    })
}

/// A step of the job language, such as `z = relu(x @ w)`. Names that begin with an underscore are the library's own.
///
/// # Safety
/// `step` is a text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn symbolon_program_step(program: u64, step: *const c_char) -> SymbolonStatus {
    // SAFETY: the caller vouches for the text.
    change(program, |builder| builder.step(unsafe { text(step, "step") }?))
}

/// Lets the `count` parties in `to` learn a value.
///
/// # Safety
/// `name` is a text; `to` has `count` parties.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn symbolon_program_output(
    program: u64,
    name: *const c_char,
    to: *const u8,
    count: usize,
) -> SymbolonStatus {
    // SAFETY: the caller vouches for the text and the parties.
    change(program, |builder| unsafe { builder.output(text(name, "name")?, read(to, count, "to")?) })
}

/// Lets every party have its share of a value, and none the value.
///
/// # Safety
/// `name` is a text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn symbolon_program_output_share(program: u64, name: *const c_char) -> SymbolonStatus {
    // SAFETY: the caller vouches for the text.
    change(program, |builder| builder.output_share(unsafe { text(name, "name") }?))
}

/// The program as the text of a job, which `symbolon plan` and `symbolon run` take too. `needed` is the bytes that it takes
/// with the zero behind it; with a `room` of 0 nothing else is written.
///
/// # Safety
/// `job` has `room` bytes; `needed` is null, or has room for one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn symbolon_program_job(
    program: u64,
    job: *mut c_char,
    room: usize,
    needed: *mut usize,
) -> SymbolonStatus {
    call(|| {
        let builder: Arc<Mutex<Builder>> = of(program, "a program")?;
        let written = lock(&builder).job()?;
        // SAFETY: the caller vouches for the room.
        unsafe { put_text(job, room, needed, &written) }
    })
}
