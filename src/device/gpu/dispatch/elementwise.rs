//! Kernels whose output elements each depend on one element per operand.

use super::super::panel::{Block, contiguous_blocks};
use super::super::params::{self, ParamBytes, halves};
use super::super::shader::Shader;
use super::{Planner, index, stride};
use crate::ring::Shape;
use crate::step::Matrix;

/// A matrix as a shader sees it: offset, row stride, column stride, in elements; a stride of 0 repeats.
type View = [u32; 4];

impl<B: Copy> Planner<'_, B> {
    pub(super) fn linear(&mut self, out: Matrix<B>, terms: &[(u64, Matrix<B>)], constant: u64) {
        let (first_factor, first) = terms[0];
        let (second_factor, second) = *terms.last().expect("one or two terms");
        let count = terms.len() as u32;
        self.elementwise(Shader::Linear, &[out, first, second], |block, views| {
            ParamBytes::new(&params::Linear {
                count: index(block.rows * block.cols),
                cols: index(block.cols),
                out_offset: views[0][0],
                terms: count,
                first: views[1],
                second: views[2],
                first_factor: halves(first_factor),
                second_factor: halves(second_factor),
                constant: halves(constant),
                ..Default::default()
            })
        });
    }

    pub(super) fn hadamard(&mut self, out: Matrix<B>, terms: &[(Matrix<B>, Matrix<B>)], accumulate: bool) {
        let (first, second) = (terms[0], *terms.last().expect("one or two terms"));
        let count = terms.len() as u32;
        let matrices = [out, first.0, first.1, second.0, second.1];
        self.elementwise(Shader::Hadamard, &matrices, |block, views| {
            ParamBytes::new(&params::Hadamard {
                count: index(block.rows * block.cols),
                cols: index(block.cols),
                out_offset: views[0][0],
                terms: count,
                left_first: views[1],
                right_first: views[2],
                left_second: views[3],
                right_second: views[4],
                accumulate: accumulate.into(),
                ..Default::default()
            })
        });
    }

    pub(super) fn shift(&mut self, out: Matrix<B>, operand: Matrix<B>, bits: u32) {
        self.elementwise(Shader::Shift, &[out, operand], |block, views| {
            ParamBytes::new(&params::Shift {
                count: index(block.rows * block.cols),
                bits,
                out_offset: views[0][0],
                operand_offset: views[1][0],
            })
        });
    }

    pub(super) fn trunc_pair(
        &mut self,
        masks: &[Matrix<B>; 2],
        [top, high]: [Matrix<B>; 2],
        (bits, width): (u32, u32),
    ) {
        self.elementwise(Shader::TruncPair, &[top, high, masks[0], masks[1]], |block, views| {
            ParamBytes::new(&params::TruncPair {
                count: index(block.rows * block.cols),
                bits,
                width,
                top_offset: views[0][0],
                high_offset: views[1][0],
                mask_0_offset: views[2][0],
                mask_1_offset: views[3][0],
                ..Default::default()
            })
        });
    }

    pub(super) fn trunc_finish(
        &mut self,
        out: Matrix<B>,
        opened: &[Matrix<B>],
        [top, high]: [Matrix<B>; 2],
        (bits, width): (u32, u32),
        leader: bool,
    ) {
        let (first, second) = (opened[0], *opened.last().expect("one or two parts"));
        let parts = opened.len() as u32;
        self.elementwise(Shader::TruncFinish, &[out, first, second, top, high], |block, views| {
            ParamBytes::new(&params::TruncFinish {
                count: index(block.rows * block.cols),
                bits,
                width,
                leader: leader.into(),
                parts,
                out_offset: views[0][0],
                first_offset: views[1][0],
                second_offset: views[2][0],
                top_offset: views[3][0],
                high_offset: views[4][0],
                ..Default::default()
            })
        });
    }

    pub(super) fn xor(&mut self, matrices: [Matrix<B>; 3], flip: bool) {
        self.elementwise(Shader::Xor, &matrices, |block, views| {
            ParamBytes::new(&params::Xor {
                count: index(block.rows * block.cols),
                flip: flip.into(),
                out_offset: views[0][0],
                left_offset: views[1][0],
                right_offset: views[2][0],
                ..Default::default()
            })
        });
    }

    pub(super) fn and(&mut self, matrices: [Matrix<B>; 4]) {
        self.elementwise(Shader::And, &matrices, |block, views| {
            ParamBytes::new(&params::And {
                count: index(block.rows * block.cols),
                out_offset: views[0][0],
                left_offset: views[1][0],
                right_offset: views[2][0],
                addend_offset: views[3][0],
                ..Default::default()
            })
        });
    }

    /// Dispatches over the blocks of the first matrix; the others are of its shape or repeated.
    fn elementwise(
        &mut self,
        shader: Shader,
        matrices: &[Matrix<B>],
        params: impl Fn(Block, &[View]) -> ParamBytes,
    ) {
        let matrices = flattened(matrices);
        let most = self.limits.elements(self.element_bytes);
        for block in contiguous_blocks(matrices[0].shape, most) {
            let (mut views, mut bindings) = (Vec::new(), Vec::new());
            for matrix in &matrices {
                let row_stride = if matrix.shape.rows == 1 { 0 } else { matrix.shape.cols };
                let col_stride = if matrix.shape.cols == 1 { 0 } else { 1 };
                let first = block.first_row * row_stride + block.first_col * col_stride;
                let len = (block.rows - 1) * row_stride + (block.cols - 1) * col_stride + 1;
                let (binding, offset) = self.bind(matrix.buffer, first, len);
                views.push([offset, stride(block.rows, row_stride), index(col_stride), 0]);
                bindings.push(binding);
            }
            let elements = block.rows * block.cols;
            let groups = elements.div_ceil((shader.threads() * shader.per_thread()) as usize);
            self.dispatch(shader, params(block, &views), bindings, groups, elements);
        }
    }
}

/// Where each operand is either whole or one element, the same matrices as rows: they are then cut anywhere.
fn flattened<B: Copy>(matrices: &[Matrix<B>]) -> Vec<Matrix<B>> {
    let whole = matrices[0].shape;
    let flattens = |matrix: &Matrix<B>| matrix.shape == whole || matrix.shape == Shape::SCALAR;
    if !matrices.iter().all(flattens) {
        return matrices.to_vec();
    }
    matrices.iter().map(|matrix| Matrix::new(matrix.buffer, Shape::new(1, matrix.shape.len()))).collect()
}
