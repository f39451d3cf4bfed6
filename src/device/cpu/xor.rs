//! out = left ⊕ right, and every bit negated with `flip`.

use super::level::simd;
use super::view::{View, ViewMut, elementwise};
use super::workers::Workers;
use crate::ring::Element;

pub(super) fn run<E: Element>(
    workers: &Workers,
    out: ViewMut<'_, E>,
    operands: [View<'_, E>; 2],
    flip: bool,
) {
    let (level, flip) = (workers.level(), if flip { E::ZERO.not() } else { E::ZERO });
    elementwise(workers, out, operands, |out, [left, right]| xor(level, out, left, right, flip));
}

simd! {
    fn xor<E: Element>(out: &mut [E], left: &[E], right: &[E], flip: E) {
        for ((out, &x), &y) in out.iter_mut().zip(left).zip(right) {
            *out = x.xor(y).xor(flip);
        }
    }
}
