//! Why a run ended early.

use crate::device::DeviceError;
use crate::net::NetError;
use crate::share::Role;
use std::time::Duration;

/// Why a run ended early: which layer, and what the run was doing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// The device failed.
    #[error("{error} (in {doing})")]
    Device {
        /// What it says.
        error: DeviceError,
        /// The step and its op.
        doing: String,
    },
    /// A peer failed.
    #[error("{error} (in {doing})")]
    Peer {
        /// What happened to it.
        error: NetError,
        /// The step and its op.
        doing: String,
    },
    /// This process was asked to end.
    #[error("interrupted")]
    Interrupted,
    /// The operating system gives no thread for a device's lane.
    #[error("a thread cannot be started for the device: {reason}")]
    Thread {
        /// What it says.
        reason: String,
    },
    /// The device lane ended without a word: a fault of this program.
    #[error("the device lane ended unexpectedly")]
    LaneLost,
    /// Every peer is alive, but nothing moves.
    #[error("no progress for {waited:?}: {}", .stuck.join("; "))]
    Stalled {
        /// How long.
        waited: Duration,
        /// Which steps wait for whom.
        stuck: Vec<String>,
    },
}

impl RunError {
    /// What `peer` may be told of it. A dealer does not learn which step of which op failed.
    pub fn told(&self, peer: Role) -> String {
        match (self, peer) {
            (RunError::Device { .. }, Role::Dealer) => "its device has failed".to_owned(),
            (RunError::Peer { error, .. }, Role::Dealer) => error.told(peer),
            (RunError::Stalled { waited, .. }, Role::Dealer) => format!("no progress for {waited:?}"),
            _ => self.to_string(),
        }
    }
}
