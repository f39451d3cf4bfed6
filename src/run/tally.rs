//! Counters of traffic.

use crate::step::Phase;

/// One role's traffic; bytes are without framing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
    /// Online transmissions: messages that travelled together are one.
    pub transmissions: u64,
    /// The longest chain of online messages that this role saw.
    pub rounds: u32,
}

impl Tally {
    /// The traffic of two runs, one after the other.
    pub(super) fn then(self, later: Tally) -> Tally {
        Tally {
            sent_bytes: self.sent_bytes + later.sent_bytes,
            received_bytes: self.received_bytes + later.received_bytes,
            offline_sent_bytes: self.offline_sent_bytes + later.offline_sent_bytes,
            offline_received_bytes: self.offline_received_bytes + later.offline_received_bytes,
            framing_bytes: self.framing_bytes + later.framing_bytes,
            transmissions: self.transmissions + later.transmissions,
            rounds: self.rounds + later.rounds,
        }
    }

    /// A message has been queued on its link.
    pub(super) fn sent(&mut self, phase: Phase, bytes: u64) {
        match phase {
            Phase::Offline => self.offline_sent_bytes += bytes,
            Phase::Online | Phase::Reveal => self.sent_bytes += bytes,
        }
    }

    /// A piece has arrived.
    pub(super) fn received(&mut self, phase: Phase, bytes: u64, depth: u32) {
        match phase {
            Phase::Offline => self.offline_received_bytes += bytes,
            Phase::Online | Phase::Reveal => self.received_bytes += bytes,
        }
        self.rounds = self.rounds.max(depth);
    }
}
