//! The command line.

use crate::bench::model;
use crate::failure::Failure;
use crate::init::InitArguments;
use crate::interrupt;
use crate::log;
use crate::vram::VramArguments;
use clap::{Args, Parser, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use symbolon::device::Device;
use symbolon::device::gpu::MatrixUnits;
use symbolon::device::select::{self, DeviceChoice, DeviceOptions};
use symbolon::net::{Deadlines, LinkShape};
use symbolon::plan::{DeviceModel, Supply};
use symbolon::program::tiling::TileSide;
use symbolon::protocol::Protocol;
use symbolon::run::Overlap;
use symbolon::session::{MOST_ORDERS, SessionOptions};
use symbolon_job::JobError;

/// Arithmetic on secret shares: several parties compute on data that none shows the others.
#[derive(Parser)]
#[command(name = "symbolon", version, arg_required_else_help = true, after_help = STATUS)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Classifies handwritten digits privately: all parties as processes on this machine
    Demo {
        /// beaver (two parties and a dealer) or replicated (three parties)
        #[arg(long, value_name = "PROTOCOL", default_value_t = Protocol::Beaver)]
        protocol: Protocol,
        #[command(flatten)]
        shared: Shared,
    },
    /// Runs a job: all of its parties on this machine, or one of them
    Run {
        /// The job's description
        #[arg(value_name = "JOB.toml")]
        job: PathBuf,
        #[command(flatten)]
        mode: RunMode,
        /// Write a page with tables, charts and the timeline into this folder
        #[arg(long, value_name = "DIR")]
        report: Option<PathBuf>,
        /// Take correlations from this store, which `deal --store` made, and not from a dealer
        #[arg(long, value_name = "DIR")]
        correlations: Option<PathBuf>,
        /// Take inputs of any shape from the other parties, where the job declares none: a shape can make an output say more
        /// of this party's inputs than the job means
        #[arg(long, requires = "party")]
        accept_shapes: bool,
        #[command(flatten)]
        shared: Shared,
    },
    /// Deals correlated randomness to the parties of a job and ends with them, or deals it ahead of time into files
    Deal {
        #[command(flatten)]
        to: DealTo,
        #[command(flatten)]
        shared: Shared,
    },
    /// Prints what a job will take: bytes, rounds, correlations, device memory; runs nothing
    Plan {
        /// The job's description
        #[arg(value_name = "JOB.toml")]
        job: PathBuf,
        /// Write what a dealer must know to deal ahead of time: the list of correlations
        #[arg(long, value_name = "FILE")]
        demand: Option<PathBuf>,
        #[command(flatten)]
        shared: Shared,
    },
    /// Prints how much device memory a job or a network takes, next to the same in the clear
    Vram(Box<VramArguments>),
    /// Measures, beside a bound or a reference of the same run
    Bench(crate::bench::Bench),
    /// Makes identities and configurations for the nodes of a deployment, or renews identities
    Init {
        #[command(flatten)]
        arguments: InitArguments,
    },
    /// Prints the fingerprints of a node and of the peers that it believes, to be compared aloud
    Id {
        /// A node's folder, or that of a deployment
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// Print one JSON object on stdout; text for people goes to stderr
        #[arg(long)]
        json: bool,
    },
    /// Prints what a trace file comes to, and draws its timeline as SVG beside it
    Trace {
        /// The file that `--trace` wrote
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Print one JSON object on stdout, also where the command fails; text for people goes to stderr
        #[arg(long)]
        json: bool,
    },
    /// Lists the devices of this machine, and which one `auto` takes
    Doctor {
        /// Print one JSON object on stdout, also where the command fails; text for people goes to stderr
        #[arg(long)]
        json: bool,
    },
}

/// The parties of the job that this process runs.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub struct RunMode {
    /// All parties, and the dealer if there is one, as processes on this machine
    #[arg(long)]
    pub local: bool,
    /// One party, as this file describes
    #[arg(long, value_name = "PARTY.toml")]
    pub party: Option<PathBuf>,
}

/// The receivers of dealt correlations.
#[derive(Args)]
pub struct DealTo {
    /// The dealer's description: where it listens
    #[arg(long, value_name = "DEALER.toml", required_unless_present = "demand", conflicts_with = "demand")]
    pub config: Option<PathBuf>,
    /// What to deal ahead of time: a file that `plan --demand` wrote
    #[arg(long, value_name = "FILE", requires = "store")]
    pub demand: Option<PathBuf>,
    /// The store to make: a folder for each party, to be moved to it
    #[arg(long, value_name = "DIR", requires = "demand")]
    pub store: Option<PathBuf>,
    /// How many runs the store is for
    #[arg(long, value_name = "N", requires = "demand", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=MOST_ORDERS.into()))]
    pub count: u32,
}

/// Options for scripts.
const STATUS: &str = "\
Exit status: 0 done, 1 a wrong result or a report that cannot be written, 2 bad usage or input, 3 peer or network,
4 resources (memory, threads, files), 5 parties disagree, 70 a fault of this program, 130 interrupted by a signal
(INT, TERM, QUIT, HUP)";

/// Options of all commands that compute.
#[derive(Args, Clone)]
pub struct Shared {
    /// Where to compute: auto, cpu, gpu, gpu:N, a PCI bus id such as 41:00.0, or a part of an adapter's name; or several of
    /// these, as in gpu:0,gpu:1 or gpu,cpu, which divide the work where the run is predicted to be done sooner
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub device: String,
    /// Divide work among several devices by their rates, also where the run is not predicted to be done sooner
    #[arg(long)]
    pub always_divide: bool,
    /// Most memory that each process may take of each of its devices, such as 512MiB or 2GiB
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    pub budget: Option<u64>,
    /// Threads of the CPU device in each process [default: all cores; parties started together divide them]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Do not compute products on a GPU's matrix units, by residues; results are the same
    #[arg(long)]
    pub no_matrix_units: bool,
    /// Do not measure a GPU when it is first opened, to find the fastest way to compute products; results are the same
    #[arg(long)]
    pub no_autotune: bool,
    /// How long to wait for the other processes to appear; later silences have deadlines of their own
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    pub deadline: u32,
    /// How long a peer that is there may give no sign of life
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub silence: u32,
    /// Link to stand in for, between all processes: lan, wan, or Mbit/s and the round trip in ms, such as 100,40
    #[arg(long, value_name = "LINK")]
    pub link: Option<LinkShape>,
    /// What the device is taken to be when tiles are chosen and times predicted: a file that `bench --calibrate` wrote,
    /// or core, h200, rtx4090; of several devices one for each, with commas between them
    #[arg(long, value_name = "MODEL")]
    pub device_model: Option<String>,
    /// The side of tiles [default: that with which the run is predicted to be done first]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(64..))]
    pub tile: Option<u32>,
    /// Receive correlations as they are used, not all before the inputs: it takes less memory, and a longer online phase
    /// [default: where the budget asks for it]
    #[arg(long)]
    pub stream_correlations: bool,
    /// Do one step after the other, to see what overlap is worth
    #[arg(long)]
    pub no_overlap: bool,
    /// Write what every lane did when, for `symbolon trace`, Perfetto or Chrome
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
    /// Who may read what is written, results, traces and reports: permissions in octal, such as 640
    #[arg(long, value_name = "MODE", default_value = "600", value_parser = file_mode)]
    pub file_mode: u32,
    /// Say on stderr what happens: error, warn, info, debug or trace; never what is computed on
    #[arg(long, value_name = "LEVEL")]
    pub log: Option<log::Level>,
    /// As text for people, or as a JSON object a line
    #[arg(long, value_name = "FORMAT", default_value = "human", requires = "log")]
    pub log_format: log::Format,
    /// Serve counters of every link for Prometheus at http://ADDR/metrics, on a loopback address, while this node works
    #[arg(long, value_name = "ADDR")]
    pub metrics: Option<SocketAddr>,
    /// Print one JSON object on stdout, also where the command fails; text for people goes to stderr
    #[arg(long)]
    pub json: bool,
    /// Set by a launcher that shows how far its parties are: tell it by lines on stderr
    #[arg(long, hide = true)]
    pub progress: bool,
    /// Set by the launcher, which holds this process's stdin open for as long as it lives
    #[arg(long, hide = true)]
    pub launched: bool,
}

impl Command {
    /// Options of all commands that compute.
    pub fn shared(&self) -> Option<&Shared> {
        match self {
            Command::Demo { shared, .. }
            | Command::Run { shared, .. }
            | Command::Deal { shared, .. }
            | Command::Plan { shared, .. } => Some(shared),
            Command::Vram(arguments) => Some(&arguments.shared),
            Command::Bench(_)
            | Command::Init { .. }
            | Command::Id { .. }
            | Command::Trace { .. }
            | Command::Doctor { .. } => None,
        }
    }

    /// Whether JSON was asked for.
    pub fn json(&self) -> bool {
        let own = match self {
            Command::Doctor { json } | Command::Id { json, .. } | Command::Trace { json, .. } => *json,
            Command::Bench(bench) => bench.options.json,
            _ => false,
        };
        own || self.shared().is_some_and(|shared| shared.json)
    }

    /// Whether this process is one node of a deployment.
    pub fn is_node(&self) -> bool {
        matches!(
            self,
            Command::Deal { to: DealTo { config: Some(_), .. }, .. }
                | Command::Run { mode: RunMode { local: false, .. }, .. }
        )
    }

    /// Whether a launcher started this process.
    pub fn is_launched(&self) -> bool {
        self.shared().is_some_and(|shared| shared.launched)
    }
}

impl Shared {
    /// Opens the device that was asked for, by a command that computes on one.
    pub fn open_device(&self) -> Result<Arc<dyn Device>, Failure> {
        match &DeviceChoice::list(&self.device)[..] {
            [choice] => Ok(select::open(choice, &self.device_options())?),
            _ => Err(Failure::Usage("this command takes one --device".to_owned())),
        }
    }

    /// The options by which devices are opened.
    pub fn device_options(&self) -> DeviceOptions {
        DeviceOptions {
            threads: self.threads.map(usize::from),
            budget_bytes: self.budget,
            matrix_units: if self.no_matrix_units { MatrixUnits::Off } else { MatrixUnits::Auto },
            no_autotune: self.no_autotune,
        }
    }

    /// The tiles that were asked for.
    pub fn tile_side(&self) -> Option<TileSide> {
        self.tile.map(|side| TileSide(side as usize))
    }

    /// The supply of correlations, if one was asked for.
    pub fn supply(&self) -> Option<Supply> {
        self.stream_correlations.then_some(Supply::Streamed)
    }

    /// Whether lanes work at once.
    pub fn overlap(&self) -> Overlap {
        if self.no_overlap { Overlap::Off } else { Overlap::On }
    }

    /// The device's model.
    pub fn model(&self) -> Result<DeviceModel, JobError> {
        self.device_model.as_deref().map_or(Ok(DeviceModel::typical()), model::read)
    }

    /// The options of sessions.
    pub fn session_options(&self) -> SessionOptions {
        let connect = Duration::from_secs(self.deadline.into());
        let silence = Duration::from_secs(self.silence.into());
        let deadlines = Deadlines { connect, silence, ..Deadlines::default() };
        SessionOptions {
            deadlines,
            link: self.link,
            budget_bytes: self.budget,
            tile_side: self.tile_side(),
            overlap: self.overlap(),
            supply: self.supply(),
            trace: self.trace.is_some(),
            interrupt: Some(interrupt::own()),
            ..SessionOptions::default()
        }
    }
}

/// Permissions in octal, of files that their user can at least read.
pub fn file_mode(text: &str) -> Result<u32, String> {
    const READ_BY_OWNER: u32 = 0o400;
    let mode = u32::from_str_radix(text, 8).ok().filter(|&mode| mode <= 0o666 && mode & 0o111 == 0);
    let mode = mode.filter(|mode| mode & READ_BY_OWNER != 0);
    mode.ok_or_else(|| "permissions of a file are three octal digits, such as 600, 640 or 644".to_owned())
}

/// A size such as `4096`, `512MiB` or `2GB`.
pub fn bytes(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 9] = [
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
        ("kB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
        ("B", 1),
    ];
    let (digits, unit) = UNITS
        .iter()
        .find_map(|&(suffix, unit)| Some((text.strip_suffix(suffix)?, unit)))
        .unwrap_or((text, 1));
    let number: u64 =
        digits.trim().parse().map_err(|_| "a size is a whole number and a unit: 512MiB, 2GiB".to_owned())?;
    number.checked_mul(unit).ok_or_else(|| "that is more than any device has".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(bytes("512MiB"), Ok(512 << 20));
        assert_eq!(bytes("2 GB"), Ok(2_000_000_000));
        assert_eq!(bytes("100"), Ok(100));
        assert_eq!(bytes("7B"), Ok(7));
        assert!(bytes("1.5GiB").is_err());
        assert!(bytes("").is_err() && bytes("GiB").is_err() && bytes("-1").is_err());
        assert!(bytes("99999999999TiB").is_err());
    }

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }
}
