//! The generator's stream, many blocks at a time: ChaCha12 as [`crate::ring::prg`] defines it, byte for byte.
//!
//! Every vector holds one word of the state for as many blocks as it has lanes; the finished words are transposed into
//! blocks. What is less than a vector of blocks, and other processors, go through [`PrgKey::fill`].

use super::SimdLevel;
use super::square;
use crate::ring::prg::{BLOCK_BYTES, PrgKey};

/// Words of a block.
const WORDS: usize = BLOCK_BYTES / 4;

/// Blocks of the widest vector.
pub(super) const MOST_LANES: usize = 16;

/// Writes the bytes of `stream` from `block` on, at a level that this processor has.
pub(super) fn fill(level: SimdLevel, key: &PrgKey, stream: u64, block: u64, out: &mut [u32]) {
    let lanes = match level {
        SimdLevel::Avx512 => 16,
        SimdLevel::Avx2 => 8,
        // A library that finds vector instructions by itself.
        SimdLevel::Portable | SimdLevel::Neon => usize::MAX / WORDS,
    };
    let mut at = block;
    let mut groups = out.chunks_exact_mut(lanes * WORDS);
    let mut words = [0; MOST_LANES * WORDS];
    let input = input(key, stream);
    for group in &mut groups {
        advance(level, &input, at, &mut words);
        square::transpose(level, (&words, lanes), (group, WORDS), (WORDS, lanes));
        at = at.wrapping_add(lanes as u64);
    }
    let rest = groups.into_remainder();
    if !rest.is_empty() {
        key.fill(stream, at, bytemuck::cast_slice_mut(rest));
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

/// Computes a vector of blocks from `block` on, word by word.
fn advance(level: SimdLevel, input: &[u32; WORDS], block: u64, words: &mut [u32; MOST_LANES * WORDS]) {
    #[cfg(target_arch = "x86_64")]
    match level {
        // SAFETY: the device was opened at a level that the processor was found to have.
        SimdLevel::Avx512 => unsafe { x86::sixteen(input, block, words) },
        // SAFETY: as above.
        _ => unsafe { x86::eight(input, block, words) },
    }
    #[cfg(not(target_arch = "x86_64"))]
    unreachable!("{level:?} has no vectors of blocks at {block}: {input:p} {words:p}");
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{MOST_LANES, WORDS};
    use std::arch::x86_64::{
        __m256i, __m512i, _mm256_add_epi32, _mm256_loadu_si256, _mm256_or_si256, _mm256_set1_epi32,
        _mm256_setr_epi8, _mm256_shuffle_epi8, _mm256_slli_epi32, _mm256_srli_epi32, _mm256_storeu_si256,
        _mm256_xor_si256, _mm512_add_epi32, _mm512_loadu_si512, _mm512_rol_epi32, _mm512_set1_epi32,
        _mm512_storeu_si512, _mm512_xor_si512,
    };

    /// The words that each quarter round of a double round works on: columns, then diagonals.
    const QUARTERS: [[usize; 4]; 8] = [
        [0, 4, 8, 12],
        [1, 5, 9, 13],
        [2, 6, 10, 14],
        [3, 7, 11, 15],
        [0, 5, 10, 15],
        [1, 6, 11, 12],
        [2, 7, 8, 13],
        [3, 4, 9, 14],
    ];

    const DOUBLE_ROUNDS: usize = 6;

    macro_rules! blocks {
        (
            $name:ident, $feature:literal, $vector:ty, $lanes:literal,
            $set:ident, $load:ident, $store:ident, $add:ident, $xor:ident, $rotate:ident
        ) => {
            /// As many blocks as a vector has lanes, from `block` on: word by word, a lane for each block.
            ///
            /// # Safety
            /// The processor has the instructions.
            #[target_feature(enable = $feature)]
            pub(super) unsafe fn $name(
                input: &[u32; WORDS],
                block: u64,
                words: &mut [u32; MOST_LANES * WORDS],
            ) {
                let mut counters = [[0u32; $lanes]; 2];
                for lane in 0..$lanes {
                    let counter = block.wrapping_add(lane as u64);
                    counters[0][lane] = counter as u32;
                    counters[1][lane] = (counter >> 32) as u32;
                }
                let mut start: [$vector; WORDS] = [$set(0); WORDS];
                for (vector, &word) in start.iter_mut().zip(input) {
                    *vector = $set(word as i32);
                }
                for (vector, counter) in start[12..14].iter_mut().zip(&counters) {
                    // SAFETY: there is a counter for each lane.
                    *vector = unsafe { $load(counter.as_ptr().cast()) };
                }
                let mut state = start;
                for _ in 0..DOUBLE_ROUNDS {
                    for [a, b, c, d] in QUARTERS {
                        state[a] = $add(state[a], state[b]);
                        state[d] = $rotate::<16, 16>($xor(state[d], state[a]));
                        state[c] = $add(state[c], state[d]);
                        state[b] = $rotate::<12, 20>($xor(state[b], state[c]));
                        state[a] = $add(state[a], state[b]);
                        state[d] = $rotate::<8, 24>($xor(state[d], state[a]));
                        state[c] = $add(state[c], state[d]);
                        state[b] = $rotate::<7, 25>($xor(state[b], state[c]));
                    }
                }
                for (word, (&before, &after)) in start.iter().zip(&state).enumerate() {
                    let to = words[word * $lanes..][..$lanes].as_mut_ptr();
                    // SAFETY: a slice of as many lanes.
                    unsafe { $store(to.cast(), $add(before, after)) };
                }
            }
        };
    }

    blocks!(
        sixteen,
        "avx512f",
        __m512i,
        16,
        _mm512_set1_epi32,
        _mm512_loadu_si512,
        _mm512_storeu_si512,
        _mm512_add_epi32,
        _mm512_xor_si512,
        rotate_sixteen
    );
    blocks!(
        eight,
        "avx2",
        __m256i,
        8,
        _mm256_set1_epi32,
        _mm256_loadu_si256,
        _mm256_storeu_si256,
        _mm256_add_epi32,
        _mm256_xor_si256,
        rotate_eight
    );

    #[target_feature(enable = "avx512f")]
    #[inline]
    fn rotate_sixteen<const LEFT: i32, const RIGHT: i32>(vector: __m512i) -> __m512i {
        _mm512_rol_epi32::<LEFT>(vector)
    }

    /// By whole bytes in one shuffle, otherwise by two shifts.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn rotate_eight<const LEFT: i32, const RIGHT: i32>(vector: __m256i) -> __m256i {
        match LEFT {
            16 => _mm256_shuffle_epi8(
                vector,
                _mm256_setr_epi8(
                    2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8,
                    9, 14, 15, 12, 13,
                ),
            ),
            8 => _mm256_shuffle_epi8(
                vector,
                _mm256_setr_epi8(
                    3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14, 3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9,
                    10, 15, 12, 13, 14,
                ),
            ),
            _ => _mm256_or_si256(_mm256_slli_epi32::<LEFT>(vector), _mm256_srli_epi32::<RIGHT>(vector)),
        }
    }
}

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
