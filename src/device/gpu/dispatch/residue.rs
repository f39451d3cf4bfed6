//! The matrix product on matrix units, by residues: an engine behind [`Kernel::Gemm`](crate::step::Kernel::Gemm).
//!
//! The result is cut into blocks and the inner size into chunks. For each, and for each group of moduli:
//!
//! ```text
//! left, right ── residue_split ──▶ panels of residues
//! panels ────── residue_gemm ───▶ sums modulo each number
//! sums ──────── residue_join ───▶ what waits for the other moduli, or the result
//! ```
//!
//! Two terms are one inner size, the tiles of the second behind those of the first. A chunk is recovered exactly as an
//! integer, and its elements modulo 2^k add up. Rows and columns of a panel beyond the matrix hold what was there
//! before: they make sums that are not joined. Inner elements beyond the matrix are zero. Where residues are bytes,
//! `residue_gemm_int8` multiplies them, and sums are bytes too: all moduli are then one group, and nothing waits. A product
//! of 4096³ in 64 bits makes each of its 36 · 4096² residues once, in two chunks: it writes and reads 1.2 GB of residues and
//! 1.2 GB of sums, and 0.4 GB of the result.

use super::super::panel::{cuts, span};
use super::super::params::{self, ParamBytes, halves};
use super::super::residue::blocking::{Blocking, cheapest, scalar_cost};
use super::super::residue::panels::Panel;
use super::super::residue::{Residues, moduli};
use super::super::shader::Shader;
use super::{Planner, Span, index, stride};
use crate::ring::{Ring, Shape};
use crate::step::Matrix;
use std::ops::Range;

/// Bytes of residues that one thread computes, and of what waits for other moduli.
const VECTOR_BYTES: usize = 16;
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

/// A part of a piece: rows of the left matrix or columns of the right one, and tiles along the inner size.
#[derive(Clone, Copy)]
struct Part {
    first_outer: usize,
    outer: usize,
    first_tile: usize,
    tiles: usize,
}

impl<B: Copy> Planner<'_, B> {
    /// Computes the product by residues where there are matrix units and it pays. Returns whether it did.
    pub(super) fn residue_gemm(&mut self, out: Matrix<B>, terms: &[Term<B>], accumulate: bool) -> bool {
        let Some(units) = self.residues else { return false };
        let Some(blocking) = self.blocking(&units, out.shape, terms) else { return false };
        let (_, depth) = units.tile.panel_tile();
        let chunks = chunks(terms, depth, blocking.inner / depth);
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
        let (_, depth) = units.tile.panel_tile();
        let inner = |(left, _): &Term<B>| left.shape.cols.next_multiple_of(depth);
        let size = (out.rows, terms.iter().map(inner).sum::<usize>(), out.cols);
        let most = self.limits.elements(self.element_bytes);
        // A row of a tile, at least, is in a binding.
        let has_row = |(_, right): &Term<B>| span(depth, right.shape.cols, 1) <= most;
        if size.1 == 0 || !terms.iter().all(has_row) {
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
        let size_bytes = stage.vectors(side) * stage.moduli.len() * VECTOR_BYTES;
        let (start, is_there) = self.panels[side as usize].place(panel, size_bytes as u64);
        stage.panels[side as usize] = start;
        if !is_there {
            self.split(stage, side);
        }
    }

    /// Writes a panel: the residues of a block's rows or columns over a chunk.
    fn split(&mut self, stage: &Stage<'_, B>, side: Side) {
        let (_, depth) = stage.units.tile.panel_tile();
        let outer = if side == Side::Left { stage.rows.len() } else { stage.cols.len() };
        for piece in &stage.chunk.pieces {
            let tiles = piece.inner.div_ceil(depth);
            self.split_part(stage, side, piece, Part { first_outer: 0, outer, first_tile: 0, tiles });
        }
    }

    /// Halves what the operand's binding does not hold.
    fn split_part(&mut self, stage: &Stage<'_, B>, side: Side, piece: &Piece<B>, part: Part) {
        let tile = stage.units.tile;
        let (tile_outer, depth) = tile.panel_tile();
        let (left, right) = piece.term;
        let (matrix, block) = match side {
            Side::Left => (left, &stage.rows),
            Side::Right => (right, &stage.cols),
        };
        let outer = part.outer;
        let inner = (part.tiles * depth).min(piece.inner - part.first_tile * depth);
        let (first_outer, first_inner) =
            (block.start + part.first_outer, piece.first_inner + part.first_tile * depth);
        let cols = matrix.shape.cols;
        let (start, len, is_tall) = match side {
            Side::Left => (first_outer * cols + first_inner, span(outer, cols, inner), outer > 1),
            Side::Right => (first_inner * cols + first_outer, span(inner, cols, outer), part.tiles == 1),
        };
        if len > self.limits.elements(self.element_bytes) {
            for half in part.halves(is_tall) {
                self.split_part(stage, side, piece, half);
            }
            return;
        }
        let (operand, operand_offset) = self.bind(matrix.buffer, start, len);
        let (outer_stride, inner_stride) = match side {
            Side::Left => (stride(outer, cols), 1),
            Side::Right => (1, stride(inner, cols)),
        };
        let params = params::ResidueSplit {
            outer: index(outer),
            inner: index(inner),
            inner_tiles: index(part.tiles),
            first_outer: index(part.first_outer),
            first_inner_tile: index(piece.first_tile + part.first_tile),
            panel_inner_tiles: index(stage.chunk.tiles),
            tile_outer: index(tile_outer),
            tile_inner: index(depth),
            operand_offset,
            outer_stride,
            inner_stride,
            right: (side == Side::Right).into(),
            first_modulus: index(stage.moduli.start),
            moduli: index(stage.moduli.len()),
            modulus_stride: index(stage.vectors(side)),
            ..Default::default()
        };
        let bindings = vec![stage.panel(side), operand, stage.units.table(self.ring)];
        let vectors = outer * part.tiles * depth * tile.residue_bytes() / VECTOR_BYTES;
        let shader = Shader::ResidueSplit { bytes: tile.has_bytes() };
        let work = outer * inner * stage.moduli.len();
        self.dispatch(shader, ParamBytes::new(&params), bindings, vectors.div_ceil(256), work);
    }

    /// Multiplies the panels.
    fn multiply(&mut self, stage: &Stage<'_, B>) {
        let (units, count) = (stage.units, stage.moduli.len());
        let (tile, inner_tiles) = (units.tile, stage.chunk.tiles);
        let [high, wide] = tile.block();
        let (blocks_down, blocks_across) = (stage.rows_padded() / high, stage.pitch() / wide);
        let panels = [Side::Left, Side::Right].map(|side| stage.panel(side));
        let mut bindings = vec![stage.sums(), panels[0], panels[1], units.table(self.ring)];
        let (params, groups) = if tile.has_bytes() {
            let params = params::ResidueGemmInt8 {
                groups_across: index(blocks_across),
                groups_down: index(blocks_down),
                inner_tiles: index(inner_tiles),
                first_modulus: index(stage.moduli.start),
                moduli: index(count),
                pitch: index(stage.pitch()),
                left_stride: index(stage.vectors(Side::Left)),
                right_stride: index(stage.vectors(Side::Right)),
                sums_stride: index(stage.sums_stride()),
                ..Default::default()
            };
            (ParamBytes::new(&params), blocks_down * blocks_across)
        } else {
            bindings.push(units.rounding());
            let groups_across = blocks_across.div_ceil(2);
            let groups = groups_across * blocks_down.div_ceil(2);
            let elements = VECTOR_BYTES / tile.residue_bytes();
            let params = params::ResidueGemm {
                blocks_down: index(blocks_down),
                blocks_across: index(blocks_across),
                groups_across: index(groups_across),
                groups: index(groups),
                inner_tiles: index(inner_tiles),
                first_modulus: index(stage.moduli.start),
                moduli: index(count),
                pitch: index(stage.pitch()),
                left_stride: index(stage.vectors(Side::Left) * elements),
                right_stride: index(stage.vectors(Side::Right) * elements),
                sums_stride: index(stage.sums_stride()),
                ..Default::default()
            };
            (ParamBytes::new(&params), groups)
        };
        let products = stage.sums_stride() * inner_tiles * tile.panel_tile().1;
        let work = products * count / moduli::count(self.ring);
        self.dispatch(Shader::ResidueGemm { tile }, params, bindings, groups * count, work);
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
                bytes: stage.units.tile.has_bytes().into(),
                product: halves(moduli::product(self.ring)),
                ..Default::default()
            };
            let partial = if is_only { 1 } else { stage.sums_stride() };
            let bindings = vec![
                out,
                whole(stage.units.partial, partial * PARTIAL_BYTES),
                stage.sums(),
                stage.units.table(self.ring),
            ];
            let elements = rows * stage.cols.len();
            let work = elements * stage.moduli.len();
            let shader = Shader::ResidueJoin;
            self.dispatch(shader, ParamBytes::new(&params), bindings, elements.div_ceil(256), work);
        }
    }
}

impl<B: Copy> Stage<'_, B> {
    /// The panel of one side.
    fn panel(&self, side: Side) -> Span<B> {
        let buffer = if side == Side::Left { self.units.left } else { self.units.right };
        let size_bytes = (self.vectors(side) * self.moduli.len() * VECTOR_BYTES) as u64;
        Span { buffer, offset_bytes: self.panels[side as usize], size_bytes }
    }

    /// The sums modulo all of its moduli.
    fn sums(&self) -> Span<B> {
        whole(self.units.sums, self.sums_stride() * self.moduli.len() * self.units.tile.sum_bytes())
    }

    /// Sixteen bytes each of one side's panel, for each modulus.
    fn vectors(&self, side: Side) -> usize {
        let tile = self.units.tile;
        let outer = if side == Side::Left { self.rows_padded() } else { self.pitch() };
        outer * self.chunk.tiles * tile.panel_tile().1 * tile.residue_bytes() / VECTOR_BYTES
    }

    /// Rows of the left panel and of sums, in whole blocks.
    fn rows_padded(&self) -> usize {
        self.rows.len().next_multiple_of(self.units.tile.block()[0])
    }

    /// Rows of the right panel, and sums in a row, in whole blocks.
    fn pitch(&self) -> usize {
        self.cols.len().next_multiple_of(self.units.tile.block()[1])
    }

    /// Sums of one modulus.
    fn sums_stride(&self) -> usize {
        self.rows_padded() * self.pitch()
    }
}

impl Part {
    fn halves(self, across: bool) -> [Part; 2] {
        let (mut first, mut second) = (self, self);
        if across {
            first.outer = self.outer.div_ceil(2);
            second.outer = self.outer - first.outer;
            second.first_outer += first.outer;
        } else {
            first.tiles = self.tiles.div_ceil(2);
            second.tiles = self.tiles - first.tiles;
            second.first_tile += first.tiles;
        }
        [first, second]
    }
}

/// The first bytes of a buffer.
fn whole<B>(buffer: B, size_bytes: usize) -> Span<B> {
    Span { buffer, offset_bytes: 0, size_bytes: size_bytes as u64 }
}

/// The terms in chunks of at most `most` tiles of `depth` inner elements.
fn chunks<B: Copy>(terms: &[Term<B>], depth: usize, most: usize) -> Vec<Chunk<B>> {
    let mut chunks: Vec<Chunk<B>> = Vec::new();
    for &term in terms {
        let inner = term.0.shape.cols;
        let mut done = 0;
        while done < inner {
            if chunks.last().is_none_or(|chunk| chunk.tiles == most) {
                chunks.push(Chunk { pieces: Vec::new(), tiles: 0 });
            }
            let chunk = chunks.last_mut().expect("there is one with room");
            let here = (inner - done).min((most - chunk.tiles) * depth);
            let piece = Piece { term, first_inner: done, inner: here, first_tile: chunk.tiles };
            chunk.pieces.push(piece);
            chunk.tiles += here.div_ceil(depth);
            done += here;
        }
    }
    chunks
}
