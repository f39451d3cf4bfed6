//! Failures as exceptions of the package, which `symbolon/_errors.py` defines.

use pyo3::prelude::*;
use symbolon::net::NetError;
use symbolon::plan::PlanError;
use symbolon::program::ProgramError;
use symbolon::program::expression::{StepError, StepErrorKind};
use symbolon::run::RunError;
use symbolon::session::SessionError;
use symbolon::share::{Difference, Role};
use symbolon_cli::Failure;
use symbolon_job::JobError;

/// An exception of the package, with fields.
pub struct Raised<'a> {
    class: &'a str,
    line: String,
    fields: Vec<(&'a str, Field)>,
}

/// The value of a field.
enum Field {
    Text(String),
    Number(i64),
    Shape(Vec<usize>),
}

impl<'a> Raised<'a> {
    /// An exception of this class.
    pub fn new(class: &'a str, line: impl Into<String>) -> Raised<'a> {
        Raised { class, line: line.into(), fields: Vec::new() }
    }

    fn with(mut self, name: &'a str, value: Field) -> Raised<'a> {
        self.fields.push((name, value));
        self
    }

    /// The same with a whole number as a field.
    pub fn with_number(self, name: &'a str, number: usize) -> Raised<'a> {
        self.with(name, Field::Number(number as i64))
    }

    /// The exception itself.
    pub fn into_error(self, py: Python<'_>) -> PyErr {
        self.build(py).unwrap_or_else(|error| error)
    }

    fn build(self, py: Python<'_>) -> PyResult<PyErr> {
        let exception = py.import("symbolon._errors")?.getattr(self.class)?.call1((self.line,))?;
        for (name, value) in self.fields {
            match value {
                Field::Text(text) => exception.setattr(name, text)?,
                Field::Number(number) => exception.setattr(name, number)?,
                Field::Shape(extents) => {
                    exception.setattr(name, pyo3::types::PyTuple::new(py, extents)?)?;
                }
            }
        }
        Ok(PyErr::from_value(exception))
    }
}

/// A step that does not fit: its own text is the package's, and is left out.
pub fn of_step(error: &StepError) -> Raised<'static> {
    match &*error.kind {
        StepErrorKind::Program(error) => of_program(error),
        kind => Raised::new("ProgramError", kind.to_string()),
    }
}

/// A program that does not fit.
pub fn of_program(error: &ProgramError) -> Raised<'static> {
    let raised = Raised::new("ProgramError", error.to_string());
    match error {
        ProgramError::Broadcast(operands)
        | ProgramError::Inner(operands)
        | ProgramError::Joined { operands, .. } => raised
            .with("left", Field::Shape(operands.left.extents().to_vec()))
            .with("right", Field::Shape(operands.right.extents().to_vec())),
        _ => raised,
    }
}

/// Any failure but that of a signal.
pub fn of_failure(failure: &Failure) -> Raised<'static> {
    let raised = match failure {
        Failure::Job(JobError::Step(error)) => of_step(error),
        Failure::Job(JobError::Program(error)) | Failure::Program(error) => of_program(error),
        Failure::Plan(PlanError::Program(error)) => of_program(error),
        Failure::Session(SessionError::Plan(PlanError::Program(error))) => of_program(error),
        Failure::Session(error) => of_session(error),
        Failure::Usage(line) => Raised::new("UsageError", line.clone()),
        other => Raised::new(class(other.status()), other.to_string()),
    };
    raised.with("status", Field::Number(failure.status().into()))
}

/// The class of an exit status of the command.
fn class(status: u8) -> &'static str {
    match status {
        1 => "CheckError",
        2 => "ProgramError",
        3 => "PeerError",
        4 => "ResourceError",
        5 => "DisagreementError",
        _ => "SymbolonError",
    }
}

fn of_session(error: &SessionError) -> Raised<'static> {
    let line = error.to_string();
    let net = match error {
        SessionError::Net(error) | SessionError::Run(RunError::Peer { error, .. }) => Some(error),
        _ => None,
    };
    if let Some(NetError::Disagree { peer, difference: Difference { field, here, there } }) = net {
        return Raised::new("DisagreementError", line)
            .with("party", party(*peer))
            .with("field", Field::Text(field.clone()))
            .with("here", Field::Text(here.clone()))
            .with("there", Field::Text(there.clone()));
    }
    Raised::new(class(Failure::Session(error.clone()).status()), line)
}

fn party(role: Role) -> Field {
    match role {
        Role::Party(party) => Field::Number(party.0.into()),
        Role::Dealer => Field::Text("dealer".to_owned()),
    }
}
