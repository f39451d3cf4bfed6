//! From a kernel to dispatches: which shader runs, on which bytes of which buffers, with which parameters.
//!
//! This module is pure: buffers are names of any type. **Invariant**, on which the unchecked shaders rely: in every
//! dispatch, every index that the shader forms from the parameters lies within the binding, and the binding within
//! the matrix. Elements are counted from the binding's aligned start, so that offsets stay small.

mod affine;
mod axes;
#[cfg(test)]
mod drawn;
mod elementwise;
mod fill;
mod gemm;
mod packed;
#[cfg(test)]
mod planes;
mod residue;
mod slices;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod twin;

use super::panel::Limits;
use super::params::ParamBytes;
use super::residue::Residues;
use super::residue::panels::{Content, Panels};
use super::shader::Shader;
use super::tune::ScalarTuning;
use crate::ring::prg::PrgKey;
use crate::ring::{Ring, Shape};
use crate::step::{Kernel, Matrix};
use fill::{Drawn, Masked};
use slices::{Chosen, Picked, Power};

/// Bytes of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span<B> {
    /// The buffer.
    pub buffer: B,
    /// The offset of its first byte.
    pub offset_bytes: u64,
    /// Its length.
    pub size_bytes: u64,
}

/// One run of a shader.
pub struct Dispatch<B> {
    /// The shader.
    pub shader: Shader,
    /// Its parameters.
    pub params: ParamBytes,
    /// Its storage buffers: those it writes, then those it reads.
    pub bindings: Vec<Span<B>>,
    /// The number of workgroups, across and down; the last ones of the last row may have nothing to do.
    pub groups: [u32; 2],
    /// Multiply-adds, or elements where there are none.
    pub work: u64,
}

/// Hands out the work that a kernel is, in order, piece by piece: a matrix far larger than a binding is many pieces.
///
/// `scratch` is what the device has set aside for intermediate results, and `tuning` what is fastest in this ring.
pub fn plan<B: Copy>(
    ring: Ring,
    kernel: &Kernel<B, &PrgKey>,
    limits: Limits,
    scratch: Scratch<'_, B>,
    tuning: &ScalarTuning,
    emit: &mut dyn FnMut(Dispatch<B>),
) {
    let Scratch { partial, residues, panels, content } = scratch;
    let element_bytes = ring.element_bytes();
    let mut planner =
        Planner { ring, limits, element_bytes, scratch: partial, residues, panels, content, tuning, emit };
    match kernel {
        Kernel::Linear { out, terms, constant } => planner.linear(*out, terms, *constant),
        Kernel::Hadamard { out, terms, accumulate } => planner.hadamard(*out, terms, *accumulate),
        Kernel::Gemm { out, terms, accumulate } => planner.gemm(*out, terms, *accumulate),
        Kernel::Transpose { out, operand } => planner.transpose(*out, *operand),
        Kernel::Rows { out, operand, index, column } => planner.rows(*out, *operand, *index, *column),
        Kernel::Sum { out, operand, axis } => planner.sum(*out, *operand, *axis),
        Kernel::Shift { out, operand, bits } => planner.shift(*out, *operand, *bits),
        &Kernel::Fill { out, key, stream, block } => planner.fill(out, Drawn { key, stream, block }),
        &Kernel::Mask { out, factor, operand, mask_factor, key, stream, block, constant } => {
            let masked = Masked { factor, operand, mask_factor, constant };
            planner.mask(out, masked, Drawn { key, stream, block });
        }
        Kernel::HadamardMask { out, terms, key, stream, block } => {
            planner.hadamard_mask(*out, terms, Drawn { key, stream: *stream, block: *block });
        }
        Kernel::Pack { out, operand, width } => planner.pack(*out, *operand, *width),
        Kernel::Unpack { out, operand, width, accumulate } => {
            planner.unpack(*out, *operand, *width, *accumulate);
        }
        Kernel::TruncPair { masks, top, high, bits, width } => {
            planner.trunc_pair(masks, [*top, *high], (*bits, *width));
        }
        Kernel::TruncFinish { out, opened, top, high, bits, width, leader } => {
            planner.trunc_finish(*out, opened, [*top, *high], (*bits, *width), *leader);
        }
        Kernel::TruthTable { out, mask, bits, top } => planner.truth_table(*out, *mask, *bits, *top),
        &Kernel::LookupShares { out, opened, table, bits, predicate, lanes, leader } => {
            planner.lookup_shares(out, Picked { opened, table, bits, predicate, lanes, leader });
        }
        Kernel::Xor { out, left, right, flip } => planner.xor([*out, *left, *right], *flip),
        Kernel::And { out, left, right, addend } => planner.and([*out, *left, *right, *addend]),
        Kernel::BitPlanes { out, operand, top } => planner.bit_planes(*out, *operand, *top),
        Kernel::MaskProducts { out, masks, level } => planner.mask_products(*out, masks, *level),
        Kernel::AndTree { out, planes, opened, masks, monomials, level, leader } => {
            planner.and_tree([*out, *planes, *opened, *masks, *monomials], *level, *leader);
        }
        &Kernel::PickLanes { out, opened, base, own, lanes, exponent, rising, group } => {
            planner.pick_lanes([out, opened, base, own], Power { lanes, exponent, rising, group });
        }
        &Kernel::Mux { out, bits, value, constant, hidden, accumulate } => {
            planner.mux(out, Chosen { bits, value, constant, hidden, accumulate });
        }
        Kernel::Affine { out, operand, loops, from, to, keep } => {
            planner.affine(*out, *operand, loops, (*from, *to), *keep);
        }
    }
}

/// Memory of a device for intermediate results.
pub struct Scratch<'a, B> {
    /// For partial results of sums and products.
    pub partial: B,
    /// For products by residues, where the device has matrix units to compute them on.
    pub residues: Option<Residues<B>>,
    /// The panels of left and of right matrices that lie there.
    pub panels: &'a mut [Panels; 2],
    /// The content of an operand of a matrix product.
    pub content: &'a dyn Fn(B) -> Content,
}

struct Planner<'a, B> {
    ring: Ring,
    limits: Limits,
    element_bytes: usize,
    scratch: B,
    residues: Option<Residues<B>>,
    panels: &'a mut [Panels; 2],
    content: &'a dyn Fn(B) -> Content,
    tuning: &'a ScalarTuning,
    emit: &'a mut dyn FnMut(Dispatch<B>),
}

impl<B: Copy> Planner<'_, B> {
    /// The bytes of `len` elements from `first` on, and where in the binding the first one is, in elements.
    pub(super) fn bind(&self, buffer: B, first: usize, len: usize) -> (Span<B>, u32) {
        let start = (first * self.element_bytes) as u64;
        let residue = start % self.limits.alignment_bytes;
        let size_bytes = residue + (len * self.element_bytes) as u64;
        debug_assert!(size_bytes <= self.limits.binding_bytes, "a span larger than a binding");
        let span = Span { buffer, offset_bytes: start - residue, size_bytes };
        (span, (residue / self.element_bytes as u64) as u32)
    }

    /// Writes zeros, as a kernel among the others: a fill would end their pass. Whatever element is read, it counts nothing.
    pub(super) fn clear(&mut self, out: Matrix<B>) {
        self.linear(out, &[(0, Matrix::new(self.scratch, Shape::SCALAR))], 0);
    }

    pub(super) fn dispatch(
        &mut self,
        shader: Shader,
        params: ParamBytes,
        bindings: Vec<Span<B>>,
        groups: usize,
        work: usize,
    ) {
        let groups = self.limits.grid(groups);
        (self.emit)(Dispatch { shader, params, bindings, groups, work: work as u64 });
    }
}

/// A number of elements, rows or tiles as a shader counts.
fn index(number: usize) -> u32 {
    u32::try_from(number).expect("panels keep every count below 2^32")
}

/// The distance of `rows` rows, which a shader multiplies by zero where there is only one.
fn stride(rows: usize, stride: usize) -> u32 {
    if rows == 1 { 0 } else { index(stride) }
}
