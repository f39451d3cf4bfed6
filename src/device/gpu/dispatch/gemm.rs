//! The matrix product: by residues where there are matrix units for them, otherwise whole, or in panels that fit
//! bindings; as vectors times a matrix where the result has one short side, otherwise in tiles.

use super::super::panel::{Block, GemmPanel, MOST_INNER, cuts, gemm_panel, span};
use super::super::params::{self, ParamBytes};
use super::super::shader::Shader;
use super::super::tile::{GemmTile, THREADS};
use super::super::tune::{GemmTiling, MOST_FEW};
use super::{Planner, Span, index, stride};
use crate::step::Matrix;

/// Workgroups that keep a large GPU busy: the inner size is cut into slices until there are as many.
const BUSY_GROUPS: usize = 256;

/// Inner elements of a slice of vectors times a matrix at least: fewer are not worth a second stage.
const LEAST_VECTOR_SLICE: usize = 128;

/// Results of one vector that a thread computes.
const FOUR: usize = 4;

/// A part of one term: the slice `first_inner ..` of length `inner` of its inner size.
#[derive(Clone, Copy)]
struct Factors<B> {
    left: Matrix<B>,
    right: Matrix<B>,
    first_inner: usize,
    inner: usize,
}

/// A part of the result, and what it is the sum of.
#[derive(Clone, Copy)]
struct Part<B> {
    out: Matrix<B>,
    block: Block,
    first: Factors<B>,
    second: Option<Factors<B>>,
    accumulate: bool,
    /// How tiles are chosen for the product that it is a part of.
    tiling: GemmTiling,
}

/// What workgroups compute.
#[derive(Clone, Copy)]
enum Form {
    /// Tiles.
    Tiles(GemmTile),
    /// All of the short side, and four results in the long side of every so many threads as there are lanes.
    Vectors {
        /// Whether the left operand is the matrix, and the columns of the right one the vectors.
        is_left: bool,
        long: usize,
        few: usize,
        lanes: usize,
    },
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
        let inner = terms.iter().map(|(left, _)| left.shape.cols).sum();
        let tiling = self.tuning.tiling((m, inner, n), BUSY_GROUPS);
        let most_inner = MOST_INNER * self.most_slices(tiling, m, n, usize::MAX);
        let panel_of =
            |(left, _): &(Matrix<B>, Matrix<B>)| gemm_panel((m, left.shape.cols, n), most, most_inner);
        let whole = |term: &(Matrix<B>, Matrix<B>)| {
            panel_of(term) == GemmPanel { rows: m, inner: term.0.shape.cols, cols: n }
        };
        if terms.len() == 2 && terms.iter().all(whole) {
            let factors = |(left, right): (Matrix<B>, Matrix<B>)| Factors {
                left,
                right,
                first_inner: 0,
                inner: left.shape.cols,
            };
            let block = Block { first_row: 0, rows: m, first_col: 0, cols: n };
            let (first, second) = (factors(terms[0]), Some(factors(terms[1])));
            return self.gemm_part(Part { out, block, first, second, accumulate, tiling });
        }
        for (number, term) in terms.iter().enumerate() {
            let (left, right) = *term;
            let panel = panel_of(term);
            for (first_row, rows) in cuts(m, panel.rows) {
                for (first_col, cols) in cuts(n, panel.cols) {
                    let block = Block { first_row, rows, first_col, cols };
                    // What is left of a panel may have other tiles, and so other slices.
                    let most_inner = MOST_INNER * self.slices_of(tiling, out, block, usize::MAX);
                    for (first_inner, inner) in cuts(left.shape.cols, panel.inner.min(most_inner)) {
                        let accumulate = accumulate || number > 0 || first_inner > 0;
                        let first = Factors { left, right, first_inner, inner };
                        self.gemm_part(Part { out, block, first, second: None, accumulate, tiling });
                    }
                }
            }
        }
    }

    /// What computes a result of some rows and columns: what wastes least of its workgroups.
    fn form(&self, tiling: GemmTiling, rows: usize, cols: usize, inner: usize) -> Form {
        let (narrow, flat) = (GemmTile::narrow(self.element_bytes), GemmTile::flat(self.element_bytes));
        if rows.min(cols) <= MOST_FEW {
            let is_left = cols <= rows;
            let (long, few) = if is_left { (rows, cols) } else { (cols, rows) };
            // A short long side leaves threads over, and a short inner size lanes.
            let owners = long.div_ceil(FOUR).min(THREADS).next_power_of_two();
            let lanes = (self.tuning.lanes[usize::from(!is_left)] as usize).max(THREADS / owners);
            Form::Vectors { is_left, long, few, lanes: lanes.min(inner.min(THREADS).next_power_of_two()) }
        } else if cols <= narrow.cols() {
            Form::Tiles(narrow)
        } else if rows <= flat.rows() {
            Form::Tiles(flat)
        } else {
            Form::Tiles(tiling.tile)
        }
    }

    /// Slices of the inner size that a result of some rows and columns can have.
    fn most_slices(&self, tiling: GemmTiling, rows: usize, cols: usize, inner: usize) -> usize {
        let room = self.limits.scratch_elements(self.element_bytes) / (rows * cols);
        let form = self.form(tiling, rows, cols, inner);
        let least = match form {
            Form::Tiles(_) => tiling.least_slice as usize,
            Form::Vectors { .. } => LEAST_VECTOR_SLICE,
        };
        (BUSY_GROUPS / form.groups(rows, cols)).min(room).min(inner / least).max(1)
    }

    /// Slices that a part of the result has: one where it is not contiguous, because sums are written so.
    fn slices_of(&self, tiling: GemmTiling, out: Matrix<B>, block: Block, inner: usize) -> usize {
        if block.cols != out.shape.cols && block.rows > 1 {
            return 1;
        }
        self.most_slices(tiling, block.rows, block.cols, inner)
    }

    /// One product, and in a second stage the sum of its slices where it has more than one.
    fn gemm_part(&mut self, part: Part<B>) {
        let Part { out, block, accumulate, .. } = part;
        let slices = self.slices_of(part.tiling, out, block, part.inner());
        let start = block.first_row * out.shape.cols + block.first_col;
        if slices == 1 {
            let (binding, offset) =
                self.bind(out.buffer, start, span(block.rows, out.shape.cols, block.cols));
            return self.gemm_slices(&part, (binding, offset, out.shape.cols), 1);
        }
        let len = block.rows * block.cols;
        let (binding, offset) = self.bind(self.scratch, 0, slices * len);
        self.gemm_slices(&Part { accumulate: false, ..part }, (binding, offset, block.cols), slices);
        self.sum_slices((out.buffer, start), len, slices, accumulate);
    }

    /// The slices lie one behind the other in what is written, which has rows of a given distance.
    fn gemm_slices(&mut self, part: &Part<B>, written: (Span<B>, u32, usize), slices: usize) {
        let Block { rows, cols, .. } = part.block;
        let work = rows * cols * part.inner();
        let form = self.form(part.tiling, rows, cols, part.inner());
        let (shader, params, bindings) = match form {
            Form::Tiles(tile) => self.tiles(part, tile, written, slices),
            Form::Vectors { is_left, long, few, lanes } => {
                let sides = (long, few, lanes);
                self.vectors(part, is_left, sides, written, slices)
            }
        };
        self.dispatch(shader, params, bindings, form.groups(rows, cols) * slices, work);
    }

    /// Where both operands of some factors of a part are bound: the spans, the first element and the distance of rows.
    fn factors(&self, block: Block, factors: Factors<B>) -> [(Span<B>, [u32; 2]); 2] {
        let Factors { left, right, first_inner, inner } = factors;
        let place = |matrix: Matrix<B>, first_row: usize, rows: usize, first_col: usize, width: usize| {
            let cols = matrix.shape.cols;
            let (binding, offset) =
                self.bind(matrix.buffer, first_row * cols + first_col, span(rows, cols, width));
            (binding, [offset, stride(rows, cols)])
        };
        [
            place(left, block.first_row, block.rows, first_inner, inner),
            place(right, first_inner, inner, block.first_col, block.cols),
        ]
    }

    fn tiles(
        &self,
        part: &Part<B>,
        tile: GemmTile,
        (written, out_offset, out_cols): (Span<B>, u32, usize),
        slices: usize,
    ) -> (Shader, ParamBytes, Vec<Span<B>>) {
        let Part { block, first, second, .. } = *part;
        let [(left, left_first), (right, right_first)] = self.factors(block, first);
        // Without a second term its bindings are those of the first, and never read.
        let seconds = self.factors(block, second.unwrap_or(first));
        let [(left_again, left_second), (right_again, right_second)] = seconds;
        // All right operands have the result's columns.
        let places = [part.out.shape.cols, block.first_col, block.cols];
        let vectors = places.iter().all(|place| place.is_multiple_of(FOUR));
        let params = params::Gemm {
            rows: index(block.rows),
            cols: index(block.cols),
            tiles_across: index(block.cols.div_ceil(tile.cols())),
            tiles: index(tile.count(block.rows, block.cols)),
            out_offset,
            out_stride: stride(block.rows, out_cols),
            inner: part.inners(),
            left_first,
            right_first,
            left_second,
            right_second,
            accumulate: part.accumulate.into(),
            slices: index(slices),
            slice_stride: slice_stride(block, slices),
            ..Default::default()
        };
        let bindings = vec![written, left, right, left_again, right_again];
        (Shader::Gemm { tile, vectors }, ParamBytes::new(&params), bindings)
    }

    fn vectors(
        &self,
        part: &Part<B>,
        is_left: bool,
        (long, few, lanes): (usize, usize, usize),
        (written, out_offset, out_cols): (Span<B>, u32, usize),
        slices: usize,
    ) -> (Shader, ParamBytes, Vec<Span<B>>) {
        let Part { block, first, second, .. } = *part;
        // The matrix comes first of both, and along its long side the distances of rows or of columns.
        let sided = |factors| {
            let [(left, [left_at, left_stride]), (right, [right_at, right_stride])] =
                self.factors(block, factors);
            let (left_view, right_view) = ([left_at, left_stride, 1, 0], [right_at, 1, right_stride, 0]);
            if is_left {
                [(left, left_view), (right, right_view)]
            } else {
                [(right, right_view), (left, left_view)]
            }
        };
        let [(matrix, matrix_first), (vectors, vectors_first)] = sided(first);
        let [(matrix_again, matrix_second), (vectors_again, vectors_second)] = sided(second.unwrap_or(first));
        let out_stride = stride(block.rows, out_cols);
        let params = params::Gemv {
            long: index(long),
            lanes: index(lanes),
            along_inner: is_left.into(),
            tiles: index(long.div_ceil(FOUR * THREADS / lanes)),
            slices: index(slices),
            slice_stride: slice_stride(block, slices),
            accumulate: part.accumulate.into(),
            out_offset,
            out_strides: if is_left { [out_stride, 1] } else { [1, out_stride] },
            inner: part.inners(),
            matrix_first,
            matrix_second,
            vectors_first,
            vectors_second,
        };
        let bindings = vec![written, matrix, vectors, matrix_again, vectors_again];
        (Shader::Gemv { few: index(few) }, ParamBytes::new(&params), bindings)
    }
}

impl<B> Part<B> {
    fn inners(&self) -> [u32; 2] {
        [index(self.first.inner), self.second.as_ref().map_or(0, |second| index(second.inner))]
    }

    fn inner(&self) -> usize {
        self.first.inner + self.second.as_ref().map_or(0, |second| second.inner)
    }
}

impl Form {
    /// Workgroups of a result of some rows and columns.
    fn groups(self, rows: usize, cols: usize) -> usize {
        match self {
            Form::Tiles(tile) => tile.count(rows, cols),
            Form::Vectors { long, lanes, .. } => long.div_ceil(FOUR * THREADS / lanes),
        }
    }
}

/// Elements from one slice's results to the next's.
fn slice_stride(block: Block, slices: usize) -> u32 {
    index(if slices == 1 { 0 } else { block.rows * block.cols })
}
