//! out = the low bits of each element, one element behind the other.

use kernels_tests::{Builder, Pattern, shapes};
use proptest::prelude::*;
use symbolon::ring::{Ring, Shape};
use symbolon::step::Kernel;
use symbolon::step::bits::packed;

fn check(ring: Ring, pattern: Pattern, seed: u64, shape: Shape, width: u32) {
    let mut builder = Builder::new(ring, pattern, seed);
    let operand = builder.operand(shape);
    let out = builder.output(packed(ring, width, shape.len()));
    builder.case(Kernel::Pack { out, operand, width }).check();
}

#[test]
fn every_shape_and_pattern() {
    for ring in Ring::ALL {
        for shape in shapes() {
            Pattern::ALL.into_iter().for_each(|pattern| check(ring, pattern, 1, shape, 21));
        }
    }
}

#[test]
fn every_width() {
    for ring in Ring::ALL {
        for width in 1..ring.bits() {
            let patterns = [Pattern::Random, Pattern::Ones, Pattern::Limits];
            patterns.into_iter().for_each(|pattern| check(ring, pattern, 2, Shape::new(5, 41), width));
        }
    }
}

/// Enough elements for several tasks, and for several bindings where they are small.
#[test]
fn large_shapes() {
    for (ring, width) in Ring::ALL.into_iter().flat_map(|ring| [3, 27].map(|width| (ring, width))) {
        check(ring, Pattern::Random, 3, Shape::new(401, 173), width);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_shapes(rows in 0usize..90, cols in 0usize..90, width in 1u32..64, seed: u64) {
        for ring in Ring::ALL {
            let width = (width % ring.bits()).max(1);
            check(ring, Pattern::Random, seed, Shape::new(rows, cols), width);
        }
    }
}
