//! Why a job cannot be read or run.

use crate::data::{DataError, ValueError};
use std::path::PathBuf;
use symbolon::circuit::bristol::BristolError;
use symbolon::program::ProgramError;
use symbolon::program::expression::StepError;
use symbolon::protocol::UnservedBy;
use symbolon::protocol::garbled::NoCircuit;
use symbolon::session::{SessionError, WorldError};

/// Why a job cannot be read or run: one line that says where, what and what to do.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum JobError {
    /// A file that cannot be read or written.
    #[error("{}: {reason}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The operating system's word, or the limit.
        reason: String,
    },
    /// A file whose text is not what it should be.
    #[error("{}{}: {reason}", .path.display(), .line.map_or_else(String::new, |line| format!(":{line}")))]
    Text {
        /// The file.
        path: PathBuf,
        /// The line, from 1, where there is one.
        line: Option<usize>,
        /// The fault, and what to write instead.
        reason: String,
    },
    /// The data of an input.
    #[error("input '{input}': {error}")]
    Data {
        /// The input.
        input: String,
        /// The fault.
        error: DataError,
    },
    /// The data of an input does not fit the job.
    #[error("input '{input}': {}: {error}", .file.display())]
    Value {
        /// The input.
        input: String,
        /// Its file.
        file: PathBuf,
        /// The fault.
        error: Box<ValueError>,
    },
    /// An output that cannot be written.
    #[error("output '{output}': {error}")]
    Output {
        /// The output.
        output: String,
        /// The fault.
        error: DataError,
    },
    /// A source of correlations that cannot serve the protocol.
    #[error(transparent)]
    Source(#[from] UnservedBy),
    /// An identity that cannot be made.
    #[error("no identity can be made: {reason}")]
    Identity {
        /// The reason.
        reason: String,
    },
    /// A step of the program.
    #[error(transparent)]
    Step(#[from] StepError),
    /// The program as a whole.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// A program that has no circuit.
    #[error(transparent)]
    NoCircuit(#[from] NoCircuit),
    /// A file that is no circuit.
    #[error("{}: {error}", .path.display())]
    Circuit {
        /// The file.
        path: PathBuf,
        /// Its line, and what is wrong with it.
        error: BristolError,
    },
    /// The session of a party.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The roles of a deployment in one process.
    #[error(transparent)]
    World(#[from] WorldError),
}

impl JobError {
    /// A reason that the other parties may read: nothing of the values and files of this one.
    pub fn public_reason(&self) -> String {
        match self {
            JobError::Data { input, .. } | JobError::Value { input, .. } => {
                format!("its input '{input}' cannot be used")
            }
            JobError::Output { output, .. } => format!("its output '{output}' cannot be written"),
            JobError::File { .. } | JobError::Text { .. } | JobError::Circuit { .. } => {
                "one of its files cannot be used".to_owned()
            }
            JobError::Session(_) | JobError::World(_) | JobError::Source(_) => "it cannot go on".to_owned(),
            JobError::Identity { .. } => "it lacks resources".to_owned(),
            JobError::Step(_) | JobError::Program(_) | JobError::NoCircuit(_) => self.to_string(),
        }
    }
}
