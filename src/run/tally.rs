//! Counting what crosses the wire while it does.

use crate::step::Phase;
use std::collections::HashMap;

/// What one role has sent and received; bytes are without framing.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Online bytes sent.
    pub sent_bytes: u64,
    /// Online bytes received.
    pub received_bytes: u64,
    /// Offline bytes sent.
    pub offline_sent_bytes: u64,
    /// Offline bytes received.
    pub offline_received_bytes: u64,
    /// Bytes of frame headers sent in both phases.
    pub framing_bytes: u64,
    /// The longest chain of online messages that this role saw.
    pub rounds: u32,
    /// The depth of what has been given to the device to be sent.
    depths: HashMap<u32, u32>,
}

impl Tally {
    /// The step at `position` will send what lies `depth` rounds deep.
    pub(super) fn send(&mut self, position: u32, depth: u32, phase: Phase) {
        let depth = if phase == Phase::Online { depth.saturating_add(1) } else { 0 };
        self.depths.insert(position, depth);
        self.rounds = self.rounds.max(depth);
    }

    /// The depth of the message that the step at `position` sends.
    pub(super) fn depth_of(&self, position: u32) -> u32 {
        self.depths[&position]
    }

    /// A message has been queued on its link.
    pub(super) fn sent(&mut self, phase: Phase, bytes: u64) {
        match phase {
            Phase::Offline => self.offline_sent_bytes += bytes,
            Phase::Online => self.sent_bytes += bytes,
        }
    }

    /// A piece has arrived.
    pub(super) fn received(&mut self, phase: Phase, bytes: u64, depth: u32) {
        match phase {
            Phase::Offline => self.offline_received_bytes += bytes,
            Phase::Online => self.received_bytes += bytes,
        }
        self.rounds = self.rounds.max(depth);
    }
}
