//! out = operandᵀ.

use kernels_tests::{Builder, Pattern, extents, shapes};
use proptest::prelude::*;
use symbolon::ring::{Ring, Shape};
use symbolon::step::Kernel;

fn check(ring: Ring, pattern: Pattern, seed: u64, shape: Shape) {
    let mut builder = Builder::new(ring, pattern, seed);
    let (operand, out) = (builder.operand(shape), builder.output(shape.transposed()));
    builder.case(Kernel::Transpose { out, operand }).check();
}

#[test]
fn every_shape_and_pattern() {
    for ring in Ring::ALL {
        for shape in shapes() {
            Pattern::ALL.into_iter().for_each(|pattern| check(ring, pattern, 1, shape));
        }
    }
}

#[test]
fn every_pair_of_extents() {
    for ring in Ring::ALL {
        for (rows, cols) in
            extents().into_iter().flat_map(|rows| [1, 16, 17, 64, 65].map(|cols| (rows, cols)))
        {
            check(ring, Pattern::Place, 2, Shape::new(rows, cols));
        }
        check(ring, Pattern::Place, 3, Shape::new(301, 499));
        check(ring, Pattern::Place, 4, Shape::new(3, 40_009));
        check(ring, Pattern::Place, 5, Shape::new(40_009, 3));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_shapes(rows in 0usize..200, cols in 0usize..200, seed: u64) {
        Ring::ALL.into_iter().for_each(|ring| check(ring, Pattern::Random, seed, Shape::new(rows, cols)));
    }
}
