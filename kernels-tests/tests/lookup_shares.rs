//! One party's shares of what a public number picks from a shared table.

use kernels_tests::{Builder, Pattern, extents};
use symbolon::ring::{Ring, Shape};
use symbolon::step::Kernel;
use symbolon::step::bits::{Predicate, planes, table_planes};

const QUESTIONS: [Predicate; 3] = [Predicate::Borrow, Predicate::Sign, Predicate::Zero];

fn check(ring: Ring, pattern: Pattern, seed: u64, shape: Shape, bits: u32) {
    for (predicate, leader) in
        QUESTIONS.into_iter().flat_map(|predicate| [(predicate, false), (predicate, true)])
    {
        if predicate.has_top() && bits == ring.bits() {
            continue;
        }
        let mut builder = Builder::new(ring, pattern, seed);
        let opened = builder.operand(shape);
        let table = builder.operand(planes(ring, table_planes(bits, predicate.has_top()), shape.len()));
        let out = builder.output(planes(ring, predicate.level(bits).planes(), shape.len()));
        builder.case(Kernel::LookupShares { out, opened, table, bits, predicate, leader }).check();
    }
}

#[test]
fn every_extent_and_pattern() {
    for ring in Ring::ALL {
        for len in extents() {
            for pattern in Pattern::ALL {
                check(ring, pattern, 1, Shape::new(len, 1), ring.bits() - 1);
                check(ring, pattern, 2, Shape::new(1, len), 16);
            }
        }
    }
}

#[test]
fn every_number_of_bits() {
    for ring in Ring::ALL {
        (1..=ring.bits()).for_each(|bits| check(ring, Pattern::Random, 3, Shape::new(7, 23), bits));
    }
}

/// Enough elements for several tasks, and for parts of vectors at their ends.
#[test]
fn large_shapes() {
    Ring::ALL.into_iter().for_each(|ring| check(ring, Pattern::Random, 5, Shape::new(401, 173), 13));
}
