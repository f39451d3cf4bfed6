//! out = Σ left ∘ right + F, with F as a fill would write it.

use kernels_tests::{Builder, Pattern, extents, shapes};
use proptest::prelude::*;
use symbolon::ring::{Ring, Shape};
use symbolon::step::Kernel;

/// A stream and its first block.
type Place = (u64, u64);

fn check(ring: Ring, pattern: Pattern, seed: u64, shape: Shape, pairs: usize, (stream, block): Place) {
    let mut builder = Builder::new(ring, pattern, seed);
    let terms = (0..pairs).map(|_| (builder.operand(shape), builder.operand(shape))).collect();
    let (out, key) = (builder.output(shape), builder.key());
    builder.case(Kernel::HadamardMask { out, terms, key, stream, block }).check();
}

#[test]
fn every_shape_and_pattern() {
    for ring in Ring::ALL {
        for shape in shapes() {
            for (pattern, pairs) in Pattern::ALL.into_iter().zip([1, 2].into_iter().cycle()) {
                check(ring, pattern, 1, shape, pairs, (3, 0));
            }
        }
        extents().into_iter().for_each(|len| check(ring, Pattern::Limits, 3, Shape::new(1, len), 2, (0, 5)));
    }
}

/// Streams and blocks whose upper words matter, and a counter that carries in between.
#[test]
fn wide_streams_and_blocks() {
    for ring in Ring::ALL {
        for stream in [0, 0xffff_ffff, 1 << 32, u64::MAX] {
            for block in [0xffff_fff0, 0xffff_ffff, 1 << 32, 1 << 60] {
                check(ring, Pattern::Random, stream, Shape::new(5, 73), 2, (stream, block));
            }
        }
    }
}

/// Enough blocks for every thread to have its own, and for several panels.
#[test]
fn large_products() {
    for ring in Ring::ALL {
        for pairs in [1, 2] {
            check(ring, Pattern::Random, 3, Shape::new(307, 401), pairs, (9, 0xffff_fc00));
        }
    }
}

/// A square names one buffer as both factors.
#[test]
fn a_matrix_may_be_multiplied_by_itself() {
    for ring in Ring::ALL {
        let mut builder = Builder::new(ring, Pattern::Random, 7);
        let shape = Shape::new(5, 13);
        let (operand, out, key) = (builder.operand(shape), builder.output(shape), builder.key());
        let terms = vec![(operand, operand)];
        builder.case(Kernel::HadamardMask { out, terms, key, stream: 1, block: 2 }).check();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_places(len in 0usize..5000, two: bool, stream: u64, block in 0u64..1 << 60, seed: u64) {
        for ring in Ring::ALL {
            check(ring, Pattern::Random, seed, Shape::new(1, len), 1 + usize::from(two), (stream, block));
        }
    }
}
