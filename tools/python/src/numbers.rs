//! NumPy's arrays as elements of the ring, and back.

use crate::errors::Raised;
use numpy::{Element, PyArray1, PyReadonlyArrayDyn};
use pyo3::prelude::*;
use symbolon::ring::{CodecError, Elements, FixedPoint, Ring};

/// How the elements of a value are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Fixed-point numbers.
    Real,
    /// Integers at the scale of fixed-point numbers.
    Whole,
    /// Integers of the ring, signed or not.
    Integer { signed: bool },
}

/// Encodes an array: of f64 as numbers of the codec, of integers as such.
pub fn encode(codec: FixedPoint, array: &Bound<'_, PyAny>) -> PyResult<(Vec<usize>, Elements)> {
    let py = array.py();
    if let Ok(reals) = array.extract::<PyReadonlyArrayDyn<'_, f64>>() {
        let (shape, reals) = (reals.as_array().shape().to_vec(), reals.as_slice());
        let reals = reals.map_err(|error| Raised::new("InputError", error.to_string()).into_error(py))?;
        let elements = Elements::encode(codec, reals).map_err(|error| refused(error).into_error(py))?;
        return Ok((shape, elements));
    }
    if let Ok(integers) = array.extract::<PyReadonlyArrayDyn<'_, i64>>() {
        return Ok((
            integers.as_array().shape().to_vec(),
            whole(py, codec, &integers, |integer| integer as u64)?,
        ));
    }
    if let Ok(integers) = array.extract::<PyReadonlyArrayDyn<'_, u64>>() {
        return Ok((integers.as_array().shape().to_vec(), whole(py, codec, &integers, |integer| integer)?));
    }
    let line = "a secret is made of an array of float64, int64 or uint64 in C order";
    Err(Raised::new("InputError", line).into_error(py))
}

fn whole<T: Element + Copy>(
    py: Python<'_>,
    codec: FixedPoint,
    array: &PyReadonlyArrayDyn<'_, T>,
    element: impl Fn(T) -> u64,
) -> PyResult<Elements> {
    let integers = array.as_slice();
    let integers = integers.map_err(|error| Raised::new("InputError", error.to_string()).into_error(py))?;
    Ok(Elements::from_integers(codec.ring(), integers.iter().map(|&integer| element(integer))))
}

fn refused(error: CodecError) -> Raised<'static> {
    let raised = Raised::new("InputError", error.to_string());
    match error {
        CodecError::NotANumber { index } | CodecError::Infinite { index } => {
            raised.with_number("index", index)
        }
        _ => raised,
    }
}

/// What was revealed, as an array with one axis.
pub fn decode<'py>(
    py: Python<'py>,
    codec: FixedPoint,
    reading: Reading,
    elements: &Elements,
) -> Bound<'py, PyAny> {
    let ring = codec.ring();
    let signed = |element: u64| ring.signed(element);
    match reading {
        Reading::Real => PyArray1::from_vec(py, elements.decode(codec)).into_any(),
        Reading::Whole => {
            let bits = codec.fraction_bits();
            PyArray1::from_vec(py, each(elements, |element| signed(element) >> bits)).into_any()
        }
        Reading::Integer { signed: true } => PyArray1::from_vec(py, each(elements, signed)).into_any(),
        Reading::Integer { signed: false } => {
            PyArray1::from_vec(py, each(elements, |element| element)).into_any()
        }
    }
}

fn each<T>(elements: &Elements, number: impl Fn(u64) -> T) -> Vec<T> {
    match elements {
        Elements::Z32(elements) => elements.iter().map(|&element| number(element.into())).collect(),
        Elements::Z64(elements) => elements.iter().map(|&element| number(element)).collect(),
    }
}

/// The ring of so many bits.
pub fn ring(py: Python<'_>, bits: u32) -> PyResult<Ring> {
    Ring::from_bits(bits).map_err(|error| Raised::new("UsageError", error.to_string()).into_error(py))
}
