//! The native part of the Python package `symbolon`: lazily built programs, and the parties that run them.
//!
//! The package's Python part decides how things look to NumPy's users; this part has one class for each thing that
//! outlives a call: [`Node`], a value that is not computed yet; [`World`], the parties of a session; [`Report`], what a run
//! took. Programs leave it as the text of a job, so they say exactly what a job file says.

mod errors;
mod graph;
mod import;
mod numbers;
mod world;

use graph::Node;
use pyo3::prelude::*;
use symbolon::program::expression::functions::functions as table;
use world::{Report, World};

/// The name, the forms and the result of every function of the job language.
#[pyfunction]
fn functions() -> Vec<(&'static str, Vec<&'static str>, &'static str)> {
    table().map(|function| (function.name(), function.forms.to_vec(), function.result)).collect()
}

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_function(wrap_pyfunction!(functions, module)?)?;
    module.add_function(wrap_pyfunction!(import::import_onnx, module)?)?;
    module.add_class::<Node>()?;
    module.add_class::<World>()?;
    module.add_class::<Report>()
}
