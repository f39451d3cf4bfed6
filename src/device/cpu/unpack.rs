//! out (+)= the elements that were packed; see [`super::pack`].

use super::level::simd;
use super::view::{View, ViewMut};
use super::workers::Workers;
use crate::ring::Element;

pub(super) fn run<E: Element>(
    workers: &Workers,
    out: ViewMut<'_, E>,
    operand: View<'_, E>,
    width: u32,
    accumulate: bool,
) {
    let (level, group) = (workers.level(), E::RING.bits() as usize);
    let kept = if accumulate { E::ZERO.not() } else { E::ZERO };
    workers.split(out.elements, group, 1, |start, piece| {
        let first = start / group * width as usize;
        unpack(level, piece, &operand.elements[first..], width, kept);
    });
}

simd! {
    fn unpack<E: Element>(out: &mut [E], operand: &[E], width: u32, kept: E) {
        let k = E::RING.bits();
        let low = E::ZERO.not().shr(k - width);
        for (elements, words) in out.chunks_mut(k as usize).zip(operand.chunks(width as usize)) {
            let (mut at, mut read) = (0, 0);
            for element in elements {
                let mut value = words[at].shr(read);
                read += width;
                if read >= k {
                    at += 1;
                    read -= k;
                    // As many bits are in the next word.
                    if read > 0 {
                        value = value.or(words[at].shl(width - read));
                    }
                }
                *element = element.and(kept).add(value.and(low));
            }
        }
    }
}
