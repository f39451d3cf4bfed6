//! The failures of a run.

use crate::circuit::garble::GarbleError;
use crate::device::DeviceError;
use crate::net::NetError;
use crate::share::Role;
use std::time::Duration;

/// A run's failure: the layer that failed, and the step at which.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// The device failed.
    #[error("{error} (in {doing})")]
    Device {
        /// The error.
        error: DeviceError,
        /// The step and its op.
        doing: String,
    },
    /// A peer's message is no garbled circuit of this run, or there is no randomness for one.
    #[error("{error} (in {doing})")]
    Garbled {
        /// The error; where in the circuit it is, it does not tell.
        error: GarbleError,
        /// The step and its op.
        doing: String,
    },
    /// A peer failed.
    #[error("{error} (in {doing})")]
    Peer {
        /// The network's error.
        error: NetError,
        /// The step and its op.
        doing: String,
    },
    /// The source of messages beside the links gave out.
    #[error("the messages that {maker} made before the run cannot be had (in {doing})")]
    Source {
        /// The role that made them.
        maker: Role,
        /// The step and its op.
        doing: String,
    },
    /// A sink for messages took nothing more.
    #[error("the messages for {taker} cannot be kept (in {doing})")]
    Sink {
        /// The role that they are for.
        taker: Role,
        /// The step and its op.
        doing: String,
    },
    /// There is no randomness for what the run draws itself.
    #[error("{reason}")]
    Randomness {
        /// The error.
        reason: String,
    },
    /// Peers told parts of the checks' answers that cannot all be right.
    #[error(
        "what the parties tell of the checks' answers cannot be: {} lied; no output is revealed", suspects(.peers)
    )]
    Answers {
        /// The peers of which one lied.
        peers: Vec<Role>,
    },
    /// This process was asked to end.
    #[error("interrupted")]
    Interrupted,
    /// The operating system gives no thread for a device's lane.
    #[error("a thread cannot be started for the device: {reason}")]
    Thread {
        /// The error.
        reason: String,
    },
    /// The device lane ended without a word: a fault of this program.
    #[error("the device lane ended unexpectedly")]
    LaneLost,
    /// Every peer is alive, but nothing moves.
    #[error("no progress for {waited:?}: {}", .stuck.join("; "))]
    Stalled {
        /// The time without progress.
        waited: Duration,
        /// The waiting steps, and their peers.
        stuck: Vec<String>,
    },
}

/// Those of whom one did something.
fn suspects(peers: &[Role]) -> String {
    peers.iter().map(Role::to_string).collect::<Vec<_>>().join(" or ")
}

impl RunError {
    /// The text that `peer` may learn. A dealer does not learn which step of which op failed.
    pub fn told(&self, peer: Role) -> String {
        match (self, peer) {
            (RunError::Device { .. }, Role::Dealer) => "its device has failed".to_owned(),
            (RunError::Garbled { .. }, Role::Dealer) => "a garbled circuit was refused".to_owned(),
            (RunError::Peer { error, .. }, Role::Dealer) => error.told(peer),
            (RunError::Source { .. }, Role::Dealer) => "its correlations cannot be had".to_owned(),
            (RunError::Answers { peers }, Role::Dealer) => format!("{} lied", suspects(peers)),
            (RunError::Stalled { waited, .. }, Role::Dealer) => format!("no progress for {waited:?}"),
            _ => self.to_string(),
        }
    }
}
