//! What can be wrong with a program.

use super::range::Warning;
use crate::ring::Shape;
use crate::share::PartyId;

/// Why a program cannot be built.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ProgramError {
    /// The shapes of an elementwise op's operands do not broadcast.
    #[error("{left_label} of shape {left} and {right_label} of shape {right} do not broadcast")]
    Broadcast {
        /// What the left operand is called.
        left_label: String,
        /// Its shape.
        left: Shape,
        /// What the right operand is called.
        right_label: String,
        /// Its shape.
        right: Shape,
    },
    /// The inner extents of a matrix product differ.
    #[error(
        "{left_label} of shape {left} cannot be multiplied by {right_label} of shape {right}: {} columns against {} rows",
        .left.cols, .right.rows
    )]
    Inner {
        /// What the left operand is called.
        left_label: String,
        /// Its shape.
        left: Shape,
        /// What the right operand is called.
        right_label: String,
        /// Its shape.
        right: Shape,
    },
    /// A matrix with more elements than can be addressed.
    #[error("{label} of shape {shape} has too many elements")]
    TooLarge {
        /// What it is called.
        label: String,
        /// Its shape.
        shape: Shape,
    },
    /// A party that does not take part.
    #[error("'{name}' names {party}, but the protocol has parties 0 to {}", .parties - 1)]
    Party {
        /// The input or output.
        name: String,
        /// Who is named.
        party: PartyId,
        /// How many there are.
        parties: usize,
    },
    /// An output that nobody would learn.
    #[error("output '{name}' goes to nobody: name at least one party in `to`")]
    NoRecipient {
        /// The output.
        name: String,
    },
    /// A name used twice.
    #[error("'{name}' is defined twice")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// A bound that is not a positive number.
    #[error("the bound {bound} of input '{name}' is not a positive number")]
    Bound {
        /// The input.
        name: String,
        /// What it declares.
        bound: f64,
    },
    /// A constant with a fraction in a program on integers.
    #[error("{value} is not an integer, and this program computes on integers (fraction_bits = 0)")]
    NotAnInteger {
        /// The constant.
        value: f64,
    },
    /// An integer constant that no element stands for.
    #[error("the constant {value} does not fit into {ring_bits} bits")]
    IntegerRange {
        /// The constant.
        value: i128,
        /// k.
        ring_bits: u32,
    },
    /// A constant that would be rounded to zero.
    #[error("the constant {value} is below the resolution 2^-{fraction_bits} and would be rounded to zero")]
    Vanishes {
        /// The constant.
        value: f64,
        /// f.
        fraction_bits: u32,
    },
    /// A constant outside the range of fixed-point numbers.
    #[error(
        "the constant {value:e} is too large: magnitudes must be below {limit:e} with {fraction_bits} fraction bits in {ring_bits} bits"
    )]
    ConstantRange {
        /// The constant.
        value: f64,
        /// Magnitudes below this fit.
        limit: f64,
        /// k.
        ring_bits: u32,
        /// f.
        fraction_bits: u32,
    },
    /// A smooth function in a program on integers.
    #[error("{label} has a fraction, and this program computes on integers (fraction_bits = 0)")]
    NoFractions {
        /// The call.
        label: String,
    },
    /// A constant divisor that is zero.
    #[error("{label} divides by zero")]
    DivisionByZero {
        /// The quotient.
        label: String,
    },
    /// A function whose arguments all lie where it is wrong.
    #[error("{0}, all of it outside")]
    OutsideDomain(Warning),
    /// A condition that is no integer.
    #[error("select chooses by the result of a comparison, which {label} is not")]
    Condition {
        /// What it is called.
        label: String,
    },
    /// Rows or columns that are not there.
    #[error("{label} of shape {shape} has no {what}")]
    OutOfRange {
        /// What is cut.
        label: String,
        /// Its shape.
        shape: Shape,
        /// What is asked for.
        what: String,
    },
    /// A shape with another number of elements.
    #[error("{label} of shape {from} cannot have shape {to}: {} elements against {}", .from.len(), .to.len())]
    Reshape {
        /// What is to be reshaped.
        label: String,
        /// Its shape.
        from: Shape,
        /// What is asked for.
        to: Shape,
    },
    /// The largest of nothing.
    #[error("{label} of shape {shape} has no element along that axis to choose from")]
    NoElement {
        /// What is reduced.
        label: String,
        /// Its shape.
        shape: Shape,
    },
    /// Something computed that is to be resident like an input.
    #[error("{label} is no input: inputs are resident, and with them what is computed from them alone")]
    NoInput {
        /// What it is called.
        label: String,
    },
    /// A program without output.
    #[error("the program has no output: nobody would learn anything")]
    NoOutput,
    /// A value that can provably leave the range in which truncation is safe.
    #[error(
        "{label} can overflow: with the declared bounds its magnitude may reach {reach:.6e}, but {ring_bits} bits with {fraction_bits} fraction bits hold less than {limit:.6e} there; lower fraction_bits, widen the ring or declare tighter bounds"
    )]
    Overflow {
        /// What the value is called.
        label: String,
        /// The largest magnitude that the declared bounds allow.
        reach: f64,
        /// Magnitudes below this are safe.
        limit: f64,
        /// k.
        ring_bits: u32,
        /// f.
        fraction_bits: u32,
    },
}
