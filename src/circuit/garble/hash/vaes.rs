//! AES by VAES: four blocks to a register of 512 bits, which is both operands of two gates, and four registers at a time.
//!
//! Registers go through loops and never through closures: what the standard library calls a closure from has not these
//! instructions, so that it would be a call for each register.

use super::Keys;
use crate::circuit::garble::label::Label;
use std::arch::x86_64::*;
use zeroize::Zeroize;

/// Registers that are worked on side by side, so that none waits for another's round.
const SIDE_BY_SIDE: usize = 4;
/// Gates of those.
const GATES: usize = 2 * SIDE_BY_SIDE;

/// Registers side by side.
type Row = [__m512i; SIDE_BY_SIDE];

/// Whether the processor has the instructions.
pub(super) fn is_there() -> bool {
    is_x86_feature_detected!("vaes")
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
}

/// As `Engine::garble` has it.
pub(super) fn garble(
    keys: Keys,
    first: u64,
    delta: Label,
    reads: &[Label],
    tables: &mut [Label],
    sets: &mut [Label],
) {
    let whole = sets.len() / GATES * GATES;
    let (whole_reads, last_reads) = reads.split_at(2 * whole);
    let (whole_tables, last_tables) = tables.split_at_mut(2 * whole);
    let (whole_sets, last_sets) = sets.split_at_mut(whole);
    let groups = whole_reads
        .as_chunks::<{ 2 * GATES }>()
        .0
        .iter()
        .zip(whole_tables.as_chunks_mut::<{ 2 * GATES }>().0)
        .zip(whole_sets.as_chunks_mut::<GATES>().0);
    // SAFETY: an engine is chosen where the processor has the instructions.
    unsafe {
        for (group, ((reads, tables), sets)) in (0..).zip(groups) {
            garble_group(keys, first + group * GATES as u64, delta, reads, tables, sets);
        }
    }
    if !last_sets.is_empty() {
        let mut reads = [Label::default(); 2 * GATES];
        let (mut tables, mut sets) = (reads, [Label::default(); GATES]);
        reads[..last_reads.len()].copy_from_slice(last_reads);
        // SAFETY: as above.
        unsafe { garble_group(keys, first + whole as u64, delta, &reads, &mut tables, &mut sets) };
        last_tables.copy_from_slice(&tables[..last_tables.len()]);
        last_sets.copy_from_slice(&sets[..last_sets.len()]);
        reads.zeroize();
        sets.zeroize();
        // What the missing gates came to depends on Δ.
        tables.zeroize();
    }
}

/// As `Engine::evaluate` has it.
pub(super) fn evaluate(keys: Keys, first: u64, reads: &[Label], tables: &[Label], sets: &mut [Label]) {
    let whole = sets.len() / GATES * GATES;
    let (whole_reads, last_reads) = reads.split_at(2 * whole);
    let (whole_tables, last_tables) = tables.split_at(2 * whole);
    let (whole_sets, last_sets) = sets.split_at_mut(whole);
    let groups = whole_reads
        .as_chunks::<{ 2 * GATES }>()
        .0
        .iter()
        .zip(whole_tables.as_chunks::<{ 2 * GATES }>().0)
        .zip(whole_sets.as_chunks_mut::<GATES>().0);
    // SAFETY: an engine is chosen where the processor has the instructions.
    unsafe {
        for (group, ((reads, tables), sets)) in (0..).zip(groups) {
            evaluate_group(keys, first + group * GATES as u64, reads, tables, sets);
        }
    }
    if !last_sets.is_empty() {
        let mut reads = [Label::default(); 2 * GATES];
        let (mut tables, mut sets) = (reads, [Label::default(); GATES]);
        reads[..last_reads.len()].copy_from_slice(last_reads);
        tables[..last_tables.len()].copy_from_slice(last_tables);
        // SAFETY: as above.
        unsafe { evaluate_group(keys, first + whole as u64, &reads, &tables, &mut sets) };
        last_sets.copy_from_slice(&sets[..last_sets.len()]);
        reads.zeroize();
        sets.zeroize();
    }
}

/// As `Engine::hash_alone` has it.
pub(super) fn hash_alone(keys: Keys, gates: u64, garbles: bool) -> Label {
    // SAFETY: an engine is chosen where the processor has the instructions.
    let sums = unsafe { sum_of_hashes(keys, gates.next_multiple_of(GATES as u64), garbles) };
    sums.into_iter().fold(Label::default(), |sum, label| sum ^ label)
}

#[target_feature(enable = "avx512f,avx512bw,vaes")]
fn sum_of_hashes(keys: Keys, gates: u64, garbles: bool) -> [Label; 4] {
    let zeros = [spread(four(keys.0)); SIDE_BY_SIDE];
    let ones = [spread(four(keys.0 ^ Label([u64::MAX; 2]))); SIDE_BY_SIDE];
    let mut sum = _mm512_setzero_si512();
    for first in (0..gates).step_by(GATES) {
        let keys = keys_of(keys, first);
        if garbles {
            let [a, b] = encrypt(keys, [zeros, ones]);
            for at in 0..SIDE_BY_SIDE {
                sum = xor(sum, xor(xor(a[at], zeros[at]), xor(b[at], ones[at])));
            }
        } else {
            let [a] = encrypt(keys, [zeros]);
            for at in 0..SIDE_BY_SIDE {
                sum = xor(sum, xor(a[at], zeros[at]));
            }
        }
    }
    let mut sums = [Label::default(); 4];
    store(sum, &mut sums);
    sums
}

/// A label four times.
#[inline]
#[target_feature(enable = "avx512f")]
fn four(label: Label) -> __m512i {
    _mm512_set4_epi64(label.0[1] as i64, label.0[0] as i64, label.0[1] as i64, label.0[0] as i64)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn xor(a: __m512i, b: __m512i) -> __m512i {
    _mm512_xor_si512(a, b)
}

/// a ⊕ b ⊕ c.
#[inline]
#[target_feature(enable = "avx512f")]
fn xor3(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
    _mm512_ternarylogic_epi64::<0x96>(a, b, c)
}

/// a ⊕ (b ∧ c).
#[inline]
#[target_feature(enable = "avx512f")]
fn xor_and(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
    _mm512_ternarylogic_epi64::<0x78>(a, b, c)
}

/// σ of four labels.
#[inline]
#[target_feature(enable = "avx512f")]
fn spread(labels: __m512i) -> __m512i {
    let upper = _mm512_set4_epi64(-1, 0, -1, 0);
    xor_and(_mm512_shuffle_epi32::<0b01_00_11_10>(labels), labels, upper)
}

/// All bits of a label the lowest of it.
#[inline]
#[target_feature(enable = "avx512f")]
fn colours(labels: __m512i) -> __m512i {
    let lowest = _mm512_shuffle_epi32::<0>(labels);
    _mm512_srai_epi32::<31>(_mm512_slli_epi32::<31>(lowest))
}

/// The keys of gates from a number on: two for each.
#[inline]
#[target_feature(enable = "avx512f")]
fn keys_of(keys: Keys, first: u64) -> Row {
    let start = four(keys.0);
    let number = (2 * first) as i64;
    let places = _mm512_set_epi64(0, 3, 0, 2, 0, 1, 0, 0);
    let mut row = [start; SIDE_BY_SIDE];
    for (at, register) in row.iter_mut().enumerate() {
        let base = number.wrapping_add(4 * at as i64);
        let base = _mm512_set4_epi64(0, base, 0, base);
        *register = xor(start, _mm512_add_epi64(base, places));
    }
    row
}

/// The next round's keys, as AES-NI makes them.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,vaes")]
fn next_round_keys(key: __m512i, constant: i32) -> __m512i {
    let rotation = _mm512_set1_epi32(0x0c0f_0e0d);
    let rotated = _mm512_shuffle_epi8(key, rotation);
    let sums = xor(key, _mm512_bslli_epi128::<4>(key));
    let sums = xor3(sums, _mm512_bslli_epi128::<8>(sums), _mm512_set1_epi32(constant));
    _mm512_aesenclast_epi128(rotated, sums)
}

/// Encrypts rows of blocks, each under its own key.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,vaes")]
fn encrypt<const R: usize>(mut keys: Row, mut rows: [Row; R]) -> [Row; R] {
    const CONSTANTS: [i32; 10] = [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x1b, 0x36];
    for row in &mut rows {
        for (state, &key) in row.iter_mut().zip(&keys) {
            *state = xor(*state, key);
        }
    }
    for constant in &CONSTANTS[..9] {
        for key in &mut keys {
            *key = next_round_keys(*key, *constant);
        }
        for row in &mut rows {
            for (state, &key) in row.iter_mut().zip(&keys) {
                *state = _mm512_aesenc_epi128(*state, key);
            }
        }
    }
    for key in &mut keys {
        *key = next_round_keys(*key, CONSTANTS[9]);
    }
    for row in &mut rows {
        for (state, &key) in row.iter_mut().zip(&keys) {
            *state = _mm512_aesenclast_epi128(*state, key);
        }
    }
    rows
}

/// Four labels.
#[inline]
#[target_feature(enable = "avx512f")]
fn loaded(labels: &[Label; 4]) -> __m512i {
    // SAFETY: four labels are 64 bytes.
    unsafe { _mm512_loadu_si512(labels.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(register: __m512i, labels: &mut [Label; 4]) {
    // SAFETY: four labels are 64 bytes.
    unsafe { _mm512_storeu_si512(labels.as_mut_ptr().cast(), register) };
}

/// Adds up both halves of each gate, and writes the labels of gates of two registers.
#[inline]
#[target_feature(enable = "avx512f")]
fn store_sums(halves: [__m512i; 2], sets: &mut [Label; 4]) {
    let sums = [xor(halves[0], exchanged(halves[0])), xor(halves[1], exchanged(halves[1]))];
    let places = _mm512_set_epi64(13, 12, 9, 8, 5, 4, 1, 0);
    store(_mm512_permutex2var_epi64(sums[0], places, sums[1]), sets);
}

/// Both operands of each gate exchanged.
#[inline]
#[target_feature(enable = "avx512f")]
fn exchanged(labels: __m512i) -> __m512i {
    _mm512_shuffle_i64x2::<0b10_11_00_01>(labels, labels)
}

/// Second operands, and first ones.
const SECOND: u8 = 0b1100_1100;
const FIRST: u8 = 0b0011_0011;

#[target_feature(enable = "avx512f,avx512bw,vaes")]
fn garble_group(
    keys: Keys,
    first: u64,
    delta: Label,
    reads: &[Label; 2 * GATES],
    tables: &mut [Label; 2 * GATES],
    sets: &mut [Label; GATES],
) {
    let delta = four(delta);
    let spread_delta = spread(delta);
    let reads = reads.as_chunks::<4>().0;
    let mut zeros = [delta; SIDE_BY_SIDE];
    for (zero, reads) in zeros.iter_mut().zip(reads) {
        *zero = spread(loaded(reads));
    }
    let mut ones = zeros;
    for one in &mut ones {
        *one = xor(*one, spread_delta);
    }
    let [zero_ciphers, one_ciphers] = encrypt(keys_of(keys, first), [zeros, ones]);
    let mut halves = [delta; SIDE_BY_SIDE];
    let tables = tables.as_chunks_mut::<4>().0;
    for at in 0..SIDE_BY_SIDE {
        let labels = loaded(&reads[at]);
        let zero_hashes = xor(zero_ciphers[at], spread(labels));
        // The sum of both hashes: the labels differ by Δ.
        let sums = xor3(zero_ciphers[at], one_ciphers[at], spread_delta);
        let others = exchanged(labels);
        // To the first, Δ where the second's colour is 1; to the second, the first label.
        let added = _mm512_mask_mov_epi64(_mm512_and_si512(colours(others), delta), SECOND, others);
        let table = xor(sums, added);
        store(table, &mut tables[at]);
        // Of the second, what the first label was added to is taken without it.
        let chosen = _mm512_mask_mov_epi64(sums, FIRST, table);
        halves[at] = xor_and(zero_hashes, chosen, colours(labels));
    }
    for (halves, sets) in halves.as_chunks::<2>().0.iter().zip(sets.as_chunks_mut::<4>().0) {
        store_sums(*halves, sets);
    }
}

#[target_feature(enable = "avx512f,avx512bw,vaes")]
fn evaluate_group(
    keys: Keys,
    first: u64,
    reads: &[Label; 2 * GATES],
    tables: &[Label; 2 * GATES],
    sets: &mut [Label; GATES],
) {
    let reads = reads.as_chunks::<4>().0;
    let tables = tables.as_chunks::<4>().0;
    let mut labels = [_mm512_setzero_si512(); SIDE_BY_SIDE];
    for (label, reads) in labels.iter_mut().zip(reads) {
        *label = spread(loaded(reads));
    }
    let [ciphers] = encrypt(keys_of(keys, first), [labels]);
    let mut halves = labels;
    for at in 0..SIDE_BY_SIDE {
        let labels = loaded(&reads[at]);
        let table = loaded(&tables[at]);
        // The first label is added to the second's table.
        let table = _mm512_mask_xor_epi64(table, SECOND, table, exchanged(labels));
        halves[at] = xor_and(xor(ciphers[at], spread(labels)), table, colours(labels));
    }
    for (halves, sets) in halves.as_chunks::<2>().0.iter().zip(sets.as_chunks_mut::<4>().0) {
        store_sums(*halves, sets);
    }
}
