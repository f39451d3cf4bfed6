//! Correlated trees: every level of one adds up to Δ, and who does not know Δ lacks one leaf.

use crate::ot::Block;
use crate::ot::hash::Hash;
use subtle::ConstantTimeEq;

/// Nodes that are written to side by side where the place of one is secret.
const LINE: usize = 64;

/// Grows a tree from a random root; puts the sums of each level's left nodes into `sums`. A node i of level l has the children
/// i and i + 2^l.
pub(super) fn grow(hash: &Hash, delta: Block, root: Block, sums: &mut [Block], leaves: &mut [Block]) {
    leaves[0] = root;
    leaves[1] = root ^ delta;
    sums[0] = root;
    for (level, sum) in sums.iter_mut().enumerate().skip(1) {
        hash.children(&mut leaves[..2 << level]);
        *sum = total(&leaves[..1 << level]);
    }
    leaves.iter_mut().for_each(clear_low_bit);
}

/// Grows all of a tree but the leaf at `point`, from the sums of the nodes beside the way to it; bit l of `point` is that of
/// level l. At `point` stands the negative sum of the others, which is that leaf plus Δ. Bit 0 is set there and nowhere else.
pub(super) fn grow_punctured(hash: &Hash, point: usize, sums: &[Block], leaves: &mut [Block]) {
    let goes_right = |level: usize| Block::mask(point >> level & 1 == 1);
    leaves[0] = sums[0] & goes_right(0);
    leaves[1] = sums[0] ^ leaves[0];
    // What stands in the place of the node on the way means nothing, is computed with as if it did, and leaves again by the
    // sums that it is in.
    for (level, &sum) in sums.iter().enumerate().skip(1) {
        let half = 1 << level;
        let parents = total(&leaves[..half]);
        hash.children(&mut leaves[..2 * half]);
        let (left, right) = leaves[..2 * half].split_at_mut(half);
        let left_sum = total(left);
        let (to_left, to_right) = (sum ^ left_sum, sum ^ left_sum ^ parents);
        let right_way = goes_right(level);
        let way = point & (half - 1);
        put(left, way, to_left & right_way);
        put(right, way, to_right ^ (to_right & right_way));
    }
    let all = total(leaves);
    put(leaves, point, all);
    leaves.iter_mut().for_each(clear_low_bit);
    put(leaves, point, Block::ONE);
}

fn clear_low_bit(block: &mut Block) {
    *block = Block::from_bits(block.bits() & !1);
}

/// The sum of blocks.
fn total(blocks: &[Block]) -> Block {
    blocks.iter().fold(Block::ZERO, |sum, block| sum ^ *block)
}

/// Adds a value at a secret place: all are written.
fn put(nodes: &mut [Block], place: usize, value: Block) {
    let (line, within) = (place / LINE, place % LINE);
    let mut values = [Block::ZERO; LINE];
    for (index, slot) in values.iter_mut().enumerate() {
        *slot = value & Block::mask((index as u64).ct_eq(&(within as u64)).into());
    }
    for (index, nodes) in nodes.chunks_mut(LINE).enumerate() {
        let mask = Block::mask((index as u64).ct_eq(&(line as u64)).into());
        for (node, value) in nodes.iter_mut().zip(&values) {
            *node ^= *value & mask;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ot::testing::random;

    #[test]
    fn the_punctured_tree_differs_in_one_leaf_by_delta() {
        let hash = Hash::new();
        let (delta, root) = (random(1).block(), random(2).block());
        let delta = Block::from_bits(delta.bits() | 1);
        for depth in [1, 2, 5, 8] {
            let mut sums = vec![Block::ZERO; depth];
            let mut leaves = vec![Block::ZERO; 1 << depth];
            grow(&hash, delta, root, &mut sums, &mut leaves);
            for point in [0, (1 << depth) - 1, (1 << depth) / 3] {
                let beside: Vec<Block> = sums
                    .iter()
                    .enumerate()
                    .map(|(level, &left)| if point >> level & 1 == 1 { left } else { left ^ delta })
                    .collect();
                let mut known = vec![Block::ZERO; 1 << depth];
                grow_punctured(&hash, point, &beside, &mut known);
                for (index, (leaf, known)) in leaves.iter().zip(&known).enumerate() {
                    let expected = if index == point { *leaf ^ delta } else { *leaf };
                    assert!(expected == *known, "leaf {index} of 2^{depth} without {point}");
                    assert_eq!(known.low_bit(), index == point, "bit 0 of leaf {index}");
                }
            }
        }
    }
}
