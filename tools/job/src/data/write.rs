//! Results into files, all or nothing.

use super::{DataError, extension, regular};
use crate::files::{Making, folder_of, resolve};
use ndarray::ArrayD;
use ndarray_npy::{WritableElement, WriteNpyExt};
use std::fmt::Display;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;
use symbolon::program::{Dims, Kind};
use symbolon::ring::{Elements, FixedPoint};

/// The bytes that are formatted before they are written.
const PIECE_BYTES: usize = 256 << 10;

/// Makes sure that [`OutputData::write`] can write `path`, by making a file beside it.
///
/// # Errors
/// Where it cannot.
pub fn check_target(path: &Path) -> Result<(), DataError> {
    is_csv(path)?;
    let refused = |error: io::Error| unwritable(path, &error);
    let target = resolve(path).map_err(refused)?;
    let folder = folder_of(&target);
    let reason = |reason: String| Err(DataError::Unreadable { path: path.to_owned(), reason });
    if !folder.is_dir() {
        return reason(format!("the folder {} does not exist", folder.display()));
    }
    // Whatever is there is replaced: that must be a file.
    if target.exists()
        && let Err(wrong) = regular(&target)
    {
        return reason(wrong);
    }
    Making::of(path).map(drop).map_err(refused)
}

/// Makes a file of `content` with these permissions, which appears whole or not at all.
///
/// # Errors
/// Where the file cannot be written.
pub fn publish(content: &mut impl Read, path: &Path, mode: u32) -> Result<(), DataError> {
    let published = Making::of(path).and_then(|mut making| {
        io::copy(content, &mut making.file)?;
        making.finish(mode)
    });
    published.map_err(|error| unwritable(path, &error))
}

fn unwritable(path: &Path, error: &io::Error) -> DataError {
    DataError::Unreadable { path: path.to_owned(), reason: error.to_string() }
}

fn is_csv(path: &Path) -> Result<bool, DataError> {
    match extension(path).as_str() {
        "npy" => Ok(false),
        "csv" => Ok(true),
        other => Err(DataError::OutputExtension { path: path.to_owned(), extension: other.to_owned() }),
    }
}

/// An output that a party has learnt.
#[derive(Debug)]
pub struct OutputData {
    /// Its extents.
    pub dims: Dims,
    /// The kind of its numbers, which decides the type that a file has.
    pub kind: Kind,
    /// The encoding of its elements.
    pub codec: FixedPoint,
    /// Its elements, row-major.
    pub elements: Elements,
}

impl OutputData {
    /// Its numbers, row-major; integers beyond 2^53 are rounded.
    pub fn decode(&self) -> Vec<f64> {
        self.kind.decode(self.codec, &self.elements)
    }

    /// Writes it by the extension of `path`, with these permissions. The file appears whole, or not at all.
    ///
    /// # Errors
    /// Where the extension is neither `.npy` nor `.csv`, or the file cannot be written.
    pub fn write(&self, path: &Path, mode: u32) -> Result<(), DataError> {
        let csv = is_csv(path)?;
        let failed = |error: io::Error| unwritable(path, &error);
        let mut making = Making::of(path).map_err(failed)?;
        self.format(&mut making.file, csv).map_err(failed)?;
        making.finish(mode).map_err(failed)
    }

    /// Writes to `to` the bytes that a file at `path` would have.
    ///
    /// # Errors
    /// As [`OutputData::write`].
    pub fn write_to(&self, to: &mut impl Write, path: &Path) -> Result<(), DataError> {
        let csv = is_csv(path)?;
        self.format(to, csv).map_err(|error| unwritable(path, &error))
    }

    fn format(&self, to: &mut impl Write, csv: bool) -> io::Result<()> {
        let OutputData { dims, kind, codec, ref elements } = *self;
        let target = Target { dims, csv, file: BufWriter::with_capacity(PIECE_BYTES, to) };
        let signed = |value: u64| codec.ring().signed(value);
        let integers = || elements.to_u64().into_iter();
        match kind {
            Kind::Real => target.write(elements.decode(codec)),
            Kind::U64 => target.write(elements.to_u64()),
            Kind::U32 => target.write(integers().map(|value| value as u32).collect()),
            Kind::Integer | Kind::I64 => target.write(integers().map(signed).collect()),
            Kind::I32 => target.write(integers().map(|value| signed(value) as i32).collect()),
        }
    }
}

struct Target<W> {
    dims: Dims,
    csv: bool,
    file: W,
}

impl<W: Write> Target<W> {
    fn write<T: WritableElement + Display>(mut self, values: Vec<T>) -> io::Result<()> {
        let array = ArrayD::from_shape_vec(self.dims.extents(), values).expect("one value for each place");
        if self.csv {
            self.rows(&array)?;
        } else {
            array.write_npy(&mut self.file).map_err(io::Error::other)?;
        }
        self.file.flush()
    }

    /// A line for each row along the last axis.
    fn rows<T: Display>(&mut self, array: &ArrayD<T>) -> io::Result<()> {
        for row in array.rows() {
            let cells: Vec<String> = row.iter().map(T::to_string).collect();
            writeln!(self.file, "{}", cells.join(","))?;
        }
        Ok(())
    }
}
