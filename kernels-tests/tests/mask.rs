//! out = factor · operand + mask_factor · F + constant, with F as a fill would write it.

use kernels_tests::{Builder, Pattern, extents, shapes};
use proptest::prelude::*;
use symbolon::ring::{Ring, Shape};
use symbolon::step::Kernel;

/// Factors of the operand and of the mask that have loops of their own, and some that have not.
const FACTORS: [(u64, u64); 4] = [(1, 1), (1, u64::MAX), (0, 3), (0x9e37_79b9_7f4a_7c15, u64::MAX - 1)];

/// Patterns of the operand, each with the factors beside it.
const PATTERNS: [Pattern; 4] = [Pattern::Place, Pattern::Ones, Pattern::Random, Pattern::Limits];

/// A stream and its first block.
type Place = (u64, u64);

fn check(ring: Ring, pattern: Pattern, seed: u64, shape: Shape, factors: (u64, u64), place: Place) {
    let mut builder = Builder::new(ring, pattern, seed);
    let (operand, out) = (builder.operand(shape), builder.output(shape));
    let (key, constant) = (builder.key(), builder.number());
    let ((factor, mask_factor), (stream, block)) = (factors, place);
    let kernel = Kernel::Mask { out, factor, operand, mask_factor, key, stream, block, constant };
    builder.case(kernel).check();
}

#[test]
fn every_shape_and_pattern() {
    for ring in Ring::ALL {
        for shape in shapes() {
            for (pattern, factors) in PATTERNS.into_iter().zip(FACTORS) {
                check(ring, pattern, 1, shape, factors, (3, 0));
            }
        }
        extents()
            .into_iter()
            .for_each(|len| check(ring, Pattern::Limits, 2, Shape::new(1, len), FACTORS[3], (0, 5)));
    }
}

#[test]
fn every_pair_of_factors() {
    for ring in Ring::ALL {
        for (first, _) in FACTORS {
            for (_, second) in FACTORS {
                check(ring, Pattern::Limits, first ^ second, Shape::new(9, 37), (first, second), (1, 1));
            }
        }
    }
}

/// Streams and blocks whose upper words matter, and a counter that carries in between.
#[test]
fn wide_streams_and_blocks() {
    for ring in Ring::ALL {
        for stream in [0, 0xffff_ffff, 1 << 32, u64::MAX] {
            for block in [0xffff_fff0, 0xffff_ffff, 1 << 32, 1 << 60] {
                check(ring, Pattern::Random, stream, Shape::new(5, 73), FACTORS[1], (stream, block));
            }
        }
    }
}

/// Enough blocks for every thread to have its own, and for several panels.
#[test]
fn large_masks() {
    for ring in Ring::ALL {
        for factors in FACTORS {
            check(ring, Pattern::Random, 3, Shape::new(307, 401), factors, (9, 0xffff_fc00));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_places(
        len in 0usize..5000, factors: (u64, u64), stream: u64, block in 0u64..1 << 60, seed: u64,
    ) {
        for ring in Ring::ALL {
            check(ring, Pattern::Random, seed, Shape::new(1, len), factors, (stream, block));
        }
    }
}
