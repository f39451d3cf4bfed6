//! A process of this program that the launcher has started.
//!
//! The launcher writes the process's brief to its stdin and holds the writing end, its **lifeline**: when the launcher
//! ends, however it ends, the process reads the end of its stdin and ends too. A process writes its report, or its
//! failure, to stdout. The launcher reads the address from its stderr, and keeps the last line for a process that could
//! not report.

mod brief;
mod group;
mod said;

pub use brief::Brief;
pub use group::Group;
pub use said::{Pieces, Said};

use crate::failure::Failure;
use crate::live::{self, Told};
use crate::output::FailureJson;
use crate::party::LISTENING;
use crate::say::{self, NOTE};
use serde::Deserialize;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// The interval at which a process is polled.
const PAUSE: Duration = Duration::from_millis(5);

/// The exit status of a process whose peers let it down.
const PEER_FAILED: u8 = 3;

/// A running process; it does not outlive this.
struct Process {
    name: String,
    child: Child,
    lines: Receiver<String>,
    /// Its progress.
    told: Arc<Mutex<Told>>,
    /// The last line of its stderr.
    last_line: Option<String>,
    stdout: Option<JoinHandle<io::Result<Said>>>,
}

/// A process that has ended.
pub struct Ended {
    pub name: String,
    pub end: End,
    pub said: Said,
    last_line: Option<String>,
}

/// The end of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It ended by itself, with this status.
    Exit(u8),
    /// A signal ended it that the launcher did not send.
    Signal(i32),
    /// The launcher ended it, because another process had failed.
    Stopped,
}

impl Process {
    /// Starts a program, or else this one again, with other arguments and a brief. With `relay`, its stderr is copied to
    /// the launcher's; `heard` hears its stdout.
    fn start(
        program: Option<&Path>,
        name: &str,
        arguments: &[OsString],
        brief: &Brief,
        relay: bool,
        heard: impl FnOnce(ChildStdout) -> io::Result<Said> + Send + 'static,
    ) -> Result<Process, Failure> {
        let failed = |error: io::Error| Failure::Resources(format!("{name} cannot be started: {error}"));
        let program = program.map_or_else(std::env::current_exe, |program| Ok(program.to_owned()));
        let mut command = Command::new(program.map_err(failed)?);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A signal from the terminal is the launcher's, which then ends its processes.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let child = command.spawn().map_err(failed)?;
        let (sender, lines) = channel();
        let told: Arc<Mutex<Told>> = Arc::default();
        let heard_of = told.clone();
        // A failure from here on ends the child.
        let mut process =
            Process { name: name.to_owned(), child, lines, told, last_line: None, stdout: None };
        process.tell(&brief.line());
        let stdout = process.child.stdout.take().expect("a piped stdout");
        let stderr = process.child.stderr.take().expect("a piped stderr");
        let listen = thread::Builder::new().spawn(move || heard(stdout)).map_err(failed)?;
        process.stdout = Some(listen);
        thread::Builder::new()
            .spawn(move || read_lines(stderr, &sender, &heard_of, relay))
            .map_err(failed)?;
        Ok(process)
    }

    /// Tells it a further line.
    fn tell(&mut self, line: &str) {
        // A process that ends before it has been told says itself why.
        let _ = self.pipe().write_all(line.as_bytes());
    }

    /// Its stdin.
    fn pipe(&mut self) -> &mut ChildStdin {
        self.child.stdin.as_mut().expect("a piped stdin")
    }

    /// The address on which the process listens, once it has printed it; `Err` where it has ended before.
    fn listening(&mut self) -> Result<Option<SocketAddr>, ()> {
        match self.lines.recv_timeout(PAUSE) {
            Ok(line) => {
                let address = address_in(&line, &self.name);
                self.last_line = Some(line);
                Ok(address)
            }
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(()),
        }
    }

    /// Its last reported progress.
    fn told(&self) -> Told {
        self.told.lock().expect("no panic while a line is read").clone()
    }

    /// True once it has ended, well or not.
    fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Its end, if it has ended and not well.
    fn failure(&mut self) -> Option<End> {
        match self.child.try_wait() {
            Ok(Some(status)) if !status.success() => Some(End::of(status)),
            _ => None,
        }
    }

    /// Ends the process if it still runs, and returns its text and its end.
    fn end(mut self) -> Ended {
        let stopped = !self.has_ended();
        if stopped {
            let _ = self.child.kill();
        }
        let end = match self.child.wait() {
            Ok(status) if !stopped => End::of(status),
            _ => End::Stopped,
        };
        // The notes of the language's runtime are no reason.
        let is_reason = |line: &String| !line.trim().is_empty() && !line.starts_with("note: ");
        if let Some(line) = self.lines.iter().filter(is_reason).last() {
            self.last_line = Some(line);
        }
        let listened = self.stdout.take().map(|thread| thread.join().expect("a process is listened to"));
        let said = listened.unwrap_or_else(|| Ok(Said::default())).unwrap_or_else(|error| {
            let failure = Failure::Resources(format!("its outputs cannot be kept: {error}"));
            let (error, status) = (failure.to_string(), failure.status());
            Said::of(serde_json::to_string(&FailureJson { error, status }).expect("a failure serialises"))
        });
        Ended { name: self.name.clone(), end, said, last_line: self.last_line.take() }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl End {
    fn of(status: ExitStatus) -> End {
        #[cfg(unix)]
        if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
            return End::Signal(signal);
        }
        End::Exit(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
    }

    /// True for a failure of the process's own, false for one that its peers caused.
    fn is_cause(self) -> bool {
        !matches!(self, End::Exit(0 | PEER_FAILED) | End::Stopped)
    }
}

impl Ended {
    /// Its failure, in a line that names it.
    fn failure(&self) -> Failure {
        let said: Option<FailureJson> = serde_json::from_str(&self.said.text).ok();
        let name = &self.name;
        let last_line = || self.last_line.as_ref().map_or_else(String::new, |line| format!(": {line}"));
        let (line, status) = match (self.end, said) {
            (End::Exit(status), Some(FailureJson { error, .. })) if error.starts_with(name.as_str()) => {
                (error, status)
            }
            (End::Exit(status), Some(FailureJson { error, .. })) => (format!("{name}: {error}"), status),
            (End::Exit(status), None) => {
                (format!("{name} ended with status {status}{}", last_line()), status.max(1))
            }
            (End::Signal(signal), _) => (format!("{name} was ended by signal {signal}"), PEER_FAILED),
            (End::Stopped, _) => (format!("{name} did not end"), PEER_FAILED),
        };
        Failure::Child { line, status }
    }
}

/// Sends on every line, of whatever bytes, except those of the progress.
fn read_lines(stderr: ChildStderr, sender: &Sender<String>, progress: &Mutex<Told>, relay: bool) {
    let mut stderr = BufReader::new(stderr);
    let mut line = Vec::new();
    while stderr.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        // Why it failed is the launcher's to say, once, and how far it is too. Where programs read, they get what is
        // theirs, and nothing that a driver says.
        let is_said = match say::is_json() {
            true => text.starts_with('{'),
            false => !text.starts_with("error: ") && live::told_in(&text).is_none(),
        };
        // Assumptions about data always reach the user.
        if (relay || text.starts_with(NOTE)) && is_said {
            eprintln!("{text}");
        }
        line.clear();
        match live::told_in(&text) {
            Some(told) => *progress.lock().expect("no panic while it is read") = told,
            // Reading goes on where nobody listens any more: a full pipe would hold the process up.
            None => drop(sender.send(text)),
        }
    }
}

/// The address in the line by which the process `name` says where it listens, as text or as an event of the log.
fn address_in(line: &str, name: &str) -> Option<SocketAddr> {
    #[derive(Deserialize)]
    struct Event {
        message: String,
    }
    let event: Option<Event> = serde_json::from_str(line).ok();
    let line = event.as_ref().map_or(line, |event| &event.message);
    line.strip_prefix(name)?.strip_prefix(" is ")?.strip_prefix(LISTENING)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(end: End, stdout: &str) -> Ended {
        let last_line = Some("error: a driver's word".to_owned());
        Ended { name: "party 1".into(), end, said: Said::of(stdout.into()), last_line }
    }

    #[test]
    fn only_a_process_s_own_line_says_where_it_listens() {
        let address = "127.0.0.1:7000".parse().ok();
        assert_eq!(address_in("party 1 is listening on 127.0.0.1:7000", "party 1"), address);
        assert_eq!(address_in("party 0 is listening on 127.0.0.1:7000", "party 1"), None);
        let event = r#"{"level":"INFO","message":"party 1 is listening on 127.0.0.1:7000","target":"said"}"#;
        assert_eq!(address_in(event, "party 1"), address);
        assert_eq!(address_in("a driver is listening on 127.0.0.1:7000", "party 1"), None);
    }

    #[test]
    fn a_failure_is_told_in_the_process_s_words() {
        let said = |error: &str| {
            let json = format!("{{\"error\":\"{error}\",\"status\":4}}");
            ended(End::Exit(4), &json).failure().to_string()
        };
        assert_eq!(said("no memory"), "party 1: no memory");
        assert_eq!(said("party 1, step 3: no memory"), "party 1, step 3: no memory");
        let silent = |end| ended(end, "").failure().to_string();
        assert_eq!(silent(End::Signal(9)), "party 1 was ended by signal 9");
        assert_eq!(silent(End::Exit(101)), "party 1 ended with status 101: error: a driver's word");
    }
}
