//! Running the command as a user does, in a folder of its own.

use ndarray::{Array, Array2, Dimension};
use ndarray_npy::{ReadNpyExt, ReadableElement, WritableElement, WriteNpyExt};
use serde_json::Value;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

/// A folder for one test, and one for what the command remembers between runs.
pub struct Folder(TempDir, TempDir);

impl Folder {
    pub fn new() -> Folder {
        let folder = || tempfile::tempdir().expect("a temporary folder");
        Folder(folder(), folder())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn text(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("a file is written");
    }

    pub fn npy<T: WritableElement, D: Dimension>(&self, name: &str, array: &Array<T, D>) {
        array.write_npy(File::create(self.path(name)).expect("a file")).expect("a file is written");
    }

    pub fn read<T: ReadableElement>(&self, name: &str) -> Array2<T> {
        self.read_as(name)
    }

    /// An array of as many axes as the file must have.
    pub fn read_as<T: ReadableElement, D: Dimension>(&self, name: &str) -> Array<T, D> {
        Array::read_npy(File::open(self.path(name)).expect("the output exists")).expect("the output is read")
    }

    /// Every file in the folder.
    pub fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).expect("the folder is listed");
        let mut files: Vec<String> = entries
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        files.sort();
        files
    }

    /// The command, to be run in this folder.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_symbolon"));
        command.args(arguments).current_dir(self.0.path()).stdin(Stdio::null());
        // A Vulkan loader on a machine without a screen prints lines of its own where this is not set.
        command.env("XDG_RUNTIME_DIR", self.0.path()).env("XDG_STATE_HOME", self.1.path());
        command
    }

    /// Starts the command by way of another, which gets its path behind its own arguments.
    pub fn start_by(&self, program: &str, arguments: &[&str]) -> Child {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .arg(env!("CARGO_BIN_EXE_symbolon"))
            .current_dir(self.0.path())
            .stdin(Stdio::null());
        command.env("XDG_RUNTIME_DIR", self.0.path());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command starts")
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the command starts")
    }

    pub fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command starts")
    }
}

/// The JSON object that a command that ended well printed, as its schema describes it.
pub fn json(output: &Output) -> Value {
    assert!(output.status.success(), "the command should end well: {}", stderr(output));
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(stdout.lines().count(), 1, "one JSON object on stdout: {stdout}");
    let document = serde_json::from_str(&stdout).expect("JSON on stdout");
    crate::schema::hold(&document);
    document
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The one line by which a command says what is wrong.
pub fn error_line(output: &Output) -> String {
    let stderr = stderr(output);
    let lines: Vec<&str> = stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(lines.len(), 1, "one line that says what is wrong: {stderr}");
    assert!(!stderr.contains("panicked"), "no backtrace: {stderr}");
    lines[0].to_owned()
}

/// Runs a job that must be refused; returns the line that says why.
pub fn refused(folder: &Folder, arguments: &[&str], status: i32) -> String {
    let before = folder.files();
    let output = folder.run(arguments);
    let line = error_line(&output);
    assert_eq!(output.status.code(), Some(status), "{line}");
    assert!(output.stdout.is_empty(), "nothing on stdout");
    assert_eq!(folder.files(), before, "nothing is written");
    line
}

/// A loopback address that is free, and that no other test is given. Not one that the system picks: it gives these to
/// outgoing connections as well, so that one could be taken before it is listened on.
pub fn free_address() -> SocketAddr {
    const PORTS: std::ops::Range<u32> = 12_000..32_000;
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id().wrapping_mul(97);
    let port = |_| {
        let number = start.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed)) % PORTS.len() as u32;
        TcpListener::bind((Ipv4Addr::LOCALHOST, (PORTS.start + number) as u16)).ok()
    };
    let listener = (0..PORTS.len()).find_map(port).expect("a free port");
    listener.local_addr().expect("an address")
}

/// A job with one step on a (2, 3) matrix of party 0 and a (3, 2) matrix of party 1.
pub fn job(bits: u32, fraction_bits: u32, step: &str) -> String {
    format!(
        r#"
[job]
name = "test"
protocol = "beaver"
ring_bits = {bits}
fraction_bits = {fraction_bits}

[inputs]
x = {{ owner = 0, file = "x.npy" }}
w = {{ owner = 1, file = "w.npy" }}

[program]
steps = ["{step}"]

[outputs]
z = {{ to = [0], file = "z.npy" }}
"#
    )
}

/// The job with the shapes of its inputs declared, as parties of different owners need it.
pub fn declared(job: &str, x: [usize; 2], w: [usize; 2]) -> String {
    let with = |owner: u8, shape: [usize; 2]| format!("owner = {owner}, shape = {shape:?},");
    job.replace("owner = 0,", &with(0, x)).replace("owner = 1,", &with(1, w))
}

/// The shapes of [`data`].
pub const SHAPES: [[usize; 2]; 2] = [[2, 3], [3, 2]];

/// [`job`] with its shapes declared.
pub fn declared_job(bits: u32, fraction_bits: u32, step: &str) -> String {
    declared(&job(bits, fraction_bits, step), SHAPES[0], SHAPES[1])
}

/// The data of [`job`].
pub fn data(folder: &Folder) {
    folder.npy("x.npy", &ndarray::array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
    folder.npy("w.npy", &ndarray::array![[1.0, 0.5], [-1.0, 0.25], [2.0, 0.0]]);
}

/// A job of the same, by three parties.
pub fn replicated_job(bits: u32, fraction_bits: u32, step: &str) -> String {
    job(bits, fraction_bits, step).replace("beaver", "replicated")
}

/// Makes identities for a dealer and two parties, in `nodes`.
pub fn identities(folder: &Folder) {
    let output = folder.run(&["init", "--parties", "2", "--dealer", "nodes"]);
    assert!(output.status.success(), "identities are made: {}", stderr(&output));
}

/// Writes the files of a deployment, a dealer and two parties on free ports; returns the dealer's.
pub fn deployment(folder: &Folder) -> SocketAddr {
    let (dealer, zero) = (free_address(), free_address());
    deployment_behind(folder, dealer, zero, |_, address| address);
    dealer
}

/// As [`deployment`], on given addresses, which are reached by way of others: `through` says of which, for the one that
/// listens (2 is the dealer) and the party that connects to it.
pub fn deployment_behind(
    folder: &Folder,
    dealer: SocketAddr,
    zero: SocketAddr,
    through: impl Fn((usize, usize), SocketAddr) -> SocketAddr,
) {
    const THE_DEALER: usize = 2;
    identities(folder);
    folder.text("dealer.toml", &format!("listen = \"{dealer}\"\nidentity = \"nodes/dealer\"\n"));
    let common = |party: usize| {
        let dealer = through((THE_DEALER, party), dealer);
        format!("party = {party}\ndealer = \"{dealer}\"\nidentity = \"nodes/party{party}\"\n")
    };
    folder.text("p0.toml", &format!("{}listen = \"{zero}\"\n", common(0)));
    let zero = through((0, 1), zero);
    folder.text("p1.toml", &format!("{}peers = {{ 0 = \"{zero}\" }}\n", common(1)));
}

/// As [`deployment_behind`] for three parties and no dealer; parties 0 and 1 listen at `addresses`.
pub fn three_parties_behind(
    folder: &Folder,
    addresses: [SocketAddr; 2],
    through: impl Fn((usize, usize), SocketAddr) -> SocketAddr,
) {
    let output = folder.run(&["init", "--parties", "3", "nodes"]);
    assert!(output.status.success(), "identities are made: {}", stderr(&output));
    for party in 0..3 {
        let peers: Vec<String> = (0..party)
            .map(|peer| format!("{peer} = \"{}\"", through((peer, party), addresses[peer])))
            .collect();
        let listen = addresses.get(party).map(|address| format!("listen = \"{address}\"\n"));
        let text = format!(
            "party = {party}\n{}peers = {{ {} }}\nidentity = \"nodes/party{party}\"\n",
            listen.unwrap_or_default(),
            peers.join(", ")
        );
        folder.text(&format!("p{party}.toml"), &text);
    }
}
