//! What is in flight, and for how long something was: the device counts as busy from a submission until every
//! submission is complete.
//!
//! That is wall-clock time in which the device had work, gaps between the kernels of a submission included; it is
//! read off completions as they are noticed, which is late by the pause between two looks.

use crate::device::WorkSpan;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// One of a device's submissions, by its place among them, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Submission(u64);

/// A clock that runs while the device works. Clones are the same clock.
#[derive(Clone, Default)]
pub struct Busy(Arc<Shared>);

#[derive(Default)]
struct Shared {
    clock: Mutex<Clock>,
}

#[derive(Default)]
struct Clock {
    /// Of intervals that have ended.
    total: Duration,
    /// The start of the interval that has not ended.
    since: Option<Instant>,
    /// The times of the submissions in flight. They complete in their order.
    in_flight: VecDeque<Instant>,
    /// The number of submissions.
    submissions: u64,
    /// The time of the last completion.
    completed: Option<Instant>,
    /// The record, where one is kept.
    spans: Option<Vec<WorkSpan>>,
}

impl Busy {
    /// Takes down when the device works on each submission from now on.
    pub fn record(&self) {
        self.clock().spans = Some(Vec::new());
    }

    /// The recorded stretches.
    pub fn stop_recording(&self) -> Vec<WorkSpan> {
        self.clock().spans.take().unwrap_or_default()
    }

    /// Busy time so far, that of what is in flight included.
    pub fn total(&self) -> Duration {
        self.clock().total_at(Instant::now())
    }

    /// One more submission is in flight. Returns which it is.
    pub fn submitted(&self) -> Submission {
        self.clock().submitted_at(Instant::now())
    }

    /// One less is.
    pub fn completed(&self) {
        self.clock().completed_at(Instant::now());
    }

    /// The last submission so far, if there was any.
    pub fn last(&self) -> Option<Submission> {
        let submissions = self.clock().submissions;
        (submissions > 0).then_some(Submission(submissions))
    }

    /// Whether a submission is complete.
    pub fn is_complete(&self, submission: Submission) -> bool {
        let clock = self.clock();
        submission.0 + clock.in_flight.len() as u64 <= clock.submissions
    }

    /// The number of submissions that are not complete.
    pub fn in_flight(&self) -> usize {
        self.clock().in_flight.len()
    }

    fn clock(&self) -> MutexGuard<'_, Clock> {
        self.0.clock.lock().expect("no panic while timing")
    }
}

impl Clock {
    fn total_at(&self, now: Instant) -> Duration {
        self.total + self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    fn submitted_at(&mut self, now: Instant) -> Submission {
        self.since.get_or_insert(now);
        self.in_flight.push_back(now);
        self.submissions += 1;
        Submission(self.submissions)
    }

    fn completed_at(&mut self, now: Instant) {
        let submitted = self.in_flight.pop_front().expect("what completes was submitted");
        if let Some(spans) = &mut self.spans {
            let begin = self.completed.map_or(submitted, |before| before.max(submitted));
            spans.push(WorkSpan { begin, end: now });
        }
        self.completed = Some(now);
        if self.in_flight.is_empty() {
            self.total = self.total_at(now);
            self.since = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_submissions_count_once() {
        let origin = Instant::now();
        let at = |ms| origin + Duration::from_millis(ms);
        let mut clock = Clock::default();
        clock.submitted_at(at(0));
        clock.submitted_at(at(5));
        clock.completed_at(at(10));
        assert_eq!(clock.total_at(at(11)), Duration::from_millis(11), "one is in flight");
        clock.completed_at(at(12));
        clock.submitted_at(at(20));
        clock.completed_at(at(21));
        assert_eq!(clock.total_at(at(50)), Duration::from_millis(13));
    }

    #[test]
    fn a_submission_is_worked_on_once_those_before_are_complete() {
        let origin = Instant::now();
        let at = |ms| origin + Duration::from_millis(ms);
        let mut clock = Clock::default();
        clock.submitted_at(at(0));
        clock.completed_at(at(3));
        clock.spans = Some(Vec::new());
        clock.submitted_at(at(10));
        clock.submitted_at(at(11));
        [15, 21].into_iter().for_each(|ms| clock.completed_at(at(ms)));
        clock.submitted_at(at(30));
        clock.completed_at(at(34));
        let span = |(begin, end)| WorkSpan { begin: at(begin), end: at(end) };
        assert_eq!(clock.spans, Some([(10, 15), (15, 21), (30, 34)].map(span).to_vec()));
    }

    #[test]
    fn submissions_complete_in_their_order() {
        let busy = Busy::default();
        assert_eq!(busy.last(), None);
        let [first, second] = [busy.submitted(), busy.submitted()];
        let complete = || [first, second].map(|submission| busy.is_complete(submission));
        assert_eq!(busy.last(), Some(second));
        assert_eq!(complete(), [false, false]);
        busy.completed();
        assert_eq!(complete(), [true, false]);
        busy.completed();
        assert_eq!(complete(), [true, true]);
    }
}
