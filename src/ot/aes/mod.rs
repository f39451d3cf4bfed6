//! AES-128 on many blocks at once: by the vector instructions of the processor where it has those that take four blocks
//! (VAES with AVX-512), and by the crate `aes` elsewhere, which takes AES instructions or else computes without tables. All
//! take the same time whatever the key and the blocks are.

#[cfg(target_arch = "x86_64")]
mod wide;

use super::Block;
use aes::Aes128Enc;
use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};
use bytemuck::cast_slice_mut;

/// Blocks that are encrypted at once: they stay in the first cache.
pub(super) const TILE: usize = 128;

/// AES-128 under one key.
pub(super) enum Aes {
    /// By the crate.
    Narrow(Box<Aes128Enc>),
    /// By instructions for four blocks.
    #[cfg(target_arch = "x86_64")]
    Wide(wide::Aes),
}

impl Aes {
    pub(super) fn new(key: Block) -> Aes {
        #[cfg(target_arch = "x86_64")]
        if let Some(wide) = wide::Aes::new(key) {
            return Aes::Wide(wide);
        }
        Aes::narrow(key)
    }

    fn narrow(key: Block) -> Aes {
        Aes::Narrow(Box::new(Aes128Enc::new(&key.bytes().into())))
    }

    /// Encrypts every block.
    pub(super) fn encrypt(&self, blocks: &mut [Block]) {
        match self {
            Aes::Narrow(aes) => aes.encrypt_blocks(Array::cast_slice_from_core_mut(cast_slice_mut(blocks))),
            #[cfg(target_arch = "x86_64")]
            Aes::Wide(aes) => aes.encrypt(blocks),
        }
    }

    /// The key stream from a counter on: AES of the numbers `first`, `first` + 1 and so on.
    pub(super) fn stream(&self, first: u64, out: &mut [Block]) {
        for (number, block) in (first..).zip(out.iter_mut()) {
            *block = Block::from_bits(number.into());
        }
        self.encrypt(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 197, appendix C.1.
    #[test]
    fn the_published_vector_holds() {
        let key = Block::from_bytes(std::array::from_fn(|byte| byte as u8));
        let plain = Block::from_bytes(std::array::from_fn(|byte| 0x11 * byte as u8));
        let expected =
            [0x69, 0xc4, 0xe0, 0xd8, 0x6a, 0x7b, 0x04, 0x30, 0xd8, 0xcd, 0xb7, 0x80, 0x70, 0xb4, 0xc5, 0x5a];
        let mut blocks = [plain; 3];
        Aes::new(key).encrypt(&mut blocks);
        assert!(blocks.iter().all(|block| block.bytes() == expected), "{:?}", blocks[0].bytes());
    }

    #[test]
    fn the_ways_to_encrypt_are_equal_at_every_length() {
        let key = Block::from_bits(0x0123_4567_89ab_cdef << 40);
        for len in (0..80).chain([129, 1000]) {
            let mut one: Vec<Block> = (0..len).map(|i| Block::from_bits((i as u128) << 100 | 7)).collect();
            let mut other = one.clone();
            Aes::new(key).encrypt(&mut one);
            Aes::narrow(key).encrypt(&mut other);
            assert!(one == other, "{len} blocks");
        }
    }
}
