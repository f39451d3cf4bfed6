//! One party's shares of the last level of a comparison with a power of two.

use kernels_tests::{Builder, Pattern, extents};
use symbolon::ring::{Ring, Shape};
use symbolon::step::Kernel;
use symbolon::step::bits::{LANE_BITS, Lanes, Level, planes};

/// A power whose group is the last but one of a few.
fn check(ring: Ring, pattern: Pattern, len: usize, lanes: u32, exponent: u32) {
    for rising in [false, true] {
        let group = exponent % 3;
        let results = Level::new(group + 3, true);
        let mut builder = Builder::new(ring, pattern, u64::from(exponent));
        let opened = builder.operand(Shape::new(1, len));
        let base = builder.operand(planes(ring, Lanes::base(lanes, rising).results().planes(), len));
        let own = builder.operand(planes(ring, results.planes(), len));
        let out = builder.output(planes(ring, Level::new(lanes, true).planes(), len));
        builder.case(Kernel::PickLanes { out, opened, base, own, lanes, exponent, rising, group }).check();
    }
}

/// By ring, every number of lanes that it has.
fn lanes() -> impl Iterator<Item = (Ring, u32)> {
    Ring::ALL.into_iter().flat_map(|ring| (2..=ring.bits() / LANE_BITS).map(move |lanes| (ring, lanes)))
}

#[test]
fn every_extent_and_pattern() {
    for (ring, lanes) in lanes() {
        for len in extents() {
            Pattern::ALL.into_iter().for_each(|pattern| check(ring, pattern, len, lanes, 13));
        }
    }
}

/// Borrows and carries go through lanes of zeros and of ones alone, so random numbers show few of them.
#[test]
fn every_power() {
    for (ring, lanes) in lanes() {
        for exponent in 0..lanes * LANE_BITS {
            let patterns = [Pattern::Place, Pattern::Limits].into_iter();
            patterns.for_each(|pattern| check(ring, pattern, 131, lanes, exponent));
        }
    }
}

/// Enough elements for several tasks.
#[test]
fn large_shapes() {
    lanes().for_each(|(ring, lanes)| check(ring, Pattern::Random, 40_013, lanes, LANE_BITS - 1));
}
