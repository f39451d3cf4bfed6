//! Transposition of a part of a matrix, by squares that fit into registers.
//!
//! The compiler does not find the shuffles by itself, so they are written out where they matter: squares of 16 by 16
//! elements of 32 bits and of 8 by 8 of 64 with AVX-512, half as large with AVX2. What is left over at the edges, and
//! other processors, go by squares of 4 by 4 and then element by element.

use super::SimdLevel;
use crate::ring::Element;
use std::ops::Range;

/// What becomes of what is written, and of what is read next.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Caches {
    /// It is wanted again soon: everything goes through the caches.
    Keep,
    /// It is more than the caches hold: whole lines go past them, where there are squares as wide as a line, and lines
    /// need not be read before they are written. The next line of each row is fetched ahead.
    Pass,
}

/// A cache line.
pub(super) const LINE_BYTES: usize = 64;

/// Writes the transpose of the `rows` × `cols` elements at the start of `from`: element (row, col) goes to line `col`
/// of `to`, place `row`. Rows and lines lie as far apart as is said beside them.
///
/// # Panics
/// Where either does not hold as many, and where lines are to go past the caches and are not aligned to whole ones.
pub(super) fn transpose<E: Element>(
    level: SimdLevel,
    (from, from_stride): (&[E], usize),
    (to, to_stride): (&mut [E], usize),
    (rows, cols): (usize, usize),
    caches: Caches,
) {
    if rows == 0 || cols == 0 {
        return;
    }
    assert!((rows - 1) * from_stride + cols <= from.len() && (cols - 1) * to_stride + rows <= to.len());
    if caches == Caches::Pass {
        assert!(is_aligned(to) && (to_stride * size_of::<E>()).is_multiple_of(LINE_BYTES));
    }
    let mut row = 0;
    for &side in sides::<E>(level) {
        let (whole_rows, whole_cols) = ((rows - row) / side * side, cols / side * side);
        if whole_rows == 0 || whole_cols == 0 {
            continue;
        }
        #[cfg(target_arch = "x86_64")]
        {
            let part = x86::Part {
                from: from[row * from_stride..].as_ptr(),
                from_stride,
                to: to[row..].as_mut_ptr(),
                to_stride,
                rows: whole_rows,
                cols: whole_cols,
            };
            // SAFETY: so many rows of so many elements from `row` on and as many places of as many lines are in bounds,
            // as was just checked, and so is how lines are aligned; the level is one that the processor has.
            unsafe { part.squares(level, side, caches) };
        }
        each((from, from_stride), (to, to_stride), (row..row + whole_rows, whole_cols..cols));
        row += whole_rows;
    }
    let (whole_rows, whole_cols) = (row + (rows - row) / FEW * FEW, cols / FEW * FEW);
    for row in (row..whole_rows).step_by(FEW) {
        few((from, from_stride), (to, to_stride), row, whole_cols);
    }
    each((from, from_stride), (to, to_stride), (row..whole_rows, whole_cols..cols));
    each((from, from_stride), (to, to_stride), (whole_rows..rows, 0..cols));
}

/// Whether a slice begins at a whole cache line.
pub(super) fn is_aligned<E>(slice: &[E]) -> bool {
    slice.as_ptr().addr().is_multiple_of(LINE_BYTES)
}

/// The sides of the squares that are shuffled by hand, the largest first.
fn sides<E: Element>(level: SimdLevel) -> &'static [usize] {
    match (level, size_of::<E>()) {
        (SimdLevel::Avx512, 4) => &[16, 8],
        (SimdLevel::Avx512, _) => &[8, 4],
        (SimdLevel::Avx2, 4) => &[8],
        (SimdLevel::Avx2, _) => &[4],
        _ => &[],
    }
}

/// The side of the squares that the compiler is left with.
const FEW: usize = 4;

/// Squares of [`FEW`] elements side by side, over `cols` columns of as many rows from `row` on.
fn few<E: Element>(
    (from, from_stride): (&[E], usize),
    (to, to_stride): (&mut [E], usize),
    row: usize,
    cols: usize,
) {
    for col in (0..cols).step_by(FEW) {
        let square: [&[E]; FEW] =
            std::array::from_fn(|index| &from[(row + index) * from_stride + col..][..FEW]);
        for index in 0..FEW {
            let line = square.map(|elements| elements[index]);
            to[(col + index) * to_stride + row..][..FEW].copy_from_slice(&line);
        }
    }
}

/// Element by element.
fn each<E: Element>(
    (from, from_stride): (&[E], usize),
    (to, to_stride): (&mut [E], usize),
    (rows, cols): (Range<usize>, Range<usize>),
) {
    for row in rows {
        for col in cols.clone() {
            to[col * to_stride + row] = from[row * from_stride + col];
        }
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) mod x86;

#[cfg(test)]
mod tests {
    use super::*;

    /// Shapes around the sides of squares; lines are aligned where `caches` wants them so.
    fn check<E: Element>(caches: Caches) {
        let line = LINE_BYTES / size_of::<E>();
        for level in SimdLevel::available() {
            for (rows, cols) in [
                (0, 3),
                (1, 1),
                (3, 9),
                (4, 4),
                (8, 8),
                (8, 30),
                (9, 17),
                (16, 16),
                (31, 8),
                (16, 23),
                (45, 37),
            ] {
                let (from_stride, to_stride) = (cols + 3, (rows + 2usize).next_multiple_of(line));
                let from: Vec<E> = (0..(rows * from_stride) as u64).map(E::from_u64).collect();
                let mut room = vec![E::ZERO; cols * to_stride + line];
                let start = room.as_ptr().align_offset(LINE_BYTES);
                let to = &mut room[start..start + cols * to_stride];
                transpose(level, (&from, from_stride), (to, to_stride), (rows, cols), caches);
                for (index, &element) in to.iter().enumerate() {
                    let (col, row) = (index / to_stride, index % to_stride);
                    let expected = if row < rows { from[row * from_stride + col] } else { E::ZERO };
                    assert_eq!(
                        element,
                        expected,
                        "({rows}, {cols}) at line {col}, place {row}, {}",
                        level.name()
                    );
                }
            }
        }
    }

    #[test]
    fn every_element_goes_to_its_place_and_no_other_is_touched() {
        for caches in [Caches::Keep, Caches::Pass] {
            check::<u32>(caches);
            check::<u64>(caches);
        }
    }
}
