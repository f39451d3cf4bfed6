//! The hash of labels: AES under a key of each half gate's own.
//!
//! H(x, j) = AES-128 under the key s ⊕ j of σ(x), ⊕ σ(x), with σ(xL ‖ xR) = (xL ⊕ xR) ‖ xL, which is linear and, as σ(x) ⊕ x is too,
//! a permutation. This is the hash of C. Guo, J. Katz, X. Wang, C. Weng, Y. Yu, "Better Concrete Security for Half-Gates
//! Garbling (in the Multi-Instance Setting)", CRYPTO 2020, ePrint 2019/1168, Sections 4 and 5. Labels hashed under one fixed
//! key, as was usual before, lose bits with every gate and every run (Section 3 there has the attack).
//!
//! # No key twice
//! s has 128 bits and is drawn in every run. In a run of N AND gates over all evaluations, gate g hashes its first operand
//! under j = 2g and its second under 2g + 1, and the outputs that the evaluator learns under 2N, 2N + 1 and so on. j is a 64-bit
//! number that never comes back in a run. Over runs, keys coincide by chance alone.
//!
//! # The bound
//! Where AES is an ideal cipher, H is circular correlation robust for naturally derived keys in many instances: whoever makes
//! p calls of the cipher and sees q hashes, of which at most μ are under one key, tells the labels it does not have from random ones
//! with an advantage of at most
//!
//! ```text
//! 2·μ·p / 2^127 + (μ − 1)·q / 2^127
//! ```
//!
//! (Section 5 there, for Δ with 127 random bits.) The reason: a call under a key tells something only where it meets one of the
//! at most μ hashes under that key, forwards at σ(x ⊕ Δ), backwards at a value that Δ shifts by σ(Δ) or by σ(Δ) ⊕ Δ; each
//! is a guess of Δ. A key that is drawn at random serves μ + 1 of Q half gates over all runs with a probability of at most
//! Q^(μ+1) / ((μ + 1)! · 2^(128·μ)): with Q = 2^64 half gates garbled anywhere, μ ≤ 2 except with probability 2^−66, and μ ≤ 3
//! except with 2^−132. So an attack takes about 2^125 calls of AES, however much is garbled.
//!
//! # On processors
//! A key schedule costs more than the blocks that it encrypts. All of [`Engine`] make it by the instruction for the last round, which
//! substitutes the bytes of a word that is spread over the four columns, for several keys side by side. They compute the same;
//! the portable one is the crate `aes`, which takes no time that depends on secrets either.

#[cfg(target_arch = "x86_64")]
mod aes_ni;
mod gates;
mod portable;
#[cfg(target_arch = "x86_64")]
mod vaes;

use super::label::Label;
use portable::Portable;
use std::fmt;
use std::sync::OnceLock;

#[cfg(target_arch = "x86_64")]
use aes_ni::AesNi;

/// Where a run's keys start: no secret, but drawn at random.
#[derive(Clone, Copy)]
pub struct Keys(Label);

impl Keys {
    /// The keys from a start on.
    pub fn new(start: Label) -> Keys {
        Keys(start)
    }

    /// The key with this number.
    #[inline(always)]
    fn key(self, number: u64) -> Label {
        Label([self.0.0[0] ^ number, self.0.0[1]])
    }
}

/// σ(x).
#[inline(always)]
fn spread(Label([low, high]): Label) -> Label {
    Label([high, low ^ high])
}

/// The labels of AND gates' operands.
#[derive(Clone, Copy)]
pub(super) struct Operands<'a> {
    /// Of the first operands, and of the second ones: one for each gate.
    pub labels: [&'a [Label]; 2],
    /// To be added to all first ones, and to all second ones.
    pub offsets: [Label; 2],
}

impl Operands<'_> {
    fn check(&self, tables: usize, sets: usize) {
        let [a, b] = self.labels.map(<[Label]>::len);
        assert!(a == sets && b == sets && tables == 2 * sets, "two labels and two tables a gate");
    }
}

/// Gates of which an engine takes as many at a time, or so many of several times.
pub(super) const GROUP: usize = 8;

/// How AES is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Four blocks to a register of 512 bits: VAES and AVX-512.
    Vaes,
    /// One block to a register of 128 bits: AES-NI.
    AesNi,
    /// The crate `aes`: what the processor has, or bit-sliced.
    Portable,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Engine::Vaes => "VAES",
            Engine::AesNi => "AES-NI",
            Engine::Portable => "portable",
        })
    }
}

impl Engine {
    /// Those of this processor, the fastest first.
    pub fn all() -> &'static [Engine] {
        static ALL: OnceLock<Vec<Engine>> = OnceLock::new();
        ALL.get_or_init(|| {
            [Engine::Vaes, Engine::AesNi, Engine::Portable]
                .into_iter()
                .filter(|engine| engine.is_there())
                .collect()
        })
    }

    /// The fastest of this processor.
    pub fn best() -> Engine {
        Engine::all()[0]
    }

    fn is_there(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Engine::Vaes => vaes::is_there(),
            #[cfg(target_arch = "x86_64")]
            Engine::AesNi => aes_ni::is_there(),
            #[cfg(not(target_arch = "x86_64"))]
            Engine::Vaes | Engine::AesNi => false,
            Engine::Portable => true,
        }
    }

    /// Replaces labels by their hashes under the keys from number `first` on: N labels under each.
    pub(super) fn hash<const N: usize>(self, keys: &Keys, first: u64, labels: &mut [[Label; N]]) {
        match self {
            // Keys of four labels side by side are enough for both.
            #[cfg(target_arch = "x86_64")]
            Engine::Vaes | Engine::AesNi => gates::hash::<AesNi, N>(*keys, first, labels),
            _ => gates::hash::<Portable, N>(*keys, first, labels),
        }
    }

    /// Garbles AND gates from number `first` on, of whose operands it gets the labels that stand for 0: of each gate its two tables,
    /// and its own label that stands for 0.
    pub(super) fn garble(
        self,
        keys: &Keys,
        first: u64,
        delta: Label,
        operands: Operands<'_>,
        tables: &mut [Label],
        sets: &mut [Label],
    ) {
        operands.check(tables.len(), sets.len());
        match self {
            #[cfg(target_arch = "x86_64")]
            Engine::Vaes => vaes::garble(*keys, first, delta, operands, tables, sets),
            #[cfg(target_arch = "x86_64")]
            Engine::AesNi => gates::garble::<AesNi>(*keys, first, delta, operands, tables, sets),
            _ => gates::garble::<Portable>(*keys, first, delta, operands, tables, sets),
        }
    }

    /// Evaluates AND gates from number `first` on, of whose operands it gets the labels: of each gate its own label, by its tables.
    pub(super) fn evaluate(
        self,
        keys: &Keys,
        first: u64,
        operands: Operands<'_>,
        tables: &[Label],
        sets: &mut [Label],
    ) {
        operands.check(tables.len(), sets.len());
        match self {
            #[cfg(target_arch = "x86_64")]
            Engine::Vaes => vaes::evaluate(*keys, first, operands, tables, sets),
            #[cfg(target_arch = "x86_64")]
            Engine::AesNi => gates::evaluate::<AesNi>(*keys, first, operands, tables, sets),
            _ => gates::evaluate::<Portable>(*keys, first, operands, tables, sets),
        }
    }

    /// Sets labels to the sums of two each.
    pub(super) fn xor(self, reads: [&[Label]; 2], sets: &mut [Label]) {
        let [a, b] = reads;
        assert!(a.len() == sets.len() && b.len() == sets.len(), "two labels a gate");
        match self {
            #[cfg(target_arch = "x86_64")]
            Engine::Vaes => vaes::xor_all(a, b, sets),
            _ => sets.iter_mut().zip(a.iter().zip(b)).for_each(|(set, (&a, &b))| *set = a ^ b),
        }
    }

    /// The hashing of so many AND gates and nothing else, for measurements: two key schedules for each, and under both keys
    /// as many labels as a garbler hashes (two) or an evaluator (one). Returns the sum of all.
    pub fn hash_alone(self, start: Label, gates: u64, garbles: bool) -> Label {
        match self {
            #[cfg(target_arch = "x86_64")]
            Engine::Vaes => vaes::hash_alone(Keys(start), gates, garbles),
            #[cfg(target_arch = "x86_64")]
            Engine::AesNi => gates::hash_alone::<AesNi>(Keys(start), gates, garbles),
            _ => gates::hash_alone::<Portable>(Keys(start), gates, garbles),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::circuit::primitives;

    fn numbers(count: usize, seed: u64) -> Vec<Label> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state ^ state >> 31
        };
        (0..count).map(|_| Label([next(), next()])).collect()
    }

    fn bytes(labels: &[Label]) -> Vec<[u8; 16]> {
        labels.iter().map(|label| label.to_bytes()).collect()
    }

    /// AES as the circuit has it, which published vectors hold.
    #[test]
    fn the_hash_is_that_stated() {
        let circuit = primitives::aes128();
        let [start, label] = [numbers(1, 1)[0], numbers(1, 2)[0]];
        let tweak = 0x0123_4567_89ab_cdef;
        let key = start ^ Label([tweak, 0]);
        let (left, right) = (label.0[1], label.0[0]);
        let spread = Label([left, left ^ right]);
        let inputs = [key, spread].map(Label::to_bytes).concat();
        let bits: Vec<bool> =
            inputs.iter().flat_map(|byte| (0..8).map(move |at| byte >> at & 1 != 0)).collect();
        let found = circuit.evaluate(&bits);
        let encrypted =
            found.chunks(8).map(|byte| byte.iter().rev().fold(0, |all, &bit| all << 1 | u8::from(bit)));
        let encrypted: Vec<u8> = encrypted.collect();
        let expected = Label::from_bytes(encrypted.try_into().expect("16 bytes")) ^ spread;
        for engine in Engine::all() {
            // The number is that of the last, alone in its group.
            let mut labels = [numbers(1, 9)[0]; 5].map(|other| [other, label]);
            engine.hash(&Keys::new(start), tweak - 4, &mut labels);
            assert_eq!(labels[4][1].to_bytes(), expected.to_bytes(), "by {engine}");
        }
    }

    #[test]
    fn every_engine_garbles_and_evaluates_the_same() {
        let keys = Keys::new(numbers(1, 3)[0]);
        let delta = numbers(1, 4)[0].with_colour();
        for gates in [1usize, 2, 3, 7, 8, 9, 31, 64, 65] {
            let reads = numbers(2 * gates, gates as u64);
            let (a, b) = reads.split_at(gates);
            let offsets = [Label::default(), delta];
            let first = u64::MAX / 4 - gates as u64;
            let of = |engine: Engine| {
                let mut tables = numbers(2 * gates, 5);
                let (mut sets, mut found) = (numbers(gates, 6), numbers(gates, 7));
                engine.garble(
                    &keys,
                    first,
                    delta,
                    Operands { labels: [a, b], offsets },
                    &mut tables,
                    &mut sets,
                );
                // The evaluator has the label of 1 of some operands; the second ones are inverted.
                let bit = |at: usize| (at / 3 % 2) as u8;
                let active: Vec<Label> =
                    reads.iter().enumerate().map(|(at, &zero)| zero ^ delta.where_bit(bit(at))).collect();
                let (first_active, second_active) = active.split_at(gates);
                let active =
                    Operands { labels: [first_active, second_active], offsets: [Label::default(); 2] };
                engine.evaluate(&keys, first, active, &tables, &mut found);
                for (gate, (&zero, &label)) in sets.iter().zip(&found).enumerate() {
                    let (a, b) = (bit(gate), 1 ^ bit(gates + gate));
                    assert_eq!(
                        (zero ^ delta.where_bit(a & b)).to_bytes(),
                        label.to_bytes(),
                        "gate {gate} by {engine}"
                    );
                }
                (bytes(&tables), bytes(&sets))
            };
            let expected = of(Engine::Portable);
            for &engine in Engine::all() {
                assert!(of(engine) == expected, "{gates} gates by {engine}");
            }
        }
    }

    #[test]
    fn measured_loops_hash_what_they_say() {
        let start = numbers(1, 8)[0];
        for garbles in [false, true] {
            let expected = Engine::Portable.hash_alone(start, 64, garbles).to_bytes();
            for &engine in Engine::all() {
                assert_eq!(engine.hash_alone(start, 64, garbles).to_bytes(), expected, "{engine}");
            }
        }
    }
}
