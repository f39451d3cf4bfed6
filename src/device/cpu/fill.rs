//! The generator's bytes as elements, split over threads at block boundaries.

use super::chacha::{self, MOST_LANES};
use super::view::ViewMut;
use super::workers::Workers;
use crate::ring::Element;
use crate::ring::prg::{BLOCK_BYTES, PrgKey};

/// How many times the cost of a copy a drawn element is, roughly: small fills are worth splitting.
const COST: usize = 4;

pub(super) fn run<E: Element>(workers: &Workers, out: ViewMut<'_, E>, key: &PrgKey, stream: u64, block: u64) {
    let unit = BLOCK_BYTES / size_of::<E>();
    workers.split(out.elements, MOST_LANES * unit, COST, |start, piece| {
        let block = block.wrapping_add((start / unit) as u64);
        chacha::fill(workers.level(), key, stream, block, bytemuck::cast_slice_mut(piece));
        to_native(piece);
    });
}

/// The stream is little-endian words wherever it is read.
fn to_native<E: Element>(piece: &mut [E]) {
    if cfg!(target_endian = "big") {
        for element in piece {
            bytemuck::bytes_of_mut(element).reverse();
        }
    }
}
