//! The choice of a source of correlations, as a job or a command line names it.

use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A source of correlations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Correlations {
    /// A dealer, a process of its own.
    Dealer,
    /// The two parties between themselves.
    Pair,
    /// The store in this folder.
    Store(PathBuf),
}

const DEALER: &str = "dealer";
const PAIR: &str = "pair";
const STORE: &str = "store=";

impl Correlations {
    /// The source that a job names: no folder, which is each party's own affair.
    ///
    /// # Errors
    /// Where it names none, with the reason.
    pub(crate) fn of_job(text: &str) -> Result<Correlations, String> {
        match text {
            DEALER => Ok(Correlations::Dealer),
            PAIR => Ok(Correlations::Pair),
            _ => Err(format!("correlations = \"{text}\": a job takes them from \"{DEALER}\" or \"{PAIR}\"")),
        }
    }

    /// The store's folder, if that is the source.
    pub fn store(&self) -> Option<&Path> {
        match self {
            Correlations::Store(folder) => Some(folder),
            Correlations::Dealer | Correlations::Pair => None,
        }
    }
}

impl FromStr for Correlations {
    type Err = String;

    /// `dealer`, `pair`, `store=DIR`, or a path that has a `/` or is there.
    fn from_str(text: &str) -> Result<Correlations, String> {
        match text {
            DEALER => Ok(Correlations::Dealer),
            PAIR => Ok(Correlations::Pair),
            _ => match text.strip_prefix(STORE) {
                Some(folder) if !folder.is_empty() => Ok(Correlations::Store(folder.into())),
                None if text.contains(std::path::is_separator) || Path::new(text).exists() => {
                    Ok(Correlations::Store(text.into()))
                }
                _ => Err(format!("correlations come from {DEALER}, {PAIR} or {STORE}DIR")),
            },
        }
    }
}

impl std::fmt::Display for Correlations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Correlations::Dealer => f.write_str(DEALER),
            Correlations::Pair => f.write_str(PAIR),
            Correlations::Store(folder) => write!(f, "{STORE}{}", folder.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_read_as_they_are_written() {
        for text in ["dealer", "pair", "store=orders", "store=/a/b"] {
            let source: Correlations = text.parse().expect(text);
            assert_eq!(source.to_string(), text);
        }
        assert_eq!("a/b".parse(), Ok(Correlations::Store("a/b".into())), "a path");
        for text in ["", "dealers", "store=", "auto"] {
            assert!(text.parse::<Correlations>().is_err(), "'{text}' is no source");
        }
        assert!(Correlations::of_job("store=a").is_err(), "a job names no folder");
    }
}
