//! Parameters of the scheme, their security and their noise.
//!
//! | ring | degree N | log2 Q | primes | digits | flood F |
//! |---|---|---|---|---|---|
//! | Z_2^64 | 8192 | 210 | 7 of 30 bits | of two primes | 2^143 |
//! | Z_2^32 | 8192 | 150 | 5 of 30 bits | of one prime | 2^115 |
//!
//! **Security.** 128 bits against classical attacks: with uniform ternary secrets and errors of standard deviation 3.19,
//! N = 8192 takes log2 Q ≤ 218 by the Homomorphic Encryption Standard (M. Albrecht et al., 2018, table 1) and ≤ 214 by
//! its successor, made with the lattice estimator (J.-P. Bossuat et al., "Security Guidelines for Implementing Homomorphic
//! Encryption", IACR Communications in Cryptology 1(4), 2025, eprint 2024/463, table 5.2). A test holds every set against
//! the stricter one. Against quantum attacks 128 bits take a smaller Q: at most 2^203 at N = 8192, by what the guidelines' authors
//! computed for them. The set of Z_2^32 is well below that, and the set of Z_2^64, which vectors of either ring take as well,
//! is **not** below it. A link whose key exchange withstands quantum attacks does not mend that, since the peer has the
//! ciphertexts. Galois keys are encryptions under the same Q: there is no larger special modulus. Errors are centred
//! binomial, of 42 coins: standard deviation √10.5 = 3.24, at most 21 (as Microsoft SEAL draws them).
//!
//! **Noise.** c_0 + c_1·s = Q/t·m + e, with t = 2^k. All bounds are worst cases, so that no result is ever wrong:
//!
//! - a product with `terms` elements of the plain factor: terms · 2^(k−1) · (21 + ½), the ½ from the scaling's rounding;
//! - interleaving r products (`pack`): (r − 1) · 21 · N · Σ over digits of the largest digit;
//! - the encryption of zero that makes an answer's c_1 fresh: 2·21·N, and ½ for the rounding of a scaled mask;
//! - the flood: F.
//!
//! **Circuit privacy.** F uniform on −F..F moves by at most B/2F in statistical distance where noise of at most B is
//! added. [`Parameters::privacy_bits`] is −log2 of that, summed over every result of a product, and must be at least
//! [`PRIVACY_BITS`]: so F is at least 2^39 times the number of coefficients above the worst-case noise.
//!
//! **Decryption** is right where the noise, the flood and the roundings of the answer together stay below half of Q/t
//! ([`Parameters::error_share`], in units of Q/t, below ½).

use super::modulus::Modulus;
use super::ntt::Transform;
use crate::ring::Ring;
use std::sync::Arc;

/// −log2 of the statistical distance that all answers of one product have to simulated ones, at least. Distances add up over
/// the products of a job: 2^j of them have 40 − j at worst, and [`super::Cost::privacy_bits`] says what each has.
pub const PRIVACY_BITS: f64 = 40.0;

/// The largest error of a fresh encryption: half of its coins.
pub(super) const LARGEST_ERROR: u32 = 21;

/// One row of the table above.
struct Set {
    ring: Ring,
    primes: &'static [u32],
    digit_primes: usize,
    flood_bits: u32,
}

/// log2 of the degree.
const DEGREE_BITS: u32 = 13;

/// All primes are 1 modulo 2^14. Those behind the first seven are for vectors ([`super::vector`]).
const PRIMES: [u32; 15] = [
    0x3fff_4001,
    0x3ffe_8001,
    0x3ffc_0001,
    0x3ffb_4001,
    0x3ff9_4001,
    0x3ff8_4001,
    0x3ff7_8001,
    0x3ff6_c001,
    0x3ff5_8001,
    0x3ff2_8001,
    0x3fee_c001,
    0x3fed_0001,
    0x3fe8_c001,
    0x3fdf_c001,
    0x3fde_c001,
];

const SETS: [Set; 2] = [
    Set { ring: Ring::Z64, primes: PRIMES.split_at(7).0, digit_primes: 2, flood_bits: 143 },
    Set { ring: Ring::Z32, primes: PRIMES.split_at(5).0, digit_primes: 1, flood_bits: 115 },
];

/// The scheme for one ring: its degree, its moduli, and their transforms.
#[derive(Debug)]
pub struct Parameters {
    ring: Ring,
    degree: usize,
    pub(super) transforms: Vec<Transform>,
    /// Primes of one digit of a key switch.
    pub(super) digit_primes: usize,
    /// log2 F.
    pub(super) flood_bits: u32,
}

impl Parameters {
    /// The parameters for a ring, with their tables: some milliseconds' work, done once.
    pub fn new(ring: Ring) -> Arc<Parameters> {
        Parameters::of_degree(ring, 1 << DEGREE_BITS)
    }

    /// The same in a small degree, at which nothing is hidden: for tests.
    #[cfg(any(test, feature = "testing"))]
    pub fn insecure(ring: Ring, degree: usize) -> Arc<Parameters> {
        Parameters::of_degree(ring, degree)
    }

    fn of_degree(ring: Ring, degree: usize) -> Arc<Parameters> {
        let set = SETS.iter().find(|set| set.ring == ring).expect("a set for every ring");
        let transform = |&prime: &u32| Transform::new(Modulus::new(prime), degree);
        Arc::new(Parameters {
            ring,
            degree,
            transforms: set.primes.iter().map(transform).collect(),
            digit_primes: set.digit_primes,
            flood_bits: set.flood_bits,
        })
    }

    /// The ring of the plaintexts.
    pub fn ring(&self) -> Ring {
        self.ring
    }

    /// N: coefficients of a polynomial.
    pub fn degree(&self) -> usize {
        self.degree
    }

    /// log2 Q.
    pub fn modulus_bits(&self) -> f64 {
        self.transforms.iter().map(|transform| f64::from(transform.modulus.value).log2()).sum()
    }

    /// Bits of one coefficient modulo Q on the wire.
    pub(super) fn coefficient_bits(&self) -> usize {
        self.transforms.iter().map(|transform| bits_of(transform.modulus.value)).sum()
    }

    /// Words of one polynomial in memory.
    pub(super) fn words(&self) -> usize {
        self.transforms.len() * self.degree
    }

    /// Bytes of one polynomial modulo Q on the wire.
    pub fn polynomial_bytes(&self) -> usize {
        (self.degree * self.coefficient_bits()).div_ceil(8)
    }

    /// Digits of a key switch.
    pub fn digits(&self) -> usize {
        self.transforms.len().div_ceil(self.digit_primes)
    }

    /// log2 of the worst-case noise of a product before the flood: `terms` elements of the plain factor meet in one
    /// coefficient, each of at most 2^`plain_bits`, and `packed` products are interleaved.
    pub fn noise_bits(&self, plain_bits: f64, terms: usize, packed: usize) -> f64 {
        let (degree, error) = (self.degree as f64, f64::from(LARGEST_ERROR));
        let product = terms as f64 * plain_bits.exp2() * (error + 0.5);
        let digits: f64 = self.transforms.chunks(self.digit_primes).map(largest_digit).sum();
        let interleaving = (packed.max(1) - 1) as f64 * error * degree * digits;
        (product + interleaving + 2.0 * error * degree + 0.5).log2()
    }

    /// −log2 of the statistical distance that flooding leaves over `coefficients` with noise of `noise_bits` bits. Of one
    /// product: distances of several add up.
    pub fn privacy_bits(&self, noise_bits: f64, coefficients: usize) -> f64 {
        f64::from(self.flood_bits) + 1.0 - noise_bits - (coefficients.max(1) as f64).log2()
    }

    /// The largest error of an answer in units of Q/t, where t has `plaintext_bits` bits: right below ½.
    pub fn error_share(&self, plaintext_bits: f64, noise_bits: f64) -> f64 {
        let unit = self.modulus_bits() - plaintext_bits;
        let noise = (noise_bits - unit).exp2() + (f64::from(self.flood_bits) - unit).exp2();
        let (first, second) = answer_bits(plaintext_bits.ceil() as u32, self.degree);
        // Half a unit of the last bit: of c_0 once, of c_1 for every coefficient of a secret that is ±1 everywhere.
        let rounding = |bits: u32| (plaintext_bits - f64::from(bits) - 1.0).exp2();
        noise + rounding(first) + self.degree as f64 * rounding(second)
    }
}

/// Bits that the coefficients of an answer's c_0 and c_1 keep: roundings are each an eighth of Q/t at most.
pub(super) fn answer_bits(plaintext_bits: u32, degree: usize) -> (u32, u32) {
    (plaintext_bits + 2, plaintext_bits + 2 + degree.ilog2())
}

/// Bits of a number below `modulus`.
pub(super) fn bits_of(modulus: u32) -> usize {
    (u32::BITS - modulus.leading_zeros()) as usize
}

/// The largest absolute value of a digit of these primes: digits of several are centred.
fn largest_digit(primes: &[Transform]) -> f64 {
    let product: f64 = primes.iter().map(|transform| f64::from(transform.modulus.value)).product();
    if primes.len() == 1 { product } else { product / 2.0 + f64::from(primes[0].modulus.value) }
}

/// Primes for plaintexts with slots, apart from those of Z_2^64's ciphertexts.
pub(super) const SLOT_PRIMES: &[u32] = PRIMES.split_at(7).1;

#[cfg(test)]
mod tests {
    use super::*;

    /// N and the largest log2 Q for 128 bits against classical attacks with ternary secrets: the first column of the
    /// standard of 2018, the second of the guidelines of 2024.
    const TABLE: [(usize, f64, f64); 4] =
        [(2048, 54.0, 53.0), (4096, 109.0, 106.0), (8192, 218.0, 214.0), (16384, 438.0, 430.0)];

    #[test]
    fn every_set_is_within_the_published_tables() {
        for ring in Ring::ALL {
            let parameters = Parameters::new(ring);
            let row =
                TABLE.iter().find(|row| row.0 == parameters.degree()).expect("a dimension of the tables");
            let bits = parameters.modulus_bits();
            assert!(bits <= row.1 && bits <= row.2, "{ring:?}: log2 Q = {bits} at N = {}", row.0);
        }
        assert!((f64::from(LARGEST_ERROR) / 2.0).sqrt() >= 3.19, "errors are as wide as the tables'");
    }

    /// The largest log2 Q at N = 8192 for 128 bits against quantum attacks, as the documentation gives it.
    #[test]
    fn quantum_attacks_are_withstood_by_the_smaller_set_alone() {
        let is_within = |ring: Ring| Parameters::new(ring).modulus_bits() <= 203.0;
        assert_eq!(Ring::ALL.map(is_within), Ring::ALL.map(|ring| ring == Ring::Z32));
    }

    #[test]
    fn moduli_are_distinct_primes() {
        for (index, &prime) in PRIMES.iter().enumerate() {
            assert!(PRIMES[..index].iter().all(|&other| other != prime), "{prime} is there once");
            let mut divisors = (2..).take_while(|divisor| divisor * divisor <= prime);
            assert!(divisors.all(|divisor| prime % divisor != 0), "{prime} is a prime");
        }
    }

    #[test]
    fn every_set_decrypts_and_floods_at_the_largest_products() {
        for (ring, packed) in [(Ring::Z64, 32), (Ring::Z32, 32)] {
            let parameters = Parameters::new(ring);
            let noise = parameters.noise_bits(f64::from(ring.bits() - 1), 1 << 12, packed);
            assert!(parameters.privacy_bits(noise, 1) >= 50.0, "{ring:?}");
            assert!(parameters.error_share(f64::from(ring.bits()), noise) < 0.5, "{ring:?}");
        }
    }
}
