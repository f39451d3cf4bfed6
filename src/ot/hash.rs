//! Hashes from AES under fixed keys, which is taken for a random permutation π.
//!
//! **Tweakable, correlation-robust**: H(x, i) = π(π(x) ⊕ i) ⊕ π(x), the TMMO of Guo, Katz, Wang and Yu, "Efficient and Secure
//! Multiparty Computation from Fixed-Key Block Ciphers" (IEEE S&P 2020): H(x ⊕ Δ, i) looks random to whoever does not know Δ,
//! for any x and public tweaks i that do not repeat.
//!
//! **Circular correlation-robust**, without a tweak: H(x) = π(σ(x)) ⊕ σ(x) with a linear orthomorphism σ (the
//! same source), for inputs that do not repeat.

use super::aes::{Aes, TILE};
use super::{Block, Blocks};
use zeroize::Zeroize;

/// The keys: digits of π, in which nobody hid anything.
const KEYS: [u128; 2] =
    [0x243f_6a88_85a3_08d3_1319_8a2e_0370_7344, 0xa409_3822_299f_31d0_082e_fa98_ec4e_6c89];

/// The hashes.
pub(super) struct Hash {
    tweakable: Aes,
    circular: Aes,
}

impl Hash {
    pub(super) fn new() -> Hash {
        let [tweakable, circular] = KEYS.map(|key| Aes::new(Block::from_bits(key)));
        Hash { tweakable, circular }
    }

    /// Replaces each block by H(block, tweak), with the tweaks that `tweak` gives for their indices.
    pub(super) fn hash(&self, blocks: &mut [Block], tweak: impl Fn(usize) -> u128) {
        let mut permuted = [Block::ZERO; TILE];
        for (number, tile) in blocks.chunks_mut(TILE).enumerate() {
            self.tweakable.encrypt(tile);
            let permuted = &mut permuted[..tile.len()];
            for (index, (permuted, block)) in permuted.iter_mut().zip(tile.iter()).enumerate() {
                *permuted = *block ^ Block::from_bits(tweak(number * TILE + index));
            }
            self.tweakable.encrypt(permuted);
            for (block, permuted) in tile.iter_mut().zip(permuted.iter()) {
                *block ^= *permuted;
            }
        }
        permuted.zeroize();
    }

    /// For each block H(block, tweak), H(block, tweak + 1) and so on: `each` of them, one behind the other. The tweaks of
    /// block i begin with `tweak(i)`.
    pub(super) fn expand(&self, blocks: &[Block], each: usize, tweak: impl Fn(usize) -> u128) -> Blocks {
        let mut permuted = Blocks::copied(blocks);
        self.tweakable.encrypt(&mut permuted);
        let mut out = Blocks::zeroed(blocks.len() * each);
        if each == 0 {
            return out;
        }
        for (index, (block, out)) in permuted.iter().zip(out.chunks_exact_mut(each)).enumerate() {
            for (tweak, out) in (tweak(index)..).zip(out.iter_mut()) {
                *out = *block ^ Block::from_bits(tweak);
            }
        }
        for (first, tile) in (0..).step_by(TILE).zip(out.chunks_mut(TILE)) {
            self.tweakable.encrypt(tile);
            for (index, out) in (first..).zip(tile.iter_mut()) {
                *out ^= permuted[index / each];
            }
        }
        out
    }

    /// The children of each parent in the correlated tree: H(parent) to the left, H(parent) ⊕ parent to the right. The
    /// parents are the first half of `nodes` and become the left children; the right ones fill the other half.
    pub(super) fn children(&self, nodes: &mut [Block]) {
        let mut permuted = [Block::ZERO; TILE];
        let half = nodes.len() / 2;
        let (left, right) = nodes.split_at_mut(half);
        for (left, right) in left.chunks_mut(TILE).zip(right.chunks_mut(TILE)) {
            let permuted = &mut permuted[..left.len()];
            for (permuted, parent) in permuted.iter_mut().zip(left.iter()) {
                *permuted = parent.sigma();
            }
            self.circular.encrypt(permuted);
            for ((left, right), permuted) in left.iter_mut().zip(right.iter_mut()).zip(permuted.iter()) {
                let parent = *left;
                *left = *permuted ^ parent.sigma();
                *right = *left ^ parent;
            }
        }
        permuted.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_expanded_is_what_is_hashed() {
        let hash = Hash::new();
        let blocks: Vec<Block> = (0..300).map(|i| Block::from_bits(i * 77)).collect();
        let expanded = hash.expand(&blocks, 3, |index| (index as u128) << 32);
        for each in 0..3 {
            let mut hashed = blocks.clone();
            hash.hash(&mut hashed, |index| ((index as u128) << 32) + each as u128);
            for (index, block) in hashed.iter().enumerate() {
                assert!(*block == expanded[3 * index + each], "block {index}, {each}");
            }
        }
    }

    #[test]
    fn the_children_of_a_parent_add_up_to_it() {
        let mut nodes: Vec<Block> = (0..600).map(|i| Block::from_bits(i * 12345)).collect();
        let parents = nodes.clone();
        Hash::new().children(&mut nodes);
        for index in 0..300 {
            assert!(nodes[index] ^ nodes[300 + index] == parents[index], "parent {index}");
        }
    }
}
