//! The generator's bytes as elements.

use kernels_tests::{Builder, Pattern, extents, shapes};
use proptest::prelude::*;
use symbolon::ring::{Ring, Shape};
use symbolon::step::Kernel;

fn check(ring: Ring, seed: u64, shape: Shape, stream: u64, block: u64) {
    let mut builder = Builder::new(ring, Pattern::Random, seed);
    let (out, key) = (builder.output(shape), builder.key());
    builder.case(Kernel::Fill { out, key, stream, block }).check();
}

#[test]
fn every_shape() {
    for ring in Ring::ALL {
        shapes().into_iter().for_each(|shape| check(ring, 1, shape, 3, 0));
        extents().into_iter().for_each(|len| check(ring, 2, Shape::new(1, len), 0, 5));
    }
}

/// Streams and blocks whose upper words matter, and a counter that carries in mid-fill.
#[test]
fn wide_streams_and_blocks() {
    for ring in Ring::ALL {
        for stream in [0, 1, 0xffff_ffff, 1 << 32, u64::MAX] {
            for block in [0, 1, 0xffff_fff0, 0xffff_ffff, 1 << 32, 1 << 60] {
                check(ring, stream, Shape::new(5, 73), stream, block);
            }
        }
    }
}

/// Enough blocks for every thread to have its own.
#[test]
fn large_fills() {
    for ring in Ring::ALL {
        check(ring, 3, Shape::new(307, 401), 9, 0xffff_fc00);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_places(len in 0usize..5000, stream: u64, block in 0u64..1 << 60, seed: u64) {
        Ring::ALL.into_iter().for_each(|ring| check(ring, seed, Shape::new(1, len), stream, block));
    }
}
