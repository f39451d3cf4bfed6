//! The evaluator's labels, which come by oblivious transfer.
//!
//! [`LabelPairs`] are the messages of a transfer of chosen messages, and the evaluator's bits its choices: any oblivious transfer
//! does. Where random ones were made ahead of time, they are derandomised (Beaver, "Precomputing Oblivious Transfer", CRYPTO
//! 1995, Section 3): with the sender's random pair (r0, r1) and the receiver's c and rc,
//!
//! 1. the receiver sends d = c ⊕ b for its bit b;
//! 2. the sender sends (m0 ⊕ r_d, m1 ⊕ r_{1 ⊕ d}), of which the receiver opens number b by rc.
//!
//! [`RandomPairs::of`] and [`RandomChoices::of`] take those of [`crate::ot`].
//!
//! A bit for each one way and 32 bytes the other, in one round trip. Each random transfer is consumed by move: used twice, it
//! would tell the sum of two messages.

use super::error::GarbleError;
use super::label::{Bits, Label, Labels};
use crate::ot::{Blocks, ChosenReceiver, ChosenSender};

/// Both labels of each of the evaluator's input bits, in the order in which it has them.
pub struct LabelPairs {
    pub(super) zeros: Labels,
    pub(super) delta: Labels,
}

impl LabelPairs {
    /// How many.
    pub fn len(&self) -> usize {
        self.zeros.len()
    }

    /// Whether the evaluator has no bits.
    pub fn is_empty(&self) -> bool {
        self.zeros.is_empty()
    }

    /// The pairs as messages of a transfer: first the label that stands for 0.
    pub fn into_messages(self) -> impl Iterator<Item = [Label; 2]> {
        (0..self.zeros.len()).map(move |at| [self.zeros[at], self.zeros[at] ^ self.delta[0]])
    }

    /// Encrypts the pairs under random transfers, for a receiver who corrected its choices.
    ///
    /// # Errors
    /// Where there is not one of each for every pair.
    pub fn transfer(
        self,
        random: RandomPairs,
        corrections: &Corrections,
    ) -> Result<Transferred, GarbleError> {
        let count = self.len();
        let found = random.zeros.len().min(random.ones.len());
        if found != count {
            return Err(GarbleError::Inputs { expected: count, found });
        } else if corrections.0.len() != count.div_ceil(8) {
            return Err(GarbleError::Malformed("corrections"));
        }
        let mut masked = Vec::with_capacity(2 * count);
        for at in 0..count {
            let (r0, r1) = (random.zeros[at], random.ones[at]);
            // Both are exchanged where the choice was the other.
            let change = (r0 ^ r1).where_bit(corrections.0[at / 8] >> (at % 8));
            let zero = self.zeros[at];
            masked.extend([zero ^ r0 ^ change, zero ^ self.delta[0] ^ r1 ^ change]);
        }
        Ok(Transferred(masked))
    }
}

/// The sender's part of random transfers: two random messages each.
pub struct RandomPairs {
    /// The messages of choice 0.
    pub zeros: Labels,
    /// Those of choice 1.
    pub ones: Labels,
}

/// The receiver's part: random choices, and the message that each chose.
pub struct RandomChoices {
    /// 0 or 1 each.
    pub choices: Bits,
    /// The messages.
    pub chosen: Labels,
}

impl RandomPairs {
    /// Those of the module `ot`, made by any of its ways and in any number of batches: the pads of both bits.
    pub fn of(batches: impl IntoIterator<Item = ChosenSender>) -> RandomPairs {
        let batches: Vec<[Blocks; 2]> = batches.into_iter().map(|batch| batch.pads(1)).collect();
        let [zeros, ones] = [0, 1].map(|bit| labels(batches.iter().map(|pads| &pads[bit])));
        RandomPairs { zeros, ones }
    }
}

impl RandomChoices {
    /// Those of the module `ot`, for so many evaluations: the bits, and the pad of each.
    ///
    /// # Panics
    /// Where there are not equally many for each evaluation.
    pub fn of(batches: Vec<ChosenReceiver>, evaluations: usize) -> RandomChoices {
        let mut choices = Vec::with_capacity(batches.iter().map(|batch| batch.choices().len()).sum());
        batches.iter().for_each(|batch| choices.extend_from_slice(batch.choices()));
        let pads: Vec<Blocks> = batches.into_iter().map(|batch| batch.pads(1)).collect();
        RandomChoices { choices: Bits::new(evaluations, choices), chosen: labels(pads.iter()) }
    }
}

fn labels<'a>(batches: impl Iterator<Item = &'a Blocks> + Clone) -> Labels {
    let mut labels = Labels::zeros(batches.clone().map(|pads| pads.len()).sum());
    for (label, pad) in labels.iter_mut().zip(batches.flat_map(|pads| pads.iter())) {
        *label = Label::from_bytes(pad.bytes());
    }
    labels
}

/// By which choices the receiver's random ones are wrong, eight to a byte, the first lowest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corrections(pub Vec<u8>);

/// Both labels of each bit, encrypted: in the clear only to whoever has the chosen message.
#[derive(Debug)]
pub struct Transferred(Vec<Label>);

impl Transferred {
    /// Their bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|label| label.to_bytes()).collect()
    }

    /// Those in bytes.
    ///
    /// # Errors
    /// Where they are not pairs of labels.
    pub fn from_bytes(bytes: &[u8]) -> Result<Transferred, GarbleError> {
        let (pairs, rest) = bytes.as_chunks::<32>();
        if !rest.is_empty() {
            return Err(GarbleError::Malformed("transferred labels"));
        }
        let labels = pairs.iter().flat_map(|pair| pair.as_chunks::<16>().0);
        Ok(Transferred(labels.map(|&label| Label::from_bytes(label)).collect()))
    }
}

impl RandomChoices {
    /// Corrects the choices to the evaluator's bits.
    ///
    /// # Errors
    /// Where there is not a random transfer for each bit.
    pub fn correct(self, bits: &Bits) -> Result<(Corrections, Awaited), GarbleError> {
        let (expected, found) = (bits.len(), self.choices.len().min(self.chosen.len()));
        if expected != found || self.choices.len() != self.chosen.len() {
            return Err(GarbleError::Inputs { expected, found });
        }
        let wrong: Vec<u8> = bits.iter().zip(self.choices.iter()).map(|(bit, choice)| bit ^ choice).collect();
        Ok((Corrections(packed(&wrong)), Awaited { bits: bits.clone(), chosen: self.chosen }))
    }
}

/// The receiver's part until the labels come.
pub struct Awaited {
    bits: Bits,
    chosen: Labels,
}

impl Awaited {
    /// The labels of the evaluator's bits.
    ///
    /// # Errors
    /// Where there is not a pair for each.
    pub fn receive(self, transferred: &Transferred) -> Result<Labels, GarbleError> {
        let (expected, found) = (2 * self.bits.len(), transferred.0.len());
        if expected != found {
            return Err(GarbleError::Length { what: "transferred labels", expected, found });
        }
        let (pairs, _) = transferred.0.as_chunks::<2>();
        let chosen = pairs.iter().zip(self.bits.iter()).zip(self.chosen.iter());
        Ok(chosen.map(|((&[zero, one], &bit), &mask)| zero ^ (zero ^ one).where_bit(bit) ^ mask).collect())
    }
}

/// Bits, eight to a byte, the first lowest.
pub(super) fn packed(bits: &[u8]) -> Vec<u8> {
    bits.chunks(8).map(|bits| bits.iter().rev().fold(0, |byte, bit| byte << 1 | bit)).collect()
}
