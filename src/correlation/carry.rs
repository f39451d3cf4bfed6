//! What makes a carry of two parties' bits: one knows a mask's top bit, the other learns the top bit of what the mask hides,
//! and both need shares of the exclusive or of these.
//!
//! **Functionality.** For an earlier mask r that party 0 alone draws, with b = (r mod 2^w) ≫ (w−1): uniform bits τ, which
//! party 1 alone draws, and additive shares p_0 + p_1 = τ·b. They are right modulo 2^q with q = k − w + m: what a
//! truncation by m bits makes of them is multiplied by 2^(w−m), so that no more bits count (see
//! [`crate::protocol::beaver`]).
//!
//! **What is kept of it.** With bits t of party 1, and d = t ⊕ τ that it tells party 0, v = t ⊕ b has the shares
//! v_1 = t + g·(1 − 2t) of party 1, where g = −2·(1 − 2τ)·p_1, and v_0 = (1 − 2d)·u of party 0, where u = b − 2·p_0: their sum
//! is t + (1 − 2d)·(b − 2·τ·b) = t + (1 − 2d)·(1 − 2τ)·b = t + (1 − 2t)·b. Both g and u are known before t is.
//!
//! **Steps of the dealer.** Draw r, τ and p_0; send p_1 = τ·b − p_0. **Bytes.** q bits for each element, to party 1 only:
//! with k = w = 64 and m = 16 two bytes. **Rounds.** One message, before the inputs.

use super::{Acquisition, DRAWS, EntryId, IS_SENT, Part, Writer, narrower};
use crate::ring::{MINUS_ONE, Ring, Shape};
use crate::step::bits::planes;
use crate::step::{Action, BufferId, Kernel, Matrix, MemoryClass, StepList};
use serde::{Deserialize, Serialize};

const CLASS: MemoryClass = MemoryClass::Correlations;

/// Of which mask, for which truncation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CarrySpec {
    /// An earlier entry: a mask that party 0 alone draws.
    pub mask: EntryId,
    /// The mask's shape.
    pub shape: Shape,
    /// m.
    pub bits: u32,
    /// w.
    pub width: u32,
}

/// Party 0's part, consumed by move.
#[derive(Debug)]
pub struct KnownMask {
    /// u.
    pub sign: Matrix<BufferId>,
    /// The mask's middle bits, (r mod 2^(w−1)) ≫ m.
    pub high: Matrix<BufferId>,
}

/// Party 1's part, consumed by move.
#[derive(Debug)]
pub struct KnownSum {
    /// τ, a plane. It hides one bit of each element, once.
    pub mask: Matrix<BufferId>,
    /// g.
    pub top: Matrix<BufferId>,
    /// Zero: of the mask's middle bits it has nothing.
    pub high: Matrix<BufferId>,
}

impl CarrySpec {
    /// `mask` gives the shape of an earlier mask that party 0 alone draws.
    pub(super) fn malformed(
        &self,
        ring: Ring,
        mask: impl Fn(EntryId) -> Option<Shape>,
    ) -> Option<&'static str> {
        let fits = self.width.checked_sub(2).is_some_and(|most| (1..=most).contains(&self.bits));
        if !fits || self.width > ring.bits() {
            return Some("a carry of no bit, or of more than the ring has to give");
        }
        (mask(self.mask) != Some(self.shape)).then_some("a carry of no mask that party 0 alone draws")
    }

    /// q.
    pub(super) const fn low_bits(&self, ring: Ring) -> u32 {
        ring.bits() + self.bits - self.width
    }

    /// Ring elements that party 1 is sent.
    pub(super) fn correction_elements(&self, ring: Ring) -> usize {
        narrower(ring, self.low_bits(ring), self.shape).unwrap_or(self.shape).len()
    }

    /// The steps by which party 0 comes by its part; `mask` is r.
    pub fn acquire_first(
        &self,
        list: &mut StepList,
        acquisition: Acquisition,
        mask: Matrix<BufferId>,
    ) -> KnownMask {
        let mut writer = Writer { list, acquisition };
        let product = writer.draw(self.shape, DRAWS, Part::Product, CLASS);
        let [nothing, top, high] = [(); 3].map(|()| writer.multiple(mask, 0));
        let (masks, bits, width) = ([mask, nothing], self.bits, self.width);
        writer.push(Action::Kernel(Kernel::TruncPair { masks, top, high, bits, width }));
        let sign = writer.buffer(self.shape, CLASS);
        let terms = vec![(1, top), (2u64.wrapping_neg(), product)];
        writer.push(Action::Kernel(Kernel::Linear { out: sign, terms, constant: 0 }));
        KnownMask { sign, high }
    }

    /// The steps by which party 1 comes by its part.
    pub fn acquire_second(&self, list: &mut StepList, acquisition: Acquisition) -> KnownSum {
        let (plane, low_bits) = (planes(list.ring, 1, self.shape.len()), self.low_bits(list.ring));
        let mut writer = Writer { list, acquisition };
        let mask = writer.draw(plane, IS_SENT, Part::Mask, CLASS);
        let share = writer.dependent_low(self.shape, IS_SENT, Part::Product, (CLASS, 0), low_bits);
        let signed = writer.buffer(self.shape, CLASS);
        let hidden = Some(share);
        let mux =
            Kernel::Mux { out: signed, bits: mask, value: None, constant: 0, hidden, accumulate: false };
        writer.push(Action::Kernel(mux));
        KnownSum { mask, top: writer.multiple(signed, 2u64.wrapping_neg()), high: writer.multiple(signed, 0) }
    }

    /// The dealer's steps; `mask` is r.
    pub(super) fn deal(&self, list: &mut StepList, acquisition: Acquisition, mask: Matrix<BufferId>) {
        let (ring, plane) = (list.ring, planes(list.ring, 1, self.shape.len()));
        let mut writer = Writer { list, acquisition };
        let bits = writer.draw(plane, IS_SENT, Part::Mask, CLASS);
        let first = writer.draw(self.shape, DRAWS, Part::Product, CLASS);
        // The sign of r·2^(k−w): −b.
        let operand = match ring.bits() - self.width {
            0 => mask,
            up => writer.multiple(mask, 1 << up),
        };
        let negated = writer.buffer(self.shape, CLASS);
        writer.push(Action::Kernel(Kernel::Shift { out: negated, operand, bits: ring.bits() - 1 }));
        let product = writer.buffer(self.shape, CLASS);
        let value = Some(negated);
        let mux = Kernel::Mux { out: product, bits, value, constant: 0, hidden: None, accumulate: false };
        writer.push(Action::Kernel(mux));
        let out = writer.buffer(self.shape, CLASS);
        let terms = vec![(MINUS_ONE, product), (MINUS_ONE, first)];
        writer.push(Action::Kernel(Kernel::Linear { out, terms, constant: 0 }));
        writer.correct_low(out, 0, self.low_bits(ring));
    }
}
