//! out (+)= bit · value + (1 − 2·bit) · hidden.

use kernels_tests::{Builder, Pattern, shapes};
use symbolon::ring::{Ring, Shape};
use symbolon::step::Kernel;
use symbolon::step::bits::planes;

fn check(ring: Ring, pattern: Pattern, seed: u64, shape: Shape) {
    for way in 0..8 {
        let [has_value, has_hidden, accumulate] = [1, 2, 4].map(|bit| way & bit != 0);
        let mut builder = Builder::new(ring, pattern, seed);
        let bits = builder.operand(planes(ring, 1, shape.len()));
        let [value, hidden] = [has_value, has_hidden].map(|has| has.then(|| builder.operand(shape)));
        let constant = if has_value { 0 } else { builder.number() };
        let out = builder.sum(shape, accumulate);
        builder.case(Kernel::Mux { out, bits, value, constant, hidden, accumulate }).check();
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

/// Enough elements for several tasks.
#[test]
fn large_shapes() {
    Ring::ALL.into_iter().for_each(|ring| check(ring, Pattern::Random, 2, Shape::new(401, 173)));
}
