//! Results into files, all or nothing.

use super::{DataError, Kind};
use ndarray::{Array2, ArrayView2};
use ndarray_npy::{WritableElement, WriteNpyExt};
use std::fmt::Display;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use symbolon::ring::{Elements, FixedPoint, Ring, Shape};
use tempfile::NamedTempFile;

/// Makes sure, as far as can be told, that [`write`] will be able to write `path`.
pub fn check_target(path: &Path) -> Result<(), DataError> {
    is_csv(path)?;
    let folder = folder_of(path);
    if folder.is_dir() {
        return Ok(());
    }
    let reason = format!("the folder {} does not exist", folder.display());
    Err(DataError::Unreadable { path: path.to_owned(), reason })
}

/// Copies a finished file to `path`, where it appears whole, or not at all.
pub fn publish(from: &Path, path: &Path) -> Result<(), DataError> {
    let unwritable = |reason: String| DataError::Unreadable { path: path.to_owned(), reason };
    let mut source = File::open(from).map_err(|error| unwritable(error.to_string()))?;
    let mut file = NamedTempFile::new_in(folder_of(path)).map_err(|error| unwritable(error.to_string()))?;
    std::io::copy(&mut source, &mut file).map_err(|error| unwritable(error.to_string()))?;
    persist(file, path)
}

fn persist(file: NamedTempFile, path: &Path) -> Result<(), DataError> {
    let unwritable = |reason: String| DataError::Unreadable { path: path.to_owned(), reason };
    // Temporary files are their owner's alone; a result is as readable as the user's other files.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::Permissions::from_mode(0o644);
        file.as_file().set_permissions(mode).map_err(|error| unwritable(error.to_string()))?;
    }
    file.persist(path).map(drop).map_err(|error| unwritable(error.error.to_string()))
}

fn is_csv(path: &Path) -> Result<bool, DataError> {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    match extension.as_deref() {
        Some("npy") => Ok(false),
        Some("csv") => Ok(true),
        other => {
            let extension = other.unwrap_or_default().to_owned();
            Err(DataError::Extension { path: path.to_owned(), extension })
        }
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes a matrix by the extension of `path`. The file appears whole, or not at all.
pub fn write(
    path: &Path,
    shape: Shape,
    elements: &Elements,
    codec: FixedPoint,
    kind: Kind,
) -> Result<(), DataError> {
    let csv = is_csv(path)?;
    let unwritable = |reason: String| DataError::Unreadable { path: path.to_owned(), reason };
    let mut file = NamedTempFile::new_in(folder_of(path)).map_err(|error| unwritable(error.to_string()))?;
    let target = Target { shape, csv, file: BufWriter::new(&mut file) };
    let signed = |value: u64| codec.ring().signed(value);
    let written = match (kind, codec.ring()) {
        (Kind::Real, _) => target.write(elements.decode(codec)),
        (Kind::Unsigned, Ring::Z64) => target.write(elements.to_u64()),
        (Kind::Unsigned, Ring::Z32) => {
            target.write(elements.to_u64().into_iter().map(|value| value as u32).collect())
        }
        (Kind::Signed, Ring::Z64) => target.write(elements.to_u64().into_iter().map(signed).collect()),
        (Kind::Signed, Ring::Z32) => {
            target.write(elements.to_u64().into_iter().map(|value| signed(value) as i32).collect())
        }
    };
    written.map_err(unwritable)?;
    persist(file, path)
}

struct Target<W> {
    shape: Shape,
    csv: bool,
    file: W,
}

impl<W: Write> Target<W> {
    fn write<T: WritableElement + Display>(mut self, values: Vec<T>) -> Result<(), String> {
        let dimensions = (self.shape.rows, self.shape.cols);
        let array: Array2<T> = Array2::from_shape_vec(dimensions, values).expect("one value for each place");
        if self.csv {
            self.rows(array.view()).map_err(|error| error.to_string())?;
        } else {
            array.write_npy(&mut self.file).map_err(|error| error.to_string())?;
        }
        self.file.flush().map_err(|error| error.to_string())
    }

    fn rows<T: Display>(&mut self, array: ArrayView2<T>) -> std::io::Result<()> {
        for row in array.rows() {
            let cells: Vec<String> = row.iter().map(T::to_string).collect();
            writeln!(self.file, "{}", cells.join(","))?;
        }
        Ok(())
    }
}
