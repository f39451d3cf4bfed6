//! Signals of the caller's process.

/// Writes to a peer or a process that is gone fail from now on, and do not end the caller's process; an action that the caller
/// has set for them stays.
#[cfg(unix)]
pub(crate) fn ignore_broken_pipes() {
    // SAFETY: an action of all zeros is one, it is asked for and changed by the system alone, and no handler is installed.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        let is_known = libc::sigaction(libc::SIGPIPE, std::ptr::null(), &raw mut action) == 0;
        if is_known && action.sa_sigaction == libc::SIG_DFL {
            libc::signal(libc::SIGPIPE, libc::SIG_IGN);
        }
    }
}

#[cfg(not(unix))]
pub(crate) fn ignore_broken_pipes() {}
