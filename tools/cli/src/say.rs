//! A command's messages on stderr: lines for people, or for programs where the log is JSON.

use std::io::{Write, stderr};
use std::sync::atomic::{AtomicBool, Ordering};
use symbolon_job::Notice;

/// The target of events that are printed at every level of the log.
pub const TARGET: &str = "symbolon_cli::say";

/// Set where stderr has JSON lines alone.
static IS_JSON: AtomicBool = AtomicBool::new(false);

/// Makes every message a JSON object a line; the log must have started.
pub fn in_json() {
    IS_JSON.store(true, Ordering::Relaxed);
}

/// True where every message is a JSON object a line.
pub fn is_json() -> bool {
    IS_JSON.load(Ordering::Relaxed)
}

/// Prints a message.
pub fn note(line: &str) {
    if is_json() { tracing::info!(target: TARGET, "{line}") } else { text(&format!("{line}\n")) }
}

/// The beginning of a line about assumptions that were made of data.
pub const NOTE: &str = "note: ";

/// Prints a notice of a job.
pub fn notice(notice: Notice) {
    match notice {
        Notice::Assumed { .. } => note(&format!("{NOTE}{notice}")),
        Notice::Certificate(_) | Notice::BroughtBack { .. } => warning(&notice.to_string()),
        Notice::Listening { .. } | Notice::Stored { .. } | Notice::Resumed { .. } => {
            note(&notice.to_string())
        }
    }
}

/// Prints a warning.
pub fn warning(line: &str) {
    if is_json() { tracing::warn!(target: TARGET, "{line}") } else { text(&format!("warning: {line}\n")) }
}

/// Prints an error.
pub fn error(line: &str, status: u8) {
    if is_json() {
        tracing::error!(target: TARGET, status, "{line}")
    } else {
        text(&format!("error: {line}\n"))
    }
}

/// Prints text for people; programs find the same as an object on stdout.
pub fn report(report: &str) {
    if !is_json() {
        text(report);
    }
}

fn text(text: &str) {
    // A reader that has gone away is no failure.
    let _ = stderr().lock().write_all(text.as_bytes());
}
