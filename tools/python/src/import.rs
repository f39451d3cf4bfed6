//! ONNX models as steps of the job language: the parameters go from the file into arrays, and nowhere else.

use crate::errors::Raised;
use numpy::PyArray1;
use pyo3::prelude::*;
use std::collections::BTreeMap;
use std::path::PathBuf;
use symbolon_cli::embed::is_reserved;
use symbolon_import::{ImportError, Options};

/// A user's options for a model.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Wanted {
    batch: usize,
    axes: BTreeMap<String, usize>,
    shapes: BTreeMap<String, Vec<usize>>,
    fixed: BTreeMap<String, f64>,
    outputs: Vec<String>,
    ring_bits: u32,
    fraction_bits: u32,
}

/// A model as steps.
#[derive(IntoPyObject)]
pub struct Imported<'py> {
    inputs: Vec<(String, Vec<usize>)>,
    /// Names, extents, and numbers with one axis.
    parameters: Vec<(String, Vec<usize>, Bound<'py, PyArray1<f64>>)>,
    steps: Vec<String>,
    outputs: Vec<String>,
    notes: Vec<String>,
}

/// The model in a file.
#[pyfunction]
pub fn import_onnx(py: Python<'_>, path: PathBuf, wanted: Wanted) -> PyResult<Imported<'_>> {
    let Wanted { batch, axes, shapes, fixed, outputs, ring_bits, fraction_bits } = wanted;
    let options =
        Options { batch, axes, shapes, fixed, outputs, ring_bits, fraction_bits, ..Options::default() };
    // A job has tensors that only one thread counts its references to: what goes on is its own.
    let imported = py.detach(|| {
        let job = symbolon_import::import(&path, &options, &is_reserved)?;
        let own = |(name, dims, reals): (&str, &[usize], Vec<f64>)| (name.to_owned(), dims.to_vec(), reals);
        let parameters: Vec<_> = job.parameters().map(own).collect();
        let inputs: Vec<_> = job.data.into_iter().map(|(name, dims, _)| (name, dims)).collect();
        Ok((parameters, inputs, job.steps, job.outputs, job.notes))
    });
    let (parameters, inputs, steps, outputs, notes) = imported
        .map_err(|error: ImportError| Raised::new(class(&error), error.to_string()).into_error(py))?;
    let array = |(name, dims, reals)| (name, dims, PyArray1::from_vec(py, reals));
    Ok(Imported { inputs, parameters: parameters.into_iter().map(array).collect(), steps, outputs, notes })
}

/// The class of the exception that says why there is no model.
fn class(error: &ImportError) -> &'static str {
    match error {
        ImportError::File { .. } => "InputError",
        ImportError::Options { .. } => "UsageError",
        ImportError::Unsupported { .. } => "ProgramError",
    }
}
