//! `bench gemm`: square products on every engine, beside a naive loop and what a core can do on registers alone.

use super::BenchOptions;
use super::engine::{Engine, Rate, engines, rate};
use crate::failure::Failure;
use crate::output;
use crate::table::Table;
use clap::Args;
use serde::Serialize;
use std::convert::Infallible;
use std::hint::black_box;
use symbolon::device::cpu::{MultiplyBound, SimdLevel};
use symbolon::ring::{Element, Ring, Shape};
use symbolon::step::{Kernel, Matrix};

/// The side of the naive loop's product: it stays in the caches, which is the best that it can have.
const NAIVE_SIDE: usize = 256;

/// The longest that one run may take; larger sizes are left out on engines that are slower.
const LONGEST_RUN_S: f64 = 4.0;

/// What to measure.
#[derive(Args)]
pub struct Options {
    /// The sides of the matrices
    #[arg(long, value_name = "N,N", value_delimiter = ',', default_values_t = [256, 1024, 2048])]
    size: Vec<usize>,
}

/// The whole measurement as JSON.
#[derive(Serialize)]
struct GemmJson {
    bounds: Vec<BoundJson>,
    naive: Vec<NaiveJson>,
    products: Vec<ProductJson>,
}

/// What one core does on registers alone.
#[derive(Serialize)]
struct BoundJson {
    level: &'static str,
    ring_bits: u32,
    instructions: &'static str,
    multiply_adds_per_s: f64,
}

/// Three loops, as the compiler vectorises them for any processor of the kind, on one thread.
#[derive(Serialize)]
struct NaiveJson {
    ring_bits: u32,
    size: usize,
    multiply_adds_per_s: Rate,
}

/// One product.
#[derive(Serialize)]
struct ProductJson {
    engine: String,
    ring_bits: u32,
    size: usize,
    multiply_adds_per_s: Rate,
    /// The best rate as a share of the plain multiply-adds that the engine's cores can do; above 1, because pairs of
    /// inner indices take fewer products. Null where no bound is known.
    share_of_multiply_adds: Option<f64>,
    /// The best rate as a share of the faster of both loops.
    share_of_bound: Option<f64>,
    /// The best rate in multiples of the naive loop's.
    times_naive: f64,
}

/// Measures and prints.
pub fn gemm(options: &Options, common: &BenchOptions) -> Result<(), Failure> {
    let engines = engines(common)?;
    let naive: Vec<NaiveJson> = Ring::ALL.map(naive).into();
    let mut bounds = Bounds::default();
    let mut products = Vec::new();
    for engine in &engines {
        for (ring, naive) in Ring::ALL.into_iter().zip(&naive) {
            let mut last = f64::INFINITY;
            for &size in &options.size {
                if (size as f64).powi(3) / last > LONGEST_RUN_S {
                    eprintln!("{}: products of {size} are left out, they take too long", engine.name);
                    continue;
                }
                let product = measure(engine, ring, size, naive, &mut bounds)?;
                last = product.multiply_adds_per_s.best;
                products.push(product);
            }
        }
    }
    let json = GemmJson { bounds: bounds.json(), naive, products };
    output::print(common.json, &json, &text(&json))
}

fn measure(
    engine: &Engine,
    ring: Ring,
    size: usize,
    naive: &NaiveJson,
    bounds: &mut Bounds,
) -> Result<ProductJson, Failure> {
    let shape = Shape::new(size, size);
    let buffers = [engine.matrix(ring, shape)?, engine.matrix(ring, shape)?, engine.matrix(ring, shape)?];
    let [out, left, right] = buffers.each_ref().map(|buffer| Matrix::new(buffer, shape));
    let kernel = Kernel::Gemm { out, terms: vec![(left, right)], accumulate: false };
    if let Some(way) = engine.cpu {
        bounds.measure(way.level, ring);
    }
    let multiply_adds_per_s = rate((size as f64).powi(3), || engine.run(ring, &kernel))?;
    let best = multiply_adds_per_s.best;
    let share = |bound: Option<f64>| {
        let way = engine.cpu?;
        Some(best / (bound? * way.threads as f64))
    };
    let loops = engine.cpu.map(|way| bounds.measure(way.level, ring)).unwrap_or_default();
    Ok(ProductJson {
        engine: engine.name.clone(),
        ring_bits: ring.bits(),
        size,
        multiply_adds_per_s,
        share_of_multiply_adds: share(loops.first().copied()),
        share_of_bound: share(loops.iter().copied().reduce(f64::max)),
        times_naive: best / naive.multiply_adds_per_s.best,
    })
}

/// What was measured of each level and ring so far.
#[derive(Default)]
struct Bounds {
    measured: Vec<(SimdLevel, Ring, MultiplyBound, f64)>,
}

impl Bounds {
    /// Measures once more, and returns the best rate so far of each loop: plain multiply-adds, then pairs.
    fn measure(&mut self, level: SimdLevel, ring: Ring) -> Vec<f64> {
        let of_this = |at: &(SimdLevel, Ring, MultiplyBound, f64)| (at.0, at.1) == (level, ring);
        if !self.measured.iter().any(of_this) {
            let all = MultiplyBound::all(level, ring).into_iter();
            self.measured.extend(all.map(|bound| (level, ring, bound, 0.0)));
        }
        let mut rates = Vec::new();
        for (_, _, bound, best) in self.measured.iter_mut().filter(|at| of_this(at)) {
            *best = (0..20).map(|_| bound.rate()).fold(*best, f64::max);
            rates.push(*best);
        }
        rates
    }

    fn json(&self) -> Vec<BoundJson> {
        let bound = |(level, ring, bound, rate): &(SimdLevel, Ring, MultiplyBound, f64)| BoundJson {
            level: level.name(),
            ring_bits: ring.bits(),
            instructions: bound.instructions,
            multiply_adds_per_s: *rate,
        };
        self.measured.iter().map(bound).collect()
    }
}

fn naive(ring: Ring) -> NaiveJson {
    let multiply_adds_per_s = match ring {
        Ring::Z32 => naive_rate::<u32>(),
        Ring::Z64 => naive_rate::<u64>(),
    };
    NaiveJson { ring_bits: ring.bits(), size: NAIVE_SIDE, multiply_adds_per_s }
}

/// The textbook's three loops, in the order that a compiler can vectorise.
fn naive_rate<E: Element>() -> Rate {
    let elements = |factor: u64| (0..(NAIVE_SIDE * NAIVE_SIDE) as u64).map(move |x| E::from_u64(x * factor));
    let left: Vec<E> = elements(0x9e37_79b9).collect();
    let right: Vec<E> = elements(0xc2b2_ae35).collect();
    let mut out = vec![E::ZERO; NAIVE_SIDE * NAIVE_SIDE];
    let work = || {
        out.fill(E::ZERO);
        for (out, left) in out.chunks_exact_mut(NAIVE_SIDE).zip(left.chunks_exact(NAIVE_SIDE)) {
            for (&factor, right) in left.iter().zip(right.chunks_exact(NAIVE_SIDE)) {
                for (out, &element) in out.iter_mut().zip(right) {
                    *out = out.add(factor.mul(element));
                }
            }
        }
        black_box(&out);
        Ok::<(), Infallible>(())
    };
    let Ok(rate) = rate((NAIVE_SIDE as f64).powi(3), work);
    rate
}

fn text(json: &GemmJson) -> String {
    let giga = |rate: f64| format!("{:.2}", rate / 1e9);
    let mut text = "G multiply-adds/s of one core on registers alone\n".to_owned();
    let mut table = Table::new(["level", "ring", "G/s", "instructions"]);
    for bound in &json.bounds {
        let rate = giga(bound.multiply_adds_per_s);
        let cells =
            [bound.level.to_owned(), format!("2^{}", bound.ring_bits), rate, bound.instructions.to_owned()];
        table.row(cells);
    }
    text += &table.render();
    for naive in &json.naive {
        let rate = giga(naive.multiply_adds_per_s.best);
        text += &format!("naive loop, 2^{}, {}: {rate} G multiply-adds/s\n", naive.ring_bits, naive.size);
    }
    text += "products: G multiply-adds/s, and the best as a share of multiply-adds and of the faster loop above\n";
    let mut table =
        Table::new(["engine", "ring", "size", "median", "best", "of mul-adds", "of bound", "x naive"]);
    for product in &json.products {
        let share = |share: Option<f64>| share.map_or("-".to_owned(), |share| format!("{share:.2}"));
        table.row([
            product.engine.clone(),
            format!("2^{}", product.ring_bits),
            product.size.to_string(),
            giga(product.multiply_adds_per_s.median),
            giga(product.multiply_adds_per_s.best),
            share(product.share_of_multiply_adds),
            share(product.share_of_bound),
            format!("{:.1}", product.times_naive),
        ]);
    }
    text + &table.render()
}
