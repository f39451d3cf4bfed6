//! Products of masks. Names are those of [`super`].

use super::choice::Way;
use super::multiply::{Places, Run};
use super::{DRAWS, Elements, End, EntryId, IS_SENT, PairChannel, Part, Take};
use crate::correlation::{Correlation, Product, ProductSpec};
use crate::ring::Shape;

impl End<'_> {
    pub(super) fn product<C: PairChannel>(
        &mut self,
        entry: EntryId,
        spec: &ProductSpec,
        channel: &mut C,
        take: Take<'_>,
    ) -> Result<(), C::Error> {
        let shape = spec.shape;
        let mut sums = self.zeros(shape.len());
        let ring = self.ring();
        if self.is(DRAWS) || self.is(IS_SENT) {
            for &(left, right) in &spec.terms {
                let shapes = [left, right].map(|factor| self.shape_of(factor));
                let own = [left, right].map(|factor| self.mask(factor));
                multiply_locally(spec.product, shapes, &own, shape, &mut sums);
            }
            sums.iter_mut().for_each(|sum| *sum = ring.reduce(*sum));
        }
        let share = self.dependent(entry, Part::Product, shape);
        let choice = self.choice;
        let is_settled = match choice.way(entry) {
            Way::Matrices(crossings) => {
                self.multiply_matrices(spec, crossings, (&share, &mut sums), channel)?
            }
            Way::Vectors => {
                self.multiply_vectors(spec, (&share, &mut sums), channel)?;
                true
            }
            Way::Transfers => {
                self.multiply_by_transfers(spec, &mut sums, channel)?;
                false
            }
        };
        if !is_settled {
            let mut told = self.zeros(shape.len());
            if self.is(DRAWS) {
                for ((told, sum), share) in told.iter_mut().zip(sums.iter()).zip(share.iter()) {
                    *told = ring.reduce(sum.wrapping_sub(*share));
                }
            }
            let told = self.tell(shape.len(), told, ring.bits(), channel)?;
            for (sum, told) in sums.iter_mut().zip(told.iter()) {
                *sum = ring.reduce(sum.wrapping_add(*told));
            }
        }
        self.correct(entry, 0, &sums, take);
        Ok(())
    }

    /// Adds shares of the products of party 1's parts with party 0's, element by element.
    fn multiply_by_transfers<C: PairChannel>(
        &mut self,
        spec: &ProductSpec,
        sums: &mut [u64],
        channel: &mut C,
    ) -> Result<(), C::Error> {
        for &(left, right) in &spec.terms {
            let shapes = [left, right].map(|factor| self.shape_of(factor));
            let own = [left, right].map(|factor| self.mask(factor));
            // Party 1's factor first, then party 0's.
            for (second, first) in [(0, 1), (1, 0)] {
                let factors = [left, right];
                if !self.has_part(factors[second], IS_SENT) || !self.has_part(factors[first], DRAWS) {
                    continue;
                }
                let mine = if self.is(DRAWS) { &own[first] } else { &own[second] };
                let places = |element| places(spec.product, shapes, spec.shape, second, element);
                self.multiply(shapes[second].len(), places, mine, sums, channel)?;
            }
        }
        Ok(())
    }

    pub(super) fn shape_of(&self, mask: EntryId) -> Shape {
        match &self.demand.entries[mask.0 as usize] {
            Correlation::Mask(spec) => spec.shape,
            Correlation::TruncPair(spec) => spec.shape,
            _ => unreachable!("a demand that was checked"),
        }
    }
}

/// Adds the product of a party's own parts.
fn multiply_locally(
    product: Product,
    [left, right]: [Shape; 2],
    own: &[Elements; 2],
    shape: Shape,
    sums: &mut [u64],
) {
    let [a, b] = own;
    match product {
        Product::Matrix => {
            for (row, sums) in sums.chunks_exact_mut(shape.cols.max(1)).enumerate() {
                for inner in 0..left.cols {
                    let factor = a[row * left.cols + inner];
                    let others = &b[inner * right.cols..][..right.cols];
                    for (sum, other) in sums.iter_mut().zip(others) {
                        *sum = sum.wrapping_add(factor.wrapping_mul(*other));
                    }
                }
            }
        }
        Product::Elementwise => {
            for (index, sum) in sums.iter_mut().enumerate() {
                let at = (index / shape.cols, index % shape.cols);
                let factors = a[broadcast(left, at)].wrapping_mul(b[broadcast(right, at)]);
                *sum = sum.wrapping_add(factors);
            }
        }
    }
}

/// The place of an element that is repeated to this row and column.
pub(super) fn broadcast(shape: Shape, (row, col): (usize, usize)) -> usize {
    let row = if shape.rows == 1 { 0 } else { row };
    let col = if shape.cols == 1 { 0 } else { col };
    row * shape.cols + col
}

/// Where the other factor's elements lie that meet one element of factor `own`, 0 or 1, and their products.
pub(super) fn places(product: Product, shapes: [Shape; 2], out: Shape, own: usize, element: usize) -> Places {
    let (shape, other) = (shapes[own], shapes[1 - own]);
    let (row, col) = (element / shape.cols, element % shape.cols);
    match (product, own) {
        // A[row, col] meets row `col` of B, in row `row` of the product.
        (Product::Matrix, 0) => Places {
            first: [col * other.cols, row * out.cols],
            runs: [Run::ONE, Run { count: other.cols, steps: [1, 1] }],
        },
        // B[row, col] meets column `row` of A, in column `col` of the product.
        (Product::Matrix, _) => Places {
            first: [row, col],
            runs: [Run::ONE, Run { count: other.rows, steps: [other.cols, out.cols] }],
        },
        (Product::Elementwise, _) => {
            let repeated = |own: usize, all: usize| if own == 1 { all } else { 1 };
            let step = |count: usize, cols: usize| if count == 1 { 0 } else { cols };
            Places {
                first: [broadcast(other, (row, col)), row * out.cols + col],
                runs: [
                    Run {
                        count: repeated(shape.rows, out.rows),
                        steps: [step(other.rows, other.cols), out.cols],
                    },
                    Run { count: repeated(shape.cols, out.cols), steps: [step(other.cols, 1), 1] },
                ],
            }
        }
    }
}
