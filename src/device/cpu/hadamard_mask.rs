//! out = Σ left ∘ right + F, elementwise, one or two pairs, where F is drawn from the generator.
//!
//! F is drawn in pieces that stay in the first-level cache until the products are added, as in [`super::mask`].

use super::fill::{COST, Draw, unit};
use super::hadamard::{add_one, add_two};
use super::mask::PIECE;
use super::view::{View, ViewMut};
use super::workers::Workers;
use crate::ring::Element;

pub(super) fn run<'a, E: Element>(
    workers: &Workers,
    out: ViewMut<'_, E>,
    terms: &[(View<'a, E>, View<'a, E>)],
    draw: Draw<'_>,
) {
    let level = workers.level();
    workers.split(out.elements, unit::<E>(), COST, |start, piece| {
        for (index, out) in piece.chunks_mut(PIECE).enumerate() {
            let at = start + index * PIECE;
            draw.elements(level, at, out);
            let len = out.len();
            let part = |(left, right): (View<'a, E>, View<'a, E>)| {
                (&left.elements[at..at + len], &right.elements[at..at + len])
            };
            match *terms {
                [pair] => {
                    let (a, b) = part(pair);
                    add_one(level, out, a, b);
                }
                [first, second] => add_two(level, out, part(first), part(second)),
                _ => unreachable!("Kernel::check allows one or two terms"),
            }
        }
    });
}
