//! Shapes of matrices, and their axes.

use super::Ring;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The shape of a row-major matrix. A row vector has one row, a scalar is 1 × 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Shape {
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub cols: usize,
}

/// The axis of a sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Axis {
    /// Over the rows (axis 0): the result is one row of column sums.
    Rows,
    /// Over the columns (axis 1): the result is one column of row sums.
    Cols,
}

impl Shape {
    /// Matrices of more elements are refused: 2^36 of 8 bytes are 512 GiB. Sums of sizes then stay far from 2^64.
    pub const MOST_ELEMENTS: usize = 1 << 36;

    /// One value.
    pub const SCALAR: Shape = Shape { rows: 1, cols: 1 };

    /// `rows` × `cols`.
    pub const fn new(rows: usize, cols: usize) -> Shape {
        Shape { rows, cols }
    }

    /// Number of elements.
    ///
    /// # Panics
    /// Where the product leaves `usize`; programs refuse such shapes (see [`Shape::checked_len`]).
    pub const fn len(self) -> usize {
        match self.checked_len() {
            Some(len) => len,
            None => panic!("a shape with more elements than an address can name"),
        }
    }

    /// True where there are at most [`Shape::MOST_ELEMENTS`] elements.
    pub const fn is_bearable(self) -> bool {
        matches!(self.checked_len(), Some(len) if len <= Shape::MOST_ELEMENTS)
    }

    /// Number of elements, or `None` where it leaves `usize`.
    pub const fn checked_len(self) -> Option<usize> {
        self.rows.checked_mul(self.cols)
    }

    /// Bytes of a matrix of this shape.
    ///
    /// # Panics
    /// As [`Shape::len`].
    pub const fn size_bytes(self, ring: Ring) -> u64 {
        (self.len() * ring.element_bytes()) as u64
    }

    /// True where there is no element.
    pub const fn is_empty(self) -> bool {
        self.rows == 0 || self.cols == 0
    }

    /// Rows and columns exchanged.
    pub const fn transposed(self) -> Shape {
        Shape::new(self.cols, self.rows)
    }

    /// The shape of the sums over `axis`.
    pub const fn summed(self, axis: Axis) -> Shape {
        match axis {
            Axis::Rows => Shape::new(1, self.cols),
            Axis::Cols => Shape::new(self.rows, 1),
        }
    }

    /// The shape that `self` and `other` broadcast to as NumPy does: equal extents, or one of them 1.
    pub fn broadcast(self, other: Shape) -> Option<Shape> {
        fn extent(a: usize, b: usize) -> Option<usize> {
            match (a, b) {
                _ if a == b => Some(a),
                (1, b) => Some(b),
                (a, 1) => Some(a),
                _ => None,
            }
        }
        Some(Shape::new(extent(self.rows, other.rows)?, extent(self.cols, other.cols)?))
    }

    /// True where a matrix of this shape becomes one of shape `wider` by repeating rows or columns.
    pub fn broadcasts_to(self, wider: Shape) -> bool {
        self.broadcast(wider) == Some(wider)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({}, {})", self.rows, self.cols)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broadcasting_follows_numpy() {
        let full = Shape::new(3, 4);
        assert_eq!(full.broadcast(Shape::new(1, 4)), Some(full));
        assert_eq!(full.broadcast(Shape::new(3, 1)), Some(full));
        assert_eq!(full.broadcast(Shape::SCALAR), Some(full));
        assert_eq!(Shape::new(1, 4).broadcast(Shape::new(3, 1)), Some(full));
        assert_eq!(full.broadcast(Shape::new(4, 3)), None);
        assert_eq!(Shape::new(0, 4).broadcast(Shape::new(1, 4)), Some(Shape::new(0, 4)));
        assert!(!full.broadcasts_to(Shape::new(1, 4)));
    }
}
