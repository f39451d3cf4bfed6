//! The pace at which a device is looked at: again and again while little time has passed, then in pauses that grow with it,
//! so that its end is noticed late by a small part of what it took.

use std::time::Duration;

/// How long there are no pauses, and the thread only gives way to others: as long as kernels on few elements take.
const AT_ONCE: Duration = Duration::from_micros(200);

/// After that a pause is this part of what was waited so far, within these bounds.
const PAUSE_PART: u32 = 16;
const PAUSES: [Duration; 2] = [Duration::from_micros(20), Duration::from_millis(1)];

/// The pause before the next look after so long a wait, where something is due; none at first.
pub fn pause_after(waited: Duration) -> Option<Duration> {
    (waited >= AT_ONCE).then(|| idle_pause_after(waited))
}

/// The same where nobody waits for what is looked at.
pub fn idle_pause_after(waited: Duration) -> Duration {
    (waited / PAUSE_PART).clamp(PAUSES[0], PAUSES[1])
}

/// Lets the calling thread sleep as exactly as the system can: Linux otherwise adds up to 50 microseconds to each pause.
pub fn sleep_exactly() {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        // Where the system refuses, pauses are longer.
        let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_with_what_was_waited() {
        assert_eq!(pause_after(Duration::from_micros(199)), None);
        assert_eq!(pause_after(Duration::from_micros(200)), Some(PAUSES[0]));
        assert_eq!(pause_after(Duration::from_millis(8)), Some(Duration::from_micros(500)));
        assert_eq!(pause_after(Duration::from_secs(8)), Some(PAUSES[1]));
        assert_eq!(idle_pause_after(Duration::ZERO), PAUSES[0]);
    }
}
