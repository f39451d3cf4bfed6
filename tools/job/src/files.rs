//! Files of results, traces, timelines and reports.
//!
//! Each is made under a name of its own in the folder
//! where it belongs, and takes its place there when it is whole. A symbolic link in that place is followed where this user
//! or the system's made it; in a folder that others may write, theirs would name any file of this user.

use std::fs::{self, Metadata};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

use crate::JobError;

/// The permissions of files that are their user's alone.
pub const OWNER: u32 = 0o600;

/// A file in the making, in the folder of the one that it becomes.
pub struct Making {
    target: PathBuf,
    /// The file under its temporary name.
    pub file: NamedTempFile,
}

impl Making {
    /// Begins a file that is to take the place at `path`.
    ///
    /// # Errors
    /// Where there is somebody else's link, or the folder cannot be written to.
    pub fn of(path: &Path) -> io::Result<Making> {
        let target = resolve(path)?;
        // Its user's alone until all of it is there.
        let file = NamedTempFile::new_in(folder_of(&target))?;
        Ok(Making { target, file })
    }

    /// Puts the file where it belongs, with these permissions.
    ///
    /// # Errors
    /// As the operating system says.
    pub fn finish(self, mode: u32) -> io::Result<()> {
        #[cfg(unix)]
        {
            let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
            self.file.as_file().set_permissions(permissions)?;
        }
        #[cfg(not(unix))]
        let _ = mode;
        self.file.persist(&self.target).map(drop).map_err(|error| error.error)
    }
}

/// Writes a whole file with these permissions.
///
/// # Errors
/// Where it cannot be written.
pub fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), JobError> {
    let written = Making::of(path).and_then(|mut making| {
        making.file.write_all(bytes)?;
        making.finish(mode)
    });
    written.map_err(|error| JobError::File { path: path.to_owned(), reason: error.to_string() })
}

/// The file that `path` leads to: this user's symbolic links are followed, also where the file is not there yet.
///
/// # Errors
/// Where a link is another user's.
pub fn resolve(path: &Path) -> io::Result<PathBuf> {
    const MOST_LINKS: usize = 40;
    let mut target = path.to_owned();
    for _ in 0..MOST_LINKS {
        let Ok(metadata) = fs::symlink_metadata(&target) else { return Ok(target) };
        if !metadata.is_symlink() {
            return Ok(target);
        }
        if !is_trusted(&metadata) {
            let reason = format!("{} is a symbolic link of another user and not followed", target.display());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, reason));
        }
        target = folder_of(&target).join(fs::read_link(&target)?);
    }
    Err(io::Error::other("too many symbolic links"))
}

/// Whether a link was made by this user, or by the system's.
fn is_trusted(link: &Metadata) -> bool {
    #[cfg(unix)]
    {
        let owner = std::os::unix::fs::MetadataExt::uid(link);
        owner == 0 || owner == rustix::process::geteuid().as_raw()
    }
    #[cfg(not(unix))]
    {
        let _ = link;
        true
    }
}

/// The folder that a file is in.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
