//! The files that say where the processes of a job are.
//!
//! A party:
//!
//! ```toml
//! party = 1
//! listen = "127.0.0.1:7001"          # where parties with a higher number connect; not needed by the last
//! peers = { 0 = "127.0.0.1:7000" }   # where the parties with a lower number listen
//! dealer = "127.0.0.1:7100"          # not needed with --correlations
//! correlations = ["dealer", "pair"]  # the sources that it trusts: it takes no other that a job names; see `auto`
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
//! A dealer: `listen`, `identity` and `streams`. Paths are relative to the file. `symbolon init` writes both. Who has the
//! identities from elsewhere, and not in a folder, hands them to [`PartyConfig::network`].

use crate::correlations::Listed;
use crate::data::{Source, regular};
use crate::identity;
use crate::{Job, JobError, Notice};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use symbolon::correlation;
use symbolon::net::{Address, AddressError, Credentials, Streams};
use symbolon::protocol::Protocol;
use symbolon::session::{DealerNetwork, PartyNetwork};
use symbolon::share::{Parties, PartyId, Role};

/// Most bytes that a job or a configuration may have.
const LONGEST_TEXT: u64 = 16 << 20;

/// The folder beside an identity with the marks of stores.
const MARKS: &str = "stores";

/// One party of a deployment.
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
    correlations: Option<Vec<Listed>>,
    #[serde(default)]
    inputs: BTreeMap<String, InputEntry>,
    #[serde(default)]
    outputs: BTreeMap<String, PathBuf>,
    #[serde(skip)]
    path: PathBuf,
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

/// The dealer of a deployment.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DealerConfig {
    listen: SocketAddr,
    identity: Option<PathBuf>,
    streams: Option<Streams>,
    #[serde(skip)]
    path: PathBuf,
}

impl PartyConfig {
    /// Reads the file of a party.
    ///
    /// # Errors
    /// Where it cannot be read, or is no such file.
    pub fn read(path: &Path) -> Result<PartyConfig, JobError> {
        PartyConfig::parse(path, &read_text(path)?)
    }

    /// Takes the text of such a file; `path` is what errors call it, and relative paths start from its folder.
    ///
    /// # Errors
    /// Where the text describes no party.
    pub fn parse(path: &Path, text: &str) -> Result<PartyConfig, JobError> {
        let config: PartyConfig = parse_toml(path, text)?;
        if config.correlations.as_ref().is_some_and(Vec::is_empty) {
            let reason = "correlations = [] lists no source: name one, or leave the list out".to_owned();
            return Err(JobError::Text { path: path.to_owned(), line: None, reason });
        }
        Ok(PartyConfig { path: path.to_owned(), ..config })
    }

    /// The party.
    pub fn party(&self) -> PartyId {
        PartyId(self.party)
    }

    /// The sources of correlations that it lists as trusted, if it lists any.
    pub fn sources(&self) -> Option<Vec<correlation::Source>> {
        self.correlations.as_ref().map(|listed| listed.iter().copied().map(Into::into).collect())
    }

    /// The roles that it may connect to in a job of this protocol with correlations from one of these sources.
    ///
    /// # Panics
    /// Where there is no source.
    pub fn peers(&self, protocol: Protocol, sources: &[correlation::Source]) -> Vec<Role> {
        let connected = |source: &&correlation::Source| source.process().is_some();
        let source = sources.iter().find(connected).or(sources.first()).expect("a source");
        let mut peers = protocol.roles(*source);
        peers.retain(|&role| role != self.party().into());
        peers
    }

    /// The addresses of the party and its peers in a job of this protocol with correlations from one of these sources.
    /// Identities that are not given come from the folder that the file names.
    ///
    /// # Errors
    /// Where the file does not name them all, or an identity cannot be used.
    ///
    /// # Panics
    /// Where there is no source.
    pub fn network(
        &self,
        protocol: Protocol,
        sources: &[correlation::Source],
        credentials: Option<Credentials>,
        notify: &dyn Fn(Notice),
    ) -> Result<PartyNetwork, JobError> {
        let parties = protocol.parties();
        let wrong = |reason: String| JobError::Text { path: self.path.clone(), line: None, reason };
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
        let dealer = match sources.iter().find_map(|source| source.process()) {
            Some(_) => Some(place("dealer", self.dealer.as_ref().ok_or_else(missing)?)?),
            None => None,
        };
        let (role, peers) = (self.party().into(), self.peers(protocol, sources));
        let folder = self.identity.as_deref();
        let credentials = credentials_or(credentials, &self.path, folder, role, &peers, notify)?;
        let streams = self.streams;
        Ok(PartyNetwork { party: self.party(), listen, lower, parties, dealer, streams, credentials })
    }

    /// The folder of the party's marks of used stores: outside of the stores, and by default beside its identity.
    pub fn marks(&self) -> PathBuf {
        let beside = || self.identity.as_deref().unwrap_or(Path::new("")).join(MARKS);
        folder_of(&self.path).join(self.marks.clone().unwrap_or_else(beside))
    }

    /// Refuses names that the job does not have, or not for this party.
    ///
    /// # Errors
    /// Where there is one.
    pub fn check_names(&self, job: &Job) -> Result<(), JobError> {
        let party = self.party();
        let is_own =
            |name: &String| job.inputs_of(party).any(|own| own == name) || job.tables.contains_key(name);
        let input = self.inputs.keys().find(|name| !is_own(name));
        let learns = |name: &String| job.outputs.get(name).is_some_and(|output| output.to.contains(&party.0));
        let output = self.outputs.keys().find(|name| !learns(name));
        let reason = match (input, output) {
            (None, None) => return Ok(()),
            (Some(name), _) => format!("[inputs] '{name}' is no input of {party} in this job"),
            (None, Some(name)) => format!("[outputs] '{name}' is no output that {party} learns in this job"),
        };
        Err(JobError::Text { path: self.path.clone(), line: None, reason })
    }

    /// The file of an input of this party, if it is not the job's.
    pub fn input(&self, name: &str) -> Option<Source> {
        let (file, tensor) = match self.inputs.get(name)? {
            InputEntry::File(file) => (file, None),
            InputEntry::Tensor(TensorEntry { file, tensor }) => (file, Some(tensor.clone())),
        };
        Some(Source { file: folder_of(&self.path).join(file), tensor })
    }

    /// The file of an output of this party, if it is not the job's.
    pub fn output(&self, name: &str) -> Option<PathBuf> {
        self.outputs.get(name).map(|path| folder_of(&self.path).join(path))
    }
}

impl DealerConfig {
    /// Reads the file of a dealer.
    ///
    /// # Errors
    /// Where it cannot be read, or is no such file.
    pub fn read(path: &Path) -> Result<DealerConfig, JobError> {
        DealerConfig::parse(path, &read_text(path)?)
    }

    /// Takes the text of such a file, as [`PartyConfig::parse`] does.
    ///
    /// # Errors
    /// Where the text describes no dealer.
    pub fn parse(path: &Path, text: &str) -> Result<DealerConfig, JobError> {
        Ok(DealerConfig { path: path.to_owned(), ..parse_toml(path, text)? })
    }

    /// The dealer of this many parties; identities as in [`PartyConfig::network`].
    ///
    /// # Errors
    /// Where an identity cannot be used.
    pub fn network(
        &self,
        parties: usize,
        credentials: Option<Credentials>,
        notify: &dyn Fn(Notice),
    ) -> Result<DealerNetwork, JobError> {
        let peers: Vec<Role> = Parties::first(parties).iter().map(Role::from).collect();
        let folder = self.identity.as_deref();
        let credentials = credentials_or(credentials, &self.path, folder, Role::Dealer, &peers, notify)?;
        Ok(DealerNetwork { listen: self.listen, parties, streams: self.streams, credentials })
    }
}

/// The identities that are given, or else those in the folder that a configuration names.
fn credentials_or(
    given: Option<Credentials>,
    path: &Path,
    folder: Option<&Path>,
    role: Role,
    peers: &[Role],
    notify: &dyn Fn(Notice),
) -> Result<Credentials, JobError> {
    if let Some(credentials) = given {
        return Ok(credentials);
    }
    let reason = || "identity: the folder with this node's key and its peers' certificates is missing; `symbolon init` makes them";
    let missing = || JobError::Text { path: path.to_owned(), line: None, reason: reason().into() };
    let folder = folder.ok_or_else(missing)?;
    identity::credentials(&folder_of(path).join(folder), role, peers, notify)
}

/// The folder that a file's relative paths start from.
pub(crate) fn folder_of(path: &Path) -> PathBuf {
    path.parent().unwrap_or(Path::new("")).to_owned()
}

/// Reads a TOML file; an error is one line with the file's name and the place.
///
/// # Errors
/// Where it cannot be read, or is not what `T` is.
pub fn read_toml<T: DeserializeOwned>(path: &Path) -> Result<T, JobError> {
    parse_toml(path, &read_text(path)?)
}

pub(crate) fn read_text(path: &Path) -> Result<String, JobError> {
    let unreadable = |reason: String| JobError::File { path: path.to_owned(), reason };
    let length = regular(path).map_err(unreadable)?.len();
    if length > LONGEST_TEXT {
        let reason = format!("{length} bytes are too many for a description: at most {LONGEST_TEXT}");
        return Err(unreadable(reason));
    }
    std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))
}

/// Takes the text of a TOML file; `path` is what errors call it.
///
/// # Errors
/// Where the text is not what `T` is.
pub fn parse_toml<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, JobError> {
    toml::from_str(text).map_err(|error| {
        let line = error.span().map(|span| 1 + text[..span.start.min(text.len())].matches('\n').count());
        let reason = error.message().lines().collect::<Vec<_>>().join(" ");
        JobError::Text { path: path.to_owned(), line, reason }
    })
}
