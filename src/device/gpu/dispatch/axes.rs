//! Kernels that move or sum along an axis: transposition, rows by their numbers, and sums.

use super::super::panel::{MOST_SUMMED, TRANSPOSE_TILE, contiguous_blocks, cuts, span, transpose_panel};
use super::super::params::{self, ParamBytes};
use super::super::shader::Shader;
use super::{Planner, index, stride};
use crate::step::{Axis, Matrix};

/// Threads that keep a large GPU busy: sums are shared among threads until there are as many.
const BUSY_THREADS: usize = 1 << 18;

/// Elements that a thread sums at least before a sum is worth two stages.
const LEAST_SUMMED: usize = 16;

/// Neighbouring threads that make whole memory transactions when they read neighbouring elements.
const COALESCED_LANES: usize = 32;

impl<B: Copy> Planner<'_, B> {
    pub(super) fn transpose(&mut self, out: Matrix<B>, operand: Matrix<B>) {
        let shape = operand.shape;
        if shape.rows == 1 || shape.cols == 1 {
            // A vector keeps its order: a copy.
            return self.linear(out, &[(1, Matrix::new(operand.buffer, out.shape))], 0);
        }
        if shape.is_empty() {
            return;
        }
        let (panel_rows, panel_cols) = transpose_panel(shape, self.limits.elements(self.element_bytes));
        for (first_row, rows) in cuts(shape.rows, panel_rows) {
            for (first_col, cols) in cuts(shape.cols, panel_cols) {
                let start = first_row * shape.cols + first_col;
                let (read, operand_offset) = self.bind(operand.buffer, start, span(rows, shape.cols, cols));
                let start = first_col * shape.rows + first_row;
                let (written, out_offset) = self.bind(out.buffer, start, span(cols, shape.rows, rows));
                let tiles_across = cols.div_ceil(TRANSPOSE_TILE);
                let tiles = tiles_across * rows.div_ceil(TRANSPOSE_TILE);
                let params = params::Transpose {
                    rows: index(rows),
                    cols: index(cols),
                    tiles_across: index(tiles_across),
                    tiles: index(tiles),
                    operand_offset,
                    operand_stride: stride(rows, shape.cols),
                    out_offset,
                    out_stride: stride(cols, shape.rows),
                };
                self.dispatch(
                    Shader::Transpose,
                    ParamBytes::new(&params),
                    vec![written, read],
                    tiles,
                    rows * cols,
                );
            }
        }
    }

    pub(super) fn rows(&mut self, out: Matrix<B>, operand: Matrix<B>, numbers: Matrix<B>, column: usize) {
        if out.shape.is_empty() {
            return;
        }
        let (most, width, stride_of_operand) =
            (self.limits.elements(self.element_bytes), out.shape.cols, operand.shape.cols);
        for (first_col, cols) in cuts(width, most) {
            let fitting = |stride: usize| (most - cols) / stride + 1;
            for (first_row, rows) in cuts(out.shape.rows, fitting(width)) {
                for (first, bound) in cuts(operand.shape.rows, fitting(stride_of_operand)) {
                    let start = first * stride_of_operand + column + first_col;
                    let (read, operand_offset) =
                        self.bind(operand.buffer, start, span(bound, stride_of_operand, cols));
                    let (index_span, index_offset) = self.bind(numbers.buffer, first_row, rows);
                    let start = first_row * width + first_col;
                    let (written, out_offset) = self.bind(out.buffer, start, span(rows, width, cols));
                    let params = params::Rows {
                        count: index(rows * cols),
                        cols: index(cols),
                        operand_rows: index(operand.shape.rows),
                        first_row: index(first),
                        bound_rows: index(bound),
                        operand_offset,
                        operand_stride: stride(bound, stride_of_operand),
                        index_offset,
                        out_offset,
                        out_stride: stride(rows, width),
                        unused: [0; 2],
                    };
                    let groups = (rows * cols).div_ceil(Shader::Rows.threads() as usize);
                    let bindings = vec![written, read, index_span];
                    self.dispatch(Shader::Rows, ParamBytes::new(&params), bindings, groups, rows * cols);
                }
            }
        }
    }

    pub(super) fn sum(&mut self, out: Matrix<B>, operand: Matrix<B>, axis: Axis) {
        if operand.shape.is_empty() && !out.shape.is_empty() {
            return self.clear(out);
        }
        let row_stride = operand.shape.cols;
        for block in contiguous_blocks(operand.shape, self.limits.elements(self.element_bytes)) {
            // Blocks come in row-major order: one that does not begin its sums adds to them.
            let (first, sums, inner, sum_stride, inner_stride, accumulate) = match axis {
                Axis::Rows => (block.first_col, block.cols, block.rows, 1, row_stride, block.first_row > 0),
                Axis::Cols => (block.first_row, block.rows, block.cols, row_stride, 1, block.first_col > 0),
            };
            let start = block.first_row * row_stride + block.first_col;
            let sums = Sums { count: sums, inner, sum_stride, inner_stride };
            self.sums((out.buffer, first), (operand.buffer, start), sums, accumulate);
        }
    }

    /// Writes sums from an element of `out` on, of what lies from an element of `operand` on. In two stages where that
    /// is what makes use of the GPU, and in several where a thread would sum too much.
    fn sums(&mut self, out: (B, usize), operand: (B, usize), sums: Sums, accumulate: bool) {
        let lanes = sums.lanes();
        let most = self.limits.scratch_elements(self.element_bytes) / sums.count;
        let wanted = (BUSY_THREADS / (sums.count * lanes)).min(sums.inner / (lanes * LEAST_SUMMED));
        let slices = wanted.min(most).max(1);
        for (from, inner) in cuts(sums.inner, slices * lanes * MOST_SUMMED) {
            let part = Sums { inner, ..sums };
            let operand = (operand.0, operand.1 + from * sums.inner_stride);
            let adds = accumulate || from > 0;
            if slices == 1 {
                self.sum_dispatch(out, operand, part, 1, adds);
            } else {
                self.sum_dispatch((self.scratch, 0), operand, part, slices, false);
                self.sum_slices(out, part.count, slices, adds);
            }
        }
    }

    /// Sums `slices` rows of `count` partial results.
    pub(super) fn sum_slices(&mut self, out: (B, usize), count: usize, slices: usize, accumulate: bool) {
        let sums = Sums { count, inner: slices, sum_stride: 1, inner_stride: count };
        self.sum_dispatch(out, (self.scratch, 0), sums, 1, accumulate);
    }

    fn sum_dispatch(
        &mut self,
        out: (B, usize),
        operand: (B, usize),
        sums: Sums,
        slices: usize,
        accumulate: bool,
    ) {
        let Sums { count, inner, sum_stride, inner_stride } = sums;
        let lanes = sums.lanes();
        let len = (count - 1) * sum_stride + (inner - 1) * inner_stride + 1;
        let (read, operand_offset) = self.bind(operand.0, operand.1, len);
        let (written, out_offset) = self.bind(out.0, out.1, count * slices);
        let params = params::Sum {
            sums: index(count),
            inner: index(inner),
            lanes: index(lanes),
            accumulate: accumulate.into(),
            out_offset,
            operand_offset,
            sum_stride: stride(count, sum_stride),
            inner_stride: stride(inner, inner_stride),
            slices: index(slices),
            ..Default::default()
        };
        let groups = (count * slices).div_ceil(Shader::Sum.threads() as usize / lanes);
        self.dispatch(Shader::Sum, ParamBytes::new(&params), vec![written, read], groups, count * inner);
    }
}

/// Sums and how their elements lie.
#[derive(Clone, Copy)]
struct Sums {
    /// The number.
    count: usize,
    /// Elements of each.
    inner: usize,
    /// From one sum's elements to the next sum's.
    sum_stride: usize,
    /// From one element of a sum to the next.
    inner_stride: usize,
}

impl Sums {
    /// The number of threads that share one sum: a power of two.
    fn lanes(self) -> usize {
        let is_contiguous = self.inner_stride == 1;
        let threads = Shader::Sum.threads() as usize;
        // Where neighbours are elements of different sums, enough sums for whole transactions share a workgroup.
        let most =
            if is_contiguous || self.count < COALESCED_LANES { threads } else { threads / COALESCED_LANES };
        let mut lanes = 1;
        while lanes < self.inner.min(most)
            && (self.count * lanes < BUSY_THREADS || (is_contiguous && lanes < COALESCED_LANES))
        {
            lanes *= 2;
        }
        lanes
    }
}
