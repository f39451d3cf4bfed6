//! Terms: named facts that two processes must have in common.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::{self, Display};

/// Named facts, those first whose difference says most.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Terms(Vec<(String, String)>);

impl Terms {
    /// Adds a fact.
    pub fn add(&mut self, name: impl Into<String>, value: impl Display) {
        self.0.push((name.into(), value.to_string()));
    }

    /// The facts in order, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The first fact in which two lists differ. Facts are compared by their names, wherever they stand.
    pub fn first_difference(&self, there: &Terms) -> Option<Difference> {
        let (ours, theirs) = (self.by_name(), there.by_name());
        let place = |terms: &Terms| terms.iter().position(|(name, _)| ours.get(name) != theirs.get(name));
        let field = match (place(self), place(there)) {
            (Some(place), other) if other.is_none_or(|other| place <= other) => &self.0[place].0,
            (_, Some(place)) => &there.0[place].0,
            _ if self.0.len() == there.0.len() => return None,
            // A name that stands twice in one list only.
            _ => {
                let [here, there] = [self, there].map(|terms| terms.0.len().to_string());
                return Some(Difference::new("number of terms", Some(&here), Some(&there)));
            }
        };
        Some(Difference::new(field, ours.get(&**field).copied(), theirs.get(&**field).copied()))
    }

    fn by_name(&self) -> BTreeMap<&str, &str> {
        self.iter().collect()
    }
}

impl<N: Into<String>, V: Display> FromIterator<(N, V)> for Terms {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(facts: I) -> Terms {
        let mut terms = Terms::default();
        facts.into_iter().for_each(|(name, value)| terms.add(name, value));
        terms
    }
}

/// A fact that two processes do not have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its name.
    pub field: String,
    /// The value in this process.
    pub here: String,
    /// The value in the other.
    pub there: String,
}

impl Difference {
    fn new(field: &str, here: Option<&str>, there: Option<&str>) -> Difference {
        let shown = |value: Option<&str>| match value {
            None => "absent".to_owned(),
            Some(value) => format!("`{}`", shortened(value)),
        };
        Difference { field: shortened(field), here: shown(here), there: shown(there) }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {} here and {} there", self.field, self.here, self.there)
    }
}

/// A peer's text as it may be shown on a terminal: without what moves the cursor, or hides or reorders what is there.
pub(crate) fn printable(text: &str) -> String {
    let is_hidden = |c: char| matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    let shown = |c: char| if c.is_control() || is_hidden(c) { char::REPLACEMENT_CHARACTER } else { c };
    text.chars().map(shown).collect()
}

/// The beginning of a peer's text.
pub(crate) fn shortened(text: &str) -> String {
    const LONGEST_BYTES: usize = 200;
    match text.len() {
        0..=LONGEST_BYTES => printable(text),
        _ => printable(&text[..text.floor_char_boundary(LONGEST_BYTES)]) + "…",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(pairs: &[(&str, &str)]) -> Terms {
        pairs.iter().copied().collect()
    }

    #[test]
    fn the_first_difference_is_named_with_both_values() {
        let here = terms(&[("protocol", "beaver"), ("ring_bits", "64"), ("step 1", "z = x")]);
        assert_eq!(here.first_difference(&here), None);
        let there = terms(&[("protocol", "beaver"), ("ring_bits", "32"), ("step 1", "z = x")]);
        let difference = here.first_difference(&there).unwrap();
        assert_eq!(difference.to_string(), "ring_bits is `64` here and `32` there");
        let shorter = terms(&[("protocol", "beaver"), ("ring_bits", "64")]);
        assert_eq!(shorter.first_difference(&here).unwrap().field, "step 1");
        assert_eq!(here.first_difference(&shorter).unwrap().there, "absent");
    }

    #[test]
    fn terms_are_compared_by_name() {
        let facts = [("protocol", "beaver"), ("owner of input x", "0"), ("step 1", "z = x")];
        let here = terms(&facts);
        let more = terms(&[
            ("protocol", "beaver"),
            ("owner of input a", "1"),
            ("owner of input x", "0"),
            ("step 1", "z = x + a"),
        ]);
        let difference = here.first_difference(&more).unwrap();
        assert_eq!(difference.to_string(), "owner of input a is absent here and `1` there");
        let difference = more.first_difference(&here).unwrap();
        assert_eq!(difference.to_string(), "owner of input a is `1` here and absent there");
        let turned: Terms = facts.into_iter().rev().collect();
        assert_eq!(here.first_difference(&turned), None);
        let twice = terms(&[&facts[..], &facts[..1]].concat());
        assert_eq!(here.first_difference(&twice).unwrap().field, "number of terms");
    }
}
