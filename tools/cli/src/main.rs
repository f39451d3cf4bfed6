//! The `symbolon` command: private computations from files, between processes.

mod args;
mod config;
mod data;
mod deal;
mod demo;
mod doctor;
mod failure;
mod job;
mod local;
mod output;
mod party;
mod plan;
mod process;
mod report;
mod table;

use args::{Command, RunMode};
use clap::Parser;
use failure::Failure;
use std::process::ExitCode;

fn main() -> ExitCode {
    match dispatch(args::Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::from(failure.status())
        }
    }
}

fn dispatch(command: Command) -> Result<(), Failure> {
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
