//! How long the wire was busy, and whether the process gets on with its work.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What a process's links and lanes do, counted together. Clones count on the same account.
#[derive(Clone, Debug, Default)]
pub struct Activity {
    wire: Arc<Mutex<State>>,
    progress: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
struct State {
    under_way: usize,
    since: Option<Instant>,
    busy: Duration,
}

/// A transfer under way; dropping it ends it.
#[derive(Debug)]
pub struct UnderWay(Activity);

impl Activity {
    /// Nothing done yet.
    pub fn new() -> Activity {
        Activity::default()
    }

    /// Begins a transfer.
    pub fn begin(&self) -> UnderWay {
        let mut state = self.wire.lock().expect("no panic while counting");
        if state.under_way == 0 {
            state.since = Some(Instant::now());
        }
        state.under_way += 1;
        UnderWay(self.clone())
    }

    /// For how long any transfer has been under way so far.
    pub fn busy(&self) -> Duration {
        let state = self.wire.lock().expect("no panic while counting");
        state.busy + state.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// A piece of work of this process is done: a frame, a kernel. Heartbeats tell the peers.
    pub fn advance(&self) {
        self.progress.fetch_add(1, Ordering::Relaxed);
    }

    /// How many pieces of work are done.
    pub fn progress(&self) -> u64 {
        self.progress.load(Ordering::Relaxed)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut state = self.0.wire.lock().expect("no panic while counting");
        state.under_way -= 1;
        if state.under_way == 0
            && let Some(since) = state.since.take()
        {
            state.busy += since.elapsed();
        }
    }
}
