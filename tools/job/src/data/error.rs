//! The errors of data.

use crate::number;
use std::path::PathBuf;
use symbolon::program::{Dims, Kind};
use symbolon::ring::Ring;

/// Why a file cannot be read or written.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DataError {
    /// A file that cannot be read or written.
    #[error("{}: {reason}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// A kind of file that is not read.
    #[error("{}: {} is not read; .npy, .npz, .csv and .safetensors are", .path.display(), called(.extension))]
    Extension {
        /// The file.
        path: PathBuf,
        /// Its extension.
        extension: String,
    },
    /// A kind of file that is not written.
    #[error("{}: {} is not written; .npy and .csv are", .path.display(), called(.extension))]
    OutputExtension {
        /// The file.
        path: PathBuf,
        /// Its extension.
        extension: String,
    },
    /// A type of elements that is not read.
    #[error("{}: elements of type '{dtype}' are not read; bool, integers of 8 to 64 bits, f16, bf16, f32 and f64 are", .path.display())]
    Type {
        /// The file.
        path: PathBuf,
        /// The type, as the file names it.
        dtype: String,
    },
    /// An array of too many axes.
    #[error("{}: an array of {dimensions} dimensions is not read; those of at most four are", .path.display())]
    Dimensions {
        /// The file.
        path: PathBuf,
        /// The number of its axes.
        dimensions: usize,
    },
    /// A name that no matrix of the file has.
    #[error("{}: there is no '{tensor}' in it; there are: {there}", .path.display())]
    NoTensor {
        /// The file.
        path: PathBuf,
        /// The name.
        tensor: String,
        /// The names that it has.
        there: String,
    },
    /// A file of several matrices, of which none is named.
    #[error("{}: say which of its matrices is meant by `tensor`; there are: {there}", .path.display())]
    WhichTensor {
        /// The file.
        path: PathBuf,
        /// The names that it has.
        there: String,
    },
    /// A name of a matrix for a file that holds one without a name.
    #[error("{}: `tensor` names a matrix of an .npz or .safetensors file", .path.display())]
    NoContainer {
        /// The file.
        path: PathBuf,
    },
    /// An option of tables for another kind of file.
    #[error("{}: `{option}` says how a .csv is read, and this is none", .path.display())]
    NoTable {
        /// The file.
        path: PathBuf,
        /// The option.
        option: &'static str,
    },
    /// A replacement for missing values that the type of the elements does not hold.
    #[error("{}: `missing` is no number that f64, the type of its elements, holds", .path.display())]
    InexactFill {
        /// The file.
        path: PathBuf,
    },
    /// A fault in a line of a table.
    #[error("{}, line {line}: {reason}", .path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The reason.
        reason: String,
    },
    /// A file that another input or output has already.
    #[error("{} is also the file of {by}", .path.display())]
    Taken {
        /// The file.
        path: PathBuf,
        /// The input or output.
        by: String,
    },
}

/// Why a matrix does not fit the job.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ValueError {
    /// Another shape than the job declares.
    #[error("has shape {found}, the job declares {declared}")]
    Shape {
        /// Its shape.
        found: Dims,
        /// The declared shape.
        declared: Dims,
    },
    /// A NaN or an infinity.
    #[error("{at} is {value}: only finite numbers can be computed on")]
    NotFinite {
        /// Its place.
        at: Place,
        /// The number.
        value: f64,
    },
    /// Another shape than in the first batch.
    #[error("has shape {found}, in the first batch it was {first}")]
    LaterShape {
        /// Its shape.
        found: Dims,
        /// That of the first batch.
        first: Dims,
    },
    /// A number above the declared bound.
    #[error("{at} is {value}, above the declared bound {}", in_full(*.bound))]
    AboveBound {
        /// Its place.
        at: Place,
        /// The number.
        value: String,
        /// The bound.
        bound: f64,
    },
    /// An integer that the kind does not hold.
    #[error(
        "{at} is {}, which is no {kind}; declare the kind of its numbers, such as kind = \"{}\", where they are of another one",
        integer(*.value), other(*.kind)
    )]
    Kind {
        /// Its place.
        at: Place,
        /// The number.
        value: i128,
        /// The kind.
        kind: Kind,
    },
    /// A fraction, where the job computes on integers.
    #[error("{at} is {}, not an integer; set fraction_bits to compute on fractions", number(*.value))]
    Fraction {
        /// Its place.
        at: Place,
        /// The number.
        value: f64,
    },
    /// A number so large that only its text shows that it is no integer.
    #[error(
        "{at} is not exactly {}, and so not an integer; set fraction_bits to compute on fractions", number(*.value)
    )]
    NearInteger {
        /// Its place.
        at: Place,
        /// The number.
        value: f64,
    },
    /// An integer that the kind of the first batch does not hold.
    #[error(
        "{at} is {}: the first batch has {} integers of {} bits, and so has every later one, unless the job declares \
         another `kind`",
        integer(*.value), if .first.is_signed() { "signed" } else { "unsigned" }, bits(*.first)
    )]
    LaterKind {
        /// Its place.
        at: Place,
        /// The number.
        value: i128,
        /// That of the first batch.
        first: Kind,
    },
    /// An integer that the ring does not hold.
    #[error("{at} is {}, which does not fit into {ring_bits} bits", integer(*.value))]
    Integer {
        /// Its place.
        at: Place,
        /// The number.
        value: i128,
        /// The bits of the ring.
        ring_bits: u32,
    },
    /// A number that the fixed-point encoding does not hold.
    #[error(
        "{at} is {}: magnitudes must be below {} with {fraction_bits} fraction bits in {ring_bits} bits{}",
        number(*.value), number(*.limit), whole_width(*.value)
    )]
    OutOfRange {
        /// Its place.
        at: Place,
        /// The number.
        value: f64,
        /// Magnitudes are below this.
        limit: f64,
        /// The fraction bits.
        fraction_bits: u32,
        /// The bits of the ring.
        ring_bits: u32,
    },
}

/// What to do with integers that numbers with fractions do not hold, such as keys.
fn whole_width(value: f64) -> &'static str {
    match value.fract() == 0.0 {
        true => {
            "; integers of the ring's whole width, such as keys, need a job of their own with fraction_bits = 0"
        }
        false => "",
    }
}

/// The place of an element.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// The extents of its array.
    pub dims: Dims,
    /// Its place in row-major order.
    pub index: usize,
    /// Whether it is a table, whose rows and columns are counted from 1; indices of arrays are counted from 0.
    pub is_table: bool,
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
            [row, col] if self.is_table => write!(f, "row {}, column {}", row + 1, col + 1),
            _ => write!(f, "element {indices:?}"),
        }
    }
}

/// The width of a kind of integers.
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

/// A number in full where it is an integer.
fn in_full(value: f64) -> String {
    if value.fract() == 0.0 { integer(value as i128) } else { number(value) }
}

/// An integer in full, or in exponential form where it is far from what an element can hold.
fn integer(value: i128) -> String {
    if value.unsigned_abs() < 10u128.pow(24) { value.to_string() } else { number(value as f64) }
}
