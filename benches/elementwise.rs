//! Elementwise kernels in bytes moved per second, beside a copy of as many bytes.

mod support;

use criterion::{BenchmarkId, Throughput};
use std::hint::black_box;
use support::{Bench, best_of, criterion, devices, giga};
use symbolon::device::{Buffer, DeviceKernel};
use symbolon::ring::prg::PrgKey;
use symbolon::ring::{Ring, Shape};
use symbolon::step::{Axis, Kernel, Matrix};

/// Far larger than a second-level cache; 32 MiB of Z_2^64.
const SHAPE: Shape = Shape::new(2048, 2048);

fn main() {
    let devices = devices();
    let mut criterion = criterion();
    for ring in Ring::ALL {
        let matrix_bytes = SHAPE.len() * ring.element_bytes();
        println!("{ring:?}: memcpy, one thread: {:.2} GB/s", copy_rate(matrix_bytes));
        for bench in &devices {
            let buffers = Buffers::new(bench, ring);
            let mut group = criterion.benchmark_group(format!("elementwise/{ring:?}/{}", bench.name));
            for (name, matrices, kernels) in buffers.kernels() {
                let run = || kernels.iter().for_each(|kernel| bench.run(ring, kernel));
                let rate = giga(matrices * matrix_bytes, best_of(5, run));
                println!("{ring:?}: {}, {name}: {rate:.2} GB/s", bench.name);
                group.throughput(Throughput::Bytes((matrices * matrix_bytes) as u64));
                let id = BenchmarkId::from_parameter(name);
                group.bench_function(id, |bencher| bencher.iter(run));
            }
            group.finish();
        }
    }
    criterion.final_summary();
}

/// Bytes read and written by a copy from one matrix to another.
fn copy_rate(matrix_bytes: usize) -> f64 {
    let from = vec![1u8; matrix_bytes];
    let mut to = vec![0u8; matrix_bytes];
    giga(2 * matrix_bytes, best_of(9, || black_box(&mut to).copy_from_slice(black_box(&from))))
}

/// Operands on one device.
struct Buffers {
    matrices: [Buffer; 4],
    row: Buffer,
    key: PrgKey,
}

impl Buffers {
    fn new(bench: &Bench, ring: Ring) -> Buffers {
        Buffers {
            matrices: std::array::from_fn(|_| bench.matrix(ring, SHAPE)),
            row: bench.matrix(ring, Shape::new(1, SHAPE.cols)),
            key: PrgKey::from_bytes([7; 32]),
        }
    }

    /// Each kernel with its name and how many matrices it moves. A mask that is drawn apart counts as one that is not: so
    /// their rates compare.
    fn kernels(&self) -> Vec<(&'static str, usize, Vec<DeviceKernel<'_>>)> {
        let [out, a, b, c] = self.matrices.each_ref().map(|buffer| Matrix::new(buffer, SHAPE));
        let row = Matrix::new(&self.row, Shape::new(1, SHAPE.cols));
        let linear = |terms| Kernel::Linear { out, terms, constant: 5 };
        let hadamard = |terms, accumulate| Kernel::Hadamard { out, terms, accumulate };
        let (key, stream, block, minus_one) = (&self.key, 1, 0, u64::MAX);
        let fill = |out| Kernel::Fill { out, key, stream, block };
        let (factor, mask_factor, constant) = (1, minus_one, 5);
        let mask = Kernel::Mask { out, factor, operand: a, mask_factor, key, stream, block, constant };
        let terms = vec![(a, b), (b, c)];
        let hadamard_mask = Kernel::HadamardMask { out, terms, key, stream, block };
        let (opened, bits, width, leader) = (vec![a], 16, 30, true);
        let finish = Kernel::TruncFinish { out, opened, top: b, high: c, bits, width, leader };
        vec![
            ("linear a+b", 3, vec![linear(vec![(1, a), (1, b)])]),
            ("linear 3a+7b", 3, vec![linear(vec![(3, a), (7, b)])]),
            ("linear a+row", 2, vec![linear(vec![(1, a), (1, row)])]),
            ("hadamard ab", 3, vec![hadamard(vec![(a, b)], false)]),
            ("hadamard +ab+bc", 5, vec![hadamard(vec![(a, b), (b, c)], true)]),
            ("transpose", 2, vec![Kernel::Transpose { out, operand: a }]),
            (
                "rows by number",
                2,
                vec![Kernel::Rows {
                    out,
                    operand: a,
                    index: Matrix::new(c.buffer, Shape::new(SHAPE.rows, 1)),
                    column: 0,
                }],
            ),
            ("sum of rows", 1, vec![Kernel::Sum { out: row, operand: a, axis: Axis::Rows }]),
            ("trunc_finish", 4, vec![finish]),
            ("fill", 1, vec![fill(out)]),
            ("fill, linear a-mask", 2, vec![fill(b), linear(vec![(1, a), (minus_one, b)])]),
            ("mask", 2, vec![mask]),
            ("fill, hadamard +ab+bc", 5, vec![fill(out), hadamard(vec![(a, b), (b, c)], true)]),
            ("hadamard_mask ab+bc", 5, vec![hadamard_mask]),
        ]
    }
}
