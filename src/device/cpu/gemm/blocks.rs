//! The general product: tiles in blocks, blocks shared out to the threads.
//!
//! For each slab, and for [`COLUMNS`] columns of it at a time, the right factor is packed into panels as wide as a
//! tile. Then blocks of the output of up to [`ROWS`] rows are computed in any order: each packs its rows of the left
//! factor and walks over the panels.

use super::pack::{self, PANELS};
use super::tile::{MOST_ELEMENTS, RegisterTile, Tiled, prefetch};
use super::{Scratch, Slab, lend, slabs};
use crate::device::cpu::level::simd;
use crate::device::cpu::memory::Block;
use crate::device::cpu::view::ViewMut;
use crate::device::cpu::workers::Workers;
use crate::ring::Element;
use std::sync::Mutex;

/// Inner indices of a slab: long enough that writing a tile costs little, while a tile's panel of the right factor
/// (64 or 128 KiB) comes from the second-level cache as fast as it is read.
const fn depth<E>() -> usize {
    4096 / size_of::<E>()
}

/// Rows of a block: with as many inner indices as a slab has, 256 KiB of the second-level cache.
const ROWS: usize = 64;

/// Columns that are packed at a time: with as many inner indices as a slab has, 4 MiB.
const COLUMNS: usize = 1024;

/// Blocks per thread below which blocks are made smaller.
const BLOCKS_PER_THREAD: usize = 4;

/// One slab's columns, as all blocks read them.
struct Columns<'a, E: Element> {
    slab: &'a Slab<'a, E>,
    tile: RegisterTile<E>,
    /// The first column and how many there are.
    from: usize,
    cols: usize,
    /// Packed panels, [`panel_len`] elements apart.
    panels: &'a [E],
}

/// Room for a packed panel of the right factor and its pair sums.
fn panel_len<E: Element>(tile: &RegisterTile<E>) -> usize {
    (depth::<E>() + 1) * tile.cols()
}

pub(super) fn run<E: Tiled>(
    workers: &Workers,
    scratch: &mut Scratch,
    out: ViewMut<'_, E>,
    parts: &[Slab<'_, E>],
    accumulate: bool,
) {
    let tile = E::tile(workers.product_level(E::RING));
    let cols = out.shape.cols;
    let (right, left) = scratch.parts();
    for from in (0..cols).step_by(COLUMNS) {
        let some = COLUMNS.min(cols - from);
        let panels = right.elements_of::<E>(some.div_ceil(tile.cols()) * panel_len(&tile));
        let mut add = accumulate;
        for slab in parts.iter().flat_map(|part| slabs(*part, depth::<E>())) {
            pack_panels(workers, &slab, &tile, (from, some), panels);
            let columns = Columns { slab: &slab, tile, from, cols: some, panels };
            for_each_block(workers, out.elements, cols, &columns, left, add);
            add = true;
        }
    }
}

/// Packs the panels of one slab.
fn pack_panels<E: Element>(
    workers: &Workers,
    slab: &Slab<'_, E>,
    tile: &RegisterTile<E>,
    (from, cols): (usize, usize),
    panels: &mut [E],
) {
    let panel_len = panel_len(tile);
    let tasks: Vec<_> = panels.chunks_mut(PANELS * panel_len).enumerate().collect();
    workers.each(tasks, |(index, panels)| {
        let first = index * PANELS * tile.cols();
        let some = (PANELS * tile.cols()).min(cols - first);
        pack::right_panels(workers.level(), slab, (from + first, some), tile, panel_len, panels);
    });
}

/// Cuts the columns' part of the output into blocks and computes them.
fn for_each_block<E: Tiled>(
    workers: &Workers,
    out: &mut [E],
    stride: usize,
    columns: &Columns<'_, E>,
    left: &Mutex<Vec<Block>>,
    add: bool,
) {
    let rows = out.len() / stride;
    let wanted = if workers.threads() == 1 { 1 } else { workers.threads() * BLOCKS_PER_THREAD };
    let tile = &columns.tile;
    let band = ROWS.min(rows.div_ceil(wanted).next_multiple_of(tile.rows)).max(tile.rows);
    let panels = columns.cols.div_ceil(tile.cols());
    let across = wanted.div_ceil(rows.div_ceil(band)).min(panels);
    let panels_each = panels.div_ceil(across);
    let mut tasks = Vec::new();
    for (index, elements) in out.chunks_mut(band * stride).enumerate() {
        // Where rows are few, blocks lie side by side as well.
        let sides = panels.div_ceil(panels_each);
        let mut blocks: Vec<Vec<&mut [E]>> = (0..sides).map(|_| Vec::with_capacity(band)).collect();
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
        lend(left, |packed| {
            compute(workers, columns, (from_row, from_panel), &mut block, packed, add);
        });
    });
}

/// Computes one block of the output: `block` is its rows, the first of them `from_row`.
fn compute<E: Tiled>(
    workers: &Workers,
    columns: &Columns<'_, E>,
    (from_row, from_panel): (usize, usize),
    block: &mut [&mut [E]],
    packed: &mut Block,
    add: bool,
) {
    let Columns { slab, tile, .. } = columns;
    let (level, depth) = (workers.level(), slab.depth);
    let (rows, width) = (block.len(), block[0].len());
    let lefts = packed.elements_of::<E>(rows * (depth + 1));
    for (index, panel) in lefts.chunks_mut(tile.rows * (depth + 1)).enumerate() {
        let tall = panel.len() / (depth + 1);
        pack::left_panel(level, slab, from_row + index * tile.rows, tile, tall, panel);
    }
    let mut sums = [E::ZERO; MOST_ELEMENTS];
    for (index, col) in (0..width).step_by(tile.cols()).enumerate() {
        let some = tile.cols().min(width - col);
        let (right, wide) = columns.panel(from_panel + index, some);
        let (right, right_pairs) = right.split_at(depth * wide);
        for (target, left) in block.chunks_mut(tile.rows).zip(lefts.chunks(tile.rows * (depth + 1))) {
            target.iter().for_each(|out| prefetch(&out[col..col + some]));
            let (left, left_pairs) = left.split_at(depth * target.len());
            tile.function(target.len(), wide)(depth, left, right, &mut sums);
            store(level, target, (col, some), &sums, (left_pairs, right_pairs), add);
        }
    }
}

impl<E: Element> Columns<'_, E> {
    /// A panel of `cols` columns with its pair sums, and the width of the tile that reads it.
    fn panel(&self, index: usize, cols: usize) -> (&[E], usize) {
        let width = self.tile.width_for(cols);
        (&self.panels[index * panel_len(&self.tile)..][..(self.slab.depth + 1) * width], width)
    }
}

simd! {
    /// Writes or adds a tile less its pair sums to the output's rows at the columns `(from, count)`.
    fn store<E: Element>(
        rows: &mut [&mut [E]], columns: (usize, usize), sums: &[E; MOST_ELEMENTS], pairs: (&[E], &[E]), add: bool,
    ) {
        let (from, cols) = columns;
        // Of constant width where nothing is missing: straight vector code.
        match pairs.1.len() {
            8 if cols == 8 => store_full::<E, 8>(rows, from, sums, pairs, add),
            16 if cols == 16 => store_full::<E, 16>(rows, from, sums, pairs, add),
            32 if cols == 32 => store_full::<E, 32>(rows, from, sums, pairs, add),
            width => {
                for ((row, sums), &left) in rows.iter_mut().zip(sums.chunks_exact(width)).zip(pairs.0) {
                    store_row(&mut row[from..from + cols], sums, left, pairs.1, add);
                }
            }
        }
    }
}

#[inline(always)]
fn store_full<E: Element, const WIDTH: usize>(
    rows: &mut [&mut [E]],
    from: usize,
    sums: &[E; MOST_ELEMENTS],
    (lefts, rights): (&[E], &[E]),
    add: bool,
) {
    let rights: &[E; WIDTH] = rights.first_chunk().expect("a full line of pair sums");
    for ((row, sums), &left) in rows.iter_mut().zip(sums.as_chunks::<WIDTH>().0).zip(lefts) {
        let row: &mut [E; WIDTH] = row[from..].first_chunk_mut().expect("a full line of the output");
        store_row(row, sums, left, rights, add);
    }
}

#[inline(always)]
fn store_row<E: Element>(row: &mut [E], sums: &[E], left: E, rights: &[E], add: bool) {
    if add {
        for ((out, &sum), &right) in row.iter_mut().zip(sums).zip(rights) {
            *out = out.add(sum.sub(left.add(right)));
        }
    } else {
        for ((out, &sum), &right) in row.iter_mut().zip(sums).zip(rights) {
            *out = sum.sub(left.add(right));
        }
    }
}
