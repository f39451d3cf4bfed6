//! The states of prepared programs in checkpoints: written after runs, and found by a later session.

use super::checkpoint::{Expected, Lineage, listed};
use super::topic::CHECKPOINTS;
use super::{CheckpointError, Prepared, Session, SessionError};
use crate::net::NetError;
use crate::ring::Elements;
use crate::run::HostMatrix;
use crate::share::Role;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most checkpoints that a party tells the others of, the newest: one more than it keeps but for a moment.
const TOLD: usize = 4;

/// The runs of whose states a party has a checkpoint, with their lineages.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Held {
    runs: BTreeMap<u32, Lineage>,
}

impl Prepared {
    fn expected(&self) -> Expected<'_> {
        let digest = self.whole.agreement.program;
        Expected { program: &self.program, protocol: self.protocol, digest }
    }

    /// This party's parts of the states from which the first run goes on, as its inputs; later runs find them.
    pub(super) fn add_parts(&mut self, inputs: &mut BTreeMap<usize, HostMatrix>) {
        let behind = self.program.inputs().len();
        for (state, elements) in std::mem::take(&mut self.parts) {
            let shape = self.program.states()[state as usize].shape();
            inputs.insert(behind + state as usize, HostMatrix { shape, elements });
        }
    }
}

impl Session {
    /// The fact about checkpoints that parties must have in common.
    pub(super) fn checkpoint_terms(&self, runs_again: bool) -> String {
        match self.checkpoints.as_ref().filter(|_| runs_again) {
            Some(checkpoints) => format!("every {} runs of {}", checkpoints.every(), checkpoints.turns()),
            None => "none".to_owned(),
        }
    }

    /// Agrees with the other parties on the newest states that all have, and takes them.
    pub(super) fn resume(&mut self, prepared: &mut Prepared) -> Result<(), SessionError> {
        let Some(checkpoints) = &self.checkpoints else { return Ok(()) };
        if prepared.program.states().is_empty() {
            return Err(CheckpointError::NoStates.into());
        }
        let expected = prepared.expected();
        let (every, turns) = (checkpoints.runs(&expected)?, checkpoints.turns());
        let before = every.iter().rev().filter(|(run, _)| **run < turns).take(TOLD);
        let own = Held { runs: before.map(|(&run, &lineage)| (run, lineage)).collect() };
        if let Some((&run, _)) = every.first_key_value().filter(|_| own.runs.is_empty()) {
            return Err(CheckpointError::Beyond { run, turns }.into());
        }
        let links = self.links.iter_mut().filter(|link| link.peer() != Role::Dealer);
        let held: Vec<(Role, BTreeMap<u32, Lineage>)> = self.wire.wait(async {
            let mut held = Vec::new();
            for link in links {
                link.send_control(CHECKPOINTS, &own).await?;
                let theirs: Held = link.receive_control(CHECKPOINTS, link.long_patience()).await?;
                held.push((link.peer(), theirs.runs));
            }
            Ok::<_, NetError>(held)
        })?;
        let all_have = |(run, lineage): &(&u32, &Lineage)| {
            held.iter().all(|(_, theirs)| theirs.get(run) == Some(lineage))
        };
        let Some((&start, &agreed)) = own.runs.iter().rev().find(all_have) else {
            let other = held.iter().find(|(_, theirs)| own.runs.is_empty() != theirs.is_empty());
            return match other.or_else(|| held.first().filter(|_| !own.runs.is_empty())) {
                None => Ok(()),
                Some((peer, theirs)) => Err(CheckpointError::NoneInCommon {
                    own: listed(&own.runs),
                    peer: peer.to_string(),
                    theirs: listed(theirs),
                }
                .into()),
            };
        };
        let (lineage, parts) = checkpoints.read(&expected, start)?;
        if lineage != agreed {
            return Err(CheckpointError::Replaced { run: start }.into());
        }
        prepared.go_on_from(start, lineage, parts);
        Ok(())
    }

    /// Removes the states of later runs than that which a prepared program goes on from, before its first run.
    pub(super) fn drop_later(&self, prepared: &Prepared) -> Result<(), SessionError> {
        match &self.checkpoints {
            Some(kept) => Ok(kept.clear_above(&prepared.whole.agreement.program, prepared.runs())?),
            None => Ok(()),
        }
    }

    /// Writes this party's parts of the states where that is due after the run that has just ended.
    pub(super) fn keep_states(&mut self, prepared: &Prepared) -> Result<(), SessionError> {
        let run = prepared.runs();
        let Some(checkpoints) = self.checkpoints.as_ref().filter(|kept| kept.is_due(run)) else {
            return Ok(());
        };
        let behind = prepared.program.inputs().len();
        let states = prepared.program.states().iter().zip(behind..);
        let shapes = states.map(|(state, input)| (input, state.shape())).collect();
        let plan = prepared.whole.of(self.role);
        let held = prepared.memory.states(plan, self.devices.all(), self.wire.handle(), &shapes)?;
        let number = |(input, elements): (usize, Elements)| ((input - behind) as u32, elements);
        let parts = held.into_iter().map(number).collect();
        Ok(checkpoints.write(&prepared.expected(), run, prepared.lineage, &parts)?)
    }
}
