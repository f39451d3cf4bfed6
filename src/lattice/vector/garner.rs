//! Numbers from their residues, modulo 2^64.

use crate::lattice::modulus::{Factor, Modulus};
use crate::lattice::parameters::SLOT_PRIMES;

/// Numbers below T modulo 2^64, from their residues (H. L. Garner, "The residue number system", 1959).
pub(super) struct Garner {
    moduli: Vec<Modulus>,
    /// For each prime the places of the digits before it, and 1 divided by its own place.
    places: Vec<(Vec<Factor>, Factor)>,
    /// The places modulo 2^64.
    wrapping: Vec<u64>,
}

impl Garner {
    pub fn new(primes: &[u32]) -> Garner {
        let moduli: Vec<Modulus> = primes.iter().map(|&prime| Modulus::new(prime)).collect();
        let place = |modulus: &Modulus, digits: usize| {
            let smaller = primes[..digits].iter();
            smaller.fold(1, |place, &prime| modulus.mul(place, modulus.factor(modulus.word(prime.into()))))
        };
        let of = |(index, modulus): (usize, &Modulus)| {
            let places = (0..index).map(|digits| modulus.factor(place(modulus, digits))).collect();
            (places, modulus.factor(modulus.invert(place(modulus, index))))
        };
        let wrap = |digits: usize| {
            primes[..digits].iter().fold(1u64, |place, &prime| place.wrapping_mul(prime.into()))
        };
        Garner {
            places: moduli.iter().enumerate().map(of).collect(),
            wrapping: (0..primes.len()).map(wrap).collect(),
            moduli,
        }
    }

    /// The number with these residues, each below 2^32 and of the primes in order.
    pub fn number(&self, residues: impl Iterator<Item = u32>) -> u64 {
        let mut digits = [0u32; SLOT_PRIMES.len()];
        let mut number = 0u64;
        for (index, residue) in residues.enumerate() {
            let (modulus, (places, inverse)) = (&self.moduli[index], &self.places[index]);
            let before = digits.iter().zip(places);
            let below = before.fold(0, |sum, (&digit, &place)| modulus.add(sum, modulus.mul(digit, place)));
            digits[index] = modulus.mul(modulus.sub(modulus.reduce(residue), below), *inverse);
            number = number.wrapping_add(u64::from(digits[index]).wrapping_mul(self.wrapping[index]));
        }
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_come_back(low: u128, high in 0..1u64 << 40) {
            // high·2^128 + low, below the product of six primes.
            let garner = Garner::new(SLOT_PRIMES);
            let residue = |&prime: &u32| {
                let p = u128::from(prime);
                let shift = (u128::MAX % p + 1) % p;
                ((u128::from(high) % p * shift + low % p) % p) as u32
            };
            prop_assert_eq!(garner.number(SLOT_PRIMES.iter().map(residue)), low as u64);
        }
    }
}
