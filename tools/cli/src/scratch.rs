//! Temporary folders of a launcher, which only its user can enter.
//!
//! A launcher removes its folder when it ends. A launcher that was killed leaves it behind, and the next launcher of the
//! same user removes it. Such a folder holds traces and the demo's data, never keys or results.

use crate::failure::Failure;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use symbolon_job::JobError;
use tempfile::{Builder, TempDir};

/// The beginning of the folders' names.
const PREFIX: &str = "symbolon-";

/// A file in each folder that its launcher holds locked for as long as it lives.
const LOCK: &str = "lock";

/// A folder that is removed when dropped.
pub struct Scratch {
    // Given up before the folder is removed.
    _lock: File,
    folder: TempDir,
}

impl Scratch {
    /// Makes a new folder, and removes those of launchers that were killed.
    pub fn new() -> Result<Scratch, Failure> {
        remove_abandoned(&std::env::temp_dir());
        let failed = |error: io::Error| JobError::File {
            path: std::env::temp_dir(),
            reason: format!("there can be no temporary folder: {error}"),
        };
        let mut builder = Builder::new();
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
        let folder = builder.prefix(PREFIX).tempdir().map_err(failed)?;
        let lock = locked(folder.path()).map_err(failed)?;
        Ok(Scratch { _lock: lock, folder })
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Makes the lock of a folder, which appears only when it is held: else it could be taken for an abandoned one.
fn locked(folder: &Path) -> io::Result<File> {
    let making = folder.join("lock.new");
    let lock = File::create_new(&making)?;
    lock.lock()?;
    fs::rename(making, folder.join(LOCK))?;
    Ok(lock)
}

/// Removes this user's folders whose launcher has ended. A folder that cannot be removed stays.
fn remove_abandoned(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let own = entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX));
    for folder in own.map(|entry| entry.path()).filter(|path| is_own_folder(path)) {
        let abandoned = File::open(folder.join(LOCK)).is_ok_and(|lock| lock.try_lock().is_ok());
        if abandoned {
            let _ = fs::remove_dir_all(folder);
        }
    }
}

fn is_own_folder(path: &Path) -> bool {
    let Ok(metadata) = fs::symlink_metadata(path) else { return false };
    #[cfg(unix)]
    if std::os::unix::fs::MetadataExt::uid(&metadata) != rustix::process::geteuid().as_raw() {
        return false;
    }
    metadata.is_dir()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_removed_once_its_launcher_has_ended() {
        let all = tempfile::tempdir().expect("a folder");
        let make = |name: &str| {
            let path = all.path().join(name);
            fs::create_dir(&path).expect("a folder");
            fs::write(path.join("trace.json"), "{}").expect("a file");
            path
        };
        let (alive, abandoned, other) = (make("symbolon-a"), make("symbolon-b"), make("another-c"));
        let lock = locked(&alive).expect("a lock");
        drop(locked(&abandoned).expect("a lock"));
        drop(locked(&other).expect("a lock"));
        remove_abandoned(all.path());
        assert_eq!([alive.exists(), abandoned.exists(), other.exists()], [true, false, true]);
        drop(lock);
        remove_abandoned(all.path());
        assert!(!alive.exists());
    }
}
