//! Party 0: it makes the labels and the tables.

use super::error::GarbleError;
use super::hash::Keys;
use super::label::{Bits, Label, Labels};
use super::message::{Answer, Decoding, Opening, PIECE_GATES, Piece, Run, Tables, digest_of_labels};
use super::transfer::LabelPairs;
use super::walk::Walk;
use crate::circuit::schedule::{OutputBit, Schedule};
use crate::ring::prg::PrgKey;
use crate::share::PartyId;
use std::sync::Arc;

/// The streams of a run's key: Δ and the hash's start, and the labels of inputs.
const RUN_STREAM: u64 = 0;
const INPUT_STREAM: u64 = 1;

/// A garbler that has started, and what it sends first.
pub struct Started {
    /// The garbler.
    pub garbler: Garbler,
    /// Its first message.
    pub opening: Opening,
    /// The labels of its own bits, which it sends.
    pub labels: Labels,
    /// Both labels of each of the evaluator's bits, for the oblivious transfer.
    pub pairs: LabelPairs,
}

/// A garbler on its way through a circuit.
pub struct Garbler {
    walk: Walk,
    keys: Keys,
    run: Run,
    /// The one label.
    delta: Labels,
}

impl Garbler {
    /// Draws a run's labels, for the garbler's bits: those of each of party 0's inputs, in order. The inputs of all others are
    /// the evaluator's.
    ///
    /// # Errors
    /// Where there are not as many bits as the circuit has of party 0, or no randomness.
    pub fn start(schedule: Arc<Schedule>, bits: &Bits) -> Result<Started, GarbleError> {
        let key = PrgKey::from_entropy().map_err(|_| GarbleError::Entropy)?;
        Garbler::with_key(schedule, bits, &key)
    }

    /// A garbler of a key that no other run has.
    pub(super) fn with_key(
        schedule: Arc<Schedule>,
        bits: &Bits,
        key: &PrgKey,
    ) -> Result<Started, GarbleError> {
        let (expected, evaluations) = (schedule.input_bits_of(PartyId(0)), bits.evaluations());
        if bits.bits_each() != expected {
            return Err(GarbleError::Inputs { expected: expected * evaluations, found: bits.len() });
        }
        let mut drawn = Labels::zeros(2);
        key.fill(RUN_STREAM, 0, bytemuck::cast_slice_mut(&mut drawn));
        let delta: Labels = std::iter::once(drawn[0].with_colour()).collect();
        let start = drawn[1];
        let mut zeros = Labels::zeros(schedule.inputs.len() * evaluations);
        key.fill(INPUT_STREAM, 0, bytemuck::cast_slice_mut(&mut zeros));
        let mut own = Vec::new();
        let mut theirs = Vec::new();
        for (input, labels) in schedule.inputs.iter().zip(zeros.chunks(evaluations)) {
            match input.owner {
                PartyId(0) => own.push(labels),
                _ => theirs.push(labels),
            }
        }
        let own = own.into_iter().flatten().zip(bits.iter());
        let labels: Labels = own.map(|(&zero, &bit)| zero ^ delta[0].where_bit(bit)).collect();
        let pairs = LabelPairs {
            zeros: Labels::exactly(theirs.len() * evaluations, theirs.into_iter().flatten().copied()),
            delta: delta.iter().copied().collect(),
        };
        let run = Run(start.to_bytes());
        let opening = Opening { run, digest: *schedule.digest(), evaluations: evaluations as u64 };
        let walk = Walk::new(schedule, evaluations, zeros);
        let garbler = Garbler { walk, keys: Keys::new(start), run, delta };
        Ok(Started { garbler, opening, labels, pairs })
    }

    /// The tables of the next gates; none where all are garbled.
    pub fn next_piece(&mut self) -> Option<Piece> {
        let gates = (PIECE_GATES as u64).min(self.walk.left()) as usize;
        if gates == 0 {
            return None;
        }
        let first_gate = self.walk.gates;
        let mut tables = vec![Label::default(); 2 * gates];
        self.garble_into(&mut tables);
        Some(Piece { run: self.run, first_gate, tables: Tables(tables) })
    }

    fn garble_into(&mut self, tables: &mut [Label]) {
        let (keys, delta) = (&self.keys, self.delta[0]);
        let mut rest = &mut *tables;
        self.walk.advance(rest.len() / 2, |lot| {
            let (own, others) = std::mem::take(&mut rest).split_at_mut(2 * lot.gates());
            lot.garble(keys, delta, own);
            rest = others;
        });
    }

    /// What the evaluator decodes its outputs with, and the garbler its own.
    ///
    /// # Errors
    /// Where not all pieces were made.
    pub fn finish(mut self) -> Result<(Decoding, OutputKey), GarbleError> {
        if self.walk.left() > 0 {
            return Err(GarbleError::Unfinished(self.walk.left()));
        }
        // The XORs behind the last AND.
        self.walk.advance(0, |_| unreachable!("no gate is left"));
        let schedule = self.walk.schedule.clone();
        let learnt = |party: usize| schedule.outputs.iter().enumerate().filter(move |(_, bit)| bit.1[party]);
        let zeros = |party: usize| {
            let wires = learnt(party).filter(|(_, (bit, _))| matches!(bit, OutputBit::Wire(_))).count();
            let labels = learnt(party).flat_map(|(at, &(bit, _))| self.zeros(at, bit));
            Labels::exactly(wires * self.walk.evaluations, labels)
        };
        let theirs = zeros(1);
        let mut hashes = Labels::zeros(2 * theirs.len());
        let delta = self.delta[0];
        let pairs = hashes.as_chunks_mut::<2>().0;
        for (pair, &zero) in pairs.iter_mut().zip(theirs.iter()) {
            *pair = [zero, zero ^ delta];
        }
        self.walk.engine.hash(&self.keys, 2 * self.walk.all_gates(), pairs);
        let outputs = learnt(0).map(|(_, &(bit, _))| bit).collect();
        let key = OutputKey {
            run: self.run,
            evaluations: self.walk.evaluations,
            outputs,
            zeros: zeros(0),
            delta: self.delta.iter().copied().collect(),
        };
        Ok((Decoding { run: self.run, hashes }, key))
    }

    /// The labels that stand for 0 of an output bit, of each evaluation; a constant has none.
    fn zeros(&self, at: usize, bit: OutputBit) -> impl Iterator<Item = Label> {
        let (labels, is_inverted) = match bit {
            OutputBit::Constant(_) => (&[][..], false),
            OutputBit::Wire(place) => (self.walk.output(at), place.is_inverted()),
        };
        let offset = self.delta[0].where_bit(u8::from(is_inverted));
        labels.iter().map(move |&label| label ^ offset)
    }
}

/// What the garbler decodes its outputs with, once.
pub struct OutputKey {
    run: Run,
    evaluations: usize,
    outputs: Vec<OutputBit>,
    /// The labels that stand for 0, of outputs that are no constants.
    zeros: Labels,
    delta: Labels,
}

impl OutputKey {
    /// Bytes of the answer that it decodes.
    pub fn answer_bytes(&self) -> usize {
        32 + self.zeros.len().div_ceil(8)
    }

    /// The garbler's outputs, from the evaluator's answer.
    ///
    /// # Errors
    /// Where the evaluator does not have the labels that it answers by.
    pub fn decode(self, answer: &Answer) -> Result<Bits, GarbleError> {
        if answer.colours.len() != self.zeros.len().div_ceil(8) {
            return Err(GarbleError::Malformed("answer"));
        }
        let mut labels = Labels::zeros(self.zeros.len());
        let mut values = zeroize::Zeroizing::new(vec![0; self.zeros.len()]);
        for (at, (label, value)) in labels.iter_mut().zip(values.iter_mut()).enumerate() {
            let colour = answer.colours[at / 8] >> (at % 8) & 1;
            *value = colour ^ self.zeros[at].colour();
            *label = self.zeros[at] ^ self.delta[0].where_bit(*value);
        }
        if digest_of_labels(self.run, &labels) != answer.digest {
            return Err(GarbleError::Corrupt);
        }
        Ok(with_constants(&self.outputs, self.evaluations, &values))
    }
}

/// The bits of outputs: those of wires as they come, and constants between them.
pub(super) fn with_constants(outputs: &[OutputBit], evaluations: usize, values: &[u8]) -> Bits {
    let mut values = values.chunks(evaluations);
    let mut bits = Vec::with_capacity(outputs.len() * evaluations);
    for output in outputs {
        match output {
            OutputBit::Constant(value) => bits.extend(std::iter::repeat_n(u8::from(*value), evaluations)),
            OutputBit::Wire(_) => bits.extend_from_slice(values.next().expect("a value of every wire")),
        }
    }
    Bits::new(evaluations, bits)
}
