//! A value as the sum of components, each of which some parties hold.
//!
//! A component that is absent is zero: a value that only its owner knows is one component that nobody else holds, and
//! costs nothing until it meets another owner's. Additive sharing has a component for each party alone; replicated
//! sharing one for each two parties, of which each has a copy. Which components are there is public.

use super::{Parties, PartyId};

/// Every copy of every component that up to three parties can hold without all of them knowing it.
const COPIES: [(Parties, PartyId); 9] = {
    const fn copy(holders: u8, party: u8) -> (Parties, PartyId) {
        (Parties(holders), PartyId(party))
    }
    [
        copy(0b001, 0),
        copy(0b010, 1),
        copy(0b100, 2),
        copy(0b011, 0),
        copy(0b011, 1),
        copy(0b101, 0),
        copy(0b101, 2),
        copy(0b110, 1),
        copy(0b110, 2),
    ]
};

/// One value's copies of its components; `T` is the elements themselves, or a handle of where they are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Sharing<T> {
    copies: [Option<T>; COPIES.len()],
}

impl<T: Copy> Sharing<T> {
    /// The value zero: no component is there.
    pub const ZERO: Sharing<T> = Sharing { copies: [None; COPIES.len()] };

    /// The value whose copies `copy` gives, where it gives any.
    pub fn new(mut copy: impl FnMut(Parties, PartyId) -> Option<T>) -> Sharing<T> {
        Sharing { copies: COPIES.map(|(holders, party)| copy(holders, party)) }
    }

    /// The value that `party` alone knows.
    pub fn alone(party: PartyId, elements: T) -> Sharing<T> {
        let mut value = Sharing::ZERO;
        value.put(party.alone(), party, elements);
        value
    }

    /// `party`'s copy of the component that `holders` hold, or `None` where it is zero.
    ///
    /// # Panics
    /// Where `party` is none of them, or they are no one or two of three parties.
    pub fn copy(&self, holders: Parties, party: PartyId) -> Option<T> {
        self.copies[position(holders, party)]
    }

    /// The component that `party` alone holds.
    pub fn own(&self, party: PartyId) -> Option<T> {
        self.copy(party.alone(), party)
    }

    /// Makes a copy what it is to be.
    ///
    /// # Panics
    /// As [`Sharing::copy`].
    pub fn put(&mut self, holders: Parties, party: PartyId, copy: T) {
        self.copies[position(holders, party)] = Some(copy);
    }

    /// Every copy that is there, with the component's holders and whose copy it is.
    pub fn iter(&self) -> impl Iterator<Item = (Parties, PartyId, T)> {
        COPIES.iter().zip(self.copies).filter_map(|(&(holders, party), copy)| Some((holders, party, copy?)))
    }

    /// The holders of every component that is there.
    pub fn components(&self) -> impl Iterator<Item = Parties> {
        self.iter()
            .filter(|&(holders, party, _)| holders.lowest() == Some(party))
            .map(|(holders, ..)| holders)
    }

    /// Who alone knows the value, if somebody does.
    pub fn owner(&self) -> Option<PartyId> {
        let mut copies = self.iter();
        let (holders, party, _) = copies.next()?;
        (holders == party.alone() && copies.next().is_none()).then_some(party)
    }

    /// The same components, each copy as `change` makes it.
    pub fn map<U: Copy>(&self, mut change: impl FnMut(Parties, PartyId, T) -> U) -> Sharing<U> {
        Sharing::new(|holders, party| self.copy(holders, party).map(|copy| change(holders, party, copy)))
    }
}

fn position(holders: Parties, party: PartyId) -> usize {
    let is_it = |&(of, whose): &(Parties, PartyId)| of == holders && whose == party;
    COPIES.iter().position(is_it).expect("a copy of one of its holders")
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
    fn a_component_of_two_has_two_copies() {
        let pair = Parties::first(2);
        let value = Sharing::new(|holders, party| (holders == pair).then_some(party.0));
        assert_eq!(value.components().collect::<Vec<_>>(), [pair]);
        assert_eq!(value.map(|_, _, copy| copy + 1).copy(pair, PartyId(1)), Some(2));
    }
}
