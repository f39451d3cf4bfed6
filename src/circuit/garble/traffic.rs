//! What a run sends, before it runs: the formulas of the messages.

use super::message::PIECE_GATES;
use crate::circuit::schedule::{OutputBit, Schedule};
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
        let own = schedule.input_bits_of(PartyId(0)) as u64 * evaluations;
        let theirs = schedule.inputs.len() as u64 * evaluations - own;
        let learnt = |party: usize| {
            let wires = schedule.outputs.iter().filter(|(bit, _)| matches!(bit, OutputBit::Wire(_)));
            wires.filter(|(_, learns)| learns[party]).count() as u64 * evaluations
        };
        let gates = schedule.and_count() as u64 * evaluations;
        let pieces = gates.div_ceil(PIECE_GATES as u64);
        Traffic {
            table_bytes: 32 * gates,
            garbler_bytes: 56 + 16 * own + 32 * theirs + 24 * pieces + 32 * gates + 16 + 32 * learnt(1),
            evaluator_bytes: theirs.div_ceil(8) + 32 + learnt(0).div_ceil(8),
            transfers: theirs,
        }
    }
}
