//! What matrix units multiply: the forms that products by residues are written for.

use serde::Serialize;
use std::fmt;

/// Square tiles of sums, and what they are sums of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MatrixTile {
    /// 16 by 16 sums in i32 of products of bytes, 32 at a time, on subgroups of 32 threads.
    Int8Side16,
    /// 16 by 16 sums in f32 of products of f16, 16 at a time.
    F16Side16,
    /// 8 by 8 sums in i32 of products of bytes, 8 at a time, on subgroups of 8 threads.
    Int8Side8,
    /// 8 by 8 sums in f32 of products of f16, 8 at a time.
    F16Side8,
}

impl MatrixTile {
    /// All forms, those that are faster where an adapter has several first.
    pub const ALL: [MatrixTile; 4] =
        [MatrixTile::Int8Side16, MatrixTile::F16Side16, MatrixTile::Int8Side8, MatrixTile::F16Side8];

    /// Rows and columns of a tile of sums.
    pub const fn side(self) -> usize {
        match self {
            MatrixTile::Int8Side16 | MatrixTile::F16Side16 => 16,
            MatrixTile::Int8Side8 | MatrixTile::F16Side8 => 8,
        }
    }

    /// The inner size of what is multiplied at a time.
    pub const fn inner(self) -> usize {
        match self {
            MatrixTile::Int8Side16 => 32,
            MatrixTile::F16Side16 => 16,
            MatrixTile::Int8Side8 | MatrixTile::F16Side8 => 8,
        }
    }

    /// Whether bytes are multiplied; otherwise f16.
    pub const fn has_bytes(self) -> bool {
        matches!(self, MatrixTile::Int8Side16 | MatrixTile::Int8Side8)
    }

    /// The threads that a subgroup has to have, where the shader counts on it.
    pub(super) const fn subgroup(self) -> Option<u32> {
        match self {
            MatrixTile::Int8Side16 => Some(32),
            MatrixTile::Int8Side8 => Some(8),
            MatrixTile::F16Side16 | MatrixTile::F16Side8 => None,
        }
    }

    /// Memory that the threads of a workgroup share, where it is more than every adapter has: two steps of three tiles of a
    /// panel, with sixteen bytes more in each row.
    pub(super) const fn workgroup_bytes(self) -> u32 {
        let (rows, depth) = self.panel_tile();
        if self.has_bytes() { (2 * 3 * rows * (depth + 16)) as u32 } else { 0 }
    }

    /// The threads of a workgroup that multiplies.
    pub(super) const fn threads(self) -> u32 {
        match self {
            MatrixTile::Int8Side16 => 256,
            MatrixTile::Int8Side8 => 64,
            MatrixTile::F16Side16 | MatrixTile::F16Side8 => 128,
        }
    }

    /// Bytes of a residue.
    pub(super) const fn residue_bytes(self) -> usize {
        if self.has_bytes() { 1 } else { 2 }
    }

    /// Bytes of a sum of their products.
    pub(super) const fn sum_bytes(self) -> usize {
        if self.has_bytes() { 1 } else { 4 }
    }

    /// Rows, and inner elements, of the tiles that panels of residues are laid out in.
    pub(super) const fn panel_tile(self) -> (usize, usize) {
        match self {
            MatrixTile::Int8Side16 => (128, 32),
            MatrixTile::Int8Side8 => (64, 32),
            MatrixTile::F16Side16 | MatrixTile::F16Side8 => (self.side(), self.side()),
        }
    }

    /// Rows, and columns, of the blocks that a result is computed in.
    pub(super) const fn block(self) -> [usize; 2] {
        let (rows, _) = self.panel_tile();
        if self.has_bytes() { [2 * rows, rows] } else { [4 * rows; 2] }
    }
}

impl fmt::Display for MatrixTile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (side, of) = (self.side(), if self.has_bytes() { "int8" } else { "f16" });
        write!(f, "{side} by {side} in {of}")
    }
}
