//! The general product: tiles in blocks, blocks shared out to the threads.
//!
//! For each slab, and for [`COLUMNS`] columns of it at a time, the right factor is packed into panels as wide as a
//! tile. Then blocks of the output of up to [`ROWS`] rows are computed in any order: each packs its rows of the left
//! factor and walks over the panels. Under few panels the left factor is read where it lies.

use super::pack;
use super::tile::{Left, MOST_ELEMENTS, Right, Tile, Tiled, prefetch};
use super::{Scratch, Slab, depth, with_block};
use crate::device::cpu::level::simd;
use crate::device::cpu::memory::Block;
use crate::device::cpu::view::ViewMut;
use crate::device::cpu::workers::Workers;
use crate::ring::Element;
use std::sync::Mutex;

/// Rows of a block: with [`depth`] inner elements, a quarter of a second-level cache at most.
const ROWS: usize = 128;

/// Columns that are packed at a time: with [`depth`] inner elements, 2 MiB at most.
const COLUMNS: usize = 1024;

/// Blocks per thread below which blocks are made smaller.
const BLOCKS_PER_THREAD: usize = 4;

/// Fewer panels than this do not repay packing the left factor.
const PANELS_TO_PACK_LEFT: usize = 4;

/// Panels that are packed together: so many tiles' worth of a row of the right factor is read at once.
const PANELS_PER_TASK: usize = 8;

/// One slab's columns, as all blocks read them.
struct Columns<'a, E: Element> {
    slab: &'a Slab<'a, E>,
    tile: Tile<E>,
    /// The first column and how many there are.
    from: usize,
    cols: usize,
    /// Packed panels, `depth() · tile.cols()` elements apart.
    panels: &'a [E],
}

pub(super) fn run<E: Tiled>(
    workers: &Workers,
    scratch: &mut Scratch,
    out: ViewMut<'_, E>,
    slabs: &[Slab<'_, E>],
) {
    let tile = E::tile(workers.level());
    let cols = out.shape.cols;
    let (right, left) = scratch.parts();
    for from in (0..cols).step_by(COLUMNS) {
        let some = COLUMNS.min(cols - from);
        let count = some.div_ceil(tile.cols());
        let panels = right.elements_of::<E>(count * depth::<E>() * tile.cols());
        for slab in slabs {
            pack_panels(workers, slab, &tile, (from, some), panels);
            let columns = Columns { slab, tile, from, cols: some, panels };
            for_each_block(workers, out.elements, cols, &columns, left);
        }
    }
}

/// Packs the panels of one slab.
fn pack_panels<E: Element>(
    workers: &Workers,
    slab: &Slab<'_, E>,
    tile: &Tile<E>,
    (from, cols): (usize, usize),
    panels: &mut [E],
) {
    let panel_len = depth::<E>() * tile.cols();
    let tasks: Vec<_> = panels.chunks_mut(PANELS_PER_TASK * panel_len).enumerate().collect();
    workers.each(tasks, |(index, panels)| {
        let first = index * PANELS_PER_TASK * tile.cols();
        let some = (PANELS_PER_TASK * tile.cols()).min(cols - first);
        pack::right_panels(slab, from + first, some, tile, panel_len, panels);
    });
}

/// Cuts the columns' part of the output into blocks and computes them.
fn for_each_block<E: Tiled>(
    workers: &Workers,
    out: &mut [E],
    stride: usize,
    columns: &Columns<'_, E>,
    left: &Mutex<Vec<Block>>,
) {
    let rows = out.len() / stride;
    let wanted = if workers.threads() == 1 { 1 } else { workers.threads() * BLOCKS_PER_THREAD };
    let tile = &columns.tile;
    let band = ROWS.min(rows.div_ceil(wanted).next_multiple_of(tile.rows)).max(tile.rows);
    let panels = columns.cols.div_ceil(tile.cols());
    let across = wanted.div_ceil(rows.div_ceil(band)).min(panels);
    let panels_each = panels.div_ceil(across);
    if panels_each == panels {
        let bands: Vec<_> = out.chunks_mut(band * stride).enumerate().collect();
        return workers.each(bands, |(index, elements)| {
            let mut block: Vec<&mut [E]> = elements
                .chunks_exact_mut(stride)
                .map(|row| &mut row[columns.from..columns.from + columns.cols])
                .collect();
            with_block(left, |packed| compute(workers, columns, index * band, 0, &mut block, packed));
        });
    }
    // Few rows: blocks lie side by side as well.
    let mut tasks = Vec::new();
    for (index, elements) in out.chunks_mut(band * stride).enumerate() {
        let mut blocks: Vec<Vec<&mut [E]>> = (0..panels.div_ceil(panels_each)).map(|_| Vec::new()).collect();
        for row in elements.chunks_exact_mut(stride) {
            let row = &mut row[columns.from..columns.from + columns.cols];
            blocks.iter_mut().zip(row.chunks_mut(panels_each * tile.cols())).for_each(|(block, part)| {
                block.push(part);
            });
        }
        let placed = blocks.into_iter().enumerate();
        tasks.extend(placed.map(|(side, block)| (index * band, side * panels_each, block)));
    }
    workers.each(tasks, |(from_row, from_panel, mut block)| {
        with_block(left, |packed| compute(workers, columns, from_row, from_panel, &mut block, packed));
    });
}

/// Computes one block of the output: `block` is its rows, the first of them `from_row`.
fn compute<E: Tiled>(
    workers: &Workers,
    columns: &Columns<'_, E>,
    from_row: usize,
    from_panel: usize,
    block: &mut [&mut [E]],
    packed: &mut Block,
) {
    let Columns { slab, tile, .. } = columns;
    let (rows, width) = (block.len(), block[0].len());
    let pack_left = width.div_ceil(tile.cols()) >= PANELS_TO_PACK_LEFT;
    let mut lefts: &[E] = &[];
    if pack_left {
        let panels = packed.elements_of::<E>(rows * slab.depth);
        for (index, panel) in panels.chunks_mut(tile.rows * slab.depth).enumerate() {
            let some = panel.len() / slab.depth;
            pack::left_panel(slab, from_row + index * tile.rows, some, panel);
        }
        lefts = panels;
    }
    let mut product = [E::ZERO; MOST_ELEMENTS];
    for (index, col) in (0..width).step_by(tile.cols()).enumerate() {
        let some = tile.cols().min(width - col);
        let (right, tile_width) = columns.panel(from_panel + index, some);
        for row in (0..rows).step_by(tile.rows) {
            let some_rows = tile.rows.min(rows - row);
            let left = if pack_left {
                Left { elements: &lefts[row * slab.depth..], row_step: 1, inner_step: some_rows }
            } else {
                let stride = slab.left.shape.cols;
                let at = (from_row + row) * stride + slab.from;
                Left { elements: &slab.left.elements[at..], row_step: stride, inner_step: 1 }
            };
            let target = &mut block[row..row + some_rows];
            target.iter().for_each(|out| prefetch(&out[col..col + some]));
            tile.function(some_rows, tile_width)(slab.depth, left, right, &mut product);
            store(workers.level(), target, col, some, &product, tile_width, slab.add);
        }
    }
}

impl<E: Element> Columns<'_, E> {
    /// A panel of `cols` columns, and the width of the tile that reads it.
    fn panel(&self, index: usize, cols: usize) -> (Right<'_, E>, usize) {
        let width = self.tile.width_for(cols);
        (
            Right { elements: &self.panels[index * depth::<E>() * self.tile.cols()..], inner_step: width },
            width,
        )
    }
}

simd! {
    /// Writes or adds a tile of rows `width` elements long, of which `cols` count, to the output's rows at `col`.
    fn store<E: Element>(
        rows: &mut [&mut [E]], col: usize, cols: usize, product: &[E; MOST_ELEMENTS], width: usize, add: bool,
    ) {
        for (row, sums) in rows.iter_mut().zip(product.chunks_exact(width)) {
            let row = &mut row[col..col + cols];
            if add {
                for (out, &sum) in row.iter_mut().zip(sums) {
                    *out = out.add(sum);
                }
            } else {
                row.copy_from_slice(&sums[..cols]);
            }
        }
    }
}
