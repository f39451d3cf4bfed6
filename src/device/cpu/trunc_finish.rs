//! One party's share of the truncated value, from the opened c or two parts of it. With t = c ≫ (k−1):
//! out = leader · (((c mod 2^(k−1)) ≫ bits) − 2^(k−2−bits)) − high + (top · (1 − 2t) + leader · t) · 2^(k−1−bits).

use super::level::{SimdLevel, simd};
use super::view::{View, ViewMut, elementwise};
use super::workers::Workers;
use crate::ring::Element;

pub(super) fn run<E: Element>(
    workers: &Workers,
    out: ViewMut<'_, E>,
    opened: &[View<'_, E>],
    [top, high]: [View<'_, E>; 2],
    bits: u32,
    leader: bool,
) {
    let level = workers.level();
    match *opened {
        [opened] => elementwise(workers, out, [opened, top, high], |out, [opened, top, high]| {
            finish(level, out, opened.iter().copied(), [top, high], bits, leader);
        }),
        [own, other] => {
            elementwise(workers, out, [own, other, top, high], |out, [own, other, top, high]| {
                let opened = own.iter().zip(other).map(|(&own, &other)| own.add(other));
                finish(level, out, opened, [top, high], bits, leader);
            });
        }
        _ => unreachable!("Kernel::check allows one or two parts"),
    }
}

fn finish<E: Element>(
    level: SimdLevel,
    out: &mut [E],
    opened: impl Iterator<Item = E>,
    [top, high]: [&[E]; 2],
    bits: u32,
    leader: bool,
) {
    if leader {
        leading(level, out, opened, top, high, bits)
    } else {
        following(level, out, opened, top, high, bits)
    }
}

/// [top xor t] as a share, without the leader's part: top where t is 0, −top where it is 1.
#[inline(always)]
fn flipped<E: Element>(top: E, t: E) -> E {
    top.mul(E::ONE.sub(t.shl(1)))
}

simd! {
    fn following<E: Element>(
        out: &mut [E], opened: impl Iterator<Item = E>, top: &[E], high: &[E], bits: u32
    ) {
        let k = E::RING.bits();
        for ((out, c), (&top, &high)) in out.iter_mut().zip(opened).zip(top.iter().zip(high)) {
            let t = c.shr(k - 1);
            *out = flipped(top, t).shl(k - 1 - bits).sub(high);
        }
    }

    fn leading<E: Element>(
        out: &mut [E], opened: impl Iterator<Item = E>, top: &[E], high: &[E], bits: u32
    ) {
        let k = E::RING.bits();
        let offset = E::ONE.shl(k - 2 - bits);
        for ((out, c), (&top, &high)) in out.iter_mut().zip(opened).zip(top.iter().zip(high)) {
            let t = c.shr(k - 1);
            let middle = c.shl(1).shr(bits + 1).sub(offset);
            *out = flipped(top, t).add(t).shl(k - 1 - bits).add(middle).sub(high);
        }
    }
}
