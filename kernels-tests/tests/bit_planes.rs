//! Bits of elements as planes.

use kernels_tests::{Builder, Pattern, extents};
use symbolon::ring::{Ring, Shape};
use symbolon::step::Kernel;
use symbolon::step::bits::planes;

fn check(ring: Ring, pattern: Pattern, seed: u64, (top, rows): (u32, u32), elements: usize) {
    let mut builder = Builder::new(ring, pattern, seed);
    let operand = builder.operand(Shape::new(1, elements));
    let out = builder.output(planes(ring, rows, elements));
    builder.case(Kernel::BitPlanes { out, operand, top }).check();
}

#[test]
fn every_bit_and_extent() {
    for ring in Ring::ALL {
        let k = ring.bits();
        for (top, rows) in [(0, 1), (k - 1, 1), (k - 1, k), (k - 2, k - 1), (17, 5), (31, 32)] {
            check(ring, Pattern::Random, 1, (top, rows), 1000);
        }
        for elements in extents() {
            for pattern in Pattern::ALL {
                check(ring, pattern, 2, (k - 1, k), elements);
            }
        }
    }
}

/// Enough words for several tasks.
#[test]
fn wide_planes() {
    Ring::ALL.into_iter().for_each(|ring| check(ring, Pattern::Random, 3, (20, 21), 80_001));
}
