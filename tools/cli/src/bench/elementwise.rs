//! `bench elementwise`: kernels that memory bounds, in bytes read and written per second, beside a copy.

use super::BenchOptions;
use super::engine::{Engine, Rate, rate, scalar_engines};
use crate::failure::Failure;
use crate::output::{self, Document};
use crate::table::Table;
use clap::Args;
use serde::Serialize;
use std::convert::Infallible;
use std::hint::black_box;
use symbolon::device::DeviceKernel;
use symbolon::ring::prg::PrgKey;
use symbolon::ring::{Ring, Shape};
use symbolon::step::{Axis, Kernel, Matrix};

/// What to measure.
#[derive(Args)]
pub struct Options {
    /// The sides of the matrices; small ones stay in the caches
    #[arg(long, value_name = "N,N", value_delimiter = ',', default_values_t = [256, 2048])]
    size: Vec<usize>,
}

/// The whole measurement as JSON.
#[derive(Serialize)]
struct ElementwiseJson {
    kernels: Vec<KernelJson>,
}

/// One kernel, in bytes read and written per second.
#[derive(Serialize)]
struct KernelJson {
    engine: String,
    ring_bits: u32,
    size: usize,
    kernel: &'static str,
    bytes_per_s: Rate,
    /// The best rate in multiples of the copy's: of the processor's own on as many threads, or the device's copy.
    times_copy: f64,
}

/// Measures and prints.
pub fn elementwise(options: &Options, common: &BenchOptions) -> Result<(), Failure> {
    let mut kernels = Vec::new();
    for engine in scalar_engines(common)? {
        for ring in Ring::ALL {
            for &size in &options.size {
                measure(&engine, ring, size, &mut kernels)?;
            }
        }
    }
    let json = ElementwiseJson { kernels };
    output::print(common.json, Document::Bench, &json, &text(&json))
}

fn measure(engine: &Engine, ring: Ring, size: usize, rows: &mut Vec<KernelJson>) -> Result<(), Failure> {
    let shape = Shape::new(size, size);
    let matrix_bytes = (shape.len() * ring.element_bytes()) as f64;
    let buffers = [engine.matrix(ring, shape)?, engine.matrix(ring, shape)?, engine.matrix(ring, shape)?];
    let sums = engine.matrix(ring, Shape::new(1, size))?;
    let [out, a, b] = buffers.each_ref().map(|buffer| Matrix::new(buffer, shape));
    let key = PrgKey::from_bytes([7; 32]);
    let linear = |terms| Kernel::Linear { out, terms, constant: 5 };
    let sum = |shape, axis| Kernel::Sum { out: Matrix::new(&sums, shape), operand: a, axis };
    let (key, stream, block, minus_one) = (&key, 1, 0, u64::MAX);
    let fill = |out| Kernel::Fill { out, key, stream, block };
    let (factor, mask_factor, constant) = (1, minus_one, 5);
    let mask = Kernel::Mask { out, factor, operand: a, mask_factor, key, stream, block, constant };
    // What runs, with its name and how many matrices it moves. A mask that is drawn apart counts as one that is not: so
    // their rates compare.
    let rows_of: [(&str, f64, Vec<DeviceKernel<'_>>); 10] = [
        ("linear a", 2.0, vec![linear(vec![(1, a)])]),
        ("linear a + b", 3.0, vec![linear(vec![(1, a), (1, b)])]),
        ("linear 3a + 7b", 3.0, vec![linear(vec![(3, a), (7, b)])]),
        ("hadamard", 3.0, vec![Kernel::Hadamard { out, terms: vec![(a, b)], accumulate: false }]),
        ("transpose", 2.0, vec![Kernel::Transpose { out, operand: a }]),
        ("sum of rows", 1.0, vec![sum(Shape::new(1, size), Axis::Rows)]),
        ("sum of columns", 1.0, vec![sum(Shape::new(size, 1), Axis::Cols)]),
        ("fill", 1.0, vec![fill(out)]),
        ("fill, then a - mask", 2.0, vec![fill(b), linear(vec![(1, a), (minus_one, b)])]),
        ("mask", 2.0, vec![mask]),
    ];
    let copy = match engine.cpu {
        Some(way) => copy(matrix_bytes as usize, way.threads),
        None => engine.rate(ring, 2.0 * matrix_bytes, &rows_of[0].2)?,
    };
    let mut row = |kernel, bytes_per_s: Rate| {
        let (engine, times_copy) = (engine.name.clone(), bytes_per_s.best / copy.best);
        rows.push(KernelJson { engine, ring_bits: ring.bits(), size, kernel, bytes_per_s, times_copy });
    };
    row("copy", copy);
    for (name, matrices, kernels) in &rows_of {
        row(name, engine.rate(ring, matrices * matrix_bytes, kernels)?);
    }
    Ok(())
}

/// A copy of a matrix by the C library, each thread a part.
fn copy(size_bytes: usize, threads: usize) -> Rate {
    let from = vec![1u8; size_bytes];
    let mut to = vec![0u8; size_bytes];
    let part = size_bytes.div_ceil(threads).max(1);
    let work = || {
        let mut parts = to.chunks_mut(part).zip(from.chunks(part));
        let own = parts.next();
        std::thread::scope(|scope| {
            for (to, from) in parts {
                scope.spawn(|| to.copy_from_slice(black_box(from)));
            }
            if let Some((to, from)) = own {
                to.copy_from_slice(black_box(from));
            }
        });
        black_box(&mut to);
        Ok::<(), Infallible>(())
    };
    let Ok(rate) = rate(2.0 * size_bytes as f64, work);
    rate
}

fn text(json: &ElementwiseJson) -> String {
    let giga = |rate: f64| format!("{:.2}", rate / 1e9);
    let mut table = Table::new(["engine", "ring", "size", "kernel", "median GB/s", "best GB/s", "x copy"]);
    for kernel in &json.kernels {
        table.row([
            kernel.engine.clone(),
            format!("2^{}", kernel.ring_bits),
            kernel.size.to_string(),
            kernel.kernel.to_owned(),
            giga(kernel.bytes_per_s.median),
            giga(kernel.bytes_per_s.best),
            format!("{:.2}", kernel.times_copy),
        ]);
    }
    format!("bytes read and written per second\n{}", table.render())
}
