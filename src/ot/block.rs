//! Blocks of 128 bits, which are also the elements of GF(2^128) = F_2\[x\] / (x^128 + x^7 + x^2 + x + 1): bit i of a block is the
//! coefficient of x^i.

use crate::memory::huge;
use bytemuck::{Pod, Zeroable};
use std::fmt;
use std::ops::{BitAnd, BitXor, BitXorAssign, Deref, DerefMut};
use zeroize::{DefaultIsZeroes, Zeroize};

/// Bytes of a block.
pub const BLOCK_BYTES: usize = size_of::<Block>();

/// 128 bits. Byte 0 has the bits 0 to 7.
#[derive(Clone, Copy, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(transparent)]
pub struct Block(u128);

impl Block {
    /// No bit.
    pub const ZERO: Block = Block(0);
    /// Bit 0 alone, the one of the field.
    pub const ONE: Block = Block(1);

    /// The block with these bytes.
    pub const fn from_bytes(bytes: [u8; BLOCK_BYTES]) -> Block {
        Block(u128::from_le_bytes(bytes))
    }

    /// The block's bytes.
    pub const fn bytes(self) -> [u8; BLOCK_BYTES] {
        self.0.to_le_bytes()
    }

    /// The block whose bits are those of a number.
    pub const fn from_bits(bits: u128) -> Block {
        Block(bits)
    }

    /// The bits as a number.
    pub const fn bits(self) -> u128 {
        self.0
    }

    /// Bit 0.
    pub const fn low_bit(self) -> bool {
        self.0 & 1 == 1
    }

    /// All bits where `bit` is set, none where it is not; without a branch.
    pub fn mask(bit: bool) -> Block {
        Block((u128::from(std::hint::black_box(bit))).wrapping_neg())
    }

    /// The permutation σ(x ‖ y) = (x ⊕ y) ‖ x, high half first: linear, and x ↦ σ(x) ⊕ x is a permutation too.
    pub(super) const fn sigma(self) -> Block {
        let (high, low) = ((self.0 >> 64) as u64, self.0 as u64);
        Block(((high ^ low) as u128) << 64 | high as u128)
    }
}

impl BitXor for Block {
    type Output = Block;

    fn bitxor(self, other: Block) -> Block {
        Block(self.0 ^ other.0)
    }
}

impl BitXorAssign for Block {
    fn bitxor_assign(&mut self, other: Block) {
        self.0 ^= other.0;
    }
}

impl BitAnd for Block {
    type Output = Block;

    fn bitand(self, other: Block) -> Block {
        Block(self.0 & other.0)
    }
}

impl DefaultIsZeroes for Block {}

/// Blocks are secret as a rule.
impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Block(..)")
    }
}

/// Blocks that are wiped when dropped, in memory that is kept out of dumps.
#[derive(Default, PartialEq, Eq)]
pub struct Blocks(Vec<Block>);

impl Blocks {
    /// So many zeros.
    pub fn zeroed(len: usize) -> Blocks {
        // The advice comes before the pages: nothing has been written yet.
        let mut blocks = bytemuck::zeroed_vec(len);
        huge::advise(&mut blocks);
        Blocks(blocks)
    }

    /// A copy of blocks.
    pub fn copied(from: &[Block]) -> Blocks {
        let mut blocks = Blocks::zeroed(from.len());
        blocks.copy_from_slice(from);
        blocks
    }
}

impl Deref for Blocks {
    type Target = [Block];

    fn deref(&self) -> &[Block] {
        &self.0
    }
}

impl DerefMut for Blocks {
    fn deref_mut(&mut self) -> &mut [Block] {
        &mut self.0
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        self.0.as_mut_slice().zeroize();
    }
}

impl fmt::Debug for Blocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blocks({})", self.0.len())
    }
}
