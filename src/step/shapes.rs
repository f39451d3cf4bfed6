//! What a kernel's matrices and numbers have to be.

use super::bits::{packed, planes, table_planes};
use super::kernel::{Kernel, Loop, MOST_LOOPS, Matrix};
use crate::ring::{Ring, Shape};

impl<B, K> Kernel<B, K> {
    /// Checks that the shapes fit together and numbers of bits are within the ring, as every device relies on.
    ///
    /// # Panics
    /// Where they are not: such a kernel is a fault of the lowering that made it.
    pub fn check(&self, ring: Ring) {
        let (name, k) = (self.name(), ring.bits());
        match self {
            Kernel::Linear { out, terms, .. } => {
                assert!(matches!(terms.len(), 1 | 2), "{name}: one or two terms");
                for (_, operand) in terms {
                    assert!(
                        operand.shape.broadcasts_to(out.shape),
                        "{name}: {} into {}",
                        operand.shape,
                        out.shape
                    );
                }
            }
            Kernel::Hadamard { out, terms, .. } => {
                assert!(matches!(terms.len(), 1 | 2), "{name}: one or two terms");
                for operand in terms.iter().flat_map(|(left, right)| [left, right]) {
                    assert!(
                        operand.shape.broadcasts_to(out.shape),
                        "{name}: {} into {}",
                        operand.shape,
                        out.shape
                    );
                }
            }
            Kernel::Gemm { out, terms, .. } => {
                assert!(matches!(terms.len(), 1 | 2), "{name}: one or two terms");
                for (left, right) in terms {
                    let (l, r) = (left.shape, right.shape);
                    assert!(
                        l.rows == out.shape.rows && l.cols == r.rows && r.cols == out.shape.cols,
                        "{name}: {l} by {r} into {}",
                        out.shape
                    );
                }
            }
            Kernel::Transpose { out, operand } => {
                assert_eq!(out.shape, operand.shape.transposed(), "{name}: transposed shape");
            }
            Kernel::Sum { out, operand, axis } => {
                assert_eq!(out.shape, operand.shape.summed(*axis), "{name}: shape of the sums");
            }
            Kernel::Shift { out, operand, bits } => {
                assert_eq!(out.shape, operand.shape, "{name}: one shape");
                assert!((1..k).contains(bits), "{name}: by {bits} bits of {k}");
            }
            Kernel::Fill { .. } => {}
            Kernel::Mask { out, operand, .. } => {
                assert_eq!(out.shape, operand.shape, "{name}: one shape");
            }
            Kernel::Pack { out: few, operand: many, width }
            | Kernel::Unpack { out: many, operand: few, width, .. } => {
                assert!((1..k).contains(width), "{name}: {width} bits of {k}");
                assert_eq!(few.shape, packed(ring, *width, many.shape.len()), "{name}: packed elements");
            }
            Kernel::TruncPair { masks, top, high, bits, width } => {
                assert_truncation(name, ring, *bits, *width);
                for operand in [&masks[0], &masks[1], high] {
                    assert_eq!(operand.shape, top.shape, "{name}: one shape");
                }
            }
            Kernel::TruncFinish { out, opened, top, high, bits, width, .. } => {
                assert_truncation(name, ring, *bits, *width);
                assert!(matches!(opened.len(), 1 | 2), "{name}: one or two parts");
                for operand in opened.iter().chain([top, high]) {
                    assert_eq!(operand.shape, out.shape, "{name}: one shape");
                }
            }
            Kernel::Table { out, mask, bits, top } => {
                assert!(*bits >= 1 && bits + u32::from(*top) <= k, "{name}: of {bits} bits");
                assert_planes(name, ring, out, table_planes(*bits, *top), mask.shape.len());
            }
            Kernel::Pick { out, opened, table, bits, question, .. } => {
                let (count, top) = (opened.shape.len(), question.has_top());
                assert!(*bits >= 1 && bits + u32::from(top) <= k, "{name}: of {bits} bits");
                assert_planes(name, ring, out, question.level(*bits).planes(), count);
                assert_planes(name, ring, table, table_planes(*bits, top), count);
            }
            Kernel::Xor { out, left, right, .. } => {
                assert!(out.shape == left.shape && out.shape == right.shape, "{name}: one shape");
            }
            Kernel::Monomials { out, masks, level } => {
                let width = out.shape.cols;
                assert_eq!(out.shape, Shape::new(level.monomials() as usize, width), "{name}: monomials");
                for mask in masks {
                    assert_eq!(mask.shape, Shape::new(level.factors() as usize, width), "{name}: factors");
                }
            }
            Kernel::Join { out, planes, opened, masks, monomials, level, .. } => {
                let next = level.next().expect("join: more than one digit");
                let rows = [
                    (out, next.planes()),
                    (planes, level.planes()),
                    (opened, level.factors()),
                    (masks, level.factors()),
                    (monomials, level.monomials()),
                ];
                for (matrix, rows) in rows {
                    assert_eq!(matrix.shape, Shape::new(rows as usize, out.shape.cols), "{name}: planes");
                }
            }
            Kernel::Choose { out, bits, value, hidden, .. } => {
                assert_planes(name, ring, bits, 1, out.shape.len());
                for operand in value.iter().chain(hidden) {
                    assert_eq!(operand.shape, out.shape, "{name}: one shape");
                }
            }
            Kernel::Affine { out, operand, loops, from, to, .. } => {
                assert!(loops.len() <= MOST_LOOPS, "{name}: at most {MOST_LOOPS} loops");
                if loops.iter().all(|turn| turn.count > 0) {
                    let last = |step: fn(&Loop) -> usize| {
                        loops.iter().map(|turn| (turn.count - 1) * step(turn)).sum::<usize>()
                    };
                    assert!(
                        from + last(|turn| turn.from) < operand.shape.len(),
                        "{name}: within the operand"
                    );
                    assert!(to + last(|turn| turn.to) < out.shape.len(), "{name}: within the output");
                }
            }
        }
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
