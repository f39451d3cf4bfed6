//! The traffic of a link, for reports and observers.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts frames and bytes of a link as they cross it, headers included, heartbeats not.
#[derive(Debug, Default)]
pub(in crate::net) struct Traffic {
    sent_frames: AtomicU64,
    sent_bytes: AtomicU64,
    resent_bytes: AtomicU64,
    received_frames: AtomicU64,
    received_bytes: AtomicU64,
    connections: AtomicU64,
}

/// The traffic of a link so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkTraffic {
    /// Frames sent, each counted once.
    pub sent_frames: u64,
    /// Their bytes, headers included.
    pub sent_bytes: u64,
    /// Bytes sent again because a connection broke.
    pub resent_bytes: u64,
    /// Frames received.
    pub received_frames: u64,
    /// Their bytes, headers included.
    pub received_bytes: u64,
    /// The number of reconnections.
    pub reconnects: u64,
}

impl Traffic {
    /// A frame has been written, for the first time or again.
    pub(in crate::net) fn sent(&self, bytes: u64, again: bool) {
        if again {
            self.resent_bytes.fetch_add(bytes, Ordering::Relaxed);
        } else {
            self.sent_frames.fetch_add(1, Ordering::Relaxed);
            self.sent_bytes.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// A frame has been delivered.
    pub(in crate::net) fn received(&self, bytes: u64) {
        self.received_frames.fetch_add(1, Ordering::Relaxed);
        self.received_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The link has a connection.
    pub(in crate::net) fn connected(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(in crate::net) fn so_far(&self) -> LinkTraffic {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        LinkTraffic {
            sent_frames: of(&self.sent_frames),
            sent_bytes: of(&self.sent_bytes),
            resent_bytes: of(&self.resent_bytes),
            received_frames: of(&self.received_frames),
            received_bytes: of(&self.received_bytes),
            reconnects: of(&self.connections).saturating_sub(1),
        }
    }
}
