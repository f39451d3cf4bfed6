//! The files of outputs, checked before anything is computed.

use crate::JobError;
use crate::data::{DataError, check_target};
use crate::files::{folder_of, resolve};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Makes sure that every output can be written, to a file of its own which no input is read from.
///
/// # Errors
/// Where one cannot.
pub fn check_targets<'a>(
    inputs: impl IntoIterator<Item = (&'a str, PathBuf)>,
    outputs: impl IntoIterator<Item = (&'a str, PathBuf)>,
) -> Result<(), JobError> {
    let mut taken: BTreeMap<PathBuf, String> =
        inputs.into_iter().map(|(name, file)| (identity(&file), format!("input '{name}'"))).collect();
    for (name, file) in outputs {
        let failed = |error| JobError::Output { output: name.to_owned(), error };
        if let Some(by) = taken.insert(identity(&file), format!("output '{name}'")) {
            return Err(failed(DataError::Taken { path: file, by }));
        }
        check_target(&file).map_err(failed)?;
    }
    Ok(())
}

/// A path that is the same for all names of one file, as far as the file system shows.
fn identity(file: &Path) -> PathBuf {
    // A link is not followed: it stands for itself, and writing to it is refused.
    let file = resolve(file).unwrap_or_else(|_| file.to_owned());
    let absolute = file
        .canonicalize()
        .ok()
        .or_else(|| Some(folder_of(&file).canonicalize().ok()?.join(file.file_name()?)));
    absolute.unwrap_or(file)
}
