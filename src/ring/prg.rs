//! Uniform ring elements from a key: the one pseudo-random generator of the project.
//!
//! A stream is ChaCha12 (D. J. Bernstein, "ChaCha, a variant of Salsa20", 2008) with a 64-bit stream number
//! as nonce and a 64-bit block counter, read as little-endian words: exactly `rand_chacha`'s byte stream.
//! Every device's fill kernel produces the same bytes, so a share that comes from a key need never be sent.
//!
//! **Discipline.** A key serves one run and one pair of roles and is drawn from the operating system. Within a key, each
//! correlation part and each value that two parties have in common has a stream of its own, and each of the two reads a
//! stream once, from block 0, or again only to make the same values for the same use. No (key, stream, block) is used
//! twice, because no key outlives its run: after a crash a new key is drawn.

use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Bytes of one block of the generator.
pub const BLOCK_BYTES: usize = 64;

/// A secret key of the generator. It is never printed, and is wiped when dropped; the generator's own state and the
/// values drawn from it are not.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct PrgKey([u8; 32]);

impl PrgKey {
    /// A fresh key from the operating system's entropy.
    ///
    /// # Errors
    /// Where the operating system has no entropy to give.
    pub fn from_entropy() -> Result<PrgKey, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        Ok(PrgKey(bytes))
    }

    /// The key with these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> PrgKey {
        PrgKey(bytes)
    }

    /// The key's bytes, to be handed to the peer that shares it.
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key as the eight little-endian words of the ChaCha state.
    pub fn words(&self) -> [u32; 8] {
        let mut words = [0; 8];
        for (word, bytes) in words.iter_mut().zip(self.0.as_chunks::<4>().0) {
            *word = u32::from_le_bytes(*bytes);
        }
        words
    }

    /// Writes the bytes of `stream` from `block` on.
    pub fn fill(&self, stream: u64, block: u64, out: &mut [u8]) {
        let mut generator = ChaCha12Rng::from_seed(self.0);
        generator.set_stream(stream);
        generator.set_word_pos(u128::from(block) * (BLOCK_BYTES as u128 / 4));
        generator.fill_bytes(out);
    }
}

impl std::fmt::Debug for PrgKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PrgKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Strombergson, "Test Vectors for the Stream Cipher ChaCha" (2013), TC1, 256-bit key, 12 rounds:
    /// all-zero key and nonce, first block.
    #[test]
    fn the_published_vector_holds() {
        let expected = [
            0x9b, 0xf4, 0x9a, 0x6a, 0x07, 0x55, 0xf9, 0x53, 0x81, 0x1f, 0xce, 0x12, 0x5f, 0x26, 0x83, 0xd5,
            0x04, 0x29, 0xc3, 0xbb, 0x49, 0xe0, 0x74, 0x14, 0x7e, 0x00, 0x89, 0xa5, 0x2e, 0xae, 0x15, 0x5f,
            0x05, 0x64, 0xf8, 0x79, 0xd2, 0x7a, 0xe3, 0xc0, 0x2c, 0xe8, 0x28, 0x34, 0xac, 0xfa, 0x8c, 0x79,
            0x3a, 0x62, 0x9f, 0x2c, 0xa0, 0xde, 0x69, 0x19, 0x61, 0x0b, 0xe8, 0x2f, 0x41, 0x13, 0x26, 0xbe,
        ];
        let mut block = [0; 64];
        PrgKey::from_bytes([0; 32]).fill(0, 0, &mut block);
        assert_eq!(block, expected);
    }

    #[test]
    fn a_later_block_continues_the_stream() {
        let key = PrgKey::from_bytes([7; 32]);
        let (mut whole, mut tail) = ([0; 256], [0; 128]);
        key.fill(9, 0, &mut whole);
        key.fill(9, 2, &mut tail);
        assert_eq!(whole[128..], tail);
    }

    #[test]
    fn a_key_is_never_printed() {
        assert_eq!(format!("{:?}", PrgKey::from_bytes([7; 32])), "PrgKey(..)");
    }
}
