//! Answers: ciphertexts whose modulus is switched to a power of two, and their decryption.
//!
//! **Functionality.** From c modulo Q to ⌊2^h·c/Q⌉ modulo 2^h, for c_0 and c_1 with an h each
//! ([`super::parameters::answer_bits`]); of c_0 only the coefficients that are results. **Why.** The noise is flooded before,
//! modulo Q; rounding a flooded ciphertext is a public function of it and tells no more. What is rounded costs an eighth of
//! Q/t at most, for any ternary secret. **Exactness.** c/Q is the fraction of Σ y_i/p_i, where y_i = c·(Q/p_i)^−1 modulo
//! p_i (the Chinese remainders in fractions): summed with 128 bits it is off by less than 2^−94, which counts as noise of
//! 2^(k−94) units. **Decryption.** c_1·s is an integer of less than N·2^h, found exactly modulo a few primes.
//! **Source.** Z. Brakerski, V. Vaikuntanathan, "Efficient Fully Homomorphic Encryption from (Standard) LWE", FOCS 2011,
//! section 4.2 (modulus reduction).

use super::layout::answer_primes;
use super::modulus::Factor;
use super::parameters::{Parameters, answer_bits};
use super::poly::inverse;
use super::sample::Secret;
use zeroize::Zeroizing;

/// Coefficients of one answer.
#[derive(Clone)]
pub(super) struct Switched {
    /// Of c_0, at the places of results only.
    pub first: Vec<u128>,
    /// Of c_1.
    pub second: Vec<u128>,
}

/// The constants of switching.
pub(super) struct Switch {
    /// (Q/p_i)^−1 modulo p_i, and ⌊2^128/p_i⌋.
    primes: Vec<(Factor, u128)>,
    bits: (u32, u32),
}

impl Switch {
    /// For plaintexts of so many bits.
    pub fn new(parameters: &Parameters, plaintext_bits: u32) -> Switch {
        let values: Vec<u32> =
            parameters.transforms.iter().map(|transform| transform.modulus.value).collect();
        let constant = |index: usize| {
            let modulus = parameters.transforms[index].modulus;
            let others = values.iter().enumerate().filter(|&(other, _)| other != index);
            let product = others.fold(1, |product, (_, &value)| {
                modulus.mul(product, modulus.factor(modulus.word(value.into())))
            });
            (modulus.factor(modulus.invert(product)), u128::MAX / u128::from(modulus.value))
        };
        Switch {
            primes: (0..values.len()).map(constant).collect(),
            bits: answer_bits(plaintext_bits, parameters.degree()),
        }
    }

    /// Both parts in coefficients, c_0 at these places.
    pub fn run(
        &self,
        parameters: &Parameters,
        parts: [&[u32]; 2],
        places: impl Iterator<Item = usize>,
    ) -> Switched {
        let all = 0..parameters.degree();
        Switched {
            first: places.map(|at| self.rounded(parameters, parts[0], at, self.bits.0)).collect(),
            second: all.map(|at| self.rounded(parameters, parts[1], at, self.bits.1)).collect(),
        }
    }

    #[inline]
    fn rounded(&self, parameters: &Parameters, part: &[u32], at: usize, bits: u32) -> u128 {
        let mut fraction = 1u128 << (127 - bits);
        let residues = part.iter().skip(at).step_by(parameters.degree());
        for ((transform, &residue), &(inverse, reciprocal)) in
            parameters.transforms.iter().zip(residues).zip(&self.primes)
        {
            let quotient = transform.modulus.mul(residue, inverse);
            fraction = fraction.wrapping_add(u128::from(quotient).wrapping_mul(reciprocal));
        }
        fraction >> (128 - bits)
    }
}

/// The constants of opening answers.
pub(super) struct Opening {
    /// Those of the primes in use: (P/p_i)^−1 modulo p_i, P/p_i, and ⌊2^60/p_i⌋.
    primes: Vec<(u32, u128, u64)>,
    product: u128,
    bits: (u32, u32),
}

/// Bits after the point of a sum of fractions, which the nearest integer is looked for of.
const FRACTION_BITS: u32 = 60;

impl Opening {
    /// For plaintexts of so many bits.
    pub fn new(parameters: &Parameters, plaintext_bits: u32) -> Opening {
        let used = &parameters.transforms[..answer_primes(parameters)];
        let product: u128 = used.iter().map(|transform| u128::from(transform.modulus.value)).product();
        let constant = |transform: &super::ntt::Transform| {
            let modulus = transform.modulus;
            let others = product / u128::from(modulus.value);
            let inverse = modulus.invert(modulus.word(others));
            (inverse, others, (1u64 << FRACTION_BITS) / u64::from(modulus.value))
        };
        let bits = answer_bits(plaintext_bits, parameters.degree());
        Opening { primes: used.iter().map(constant).collect(), product, bits }
    }

    /// c_0 + c_1·s at the places of c_0's coefficients, as fractions of the answer's modulus: of 2^128. `secret` in slots,
    /// times 2^32.
    pub fn phases(
        &self,
        parameters: &Parameters,
        secret: &[u32],
        answer: &Switched,
        places: impl Iterator<Item = usize>,
    ) -> Secret<u128> {
        let degree = parameters.degree();
        let mut residues: Vec<Secret<u32>> = Vec::with_capacity(self.primes.len());
        let used = parameters.transforms.iter().zip(&self.primes).zip(secret.chunks_exact(degree));
        for ((transform, &(inverse, ..)), secret) in used {
            let modulus = &transform.modulus;
            // A number of three 32-bit words, each times a power of 2^32, which one reduction takes away again.
            let weights = [32, 64, 96].map(|bits| u64::from(modulus.word(1 << bits)));
            let residue = |&number: &u128| {
                let word = |index: usize| (number >> (32 * index)) as u64 & 0xffff_ffff;
                let sum: u64 = weights.iter().enumerate().map(|(index, weight)| word(index) * weight).sum();
                modulus.montgomery(sum)
            };
            let mut slots: Secret<u32> = Zeroizing::new(answer.second.iter().map(residue).collect());
            transform.forward(&mut slots);
            let mut product = Zeroizing::new(vec![0; degree]);
            super::poly::add_product(modulus, &mut product, &slots, secret);
            transform.inverse_scaled(&mut product, inverse);
            residues.push(product);
        }
        let phase = |(at, &first): (usize, &u128)| {
            let (mut sum, mut fraction) = (0u128, 1u64 << (FRACTION_BITS - 1));
            for (residues, &(_, others, reciprocal)) in residues.iter().zip(&self.primes) {
                sum = sum.wrapping_add(u128::from(residues[at]).wrapping_mul(others));
                fraction += u64::from(residues[at]) * reciprocal;
            }
            let wholes = u128::from(fraction >> FRACTION_BITS);
            let second = sum.wrapping_sub(wholes.wrapping_mul(self.product));
            (first << (128 - self.bits.0)).wrapping_add(second << (128 - self.bits.1))
        };
        Zeroizing::new(places.zip(&answer.first).map(phase).collect())
    }
}

/// phase·t/2^128 for `modulus` = t ≤ 2^64: 64 bits before the point and 64 behind it.
#[inline]
fn scaled(phase: u128, modulus: u128) -> u128 {
    let (high, low) = (phase >> 64, phase & u128::from(u64::MAX));
    high.wrapping_mul(modulus).wrapping_add((low * modulus) >> 64)
}

/// The message that a phase is nearest to, of `modulus` = t ≤ 2^64.
#[inline]
pub(super) fn nearest(phase: u128, modulus: u128) -> u64 {
    let whole = (scaled(phase, modulus).wrapping_add(1 << 63) >> 64) as u64;
    // t itself is 0.
    let most = modulus as u64;
    whole.min(whole.wrapping_sub(most))
}

/// The distance from the nearest message in units of Q/t. The evaluator knows its flood and roundings, so each such number
/// is a linear equation in the secret key for it: it exists in tests alone.
#[cfg(test)]
pub(super) fn distance(phase: u128, modulus: u128) -> f64 {
    (scaled(phase, modulus) as u64 as i64).unsigned_abs() as f64 / 64f64.exp2()
}

/// Both parts in coefficients.
pub(super) fn to_coefficients(parameters: &Parameters, parts: &mut [Vec<u32>; 2]) {
    parts.iter_mut().for_each(|part| inverse(parameters, part));
}
