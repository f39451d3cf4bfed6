//! How a file can be wrong.

use std::fmt;

/// A file that is not a circuit: the line, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}{}: {fault}", Gate(*gate))]
pub struct BristolError {
    /// The line, from 1.
    pub line: usize,
    /// The gate, from 0, where the line has one.
    pub gate: Option<usize>,
    /// What is wrong.
    pub fault: Fault,
}

/// The gate of a line, where there is one.
struct Gate(Option<usize>);

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |gate| write!(f, " (gate {gate})"))
    }
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The file ends too early.
    #[error("the file ends where {0} should be")]
    Ends(&'static str),
    /// Bytes that are not text.
    #[error("the line is not text")]
    NotText,
    /// A word that should be a number.
    #[error("{0} is not a number that can be")]
    NotANumber(String),
    /// A line of numbers with too few or too many.
    #[error("the line has {found} numbers; {expected} would be right")]
    Numbers {
        /// How many there should be.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// An unknown gate.
    #[error("{0} is no gate; XOR, AND, INV, EQ, EQW and MAND are")]
    UnknownGate(String),
    /// A gate that reads or sets another number of wires than it says or its kind has.
    #[error("a gate {kind} does not read {reads} and set {sets} wires")]
    Arity {
        /// The gate's kind.
        kind: String,
        /// Wires that it claims to read.
        reads: usize,
        /// Wires that it claims to set.
        sets: usize,
    },
    /// A wire beyond the last.
    #[error("wire {wire} is not among the {wires} of the file")]
    NoWire {
        /// The wire.
        wire: usize,
        /// Wires of the file.
        wires: usize,
    },
    /// A wire that is read before a gate sets it: out of order, or in a circle.
    #[error("wire {0} is read before any gate sets it")]
    NotSet(usize),
    /// A wire that two gates set, or that is an input.
    #[error("wire {0} is set twice")]
    SetTwice(usize),
    /// A constant that is neither 0 nor 1.
    #[error("a constant is 0 or 1, not {0}")]
    NotABit(usize),
    /// A count that cannot be true.
    #[error("the file claims {claimed} {what}, and {found} is what it can have")]
    Count {
        /// What is counted.
        what: &'static str,
        /// How many it claims.
        claimed: usize,
        /// How many there are, or can be.
        found: usize,
    },
    /// Output wires that no gate sets.
    #[error("the output wire {0} is set by no gate")]
    OutputNotSet(usize),
    /// Parties or recipients that are not as many as the file's inputs or outputs.
    #[error("the file has {found} {what}, and {expected} are named")]
    Roles {
        /// Inputs or outputs.
        what: &'static str,
        /// How many are named.
        expected: usize,
        /// How many there are.
        found: usize,
    },
}
