//! out = Σ coefficient · operand + constant, one or two terms.
//!
//! The factors are public, so the common ones have loops without a multiplication.

use super::level::{SimdLevel, simd};
use super::view::{View, ViewMut, elementwise};
use super::workers::Workers;
use crate::ring::Element;

pub(super) fn run<E: Element>(
    workers: &Workers,
    out: ViewMut<'_, E>,
    terms: &[(E, View<'_, E>)],
    constant: E,
) {
    let level = workers.level();
    match *terms {
        [(factor, operand)] => elementwise(workers, out, [operand], |out, [operand]| {
            if factor == E::ONE {
                shifted(level, out, operand, constant);
            } else {
                scaled(level, out, operand, factor, constant);
            }
        }),
        [(first, left), (second, right)] => {
            elementwise(workers, out, [left, right], |out, [left, right]| {
                pair(level, out, (first, left), (second, right), constant);
            });
        }
        _ => unreachable!("Kernel::check allows one or two terms"),
    }
}

/// Two terms over equal slices.
pub(super) fn pair<E: Element>(
    level: SimdLevel,
    out: &mut [E],
    (first, left): (E, &[E]),
    (second, right): (E, &[E]),
    constant: E,
) {
    if first == E::ONE && second == E::ONE {
        sum(level, out, left, right, constant);
    } else if first == E::ONE && second == E::ZERO.sub(E::ONE) {
        difference(level, out, left, right, constant);
    } else {
        combination(level, out, (left, first), (right, second), constant);
    }
}

simd! {
    fn shifted<E: Element>(out: &mut [E], operand: &[E], constant: E) {
        for (out, &x) in out.iter_mut().zip(operand) {
            *out = x.add(constant);
        }
    }

    fn scaled<E: Element>(out: &mut [E], operand: &[E], factor: E, constant: E) {
        for (out, &x) in out.iter_mut().zip(operand) {
            *out = x.mul(factor).add(constant);
        }
    }

    fn sum<E: Element>(out: &mut [E], left: &[E], right: &[E], constant: E) {
        for ((out, &x), &y) in out.iter_mut().zip(left).zip(right) {
            *out = x.add(y).add(constant);
        }
    }

    fn difference<E: Element>(out: &mut [E], left: &[E], right: &[E], constant: E) {
        for ((out, &x), &y) in out.iter_mut().zip(left).zip(right) {
            *out = x.sub(y).add(constant);
        }
    }

    fn combination<E: Element>(out: &mut [E], left: (&[E], E), right: (&[E], E), constant: E) {
        for ((out, &x), &y) in out.iter_mut().zip(left.0).zip(right.0) {
            *out = x.mul(left.1).add(y.mul(right.1)).add(constant);
        }
    }
}
