//! `--log`: a node's events, line by line on stderr.
//!
//! The library's events name actions and peers, and never hold a key, a share or a value.

use crate::failure::Failure;
use crate::say;
use clap::ValueEnum;
use std::io::stderr;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::prelude::*;

/// The level of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Level {
    /// Failures that end a run.
    Error,
    /// Events that should not happen.
    Warn,
    /// The actions of a node.
    Info,
    /// Also the reasons.
    Debug,
    /// Everything.
    Trace,
}

/// The format of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Text for people.
    #[default]
    Human,
    /// A JSON object a line.
    Json,
}

impl Level {
    /// The word on the command line.
    pub fn word(self) -> String {
        word(self)
    }
}

impl Format {
    /// The word on the command line.
    pub fn word(self) -> String {
        word(self)
    }
}

fn word(value: impl ValueEnum) -> String {
    let value = value.to_possible_value().expect("every value has a word");
    value.get_name().to_owned()
}

/// Starts the log of this process.
///
/// # Errors
/// Where a log has started already.
pub fn begin(level: Level, format: Format) -> Result<(), Failure> {
    let filter = match level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    };
    // Other libraries' events are left out: nobody has checked them for secrets.
    let filter = Targets::new().with_target("symbolon", filter).with_target(say::TARGET, LevelFilter::INFO);
    let lines = match format {
        Format::Human => fmt::layer().with_writer(stderr).with_ansi(false).boxed(),
        Format::Json => fmt::layer().json().flatten_event(true).with_writer(stderr).boxed(),
    };
    let registry = tracing_subscriber::registry().with(lines.with_filter(filter));
    registry.try_init().map_err(|error| Failure::Usage(format!("--log: {error}")))?;
    if format == Format::Json {
        say::in_json();
    }
    Ok(())
}
