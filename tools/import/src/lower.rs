//! From the nodes of a model to the steps of a job.
//!
//! A value is a constant as long as it depends on no data. Parameters become inputs of the model's owner where a step needs
//! them; single public numbers are written into the steps. Every node that has no counterpart is noted, and the others go
//! on, so that a user learns of all of them at once.

use crate::call::{Call, Shared, Value};
use crate::moves::Move;
use crate::names::{self, Names};
use crate::read::Node;
use crate::rules::{Fold, Lower, Rule};
use crate::tensor::{Data, Tensor, is_bearable};
use std::collections::{BTreeMap, BTreeSet};

/// The most axes that a value of a job has.
const MOST_AXES: usize = 4;

/// The longest list of places in a step, in bytes: a step has 64 KiB.
const LONGEST_LIST: usize = 48 << 10;

/// The longest text of places within another step, of which there may be several.
const LONGEST_INLINE: usize = 12 << 10;

/// Masks say "never" by numbers from here on, and infinity; no ring holds these.
pub(crate) const NEVER: f64 = 1e15;

/// The number that stands for them: its exponential is 0 beside whatever a network computes.
const LEAST: f64 = 1e5;

/// The most elements of constants that are computed, together.
const MOST_FOLDED: usize = 1 << 28;

/// The most bytes of all steps together.
const MOST_TEXT: usize = 1 << 28;

/// The steps of a job, and what they are computed of.
pub(crate) struct Lowering<'a> {
    pub(crate) names: Names<'a>,
    /// The texts of the steps.
    pub(crate) steps: Vec<String>,
    /// The parameters that the steps use, by their names in the job.
    pub(crate) parameters: Vec<(String, Tensor)>,
    /// What the user should know.
    pub(crate) notes: Vec<String>,
    /// The nodes that have no counterpart, with the reason.
    pub(crate) unsupported: Vec<String>,
    values: BTreeMap<String, Value>,
    /// The names that outputs of the model have in the job.
    outputs: BTreeMap<String, String>,
    /// The name that the present node's result should have.
    hint: String,
    /// Whether that name is reserved for it.
    is_output: bool,
    folded: usize,
    text_bytes: usize,
    /// The names of values whose elements are 0 and 1 alone.
    bits: BTreeSet<String>,
    /// The names of parameters, by where their elements are and how they are read.
    known: BTreeMap<(usize, Vec<usize>), String>,
    pub(crate) fraction_bits: u32,
    pub(crate) ring_bits: u32,
}

/// A lowered node's outputs, or why there are none.
pub(crate) type Lowered = Result<Vec<Value>, String>;

impl<'a> Lowering<'a> {
    pub(crate) fn new(names: Names<'a>, fraction_bits: u32, ring_bits: u32) -> Lowering<'a> {
        Lowering {
            names,
            steps: Vec::new(),
            parameters: Vec::new(),
            notes: Vec::new(),
            unsupported: Vec::new(),
            values: BTreeMap::new(),
            outputs: BTreeMap::new(),
            hint: String::new(),
            is_output: false,
            folded: 0,
            text_bytes: 0,
            bits: BTreeSet::new(),
            known: BTreeMap::new(),
            fraction_bits,
            ring_bits,
        }
    }

    /// Makes a value of the model known.
    pub(crate) fn define(&mut self, name: &str, value: Value) {
        self.values.insert(name.to_owned(), value);
    }

    /// A value of the model.
    pub(crate) fn value(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// Keeps a name for an output of the model.
    pub(crate) fn keep(&mut self, output: &str) -> String {
        let name = self.names.fresh(output);
        self.outputs.insert(output.to_owned(), name.clone());
        name
    }

    /// Lowers a node.
    pub(crate) fn node(&mut self, node: &Node, opset: i64) {
        let value = |name: &String| (!name.is_empty()).then(|| self.values.get(name).cloned()).flatten();
        let call = Call { node, inputs: node.inputs.iter().map(value).collect(), opset };
        let first = node.outputs.first().map(String::as_str).unwrap_or_default();
        self.hint = names::of_node(&node.name, &node.op, first);
        self.is_output = false;
        if let Some(name) = self.outputs.get(first) {
            self.hint.clone_from(name);
            self.is_output = true;
        }
        let results = self.results(&call).and_then(|results| {
            let too_large = results.iter().find(|result| !is_bearable(result.dims()));
            too_large
                .map_or(Ok(()), |large| Err(format!("a value of shape {:?} is too large", large.dims())))?;
            Ok(results)
        });
        let results = match results {
            Ok(results) => results,
            Err(reason) => {
                let (op, name) = (node.op.escape_debug(), node.name.escape_debug());
                self.unsupported.push(format!("{op} '{name}': {reason}"));
                Vec::new()
            }
        };
        let mut results = results.into_iter();
        for output in &node.outputs {
            self.define(output, results.next().unwrap_or(Value::Unknown));
        }
    }

    fn results(&mut self, call: &Call) -> Lowered {
        if self.text_bytes > MOST_TEXT {
            return Err("the steps before it are too long together".to_owned());
        }
        let rule = Rule::of(&call.node.op).ok_or("there is no such op")?;
        if let Some(name) = call.node.attributes.keys().find(|name| !rule.attributes.contains(&name.as_str()))
        {
            return Err(format!("attribute {} is not read", name.escape_debug()));
        }
        if call.inputs.iter().flatten().any(|input| matches!(input, Value::Unknown)) {
            return Ok(Vec::new());
        }
        let is_constant = call.inputs.iter().flatten().all(|input| matches!(input, Value::Constant(_)));
        let tensor = |folded: Tensor| vec![Value::Constant(folded)];
        let folded = match rule.fold {
            Fold::Always(of) => of(call).map(tensor)?,
            Fold::Unary(of) if is_constant => crate::fold::unary(call, of).map(tensor)?,
            Fold::Binary(of) if is_constant => crate::fold::binary(call, of).map(tensor)?,
            Fold::Truth(of) if is_constant => crate::fold::truth(call, of).map(tensor)?,
            Fold::Reduce(of) if is_constant => crate::fold::reduce(call, of).map(tensor)?,
            Fold::Moves(of) if is_constant => crate::fold::moved(call, of)?,
            Fold::By(of) if is_constant => of(call).map(tensor)?,
            _ if is_constant => {
                return Err("it is computed of constants alone, which is not foreseen".to_owned());
            }
            _ => return self.lowered(call, rule),
        };
        self.folded += folded.iter().map(|value| value.dims().iter().product::<usize>()).sum::<usize>();
        if self.folded > MOST_FOLDED {
            return Err("the constants that the model computes are too large together".to_owned());
        }
        Ok(folded)
    }

    fn lowered(&mut self, call: &Call, rule: &Rule) -> Lowered {
        match (rule.lower, rule.fold) {
            (Lower::By(of), _) => of(self, call),
            (Lower::Function(function), _) => {
                let x = call.shared(0)?.clone();
                let text = format!("{function}({})", self.plain(&x)?);
                Ok(vec![self.step(text, &x.dims, false)])
            }
            (Lower::Moves, Fold::Moves(of)) => {
                let x = call.shared(0)?.clone();
                let parts = of(call)?;
                let several = parts.len() > 1;
                let hint = self.hint.clone();
                let mut values = Vec::new();
                for (number, moves) in parts.into_iter().enumerate() {
                    if several && let Some(output) = call.node.outputs.get(number) {
                        self.is_output = self.outputs.contains_key(output);
                        self.hint = self
                            .outputs
                            .get(output)
                            .cloned()
                            .unwrap_or_else(|| format!("{hint}_{}", number + 1));
                    }
                    values.push(Value::Shared(self.moved(&x, &moves)?));
                }
                Ok(values)
            }
            _ => Err("it is supported of constants alone".to_owned()),
        }
    }

    /// A step whose value is the present node's.
    pub(crate) fn step(&mut self, text: String, dims: &[usize], is_whole: bool) -> Value {
        Value::Shared(self.shared_step(text, dims, is_whole))
    }

    /// The same, as a shared value.
    pub(crate) fn shared_step(&mut self, text: String, dims: &[usize], is_whole: bool) -> Shared {
        let name = if self.is_output {
            self.is_output = false;
            self.hint.clone()
        } else {
            self.names.fresh(&self.hint)
        };
        self.push(name, text, dims, is_whole)
    }

    /// A step whose value is the present node's, and whose elements are 0 and 1 alone.
    pub(crate) fn bits(&mut self, text: String, dims: &[usize]) -> Value {
        let value = self.shared_step(text, dims, true);
        self.bits.insert(value.name.clone());
        Value::Shared(value)
    }

    /// Whether the elements of a value are known to be 0 and 1 alone.
    pub(crate) fn is_bits(&self, value: &Shared) -> bool {
        self.bits.contains(&value.name)
    }

    /// A step on the way to the present node's.
    pub(crate) fn part(&mut self, what: &str, text: String, dims: &[usize], is_whole: bool) -> Shared {
        let name = self.names.fresh(&format!("{}_{what}", self.hint));
        self.push(name, text, dims, is_whole)
    }

    fn push(&mut self, name: String, text: String, dims: &[usize], is_whole: bool) -> Shared {
        self.text_bytes += name.len() + text.len();
        self.steps.push(format!("{name} = {text}"));
        Shared { name, dims: dims.to_vec(), is_whole }
    }

    /// The name of a value that has no more axes than a job's values have.
    pub(crate) fn plain(&self, value: &Shared) -> Result<String, String> {
        check_axes(&value.dims)?;
        Ok(value.name.clone())
    }

    /// The text of an operand, where the result has extents `to`: a name, or a number in place of a public constant.
    pub(crate) fn operand(&mut self, value: &Value, to: &[usize]) -> Result<String, String> {
        match value {
            Value::Shared(shared) => self.plain(shared),
            Value::Constant(tensor) => match self.number(tensor) {
                Some(number) => Ok(literal(number)),
                None => {
                    let hint = format!("{}_constant", self.hint);
                    let bearable = self.bearable(&fitted(tensor, to));
                    self.parameter_called(&bearable, &hint)
                }
            },
            Value::Unknown => Err("a value is not known".to_owned()),
        }
    }

    /// The text of an operand of a node, of which a parameter keeps the name that it has in the model.
    pub(crate) fn operand_of(&mut self, call: &Call, at: usize, to: &[usize]) -> Result<String, String> {
        match call.value(at)? {
            Value::Constant(tensor) if self.number(tensor).is_none() => {
                let name = &call.node.inputs[at];
                let plain = name.rsplit("::").next().unwrap_or(name);
                let is_own =
                    !plain.starts_with('/') && plain.contains(|letter: char| letter.is_ascii_alphabetic());
                let like = if is_own { plain.to_owned() } else { format!("{}_constant", self.hint) };
                let bearable = self.bearable(&fitted(tensor, to));
                self.parameter_called(&bearable, &like)
            }
            value => self.operand(&value.clone(), to),
        }
    }

    /// The number that a constant is everywhere, where a step may show it: all that is no parameter, and of parameters single
    /// small whole numbers and one half, which no training finds.
    pub(crate) fn number(&mut self, tensor: &Tensor) -> Option<f64> {
        let number = tensor.uniform()?;
        let is_plain =
            tensor.len() == 1 && ((number.fract() == 0.0 && number.abs() <= 1024.0) || number.abs() == 0.5);
        (!tensor.private || is_plain).then(|| self.held(number))
    }

    /// Notes what the user should know, once.
    pub(crate) fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// 0 in place of a number that fixed point rounds to it, where that makes no difference to what is compared with it.
    pub(crate) fn rounded(&self, number: f64) -> f64 {
        let least = f64::from(self.fraction_bits + 1).exp2().recip();
        if number.abs() < least { 0.0 } else { number }
    }

    /// A number that a ring holds: those by which masks say "never" become smaller.
    fn held(&mut self, number: f64) -> f64 {
        if number.abs() < NEVER {
            return number;
        }
        self.note(format!("masks: numbers beyond {NEVER:e} are {LEAST:e} in the job"));
        LEAST.copysign(number)
    }

    /// A tensor of numbers that a ring holds, in place of a mask.
    fn bearable(&mut self, tensor: &Tensor) -> Tensor {
        match &tensor.data {
            Data::Real(values) if values.iter().any(|value| value.abs() >= NEVER) => {
                let values = values.iter().map(|&value| self.held(value)).collect();
                Tensor { data: Data::Real(values), ..tensor.clone() }
            }
            _ => tensor.clone(),
        }
    }

    /// The text of a product with private factors. Where fixed point would round one of them by more than about 1 %, the
    /// factors are stored times a power of two, by whose inverse the product is multiplied: the largest stays below 1, so
    /// that no product becomes larger than what is multiplied.
    pub(crate) fn times(&mut self, name: &str, factors: &Tensor, like: &str) -> Result<String, String> {
        let values = factors.reals().ok_or("it multiplies by strings")?;
        let most = values.iter().fold(0.0f64, |most, value| most.max(value.abs()));
        let shift = (-most.log2()).floor().clamp(0.0, f64::from(self.fraction_bits));
        if !self.has_coarse(&values) || shift == 0.0 {
            let factors = self.precise(factors, like)?;
            return Ok(format!("{name} * {factors}"));
        }
        let scaled = factors.mapped(|value| value * shift.exp2()).ok_or("it multiplies by strings")?;
        let scaled = self.precise(&scaled, like)?;
        Ok(format!("{name} * {scaled} * {}", literal((-shift).exp2())))
    }

    /// Whether fixed point rounds one of these numbers by more than about 1 %.
    fn has_coarse(&self, values: &[f64]) -> bool {
        let least = (6.0 - f64::from(self.fraction_bits)).exp2();
        values.iter().any(|&value| value != 0.0 && value.abs() < least)
    }

    /// The name of a parameter each of whose elements counts by itself: the user learns where one is rounded much.
    pub(crate) fn precise(&mut self, tensor: &Tensor, like: &str) -> Result<String, String> {
        let name = self.parameter_called(tensor, like)?;
        if tensor.reals().is_some_and(|values| self.has_coarse(&values)) {
            let bits = self.fraction_bits;
            self.note(format!("{name}: {bits} fraction bits round a number of it by more than about 1 %"));
        }
        Ok(name)
    }

    /// The name of an input of the model's owner, which holds a tensor.
    pub(crate) fn parameter(&mut self, tensor: &Tensor, what: &str) -> Result<String, String> {
        self.parameter_called(tensor, &format!("{}_{what}", self.hint))
    }

    /// The same, called like this.
    pub(crate) fn parameter_called(&mut self, tensor: &Tensor, like: &str) -> Result<String, String> {
        check_axes(&tensor.dims)?;
        let data = match &tensor.data {
            Data::Text(_) => return Err("strings are not computed with".to_owned()),
            Data::Real(values) if values.iter().any(|value| value.is_nan()) => {
                return Err("a constant is not a number".to_owned());
            }
            Data::Real(values) if values.iter().any(|value| value.abs() >= NEVER) => {
                return Err(format!("a parameter has a number beyond {NEVER:e}, which no ring holds"));
            }
            data => data.clone(),
        };
        let tensor = Tensor { data, ..tensor.clone() };
        let key = (address(&tensor), tensor.dims.clone());
        if let Some(name) = self.known.get(&key) {
            return Ok(name.clone());
        }
        let name = self.names.fresh(like);
        // The elements live as long as the list does, so nothing else comes to lie where they are.
        self.known.insert(key, name.clone());
        self.parameters.push((name.clone(), tensor));
        Ok(name)
    }

    /// The name of a constant that the model names, or of a value.
    pub(crate) fn weight(&mut self, call: &Call, at: usize) -> Result<String, String> {
        match call.value(at)? {
            Value::Constant(tensor) => {
                let name = &call.node.inputs[at];
                let name = name.rsplit("::").next().unwrap_or(name).to_owned();
                self.parameter_called(&tensor.clone(), &name)
            }
            value => self.operand(&value.clone(), &[]),
        }
    }

    /// A value, moved.
    pub(crate) fn moved(&mut self, value: &Shared, moves: &[Move]) -> Result<Shared, String> {
        let mut value = value.clone();
        let mut text: Option<(String, Vec<usize>)> = None;
        for movement in moves {
            let dims = movement.dims(&value.dims);
            let to = physical(&dims)?;
            let from = physical(&value.dims)?;
            let axes = physical_axes(&value.dims);
            let own = text.take().map_or_else(|| value.name.clone(), |(text, _)| text);
            let is_same =
                to == from && !matches!(movement, Move::Take { .. } | Move::Permute(_) | Move::Range { .. });
            let moved = match movement {
                _ if is_same => own,
                Move::Reshape(_) if to.is_empty() => format!("sum({own})"),
                Move::Reshape(_) => format!("reshape({own}, {})", list(&to)),
                Move::Permute(order) => {
                    let order: Vec<usize> = order.iter().filter_map(|&axis| axes[axis]).collect();
                    if order.iter().copied().eq(0..order.len()) {
                        own
                    } else {
                        format!("transpose({own}, {})", list(&order))
                    }
                }
                Move::Range { axis, start, step, count } => match axes[*axis] {
                    None => own,
                    Some(axis) => {
                        let end = start + (count.max(&1) - 1) * step + usize::from(*count > 0);
                        let step = if *step == 1 { String::new() } else { format!(":{step}") };
                        format!("{own}[{}{start}:{end}{step}]", ":, ".repeat(axis))
                    }
                },
                Move::Take { axis, places } => self.taken(own, axes[*axis], places, &value.dims, *axis)?,
            };
            value.dims = dims;
            text = (moved != value.name).then_some((moved, to));
        }
        match text {
            None => Ok(value),
            Some((text, _)) => {
                let moved = self.shared_step(text, &value.dims, value.is_whole);
                if self.is_bits(&value) {
                    self.bits.insert(moved.name.clone());
                }
                Ok(moved)
            }
        }
    }

    /// The text of some columns of a matrix.
    pub(crate) fn columns(&mut self, name: &str, places: &[usize]) -> Result<String, String> {
        let start = places.first().copied().unwrap_or(0);
        if places.iter().copied().eq(start..start + places.len()) {
            return Ok(format!("{name}[:, {start}:{}]", start + places.len()));
        }
        self.taken(name.to_owned(), Some(1), places, &[], 1)
    }

    /// Elements at places along an axis, in lists that steps can hold.
    fn taken(
        &mut self,
        own: String,
        axis: Option<usize>,
        places: &[usize],
        dims: &[usize],
        logical: usize,
    ) -> Result<String, String> {
        let Some(axis) = axis else {
            return Err(format!("axes {dims:?} cannot be repeated along axis {logical}"));
        };
        let mut lists: Vec<String> = vec![String::new()];
        for place in places {
            let next = place.to_string();
            let last = lists.last_mut().expect("at least one");
            if last.len() + next.len() > LONGEST_LIST {
                lists.push(next);
            } else {
                *last += if last.is_empty() { "" } else { ", " };
                *last += &next;
            }
        }
        if let [list] = &lists[..] {
            let text = format!("gather({own}, [{list}], axis={axis})");
            let is_short = text.len() <= LONGEST_INLINE;
            return Ok(if is_short { text } else { self.part("gathered", text, dims, false).name });
        }
        let source = self.part("source", own, dims, false).name;
        let mut parts = Vec::new();
        for list in lists {
            parts.push(
                self.part("part", format!("gather({source}, [{list}], axis={axis})"), dims, false).name,
            );
        }
        Ok(self.part("gathered", format!("concat({}, axis={axis})", parts.join(", ")), dims, false).name)
    }

    /// Calls a value as an output of the model: the step that defines it, where it has a name of no output yet, or a step of
    /// its own.
    pub(crate) fn publish(&mut self, value: &str, output: &str) {
        let is_step =
            self.steps.iter().any(|step| step.split_once(" = ").is_some_and(|(name, _)| name == value));
        if !is_step || self.outputs.values().any(|name| name == value) {
            self.steps.push(format!("{output} = {value}"));
            return;
        }
        for step in &mut self.steps {
            *step = renamed(step, value, output);
        }
        let rename = |value_of: &mut Value| match value_of {
            Value::Shared(shared) if shared.name == value => output.clone_into(&mut shared.name),
            _ => {}
        };
        self.values.values_mut().for_each(rename);
    }

    /// The name of the present node in the job.
    pub(crate) fn hint(&self) -> &str {
        &self.hint
    }

    /// Calls the steps to come after another of the present node's outputs.
    pub(crate) fn turn_to(&mut self, output: &str, like: &str) {
        self.is_output = self.outputs.contains_key(output);
        self.hint = self.outputs.get(output).cloned().unwrap_or_else(|| like.to_owned());
    }
}

/// A text with one word in place of another.
fn renamed(text: &str, from: &str, to: &str) -> String {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_letter) {
        let (before, word) = rest.split_at(start);
        let end = word.find(|letter| !is_letter(letter)).unwrap_or(word.len());
        result += before;
        result += if word[..end] == *from { to } else { &word[..end] };
        rest = &word[end..];
    }
    result + rest
}

/// A number as steps write it.
pub(crate) fn literal(number: f64) -> String {
    let short = number as f32;
    let text = if f64::from(short) == number { format!("{short:?}") } else { format!("{number:?}") };
    let text = text.strip_suffix(".0").unwrap_or(&text).to_owned();
    if number < 0.0 { format!("({text})") } else { text }
}

/// Numbers with commas between them.
pub(crate) fn list(numbers: &[usize]) -> String {
    numbers.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}

/// The extents of a value in the job.
pub(crate) fn physical(dims: &[usize]) -> Result<Vec<usize>, String> {
    let axes = physical_axes(dims);
    let kept: Vec<usize> =
        dims.iter().zip(&axes).filter(|(_, axis)| axis.is_some()).map(|(&dim, _)| dim).collect();
    check_axes(&kept)?;
    Ok(kept)
}

/// The axis of a value in the job that an axis of the model is, if it is one.
fn physical_axes(dims: &[usize]) -> Vec<Option<usize>> {
    let mut next = 0;
    let mut axis = |&dim: &usize| {
        let is_kept = dims.len() <= MOST_AXES || dim != 1;
        next += usize::from(is_kept);
        is_kept.then(|| next - 1)
    };
    dims.iter().map(&mut axis).collect()
}

fn check_axes(dims: &[usize]) -> Result<(), String> {
    match dims.len() {
        0..=MOST_AXES => Ok(()),
        axes => Err(format!("a value of shape {dims:?} has {axes} axes, and a job's have up to {MOST_AXES}")),
    }
}

/// A tensor without leading extents of 1, which say nothing beside a result of these extents.
fn fitted(tensor: &Tensor, to: &[usize]) -> Tensor {
    let excess = tensor.dims.len().saturating_sub(to.len().min(MOST_AXES));
    let ones = tensor.dims[..excess].iter().take_while(|&&dim| dim == 1).count();
    tensor.with_dims(tensor.dims[ones..].to_vec())
}

/// Where the elements of a tensor are.
fn address(tensor: &Tensor) -> usize {
    match &tensor.data {
        Data::Real(values) => values.as_ptr().addr(),
        Data::Whole(values) => values.as_ptr().addr(),
        Data::Text(values) => values.as_ptr().addr(),
    }
}
