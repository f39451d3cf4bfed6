//! The dealer's half of a table.

use kernels_tests::{Builder, Pattern, extents};
use symbolon::ring::{Ring, Shape};
use symbolon::step::Kernel;
use symbolon::step::bits::{planes, table_planes};

fn check(ring: Ring, pattern: Pattern, seed: u64, shape: Shape, bits: u32, top: bool) {
    let mut builder = Builder::new(ring, pattern, seed);
    let mask = builder.operand(shape);
    let out = builder.operand(planes(ring, table_planes(bits, top), shape.len()));
    builder.case(Kernel::TruthTable { out, mask, bits, top }).check();
}

#[test]
fn every_extent_and_pattern() {
    for ring in Ring::ALL {
        for len in extents() {
            for pattern in Pattern::ALL {
                check(ring, pattern, 1, Shape::new(len, 1), ring.bits() - 1, true);
                check(ring, pattern, 2, Shape::new(1, len), 16, false);
            }
        }
    }
}

#[test]
fn every_number_of_bits() {
    for ring in Ring::ALL {
        for bits in 1..ring.bits() {
            check(ring, Pattern::Random, 3, Shape::new(7, 23), bits, true);
        }
        check(ring, Pattern::Random, 4, Shape::new(7, 23), ring.bits(), false);
    }
}

/// Enough elements for several tasks, and for parts of vectors at their ends.
#[test]
fn large_shapes() {
    Ring::ALL.into_iter().for_each(|ring| check(ring, Pattern::Random, 5, Shape::new(401, 173), 13, true));
}
