//! The way in which a job's ops that are not linear are computed.

use super::Job;
use crate::JobError;
use serde::Deserialize;
use std::fmt;
use std::str::FromStr;
use symbolon::protocol::Protocol;

/// The way in which ops that are not linear are computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Nonlinear {
    /// By tables, the way that every protocol has.
    #[default]
    Tables,
    /// By garbled circuits, where the protocol has them.
    Garbled,
    /// In the one of these ways in which a run is predicted to be done first, on which all parties agree.
    Auto,
}

impl Nonlinear {
    const ALL: [Nonlinear; 3] = [Nonlinear::Tables, Nonlinear::Garbled, Nonlinear::Auto];

    /// Its name in jobs.
    pub const fn name(self) -> &'static str {
        match self {
            Nonlinear::Tables => "tables",
            Nonlinear::Garbled => "garbled",
            Nonlinear::Auto => "auto",
        }
    }

    /// The way of a protocol.
    pub fn by(protocol: Protocol) -> Nonlinear {
        if protocol.is_garbling() { Nonlinear::Garbled } else { Nonlinear::Tables }
    }

    /// The protocol that a job means; where the parties are still to choose, as it has it.
    pub(super) fn of(self, protocol: Protocol, is_circuit: bool) -> Result<Protocol, String> {
        match (self, protocol.garbling()) {
            (Nonlinear::Tables, _) => Ok(protocol),
            (Nonlinear::Garbled, Some(garbling)) if !is_circuit => Ok(garbling),
            (Nonlinear::Auto, Some(_)) if !is_circuit => Ok(protocol),
            _ => Err(format!("nonlinear = \"{self}\" is for protocol = \"beaver\"")),
        }
    }
}

impl fmt::Display for Nonlinear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Nonlinear {
    type Err = String;

    fn from_str(text: &str) -> Result<Nonlinear, String> {
        let found = Nonlinear::ALL.into_iter().find(|way| way.name() == text);
        found.ok_or_else(|| "what is not linear is computed by tables, garbled or auto".to_owned())
    }
}

impl Job {
    /// Has ops that are not linear computed in this way, whatever the job says.
    ///
    /// # Errors
    /// Where the job's protocol has no such way.
    pub fn set_nonlinear(&mut self, nonlinear: Nonlinear) -> Result<(), JobError> {
        let protocol = nonlinear.of(self.protocol.by_tables(), false);
        self.protocol = protocol.map_err(|reason| self.wrong(reason))?;
        self.nonlinear = nonlinear;
        Ok(())
    }
}
