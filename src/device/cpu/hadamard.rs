//! out (+)= Σ left ∘ right, elementwise, one or two pairs.

use super::level::simd;
use super::view::{View, ViewMut, elementwise};
use super::workers::Workers;
use crate::ring::Element;

pub(super) fn run<E: Element>(
    workers: &Workers,
    out: ViewMut<'_, E>,
    terms: &[(View<'_, E>, View<'_, E>)],
    accumulate: bool,
) {
    let level = workers.level();
    match (terms, accumulate) {
        (&[(a, b)], false) => elementwise(workers, out, [a, b], |out, [a, b]| one(level, out, a, b)),
        (&[(a, b)], true) => elementwise(workers, out, [a, b], |out, [a, b]| add_one(level, out, a, b)),
        (&[(a, b), (c, d)], false) => {
            elementwise(workers, out, [a, b, c, d], |out, [a, b, c, d]| two(level, out, (a, b), (c, d)));
        }
        (&[(a, b), (c, d)], true) => {
            elementwise(workers, out, [a, b, c, d], |out, [a, b, c, d]| add_two(level, out, (a, b), (c, d)));
        }
        _ => unreachable!("Kernel::check allows one or two terms"),
    }
}

simd! {
    fn one<E: Element>(out: &mut [E], a: &[E], b: &[E]) {
        for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
            *out = a.mul(b);
        }
    }

    pub(super) fn add_one<E: Element>(out: &mut [E], a: &[E], b: &[E]) {
        for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
            *out = out.add(a.mul(b));
        }
    }

    fn two<E: Element>(out: &mut [E], first: (&[E], &[E]), second: (&[E], &[E])) {
        let factors = first.0.iter().zip(first.1).zip(second.0.iter().zip(second.1));
        for (out, ((&a, &b), (&c, &d))) in out.iter_mut().zip(factors) {
            *out = a.mul(b).add(c.mul(d));
        }
    }

    pub(super) fn add_two<E: Element>(out: &mut [E], first: (&[E], &[E]), second: (&[E], &[E])) {
        let factors = first.0.iter().zip(first.1).zip(second.0.iter().zip(second.1));
        for (out, ((&a, &b), (&c, &d))) in out.iter_mut().zip(factors) {
            *out = out.add(a.mul(b)).add(c.mul(d));
        }
    }
}
