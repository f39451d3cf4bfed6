//! The nodes of a deployment on this machine, each a process of its own.
//!
//! The launcher starts the dealer, if there is one, and the parties, all at once. While these prepare, it learns where the
//! dealer listens, and then where each party does, in ascending order; a party is told the addresses of those before it
//! once they are known. So free ports are taken without a race. Identities are made for the one deployment and told to
//! each process by its stdin.

use crate::args::Shared;
use crate::failure::Failure;
use crate::process::{Brief, Group};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;
use symbolon::correlation::Source;
use symbolon::net::{IdentityPem, Streams};
use symbolon::protocol::Protocol;
use symbolon::share::{Parties, PartyId, Role};
use symbolon_job::identity;

/// The parties of a protocol and a dealer, if correlations come from one.
pub struct Nodes<'a> {
    protocol: Protocol,
    source: Source,
    shared: &'a Shared,
    /// Of the parties and a dealer, for this deployment alone.
    identities: BTreeMap<Role, IdentityPem>,
}

impl<'a> Nodes<'a> {
    /// Nodes with fresh identities.
    pub fn new(protocol: Protocol, source: Source, shared: &'a Shared) -> Result<Nodes<'a>, Failure> {
        let roles = Parties::first(protocol.parties()).iter().map(Role::from).chain(Some(Role::Dealer));
        let identities =
            roles.map(|role| Ok((role, identity::generate(role)?))).collect::<Result<_, Failure>>()?;
        Ok(Nodes { protocol, source, shared, identities })
    }

    /// Whether a dealer is one of the processes; it is the first of them.
    pub fn is_dealt(&self) -> bool {
        self.source.process().is_some()
    }

    /// Starts all of them; `command` are the words of a party's command line behind which those come that all share, and
    /// `marks` the folder where a party remembers which orders of stores are used.
    pub fn start(
        &self,
        group: &mut Group,
        marks: Option<&Path>,
        command: impl Fn(PartyId) -> Vec<OsString>,
    ) -> Result<(), Failure> {
        let patience = Duration::from_secs(self.shared.deadline.into());
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let dealer = self.is_dealt().then(|| self.start_dealer(group, cores)).transpose()?;
        let parties = self.protocol.parties();
        // Until their peers are to be found; nobody is looked for there.
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let mut started = Vec::new();
        for party in Parties::first(parties).iter() {
            // The parties work at the same time: they divide the cores.
            let arguments = self.arguments(command(party), (cores / parties).max(1));
            let lower = (0..party.0).map(|lower| (PartyId(lower), nowhere)).collect();
            let config = self.party_config(party, dealer.map(|_| nowhere), &lower, marks);
            let number = group.start(&party.to_string(), &arguments, &self.brief(party.into(), config))?;
            started.push((party, number));
        }
        let dealer = dealer.map(|number| group.address(number, patience)).transpose()?;
        let mut lower = BTreeMap::new();
        for (party, number) in started {
            let config = self.party_config(party, dealer, &lower, marks);
            group.tell(number, &Brief::rest_line(&config));
            if party.index() + 1 < parties {
                lower.insert(party, group.address(number, patience)?);
            }
        }
        Ok(())
    }

    /// How many streams a link has: the processes divide the cores.
    fn streams(&self) -> Streams {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let processes = self.protocol.parties() + usize::from(self.is_dealt());
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
}

/// A string as TOML writes it; JSON's escapes are a part of TOML's.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("text serialises")
}
