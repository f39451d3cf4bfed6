//! Marks: the number of orders of a store that a party has used, kept outside the store's folder.
//!
//! The marks in a store's folder go with the folder: brought back from a copy, it has lost them, and where all parties'
//! folders are brought back, none is left to object. So each party keeps a second mark beside its identity, a file
//! `STORE-partyN.mark` that is named by the store's number:
//!
//! ```json
//! {"format":1,"store":"30d1…","party":0,"next":8}
//! ```
//!
//! No order below `next` is used again, whatever the store's folder says. The first use makes the file. It is raised before
//! the order's key is read, and the raised mark is on the disk by then: a new file is written, synced and renamed, and the
//! folder synced. Marks only rise, and processes that use one store, or copies of it, at once take turns by a lock on the
//! folder of marks. The parties tell each other their marks before they agree on an order, so that one party's mark is
//! enough to keep all from a second use.
//!
//! Where every party's folder of marks was brought back as well, nothing here can tell.

use super::{StoreError, create_folder, failed, open_private, private_options, sync_folder};
use crate::correlation::order_file::StoreId;
use crate::share::PartyId;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

const FORMAT: u32 = 1;
const LOCK_FILE: &str = "lock";

/// Most bytes of a mark: what is longer is none.
const MOST_BYTES: u64 = 1 << 10;

/// A store's mark in a folder.
#[derive(Debug)]
pub(super) struct Mark {
    folder: PathBuf,
    store: StoreId,
    party: PartyId,
}

#[derive(PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    format: u32,
    store: String,
    party: u8,
    next: u32,
}

impl Mark {
    /// The mark of a party's store in a folder, which is made where it is not there.
    pub(super) fn new(folder: &Path, store: StoreId, party: PartyId) -> Result<Mark, StoreError> {
        let is_missing = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
        let missing: Vec<&Path> = folder.ancestors().take_while(is_missing).collect();
        if !missing.is_empty() {
            create_folder(folder)?;
        }
        missing.into_iter().try_for_each(|made| sync_folder(above(made)))?;
        Ok(Mark { folder: folder.to_owned(), store, party })
    }

    /// The file.
    pub(super) fn path(&self) -> PathBuf {
        self.folder.join(format!("{}-party{}.mark", self.store, self.party.0))
    }

    /// The lowest order that may be used: 0 before the first use.
    pub(super) fn next(&self) -> Result<u32, StoreError> {
        let path = self.path();
        // A link that leads nowhere, as to a disk that is not there, is no sign of a store that was not used.
        if fs::symlink_metadata(&path).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
            return Ok(0);
        }
        let mut text = String::new();
        let file = open_private(&path)?;
        file.take(MOST_BYTES).read_to_string(&mut text).map_err(|error| failed(&path, error))?;
        let wrong = |reason: String| StoreError::Mark { path: path.clone(), reason };
        let content: Content = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        if content == self.content(content.next) {
            Ok(content.next)
        } else {
            Err(wrong("it is another's, or of another format".into()))
        }
    }

    /// Keeps an order, and all below it, from being used again, and waits for the disk.
    ///
    /// # Errors
    /// Where the mark is beyond the order already, or cannot be written: then the order must not be used.
    pub(super) fn pass(&self, order: u32) -> Result<(), StoreError> {
        let lock = self.folder.join(LOCK_FILE);
        let mut options = private_options();
        let file = options.create(true).truncate(false).open(&lock).map_err(|error| failed(&lock, error))?;
        file.lock().map_err(|error| failed(&lock, error))?;
        if order < self.next()? {
            return Err(StoreError::Passed { order, mark: self.path() });
        }
        let path = self.path();
        let partial = path.with_extension("partial");
        let text = serde_json::to_string(&self.content(order + 1)).expect("a mark serialises");
        match fs::remove_file(&partial) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(&partial, error)),
            _ => {}
        }
        let written = private_options().create_new(true).open(&partial).and_then(|mut file: File| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        written.map_err(|error| failed(&partial, error))?;
        fs::rename(&partial, &path).map_err(|error| failed(&path, error))?;
        sync_folder(&self.folder)
    }

    fn content(&self, next: u32) -> Content {
        Content { format: FORMAT, store: self.store.to_string(), party: self.party.0, next }
    }
}

/// The folder that a folder's name is in.
fn above(folder: &Path) -> &Path {
    folder.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(folder: &Path, party: u8) -> Mark {
        Mark::new(folder, StoreId([0xab; 16]), PartyId(party)).expect("a folder of marks")
    }

    #[test]
    fn a_mark_rises_and_is_there_for_the_next_process() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let marks = folder.path().join("stores");
        let first = mark(&marks, 0);
        assert_eq!(first.next(), Ok(0), "before the first use");
        for order in [0, 1, 7] {
            assert_eq!(first.pass(order), Ok(()));
            assert_eq!(mark(&marks, 0).next(), Ok(order + 1));
        }
        for order in [0, 6, 7] {
            assert_eq!(first.pass(order), Err(StoreError::Passed { order, mark: first.path() }));
        }
        assert_eq!(mark(&marks, 1).next(), Ok(0), "each party has its own");
        let name = format!("{}-party0.mark", "ab".repeat(16));
        assert_eq!(first.path(), marks.join(name));
    }

    #[test]
    fn a_mark_is_its_users_alone_and_a_spoilt_one_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let marks = folder.path().join("stores");
        let mark = mark(&marks, 0);
        mark.pass(3).expect("a mark");
        let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
        assert_eq!((mode(&marks), mode(&mark.path())), (0o700, 0o600));
        let text = fs::read_to_string(mark.path()).expect("a mark");
        for spoilt in ["", "{", &text.replace("\"party\":0", "\"party\":1"), &text.replace("ab", "cd")] {
            fs::write(mark.path(), spoilt).expect("a file");
            assert!(matches!(mark.next(), Err(StoreError::Mark { .. })), "{spoilt}");
            assert!(matches!(mark.pass(9), Err(StoreError::Mark { .. })), "{spoilt}");
        }
    }

    #[test]
    fn a_mark_that_cannot_be_reached_is_not_taken_for_none() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mark = mark(folder.path(), 0);
        let elsewhere = folder.path().join("a disk that is not there").join("a.mark");
        std::os::unix::fs::symlink(elsewhere, mark.path()).expect("a link");
        for result in [mark.next().map(drop), mark.pass(0)] {
            assert!(matches!(result, Err(StoreError::File { .. })), "{result:?}");
        }
    }

    #[test]
    fn a_folder_of_marks_is_made_with_those_above_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let marks = folder.path().join("state").join("of").join("stores");
        assert_eq!(mark(&marks, 0).pass(2), Ok(()));
        assert_eq!(mark(&marks, 0).next(), Ok(3));
        assert_eq!(above(Path::new("stores")), Path::new("."));
    }

    #[test]
    fn what_a_process_left_that_was_stopped_is_no_mark() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mark = mark(folder.path(), 0);
        fs::write(mark.path().with_extension("partial"), "{").expect("a file");
        assert_eq!(mark.next(), Ok(0));
        assert_eq!(mark.pass(0), Ok(()));
        assert_eq!(mark.next(), Ok(1));
    }

    /// Copies of a store that are used at once share a mark: of all who want an order one gets it.
    #[test]
    fn of_many_at_once_one_passes_each_order() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let passed = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let mark = mark(folder.path(), 0);
                    let mine = (0..16).filter(|&order| mark.pass(order).is_ok()).count();
                    passed.fetch_add(mine, std::sync::atomic::Ordering::Relaxed);
                });
            }
        });
        assert!(passed.into_inner() <= 16, "no order is passed twice");
        assert_eq!(mark(folder.path(), 0).next(), Ok(16));
    }
}
