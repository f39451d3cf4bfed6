//! Which runs of a program take a step.
//!
//! A program that runs many times does not do the same in every run: some of it is the same in all and done in the first
//! alone, and some outputs are revealed in few. All runs are one list of steps, and each takes those that it needs.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The runs that take a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Taken {
    /// All.
    #[default]
    Always,
    /// The first alone: the step writes the same in every run, and later runs find it where the first one put it.
    First,
    /// Those that reveal an output that not all runs reveal.
    Seldom,
    /// Those that reveal the output with this number.
    Output(u32),
}

/// One of a program's runs, as far as its steps depend on which it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Turn {
    /// It is the first.
    pub first: bool,
    /// It reveals an output that not all runs reveal.
    pub seldom: bool,
    /// The outputs that it does not reveal.
    pub hidden: BTreeSet<u32>,
}

impl Turn {
    /// Whether it takes a step.
    pub fn takes(&self, taken: Taken) -> bool {
        match taken {
            Taken::Always => true,
            Taken::First => self.first,
            Taken::Seldom => self.seldom,
            Taken::Output(output) => !self.hidden.contains(&output),
        }
    }
}

impl Taken {
    /// Whether every run that takes a step of `other` takes one of this kind, or finds what an earlier run's wrote.
    pub fn is_there_for(self, other: Taken) -> bool {
        match self {
            Taken::First => true,
            Taken::Always => other != Taken::First,
            Taken::Seldom => matches!(other, Taken::Seldom | Taken::Output(_)),
            Taken::Output(_) => self == other,
        }
    }
}
