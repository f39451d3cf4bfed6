//! `demo`: private classification of handwritten digits, with nothing to configure.

use crate::args::Shared;
use crate::data::{Kind, Matrix, Numbers, Source};
use crate::failure::Failure;
use crate::job::{InputData, Job};
use crate::local::{launch, private_folder};
use crate::report::RunJson;
use crate::{interrupt, output, table};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use symbolon::program::oracle;

const FILES: [(&str, &[u8]); 5] = [
    ("digits.toml", include_bytes!("../../digits/digits.toml")),
    ("test_x.npy", include_bytes!("../../digits/test_x.npy")),
    ("test_y.npy", include_bytes!("../../digits/test_y.npy")),
    ("linear_w.npy", include_bytes!("../../digits/linear_w.npy")),
    ("linear_b.npy", include_bytes!("../../digits/linear_b.npy")),
];

/// What the demo found, beside what the run took.
#[derive(Serialize)]
struct DemoJson {
    #[serde(flatten)]
    run: RunJson,
    images: usize,
    /// The private result's share of right labels.
    accuracy: f64,
    /// The same in ordinary floating point.
    plain_accuracy: f64,
    /// Images whose private label is that of the plain fixed-point computation.
    labels_as_oracle: usize,
    /// The largest distance of a private score from the floating-point one.
    largest_score_error: f64,
}

/// Runs the demo in a folder of its own.
pub fn demo(shared: &Shared) -> Result<(), Failure> {
    interrupt::catch()?;
    let folder = private_folder()?;
    for (name, bytes) in FILES {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).map_err(|error| Failure::File { path, reason: error.to_string() })?;
    }
    let job_path = folder.path().join("digits.toml");
    let job = Job::read(&job_path)?;
    let mut run = launch(&job_path, &job, shared)?;
    let scores = reals(&read(&folder.path().join("scores.npy"))?);
    // The folder goes with the demo.
    run.outputs.iter_mut().for_each(|output| output.file = None);
    let json = judge(&job, folder.path(), run, &scores)?;
    interrupt::check()?;
    if json.labels_as_oracle != json.images {
        eprint!("{}", text(&json));
        let wrong = json.images - json.labels_as_oracle;
        return Err(Failure::Wrong(format!("{wrong} private labels differ from the plain fixed-point ones")));
    }
    output::print(shared.json, &json, &text(&json))
}

/// Holds the private scores against the labels, the oracle and floating point.
fn judge(job: &Job, folder: &Path, run: RunJson, scores: &[f64]) -> Result<DemoJson, Failure> {
    let inputs: BTreeMap<&str, InputData> = job
        .inputs
        .keys()
        .map(|name| Ok((name.as_str(), job.read_input(name, None)?)))
        .collect::<Result<_, Failure>>()?;
    let facts = inputs.iter().map(|(&name, input)| (name.to_owned(), input.facts())).collect();
    let program = job.program(&facts)?;
    let elements = inputs.values().map(|input| input.encode(job.codec)).collect::<Result<Vec<_>, _>>()?;
    let oracle = oracle::evaluate(&program, &elements)[0].elements.decode(job.codec);
    let matrix = |name| &inputs[name].matrix;
    let plain = plain_scores(&reals(matrix("x")), &reals(matrix("w")), &reals(matrix("b")));
    let truth: Vec<usize> = match read(&folder.join("test_y.npy"))?.numbers {
        Numbers::Signed(labels) => labels.into_iter().map(|label| label as usize).collect(),
        _ => return Err(Failure::Wrong("the labels are not integers".into())),
    };
    let classes = matrix("b").shape.cols;
    let labels = |scores: &[f64]| -> Vec<usize> { scores.chunks(classes).map(largest).collect() };
    let (private, plain_labels) = (labels(scores), labels(&plain));
    let equal = |a: &[usize], b: &[usize]| a.iter().zip(b).filter(|(a, b)| a == b).count();
    let share = |right: usize| right as f64 / truth.len() as f64;
    let errors = scores.iter().zip(&plain).map(|(a, b)| (a - b).abs());
    Ok(DemoJson {
        run,
        images: truth.len(),
        accuracy: share(equal(&private, &truth)),
        plain_accuracy: share(equal(&plain_labels, &truth)),
        labels_as_oracle: equal(&private, &labels(&oracle)),
        largest_score_error: errors.fold(0.0, f64::max),
    })
}

fn text(json: &DemoJson) -> String {
    let mut text = format!(
        "Party 0 owns {} images of handwritten digits, party 1 the weights of a classifier. They computed\n\
         scores = x @ w + b on shares; party 0 alone learnt the scores, and nobody learnt anything else.\n\n",
        json.images
    );
    text += &format!("  accuracy of the private labels   {:.2} %\n", json.accuracy * 100.0);
    text += &format!("  accuracy in floating point       {:.2} %\n", json.plain_accuracy * 100.0);
    text += &format!("  labels as the plain fixed-point  {} of {}\n", json.labels_as_oracle, json.images);
    text += &format!("  largest score error              {:.2e}\n\n", json.largest_score_error);
    text + &table::run(&json.run)
}

fn read(path: &Path) -> Result<Matrix, Failure> {
    Matrix::read(&Source { file: path.to_owned(), tensor: None })
        .map_err(|error| Failure::Wrong(error.to_string()))
}

fn reals(matrix: &Matrix) -> Vec<f64> {
    debug_assert_eq!(matrix.kind(), Kind::Real);
    matrix.numbers.reals().collect()
}

/// x @ w + b in floating point.
fn plain_scores(x: &[f64], w: &[f64], b: &[f64]) -> Vec<f64> {
    let classes = b.len();
    let score = |row: &[f64], class: usize| {
        b[class] + row.iter().zip(w[class..].iter().step_by(classes)).map(|(x, w)| x * w).sum::<f64>()
    };
    x.chunks(w.len() / classes).flat_map(|row| (0..classes).map(move |class| score(row, class))).collect()
}

/// The position of the largest score.
fn largest(scores: &[f64]) -> usize {
    (0..scores.len()).max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap_or(0)
}
