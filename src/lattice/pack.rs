//! Interleaving: many products with sparse results become one polynomial with dense ones.
//!
//! **Functionality.** Of r = 2^ρ ciphertexts whose results are their coefficients at multiples of h, scaled by 1/r modulo
//! Q, it makes one that has the results of product i at multiples of h plus i·h/r. **Steps.** Level by level, for the
//! shifts δ = h/2, h/4, …, h/r, a pair (f, g) becomes
//!
//! ```text
//! (f + X^δ·g) + σ(f − X^δ·g)      σ: X ↦ X^(N/δ + 1)
//! ```
//!
//! σ leaves multiples of 2δ and negates odd multiples of δ: f's coefficients stay at the former, g's come to the latter, all
//! doubled, and whatever stood between is gone. **Source.** H. Chen, W. Dai, M. Kim, Y. Song, "Efficient Homomorphic
//! Conversion Between (Ring) LWE Ciphertexts", ACNS 2021, section 3.3; as interleaving in Lu et al., "BumbleBee: Secure
//! Two-party Inference Framework for Large Transformers", NDSS 2025, section IV. **Noise.** The doublings meet the factor 1/r,
//! so noise of the products stays as it is; that of each key switch is doubled at every later level, at one coefficient
//! always of one of both partners: (r − 1) times a key switch's at most. **Key switches** decompose c_1 by the primes
//! themselves (J.-C. Bajard et al., SAC 2016, section 4.2), into digits of one or two primes, and use no special modulus.

use super::keys::{Keys, permutation, power};
use super::modulus::{Factor, Modulus};
use super::ntt::reverse;
use super::parameters::Parameters;
use super::poly::{Ciphertext, Pair, butterfly, inverse, multiply_add, to_montgomery};
use super::sample::public;
use super::simd::vectorised;
use crate::ring::prg::PrgKey;
use zeroize::Zeroizing;

/// What interleaving at one distance needs.
pub(super) struct Shift {
    /// Slot i of σ(f) is this slot of f.
    permutation: Vec<u32>,
    /// X^δ in slots, modulo every prime.
    monomial: Vec<Factor>,
    /// b and a of every digit, times 2^32.
    keys: Vec<[Vec<u32>; 2]>,
}

impl Shift {
    /// From the keys' entry for this shift, the `index`-th of them.
    pub fn new(keys: &Keys, index: usize, shift: usize) -> Shift {
        let parameters = &keys.parameters;
        let (degree, digits) = (parameters.degree(), parameters.digits());
        let seed = PrgKey::from_bytes(keys.seed);
        let key = |(digit, b): (usize, &Vec<u32>)| {
            let mut parts = [b.clone(), public(parameters, &seed, 1 + index * digits + digit)];
            parts.iter_mut().for_each(|part| to_montgomery(parameters, part));
            parts
        };
        let mut monomial = Vec::with_capacity(parameters.words());
        for transform in &parameters.transforms {
            let slot = |slot: usize| {
                let exponent = (2 * reverse(slot, degree.ilog2()) + 1) * shift % (2 * degree);
                transform.modulus.factor(transform.root_power(exponent))
            };
            monomial.extend((0..degree).map(slot));
        }
        Shift {
            permutation: permutation(degree, power(degree, shift)),
            monomial,
            keys: keys.galois[&shift].iter().enumerate().map(key).collect(),
        }
    }

    /// One level for one pair.
    pub fn merge(
        &self,
        parameters: &Parameters,
        mut even: Ciphertext,
        odd: Option<Ciphertext>,
    ) -> Ciphertext {
        let degree = parameters.degree();
        let difference = match odd {
            Some(mut odd) => {
                for (even, odd) in even.parts.iter_mut().zip(&mut odd.parts) {
                    let slots = even.chunks_exact_mut(degree).zip(odd.chunks_exact_mut(degree));
                    let tables = parameters.transforms.iter().zip(self.monomial.chunks_exact(degree));
                    for ((even, odd), (transform, monomial)) in slots.zip(tables) {
                        butterfly(&transform.modulus, even, odd, monomial);
                    }
                }
                odd
            }
            None => even.clone(),
        };
        let image = |part: &[u32]| -> Zeroizing<Vec<u32>> {
            let residues = part.chunks_exact(degree);
            let slots = residues.flat_map(|part| self.permutation.iter().map(|&slot| part[slot as usize]));
            Zeroizing::new(slots.collect())
        };
        let first = image(&difference.parts[0]);
        super::poly::each(parameters, &mut even.parts[0], &first, |transform, to, from| {
            super::poly::add(&transform.modulus, to, from);
        });
        self.switch(parameters, &image(&difference.parts[1]), &mut even);
        even
    }

    /// Adds to a ciphertext under s what `part`·σ(s) is under s; `part` in slots.
    fn switch(&self, parameters: &Parameters, part: &[u32], to: &mut Ciphertext) {
        let degree = parameters.degree();
        let mut coefficients = Zeroizing::new(part.to_vec());
        inverse(parameters, &mut coefficients);
        let digits: Vec<Digit<'_>> = (0..parameters.digits())
            .map(|digit| Digit::new(parameters, &coefficients, digit * parameters.digit_primes))
            .collect();
        let mut lifted = vec![Zeroizing::new(vec![0; degree]); digits.len()];
        let [first, second] = &mut to.parts;
        let outputs = first.chunks_exact_mut(degree).zip(second.chunks_exact_mut(degree));
        for (index, ((first, second), transform)) in outputs.zip(&parameters.transforms).enumerate() {
            let residues = index * degree..(index + 1) * degree;
            for (digit, lifted) in digits.iter().zip(&mut lifted) {
                if digit.primes.contains(&index) {
                    lifted.copy_from_slice(&part[residues.clone()]);
                } else {
                    digit.lift(&transform.modulus, lifted);
                    transform.forward(lifted);
                }
            }
            let pairs: Vec<Pair<'_>> = self
                .keys
                .iter()
                .zip(&lifted)
                .map(|(keys, lifted)| (keys.each_ref().map(|key| &key[residues.clone()]), &lifted[..]))
                .collect();
            multiply_add(&transform.modulus, [first, second], &pairs);
        }
    }
}

/// A number below the product of a digit's primes, or between halves of it: x_1 + p_1·(y − h), where y − h is what x_2 adds.
struct Digit<'a> {
    primes: std::ops::Range<usize>,
    /// x modulo the first prime.
    low: &'a [u32],
    /// y modulo the second prime, if there is one, p_1, and h.
    high: Option<(Zeroizing<Vec<u32>>, u32, u32)>,
}

impl<'a> Digit<'a> {
    fn new(parameters: &Parameters, coefficients: &'a [u32], first: usize) -> Digit<'a> {
        let degree = parameters.degree();
        let of = |prime: usize| &coefficients[prime * degree..(prime + 1) * degree];
        let end = (first + parameters.digit_primes).min(parameters.transforms.len());
        let low = of(first);
        let high = (end - first == 2).then(|| {
            let [one, two] = [first, first + 1].map(|prime| parameters.transforms[prime].modulus);
            let half = two.value / 2;
            let mut high = Zeroizing::new(vec![0; degree]);
            let inverse = two.factor(two.invert(two.word(one.value.into())));
            quotients(&two, inverse, half, low, of(first + 1), &mut high);
            (high, one.value, half)
        });
        Digit { primes: first..end, low, high }
    }

    /// The digit modulo another prime, below 4·p.
    fn lift(&self, modulus: &Modulus, to: &mut [u32]) {
        let Some((high, one, half)) = &self.high else {
            return to.copy_from_slice(self.low);
        };
        let one = modulus.word((*one).into());
        let less = modulus.mul(one, modulus.factor(modulus.word((*half).into())));
        lift(modulus, modulus.factor(one), modulus.value - less, self.low, high, to);
    }
}

vectorised! {
    /// (x_2 − x_1)/p_1 + h modulo p_2.
    fn quotients(modulus: &Modulus, inverse: Factor, half: u32, low: &[u32], high: &[u32], to: &mut [u32]) {
        for ((to, &low), &high) in to.iter_mut().zip(low).zip(high) {
            // Primes of one set differ by less than their size: one step reduces.
            let difference = modulus.sub(high, super::modulus::less(low, modulus.value));
            *to = modulus.add(modulus.mul(difference, inverse), half);
        }
    }

    /// x_1 + p_1·y − p_1·h, below 4·p.
    fn lift(modulus: &Modulus, one: Factor, offset: u32, low: &[u32], high: &[u32], to: &mut [u32]) {
        for ((to, &low), &high) in to.iter_mut().zip(low).zip(high) {
            *to = low + modulus.mul(high, one) + offset;
        }
    }
}
