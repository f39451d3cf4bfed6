//! Rows of bits to blocks, and sums of rows. Each is written once, for any processor, and compiled for those with wide vectors
//! as well.

use crate::ot::Block;
use bytemuck::cast_slice;

/// Blocks of a row of a chunk.
pub(super) const ROW_BLOCKS: usize = 64;

/// Transfers of a chunk: one bit of each is in a row.
pub const CHUNK: usize = 128 * ROW_BLOCKS;

/// Words of 64 bits that stand side by side in a cache line.
const LANES: usize = 8;

/// 64 rows of eight words: eight matrices of 64 × 64 bits.
type Square = [[u64; LANES]; 64];

/// Compiles a function for processors with AVX-512 and for all, and calls what fits.
macro_rules! for_each_width {
    ($(#[$doc:meta])* $visibility:vis fn $name:ident($($argument:ident: $type:ty),*) => $body:ident) => {
        $(#[$doc])*
        $visibility fn $name($($argument: $type),*) {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
                fn wide($($argument: $type),*) {
                    $body($($argument),*)
                }
                if is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512vl") {
                    // SAFETY: the processor has the instructions.
                    return unsafe { wide($($argument),*) };
                }
            }
            $body($($argument),*)
        }
    };
}

for_each_width! {
    /// The blocks whose bits are the columns of 128 rows: bit r of block i is bit i of row r.
    pub(super) fn transpose(rows: &[Block], blocks: &mut [Block]) => transpose_body
}

for_each_width! {
    /// Folds the rows of the leaves of a tree, which stand one behind the other, into the first: row 0 becomes their sum. To
    /// row b of `sums` are added those of leaves whose number has bit b.
    pub(super) fn fold(leaves: &mut [Block], sums: &mut [Block]) => fold_body
}

#[inline(always)]
fn fold_body(leaves: &mut [Block], sums: &mut [Block]) {
    let mut count = leaves.len() / ROW_BLOCKS;
    for sum in sums.chunks_exact_mut(ROW_BLOCKS) {
        for pair in 0..count / 2 {
            let (front, back) = leaves.split_at_mut((2 * pair + 1) * ROW_BLOCKS);
            let odd = &back[..ROW_BLOCKS];
            for (sum, odd) in sum.iter_mut().zip(odd) {
                *sum ^= *odd;
            }
            for (even, odd) in front[2 * pair * ROW_BLOCKS..].iter_mut().zip(odd) {
                *even ^= *odd;
            }
            if pair > 0 {
                leaves.copy_within(2 * pair * ROW_BLOCKS..(2 * pair + 1) * ROW_BLOCKS, pair * ROW_BLOCKS);
            }
        }
        count /= 2;
    }
}

#[inline(always)]
fn transpose_body(rows: &[Block], blocks: &mut [Block]) {
    assert!(rows.len() == CHUNK && blocks.len() == CHUNK, "a chunk");
    let words: &[u64] = cast_slice(rows);
    let row_words = words.len() / 128;
    let mut squares: [Square; 2] = [[[0; LANES]; 64]; 2];
    for (group, blocks) in blocks.chunks_exact_mut(64 * LANES).enumerate() {
        for (row, line) in squares.as_flattened_mut().iter_mut().enumerate() {
            line.copy_from_slice(&words[row * row_words + group * LANES..][..LANES]);
        }
        squares.iter_mut().for_each(transpose_squares);
        for (lane, blocks) in blocks.chunks_exact_mut(64).enumerate() {
            for (index, block) in blocks.iter_mut().enumerate() {
                let [low, high] = [0, 1].map(|half: usize| u128::from(squares[half][index][lane]));
                *block = Block::from_bits(high << 64 | low);
            }
        }
    }
    bytemuck::bytes_of_mut(&mut squares).fill(0);
    std::hint::black_box(&mut squares);
}

/// Transposes the matrix in each lane, by swapping ever smaller squares.
#[inline(always)]
fn transpose_squares(square: &mut Square) {
    swap::<32>(square, 0x0000_0000_ffff_ffff);
    swap::<16>(square, 0x0000_ffff_0000_ffff);
    swap::<8>(square, 0x00ff_00ff_00ff_00ff);
    swap::<4>(square, 0x0f0f_0f0f_0f0f_0f0f);
    swap::<2>(square, 0x3333_3333_3333_3333);
    swap::<1>(square, 0x5555_5555_5555_5555);
}

#[inline(always)]
fn swap<const D: usize>(square: &mut Square, mask: u64) {
    for pair in square.chunks_exact_mut(2 * D) {
        let (upper, lower) = pair.split_at_mut(D);
        for (upper, lower) in upper.iter_mut().zip(lower) {
            for (upper, lower) in upper.iter_mut().zip(lower) {
                let moved = (*upper >> D ^ *lower) & mask;
                *upper ^= moved << D;
                *lower ^= moved;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ot::testing::random;

    #[test]
    fn bit_r_of_block_i_is_bit_i_of_row_r() {
        let rows = random(1).blocks(CHUNK);
        let mut blocks = vec![Block::ZERO; CHUNK];
        transpose(&rows, &mut blocks);
        for (index, block) in blocks.iter().enumerate() {
            for row in 0..128 {
                let bit = rows[row * ROW_BLOCKS + index / 128].bits() >> (index % 128) & 1;
                assert_eq!(block.bits() >> row & 1, bit, "row {row}, transfer {index}");
            }
        }
    }

    #[test]
    fn leaves_are_added_where_their_numbers_have_the_bit() {
        for depth in 1..=4 {
            let leaves = random(2).blocks(ROW_BLOCKS << depth);
            let (mut folded, mut sums) = (leaves.to_vec(), vec![Block::ZERO; depth * ROW_BLOCKS]);
            fold(&mut folded, &mut sums);
            for (place, whole) in folded[..ROW_BLOCKS].iter().enumerate() {
                let leaf = |number: usize| leaves[number * ROW_BLOCKS + place];
                let sum = |wanted: &dyn Fn(usize) -> bool| {
                    (0..1 << depth).filter(|&number| wanted(number)).fold(Block::ZERO, |sum, n| sum ^ leaf(n))
                };
                assert!(*whole == sum(&|_| true), "the sum of all");
                for bit in 0..depth {
                    assert!(
                        sums[bit * ROW_BLOCKS + place] == sum(&|number| number >> bit & 1 == 1),
                        "bit {bit}"
                    );
                }
            }
        }
    }
}
