//! Bits of elements as planes: plane j has bit number `top` − j of each.

use super::level::simd;
use super::slices::{LANES, Planes, Strip, store, strips};
use super::view::{View, ViewMut};
use super::workers::Workers;
use crate::ring::Element;

pub(super) fn run<E: Element>(workers: &Workers, out: ViewMut<'_, E>, operand: View<'_, E>, top: u32) {
    let (level, width) = (workers.level(), out.shape.cols);
    workers.each(strips(workers, out), |strip| bit_planes(level, strip, operand, width, top));
}

simd! {
    fn bit_planes<E: Element>(strip: Strip<'_, E>, operand: View<'_, E>, width: usize, top: u32) {
        let mut rows = strip.rows;
        for at in (0..strip.len).step_by(LANES) {
            let planes = Planes::of(operand, width, strip.start + at, |element| element);
            for (row, plane) in rows.iter_mut().zip(0..) {
                store(row, at, planes.bit(top - plane));
            }
        }
    }
}
