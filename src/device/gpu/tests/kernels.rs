//! Every kernel, in every number type, against scalar arithmetic.

use super::*;
use crate::ring::prg::PrgKey;
use crate::step::{Axis, Kernel};

/// Elements that begin with the extremes: zero, all ones, the top bit, what lies beside it, a carry between halves.
fn elements<E: Element>(seed: u8, len: usize) -> Vec<E> {
    let mut elements = vec![E::ZERO; len];
    PrgKey::from_bytes([seed; 32]).fill(0, 0, bytemuck::cast_slice_mut(&mut elements));
    let top = 1u64 << (E::RING.bits() - 1);
    let extremes = [0, u64::MAX, top, top - 1, 1, 0xffff_ffff, 0x1_0000_0000, 0xffff_0000_ffff];
    for (place, extreme) in elements.iter_mut().skip(usize::from(seed) % 3).zip(extremes) {
        *place = E::from_u64(extreme);
    }
    elements
}

fn shapes() -> [Shape; 6] {
    [(1, 1), (1, 257), (67, 1), (7, 13), (33, 65), (130, 70)].map(|(rows, cols)| Shape::new(rows, cols))
}

/// Runs `kernel` on uploaded operands and compares the first operand afterwards with `expected`.
pub(super) struct Bench<'a> {
    pub(super) gpu: &'a Gpu,
}

impl Bench<'_> {
    pub(super) fn check<'k, E: Element>(
        &self,
        operands: &[(Vec<E>, Shape)],
        kernel: impl Fn(&[Matrix<usize>]) -> Kernel<usize, &'k PrgKey>,
        expected: &[E],
    ) {
        let buffers: Vec<_> = operands.iter().map(|(elements, _)| upload(self.gpu, elements)).collect();
        let matrices: Vec<_> =
            operands.iter().enumerate().map(|(index, (_, shape))| Matrix::new(index, *shape)).collect();
        let kernel = kernel(&matrices).map(|index| &buffers[*index], |key| *key);
        self.gpu.run(E::RING, &kernel).expect("runs");
        let found = fetch::<E>(self.gpu, &buffers[0]);
        let wrong = found.iter().zip(expected).position(|(found, expected)| found != expected);
        if let Some(index) = wrong {
            panic!(
                "{} of {:?} at {index}: {:?} for {:?}",
                kernel.name(),
                matrices[0].shape,
                found[index],
                expected[index]
            );
        }
        assert_eq!(found.len(), expected.len());
    }
}

fn at<E: Element>((elements, shape): &(Vec<E>, Shape), row: usize, col: usize) -> E {
    elements[row.min(shape.rows - 1) * shape.cols + col.min(shape.cols - 1)]
}

fn map<E: Element>(shape: Shape, element: impl Fn(usize, usize) -> E) -> Vec<E> {
    (0..shape.rows)
        .flat_map(|row| (0..shape.cols).map(move |col| (row, col)))
        .map(|(r, c)| element(r, c))
        .collect()
}

pub(super) fn poison<E: Element>(shape: Shape) -> (Vec<E>, Shape) {
    (vec![E::from_u64(0xdead_beef_dead_beef); shape.len()], shape)
}

pub(super) fn drawn<E: Element>(seed: u8, shape: Shape) -> (Vec<E>, Shape) {
    (elements(seed, shape.len()), shape)
}

fn leaned(shape: Shape, lean: usize) -> Shape {
    match lean {
        0 => shape,
        1 => Shape::new(1, shape.cols),
        2 => Shape::new(shape.rows, 1),
        _ => Shape::SCALAR,
    }
}

fn linear<E: Element>(bench: &Bench<'_>, shape: Shape) {
    for lean in 0..4 {
        let (a, b) = (drawn::<E>(1, leaned(shape, lean)), drawn::<E>(2, leaned(shape, (lean + 1) % 3)));
        let (f, g, c) = (u64::MAX - 4, 0x1234_5678_9abc_def0, 1 << 63 | 1 << 31 | 5);
        let scaled = map(shape, |row, col| at(&a, row, col).mul(E::from_u64(f)).add(E::from_u64(c)));
        let both =
            map(shape, |row, col| scaled[row * shape.cols + col].add(at(&b, row, col).mul(E::from_u64(g))));
        let operands = [poison(shape), a, b];
        let one = |m: &[Matrix<_>]| Kernel::Linear { out: m[0], terms: vec![(f, m[1])], constant: c };
        bench.check(&operands, one, &scaled);
        let two =
            |m: &[Matrix<_>]| Kernel::Linear { out: m[0], terms: vec![(f, m[1]), (g, m[2])], constant: c };
        bench.check(&operands, two, &both);
    }
}

fn hadamard<E: Element>(bench: &Bench<'_>, shape: Shape) {
    for lean in 0..4 {
        let operands = [
            drawn::<E>(5, shape),
            drawn(1, shape),
            drawn(2, leaned(shape, lean)),
            drawn(3, leaned(shape, (lean + 1) % 4)),
            drawn(4, shape),
        ];
        let product =
            |index: usize, row, col| at(&operands[index], row, col).mul(at(&operands[index + 1], row, col));
        let one = map(shape, |row, col| product(1, row, col));
        let kernel =
            |m: &[Matrix<_>]| Kernel::Hadamard { out: m[0], terms: vec![(m[1], m[2])], accumulate: false };
        bench.check(&operands, kernel, &one);
        let two = map(shape, |row, col| {
            at(&operands[0], row, col).add(product(1, row, col)).add(product(3, row, col))
        });
        let kernel = |m: &[Matrix<_>]| Kernel::Hadamard {
            out: m[0],
            terms: vec![(m[1], m[2]), (m[3], m[4])],
            accumulate: true,
        };
        bench.check(&operands, kernel, &two);
    }
}

pub(super) fn gemm<E: Element>(bench: &Bench<'_>, (m, k, n): (usize, usize, usize), second_inner: usize) {
    let shape = Shape::new(m, n);
    let operands = [
        drawn::<E>(5, shape),
        drawn(1, Shape::new(m, k)),
        drawn(2, Shape::new(k, n)),
        drawn(3, Shape::new(m, second_inner)),
        drawn(4, Shape::new(second_inner, n)),
    ];
    let product = |index: usize, row, col| {
        let (left, right) = (&operands[index], &operands[index + 1]);
        (0..left.1.cols).fold(E::ZERO, |sum, i| sum.add(at(left, row, i).mul(at(right, i, col))))
    };
    let one = map(shape, |row, col| product(1, row, col));
    let kernel = |m: &[Matrix<_>]| Kernel::Gemm { out: m[0], terms: vec![(m[1], m[2])], accumulate: false };
    bench.check(&operands, kernel, &one);
    let two =
        map(shape, |row, col| at(&operands[0], row, col).add(product(1, row, col)).add(product(3, row, col)));
    let kernel = |m: &[Matrix<_>]| Kernel::Gemm {
        out: m[0],
        terms: vec![(m[1], m[2]), (m[3], m[4])],
        accumulate: true,
    };
    bench.check(&operands, kernel, &two);
}

fn along_axes<E: Element>(bench: &Bench<'_>, shape: Shape) {
    let operand = drawn::<E>(1, shape);
    let turned = map(shape.transposed(), |row, col| at(&operand, col, row));
    let kernel = |m: &[Matrix<_>]| Kernel::Transpose { out: m[0], operand: m[1] };
    bench.check(&[poison(shape.transposed()), operand.clone()], kernel, &turned);

    let sum =
        |count: usize, element: &dyn Fn(usize) -> E| (0..count).fold(E::ZERO, |sum, i| sum.add(element(i)));
    let across: Vec<E> = (0..shape.cols).map(|col| sum(shape.rows, &|row| at(&operand, row, col))).collect();
    let down: Vec<E> = (0..shape.rows).map(|row| sum(shape.cols, &|col| at(&operand, row, col))).collect();
    let kernel = |axis| move |m: &[Matrix<_>]| Kernel::Sum { out: m[0], operand: m[1], axis };
    bench.check(&[poison(Shape::new(1, shape.cols)), operand.clone()], kernel(Axis::Rows), &across);
    bench.check(&[poison(Shape::new(shape.rows, 1)), operand], kernel(Axis::Cols), &down);
}

pub(super) fn shift<E: Element>(bench: &Bench<'_>, shape: Shape) {
    for bits in [1, 13, E::RING.bits() / 2, E::RING.bits() / 2 + 1, E::RING.bits() - 1] {
        let operand = drawn::<E>(1, shape);
        let expected: Vec<E> =
            operand.0.iter().map(|element| element.shift_signed(bits.min(E::RING.bits() - 1))).collect();
        let kernel = |m: &[Matrix<_>]| Kernel::Shift { out: m[0], operand: m[1], bits };
        bench.check(&[poison(shape), operand], kernel, &expected);
    }
}

fn truncation<E: Element>(bench: &Bench<'_>, shape: Shape) {
    let k = E::RING.bits();
    for (bits, width) in [(1, k), (16, k), (k / 2 - 1, k), (k - 2, k), (1, 3), (7, 20), (13, k - 5)] {
        let low = |value: E| value.and(E::ONE.shl(width - 1).sub(E::ONE));
        let top_of = |value: E| value.shr(width - 1).and(E::ONE);
        let [a, b, c, d] = [1, 2, 3, 4].map(|seed| drawn::<E>(seed, shape));
        let mask = |i: usize| a.0[i].add(b.0[i]);
        let top: Vec<E> = (0..shape.len()).map(|i| top_of(mask(i)).sub(c.0[i])).collect();
        let high: Vec<E> = (0..shape.len()).map(|i| low(mask(i)).shr(bits).sub(d.0[i])).collect();
        let pair =
            |m: &[Matrix<_>]| Kernel::TruncPair { top: m[0], high: m[1], masks: [m[2], m[3]], bits, width };
        bench.check(&[c.clone(), d.clone(), a.clone(), b.clone()], pair, &top);
        let pair =
            |m: &[Matrix<_>]| Kernel::TruncPair { high: m[0], top: m[1], masks: [m[2], m[3]], bits, width };
        bench.check(&[d.clone(), c.clone(), a.clone(), b.clone()], pair, &high);

        for leader in [false, true] {
            let expected: Vec<E> = (0..shape.len())
                .map(|i| {
                    let (opened, top, high) = (a.0[i], b.0[i], c.0[i]);
                    let t = top_of(opened);
                    let public = low(opened).shr(bits).sub(E::ONE.shl(width - 2 - bits));
                    let wrap = top.mul(E::ONE.sub(t.add(t))).add(if leader { t } else { E::ZERO });
                    let value = (if leader { public } else { E::ZERO }).sub(high);
                    value.add(wrap.mul(E::ONE.shl(width - 1 - bits)))
                })
                .collect();
            let operands = [poison(shape), a.clone(), b.clone(), c.clone()];
            let kernel = |m: &[Matrix<_>]| Kernel::TruncFinish {
                out: m[0],
                opened: vec![m[1]],
                top: m[2],
                high: m[3],
                bits,
                width,
                leader,
            };
            bench.check(&operands, kernel, &expected);
        }
    }
}

fn fill<E: Element>(bench: &Bench<'_>) {
    let key = PrgKey::from_bytes(std::array::from_fn(|i| 7 * i as u8));
    for (len, stream, block) in
        [(1, 0, 0), (16, 1, u64::MAX), (5000, u64::MAX - 1, 0xffff_fff0), (1037, 1 << 40, 1 << 35)]
    {
        let shape = Shape::new(1, len);
        let mut expected = vec![E::ZERO; len];
        key.fill(stream, block, bytemuck::cast_slice_mut(&mut expected));
        let kernel = |m: &[Matrix<_>]| Kernel::Fill { out: m[0], key: &key, stream, block };
        bench.check(&[poison(shape)], kernel, &expected);
    }
}

fn every_kernel<E: Element>(bench: &Bench<'_>) {
    for shape in shapes() {
        linear::<E>(bench, shape);
        hadamard::<E>(bench, shape);
        along_axes::<E>(bench, shape);
        shift::<E>(bench, shape);
        truncation::<E>(bench, shape);
    }
    for (sizes, second_inner) in
        [((1, 1, 1), 1), ((270, 17, 3), 2), ((65, 33, 70), 16), ((64, 16, 128), 0), ((7, 9, 300), 5)]
    {
        gemm::<E>(bench, sizes, second_inner);
    }
    fill::<E>(bench);
}

fn options(arithmetic: Arithmetic) -> GpuOptions {
    // A small budget makes for small staging buffers, which are then wrapped around.
    GpuOptions { arithmetic, budget_bytes: Some(64 << 20), ..GpuOptions::default() }
}

#[test]
fn kernels_of_32_bits_equal_scalar_arithmetic() {
    let Some(gpu) = open(options(Arithmetic::Auto)) else { return };
    every_kernel::<u32>(&Bench { gpu: &gpu });
}

#[test]
fn kernels_of_native_64_bits_equal_scalar_arithmetic() {
    let Some(gpu) = open(options(Arithmetic::Native)) else { return };
    assert_eq!(gpu.description().arithmetic, "u64");
    every_kernel::<u64>(&Bench { gpu: &gpu });
}

#[test]
fn kernels_of_paired_words_equal_scalar_arithmetic() {
    let Some(gpu) = open(options(Arithmetic::Pairs)) else { return };
    assert_eq!(gpu.description().arithmetic, "u64_pairs");
    every_kernel::<u64>(&Bench { gpu: &gpu });
}

#[test]
fn matrices_larger_than_a_binding_are_cut() {
    let limited = GpuOptions {
        binding_limit_bytes: Some(16 << 10),
        groups_limit: Some(3),
        ..options(Arithmetic::Auto)
    };
    let Some(gpu) = open(limited) else { return };
    let bench = Bench { gpu: &gpu };
    fill::<u64>(&bench);
    // Rows shorter than a binding, and rows longer than one.
    for shape in [Shape::new(150, 70), Shape::new(3, 5001)] {
        linear::<u64>(&bench, shape);
        hadamard::<u32>(&bench, shape);
        along_axes::<u64>(&bench, shape);
        shift::<u32>(&bench, shape);
        truncation::<u64>(&bench, shape);
    }
    for sizes in [(150, 70, 90), (2, 3000, 3), (3, 2, 3000), (70, 1, 70)] {
        gemm::<u64>(&bench, sizes, 33);
    }
}

#[test]
fn shapes_without_elements_do_nothing_and_empty_sums_are_zero() {
    let Some(gpu) = open(options(Arithmetic::Auto)) else { return };
    let bench = Bench { gpu: &gpu };
    let (none, one) = (Shape::new(0, 4), Shape::new(2, 3));
    let linear = |m: &[Matrix<_>]| Kernel::Linear { out: m[0], terms: vec![(1, m[1])], constant: 3 };
    bench.check::<u64>(&[poison(none), poison(Shape::new(1, 4))], linear, &[]);
    let fill = |m: &[Matrix<_>]| Kernel::Fill { out: m[0], key: &KEY, stream: 0, block: 0 };
    bench.check::<u32>(&[poison(none)], fill, &[]);
    let gemm =
        |accumulate| move |m: &[Matrix<_>]| Kernel::Gemm { out: m[0], terms: vec![(m[1], m[2])], accumulate };
    let operands = [poison::<u64>(one), poison(Shape::new(2, 0)), poison(Shape::new(0, 3))];
    bench.check(&operands, gemm(false), &[0; 6]);
    bench.check(&operands, gemm(true), &operands[0].0);
    let sum = |axis| move |m: &[Matrix<_>]| Kernel::Sum { out: m[0], operand: m[1], axis };
    bench.check::<u32>(&[poison(Shape::new(1, 4)), poison(none)], sum(Axis::Rows), &[0; 4]);
    bench.check::<u32>(&[poison(Shape::new(0, 1)), poison(none)], sum(Axis::Cols), &[]);
}

static KEY: PrgKey = PrgKey::from_bytes([9; 32]);
