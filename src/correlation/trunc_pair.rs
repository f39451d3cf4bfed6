//! Truncation pairs with the mask's top bit, for truncation that cannot fail (Dalskov, Escudero, Keller, "Secure
//! Evaluation of Quantized Neural Networks", PoPETs 2020; Escudero, Ghosh, Keller, Rachuri, Scholl, "Improved
//! Primitives for MPC over Mixed Arithmetic-Binary Circuits", CRYPTO 2020).
//!
//! **Functionality.** A mask r, uniform modulo 2^w with w ≤ k, and shares modulo 2^k of its top bit r ≫ (w−1) and of its
//! middle bits (r mod 2^(w−1)) ≫ m. The parts of r are drawn modulo 2^k; what lies above their low w bits counts for
//! nothing, and is sent by nobody.
//!
//! What is made of the top bit is multiplied by 2^(w−1−m) (see [`crate::protocol::beaver`]), so of its shares only the low
//! q = k − (w−1−m) bits count: the products of numbers that agree modulo 2^q agree modulo 2^k. The rest of party 1's is not
//! sent. What is sent is uniform modulo 2^q, since party 0's share is.
//!
//! **Steps of the dealer.** Draw r_0, r_1 and party 0's shares; send party 1's two. **Bytes.** One element and q bits for
//! each element of r, to party 1 only: with k = w = 64 and m = 16 that are 64 + 17 bits. **Rounds.** One message, before the
//! inputs.

use super::{Acquisition, DRAWS, IS_SENT, Part, Writer, narrower};
use crate::ring::{Ring, Shape};
use crate::share::PartyId;
use crate::step::{Action, BufferId, Kernel, Matrix, MemoryClass, StepList};
use serde::{Deserialize, Serialize};

const CLASS: MemoryClass = MemoryClass::Correlations;

/// How many values are truncated, and by how many bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TruncPairSpec {
    /// The shape of the mask.
    pub shape: Shape,
    /// m.
    pub bits: u32,
    /// w.
    pub width: u32,
}

/// A party's parts of a truncation pair, consumed by move.
#[derive(Debug)]
pub struct TruncPair {
    /// Its part of the mask.
    pub mask: Matrix<BufferId>,
    /// Its share of the mask's top bit.
    pub top: Matrix<BufferId>,
    /// Its share of the mask's middle bits.
    pub high: Matrix<BufferId>,
}

impl TruncPairSpec {
    pub(super) fn malformed(&self, ring: Ring) -> Option<&'static str> {
        let fits = self.width.checked_sub(2).is_some_and(|most| (1..=most).contains(&self.bits));
        let valid = fits && self.width <= ring.bits();
        (!valid).then_some("a truncation by no bit, or by more than the ring has to give")
    }

    /// q, of which the shares of the top bit are right.
    pub(super) const fn top_bits(&self, ring: Ring) -> u32 {
        ring.bits() + 1 + self.bits - self.width
    }

    /// Ring elements that party 1 is sent.
    pub(super) fn correction_elements(&self, ring: Ring) -> usize {
        let top = narrower(ring, self.top_bits(ring), self.shape).unwrap_or(self.shape);
        self.shape.len() + top.len()
    }

    /// The steps by which `party` comes by its parts.
    pub fn acquire(&self, list: &mut StepList, acquisition: Acquisition, party: PartyId) -> TruncPair {
        let top_bits = self.top_bits(list.ring);
        let mut writer = Writer { list, acquisition };
        TruncPair {
            mask: writer.draw(self.shape, party, Part::TruncMask, CLASS),
            top: writer.dependent_low(self.shape, party, Part::Top, (CLASS, 0), top_bits),
            high: writer.dependent(self.shape, party, Part::High, CLASS, 1),
        }
    }

    /// The dealer's steps; the whole mask, where it is wanted for more.
    pub(super) fn deal(
        &self,
        list: &mut StepList,
        acquisition: Acquisition,
        wants_mask: bool,
    ) -> Option<Matrix<BufferId>> {
        let top_bits = self.top_bits(list.ring);
        let mut writer = Writer { list, acquisition };
        let masks = [DRAWS, IS_SENT].map(|party| writer.draw(self.shape, party, Part::TruncMask, CLASS));
        let top = writer.draw(self.shape, DRAWS, Part::Top, CLASS);
        let high = writer.draw(self.shape, DRAWS, Part::High, CLASS);
        writer.push(Action::Kernel(Kernel::TruncPair {
            masks,
            top,
            high,
            bits: self.bits,
            width: self.width,
        }));
        writer.correct_low(top, 0, top_bits);
        writer.correct(high, 1);
        wants_mask.then(|| writer.total(self.shape, masks.to_vec()))
    }
}
