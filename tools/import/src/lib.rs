//! ONNX models as jobs of symbolon: the party that owns the model and the party that owns the data compute its results
//! together, and neither shows the other what it brings.
//!
//! [`import`] reads a model and gives a [`Job`]: the text of `JOB.toml`, whose steps are the model's nodes, and the
//! parameters, which are inputs of the model's owner.
//!
//! What the job's text shows both parties: the ops, all shapes, public numbers (constants that are no parameters, and
//! single parameters that are small whole numbers or one half), and the shape of decision trees with the feature of each
//! node. What stays with its owner: all other parameters, and the data.
//!
//! - a file becomes a model that nothing needs to be believed of: `read`, `graph`
//! - groups of nodes become one, where exports spell out what a job has a function for: `rewrite`
//! - nodes become steps: `lower` has the state, `rules` the table of ops; `fold` computes what no data reaches, `moves` is
//!   what only moves elements

mod call;
mod classic;
mod elementwise;
mod error;
mod fold;
mod graph;
mod images;
mod job;
mod linear;
mod lower;
mod moves;
mod names;
mod options;
mod read;
mod reduce;
mod rewrite;
mod rules;
mod schema;
mod tensor;
#[cfg(test)]
mod tests;
mod trees;

pub use error::ImportError;
pub use options::Options;

use call::{Shared, Value};
use job::{DataInput, PARAMETERS, Written};
use lower::Lowering;
use names::Names;
use read::{Extent, Input, Model};
use std::io::{self, Write};
use std::path::Path;
use tensor::Tensor;

/// A job made of a model.
pub struct Job {
    /// The text of its file.
    pub text: String,
    /// What the user should know: constants that a ring does not hold, labels that are counted.
    pub notes: Vec<String>,
    /// The name, shape and file of each input of the data's owner.
    pub data: Vec<(String, Vec<usize>, String)>,
    /// The names of its outputs.
    pub outputs: Vec<String>,
    /// The texts of its steps, `NAME = EXPRESSION`.
    pub steps: Vec<String>,
    parameters: Vec<(String, Tensor)>,
}

impl Job {
    /// The name of the file of the parameters, which the job expects beside it.
    pub const PARAMETERS: &'static str = PARAMETERS;

    /// The number of the parameters that its steps use.
    pub fn parameter_count(&self) -> usize {
        self.parameters.iter().map(|(_, tensor)| tensor.len()).sum()
    }

    /// The parameters that its steps use, row-major: name, extents, numbers.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, &[usize], Vec<f64>)> {
        let reals = |tensor: &Tensor| tensor.reals().map(|reals| reals.to_vec()).unwrap_or_default();
        self.parameters
            .iter()
            .map(move |(name, tensor)| (name.as_str(), tensor.dims.as_slice(), reals(tensor)))
    }

    /// Writes the file of the parameters.
    ///
    /// # Errors
    /// As `to` says.
    pub fn write_parameters(&self, to: &mut impl Write) -> io::Result<()> {
        job::write_parameters(&self.parameters, to)
    }
}

/// Makes a job of the model in a file. `is_reserved` says which words mean something else to steps, such as functions.
///
/// # Errors
/// Where the file is no model, the options do not fit it, or a node has no counterpart: all such nodes are named.
pub fn import(
    path: &Path,
    options: &Options,
    is_reserved: &dyn Fn(&str) -> bool,
) -> Result<Job, ImportError> {
    let wrong = |reason: String| ImportError::File { path: path.to_owned(), reason };
    let mut model = read::read(path)?;
    if !options.outputs.is_empty() {
        choose_outputs(&mut model, options)
            .map_err(|reason| ImportError::Options { path: path.to_owned(), reason })?;
    }
    model.sort().map_err(wrong)?;
    rewrite::rewrite(&mut model);
    model.sort().map_err(wrong)?;
    let mut lowering = Lowering::new(Names::new(is_reserved), options.fraction_bits, options.ring_bits);
    let data = inputs(&model, options, &mut lowering)
        .map_err(|reason| ImportError::Options { path: path.to_owned(), reason })?;
    let outputs: Vec<String> = model.outputs.iter().map(|output| lowering.keep(output)).collect();
    for (name, tensor) in std::mem::take(&mut model.parameters) {
        lowering.define(&name, Value::Constant(tensor));
    }
    model.nodes.iter().for_each(|node| lowering.node(node, model.opset));
    if !lowering.unsupported.is_empty() {
        return Err(ImportError::Unsupported { path: path.to_owned(), nodes: lowering.unsupported });
    }
    for (output, name) in model.outputs.iter().zip(&outputs) {
        match lowering.value(output).cloned() {
            Some(Value::Shared(shared)) => {
                lower::physical(&shared.dims).map_err(wrong)?;
                if shared.name != *name {
                    lowering.publish(&shared.name, name);
                }
            }
            _ => {
                return Err(wrong(format!("the output '{}' does not depend on data", output.escape_debug())));
            }
        }
    }
    let (used, notes) = (used(&lowering.steps, data, &mut lowering.notes), &lowering.notes);
    let written = Written {
        options,
        data: &used,
        parameters: &lowering.parameters,
        steps: &lowering.steps,
        outputs: &outputs,
        notes,
    };
    let text = written.text();
    let data = used.into_iter().map(|input| (input.name, input.dims, input.file)).collect();
    let Lowering { notes, steps, parameters, .. } = lowering;
    Ok(Job { text, notes, data, outputs, steps, parameters })
}

/// Leaves the chosen outputs.
fn choose_outputs(model: &mut Model, options: &Options) -> Result<(), String> {
    let known = model.outputs.join(", ");
    match options.outputs.iter().find(|output| !model.outputs.contains(output)) {
        Some(unknown) => Err(format!(
            "there is no output '{}'; there are: {}",
            unknown.escape_debug(),
            known.escape_debug()
        )),
        None => {
            model.outputs.clone_from(&options.outputs);
            Ok(())
        }
    }
}

/// The inputs of the data's owner, with the extents that the model or the options give them.
fn inputs(model: &Model, options: &Options, lowering: &mut Lowering) -> Result<Vec<DataInput>, String> {
    let names: Vec<&str> = model.inputs.iter().map(|input| input.name.as_str()).collect();
    let given = options.shapes.keys().chain(options.fixed.keys()).chain(options.files.keys());
    if let Some(unknown) = given.into_iter().find(|name| !names.contains(&name.as_str())) {
        return Err(format!(
            "there is no input '{}'; there are: {}",
            unknown.escape_debug(),
            names.join(", ").escape_debug()
        ));
    }
    let axes: Vec<&str> =
        model.inputs.iter().flat_map(|input| input.dims.iter().flatten()).filter_map(open).collect();
    if let Some(unknown) = options.axes.keys().find(|name| !axes.contains(&name.as_str())) {
        return Err(format!(
            "no input has an open axis '{}'; there are: {}",
            unknown.escape_debug(),
            axes.join(", ").escape_debug()
        ));
    }
    let mut data = Vec::new();
    for input in &model.inputs {
        let dims = extents(input, options)?;
        let count: usize = if tensor::is_bearable(&dims) { dims.iter().product() } else { usize::MAX };
        if count > fold::MOST_ELEMENTS {
            return Err(format!("input '{}' of shape {dims:?} is too large", input.name.escape_debug()));
        }
        if let Some(&number) = options.fixed.get(&input.name) {
            let tensor = match number.fract() == 0.0 {
                true => Tensor::whole(&dims, vec![number as i64; count]),
                false => Tensor::real(&dims, vec![number; count]),
            };
            lowering.define(&input.name, Value::Constant(tensor));
            continue;
        }
        if !input.is_numeric {
            return Err(format!("input '{}' is not of numbers", input.name.escape_debug()));
        }
        if dims.len() > 4 {
            return Err(format!(
                "input '{}' of shape {dims:?}: values have up to four axes",
                input.name.escape_debug()
            ));
        }
        let name = lowering.names.fresh(&input.name);
        let file = options.files.get(&input.name).cloned().unwrap_or_else(|| format!("{name}.npy"));
        lowering.define(
            &input.name,
            Value::Shared(Shared { name: name.clone(), dims: dims.clone(), is_whole: false }),
        );
        data.push(DataInput { name, file, dims });
    }
    Ok(data)
}

/// The name of an extent that the model leaves open.
fn open(extent: &Extent) -> Option<&str> {
    match extent {
        Extent::Open(name) => Some(name),
        Extent::Fixed(_) => None,
    }
}

/// The extents of an input.
fn extents(input: &Input, options: &Options) -> Result<Vec<usize>, String> {
    let name = input.name.escape_debug();
    if let Some(shape) = options.shapes.get(&input.name) {
        let fits = input.dims.as_ref().is_none_or(|dims| {
            let same = |(extent, given): (&Extent, &usize)| {
                matches!(extent, Extent::Open(_)) || matches!(extent, Extent::Fixed(is) if is == given)
            };
            dims.len() == shape.len() && dims.iter().zip(shape).all(same)
        });
        return fits
            .then(|| shape.clone())
            .ok_or_else(|| format!("input '{name}' cannot have shape {shape:?}"));
    }
    let Some(dims) = &input.dims else {
        return Err(format!("input '{name}' has no shape: give one by --shape {name}=N,…"));
    };
    let extent = |(axis, extent): (usize, &Extent)| match extent {
        Extent::Fixed(extent) => Ok(*extent),
        Extent::Open(open) => match options.axes.get(open) {
            Some(&given) => Ok(given),
            None if axis == 0 => Ok(options.batch),
            None if open.is_empty() => {
                Err(format!("input '{name}' leaves axis {axis} open: give its shape by --shape {name}=N,…"))
            }
            None => Err(format!(
                "input '{name}' leaves axis '{}' open: give it by --axis {}=N",
                open.escape_debug(),
                open.escape_debug()
            )),
        },
    };
    dims.iter().enumerate().map(extent).collect()
}

/// The inputs that a step uses; others are noted.
fn used(steps: &[String], data: Vec<DataInput>, notes: &mut Vec<String>) -> Vec<DataInput> {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let is_used = |input: &DataInput| {
        steps.iter().any(|step| {
            step.split_once('=').is_some_and(|(_, text)| {
                text.split(|letter| !is_letter(letter)).any(|word| word == input.name)
            })
        })
    };
    let (used, unused): (Vec<DataInput>, Vec<DataInput>) = data.into_iter().partition(is_used);
    notes.extend(
        unused
            .iter()
            .map(|input| format!("input '{}' has no part in the outputs, and is left out", input.name)),
    );
    used
}
