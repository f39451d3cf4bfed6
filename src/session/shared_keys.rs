//! The generator keys that two parties share.

use super::keys::{Contribution, Pledge, Shown, Way, derive};
use super::order::PlanName;
use super::topic::KEY;
use super::{Session, SessionError};
use crate::net::{Link, NetError};
use crate::plan::Plan;
use crate::ring::prg::PrgKey;
use crate::share::Role;
use crate::step::KeyId;
use std::collections::HashMap;

impl Session {
    /// Exchanges contributions with every other party whose key the steps of the plan of all runs name, for the runs that the
    /// agreement covers; see [`super::keys`].
    pub(super) fn show_contributions(&mut self, whole: &Plan) -> Result<(), SessionError> {
        let named = whole.keys();
        let (role, run) = (self.role, self.runs);
        // Each pledge is for one agreement, whether that needs it or not. It is wiped where it lies: what is taken out of a map
        // stays in the map's memory.
        let pledges = std::mem::take(&mut self.pledges);
        self.shown.clear();
        let shown = &mut self.shown;
        let mut links: Vec<&mut Link> = self.links.iter_mut().collect();
        links
            .retain(|link| link.peer() != Role::Dealer && named.contains(&KeyId::between(role, link.peer())));
        shown.reserve_exact(links.len());
        self.wire.wait(async {
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
                shown.push(Shown { peer, own: own.clone(), peers: theirs });
            }
            Ok(())
        })
    }

    /// The keys of the session's next run, from the contributions of its agreement.
    pub(super) fn shared_keys(&self, name: &PlanName) -> HashMap<KeyId, PrgKey> {
        let key = |Shown { peer, own, peers }: &Shown| {
            let way = Way { from: self.role, to: *peer, run: self.runs };
            (KeyId::between(self.role, *peer), derive(name, way, own, peers))
        };
        self.shown.iter().map(key).collect()
    }
}
