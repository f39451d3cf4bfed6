//! The generator in bytes per second, beside one thread of the library it equals.

mod support;

use criterion::{BenchmarkId, Throughput};
use std::hint::black_box;
use support::{best_of, criterion, devices, giga};
use symbolon::ring::prg::PrgKey;
use symbolon::ring::{Ring, Shape};
use symbolon::step::{Kernel, Matrix};

/// 16 MiB of Z_2^64.
const SHAPE: Shape = Shape::new(2048, 1024);

fn main() {
    let key = PrgKey::from_bytes([7; 32]);
    let size_bytes = SHAPE.len() * Ring::Z64.element_bytes();
    let mut bytes = vec![0; size_bytes];
    let rate = giga(size_bytes, best_of(5, || key.fill(1, 0, black_box(&mut bytes))));
    println!("rand_chacha, one thread: {rate:.2} GB/s");
    let mut criterion = criterion();
    let mut group = criterion.benchmark_group("fill/Z64");
    group.throughput(Throughput::Bytes(size_bytes as u64));
    for bench in devices() {
        let buffer = bench.matrix(Ring::Z64, SHAPE);
        let kernel = Kernel::Fill { out: Matrix::new(&buffer, SHAPE), key: &key, stream: 1, block: 0 };
        let rate = giga(size_bytes, best_of(5, || bench.run(Ring::Z64, &kernel)));
        println!("{}: {rate:.2} GB/s", bench.name);
        let id = BenchmarkId::from_parameter(&bench.name);
        group.bench_function(id, |bencher| bencher.iter(|| bench.run(Ring::Z64, &kernel)));
    }
    group.finish();
    criterion.final_summary();
}
