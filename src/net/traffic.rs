//! What has crossed a link, for reports and for who watches the process.

use super::carrier::Shared;
use crate::share::Role;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

/// Counts frames and bytes of a link as they cross it, headers included, heartbeats not.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    sent_frames: AtomicU64,
    sent_bytes: AtomicU64,
    resent_bytes: AtomicU64,
    received_frames: AtomicU64,
    received_bytes: AtomicU64,
    connections: AtomicU64,
}

/// What has crossed a link so far.
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
    /// How often a connection was taken up again.
    pub reconnects: u64,
}

impl Traffic {
    /// A frame has been written, for the first time or again.
    pub(super) fn sent(&self, bytes: u64, again: bool) {
        if again {
            self.resent_bytes.fetch_add(bytes, Ordering::Relaxed);
        } else {
            self.sent_frames.fetch_add(1, Ordering::Relaxed);
            self.sent_bytes.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// A frame has been delivered.
    pub(super) fn received(&self, bytes: u64) {
        self.received_frames.fetch_add(1, Ordering::Relaxed);
        self.received_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The link has a connection.
    pub(super) fn connected(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn so_far(&self) -> LinkTraffic {
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

/// A link as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObservedLink {
    /// Who is at the other end.
    pub peer: Role,
    /// What has crossed it.
    pub traffic: LinkTraffic,
    /// Pieces of work that the peer said it has done.
    pub peer_progress: u64,
    /// Pieces of work that this end's process has done.
    pub progress: u64,
    /// How long data has been crossing any link of this end's process.
    pub wire_busy: Duration,
}

/// The links of this process, as long as they live.
static LINKS: Mutex<Vec<Weak<Shared>>> = Mutex::new(Vec::new());

/// Lets a link be observed.
pub(super) fn enrol(link: &Arc<Shared>) {
    let mut links = LINKS.lock().expect("no panic while observing");
    links.retain(|link| link.strong_count() > 0);
    links.push(Arc::downgrade(link));
}

/// Every link that this process has now, in the order in which they came to be.
pub fn observe() -> Vec<ObservedLink> {
    let links = LINKS.lock().expect("no panic while observing");
    let observed = links.iter().filter_map(Weak::upgrade).map(|link| ObservedLink {
        peer: link.peer,
        traffic: link.traffic.so_far(),
        peer_progress: link.peer_progress.load(Ordering::Relaxed),
        progress: link.activity.progress(),
        wire_busy: link.activity.busy(),
    });
    observed.collect()
}
