//! out = rows of the operand, by public numbers.

use kernels_tests::{Builder, Pattern, extents};
use proptest::prelude::*;
use symbolon::ring::{Ring, Shape};
use symbolon::step::Kernel;

/// Takes `rows` rows of the columns from `column` on, as many as `out` has, of an operand of this shape.
fn check(
    ring: Ring,
    pattern: Pattern,
    seed: u64,
    operand: Shape,
    (rows, column, cols): (usize, usize, usize),
) {
    let mut builder = Builder::new(ring, pattern, seed);
    let (operand, index) = (builder.operand(operand), builder.operand(Shape::new(rows, 1)));
    let out = builder.output(Shape::new(rows, cols));
    builder.case(Kernel::Rows { out, operand, index, column }).check();
}

#[test]
fn every_pattern_and_extent() {
    for ring in Ring::ALL {
        for pattern in Pattern::ALL {
            check(ring, pattern, 1, Shape::new(17, 9), (40, 2, 5));
        }
        for rows in extents() {
            for operand_rows in [1, 2, 65, 257] {
                check(ring, Pattern::Random, 2, Shape::new(operand_rows, 7), (rows, 0, 7));
            }
        }
        check(ring, Pattern::Random, 3, Shape::new(40_009, 3), (999, 1, 2));
        check(ring, Pattern::Random, 4, Shape::new(3, 40_009), (5, 9, 40_000));
        check(ring, Pattern::Random, 5, Shape::new(3, 4), (6, 4, 0));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_shapes(
        operand_rows in 1usize..300,
        rows in 0usize..300,
        column in 0usize..20,
        cols in 0usize..60,
        behind in 0usize..20,
        seed: u64,
    ) {
        let operand = Shape::new(operand_rows, column + cols + behind);
        Ring::ALL.into_iter().for_each(|ring| check(ring, Pattern::Random, seed, operand, (rows, column, cols)));
    }
}
