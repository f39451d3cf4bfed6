//! Additive sharing: a value is the sum of its parts modulo 2^k, and each party holds one part.
//!
//! A part may be absent, which stands for zero: a value that only its owner knows is a sharing whose other parts
//! are absent, and costs nothing until it meets another owner's. Which parts are there is public.

use super::{Parties, PartyId};
use crate::ring::Element;

/// One value's parts over two parties; `T` is the elements themselves, or a handle of where they are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Additive<T> {
    parts: [Option<T>; 2],
}

impl<T> Additive<T> {
    /// The value that is the sum of these parts.
    pub const fn new(parts: [Option<T>; 2]) -> Additive<T> {
        Additive { parts }
    }

    /// The part that `party` holds, or `None` where it is zero.
    pub fn part(&self, party: PartyId) -> Option<&T> {
        self.parts[party.index()].as_ref()
    }

    /// The parties whose part is there.
    pub fn holders(&self) -> Parties {
        (0..2).map(PartyId).filter(|&party| self.part(party).is_some()).collect()
    }
}

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

impl<T> std::fmt::Debug for Additive<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Additive").field("holders", &self.holders()).finish()
    }
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

    #[test]
    fn absent_parts_are_not_held() {
        let private = Additive::new([None, Some(3)]);
        assert_eq!(private.holders(), Parties::from_iter([PartyId(1)]));
        assert_eq!(format!("{private:?}"), "Additive { holders: Parties(2) }");
    }
}
