//! The choice of a source of correlations, as a job or a command line names it.

use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use symbolon::correlation::Source;

/// A source of correlations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Correlations {
    /// A dealer, a process of its own.
    Dealer,
    /// The two parties between themselves.
    Pair,
    /// The store in this folder.
    Store(PathBuf),
    /// The cheapest of those that every party's own file lists.
    Auto,
}

/// A source that a party's file lists, as it is written there: no store, of which each run uses up something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Listed {
    Dealer,
    Pair,
}

impl From<Listed> for Source {
    fn from(listed: Listed) -> Source {
        match listed {
            Listed::Dealer => Source::Dealer,
            Listed::Pair => Source::Pair,
        }
    }
}

/// The sources that may serve a run of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    /// The sources: one of them where none is chosen.
    pub allowed: Vec<Source>,
    /// True where the parties choose one of them by price, with what their peers allow.
    pub is_chosen: bool,
}

impl Sources {
    /// This source and no other.
    pub(crate) fn one(source: Source) -> Sources {
        Sources { allowed: vec![source], is_chosen: false }
    }
}

const DEALER: &str = "dealer";
const PAIR: &str = "pair";
const STORE: &str = "store=";
const AUTO: &str = "auto";

impl Correlations {
    /// The sources of which one is chosen by price.
    pub const CHOOSABLE: [Source; 2] = [Source::Dealer, Source::Pair];

    /// A source that was chosen by price; `None` of one that nobody need name.
    pub fn chosen(source: Source) -> Option<Correlations> {
        match source {
            Source::Dealer => Some(Correlations::Dealer),
            Source::Pair => Some(Correlations::Pair),
            Source::Store | Source::PairStore | Source::Party(_) | Source::Nobody => None,
        }
    }

    /// The source that it names; of `auto` none.
    pub(crate) fn source(&self) -> Option<Source> {
        match self {
            Correlations::Dealer => Some(Source::Dealer),
            Correlations::Pair => Some(Source::Pair),
            Correlations::Store(_) => Some(Source::Store),
            Correlations::Auto => None,
        }
    }

    /// The source that a job names: no folder, which is each party's own affair.
    ///
    /// # Errors
    /// Where it names none, with the reason.
    pub(crate) fn of_job(text: &str) -> Result<Correlations, String> {
        match text {
            DEALER => Ok(Correlations::Dealer),
            PAIR => Ok(Correlations::Pair),
            AUTO => Ok(Correlations::Auto),
            _ => Err(format!(
                "correlations = \"{text}\": a job takes them from \"{DEALER}\", \"{PAIR}\" or \"{AUTO}\""
            )),
        }
    }

    /// The store's folder, if that is the source.
    pub fn store(&self) -> Option<&Path> {
        match self {
            Correlations::Store(folder) => Some(folder),
            Correlations::Dealer | Correlations::Pair | Correlations::Auto => None,
        }
    }
}

impl FromStr for Correlations {
    type Err = String;

    /// `dealer`, `pair`, `auto`, `store=DIR`, or a path that has a `/` or is there.
    fn from_str(text: &str) -> Result<Correlations, String> {
        match text {
            DEALER => Ok(Correlations::Dealer),
            PAIR => Ok(Correlations::Pair),
            AUTO => Ok(Correlations::Auto),
            _ => match text.strip_prefix(STORE) {
                Some(folder) if !folder.is_empty() => Ok(Correlations::Store(folder.into())),
                None if text.contains(std::path::is_separator) || Path::new(text).exists() => {
                    Ok(Correlations::Store(text.into()))
                }
                _ => Err(format!("correlations come from {DEALER}, {PAIR}, {AUTO} or {STORE}DIR")),
            },
        }
    }
}

impl std::fmt::Display for Correlations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Correlations::Dealer => f.write_str(DEALER),
            Correlations::Pair => f.write_str(PAIR),
            Correlations::Auto => f.write_str(AUTO),
            Correlations::Store(folder) => write!(f, "{STORE}{}", folder.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_read_as_they_are_written() {
        for text in ["dealer", "pair", "auto", "store=orders", "store=/a/b"] {
            let source: Correlations = text.parse().expect(text);
            assert_eq!(source.to_string(), text);
        }
        assert_eq!("a/b".parse(), Ok(Correlations::Store("a/b".into())), "a path");
        for text in ["", "dealers", "store="] {
            assert!(text.parse::<Correlations>().is_err(), "'{text}' is no source");
        }
        assert!(Correlations::of_job("store=a").is_err(), "a job names no folder");
        assert_eq!(Correlations::of_job("auto"), Ok(Correlations::Auto));
    }
}
