//! Random oblivious transfers of whole labels.
//!
//! **Functionality.** For each transfer two uniform messages of 128 bits, which party 0 alone draws, and a uniform bit c, which
//! party 1 alone draws; party 1 has message c. As ring elements a message is 128/k words: party 0 draws z and a for each, message
//! 0 is z and message 1 is z + a, so that party 1 has z + c·a. All words of a message are chosen by the same c.
//!
//! **Steps of the dealer.** Draw z, a and c; send z + c·a. **Bytes.** 16 for each transfer, to party 1 only. **Rounds.** One
//! message for each word of a label, none of which waits for another, before the inputs.

use super::{Acquisition, DRAWS, IS_SENT, Part, Writer};
use crate::ring::{Ring, Shape};
use crate::step::bits::planes;
use crate::step::{Action, BufferId, Kernel, Matrix, MemoryClass, StepList};
use serde::{Deserialize, Serialize};

const CLASS: MemoryClass = MemoryClass::Correlations;

/// Bits of a message.
const MESSAGE_BITS: u32 = 128;

/// The number of transfers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransferSpec {
    /// The shape of each word of all messages: an element for each transfer.
    pub shape: Shape,
}

/// Party 0's part, consumed by move.
#[derive(Debug)]
pub struct TransferPairs {
    /// The words z of all messages 0.
    pub zeros: Vec<Matrix<BufferId>>,
    /// What the words of messages 1 have more, a.
    pub differences: Vec<Matrix<BufferId>>,
}

/// Party 1's part, consumed by move.
#[derive(Debug)]
pub struct TransferChoices {
    /// The bits c, a plane. Each hides one bit, once.
    pub choices: Matrix<BufferId>,
    /// The words of the chosen messages.
    pub chosen: Vec<Matrix<BufferId>>,
}

impl TransferSpec {
    /// Words of a message.
    pub const fn words(ring: Ring) -> u32 {
        MESSAGE_BITS / ring.bits()
    }

    /// Ring elements that party 1 is sent.
    pub(super) fn correction_elements(&self, ring: Ring) -> usize {
        TransferSpec::words(ring) as usize * self.shape.len()
    }

    /// The streams of party 0's words: of z, and of a.
    pub(super) fn streams(ring: Ring) -> [impl Iterator<Item = u64>; 2] {
        let words = u64::from(TransferSpec::words(ring));
        [0..words, words..2 * words]
    }

    /// The steps by which party 0 comes by its part.
    pub fn acquire_first(&self, list: &mut StepList, acquisition: Acquisition) -> TransferPairs {
        let [zeros, differences] = self.words_of_first(&mut Writer { list, acquisition });
        TransferPairs { zeros, differences }
    }

    /// The steps by which party 1 comes by its part.
    pub fn acquire_second(&self, list: &mut StepList, acquisition: Acquisition) -> TransferChoices {
        let (ring, plane) = (list.ring, planes(list.ring, 1, self.shape.len()));
        let mut writer = Writer { list, acquisition };
        let choices = writer.draw(plane, IS_SENT, Part::Mask, CLASS);
        let words = 0..TransferSpec::words(ring);
        let chosen = words.map(|word| writer.receive(self.shape, CLASS, word)).collect();
        TransferChoices { choices, chosen }
    }

    /// The dealer's steps.
    pub(super) fn deal(&self, list: &mut StepList, acquisition: Acquisition) {
        let plane = planes(list.ring, 1, self.shape.len());
        let mut writer = Writer { list, acquisition };
        let bits = writer.draw(plane, IS_SENT, Part::Mask, CLASS);
        let [zeros, differences] = self.words_of_first(&mut writer);
        for (word, (zero, difference)) in (0..).zip(zeros.into_iter().zip(differences)) {
            let product = writer.buffer(self.shape, CLASS);
            let value = Some(difference);
            let mux = Kernel::Mux { out: product, bits, value, constant: 0, hidden: None, accumulate: false };
            writer.push(Action::Kernel(mux));
            let chosen = writer.total(self.shape, vec![product, zero]);
            writer.correct(chosen, word);
        }
    }

    /// z and a, as party 0 and the dealer draw them.
    fn words_of_first(&self, writer: &mut Writer<'_>) -> [Vec<Matrix<BufferId>>; 2] {
        let streams = TransferSpec::streams(writer.list.ring);
        streams.map(|of| of.map(|stream| writer.draw_stream(self.shape, DRAWS, stream, CLASS)).collect())
    }
}
