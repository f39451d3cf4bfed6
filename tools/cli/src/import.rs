//! `import`: a job of an ONNX model, and its parameters beside it.

use crate::failure::Failure;
use crate::files;
use crate::output::{self, Document};
use clap::Args;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use symbolon::program::expression::functions::Function;
use symbolon::protocol::Protocol;
use symbolon_import::Options;
use symbolon_job::files::Making;
use symbolon_job::{Job, JobError};

/// The model, and who brings what to the job.
#[derive(Args)]
pub struct ImportArguments {
    /// The model
    #[arg(value_name = "MODEL.onnx")]
    pub model: PathBuf,
    /// The folder for JOB.toml and the parameters, model.safetensors
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Replace a job that is there
    #[arg(long)]
    pub force: bool,
    /// The party that brings the parameters
    #[arg(long, value_name = "PARTY", default_value_t = 1)]
    pub model_owner: u8,
    /// The party that brings the data and learns the outputs
    #[arg(long, value_name = "PARTY", default_value_t = 0)]
    pub data_owner: u8,
    /// The job's protocol: beaver, replicated …
    #[arg(long, value_name = "PROTOCOL", default_value_t = Protocol::Beaver)]
    pub protocol: Protocol,
    /// Bits of the ring: 32 or 64
    #[arg(long, value_name = "BITS", default_value_t = 64)]
    pub ring_bits: u32,
    /// Bits behind the point
    #[arg(long, value_name = "BITS", default_value_t = 16)]
    pub fraction_bits: u32,
    /// The extent of each input's first axis where the model leaves it open
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub batch: u32,
    /// The extent of another open axis, by its name in the model, such as sequence=128
    #[arg(long, value_name = "NAME=N", value_parser = pair::<usize>)]
    pub axis: Vec<(String, usize)>,
    /// The shape of an input, such as x=1,3,224,224
    #[arg(long, value_name = "INPUT=N,…", value_parser = pair::<Extents>)]
    pub shape: Vec<(String, Extents)>,
    /// Make an input the same public number everywhere, such as attention_mask=1
    #[arg(long, value_name = "INPUT=NUMBER", value_parser = pair::<f64>)]
    pub set: Vec<(String, f64)>,
    /// The file of an input, relative to DIR [default: INPUT.npy]
    #[arg(long, value_name = "INPUT=FILE", value_parser = pair::<String>)]
    pub data: Vec<(String, String)>,
    /// The largest magnitude of the data, which its owner vouches for: makes functions cheaper
    #[arg(long, value_name = "NUMBER")]
    pub bound: Option<f64>,
    /// Reveal this output alone; may be given several times [default: all]
    #[arg(long, value_name = "OUTPUT")]
    pub output: Vec<String>,
    /// Print one JSON object on stdout, also on failure; text for people goes to stderr
    #[arg(long)]
    pub json: bool,
}

/// The extents of a shape.
#[derive(Clone, Debug)]
pub struct Extents(Vec<usize>);

impl FromStr for Extents {
    type Err = String;

    fn from_str(text: &str) -> Result<Extents, String> {
        let extents = text.split(',').map(|extent| extent.trim().parse().ok());
        extents
            .collect::<Option<_>>()
            .map(Extents)
            .ok_or_else(|| format!("{text:?} is no shape such as 1,3,224,224"))
    }
}

/// A name and what it is given.
fn pair<T: FromStr>(text: &str) -> Result<(String, T), String> {
    let (name, value) = text.rsplit_once('=').ok_or("write NAME=VALUE")?;
    let value = value.parse().map_err(|_| format!("{value:?} is no value of {name:?}"))?;
    Ok((name.to_owned(), value))
}

#[derive(Serialize)]
struct ImportJson {
    job: PathBuf,
    steps: usize,
    inputs: Vec<InputJson>,
    parameters: usize,
    outputs: Vec<String>,
    notes: Vec<String>,
}

#[derive(Serialize)]
struct InputJson {
    name: String,
    shape: Vec<usize>,
    file: String,
}

/// The name of the job in its folder.
const JOB: &str = "JOB.toml";

/// Makes the job.
pub fn import(arguments: &ImportArguments) -> Result<(), Failure> {
    let path = arguments.out.join(JOB);
    if path.exists() && !arguments.force {
        let reason = format!("{} is there already: --force replaces it", path.display());
        return Err(Failure::Usage(reason));
    }
    let mut job = symbolon_import::import(&arguments.model, &options(arguments)?, &is_reserved)?;
    let steps = check(&path, &job.text)?;
    std::fs::create_dir_all(&arguments.out).map_err(|error| failed(&arguments.out, &error))?;
    let parameters = arguments.out.join(symbolon_import::Job::PARAMETERS);
    write_parameters(&job, &parameters).map_err(|error| failed(&parameters, &error))?;
    files::write(&path, job.text.as_bytes())?;
    let inputs = std::mem::take(&mut job.data).into_iter();
    let json = ImportJson {
        job: path,
        steps,
        inputs: inputs.map(|(name, shape, file)| InputJson { name, shape, file }).collect(),
        parameters: job.parameter_count(),
        outputs: std::mem::take(&mut job.outputs),
        notes: std::mem::take(&mut job.notes),
    };
    output::print(arguments.json, Document::Import, &json, &text(arguments, &json))
}

fn options(arguments: &ImportArguments) -> Result<Options, Failure> {
    let ImportArguments { model_owner, data_owner, protocol, bound, .. } = *arguments;
    let twice = |names: Vec<&String>| {
        names
            .iter()
            .enumerate()
            .find(|(at, name)| names[..*at].contains(name))
            .map(|(_, name)| (*name).clone())
    };
    let of_inputs = arguments.shape.iter().map(|(name, _)| name);
    if let Some(name) =
        twice(of_inputs.collect()).or_else(|| twice(arguments.set.iter().map(|(name, _)| name).collect()))
    {
        return Err(Failure::Usage(format!("'{name}' is given twice")));
    }
    let name = arguments.model.file_stem().map_or("model".into(), |stem| stem.to_string_lossy());
    let letter = |letter: char| if letter.is_ascii_alphanumeric() || letter == '-' { letter } else { '_' };
    Ok(Options {
        name: name.chars().take(64).map(letter).collect(),
        model_owner,
        data_owner,
        protocol: protocol.to_string(),
        ring_bits: arguments.ring_bits,
        fraction_bits: arguments.fraction_bits,
        batch: arguments.batch as usize,
        axes: arguments.axis.iter().cloned().collect(),
        shapes: arguments.shape.iter().map(|(name, Extents(shape))| (name.clone(), shape.clone())).collect(),
        fixed: arguments.set.iter().cloned().collect(),
        files: arguments.data.iter().cloned().collect(),
        bound,
        outputs: arguments.output.clone(),
    })
}

/// The words of steps that are no functions: operators, and arguments by name.
const WORDS: [&str; 11] =
    ["and", "or", "xor", "not", "axis", "axes", "keepdims", "eps", "size", "stride", "padding"];

/// Whether a word means something to steps, so that no value is called by it.
pub fn is_reserved(name: &str) -> bool {
    WORDS.contains(&name) || Function::of(name).is_some()
}

/// Reads the job and makes its program, of the shapes that it declares, so that what is written is known to run; gives the
/// number of its steps.
pub fn check(path: &Path, text: &str) -> Result<usize, JobError> {
    let job = Job::parse(path, text)?;
    let offers: BTreeMap<_, _> =
        job.inputs.keys().filter_map(|name| Some((name.clone(), job.declared_offer(name)?))).collect();
    job.program(&offers)?;
    Ok(job.texts().count())
}

fn write_parameters(job: &symbolon_import::Job, path: &Path) -> std::io::Result<()> {
    let mut making = Making::of(path)?;
    let mut buffer = BufWriter::new(&mut making.file);
    job.write_parameters(&mut buffer)?;
    buffer.flush()?;
    drop(buffer);
    making.finish(files::mode())
}

fn failed(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Job(JobError::File { path: path.to_owned(), reason: error.to_string() })
}

fn text(arguments: &ImportArguments, json: &ImportJson) -> String {
    let (model, data) = (arguments.model_owner, arguments.data_owner);
    let mut text = format!("{}: {} steps\n", json.job.display(), json.steps);
    for InputJson { name, shape, file } in &json.inputs {
        let _ = writeln!(text, "party {data} brings {name} of shape {shape:?} in {file}");
    }
    let _ = writeln!(
        text,
        "party {model} brings {} parameters in {}",
        json.parameters,
        symbolon_import::Job::PARAMETERS
    );
    let _ = writeln!(text, "party {data} learns {}", json.outputs.join(", "));
    for note in &json.notes {
        let _ = writeln!(text, "note: {note}");
    }
    text + &format!("next: symbolon plan {0}, symbolon run {0} --local\n", json.job.display())
}
