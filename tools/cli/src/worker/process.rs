//! A worker as a process of its own: what it is asked comes by its stdin, and what runs give leaves by its stdout.

use super::{Worker, frames};
use crate::args::Shared;
use crate::devices::device_lines;
use crate::embed::source;
use crate::failure::Failure;
use crate::process::Brief;
use crate::say;
use std::io::stdout;
use std::path::Path;
use symbolon::correlation::Source;
use symbolon::protocol::Protocol;
use symbolon::session::{Session, SessionError, SessionOptions, SessionSetup};
use symbolon_job::{Correlations, Notice, PartyConfig};

/// The name of its configuration in errors.
const CONFIG: &str = "the configuration";

/// Works until nothing more is asked, or its launcher has ended.
pub fn work(protocol: Protocol, correlations: Option<&Correlations>, shared: &Shared) -> Result<(), Failure> {
    let brief = Brief::own().ok_or_else(|| Failure::Usage("a worker is started by its launcher".into()))?;
    let (path, source) = (Path::new(CONFIG), source(protocol, correlations)?);
    let party = PartyConfig::parse(path, &brief.config)?.party();
    let devices = shared.open_devices()?;
    let config = PartyConfig::parse(path, &Brief::rest()?)?;
    let credentials = brief.credentials(party.into(), &config.peers(protocol, &[source]))?;
    let network = config.network(protocol, &[source], Some(credentials), &say::notice)?;
    let options = SessionOptions { interrupt: None, ..shared.session_options() };
    let setup = SessionSetup { options, ..SessionSetup::new(network) };
    let listening = |address| say::notice(Notice::Listening { party, address });
    let lines = device_lines(&devices);
    let mut session = Session::connect(devices, setup, listening)?;
    if source == Source::Pair {
        session.set_pair();
    }
    let worker = Worker::new(&mut session, lines);
    let reply = |ran| {
        let lost = |error| Failure::Resources(format!("the launcher cannot be told: {error}"));
        frames::write_ran(stdout().lock(), &ran).map_err(lost)
    };
    match worker.serve(Brief::request, reply) {
        Ok(()) => Ok(session.finish()?),
        Err(failure) => {
            match failure {
                Failure::Session(SessionError::Check { .. }) => drop(session.finish()),
                _ => session.abort(&failure.public_reason()),
            }
            Err(failure)
        }
    }
}
