//! Parameters of the scheme, their security and their noise.
//!
//! | ring | uses | degree N | log2 Q | primes | digits | pieces | flood F |
//! |---|---|---|---|---|---|---|---|
//! | Z_2^64 | few | 8192 | 210 | 7 of 30 bits | of two primes | 1 | 2^143 |
//! | Z_2^64 | many | 8192 | 210 | 7 of 30 bits | of one prime | 2 | 2^143 |
//! | Z_2^32 | few | 8192 | 150 | 5 of 30 bits | of one prime | 1 | 2^115 |
//! | Z_2^32 | many | 8192 | 180 | 6 of 30 bits | of one prime | 1 | 2^145 |
//!
//! **Few and many uses.** Of a product of 256 × 256 matrices a set for few uses leaves some 2^−45, so that a few dozen of
//! them come to 2^−40 together. A set for many uses has far less noise beneath the flood, for up to twice the query and its
//! work: over Z_2^32 a larger Q; over Z_2^64, where Q can grow no more, two *pieces* of the plain factor, W = W_0 + 2^32·W_1
//! with |W_i| ≤ 2^31, each multiplied by an encryption of its own, of X and of 2^32·X, so that noise grows by 2^31 at each
//! product and not by 2^63. Some 2^30 products of that size then come to 2^−40.
//!
//! **Security.** 128 bits against classical attacks: with uniform ternary secrets and errors of standard deviation 3.19,
//! N = 8192 takes log2 Q ≤ 218 by the Homomorphic Encryption Standard (M. Albrecht et al., 2018, table 1) and ≤ 214 by
//! its successor, made with the lattice estimator (J.-P. Bossuat et al., "Security Guidelines for Implementing Homomorphic
//! Encryption", IACR Communications in Cryptology 1(4), 2025, eprint 2024/463, table 5.2). A test holds every set against
//! the stricter one. Against quantum attacks 128 bits take a smaller Q: at most 2^203 at N = 8192, by what the guidelines' authors
//! computed for them. The sets of Z_2^32 are well below that, and those of Z_2^64, which vectors of either ring take as well,
//! is **not** below it. A link whose key exchange withstands quantum attacks does not mend that, since the peer has the
//! ciphertexts. Galois keys are encryptions under the same Q: there is no larger special modulus. Errors are centred
//! binomial, of 42 coins: standard deviation √10.5 = 3.24, at most 21 (as Microsoft SEAL draws them).
//!
//! **Noise.** c_0 + c_1·s = Q/t·m + e, with t = 2^k. All bounds are worst cases, so that no result is ever wrong:
//!
//! - a product with `terms` elements of the plain factor: terms · 2^(b−1) · (21 + ½), the ½ from the scaling's rounding, with
//!   b = k bits of an element, or of a piece b = k/2;
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

/// For how many products a set of parameters hides what it must.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Uses {
    /// A few dozen large products, or some thousand small ones.
    Few,
    /// Hundreds of millions.
    Many,
}

/// One row of the table above.
struct Set {
    ring: Ring,
    uses: Uses,
    primes: &'static [u32],
    digit_primes: usize,
    pieces: usize,
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

const SETS: [Set; 4] = [
    Set {
        ring: Ring::Z64,
        uses: Uses::Few,
        primes: PRIMES.split_at(7).0,
        digit_primes: 2,
        pieces: 1,
        flood_bits: 143,
    },
    Set {
        ring: Ring::Z64,
        uses: Uses::Many,
        primes: PRIMES.split_at(7).0,
        digit_primes: 1,
        pieces: 2,
        flood_bits: 143,
    },
    Set {
        ring: Ring::Z32,
        uses: Uses::Few,
        primes: PRIMES.split_at(5).0,
        digit_primes: 1,
        pieces: 1,
        flood_bits: 115,
    },
    Set {
        ring: Ring::Z32,
        uses: Uses::Many,
        primes: PRIMES.split_at(6).0,
        digit_primes: 1,
        pieces: 1,
        flood_bits: 145,
    },
];

/// The scheme for one ring: its degree, its moduli, and their transforms.
#[derive(Debug)]
pub struct Parameters {
    ring: Ring,
    uses: Uses,
    degree: usize,
    pub(super) transforms: Vec<Transform>,
    /// Primes of one digit of a key switch.
    pub(super) digit_primes: usize,
    /// Pieces of an element of the plain factor.
    pub(super) pieces: usize,
    /// log2 F.
    pub(super) flood_bits: u32,
}

impl Parameters {
    /// The parameters for few products over a ring, with their tables: some milliseconds' work, done once.
    pub fn new(ring: Ring) -> Arc<Parameters> {
        Parameters::for_uses(ring, Uses::Few)
    }

    /// The parameters for so many products over a ring.
    pub fn for_uses(ring: Ring, uses: Uses) -> Arc<Parameters> {
        Parameters::of_degree((ring, uses), 1 << DEGREE_BITS)
    }

    /// Those for few products in a small degree, at which nothing is hidden: for tests.
    #[cfg(any(test, feature = "testing"))]
    pub fn insecure(ring: Ring, degree: usize) -> Arc<Parameters> {
        Parameters::of_degree((ring, Uses::Few), degree)
    }

    /// Those for so many products in a small degree.
    #[cfg(any(test, feature = "testing"))]
    pub fn insecure_for_uses(ring: Ring, uses: Uses, degree: usize) -> Arc<Parameters> {
        Parameters::of_degree((ring, uses), degree)
    }

    fn of_degree((ring, uses): (Ring, Uses), degree: usize) -> Arc<Parameters> {
        let set = SETS.iter().find(|set| (set.ring, set.uses) == (ring, uses)).expect("a set for every use");
        let transform = |&prime: &u32| Transform::new(Modulus::new(prime), degree);
        Arc::new(Parameters {
            ring,
            uses,
            degree,
            transforms: set.primes.iter().map(transform).collect(),
            digit_primes: set.digit_primes,
            pieces: set.pieces,
            flood_bits: set.flood_bits,
        })
    }

    /// The ring of the plaintexts.
    pub fn ring(&self) -> Ring {
        self.ring
    }

    /// For how many products they are.
    pub fn uses(&self) -> Uses {
        self.uses
    }

    /// What tells these parameters from others, in the first word of a message's header: the low 8 bits.
    pub(super) fn number(&self) -> u32 {
        set_number(self.ring, self.uses)
    }

    /// b: bits of a piece of a plain element.
    pub(super) fn piece_bits(&self) -> u32 {
        self.ring.bits() / self.pieces as u32
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

    /// Primes of Q.
    pub fn primes(&self) -> usize {
        self.transforms.len()
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

/// Of a set of parameters: bits of the ring, and one more bit where it is for many products.
pub(super) fn set_number(ring: Ring, uses: Uses) -> u32 {
    ring.bits() | (uses as u32) << 7
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
        for Set { ring, uses, .. } in SETS {
            let parameters = Parameters::for_uses(ring, uses);
            let row =
                TABLE.iter().find(|row| row.0 == parameters.degree()).expect("a dimension of the tables");
            let bits = parameters.modulus_bits();
            assert!(bits <= row.1 && bits <= row.2, "{ring:?}, {uses:?}: log2 Q = {bits} at N = {}", row.0);
        }
        assert!((f64::from(LARGEST_ERROR) / 2.0).sqrt() >= 3.19, "errors are as wide as the tables'");
    }

    /// The largest log2 Q at N = 8192 for 128 bits against quantum attacks, as the documentation gives it.
    #[test]
    fn quantum_attacks_are_withstood_by_the_sets_of_32_bits_alone() {
        for Set { ring, uses, .. } in SETS {
            let is_within = Parameters::for_uses(ring, uses).modulus_bits() <= 203.0;
            assert_eq!(is_within, ring == Ring::Z32, "{ring:?}, {uses:?}");
        }
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
        for Set { ring, uses, .. } in SETS {
            let parameters = Parameters::for_uses(ring, uses);
            let noise = parameters.noise_bits(f64::from(parameters.piece_bits() - 1), 1 << 12, 32);
            let least = if uses == Uses::Few { 50.0 } else { 85.0 };
            assert!(parameters.privacy_bits(noise, 1) >= least, "{ring:?}, {uses:?}: {noise}");
            assert!(parameters.error_share(f64::from(ring.bits()), noise) < 0.5, "{ring:?}, {uses:?}");
        }
    }
}
