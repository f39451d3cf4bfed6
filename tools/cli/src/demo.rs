//! `demo`: private inference of a network that reads handwritten digits, with nothing to configure.

use crate::args::{Folders, Shared};
use crate::failure::Failure;
use crate::local::launch;
use crate::output::{self, Document};
use crate::report::RunJson;
use crate::scratch::Scratch;
use crate::{interrupt, say, table};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use symbolon::program::{Program, oracle};
use symbolon::protocol::Protocol;
use symbolon::ring::Elements;
use symbolon_job::data::{Matrix, Source};
use symbolon_job::{InputData, Job, JobError};

const FILES: [(&str, &[u8]); 9] = [
    (JOB, include_bytes!("../../digits/network.toml")),
    ("test_x.npy", include_bytes!("../../digits/test_x.npy")),
    ("test_y.npy", include_bytes!("../../digits/test_y.npy")),
    ("mlp_w1.npy", include_bytes!("../../digits/mlp_w1.npy")),
    ("mlp_b1.npy", include_bytes!("../../digits/mlp_b1.npy")),
    ("mlp_w2.npy", include_bytes!("../../digits/mlp_w2.npy")),
    ("mlp_b2.npy", include_bytes!("../../digits/mlp_b2.npy")),
    ("mlp_w3.npy", include_bytes!("../../digits/mlp_w3.npy")),
    ("mlp_b3.npy", include_bytes!("../../digits/mlp_b3.npy")),
];

const JOB: &str = "network.toml";

/// Weights and biases of the network's layers.
const LAYERS: [(&str, &str); 3] = [("w1", "b1"), ("w2", "b2"), ("w3", "b3")];

/// What the demo found, beside what the run took.
#[derive(Serialize)]
struct DemoJson {
    #[serde(flatten)]
    run: RunJson,
    images: usize,
    /// The share of private labels that are right.
    accuracy: f64,
    /// The same in ordinary floating point.
    plain_accuracy: f64,
    /// Images whose private label is that of the plain fixed-point computation.
    labels_as_oracle: usize,
}

/// Runs the demo in a folder of its own.
pub fn demo(protocol: Protocol, folders: &Folders, shared: &Shared) -> Result<(), Failure> {
    interrupt::catch()?;
    let folder = unpack(protocol)?;
    let job_path = folder.path().join(JOB);
    let mut job = Job::read(&job_path)?;
    folders.apply(&mut job)?;
    let mut run = launch(&job_path, &job, folders, shared)?;
    let labels = labels(&read(&folder.path().join("labels.npy"))?);
    // The folder goes with the demo.
    run.outputs.iter_mut().for_each(|output| output.file = None);
    let json = judge(&job, folder.path(), run, &labels)?;
    interrupt::check()?;
    if json.labels_as_oracle != json.images {
        say::report(&text(&json));
        let wrong = json.images - json.labels_as_oracle;
        return Err(Failure::Wrong(format!("{wrong} private labels differ from the plain fixed-point ones")));
    }
    output::print(shared.json, Document::Run, &json, &text(&json))
}

/// The demo's files in a folder of their own.
fn unpack(protocol: Protocol) -> Result<Scratch, Failure> {
    let folder = Scratch::new()?;
    for (name, bytes) in FILES {
        let path = folder.path().join(name);
        let text = (name == JOB).then(|| job_text(bytes, protocol).into_bytes());
        let written = std::fs::write(&path, text.as_deref().unwrap_or(bytes));
        written.map_err(|error| JobError::File { path, reason: error.to_string() })?;
    }
    Ok(folder)
}

/// The demo's program and inputs.
pub fn program(protocol: Protocol) -> Result<(Program, Vec<Elements>), Failure> {
    let folder = unpack(protocol)?;
    let job = Job::read(&folder.path().join(JOB))?;
    let Content { program, elements, .. } = read_job(&job)?;
    Ok((program, elements))
}

/// The content of a job.
struct Content {
    inputs: BTreeMap<String, InputData>,
    program: Program,
    /// The inputs as the program takes them.
    elements: Vec<Elements>,
}

fn read_job(job: &Job) -> Result<Content, Failure> {
    let mut inputs: BTreeMap<String, InputData> = BTreeMap::new();
    let names = job.inputs.keys().map(|name| (name.as_str(), None));
    // What is assumed of the data, the run of the job tells.
    job.read_inputs(names, 0, &|_| {}, |data| {
        inputs.insert(data.name.clone(), data);
        Ok(())
    })?;
    let offers = inputs.iter().map(|(name, input)| (name.clone(), input.offer())).collect();
    let program = job.program(&offers)?;
    let elements = inputs.values().map(|input| input.encode(job.codec)).collect::<Result<Vec<_>, _>>()?;
    Ok(Content { inputs, program, elements })
}

/// The job with another protocol.
fn job_text(bytes: &[u8], protocol: Protocol) -> String {
    let text = String::from_utf8_lossy(bytes);
    let line = |protocol: Protocol| format!("protocol = \"{protocol}\"");
    debug_assert!(text.contains(&line(Protocol::Beaver)), "the job names its protocol");
    text.replace(&line(Protocol::Beaver), &line(protocol))
}

/// Holds the private labels against the true ones, the oracle's and those of floating point.
fn judge(job: &Job, folder: &Path, run: RunJson, private: &[usize]) -> Result<DemoJson, Failure> {
    let Content { inputs, program, elements } = read_job(job)?;
    let oracle = oracle::evaluate(&program, &elements)[0].elements.decode(job.codec);
    let oracle: Vec<usize> = oracle.into_iter().map(|label| label as usize).collect();
    let truth = labels(&read(&folder.join("test_y.npy"))?);
    let plain = plain_labels(&inputs);
    let equal = |a: &[usize], b: &[usize]| a.iter().zip(b).filter(|(a, b)| a == b).count();
    let share = |right: usize| right as f64 / truth.len() as f64;
    Ok(DemoJson {
        run,
        images: truth.len(),
        accuracy: share(equal(private, &truth)),
        plain_accuracy: share(equal(&plain, &truth)),
        labels_as_oracle: equal(private, &oracle),
    })
}

fn text(json: &DemoJson) -> String {
    let mut text = format!(
        "Party 0 owns {} images of handwritten digits, party 1 a network with two hidden layers. They computed\n\
         every layer and the largest score on shares; party 0 learnt the labels, and nobody learnt anything else.\n\n",
        json.images
    );
    text += &format!("  accuracy of the private labels   {:.2} %\n", json.accuracy * 100.0);
    text += &format!("  accuracy in floating point       {:.2} %\n", json.plain_accuracy * 100.0);
    text += &format!("  labels as the plain fixed-point  {} of {}\n\n", json.labels_as_oracle, json.images);
    text + &table::run(&json.run)
}

fn read(path: &Path) -> Result<Matrix, Failure> {
    Matrix::read(&Source { file: path.to_owned(), tensor: None })
        .map_err(|error| Failure::Wrong(error.to_string()))
}

fn labels(matrix: &Matrix) -> Vec<usize> {
    matrix.reals().map(|label| label as usize).collect()
}

/// What the network says in floating point.
fn plain_labels(inputs: &BTreeMap<String, InputData>) -> Vec<usize> {
    let reals = |name: &str| inputs[name].matrix.reals().collect::<Vec<f64>>();
    let mut values = reals("x");
    for (index, (w, b)) in LAYERS.into_iter().enumerate() {
        values = layer(&values, &reals(w), &reals(b));
        if index + 1 < LAYERS.len() {
            values.iter_mut().for_each(|value| *value = value.max(0.0));
        }
    }
    let classes = inputs[LAYERS[LAYERS.len() - 1].1].matrix.reals().count();
    values.chunks(classes).map(largest).collect()
}

/// x @ w + b.
fn layer(x: &[f64], w: &[f64], b: &[f64]) -> Vec<f64> {
    let cols = b.len();
    let value = |row: &[f64], col: usize| {
        b[col] + row.iter().zip(w[col..].iter().step_by(cols)).map(|(x, w)| x * w).sum::<f64>()
    };
    x.chunks(w.len() / cols).flat_map(|row| (0..cols).map(move |col| value(row, col))).collect()
}

/// The position of the largest score, the first of equals.
fn largest(scores: &[f64]) -> usize {
    (0..scores.len()).rev().max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap_or(0)
}
