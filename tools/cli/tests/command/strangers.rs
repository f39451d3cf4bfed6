//! Strangers who reach the nodes' ports, from the nodes' own address.

use crate::support::{Folder, data, declared, deployment, job, stderr};
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// Idle connections in all, where a process may have as many files open.
const STRANGERS: usize = 10_000;

/// The addresses that a process of strangers connects to, with commas between them.
const ADDRESSES: &str = "SYMBOLON_TEST_STRANGERS";

/// How the line begins in which it says how many connections there are.
const MADE: &str = "strangers: ";

/// Strangers in a process of their own, since they take as many files as one may have open.
struct Strangers {
    child: Child,
    /// Its further output, which must have a reader.
    _said: BufReader<ChildStdout>,
}

impl Strangers {
    /// Comes back when all are there, or as many as connect in a minute, with their number.
    fn come(addresses: [SocketAddr; 2]) -> (Strangers, usize) {
        let program = std::env::current_exe().expect("this test's program");
        let mut child = Command::new(program)
            .args(["--exact", "strangers::a_process_of_strangers_holds_idle_connections", "--nocapture"])
            .env(ADDRESSES, addresses.map(|address| address.to_string()).join(","))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the strangers start");
        let mut said = BufReader::new(child.stdout.take().expect("a piped stdout"));
        let mut lines = said.by_ref().lines().map_while(Result::ok);
        let made = lines.find_map(|line| Some(line.split_once(MADE)?.1.to_owned()));
        let made = made.expect("they say how many they are").parse().expect("a number");
        (Strangers { child, _said: said }, made)
    }
}

impl Drop for Strangers {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// What [`Strangers`] starts; as a test of its own it has nothing to do.
#[test]
fn a_process_of_strangers_holds_idle_connections() {
    let Ok(addresses) = std::env::var(ADDRESSES) else { return };
    let addresses: Vec<SocketAddr> =
        addresses.split(',').map(|address| address.parse().expect("an address")).collect();
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let many = files.map_or(STRANGERS, |files| STRANGERS.min(files as usize * 3 / 4));
    let begun = Instant::now();
    let mut held = Vec::new();
    for address in addresses.iter().cycle() {
        if held.len() == many || begun.elapsed() > Duration::from_secs(60) {
            break;
        }
        match TcpStream::connect_timeout(address, Duration::from_secs(1)) {
            Ok(stream) => held.push(stream),
            Err(_) => std::thread::sleep(Duration::from_millis(1)),
        }
    }
    println!("\n{MADE}{}", held.len());
    let _ = std::io::stdin().read(&mut [0]);
}

/// Where party 0 of [`deployment`] listens.
fn listens(folder: &Folder) -> SocketAddr {
    let text = std::fs::read_to_string(folder.path("p0.toml")).expect("a configuration");
    let line = text.lines().find_map(|line| line.strip_prefix("listen = ")).expect("an address");
    line.trim_matches('"').parse().expect("an address")
}

#[test]
fn ten_thousand_idle_connections_do_not_keep_the_nodes_apart() {
    let folder = Folder::new();
    data(&folder);
    folder.text("job.toml", &declared(&job(64, 16, "z = x @ w"), [2, 3], [3, 2]));
    let dealer = deployment(&folder);
    let zero = listens(&folder);
    let start = |arguments: &[&str]| {
        folder.start(&[arguments, &["--device", "cpu", "--threads", "1", "--deadline", "120"]].concat())
    };
    let first =
        [start(&["deal", "--config", "dealer.toml"]), start(&["run", "job.toml", "--party", "p0.toml"])];
    // The last comes when all strangers are there.
    let (strangers, many) = Strangers::come([dealer, zero]);
    assert!(many > 600, "more strangers than a node has places for: {many}");
    let last = start(&["run", "job.toml", "--party", "p1.toml"]);
    for child in first.into_iter().chain([last]) {
        let output = child.wait_with_output().expect("the command ends");
        assert!(output.status.success(), "the nodes meet among {many} strangers: {}", stderr(&output));
    }
    drop(strangers);
    let z: ndarray::Array2<f64> = folder.read("z.npy");
    assert!((z[(0, 0)] - 5.0).abs() < 1e-3, "{z}");
}
