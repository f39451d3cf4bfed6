//! The dealer's half of a truncation pair, in place: with r = mask₀ + mask₁,
//! top = (r ≫ (k−1)) − top and high = ((r mod 2^(k−1)) ≫ bits) − high.

use super::level::simd;
use super::view::{View, ViewMut};
use super::workers::Workers;
use crate::ring::Element;

/// Elements per task: two outputs advance together, so they are cut by hand.
const PIECE: usize = 16 << 10;

pub(super) fn run<E: Element>(
    workers: &Workers,
    masks: [View<'_, E>; 2],
    top: ViewMut<'_, E>,
    high: ViewMut<'_, E>,
    bits: u32,
) {
    let outputs = top.elements.chunks_mut(PIECE).zip(high.elements.chunks_mut(PIECE));
    let inputs = masks[0].elements.chunks(PIECE).zip(masks[1].elements.chunks(PIECE));
    let level = workers.level();
    workers.each(outputs.zip(inputs).collect(), |((top, high), (first, second))| {
        correct(level, top, high, first, second, bits);
    });
}

simd! {
    fn correct<E: Element>(top: &mut [E], high: &mut [E], first: &[E], second: &[E], bits: u32) {
        let outputs = top.iter_mut().zip(high);
        for ((top, high), (&first, &second)) in outputs.zip(first.iter().zip(second)) {
            let r = first.add(second);
            *top = r.shr(E::RING.bits() - 1).sub(*top);
            // Left by one and right by one more drops the top bit.
            *high = r.shl(1).shr(bits + 1).sub(*high);
        }
    }
}
