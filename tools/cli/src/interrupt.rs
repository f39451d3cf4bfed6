//! Signals that ask a launcher or a node to end: INT, TERM, QUIT and HUP.
//!
//! A launcher notices them where it waits, ends its processes and only then itself. A node's session tells its peers and
//! ends; where the node is at something else meanwhile, the process ends all the same, a little later.

use crate::failure::Failure;
use crate::output;
use std::time::Duration;
use symbolon::net::Interrupt;

static REQUEST: Interrupt = Interrupt::new();

/// The time for a node to end by itself: its peers are told at once, and its work is of no use any more.
const GRACE: Duration = Duration::from_secs(3);

/// The switch that ends the sessions of this process.
pub fn own() -> &'static Interrupt {
    &REQUEST
}

/// Asks this process's sessions to end.
pub fn request() {
    REQUEST.request();
}

/// Installs the handler by which signals no longer end this launcher; [`check`] notices them.
pub fn catch() -> Result<(), Failure> {
    set_handler(request)
}

/// Installs the handler by which signals end this node's session, and then the node.
pub fn catch_as_node(json: bool) -> Result<(), Failure> {
    set_handler(move || {
        request();
        std::thread::sleep(GRACE);
        let failure = Failure::Ended;
        output::print_failure(json, &failure);
        std::process::exit(failure.status().into());
    })
}

/// Fails once a signal has come.
pub fn check() -> Result<(), Failure> {
    if REQUEST.is_requested() { Err(Failure::Interrupted) } else { Ok(()) }
}

/// The failure of a node: the signal's, where one has come.
pub fn cause(failure: Failure) -> Failure {
    if REQUEST.is_requested() { Failure::Ended } else { failure }
}

fn set_handler(handler: impl FnMut() + Send + 'static) -> Result<(), Failure> {
    #[cfg(unix)]
    let ignored = unix::hangup_is_ignored();
    ctrlc::set_handler(handler)
        .map_err(|error| Failure::Resources(format!("signals cannot be caught: {error}")))?;
    #[cfg(unix)]
    unix::complete(ignored);
    Ok(())
}

/// The signals that the handler's library leaves out.
#[cfg(unix)]
mod unix {
    use std::ffi::c_int;

    const SIGHUP: c_int = 1;
    const SIGINT: c_int = 2;
    const SIGQUIT: c_int = 3;
    const DEFAULT: usize = 0;
    const IGNORE: usize = 1;

    unsafe extern "C" {
        fn signal(number: c_int, handler: usize) -> usize;
        fn raise(number: c_int) -> c_int;
    }

    /// True where this process is to live on without a terminal, as under `nohup`.
    pub fn hangup_is_ignored() -> bool {
        // SAFETY: both are dispositions that every signal has.
        unsafe {
            let before = signal(SIGHUP, IGNORE);
            signal(SIGHUP, if before == IGNORE { IGNORE } else { DEFAULT });
            before == IGNORE
        }
    }

    /// Makes QUIT act as INT does, and keeps HUP ignored where it was.
    pub fn complete(hangup_is_ignored: bool) {
        extern "C" fn interrupt(_: c_int) {
            // SAFETY: a signal's handler may raise another.
            unsafe { raise(SIGINT) };
        }
        let handler: extern "C" fn(c_int) = interrupt;
        // SAFETY: the handler calls only what a signal's handler may call, and `IGNORE` is a disposition.
        unsafe {
            signal(SIGQUIT, handler as usize);
            if hangup_is_ignored {
                signal(SIGHUP, IGNORE);
            }
        }
    }
}
