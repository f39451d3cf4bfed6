//! The deadlines.

use std::time::Duration;

/// The deadlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// For a peer to appear and greet.
    pub connect: Duration,
    /// For the next sign of life of a connected peer.
    pub silence: Duration,
    /// For the next piece of this process's work while all peers are alive: a step, a frame sent, or a frame that is due
    /// by the plan. Longer than peers compute between two messages.
    pub stall: Duration,
}

impl Default for Deadlines {
    fn default() -> Deadlines {
        Deadlines {
            connect: Duration::from_secs(30),
            silence: Duration::from_secs(10),
            stall: Duration::from_secs(600),
        }
    }
}
