//! out (+)= Σ left · right: matrix products, one or two pairs of factors, in one call.
//!
//! The inner indices of all pairs are cut into slabs; each slab adds a product to the output, the first one overwrites
//! it. So two pairs cost what one of the joint inner size costs, and nothing is concatenated.
//!
//! Three ways, by shape: few columns ([`thin::few_columns`], dot products), few rows ([`thin::few_rows`], scaled
//! rows of the right factor added up), and otherwise register tiles ([`blocks`]). All are blocked the usual way
//! (K. Goto, R. van de Geijn, "Anatomy of High-Performance Matrix Multiplication", 2008): panels of the right factor
//! are packed once for all threads, rows of the output are shared out, and a tile of the output stays in registers
//! for a whole slab. An output too small to be shared out is computed by every thread for a part of the inner indices
//! ([`inner`]), and what is smaller than a thread takes to wake, by the caller.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod blocks;
mod inner;
mod pack;
mod portable;
mod thin;
mod tile;

pub(super) use tile::Tiled;

use super::memory::Block;
use super::view::{View, ViewMut};
use super::workers::Workers;
use crate::ring::Element;
use std::sync::{Mutex, PoisonError};

/// Columns for which dot products beat tiles that are mostly padding.
const FEW_COLUMNS: usize = 4;

/// Rows for which nothing is gained by keeping tiles in registers.
const FEW_ROWS: usize = 8;

/// Multiply-adds that the calling thread does alone: some ten microseconds.
const ALONE: usize = 1 << 20;

/// Working memory that is kept from call to call: packed panels of the right factor (up to 2 MiB), and of the left
/// one for each thread (up to 256 KiB), both once more for each thread where threads share out the inner indices.
///
/// It is not booked: it is part of the program as the stack is, bounded by constants and not by the user's shapes,
/// and no plan could do without it. It is wiped when the device closes.
#[derive(Default)]
pub(super) struct Scratch {
    right: Block,
    left: Mutex<Vec<Block>>,
    inner: inner::Scratch,
}

impl Scratch {
    /// The right factor's panels, and where threads find memory for the left factor's.
    fn parts(&mut self) -> (&mut Block, &Mutex<Vec<Block>>) {
        (&mut self.right, &self.left)
    }
}

/// Lends something of the stack to `work`.
fn lend<T: Default, R>(stack: &Mutex<Vec<T>>, work: impl FnOnce(&mut T) -> R) -> R {
    let lock = || stack.lock().unwrap_or_else(PoisonError::into_inner);
    let mut lent = lock().pop().unwrap_or_default();
    let result = work(&mut lent);
    lock().push(lent);
    result
}

/// A part of the inner indices of one pair of factors.
#[derive(Clone, Copy)]
struct Slab<'a, E> {
    left: View<'a, E>,
    right: View<'a, E>,
    /// The first inner index.
    from: usize,
    /// How many there are, at least one.
    depth: usize,
}

/// A slab in equally deep ones of at most `depth`, so that the last is not a sliver.
fn slabs<'a, E: Element>(slab: Slab<'a, E>, depth: usize) -> impl Iterator<Item = Slab<'a, E>> {
    let each = slab.depth.div_ceil(slab.depth.div_ceil(depth));
    // In pairs, only the last has an odd index left over.
    let each = each.next_multiple_of(2).min(depth);
    (0..slab.depth).step_by(each).map(move |from| Slab {
        from: slab.from + from,
        depth: each.min(slab.depth - from),
        ..slab
    })
}

pub(super) fn run<E: Tiled>(
    workers: &Workers,
    scratch: &mut Scratch,
    out: ViewMut<'_, E>,
    terms: &[(View<'_, E>, View<'_, E>)],
    accumulate: bool,
) {
    if out.elements.is_empty() {
        return;
    }
    let whole = terms.iter().map(|&(left, right)| Slab { left, right, from: 0, depth: left.shape.cols });
    let parts: Vec<_> = whole.filter(|part| part.depth > 0).collect();
    let depth: usize = parts.iter().map(|part| part.depth).sum();
    if parts.is_empty() {
        if !accumulate {
            out.elements.fill(E::ZERO);
        }
    } else if out.elements.len().saturating_mul(depth) <= ALONE {
        one(&workers.caller(), scratch, out, &parts, accumulate);
    } else if inner::is_worth(workers, out.shape, depth) {
        workers.within(|| inner::run(workers, &mut scratch.inner, out, &parts, accumulate));
    } else {
        workers.within(|| one(workers, scratch, out, &parts, accumulate));
    }
}

/// Computes in the way that suits the shape.
fn one<E: Tiled>(
    workers: &Workers,
    scratch: &mut Scratch,
    out: ViewMut<'_, E>,
    parts: &[Slab<'_, E>],
    accumulate: bool,
) {
    if out.shape.cols <= FEW_COLUMNS {
        thin::few_columns(workers, scratch, out, parts, accumulate);
    } else if out.shape.rows <= FEW_ROWS {
        thin::few_rows(workers, out, parts, accumulate);
    } else {
        blocks::run(workers, scratch, out, parts, accumulate);
    }
}
