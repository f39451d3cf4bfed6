//! out = (left ∧ right) ⊕ addend.

use super::level::simd;
use super::view::{View, ViewMut, elementwise};
use super::workers::Workers;
use crate::ring::Element;

pub(super) fn run<E: Element>(workers: &Workers, out: ViewMut<'_, E>, operands: [View<'_, E>; 3]) {
    let level = workers.level();
    elementwise(workers, out, operands, |out, [left, right, addend]| and(level, out, left, right, addend));
}

simd! {
    fn and<E: Element>(out: &mut [E], left: &[E], right: &[E], addend: &[E]) {
        for ((out, &x), (&y, &z)) in out.iter_mut().zip(left).zip(right.iter().zip(addend)) {
            *out = x.and(y).xor(z);
        }
    }
}
