//! One party's shares of a first level's planes, which the public c looks up in the shared table of r.
//!
//! c is public, yet nothing is indexed by it: a place of the table is selected by conjunction with the plane that says
//! where c has that digit.

use super::level::simd;
use super::slices::{
    LANES, Planes, Strip, Words, all, and, digit_planes, load, splat, store, strips, xor, zip,
};
use super::view::{View, ViewMut};
use super::workers::Workers;
use crate::ring::Element;
use crate::step::bits::{DIGIT_PLANES, Predicate};

pub(super) fn run<E: Element>(
    workers: &Workers,
    out: ViewMut<'_, E>,
    [opened, table]: [View<'_, E>; 2],
    bits: u32,
    predicate: Predicate,
    leader: bool,
) {
    let level = workers.level();
    workers.each(strips(workers, out), |strip| match predicate {
        Predicate::Borrow => borrow(level, strip, opened, table, bits, leader),
        Predicate::Sign => sign(level, strip, opened, table, bits, leader),
        Predicate::Zero => zero(level, strip, opened, table, bits, leader),
    });
}

simd! {
    fn borrow<E: Element>(strip: Strip<'_, E>, opened: View<'_, E>, table: View<'_, E>, bits: u32, leader: bool) {
        lookup_shares(strip, opened, table, bits, Predicate::Borrow, leader, |c| c);
    }

    fn sign<E: Element>(strip: Strip<'_, E>, opened: View<'_, E>, table: View<'_, E>, bits: u32, leader: bool) {
        lookup_shares(strip, opened, table, bits, Predicate::Sign, leader, E::not);
    }

    fn zero<E: Element>(strip: Strip<'_, E>, opened: View<'_, E>, table: View<'_, E>, bits: u32, leader: bool) {
        lookup_shares(strip, opened, table, bits, Predicate::Zero, leader, |c| E::ZERO.sub(c));
    }
}

#[inline(always)]
fn lookup_shares<E: Element>(
    strip: Strip<'_, E>,
    opened: View<'_, E>,
    table: View<'_, E>,
    bits: u32,
    predicate: Predicate,
    leader: bool,
    change: impl Fn(E) -> E + Copy,
) {
    let (mut rows, width, level) = (strip.rows, table.shape.cols, predicate.level(bits));
    for at in (0..strip.len).step_by(LANES) {
        let from = strip.start + at;
        let planes = Planes::of(opened, width, from, change);
        for digit in 0..level.digits {
            // Levels count digits from the most significant, tables from the least.
            let place = level.digits - 1 - digit;
            let first = (place * DIGIT_PLANES) as usize * width;
            let tabled = &table.elements[first..][..digit_planes(place, bits) as usize * width];
            let (mut lt, eq) = pick_digit(planes.digit(place, bits), tabled, width, from, leader);
            if digit < level.eq_planes() {
                store(rows[digit as usize], at, eq);
            }
            if digit == 0 && predicate.has_top() {
                let row = table.shape.rows - 1;
                // The sign's planes are those of −1 − c.
                let public = and(planes.bit(bits), all(leader));
                let public = xor(public, all(leader));
                lt = xor(lt, xor(public, load(&table.elements[row * width..], from)));
            }
            if level.order {
                store(rows[level.lt_plane(digit) as usize], at, lt);
            }
        }
    }
}

/// [q < r] and [q = r] of one digit: with T_v = [r ≥ v] these are T_{q+1} and T_q ⊕ T_{q+1}, where T_0 = 1, a public
/// term, and the one behind the last is zero.
#[inline(always)]
fn pick_digit<E: Element>(
    [b0, b1, b2, b3]: [Words<E>; 4],
    table: &[E],
    width: usize,
    at: usize,
    leader: bool,
) -> (Words<E>, Words<E>) {
    let andnot = |a, b| zip(a, b, |a: E, b| a.and(b.not()));
    let pairs = |low: Words<E>, high: Words<E>| {
        [zip(low, high, |a, b| a.or(b).not()), andnot(low, high), andnot(high, low), and(low, high)]
    };
    let (low, high) = (pairs(b0, b1), pairs(b2, b3));
    let is = |value: usize| and(low[value % 4], high[value / 4]);
    let (mut lt, mut ge) = (splat(E::ZERO), and(is(0), all(leader)));
    for (index, plane) in table.chunks_exact(width).enumerate() {
        let tabled = load(plane, at);
        lt = xor(lt, and(is(index), tabled));
        ge = xor(ge, and(is(index + 1), tabled));
    }
    (lt, xor(lt, ge))
}
