//! What replicating values and their products cost.

use super::{PARTIES, factors, next, partner, rest};
use crate::protocol::cost::{Costs, Factor, Held, Sent};
use crate::share::{PartyId, Sharing};

/// Σ X·Y of replicated values: nothing but that they become replicated.
pub(in crate::protocol) fn product_cost(
    costs: &mut Costs<'_>,
    sent: &mut Sent,
    x: Factor,
    y: Factor,
) -> Held {
    let [left, right] = [x.id, y.id].map(|id| costs.held(id));
    if let (Some(owner), true) = (left.owner(), left.owner() == right.owner()) {
        let depth = |held: Held| held.own(owner).expect("what its owner holds");
        return Sharing::alone(owner, depth(left).max(depth(right)));
    }
    let [left, right] = [x, y].map(|factor| costs.replicated(sent, factor));
    let mut result = Sharing::ZERO;
    for party in PARTIES {
        let factors = factors(&left, &right, party);
        let depths = factors.into_iter().flat_map(|(x, y)| [Some(x), y[0], y[1]]).flatten();
        if let Some(depth) = depths.max() {
            result.put(party.alone(), party, depth);
        }
    }
    result
}

/// A value of which every component has two holders, given when each copy is there; `count` elements.
pub(in crate::protocol) fn replicate(sent: &mut Sent, held: Held, formula: &str, count: usize) -> Held {
    let mut replica =
        Sharing::new(|holders, party| if holders.len() == 2 { held.copy(holders, party) } else { None });
    let mut add = |party: PartyId, other: PartyId, at_party: u32, at_other: u32| {
        let holders = party.alone().union(other.alone());
        for (whose, depth) in [(party, at_party), (other, at_other)] {
            replica.put(holders, whose, replica.copy(holders, whose).unwrap_or(0).max(depth));
        }
    };
    let own = PARTIES.map(|party| held.own(party));
    let is_of_all = own.iter().all(Option::is_some);
    for (party, depth) in PARTIES.into_iter().zip(own) {
        let Some(depth) = depth else { continue };
        sent.send("share", formula, count, party);
        if is_of_all {
            let before = next(next(party));
            add(party, before, depth, depth + 1);
        } else {
            add(party, partner(party), 0, 0);
            add(party, rest(party), depth, depth + 1);
        }
    }
    replica
}
