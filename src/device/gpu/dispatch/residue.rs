//! The matrix product on matrix units, by residues: an engine behind [`Kernel::Gemm`](crate::step::Kernel::Gemm).
//!
//! The result is cut into blocks and the inner size into chunks. For each, and for each group of moduli:
//!
//! ```text
//! left, right ── residue_split ──▶ panels of residues
//! panels ────── residue_gemm ───▶ sums, one for each modulus and element
//! sums ──────── residue_join ───▶ what waits for the other moduli, or the result
//! ```
//!
//! Two terms are one inner size, the tiles of the second behind those of the first. A chunk is recovered exactly as an
//! integer, and its elements modulo 2^k add up. Rows and columns of a panel beyond the matrix hold what was there
//! before: they make sums that are not joined. Inner elements beyond the matrix are zero.

use super::super::panel::{cuts, span};
use super::super::params::{self, ParamBytes, halves};
use super::super::program::Program;
use super::super::residue::blocking::{BLOCK_TILES, Blocking, cheapest, scalar_cost};
use super::super::residue::panels::Panel;
use super::super::residue::{Residues, moduli};
use super::{Planner, Span, index, stride};
use crate::ring::{Ring, Shape};
use crate::step::Matrix;
use std::ops::Range;

/// Bytes of eight residues, of a sum, and of what waits for other moduli.
const EIGHT_BYTES: usize = 16;
const SUM_BYTES: usize = 4;
const PARTIAL_BYTES: usize = 16;

type Term<B> = (Matrix<B>, Matrix<B>);

/// A part of one term along the inner size, in elements, and where its tiles lie in the panels.
#[derive(Clone, Copy)]
struct Piece<B> {
    term: Term<B>,
    first_inner: usize,
    inner: usize,
    first_tile: usize,
}

/// Some inner elements, of one term or the end of one and the beginning of another.
struct Chunk<B> {
    pieces: Vec<Piece<B>>,
    tiles: usize,
}

/// One block of the result over one chunk, modulo some moduli.
struct Stage<'a, B> {
    units: &'a Residues<B>,
    chunk: &'a Chunk<B>,
    rows: Range<usize>,
    cols: Range<usize>,
    moduli: Range<usize>,
    /// Where the panels of both sides begin in their buffers, in bytes.
    panels: [u64; 2],
}

/// Which matrix is split.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

/// Tiles of a piece, across and along the inner size.
#[derive(Clone, Copy)]
struct Tiles {
    first_outer: usize,
    outer: usize,
    first_inner: usize,
    inner: usize,
}

impl<B: Copy> Planner<'_, B> {
    /// Computes the product by residues where there are matrix units and it pays. Returns whether it did.
    pub(super) fn residue_gemm(&mut self, out: Matrix<B>, terms: &[Term<B>], accumulate: bool) -> bool {
        let Some(units) = self.residues else { return false };
        let Some(blocking) = self.blocking(&units, out.shape, terms) else { return false };
        let chunks = chunks(terms, units.tile, blocking.inner / units.tile);
        let count = moduli::count(self.ring);
        let (rows, cols) = (out.shape.rows, out.shape.cols);
        let mut across: Vec<_> = chunks
            .iter()
            .flat_map(|chunk| cuts(cols, blocking.cols).map(move |(first, len)| (chunk, first..first + len)))
            .collect();
        let blocks_across = across.len() / chunks.len();
        for (first_row, rows) in cuts(rows, blocking.rows) {
            for (number, (chunk, cols)) in across.iter().enumerate() {
                for (first, moduli) in cuts(count, blocking.moduli) {
                    let mut stage = Stage {
                        units: &units,
                        chunk,
                        rows: first_row..first_row + rows,
                        cols: cols.clone(),
                        moduli: first..first + moduli,
                        panels: [0; 2],
                    };
                    self.provide(&mut stage, Side::Left);
                    self.provide(&mut stage, Side::Right);
                    self.multiply(&stage);
                    self.join_residues(&stage, out, accumulate || number >= blocks_across);
                }
            }
            // Back again: the next row of blocks begins with what this one used last.
            across.reverse();
        }
        true
    }

    fn blocking(&self, units: &Residues<B>, out: Shape, terms: &[Term<B>]) -> Option<Blocking> {
        let inner = |(left, _): &Term<B>| left.shape.cols.next_multiple_of(units.tile);
        let size = (out.rows, terms.iter().map(inner).sum::<usize>(), out.cols);
        let most = self.limits.elements(self.element_bytes);
        let has_tile = |matrix: &Matrix<B>| span(units.tile, matrix.shape.cols, units.tile) <= most;
        if size.1 == 0 || !terms.iter().all(|(left, right)| has_tile(left) && has_tile(right)) {
            return None;
        }
        let (blocking, cost) = cheapest(self.ring, size, units.tile, units.room, self.limits.binding_bytes)?;
        let [narrow, wide] = units.cost;
        let cost = cost * if self.ring == Ring::Z32 { narrow } else { wide };
        (units.always || cost < scalar_cost(self.ring, size)).then_some(blocking)
    }

    /// Has the panel of one side in its memory, made now unless it is there from before.
    fn provide(&mut self, stage: &mut Stage<'_, B>, side: Side) {
        let pieces = stage.chunk.pieces.iter().map(|piece| {
            let (left, right) = piece.term;
            let matrix = if side == Side::Left { left } else { right };
            let inner = piece.first_inner..piece.first_inner + piece.inner;
            ((self.content)(matrix.buffer), matrix.shape.cols, inner)
        });
        let outer = if side == Side::Left { &stage.rows } else { &stage.cols };
        let panel = Panel {
            ring: self.ring,
            pieces: pieces.collect(),
            outer: outer.clone(),
            moduli: stage.moduli.clone(),
        };
        let size_bytes = stage.eights(side) * stage.moduli.len() * EIGHT_BYTES;
        let (start, is_there) = self.panels[side as usize].place(panel, size_bytes as u64);
        stage.panels[side as usize] = start;
        if !is_there {
            self.split(stage, side);
        }
    }

    /// Writes a panel: the residues of a block's rows or columns over a chunk.
    fn split(&mut self, stage: &Stage<'_, B>, side: Side) {
        let tile = stage.units.tile;
        let outer = if side == Side::Left { stage.rows.len() } else { stage.cols.len() };
        for piece in &stage.chunk.pieces {
            let whole = Tiles {
                first_outer: 0,
                outer: outer.div_ceil(tile),
                first_inner: 0,
                inner: piece.inner.div_ceil(tile),
            };
            self.split_tiles(stage, side, piece, whole);
        }
    }

    /// Halves what the operand's binding does not hold.
    fn split_tiles(&mut self, stage: &Stage<'_, B>, side: Side, piece: &Piece<B>, tiles: Tiles) {
        let tile = stage.units.tile;
        let (left, right) = piece.term;
        let (matrix, block) = match side {
            Side::Left => (left, &stage.rows),
            Side::Right => (right, &stage.cols),
        };
        let outer = (tiles.outer * tile).min(block.len() - tiles.first_outer * tile);
        let inner = (tiles.inner * tile).min(piece.inner - tiles.first_inner * tile);
        let (first_outer, first_inner) =
            (block.start + tiles.first_outer * tile, piece.first_inner + tiles.first_inner * tile);
        let cols = matrix.shape.cols;
        let (start, len, is_tall) = match side {
            Side::Left => (first_outer * cols + first_inner, span(outer, cols, inner), tiles.outer > 1),
            Side::Right => (first_inner * cols + first_outer, span(inner, cols, outer), tiles.inner == 1),
        };
        if len > self.limits.elements(self.element_bytes) {
            for half in tiles.halves(is_tall) {
                self.split_tiles(stage, side, piece, half);
            }
            return;
        }
        let (operand, operand_offset) = self.bind(matrix.buffer, start, len);
        let (outer_stride, inner_stride) = match side {
            Side::Left => (stride(outer, cols), 1),
            Side::Right => (1, stride(inner, cols)),
        };
        let modulus_stride = stage.eights(side);
        let params = params::ResidueSplit {
            outer: index(outer),
            inner: index(inner),
            outer_tiles: index(tiles.outer),
            inner_tiles: index(tiles.inner),
            first_outer_tile: index(tiles.first_outer),
            first_inner_tile: index(piece.first_tile + tiles.first_inner),
            panel_inner_tiles: index(stage.chunk.tiles),
            tile: index(tile),
            operand_offset,
            outer_stride,
            inner_stride,
            right: (side == Side::Right).into(),
            first_modulus: index(stage.moduli.start),
            moduli: index(stage.moduli.len()),
            modulus_stride: index(modulus_stride),
            ..Default::default()
        };
        let bindings = vec![stage.panel(side), operand, stage.units.table(self.ring)];
        let eights = tiles.outer * tiles.inner * tile * tile / 8;
        let program = Program::ResidueSplit;
        let work = outer * inner * stage.moduli.len();
        self.dispatch(program, ParamBytes::new(&params), bindings, eights.div_ceil(256), work);
    }

    /// Multiplies the panels.
    fn multiply(&mut self, stage: &Stage<'_, B>) {
        let units = stage.units;
        let (tiles_down, tiles_across) = (stage.tiles_down(), stage.tiles_across());
        let (blocks_down, blocks_across) = (tiles_down / BLOCK_TILES, tiles_across / BLOCK_TILES);
        let groups_across = blocks_across.div_ceil(2);
        let groups = groups_across * blocks_down.div_ceil(2);
        let area = units.tile * units.tile;
        let left_stride = tiles_down * stage.chunk.tiles * area;
        let right_stride = tiles_across * stage.chunk.tiles * area;
        let params = params::ResidueGemm {
            blocks_down: index(blocks_down),
            blocks_across: index(blocks_across),
            groups_across: index(groups_across),
            groups: index(groups),
            inner_tiles: index(stage.chunk.tiles),
            first_modulus: index(stage.moduli.start),
            moduli: index(stage.moduli.len()),
            pitch: index(stage.pitch()),
            left_stride: index(left_stride),
            right_stride: index(right_stride),
            sums_stride: index(stage.sums_stride()),
            ..Default::default()
        };
        let count = stage.moduli.len();
        let bindings = vec![
            whole(units.sums, stage.sums_stride() * count * SUM_BYTES),
            stage.panel(Side::Left),
            stage.panel(Side::Right),
            units.table(self.ring),
            units.rounding(),
        ];
        let program = Program::residue_gemm(units.tile);
        let products = stage.sums_stride() * stage.chunk.tiles * units.tile;
        let work = products * count / moduli::count(self.ring);
        self.dispatch(program, ParamBytes::new(&params), bindings, groups * count, work);
    }

    /// Puts the block together, or as much of it as these moduli tell, some rows at a time where the result's binding
    /// does not hold them all.
    fn join_residues(&mut self, stage: &Stage<'_, B>, out: Matrix<B>, accumulate: bool) {
        let (cols, most) = (out.shape.cols, self.limits.elements(self.element_bytes));
        let mut part = stage.rows.len();
        while span(part, cols, stage.cols.len()) > most {
            part = part.div_ceil(2);
        }
        let is_last = stage.moduli.end == moduli::count(self.ring);
        let is_only = is_last && stage.moduli.start == 0;
        for (first_row, rows) in cuts(stage.rows.len(), part) {
            let start = (stage.rows.start + first_row) * cols + stage.cols.start;
            let (out, out_offset) = self.bind(out.buffer, start, span(rows, cols, stage.cols.len()));
            let params = params::ResidueJoin {
                rows: index(rows),
                cols: index(stage.cols.len()),
                out_offset,
                out_stride: stride(rows, cols),
                first_row: index(first_row),
                pitch: index(stage.pitch()),
                sums_stride: index(stage.sums_stride()),
                first_modulus: index(stage.moduli.start),
                moduli: index(stage.moduli.len()),
                is_first: (stage.moduli.start == 0).into(),
                is_last: is_last.into(),
                accumulate: accumulate.into(),
                product: halves(moduli::product(self.ring)),
                ..Default::default()
            };
            let partial = if is_only { 1 } else { stage.sums_stride() };
            let bindings = vec![
                out,
                whole(stage.units.partial, partial * PARTIAL_BYTES),
                whole(stage.units.sums, stage.sums_stride() * stage.moduli.len() * SUM_BYTES),
                stage.units.table(self.ring),
            ];
            let elements = rows * stage.cols.len();
            let work = elements * stage.moduli.len();
            let program = Program::ResidueJoin;
            self.dispatch(program, ParamBytes::new(&params), bindings, elements.div_ceil(256), work);
        }
    }
}

impl<B: Copy> Stage<'_, B> {
    /// The panel of one side.
    fn panel(&self, side: Side) -> Span<B> {
        let buffer = if side == Side::Left { self.units.left } else { self.units.right };
        let size_bytes = (self.eights(side) * self.moduli.len() * EIGHT_BYTES) as u64;
        Span { buffer, offset_bytes: self.panels[side as usize], size_bytes }
    }

    /// Eights of residues in one side's panel for each modulus.
    fn eights(&self, side: Side) -> usize {
        let outer_tiles = if side == Side::Left { self.tiles_down() } else { self.tiles_across() };
        outer_tiles * self.chunk.tiles * self.units.tile * self.units.tile / 8
    }

    /// Tiles of the left panel, in whole blocks.
    fn tiles_down(&self) -> usize {
        self.rows.len().div_ceil(self.units.tile).next_multiple_of(BLOCK_TILES)
    }

    /// Tiles of the right panel, in whole blocks.
    fn tiles_across(&self) -> usize {
        self.cols.len().div_ceil(self.units.tile).next_multiple_of(BLOCK_TILES)
    }

    /// Sums in a row.
    fn pitch(&self) -> usize {
        self.tiles_across() * self.units.tile
    }

    /// Sums of one modulus.
    fn sums_stride(&self) -> usize {
        self.tiles_down() * self.units.tile * self.pitch()
    }
}

impl Tiles {
    fn halves(self, across: bool) -> [Tiles; 2] {
        let (mut first, mut second) = (self, self);
        if across {
            first.outer = self.outer.div_ceil(2);
            second.outer = self.outer - first.outer;
            second.first_outer += first.outer;
        } else {
            first.inner = self.inner.div_ceil(2);
            second.inner = self.inner - first.inner;
            second.first_inner += first.inner;
        }
        [first, second]
    }
}

/// The first bytes of a buffer.
fn whole<B>(buffer: B, size_bytes: usize) -> Span<B> {
    Span { buffer, offset_bytes: 0, size_bytes: size_bytes as u64 }
}

/// The terms in chunks of at most `most` tiles of the inner size.
fn chunks<B: Copy>(terms: &[Term<B>], tile: usize, most: usize) -> Vec<Chunk<B>> {
    let mut chunks: Vec<Chunk<B>> = Vec::new();
    for &term in terms {
        let inner = term.0.shape.cols;
        let mut done = 0;
        while done < inner {
            if chunks.last().is_none_or(|chunk| chunk.tiles == most) {
                chunks.push(Chunk { pieces: Vec::new(), tiles: 0 });
            }
            let chunk = chunks.last_mut().expect("there is one with room");
            let here = (inner - done).min((most - chunk.tiles) * tile);
            let piece = Piece { term, first_inner: done, inner: here, first_tile: chunk.tiles };
            chunk.pieces.push(piece);
            chunk.tiles += here.div_ceil(tile);
            done += here;
        }
    }
    chunks
}
