//! What every kernel has to compute: plain loops over `u64` elements, reduced modulo 2^k.
//!
//! Nothing here is shared with the devices but the kernel's description and the generator's published stream.

mod bits;

use symbolon::ring::prg::{BLOCK_BYTES, PrgKey};
use symbolon::ring::{Ring, Shape};
use symbolon::step::{Axis, Kernel, Matrix};

/// Computes `kernel` on numbered buffers of elements below 2^k.
pub fn evaluate(ring: Ring, kernel: &Kernel<usize, PrgKey>, buffers: &mut [Vec<u64>]) {
    match kernel {
        Kernel::Linear { out, terms, constant } => each(ring, out, buffers, |buffers, row, col, _| {
            let term = |(factor, operand): &(u64, Matrix<usize>)| {
                factor.wrapping_mul(at(buffers, operand, row, col))
            };
            terms.iter().map(term).fold(*constant, u64::wrapping_add)
        }),
        Kernel::Hadamard { out, terms, accumulate } => each(ring, out, buffers, |buffers, row, col, old| {
            let product = |(left, right): &(Matrix<usize>, Matrix<usize>)| {
                at(buffers, left, row, col).wrapping_mul(at(buffers, right, row, col))
            };
            let start = if *accumulate { old } else { 0 };
            terms.iter().map(product).fold(start, u64::wrapping_add)
        }),
        Kernel::Gemm { out, terms, accumulate } => each(ring, out, buffers, |buffers, row, col, old| {
            let mut sum = if *accumulate { old } else { 0 };
            for (left, right) in terms {
                for inner in 0..left.shape.cols {
                    let product = at(buffers, left, row, inner).wrapping_mul(at(buffers, right, inner, col));
                    sum = sum.wrapping_add(product);
                }
            }
            sum
        }),
        Kernel::Transpose { out, operand } => {
            each(ring, out, buffers, |buffers, row, col, _| at(buffers, operand, col, row));
        }
        Kernel::Rows { out, operand, index, column } => each(ring, out, buffers, |buffers, row, col, _| {
            let number = at(buffers, index, row, 0) as u32 as usize % operand.shape.rows;
            at(buffers, operand, number, column + col)
        }),
        Kernel::Sum { out, operand, axis } => each(ring, out, buffers, |buffers, row, col, _| {
            let elements: Vec<u64> = match axis {
                Axis::Rows => (0..operand.shape.rows).map(|row| at(buffers, operand, row, col)).collect(),
                Axis::Cols => (0..operand.shape.cols).map(|col| at(buffers, operand, row, col)).collect(),
            };
            elements.into_iter().fold(0, u64::wrapping_add)
        }),
        Kernel::Shift { out, operand, bits } => each(ring, out, buffers, |buffers, row, col, _| {
            (ring.signed(at(buffers, operand, row, col)) >> bits) as u64
        }),
        Kernel::Fill { out, key, stream, block } => fill(ring, out, key, *stream, *block, buffers),
        Kernel::Mask { out, factor, operand, mask_factor, key, stream, block, constant } => {
            fill(ring, out, key, *stream, *block, buffers);
            each(ring, out, buffers, |buffers, row, col, mask| {
                let value = factor.wrapping_mul(at(buffers, operand, row, col));
                value.wrapping_add(mask_factor.wrapping_mul(mask)).wrapping_add(*constant)
            });
        }
        Kernel::HadamardMask { out, terms, key, stream, block } => {
            fill(ring, out, key, *stream, *block, buffers);
            each(ring, out, buffers, |buffers, row, col, mask| {
                let product = |(left, right): &(Matrix<usize>, Matrix<usize>)| {
                    at(buffers, left, row, col).wrapping_mul(at(buffers, right, row, col))
                };
                terms.iter().map(product).fold(mask, u64::wrapping_add)
            });
        }
        Kernel::TruncPair { masks, top, high, bits, width } => {
            let (top_bit, rest) = (width - 1, (1 << (width - 1)) - 1);
            let mask = |buffers: &[Vec<u64>], row, col| {
                let sum = at(buffers, &masks[0], row, col).wrapping_add(at(buffers, &masks[1], row, col));
                ring.reduce(sum)
            };
            each(ring, top, buffers, |buffers, row, col, old| {
                (mask(buffers, row, col) >> top_bit & 1).wrapping_sub(old)
            });
            each(ring, high, buffers, |buffers, row, col, old| {
                ((mask(buffers, row, col) & rest) >> bits).wrapping_sub(old)
            });
        }
        Kernel::TruncFinish { out, opened, top, high, bits, width, leader } => {
            let (w, leader) = (width, u64::from(*leader));
            each(ring, out, buffers, |buffers, row, col, _| {
                let parts = opened.iter().map(|part| at(buffers, part, row, col));
                let c = ring.reduce(parts.fold(0, u64::wrapping_add));
                let [top, high] = [top, high].map(|operand| at(buffers, operand, row, col));
                let t = c >> (w - 1) & 1;
                let middle = ((c % (1 << (w - 1))) >> bits).wrapping_sub(1 << (w - 2 - bits));
                let flipped = if t == 1 { top.wrapping_neg() } else { top };
                let carry = flipped.wrapping_add(leader * t).wrapping_mul(1 << (w - 1 - bits));
                (leader.wrapping_mul(middle)).wrapping_sub(high).wrapping_add(carry)
            });
        }
        Kernel::Xor { out, left, right, flip } => each(ring, out, buffers, |buffers, row, col, _| {
            let sum = at(buffers, left, row, col) ^ at(buffers, right, row, col);
            if *flip { !sum } else { sum }
        }),
        Kernel::And { out, left, right, addend } => each(ring, out, buffers, |buffers, row, col, _| {
            at(buffers, left, row, col) & at(buffers, right, row, col) ^ at(buffers, addend, row, col)
        }),
        Kernel::Affine { out, operand, loops, from, to, keep } => {
            if !keep {
                buffers[out.buffer][..out.shape.len()].fill(0);
            }
            let mut places = vec![(*from, *to)];
            for turn in loops {
                let turns =
                    |(from, to)| (0..turn.count).map(move |at| (from + at * turn.from, to + at * turn.to));
                places = places.into_iter().flat_map(turns).collect();
            }
            for (from, to) in places {
                buffers[out.buffer][to] = buffers[operand.buffer][from];
            }
        }
        Kernel::Mux { .. }
        | Kernel::Pack { .. }
        | Kernel::Unpack { .. }
        | Kernel::TruthTable { .. }
        | Kernel::LookupShares { .. }
        | Kernel::BitPlanes { .. }
        | Kernel::MaskProducts { .. }
        | Kernel::AndTree { .. }
        | Kernel::PickLanes { .. } => bits::evaluate(ring, kernel, buffers),
    }
}

/// The element of `operand` that stands at (row, col) of the output: one row or one column is repeated.
fn at(buffers: &[Vec<u64>], operand: &Matrix<usize>, row: usize, col: usize) -> u64 {
    let Shape { rows, cols } = operand.shape;
    let row = if rows == 1 { 0 } else { row };
    let col = if cols == 1 { 0 } else { col };
    buffers[operand.buffer][row * cols + col]
}

/// Writes every element of `out`: a function of the buffers, its row and column, and what it held.
fn each(
    ring: Ring,
    out: &Matrix<usize>,
    buffers: &mut [Vec<u64>],
    element: impl Fn(&[Vec<u64>], usize, usize, u64) -> u64,
) {
    for row in 0..out.shape.rows {
        for col in 0..out.shape.cols {
            let index = row * out.shape.cols + col;
            let value = element(buffers, row, col, buffers[out.buffer][index]);
            buffers[out.buffer][index] = ring.reduce(value);
        }
    }
}

/// One block of the generator at a time.
fn fill(ring: Ring, out: &Matrix<usize>, key: &PrgKey, stream: u64, block: u64, buffers: &mut [Vec<u64>]) {
    let width = ring.element_bytes();
    let mut bytes = Vec::new();
    for later in 0.. {
        if bytes.len() >= out.shape.len() * width {
            break;
        }
        let mut one = [0; BLOCK_BYTES];
        key.fill(stream, block + later, &mut one);
        bytes.extend(one);
    }
    for (index, element) in bytes.chunks_exact(width).take(out.shape.len()).enumerate() {
        let mut word = [0; 8];
        word[..width].copy_from_slice(element);
        buffers[out.buffer][index] = u64::from_le_bytes(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reference itself, by hand.
    #[test]
    fn a_product_by_hand() {
        let matrix = |buffer, rows, cols| Matrix::new(buffer, Shape::new(rows, cols));
        let mut buffers = vec![vec![1, 2, 3, 4], vec![5, 6], vec![u64::from(u32::MAX), 7]];
        let kernel = Kernel::Gemm {
            out: matrix(2, 2, 1),
            terms: vec![(matrix(0, 2, 2), matrix(1, 2, 1))],
            accumulate: true,
        };
        evaluate(Ring::Z32, &kernel, &mut buffers);
        assert_eq!(buffers[2], [16, 46]);
    }

    /// The two parties' shares of a truncated value add up to ⌊x / 2^m⌋ or one more: pair, opening and finish
    /// together, on values whose mask wraps and on some whose mask does not, modulo 2^k and modulo less.
    #[test]
    fn truncation_by_hand() {
        truncations_by_hand(64, [5 << 16, -(7 << 16) - 3, (1 << 61) + 12345, -(1 << 61)]);
        truncations_by_hand(34, [5 << 16, -(7 << 16) - 3, (1 << 32) - 1, 1 - (1 << 32)]);
        truncations_by_hand(18, [0, 1, -1, (1 << 16) - 1]);
    }

    fn truncations_by_hand(width: u32, values: [i64; 4]) {
        let (ring, bits) = (Ring::Z64, 16);
        let masks: [u64; 4] = [3, 1 << (width - 2), 1 << (width - 1), u64::MAX - 5];
        let shape = Shape::new(1, 1);
        let matrix = |buffer| Matrix::new(buffer, shape);
        for (mask, value) in masks.into_iter().flat_map(|mask| values.map(|value| (mask, value))) {
            let (part, top_share, high_share) = (0x1234_5678_9abc_def0, 99, 0xfedc_ba98);
            let mut buffers =
                vec![vec![part], vec![mask.wrapping_sub(part)], vec![top_share], vec![high_share]];
            let ([first, second], top, high) = ([0, 1].map(matrix), matrix(2), matrix(3));
            let pair = Kernel::TruncPair { masks: [first, second], top, high, bits, width };
            evaluate(ring, &pair, &mut buffers);
            let opened = (value as u64).wrapping_add(1 << (width - 2)).wrapping_add(mask);
            let share = |top: u64, high: u64, leader: bool| {
                let mut buffers = vec![vec![0], vec![opened], vec![top], vec![high]];
                let ([out, top, high], opened) = ([0, 2, 3].map(matrix), vec![matrix(1)]);
                let finish = Kernel::TruncFinish { out, opened, top, high, bits, width, leader };
                evaluate(ring, &finish, &mut buffers);
                buffers[0][0]
            };
            let sum =
                share(top_share, high_share, true).wrapping_add(share(buffers[2][0], buffers[3][0], false));
            let floor = (value >> bits) as u64;
            assert!(sum.wrapping_sub(floor) <= 1, "{value} under mask {mask}: {sum} for {floor}");
        }
    }
}
