//! Extents of tensors of up to four axes, and how they lie in matrices.
//!
//! A tensor is computed on as a matrix: its last axis are the columns, all others together, the outermost first, the
//! rows. So a tensor of two axes is its own matrix, a vector lies in one row, and a single number, which has no axis, in
//! one row of one column.

use crate::ring::Shape;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Extents along up to four axes, the outermost first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<usize>", into = "Vec<usize>")]
pub struct Dims {
    /// Those beyond the rank are 1.
    extents: [usize; Dims::MOST_AXES],
    rank: usize,
}

/// More axes than tensors have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} axes: there are at most four")]
pub struct TooManyAxes(pub usize);

impl Dims {
    /// The most axes.
    pub const MOST_AXES: usize = 4;

    /// A single number, which has no axis.
    pub const SCALAR: Dims = Dims { extents: [1; Dims::MOST_AXES], rank: 0 };

    /// These extents.
    ///
    /// # Errors
    /// Where there are more than four.
    pub fn new(extents: &[usize]) -> Result<Dims, TooManyAxes> {
        let mut all = [1; Dims::MOST_AXES];
        let rank = extents.len();
        let Some(own) = all.get_mut(..rank) else { return Err(TooManyAxes(rank)) };
        own.copy_from_slice(extents);
        Ok(Dims { extents: all, rank })
    }

    /// The number of axes.
    pub const fn rank(self) -> usize {
        self.rank
    }

    /// The extents, the outermost first.
    pub fn extents(&self) -> &[usize] {
        &self.extents[..self.rank]
    }

    /// The extent along the last axis but one; 1 where there is none.
    pub const fn rows(self) -> usize {
        if self.rank < 2 { 1 } else { self.extents[self.rank - 2] }
    }

    /// The extent along the last axis; 1 where there is none.
    pub const fn cols(self) -> usize {
        if self.rank == 0 { 1 } else { self.extents[self.rank - 1] }
    }

    /// The matrix that it lies in. Where an address cannot name all rows, there are as many as it can.
    pub fn folded(self) -> Shape {
        let rows = self.leading().iter().fold(1usize, |rows, &extent| rows.saturating_mul(extent));
        Shape::new(rows, self.cols())
    }

    /// Number of elements, or `None` where it leaves `usize`.
    pub fn checked_len(self) -> Option<usize> {
        self.extents().iter().try_fold(1usize, |len, &extent| len.checked_mul(extent))
    }

    /// Whether there are no more elements than matrices may have, also if extents of zero are left out of account: then
    /// no place of an element leaves an address.
    pub(super) fn is_bearable(self) -> bool {
        let extents = self.extents().iter().map(|&extent| extent.max(1));
        let most = extents.fold(1usize, usize::saturating_mul);
        self.rank <= 2 || most <= Shape::MOST_ELEMENTS
    }

    /// What both broadcast to as NumPy does: axes are matched from the last on, of equal extents or one of them 1.
    pub fn broadcast(self, other: Dims) -> Option<Dims> {
        let rank = self.rank.max(other.rank);
        let (mut result, own, theirs) = (self.lifted(rank), self.lifted(rank), other.lifted(rank));
        for axis in 0..rank {
            result.extents[axis] = match (own.extents[axis], theirs.extents[axis]) {
                (a, b) if a == b => a,
                (1, b) => b,
                (a, 1) => a,
                _ => return None,
            };
        }
        Some(result)
    }

    /// With one more axes in front, up to `rank` of them.
    pub(super) fn lifted(self, rank: usize) -> Dims {
        let mut lifted = Dims { extents: [1; Dims::MOST_AXES], rank };
        lifted.extents[rank - self.rank..rank].copy_from_slice(self.extents());
        lifted
    }

    /// With another extent along an axis.
    pub(super) fn with(mut self, axis: usize, extent: usize) -> Dims {
        self.extents[axis] = extent;
        self
    }

    /// Without an axis.
    pub(super) fn without(self, axis: usize) -> Dims {
        let mut rest = self.extents().to_vec();
        rest.remove(axis);
        Dims::new(&rest).expect("fewer axes")
    }

    /// With one more axis behind the last.
    pub(super) fn followed_by(self, extent: usize) -> Result<Dims, TooManyAxes> {
        Dims::new(&[self.extents(), &[extent]].concat())
    }

    /// All extents but the last.
    pub(super) fn leading(&self) -> &[usize] {
        &self.extents[..self.rank.saturating_sub(1)]
    }

    /// The distance of neighbours along an axis, in elements.
    pub(super) fn stride(self, axis: usize) -> usize {
        self.extents()[axis + 1..].iter().fold(1usize, |stride, &extent| stride.saturating_mul(extent))
    }
}

impl From<Shape> for Dims {
    fn from(Shape { rows, cols }: Shape) -> Dims {
        Dims { extents: [rows, cols, 1, 1], rank: 2 }
    }
}

impl TryFrom<Vec<usize>> for Dims {
    type Error = TooManyAxes;

    fn try_from(extents: Vec<usize>) -> Result<Dims, TooManyAxes> {
        Dims::new(&extents)
    }
}

impl From<Dims> for Vec<usize> {
    fn from(dims: Dims) -> Vec<usize> {
        dims.extents().to_vec()
    }
}

impl fmt::Display for Dims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let extents: Vec<String> = self.extents().iter().map(usize::to_string).collect();
        // As Python writes tuples: that of a vector ends in a comma.
        let end = if self.rank == 1 { "," } else { "" };
        write!(f, "({}{end})", extents.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dims(extents: &[usize]) -> Dims {
        Dims::new(extents).expect("few axes")
    }

    #[test]
    fn vectors_lie_in_rows_and_tensors_fold() {
        assert_eq!(dims(&[]), Dims::SCALAR);
        assert_eq!(dims(&[]).folded(), Shape::SCALAR);
        assert_eq!(dims(&[3]).folded(), Shape::new(1, 3));
        assert_eq!(
            [dims(&[]), dims(&[3]), dims(&[3, 1])].map(|dims| dims.to_string()),
            ["()", "(3,)", "(3, 1)"]
        );
        assert_eq!(dims(&[2, 3, 4, 5]).folded(), Shape::new(24, 5));
        assert_eq!(dims(&[2, 3, 4, 5]).stride(1), 20);
        assert_eq!(Dims::new(&[1; 5]), Err(TooManyAxes(5)));
    }

    #[test]
    fn broadcasting_matches_axes_from_the_last_on() {
        let broadcast = |a: &[usize], b: &[usize]| dims(a).broadcast(dims(b)).map(|both| both.to_string());
        assert_eq!(broadcast(&[2, 3, 4, 5], &[3, 1, 1]).as_deref(), Some("(2, 3, 4, 5)"));
        assert_eq!(broadcast(&[5, 1, 2], &[7, 1]).as_deref(), Some("(5, 7, 2)"));
        assert_eq!(broadcast(&[0, 1, 2], &[1, 7, 1]).as_deref(), Some("(0, 7, 2)"));
        assert_eq!(broadcast(&[2, 3], &[2, 1, 4]), None);
        assert_eq!(broadcast(&[3], &[2, 3]).as_deref(), Some("(2, 3)"));
        assert_eq!(broadcast(&[3], &[]).as_deref(), Some("(3,)"));
        assert_eq!(broadcast(&[], &[]).as_deref(), Some("()"));
        assert_eq!(broadcast(&[2], &[2, 3]), None, "a vector is no column");
    }
}
