//! Garbled circuits: two parties, a program on integers as one Boolean circuit, a constant number of rounds.
//!
//! # Functionality
//! That of the program: each party learns its outputs, bit for bit those of the oracle, and what follows from them and from its
//! inputs.
//!
//! # Steps
//! There are none on buffers, and so it is no row beside the protocols of this folder: [`lower`] makes a
//! [`Circuit`] of the whole program, and a session garbles that ([`crate::circuit::garble`] states messages, bytes, rounds and
//! security). Values are words of as many bits as the integers take that they can be, by the inputs' kinds and bounds, with
//! or without a sign, and no more than the ring has. What several ops compute together ([`Meaning`](crate::program::Meaning)) is one function of words.
//!
//! | op | AND gates an element, of w bits |
//! |---|---|
//! | sum, difference, negation, a constant added | w − 1 |
//! | product | w² |
//! | times a constant | w for each one among its bits but the first |
//! | matrix product of inner size k | k w² + (k − 1) w |
//! | sum of n | (n − 1) w; of bits, about n |
//! | comparison, select | w |
//! | max, min | 2 w |
//! | argmax, argmin of n | 2 w for each element but one |
//! | `sort` of n | w n (log₂ n)² / 2, about |
//! | `quotient`, `remainder` | w² + 3 w |
//! | slices, transposition, joins, other orders | none |
//!
//! The functions of [`Function`] are none of a [`Program`](crate::program::Program): their results stand in it as further inputs, which no party gives.

mod functions;
mod lower;
mod meaning;
#[cfg(test)]
mod tests;

pub use functions::{Computed, Function};
pub use lower::{MOST_GATES, lower};

use super::Coalition;
use crate::circuit::Circuit;
use crate::program::Span;

/// Who learns what if who colludes.
pub const TRUST: [Coalition; 3] = [
    Coalition { who: "party 0, which garbles, or party 1, which evaluates", learns: "its own outputs" },
    Coalition {
        who: "party 0, where it does not follow the protocol",
        learns: "any function of both parties' inputs: it can garble another circuit than agreed",
    },
    Coalition { who: "anybody else", learns: "nothing: no third process takes part" },
];

/// The form of the numbers of an input or an output: so many, one after the other, each of so many bits, the lowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// How many.
    pub count: usize,
    /// The bits of each.
    pub bits: usize,
    /// Whether the highest bit of each is its sign.
    pub signed: bool,
}

impl Numbers {
    /// Those that hold so many integers of a span.
    pub(super) fn of(count: usize, span: Span, ring_bits: usize) -> Numbers {
        let signed = span.low < 0;
        let magnitude = span.high.max(-1 - span.low).max(0);
        let bits = (128 - magnitude.leading_zeros() as usize + usize::from(signed)).max(1);
        Numbers { count, bits: bits.min(ring_bits), signed }
    }

    /// The integer of a number's bits, in two's complement where it is signed.
    pub fn extended(self, number: u64) -> u64 {
        let unused = 64 - self.bits as u32;
        if self.signed { ((number << unused) as i64 >> unused) as u64 } else { number }
    }
}

/// A program as a circuit.
#[derive(Debug)]
pub struct Lowered {
    /// The circuit: an input for each of the program's that a party gives, and an output for each output.
    pub circuit: Circuit,
    /// The form of each of the program's inputs; nothing for those that the circuit computes.
    pub inputs: Vec<Option<Numbers>>,
    /// The form of each output.
    pub outputs: Vec<Numbers>,
}

/// Why a program has no circuit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoCircuit {
    /// Numbers with fractions.
    #[error("garbled circuits compute on integers: fraction_bits = 0, not {fraction_bits}")]
    Fractions {
        /// The program's.
        fraction_bits: u32,
    },
    /// A program of another number of parties.
    #[error("a garbled circuit is between two parties, not {parties}")]
    Parties {
        /// How many.
        parties: usize,
    },
    /// A program with states, checks, or outputs that not every run reveals.
    #[error("a garbled circuit has no {0}")]
    Without(&'static str),
    /// A circuit that takes too much memory to make.
    #[error(
        "{label} takes the circuit to about {gates} AND gates; at most {MOST_GATES} are made: declare smaller bounds or bits, \
         or cut the job into batches"
    )]
    TooLarge {
        /// The value.
        label: String,
        /// About how many gates it and those before it have.
        gates: u64,
    },
}
