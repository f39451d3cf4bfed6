//! Supply: correlations are made and delivered ahead of the inputs, or streamed into the computation.
//!
//! **Ahead**, the offline phase comes first, and everything dealt waits in device memory for its use: the online phase
//! is as short as it can be, and memory grows with the program. Only a mask that covers one value is drawn with it (see
//! [`super::fuse`](super::fuse())). **Streamed**, there is one phase. A mask is drawn and a
//! correction received for the tile that uses it, so it holds a slot from there to its last use; since slots rest for a
//! window of tiles, both happen that far ahead of the computation, where memory allows, and no further. The steps, the
//! streams and the messages are the same either way: only their order differs, and with it time and memory. Dealing
//! counts as offline in both.
//!
//! **Order.** A list is written as its tiles are lowered, each correlation just before its use, so a party that receives
//! correlations streams by running its list as it is. A party that deals to the others has those steps behind all of
//! its own, and takes those of a tile before the rest of the tile.
//!
//! **No deadlock.** All roles' lists, in these orders, can be merged into one in which every message is sent before it is
//! awaited ([`super::Traffic`] is computed by doing so): a tile's corrections depend on nothing, and go before whatever
//! the dealing party sends for that tile, as they come before it at their receiver. So the earliest unfinished step of
//! that order can always proceed, if its receiver accepts its message. Parties always accept messages of other parties.
//! From a dealer of its own a party accepts none while [`AHEAD_BYTES`] of them wait on the host, unless the first
//! missing message may be written to the device: the next receiving step of the order always may. A dealer that cannot
//! send then holds up nobody else, since it sends to nobody else.
//!
//! **Pacing.** Its links hold back a dealer of its own. A party that deals is paced by its own part of the computation:
//! the corrections for a tile wait until all but [`AHEAD_BYTES`] of those before are for tiles that it has itself
//! computed.

use super::PlannedStep;
use crate::ring::Ring;
use crate::step::{Action, Phase, Step, StepList};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The most bytes of corrections that wait on the host of their party: enough to bridge a dealer's time for one large
/// product. The crate's own tests set it so low that they reach it.
pub const AHEAD_BYTES: u64 = if cfg!(test) { 1 << 10 } else { 64 << 20 };

/// The time of correlations. Parties must plan with the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Supply {
    /// All before the inputs.
    #[default]
    Ahead,
    /// Each shortly before its use.
    Streamed,
}

impl fmt::Display for Supply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Supply::Ahead => "dealt ahead",
            Supply::Streamed => "streamed",
        })
    }
}

impl Supply {
    /// The phase of a run in which a step is taken; what is revealed last comes behind all else.
    pub(super) fn phase(self, step: &Step) -> Phase {
        match self {
            Supply::Ahead => step.phase,
            Supply::Streamed => step.phase.max(Phase::Online),
        }
    }

    /// The positions of a list's steps in the order of a run.
    pub(super) fn order(self, list: &StepList) -> Vec<usize> {
        let mut order: Vec<usize> = (0..list.steps.len()).collect();
        let step = |at: usize| &list.steps[at];
        match self {
            Supply::Ahead => order.sort_by_key(|&at| step(at).phase),
            Supply::Streamed if list.steps.iter().any(deals) => {
                order.sort_by_key(|&at| (self.phase(step(at)), step(at).tile, step(at).phase));
            }
            Supply::Streamed => order.sort_by_key(|&at| self.phase(step(at))),
        }
        order
    }
}

/// True for a step that sends a correction.
fn deals(step: &Step) -> bool {
    step.phase == Phase::Offline && matches!(step.action, Action::Send { .. })
}

/// Makes the corrections of a party that deals wait for its own part of the computation, `ahead_bytes` behind.
pub(super) fn pace(steps: &mut [PlannedStep], ring: Ring, ahead_bytes: u64) {
    // By tile, in order: the bytes that are dealt for it, and the last step of the computation up to its end.
    let mut tiles: Vec<(u64, Option<u32>)> = Vec::new();
    let (mut tile, mut first, mut ahead) = (None, 0, 0);
    let mut own = None;
    for (at, PlannedStep { step, after, .. }) in steps.iter_mut().enumerate() {
        if tile != Some(step.tile) {
            ahead += tiles.last().map_or(0, |&(bytes, _)| bytes);
            tile = Some(step.tile);
            tiles.push((0, own));
            while ahead > ahead_bytes && first + 1 < tiles.len() {
                ahead -= tiles[first].0;
                first += 1;
            }
        }
        let last = tiles.last_mut().expect("a tile has begun");
        match (&step.action, step.phase) {
            (Action::Send { from, .. }, Phase::Offline) => {
                last.0 += from.shape.size_bytes(ring);
            }
            (_, Phase::Online) => {
                own = Some(at as u32);
                last.1 = own;
            }
            _ => {}
        }
        if step.phase == Phase::Offline
            && let Some(before) = first.checked_sub(1).and_then(|before| tiles[before].1)
            && let Err(place) = after.binary_search(&before)
        {
            after.insert(place, before);
        }
    }
}
