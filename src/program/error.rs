//! The errors of programs.

use super::gradient::GradientError;
use super::range::Outside;
use super::{Dims, Kind, Span};
use crate::share::PartyId;

/// Why a program cannot be built.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ProgramError {
    /// The shapes of an elementwise op's operands do not broadcast.
    #[error("{} of shape {} and {} of shape {} do not broadcast", .0.left_label, .0.left, .0.right_label, .0.right)]
    Broadcast(Box<Operands>),
    /// The inner extents of a matrix product differ.
    #[error(
        "{} of shape {} cannot be multiplied by {} of shape {}: {} columns against {} rows",
        .0.left_label, .0.left, .0.right_label, .0.right, .0.left.cols(), rows_as_factor(.0.right)
    )]
    Inner(Box<Operands>),
    /// A sum of integers that is too long to be held to the ring.
    #[error(
        "{label} adds {count} integers, of which checks hold at most {most} of {ring_bits} bits to the ring: declare \
         `bound` on inputs so that it cannot exceed the ring, or use 64 bits"
    )]
    Uncheckable {
        /// Its name or expression.
        label: String,
        /// The number of its terms.
        count: usize,
        /// The most.
        most: usize,
        /// The ring's width.
        ring_bits: u32,
    },
    /// A matrix with more elements than can be addressed.
    #[error("{label} of shape {shape} has too many elements")]
    TooLarge {
        /// Its name or expression.
        label: String,
        /// Its shape.
        shape: Dims,
    },
    /// A party that does not take part.
    #[error("'{name}' names {party}, but the protocol has parties 0 to {}", .parties - 1)]
    Party {
        /// The input or output.
        name: String,
        /// The party that is named.
        party: PartyId,
        /// The number of parties.
        parties: usize,
    },
    /// An output that nobody would learn.
    #[error("output '{name}' goes to nobody: name at least one party in `to`")]
    NoRecipient {
        /// The output.
        name: String,
    },
    /// An output that is not there, or that no run reveals.
    #[error("output '{name}' cannot be revealed every {runs} runs: it is no output, or never revealed")]
    Every {
        /// The output.
        name: String,
        /// The number of runs.
        runs: u32,
    },
    /// A name used twice.
    #[error("'{name}' is defined twice")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// A bound that is not a positive number.
    #[error("the bound {bound} of '{name}' is not a positive number")]
    Bound {
        /// The input or state.
        name: String,
        /// The declared bound.
        bound: f64,
    },
    /// A constant with a fraction, with integers.
    #[error(
        "{value} is not an integer, and what it goes with is (fraction_bits = 0, or an input's kind = \"integer\")"
    )]
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
    #[error("the constant {} is below the resolution 2^-{fraction_bits} and would be rounded to zero: raise fraction_bits, or scale the inputs up", .value.abs())]
    Vanishes {
        /// The constant.
        value: f64,
        /// f.
        fraction_bits: u32,
    },
    /// A factor that makes every number vanish.
    #[error(
        "{label} times {factor:e} is zero for every number that {ring_bits} bits hold: scale the inputs up first"
    )]
    VanishingMultiple {
        /// The factor that is a value.
        label: String,
        /// The factor.
        factor: f64,
        /// k.
        ring_bits: u32,
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
    /// A batch of too many products.
    #[error(
        "{label} is a batch of {count} products of matrices that differ on both sides: there are at most {most}"
    )]
    Batches {
        /// The product.
        label: String,
        /// The number of products.
        count: usize,
        /// The most.
        most: usize,
    },
    /// An epsilon, which keeps a variance from zero, that is too small for the ring or no small number.
    #[error("epsilon = {epsilon} must be at least {least:e}, and less than 1")]
    Epsilon {
        /// The epsilon.
        epsilon: f64,
        /// The least that it can be.
        least: f64,
    },
    /// A norm to clip to that is too small for the ring, or too large.
    #[error("{label}: a norm to clip to must lie between {least:.2e} and {most:.2e}")]
    Norm {
        /// The call.
        label: String,
        /// The least that it can be.
        least: f64,
        /// The most.
        most: f64,
    },
    /// A constant divisor that is zero.
    #[error("{label} divides by zero")]
    DivisionByZero {
        /// The quotient.
        label: String,
    },
    /// A function whose arguments all lie where it is wrong.
    #[error("{0}")]
    OutsideDomain(Outside),
    /// A range that is none, or that contradicts what is known.
    #[error("{call} names no number that {label} can be{known}")]
    Assumed {
        /// The statement.
        call: String,
        /// The value of which it is stated.
        label: String,
        /// The known range, in words.
        known: String,
    },
    /// A condition that is no integer.
    #[error(
        "select chooses by the result of a comparison, which {label} is not: write {label} != 0, or another comparison"
    )]
    Condition {
        /// Its name or expression.
        label: String,
    },
    /// Rows or columns that are not there.
    #[error("{label} of shape {shape} has no {what}")]
    OutOfRange {
        /// The value that is cut.
        label: String,
        /// Its shape.
        shape: Dims,
        /// The missing part, or the shape that is due.
        what: String,
    },
    /// Images, kernels or windows that do not fit together.
    #[error("{label} of shape {shape} {what}")]
    Images {
        /// The value that does not fit.
        label: String,
        /// Its shape.
        shape: Dims,
        /// Its extents and those that are due, in words.
        what: String,
    },
    /// Numbers and what they should be that differ in shape.
    #[error("{} of shape {} and {} of shape {} must have one shape", .0.left_label, .0.left, .0.right_label, .0.right)]
    Unequal(Box<Operands>),
    /// A gradient that there is not.
    #[error(transparent)]
    Gradient(#[from] GradientError),
    /// Values to be joined that differ along another axis.
    #[error(
        "{} of shape {} and {} of shape {} cannot be joined along axis {axis}: all other extents must be equal",
        .operands.left_label, .operands.left, .operands.right_label, .operands.right
    )]
    Joined {
        /// Both.
        operands: Box<Operands>,
        /// The axis.
        axis: usize,
    },
    /// A shape with another number of elements.
    #[error("{label} of shape {from} cannot have shape {to}: {} elements against {}", elements(.from), elements(.to))]
    Reshape {
        /// The value that is to be reshaped.
        label: String,
        /// Its shape.
        from: Dims,
        /// The missing part, or the shape that is due.
        to: Box<Dims>,
    },
    /// The largest of nothing.
    #[error("{label} of shape {shape} has no element along that axis to choose from")]
    NoElement {
        /// The value that is reduced.
        label: String,
        /// Its shape.
        shape: Dims,
    },
    /// Something computed that is to be resident like an input.
    #[error("{label} is no input: inputs are resident, and with them what is computed from them alone")]
    NoInput {
        /// Its name or expression.
        label: String,
    },
    /// A kind of numbers that the program's are not.
    #[error("'{name}' cannot hold {kind}: the program computes on {ring_bits} bits")]
    Kind {
        /// The input or state.
        name: String,
        /// The declared kind.
        kind: Kind,
        /// k.
        ring_bits: u32,
    },
    /// A state of integers in a program whose numbers have fractions.
    #[error("state '{name}' cannot hold {kind}: in this program states hold numbers with fractions")]
    StateKind {
        /// The state.
        name: String,
        /// The declared kind.
        kind: Kind,
    },
    /// Integers that would be mixed with numbers with fractions.
    #[error(
        "{label} is an integer, and would be mixed with numbers with fractions: real(x) makes such numbers of integers, floor(x) and round(x) whole ones of such numbers"
    )]
    Unlike {
        /// The integer's name or expression.
        label: String,
    },
    /// Integers that numbers with fractions do not hold.
    #[error(
        "{label} may be an integer from {} to {}, and numbers with fractions here stay below 2^{limit_bits}: declare a bound, or write assume(x, low, high)",
        .span.low, .span.high
    )]
    TooLargeReal {
        /// The integer's name or expression.
        label: String,
        /// Between which it lies.
        span: Span,
        /// The bits before the point, less one.
        limit_bits: u32,
    },
    /// A first value that is not there before the first run.
    #[error(
        "the first value of state '{name}' is {label}, which depends on what is new in every run: declare its inputs resident"
    )]
    LateInit {
        /// The state.
        name: String,
        /// The value's name or expression.
        label: String,
    },
    /// A value that is updated like a state.
    #[error("{label} is no state: only what `state` declares is left to the next run")]
    NoState {
        /// Its name or expression.
        label: String,
    },
    /// A state that no run would change.
    #[error("state '{name}' has no update: say what the next run finds in it")]
    NoUpdate {
        /// The state.
        name: String,
    },
    /// A state with two updates.
    #[error("state '{name}' is updated twice")]
    Updated {
        /// The state.
        name: String,
    },
    /// An update of another shape.
    #[error("state '{name}' has shape {shape}, its update has shape {found}")]
    Update {
        /// The state.
        name: String,
        /// Its shape.
        shape: Dims,
        /// The update's.
        found: Box<Dims>,
    },
    /// An update to integers that the state does not hold.
    #[error("the update of state '{name}' gives {found} that the state does not hold: declare another kind")]
    UpdateKind {
        /// The state.
        name: String,
        /// The kind of the update's integers.
        found: Kind,
    },
    /// A public value that is none, or is used as what it is not.
    #[error("public value '{name}' {what}")]
    Schedule {
        /// The public value.
        name: String,
        /// The fault.
        what: String,
    },
    /// A first value that is none of the state's.
    #[error("the first value of state '{name}' {what}")]
    Init {
        /// The state.
        name: String,
        /// The fault.
        what: String,
    },
    /// A bound that is declared after its state is used.
    #[error("the bound of state '{name}' is declared after the state is used")]
    LateBound {
        /// The state.
        name: String,
    },
    /// A kind that is declared after its input is used.
    #[error("the kind of input '{name}' is declared after the input is used")]
    LateKind {
        /// The input.
        name: String,
    },
    /// Signed and unsigned integers in one value that no reading of its elements holds.
    #[error(
        "{label} would hold integers from {} to {}, which neither signed nor unsigned integers of {ring_bits} bits do: declare bounds below 2^{} on unsigned inputs, or widen the ring",
        .span.low, .span.high, .ring_bits - 1
    )]
    Mixture {
        /// The value's name or expression.
        label: String,
        /// The integers that it would hold.
        span: Span,
        /// k.
        ring_bits: u32,
    },
    /// Public numbers in a program that has nothing else.
    #[error("nothing private is there yet: declare an input before what is public")]
    Public,
    /// A power that is not computed.
    #[error(
        "{label}: a power is a whole number from -{most} to {most}, or 0.5 more or less; of positive numbers others are exp({exponent} * log(…))"
    )]
    Power {
        /// The power.
        label: String,
        /// The exponent.
        exponent: f64,
        /// The largest whole one.
        most: i128,
    },
    /// A divisor that leaves no whole quotient.
    #[error("{label}: the divisor is a positive multiple of {least:e} below {most:e}")]
    Divisor {
        /// The quotient.
        label: String,
        /// What it is a multiple of.
        least: f64,
        /// All are below.
        most: f64,
    },
    /// A dividend that is too large for a whole quotient.
    #[error("{label}: magnitudes must be below {limit:e}; declare a bound on the inputs{}",
        if *.is_power { "" } else { ", or a power of two as divisor" })]
    Dividend {
        /// The quotient.
        label: String,
        /// Magnitudes below this are divided.
        limit: f64,
        /// The divisor is a power of two, by which the largest are divided.
        is_power: bool,
    },
    /// Indices of a product that do not fit its values.
    #[error("einsum \"{indices}\": {what}")]
    Einsum {
        /// The indices.
        indices: String,
        /// The fault.
        what: String,
    },
    /// A program without output.
    #[error("the program has no output: nobody would learn anything")]
    NoOutput,
    /// A value that can provably leave the range in which truncation is safe.
    #[error(
        "{label} can overflow: as far as is known, its magnitude may reach {reach:.6e}, but {ring_bits} bits with {fraction_bits} fraction bits hold less than {limit:.6e} there; declare tighter bounds, state a range by assume(x, low, high), scale the inputs down{}",
        if *.ring_bits == 32 { ", or set ring_bits = 64" } else { " or lower fraction_bits" }
    )]
    Overflow {
        /// The value's name or expression.
        label: String,
        /// The largest magnitude that bounds allow.
        reach: f64,
        /// Magnitudes below this are safe.
        limit: f64,
        /// k.
        ring_bits: u32,
        /// f.
        fraction_bits: u32,
    },
}

/// Two operands that do not fit together.
#[derive(Clone, Debug, PartialEq)]
pub struct Operands {
    /// The left one's name or expression.
    pub left_label: String,
    /// Its shape.
    pub left: Dims,
    /// The right one's name or expression.
    pub right_label: String,
    /// Its shape.
    pub right: Dims,
}

/// Rows of the right factor of a matrix product, where a vector is a column.
pub(super) fn rows_as_factor(dims: Dims) -> usize {
    if dims.rank() < 2 { dims.cols() } else { dims.rows() }
}

/// The number of elements, for people.
fn elements(dims: &Dims) -> String {
    dims.checked_len().map_or("too many".to_owned(), |len| len.to_string())
}
