//! Random bits, shared both ways, and shares of their products with masks (the bits are the daBits of Rotaru and Wood,
//! "MArBled Circuits: Mixing Arithmetic and Boolean Circuits with Active Security", INDOCRYPT 2019, dealt).
//!
//! **Functionality.** A *bit*: for each element a uniform bit ρ, of which each party draws an XOR part, and additive
//! shares of ρ. A *bit product*: additive shares of ρ·a for an earlier bit and an earlier mask a.
//!
//! **Steps of the dealer.** Draw the parts and party 0's share; send party 1's. **Bytes.** One element for each element
//! of either, to party 1 only. **Rounds.** One message, before the inputs.

use super::{Acquisition, DRAWS, EntryId, IS_SENT, Part, Writer};
use crate::ring::Shape;
use crate::share::PartyId;
use crate::step::bits::planes;
use crate::step::{Action, BufferId, Kernel, Matrix, MemoryClass, StepList};
use serde::{Deserialize, Serialize};

const CLASS: MemoryClass = MemoryClass::Correlations;

/// The number of bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BitSpec {
    /// The shape of the elements that they belong to.
    pub shape: Shape,
}

/// A party's parts of random bits.
#[derive(Clone, Copy, Debug)]
pub struct Bit {
    /// Its part of ρ, a plane. It hides one bit, once.
    pub mask: Matrix<BufferId>,
    /// Its share of ρ.
    pub share: Matrix<BufferId>,
}

/// Which bits times which mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BitProductSpec {
    /// An earlier entry: bits.
    pub bit: EntryId,
    /// An earlier entry: a mask.
    pub mask: EntryId,
    /// The shape of both.
    pub shape: Shape,
}

/// A party's share of the product of bits and a mask, consumed by move.
#[derive(Debug)]
pub struct BitProduct(pub Matrix<BufferId>);

impl BitSpec {
    /// The steps by which `party` comes by its parts.
    pub fn acquire(&self, list: &mut StepList, acquisition: Acquisition, party: PartyId) -> Bit {
        let plane = planes(list.ring, 1, self.shape.len());
        let mut writer = Writer { list, acquisition };
        Bit {
            mask: writer.draw(plane, party, Part::Mask, CLASS),
            share: writer.dependent(self.shape, party, Part::Product, CLASS, 0),
        }
    }

    /// The dealer's steps: the bits, a plane.
    pub(super) fn deal(&self, list: &mut StepList, acquisition: Acquisition) -> Matrix<BufferId> {
        let plane = planes(list.ring, 1, self.shape.len());
        let mut writer = Writer { list, acquisition };
        let [left, right] = [DRAWS, IS_SENT].map(|party| writer.draw(plane, party, Part::Mask, CLASS));
        let out = writer.buffer(plane, CLASS);
        writer.push(Action::Kernel(Kernel::Xor { out, left, right, flip: false }));
        send_products(&mut writer, self.shape, out, None);
        out
    }
}

impl BitProductSpec {
    /// `bit` and `mask` give the shapes of earlier entries that are such.
    pub(super) fn malformed(&self, bit: Option<Shape>, mask: Option<Shape>) -> Option<&'static str> {
        let valid = bit == Some(self.shape) && mask == Some(self.shape);
        (!valid).then_some("a product of no earlier bits and mask of its shape")
    }

    /// The step by which `party` comes by its share.
    pub fn acquire(&self, list: &mut StepList, acquisition: Acquisition, party: PartyId) -> BitProduct {
        let mut writer = Writer { list, acquisition };
        BitProduct(writer.dependent(self.shape, party, Part::Product, CLASS, 0))
    }

    /// The dealer's steps, given the bits and the whole mask.
    pub(super) fn deal(
        &self,
        list: &mut StepList,
        acquisition: Acquisition,
        bits: Matrix<BufferId>,
        mask: Matrix<BufferId>,
    ) {
        send_products(&mut Writer { list, acquisition }, self.shape, bits, Some(mask));
    }
}

/// Party 1's share of ρ times the value, or of ρ itself: the product less party 0's.
fn send_products(
    writer: &mut Writer<'_>,
    shape: Shape,
    bits: Matrix<BufferId>,
    value: Option<Matrix<BufferId>>,
) {
    let out = writer.buffer(shape, CLASS);
    let constant = u64::from(value.is_none());
    let product = Kernel::Mux { out, bits, value, constant, hidden: None, accumulate: false };
    writer.push(Action::Kernel(product));
    writer.correct_product(out);
}
