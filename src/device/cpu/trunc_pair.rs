//! The dealer's half of a truncation pair, in place: with r = (mask₀ + mask₁) mod 2^w,
//! top = (r ≫ (w−1)) − top and high = ((r mod 2^(w−1)) ≫ bits) − high.

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
    (bits, width): (u32, u32),
) {
    let outputs = top.elements.chunks_mut(PIECE).zip(high.elements.chunks_mut(PIECE));
    let inputs = masks[0].elements.chunks(PIECE).zip(masks[1].elements.chunks(PIECE));
    let level = workers.level();
    workers.each(outputs.zip(inputs).collect(), |((top, high), (first, second))| {
        correct(level, top, high, first, second, bits, width);
    });
}

simd! {
    fn correct<E: Element>(
        top: &mut [E], high: &mut [E], first: &[E], second: &[E], bits: u32, width: u32,
    ) {
        // So far to the left, and back to the right, drops the top bit and what lies above it.
        let above = E::RING.bits() - width + 1;
        let outputs = top.iter_mut().zip(high);
        for ((top, high), (&first, &second)) in outputs.zip(first.iter().zip(second)) {
            let r = first.add(second);
            *top = r.shr(width - 1).and(E::ONE).sub(*top);
            *high = r.shl(above).shr(bits + above).sub(*high);
        }
    }
}
