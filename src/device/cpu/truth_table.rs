//! The dealer's half of a truth table: out ⊕= [digit ≥ v] for v = 1, 2, …, digit by digit.

use super::level::simd;
use super::slices::{LANES, Planes, Strip, Words, all, and, digit_planes, load, or, store, strips, xor};
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
    workers.each(strips(workers, out), |strip| truth_table(level, strip, mask, width, bits, top));
}

simd! {
    fn truth_table<E: Element>(strip: Strip<'_, E>, mask: View<'_, E>, width: usize, bits: u32, top: bool) {
        let mut rows = strip.rows;
        for at in (0..strip.len).step_by(LANES) {
            let planes = Planes::of(mask, width, strip.start + at, |element| element);
            let mut row = 0;
            for digit in 0..digits(bits) {
                let of_digit = planes.digit(digit, bits);
                let at_least = Thermometer::new(of_digit);
                for value in 1..=digit_planes(digit, bits) {
                    let corrected = xor(load(rows[row], at), at_least.of(value));
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

/// Whether digits are at least some value: digits of four bits are two of base four.
struct Thermometer<E> {
    /// Whether the lower one is at least 0, 1, 2 and 3.
    low: [Words<E>; 4],
    /// Whether the higher one is at least 0, 1, 2, 3 and 4.
    high: [Words<E>; 5],
}

impl<E: Element> Thermometer<E> {
    #[inline(always)]
    fn new([b0, b1, b2, b3]: [Words<E>; 4]) -> Thermometer<E> {
        let low = [all(true), or(b0, b1), b1, and(b0, b1)];
        Thermometer { low, high: [all(true), or(b2, b3), b3, and(b2, b3), all(false)] }
    }

    /// Whether the digit is at least `value`: either its higher half exceeds that of the value, or it is no less and its
    /// lower half is no less.
    #[inline(always)]
    fn of(&self, value: u32) -> Words<E> {
        let (high, low) = (value as usize / 4, value as usize % 4);
        or(self.high[high + 1], and(self.high[high], self.low[low]))
    }
}
