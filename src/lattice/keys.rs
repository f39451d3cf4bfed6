//! Keys: the secret, the public key that re-randomises answers, and Galois keys.
//!
//! **Functionality.** The key holder draws a ternary secret s and sends [`Keys`] once in a job. **Message.** A seed, from which
//! all uniform polynomials come; b = e − a·s, an encryption of zero; and for each shift δ that its layouts ask for
//! ([`super::Layout::shifts`]) and each digit d, b = e − a·s + g_d·σ(s), where σ maps X to X^(N/δ + 1) and g_d is 1
//! modulo the digit's primes and 0 modulo the others (J.-C. Bajard et al., SAC 2016, section 4.2; no special modulus: the
//! noise that this saves is far below that of products with elements of k bits).
//! **Bytes.** [`Keys::size_bytes`]: 32 and N·log2 Q bits for each b. **Assumption.** Ring-LWE with circular security:
//! the Galois keys encrypt images of s under s, as in every scheme with automorphisms.
//! **Deviation.** Seeds stand for the uniform halves, which halves the bytes (as in Microsoft SEAL).

use super::error::{LatticeError, MessageKind};
use super::ntt::reverse;
use super::parameters::Parameters;
use super::poly::{each, forward, subtract_product, to_montgomery};
use super::sample::{Randomness, Secret, Stream, public, residues};
use super::wire::{Reader, Writer, header_size};
use crate::ring::prg::PrgKey;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The public key and Galois keys, as they are sent.
#[derive(Clone)]
pub struct Keys {
    pub(super) parameters: Arc<Parameters>,
    pub(super) seed: [u8; 32],
    /// The public key's b.
    pub(super) public: Vec<u32>,
    /// By shift, the b of every digit.
    pub(super) galois: BTreeMap<usize, Vec<Vec<u32>>>,
}

/// The secret in slots, times 2^32.
pub(super) struct SecretKey {
    slots: Secret<u32>,
    /// In slots, as they are.
    plain: Secret<u32>,
}

/// Slot i of σ(f) is this slot of f; σ maps X to X^`power`.
pub(super) fn permutation(degree: usize, power: usize) -> Vec<u32> {
    let bits = degree.ilog2();
    let source = |slot: usize| {
        let exponent = (2 * reverse(slot, bits) + 1) * power % (2 * degree);
        reverse((exponent - 1) / 2, bits) as u32
    };
    (0..degree).map(source).collect()
}

/// The automorphism of a shift: X becomes X to this power, which keeps the multiples of 2δ and negates the odd multiples
/// of δ.
pub(super) fn power(degree: usize, shift: usize) -> usize {
    degree / shift + 1
}

impl SecretKey {
    pub fn draw(parameters: &Parameters, randomness: &mut Randomness) -> SecretKey {
        let small = randomness.stream().ternary(parameters.degree());
        let mut plain = residues(parameters, &small);
        forward(parameters, &mut plain);
        let mut slots = plain.clone();
        to_montgomery(parameters, &mut slots);
        SecretKey { slots, plain }
    }

    /// The secret in slots, times 2^32.
    pub fn slots(&self) -> &[u32] {
        &self.slots
    }

    /// b = e + message − a·s in slots; `message` in coefficients.
    pub fn encrypt(
        &self,
        parameters: &Parameters,
        (seed, number): (&PrgKey, usize),
        errors: Stream,
        message: Option<&[u32]>,
    ) -> Vec<u32> {
        let errors = errors.errors(parameters.degree());
        let mut b = residues(parameters, &errors).to_vec();
        if let Some(message) = message {
            each(parameters, &mut b, message, |transform, b, message| {
                super::poly::add(&transform.modulus, b, message);
            });
        }
        forward(parameters, &mut b);
        let a = public(parameters, seed, number);
        let degree = parameters.degree();
        let secrets = self.slots.chunks_exact(degree);
        let residues = b.chunks_exact_mut(degree).zip(a.chunks_exact(degree));
        for ((transform, (b, a)), secret) in parameters.transforms.iter().zip(residues).zip(secrets) {
            subtract_product(&transform.modulus, b, a, secret);
        }
        b
    }

    /// The keys for these shifts.
    pub fn keys(&self, parameters: &Arc<Parameters>, shifts: &[usize], randomness: &mut Randomness) -> Keys {
        let seed = randomness.seed();
        let key = PrgKey::from_bytes(seed);
        let public = self.encrypt(parameters, (&key, 0), randomness.stream(), None);
        let (degree, digits) = (parameters.degree(), parameters.digits());
        let mut galois = BTreeMap::new();
        for (index, &shift) in sorted(shifts).iter().enumerate() {
            let source = permutation(degree, power(degree, shift));
            let mut one = |digit: usize| {
                let mut b =
                    self.encrypt(parameters, (&key, 1 + index * digits + digit), randomness.stream(), None);
                let primes = digit * parameters.digit_primes..(digit + 1) * parameters.digit_primes;
                for prime in primes.filter(|&prime| prime < parameters.transforms.len()) {
                    let modulus = parameters.transforms[prime].modulus;
                    let (secret, b) = (&self.plain[prime * degree..], &mut b[prime * degree..][..degree]);
                    for (b, &from) in b.iter_mut().zip(&source) {
                        *b = modulus.add(*b, secret[from as usize]);
                    }
                }
                b
            };
            galois.insert(shift, (0..digits).map(&mut one).collect());
        }
        Keys { parameters: parameters.clone(), seed, public, galois }
    }
}

/// Every shift once, in order.
fn sorted(shifts: &[usize]) -> Vec<usize> {
    let mut shifts = shifts.to_vec();
    shifts.sort_unstable();
    shifts.dedup();
    shifts
}

impl Keys {
    fn header(parameters: &Parameters, shifts: &[usize]) -> [u32; 3] {
        // Shifts are powers of two below the degree: a bit each.
        let set = shifts.iter().fold(0, |set, shift| set | *shift as u32);
        [parameters.number(), parameters.degree() as u32, set]
    }

    /// Bytes of the keys for these shifts: 32 of a seed, and polynomials.
    pub fn size_bytes(parameters: &Parameters, shifts: &[usize]) -> usize {
        let polynomials = 1 + sorted(shifts).len() * parameters.digits();
        header_size(3) + 32 + polynomials * parameters.polynomial_bytes()
    }

    /// The message's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let shifts: Vec<usize> = self.galois.keys().copied().collect();
        let size_bytes = Keys::size_bytes(&self.parameters, &shifts);
        let mut writer = Writer::new(MessageKind::Keys, &Keys::header(&self.parameters, &shifts), size_bytes);
        writer.bytes(&self.seed);
        for polynomial in std::iter::once(&self.public).chain(self.galois.values().flatten()) {
            writer.polynomial(&self.parameters, polynomial);
        }
        writer.finish()
    }

    /// Reads the keys that are expected for these shifts.
    ///
    /// # Errors
    /// Where the bytes are of another kind, ring, dimension or length, or a coefficient is not below its modulus.
    pub fn from_bytes(
        parameters: &Arc<Parameters>,
        shifts: &[usize],
        bytes: &[u8],
    ) -> Result<Keys, LatticeError> {
        let shifts = sorted(shifts);
        let (header, size_bytes) = (Keys::header(parameters, &shifts), Keys::size_bytes(parameters, &shifts));
        let mut reader = Reader::new(MessageKind::Keys, &header, bytes, size_bytes)?;
        let seed = reader.bytes();
        let public = reader.polynomial(parameters)?;
        let mut galois = BTreeMap::new();
        for &shift in &shifts {
            let digits: Result<Vec<_>, _> =
                (0..parameters.digits()).map(|_| reader.polynomial(parameters)).collect();
            galois.insert(shift, digits?);
        }
        Ok(Keys { parameters: parameters.clone(), seed, public, galois })
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keys({} bits, {} Galois keys)", self.parameters.ring().bits(), self.galois.len())
    }
}
