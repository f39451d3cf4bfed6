//! The checks of a job's entries one by one.

use crate::data::TableOptions;
use crate::number;
use serde::de::{self, Deserializer, Visitor};
use std::fmt;
use symbolon::program::Kind;
use symbolon::program::expression::is_word;
use symbolon::ring::FixedPoint;

/// Longest name of an input or output.
const LONGEST_NAME: usize = 64;

/// Names are those that steps can use: letters, digits and underscores, not beginning with a digit.
pub(super) fn name(name: &str) -> Result<(), String> {
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if begins && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && name.len() <= LONGEST_NAME {
        return Ok(());
    }
    let shown: String = name.chars().take(LONGEST_NAME).collect();
    Err(format!(
        "{shown:?} is no name: names of inputs and outputs are letters, digits and underscores, begin with no \
         digit, and are at most {LONGEST_NAME} long"
    ))
}

/// A name that steps would read as one of their words is none, where there are steps.
pub(super) fn word(name: &str) -> Result<(), String> {
    let refused = || format!("'{name}' is a word of steps: choose another name");
    (!is_word(name)).then_some(()).ok_or_else(refused)
}

/// Nobody is told twice.
pub(super) fn recipients(output: &str, to: &[u8]) -> Result<(), String> {
    let twice = to.iter().enumerate().find(|&(place, party)| to[..place].contains(party));
    twice.map_or(Ok(()), |(_, party)| Err(format!("output '{output}' names party {party} twice in `to`")))
}

/// A job runs at least once, and its outputs fit a folder.
pub(super) fn batches(batches: u32) -> Result<(), String> {
    const MOST: u32 = 10_000;
    let valid = (1..=MOST).contains(&batches);
    valid.then_some(()).ok_or_else(|| format!("batches = {batches}: a job runs 1 to {MOST} times"))
}

/// A bound is a magnitude: data is held against it only after it is known to be one.
pub(super) fn bound(input: &str, bound: Option<f64>) -> Result<(), String> {
    match bound {
        Some(bound) if !(bound > 0.0 && bound.is_finite()) => {
            Err(format!("the bound {} of input '{input}' is not a positive number", number(bound)))
        }
        _ => Ok(()),
    }
}

/// Reads a bound, which is held in 64 bits: an integer that these would round is refused.
pub(super) fn exact_bound<'de, D: Deserializer<'de>>(entry: D) -> Result<Option<f64>, D::Error> {
    entry.deserialize_any(ExactBound).map(Some)
}

struct ExactBound;

impl Visitor<'_> for ExactBound {
    type Value = f64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number as bound")
    }

    fn visit_f64<E>(self, bound: f64) -> Result<f64, E> {
        Ok(bound)
    }

    fn visit_i64<E: de::Error>(self, bound: i64) -> Result<f64, E> {
        let held = bound as f64;
        if held as i128 == i128::from(bound) {
            return Ok(held);
        }
        let next = if held as i128 > i128::from(bound) { held } else { held.next_up() } as i128;
        Err(E::custom(format!("the bound {bound} is not held exactly: {next} is")))
    }
}

/// Checks that the options of a table go together.
pub(super) fn table(input: &str, options: &TableOptions) -> Result<(), String> {
    options.check().map_err(|reason| format!("input '{input}': {reason}"))
}

/// A kind of integers is no wider than the ring that computes on them.
pub(super) fn kind(input: &str, kind: Option<Kind>, codec: FixedPoint) -> Result<(), String> {
    let ring = codec.ring();
    match kind {
        Some(kind) if codec.fraction_bits() == 0 && kind.width().is_some_and(|width| width > ring) => {
            Err(format!("input '{input}' is declared {kind}, but ring_bits = {}", ring.bits()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_identifiers() {
        for good in ["x", "_", "linear_w2", &"a".repeat(LONGEST_NAME)] {
            assert_eq!(name(good), Ok(()));
        }
        for bad in ["", "2x", "a.b", "../x", "a/b", "a b", "é", "a\n", &"a".repeat(LONGEST_NAME + 1)] {
            assert!(name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn bounds_are_positive_numbers() {
        assert_eq!(bound("x", Some(1.0)), Ok(()));
        assert_eq!(bound("x", None), Ok(()));
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(bound("x", Some(bad)).is_err(), "{bad}");
        }
    }
}
