//! The files that say where the processes of a job are.
//!
//! A party:
//!
//! ```toml
//! party = 1
//! listen = "127.0.0.1:7001"          # where parties with a higher number connect; not needed by the last
//! peers = { 0 = "127.0.0.1:7000" }   # where the parties with a lower number listen
//! dealer = "127.0.0.1:7100"        # not needed with --correlations
//! identity = "."                     # the folder with its key, its certificate and those of its peers
//! marks = "stores"                   # where it remembers which orders of stores are used; default: stores in identity
//! streams = 4                        # TLS connections a link, where its peer takes as many; default: what suits the cores
//!
//! [inputs]                           # this party's data, where the job does not name it
//! w = "linear_w.npy"                 # or { file = "weights.npz", tensor = "w" }
//!
//! [outputs]
//! scores = "scores.npy"
//! ```
//!
//! A dealer: `listen`, `identity` and `streams`. Paths are relative to the file. `symbolon init` writes both.

use crate::data::{Source, regular};
use crate::failure::Failure;
use crate::identity;
use crate::job::Job;
use crate::process::Brief;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use symbolon::net::{Address, AddressError, Credentials, Streams};
use symbolon::protocol::Protocol;
use symbolon::session::{DealerNetwork, PartyNetwork};
use symbolon::share::{Parties, PartyId, Role};

/// Most bytes that a job or a configuration may have.
const LONGEST_TEXT: u64 = 16 << 20;

/// The folder beside an identity with the marks of stores.
const MARKS: &str = "stores";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartyConfig {
    party: u8,
    listen: Option<SocketAddr>,
    #[serde(default)]
    peers: BTreeMap<String, String>,
    dealer: Option<String>,
    identity: Option<PathBuf>,
    marks: Option<PathBuf>,
    streams: Option<Streams>,
    #[serde(default)]
    inputs: BTreeMap<String, InputEntry>,
    #[serde(default)]
    outputs: BTreeMap<String, PathBuf>,
    /// The folder of the file.
    #[serde(skip)]
    folder: PathBuf,
}

/// A path, or one matrix of a file that may hold several.
#[derive(Deserialize)]
#[serde(untagged, expecting = "an input is a path, or { file = \"…\", tensor = \"…\" }")]
enum InputEntry {
    File(PathBuf),
    Tensor(TensorEntry),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TensorEntry {
    file: PathBuf,
    tensor: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DealerConfig {
    listen: SocketAddr,
    identity: Option<PathBuf>,
    streams: Option<Streams>,
}

impl PartyConfig {
    pub fn read(path: &Path) -> Result<PartyConfig, Failure> {
        let mut config: PartyConfig = described(path)?;
        config.folder = folder_of(path);
        Ok(config)
    }

    pub fn party(&self) -> PartyId {
        PartyId(self.party)
    }

    /// Where the party and its peers are, in a job of this protocol; `dealt` says whether a dealer is to serve it.
    pub fn network(&self, path: &Path, protocol: Protocol, dealt: bool) -> Result<PartyNetwork, Failure> {
        let parties = protocol.parties();
        let wrong = |reason: String| Failure::Text { path: path.to_owned(), line: None, reason };
        if usize::from(self.party) >= parties {
            return Err(wrong(format!(
                "party = {} but the job has parties 0 to {}",
                self.party,
                parties - 1
            )));
        }
        let mut addresses: BTreeMap<PartyId, Address> = BTreeMap::new();
        let place = |field: &str, text: &str| {
            text.parse().map_err(|error: AddressError| wrong(format!("{field}: {error}")))
        };
        for (name, address) in &self.peers {
            let party =
                name.parse().map_err(|_| wrong(format!("peers: '{name}' is not a party's number")))?;
            addresses.insert(PartyId(party), place("peers", address)?);
        }
        let mut lower = BTreeMap::new();
        for party in (0..self.party).map(PartyId) {
            let address = addresses
                .get(&party)
                .ok_or_else(|| wrong(format!("peers: the address of {party} is missing")))?;
            lower.insert(party, address.clone());
        }
        let is_last = usize::from(self.party) + 1 == parties;
        if !is_last && self.listen.is_none() {
            return Err(wrong(
                "listen: the address where parties with a higher number connect is missing".into(),
            ));
        }
        let listen = self.listen.filter(|_| !is_last);
        let missing = || wrong("dealer: the address of the dealer is missing".into());
        let dealer = match dealt {
            true => Some(place("dealer", self.dealer.as_ref().ok_or_else(missing)?)?),
            false => None,
        };
        let mut peers = protocol.roles();
        peers.retain(|&role| role != self.party().into() && (dealt || role != Role::Dealer));
        let credentials = credentials(path, self.identity.as_deref(), self.party().into(), &peers)?;
        let streams = self.streams;
        Ok(PartyNetwork { party: self.party(), listen, lower, parties, dealer, streams, credentials })
    }

    /// Where the party remembers how far it has used its stores: outside of these, and by default beside its identity.
    pub fn marks(&self) -> PathBuf {
        let beside = || self.identity.as_deref().unwrap_or(Path::new("")).join(MARKS);
        self.folder.join(self.marks.clone().unwrap_or_else(beside))
    }

    /// Refuses names that the job does not have, or not for this party.
    pub fn check_names(&self, path: &Path, job: &Job) -> Result<(), Failure> {
        let party = self.party();
        let input = self.inputs.keys().find(|name| !job.inputs_of(party).any(|own| own == name.as_str()));
        let learns = |name: &String| job.outputs.get(name).is_some_and(|output| output.to.contains(&party.0));
        let output = self.outputs.keys().find(|name| !learns(name));
        let reason = match (input, output) {
            (None, None) => return Ok(()),
            (Some(name), _) => format!("[inputs] '{name}' is no input of {party} in this job"),
            (None, Some(name)) => format!("[outputs] '{name}' is no output that {party} learns in this job"),
        };
        Err(Failure::Text { path: path.to_owned(), line: None, reason })
    }

    /// Where an input of this party is, if not where the job says.
    pub fn input(&self, name: &str) -> Option<Source> {
        let (file, tensor) = match self.inputs.get(name)? {
            InputEntry::File(file) => (file, None),
            InputEntry::Tensor(TensorEntry { file, tensor }) => (file, Some(tensor.clone())),
        };
        Some(Source { file: self.folder.join(file), tensor })
    }

    /// Where an output of this party goes, if not where the job says.
    pub fn output(&self, name: &str) -> Option<PathBuf> {
        self.outputs.get(name).map(|path| self.folder.join(path))
    }
}

pub fn read_dealer(path: &Path, parties: usize) -> Result<DealerNetwork, Failure> {
    let DealerConfig { listen, identity, streams } = described(path)?;
    let peers: Vec<Role> = Parties::first(parties).iter().map(Role::from).collect();
    let credentials = credentials(path, identity.as_deref(), Role::Dealer, &peers)?;
    Ok(DealerNetwork { listen, parties, streams, credentials })
}

/// The identities in the folder that a configuration names.
fn credentials(
    path: &Path,
    folder: Option<&Path>,
    role: Role,
    peers: &[Role],
) -> Result<Credentials, Failure> {
    if let Some(brief) = Brief::own() {
        return identity::told(brief, role, peers);
    }
    let reason = || "identity: the folder with this node's key and its peers' certificates is missing; `symbolon init` makes them";
    let missing = || Failure::Text { path: path.to_owned(), line: None, reason: reason().into() };
    let folder = folder.ok_or_else(missing)?;
    identity::credentials(&folder_of(path).join(folder), role, peers)
}

/// What describes this process: the file, or what its launcher has told it.
fn described<T: DeserializeOwned>(path: &Path) -> Result<T, Failure> {
    match Brief::own() {
        Some(brief) => parse_toml(path, &brief.config),
        None => read_toml(path),
    }
}

/// The folder that a file's relative paths start from.
pub fn folder_of(path: &Path) -> PathBuf {
    path.parent().unwrap_or(Path::new("")).to_owned()
}

/// Reads a TOML file; an error is one line with the file's name and the place.
pub fn read_toml<T: DeserializeOwned>(path: &Path) -> Result<T, Failure> {
    let unreadable = |reason: String| Failure::File { path: path.to_owned(), reason };
    let length = regular(path).map_err(unreadable)?.len();
    if length > LONGEST_TEXT {
        let reason = format!("{length} bytes are too many for a description: at most {LONGEST_TEXT}");
        return Err(unreadable(reason));
    }
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
    parse_toml(path, &text)
}

pub fn parse_toml<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, Failure> {
    toml::from_str(text).map_err(|error| {
        let line = error.span().map(|span| 1 + text[..span.start.min(text.len())].matches('\n').count());
        let reason = error.message().lines().collect::<Vec<_>>().join(" ");
        Failure::Text { path: path.to_owned(), line, reason }
    })
}
