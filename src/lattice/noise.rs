//! Numbers behind residues, for tests: they hold real noise against its bounds.

use super::parameters::Parameters;

/// The centred number whose residues stand at `at`, to the precision of a double.
pub(super) fn centred(parameters: &Parameters, residues: &[u32], at: usize) -> f64 {
    // Mixed radix: digits from the smallest modulus on, in exact arithmetic.
    let moduli: Vec<_> = parameters.transforms.iter().map(|transform| transform.modulus).collect();
    let mut digits: Vec<u32> = Vec::new();
    for (index, modulus) in moduli.iter().enumerate() {
        let (mut value, mut place) = (0, 1);
        for (&digit, smaller) in digits.iter().zip(&moduli) {
            value = modulus.add(value, modulus.mul(digit, modulus.factor(place)));
            place = modulus.mul(modulus.word(smaller.value.into()), modulus.factor(place));
        }
        let rest = modulus.sub(residues[index * parameters.degree() + at], value);
        digits.push(modulus.mul(rest, modulus.factor(modulus.invert(place))));
    }
    // Digits about zero, from the smallest place on.
    let mut carry = 0i64;
    let mut small: Vec<f64> = Vec::new();
    for (&digit, modulus) in digits.iter().zip(&moduli) {
        let digit = i64::from(digit) + carry;
        let half = i64::from(modulus.value / 2);
        carry = i64::from(digit > half);
        small.push((digit - carry * i64::from(modulus.value)) as f64);
    }
    small.iter().zip(&moduli).rev().fold(0.0, |sum, (digit, modulus)| sum * f64::from(modulus.value) + digit)
}
