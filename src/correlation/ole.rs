//! Shares of products of two parties' random bits (oblivious linear evaluation over bits: Naor and Pinkas, "Oblivious Transfer
//! and Polynomial Evaluation", STOC 1999; a correlated transfer of bits is one).
//!
//! **Functionality.** Uniform bits v of party 0 and c of party 1, and XOR shares u ⊕ w = v·c. With bits x of party 0 and y of
//! party 1, d = x ⊕ v and e = y ⊕ c that they tell each other, the product x·y has the shares e·v ⊕ u of party 0 and d·y ⊕ w of
//! party 1, since d·y ⊕ e·v = (x ⊕ v)·y ⊕ (y ⊕ c)·v = x·y ⊕ c·v.
//!
//! **Delivered.** Each party is sent both of its parts, and draws none: two parties that make these by transfers have them as they
//! fall, and tell each other nothing.
//!
//! **Steps of the dealer.** Draw v, c and u; send v and u to party 0, c and w = v·c ⊕ u to party 1. **Bytes.** Four bits for each
//! product. **Rounds.** One message, before the inputs.

use super::{Acquisition, DRAWS, IS_SENT, Part, Writer};
use crate::ring::{Ring, Shape};
use crate::step::bits::planes;
use crate::step::{Action, BufferId, Kernel, Matrix, MemoryClass, StepList};
use serde::{Deserialize, Serialize};

const CLASS: MemoryClass = MemoryClass::Correlations;

/// More bits of an element than any ring has.
const MOST_BITS: u32 = 64;

/// The number of products.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OleSpec {
    /// Products of each element: planes.
    pub bits: u32,
    /// The number of elements.
    pub elements: usize,
}

/// A party's parts, consumed by move.
#[derive(Debug)]
pub struct Ole {
    /// Its bits, v or c. Each hides one bit, once.
    pub mask: Matrix<BufferId>,
    /// Its shares of their products, u or w.
    pub product: Matrix<BufferId>,
}

impl OleSpec {
    pub(super) fn malformed(&self) -> Option<&'static str> {
        (!(1..=MOST_BITS).contains(&self.bits))
            .then_some("products of no bit, or of more than an element has")
    }

    /// The shape of the bits, and of the shares.
    pub fn planes(&self, ring: Ring) -> Shape {
        planes(ring, self.bits, self.elements)
    }

    /// The steps by which a party comes by its parts.
    pub fn acquire(&self, list: &mut StepList, acquisition: Acquisition) -> Ole {
        let shape = self.planes(list.ring);
        let mut writer = Writer { list, acquisition };
        Ole { mask: writer.receive(shape, CLASS, 0), product: writer.receive(shape, CLASS, 1) }
    }

    /// The dealer's steps.
    pub(super) fn deal(&self, list: &mut StepList, acquisition: Acquisition) {
        let shape = self.planes(list.ring);
        let mut writer = Writer { list, acquisition };
        let [left, right] = [DRAWS, IS_SENT].map(|party| writer.draw(shape, party, Part::Mask, CLASS));
        let share = writer.draw(shape, DRAWS, Part::Product, CLASS);
        let out = writer.buffer(shape, CLASS);
        writer.push(Action::Kernel(Kernel::And { out, left, right, addend: share }));
        for (party, mask, product) in [(DRAWS, left, share), (IS_SENT, right, out)] {
            writer.deliver(mask, party, 0);
            writer.deliver(product, party, 1);
        }
    }
}
