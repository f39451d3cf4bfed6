//! AES-128 by instructions that encrypt four blocks at once.

use crate::ot::Block;
use std::arch::x86_64::*;
use zeroize::Zeroize;

const ROUNDS: usize = 10;

/// Registers that are encrypted side by side, to hide the time that a round takes.
const LANES: usize = 8;

/// Blocks of a register.
const WIDTH: usize = 4;

/// The round keys, on a processor that has the instructions.
pub(in crate::ot) struct Aes {
    keys: [Block; ROUNDS + 1],
}

impl Aes {
    pub(super) fn new(key: Block) -> Option<Aes> {
        let has = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("vaes")
            && is_x86_feature_detected!("aes");
        // SAFETY: the processor has the instructions.
        has.then(|| Aes { keys: unsafe { schedule(key) } })
    }

    pub(super) fn encrypt(&self, blocks: &mut [Block]) {
        // SAFETY: the processor has the instructions, or there were no round keys.
        unsafe { encrypt(&self.keys, blocks) }
    }
}

impl Drop for Aes {
    fn drop(&mut self) {
        self.keys.zeroize();
    }
}

/// The key schedule of FIPS 197.
#[target_feature(enable = "aes,sse2")]
fn schedule(key: Block) -> [Block; ROUNDS + 1] {
    #[target_feature(enable = "aes,sse2")]
    fn next<const CONSTANT: i32>(key: Block) -> Block {
        let mut mixed = key.bits();
        mixed ^= mixed << 32;
        mixed ^= mixed << 64;
        let word = _mm_aeskeygenassist_si128::<CONSTANT>(vector(key));
        let word = block(_mm_shuffle_epi32::<0xff>(word)).bits();
        Block::from_bits(mixed ^ word)
    }
    let mut keys = [key; ROUNDS + 1];
    keys[1] = next::<0x01>(keys[0]);
    keys[2] = next::<0x02>(keys[1]);
    keys[3] = next::<0x04>(keys[2]);
    keys[4] = next::<0x08>(keys[3]);
    keys[5] = next::<0x10>(keys[4]);
    keys[6] = next::<0x20>(keys[5]);
    keys[7] = next::<0x40>(keys[6]);
    keys[8] = next::<0x80>(keys[7]);
    keys[9] = next::<0x1b>(keys[8]);
    keys[10] = next::<0x36>(keys[9]);
    keys
}

fn vector(block: Block) -> __m128i {
    bytemuck::cast(block)
}

fn block(vector: __m128i) -> Block {
    bytemuck::cast(vector)
}

#[target_feature(enable = "avx512f,vaes")]
fn encrypt(keys: &[Block; ROUNDS + 1], blocks: &mut [Block]) {
    let keys: [__m512i; ROUNDS + 1] =
        std::array::from_fn(|round| _mm512_broadcast_i32x4(vector(keys[round])));
    let (groups, rest) = blocks.as_chunks_mut::<{ LANES * WIDTH }>();
    for group in groups {
        encrypt_lanes::<LANES>(&keys, group);
    }
    let (groups, rest) = rest.as_chunks_mut::<WIDTH>();
    for group in groups {
        encrypt_lanes::<1>(&keys, group);
    }
    if !rest.is_empty() {
        let mut padded = [Block::ZERO; WIDTH];
        padded[..rest.len()].copy_from_slice(rest);
        encrypt_lanes::<1>(&keys, &mut padded);
        rest.copy_from_slice(&padded[..rest.len()]);
    }
}

#[target_feature(enable = "avx512f,vaes")]
#[inline]
fn encrypt_lanes<const N: usize>(keys: &[__m512i; ROUNDS + 1], blocks: &mut [Block]) {
    assert_eq!(blocks.len(), N * WIDTH);
    let at = blocks.as_mut_ptr().cast::<__m512i>();
    // SAFETY: N registers of blocks are there.
    let mut lanes: [__m512i; N] = std::array::from_fn(|lane| unsafe { _mm512_loadu_si512(at.add(lane)) });
    for lane in &mut lanes {
        *lane = _mm512_xor_si512(*lane, keys[0]);
    }
    for key in &keys[1..ROUNDS] {
        for lane in &mut lanes {
            *lane = _mm512_aesenc_epi128(*lane, *key);
        }
    }
    for (index, lane) in lanes.iter().enumerate() {
        let last = _mm512_aesenclast_epi128(*lane, keys[ROUNDS]);
        // SAFETY: as above.
        unsafe { _mm512_storeu_si512(at.add(index), last) };
    }
}
