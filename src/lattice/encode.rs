//! Elements of Z_2^k as residues modulo the primes of Q: plain factors, and messages scaled by Q/2^k.
//!
//! **Invariant.** A signed element w becomes w·S modulo each prime, for a constant S, without a branch on it. The scaled
//! message ⌊Q·m/t⌉ needs no long arithmetic: with u the centred remainder of Q·m modulo t it is (Q·m − u)/t exactly, and
//! Q is 0 modulo every prime, so the residue is −u/t. (The same identity as in J.-C. Bajard et al., "A Full RNS Variant of
//! FV Like Somewhat Homomorphic Encryption Schemes", SAC 2016, section 2.)

use super::modulus::Modulus;
use super::parameters::Parameters;
use super::simd::vectorised;
use crate::ring::{Element, Ring};

/// What turns a signed 64-bit number w into w·S modulo a prime.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signed {
    modulus: Modulus,
    /// S and 2^32·S, each times 2^32: factors of w's two words.
    low: u32,
    high: u32,
    /// 2^64·S, which a negative w has too much.
    wrap: u32,
}

impl Signed {
    /// For a constant below the prime.
    pub fn new(modulus: Modulus, constant: u32) -> Signed {
        let shifted = |bits: u32| {
            let power = modulus.factor(modulus.word(1 << bits));
            modulus.mul(constant, power)
        };
        Signed { modulus, low: shifted(32), high: shifted(64), wrap: shifted(64) }
    }

    /// `number`·S modulo the prime.
    #[inline(always)]
    pub fn residue(&self, number: i64) -> u32 {
        let (low, high) = (number as u64 & 0xffff_ffff, number as u64 >> 32);
        let sum = low * u64::from(self.low) + high * u64::from(self.high);
        let wrap = (number >> 63) as u32 & self.wrap;
        self.modulus.sub(self.modulus.montgomery(sum), wrap)
    }
}

vectorised! {
    /// Numbers times the constant.
    pub(super) fn residues(signed: &Signed, numbers: &[i64], to: &mut [u32]) {
        let signed = *signed;
        for (to, &number) in to.iter_mut().zip(numbers) {
            *to = signed.residue(number);
        }
    }
}

/// The signed number that an element is, as a word.
#[inline(always)]
pub(super) fn signed<E: Element>(element: E) -> i64 {
    E::RING.signed(element.to_u64())
}

/// Piece `number` of an element, of `bits` bits each and signed: the element is the sum of piece i times 2^(i·`bits`), modulo
/// 2^k.
#[inline(always)]
pub(super) fn piece<E: Element>(element: E, (number, bits): (usize, u32)) -> i64 {
    let low = |word: i64| (word << (64 - bits)) >> (64 - bits);
    let mut rest = signed(element);
    for _ in 0..number {
        rest = rest.wrapping_sub(low(rest)) >> bits;
    }
    low(rest)
}

/// Messages modulo t, scaled by Q/t: for t = 2^k.
pub(super) struct Scaling {
    ring: Ring,
    /// Q modulo 2^64.
    modulus: u64,
    /// For each prime −1/t.
    quotients: Vec<Signed>,
}

impl Scaling {
    pub fn new(parameters: &Parameters) -> Scaling {
        let ring = parameters.ring();
        let moduli = parameters.transforms.iter().map(|transform| transform.modulus);
        let quotient = |modulus: Modulus| {
            let inverse = modulus.invert(modulus.word(1 << ring.bits()));
            Signed::new(modulus, modulus.value - inverse)
        };
        Scaling {
            ring,
            modulus: moduli.clone().fold(1u64, |product, modulus| product.wrapping_mul(modulus.value.into())),
            quotients: moduli.map(quotient).collect(),
        }
    }

    /// What is divided: the centred remainder of Q·m modulo 2^k.
    #[inline(always)]
    pub fn remainder(&self, message: u64) -> i64 {
        self.ring.signed(self.modulus.wrapping_mul(message))
    }

    /// The residues of the scaled messages modulo every prime, from their remainders.
    pub fn residues(&self, remainders: &[i64], to: &mut [u32]) {
        for (signed, to) in self.quotients.iter().zip(to.chunks_exact_mut(remainders.len())) {
            residues(signed, remainders, to);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn signed_numbers_keep_their_value(number: i64, constant in 0..1u32 << 28) {
            for value in [1_073_692_673u32, 268_369_921] {
                let constant = constant % value;
                let expected = (i128::from(number) * i128::from(constant)).rem_euclid(value.into());
                let signed = Signed::new(Modulus::new(value), constant);
                prop_assert_eq!(i128::from(signed.residue(number)), expected);
            }
        }

        /// t·⌊Q·m/t⌉ is Q·m − u, which is −u modulo every prime.
        #[test]
        fn scaled_messages_are_rounded(message: u64) {
            for ring in Ring::ALL {
                let parameters = Parameters::insecure(ring, 64);
                let scaling = Scaling::new(&parameters);
                let message = ring.reduce(message);
                let remainder = scaling.remainder(message);
                prop_assert!(remainder.unsigned_abs() <= 1 << (ring.bits() - 1));
                let mut to = vec![0; parameters.transforms.len()];
                scaling.residues(&[remainder], &mut to);
                for (transform, residue) in parameters.transforms.iter().zip(to) {
                    let prime = i128::from(transform.modulus.value);
                    let back = (i128::from(residue) << ring.bits()) % prime;
                    prop_assert_eq!(back, (-i128::from(remainder)).rem_euclid(prime));
                }
            }
        }
    }
}
