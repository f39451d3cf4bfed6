//! The text form of a program's steps: `scores = x @ w + b`.
//!
//! ```text
//! statement = name "=" sum
//! sum       = product (("+" | "-") product)*
//! product   = unary (("*" | "@") unary)*
//! unary     = "-" unary | postfix
//! postfix   = atom ".T"*
//! atom      = number | name | "(" sum ")" | "transpose" "(" sum ")" | "sum" "(" sum ["," "axis" "=" ("0" | "1")] ")"
//! ```
//!
//! `*` is elementwise, or scaling where one side is a constant; `@` is the matrix product; `+`, `-` and `*`
//! broadcast rows, columns and scalars as NumPy does. Constants are public. Errors name the step, the text and
//! the place in it. The text comes from a file: its length and depth are bounded.

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
    #[error("unknown function '{0}'; there are sum and transpose")]
    UnknownFunction(String),
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
        assert!(error(16, "z = relu(x)").contains("unknown function 'relu'"));
        assert!(error(16, "x = w").ends_with("'x' is defined twice"));
        assert!(error(16, "z = 3").contains("the result is a constant"));
        assert!(error(16, "z = x + ").contains("expected a name, a number, '-' or '(', found the end"));
        assert!(error(0, "z = x * 0.5").contains("0.5 is not an integer"));
        assert!(error(16, "z = x * 0.0000001").contains("would be rounded to zero"));
        assert!(error(16, "z = sum(x, axis=2)").contains("expected axis 0 or 1"));
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
        fn no_text_panics(text in "[ -~]{0,60}|[a-z0-9=@+*(). -]{0,60}") {
            let (mut program, mut names) = program(16);
            let _ = add_step(&mut program, &mut names, 1, &text);
        }
    }
}
