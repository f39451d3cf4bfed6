//! AES by the instructions AES-NI, a block to a register.

use super::gates::Cipher;
use crate::circuit::garble::label::Label;
use std::arch::x86_64::{
    __m128i, _mm_aesenc_si128, _mm_aesenclast_si128, _mm_cvtsi32_si128, _mm_setr_epi8, _mm_shuffle_epi8,
    _mm_shuffle_epi32, _mm_slli_si128, _mm_xor_si128,
};

/// Whether the processor has them.
pub(super) fn is_there() -> bool {
    is_x86_feature_detected!("aes") && is_x86_feature_detected!("ssse3")
}

/// AES by AES-NI.
pub(super) struct AesNi;

impl Cipher for AesNi {
    fn encrypt<const R: usize>(keys: [Label; 4], rows: [[Label; 4]; R]) -> [[Label; 4]; R] {
        // SAFETY: an engine is chosen where the processor has the instructions.
        unsafe { encrypt(keys, rows) }
    }
}

/// Encrypts rows of blocks, each under its own key. Registers go through loops and not through closures, as with VAES.
#[target_feature(enable = "aes,ssse3")]
fn encrypt<const R: usize>(labels: [Label; 4], rows: [[Label; 4]; R]) -> [[Label; 4]; R] {
    const CONSTANTS: [i32; 10] = [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x1b, 0x36];
    let mut keys: [__m128i; 4] = bytemuck::cast(labels);
    let mut states = [keys; R];
    for (states, row) in states.iter_mut().zip(rows) {
        let blocks: [__m128i; 4] = bytemuck::cast(row);
        for at in 0..4 {
            states[at] = _mm_xor_si128(blocks[at], keys[at]);
        }
    }
    for constant in &CONSTANTS[..9] {
        for key in &mut keys {
            *key = next_round_key(*key, *constant);
        }
        for states in &mut states {
            for at in 0..4 {
                states[at] = _mm_aesenc_si128(states[at], keys[at]);
            }
        }
    }
    let mut encrypted = rows;
    for key in &mut keys {
        *key = next_round_key(*key, CONSTANTS[9]);
    }
    for (encrypted, states) in encrypted.iter_mut().zip(&mut states) {
        for at in 0..4 {
            states[at] = _mm_aesenclast_si128(states[at], keys[at]);
        }
        *encrypted = bytemuck::cast(*states);
    }
    encrypted
}

/// The next round's key (FIPS 197, Section 5.2): its last word, rotated and spread over the columns, is substituted by the last
/// round's instruction, which shifts rows that are all the same.
#[inline]
#[target_feature(enable = "aes,ssse3")]
fn next_round_key(key: __m128i, constant: i32) -> __m128i {
    let rotation = _mm_setr_epi8(13, 14, 15, 12, 13, 14, 15, 12, 13, 14, 15, 12, 13, 14, 15, 12);
    let rotated = _mm_shuffle_epi8(key, rotation);
    let constant = _mm_shuffle_epi32::<0>(_mm_cvtsi32_si128(constant));
    let sums = _mm_xor_si128(key, _mm_slli_si128::<4>(key));
    let sums = _mm_xor_si128(sums, _mm_slli_si128::<8>(sums));
    _mm_aesenclast_si128(rotated, _mm_xor_si128(sums, constant))
}
