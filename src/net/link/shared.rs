//! The state that the parts of a link share.

use crate::net::activity::Activity;
use crate::net::deadlines::Deadlines;
use crate::net::error::NetError;
use crate::net::link::expected::Expected;
use crate::net::link::traffic::Traffic;
use crate::share::Role;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Mutex, OnceLock, PoisonError};
use tokio::sync::Notify;

/// The state that the parts of a link share.
#[derive(Debug)]
pub(in crate::net) struct Shared {
    pub peer: Role,
    pub deadlines: Deadlines,
    pub activity: Activity,
    /// The peer's progress, by its last heartbeat.
    pub peer_progress: AtomicU64,
    /// Frames received so far.
    pub received: AtomicU64,
    /// Frames that the peer has acknowledged, as it says.
    pub acknowledged: AtomicU64,
    /// The peer is to be told at once what has been received.
    pub acknowledge: AtomicBool,
    /// The peer has said that it has sent everything.
    pub finished: AtomicBool,
    /// The messages that the receiver awaits.
    pub expected: Expected,
    /// Why this process gives up, once it does.
    pub last_words: OnceLock<String>,
    /// Wakes the writer.
    pub wake: Notify,
    /// Why the link has no connection at present, where it had one.
    pub broken: Mutex<Option<NetError>>,
    /// Why the link has ended.
    pub failure: OnceLock<NetError>,
    pub traffic: Traffic,
}

impl Shared {
    pub(in crate::net) fn new(peer: Role, deadlines: Deadlines, activity: Activity) -> Shared {
        Shared {
            peer,
            deadlines,
            activity,
            peer_progress: AtomicU64::new(0),
            received: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            acknowledge: AtomicBool::new(false),
            finished: AtomicBool::new(false),
            expected: Expected::default(),
            last_words: OnceLock::new(),
            wake: Notify::new(),
            broken: Mutex::default(),
            failure: OnceLock::new(),
            traffic: Traffic::default(),
        }
    }

    /// Sets why the link has no connection; it has one where there is no reason.
    pub(in crate::net) fn set_broken(&self, reason: Option<NetError>) {
        *self.broken.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }

    /// Has the peer told why this process gives up, ahead of what has not been written. The first reason counts.
    pub(in crate::net) fn give_up(&self, reason: &str) {
        let _ = self.last_words.set(reason.to_owned());
        self.wake.notify_one();
    }
}
