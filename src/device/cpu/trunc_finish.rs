//! One party's share of the truncated value, from the opened c. With t = c ≫ (k−1):
//! out = leader · (((c mod 2^(k−1)) ≫ bits) − 2^(k−2−bits)) − high + (top · (1 − 2t) + leader · t) · 2^(k−1−bits).

use super::level::simd;
use super::view::{View, ViewMut, elementwise};
use super::workers::Workers;
use crate::ring::Element;

pub(super) fn run<E: Element>(
    workers: &Workers,
    out: ViewMut<'_, E>,
    [opened, top, high]: [View<'_, E>; 3],
    bits: u32,
    leader: bool,
) {
    let level = workers.level();
    elementwise(workers, out, [opened, top, high], |out, [opened, top, high]| {
        if leader {
            finish_leading(level, out, opened, top, high, bits);
        } else {
            finish(level, out, opened, top, high, bits);
        }
    });
}

/// [top xor t] as a share, without the leader's part: top where t is 0, −top where it is 1.
#[inline(always)]
fn flipped<E: Element>(top: E, t: E) -> E {
    top.mul(E::ONE.sub(t.shl(1)))
}

simd! {
    fn finish<E: Element>(out: &mut [E], opened: &[E], top: &[E], high: &[E], bits: u32) {
        let k = E::RING.bits();
        for ((out, &c), (&top, &high)) in out.iter_mut().zip(opened).zip(top.iter().zip(high)) {
            let t = c.shr(k - 1);
            *out = flipped(top, t).shl(k - 1 - bits).sub(high);
        }
    }

    fn finish_leading<E: Element>(out: &mut [E], opened: &[E], top: &[E], high: &[E], bits: u32) {
        let k = E::RING.bits();
        let offset = E::ONE.shl(k - 2 - bits);
        for ((out, &c), (&top, &high)) in out.iter_mut().zip(opened).zip(top.iter().zip(high)) {
            let t = c.shr(k - 1);
            let middle = c.shl(1).shr(bits + 1).sub(offset);
            *out = flipped(top, t).add(t).shl(k - 1 - bits).add(middle).sub(high);
        }
    }
}
