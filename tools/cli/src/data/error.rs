//! What can be wrong with data.

use crate::table::number;
use std::path::PathBuf;
use symbolon::program::{Dims, Kind};
use symbolon::ring::Ring;

/// Why a file cannot be read or written.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DataError {
    #[error("{}: {reason}", .path.display())]
    Unreadable { path: PathBuf, reason: String },
    #[error("{}: {} is not read; .npy, .npz, .csv and .safetensors are", .path.display(), called(.extension))]
    Extension { path: PathBuf, extension: String },
    #[error("{}: {} is not written; .npy and .csv are", .path.display(), called(.extension))]
    OutputExtension { path: PathBuf, extension: String },
    #[error("{}: elements of type '{dtype}' are not read; f32, f64, i32, i64, u32 and u64 are", .path.display())]
    Type { path: PathBuf, dtype: String },
    #[error("{}: an array of {dimensions} dimensions is not read; those of at most four are", .path.display())]
    Dimensions { path: PathBuf, dimensions: usize },
    #[error("{}: there is no '{tensor}' in it; there are: {there}", .path.display())]
    NoTensor { path: PathBuf, tensor: String, there: String },
    #[error("{}: say which of its matrices is meant by `tensor`; there are: {there}", .path.display())]
    WhichTensor { path: PathBuf, there: String },
    #[error("{}: `tensor` names a matrix of an .npz or .safetensors file", .path.display())]
    NoContainer { path: PathBuf },
    #[error("{}: `{option}` says how a .csv is read, and this is none", .path.display())]
    NoTable { path: PathBuf, option: &'static str },
    #[error("{}: `missing` is no number that f64, the type of its elements, holds", .path.display())]
    InexactFill { path: PathBuf },
    #[error("{}, line {line}: {reason}", .path.display())]
    Line { path: PathBuf, line: u64, reason: String },
    #[error("{} is also the file of {by}", .path.display())]
    Taken { path: PathBuf, by: String },
}

/// Why a matrix does not fit the job.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ValueError {
    #[error("has shape {found}, the job declares {declared}")]
    Shape { found: Dims, declared: Dims },
    #[error("{at} is {value}: only finite numbers can be computed on")]
    NotFinite { at: Place, value: f64 },
    #[error("has shape {found}, in the first batch it was {first}")]
    LaterShape { found: Dims, first: Dims },
    #[error("{at} is {value}, above the declared bound {}", number(*.bound))]
    AboveBound { at: Place, value: String, bound: f64 },
    #[error(
        "{at} is {}, which is no {kind}; declare the kind of its numbers, such as kind = \"{}\", where they are of another one",
        integer(*.value), other(*.kind)
    )]
    Kind { at: Place, value: i128, kind: Kind },
    #[error("{at} is {}, not an integer; set fraction_bits to compute on fractions", number(*.value))]
    Fraction { at: Place, value: f64 },
    #[error(
        "{at} is not exactly {}, and so not an integer; set fraction_bits to compute on fractions", number(*.value)
    )]
    NearInteger { at: Place, value: f64 },
    #[error(
        "{at} is {}: the first batch has {} integers of {} bits, and so has every later one, unless the job declares \
         another `kind`",
        integer(*.value), if .first.is_signed() { "signed" } else { "unsigned" }, bits(*.first)
    )]
    LaterKind { at: Place, value: i128, first: Kind },
    #[error("{at} is {}, which does not fit into {ring_bits} bits", integer(*.value))]
    Integer { at: Place, value: i128, ring_bits: u32 },
    #[error(
        "{at} is {}: magnitudes must be below {} with {fraction_bits} fraction bits in {ring_bits} bits",
        number(*.value), number(*.limit)
    )]
    OutOfRange { at: Place, value: f64, limit: f64, fraction_bits: u32, ring_bits: u32 },
}

/// Where an element stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    pub dims: Dims,
    /// Its place in row-major order.
    pub index: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut rest = self.index;
        let mut indices = Vec::new();
        for extent in self.dims.extents().iter().rev() {
            indices.push(rest % (*extent).max(1));
            rest /= (*extent).max(1);
        }
        indices.reverse();
        match indices[..] {
            [row, col] => write!(f, "row {row}, column {col}"),
            _ => write!(f, "element {indices:?}"),
        }
    }
}

/// How wide the integers of a kind of integers are.
fn bits(kind: Kind) -> u32 {
    kind.width().map_or(0, Ring::bits)
}

/// The kind of the other sign and the same width.
fn other(kind: Kind) -> Kind {
    kind.width().map_or(kind, |width| Kind::integers(!kind.is_signed(), width))
}

/// A kind of file by its extension.
fn called(extension: &str) -> String {
    if extension.is_empty() {
        "a file without extension".to_owned()
    } else {
        format!("a '.{extension}' file")
    }
}

/// An integer in full, or in exponential form where it is far from what an element can hold.
fn integer(value: i128) -> String {
    if value.unsigned_abs() < 10u128.pow(24) { value.to_string() } else { number(value as f64) }
}
