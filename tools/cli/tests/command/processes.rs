//! The launcher and its processes: they end together, whatever ends one of them.

use crate::support::{Folder, error_line, job};
use ndarray::Array2;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A running `run --local` of a job that takes a while, with a folder of its own for temporary files.
struct Run {
    folder: Folder,
    launcher: Child,
}

impl Run {
    fn start() -> Run {
        const SIZE: usize = 900;
        let folder = Folder::new();
        folder.npy("x.npy", &Array2::<f64>::ones((SIZE, SIZE)));
        folder.npy("w.npy", &Array2::<f64>::ones((SIZE, SIZE)));
        folder.text("job.toml", &job(64, 16, "z = (x @ w) @ (x @ w)"));
        std::fs::create_dir(folder.path("tmp")).expect("a folder");
        let arguments =
            ["run", "job.toml", "--local", "--device", "cpu", "--threads", "1", "--deadline", "600"];
        let mut command = folder.command(&arguments);
        command.env("TMPDIR", folder.path("tmp")).stdout(Stdio::piped()).stderr(Stdio::piped());
        let launcher = command.spawn().expect("the command starts");
        Run { folder, launcher }
    }

    /// Waits for the process whose command line has this word in it.
    fn child(&mut self, word: &str) -> u32 {
        loop {
            let children = children_of(self.launcher.id());
            if let Some((pid, _)) = children.iter().find(|(_, command)| command.contains(word)) {
                return *pid;
            }
            let ended = self.launcher.try_wait().expect("the launcher can be waited for");
            assert!(ended.is_none(), "the job ended before {word} was seen");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// What the launcher left in its folder for temporary files.
    fn left(&self) -> usize {
        std::fs::read_dir(self.folder.path("tmp")).expect("the folder is listed").count()
    }
}

fn children_of(parent: u32) -> Vec<(u32, String)> {
    let processes = std::fs::read_dir("/proc").expect("/proc is there").flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_string_lossy().parse::<u32>().ok());
    pids.filter(|&pid| state(pid).is_some_and(|(_, of)| of == parent))
        .filter_map(|pid| Some((pid, std::fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?)))
        .collect()
}

/// A process's state and parent.
fn state(pid: u32) -> Option<(char, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc is there");
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).expect("signals");
    u64::from_str_radix(ignored.trim(), 16).expect("a mask") & 1 != 0
}

fn is_gone(pid: u32) -> bool {
    state(pid).is_none_or(|(state, _)| state == 'Z')
}

fn signal(name: &str, pid: u32) {
    let status = Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status();
    assert!(status.expect("sh starts").success(), "the signal is sent");
}

#[test]
fn a_process_that_a_signal_ended_is_to_blame() {
    let mut run = Run::start();
    let one = run.child("party1");
    signal("STOP", one);
    signal("KILL", one);
    let output = run.launcher.wait_with_output().expect("the launcher ends");
    assert_eq!(error_line(&output), "error: party 1 was ended by signal 9");
    assert_eq!(output.status.code(), Some(3));
    assert!(!run.folder.files().contains(&"z.npy".to_owned()), "nothing is written");
}

#[test]
fn a_signal_ends_the_launcher_with_all_that_is_its() {
    for name in ["INT", "TERM", "HUP", "QUIT"] {
        // What the tests are started with their processes inherit.
        if name == "HUP" && hangup_is_ignored() {
            continue;
        }
        let mut run = Run::start();
        let dealer = run.child("deal");
        // Stopped, it holds the job up until it is ended.
        signal("STOP", dealer);
        signal(name, run.launcher.id());
        let status = run.launcher.wait().expect("the launcher ends");
        assert_eq!(status.code(), Some(130), "{name}");
        assert!(is_gone(dealer), "{name}");
        assert_eq!(run.left(), 0, "{name}");
        assert!(!run.folder.files().contains(&"z.npy".to_owned()), "nothing is written");
    }
}

#[test]
fn processes_do_not_outlive_a_launcher_that_is_killed() {
    let mut run = Run::start();
    let dealer = run.child("deal");
    signal("STOP", dealer);
    signal("KILL", run.launcher.id());
    run.launcher.wait().expect("the launcher ends");
    signal("CONT", dealer);
    // Left to itself, the dealer would wait for its parties until its deadline, far beyond this.
    let patience = 60_000;
    let gone = (0..patience / 10).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        is_gone(dealer)
    });
    assert!(gone, "the dealer ends with its launcher");
}

/// Every file below a folder.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries =
        std::fs::read_dir(folder).expect("the folder is listed").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

#[test]
fn a_launcher_that_is_killed_leaves_neither_keys_nor_results() {
    let folder = Folder::new();
    folder.text("x.csv", "3.25\n");
    folder.text("w.csv", "4\n");
    let text = job(64, 16, "z = x * w").replace(".npy", ".csv").replace("z.csv", "z-{batch}.csv");
    folder.text("job.toml", &text.replace("ring_bits", "batches = 2000\nring_bits"));
    std::fs::create_dir(folder.path("tmp")).expect("a folder");
    let arguments = ["run", "job.toml", "--local", "--device", "cpu", "--trace", "trace.json"];
    let mut command = folder.command(&arguments);
    command.env("TMPDIR", folder.path("tmp")).stdout(Stdio::null()).stderr(Stdio::null());
    let mut launcher = command.spawn().expect("the command starts");
    // Until results are on their way to the launcher.
    let party = loop {
        let children = children_of(launcher.id());
        if let Some((pid, _)) = children.iter().find(|(_, command)| command.contains("party1")) {
            break *pid;
        }
        assert!(launcher.try_wait().expect("it can be waited for").is_none(), "the job ended early");
        std::thread::sleep(Duration::from_millis(1));
    };
    std::thread::sleep(Duration::from_millis(500));
    let here = std::fs::read_to_string(format!("/proc/{party}/limits")).expect("limits");
    let core = here.lines().find_map(|line| line.strip_prefix("Max core file size")).expect("a limit");
    assert!(core.trim_start().starts_with("0 "), "no process dumps its memory: {core}");
    launcher.kill().expect("the launcher is killed");
    launcher.wait().expect("the launcher ends");
    let left = files_below(&folder.path("tmp"));
    let names: Vec<_> = left.iter().map(|path| path.file_name().expect("a name").to_string_lossy()).collect();
    assert!(names.iter().all(|name| name == "lock" || name.ends_with(".trace.json")), "{left:?}");
    for entry in std::fs::read_dir(folder.path("tmp")).expect("the folder is listed") {
        let metadata = entry.expect("an entry").metadata().expect("metadata");
        assert_eq!(metadata.permissions().mode() & 0o777, 0o700, "what is left is its user's alone");
    }
    assert!(folder.files().iter().all(|name| !name.starts_with("z-")), "no output appears in part");
    let mut next = folder.command(&["demo", "--device", "cpu"]);
    next.env("TMPDIR", folder.path("tmp")).stdout(Stdio::null());
    assert!(next.status().expect("the command starts").success());
    assert_eq!(files_below(&folder.path("tmp")), Vec::<PathBuf>::new(), "the next launcher removes it");
}
