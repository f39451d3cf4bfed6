//! The live line: each lane's progress, on a terminal, while a job runs.
//!
//! A party that was started by hand shows its own lanes. Under a launcher a party writes its progress to stderr, and the
//! launcher shows all parties' lanes; it asks for these lines only where stderr is a terminal.

use crate::args::Shared;
use crate::say;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;
use symbolon::run::{Progress, Standing};

/// The interval at which a party's counters are read.
const INTERVAL: Duration = Duration::from_millis(150);

/// The beginning of a progress line on stderr.
const PREFIX: &str = "progress ";

/// True where stderr is a terminal and text is wanted.
pub fn is_watched(shared: &Shared) -> bool {
    !shared.json && !say::is_json() && std::io::stderr().is_terminal()
}

/// Two lines a party: its device and its wire.
pub struct Live {
    lines: MultiProgress,
    parties: BTreeMap<String, Lanes>,
}

struct Lanes {
    device: ProgressBar,
    wire: ProgressBar,
}

impl Live {
    /// Lines for parties of these names; none where stderr is no terminal.
    pub fn new(names: impl Iterator<Item = String>, shared: &Shared) -> Option<Live> {
        if !is_watched(shared) {
            return None;
        }
        let lines = MultiProgress::new();
        let line = |name: &str, lane: &str, template: &str| {
            let style = ProgressStyle::with_template(template).expect("a valid template");
            let bar = ProgressBar::new(0).with_style(style).with_prefix(format!("{name}, {lane}"));
            lines.add(bar)
        };
        const DEVICE: &str = "{prefix:<16} {wide_bar} {pos}/{len} steps, {per_sec}, {eta} left";
        const WIRE: &str = "{prefix:<16} {wide_bar} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left";
        let parties = names
            .map(|name| {
                let lanes = Lanes { device: line(&name, "device", DEVICE), wire: line(&name, "wire", WIRE) };
                (name, lanes)
            })
            .collect();
        Some(Live { lines, parties })
    }

    /// Shows a party's progress; that of unknown names is ignored.
    pub fn show(&self, name: &str, standing: Standing) {
        let Some(Lanes { device, wire }) = self.parties.get(name) else { return };
        let Standing { steps, sent_bytes, received_bytes } = standing;
        device.set_length(steps.all);
        device.set_position(steps.done);
        wire.set_length(sent_bytes.all + received_bytes.all);
        wire.set_position(sent_bytes.done + received_bytes.done);
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // Lines that cannot be removed do no harm.
        let _ = self.lines.clear();
    }
}

/// Shows or reports the progress of a party's session, until it is dropped.
pub struct Watch {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Reads the session's counters on a thread of its own, where progress is wanted.
    pub fn start(name: String, progress: Arc<Progress>, shared: &Shared) -> Watch {
        let live = Live::new(std::iter::once(name.clone()), shared);
        if live.is_none() && !shared.progress {
            return Watch { stop: None, thread: None };
        }
        let (stop, stopped) = channel();
        let thread = std::thread::Builder::new().spawn(move || {
            while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                let standing = progress.standing();
                match &live {
                    Some(live) => live.show(&name, standing),
                    None => eprintln!("{}", line(&standing)),
                }
            }
        });
        // Without a thread nothing is shown, and the run goes on.
        Watch { stop: Some(stop), thread: thread.ok() }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A run does not fail by its progress line.
            let _ = thread.join();
        }
    }
}

/// The line by which a process reports its progress to its launcher.
fn line(standing: &Standing) -> String {
    format!("{PREFIX}{}", serde_json::to_string(standing).expect("counters serialise"))
}

/// The progress in a line, if it is such a line.
pub fn standing_in(line: &str) -> Option<Standing> {
    serde_json::from_str(line.strip_prefix(PREFIX)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use symbolon::run::Portion;

    #[test]
    fn a_launcher_reads_what_a_party_tells() {
        let steps = Portion { done: 3, all: 10 };
        let standing = Standing { steps, ..Standing::default() };
        assert_eq!(standing_in(&line(&standing)), Some(standing));
        assert_eq!(standing_in("error: a driver's word"), None);
        assert_eq!(standing_in("progress of another kind"), None);
    }
}
