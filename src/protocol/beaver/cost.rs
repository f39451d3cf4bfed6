//! What products cost.

use super::masks;
use crate::protocol::cost::{Costs, Factor, Held, Sent};
use crate::protocol::halves::PAIR;
use crate::share::Sharing;

/// Σ X·Y: opens what has to be opened.
pub(in crate::protocol) fn product_cost(
    costs: &mut Costs<'_>,
    sent: &mut Sent,
    x: Factor,
    y: Factor,
) -> Held {
    let (x_halves, y_halves) = (costs.halves(sent, x.id), costs.halves(sent, y.id));
    let masks = masks(x_halves.holders(), y_halves.holders());
    let e = costs.open(sent, x, y_halves.holders(), masks.left);
    let f = costs.open(sent, y, masks.left, masks.right);
    if masks.left.is_empty() {
        return Sharing::new(|holders, party| {
            let depth = e.get(party.index()).copied();
            depth.filter(|_| holders == party.alone() && y_halves.holders().contains(party))
        });
    }
    Costs::from_halves(PAIR.map(|party| {
        let index = party.index();
        let e = y_halves.of(party).map_or(0, |&depth| e[index].max(depth));
        let f = if masks.left.contains(party) { f[index] } else { 0 };
        e.max(f)
    }))
}
