//! What a run sends, before it runs: the formulas of the messages.

use super::label::LABEL_BYTES;
use super::message::PIECE_GATES;
use super::walk::label_bytes;
use crate::circuit::schedule::{OutputBit, Schedule};
use crate::ot::Course;
use crate::share::PartyId;

/// The bytes of a run's messages, with the evaluator's labels from random oblivious transfers, which are not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// Of the tables alone: 32 for each AND gate.
    pub table_bytes: u64,
    /// From the garbler to the evaluator, the tables included.
    pub garbler_bytes: u64,
    /// From the evaluator to the garbler.
    pub evaluator_bytes: u64,
    /// Random oblivious transfers that it consumes.
    pub transfers: u64,
}

impl Traffic {
    /// That of so many evaluations.
    pub fn of(schedule: &Schedule, evaluations: u64) -> Traffic {
        let own = (schedule.input_bits_of(PartyId(0)) as u64).saturating_mul(evaluations);
        let theirs = (schedule.inputs.len() - schedule.input_bits_of(PartyId(0))) as u64;
        let theirs = theirs.saturating_mul(evaluations);
        let learnt = |party: usize| {
            let wires = schedule.outputs.iter().filter(|(bit, _)| matches!(bit, OutputBit::Wire(_)));
            let count = wires.filter(|(_, learns)| learns[party]).count() as u64;
            count.saturating_mul(evaluations)
        };
        let gates = (schedule.and_count() as u64).saturating_mul(evaluations);
        let pieces = gates.div_ceil(PIECE_GATES as u64);
        Traffic {
            table_bytes: gates.saturating_mul(32),
            garbler_bytes: [(16, own), (32, theirs), (24, pieces), (32, gates), (32, learnt(1))]
                .into_iter()
                .fold(56 + 16, |bytes: u64, (each, count)| bytes.saturating_add(count.saturating_mul(each))),
            evaluator_bytes: theirs.div_ceil(8) + 32 + learnt(0).div_ceil(8),
            transfers: theirs,
        }
    }
}

/// What a run takes whose random oblivious transfers the parties make themselves, before it ([`Course`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price {
    /// The run itself, its online phase.
    pub traffic: Traffic,
    /// Bytes of all messages that make the transfers, in both directions.
    pub transfer_bytes: u64,
    /// Messages one behind the other that make the transfers.
    pub transfer_messages: u32,
    /// Messages one behind the other of the online phase, up to the garbler's outputs: the corrections, where the evaluator
    /// has bits; the tables; the answer.
    pub rounds: u32,
    /// The most bytes of labels and transfers that a party holds at once.
    pub memory_bytes: u64,
}

impl Price {
    /// That of so many evaluations.
    pub fn of(schedule: &Schedule, evaluations: usize) -> Price {
        let traffic = Traffic::of(schedule, evaluations as u64);
        let transfers = traffic.transfers as usize;
        let course = (transfers > 0).then(|| Course::of(transfers));
        // Both labels and both pads of each of the evaluator's bits as they are exchanged, and what is made of them.
        let exchanged = traffic.transfers.saturating_mul(6 * LABEL_BYTES as u64);
        // The labels of the garbler's bits as they are exchanged, and as labels.
        let given = (schedule.input_bits_of(PartyId(0)) as u64)
            .saturating_mul(evaluations as u64)
            .saturating_mul(2 * LABEL_BYTES as u64);
        let made = course.as_ref().map_or(0, |course| LABEL_BYTES as u64 * course.most_at_once() as u64);
        Price {
            traffic,
            transfer_bytes: course.as_ref().map_or(0, Course::bytes),
            transfer_messages: course.as_ref().map_or(0, Course::messages),
            rounds: 2 + u32::from(transfers > 0),
            memory_bytes: label_bytes(schedule, evaluations)
                .saturating_add(given)
                .saturating_add(exchanged.max(made)),
        }
    }
}
