//! Arithmetic modulo a prime below 2^30, without branches.
//!
//! **Invariant.** The prime p is odd and 4·p < 2^32, so that lazily reduced numbers, below 4·p, are 32-bit words. Products
//! with a constant follow Shoup (D. Harvey, "Faster arithmetic for number-theoretic transforms", Journal of Symbolic
//! Computation 60, 2014, section 2); sums of products are reduced once, as Montgomery does ("Modular multiplication without
//! trial division", Mathematics of Computation 44, 1985).

/// Products of numbers below p that one reduction takes: 8·p² is below 2^33·p.
pub(super) const PRODUCTS: usize = 8;

/// A prime, and what reductions need.
#[derive(Clone, Copy, Debug)]
pub(super) struct Modulus {
    /// p.
    pub value: u32,
    /// p^−1 modulo 2^32.
    inverse: u32,
    /// 2^64 modulo p, as a constant factor.
    montgomery: Factor,
}

/// A constant factor w, and ⌊w·2^32 / p⌋.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Factor {
    pub value: u32,
    pub quotient: u32,
}

/// `x`, or `x` − `bound` where that is not negative.
#[inline(always)]
pub(super) fn less(x: u32, bound: u32) -> u32 {
    x.min(x.wrapping_sub(bound))
}

impl Modulus {
    /// # Panics
    /// Where `value` is even or not below 2^30. That it is a prime is not checked.
    pub fn new(value: u32) -> Modulus {
        assert!(value % 2 == 1 && value < 1 << 30, "an odd modulus below 2^30");
        // Newton: each step doubles the number of right bits.
        let step = |inverse: u32| inverse.wrapping_mul(2u32.wrapping_sub(value.wrapping_mul(inverse)));
        let inverse = (0..5).fold(1, |inverse, _| step(inverse));
        let mut modulus = Modulus { value, inverse, montgomery: Factor::default() };
        modulus.montgomery = modulus.factor(modulus.word(u128::from(u64::MAX) + 1));
        modulus
    }

    /// A public number modulo p.
    pub fn word(&self, number: u128) -> u32 {
        (number % u128::from(self.value)) as u32
    }

    /// `value`, below p, as a constant factor.
    pub fn factor(&self, value: u32) -> Factor {
        Factor { value, quotient: ((u64::from(value) << 32) / u64::from(self.value)) as u32 }
    }

    /// `x`·w modulo p, below 2·p, for any word `x`.
    #[inline(always)]
    pub fn mul_lazy(&self, x: u32, factor: Factor) -> u32 {
        let quotient = ((u64::from(x) * u64::from(factor.quotient)) >> 32) as u32;
        x.wrapping_mul(factor.value).wrapping_sub(quotient.wrapping_mul(self.value))
    }

    /// `x`·w modulo p, for any word `x`.
    #[inline(always)]
    pub fn mul(&self, x: u32, factor: Factor) -> u32 {
        less(self.mul_lazy(x, factor), self.value)
    }

    /// `x` + `y` modulo p, both below p.
    #[inline(always)]
    pub fn add(&self, x: u32, y: u32) -> u32 {
        less(x + y, self.value)
    }

    /// `x` − `y` modulo p, both below p.
    #[inline(always)]
    pub fn sub(&self, x: u32, y: u32) -> u32 {
        less(x + self.value - y, self.value)
    }

    /// `x` modulo p, below 4·p.
    #[inline(always)]
    pub fn reduce(&self, x: u32) -> u32 {
        less(less(x, 2 * self.value), self.value)
    }

    /// `x` / 2^32 modulo p, below 4·p; `x` below 3·p·2^32.
    #[inline(always)]
    pub fn montgomery_lazy(&self, x: u64) -> u32 {
        let multiple = (x as u32).wrapping_mul(self.inverse);
        let whole = ((u64::from(multiple) * u64::from(self.value)) >> 32) as u32;
        (x >> 32) as u32 + self.value - whole
    }

    /// `x` / 2^32 modulo p; `x` below 3·p·2^32.
    #[inline(always)]
    pub fn montgomery(&self, x: u64) -> u32 {
        self.reduce(self.montgomery_lazy(x))
    }

    /// `x`·2^32 modulo p, for any word: [`Modulus::montgomery`] of its product with `y` is `x`·`y`.
    #[inline(always)]
    pub fn to_montgomery(self, x: u32) -> u32 {
        // 2^64 / 2^32, by which one number is multiplied.
        self.montgomery(u64::from(x) * u64::from(self.montgomery.value))
    }

    /// `base`^`exponent` modulo p, of public numbers.
    pub fn pow(&self, base: u32, mut exponent: u64) -> u32 {
        let (mut power, mut square) = (1u64, u64::from(base));
        let p = u64::from(self.value);
        while exponent > 0 {
            if exponent & 1 == 1 {
                power = power * square % p;
            }
            square = square * square % p;
            exponent >>= 1;
        }
        power as u32
    }

    /// The inverse modulo p of a public number that is no multiple of the prime p.
    pub fn invert(&self, x: u32) -> u32 {
        self.pow(x, u64::from(self.value) - 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn arithmetic_is_that_of_the_integers_modulo_p(x: u32, y: u32, wide: u64) {
            for value in [1_073_692_673, 268_369_921, 12_289, 3] {
                let modulus = Modulus::new(value);
                let p = u64::from(value);
                let (a, b) = ((u64::from(x) % p) as u32, (u64::from(y) % p) as u32);
                prop_assert_eq!(u64::from(modulus.add(a, b)), (u64::from(a) + u64::from(b)) % p);
                prop_assert_eq!(u64::from(modulus.sub(a, b)), (u64::from(a) + p - u64::from(b)) % p);
                prop_assert_eq!(u64::from(modulus.mul(x, modulus.factor(b))), u64::from(x) * u64::from(b) % p);
                let sum = wide % ((3 * p) << 32);
                let reduced = u128::from(modulus.montgomery(sum));
                prop_assert_eq!((reduced << 32) % u128::from(p), u128::from(sum) % u128::from(p));
                let product = u64::from(modulus.to_montgomery(x)) * u64::from(a);
                prop_assert_eq!(u64::from(modulus.montgomery(product)), u64::from(x) * u64::from(a) % p);
            }
        }
    }
}
