//! The rings of shares: Z_2^32 and Z_2^64, and fixed-point numbers in their elements.
//!
//! A ring element is a `u32` or `u64` with wrapping arithmetic; signed values are two's complement.
//! [`Element`] is the arithmetic, [`Ring`] names a ring at run time, [`Shape`] says how elements form a
//! matrix, [`FixedPoint`] writes real numbers as elements and [`prg`] draws uniform ones.

mod element;
mod elements;
mod fixed;
pub mod prg;
mod shape;

pub use element::{Element, MINUS_ONE, Ring, UnknownRing};
pub use elements::Elements;
pub use fixed::{CodecError, FixedPoint};
pub use shape::{Axis, Shape};
