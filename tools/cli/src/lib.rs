//! The `symbolon` command: private computations from files, between processes. A library only for its fuzz targets.

mod args;
mod bench;
mod config;
mod data;
mod deal;
mod demand;
mod demo;
mod devices;
mod doctor;
mod failure;
#[doc(hidden)]
pub mod fuzz;
mod id;
mod identity;
mod init;
mod interrupt;
mod job;
mod live;
mod local;
mod log;
mod metrics;
mod output;
mod page;
mod party;
mod plan;
mod process;
mod report;
mod state;
mod table;
mod targets;
mod trace;
mod vram;

use args::{Arguments, Command, RunMode, Shared};
use clap::Parser;
use failure::Failure;
use std::process::ExitCode;

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    forbid_core_dumps();
    let command = match Arguments::try_parse() {
        Ok(arguments) => arguments.command,
        Err(error) => return usage(&error),
    };
    let json = command.json();
    match dispatch(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::print_failure(json, &failure.to_string(), failure.status());
            ExitCode::from(failure.status())
        }
    }
}

/// A process that crashes must not leave its shares and keys on a disk.
fn forbid_core_dumps() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        let none = Rlimit { current: Some(0), maximum: Some(0) };
        // Lowering a limit is always allowed.
        let _ = setrlimit(Resource::Core, none);
    }
}

/// Prints help, or what is wrong with the command line.
fn usage(error: &clap::Error) -> ExitCode {
    const BAD_USAGE: u8 = 2;
    if error.use_stderr() && std::env::args_os().any(|argument| argument == "--json") {
        let text = error.to_string();
        let line = text.lines().next().unwrap_or_default();
        output::print_failure(true, line.strip_prefix("error: ").unwrap_or(line), BAD_USAGE);
        return ExitCode::from(BAD_USAGE);
    }
    let _ = error.print();
    ExitCode::from(if error.use_stderr() { BAD_USAGE } else { 0 })
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
        process::end_with_launcher();
    }
    if let Some(shared) = command.shared() {
        observe(&command, shared)?;
    }
    match command {
        Command::Demo { protocol, shared } => demo::demo(protocol, &shared),
        Command::Run { job, mode: RunMode { local: true, .. }, correlations, report, shared } => {
            local::run(&job, correlations.as_deref(), &shared, report.as_deref())
        }
        Command::Run { job, mode, correlations, report, shared } => {
            let config = mode.party.expect("the command line has --local or --party");
            party::run(&job, &config, correlations.as_deref(), &shared, report.as_deref())
        }
        Command::Deal { to, shared } => deal::deal(&to, &shared),
        Command::Plan { job, demand, shared } => plan::plan(&job, demand.as_deref(), &shared),
        Command::Vram(arguments) => vram::vram(&arguments),
        Command::Bench(options) => bench::bench(&options),
        Command::Trace { file, json } => trace::trace(&file, json),
        Command::Init { arguments } => init::init(&arguments),
        Command::Id { folder, json } => id::id(&folder, json),
        Command::Doctor { json } => doctor::doctor(json),
    }
}
