//! What a run draws from: keys of the generator that this party shares with others, and what a dealer or a store gives.

use super::keys::{Contribution, Pledge, Way, derive};
use super::order::{Order, PlanName, Request};
use super::store::{Feed, FeedFailure};
use super::topic::{GRANT, KEY, ORDER};
use super::{NetworkFault, Session, SessionError};
use crate::net::{Link, NetError};
use crate::plan::Plans;
use crate::ring::prg::PrgKey;
use crate::share::Role;
use crate::step::KeyId;
use std::collections::HashMap;

impl Session {
    /// Agrees on a fresh key with every other party whose key the plan's steps name, see [`super::keys`].
    pub(super) fn share_keys(
        &mut self,
        plans: &Plans,
        name: &PlanName,
    ) -> Result<HashMap<KeyId, PrgKey>, SessionError> {
        let named = plans.of(self.role).keys();
        let (role, run) = (self.role, self.runs);
        // Each pledge is for one run, whether the run needs it or not. It is wiped where it lies: what is taken out of a map
        // stays in the map's memory.
        let pledges = std::mem::take(&mut self.pledges);
        let mut links: Vec<&mut Link> = self.links.iter_mut().collect();
        links
            .retain(|link| link.peer() != Role::Dealer && named.contains(&KeyId::between(role, link.peer())));
        self.wire.wait(async {
            let mut keys = HashMap::new();
            for link in &mut links {
                let pledge = pledges.get(&link.peer()).expect("the parties have confirmed the run");
                link.send_control(KEY, &pledge.own).await?;
            }
            for link in links {
                let (peer, patience) = (link.peer(), link.long_patience());
                let Pledge { own, peers } = &pledges[&peer];
                let theirs: Contribution = link.receive_control(KEY, patience).await?;
                if !theirs.keeps(*peers, Way { from: peer, to: role, run }) {
                    let reason = "it is not what the peer had committed itself to".into();
                    return Err(NetError::Malformed { peer, what: KEY.name, reason }.into());
                }
                let way = Way { from: role, to: peer, run };
                keys.insert(KeyId::between(role, peer), derive(name, way, own, &theirs));
            }
            Ok(keys)
        })
    }

    /// Comes by what the plan demands of a dealer; the key is the one that it shares with this party. From a store, it
    /// may turn out during the run that the file is of no use.
    pub(super) fn correlations(
        &mut self,
        order: &Order,
        name: &PlanName,
    ) -> Result<(PrgKey, Option<FeedFailure>), SessionError> {
        let run = name.run_number(self.runs);
        let Some(stock) = &self.stock else {
            return Ok((self.order(order, name)?, None));
        };
        let Feed { key, link, failure } = Feed::start(stock, &self.wire, &mut self.links, run)?;
        self.links.retain(|link| link.peer() != Role::Dealer);
        self.links.push(link);
        Ok((key, Some(failure)))
    }

    /// Tells the dealer, if there is one, what needs no answer.
    pub(super) fn tell_dealer(&mut self, order: &Order) -> Result<(), SessionError> {
        let contribution = self.keys.contribution(self.to_dealer())?;
        let dealer = self.links.iter_mut().find(|link| link.peer() == Role::Dealer);
        let Some(dealer) = dealer.filter(|_| self.stock.is_none()) else { return Ok(()) };
        self.wire.wait(dealer.send_control(ORDER, &Request { order, contribution }))?;
        Ok(())
    }

    /// Orders from the dealer, and derives the key that it shares with this party, see [`super::keys`].
    fn order(&mut self, order: &Order, name: &PlanName) -> Result<PrgKey, SessionError> {
        let way = self.to_dealer();
        let request = Request { order, contribution: self.keys.contribution(way)? };
        let dealer = self.links.iter_mut().find(|link| link.peer() == Role::Dealer);
        let dealer = dealer.ok_or(NetworkFault::NoSource)?;
        let theirs: Contribution = self.wire.wait(async {
            dealer.send_control(ORDER, &request).await?;
            dealer.receive_control(GRANT, dealer.long_patience()).await
        })?;
        Ok(derive(name, way, &request.contribution, &theirs))
    }

    fn to_dealer(&self) -> Way {
        Way { from: self.role, to: Role::Dealer, run: self.runs }
    }
}
