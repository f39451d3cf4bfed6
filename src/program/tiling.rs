//! The tiles of a program's matrices.
//!
//! A value is a grid of tiles, each a matrix of its own, so that a tile can be opened, multiplied, truncated and sent
//! while others are not there yet. The cut of an axis depends on its extent alone: axes that meet in an op that
//! computes have the same extent, or one of them is 1, so their tiles always fit; only ops that move elements put tiles
//! together from parts of others.

use super::Program;
use crate::ring::Shape;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The side of a square tile, in elements: what a plan is asked to cut into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TileSide(pub usize);

impl TileSide {
    /// Matrices stay whole.
    pub const WHOLE: TileSide = TileSide(usize::MAX);

    /// The least side worth asking for: below it a kernel's and a frame's own costs show.
    pub const LEAST: TileSide = TileSide(64);
}

/// The cut of every extent that a program's values have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tiling {
    /// For each extent, how long a tile is along it.
    lengths: BTreeMap<usize, usize>,
}

/// A value's tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    shape: Shape,
    tile: Shape,
}

impl Tiling {
    /// The cuts of `program` into tiles of about `side` × `side` elements. Along an axis whose partner is shorter than
    /// a side, in every matrix that has it, tiles are longer in return.
    pub fn new(program: &Program, side: TileSide) -> Tiling {
        let side = side.0.max(1);
        let mut lengths: BTreeMap<usize, usize> = BTreeMap::new();
        for value in program.values() {
            let Shape { rows, cols } = value.shape;
            for (extent, across) in [(rows, cols), (cols, rows)] {
                let length = side.saturating_mul(side / across.clamp(1, side));
                let least = lengths.entry(extent).or_insert(usize::MAX);
                *least = length.min(*least);
            }
        }
        Tiling { lengths }
    }

    /// The tiles of a matrix of this shape, which one of the program's values has.
    pub fn grid(&self, shape: Shape) -> Grid {
        let length = |extent: usize| {
            let length = self.lengths.get(&extent).copied().unwrap_or(usize::MAX);
            // Equal tiles, rather than full ones and a sliver.
            let count = extent.div_ceil(length).max(1);
            extent.div_ceil(count).max(1)
        };
        Grid { shape, tile: Shape::new(length(shape.rows), length(shape.cols)) }
    }
}

impl Grid {
    /// The numbers of rows and columns of tiles; at least one of each, also where there is no element.
    pub fn extent(self) -> (usize, usize) {
        let count = |extent: usize, length: usize| extent.div_ceil(length).max(1);
        (count(self.shape.rows, self.tile.rows), count(self.shape.cols, self.tile.cols))
    }

    /// The number of tiles.
    pub fn len(self) -> usize {
        self.extent().0 * self.extent().1
    }

    /// Never: a grid has at least one tile.
    pub const fn is_empty(self) -> bool {
        false
    }

    /// The shape of the tile at (row, col) of the grid.
    pub fn shape(self, (row, col): (usize, usize)) -> Shape {
        let length = |extent: usize, length: usize, index: usize| length.min(extent - index * length);
        Shape::new(length(self.shape.rows, self.tile.rows, row), length(self.shape.cols, self.tile.cols, col))
    }

    /// The row and column of the matrix at which the tile at (row, col) of the grid begins.
    pub fn origin(self, (row, col): (usize, usize)) -> (usize, usize) {
        (row * self.tile.rows, col * self.tile.cols)
    }

    /// The position of a tile among all, row by row.
    pub fn index(self, (row, col): (usize, usize)) -> usize {
        row * self.extent().1 + col
    }

    /// All tiles, row by row.
    pub fn tiles(self) -> impl Iterator<Item = (usize, usize)> {
        let (rows, cols) = self.extent();
        (0..rows).flat_map(move |row| (0..cols).map(move |col| (row, col)))
    }

    /// All tiles, in growing squares from the first: the s-th square needs one more row of tiles and one more column
    /// than the one before, so that a product can work on ever more tiles while its operands arrive row by row and
    /// column by column.
    pub fn growing(self) -> impl Iterator<Item = (usize, usize)> {
        let (rows, cols) = self.extent();
        (0..rows.max(cols)).flat_map(move |side| {
            let row = (0..cols.min(side + 1)).map(move |col| (side, col)).filter(move |_| side < rows);
            let column = (0..rows.min(side)).map(move |row| (row, side)).filter(move |_| side < cols);
            row.chain(column)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::{FixedPoint, Ring};
    use crate::share::PartyId;
    use std::collections::BTreeSet;

    fn tiling(shapes: &[(usize, usize)], side: usize) -> Tiling {
        let mut program = Program::new(2, FixedPoint::new(Ring::Z64, 0).unwrap());
        for (index, &(rows, cols)) in shapes.iter().enumerate() {
            program.input(&format!("i{index}"), PartyId(0), Shape::new(rows, cols), None).unwrap();
        }
        Tiling::new(&program, TileSide(side))
    }

    #[test]
    fn axes_of_one_extent_are_cut_alike() {
        let tiling = tiling(&[(1000, 300), (300, 40)], 128);
        let (left, right) = (tiling.grid(Shape::new(1000, 300)), tiling.grid(Shape::new(300, 40)));
        assert_eq!(left.extent(), (8, 3));
        assert_eq!(left.extent().1, right.extent().0, "the inner extent");
        assert_eq!(left.shape((7, 2)), Shape::new(125, 100));
        assert_eq!(left.origin((7, 2)), (875, 200));
    }

    #[test]
    fn long_vectors_have_long_tiles() {
        let vector = Shape::new(1, 1_000_000);
        assert_eq!(tiling(&[(1, 1_000_000)], 256).grid(vector).extent(), (1, 16));
        let with_matrix = tiling(&[(1, 1_000_000), (512, 1_000_000)], 256);
        assert_eq!(with_matrix.grid(vector).extent(), (1, 3907), "a matrix of the same extent sets the cut");
    }

    #[test]
    fn every_tile_comes_once_in_growing_squares() {
        for (rows, cols) in [(1, 1), (3, 3), (2, 5), (4, 1), (0, 7)] {
            let grid = tiling(&[(rows * 64, cols * 64)], 64).grid(Shape::new(rows * 64, cols * 64));
            let tiles: Vec<_> = grid.growing().collect();
            assert_eq!(tiles.len(), grid.len(), "{rows} by {cols}");
            assert_eq!(tiles.iter().collect::<BTreeSet<_>>().len(), tiles.len());
            let elements: usize = tiles.iter().map(|&tile| grid.shape(tile).len()).sum();
            assert_eq!(elements, rows * cols * 64 * 64);
            let side = |&(row, col): &(usize, usize)| row.max(col);
            assert!(tiles.is_sorted_by_key(side), "squares grow");
        }
    }
}
