//! How often a thread was woken, as the operating system counts it.

use std::fs;

/// The number of times that the calling thread has gone to sleep and was woken; `None` where the system does not tell, as
/// only Linux does.
pub(super) fn of_this_thread() -> Option<u64> {
    parse(&fs::read_to_string("/proc/thread-self/status").ok()?)
}

fn parse(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_read_off_the_threads_status() {
        let status = "Name:\tlane\nvoluntary_ctxt_switches:\t57\nnonvoluntary_ctxt_switches:\t3\n";
        assert_eq!(parse(status), Some(57));
        assert_eq!(parse("Name:\tlane\n"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_thread_that_sleeps_is_woken() {
        let before = of_this_thread().expect("Linux tells");
        std::thread::sleep(std::time::Duration::from_millis(2));
        assert!(of_this_thread().expect("Linux tells") > before);
    }
}
