//! Affine copies.

use kernels_tests::{Builder, Pattern};
use proptest::prelude::*;
use symbolon::ring::{Ring, Shape};
use symbolon::step::{Kernel, Loop};

/// Copies by loops whose output lies in row-major order but for gaps of `gap` between the turns of each loop.
fn check(ring: Ring, seed: u64, counts: &[usize], strides: &[usize], gap: usize) {
    for keep in [false, true] {
        let mut builder = Builder::new(ring, Pattern::Random, seed);
        let mut loops = Vec::new();
        let mut to = 1;
        for (&count, &from) in counts.iter().zip(strides).rev() {
            loops.insert(0, Loop { count, from, to });
            to = to * count.max(1) + gap;
        }
        let last: usize = loops.iter().map(|turn| turn.count.saturating_sub(1) * turn.from).sum();
        let operand = builder.operand(Shape::new(1, last + 4));
        let out = builder.sum(Shape::new(to + 5, 1), keep);
        builder.case(Kernel::Affine { out, operand, loops, from: 3, to: 2, keep }).check();
    }
}

#[test]
fn blocks_strides_and_windows() {
    for ring in Ring::ALL {
        check(ring, 1, &[], &[], 0);
        check(ring, 2, &[70, 65], &[100, 1], 0);
        check(ring, 3, &[130, 1, 67], &[1, 5, 130], 3);
        check(ring, 4, &[3, 12, 12, 2, 5, 5], &[512, 16, 1, 256, 16, 1], 0);
        check(ring, 5, &[4, 0, 3], &[9, 3, 1], 1);
        check(ring, 6, &[4001, 7], &[13, 2], 2);
        check(ring, 7, &[40_000], &[1], 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_loops(
        loops in prop::collection::vec((1usize..9, 0usize..40), 0..7), gap in 0usize..3, seed: u64,
    ) {
        let (counts, strides): (Vec<_>, Vec<_>) = loops.into_iter().unzip();
        Ring::ALL.into_iter().for_each(|ring| check(ring, seed, &counts, &strides, gap));
    }
}
