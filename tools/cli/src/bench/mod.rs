//! `bench`: measurements that print a ratio to a bound or a reference of the same run.

pub mod accuracy;
mod calibrate;
mod elementwise;
mod engine;
mod garbled;
mod gemm;
mod lattice;
mod link;
mod matmul;
pub mod model;
mod ot;
mod overlap;
mod relu;
mod rounds;
mod steps;
mod vram;
mod whole;
mod world;

use crate::failure::Failure;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// What to measure.
#[derive(Args)]
pub struct Bench {
    /// Measure the device's rates, and write them to a file that `plan --device-model` reads
    #[arg(long, value_name = "MODEL.toml")]
    pub calibrate: Option<PathBuf>,
    #[command(subcommand)]
    pub what: Option<Benchmark>,
    #[command(flatten)]
    pub options: BenchOptions,
}

/// What all measurements have.
#[derive(Args, Clone)]
pub struct BenchOptions {
    /// auto, cpu, gpu, gpu:N, a PCI bus id, or a part of an adapter's name
    #[arg(long, value_name = "DEVICE", default_value = "auto", global = true)]
    pub device: String,
    /// Threads of the CPU device of each party [default: the cores, divided by the parties]
    #[arg(long, value_name = "N", global = true, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Print one JSON object on stdout, also on failure; text for people goes to stderr
    #[arg(long, global = true)]
    pub json: bool,
}

/// The measurements.
#[derive(Subcommand)]
pub enum Benchmark {
    /// Square products on every engine, against a naive loop and the peak of the cores
    Gemm(gemm::Options),
    /// Kernels that memory bounds, against a copy
    Elementwise(elementwise::Options),
    /// Products over links as slow as the device: with overlap, without, and as predicted
    Overlap(overlap::Options),
    /// What a round takes beside its arithmetic, by cause, and what drivers are asked for in it
    Rounds(rounds::Options),
    /// Engine overhead: cost per step and planning time
    Steps(steps::Options),
    /// ReLU on a million shared values, by each protocol
    Relu(relu::Options),
    /// A truncated product of two parties' matrices, by each protocol
    Matmul(matmul::Options),
    /// Products of two parties' matrices and vectors by lattices
    Lattice(lattice::Options),
    /// Garbled circuits: AND gates a second of garbling and evaluating, against the hash alone
    Garbled(garbled::Options),
    /// Bytes over loopback, in the clear and encrypted
    Link(link::Options),
    /// Correlated oblivious transfers between two threads, against hashes and copies
    Ot(ot::Options),
    /// Errors of functions against f64, and their rounds and bytes
    Accuracy(accuracy::Options),
    /// Runs within budgets of device memory, against the same without one
    Vram(vram::Options),
    /// All time of a transformer's run, each role a process: the protocol's, and all other
    Whole(whole::Options),
}

/// Measures.
pub fn bench(bench: &Bench) -> Result<(), Failure> {
    match (&bench.calibrate, &bench.what) {
        (Some(path), None) => calibrate::calibrate(path, &bench.options),
        (None, Some(Benchmark::Gemm(options))) => gemm::gemm(options, &bench.options),
        (None, Some(Benchmark::Elementwise(options))) => elementwise::elementwise(options, &bench.options),
        (None, Some(Benchmark::Overlap(options))) => overlap::overlap(options, &bench.options),
        (None, Some(Benchmark::Rounds(options))) => rounds::rounds(options, &bench.options),
        (None, Some(Benchmark::Steps(options))) => steps::steps(options, &bench.options),
        (None, Some(Benchmark::Relu(options))) => relu::relu(options, &bench.options),
        (None, Some(Benchmark::Matmul(options))) => matmul::matmul(options, &bench.options),
        (None, Some(Benchmark::Lattice(options))) => lattice::lattice(options, &bench.options),
        (None, Some(Benchmark::Garbled(options))) => garbled::garbled(options, &bench.options),
        (None, Some(Benchmark::Link(options))) => link::link(options, &bench.options),
        (None, Some(Benchmark::Ot(options))) => ot::ot(options, &bench.options),
        (None, Some(Benchmark::Accuracy(options))) => accuracy::accuracy(options, &bench.options),
        (None, Some(Benchmark::Vram(options))) => vram::vram(options, &bench.options),
        (None, Some(Benchmark::Whole(options))) => whole::whole(options, &bench.options),
        _ => Err(Failure::Usage(
            "bench takes --calibrate MODEL.toml or the name of a measurement: gemm, elementwise, overlap, relu, matmul, rounds, steps, lattice, garbled, link, ot, accuracy, vram, whole"
                .into(),
        )),
    }
}
