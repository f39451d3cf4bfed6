//! Masks of bits and shares of their products, for conjunctions of several bits in one round (Ohata and Nuida,
//! "Communication-Efficient (Client-Aided) Secure Two-Party Protocols and Its Application", FC 2020, section 3.2).
//!
//! **Functionality.** For a level of a tree (see [`crate::step::bits`]): a uniform bit for each factor, of which each
//! party draws a part, and XOR shares of the products of these that the level needs.
//!
//! **Steps of the dealer.** Draw both parts of the masks and party 0's share of the products; send party 1's.
//! **Bytes.** One bit for each product of each element, to party 1 only: 22 for a group of four. **Rounds.** One
//! message, before the inputs.
//!
//! Those of a *pairwise* level are delivered: each party is sent its parts of the masks and its shares of the products (see
//! [`super::pair`]).

use super::{Acquisition, DRAWS, IS_SENT, Part, Writer};
use crate::ring::{Ring, Shape};
use crate::share::PartyId;
use crate::step::bits::{FAN_IN, Level, PAIR, planes};
use crate::step::{Action, BufferId, Kernel, Matrix, MemoryClass, StepList};
use serde::{Deserialize, Serialize};

const CLASS: MemoryClass = MemoryClass::Correlations;

/// More digits than any ring has.
const MOST_DIGITS: u32 = 64;

/// For which level, and how many elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MonomialsSpec {
    /// The level.
    pub level: Level,
    /// The number of elements that are compared.
    pub elements: usize,
}

/// A party's parts, consumed by move.
#[derive(Debug)]
pub struct Monomials {
    /// Its parts of the factors' masks, planes.
    pub masks: Matrix<BufferId>,
    /// Its shares of the products, planes.
    pub monomials: Matrix<BufferId>,
}

impl MonomialsSpec {
    pub(super) fn malformed(&self) -> Option<&'static str> {
        let valid = (2..=MOST_DIGITS).contains(&self.level.digits);
        let joins = [FAN_IN, PAIR].contains(&self.level.fan_in);
        (!valid || !joins).then_some("a level of too few or too many digits, or that joins too many")
    }

    /// Whether each party is sent all of its parts.
    pub const fn is_delivered(&self) -> bool {
        self.level.fan_in == PAIR
    }

    /// Ring elements that the parties are sent.
    pub(super) fn correction_elements(&self, ring: Ring) -> usize {
        let products = self.planes(ring).len();
        if self.is_delivered() { 2 * (self.masks(ring).len() + products) } else { products }
    }

    /// The shape of the shares of the products.
    pub fn planes(&self, ring: Ring) -> Shape {
        planes(ring, self.level.monomials(), self.elements)
    }

    /// The steps by which `party` comes by its parts.
    pub fn acquire(&self, list: &mut StepList, acquisition: Acquisition, party: PartyId) -> Monomials {
        let (masks, shape) = (self.masks(list.ring), self.planes(list.ring));
        let mut writer = Writer { list, acquisition };
        if self.is_delivered() {
            let [masks, monomials] =
                [(masks, 0), (shape, 1)].map(|(shape, number)| writer.receive(shape, CLASS, number));
            return Monomials { masks, monomials };
        }
        Monomials {
            masks: writer.draw(masks, party, Part::Mask, CLASS),
            monomials: writer.dependent(shape, party, Part::Product, CLASS, 0),
        }
    }

    /// The dealer's steps.
    pub(super) fn deal(&self, list: &mut StepList, acquisition: Acquisition) {
        let (masks, shape) = (self.masks(list.ring), self.planes(list.ring));
        let mut writer = Writer { list, acquisition };
        let masks = [DRAWS, IS_SENT].map(|party| writer.draw(masks, party, Part::Mask, CLASS));
        let out = writer.draw(shape, DRAWS, Part::Product, CLASS);
        let share = self.is_delivered().then(|| writer.multiple(out, 1));
        writer.push(Action::Kernel(Kernel::MaskProducts { out, masks, level: self.level }));
        let Some(share) = share else { return writer.correct(out, 0) };
        for (party, mask, products) in [(DRAWS, masks[0], share), (IS_SENT, masks[1], out)] {
            writer.deliver(mask, party, 0);
            writer.deliver(products, party, 1);
        }
    }

    pub(super) fn masks(&self, ring: Ring) -> Shape {
        planes(ring, self.level.factors(), self.elements)
    }
}
