//! A party's own randomness, and the session that messages belong to.

use super::{Block, Blocks, OtError};
use crate::ring::prg::PrgKey;
use bytemuck::cast_slice_mut;

/// The name of a session, of which both parties know that no other has it: it goes into every hash. It is public.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionId(pub [u8; 32]);

impl SessionId {
    /// A hasher for one purpose in this session.
    pub(super) fn hasher(&self, context: &str) -> blake3::Hasher {
        let mut hasher = blake3::Hasher::new_derive_key(context);
        hasher.update(&self.0);
        hasher
    }

    /// A public block that is fixed by a purpose in this session, and by a number.
    pub(super) fn block(&self, context: &str, number: u64) -> Block {
        let mut bytes = [0; size_of::<Block>()];
        self.hasher(context).update(&number.to_le_bytes()).finalize_xof().fill(&mut bytes);
        Block::from_bytes(bytes)
    }
}

/// A party's own randomness: a ChaCha12 key from the operating system, of which every draw reads a stream of its own.
pub struct Random {
    key: PrgKey,
    next: u64,
}

impl Random {
    /// Fresh randomness.
    ///
    /// # Errors
    /// Where the operating system has none to give.
    pub fn from_entropy() -> Result<Random, OtError> {
        let key = PrgKey::from_entropy().map_err(|error| OtError::Entropy { reason: error.to_string() })?;
        Ok(Random::from_key(key))
    }

    /// The randomness of a key that nobody else knows, and that is used for nothing else.
    pub const fn from_key(key: PrgKey) -> Random {
        Random { key, next: 0 }
    }

    /// Fills bytes.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.key.fill(self.next, 0, bytes);
        self.next += 1;
    }

    /// One block.
    pub fn block(&mut self) -> Block {
        let mut block = [Block::ZERO];
        self.fill(cast_slice_mut(&mut block));
        block[0]
    }

    /// So many blocks.
    pub fn blocks(&mut self, count: usize) -> Blocks {
        let mut blocks = Blocks::zeroed(count);
        self.fill(cast_slice_mut(&mut blocks));
        blocks
    }
}
