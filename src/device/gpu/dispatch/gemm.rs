//! The matrix product: by residues where there are matrix units for them, otherwise whole, or in panels that fit
//! bindings.

use super::super::panel::{Block, GemmPanel, MOST_INNER, cuts, gemm_panel, span};
use super::super::params::{self, ParamBytes};
use super::super::program::Program;
use super::{Planner, index, stride};
use crate::ring::Shape;
use crate::step::Matrix;

/// Workgroups that keep a large GPU busy: the inner size is cut into slices until there are as many.
const BUSY_GROUPS: usize = 256;

/// Inner elements of a slice at least: fewer are not worth a second stage.
const LEAST_SLICE: usize = 512;

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
        if self.residue_gemm(out, &terms, accumulate) {
            return;
        }
        let most = self.limits.elements(self.element_bytes);
        let (m, n) = (out.shape.rows, out.shape.cols);
        let most_inner = MOST_INNER * self.most_slices(m, n);
        let panel_of =
            |(left, _): &(Matrix<B>, Matrix<B>)| gemm_panel((m, left.shape.cols, n), most, most_inner);
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
                    // What is left of a panel may have other tiles, and so other slices.
                    let most_inner = MOST_INNER * self.slices_of(out, block, usize::MAX);
                    for (first_inner, inner) in cuts(left.shape.cols, panel.inner.min(most_inner)) {
                        let adds = accumulate || number > 0 || first_inner > 0;
                        let factors = Factors { left, right, first_inner, inner };
                        self.gemm_dispatch(out, block, factors, None, adds);
                    }
                }
            }
        }
    }

    /// Slices of the inner size that a result of some rows and columns can have.
    fn most_slices(&self, rows: usize, cols: usize) -> usize {
        let room = self.limits.scratch_elements(self.element_bytes) / (rows * cols);
        (BUSY_GROUPS / tiles(program(rows, cols), rows, cols)).min(room).max(1)
    }

    /// Slices that a part of the result has: one where it is not contiguous, because sums are written so.
    fn slices_of(&self, out: Matrix<B>, block: Block, inner: usize) -> usize {
        if block.cols != out.shape.cols && block.rows > 1 {
            return 1;
        }
        self.most_slices(block.rows, block.cols).min(inner / LEAST_SLICE).max(1)
    }

    /// One product, and in a second stage the sum of its slices where it has more than one.
    fn gemm_dispatch(
        &mut self,
        out: Matrix<B>,
        block: Block,
        first: Factors<B>,
        second: Option<Factors<B>>,
        accumulate: bool,
    ) {
        let inner = first.inner + second.map_or(0, |second| second.inner);
        let slices = self.slices_of(out, block, inner);
        if slices == 1 {
            return self.gemm_slices(out, block, first, second, 1, accumulate);
        }
        let partial = Matrix::new(self.scratch, Shape::new(block.rows, block.cols));
        self.gemm_slices(partial, block, first, second, slices, false);
        let start = block.first_row * out.shape.cols + block.first_col;
        self.sum_slices((out.buffer, start), block.rows * block.cols, slices, accumulate);
    }

    /// Several slices lie as rows of `out`, which is then of the block's shape.
    fn gemm_slices(
        &mut self,
        out: Matrix<B>,
        block: Block,
        first: Factors<B>,
        second: Option<Factors<B>>,
        slices: usize,
        accumulate: bool,
    ) {
        let part = |first_row, rows, first_col, cols| Block { first_row, rows, first_col, cols };
        let mut bindings = Vec::with_capacity(5);
        let (out_binding, out_offset) = if slices == 1 {
            let start = block.first_row * out.shape.cols + block.first_col;
            self.bind(out.buffer, start, span(block.rows, out.shape.cols, block.cols))
        } else {
            self.bind(out.buffer, 0, slices * out.shape.len())
        };
        bindings.push(out_binding);
        let mut place = |matrix: Matrix<B>, block: Block| {
            let cols = matrix.shape.cols;
            let start = block.first_row * cols + block.first_col;
            let (binding, offset) = self.bind(matrix.buffer, start, span(block.rows, cols, block.cols));
            bindings.push(binding);
            [offset, stride(block.rows, cols)]
        };
        let mut factors = |factors: Factors<B>| {
            let Factors { left, right, first_inner, inner } = factors;
            let left = place(left, part(block.first_row, block.rows, first_inner, inner));
            (left, place(right, part(first_inner, inner, block.first_col, block.cols)))
        };
        let (left_first, right_first) = factors(first);
        // Without a second term its bindings are those of the first, and never read.
        let (left_second, right_second) = factors(second.unwrap_or(first));
        let program = program(block.rows, block.cols);
        let tiles = tiles(program, block.rows, block.cols);
        let params = params::Gemm {
            rows: index(block.rows),
            cols: index(block.cols),
            tiles_across: index(block.cols.div_ceil(program.gemm_tile().1)),
            tiles: index(tiles),
            out_offset,
            out_stride: stride(block.rows, out.shape.cols),
            inner: [index(first.inner), second.map_or(0, |second| index(second.inner))],
            left_first,
            right_first,
            left_second,
            right_second,
            accumulate: accumulate.into(),
            slices: index(slices),
            slice_stride: index(if slices == 1 { 0 } else { out.shape.len() }),
            ..Default::default()
        };
        let inner = first.inner + second.map_or(0, |second| second.inner);
        let work = block.rows * block.cols * inner;
        self.dispatch(program, ParamBytes::new(&params), bindings, tiles * slices, work);
    }
}

/// Tiles of a result of some rows and columns.
fn tiles(program: Program, rows: usize, cols: usize) -> usize {
    let (tile_rows, tile_cols) = program.gemm_tile();
    rows.div_ceil(tile_rows) * cols.div_ceil(tile_cols)
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
