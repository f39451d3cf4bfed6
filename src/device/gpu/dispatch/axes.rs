//! Kernels that move or sum along an axis: transposition and sums.

use super::super::panel::{MOST_SUMMED, TRANSPOSE_TILE, contiguous_blocks, cuts, span, transpose_panel};
use super::super::params::{self, ParamBytes};
use super::super::program::Program;
use super::{Planner, index, stride};
use crate::step::{Axis, Matrix};

/// Threads that keep a large GPU busy: sums are shared among threads until there are as many.
const BUSY_THREADS: usize = 1 << 16;

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
                    Program::Transpose,
                    ParamBytes::new(&params),
                    vec![written, read],
                    tiles,
                    rows * cols,
                );
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
            let lanes = sum_lanes(sums, inner, inner_stride == 1);
            for (from, inner) in cuts(inner, lanes * MOST_SUMMED) {
                let len = (sums - 1) * sum_stride + (inner - 1) * inner_stride + 1;
                let (read, operand_offset) = self.bind(operand.buffer, start + from * inner_stride, len);
                let (written, out_offset) = self.bind(out.buffer, first, sums);
                let params = params::Sum {
                    sums: index(sums),
                    inner: index(inner),
                    lanes: index(lanes),
                    accumulate: (accumulate || from > 0).into(),
                    out_offset,
                    operand_offset,
                    sum_stride: stride(sums, sum_stride),
                    inner_stride: stride(inner, inner_stride),
                };
                let groups = sums.div_ceil(Program::Sum.threads() as usize / lanes);
                self.dispatch(
                    Program::Sum,
                    ParamBytes::new(&params),
                    vec![written, read],
                    groups,
                    sums * inner,
                );
            }
        }
    }
}

/// How many threads share one sum: a power of two.
fn sum_lanes(sums: usize, inner: usize, contiguous: bool) -> usize {
    let mut lanes = 1;
    while lanes < inner.min(Program::Sum.threads() as usize)
        && (sums * lanes < BUSY_THREADS || (contiguous && lanes < COALESCED_LANES))
    {
        lanes *= 2;
    }
    lanes
}
