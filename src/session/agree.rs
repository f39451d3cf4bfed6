//! The agreement of a session's parties before a run: tiles, the plan's facts, and the source of correlations.

use super::keys::{Commitment, Nonce, Pledge, Way};
use super::tiles::{Cut, Surroundings, agree_on_cut, check_side, choose_by_stages, plan_tiles};
use super::topic::PLAN;
use super::{Devices, NetworkFault, Session, SessionError, SessionOptions};
use crate::correlation::Source;
use crate::net::{Link, LinkShape, NetError};
use crate::plan::{PlanError, PlanOptions, Plans};
use crate::program::Program;
use crate::protocol::Protocol;
use crate::run::Stage;
use crate::share::{Parties, Role, Terms};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The facts of a plan, to be compared.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Facts {
    fields: Terms,
    nonce: Nonce,
    /// To what the sender contributes to the receiver's and its key of the next run.
    commitment: Commitment,
}

/// What a session plans for, with this budget.
pub(super) fn surroundings<'a>(
    devices: &'a Devices,
    options: &SessionOptions,
    budget_bytes: Option<u64>,
) -> Surroundings<'a> {
    Surroundings {
        models: devices.models(),
        spread: devices.spread(),
        link: options.link.unwrap_or(LinkShape::LAN),
        budget_bytes,
        staging_bytes: devices.staging_bytes(),
    }
}

impl Session {
    /// Plans with the smallest tiles that any party wants, and streams correlations if any does.
    pub(super) fn plan(
        &mut self,
        protocol: Protocol,
        program: &Program,
        budget_bytes: Option<u64>,
    ) -> Result<Plans, SessionError> {
        let surroundings = surroundings(&self.devices, &self.options, budget_bytes);
        let source = self.suppliers.source_or(protocol.default_source());
        let options = self.options.plan(source, surroundings.buffers_bytes());
        let fixed = self.options.tile_side.or_else(|| self.suppliers.of(source).tile_side());
        let (side, plans) = match fixed {
            None => {
                let stages = &mut self.stages;
                let planned = || stages.end(Stage::Planning);
                let chosen = choose_by_stages(protocol, program, options, &surroundings, planned)?;
                self.stages.end(Stage::Choosing);
                chosen
            }
            Some(side) => {
                let options = PlanOptions { side, ..options };
                let plans = plan_tiles(protocol, program, options, &surroundings)?;
                self.stages.end(Stage::Planning);
                (side, plans)
            }
        };
        let wanted = Cut { side, supply: plans.supply() };
        let (agreed, finest) = agree_on_cut(&self.wire, &mut self.links, wanted)?;
        self.stages.end(Stage::Agreeing);
        if agreed == wanted {
            return Ok(plans);
        }
        let Cut { side, supply } = agreed;
        if let Some(peer) = finest {
            let own = PlanOptions { side: wanted.side, ..options };
            check_side(protocol, program, own, (peer, side))?;
        }
        let options = PlanOptions { side, supply: Some(supply), ..options };
        let plans = plan_tiles(protocol, program, options, &surroundings)?;
        self.stages.end(Stage::Planning);
        Ok(plans)
    }

    /// Makes sure that all parties have the same facts, and correlations from the same place; returns a nonce of each.
    /// From then on all are bound to what they contribute to the next run's keys.
    pub(super) fn confirm(
        &mut self,
        source: Source,
        terms: Terms,
    ) -> Result<BTreeMap<Role, Nonce>, SessionError> {
        let nonce = self.keys.nonce(self.role)?;
        // It makes other plans as well, of which a digest says less.
        let first = ("source of correlations".to_owned(), self.suppliers.of(source).name());
        let others = terms.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let terms: Terms = std::iter::once(first).chain(others).collect();
        let (role, run, keys) = (self.role, self.runs, self.keys);
        let parties = self.links.iter_mut().filter(|link| link.peer() != Role::Dealer);
        let mut nonces = BTreeMap::from([(role, nonce)]);
        let pledges = &mut self.pledges;
        self.wire.wait(async {
            for link in parties {
                let way = Way { from: role, to: link.peer(), run };
                let own = keys.contribution(way)?;
                let ours = Facts { fields: terms.clone(), nonce, commitment: own.commitment(way) };
                let bytes = link.send_control(PLAN, &ours).await?;
                let theirs: Facts = link.receive_control(PLAN.like(bytes), link.long_patience()).await?;
                if let Some(difference) = ours.fields.first_difference(&theirs.fields) {
                    return Err(NetError::Disagree { peer: link.peer(), difference }.into());
                }
                nonces.insert(link.peer(), theirs.nonce);
                pledges.insert(link.peer(), Pledge { own, peers: theirs.commitment });
            }
            Ok(nonces)
        })
    }

    /// Makes sure that the peers are the parties that the protocol has, and that the session's source can serve it.
    pub(super) fn check_roles(&self, protocol: Protocol) -> Result<(), SessionError> {
        let is_party = |role: &Role| *role != Role::Dealer;
        let roles = || Parties::first(protocol.parties()).iter().map(Role::from);
        let others: BTreeSet<Role> = self.links.iter().map(Link::peer).filter(is_party).collect();
        if !roles().filter(|&role| role != self.role).eq(others.iter().copied()) {
            let (roles, peers) = (roles().collect(), others.into_iter().collect());
            return Err(NetworkFault::Peers { protocol, roles, role: self.role, peers }.into());
        }
        let source = self.suppliers.source_or(protocol.default_source());
        Ok(protocol.check_source(source).map_err(PlanError::from)?)
    }
}
