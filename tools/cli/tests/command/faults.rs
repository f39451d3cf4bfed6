//! Whatever happens to a process or its connections, and whenever: either the run goes on and is right, or all the
//! others end, with a status and a line that say whose fault it was. The guide has the table.

use crate::proxy::{DEALS, Ended, Fault, Line, Moment, ONE, ZERO, nodes, run};
use crate::support::{Folder, declared, error_line, job, replicated_job, stderr};
use ndarray::Array2;
use std::collections::BTreeMap;
use std::process::{Child, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;
use symbolon::net::IdentityPem;
use symbolon::protocol::Protocol;
use symbolon::share::Role;

/// Rows and columns of the inputs: each message is large next to greetings and control messages.
const SIZE: usize = 128;

/// A protocol, and how many streams its links have.
type Setting = (Protocol, u8);

/// What is tried: the first with every trouble in every phase.
const SETTINGS: [Setting; 3] = [(Protocol::Beaver, 1), (Protocol::Replicated, 1), (Protocol::Beaver, 3)];

/// Deployments at a time: they mostly wait.
const AT_ONCE: usize = 6;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Handshake,
    Offline,
    Online,
    Output,
}

const PHASES: [Phase; 4] = [Phase::Handshake, Phase::Offline, Phase::Online, Phase::Output];

impl Phase {
    /// The line that shows it, and from which percentage of its bytes on.
    fn place(self, victim: usize) -> (Line, u64) {
        match self {
            Phase::Handshake => (if victim == DEALS { Line::DealsOne } else { Line::ZeroOne }, 0),
            // Party 0's share of a correlation comes from its key: corrections cross this one only.
            Phase::Offline => (Line::DealsOne, 50),
            Phase::Online => (Line::ZeroOne, 10),
            Phase::Output => (Line::ZeroOne, 92),
        }
    }
}

/// What is wrong with a node, or becomes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    Once(Fault),
    ForGood(Fault),
    WrongCertificate,
    ExpiredCertificate,
    DifferentJob,
    LateStart,
    NoStart,
}

/// The rows of the table.
const TROUBLES: [(&str, Trouble); 14] = [
    ("killed", Trouble::Once(Fault::Signal("KILL"))),
    ("frozen", Trouble::Once(Fault::Signal("STOP"))),
    ("its connections cut once", Trouble::Once(Fault::Cut)),
    ("cut off for good", Trouble::ForGood(Fault::Cut)),
    ("garbage in its connections once", Trouble::Once(Fault::Garbage)),
    ("garbage in all of its connections", Trouble::ForGood(Fault::Garbage)),
    ("its connections half-closed once", Trouble::Once(Fault::HalfClose)),
    ("all of its connections half-closed", Trouble::ForGood(Fault::HalfClose)),
    ("slow", Trouble::ForGood(Fault::Slow)),
    ("wrong certificate", Trouble::WrongCertificate),
    ("expired certificate", Trouble::ExpiredCertificate),
    ("another job", Trouble::DifferentJob),
    ("started late", Trouble::LateStart),
    ("never started", Trouble::NoStart),
];

impl Trouble {
    /// Who is what is shown, and which job, comes before any data: there is no such trouble later.
    fn exists(self, phase: Phase) -> bool {
        matches!(self, Trouble::Once(_) | Trouble::ForGood(_)) || phase == Phase::Handshake
    }

    /// What every node should do.
    fn expected(self) -> &'static str {
        match self {
            Trouble::Once(Fault::Cut | Fault::Garbage | Fault::HalfClose)
            | Trouble::ForGood(Fault::Slow)
            | Trouble::LateStart => "goes on",
            Trouble::DifferentJob => "5, difference named",
            _ => "3, node named",
        }
    }
}

fn folder(protocol: Protocol) -> Folder {
    let folder = Folder::new();
    for name in ["x.npy", "w.npy"] {
        folder.npy(name, &Array2::<f64>::ones((SIZE, SIZE)));
    }
    let text = match protocol.default_source().process() {
        Some(_) => job(64, 16, "z = x @ w"),
        // Who only deals has said farewell before the others are done; who learns the result has not.
        None => replicated_job(64, 16, "z = x @ w").replace("to = [0]", "to = [2]"),
    };
    folder.text("job.toml", &declared(&text, [SIZE; 2], [SIZE; 2]));
    folder
}

fn start(folder: &Folder, _node: usize, arguments: &[&str]) -> Option<Child> {
    Some(folder.start(arguments))
}

/// Bytes that cross a line in a run that ends well.
fn bytes_of(setting: Setting, line: Line) -> u64 {
    static CARRIED: [OnceLock<BTreeMap<Line, u64>>; SETTINGS.len()] = [const { OnceLock::new() }; 3];
    let index = SETTINGS.iter().position(|&other| other == setting).expect("it is tried");
    CARRIED[index].get_or_init(|| {
        let (protocol, streams) = setting;
        let ended = run(folder(protocol), Moment { protocol, streams, ..Moment::NEVER }, |_| {}, start);
        assert_eq!(outcome(&ended, &nodes(protocol), DEALS, false), Ok("goes on"));
        ended.carried
    })[&line]
}

/// Lets a node have its trouble in a phase.
fn run_with(setting: Setting, trouble: Trouble, victim: usize, phase: Phase) -> Ended {
    let (protocol, streams) = setting;
    let (line, percent) = phase.place(victim);
    let moment = |fault, stays| {
        let after_bytes = bytes_of(setting, line) * percent / 100;
        Moment { protocol, streams, fault, victim, line, after_bytes, stays }
    };
    let starts = |folder: &Folder, node: usize, arguments: &[&str]| match trouble {
        Trouble::NoStart if node == victim => None,
        Trouble::LateStart if node == victim => {
            // The others are there by then, and wait.
            let late = format!("sleep 1; exec \"$0\" {}", arguments.join(" "));
            Some(folder.start_by("sh", &["-c", &late]))
        }
        Trouble::DifferentJob if node == victim => {
            let other: Vec<&str> =
                arguments.iter().map(|&word| if word == "job.toml" { "other.toml" } else { word }).collect();
            Some(folder.start(&other))
        }
        _ => Some(folder.start(arguments)),
    };
    let (moment, prepare): (Moment, &dyn Fn(&Folder)) = match trouble {
        Trouble::Once(fault) => (moment(fault, false), &|_| {}),
        Trouble::ForGood(fault) => (moment(fault, true), &|_| {}),
        Trouble::WrongCertificate => (Moment::NEVER, &|folder| {
            certify(folder, victim, Duration::from_secs(60 * 60), false);
        }),
        Trouble::ExpiredCertificate => (Moment::NEVER, &|folder| {
            certify(folder, victim, Duration::ZERO, true);
            // Valid to the end of the second in which it was made.
            std::thread::sleep(Duration::from_secs(2));
        }),
        Trouble::DifferentJob => (Moment::NEVER, &|folder| {
            folder.text("other.toml", &declared(&job(64, 12, "z = x @ w"), [SIZE; 2], [SIZE; 2]));
        }),
        Trouble::LateStart | Trouble::NoStart => (Moment::NEVER, &|_| {}),
    };
    run(folder(protocol), moment, prepare, starts)
}

/// Gives a node a new identity, which its peers believe where `pinned`.
fn certify(folder: &Folder, node: usize, validity: Duration, pinned: bool) {
    let (role, name) =
        [(Role::Dealer, "dealer"), (Role::party(0), "party0"), (Role::party(1), "party1")][node];
    let pem = IdentityPem::generate(role, validity).expect("an identity");
    let nodes = folder.path("nodes");
    std::fs::write(nodes.join(name).join("identity.key"), pem.key.as_bytes()).expect("a key");
    std::fs::write(nodes.join(name).join("identity.crt"), &pem.certificate).expect("a certificate");
    for other in ["dealer", "party0", "party1"].into_iter().filter(|&other| pinned && other != name) {
        let pin = nodes.join(other).join("peers").join(format!("{name}.crt"));
        std::fs::write(pin, &pem.certificate).expect("a certificate");
    }
}

/// What a deployment came to in which `victim` had its trouble: one for all nodes, or an account of what is wrong.
fn outcome(
    ended: &Ended,
    nodes: &[String; 3],
    victim: usize,
    names_step: bool,
) -> Result<&'static str, String> {
    let Ended { folder, outputs, .. } = ended;
    let account = || outputs.each_ref().map(|output| (output.status.code(), stderr(output)));
    whole_or_absent(folder).map_err(|wrong| format!("{wrong}: {:?}", account()))?;
    let others: Vec<&Output> = (0..3).filter(|&node| node != victim).map(|node| &outputs[node]).collect();
    if others.iter().all(|output| output.status.success()) && outputs[victim].status.success() {
        return if folder.files().contains(&"z.npy".to_owned()) {
            Ok("goes on")
        } else {
            Err("no result".into())
        };
    }
    let lines: Vec<(Option<i32>, String)> = others.into_iter().map(end).collect();
    let names = |line: &str| line.contains(&nodes[victim]);
    if lines.iter().all(|(status, line)| *status == Some(3) && names(line)) {
        let step = lines.iter().any(|(_, line)| line.contains("(in "));
        return if step || !names_step { Ok("3, node named") } else { Err(format!("no step: {lines:?}")) };
    }
    let differs = |(status, line): (Option<i32>, String)| status == Some(5) && line.contains("fraction_bits");
    let refused = [ZERO, ONE].iter().all(|&party| differs(end(&outputs[party])));
    if refused && end(&outputs[DEALS]).0 == Some(3) {
        return Ok("5, difference named");
    }
    Err(format!("{:?}", account()))
}

/// How a process ended, and the line that says why.
fn end(output: &Output) -> (Option<i32>, String) {
    let stderr = stderr(output);
    let line = stderr.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
    (output.status.code(), line.to_owned())
}

/// An output is there as a whole, or not at all.
fn whole_or_absent(folder: &Folder) -> Result<(), String> {
    if !folder.files().contains(&"z.npy".to_owned()) {
        return Ok(());
    }
    let z: Array2<f64> = folder.read("z.npy");
    let right = z.dim() == (SIZE, SIZE) && z.iter().all(|z| (z - SIZE as f64).abs() < 0.01);
    if right { Ok(()) } else { Err("a result that is wrong".into()) }
}

/// A deployment, and which node has what trouble when.
type Cell = (Setting, Trouble, usize, Phase);

/// Makes sure that a deployment ends as its cell of the table says.
fn cell((setting, trouble, victim, phase): Cell) -> Result<(), String> {
    // Once a node has its inputs from the dealer, or has sent its last message, only its farewell is awaited.
    let names_step = !matches!(phase, Phase::Handshake | Phase::Output) && victim != DEALS;
    let (ended, nodes) = (in_time((setting, trouble, victim, phase), names_step), nodes(setting.0));
    let found = match outcome(&ended, &nodes, victim, names_step) {
        Ok(found) if found == trouble.expected() => return Ok(()),
        Ok(found) => found.to_owned(),
        Err(account) => account,
    };
    Err(format!("{setting:?}: {trouble:?} of {} in {phase:?}: {found}", nodes[victim]))
}

/// Brings a trouble about. It may come when another node has everything and has taken leave of the victim, which a signal
/// reaches late on a busy machine: that node ends well, as it should, or it waits for a farewell alone and names no step; so it
/// was too late for the cell, and is brought about again. However else a node ends is what the cell is held against.
fn in_time((setting, trouble, victim, phase): Cell, names_step: bool) -> Ended {
    const TRIES: usize = 5;
    let too_late = |ended: &Ended| {
        let mut others = (0..3).filter(|&node| node != victim).map(|node| &ended.outputs[node]);
        let only_farewell = names_step && others.clone().all(|output| !end(output).1.contains("(in "));
        trouble.expected() != "goes on" && (only_farewell || others.any(|output| output.status.success()))
    };
    let run = || run_with(setting, trouble, victim, phase);
    (1..TRIES).fold(run(), |ended, _| if too_late(&ended) { run() } else { ended })
}

/// The table that the guide has.
fn table() -> String {
    let mut table =
        String::from("| a node is | handshake | offline | online | output |\n|---|---|---|---|---|\n");
    for (name, trouble) in TROUBLES {
        let cells = PHASES.map(|phase| if trouble.exists(phase) { trouble.expected() } else { "–" });
        table += &format!("| {name} | {} |\n", cells.join(" | "));
    }
    table
}

#[test]
fn every_trouble_of_every_node_in_every_phase_ends_as_the_table_says() {
    let mut cells: Vec<Cell> = Vec::new();
    for (setting, trouble) in SETTINGS.into_iter().flat_map(|s| TROUBLES.map(|(_, t)| (s, t))) {
        // The links of all are the same: of three parties, and of several streams, two troubles stand for all, and
        // online some others.
        let stands = |phase| match trouble {
            _ if setting == SETTINGS[0] => true,
            Trouble::Once(Fault::Signal("KILL") | Fault::Cut) => true,
            Trouble::Once(Fault::Signal(_) | Fault::Garbage | Fault::HalfClose)
            | Trouble::ForGood(Fault::Garbage | Fault::HalfClose) => phase == Phase::Online,
            _ => false,
        };
        bytes_of(setting, Line::ZeroOne);
        for victim in [DEALS, ZERO, ONE] {
            // The dealer is told no job.
            let tells = trouble != Trouble::DifferentJob || victim != DEALS;
            let phases = PHASES.into_iter().filter(|&phase| tells && trouble.exists(phase) && stands(phase));
            cells.extend(phases.map(|phase| (setting, trouble, victim, phase)));
        }
    }
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(&next) = cells.get(next.fetch_add(1, Ordering::SeqCst)) {
                    if let Err(account) = cell(next) {
                        wrong.lock().expect("no panic").push(account);
                    }
                }
            });
        }
    });
    println!("{} deployments:\n{}", cells.len(), table());
    let wrong = wrong.into_inner().expect("no panic");
    assert!(wrong.is_empty(), "{} of {} cells: {}", wrong.len(), cells.len(), wrong.join("\n"));
    let chapter = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../src/guide/faults.md");
    let chapter = std::fs::read_to_string(chapter).expect("the guide's chapter");
    assert!(chapter.contains(&table()), "the guide has this table");
}

#[test]
fn connections_that_are_dropped_again_and_again_change_nothing() {
    const DROPS: u64 = 24;
    for (protocol, streams) in SETTINGS {
        let moment = Moment { protocol, streams, fault: Fault::Drops(DROPS), ..Moment::NEVER };
        let ended = run(folder(protocol), moment, |_| {}, start);
        assert_eq!(outcome(&ended, &nodes(protocol), DEALS, false), Ok("goes on"));
        assert!(ended.dropped > 3, "connections were made again: {}", ended.dropped);
    }
}

#[test]
fn an_expired_certificate_is_warned_about_and_its_owner_told_what_to_do() {
    let ended = run_with(SETTINGS[0], Trouble::ExpiredCertificate, ONE, Phase::Handshake);
    for output in &ended.outputs[..2] {
        let warning = "warning: the certificate of party 1 expired less than a day ago";
        assert!(stderr(output).contains(warning), "{}", stderr(output));
    }
    let line = error_line(&ended.outputs[ONE]);
    assert!(line.contains("expired") && line.contains("symbolon init --renew"), "{line}");
    assert_eq!(ended.outputs[ONE].status.code(), Some(2), "{line}");
}
