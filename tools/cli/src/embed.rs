//! For programs that embed what the command does with a job's program: settings as the command line has them, plans and
//! reports as the command shows them, and [workers](crate::worker) with the settings.

use crate::args::{Arguments, Command, Shared};
use crate::failure::Failure;
pub use crate::import::is_reserved;
use crate::report::{Ranges, RunJson};
use crate::worker::{Check, Crew, read};
use crate::{in_a_line, page, plan, table};
use clap::Parser;
use std::path::Path;
use symbolon::correlation::Source;
use symbolon::protocol::Protocol;
use symbolon::session::Devices;
use symbolon::share::Terms;
use symbolon_job::{Correlations, PartyConfig};

/// What the flags that commands have in common say, the device, its budget, the link; and the source of correlations.
#[derive(Clone)]
pub struct Settings {
    shared: Shared,
    correlations: Option<Correlations>,
}

impl Settings {
    /// The settings of these flags and their values, such as `--budget 2GiB` or `--correlations pair`.
    ///
    /// # Errors
    /// Where a flag is unknown or its value no such thing.
    pub fn parse<'a>(flags: impl IntoIterator<Item = &'a str>) -> Result<Settings, Failure> {
        let words = ["symbolon", "work", "--protocol", "beaver"].into_iter().chain(flags);
        let arguments =
            Arguments::try_parse_from(words).map_err(|error| Failure::Usage(in_a_line(&error)))?;
        match arguments.command {
            Command::Work { correlations, shared, .. } => Ok(Settings { shared, correlations }),
            _ => unreachable!("the command is in the words"),
        }
    }

    /// Opens the devices.
    ///
    /// # Errors
    /// Where there is none of that name, or it cannot be opened.
    pub fn open_devices(&self) -> Result<Devices, Failure> {
        self.shared.open_devices()
    }

    /// The source of a protocol's correlations.
    fn source(&self, protocol: Protocol) -> Result<Source, Failure> {
        source(protocol, self.correlations.as_ref())
    }

    /// All parties as processes on this machine; `command` is the `symbolon` command's program.
    ///
    /// # Errors
    /// Where a process cannot be started, or `check` ends the wait.
    pub fn processes(&self, command: &Path, protocol: Protocol, check: Check) -> Result<Crew, Failure> {
        Crew::processes(command, protocol, self.source(protocol)?, &self.shared, check)
    }

    /// All parties as threads of this process, on these devices: for trials and tests.
    ///
    /// # Errors
    /// Where no thread can be started.
    pub fn threads(&self, protocol: Protocol, devices: &Devices, check: Check) -> Result<Crew, Failure> {
        Crew::threads(protocol, self.source(protocol)?, devices, self.shared.session_options(), check)
    }

    /// One party as its file describes it, once it has met its peers; `terms` are what all must have in common.
    ///
    /// # Errors
    /// Where the file cannot be used, a peer is missing or has other terms, or `check` ends the wait.
    pub fn party(
        &self,
        config: &PartyConfig,
        protocol: Protocol,
        terms: Terms,
        devices: Devices,
        check: Check,
    ) -> Result<Crew, Failure> {
        let source = self.source(protocol)?;
        if Correlations::CHOOSABLE.contains(&source)
            && config.sources().is_some_and(|of| !of.contains(&source))
        {
            return Err(Failure::Usage(format!(
                "a session by program takes correlations from {source}, which this party's own file does not list"
            )));
        }
        let network = config.network(protocol, &[source], None, &|_| {})?;
        Crew::party((network, source), terms, devices, self.shared.session_options(), check)
    }

    /// What a program will take, as JSON and in a table; `text` is that of its job.
    ///
    /// # Errors
    /// Where the job has no plan.
    pub fn plan(&self, text: &str, devices: &Devices) -> Result<(String, String), Failure> {
        let (job, program) = read(text)?;
        let source = self.source(job.protocol)?;
        let planned = plan::planned(&job, job.protocol, &program, source, devices, &self.shared)?;
        let json = serde_json::to_string(&planned.json).expect("a plan serialises");
        Ok((json, planned.json.text(plan::Listed::Dearest)))
    }
}

/// The source of the correlations of a session by program: that which a protocol has by itself, or the dealer or the pair.
pub(crate) fn source(protocol: Protocol, correlations: Option<&Correlations>) -> Result<Source, Failure> {
    let source = match correlations {
        None => return Ok(protocol.default_source()),
        Some(Correlations::Dealer) => Source::Dealer,
        Some(Correlations::Pair) => Source::Pair,
        Some(other @ (Correlations::Store(_) | Correlations::Auto)) => {
            return Err(Failure::Usage(format!(
                "--correlations {other}: a session by program takes correlations from the dealer or the pair"
            )));
        }
    };
    protocol.check_source(source).map_err(|error| Failure::Usage(error.to_string()))?;
    Ok(source)
}

/// Holds a program against what its declared bounds prove, before anybody is bothered; `text` is that of its job.
///
/// # Errors
/// Where the job does not fit, or its bounds allow overflow.
pub fn check(text: &str) -> Result<(), Failure> {
    let (_, program) = read(text)?;
    Ranges::of(&program)?;
    Ok(())
}

/// The report of a run.
pub struct Report(RunJson);

impl Report {
    /// All parties' reports of one run as one; each is JSON, as a worker gives it.
    ///
    /// # Errors
    /// Where there is none, or one is no report.
    pub fn merge<'a>(reports: impl IntoIterator<Item = &'a str>) -> Result<Report, Failure> {
        let parsed: Result<Vec<RunJson>, _> = reports.into_iter().map(serde_json::from_str).collect();
        match parsed {
            Ok(runs) if !runs.is_empty() => Ok(Report(RunJson::merge(&runs))),
            Ok(_) => Err(Failure::Fault("there is no report".into())),
            Err(error) => Err(Failure::Fault(format!("a worker gave no report: {error}"))),
        }
    }

    /// As JSON.
    pub fn json(&self) -> String {
        serde_json::to_string(&self.0).expect("reports serialise")
    }

    /// In a table.
    pub fn text(&self) -> String {
        table::run(&self.0)
    }

    /// As a page.
    pub fn html(&self, settings: &Settings) -> String {
        page::run::page(&self.0, None, &settings.shared).html()
    }
}
