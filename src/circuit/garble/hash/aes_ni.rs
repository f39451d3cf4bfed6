//! AES by the instructions AES-NI, a block to a register.

use super::gates::Cipher;
use crate::circuit::garble::label::Label;
use std::arch::x86_64::{
    __m128i, _mm_aesenc_si128, _mm_aesenclast_si128, _mm_cvtsi32_si128, _mm_set_epi64x, _mm_setr_epi8,
    _mm_shuffle_epi8, _mm_shuffle_epi32, _mm_slli_si128, _mm_xor_si128,
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

#[inline]
#[target_feature(enable = "aes,ssse3")]
fn register(label: Label) -> __m128i {
    _mm_set_epi64x(label.0[1] as i64, label.0[0] as i64)
}

#[target_feature(enable = "aes,ssse3")]
fn encrypt<const R: usize>(keys: [Label; 4], rows: [[Label; 4]; R]) -> [[Label; 4]; R] {
    let mut keys = keys.map(|key| register(key));
    let mut states = rows.map(|row| row.map(|label| register(label)));
    for row in &mut states {
        for (state, &key) in row.iter_mut().zip(&keys) {
            *state = _mm_xor_si128(*state, key);
        }
    }
    let mut constant = 1;
    for _ in 1..10 {
        keys = keys.map(|key| next_round_key(key, constant));
        for row in &mut states {
            for (state, &key) in row.iter_mut().zip(&keys) {
                *state = _mm_aesenc_si128(*state, key);
            }
        }
        constant = if constant == 0x80 { 0x1b } else { 2 * constant };
    }
    keys = keys.map(|key| next_round_key(key, constant));
    for row in &mut states {
        for (state, &key) in row.iter_mut().zip(&keys) {
            *state = _mm_aesenclast_si128(*state, key);
        }
    }
    states.map(|row| row.map(bytemuck::cast))
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
