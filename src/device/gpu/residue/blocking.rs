//! How a product by residues is cut: into blocks of the result, chunks of the inner size and groups of moduli whose
//! residues fit the memory set aside for them, at the least estimated cost.

use super::moduli::{self, MOST_INNER};
use crate::device::gpu::MatrixTile;
use crate::ring::Ring;

/// Multiply-adds of f16 that matrix units are taken to do while the other units do one instruction: a third of what they
/// could on the largest GPUs. With bytes they do twice as many.
const MULTIPLY_ADDS: f64 = 10.0;

/// Instructions to compute one residue, to read an element, to add one residue's part of a result, to read and write
/// what waits between groups of moduli.
const SPLIT: f64 = 12.0;
const READ: f64 = 10.0;
const JOIN: f64 = 10.0;
const PARTIAL: f64 = 20.0;

/// Instructions that a large GPU could do while it waits between two dispatches that depend on each other.
const DISPATCH: f64 = 2e7;

/// Most memory that the stages of a product make use of. With bytes that is enough for blocks of 4096 by 2048 modulo all
/// numbers and 2048 of the inner size: a product of 4096³ then makes every residue once.
pub const MOST_USED_BYTES: u64 = 512 << 20;

/// Bytes of memory for the stages of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// For residues of the left matrix.
    pub left_bytes: u64,
    /// For residues of the right matrix.
    pub right_bytes: u64,
    /// For their products.
    pub sums_bytes: u64,
    /// For what waits for the other moduli.
    pub partial_bytes: u64,
    /// For residues of right matrices beside: weights, which later products need again.
    pub kept_bytes: u64,
}

impl Room {
    /// What `total_bytes` are divided into. With bytes, an element of the result takes 18 bytes for its sums, and none waits. With
    /// f16 it takes 24 for six sums and 16 to wait. What is left goes to the residues. What is more than one product makes
    /// use of keeps those of others.
    pub fn of(tile: MatrixTile, total_bytes: u64) -> Room {
        let used = total_bytes.min(MOST_USED_BYTES);
        // A binding has bytes, also where nothing waits.
        let (parts, least) = if tile.has_bytes() { ([3, 2, 4, 0], 256.min(used)) } else { ([2, 2, 3, 2], 0) };
        let part = (used - least) / 9 / 256 * 256;
        let [left_bytes, right_bytes, sums_bytes, partial_bytes] = parts.map(|parts| parts * part);
        Room {
            left_bytes,
            right_bytes,
            sums_bytes,
            partial_bytes: partial_bytes + least,
            kept_bytes: (total_bytes - used) / 256 * 256,
        }
    }

    /// All of it.
    pub fn total_bytes(self) -> u64 {
        self.left_bytes + self.right_bytes + self.sums_bytes + self.partial_bytes + self.kept_bytes
    }

    /// The part of it that a binding shows.
    fn within(self, binding_bytes: u64) -> Room {
        Room {
            left_bytes: self.left_bytes.min(binding_bytes),
            right_bytes: self.right_bytes.min(binding_bytes),
            sums_bytes: self.sums_bytes.min(binding_bytes),
            partial_bytes: self.partial_bytes.min(binding_bytes),
            kept_bytes: self.kept_bytes,
        }
    }
}

/// The parts that a product is computed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocking {
    /// Rows of a block of the result, in whole blocks of tiles.
    pub rows: usize,
    /// Columns of it, likewise.
    pub cols: usize,
    /// Inner elements of a chunk, in whole tiles.
    pub inner: usize,
    /// Moduli of a group.
    pub moduli: usize,
}

/// The cheapest way, if any, to compute an (m, k) × (k, n) product with tiles of this form, and its cost in
/// instructions. The inner size is in whole tiles.
pub fn cheapest(
    ring: Ring,
    (m, k, n): (usize, usize, usize),
    tile: MatrixTile,
    room: Room,
    binding_bytes: u64,
) -> Option<(Blocking, f64)> {
    let room = room.within(binding_bytes);
    let count = moduli::count(ring);
    // A side of a block, doubled until it covers the result.
    let sides = |side: usize, extent: usize| {
        let whole = extent.next_multiple_of(side);
        let doubled = (0..8).map(move |doubled| (doubled, (side << doubled).min(whole)));
        let is_new = move |&(doubled, _): &(u32, usize)| doubled == 0 || side << (doubled - 1) < whole;
        doubled.take_while(is_new)
    };
    let [high, wide] = tile.block();
    // Sums that are bytes are there for all moduli at once.
    let groups: &[usize] = if tile.has_bytes() { &[1] } else { &[1, 2, 3, 6, count] };
    let blocks = sides(high, m).flat_map(|rows| sides(wide, n).map(move |cols| (rows, cols)));
    let ways = blocks.flat_map(|((_, rows), (_, cols))| {
        groups.iter().flat_map(move |&groups| {
            (0..7).map(move |halved| Blocking {
                rows,
                cols,
                inner: (MOST_INNER >> halved).min(k),
                moduli: count.div_ceil(groups),
            })
        })
    });
    ways.filter(|way| way.fits(room, tile, count))
        .map(|way| (way, way.cost((m, k, n), tile, count)))
        .min_by(|a, b| a.1.total_cmp(&b.1))
}

/// The cost of the same product on the other units, in instructions.
pub fn scalar_cost(ring: Ring, (m, k, n): (usize, usize, usize)) -> f64 {
    let multiply_add = match ring {
        Ring::Z32 => 1.0,
        Ring::Z64 => 4.0,
    };
    m as f64 * k as f64 * n as f64 * multiply_add + DISPATCH
}

impl Blocking {
    fn fits(self, room: Room, tile: MatrixTile, count: usize) -> bool {
        let residues = tile.residue_bytes() * self.moduli;
        let bytes = |outer: usize, inner: usize, width: usize| (outer * inner * width) as u64;
        bytes(self.rows, self.inner, residues) <= room.left_bytes
            && bytes(self.cols, self.inner, residues) <= room.right_bytes
            && bytes(self.rows, self.cols, tile.sum_bytes() * self.moduli) <= room.sums_bytes
            && (self.moduli == count || bytes(self.rows, self.cols, 16) <= room.partial_bytes)
    }

    fn cost(self, (m, k, n): (usize, usize, usize), tile: MatrixTile, count: usize) -> f64 {
        let [high, wide] = tile.block();
        let rate = if tile.has_bytes() { 2.0 * MULTIPLY_ADDS } else { MULTIPLY_ADDS };
        let product = |factors: [usize; 3]| factors.into_iter().map(|factor| factor as f64).product::<f64>();
        let (down, across) = (m.div_ceil(self.rows), n.div_ceil(self.cols));
        let (chunks, groups) = (k.div_ceil(self.inner), count.div_ceil(self.moduli));
        let padded = [m.next_multiple_of(high), k, n.next_multiple_of(wide)];
        let multiply_adds = product(padded) * count as f64 / rate;
        // Residues of the left matrix are there for all blocks of a row where they are there for all moduli.
        let left = product([m, k, if groups == 1 { 1 } else { across }]);
        let splits = (left + product([k, n, down])) * (SPLIT * count as f64 + READ * groups as f64);
        let joins = product([m, n, chunks]) * (JOIN * count as f64 + PARTIAL * groups as f64);
        let dispatches = product([down * across, chunks, 4 * groups]);
        multiply_adds + splits + joins + dispatches * DISPATCH
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: u64 = 288 << 20;

    #[test]
    fn large_products_pay_and_small_ones_do_not() {
        let pays = |ring, tile, size| {
            let cheapest = cheapest(ring, size, tile, Room::of(tile, ROOM), 2 << 30);
            cheapest.is_some_and(|(_, cost)| cost < scalar_cost(ring, size))
        };
        let (bytes, f16) = (MatrixTile::Int8Side16, MatrixTile::F16Side16);
        for (ring, tile) in [(Ring::Z32, bytes), (Ring::Z64, bytes), (Ring::Z64, f16)] {
            for size in [(4096, 4096, 4096), (2048, 8192, 2048)] {
                assert!(pays(ring, tile, size), "{ring:?} {tile} {size:?}");
            }
            for size in [(64, 64, 64), (1, 4096, 4096), (4096, 16, 4096)] {
                assert!(!pays(ring, tile, size), "{ring:?} {tile} {size:?}");
            }
        }
    }

    #[test]
    fn every_part_fits_its_room() {
        for (tile, total_bytes) in
            MatrixTile::ALL.into_iter().flat_map(|tile| [ROOM, 16 << 20, 2 << 20].map(|bytes| (tile, bytes)))
        {
            for size in [(1, 64, 1), (100, 99_968, 3), (4096, 4096, 4096), (65, 1024, 70_000)] {
                let room = Room::of(tile, total_bytes);
                let (way, _) = cheapest(Ring::Z64, size, tile, room, 2 << 30).expect("one block fits");
                assert!(way.fits(room, tile, 18), "{way:?}");
                let [high, wide] = tile.block();
                assert!(way.rows % high == 0 && way.cols % wide == 0);
                assert!(way.inner % tile.panel_tile().1 == 0 && way.inner <= MOST_INNER);
            }
            assert_eq!(cheapest(Ring::Z64, (64, 512, 64), tile, Room::of(tile, 1 << 10), 2 << 30), None);
            assert_eq!(cheapest(Ring::Z64, (64, 512, 64), tile, Room::of(tile, ROOM), 4096), None);
        }
    }
}
