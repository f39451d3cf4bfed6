//! out (+)= Σ left · right: matrix products, one or two pairs of factors, in one call.
//!
//! The inner sizes of all pairs are cut into slabs of at most [`depth`]; each slab adds a product to the output, the
//! first one overwrites it. So two pairs cost what one of the joint inner size costs, and nothing is concatenated.
//!
//! Three ways, by shape: few columns ([`thin::few_columns`], dot products), few rows ([`thin::few_rows`], scaled
//! rows of the right factor added up), and otherwise register tiles ([`blocks`]). All are blocked the usual way
//! (K. Goto, R. van de Geijn, "Anatomy of High-Performance Matrix Multiplication", 2008): panels of the right factor
//! are packed once for all threads, rows of the output are shared out, and a tile of the output stays in registers
//! for a whole slab.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod blocks;
mod pack;
mod thin;
mod tile;

pub(super) use tile::Tiled;

use super::memory::Block;
use super::view::{View, ViewMut};
use super::workers::Workers;
use crate::ring::Element;
use std::sync::{Mutex, PoisonError};

/// Inner elements of a slab: a panel of the right factor stays in the first-level cache.
const fn depth<E>() -> usize {
    2048 / size_of::<E>()
}

/// Columns for which dot products beat tiles that are mostly padding.
const FEW_COLUMNS: usize = 4;

/// Rows for which nothing is gained by keeping tiles in registers.
const FEW_ROWS: usize = 8;

/// Working memory that is kept from call to call: packed panels of the right factor (up to 2 MiB), and of the left
/// one for each thread (up to 256 KiB).
///
/// It is not booked: it is part of the program as the stack is, bounded by constants and not by the user's shapes,
/// and no plan could do without it. It is wiped when the device closes.
#[derive(Default)]
pub(super) struct Scratch {
    right: Block,
    left: Mutex<Vec<Block>>,
}

impl Scratch {
    /// The right factor's panels, and where threads find memory for the left factor's.
    fn parts(&mut self) -> (&mut Block, &Mutex<Vec<Block>>) {
        (&mut self.right, &self.left)
    }
}

/// Lends a block of the stack to `work`.
fn with_block<R>(blocks: &Mutex<Vec<Block>>, work: impl FnOnce(&mut Block) -> R) -> R {
    let lend = || blocks.lock().unwrap_or_else(PoisonError::into_inner);
    let mut block = lend().pop().unwrap_or_default();
    let result = work(&mut block);
    lend().push(block);
    result
}

/// A part of the inner sizes of one pair of factors.
#[derive(Clone, Copy)]
struct Slab<'a, E> {
    left: View<'a, E>,
    right: View<'a, E>,
    /// The first inner index.
    from: usize,
    /// How many there are.
    depth: usize,
    /// Whether the product is added to the output or overwrites it.
    add: bool,
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
    let slabs = slabs(terms, accumulate);
    if slabs.is_empty() {
        if !accumulate {
            out.elements.fill(E::ZERO);
        }
    } else if out.shape.cols <= FEW_COLUMNS {
        thin::few_columns(workers, scratch, out, terms, accumulate);
    } else if out.shape.rows <= FEW_ROWS {
        thin::few_rows(workers, out, terms, accumulate);
    } else {
        blocks::run(workers, scratch, out, &slabs);
    }
}

/// The inner sizes of all terms in slabs; pairs of inner size zero have none.
fn slabs<'a, E: Element>(terms: &[(View<'a, E>, View<'a, E>)], accumulate: bool) -> Vec<Slab<'a, E>> {
    let mut slabs = Vec::new();
    for &(left, right) in terms {
        let inner = left.shape.cols;
        // Slabs of one pair are equally deep, so that the last is not a sliver.
        let depth = inner.div_ceil(inner.div_ceil(depth::<E>()).max(1));
        for from in (0..inner).step_by(depth.max(1)) {
            let add = accumulate || !slabs.is_empty();
            slabs.push(Slab { left, right, from, depth: depth.min(inner - from), add });
        }
    }
    slabs
}
