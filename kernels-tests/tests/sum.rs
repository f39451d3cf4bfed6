//! Sums over one axis.

use kernels_tests::{Builder, Pattern, shapes};
use proptest::prelude::*;
use symbolon::ring::{Ring, Shape};
use symbolon::step::{Axis, Kernel};

/// Both axes.
fn check(ring: Ring, pattern: Pattern, seed: u64, shape: Shape) {
    for (axis, sums) in [(Axis::Rows, Shape::new(1, shape.cols)), (Axis::Cols, Shape::new(shape.rows, 1))] {
        let mut builder = Builder::new(ring, pattern, seed);
        let (operand, out) = (builder.operand(shape), builder.output(sums));
        builder.case(Kernel::Sum { out, operand, axis }).check();
    }
}

#[test]
fn every_shape_and_pattern() {
    for ring in Ring::ALL {
        for shape in shapes() {
            Pattern::ALL.into_iter().for_each(|pattern| check(ring, pattern, 1, shape));
        }
    }
}

/// Over no element the sum is zero, and it is written.
#[test]
fn empty_sums() {
    for ring in Ring::ALL {
        for shape in [Shape::new(0, 5), Shape::new(5, 0), Shape::new(0, 0), Shape::new(0, 3000)] {
            check(ring, Pattern::Random, 2, shape);
        }
    }
}

#[test]
fn large_shapes() {
    for ring in Ring::ALL {
        for shape in [
            Shape::new(70_001, 3),
            Shape::new(3, 70_001),
            Shape::new(1, 300_007),
            Shape::new(300_007, 1),
            Shape::new(400, 513),
            Shape::new(130, 2049),
        ] {
            check(ring, Pattern::Random, 3, shape);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_shapes(rows in 0usize..300, cols in 0usize..300, seed: u64) {
        Ring::ALL.into_iter().for_each(|ring| check(ring, Pattern::Random, seed, Shape::new(rows, cols)));
    }
}
