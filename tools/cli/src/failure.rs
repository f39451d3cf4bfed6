//! Why a command failed, and the exit status that says so to scripts.

use symbolon::circuit::garble::GarbleError;
use symbolon::device::DeviceError;
use symbolon::net::NetError;
use symbolon::plan::PlanError;
use symbolon::program::ProgramError;
use symbolon::run::RunError;
use symbolon::session::{CheckpointError, OfferError, SessionError, StoreError};
use symbolon_import::ImportError;
use symbolon_job::JobError;

/// The status of a result that is not what it must be.
pub const WRONG: u8 = 1;

/// The status of what lacks resources.
pub const RESOURCES: u8 = 4;

/// The status of a fault of this program: that of an internal software error in `sysexits.h`.
pub const FAULT: u8 = 70;

/// The status of what a signal has ended: as a shell gives it for INT.
const INTERRUPTED: u8 = 130;

/// Why a command failed: one line.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A command line that cannot be followed.
    #[error("{0}")]
    Usage(String),
    /// The job, its files, or its party.
    #[error(transparent)]
    Job(JobError),
    /// A model that cannot be imported.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The program as a whole.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// The plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The device.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The session.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// Another process of this machine failed; its own line and status.
    #[error("{line}")]
    Child {
        /// What it said.
        line: String,
        /// Its status.
        status: u8,
    },
    /// A signal asked the launcher to end.
    #[error("interrupted: every process was ended and nothing is written")]
    Interrupted,
    /// A signal asked this node to end.
    #[error("interrupted")]
    Ended,
    /// What the operating system does not give: threads, processes, files, memory.
    #[error("{0}")]
    Resources(String),
    /// A fault of this program.
    #[error("{0}")]
    Fault(String),
    /// A result that is not what it must be.
    #[error("{0}")]
    Wrong(String),
}

impl From<JobError> for Failure {
    /// A session's failure is the session's, wherever it comes from.
    fn from(error: JobError) -> Failure {
        match error {
            JobError::Session(error) => Failure::Session(error),
            error => Failure::Job(error),
        }
    }
}

impl Failure {
    /// There is no thread to be had.
    pub fn thread(error: &std::io::Error) -> Failure {
        Failure::Resources(format!("a thread cannot be started: {error}"))
    }

    /// Whether the operating system has said that there are no more files, in this process or at all, or no memory.
    /// Errors of files and connections have its words only.
    fn lacks_resources(&self) -> bool {
        const ENOMEM: i32 = 12;
        const ENFILE: i32 = 23;
        const EMFILE: i32 = 24;
        let is_own = match self {
            Failure::Child { .. } => false,
            Failure::Session(error) => !is_told(error),
            _ => true,
        };
        let line = self.to_string();
        let says = |code: &i32| line.contains(&format!("(os error {code})"));
        cfg!(unix) && is_own && [ENOMEM, ENFILE, EMFILE].iter().any(says)
    }

    /// What the other parties are told: nothing of the values and files of this one.
    pub fn public_reason(&self) -> String {
        match self {
            Failure::Job(error) => error.public_reason(),
            Failure::Session(_)
            | Failure::Import(_)
            | Failure::Wrong(_)
            | Failure::Usage(_)
            | Failure::Child { .. } => "it cannot go on".to_owned(),
            Failure::Resources(_) => "it lacks resources".to_owned(),
            Failure::Fault(_) => "it has failed".to_owned(),
            Failure::Program(_) | Failure::Plan(_) | Failure::Device(_) => self.to_string(),
            Failure::Interrupted | Failure::Ended => self.to_string(),
        }
    }

    /// 1 wrong; 2 bad usage or input; 3 peer or network; 4 resources; 5 parties disagree; 70 a fault of this program; 130
    /// interrupted.
    pub fn status(&self) -> u8 {
        if self.lacks_resources() {
            return RESOURCES;
        }
        match self {
            Failure::Usage(_) | Failure::Import(_) | Failure::Program(_) => 2,
            Failure::Job(JobError::Identity { .. }) => RESOURCES,
            Failure::Job(_) => 2,
            Failure::Plan(error) => plan_status(error),
            Failure::Device(error) => device_status(error),
            Failure::Session(error) => session_status(error),
            Failure::Child { status, .. } => *status,
            Failure::Interrupted | Failure::Ended => INTERRUPTED,
            Failure::Resources(_) => RESOURCES,
            Failure::Fault(_) => FAULT,
            Failure::Wrong(_) => WRONG,
        }
    }
}

/// A peer's own words, which may be of what it lacks.
fn is_told(error: &SessionError) -> bool {
    match error {
        SessionError::Net(error) | SessionError::Run(RunError::Peer { error, .. }) => {
            matches!(error, NetError::Aborted { .. })
        }
        _ => false,
    }
}

fn plan_status(error: &PlanError) -> u8 {
    match error {
        PlanError::Program(_) | PlanError::Demand(_) | PlanError::Source(_) => 2,
        PlanError::OverBudget { .. } | PlanError::TooManySteps { .. } => 4,
    }
}

fn device_status(error: &DeviceError) -> u8 {
    match error {
        DeviceError::Unknown { .. } => 2,
        _ => 4,
    }
}

fn session_status(error: &SessionError) -> u8 {
    match error {
        SessionError::Plan(error) => plan_status(error),
        SessionError::Net(error) => net_status(error),
        SessionError::Offer(error) => offer_status(error),
        SessionError::TileSide { .. } | SessionError::NoSource { .. } => 5,
        SessionError::Store(error) => store_status(error),
        SessionError::Checkpoint(CheckpointError::NoneInCommon { .. }) => 5,
        SessionError::Check { .. } => WRONG,
        SessionError::Run(RunError::Device { error, .. }) => device_status(error),
        SessionError::Run(RunError::Peer { error, .. }) => net_status(error),
        SessionError::Run(RunError::Interrupted) => INTERRUPTED,
        SessionError::Run(RunError::Thread { .. } | RunError::Randomness { .. }) => RESOURCES,
        SessionError::Pair { .. } | SessionError::Run(_) | SessionError::Poisoned { .. } => 3,
        SessionError::MissingInput { .. }
        | SessionError::InputLength { .. }
        | SessionError::InputRing { .. }
        | SessionError::InputBound { .. }
        | SessionError::InputInteger { .. }
        | SessionError::UnknownInput { .. }
        | SessionError::ResidentInput { .. }
        | SessionError::StoredRunsDiffer
        | SessionError::OtherSession
        | SessionError::RunsDue
        | SessionError::PublicEnds { .. }
        | SessionError::Checkpoint(_)
        | SessionError::Network(_) => 2,
        SessionError::Garbled { error, .. } => match error {
            GarbleError::OtherCircuit | GarbleError::Evaluations { .. } => 5,
            GarbleError::Inputs { .. } => 2,
            GarbleError::Entropy => RESOURCES,
            _ => 3,
        },
        SessionError::GarbledMemory { .. }
        | SessionError::PairTooLarge { .. }
        | SessionError::Entropy { .. }
        | SessionError::Runtime { .. } => 4,
    }
}

fn offer_status(error: &OfferError) -> u8 {
    match error {
        OfferError::Shape { .. } | OfferError::Kind { .. } => 5,
        OfferError::Missing { .. } | OfferError::Unreadable { .. } | OfferError::Unknown { .. } => 3,
        OfferError::Undeclared { .. } => 2,
        OfferError::TooLarge { .. } => 4,
    }
}

fn store_status(error: &StoreError) -> u8 {
    match error {
        StoreError::Exhausted { .. }
        | StoreError::NothingInCommon { .. }
        | StoreError::BroughtBack { .. } => 4,
        _ => 2,
    }
}

fn net_status(error: &NetError) -> u8 {
    match error {
        NetError::Disagree { .. } | NetError::Version { .. } => 5,
        NetError::Interrupted => INTERRUPTED,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use symbolon::share::Role;

    #[cfg(unix)]
    #[test]
    fn too_many_files_are_a_lack_of_resources_wherever_they_are_opened() {
        let reason = || "Too many open files (os error 24)".to_owned();
        let file = JobError::File { path: "x.npy".into(), reason: reason() };
        let address = "127.0.0.1:7000".parse().expect("an address");
        let listening = Failure::Session(NetError::Listen { address, reason: reason() }.into());
        let of_peer = Failure::Session(NetError::Aborted { peer: Role::Dealer, reason: reason() }.into());
        assert_eq!([Failure::from(file).status(), listening.status(), of_peer.status()], [4, 4, 3]);
        let reason = "No such file or directory (os error 2)".to_owned();
        let missing = JobError::File { path: "x.npy".into(), reason };
        assert_eq!(Failure::from(missing).status(), 2);
    }
}
