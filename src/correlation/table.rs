//! Shared tables of a mask's digits, for comparing what it hides (one-time truth tables: Ishai, Kushilevitz, Meldgaard,
//! Orlandi, Paskin-Cherniavsky, "On the Power of Correlated Randomness in Secure Computation", TCC 2013).
//!
//! **Functionality.** XOR shares of the thermometer codes of the low bits of an earlier mask r (see
//! [`crate::step::bits`]), and of the bit behind them if wanted.
//!
//! **Steps of the dealer.** Draw party 0's share T_0; send T_1 = T_0 ⊕ the table. **Bytes.** 15 bits for each four bits
//! of each element, to party 1 only. **Rounds.** One message, before the inputs.
//!
//! **Deviation.** The source shares the one-hot vector of a digit, sixteen bits; its running sums are fifteen, and both
//! [c < r] and [c ≤ r] are then one of them.

use super::{Acquisition, DRAWS, EntryId, Part, Writer};
use crate::ring::{Ring, Shape};
use crate::share::PartyId;
use crate::step::bits::{planes, table_planes};
use crate::step::{Action, BufferId, Kernel, Matrix, MemoryClass, StepList};
use serde::{Deserialize, Serialize};

const CLASS: MemoryClass = MemoryClass::Correlations;

/// Of which mask, and of how many of its bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableSpec {
    /// An earlier entry: a mask, or a truncation pair for its mask.
    pub mask: EntryId,
    /// The mask's shape.
    pub shape: Shape,
    /// The number of low bits that have digits.
    pub bits: u32,
    /// Whether the bit behind them is shared as well.
    pub top: bool,
}

/// A party's share of a table, consumed by move. What is picked from it depends on public numbers alone, and is opened
/// only under masked bits, so comparisons of one opened value with several constants pick from the same table.
#[derive(Debug)]
pub struct Table(pub Matrix<BufferId>);

impl TableSpec {
    /// `mask` gives the shape of an earlier entry that has a mask.
    pub(super) fn malformed(
        &self,
        ring: Ring,
        mask: impl Fn(EntryId) -> Option<Shape>,
    ) -> Option<&'static str> {
        if self.bits == 0 || self.bits > ring.bits() - u32::from(self.top) {
            return Some("a table of no bit, or of more than the ring has");
        }
        (mask(self.mask) != Some(self.shape)).then_some("a table of no earlier mask of its shape")
    }

    /// The shape of the shares.
    pub fn planes(&self, ring: Ring) -> Shape {
        planes(ring, table_planes(self.bits, self.top), self.shape.len())
    }

    /// The step by which `party` comes by its share.
    pub fn acquire(&self, list: &mut StepList, acquisition: Acquisition, party: PartyId) -> Table {
        let shape = self.planes(list.ring);
        let mut writer = Writer { list, acquisition };
        Table(writer.dependent(shape, party, Part::Product, CLASS, 0))
    }

    /// The dealer's steps; `mask` is the whole mask.
    pub(super) fn deal(&self, list: &mut StepList, acquisition: Acquisition, mask: Matrix<BufferId>) {
        let shape = self.planes(list.ring);
        let mut writer = Writer { list, acquisition };
        let out = writer.draw(shape, DRAWS, Part::Product, CLASS);
        writer.push(Action::Kernel(Kernel::TruthTable { out, mask, bits: self.bits, top: self.top }));
        writer.correct(out, 0);
    }
}
