//! Matrices in files: `.npy` and `.csv`.

mod csv;
mod npy;
mod write;

pub use write::{check_target, publish, write};

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use symbolon::ring::{CodecError, Elements, FixedPoint, Shape};

/// What kind of numbers a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// With fractions.
    Real,
    /// Integers of either sign.
    Signed,
    /// Integers from zero on.
    Unsigned,
}

/// A matrix as a file has it.
#[derive(Debug)]
pub struct Matrix {
    pub shape: Shape,
    pub numbers: Numbers,
}

/// Its numbers, row-major.
#[derive(Debug, PartialEq)]
pub enum Numbers {
    Real(Vec<f64>),
    Signed(Vec<i64>),
    Unsigned(Vec<u64>),
}

/// Why a matrix cannot be read, or does not fit the job.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DataError {
    #[error("{}: {reason}", .path.display())]
    Unreadable { path: PathBuf, reason: String },
    #[error("{}: '.{extension}' files are not read; .npy and .csv are", .path.display())]
    Extension { path: PathBuf, extension: String },
    #[error("{}: elements of type '{dtype}' are not read; f32, f64, i32, i64, u32 and u64 are", .path.display())]
    Type { path: PathBuf, dtype: String },
    #[error("{}: an array of {dimensions} dimensions is not read; matrices, vectors and scalars are", .path.display())]
    Dimensions { path: PathBuf, dimensions: usize },
    #[error("{}, line {line}: {reason}", .path.display())]
    Line { path: PathBuf, line: u64, reason: String },
    #[error("has shape {found}, the job declares {declared}")]
    Shape { found: Shape, declared: Shape },
    #[error("row {row}, column {col} is {value}, above the declared bound {bound}")]
    AboveBound { row: usize, col: usize, value: f64, bound: f64 },
    #[error("row {row}, column {col} is {value}, not an integer; set fraction_bits to compute on fractions")]
    Fraction { row: usize, col: usize, value: f64 },
    #[error("row {row}, column {col} is {value}, which does not fit into {ring_bits} bits")]
    Integer { row: usize, col: usize, value: i128, ring_bits: u32 },
    #[error("row {row}, column {col}: {}", without_index(.error))]
    FixedPoint { row: usize, col: usize, error: CodecError },
}

/// The codec's error names an element by its index; row and column say it better.
fn without_index(error: &CodecError) -> String {
    let text = error.to_string();
    text.split_once(" is ").map_or(text.clone(), |(_, rest)| format!("the value is {rest}"))
}

impl Matrix {
    /// Reads a file by its extension.
    pub fn read(path: &Path) -> Result<Matrix, DataError> {
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
        match extension.as_deref() {
            Some("npy") => npy::read(path),
            Some("csv") => csv::read(path),
            other => {
                let extension = other.unwrap_or_default().to_owned();
                Err(DataError::Extension { path: path.to_owned(), extension })
            }
        }
    }

    pub fn kind(&self) -> Kind {
        match self.numbers {
            Numbers::Real(_) => Kind::Real,
            Numbers::Signed(_) => Kind::Signed,
            Numbers::Unsigned(_) => Kind::Unsigned,
        }
    }

    /// Holds the matrix against what the job declares of it.
    pub fn check(&self, shape: Option<Shape>, bound: Option<f64>) -> Result<(), DataError> {
        if let Some(declared) = shape
            && declared != self.shape
        {
            return Err(DataError::Shape { found: self.shape, declared });
        }
        let Some(bound) = bound else { return Ok(()) };
        // A NaN is not within any bound.
        let above = |&(_, value): &(usize, f64)| value.is_nan() || value.abs() > bound;
        let above = self.numbers.reals().enumerate().find(above);
        match above {
            None => Ok(()),
            Some((index, value)) => {
                let (row, col) = self.place(index);
                Err(DataError::AboveBound { row, col, value, bound })
            }
        }
    }

    /// The matrix as ring elements.
    pub fn encode(&self, codec: FixedPoint) -> Result<Elements, DataError> {
        match &self.numbers {
            Numbers::Real(values) if codec.fraction_bits() > 0 => {
                Elements::encode(codec, values).map_err(|error| self.out_of_range(error))
            }
            Numbers::Real(values) => self.integers(
                codec,
                values.iter().enumerate().map(|(index, &value)| {
                    // Beyond 2^64 no integer fits, and the conversion to i128 saturates far above.
                    if value.fract() == 0.0 { Ok(value as i128) } else { Err(self.fraction(index, value)) }
                }),
            ),
            Numbers::Signed(values) => self.integers(codec, values.iter().map(|&value| Ok(value.into()))),
            Numbers::Unsigned(values) => self.integers(codec, values.iter().map(|&value| Ok(value.into()))),
        }
    }

    /// Integers, shifted to the scale of fixed-point numbers where there is one.
    fn integers(
        &self,
        codec: FixedPoint,
        values: impl Iterator<Item = Result<i128, DataError>>,
    ) -> Result<Elements, DataError> {
        let ring_bits = codec.ring().bits();
        let fraction_bits = codec.fraction_bits();
        // Integers modulo 2^k are signed or unsigned; fixed-point numbers keep to the range of truncation.
        let range = match fraction_bits {
            0 => -(1i128 << (ring_bits - 1))..1i128 << ring_bits,
            _ => 1 - (1i128 << (ring_bits - 2 - fraction_bits))..1i128 << (ring_bits - 2 - fraction_bits),
        };
        let mut elements = Vec::with_capacity(self.shape.len());
        for (index, value) in values.enumerate() {
            let value = value?;
            if !range.contains(&value) {
                let (row, col) = self.place(index);
                return Err(DataError::Integer { row, col, value, ring_bits: ring_bits - fraction_bits });
            }
            elements.push(codec.ring().reduce((value << fraction_bits) as u64));
        }
        Ok(Elements::from_integers(codec.ring(), elements))
    }

    fn fraction(&self, index: usize, value: f64) -> DataError {
        let (row, col) = self.place(index);
        DataError::Fraction { row, col, value }
    }

    fn out_of_range(&self, error: CodecError) -> DataError {
        let index = match error {
            CodecError::NotANumber { index }
            | CodecError::Infinite { index }
            | CodecError::OutOfRange { index, .. } => index,
            CodecError::FractionBits { .. } => 0,
        };
        let (row, col) = self.place(index);
        DataError::FixedPoint { row, col, error }
    }

    /// Row and column of an element, from 0.
    fn place(&self, index: usize) -> (usize, usize) {
        (index / self.shape.cols.max(1), index % self.shape.cols.max(1))
    }
}

impl Numbers {
    /// The numbers as reals, integers beyond 2^53 rounded.
    pub fn reals(&self) -> Box<dyn Iterator<Item = f64> + '_> {
        match self {
            Numbers::Real(values) => Box::new(values.iter().copied()),
            Numbers::Signed(values) => Box::new(values.iter().map(|&value| value as f64)),
            Numbers::Unsigned(values) => Box::new(values.iter().map(|&value| value as f64)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use symbolon::ring::Ring;

    fn row(numbers: Numbers) -> Matrix {
        Matrix { shape: Shape::new(1, numbers.reals().count()), numbers }
    }

    fn codec(bits: u32, fraction_bits: u32) -> FixedPoint {
        FixedPoint::new(Ring::from_bits(bits).unwrap(), fraction_bits).unwrap()
    }

    #[test]
    fn integers_are_signed_or_unsigned() {
        let encoded = row(Numbers::Unsigned(vec![u64::MAX, 0])).encode(codec(64, 0)).unwrap();
        assert_eq!(encoded, Elements::Z64(vec![u64::MAX, 0]));
        let encoded = row(Numbers::Signed(vec![-1, 5])).encode(codec(32, 0)).unwrap();
        assert_eq!(encoded, Elements::Z32(vec![u32::MAX, 5]));
        let message = row(Numbers::Signed(vec![0, 1 << 32])).encode(codec(32, 0)).unwrap_err().to_string();
        assert_eq!(message, "row 0, column 1 is 4294967296, which does not fit into 32 bits");
    }

    #[test]
    fn integers_in_fixed_point_are_exact() {
        let large = (1i64 << 45) + 1;
        let encoded = row(Numbers::Signed(vec![large, -large])).encode(codec(64, 16)).unwrap();
        assert_eq!(encoded, Elements::Z64(vec![(large << 16) as u64, (-large << 16) as u64]));
        assert!(row(Numbers::Signed(vec![1 << 46])).encode(codec(64, 16)).is_err());
    }

    #[test]
    fn what_does_not_fit_is_named_with_its_place() {
        let message = row(Numbers::Real(vec![1.0, f64::NAN])).encode(codec(64, 16)).unwrap_err().to_string();
        assert_eq!(message, "row 0, column 1: the value is NaN");
        let message = row(Numbers::Real(vec![0.5])).encode(codec(64, 0)).unwrap_err().to_string();
        assert!(message.starts_with("row 0, column 0 is 0.5, not an integer"), "{message}");
        let message = row(Numbers::Real(vec![1e30])).encode(codec(64, 0)).unwrap_err().to_string();
        assert!(message.contains("does not fit into 64 bits"), "{message}");
        let message = row(Numbers::Real(vec![1.0, -9.5])).check(None, Some(9.0)).unwrap_err().to_string();
        assert_eq!(message, "row 0, column 1 is -9.5, above the declared bound 9");
    }
}
