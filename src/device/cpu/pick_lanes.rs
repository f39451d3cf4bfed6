//! One party's shares of the last level of a comparison with a power of two, which the public c picks from the results of lanes.
//!
//! Nothing is indexed by c: of two results one is selected by conjunction with the words that say where a borrow or a carry
//! reaches the lane.

use super::level::simd;
use super::slices::{LANES, Planes, Strip, Words, all, and, load, store, strips, xor};
use super::view::{View, ViewMut};
use super::workers::Workers;
use crate::ring::Element;
use crate::step::bits::{LANE_BITS, Level};

/// Which power it is.
#[derive(Clone, Copy)]
pub(super) struct Power {
    pub(super) lanes: u32,
    pub(super) exponent: u32,
    pub(super) rising: bool,
    /// The number of its own group.
    pub(super) group: u32,
}

pub(super) fn run<E: Element>(
    workers: &Workers,
    out: ViewMut<'_, E>,
    [opened, base, own]: [View<'_, E>; 3],
    power: Power,
) {
    let level = workers.level();
    workers.each(strips(workers, out), |strip| pick_lanes(level, strip, opened, base, own, power));
}

simd! {
    fn pick_lanes<E: Element>(strip: Strip<'_, E>, opened: View<'_, E>, base: View<'_, E>, own: View<'_, E>, power: Power) {
        let Power { lanes, exponent, rising, group } = power;
        let (mut rows, last) = (strip.rows, Level::new(lanes, true));
        for at in (0..strip.len).step_by(LANES) {
            let from = strip.start + at;
            let c = Planes::of(opened, base.shape.cols, from, |element| element);
            let mut reached: Words<E> = all(true);
            for lane in 0..lanes {
                let first = lane * LANE_BITS;
                let (eq, lt) = if exponent >= first + LANE_BITS {
                    result(base, lane, from)
                } else if exponent >= first {
                    result(own, group, from)
                } else {
                    for bit in exponent.max(first - LANE_BITS)..first {
                        reached = and(reached, xor(c.bit(bit), all(!rising)));
                    }
                    let (unmoved, moved) = (result(base, lane, from), result(base, lanes + lane - 1, from));
                    (chosen(reached, unmoved.0, moved.0), chosen(reached, unmoved.1, moved.1))
                };
                let digit = lanes - 1 - lane;
                if digit < last.eq_planes() {
                    store(rows[digit as usize], at, eq);
                }
                store(rows[last.lt_plane(digit) as usize], at, lt);
            }
        }
    }
}

/// EQ and LT of a group.
#[inline(always)]
fn result<E: Element>(results: View<'_, E>, group: u32, at: usize) -> (Words<E>, Words<E>) {
    let width = results.shape.cols;
    let level = Level::new(results.shape.rows as u32 / 2 + 1, true);
    let plane = |row: u32| load(&results.elements[row as usize * width..][..width], at);
    (plane(group), plane(level.lt_plane(group)))
}

#[inline(always)]
fn chosen<E: Element>(which: Words<E>, zero: Words<E>, one: Words<E>) -> Words<E> {
    xor(zero, and(which, xor(zero, one)))
}
