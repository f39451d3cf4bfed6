//! How a run can go wrong.

/// What ended a run. Nothing here tells where in the circuit it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GarbleError {
    /// The operating system has no entropy.
    #[error("the operating system has no randomness to give")]
    Entropy,
    /// Input bits that are not as many as the circuit has, or not of as many evaluations.
    #[error("{expected} input bits are expected, and there are {found}")]
    Inputs {
        /// Bits over all evaluations.
        expected: usize,
        /// What there is.
        found: usize,
    },
    /// A message that is malformed.
    #[error("the peer's {0} is malformed")]
    Malformed(&'static str),
    /// The peer garbles another circuit.
    #[error("the parties have different circuits")]
    OtherCircuit,
    /// The peer does another number of evaluations.
    #[error("the peer does {theirs} evaluations and this party {own}")]
    Evaluations {
        /// This party's.
        own: usize,
        /// The peer's.
        theirs: u64,
    },
    /// A message of another run.
    #[error("the peer's {0} is of another run")]
    OtherRun(&'static str),
    /// A message with more or fewer labels than it must have.
    #[error("the peer's {what} has {found} labels where {expected} are due")]
    Length {
        /// The message.
        what: &'static str,
        /// Labels that are due.
        expected: usize,
        /// Labels that came.
        found: usize,
    },
    /// A piece that is not the next.
    #[error("gate {expected} is next, and the peer sends those from {found} on")]
    OutOfOrder {
        /// The next gate.
        expected: u64,
        /// The first of the piece.
        found: u64,
    },
    /// The end before all gates were garbled or evaluated.
    #[error("{0} gates are still to come")]
    Unfinished(u64),
    /// An output label that is neither of two, or an answer that does not fit.
    #[error("the peer's circuit or labels are corrupt")]
    Corrupt,
}
