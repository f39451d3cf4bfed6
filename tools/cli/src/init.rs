//! `init`: a folder for each node of a deployment, with an identity, its peers' certificates and a configuration.
//!
//! A person who runs it for all nodes holds all their keys for a moment. Where that is too much, each node's owner runs
//! it with `--only`, and the owners exchange the certificates.

use crate::failure::Failure;
use crate::output::{self, Document};
use clap::Args;
use serde::Serialize;
use std::fmt::Write;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use symbolon::net::Address;
use symbolon::protocol;
use symbolon::share::{Parties, Role};
use symbolon_job::identity::{self, CERTIFICATE, KEY, Readers, pin, stem};
use symbolon_job::{JobError, PartyConfig};

const FIRST_PORT: u16 = 7000;
const DEALER_PORT: u16 = 7100;
const PARTY_CONFIG: &str = "party.toml";
const DEALER_CONFIG: &str = "dealer.toml";

/// The arguments of `init`.
#[derive(Args)]
pub struct InitArguments {
    /// Number of parties, as many as a protocol has
    #[arg(long, value_name = "N", value_parser = parties, required_unless_present = "renew")]
    parties: Option<usize>,
    /// Also create a dealer
    #[arg(long)]
    dealer: bool,
    /// Where the nodes are: the parties in order, then the dealer [default: all on this machine]
    #[arg(long, value_name = "HOST,HOST,..", value_delimiter = ',')]
    hosts: Vec<String>,
    /// Make one node only, party0 or dealer, such as where each is another organisation's
    #[arg(long, value_name = "NODE")]
    only: Option<String>,
    /// Replace the identities that are in the folder by new ones
    #[arg(long, conflicts_with_all = ["parties", "dealer", "hosts", "only"])]
    renew: bool,
    /// The folder of the deployment; with --renew also of one node
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Print one JSON object on stdout, also on failure; text for people goes to stderr
    #[arg(long)]
    pub json: bool,
}

/// The nodes that were made, or whose identities were.
#[derive(Serialize)]
struct InitJson {
    nodes: Vec<MadeJson>,
}

#[derive(Serialize)]
struct MadeJson {
    node: String,
    folder: String,
    fingerprint: String,
}

impl MadeJson {
    fn new((folder, role): &(PathBuf, Role)) -> Result<MadeJson, Failure> {
        let fingerprint = identity::certificate(&folder.join(CERTIFICATE))?.fingerprint().to_string();
        Ok(MadeJson { node: stem(*role), folder: folder.display().to_string(), fingerprint })
    }
}

/// Nodes that were made, and what their owner does next.
type Made = (Vec<(PathBuf, Role)>, String);

/// Reads a number of parties.
fn parties(text: &str) -> Result<usize, String> {
    let parties = text.parse().map_err(|error: std::num::ParseIntError| error.to_string())?;
    protocol::check_parties(parties).map_err(|error| error.to_string())?;
    Ok(parties)
}

/// Makes or renews the nodes of a deployment.
pub fn init(arguments: &InitArguments) -> Result<(), Failure> {
    let folder = &arguments.folder;
    let (nodes, next) =
        if arguments.renew { renew(folder)? } else { Deployment::new(arguments)?.make(folder)? };
    let made = nodes.iter().map(MadeJson::new).collect::<Result<Vec<_>, _>>()?;
    let line = |((_, role), made): (&(PathBuf, Role), &MadeJson)| {
        format!("{:<10} {}  {}\n", role.to_string(), made.fingerprint, made.folder)
    };
    let text = nodes.iter().zip(&made).map(line).collect::<String>() + &next;
    output::print(arguments.json, Document::Init, &InitJson { nodes: made }, &text)
}

/// The nodes of a deployment, and their addresses.
struct Deployment {
    nodes: Vec<(Role, Address)>,
    only: Option<Role>,
}

impl Deployment {
    fn new(arguments: &InitArguments) -> Result<Deployment, Failure> {
        let parties = arguments.parties.unwrap_or_default();
        let roles = Parties::first(parties).iter().map(Role::from);
        let roles: Vec<Role> = roles.chain(arguments.dealer.then_some(Role::Dealer)).collect();
        let (count, hosts) = (roles.len(), &arguments.hosts);
        if !hosts.is_empty() && hosts.len() != count {
            return Err(Failure::Usage(format!("--hosts names {} hosts for {count} nodes", hosts.len())));
        }
        let host = |index: usize| hosts.get(index).map_or("127.0.0.1", String::as_str);
        let place = |(index, role)| Ok((role, address(host(index), role)?));
        let nodes = roles.iter().copied().enumerate().map(place).collect::<Result<_, Failure>>()?;
        let named = |name: &String| {
            let unknown = || Failure::Usage(format!("--only: there is no node '{name}' in this deployment"));
            roles.iter().copied().find(|&role| stem(role) == *name).ok_or_else(unknown)
        };
        Ok(Deployment { nodes, only: arguments.only.as_ref().map(named).transpose()? })
    }

    fn make(&self, folder: &Path) -> Result<Made, Failure> {
        let roles: Vec<Role> = self.nodes.iter().map(|&(role, _)| role).collect();
        let made = self.only.map_or(roles.clone(), |role| vec![role]);
        for &role in &made {
            let path = folder.join(stem(role));
            if path.exists() {
                let reason = "it is there already; `symbolon init --renew` replaces its identity".into();
                return Err(JobError::File { path, reason }.into());
            }
        }
        identity::make(folder, &made)?;
        for &role in &made {
            let name = if role == Role::Dealer { DEALER_CONFIG } else { PARTY_CONFIG };
            identity::write(&folder.join(stem(role)).join(name), &self.config(role), Readers::All)?;
        }
        let mut text = String::new();
        if let Some(role) = self.only {
            let peers: Vec<String> =
                roles.iter().filter(|&&peer| peer != role).map(|&peer| stem(peer)).collect();
            let own = folder.join(stem(role));
            let _ = writeln!(text, "Give {} to the others,", own.join(CERTIFICATE).display());
            let _ = writeln!(
                text,
                "put theirs into {} as {}.crt,",
                own.join("peers").display(),
                peers.join(".crt, ")
            );
            text += "and compare what `symbolon id` prints on both sides.\n";
        } else {
            text += "Each node needs its own folder and nothing of the others'.\n";
        }
        Ok((made.into_iter().map(|role| (folder.join(stem(role)), role)).collect(), text))
    }

    /// A node's configuration.
    fn config(&self, role: Role) -> String {
        let (_, own) = self.nodes.iter().find(|&&(node, _)| node == role).expect("a node of the deployment");
        let listen = format!("listen = \"{}\"\n", listen(own));
        let identity = "identity = \".\"        # this folder\n";
        let Role::Party(party) = role else { return listen + identity };
        let mut text = format!("party = {}\n{listen}", party.0);
        let lower = self.nodes.iter().filter_map(|(node, address)| match node {
            Role::Party(lower) if lower < &party => Some(format!("{} = \"{address}\"", lower.0)),
            _ => None,
        });
        let _ = writeln!(text, "peers = {{ {} }}", lower.collect::<Vec<_>>().join(", "));
        if let Some((_, address)) = self.nodes.iter().find(|(node, _)| *node == Role::Dealer) {
            let _ = writeln!(text, "dealer = \"{address}\"");
        }
        text + identity
    }
}

/// A node's address.
fn address(host: &str, role: Role) -> Result<Address, Failure> {
    let port = match role {
        Role::Party(party) => FIRST_PORT + u16::from(party.0),
        Role::Dealer => DEALER_PORT,
    };
    let text = match host.parse::<IpAddr>() {
        Ok(IpAddr::V6(host)) => format!("[{host}]:{port}"),
        _ => format!("{host}:{port}"),
    };
    text.parse().map_err(|error| Failure::Usage(format!("--hosts: {error}")))
}

/// The address on which a node listens: all interfaces, or loopback where the node's address is loopback.
fn listen(address: &Address) -> String {
    let text = address.to_string();
    let (host, port) = text.rsplit_once(':').expect("an address has a port");
    match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(host) if host.is_loopback() => text,
        Ok(IpAddr::V6(_)) => format!("[::]:{port}"),
        _ => format!("0.0.0.0:{port}"),
    }
}

/// Replaces the identities of the nodes in a folder, and their certificates at the other nodes there.
fn renew(folder: &Path) -> Result<Made, Failure> {
    let nodes = nodes(folder)?;
    for (path, role) in &nodes {
        let certificate = identity::make_one(path, *role)?;
        for (other, _) in nodes.iter().filter(|(_, other)| other != role) {
            identity::write(&pin(other, *role), &certificate, Readers::All)?;
        }
    }
    let next = format!(
        "Peers elsewhere need the new certificates: give each {CERTIFICATE} to them, and compare `symbolon id`.\n"
    );
    Ok((nodes, next))
}

/// The nodes that a folder holds or is, with their roles.
fn nodes(folder: &Path) -> Result<Vec<(PathBuf, Role)>, Failure> {
    let nodes = folders(folder)?;
    nodes.into_iter().map(|path| role(&path).map(|role| (path, role))).collect()
}

/// The folders of nodes that a folder holds or is.
pub fn folders(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |reason: String| JobError::File { path: folder.to_owned(), reason };
    if folder.join(KEY).exists() {
        return Ok(vec![folder.to_owned()]);
    }
    let entries = fs::read_dir(folder).map_err(|error| failed(error.to_string()))?;
    let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    folders.retain(|path| path.join(KEY).exists());
    folders.sort();
    match folders.is_empty() {
        true => Err(failed("there is no identity in it; `symbolon init` makes them".into()).into()),
        false => Ok(folders),
    }
}

/// The role of a folder's node, by its configuration.
fn role(folder: &Path) -> Result<Role, Failure> {
    match folder.join(DEALER_CONFIG).exists() {
        true => Ok(Role::Dealer),
        false => Ok(PartyConfig::read(&folder.join(PARTY_CONFIG))?.party().into()),
    }
}
