//! out (+)= Σ left · right on matrix units, by residues: the same bits as everywhere.

use kernels_tests::{Builder, Pattern, Variant, matrix_unit_variants};
use proptest::prelude::*;
use symbolon::device::Buffer;
use symbolon::ring::{Ring, Shape};
use symbolon::step::{Kernel, Matrix, MemoryClass};

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

/// A matrix on a device, and what it holds.
struct Known<'a> {
    variant: &'a Variant,
    buffer: Buffer,
    elements: Vec<u64>,
    shape: Shape,
}

impl Known<'_> {
    fn new(variant: &Variant, shape: Shape, seed: u64) -> Known<'_> {
        let buffer = variant.device.allocate(8 * shape.len() as u64, MemoryClass::Shares).expect("memory");
        let mut known = Known { variant, buffer, elements: Vec::new(), shape };
        known.upload(seed);
        known
    }

    fn upload(&mut self, seed: u64) {
        let element = |place: u64| (place + seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.elements = (0..self.shape.len() as u64).map(element).collect();
        let bytes: Vec<u8> = self.elements.iter().flat_map(|element| element.to_ne_bytes()).collect();
        self.variant.device.upload(&self.buffer, 0, &bytes).expect("uploads");
    }

    fn triple(&mut self, scratch: &Known<'_>) {
        let (own, other) = (Matrix::new(&self.buffer, self.shape), Matrix::new(&scratch.buffer, self.shape));
        for (out, factor, operand) in [(other, 3, own), (own, 1, other)] {
            let kernel = Kernel::Linear { out, terms: vec![(factor, operand)], constant: 0 };
            self.variant.device.run(Ring::Z64, &kernel).expect("runs");
        }
        self.elements.iter_mut().for_each(|element| *element = element.wrapping_mul(3));
    }

    fn check_product(&self, right: &Known<'_>, when: &str) {
        let (device, shape) = (&self.variant.device, Shape::new(self.shape.rows, right.shape.cols));
        let out = device.allocate(8 * shape.len() as u64, MemoryClass::Shares).expect("memory");
        let terms = vec![(Matrix::new(&self.buffer, self.shape), Matrix::new(&right.buffer, right.shape))];
        let kernel = Kernel::Gemm { out: Matrix::new(&out, shape), terms, accumulate: false };
        device.run(Ring::Z64, &kernel).expect("runs");
        let bytes = pollster::block_on(device.download(&out, out.size_bytes()).expect("downloads"));
        let bytes = bytes.expect("arrives");
        let found: Vec<u64> = bytes.as_chunks().0.iter().map(|&word| u64::from_ne_bytes(word)).collect();
        let at = |row: usize, col: usize| {
            let product = |k: usize| {
                let left = self.elements[row * self.shape.cols + k];
                left.wrapping_mul(right.elements[k * right.shape.cols + col])
            };
            (0..self.shape.cols).map(product).fold(0, u64::wrapping_add)
        };
        let places = (0..shape.rows).flat_map(|row| (0..shape.cols).map(move |col| (row, col)));
        let expected: Vec<u64> = places.map(|(row, col)| at(row, col)).collect();
        assert!(found == expected, "{}: {when}", self.variant.name);
    }
}

/// Residues of an operand are kept for later products, but not beyond a write to it, in whatever way.
#[test]
fn operands_that_change_are_seen() {
    for variant in &matrix_unit_variants() {
        let mut inputs = [1, 2].map(|seed| Known::new(variant, Shape::new(70, 40), seed));
        let mut weights = [3, 4].map(|seed| Known::new(variant, Shape::new(40, 90), seed));
        let scratch = Known::new(variant, Shape::new(40, 90), 5);
        for round in 0..2 {
            for input in &inputs {
                weights.iter().for_each(|weights| input.check_product(weights, "first"));
            }
            weights[0].upload(6 + round);
            inputs[0].check_product(&weights[0], "after an upload");
            weights[1].triple(&scratch);
            inputs[1].check_product(&weights[1], "after a kernel");
            inputs[1].upload(9 + round);
            inputs[1].check_product(&weights[1], "of another input");
            variant.device.wipe().expect("wipes");
            inputs[1].check_product(&weights[1], "after wiping");
            // The memory may be that of the matrix before.
            weights[0] = Known::new(variant, Shape::new(40, 90), 20 + round);
            inputs[0].check_product(&weights[0], "with a matrix in its place");
        }
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
