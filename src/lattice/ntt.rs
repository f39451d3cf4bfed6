//! Number-theoretic transforms: products in Z_p\[X\]/(X^n + 1) as pointwise ones.
//!
//! Butterflies reduce lazily and multiply by Shoup's precomputed quotients (D. Harvey, "Faster arithmetic for
//! number-theoretic transforms", Journal of Symbolic Computation 60, 2014, sections 3 and 4); powers of the 2n-th root ψ are
//! merged into the butterflies (P. Longa, M. Naehrig, "Speeding up the Number Theoretic Transform for Faster Ideal
//! Lattice-Based Cryptography", CANS 2016, algorithms 1 and 2). Slot i holds the value at ψ^(2·rev(i) + 1), where rev
//! reverses the log2(n) bits of i: that order is part of the wire format.
//!
//! **Invariant.** Slots and coefficients lie in 0..p between calls. No branch and no index depends on them.

use super::modulus::{Factor, Modulus, less};
use super::simd::vectorised;

/// Coefficients that the innermost levels take together.
const ROW: usize = 8;

/// The transform of one prime and degree.
#[derive(Debug)]
pub(super) struct Transform {
    pub modulus: Modulus,
    degree: usize,
    /// ψ^rev(i).
    roots: Vec<Factor>,
    /// ψ^−rev(i).
    inverse_roots: Vec<Factor>,
    /// n^−1.
    inverse_degree: u32,
}

/// `index` with its lowest `bits` bits in reverse.
pub(super) fn reverse(index: usize, bits: u32) -> usize {
    if bits == 0 { 0 } else { index.reverse_bits() >> (usize::BITS - bits) }
}

impl Transform {
    /// # Panics
    /// Where the degree is no power of two of at least 64, or p is not 1 modulo twice the degree.
    pub fn new(modulus: Modulus, degree: usize) -> Transform {
        assert!(degree.is_power_of_two() && degree >= 64, "a power of two");
        let order = 2 * degree as u64;
        assert!((u64::from(modulus.value) - 1).is_multiple_of(order), "a prime with the roots of unity");
        // A 2n-th root is primitive where its n-th power is −1.
        let cofactor = (u64::from(modulus.value) - 1) / order;
        let mut roots = (2..).map(|base| modulus.pow(base, cofactor));
        let is_primitive = |&root: &u32| modulus.pow(root, degree as u64) == modulus.value - 1;
        let root = roots.find(is_primitive).expect("a prime has primitive roots");
        let bits = degree.ilog2();
        let powers = |root: u32| -> Vec<Factor> {
            let mut powers = vec![0; degree];
            let mut power = 1;
            for index in 0..degree {
                powers[reverse(index, bits)] = power;
                power = modulus.mul(power, modulus.factor(root));
            }
            powers.into_iter().map(|power| modulus.factor(power)).collect()
        };
        Transform {
            modulus,
            degree,
            roots: powers(root),
            inverse_roots: powers(modulus.invert(root)),
            inverse_degree: modulus.invert(degree as u32),
        }
    }

    /// ψ^`exponent`.
    pub fn root_power(&self, exponent: usize) -> u32 {
        // ψ^n is −1, and the table has the powers below.
        let power = self.roots[reverse(exponent % self.degree, self.degree.ilog2())].value;
        if (exponent / self.degree).is_multiple_of(2) { power } else { self.modulus.value - power }
    }

    /// Coefficients, below 4·p, become slots.
    pub fn forward(&self, polynomial: &mut [u32]) {
        forward(&self.modulus, &self.roots, polynomial, 1);
    }

    /// The same where all coefficients from `support` on, a power of two of at least 8, are zero and left unread.
    pub fn forward_low(&self, polynomial: &mut [u32], support: usize) {
        let (low, rest) = polynomial.split_at_mut(support);
        rest.chunks_exact_mut(support).for_each(|block| block.copy_from_slice(low));
        forward(&self.modulus, &self.roots, polynomial, self.degree / support);
    }

    /// Slots become coefficients.
    pub fn inverse(&self, polynomial: &mut [u32]) {
        self.inverse_scaled(polynomial, 1);
    }

    /// Slots become coefficients, each times `scale`.
    pub fn inverse_scaled(&self, polynomial: &mut [u32], scale: u32) {
        let last = self.modulus.mul(scale, self.modulus.factor(self.inverse_degree));
        inverse(&self.modulus, &self.inverse_roots, polynomial, self.modulus.factor(last));
    }
}

vectorised! {
    /// The levels from `groups` groups on.
    fn forward(modulus: &Modulus, roots: &[Factor], polynomial: &mut [u32], groups: usize) {
        let (modulus, degree) = (*modulus, polynomial.len());
        let two = 2 * modulus.value;
        let mut groups = groups;
        while degree / groups > ROW {
            let half = degree / groups / 2;
            for (group, &root) in polynomial.chunks_exact_mut(2 * half).zip(&roots[groups..2 * groups]) {
                let (low, high) = group.split_at_mut(half);
                for (x, y) in low.iter_mut().zip(high) {
                    let (u, v) = (less(*x, two), modulus.mul_lazy(*y, root));
                    (*x, *y) = (u + v, u + two - v);
                }
            }
            groups *= 2;
        }
        let butterfly = |row: &mut [u32; ROW], at: usize, distance: usize, root: Factor| {
            let (u, v) = (less(row[at], two), modulus.mul_lazy(row[at + distance], root));
            (row[at], row[at + distance]) = (u + v, u + two - v);
        };
        let (fours, rest) = roots[degree / ROW..].split_at(degree / ROW);
        let (twos, ones) = rest.split_at(degree / 4);
        let twiddles = fours.iter().zip(twos.as_chunks::<2>().0).zip(ones.as_chunks::<4>().0);
        for (row, ((&four, two), one)) in polynomial.as_chunks_mut::<ROW>().0.iter_mut().zip(twiddles) {
            for at in 0..4 {
                butterfly(row, at, 4, four);
            }
            for at in 0..4 {
                butterfly(row, at / 2 * 4 + at % 2, 2, two[at / 2]);
            }
            for (at, &one) in one.iter().enumerate() {
                butterfly(row, 2 * at, 1, one);
            }
            for x in row {
                *x = modulus.reduce(*x);
            }
        }
    }

    /// All levels; `last` is what each coefficient is multiplied by in the end.
    fn inverse(modulus: &Modulus, roots: &[Factor], polynomial: &mut [u32], last: Factor) {
        let (modulus, degree) = (*modulus, polynomial.len());
        let two = 2 * modulus.value;
        let butterfly = |row: &mut [u32; ROW], at: usize, distance: usize, root: Factor| {
            let (u, v) = (row[at], row[at + distance]);
            (row[at], row[at + distance]) = (less(u + v, two), modulus.mul_lazy(u + two - v, root));
        };
        let (fours, rest) = roots[degree / ROW..].split_at(degree / ROW);
        let (twos, ones) = rest.split_at(degree / 4);
        let twiddles = fours.iter().zip(twos.as_chunks::<2>().0).zip(ones.as_chunks::<4>().0);
        for (row, ((&four, two), one)) in polynomial.as_chunks_mut::<ROW>().0.iter_mut().zip(twiddles) {
            for (at, &one) in one.iter().enumerate() {
                butterfly(row, 2 * at, 1, one);
            }
            for at in 0..4 {
                butterfly(row, at / 2 * 4 + at % 2, 2, two[at / 2]);
            }
            for at in 0..4 {
                butterfly(row, at, 4, four);
            }
        }
        let mut groups = degree / ROW / 2;
        while groups > 0 {
            let half = degree / groups / 2;
            for (group, &root) in polynomial.chunks_exact_mut(2 * half).zip(&roots[groups..2 * groups]) {
                let (low, high) = group.split_at_mut(half);
                for (x, y) in low.iter_mut().zip(high) {
                    let (u, v) = (*x, *y);
                    (*x, *y) = (less(u + v, two), modulus.mul_lazy(u + two - v, root));
                }
            }
            groups /= 2;
        }
        for x in polynomial {
            *x = modulus.mul(*x, last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(seed: u64, modulus: &Modulus, len: usize) -> Vec<u32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as u32 % modulus.value
        };
        (0..len).map(|_| next()).collect()
    }

    #[test]
    fn products_are_those_of_the_schoolbook() {
        for (value, degree) in [(1_073_692_673, 64), (268_369_921, 256), (1_073_643_521, 512)] {
            let transform = Transform::new(Modulus::new(value), degree);
            let modulus = transform.modulus;
            for extreme in [false, true] {
                let [mut a, mut b] = [1, 2].map(|seed| numbers(seed, &modulus, degree));
                if extreme {
                    a.fill(value - 1);
                    b.fill(value - 1);
                }
                let mut expected = vec![0u32; degree];
                for (i, &x) in a.iter().enumerate() {
                    for (j, &y) in b.iter().enumerate() {
                        let product = modulus.mul(x, modulus.factor(y));
                        let at = &mut expected[(i + j) % degree];
                        *at = if i + j < degree {
                            modulus.add(*at, product)
                        } else {
                            modulus.sub(*at, product)
                        };
                    }
                }
                transform.forward(&mut a);
                transform.forward(&mut b);
                let mut product: Vec<u32> =
                    a.iter().zip(&b).map(|(&x, &y)| modulus.mul(x, modulus.factor(y))).collect();
                transform.inverse(&mut product);
                assert_eq!(product, expected, "modulo {value} and X^{degree} + 1");
            }
        }
    }

    #[test]
    fn slots_are_values_at_the_odd_powers_of_the_root() {
        let (degree, modulus) = (64, Modulus::new(1_073_692_673));
        let transform = Transform::new(modulus, degree);
        let coefficients = numbers(3, &modulus, degree);
        let mut slots = coefficients.clone();
        transform.forward(&mut slots);
        for (index, &slot) in slots.iter().enumerate() {
            let at = modulus.factor(transform.root_power(2 * reverse(index, degree.ilog2()) + 1));
            let value = coefficients.iter().rev().fold(0, |sum, &x| modulus.add(modulus.mul(sum, at), x));
            assert_eq!(slot, value, "slot {index}");
        }
    }

    #[test]
    fn few_low_coefficients_take_a_part_of_the_levels() {
        let (degree, modulus) = (256, Modulus::new(268_369_921));
        let transform = Transform::new(modulus, degree);
        for support in [8, 32, 256] {
            let mut whole = numbers(4, &modulus, degree);
            whole[support..].fill(0);
            let mut low = whole.clone();
            low[support..].fill(7);
            transform.forward(&mut whole);
            transform.forward_low(&mut low, support);
            assert_eq!(whole, low, "{support} coefficients");
        }
    }
}
