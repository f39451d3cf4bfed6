//! out (+)= Σ left ∘ right.

use kernels_tests::{Builder, Pattern, broadcasts, shapes};
use proptest::prelude::*;
use symbolon::ring::{Ring, Shape};
use symbolon::step::Kernel;

fn check(ring: Ring, pattern: Pattern, seed: u64, out: Shape, pairs: &[(Shape, Shape)], accumulate: bool) {
    let mut builder = Builder::new(ring, pattern, seed);
    let terms = pairs.iter().map(|&(left, right)| (builder.operand(left), builder.operand(right))).collect();
    let out = builder.sum(out, accumulate);
    builder.case(Kernel::Hadamard { out, terms, accumulate }).check();
}

#[test]
fn every_shape_and_pattern() {
    for ring in Ring::ALL {
        for shape in shapes() {
            for pattern in Pattern::ALL {
                let pair = (shape, shape);
                check(ring, pattern, 1, shape, &[pair], false);
                check(ring, pattern, 2, shape, &[pair, pair], true);
            }
        }
    }
}

#[test]
fn every_form() {
    let shape = Shape::new(11, 29);
    let pair = (shape, shape);
    for ring in Ring::ALL {
        for accumulate in [false, true] {
            check(ring, Pattern::Random, 3, shape, &[pair], accumulate);
            check(ring, Pattern::Random, 4, shape, &[pair, pair], accumulate);
        }
    }
}

#[test]
fn every_broadcast() {
    for ring in Ring::ALL {
        for out in [Shape::new(33, 17), Shape::new(1, 65), Shape::new(3, 1500), Shape::new(1500, 3)] {
            for left in broadcasts(out) {
                for right in broadcasts(out) {
                    check(ring, Pattern::Random, 5, out, &[(left, right)], false);
                    check(ring, Pattern::Random, 6, out, &[(left, right), (right, out)], true);
                }
            }
        }
    }
}

/// A square names one buffer as both factors.
#[test]
fn a_matrix_may_be_multiplied_by_itself() {
    for ring in Ring::ALL {
        let mut builder = Builder::new(ring, Pattern::Random, 7);
        let shape = Shape::new(5, 13);
        let (operand, out) = (builder.operand(shape), builder.output(shape));
        let terms = vec![(operand, operand)];
        builder.case(Kernel::Hadamard { out, terms, accumulate: false }).check();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_shapes(
        rows in 0usize..90, cols in 0usize..90, which in [0usize..4, 0..4, 0..4, 0..4], two: bool,
        accumulate: bool, seed: u64,
    ) {
        let out = Shape::new(rows, cols);
        let [a, b, c, d] = which.map(|index| broadcasts(out)[index]);
        let pairs = [(a, b), (c, d)];
        let pairs = &pairs[..if two { 2 } else { 1 }];
        Ring::ALL.into_iter().for_each(|ring| check(ring, Pattern::Random, seed, out, pairs, accumulate));
    }
}
