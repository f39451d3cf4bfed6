//! out = ⌊operand / 2^bits⌋ of signed elements.

use super::level::simd;
use super::view::{View, ViewMut, elementwise};
use super::workers::Workers;
use crate::ring::Element;

pub(super) fn run<E: Element>(workers: &Workers, out: ViewMut<'_, E>, operand: View<'_, E>, bits: u32) {
    let level = workers.level();
    elementwise(workers, out, [operand], |out, [operand]| shift(level, out, operand, bits));
}

simd! {
    fn shift<E: Element>(out: &mut [E], operand: &[E], bits: u32) {
        for (out, &x) in out.iter_mut().zip(operand) {
            *out = x.shift_signed(bits);
        }
    }
}
