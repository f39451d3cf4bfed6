//! Three machines with addresses of their own, set up as the guide says, word for word.
//!
//! The machines are network namespaces of Linux behind a switch, which takes root and Debian's iproute2. Where that is
//! not to be had the tests say so and pass, unless `SYMBOLON_REQUIRE_NETNS` is set.

use crate::support::{Folder, data, declared, declared_job, error_line, job, stderr};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// The hosts of the guide, and the folder that each is given.
const HOSTS: [(&str, &str); 3] = [("a.example", "party0"), ("b.example", "party1"), ("c.example", "dealer")];

/// Namespaces that end with this.
struct Machines {
    folder: Folder,
    /// What all their names begin with: there may be others on this machine.
    prefix: String,
}

fn ip(arguments: &str) -> Result<(), String> {
    let output = Command::new("ip").args(arguments.split(' ')).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("ip cannot be started: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if output.status.success() { Ok(()) } else { Err(format!("ip {arguments}: {said}")) }
}

impl Machines {
    /// Three hosts that reach each other by name; `None` where this machine does not allow it.
    fn start(number: u8) -> Option<Machines> {
        let machines =
            Machines { folder: Folder::new(), prefix: format!("sy{}{number}", std::process::id()) };
        match machines.connect(number) {
            Ok(()) => Some(machines),
            Err(reason) if std::env::var_os("SYMBOLON_REQUIRE_NETNS").is_some() => {
                panic!("network namespaces are required, and cannot be had: {reason}")
            }
            Err(reason) => {
                eprintln!("skipped, as there are no network namespaces here: {reason}");
                None
            }
        }
    }

    fn connect(&self, number: u8) -> Result<(), String> {
        let prefix = &self.prefix;
        let switch = format!("{prefix}s");
        ip(&format!("netns add {switch}"))?;
        ip(&format!("-n {switch} link add lan type bridge"))?;
        ip(&format!("-n {switch} link set lan up"))?;
        let address = |index: usize| format!("10.213.{number}.{}", index + 1);
        let names: String = HOSTS
            .iter()
            .enumerate()
            .map(|(index, (host, _))| format!("{} {host}\n", address(index)))
            .collect();
        for index in 0..HOSTS.len() {
            let host = self.namespace(index);
            ip(&format!("netns add {host}"))?;
            ip(&format!("-n {host} link add eth0 type veth peer name port{index} netns {switch}"))?;
            ip(&format!("-n {switch} link set port{index} master lan up"))?;
            ip(&format!("-n {host} addr add {}/24 dev eth0", address(index)))?;
            ip(&format!("-n {host} link set lo up"))?;
            ip(&format!("-n {host} link set eth0 up"))?;
            // What `ip netns exec` puts in the place of /etc/hosts.
            let etc = Path::new("/etc/netns").join(&host);
            let written =
                std::fs::create_dir_all(&etc).and_then(|()| std::fs::write(etc.join("hosts"), &names));
            written.map_err(|error| format!("{}: {error}", etc.display()))?;
        }
        Ok(())
    }

    fn namespace(&self, index: usize) -> String {
        format!("{}h{index}", self.prefix)
    }

    /// Takes a host off the net without a word to anybody, or puts it back.
    fn plug(&self, index: usize, state: &str) {
        ip(&format!("-n {}s link set port{index} {state}", self.prefix)).expect("the switch obeys");
    }

    /// Starts a line of the guide on a host, in the folder there.
    fn start_line(&self, index: usize, line: &str) -> Child {
        let binary = Path::new(env!("CARGO_BIN_EXE_symbolon")).parent().expect("its folder");
        let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap_or_default());
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace(index), "sh", "-c", &format!("exec {line}")]);
        command.current_dir(self.folder.path(HOSTS[index].0)).env("PATH", path);
        command.env("XDG_RUNTIME_DIR", self.folder.path("."));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("the line starts")
    }

    /// Sets the deployment up and starts its nodes, `more` behind each of their lines.
    fn deploy(&self, job: &str, more: &str) -> Vec<Child> {
        let folder = &self.folder;
        let section = section();
        let init = section.first().expect("the section begins with init");
        let (program, arguments) = init.1.split_once(' ').expect("a command with arguments");
        assert_eq!(program, "symbolon", "{init:?}");
        let made = folder.run(&arguments.split(' ').collect::<Vec<_>>());
        assert!(made.status.success(), "{}", stderr(&made));
        for (index, (host, node)) in HOSTS.into_iter().enumerate() {
            let there = folder.path(host);
            std::fs::create_dir_all(there.join("nodes")).expect("a folder");
            let moved = std::fs::rename(folder.path("nodes").join(node), there.join("nodes").join(node));
            moved.expect("the node's folder is taken to its host");
            if node == "dealer" {
                continue;
            }
            std::fs::write(there.join("JOB.toml"), job).expect("the job");
            // Only what is the party's own.
            let own = ["x.npy", "w.npy"][index];
            std::fs::copy(folder.path(own), there.join(own)).expect("the party's input");
        }
        section[1..]
            .iter()
            .map(|(host, line)| {
                let index = HOSTS.iter().position(|(name, _)| name == host).expect("a host of the guide");
                self.start_line(index, &format!("{line}{more}"))
            })
            .collect()
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        for index in 0..HOSTS.len() {
            let _ = ip(&format!("netns del {}", self.namespace(index)));
            let _ = std::fs::remove_dir_all(Path::new("/etc/netns").join(self.namespace(index)));
        }
        let _ = ip(&format!("netns del {}s", self.prefix));
    }
}

/// The lines of the guide's chapter that set up and start the nodes, each with the host that it is for.
fn section() -> Vec<(String, String)> {
    let chapter = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../src/guide/machines.md");
    let chapter = std::fs::read_to_string(chapter).expect("the guide's chapter");
    let mut host = String::new();
    let mut lines = Vec::new();
    for block in chapter.split("```sh\n").skip(1) {
        for line in block.split("\n```").next().expect("a block ends").lines() {
            match line.strip_prefix("# on ") {
                Some(name) => host = name.split([' ', ',', ':']).next().unwrap_or_default().to_owned(),
                None => lines.push((host.clone(), line.to_owned())),
            }
        }
    }
    assert_eq!(lines.len(), 1 + HOSTS.len(), "init, and a line for each host: {lines:?}");
    lines
}

fn end(children: Vec<Child>) -> Vec<Output> {
    children.into_iter().map(|child| child.wait_with_output().expect("the command ends")).collect()
}

#[test]
fn three_hosts_do_what_the_guide_says() {
    let Some(machines) = Machines::start(1) else { return };
    data(&machines.folder);
    let outputs = end(machines.deploy(&declared_job(64, 16, "z = x @ w"), ""));
    for output in &outputs {
        assert!(output.status.success(), "{}", stderr(output));
    }
    let z: ndarray::Array2<f64> = machines.folder.read("a.example/z.npy");
    assert!((z - ndarray::array![[5.0, 1.0], [11.0, 3.25]]).iter().all(|error| error.abs() < 0.001));
}

/// Packets that are dropped without a word are a matter for TCP, for as long as the silence deadline allows.
#[test]
fn a_host_that_is_off_the_net_for_a_while_is_no_fault_and_for_good_is() {
    let Some(machines) = Machines::start(2) else { return };
    let folder = &machines.folder;
    for name in ["x.npy", "w.npy"] {
        folder.npy(name, &ndarray::Array2::<f64>::ones((300, 300)));
    }
    // A link this slow makes the run last some seconds.
    let mut children =
        machines.deploy(&declared(&job(64, 16, "z = x @ w"), [300; 2], [300; 2]), " --link 2,1 --silence 3");
    std::thread::sleep(Duration::from_millis(1500));
    machines.plug(1, "down");
    std::thread::sleep(Duration::from_millis(500));
    machines.plug(1, "up");
    std::thread::sleep(Duration::from_millis(1500));
    for child in &mut children {
        assert!(child.try_wait().expect("it can be waited for").is_none(), "the run goes on");
    }
    machines.plug(1, "down");
    for output in end(children) {
        let line = error_line(&output);
        assert_eq!(output.status.code(), Some(3), "{line}");
    }
}
