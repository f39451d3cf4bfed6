//! Small outputs of long inner sizes: every thread computes the whole output for a part of the inner indices, and the
//! parts are added up.

use super::tile::Tiled;
use super::{Slab, lend, one, slabs};
use crate::device::cpu::level::simd;
use crate::device::cpu::memory::Block;
use crate::device::cpu::view::ViewMut;
use crate::device::cpu::workers::Workers;
use crate::ring::{Element, Shape};
use std::sync::Mutex;

/// Elements of the largest output that every thread computes for itself.
const MOST_ELEMENTS: usize = 32 << 10;

/// Inner indices per element of the output and thread, below which sharing out the output is no worse.
const LEAST_DEPTH: usize = 512;

/// Parts per thread, so that a thread that was interrupted leaves work to the others.
const PARTS_PER_THREAD: usize = 4;

/// Partial outputs (up to 1 MiB for each thread), and working memory for each thread.
#[derive(Default)]
pub(super) struct Scratch {
    partial: Block,
    threads: Mutex<Vec<super::Scratch>>,
}

/// Whether to share out the inner indices and not the output.
pub(super) fn is_worth(workers: &Workers, out: Shape, depth: usize) -> bool {
    workers.threads() > 1
        && out.len() <= MOST_ELEMENTS
        && depth / workers.threads() >= LEAST_DEPTH.max(out.rows.max(out.cols))
}

pub(super) fn run<E: Tiled>(
    workers: &Workers,
    scratch: &mut Scratch,
    out: ViewMut<'_, E>,
    parts: &[Slab<'_, E>],
    accumulate: bool,
) {
    let depth: usize = parts.iter().map(|part| part.depth).sum();
    let each = depth.div_ceil(workers.threads() * PARTS_PER_THREAD).max(LEAST_DEPTH);
    let pieces: Vec<_> = parts.iter().flat_map(|&part| slabs(part, each)).collect();
    let (len, shape) = (out.elements.len(), out.shape);
    let partial = scratch.partial.elements_of::<E>(pieces.len() * len);
    let threads = &scratch.threads;
    workers.each(partial.chunks_exact_mut(len).zip(&pieces).collect(), |(elements, piece)| {
        lend(threads, |scratch| {
            one(&workers.caller(), scratch, ViewMut { elements, shape }, &[*piece], false);
        });
    });
    let partial = &*partial;
    workers.split(out.elements, 8, pieces.len(), |start, out| {
        add_up(workers.level(), out, &partial[start..], len, accumulate);
    });
}

simd! {
    /// Sums of as many elements as `out` has, `stride` apart, written or added.
    fn add_up<E: Element>(out: &mut [E], partial: &[E], stride: usize, accumulate: bool) {
        if !accumulate {
            out.fill(E::ZERO);
        }
        for partial in partial.chunks(stride) {
            for (out, &sum) in out.iter_mut().zip(partial) {
                *out = out.add(sum);
            }
        }
    }
}
