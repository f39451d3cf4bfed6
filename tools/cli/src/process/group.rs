//! All processes of a job. They end together, and the launcher names the one that failed first.

use super::{Brief, End, Ended, PAUSE, Process, Said};
use crate::failure::{Failure, WRONG};
use crate::interrupt;
use crate::live::Live;
use std::ffi::OsString;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ChildStdout;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The time for processes to end by themselves after a peer has let one down: the one to blame ends soon, and says why.
const GRACE: Duration = Duration::from_secs(3);

/// Hears the stdout of the process with this number, to its end.
pub type Listen = Arc<dyn Fn(usize, ChildStdout) -> io::Result<Said> + Send + Sync>;

/// Asked at every wait, which goes on where it says so.
pub type Check = Arc<dyn Fn() -> bool + Send + Sync>;

/// Running processes, in the order of their start; none outlives this.
pub struct Group {
    running: Vec<Process>,
    /// Their program; `None` for this one.
    program: Option<PathBuf>,
    listen: Listen,
    check: Check,
    /// Their stderr is copied to the launcher's.
    relay: bool,
}

impl Group {
    /// None yet, of this program; `relay` as for [`Process::start`].
    pub fn new(relay: bool) -> Group {
        let listen = Arc::new(|_, stdout| Said::listen(stdout));
        let check = Arc::new(|| interrupt::check().is_ok());
        Group { running: Vec::new(), program: None, listen, check, relay }
    }

    /// None yet, of another program; `listen` hears their stdout, and every wait asks `check`.
    pub fn of(program: &Path, listen: Listen, check: Check, relay: bool) -> Group {
        Group { running: Vec::new(), program: Some(program.to_owned()), listen, check, relay }
    }

    /// Has every wait ask another check.
    pub fn set_check(&mut self, check: Check) {
        self.check = check;
    }

    /// Fails where a wait is to end.
    fn check(&self) -> Result<(), Failure> {
        if (self.check)() { Ok(()) } else { Err(Failure::Interrupted) }
    }

    /// How many have been started.
    pub fn len(&self) -> usize {
        self.running.len()
    }

    /// The stdin of a process, behind its brief.
    pub fn pipe(&mut self, number: usize) -> impl Write {
        self.running[number].pipe()
    }

    /// Whether one has ended, and not well.
    pub fn has_failed(&mut self) -> bool {
        self.running.iter_mut().any(|process| process.failure().is_some())
    }

    /// Starts one more, see [`Process::start`]; returns its number.
    pub fn start(&mut self, name: &str, arguments: &[OsString], brief: &Brief) -> Result<usize, Failure> {
        let (number, listen) = (self.running.len(), self.listen.clone());
        let heard = move |stdout| listen(number, stdout);
        let program = self.program.as_deref();
        self.running.push(Process::start(program, name, arguments, brief, self.relay, heard)?);
        Ok(self.running.len() - 1)
    }

    /// Tells a process a further line.
    pub fn tell(&mut self, number: usize, line: &str) {
        self.running[number].tell(line);
    }

    /// Waits until a process says where it listens.
    pub fn address(&mut self, number: usize, patience: Duration) -> Result<SocketAddr, Failure> {
        let deadline = Instant::now() + patience;
        let failed =
            |name: &str, reason: String| Failure::Child { line: format!("{name} {reason}"), status: 3 };
        loop {
            let process = &mut self.running[number];
            match process.listening() {
                Ok(Some(address)) => return Ok(address),
                Err(()) => return Err(failed(&process.name, "ended before it listened".into())),
                Ok(None) if Instant::now() >= deadline => {
                    return Err(failed(&process.name, format!("does not listen after {patience:?}")));
                }
                Ok(None) => {}
            }
            self.check()?;
            if let Some(other) =
                self.running.iter_mut().find_map(|process| process.failure().map(|_| &process.name))
            {
                return Err(failed(other, "failed while others were started".into()));
            }
        }
    }

    /// Waits until all have ended well, and shows the parties' progress meanwhile.
    ///
    /// Where one fails, the others are ended, and the failure is that of the one to blame.
    pub fn wait(mut self, live: Option<&Live>) -> Result<(Vec<Ended>, Option<Failure>), Failure> {
        loop {
            self.show(live);
            self.check()?;
            if self.has_failed() {
                return Ok(self.end());
            }
            if self.running.iter_mut().all(Process::has_ended) {
                return Ok(self.end());
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Shows the parties' progress.
    fn show(&self, live: Option<&Live>) {
        let Some(live) = live else { return };
        for process in &self.running {
            live.show(&process.name, &process.told());
        }
    }

    /// Ends all processes; returns them, and the failure that the others followed from, if there is one. Until it is known
    /// who is to blame, they get some time to end by themselves and say so.
    pub fn end(mut self) -> (Vec<Ended>, Option<Failure>) {
        let deadline = Instant::now() + GRACE;
        // All parties know of a failed check, and end in order.
        let is_cause = |process: &mut Process| {
            process.failure().is_some_and(|end| end.is_cause() && end != End::Exit(WRONG))
        };
        while !self.running.iter_mut().any(is_cause)
            && !self.running.iter_mut().all(Process::has_ended)
            && Instant::now() < deadline
            && (self.check)()
        {
            std::thread::sleep(PAUSE);
        }
        let ended: Vec<Ended> = self.running.into_iter().map(Process::end).collect();
        let failure = to_blame(&ended);
        (ended, failure)
    }
}

/// The failure that the others followed from: one that is not about a peer, if there is one. The first process, the
/// dealer, only sees that its parties are gone and is asked last.
fn to_blame(ended: &[Ended]) -> Option<Failure> {
    let failed = || {
        let order = ended.iter().skip(1).chain(ended.first());
        order.filter(|ended| !matches!(ended.end, End::Exit(0) | End::Stopped))
    };
    let own = failed().find(|ended| ended.end.is_cause());
    own.or_else(|| failed().next()).map(Ended::failure)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Said;

    fn blamed(ends: [(&str, End); 3]) -> Option<String> {
        let ended = |(name, end): (&str, End)| {
            let stdout = r#"{"error":"it failed","status":3}"#.to_owned();
            Ended { name: name.to_owned(), end, said: Said::of(stdout), last_line: None }
        };
        to_blame(&ends.map(ended)).map(|failure| failure.to_string())
    }

    #[test]
    fn the_process_that_was_not_let_down_is_to_blame() {
        use End::{Exit, Signal, Stopped};
        let blame = |dealer, zero, one| blamed([("the dealer", dealer), ("party 0", zero), ("party 1", one)]);
        assert_eq!(blame(Exit(0), Exit(0), Exit(0)), None);
        assert_eq!(blame(Exit(3), Exit(3), Signal(9)).unwrap(), "party 1 was ended by signal 9");
        assert_eq!(blame(Signal(9), Exit(3), Exit(3)).unwrap(), "the dealer was ended by signal 9");
        assert_eq!(blame(Exit(3), Exit(3), Exit(2)).unwrap(), "party 1: it failed");
        assert_eq!(blame(Exit(3), Stopped, Exit(3)).unwrap(), "party 1: it failed");
        assert_eq!(blame(Exit(3), Stopped, Stopped).unwrap(), "the dealer: it failed");
    }
}
