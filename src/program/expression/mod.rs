//! The text form of a program's steps: `scores = x @ w + b`.
//!
//! ```text
//! statement  = name "=" comparison
//! comparison = sum [("<" | ">" | "<=" | ">=" | "==" | "!=") sum]
//! sum        = product (("+" | "-") product)*
//! product    = unary (("*" | "/" | "@") unary)*
//! unary      = "-" unary | postfix
//! postfix    = atom (".T" | "[" range ["," range] "]")*
//! range      = index | [index] ":" [index] [":" index]
//! atom       = number | name | "(" comparison ")" | function "(" argument ("," argument)* ")"
//! argument   = comparison | name "=" number
//! ```
//!
//! `*` and `/` are elementwise, or scaling where one side is a constant; `@` is the matrix product; `+`, `-`, `*`, `/` and
//! comparisons broadcast rows, columns and scalars as NumPy does. A comparison gives integers 0 and 1. Ranges are those
//! of Python, rows first; an index keeps its axis, which then has extent 1. Constants are public. Errors name the step,
//! the text and the place in it. The text comes from a file: its length and depth are bounded.
//!
//! The functions, where `axis` is 0 for a result of one row or 1 for one of one column:
//!
//! | function | result |
//! |---|---|
//! | `sum(x)`, `sum(x, axis=0)`; `mean` likewise | sums, means |
//! | `max(x, y)`, `min(x, y)` | the larger or smaller of each two; one may be a constant |
//! | `max(x, axis=1)`, `min(x, axis=1)` | the largest or smallest along the axis |
//! | `argmax(x, axis=1)`, `argmin(x, axis=1)` | its index; of equal ones the first |
//! | `relu(x)`, `leaky_relu(x, 0.01)`, `abs(x)`, `clip(x, 0, 1)` | elementwise |
//! | `exp(x)`, `log(x)`, `reciprocal(x)`, `sqrt(x)`, `rsqrt(x)` | approximations: see [`Program::exp`] and so on |
//! | `sigmoid(x)`, `tanh(x)`, `gelu(x)`, `silu(x)` | likewise: see [`Program::sigmoid`] and so on |
//! | `softmax(x, axis=1)` | exponentials over their sum along the axis |
//! | `select(c, x, y)` | `x` where the comparison's result `c` is 1, `y` where it is 0 |
//! | `transpose(x)`, `reshape(x, rows, cols)` | the same elements |
//! | `concat(x, y, axis=0)` | `y` below `x`, or beside it with `axis=1` |
//! | `conv2d(x, w, b, channels=1, height=8, width=8, kernel=3, stride=1, padding=0)` | see [`Program::conv2d`]; `b` may be left out |
//! | `maxpool2d(x, channels=1, height=8, width=8, size=2, stride=2)`, `avgpool2d` | of windows |

mod call;
mod parse;
mod token;

use super::{Program, ProgramError, ValueId};
use std::collections::BTreeMap;

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
    /// Which step, counted from 1.
    pub number: usize,
    /// The step, shortened if it is very long.
    pub text: String,
    /// Where in it, counted from 1 in characters.
    pub column: usize,
    /// What is wrong.
    pub kind: Box<StepErrorKind>,
}

/// What is wrong with a step.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum StepErrorKind {
    /// A character that no step has.
    #[error("unexpected character '{0}'")]
    Character(char),
    /// A number that cannot be read.
    #[error("'{0}' is not a number")]
    Number(String),
    /// A number beyond all that a constant can be.
    #[error("the number '{0}' is too large")]
    NumberTooLarge(String),
    /// Something else was due.
    #[error("expected {expected}, found {found}")]
    Unexpected {
        /// What was due.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// A name that is neither an input nor an earlier result.
    #[error("unknown name '{name}'; known are: {}", .known.join(", "))]
    UnknownName {
        /// The name.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// A function that does not exist.
    #[error("unknown function '{0}'; there are {all}", all = call::FUNCTIONS.join(", "))]
    UnknownFunction(String),
    /// Arguments that a function does not take.
    #[error("{function} is called as {usage}")]
    Arguments {
        /// The function.
        function: &'static str,
        /// How to call it.
        usage: &'static str,
    },
    /// A range that a matrix does not have.
    #[error("the range ends before it begins, or its step is not positive")]
    Range,
    /// A function's name where a value is due.
    #[error("'{0}' is a function: write {0}(…)")]
    FunctionAsName(String),
    /// A step whose result would be a constant.
    #[error("the result is a constant: nothing private is computed")]
    Constant,
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
/// Where the step cannot be read, uses an unknown name or does not fit; the program may then hold some of its values.
pub fn add_step(
    program: &mut Program,
    names: &mut Names,
    number: usize,
    text: &str,
) -> Result<ValueId, StepError> {
    parse::statement(program, names, text).map_err(|(offset, kind)| {
        let shown: String = text.chars().take(120).collect();
        let ellipsis = if shown.len() < text.len() { "…" } else { "" };
        let column = text.get(..offset).unwrap_or(text).chars().count() + 1;
        StepError { number, text: shown + ellipsis, column, kind: Box::new(kind) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::Op;
    use crate::ring::{FixedPoint, Ring, Shape};
    use crate::share::PartyId;

    fn program(fraction_bits: u32) -> (Program, Names) {
        let mut program = Program::new(2, FixedPoint::new(Ring::Z64, fraction_bits).unwrap());
        let mut names = Names::new();
        for (name, shape) in [("x", (5, 3)), ("w", (3, 2)), ("b", (1, 2))] {
            let shape = Shape::new(shape.0, shape.1);
            names.insert(name.into(), program.input(name, PartyId(0), shape, None).unwrap());
        }
        (program, names)
    }

    fn error(fraction_bits: u32, text: &str) -> String {
        let (mut program, mut names) = program(fraction_bits);
        add_step(&mut program, &mut names, 1, text).unwrap_err().to_string()
    }

    #[test]
    fn a_linear_layer_is_a_product_a_truncation_and_a_sum() {
        let (mut program, mut names) = program(16);
        let scores = add_step(&mut program, &mut names, 1, "scores = x @ w + b").unwrap();
        assert_eq!(program.value(scores).shape, Shape::new(5, 2));
        assert_eq!(program.value(scores).label, "x @ w + b");
        let ops: Vec<&str> = program.values()[3..].iter().map(|value| value.op.name()).collect();
        assert_eq!(ops, ["matrix product", "truncate", "add"]);
        let twice = add_step(&mut program, &mut names, 2, "twice = scores * 2").unwrap();
        assert!(matches!(program.value(twice).op, Op::Scale(_, 2)), "an integer factor needs no truncation");
    }

    #[test]
    fn labels_are_the_whole_text() {
        let (mut program, mut names) = program(16);
        for (number, text) in [(1, "x * 2.125"), (2, "12345 + x"), (3, "sum(x, axis=0)"), (4, "x.T * 1e-2")] {
            let value = add_step(&mut program, &mut names, number, &format!("z{number} = {text}")).unwrap();
            assert_eq!(program.value(value).label, text);
        }
    }

    #[test]
    fn constants_keep_their_sign() {
        let half = 1i128 << 63;
        assert!(error(16, &format!("z = x * {half}")).ends_with("does not fit into 64 bits"));
        assert!(error(0, &format!("z = x * {}", 2 * half)).ends_with("does not fit into 64 bits"));
        let (mut program, mut names) = program(0);
        let value = add_step(&mut program, &mut names, 1, &format!("z = x * {half}")).unwrap();
        assert!(matches!(program.value(value).op, Op::Scale(_, factor) if factor == 1 << 63));
        let message = error(16, "z = x + 1e30");
        assert!(message.ends_with("the constant 1e30 is too large: magnitudes must be below 7.0368744177664e13 with 16 fraction bits in 64 bits"), "{message}");
        assert!(error(16, "z = x + 1e999").ends_with("the number '1e999' is too large"));
    }

    #[test]
    fn operators_bind_as_in_python() {
        let (mut program, mut names) = program(0);
        let value = add_step(&mut program, &mut names, 1, "z = -x.T @ x * 2 - 3 + 2*4").unwrap();
        assert!(matches!(program.value(value).op, Op::AddConstant(_, 8)));
        let total = add_step(&mut program, &mut names, 2, "s = sum(z, axis=0) - sum(z) * (1 - 2)").unwrap();
        assert_eq!(program.value(total).shape, Shape::new(1, 3));
    }

    #[test]
    fn errors_name_the_step_and_what_is_wrong() {
        assert_eq!(
            error(16, "z = x @ b"),
            "step 1 `z = x @ b`, column 7: x of shape (5, 3) cannot be multiplied by b of shape (1, 2): 3 columns against 1 rows"
        );
        assert!(error(16, "z = x + y").ends_with("column 9: unknown name 'y'; known are: b, w, x"));
        assert!(error(16, "z = rely(x)").contains("unknown function 'rely'; there are abs, argmax"));
        assert!(error(16, "z = relu(x, 3)").ends_with("column 5: relu is called as relu(x)"));
        assert!(error(16, "z = max(x, axis=2)").ends_with("max is called as max(x, y) or max(x, axis=1)"));
        assert!(error(16, "z = x[3:1]").ends_with("ends before it begins, or its step is not positive"));
        assert!(error(16, "z = x[:, 7]").contains("x of shape (5, 3) has no columns 7"));
        assert!(error(16, "z = x < w").contains("do not broadcast"));
        assert!(error(16, "z = x < 0 < w").contains("expected an operator or the end, found '<'"));
        assert!(error(16, "x = w").ends_with("'x' is defined twice"));
        assert!(error(16, "z = 3").contains("the result is a constant"));
        assert!(error(16, "z = x + ").contains("expected a name, a number, '-' or '(', found the end"));
        assert!(error(16, "z = x / 0").ends_with("x / 0) divides by zero"));
        assert!(error(16, "z = x + 1 / 0").ends_with("the constants overflow"));
        assert!(
            error(0, "z = x / 2").contains("(x / 2) has a fraction, and this program computes on integers")
        );
        assert!(error(0, "z = x * 0.5").contains("0.5 is not an integer"));
        assert!(error(16, "z = x * 0.0000001").contains("would be rounded to zero"));
        assert!(error(16, "z = sum(x, axis=2)").contains("sum is called as sum(x) or sum(x, axis=1)"));
    }

    #[test]
    fn every_function_is_called_as_it_says() {
        let (mut program, mut names) = program(16);
        let shapes = [
            ("mean(x, axis=0)", (1, 3)),
            ("max(x, axis=1)", (5, 1)),
            ("min(x, 0.5)", (5, 3)),
            ("max(x, x * 2)", (5, 3)),
            ("argmin(x, axis=0)", (1, 3)),
            ("relu(x @ w + b)", (5, 2)),
            ("leaky_relu(x, 0.01) + abs(x) - clip(x, -1, 0.5)", (5, 3)),
            ("select(x < 1, x, -x)", (5, 3)),
            ("softmax(x, axis=1) * sigmoid(tanh(x)) + gelu(exp(x))", (5, 3)),
            ("sqrt(abs(x) + 1) * reciprocal(2 + relu(x)) + silu(log(x))", (5, 3)),
            ("x / 7 - 1 / (x / x[:1]) * rsqrt(x) + x * (3 / 4)", (5, 3)),
            ("reshape(x, 3, 5).T", (5, 3)),
            ("concat(x, x[1:3], b[:, :1] * (x[:1] >= 0), axis=0)", (8, 3)),
            ("x[1:, ::2]", (4, 2)),
            ("x[-2:, -1]", (2, 1)),
            ("1 - (x != x[0])", (5, 3)),
            ("conv2d(concat(x, x, x, axis=1), w[:1], b, channels=1, height=3, width=3, kernel=1)", (5, 18)),
            ("maxpool2d(x, channels=1, height=1, width=3, size=1, stride=2)", (5, 2)),
            ("avgpool2d(x[:, :1], channels=1, height=1, width=1, size=1)", (5, 1)),
        ];
        for (number, (text, shape)) in (1..).zip(shapes) {
            let text = format!("z{number} = {text}");
            let value =
                add_step(&mut program, &mut names, number, &text).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(program.value(value).shape, Shape::new(shape.0, shape.1), "{text}");
        }
    }

    #[test]
    fn depth_and_length_are_bounded() {
        let deep = format!("z = {}x{}", "(".repeat(100), ")".repeat(100));
        assert!(error(16, &deep).contains("nested more than"));
        assert!(error(16, &format!("z = {}x", "-".repeat(100))).contains("nested more than"));
        assert!(error(16, &format!("z = x{}", " ".repeat(LONGEST_STEP))).contains("at most"));
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "[ -~]{0,60}|[a-z0-9=@+*(). -]{0,60}|z = (max|relu|reshape|x)[(\\[][xw0-9:,=<-]{0,20}[)\\]]") {
            let (mut program, mut names) = program(16);
            let _ = add_step(&mut program, &mut names, 1, &text);
        }
    }
}
