//! out = factor · operand + mask_factor · F + constant, where F is drawn from the generator.
//!
//! F is drawn in pieces that stay in the first-level cache, so it never goes to memory. They are small, so that the
//! operand is read evenly: where long draws stand between long reads, the processor fetches nothing ahead.

use super::fill::{COST, Draw, unit};
use super::linear::pair;
use super::view::{View, ViewMut};
use super::workers::Workers;
use crate::ring::Element;

/// Elements that are drawn at a time: 1 or 2 KiB, whole vectors of blocks.
pub(super) const PIECE: usize = 256;

pub(super) fn run<E: Element>(
    workers: &Workers,
    out: ViewMut<'_, E>,
    (factor, operand): (E, View<'_, E>),
    (mask_factor, draw): (E, Draw<'_>),
    constant: E,
) {
    const { assert!(PIECE.is_multiple_of(unit::<E>())) };
    let level = workers.level();
    workers.split(out.elements, unit::<E>(), COST, |start, piece| {
        let mut drawn = [E::ZERO; PIECE];
        let operands = operand.elements[start..].chunks(PIECE);
        for (index, (out, operand)) in piece.chunks_mut(PIECE).zip(operands).enumerate() {
            let drawn = &mut drawn[..out.len()];
            draw.elements(level, start + index * PIECE, drawn);
            pair(level, out, (factor, &operand[..drawn.len()]), (mask_factor, drawn), constant);
        }
    });
}
