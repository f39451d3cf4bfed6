//! Matrix products, beside a naive loop and the processor's multiply bound.

mod support;

use criterion::{BenchmarkId, Throughput};
use std::hint::black_box;
use support::{Bench, best_of, criterion, devices, giga};
use symbolon::device::Buffer;
use symbolon::device::cpu::{MultiplyPeak, SimdLevel};
use symbolon::ring::{Element, Ring, Shape};
use symbolon::step::{Kernel, Matrix};

/// Extents (m, k, n): square ones, matrix by vector, and a layer of a small network on a batch.
const SHAPES: [(usize, usize, usize); 5] =
    [(256, 256, 256), (1024, 1024, 1024), (2048, 2048, 1), (1, 2048, 2048), (1024, 784, 128)];

/// Extent of the square product whose share of the bound is printed.
const SQUARE: usize = 1024;

fn main() {
    let devices = devices();
    for ring in Ring::ALL {
        summary(ring, &devices);
    }
    let mut criterion = criterion();
    for ring in Ring::ALL {
        let mut group = criterion.benchmark_group(format!("gemm/{ring:?}"));
        for bench in &devices {
            for (m, k, n) in SHAPES {
                let product = Product::new(bench, ring, m, k, n);
                group.throughput(Throughput::Elements((m * k * n) as u64));
                let id = BenchmarkId::new(&bench.name, format!("{m}x{k}x{n}"));
                group.bench_function(id, |bencher| bencher.iter(|| product.run(bench)));
            }
        }
        group.finish();
    }
    criterion.final_summary();
}

/// Prints what a naive loop and each device reach of the bound.
fn summary(ring: Ring, devices: &[Bench]) {
    // Plain multiply-adds: pairs of inner indices take fewer, so that a share above 1 is possible.
    let bound = MultiplyPeak::all(SimdLevel::best(), ring).into_iter().next();
    match &bound {
        Some(bound) => {
            let rate = (0..50).map(|_| bound.rate()).fold(0.0, f64::max) / 1e9;
            println!(
                "{ring:?}: registers alone: {rate:.2} G multiply-adds/s a core ({})",
                bound.instructions
            );
        }
        None => println!("{ring:?}: registers alone: no loop for this processor"),
    }
    let naive = |extent: usize| match ring {
        Ring::Z32 => Naive::<u32>::new(extent).measure(ring, bound.as_ref()),
        Ring::Z64 => Naive::<u64>::new(extent).measure(ring, bound.as_ref()),
    };
    naive(256);
    naive(SQUARE);
    for bench in devices {
        let product = Product::new(bench, ring, SQUARE, SQUARE, SQUARE);
        measure(&format!("{ring:?}: {}", bench.name), SQUARE, 21, bound.as_ref(), || product.run(bench));
    }
}

/// Prints the best rate of a square product, and the median of its rate over the bound's. The bound is measured
/// before and after each round: what slows the machine down slows both.
fn measure(name: &str, extent: usize, rounds: usize, bound: Option<&MultiplyPeak>, mut work: impl FnMut()) {
    work();
    let (mut best, mut shares) = (0.0f64, Vec::new());
    for _ in 0..rounds {
        let before = bound.map(|bound| bound.rate() / 1e9);
        let rate = giga(extent.pow(3), best_of(1, &mut work));
        best = best.max(rate);
        if let (Some(bound), Some(before)) = (bound, before) {
            shares.push(2.0 * rate / (before + bound.rate() / 1e9));
        }
    }
    shares.sort_by(f64::total_cmp);
    let share = shares
        .get(shares.len() / 2)
        .map_or(String::new(), |share| format!(", {share:.2} of one core's bound"));
    println!("{name}, {extent}³: {best:.2} G multiply-adds/s at best{share} (median)");
}

/// The textbook's three loops, in the order that a compiler can vectorise, for AVX-512 where the processor has it.
struct Naive<E> {
    extent: usize,
    left: Vec<E>,
    right: Vec<E>,
    out: Vec<E>,
}

impl<E: Element> Naive<E> {
    fn new(extent: usize) -> Naive<E> {
        let elements = |factor: u64| (0..(extent * extent) as u64).map(|x| E::from_u64(x * factor)).collect();
        let (left, right) = (elements(0x9e37_79b9), elements(0xc2b2_ae35));
        Naive { extent, left, right, out: vec![E::ZERO; extent * extent] }
    }

    fn measure(&mut self, ring: Ring, bound: Option<&MultiplyPeak>) {
        let rounds = (768 / self.extent).max(1);
        measure(&format!("{ring:?}: naive loop, one thread"), self.extent, rounds, bound, || self.run());
    }

    fn run(&mut self) {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx512dq") {
            // SAFETY: the processor has the feature.
            unsafe { self.run_avx512() };
            return;
        }
        self.loops();
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512dq")]
    fn run_avx512(&mut self) {
        self.loops();
    }

    #[inline(always)]
    fn loops(&mut self) {
        self.out.fill(E::ZERO);
        let rows = self.out.chunks_exact_mut(self.extent).zip(self.left.chunks_exact(self.extent));
        for (out, left) in rows {
            for (&factor, right) in left.iter().zip(self.right.chunks_exact(self.extent)) {
                for (out, &element) in out.iter_mut().zip(right) {
                    *out = out.add(factor.mul(element));
                }
            }
        }
        black_box(&self.out);
    }
}

/// A product on one device.
struct Product {
    ring: Ring,
    left: (Buffer, Shape),
    right: (Buffer, Shape),
    out: (Buffer, Shape),
}

impl Product {
    fn new(bench: &Bench, ring: Ring, m: usize, k: usize, n: usize) -> Product {
        let matrix = |rows, cols| {
            let shape = Shape::new(rows, cols);
            (bench.matrix(ring, shape), shape)
        };
        Product { ring, left: matrix(m, k), right: matrix(k, n), out: matrix(m, n) }
    }

    fn run(&self, bench: &Bench) {
        let [left, right, out] =
            [&self.left, &self.right, &self.out].map(|(buffer, shape)| Matrix::new(buffer, *shape));
        bench.run(self.ring, &Kernel::Gemm { out, terms: vec![(left, right)], accumulate: false });
    }
}
