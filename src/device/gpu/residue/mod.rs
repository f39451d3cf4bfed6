//! Exact products of ring matrices on matrix units, which know no integers: by residues modulo small coprime numbers.
//!
//! A residue is an integer of magnitude 128 and a few, which f16 holds, or of at most 128, which a byte holds; products of
//! residues add up exactly in f32 or i32; and as many moduli as [`moduli::count`] says determine the product of the matrices as an integer, and with it its
//! elements modulo 2^k. [`moduli`] has the arithmetic, [`blocking`] cuts a product to the memory set aside here, and
//! `dispatch/residue.rs` makes dispatches of it. Residues of operands stay where they are until others need the room, so
//! that those of weights are made once: [`panels`] knows which are there.

pub mod blocking;
pub mod moduli;
pub mod panels;
mod self_test;

pub use self_test::self_test;

use super::dispatch::Span;
use super::matrix_tile::MatrixTile;
use crate::ring::Ring;
use blocking::{MOST_USED_BYTES, Room};
use panels::Panels;
use serde::Serialize;
use std::fmt;
use std::ops::Range;

/// Most memory for residues, those of weights that are kept included.
const MOST_BYTES: u64 = 1 << 30;

/// The least that is worth it: the smallest block of any tile, modulo one number.
const LEAST_BYTES: u64 = 2 << 20;

/// Offsets of constants are multiples of this, on every adapter.
const ALIGNMENT_BYTES: u64 = 256;

/// Bytes for residues within `budget_bytes`, if it has room for them: an eighth of it at most; without a budget what one
/// product makes use of. Each of their buffers has at most `buffer_bytes`.
pub fn scratch_bytes(budget_bytes: Option<u64>, buffer_bytes: u64) -> Option<u64> {
    let share = budget_bytes.map_or(MOST_USED_BYTES, |budget| budget / 8);
    let share = share.min(MOST_BYTES).min(buffer_bytes.max(MOST_USED_BYTES));
    (share >= LEAST_BYTES).then_some(share)
}

/// Memory and constants for products by residues. `B` names a buffer.
#[derive(Clone, Copy)]
pub struct Residues<B> {
    /// What the matrix units multiply.
    pub tile: MatrixTile,
    /// Whether products run here also where it does not pay.
    pub always: bool,
    /// What a product costs in multiples of the estimate, for 32 and 64 bits.
    pub cost: [f64; 2],
    /// The sizes of the buffers.
    pub room: Room,
    /// Residues of left matrices.
    pub left: B,
    /// Residues of right matrices.
    pub right: B,
    /// Their products.
    pub sums: B,
    /// The sums that wait for other moduli.
    pub partial: B,
    /// [`constants`]
    pub constants: B,
}

impl<B> Residues<B> {
    /// Empty panels of left and of right matrices.
    pub fn panels(&self) -> [Panels; 2] {
        [self.room.left_bytes, self.room.right_bytes + self.room.kept_bytes].map(Panels::new)
    }

    /// The same, with references to the buffers.
    pub fn as_ref(&self) -> Residues<&B> {
        let Residues { tile, always, cost, room, left, right, sums, partial, constants } = self;
        Residues {
            tile: *tile,
            always: *always,
            cost: *cost,
            room: *room,
            left,
            right,
            sums,
            partial,
            constants,
        }
    }
}

impl<B: Copy> Residues<B> {
    /// The moduli of a ring.
    pub fn table(&self, ring: Ring) -> Span<B> {
        let offset_bytes = match ring {
            Ring::Z32 => 0,
            Ring::Z64 => table_bytes(Ring::Z32).next_multiple_of(ALIGNMENT_BYTES),
        };
        Span { buffer: self.constants, offset_bytes, size_bytes: table_bytes(ring) }
    }

    /// Two tiles of the number that rounds what it is added to.
    pub fn rounding(&self) -> Span<B> {
        let tables = self.table(Ring::Z64);
        let offset_bytes = (tables.offset_bytes + tables.size_bytes).next_multiple_of(ALIGNMENT_BYTES);
        let size_bytes = (2 * self.tile.side().pow(2) * size_of::<f32>()) as u64;
        Span { buffer: self.constants, offset_bytes, size_bytes }
    }
}

impl Residues<wgpu::Buffer> {
    /// Allocates the buffers: as many bytes as [`Residues::size_bytes`] says.
    pub fn new(
        device: &wgpu::Device,
        tile: MatrixTile,
        always: bool,
        scratch_bytes: u64,
    ) -> Residues<wgpu::Buffer> {
        let room = Room::of(tile, scratch_bytes);
        let buffer = |label, size, mapped_at_creation| {
            // What it holds is wiped, the constants are not.
            let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST;
            device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(label),
                size,
                usage,
                mapped_at_creation,
            })
        };
        let content = constants(tile);
        let constants = buffer("constants of residues", content.len() as u64, true);
        // Without memory for it, the failure comes with the next call of the device.
        if let Ok(mut view) = constants.get_mapped_range_mut(..) {
            view.copy_from_slice(&content);
        }
        constants.unmap();
        Residues {
            tile,
            always,
            cost: [1.0; 2],
            room,
            left: buffer("left residues", room.left_bytes, false),
            right: buffer("right residues", room.right_bytes + room.kept_bytes, false),
            sums: buffer("products of residues", room.sums_bytes, false),
            partial: buffer("parts of products", room.partial_bytes, false),
            constants,
        }
    }

    /// The buffers that are made without content.
    pub fn buffers(&self) -> [&wgpu::Buffer; 4] {
        [&self.left, &self.right, &self.sums, &self.partial]
    }

    /// The parts of buffers that hold what depends on operands, but for panels of those that are there still.
    pub fn intermediates(&self, panels: &mut [Panels; 2]) -> Vec<Span<&wgpu::Buffer>> {
        let whole = [&self.sums, &self.partial];
        let mut spans =
            whole.map(|buffer| Span { buffer, offset_bytes: 0, size_bytes: buffer.size() }).to_vec();
        for (panels, buffer) in panels.iter_mut().zip([&self.left, &self.right]) {
            let span = |free: Range<u64>| Span {
                buffer,
                offset_bytes: free.start,
                size_bytes: free.end - free.start,
            };
            spans.extend(panels.release().into_iter().map(span));
        }
        spans
    }

    /// Bytes of all buffers.
    pub fn size_bytes(tile: MatrixTile, scratch_bytes: u64) -> u64 {
        Room::of(tile, scratch_bytes).total_bytes() + constants(tile).len() as u64
    }
}

fn table_bytes(ring: Ring) -> u64 {
    (moduli::count(ring) * size_of::<moduli::Modulus>()) as u64
}

/// Both rings' moduli, and two tiles of the number that rounds.
fn constants(tile: MatrixTile) -> Vec<u8> {
    let places = Residues {
        tile,
        always: false,
        cost: [1.0; 2],
        room: Room::of(tile, 0),
        left: (),
        right: (),
        sums: (),
        partial: (),
        constants: (),
    };
    let rounding = places.rounding();
    let mut bytes = vec![0; (rounding.offset_bytes + rounding.size_bytes) as usize];
    let mut put = |span: Span<()>, content: &[u8]| {
        bytes[span.offset_bytes as usize..][..content.len()].copy_from_slice(content);
    };
    for ring in Ring::ALL {
        put(places.table(ring), bytemuck::cast_slice(&moduli::table(ring)));
    }
    put(rounding, bytemuck::cast_slice(&vec![moduli::ROUNDING; 2 * tile.side().pow(2)]));
    bytes
}

/// Whether a device computes products on matrix units, or why it does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MatrixUnitsState {
    /// It does, where it pays or always.
    On {
        /// The form that they multiply.
        tile: MatrixTile,
    },
    /// The adapter lists none that the shaders are written for.
    Lacking,
    /// They were not asked for, or the adapter is a software one.
    Unused,
    /// The budget has no room for residues.
    NoRoom,
    /// The driver refused or failed at a shader, for this reason.
    Refused {
        /// Its text.
        reason: String,
    },
    /// A product of the self-test was wrong.
    Wrong,
}

impl fmt::Display for MatrixUnitsState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MatrixUnitsState::On { tile } => {
                write!(f, "multiply tiles of {tile}, exact in a self-test")
            }
            MatrixUnitsState::Lacking => {
                f.write_str("none that multiply bytes and add in i32, or f16 and add in f32")
            }
            MatrixUnitsState::Unused => f.write_str("not used"),
            MatrixUnitsState::NoRoom => f.write_str("not used: the budget has no room for residues"),
            MatrixUnitsState::Refused { reason } => write!(f, "not used: the driver fails: {reason}"),
            MatrixUnitsState::Wrong => f.write_str("not used: a self-test gave wrong results"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_lie_where_they_are_bound() {
        for tile in MatrixTile::ALL {
            let constants = constants(tile);
            assert_eq!(constants.len() as u64, Residues::size_bytes(tile, 0));
            let rounding = 8 * tile.side().pow(2);
            let numbers: &[f32] = bytemuck::cast_slice(&constants[constants.len() - rounding..]);
            assert!(numbers.iter().all(|&number| number == moduli::ROUNDING));
        }
    }

    #[test]
    fn residues_take_an_eighth_of_a_budget_or_nothing() {
        let most = u64::MAX;
        assert_eq!(scratch_bytes(None, most), Some(MOST_USED_BYTES));
        assert_eq!(scratch_bytes(Some(64 << 20), most), Some(8 << 20));
        assert_eq!(scratch_bytes(Some(8 << 20), most), None);
        assert_eq!(scratch_bytes(Some(80 << 30), most), Some(MOST_BYTES));
        assert_eq!(scratch_bytes(Some(80 << 30), 512 << 20), Some(512 << 20));
    }
}
