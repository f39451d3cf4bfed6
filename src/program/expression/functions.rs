//! The functions of steps, one row each: the parser, the error texts, the guide's list, the tests against the oracle and
//! `symbolon bench accuracy` are made from it.

use super::accuracy::Accuracy;
use super::call::{Applied, Call};
use crate::program::Program;

mod choices;
mod joins;
mod layers;
mod literals;
mod moves;
mod products;
mod reductions;
mod smooth;
mod sorting;
mod training;

/// A function that steps can call.
pub struct Function {
    /// The forms of its call. The names before `=` are all that the form takes, and `…` stands for more values; a note may
    /// follow the closing parenthesis.
    pub forms: &'static [&'static str],
    /// The result, in a sentence.
    pub result: &'static str,
    /// Adds a call to a program; the arguments are those of one of the forms.
    pub(super) apply: fn(&mut Program, &Call) -> Applied,
    /// Steps that tests hold against the oracle.
    pub samples: &'static [Sample],
    /// Calls whose error `symbolon bench accuracy` measures.
    pub accuracy: &'static [Accuracy],
}

impl Function {
    /// The function of this name.
    pub fn of(name: &str) -> Option<&'static Function> {
        functions().find(|function| function.name() == name)
    }

    /// Its name in steps.
    pub fn name(&self) -> &'static str {
        self.forms[0].split('(').next().expect("a name")
    }

    /// All names, in alphabetical order, for an error.
    pub(super) fn names() -> String {
        let mut names: Vec<&str> = functions().map(Function::name).collect();
        names.sort_unstable();
        names.join(", ")
    }
}

/// A step on values of which all parties hold parts. Tests run it under every protocol, and hold it against the oracle.
#[derive(Clone, Copy)]
pub struct Sample {
    /// The expression, of `x` and `y`, and a vector `v` of positive numbers as long as their last axis.
    pub step: &'static str,
    /// `x` and `y` have elements between these, and both of them among them.
    pub ends: (f64, f64),
    /// The fewest and the most axes that `x` and `y` have.
    pub axes: (usize, usize),
    /// The rounds that it takes under `beaver` with stochastic truncation, of `x` and `y` with shape (7, 3), where it
    /// states them.
    pub rounds: Option<u32>,
}

/// A step on vectors and matrices.
pub const fn sample(step: &'static str, ends: (f64, f64)) -> Sample {
    Sample { step, ends, axes: (1, 2), rounds: None }
}

/// A step on matrices.
pub const fn of_matrices(step: &'static str) -> Sample {
    Sample { step, ends: SMALL, axes: (2, 2), rounds: None }
}

/// A step on images (n, 2, 5, 3).
pub const fn of_images(step: &'static str) -> Sample {
    Sample { step, ends: SMALL, axes: (4, 4), rounds: None }
}

impl Sample {
    /// The same, which takes so many rounds.
    #[must_use]
    pub const fn taking(mut self, rounds: u32) -> Sample {
        self.rounds = Some(rounds);
        self
    }
}

/// The largest numbers that may be compared with each other.
pub const LARGEST: (f64, f64) = (-7e13, 7e13);

/// Numbers of which functions may have sums and products with constants.
pub const LARGE: (f64, f64) = (-1e6, 1e6);

/// Numbers whose products may be added.
pub const SMALL: (f64, f64) = (-16.0, 16.0);

/// Numbers for which declared bounds leave few powers of two to functions that scale by them.
pub const POWERS: (f64, f64) = (1.0 / 256.0, 511.9);
const FEW: (f64, f64) = (1.0 / 256.0, 511.0);

/// All positive numbers that the rings hold.
const ALL: (f64, f64) = (1.0 / 65536.0, 7e13);
const ALL_NARROW: (f64, f64) = (1.0 / 256.0, 4.1e6);

/// The numbers of 32 bits that may be compared with each other.
const LARGEST_NARROW: (f64, f64) = (-4e6, 4e6);

/// The table, by subject.
const TABLE: [&[Function]; 10] = [
    literals::FUNCTIONS,
    reductions::FUNCTIONS,
    choices::FUNCTIONS,
    moves::FUNCTIONS,
    sorting::FUNCTIONS,
    joins::FUNCTIONS,
    products::FUNCTIONS,
    smooth::FUNCTIONS,
    layers::FUNCTIONS,
    training::FUNCTIONS,
];

/// Every function.
pub fn functions() -> impl Iterator<Item = &'static Function> {
    TABLE.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of functions in the guide.
    fn table() -> String {
        let shown = |form: &&str| {
            let (call, note) = form.split_once(')').expect("a call");
            format!("`{call})`{note}")
        };
        let row = |function: &Function| {
            let forms: Vec<String> = function.forms.iter().map(shown).collect();
            format!("| {} | {} |\n", forms.join("; "), function.result)
        };
        functions().map(row).collect()
    }

    /// With `SYMBOLON_UPDATE_GUIDE=1` the guide's list is written anew.
    #[test]
    fn the_guide_lists_the_functions() {
        const START: &str = "| function | result |\n|---|---|\n";
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/guide/jobs.md");
        let guide = std::fs::read_to_string(path).expect("the guide");
        let (before, after) = guide.split_once(START).expect("the list");
        let end = after.find("\n\n").expect("the end of the list") + 1;
        let (listed, rest) = after.split_at(end);
        if std::env::var("SYMBOLON_UPDATE_GUIDE").is_ok_and(|value| value == "1") {
            std::fs::write(path, format!("{before}{START}{}{rest}", table())).expect("the guide");
        } else {
            assert!(
                listed == table(),
                "src/guide/jobs.md lists other functions: test with SYMBOLON_UPDATE_GUIDE=1"
            );
        }
    }
}
