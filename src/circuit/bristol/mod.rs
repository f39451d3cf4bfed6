//! Bristol Fashion, the format in which the field keeps its circuits, and the older Bristol format.
//!
//! A file in Bristol Fashion (N. Smart and others, "Bristol Fashion MPC Circuits", KU Leuven) has three lines of numbers, and
//! one line for each gate:
//!
//! ```text
//! 5 9                   gates, wires
//! 2 2 2                 inputs, and the bits of each
//! 1 2                   outputs, and the bits of each
//!
//! 2 1 0 2 4 XOR         wires read, wires set, which, and what: XOR, AND, INV, EQ, EQW or MAND
//! …
//! ```
//!
//! The first wires are the input bits, in order, the last the output bits. EQ sets a wire to a constant, EQW to another
//! wire, and MAND is several ANDs in a line. The older format has one line in the place of the second and the third: the
//! bits of party 0's input, of party 1's, and of the output. Bits stand in the file's order; by custom the lowest comes first.
//!
//! The format does not know parties. Reading gives input i to party i, where there are two, and every output to both
//! parties, unless [`read_for`] is told otherwise.
//!
//! **Bounds.** A count in a file never decides how much memory is taken: gates are read line by line, and inputs and outputs
//! are refused where the file is too short for them. Reading takes memory proportional to the length of the file, and a circuit
//! that is read has only gates which read wires that were set before: what is out of order, or goes in a circle, is refused
//! with its line.

mod error;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod fuzz;
mod read;
mod write;

#[cfg(test)]
mod tests;

pub use error::{BristolError, Fault};
pub use read::{Format, Header, read, read_for, read_header};
pub use write::write;
