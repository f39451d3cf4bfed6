//! The text of a job, and the file of its parameters.

use crate::lower::literal;
use crate::options::Options;
use crate::tensor::{Data, Tensor};
use std::fmt::Write as _;
use std::io::{self, Write};

/// An input of the data's owner.
pub(crate) struct DataInput {
    pub(crate) name: String,
    pub(crate) file: String,
    pub(crate) dims: Vec<usize>,
}

/// A job as it is written.
pub(crate) struct Written<'a> {
    pub(crate) options: &'a Options,
    pub(crate) data: &'a [DataInput],
    pub(crate) parameters: &'a [(String, Tensor)],
    pub(crate) steps: &'a [String],
    /// The outputs' names.
    pub(crate) outputs: &'a [String],
    /// What the user should know.
    pub(crate) notes: &'a [String],
}

/// The file of the parameters, beside the job.
pub(crate) const PARAMETERS: &str = "model.safetensors";

impl Written<'_> {
    /// The text.
    pub(crate) fn text(&self) -> String {
        let Options { name, protocol, ring_bits, fraction_bits, model_owner, data_owner, bound, .. } =
            self.options;
        let mut text = format!(
            "# Made by `symbolon import` from an ONNX model: party {model_owner} brings the model, party {data_owner} the data.\n"
        );
        for note in self.notes {
            let _ = writeln!(text, "# {}", note.replace(|letter: char| letter.is_control(), " "));
        }
        let _ = write!(
            text,
            "\n[job]\nname = {}\nprotocol = {}\nring_bits = {ring_bits}\nfraction_bits = {fraction_bits}\n\n[inputs]\n",
            quoted(name),
            quoted(protocol)
        );
        for DataInput { name, file, dims } in self.data {
            let bound = bound.map_or(String::new(), |bound| format!(", bound = {}", literal(bound)));
            let _ = writeln!(
                text,
                "{name} = {{ owner = {data_owner}, file = {}, shape = {dims:?}{bound} }}",
                quoted(file)
            );
        }
        for (name, tensor) in self.parameters {
            let _ = writeln!(
                text,
                "{name} = {{ owner = {model_owner}, file = \"{PARAMETERS}\", tensor = \"{name}\", shape = {:?}, resident = true }}",
                tensor.dims
            );
        }
        text += "\n[program]\nsteps = [\n";
        for step in self.steps {
            let _ = writeln!(text, "  {},", quoted(step));
        }
        text += "]\n\n[outputs]\n";
        for name in self.outputs {
            let _ = writeln!(text, "{name} = {{ to = [{data_owner}], file = \"{name}.npy\" }}");
        }
        text
    }
}

/// A string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            letter if letter.is_control() => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(letter));
            }
            letter => quoted.push(letter),
        }
    }
    quoted + "\""
}

/// Writes tensors in the format of `.safetensors`: the length of the header, the header, the elements.
pub(crate) fn write_parameters(parameters: &[(String, Tensor)], to: &mut impl Write) -> io::Result<()> {
    let mut header = String::from("{");
    let mut offset = 0;
    for (name, tensor) in parameters {
        let (kind, size) = element(tensor);
        let end = offset + tensor.len() * size;
        let comma = if header.len() > 1 { "," } else { "" };
        let _ = write!(
            header,
            "{comma}\"{name}\":{{\"dtype\":\"{kind}\",\"shape\":{:?},\"data_offsets\":[{offset},{end}]}}",
            tensor.dims
        );
        offset = end;
    }
    header.push('}');
    while header.len() % 8 != 0 {
        header.push(' ');
    }
    to.write_all(&(header.len() as u64).to_le_bytes())?;
    to.write_all(header.as_bytes())?;
    for (_, tensor) in parameters {
        match (&tensor.data, element(tensor).1) {
            (Data::Real(values), 4) => {
                values.iter().try_for_each(|&value| to.write_all(&(value as f32).to_le_bytes()))?
            }
            (Data::Real(values), _) => {
                values.iter().try_for_each(|value| to.write_all(&value.to_le_bytes()))?
            }
            (Data::Whole(values), _) => {
                values.iter().try_for_each(|value| to.write_all(&value.to_le_bytes()))?
            }
            (Data::Text(_), _) => {}
        }
    }
    Ok(())
}

/// The narrowest type that holds all elements, and its bytes.
fn element(tensor: &Tensor) -> (&'static str, usize) {
    match &tensor.data {
        Data::Real(values) if values.iter().all(|&value| f64::from(value as f32) == value) => ("F32", 4),
        Data::Real(_) => ("F64", 8),
        _ => ("I64", 8),
    }
}
