//! Replicating values, and products of replicated ones. Formulas and names are those of [`super`].

use super::{PARTIES, Replicated, factors, next, partner, rest};
use crate::correlation::Product;
use crate::protocol::Content;
use crate::protocol::dealt::HELPER;
use crate::protocol::lowering::{Block, Lowering, Pair, Parts, Tile};
use crate::ring::{MINUS_ONE, Shape};
use crate::share::{Parties, PartyId, Sharing};
use crate::step::MemoryClass;

/// Σ X·Y over pairs of tiles.
pub(super) fn product(
    lowering: &mut Lowering<'_, Replicated>,
    product: Product,
    shape: Shape,
    terms: &[Pair],
) -> Parts {
    // All that is sent comes first: it crosses the wire while products are computed.
    let operands: Vec<(Parts, Parts)> =
        terms.iter().map(|&(x, y)| (lowering.replicated(x), lowering.replicated(y))).collect();
    let mut result = Sharing::ZERO;
    for party in PARTIES {
        let mut out = None;
        for (&(_, right), (x, y)) in terms.iter().zip(&operands) {
            let pairs: Vec<(Block, Block)> = factors(x, y, party)
                .into_iter()
                .map(|(x, y)| match y {
                    [Some(first), Some(second)] => (x, lowering.sum_of_both(right, party, first, second)),
                    [first, second] => (x, first.or(second).expect("a factor has a component")),
                })
                .collect();
            if !pairs.is_empty() {
                let accumulate = out.is_some();
                let out = *out.get_or_insert_with(|| lowering.buffer(party, shape, MemoryClass::Shares));
                lowering.push(party, product.kernel(out, pairs, accumulate));
            }
        }
        if let Some(out) = out {
            result.put(party.alone(), party, out);
        }
    }
    result
}

impl Lowering<'_, Replicated> {
    /// A tile of which every component has two holders.
    pub(super) fn replicated(&mut self, tile: Tile) -> Parts {
        if let Some(parts) = self.rules.replicas.get(&tile) {
            return parts.clone();
        }
        let replica = self.for_value(tile.value, |lowering| lowering.replicate(tile));
        self.rules.replicas.insert(tile, replica.clone());
        replica
    }

    fn replicate(&mut self, tile: Tile) -> Parts {
        let parts = self.parts(tile);
        let mut replica: Parts = parts.iter().filter(|(holders, ..)| holders.len() == 2).collect();
        match PARTIES.map(|party| parts.own(party)) {
            [Some(first), Some(second), Some(third)] => self.reshare(&mut replica, [first, second, third]),
            own => {
                for (party, part) in PARTIES.into_iter().zip(own) {
                    if let Some(part) = part {
                        self.share(&mut replica, party, part);
                    }
                }
            }
        }
        replica
    }

    /// The same value without a part that party 2 alone has: it is shared with the others.
    pub(super) fn hand_over(&mut self, parts: &Parts, part: Block) -> Parts {
        let is_other = |&(holders, ..): &(Parties, PartyId, Block)| holders != HELPER.alone();
        let mut shared: Parts = parts.iter().filter(is_other).collect();
        self.share(&mut shared, HELPER, part);
        shared
    }

    /// Adds what `party` alone knows: uniform elements to the component with its partner, the rest to the other.
    fn share(&mut self, replica: &mut Parts, party: PartyId, part: Block) {
        let (partner, rest) = (partner(party), rest(party));
        let [own, theirs] = self.common(party, partner, part.shape, MemoryClass::Shares);
        let terms = vec![(1, part), (MINUS_ONE, own)];
        let masked = self.combine(party, part.shape, MemoryClass::Shares, terms, 0);
        let received = self.transfer(masked, party, rest, Content::Share, MemoryClass::Shares);
        for (other, at_party, at_other) in [(partner, own, theirs), (rest, masked, received)] {
            let holders = party.alone().union(other.alone());
            self.add_copy(replica, holders, party, at_party);
            self.add_copy(replica, holders, other, at_other);
        }
    }

    /// Adds a part of each party: with shares of zero on them, each becomes the component with the party before.
    fn reshare(&mut self, replica: &mut Parts, parts: [Block; 3]) {
        let (shape, class) = (parts[0].shape, MemoryClass::Shares);
        // What a party has in common with the next one is added there and subtracted here.
        let mut masked = parts;
        for party in PARTIES {
            let after = next(party);
            let common = self.common(party, after, shape, MemoryClass::Correlations);
            for (whose, factor, mask) in [(party, MINUS_ONE, common[0]), (after, 1, common[1])] {
                let terms = vec![(1, masked[whose.index()]), (factor, mask)];
                masked[whose.index()] = self.combine(whose, shape, class, terms, 0);
            }
        }
        for (before, party) in PARTIES.map(|before| (before, next(before))) {
            let own = masked[party.index()];
            let received = self.transfer(own, party, before, Content::Share, class);
            let holders = before.alone().union(party.alone());
            self.add_copy(replica, holders, party, own);
            self.add_copy(replica, holders, before, received);
        }
    }

    fn add_copy(&mut self, replica: &mut Parts, holders: Parties, party: PartyId, term: Block) {
        let sum = match replica.copy(holders, party) {
            None => term,
            Some(copy) => {
                let terms = vec![(1, copy), (1, term)];
                self.combine(party, term.shape, MemoryClass::Shares, terms, 0)
            }
        };
        replica.put(holders, party, sum);
    }

    /// The sum of a party's two components of a replicated tile, made once.
    fn sum_of_both(&mut self, tile: Tile, party: PartyId, first: Block, second: Block) -> Block {
        if let Some(&sum) = self.rules.sums.get(&(tile, party)) {
            return sum;
        }
        let terms = vec![(1, first), (1, second)];
        let sum = self.for_value(tile.value, |lowering| {
            lowering.combine(party, first.shape, MemoryClass::Scratch, terms, 0)
        });
        self.rules.sums.insert((tile, party), sum);
        sum
    }
}
