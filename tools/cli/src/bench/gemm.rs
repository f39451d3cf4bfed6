//! `bench gemm`: products on every engine, square ones and such as have kernels of their own, beside a naive loop and what
//! a core can do on registers alone; those that memory bounds beside a copy.

use super::BenchOptions;
use super::engine::{Engine, Rate, engines, rate};
use crate::failure::Failure;
use crate::output::{self, Document};
use crate::table::Table;
use clap::Args;
use serde::Serialize;
use std::convert::Infallible;
use std::hint::black_box;
use symbolon::device::Device;
use symbolon::device::cpu::{MultiplyPeak, SimdLevel, naive_product};
use symbolon::device::gpu::{Gpu, MatrixUnitsState};
use symbolon::ring::{Elements, Ring, Shape};
use symbolon::step::{Kernel, Matrix};

/// The side of the naive loop's product: it stays in the caches, which is the best that it can have.
const NAIVE_SIDE: usize = 256;

/// The side of the naive kernel's on a GPU.
const NAIVE_GPU_SIDE: usize = 1024;

/// The side of what is copied: beyond the caches of most GPUs.
const COPY_SIDE: usize = 4096;

/// Rows or columns of a result up to which memory bounds a product.
const FEW: usize = 8;

/// The longest that one run may take; larger sizes are left out on engines that are slower.
const LONGEST_RUN_S: f64 = 4.0;

/// What to measure.
#[derive(Args)]
pub struct Options {
    /// The sides of the matrices
    #[arg(long, value_name = "N,N", value_delimiter = ',', default_values_t = [256, 1024, 2048])]
    size: Vec<usize>,

    /// Other products, (M, K) by (K, N): vectors, few vectors,
    /// long inner sizes
    #[arg(long, verbatim_doc_comment, value_name = "MxKxN,MxKxN", value_delimiter = ',', value_parser = sizes,
          default_values = ["1x4096x4096", "4096x4096x1", "8x4096x4096", "128x65536x128"])]
    shape: Vec<Sizes>,
}

/// Rows, inner size and columns.
type Sizes = (usize, usize, usize);

/// The whole measurement as JSON.
#[derive(Serialize)]
struct GemmJson {
    engines: Vec<EngineJson>,
    bounds: Vec<BoundJson>,
    naive: Vec<NaiveJson>,
    products: Vec<ProductJson>,
}

/// An engine, and what drives it.
#[derive(Serialize)]
struct EngineJson {
    engine: String,
    device: String,
    driver: String,
    arithmetic: String,
    /// Whether it is a GPU's driver that computes on the processor.
    is_software: bool,
}

/// What one core, or a GPU, does on registers alone.
#[derive(Clone, Serialize)]
struct BoundJson {
    of: String,
    ring_bits: u32,
    instructions: &'static str,
    multiply_adds_per_s: f64,
}

/// The reference: on the processor three loops, as the compiler vectorises them for any processor of the kind, on one
/// thread; on a GPU the textbook's kernel, one element a thread.
#[derive(Clone, Serialize)]
struct NaiveJson {
    of: String,
    ring_bits: u32,
    size: usize,
    multiply_adds_per_s: f64,
}

/// One product.
#[derive(Serialize)]
struct ProductJson {
    engine: String,
    ring_bits: u32,
    /// Rows, inner size and columns.
    shape: [usize; 3],
    multiply_adds_per_s: Rate,
    /// The best rate as a share of the plain multiply-adds that the engine's cores can do; above 1, because pairs of
    /// inner indices take fewer products. Null where no bound is known.
    share_of_multiply_adds: Option<f64>,
    /// The best rate as a share of the faster of both loops.
    share_of_bound: Option<f64>,
    /// The best rate in multiples of the naive loop's.
    times_naive: f64,
    /// Bytes of operands and result per second, each counted once, at the best rate.
    bytes_per_s: f64,
    /// The same in multiples of what a copy reads and writes, on GPUs.
    times_copy: Option<f64>,
}

/// Measures and prints.
pub fn gemm(options: &Options, common: &BenchOptions) -> Result<(), Failure> {
    let engines = engines(common)?;
    let mut references = References::default();
    let mut products = Vec::new();
    for engine in &engines {
        for ring in Ring::ALL {
            let mut last = f64::INFINITY;
            let squares = options.size.iter().map(|&size| (size, size, size));
            for sizes in squares.chain(options.shape.iter().copied()) {
                if work(sizes) / last > LONGEST_RUN_S {
                    let (m, k, n) = sizes;
                    eprintln!("{}: products of {m}x{k}x{n} are left out, they take too long", engine.name);
                    continue;
                }
                let product = measure(engine, ring, sizes, &mut references)?;
                // What memory bounds says nothing about larger products.
                if sizes.0.min(sizes.2) > FEW {
                    last = product.multiply_adds_per_s.best;
                }
                products.push(product);
            }
        }
    }
    let engines = engines.iter().map(EngineJson::new).collect();
    let json = GemmJson { engines, bounds: references.bounds(), naive: references.naive, products };
    output::print(common.json, Document::Bench, &json, &text(&json))
}

impl EngineJson {
    fn new(engine: &Engine) -> EngineJson {
        let description = engine.device.description();
        EngineJson {
            engine: engine.name.clone(),
            device: description.name.clone(),
            driver: description.driver.clone(),
            arithmetic: description.arithmetic.clone(),
            is_software: engine.is_software,
        }
    }
}

/// Multiply-adds of a product.
fn work((m, k, n): Sizes) -> f64 {
    m as f64 * k as f64 * n as f64
}

/// Reads `MxKxN`.
fn sizes(text: &str) -> Result<Sizes, String> {
    let numbers: Option<Vec<usize>> = text.split('x').map(|number| number.parse().ok()).collect();
    match numbers.as_deref() {
        Some(&[m, k, n]) if m.min(k).min(n) > 0 => Ok((m, k, n)),
        _ => Err("three sizes above 0 are wanted, as in 1x4096x4096".to_owned()),
    }
}

fn measure(
    engine: &Engine,
    ring: Ring,
    sizes: Sizes,
    references: &mut References,
) -> Result<ProductJson, Failure> {
    let (m, k, n) = sizes;
    let shapes = [Shape::new(m, n), Shape::new(m, k), Shape::new(k, n)];
    let matrix = |shape| Ok::<_, Failure>((engine.matrix(ring, shape)?, shape));
    let buffers = [matrix(shapes[0])?, matrix(shapes[1])?, matrix(shapes[2])?];
    let [out, left, right] = buffers.each_ref().map(|(buffer, shape)| Matrix::new(buffer, *shape));
    let kernel = Kernel::Gemm { out, terms: vec![(left, right)], accumulate: false };
    references.bounds_of(engine, ring)?;
    let multiply_adds_per_s = engine.rate(ring, work(sizes), std::slice::from_ref(&kernel))?;
    let best = multiply_adds_per_s.best;
    // Once more: what slows the machine down meanwhile slows both.
    let loops = references.bounds_of(engine, ring)?;
    let share = |bound: Option<f64>| Some(best / bound?);
    let elements: usize = shapes.iter().map(|shape| shape.len()).sum();
    let bytes_per_s = (elements * ring.element_bytes()) as f64 * best / work(sizes);
    let copy = references.copy_of(engine, ring)?;
    Ok(ProductJson {
        engine: engine.name.clone(),
        ring_bits: ring.bits(),
        shape: [m, k, n],
        multiply_adds_per_s,
        share_of_multiply_adds: share(loops.first().copied()),
        share_of_bound: share(loops.iter().copied().reduce(f64::max)),
        times_naive: best / references.naive_of(engine, ring)?,
        bytes_per_s,
        times_copy: copy.map(|copy| bytes_per_s / copy),
    })
}

/// What was measured so far to compare with.
#[derive(Default)]
struct References {
    cores: Vec<(SimdLevel, Ring, MultiplyPeak, f64)>,
    gpus: Vec<BoundJson>,
    naive: Vec<NaiveJson>,
    copies: Vec<(String, f64)>,
}

impl References {
    /// Multiply-adds per second that an engine can do at most, all its cores together: plain ones first. None where no
    /// bound is known.
    fn bounds_of(&mut self, engine: &Engine, ring: Ring) -> Result<Vec<f64>, Failure> {
        match (engine.cpu, &engine.gpu) {
            (Some(way), _) => {
                Ok(self.core(way.level, ring).into_iter().map(|rate| rate * way.threads as f64).collect())
            }
            (None, Some(gpu)) => Ok(vec![self.gpu(&engine.name, gpu, ring)?]),
            (None, None) => Ok(Vec::new()),
        }
    }

    /// Measures once more, and returns the best rate so far of each loop: plain multiply-adds, then pairs.
    fn core(&mut self, level: SimdLevel, ring: Ring) -> Vec<f64> {
        let of_this = |at: &(SimdLevel, Ring, MultiplyPeak, f64)| (at.0, at.1) == (level, ring);
        if !self.cores.iter().any(of_this) {
            let all = MultiplyPeak::all(level, ring).into_iter();
            self.cores.extend(all.map(|bound| (level, ring, bound, 0.0)));
        }
        let mut rates = Vec::new();
        for (_, _, bound, best) in self.cores.iter_mut().filter(|at| of_this(at)) {
            *best = (0..20).map(|_| bound.rate()).fold(*best, f64::max);
            rates.push(*best);
        }
        rates
    }

    /// Measures once more, and returns the best rate so far.
    fn gpu(&mut self, name: &str, gpu: &Gpu, ring: Ring) -> Result<f64, Failure> {
        let (rate, instructions) = match gpu.matrix_unit_peak(ring)? {
            Some(rate) => match gpu.matrix_units() {
                MatrixUnitsState::On { tile } if tile.has_bytes() => {
                    (rate, "products of int8 for every modulus")
                }
                _ => (rate, "products of f16 for every modulus"),
            },
            None => (gpu.multiply_peak(ring)?, "multiply-adds of integers"),
        };
        let of_this = |bound: &&mut BoundJson| bound.of == name && bound.ring_bits == ring.bits();
        if let Some(bound) = self.gpus.iter_mut().find(of_this) {
            bound.multiply_adds_per_s = rate.max(bound.multiply_adds_per_s);
            return Ok(bound.multiply_adds_per_s);
        }
        let ring_bits = ring.bits();
        self.gpus.push(BoundJson { of: name.to_owned(), ring_bits, instructions, multiply_adds_per_s: rate });
        Ok(rate)
    }

    /// Bytes per second that a copy reads and writes on a GPU.
    fn copy_of(&mut self, engine: &Engine, ring: Ring) -> Result<Option<f64>, Failure> {
        let Some(gpu) = &engine.gpu else { return Ok(None) };
        let of = &gpu.description().name;
        if let Some((_, copy)) = self.copies.iter().find(|(known, _)| known == of) {
            return Ok(Some(*copy));
        }
        let shape = Shape::new(COPY_SIDE, COPY_SIDE);
        let (from, to) = (engine.matrix(ring, shape)?, engine.matrix(ring, shape)?);
        let [operand, out] = [&from, &to].map(|buffer| Matrix::new(buffer, shape));
        let kernel = Kernel::Linear { out, terms: vec![(1, operand)], constant: 0 };
        let moved = (2 * shape.len() * ring.element_bytes()) as f64;
        let copy = engine.rate(ring, moved, std::slice::from_ref(&kernel))?.best;
        self.copies.push((of.clone(), copy));
        Ok(Some(copy))
    }

    /// The reference on the same device.
    fn naive_of(&mut self, engine: &Engine, ring: Ring) -> Result<f64, Failure> {
        let of = engine.gpu.as_ref().map_or("one core".to_owned(), |gpu| gpu.description().name.clone());
        let known = self.naive.iter().find(|naive| naive.of == of && naive.ring_bits == ring.bits());
        if let Some(naive) = known {
            return Ok(naive.multiply_adds_per_s);
        }
        let (size, rate) = match &engine.gpu {
            Some(gpu) => (NAIVE_GPU_SIDE, gpu.naive_rate(ring, NAIVE_GPU_SIDE)?),
            None => (NAIVE_SIDE, naive(ring)),
        };
        self.naive.push(NaiveJson { of, ring_bits: ring.bits(), size, multiply_adds_per_s: rate });
        Ok(rate)
    }

    fn bounds(&self) -> Vec<BoundJson> {
        let core = |(level, ring, bound, rate): &(SimdLevel, Ring, MultiplyPeak, f64)| BoundJson {
            of: format!("one core, {}", level.name()),
            ring_bits: ring.bits(),
            instructions: bound.instructions,
            multiply_adds_per_s: *rate,
        };
        self.cores.iter().map(core).chain(self.gpus.iter().cloned()).collect()
    }
}

/// The rate of the textbook's three loops on this core.
fn naive(ring: Ring) -> f64 {
    let elements = |factor: u64| {
        Elements::from_integers(ring, (0..(NAIVE_SIDE * NAIVE_SIDE) as u64).map(|x| x * factor))
    };
    let (left, right, mut out) = (elements(0x9e37_79b9), elements(0xc2b2_ae35), elements(0));
    let work = || {
        naive_product(&left, &right, &mut out, NAIVE_SIDE);
        black_box(&out);
        Ok::<(), Infallible>(())
    };
    let Ok(rate) = rate((NAIVE_SIDE as f64).powi(3), work);
    rate.best
}

fn text(json: &GemmJson) -> String {
    let giga = |rate: f64| format!("{:.2}", rate / 1e9);
    let mut text = "G multiply-adds/s on registers alone\n".to_owned();
    let mut table = Table::new(["of", "ring", "G/s", "instructions"]);
    for bound in &json.bounds {
        let rate = giga(bound.multiply_adds_per_s);
        let ring = format!("2^{}", bound.ring_bits);
        table.row([bound.of.clone(), ring, rate, bound.instructions.to_owned()]);
    }
    text += &table.render();
    for naive in &json.naive {
        let (of, bits, size) = (&naive.of, naive.ring_bits, naive.size);
        let rate = giga(naive.multiply_adds_per_s);
        text += &format!("naive product, {of}, 2^{bits}, {size}: {rate} G multiply-adds/s\n");
    }
    text += "products: G multiply-adds/s, and the best as a share of multiply-adds and of the faster loop above; GB/s\n";
    let mut table = Table::new([
        "engine",
        "ring",
        "shape",
        "median",
        "best",
        "of mul-adds",
        "of bound",
        "x naive",
        "GB/s",
        "x copy",
    ]);
    for product in &json.products {
        let share = |share: Option<f64>| share.map_or("-".to_owned(), |share| format!("{share:.2}"));
        table.row([
            product.engine.clone(),
            format!("2^{}", product.ring_bits),
            product.shape.map(|extent| extent.to_string()).join("x"),
            giga(product.multiply_adds_per_s.median),
            giga(product.multiply_adds_per_s.best),
            share(product.share_of_multiply_adds),
            share(product.share_of_bound),
            format!("{:.1}", product.times_naive),
            giga(product.bytes_per_s),
            share(product.times_copy),
        ]);
    }
    text + &table.render()
}
