//! One party's share of a truncated value.

use kernels_tests::{Builder, Pattern, shapes};
use proptest::prelude::*;
use symbolon::ring::{Ring, Shape};
use symbolon::step::Kernel;

fn check(ring: Ring, pattern: Pattern, seed: u64, shape: Shape, (bits, width): (u32, u32)) {
    for (leader, parts) in [(false, 1), (true, 1), (false, 2), (true, 2)] {
        let mut builder = Builder::new(ring, pattern, seed);
        let opened = (0..parts).map(|_| builder.operand(shape)).collect();
        let [top, high] = [(); 2].map(|()| builder.operand(shape));
        let out = builder.output(shape);
        builder.case(Kernel::TruncFinish { out, opened, top, high, bits, width, leader }).check();
    }
}

#[test]
fn every_shape_and_pattern() {
    for ring in Ring::ALL {
        for shape in shapes() {
            Pattern::ALL.into_iter().for_each(|pattern| check(ring, pattern, 1, shape, (13, ring.bits())));
            check(ring, Pattern::Random, 1, shape, (7, 22));
        }
    }
}

#[test]
fn every_distance() {
    for ring in Ring::ALL {
        let whole = (1..=ring.bits() - 2).map(|bits| (bits, ring.bits()));
        let narrow = (3..ring.bits()).flat_map(|width| [(1, width), (width - 2, width)]);
        for distance in whole.chain(narrow) {
            Pattern::ALL.into_iter().for_each(|pattern| check(ring, pattern, 2, Shape::new(3, 23), distance));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_shapes(rows in 0usize..90, cols in 0usize..90, bits in 1u32..31, seed: u64) {
        for ring in Ring::ALL {
            check(ring, Pattern::Random, seed, Shape::new(rows, cols), (bits.min(ring.bits() - 2), ring.bits()));
        }
    }
}
