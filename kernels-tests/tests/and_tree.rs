//! One party's shares of the next level's planes.

use kernels_tests::{Builder, Pattern, extents, levels};
use symbolon::ring::{Ring, Shape};
use symbolon::step::Kernel;
use symbolon::step::bits::Level;

fn check(ring: Ring, pattern: Pattern, seed: u64, level: Level, width: usize) {
    for leader in [false, true] {
        let mut builder = Builder::new(ring, pattern, seed);
        let planes = |count: u32| Shape::new(count as usize, width);
        let counts = [level.planes(), level.factors(), level.factors(), level.monomials()];
        let [planes_in, opened, masks, monomials] = counts.map(|count| builder.operand(planes(count)));
        let out = builder.output(planes(level.next().expect("more than one digit").planes()));
        let kernel = Kernel::AndTree { out, planes: planes_in, opened, masks, monomials, level, leader };
        builder.case(kernel).check();
    }
}

#[test]
fn every_level_and_extent() {
    for ring in Ring::ALL {
        levels().for_each(|level| check(ring, Pattern::Random, 1, level, 37));
        for width in extents() {
            for pattern in Pattern::ALL {
                check(ring, pattern, 2, Level::new(7, true), width);
            }
        }
    }
}

/// Enough words for several tasks.
#[test]
fn wide_planes() {
    Ring::ALL.into_iter().for_each(|ring| check(ring, Pattern::Random, 3, Level::new(16, true), 1201));
}
