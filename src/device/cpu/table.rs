//! The dealer's half of a table: out ⊕= [digit ≥ v] for v = 1, 2, …, digit by digit.

use super::level::simd;
use super::slices::{LANES, Planes, Strip, Words, all, digit_planes, load, store, strips, xor, zip};
use super::view::{View, ViewMut};
use super::workers::Workers;
use crate::ring::Element;
use crate::step::bits::digits;

pub(super) fn run<E: Element>(
    workers: &Workers,
    out: ViewMut<'_, E>,
    mask: View<'_, E>,
    bits: u32,
    top: bool,
) {
    let (level, width) = (workers.level(), out.shape.cols);
    workers.each(strips(workers, out), |strip| table(level, strip, mask, width, bits, top));
}

simd! {
    fn table<E: Element>(strip: Strip<'_, E>, mask: View<'_, E>, width: usize, bits: u32, top: bool) {
        let mut rows = strip.rows;
        for at in (0..strip.len).step_by(LANES) {
            let planes = Planes::of(mask, width, strip.start + at, |element| element);
            let mut row = 0;
            for digit in 0..digits(bits) {
                let of_digit = planes.digit(digit, bits);
                for value in 1..=digit_planes(digit, bits) {
                    let corrected = xor(load(rows[row], at), at_least(of_digit, value));
                    store(rows[row], at, corrected);
                    row += 1;
                }
            }
            if top {
                let corrected = xor(load(rows[row], at), planes.bit(bits));
                store(rows[row], at, corrected);
            }
        }
    }
}

/// Whether the digit is at least `value`, from its least significant bit on: a bit decides where it differs from the
/// value's, otherwise what is below it does.
#[inline(always)]
fn at_least<E: Element, const N: usize>(digit: [Words<E>; N], value: u32) -> Words<E> {
    let mut result = all(true);
    for (index, bit) in digit.into_iter().enumerate() {
        result = zip(bit, result, if value >> index & 1 == 1 { E::and } else { E::or });
    }
    result
}
