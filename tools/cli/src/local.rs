//! `run --local`: every role of a job as a process of its own on this machine.
//!
//! The launcher starts the dealer, unless there is none or correlations are in a store, and the parties, all at once. While
//! these read their inputs it learns where the dealer listens, and then where each party does, in ascending order; a party is
//! told the addresses of those before it once they are known. So free ports are taken without a race.
//! Identities are made for the one run and told to each process by its stdin. Outputs come back by stdout into files
//! without a name, and appear where the job says only after every process has ended well and all recipients have the
//! same; where a check has failed, those of the batches before it do. A launcher that is killed so leaves neither keys nor results behind, and its processes end with it.

use crate::args::Shared;
use crate::failure::{Failure, WRONG};
use crate::live::Live;
use crate::process::{Brief, End, Ended, Group, Said};
use crate::report::{OutputJson, RoleJson, RunJson};
use crate::scratch::Scratch;
use crate::stages;
use crate::trace::TraceFile;
use crate::{files, interrupt, live, output, page, state, table, trace};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use symbolon::correlation::Source;
use symbolon::net::{IdentityPem, Streams};
use symbolon::run::{Stage, Stages};
use symbolon::share::{PartyId, Role};
use symbolon_job::data::{DataError, publish};
use symbolon_job::{Job, JobError, check_targets, identity, of_batch};

/// Runs a job, and reports on it in a folder if there is one.
pub fn run(
    job_path: &Path,
    correlations: Option<&Path>,
    shared: &Shared,
    report_to: Option<&Path>,
) -> Result<(), Failure> {
    interrupt::catch()?;
    let job = Job::read(job_path)?;
    let Some(folder) = report_to else {
        let json = launch(job_path, &job, correlations, shared)?;
        return output::print(shared.json, &json, &table::run(&json));
    };
    let traces = Scratch::new()?;
    let trace = shared.trace.clone().unwrap_or_else(|| traces.path().join("trace.json"));
    let json =
        launch(job_path, &job, correlations, &Shared { trace: Some(trace.clone()), ..shared.clone() })?;
    let recorded = TraceFile::read(&trace)?;
    let path = page::run::page(&json, Some(&recorded), shared).write(folder)?;
    let text = table::run(&json) + &format!("  report in {}\n", path.display());
    output::print(shared.json, &json, &text)
}

/// Runs a job and puts its outputs where it says. Where correlations are in a store, there is no dealer.
pub fn launch(
    job_path: &Path,
    job: &Job,
    correlations: Option<&Path>,
    shared: &Shared,
) -> Result<RunJson, Failure> {
    let mut stages = Stages::default();
    let source = job.source(correlations.is_some())?;
    job.check_outputs(job.output_files())?;
    check_targets(job.in_batches(job.input_files()), job.in_batches(job.output_files()))?;
    let roles = job.parties().map(Role::from).chain(Some(Role::Dealer));
    let identities =
        roles.map(|role| Ok((role, identity::generate(role)?))).collect::<Result<_, Failure>>()?;
    let traces = shared.trace.is_some().then(Scratch::new).transpose()?;
    let launch = Launch { job_path, job, source, correlations, shared, identities, traces };
    stages.end(Stage::Reading);
    let (ended, failure) = launch.processes(&mut stages)?;
    if let Some(failure) = failure {
        launch.publish_checked(&ended)?;
        return Err(failure);
    }
    stages.end(Stage::Finishing);
    launch.result(ended, stages)
}

struct Launch<'a> {
    job_path: &'a Path,
    job: &'a Job,
    source: Source,
    /// The store, where that is the source.
    correlations: Option<&'a Path>,
    shared: &'a Shared,
    /// Of the parties and a dealer, for this run alone.
    identities: BTreeMap<Role, IdentityPem>,
    /// Where the parties' traces are until all have ended.
    traces: Option<Scratch>,
}

impl Launch<'_> {
    /// Starts all processes and waits until they have ended: the dealer, if there is one, is the first of them. With the
    /// failure of the one to blame, if one has failed.
    fn processes(&self, stages: &mut Stages) -> Result<(Vec<Ended>, Option<Failure>), Failure> {
        let mut group = Group::new(self.shared.log.is_some());
        let started = self.start_all(&mut group);
        stages.end(Stage::Launching);
        match started {
            Ok(()) => group.wait(self.live().as_ref()),
            Err(Failure::Interrupted) => Err(Failure::Interrupted),
            Err(failure) => Err(group.end().1.unwrap_or(failure)),
        }
    }

    /// The dealer and the parties; each of these is told where those are that it connects to once they listen.
    fn start_all(&self, group: &mut Group) -> Result<(), Failure> {
        let patience = Duration::from_secs(self.shared.deadline.into());
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let dealer = self.is_dealt().then(|| self.start_dealer(group, cores)).transpose()?;
        let parties = self.job.protocol.parties();
        // The identities are made for this run: what is used of a store is remembered for longer.
        let marks = self.correlations.map(|_| state::marks()).transpose()?;
        // Until their peers are to be found; nobody is looked for there.
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let mut started = Vec::new();
        for party in self.job.parties() {
            let name = identity::stem(party.into());
            let arguments = ["run".into(), self.job_path.into(), "--party".into(), name.into()];
            // The parties work at the same time: they divide the cores.
            let mut arguments = self.arguments(arguments.to_vec(), (cores / parties).max(1));
            // All parties are this user's.
            arguments.push("--accept-shapes".into());
            if let Some(side) = self.shared.tile {
                arguments.extend(["--tile".into(), side.to_string().into()]);
            }
            if self.shared.stream_correlations {
                arguments.push("--stream-correlations".into());
            }
            if let Some(store) = self.correlations {
                arguments.extend(["--correlations".into(), store.into()]);
            }
            if live::is_watched(self.shared) {
                arguments.push("--progress".into());
            }
            if let Some(trace) = self.staged_trace(party) {
                arguments.extend(["--trace".into(), trace.into()]);
            }
            let lower = (0..party.0).map(|lower| (PartyId(lower), nowhere)).collect();
            let config = self.party_config(party, dealer.map(|_| nowhere), &lower, marks.as_deref());
            let number = group.start(&party.to_string(), &arguments, &self.brief(party.into(), config))?;
            started.push((party, number));
        }
        let dealer = dealer.map(|number| group.address(number, patience)).transpose()?;
        let mut lower = BTreeMap::new();
        for (party, number) in started {
            let config = self.party_config(party, dealer, &lower, marks.as_deref());
            group.tell(number, &Brief::rest_line(&config));
            if party.index() + 1 < parties {
                lower.insert(party, group.address(number, patience)?);
            }
        }
        Ok(())
    }

    /// Whether a dealer is one of the processes.
    fn is_dealt(&self) -> bool {
        self.source.process().is_some()
    }

    /// How many streams a link has: the processes divide the cores.
    fn streams(&self) -> Streams {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let processes = self.job.protocol.parties() + usize::from(self.is_dealt());
        Streams::for_cores(cores / processes, processes - 1)
    }

    /// Returns its number in the group.
    fn start_dealer(&self, group: &mut Group, cores: usize) -> Result<usize, Failure> {
        let config = format!("listen = \"127.0.0.1:0\"\nstreams = {}\n", self.streams());
        let arguments = ["deal".into(), "--config".into(), identity::stem(Role::Dealer).into()];
        let brief = self.brief(Role::Dealer, config);
        group.start("the dealer", &self.arguments(arguments.to_vec(), cores), &brief)
    }

    /// The shared flags for a process that has `threads` to itself.
    fn arguments(&self, mut arguments: Vec<OsString>, threads: usize) -> Vec<OsString> {
        let threads = self.shared.threads.map_or(threads, usize::from);
        let flags = [
            ("--device", self.shared.device.clone()),
            ("--threads", threads.to_string()),
            ("--deadline", self.shared.deadline.to_string()),
            ("--silence", self.shared.silence.to_string()),
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
        if let Some(model) = &self.shared.device_model {
            arguments.extend(["--device-model".into(), model.into()]);
        }
        if self.shared.always_divide {
            arguments.push("--always-divide".into());
        }
        if self.shared.no_matrix_units {
            arguments.push("--no-matrix-units".into());
        }
        if self.shared.no_autotune {
            arguments.push("--no-autotune".into());
        }
        if self.shared.no_overlap {
            arguments.push("--no-overlap".into());
        }
        if let Some(level) = self.shared.log {
            let format = self.shared.log_format.word();
            arguments.extend(["--log".into(), level.word().into(), "--log-format".into(), format.into()]);
        }
        arguments.extend(["--json".into(), "--launched".into()]);
        arguments
    }

    /// The line of every party's lanes, where somebody looks.
    fn live(&self) -> Option<Live> {
        Live::new(self.job.parties().map(|party| party.to_string()), self.shared)
    }

    /// Where a party's trace is until all have ended, if it makes one.
    fn staged_trace(&self, party: PartyId) -> Option<PathBuf> {
        Some(self.traces.as_ref()?.path().join(format!("party{}.trace.json", party.0)))
    }

    /// What a process is told: its configuration, its identity and those of all others.
    fn brief(&self, role: Role, config: String) -> Brief {
        let own = &self.identities[&role];
        let others = self.identities.iter().filter(|(peer, _)| **peer != role);
        let peers = others.map(|(&peer, pem)| (identity::stem(peer), pem.certificate.clone())).collect();
        Brief::new(config, &own.key, &own.certificate, peers)
    }

    fn party_config(
        &self,
        party: PartyId,
        dealer: Option<SocketAddr>,
        lower: &BTreeMap<PartyId, SocketAddr>,
        marks: Option<&Path>,
    ) -> String {
        let peers: Vec<String> =
            lower.iter().map(|(party, address)| format!("{} = \"{address}\"", party.0)).collect();
        let dealer = dealer.map_or_else(String::new, |dealer| format!("dealer = \"{dealer}\"\n"));
        let marks =
            marks.map_or_else(String::new, |marks| format!("marks = {}\n", quoted(&marks.to_string_lossy())));
        format!(
            "party = {}\nlisten = \"127.0.0.1:0\"\n{dealer}peers = {{ {} }}\n{marks}streams = {}\n",
            party.0,
            peers.join(", "),
            self.streams()
        )
    }

    /// Puts the processes' reports together, and the outputs where they belong.
    fn result(&self, ended: Vec<Ended>, mut stages: Stages) -> Result<RunJson, Failure> {
        interrupt::check()?;
        let (dealer, parties) = ended.split_at(usize::from(self.is_dealt()));
        let runs: Vec<RunJson> = parties.iter().map(parse).collect::<Result<_, _>>()?;
        let dealt: Option<DealOrders> = dealer.first().map(parse).transpose()?;
        let mut orders = dealt.map_or_else(Vec::new, |dealt| dealt.orders).into_iter();
        let mut batches = Vec::new();
        for batch in 0..self.job.batches {
            let of_batch = |run: &RunJson| match batch {
                0 => Some(RunJson { later: Vec::new(), ..run.clone() }),
                batch => run.later.get(batch as usize - 1).cloned(),
            };
            let runs: Vec<RunJson> = runs.iter().filter_map(of_batch).collect();
            let dealt = orders.by_ref().take(self.job.turns() as usize).reduce(RoleJson::then);
            batches.push(self.merged(&runs, parties, dealt, batch)?);
        }
        let mut result = batches.remove(0);
        result.later = batches;
        if let Some(path) = &self.shared.trace {
            let staged: Vec<PathBuf> =
                self.job.parties().filter_map(|party| self.staged_trace(party)).collect();
            trace::merge(&staged, path)?;
        }
        stages.end(Stage::Writing);
        result.stages = stages::report(stages.take());
        result.wall_s = stages::wall_s(&result.stages);
        Ok(result)
    }

    /// The parties' reports of one batch as one.
    fn merged(
        &self,
        runs: &[RunJson],
        parties: &[Ended],
        dealer: Option<RoleJson>,
        batch: u32,
    ) -> Result<RunJson, Failure> {
        let mut merged = runs[0].clone();
        merged.parties = runs.iter().flat_map(|run| run.parties.clone()).collect();
        merged.dealer = dealer;
        let largest = |value: fn(&RunJson) -> f64| runs.iter().map(value).fold(0.0, f64::max);
        merged.offline_s = largest(|run| run.offline_s);
        merged.online_s = largest(|run| run.online_s);
        merged.wall_s = largest(|run| run.wall_s);
        merged.outputs = self.outputs(runs, parties, batch)?;
        Ok(merged)
    }

    /// Puts the outputs of the batches before a failed check where they belong. All parties have these batches: none goes
    /// on to the next one before.
    fn publish_checked(&self, ended: &[Ended]) -> Result<(), Failure> {
        let (_, parties) = ended.split_at(usize::from(self.is_dealt()));
        if !parties.iter().any(|party| party.end == End::Exit(WRONG)) {
            return Ok(());
        }
        let files: Vec<&String> =
            self.job.outputs.keys().filter(|name| self.job.output_file(name).is_some()).collect();
        let is_whole = |&batch: &u32| {
            let due = files.iter().filter(|name| self.job.reveals(name, batch));
            due.into_iter().all(|name| self.said(name, parties).all(|said| said.has(name, batch)))
        };
        for batch in (0..self.job.batches).take_while(is_whole) {
            for name in files.iter().filter(|name| self.job.reveals(name, batch)) {
                self.publish(name, batch, parties)?;
            }
        }
        Ok(())
    }

    /// The texts of an output's recipients.
    fn said<'b>(&self, name: &str, parties: &'b [Ended]) -> impl Iterator<Item = &'b Said> {
        self.job.outputs[name].to.iter().map(|&to| &parties[usize::from(to)].said)
    }

    /// Each output once, after its recipients have been held against each other.
    fn outputs(&self, runs: &[RunJson], parties: &[Ended], batch: u32) -> Result<Vec<OutputJson>, Failure> {
        let mut outputs = Vec::new();
        for name in self.job.outputs.keys().filter(|name| self.job.reveals(name, batch)) {
            let mut learnt = runs.iter().flat_map(|run| &run.outputs).filter(|output| output.name == *name);
            let mut output = learnt.next().expect("every output has a recipient").clone();
            output.file = self.publish(name, batch, parties)?;
            outputs.push(output);
        }
        Ok(outputs)
    }

    /// Holds an output's recipients against each other, and puts it where the job says, if it does; returns where.
    fn publish(&self, name: &str, batch: u32, parties: &[Ended]) -> Result<Option<String>, Failure> {
        let failed = |error| JobError::Output { output: name.to_owned(), error };
        let lost = |error: std::io::Error| {
            failed(DataError::Unreadable { path: std::env::temp_dir(), reason: error.to_string() })
        };
        let mut recipients = self.said(name, parties);
        let said = recipients.next().expect("every output has a recipient");
        for other in recipients {
            if !said.output(name, batch).equals(other.output(name, batch)).map_err(lost)? {
                let reason = format!("the recipients of output '{name}' have different results");
                return Err(Failure::Wrong(reason));
            }
        }
        let Some(to) = self.job.output_file(name) else { return Ok(None) };
        let to = of_batch(&to, batch);
        publish(&mut said.output(name, batch), &to, files::mode()).map_err(failed)?;
        Ok(Some(to.display().to_string()))
    }
}

/// As much of the dealer's report as is needed.
#[derive(Deserialize)]
struct DealOrders {
    orders: Vec<RoleJson>,
}

fn parse<T: for<'a> Deserialize<'a>>(ended: &Ended) -> Result<T, Failure> {
    serde_json::from_str(&ended.said.text)
        .map_err(|error| Failure::Wrong(format!("{} printed no report: {error}", ended.name)))
}

/// A string as TOML writes it; JSON's escapes are a part of TOML's.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("text serialises")
}
