//! `run --local`: every role of a job as a process of its own on this machine.
//!
//! The launcher starts the dealer, then the parties in ascending order, each of which says where it listens before
//! the next is started, so that free ports are taken without a race. Outputs are written to a folder of their own
//! and appear where the job says only after every process has ended well and all recipients have the same.

use crate::args::Shared;
use crate::data::publish;
use crate::failure::Failure;
use crate::job::Job;
use crate::party::{LISTENING, check_targets};
use crate::process::{Ended, Process};
use crate::report::{RoleJson, RunJson};
use crate::{output, table};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use symbolon::share::PartyId;

/// How long processes may take to end by themselves after another has failed.
const GRACE: Duration = Duration::from_secs(3);

/// Runs a job.
pub fn run(job_path: &Path, shared: &Shared) -> Result<(), Failure> {
    let job = Job::read(job_path)?;
    let json = launch(job_path, &job, shared)?;
    output::print(shared.json, &json, &table::run(&json));
    Ok(())
}

/// Runs a job and puts its outputs where it says.
pub fn launch(job_path: &Path, job: &Job, shared: &Shared) -> Result<RunJson, Failure> {
    let start = Instant::now();
    job.parties().try_for_each(|party| check_targets(job, party, |_| None))?;
    let folder = tempfile::tempdir().map_err(|error| file_failure(&std::env::temp_dir(), &error))?;
    let launch = Launch { job_path, job, shared, folder: folder.path() };
    let progress = spinner(&format!("{}: a dealer and {} parties at work", job.name, job.protocol.parties()));
    let ended = launch.processes();
    progress.finish_and_clear();
    launch.result(ended?, start)
}

/// The exit status of a process that a peer let down.
const PEER_FAILED: u8 = 3;

struct Launch<'a> {
    job_path: &'a Path,
    job: &'a Job,
    shared: &'a Shared,
    folder: &'a Path,
}

impl Launch<'_> {
    /// Starts all processes and waits until they have ended: the dealer's is the last.
    fn processes(&self) -> Result<Vec<Ended>, Failure> {
        let mut running: Vec<Process> = Vec::new();
        let started = self.start_all(&mut running);
        if let Err(failure) = started {
            let ended = end_all(running);
            return Err(root_cause(&ended).unwrap_or(failure));
        }
        let ended = wait_all(running);
        match root_cause(&ended) {
            Some(failure) => Err(failure),
            None => Ok(ended),
        }
    }

    /// The parties in order, then the dealer; each is started once those it connects to listen.
    fn start_all(&self, running: &mut Vec<Process>) -> Result<(), Failure> {
        let dealer_config = self.folder.join("dealer.toml");
        self.write(&dealer_config, "listen = \"127.0.0.1:0\"\n")?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let arguments = ["deal".into(), "--config".into(), dealer_config.into()];
        let mut dealer = Process::start("the dealer", &self.arguments(arguments.to_vec(), cores))?;
        let dealer_address = dealer.listening(LISTENING);
        running.push(dealer);
        let Some(dealer_address) = dealer_address else { return Err(no_address("the dealer")) };
        let parties = self.job.protocol.parties();
        let mut addresses = BTreeMap::new();
        for party in self.job.parties() {
            let config = self.folder.join(format!("party{}.toml", party.0));
            let text = self.party_config(party, dealer_address, &addresses)?;
            self.write(&config, &text)?;
            let arguments = ["run".into(), self.job_path.into(), "--party".into(), config.into()];
            // The parties work at the same time: they divide the cores.
            let arguments = self.arguments(arguments.to_vec(), (cores / parties).max(1));
            let mut process = Process::start(&party.to_string(), &arguments)?;
            let is_last = party.index() + 1 == parties;
            let address = if is_last { None } else { process.listening(LISTENING) };
            let end = running.len() - 1;
            running.insert(end, process);
            match address {
                Some(address) => drop(addresses.insert(party, address)),
                None if is_last => {}
                None => return Err(no_address(&party.to_string())),
            }
        }
        Ok(())
    }

    /// The shared flags for a process that has `threads` to itself.
    fn arguments(&self, mut arguments: Vec<OsString>, threads: usize) -> Vec<OsString> {
        let threads = self.shared.threads.map_or(threads, usize::from);
        let flags = [
            ("--device", self.shared.device.clone()),
            ("--threads", threads.to_string()),
            ("--deadline", self.shared.deadline.to_string()),
        ];
        for (flag, value) in flags {
            arguments.extend([flag.into(), value.into()]);
        }
        if let Some(budget) = self.shared.budget {
            arguments.extend(["--budget".into(), budget.to_string().into()]);
        }
        if let Some(link) = self.shared.link {
            arguments.extend(["--link".into(), link.to_string().into()]);
        }
        arguments.push("--json".into());
        arguments
    }

    fn party_config(
        &self,
        party: PartyId,
        dealer: SocketAddr,
        lower: &BTreeMap<PartyId, SocketAddr>,
    ) -> Result<String, Failure> {
        let peers: Vec<String> =
            lower.iter().map(|(party, address)| format!("{} = \"{address}\"", party.0)).collect();
        let mut text = format!(
            "party = {}\nlisten = \"127.0.0.1:0\"\ndealer = \"{dealer}\"\npeers = {{ {} }}\n[outputs]\n",
            party.0,
            peers.join(", ")
        );
        let folder = self.folder.join(party.0.to_string());
        std::fs::create_dir(&folder).map_err(|error| file_failure(&folder, &error))?;
        for (name, output) in &self.job.outputs {
            if output.to.contains(&party.0)
                && let Some(file) = self.job.output_file(name)
            {
                text += &format!(
                    "{} = {}\n",
                    quoted(name),
                    quoted(&staged(&folder, name, &file).to_string_lossy())
                );
            }
        }
        Ok(text)
    }

    fn write(&self, path: &Path, text: &str) -> Result<(), Failure> {
        std::fs::write(path, text).map_err(|error| file_failure(path, &error))
    }

    /// Puts the processes' reports together, and the outputs where they belong.
    fn result(&self, ended: Vec<Ended>, start: Instant) -> Result<RunJson, Failure> {
        let (dealer, parties) = ended.split_last().expect("a dealer and parties");
        let runs: Vec<RunJson> = parties.iter().map(parse).collect::<Result<_, _>>()?;
        let dealt: DealOrders = parse(dealer)?;
        let mut result = runs[0].clone();
        result.parties = runs.iter().flat_map(|run| run.parties.clone()).collect();
        result.dealer = dealt.orders.into_iter().next();
        let largest = |value: fn(&RunJson) -> f64| runs.iter().map(value).fold(0.0, f64::max);
        result.offline_s = largest(|run| run.offline_s);
        result.online_s = largest(|run| run.online_s);
        result.offline_bytes = result.dealer.as_ref().map_or(0, |dealer| dealer.offline_bytes_sent);
        result.outputs = self.outputs(&runs)?;
        result.wall_s = start.elapsed().as_secs_f64();
        Ok(result)
    }

    /// Each output once, after its recipients have been held against each other.
    fn outputs(&self, runs: &[RunJson]) -> Result<Vec<crate::report::OutputJson>, Failure> {
        let mut outputs = Vec::new();
        for name in self.job.outputs.keys() {
            let copies: Vec<_> =
                runs.iter().flat_map(|run| &run.outputs).filter(|output| output.name == *name).collect();
            let (first, others) = copies.split_first().expect("every output has a recipient");
            if others.iter().any(|other| other.digest != first.digest) {
                return Err(Failure::Wrong(format!(
                    "the recipients of output '{name}' have different results"
                )));
            }
            let mut output = (*first).clone();
            if let (Some(from), Some(to)) = (&output.file, self.job.output_file(name)) {
                let failed = |error| Failure::Output { output: name.clone(), error };
                publish(Path::new(from), &to).map_err(failed)?;
                output.file = Some(to.display().to_string());
            }
            outputs.push(output);
        }
        Ok(outputs)
    }
}

/// As much of the dealer's report as is needed.
#[derive(Deserialize)]
struct DealOrders {
    orders: Vec<RoleJson>,
}

/// Where a party's process writes an output before it is published.
fn staged(folder: &Path, name: &str, file: &Path) -> PathBuf {
    folder.join(name).with_extension(file.extension().unwrap_or_default())
}

fn parse<T: for<'a> Deserialize<'a>>(ended: &Ended) -> Result<T, Failure> {
    serde_json::from_str(&ended.stdout)
        .map_err(|error| Failure::Wrong(format!("{} printed no report: {error}", ended.name)))
}

/// A string as TOML writes it; JSON's escapes are a part of TOML's.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("text serialises")
}

/// Waits until all have ended, or one has failed and the others have had their time.
fn wait_all(mut running: Vec<Process>) -> Vec<Ended> {
    loop {
        if running.iter_mut().any(|process| process.failure().is_some()) {
            return end_all(running);
        }
        if running.iter_mut().all(|process| process.has_ended()) {
            return running.into_iter().map(Process::end).collect();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Ends the processes. Where all that is known is that a peer failed somebody, they first get the time to end by
/// themselves, so that the one to blame can say why.
fn end_all(mut running: Vec<Process>) -> Vec<Ended> {
    let deadline = Instant::now() + GRACE;
    let is_cause = |process: &mut Process| process.failure().is_some_and(|status| status != PEER_FAILED);
    while Instant::now() < deadline
        && !running.iter_mut().any(is_cause)
        && !running.iter_mut().all(|process| process.has_ended())
    {
        std::thread::sleep(Duration::from_millis(5));
    }
    running.into_iter().map(Process::end).collect()
}

/// The failure that the others followed from: one that is not about a peer, if there is one.
fn root_cause(ended: &[Ended]) -> Option<Failure> {
    let failed = || ended.iter().filter(|ended| ended.status != Some(0));
    let own = failed().find(|ended| ended.status.is_some_and(|status| status != PEER_FAILED));
    let about_peer = || failed().find(|ended| ended.status.is_some());
    let cause = own.or_else(about_peer).or_else(|| failed().next())?;
    let line = cause.error.clone().unwrap_or_else(|| format!("{} was ended", cause.name));
    Some(Failure::Child { line, status: cause.status.unwrap_or(PEER_FAILED) })
}

fn no_address(name: &str) -> Failure {
    Failure::Wrong(format!("{name} ended before it listened"))
}

fn file_failure(path: &Path, error: &std::io::Error) -> Failure {
    Failure::File { path: path.to_owned(), reason: error.to_string() }
}

/// Shows on a terminal that work goes on.
fn spinner(message: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {msg}, {elapsed}").expect("a valid template");
    let progress = ProgressBar::new_spinner().with_style(style).with_message(message.to_owned());
    progress.enable_steady_tick(Duration::from_millis(120));
    progress
}
