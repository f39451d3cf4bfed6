//! The generator's bytes, written or added to what they mask: whole blocks, then the rest.

use super::super::panel::cuts;
use super::super::params::{self, Draw, ParamBytes, halves};
use super::super::shader::Shader;
use super::{Planner, index};
use crate::ring::Shape;
use crate::ring::prg::{BLOCK_BYTES, PrgKey};
use crate::step::Matrix;

/// Blocks in a multiple of every alignment (of 256 bytes and more, a power of two): a panel of so many begins where
/// the shader can write 16 bytes at a time.
const PANEL_BLOCKS: usize = 16;

/// The drawn elements.
#[derive(Clone, Copy)]
pub(super) struct Drawn<'a> {
    pub(super) key: &'a PrgKey,
    pub(super) stream: u64,
    /// Where the first element is.
    pub(super) block: u64,
}

/// The masked matrix, and the factor of the mask.
pub(super) struct Masked<B> {
    pub(super) factor: u64,
    pub(super) operand: Matrix<B>,
    pub(super) mask_factor: u64,
    pub(super) constant: u64,
}

impl Drawn<'_> {
    /// From the block `later` on.
    fn from(&self, later: usize) -> Draw {
        let [k0, k1, k2, k3, k4, k5, k6, k7] = self.key.words();
        Draw {
            key_low: [k0, k1, k2, k3],
            key_high: [k4, k5, k6, k7],
            block: halves(self.block.wrapping_add(later as u64)),
            stream: halves(self.stream),
        }
    }
}

impl<B: Copy> Planner<'_, B> {
    pub(super) fn fill(&mut self, out: Matrix<B>, drawn: Drawn<'_>) {
        // The generator yields words, whatever the ring.
        let words = out.shape.len() * self.element_bytes / 4;
        self.element_bytes = 4;
        let out = Matrix::new(out.buffer, Shape::new(1, words));
        self.on_blocks([Shader::Fill, Shader::FillTail], &[out], |first, count, offset| {
            ParamBytes::new(&params::Fill { draw: drawn.from(first), count, offset, ..Default::default() })
        });
    }

    pub(super) fn mask(&mut self, out: Matrix<B>, masked: Masked<B>, drawn: Drawn<'_>) {
        let Masked { factor, operand, mask_factor, constant } = masked;
        let [factor, mask_factor, constant] = [factor, mask_factor, constant].map(halves);
        self.on_blocks([Shader::Mask, Shader::MaskTail], &[out, operand], |first, count, offset| {
            let draw = drawn.from(first);
            ParamBytes::new(&params::Mask { draw, factor, mask_factor, constant, count, offset })
        });
    }

    pub(super) fn hadamard_mask(
        &mut self,
        out: Matrix<B>,
        terms: &[(Matrix<B>, Matrix<B>)],
        drawn: Drawn<'_>,
    ) {
        let (first, second) = (terms[0], *terms.last().expect("one or two terms"));
        let matrices = [out, first.0, first.1, second.0, second.1];
        let count_of_terms = terms.len() as u32;
        self.on_blocks(
            [Shader::HadamardMask, Shader::HadamardMaskTail],
            &matrices,
            |first, count, offset| {
                let (draw, terms) = (drawn.from(first), count_of_terms);
                ParamBytes::new(&params::HadamardMask { draw, terms, count, offset, ..Default::default() })
            },
        );
    }

    /// Dispatches over the blocks of matrices of one length. `params` is told the first of them, how many blocks there
    /// are, or elements in the last one that is not whole, and where in the bindings these begin.
    fn on_blocks(
        &mut self,
        [whole, tail]: [Shader; 2],
        matrices: &[Matrix<B>],
        params: impl Fn(usize, u32, u32) -> ParamBytes,
    ) {
        let (len, unit) = (matrices[0].shape.len(), BLOCK_BYTES / self.element_bytes);
        let (blocks, rest) = (len / unit, len % unit);
        let most = self.limits.elements(BLOCK_BYTES) / PANEL_BLOCKS * PANEL_BLOCKS;
        for (first, count) in cuts(blocks, most) {
            let bind = |matrix: &Matrix<B>| self.bind(matrix.buffer, first * unit, count * unit).0;
            let bindings = matrices.iter().map(bind).collect();
            let groups = count.div_ceil(whole.threads() as usize);
            self.dispatch(whole, params(first, index(count), 0), bindings, groups, count * unit);
        }
        if rest > 0 {
            let bound = matrices.iter().map(|matrix| self.bind(matrix.buffer, blocks * unit, rest));
            let (bindings, offsets): (Vec<_>, Vec<u32>) = bound.unzip();
            self.dispatch(tail, params(blocks, index(rest), offsets[0]), bindings, 1, rest);
        }
    }
}
