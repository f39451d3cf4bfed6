//! The text form of a program's steps: `scores = x @ w + b`.
//!
//! ```text
//! statement  = name "=" expression | definition
//! definition = name "(" [name ("," name)*] ")" "=" (expression | "{" (name "=" expression ";")* expression "}")
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
//! the right, as in NumPy. Constants and lists of them are public; other lists join their values along a new first axis.
//! Errors name the step, the text and the place in it. The text comes from a file: its length and depth are bounded.
//!
//! A definition, such as `layer(x, w, b) = relu(x @ w + b)`, gives a function of steps a name, which later steps call. Its body
//! knows its parameters, its inner steps and the functions defined before it, and so never itself. A parameter stands for
//! what the call gives: a value, a constant, or a public value by run. The program has the ops of its calls alone.
//!
//! [`functions`] has a row for each function; the guide's chapter on jobs lists them. `axis` is counted from 0, or from the last one
//! with −1. A reduced axis is dropped; `keepdims=True` keeps it with extent 1, so that the result broadcasts with the operand.

pub mod accuracy;
mod call;
mod define;
pub mod functions;
mod operate;
mod parse;
mod token;
mod windows;

pub use define::MOST_VALUES;
pub use parse::is_word;

use super::{MOST_LISTED, Program, ProgramError, ValueId};
use define::Definition;
use functions::Function;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Index;

/// Longest step, in bytes.
pub const LONGEST_STEP: usize = 64 * 1024;

/// Deepest nesting of parentheses, calls and signs.
pub const DEEPEST_NESTING: usize = 64;

/// The names that steps can use: inputs, what earlier steps compute, and the functions that they define.
#[derive(Clone, Debug, Default)]
pub struct Names {
    values: BTreeMap<String, ValueId>,
    /// In the order of their steps: each knows those before it.
    definitions: Vec<Definition>,
}

impl Names {
    /// No names.
    pub fn new() -> Names {
        Names::default()
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&ValueId> {
        self.values.get(name)
    }

    /// True where a value has the name.
    pub fn contains_key(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// Gives a value a name; returns the value that had it before.
    pub fn insert(&mut self, name: String, value: ValueId) -> Option<ValueId> {
        self.values.insert(name, value)
    }

    /// The names of values, in alphabetical order.
    pub fn keys(&self) -> impl Iterator<Item = &String> {
        self.values.keys()
    }

    /// The names and their values, in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &ValueId)> {
        self.values.iter()
    }
}

impl Extend<(String, ValueId)> for Names {
    fn extend<I: IntoIterator<Item = (String, ValueId)>>(&mut self, named: I) {
        self.values.extend(named);
    }
}

impl FromIterator<(String, ValueId)> for Names {
    fn from_iter<I: IntoIterator<Item = (String, ValueId)>>(named: I) -> Names {
        Names { values: named.into_iter().collect(), definitions: Vec::new() }
    }
}

impl<const N: usize> From<[(String, ValueId); N]> for Names {
    fn from(named: [(String, ValueId); N]) -> Names {
        named.into_iter().collect()
    }
}

impl Index<&str> for Names {
    type Output = ValueId;

    fn index(&self, name: &str) -> &ValueId {
        &self.values[name]
    }
}

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
    /// A name that is a word of steps.
    #[error("'{0}' is a word of steps: choose another name")]
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
    /// A definition with the name of a function that is there.
    #[error("the function '{0}' is there already: choose another name")]
    Defined(String),
    /// A definition that names a parameter or an inner step twice.
    #[error("'{name}' is there twice in the definition of {function}")]
    Twice {
        /// The function.
        function: String,
        /// The name.
        name: String,
    },
    /// A function that calls itself.
    #[error("'{0}' calls itself: a definition calls functions that were defined before it")]
    Recursion(String),
    /// A call of a defined function with another number of arguments.
    #[error("{call} is a function of {} argument(s), and there are {given}", .parameters)]
    Count {
        /// The form of its call.
        call: String,
        /// The number of its parameters.
        parameters: usize,
        /// The number of the call's arguments.
        given: usize,
    },
    /// An error in a function's body, as a call meets it.
    #[error("in {function}, which step {number} defines, `{text}`, column {column}: {kind}")]
    Called {
        /// The form of the function's call.
        function: String,
        /// The step that defines it, counted from 1.
        number: usize,
        /// The definition, shortened if it is very long.
        text: String,
        /// The place in it, counted from 1 in characters.
        column: usize,
        /// The error.
        kind: Box<StepErrorKind>,
    },
    /// Calls that make more of a step than a program can be.
    #[error("the calls of this step come to more than {MOST_VALUES} values")]
    TooManyValues,
    /// A definition where a step is due.
    #[error("a definition stands among the steps, outside of loops and updates")]
    NoDefinition,
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
    if is_definition(text) {
        return Err(StepError::of(number, text, (0, StepErrorKind::NoDefinition)));
    }
    parse::statement(program, names, anew, text).map_err(|located| StepError::of(number, text, located))
}

/// Adds the function that the step `text` defines to `names`, if it is a definition; says whether it is one.
///
/// # Errors
/// If the definition cannot be read, or has the name of a function that is there.
pub fn add_definition(names: &mut Names, number: usize, text: &str) -> Result<bool, StepError> {
    if !is_definition(text) {
        return Ok(false);
    }
    match define::definition(&names.definitions, number, text) {
        Ok(definition) => names.definitions.push(definition),
        Err(located) => return Err(StepError::of(number, text, located)),
    }
    Ok(true)
}

/// True for a step that is a definition: a name and parentheses before its `=`.
pub fn is_definition(text: &str) -> bool {
    text.split_once('=').is_some_and(|(before, after)| {
        before.contains('(') && before.trim_end().ends_with(')') && !after.starts_with('=')
    })
}

impl StepError {
    fn of(number: usize, text: &str, (offset, kind): parse::Located) -> StepError {
        StepError { number, text: shown(text), column: column(text, offset), kind: Box::new(kind) }
    }
}

/// A step's text, shortened if it is very long.
fn shown(text: &str) -> String {
    let shown: String = text.chars().take(120).collect();
    let ellipsis = if shown.len() < text.len() { "…" } else { "" };
    shown + ellipsis
}

/// A byte offset as a place counted from 1 in characters.
fn column(text: &str, offset: usize) -> usize {
    text.get(..offset).unwrap_or(text).chars().count() + 1
}

/// The name that a step defines, and all the names in its text behind that, those of functions and arguments among them;
/// `None` where it is no step, or a definition, which computes nothing.
pub fn names_in(text: &str) -> Option<(String, BTreeSet<String>)> {
    if is_definition(text) {
        return None;
    }
    let words = token::words(text).ok()?;
    let mut names = words.into_iter().filter_map(|word| match word.token {
        token::Token::Name(name) => Some(name),
        _ => None,
    });
    Some((names.next()?, names.collect()))
}

#[cfg(test)]
mod tests;
