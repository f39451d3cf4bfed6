//! The order that a party sends to the dealer.

use super::covered::MOST_COVERED;
use super::keys::{Contribution, Nonce};
use crate::correlation::Demand;
use crate::share::Role;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An order: what to deal for the runs that an agreement of the parties covers, one after the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Order {
    /// For the first runs of a plan.
    First {
        /// The parties' name for their plan.
        plan: PlanName,
        /// The correlations.
        demand: Demand,
        /// The number by which orders for later runs name this one, if there may be any; until it is released.
        keep: Option<u32>,
        /// For each of the runs, whether it takes what few do.
        seldom: Vec<bool>,
    },
    /// For later runs of a plan that was kept.
    Again {
        /// The number under which it was.
        number: u32,
        /// For each of the runs, whether it takes what few do.
        seldom: Vec<bool>,
    },
    /// For no run: what was kept under this number is needed no more.
    Release(u32),
}

/// An order, and what the party that sends it contributes to the runs' keys: the order is the same for all parties, the
/// contribution is each one's own.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Request<O> {
    pub order: O,
    pub contribution: Contribution,
}

/// The name of a plan in orders and frames. It looks random to anybody who does not know the nonces that the parties
/// exchanged, so that nobody can test guesses of a program against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PlanName([u8; 32]);

impl Order {
    /// Why no dealer can do it: it is for no run, or too many; what is not kept is dealt once.
    pub(super) fn fault(&self) -> Option<String> {
        let (runs, most) = match self {
            Order::First { keep: None, seldom, .. } => (seldom.len(), 1),
            Order::First { seldom, .. } | Order::Again { seldom, .. } => {
                (seldom.len(), MOST_COVERED as usize)
            }
            Order::Release(_) => return None,
        };
        (!(1..=most).contains(&runs)).then(|| format!("an order for {runs} runs, where 1 to {most} can be"))
    }
}

impl PlanName {
    /// The name of the plan with this digest, from every party's nonce.
    pub(super) fn new(digest: &[u8; 32], nonces: &BTreeMap<Role, Nonce>) -> PlanName {
        let mut hasher = blake3::Hasher::new_derive_key("symbolon 2026-11 name of a plan");
        for nonce in nonces.values() {
            hasher.update(nonce);
        }
        PlanName(*blake3::keyed_hash(hasher.finalize().as_bytes(), digest).as_bytes())
    }

    pub(super) const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The tag of the frames of a session's `index`-th run.
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
