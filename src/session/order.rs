//! What a party orders from the dealer, and the keys that two roles share.

use super::SessionError;
use crate::correlation::Demand;
use crate::ring::prg::PrgKey;
use crate::share::Role;
use crate::step::KeyId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// An order: what to deal for one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Order {
    /// For the first run of a plan.
    First {
        /// What the parties call their plan.
        plan: PlanName,
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

/// What the parties of a session call a plan before the dealer, and in their frames. It is as good as random to who does
/// not know the nonces that they exchanged: nobody can hold guesses of a program against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PlanName([u8; 32]);

impl PlanName {
    /// The name of the plan with this digest, from every party's nonce.
    pub(super) fn new(digest: &[u8; 32], nonces: &BTreeMap<Role, Nonce>) -> PlanName {
        let mut hasher = blake3::Hasher::new_derive_key("symbolon 2026-11 name of a plan");
        for nonce in nonces.values() {
            hasher.update(nonce);
        }
        PlanName(*blake3::keyed_hash(hasher.finalize().as_bytes(), digest).as_bytes())
    }

    /// What the frames of a session's `index`-th run carry.
    pub(super) fn run_number(&self, index: u32) -> u32 {
        let [a, b, c, d, ..] = self.0;
        u32::from_le_bytes([a, b, c, d]).wrapping_add(index)
    }
}

impl std::fmt::Display for PlanName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&blake3::Hash::from(self.0).to_hex())
    }
}

/// A party's part of the names of plans; fresh for each, and told to the other parties alone.
pub(super) type Nonce = [u8; 32];

/// A generator key, fresh for this run: the dealer's answer to an order, or one party's to another.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
pub(super) struct Grant {
    pub key: [u8; 32],
}

/// Where generator keys come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum KeySource {
    /// The operating system's entropy.
    #[default]
    Entropy,
    /// A seed that anybody can guess, so that a test repeats itself. Nothing is private under it.
    InsecureSeed(u64),
}

impl KeySource {
    /// A fresh nonce of this role; a seed always gives the same.
    pub(super) fn nonce(self, role: Role) -> Result<Nonce, SessionError> {
        let mut nonce = [0; 32];
        match self {
            KeySource::Entropy => getrandom::fill(&mut nonce)
                .map_err(|error| SessionError::Entropy { reason: error.to_string() })?,
            KeySource::InsecureSeed(seed) => {
                let material = format!("{seed} {role:?}");
                nonce = blake3::derive_key("symbolon insecure test nonce", material.as_bytes());
            }
        }
        Ok(nonce)
    }

    /// A fresh key for two roles; a seed gives the same key for the same `run`-th run.
    pub(crate) fn key(self, id: KeyId, run: u64) -> Result<PrgKey, SessionError> {
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
