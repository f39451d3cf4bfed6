//! The engines of this machine, and what measurements of kernels share.

use super::BenchOptions;
use crate::failure::Failure;
use serde::Serialize;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use symbolon::device::cpu::{Cpu, SimdLevel};
use symbolon::device::gpu::{Adapter, Gpu, GpuOptions, MatrixUnits, adapters};
use symbolon::device::select::{self, DeviceChoice, DeviceOptions};
use symbolon::device::{Buffer, Device, DeviceError, DeviceKernel};
use symbolon::ring::prg::PrgKey;
use symbolon::ring::{Ring, Shape};
use symbolon::step::{Kernel, Matrix, MemoryClass};

/// How long one case is repeated, beyond [`LEAST_RUNS`]: on a GPU, which nothing else disturbs, shorter.
const CASE: Duration = Duration::from_millis(700);
const GPU_CASE: Duration = Duration::from_millis(250);

/// Runs that a median is taken of, at least and at most.
const LEAST_RUNS: usize = 3;
const MOST_RUNS: usize = 101;

/// How long a GPU is kept at work before it is waited for, at most so many times over: waiting takes a tenth of a
/// millisecond.
const GPU_RUN: Duration = Duration::from_millis(10);
const MOST_TIMES: usize = 64;

/// A device in one of its ways.
pub struct Engine {
    pub name: String,
    pub device: Arc<dyn Device>,
    /// How the processor computes, where it is the processor.
    pub cpu: Option<CpuWay>,
    /// The GPU, where it is one.
    pub gpu: Option<Arc<Gpu>>,
    /// Whether it is a GPU's driver that computes on the processor.
    pub is_software: bool,
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

/// The engines that were asked for: under `auto` every SIMD level of the processor and every real GPU, its matrix units in
/// every form, otherwise the levels of the processor or the one adapter. Software adapters only by name.
pub fn engines(options: &BenchOptions) -> Result<Vec<Engine>, Failure> {
    ways(options, ways_of)
}

/// The same without matrix units, which matter to products alone.
pub fn scalar_engines(options: &BenchOptions) -> Result<Vec<Engine>, Failure> {
    ways(options, |adapter| Ok(vec![scalar_units(adapter)?]))
}

fn ways(
    options: &BenchOptions,
    of: impl Fn(&Adapter) -> Result<Vec<Engine>, DeviceError>,
) -> Result<Vec<Engine>, Failure> {
    let Ok(choice) = DeviceChoice::from_str(&options.device);
    match choice {
        DeviceChoice::Cpu => cpus(options),
        DeviceChoice::Auto => Ok(cpus(options)?.into_iter().chain(gpus(of)).collect()),
        _ => match select::adapter(&choice)? {
            Some(adapter) => Ok(of(&adapter)?),
            None => cpus(options),
        },
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
        Ok(Engine {
            name: format!("cpu {}, {}", way.level.name(), way.threads),
            device,
            cpu: Some(way),
            gpu: None,
            is_software: false,
        })
    };
    ways.into_iter().rev().map(engine).collect()
}

fn gpus(of: impl Fn(&Adapter) -> Result<Vec<Engine>, DeviceError>) -> Vec<Engine> {
    let open = |adapter| {
        of(&adapter).unwrap_or_else(|error| {
            eprintln!("{error}; it is left out");
            Vec::new()
        })
    };
    adapters().into_iter().filter(|adapter| !adapter.is_software()).flat_map(open).collect()
}

/// An adapter's scalar units, and its matrix units in every form that they have.
fn ways_of(adapter: &Adapter) -> Result<Vec<Engine>, DeviceError> {
    let mut engines = vec![scalar_units(adapter)?];
    for &tile in &adapter.features.matrix_tiles {
        let (matrix_units, matrix_tile) = (MatrixUnits::Always, Some(tile));
        let options = GpuOptions { matrix_units, matrix_tile, ..GpuOptions::default() };
        match Engine::of_gpu(adapter, options, &format!(", matrix units {tile}")) {
            Ok(engine) => engines.push(engine),
            Err(error) => eprintln!("{error}"),
        }
    }
    Ok(engines)
}

fn scalar_units(adapter: &Adapter) -> Result<Engine, DeviceError> {
    Engine::of_gpu(adapter, GpuOptions { matrix_units: MatrixUnits::Off, ..GpuOptions::default() }, "")
}

impl Engine {
    fn of_gpu(adapter: &Adapter, options: GpuOptions, way: &str) -> Result<Engine, DeviceError> {
        let gpu = Arc::new(Gpu::open(adapter, options)?);
        Ok(Engine {
            name: format!("{}{way}", adapter.name),
            device: gpu.clone(),
            cpu: None,
            gpu: Some(gpu),
            is_software: adapter.is_software(),
        })
    }

    /// A matrix of uniform elements.
    pub fn matrix(&self, ring: Ring, shape: Shape) -> Result<Buffer, DeviceError> {
        let size_bytes = shape.size_bytes(ring);
        let buffer = self.device.allocate(size_bytes, MemoryClass::Scratch)?;
        // The key guards nothing: the elements only have to look like shares.
        let key = PrgKey::from_bytes([7; 32]);
        let fill = Kernel::Fill { out: Matrix::new(&buffer, shape), key: &key, stream: 0, block: 0 };
        self.device.run(ring, &fill)?;
        self.device.synchronise()?;
        Ok(buffer)
    }

    /// Rates some kernels, one after the other, at `amount` a run of all. A GPU does them several times before it is waited
    /// for, as in a program, whose kernels are queued behind each other.
    pub fn rate(&self, ring: Ring, amount: f64, kernels: &[DeviceKernel<'_>]) -> Result<Rate, DeviceError> {
        let run = |times: usize| {
            (0..times).flat_map(|_| kernels).try_for_each(|kernel| self.device.run(ring, kernel))?;
            self.device.synchronise()
        };
        let mut times = 1;
        if self.gpu.is_some() {
            // Compiles them.
            run(1)?;
            let mut once = Duration::MAX;
            for _ in 0..LEAST_RUNS {
                let begin = Instant::now();
                run(1)?;
                once = once.min(begin.elapsed());
            }
            times = ((GPU_RUN.as_secs_f64() / once.as_secs_f64()) as usize).clamp(1, MOST_TIMES);
        }
        let case = if self.gpu.is_some() { GPU_CASE } else { CASE };
        rate_within(case, amount * times as f64, || run(times))
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

/// The place of the median among so many sorted figures; of two in the middle the higher one.
pub const fn median(count: usize) -> usize {
    count / 2
}

/// Repeats `work`, after one run that is not counted, and rates it at `amount` a run.
pub fn rate<E>(amount: f64, work: impl FnMut() -> Result<(), E>) -> Result<Rate, E> {
    rate_within(CASE, amount, work)
}

fn rate_within<E>(case: Duration, amount: f64, mut work: impl FnMut() -> Result<(), E>) -> Result<Rate, E> {
    let begin = Instant::now();
    work()?;
    let mut rates = Vec::new();
    while rates.len() < LEAST_RUNS || (begin.elapsed() < case && rates.len() < MOST_RUNS) {
        let start = Instant::now();
        work()?;
        rates.push(amount / start.elapsed().as_secs_f64().max(1e-9));
    }
    rates.sort_by(f64::total_cmp);
    Ok(Rate { median: rates[median(rates.len())], best: rates[rates.len() - 1], runs: rates.len() })
}
