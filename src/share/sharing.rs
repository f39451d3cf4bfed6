//! A value as the sum of components, each of which some parties hold.
//!
//! A component that is absent is zero: a value that only its owner knows is one component that nobody else holds, and
//! costs nothing until it meets another owner's. Additive sharing has a component for each party alone; replicated
//! sharing one for each two parties, of which each has a copy. Which components are there is public.

use super::{Parties, PartyId};

/// One value's copies of its components; `T` is the elements themselves, or a handle of where they are.
#[derive(Clone, PartialEq, Eq)]
pub struct Sharing<T> {
    /// Each with the component's holders and whose copy it is; sorted by the number of holders, then by both.
    copies: Vec<(Parties, PartyId, T)>,
}

/// The order of copies: components that one party holds come first.
const fn rank(holders: Parties, party: PartyId) -> (usize, Parties, PartyId) {
    (holders.len(), holders, party)
}

impl<T: Copy> Sharing<T> {
    /// The value zero: no component is there.
    pub const ZERO: Sharing<T> = Sharing { copies: Vec::new() };

    /// The value that `party` alone knows.
    pub fn alone(party: PartyId, elements: T) -> Sharing<T> {
        Sharing { copies: vec![(party.alone(), party, elements)] }
    }

    /// `party`'s copy of the component that `holders` hold, or `None` where it is zero.
    pub fn copy(&self, holders: Parties, party: PartyId) -> Option<T> {
        self.position(holders, party).ok().map(|at| self.copies[at].2)
    }

    /// The component that `party` alone holds.
    pub fn own(&self, party: PartyId) -> Option<T> {
        self.copy(party.alone(), party)
    }

    /// Sets one holder's copy of a component.
    ///
    /// # Panics
    /// Where `party` is none of the holders.
    pub fn put(&mut self, holders: Parties, party: PartyId, copy: T) {
        assert!(holders.contains(party), "{party} holds no copy of what {holders:?} hold");
        match self.position(holders, party) {
            Ok(at) => self.copies[at].2 = copy,
            Err(at) => self.copies.insert(at, (holders, party, copy)),
        }
    }

    /// Every copy that is there, with the component's holders and whose copy it is.
    pub fn iter(&self) -> impl Iterator<Item = (Parties, PartyId, T)> {
        self.copies.iter().copied()
    }

    /// Every copy that is in either value, with both values' part of it.
    pub fn zip(&self, other: &Sharing<T>) -> impl Iterator<Item = (Parties, PartyId, [Option<T>; 2])> {
        let places = self.iter().chain(other.iter()).map(|(holders, party, _)| (holders, party));
        let mut places: Vec<(Parties, PartyId)> = places.collect();
        places.sort_by_key(|&(holders, party)| rank(holders, party));
        places.dedup();
        places.into_iter().map(move |(holders, party)| {
            (holders, party, [self, other].map(|value| value.copy(holders, party)))
        })
    }

    /// The holders of every component that is there.
    pub fn components(&self) -> impl Iterator<Item = Parties> {
        let first = self.iter().filter(|&(holders, party, _)| holders.lowest() == Some(party));
        first.map(|(holders, ..)| holders)
    }

    /// The party that alone knows the value, if there is one.
    pub fn owner(&self) -> Option<PartyId> {
        match self.copies[..] {
            [(holders, party, _)] if holders == party.alone() => Some(party),
            _ => None,
        }
    }

    /// The same components, each copy as `change` makes it.
    pub fn map<U>(&self, mut change: impl FnMut(Parties, PartyId, T) -> U) -> Sharing<U> {
        let copies = self.iter().map(|(holders, party, copy)| (holders, party, change(holders, party, copy)));
        Sharing { copies: copies.collect() }
    }

    /// Where a copy is, or would be.
    fn position(&self, holders: Parties, party: PartyId) -> Result<usize, usize> {
        self.copies.binary_search_by_key(&rank(holders, party), |&(of, whose, _)| rank(of, whose))
    }
}

impl<T: Copy> FromIterator<(Parties, PartyId, T)> for Sharing<T> {
    fn from_iter<I: IntoIterator<Item = (Parties, PartyId, T)>>(copies: I) -> Sharing<T> {
        let mut value = Sharing::ZERO;
        copies.into_iter().for_each(|(holders, party, copy)| value.put(holders, party, copy));
        value
    }
}

impl<T: Copy> std::fmt::Debug for Sharing<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sharing").field("components", &self.components().collect::<Vec<_>>()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_one_party_has_an_owner_and_a_shared_one_has_none() {
        let mut value = Sharing::alone(PartyId(1), 3);
        assert_eq!(
            (value.owner(), value.own(PartyId(1)), value.own(PartyId(0))),
            (Some(PartyId(1)), Some(3), None)
        );
        assert_eq!(format!("{value:?}"), "Sharing { components: [Parties(2)] }");
        value.put(PartyId(0).alone(), PartyId(0), 4);
        assert_eq!(value.owner(), None);
        assert_eq!(Sharing::<u8>::ZERO.owner(), None);
    }

    #[test]
    fn a_component_has_as_many_copies_as_holders() {
        let holders: Parties = [1, 4, 7].map(PartyId).into_iter().collect();
        let copies = [7, 1, 4].map(|party| (holders, PartyId(party), party));
        let value: Sharing<u8> = copies.into_iter().collect();
        assert_eq!(value.components().collect::<Vec<_>>(), [holders]);
        assert_eq!(value.map(|_, _, copy| copy + 1).copy(holders, PartyId(4)), Some(5));
        assert_eq!(value.iter().map(|(_, party, _)| party.0).collect::<Vec<_>>(), [1, 4, 7]);
    }

    #[test]
    fn copies_of_two_values_meet_in_order() {
        let (pair, one) = (Parties::first(2), PartyId(1));
        let a: Sharing<u8> = [(pair, one, 1), (one.alone(), one, 2)].into_iter().collect();
        let b = Sharing::alone(one, 3);
        let both: Vec<_> = a.zip(&b).collect();
        assert_eq!(both, [(one.alone(), one, [Some(2), Some(3)]), (pair, one, [Some(1), None])]);
    }
}
