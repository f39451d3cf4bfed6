//! The engines of this machine, and what measurements of kernels share.

use super::BenchOptions;
use crate::failure::Failure;
use serde::Serialize;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use symbolon::device::cpu::{Cpu, SimdLevel};
use symbolon::device::gpu::{Gpu, GpuOptions, adapters};
use symbolon::device::select::{self, DeviceChoice, DeviceOptions};
use symbolon::device::{Buffer, Device, DeviceError, DeviceKernel};
use symbolon::ring::prg::PrgKey;
use symbolon::ring::{Ring, Shape};
use symbolon::step::{Kernel, Matrix, MemoryClass};

/// How long one case is repeated, beyond [`LEAST_RUNS`].
const CASE: Duration = Duration::from_millis(700);

/// Runs that a median is taken of, at least and at most.
const LEAST_RUNS: usize = 3;
const MOST_RUNS: usize = 101;

/// A device in one of its ways.
pub struct Engine {
    pub name: String,
    pub device: Arc<dyn Device>,
    /// How the processor computes, where it is the processor.
    pub cpu: Option<CpuWay>,
}

/// A way in which the processor computes.
#[derive(Clone, Copy)]
pub struct CpuWay {
    pub level: SimdLevel,
    pub threads: usize,
}

/// A device for one of two parties at work: a half of the cores where it is the CPU.
pub fn of_party(options: &BenchOptions) -> Result<Arc<dyn Device>, Failure> {
    let Ok(choice) = DeviceChoice::from_str(&options.device);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = options.threads.map_or((cores / 2).max(1), usize::from);
    Ok(select::open(&choice, &DeviceOptions { threads: Some(threads), ..DeviceOptions::default() })?)
}

/// The engines that were asked for: under `auto` every SIMD level of the processor and every real GPU, otherwise the
/// levels of the processor or the one adapter. Software adapters only by name.
pub fn engines(options: &BenchOptions) -> Result<Vec<Engine>, Failure> {
    let Ok(choice) = DeviceChoice::from_str(&options.device);
    match choice {
        DeviceChoice::Cpu => cpus(options),
        DeviceChoice::Auto => Ok(cpus(options)?.into_iter().chain(gpus()).collect()),
        _ => {
            let device = select::open(&choice, &DeviceOptions::default())?;
            Ok(vec![Engine { name: device.description().name.clone(), device, cpu: None }])
        }
    }
}

/// Every level, and the best also on one thread.
fn cpus(options: &BenchOptions) -> Result<Vec<Engine>, Failure> {
    let all = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = options.threads.map_or(all, usize::from);
    let mut ways: Vec<_> =
        SimdLevel::available().into_iter().map(|level| CpuWay { level, threads }).collect();
    if threads > 1 {
        ways.push(CpuWay { level: SimdLevel::best(), threads: 1 });
    }
    let engine = |way: CpuWay| {
        let device = Arc::new(Cpu::open_with(way.level, Some(way.threads), None)?);
        Ok(Engine { name: format!("cpu {}, {}", way.level.name(), way.threads), device, cpu: Some(way) })
    };
    ways.into_iter().rev().map(engine).collect()
}

fn gpus() -> Vec<Engine> {
    let open = |adapter| match Gpu::open(&adapter, GpuOptions::default()) {
        Ok(gpu) => Some(Engine { name: adapter.name, device: Arc::new(gpu), cpu: None }),
        Err(error) => {
            eprintln!("{error}; it is left out");
            None
        }
    };
    adapters().into_iter().filter(|adapter| !adapter.is_software()).filter_map(open).collect()
}

impl Engine {
    /// A matrix of uniform elements.
    pub fn matrix(&self, ring: Ring, shape: Shape) -> Result<Buffer, DeviceError> {
        let size_bytes = (shape.len() * ring.element_bytes()) as u64;
        let buffer = self.device.allocate(size_bytes, MemoryClass::Scratch)?;
        // The key guards nothing: the elements only have to look like shares.
        let key = PrgKey::from_bytes([7; 32]);
        self.run(ring, &Kernel::Fill { out: Matrix::new(&buffer, shape), key: &key, stream: 0, block: 0 })?;
        Ok(buffer)
    }

    /// Runs a kernel to its end.
    pub fn run(&self, ring: Ring, kernel: &DeviceKernel<'_>) -> Result<(), DeviceError> {
        self.device.run(ring, kernel)?;
        self.device.synchronise()
    }
}

/// Work per second, over several runs.
#[derive(Clone, Copy, Serialize)]
pub struct Rate {
    /// The median.
    pub median: f64,
    /// What it was when nothing else interfered.
    pub best: f64,
    /// How many runs there were.
    pub runs: usize,
}

/// Repeats `work`, after one run that is not counted, and rates it at `amount` a run.
pub fn rate<E>(amount: f64, mut work: impl FnMut() -> Result<(), E>) -> Result<Rate, E> {
    let begin = Instant::now();
    work()?;
    let mut rates = Vec::new();
    while rates.len() < LEAST_RUNS || (begin.elapsed() < CASE && rates.len() < MOST_RUNS) {
        let start = Instant::now();
        work()?;
        rates.push(amount / start.elapsed().as_secs_f64().max(1e-9));
    }
    rates.sort_by(f64::total_cmp);
    Ok(Rate { median: rates[rates.len() / 2], best: rates[rates.len() - 1], runs: rates.len() })
}
