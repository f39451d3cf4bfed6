//! out = left ⊕ right, and every bit negated with `flip`.

use kernels_tests::{Builder, Pattern, shapes};
use symbolon::ring::{Ring, Shape};
use symbolon::step::Kernel;

fn check(ring: Ring, pattern: Pattern, seed: u64, shape: Shape) {
    for flip in [false, true] {
        let mut builder = Builder::new(ring, pattern, seed);
        let [left, right] = [(); 2].map(|()| builder.operand(shape));
        let out = builder.output(shape);
        builder.case(Kernel::Xor { out, left, right, flip }).check();
    }
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
