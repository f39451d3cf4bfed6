//! `bench whole`: all of the time of a run, from the command's start to its end.
//!
//! The job is a sentence transformer of the size of MiniLM-L6 (Wang et al., "MiniLM", NeurIPS 2020: 6 layers, width 384, 12
//! heads, inner width 1536), with random weights in a `.safetensors` file. It is run as `run --local` runs it, every role
//! a process of its own: once alone, and in batches on resident weights. Per case: where the time of every process went,
//! and what share of the command's time is not the protocol's own.

use super::BenchOptions;
use super::engine::median;
use crate::failure::Failure;
use crate::output::{self, Document};
use crate::report::RunJson;
use crate::scratch::Scratch;
use crate::stages::{self, StageJson};
use crate::table::{Table, seconds};
use clap::Args;
use serde::Serialize;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use symbolon::protocol::Protocol;
use symbolon::ring::prg::PrgKey;

/// What to measure.
#[derive(Args)]
pub struct Options {
    /// By which protocol
    #[arg(long, value_name = "PROTOCOL", default_value = "beaver")]
    protocol: Protocol,
    /// Layers of the transformer
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u16).range(1..=64))]
    layers: u16,
    /// Tokens of the sentence
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=512))]
    tokens: u16,
    /// Sentences that are run in batches
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(2..=1000))]
    batches: u16,
    /// How often each case is run; the median counts
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
    runs: u16,
}

const WIDTH: usize = 384;
const HEADS: usize = 12;
const INNER: usize = 1536;

/// The whole measurement as JSON.
#[derive(Serialize)]
struct WholeJson {
    protocol: String,
    layers: u16,
    tokens: u16,
    runs: u16,
    cases: Vec<CaseJson>,
}

/// One case; but for the best time, of the run with the median time.
#[derive(Serialize)]
struct CaseJson {
    batches: u16,
    wall_s: f64,
    best_wall_s: f64,
    /// Of all batches the slowest party's phases.
    protocol_s: f64,
    /// What of all the time is not the protocol's own.
    own_share: f64,
    processes: Vec<ProcessJson>,
}

#[derive(Serialize)]
struct ProcessJson {
    process: String,
    stages: Vec<StageJson>,
}

/// Measures and prints.
pub fn whole(options: &Options, common: &BenchOptions) -> Result<(), Failure> {
    let folder = Scratch::new()?;
    let model = Model { layers: options.layers.into(), tokens: options.tokens.into() };
    model.write(folder.path(), options.batches).map_err(|error| unwritten(folder.path(), &error))?;
    let cases =
        [1, options.batches].into_iter().map(|batches| case(folder.path(), &model, batches, options, common));
    let json = WholeJson {
        protocol: options.protocol.to_string(),
        layers: options.layers,
        tokens: options.tokens,
        runs: options.runs,
        cases: cases.collect::<Result<_, _>>()?,
    };
    output::print(common.json, Document::Bench, &json, &text(&json))
}

fn unwritten(folder: &Path, error: &std::io::Error) -> Failure {
    Failure::Resources(format!("{}: {error}", folder.display()))
}

fn case(
    folder: &Path,
    model: &Model,
    batches: u16,
    options: &Options,
    common: &BenchOptions,
) -> Result<CaseJson, Failure> {
    let path = folder.join(format!("job-{batches}.toml"));
    let job = model.job(options.protocol, batches);
    std::fs::write(&path, job).map_err(|error| unwritten(folder, &error))?;
    let mut runs: Vec<RunJson> =
        (0..options.runs).map(|_| run(&path, common)).collect::<Result<_, Failure>>()?;
    runs.sort_by(|a, b| a.wall_s.total_cmp(&b.wall_s));
    let best_wall_s = runs[0].wall_s;
    let run = runs.swap_remove(median(runs.len()));
    let phases = std::iter::once(&run).chain(&run.later).map(|run| run.offline_s + run.online_s);
    let protocol_s: f64 = phases.sum();
    let process = |(process, stages)| ProcessJson { process, stages };
    Ok(CaseJson {
        batches,
        wall_s: run.wall_s,
        best_wall_s,
        protocol_s,
        own_share: 1.0 - protocol_s / run.wall_s,
        processes: run.processes().into_iter().map(process).collect(),
    })
}

/// Runs the job as a user does.
fn run(job: &Path, common: &BenchOptions) -> Result<RunJson, Failure> {
    let failed = |reason: String| Failure::Wrong(format!("the job cannot be run: {reason}"));
    let mut command = Command::new(std::env::current_exe().map_err(|error| failed(error.to_string()))?);
    command.arg("run").arg(job).args(["--local", "--json", "--device", &common.device]);
    if let Some(threads) = common.threads {
        command.args(["--threads", &threads.to_string()]);
    }
    let output = command.stdin(Stdio::null()).output().map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim_end().to_owned()));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| failed(error.to_string()))
}

/// A transformer without its embeddings; party 0 has the sentences, party 1 the weights.
struct Model {
    layers: usize,
    tokens: usize,
}

impl Model {
    /// The tensors of a layer: name, rows, columns, and what the numbers are about.
    fn layer(layer: usize) -> Vec<(String, usize, usize, f32)> {
        let square = ["wq", "wk", "wv", "wo"].map(|name| (name, WIDTH, WIDTH, 0.0));
        let rows = ["bq", "bk", "bv", "bo", "b2", "o1", "o2"].map(|name| (name, 1, WIDTH, 0.0));
        let ones = ["g1", "g2"].map(|name| (name, 1, WIDTH, 1.0));
        let inner = [("w1", WIDTH, INNER, 0.0), ("w2", INNER, WIDTH, 0.0), ("b1", 1, INNER, 0.0)];
        let all = square.into_iter().chain(rows).chain(ones).chain(inner);
        all.map(|(name, rows, cols, mean)| (format!("l{layer}_{name}"), rows, cols, mean)).collect()
    }

    fn tensors(&self) -> Vec<(String, usize, usize, f32)> {
        (0..self.layers).flat_map(Model::layer).collect()
    }

    /// Writes the weights and the sentences.
    fn write(&self, folder: &Path, sentences: u16) -> std::io::Result<()> {
        let weights = self.tensors();
        std::fs::write(folder.join("model.safetensors"), safetensors(&weights))?;
        for sentence in 0..sentences {
            let tensor = [(format!("x{sentence}"), self.tokens, WIDTH, 0.0)];
            std::fs::write(folder.join(format!("x{sentence}.safetensors")), safetensors(&tensor))?;
        }
        Ok(())
    }

    /// The job on so many of the sentences.
    fn job(&self, protocol: Protocol, batches: u16) -> String {
        let (number, resident) = if batches > 1 { ("{batch}", ", resident = true") } else { ("0", "") };
        let mut job = format!(
            "[job]\nname = \"transformer\"\nprotocol = \"{protocol}\"\nring_bits = 64\nfraction_bits = 16\nbatches = {batches}\n\
             [inputs]\nx = {{ owner = 0, file = \"x{number}.safetensors\" }}\n"
        );
        for (name, ..) in self.tensors() {
            let line = format!(
                "{name} = {{ owner = 1, file = \"model.safetensors\", tensor = \"{name}\"{resident} }}"
            );
            writeln!(job, "{line}").expect("text grows");
        }
        writeln!(job, "[program]\nsteps = [").expect("text grows");
        for step in self.steps() {
            writeln!(job, "  \"{step}\",").expect("text grows");
        }
        job + &format!(
            "]\n[outputs]\nembedding = {{ to = [0], file = \"embedding-{batches}-{number}.npy\" }}\n"
        )
    }

    fn steps(&self) -> Vec<String> {
        let (tokens, head) = (self.tokens, WIDTH / HEADS);
        let scale = 1.0 / (head as f64).sqrt();
        let mut steps = Vec::new();
        let mut x = "x".to_owned();
        for l in 0..self.layers {
            for name in ["q", "k", "v"] {
                let dense = format!("{x} @ l{l}_w{name} + l{l}_b{name}");
                steps.push(format!(
                    "{name}{l} = transpose(reshape({dense}, {tokens}, {HEADS}, {head}), 1, 0, 2)"
                ));
            }
            steps.push(format!("s{l} = softmax(q{l} @ transpose(k{l}, 0, 2, 1) * {scale:.6}, axis=2)"));
            steps.push(format!("a{l} = reshape(transpose(s{l} @ v{l}, 1, 0, 2), {tokens}, {WIDTH})"));
            steps.push(format!("y{l} = layernorm({x} + a{l} @ l{l}_wo + l{l}_bo, l{l}_g1, l{l}_o1)"));
            steps.push(format!("f{l} = gelu(y{l} @ l{l}_w1 + l{l}_b1) @ l{l}_w2 + l{l}_b2"));
            steps.push(format!("x{l} = layernorm(y{l} + f{l}, l{l}_g2, l{l}_o2)"));
            x = format!("x{l}");
        }
        steps.push(format!("embedding = mean({x}, axis=0)"));
        steps
    }
}

/// Tensors of uniform f32 about their means, of about the variance that keeps a layer's values as large as they are.
fn safetensors(tensors: &[(String, usize, usize, f32)]) -> Vec<u8> {
    let key = PrgKey::from_bytes([5; 32]);
    let mut header = serde_json::Map::new();
    let mut data: Vec<u8> = Vec::new();
    for (stream, (name, rows, cols, mean)) in (0..).zip(tensors) {
        let mut drawn = vec![0; rows * cols * 4];
        key.fill(stream, 0, &mut drawn);
        let spread = 1.5 / (*rows as f32).sqrt().max(1.0);
        let begin = data.len();
        for word in drawn.as_chunks().0 {
            let unit = u32::from_le_bytes(*word) as f32 / u32::MAX as f32 - 0.5;
            data.extend((mean + spread * unit).to_le_bytes());
        }
        let offsets = [begin, data.len()];
        header.insert(
            name.clone(),
            serde_json::json!({ "dtype": "F32", "shape": [rows, cols], "data_offsets": offsets }),
        );
    }
    let header = serde_json::to_vec(&header).expect("a header serialises");
    [&(header.len() as u64).to_le_bytes()[..], &header, &data].concat()
}

fn text(json: &WholeJson) -> String {
    let mut text = format!(
        "a transformer of {} layer(s) of width {WIDTH}, {} tokens, {}, every role a process; the median of {} run(s)\n",
        json.layers, json.tokens, json.protocol, json.runs
    );
    for case in &json.cases {
        text += &format!(
            "{} sentence(s): {} in all (best {}), of which the protocol takes {}: {:.0} % are not its own\n",
            case.batches,
            seconds(case.wall_s),
            seconds(case.best_wall_s),
            seconds(case.protocol_s),
            100.0 * case.own_share
        );
        let processes: Vec<_> =
            case.processes.iter().map(|process| (process.process.clone(), process.stages.clone())).collect();
        text += &Table::from_rows(stages::table(&processes)).render();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use symbolon_job::Job;

    #[test]
    fn the_job_is_one_that_can_be_planned() {
        let folder = tempfile::tempdir().expect("a folder");
        let model = Model { layers: 1, tokens: 4 };
        model.write(folder.path(), 2).expect("files are written");
        let path = folder.path().join("job.toml");
        for (protocol, batches) in [(Protocol::Beaver, 1), (Protocol::Replicated, 2)] {
            std::fs::write(&path, model.job(protocol, batches)).expect("a job is written");
            let job = Job::read(&path).expect("a job");
            // Small weights are rounded to zero, of which a notice speaks.
            let offers = job.offers(&|_| ()).expect("all inputs are there");
            let program = job.program(&offers).expect("a program");
            assert_eq!(program.outputs().len(), 1);
        }
    }
}
