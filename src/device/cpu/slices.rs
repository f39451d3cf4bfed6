//! Planes of bits (see [`crate::step::bits`]), some words of every plane at a time.
//!
//! The rows of an output are cut into strips of the same columns, one for a task; within a strip, kernels work on
//! [`Words`], which the compiler turns into vectors.

use super::view::{View, ViewMut};
use super::workers::Workers;
use crate::ring::Element;
use crate::step::bits::{DIGIT_BITS, DIGIT_PLANES};

/// Words that are worked on at a time: two of the widest vectors.
pub(super) const LANES: usize = 16;

/// Strips are not narrower than this, so that a task is worth its start.
const LEAST_STRIP: usize = 16 * LANES;

/// Strips per thread.
const STRIPS_PER_THREAD: usize = 4;

/// Bits of the widest element.
const MOST_BITS: usize = 64;

/// Neighbouring words of a plane.
pub(super) type Words<E> = [E; LANES];

/// Some columns of every row of an output.
pub(super) struct Strip<'a, E> {
    /// The first column.
    pub(super) start: usize,
    /// The number of columns.
    pub(super) len: usize,
    /// The part of each row.
    pub(super) rows: Vec<&'a mut [E]>,
}

/// The output in strips whose length is a multiple of [`LANES`], but for the last.
pub(super) fn strips<'a, E: Element>(workers: &Workers, out: ViewMut<'a, E>) -> Vec<Strip<'a, E>> {
    let width = out.shape.cols;
    if out.elements.is_empty() {
        return Vec::new();
    }
    let pieces = if workers.threads() == 1 { 1 } else { workers.threads() * STRIPS_PER_THREAD };
    let len = width.div_ceil(pieces).max(LEAST_STRIP).next_multiple_of(LANES);
    let strip = |start| Strip { start, len: len.min(width - start), rows: Vec::new() };
    let mut strips: Vec<Strip<'a, E>> = (0..width).step_by(len).map(strip).collect();
    for row in out.elements.chunks_exact_mut(width) {
        let parts = row.chunks_mut(len);
        strips.iter_mut().zip(parts).for_each(|(strip, part)| strip.rows.push(part));
    }
    strips
}

/// The words from `at` on; zero behind the last.
#[inline(always)]
pub(super) fn load<E: Element>(words: &[E], at: usize) -> Words<E> {
    let rest = words.get(at..).unwrap_or_default();
    match rest.first_chunk() {
        Some(&whole) => whole,
        None => last(rest),
    }
}

/// Fewer than all words, and zero behind them. Apart, so that whole ones stay loads of vectors: joined with this the
/// compiler makes both a call that copies so many bytes.
#[cold]
#[inline(never)]
fn last<E: Element>(rest: &[E]) -> Words<E> {
    let mut words = [E::ZERO; LANES];
    words[..rest.len()].copy_from_slice(rest);
    words
}

/// Writes those of the words that lie within `out`.
#[inline(always)]
pub(super) fn store<E: Element>(out: &mut [E], at: usize, words: Words<E>) {
    let rest = &mut out[at..];
    match rest.first_chunk_mut() {
        Some(whole) => *whole = words,
        None => store_last(rest, &words),
    }
}

/// Writes fewer than all words; apart for the same reason.
#[cold]
#[inline(never)]
fn store_last<E: Element>(rest: &mut [E], words: &Words<E>) {
    rest.copy_from_slice(&words[..rest.len()]);
}

/// f of the words, each for itself.
#[inline(always)]
pub(super) fn zip<E: Element>(a: Words<E>, b: Words<E>, f: impl Fn(E, E) -> E) -> Words<E> {
    let mut result = a;
    for (x, y) in result.iter_mut().zip(b) {
        *x = f(*x, y);
    }
    result
}

/// a ⊕ b
#[inline(always)]
pub(super) fn xor<E: Element>(a: Words<E>, b: Words<E>) -> Words<E> {
    zip(a, b, E::xor)
}

/// a ∨ b
#[inline(always)]
pub(super) fn or<E: Element>(a: Words<E>, b: Words<E>) -> Words<E> {
    zip(a, b, E::or)
}

/// a ∧ b
#[inline(always)]
pub(super) fn and<E: Element>(a: Words<E>, b: Words<E>) -> Words<E> {
    zip(a, b, E::and)
}

/// The same word in every place.
#[inline(always)]
pub(super) fn splat<E: Element>(word: E) -> Words<E> {
    [word; LANES]
}

/// All bits set for `true`, none for `false`.
#[inline(always)]
pub(super) fn all<E: Element>(set: bool) -> Words<E> {
    splat(if set { E::ZERO.not() } else { E::ZERO })
}

/// The bits of the elements that belong to the words from `at` on: word w of plane b.
pub(super) struct Planes<E>([Words<E>; MOST_BITS]);

impl<E: Element> Planes<E> {
    /// Slices the elements, each changed by `change` first; `width` is the number of words.
    #[inline(always)]
    pub(super) fn of(elements: View<'_, E>, width: usize, at: usize, change: impl Fn(E) -> E) -> Planes<E> {
        let count = E::RING.bits() as usize;
        let mut words = [[E::ZERO; LANES]; MOST_BITS];
        for (lane, words) in words[..count].iter_mut().enumerate() {
            let lane = elements.elements.get(lane * width..).unwrap_or_default();
            *words = load(&lane[..width.min(lane.len())], at);
            words.iter_mut().for_each(|word| *word = change(*word));
        }
        transpose(&mut words[..count]);
        Planes(words)
    }

    /// Those of the elements plus 2^exponent, or less by it; the same without an exponent.
    #[inline(always)]
    pub(super) fn moved_by(&self, exponent: Option<u32>, up: bool) -> Planes<E> {
        let (mut words, bits) = (self.0, E::RING.bits());
        let mut carry: Words<E> = all(true);
        for bit in &mut words[exponent.unwrap_or(bits) as usize..bits as usize] {
            let sum = xor(*bit, carry);
            // A carry goes on from ones, a borrow from zeros.
            carry = and(carry, if up { *bit } else { sum });
            *bit = sum;
        }
        Planes(words)
    }

    /// The plane of a bit.
    #[inline(always)]
    pub(super) fn bit(&self, bit: u32) -> Words<E> {
        self.0[bit as usize]
    }

    /// The bits of digit number `digit`, counted from the least significant, of the low `bits` bits.
    #[inline(always)]
    pub(super) fn digit(&self, digit: u32, bits: u32) -> [Words<E>; DIGIT_BITS as usize] {
        std::array::from_fn(|index| {
            let bit = digit * DIGIT_BITS + index as u32;
            if bit < bits { self.bit(bit) } else { splat(E::ZERO) }
        })
    }
}

/// How many planes the table of digit number `digit` has; none beyond the last digit.
#[inline(always)]
pub(super) fn digit_planes(digit: u32, bits: u32) -> u32 {
    let width = DIGIT_BITS.min(bits.saturating_sub(digit * DIGIT_BITS));
    DIGIT_PLANES >> (DIGIT_BITS - width)
}

/// Bit b of word l becomes bit l of word b, in every place: halves, quarters and so on are exchanged (Warren, "Hacker's
/// Delight", section 7-3).
#[inline(always)]
fn transpose<E: Element>(words: &mut [Words<E>]) {
    let mut distance = words.len() / 2;
    let mut mask = E::ZERO.not().shr(distance as u32);
    while distance > 0 {
        for first in 0..words.len() {
            if first & distance != 0 {
                continue;
            }
            let (low, high) = (words[first], words[first + distance]);
            for lane in 0..LANES {
                let swapped = low[lane].shr(distance as u32).xor(high[lane]).and(mask);
                words[first][lane] = low[lane].xor(swapped.shl(distance as u32));
                words[first + distance][lane] = high[lane].xor(swapped);
            }
        }
        distance /= 2;
        mask = mask.xor(mask.shl(distance as u32));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::Shape;

    #[test]
    fn slices_hold_every_bit_where_it_is_said_to_be() {
        let elements: Vec<u64> = (0..1000u64).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
        let width = elements.len().div_ceil(64);
        let view = View { elements: &elements, shape: Shape::new(1, 1000) };
        let planes = Planes::of(view, width, 0, |element| element);
        for (index, element) in elements.iter().enumerate() {
            for bit in 0..64 {
                let found = planes.bit(bit)[index % width] >> (index / width) & 1;
                assert_eq!(found, element >> bit & 1, "bit {bit} of element {index}");
            }
        }
    }
}
