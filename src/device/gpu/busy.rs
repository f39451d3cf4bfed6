//! How long the device was busy: the union of the intervals from each submission to its completion.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A clock that runs while the device works. Clones are the same clock.
///
/// One queue completes submissions in their order, so that the union needs only the end of the last interval.
#[derive(Clone, Default)]
pub struct Busy(Arc<Mutex<Clock>>);

#[derive(Default)]
struct Clock {
    total: Duration,
    last_end: Option<Instant>,
}

impl Busy {
    /// Busy time of completed submissions.
    pub fn total(&self) -> Duration {
        self.0.lock().expect("no panic while timing").total
    }

    /// Adds the interval from `start` to now.
    pub fn completed(&self, start: Instant) {
        self.add(start, Instant::now());
    }

    fn add(&self, start: Instant, end: Instant) {
        let mut clock = self.0.lock().expect("no panic while timing");
        let start = clock.last_end.map_or(start, |last_end| last_end.max(start));
        clock.total += end.saturating_duration_since(start);
        clock.last_end = Some(clock.last_end.map_or(end, |last_end| last_end.max(end)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_submissions_count_once() {
        let busy = Busy::default();
        let at = |ms| {
            static ORIGIN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
            *ORIGIN.get_or_init(Instant::now) + Duration::from_millis(ms)
        };
        busy.add(at(0), at(10));
        busy.add(at(5), at(12));
        busy.add(at(20), at(21));
        assert_eq!(busy.total(), Duration::from_millis(13));
    }
}
