//! Values as the two computing parties hold them between themselves, and what they open to each other.
//!
//! Each of the two has a part of the value. Where the helper has one as well, it tells both what is left of it under masks
//! that it shares with one of them each: x₀ − s₀, x₁ − s₁, and x₂ + s₀ + s₁ for both. Neither learns anything by that,
//! and openings take no round more.

use super::{HELPER, UsesToolkit};
use crate::correlation::{Correlation, EntryId, MaskSpec};
use crate::protocol::Content;
use crate::protocol::lowering::{Block, Lowering, Parts, Tile};
use crate::ring::MINUS_ONE;
use crate::share::{Parties, PartyId};
use crate::step::bits::packed;
use crate::step::{Action, Kernel, MemoryClass};

/// The two who compute what is not linear; the first adds what is public.
pub(in crate::protocol) const COMPUTING: [PartyId; 2] = [PartyId(0), PartyId(1)];

/// A value between the two: the sum of their parts and of the helper's masked part.
#[derive(Clone, Copy)]
pub(in crate::protocol) struct TwoPartyShares {
    /// Their parts; absent ones are zero.
    pub(super) parts: [Option<Block>; 2],
    /// The helper's part, which both know under masks. The value is the sum modulo 2^w of this.
    pub(super) told: Option<HelperShare>,
}

/// The helper's part under masks, modulo 2^w.
#[derive(Clone, Copy)]
pub(super) struct HelperShare {
    /// Each one's copy.
    copies: [Block; 2],
    /// w.
    width: u32,
    /// Whether the copies are packed: where w is less than k.
    is_packed: bool,
}

impl TwoPartyShares {
    /// The parties that have a part.
    pub(in crate::protocol) fn holders(&self) -> Parties {
        COMPUTING.into_iter().filter(|party| self.parts[party.index()].is_some()).collect()
    }

    /// The part of a party that has one.
    pub(in crate::protocol) fn of(&self, party: PartyId) -> Option<&Block> {
        self.parts[party.index()].as_ref()
    }

    /// A party's copy of the helper's masked part, if it has one.
    ///
    /// # Panics
    /// Where not all of its bits were told: whoever multiplies has to have asked for them.
    pub(super) fn told(&self, party: PartyId) -> Option<Block> {
        self.told.map(|told| {
            assert!(!told.is_packed, "all bits of the helper's part are told");
            told.copies[party.index()]
        })
    }
}

/// Which opening of a tile: who learns it, whose parts are masked, and modulo which power of two.
pub(super) type OpenedKey = (Tile, Parties, Parties, u32);

/// A tile under a mask, opened.
#[derive(Clone, Copy)]
pub(in crate::protocol) struct Opened {
    /// The mask, unless nothing needed hiding, and its parts.
    pub(in crate::protocol) mask: Option<EntryId>,
    pub(in crate::protocol) masks: [Option<Block>; 2],
    /// The masked tile, at those who learnt it; of what was opened modulo 2^w the low w bits count.
    pub(in crate::protocol) sum: [Option<Block>; 2],
}

/// Whose part a component belongs to: each is in one of the two, or the helper's.
fn part_of(holders: Parties) -> Option<PartyId> {
    holders.lowest().filter(|party| COMPUTING.contains(party))
}

impl<P: UsesToolkit> Lowering<'_, P> {
    /// A tile between the two.
    pub(in crate::protocol) fn two_party(&mut self, tile: Tile) -> TwoPartyShares {
        if let Some(&shares) = self.rules.toolkit().shares.get(&tile) {
            return shares;
        }
        let shares = self.for_value(tile.value, |lowering| lowering.split(tile));
        self.rules.toolkit().shares.insert(tile, shares);
        shares
    }

    fn split(&mut self, tile: Tile) -> TwoPartyShares {
        let parts = self.parts(tile);
        let mut shares =
            TwoPartyShares { parts: COMPUTING.map(|party| self.part(&parts, party)), told: None };
        if let Some(rest) = parts.own(HELPER) {
            let width = self.rules.toolkit().widths.shares(tile.value, rest.shape.len());
            self.tell(&mut shares, rest, width);
        }
        shares
    }

    /// The sum of the components that belong to one party's part.
    pub(super) fn part(&mut self, parts: &Parts, party: PartyId) -> Option<Block> {
        let is_its = |&(holders, whose, _): &(Parties, PartyId, Block)| {
            whose == party && part_of(holders) == Some(party)
        };
        let terms = parts.iter().filter(is_its).map(|(.., copy)| (1, copy)).collect();
        self.total_at(party, MemoryClass::Shares, terms)
    }

    /// Both learn the helper's part under masks, modulo 2^width.
    fn tell(&mut self, shares: &mut TwoPartyShares, rest: Block, width: u32) {
        let (shape, class) = (rest.shape, MemoryClass::Openings);
        let mut told = rest;
        for party in COMPUTING {
            let [own, helpers] = self.common(party, HELPER, shape, MemoryClass::Correlations);
            told = self.combine(HELPER, shape, class, vec![(1, told), (1, helpers)], 0);
            let part = shares.of(party).map(|&part| (1, part));
            let terms = part.into_iter().chain([(MINUS_ONE, own)]).collect();
            shares.parts[party.index()] = Some(self.combine(party, shape, MemoryClass::Shares, terms, 0));
        }
        let is_packed = self.is_packed(width);
        if is_packed {
            told = self.pack(HELPER, told, width);
        }
        let content = Content::Told { width };
        let copies = COMPUTING.map(|party| self.transfer(told, HELPER, party, content, class));
        shares.told = Some(HelperShare { copies, width, is_packed });
    }

    pub(super) fn is_packed(&self, width: u32) -> bool {
        width < self.program.ring().bits()
    }

    /// The low bits of a party's matrix.
    pub(super) fn pack(&mut self, party: PartyId, operand: Block, width: u32) -> Block {
        let shape = packed(self.program.ring(), width, operand.shape.len());
        let out = self.buffer(party, shape, MemoryClass::Openings);
        self.push(party, Action::Kernel(Kernel::Pack { out, operand, width }));
        out
    }

    /// Opens a tile to `learners`, hiding the parts of `masked`; once, however often it is asked for. Who alone has a tile
    /// learns nothing by it, and so counts among the learners of any opening.
    pub(in crate::protocol) fn open_masked(
        &mut self,
        tile: Tile,
        learners: Parties,
        masked: Parties,
    ) -> Opened {
        let holders = self.two_party(tile).holders();
        let owner = if holders.len() == 1 && !learners.is_empty() { holders } else { Parties::NONE };
        self.open_modulo((tile, learners.union(owner), masked, self.program.ring().bits()))
    }

    /// Opens a tile that is compared to parties 0 and 1: no more of its bits than are needed.
    pub(super) fn open_compared(&mut self, tile: Tile) -> Opened {
        let both = Parties::first(2);
        let elements = self.grid(tile.value).shape(tile.at).len();
        let width = self.rules.toolkit().widths.opened(tile.value, elements);
        self.open_modulo((tile, both, both, width))
    }

    fn open_modulo(&mut self, key: OpenedKey) -> Opened {
        if let Some(&opened) = self.rules.toolkit().opened.get(&key) {
            return opened;
        }
        let opened = self.for_value(key.0.value, |lowering| lowering.open_tile(key));
        self.rules.toolkit().opened.insert(key, opened);
        opened
    }

    fn open_tile(&mut self, (tile, learners, masked, width): OpenedKey) -> Opened {
        let value = self.two_party(tile);
        let mut opened = Opened { mask: None, masks: [None; 2], sum: [None; 2] };
        if !masked.is_empty() {
            let spec = MaskSpec { shape: self.grid(tile.value).shape(tile.at), parts: masked };
            let acquired = self.demand(Correlation::Mask(spec));
            opened.mask = Some(acquired.entry);
            opened.masks =
                COMPUTING.map(|party| spec.acquire(&mut self.lists[party.index()], acquired, party));
        }
        if !learners.is_empty() {
            let hidden = COMPUTING.map(|party| {
                let part = *value.of(party)?;
                let Some(mask) = opened.masks[party.index()] else { return Some(part) };
                let terms = vec![(1, part), (MINUS_ONE, mask)];
                Some(self.combine(party, part.shape, MemoryClass::Openings, terms, 0))
            });
            opened.sum = match hidden {
                [Some(first), Some(second)] if self.is_packed(width) => {
                    self.open_to_both([first, second], value.told, width).map(Some)
                }
                _ => self.open(TwoPartyShares { parts: hidden, ..value }, learners),
            };
        }
        opened
    }

    /// Sends each part to the learner who does not have it; returns the sum, at the learners.
    fn open(&mut self, value: TwoPartyShares, learners: Parties) -> [Option<Block>; 2] {
        let (content, class) = (Content::Masked { width: self.program.ring().bits() }, MemoryClass::Openings);
        COMPUTING.map(|learner| {
            if !learners.contains(learner) {
                return None;
            }
            let other = COMPUTING[1 - learner.index()];
            let received = value.of(other).map(|&part| self.transfer(part, other, learner, content, class));
            let told = value.told(learner);
            let terms = value.of(learner).copied().into_iter().chain(received).chain(told);
            self.total_at(learner, class, terms.map(|term| (1, term)).collect())
        })
    }

    /// A value that both have a part of, opened to both modulo 2^width; where that is less than 2^k, `parts` become the
    /// sums.
    pub(super) fn open_to_both(
        &mut self,
        parts: [Block; 2],
        told: Option<HelperShare>,
        width: u32,
    ) -> [Block; 2] {
        if !self.is_packed(width) {
            let opened = self.open(TwoPartyShares { parts: parts.map(Some), told }, Parties::first(2));
            return opened.map(|sum| sum.expect("both learn it"));
        }
        let (content, class) = (Content::Masked { width }, MemoryClass::Openings);
        let sent = COMPUTING.map(|party| self.pack(party, parts[party.index()], width));
        COMPUTING.map(|party| {
            let (out, other) = (parts[party.index()], COMPUTING[1 - party.index()]);
            let received = self.transfer(sent[other.index()], other, party, content, class);
            self.add_packed(party, out, received, width);
            match told.map(|told| (told, told.copies[party.index()])) {
                None => out,
                Some((HelperShare { width, is_packed: true, .. }, told)) => {
                    self.add_packed(party, out, told, width);
                    out
                }
                Some((_, told)) => self.combine(party, out.shape, class, vec![(1, out), (1, told)], 0),
            }
        })
    }

    fn add_packed(&mut self, party: PartyId, out: Block, operand: Block, width: u32) {
        self.push(party, Action::Kernel(Kernel::Unpack { out, operand, width, accumulate: true }));
    }
}

/// A value of which each of the two has a part.
pub(super) fn from_parts(parts: [Block; 2]) -> Parts {
    COMPUTING.into_iter().zip(parts).map(|(party, part)| (party.alone(), party, part)).collect()
}

/// Whether a party adds what is public.
pub(super) fn is_leader(party: PartyId) -> bool {
    party == COMPUTING[0]
}
