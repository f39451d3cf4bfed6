//! The command's state between runs on this machine, for its user.

use crate::failure::Failure;
use std::path::PathBuf;

/// The folder where `run --local` records how far stores have been used. It lies outside of the stores, so that a store
/// that is restored from a copy is not used from its beginning.
pub fn marks() -> Result<PathBuf, Failure> {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = |below: &str| folder("HOME").map(|home| home.join(below));
    let state = if cfg!(target_os = "windows") {
        folder("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        home("Library/Application Support")
    } else {
        folder("XDG_STATE_HOME").or_else(|| home(".local/state"))
    };
    let missing = || {
        let reason = "with --local, what is used of a store is remembered in the user's folder for state: set XDG_STATE_HOME \
            or HOME to an absolute path";
        Failure::Usage(reason.into())
    };
    Ok(state.ok_or_else(missing)?.join("symbolon").join("stores"))
}
