//! The `symbolon` command: private computations from files, between processes.

mod args;
mod config;
mod data;
mod deal;
mod demo;
mod doctor;
mod failure;
mod interrupt;
mod job;
mod local;
mod output;
mod party;
mod plan;
mod process;
mod report;
mod table;
mod targets;

use args::{Arguments, Command, RunMode};
use clap::Parser;
use failure::Failure;
use std::process::ExitCode;

fn main() -> ExitCode {
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

fn dispatch(command: Command) -> Result<(), Failure> {
    if command.is_launched() {
        process::end_with_launcher();
    }
    match command {
        Command::Demo { shared } => demo::demo(&shared),
        Command::Run { job, mode: RunMode { local: true, .. }, shared } => local::run(&job, &shared),
        Command::Run { job, mode, shared } => {
            let config = mode.party.expect("the command line has --local or --party");
            party::run(&job, &config, &shared)
        }
        Command::Deal { config, shared } => deal::deal(&config, &shared),
        Command::Plan { job, shared } => plan::plan(&job, &shared),
        Command::Doctor { json } => doctor::doctor(json),
    }
}
