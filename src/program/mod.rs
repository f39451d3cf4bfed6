//! Programs: a typed graph of ops on matrices and tensors, the owner of each input and the recipients of each output.
//!
//! A [`Program`] is built value by value, or from text by [`expression`]. It names no protocol, no device and no
//! party beyond owners and recipients; [`oracle`] evaluates it in the clear and is what every protocol is held
//! against. [`range`] bounds what its values can become.
//!
//! **Numbers.** With `fraction_bits` = 0 values are integers, signed or unsigned: sums and products that leave the ring wrap
//! modulo 2^k, and comparisons are right over all of it; see [`Integers`]. Otherwise values are fixed-point numbers with f fraction bits; a product of two has 2f, so the builder follows it by
//! [`Op::Truncate`], which divides by 2^f. What a comparison gives are integers 0 and 1: a product with one needs no
//! truncation, and where they meet fixed-point numbers in a sum, or are revealed, they are scaled first.

mod algebra;
mod blocks;
mod build;
mod check;
mod compare;
mod dims;
mod einsum;
mod error;
pub mod expression;
mod functions;
mod gradient;
mod images;
mod integers;
mod interval;
mod join;
mod literals;
mod logic;
mod meaning;
mod merge;
mod misfits;
mod network;
mod optimisers;
pub mod oracle;
mod order;
mod pools;
mod public;
pub mod range;
mod reach;
mod rearrange;
mod reduce;
mod sort;
mod state;
mod tensors;
#[cfg(test)]
pub(crate) mod tests;
pub mod tiling;
mod whole;
mod window;

pub use blocks::{Gather, Loop, Stride};
pub use build::Number;
pub use check::{CHECK_OUTPUT, Check};
pub use dims::{Dims, TooManyAxes};
pub use error::{Operands, ProgramError};
pub use gradient::GradientError;
pub use images::Kernels;
pub use integers::{Integers, Kind, Span};
pub use join::Sorted;
pub use literals::MOST_LISTED;
pub use meaning::{Meaning, Relation, Term};
pub use optimisers::Rate;
pub(crate) use public::Passes;
pub use public::{Public, PublicId, PublicTensor, Rows, Schedule};
pub(crate) use state::uniform;
pub use state::{Init, State};
pub use window::{Image, Side, Window};

use crate::ring::{Axis, FixedPoint, Ring, Shape};
use crate::share::{Parties, PartyId, Turn};
use serde::{Deserialize, Serialize};

/// A value of a program: the result of the op with this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct ValueId(pub u32);

impl ValueId {
    /// The number as an index into [`Program::values`].
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The op that computes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Op {
    /// The program's input with this number.
    Input(usize),
    /// The program's state with this number, as the run before left it.
    State(usize),
    /// Sum, broadcasting.
    Add(ValueId, ValueId),
    /// Difference, broadcasting.
    Sub(ValueId, ValueId),
    /// Negation.
    Neg(ValueId),
    /// A public ring element added to every element.
    AddConstant(ValueId, u64),
    /// Every element times a public ring element.
    Scale(ValueId, u64),
    /// Elementwise product, broadcasting, before truncation.
    Mul(ValueId, ValueId),
    /// Matrix product, before truncation.
    MatMul(ValueId, ValueId),
    /// Rows and columns exchanged.
    Transpose(ValueId),
    /// Sums over one axis.
    Sum(ValueId, Axis),
    /// Division by 2^bits, rounded down by the oracle; by a protocol as the method says, which is one of the first two.
    Truncate(ValueId, u32, Truncation),
    /// The result of a test of each element, as an integer 0 or 1.
    Compare(ValueId, Test),
    /// Some rows and columns.
    Slice(ValueId, Stride, Stride),
    /// The value with its first element at this row and column of a larger matrix, zeros around it.
    Pad(ValueId, (usize, usize)),
    /// Elements in another order, some of them repeatedly.
    Gather(ValueId, Gather),
    /// Every element times the public number of the run, before truncation.
    ScaleByRun(ValueId, PublicId),
    /// The rows that the run takes.
    RowsByRun(ValueId, PublicId),
    /// The public tensor with this number, which every party has.
    Public(PublicId),
}

/// The way in which the product of two fixed-point numbers gets back to their scale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Truncation {
    /// Rounds to one of the two neighbours, to each with the probability that makes it right on average.
    #[default]
    Stochastic,
    /// Rounds down: bit for bit what the oracle gives, at the price of a comparison.
    Exact,
    /// Rounds to the nearest, and half a unit up: bit for bit what the oracle gives, at the same price. Half a unit is added
    /// to the product, which costs nothing, and the sum rounded down; so no op has this method.
    Nearest,
}

/// A test of an element as a signed integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    /// Below zero.
    Negative,
    /// Zero or above.
    NonNegative,
    /// Zero.
    Zero,
    /// Not zero.
    NonZero,
}

impl Op {
    /// The values it is computed from.
    pub fn operands(self) -> impl Iterator<Item = ValueId> {
        let (first, second) = match self {
            Op::Input(_) | Op::State(_) | Op::Public(_) => (None, None),
            Op::Add(a, b) | Op::Sub(a, b) | Op::Mul(a, b) | Op::MatMul(a, b) => (Some(a), Some(b)),
            Op::Neg(a)
            | Op::AddConstant(a, _)
            | Op::Scale(a, _)
            | Op::Transpose(a)
            | Op::Sum(a, _)
            | Op::Truncate(a, ..)
            | Op::Compare(a, _)
            | Op::Slice(a, ..)
            | Op::Pad(a, _)
            | Op::Gather(a, _)
            | Op::ScaleByRun(a, _)
            | Op::RowsByRun(a, _) => (Some(a), None),
        };
        first.into_iter().chain(second)
    }

    /// True for an op whose every element depends on one element of each operand; operands broadcast.
    pub const fn is_elementwise(self) -> bool {
        match self {
            Op::Add(..) | Op::Sub(..) | Op::Neg(_) | Op::AddConstant(..) | Op::Scale(..) | Op::Mul(..) => {
                true
            }
            Op::Truncate(..) | Op::Compare(..) | Op::ScaleByRun(..) => true,
            Op::Input(_) | Op::State(_) | Op::Public(_) => false,
            Op::MatMul(..) | Op::Transpose(_) | Op::Sum(..) => false,
            Op::Slice(..) | Op::Pad(..) | Op::Gather(..) | Op::RowsByRun(..) => false,
        }
    }

    /// A word for it, in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Op::Input(_) => "input",
            Op::State(_) => "state",
            Op::Add(..) => "add",
            Op::Sub(..) => "subtract",
            Op::Neg(_) => "negate",
            Op::AddConstant(..) => "add a constant",
            Op::Scale(..) => "scale",
            Op::Mul(..) => "multiply",
            Op::MatMul(..) => "matrix product",
            Op::Transpose(_) => "transpose",
            Op::Sum(..) => "sum",
            Op::Truncate(..) => "truncate",
            Op::Compare(..) => "compare",
            Op::Slice(..) => "slice",
            Op::Pad(..) => "pad",
            Op::Gather(..) => "gather",
            Op::ScaleByRun(..) => "scale by a number of the run",
            Op::RowsByRun(..) => "take rows of the run",
            Op::Public(_) => "public tensor",
        }
    }
}

/// A value: its op, its shape and how to call it.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// The op that computes it.
    pub op: Op,
    /// Rows and columns.
    pub shape: Shape,
    /// Its extents as a tensor that lies in this matrix.
    pub dims: Dims,
    /// Its elements stand for multiples of 2^−fraction_bits: f, 0 for results of comparisons and what is computed of
    /// them alone, or 2f between a product and its truncation.
    pub fraction_bits: u32,
    /// Its name or the text of its expression, for messages.
    pub label: String,
    /// Between which numbers its elements lie, in the units of the inputs, as far as declared bounds say: see
    /// [`range`].
    pub interval: Option<range::Interval>,
    /// The integers that its elements stand for, where the program computes on integers.
    pub integers: Option<Integers>,
    /// What it is of other values, where it is computed by several ops in a program on integers.
    pub meaning: Option<Meaning>,
    /// Whether it is a part of a function, which sees to it that it stays in the ring or says where it does not.
    part: bool,
}

impl Value {
    /// The worth of its elements' lowest bit: 2^−fraction_bits.
    pub fn unit(&self) -> f64 {
        (-f64::from(self.fraction_bits)).exp2()
    }

    /// Whether it is a part of a function, as of a quotient or an exponential.
    pub const fn is_part(&self) -> bool {
        self.part
    }
}

/// A matrix or tensor that a party brings.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// The party that brings it, and alone knows it.
    pub owner: PartyId,
    /// Rows and columns.
    pub shape: Shape,
    /// No magnitude is above this, as the owner declares and checks.
    pub bound: Option<f64>,
    /// The numbers that it holds: see [`Program::hold`].
    pub kind: Kind,
    /// It stays the same over all runs of the program in a session: see [`Program::reside`].
    pub resident: bool,
    /// The value that stands for it.
    pub value: ValueId,
}

/// A value that is revealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Output {
    /// Its name.
    pub name: String,
    /// The revealed value.
    pub value: ValueId,
    /// The parties that learn it.
    pub to: Parties,
    /// It is revealed in each run whose number, counted from 1, is a multiple of this.
    pub every: u32,
}

/// A computation on matrices and tensors. See the module's documentation.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    codec: FixedPoint,
    truncation: Truncation,
    parties: usize,
    values: Vec<Value>,
    inputs: Vec<Input>,
    states: Vec<State>,
    outputs: Vec<Output>,
    publics: Vec<Public>,
    /// The domains of its functions' arguments.
    domains: Vec<range::Domain>,
    /// The searches of its functions for the power of two of their arguments.
    searches: Vec<range::Search>,
    /// The values whose ranges an author states, and the calls that state them.
    assumed: Vec<(ValueId, String)>,
    /// In a program on integers, the values that add a constant or multiply by one, and which: its element alone does not
    /// tell.
    constants: Vec<(ValueId, i128)>,
    /// Parts of functions that leave the ring for some arguments, and the largest magnitude that their elements may have.
    needs: Vec<(ValueId, f64)>,
    /// The names that the job's steps define, each with the number of values up to its own.
    steps: Vec<(String, usize)>,
    /// Its gradients, and the functions that they differentiate as a whole.
    derivatives: gradient::Derivatives,
    /// Its checks' steps, if it has any.
    check: Option<Check>,
}

impl Program {
    /// The ring of all values.
    pub const fn ring(&self) -> Ring {
        self.codec.ring()
    }

    /// The encoding of numbers in the ring.
    pub const fn codec(&self) -> FixedPoint {
        self.codec
    }

    /// The way in which products get back to the scale of their factors.
    pub const fn truncation(&self) -> Truncation {
        self.truncation
    }

    /// The number of computing parties.
    pub const fn parties(&self) -> usize {
        self.parties
    }

    /// All values; each comes after its operands.
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// One value.
    pub fn value(&self, id: ValueId) -> &Value {
        &self.values[id.index()]
    }

    /// The inputs, in the order in which they were declared.
    pub fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    /// The states, in the order in which they were declared.
    pub fn states(&self) -> &[State] {
        &self.states
    }

    /// The outputs, in the order in which they were declared.
    pub fn outputs(&self) -> &[Output] {
        &self.outputs
    }

    /// For each value, whether it is the same in every run: it is computed from resident inputs alone, and from public tensors
    /// where there are resident inputs. A state never is, even if its update is itself: what is opened of it has a fresh mask
    /// in every run.
    pub fn resident(&self) -> Vec<bool> {
        let keeps = self.inputs.iter().any(|input| input.resident);
        let mut resident = Vec::with_capacity(self.values.len());
        for value in &self.values {
            let same = match value.op {
                Op::Input(index) => self.inputs[index].resident,
                Op::Public(_) => keeps,
                Op::State(_) | Op::ScaleByRun(..) | Op::RowsByRun(..) => false,
                op => op.operands().all(|operand: ValueId| resident[operand.index()]),
            };
            resident.push(same);
        }
        resident
    }

    /// The calls of [`Program::assume`] on which an output rests: where one of them is false, so may the output be.
    pub fn assumptions(&self) -> impl Iterator<Item = &str> {
        let needed = self.needed();
        let rests = move |(value, _): &&(ValueId, String)| needed[value.index()];
        self.assumed.iter().filter(rests).map(|(_, call)| call.as_str())
    }

    /// The program's run with this number, counted from 0.
    pub fn turn(&self, run: u32) -> Turn {
        let due = |output: &Output| (u64::from(run) + 1).is_multiple_of(output.every.into());
        self.turn_of(run == 0, due)
    }

    /// A run like most: neither the first, nor one that reveals what few do.
    pub fn typical_turn(&self) -> Turn {
        self.turn_of(false, |output| output.every == 1)
    }

    fn turn_of(&self, first: bool, due: impl Fn(&Output) -> bool) -> Turn {
        let hidden = (0..).zip(&self.outputs).filter(|(_, output)| !due(output)).map(|(index, _)| index);
        let seldom = self.outputs.iter().any(|output| output.every > 1 && due(output));
        Turn { first, seldom, hidden: hidden.collect() }
    }

    /// For each value, whether an output or a state's update depends on it.
    pub fn needed(&self) -> Vec<bool> {
        let mut needed = vec![false; self.values.len()];
        self.roots().for_each(|root| needed[root.index()] = true);
        for (index, value) in self.values.iter().enumerate().rev() {
            if needed[index] {
                value.op.operands().for_each(|operand| needed[operand.index()] = true);
            }
        }
        needed
    }

    /// Whether a value is an input.
    pub(crate) fn is_input(&self, value: ValueId) -> bool {
        matches!(self.value(value).op, Op::Input(_))
    }

    /// The values that runs are for: what they reveal, what they leave to the next, and what the first of them finds.
    pub(crate) fn roots(&self) -> impl Iterator<Item = ValueId> {
        let revealed = self.outputs.iter().map(|output| output.value);
        let left = self.states.iter().flat_map(|state| {
            let first = match state.init {
                Init::Value(value) => Some(value).filter(|&value| !self.is_input(value)),
                _ => None,
            };
            first.into_iter().chain(state.update)
        });
        revealed.chain(left)
    }
}
