//! What the autotuner found, on disk: one small JSON file for each adapter, driver and version of this program.
//!
//! Files are written beside their place and renamed, so that a reader sees a whole file or none. What cannot be read is
//! measured anew and written over; what cannot be written is measured at the next opening again. Neither is an error.

use super::tune::Tuning;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Files longer than this are not ours.
const MOST_BYTES: u64 = 64 << 10;

/// What a measurement holds for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    adapter: String,
    driver: String,
    arithmetic: String,
    version: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    key: Key,
    tuning: Tuning,
}

/// The folder of the files.
pub struct Remembered(PathBuf);

impl Key {
    /// Of an adapter with a driver, driven by this program.
    pub fn new(adapter: &str, driver: &str, arithmetic: &str) -> Key {
        let [adapter, driver, arithmetic, version] =
            [adapter, driver, arithmetic, env!("CARGO_PKG_VERSION")].map(String::from);
        Key { adapter, driver, arithmetic, version }
    }

    fn file_name(&self) -> String {
        let text = serde_json::to_string(self).expect("texts serialise");
        format!("{}.json", &blake3::hash(text.as_bytes()).to_hex()[..16])
    }
}

impl Remembered {
    /// In the user's cache folder, where the environment names one.
    pub fn in_cache_folder() -> Option<Remembered> {
        let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let home = |below: &str| folder("HOME").map(|home| home.join(below));
        let cache = if cfg!(target_os = "windows") {
            folder("LOCALAPPDATA")
        } else if cfg!(target_os = "macos") {
            home("Library/Caches")
        } else {
            folder("XDG_CACHE_HOME").or_else(|| home(".cache"))
        };
        cache.map(|cache| Remembered(cache.join("symbolon").join("tuning")))
    }

    /// What was found, if it is there. A file that is not as it should be is warned about.
    pub fn read(&self, key: &Key) -> Option<Tuning> {
        let path = self.0.join(key.file_name());
        match read(&path) {
            Ok(Some(content)) if content.key == *key => Some(content.tuning),
            Ok(None) => None,
            Ok(Some(_)) => warn(&path, "it is of another adapter"),
            Err(reason) => warn(&path, &reason),
        }
    }

    /// Keeps what was found, where the folder can be written to.
    pub fn write(&self, key: &Key, tuning: Tuning) {
        let path = self.0.join(key.file_name());
        let text =
            serde_json::to_string_pretty(&Content { key: key.clone(), tuning }).expect("numbers serialise");
        // Another process may write the same.
        let part = path.with_extension(format!("{}.part", std::process::id()));
        let written = std::fs::create_dir_all(&self.0)
            .and_then(|()| std::fs::write(&part, text))
            .and_then(|()| std::fs::rename(&part, &path));
        if written.is_err() {
            let _ = std::fs::remove_file(&part);
        }
    }
}

fn read(path: &Path) -> Result<Option<Content>, String> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
        Ok(metadata) if metadata.len() > MOST_BYTES => return Err("it is too long".to_owned()),
        Ok(_) => {}
    }
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map(Some).map_err(|error| error.to_string())
}

/// To whoever watches: nobody asked for the file, and nothing fails without it.
fn warn(path: &Path, reason: &str) -> Option<Tuning> {
    tracing::warn!(file = %path.display(), reason, "the GPU is measured again");
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> Remembered {
        let folder = std::env::temp_dir().join(format!("symbolon-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        Remembered(folder)
    }

    #[test]
    fn what_was_found_is_found_again_for_the_same_adapter_and_driver() {
        let folder = folder("tuning");
        let (key, other) = (Key::new("a GPU", "driver 1", "u64"), Key::new("a GPU", "driver 2", "u64"));
        assert_eq!(folder.read(&key), None);
        let tuning = Tuning { matrix_unit_cost: [0.125, 0.75], ..Tuning::candidates()[1] };
        folder.write(&key, tuning);
        assert_eq!(folder.read(&key), Some(tuning));
        assert_eq!(folder.read(&other), None);
        // Only the file itself is left.
        assert_eq!(std::fs::read_dir(&folder.0).expect("the folder").count(), 1);
        std::fs::remove_dir_all(&folder.0).expect("the folder goes");
    }

    #[test]
    fn spoilt_files_are_written_over() {
        let folder = folder("spoilt-tuning");
        let key = Key::new("a GPU", "driver 1", "u64");
        std::fs::create_dir_all(&folder.0).expect("a folder");
        let path = folder.0.join(key.file_name());
        for spoilt in ["", "{", "{\"key\": 1}", &"[".repeat(1 << 17)] {
            std::fs::write(&path, spoilt).expect("a file");
            assert_eq!(folder.read(&key), None);
        }
        folder.write(&key, Tuning::default());
        assert_eq!(folder.read(&key), Some(Tuning::default()));
        // The content of another key under this one's name.
        let other = Key::new("another GPU", "driver 1", "u64");
        std::fs::copy(&path, folder.0.join(other.file_name())).expect("a copy");
        assert_eq!(folder.read(&other), None);
        std::fs::remove_dir_all(&folder.0).expect("the folder goes");
    }
}
