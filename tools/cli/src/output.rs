//! A command's result: JSON on stdout where it was asked for, text otherwise.

use crate::failure::Failure;
use crate::say;
use serde::{Deserialize, Serialize};
use std::io::{ErrorKind, Write, stdout};
use std::sync::atomic::{AtomicBool, Ordering};

/// A failure as JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailureJson {
    pub error: String,
    pub status: u8,
}

/// Prints `json` as one line on stdout and `text` on stderr, or `text` on stdout.
pub fn print(as_json: bool, json: &impl Serialize, text: &str) -> Result<(), Failure> {
    if !as_json {
        return to_stdout(text);
    }
    to_stdout(&line(json))?;
    say::report(text);
    Ok(())
}

/// Prints the failure on stderr, and on stdout too where JSON was asked for; once in a process.
pub fn print_failure(as_json: bool, failure: &Failure) {
    static SAID: AtomicBool = AtomicBool::new(false);
    if SAID.swap(true, Ordering::Relaxed) {
        return;
    }
    let (error, status) = (failure.to_string(), failure.status());
    if as_json {
        // Where stdout fails as well, the line on stderr suffices.
        let _ = to_stdout(&line(&FailureJson { error: error.clone(), status }));
    }
    say::error(&error, status);
}

fn line(json: &impl Serialize) -> String {
    serde_json::to_string(json).expect("reports serialise") + "\n"
}

/// Prints text on stdout, by a command whose result is that text.
pub fn text(text: &str) -> Result<(), Failure> {
    to_stdout(text)
}

/// Writes to stdout; a reader that has gone away is no failure, since the work is done.
fn to_stdout(text: &str) -> Result<(), Failure> {
    let mut stdout = stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::Wrong(format!("the report cannot be written to stdout: {error}")))
        }
        _ => Ok(()),
    }
}
