//! One party's shares of what a public number picks from a shared table.

use kernels_tests::{Builder, Pattern, extents};
use symbolon::ring::{Ring, Shape};
use symbolon::step::Kernel;
use symbolon::step::bits::{FAN_IN, LANE_BITS, Lanes, Predicate, digits, planes, table_planes};

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
        builder
            .case(Kernel::LookupShares { out, opened, table, bits, predicate, lanes: None, leader })
            .check();
    }
}

/// Lanes for comparisons of `bits` bits with the powers of these exponents.
fn check_lanes(ring: Ring, pattern: Pattern, shape: Shape, bits: u32, exponents: u64) {
    let count = digits(bits).div_ceil(FAN_IN);
    let own = exponents & (u64::MAX >> (u64::BITS - count * LANE_BITS));
    for rising in [false, true] {
        for lanes in [Lanes::base(count, rising), Lanes { own: 0, exponents: own, rising }] {
            let mut builder = Builder::new(ring, pattern, 7);
            let opened = builder.operand(shape);
            let table = builder.operand(planes(ring, table_planes(bits, true), shape.len()));
            let out = builder.output(planes(ring, lanes.level().planes(), shape.len()));
            let (predicate, lanes) = (Predicate::Sign, Some(lanes));
            builder
                .case(Kernel::LookupShares { out, opened, table, bits, predicate, lanes, leader: rising })
                .check();
        }
    }
}

#[test]
fn lanes_of_every_number_of_bits() {
    for ring in Ring::ALL {
        for bits in 1..ring.bits() {
            check_lanes(ring, Pattern::Random, Shape::new(5, 31), bits, 0x8001_4021_0180_a005);
        }
        for (len, pattern) in [1, 64, 255, 20_011].into_iter().zip(Pattern::ALL.into_iter().cycle()) {
            check_lanes(ring, pattern, Shape::new(len, 1), ring.bits() - 1, 1 << 63 | 1 << 31 | 1 << 17 | 1);
        }
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
