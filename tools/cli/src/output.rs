//! A command's result: JSON on stdout where it was asked for, text otherwise.
//!
//! Every JSON object says which document it is, and the number of its schema, which is in `tools/cli/schema`. The number
//! grows where a field of any document is renamed or removed, or has another meaning; fields are added without that.

use crate::failure::Failure;
use crate::say;
use serde::{Deserialize, Serialize};
use std::io::{ErrorKind, Write, stdout};
use std::sync::atomic::{AtomicBool, Ordering};

/// The number of the documents' schemas.
const SCHEMA: u32 = 1;

/// A kind of JSON object, by the name of its schema.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Document {
    /// The figures of a benchmark, which are no interface: each has fields of its own.
    Bench,
    Circuit,
    CircuitPlan,
    Deal,
    Doctor,
    Failure,
    Functions,
    Id,
    Import,
    Init,
    Plan,
    Run,
    Trace,
    Vram,
    VramModel,
}

/// An object with the number and the name of its schema.
#[derive(Serialize)]
struct Numbered<'a, T> {
    schema: u32,
    document: Document,
    #[serde(flatten)]
    json: &'a T,
}

/// A failure as JSON.
#[derive(Serialize, Deserialize)]
pub struct FailureJson {
    pub error: String,
    pub status: u8,
}

/// Prints `json` as one line on stdout and `text` on stderr, or `text` on stdout.
pub fn print(as_json: bool, document: Document, json: &impl Serialize, text: &str) -> Result<(), Failure> {
    if !as_json {
        return to_stdout(text);
    }
    to_stdout(&line(document, json))?;
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
        let _ = to_stdout(&line(Document::Failure, &FailureJson { error: error.clone(), status }));
    }
    say::error(&error, status);
}

fn line(document: Document, json: &impl Serialize) -> String {
    serde_json::to_string(&Numbered { schema: SCHEMA, document, json }).expect("reports serialise") + "\n"
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
