//! What the benches share: the devices to measure, matrices on them, and a stopwatch.
//!
//! Timings of a machine that does other things as well are only worth something beside each other, so every bench
//! prints a ratio to a reference that ran in the same process.

#![allow(dead_code, reason = "each bench is a crate of its own and uses a part")]

use criterion::Criterion;
use std::sync::Arc;
use std::time::{Duration, Instant};
use symbolon::device::cpu::Cpu;
use symbolon::device::gpu::{Gpu, GpuOptions, adapters};
use symbolon::device::{Buffer, Device, DeviceKernel};
use symbolon::ring::prg::PrgKey;
use symbolon::ring::{Ring, Shape};
use symbolon::step::{Kernel, Matrix, MemoryClass};

/// A device and what reports call it.
pub struct Bench {
    /// Such as `cpu-2`.
    pub name: String,
    /// The device.
    pub device: Arc<dyn Device>,
}

/// The devices of this machine: the processor with one thread, and with all of them, and every real GPU. Software
/// adapters compute on the processor too, and say nothing about a GPU.
pub fn devices() -> Vec<Bench> {
    let all = std::thread::available_parallelism().map_or(1, usize::from);
    let mut threads = vec![1, all];
    threads.dedup();
    let cpu = |threads| Bench {
        name: format!("cpu-{threads}"),
        device: Arc::new(Cpu::open(Some(threads), None).expect("the processor is a device")),
    };
    let mut devices: Vec<Bench> = threads.into_iter().map(cpu).collect();
    let gpus = adapters().into_iter().filter(|adapter| !adapter.is_software());
    devices.extend(gpus.map(|adapter| Bench {
        device: Arc::new(Gpu::open(&adapter, GpuOptions::default()).expect("the adapter opens")),
        name: adapter.name,
    }));
    devices
}

impl Bench {
    /// A matrix of uniform elements.
    pub fn matrix(&self, ring: Ring, shape: Shape) -> Buffer {
        let size_bytes = shape.size_bytes(ring);
        let buffer = self.device.allocate(size_bytes, MemoryClass::Scratch).expect("memory");
        let key = PrgKey::from_bytes([7; 32]);
        self.run(ring, &Kernel::Fill { out: Matrix::new(&buffer, shape), key: &key, stream: 0, block: 0 });
        buffer
    }

    /// Runs a kernel to its end.
    pub fn run(&self, ring: Ring, kernel: &DeviceKernel<'_>) {
        self.device.run(ring, kernel).expect("the kernel runs");
        self.device.synchronise().expect("the device lives");
    }
}

/// The shortest of several runs: what the work takes when nothing else interferes.
pub fn best_of(runs: usize, mut work: impl FnMut()) -> Duration {
    let once = |_| {
        let begin = Instant::now();
        work();
        begin.elapsed()
    };
    (0..runs).map(once).min().expect("at least one run")
}

/// 10⁹ of something per second.
pub fn giga(count: usize, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64() / 1e9
}

/// Short measurements: a whole bench stays well below two minutes.
pub fn criterion() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1200))
        .configure_from_args()
}
