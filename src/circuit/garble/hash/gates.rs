//! Half gates over any cipher that encrypts under four keys at a time: two gates.

use super::{Keys, Operands, spread};
use crate::circuit::garble::label::Label;

/// AES-128 under four keys.
pub(super) trait Cipher {
    /// Encrypts several rows of blocks, each under its own of the keys.
    fn encrypt<const R: usize>(keys: [Label; 4], rows: [[Label; 4]; R]) -> [[Label; 4]; R];
}

/// The hash of rows of labels under the keys from a number on.
#[inline(always)]
fn hash_rows<C: Cipher, const R: usize>(keys: Keys, tweak: u64, rows: [[Label; 4]; R]) -> [[Label; 4]; R] {
    let spread = rows.map(|row| row.map(spread));
    let mut hashes = C::encrypt([0, 1, 2, 3].map(|at| keys.key(tweak.wrapping_add(at))), spread);
    for (row, spread) in hashes.iter_mut().zip(spread) {
        row.iter_mut().zip(spread).for_each(|(hash, spread)| *hash ^= spread);
    }
    hashes
}

/// As `Engine::hash` has it.
pub(super) fn hash<C: Cipher, const N: usize>(keys: Keys, first: u64, labels: &mut [[Label; N]]) {
    for (tweak, labels) in (first..).step_by(4).zip(labels.chunks_mut(4)) {
        let mut rows = [[Label::default(); 4]; N];
        for (at, labels) in labels.iter().enumerate() {
            rows.iter_mut().zip(labels).for_each(|(row, &label)| row[at] = label);
        }
        let hashes = hash_rows::<C, N>(keys, tweak, rows);
        for (at, labels) in labels.iter_mut().enumerate() {
            labels.iter_mut().zip(&hashes).for_each(|(label, row)| *label = row[at]);
        }
    }
}

impl Operands<'_> {
    /// The labels of two gates: both of the one, then both of the other, which are zero where there is none.
    #[inline(always)]
    fn pair(&self, gate: usize) -> [Label; 4] {
        let label = |gate: usize, side: usize| match self.labels[side].get(gate) {
            Some(&label) => label ^ self.offsets[side],
            None => Label::default(),
        };
        [label(gate, 0), label(gate, 1), label(gate + 1, 0), label(gate + 1, 1)]
    }
}

/// As `Engine::garble` has it.
pub(super) fn garble<C: Cipher>(
    keys: Keys,
    first: u64,
    delta: Label,
    operands: Operands<'_>,
    tables: &mut [Label],
    sets: &mut [Label],
) {
    for (pair, (tables, sets)) in tables.chunks_mut(4).zip(sets.chunks_mut(2)).enumerate() {
        let zeros = operands.pair(2 * pair);
        let ones = zeros.map(|zero| zero ^ delta);
        let [zero_hashes, one_hashes] = hash_rows::<C, 2>(keys, 2 * first + 4 * pair as u64, [zeros, ones]);
        for (gate, set) in sets.iter_mut().enumerate() {
            let (a, b) = (2 * gate, 2 * gate + 1);
            let garblers = zero_hashes[a] ^ one_hashes[a] ^ delta.where_bit(zeros[b].colour());
            let evaluators = zero_hashes[b] ^ one_hashes[b] ^ zeros[a];
            tables[a] = garblers;
            tables[b] = evaluators;
            let first_half = zero_hashes[a] ^ garblers.where_bit(zeros[a].colour());
            let second_half = zero_hashes[b] ^ (evaluators ^ zeros[a]).where_bit(zeros[b].colour());
            *set = first_half ^ second_half;
        }
    }
}

/// As `Engine::evaluate` has it.
pub(super) fn evaluate<C: Cipher>(
    keys: Keys,
    first: u64,
    operands: Operands<'_>,
    tables: &[Label],
    sets: &mut [Label],
) {
    for (pair, (tables, sets)) in tables.chunks(4).zip(sets.chunks_mut(2)).enumerate() {
        let labels = operands.pair(2 * pair);
        let [hashes] = hash_rows::<C, 1>(keys, 2 * first + 4 * pair as u64, [labels]);
        for (gate, set) in sets.iter_mut().enumerate() {
            let (a, b) = (2 * gate, 2 * gate + 1);
            let first_half = hashes[a] ^ tables[a].where_bit(labels[a].colour());
            let second_half = hashes[b] ^ (tables[b] ^ labels[a]).where_bit(labels[b].colour());
            *set = first_half ^ second_half;
        }
    }
}

/// As `Engine::hash_alone` has it: the labels are the start, and it inverted.
pub(super) fn hash_alone<C: Cipher>(keys: Keys, gates: u64, garbles: bool) -> Label {
    let rows = [keys.0, keys.0 ^ Label([u64::MAX; 2])].map(|label| [label; 4]);
    let mut sum = Label::default();
    let mut add = |hashes: &[[Label; 4]]| hashes.as_flattened().iter().for_each(|&hash| sum ^= hash);
    for tweak in (0..2 * gates).step_by(4) {
        match garbles {
            true => add(&hash_rows::<C, 2>(keys, tweak, rows)),
            false => add(&hash_rows::<C, 1>(keys, tweak, [rows[0]])),
        }
    }
    sum
}
