//! Signals that ask a node of a deployment to end, and the limits of the operating system.

use crate::support::{Folder, data, declared, deployment, error_line, job, json, stderr};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

fn ready(step: &str) -> Folder {
    let folder = Folder::new();
    data(&folder);
    folder.text("job.toml", &job(64, 16, step));
    folder
}

fn signal(name: &str, child: &Child) {
    let status = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status();
    assert!(status.expect("kill starts").success(), "the signal is sent");
}

fn ended(child: Child) -> Output {
    child.wait_with_output().expect("the command ends")
}

/// The object by which a command says in JSON why it failed.
fn failure(output: &Output) -> Value {
    let stdout = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("one object: {stdout}, {}", stderr(output)))
}

/// Starts one node of a deployment, with JSON and a patience that no test lasts.
fn node(folder: &Folder, arguments: &[&str]) -> Child {
    let common = ["--json", "--device", "cpu", "--deadline", "600", "--log", "info"];
    folder.start(&[arguments, &common].concat())
}

/// Waits until a node has said so on its stderr; what it says afterwards is read as well, so that it is never held up.
fn said(child: &mut Child, words: &str) {
    let mut lines = BufReader::new(child.stderr.take().expect("a piped stderr")).lines();
    let there = lines.any(|line| line.is_ok_and(|line| line.contains(words)));
    assert!(there, "the node says '{words}'");
    std::thread::spawn(move || lines.for_each(drop));
}

/// The object that a command prints that was asked to end.
fn interrupted() -> serde_json::Value {
    serde_json::json!({ "document": "failure", "schema": 1, "error": "interrupted", "status": 130 })
}

#[test]
fn a_node_that_is_asked_to_end_tells_its_peers_at_once() {
    let folder = ready("z = x @ w");
    // Long enough to be in the middle of.
    let steps: Vec<String> =
        (0..60).map(|step| format!("\"y{} = relu(y{step} @ w / 300)\"", step + 1)).collect();
    let steps = format!("\"y0 = x @ w / 300\", {}, \"z = y60 @ w\"", steps.join(", "));
    let job = declared(&job(64, 16, "z = x @ w"), [300, 300], [300, 300]);
    folder.text("job.toml", &job.replace("\"z = x @ w\"", &steps));
    folder.npy("x.npy", &ndarray::Array2::<f64>::ones((300, 300)));
    folder.npy("w.npy", &ndarray::Array2::<f64>::ones((300, 300)));
    for (name, asked) in [("TERM", 2), ("QUIT", 1), ("INT", 0)] {
        deployment(&folder);
        let mut nodes = [
            node(&folder, &["deal", "--config", "dealer.toml"]),
            node(&folder, &["run", "job.toml", "--party", "p0.toml"]),
            node(&folder, &["run", "job.toml", "--party", "p1.toml"]),
        ];
        said(&mut nodes[asked], "a run begins");
        signal(name, &nodes[asked]);
        let who = ["the dealer", "party 0", "party 1"][asked];
        for (index, child) in nodes.into_iter().enumerate() {
            let output = ended(child);
            let said = failure(&output);
            if index == asked {
                assert_eq!(said, interrupted(), "{name}");
                assert_eq!(output.status.code(), Some(130), "{name}");
            } else {
                let error = said["error"].as_str().expect("a line");
                assert!(error.contains(&format!("{who} gave up")), "{name} to {who}: {error}");
                assert_eq!(output.status.code(), Some(3), "{name} to {who}: {error}");
            }
        }
        std::fs::remove_dir_all(folder.path("nodes")).expect("the identities go");
        assert!(!folder.files().contains(&"z.npy".to_owned()), "nothing is written");
    }
}

#[test]
fn a_node_that_waits_for_others_ends_when_it_is_asked_to() {
    let folder = ready("z = x @ w");
    deployment(&folder);
    let mut dealer = node(&folder, &["deal", "--config", "dealer.toml"]);
    said(&mut dealer, "is listening on");
    let mut zero = node(&folder, &["run", "job.toml", "--party", "p0.toml"]);
    said(&mut zero, "is listening on");
    for child in [zero, dealer] {
        signal("TERM", &child);
        let output = ended(child);
        assert_eq!(failure(&output), interrupted());
        assert_eq!(output.status.code(), Some(130));
    }
}

#[test]
fn a_hangup_that_is_ignored_ends_no_node() {
    let folder = ready("z = x @ w");
    deployment(&folder);
    let program = folder.command(&[]).get_program().to_owned();
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' HUP; exec \"$0\" deal --config dealer.toml --deadline 3 --json"]).arg(program);
    shell.current_dir(folder.path("")).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut dealer = shell.spawn().expect("sh starts");
    said(&mut dealer, "is listening on");
    signal("HUP", &dealer);
    assert_eq!(ended(dealer).status.code(), Some(3), "it goes on, until its deadline");
}

/// Under a limit that the shell sets, as a user without rights where that matters.
fn limited(folder: &Folder, limit: &str, arguments: &[&str]) -> Output {
    let program = folder.command(&[]).get_program().to_owned();
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit {limit} && exec \"$0\" \"$@\"")]).arg(program).args(arguments);
    shell.current_dir(folder.path("")).stdin(Stdio::null()).env("XDG_RUNTIME_DIR", "/tmp");
    shell.output().expect("sh starts")
}

#[test]
fn too_few_files_are_a_lack_of_resources() {
    let folder = ready("z = x @ w");
    let run =
        ["run", "job.toml", "--local", "--device", "cpu", "--threads", "1", "--deadline", "5", "--json"];
    let mut refused = 0;
    for limit in [5, 6, 8, 10, 12, 14, 16, 20, 24] {
        let output = limited(&folder, &format!("-n {limit}"), &run);
        if output.status.success() {
            json(&output);
            continue;
        }
        refused += 1;
        let said = failure(&output);
        assert_eq!((output.status.code(), said["status"].as_i64()), (Some(4), Some(4)), "{limit}: {said}");
        assert_eq!(error_line(&output), format!("error: {}", said["error"].as_str().expect("a line")));
    }
    assert!(refused > 0, "some limit is too low");
}

#[test]
fn too_little_memory_or_no_threads_are_a_lack_of_resources() {
    let folder = ready("z = x @ w");
    let run =
        ["run", "job.toml", "--local", "--device", "cpu", "--threads", "1", "--deadline", "5", "--json"];
    let mut refused = 0;
    for limit in (30_000..80_000).step_by(4000) {
        let output = limited(&folder, &format!("-v {limit}"), &run);
        let words = stderr(&output);
        // Below what the program itself takes, the operating system does not start it, and ends it by a signal.
        if output.status.success() || output.status.code().is_none_or(|status| status > 70) {
            continue;
        }
        refused += 1;
        let said = failure(&output);
        assert_eq!((output.status.code(), said["status"].as_i64()), (Some(4), Some(4)), "{limit}: {words}");
        assert!(!words.contains("panicked"), "{words}");
    }
    assert!(refused > 0, "some limit is too low");
}

#[test]
fn an_abort_has_a_status_of_its_own() {
    let folder = ready("z = x @ w");
    deployment(&folder);
    let mut dealer = node(&folder, &["deal", "--config", "dealer.toml"]);
    said(&mut dealer, "is listening on");
    signal("ABRT", &dealer);
    let output = ended(dealer);
    assert_eq!((output.status.code(), failure(&output)["status"].as_i64()), (Some(70), Some(70)));
}
