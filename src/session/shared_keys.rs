//! The generator keys that two parties share.

use super::keys::{Contribution, Pledge, Way, derive};
use super::order::PlanName;
use super::topic::KEY;
use super::{Session, SessionError};
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
}
