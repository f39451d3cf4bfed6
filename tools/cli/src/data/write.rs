//! Results into files, all or nothing.

use super::{DataError, Kind, extension, regular};
use ndarray::ArrayD;
use ndarray_npy::{WritableElement, WriteNpyExt};
use std::fmt::Display;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use symbolon::program::Dims;
use symbolon::ring::{Elements, FixedPoint, Ring};
use tempfile::{Builder, NamedTempFile};

/// Whom a written file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// For this user alone: it is copied to where it belongs later.
    Private,
    /// As the file that it replaces, otherwise as the user's other files.
    Usual,
}

/// Makes sure that [`write`] can write `path`, by making a file beside it.
pub fn check_target(path: &Path) -> Result<(), DataError> {
    is_csv(path)?;
    let target = resolve(path);
    let folder = folder_of(&target);
    let unwritable = |reason: String| Err(DataError::Unreadable { path: path.to_owned(), reason });
    if !folder.is_dir() {
        return unwritable(format!("the folder {} does not exist", folder.display()));
    }
    // Whatever is there is replaced: that must be a file.
    if target.exists()
        && let Err(reason) = regular(&target)
    {
        return unwritable(reason);
    }
    Temporary::beside(path, Access::Private).map(drop)
}

/// Copies a finished file to `path`, where it appears whole, or not at all.
pub fn publish(from: &Path, path: &Path) -> Result<(), DataError> {
    let unwritable = |error: std::io::Error| unwritable(path, &error);
    let mut source = File::open(from).map_err(unwritable)?;
    let mut temporary = Temporary::beside(path, Access::Usual)?;
    std::io::copy(&mut source, &mut temporary.file).map_err(unwritable)?;
    temporary.persist()
}

/// The file that `path` leads to: symbolic links are followed, also where the file is not there yet.
pub fn resolve(path: &Path) -> PathBuf {
    const MOST_LINKS: usize = 40;
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        let Ok(link) = std::fs::read_link(&path) else { break };
        path = folder_of(&path).join(link);
    }
    path
}

/// A file in the making, beside the one that it becomes.
struct Temporary {
    path: PathBuf,
    file: NamedTempFile,
}

impl Temporary {
    fn beside(path: &Path, access: Access) -> Result<Temporary, DataError> {
        let unwritable = |error: std::io::Error| unwritable(path, &error);
        let target = resolve(path);
        let mut builder = Builder::new();
        // Temporary files are their owner's alone, unless something else is asked for; the umask applies.
        #[cfg(unix)]
        if access == Access::Usual {
            let anybody = std::os::unix::fs::PermissionsExt::from_mode(0o666);
            builder.permissions(anybody);
        }
        let file = builder.tempfile_in(folder_of(&target)).map_err(unwritable)?;
        if access == Access::Usual
            && let Ok(replaced) = std::fs::metadata(&target)
        {
            file.as_file().set_permissions(replaced.permissions()).map_err(unwritable)?;
        }
        Ok(Temporary { path: target, file })
    }

    fn persist(self) -> Result<(), DataError> {
        self.file.persist(&self.path).map(drop).map_err(|error| unwritable(&self.path, &error.error))
    }
}

fn unwritable(path: &Path, error: &std::io::Error) -> DataError {
    DataError::Unreadable { path: path.to_owned(), reason: error.to_string() }
}

fn is_csv(path: &Path) -> Result<bool, DataError> {
    match extension(path).as_str() {
        "npy" => Ok(false),
        "csv" => Ok(true),
        other => Err(DataError::OutputExtension { path: path.to_owned(), extension: other.to_owned() }),
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes a matrix or tensor by the extension of `path`. The file appears whole, or not at all.
pub fn write(
    path: &Path,
    access: Access,
    dims: Dims,
    elements: &Elements,
    codec: FixedPoint,
    kind: Kind,
) -> Result<(), DataError> {
    let csv = is_csv(path)?;
    let mut temporary = Temporary::beside(path, access)?;
    let target = Target { dims, csv, file: BufWriter::new(&mut temporary.file) };
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
    written.map_err(|reason| DataError::Unreadable { path: path.to_owned(), reason })?;
    temporary.persist()
}

struct Target<W> {
    dims: Dims,
    csv: bool,
    file: W,
}

impl<W: Write> Target<W> {
    fn write<T: WritableElement + Display>(mut self, values: Vec<T>) -> Result<(), String> {
        let array = ArrayD::from_shape_vec(self.dims.extents(), values).expect("one value for each place");
        if self.csv {
            self.rows(&array).map_err(|error| error.to_string())?;
        } else {
            array.write_npy(&mut self.file).map_err(|error| error.to_string())?;
        }
        self.file.flush().map_err(|error| error.to_string())
    }

    /// A line for each row along the last axis.
    fn rows<T: Display>(&mut self, array: &ArrayD<T>) -> std::io::Result<()> {
        for row in array.rows() {
            let cells: Vec<String> = row.iter().map(T::to_string).collect();
            writeln!(self.file, "{}", cells.join(","))?;
        }
        Ok(())
    }
}
