//! A private matrix product end to end, two parties and a dealer on threads, beside the plain product.

mod support;

use criterion::{BenchmarkId, Throughput};
use std::sync::Arc;
use support::{Bench, best_of, criterion, devices, giga};
use symbolon::device::{Buffer, Device};
use symbolon::program::Program;
use symbolon::protocol::Protocol;
use symbolon::ring::prg::PrgKey;
use symbolon::ring::{Elements, FixedPoint, Ring, Shape};
use symbolon::session::World;
use symbolon::share::{Parties, PartyId};
use symbolon::step::{Kernel, Matrix};

const EXTENTS: [usize; 2] = [256, 512];

/// Extent of the product whose ratio to the plain one is printed.
const PRINTED: usize = 512;

fn main() {
    let devices = devices();
    for bench in &devices {
        for operands in Operands::ALL {
            ratio(bench, operands);
        }
    }
    let mut criterion = criterion();
    let mut group = criterion.benchmark_group("matmul");
    for bench in &devices {
        for operands in Operands::ALL {
            for extent in EXTENTS {
                let private = Private::new(&bench.device, operands, extent);
                group.throughput(Throughput::Elements(extent.pow(3) as u64));
                let id = BenchmarkId::new(format!("{}/{operands:?}", bench.name), extent);
                group.bench_function(id, |bencher| bencher.iter(|| private.run()));
            }
        }
    }
    group.finish();
    criterion.final_summary();
}

/// Who knows the factors.
#[derive(Clone, Copy, Debug)]
enum Operands {
    /// Each one party.
    Owned,
    /// Neither: both are sums of a matrix of each party.
    Shared,
}

impl Operands {
    const ALL: [Operands; 2] = [Operands::Owned, Operands::Shared];
}

/// Prints what the private product takes next to the plain one on the same device.
fn ratio(bench: &Bench, operands: Operands) {
    let private = Private::new(&bench.device, operands, PRINTED);
    let plain = Plain::new(bench, PRINTED);
    let (private, plain) = (best_of(5, || private.run()), best_of(5, || plain.run(bench)));
    println!(
        "{}, {operands:?}, {PRINTED}³ in 64-bit fixed point: offline and online {private:.1?}, plain product {plain:.1?} \
         ({:.2} G multiply-adds/s): {:.1} times",
        bench.name,
        giga(PRINTED.pow(3), plain),
        private.as_secs_f64() / plain.as_secs_f64()
    );
}

/// A private product: z = x @ y, revealed to party 0.
struct Private {
    world: World,
    program: Program,
    inputs: Vec<Elements>,
}

impl Private {
    fn new(device: &Arc<dyn Device>, operands: Operands, extent: usize) -> Private {
        let codec = FixedPoint::new(Ring::Z64, 16).expect("a codec");
        let mut program = Program::new(2, codec);
        let mut input = |name: &str, owner| {
            program.input(name, PartyId(owner), Shape::new(extent, extent), None).expect("an input")
        };
        let mut inputs = vec![input("x", 0), input("y", 1)];
        if let Operands::Shared = operands {
            let (more_x, more_y) = (input("more_x", 1), input("more_y", 0));
            let x = program.add(inputs[0], more_x).expect("a sum");
            let y = program.add(inputs[1], more_y).expect("a sum");
            inputs = vec![x, y];
        }
        let z = program.matmul(inputs[0], inputs[1]).expect("a product");
        program.output("z", z, Parties::from_iter([PartyId(0)])).expect("an output");
        let mut bytes = vec![0; extent * extent * 8];
        PrgKey::from_bytes([3; 32]).fill(0, 0, &mut bytes);
        // Twenty bits, so that products stay in range.
        let data = Elements::from_bytes(Ring::Z64, &bytes).to_u64().into_iter().map(|raw| raw >> 44);
        let data = Elements::from_integers(Ring::Z64, data);
        let inputs = vec![data; program.inputs().len()];
        Private { world: World::new(Protocol::Beaver, device.clone()), program, inputs }
    }

    fn run(&self) {
        self.world.run(&self.program, &self.inputs).expect("a run without faults");
    }
}

/// The same product in the clear.
struct Plain {
    shape: Shape,
    left: Buffer,
    right: Buffer,
    out: Buffer,
}

impl Plain {
    fn new(bench: &Bench, extent: usize) -> Plain {
        let shape = Shape::new(extent, extent);
        let matrix = || bench.matrix(Ring::Z64, shape);
        Plain { shape, left: matrix(), right: matrix(), out: matrix() }
    }

    fn run(&self, bench: &Bench) {
        let [left, right, out] =
            [&self.left, &self.right, &self.out].map(|buffer| Matrix::new(buffer, self.shape));
        bench.run(Ring::Z64, &Kernel::Gemm { out, terms: vec![(left, right)], accumulate: false });
    }
}
