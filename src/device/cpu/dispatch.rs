//! From a kernel on buffers to the function that computes it on slices.
//!
//! What the functions rely on was checked before: shapes, sizes, and that no output is also an operand. Locks are
//! taken before the first element is touched, so a refused kernel has changed nothing.

use super::gemm::{self, Scratch, Tiled};
use super::memory::{Block, Storage};
use super::view::{View, ViewMut};
use super::workers::Workers;
use super::{
    affine, and, and_tree, bit_planes, fill, hadamard, hadamard_mask, linear, lookup_shares, mask,
    mask_products, mux, pack, pick_lanes, rows, shift, sum,
};
use super::{transpose, trunc_finish, trunc_pair, truth_table, unpack, xor};
use crate::device::{Buffer, DeviceKernel};
use crate::ring::{Element, Shape};
use crate::step::{Kernel, Matrix};
use std::marker::PhantomData;
use std::sync::{RwLockReadGuard, RwLockWriteGuard};

/// Runs a kernel that was checked.
pub(super) fn run<E: Tiled>(workers: &Workers, scratch: &mut Scratch, kernel: &DeviceKernel<'_>) {
    match kernel {
        Kernel::Linear { out, terms, constant } => {
            let operands: Vec<_> = terms.iter().map(|(_, operand)| Operand::new(operand)).collect();
            let terms: Vec<_> = terms
                .iter()
                .zip(&operands)
                .map(|(&(factor, _), operand)| (E::from_u64(factor), operand.view()))
                .collect();
            linear::run(workers, Output::new(out).view(), &terms, E::from_u64(*constant));
        }
        Kernel::Hadamard { out, terms, accumulate } => {
            let pairs = pairs::<E>(terms);
            hadamard::run(workers, Output::new(out).view(), &views(&pairs), *accumulate);
        }
        Kernel::HadamardMask { out, terms, key, stream, block } => {
            let pairs = pairs::<E>(terms);
            let draw = fill::Draw { key, stream: *stream, block: *block };
            hadamard_mask::run(workers, Output::new(out).view(), &views(&pairs), draw);
        }
        Kernel::Gemm { out, terms, accumulate } => {
            let pairs = pairs::<E>(terms);
            gemm::run(workers, scratch, Output::new(out).view(), &views(&pairs), *accumulate);
        }
        Kernel::Transpose { out, operand } => {
            transpose::run::<E>(workers, Output::new(out).view(), Operand::new(operand).view());
        }
        Kernel::Rows { out, operand, index, column } => {
            let [operand, index] = [operand, index].map(Operand::<E>::new);
            rows::run(workers, Output::new(out).view(), operand.view(), index.view(), *column);
        }
        Kernel::Sum { out, operand, axis } => {
            sum::run::<E>(workers, Output::new(out).view(), Operand::new(operand).view(), *axis);
        }
        Kernel::Shift { out, operand, bits } => {
            shift::run::<E>(workers, Output::new(out).view(), Operand::new(operand).view(), *bits);
        }
        Kernel::Fill { out, key, stream, block } => {
            let draw = fill::Draw { key, stream: *stream, block: *block };
            fill::run::<E>(workers, Output::new(out).view(), draw);
        }
        Kernel::Mask { out, factor, operand, mask_factor, key, stream, block, constant } => {
            let operand = Operand::<E>::new(operand);
            let draw = fill::Draw { key, stream: *stream, block: *block };
            let [factor, mask_factor, constant] = [*factor, *mask_factor, *constant].map(E::from_u64);
            let (operand, draw) = ((factor, operand.view()), (mask_factor, draw));
            mask::run(workers, Output::new(out).view(), operand, draw, constant);
        }
        Kernel::Pack { out, operand, width } => {
            pack::run::<E>(workers, Output::new(out).view(), Operand::new(operand).view(), *width);
        }
        Kernel::Unpack { out, operand, width, accumulate } => {
            let operand = Operand::<E>::new(operand);
            unpack::run(workers, Output::new(out).view(), operand.view(), *width, *accumulate);
        }
        Kernel::TruncPair { masks, top, high, bits, width } => {
            let masks = masks.each_ref().map(Operand::<E>::new);
            let (mut top, mut high) = (Output::new(top), Output::new(high));
            let masks = masks.each_ref().map(Operand::view);
            trunc_pair::run(workers, masks, top.view(), high.view(), (*bits, *width));
        }
        Kernel::TruncFinish { out, opened, top, high, bits, width, leader } => {
            let opened: Vec<_> = opened.iter().map(Operand::<E>::new).collect();
            let opened: Vec<_> = opened.iter().map(Operand::view).collect();
            let pair = [top, high].map(Operand::<E>::new);
            let pair = pair.each_ref().map(Operand::view);
            trunc_finish::run(workers, Output::new(out).view(), &opened, pair, (*bits, *width), *leader);
        }
        Kernel::TruthTable { .. }
        | Kernel::LookupShares { .. }
        | Kernel::Xor { .. }
        | Kernel::And { .. }
        | Kernel::BitPlanes { .. }
        | Kernel::MaskProducts { .. }
        | Kernel::AndTree { .. }
        | Kernel::PickLanes { .. } => run_on_planes::<E>(workers, kernel),
        Kernel::Mux { out, bits, value, constant, hidden, accumulate } => {
            let bits = Operand::<E>::new(bits);
            let [value, hidden] = [value, hidden].map(|operand| operand.as_ref().map(Operand::<E>::new));
            let [value, hidden] = [&value, &hidden].map(|operand| operand.as_ref().map(Operand::view));
            let value = (value, E::from_u64(*constant));
            mux::run(workers, Output::new(out).view(), bits.view(), value, hidden, *accumulate);
        }
        Kernel::Affine { out, operand, loops, from, to, keep } => {
            let operand = Operand::<E>::new(operand);
            affine::run(workers, Output::new(out).view(), operand.view(), loops, (*from, *to), *keep);
        }
    }
}

/// Runs a kernel on planes of bits.
fn run_on_planes<E: Element>(workers: &Workers, kernel: &DeviceKernel<'_>) {
    match kernel {
        Kernel::TruthTable { out, mask, bits, top } => {
            truth_table::run::<E>(workers, Output::new(out).view(), Operand::new(mask).view(), *bits, *top);
        }
        &Kernel::LookupShares { ref out, ref opened, ref table, bits, predicate, lanes, leader } => {
            let operands = [opened, table].map(Operand::<E>::new);
            let views = operands.each_ref().map(Operand::view);
            let lookup = lookup_shares::Lookup { bits, predicate, lanes, leader };
            lookup_shares::run(workers, Output::new(out).view(), views, lookup);
        }
        Kernel::Xor { out, left, right, flip } => {
            let operands = [left, right].map(Operand::<E>::new);
            let views = operands.each_ref().map(Operand::view);
            xor::run(workers, Output::new(out).view(), views, *flip);
        }
        Kernel::And { out, left, right, addend } => {
            let operands = [left, right, addend].map(Operand::<E>::new);
            and::run(workers, Output::new(out).view(), operands.each_ref().map(Operand::view));
        }
        Kernel::BitPlanes { out, operand, top } => {
            bit_planes::run::<E>(workers, Output::new(out).view(), Operand::new(operand).view(), *top);
        }
        Kernel::MaskProducts { out, masks, level } => {
            let masks = masks.each_ref().map(Operand::<E>::new);
            let views = masks.each_ref().map(Operand::view);
            mask_products::run(workers, Output::new(out).view(), views, *level);
        }
        Kernel::AndTree { out, planes, opened, masks, monomials, level, leader } => {
            let operands = [planes, opened, masks, monomials].map(Operand::<E>::new);
            let [planes, opened, masks, monomials] = operands.each_ref().map(Operand::view);
            let operands = and_tree::Operands { planes, opened, masks, monomials };
            and_tree::run(workers, Output::new(out).view(), operands, *level, *leader);
        }
        &Kernel::PickLanes { ref out, ref opened, ref base, ref own, lanes, exponent, rising, group } => {
            let operands = [opened, base, own].map(Operand::<E>::new);
            let views = operands.each_ref().map(Operand::view);
            let power = pick_lanes::Power { lanes, exponent, rising, group };
            pick_lanes::run(workers, Output::new(out).view(), views, power);
        }
        _ => unreachable!("{} is no kernel on planes", kernel.name()),
    }
}

/// A matrix held for reading.
struct Operand<'a, E> {
    block: RwLockReadGuard<'a, Block>,
    shape: Shape,
    element: PhantomData<E>,
}

impl<'a, E: Element> Operand<'a, E> {
    fn new(matrix: &Matrix<&'a Buffer>) -> Operand<'a, E> {
        let storage: &'a Storage = matrix.buffer.storage();
        Operand { block: storage.read(), shape: matrix.shape, element: PhantomData }
    }

    fn view(&self) -> View<'_, E> {
        View { elements: &self.block.elements()[..self.shape.len()], shape: self.shape }
    }
}

/// A matrix held for writing.
struct Output<'a, E> {
    block: RwLockWriteGuard<'a, Block>,
    shape: Shape,
    element: PhantomData<E>,
}

impl<'a, E: Element> Output<'a, E> {
    fn new(matrix: &Matrix<&'a Buffer>) -> Output<'a, E> {
        let storage: &'a Storage = matrix.buffer.storage();
        Output { block: storage.write(), shape: matrix.shape, element: PhantomData }
    }

    fn view(&mut self) -> ViewMut<'_, E> {
        ViewMut { elements: &mut self.block.elements_mut()[..self.shape.len()], shape: self.shape }
    }
}

/// The pairs of a sum of products.
type Pairs<'a, E> = Vec<(Operand<'a, E>, Operand<'a, E>)>;

fn pairs<'a, E: Element>(terms: &[(Matrix<&'a Buffer>, Matrix<&'a Buffer>)]) -> Pairs<'a, E> {
    terms.iter().map(|(left, right)| (Operand::new(left), Operand::new(right))).collect()
}

fn views<'a, E: Element>(pairs: &'a Pairs<'_, E>) -> Vec<(View<'a, E>, View<'a, E>)> {
    pairs.iter().map(|(left, right)| (left.view(), right.view())).collect()
}
