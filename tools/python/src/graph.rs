//! Values that are not computed yet.
//!
//! A [`Node`] is an input, or a step of the job language on other nodes. Each is added to a program of the world as it is
//! made, so what does not fit fails where it is written. What is revealed becomes a job of its own: of the steps that it
//! depends on, each once, numbered in the order in which they were made. So the same script gives the same text at every
//! party, whatever else a party has looked at.

use crate::errors::{self, Raised};
use crate::numbers::Reading;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;
use std::sync::{Arc, Weak};
use symbolon::program::expression::functions::Function;
use symbolon::program::expression::{Names, add_step};
use symbolon::program::{Dims, Kind, Program, Truncation};
use symbolon::protocol::Protocol;
use symbolon::ring::{Elements, FixedPoint};
use symbolon::share::PartyId;

/// Values of a program above which those that nothing refers to any more are forgotten.
const MOST_FORGOTTEN: usize = 1 << 16;

/// Longest text by which errors call a value.
const LONGEST_LABEL: usize = 60;

/// The beginning of the names of what every script has.
const PUBLIC: &str = "public_";

/// A value that is not computed yet.
#[pyclass(frozen, module = "symbolon._native")]
pub struct Node {
    pub(crate) inner: Arc<Inner>,
}

/// A node's content.
pub struct Inner {
    /// Tells the nodes of a world apart, in the order in which they were made.
    pub serial: u64,
    /// The world that it belongs to.
    pub world: u64,
    pub dims: Dims,
    pub reading: Reading,
    label: String,
    step: Step,
    operands: Vec<Arc<Inner>>,
}

/// How a node comes about.
enum Step {
    Input(Leaf),
    /// The step's text, with operands as `{0}`, `{1}`.
    Text(String),
}

/// An input.
pub struct Leaf {
    pub name: Option<String>,
    /// Of what every script has: a digest of it, by which scripts that differ in it are told apart.
    pub digest: Option<String>,
    pub owner: u8,
    pub bound: Option<f64>,
    pub kind: Option<Kind>,
    pub resident: bool,
    /// The owner's data, where it is here.
    pub data: Option<Elements>,
}

impl Drop for Inner {
    /// Nodes that depend on each other in a long row go one by one, not each within the drop of the one before.
    fn drop(&mut self) {
        let mut rest = std::mem::take(&mut self.operands);
        while let Some(node) = rest.pop() {
            if let Some(mut node) = Arc::into_inner(node) {
                rest.append(&mut node.operands);
            }
        }
    }
}

#[pymethods]
impl Node {
    /// The extents.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.inner.dims.extents())
    }

    /// Whether its elements are whole numbers.
    #[getter]
    fn is_whole(&self) -> bool {
        self.inner.reading != Reading::Real
    }

    /// Whether its elements can be negative.
    #[getter]
    fn is_signed(&self) -> bool {
        self.inner.reading != Reading::Integer { signed: false }
    }

    /// The text by which errors call it.
    #[getter]
    fn label(&self) -> &str {
        &self.inner.label
    }

    /// The owner of an input.
    #[getter]
    fn owner(&self) -> Option<u8> {
        self.inner.leaf().map(|leaf| leaf.owner)
    }

    /// Whether it is an input that stays in device memory.
    #[getter]
    fn resident(&self) -> bool {
        self.inner.leaf().is_some_and(|leaf| leaf.resident)
    }
}

impl Inner {
    fn leaf(&self) -> Option<&Leaf> {
        match &self.step {
            Step::Input(leaf) => Some(leaf),
            Step::Text(_) => None,
        }
    }
}

/// A job of what is to be revealed.
pub struct Described {
    pub text: String,
    /// The inputs, by their names in the job.
    pub inputs: Vec<(String, Arc<Inner>)>,
    /// For each output that was asked for, its name in the job.
    pub outputs: Vec<String>,
}

impl Described {
    /// What tells programs apart that are kept: their text, and which values stay.
    pub fn key(&self) -> (String, Vec<u64>) {
        let resident = self.inputs.iter().filter(|(_, node)| node.leaf().is_some_and(|leaf| leaf.resident));
        (self.text.clone(), resident.map(|(_, node)| node.serial).collect())
    }

    /// A party's data; of later runs what is not resident.
    pub fn data(&self, party: PartyId, is_first: bool) -> BTreeMap<String, Elements> {
        let own = self.inputs.iter().filter_map(|(name, node)| Some((name, node.leaf()?)));
        let own = own.filter(|(_, leaf)| leaf.owner == party.0 && (is_first || !leaf.resident));
        own.filter_map(|(name, leaf)| Some((name.clone(), leaf.data.clone()?))).collect()
    }
}

/// All values of a world.
pub struct Graph {
    world: u64,
    protocol: Protocol,
    codec: FixedPoint,
    truncation: Truncation,
    check: bool,
    program: Program,
    /// The values of live nodes, by their names in the program.
    names: Names,
    nodes: Vec<Weak<Inner>>,
    /// The number of nodes above which dead ones are looked for.
    most: usize,
    next: u64,
    taken: BTreeSet<String>,
}

impl Graph {
    /// No values yet.
    pub fn new(
        world: u64,
        protocol: Protocol,
        codec: FixedPoint,
        truncation: Truncation,
        check: bool,
    ) -> Graph {
        let program = Program::new(protocol.parties(), codec).with_truncation(truncation);
        let (names, nodes, taken) = (Names::new(), Vec::new(), BTreeSet::new());
        Graph {
            world,
            protocol,
            codec,
            truncation,
            check,
            program,
            names,
            nodes,
            most: MOST_FORGOTTEN,
            next: 0,
            taken,
        }
    }

    /// An input of these extents.
    pub fn input(&mut self, leaf: Leaf, dims: Dims) -> Result<Node, Raised<'static>> {
        if let Some(name) = &leaf.name {
            check_name(name)?;
            if !self.taken.insert(name.clone()) {
                return Err(Raised::new("UsageError", format!("there is a secret named '{name}' already")));
            }
        }
        let label = leaf.name.clone().unwrap_or_else(|| format!("x{}", self.next));
        self.add(label, dims, Step::Input(leaf), Vec::new())
    }

    /// A step on other nodes.
    pub fn apply(&mut self, template: &str, operands: Vec<Arc<Inner>>) -> Result<Node, Raised<'static>> {
        if operands.iter().any(|operand| operand.world != self.world) {
            let line = "a value of another session is used: bring its data into this one by secret()";
            return Err(Raised::new("OtherSessionError", line));
        }
        let label = substituted(template, |index| enclosed(&operands[index].label));
        let label = if label.chars().count() > LONGEST_LABEL { format!("v{}", self.next) } else { label };
        self.add(label, Dims::SCALAR, Step::Text(template.to_owned()), operands)
    }

    fn add(
        &mut self,
        label: String,
        dims: Dims,
        step: Step,
        operands: Vec<Arc<Inner>>,
    ) -> Result<Node, Raised<'static>> {
        self.forget();
        let mut inner = Inner {
            serial: self.next,
            world: self.world,
            dims,
            reading: Reading::Real,
            label,
            step,
            operands,
        };
        self.build(&inner)?;
        let value = self.program.value(self.names[&name(inner.serial)]);
        inner.dims = value.dims;
        inner.reading = match value.integers {
            Some(integers) => Reading::Integer { signed: integers.signed },
            None if value.fraction_bits < self.codec.fraction_bits() => Reading::Whole,
            None => Reading::Real,
        };
        self.next += 1;
        let inner = Arc::new(inner);
        self.nodes.push(Arc::downgrade(&inner));
        Ok(Node { inner })
    }

    /// Adds a node to the program.
    fn build(&mut self, node: &Inner) -> Result<(), Raised<'static>> {
        let own = name(node.serial);
        let value = match &node.step {
            Step::Input(leaf) => {
                let added = self.program.input(&own, PartyId(leaf.owner), node.dims, leaf.bound);
                let value = added.map_err(|error| errors::of_program(&error))?;
                if self.codec.fraction_bits() == 0 {
                    let kind = leaf.kind.unwrap_or_default().within(self.codec.ring());
                    self.program.hold(value, kind).map_err(|error| errors::of_program(&error))?;
                }
                self.names.insert(own, value);
                value
            }
            Step::Text(template) => {
                let text =
                    format!("{own} = {}", substituted(template, |index| name(node.operands[index].serial)));
                // What a step that fails leaves behind, nothing depends on.
                let added = add_step(&mut self.program, &mut self.names, 1, &text);
                added.map_err(|error| errors::of_step(&error))?
            }
        };
        self.program.set_label(value, &node.label);
        Ok(())
    }

    /// Builds the program anew of the nodes that something refers to, once most of it may be of no use.
    fn forget(&mut self) {
        if self.nodes.len() < self.most && self.program.values().len() < 16 * self.most {
            return;
        }
        let live: Vec<Arc<Inner>> = self.nodes.iter().filter_map(Weak::upgrade).collect();
        self.program = Program::new(self.protocol.parties(), self.codec).with_truncation(self.truncation);
        self.names = Names::new();
        for node in &live {
            // What fitted once fits again.
            let _ = self.build(node);
        }
        self.nodes = live.iter().map(Arc::downgrade).collect();
        self.taken = live.iter().filter_map(|node| node.leaf()?.name.clone()).collect();
        self.most = MOST_FORGOTTEN.max(2 * self.nodes.len()).max(self.program.values().len() / 8);
    }

    /// The job by which parties learn these nodes; where it is kept, inputs may stay in device memory.
    pub fn describe(
        &self,
        outputs: &[(Arc<Inner>, Vec<u8>)],
        keep: bool,
    ) -> Result<Described, Raised<'static>> {
        let nodes = needed(outputs.iter().map(|(node, _)| node.clone()));
        let mut names: HashMap<u64, String> = HashMap::new();
        let (mut inputs, mut lines, mut steps) = (Vec::new(), String::new(), String::new());
        for (number, node) in nodes.values().enumerate() {
            if node.world != self.world {
                return Err(Raised::new("OtherSessionError", "a value of another session is to be revealed"));
            }
            let own = match &node.step {
                Step::Input(leaf) => {
                    let own = match (&leaf.name, &leaf.digest) {
                        (Some(name), _) => name.clone(),
                        (None, Some(digest)) => format!("{PUBLIC}{digest}"),
                        (None, None) => format!("in{}", inputs.len()),
                    };
                    // What is the same is brought once.
                    if leaf.digest.is_none() || !names.values().any(|name| *name == own) {
                        let _ =
                            writeln!(lines, "{own} = {{ {} }}", declared(leaf, node.dims, self.codec, keep));
                        inputs.push((own.clone(), node.clone()));
                    }
                    own
                }
                Step::Text(template) => {
                    let own = format!("v{number}");
                    let text = substituted(template, |index| names[&node.operands[index].serial].clone());
                    let _ = writeln!(steps, "  {},", quoted(&format!("{own} = {text}")));
                    own
                }
            };
            names.insert(node.serial, own);
        }
        let mut recipients: BTreeMap<&str, BTreeSet<u8>> = BTreeMap::new();
        for (node, to) in outputs {
            recipients.entry(&names[&node.serial]).or_default().extend(to);
        }
        let mut learnt = String::new();
        for (name, to) in &recipients {
            let _ = writeln!(learnt, "{name} = {{ to = {:?} }}", Vec::from_iter(to));
        }
        let text = format!(
            "[job]\nname = \"program\"\nprotocol = \"{}\"\nring_bits = {}\nfraction_bits = {}\n\
             truncation = \"{}\"\ncheck = {}\n[inputs]\n{lines}[program]\nsteps = [\n{steps}]\n[outputs]\n{learnt}",
            self.protocol,
            self.codec.ring().bits(),
            self.codec.fraction_bits(),
            if self.truncation == Truncation::Exact { "exact" } else { "stochastic" },
            self.check,
        );
        let outputs = outputs.iter().map(|(node, _)| names[&node.serial].clone()).collect();
        Ok(Described { text, inputs, outputs })
    }
}

/// All nodes that these depend on, in the order in which they were made.
fn needed(outputs: impl Iterator<Item = Arc<Inner>>) -> BTreeMap<u64, Arc<Inner>> {
    let (mut needed, mut rest) = (BTreeMap::new(), Vec::from_iter(outputs));
    while let Some(node) = rest.pop() {
        if let Entry::Vacant(place) = needed.entry(node.serial) {
            rest.extend(node.operands.iter().cloned());
            place.insert(node);
        }
    }
    needed
}

/// An input as a job declares it.
fn declared(leaf: &Leaf, dims: Dims, codec: FixedPoint, keep: bool) -> String {
    let mut text = format!("owner = {}, shape = {:?}", leaf.owner, dims.extents());
    if let Some(bound) = leaf.bound {
        // As whole numbers may be: 7 is written 7.0.
        let _ = write!(text, ", bound = {bound:?}");
    }
    if let (Some(kind), 0) = (leaf.kind, codec.fraction_bits()) {
        let _ = write!(text, ", kind = \"{}\"", kind.within(codec.ring()));
    }
    if keep && leaf.resident {
        text += ", resident = true";
    }
    text
}

/// A node's name in its world's program.
fn name(serial: u64) -> String {
    format!("v{serial}")
}

/// Names are identifiers, and not those that jobs give to inputs and steps without one.
fn check_name(name: &str) -> Result<(), Raised<'static>> {
    let wrong = |reason: &str| Err(Raised::new("UsageError", format!("name = {name:?}: {reason}")));
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic());
    if !begins || name.len() > 64 || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return wrong(
            "a name begins with a letter, and has letters, digits and underscores, at most 64 of them",
        );
    }
    let number = name.strip_prefix("in").or_else(|| name.strip_prefix('v'));
    if number.is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit())) || name.starts_with(PUBLIC) {
        return wrong("names such as in0, v0 and public_0 are taken");
    }
    if Function::of(name).is_some() {
        return wrong("a function has that name");
    }
    Ok(())
}

/// A template with the text of each operand in its place.
fn substituted(template: &str, operand: impl Fn(usize) -> String) -> String {
    let (mut text, mut rest) = (String::new(), template);
    while let Some((before, behind)) = rest.split_once('{') {
        let (number, after) = behind.split_once('}').expect("a template closes what it opens");
        text += before;
        text += &operand(number.parse().expect("a template names operands by numbers"));
        rest = after;
    }
    text + rest
}

/// A label as an operand: in parentheses where it has an operator outside of any.
fn enclosed(label: &str) -> String {
    let mut depth = 0usize;
    let is_open = label.chars().any(|c| {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && (c == ' ' || c == '-')
    });
    if is_open { format!("({label})") } else { label.to_owned() }
}

/// A string as TOML writes it; JSON's escapes are a part of TOML's.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("text serialises")
}
