//! The brief: a line that a launcher writes to the stdin of a process that it starts, and for a party another one once its
//! peers have addresses. The pipe is the process's lifeline. What a worker is asked comes behind that.
//!
//! Keys go this way and lie in no file, so that a launcher that is killed leaves none behind.

use super::PEER_FAILED;
use crate::failure::Failure;
use crate::worker::{Request, read_request};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{copy, sink, stdin};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use symbolon::net::{Certificate, Credentials, Identity};
use symbolon::share::Role;
use symbolon_job::identity::stem;
use zeroize::Zeroizing;

/// The role of a launched process, its identity and its peers'.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Brief {
    /// The configuration, which a node that is started by hand reads from its file; a party's peers have no addresses yet.
    pub config: String,
    /// The process's own key; it is handed out once.
    key: Mutex<String>,
    /// Its certificate.
    certificate: String,
    /// Its peers' certificates, by the names of their files.
    peers: BTreeMap<String, String>,
}

/// The brief of this process.
static OWN: OnceLock<Brief> = OnceLock::new();

/// What it is told later.
static REST: OnceLock<Mutex<Receiver<String>>> = OnceLock::new();

/// What it is asked, as a worker.
static REQUESTS: OnceLock<Mutex<Receiver<Request>>> = OnceLock::new();

impl Brief {
    pub fn new(config: String, key: &str, certificate: &str, peers: BTreeMap<String, String>) -> Brief {
        Brief { config, key: Mutex::new(key.to_owned()), certificate: certificate.to_owned(), peers }
    }

    /// The brief of this process, if a launcher started it.
    pub fn own() -> Option<&'static Brief> {
        OWN.get()
    }

    /// Reads the brief. From then on this process ends when its launcher has ended. A worker's requests are read too.
    pub fn receive(is_worker: bool) -> Result<(), Failure> {
        let unheard = |reason: String| Failure::Usage(format!("the launcher cannot be heard: {reason}"));
        let mut line = Zeroizing::new(String::new());
        stdin().read_line(&mut line).map_err(|error| unheard(error.to_string()))?;
        let brief = serde_json::from_str(&line).map_err(|error| unheard(error.to_string()))?;
        let _ = OWN.set(brief);
        let (rest, told) = channel();
        let _ = REST.set(Mutex::new(told));
        let (ask, asked) = channel();
        let _ = REQUESTS.set(Mutex::new(asked));
        let lifeline = move || {
            let mut line = String::new();
            if stdin().read_line(&mut line).is_ok() && line.ends_with('\n') {
                let _ = rest.send(line);
            }
            while is_worker && let Ok(Some(request)) = read_request(&mut stdin().lock()) {
                let _ = ask.send(request);
            }
            drop(ask);
            let _ = copy(&mut stdin(), &mut sink());
            std::process::exit(PEER_FAILED.into());
        };
        thread::Builder::new().spawn(lifeline).map(drop).map_err(|error| Failure::thread(&error))
    }

    /// Awaits what a party's launcher tells it once its peers have addresses: its configuration, with these.
    pub fn rest() -> Result<String, Failure> {
        let unheard = || Failure::Usage("the launcher says nothing more".into());
        let told = REST.get().ok_or_else(unheard)?;
        let line = told.lock().unwrap_or_else(PoisonError::into_inner).recv().map_err(|_| unheard())?;
        serde_json::from_str(&line).map_err(|_| unheard())
    }

    /// What this worker is asked next; `None` once nothing more is asked.
    pub fn request() -> Option<Request> {
        REQUESTS.get()?.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
    }

    /// That configuration as a line.
    pub fn rest_line(config: &str) -> String {
        serde_json::to_string(config).expect("text serialises") + "\n"
    }

    /// The brief as a line.
    pub fn line(&self) -> Zeroizing<String> {
        Zeroizing::new(serde_json::to_string(self).expect("a brief serialises") + "\n")
    }

    /// The process's own identity, and those of its peers.
    pub fn credentials(&self, role: Role, peers: &[Role]) -> Result<Credentials, Failure> {
        let wrong = |what: String| Failure::Usage(format!("the launcher's words: {what}"));
        let read = |text: &str| Certificate::from_pem(text).map_err(|error| wrong(error.to_string()));
        let identity = Identity::from_pem(&self.take_key(), &self.certificate);
        let identity = identity.map_err(|error| wrong(error.to_string()))?;
        let pinned = |&peer: &Role| {
            let text =
                self.peers.get(&stem(peer)).ok_or_else(|| wrong(format!("no certificate of {peer}")))?;
            Ok((peer, read(text)?))
        };
        let credentials =
            Credentials { identity, peers: peers.iter().map(pinned).collect::<Result<_, Failure>>()? };
        credentials.check(role).map_err(|error| wrong(error.to_string()))?;
        Ok(credentials)
    }

    /// Hands out the key, which the brief does not keep.
    fn take_key(&self) -> Zeroizing<String> {
        Zeroizing::new(std::mem::take(&mut *self.key.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}
