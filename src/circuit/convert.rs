//! Conversions: a function of numbers that two parties share additively, garbled, with fresh additive shares as its result.
//!
//! **Functionality.** Party 0, the garbler, and party 1, the evaluator, have parts x_0 and x_1 of numbers x = x_0 + x_1
//! modulo 2^k. They come by parts of f(x) that are uniform but for their sum.
//!
//! **Circuit.** Its inputs are bits of the parts, and a mask r for each number of f(x), which the garbler draws; it adds the
//! parts, computes f, and gives f(x) − r to the evaluator (Demmler, Schneider, Zohner, "ABY – A Framework for Efficient
//! Mixed-Protocol Secure Two-Party Computation", NDSS 2015, Sections III-D and III-E). The garbler's part of the result is r.
//!
//! **Labels.** For each of the evaluator's bits b there is a random oblivious transfer, made of correlations that hold whatever their
//! source: random bits ρ = ρ_0 ⊕ ρ_1, numbers a that the garbler alone knows, and shares h_0 + h_1 = ρ·a. As many numbers as
//! a label is long belong to a bit, each with a ρ of its own.
//! 1. The evaluator sends b ⊕ ρ_1; with it the garbler has e = b ⊕ ρ, and g = e·a + (1 − 2e)·h_0.
//! 2. The garbler sends e. The evaluator has v = (1 − 2e)·h_1, and v + g = e·a + (1 − 2e)·ρ·a = b·a: so v is −g where b = 0, and
//!    a − g where b = 1. The garbler knows both, of which it sends each label under one.
//!
//! **Messages.** The evaluator's corrections, one bit for each number a; then the garbler's e, opening, labels, transferred
//! labels, tables and decoding ([`super::garble`]). **Rounds.** 2, whatever f is.
//!
//! **Security model.** Semi-honest. The garbler sees b ⊕ ρ_1, where ρ_1 is uniform. The evaluator sees e, from which it learns ρ_0;
//! v is uniform, since h_0 is, and the key of the other label differs from v by ±a, which it knows nothing of. What both
//! send is consumed once: [`super::garble`] states what garbling adds. An evaluator that deviates can choose each word of a
//! label by itself, and so test guesses of the words that it did not choose against the decoding: Δ is as hard to find as a word
//! is long. So neither garbling's guarantee against such an evaluator nor the labels' length holds outside this model.

use super::garble::{Bits, LABEL_BYTES, Label};
use super::garble::{
    Corrections, Decoding, Evaluator, GarbleError, Garbler, Labels, Opening, Piece, RandomChoices,
    RandomPairs, Started, Traffic, Transferred,
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

/// A conversion: the circuit, and the numbers that enter and leave it.
pub struct Conversion {
    schedule: Arc<Schedule>,
    ring: Ring,
    /// By party: its parts, in the circuit's order. Those of party 0 are followed by the masks.
    given: [Vec<Given>; 2],
    /// Numbers of each result.
    results: Vec<usize>,
}

/// The garbler's correlations.
#[derive(Clone, Copy)]
pub struct GarblerKeys<'a> {
    /// ρ_0, a plane.
    pub bits: &'a [u8],
    /// a.
    pub numbers: &'a [u8],
    /// h_0.
    pub products: &'a [u8],
}

/// A party's parts of the results.
pub type Results = Vec<Zeroizing<Vec<u8>>>;

impl Conversion {
    /// The conversion of a circuit whose inputs are `given` by each party, then party 0's masks, and whose outputs go to party 1.
    ///
    /// # Panics
    /// Where the circuit has other inputs or outputs.
    pub fn new(schedule: Schedule, ring: Ring, given: [Vec<Given>; 2], results: Vec<usize>) -> Conversion {
        let conversion = Conversion { schedule: Arc::new(schedule), ring, given, results };
        let masks = conversion.result_elements() * ring.bits() as usize;
        let bits =
            |party: usize| -> usize { conversion.given[party].iter().map(|g| g.elements * g.bits).sum() };
        assert_eq!(conversion.schedule.input_bits_of(PartyId(0)), bits(0) + masks, "party 0's inputs");
        assert_eq!(conversion.evaluator_bits(), bits(1), "party 1's inputs");
        assert_eq!(conversion.schedule.output_bits_to(PartyId(1)), masks, "the results");
        conversion
    }

    fn result_elements(&self) -> usize {
        self.results.iter().sum()
    }

    fn evaluator_bits(&self) -> usize {
        self.schedule.input_bits() - self.schedule.input_bits_of(PartyId(0))
    }

    /// Numbers of a label's length.
    fn numbers_of_label(&self) -> usize {
        LABEL_BYTES / self.ring.element_bytes()
    }

    /// AND gates.
    pub fn gates(&self) -> u64 {
        self.schedule.and_count() as u64
    }

    /// Numbers a, and bits ρ, that it consumes.
    pub fn transfers(&self) -> usize {
        self.evaluator_bits() * self.numbers_of_label()
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
        let bytes = self.plane_bytes() + Traffic::of(&self.schedule, 1).garbler_bytes as usize;
        bytes.div_ceil(self.ring.element_bytes())
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
        let given = &self.given[party];
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

    /// The evaluator's message, a plane: its parts' bits under ρ_1.
    pub fn correct(&self, parts: &[&[u8]], mask: &[u8]) -> Vec<u8> {
        let (bits, each) = (self.bits_of(1, parts), self.numbers_of_label());
        let mut plane = vec![0; self.plane_bytes()];
        for at in 0..self.transfers() {
            let (byte, bit) = self.place(at);
            plane[byte] |= (bits[at / each] ^ self.plane_bit(mask, at)) << bit;
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
        for (mask, &elements) in results.iter().zip(&self.results) {
            for at in 0..elements {
                let number = self.number(mask, at);
                bits.extend((0..self.ring.bits()).map(|bit| (number >> bit & 1) as u8));
            }
        }
        let bits = Bits::new(1, std::mem::take(&mut bits));
        let Started { mut garbler, opening, labels, pairs } = Garbler::start(self.schedule.clone(), &bits)?;
        let (told, random) = self.random_pairs(keys, corrections);
        let none = Corrections(vec![0; pairs.len().div_ceil(8)]);
        let transferred = pairs.transfer(random, &none)?;
        let size = self.message_elements() * self.ring.element_bytes();
        let mut message = Vec::with_capacity(size);
        message.extend_from_slice(&told);
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

    /// e, a plane, and the keys of both labels of each bit.
    fn random_pairs(&self, keys: GarblerKeys<'_>, corrections: &[u8]) -> (Vec<u8>, RandomPairs) {
        let each = self.numbers_of_label();
        let mut told = vec![0; self.plane_bytes()];
        let mut pairs = RandomPairs {
            zeros: Labels::zeros(self.evaluator_bits()),
            ones: Labels::zeros(self.evaluator_bits()),
        };
        for bit in 0..self.evaluator_bits() {
            let mut labels = Zeroizing::new([[0; LABEL_BYTES]; 2]);
            for part in 0..each {
                let at = bit * each + part;
                let e = self.plane_bit(corrections, at) ^ self.plane_bit(keys.bits, at);
                let (byte, place) = self.place(at);
                told[byte] |= e << place;
                let (a, h) = (self.number(keys.numbers, at), self.number(keys.products, at));
                let e = u64::from(e);
                let g = (e.wrapping_neg() & a).wrapping_add(signed(e, h));
                let zero = g.wrapping_neg();
                self.put(&mut labels[0], part, zero);
                self.put(&mut labels[1], part, zero.wrapping_add(a));
            }
            pairs.zeros[bit] = Label::from_bytes(labels[0]);
            pairs.ones[bit] = Label::from_bytes(labels[1]);
        }
        (told, pairs)
    }

    fn put(&self, label: &mut [u8; LABEL_BYTES], part: usize, number: u64) {
        let len = self.ring.element_bytes();
        label[part * len..][..len].copy_from_slice(&number.to_le_bytes()[..len]);
    }

    /// Evaluates: the evaluator's parts of the results; `products` is h_1.
    ///
    /// # Errors
    /// Where the garbler's message is none, or its labels are not those that it should have garbled.
    pub fn evaluate(&self, parts: &[&[u8]], products: &[u8], message: &[u8]) -> Result<Results, GarbleError> {
        let mut rest = message;
        let mut take = |len: usize, what: &'static str| -> Result<&[u8], GarbleError> {
            let (first, others) = rest.split_at_checked(len).ok_or(GarbleError::Malformed(what))?;
            rest = others;
            Ok(first)
        };
        let bits = Bits::new(1, std::mem::take(&mut self.bits_of(1, parts)));
        let told = take(self.plane_bytes(), "corrected bits")?;
        let opening = Opening::from_bytes(take(OPENING_BYTES, "opening")?)?;
        let garblers = take(LABEL_BYTES * self.schedule.input_bits_of(PartyId(0)), "input labels")?;
        let garblers = Labels::from_bytes(garblers).ok_or(GarbleError::Malformed("input labels"))?;
        let transferred = Transferred::from_bytes(take(2 * LABEL_BYTES * bits.len(), "transferred labels")?)?;
        let chosen = self.chosen(products, told);
        let (_, awaited) = RandomChoices { choices: bits.clone(), chosen }.correct(&bits)?;
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

    /// v, the keys of the labels of the evaluator's bits.
    fn chosen(&self, products: &[u8], told: &[u8]) -> Labels {
        let each = self.numbers_of_label();
        let mut chosen = Labels::zeros(self.evaluator_bits());
        for (bit, chosen) in chosen.iter_mut().enumerate() {
            let mut label = Zeroizing::new([0; LABEL_BYTES]);
            for part in 0..each {
                let at = bit * each + part;
                let e = u64::from(self.plane_bit(told, at));
                self.put(&mut label, part, signed(e, self.number(products, at)));
            }
            *chosen = Label::from_bytes(*label);
        }
        chosen
    }
}

/// (1 − 2e)·number for a bit e.
fn signed(e: u64, number: u64) -> u64 {
    number.wrapping_mul(1u64.wrapping_sub(2 * e))
}

impl PartialEq for Conversion {
    fn eq(&self, other: &Conversion) -> bool {
        self.schedule.digest() == other.schedule.digest()
            && (self.ring, &self.given, &self.results) == (other.ring, &other.given, &other.results)
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
        (self.schedule.digest(), self.ring, &self.given, &self.results).serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::circuit::Builder;

    /// max(x, 0) of numbers of so many bits.
    fn relu(ring: Ring, elements: usize, bits: usize) -> Conversion {
        let (mut builder, k) = (Builder::new(), ring.bits() as usize);
        let parts = [PartyId(0), PartyId(1)].map(|party| builder.input(party, elements * bits));
        let masks = builder.input(PartyId(0), elements * k);
        for at in 0..elements {
            let [a, b] = [0, 1].map(|party: usize| parts[party][at * bits..][..bits].to_vec());
            let x = builder.add(&a, &b);
            let positive = builder.mask(&x, !x[bits - 1]);
            let wide = crate::circuit::word::shift::extended(&positive, k, crate::circuit::Sign::Signed);
            let masked = builder.subtract(&wide, &masks[at * k..][..k]);
            builder.output(PartyId(1).alone(), &masked);
        }
        let given = vec![Given { elements, bits }];
        Conversion::new(Schedule::new(&builder.finish()), ring, [given.clone(), given], vec![elements])
    }

    /// Numbers that look random.
    fn numbers(seed: u8, bytes: usize) -> Vec<u8> {
        let mut numbers = vec![0; bytes];
        PrgKey::from_bytes([seed; 32]).fill(0, 0, &mut numbers);
        numbers
    }

    /// Shares of x, and correlations: those of the garbler and of the evaluator.
    struct Case {
        conversion: Conversion,
        parts: [Vec<u8>; 2],
        expected: Vec<u64>,
        bits: [Vec<u8>; 2],
        numbers: Vec<u8>,
        products: [Vec<u8>; 2],
    }

    fn case(ring: Ring, bits: usize) -> Case {
        let least = i64::MIN >> (64 - bits);
        let values: Vec<i64> = vec![0, 1, -1, 5, -7, !least, least];
        let conversion = relu(ring, values.len(), bits);
        let len = ring.element_bytes();
        let first = numbers(1, values.len() * len);
        let second: Vec<u8> = values
            .iter()
            .enumerate()
            .flat_map(|(at, &x)| {
                (x as u64).wrapping_sub(conversion.number(&first, at)).to_le_bytes()[..len].to_vec()
            })
            .collect();
        let plane_bytes = conversion.plane_bytes();
        let masks = [numbers(2, plane_bytes), numbers(3, plane_bytes)];
        let (a, h0) = (numbers(4, conversion.transfers() * len), numbers(5, conversion.transfers() * len));
        let h1: Vec<u8> = (0..conversion.transfers())
            .flat_map(|at| {
                let rho = conversion.plane_bit(&masks[0], at) ^ conversion.plane_bit(&masks[1], at);
                let product = u64::from(rho).wrapping_mul(conversion.number(&a, at));
                product.wrapping_sub(conversion.number(&h0, at)).to_le_bytes()[..len].to_vec()
            })
            .collect();
        let expected = values.iter().map(|&x| x.max(0) as u64).collect();
        Case { conversion, parts: [first, second], expected, bits: masks, numbers: a, products: [h0, h1] }
    }

    impl Case {
        fn message(&self) -> (Vec<u8>, Results) {
            let corrections = self.conversion.correct(&[&self.parts[1]], &self.bits[1]);
            let keys =
                GarblerKeys { bits: &self.bits[0], numbers: &self.numbers, products: &self.products[0] };
            self.conversion.garble(&[&self.parts[0]], keys, &corrections).expect("garbled")
        }

        fn evaluate(&self, message: &[u8]) -> Result<Results, GarbleError> {
            self.conversion.evaluate(&[&self.parts[1]], &self.products[1], message)
        }
    }

    #[test]
    fn shares_of_the_result_are_those_of_the_function() {
        for (ring, bits) in [(Ring::Z64, 64), (Ring::Z64, 20), (Ring::Z32, 32), (Ring::Z32, 9)] {
            let case = case(ring, bits);
            let (message, own) = case.message();
            assert_eq!(message.len(), case.conversion.message_elements() * ring.element_bytes());
            let theirs = case.evaluate(&message).expect("evaluated");
            let sums: Vec<u64> = (0..case.expected.len())
                .map(|at| {
                    let [a, b] = [&own[0], &theirs[0]].map(|part| case.conversion.number(part, at));
                    ring.reduce(a.wrapping_add(b))
                })
                .collect();
            assert_eq!(sums, case.expected, "{ring:?}, {bits} bits");
            let (again, _) = case.message();
            assert_ne!(message, again, "labels are drawn anew");
        }
    }

    #[test]
    fn a_message_that_is_spoilt_anywhere_is_refused_or_makes_no_difference() {
        let case = case(Ring::Z32, 9);
        let (message, own) = case.message();
        for at in (0..message.len()).step_by(97) {
            let mut spoilt = message.clone();
            spoilt[at] ^= 1;
            if let Ok(theirs) = case.evaluate(&spoilt) {
                let sum = |at| {
                    case.conversion.number(&own[0], at).wrapping_add(case.conversion.number(&theirs[0], at))
                };
                let sums: Vec<u64> = (0..case.expected.len()).map(|at| Ring::Z32.reduce(sum(at))).collect();
                assert_eq!(sums, case.expected, "byte {at}");
            }
        }
        assert_eq!(case.evaluate(&message[..100]), Err(GarbleError::Malformed("input labels")));
    }
}
