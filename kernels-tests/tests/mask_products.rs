//! The dealer's half of a level's monomials.

use kernels_tests::{Builder, Pattern, extents, levels};
use symbolon::ring::{Ring, Shape};
use symbolon::step::Kernel;
use symbolon::step::bits::Level;

fn check(ring: Ring, pattern: Pattern, seed: u64, level: Level, width: usize) {
    let mut builder = Builder::new(ring, pattern, seed);
    let planes = |count: u32| Shape::new(count as usize, width);
    let masks = [(); 2].map(|()| builder.operand(planes(level.factors())));
    let out = builder.operand(planes(level.monomials()));
    builder.case(Kernel::MaskProducts { out, masks, level }).check();
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
    Ring::ALL.into_iter().for_each(|ring| check(ring, Pattern::Random, 3, Level::new(16, true), 2503));
}
