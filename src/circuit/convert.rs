//! Conversions: a function of numbers that two parties share additively, garbled, with fresh additive shares as its result.
//!
//! **Functionality.** Party 0, the garbler, and party 1, the evaluator, have parts x_0 and x_1 of numbers x = x_0 + x_1
//! modulo 2^k. They come by parts of f(x) that are uniform but for their sum.
//!
//! **Circuit.** Its inputs are bits of the parts, and a mask r for each number of f(x), which the garbler draws; it adds the
//! parts, computes f, for which it may draw bits as well, and gives f(x) − r to the evaluator (Demmler, Schneider, Zohner, "ABY – A Framework for Efficient
//! Mixed-Protocol Secure Two-Party Computation", NDSS 2015, Sections III-D and III-E). The garbler's part of the result is r.
//!
//! **Labels.** Each of the evaluator's bits b takes a random oblivious transfer of a whole label, made of correlations that hold
//! whatever their source ([`crate::correlation`]): the garbler has two keys, and the evaluator a bit c and key c. It is
//! derandomised once ([`super::garble`]): the evaluator sends b ⊕ c, and the garbler both labels, each under the key of its
//! place.
//!
//! **Messages.** The evaluator's corrections, one bit for each of its bits; then the garbler's opening, labels, transferred
//! labels, tables and decoding ([`super::garble`]). **Rounds.** 2, whatever f is.
//!
//! **Security model.** Semi-honest. The garbler sees b ⊕ c, where c is uniform and the evaluator's alone. The evaluator knows
//! nothing of the other key of a bit. What both send is consumed once: [`super::garble`] states what garbling adds.
//! An evaluator that deviates can enter other bits than those of its parts, as it can open other parts of its values; but a bit
//! of its message chooses a whole label, so that it has one of each wire, as in a garbled run.

#[cfg(any(test, feature = "testing"))]
pub(crate) mod fuzz;
#[cfg(test)]
mod tests;

use super::garble::{
    Bits, Corrections, Decoding, Evaluator, GarbleError, Garbler, LABEL_BYTES, Label, Labels, Opening, Piece,
    RandomChoices, RandomPairs, Started, Traffic, Transferred, label_bytes,
};
use super::schedule::Schedule;
use crate::ring::Ring;
use crate::ring::prg::PrgKey;
use crate::share::PartyId;
use serde::{Serialize, Serializer};
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Bytes of an opening, and of a piece's header.
const OPENING_BYTES: usize = 56;
const PIECE_HEADER_BYTES: usize = 24;

/// Numbers of which the circuit takes the low bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Given {
    /// The count of numbers.
    pub elements: usize,
    /// Bits of each.
    pub bits: usize,
}

/// What enters the circuit, in its order, but for the masks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entering {
    /// By party: its parts. Those of party 0 are followed by the coins, and these by the masks.
    pub given: [Vec<Given>; 2],
    /// Random bits that the garbler draws for the circuit.
    pub coins: usize,
}

/// A conversion: the circuit, and the numbers that enter and leave it.
pub struct Conversion {
    schedule: Arc<Schedule>,
    ring: Ring,
    entering: Entering,
    /// Numbers of each result.
    results: Vec<usize>,
    /// The evaluator's bits.
    evaluator_bits: usize,
}

/// The garbler's part of the random transfers: matrices of words, the lowest of all keys first.
#[derive(Clone, Copy)]
pub struct GarblerKeys<'a> {
    /// The words of keys 0.
    pub zeros: &'a [&'a [u8]],
    /// By how much the words of keys 1 exceed them.
    pub differences: &'a [&'a [u8]],
}

/// The evaluator's part.
#[derive(Clone, Copy)]
pub struct EvaluatorKeys<'a> {
    /// c, a plane.
    pub choices: &'a [u8],
    /// The words of the chosen keys.
    pub chosen: &'a [&'a [u8]],
}

/// A party's parts of the results.
pub type Results = Vec<Zeroizing<Vec<u8>>>;

impl Conversion {
    /// The conversion of a circuit whose inputs are those, then party 0's masks, and whose outputs go to party 1.
    ///
    /// # Panics
    /// Where the circuit has other inputs or outputs.
    pub fn new(schedule: Schedule, ring: Ring, entering: Entering, results: Vec<usize>) -> Conversion {
        let evaluator_bits = schedule.input_bits_of(PartyId(1));
        let schedule = Arc::new(schedule);
        let conversion = Conversion { schedule, ring, entering, results, evaluator_bits };
        let masks = conversion.result_elements() * ring.bits() as usize;
        let bits = |party: usize| -> usize {
            conversion.entering.given[party].iter().map(|given| given.elements * given.bits).sum()
        };
        let garblers = bits(0) + conversion.entering.coins + masks;
        assert_eq!(conversion.schedule.input_bits_of(PartyId(0)), garblers, "party 0's inputs");
        assert_eq!(evaluator_bits, bits(1), "party 1's inputs");
        assert_eq!(conversion.schedule.output_bits_to(PartyId(1)), masks, "the results");
        conversion
    }

    fn result_elements(&self) -> usize {
        self.results.iter().sum()
    }

    /// Words of a label.
    pub fn label_words(&self) -> usize {
        LABEL_BYTES / self.ring.element_bytes()
    }

    /// AND gates.
    pub fn gates(&self) -> u64 {
        self.schedule.and_count() as u64
    }

    /// The number of random transfers that it consumes.
    pub fn transfers(&self) -> usize {
        self.evaluator_bits
    }

    /// Words of a plane of so many bits.
    fn plane_words(&self) -> usize {
        self.transfers().div_ceil(self.ring.bits() as usize)
    }

    fn plane_bytes(&self) -> usize {
        self.plane_words() * self.ring.element_bytes()
    }

    /// Ring elements of the garbler's message.
    pub fn message_elements(&self) -> usize {
        let bytes = Traffic::of(&self.schedule, 1).garbler_bytes as usize;
        bytes.div_ceil(self.ring.element_bytes())
    }

    /// The most bytes that a party holds in host memory while it garbles or evaluates, beside what it reads and writes: labels of
    /// live wires, of inputs and of outputs, keys, and the message.
    pub fn host_bytes(&self) -> u64 {
        let labels = 6 * self.transfers() + 2 * self.schedule.input_bits_of(PartyId(0));
        let message = self.message_elements() * self.ring.element_bytes();
        label_bytes(&self.schedule, 1) + (LABEL_BYTES * labels + message) as u64
    }

    /// A bit of a plane: bit number i is bit i div W of word i mod W.
    fn place(&self, at: usize) -> (usize, usize) {
        let (words, bytes) = (self.plane_words(), self.ring.element_bytes());
        let (word, bit) = (at % words, at / words);
        (word * bytes + bit / 8, bit % 8)
    }

    fn plane_bit(&self, plane: &[u8], at: usize) -> u8 {
        let (byte, bit) = self.place(at);
        plane[byte] >> bit & 1
    }

    /// The number at a place of a matrix.
    fn number(&self, matrix: &[u8], at: usize) -> u64 {
        let len = self.ring.element_bytes();
        let mut bytes = [0; 8];
        bytes[..len].copy_from_slice(&matrix[at * len..][..len]);
        u64::from_le_bytes(bytes)
    }

    /// The bits of a party's parts.
    fn bits_of(&self, party: usize, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
        let given = &self.entering.given[party];
        assert_eq!(given.len(), parts.len(), "a part of each number that the party gives");
        // Room for the masks as well: secrets do not move.
        let mut bits = Zeroizing::new(Vec::with_capacity(self.schedule.input_bits()));
        for (given, part) in given.iter().zip(parts) {
            for at in 0..given.elements {
                let number = self.number(part, at);
                bits.extend((0..given.bits).map(|bit| (number >> bit & 1) as u8));
            }
        }
        bits
    }

    /// The evaluator's message, a plane: its parts' bits, each under the choice c of its transfer.
    pub fn correct(&self, parts: &[&[u8]], choices: &[u8]) -> Vec<u8> {
        let bits = self.bits_of(1, parts);
        let mut plane = vec![0; self.plane_bytes()];
        for (at, bit) in bits.iter().enumerate() {
            let (byte, place) = self.place(at);
            plane[byte] |= (bit ^ self.plane_bit(choices, at)) << place;
        }
        plane
    }

    /// Garbles: the garbler's message, and its parts of the results.
    ///
    /// # Errors
    /// Where the system has no randomness.
    pub fn garble(
        &self,
        parts: &[&[u8]],
        keys: GarblerKeys<'_>,
        corrections: &[u8],
    ) -> Result<(Vec<u8>, Results), GarbleError> {
        let own = PrgKey::from_entropy().map_err(|_| GarbleError::Entropy)?;
        let results: Results = (0..)
            .zip(&self.results)
            .map(|(stream, &elements)| {
                let mut mask = Zeroizing::new(vec![0; elements * self.ring.element_bytes()]);
                own.fill(stream, 0, &mut mask);
                mask
            })
            .collect();
        let mut bits = self.bits_of(0, parts);
        let mut coins = Zeroizing::new(vec![0; self.entering.coins]);
        own.fill(self.results.len() as u64, 0, &mut coins);
        bits.extend(coins.iter().map(|coin| coin & 1));
        for (mask, &elements) in results.iter().zip(&self.results) {
            for at in 0..elements {
                let number = self.number(mask, at);
                bits.extend((0..self.ring.bits()).map(|bit| (number >> bit & 1) as u8));
            }
        }
        let bits = Bits::new(1, std::mem::take(&mut bits));
        let Started { mut garbler, opening, labels, pairs } = Garbler::start(self.schedule.clone(), &bits)?;
        let transferred = pairs.transfer(self.random_pairs(keys), &self.packed(corrections))?;
        let size = self.message_elements() * self.ring.element_bytes();
        let mut message = Vec::with_capacity(size);
        message.extend_from_slice(&opening.to_bytes());
        message.extend_from_slice(&labels.to_bytes());
        message.extend_from_slice(&transferred.to_bytes());
        while let Some(piece) = garbler.next_piece() {
            message.extend_from_slice(&piece.to_bytes());
        }
        let (decoding, _) = garbler.finish()?;
        message.extend_from_slice(&decoding.to_bytes());
        assert!(message.len() <= size, "a message of the size that was planned");
        message.resize(size, 0);
        Ok((message, results))
    }

    /// The bits of a plane, eight to a byte.
    fn packed(&self, plane: &[u8]) -> Corrections {
        let mut bytes = vec![0; self.transfers().div_ceil(8)];
        for at in 0..self.transfers() {
            bytes[at / 8] |= self.plane_bit(plane, at) << (at % 8);
        }
        Corrections(bytes)
    }

    /// The keys of both labels of each bit.
    fn random_pairs(&self, keys: GarblerKeys<'_>) -> RandomPairs {
        let zero = |word: usize, at: usize| self.number(keys.zeros[word], at);
        let one =
            |word: usize, at: usize| zero(word, at).wrapping_add(self.number(keys.differences[word], at));
        RandomPairs { zeros: self.labels(zero), ones: self.labels(one) }
    }

    /// Labels of these words.
    fn labels(&self, word: impl Fn(usize, usize) -> u64) -> Labels {
        let len = self.ring.element_bytes();
        let mut labels = Labels::zeros(self.transfers());
        for (at, label) in labels.iter_mut().enumerate() {
            let mut bytes = Zeroizing::new([0; LABEL_BYTES]);
            for (number, of_word) in bytes.chunks_exact_mut(len).enumerate() {
                of_word.copy_from_slice(&word(number, at).to_le_bytes()[..len]);
            }
            *label = Label::from_bytes(*bytes);
        }
        labels
    }

    /// Evaluates: the evaluator's parts of the results.
    ///
    /// # Errors
    /// Where the garbler's message is none, or its labels are not those that it should have garbled.
    pub fn evaluate(
        &self,
        parts: &[&[u8]],
        keys: EvaluatorKeys<'_>,
        message: &[u8],
    ) -> Result<Results, GarbleError> {
        let mut rest = message;
        let mut take = |len: usize, what: &'static str| -> Result<&[u8], GarbleError> {
            let (first, others) = rest.split_at_checked(len).ok_or(GarbleError::Malformed(what))?;
            rest = others;
            Ok(first)
        };
        let bits = Bits::new(1, std::mem::take(&mut self.bits_of(1, parts)));
        let opening = Opening::from_bytes(take(OPENING_BYTES, "opening")?)?;
        let garblers = take(LABEL_BYTES * self.schedule.input_bits_of(PartyId(0)), "input labels")?;
        let garblers = Labels::from_bytes(garblers).ok_or(GarbleError::Malformed("input labels"))?;
        let transferred = Transferred::from_bytes(take(2 * LABEL_BYTES * bits.len(), "transferred labels")?)?;
        let choices = (0..bits.len()).map(|at| self.plane_bit(keys.choices, at)).collect();
        let chosen = self.labels(|word, at| self.number(keys.chosen[word], at));
        let (_, awaited) = RandomChoices { choices: Bits::new(1, choices), chosen }.correct(&bits)?;
        let own = awaited.receive(&transferred)?;
        let mut evaluator = Evaluator::new(self.schedule.clone(), 1, &opening, garblers, own)?;
        let mut left = self.schedule.and_count();
        while left > 0 {
            let gates = left.min(super::garble::PIECE_GATES);
            let piece = take(PIECE_HEADER_BYTES + 2 * LABEL_BYTES * gates, "piece of tables")?;
            evaluator.consume(Piece::from_bytes(piece)?)?;
            left -= gates;
        }
        let decoding = Decoding::from_bytes(take(evaluator.decoding_bytes(), "decoding of outputs")?)?;
        let outputs = evaluator.finish(&decoding)?.outputs;
        let (bits, len) = (self.ring.bits() as usize, self.ring.element_bytes());
        let mut numbers = outputs.chunks(bits).map(|bits| {
            bits.iter().rev().fold(0u64, |number, &bit| number << 1 | u64::from(bit)).to_le_bytes()
        });
        let mut matrix = |&elements: &usize| {
            let mut matrix = Zeroizing::new(Vec::with_capacity(elements * len));
            numbers.by_ref().take(elements).for_each(|number| matrix.extend_from_slice(&number[..len]));
            matrix
        };
        Ok(self.results.iter().map(&mut matrix).collect())
    }
}

impl PartialEq for Conversion {
    fn eq(&self, other: &Conversion) -> bool {
        self.schedule.digest() == other.schedule.digest()
            && (self.ring, &self.entering, &self.results) == (other.ring, &other.entering, &other.results)
    }
}

impl Eq for Conversion {}

impl fmt::Debug for Conversion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digest = blake3::Hash::from(*self.schedule.digest()).to_hex();
        write!(f, "Conversion({} gates, {digest})", self.gates())
    }
}

/// The digest of the circuit, and the numbers: two conversions that are written alike are the same.
impl Serialize for Conversion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.schedule.digest(), self.ring, &self.entering, &self.results).serialize(serializer)
    }
}
