//! Kinds of numbers.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What kind of numbers an input has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Numbers with fractions.
    Real,
    /// Integers of either sign.
    Signed,
    /// Integers from zero on.
    Unsigned,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Real => "fractions",
            Kind::Signed => "signed integers",
            Kind::Unsigned => "unsigned integers",
        })
    }
}
