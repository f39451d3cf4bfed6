//! Additive sharing: a value is the sum of its parts modulo 2^k, and each party holds one part.

use crate::ring::Element;

/// Splits `secret` into two parts, each alone uniform: the first from `mask`, the second the rest.
///
/// # Panics
/// Where the lengths differ.
pub fn split<E: Element>(secret: &[E], mask: Vec<E>) -> [Vec<E>; 2] {
    assert_eq!(secret.len(), mask.len(), "a mask has one element for each of the secret's");
    let rest = secret.iter().zip(&mask).map(|(&s, &m)| s.sub(m)).collect();
    [mask, rest]
}

/// The sum of the parts.
///
/// # Panics
/// Where the lengths differ.
pub fn reconstruct<E: Element>(parts: [&[E]; 2]) -> Vec<E> {
    assert_eq!(parts[0].len(), parts[1].len(), "the parts of one value have one length");
    parts[0].iter().zip(parts[1]).map(|(&a, &b)| a.add(b)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn reconstruction_undoes_splitting(pairs in proptest::collection::vec(any::<(u64, u64)>(), 0..40)) {
            let (secret, mask): (Vec<u64>, Vec<u64>) = pairs.into_iter().unzip();
            let [first, second] = split(&secret, mask);
            prop_assert_eq!(reconstruct([&first, &second]), secret);
        }
    }
}
