//! The busy time of the wire, and the progress of the process's work.

use crate::share::Role;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

/// The work of a process's links and lanes, counted together. Clones count on the same account.
#[derive(Clone, Debug, Default)]
pub struct Activity {
    wire: Arc<Mutex<State>>,
    progress: Arc<AtomicU64>,
}

/// A stretch of time in which a frame with data was written or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireSpan {
    /// With whom.
    pub peer: Role,
    /// Whether it was written.
    pub sending: bool,
    /// Its bytes.
    pub bytes: u64,
    /// From when.
    pub begin: Instant,
    /// Until when.
    pub end: Instant,
}

#[derive(Debug, Default)]
struct State {
    /// The record, where one is kept.
    spans: Option<Vec<WireSpan>>,
    under_way: usize,
    /// The time at which the wire became busy, while it is.
    since: Option<Instant>,
    /// The wire is busy until then, also with nothing under way.
    until: Option<Instant>,
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
        state.begin(Instant::now());
        state.under_way += 1;
        UnderWay(self.clone())
    }

    /// A transfer goes on from now until `end`.
    pub fn busy_until(&self, end: Instant) {
        let mut state = self.wire.lock().expect("no panic while counting");
        state.begin(Instant::now());
        state.until = state.until.max(Some(end));
    }

    /// Takes down every span from now on.
    pub fn record(&self) {
        self.wire.lock().expect("no panic while counting").spans = Some(Vec::new());
    }

    /// Stops taking down spans; returns those there are.
    pub fn stop_recording(&self) -> Vec<WireSpan> {
        self.wire.lock().expect("no panic while counting").spans.take().unwrap_or_default()
    }

    /// Takes down a span that ends now, if spans are recorded.
    pub(super) fn take_down(&self, peer: Role, sending: bool, bytes: u64, begin: Instant) {
        if let Some(spans) = &mut self.wire.lock().expect("no panic while counting").spans {
            spans.push(WireSpan { peer, sending, bytes, begin, end: Instant::now() });
        }
    }

    /// For how long any transfer has been under way so far.
    pub fn busy(&self) -> Duration {
        let mut state = self.wire.lock().expect("no panic while counting");
        let now = Instant::now();
        state.settle(now);
        state.busy + state.since.map_or(Duration::ZERO, |since| now - since)
    }

    /// A piece of work of this process is done: a kernel, a frame that was sent for the first time, a frame that has
    /// arrived and is due by the plan. A run has so many of them and no more, so that none lasts longer than that many
    /// stall deadlines, whatever its peers say or send again.
    pub fn advance(&self) {
        self.progress.fetch_add(1, Ordering::Relaxed);
    }

    /// The number of pieces of work that are done.
    pub fn progress(&self) -> u64 {
        self.progress.load(Ordering::Relaxed)
    }
}

impl State {
    fn begin(&mut self, now: Instant) {
        self.settle(now);
        self.since.get_or_insert(now);
    }

    /// Counts a busy time that is over.
    fn settle(&mut self, now: Instant) {
        let Some(since) = self.since else { return };
        let end = self.until.unwrap_or(since);
        if self.under_way == 0 && end <= now {
            self.busy += end - since;
            (self.since, self.until) = (None, None);
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut state = self.0.wire.lock().expect("no panic while counting");
        state.under_way -= 1;
        let now = Instant::now();
        state.until = state.until.max(Some(now));
        state.settle(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn times_that_overlap_count_once() {
        let activity = Activity::new();
        advance(SECOND).await;
        let first = activity.begin();
        advance(SECOND).await;
        let second = activity.begin();
        drop(first);
        advance(SECOND).await;
        activity.busy_until(Instant::now() + 2 * SECOND);
        drop(second);
        assert_eq!(activity.busy(), 2 * SECOND);
        advance(5 * SECOND).await;
        assert_eq!(activity.busy(), 4 * SECOND, "busy until a time that has passed");
        activity.busy_until(Instant::now() + SECOND);
        advance(9 * SECOND).await;
        drop(activity.begin());
        assert_eq!(activity.busy(), 5 * SECOND);
    }
}
