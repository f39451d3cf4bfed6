//! Party 1: it has one label of each wire, and follows the tables.

use super::error::GarbleError;
use super::garbler::with_constants;
use super::hash::Keys;
use super::label::{Bits, LABEL_BYTES, Label, Labels};
use super::message::{Answer, Decoding, Due, Opening, Piece, Run, digest_of_labels};
use super::transfer::packed;
use super::walk::Walk;
use crate::circuit::schedule::{OutputBit, Schedule};
use crate::share::PartyId;
use std::sync::Arc;
use zeroize::Zeroizing;

/// An evaluator on its way through a circuit.
pub struct Evaluator {
    walk: Walk,
    keys: Keys,
    run: Run,
}

/// What an evaluation came to.
pub struct Evaluated {
    /// The evaluator's outputs.
    pub outputs: Bits,
    /// What it sends to the garbler.
    pub answer: Answer,
}

impl Evaluator {
    /// Starts from the garbler's opening, the labels that it sent of its own bits, and those that came by oblivious transfer.
    ///
    /// # Errors
    /// Where the garbler has another circuit or number of evaluations, or labels are too few or too many.
    pub fn new(
        schedule: Arc<Schedule>,
        evaluations: usize,
        opening: &Opening,
        garblers: Labels,
        own: Labels,
    ) -> Result<Evaluator, GarbleError> {
        if opening.digest != *schedule.digest() {
            return Err(GarbleError::OtherCircuit);
        } else if opening.evaluations != evaluations as u64 || evaluations == 0 {
            return Err(GarbleError::Evaluations { own: evaluations, theirs: opening.evaluations });
        }
        let garblers_bits = schedule.input_bits_of(PartyId(0));
        let due = [
            ("input labels", garblers_bits * evaluations, garblers.len()),
            ("transferred labels", (schedule.inputs.len() - garblers_bits) * evaluations, own.len()),
        ];
        if let Some(&(what, expected, found)) = due.iter().find(|(_, expected, found)| expected != found) {
            return Err(GarbleError::Length { what, expected, found });
        }
        let mut inputs = Labels::zeros(schedule.inputs.len() * evaluations);
        let (mut garblers_left, mut own_left) = (garblers.chunks(evaluations), own.chunks(evaluations));
        for (input, labels) in schedule.inputs.iter().zip(inputs.chunks_mut(evaluations)) {
            let left = if input.owner == PartyId(0) { &mut garblers_left } else { &mut own_left };
            labels.copy_from_slice(left.next().expect("labels of every bit"));
        }
        // Before there are labels of the gates.
        drop((garblers, own));
        let walk = Walk::new(schedule, evaluations, inputs);
        let keys = Keys::new(Label::from_bytes(opening.run.0));
        Ok(Evaluator { walk, keys, run: opening.run })
    }

    /// Evaluates the gates of the next piece.
    ///
    /// # Errors
    /// Where it is of another run, not the next, or has more gates than there are.
    pub fn consume(&mut self, piece: Piece) -> Result<(), GarbleError> {
        self.due().pass(&piece)?;
        let keys = &self.keys;
        let mut rest = &piece.tables.0[..];
        self.walk.advance(piece.gates(), |lot| {
            let (own, others) = rest.split_at(2 * lot.gates());
            lot.evaluate(keys, own);
            rest = others;
        });
        Ok(())
    }

    /// The pieces that are due.
    pub fn due(&self) -> Due {
        Due { run: self.run, next_gate: self.walk.gates, left: self.walk.left() }
    }

    /// Bytes of the decoding that is due.
    pub fn decoding_bytes(&self) -> usize {
        let outputs = self.walk.schedule.outputs.iter();
        let learnt = outputs.filter(|(bit, learns)| learns[1] && matches!(bit, OutputBit::Wire(_)));
        16 + 2 * LABEL_BYTES * learnt.count() * self.walk.evaluations
    }

    /// Decodes the evaluator's outputs, and answers with the garbler's.
    ///
    /// # Errors
    /// Where gates are missing, or an output's label is neither of its two.
    pub fn finish(mut self, decoding: &Decoding) -> Result<Evaluated, GarbleError> {
        if self.walk.left() > 0 {
            return Err(GarbleError::Unfinished(self.walk.left()));
        } else if decoding.run != self.run {
            return Err(GarbleError::OtherRun("decoding of outputs"));
        }
        // The XORs behind the last AND.
        self.walk.advance(0, |_| unreachable!("no gate is left"));
        let schedule = self.walk.schedule.clone();
        let (own, mut hashes) = self.learnt(&schedule, PartyId(1));
        let (expected, found) = (2 * hashes.len(), decoding.hashes.len());
        if expected != found {
            return Err(GarbleError::Length { what: "decoding of outputs", expected, found });
        }
        let mut values = Zeroizing::new(Vec::with_capacity(hashes.len()));
        let mut is_one_of_two = 1;
        self.walk.engine.hash(&self.keys, 2 * self.walk.all_gates(), hashes.as_chunks_mut::<1>().0);
        for (&hash, pair) in hashes.iter().zip(decoding.hashes.chunks(2)) {
            let [is_zero, is_one] = [pair[0], pair[1]].map(|expected| hash.is_equal(expected));
            is_one_of_two &= is_zero ^ is_one;
            values.push(is_one);
        }
        if is_one_of_two == 0 {
            return Err(GarbleError::Corrupt);
        }
        let (_, labels) = self.learnt(&schedule, PartyId(0));
        let colours: Zeroizing<Vec<u8>> = Zeroizing::new(labels.iter().map(|label| label.colour()).collect());
        let digest = *digest_of_labels(self.run, &labels).as_bytes();
        let answer = Answer { digest, colours: packed(&colours) };
        Ok(Evaluated { outputs: with_constants(&own, self.walk.evaluations, &values), answer })
    }

    /// The output bits that a party learns, and the labels of those that are no constants.
    fn learnt(&self, schedule: &Schedule, party: PartyId) -> (Vec<OutputBit>, Labels) {
        let learnt = || schedule.outputs.iter().enumerate().filter(|(_, bit)| bit.1[party.index()]);
        let labels = learnt().flat_map(|(at, (bit, _))| match bit {
            OutputBit::Constant(_) => &[],
            OutputBit::Wire(_) => self.walk.output(at),
        });
        let wires = learnt().filter(|(_, (bit, _))| matches!(bit, OutputBit::Wire(_))).count();
        let labels = Labels::exactly(wires * self.walk.evaluations, labels.copied());
        (learnt().map(|(_, (bit, _))| *bit).collect(), labels)
    }
}
