//! A deployment whose connections all pass through proxies, which let something happen to them at a chosen moment.
//!
//! A proxy waits until so much of a connection has crossed it, stops everything, and lets the fault happen: so a fault
//! lies in its phase however fast the machine is.

use crate::support::{Folder, deployment_behind, free_address, three_parties_behind};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Output};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use symbolon::protocol::Protocol;
use symbolon::share::Role;

/// The processes, in the order of starting: who deals comes first.
pub fn nodes(protocol: Protocol) -> [String; 3] {
    let deals = protocol.default_source().dealer().expect("a role that deals");
    [deals, Role::party(0), Role::party(1)].map(|role| role.to_string())
}

pub const DEALS: usize = 0;
pub const ZERO: usize = 1;
pub const ONE: usize = 2;

/// A connection between two nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Line {
    DealsZero,
    DealsOne,
    ZeroOne,
}

impl Line {
    fn touches(self, node: usize) -> bool {
        match self {
            Line::DealsZero => node != ONE,
            Line::DealsOne => node != ZERO,
            Line::ZeroOne => node != DEALS,
        }
    }
}

/// What happens to a node, or to all of its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Nothing,
    /// A signal to the process.
    Signal(&'static str),
    Cut,
    Garbage,
    /// One direction ends.
    HalfClose,
    /// Little crosses in a time.
    Slow,
    /// Every connection of the deployment is cut again and again, until so many have been.
    Drops(u64),
}

/// When something happens, and to whom.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    pub protocol: Protocol,
    /// How many connections a line has at a time.
    pub streams: u8,
    pub fault: Fault,
    pub victim: usize,
    /// Once more than so many bytes have crossed this line.
    pub line: Line,
    pub after_bytes: u64,
    /// Whether connections that are made later suffer it too.
    pub stays: bool,
}

impl Moment {
    /// Nothing ever happens.
    pub const NEVER: Moment = Moment {
        protocol: Protocol::Beaver,
        streams: 1,
        fault: Fault::Nothing,
        victim: DEALS,
        line: Line::ZeroOne,
        after_bytes: u64::MAX,
        stays: false,
    };
}

/// What the proxies of a deployment share.
struct Scene {
    moment: Moment,
    happened: AtomicBool,
    drops: AtomicU64,
    /// Nothing passes while the fault happens.
    gate: Mutex<()>,
    processes: Mutex<Vec<u32>>,
    connections: Mutex<Vec<(Line, TcpStream, TcpStream)>>,
    /// What has crossed each line.
    carried: Mutex<BTreeMap<Line, u64>>,
}

impl Scene {
    /// Lets the fault happen, if it is time.
    fn look(&self, line: Line, carried: u64) {
        let _gate = self.gate.lock().expect("no panic");
        let Moment { fault, victim, .. } = self.moment;
        let due = line == self.moment.line && carried > self.moment.after_bytes;
        if !due || fault == Fault::Nothing || self.happened.swap(true, Ordering::SeqCst) {
            return;
        }
        if let Fault::Signal(name) = fault {
            let process = self.process(victim);
            let status = Command::new("sh").args(["-c", &format!("kill -{name} {process}")]).status();
            assert!(status.expect("sh starts").success(), "the signal is sent");
        }
        for (line, near, far) in &*self.connections.lock().expect("no panic") {
            if line.touches(victim) {
                suffer(fault, near, far);
            }
        }
    }

    /// Adds to what has crossed a line, and returns it.
    fn count(&self, line: Line, bytes: usize) -> u64 {
        let mut carried = self.carried.lock().expect("no panic");
        let total = carried.entry(line).or_default();
        *total += bytes as u64;
        *total
    }

    fn process(&self, position: usize) -> u32 {
        loop {
            if let Some(&process) = self.processes.lock().expect("no panic").get(position) {
                return process;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Whether the fault holds for what is on this line now.
    fn holds(&self, line: Line) -> bool {
        self.happened.load(Ordering::SeqCst) && line.touches(self.moment.victim)
    }

    /// After how many bytes a new connection is dropped.
    fn lifetime(&self) -> u64 {
        let Fault::Drops(most) = self.moment.fault else { return u64::MAX };
        let dropped = self.drops.fetch_add(1, Ordering::SeqCst);
        // Some end within their handshake, some carry several messages.
        if dropped < most { 3_000 + 50_000 * (7 * dropped % 8) } else { u64::MAX }
    }
}

/// What a fault does to a connection that is there.
fn suffer(fault: Fault, mut near: &TcpStream, mut far: &TcpStream) {
    match fault {
        Fault::Cut => drop((near.shutdown(Shutdown::Both), far.shutdown(Shutdown::Both))),
        Fault::Garbage => drop((near.write_all(&[0x5a; 4096]), far.write_all(&[0x5a; 4096]))),
        Fault::HalfClose => drop(far.shutdown(Shutdown::Write)),
        Fault::Nothing | Fault::Signal(_) | Fault::Slow | Fault::Drops(_) => {}
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
            let twice = |stream: &TcpStream| stream.try_clone().expect("a second handle");
            scene.connections.lock().expect("no panic").push((line, twice(&near), twice(&far)));
            if scene.moment.stays && scene.holds(line) {
                suffer(scene.moment.fault, &near, &far);
            }
            let (carried, lifetime) = (Arc::new(AtomicU64::new(0)), scene.lifetime());
            for (from, to) in [(twice(&near), twice(&far)), (far, near)] {
                let (scene, carried) = (scene.clone(), carried.clone());
                std::thread::spawn(move || pump(&scene, line, from, to, &carried, lifetime));
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
    lifetime: u64,
) {
    let mut buffer = [0; 4096];
    loop {
        let count = from.read(&mut buffer).unwrap_or(0);
        if count == 0 {
            let _ = to.shutdown(Shutdown::Write);
            return;
        }
        let carried = carried.fetch_add(count as u64, Ordering::SeqCst) + count as u64;
        let crossed = scene.count(line, count);
        scene.look(line, crossed);
        if carried > lifetime {
            suffer(Fault::Cut, &from, &to);
            return;
        }
        if scene.moment.fault == Fault::Slow && scene.holds(line) {
            std::thread::sleep(Duration::from_millis(20));
        }
        if to.write_all(&buffer[..count]).is_err() {
            // What cannot go on is taken all the same: its sender does not notice.
            while from.read(&mut buffer).is_ok_and(|count| count > 0) {}
            return;
        }
    }
}

/// How a deployment ended.
pub struct Ended {
    pub folder: Folder,
    /// Its processes, those that were stopped too.
    pub outputs: [Output; 3],
    pub carried: BTreeMap<Line, u64>,
    /// How many connections were made to be dropped.
    pub dropped: u64,
}

/// Runs a deployment of `job.toml` through proxies, after `prepare` has changed its files; `start` starts a node.
pub fn run(
    folder: Folder,
    moment: Moment,
    prepare: impl FnOnce(&Folder),
    start: impl Fn(&Folder, usize, &[&str]) -> Option<Child>,
) -> Ended {
    let scene = Arc::new(Scene {
        moment,
        happened: AtomicBool::new(false),
        drops: AtomicU64::new(0),
        gate: Mutex::new(()),
        processes: Mutex::default(),
        connections: Mutex::default(),
        carried: Mutex::default(),
    });
    let (deals, zero) = (free_address(), free_address());
    let through = |line, to| {
        let line = match line {
            (0, 1) => Line::ZeroOne,
            (2, 0) | (0, 2) => Line::DealsZero,
            _ => Line::DealsOne,
        };
        proxy(&scene, line, to)
    };
    let third: &[&str] = match moment.protocol.default_source().process() {
        Some(_) => {
            deployment_behind(&folder, deals, zero, through);
            &["deal", "--config", "dealer.toml"]
        }
        None => {
            three_parties_behind(&folder, [zero, free_address()], through);
            &["run", "job.toml", "--party", "p2.toml"]
        }
    };
    for name in ["dealer.toml", "p0.toml", "p1.toml", "p2.toml"] {
        if let Ok(text) = std::fs::read_to_string(folder.path(name)) {
            folder.text(name, &format!("{text}streams = {}\n", moment.streams));
        }
    }
    prepare(&folder);
    let commands: [&[&str]; 3] =
        [third, &["run", "job.toml", "--party", "p0.toml"], &["run", "job.toml", "--party", "p1.toml"]];
    const COMMON: [&str; 8] = ["--device", "cpu", "--threads", "1", "--deadline", "6", "--silence", "2"];
    let mut children: Vec<Option<Child>> = Vec::new();
    for (node, command) in commands.into_iter().enumerate() {
        let child = start(&folder, node, &[command, &COMMON].concat());
        scene.processes.lock().expect("no panic").push(child.as_ref().map_or(0, Child::id));
        children.push(child);
    }
    if let Fault::Signal(_) = moment.fault {
        for (node, child) in children.iter_mut().enumerate() {
            if let (Some(child), true) = (child, node != moment.victim) {
                child.wait().expect("the command ends");
            }
        }
        let _ = children[moment.victim].as_mut().map(Child::kill);
    }
    let ended = |child: Option<Child>| match child {
        Some(child) => child.wait_with_output().expect("the command ends"),
        // Who was never started has nothing to say.
        None => Output { status: Default::default(), stdout: Vec::new(), stderr: Vec::new() },
    };
    let outputs: Vec<Output> = children.into_iter().map(ended).collect();
    let carried = scene.carried.lock().expect("no panic").clone();
    let dropped = scene.drops.load(Ordering::SeqCst);
    Ended { folder, outputs: outputs.try_into().expect("three nodes"), carried, dropped }
}
