//! The matrix product: whole, or in panels that fit bindings.

use super::super::panel::{Block, GemmPanel, cuts, gemm_panel, span};
use super::super::params::{self, ParamBytes};
use super::super::program::Program;
use super::{Planner, index, stride};
use crate::step::Matrix;

/// A part of one term: the slice `first_inner ..` of length `inner` of its inner size.
#[derive(Clone, Copy)]
struct Factors<B> {
    left: Matrix<B>,
    right: Matrix<B>,
    first_inner: usize,
    inner: usize,
}

impl<B: Copy> Planner<'_, B> {
    /// Two terms run in one dispatch where no panels are needed: the result is then written once, and a small
    /// result keeps its workgroups for twice as long. Otherwise each panel of each term adds to the result.
    pub(super) fn gemm(&mut self, out: Matrix<B>, terms: &[(Matrix<B>, Matrix<B>)], accumulate: bool) {
        if out.shape.is_empty() {
            return;
        }
        let terms: Vec<_> = terms.iter().copied().filter(|(left, _)| left.shape.cols > 0).collect();
        if terms.is_empty() && !accumulate {
            self.clear(out);
        }
        let most = self.limits.elements(self.element_bytes);
        let (m, n) = (out.shape.rows, out.shape.cols);
        let panel_of = |(left, _): &(Matrix<B>, Matrix<B>)| gemm_panel(m, left.shape.cols, n, most);
        let whole = |term: &(Matrix<B>, Matrix<B>)| {
            panel_of(term) == GemmPanel { rows: m, inner: term.0.shape.cols, cols: n }
        };
        if terms.len() == 2 && terms.iter().all(whole) {
            let part = |(left, right): (Matrix<B>, Matrix<B>)| Factors {
                left,
                right,
                first_inner: 0,
                inner: left.shape.cols,
            };
            let block = Block { first_row: 0, rows: m, first_col: 0, cols: n };
            return self.gemm_dispatch(out, block, part(terms[0]), Some(part(terms[1])), accumulate);
        }
        for (number, term) in terms.iter().enumerate() {
            let (left, right) = *term;
            let panel = panel_of(term);
            for (first_row, rows) in cuts(m, panel.rows) {
                for (first_col, cols) in cuts(n, panel.cols) {
                    let block = Block { first_row, rows, first_col, cols };
                    for (first_inner, inner) in cuts(left.shape.cols, panel.inner) {
                        let adds = accumulate || number > 0 || first_inner > 0;
                        let factors = Factors { left, right, first_inner, inner };
                        self.gemm_dispatch(out, block, factors, None, adds);
                    }
                }
            }
        }
    }

    fn gemm_dispatch(
        &mut self,
        out: Matrix<B>,
        block: Block,
        first: Factors<B>,
        second: Option<Factors<B>>,
        accumulate: bool,
    ) {
        let part = |first_row, rows, first_col, cols| Block { first_row, rows, first_col, cols };
        let mut bindings = Vec::with_capacity(5);
        let mut place = |matrix: Matrix<B>, block: Block| {
            let cols = matrix.shape.cols;
            let start = block.first_row * cols + block.first_col;
            let (binding, offset) = self.bind(matrix.buffer, start, span(block.rows, cols, block.cols));
            bindings.push(binding);
            [offset, stride(block.rows, cols)]
        };
        let [out_offset, out_stride] = place(out, block);
        let mut factors = |factors: Factors<B>| {
            let Factors { left, right, first_inner, inner } = factors;
            let left = place(left, part(block.first_row, block.rows, first_inner, inner));
            (left, place(right, part(first_inner, inner, block.first_col, block.cols)))
        };
        let (left_first, right_first) = factors(first);
        // Without a second term its bindings are those of the first, and never read.
        let (left_second, right_second) = factors(second.unwrap_or(first));
        let program = program(block.rows, block.cols);
        let (tile_rows, tile_cols) = program.gemm_tile();
        let tiles_across = block.cols.div_ceil(tile_cols);
        let tiles = tiles_across * block.rows.div_ceil(tile_rows);
        let params = params::Gemm {
            rows: index(block.rows),
            cols: index(block.cols),
            tiles_across: index(tiles_across),
            tiles: index(tiles),
            out_offset,
            out_stride,
            inner: [index(first.inner), second.map_or(0, |second| index(second.inner))],
            left_first,
            right_first,
            left_second,
            right_second,
            accumulate: accumulate.into(),
            ..Default::default()
        };
        let inner = first.inner + second.map_or(0, |second| second.inner);
        self.dispatch(program, ParamBytes::new(&params), bindings, tiles, block.rows * block.cols * inner);
    }
}

/// The tiles that waste least: square ones, unless most of their columns or rows would lie beyond the result.
fn program(rows: usize, cols: usize) -> Program {
    if cols <= Program::GemmNarrow.gemm_tile().1 {
        Program::GemmNarrow
    } else if rows <= Program::GemmFlat.gemm_tile().0 {
        Program::GemmFlat
    } else {
        Program::Gemm
    }
}
