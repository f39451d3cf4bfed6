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
use crate::step::bits::{DIGIT_PLANES, FAN_IN, Lanes, Predicate, digits};

/// What is looked up.
#[derive(Clone, Copy)]
pub(super) struct Lookup {
    pub(super) bits: u32,
    pub(super) predicate: Predicate,
    pub(super) lanes: Option<Lanes>,
    /// This party adds the public terms.
    pub(super) leader: bool,
}

pub(super) fn run<E: Element>(
    workers: &Workers,
    out: ViewMut<'_, E>,
    [opened, table]: [View<'_, E>; 2],
    lookup: Lookup,
) {
    let level = workers.level();
    workers.each(strips(workers, out), |strip| match (lookup.predicate, lookup.lanes) {
        (Predicate::Borrow, _) => borrow(level, strip, opened, table, lookup),
        (Predicate::Sign, None) => sign(level, strip, opened, table, lookup),
        (Predicate::Sign, Some(lanes)) => of_lanes(level, strip, opened, table, lookup, lanes),
        (Predicate::Zero, _) => zero(level, strip, opened, table, lookup),
    });
}

simd! {
    fn borrow<E: Element>(strip: Strip<'_, E>, opened: View<'_, E>, table: View<'_, E>, lookup: Lookup) {
        lookup_shares(strip, opened, table, lookup, |c| c);
    }

    fn sign<E: Element>(strip: Strip<'_, E>, opened: View<'_, E>, table: View<'_, E>, lookup: Lookup) {
        lookup_shares(strip, opened, table, lookup, E::not);
    }

    fn zero<E: Element>(strip: Strip<'_, E>, opened: View<'_, E>, table: View<'_, E>, lookup: Lookup) {
        lookup_shares(strip, opened, table, lookup, |c| E::ZERO.sub(c));
    }

    fn of_lanes<E: Element>(strip: Strip<'_, E>, opened: View<'_, E>, table: View<'_, E>, lookup: Lookup, lanes: Lanes) {
        let (mut rows, width, level) = (strip.rows, table.shape.cols, lanes.level());
        for at in (0..strip.len).step_by(LANES) {
            let from = strip.start + at;
            let planes = Planes::of(opened, width, from, E::not);
            for (group, (lane, exponent)) in (0..).zip(lanes.iter()) {
                // −1 − c moves the other way than c.
                let planes = planes.moved_by(exponent, !lanes.rising);
                for position in 0..FAN_IN {
                    let (digit, place) = (group * FAN_IN + position, (lane + 1) * FAN_IN - 1 - position);
                    let (mut lt, eq) = lookup.pick(&planes, place, table, from);
                    if position == 0 && (lane + 1) * FAN_IN >= digits(lookup.bits) {
                        lt = xor(lt, lookup.top(&planes, table, from));
                    }
                    store(rows[digit as usize], at, eq);
                    store(rows[level.lt_plane(digit) as usize], at, lt);
                }
            }
            store(rows[level.lt_plane(level.digits - 1) as usize], at, splat(E::ZERO));
        }
    }
}

#[inline(always)]
fn lookup_shares<E: Element>(
    strip: Strip<'_, E>,
    opened: View<'_, E>,
    table: View<'_, E>,
    lookup: Lookup,
    change: impl Fn(E) -> E + Copy,
) {
    let (mut rows, width, level) = (strip.rows, table.shape.cols, lookup.predicate.level(lookup.bits));
    for at in (0..strip.len).step_by(LANES) {
        let from = strip.start + at;
        let planes = Planes::of(opened, width, from, change);
        for digit in 0..level.digits {
            // Levels count digits from the most significant, tables from the least.
            let (mut lt, eq) = lookup.pick(&planes, level.digits - 1 - digit, table, from);
            if digit < level.eq_planes() {
                store(rows[digit as usize], at, eq);
            }
            if digit == 0 && lookup.predicate.has_top() {
                lt = xor(lt, lookup.top(&planes, table, from));
            }
            if level.order {
                store(rows[level.lt_plane(digit) as usize], at, lt);
            }
        }
    }
}

impl Lookup {
    /// lt and eq of the digit at a place, counted from the least significant.
    #[inline(always)]
    fn pick<E: Element>(
        self,
        planes: &Planes<E>,
        place: u32,
        table: View<'_, E>,
        at: usize,
    ) -> (Words<E>, Words<E>) {
        let width = table.shape.cols;
        let first = (place * DIGIT_PLANES) as usize * width;
        let tabled = table.elements.get(first..).unwrap_or_default();
        let tabled = &tabled[..digit_planes(place, self.bits) as usize * width];
        pick_digit(planes.digit(place, self.bits), tabled, width, at, self.leader)
    }

    /// The sign's top bits, of the planes of −1 − c.
    #[inline(always)]
    fn top<E: Element>(self, planes: &Planes<E>, table: View<'_, E>, at: usize) -> Words<E> {
        let public = and(planes.bit(self.bits), all(self.leader));
        let public = xor(public, all(self.leader));
        let last = (table.shape.rows - 1) * table.shape.cols;
        xor(public, load(&table.elements[last..], at))
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
