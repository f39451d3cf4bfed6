//! out (+)= Σ left · right.

use kernels_tests::{Builder, Pattern, tuned_variants};
use proptest::prelude::*;
use symbolon::ring::{Ring, Shape};
use symbolon::step::Kernel;

/// One product of (m, k) by (k, n) for each inner size.
fn check(ring: Ring, pattern: Pattern, seed: u64, (m, n): (usize, usize), inner: &[usize], accumulate: bool) {
    let mut builder = Builder::new(ring, pattern, seed);
    let mut pair = |&k| (builder.operand(Shape::new(m, k)), builder.operand(Shape::new(k, n)));
    let terms = inner.iter().map(&mut pair).collect();
    let out = builder.sum(Shape::new(m, n), accumulate);
    builder.case(Kernel::Gemm { out, terms, accumulate }).check();
}

/// Every combination of extents around the tiles of any device.
#[test]
fn small_shapes() {
    let extents = [0, 1, 2, 5, 8, 15, 16, 17, 31, 33];
    for ring in Ring::ALL {
        for (m, n) in extents.into_iter().flat_map(|m| extents.map(|n| (m, n))) {
            for k in [0, 1, 3, 16, 17] {
                check(ring, Pattern::Random, 1, (m, n), &[k], false);
                check(ring, Pattern::Random, 2, (m, n), &[k, 5], true);
            }
        }
    }
}

/// Extents around workgroups and cache blocks.
#[test]
fn shapes_around_blocks() {
    for ring in Ring::ALL {
        for n in [63, 64, 65, 127, 129, 255, 256, 257] {
            check(ring, Pattern::Random, 3, (n, 65), &[17], false);
            check(ring, Pattern::Random, 4, (63, n), &[17], true);
            check(ring, Pattern::Random, 5, (13, 64), &[n], false);
        }
        check(ring, Pattern::Random, 6, (131, 67), &[521, 263], true);
        check(ring, Pattern::Random, 7, (40, 1100), &[40], false);
        check(ring, Pattern::Random, 8, (300, 40), &[300], false);
    }
}

#[test]
fn every_pattern() {
    for ring in Ring::ALL {
        for pattern in Pattern::ALL {
            for shape in [(1, 1), (1, 67), (67, 1), (33, 65), (129, 70)] {
                check(ring, pattern, 9, shape, &[259], false);
                check(ring, pattern, 10, shape, &[31, 64], true);
            }
        }
    }
}

/// Vectors and narrow matrices, which have ways of their own.
#[test]
fn tall_and_wide() {
    for ring in Ring::ALL {
        for few in 1..=9 {
            check(ring, Pattern::Random, 11, (few, 1031), &[67, 2], true);
            check(ring, Pattern::Random, 12, (1031, few), &[67, 2], true);
            check(ring, Pattern::Random, 13, (few, few), &[9001], false);
            check(ring, Pattern::Random, 14, (1031, 521), &[few], false);
        }
        check(ring, Pattern::Random, 15, (20_011, 1), &[5], false);
        check(ring, Pattern::Random, 16, (1, 20_011), &[5], false);
        check(ring, Pattern::Random, 17, (20_011, 6), &[3], true);
        check(ring, Pattern::Random, 18, (6, 20_011), &[3], true);
    }
}

/// Without any inner element the product is zero: written, or added.
#[test]
fn empty_inner_sizes() {
    for ring in Ring::ALL {
        for (inner, accumulate) in
            [(&[0][..], false), (&[0], true), (&[0, 0], false), (&[0, 7], false), (&[7, 0], true)]
        {
            for shape in [(1, 1), (3, 50), (50, 3), (50, 50), (0, 5)] {
                check(ring, Pattern::Random, 19, shape, inner, accumulate);
            }
        }
    }
}

/// X · X names one buffer as both factors.
#[test]
fn a_matrix_may_be_multiplied_by_itself() {
    for ring in Ring::ALL {
        let mut builder = Builder::new(ring, Pattern::Random, 20);
        let shape = Shape::new(19, 19);
        let (operand, out) = (builder.operand(shape), builder.output(shape));
        let terms = vec![(operand, operand), (operand, operand)];
        builder.case(Kernel::Gemm { out, terms, accumulate: false }).check();
    }
}

/// Whatever the autotuner finds fastest.
#[test]
fn every_candidate_of_the_autotuner() {
    let variants = tuned_variants();
    for ring in Ring::ALL {
        for (shape, inner) in [((64, 64), &[48][..]), ((65, 130), &[25, 7]), ((17, 33), &[3])] {
            let mut builder = Builder::new(ring, Pattern::Random, 21);
            let (m, n) = shape;
            let mut pair =
                |&k: &usize| (builder.operand(Shape::new(m, k)), builder.operand(Shape::new(k, n)));
            let terms = inner.iter().map(&mut pair).collect();
            let out = builder.sum(Shape::new(m, n), true);
            builder.case(Kernel::Gemm { out, terms, accumulate: true }).check_among(&variants);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_shapes(
        m in 0usize..80, n in 0usize..80, first in 0usize..80, second in proptest::option::of(0usize..80),
        accumulate: bool, seed: u64,
    ) {
        let inner: Vec<usize> = [Some(first), second].into_iter().flatten().collect();
        Ring::ALL.into_iter().for_each(|ring| check(ring, Pattern::Random, seed, (m, n), &inner, accumulate));
    }
}
