//! The conditions on a kernel's matrices and numbers.

use super::bits::{FAN_IN, LANE_BITS, Lanes, Level, packed, planes, table_planes};
use super::kernel::{Kernel, Loop, MOST_LOOPS, Matrix};
use crate::ring::{Ring, Shape};

impl<B, K> Kernel<B, K> {
    /// Checks that the shapes fit together and numbers of bits are within the ring, as every device relies on.
    ///
    /// # Panics
    /// If they do not: such a kernel is a fault of the lowering that made it.
    pub fn check(&self, ring: Ring) {
        let (name, k) = (self.name(), ring.bits());
        match self {
            Kernel::Linear { out, terms, .. } => {
                assert_few(name, terms.len());
                assert_broadcast(name, out, terms.iter().map(|(_, operand)| operand));
            }
            Kernel::Hadamard { out, terms, .. } => {
                assert_few(name, terms.len());
                assert_broadcast(name, out, terms.iter().flat_map(|(left, right)| [left, right]));
            }
            Kernel::Gemm { out, terms, .. } => {
                assert_few(name, terms.len());
                for (left, right) in terms {
                    let (l, r, out) = (left.shape, right.shape, out.shape);
                    let fits = l.rows == out.rows && l.cols == r.rows && r.cols == out.cols;
                    assert!(fits, "{name}: {l} by {r} into {out}");
                }
            }
            Kernel::Transpose { out, operand } => {
                assert_eq!(out.shape, operand.shape.transposed(), "{name}: transposed shape");
            }
            Kernel::Rows { out, operand, index, column } => {
                assert_eq!(index.shape, Shape::new(out.shape.rows, 1), "{name}: a number for each row");
                let fits = column + out.shape.cols <= operand.shape.cols;
                assert!(fits, "{name}: within the operand's columns");
                let rows = u32::try_from(operand.shape.rows).unwrap_or(0);
                assert!(rows > 0 || out.shape.is_empty(), "{name}: between 1 and 2^32 rows to choose from");
            }
            Kernel::Sum { out, operand, axis } => {
                assert_eq!(out.shape, operand.shape.summed(*axis), "{name}: shape of the sums");
            }
            Kernel::Shift { out, operand, bits } => {
                assert_alike(name, out, [operand]);
                assert!((1..k).contains(bits), "{name}: by {bits} bits of {k}");
            }
            Kernel::Fill { .. } => {}
            Kernel::Mask { out, operand, .. } => assert_alike(name, out, [operand]),
            Kernel::HadamardMask { out, terms, .. } => {
                assert_few(name, terms.len());
                terms.iter().for_each(|(left, right)| assert_alike(name, out, [left, right]));
            }
            Kernel::Pack { out: few, operand: many, width }
            | Kernel::Unpack { out: many, operand: few, width, .. } => {
                assert!((1..k).contains(width), "{name}: {width} bits of {k}");
                assert_eq!(few.shape, packed(ring, *width, many.shape.len()), "{name}: packed elements");
            }
            Kernel::TruncPair { masks: [first, second], top, high, bits, width } => {
                assert_truncation(name, ring, *bits, *width);
                assert_alike(name, top, [first, second, high]);
            }
            Kernel::TruncFinish { out, opened, top, high, bits, width, .. } => {
                assert_truncation(name, ring, *bits, *width);
                assert_few(name, opened.len());
                assert_alike(name, out, opened.iter().chain([top, high]));
            }
            Kernel::TruthTable { out, mask, bits, top } => {
                assert!(*bits >= 1 && bits + u32::from(*top) <= k, "{name}: of {bits} bits");
                assert_planes(name, ring, out, table_planes(*bits, *top), mask.shape.len());
            }
            Kernel::LookupShares { out, opened, table, bits, predicate, lanes, .. } => {
                let (count, top) = (opened.shape.len(), predicate.has_top());
                assert!(*bits >= 1 && bits + u32::from(top) <= k, "{name}: of {bits} bits");
                if let Some(lanes) = lanes {
                    let in_ring = lanes.iter().all(|(lane, _)| (lane + 1) * LANE_BITS <= k);
                    assert!(top && in_ring && lanes.groups() > 0, "{name}: {lanes:?} of a sign");
                }
                let level = lanes.map_or(predicate.level(*bits), Lanes::level);
                assert_planes(name, ring, out, level.planes(), count);
                assert_planes(name, ring, table, table_planes(*bits, top), count);
            }
            Kernel::And { out, left, right, addend } => assert_alike(name, out, [left, right, addend]),
            Kernel::BitPlanes { out, operand, top } => {
                assert!(*top < k && out.shape.rows <= *top as usize + 1, "{name}: from bit {top} down");
                assert_planes(name, ring, out, out.shape.rows as u32, operand.shape.len());
            }
            Kernel::Xor { out, left, right, .. } => assert_alike(name, out, [left, right]),
            Kernel::MaskProducts { out, masks: [first, second], level } => {
                let (products, factors) = (level.monomials(), level.factors());
                assert_rows(name, out.shape.cols, [(out, products), (first, factors), (second, factors)]);
            }
            Kernel::AndTree { out, planes, opened, masks, monomials, level, .. } => {
                let next = level.next().expect("join: more than one digit");
                let own = [(out, next.planes()), (planes, level.planes()), (monomials, level.monomials())];
                assert_rows(name, out.shape.cols, own);
                assert_rows(name, out.shape.cols, [opened, masks].map(|factors| (factors, level.factors())));
            }
            Kernel::PickLanes { out, opened, base, own, lanes, exponent, rising, group } => {
                assert!((2..=FAN_IN).contains(lanes) && lanes * LANE_BITS <= k, "{name}: {lanes} lanes");
                assert!(*exponent < lanes * LANE_BITS, "{name}: 2^{exponent} of {lanes} lanes");
                let last = Level::new(*lanes, true);
                assert_planes(name, ring, out, last.planes(), opened.shape.len());
                let results = Lanes::base(*lanes, *rising).results();
                assert_rows(name, out.shape.cols, [(base, results.planes())]);
                assert!(
                    2 * *group as usize + 2 < own.shape.rows && own.shape.rows % 2 == 1,
                    "{name}: a group"
                );
                assert_rows(name, out.shape.cols, [(own, own.shape.rows as u32)]);
            }
            Kernel::Mux { out, bits, value, hidden, .. } => {
                assert_planes(name, ring, bits, 1, out.shape.len());
                assert_alike(name, out, value.iter().chain(hidden));
            }
            Kernel::Affine { out, operand, loops, from, to, .. } => {
                assert!(loops.len() <= MOST_LOOPS, "{name}: at most {MOST_LOOPS} loops");
                if loops.iter().all(|turn| turn.count > 0) {
                    let last = |step: fn(&Loop) -> usize| {
                        loops.iter().map(|turn| (turn.count - 1) * step(turn)).sum::<usize>()
                    };
                    let read = from + last(|turn| turn.from);
                    assert!(read < operand.shape.len(), "{name}: within the operand");
                    assert!(to + last(|turn| turn.to) < out.shape.len(), "{name}: within the output");
                }
            }
        }
    }
}

/// One or two terms or parts.
fn assert_few(name: &str, count: usize) {
    assert!(matches!(count, 1 | 2), "{name}: one or two terms");
}

/// Operands of the output's shape, or repeated to it.
fn assert_broadcast<'a, B: 'a>(
    name: &str,
    out: &Matrix<B>,
    operands: impl IntoIterator<Item = &'a Matrix<B>>,
) {
    for operand in operands {
        let fits = operand.shape.broadcasts_to(out.shape);
        assert!(fits, "{name}: {} into {}", operand.shape, out.shape);
    }
}

/// Operands of the output's shape.
fn assert_alike<'a, B: 'a>(name: &str, out: &Matrix<B>, operands: impl IntoIterator<Item = &'a Matrix<B>>) {
    operands.into_iter().for_each(|operand| assert_eq!(operand.shape, out.shape, "{name}: one shape"));
}

/// Matrices of so many rows, and as wide as the output.
fn assert_rows<B, const N: usize>(name: &str, cols: usize, matrices: [(&Matrix<B>, u32); N]) {
    for (matrix, rows) in matrices {
        assert_eq!(matrix.shape, Shape::new(rows as usize, cols), "{name}: planes");
    }
}

/// A truncation by `bits` bits modulo 2^width.
fn assert_truncation(name: &str, ring: Ring, bits: u32, width: u32) {
    let valid = bits >= 1 && bits + 2 <= width && width <= ring.bits();
    assert!(valid, "{name}: by {bits} bits of {width}");
}

/// A matrix of so many planes.
fn assert_planes<B>(name: &str, ring: Ring, matrix: &Matrix<B>, count: u32, elements: usize) {
    assert_eq!(matrix.shape, planes(ring, count, elements), "{name}: planes of {elements} elements");
}
