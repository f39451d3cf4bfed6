//! The generator's bytes as elements, split over threads at block boundaries.

use super::SimdLevel;
use super::chacha::{self, MOST_LANES};
use super::view::ViewMut;
use super::workers::Workers;
use crate::ring::Element;
use crate::ring::prg::{BLOCK_BYTES, PrgKey};

/// How many times the cost of a copy a drawn element is, roughly: small fills are worth splitting.
pub(super) const COST: usize = 4;

/// The drawn elements.
#[derive(Clone, Copy)]
pub(super) struct Draw<'a> {
    pub(super) key: &'a PrgKey,
    pub(super) stream: u64,
    /// Where the first element is.
    pub(super) block: u64,
}

impl Draw<'_> {
    /// Writes the elements from place `start` on, a multiple of [`unit`].
    pub(super) fn elements<E: Element>(&self, level: SimdLevel, start: usize, out: &mut [E]) {
        let block = self.block.wrapping_add((start * size_of::<E>() / BLOCK_BYTES) as u64);
        chacha::fill(level, self.key, self.stream, block, bytemuck::cast_slice_mut(out));
        to_native(out);
    }
}

/// Elements of as many blocks as are made at a time.
pub(super) const fn unit<E>() -> usize {
    MOST_LANES * BLOCK_BYTES / size_of::<E>()
}

pub(super) fn run<E: Element>(workers: &Workers, out: ViewMut<'_, E>, draw: Draw<'_>) {
    workers.split(out.elements, unit::<E>(), COST, |start, piece| {
        draw.elements(workers.level(), start, piece);
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
