//! The steps of a conversion by a garbled circuit, which the host takes: there is no kernel for them.

use super::kernel::{Access, Matrix};
use super::list::BufferId;
use crate::circuit::convert::{Conversion, EvaluatorKeys, GarblerKeys};
use crate::circuit::garble::GarbleError;
use serde::{Serialize, Serializer};
use std::sync::Arc;
use zeroize::Zeroizing;

/// One of the three steps of a conversion; see [`crate::circuit::convert`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GarbledPart {
    /// The evaluator masks its bits: reads its parts of the numbers and the choices of its transfers; writes corrections.
    Correct,
    /// The garbler garbles: reads its parts of the numbers, the words of its transfers' keys 0, what those of keys 1 have more,
    /// and the corrections; writes the message, and its parts of the results.
    Garble,
    /// The evaluator evaluates: reads its parts of the numbers, the choices and the words of the chosen keys, and the message;
    /// writes its parts of the results.
    Evaluate,
}

impl GarbledPart {
    /// A word for the step in messages and traces.
    pub const fn name(self) -> &'static str {
        match self {
            GarbledPart::Correct => "correct",
            GarbledPart::Garble => "garble",
            GarbledPart::Evaluate => "evaluate",
        }
    }
}

/// A step of a conversion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Garbled {
    /// Which.
    pub part: GarbledPart,
    /// Read, in the order in which the part names them.
    pub reads: Vec<Matrix<BufferId>>,
    /// Written, likewise.
    pub writes: Vec<Matrix<BufferId>>,
    /// The circuit and its numbers.
    #[serde(serialize_with = "conversion")]
    pub conversion: Arc<Conversion>,
}

fn conversion<S: Serializer>(conversion: &Arc<Conversion>, serializer: S) -> Result<S::Ok, S::Error> {
    conversion.as_ref().serialize(serializer)
}

impl Garbled {
    /// Calls `visit` with each matrix and its use.
    pub(super) fn visit<'a>(&'a self, mut visit: impl FnMut(&'a Matrix<BufferId>, Access)) {
        self.reads.iter().for_each(|matrix| visit(matrix, Access::Read));
        self.writes.iter().for_each(|matrix| visit(matrix, Access::Write));
    }

    /// The same step with other matrices.
    pub(super) fn map(&self, mut at: impl FnMut(Matrix<BufferId>) -> Matrix<BufferId>) -> Garbled {
        let [reads, writes] =
            [&self.reads, &self.writes].map(|list| list.iter().map(|&matrix| at(matrix)).collect());
        Garbled { reads, writes, ..self.clone() }
    }

    /// AND gates that it garbles or evaluates.
    pub fn gates(&self) -> u64 {
        if self.part == GarbledPart::Correct { 0 } else { self.conversion.gates() }
    }

    /// The most bytes that it takes of host memory, beside what it reads and writes.
    pub fn host_bytes(&self) -> u64 {
        if self.part == GarbledPart::Correct { 0 } else { self.conversion.host_bytes() }
    }

    /// Does the step: the bytes of what it writes, given those of what it reads.
    ///
    /// # Errors
    /// Where the system has no randomness, or the peer's message is none.
    ///
    /// # Panics
    /// Where `reads` are not those of the part.
    pub fn run(&self, reads: &[&[u8]]) -> Result<Vec<Zeroizing<Vec<u8>>>, GarbleError> {
        const READS: &str = "what the part reads";
        let (conversion, words) = (&self.conversion, self.conversion.label_words());
        match self.part {
            GarbledPart::Correct => {
                let (choices, parts) = reads.split_last().expect(READS);
                Ok(vec![Zeroizing::new(conversion.correct(parts, choices))])
            }
            GarbledPart::Garble => {
                let (corrections, rest) = reads.split_last().expect(READS);
                let (rest, differences) = rest.split_at(rest.len().checked_sub(words).expect(READS));
                let (parts, zeros) = rest.split_at(rest.len().checked_sub(words).expect(READS));
                let keys = GarblerKeys { zeros, differences };
                let (message, results) = conversion.garble(parts, keys, corrections)?;
                Ok(std::iter::once(Zeroizing::new(message)).chain(results).collect())
            }
            GarbledPart::Evaluate => {
                let (message, rest) = reads.split_last().expect(READS);
                let (rest, chosen) = rest.split_at(rest.len().checked_sub(words).expect(READS));
                let (choices, parts) = rest.split_last().expect(READS);
                conversion.evaluate(parts, EvaluatorKeys { choices, chosen }, message)
            }
        }
    }
}
