//! Matrices and tensors in files: `.npy`, `.npz`, `.safetensors` and `.csv`.

mod csv;
mod decimal;
mod error;
mod npy;
mod npz;
mod records;
mod safetensors;
mod table;
mod types;
mod write;

use decimal::Exact;
pub use error::Place;
pub use error::{DataError, ValueError};
pub use table::TableOptions;
pub(crate) use table::{Column, Missing, Separator};
pub use write::{OutputData, check_target, publish};

use crate::number;
use std::collections::BTreeMap;
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use symbolon::program::{Dims, Kind, Span};
use symbolon::ring::{CodecError, Elements, FixedPoint};

/// The place of a matrix.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// The file.
    pub file: PathBuf,
    /// The name of the matrix, where the file may hold several.
    pub tensor: Option<String>,
}

impl Source {
    /// Its name in errors.
    pub fn name(&self) -> PathBuf {
        self.tensor.as_ref().map_or_else(|| self.file.clone(), |tensor| Source::label(&self.file, tensor))
    }

    /// The name, in errors, of one matrix of a file.
    fn label(file: &Path, tensor: &str) -> PathBuf {
        format!("{}[{}]", file.display(), tensor.escape_debug()).into()
    }
}

/// A matrix or tensor as a file has it.
#[derive(Debug)]
pub struct Matrix {
    /// Its extents.
    pub dims: Dims,
    /// The kind of numbers that the file declares.
    pub kind: Kind,
    /// Whether it is of rows of text, and not an array.
    pub(crate) is_table: bool,
    pub(crate) numbers: Numbers,
}

/// Its numbers, row-major.
#[derive(Debug, PartialEq)]
pub(crate) enum Numbers {
    Real(Vec<f64>),
    Signed(Vec<i64>),
    Unsigned(Vec<u64>),
    /// Reals, some of which are exactly what no f64 is.
    Mixed {
        reals: Vec<f64>,
        exact: BTreeMap<usize, Exact>,
    },
}

/// A file of matrices, opened once for all that is read from it.
pub struct DataFile {
    path: PathBuf,
    content: Content,
}

enum Content {
    Npy,
    Npz(npz::Archive),
    Safetensors(safetensors::Tensors),
    Csv(csv::Text),
}

impl DataFile {
    /// Opens a file by its extension.
    pub fn open(path: &Path) -> Result<DataFile, DataError> {
        let open: fn(&Path) -> Result<Content, DataError> = match extension(path).as_str() {
            "npy" => |_| Ok(Content::Npy),
            "npz" => |path| npz::Archive::open(path).map(Content::Npz),
            "safetensors" => |path| safetensors::Tensors::open(path).map(Content::Safetensors),
            "csv" => |path| csv::Text::open(path).map(Content::Csv),
            other => {
                return Err(DataError::Extension { path: path.to_owned(), extension: other.to_owned() });
            }
        };
        regular(path).map_err(|reason| DataError::Unreadable { path: path.to_owned(), reason })?;
        Ok(DataFile { path: path.to_owned(), content: open(path)? })
    }

    /// Reads one of its matrices. `tell` is given what was taken for granted of a table.
    pub fn matrix(
        &mut self,
        tensor: Option<&str>,
        options: &TableOptions,
        tell: &mut dyn FnMut(String),
    ) -> Result<Matrix, DataError> {
        let path = || self.path.clone();
        let is_table = matches!(self.content, Content::Csv(_));
        if tensor.is_some() && (is_table || matches!(self.content, Content::Npy)) {
            return Err(DataError::NoContainer { path: path() });
        }
        if let Some(option) = options.of_tables().filter(|_| !is_table) {
            return Err(DataError::NoTable { path: path(), option });
        }
        let mut matrix = match &mut self.content {
            Content::Npy => npy::read(&self.path),
            Content::Npz(archive) => archive.matrix(tensor),
            Content::Safetensors(tensors) => tensors.matrix(tensor),
            Content::Csv(text) => text.matrix(options, tell),
        }?;
        if let (Numbers::Real(values), Some(fill)) = (&mut matrix.numbers, options.fill()) {
            if !fill.is_real() {
                return Err(DataError::InexactFill { path: path() });
            }
            values.iter_mut().filter(|value| value.is_nan()).for_each(|value| *value = fill.real);
        }
        Ok(matrix)
    }
}

impl Matrix {
    /// Reads a file by its extension.
    pub fn read(source: &Source) -> Result<Matrix, DataError> {
        let mut file = DataFile::open(&source.file)?;
        file.matrix(source.tensor.as_deref(), &TableOptions::default(), &mut |_| {})
    }

    /// Its numbers as reals, row-major; integers beyond 2^53 are rounded.
    pub fn reals(&self) -> impl Iterator<Item = f64> {
        self.numbers.reals()
    }

    /// Holds the matrix against what the job declares of it.
    pub fn check(&self, dims: Option<Dims>, bound: Option<f64>) -> Result<(), ValueError> {
        if let Some(declared) = dims
            && declared != self.dims
        {
            return Err(ValueError::Shape { found: self.dims, declared });
        }
        let Some(bound) = bound else { return Ok(()) };
        let Some(index) = self.numbers.first_above(bound) else { return Ok(()) };
        let at = self.place(index);
        Err(match self.numbers.real(index) {
            value if value.is_finite() => {
                ValueError::AboveBound { at, value: self.numbers.shown(index), bound }
            }
            value => ValueError::NotFinite { at, value },
        })
    }

    /// How many of its numbers are not zero, but are rounded to it.
    pub fn vanishing(&self, codec: FixedPoint) -> usize {
        // Ties go to even.
        let least = codec.resolution() / 2.0;
        let vanishes = |real: &f64| *real != 0.0 && real.abs() <= least;
        if codec.fraction_bits() == 0 { 0 } else { self.reals().filter(vanishes).count() }
    }

    /// Holds the matrix against a kind of integers.
    pub fn check_kind(&self, kind: Kind) -> Result<(), ValueError> {
        let Some(width) = kind.width() else { return Ok(()) };
        let span = kind.span(width);
        let outside = |(index, integer): (usize, Result<i128, ValueError>)| match integer {
            Ok(value) if span.low <= value && value <= span.high => None,
            Ok(value) => Some(ValueError::Kind { at: self.place(index), value, kind }),
            Err(error) => Some(error),
        };
        self.whole().enumerate().find_map(outside).map_or(Ok(()), Err)
    }

    /// The numbers as integers, which reals must be.
    fn whole(&self) -> impl Iterator<Item = Result<i128, ValueError>> + '_ {
        (0..self.numbers.len()).map(|index| match self.numbers.is_integer(index) {
            true => Ok(self.numbers.integer(index)),
            false => Err(self.fraction(index, self.numbers.real(index))),
        })
    }

    /// The matrix as ring elements, in a program on integers as those of a kind.
    pub fn encode(&self, codec: FixedPoint, kind: Kind) -> Result<Elements, ValueError> {
        match &self.numbers {
            Numbers::Real(values) if codec.fraction_bits() > 0 => {
                Elements::encode(codec, values).map_err(|error| self.out_of_range(values, codec, error))
            }
            Numbers::Mixed { reals, exact } if codec.fraction_bits() > 0 => {
                let mut elements =
                    Elements::encode(codec, reals).map_err(|error| self.out_of_range(reals, codec, error))?;
                self.encode_exact(exact, codec, &mut elements)?;
                Ok(elements)
            }
            _ => self.integers(codec, kind),
        }
    }

    /// Fixed-point numbers of what f64 does not hold, in place of those of the nearest f64.
    fn encode_exact(
        &self,
        exact: &BTreeMap<usize, Exact>,
        codec: FixedPoint,
        elements: &mut Elements,
    ) -> Result<(), ValueError> {
        let (ring_bits, fraction_bits) = (codec.ring().bits(), codec.fraction_bits());
        let limit = 1i128 << (ring_bits - 2);
        for (&index, number) in exact {
            if *number == Exact::Fraction {
                continue;
            }
            let scaled = number.scaled(fraction_bits).filter(|scaled| (1 - limit..limit).contains(scaled));
            let Some(scaled) = scaled else {
                let (at, value, limit) = (self.place(index), self.numbers.real(index), codec.limit());
                return Err(ValueError::OutOfRange { at, value, limit, fraction_bits, ring_bits });
            };
            // Numbers of 32 bits are far below what f64 holds.
            if let Elements::Z64(elements) = elements {
                elements[index] = scaled as u64;
            }
        }
        Ok(())
    }

    /// Integers, shifted to the scale of fixed-point numbers where there is one.
    fn integers(&self, codec: FixedPoint, kind: Kind) -> Result<Elements, ValueError> {
        let ring_bits = codec.ring().bits();
        let fraction_bits = codec.fraction_bits();
        // Integers keep to their kind, fixed-point numbers to the range of truncation.
        let kind = kind.within(codec.ring());
        let range = match fraction_bits {
            0 => kind.span(codec.ring()),
            _ => Span::symmetric((1i128 << (ring_bits - 2 - fraction_bits)) - 1),
        };
        let mut elements = Vec::with_capacity(self.numbers.len());
        for (index, value) in self.whole().enumerate() {
            let value = value?;
            if value < range.low || value > range.high {
                let at = self.place(index);
                return Err(match fraction_bits {
                    0 if value >= -(1 << (ring_bits - 1)) && value < 1 << ring_bits => {
                        ValueError::Kind { at, value, kind }
                    }
                    0 => ValueError::Integer { at, value, ring_bits },
                    _ => {
                        let (value, limit) = (value as f64, codec.limit());
                        ValueError::OutOfRange { at, value, limit, fraction_bits, ring_bits }
                    }
                });
            }
            elements.push(codec.ring().reduce((value << fraction_bits) as u64));
        }
        Ok(Elements::from_integers(codec.ring(), elements))
    }

    /// A real number that is no integer, or no number.
    fn fraction(&self, index: usize, value: f64) -> ValueError {
        let at = self.place(index);
        match value.is_finite() {
            true if value.fract() == 0.0 => ValueError::NearInteger { at, value },
            true => ValueError::Fraction { at, value },
            false => ValueError::NotFinite { at, value },
        }
    }

    /// The codec's error, which names an element by its index alone.
    fn out_of_range(&self, values: &[f64], codec: FixedPoint, error: CodecError) -> ValueError {
        let index = match error {
            CodecError::NotANumber { index }
            | CodecError::Infinite { index }
            | CodecError::OutOfRange { index, .. } => index,
            CodecError::FractionBits { .. } => 0,
        };
        let (at, value) = (self.place(index), values[index]);
        let (limit, fraction_bits, ring_bits) = (codec.limit(), codec.fraction_bits(), codec.ring().bits());
        match value.is_finite() {
            true => ValueError::OutOfRange { at, value, limit, fraction_bits, ring_bits },
            false => ValueError::NotFinite { at, value },
        }
    }

    fn place(&self, index: usize) -> Place {
        Place { dims: self.dims, index, is_table: self.is_table }
    }
}

impl Numbers {
    fn len(&self) -> usize {
        match self {
            Numbers::Real(values) | Numbers::Mixed { reals: values, .. } => values.len(),
            Numbers::Signed(values) => values.len(),
            Numbers::Unsigned(values) => values.len(),
        }
    }

    /// The kind of numbers that are as wide as kinds are.
    fn kind(&self) -> Kind {
        match self {
            Numbers::Real(_) | Numbers::Mixed { .. } => Kind::Real,
            Numbers::Signed(_) => Kind::I64,
            Numbers::Unsigned(_) => Kind::U64,
        }
    }

    /// A number, rounded where f64 does not hold it.
    fn real(&self, index: usize) -> f64 {
        match self {
            Numbers::Real(values) | Numbers::Mixed { reals: values, .. } => values[index],
            Numbers::Signed(values) => values[index] as f64,
            Numbers::Unsigned(values) => values[index] as f64,
        }
    }

    /// An integer exactly; of other numbers what is before the point.
    fn integer(&self, index: usize) -> i128 {
        match self {
            // Beyond 2^64 no integer fits, and the conversion to i128 saturates far above.
            Numbers::Real(values) => values[index] as i128,
            Numbers::Signed(values) => values[index].into(),
            Numbers::Unsigned(values) => values[index].into(),
            Numbers::Mixed { reals, exact } => match exact.get(&index) {
                Some(&Exact::Integer(value)) => value,
                _ => reals[index] as i128,
            },
        }
    }

    /// Whether a number is an integer; a NaN and an infinity are none.
    fn is_integer(&self, index: usize) -> bool {
        match self {
            Numbers::Real(values) => values[index].fract() == 0.0,
            Numbers::Signed(_) | Numbers::Unsigned(_) => true,
            Numbers::Mixed { reals, .. } => reals[index].fract() == 0.0 && !self.is_fraction(index),
        }
    }

    /// Whether a number is no integer although the nearest f64 is one.
    fn is_fraction(&self, index: usize) -> bool {
        let Numbers::Mixed { exact, .. } = self else { return false };
        exact.get(&index).is_some_and(|exact| !matches!(exact, Exact::Integer(_)))
    }

    /// The first number whose magnitude is above `bound`; a NaN is within none.
    fn first_above(&self, bound: f64) -> Option<usize> {
        let above = |value: &f64| value.is_nan() || value.abs() > bound;
        match self {
            Numbers::Real(values) => values.iter().position(above),
            Numbers::Signed(values) => {
                values.iter().position(|&value| decimal::is_above(value.into(), bound))
            }
            Numbers::Unsigned(values) => {
                values.iter().position(|&value| decimal::is_above(value.into(), bound))
            }
            Numbers::Mixed { reals, exact } => reals.iter().enumerate().position(|(index, value)| {
                exact.get(&index).and_then(|exact| exact.is_above(bound)).unwrap_or_else(|| above(value))
            }),
        }
    }

    /// A number as messages show it: integers in full.
    fn shown(&self, index: usize) -> String {
        match self {
            Numbers::Real(values) => number(values[index]),
            Numbers::Mixed { reals, .. } if self.is_fraction(index) => number(reals[index]),
            _ => self.integer(index).to_string(),
        }
    }

    fn reals(&self) -> Box<dyn Iterator<Item = f64> + '_> {
        match self {
            Numbers::Real(values) | Numbers::Mixed { reals: values, .. } => Box::new(values.iter().copied()),
            Numbers::Signed(values) => Box::new(values.iter().map(|&value| value as f64)),
            Numbers::Unsigned(values) => Box::new(values.iter().map(|&value| value as f64)),
        }
    }
}

/// The part of a file's name that says what it holds, in lower case; empty if there is none.
fn extension(path: &Path) -> String {
    path.extension().map(|extension| extension.to_string_lossy().to_lowercase()).unwrap_or_default()
}

/// The extents of an array of up to four axes; `path` is what errors call it.
fn dims_of(path: &Path, dimensions: &[usize]) -> Result<Dims, DataError> {
    let too_many = |_| DataError::Dimensions { path: path.to_owned(), dimensions: dimensions.len() };
    Dims::new(dimensions).map_err(too_many)
}

/// The place in `names` of the matrix to read: the one that is asked for, or the only one.
fn choose(path: &Path, tensor: Option<&str>, names: &[String]) -> Result<usize, DataError> {
    const MOST_SHOWN: usize = 12;
    let path = || path.to_owned();
    let there = || {
        let mut shown: Vec<String> = names.iter().map(|name| name.escape_debug().to_string()).collect();
        shown.sort();
        let rest = shown.len().saturating_sub(MOST_SHOWN);
        shown.truncate(MOST_SHOWN);
        let rest = if rest > 0 { format!(" and {rest} more") } else { String::new() };
        shown.join(", ") + &rest
    };
    match tensor {
        None if names.len() == 1 => Ok(0),
        None => Err(DataError::WhichTensor { path: path(), there: there() }),
        Some(tensor) => names.iter().position(|name| name == tensor).ok_or_else(|| DataError::NoTensor {
            path: path(),
            tensor: tensor.to_owned(),
            there: there(),
        }),
    }
}

/// Makes sure that a path leads to a file that ends, and that can be read more than once.
pub fn regular(path: &Path) -> Result<Metadata, String> {
    let metadata = std::fs::metadata(path).map_err(|error| error.to_string())?;
    match metadata.is_file() {
        true => Ok(metadata),
        false if metadata.is_dir() => Err("this is a folder, not a file".to_owned()),
        false => Err("this is a pipe or a device, not a file".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use symbolon::ring::Ring;

    /// A row of numbers of the kind that their file would say.
    fn row(numbers: Numbers) -> Matrix {
        let dims = Dims::new(&[1, numbers.len()]).unwrap();
        Matrix { dims, kind: numbers.kind(), is_table: false, numbers }
    }

    impl Matrix {
        fn encoded(&self, codec: FixedPoint) -> Result<Elements, ValueError> {
            self.encode(codec, self.kind)
        }
    }

    fn codec(bits: u32, fraction_bits: u32) -> FixedPoint {
        FixedPoint::new(Ring::from_bits(bits).unwrap(), fraction_bits).unwrap()
    }

    #[test]
    fn places_in_tensors_have_all_their_indices() {
        let dims = Dims::new(&[2, 1, 3]).unwrap();
        let matrix = Matrix { dims, ..row(Numbers::Real(vec![0.0, 0.0, 0.0, 0.0, f64::NAN, 0.0])) };
        let message = matrix.encoded(codec(64, 16)).unwrap_err().to_string();
        assert_eq!(message, "element [1, 0, 1] is NaN: only finite numbers can be computed on");
        let vector = Matrix { dims: Dims::new(&[2]).unwrap(), ..row(Numbers::Real(vec![0.0, f64::NAN])) };
        let message = vector.encoded(codec(64, 16)).unwrap_err().to_string();
        assert_eq!(message, "element [1] is NaN: only finite numbers can be computed on");
        let table = Matrix { is_table: true, ..row(Numbers::Real(vec![0.0, f64::NAN])) };
        let message = table.encoded(codec(64, 16)).unwrap_err().to_string();
        assert_eq!(message, "row 1, column 2 is NaN: only finite numbers can be computed on");
    }

    #[test]
    fn integers_are_signed_or_unsigned() {
        let encoded = row(Numbers::Unsigned(vec![u64::MAX, 0])).encoded(codec(64, 0)).unwrap();
        assert_eq!(encoded, Elements::Z64(vec![u64::MAX, 0]));
        let encoded = row(Numbers::Signed(vec![-1, 5])).encoded(codec(32, 0)).unwrap();
        assert_eq!(encoded, Elements::Z32(vec![u32::MAX, 5]));
        let message = row(Numbers::Signed(vec![0, 1 << 32])).encoded(codec(32, 0)).unwrap_err().to_string();
        assert_eq!(message, "element [0, 1] is 4294967296, which does not fit into 32 bits");
        let large = row(Numbers::Signed(vec![0, 3_000_000_000]));
        let message = large.encoded(codec(32, 0)).unwrap_err().to_string();
        let advice = "declare the kind of its numbers, such as kind = \"u32\", where they are of another one";
        assert_eq!(message, format!("element [0, 1] is 3000000000, which is no i32; {advice}"));
        let encoded = large.encode(codec(32, 0), Kind::U32).unwrap();
        assert_eq!(encoded, Elements::Z32(vec![0, 3_000_000_000]));
        assert!(row(Numbers::Signed(vec![-1])).encode(codec(64, 0), Kind::U64).is_err());
        let message = large.check_kind(Kind::I32).unwrap_err().to_string();
        assert!(message.starts_with("element [0, 1] is 3000000000, which is no i32"), "{message}");
    }

    #[test]
    fn integers_are_held_against_bounds_exactly() {
        let numbers = row(Numbers::Unsigned(vec![1 << 53, (1 << 53) + 1]));
        let message = numbers.check(None, Some((1u64 << 53) as f64)).unwrap_err().to_string();
        assert_eq!(message, "element [0, 1] is 9007199254740993, above the declared bound 9007199254740992");
    }

    #[test]
    fn integers_in_fixed_point_are_exact() {
        let large = (1i64 << 45) + 1;
        let encoded = row(Numbers::Signed(vec![large, -large])).encoded(codec(64, 16)).unwrap();
        assert_eq!(encoded, Elements::Z64(vec![(large << 16) as u64, (-large << 16) as u64]));
        assert!(row(Numbers::Signed(vec![1 << 46])).encoded(codec(64, 16)).is_err());
    }

    #[test]
    fn what_does_not_fit_is_named_with_its_place() {
        let message = row(Numbers::Real(vec![1.0, f64::NAN])).encoded(codec(64, 16)).unwrap_err().to_string();
        assert_eq!(message, "element [0, 1] is NaN: only finite numbers can be computed on");
        let integers = row(Numbers::Real(vec![f64::INFINITY])).encoded(codec(64, 0)).unwrap_err().to_string();
        assert_eq!(integers, "element [0, 0] is inf: only finite numbers can be computed on");
        let message = row(Numbers::Real(vec![-1e18])).encoded(codec(64, 16)).unwrap_err().to_string();
        let limit = "magnitudes must be below 70368744177664 with 16 fraction bits in 64 bits; integers of the \
                     ring's whole width, such as keys, need a job of their own with fraction_bits = 0";
        assert_eq!(message, format!("element [0, 0] is -1e18: {limit}"));
        let message = row(Numbers::Signed(vec![1 << 46])).encoded(codec(64, 16)).unwrap_err().to_string();
        assert!(message.ends_with(limit), "{message}");
        let message = row(Numbers::Real(vec![0.5])).encoded(codec(64, 0)).unwrap_err().to_string();
        assert!(message.starts_with("element [0, 0] is 0.5, not an integer"), "{message}");
        let message = row(Numbers::Real(vec![1e30])).encoded(codec(64, 0)).unwrap_err().to_string();
        assert_eq!(message, "element [0, 0] is 1e30, which does not fit into 64 bits");
        let message = row(Numbers::Real(vec![1.0, -9.5])).check(None, Some(9.0)).unwrap_err().to_string();
        assert_eq!(message, "element [0, 1] is -9.5, above the declared bound 9");
    }
}
