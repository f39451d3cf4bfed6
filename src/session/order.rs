//! What a party orders from the dealer, and the keys that two roles share.

use super::SessionError;
use crate::correlation::Demand;
use crate::ring::prg::PrgKey;
use crate::step::KeyId;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// An order: what to deal, and for which run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    /// The digest of the parties' plan.
    pub digest: [u8; 32],
    /// The correlations.
    pub demand: Demand,
}

/// A generator key, fresh for this run: the dealer's answer to an order, or one party's to another.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
pub(super) struct Grant {
    pub key: [u8; 32],
}

/// Where generator keys come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeySource {
    /// The operating system's entropy.
    #[default]
    Entropy,
    /// A seed that anybody can guess, so that a test repeats itself. Nothing is private under it.
    InsecureSeed(u64),
}

impl KeySource {
    /// A fresh key for two roles; a seed gives the same key for the same `run`-th run.
    pub(super) fn key(self, id: KeyId, run: u64) -> Result<PrgKey, SessionError> {
        match self {
            KeySource::Entropy => {
                PrgKey::from_entropy().map_err(|error| SessionError::Entropy { reason: error.to_string() })
            }
            KeySource::InsecureSeed(seed) => {
                let material = format!("{seed} {run} {:?}", id.roles());
                Ok(PrgKey::from_bytes(blake3::derive_key("symbolon insecure test key", material.as_bytes())))
            }
        }
    }
}
