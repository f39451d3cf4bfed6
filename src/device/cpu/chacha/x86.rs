//! Sixteen blocks in the registers of AVX-512, eight in those of AVX2.

use super::WORDS;
use crate::device::cpu::square::x86::{turn_eight_u32, turn_sixteen_u32};
use std::arch::x86_64::{
    __m256i, __m512i, _mm256_add_epi32, _mm256_loadu_si256, _mm256_or_si256, _mm256_set1_epi32,
    _mm256_setr_epi8, _mm256_shuffle_epi8, _mm256_slli_epi32, _mm256_srli_epi32, _mm256_storeu_si256,
    _mm256_xor_si256, _mm512_add_epi32, _mm512_loadu_si512, _mm512_rol_epi32, _mm512_set1_epi32,
    _mm512_storeu_si512, _mm512_xor_si512,
};

const DOUBLE_ROUNDS: usize = 6;

/// Calls `work` with every whole group of `N` words and the number of its first block; returns how many words these
/// are.
pub(super) fn each<const N: usize>(out: &mut [u32], block: u64, work: impl Fn(u64, &mut [u32; N])) -> usize {
    let (groups, _) = out.as_chunks_mut::<N>();
    for (group, index) in groups.iter_mut().zip(0u64..) {
        work(block.wrapping_add(index * (N / WORDS) as u64), group);
    }
    groups.len() * N
}

/// The number of a block in each lane, its low words and its high ones.
fn counters<const LANES: usize>(block: u64) -> [[u32; LANES]; 2] {
    let number = |lane: usize| block.wrapping_add(lane as u64);
    [std::array::from_fn(|lane| number(lane) as u32), std::array::from_fn(|lane| (number(lane) >> 32) as u32)]
}

/// Blocks after all rounds, word by word, a lane for each. Each word is a variable of its own: so they stay in
/// registers.
macro_rules! rounds {
    ($start:ident, $add:ident, $xor:ident, $rotate:ident) => {{
        let [mut x0, mut x1, mut x2, mut x3, mut x4, mut x5, mut x6, mut x7, ..] = $start;
        let [.., mut x8, mut x9, mut x10, mut x11, mut x12, mut x13, mut x14, mut x15] = $start;
        macro_rules! quarter {
            ($a:ident, $b:ident, $c:ident, $d:ident) => {
                $a = $add($a, $b);
                $d = $rotate::<16, 16>($xor($d, $a));
                $c = $add($c, $d);
                $b = $rotate::<12, 20>($xor($b, $c));
                $a = $add($a, $b);
                $d = $rotate::<8, 24>($xor($d, $a));
                $c = $add($c, $d);
                $b = $rotate::<7, 25>($xor($b, $c));
            };
        }
        for _ in 0..DOUBLE_ROUNDS {
            quarter!(x0, x4, x8, x12);
            quarter!(x1, x5, x9, x13);
            quarter!(x2, x6, x10, x14);
            quarter!(x3, x7, x11, x15);
            quarter!(x0, x5, x10, x15);
            quarter!(x1, x6, x11, x12);
            quarter!(x2, x7, x8, x13);
            quarter!(x3, x4, x9, x14);
        }
        let end = [x0, x1, x2, x3, x4, x5, x6, x7, x8, x9, x10, x11, x12, x13, x14, x15];
        let mut sums = $start;
        for (sum, end) in sums.iter_mut().zip(end) {
            *sum = $add(*sum, end);
        }
        sums
    }};
}

/// Sixteen blocks from `block` on.
///
/// # Safety
/// The processor has AVX-512 F.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn sixteen(input: &[u32; WORDS], block: u64, out: &mut [u32; 16 * WORDS]) {
    let mut start = [_mm512_set1_epi32(0); WORDS];
    for (vector, &word) in start.iter_mut().zip(input) {
        *vector = _mm512_set1_epi32(word as i32);
    }
    for (vector, counter) in start[12..14].iter_mut().zip(&counters::<16>(block)) {
        // SAFETY: there is a counter for each lane.
        *vector = unsafe { _mm512_loadu_si512(counter.as_ptr().cast()) };
    }
    let words = rounds!(start, _mm512_add_epi32, _mm512_xor_si512, rotate_sixteen);
    let (to, _) = out.as_chunks_mut::<WORDS>();
    for (to, block) in to.iter_mut().zip(turn_sixteen_u32(words)) {
        // SAFETY: sixteen words.
        unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), block) };
    }
}

/// Eight blocks from `block` on.
///
/// # Safety
/// The processor has AVX2.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn eight(input: &[u32; WORDS], block: u64, out: &mut [u32; 8 * WORDS]) {
    let mut start = [_mm256_set1_epi32(0); WORDS];
    for (vector, &word) in start.iter_mut().zip(input) {
        *vector = _mm256_set1_epi32(word as i32);
    }
    for (vector, counter) in start[12..14].iter_mut().zip(&counters::<8>(block)) {
        // SAFETY: there is a counter for each lane.
        *vector = unsafe { _mm256_loadu_si256(counter.as_ptr().cast()) };
    }
    let words = rounds!(start, _mm256_add_epi32, _mm256_xor_si256, rotate_eight);
    let [low, high] = [0, 8].map(|first| turn_eight_u32(std::array::from_fn(|word| words[first + word])));
    let (to, _) = out.as_chunks_mut::<WORDS>();
    for (to, (low, high)) in to.iter_mut().zip(low.into_iter().zip(high)) {
        let (first, second) = to.split_at_mut(WORDS / 2);
        // SAFETY: eight words each.
        unsafe {
            _mm256_storeu_si256(first.as_mut_ptr().cast(), low);
            _mm256_storeu_si256(second.as_mut_ptr().cast(), high);
        }
    }
}

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
                2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9,
                14, 15, 12, 13,
            ),
        ),
        8 => _mm256_shuffle_epi8(
            vector,
            _mm256_setr_epi8(
                3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14, 3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10,
                15, 12, 13, 14,
            ),
        ),
        _ => _mm256_or_si256(_mm256_slli_epi32::<LEFT>(vector), _mm256_srli_epi32::<RIGHT>(vector)),
    }
}
