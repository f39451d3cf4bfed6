//! The command line.

use crate::bench::model;
use crate::circuit::CircuitArguments;
use crate::failure::Failure;
use crate::functions::FunctionsArguments;
use crate::import::ImportArguments;
use crate::init::InitArguments;
use crate::interrupt;
use crate::vram::VramArguments;
use crate::{log, metrics};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;
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
use symbolon_job::{Correlations, Job, JobError, Nonlinear};

/// Arithmetic on secret shares: several parties compute on data that none shows the others.
#[derive(Parser)]
#[command(name = "symbolon", version, arg_required_else_help = true, after_help = STATUS)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Classify handwritten digits privately, all parties as processes on this machine
    Demo {
        /// beaver (two parties and a dealer) or replicated (three parties)
        #[arg(long, value_name = "PROTOCOL", default_value_t = Protocol::Beaver)]
        protocol: Protocol,
        /// Source of correlations: dealer, pair (the two parties themselves), or auto (the cheaper)
        #[arg(long, value_name = "SOURCE")]
        correlations: Option<Correlations>,
        /// What is not linear by tables, by garbled circuits (garbled), or as is faster (auto)
        #[arg(long, value_name = "WAY")]
        nonlinear: Option<Nonlinear>,
        #[command(flatten)]
        shared: Shared,
    },
    /// Run a job: all of its parties on this machine, or one of them
    Run {
        /// The job
        #[arg(value_name = "JOB.toml")]
        job: PathBuf,
        #[command(flatten)]
        mode: RunMode,
        /// Write a page with tables, charts and the timeline into this folder
        #[arg(long, value_name = "DIR")]
        report: Option<PathBuf>,
        #[command(flatten)]
        folders: Folders,
        /// Let peers choose shapes that the job does not declare, although an output can then tell
        /// more of this party's inputs than the job means
        #[arg(long, requires = "party", verbatim_doc_comment)]
        accept_shapes: bool,
        #[command(flatten)]
        shared: Shared,
    },
    /// Deal correlated randomness to the parties of a job, or ahead of time into files
    Deal {
        #[command(flatten)]
        to: DealTo,
        #[command(flatten)]
        shared: Shared,
    },
    /// Print the cost of a job: bytes, rounds, correlations, device memory, time; nothing runs
    Plan {
        /// The job
        #[arg(value_name = "JOB.toml")]
        job: PathBuf,
        /// Write the list of correlations, from which a dealer deals ahead of time, or the two
        /// parties themselves (with --correlations pair)
        #[arg(long, value_name = "FILE", verbatim_doc_comment)]
        demand: Option<PathBuf>,
        /// Source of correlations: dealer, pair (the two parties themselves), or auto (the cheaper)
        #[arg(long, value_name = "SOURCE")]
        correlations: Option<Correlations>,
        /// What is not linear by tables, by garbled circuits (garbled), or as is faster (auto)
        #[arg(long, value_name = "WAY")]
        nonlinear: Option<Nonlinear>,
        /// List all ops, in the order in which they run, and not the dearest ones alone
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        shared: Shared,
    },
    /// Print the device memory of a job or a network, next to the same in the clear
    Vram(Box<VramArguments>),
    /// Make a job of an ONNX model: its owner keeps the parameters, the data's owner the data
    Import(Box<ImportArguments>),
    /// Print the gates of a Boolean circuit, and what it costs to garble it
    Circuit(CircuitArguments),
    /// List the functions of steps: forms, range, error, rounds and bytes
    Functions(FunctionsArguments),
    /// Run a benchmark and compare it with a hardware limit or a baseline
    Bench(crate::bench::Bench),
    /// Make identities and configurations for the nodes of a deployment, or renew identities
    Init {
        #[command(flatten)]
        arguments: InitArguments,
    },
    /// Print a node's and its pinned peers' fingerprints (compare them over the phone)
    Id {
        /// A node's folder, or that of a deployment
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// Print one JSON object on stdout, also on failure; text for people goes to stderr
        #[arg(long)]
        json: bool,
    },
    /// Be one party that runs what its launcher asks for, program by program
    #[command(hide = true)]
    Work {
        /// The protocol
        #[arg(long, value_name = "PROTOCOL")]
        protocol: Protocol,
        /// Where correlations come from: the dealer, or the pair
        #[arg(long, value_name = "SOURCE")]
        correlations: Option<Correlations>,
        #[command(flatten)]
        shared: Shared,
    },
    /// Summarise a trace file, and draw its timeline as SVG beside it
    Trace {
        /// A file that `--trace` wrote
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Print one JSON object on stdout, also on failure; text for people goes to stderr
        #[arg(long)]
        json: bool,
    },
    /// List the devices of this machine, and the one that `auto` takes
    Doctor {
        /// Print one JSON object on stdout, also on failure; text for people goes to stderr
        #[arg(long)]
        json: bool,
    },
    /// Print the script by which a shell completes the words of this command
    Completions {
        /// The shell
        #[arg(value_name = "SHELL")]
        shell: Shell,
    },
    /// Write the manual pages of this command and of those below it
    Man {
        /// The folder
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
}

/// The parties of the job that this process runs.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub struct RunMode {
    /// All parties, and the dealer if there is one, as processes on this machine
    #[arg(long)]
    pub local: bool,
    /// One party, with this configuration
    #[arg(long, value_name = "PARTY.toml")]
    pub party: Option<PathBuf>,
}

/// The receivers of dealt correlations.
#[derive(Args)]
pub struct DealTo {
    /// The dealer's configuration
    #[arg(long, value_name = "DEALER.toml", required_unless_present = "demand", conflicts_with = "demand")]
    pub config: Option<PathBuf>,
    /// Make them ahead of time with the other party, which does so too, and no dealer: this
    /// party's configuration. Each gets a folder of its own in its --store, and needs no other's
    #[arg(long, value_name = "PARTY.toml", requires = "demand", verbatim_doc_comment)]
    pub pair: Option<PathBuf>,
    /// Deal ahead of time, for a file that `plan --demand` wrote
    #[arg(long, value_name = "FILE", requires = "store")]
    pub demand: Option<PathBuf>,
    /// The store to make: a folder for each party, to be moved to that party
    #[arg(long, value_name = "DIR", requires = "demand")]
    pub store: Option<PathBuf>,
    /// Number of runs that the store is for
    #[arg(long, value_name = "N", requires = "demand", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=MOST_ORDERS.into()))]
    pub count: u32,
}

/// Options for scripts.
const STATUS: &str = "\
Exit status: 0 done, 1 a wrong result or a report that cannot be written, 2 bad usage or input,
3 peer or network, 4 resources (memory, threads, files), 5 parties disagree, 70 a fault of this
program, 130 interrupted by a signal (INT, TERM, QUIT, HUP)";

/// The flags that commands which compute have in common; [`UNUSED`] says which of them a command does without.
#[derive(Args, Clone)]
pub struct Shared {
    /// auto, cpu, gpu, gpu:N, a PCI bus id such as 41:00.0, or a part of an adapter's name;
    /// a list, such as gpu:0,gpu:1, divides the work where that is faster
    #[arg(long, value_name = "DEVICE", default_value = "auto", help_heading = DEVICES, verbatim_doc_comment)]
    pub device: String,
    /// Divide work among several devices by their rates, even where one is predicted to be faster
    #[arg(long, help_heading = DEVICES)]
    pub always_divide: bool,
    /// Most memory that each process may take of each device, such as 512MiB or 2GiB; garbled
    /// circuits may take so much of the host's
    #[arg(long, value_name = "SIZE", value_parser = bytes, help_heading = DEVICES, verbatim_doc_comment)]
    pub budget: Option<u64>,
    /// Threads of the CPU device in each process
    /// [default: all cores; parties started together divide them]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024), help_heading = DEVICES, verbatim_doc_comment)]
    pub threads: Option<u16>,
    /// Compute no product on a GPU's matrix units; results are the same
    #[arg(long, help_heading = DEVICES)]
    pub no_matrix_units: bool,
    /// Do not tune products when a GPU is first opened; results are the same
    #[arg(long, help_heading = DEVICES)]
    pub no_autotune: bool,
    /// Rates of the device, for tiles and predictions: core, h200, h200-measured, rtx4090, or
    /// a file from `bench --calibrate`; for several devices a list, with commas
    #[arg(long, value_name = "MODEL", help_heading = PLANNING, verbatim_doc_comment)]
    pub device_model: Option<String>,
    /// Side of tiles [default: the one that is predicted to be fastest]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(64..), help_heading = PLANNING)]
    pub tile: Option<u32>,
    /// Receive correlations as they are used, not before the inputs: less memory, but a longer
    /// online phase [default: where the budget needs it]
    #[arg(long, help_heading = PLANNING, verbatim_doc_comment)]
    pub stream_correlations: bool,
    /// Run one step after the other, to see the worth of overlap
    #[arg(long, help_heading = PLANNING)]
    pub no_overlap: bool,
    /// Simulate this network between all processes: lan, wan, or MBIT,MS (rate and round trip)
    #[arg(long, value_name = "LINK", help_heading = NETWORK)]
    pub link: Option<LinkShape>,
    /// Wait this long for peers to connect
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..), help_heading = NETWORK)]
    pub deadline: u32,
    /// Give up a peer that has given no sign of life for this long
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..), help_heading = NETWORK)]
    pub silence: u32,
    /// Serve counters of this node's links to Prometheus at http://ADDR/metrics, on loopback
    #[arg(long, value_name = "ADDR", help_heading = NETWORK)]
    pub metrics: Option<SocketAddr>,
    /// Print one JSON object on stdout, also on failure; text for people goes to stderr
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
    /// Write a timeline of all lanes, for `symbolon trace`, Perfetto or Chrome
    #[arg(long, value_name = "FILE", help_heading = OUTPUT)]
    pub trace: Option<PathBuf>,
    /// Permissions of results, traces and reports, in octal, such as 640
    #[arg(long, value_name = "MODE", default_value = "600", value_parser = file_mode, help_heading = OUTPUT)]
    pub file_mode: u32,
    /// Log to stderr, never secret values
    #[arg(long, value_name = "LEVEL", help_heading = OUTPUT)]
    pub log: Option<log::Level>,
    /// Log format
    #[arg(long, value_name = "FORMAT", default_value = "human", requires = "log", help_heading = OUTPUT)]
    pub log_format: log::Format,
    /// Set by a launcher that shows how far its parties are: tell it by lines on stderr
    #[arg(long, hide = true)]
    pub progress: bool,
    /// Set by the launcher, which holds this process's stdin open for as long as it lives
    #[arg(long, hide = true)]
    pub launched: bool,
}

/// What runs take from, how they compute, and what they leave to later ones.
#[derive(Args, Clone, Default)]
pub struct Folders {
    /// Where correlations come from: dealer, pair (the two parties make them between themselves),
    /// auto (the cheapest that every party's file lists; with --local the cheaper of those), or
    /// store=DIR, made by `deal --store` [default: what the job says, or else a dealer]
    #[arg(long, value_name = "SOURCE", verbatim_doc_comment)]
    pub correlations: Option<Correlations>,
    /// What is not linear by tables, by garbled circuits (garbled), or as a run is predicted to
    /// be shorter (auto); all parties name the same [default: what the job says]
    #[arg(long, value_name = "WAY", verbatim_doc_comment)]
    pub nonlinear: Option<Nonlinear>,
    /// Keep this party's shares of what the job's loop leaves to its next turn in a folder of its
    /// own here, and go on from the newest that all parties have; all name the same turns
    #[arg(long, value_name = "DIR", verbatim_doc_comment)]
    pub checkpoint: Option<PathBuf>,
    /// The number of turns from one checkpoint to the next [default: a twentieth of all]
    #[arg(long, value_name = "TURNS", requires = "checkpoint", value_parser = clap::value_parser!(u32).range(1..))]
    pub checkpoint_every: Option<u32>,
}

impl Folders {
    /// The job with what the command line says in the place of what it says itself.
    pub fn apply(&self, job: &mut Job) -> Result<(), JobError> {
        self.nonlinear.map_or(Ok(()), |nonlinear| job.set_nonlinear(nonlinear))
    }
}

/// The sections of help for the flags that commands have in common.
const DEVICES: &str = "Devices and memory";
const PLANNING: &str = "Planning";
const NETWORK: &str = "Network";
const OUTPUT: &str = "Output";

/// The flags in common that a command has no use for: its help does not list them, and it refuses them.
const UNUSED: [(&str, &[&str]); 5] = [
    ("demo", &["metrics"]),
    ("run", &[]),
    ("deal", &["tile", "stream_correlations", "trace"]),
    ("plan", &["deadline", "silence", "metrics", "trace"]),
    ("vram", &["always_divide", "deadline", "silence", "metrics", "trace"]),
];

impl Arguments {
    /// The command line, each command with the flags that it uses.
    pub fn command_line() -> clap::Command {
        let line = UNUSED.iter().fold(Arguments::command(), |line, (name, flags)| {
            let hide = |command: clap::Command, flag: &&str| command.mut_arg(*flag, |flag| flag.hide(true));
            line.mut_subcommand(name, |command| flags.iter().fold(command, hide))
        });
        narrow(line)
    }

    /// Reads the command line of this process.
    pub fn read() -> Result<Arguments, clap::Error> {
        let matches = Arguments::command_line().try_get_matches()?;
        if let Some((name, given)) = matches.subcommand()
            && let Some((_, flags)) = UNUSED.iter().find(|(command, _)| *command == name)
            && let Some(flag) =
                flags.iter().find(|flag| given.value_source(flag) == Some(ValueSource::CommandLine))
        {
            let flag = flag.replace('_', "-");
            let reason = format!("`{name}` has no use for --{flag}\n");
            return Err(Arguments::command_line().error(ErrorKind::UnknownArgument, reason));
        }
        Arguments::from_arg_matches(&matches)
    }
}

/// Has the help of a command and of those below it describe each flag on a line of its own.
fn narrow(command: clap::Command) -> clap::Command {
    command.next_line_help(true).mut_subcommands(narrow)
}

impl Command {
    /// The flags in common, of a command that computes.
    pub fn shared(&self) -> Option<&Shared> {
        match self {
            Command::Demo { shared, .. }
            | Command::Run { shared, .. }
            | Command::Deal { shared, .. }
            | Command::Plan { shared, .. }
            | Command::Work { shared, .. } => Some(shared),
            Command::Vram(arguments) => Some(&arguments.shared),
            Command::Bench(_)
            | Command::Circuit(_)
            | Command::Import(_)
            | Command::Functions(_)
            | Command::Init { .. }
            | Command::Id { .. }
            | Command::Trace { .. }
            | Command::Completions { .. }
            | Command::Man { .. }
            | Command::Doctor { .. } => None,
        }
    }

    /// Whether JSON was asked for.
    pub fn json(&self) -> bool {
        let own = match self {
            Command::Doctor { json } | Command::Id { json, .. } | Command::Trace { json, .. } => *json,
            Command::Bench(bench) => bench.options.json,
            Command::Circuit(arguments) => arguments.json,
            Command::Import(arguments) => arguments.json,
            Command::Functions(arguments) => arguments.json,
            Command::Init { arguments } => arguments.json,
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

    /// Whether this process runs what its launcher asks for.
    pub fn is_worker(&self) -> bool {
        matches!(self, Command::Work { .. })
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
            observer: self.metrics.is_some().then_some(&metrics::LINKS),
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
        Arguments::command_line().debug_assert();
    }

    /// Every command and subcommand with its path.
    fn commands(command: &clap::Command, path: &str) -> Vec<(String, clap::Command)> {
        let path = format!("{path} {}", command.get_name()).trim().to_owned();
        let below = command.get_subcommands().flat_map(|below| commands(below, &path));
        [(path.clone(), command.clone())].into_iter().chain(below).collect()
    }

    #[test]
    fn help_fits_a_hundred_columns() {
        let mut wide = Vec::new();
        for (path, mut command) in commands(&Arguments::command_line(), "") {
            for help in [command.render_help(), command.render_long_help()] {
                let help = help.to_string();
                let lines = help.lines().filter(|line| line.chars().count() > 100);
                wide.extend(lines.map(|line| format!("{path}: {line}")));
            }
        }
        assert!(wide.is_empty(), "lines of more than 100 columns:\n{}", wide.join("\n"));
    }

    #[test]
    fn help_is_in_sections_and_lists_what_a_command_uses() {
        let line = Arguments::command_line();
        for (name, unused) in UNUSED {
            let mut command = line.find_subcommand(name).expect("a command").clone();
            let help = command.render_help().to_string();
            for heading in [DEVICES, PLANNING, NETWORK, OUTPUT] {
                assert!(help.contains(&format!("\n{heading}:\n")), "{name}: {heading}");
            }
            for flag in unused {
                assert!(!help.contains(&format!("--{}", flag.replace('_', "-"))), "{name}: {flag}");
            }
        }
    }
}
