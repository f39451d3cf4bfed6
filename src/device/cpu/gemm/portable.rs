//! Micro-kernels in plain Rust, which the compiler vectorises: 4 rows by 1 or 2 vectors.
//!
//! On aarch64 they are the NEON kernels. There a multiply-add of 32 bits is one instruction, and 64-bit products are
//! scalar multiply-adds, so nothing is gained by pairs; elsewhere a product costs several instructions.

use super::tile::{MOST_ELEMENTS, RegisterTile};
use crate::ring::Element;

/// Whether the sums are Winograd's.
const PAIRS: bool = cfg!(not(target_arch = "aarch64"));

/// One function for each number of vectors and rows.
macro_rules! functions {
    ($lanes:literal) => {
        [
            &[
                sums::<_, 1, $lanes, PAIRS>,
                sums::<_, 2, $lanes, PAIRS>,
                sums::<_, 3, $lanes, PAIRS>,
                sums::<_, 4, $lanes, PAIRS>,
            ],
            &[
                sums::<_, 1, { 2 * $lanes }, PAIRS>,
                sums::<_, 2, { 2 * $lanes }, PAIRS>,
                sums::<_, 3, { 2 * $lanes }, PAIRS>,
                sums::<_, 4, { 2 * $lanes }, PAIRS>,
            ],
        ]
    };
}

/// For Z_2^64.
pub(super) const U64: RegisterTile<u64> =
    RegisterTile { rows: 4, lanes: 2, pairs: PAIRS, functions: functions!(2) };

/// For Z_2^32.
pub(super) const U32: RegisterTile<u32> =
    RegisterTile { rows: 4, lanes: 4, pairs: PAIRS, functions: functions!(4) };

fn sums<E: Element, const ROWS: usize, const COLS: usize, const PAIRS: bool>(
    depth: usize,
    left: &[E],
    right: &[E],
    out: &mut [E; MOST_ELEMENTS],
) {
    let mut sums = [[E::ZERO; COLS]; ROWS];
    let lefts = &left.as_chunks::<ROWS>().0[..depth];
    let rights = &right.as_chunks::<COLS>().0[..depth];
    let singles = if PAIRS { depth / 2 * 2 } else { 0 };
    for (left, right) in lefts[..singles].as_chunks().0.iter().zip(rights[..singles].as_chunks().0) {
        pair(&mut sums, left, right);
    }
    for (left, right) in lefts[singles..].iter().zip(&rights[singles..]) {
        single(&mut sums, left, right);
    }
    for (out, sums) in out.chunks_exact_mut(COLS).zip(&sums) {
        out.copy_from_slice(sums);
    }
}

/// Adds Winograd's products of two inner indices.
#[inline(always)]
fn pair<E: Element, const ROWS: usize, const COLS: usize>(
    sums: &mut [[E; COLS]; ROWS],
    left: &[[E; ROWS]; 2],
    right: &[[E; COLS]; 2],
) {
    for (row, sums) in sums.iter_mut().enumerate() {
        let [first, second] = [left[0][row], left[1][row]];
        for (col, sum) in sums.iter_mut().enumerate() {
            *sum = sum.add(first.add(right[1][col]).mul(second.add(right[0][col])));
        }
    }
}

/// Adds the products of one inner index.
#[inline(always)]
fn single<E: Element, const ROWS: usize, const COLS: usize>(
    sums: &mut [[E; COLS]; ROWS],
    left: &[E; ROWS],
    right: &[E; COLS],
) {
    for (sums, &factor) in sums.iter_mut().zip(left) {
        for (sum, &element) in sums.iter_mut().zip(right) {
            *sum = sum.add(factor.mul(element));
        }
    }
}
