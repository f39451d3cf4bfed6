//! The dealer's half of a level's products of masks: out ⊕= the products that the level needs.

use super::level::simd;
use super::slices::{LANES, Strip, Words, and, load, splat, store, strips, xor};
use super::view::{View, ViewMut};
use super::workers::Workers;
use crate::ring::Element;
use crate::step::bits::{FAN_IN, Level};

pub(super) fn run<E: Element>(workers: &Workers, out: ViewMut<'_, E>, masks: [View<'_, E>; 2], tree: Level) {
    let (level, width) = (workers.level(), out.shape.cols);
    workers.each(strips(workers, out), |strip| mask_products(level, strip, masks, width, tree));
}

simd! {
    fn mask_products<E: Element>(strip: Strip<'_, E>, masks: [View<'_, E>; 2], width: usize, tree: Level) {
        let mut rows = strip.rows;
        for at in (0..strip.len).step_by(LANES) {
            let mask = |plane: u32| {
                let part = |masks: View<'_, E>| load(&masks.elements[plane as usize * width..][..width], strip.start + at);
                xor(part(masks[0]), part(masks[1]))
            };
            for group in 0..tree.groups() {
                let mut row = tree.first_monomial(group) as usize;
                let mut correct = |monomial: Words<E>| {
                    let corrected = xor(load(rows[row], at), monomial);
                    store(rows[row], at, corrected);
                    row += 1;
                };
                let (first, eq) = (group * tree.fan_in, tree.eq_factors(group));
                let mut eq_masks = [splat(E::ZERO); FAN_IN as usize];
                (first..first + eq).zip(&mut eq_masks).for_each(|(plane, eq)| *eq = mask(plane));
                let mut products = [splat(E::ZERO.not()); 1 << FAN_IN];
                for subset in 1..1usize << eq {
                    let newest = subset.ilog2();
                    let rest = subset ^ 1 << newest;
                    products[subset] = and(products[rest], eq_masks[newest as usize]);
                    if rest != 0 {
                        correct(products[subset]);
                    }
                }
                for index in 1..if tree.order { tree.size(group) } else { 0 } {
                    let lt = mask(tree.lt_plane(first + index));
                    products[1..1 << index].iter().for_each(|&product| correct(and(product, lt)));
                }
            }
        }
    }
}
