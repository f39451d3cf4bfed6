//! out (+)= Σ left · right on matrix units, by residues: the same bits as everywhere.

use kernels_tests::{Builder, Pattern, matrix_unit_variants};
use proptest::prelude::*;
use symbolon::ring::{Ring, Shape};
use symbolon::step::Kernel;

/// One product of (m, k) by (k, n) for each inner size.
fn check(ring: Ring, pattern: Pattern, seed: u64, (m, n): (usize, usize), inner: &[usize], accumulate: bool) {
    let mut builder = Builder::new(ring, pattern, seed);
    let mut pair = |&k| (builder.operand(Shape::new(m, k)), builder.operand(Shape::new(k, n)));
    let terms = inner.iter().map(&mut pair).collect();
    let out = builder.sum(Shape::new(m, n), accumulate);
    builder.case(Kernel::Gemm { out, terms, accumulate }).check_among(&matrix_unit_variants());
}

/// Sums before and after a reduction, in every pattern: −2^(k−1) throughout makes the largest sums that there are.
#[test]
fn inner_sizes_around_reductions() {
    for ring in Ring::ALL {
        for pattern in Pattern::ALL {
            for k in [1, 511, 512, 513, 1023, 1024, 1025] {
                check(ring, pattern, 1, (3, 2), &[k], false);
            }
        }
    }
}

/// More inner elements than are recovered as one integer.
#[test]
fn long_inner_sizes() {
    for ring in Ring::ALL {
        for pattern in [Pattern::Random, Pattern::Top, Pattern::Limits] {
            check(ring, pattern, 2, (2, 3), &[100_003], false);
            check(ring, pattern, 3, (1, 1), &[8191, 8193], true);
        }
    }
}

/// Tiles, blocks of tiles and workgroups, and what lies beside them.
#[test]
fn shapes_around_tiles() {
    for ring in Ring::ALL {
        for (m, n) in [(1, 1), (7, 9), (8, 16), (15, 17), (33, 31), (64, 65), (1, 129), (130, 63)] {
            for k in [0, 1, 15, 16, 17] {
                check(ring, Pattern::Random, 4, (m, n), &[k], false);
                check(ring, Pattern::Limits, 5, (m, n), &[k, 5], true);
            }
        }
        check(ring, Pattern::Random, 6, (200, 300), &[70], false);
        check(ring, Pattern::Limits, 7, (131, 140), &[521, 263], true);
    }
}

/// Operands whose rows lie far apart, for which bindings hold a few rows.
#[test]
fn long_rows() {
    check(Ring::Z64, Pattern::Random, 8, (70, 1100), &[40], false);
    check(Ring::Z64, Pattern::Random, 9, (40, 3), &[5000], false);
    check(Ring::Z32, Pattern::Random, 10, (5, 2500), &[19, 3], true);
}

#[test]
fn a_matrix_may_be_multiplied_by_itself() {
    for ring in Ring::ALL {
        let mut builder = Builder::new(ring, Pattern::Random, 11);
        let shape = Shape::new(19, 19);
        let (operand, out) = (builder.operand(shape), builder.output(shape));
        let terms = vec![(operand, operand), (operand, operand)];
        let kernel = Kernel::Gemm { out, terms, accumulate: false };
        builder.case(kernel).check_among(&matrix_unit_variants());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_shapes(
        m in 0usize..80, n in 0usize..80, first in 0usize..80, second in proptest::option::of(0usize..80),
        accumulate: bool, seed: u64,
    ) {
        let inner: Vec<usize> = [Some(first), second].into_iter().flatten().collect();
        Ring::ALL.into_iter().for_each(|ring| check(ring, Pattern::Limits, seed, (m, n), &inner, accumulate));
    }
}
