//! Files that a command writes. They are for their user alone, unless `--file-mode` says otherwise.

use crate::failure::Failure;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use symbolon_job::files::{self, OWNER};

/// The permissions of all files that this process writes.
static MODE: AtomicU32 = AtomicU32::new(OWNER);

/// From now on files that are written have these permissions.
pub fn set_mode(mode: u32) {
    MODE.store(mode, Ordering::Relaxed);
}

/// The permissions of files that are written.
pub fn mode() -> u32 {
    MODE.load(Ordering::Relaxed)
}

/// Writes a whole file.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    Ok(files::write(path, bytes, mode())?)
}
