//! The live line: each lane's progress, on a terminal, while a job runs; of a loop the turn, and the numbers that it reveals.
//!
//! A party that was started by hand shows its own lanes. Under a launcher a party writes its progress to stderr, and the
//! launcher shows all parties' lanes; it asks for these lines only where stderr is a terminal.

use crate::args::Shared;
use crate::say;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;
use symbolon::run::{Latest, Portion, Progress, Standing};

/// The interval at which a party's counters are read.
const INTERVAL: Duration = Duration::from_millis(150);

/// The beginning of a progress line on stderr.
const PREFIX: &str = "progress ";

/// True where stderr is a terminal and text is wanted.
pub fn is_watched(shared: &Shared) -> bool {
    !shared.json && !say::is_json() && std::io::stderr().is_terminal()
}

/// A party's progress.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Told {
    standing: Standing,
    /// By output, the latest number that a loop revealed to the party.
    latest: BTreeMap<String, Latest>,
}

impl Told {
    fn of(progress: &Progress) -> Told {
        Told { standing: progress.standing(), latest: progress.latest() }
    }

    /// The turn that a loop is at, and what it revealed last: `turn 34 of 330, loss 0.2182 after turn 33`.
    fn turns(&self) -> Option<String> {
        let Portion { done, all } = self.standing.turns;
        if all == 0 {
            return None;
        }
        let mut text = format!("turn {} of {all}", (done + 1).min(all));
        for (name, Latest { turn, number }) in &self.latest {
            write!(text, ", {name} {number:.4} after turn {turn}").expect("text grows");
        }
        Some(text)
    }
}

/// Two lines a party, its device and its wire, and one more where it runs a loop.
pub struct Live {
    lines: MultiProgress,
    parties: BTreeMap<String, Lanes>,
}

struct Lanes {
    device: ProgressBar,
    wire: ProgressBar,
    /// Once it is known that there is a loop.
    turns: OnceCell<ProgressBar>,
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
                let (device, wire) = (line(&name, "device", DEVICE), line(&name, "wire", WIRE));
                (name, Lanes { device, wire, turns: OnceCell::new() })
            })
            .collect();
        Some(Live { lines, parties })
    }

    /// Shows a party's progress; that of unknown names is ignored.
    pub fn show(&self, name: &str, told: &Told) {
        let Some(Lanes { device, wire, turns }) = self.parties.get(name) else { return };
        let Standing { steps, sent_bytes, received_bytes, .. } = told.standing;
        device.set_length(steps.all);
        device.set_position(steps.done);
        wire.set_length(sent_bytes.all + received_bytes.all);
        wire.set_position(sent_bytes.done + received_bytes.done);
        if let Some(text) = told.turns() {
            let line = turns.get_or_init(|| {
                let style =
                    ProgressStyle::with_template("{prefix:<16} {wide_msg}").expect("a valid template");
                let line = ProgressBar::new(0).with_style(style).with_prefix(format!("{name}, loop"));
                self.lines.insert_after(wire, line)
            });
            line.set_message(text);
        }
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
                let told = Told::of(&progress);
                match &live {
                    Some(live) => live.show(&name, &told),
                    None => eprintln!("{}", line(&told)),
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
fn line(told: &Told) -> String {
    format!("{PREFIX}{}", serde_json::to_string(told).expect("counters serialise"))
}

/// The progress in a line, if it is such a line.
pub fn told_in(line: &str) -> Option<Told> {
    serde_json::from_str(line.strip_prefix(PREFIX)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_a_loop() -> Told {
        let (steps, turns) = (Portion { done: 3, all: 10 }, Portion { done: 33, all: 330 });
        let latest = BTreeMap::from([("loss".to_owned(), Latest { turn: 33, number: 0.21815 })]);
        Told { standing: Standing { steps, turns, ..Standing::default() }, latest }
    }

    #[test]
    fn a_launcher_reads_what_a_party_tells() {
        assert_eq!(told_in(&line(&in_a_loop())), Some(in_a_loop()));
        assert_eq!(told_in("error: a driver's word"), None);
        assert_eq!(told_in("progress of another kind"), None);
    }

    #[test]
    fn a_loop_tells_its_turn_and_what_it_revealed() {
        assert_eq!(in_a_loop().turns().as_deref(), Some("turn 34 of 330, loss 0.2182 after turn 33"));
        assert_eq!(Told::default().turns(), None, "there is no loop");
    }
}
