//! out = (left ∧ right) ⊕ addend.

use kernels_tests::{Builder, Pattern, shapes};
use symbolon::ring::{Ring, Shape};
use symbolon::step::Kernel;

fn check(ring: Ring, pattern: Pattern, seed: u64, shape: Shape) {
    let mut builder = Builder::new(ring, pattern, seed);
    let [left, right, addend] = [(); 3].map(|()| builder.operand(shape));
    let out = builder.output(shape);
    builder.case(Kernel::And { out, left, right, addend }).check();
}

#[test]
fn every_shape_and_pattern() {
    for ring in Ring::ALL {
        for shape in shapes() {
            Pattern::ALL.into_iter().for_each(|pattern| check(ring, pattern, 1, shape));
        }
        check(ring, Pattern::Random, 2, Shape::new(401, 173));
    }
}
