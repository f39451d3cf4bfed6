//! What encryptions draw: public uniform polynomials, ternary secrets, small errors, floods and masks.
//!
//! **Invariant.** Every draw takes a stream of its own under a key from the operating system's entropy, as
//! [`crate::ring::prg`] wants it, so no randomness is used twice. Secret draws take as many bytes whatever comes of them;
//! only public polynomials are drawn with rejection.

use super::error::LatticeError;
use super::modulus::Modulus;
use super::ntt::Transform;
use super::parameters::{LARGEST_ERROR, Parameters};
use crate::ring::prg::{BLOCK_BYTES, PrgKey};
use zeroize::Zeroizing;

/// Numbers that are wiped when dropped.
pub(super) type Secret<T> = Zeroizing<Vec<T>>;

/// Bits of one word of a wide number: sums of up to eight words times residues stay within one reduction.
const WIDE_WORD_BITS: u32 = 24;

/// Streams under one key, each handed out once.
pub(super) struct Randomness {
    key: PrgKey,
    next: u64,
}

/// One stream, to be drawn from once.
pub(super) struct Stream {
    key: PrgKey,
    number: u64,
}

impl Randomness {
    /// # Errors
    /// Where the operating system has no entropy to give.
    pub fn from_entropy() -> Result<Randomness, LatticeError> {
        Ok(Randomness { key: PrgKey::from_entropy().map_err(|_| LatticeError::NoEntropy)?, next: 0 })
    }

    /// The randomness of a key that nobody else knows, and that is used for nothing else.
    pub fn from_key(key: PrgKey) -> Randomness {
        Randomness { key, next: 0 }
    }

    /// Randomness that anybody can guess.
    #[cfg(any(test, feature = "testing"))]
    pub fn insecure(seed: u64) -> Randomness {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        Randomness { key: PrgKey::from_bytes(bytes), next: 0 }
    }

    /// The next stream.
    pub fn stream(&mut self) -> Stream {
        let number = self.next;
        self.next = number.checked_add(1).expect("fewer than 2^64 streams");
        Stream { key: self.key.clone(), number }
    }

    /// A fresh seed for public polynomials.
    pub fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        let Stream { key, number } = self.stream();
        key.fill(number, 0, &mut seed);
        seed
    }
}

impl Stream {
    fn words(self, count: usize) -> Secret<u32> {
        let mut words = Zeroizing::new(vec![0u32; count]);
        self.key.fill(self.number, 0, bytemuck::cast_slice_mut(&mut words[..]));
        words.iter_mut().for_each(|word| *word = u32::from_le(*word));
        words
    }

    /// Uniform 64-bit words.
    pub fn long_words(self, count: usize) -> Secret<u64> {
        let mut words = Zeroizing::new(vec![0u64; count]);
        self.key.fill(self.number, 0, bytemuck::cast_slice_mut(&mut words[..]));
        words.iter_mut().for_each(|word| *word = u64::from_le(*word));
        words
    }

    /// Coefficients of −1, 0 and 1, each a third of the time up to 2^−62.
    pub fn ternary(self, count: usize) -> Secret<i32> {
        let third = |&word: &u64| ((u128::from(word) * 3) >> 64) as i32 - 1;
        Zeroizing::new(self.long_words(count).iter().map(third).collect())
    }

    /// Errors: the difference of two sums of coins.
    pub fn errors(self, count: usize) -> Secret<i32> {
        let coins = (1u64 << LARGEST_ERROR) - 1;
        let error = |&word: &u64| {
            (word & coins).count_ones() as i32 - (word >> LARGEST_ERROR & coins).count_ones() as i32
        };
        Zeroizing::new(self.long_words(count).iter().map(error).collect())
    }

    /// Numbers uniform on −F..F, modulo each prime.
    pub fn flood(self, parameters: &Parameters) -> Secret<u32> {
        let wide = self.wide(parameters.flood_bits + 1, parameters.degree());
        let mut flood = Zeroizing::new(Vec::with_capacity(parameters.words()));
        for Transform { modulus, .. } in &parameters.transforms {
            let lowest = modulus.pow(2, parameters.flood_bits.into());
            wide.residues(modulus, |residue| flood.push(modulus.sub(residue, lowest)));
        }
        flood
    }

    /// Numbers uniform below 2^`bits`.
    pub fn wide(self, bits: u32, count: usize) -> Wide {
        let mut words = self.words(bits.div_ceil(WIDE_WORD_BITS) as usize * count);
        for (index, words) in words.chunks_exact_mut(count.max(1)).enumerate() {
            // Of each word the lowest bits count, of the last only so many that there are `bits` in all.
            let used = WIDE_WORD_BITS.min(bits - index as u32 * WIDE_WORD_BITS);
            words.iter_mut().for_each(|word| *word &= (1 << used) - 1);
        }
        Wide { words, count }
    }
}

/// Numbers of many bits, as words of [`WIDE_WORD_BITS`] bits each: the lowest ones of all numbers first.
pub(super) struct Wide {
    words: Secret<u32>,
    count: usize,
}

impl Wide {
    /// Hands on every number modulo a prime, in order.
    pub fn residues(&self, modulus: &Modulus, mut take: impl FnMut(u32)) {
        let words: Vec<&[u32]> = self.words.chunks_exact(self.count.max(1)).collect();
        let weight = |index: usize| modulus.pow(2, index as u64 * u64::from(WIDE_WORD_BITS));
        let weights: Vec<u64> =
            (0..words.len()).map(|index| modulus.to_montgomery(weight(index)).into()).collect();
        for at in 0..self.count {
            let sum = words.iter().zip(&weights).map(|(words, weight)| u64::from(words[at]) * weight).sum();
            take(modulus.montgomery(sum));
        }
    }

    /// Gives the first numbers other lowest bits, `bits` of them.
    pub fn set_low(&mut self, bits: u32, low: impl Iterator<Item = u64> + Clone) {
        let count = self.count.max(1);
        for (words, shift) in
            self.words.chunks_exact_mut(count).zip((0..bits).step_by(WIDE_WORD_BITS as usize))
        {
            let mask = (1u32 << WIDE_WORD_BITS.min(bits - shift)) - 1;
            for (word, low) in words.iter_mut().zip(low.clone()) {
                *word = *word & !mask | (low >> shift) as u32 & mask;
            }
        }
    }
}

/// Small numbers modulo each prime.
pub(super) fn residues(parameters: &Parameters, small: &[i32]) -> Secret<u32> {
    let mut residues = Zeroizing::new(Vec::with_capacity(parameters.words()));
    for transform in &parameters.transforms {
        let modulus = transform.modulus.value;
        residues.extend(small.iter().map(|&x| (x as u32).wrapping_add((x >> 31) as u32 & modulus)));
    }
    residues
}

/// The public uniform polynomial of this number under a seed, in slots.
pub(super) fn public(parameters: &Parameters, seed: &PrgKey, number: usize) -> Vec<u32> {
    let mut polynomial = Vec::with_capacity(parameters.words());
    let mut words = vec![0u32; parameters.degree().next_multiple_of(BLOCK_BYTES / 4)];
    for (index, transform) in parameters.transforms.iter().enumerate() {
        let modulus = transform.modulus.value;
        let mask = modulus.next_power_of_two() - 1;
        let (stream, end) =
            ((number * parameters.transforms.len() + index) as u64, polynomial.len() + parameters.degree());
        let mut block = 0;
        while polynomial.len() < end {
            seed.fill(stream, block, bytemuck::cast_slice_mut(&mut words));
            block += (4 * words.len() / BLOCK_BYTES) as u64;
            let drawn = words.iter().map(|&word| u32::from_le(word) & mask).filter(|&word| word < modulus);
            polynomial.extend(drawn.take(end - polynomial.len()));
        }
    }
    polynomial
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::Ring;

    #[test]
    fn errors_and_secrets_have_their_moments() {
        let mut randomness = Randomness::insecure(1);
        let count = 1 << 16;
        let moments = |numbers: &[i32]| {
            let sum = |power: i32| numbers.iter().map(|&x| f64::from(x).powi(power)).sum::<f64>();
            (sum(1) / numbers.len() as f64, sum(2) / numbers.len() as f64)
        };
        let errors = randomness.stream().errors(count);
        let (mean, variance) = moments(&errors);
        assert!(mean.abs() < 0.1 && (variance - 10.5).abs() < 0.4, "errors: {mean}, {variance}");
        assert!(errors.iter().all(|error| error.unsigned_abs() <= LARGEST_ERROR));
        let (mean, variance) = moments(&randomness.stream().ternary(count));
        assert!(mean.abs() < 0.02 && (variance - 2.0 / 3.0).abs() < 0.02, "secrets: {mean}, {variance}");
    }

    /// A flood's residues belong to one number, which lies in −F..F and fills that range.
    #[test]
    fn floods_fill_their_range() {
        for ring in Ring::ALL {
            let parameters = Parameters::insecure(ring, 64);
            let flood = Randomness::insecure(2).stream().flood(&parameters);
            let bits = f64::from(parameters.flood_bits);
            let numbers: Vec<f64> =
                (0..64).map(|at| super::super::noise::centred(&parameters, &flood, at)).collect();
            assert!(numbers.iter().all(|x| x.abs() <= bits.exp2()), "{ring:?}: within the range");
            let (low, high) = numbers.iter().fold((0f64, 0f64), |(low, high), &x| (low.min(x), high.max(x)));
            assert!(low < -(bits - 1.0).exp2() && high > (bits - 1.0).exp2(), "{ring:?}: {low} to {high}");
        }
    }

    #[test]
    fn no_stream_is_handed_out_twice() {
        let mut randomness = Randomness::insecure(3);
        let (first, second) = (randomness.stream().words(16), randomness.stream().words(16));
        assert_ne!(first[..], second[..]);
        assert_ne!(randomness.seed(), randomness.seed());
    }
}
