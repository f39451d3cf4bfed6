//! What a user says about an import.

use std::collections::BTreeMap;

/// Who brings what to the job, and under which protocol.
#[derive(Clone, Debug)]
pub struct Options {
    /// The name of the job.
    pub name: String,
    /// The party that brings the parameters.
    pub model_owner: u8,
    /// The party that brings the data and learns the outputs.
    pub data_owner: u8,
    /// The protocol, as job files name it.
    pub protocol: String,
    /// The ring's width.
    pub ring_bits: u32,
    /// Bits behind the point.
    pub fraction_bits: u32,
    /// The extent of each input's first axis where the model leaves it open.
    pub batch: usize,
    /// The extents of other open axes, by the names that the model gives them.
    pub axes: BTreeMap<String, usize>,
    /// The extents of inputs, by name, in place of the model's.
    pub shapes: BTreeMap<String, Vec<usize>>,
    /// Inputs that are the same public number everywhere, by name.
    pub fixed: BTreeMap<String, f64>,
    /// The files of the data, by input, relative to the job; otherwise an `.npy` of the input's name.
    pub files: BTreeMap<String, String>,
    /// The largest magnitude of the data, where it is declared.
    pub bound: Option<f64>,
    /// The outputs that the job reveals, by name; all where there are none.
    pub outputs: Vec<String>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            name: "model".to_owned(),
            model_owner: 1,
            data_owner: 0,
            protocol: "beaver".to_owned(),
            ring_bits: 64,
            fraction_bits: 16,
            batch: 1,
            axes: BTreeMap::new(),
            shapes: BTreeMap::new(),
            fixed: BTreeMap::new(),
            files: BTreeMap::new(),
            bound: None,
            outputs: Vec::new(),
        }
    }
}
