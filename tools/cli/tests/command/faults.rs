//! Whatever happens to a process or a connection, and whenever: all the others end, with a status and a line that say
//! whose fault it was.
//!
//! Every connection of a deployment passes through a proxy, which waits until so much of it has crossed, stops it, and
//! lets the fault happen: so a fault lies in its phase however fast the machine is.

use crate::support::{
    Folder, deployment_behind, error_line, free_address, job, replicated_job, stderr, three_parties_behind,
};
use ndarray::Array2;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use symbolon::net::IdentityPem;
use symbolon::protocol::Protocol;
use symbolon::share::Role;

/// Rows and columns of the inputs: each message is large next to greetings and control messages.
const SIZE: usize = 128;

/// The processes, in the order of starting: who deals comes first.
const fn nodes(protocol: Protocol) -> [&'static str; 3] {
    match protocol {
        Protocol::Beaver => ["the dealer", "party 0", "party 1"],
        Protocol::Replicated => ["party 2", "party 0", "party 1"],
    }
}

const DEALS: usize = 0;
const ZERO: usize = 1;
const ONE: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Line {
    DealsZero,
    DealsOne,
    ZeroOne,
}

/// When a fault happens: once this share of a connection's bytes has crossed it, in percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Handshake,
    Offline,
    Online,
    Output,
}

impl Phase {
    /// Where it shows, and from which share on.
    fn place(self, line: Line) -> (Line, u64) {
        match self {
            Phase::Handshake => (line, 0),
            // Party 0's share of a correlation comes from its key: corrections cross this one only.
            Phase::Offline => (Line::DealsOne, 50),
            Phase::Online => (Line::ZeroOne, 10),
            Phase::Output => (Line::ZeroOne, 92),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Nothing,
    /// A signal to the process at this position.
    Signal(&'static str, usize),
    Cut,
    Garbage,
    /// One direction of the connection ends.
    HalfClose,
    /// The connection becomes slow.
    Slow,
}

/// What the proxies of a deployment share.
struct Scene {
    fault: Fault,
    line: Line,
    after_bytes: u64,
    happened: AtomicBool,
    /// Nothing passes while the fault happens.
    gate: Mutex<()>,
    processes: Mutex<Vec<u32>>,
    carried: Mutex<BTreeMap<Line, u64>>,
}

impl Scene {
    /// Lets the fault happen, if it is time; says what then becomes of the bytes that wait.
    fn decide(&self, line: Line, carried: u64) -> Option<Fault> {
        let _gate = self.gate.lock().expect("no panic");
        let due = line == self.line && carried > self.after_bytes && self.fault != Fault::Nothing;
        if !due || self.happened.swap(true, Ordering::SeqCst) {
            return None;
        }
        if let Fault::Signal(name, position) = self.fault {
            let process = self.process(position);
            let status = Command::new("sh").args(["-c", &format!("kill -{name} {process}")]).status();
            assert!(status.expect("sh starts").success(), "the signal is sent");
        }
        Some(self.fault)
    }

    fn process(&self, position: usize) -> u32 {
        loop {
            if let Some(&process) = self.processes.lock().expect("no panic").get(position) {
                return process;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Passes connections on to `to`.
fn proxy(scene: &Arc<Scene>, line: Line, to: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    let scene = scene.clone();
    std::thread::spawn(move || {
        for near in listener.incoming() {
            let (Ok(near), Ok(far)) = (near, TcpStream::connect(to)) else { continue };
            let carried = Arc::new(AtomicU64::new(0));
            let ends = [(&near, &far), (&far, &near)].map(|(from, to)| {
                (from.try_clone().expect("a second handle"), to.try_clone().expect("a second handle"))
            });
            for (from, to) in ends {
                let (scene, carried) = (scene.clone(), carried.clone());
                std::thread::spawn(move || pump(&scene, line, from, to, &carried));
            }
        }
    });
    address
}

/// One direction of a connection.
fn pump(
    scene: &Scene,
    line: Line,
    mut from: TcpStream,
    mut to: TcpStream,
    carried: &AtomicU64,
) -> Option<()> {
    let mut buffer = [0; 4096];
    let mut slow = false;
    loop {
        let count = from.read(&mut buffer).unwrap_or(0);
        if count == 0 {
            let _ = to.shutdown(Shutdown::Write);
            return None;
        }
        let carried = carried.fetch_add(count as u64, Ordering::SeqCst) + count as u64;
        match scene.decide(line, carried) {
            None | Some(Fault::Nothing) => {}
            // A process that is no end of this connection does not stop it.
            Some(Fault::Signal(..)) => {}
            Some(Fault::Cut) => {
                let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
                return None;
            }
            Some(Fault::Garbage) => {
                let _ = (from.write_all(&[0x5a; 4096]), to.write_all(&[0x5a; 4096]));
            }
            Some(Fault::HalfClose) => {
                let _ = to.shutdown(Shutdown::Write);
                while from.read(&mut buffer).is_ok_and(|count| count > 0) {}
                return None;
            }
            Some(Fault::Slow) => slow = true,
        }
        if slow {
            std::thread::sleep(Duration::from_millis(20));
        }
        to.write_all(&buffer[..count]).ok()?;
        let mut totals = scene.carried.lock().expect("no panic");
        let total = totals.entry(line).or_default();
        *total = carried.max(*total);
    }
}

/// Runs a deployment through proxies; returns how its processes ended, the stopped ones too.
fn run(protocol: Protocol, fault: Fault, line: Line, after_bytes: u64) -> ([Output; 3], BTreeMap<Line, u64>) {
    let folder = Folder::new();
    for name in ["x.npy", "w.npy"] {
        folder.npy(name, &Array2::<f64>::ones((SIZE, SIZE)));
    }
    let text = match protocol {
        Protocol::Beaver => job(64, 16, "z = x @ w"),
        // Who only deals has said farewell before the others are done; who learns the result has not.
        Protocol::Replicated => replicated_job(64, 16, "z = x @ w").replace("to = [0]", "to = [2]"),
    };
    folder.text("job.toml", &text);
    let (happened, gate, processes, carried) = Default::default();
    let scene = Arc::new(Scene { fault, line, after_bytes, happened, gate, processes, carried });
    let (deals, zero) = (free_address(), free_address());
    let through = |line, to| {
        let line = match line {
            (0, 1) => Line::ZeroOne,
            (2, 0) | (0, 2) => Line::DealsZero,
            _ => Line::DealsOne,
        };
        proxy(&scene, line, to)
    };
    let third: &[&str] = match protocol {
        Protocol::Beaver => {
            deployment_behind(&folder, deals, zero, through);
            &["deal", "--config", "dealer.toml"]
        }
        Protocol::Replicated => {
            three_parties_behind(&folder, [zero, free_address()], through);
            &["run", "job.toml", "--party", "p2.toml"]
        }
    };
    let common = ["--device", "cpu", "--threads", "1", "--deadline", "8", "--silence", "2"];
    let commands: [&[&str]; 3] =
        [third, &["run", "job.toml", "--party", "p0.toml"], &["run", "job.toml", "--party", "p1.toml"]];
    let mut children = commands.map(|command| folder.start(&[command, &common].concat()));
    *scene.processes.lock().expect("no panic") = children.iter().map(|child| child.id()).collect();
    if let Fault::Signal(_, victim) = fault {
        for (position, child) in children.iter_mut().enumerate() {
            if position != victim {
                child.wait().expect("the command ends");
            }
        }
        let _ = children[victim].kill();
    }
    let outputs = children.map(|child| child.wait_with_output().expect("the command ends"));
    let carried = scene.carried.lock().expect("no panic").clone();
    (outputs, carried)
}

/// Bytes that cross a connection of a run that ends well.
fn bytes_of(protocol: Protocol, line: Line) -> u64 {
    static CARRIED: [OnceLock<BTreeMap<Line, u64>>; 2] = [OnceLock::new(), OnceLock::new()];
    CARRIED[usize::from(protocol == Protocol::Replicated)].get_or_init(|| {
        let (outputs, carried) = run(protocol, Fault::Nothing, Line::ZeroOne, 0);
        outputs.iter().for_each(|output| assert!(output.status.success(), "{}", stderr(output)));
        carried
    })[&line]
}

fn run_at(protocol: Protocol, fault: Fault, line: Line, phase: Phase) -> [Output; 3] {
    let (line, percent) = phase.place(line);
    run(protocol, fault, line, bytes_of(protocol, line) * percent / 100).0
}

/// Makes sure that a survivor ended with status 3 and one line with one of these names.
fn blames(output: &Output, names: &[&str], case: &str) -> String {
    let line = error_line(output);
    assert_eq!(output.status.code(), Some(3), "{case}: {line}");
    assert!(names.iter().any(|name| line.contains(name)), "{case}: {line}");
    line
}

const PHASES: [Phase; 4] = [Phase::Handshake, Phase::Offline, Phase::Online, Phase::Output];

/// A signal to each process in each phase.
fn signal_in_every_phase(protocol: Protocol, signal: &'static str) {
    let nodes = nodes(protocol);
    for phase in PHASES {
        for (victim, line) in [(DEALS, Line::DealsOne), (ZERO, Line::ZeroOne), (ONE, Line::ZeroOne)] {
            let case = format!("{protocol}: SIG{signal} to {} in {phase:?}", nodes[victim]);
            let outputs = run_at(protocol, Fault::Signal(signal, victim), line, phase);
            let survivors = (0..3).filter(|&position| position != victim);
            let lines: Vec<String> =
                survivors.map(|position| blames(&outputs[position], &[nodes[victim]], &case)).collect();
            // By then, what the victim still had to send may have left it, and only its farewell is awaited.
            let may_be_done = phase == Phase::Output || victim == DEALS;
            if phase != Phase::Handshake && !may_be_done {
                assert!(
                    lines.iter().any(|line| line.contains("(in ")),
                    "{case}: the step is named: {lines:?}"
                );
            }
        }
    }
}

#[test]
fn a_process_that_is_killed_is_named_by_all_others() {
    Protocol::ALL.into_iter().for_each(|protocol| signal_in_every_phase(protocol, "KILL"));
}

#[test]
fn a_process_that_freezes_is_named_by_all_others() {
    signal_in_every_phase(Protocol::Beaver, "STOP");
}

/// A fault of each connection in each phase in which it carries something.
fn fault_on_every_line(fault: Fault) {
    let protocol = Protocol::Beaver;
    for (line, ends, phase) in [
        (Line::DealsOne, [DEALS, ONE], Phase::Offline),
        (Line::ZeroOne, [ZERO, ONE], Phase::Online),
        (Line::ZeroOne, [ZERO, ONE], Phase::Output),
    ] {
        let case = format!("{fault:?} of {line:?} in {phase:?}");
        let outputs = run_at(protocol, fault, line, phase);
        let names = ends.map(|end| nodes(protocol)[end]);
        let lines: Vec<String> = outputs.iter().map(|output| blames(output, &names, &case)).collect();
        assert!(lines.iter().any(|line| line.contains("(in ")), "{case}: the step is named: {lines:?}");
    }
    // Before they know each other, who connects tries again.
    for line in [Line::DealsZero, Line::ZeroOne] {
        let outputs = run_at(protocol, fault, line, Phase::Handshake);
        for output in outputs {
            assert!(output.status.success(), "{fault:?} of {line:?} at first: {}", stderr(&output));
        }
    }
}

#[test]
fn a_connection_that_is_cut_is_named() {
    fault_on_every_line(Fault::Cut);
}

#[test]
fn garbage_on_a_connection_ends_it() {
    fault_on_every_line(Fault::Garbage);
}

#[test]
fn a_connection_that_is_half_closed_is_named() {
    fault_on_every_line(Fault::HalfClose);
}

#[test]
fn a_slow_connection_is_no_fault() {
    for protocol in Protocol::ALL {
        for (line, phase) in [(Line::DealsOne, Phase::Offline), (Line::ZeroOne, Phase::Online)] {
            for output in run_at(protocol, Fault::Slow, line, phase) {
                assert!(output.status.success(), "{protocol}, {line:?}: {}", stderr(&output));
            }
        }
    }
}

#[test]
fn a_certificate_that_has_ended_is_named_by_all() {
    let folder = Folder::new();
    crate::support::data(&folder);
    folder.text("job.toml", &job(64, 16, "z = x @ w"));
    crate::support::deployment(&folder);
    let pem = IdentityPem::generate(Role::party(1), Duration::ZERO).expect("an identity");
    std::fs::write(folder.path("nodes/party1/identity.key"), pem.key.as_bytes()).expect("a key");
    for name in ["party1/identity.crt", "party0/peers/party1.crt", "dealer/peers/party1.crt"] {
        std::fs::write(folder.path(&format!("nodes/{name}")), &pem.certificate).expect("a certificate");
    }
    // Valid to the end of the second in which it was made.
    std::thread::sleep(Duration::from_secs(2));
    let start = |command: &[&str]| folder.start(&[command, &["--deadline", "2"]].concat());
    let children = [
        start(&["deal", "--config", "dealer.toml"]),
        start(&["run", "job.toml", "--party", "p0.toml"]),
        start(&["run", "job.toml", "--party", "p1.toml"]),
    ];
    let outputs = children.map(|child| child.wait_with_output().expect("the command ends"));
    for output in &outputs[..2] {
        blames(output, &["party 1"], "expired");
        let warning = "warning: the certificate of party 1 expired less than a day ago";
        assert!(stderr(output).contains(warning), "{}", stderr(output));
    }
    let line = error_line(&outputs[ONE]);
    assert!(line.contains("expired") && line.contains("symbolon init --renew"), "{line}");
    assert_eq!(outputs[ONE].status.code(), Some(2), "{line}");
}
