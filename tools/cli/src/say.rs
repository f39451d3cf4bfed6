//! What a command says on stderr: lines for people, or for programs where the log is JSON.

use std::io::{Write, stderr};
use std::sync::atomic::{AtomicBool, Ordering};
use symbolon_job::Notice;

/// What events of the log are told by that are said whatever its level is.
pub const TARGET: &str = "symbolon_cli::say";

/// Whether stderr has JSON lines alone.
static IS_JSON: AtomicBool = AtomicBool::new(false);

/// From now on everything is a JSON object a line; the log must have begun.
pub fn in_json() {
    IS_JSON.store(true, Ordering::Relaxed);
}

/// Whether everything is a JSON object a line.
pub fn is_json() -> bool {
    IS_JSON.load(Ordering::Relaxed)
}

/// Says what happens, to whoever looks.
pub fn note(line: &str) {
    if is_json() { tracing::info!(target: TARGET, "{line}") } else { text(&format!("{line}\n")) }
}

/// The beginning of a line about assumptions that were made of data.
pub const NOTE: &str = "note: ";

/// Says what a job tells of itself.
pub fn notice(notice: Notice) {
    match notice {
        Notice::Assumed { .. } => note(&format!("{NOTE}{notice}")),
        Notice::Certificate(_) | Notice::BroughtBack { .. } => warning(&notice.to_string()),
        Notice::Listening { .. } | Notice::Stored { .. } => note(&notice.to_string()),
    }
}

/// Says what should be looked at.
pub fn warning(line: &str) {
    if is_json() { tracing::warn!(target: TARGET, "{line}") } else { text(&format!("warning: {line}\n")) }
}

/// Says what went wrong.
pub fn error(line: &str, status: u8) {
    if is_json() {
        tracing::error!(target: TARGET, status, "{line}")
    } else {
        text(&format!("error: {line}\n"))
    }
}

/// Text for people, which programs have as an object on stdout.
pub fn report(report: &str) {
    if !is_json() {
        text(report);
    }
}

fn text(text: &str) {
    // A reader that has gone away is no failure of the work.
    let _ = stderr().lock().write_all(text.as_bytes());
}
