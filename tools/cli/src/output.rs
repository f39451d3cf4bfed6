//! What a command prints: JSON on stdout where it was asked for, text otherwise.

use serde::Serialize;
use std::io::Write;

/// Prints `json` as one line on stdout and `text` on stderr, or `text` on stdout.
pub fn print(as_json: bool, json: &impl Serialize, text: &str) {
    // A reader that has gone away is no failure of the work that is done.
    if as_json {
        let line = serde_json::to_string(json).expect("reports serialise");
        let _ = writeln!(std::io::stdout(), "{line}");
        let _ = write!(std::io::stderr(), "{text}");
    } else {
        let _ = write!(std::io::stdout(), "{text}");
    }
}
