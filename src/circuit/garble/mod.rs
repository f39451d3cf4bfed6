//! Garbled circuits: any function of two parties' bits, in a constant number of rounds.
//!
//! # Functionality
//! Party 0, the **garbler**, and party 1, the **evaluator**, each have bits. Both know a circuit. Each learns those output bits
//! that the circuit gives it, and nothing else. A run does several evaluations of one circuit side by side.
//!
//! # Messages
//! 1. Garbler to evaluator: [`Opening`], 56 bytes: which circuit, how many evaluations, where the hash starts.
//! 2. Garbler to evaluator: the labels of the garbler's own bits, 16 bytes each.
//! 3. The evaluator's labels by oblivious transfer ([`crate::ot`]) of [`LabelPairs`]: by any that transfers chosen messages, or from random
//!    ones by [`Corrections`] (a bit for each, evaluator to garbler) and [`Transferred`] (32 bytes for each, garbler to
//!    evaluator).
//! 4. Garbler to evaluator: the tables, 32 bytes for each AND gate, in [`Piece`]s of at most [`PIECE_GATES`] gates.
//! 5. Garbler to evaluator: [`Decoding`], 32 bytes for each bit that the evaluator learns.
//! 6. Evaluator to garbler: [`Answer`], a bit for each that the garbler learns, and 32 bytes.
//!
//! Messages 1, 2, 4 and 5 go one way and need not wait: with random transfers at hand, one round trip from the corrections to
//! the results of the evaluator, and half a round more to those of the garbler, whatever the circuit's depth.
//!
//! ```
//! use std::sync::Arc;
//! use symbolon::circuit::garble::{Bits, Evaluator, Garbler, Started};
//! use symbolon::circuit::{Builder, Schedule, Sign};
//! use symbolon::share::{Parties, PartyId};
//!
//! let mut builder = Builder::new();
//! let (mine, yours) = (builder.input(PartyId(0), 32), builder.input(PartyId(1), 32));
//! let richer = builder.less(&yours, &mine, Sign::Unsigned);
//! builder.output(Parties::first(2), &[richer]);
//! let schedule = Arc::new(Schedule::new(&builder.finish()));
//!
//! let (mine, yours) = (Bits::from_numbers(&[32], &[vec![1000]]), Bits::from_numbers(&[32], &[vec![999]]));
//! let Started { mut garbler, opening, labels, pairs } = Garbler::start(schedule.clone(), &mine)?;
//! // In the place of an oblivious transfer, somebody whom both trust.
//! let chosen = pairs.into_messages().zip(yours.iter()).map(|(pair, &bit)| pair[usize::from(bit)]).collect();
//! let mut evaluator = Evaluator::new(schedule, 1, &opening, labels, chosen)?;
//! while let Some(piece) = garbler.next_piece() {
//!     evaluator.consume(piece)?;
//! }
//! let (decoding, key) = garbler.finish()?;
//! let evaluated = evaluator.finish(&decoding)?;
//! assert_eq!(evaluated.outputs.to_numbers(&[1]), [[1]]);
//! assert_eq!(key.decode(&evaluated.answer)?.to_numbers(&[1]), [[1]]);
//! # Ok::<(), symbolon::circuit::garble::GarbleError>(())
//! ```
//!
//! # The garbling
//! Half gates (Zahur, Rosulek, Evans, "Two Halves Make a Whole", EUROCRYPT 2015, Figure 2), with free XOR and INV (Kolesnikov,
//! Schneider, ICALP 2008). Δ is drawn in every run, its lowest bit 1. [`hash`] states the hash and its bound. Three halves
//! (Rosulek, Roy, "Three Halves Make a Whole?", CRYPTO 2021, Section 5) has 24 bytes and 5 bits for each gate in the place
//! of 32 bytes, and hashes 6 times under 3 keys where the garbler here hashes 4 times under 2, and 3 times in the place of 2 where
//! the evaluator does: a quarter fewer bytes for half as many hashes again. It is not built.
//!
//! # Security
//! Against an evaluator who deviates in any way, as far as the transfer is secure against such a receiver: it has one label
//! of each wire, and cannot make another. A label that is neither of an output's two is refused, on both sides, without a word
//! on which. The evaluator's bits must not depend on the tables: half gates are not proven secure where inputs are chosen
//! after the tables were seen (Bellare, Hoang, Rogaway, "Adaptively Secure Garbling", ASIACRYPT 2012), which matters only
//! for an evaluator who deviates, and only where tables are sent before the corrections have come: a session sends them after.
//!
//! The garbler must follow the protocol (it is semi-honest). One that deviates can garble another circuit than agreed and so
//! learn or alter anything that a function of both inputs can; and, also where it is given no output, it can make the run end in
//! an error where a predicate of its choice holds of the evaluator's bits, and learns from whether it ended whether it does
//! (*selective failure*). Nothing here prevents that: who must not trust a garbler must not learn to it whether a run ended.
//!
//! # What is secret, and how it is kept
//! Labels, Δ, and bits are wiped when they are dropped, and so is what gates are gathered in; what the compiler keeps in registers
//! and on the stack is not. No branch and no address depends on a label's bits: colours select by masks.
//!
//! # Deviations
//! - An output is decoded by hashes of both of its labels, not by its colour alone, so that it authenticates the evaluation.
//! - Tables come in stages of independent gates ([`Schedule`](super::Schedule)), not in the circuit's order; a piece names its run and its first
//!   gate, and is refused out of place.

mod error;
mod evaluator;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod fuzz;
mod garbler;
pub mod hash;
mod label;
mod message;
mod traffic;
mod transfer;
mod walk;

#[cfg(test)]
mod tests;

pub use error::GarbleError;
pub use evaluator::{Evaluated, Evaluator};
pub use garbler::{Garbler, OutputKey, Started};
pub use label::{Bits, LABEL_BYTES, Label, Labels};
pub use message::{Answer, Decoding, Due, Opening, PIECE_GATES, Piece};
pub use traffic::{Price, Traffic};
pub use transfer::{Awaited, Corrections, LabelPairs, RandomChoices, RandomPairs, Transferred};
pub use walk::label_bytes;

/// Runs `work` with so many threads for the gates of a stage.
///
/// # Errors
/// Where the system has no threads to give.
pub fn with_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> Result<T, std::io::Error> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    Ok(pool.map_err(std::io::Error::other)?.install(work))
}
