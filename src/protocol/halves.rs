//! Values as parties 0 and 1 hold them between themselves, and what they open to each other.
//!
//! What is not linear is computed by these two with dealt correlations, whatever the protocol: each has a part of the
//! value, and where a third party has one as well, it tells both what is left of it under masks that it shares with one
//! of them each: x₀ − s₀, x₁ − s₁, and x₂ + s₀ + s₁ for both. Neither learns anything by that, and openings take no
//! round more.

use super::Content;
use super::lowering::{Block, Lowering, Parts, Tile};
use crate::correlation::{Correlation, EntryId, MaskSpec};
use crate::share::{Parties, PartyId, Sharing};
use crate::step::MemoryClass;

/// The two who compute what is not linear; the first adds what is public.
pub(super) const PAIR: [PartyId; 2] = [PartyId(0), PartyId(1)];

/// The third party, where there is one.
const THIRD: PartyId = PartyId(2);

/// A value between parties 0 and 1: the sum of their parts and of what the third told both.
#[derive(Clone, Copy)]
pub(super) struct Halves {
    /// Their parts; absent ones are zero.
    pub(super) parts: [Option<Block>; 2],
    /// What the third told them, each one's copy.
    pub(super) told: Option<[Block; 2]>,
}

impl Halves {
    /// Who has a part.
    pub(super) fn holders(&self) -> Parties {
        PAIR.into_iter().filter(|party| self.parts[party.index()].is_some()).collect()
    }

    /// The part of a party that has one.
    pub(super) fn of(&self, party: PartyId) -> Option<&Block> {
        self.parts[party.index()].as_ref()
    }
}

/// A tile under a mask, opened.
#[derive(Clone, Copy)]
pub(super) struct Opened {
    /// The mask, unless nothing needed hiding, and its parts.
    pub(super) mask: Option<EntryId>,
    pub(super) masks: [Option<Block>; 2],
    /// The masked tile, at those who learnt it.
    pub(super) sum: [Option<Block>; 2],
}

/// Which component of a value is whose part of its halves: each is in one of them.
fn half_of(holders: Parties) -> Option<PartyId> {
    holders.lowest().filter(|party| PAIR.contains(party))
}

impl Lowering<'_> {
    /// A tile as halves.
    pub(super) fn halves(&mut self, tile: Tile) -> Halves {
        if let Some(&halves) = self.halves.get(&tile) {
            return halves;
        }
        let halves = self.for_value(tile.value, |lowering| lowering.in_halves(tile));
        self.halves.insert(tile, halves);
        halves
    }

    fn in_halves(&mut self, tile: Tile) -> Halves {
        let parts = self.parts(tile);
        let mut halves = Halves { parts: PAIR.map(|party| self.half(&parts, party)), told: None };
        if let Some(rest) = parts.own(THIRD) {
            self.tell(&mut halves, rest);
        }
        halves
    }

    /// The sum of the components that are one party's half.
    fn half(&mut self, parts: &Parts, party: PartyId) -> Option<Block> {
        let is_its = |&(holders, whose, _): &(Parties, PartyId, Block)| {
            whose == party && half_of(holders) == Some(party)
        };
        let terms = parts.iter().filter(is_its).map(|(.., copy)| (1, copy)).collect();
        self.total_at(party, MemoryClass::Shares, terms)
    }

    /// The third party's part, under masks, becomes something that both know.
    fn tell(&mut self, halves: &mut Halves, rest: Block) {
        let (shape, class) = (rest.shape, MemoryClass::Openings);
        let mut told = rest;
        for party in PAIR {
            let [own, third] = self.common(party, THIRD, shape, MemoryClass::Correlations);
            told = self.combine(THIRD, shape, class, vec![(1, told), (1, third)], 0);
            let part = halves.of(party).map(|&part| (1, part));
            let terms = part.into_iter().chain([(u64::MAX, own)]).collect();
            halves.parts[party.index()] = Some(self.combine(party, shape, MemoryClass::Shares, terms, 0));
        }
        halves.told = Some(PAIR.map(|party| self.transfer(told, THIRD, party, Content::Told, class)));
    }

    /// Opens a tile to `learners`, hiding the parts of `masked`; once, however often it is asked for.
    pub(super) fn open_masked(&mut self, tile: Tile, learners: Parties, masked: Parties) -> Opened {
        let key = (tile, learners, masked);
        if let Some(&opened) = self.opened.get(&key) {
            return opened;
        }
        let opened = self.for_value(tile.value, |lowering| lowering.open_tile(tile, learners, masked));
        self.opened.insert(key, opened);
        opened
    }

    fn open_tile(&mut self, tile: Tile, learners: Parties, masked: Parties) -> Opened {
        let value = self.halves(tile);
        let mut opened = Opened { mask: None, masks: [None; 2], sum: [None; 2] };
        if !masked.is_empty() {
            let spec = MaskSpec { shape: self.grid(tile.value).shape(tile.at), parts: masked };
            let delivery = self.demand(Correlation::Mask(spec));
            opened.mask = Some(delivery.entry);
            opened.masks = PAIR.map(|party| spec.acquire(&mut self.lists[party.index()], delivery, party));
        }
        if !learners.is_empty() {
            let hidden = PAIR.map(|party| {
                let part = *value.of(party)?;
                let Some(mask) = opened.masks[party.index()] else { return Some(part) };
                let terms = vec![(1, part), (u64::MAX, mask)];
                Some(self.combine(party, part.shape, MemoryClass::Openings, terms, 0))
            });
            opened.sum = self.open(Halves { parts: hidden, ..value }, learners);
        }
        opened
    }

    /// Sends each part to the learner who does not have it; returns the sum, at the learners.
    fn open(&mut self, value: Halves, learners: Parties) -> [Option<Block>; 2] {
        let class = MemoryClass::Openings;
        PAIR.map(|learner| {
            if !learners.contains(learner) {
                return None;
            }
            let other = PAIR[1 - learner.index()];
            let received =
                value.of(other).map(|&part| self.transfer(part, other, learner, Content::Masked, class));
            let told = value.told.map(|told| told[learner.index()]);
            let terms = value.of(learner).copied().into_iter().chain(received).chain(told);
            self.total_at(learner, class, terms.map(|term| (1, term)).collect())
        })
    }

    /// A value that both have a part of, opened to both.
    pub(super) fn open_to_both(&mut self, parts: [Block; 2], told: Option<[Block; 2]>) -> [Block; 2] {
        let opened = self.open(Halves { parts: parts.map(Some), told }, Parties::first(2));
        opened.map(|sum| sum.expect("both learn it"))
    }

    /// A value of which parties 0 and 1 have a part each.
    pub(super) fn from_halves(parts: [Block; 2]) -> Parts {
        Sharing::new(|holders, party| {
            let is_half = holders == party.alone() && PAIR.contains(&party);
            is_half.then(|| parts[party.index()])
        })
    }
}

/// Whether a party adds what is public.
pub(super) fn is_leader(party: PartyId) -> bool {
    party == PAIR[0]
}
