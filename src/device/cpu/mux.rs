//! out (+)= bit · value + (1 − 2·bit) · hidden, without a branch: with m = −bit the terms are value ∧ m and
//! (hidden ⊕ m) − m.

use super::level::simd;
use super::view::{View, ViewMut};
use super::workers::Workers;
use crate::ring::Element;

/// Elements that are worked on at a time, where a constant stands in for a value.
const PIECE: usize = 512;

pub(super) fn run<E: Element>(
    workers: &Workers,
    out: ViewMut<'_, E>,
    bits: View<'_, E>,
    (value, constant): (Option<View<'_, E>>, E),
    hidden: Option<View<'_, E>>,
    accumulate: bool,
) {
    let (level, width) = (workers.level(), bits.elements.len());
    let (constants, zeros) = ([constant; PIECE], [E::ZERO; PIECE]);
    workers.split(out.elements, 8, 1, |start, piece| {
        let mut done = 0;
        while done < piece.len() {
            let at = start + done;
            let (lane, word) = (at / width, at % width);
            let len = PIECE.min(width - word).min(piece.len() - done);
            let out = &mut piece[done..done + len];
            let words = &bits.elements[word..word + len];
            let value = value.map_or(&constants[..len], |value| &value.elements[at..at + len]);
            let hidden = hidden.map_or(&zeros[..len], |hidden| &hidden.elements[at..at + len]);
            if accumulate {
                added(level, out, words, lane as u32, value, hidden);
            } else {
                chosen(level, out, words, lane as u32, value, hidden);
            }
            done += len;
        }
    });
}

#[inline(always)]
fn mux<E: Element>(word: E, lane: u32, value: E, hidden: E) -> E {
    let mask = E::ZERO.sub(word.shr(lane).and(E::ONE));
    value.and(mask).add(hidden.xor(mask).sub(mask))
}

simd! {
    fn chosen<E: Element>(out: &mut [E], bits: &[E], lane: u32, value: &[E], hidden: &[E]) {
        for ((out, &word), (&value, &hidden)) in out.iter_mut().zip(bits).zip(value.iter().zip(hidden)) {
            *out = mux(word, lane, value, hidden);
        }
    }

    fn added<E: Element>(out: &mut [E], bits: &[E], lane: u32, value: &[E], hidden: &[E]) {
        for ((out, &word), (&value, &hidden)) in out.iter_mut().zip(bits).zip(value.iter().zip(hidden)) {
            *out = out.add(mux(word, lane, value, hidden));
        }
    }
}
