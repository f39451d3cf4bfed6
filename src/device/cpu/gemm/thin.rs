//! Products with few columns or few rows, matrix by vector above all: they are bound by reading the large factor
//! once, and tiles would be mostly padding.

use super::{FEW_ROWS, Scratch, Slab, slabs};
use crate::device::cpu::level::simd;
use crate::device::cpu::view::ViewMut;
use crate::device::cpu::workers::Workers;
use crate::ring::Element;

/// Columns of a piece when there are few rows, at most: the sums and four rows of the right factor stay in the
/// first-level cache.
const PIECE: usize = 512;

/// Columns of a piece, at least: some cache lines of a row are read at once.
const LEAST_PIECE: usize = 64;

/// Pieces per thread, where columns are few enough to make them smaller.
const PIECES_PER_THREAD: usize = 4;

/// Inner elements of a slab when there are few columns: their transposed copy stays in the second-level cache.
const SLAB: usize = 8192;

/// Few columns: each element is a dot product of two contiguous vectors, a row of the left factor and a transposed
/// column of the right one.
pub(super) fn few_columns<E: Element>(
    workers: &Workers,
    scratch: &mut Scratch,
    out: ViewMut<'_, E>,
    parts: &[Slab<'_, E>],
    accumulate: bool,
) {
    let (level, cols) = (workers.level(), out.shape.cols);
    let mut add = accumulate;
    let (right, _) = scratch.parts();
    for slab in parts.iter().flat_map(|part| slabs(*part, SLAB)) {
        let (stride, Slab { from, depth, .. }) = (slab.left.shape.cols, slab);
        let factor = &slab.right.elements[from * cols..(from + depth) * cols];
        let columns =
            if cols == 1 { factor } else { transposed(factor, cols, right.elements_of(factor.len())) };
        workers.split(out.elements, cols, depth.div_ceil(cols), |start, piece| {
            let rows = &slab.left.elements[start / cols * stride + from..];
            dots(level, piece, rows, columns, (stride, depth), add);
        });
        add = true;
    }
}

/// Rows of length `cols` as columns one after the other.
fn transposed<'a, E: Element>(rows: &[E], cols: usize, columns: &'a mut [E]) -> &'a [E] {
    let depth = rows.len() / cols;
    for (index, row) in rows.chunks_exact(cols).enumerate() {
        row.iter().enumerate().for_each(|(col, &element)| columns[col * depth + index] = element);
    }
    columns
}

/// Few rows: rows of the right factor, each times an element of the left one, are added up, a piece of the columns
/// at a time.
pub(super) fn few_rows<E: Element>(
    workers: &Workers,
    out: ViewMut<'_, E>,
    parts: &[Slab<'_, E>],
    accumulate: bool,
) {
    let (level, cols) = (workers.level(), out.shape.cols);
    let piece =
        cols.div_ceil(PIECES_PER_THREAD * workers.threads()).next_multiple_of(8).clamp(LEAST_PIECE, PIECE);
    let mut pieces: Vec<Vec<&mut [E]>> = (0..cols.div_ceil(piece)).map(|_| Vec::new()).collect();
    for row in out.elements.chunks_exact_mut(cols) {
        pieces.iter_mut().zip(row.chunks_mut(piece)).for_each(|(piece, part)| piece.push(part));
    }
    workers.each(pieces.into_iter().enumerate().collect(), |(index, mut rows)| {
        if !accumulate {
            rows.iter_mut().for_each(|row| row.fill(E::ZERO));
        }
        for Slab { left, right, from, depth } in parts {
            let right = &right.elements[from * cols + index * piece..];
            add_rows(level, &mut rows, (&left.elements[*from..], left.shape.cols), (right, cols), *depth);
        }
    });
}

simd! {
    /// For each row of the left factor, `stride` elements apart, a dot product with each column of length `depth`.
    fn dots<E: Element>(
        out: &mut [E], rows: &[E], columns: &[E], stride_and_depth: (usize, usize), add: bool,
    ) {
        let (stride, depth) = stride_and_depth;
        let cols = columns.len() / depth;
        for (out, row) in out.chunks_exact_mut(cols).zip(rows.chunks(stride)) {
            let row = &row[..depth];
            for (out, column) in out.iter_mut().zip(columns.chunks_exact(depth)) {
                let mut sum = if add { *out } else { E::ZERO };
                for (&x, &y) in row.iter().zip(column) {
                    sum = sum.add(x.mul(y));
                }
                *out = sum;
            }
        }
    }

    /// Adds to each row of `out` `depth` rows of `right` times that row's elements of `left`. Rows of the factors lie
    /// as far apart as is said beside them.
    fn add_rows<E: Element>(out: &mut [&mut [E]], left: (&[E], usize), right: (&[E], usize), depth: usize) {
        debug_assert!(out.len() <= FEW_ROWS);
        let len = out[0].len();
        let row = |index: usize| &right.0[index * right.1..][..len];
        // Four at a time: each sum is loaded and stored once for four products.
        for index in (0..depth / 4 * 4).step_by(4) {
            let four = [row(index), row(index + 1), row(index + 2), row(index + 3)];
            for (out, left) in out.iter_mut().zip(left.0.chunks(left.1)) {
                let [a, b, c, d] = [left[index], left[index + 1], left[index + 2], left[index + 3]];
                let right = four[0].iter().zip(four[1]).zip(four[2].iter().zip(four[3]));
                for (out, ((&x, &y), (&z, &w))) in out.iter_mut().zip(right) {
                    *out = out.add(a.mul(x)).add(b.mul(y)).add(c.mul(z)).add(d.mul(w));
                }
            }
        }
        for index in depth / 4 * 4..depth {
            for (out, left) in out.iter_mut().zip(left.0.chunks(left.1)) {
                let factor = left[index];
                for (out, &x) in out.iter_mut().zip(row(index)) {
                    *out = out.add(factor.mul(x));
                }
            }
        }
    }
}
