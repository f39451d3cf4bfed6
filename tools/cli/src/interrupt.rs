//! Signals that ask the launcher to end: INT, TERM and HUP. It notices them where it waits, ends its processes,
//! removes its folder and only then ends itself.

use crate::failure::Failure;
use std::sync::atomic::{AtomicBool, Ordering};

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// From now on signals do not end this process but are noticed by [`check`].
pub fn catch() -> Result<(), Failure> {
    ctrlc::set_handler(|| REQUESTED.store(true, Ordering::Relaxed))
        .map_err(|error| Failure::Wrong(format!("signals cannot be caught: {error}")))
}

/// Fails once a signal has come.
pub fn check() -> Result<(), Failure> {
    if REQUESTED.load(Ordering::Relaxed) { Err(Failure::Interrupted) } else { Ok(()) }
}
