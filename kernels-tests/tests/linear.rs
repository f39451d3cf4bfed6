//! out = Σ coefficient · operand + constant.

use kernels_tests::{Builder, Pattern, broadcasts, shapes};
use proptest::prelude::*;
use symbolon::ring::{Ring, Shape};
use symbolon::step::Kernel;

/// Factors that have loops of their own, and one that has not; the last is wider than the narrow ring.
const FACTORS: [u64; 5] = [0, 1, u64::MAX, 3, 0x9e37_79b9_7f4a_7c15];

fn check(ring: Ring, pattern: Pattern, seed: u64, out: Shape, terms: &[(u64, Shape)], constant: u64) {
    let mut builder = Builder::new(ring, pattern, seed);
    let terms = terms.iter().map(|&(factor, shape)| (factor, builder.operand(shape))).collect();
    let out = builder.output(out);
    builder.case(Kernel::Linear { out, terms, constant }).check();
}

#[test]
fn every_shape_and_pattern() {
    for ring in Ring::ALL {
        for shape in shapes() {
            for pattern in Pattern::ALL {
                check(ring, pattern, 1, shape, &[(FACTORS[4], shape)], 7);
                check(ring, pattern, 2, shape, &[(FACTORS[4], shape), (3, shape)], FACTORS[4]);
            }
        }
    }
}

#[test]
fn every_pair_of_factors() {
    let shape = Shape::new(9, 37);
    for ring in Ring::ALL {
        // In the narrow ring, its own −1 is another number than the wide one's.
        for first in FACTORS.into_iter().chain([0xffff_ffff]) {
            check(ring, Pattern::Random, first, shape, &[(first, shape)], 0);
            for second in FACTORS {
                check(ring, Pattern::Random, second, shape, &[(first, shape), (second, shape)], u64::MAX);
            }
        }
    }
}

#[test]
fn every_broadcast() {
    for ring in Ring::ALL {
        for out in [
            Shape::new(33, 17),
            Shape::new(1, 65),
            Shape::new(65, 1),
            Shape::new(7, 2500),
            Shape::new(2500, 7),
        ] {
            for left in broadcasts(out) {
                check(ring, Pattern::Random, 3, out, &[(5, left)], 11);
                for right in broadcasts(out) {
                    check(ring, Pattern::Random, 4, out, &[(1, left), (u64::MAX, right)], 0);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_shapes(
        rows in 0usize..90, cols in 0usize..90, left in 0usize..4, right in 0usize..4,
        factors: [u64; 2], constant: u64, seed: u64,
    ) {
        let out = Shape::new(rows, cols);
        let operands = broadcasts(out);
        let terms = [(factors[0], operands[left]), (factors[1], operands[right])];
        Ring::ALL.into_iter().for_each(|ring| check(ring, Pattern::Random, seed, out, &terms, constant));
    }
}
