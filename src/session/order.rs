//! What a party orders from the dealer, and the keys that two roles share.

use super::SessionError;
use crate::correlation::Demand;
use crate::ring::prg::PrgKey;
use crate::step::KeyId;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// An order: what to deal for one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Order {
    /// For the first run of a plan.
    First {
        /// The digest of the parties' plan.
        digest: [u8; 32],
        /// The correlations.
        demand: Demand,
        /// The number by which orders for later runs name this one, if there may be any; until it is released.
        keep: Option<u32>,
    },
    /// For a later run of the plan that was kept under this number.
    Again(u32),
    /// For no run: what was kept under this number is needed no more.
    Release(u32),
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
