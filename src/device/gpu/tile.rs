//! The tiles of a matrix product on scalar units: the overrides of `gemm.wgsl`.

use serde::{Deserialize, Serialize};

/// Threads of a workgroup.
pub const THREADS: usize = 256;

/// Bytes of workgroup memory that every adapter has.
pub const WORKGROUP_BYTES: usize = 16 << 10;

/// The part of a result that a workgroup computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GemmTile {
    /// Threads along a row of it.
    pub threads_across: u32,
    /// Blocks of 4 by 4 elements that a thread computes, down and across: 1 by 1, 2 by 1, or 2 by 2.
    pub blocks: [u32; 2],
    /// Inner elements that lie in workgroup memory at a time.
    pub inner: u32,
}

impl GemmTile {
    /// A square tile where the blocks are as many down as across, otherwise twice as tall as wide.
    pub const fn of_blocks(blocks: [u32; 2], inner: u32) -> GemmTile {
        GemmTile { threads_across: 16, blocks, inner }
    }

    /// A tile of 256 rows, for a result of few columns, of elements of so many bytes.
    pub const fn narrow(element_bytes: usize) -> GemmTile {
        GemmTile { threads_across: 4, blocks: [1, 1], inner: 16 / element_bytes as u32 }
    }

    /// A tile of 256 columns, for a result of few rows.
    pub const fn flat(element_bytes: usize) -> GemmTile {
        GemmTile { threads_across: 64, ..GemmTile::narrow(element_bytes) }
    }

    /// Its rows.
    pub const fn rows(self) -> usize {
        4 * self.blocks[0] as usize * THREADS / self.threads_across as usize
    }

    /// Its columns.
    pub const fn cols(self) -> usize {
        4 * (self.blocks[1] * self.threads_across) as usize
    }

    /// Tiles of a result of some rows and columns.
    pub const fn count(self, rows: usize, cols: usize) -> usize {
        rows.div_ceil(self.rows()) * cols.div_ceil(self.cols())
    }

    /// Bytes of workgroup memory that both operands take, twice.
    pub const fn workgroup_bytes(self, element_bytes: usize) -> usize {
        2 * self.inner as usize * (self.rows() + self.cols()) * element_bytes
    }

    /// Whether the shader can compute it: each thread fetches four elements of each operand at most.
    pub fn is_sound(self, element_bytes: usize) -> bool {
        matches!(self.threads_across, 4 | 16 | 64)
            && matches!(self.blocks, [1, 1] | [2, 1] | [2, 2])
            && (1..=64).contains(&self.inner)
            && self.inner as usize * self.rows().max(self.cols()) <= 4 * THREADS
            && self.workgroup_bytes(element_bytes) <= WORKGROUP_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_tiles_are_sound() {
        for element_bytes in [4, 8] {
            let (narrow, flat) = (GemmTile::narrow(element_bytes), GemmTile::flat(element_bytes));
            assert_eq!([narrow, flat].map(|tile| (tile.rows(), tile.cols())), [(256, 16), (16, 256)]);
            assert!(narrow.is_sound(element_bytes) && flat.is_sound(element_bytes));
        }
        assert!(!GemmTile { inner: 1 << 30, ..GemmTile::narrow(4) }.is_sound(4));
    }
}
