//! One party's shares of the next level's planes, from the opened masked factors X = x ⊕ μ.
//!
//! A product of factors is Σ over the subsets S of them of μ_S · the product of X over the others, where the parties
//! hold shares of every μ_S; μ of no factor is 1, which the leader adds. Such a sum is folded one factor at a time.

use super::level::simd;
use super::slices::{LANES, Strip, Words, all, and, load, splat, store, strips, xor};
use super::view::{View, ViewMut};
use super::workers::Workers;
use crate::ring::Element;
use crate::step::bits::{FAN_IN, Level};

/// The operands of a level, all of them planes.
#[derive(Clone, Copy)]
pub(super) struct Operands<'a, E> {
    /// The party's shares of the level's planes.
    pub(super) planes: View<'a, E>,
    /// The masked factors.
    pub(super) opened: View<'a, E>,
    /// The party's parts of the masks.
    pub(super) masks: View<'a, E>,
    /// The party's shares of their products.
    pub(super) monomials: View<'a, E>,
}

pub(super) fn run<E: Element>(
    workers: &Workers,
    out: ViewMut<'_, E>,
    operands: Operands<'_, E>,
    tree: Level,
    leader: bool,
) {
    let level = workers.level();
    workers.each(strips(workers, out), |strip| and_tree(level, strip, operands, tree, leader));
}

simd! {
    fn and_tree<E: Element>(strip: Strip<'_, E>, operands: Operands<'_, E>, tree: Level, leader: bool) {
        let (mut rows, next) = (strip.rows, tree.next().expect("check_shapes: more than one digit"));
        for at in (0..strip.len).step_by(LANES) {
            for group in 0..tree.groups() {
                let (lt, eq) = join_group(&operands, strip.start + at, tree, group, leader);
                if group < next.eq_planes() {
                    store(rows[group as usize], at, eq);
                }
                if tree.order {
                    store(rows[next.lt_plane(group) as usize], at, lt);
                }
            }
        }
    }
}

/// LT and EQ of a group.
#[inline(always)]
fn join_group<E: Element>(
    operands: &Operands<'_, E>,
    at: usize,
    tree: Level,
    group: u32,
    leader: bool,
) -> (Words<E>, Words<E>) {
    let plane = |view: View<'_, E>, plane: u32| {
        let width = view.shape.cols;
        load(&view.elements[plane as usize * width..][..width], at)
    };
    let (first, eq) = (group * tree.fan_in, tree.eq_factors(group));
    let mut monomial = tree.first_monomial(group);
    let mut take = || {
        monomial += 1;
        plane(operands.monomials, monomial - 1)
    };
    // By subset of the eq factors: the share of the product of their masks.
    let mut masks = [splat(E::ZERO); 1 << FAN_IN];
    masks[0] = all(leader);
    for (subset, mask) in masks[..1 << eq].iter_mut().enumerate().skip(1) {
        let single = subset.is_power_of_two();
        *mask = if single { plane(operands.masks, first + subset.ilog2()) } else { take() };
    }
    let mut opened = [splat(E::ZERO); FAN_IN as usize];
    for (index, opened) in (0..eq).zip(&mut opened) {
        *opened = plane(operands.opened, first + index);
    }
    let equal = match (tree.order, tree.size(group)) {
        (false, 1) => plane(operands.planes, first),
        _ => folded(masks, &opened[..eq as usize]),
    };
    if !tree.order {
        return (splat(E::ZERO), equal);
    }
    let mut less = plane(operands.planes, tree.lt_plane(first));
    for index in 1..tree.size(group) {
        let factor = tree.lt_plane(first + index);
        let (own, public) = (plane(operands.masks, factor), plane(operands.opened, factor));
        let mut terms = [splat(E::ZERO); 1 << FAN_IN];
        for (subset, term) in terms[..1 << index].iter_mut().enumerate() {
            let with_own = if subset == 0 { own } else { take() };
            *term = xor(and(public, masks[subset]), with_own);
        }
        less = xor(less, folded(terms, &opened[..index as usize]));
    }
    (less, equal)
}

/// Σ over subsets S of the factors of terms[S] · the product of `opened` over the others.
#[inline(always)]
fn folded<E: Element>(mut terms: [Words<E>; 1 << FAN_IN], opened: &[Words<E>]) -> Words<E> {
    for (index, &factor) in opened.iter().enumerate().rev() {
        for subset in 0..1 << index {
            terms[subset] = xor(and(terms[subset], factor), terms[subset | 1 << index]);
        }
    }
    terms[0]
}
