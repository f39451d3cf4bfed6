//! The text form of a program's steps: `scores = x @ w + b`.
//!
//! ```text
//! statement  = name "=" comparison
//! comparison = sum [("<" | ">" | "<=" | ">=" | "==" | "!=") sum]
//! sum        = product (("+" | "-") product)*
//! product    = unary (("*" | "/" | "@") unary)*
//! unary      = "-" unary | postfix
//! postfix    = atom (".T" | "[" range ("," range)* "]")*
//! range      = index | [index] ":" [index] [":" index]
//! atom       = number | name | "(" comparison ")" | function "(" argument ("," argument)* ")"
//! argument   = comparison | name "=" number | "[" index ("," index)* "]"
//! ```
//!
//! `*` and `/` are elementwise, or scaling where one side is a constant; `@` is the matrix product, of tensors that along
//! the last two axes; `+`, `-`, `*`, `/`, comparisons and the other axes of `@` broadcast as NumPy does. A comparison
//! gives integers 0 and 1. Ranges are those of Python, the first axis first; an index drops its axis. Values have up to
//! four axes: a vector has one, a single number none. In a matrix product a vector is a row on the left and a column on
//! the right, as in NumPy. Constants are public. Errors name the step, the text and the place in it. The text comes from
//! a file: its length and depth are bounded.
//!
//! The functions; `axis` is counted from 0, or from the last one with −1. A reduced axis is dropped; `keepdims=1` keeps it
//! with extent 1, so that the result broadcasts with what was reduced.
//!
//! | function | result |
//! |---|---|
//! | `sum(x)`, `sum(x, axis=0)`; `mean` likewise; `var(x, axis=1)` | sums, means, variances |
//! | `max(x, y)`, `min(x, y)` | the larger or smaller of each two; one may be a constant |
//! | `max(x, axis=1)`, `min(x, axis=1)` | the largest or smallest along the axis |
//! | `argmax(x, axis=1)`, `argmin(x, axis=1)` | its index; of equal ones the first |
//! | `relu(x)`, `leaky_relu(x, 0.01)`, `abs(x)`, `clip(x, 0, 1)` | elementwise |
//! | `assume(x, 0.001, 1e6)` | `x`, of which the author states that it lies between these: see [`Program::assume`] |
//! | `exp(x)`, `log(x)`, `reciprocal(x)`, `sqrt(x)`, `rsqrt(x)` | approximations: see [`Program::exp`] and so on |
//! | `sigmoid(x)`, `tanh(x)`, `gelu(x)`, `silu(x)` | likewise: see [`Program::sigmoid`] and so on |
//! | `softmax(x, axis=1)` | exponentials over their sum along the axis |
//! | `layernorm(x, axis=-1, eps=1e-5)`, `layernorm(x, scale, offset)` | see [`Program::layernorm`] |
//! | `batchnorm(x, mean, var, scale, offset, eps=1e-5)` | see [`Program::batchnorm`] |
//! | `select(c, x, y)` | `x` where the integer `c` is not zero, `y` where it is |
//! | `transpose(x)`, `transpose(x, 0, 2, 1)` | axes in the opposite or the given order |
//! | `reshape(x, rows, cols)`, up to four extents; `squeeze(x, axis=1)` | the same elements |
//! | `concat(x, y, axis=0)` | `y` after `x` along the axis |
//! | `gather(x, [2, 0, 0], axis=1)` | these indices along the axis |
//! | `one_hot(i, 10)`, `lookup(table, i)` | by a shared index: see [`Program::one_hot`], [`Program::lookup`] |
//! | `conv2d(x, w, b, stride=1, padding=0)` | of tensors: see [`Program::conv2d_tensor`]; `b` may be left out |
//! | `maxpool2d(x, size=2, stride=2)`, `avgpool2d` | of windows of tensors (n, c, h, w) |
//! | `conv2d(x, w, b, channels=1, height=8, width=8, kernel=3, stride=1, padding=0)` | of images in rows: see [`Program::conv2d`] |
//! | `maxpool2d(x, channels=1, height=8, width=8, size=2, stride=2)`, `avgpool2d` | likewise |

mod call;
mod parse;
mod token;

use super::{Program, ProgramError, ValueId};
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
mod tests {
    use super::*;
    use crate::program::{Dims, Op};
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
        assert!(
            error(16, "z = x * 1e-20").contains("x times 1e-20 is zero for every number that 64 bits hold")
        );
        assert!(error(16, "z = sum(x, axis=2)").contains("sum is called as sum(x) or sum(x, axis=1)"));
    }

    #[test]
    fn every_function_is_called_as_it_says() {
        let (mut program, mut names) = program(16);
        let cases = [
            ("mean(x, axis=0)", "(3,)"),
            ("max(x, axis=1)", "(5,)"),
            ("min(x, 0.5)", "(5, 3)"),
            ("max(x, x * 2)", "(5, 3)"),
            ("argmin(x, axis=0)", "(3,)"),
            ("relu(x @ w + b)", "(5, 2)"),
            ("leaky_relu(x, 0.01) + abs(x) - clip(x, -1, 0.5)", "(5, 3)"),
            ("select(x < 1, x, -x)", "(5, 3)"),
            ("sqrt(assume(x, 0.5, 20))", "(5, 3)"),
            ("softmax(x, axis=1) * sigmoid(tanh(x)) + gelu(exp(x))", "(5, 3)"),
            ("sqrt(abs(x) + 1) * reciprocal(2 + relu(x)) + silu(log(x))", "(5, 3)"),
            ("x / 7 - 1 / (x / x[:1]) * rsqrt(x) + x * (3 / 4)", "(5, 3)"),
            ("reshape(x, 3, 5).T", "(5, 3)"),
            ("concat(x, x[1:3], b[:, :1] * (x[:1] >= 0), axis=0)", "(8, 3)"),
            ("x[1:, ::2]", "(4, 2)"),
            ("x[-2:, -1]", "(2,)"),
            ("1 - (x != x[0])", "(5, 3)"),
            ("var(x, axis=-2) + squeeze(mean(reshape(x, 1, 5, 3), axis=1), axis=0)", "(3,)"),
            ("layernorm(x, axis=1, eps=1e-3) + layernorm(x, x[0], x[1:2])", "(5, 3)"),
            ("batchnorm(x, x[0], abs(x[1]), x[2], x[3], eps=0.001)", "(5, 3)"),
            ("gather(x, [4, 0, 0, 1, -1], axis=0) @ gather(w, [1, 0, 1], axis=1)", "(5, 3)"),
            ("one_hot(argmax(x, axis=1), 3) - lookup(w.T, x[:, 0])", "(5, 3)"),
            ("sum(reshape(x, 1, 5, 3), axis=-1, keepdims=1)", "(1, 5, 1)"),
            ("conv2d(concat(x, x, x, axis=1), w[:1], b, channels=1, height=3, width=3, kernel=1)", "(5, 18)"),
            ("maxpool2d(x, channels=1, height=1, width=3, size=1, stride=2)", "(5, 2)"),
            ("avgpool2d(x[:, :1], channels=1, height=1, width=1, size=1)", "(5, 1)"),
        ];
        hold(&mut program, &mut names, &cases);
    }

    /// Adds steps, which must give values of these extents.
    fn hold(program: &mut Program, names: &mut Names, cases: &[(&str, &str)]) {
        for (number, (text, dims)) in (names.len()..).zip(cases) {
            let text = format!("z{number} = {text}");
            let value = add_step(program, names, number, &text).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(program.dims(value).to_string(), *dims, "{text}");
        }
    }

    #[test]
    fn vectors_have_one_axis_and_numbers_none() {
        let (mut program, mut names) = program(16);
        let cases = [
            ("x[0]", "(3,)"),
            ("x[0, 1]", "()"),
            ("sum(x)", "()"),
            ("sum(x, keepdims=1) + mean(x)", "(1, 1)"),
            ("sum(x, axis=1, keepdims=1) * x + x[0] - x[1, 1]", "(5, 3)"),
            ("x @ x[0] + x[:, 1]", "(5,)"),
            ("x[0] @ w", "(2,)"),
            ("x[0] @ x[1] - max(x[2], axis=0)", "()"),
            ("x[0].T - transpose(x[1], 0)", "(3,)"),
            ("concat(x[0], x[1, :2], axis=0)[1::2]", "(2,)"),
            ("gather(x[0], [2, 0, 0], axis=-1) * relu(x[1])", "(3,)"),
            ("softmax(x[0], axis=0) + layernorm(x[1]) / x[2]", "(3,)"),
            ("argmax(x[0], axis=0) + sum(x[0, 0:0], axis=0)", "()"),
            ("one_hot(argmax(x[0], axis=0), 4)", "(4,)"),
            ("lookup(w, argmax(x, axis=1)) @ lookup(w, argmax(x[0], axis=0))", "(5,)"),
            ("max(reshape(x, 15)[2], x[0]) + clip(x[0, 0], 0, 1)", "(3,)"),
            ("squeeze(x[:1, :1], axis=1)[0] + squeeze(x[:1], axis=0)", "(3,)"),
        ];
        hold(&mut program, &mut names, &cases);
        assert!(error(16, "z = x[0, 0] @ w").ends_with("x[0, 0] of shape () has no axis 0"));
        assert!(error(16, "z = w @ x[0]").ends_with("2 columns against 3 rows"));
        assert!(error(16, "z = x[0][3]").ends_with("x[0] of shape (3,) has no index along axis 0: 3"));
        assert!(error(16, "z = sum(x)[0]").ends_with("sum(x) of shape () has no 1 axes"));
        assert!(error(16, "z = sum(x[0, 0], axis=0)").contains("sum is called as"));
        assert!(
            error(16, "z = x + x[:, 0]")
                .ends_with("x of shape (5, 3) and x[:, 0] of shape (5,) do not broadcast")
        );
        assert!(error(16, "z = squeeze(x, axis=1)").ends_with("x of shape (5, 3) has no axis 1 of extent 1"));
        assert!(error(16, "z = layernorm(x[0, 0])").contains("layernorm is called as"));
        assert!(error(16, "z = batchnorm(x[0], b, b, b, b)").ends_with("x[0] of shape (3,) has no axis 1"));
    }

    #[test]
    fn tensors_have_up_to_four_axes() {
        let (mut program, mut names) = program(16);
        names.insert(
            "t".into(),
            program.input("t", PartyId(0), Dims::new(&[2, 3, 6, 6]).unwrap(), None).unwrap(),
        );
        names.insert(
            "k".into(),
            program.input("k", PartyId(1), Dims::new(&[4, 3, 3, 3]).unwrap(), None).unwrap(),
        );
        let cases = [
            ("t + t[:, :, :1] * 2 - t[0, 1:2, :, -1:]", "(2, 3, 6, 6)"),
            ("t @ t[:, :1] - t @ t[0, 0, :, :2] @ t[:1, :, :2]", "(2, 3, 6, 6)"),
            ("transpose(t, 0, 2, 3, 1) + t.T[:1, :, :1, :1]", "(2, 6, 6, 3)"),
            ("conv2d(t, k, stride=1, padding=1)", "(2, 4, 6, 6)"),
            ("maxpool2d(avgpool2d(t, size=2), size=3)", "(2, 3, 1, 1)"),
            ("concat(t, t[:, :1], axis=1)", "(2, 4, 6, 6)"),
            ("argmax(sum(t, axis=1), axis=-1)", "(2, 6)"),
            ("t[0] @ t[1, 0, 0] + t[1, 0, 0] @ t[0] - sum(t, axis=1, keepdims=1)[1, :, 0]", "(3, 6)"),
            ("softmax(t, axis=1) * layernorm(t) * gather(t, [2, 0, 1], axis=1)", "(2, 3, 6, 6)"),
            ("squeeze(gather(t, [5], axis=2), axis=2) + sum(t)", "(2, 3, 6)"),
        ];
        hold(&mut program, &mut names, &cases);
        let mut error = |text: &str| add_step(&mut program, &mut names, 1, text).unwrap_err().to_string();
        assert!(
            error("z = t + t[:, :2]")
                .contains("of shape (2, 3, 6, 6) and t[:, :2] of shape (2, 2, 6, 6) do not")
        );
        assert!(error("z = t[0, 0, 0, 0, 0]").contains("t of shape (2, 3, 6, 6) has no 5 axes"));
        assert!(error("z = t[:, 3]").contains("has no index along axis 1: 3"));
        assert!(error("z = gather(t, [0, 3], axis=1)").contains("has no index 3 along axis 1"));
        assert!(error("z = reshape(t, 1, 1, 1, 1, 216)").contains("reshape is called as"));
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
            for x in ["x", "x[0]", "x[0, 0]"] {
                let value = add_step(&mut program, &mut names, 1, &format!("z{} = {x}", x.len())).expect("a value");
                let mut names = names.clone();
                names.insert("x".into(), value);
                let _ = add_step(&mut program.clone(), &mut names, 1, &text);
            }
        }
    }
}
