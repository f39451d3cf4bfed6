//! AES by VAES: four blocks to a register of 512 bits, which is an operand of four gates, and four registers at a time.
//!
//! Registers go through loops and never through closures: what the standard library calls a closure from has not these
//! instructions, so that it would be a call for each register.

use super::{GROUP, Keys, Operands};
use crate::circuit::garble::label::Label;
use std::arch::x86_64::*;
use zeroize::Zeroize;

/// Registers that are worked on side by side, so that none waits for another's round.
const SIDE_BY_SIDE: usize = 4;

/// Both operands of a group.
const _: () = assert!(4 * SIDE_BY_SIDE == 2 * GROUP);

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
    operands: Operands<'_>,
    tables: &mut [Label],
    sets: &mut [Label],
) {
    let ([a, b], offsets) = (operands.labels.map(<[Label]>::as_chunks::<GROUP>), operands.offsets);
    let (tables, last_tables) = tables.as_chunks_mut::<{ 2 * GROUP }>();
    let (sets, last_sets) = sets.as_chunks_mut::<GROUP>();
    let last = first + (sets.len() * GROUP) as u64;
    let groups = a.0.iter().zip(b.0).zip(tables.iter_mut().zip(sets));
    // SAFETY: an engine is chosen where the processor has the instructions.
    unsafe {
        for (group, ((a, b), (tables, sets))) in (0..).zip(groups) {
            garble_group(keys, first + group * GROUP as u64, delta, ([a, b], offsets), tables, sets);
        }
    }
    if !last_sets.is_empty() {
        let mut rest = Rest::of([a.1, b.1], &[]);
        let Rest { a, b, tables, sets } = &mut rest;
        // SAFETY: as above.
        unsafe { garble_group(keys, last, delta, ([a, b], offsets), tables, sets) };
        last_tables.copy_from_slice(&tables[..last_tables.len()]);
        last_sets.copy_from_slice(&sets[..last_sets.len()]);
    }
}

/// As `Engine::evaluate` has it.
pub(super) fn evaluate(keys: Keys, first: u64, operands: Operands<'_>, tables: &[Label], sets: &mut [Label]) {
    let ([a, b], offsets) = (operands.labels.map(<[Label]>::as_chunks::<GROUP>), operands.offsets);
    let (tables, last_tables) = tables.as_chunks::<{ 2 * GROUP }>();
    let (sets, last_sets) = sets.as_chunks_mut::<GROUP>();
    let last = first + (sets.len() * GROUP) as u64;
    let groups = a.0.iter().zip(b.0).zip(tables.iter().zip(sets));
    // SAFETY: an engine is chosen where the processor has the instructions.
    unsafe {
        for (group, ((a, b), (tables, sets))) in (0..).zip(groups) {
            evaluate_group(keys, first + group * GROUP as u64, ([a, b], offsets), tables, sets);
        }
    }
    if !last_sets.is_empty() {
        let mut rest = Rest::of([a.1, b.1], last_tables);
        let Rest { a, b, tables, sets } = &mut rest;
        // SAFETY: as above.
        unsafe { evaluate_group(keys, last, ([a, b], offsets), tables, sets) };
        last_sets.copy_from_slice(&sets[..last_sets.len()]);
    }
}

/// The gates behind the last whole group, filled up with others, which nobody has. All of it is wiped, the tables as well: those of
/// the others depend on Δ alone.
#[derive(Default)]
struct Rest {
    a: [Label; GROUP],
    b: [Label; GROUP],
    tables: [Label; 2 * GROUP],
    sets: [Label; GROUP],
}

impl Rest {
    fn of([a, b]: [&[Label]; 2], tables: &[Label]) -> Rest {
        let mut rest = Rest::default();
        rest.a[..a.len()].copy_from_slice(a);
        rest.b[..b.len()].copy_from_slice(b);
        rest.tables[..tables.len()].copy_from_slice(tables);
        rest
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        let Rest { a, b, tables, sets } = self;
        [a, b, sets].into_iter().for_each(Zeroize::zeroize);
        tables.zeroize();
    }
}

/// As `Engine::xor` has it.
pub(super) fn xor_all(a: &[Label], b: &[Label], sets: &mut [Label]) {
    // SAFETY: an engine is chosen where the processor has the instructions.
    unsafe { xor_registers(a, b, sets) }
}

#[target_feature(enable = "avx512f")]
fn xor_registers(a: &[Label], b: &[Label], sets: &mut [Label]) {
    let ((a, last_a), (b, last_b)) = (a.as_chunks::<4>(), b.as_chunks::<4>());
    let (sets, last_sets) = sets.as_chunks_mut::<4>();
    for ((a, b), sets) in a.iter().zip(b).zip(sets) {
        store(xor(loaded(a), loaded(b)), sets);
    }
    for ((&a, &b), set) in last_a.iter().zip(last_b).zip(last_sets) {
        *set = a ^ b;
    }
}

/// As `Engine::hash_alone` has it.
pub(super) fn hash_alone(keys: Keys, gates: u64, garbles: bool) -> Label {
    // SAFETY: an engine is chosen where the processor has the instructions.
    let sums = unsafe { sum_of_hashes(keys, gates.next_multiple_of(GROUP as u64), garbles) };
    sums.into_iter().fold(Label::default(), |sum, label| sum ^ label)
}

#[target_feature(enable = "avx512f,avx512bw,vaes")]
fn sum_of_hashes(keys: Keys, gates: u64, garbles: bool) -> [Label; 4] {
    let zeros = [spread(four(keys.0)); SIDE_BY_SIDE];
    let ones = [spread(four(keys.0 ^ Label([u64::MAX; 2]))); SIDE_BY_SIDE];
    let mut sum = _mm512_setzero_si512();
    for first in (0..gates).step_by(GROUP) {
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

/// The keys of gates from a number on: of four those of the first operands, then of the second ones, and so on.
#[inline]
#[target_feature(enable = "avx512f")]
fn keys_of(keys: Keys, first: u64) -> Row {
    let start = four(keys.0);
    let number = (2 * first) as i64;
    let places = _mm512_set_epi64(0, 6, 0, 4, 0, 2, 0, 0);
    let mut row = [start; SIDE_BY_SIDE];
    for (at, register) in row.iter_mut().enumerate() {
        let base = number.wrapping_add((8 * (at / 2) + at % 2) as i64);
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

/// The labels of a group's first operands and of its second ones, and what is added to them.
type Group<'a> = ([&'a [Label; GROUP]; 2], [Label; 2]);

/// The labels of a group, as they are hashed: four first ones, four second ones, and so on.
#[inline]
#[target_feature(enable = "avx512f")]
fn operands((labels, offsets): Group<'_>) -> Row {
    let offsets = [four(offsets[0]), four(offsets[1])];
    let mut row = [offsets[0]; SIDE_BY_SIDE];
    for (at, register) in row.iter_mut().enumerate() {
        let side = at % 2;
        *register = xor(loaded(&labels[side].as_chunks::<4>().0[at / 2]), offsets[side]);
    }
    row
}

#[target_feature(enable = "avx512f,avx512bw,vaes")]
fn garble_group(
    keys: Keys,
    first: u64,
    delta: Label,
    group: Group<'_>,
    tables: &mut [Label; 2 * GROUP],
    sets: &mut [Label; GROUP],
) {
    let delta = four(delta);
    let spread_delta = spread(delta);
    let labels = operands(group);
    let (mut zeros, mut ones) = (labels, labels);
    for (zero, one) in zeros.iter_mut().zip(&mut ones) {
        *zero = spread(*zero);
        *one = xor(*zero, spread_delta);
    }
    let [zero_ciphers, one_ciphers] = encrypt(keys_of(keys, first), [zeros, ones]);
    let tables = tables.as_chunks_mut::<8>().0;
    let sets = sets.as_chunks_mut::<4>().0;
    for (four, (tables, sets)) in tables.iter_mut().zip(sets).enumerate() {
        let (at_a, at_b) = (2 * four, 2 * four + 1);
        let (a, b) = (labels[at_a], labels[at_b]);
        // The sums of both hashes: the labels differ by Δ.
        let sum_a = xor3(zero_ciphers[at_a], one_ciphers[at_a], spread_delta);
        let sum_b = xor3(zero_ciphers[at_b], one_ciphers[at_b], spread_delta);
        let (colours_a, colours_b) = (colours(a), colours(b));
        let garblers = xor_and(sum_a, colours_b, delta);
        store_tables([garblers, xor(sum_b, a)], tables);
        let hashes = xor3(zero_ciphers[at_a], zero_ciphers[at_b], spread(xor(a, b)));
        store(xor_and(xor_and(hashes, garblers, colours_a), sum_b, colours_b), sets);
    }
}

#[target_feature(enable = "avx512f,avx512bw,vaes")]
fn evaluate_group(
    keys: Keys,
    first: u64,
    group: Group<'_>,
    tables: &[Label; 2 * GROUP],
    sets: &mut [Label; GROUP],
) {
    let labels = operands(group);
    let mut row = labels;
    for register in &mut row {
        *register = spread(*register);
    }
    let [ciphers] = encrypt(keys_of(keys, first), [row]);
    let sets = sets.as_chunks_mut::<4>().0;
    for (four, (tables, sets)) in tables.as_chunks::<8>().0.iter().zip(sets).enumerate() {
        let (at_a, at_b) = (2 * four, 2 * four + 1);
        let (a, b) = (labels[at_a], labels[at_b]);
        let [garblers, evaluators] = loaded_tables(tables);
        let hashes = xor3(ciphers[at_a], ciphers[at_b], spread(xor(a, b)));
        store(xor_and(xor_and(hashes, garblers, colours(a)), xor(evaluators, a), colours(b)), sets);
    }
}

/// Writes the tables of four gates: both of a gate, then those of the next.
#[inline]
#[target_feature(enable = "avx512f")]
fn store_tables([garblers, evaluators]: [__m512i; 2], tables: &mut [Label; 8]) {
    let (low, high) =
        (_mm512_set_epi64(11, 10, 3, 2, 9, 8, 1, 0), _mm512_set_epi64(15, 14, 7, 6, 13, 12, 5, 4));
    let [first, second] = tables.as_chunks_mut::<4>().0 else { unreachable!("eight are two fours") };
    store(_mm512_permutex2var_epi64(garblers, low, evaluators), first);
    store(_mm512_permutex2var_epi64(garblers, high, evaluators), second);
}

/// The tables of four gates: the garbler's, and the evaluator's.
#[inline]
#[target_feature(enable = "avx512f")]
fn loaded_tables(tables: &[Label; 8]) -> [__m512i; 2] {
    let (even, odd) =
        (_mm512_set_epi64(13, 12, 9, 8, 5, 4, 1, 0), _mm512_set_epi64(15, 14, 11, 10, 7, 6, 3, 2));
    let [first, second] = tables.as_chunks::<4>().0 else { unreachable!("eight are two fours") };
    let (first, second) = (loaded(first), loaded(second));
    [_mm512_permutex2var_epi64(first, even, second), _mm512_permutex2var_epi64(first, odd, second)]
}
