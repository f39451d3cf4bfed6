//! The `symbolon` command: private computations from files, between processes. It is a library for its fuzz targets and
//! for bindings of other languages ([`embed`]); `symbolon_job` is what other programs use.

mod args;
mod bench;
mod circuit;
mod deal;
mod demo;
mod devices;
mod doctor;
pub mod embed;
mod failure;
mod fault;
mod files;
mod functions;
#[cfg(any(test, feature = "testing"))]
pub mod fuzz;
mod garbled;
mod heap;
mod id;
mod import;
mod init;
mod interrupt;
mod live;
mod local;
mod log;
mod manual;
mod metrics;
mod nodes;
mod output;
mod page;
mod party;
mod plan;
mod process;
mod report;
mod say;
mod scratch;
mod stages;
mod state;
mod table;
mod trace;
mod trust;
mod turns;
mod vram;
pub mod worker;

use args::{Arguments, Command, Folders, RunMode, Shared};
use clap::error::ErrorKind;
pub use failure::Failure;
use process::Brief;
use std::process::ExitCode;

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    heap::keep_freed_memory();
    forbid_dumps();
    settle_drivers();
    #[cfg(unix)]
    fault::catch_aborts(has_argument("--json"));
    let command = match Arguments::read() {
        Ok(arguments) => arguments.command,
        Err(error) => return usage(&error),
    };
    let json = command.json();
    match fault::guard(|| dispatch(command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::print_failure(json, &failure);
            ExitCode::from(failure.status())
        }
    }
}

/// A process that crashes must not leave its shares and keys on a disk or with a program that dumps are piped to, nor
/// show them to the user's other processes.
fn forbid_dumps() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        let none = Rlimit { current: Some(0), maximum: Some(0) };
        // Lowering a limit is always allowed.
        let _ = setrlimit(Resource::Core, none);
    }
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        // The limit does not hold where dumps are piped. Every kernel knows this behaviour.
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}

/// Graphics drivers look for a screen in this folder and print lines of their own where the variable is not set. What it is
/// set to is no folder, so that nobody can put anything there.
fn settle_drivers() {
    #[cfg(unix)]
    {
        const FOLDER: &str = "XDG_RUNTIME_DIR";
        let is_folder = |folder: std::ffi::OsString| std::path::Path::new(&folder).is_absolute();
        if !std::env::var_os(FOLDER).is_some_and(is_folder) {
            // SAFETY: this process has no other thread yet.
            unsafe { std::env::set_var(FOLDER, "/dev/null") };
        }
    }
}

/// Prints help, or what is wrong with the command line.
fn usage(error: &clap::Error) -> ExitCode {
    let logs_json = || {
        let arguments: Vec<_> = std::env::args_os().collect();
        has_argument("--log-format=json")
            || arguments.windows(2).any(|pair| pair[0] == "--log-format" && pair[1] == "json")
    };
    let failure = Failure::Usage(in_a_line(error));
    let json = has_argument("--json");
    if error.use_stderr() && (json || logs_json()) {
        if logs_json() {
            // Nothing has begun to log yet.
            let _ = log::begin(log::Level::Error, log::Format::Json);
        }
        output::print_failure(json, &failure);
        return ExitCode::from(failure.status());
    }
    let _ = error.print();
    ExitCode::from(if error.use_stderr() { failure.status() } else { 0 })
}

/// Whether the command line has this word, whatever else is wrong with it.
fn has_argument(word: &str) -> bool {
    std::env::args_os().any(|argument| argument == word)
}

/// All that an error of the command line says, but for how the command is called.
fn in_a_line(error: &clap::Error) -> String {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return "a command is missing; `symbolon --help` lists them".to_owned();
    }
    let text = error.to_string();
    let said = text.split("\n\nUsage:").next().unwrap_or_default();
    let said = said.split("\n\nFor more information").next().unwrap_or_default();
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join(" ").trim_start_matches("error: ").to_owned()
}

/// Begins what lets others see how this process gets on.
fn observe(command: &Command, shared: &Shared) -> Result<(), Failure> {
    if let Some(level) = shared.log {
        log::begin(level, shared.log_format)?;
    }
    match shared.metrics {
        Some(address) if command.is_node() => metrics::serve(address),
        Some(_) => Err(Failure::Usage("--metrics is for one node: `run --party` or `deal`".into())),
        None => Ok(()),
    }
}

fn dispatch(command: Command) -> Result<(), Failure> {
    if command.is_launched() {
        Brief::receive(command.is_worker())?;
    } else if command.is_node() {
        interrupt::catch_as_node(command.json())?;
    }
    if let Some(shared) = command.shared() {
        files::set_mode(shared.file_mode);
        observe(&command, shared)?;
    }
    match command {
        Command::Demo { protocol, correlations, nonlinear, shared } => {
            let folders = Folders { correlations, nonlinear, ..Folders::default() };
            demo::demo(protocol, &folders, &shared)
        }
        Command::Run { job, mode: RunMode { local: true, .. }, folders, report, shared, .. } => {
            local::run(&job, &folders, &shared, report.as_deref())
        }
        Command::Run { job, mode, folders, accept_shapes, report, shared } => {
            let config = mode.party.expect("the command line has --local or --party");
            party::run(&job, &config, &folders, accept_shapes, &shared, report.as_deref())
                .map_err(interrupt::cause)
        }
        Command::Deal { to, shared } => deal::deal(&to, &shared).map_err(interrupt::cause),
        Command::Work { protocol, correlations, shared } => {
            worker::work(protocol, correlations.as_ref(), &shared)
        }
        Command::Plan { job, demand, correlations, nonlinear, all, shared } => {
            let listed = if all { plan::Listed::All } else { plan::Listed::Dearest };
            let folders = Folders { correlations, nonlinear, ..Folders::default() };
            plan::plan(&job, demand.as_deref(), &folders, listed, &shared)
        }
        Command::Vram(arguments) => vram::vram(&arguments),
        Command::Bench(options) => bench::bench(&options),
        Command::Circuit(arguments) => circuit::circuit(&arguments),
        Command::Import(arguments) => import::import(&arguments),
        Command::Functions(arguments) => functions::list(&arguments),
        Command::Trace { file, json } => trace::trace(&file, json),
        Command::Init { arguments } => init::init(&arguments),
        Command::Id { folder, json } => id::id(&folder, json),
        Command::Doctor { json } => doctor::doctor(json),
        Command::Completions { shell } => manual::completions(shell),
        Command::Man { folder } => manual::man(&folder),
    }
}
