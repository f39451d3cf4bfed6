//! The numbers behind products by residues: coprime moduli, and how a product is put together from its residues.
//!
//! With P the product of the moduli m_i, an integer X with |X| < P/2 is
//!
//! ```text
//! X = Σ s_i · (P / m_i) − q · P,     s_i ≡ X · (P / m_i)⁻¹ (mod m_i),     q = Σ s_i / m_i, rounded
//! ```
//!
//! whichever representatives s_i are taken. Modulo 2^64 the sum needs P/m_i and P only modulo 2^64, and for q some bits
//! of 1/m_i suffice, because X/P stays well below one half: no integer is longer than 64 bits. The factor
//! (P / m_i)⁻¹ is put into the residues of the left matrix, so that the product of both matrices' residues is s_i
//! at once.
//!
//! The product of signed matrices of k bits and inner size K is at most 2^(2k−2) · K. All constants are computed here, from
//! the moduli alone; tests hold them against long integers.

use crate::ring::Ring;
use bytemuck::{Pod, Zeroable};

/// Most moduli that a ring needs.
pub const MOST_MODULI: usize = 18;

/// The largest coprime numbers up to 256, each as large as those before it allow. Centred residues are at most 128 in
/// magnitude, and have a representative that a signed byte holds.
pub const MODULI: [u32; MOST_MODULI] = moduli();

/// Inner elements of one product at most: what is longer is added up modulo 2^k.
pub const MOST_INNER: usize = 1 << 13;

/// Inner elements whose products of residues are summed in f32 before the sum is reduced. Residues are below 140 in
/// magnitude and a reduced sum below 264, so that sums stay below 2^24, where f32 is exact.
pub const FOLDED_INNER: usize = 512;

/// Bits of 1/m_i that q is computed from.
pub const FRACTION_BITS: u32 = 20;

/// Half of the range in which f32 holds integers only, beyond [`FOLDED_INNER`]'s sums over the least modulus: adding it
/// rounds to an integer, and subtracting it gives that integer.
pub const ROUNDING: f32 = 1.5 * (1u32 << 23) as f32;

/// One modulus, as shaders read it: `Modulus` of `shaders/modulus.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub struct Modulus {
    /// The residues of 2^0, 2^16, 2^32 and 2^48, times (P / m_i)⁻¹: what 16-bit limbs of the left matrix are
    /// multiplied by.
    pub left: [i32; 4],
    /// The residues of 2^0, 2^16, 2^32 and 2^48.
    pub right: [i32; 4],
    /// P / m_i modulo 2^64, the low half first.
    pub cofactor: [u32; 2],
    /// m_i
    pub size: f32,
    /// 1 / m_i
    pub inverse: f32,
    /// 2^20 / m_i
    pub fraction: i32,
    pub unused: [i32; 3],
}

/// How many moduli a ring needs: their product exceeds twice the largest product of matrices.
pub const fn count(ring: Ring) -> usize {
    match ring {
        Ring::Z32 => 10,
        Ring::Z64 => 18,
    }
}

/// A ring's moduli.
pub fn table(ring: Ring) -> Vec<Modulus> {
    let moduli = &MODULI[..count(ring)];
    let modulus = |&size: &u32| {
        let others = || moduli.iter().copied().filter(move |&other| other != size);
        let cofactor = others().map(u64::from).fold(1, u64::wrapping_mul);
        let residue = others().fold(1, |product, other| product * other % size);
        let weight = (1..size).find(|weight| weight * residue % size == 1).expect("the moduli are coprime");
        let limbs = [0, 16, 32, 48].map(|bits| ((1u64 << bits) % u64::from(size)) as u32);
        Modulus {
            left: limbs.map(|limb| centred(limb * weight % size, size)),
            right: limbs.map(|limb| centred(limb, size)),
            cofactor: super::super::params::halves(cofactor),
            size: size as f32,
            inverse: 1.0 / size as f32,
            fraction: (((1 << FRACTION_BITS) + size / 2) / size) as i32,
            unused: [0; 3],
        }
    };
    moduli.iter().map(modulus).collect()
}

/// The product of a ring's moduli, modulo 2^64.
pub fn product(ring: Ring) -> u64 {
    MODULI[..count(ring)].iter().map(|&size| u64::from(size)).fold(1, u64::wrapping_mul)
}

/// The representative of least magnitude.
fn centred(residue: u32, size: u32) -> i32 {
    if 2 * residue >= size { residue as i32 - size as i32 } else { residue as i32 }
}

const fn moduli() -> [u32; MOST_MODULI] {
    let mut moduli = [0; MOST_MODULI];
    let (mut found, mut next) = (0, 256);
    while found < MOST_MODULI {
        let mut at = 0;
        while at < found && gcd(moduli[at], next) == 1 {
            at += 1;
        }
        if at == found {
            moduli[found] = next;
            found += 1;
        }
        next -= 1;
    }
    moduli
}

const fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Limbs of 32 bits, the low one first, of a number that is not negative.
    fn times(number: &[u32], factor: u32) -> Vec<u32> {
        let mut carry = 0;
        let mut product: Vec<u32> = Vec::with_capacity(number.len() + 1);
        for &limb in number {
            let sum = u64::from(limb) * u64::from(factor) + carry;
            product.push(sum as u32);
            carry = sum >> 32;
        }
        product.push(carry as u32);
        product
    }

    fn remainder(number: &[u32], modulus: u32) -> u32 {
        let step = |rest: u64, &limb: &u32| ((rest << 32) | u64::from(limb)) % u64::from(modulus);
        number.iter().rev().fold(0, step) as u32
    }

    fn as_f64(number: &[u32]) -> f64 {
        number.iter().rev().fold(0.0, |value, &limb| value * 2f64.powi(32) + f64::from(limb))
    }

    fn long_product(factors: impl Iterator<Item = u32>) -> Vec<u32> {
        factors.fold(vec![1], |product, factor| times(&product, factor))
    }

    #[test]
    fn moduli_are_coprime_and_those_of_the_design() {
        let expected =
            [256, 255, 253, 251, 247, 241, 239, 233, 229, 227, 223, 217, 211, 199, 197, 193, 191, 181];
        assert_eq!(MODULI, expected);
        for (at, &first) in MODULI.iter().enumerate() {
            assert!(MODULI[..at].iter().all(|&second| gcd(first, second) == 1));
        }
    }

    #[test]
    fn constants_equal_those_of_long_integers() {
        for ring in Ring::ALL {
            let moduli = &MODULI[..count(ring)];
            let whole = long_product(moduli.iter().copied());
            let low = |number: &[u32]| u64::from(number[0]) | u64::from(number[1]) << 32;
            assert_eq!(product(ring), low(&whole));
            for (modulus, &size) in table(ring).iter().zip(moduli) {
                let cofactor = long_product(moduli.iter().copied().filter(|&other| other != size));
                assert_eq!(modulus.cofactor, [cofactor[0], cofactor[1]]);
                let rest = i64::from(remainder(&cofactor, size));
                for (bits, (left, right)) in
                    [0, 16, 32, 48].into_iter().zip(modulus.left.into_iter().zip(modulus.right))
                {
                    let (power, size) = (1i64 << bits, i64::from(size));
                    assert_eq!((i64::from(right) - power).rem_euclid(size), 0);
                    assert_eq!((i64::from(left) * rest - power).rem_euclid(size), 0);
                    assert!(left.abs() <= 128 && right.abs() <= 128);
                }
                let exact = f64::from(1u32 << FRACTION_BITS) / f64::from(size);
                assert!((f64::from(modulus.fraction) - exact).abs() <= 0.5);
                assert_eq!(modulus.size as u32, size);
            }
        }
    }

    /// |X| / P and the error of q's sum stay below one half together, with representatives up to 264 in magnitude.
    #[test]
    fn the_largest_product_is_recovered() {
        for ring in Ring::ALL {
            let whole = as_f64(&long_product(MODULI[..count(ring)].iter().copied()));
            let largest = 2f64.powi(2 * ring.bits() as i32 - 2) * MOST_INNER as f64;
            let error = count(ring) as f64 * 264.0 * 0.5 / f64::from(1u32 << FRACTION_BITS);
            assert!(largest / whole + error < 0.4, "{ring:?}: {} + {error}", largest / whole);
        }
        // One modulus less would not do.
        let without_last = as_f64(&long_product(MODULI[..17].iter().copied()));
        assert!(2f64.powi(126) * MOST_INNER as f64 > without_last);
    }

    /// The bounds that the shaders count on, with the error that f32 has at each of their steps.
    #[test]
    fn sums_stay_where_f32_is_exact() {
        let least = f64::from(MODULI[MOST_MODULI - 1]);
        // What is farthest from the nearest integer, times the modulus, is the largest residue; rounding towards zero
        // would double it.
        let largest = |sum: f64, half: f64| 256.0 * (half + sum / least * 2f64.powi(-22));
        let residue = largest(4.0 * 65535.0 * 128.0, 0.5);
        assert!(residue < 140.0, "{residue}");
        let reduced = largest(2f64.powi(24), 1.0);
        assert!(reduced < 264.0, "{reduced}");
        assert!(residue * residue * FOLDED_INNER as f64 + reduced < 2f64.powi(24));
        assert!(2f64.powi(24) / least < 2f64.powi(22), "a quotient is less than half of what rounds it");
    }

    /// The same for residues that are bytes: they fit, sums of their products fit i32, and what is joined is small.
    #[test]
    fn sums_of_bytes_stay_where_i32_is_exact() {
        let least = f64::from(MODULI[MOST_MODULI - 1]);
        let residue = |size: f64| size * (0.5 + 4.0 * 65535.0 * 128.0 / size * 2f64.powi(-22));
        for size in MODULI.map(f64::from) {
            // Of what is beyond a byte, another representative is not.
            assert!(residue(size) - size < -1.0 && (residue(size) < 128.0 || residue(size) - size > -128.0));
        }
        let sum = 128.0 * 128.0 * MOST_INNER as f64;
        assert!(sum < 2f64.powi(31));
        let reduced = 256.0 * (0.5 + sum / least * 2f64.powi(-22));
        assert!(reduced < 264.0, "{reduced}");
    }

    /// The residues that the shaders compute, in exact arithmetic.
    fn split(value: i64, coefficients: [i32; 4], size: i64) -> i64 {
        let limbs = [value & 0xffff, (value >> 16) & 0xffff, (value >> 32) & 0xffff, value >> 48];
        let sum: i64 =
            limbs.into_iter().zip(coefficients).map(|(limb, factor)| limb * i64::from(factor)).sum();
        let rest = sum.rem_euclid(size);
        if 2 * rest >= size { rest - size } else { rest }
    }

    fn joined(ring: Ring, left: &[i64], right: &[i64]) -> u64 {
        let (mut sum, mut fractions) = (0u64, 0i32);
        for modulus in table(ring) {
            let size = modulus.size as i64;
            let terms = left.iter().zip(right);
            let product: i64 =
                terms.map(|(&x, &y)| split(x, modulus.left, size) * split(y, modulus.right, size)).sum();
            let product = product.rem_euclid(size);
            let cofactor = u64::from(modulus.cofactor[0]) | u64::from(modulus.cofactor[1]) << 32;
            sum = sum.wrapping_add(cofactor.wrapping_mul(product as u64));
            fractions += product as i32 * modulus.fraction;
        }
        let quotient = (fractions + (1 << (FRACTION_BITS - 1))) >> FRACTION_BITS;
        sum.wrapping_sub((i64::from(quotient) as u64).wrapping_mul(product(ring)))
    }

    proptest! {
        #[test]
        fn products_by_residues_equal_wrapping_ones(
            left in prop::collection::vec(extreme(), 1..40), seed: i64, all_extreme: bool,
        ) {
            let right: Vec<i64> =
                left.iter().map(|x| if all_extreme { i64::MIN } else { x.rotate_left(7) ^ seed }).collect();
            let wrapping = |left: &[i64], right: &[i64]| left.iter().zip(right)
                .fold(0i64, |sum, (x, y)| sum.wrapping_add(x.wrapping_mul(*y))) as u64;
            prop_assert_eq!(joined(Ring::Z64, &left, &right), wrapping(&left, &right));
            let narrow = |values: &[i64]| values.iter().map(|&x| i64::from(x as i32)).collect::<Vec<_>>();
            let (left, right) = (narrow(&left), narrow(&right));
            prop_assert_eq!(joined(Ring::Z32, &left, &right) as u32, wrapping(&left, &right) as u32);
        }
    }

    fn extreme() -> impl Strategy<Value = i64> {
        prop_oneof![
            Just(0),
            Just(1),
            Just(-1),
            Just(i64::MIN),
            Just(i64::MAX),
            Just(i64::from(i32::MIN)),
            any::<i64>()
        ]
    }

    #[test]
    fn the_longest_sum_of_extremes_is_recovered() {
        let extremes = vec![i64::MIN; MOST_INNER];
        assert_eq!(joined(Ring::Z64, &extremes, &extremes), 0);
        let ones = vec![i64::MAX; MOST_INNER];
        assert_eq!(joined(Ring::Z64, &ones, &extremes), (i64::MIN as u64).wrapping_mul(MOST_INNER as u64));
        let narrow = vec![i64::from(i32::MIN); MOST_INNER];
        assert_eq!(joined(Ring::Z32, &narrow, &narrow) as u32, 0);
    }
}
