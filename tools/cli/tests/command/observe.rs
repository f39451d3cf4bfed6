//! What a node lets others see of its work: logs, counters in reports, and metrics.

use crate::support::{Folder, data, deployment, job, json, refused, stderr};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

fn folder() -> Folder {
    let folder = Folder::new();
    data(&folder);
    folder.text("job.toml", &job(64, 16, "z = x @ w"));
    folder
}

/// What an event may speak of.
const WORDS: [&str; 16] = [
    "timestamp",
    "level",
    "target",
    "message",
    "role",
    "peer",
    "run",
    "steps",
    "sent",
    "received",
    "received_there",
    "offline_s",
    "online_s",
    "reason",
    "error",
    "streams",
];

#[test]
fn a_log_of_all_nodes_is_one_json_object_a_line() {
    let folder = folder();
    let arguments =
        ["run", "job.toml", "--local", "--device", "cpu", "--log", "debug", "--log-format", "json"];
    let output = folder.run(&arguments);
    assert!(output.status.success(), "{}", stderr(&output));
    let stderr = stderr(&output);
    let event = |line| serde_json::from_str(line).unwrap_or_else(|_| panic!("JSON alone, and not {line}"));
    let events: Vec<Value> = stderr.lines().map(event).collect();
    for role in ["party 0", "party 1", "the dealer"] {
        let said =
            |message: &str| events.iter().any(|event| event["role"] == role && event["message"] == message);
        assert!(said("connected") && said("the run is over"), "{role}: {stderr}");
    }
    for event in &events {
        let target = event["target"].as_str().expect("where it was said");
        assert!(target.starts_with("symbolon"), "only what this program says: {event}");
        let unknown = event.as_object().expect("an object").keys().find(|key| !WORDS.contains(&key.as_str()));
        assert_eq!(unknown, None, "only who, what, how much and how long: {event}");
    }
}

#[test]
fn a_log_for_programs_has_notes_and_failures_as_json_too() {
    let folder = folder();
    deployment(&folder);
    let log = ["--log", "error", "--log-format", "json"];
    let cases = [
        (&["deal", "--config", "dealer.toml", "--deadline", "1", "--metrics", "127.0.0.1:0"][..], 3),
        (&["run", "missing.toml", "--local", "--json"], 2),
        (&["run", "--local", "--json"], 2),
        (&["run", "job.toml", "--local", "--json", "--report", "report"], 0),
        (&["plan", "job.toml", "--json"], 0),
    ];
    for (arguments, status) in cases {
        let output = folder.run(&[arguments, &log[..]].concat());
        let stderr = stderr(&output);
        assert_eq!(output.status.code(), Some(status), "{stderr}");
        let events: Vec<Value> = stderr.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        assert_eq!(events.len(), stderr.lines().count(), "JSON alone: {stderr}");
        let failed = events.iter().any(|event| event["level"] == "ERROR" && event["status"] == status);
        assert_eq!(failed, status != 0, "the failure is an event: {stderr}");
        let said =
            |word| events.iter().any(|event| event["message"].as_str().is_some_and(|it| it.contains(word)));
        assert!(arguments[0] != "deal" || said("is listening on") && said("metrics are at"), "{stderr}");
    }
}

#[test]
fn without_a_log_nothing_is_said() {
    let output = folder().run(&["run", "job.toml", "--local", "--device", "cpu"]);
    assert!(output.status.success() && output.stderr.is_empty(), "{}", stderr(&output));
}

#[test]
fn reports_count_what_crosses_each_link() {
    let folder = folder();
    let report = json(&folder.run(&["run", "job.toml", "--local", "--device", "cpu", "--json"]));
    let (zero, one) = (&report["parties"][0], &report["parties"][1]);
    let link = |role: &Value, peer: &str| {
        let links = role["peers"].as_array().expect("links").iter();
        links.clone().find(|link| link["id"] == peer).expect("a link with each peer").clone()
    };
    let (there, here) = (link(zero, "1"), link(one, "0"));
    assert!(there["bytes_sent"].as_u64() > zero["bytes_sent"].as_u64(), "with headers and control messages");
    assert_eq!((&there["reconnects"], &here["reconnects"]), (&0.into(), &0.into()));
    assert_eq!(there["bytes_resent"], 0);
    assert!(link(one, "dealer")["frames_received"].as_u64() > Some(0));
    assert!(report["dealer"]["peers"].as_array().is_some_and(|links| links.len() == 2));
}

#[test]
fn metrics_of_a_node_are_served_on_loopback_while_it_works() {
    let folder = folder();
    deployment(&folder);
    let arguments = ["deal", "--config", "dealer.toml", "--metrics", "127.0.0.1:0", "--deadline", "600"];
    let mut dealer = folder.start(&arguments);
    let mut lines = BufReader::new(dealer.stderr.take().expect("a piped stderr")).lines();
    let address = lines
        .find_map(|line| Some(line.expect("text").strip_prefix("metrics are at http://")?.to_owned()))
        .expect("where metrics are");
    let address = address.strip_suffix("/metrics").expect("their path");
    let mut stream = TcpStream::connect(address).expect("metrics are served");
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n").expect("a request is sent");
    let mut response = String::new();
    stream.read_to_string(&mut response).expect("a response");
    dealer.kill().expect("the dealer is ended");
    dealer.wait().expect("the dealer ends");
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    assert!(response.contains("# TYPE symbolon_link_sent_bytes_total counter\n"), "{response}");
}

#[test]
fn metrics_are_for_one_node_and_for_its_own_machine() {
    let folder = folder();
    deployment(&folder);
    let line = refused(&folder, &["deal", "--config", "dealer.toml", "--metrics", "0.0.0.0:9100"], 2);
    assert!(line.contains("take a loopback address"), "{line}");
    let line = refused(&folder, &["run", "job.toml", "--local", "--metrics", "127.0.0.1:9100"], 2);
    assert!(line.contains("--metrics is for one node"), "{line}");
}
