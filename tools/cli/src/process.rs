//! A process of this program that the launcher has started.

use crate::failure::Failure;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;

/// A running process; it does not outlive this.
pub struct Process {
    name: String,
    child: Child,
    lines: Receiver<String>,
    /// The last line that begins with `error: `.
    error: Option<String>,
    stdout: Option<JoinHandle<String>>,
}

/// A process that has ended.
pub struct Ended {
    pub name: String,
    /// Its exit status, or `None` where a signal ended it.
    pub status: Option<u8>,
    /// What it said was wrong.
    pub error: Option<String>,
    pub stdout: String,
}

impl Process {
    /// Starts this program again with other arguments.
    pub fn start(name: &str, arguments: &[OsString]) -> Result<Process, Failure> {
        let program = std::env::current_exe();
        let failed = |error: std::io::Error| Failure::Wrong(format!("{name} cannot be started: {error}"));
        let mut child = Command::new(program.map_err(failed)?)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let mut stdout = child.stdout.take().expect("a piped stdout");
        let stderr = BufReader::new(child.stderr.take().expect("a piped stderr"));
        let stdout = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = stdout.read_to_string(&mut text);
            text
        });
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Ok(Process { name: name.to_owned(), child, lines, error: None, stdout: Some(stdout) })
    }

    /// Waits for the line that says where the process listens; `None` if it ends before.
    pub fn listening(&mut self, words: &str) -> Option<SocketAddr> {
        while let Ok(line) = self.lines.recv() {
            if let Some((_, address)) = line.split_once(words) {
                return address.trim().parse().ok();
            }
            self.keep(&line);
        }
        None
    }

    /// Whether it has ended, well or not.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Its exit status, if it has ended, and not well; a signal counts as 1.
    pub fn failure(&mut self) -> Option<u8> {
        match self.child.try_wait() {
            Ok(Some(status)) if !status.success() => {
                Some(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
            }
            _ => None,
        }
    }

    /// What it left behind; a process that still runs is ended.
    pub fn end(mut self) -> Ended {
        let ended_itself = self.has_ended();
        if !ended_itself {
            let _ = self.child.kill();
        }
        let status = self.child.wait().ok().and_then(|status| status.code());
        while let Ok(line) = self.lines.recv() {
            self.keep(&line);
        }
        let stdout = self.stdout.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        Ended {
            name: self.name.clone(),
            status: status.and_then(|status| u8::try_from(status).ok()),
            error: self.error.take(),
            stdout,
        }
    }

    fn keep(&mut self, line: &str) {
        if let Some(error) = line.strip_prefix("error: ") {
            self.error = Some(format!("{}: {error}", self.name));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
