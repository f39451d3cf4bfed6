//! out = the low bits of each element, one element behind the other.
//!
//! k elements fill as many words as each has bits: such groups are packed apart, and shared out among threads.

use super::level::simd;
use super::view::{View, ViewMut};
use super::workers::Workers;
use crate::ring::Element;

pub(super) fn run<E: Element>(workers: &Workers, out: ViewMut<'_, E>, operand: View<'_, E>, width: u32) {
    let (level, group) = (workers.level(), width as usize);
    workers.split(out.elements, group, 2, |start, piece| {
        let first = start / group * E::RING.bits() as usize;
        pack(level, piece, &operand.elements[first..], width);
    });
}

simd! {
    fn pack<E: Element>(out: &mut [E], operand: &[E], width: u32) {
        let k = E::RING.bits();
        let low = E::ZERO.not().shr(k - width);
        for (words, elements) in out.chunks_mut(width as usize).zip(operand.chunks(k as usize)) {
            let (mut word, mut filled, mut at) = (E::ZERO, 0, 0);
            for element in elements.iter().map(|element| element.and(low)) {
                word = word.or(element.shl(filled));
                filled += width;
                if filled >= k {
                    words[at] = word;
                    at += 1;
                    filled -= k;
                    // As many bits of the element did not fit.
                    word = if filled > 0 { element.shr(width - filled) } else { E::ZERO };
                }
            }
            if filled > 0 {
                words[at] = word;
            }
        }
    }
}
