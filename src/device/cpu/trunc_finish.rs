//! One party's share of the truncated value, from the opened c or two parts of it. With w = `width` and t = bit w − 1 of c:
//! out = leader · (((c mod 2^(w−1)) ≫ bits) − 2^(w−2−bits)) − high + (top · (1 − 2t) + leader · t) · 2^(w−1−bits).

use super::level::{SimdLevel, simd};
use super::view::{View, ViewMut, elementwise};
use super::workers::Workers;
use crate::ring::Element;

pub(super) fn run<E: Element>(
    workers: &Workers,
    out: ViewMut<'_, E>,
    opened: &[View<'_, E>],
    [top, high]: [View<'_, E>; 2],
    (bits, width): (u32, u32),
    leader: bool,
) {
    let level = workers.level();
    match *opened {
        [opened] => elementwise(workers, out, [opened, top, high], |out, [opened, top, high]| {
            finish(level, out, opened.iter().copied(), [top, high], (bits, width), leader);
        }),
        [own, other] => {
            elementwise(workers, out, [own, other, top, high], |out, [own, other, top, high]| {
                let opened = own.iter().zip(other).map(|(&own, &other)| own.add(other));
                finish(level, out, opened, [top, high], (bits, width), leader);
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
    (bits, width): (u32, u32),
    leader: bool,
) {
    if leader {
        leading(level, out, opened, top, high, bits, width)
    } else {
        following(level, out, opened, top, high, bits, width)
    }
}

/// [top xor t] as a share, without the leader's part: top where t is 0, −top where it is 1.
#[inline(always)]
fn flipped<E: Element>(top: E, t: E) -> E {
    top.mul(E::ONE.sub(t.shl(1)))
}

simd! {
    fn following<E: Element>(
        out: &mut [E], opened: impl Iterator<Item = E>, top: &[E], high: &[E], bits: u32, width: u32,
    ) {
        for ((out, c), (&top, &high)) in out.iter_mut().zip(opened).zip(top.iter().zip(high)) {
            let t = c.shr(width - 1).and(E::ONE);
            *out = flipped(top, t).shl(width - 1 - bits).sub(high);
        }
    }

    fn leading<E: Element>(
        out: &mut [E], opened: impl Iterator<Item = E>, top: &[E], high: &[E], bits: u32, width: u32,
    ) {
        let offset = E::ONE.shl(width - 2 - bits);
        // So far to the left, and back to the right, drops the top bit and what lies above it.
        let above = E::RING.bits() - width + 1;
        for ((out, c), (&top, &high)) in out.iter_mut().zip(opened).zip(top.iter().zip(high)) {
            let t = c.shr(width - 1).and(E::ONE);
            let middle = c.shl(above).shr(bits + above).sub(offset);
            *out = flipped(top, t).add(t).shl(width - 1 - bits).add(middle).sub(high);
        }
    }
}
