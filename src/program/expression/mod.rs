//! The text form of a program's steps: `scores = x @ w + b`.
//!
//! ```text
//! statement  = name "=" expression
//! expression = exclusive ("or" exclusive)*
//! exclusive  = conjunction ("xor" conjunction)*
//! conjunction = negation ("and" negation)*
//! negation   = "not" negation | comparison
//! comparison = sum [("<" | ">" | "<=" | ">=" | "==" | "!=") sum]
//! sum        = product (("+" | "-") product)*
//! product    = unary (("*" | "/" | "//" | "%" | "@") unary)*
//! unary      = "-" unary | power
//! power      = postfix ["**" unary]
//! postfix    = atom (".T" | "[" range ("," range)* "]")*
//! range      = index | [index] ":" [index] [":" index]     or alone: the name of public rows
//! atom       = number | name | "(" expression ")" | list | function "(" [argument ("," argument)*] ")"
//! list       = "[" [expression ("," expression)*] "]"
//! argument   = expression | name "=" number | name "=" "(" number ("," number)* ")" | list | text
//! ```
//!
//! `*` and `/` are elementwise, or scaling where one side is a constant; `@` is the matrix product, of tensors that along
//! the last two axes; `+`, `-`, `*`, `/`, comparisons and the other axes of `@` broadcast as NumPy does. A comparison
//! gives integers 0 and 1. Ranges are those of Python, the first axis first; an index drops its axis. Values have up to
//! four axes: a vector has one, a single number none. In a matrix product a vector is a row on the left and a column on
//! the right, as in NumPy. Constants and lists of them are public; other lists join their values along a new first axis. Errors name the step, the text and the place in it. The text comes from
//! a file: its length and depth are bounded.
//!
//! [`functions`] has a row for each function; the guide's chapter on jobs lists them. `axis` is counted from 0, or from the last one
//! with −1. A reduced axis is dropped; `keepdims=True` keeps it with extent 1, so that the result broadcasts with the operand.

pub mod accuracy;
mod call;
pub mod functions;
mod operate;
mod parse;
mod token;

use super::{MOST_LISTED, Program, ProgramError, ValueId};
use functions::Function;
use std::collections::{BTreeMap, BTreeSet};

/// Longest step, in bytes.
pub const LONGEST_STEP: usize = 64 * 1024;

/// Deepest nesting of parentheses, calls and signs.
pub const DEEPEST_NESTING: usize = 64;

/// The names that steps can use: inputs, and what earlier steps define.
pub type Names = BTreeMap<String, ValueId>;

/// A step that cannot be read or does not fit.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("step {number} `{text}`, column {column}: {kind}")]
pub struct StepError {
    /// The number of the step, counted from 1.
    pub number: usize,
    /// The step, shortened if it is very long.
    pub text: String,
    /// The place in it, counted from 1 in characters.
    pub column: usize,
    /// The error.
    pub kind: Box<StepErrorKind>,
}

/// The error of a step.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum StepErrorKind {
    /// A character that no step has.
    #[error("unexpected character '{0}'")]
    Character(char),
    /// A number that cannot be read.
    #[error("'{0}' is not a number")]
    Number(String),
    /// A name behind a point, as other languages call functions.
    #[error(
        "'.{0}' is not there: behind a point stands T alone, and functions are called as in sum(x, axis=1)"
    )]
    Attribute(String),
    /// A step's name that joins truths.
    #[error("'{0}' stands between truths: no step has this name")]
    Taken(String),
    /// A divisor that is not public.
    #[error("the divisor behind '//' and '%' is a public number, and the dividend a value")]
    PrivateDivisor,
    /// A power that is not public.
    #[error("the power after '**' is a public number")]
    PrivatePower,
    /// Lists in a list that differ in length.
    #[error("the rows of a list differ in length")]
    Ragged,
    /// Lists in lists of more than four axes.
    #[error("a list has at most four axes")]
    DeepList,
    /// A list that is too long.
    #[error("a list of {0} numbers: there are at most {MOST_LISTED}; an input holds more")]
    LongList(usize),
    /// A number beyond all that a constant can be.
    #[error("the number '{0}' is too large")]
    NumberTooLarge(String),
    /// Something else was due.
    #[error("expected {expected}, found {found}")]
    Unexpected {
        /// The words that were due.
        expected: &'static str,
        /// The words that are there.
        found: String,
    },
    /// A name that is neither an input nor an earlier result.
    #[error("unknown name '{name}'; known are: {}", .known.join(", "))]
    UnknownName {
        /// The name.
        name: String,
        /// The names that are known.
        known: Vec<String>,
    },
    /// A function that does not exist.
    #[error("unknown function '{0}'; there are {all}", all = Function::names())]
    UnknownFunction(String),
    /// Arguments that a function does not take.
    #[error("{}{function} is called as {usage}", .cause.as_ref().map_or(String::new(), |cause| format!("{cause}; ")))]
    Arguments {
        /// The function.
        function: &'static str,
        /// The argument that does not fit, where one alone does not.
        cause: Option<String>,
        /// The forms of its call.
        usage: String,
    },
    /// Several numbers for an argument that is one.
    #[error("{0} is one number, and there are several")]
    Several(String),
    /// A range that a matrix does not have.
    #[error("the step of a range is zero")]
    Range,
    /// A function's name where a value is due.
    #[error("'{0}' is a function: write {0}(…)")]
    FunctionAsName(String),
    /// A step whose result would be a constant.
    #[error("the result is a constant: nothing private is computed")]
    Constant,
    /// A public value by run where it has no place.
    #[error(
        "'{0}' is a public value by run: it multiplies a value (x * {0}), is a learning rate, or takes rows (x[{0}])"
    )]
    Public(String),
    /// An operation that constants do not have.
    #[error("{0} takes matrices, not constants")]
    NoMatrix(&'static str),
    /// Constants whose result leaves the range of exact integers.
    #[error("the constants overflow")]
    ConstantOverflow,
    /// Too long.
    #[error("a step is at most {LONGEST_STEP} bytes long")]
    TooLong,
    /// Too deep.
    #[error("nested more than {DEEPEST_NESTING} deep")]
    TooDeep,
    /// The values do not fit together.
    #[error(transparent)]
    Program(#[from] ProgramError),
}

/// Adds the step `text` to `program`, and what it defines to `names`. `number` counts steps from 1.
///
/// # Errors
/// If the step cannot be read, uses an unknown name or does not fit; the program may then hold some of its values.
pub fn add_step(
    program: &mut Program,
    names: &mut Names,
    number: usize,
    text: &str,
) -> Result<ValueId, StepError> {
    add_step_anew(program, names, &mut BTreeSet::new(), number, text)
}

/// The same, where the step may define a name that is known already, if it is one of `anew`: it is then taken out of these.
///
/// # Errors
/// As [`add_step`].
pub fn add_step_anew(
    program: &mut Program,
    names: &mut Names,
    anew: &mut BTreeSet<String>,
    number: usize,
    text: &str,
) -> Result<ValueId, StepError> {
    parse::statement(program, names, anew, text).map_err(|(offset, kind)| {
        let shown: String = text.chars().take(120).collect();
        let ellipsis = if shown.len() < text.len() { "…" } else { "" };
        let column = text.get(..offset).unwrap_or(text).chars().count() + 1;
        StepError { number, text: shown + ellipsis, column, kind: Box::new(kind) }
    })
}

/// The name that a step defines, and all the names in its text behind that, those of functions and arguments among them;
/// `None` where it is no step.
pub fn names_in(text: &str) -> Option<(String, BTreeSet<String>)> {
    let words = token::words(text).ok()?;
    let mut names = words.into_iter().filter_map(|word| match word.token {
        token::Token::Name(name) => Some(name),
        _ => None,
    });
    Some((names.next()?, names.collect()))
}

#[cfg(test)]
mod tests;
