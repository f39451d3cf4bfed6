//! Links as they are, for who watches the process.

use crate::net::link::shared::Shared;
use crate::net::link::traffic::LinkTraffic;
use crate::share::Role;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

/// A link as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObservedLink {
    /// The role at the other end.
    pub peer: Role,
    /// Its traffic.
    pub traffic: LinkTraffic,
    /// Pieces of work that the peer said it has done.
    pub peer_progress: u64,
    /// Pieces of work that this end's process has done.
    pub progress: u64,
    /// The time for which data has been crossing any link of this end's process.
    pub wire_busy: Duration,
}

/// The links of those sessions and dealers that were given it ([`LinkOptions`](super::LinkOptions)), for as long as they
/// live.
#[derive(Debug, Default)]
pub struct LinkObserver(Mutex<Vec<Weak<Shared>>>);

impl LinkObserver {
    /// One that observes no link yet.
    pub const fn new() -> LinkObserver {
        LinkObserver(Mutex::new(Vec::new()))
    }

    /// Lets a link be observed.
    pub(in crate::net) fn enrol(&self, link: &Arc<Shared>) {
        let mut links = self.0.lock().expect("no panic while observing");
        links.retain(|link| link.strong_count() > 0);
        links.push(Arc::downgrade(link));
    }

    /// Every link that there is now, in the order in which they came to be.
    pub fn links(&self) -> Vec<ObservedLink> {
        let links = self.0.lock().expect("no panic while observing");
        let observed = links.iter().filter_map(Weak::upgrade).map(|link| ObservedLink {
            peer: link.peer,
            traffic: link.traffic.so_far(),
            peer_progress: link.peer_progress.load(Ordering::Relaxed),
            progress: link.activity.progress(),
            wire_busy: link.activity.busy(),
        });
        observed.collect()
    }
}

/// Two are the same where they are one.
impl PartialEq for LinkObserver {
    fn eq(&self, other: &LinkObserver) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for LinkObserver {}
