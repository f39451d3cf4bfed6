//! Why a session failed.

use super::{CheckpointError, NetworkFault, OfferError, StoreError};
use crate::circuit::garble::GarbleError;
use crate::correlation::pair::PairError;
use crate::net::NetError;
use crate::plan::PlanError;
use crate::program::{Kind, Span};
use crate::ring::Ring;
use crate::run::RunError;
use crate::share::{PartyId, Role};

/// Why a session failed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SessionError {
    /// The program has no plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A peer could not be reached, or does not agree.
    #[error(transparent)]
    Net(#[from] NetError),
    /// A party's offer is not one that the job allows.
    #[error(transparent)]
    Offer(Box<OfferError>),
    /// Tiles of a peer's choice so small that the plan would be too long.
    #[error(
        "{peer} wants tiles of side {side}, which make plans of about {steps} steps in all; at a peer's wish at most \
         {most} are planned: start both with --tile {enough}, or more"
    )]
    TileSide {
        /// Who.
        peer: Role,
        /// The side that it wants.
        side: usize,
        /// About how many steps all roles' plans would have.
        steps: u64,
        /// The most.
        most: u64,
        /// A side that would do.
        enough: usize,
    },
    /// The store of correlations is of no use.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The checkpoints of this party.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Two parties cannot make their correlations.
    #[error("the correlations with {peer} cannot be made: {error}")]
    Pair {
        /// The other one.
        peer: Role,
        /// The step that fails, and how.
        error: PairError,
    },
    /// Two parties would have to keep too many corrections.
    #[error(
        "the parties themselves would make {bytes} bytes of corrections for one run, which party 1 keeps until the run takes \
         them; at most {most_bytes} are made: take a dealer, or cut the job into batches"
    )]
    PairTooLarge {
        /// The corrections, in bytes.
        bytes: u64,
        /// The most.
        most_bytes: u64,
    },
    /// No source of correlations that all parties allow.
    #[error("no source of correlations is allowed by every party: {lists}")]
    NoSource {
        /// The sources that each allows, in words.
        lists: String,
    },
    /// A garbled run that cannot begin, or that the other party spoils. Nothing tells where in the circuit it was.
    #[error("the garbled circuit with {peer}: {error}")]
    Garbled {
        /// The other one.
        peer: Role,
        /// What is wrong.
        error: GarbleError,
    },
    /// Labels that take more memory than the session has.
    #[error("the garbled circuit takes {bytes} bytes of labels, above the budget of {budget_bytes} bytes")]
    GarbledMemory {
        /// Those of live wires, inputs, outputs and transfers, in bytes.
        bytes: u64,
        /// The most, in bytes.
        budget_bytes: u64,
    },
    /// The run ended early.
    #[error(transparent)]
    Run(#[from] RunError),
    /// An input of this party is missing.
    #[error("input '{name}' belongs to {party}, which was given no data for it")]
    MissingInput {
        /// The input.
        name: String,
        /// Its owner.
        party: PartyId,
    },
    /// An input has another length than the program says.
    #[error("input '{name}' has {found} elements; the program says {expected}")]
    InputLength {
        /// The input.
        name: String,
        /// The number of elements in the program.
        expected: usize,
        /// The number of elements given.
        found: usize,
    },
    /// An input is of another ring than the program.
    #[error("input '{name}' has elements of {} bits; the program computes on {} bits", .found.bits(), .expected.bits())]
    InputRing {
        /// The input.
        name: String,
        /// The program's ring.
        expected: Ring,
        /// The input's.
        found: Ring,
    },
    /// An input exceeds the bound that the program declares for it.
    #[error("input '{name}' has a magnitude of {found}, above its declared bound {bound}")]
    InputBound {
        /// The input.
        name: String,
        /// What the program declares.
        bound: f64,
        /// The largest magnitude.
        found: f64,
    },
    /// An input has an integer that its kind and bound exclude.
    #[error("input '{name}' has {found}, but holds {kind} from {} to {}", .span.low, .span.high)]
    InputInteger {
        /// The input.
        name: String,
        /// Its kind.
        kind: Kind,
        /// What the program declares.
        span: Span,
        /// The first integer outside.
        found: i128,
    },
    /// Data was given for an input that is not this party's.
    #[error("{role} was given data for '{name}', which is no input of its own")]
    UnknownInput {
        /// The name.
        name: String,
        /// The party whose session it is.
        role: Role,
    },
    /// A resident input was given to a run after the first.
    #[error("input '{name}' is resident: what was given to the first run stays, and cannot be given again")]
    ResidentInput {
        /// The input.
        name: String,
    },
    /// Runs that consume different correlations, and these from a store.
    #[error(
        "a store has the same correlations for every run: a program whose runs differ, since inputs are resident or outputs \
         revealed in few, needs a dealer, or parties that make them themselves"
    )]
    StoredRunsDiffer,
    /// A run behind those of which a public value is known.
    #[error("public value '{name}' says nothing of run {run}")]
    PublicEnds {
        /// The public value.
        name: String,
        /// The run, counted from 1.
        run: u32,
    },
    /// Another use of the session amid runs that were announced.
    #[error("runs that were announced are due: nothing else can be done in this session before them")]
    RunsDue,
    /// A prepared program of another session.
    #[error("the program was prepared in another session: prepare it in the one that runs it")]
    OtherSession,
    /// The network is not well described.
    #[error("the network is not well described: {0}")]
    Network(NetworkFault),
    /// The operating system gives no randomness.
    #[error("the operating system gives no randomness: {reason}")]
    Entropy {
        /// The error.
        reason: String,
    },
    /// The operating system gives no thread for the wire lane.
    #[error("the network cannot be served: {reason}")]
    Runtime {
        /// The error.
        reason: String,
    },
    /// The program's checks say that something it rests on does not hold. All parties learn of which step. A peer that
    /// deviates may have another step named than one that fails, or one where all hold.
    #[error(
        "{step} does not hold to what is declared, assumed or needed: {}; no output is revealed", explained(.step)
    )]
    Check {
        /// The first step in the order of the program that does not hold.
        step: String,
    },
    /// An earlier failure has closed the links.
    #[error("the session of {role} has failed before and cannot run again")]
    Poisoned {
        /// Whose session.
        role: Role,
    },
}

/// What a failed check may mean.
fn explained(step: &str) -> &'static str {
    match step.starts_with("input ") {
        true => "a number of it exceeds its declared bound, or the ring",
        false => "a number leaves its stated range, the domain of a function, or the ring",
    }
}

impl From<OfferError> for SessionError {
    fn from(error: OfferError) -> SessionError {
        SessionError::Offer(Box::new(error))
    }
}

impl SessionError {
    /// The text that `peer` receives: the error without anything about this process's inputs or files, and, to a dealer,
    /// about the parties' computation.
    pub(super) fn told(&self, peer: Role) -> String {
        let is_dealer = peer == Role::Dealer;
        match self {
            SessionError::MissingInput { name, .. }
            | SessionError::InputLength { name, .. }
            | SessionError::InputRing { name, .. }
            | SessionError::InputBound { name, .. }
            | SessionError::InputInteger { name, .. }
            | SessionError::UnknownInput { name, .. }
            | SessionError::ResidentInput { name } => match is_dealer {
                true => "its inputs cannot be used".to_owned(),
                false => format!("its input '{name}' cannot be used"),
            },
            // Paths are this party's own affair.
            SessionError::Store(_) => "its correlation store cannot be used".to_owned(),
            SessionError::Checkpoint(CheckpointError::NoneInCommon { .. }) if !is_dealer => {
                "the parties have no checkpoint in common".to_owned()
            }
            SessionError::Checkpoint(_) => "its checkpoints cannot be used".to_owned(),
            SessionError::Net(error) => error.told(peer),
            SessionError::Run(error) => error.told(peer),
            // Who is at fault is named, and nothing is said of the job.
            SessionError::Offer(error) if is_dealer => match error.offerer() {
                Some(offerer) => format!("what {offerer} offers is not what was declared"),
                None => "it has no plan".to_owned(),
            },
            SessionError::TileSide { peer, .. } if is_dealer => {
                format!("{peer} wants tiles that are too small")
            }
            SessionError::Plan(_) if is_dealer => "it has no plan".to_owned(),
            SessionError::Pair { .. }
            | SessionError::PairTooLarge { .. }
            | SessionError::NoSource { .. }
            | SessionError::Garbled { .. }
            | SessionError::GarbledMemory { .. }
                if is_dealer =>
            {
                "it ended the session".to_owned()
            }
            SessionError::Check { .. } | SessionError::PublicEnds { .. } if is_dealer => {
                "it ended the session".to_owned()
            }
            SessionError::Plan(_)
            | SessionError::TileSide { .. }
            | SessionError::Offer(_)
            | SessionError::StoredRunsDiffer
            | SessionError::Pair { .. }
            | SessionError::PairTooLarge { .. }
            | SessionError::NoSource { .. }
            | SessionError::Garbled { .. }
            | SessionError::GarbledMemory { .. }
            | SessionError::OtherSession
            | SessionError::Check { .. }
            | SessionError::Network(_)
            | SessionError::Entropy { .. }
            | SessionError::Runtime { .. }
            | SessionError::RunsDue
            | SessionError::PublicEnds { .. }
            | SessionError::Poisoned { .. } => self.to_string(),
        }
    }
}
