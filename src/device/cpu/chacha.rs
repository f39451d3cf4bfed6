//! The generator's stream, many blocks at a time: ChaCha12 as [`crate::ring::prg`] defines it, byte for byte.
//!
//! Every vector holds one word of the state for as many blocks as it has lanes, and the whole state stays in registers:
//! finished words are transposed into blocks there and stored. What is less than a vector of blocks, and other
//! processors, go through [`PrgKey::fill`].

use super::SimdLevel;
use crate::ring::prg::{BLOCK_BYTES, PrgKey};

/// Words of a block.
const WORDS: usize = BLOCK_BYTES / 4;

/// Blocks of the widest vector.
pub(super) const MOST_LANES: usize = 16;

/// Writes the bytes of `stream` from `block` on, at a level that this processor has.
pub(super) fn fill(level: SimdLevel, key: &PrgKey, stream: u64, block: u64, out: &mut [u32]) {
    let done = vectors(level, &input(key, stream), block, out);
    if done < out.len() {
        let block = block.wrapping_add((done / WORDS) as u64);
        key.fill(stream, block, bytemuck::cast_slice_mut(&mut out[done..]));
    }
}

/// The state before the first round, its counter still zero.
fn input(key: &PrgKey, stream: u64) -> [u32; WORDS] {
    let mut input = [0; WORDS];
    input[..4].copy_from_slice(&[0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574]);
    input[4..12].copy_from_slice(&key.words());
    input[14..].copy_from_slice(&[stream as u32, (stream >> 32) as u32]);
    input
}

/// Writes as many whole vectors of blocks as fit; returns how many words these are.
fn vectors(level: SimdLevel, input: &[u32; WORDS], block: u64, out: &mut [u32]) -> usize {
    match level {
        #[cfg(target_arch = "x86_64")]
        SimdLevel::Avx512 => x86::each(out, block, |block, group: &mut [u32; 16 * WORDS]| {
            // SAFETY: the device was opened at a level that the processor was found to have.
            unsafe { x86::sixteen(input, block, group) }
        }),
        #[cfg(target_arch = "x86_64")]
        SimdLevel::Avx2 => x86::each(out, block, |block, group: &mut [u32; 8 * WORDS]| {
            // SAFETY: as above.
            unsafe { x86::eight(input, block, group) }
        }),
        // A library that finds vector instructions by itself.
        _ => 0,
    }
}

#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(test)]
mod tests {
    use super::*;

    /// The library's stream, at every level, across the counter's words and for every remainder.
    #[test]
    fn the_stream_is_the_librarys() {
        let key = PrgKey::from_bytes(std::array::from_fn(|index| index as u8 * 7 + 1));
        for level in SimdLevel::available() {
            for block in [0, 1, 0xffff_fffe, 0xffff_fff8, (1 << 32) - 17, 1 << 40] {
                for len in [0, 1, 15, 16, 127, 128, 129, 255, 256, 257, 1000] {
                    let (mut out, mut expected) = (vec![7u32; len], vec![0u32; len]);
                    fill(level, &key, 0x0123_4567_89ab_cdef, block, &mut out);
                    key.fill(0x0123_4567_89ab_cdef, block, bytemuck::cast_slice_mut(&mut expected));
                    assert!(out == expected, "{} words from block {block} at {}", len, level.name());
                }
            }
        }
    }
}
