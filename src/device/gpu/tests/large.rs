//! Sizes at which a single dispatch would loop or spread too far: long inner sizes, long sums, many workgroups.

use super::kernels::{Bench, drawn, gemm, poison, shift};
use super::*;
use crate::step::{Axis, Kernel};

/// More loop iterations than some software drivers run before they give up on a shader without a word.
const LONG_INNER: usize = 70_000;

fn every_number_type(check: impl Fn(&Bench<'_>, Ring)) {
    for (arithmetic, rings) in
        [(Arithmetic::Auto, &[Ring::Z32, Ring::Z64][..]), (Arithmetic::Pairs, &[Ring::Z64])]
    {
        let Some(gpu) = open(GpuOptions { arithmetic, ..GpuOptions::default() }) else { return };
        rings.iter().for_each(|&ring| check(&Bench { gpu: &gpu }, ring));
    }
}

#[test]
fn long_inner_sizes_lose_nothing() {
    // Vectors, and both forms of tiles for so small a result; then the longest two terms.
    every_number_type(|bench, ring| match ring {
        Ring::Z32 => {
            gemm::<u32>(bench, (2, LONG_INNER, 3), 0);
            gemm::<u32>(bench, (2, LONG_INNER, 20), 0);
            gemm::<u32>(bench, (20, LONG_INNER, 20), 0);
            gemm::<u32>(bench, (2, 16_384, 3), 16_384);
        }
        Ring::Z64 => {
            gemm::<u64>(bench, (2, LONG_INNER, 3), 0);
            gemm::<u64>(bench, (2, 16_384, 3), 16_384);
        }
    });
}

#[test]
fn long_sums_lose_nothing() {
    every_number_type(|bench, ring| match ring {
        Ring::Z32 => sums::<u32>(bench),
        Ring::Z64 => sums::<u64>(bench),
    });
}

fn sums<E: Element>(bench: &Bench<'_>) {
    let row = drawn::<E>(1, Shape::new(1, 20_000_000));
    let total = row.0.iter().fold(E::ZERO, |sum, &element| sum.add(element));
    let kernel = |axis| move |m: &[Matrix<_>]| Kernel::Sum { out: m[0], operand: m[1], axis };
    bench.check(&[poison(Shape::SCALAR), row], kernel(Axis::Cols), &[total]);

    let tall = drawn::<E>(2, Shape::new(6_000_001, 3));
    let column = |col: usize| tall.0.iter().skip(col).step_by(3).fold(E::ZERO, |sum, &x| sum.add(x));
    let expected = [column(0), column(1), column(2)];
    bench.check(&[poison(Shape::new(1, 3)), tall], kernel(Axis::Rows), &expected);
}

/// 65,535 workgroups of 256 threads hold 16,776,960 elements: what a row of a dispatch holds, and a little more.
#[test]
fn more_workgroups_than_a_dimension_holds() {
    let Some(gpu) = open(GpuOptions::default()) else { return };
    shift::<u32>(&Bench { gpu: &gpu }, Shape::new(1, 16_776_960 + 300));
}
